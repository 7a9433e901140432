"""Calibration maps of one group: log-odds in, log-odds out; or the knots of an isotonic fit."""

from __future__ import annotations

import numpy as np
from scipy import optimize
from scipy.special import expit, log_expit, log_softmax
from sklearn.isotonic import IsotonicRegression

#: Probabilities are taken for no closer to 0 and 1 than this where their log-odds are taken, as in single precision.
EDGE = 1e-7
#: The smallest probability of several classes whose logarithm is taken.
LEAST = 1e-30
#: Steps of Newton's method, at most.
_NEWTON = 100
#: The range of inverse temperatures.
_COOL, _HOT = 1e-3, 1e3


def log_odds(probability: np.ndarray) -> np.ndarray:
    """Return log-odds of probabilities, finite."""
    inner = np.clip(probability, EDGE, 1 - EDGE)
    return np.asarray(np.log(inner) - np.log1p(-inner))


def targets(hits: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Return what Platt fits to in the place of 0 and 1: (N+ + 1) / (N+ + 2) and 1 / (N- + 2)."""
    positives, negatives = weight[hits].sum(), weight[~hits].sum()
    return np.where(hits, (positives + 1) / (positives + 2), 1 / (negatives + 2))


def platt(logits: np.ndarray, hits: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Return a, a, c of the logit a z + c of largest likelihood."""
    if logits.max() == logits.min():  # nothing to tell apart: the share of positives
        y = targets(hits, weight)
        share = weight @ y / weight.sum()
        return np.array([0.0, 0.0, float(np.log(share) - np.log1p(-share))])
    intercept, slope = _sigmoid(logits, targets(hits, weight), weight / weight.sum())
    return np.array([slope, slope, intercept])


def _sigmoid(logits: np.ndarray, y: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Return intercept and slope of largest likelihood: Newton's method, a step that lowers it being halved."""
    columns = np.column_stack([np.ones(len(y)), logits])
    mean = float(share @ y)
    place = np.array([np.log(mean) - np.log1p(-mean), 0.0])

    def loss(at: np.ndarray) -> float:
        z = columns @ at
        return float(share @ (np.logaddexp(0, z) - y * z))

    least = loss(place)
    for _ in range(_NEWTON):
        chance = expit(columns @ place)
        curvature = (columns * (share * chance * (1 - chance))[:, None]).T @ columns
        step = np.linalg.lstsq(curvature, columns.T @ (share * (y - chance)), rcond=None)[0]
        small = np.abs(step).max() <= 1e-9 * max(1.0, np.abs(place).max())
        value = loss(place + step)
        while not small and value > least * (1 + 1e-14):  # a loss is known to its rounding
            step /= 2
            small = np.abs(step).max() <= 1e-9 * max(1.0, np.abs(place).max())
            value = loss(place + step)
        place, least = place + step, min(value, least)
        if small:
            break
    return place


def beta(logits: np.ndarray, hits: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Return a, b, c of the logit a ln s - b ln(1 - s) + c of largest likelihood with a, b >= 0."""
    columns = np.column_stack([log_expit(logits), -log_expit(-logits), np.ones(len(logits))])
    y, share = targets(hits, weight), weight / weight.sum()

    def loss(place: np.ndarray) -> tuple[float, np.ndarray]:
        z = columns @ place
        mean = np.exp(log_expit(z))
        return float(share @ (np.logaddexp(0, z) - y * z)), columns.T @ (share * (mean - y))

    start = np.array([1.0, 1.0, 0.0])
    bounds = [(0, None), (0, None), (None, None)]
    options = {"ftol": 1e-14, "gtol": 1e-9, "maxiter": 1000}
    return np.asarray(optimize.minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options).x)


def inverse_temperature(logits: np.ndarray, places: np.ndarray, weight: np.ndarray) -> float:
    """Return the b of softmax(b z) of largest likelihood: the loss is convex in b."""
    rows, share = np.arange(len(logits)), weight / weight.sum()

    def loss(log_b: float) -> float:
        return -float(share @ log_softmax(np.exp(log_b) * logits, axis=1)[rows, places])

    limits = (np.log(_COOL), np.log(_HOT))
    return float(np.exp(optimize.minimize_scalar(loss, bounds=limits, method="bounded", options={"xatol": 1e-9}).x))


def temperature(logits: np.ndarray, hits: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Return b, b, 0 of the logit b z of largest likelihood."""
    b = inverse_temperature(np.column_stack([-logits / 2, logits / 2]), hits.astype(int), weight)
    return np.array([b, b, 0.0])


def isotonic(probability: np.ndarray, hits: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return knots from 0 to 1 and the values there."""
    fit = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip").fit(probability, hits, sample_weight=weight)
    knots, values = fit.X_thresholds_, fit.y_thresholds_
    if knots[0] > 0:
        knots, values = np.append(0.0, knots), np.append(values[0], values)
    if knots[-1] < 1:
        knots, values = np.append(knots, 1.0), np.append(values, values[-1])
    return knots, values


#: The maps that are a ln s - b ln(1 - s) + c.
FITS = {"platt": platt, "beta": beta, "temperature": temperature}
