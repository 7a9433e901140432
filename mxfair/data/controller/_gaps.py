"""Gaps: how far each cell lies behind, from rates or from losses. Controllers differ in what they make of it.

Everything here returns *deviations*, shape (n_labels, n_groups): positive where the cell should be drawn more. For
conditional shares rows sum to 0, for joint ones the whole does. With two groups, a gap of 1 gives deviations of 1/2;
they are scaled by G / (G - 1) so that a step of k moves a share by k times the gap.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mxfair._validation import InputError, one_of
from mxfair.confusion import GroupConfusion
from mxfair.criterion import Criterion, LossCriterion
from mxfair.data.controller._levers import Lever, find_levers
from mxfair.data.signal import CellStats
from mxfair.group_metric import GroupMetric

__all__ = ["COMPARE", "Gaps", "LossGaps", "RateGaps", "gaps_of", "lever_rates"]

COMPARE = ("rates", "losses")


class Gaps:
    """What the two kinds share."""

    need = "rates"

    def __init__(self, criterion: Criterion, classes: np.ndarray) -> None:
        self.levers = find_levers(criterion, classes)
        # One-vs-rest counts each move twice: as the gain of one class and as the loss of another.
        self.per_label = np.clip(np.sum([lever.signs != 0 for lever in self.levers], axis=0), 1, 2)

    def __call__(self, stats: CellStats) -> np.ndarray:
        """Return the deviations."""
        raise NotImplementedError("Gaps are made by RateGaps and LossGaps.")


class RateGaps(Gaps):
    """Each rate moves the labels that steer it, by how far a group lies below the mean of the groups."""

    def __init__(self, criterion: Criterion, classes: np.ndarray, tolerance: float = 0.0) -> None:
        if isinstance(criterion, LossCriterion):
            raise InputError(f"{criterion.name} compares losses; got compare='rates'. Use compare='losses'.")
        super().__init__(criterion, classes)
        self.tolerance = tolerance

    def __call__(self, stats: CellStats) -> np.ndarray:
        """Return the deviations."""
        assert stats.rates is not None  # the sampler measured what `need` says
        move: Any = 0.0
        for lever in self.levers:
            move = move + np.outer(lever.signs, self._below_mean(lever_rates(lever, stats.rates)))
        return move / self.per_label[:, None]

    def _below_mean(self, rates: GroupMetric) -> np.ndarray:
        """Return how far each group's rate lies below the mean, in gaps of two groups; 0 where it is undefined."""
        defined = rates.defined
        if defined.sum() < 2:
            return np.zeros(len(defined))[rates.known]
        values = rates.values[defined]
        gap = values.max() - values.min()
        beyond = max(0.0, 1.0 - self.tolerance / gap) if gap > 0 else 0.0
        deviation = np.where(defined, values.mean() - rates.values, 0.0)
        return deviation[rates.known] * (beyond * defined.sum() / (defined.sum() - 1))


def lever_rates(lever: Lever, table: GroupConfusion) -> GroupMetric:
    """Return a lever's rate by group; the table may know a class more than the labels do."""
    return lever.rate(table, positive=int(np.searchsorted(table.classes, lever.positive)))


class LossGaps(Gaps):
    """A group whose loss is above the mean of its label should be drawn more there; relative to that mean.

    For demographic parity the loss against the positive label, over whole groups, tells who is selected less: that
    group gains positives and loses negatives. For a criterion of losses by group, whole groups gain.
    """

    def __init__(self, criterion: Criterion, classes: np.ndarray, tolerance: float = 0.0) -> None:
        if tolerance:
            raise InputError("'tolerance' must be 0 where losses are compared: it is a gap of rates. Leave it out.")
        self.by_group = isinstance(criterion, LossCriterion)
        if self.by_group:
            self.need = "loss"
            return
        super().__init__(criterion, classes)
        self.signs = np.sign(np.sum([lever.signs for lever in self.levers], axis=0))
        whole = [lever for lever in self.levers if lever.rate.name == "selection_rate"]
        self.aggregate = bool(whole)
        self.need = "positive_loss" if self.aggregate else "loss"
        if self.aggregate and (len(self.levers) > 1 or len(classes) != 2):
            raise InputError(
                f"Losses steer {criterion.name} for two labels only; got {len(classes)}. Use compare='rates'."
            )
        if not self.aggregate:
            self.moving = np.any([lever.signs != 0 for lever in self.levers], axis=0)

    def __call__(self, stats: CellStats) -> np.ndarray:
        """Return the deviations."""
        if self.by_group:
            assert stats.loss is not None  # the sampler measured what `need` says
            assert stats.counts is not None  # and counted
            weight = stats.counts / np.maximum(stats.counts.sum(axis=0), np.finfo(float).tiny)
            by_group = np.nansum(stats.loss * weight, axis=0)
            return weight * _above_mean(by_group[None])
        if self.aggregate:
            assert stats.positive_loss is not None
            return np.outer(self.signs, _above_mean(np.nansum(stats.positive_loss, axis=0)[None])[0])
        assert stats.loss is not None
        return np.where(self.moving[:, None], _above_mean(stats.loss), 0.0)


def _above_mean(losses: np.ndarray) -> np.ndarray:
    """Return how far each loss lies above the mean of its row, in parts of it and in gaps of two groups; 0 for NaN."""
    defined = np.isfinite(losses)
    count = np.maximum(defined.sum(axis=1, keepdims=True), 1)
    mean = np.where(defined, losses, 0.0).sum(axis=1, keepdims=True) / count
    relative = np.where(defined, losses - mean, 0.0) / np.maximum(np.abs(mean), np.finfo(float).tiny)
    return relative * np.where(count > 1, count / np.maximum(count - 1, 1), 0.0)


def gaps_of(compare: str, criterion: Criterion, classes: np.ndarray, tolerance: float = 0.0) -> RateGaps | LossGaps:
    """Return what measures the gaps; criteria of losses compare losses whatever was asked."""
    if one_of(compare, COMPARE, "compare") == "losses" or isinstance(criterion, LossCriterion):
        return LossGaps(criterion, classes, tolerance)
    return RateGaps(criterion, classes, tolerance)
