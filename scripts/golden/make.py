"""Writes the golden files of test/golden.

Needs torch and safetensors (made with torch 2.13.0, safetensors 0.8.0, on a CPU); takes a minute:

    pip install torch safetensors
    python scripts/golden/make.py
    npx biome format --write test/golden

`--float32` also trains in float32 and prints how far that is from the float64 that is stored.
"""

import sys

import torch

sys.dont_write_bytecode = True  # no __pycache__ beside the scripts

import dtypes
import encoder
import forward
import fusion
import trajectory

if __name__ == "__main__":
    torch.set_num_threads(1)
    for part in (dtypes, encoder, forward, fusion, trajectory):
        part.main()
