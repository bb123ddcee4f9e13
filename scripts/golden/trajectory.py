"""Training runs of three epochs: Adam, truncated BPTT in chunks of 100 frames, three sequences in lock-step.

A chunk is one step: the squared errors of all lanes' labelled values over their number. State is carried and detached;
a lane that has ended contributes nothing. An epoch's loss is the sum of its squared errors, as met, over their number.
"""

import sys

import torch

from files import SIZES, TARGETS, blank, curves, stream, write_checkpoint, write_json, write_tensors
from network import Network, sharpen

EPOCHS, CHUNK, LEARNING_RATE = 3, 100, 0.01
LENGTHS = [250, 180, 301]
PREDICTED = 1  # the sequence whose predictions are stored
# Unlabelled frames: [first, end, target], in each sequence.
UNLABELLED = [[[40, 60, 0]], [[0, 10, 0], [0, 10, 1]], [[299, 301, 1], [300, 301, 0]]]
GAPS = [{"audio": [[20, 45]], "video": [[30, 60], [249, 250]]}, {"video": [[0, 120]]}, {"audio": [[98, 103]]}]
EARLY = stream("early", inputs=["audio", "video"], hidden=7)
WINDOWED = stream("video", window=5, hidden=8)
MODELS = {
    "lstm": {"streams": [EARLY], "fusion": "none"},
    "attention": {"streams": [WINDOWED], "fusion": "none"},
    "three_streams": {"streams": [stream("audio"), WINDOWED, EARLY], "fusion": "attention"},
}
RUNS = [
    {"name": "lstm", "init": "lstm", "bypass": 0, "gaps": False},
    {"name": "attention", "init": "attention", "bypass": 0, "gaps": False},
    {"name": "attention_bypass", "init": "attention", "bypass": 1, "gaps": False},
    {"name": "three_streams", "init": "three_streams", "bypass": 0, "gaps": False},
    {"name": "three_streams_gaps", "init": "three_streams", "bypass": 1, "gaps": True},
]


def make_data():
    generator = torch.Generator().manual_seed(3)
    sequences = []
    for length, ranges in zip(LENGTHS, UNLABELLED):
        features = {name: curves(length, size, generator) for name, size in SIZES.items()}
        late = features["video"].roll(2, 0)  # what a window can find and a frame alone cannot
        mix = torch.stack([features["audio"][:, 0] + late[:, 1], features["audio"][:, 2] * late[:, 3]], -1)
        targets = torch.tanh(0.7 * mix + 0.1 * torch.randn(length, 2, generator=generator))
        for first, end, target in ranges:
            targets[first:end, target] = torch.nan
        sequences.append((features, targets))
    return sequences


def chunk_errors(network, features, targets, begin, state, bypass):
    """The sum of squared errors of one lane's chunk, their number, and the state after it."""
    end = min(begin + CHUNK, len(targets))
    z, _, _, state = network(features, begin, end, state, bypass)
    gold = targets[begin:end]
    labelled = ~gold.isnan()
    errors = torch.where(labelled, z - gold.nan_to_num(0), torch.zeros_like(z))
    return (errors**2).sum(), int(labelled.sum()), [(h.detach(), c.detach()) for h, c in state]


def train(network, sequences, bypass_epochs):
    optimiser = torch.optim.Adam(network.parameters(), lr=LEARNING_RATE, betas=(0.9, 0.999), eps=1e-8)
    losses = []
    for epoch in range(EPOCHS):
        states = [network.start() for _ in sequences]
        squares, terms = 0.0, 0
        for begin in range(0, max(LENGTHS), CHUNK):
            total, count = 0, 0
            for lane, (features, targets) in enumerate(sequences):
                if begin >= len(targets):
                    continue
                bypass = epoch < bypass_epochs
                error, labelled, states[lane] = chunk_errors(network, features, targets, begin, states[lane], bypass)
                total, count = total + error, count + labelled
            if count == 0:
                continue
            optimiser.zero_grad(set_to_none=True)
            (total / count).backward()
            optimiser.step()
            squares, terms = squares + total.item(), terms + count
        losses.append(squares / terms)
    return losses


def initial(name):
    torch.manual_seed(4)
    network = Network(MODELS[name], SIZES, len(TARGETS))
    sharpen(network)
    return network


def run(options, sequences, dtype):
    network = initial(options["init"]).to(dtype)
    gaps = GAPS if options["gaps"] else [{} for _ in sequences]
    data = [(blank(features, holes), targets) for (features, targets), holes in zip(sequences, gaps)]
    data = [({k: v.to(dtype) for k, v in features.items()}, targets.to(dtype)) for features, targets in data]
    losses = train(network, data, options["bypass"])
    with torch.no_grad():
        predictions = [network(features, 0, len(targets), network.start())[0] for features, targets in data]
    return network, losses, predictions


def main():
    sequences = make_data()
    for name in MODELS:
        write_checkpoint(f"trajectory_{name}", initial(name))
    tensors, runs = {}, []
    for i, (features, targets) in enumerate(sequences):
        tensors |= {f"{i}.{name}": rows for name, rows in features.items()} | {f"{i}.targets": targets}
    for options in RUNS:
        network, losses, predictions = run(options, sequences, torch.float64)
        if "--float32" in sys.argv:
            _, single, _ = run(options, sequences, torch.float32)
            print(options["name"], losses, "float32 differs by", [a / b - 1 for a, b in zip(single, losses)])
        tensors[f"{options['name']}.predictions"] = predictions[PREDICTED]
        norms = {key: value.norm().item() for key, value in network.state_dict().items()}
        runs.append(options | {"losses": losses, "norms": norms})
    write_tensors("trajectory", tensors)
    write_json("trajectory", {"lengths": LENGTHS, "gaps": GAPS, "predicted": PREDICTED, "runs": runs})


if __name__ == "__main__":
    main()
