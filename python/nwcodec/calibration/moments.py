"""Sums over the tokens that a layer sees."""

from __future__ import annotations

import numpy as np
import torch

__all__ = ["Effective", "Moment", "means"]


class Moment:
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


class Effective:
    """How many tokens of equal weight tell as much as those of unequal weights w: (sum w)^2 / sum w^2."""

    def __init__(self):
        self.sums: torch.Tensor | None = None

    def add(self, weights: torch.Tensor) -> None:
        w = weights.double()
        sums = torch.stack([w.sum(), w.square().sum()])
        self.sums = sums if self.sums is None else self.sums + sums.to(self.sums.device)

    def count(self) -> float:
        if self.sums is None or self.sums[1] == 0:
            return 0.0
        return float(self.sums[0] ** 2 / self.sums[1])


def means(squares: torch.Tensor | None, tokens: int, size: int) -> np.ndarray:
    if squares is None or tokens == 0:
        return np.zeros((1, size), np.float32)
    return (squares / tokens).float().cpu().numpy()[None]
