"""Calibration of any model of PyTorch: what `nwcodec calibrate` measures, by hooks on its linear layers.

The files are those of the C++ program (second moments of inputs, and with gradients the Fisher information on both
sides), for `nwcodec.compress(..., hessians=...)` or `nwcodec compress --hessians`.
"""

from __future__ import annotations

import platform
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from nwcodec import _nwcodec
from nwcodec.calibration.experts import Experts, Products, eager_experts, experts_of, fused_parameters
from nwcodec.calibration.files import write_block, write_ends
from nwcodec.calibration.layers import Layer, Names, blocks_of, checkpoint_of, ends_of
from nwcodec.calibration.passes import Pass, run_batch
from nwcodec.commands import Progress
from nwcodec.errors import ExistsError, InvalidArgumentError, NotFoundError

if TYPE_CHECKING:
    import os

__all__ = ["calibrate", "draw_sequences"]


def draw_sequences(ids: Sequence[int], length: int, count: int, seed: int = 1) -> list[torch.Tensor]:
    """Windows of a tokenised text, `count` tensors [1, length]: those that `nwcodec calibrate` draws by this seed."""
    tokens = np.asarray(ids, np.int32)
    begins = _nwcodec.draw_sequences(tokens, length, count, seed)
    return [torch.from_numpy(tokens[b : b + length].astype(np.int64))[None] for b in begins]


def groups_of(blocks: list[list[Layer]], gradients: bool, outputs: bool, memory: int) -> list[list[list[Layer]]]:
    """Blocks whose moments are held together: at least one, otherwise as many as fit."""
    groups: list[list[list[Layer]]] = []
    held = 0
    for block in blocks:
        size = sum(layer.bytes(gradients, outputs) for layer in block)
        if not groups or held + size > memory:
            groups.append([])
            held = 0
        groups[-1].append(block)
        held += size
    return groups


def positions_of(batch: Any, block: list[Layer]) -> int:
    ids = batch.get("input_ids") if isinstance(batch, dict) else batch
    return int(ids.numel()) if isinstance(ids, torch.Tensor) and not ids.is_floating_point() else block[0].x.tokens


def batch_of(given: Any) -> Any:
    """A batch as models take it: a row of token ids becomes [1, length], what is a dictionary or floats stays."""
    if isinstance(given, (list, np.ndarray)):
        given = torch.as_tensor(np.asarray(given))
    if isinstance(given, torch.Tensor) and given.dim() == 1 and not given.is_floating_point():
        return given.long()[None]
    return given


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
        batches: token ids [length] or [1, length], or dictionaries of arguments; one sequence each, so that labels are
            those of the C++ program.
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
    batches = [batch_of(batch) for batch in batches]
    if not batches:
        raise InvalidArgumentError("there are no batches to calibrate on")
    output = Path(output)
    if output.exists() and any(output.iterdir()):
        if not force:
            raise ExistsError(f"{output}: is not empty; choose another directory, or give force=True", str(output))
        for old in output.glob("hessians-*.safetensors"):
            old.unlink()
    names = Names(model, checkpoint_of(model, checkpoint))
    experts = experts_of(model, names)
    blocks = blocks_of(model, names, (layer for e in experts for layers in e.layers for layer in layers))
    if not blocks:
        raise NotFoundError("the model has no linear layers with a number in their names that the checkpoint has")
    ends = ends_of(model, names) if gradients else None
    calibration = {"texts": list(texts), "sequences": len(batches), "seed": seed}
    if gradients:
        calibration["gradients"] = "both sides" if outputs else "inputs and rows"
    calibration["machine"] = f"PyTorch {torch.__version__}, {platform.machine()}"

    device = next(model.parameters()).device
    work = output.with_name(output.name + ".unfinished")
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    groups = groups_of(blocks, gradients, outputs, memory)
    parameters = [(p, p.requires_grad) for p in model.parameters()]
    training = model.training
    number = positions = 0
    unseen: list[Experts] = []
    try:
        model.eval()
        for parameter, _ in parameters:
            parameter.requires_grad_(False)
        for i, group in enumerate(groups):
            layers = [layer for block in group for layer in block]
            watched = Pass(model, layers, ends if i == 0 else None, gradients, outputs)
            try:
                for b, batch in enumerate(batches):
                    if progress is not None:
                        progress(i * len(batches) + b, len(groups) * len(batches), f"pass {i + 1} of {len(groups)}")
                    with eager_experts(model), Products(experts, watched.see_expert):
                        run_batch(model, batch, device, gradients, seed, b)
                    watched.end_batch()
            finally:
                watched.close()
            if i == 0:
                positions = sum(positions_of(batch, group[0]) for batch in batches)
                if ends is not None:
                    write_ends(ends, names, positions, work / _nwcodec.HESSIAN_ENDS_NAME, calibration)
            unseen += [e for e in experts if e.watched() and not e.seen()]
            for block in group:
                write_block(block, gradients, positions, work / _nwcodec.hessian_file_name(number), calibration)
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
    known = {id(layer.module) for block in blocks for layer in block if layer.module is not None}
    if ends is not None:
        known.add(id(ends.head))
    skipped = [n for n, m in model.named_modules() if isinstance(m, nn.Linear) and id(m) not in known]
    fused = {id(e.parameter) for e in experts} - {id(e.parameter) for e in unseen}
    skipped += [f"{module}.{kind}" for module, kind, parameter in fused_parameters(model) if id(parameter) not in fused]
    return {
        "blocks": len(blocks),
        "layers": sum(len(b) for b in blocks),
        "positions": positions,
        "passes": len(groups),
        "skipped": skipped,
    }
