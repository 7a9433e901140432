"""FairBatch batch selection for Gluon: loaders, the sampler, its controllers and its signals."""

from mxfair.data.controller import Controller, PaperController, ProportionalController
from mxfair.data.loader import DataLoader, FairDataLoader
from mxfair.data.sampler import FairBatchSampler
from mxfair.data.signal import CellStats, FullPass, Signal

__all__ = [
    "CellStats",
    "Controller",
    "DataLoader",
    "FairBatchSampler",
    "FairDataLoader",
    "FullPass",
    "PaperController",
    "ProportionalController",
    "Signal",
]
