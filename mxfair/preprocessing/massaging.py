"""Massaging: labels nearest to the decision boundary change, until each group has the overall rate of positives."""

from __future__ import annotations

import contextlib
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from mxfair._short_repr import short_repr
from mxfair._validation import InputError, InputTypeError, labels_vector, numbers, plural, same_length
from mxfair.groups import Groups
from mxfair.preprocessing._columns import input_errors
from mxfair.preprocessing._labels import classes_of

__all__ = ["Massaged", "massage"]


@dataclass(frozen=True)
class Massaged:
    """New labels, and what changed.

    Parameters
    ----------
    labels : ndarray of shape (n_samples,)
        The new labels, of the type of the old ones.
    promoted : ndarray of int64
        Rows that became positive, in ascending order.
    demoted : ndarray of int64
        Rows that became negative.
    rates_before : dict of str to float
        Share of positives of each known group in the old labels.
    rates_after : dict of str to float
        The same in the new labels; they differ by less than one sample of a group.

    Examples
    --------
    >>> import numpy as np
    >>> from mxfair.preprocessing import massage
    >>> massage([1, 1, 0, 0], list("aabb"), scores=[0.9, 0.6, 0.4, 0.1])
    Massaged(...)
    """

    labels: np.ndarray
    promoted: np.ndarray
    demoted: np.ndarray
    rates_before: dict[str, float]
    rates_after: dict[str, float]

    __repr__ = short_repr

    @property
    def changed(self) -> np.ndarray:
        """All rows whose label changed, in ascending order."""
        return np.sort(np.concatenate([self.promoted, self.demoted]))


def massage(
    labels: Any,
    groups: Any,
    *,
    scores: Any = None,
    features: Any = None,
    ranker: Any = None,
    positive: Any = None,
) -> Massaged:
    r"""Change the labels nearest to the decision boundary until groups have the same rate of positives.

    A group g below the overall rate p has its highest-scored negatives promoted, one above it its lowest-scored
    positives demoted:

    .. math:: M_g = n_g \, (p - p_g)

    For two groups this is the published number, :math:`n_1 n_2 (p_1 - p_2) / n`, of promotions in the one and of
    demotions in the other. More groups, each moved to the overall rate, are our generalisation.

    Parameters
    ----------
    labels : array of shape (n_samples,)
        Two classes, numbers or text.
    groups : array, data frame, mapping or Groups
        The group of each sample; labels of unknown group stay, and do not count for the overall rate.
    scores : array of float, shape (n_samples,), optional
        How positive a classifier takes each sample to be, the larger the more.
    features : array or data frame of shape (n_samples, n_features), optional
        In the place of scores: what a ranker is fitted on, with the labels. Leave sensitive columns out or not, as the
        model that is trained later does.
    ranker : scikit-learn classifier, optional
        For `features`; it is cloned. Default: logistic regression on standardised features.
    positive : label, optional
        The favourable class. Default: the larger one.

    Returns
    -------
    Massaged

    Raises
    ------
    InputError
        If there are not two classes and two known groups, if lengths differ, or if neither or both of scores and
        features are given.
    InputTypeError
        If the ranker can neither predict probabilities nor scores.

    Warns
    -----
    UserWarning
        Where samples are of unknown group.

    Notes
    -----
    Massage the labels of the training rows only: with changed test labels, accuracy means nothing. The new labels are
    no longer what was observed; say so where a model trained on them is described.

    References
    ----------
    Kamiran and Calders, "Classifying without discriminating", IC4 2009; "Data preprocessing techniques for
    classification without discrimination", Knowledge and Information Systems 33 (2012), section 4.2, algorithm 1.

    Examples
    --------
    >>> from mxfair.preprocessing import massage
    >>> done = massage([1, 1, 1, 0, 1, 0, 0, 0], list("aaaabbbb"), scores=[0.9, 0.8, 0.6, 0.3, 0.7, 0.5, 0.2, 0.1])
    >>> done.labels.tolist(), done.promoted.tolist(), done.demoted.tolist()
    ([1, 1, 0, 0, 1, 1, 0, 0], [5], [2])
    >>> done.rates_before, done.rates_after
    ({'a': 0.75, 'b': 0.25}, {'a': 0.5, 'b': 0.5})
    """
    given = groups if isinstance(groups, Groups) else Groups(groups)
    old = labels_vector(labels)
    classes, codes = classes_of(old)
    same_length(labels=old, groups=given)
    place = _positive_place(classes, positive)
    is_positive = codes == place
    if (scores is None) == (features is None):
        raise InputError("One of 'scores' and 'features' must be given; got both or neither. Pass one of them.")
    values = _ranked(features, is_positive, ranker) if scores is None else numbers(scores, "scores")
    same_length(labels=old, scores=values)
    if not np.isfinite(values).all():
        raise InputError("'scores' must be finite; got NaN or infinity. Score every sample.")
    changes = _changes(is_positive, given)
    promoted = _nearest(given.codes, ~is_positive, -values, np.maximum(changes, 0))
    demoted = _nearest(given.codes, is_positive, values, np.maximum(-changes, 0))
    after = is_positive.copy()
    after[promoted], after[demoted] = True, False
    new = old.copy()
    new[promoted], new[demoted] = classes[place], classes[1 - place]
    return Massaged(new, promoted, demoted, _rates(is_positive, given), _rates(after, given))


def _positive_place(classes: np.ndarray, positive: Any) -> int:
    if len(classes) != 2:
        raise InputError(f"'labels' must hold two classes; got {len(classes)}. Massaging moves a positive class.")
    if positive is None:
        return 1
    places = [place for place, value in enumerate(classes.tolist()) if value == positive]
    if not places:
        raise InputError(f"'positive' must be one of the labels, {classes[0]} or {classes[1]}; got {positive!r}.")
    return places[0]


def _ranked(features: Any, is_positive: np.ndarray, ranker: Any) -> np.ndarray:
    """Return the scores of a classifier on the rows that it was fitted on, as published."""
    from sklearn.base import clone
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    own = ranker is None
    if own:
        ranker = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    if not (hasattr(ranker, "predict_proba") or hasattr(ranker, "decision_function")):
        raise InputTypeError(f"'ranker' must predict probabilities or scores; got {type(ranker).__name__}.")
    same_length(labels=is_positive, features=features)
    with input_errors() if own else contextlib.nullcontext():
        fitted = clone(ranker).fit(features, is_positive)
    if hasattr(fitted, "decision_function"):
        return np.asarray(fitted.decision_function(features), dtype=float)
    return np.asarray(fitted.predict_proba(features), dtype=float)[:, 1]


def _changes(is_positive: np.ndarray, groups: Groups) -> np.ndarray:
    """Return how many samples of each group become positive, negative numbers for demotions; they sum to 0."""
    known = groups.known & (groups.counts > 0)
    if known.sum() < 2:
        raise InputError(f"'groups' must hold two known groups; got {int(known.sum())}. There is nothing to equalise.")
    unknown = int(groups.counts[~groups.known].sum())
    if unknown:
        warnings.warn(f"{plural(unknown, 'sample')} of unknown group keep their labels.", stacklevel=3)
    counts = np.where(known, groups.counts, 0)
    positives = np.where(known, np.bincount(groups.codes, weights=is_positive, minlength=groups.n_groups), 0)
    wanted = counts * positives.sum() / counts.sum() - positives  # M_g = n_g (p - p_g)
    changes = np.floor(wanted + 1e-9).astype(np.int64)
    order = np.argsort(-(wanted - changes), kind="stable")
    changes[order[: -int(changes.sum())]] += 1 if changes.sum() < 0 else 0
    return changes


def _nearest(codes: np.ndarray, allowed: np.ndarray, distance: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return the `counts[g]` rows of each group that are allowed and have the smallest distances."""
    rows = np.flatnonzero(allowed & (counts[codes] > 0))
    rows = rows[np.lexsort((distance[rows], codes[rows]))]
    sizes = np.bincount(codes[rows], minlength=len(counts))
    rank = np.arange(len(rows)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return np.sort(rows[rank < counts[codes[rows]]])


def _rates(is_positive: np.ndarray, groups: Groups) -> dict[str, float]:
    sums = np.bincount(groups.codes, weights=is_positive, minlength=groups.n_groups)
    there = np.flatnonzero(groups.known & (groups.counts > 0))
    return {groups.names[place]: float(sums[place] / groups.counts[place]) for place in there}
