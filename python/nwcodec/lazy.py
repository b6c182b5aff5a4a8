"""Tensors that are decoded when something computes with them, and of which a part decodes only that part.

Engines load a whole tensor and narrow it to what their rank of tensor parallelism holds. With these, what a rank
decodes is what it takes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.utils._pytree import tree_map

from nwcodec.checkpoint import Tensor

__all__ = ["LazyTensor", "lazy"]

_aten = torch.ops.aten
# What gives the same values under another name.
_SAME = (_aten.detach.default, _aten.alias.default)


class LazyTensor(torch.Tensor):
    """Stands for a part of a tensor of a checkpoint, without memory of its own.

    Slices of step 1 and integers along its dimensions give lazy tensors again; everything else decodes the part and
    goes on with an ordinary tensor. Each use decodes anew: who uses one often should copy it.

    Attributes:
        origin: the tensor of the checkpoint.
        bounds: along each of the origin's dimensions, first and one past the last.
    """

    origin: Tensor
    bounds: tuple[tuple[int, int], ...]

    @staticmethod
    def __new__(
        cls: type,
        origin: Tensor,
        dtype: torch.dtype,
        bounds: tuple[tuple[int, int], ...],
        kept: tuple[int, ...],
        decode: Callable[[Tensor, tuple[slice, ...]], torch.Tensor],
    ) -> LazyTensor:
        """Of the origin's dimensions `kept` are seen; the others are of length 1 and are not."""
        shape = [bounds[d][1] - bounds[d][0] for d in kept]
        made = torch.Tensor._make_wrapper_subclass(cls, shape, dtype=dtype, requires_grad=False)
        made.origin, made.bounds, made._kept, made._decode = origin, bounds, kept, decode
        return made

    def decoded(self) -> torch.Tensor:
        """The part, as an ordinary tensor."""
        return self._decode(self.origin, tuple(slice(a, b) for a, b in self.bounds)).reshape(self.shape)

    def __repr__(self, **_: Any) -> str:
        return f"<{self.origin.name}{list(self.bounds)}: {self.dtype}, not decoded>"

    def _part(self, dimension: int, first: int, last: int, keep: bool) -> LazyTensor:
        at = self._kept[dimension]
        begin = self.bounds[at][0]
        bounds = (*self.bounds[:at], (begin + first, begin + last), *self.bounds[at + 1 :])
        kept = self._kept if keep else tuple(d for d in self._kept if d != at)
        return LazyTensor(self.origin, self.dtype, bounds, kept, self._decode)

    # Results are ordinary tensors, and what reaches the dispatcher decides.
    __torch_function__ = torch._C._disabled_torch_function_impl

    @classmethod
    def __torch_dispatch__(cls, function: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        if function in _SAME:
            return args[0]._part(0, 0, args[0].shape[0], True) if args[0].dim() else args[0].decoded()
        part = args[0]._taken(function, args[1:], kwargs or {}) if args and isinstance(args[0], cls) else None
        if part is not None:
            return part
        decoded = tree_map(lambda x: x.decoded() if isinstance(x, cls) else x, (args, kwargs or {}))
        return function(*decoded[0], **decoded[1])

    def _taken(self, function: Any, args: tuple, kwargs: dict) -> LazyTensor | None:
        """What a slice or an index gives; None for everything else."""
        if kwargs or not self.dim():
            return None
        if function is _aten.slice.Tensor:
            dimension, first, last, step = (*args, *(0, None, None, 1)[len(args) :])
            if step != 1:
                return None
            first, last, _ = slice(first, last).indices(self.shape[dimension])
            return self._part(dimension % self.dim(), first, max(first, last), True)
        if function is _aten.select.int:
            dimension, index = args
            index %= self.shape[dimension]
            return self._part(dimension % self.dim(), index, index + 1, False)
        return None


def lazy(tensor: Tensor, decode: Callable[[Tensor, tuple[slice, ...]], torch.Tensor] | None = None) -> LazyTensor:
    """A tensor of an open checkpoint, on the CPU and in the original's dtype, to be decoded when it is used.

    Args:
        decode: gives a part of it; `tensor.torch(index=...)` if None.
    """
    return LazyTensor(
        tensor,
        tensor.torch_dtype,
        tuple((0, length) for length in tensor.shape),
        tuple(range(len(tensor.shape))),
        decode or (lambda t, index: t.torch(index=index)),
    )
