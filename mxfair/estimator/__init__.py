"""Gluon nets as scikit-learn estimators, with every mitigation as one argument."""

from mxfair.estimator._base import GluonEstimator
from mxfair.estimator.classifier import GluonClassifier
from mxfair.estimator.mitigation import FairBatch, Massaging, Mitigation, Penalized, SampleWeighting
from mxfair.estimator.regressor import GluonRegressor
from mxfair.estimator.scorer import gap_scorer

__all__ = [
    "FairBatch",
    "GluonClassifier",
    "GluonEstimator",
    "GluonRegressor",
    "Massaging",
    "Mitigation",
    "Penalized",
    "SampleWeighting",
    "gap_scorer",
]
