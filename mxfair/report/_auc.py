"""Area under the ROC curve, overall and by group."""

from __future__ import annotations

from typing import Any

import numpy as np

from mxfair._validation import InputError, same_length, to_numpy
from mxfair.groups import Groups


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
        raise InputError("'scores' must be finite numbers; got others. A net whose loss diverged predicts NaN.")
    return array if array.shape[1] == 1 else array[:, places]


def auc_by_group(
    labels: np.ndarray, scores: np.ndarray, groups: Groups, classes: np.ndarray, places: list[int]
) -> tuple[float, np.ndarray]:
    """Return the AUC over all samples and by group, macro one-vs-rest for several classes.

    It is NaN where, for one of the classes, a group lacks samples inside or outside the class.
    """
    hits = np.column_stack([labels == classes[place] for place in places])
    order = np.argsort(groups.codes, kind="stable")
    ends = np.cumsum(groups.counts)[:-1]
    parts = zip(np.split(hits[order], ends), np.split(scores[order], ends))
    return _macro(hits, scores), np.array([_macro(hit, score) for hit, score in parts])


def _macro(hits: np.ndarray, scores: np.ndarray) -> float:
    from sklearn.metrics import roc_auc_score

    if len(hits) == 0 or hits.all(axis=0).any() or not hits.any(axis=0).all():
        return float("nan")
    return float(np.mean([roc_auc_score(hits[:, i], scores[:, i]) for i in range(hits.shape[1])]))
