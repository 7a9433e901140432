"""Figures of several members on the same rows, and on the same resamples of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from mxfair._validation import InputError
from mxfair.confusion import GroupConfusion
from mxfair.criterion import Criterion
from mxfair.group_metric import GroupMetric
from mxfair.groups import Groups

__all__ = ["MEANS", "Decided", "Estimated", "multiplicity", "prediction_spread"]

#: Means by group that a gap of predictions is taken of, from labels and predictions.
MEANS: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "mean_absolute_error": lambda labels, preds: np.abs(preds - labels),
    "mean_squared_error": lambda labels, preds: (preds - labels) ** 2,
    "mean_error": lambda labels, preds: preds - labels,
    "mean_prediction": lambda labels, preds: preds + 0 * labels,
}
#: Numbers that are drawn at a time.
CHUNK = 4_000_000


class Decided:
    """Decisions of K members: accuracy and gap from counts of the patterns that rows have.

    Rows of one group, label and pattern of decisions are alike, whatever their number: a bootstrap over the rows is a
    multinomial draw over the patterns, and members often agree.
    """

    score_name = "accuracy"

    def __init__(self, labels: np.ndarray, preds: np.ndarray, groups: Groups, criterion: Criterion) -> None:
        self.criterion, self.n_members = criterion, len(preds)
        self.tables = [GroupConfusion.of(labels, one, groups, classes=_classes(labels, preds)) for one in preds]
        classes = self.tables[0].classes
        label = np.searchsorted(classes, labels)
        codes = np.searchsorted(classes, preds)  # (K, n)
        first, self.counts = _patterns(np.vstack([groups.codes, label, codes]))
        n_cells = groups.n_groups * len(classes) ** 2
        cells = (groups.codes[first] * len(classes) + label[first]) * len(classes) + codes[:, first]
        self._matrix = _indicator(cells, n_cells)  # (patterns, K * cells)

    def figures(self, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return accuracy and gap of each member, shape (..., K), from the counts of patterns."""
        table = self.tables[0]
        flat = counts.reshape(-1, counts.shape[-1])
        cells = np.asarray(flat @ self._matrix).reshape(*counts.shape[:-1], self.n_members, *table.counts.shape)
        right = np.einsum("...gcc->...", cells) / counts.sum(axis=-1)[..., None]
        return right, self.criterion.differences(table, cells)

    def draws(self, n_resamples: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
        """Yield counts of patterns in resamples, some at a time."""
        total = int(self.counts.sum())
        size = max(1, CHUNK // (len(self.counts) + self.n_members * self.tables[0].counts.size))
        for start in range(0, n_resamples, size):
            count = min(size, n_resamples - start)
            yield rng.multinomial(total, self.counts / total, size=count).astype(float)

    def largest(self) -> tuple[str, ...]:
        """Return for each member which rate has the largest gap, and between which groups."""
        texts = []
        for table in self.tables:
            gaps = [gap for gap in self.criterion.gaps(table) if not np.isnan(gap.value)]
            top = max(gaps, key=lambda gap: gap.value, default=None)
            texts.append("undefined" if top is None else f"{top.rate}: {top.high} > {top.low}")
        return tuple(texts)

    def undefined(self) -> dict[str, str]:
        """Return the groups that have no value of a rate in some member, and the rate."""
        found: dict[str, str] = {}
        for table in self.tables:
            for gap in self.criterion.gaps(table):
                for group in gap.undefined:
                    found.setdefault(group, gap.rate)
        return found


class Estimated:
    """Predictions of numbers by K members: R2 and the gap of a mean."""

    score_name = "r2_score"

    def __init__(self, labels: np.ndarray, preds: np.ndarray, groups: Groups, criterion: str) -> None:
        self.n_members, self._labels, self._groups = len(preds), labels, groups
        self._values = MEANS[criterion](labels, preds).T  # (n, K)
        self._errors = ((preds - labels) ** 2).T
        self.counts = np.ones(len(labels))

    def figures(self, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return R2 and gap of each member, shape (..., K), from how often each row counts."""
        total = counts.sum(axis=-1)[..., None]
        mean = (counts @ self._labels)[..., None] / total
        spread = (counts @ self._labels**2)[..., None] / total - mean**2
        with np.errstate(invalid="ignore", divide="ignore"):
            scores = 1 - (counts @ self._errors) / total / spread
        means = self.means(counts)
        return scores, means.max(axis=-2) - means.min(axis=-2)

    def means(self, counts: np.ndarray) -> np.ndarray:
        """Return the mean of each known group and member, shape (..., groups, K)."""
        means = []
        for code in np.flatnonzero(self._groups.known):
            rows = self._groups.codes == code
            some = counts[..., rows]
            with np.errstate(invalid="ignore", divide="ignore"):
                means.append((some @ self._values[rows]) / some.sum(axis=-1)[..., None])
        if len(means) < 2:
            return np.full((*counts.shape[:-1], 1, self.n_members), np.nan)
        return np.stack(means, axis=-2)

    def draws(self, n_resamples: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
        """Yield how often each row counts in resamples, some at a time."""
        total = len(self.counts)
        size = max(1, CHUNK // total)
        for start in range(0, n_resamples, size):
            count = min(size, n_resamples - start)
            picks = rng.integers(total, size=(count, total)) + total * np.arange(count)[:, None]
            yield np.bincount(picks.ravel(), minlength=count * total).reshape(count, total).astype(float)

    def largest(self) -> tuple[str, ...]:
        """Return for each member between which groups the gap is."""
        means = self.means(self.counts)
        if np.isnan(means).any():
            return ("undefined",) * self.n_members
        names = [name for name, known in zip(self._groups.names, self._groups.known) if known]
        return tuple(f"{names[high]} > {names[low]}" for high, low in zip(means.argmax(axis=0), means.argmin(axis=0)))

    def undefined(self) -> dict[str, str]:
        """Return the groups that have no value: known groups all have rows."""
        return {}


def multiplicity(
    preds: np.ndarray, groups: Groups, baseline: int, near: np.ndarray
) -> tuple[GroupMetric, GroupMetric, GroupMetric]:
    """Return ambiguity and discrepancy towards a member, and the share of pairs of members that disagree.

    Parameters
    ----------
    preds : ndarray of shape (K, n_samples)
    groups : Groups
    baseline : int
    near : ndarray of bool, shape (K,)
        Members that are compared with it.
    """
    differs = preds[near] != preds[baseline]
    members = preds[near]
    pairs = len(members) * (len(members) - 1)
    alike = sum((votes := (members == value).sum(axis=0)) * (votes - 1) for value in np.unique(members))
    apart = 1 - alike / pairs if pairs else np.zeros(preds.shape[1])
    shares = np.array([_by_group(row.astype(float), groups) for row in differs])  # (members, groups + 1)
    return (
        _metric("ambiguity", _by_group(differs.any(axis=0).astype(float), groups), groups),
        _metric("discrepancy", shares.max(axis=0), groups),
        _metric("disagreement", _by_group(apart, groups), groups),
    )


def prediction_spread(preds: np.ndarray, groups: Groups) -> GroupMetric:
    """Return the mean standard deviation of a sample's predictions over the members."""
    spread = preds.std(axis=0, ddof=1) if len(preds) > 1 else np.zeros(preds.shape[1])
    return _metric("prediction_sd", _by_group(spread, groups), groups)


def _by_group(values: np.ndarray, groups: Groups) -> np.ndarray:
    """Return the mean of each group, and last that of all."""
    sums = np.bincount(groups.codes, weights=values, minlength=groups.n_groups)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.append(sums / groups.counts, values.mean())


def _metric(name: str, values: np.ndarray, groups: Groups) -> GroupMetric:
    support = np.asarray(groups.counts, dtype=float)
    return GroupMetric(name, groups.names, values[:-1], float(values[-1]), groups.known, support, attribute=groups.name)


def _classes(labels: np.ndarray, preds: np.ndarray) -> np.ndarray:
    if labels.dtype.kind != preds.dtype.kind and "U" in labels.dtype.kind + preds.dtype.kind:
        raise InputError(f"'y' must have the type of the predictions, {preds.dtype}; got {labels.dtype}.")
    return np.unique(np.concatenate([labels, preds.ravel()]))


def _patterns(codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the first row of each distinct column of codes, and how often it occurs."""
    code = np.zeros(codes.shape[1], dtype=np.int64)
    for row in codes:
        code = np.unique(code * (int(row.max()) + 1) + row, return_inverse=True)[1].reshape(-1)
    _, first, counts = np.unique(code, return_index=True, return_counts=True)
    return first, counts


def _indicator(cells: np.ndarray, n_cells: int) -> Any:
    """Return the sparse matrix that adds patterns up to the cells of each member's table."""
    from scipy.sparse import csr_matrix

    n_members, n_patterns = cells.shape
    columns = (cells + n_cells * np.arange(n_members)[:, None]).T.ravel()
    places = np.arange(0, len(columns) + 1, n_members)
    return csr_matrix((np.ones(len(columns)), columns, places), shape=(n_patterns, n_members * n_cells))
