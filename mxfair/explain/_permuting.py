"""Rows with one column permuted, given to a model in pieces."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from mxfair.explain._predictions import Predictions, Predictor, piece_rows
from mxfair.groups import Groups

__all__ = ["PermutedRows", "permutations"]


def permutations(n: int, n_repeats: int, rng: np.random.Generator, strata: np.ndarray | None = None) -> np.ndarray:
    """Return for each repeat and row the row that its value is taken from, shape (n_repeats, n).

    With `strata` (codes, one per row) a value is taken from a row of the same stratum.
    """
    if strata is None:
        return np.stack([rng.permutation(n) for _ in range(n_repeats)])
    places = np.argsort(strata, kind="stable")
    taken = np.empty((n_repeats, n), dtype=np.int64)
    for row in taken:
        shuffled = rng.permutation(n)
        row[places] = shuffled[np.argsort(strata[shuffled], kind="stable")]
    return taken


class PermutedRows:
    """The same rows again and again, each time with some features taken from other rows.

    Parameters
    ----------
    X : array or data frame of shape (n_samples, n_features)
    taken : ndarray of int, shape (n_repeats, n_samples)
        What `permutations` returns.
    groups : Groups or None
        For models that decide by the group: a row keeps its own.
    """

    def __init__(self, X: Any, taken: np.ndarray, groups: Groups | None = None) -> None:
        self._X, self._taken, self._groups = X, taken, groups

    def baseline(self, model: Predictor) -> Predictions:
        """Return the predictions of the rows as they are, shape (1, n_samples)."""
        n = len(self._X)
        return model(self._pieces(n, None), n).repeated(1)

    def predictions(self, model: Predictor, features: np.ndarray) -> Predictions:
        """Return the predictions with these features permuted, shape (n_repeats, n_samples)."""
        n_repeats, n = self._taken.shape
        return model(self._pieces(n_repeats * n, features), n_repeats * n).repeated(n_repeats)

    def _pieces(self, total: int, features: np.ndarray | None) -> Iterator[tuple[Any, Any]]:
        taken, n, size = self._taken.reshape(-1), len(self._X), piece_rows(self._X)
        for start in range(0, total, size):
            rows = np.arange(start, min(start + size, total)) % n
            groups = None if self._groups is None else self._groups.take(rows)
            if features is None:
                yield _rows(self._X, rows), groups
            else:
                yield _with(self._X, rows, taken[start : start + size], features), groups


def _rows(X: Any, rows: np.ndarray) -> Any:
    return X.iloc[rows].reset_index(drop=True) if hasattr(X, "iloc") else X[rows]


def _with(X: Any, rows: np.ndarray, taken: np.ndarray, features: np.ndarray) -> Any:
    """Return rows whose features are those of other rows."""
    block = _rows(X, rows)
    if hasattr(X, "iloc"):
        for place in features:
            block[block.columns[place]] = X.iloc[:, int(place)].array.take(taken)
    else:
        block[:, features] = X[taken[:, None], features]
    return block
