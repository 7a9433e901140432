"""Steps between a data frame and a net."""

from mxfair.preprocessing._base import Step, load_step
from mxfair.preprocessing.correlation import CorrelationRemover
from mxfair.preprocessing.disparate_impact import DisparateImpactRemover
from mxfair.preprocessing.massaging import Massaged, massage
from mxfair.preprocessing.reweighing import Reweighing
from mxfair.preprocessing.scaling import MaxAbsScaler, MinMaxScaler, Normalizer, RobustScaler, StandardScaler
from mxfair.preprocessing.tabular import TabularEncoder

__all__ = [
    "CorrelationRemover",
    "DisparateImpactRemover",
    "Massaged",
    "MaxAbsScaler",
    "MinMaxScaler",
    "Normalizer",
    "Reweighing",
    "RobustScaler",
    "StandardScaler",
    "Step",
    "TabularEncoder",
    "load_step",
    "massage",
]
