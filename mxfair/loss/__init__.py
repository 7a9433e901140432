"""Losses that know the group: penalties of gaps and distances, weights, worst groups, adversaries, constraints."""

from mxfair.loss._base import GroupLoss
from mxfair.loss.gap import GapPenalty
from mxfair.loss.penalty import PenalizedLoss, Penalty
from mxfair.loss.weighted import WeightedLoss

__all__ = ["GapPenalty", "GroupLoss", "PenalizedLoss", "Penalty", "WeightedLoss"]
