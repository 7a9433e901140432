"""The rows that a wrapped estimator is trained on, and those that are held out for its post-processor."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.model_selection import StratifiedKFold
from sklearn.utils import _safe_indexing

from mxfair._validation import InputError, InputTypeError, generator, positive_integer
from mxfair.groups import Groups
from mxfair.postprocessing._model_scores import raw_scores, takes, takes_groups


@dataclass(frozen=True)
class Table:
    """What an estimator is trained on.

    Parameters
    ----------
    X : array or data frame of shape (n_samples, n_features)
    y : ndarray of shape (n_samples,)
    groups : Groups
    weight : ndarray of shape (n_samples,) or None
    params : mapping of str to object
        Further arguments of the estimator's `fit`.
    kind : {"classifier", "regressor"}
    """

    X: Any
    y: np.ndarray
    groups: Groups
    weight: np.ndarray | None
    params: Mapping[str, Any]
    kind: str

    @property
    def cells(self) -> np.ndarray:
        """The (label, group) cell of each row; the group alone for regression."""
        if self.kind == "regressor":
            return np.asarray(self.groups.codes)
        labels = np.unique(self.y, return_inverse=True)[1].reshape(-1)
        return np.unique(labels * self.groups.n_groups + self.groups.codes, return_inverse=True)[1].reshape(-1)

    def trained(self, estimator: Any, rows: np.ndarray) -> Any:
        """Return a copy of the estimator, fitted on some rows."""
        one, n = clone(estimator), len(self.y)
        extra = {name: _of_rows(value, rows, n) for name, value in self.params.items()}
        if self.weight is not None:
            if not takes(one.fit, "sample_weight"):
                raise InputError(
                    f"'sample_weight' must be one that the estimator takes; {type(one).__name__} does not. Fit both "
                    "apart, and pass prefit=True."
                )
            extra["sample_weight"] = self.weight[rows]
        if takes_groups(one.fit, one):
            extra.setdefault("groups", self.groups.take(rows))
        return one.fit(_safe_indexing(self.X, rows), self.y[rows], **extra)

    def out_of_fold(self, estimator: Any, method: str, cv: Any, rng: np.random.Generator) -> np.ndarray:
        """Return the scores of each row from a copy that was fitted without it."""
        folds, parts = self._folds(cv, rng), []
        classes = len(np.unique(self.y)) if self.kind == "classifier" else 0
        for rows, held in folds:
            if classes and len(np.unique(self.y[rows])) < classes:
                raise InputError("'cv' must leave every class in each fold's training rows. Take fewer folds.")
            one = self.trained(estimator, rows)
            parts.append(raw_scores(one, method, _safe_indexing(self.X, held), self.groups.take(held)))
        raw = np.concatenate(parts)
        back = np.empty_like(raw)
        back[np.concatenate([held for _, held in folds])] = raw
        return back

    def _folds(self, cv: Any, rng: np.random.Generator) -> list[Any]:
        """Return the rows to train on and the others of each fold."""
        n, cells = len(self.y), self.cells
        if isinstance(cv, (int, np.integer)) and not isinstance(cv, bool):
            count = positive_integer(cv, "cv", minimum=2)
            if count > np.bincount(cells).max():
                raise InputError(f"'cv' must be at most the size of the largest (label, group) cell; got {count}.")
            splitter = StratifiedKFold(count, shuffle=True, random_state=int(rng.integers(2**31 - 1)))
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of small cells: what must be in a fold is checked
                folds = list(splitter.split(np.zeros(n), cells))
        elif hasattr(cv, "split") and hasattr(cv, "get_n_splits"):
            folds = list(cv.split(self.X, self.y))
        else:
            raise InputTypeError(f"'cv' must be a number of folds or a splitter of scikit-learn; got {cv!r}.")
        held = np.concatenate([other for _, other in folds])
        if len(held) != n or len(np.unique(held)) != n:
            raise InputError("'cv' must hold out each row once. Pass a number of folds.")
        return folds


def hold_out(
    cells: np.ndarray, known: np.ndarray, share: Any, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows to train on and a share held out of each cell: at least one of two rows or more.

    Rows of unknown group, which no post-processor uses, are all trained on.
    """
    if isinstance(share, bool) or not isinstance(share, (int, float, np.number)):
        raise InputTypeError(f"'validation_fraction' must be a number; got {share!r}.")
    if not 0 < share < 1:
        raise InputError(f"'validation_fraction' must lie between 0 and 1; got {share}.")
    order = rng.permutation(len(cells))
    order = order[np.argsort(cells[order], kind="stable")]
    sizes = np.bincount(cells)
    usable = np.bincount(cells, known) > 0
    counts = np.where(usable, np.minimum(np.maximum(np.rint(share * sizes).astype(int), 1), sizes - 1), 0)
    ranks = np.arange(len(cells)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    held = ranks < counts[cells[order]]
    if not held.any():
        raise InputError("'X' must have two rows of a (label, group) cell; got one of each. Give more rows.")
    return np.sort(order[~held]), np.sort(order[held])


def rng_of(random_state: Any) -> np.random.Generator:
    """Return a generator; one of scikit-learn's is drawn from once."""
    if isinstance(random_state, np.random.RandomState):
        return np.random.default_rng(random_state.randint(2**31 - 1, size=4))
    return generator(random_state)


def _of_rows(value: Any, rows: np.ndarray, n: int) -> Any:
    """Return the rows of an argument of `fit` that has one value for each of n rows; another one as it is."""
    if isinstance(value, Groups):
        return value.take(rows)
    per_row = not isinstance(value, (str, dict)) and hasattr(value, "__len__") and len(value) == n
    return _safe_indexing(value, rows) if per_row else value
