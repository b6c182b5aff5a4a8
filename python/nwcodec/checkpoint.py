"""Checkpoints as mappings from names to lazy tensors."""

from __future__ import annotations

import operator
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nwcodec import _nwcodec
from nwcodec.errors import InvalidArgumentError

if TYPE_CHECKING:
    import os

    import torch

__all__ = ["Checkpoint", "Tensor", "open"]

_END = 2**64 - 1
# By the names of safetensors. BF16 has no dtype in numpy: its bits are U16.
_NUMPY = {
    "F64": np.float64,
    "F32": np.float32,
    "F16": np.float16,
    "BF16": np.uint16,
    "I64": np.int64,
    "I32": np.int32,
    "I16": np.int16,
    "I8": np.int8,
    "U64": np.uint64,
    "U32": np.uint32,
    "U16": np.uint16,
    "U8": np.uint8,
    "BOOL": np.bool_,
    "F8_E4M3": np.uint8,
    "F8_E5M2": np.uint8,
    "F8_E8M0": np.uint8,
    "C64": np.complex64,
}
_TORCH = {
    "F64": "float64",
    "F32": "float32",
    "F16": "float16",
    "BF16": "bfloat16",
    "I64": "int64",
    "I32": "int32",
    "I16": "int16",
    "I8": "int8",
    "U64": "uint64",
    "U32": "uint32",
    "U16": "uint16",
    "U8": "uint8",
    "BOOL": "bool",
    "F8_E4M3": "float8_e4m3fn",
    "F8_E5M2": "float8_e5m2",
    "F8_E8M0": "float8_e8m0fnu",
    "C64": "complex64",
}


def _name_of_dtype(dtype: Any) -> str:
    """The name in safetensors of a dtype of numpy or torch, or of a name."""
    if isinstance(dtype, str) and dtype in _NUMPY:
        return dtype
    text = str(dtype).removeprefix("torch.")
    for name, of_torch in _TORCH.items():
        if text == of_torch:
            return name
    try:
        wanted = np.dtype(dtype)
    except TypeError:
        wanted = None
    for name, of_numpy in _NUMPY.items():
        if wanted is not None and wanted == of_numpy:
            return name
    raise InvalidArgumentError(f"{dtype!r} is no dtype that weights are decoded to; take F32, F16 or BF16")


class _Part:
    """A part of a tensor that the library reads at once: rows by columns of one matrix, and the shape it then has."""

    def __init__(self, shape: tuple[int, ...], index: Any):
        keys = index if isinstance(index, tuple) else (index,)
        if sum(key is Ellipsis for key in keys) > 1:
            raise IndexError("an index has one ellipsis at most")
        if Ellipsis in keys:
            at = keys.index(Ellipsis)
            keys = keys[:at] + (slice(None),) * (len(shape) - len(keys) + 1) + keys[at + 1 :]
        if len(keys) > len(shape):
            raise IndexError(f"{len(keys)} indices for a tensor of {len(shape)} dimensions")
        keys = keys + (slice(None),) * (len(shape) - len(keys))
        self.shape: tuple[int, ...] = ()
        ranges = []
        for key, size in zip(keys, shape):
            if isinstance(key, slice):
                begin, end, step = key.indices(size)
                if step != 1:
                    raise IndexError("slices have steps of 1")
                end = max(begin, end)
                self.shape += (end - begin,)
            else:
                begin = operator.index(key)
                if not -size <= begin < size:
                    raise IndexError(f"index {begin} is outside a dimension of {size}")
                begin %= size
                end = begin + 1
            ranges.append((begin, end))
        self.columns = ranges[-1] if ranges else (0, 1)
        self.rows = ranges[-2] if len(ranges) > 1 else (0, 1)
        # Matrices in front of the last two dimensions.
        self.matrices = [0]
        for (begin, end), size in zip(ranges[:-2], shape[:-2]):
            self.matrices = [m * size + i for m in self.matrices for i in range(begin, end)]


class Tensor:
    """A tensor of a checkpoint, decoded when it is read.

    Attributes:
        name: as in the original checkpoint.
        shape: the original's.
        dtype: the original's, by its name in safetensors: "BF16", "F32", ...
        compressed: whether it is stored as an nwcodec stream.
    """

    def __init__(self, owner: Checkpoint, name: str, dtype: str, shape: tuple[int, ...], compressed: bool):
        self._owner = owner
        self.name = name
        self.dtype = dtype
        self.shape = shape
        self.compressed = compressed

    def __repr__(self) -> str:
        return f"<{self.name}: {self.dtype} {list(self.shape)}{', compressed' if self.compressed else ''}>"

    @property
    def size(self) -> int:
        """How many elements it has."""
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def torch_dtype(self) -> torch.dtype:
        """Its dtype as PyTorch calls it."""
        import torch

        return getattr(torch, _TORCH[self.dtype])

    def read_into(self, out: np.ndarray, dtype: str | None = None, index: Any = ..., threads: int = 0) -> None:
        """Decodes into memory of the caller.

        Args:
            out: bytes, one-dimensional and contiguous, of just the size.
            dtype: F32, F16 or BF16; the original's if None.
            index: as for `tensor[index]`.
            threads: 0 for all cores.
        """
        name = dtype or self.dtype
        part = _Part(self.shape, index)
        read = self._owner._weights.read
        if part.shape == self.shape:
            read(self.name, name, out, 0, 0, _END, 0, _END, True, threads)
            return
        each = out.size // max(1, len(part.matrices))
        for i, matrix in enumerate(part.matrices):
            read(self.name, name, out[i * each : (i + 1) * each], matrix, *part.rows, *part.columns, False, threads)

    def numpy(self, dtype: Any = None, index: Any = ..., threads: int = 0) -> np.ndarray:
        """The tensor as an array.

        Args:
            dtype: F32, F16 or BF16 (of numpy, of torch or by name); compressed weights are decoded in F32 and rounded
                to it. If None, the original's, and F32 for BF16, which numpy does not have; BF16 gives its bits, as
                uint16.
            index: as for `tensor[index]`; only the tiles that hold some of it are read.
            threads: 0 for all cores.
        """
        name = _name_of_dtype(dtype) if dtype is not None else "F32" if self.dtype == "BF16" else self.dtype
        if name not in _NUMPY:
            raise InvalidArgumentError(f"{self.name} is {name}, which numpy cannot hold")
        out = np.empty(_Part(self.shape, index).shape, _NUMPY[name])
        self.read_into(out.reshape(-1).view(np.uint8), name, index, threads)
        return out

    def torch(self, dtype: Any = None, index: Any = ..., device: Any = "cpu", threads: int = 0) -> torch.Tensor:
        """The same as a tensor of PyTorch, in the original's dtype if `dtype` is None."""
        import torch

        name = _name_of_dtype(dtype) if dtype is not None else self.dtype
        out = torch.empty(_Part(self.shape, index).shape, dtype=getattr(torch, _TORCH[name]))
        self.read_into(out.reshape(-1).view(torch.uint8).numpy(), name, index, threads)
        return out.to(device)

    def __getitem__(self, index: Any) -> np.ndarray:
        """A part of it, as an array: integers, slices of step 1 and an ellipsis."""
        return self.numpy(index=index)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        array = self.numpy()
        return array if dtype is None else array.astype(dtype)

    def __dlpack__(self, **kwargs: Any) -> Any:
        return self.numpy().__dlpack__(**kwargs)

    def __dlpack_device__(self) -> tuple[int, int]:
        return (1, 0)

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("a tensor without dimensions has no length")
        return self.shape[0]


class Checkpoint(Mapping):
    """A checkpoint directory, plain or compressed: a mapping from names to tensors, in the order of names.

    Several threads may read at once.

    Attributes:
        directory: where it stands.
        compressed: whether it is a compressed one.
        files: the names of the files there that tensors are read from; refinements and a delta's base have others.
        warnings: how the directory is read where that is not plain from its files.
    """

    def __init__(
        self,
        directory: str | os.PathLike,
        device: str = "cpu",
        layers: int | None = None,
        base: str | os.PathLike | None = None,
    ):
        if layers is not None and layers < 1:
            raise InvalidArgumentError(f"layers are counted from 1, not {layers}")
        self.layers, self.base = layers, base  # as they were asked for
        self._weights = _nwcodec.Weights.open(str(directory), device, layers or 0, "" if base is None else str(base))
        self._tensors = {row[0]: Tensor(self, *row) for row in self._weights.list()}
        self.directory = Path(directory)
        self.compressed = self._weights.is_compressed
        self.files = list(self._weights.files)
        self.warnings = list(self._weights.warnings)

    def __getitem__(self, name: str) -> Tensor:
        return self._tensors[name]

    def of_parameter(self, name: str, shape: tuple[int, ...], prefix: str) -> Tensor | None:
        """The tensor of a module's parameter.

        Args:
            name: the parameter's.
            shape: the parameter's.
            prefix: of the base model ("model"), which the checkpoint may have where the module has not, or lack.
        """
        for candidate in (name, f"{prefix}.{name}", name.removeprefix(f"{prefix}.")):
            found = self._tensors.get(candidate)
            if found is not None and found.shape == tuple(shape):
                return found
        return None

    def __iter__(self) -> Iterator[str]:
        return iter(self._tensors)

    def __len__(self) -> int:
        return len(self._tensors)

    def __repr__(self) -> str:
        return f"<{'compressed' if self.compressed else 'plain'} checkpoint {self.directory}, {len(self)} tensors>"


def open(  # noqa: A001 - as everywhere
    directory: str | os.PathLike,
    device: str = "cpu",
    layers: int | None = None,
    base: str | os.PathLike | None = None,
) -> Checkpoint:
    """Opens a checkpoint directory, plain or compressed.

    Args:
        directory: with safetensors files.
        device: what decodes: "cpu", or "cuda" or "cuda:NUMBER" in a build with CUDA. Tensors arrive in host memory
            either way.
        layers: how many of a progressive checkpoint, 1 for its base alone; None for all that are there.
        base: the directory of a delta's base; None for where the delta says.

    Raises:
        NotFoundError, CorruptError, UnsupportedError (a newer format), MismatchError.
    """
    return Checkpoint(directory, device, layers, base)
