"""Scored samples: checked once, then split by group and label as sorted distributions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from mxfair._validation import InputError, labels_vector, same_length, weights
from mxfair.confusion import GroupConfusion, _classes
from mxfair.group_metric import GroupMetric, PairMetric
from mxfair.groups import Groups
from mxfair.scores._input import absent_labels, finite_scores, positive_class


@dataclass(frozen=True)
class Scored:
    """Samples with a true label, a score, a group and perhaps a weight.

    Parameters
    ----------
    hits : ndarray of bool, shape (n_samples,)
        Whether the label is the positive one.
    scores : ndarray of float32 or float64, shape (n_samples,)
    groups : Groups
    weight : ndarray of float64 or None
    """

    hits: np.ndarray
    scores: np.ndarray
    groups: Groups
    weight: np.ndarray | None

    def sums(self, values: np.ndarray | None = None) -> np.ndarray:
        """Return the weighted sums of values (default: 1) by group and label, shape (n_groups, 2)."""
        cells = self.groups.codes * 2 + self.hits
        mass = self.weight if values is None else values if self.weight is None else values * self.weight
        return np.bincount(cells, mass, minlength=self.groups.n_groups * 2).reshape(-1, 2).astype(float)

    def by_group(
        self,
        name: str,
        values: np.ndarray,
        overall: float | np.ndarray,
        support: np.ndarray | None = None,
        *,
        reasons: Mapping[str, str] | None = None,
    ) -> GroupMetric:
        """Return a figure by group; where it is NaN, the label that the group lacks says why."""
        sizes = self.sums()
        told = {**absent_labels(self.groups.names, sizes), **(reasons or {})}
        support = sizes.sum(axis=1) if support is None else support
        names, known = self.groups.names, self.groups.known
        return GroupMetric(
            name, names, values, float(overall), known, support, reasons=told, attribute=self.groups.name
        )

    def take(self, rows: np.ndarray) -> Scored:
        """Return some of the samples."""
        weight = None if self.weight is None else self.weight[rows]
        return Scored(self.hits[rows], self.scores[rows], self.groups.take(rows), weight)

    def rows_by_group(self) -> list[np.ndarray]:
        """Return the rows of each group."""
        order = np.argsort(self.groups.codes.astype(np.min_scalar_type(self.groups.n_groups)), kind="stable")
        return np.split(order, np.cumsum(self.groups.counts)[:-1])

    def distributions(self) -> list[Distribution]:
        """Return each group's distinct scores with the weights of negatives and positives."""
        return [self._distribution(rows) for rows in self.rows_by_group()]

    def _distribution(self, rows: np.ndarray) -> Distribution:
        rows = rows[np.argsort(self.scores[rows])]
        scores, hits = self.scores[rows], self.hits[rows]
        new = np.ones(len(rows), dtype=bool)
        np.not_equal(scores[1:], scores[:-1], out=new[1:])
        cells = np.cumsum(new) - 1 + hits * int(new.sum())
        weight = None if self.weight is None else self.weight[rows]
        counts = np.bincount(cells, weight, minlength=2 * int(new.sum())).reshape(2, -1).astype(float)
        return Distribution(scores[new], counts, _effective_size(hits, weight))

    def pairs(
        self,
        name: str,
        figure: Callable[[np.ndarray, Distribution, Distribution], tuple[float, ...]],
        *,
        symmetric: bool = True,
    ) -> PairMetric:
        """Return a figure of each pair of groups, from (joint grid, first group, second group), and perhaps its floor.

        The two groups come with their counts on the joint grid, where every distinct score is a bin of its own.
        """
        distributions = self.distributions()
        size = len(distributions)
        table = np.full((2, size, size), np.nan)
        for i, first in enumerate(distributions):
            for j in range(i, size):
                grid, on_grid, other = joined(first, distributions[j])
                table[:, i, j] = (*figure(grid, on_grid, other), np.nan)[:2]
                table[:, j, i] = table[:, i, j] if symmetric else (*figure(grid, other, on_grid), np.nan)[:2]
        floor = None if np.isnan(table[1]).all() else table[1]
        support, groups = self.sums().sum(axis=1), self.groups
        return PairMetric(name, groups.names, table[0], groups.known, support, floor, symmetric)


@dataclass(frozen=True)
class Distribution:
    """One group's distinct scores in increasing order and the weights at each.

    Parameters
    ----------
    scores : ndarray, shape (n_distinct,)
    counts : ndarray of float, shape (2, n_distinct)
        Weights of negatives and of positives.
    sizes : ndarray of float, shape (2,)
        Effective numbers of negatives and of positives.
    """

    scores: np.ndarray
    counts: np.ndarray
    sizes: np.ndarray


def joined(first: Distribution, second: Distribution) -> tuple[np.ndarray, Distribution, Distribution]:
    """Return the scores that occur in either group, and both groups with a weight at each of them."""
    both = np.concatenate([first.scores, second.scores])
    both.sort(kind="stable")  # two runs in order are merged
    new = np.ones(len(both), dtype=bool)
    np.not_equal(both[1:], both[:-1], out=new[1:])
    grid = both[new]
    spread = []
    for part in (first, second):
        counts = np.zeros((2, len(grid)))
        counts[:, np.searchsorted(grid, part.scores)] = part.counts
        spread.append(Distribution(grid, counts, part.sizes))
    return grid, spread[0], spread[1]


def _effective_size(hits: np.ndarray, weight: np.ndarray | None) -> np.ndarray:
    """Return (sum w)^2 / sum w^2 by label: the number of samples of one weight that vary as much."""
    if weight is None:
        return np.bincount(hits, minlength=2).astype(float)
    squares = np.bincount(hits, weight**2, minlength=2)
    return np.bincount(hits, weight, minlength=2) ** 2 / np.where(squares > 0, squares, 1)


def scored(
    labels: Any,
    scores: Any,
    groups: Any,
    *,
    positive: Any | None = None,
    sample_weight: Any | None = None,
    low: float = -np.inf,
    high: float = np.inf,
) -> Scored:
    """Return checked samples; of labels with one value only, the value or `positive` must be 0 or 1 or be named."""
    labels = labels_vector(labels)
    classes = _classes(labels, labels)
    if positive is not None and len(classes) == 1 and positive != classes[0]:
        classes = np.unique(np.array([classes[0], positive]))  # the data lack positive samples
    hits = _places(labels, classes) == classes.tolist().index(positive_class(classes, positive))
    return _checked(hits, scores, groups, sample_weight, low, high)


def probabilities(labels: Any, scores: Any, groups: Any, positive: Any | None, sample_weight: Any | None) -> Scored:
    """Return checked samples whose scores are probabilities."""
    return scored(labels, scores, groups, positive=positive, sample_weight=sample_weight, low=0, high=1)


def scored_given(labels: Any, scores: Any, groups: Any, *, given: Any | None, sample_weight: Any | None) -> Scored:
    """Return the samples of the label `given`, or all samples; all count as positive."""
    if given is None:
        everyone = finite_scores(scores)
        if labels is not None:
            same_length(labels=labels_vector(labels), scores=everyone)
        return _checked(np.ones(len(everyone), dtype=bool), everyone, groups, sample_weight, -np.inf, np.inf)
    labels = labels_vector(labels)
    classes = _classes(labels, labels)
    if given not in classes.tolist():
        raise InputError(
            f"'given' must be one of the labels {classes[:10].tolist()}; got {given!r}. "
            "Name a label to compare its samples only."
        )
    rows = _places(labels, classes) == classes.tolist().index(given)
    samples = _checked(np.ones(len(labels), dtype=bool), scores, groups, sample_weight, -np.inf, np.inf)
    return samples.take(np.flatnonzero(rows))


def _checked(hits: np.ndarray, scores: Any, groups: Any, sample_weight: Any, low: float, high: float) -> Scored:
    scores, weight = finite_scores(scores, low=low, high=high), weights(sample_weight)
    groups = groups if isinstance(groups, Groups) else Groups(groups)
    same_length(labels=hits, scores=scores, groups=groups, sample_weight=weight)
    return Scored(hits, scores, groups, weight)


def _places(labels: np.ndarray, classes: np.ndarray) -> np.ndarray:
    return GroupConfusion(("all",), classes)._index(labels, "labels")
