"""A shard of a compressed checkpoint that looks like a safetensors file of the original.

Programs that read checkpoints with `safetensors.safe_open` read compressed ones through this: the names, shapes and
dtypes are the original's, tensors are decoded when they are asked for, slices of rows from the tiles that hold them.
Tensors are the sums of all layers that the checkpoint was opened with; those of a delta's base are its own, too.
"""

from __future__ import annotations

import functools
import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nwcodec.checkpoint import Checkpoint, Tensor
from nwcodec.errors import NotFoundError

if TYPE_CHECKING:
    import torch

    from nwcodec.cuda_decoding import CudaStreams

STREAM = ".nwc_stream"
_COMPANIONS = (".nwc_scales", ".nwc_levels")
_CHECKSUMS = "nwcodec.checksums"
CODEC = "codec.safetensors"


def _header_of(path: str | Path) -> dict[str, Any]:
    with Path(path).open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        return json.loads(file.read(length))


def names_in(path: str | Path) -> list[str]:
    """The names of the tensors in a safetensors file, as they stand there."""
    return [name for name in _header_of(path) if name != "__metadata__"]


def is_difference(path: str | Path) -> bool:
    """Whether a safetensors file holds differences from another checkpoint, and not all tensors of its own."""
    return "nwcodec.difference" in _header_of(path).get("__metadata__", {})


def _stored_in(path: str | Path) -> set[str]:
    """The names of the original's tensors that a shard stores, or whose differences."""
    names = (name for name in names_in(path) if name != _CHECKSUMS and not name.endswith(_COMPANIONS))
    return {name.removesuffix(STREAM) for name in names}


def _shown_in(path: Path, checkpoint: Checkpoint) -> set[str]:
    """The names of the original's tensors that a file shows. What a delta has from its base, its first shard shows."""
    if path.name == CODEC:
        return set()
    shown = _stored_in(path)
    if is_difference(path) and path.name == checkpoint.files[0]:
        shown |= set(checkpoint).difference(*(_stored_in(path.parent / name) for name in checkpoint.files))
    return shown


def is_compressed(path: str | Path) -> bool:
    """Whether a file belongs to a compressed checkpoint; its codec does, and has no tensors of the original."""
    path = Path(path)
    return (path.parent / CODEC).is_file() and (path.name == CODEC or _CHECKSUMS in names_in(path))


def wrap_safe_open(safe_open: Any, checkpoint_of: Callable[[Any], dict[str, Any]]) -> Any:
    """A `safe_open` that shows compressed checkpoints decoded, and others as before.

    Args:
        checkpoint_of: arguments of DecodedFile for a file of a compressed checkpoint, `checkpoint` among them.
    """

    @functools.wraps(safe_open)
    def open_decoded(filename: Any, *args: Any, **kwargs: Any) -> Any:
        if not is_compressed(filename):
            return safe_open(filename, *args, **kwargs)
        device = kwargs.get("device", args[1] if len(args) > 1 else "cpu")
        return DecodedFile(filename, device=device, **checkpoint_of(filename))

    return open_decoded


class Slice:
    """A tensor that is read when it is indexed, as safetensors' `get_slice` gives it."""

    def __init__(self, tensor: Tensor, device: Any, read: set[str], streams: CudaStreams | None):
        self._tensor = tensor
        self._device = device
        self._read = read
        self._streams = streams

    def get_shape(self) -> list[int]:
        return list(self._tensor.shape)

    def get_dtype(self) -> str:
        return self._tensor.dtype

    def __getitem__(self, index: Any) -> torch.Tensor:
        self._read.add(self._tensor.name)
        if index is Ellipsis and self._streams is not None and self._tensor.compressed:
            return self._streams.decode(self._tensor)
        return self._tensor.torch(index=index, device=self._device)


class DecodedFile:
    """What `safe_open` returns, for a shard of a compressed checkpoint.

    Attributes:
        read: names of the tensors that were asked for; shared by all shards of an open checkpoint.

    Args:
        hidden: names of tensors that are not shown.
        streams: what decodes whole tensors on a CUDA device; they stay there.
        lazy: whether compressed tensors on the CPU are decoded when they are used, and of parts only these
            (nwcodec/lazy.py).
    """

    def __init__(
        self,
        path: str | Path,
        checkpoint: Checkpoint,
        device: Any = "cpu",
        read: set[str] | None = None,
        hidden: set[str] = frozenset(),
        streams: CudaStreams | None = None,
        lazy: bool = False,
    ):
        self._lazy = lazy and str(device) == "cpu"
        self._checkpoint = checkpoint
        self._device = device
        self._streams = streams
        self.read = read if read is not None else set()
        self._names = sorted(_shown_in(Path(path), checkpoint) - set(hidden))

    def __enter__(self) -> DecodedFile:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def keys(self) -> list[str]:
        return list(self._names)

    offset_keys = keys

    def metadata(self) -> dict[str, str]:
        return {"format": "pt"}

    def get_slice(self, name: str) -> Slice:
        if name not in self._names:
            raise NotFoundError(f"no tensor {name}", tensor=name)
        return Slice(self._checkpoint[name], self._device, self.read, self._streams)

    def get_tensor(self, name: str) -> torch.Tensor:
        if self._lazy and name in self._names and self._checkpoint[name].compressed:
            from nwcodec.lazy import lazy

            self.read.add(name)
            return lazy(self._checkpoint[name])
        return self.get_slice(name)[...]
