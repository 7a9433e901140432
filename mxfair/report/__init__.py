"""Who gets which rates, and what changed for whom.

>>> from mxfair.report import evaluate_predictions
>>> report = evaluate_predictions([0, 1, 1, 0, 1, 1], [0, 1, 1, 1, 0, 1], list("aaabbb"))
>>> report.gaps.loc["equal_opportunity", "model"]
0.5

`evaluate` takes a net, an estimator, a data frame or a file, `evaluate_predictions` takes arrays. Both return a
`FairnessReport`: print it, look at its data frames, save it as .html, .json, .md or .csv, make a `ModelCard` of it.
Two reports of the same samples join: ``plain.beside(fair)``. Labels that are numbers rather than classes make a report
on predictions and errors by group. `explain` says what drives a gap. The plots are in `mxfair.report.plots`.
"""

from __future__ import annotations

import importlib
from typing import Any

from mxfair.report._card import ModelCard
from mxfair.report._evaluate import evaluate
from mxfair.report._evaluation import Evaluation, evaluate_predictions
from mxfair.report._regression import RegressionEvaluation
from mxfair.report._report import FairnessReport

#: Public names that an audit does not need, and where they are defined: loaded when they are asked for.
_EXPLANATIONS = {
    "explain": "mxfair.report._explain",
    "ExplanationReport": "mxfair.report._explanation",
    "ModelExplanation": "mxfair.report._explanation",
}

__all__ = [
    "Evaluation",
    "ExplanationReport",
    "FairnessReport",
    "ModelCard",
    "ModelExplanation",
    "RegressionEvaluation",
    "evaluate",
    "evaluate_predictions",
    "explain",
]


def __getattr__(name: str) -> Any:
    if name in _EXPLANATIONS:
        return getattr(importlib.import_module(_EXPLANATIONS[name]), name)
    raise AttributeError(f"module 'mxfair.report' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_EXPLANATIONS])
