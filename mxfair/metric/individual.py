"""Individual fairness: like samples, like predictions."""

from __future__ import annotations

from typing import Any

import numpy as np

from mxfair._validation import InputError, labels_vector, missing, numbers, positive_integer, same_length, to_numpy
from mxfair.group_metric import GroupMetric
from mxfair.metric._decisions import mean_by_group

__all__ = ["consistency", "consistency_by_group", "lipschitz_violations"]

#: Predictions of at most this many different whole numbers are taken for classes.
_MAX_CLASSES = 20


def consistency(
    X: Any,
    preds: Any,
    *,
    n_neighbors: int = 5,
    decisions: bool | None = None,
    scale: float = 1.0,
    sample_weight: Any = None,
    n_jobs: int | None = None,
) -> float:
    r"""Return how much predictions agree with those of the nearest neighbours: 1 is full agreement.

    .. math:: 1 - \frac{1}{n} \sum_i \left| \hat y_i - \frac{1}{k} \sum_{j \in kNN(x_i)} \hat y_j \right|

    Parameters
    ----------
    X : array of shape (n_samples, n_features)
        Features, numbers without missing values. Distances are Euclidean in the units that they come in: standardise
        the columns first, or the one with the largest numbers decides alone who is near.
    preds : array of shape (n_samples,)
        Decisions (numbers or text), probabilities or predicted amounts.
    n_neighbors : int, default=5
        Number of neighbours k. A sample is never its own neighbour; a duplicate of it is.
    decisions : bool, optional
        Whether `preds` are classes, of which two are the same or not, or amounts, which differ by their distance. For
        classes the term of a sample is the share of its neighbours with another class (the same number for 0 and 1).
        Default: classes where they are text, or at most 20 different whole numbers.
    scale : float, default=1.0
        What amounts are divided by: their unit otherwise decides, and the result can be negative. Use the range of the
        target, for instance.
    sample_weight : array of shape (n_samples,), optional
        Weight of each sample in the mean; neighbours count alike. Default: 1.
    n_jobs : int, optional
        Processes for the search, as in scikit-learn. Default: 1.

    Returns
    -------
    float
        At most 1; at least 0 for decisions and probabilities.

    Raises
    ------
    InputError
        If `X` is not numeric or holds missing values, lengths differ, or there are not more than k samples.

    Notes
    -----
    Whether the sensitive attribute belongs into `X` is a choice: left out, two people who differ in nothing else count
    as alike. Constant predictions have consistency 1, so this says nothing without accuracy. Which of several
    neighbours at the same distance counts is up to the search.

    References
    ----------
    Zemel et al., "Learning Fair Representations", ICML 2013: consistency (yNN). In AIF360, a sample is its
    own first neighbour, which raises the figure by up to 1 / k.

    Examples
    --------
    >>> from mxfair.metric.individual import consistency
    >>> consistency([[0.0], [0.1], [5.0], [5.1]], [1, 1, 0, 1], n_neighbors=1)
    0.5
    """
    differences = _differences(X, preds, n_neighbors, decisions, scale, n_jobs)
    return mean_by_group("consistency", 1 - differences, None, sample_weight).overall


def consistency_by_group(
    X: Any,
    preds: Any,
    groups: Any,
    *,
    n_neighbors: int = 5,
    decisions: bool | None = None,
    scale: float = 1.0,
    sample_weight: Any = None,
    n_jobs: int | None = None,
) -> GroupMetric:
    """Return the consistency of each group's predictions with those of their neighbours in any group.

    Parameters
    ----------
    X, preds
        As for `consistency`.
    groups : array-like or Groups
        Sensitive attribute of each sample.
    n_neighbors, decisions, scale, sample_weight, n_jobs
        As for `consistency`.

    Returns
    -------
    GroupMetric
        Its `overall` is `consistency`.

    Examples
    --------
    >>> from mxfair.metric.individual import consistency_by_group
    >>> consistency_by_group([[0.0], [0.1], [5.0], [5.1]], [1, 1, 0, 1], ["a", "a", "b", "b"], n_neighbors=1)
    GroupMetric(consistency: a 1, b 0; overall 0.5)
    """
    differences = _differences(X, preds, n_neighbors, decisions, scale, n_jobs)
    return mean_by_group("consistency", 1 - differences, groups, sample_weight)


def lipschitz_violations(
    X: Any,
    preds: Any,
    groups: Any = None,
    *,
    lipschitz: float = 1.0,
    n_neighbors: int = 5,
    sample_weight: Any = None,
    n_jobs: int | None = None,
) -> GroupMetric:
    r"""Return the share of near pairs whose predictions lie further apart than their features allow.

    A pair (i, j) with j among the k nearest neighbours of i violates the condition where

    .. math:: |\hat y_i - \hat y_j| > L \, \lVert x_i - x_j \rVert

    Parameters
    ----------
    X : array of shape (n_samples, n_features)
        Features, as for `consistency`.
    preds : array of shape (n_samples,)
        Scores or amounts. (Decisions jump: near pairs on both sides of a threshold violate any finite L.)
    groups : array-like or Groups, optional
        Sensitive attribute of each sample. Default: everyone is one group, "all".
    lipschitz : float, default=1.0
        The constant L, in units of the predictions per unit of distance.
    n_neighbors : int, default=5
        Number of neighbours k of each sample, itself left out.
    sample_weight : array of shape (n_samples,), optional
        Weight of each sample. Default: 1.
    n_jobs : int, optional
        Processes for the search, as in scikit-learn. Default: 1.

    Returns
    -------
    GroupMetric
        The share of violating pairs among those that start in a group.

    References
    ----------
    Dwork et al., "Fairness Through Awareness", ITCS 2012, definition 2.1, here on near pairs only: there are n k of
    them, and far pairs hardly ever violate it.

    Examples
    --------
    >>> from mxfair.metric.individual import lipschitz_violations
    >>> lipschitz_violations([[0.0], [0.1], [5.0], [5.1]], [0.2, 0.25, 0.3, 0.9], n_neighbors=1).overall
    0.5
    """
    if not (np.isfinite(lipschitz) and lipschitz >= 0):
        raise InputError(f"'lipschitz' must be finite and at least 0; got {lipschitz}. Give a slope.")
    scores = _amounts(preds)
    distances, neighbors = _neighbors(X, len(scores), n_neighbors, n_jobs)
    violated = np.abs(scores[:, None] - scores[neighbors]) > lipschitz * distances
    return mean_by_group("lipschitz_violations", violated.mean(axis=1), groups, sample_weight)


def _differences(
    X: Any, preds: Any, n_neighbors: int, decisions: bool | None, scale: float, n_jobs: int | None
) -> np.ndarray:
    """Return |pred - mean of the neighbours' preds| of each sample."""
    if not (np.isfinite(scale) and scale > 0):
        raise InputError(f"'scale' must be finite and above 0; got {scale}. Give, for instance, the target's range.")
    array = labels_vector(preds, "preds")
    as_classes = _are_classes(array) if decisions is None else decisions
    _, neighbors = _neighbors(X, len(array), n_neighbors, n_jobs)
    if as_classes:
        codes = np.unique(array, return_inverse=True)[1]
        return (codes[neighbors] != codes[:, None]).mean(axis=1)
    amounts = _amounts(array)
    return np.abs(amounts - amounts[neighbors].mean(axis=1)) / scale


def _neighbors(X: Any, n_samples: int, n_neighbors: Any, n_jobs: int | None) -> tuple[np.ndarray, np.ndarray]:
    """Return distances and indices of each sample's k nearest neighbours, without itself."""
    from sklearn.neighbors import NearestNeighbors

    features = _features(X)
    same_length(X=features, preds=range(n_samples))
    count = positive_integer(n_neighbors, "n_neighbors")
    if count >= n_samples:
        raise InputError(
            f"'n_neighbors' must be less than the number of samples; got {count} and {n_samples}. Lower it."
        )
    # Asked without X, scikit-learn leaves out the sample itself, not the first of its duplicates.
    distances, neighbors = NearestNeighbors(n_neighbors=count, n_jobs=n_jobs).fit(features).kneighbors()
    return distances, neighbors


def _features(X: Any) -> np.ndarray:
    array = to_numpy(X)
    if array.ndim != 2:
        raise InputError(f"'X' must have shape (n_samples, n_features); got {array.shape}. Make one row per sample.")
    if missing(array).any():
        raise InputError("'X' must not be missing; got NaN. Impute or leave out these values first.")
    try:
        return array.astype(float)
    except (TypeError, ValueError) as error:
        raise InputError(f"'X' must be numbers; got something else ({error}). Encode the columns first.") from error


def _amounts(preds: Any) -> np.ndarray:
    amounts = numbers(preds, "preds")
    if not np.isfinite(amounts).all():
        raise InputError(
            f"'preds' must be finite; got {amounts[~np.isfinite(amounts)][0]}. A net whose loss diverged predicts NaN."
        )
    return amounts


def _are_classes(array: np.ndarray) -> bool:
    if array.dtype.kind == "f":
        with np.errstate(invalid="ignore"):
            if (array % 1 != 0).any():
                return False
    return array.dtype.kind not in "iuf" or len(np.unique(array)) <= _MAX_CLASSES
