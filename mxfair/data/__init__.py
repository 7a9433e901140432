"""FairBatch batch selection for Gluon: loaders, the sampler, its controllers, signals and selectors, and weights."""

from mxfair.data._diagnosis import Finding
from mxfair.data.controller import (
    BalancedController,
    Controller,
    FairDROController,
    FairGradController,
    GroupDROController,
    NormalizedController,
    PaperController,
    ProportionalController,
    ReweighingController,
)
from mxfair.data.loader import DataLoader, FairDataLoader
from mxfair.data.measure import FullPass, ProbeSet
from mxfair.data.sampler import FairBatchSampler
from mxfair.data.selection import (
    ByImportance,
    ByLoss,
    ByRank,
    CellDraw,
    CellSelector,
    LowestLoss,
    OwnSampler,
    Shuffled,
)
from mxfair.data.signal import CellStats, Signal
from mxfair.data.target import correlation_shift
from mxfair.data.weights import SampleWeights

__all__ = [
    "BalancedController",
    "ByImportance",
    "ByLoss",
    "ByRank",
    "CellDraw",
    "CellSelector",
    "CellStats",
    "Controller",
    "DataLoader",
    "FairBatchSampler",
    "FairDROController",
    "FairDataLoader",
    "FairGradController",
    "Finding",
    "FullPass",
    "GroupDROController",
    "LowestLoss",
    "NormalizedController",
    "OwnSampler",
    "PaperController",
    "ProbeSet",
    "ProportionalController",
    "ReweighingController",
    "SampleWeights",
    "Shuffled",
    "Signal",
    "correlation_shift",
]
