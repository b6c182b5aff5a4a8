"""What several tests share: the demo model, compressed once."""

from __future__ import annotations

import functools
import importlib.util
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


@functools.cache
def decompressed() -> Path:
    output = Path(_kept.name) / "plain"
    nwcodec.decompress(compressed(), output)
    return output
