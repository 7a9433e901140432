"""Sums of gradients on the way from origins to rows, in batches on the net's device."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from mxfair._compat import import_mxnet
from mxfair.explain._gradient import NetGradient

mx: Any = import_mxnet()

__all__ = ["path_means", "slopes"]


def slopes(gradient: NetGradient, X: np.ndarray, max_memory: float) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the explained number and its gradient at pieces of rows, flat."""
    size = gradient.rows_per_batch(max_memory)
    with mx.autograd.pause(train_mode=False):
        for start in range(0, len(X), size):
            part = mx.nd.array(X[start : start + size], ctx=gradient.ctx, dtype=X.dtype)
            value, slope = gradient.at(gradient.enter(part))
            yield value.asnumpy(), gradient.back(slope).asnumpy()


def path_means(
    gradient: NetGradient, X: np.ndarray, origins: np.ndarray, alphas: np.ndarray, max_memory: float
) -> Iterator[np.ndarray]:
    """Yield, for pieces of rows, the mean over origins and points of (x - origin) times the gradient on the way.

    Parameters
    ----------
    gradient : NetGradient
    X : array, shape (n_samples, ...)
    origins : array, shape (n_origins, ...), or (n_samples, 1, ...) for an origin of its own for each row
    alphas : array, shape (n_origins, n_points)
        Where on the way from each origin to each row.
    max_memory : float
        Megabytes of one batch.

    Yields
    ------
    array of float, shape (rows, n_features)
        In the order of the rows.
    """
    own = origins.ndim == X.ndim + 1
    n_points = alphas.size
    limit = gradient.rows_per_batch(max_memory)
    size = max(1, limit // n_points)
    ahead = None
    with mx.autograd.pause(train_mode=False):
        weights = mx.nd.array(alphas, ctx=gradient.ctx, dtype=X.dtype)
        shared = None if own else _Place(gradient, origins, X.dtype)
        for start in range(0, len(X), size):
            rows = _Place(gradient, X[start : start + size], X.dtype)
            start_of = _Place(gradient, origins[start : start + size, 0], X.dtype) if own else shared
            total = _total(gradient, rows, start_of, weights, limit, own=own)
            if ahead is not None:  # read while the next piece is computed
                yield ahead.asnumpy() / n_points
            ahead = total
        if ahead is not None:
            yield ahead.asnumpy() / n_points


class _Place:
    """Rows on the device, flat, and what stands for them behind the first layer."""

    def __init__(self, gradient: NetGradient, rows: np.ndarray, dtype: Any) -> None:
        array = mx.nd.array(rows, ctx=gradient.ctx, dtype=dtype)
        self.flat, self.entered = array.reshape((len(rows), -1)), gradient.enter(array)


def _total(gradient: NetGradient, rows: _Place, origins: Any, alphas: Any, limit: int, *, own: bool) -> Any:
    """Return the sum over origins and points of (x - origin) times the gradient, (n_rows, n_features)."""
    n, width = rows.entered.shape
    n_origins, n_points = alphas.shape
    axis = 1 if own else 0
    x, far = rows.flat.expand_dims(1), origins.flat.expand_dims(axis)
    here, origin = rows.entered.expand_dims(1), origins.entered.expand_dims(axis)
    points = min(n_points, max(1, limit // n))
    step = max(1, limit // (n * points))  # origins at once
    total: Any = None
    for first in range(0, n_origins, step):
        chosen = slice(first, min(first + step, n_origins))
        count = chosen.stop - first
        start = (origin if own else origin[:, chosen]).expand_dims(0)
        way = mx.nd.broadcast_sub(here.expand_dims(0), start)
        found: list[Any] = []  # points come first, so that sums over them are sums of whole blocks
        for low in range(0, n_points, points):
            at = alphas[chosen, low : low + points].T.reshape((-1, 1, count, 1))
            point = mx.nd.broadcast_mul(way, at)
            mx.nd.broadcast_add(point, start, out=point)
            _, slope = gradient.at(point.reshape((-1, width)), reuse=True)
            slope = slope.reshape((-1, n * count, width))
            found = [mx.nd.add_n(*found, *(slope[k] for k in range(len(slope))))]
        change = mx.nd.broadcast_sub(x, far if own else far[:, chosen]) * gradient.back(found[0]).reshape(
            (n, count, -1)
        )
        ones = mx.nd.ones((n, 1, count), ctx=change.context, dtype=change.dtype)
        change = mx.nd.batch_dot(ones, change).reshape((n, -1))
        total = change if total is None else total + change
    return total
