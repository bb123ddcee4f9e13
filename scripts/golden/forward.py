"""Forward passes: every kind of stream over two short sequences, one of them with missing frames."""

import torch

from files import SIZES, TARGETS, blank, curves, stream, write_checkpoint, write_json, write_tensors
from network import Network, sharpen

LENGTHS = [37, 23]
GAPS = [{}, {"audio": [[0, 1], [8, 17]], "video": [[8, 10], [22, 23]]}]
CASES = {
    "lstm": stream("audio"),
    "lstm_bidirectional": stream("audio", bidirectional=True),
    "lstm_three_layers": stream("video", layers=3, hidden=3),
    "early": stream("early", inputs=["video", "audio"], hidden=5),
    "attention_odd": stream("audio", window=5),
    "attention_even": stream("video", window=4, hidden=7, layers=1),
    "attention_early": stream("early", inputs=["audio", "video"], window=7),
    "window_uniform": stream("audio", window=6, attention="uniform"),
    "window_static": stream("audio", window=5, attention="static"),
}


def main():
    generator = torch.Generator().manual_seed(1)
    sequences = [{name: curves(n, size, generator) for name, size in SIZES.items()} for n in LENGTHS]
    sequences = [blank(features, gaps) for features, gaps in zip(sequences, GAPS)]
    tensors = {f"{i}.{name}": rows for i, features in enumerate(sequences) for name, rows in features.items()}
    for k, (case, spec) in enumerate(CASES.items()):
        torch.manual_seed(100 + k)
        network = Network({"streams": [spec], "fusion": "none"}, SIZES, len(TARGETS))
        sharpen(network)
        write_checkpoint(f"forward_{case}", network)
        network.double()
        for i, features in enumerate(sequences):
            rows = {name: values.double() for name, values in features.items()}
            with torch.no_grad():
                _, [(h, y, attention)], _, _ = network(rows, 0, LENGTHS[i], network.start())
            expected = {"h": h, "y": y, "attention": attention}
            tensors |= {f"{case}.{i}.{name}": value for name, value in expected.items() if value is not None}
    write_tensors("forward", tensors)
    write_json("forward", {"cases": list(CASES), "lengths": LENGTHS})


if __name__ == "__main__":
    main()
