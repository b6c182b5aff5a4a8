"""Perplexity and divergence of models of transformers, as `nwcodec eval` measures them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from nwcodec.commands import Progress
from nwcodec.errors import InvalidArgumentError

__all__ = ["evaluate"]


@torch.no_grad()
def evaluate(
    model: Any,
    ids: Sequence[int],
    *,
    reference: Any = None,
    context: int = 2048,
    windows: int | None = None,
    progress: Progress | None = None,
) -> dict[str, float]:
    """Measures a language model on a text, in windows that follow one another.

    Args:
        model: of transformers, plain or compressed; what of a progressive checkpoint, or with which base, is told to
            `from_pretrained` (nwcodec/hf.py).
        ids: the text's tokens.
        reference: the original model, for divergence.
        context: tokens of a window; every one but the first is predicted.
        windows: how many, from the beginning; all if None.
        progress: called with what is done, of how much, and what is being worked on.

    Returns:
        `perplexity`, `windows`, and with a reference `reference_perplexity`, `kl_divergence` (mean, of the model from
        the original, in nats per token), its standard error over windows `kl_error`, and `top1_agreement`.
    """
    count = len(ids) // context
    count = count if windows is None else min(count, windows)
    if count == 0:
        raise InvalidArgumentError(f"the text has {len(ids)} tokens, fewer than one window of {context}")
    sums = {"loss": 0.0, "reference": 0.0, "agree": 0.0}
    divergences = []
    for w in range(count):
        if progress is not None:
            progress(w, count, f"window {w + 1} of {count}")
        window = torch.tensor(np.asarray(ids[w * context : (w + 1) * context], np.int64))[None]
        mine = _log_probabilities(model, window)
        sums["loss"] -= mine[:-1].gather(1, window[0, 1:, None].to(mine.device)).sum().item()
        if reference is None:
            continue
        theirs = _log_probabilities(reference, window).to(mine.device)
        sums["reference"] -= theirs[:-1].gather(1, window[0, 1:, None].to(mine.device)).sum().item()
        each = (theirs.exp() * (theirs - mine)).sum(-1, dtype=torch.float64)[:-1]
        divergences.append(each.mean().item())
        sums["agree"] += (theirs.argmax(-1) == mine.argmax(-1))[:-1].double().sum().item()
    predicted = count * (context - 1)
    result = {"perplexity": math.exp(sums["loss"] / predicted), "windows": count}
    if reference is not None:
        result["reference_perplexity"] = math.exp(sums["reference"] / predicted)
        result["kl_divergence"] = float(np.mean(divergences))
        result["kl_error"] = float(np.std(divergences, ddof=1) / math.sqrt(count)) if count > 1 else 0.0
        result["top1_agreement"] = sums["agree"] / predicted
    return result


def _log_probabilities(model: Any, window: torch.Tensor) -> torch.Tensor:
    device = next(model.parameters()).device
    return torch.log_softmax(model(window.to(device), use_cache=False).logits[0].float(), -1)
