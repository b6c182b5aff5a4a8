"""Learned compression of neural network weights.

    >>> import nwcodec
    >>> report = nwcodec.compress("MODEL", "SMALL", bits=4)      # doctest: +SKIP
    >>> small = nwcodec.open("SMALL")                            # doctest: +SKIP
    >>> small["model.embed_tokens.weight"][1000:1010]            # doctest: +SKIP

`nwcodec.hf` teaches transformers to load compressed checkpoints; import it first.
"""

from nwcodec import errors
from nwcodec._nwcodec import __version__, cuda_device_count
from nwcodec.card import write_card
from nwcodec.checkpoint import Checkpoint, Tensor, open  # noqa: A004
from nwcodec.commands import codec_path, compress, decompress, inspect
from nwcodec.errors import Error

__all__ = [
    "Checkpoint",
    "Error",
    "Tensor",
    "__version__",
    "calibrate",
    "codec_path",
    "compress",
    "cuda_device_count",
    "decompress",
    "errors",
    "evaluate",
    "inspect",
    "open",
    "write_card",
]


def __getattr__(name: str):
    # These need PyTorch, which the package does not.
    if name == "calibrate":
        from nwcodec.calibration import calibrate

        return calibrate
    if name == "evaluate":
        from nwcodec.evaluation import evaluate

        return evaluate
    raise AttributeError(f"module 'nwcodec' has no attribute {name!r}")
