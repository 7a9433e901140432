"""Cox's logistic recalibration of probabilities, by group: slope and intercept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from mxfair.group_metric import GroupMetric
from mxfair.metric._scores import Scored, probabilities

__all__ = ["calibration_intercept", "calibration_slope"]

#: Steps of Newton's method; it doubles its digits with each, and twenty are plenty.
STEPS = 50
#: A step this small is the last one: the next would be about its square.
TOLERANCE = 1e-8


def calibration_slope(
    labels: Any, scores: Any, groups: Any, *, positive: Any | None = None, sample_weight: Any | None = None
) -> GroupMetric:
    r"""Return the slope of the logistic recalibration by group: 1 is calibrated, below 1 is overconfident.

    .. math:: \mathrm{logit}\, P(y = 1) = \alpha_g + \beta_g \, \mathrm{logit}(s)

    Parameters
    ----------
    labels, scores, groups, positive, sample_weight
        As for `expected_calibration_error`.

    Returns
    -------
    GroupMetric
        NaN, with the reason, where no finite slope exists: a label is absent, or the scores separate the labels.

    Notes
    -----
    A score of exactly 0 or 1 has an infinite logit. If its label agrees, the sample has likelihood 1 for every slope
    above 0 and is left out; if not, no fit exists and the value is NaN. Nothing is clipped.

    References
    ----------
    Cox, "Two Further Applications of a Model for Binary Regression", Biometrika 45, 1958.

    Examples
    --------
    >>> from mxfair.metric import calibration_slope
    >>> calibration_slope([0, 1, 1, 0, 1, 0], [0.1, 0.3, 0.7, 0.6, 0.9, 0.2], ["a"] * 6)
    GroupMetric(calibration_slope: a 1.123; overall 1.123)
    """
    samples = probabilities(labels, scores, groups, positive, sample_weight)
    return _recalibrated("calibration_slope", samples, free_slope=True)


def calibration_intercept(
    labels: Any,
    scores: Any,
    groups: Any,
    *,
    free_slope: bool = False,
    positive: Any | None = None,
    sample_weight: Any | None = None,
) -> GroupMetric:
    r"""Return the intercept of the logistic recalibration by group: 0 is calibrated, above 0 scores are too low.

    .. math:: \mathrm{logit}\, P(y = 1) = \alpha_g + \mathrm{logit}(s)

    Parameters
    ----------
    labels, scores, groups, positive, sample_weight
        As for `expected_calibration_error`.
    free_slope : bool, default=False
        Fit the slope as well, as `calibration_slope` does, instead of fixing it at 1 (calibration in the large).

    Returns
    -------
    GroupMetric
        NaN, with the reason, where no finite intercept exists; scores of exactly 0 and 1 as for `calibration_slope`.

    References
    ----------
    Cox, "Two Further Applications of a Model for Binary Regression", Biometrika 45, 1958.

    Examples
    --------
    >>> from mxfair.metric import calibration_intercept
    >>> calibration_intercept([0, 1, 1, 1], [0.5, 0.5, 0.5, 0.5], ["a"] * 4).by_group["a"].round(4)  # ln 3
    1.0986
    """
    samples = probabilities(labels, scores, groups, positive, sample_weight)
    return _recalibrated("calibration_intercept", samples, free_slope=free_slope)


@dataclass(frozen=True)
class _Fit:
    """Intercept and slope of the label's logit on the score's logit; NaN with a reason where there is no fit.

    Parameters
    ----------
    intercept, slope : float
    reason : str, optional
    """

    intercept: float
    slope: float
    reason: str | None = None


def _recalibrate(hits: np.ndarray, scores: np.ndarray, weight: np.ndarray | None, *, free_slope: bool) -> _Fit:
    """Return the maximum-likelihood fit of logit P(y = 1) = a + b logit(s), or with b = 1 fixed.

    A score of exactly 0 or 1 has an infinite logit. With any slope above 0 such a sample has likelihood 1 if its label
    agrees, so that it does not matter, and 0 if not, so that there is no fit.
    """
    from scipy.special import logit

    if weight is not None:
        hits, scores, weight = hits[weight > 0], scores[weight > 0], weight[weight > 0]
    certain = (scores <= 0) | (scores >= 1)
    contradicted = int((certain & (hits != (scores >= 1))).sum())
    if contradicted:
        return _none(f"{contradicted} scores of exactly 0 or 1 contradict the label")
    hits, logits = hits[~certain], logit(scores[~certain].astype(float))
    weight = np.ones(len(hits)) if weight is None else weight[~certain]
    if not hits.any() or hits.all():
        lacking = "positive" if not hits.any() else "negative"
        return _none(f"no {lacking} samples with a score between 0 and 1")
    if not free_slope:
        return _Fit(_intercept(hits, logits, weight), 1.0)
    negatives, positives = logits[~hits], logits[hits]
    if negatives.max() <= positives.min() or positives.max() <= negatives.min():
        return _none("the scores separate the labels, so that the slope is infinite or any")
    return _both(hits.astype(float), logits, weight)


def _none(reason: str) -> _Fit:
    return _Fit(float("nan"), float("nan"), reason)


def _intercept(hits: np.ndarray, logits: np.ndarray, weight: np.ndarray) -> float:
    """Return the root of the likelihood's derivative, sum w (y - mean); it never increases in the intercept."""
    from scipy.optimize import brentq
    from scipy.special import expit, logit

    share = logit(weight @ hits / weight.sum())  # the root for scores that are all 1/2

    def derivative(intercept: float) -> float:
        return float(weight @ (hits - expit(logits + intercept)))

    low, high = share - logits.max() - 1, share - logits.min() + 1
    return float(brentq(derivative, low, high, xtol=1e-12))


def _both(y: np.ndarray, logits: np.ndarray, weight: np.ndarray) -> _Fit:
    """Maximise the likelihood by Newton's method from a slope of 0; a step that lowers it is halved."""
    from scipy.special import expit, logit

    columns = np.column_stack([np.ones(len(y)), logits])
    place = np.array([logit(weight @ y / weight.sum()), 0.0])
    best = _likelihood(y, columns @ place, weight)
    for _ in range(STEPS):
        mean = expit(columns @ place)
        gradient = columns.T @ (weight * (y - mean))
        curvature = (columns * (weight * mean * (1 - mean))[:, None]).T @ columns
        step = np.linalg.lstsq(curvature, gradient, rcond=None)[0]
        if np.abs(step).max() <= TOLERANCE * max(1.0, np.abs(place).max()):
            return _Fit(*(place + step).tolist())
        value = _likelihood(y, columns @ (place + step), weight)
        while value < best:
            step /= 2
            value = _likelihood(y, columns @ (place + step), weight)
        place, best = place + step, value
    return _none(f"no fit was found in {STEPS} steps")


def _likelihood(y: np.ndarray, logits: np.ndarray, weight: np.ndarray) -> float:
    """Return sum w (y z - log(1 + e^z))."""
    return float(weight @ (y * logits - np.logaddexp(0, logits)))


def _recalibrated(name: str, samples: Scored, *, free_slope: bool) -> GroupMetric:
    def fit(rows: np.ndarray | slice) -> _Fit:
        weight = None if samples.weight is None else samples.weight[rows]
        return _recalibrate(samples.hits[rows], samples.scores[rows], weight, free_slope=free_slope)

    part = "slope" if name == "calibration_slope" else "intercept"
    fits = [fit(rows) for rows in samples.rows_by_group()]
    reasons = {group: one.reason for group, one in zip(samples.groups.names, fits) if one.reason}
    return samples.by_group(
        name, np.array([getattr(one, part) for one in fits]), getattr(fit(slice(None)), part), reasons=reasons
    )
