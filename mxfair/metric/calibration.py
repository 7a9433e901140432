"""Do scores mean the same in every group: calibration within groups, proper scores and balance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mxfair._validation import one_of, positive_integer
from mxfair.group_metric import GroupMetric
from mxfair.groups import Groups
from mxfair.metric._scores import Scored, probabilities, scored
from mxfair.scores import _figures
from mxfair.scores._input import reliability_frame

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "balance_negative_class",
    "balance_positive_class",
    "brier_score",
    "expected_calibration_error",
    "log_loss",
    "reliability_curve",
]

#: How bins of probabilities are cut.
STRATEGIES = ("uniform", "quantile")


def expected_calibration_error(
    labels: Any,
    scores: Any,
    groups: Any,
    *,
    bins: int = 10,
    strategy: str = "uniform",
    positive: Any | None = None,
    sample_weight: Any | None = None,
) -> GroupMetric:
    r"""Return the expected calibration error by group: 0 is calibrated.

    .. math:: \sum_b \frac{n_{gb}}{n_g} |\bar{s}_{gb} - \bar{y}_{gb}|

    with the mean score and the share of positives of the group's samples in bin b.

    Parameters
    ----------
    labels : array of shape (n_samples,)
        True labels; numbers or text.
    scores : array of float, shape (n_samples,)
        Probability of the positive label, from 0 to 1.
    groups : array-like or Groups
        Sensitive attribute of each sample.
    bins : int, default=10
        Number of bins.
    strategy : {"uniform", "quantile"}, default="uniform"
        Bins of one width, or of about one number of samples of the group each (fewer where scores repeat).
    positive : label, optional
        The label that the scores speak for; all others are negatives. Default: the last of two.
    sample_weight : array of float, shape (n_samples,), optional
        Weights of the means; the cuts of quantile bins are taken without them. Default: 1.

    Returns
    -------
    GroupMetric

    Raises
    ------
    InputError
        If a score is not between 0 and 1.

    Notes
    -----
    A small group has a larger error by chance alone: a bin of n samples is off by about :math:`0.8 \sqrt{p(1-p)/n}`
    where it is calibrated. A bootstrap adds this bias once more, so that `confidence_intervals` gives none; see
    `reliability_curve` for intervals by bin.

    References
    ----------
    Naeini, Cooper and Hauskrecht, "Obtaining Well Calibrated Probabilities Using Bayesian Binning", AAAI 2015.

    Examples
    --------
    >>> from mxfair.metric import expected_calibration_error
    >>> expected_calibration_error([0, 1, 0, 1], [0.2, 0.7, 0.6, 0.4], ["a", "a", "b", "b"])
    GroupMetric(expected_calibration_error: a 0.25, b 0.6; overall 0.425)
    """
    samples = probabilities(labels, scores, groups, positive, sample_weight)
    values = _figures.calibration_error(*_binned(samples, bins, strategy)[1:])
    everyone = Scored(samples.hits, samples.scores, _one_group(samples), samples.weight)
    overall = _figures.calibration_error(*_binned(everyone, bins, strategy)[1:])
    return samples.by_group("expected_calibration_error", values, overall[0])


def reliability_curve(
    labels: Any,
    scores: Any,
    groups: Any,
    *,
    bins: int = 10,
    strategy: str = "uniform",
    level: float = 0.95,
    positive: Any | None = None,
    sample_weight: Any | None = None,
) -> pd.DataFrame:
    """Return mean score and share of positives by group and bin.

    Parameters
    ----------
    labels, scores, groups, bins, strategy, positive, sample_weight
        As for `expected_calibration_error`.
    level : float, default=0.95
        Level of Wilson's interval of the share, which takes the support for a number of samples.

    Returns
    -------
    pandas.DataFrame
        A row per group and bin that holds samples: "group", "bin low", "bin high", "mean score", "share positive",
        "support", "interval low" and "interval high". A bin holds scores above its low end up to its high end; the
        first one holds its low end too.

    References
    ----------
    Wilson, "Probable Inference, the Law of Succession, and Statistical Inference", JASA 22, 1927.

    Examples
    --------
    >>> from mxfair.metric import reliability_curve
    >>> table = reliability_curve([0, 1, 0, 1], [0.2, 0.7, 0.6, 0.4], ["a", "a", "b", "b"], bins=2)
    >>> table[["group", "bin low", "mean score", "share positive"]].values.tolist()
    [['a', 0.0, 0.2, 0.0], ['a', 0.5, 0.7, 1.0], ['b', 0.0, 0.4, 1.0], ['b', 0.5, 0.6, 0.0]]
    """
    samples = probabilities(labels, scores, groups, positive, sample_weight)
    return reliability_frame(samples.groups.names, *_binned(samples, bins, strategy), level=level)


def brier_score(
    labels: Any, scores: Any, groups: Any, *, positive: Any | None = None, sample_weight: Any | None = None
) -> GroupMetric:
    r"""Return the Brier score by group: 0 is best.

    .. math:: \frac{1}{n_g} \sum_{i: z_i = g} (s_i - y_i)^2

    Parameters
    ----------
    labels, scores, groups, positive, sample_weight
        As for `expected_calibration_error`.

    Returns
    -------
    GroupMetric

    Notes
    -----
    A perfectly calibrated score has the expectation :math:`E[s(1 - s)]`, which differs between groups of different
    base rates: a gap alone is no proof of worse calibration.

    References
    ----------
    Brier, "Verification of Forecasts Expressed in Terms of Probability", Monthly Weather Review 78, 1950.

    Examples
    --------
    >>> from mxfair.metric import brier_score
    >>> brier_score([0, 1, 0, 1], [0.2, 0.7, 0.6, 0.4], ["a", "a", "b", "b"])
    GroupMetric(brier_score: a 0.065, b 0.36; overall 0.2125)
    """
    samples = probabilities(labels, scores, groups, positive, sample_weight)
    return _mean("brier_score", samples, (samples.scores.astype(float) - samples.hits) ** 2)


def log_loss(
    labels: Any, scores: Any, groups: Any, *, positive: Any | None = None, sample_weight: Any | None = None
) -> GroupMetric:
    r"""Return the mean negative log-likelihood by group, in nats: 0 is best.

    .. math:: -\frac{1}{n_g} \sum_{i: z_i = g} y_i \ln s_i + (1 - y_i) \ln (1 - s_i)

    Parameters
    ----------
    labels, scores, groups, positive, sample_weight
        As for `expected_calibration_error`.

    Returns
    -------
    GroupMetric

    Notes
    -----
    As in scikit-learn, scores are clipped to [eps, 1 - eps], eps being the precision of their type: a sample that was
    scored 0 or 1 and is of the other label costs 36 (float64) or 16 (float32) instead of infinity.

    References
    ----------
    Good, "Rational Decisions", Journal of the Royal Statistical Society B 14, 1952.

    Examples
    --------
    >>> from mxfair.metric import log_loss
    >>> log_loss([0, 1, 0, 1], [0.2, 0.7, 0.6, 0.4], ["a", "a", "b", "b"])
    GroupMetric(log_loss: a 0.2899, b 0.9163; overall 0.6031)
    """
    samples = probabilities(labels, scores, groups, positive, sample_weight)
    precision = np.finfo(samples.scores.dtype).eps
    right = np.where(samples.hits, samples.scores, 1 - samples.scores).astype(float)
    return _mean("log_loss", samples, -np.log(np.clip(right, precision, 1 - precision)))


def balance_positive_class(
    labels: Any, scores: Any, groups: Any, *, positive: Any | None = None, sample_weight: Any | None = None
) -> GroupMetric:
    r"""Return the mean score of the positives by group: equal means are balance for the positive class.

    .. math:: E[s \mid y = 1, g]

    Parameters
    ----------
    labels, scores, groups, positive, sample_weight
        As for `roc_auc`: any finite scores.

    Returns
    -------
    GroupMetric

    References
    ----------
    Kleinberg, Mullainathan and Raghavan, "Inherent Trade-Offs in the Fair Determination of Risk Scores", ITCS 2017,
    property C.

    Examples
    --------
    >>> from mxfair.metric import balance_positive_class
    >>> balance_positive_class([0, 1, 1, 1], [0.2, 0.7, 0.6, 0.4], ["a", "a", "b", "b"])
    GroupMetric(balance_positive_class: a 0.7, b 0.5; overall 0.5667)
    """
    samples = scored(labels, scores, groups, positive=positive, sample_weight=sample_weight)
    return _balance("balance_positive_class", samples, 1)


def balance_negative_class(
    labels: Any, scores: Any, groups: Any, *, positive: Any | None = None, sample_weight: Any | None = None
) -> GroupMetric:
    r"""Return the mean score of the negatives by group: equal means are balance for the negative class.

    .. math:: E[s \mid y = 0, g]

    Parameters
    ----------
    labels, scores, groups, positive, sample_weight
        As for `roc_auc`: any finite scores.

    Returns
    -------
    GroupMetric

    References
    ----------
    Kleinberg, Mullainathan and Raghavan, "Inherent Trade-Offs in the Fair Determination of Risk Scores", ITCS 2017,
    property B.

    Examples
    --------
    >>> from mxfair.metric import balance_negative_class
    >>> balance_negative_class([0, 0, 0, 1], [0.2, 0.7, 0.6, 0.4], ["a", "a", "b", "b"])
    GroupMetric(balance_negative_class: a 0.45, b 0.6; overall 0.5)
    """
    samples = scored(labels, scores, groups, positive=positive, sample_weight=sample_weight)
    return _balance("balance_negative_class", samples, 0)


def _one_group(samples: Scored) -> Groups:
    return Groups.from_codes(np.zeros(len(samples.scores), dtype=np.int64), ["all"])


def _binned(samples: Scored, bins: int, strategy: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return edges (n_groups, bins + 1), and samples, positives and sums of scores by group and bin."""
    positive_integer(bins, "bins")
    codes, n_groups, scores = samples.groups.codes, samples.groups.n_groups, samples.scores.astype(float)
    edges = np.tile(np.arange(bins + 1) / bins, (n_groups, 1))
    if one_of(strategy, STRATEGIES, "strategy") == "uniform":
        places = np.searchsorted(edges[0, 1:-1], scores)
    else:
        places = np.empty(len(scores), dtype=np.int64)
        for group, rows in enumerate(samples.rows_by_group()):
            edges[group] = np.quantile(scores[rows], edges[group]) if len(rows) else np.nan
            places[rows] = np.searchsorted(edges[group, 1:-1], scores[rows])
    cells, shape = codes * bins + places, (n_groups, bins)
    mass = np.ones(len(scores)) if samples.weight is None else samples.weight
    sums = (
        np.bincount(cells, values, minlength=n_groups * bins) for values in (mass, mass * samples.hits, mass * scores)
    )
    support, positive, total = (values.reshape(shape) for values in sums)
    return edges, support, positive, total


def _mean(name: str, samples: Scored, values: np.ndarray) -> GroupMetric:
    """Return the mean of a value per sample; labels that are absent do not matter."""
    mass, total = samples.sums().sum(axis=1), samples.sums(values).sum(axis=1)
    overall = _figures._quotient(total.sum(), mass.sum())
    return samples.by_group(name, _figures._quotient(total, mass), overall)


def _balance(name: str, samples: Scored, label: int) -> GroupMetric:
    mass, total = samples.sums()[:, label], samples.sums(samples.scores.astype(float))[:, label]
    overall = _figures._quotient(total.sum(), mass.sum())
    return samples.by_group(name, _figures._quotient(total, mass), overall, mass)
