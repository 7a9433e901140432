"""Several nets as one: averages, votes, sums and stacks, and weights along the accuracy-fairness front."""

from __future__ import annotations

from mxfair.ensemble.bagging import BaggingClassifier, BaggingRegressor
from mxfair.ensemble.block import Ensemble, StackedEnsemble
from mxfair.ensemble.weights import ParetoWeights, pareto_weights

__all__ = ["BaggingClassifier", "BaggingRegressor", "Ensemble", "ParetoWeights", "StackedEnsemble", "pareto_weights"]
