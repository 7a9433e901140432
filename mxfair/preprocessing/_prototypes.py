"""Where prototypes start, the order of batches, and memberships as a formula of the block."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np


def memberships(F: Any, x: Any, mean: Any, scale: Any, weighted: Any, far: Any, kept: Any) -> Any:
    """Return M of whole rows: softmax(2 x (alpha v)' - sum alpha v^2), what is left of the distance."""
    x = F.take(x, kept.reshape((-1,)), axis=1)
    x = F.broadcast_div(F.broadcast_sub(x, mean), scale)
    return F.softmax(F.broadcast_sub(F.dot(x, weighted, transpose_b=True), far), axis=1)


def reconstruction(F: Any, x: Any, prototype: Any, **constants: Any) -> Any:
    """Return M v."""
    return F.dot(memberships(F, x, **constants), prototype)


def start(matrix: np.ndarray, n_classes: int, count: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Return parameters to begin with: prototypes at random rows, features of equal weight."""
    mean, scale = matrix.mean(axis=0), matrix.std(axis=0)
    scale[~(scale > 1e-12 * np.abs(mean))] = 1.0  # constant, up to rounding
    rows = rng.choice(len(matrix), count, replace=count > len(matrix))
    width = matrix.shape[1]
    return {
        "prototype": (matrix[rows] - mean) / scale + rng.normal(0, 0.01, (count, width)),
        "log_weight": np.full((1, width), -np.log(width)),
        "score": rng.normal(0, 0.1, (count, n_classes)),
        "mean": mean[None],
        "scale": scale[None],
    }


def batches(count: int, size: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Return shuffled batches of one size; what is left over waits for the next epoch."""
    order = rng.permutation(count)
    size = min(size, count)
    return (order[start : start + size] for start in range(0, count - size + 1, size))


def softmax(values: np.ndarray) -> np.ndarray:
    """Return rows that sum to 1."""
    powers = np.exp(values - values.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)
