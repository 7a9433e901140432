"""The rescale rule along a chain: contributions of rows against each row of a background, in pieces of rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from mxfair._compat import import_mxnet
from mxfair._validation import InputError
from mxfair.explain._chain import chain_of
from mxfair.explain._model import Explained

mx: Any = import_mxnet()

__all__ = ["rescaled"]


def rescaled(explained: Explained, X: np.ndarray, background: np.ndarray, max_memory: float) -> Iterator[Any]:
    """Yield how many rows, and their mean contributions over the background, (n, n_features)."""
    steps = chain_of(explained.net)
    there = _forward(steps, background.astype(np.float64))
    widest = max(z.shape[1] for z in there)
    size = int(max(1, max_memory * 2**20 // (8 * 8 * widest * len(background))))
    for start in range(0, len(X), size):
        rows = X[start : start + size].astype(np.float64)
        here = _forward(steps, rows)
        multiplier = _head(explained, here[-1], there[-1])
        for step, inner, outer in zip(reversed(steps), reversed(here[:-1]), reversed(there[:-1])):
            multiplier = step.back(multiplier, inner, outer)
        # the mean over b of m_b (x - b)
        shape = (len(rows), len(background), X.shape[1])
        multiplier = np.broadcast_to(multiplier, shape)
        yield len(rows), (rows * multiplier.sum(axis=1) - (multiplier * there[0]).sum(axis=1)) / len(background)


def _forward(steps: list[Any], z: np.ndarray) -> list[np.ndarray]:
    out = [z]
    for step in steps:
        out.append(step(out[-1]))
    return out


def _head(explained: Explained, here: np.ndarray, there: np.ndarray) -> np.ndarray:
    """Return multipliers from the net's outputs to the explained number, (n_rows, n_background, n_outputs)."""
    slope, value = _slope(explained, here)
    base_slope, base = _slope(explained, there)
    change = value[:, None] - base[None]
    raw = here[:, None] - there[None]
    alike = np.allclose(np.concatenate([slope, base_slope]), slope[:1], rtol=1e-9, atol=1e-12)
    if alike and np.allclose(raw @ slope[0], change, rtol=1e-6, atol=1e-9):  # a sigmoid is as steep at -1 as at 1
        return np.broadcast_to(slope[:1], raw.shape)  # linear
    along = np.array([1.0]) if here.shape[1] == 1 else np.array([-1.0, 1.0]) if here.shape[1] == 2 else None
    if along is not None:  # a function of the output, or of the difference of both
        one = raw @ along
        near = np.abs(one) < 1e-9
        ratio = np.where(near, (slope[:, None] @ along) / (along @ along), change / np.where(near, 1.0, one))
        found = ratio[:, :, None] * along
        flat = np.abs(slope.sum(axis=1)).max() <= 1e-6 * np.abs(slope).max() if len(along) == 2 else True
        if flat:
            return found
    raise InputError(
        "The explained number must be a linear function of the net's outputs, or one of a single output, for "
        "deep_shap; a probability or log-odds among several classes is none. Explain the raw output (of model.net_), "
        "or use expected_gradients."
    )


def _slope(explained: Explained, raw: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the derivative of the explained number by the net's outputs, and the number."""
    with mx.autograd.pause(train_mode=False):
        point = mx.nd.array(raw, dtype="float64")
        gradient = mx.nd.empty(point.shape, dtype="float64")
        mx.autograd.mark_variables([point], [gradient])
        with mx.autograd.record(train_mode=False):
            value = explained.read(point) * 1  # type: ignore[misc]  # a net has it
        value.backward(train_mode=False)
        return gradient.asnumpy(), value.asnumpy()
