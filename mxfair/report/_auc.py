"""Area under the ROC curve, overall and by group; the state of scores behind curves and distributions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from mxfair._validation import InputError, InputTypeError, same_length, to_numpy
from mxfair.confusion import GroupConfusion
from mxfair.groups import Groups
from mxfair.metric._mann_whitney import MannWhitney
from mxfair.scores import GroupScores

#: Probabilities in float32 may lie this far outside 0 and 1.
_ROUNDING = 1e-6
#: Bins of ranks of all groups together.
_RANKS = 2_000_000


def check_scores(scores: Any, labels: np.ndarray, classes: np.ndarray, places: list[int]) -> np.ndarray:
    """Return the scores of each class in `places` as columns, shape (n_samples, len(places))."""
    array = to_numpy(scores)
    if array.ndim == 1:
        array = array[:, None]
    if array.ndim != 2 or array.shape[1] not in (1, len(classes)) or (array.shape[1] == 1 and len(places) > 1):
        raise InputError(
            f"'scores' must have shape (n_samples,) for one positive class or (n_samples, {len(classes)}) for the "
            f"classes {', '.join(map(str, classes[:10].tolist()))}; got {array.shape}. Give one column per class."
        )
    same_length(labels=labels, scores=array)
    if array.dtype.kind not in "biuf" or not np.isfinite(array).all():
        raise InputError("'scores' must be finite numbers; got others. A model that diverged predicts NaN.")
    return array if array.shape[1] == 1 else array[:, places]


def auc_by_group(
    labels: np.ndarray, scores: np.ndarray, groups: Groups, classes: np.ndarray, places: list[int]
) -> tuple[float, np.ndarray]:
    """Return the AUC over all samples and by group, macro one-vs-rest for several classes.

    It is NaN where, for one of the classes, a group lacks samples inside or outside the class.
    """
    rank = MannWhitney(len(labels), groups.codes, groups.n_groups)
    sizes = np.concatenate([[len(labels)], groups.counts])
    columns = []
    for column, place in enumerate(places):
        positives = np.flatnonzero(labels == classes[place])
        found = np.concatenate([[len(positives)], np.bincount(groups.codes[positives], minlength=groups.n_groups)])
        pairs = found * (sizes - found)
        u = rank(_contiguous(scores[:, column]), positives).u(groups.n_groups)
        columns.append(np.where(pairs > 0, u / np.maximum(pairs, 1), np.nan))
    means = np.mean(columns, axis=0)
    return float(means[0]), means[1:]


def score_state(
    labels: np.ndarray, scores: np.ndarray, groups: Groups, table: GroupConfusion, positive: Any
) -> GroupScores:
    """Return the histograms of one class's scores: from 0 to 1 where they may be probabilities, else over their range.

    Scores that all lie between 0 and 1 may be anything; calibration is shown for them, and says so where they are off.
    """
    low, high = float(scores.min()), float(scores.max())
    if low >= -_ROUNDING and high <= 1 + _ROUNDING:
        scores, low, high = np.clip(scores, 0, 1), 0.0, 1.0
    elif not low < high:
        low, high = low - 0.5, high + 0.5
    if not np.isfinite(high - low):
        raise InputError(f"'scores' must span a finite range; got {low:g} to {high:g}. Check the scores.")
    options: dict[str, Any] = {"classes": table.classes, "positive": positive}
    return GroupScores.of(labels, scores.astype(float), groups, low=low, high=high, **options)


@dataclass(frozen=True)
class RankCounts:
    """Counts of labels by place in the order of scores, from which the AUC's intervals come.

    An AUC knows only the order: bins of equally many samples lose next to nothing, wherever the scores lie.

    Parameters
    ----------
    overall : ndarray, shape (2, n_bins)
        Of all samples: outside the positive class, and inside.
    by_group : ndarray, shape (n_groups, 2, n_bins)
        Each group's own order.
    """

    overall: np.ndarray
    by_group: np.ndarray

    @classmethod
    def of(cls, positive: np.ndarray, scores: np.ndarray, groups: Groups) -> RankCounts:
        """Count samples; equal scores share a bin."""
        bins = int(np.clip(_RANKS / max(groups.n_groups, 1), 16, 1000))
        together = _by_rank(positive, scores, np.zeros(len(scores), dtype=np.int64), 1, bins)
        return cls(together[0], _by_rank(positive, scores, groups.codes, groups.n_groups, bins))


def _by_rank(positive: np.ndarray, scores: np.ndarray, codes: np.ndarray, n_groups: int, bins: int) -> np.ndarray:
    order = np.lexsort((scores, codes))
    codes, scores, positive = codes[order], scores[order], positive[order]
    sizes = np.bincount(codes, minlength=n_groups)
    starts = np.cumsum(sizes) - sizes
    new = np.ones(len(codes), dtype=bool)
    new[1:] = (codes[1:] != codes[:-1]) | (scores[1:] != scores[:-1])
    first = np.maximum.accumulate(np.where(new, np.arange(len(codes)), 0))  # of those with an equal score
    places = (first - starts[codes]) * bins // sizes[codes]
    keys = (codes * 2 + positive) * bins + places
    return np.bincount(keys, minlength=n_groups * 2 * bins).reshape(n_groups, 2, bins).astype(float)


def check_state(scores: Any, table: GroupConfusion, positive: Any) -> None:
    """Raise unless a state of scores is of the same samples as a table of decisions."""
    if not isinstance(scores, GroupScores):
        raise InputTypeError(f"'scores' must be a GroupScores; got {scores!r}. Use evaluate_predictions for arrays.")
    if positive is None:
        raise InputError(
            f"'positive' must be given with scores of one of {len(table.classes)} classes; got none. Name that class."
        )
    if scores.groups != table.groups or not np.array_equal(scores.classes, table.classes):
        raise InputError(
            f"'scores' must have the groups and classes of 'table'; got {scores.groups} x {scores.classes.tolist()} "
            f"and {table.groups} x {table.classes.tolist()}. Give both the same when counting starts."
        )
    if scores.positive != positive:
        raise InputError(f"'scores' must speak for the class {positive!r}; got {scores.positive!r}. Pass positive=.")
    counts = table.counts.sum(axis=2)
    place = table.classes.tolist().index(positive)
    own = np.stack([counts.sum(axis=1) - counts[:, place], counts[:, place]], axis=1)
    if not np.allclose(scores.counts.sum(axis=-1), own):
        raise InputError(
            "'scores' must be of the samples of 'table'; got different numbers by group and label "
            f"({scores.support.sum():g} and {table.support.sum():g} in total). Count both from the same rows."
        )


def _contiguous(column: np.ndarray) -> np.ndarray:
    """Return a column as one piece of memory, float32 as it is and other types as float64."""
    return np.ascontiguousarray(column, dtype=None if column.dtype == np.float32 else np.float64)
