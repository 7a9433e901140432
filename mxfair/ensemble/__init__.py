"""Several nets as one: averages, votes, sums and stacks, and weights along the accuracy-fairness front."""

from __future__ import annotations

from mxfair.ensemble.adaboost import AdaBoostClassifier
from mxfair.ensemble.adafair import AdaFairClassifier
from mxfair.ensemble.bagging import BaggingClassifier, BaggingRegressor
from mxfair.ensemble.block import Ensemble, StackedEnsemble
from mxfair.ensemble.gradient_boosting import GradientBoostingClassifier, GradientBoostingRegressor
from mxfair.ensemble.seeds import SeedEnsembleClassifier, SeedEnsembleRegressor
from mxfair.ensemble.snapshots import SnapshotEnsembleClassifier, SnapshotEnsembleRegressor
from mxfair.ensemble.spread import SeedSpread, seed_spread
from mxfair.ensemble.stacking import StackingClassifier, StackingRegressor
from mxfair.ensemble.voting import VotingClassifier, VotingRegressor
from mxfair.ensemble.weights import ParetoWeights, pareto_weights

__all__ = [
    "AdaBoostClassifier",
    "AdaFairClassifier",
    "BaggingClassifier",
    "BaggingRegressor",
    "Ensemble",
    "GradientBoostingClassifier",
    "GradientBoostingRegressor",
    "ParetoWeights",
    "SeedEnsembleClassifier",
    "SeedEnsembleRegressor",
    "SeedSpread",
    "SnapshotEnsembleClassifier",
    "SnapshotEnsembleRegressor",
    "StackedEnsemble",
    "StackingClassifier",
    "StackingRegressor",
    "VotingClassifier",
    "VotingRegressor",
    "pareto_weights",
    "seed_spread",
]
