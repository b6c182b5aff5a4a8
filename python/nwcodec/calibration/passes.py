"""Batches through a model, forwards and backwards, watched by hooks."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from nwcodec import _nwcodec
from nwcodec.calibration.layers import Ends, Layer
from nwcodec.errors import InvalidArgumentError

__all__ = ["Pass", "run_batch"]

_POSITIONS_AT_A_TIME = 16  # whose probabilities are summed in double precision


@dataclass
class Seen:
    layer: Layer
    x: torch.Tensor
    g: torch.Tensor | None = None


def _labels(logits: torch.Tensor, seed: int, batch: int) -> torch.Tensor:
    """A token for each position, drawn from the model's own prediction."""
    quantiles = torch.tensor(_nwcodec.label_quantiles(seed, batch, len(logits)), dtype=torch.float64)[:, None]
    drawn = []
    for some, at in zip(logits.split(_POSITIONS_AT_A_TIME), quantiles.to(logits.device).split(_POSITIONS_AT_A_TIME)):
        sums = torch.softmax(some, -1).cumsum(-1, dtype=torch.float64)
        chosen = torch.searchsorted(sums, at * sums[:, -1:], right=True)
        drawn.append(chosen.clamp_max(sums.shape[-1] - 1).squeeze(-1))
    return torch.cat(drawn)


def likelihood(output: Any, seed: int, batch: int) -> torch.Tensor:
    """What the way back begins with: the log-likelihood of drawn labels, or an embedding times noise."""
    logits = getattr(output, "logits", None)
    if logits is not None:
        rows = logits.reshape(-1, logits.shape[-1]).float()
        labels = _labels(rows.detach(), seed, batch)
        return torch.log_softmax(rows, -1).gather(1, labels[:, None]).sum()
    vectors = getattr(output, "pooler_output", None)
    if vectors is None:
        vectors = getattr(output, "last_hidden_state", output if isinstance(output, torch.Tensor) else None)
    if vectors is None:
        raise InvalidArgumentError("the model returns neither logits nor hidden states: give gradients=False")
    noise = torch.randn(vectors.shape, generator=torch.Generator().manual_seed(seed + batch))
    return (vectors.float() * noise.to(vectors.device)).sum()


class Pass:
    """Hooks on the layers of some blocks while all batches go through the model."""

    def __init__(self, model: nn.Module, layers: list[Layer], ends: Ends | None, gradients: bool, outputs: bool):
        self._gradients = gradients
        self._first = True  # inputs that are shared are still to be found
        self._ends = ends
        self._seen: list[Seen] = []
        self._handles = []
        if gradients:
            # Parameters stay as they are, so something else must ask for gradients: what the first module returns.
            # This hook comes before all others.
            first = getattr(model, "get_input_embeddings", lambda: None)() or next(iter(_leaves(model)))
            self._handles.append(first.register_forward_hook(lambda _, __, y: y.requires_grad_(True)))
        of_modules = [layer for layer in layers if layer.module is not None]
        self._handles += [layer.module.register_forward_hook(self._hook_of(layer)) for layer in of_modules]
        self._watched = {id(layer) for layer in layers}
        for layer in layers:
            layer.begin(gradients and outputs)
        if ends is not None:
            ends.begin()
            self._handles.append(ends.head.register_forward_hook(self._see_head))
            self._handles.append(ends.embedding.register_forward_hook(self._see_embedding))

    def _hook_of(self, layer: Layer) -> Callable:
        def see(_: nn.Module, inputs: tuple, output: Any) -> None:
            if not isinstance(output, torch.Tensor):
                return  # no plain linear layer, but a router that is one of its kind
            seen = Seen(layer, inputs[0])
            if self._first and self._seen and self._seen[-1].x is inputs[0] and not self._seen[-1].layer.expert:
                before = self._seen[-1].layer
                layer.shares = before.shares or before
            self._seen.append(seen)
            if output.requires_grad:
                output.register_hook(lambda g: setattr(seen, "g", g))

        return see

    def see_expert(self, layers: list[Layer], x: torch.Tensor, output: torch.Tensor, of_expert: Callable) -> None:
        """A product with the projections of an expert, which stand one above the other (calibration/experts.py)."""
        begin = 0
        for layer in layers:
            end = begin + layer.out_features
            if id(layer) in self._watched:
                seen = Seen(layer, x)
                self._seen.append(seen)
                if output.requires_grad:
                    output.register_hook(lambda g, s=seen, a=begin, b=end: setattr(s, "g", of_expert(g)[..., a:b]))
            begin = end

    def _see_head(self, _: nn.Module, inputs: tuple, output: torch.Tensor) -> None:
        self._ends.seen["x"] = inputs[0].detach()
        if output.requires_grad:
            output.register_hook(lambda g: self._ends.seen.__setitem__("g", g))

    def _see_embedding(self, _: nn.Module, inputs: tuple, output: torch.Tensor) -> None:
        self._ends.seen["ids"] = inputs[0]
        if output.requires_grad:
            output.register_hook(lambda g: self._ends.seen.__setitem__("g_embedding", g))

    def end_batch(self) -> None:
        seen, self._seen = self._seen, []
        for s in seen:
            layer = s.layer
            x = s.x.detach().reshape(-1, layer.in_features).float()
            if layer.shares is None:
                layer.x.add(x)
            if not self._gradients:
                continue
            g = torch.zeros(len(x), layer.out_features, device=x.device) if s.g is None else s.g
            g = g.reshape(len(x), -1).float()
            layer.felt.add(x * g.square().sum(-1, keepdim=True).sqrt())
            if layer.g is not None:
                layer.g.add(g)
            layer.effective.add(g.square().sum(-1))
            squares = g.square().sum(0, dtype=torch.float64).float().double()
            layer.squares = squares if layer.squares is None else layer.squares + squares
        if self._ends is not None:
            self._ends.add()
        self._first = False

    def close(self) -> None:
        for handle in self._handles:
            handle.remove()


def run_batch(model: nn.Module, batch: Any, device: torch.device, gradients: bool, seed: int, index: int) -> None:
    arguments = dict(batch) if isinstance(batch, dict) else {"input_ids": batch}
    arguments = {k: v.to(device) if isinstance(v, torch.Tensor) else v for k, v in arguments.items()}
    if not gradients:
        with torch.no_grad():
            _call(model, batch, arguments)
        return
    with torch.enable_grad():
        likelihood(_call(model, batch, arguments), seed, index).backward()


def _leaves(model: nn.Module) -> Iterable[nn.Module]:
    return (m for m in model.modules() if not any(True for _ in m.children()) and any(True for _ in m.parameters()))


def _call(model: nn.Module, batch: Any, arguments: dict[str, Any]) -> Any:
    if isinstance(batch, dict):
        return model(**arguments)
    if hasattr(model, "config"):
        return model(**arguments, use_cache=False)
    return model(arguments["input_ids"])
