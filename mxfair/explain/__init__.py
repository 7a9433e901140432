"""Why a model gives the outputs it gives, to whom, and where a gap between groups comes from."""

from __future__ import annotations

import importlib
from typing import Any

from mxfair.explain.attribution import Attribution
from mxfair.explain.comparison import GapComparison
from mxfair.explain.decomposition import GapDecomposition
from mxfair.explain.deep import deep_shap
from mxfair.explain.dependence import PartialDependence, partial_dependence
from mxfair.explain.gap import contrast, gap_decomposition
from mxfair.explain.gap_part import GapPart
from mxfair.explain.gradients import expected_gradients, integrated_gradients, saliency
from mxfair.explain.importance import Importance, permutation_importance
from mxfair.explain.loss import loss_attribution, loss_gap_decomposition
from mxfair.explain.shapley import exact_shap, permutation_shap

#: Public names that need mxnet, and where they are defined: loaded when they are asked for, as the plots are.
_NETS = {"GradientMonitor": "mxfair.explain.gradient_monitor"}

__all__ = [
    "Attribution",
    "GapComparison",
    "GapDecomposition",
    "GapPart",
    "GradientMonitor",
    "Importance",
    "PartialDependence",
    "contrast",
    "deep_shap",
    "exact_shap",
    "expected_gradients",
    "gap_decomposition",
    "integrated_gradients",
    "loss_attribution",
    "loss_gap_decomposition",
    "partial_dependence",
    "permutation_importance",
    "permutation_shap",
    "saliency",
]


def __getattr__(name: str) -> Any:
    if name == "plots":
        return importlib.import_module("mxfair.explain.plots")
    if name in _NETS:
        return getattr(importlib.import_module(_NETS[name]), name)
    raise AttributeError(f"module 'mxfair.explain' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_NETS, "plots"})
