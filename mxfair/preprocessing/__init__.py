"""Steps between a data frame and a net."""

from mxfair.preprocessing._base import Step, load_step
from mxfair.preprocessing.by_group import ByGroup
from mxfair.preprocessing.correlation import CorrelationRemover
from mxfair.preprocessing.disparate_impact import DisparateImpactRemover
from mxfair.preprocessing.distribution import PowerTransformer, QuantileTransformer
from mxfair.preprocessing.encoding import OneHotEncoder, OrdinalEncoder
from mxfair.preprocessing.fair_representation import FairRepresentation
from mxfair.preprocessing.imputation import KNNImputer, SimpleImputer
from mxfair.preprocessing.massaging import Massaged, massage
from mxfair.preprocessing.missingness import MissingnessReport, missingness_report
from mxfair.preprocessing.reweighing import Reweighing
from mxfair.preprocessing.scaling import MaxAbsScaler, MinMaxScaler, Normalizer, RobustScaler, StandardScaler
from mxfair.preprocessing.tabular import TabularEncoder

__all__ = [
    "ByGroup",
    "CorrelationRemover",
    "DisparateImpactRemover",
    "FairRepresentation",
    "KNNImputer",
    "Massaged",
    "MaxAbsScaler",
    "MinMaxScaler",
    "MissingnessReport",
    "Normalizer",
    "OneHotEncoder",
    "OrdinalEncoder",
    "PowerTransformer",
    "QuantileTransformer",
    "Reweighing",
    "RobustScaler",
    "SimpleImputer",
    "StandardScaler",
    "Step",
    "TabularEncoder",
    "load_step",
    "massage",
    "missingness_report",
]
