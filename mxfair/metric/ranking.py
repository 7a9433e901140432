"""How well scores rank, by group and between groups: exact figures of arrays in memory.

`mxfair.GroupScores` gives the same figures of a stream, from bins.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mxfair.group_metric import GroupMetric, PairMetric
from mxfair.metric._mann_whitney import MannWhitney
from mxfair.metric._scores import Distribution, scored, scored_given
from mxfair.metric.distance import ks_distance, wasserstein_distance
from mxfair.scores import _figures

__all__ = ["abroca", "roc_auc", "score_ks_distance", "score_wasserstein_distance", "xauc"]


def roc_auc(
    labels: Any, scores: Any, groups: Any, *, positive: Any | None = None, sample_weight: Any | None = None
) -> GroupMetric:
    r"""Return the area under the ROC curve by group.

    .. math:: A_g = P(s_+ > s_- \mid g) + P(s_+ = s_- \mid g) / 2

    Parameters
    ----------
    labels : array of shape (n_samples,)
        True labels; numbers or text.
    scores : array of float, shape (n_samples,)
        The positive label's score of each sample: probabilities, logits, any finite numbers.
    groups : array-like or Groups
        Sensitive attribute of each sample.
    positive : label, optional
        The label that the scores speak for; all others are negatives. Default: the last of two.
    sample_weight : array of float, shape (n_samples,), optional
        Weights; a pair of samples has the product of their weights. Default: 1.

    Returns
    -------
    GroupMetric
        NaN for a group that lacks a positive or a negative sample.

    Notes
    -----
    A group's own AUC says nothing of how its samples rank against another group's: see `xauc`.

    References
    ----------
    Hanley and McNeil, "The Meaning and Use of the Area under a ROC Curve", Radiology 143, 1982.

    Examples
    --------
    >>> from mxfair.metric import roc_auc
    >>> roc_auc([0, 1, 0, 1], [0.2, 0.7, 0.6, 0.4], ["a", "a", "b", "b"])
    GroupMetric(roc_auc: a 1, b 0; overall 0.75)
    """
    samples = scored(labels, scores, groups, positive=positive, sample_weight=sample_weight)
    codes, n_groups = samples.groups.codes, samples.groups.n_groups
    rank = MannWhitney(len(samples.scores), codes, n_groups, samples.weight)
    u = rank(np.ascontiguousarray(samples.scores), np.flatnonzero(samples.hits)).u(n_groups)
    sizes = samples.sums()
    pairs = np.concatenate([[sizes.sum(axis=0).prod()], sizes.prod(axis=1)])
    values = _figures._quotient(u, pairs)
    return samples.by_group("roc_auc", values[1:], values[0])


def xauc(
    labels: Any, scores: Any, groups: Any, *, positive: Any | None = None, sample_weight: Any | None = None
) -> PairMetric:
    r"""Return how often a positive of one group is scored above a negative of another.

    .. math:: X_{ab} = P(s_+^a > s_-^b) + P(s_+^a = s_-^b) / 2

    Parameters
    ----------
    labels, scores, groups, positive, sample_weight
        As for `roc_auc`.

    Returns
    -------
    PairMetric
        ``values[a, b]`` is not ``values[b, a]``: where they differ, one group's positives are ranked below the other's.
        Each group's own AUC is on the diagonal.

    Notes
    -----
    Each pair of groups is merged by itself, so that time goes with samples times groups: about 12 s for 100,000 samples
    in 500 groups. `mxfair.GroupScores` gives the figure from bins.

    References
    ----------
    Kallus and Zhou, "The Fairness of Risk Scores Beyond Classification: Bipartite Ranking and the xAUC Metric", NeurIPS
    2019, Definition 1.

    Examples
    --------
    >>> from mxfair.metric import xauc
    >>> xauc([0, 1, 0, 1], [0.2, 0.5, 0.6, 0.7], ["a", "a", "b", "b"]).values
    array([[1., 0.],
           [1., 1.]])
    """
    samples = scored(labels, scores, groups, positive=positive, sample_weight=sample_weight)

    def figure(grid: np.ndarray, first: Distribution, second: Distribution) -> tuple[float]:
        return (float(_figures.auc(first.counts[1], second.counts[0])),)

    return samples.pairs("xauc", figure, symmetric=False)


def abroca(
    labels: Any, scores: Any, groups: Any, *, positive: Any | None = None, sample_weight: Any | None = None
) -> PairMetric:
    r"""Return the area between the ROC curves of each pair of groups.

    .. math:: \int_0^1 |ROC_a(t) - ROC_b(t)| \, dt

    It is at least the difference of the AUCs, and larger where the curves cross: two groups of one AUC may be served
    unequally at every threshold.

    Parameters
    ----------
    labels, scores, groups, positive, sample_weight
        As for `roc_auc`.

    Returns
    -------
    PairMetric
        Without a noise floor.

    Notes
    -----
    The curves are joined by straight lines, as for the AUC, and integrated exactly, crossings included. The figure is
    never negative, so that small samples of equally served groups have a positive one: of the largest, the mean by
    chance is ``permutation_test(labels, scores, groups, abroca, within="label").floor``.

    Each pair of groups is integrated by itself, so that time goes with samples times groups: about 47 s for 100,000
    samples in 500 groups. `mxfair.GroupScores` gives the figure from bins.

    References
    ----------
    Gardner, Brooks and Baker, "Evaluating the Fairness of Predictive Student Models Through Slicing Analysis", LAK
    2019, equation 2.

    Examples
    --------
    >>> from mxfair.metric import abroca
    >>> abroca([0, 1, 0, 1], [0.2, 0.7, 0.6, 0.4], ["a", "a", "b", "b"])
    PairMetric(abroca: at most 1 between a and b)
    """
    samples = scored(labels, scores, groups, positive=positive, sample_weight=sample_weight)

    def figure(grid: np.ndarray, first: Distribution, second: Distribution) -> tuple[float]:
        return (float(_figures.abroca(first.counts, second.counts)),)

    return samples.pairs("abroca", figure)


def score_ks_distance(
    labels: Any, scores: Any, groups: Any, *, given: Any | None = None, sample_weight: Any | None = None
) -> PairMetric:
    r"""Return the Kolmogorov-Smirnov distance between the score distributions of each pair of groups.

    .. math:: \sup_s |F_a(s) - F_b(s)|

    Over all thresholds it is the largest difference of selection rates (all samples), or of true or false positive
    rates (given a label).

    Parameters
    ----------
    labels : array of shape (n_samples,) or None
        True labels; needed with `given` only.
    scores : array of float, shape (n_samples,)
        Any finite numbers.
    groups : array-like or Groups
        Sensitive attribute of each sample.
    given : label, optional
        Compare only samples of this true label: separation. Default: all samples: independence.
    sample_weight : array of float, shape (n_samples,), optional
        Default: 1.

    Returns
    -------
    PairMetric
        With its noise floor, the mean distance under one distribution, for a continuous one
        :math:`\sqrt{\pi/2} \ln 2 \sqrt{1/n_a + 1/n_b}`. With weights n is :math:`(\sum w)^2 / \sum w^2`. With ties see
        `mxfair.metric.ks_distance`.

    References
    ----------
    Kolmogorov, "Sulla determinazione empirica di una legge di distribuzione", 1933: the limit whose mean is used.

    Examples
    --------
    >>> from mxfair.metric import score_ks_distance
    >>> score_ks_distance(None, [0.1, 0.4, 0.3, 0.9], ["a", "a", "b", "b"]).max()
    0.5
    """
    samples = scored_given(labels, scores, groups, given=given, sample_weight=sample_weight)
    return ks_distance(samples.scores, samples.groups, sample_weight=samples.weight)


def score_wasserstein_distance(
    labels: Any, scores: Any, groups: Any, *, given: Any | None = None, sample_weight: Any | None = None
) -> PairMetric:
    r"""Return the Wasserstein-1 distance between the score distributions of each pair of groups.

    .. math:: \int |F_a(s) - F_b(s)| \, ds

    Parameters
    ----------
    labels, scores, groups, given, sample_weight
        As for `score_ks_distance`.

    Returns
    -------
    PairMetric
        In units of the score; for scores from 0 to 1 it is the mean difference of selection rates over all thresholds.
        With its noise floor: under one distribution F, :math:`F_a - F_b` is about normal with variance
        :math:`F (1 - F) (1/n_a + 1/n_b)` at each score, so that the mean distance is
        :math:`\sqrt{2 / \pi} \sqrt{1/n_a + 1/n_b} \int \sqrt{F (1 - F)} \, ds`, F being both groups together.

    References
    ----------
    Jiang, Pacchiano, Stepleton, Jiang and Chiappa, "Wasserstein Fair Classification", UAI 2019.

    Examples
    --------
    >>> from mxfair.metric import score_wasserstein_distance
    >>> round(score_wasserstein_distance(None, [0.1, 0.4, 0.3, 0.9], ["a", "a", "b", "b"]).max(), 6)
    0.35
    """
    samples = scored_given(labels, scores, groups, given=given, sample_weight=sample_weight)
    return wasserstein_distance(samples.scores, samples.groups, sample_weight=samples.weight)
