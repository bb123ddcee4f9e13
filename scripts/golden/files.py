"""Where golden files lie, and how a checkpoint is written."""

import json
from pathlib import Path

import torch
from safetensors.torch import save_file

GOLDEN = Path(__file__).resolve().parents[2] / "test" / "golden"
TARGETS = ["arousal", "valence"]
SIZES = {"audio": 5, "video": 7}
RATE = 25


def stream(name, **options):
    """A stream of the checkpoint's metadata."""
    plain = {"name": name, "inputs": [name], "hidden": 6, "layers": 2, "bidirectional": False}
    return plain | {"window": None, "attention": "gdp"} | options


def write_checkpoint(name, network):
    metadata = {
        "format": 1,
        "version": "golden",
        "targets": TARGETS,
        "rate": RATE,
        "model": network.model,
        "normaliser": {name: {"mean": [0.0] * size, "sd": [1.0] * size} for name, size in SIZES.items()},
        "delay": {},
        "postprocessing": [],
        "fitted": {},
        "seed": 0,
    }
    write_tensors(name, network.state_dict(), {"circumplex": json.dumps(metadata)})


def write_tensors(name, tensors, metadata=None):
    floats = {key: value.detach().to(torch.float32).contiguous() for key, value in tensors.items()}
    save_file(floats, GOLDEN / f"{name}.safetensors", metadata)


def write_json(name, value):
    (GOLDEN / f"{name}.json").write_text(json.dumps(value, indent=2) + "\n")


def curves(frames, size, generator):
    """Smooth random features [time, size] of about unit variance."""
    noise = torch.randn(frames, size, generator=generator)
    rows = [noise[0]]
    for t in range(1, frames):
        rows.append(0.9 * rows[-1] + (1 - 0.9**2) ** 0.5 * noise[t])
    return torch.stack(rows)


def blank(features, gaps):
    """The features with NaN rows where `gaps` {modality: [[first, end], ...]} says."""
    result = {name: rows.clone() for name, rows in features.items()}
    for name, ranges in gaps.items():
        for first, end in ranges:
            result[name][first:end] = torch.nan
    return result
