"""Tensors in memory as a checkpoint directory that the library reads."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from nwcodec.errors import InvalidArgumentError

_NAMES = {
    "float64": "F64",
    "float32": "F32",
    "float16": "F16",
    "bfloat16": "BF16",
    "int64": "I64",
    "int32": "I32",
    "int16": "I16",
    "int8": "I8",
    "uint64": "U64",
    "uint32": "U32",
    "uint16": "U16",
    "uint8": "U8",
    "bool": "BOOL",
}


def _bytes_of(name: str, tensor: Any) -> tuple[str, list[int], np.ndarray]:
    dtype = str(getattr(tensor, "dtype", "")).removeprefix("torch.")
    if dtype not in _NAMES:
        raise InvalidArgumentError(f"{name}: neither an array of numpy nor a tensor of PyTorch that can be stored")
    if hasattr(tensor, "detach"):
        import torch

        flat = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
    else:
        flat = np.ascontiguousarray(tensor).reshape(-1).view(np.uint8)
    return _NAMES[dtype], list(tensor.shape), flat


def write(directory: Path, tensors: Mapping[str, Any]) -> None:
    """A directory with one safetensors file of these tensors."""
    directory.mkdir(parents=True, exist_ok=True)
    header, parts, at = {}, [], 0
    for name in sorted(tensors):
        dtype, shape, flat = _bytes_of(name, tensors[name])
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + flat.size]}
        parts.append(flat)
        at += flat.size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with (directory / "model.safetensors").open("wb") as file:
        file.write(struct.pack("<Q", len(text)))
        file.write(text)
        for part in parts:
            file.write(part.data)
