"""The Trainer loop with progress, history and callbacks; gaps on a validation split, early stopping and checkpoints.

Callbacks run in `fit`, and, through `CallbackHandler`, in Gluon's Estimator.
"""

from __future__ import annotations

from mxfair.training._loop import fit
from mxfair.training.callbacks import (
    Callback,
    EarlyStopping,
    ProgressBar,
    SamplerHistory,
    TrainingState,
    UpdateWeights,
)
from mxfair.training.checkpoint import Checkpoint
from mxfair.training.evaluation import EvaluateGaps
from mxfair.training.handlers import CallbackHandler, FairnessHandler
from mxfair.training.history import History
from mxfair.training.regularization import ProximalSteps, UpdateStrengths
from mxfair.training.selection import best_epoch, pareto_epochs
from mxfair.training.snapshot import Snapshot
from mxfair.training.together import fit_together

__all__ = [
    "Callback",
    "CallbackHandler",
    "Checkpoint",
    "EarlyStopping",
    "EvaluateGaps",
    "FairnessHandler",
    "History",
    "ProgressBar",
    "ProximalSteps",
    "SamplerHistory",
    "Snapshot",
    "TrainingState",
    "UpdateStrengths",
    "UpdateWeights",
    "best_epoch",
    "fit",
    "fit_together",
    "pareto_epochs",
]
