"""Steps between a data frame and a net."""

from __future__ import annotations

import importlib
from typing import Any

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
from mxfair.preprocessing.mixup import GroupMixup, MixupBatch
from mxfair.preprocessing.oversampling import CellSMOTE, oversample_indices
from mxfair.preprocessing.proxies import ProxyReport, ProxySuppressor, proxy_report
from mxfair.preprocessing.reference_population import (
    GroupComparison,
    NumberComparison,
    ReferenceComparison,
    compare_with_reference,
)
from mxfair.preprocessing.reference_weights import ReferenceWeights, resample_to, reweight_to
from mxfair.preprocessing.reweighing import Reweighing
from mxfair.preprocessing.scaling import MaxAbsScaler, MinMaxScaler, Normalizer, RobustScaler, StandardScaler
from mxfair.preprocessing.tabular import TabularEncoder

#: Gluon datasets: they load mxnet on first use.
_DATASETS = ("CellAugmentedDataset", "SeededTransform")

__all__ = [
    "ByGroup",
    "CellSMOTE",
    "CorrelationRemover",
    "DisparateImpactRemover",
    "FairRepresentation",
    "GroupComparison",
    "GroupMixup",
    "KNNImputer",
    "Massaged",
    "MaxAbsScaler",
    "MinMaxScaler",
    "MissingnessReport",
    "MixupBatch",
    "Normalizer",
    "NumberComparison",
    "OneHotEncoder",
    "OrdinalEncoder",
    "PowerTransformer",
    "ProxyReport",
    "ProxySuppressor",
    "QuantileTransformer",
    "ReferenceComparison",
    "ReferenceWeights",
    "Reweighing",
    "RobustScaler",
    "SimpleImputer",
    "StandardScaler",
    "Step",
    "TabularEncoder",
    "compare_with_reference",
    "load_step",
    "massage",
    "missingness_report",
    "oversample_indices",
    "proxy_report",
    "resample_to",
    "reweight_to",
]


def __getattr__(name: str) -> Any:
    if name in _DATASETS:
        return getattr(importlib.import_module("mxfair.preprocessing.image_augmentation"), name)
    raise AttributeError(f"module 'mxfair.preprocessing' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_DATASETS])
