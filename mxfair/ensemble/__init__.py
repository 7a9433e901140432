"""Several nets as one: averages, votes, sums and stacks, and weights along the accuracy-fairness front."""

from __future__ import annotations

from mxfair.ensemble.bagging import BaggingClassifier, BaggingRegressor
from mxfair.ensemble.block import Ensemble, StackedEnsemble
from mxfair.ensemble.seeds import SeedEnsembleClassifier, SeedEnsembleRegressor
from mxfair.ensemble.spread import SeedSpread, seed_spread
from mxfair.ensemble.weights import ParetoWeights, pareto_weights

__all__ = [
    "BaggingClassifier",
    "BaggingRegressor",
    "Ensemble",
    "ParetoWeights",
    "SeedEnsembleClassifier",
    "SeedEnsembleRegressor",
    "SeedSpread",
    "StackedEnsemble",
    "pareto_weights",
    "seed_spread",
]
