"""The linear layers of a model, block by block, and its two ends."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import nn

from nwcodec import _nwcodec
from nwcodec.calibration.moments import Effective, Moment
from nwcodec.checkpoint import Checkpoint

__all__ = ["Ends", "Layer", "Names", "blocks_of", "checkpoint_of", "ends_of"]

_POSITIONS_AT_A_TIME = 16  # whose squares are summed in double precision


@dataclass
class Layer:
    """A linear layer of a block, and what it has seen."""

    name: str  # of the weight in the checkpoint; of experts that it has in one tensor, all have the tensor's
    in_features: int
    out_features: int
    hash: int
    module: nn.Module | None = None  # none: one of fused experts
    expert: bool = False
    shares: Layer | None = None  # the layer before it with the same input
    x: Moment = None
    felt: Moment = None  # of |g| x
    g: Moment | None = None
    squares: torch.Tensor | None = None
    effective: Effective = None  # by |g|^2

    def begin(self, outputs: bool) -> None:
        self.x = Moment(self.in_features)
        self.felt = Moment(self.in_features)
        # Experts are many, and see too few tokens to tell how their outputs work together.
        self.g = Moment(self.out_features) if outputs and not self.expert else None
        self.squares = None
        self.effective = Effective()

    def end(self) -> None:
        self.x = self.felt = self.g = self.squares = self.effective = None

    def bytes(self, gradients: bool, outputs: bool) -> int:
        n, m = self.in_features, self.out_features
        return 8 * (n * n * (1 + gradients) + m * m * (gradients and outputs and not self.expert))


@dataclass
class Ends:
    """Embedding and head (guide/hessian_file.h says what stands for an embedding's inputs)."""

    embedding: nn.Module
    head: nn.Module
    embedding_name: str
    head_name: str
    x: Moment = None
    felt: Moment = None
    lookup: Moment = None
    head_squares: torch.Tensor = None
    lookup_squares: torch.Tensor = None
    head_effective: Effective = None
    lookup_effective: Effective = None
    seen: dict[str, torch.Tensor] = field(default_factory=dict)

    def begin(self) -> None:
        n = self.head.in_features
        self.x, self.felt, self.lookup = Moment(n), Moment(n), Moment(n)
        self.head_effective, self.lookup_effective = Effective(), Effective()
        device = self.head.weight.device
        self.head_squares = torch.zeros(self.head.out_features, dtype=torch.float64, device=device)
        self.lookup_squares = torch.zeros(self.embedding.num_embeddings, dtype=torch.float64, device=device)

    def add(self) -> None:
        seen, self.seen = self.seen, {}
        if not {"x", "g", "ids", "g_embedding"} <= seen.keys():
            return
        x, g = seen["x"].reshape(-1, self.head.in_features).float(), seen["g"].reshape(-1, self.head.out_features)
        squares = g.float().square()
        self.x.add(x)
        self.felt.add(x * squares.sum(-1, keepdim=True).sqrt())
        self.head_effective.add(squares.sum(-1))
        for some in squares.split(_POSITIONS_AT_A_TIME):
            self.head_squares += some.sum(0, dtype=torch.float64).float().double().to(self.head_squares.device)
        # Modules that scale what they look up see a row's error that much larger.
        scale = float(getattr(self.embedding, "embed_scale", 1.0))
        felt = seen["g_embedding"].reshape(x.shape).float() * scale
        self.lookup.add(felt)
        each = felt.square().sum(-1, dtype=torch.float64).float().double().to(self.lookup_squares.device)
        self.lookup_effective.add(each)
        self.lookup_squares.index_add_(0, seen["ids"].reshape(-1).to(each.device), each)


def _block_of(name: str) -> str | None:
    """The name up to its first number: layers of a block have it in common."""
    match = re.match(r"(.*?\.)?\d+(?=\.)", name)
    return match.group(0) if match else None


def checkpoint_of(model: nn.Module, checkpoint: str | os.PathLike | None) -> Checkpoint | None:
    if checkpoint is not None:
        return Checkpoint(checkpoint)
    named = getattr(getattr(model, "config", None), "_name_or_path", "")
    return Checkpoint(named) if named and Path(named).is_dir() else None


class Names:
    """From the names of a model's parameters to those of a checkpoint's tensors, and their hashes."""

    def __init__(self, model: nn.Module, checkpoint: Checkpoint | None):
        self._checkpoint = checkpoint
        self._prefix = getattr(model, "base_model_prefix", "") or ""

    def of(self, name: str, parameter: torch.Tensor) -> str | None:
        if self._checkpoint is None:
            return name
        found = self._checkpoint.of_parameter(name, parameter.shape, self._prefix)
        return None if found is None else found.name

    def all(self) -> Iterable[str]:
        """The checkpoint's."""
        return self._checkpoint or ()

    def shape(self, name: str) -> tuple[int, ...]:
        return self._checkpoint[name].shape

    def hash(self, name: str, parameter: torch.Tensor) -> int:
        if self._checkpoint is None:
            return _nwcodec.xxh3(parameter.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
        return _nwcodec.xxh3(self._checkpoint[name].torch().reshape(-1).view(torch.uint8).numpy())


def blocks_of(model: nn.Module, names: Names, experts: Iterable[Layer] = ()) -> list[list[Layer]]:
    """The layers of each block in the order of the model, `experts` behind the others."""
    blocks: dict[str, list[Layer]] = {}
    for name, module in model.named_modules():
        if not isinstance(module, nn.Linear) or (block := _block_of(name + ".")) is None:
            continue
        tensor = names.of(f"{name}.weight", module.weight)
        if tensor is not None:
            layer = Layer(tensor, module.in_features, module.out_features, names.hash(tensor, module.weight), module)
            blocks.setdefault(block, []).append(layer)
    for layer in experts:
        if (block := _block_of(layer.name)) is not None:
            blocks.setdefault(block, []).append(layer)
    return list(blocks.values())


def ends_of(model: nn.Module, names: Names) -> Ends | None:
    head = getattr(model, "get_output_embeddings", lambda: None)()
    embedding = getattr(model, "get_input_embeddings", lambda: None)()
    if not isinstance(head, nn.Linear) or not isinstance(embedding, nn.Embedding):
        return None
    by_module = {id(module): name for name, module in model.named_modules()}
    of_embedding = names.of(f"{by_module[id(embedding)]}.weight", embedding.weight)
    of_head = names.of(f"{by_module[id(head)]}.weight", head.weight)
    if of_embedding is None or head.in_features != embedding.embedding_dim:
        return None
    if head.weight is embedding.weight or of_head is None:
        of_head = of_embedding
    return Ends(embedding, head, of_embedding, of_head)
