"""What was measured, as the files that the library reads (src/guide/hessian_file.h)."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from nwcodec import _nwcodec
from nwcodec.calibration.layers import Ends, Layer, Names
from nwcodec.calibration.moments import means
from nwcodec.errors import NonFiniteError

__all__ = ["write_block", "write_ends"]


def write_block(block: list[Layer], gradients: bool, positions: int, path: Path, calibration: dict) -> None:
    """What the layers of a block have seen; those of one name are the matrices of a tensor, in their order."""
    file = _nwcodec.HessianFile()
    hessians: dict[str, int] = {}
    tensors: dict[str, list[Layer]] = {}
    for layer in block:
        tensors.setdefault(layer.name, []).append(layer)
    for name, layers in tensors.items():
        if layers[0].shares is None:
            mean = np.concatenate([layer.x.mean() for layer in layers])
            if not np.isfinite(mean).all():
                raise NonFiniteError(f"{name}: its inputs are not finite on these texts", tensor=name)
            hessians[name] = file.add_hessian(mean, np.array([layer.x.tokens for layer in layers], np.int64))
    for name, layers in tensors.items():
        first = layers[0]
        fisher = None
        if gradients:
            felt = np.concatenate([layer.felt.mean() for layer in layers])
            rows = np.concatenate([means(layer.squares, layer.felt.tokens, layer.out_features) for layer in layers])
            outputs = first.g.mean() if first.g is not None else None
            fisher = file.add_fisher(felt, rows, outputs, [layer.effective.count() for layer in layers])
        file.add_weight(name, first.hash, hessians[(first.shares or first).name], fisher, None, False)
    file.write(str(path), positions if gradients else 0, json.dumps(calibration))


def write_ends(ends: Ends, names: Names, positions: int, path: Path, calibration: dict) -> None:
    file = _nwcodec.HessianFile()
    head = file.add_hessian(ends.x.mean(), np.array([ends.x.tokens], np.int64))
    of_head = means(ends.head_squares, ends.felt.tokens, ends.head.out_features)
    felt = file.add_fisher(ends.felt.mean(), of_head, None, [ends.head_effective.count()])
    of_lookup = means(ends.lookup_squares, ends.lookup.tokens, ends.embedding.num_embeddings)
    lookup = file.add_fisher(ends.lookup.mean(), of_lookup, None, [ends.lookup_effective.count()])
    hash_ = names.hash(ends.embedding_name, ends.embedding.weight)
    if ends.head_name == ends.embedding_name:
        file.add_weight(ends.embedding_name, hash_, head, felt, lookup, True)
    else:
        of_embedding = file.add_hessian(ends.lookup.mean(), np.array([ends.lookup.tokens], np.int64))
        file.add_weight(ends.head_name, names.hash(ends.head_name, ends.head.weight), head, felt, None, True)
        file.add_weight(ends.embedding_name, hash_, of_embedding, lookup, None, True)
    file.write(str(path), positions, json.dumps(calibration))
