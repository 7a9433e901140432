"""The losses that gradient boosting lowers: base score, residuals, mean loss, and the step along a direction."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
from scipy.optimize import brentq

__all__ = ["LogLoss", "SoftmaxLoss", "SquaredError", "objective_for"]

#: Largest step along a net whose outputs have the size of 1, on the scale of log-odds: rows that a net separates have
#: no best step.
MAX_STEP = 16.0
#: Classes that no weighted row has are taken to have this share.
_LEAST = 1e-7


class _Objective:
    """Base of the losses. Arrays are (n_samples, n_outputs), and (n_samples,) for weights."""

    target: np.ndarray

    def take(self, rows: Any) -> Any:
        """Return the loss of some rows."""
        part = copy.copy(self)
        part.target = self.target[rows]
        return part


class SquaredError(_Objective):
    """Mean squared error, summed over the outputs."""

    def __init__(self, target: np.ndarray) -> None:
        self.target = target.reshape(len(target), -1).astype(np.float64)

    def base(self, weight: np.ndarray) -> np.ndarray:
        """Return the best constant."""
        return np.average(self.target, axis=0, weights=weight)

    def residuals(self, scores: np.ndarray) -> np.ndarray:
        """Return the negative gradient for each row, half of it for the squared error."""
        return self.target - scores

    def value(self, scores: np.ndarray, weight: np.ndarray) -> float:
        """Return the mean loss."""
        return float(np.average(((self.target - scores) ** 2).sum(axis=1), weights=weight))

    def step(self, scores: np.ndarray, direction: np.ndarray, weight: np.ndarray) -> float:
        """Return the factor of a direction that lowers the loss most."""
        length = float((weight[:, None] * direction**2).sum())
        return float((weight[:, None] * direction * self.residuals(scores)).sum()) / length if length > 0 else 0.0


class LogLoss(_Objective):
    """Log loss of one score, the log-odds of the second class."""

    def __init__(self, target: np.ndarray) -> None:
        self.target = target.astype(np.float64)[:, None]

    def base(self, weight: np.ndarray) -> np.ndarray:
        """Return the log-odds of the base rate."""
        rate = np.clip(np.average(self.target, axis=0, weights=weight), _LEAST, 1 - _LEAST)
        return np.log(rate / (1 - rate))

    def residuals(self, scores: np.ndarray) -> np.ndarray:
        """Return label minus probability."""
        return self.target - 0.5 * (1.0 + np.tanh(0.5 * scores))

    def value(self, scores: np.ndarray, weight: np.ndarray) -> float:
        """Return the mean loss."""
        losses = np.logaddexp(0.0, scores) - self.target * scores
        return float(np.average(losses[:, 0], weights=weight))

    def step(self, scores: np.ndarray, direction: np.ndarray, weight: np.ndarray) -> float:
        """Return the factor of a direction that lowers the loss most, within `MAX_STEP`."""
        return _line_search(self, scores, direction, weight)


class SoftmaxLoss(_Objective):
    """Log loss of one score per class."""

    def __init__(self, target: np.ndarray, n_classes: int) -> None:
        self.target = np.eye(n_classes)[target.astype(np.int64)]

    def base(self, weight: np.ndarray) -> np.ndarray:
        """Return the logarithm of the classes' shares."""
        return np.log(np.maximum(np.average(self.target, axis=0, weights=weight), _LEAST))

    def residuals(self, scores: np.ndarray) -> np.ndarray:
        """Return one-hot label minus probabilities."""
        chance = np.exp(scores - scores.max(axis=1, keepdims=True))
        return self.target - chance / chance.sum(axis=1, keepdims=True)

    def value(self, scores: np.ndarray, weight: np.ndarray) -> float:
        """Return the mean loss."""
        top = scores.max(axis=1, keepdims=True)
        logs = scores - top - np.log(np.exp(scores - top).sum(axis=1, keepdims=True))
        return float(np.average(-(self.target * logs).sum(axis=1), weights=weight))

    def step(self, scores: np.ndarray, direction: np.ndarray, weight: np.ndarray) -> float:
        """Return the factor of a direction that lowers the loss most, within `MAX_STEP`."""
        return _line_search(self, scores, direction, weight)


def _line_search(loss: Any, scores: np.ndarray, direction: np.ndarray, weight: np.ndarray) -> float:
    """Return the root of the loss's slope along a direction; the loss is convex."""
    weighted = direction * weight[:, None]
    if not weighted.any():
        return 0.0

    def slope(step: float) -> float:
        return -float((weighted * loss.residuals(scores + step * direction)).sum())

    if slope(MAX_STEP) <= 0:
        return MAX_STEP
    if slope(-MAX_STEP) >= 0:
        return -MAX_STEP
    return float(brentq(slope, -MAX_STEP, MAX_STEP, xtol=1e-6))


def objective_for(target: np.ndarray, n_classes: int) -> Any:
    """Return the loss for a target: classes as numbers from 0, or values where `n_classes` is 0."""
    if not n_classes:
        return SquaredError(target)
    return LogLoss(target) if n_classes == 2 else SoftmaxLoss(target, n_classes)
