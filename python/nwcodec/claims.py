"""Whether everything that a loader read from a checkpoint reached a parameter, and every parameter was filled.

Engines that load weights by code of their own (vLLM, SGLang) pass over names that they do not know and leave parameters
as they were allocated. This watches the copies themselves, whoever makes them.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten

from nwcodec.errors import MismatchError
from nwcodec.lazy import LazyTensor

__all__ = ["Claims"]

_FILLS = ("zero_", "fill_")


def _storage(tensor: torch.Tensor) -> Hashable:
    if isinstance(tensor, LazyTensor):  # has none; its parts are of the same origin
        return tensor.origin.name
    return tensor.untyped_storage().data_ptr()


class Claims(TorchDispatchMode):
    """While it is entered, follows tensors from `watch` through copies and conversions into parameters."""

    def __init__(self) -> None:
        super().__init__()
        self._origins: dict[Hashable, frozenset[str]] = {}  # by storage: which watched tensors are in it
        self._watched: set[str] = set()
        self._claimed: set[str] = set()
        self._written: dict[Hashable, int] = {}  # by storage: elements that were written

    def watch(self, name: str, tensor: torch.Tensor) -> torch.Tensor:
        """Announces a tensor of the checkpoint."""
        self._watched.add(name)
        self._origins[_storage(tensor)] = frozenset([name])
        return tensor

    def __torch_dispatch__(self, function: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        result = function(*args, **(kwargs or {}))
        inputs = [x for x in tree_flatten((args, kwargs or {}))[0] if isinstance(x, torch.Tensor)]
        name = function.overloadpacket.__name__
        if name.endswith("_") and inputs and inputs[0].device.type != "meta":
            target = _storage(inputs[0])
            origins = frozenset().union(*(self._origins.get(_storage(x), frozenset()) for x in inputs[1:]))
            if origins or name in _FILLS:
                self._written[target] = self._written.get(target, 0) + inputs[0].numel()
            self._claimed |= origins
            return result
        origins = frozenset().union(*(self._origins.get(_storage(x), frozenset()) for x in inputs if x.numel()))
        for output in tree_flatten(result)[0]:
            if isinstance(output, torch.Tensor) and output.device.type != "meta" and output.numel():
                if all(_storage(output) != _storage(x) for x in inputs):
                    self._origins[_storage(output)] = origins
        return result

    def check(self, parameters: Iterable[tuple[str, torch.Tensor]], directory: str) -> None:
        """After loading.

        Args:
            parameters: the model's, by name; those of less than two dimensions may stay as they were allocated.

        Raises:
            MismatchError: a watched tensor that no parameter took, or a parameter that was not filled.
        """
        lost = sorted(self._watched - self._claimed)
        if lost:
            raise MismatchError(
                f"{directory}: nothing of the model takes {lost[0]} and {len(lost) - 1} more: the checkpoint is of "
                "another model",
                directory,
                lost[0],
            )
        for name, parameter in parameters:
            if parameter.dim() < 2 or not parameter.is_floating_point() or parameter.device.type == "meta":
                continue
            if self._written.get(_storage(parameter), 0) < parameter.numel():
                raise MismatchError(
                    f"{directory}: nothing fills {name}, or only a part of it: the checkpoint is incomplete; fetch it "
                    "again",
                    directory,
                    name,
                )
