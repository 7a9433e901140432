"""Measure and mitigate unfairness in models trained with Apache MXNet Gluon.

The package adds one idea to Gluon, the *group* of a sample, and carries it through the places Gluon already has:

- `mxfair.Groups`: sensitive attributes, encoded once
- `mxfair.GroupConfusion`: counts[group, label, prediction]; every rate by group comes from it
- `mxfair.GroupScores`, `mxfair.GroupResiduals`: the same for scores and for regression
- `mxfair.Rate`, `mxfair.Criterion`: what is compared between groups
- `mxfair.datasets`: real data with their known harms
- `mxfair.data`: FairBatch as a batch sampler and as a data loader
- `mxfair.diagnosis`: measurable signs of four biases in data, labels and models
- `mxfair.ensemble`: several nets as one, and their weights along the accuracy-fairness front
- `mxfair.estimator`: nets as scikit-learn estimators, with every mitigation as one argument
- `mxfair.explain`: what an output, and a gap between groups, is made of
- `mxfair.loss`: losses that know the group: penalties, bounds, adversaries, worst groups
- `mxfair.metric`: figures by group, gaps, intervals, tests
- `mxfair.postprocessing`: thresholds, calibration and repaired predictions by group
- `mxfair.preprocessing`: steps between a data frame and a net
- `mxfair.regularizer`: penalties of weights, with exact zeros
- `mxfair.training`: the Trainer loop with callbacks
- `mxfair.report`: who gets which rates, and what changed

Import mxfair before mxnet: it repairs what mxnet 1.9.1 misses in current NumPy and Python versions. Submodules load on
first use; auditing predictions never imports mxnet.
"""

from __future__ import annotations

import importlib
from typing import Any

from mxfair import _compat

__version__ = "0.1.0"

_MODULES = (
    "data",
    "datasets",
    "diagnosis",
    "ensemble",
    "estimator",
    "explain",
    "loss",
    "metric",
    "net",
    "postprocessing",
    "preprocessing",
    "regularizer",
    "report",
    "training",
)
_NAMES = {
    "Criterion": "mxfair.criterion",
    "GroupConfusion": "mxfair.confusion",
    "GroupResiduals": "mxfair.residuals",
    "GroupScores": "mxfair.scores",
    "Groups": "mxfair.groups",
    "Rate": "mxfair.rate",
}

__all__ = [*_MODULES, *_NAMES]

_compat.prepare()


def __getattr__(name: str) -> Any:
    if name in _NAMES:
        return getattr(importlib.import_module(_NAMES[name]), name)
    if name in _MODULES:
        return importlib.import_module(f"mxfair.{name}")
    raise AttributeError(f"module 'mxfair' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
