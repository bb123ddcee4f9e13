"""A file with every element type, from the safetensors library."""

import torch
from safetensors.torch import save_file

from files import GOLDEN, write_json

FLOATS = [0.0, -0.0, 1.0, -1.5, 0.1, 65504.0, 6e-8, 1e-3, float("inf"), float("-inf")]
INTEGERS = [0, 1, 2, 100, 127]
TYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}


def main():
    tensors = {name: torch.tensor(FLOATS if t.is_floating_point else INTEGERS, dtype=t) for name, t in TYPES.items()}
    save_file(tensors, GOLDEN / "dtypes.safetensors", {"note": 'with "quotes", \n and é'})
    values = {name: [str(value) for value in t.tolist()] for name, t in tensors.items()}
    write_json("dtypes", values)


if __name__ == "__main__":
    main()
