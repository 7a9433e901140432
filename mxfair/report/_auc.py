"""Area under the ROC curve, overall and by group."""

from __future__ import annotations

from typing import Any

import numpy as np

from mxfair._validation import InputError, same_length, to_numpy
from mxfair.groups import Groups
from mxfair.metric._mann_whitney import MannWhitney


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


def _contiguous(column: np.ndarray) -> np.ndarray:
    """Return a column as one piece of memory, float32 as it is and other types as float64."""
    return np.ascontiguousarray(column, dtype=None if column.dtype == np.float32 else np.float64)
