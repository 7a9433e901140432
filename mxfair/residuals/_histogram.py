"""Histograms on common bins, and distances between the distributions they hold."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from mxfair._validation import InputError, one_of, positive_integer
from mxfair.residuals._moments import quotient

if TYPE_CHECKING:
    import pandas as pd


class Histograms:
    """Predictions and errors of each group, counted in bins of equal width, with a bin for what lies beyond each end.

    ``counts``, of shape (3, n_groups, bins + 2), holds weights by prediction, weights by error, errors by prediction.
    """

    def __init__(self, low: float, high: float, bins: int, n_groups: int) -> None:
        self.low, self.high, self.bins = low, high, bins
        self.counts = np.zeros((3, n_groups, bins + 2))

    @property
    def form(self) -> tuple[float, float, int]:
        """What two histograms that add have in common."""
        return self.low, self.high, self.bins

    def add(self, preds: np.ndarray, errors: np.ndarray, codes: np.ndarray, weight: np.ndarray | None) -> None:
        """Count samples."""
        reach, size = self.high - self.low, self.counts[0].size
        row = codes * (self.bins + 2)
        by_pred = row + places(preds, self.low, self.high, self.bins)
        by_error = row + places(errors, -reach, reach, self.bins)
        flat = self.counts.reshape(3, -1)
        flat[0] += np.bincount(by_pred, weight, minlength=size)
        flat[1] += np.bincount(by_error, weight, minlength=size)
        flat[2] += np.bincount(by_pred, errors if weight is None else errors * weight, minlength=size)

    def of(self, what: str) -> tuple[np.ndarray, float]:
        """Return weights by prediction or by error, shape (n_groups, bins + 2), and the width of a bin."""
        errors = one_of(what, ("predictions", "errors"), "of") == "errors"
        reach = self.high - self.low
        return self.counts[int(errors)], (2 * reach if errors else reach) / self.bins

    def calibration(self, groups: tuple[str, ...], bins: int) -> pd.DataFrame:
        """Return mean label minus mean prediction by group and wider bin of the prediction."""
        import pandas as pd

        bins = min(positive_integer(bins, "bins"), self.bins)
        cuts = np.linspace(0, self.bins, bins + 1).round().astype(int)
        starts = np.concatenate([[0], cuts + 1])
        edges = np.concatenate([[-np.inf], self.low + (self.high - self.low) * cuts / self.bins, [np.inf]])
        support, _, errors = np.add.reduceat(self.counts, starts, axis=2)
        frame = pd.DataFrame(
            {
                "group": np.repeat(np.array(groups, dtype=object), bins + 2),
                "low": np.tile(edges[:-1], len(groups)),
                "high": np.tile(edges[1:], len(groups)),
                "support": support.ravel(),
                "calibration": -quotient(errors, support).ravel(),
            }
        )
        inside = np.isfinite(frame["low"]) & np.isfinite(frame["high"])
        return frame[inside | (frame["support"] > 0)].reset_index(drop=True)


def checked_range(low: Any, high: Any) -> tuple[float, float]:
    """Return the range as two floats."""
    for value in (low, high):
        if isinstance(value, bool) or not isinstance(value, (int, float, np.number)):
            raise InputError(f"'low' and 'high' must be numbers; got {low!r} and {high!r}. Give both or neither.")
    if not (np.isfinite(low) and np.isfinite(high) and low < high):
        raise InputError(f"'low' and 'high' must be finite, low below high; got {low} and {high}. Give a range.")
    return float(low), float(high)


def places(values: np.ndarray, low: float, high: float, bins: int) -> np.ndarray:
    """Return each value's bin: 0 below `low`, 1 to `bins` inside, bins + 1 above `high`."""
    place = np.clip((values - low) * (bins / (high - low)), 0, bins - 1).astype(np.int64) + 1
    place[values < low] = 0
    place[values > high] = bins + 1
    return place


def cumulative(counts: np.ndarray) -> np.ndarray:
    """Return the distribution function at the upper edge of each bin; NaN for a group without samples."""
    total = counts.sum(axis=-1, keepdims=True)
    with np.errstate(invalid="ignore"):
        return np.cumsum(counts, axis=-1) / total


def ks(counts: np.ndarray) -> np.ndarray:
    """Return the largest distance between distribution functions at the edges, shape (..., n_groups, n_groups)."""
    return _pairwise(counts, lambda gap: np.abs(gap).max(axis=-1))


def wasserstein(counts: np.ndarray, width: float) -> np.ndarray:
    """Return the area between distribution functions, linear inside a bin; what lies outside counts as at the ends."""
    inside = counts[..., 1:-1].copy()
    inside[..., 0] += counts[..., 0]
    inside[..., -1] += counts[..., -1]
    return width * _pairwise(inside, _area)


def _area(gap: np.ndarray) -> np.ndarray:
    """Return the sum over bins of the integral of |a line from the gap at one edge to the gap at the next|."""
    left = np.concatenate([np.zeros_like(gap[..., :1]), gap[..., :-1]], axis=-1)
    size = np.abs(left) + np.abs(gap)
    with np.errstate(invalid="ignore", divide="ignore"):
        crossing = (left * left + gap * gap) / (2 * size)
    return np.where(left * gap < 0, crossing, size / 2).sum(axis=-1)


def _pairwise(counts: np.ndarray, distance: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    functions = cumulative(counts)
    n_groups = counts.shape[-2]
    result = np.zeros((*counts.shape[:-2], n_groups, n_groups))
    for a in range(n_groups):  # a pair at a time: all at once would take G^2 / 2 times the memory
        for b in range(a, n_groups):
            value = distance(functions[..., a, :] - functions[..., b, :])
            result[..., a, b] = result[..., b, a] = value
    return result


def root_of_sizes(effective: np.ndarray) -> np.ndarray:
    """Return sqrt(1 / n_a + 1 / n_b) for each pair; 0 for a group with itself, NaN where one has no samples."""
    with np.errstate(divide="ignore"):
        inverse = np.where(effective > 0, 1 / effective, np.nan)
    root = np.sqrt(inverse[:, None] + inverse)
    np.fill_diagonal(root, np.where(effective > 0, 0.0, np.nan))
    return root


def wasserstein_floor(counts: np.ndarray, width: float) -> float:
    """Return the expected distance between two samples of the pooled distribution, before `root_of_sizes`.

    E|F_a - F_b| = sqrt(2 / pi) sqrt(F (1 - F)) sqrt(1 / n_a + 1 / n_b) by the normal approximation at each point.
    """
    function = np.nan_to_num(cumulative(counts.sum(axis=0))[1:-1])
    return float(np.sqrt(2 / np.pi) * width * np.sqrt(np.clip(function * (1 - function), 0, None)).sum())
