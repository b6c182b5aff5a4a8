"""Experts whose weights are fused to one parameter, as transformers has them: each is a linear layer of its own.

Their checkpoints hold a tensor for each expert and projection, or one for all experts. What a module computes with an
expert shows in its products, which are watched instead of the module.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from nwcodec.calibration.layers import Layer, Names

__all__ = ["Experts", "Products", "eager_experts", "experts_of", "fused_parameters"]

# The projections that are stacked in a fused parameter, by the names that checkpoints have for them.
_PROJECTIONS = {
    "gate_up_proj": (("gate_proj", "w1"), ("up_proj", "w3")),
    "up_proj": (("up_proj", "w1"),),
    "down_proj": (("down_proj", "w2"),),
    "weight": (),  # of modules that are called experts
}
# And that of all experts in one tensor, where it is not the parameter's.
_OTHER_NAMES = {
    "gate_up_proj": ("input_linear.weight", "fc1.weight"),
    "up_proj": ("input_linear.weight",),
    "down_proj": ("output_linear.weight", "fc2.weight"),
    "weight": (),
}
_MATMULS = (torch.matmul, torch.mm, torch.Tensor.matmul, torch.Tensor.mm, torch.Tensor.__matmul__)
_BATCHED = (torch.bmm, torch.Tensor.bmm)


@dataclass
class Experts:
    """A fused parameter, a matrix for each expert, and the layers in it: of each expert, one for each projection."""

    parameter: nn.Parameter
    layers: list[list[Layer]]

    def watched(self) -> bool:
        return self.layers[0][0].x is not None

    def seen(self) -> bool:
        return any(layer.x.tokens for layers in self.layers for layer in layers)


def fused_parameters(model: nn.Module) -> Iterator[tuple[str, str, nn.Parameter]]:
    """The name of a module with experts in its blocks, that of a parameter in it, and the parameter."""
    for module_name, module in model.named_modules():
        for kind in _PROJECTIONS:
            if kind == "weight" and not type(module).__name__.endswith("Experts"):
                continue
            parameter = getattr(module, kind, None)
            if re.match(r".*?\d+\.", module_name) and isinstance(parameter, nn.Parameter) and parameter.dim() == 3:
                yield module_name, kind, parameter


def _by_place(names: Names) -> dict[tuple[str, int, str], list[str]]:
    """The checkpoint's experts, by block, number and projection."""
    found: dict[tuple[str, int, str], list[str]] = {}
    for name in names.all():
        match = re.match(r"(.*?\d+\.)(?:.*\.)?experts\.(\d+)\.(\w+)\.weight$", name)
        if match is not None:
            found.setdefault((match.group(1), int(match.group(2)), match.group(3)), []).append(name)
    return found


def _in_one_tensor(names: Names, module_name: str, kind: str, parameter: nn.Parameter) -> str | None:
    """The checkpoint's tensor of all experts; it may have another name, and rows and columns may change places."""
    same = names.of(f"{module_name}.{kind}", parameter)
    if same is not None or kind == "weight":
        return same
    block = re.match(r".*?\d+\.", module_name).group(0)
    shapes = (tuple(parameter.shape), tuple(parameter.mT.shape))
    found = [
        name
        for name in names.all()
        if name.startswith(block)
        and name.endswith(tuple(f".{spelling}" for spelling in (kind, *_OTHER_NAMES[kind])))
        and names.shape(name) in shapes
    ]
    return found[0] if len(found) == 1 else None


def _one_by_one(
    names: Names, places: dict[tuple[str, int, str], list[str]], block: str, kind: str, parameter: nn.Parameter
) -> list[list[Layer]] | None:
    """The layers of experts that the checkpoint has a tensor of for each projection."""
    projections = _PROJECTIONS[kind]
    if not projections:
        return None
    experts = []
    for number, expert in enumerate(parameter):
        layers = []
        for spellings, part in zip(projections, expert.chunk(len(projections))):
            found = [n for spelling in spellings for n in places.get((block, number, spelling), ())]
            if len(found) == 1 and names.shape(found[0]) == tuple(part.shape):
                hash_ = names.hash(found[0], part)
                layers.append(Layer(found[0], part.shape[1], part.shape[0], hash_, expert=True))
        if len(layers) < len(projections):
            return None
        for layer in layers[1:]:
            layer.shares = layers[0]
        experts.append(layers)
    return experts


def _inputs_first(module: nn.Module, kind: str, parameter: nn.Parameter) -> bool:
    """Whether an expert's matrix is [inputs, outputs]."""
    declared = getattr(module, "is_transposed", None)
    if declared is not None:
        return bool(declared)
    hidden = getattr(module, "hidden_size", getattr(module, "hidden_dim", None))
    return parameter.shape[2 if kind == "down_proj" else 1] == hidden


def experts_of(model: nn.Module, names: Names) -> list[Experts]:
    """The fused experts of a model, with the tensors that its checkpoint has of them."""
    places = _by_place(names)
    result = []
    for module_name, kind, parameter in fused_parameters(model):
        block = re.match(r".*?\d+\.", module_name).group(0)
        layers = _one_by_one(names, places, block, kind, parameter)
        if layers is None:
            name = _in_one_tensor(names, module_name, kind, parameter)
            if name is None:
                continue
            sides = parameter.shape[1:]
            if not _inputs_first(model.get_submodule(module_name), kind, parameter):
                sides = sides[::-1]
            hash_ = names.hash(name, parameter)
            layers = [[Layer(name, *sides, hash_, expert=True)] for _ in parameter]
        result.append(Experts(parameter, layers))
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
    """While it is entered, tells `see` of every product with an expert's weights.

    Args:
        see: is given the expert's layers, their inputs [tokens, inputs], what was computed, and a function that picks
            from this, or from its gradient, the outputs [tokens, outputs] of the expert.
    """

    def __init__(self, experts: list[Experts], see: Callable[..., None]):
        super().__init__()
        self._experts = {e.parameter.untyped_storage().data_ptr(): e for e in experts}
        self._see_one = see

    def __torch_function__(self, function: Callable, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        output = function(*args, **(kwargs or {}))
        one = function is nn.functional.linear or function in _MATMULS
        if (one or function in _BATCHED) and len(args) > 1 and isinstance(args[1], torch.Tensor):
            weights = args[1]
            experts = self._experts.get(weights.untyped_storage().data_ptr())
            if experts is not None and one and weights.dim() == 2:
                number = (weights.storage_offset() - experts.parameter.storage_offset()) // experts.parameter.stride(0)
                self._see(experts.layers[number], args[0], output, lambda y: y)
            elif experts is not None and weights.shape == experts.parameter.shape:
                self._see_all(experts, args[0], output)
        return output

    def _see(self, layers: list[Layer], x: torch.Tensor, output: torch.Tensor, of_expert: Callable) -> None:
        if x.shape[-1] == layers[0].in_features:
            self._see_one(layers, x, output, of_expert)

    def _see_all(self, experts: Experts, x: torch.Tensor, output: torch.Tensor) -> None:
        """All experts at once, [experts, tokens, inputs]; tokens that an expert has not are zeros."""
        for number, layers in enumerate(experts.layers):
            rows = (x[number] != 0).any(-1)
            self._see(layers, x[number][rows], output, lambda y, n=number, r=rows: y[n][r])
