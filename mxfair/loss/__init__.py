"""Losses that know the group: penalties of gaps and distances, weights, worst groups, adversaries, constraints."""

from mxfair.loss._base import GroupLoss
from mxfair.loss.adversarial import AdversarialLoss, trained_parameters
from mxfair.loss.correlation import CorrelationPenalty
from mxfair.loss.dependence import HGRPenalty, HSICPenalty, MutualInformationPenalty
from mxfair.loss.distance import CramerVonMisesPenalty, WassersteinPenalty
from mxfair.loss.focal import FocalGroupLoss, FocalLoss
from mxfair.loss.gap import GapConstraint, GapPenalty
from mxfair.loss.group_dro import BoundedGroupLoss, GroupDROLoss
from mxfair.loss.logit_pairing import CounterfactualPair, FlipColumns, LogitPairingLoss
from mxfair.loss.mmd import MMDPenalty
from mxfair.loss.path import PathLoss, PathPenalty
from mxfair.loss.penalty import PenalizedLoss, Penalty
from mxfair.loss.projection import ProjectedAdversarialLoss, ProjectionStep
from mxfair.loss.regularized import RegularizedLoss
from mxfair.loss.weighted import WeightedLoss

__all__ = [
    "AdversarialLoss",
    "BoundedGroupLoss",
    "CorrelationPenalty",
    "CounterfactualPair",
    "CramerVonMisesPenalty",
    "FlipColumns",
    "FocalGroupLoss",
    "FocalLoss",
    "GapConstraint",
    "GapPenalty",
    "GroupDROLoss",
    "GroupLoss",
    "HGRPenalty",
    "HSICPenalty",
    "LogitPairingLoss",
    "MMDPenalty",
    "MutualInformationPenalty",
    "PathLoss",
    "PathPenalty",
    "PenalizedLoss",
    "Penalty",
    "ProjectedAdversarialLoss",
    "ProjectionStep",
    "RegularizedLoss",
    "WassersteinPenalty",
    "WeightedLoss",
    "trained_parameters",
]
