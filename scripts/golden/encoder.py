"""Streams with a Transformer's encoder: forward passes over two short sequences, one of them with missing frames, and the
gradient of every tensor for a given one of the predictions."""

import torch

from files import SIZES, TARGETS, blank, curves, stream, write_checkpoint, write_json, write_tensors
from network import Network

LENGTHS = [37, 23]
GAPS = [{}, {"audio": [[0, 1], [8, 17]], "video": [[0, 1], [8, 10], [22, 23]]}]
CASES = {
    "mlp": stream("early", inputs=["video", "audio"], layers=0, encoder={"width": 8, "heads": 2, "inner": 5, "layers": 2}),
    "lstm": stream("audio", layers=1, encoder={"width": 6, "heads": 3, "inner": 4, "layers": 1}),
}


def main():
    generator = torch.Generator().manual_seed(5)
    sequences = [{name: curves(n, size, generator) for name, size in SIZES.items()} for n in LENGTHS]
    sequences = [blank(features, gaps) for features, gaps in zip(sequences, GAPS)]
    tensors = {f"{i}.{name}": rows for i, features in enumerate(sequences) for name, rows in features.items()}
    slopes = [torch.randn(n, len(TARGETS), generator=generator) for n in LENGTHS]
    tensors |= {f"{i}.dy": slope for i, slope in enumerate(slopes)}
    for k, (case, spec) in enumerate(CASES.items()):
        torch.manual_seed(500 + k)
        network = Network({"streams": [spec], "fusion": "none"}, SIZES, len(TARGETS))
        for tensor in network.parameters():
            tensor.data += 0.3 * torch.randn_like(tensor)  # no two blocks alike, no bias 0
        write_checkpoint(f"encoder_{case}", network)
        network.double()
        for i, features in enumerate(sequences):
            rows = {name: values.double() for name, values in features.items()}
            _, [(h, y, _)], _, _ = network(rows, 0, LENGTHS[i], network.start())
            tensors |= {f"{case}.{i}.h": h, f"{case}.{i}.y": y}
            (y * slopes[i]).sum().backward()
        tensors |= {f"{case}.gradient.{name}": tensor.grad for name, tensor in network.named_parameters()}
    write_tensors("encoder", tensors)
    write_json("encoder", {"cases": list(CASES), "lengths": LENGTHS})


if __name__ == "__main__":
    main()
