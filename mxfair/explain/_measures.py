"""Scores, losses and gaps of predictions: many repeats at once, and in resamples of the rows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from mxfair import _disparity
from mxfair.confusion import GroupConfusion
from mxfair.explain._predictions import Predictions
from mxfair.explain._row_draws import RowDraws
from mxfair.groups import Groups
from mxfair.metric import distance, ranking
from mxfair.scores._figures import auc_by_group, ks, wasserstein

__all__ = ["Measure", "Measured", "OfRanks", "OfSums", "OfTable", "Samples"]

#: Numbers of one part of the resampled states.
PART = 4_000_000
#: Bins of equal counts that resampled scores are sorted into: an interval needs the spread, not the last digit.
BINS = 512


@dataclass(frozen=True)
class Samples:
    """What predictions are compared with.

    Parameters
    ----------
    labels : ndarray of shape (n,)
    groups : Groups
        One group, "all", where none were given.
    table : GroupConfusion or None
        Of the baseline's decisions; None for a regression.
    positive : int
        Place of the positive class.
    draws : RowDraws or None
    """

    labels: np.ndarray
    groups: Groups
    table: GroupConfusion | None
    positive: int
    draws: RowDraws | None

    @property
    def classes(self) -> np.ndarray:
        """The classes of a classification."""
        return self.table.classes  # type: ignore[union-attr]  # asked of classifications only

    def score_of(self, scores: np.ndarray, place: int) -> np.ndarray:
        """Return the scores of one class, shape (..., n)."""
        if scores.ndim > 2:
            return scores[..., place]
        return scores if place == 1 else 1 - scores


@dataclass
class Measured:
    """A figure of several repeats.

    Parameters
    ----------
    values : ndarray of shape (n_repeats, n_places)
        By group and over all rows at last; a gap has one place.
    drawn : ndarray of shape (n_resamples, n_places) or None
        Mean over the repeats in each resample of the rows.
    """

    values: np.ndarray
    drawn: np.ndarray | None


class Measure(ABC):
    """A figure by name.

    Parameters
    ----------
    name : str
    lower_is_better : bool
        Whether its importance is what it rises by.
    gap : bool
        Whether the figure is one number that compares groups.
    between : bool, default=False
        Whether a figure by group is turned into its largest difference between groups.
    """

    needs_scores = False

    def __init__(self, name: str, *, lower_is_better: bool = False, gap: bool = False, between: bool = False) -> None:
        self.name, self.lower_is_better, self.gap, self._between = name, lower_is_better, gap or between, between

    @abstractmethod
    def values(self, samples: Samples, predictions: Predictions) -> np.ndarray:
        """Return the figure of each repeat, shape (n_repeats, n_places)."""

    def drawn(self, samples: Samples, predictions: Predictions, baseline: Predictions) -> np.ndarray | None:
        """Return the figure's mean over the repeats in each resample, shape (n_resamples, n_places)."""
        return None

    def measured(self, samples: Samples, predictions: Predictions, baseline: Predictions) -> Measured:
        """Return the figure of each repeat, and in resamples of the rows."""
        drawn = None if samples.draws is None else self.drawn(samples, predictions, baseline)
        return Measured(self.values(samples, predictions), drawn)

    def _placed(self, values: np.ndarray, samples: Samples) -> np.ndarray:
        """Return values by group, all rows last, or the gap between the known groups."""
        if not self._between:
            return values
        return _disparity.difference(np.where(samples.groups.known, values[..., :-1], np.nan))[..., None]


class OfTable(Measure):
    """A figure of counts[group, label, decision]: a rate or a criterion.

    Parameters
    ----------
    figure : callable
        From counts of shape (..., n_groups, K, K) to (..., n_places).
    """

    def __init__(self, name: str, figure: Callable[[np.ndarray], np.ndarray], **kwargs: Any) -> None:
        super().__init__(name, **kwargs)
        self._figure = figure

    def _cells(self, samples: Samples, preds: np.ndarray) -> np.ndarray:
        table: Any = samples.table
        width = len(table.classes)
        places = table._index(preds.reshape(-1), "preds").reshape(preds.shape)
        return (samples.groups.codes * width + table._index(samples.labels, "labels")) * width + places

    def values(self, samples: Samples, predictions: Predictions) -> np.ndarray:
        """Return the figure of each repeat."""
        shape = samples.table.counts.shape  # type: ignore[union-attr]  # of a classification
        size = int(np.prod(shape))
        cells = self._cells(samples, predictions.preds)
        counts = np.stack([np.bincount(row, minlength=size) for row in cells]).reshape(len(cells), *shape)
        return self._placed(self._figure(counts.astype(float)), samples)

    def drawn(self, samples: Samples, predictions: Predictions, baseline: Predictions) -> np.ndarray:
        """Return the mean over the repeats in each resample.

        A table differs from the baseline's only by the rows that are decided otherwise: these move to another cell.
        """
        shape, draws = samples.table.counts.shape, samples.draws  # type: ignore[union-attr]  # only of samples with draws
        size, n_repeats = int(np.prod(shape)), len(predictions.preds)
        before, cells = self._cells(samples, baseline.preds)[0], self._cells(samples, predictions.preds)
        tables = draws.tally(np.arange(len(before)), before, size)[:, None]  # type: ignore[union-attr]  # only of samples with draws
        repeat, row = np.nonzero(cells != before)
        there, left = cells[repeat, row] + repeat * size, before[row] + repeat * size
        values = np.repeat([1.0, -1.0], len(row))
        moved = draws.tally(np.tile(row, 2), np.concatenate([there, left]), n_repeats * size, values)  # type: ignore[union-attr]  # only of samples with draws
        parts = []
        step = max(1, PART // (n_repeats * size))
        for start in range(0, len(tables), step):
            part = tables[start : start + step] + moved[start : start + step].reshape(-1, n_repeats, size)
            figure = self._placed(self._figure(part.reshape(*part.shape[:2], *shape)), samples)
            parts.append(figure.mean(axis=1))
        return np.concatenate(parts)


class OfSums(Measure):
    """A figure of sums over the rows of each group.

    Parameters
    ----------
    terms : callable
        From samples and predictions to terms of shape (n_repeats, n, n_terms).
    figure : callable
        From sums of shape (..., n_groups, n_terms) to (..., n_groups + 1).
    """

    def __init__(
        self,
        name: str,
        terms: Callable[[Samples, Predictions], np.ndarray],
        figure: Callable[[np.ndarray], np.ndarray],
        *,
        needs_scores: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(name, **kwargs)
        self._terms, self._figure, self.needs_scores = terms, figure, needs_scores

    def values(self, samples: Samples, predictions: Predictions) -> np.ndarray:
        """Return the figure of each repeat."""
        terms, codes, size = self._terms(samples, predictions), samples.groups.codes, samples.groups.n_groups
        sums = np.empty((len(terms), size, terms.shape[2]))
        for repeat, columns in enumerate(terms):
            for place in range(terms.shape[2]):
                sums[repeat, :, place] = np.bincount(codes, columns[:, place], minlength=size)
        return self._placed(self._figure(sums), samples)

    def drawn(self, samples: Samples, predictions: Predictions, baseline: Predictions) -> np.ndarray:
        """Return the mean over the repeats in each resample."""
        terms, codes, size = self._terms(samples, predictions), samples.groups.codes, samples.groups.n_groups
        n_repeats, n, n_terms = terms.shape
        together = np.moveaxis(terms, 0, 1).reshape(n, -1)
        sums = samples.draws.sums(codes, together, size)  # type: ignore[union-attr]  # only of samples with draws
        sums = np.moveaxis(sums.reshape(-1, size, n_repeats, n_terms), 2, 1)
        return np.asarray(self._placed(self._figure(sums), samples).mean(axis=1))


class OfRanks(Measure):
    """A figure of the order of scores or predictions: the area under the ROC curve, or a distance between groups.

    Parameters
    ----------
    kind : {"roc_auc", "ks_distance", "wasserstein_distance"}
    """

    def __init__(self, name: str, kind: str, *, needs_scores: bool, **kwargs: Any) -> None:
        super().__init__(name, **kwargs)
        self._kind, self.needs_scores = kind, needs_scores

    def _scores(self, samples: Samples, predictions: Predictions) -> np.ndarray:
        if predictions.scores is None or samples.table is None:
            return predictions.preds
        return samples.score_of(predictions.scores, samples.positive)

    def _hits(self, samples: Samples) -> np.ndarray:
        if samples.table is None:
            return np.zeros(len(samples.labels), dtype=np.int64)
        return (samples.labels == samples.classes[samples.positive]).astype(np.int64)

    def values(self, samples: Samples, predictions: Predictions) -> np.ndarray:
        """Return the figure of each repeat, exact on all scores."""
        scores, hits, groups = self._scores(samples, predictions), self._hits(samples), samples.groups
        if self._kind == "roc_auc":
            metrics = [ranking.roc_auc(hits, row, groups, positive=1) for row in scores]
            return self._placed(np.array([[*metric.values, metric.overall] for metric in metrics]), samples)
        function = getattr(distance, self._kind)
        return np.array([[function(row, groups).max()] for row in scores])

    def drawn(self, samples: Samples, predictions: Predictions, baseline: Predictions) -> np.ndarray:
        """Return the mean over the repeats in each resample, from scores in bins of about equal counts."""
        hits, codes, size = self._hits(samples), samples.groups.codes, samples.groups.n_groups
        total: Any = 0.0
        for row in self._scores(samples, predictions):
            levels = np.unique(row)
            cuts = levels if len(levels) <= BINS else np.unique(np.quantile(row, np.linspace(0, 1, BINS + 1)[1:-1]))
            places = np.searchsorted(cuts, row, side="left")
            width = len(cuts) + 1
            cells = (codes * 2 + hits) * width + places
            counts = samples.draws.tally(np.arange(len(row)), cells, 2 * size * width)  # type: ignore[union-attr]  # only of samples with draws
            counts = counts.reshape(-1, size, 2, width)
            total = total + self._of_counts(counts, cuts, samples)
        return np.asarray(total / len(predictions.preds))

    def _of_counts(self, counts: np.ndarray, cuts: np.ndarray, samples: Samples) -> np.ndarray:
        if self._kind == "roc_auc":
            overall = auc_by_group(counts.sum(axis=1, keepdims=True))
            return self._placed(np.concatenate([auc_by_group(counts), overall], axis=1), samples)
        by_group, there = counts.sum(axis=2), samples.groups.known & (samples.groups.counts > 0)
        places = np.flatnonzero(there)
        steps = np.append(np.diff(cuts), [0.0, 0.0])
        pairs = [
            ks(by_group[:, a], by_group[:, b])
            if self._kind == "ks_distance"
            else wasserstein(by_group[:, a], by_group[:, b], steps)
            for at, a in enumerate(places)
            for b in places[:at]
        ]
        return np.max(pairs, axis=0)[:, None]
