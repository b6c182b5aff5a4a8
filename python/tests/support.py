"""What several tests share: the demo model, compressed once."""

from __future__ import annotations

import functools
import importlib.util
import json
import shutil
import tempfile
import unittest
from pathlib import Path

import numpy as np

import nwcodec

ROOT = Path(__file__).resolve().parents[2]
DEMO = ROOT / "models" / "demo"
TEXT = ROOT / "models" / "demo-text.txt"
_kept = tempfile.TemporaryDirectory()
reports: dict[Path, dict] = {}  # what compression told of these

needs_torch = unittest.skipUnless(importlib.util.find_spec("torch"), "PyTorch is not installed")
needs_transformers = unittest.skipUnless(
    importlib.util.find_spec("torch") and importlib.util.find_spec("transformers"), "transformers is not installed"
)


@functools.cache
def compressed() -> Path:
    """The demo model at 4 bits."""
    output = Path(_kept.name) / "small"
    nwcodec.compress(DEMO, output, bits=4.0)
    return output


def small_of(tensors, output: Path) -> Path:
    """Other tensors, compressed, in the place of the demo model's."""
    nwcodec.compress(tensors, output)
    config = json.loads((compressed() / "config.json").read_text())
    config["quantization_config"]["codec_id"] = nwcodec.inspect(output)["codec_id"]
    (output / "config.json").write_text(json.dumps(config))
    return output


@functools.cache
def progressive() -> Path:
    """The demo model in a base of 2.5 bits and a refinement up to 4."""
    output = Path(_kept.name) / "progressive"
    reports[output] = nwcodec.compress(DEMO, output, layers=[2.5, 4.0])
    return output


def fine_tune(directory: Path, names: tuple[str, ...] = ("layers.1.mlp", "layers.2.self_attn", "model.norm")) -> Path:
    """The demo model with a few percent of noise in the tensors whose names have one of `names` in them."""
    shutil.copytree(DEMO, directory)
    path = directory / "model.safetensors"
    data = bytearray(path.read_bytes())
    size = int.from_bytes(data[:8], "little")
    rng = np.random.default_rng(1)
    for name, entry in json.loads(data[8 : 8 + size]).items():
        if any(part in name for part in names):
            begin, end = (8 + size + at for at in entry["data_offsets"])
            bits = np.frombuffer(data, np.uint16, (end - begin) // 2, begin)
            bits ^= rng.integers(0, 16, bits.size, np.uint16)  # of a mantissa of 7 bits
    path.write_bytes(data)
    return directory


@functools.cache
def tuned() -> Path:
    return fine_tune(Path(_kept.name) / "tuned")


@functools.cache
def delta() -> Path:
    """tuned() as a difference from compressed(), which lies beside it. Most tensors are the base's."""
    output = Path(_kept.name) / "delta"
    reports[output] = nwcodec.compress(tuned(), output, bits=1.0, base=compressed(), base_model=DEMO)
    return output


@functools.cache
def decompressed() -> Path:
    output = Path(_kept.name) / "plain"
    nwcodec.decompress(compressed(), output)
    return output
