"""Decisions without labels: their checks, and what counts as accepted."""

from __future__ import annotations

from typing import Any

import numpy as np

from mxfair._validation import InputError, labels_vector, same_length, to_numpy, weights
from mxfair.confusion import GroupConfusion, _classes, _fractions
from mxfair.group_metric import GroupMetric
from mxfair.groups import Groups


def decisions(preds: Any, name: str = "preds") -> np.ndarray:
    """Return decisions as a vector: text or whole numbers, none missing."""
    array = labels_vector(preds, name)
    with np.errstate(invalid="ignore"):
        scores = _fractions(array)
    if len(scores):
        raise InputError(f"'{name}' must be decisions; got {scores[0]:g}. Compare scores with a threshold first.")
    return array


def positive_class(classes: np.ndarray, positive: Any, name: str = "preds") -> Any:
    """Return the value that counts as positive; only of two classes is it clear without being named."""
    found = classes.tolist()
    if positive is None and len(found) != 2:
        kinds = "one value" if len(found) == 1 else f"{len(found)} values"
        raise InputError(
            f"'positive' must be given unless '{name}' hold two values; got {kinds}. Name the positive one."
        )
    if positive is not None and positive not in found:
        raise InputError(f"'positive' must be one of the values {found[:10]}; got {positive!r}. Name one that occurs.")
    return found[-1] if positive is None else positive


def accepted(preds: Any, positive: Any = None, name: str = "preds") -> np.ndarray:
    """Return True where the decision is the positive one."""
    array = decisions(preds, name)
    return np.asarray(array == positive_class(_classes(array, array), positive, name))


def decision_counts(preds: Any, groups: Groups, weight: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Return the decisions that occur and their counts by group, shape (n_groups, n_decisions)."""
    array = to_numpy(preds)
    if array.ndim == 2 and array.shape[1] > 1:  # probabilities, a column per class: soft counts
        some = np.zeros(len(array), dtype=np.int64)
        soft = GroupConfusion.of(some, array, groups, classes=np.arange(array.shape[1]), sample_weight=weight)
        return soft.classes, soft.counts.sum(axis=1)
    vector = decisions(array)
    same_length(preds=vector, groups=groups, sample_weight=weight)
    classes = _classes(vector, vector)
    code = groups.codes * len(classes) + np.searchsorted(classes, vector)
    counts = np.bincount(code, weight, minlength=groups.n_groups * len(classes))
    return classes, counts.reshape(groups.n_groups, len(classes)).astype(float)


def as_groups(groups: Any, n_samples: int) -> Groups:
    """Return the groups, or everyone as one group where None is given."""
    if groups is None:
        return Groups.from_codes(np.zeros(n_samples, dtype=np.int64), ["all"], name="everyone")
    return groups if isinstance(groups, Groups) else Groups(groups)


def mean_by_group(name: str, values: np.ndarray, groups: Any, sample_weight: Any) -> GroupMetric:
    """Return the weighted mean of one value per sample, by group."""
    encoded, weight = as_groups(groups, len(values)), weights(sample_weight)
    same_length(preds=values, groups=encoded, sample_weight=weight)
    weight = np.ones(len(values)) if weight is None else weight
    support = np.bincount(encoded.codes, weight, minlength=encoded.n_groups)
    total = np.bincount(encoded.codes, weight * values, minlength=encoded.n_groups)
    with np.errstate(invalid="ignore", divide="ignore"):
        means, overall = total / support, np.divide(total.sum(), support.sum())
    return GroupMetric(name, encoded.names, means, float(overall), encoded.known, support, attribute=encoded.name)
