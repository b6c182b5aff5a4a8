"""Experts whose weights are fused to one parameter, as transformers has them: each is a linear layer of its own.

Their checkpoints hold a tensor for each expert and projection. What a module computes with an expert shows in its
products, which are watched instead of the module.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from nwcodec.calibration.layers import Layer, Names

__all__ = ["Experts", "Products", "eager_experts", "experts_of"]

# The projections that are stacked in a fused parameter, by the names that checkpoints have for them.
_PROJECTIONS = {
    "gate_up_proj": (("gate_proj", "w1"), ("up_proj", "w3")),
    "up_proj": (("up_proj", "w1"),),
    "down_proj": (("down_proj", "w2"),),
}


@dataclass
class Experts:
    """A fused parameter [experts, outputs, inputs] and the layers in it: of each expert, one for each projection."""

    parameter: nn.Parameter
    layers: list[list[Layer]]


def _by_place(names: Names) -> dict[tuple[str, int, str], list[str]]:
    """The checkpoint's experts, by block, number and projection."""
    found: dict[tuple[str, int, str], list[str]] = {}
    for name in names.all():
        match = re.match(r"(.*?\d+\.)(?:.*\.)?experts\.(\d+)\.(\w+)\.weight$", name)
        if match is not None:
            found.setdefault((match.group(1), int(match.group(2)), match.group(3)), []).append(name)
    return found


def experts_of(model: nn.Module, names: Names) -> list[Experts]:
    """The fused experts of a model that its checkpoint has one by one."""
    places = _by_place(names)
    result = []
    for module_name, module in model.named_modules():
        block = re.match(r".*?\d+\.", module_name)
        for kind, projections in _PROJECTIONS.items():
            parameter = getattr(module, kind, None)
            if block is None or not isinstance(parameter, nn.Parameter) or parameter.dim() != 3:
                continue
            experts = []
            for number, expert in enumerate(parameter):
                layers = []
                for spellings, part in zip(projections, expert.chunk(len(projections))):
                    found = [n for spelling in spellings for n in places.get((block.group(0), number, spelling), ())]
                    if len(found) == 1 and names.shape(found[0]) == tuple(part.shape):
                        hash_ = names.hash(found[0], part)
                        layers.append(Layer(found[0], part.shape[1], part.shape[0], hash_, expert=True))
                if len(layers) < len(projections):
                    break
                for layer in layers[1:]:
                    layer.shares = layers[0]
                experts.append(layers)
            if len(experts) == len(parameter):
                result.append(Experts(parameter, experts))
    return result


@contextlib.contextmanager
def eager_experts(model: nn.Module) -> Iterator[None]:
    """While it is entered, experts are multiplied one by one instead of all in one kernel."""
    configs = [
        config
        for config in {id(m.config): m.config for m in model.modules() if hasattr(m, "config")}.values()
        if getattr(config, "_experts_implementation_internal", None) is not None
    ]
    before = [config._experts_implementation_internal for config in configs]
    for config in configs:
        config._experts_implementation_internal = "eager"
    try:
        yield
    finally:
        for config, implementation in zip(configs, before):
            config._experts_implementation_internal = implementation


class Products(TorchFunctionMode):
    """While it is entered, tells `see` of every product with an expert's weights."""

    def __init__(self, experts: list[Experts], see: Any):
        super().__init__()
        self._experts = {e.parameter.untyped_storage().data_ptr(): e for e in experts}
        self._see = see

    def __torch_function__(self, function: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        output = function(*args, **(kwargs or {}))
        if function is nn.functional.linear and isinstance(args[1], torch.Tensor) and args[1].dim() == 2:
            experts = self._experts.get(args[1].untyped_storage().data_ptr())
            if experts is not None:
                number = args[1].storage_offset() // experts.parameter.stride(0)
                self._see(experts.layers[number], args[0], output)
        return output
