"""Fusion of three streams' states and predictions, with frames at which some or all of the streams are missing."""

import torch

from files import TARGETS, write_json, write_tensors
from network import fuse, fusion_weights

FRAMES = 24
WIDTHS = [6, 4, 3]
# [first, end] by stream; at frame 12 all are missing.
GAPS = [[[3, 6], [12, 13]], [[5, 9], [12, 13]], [[12, 15]]]
CASES = {
    "attention": ("attention", False),
    "attention_bias": ("attention", True),
    "static": ("static", False),
    "mean": ("mean", False),
    "olb": ("olb", False),
    "olb_per_dimension": ("olb-per-dimension", False),
    "olb_per_dimension_bias": ("olb-per-dimension", True),
    "hlb": ("hlb", False),
    "hlb_bias": ("hlb", True),
}


def main():
    torch.manual_seed(2)
    h = [torch.rand(FRAMES, width) * 2 - 1 for width in WIDTHS]
    y = [torch.randn(FRAMES, len(TARGETS)) for _ in WIDTHS]
    valid = [torch.ones(FRAMES, dtype=torch.bool) for _ in WIDTHS]
    for present, gaps in zip(valid, GAPS):
        for first, end in gaps:
            present[first:end] = False
    tensors = {f"h{i}": rows for i, rows in enumerate(h)} | {f"y{i}": rows for i, rows in enumerate(y)}
    for case, (kind, bias) in CASES.items():
        fusion = fusion_weights(kind, len(TARGETS), WIDTHS, bias)
        if kind == "static":
            fusion.weight.data.normal_()
        if fusion is not None:
            tensors |= {f"{case}.fusion.{name}": value for name, value in fusion.state_dict().items()}
            fusion.double()
        with torch.no_grad():
            z, weights = fuse(kind, fusion, [rows.double() for rows in h], [rows.double() for rows in y], valid)
        tensors |= {f"{case}.z": z} | ({} if weights is None else {f"{case}.weights": weights})
    write_tensors("fusion", tensors)
    cases = [{"name": case, "fusion": kind, "bias": bias} for case, (kind, bias) in CASES.items()]
    write_json("fusion", {"frames": FRAMES, "widths": WIDTHS, "gaps": GAPS, "cases": cases})


if __name__ == "__main__":
    main()
