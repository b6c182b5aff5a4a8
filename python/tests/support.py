"""What several tests share: the demo model, compressed once."""

from __future__ import annotations

import functools
import importlib.util
import json
import tempfile
import unittest
from pathlib import Path

import nwcodec

ROOT = Path(__file__).resolve().parents[2]
DEMO = ROOT / "models" / "demo"
TEXT = ROOT / "models" / "demo-text.txt"
_kept = tempfile.TemporaryDirectory()

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
def decompressed() -> Path:
    output = Path(_kept.name) / "plain"
    nwcodec.decompress(compressed(), output)
    return output
