"""Calibration of any model of PyTorch: what `nwcodec calibrate` measures, by hooks on its linear layers.

The files are those of the C++ program (second moments of inputs, and with gradients the Fisher information on both
sides), for `nwcodec.compress(..., hessians=...)` or `nwcodec compress --hessians`.
"""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from nwcodec import _nwcodec
from nwcodec.checkpoint import Checkpoint
from nwcodec.errors import ExistsError, InvalidArgumentError, NonFiniteError, NotFoundError

__all__ = ["calibrate", "draw_sequences"]

Progress = Callable[[int, int, str], None]
_POSITIONS_AT_A_TIME = 16  # whose logits are summed in double precision


def draw_sequences(ids: Sequence[int], length: int, count: int, seed: int = 1) -> list[torch.Tensor]:
    """Windows of a tokenised text: `count` tensors [1, length], the ones that `nwcodec calibrate` draws by this seed."""
    tokens = np.asarray(ids, np.int32)
    begins = _nwcodec.draw_sequences(tokens, length, count, seed)
    return [torch.from_numpy(tokens[b : b + length].astype(np.int64))[None] for b in begins]


class _Moment:
    """The sum of x x^T over rows: products in single precision, their sum in double."""

    def __init__(self, features: int):
        self.features = features
        self.tokens = 0
        self.sum: torch.Tensor | None = None

    def add(self, rows: torch.Tensor) -> None:
        if self.sum is None:
            self.sum = torch.zeros(self.features, self.features, dtype=torch.float64, device=rows.device)
        self.sum += rows.T @ rows
        self.tokens += rows.shape[0]

    def mean(self) -> np.ndarray:
        if self.sum is None:
            return np.zeros((1, self.features, self.features), np.float32)
        return (self.sum / self.tokens).float().cpu().numpy()[None]


@dataclass
class _Layer:
    """A linear layer of a block, and what it has seen."""

    name: str  # of the weight in the checkpoint
    module: nn.Module
    hash: int
    shares: _Layer | None = None  # the layer before it with the same input
    x: _Moment = None
    felt: _Moment = None  # of |g| x
    g: _Moment | None = None
    squares: torch.Tensor | None = None

    def begin(self, outputs: bool) -> None:
        self.x = _Moment(self.module.in_features)
        self.felt = _Moment(self.module.in_features)
        self.g = _Moment(self.module.out_features) if outputs else None
        self.squares = None

    def end(self) -> None:
        self.x = self.felt = self.g = self.squares = None

    def bytes(self, gradients: bool, outputs: bool) -> int:
        n, m = self.module.in_features, self.module.out_features
        return 8 * (n * n * (1 + gradients) + m * m * (gradients and outputs))


@dataclass
class _Seen:
    layer: _Layer
    x: torch.Tensor
    g: torch.Tensor | None = None


@dataclass
class _Ends:
    """Embedding and head (guide/hessian_file.h says what stands for an embedding's inputs)."""

    embedding: nn.Module
    head: nn.Module
    embedding_name: str
    head_name: str
    x: _Moment = None
    felt: _Moment = None
    lookup: _Moment = None
    head_squares: torch.Tensor = None
    lookup_squares: torch.Tensor = None
    seen: dict[str, torch.Tensor] = field(default_factory=dict)

    def begin(self) -> None:
        n = self.head.in_features
        self.x, self.felt, self.lookup = _Moment(n), _Moment(n), _Moment(n)
        self.head_squares = torch.zeros(self.head.out_features, dtype=torch.float64)
        self.lookup_squares = torch.zeros(self.embedding.num_embeddings, dtype=torch.float64)

    def add(self) -> None:
        seen, self.seen = self.seen, {}
        if not {"x", "g", "ids", "g_embedding"} <= seen.keys():
            return
        x, g = seen["x"].reshape(-1, self.head.in_features).float(), seen["g"].reshape(-1, self.head.out_features)
        squares = g.float().square()
        self.x.add(x)
        self.felt.add(x * squares.sum(-1, keepdim=True).sqrt())
        for some in squares.split(_POSITIONS_AT_A_TIME):
            self.head_squares += some.sum(0, dtype=torch.float64).float().double().cpu()
        # Modules that scale what they look up see a row's error that much larger.
        scale = float(getattr(self.embedding, "embed_scale", 1.0))
        felt = seen["g_embedding"].reshape(x.shape).float() * scale
        self.lookup.add(felt)
        each = felt.square().sum(-1, dtype=torch.float64).float().double().cpu()
        self.lookup_squares.index_add_(0, seen["ids"].reshape(-1).cpu(), each)


def _block_of(name: str) -> str | None:
    """The name up to its first number: layers of a block have it in common."""
    match = re.match(r"(.*?\.)?\d+(?=\.)", name)
    return match.group(0) if match else None


def _checkpoint_of(model: nn.Module, checkpoint: str | os.PathLike | None) -> Checkpoint | None:
    if checkpoint is not None:
        return Checkpoint(checkpoint)
    named = getattr(getattr(model, "config", None), "_name_or_path", "")
    return Checkpoint(named) if named and Path(named).is_dir() else None


class _Names:
    """From the names of a model's parameters to those of a checkpoint's tensors, and their hashes."""

    def __init__(self, model: nn.Module, checkpoint: Checkpoint | None):
        self._checkpoint = checkpoint
        self._prefix = getattr(model, "base_model_prefix", "") or ""

    def of(self, name: str, parameter: torch.Tensor) -> str | None:
        if self._checkpoint is None:
            return name
        for candidate in (name, f"{self._prefix}.{name}", name.removeprefix(f"{self._prefix}.")):
            found = self._checkpoint.get(candidate)
            if found is not None and found.shape == tuple(parameter.shape):
                return candidate
        return None

    def hash(self, name: str, parameter: torch.Tensor) -> int:
        if self._checkpoint is None:
            return _nwcodec.xxh3(parameter.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
        tensor = self._checkpoint[name]
        values = torch.empty(tensor.size * (4 if tensor.dtype == "F32" else 2), dtype=torch.uint8)
        tensor.read_into(values.numpy())
        return _nwcodec.xxh3(values.numpy())


def _blocks(model: nn.Module, names: _Names) -> list[list[_Layer]]:
    blocks: dict[str, list[_Layer]] = {}
    for name, module in model.named_modules():
        if not isinstance(module, nn.Linear) or (block := _block_of(name + ".")) is None:
            continue
        tensor = names.of(f"{name}.weight", module.weight)
        if tensor is not None:
            blocks.setdefault(block, []).append(_Layer(tensor, module, names.hash(tensor, module.weight)))
    return list(blocks.values())


def _ends(model: nn.Module, names: _Names) -> _Ends | None:
    get_head, get_embedding = getattr(model, "get_output_embeddings", None), getattr(model, "get_input_embeddings", None)
    head = get_head() if get_head else None
    embedding = get_embedding() if get_embedding else None
    if not isinstance(head, nn.Linear) or not isinstance(embedding, nn.Embedding):
        return None
    by_module = {id(module): name for name, module in model.named_modules()}
    of_embedding = names.of(f"{by_module[id(embedding)]}.weight", embedding.weight)
    of_head = names.of(f"{by_module[id(head)]}.weight", head.weight)
    if of_embedding is None or head.in_features != embedding.embedding_dim:
        return None
    if head.weight is embedding.weight or of_head is None:
        of_head = of_embedding
    return _Ends(embedding, head, of_embedding, of_head)


def _labels(logits: torch.Tensor, seed: int, batch: int) -> torch.Tensor:
    """A token for each position, drawn from the model's own prediction."""
    quantiles = torch.tensor(_nwcodec.label_quantiles(seed, batch, len(logits)), dtype=torch.float64)[:, None]
    drawn = []
    for some, at in zip(logits.split(_POSITIONS_AT_A_TIME), quantiles.to(logits.device).split(_POSITIONS_AT_A_TIME)):
        sums = torch.softmax(some, -1).cumsum(-1, dtype=torch.float64)
        chosen = torch.searchsorted(sums, at * sums[:, -1:], right=True)
        drawn.append(chosen.clamp_max(sums.shape[-1] - 1).squeeze(-1))
    return torch.cat(drawn)


def _likelihood(output: Any, seed: int, batch: int) -> torch.Tensor:
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


class _Pass:
    """Hooks on the layers of some blocks while all batches go through the model."""

    def __init__(self, model: nn.Module, layers: list[_Layer], ends: _Ends | None, gradients: bool, outputs: bool):
        self._gradients = gradients
        self._first = True  # inputs that are shared are still to be found
        self._ends = ends
        self._seen: list[_Seen] = []
        self._handles = []
        if gradients:
            # Parameters stay as they are, so something else must ask for gradients: what the first module returns.
            # This hook comes before all others.
            first = getattr(model, "get_input_embeddings", lambda: None)() or next(iter(_leaves(model)))
            self._handles.append(first.register_forward_hook(lambda _, __, y: y.requires_grad_(True)))
        self._handles += [l.module.register_forward_hook(self._hook_of(l)) for l in layers]
        for layer in layers:
            layer.begin(gradients and outputs)
        if ends is not None:
            ends.begin()
            self._handles.append(ends.head.register_forward_hook(self._see_head))
            self._handles.append(ends.embedding.register_forward_hook(self._see_embedding))

    def _hook_of(self, layer: _Layer) -> Callable:
        def see(_: nn.Module, inputs: tuple, output: torch.Tensor) -> None:
            seen = _Seen(layer, inputs[0])
            if self._first and self._seen and self._seen[-1].x is inputs[0]:
                before = self._seen[-1].layer
                layer.shares = before.shares or before
            self._seen.append(seen)
            if output.requires_grad:
                output.register_hook(lambda g: setattr(seen, "g", g))

        return see

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
            x = s.x.detach().reshape(-1, layer.module.in_features).float()
            if layer.shares is None:
                layer.x.add(x)
            if not self._gradients:
                continue
            g = torch.zeros(len(x), layer.module.out_features, device=x.device) if s.g is None else s.g
            g = g.reshape(len(x), -1).float()
            layer.felt.add(x * g.square().sum(-1, keepdim=True).sqrt())
            if layer.g is not None:
                layer.g.add(g)
            squares = g.square().sum(0, dtype=torch.float64).float().double()
            layer.squares = squares if layer.squares is None else layer.squares + squares
        if self._ends is not None:
            self._ends.add()
        self._first = False

    def close(self) -> None:
        for handle in self._handles:
            handle.remove()


def _means(squares: torch.Tensor | None, tokens: int, size: int) -> np.ndarray:
    if squares is None or tokens == 0:
        return np.zeros((1, size), np.float32)
    return (squares / tokens).float().cpu().numpy()[None]


def _file_of(block: list[_Layer], gradients: bool, positions: int, path: Path, calibration: dict) -> None:
    file = _nwcodec.HessianFile()
    hessians: dict[int, int] = {}
    for layer in block:
        if layer.shares is None:
            mean = layer.x.mean()
            if not np.isfinite(mean).all():
                raise NonFiniteError(f"{layer.name}: its inputs are not finite on these texts", tensor=layer.name)
            hessians[id(layer)] = file.add_hessian(mean, np.array([layer.x.tokens], np.int64))
    for layer in block:
        fisher = None
        if gradients:
            rows = _means(layer.squares, layer.felt.tokens, layer.module.out_features)
            fisher = file.add_fisher(layer.felt.mean(), rows, layer.g.mean() if layer.g is not None else None)
        file.add_weight(layer.name, layer.hash, hessians[id(layer.shares or layer)], fisher, None, False)
    file.write(str(path), positions if gradients else 0, json.dumps(calibration))


def _file_of_ends(ends: _Ends, names: _Names, positions: int, path: Path, calibration: dict) -> None:
    file = _nwcodec.HessianFile()
    head = file.add_hessian(ends.x.mean(), np.array([ends.x.tokens], np.int64))
    felt = file.add_fisher(
        ends.felt.mean(), _means(ends.head_squares, ends.felt.tokens, ends.head.out_features), None
    )
    lookup = file.add_fisher(
        ends.lookup.mean(), _means(ends.lookup_squares, ends.lookup.tokens, ends.embedding.num_embeddings), None
    )
    hash_ = names.hash(ends.embedding_name, ends.embedding.weight)
    if ends.head_name == ends.embedding_name:
        file.add_weight(ends.embedding_name, hash_, head, felt, lookup, True)
    else:
        of_embedding = file.add_hessian(ends.lookup.mean(), np.array([ends.lookup.tokens], np.int64))
        file.add_weight(ends.head_name, names.hash(ends.head_name, ends.head.weight), head, felt, None, True)
        file.add_weight(ends.embedding_name, hash_, of_embedding, lookup, None, True)
    file.write(str(path), positions, json.dumps(calibration))


def _groups(blocks: list[list[_Layer]], gradients: bool, outputs: bool, memory: int) -> list[list[list[_Layer]]]:
    """Blocks whose moments are held together: at least one, otherwise as many as fit."""
    groups: list[list[list[_Layer]]] = []
    held = 0
    for block in blocks:
        size = sum(layer.bytes(gradients, outputs) for layer in block)
        if not groups or held + size > memory:
            groups.append([])
            held = 0
        groups[-1].append(block)
        held += size
    return groups


def _positions(batch: Any, block: list[_Layer]) -> int:
    ids = batch.get("input_ids") if isinstance(batch, dict) else batch
    return int(ids.numel()) if isinstance(ids, torch.Tensor) and not ids.is_floating_point() else block[0].x.tokens


def calibrate(
    model: nn.Module,
    batches: Iterable[Any],
    output: str | os.PathLike,
    *,
    checkpoint: str | os.PathLike | None = None,
    gradients: bool = True,
    outputs: bool = True,
    seed: int = 1,
    memory: int = 4 << 30,
    force: bool = False,
    texts: Sequence[dict[str, Any]] = (),
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Measures what the linear layers of a model see and feel on given batches.

    Runs all batches through the model, forwards and backwards, as often as it takes for the second moments of all
    blocks to fit `memory`. Single precision, as the C++ program works in, means `model.float()`.

    Args:
        model: of transformers, or any module of PyTorch; its `nn.Linear` with a number in their names are calibrated,
            and embedding and head of language models.
        batches: token ids [1, length], or dictionaries of arguments; one sequence each, so that labels are those of
            the C++ program.
        output: the directory to write.
        checkpoint: the directory of the model's weights, whose names and hashes the files carry; None for the one
            that the model was loaded from, and the names of parameters if it was none.
        gradients: walk backwards, from labels that are drawn from the model's own predictions.
        outputs: with gradients, whole second moments of gradients, not their diagonal only.
        seed: decides the labels.
        memory: bytes for second moments, on the model's device.
        force: replace the calibration that stands in `output`.
        texts: provenance, written into the files.
        progress: called with what is done, of how much, and what is being worked on.

    Returns:
        `blocks`, `layers`, `positions`, `passes`, and `skipped`: parameters of linear layers that the checkpoint does
        not have under a name of its own.
    """
    batches = list(batches)
    if not batches:
        raise InvalidArgumentError("there are no batches to calibrate on")
    output = Path(output)
    if output.exists() and any(output.iterdir()):
        if not force:
            raise ExistsError(f"{output}: is not empty; choose another directory, or give force=True", str(output))
        for old in output.glob("hessians-*.safetensors"):
            old.unlink()
    names = _Names(model, _checkpoint_of(model, checkpoint))
    blocks = _blocks(model, names)
    if not blocks:
        raise NotFoundError("the model has no linear layers with a number in their names that the checkpoint has")
    ends = _ends(model, names) if gradients else None
    calibration = {"texts": list(texts), "sequences": len(batches), "seed": seed}
    if gradients:
        calibration["gradients"] = "both sides" if outputs else "inputs and rows"
    calibration["machine"] = f"PyTorch {torch.__version__}, {platform.machine()}"

    device = next(model.parameters()).device
    work = output.with_name(output.name + ".unfinished")
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    groups = _groups(blocks, gradients, outputs, memory)
    parameters = [(p, p.requires_grad) for p in model.parameters()]
    training = model.training
    number = positions = 0
    try:
        model.eval()
        for parameter, _ in parameters:
            parameter.requires_grad_(False)
        for i, group in enumerate(groups):
            layers = [layer for block in group for layer in block]
            watched = _Pass(model, layers, ends if i == 0 else None, gradients, outputs)
            try:
                for b, batch in enumerate(batches):
                    if progress is not None:
                        progress(i * len(batches) + b, len(groups) * len(batches), f"pass {i + 1} of {len(groups)}")
                    _run(model, batch, device, gradients, seed, b)
                    watched.end_batch()
            finally:
                watched.close()
            if i == 0:
                positions = sum(_positions(batch, group[0]) for batch in batches)
                if ends is not None:
                    _file_of_ends(ends, names, positions, work / _nwcodec.HESSIAN_ENDS_NAME, calibration)
            for block in group:
                _file_of(block, gradients, positions, work / _nwcodec.hessian_file_name(number), calibration)
                number += 1
                for layer in block:
                    layer.end()
        output.mkdir(parents=True, exist_ok=True)
        for path in work.iterdir():
            path.replace(output / path.name)
    finally:
        shutil.rmtree(work, ignore_errors=True)
        model.train(training)
        for parameter, wanted in parameters:
            parameter.requires_grad_(wanted)
    known = {id(l.module) for b in blocks for l in b}
    if ends is not None:
        known.add(id(ends.head))
    skipped = [n for n, m in model.named_modules() if isinstance(m, nn.Linear) and id(m) not in known]
    return {
        "blocks": len(blocks),
        "layers": sum(len(b) for b in blocks),
        "positions": positions,
        "passes": len(groups),
        "skipped": skipped,
    }


def _run(model: nn.Module, batch: Any, device: torch.device, gradients: bool, seed: int, index: int) -> None:
    arguments = dict(batch) if isinstance(batch, dict) else {"input_ids": batch}
    arguments = {k: v.to(device) if isinstance(v, torch.Tensor) else v for k, v in arguments.items()}
    if not gradients:
        with torch.no_grad():
            _call(model, batch, arguments)
        return
    with torch.enable_grad():
        _likelihood(_call(model, batch, arguments), seed, index).backward()


def _leaves(model: nn.Module) -> Iterable[nn.Module]:
    return (m for m in model.modules() if not any(True for _ in m.children()) and any(True for _ in m.parameters()))


def _call(model: nn.Module, batch: Any, arguments: dict[str, Any]) -> Any:
    if isinstance(batch, dict):
        return model(**arguments)
    if hasattr(model, "config"):
        return model(**arguments, use_cache=False)
    return model(arguments["input_ids"])
