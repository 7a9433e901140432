"""What a report checks before it holds several models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mxfair._validation import InputError, InputTypeError
from mxfair.criterion import CRITERIA, criterion_named
from mxfair.report._evaluation import Evaluation
from mxfair.report._figure_gaps import FIGURE_CRITERIA, figure_criterion
from mxfair.report._regression import RegressionEvaluation

if TYPE_CHECKING:
    import pandas as pd


def check_same_samples(evaluations: Sequence[Any]) -> None:
    """Raise unless all models have their own name and were evaluated on the same samples."""
    if not evaluations or not all(isinstance(e, (Evaluation, RegressionEvaluation)) for e in evaluations):
        raise InputTypeError("'evaluations' must hold at least one Evaluation. Use evaluate_predictions.")
    names = [e.name for e in evaluations]
    repeated = [name for i, name in enumerate(names) if name in names[:i]]
    if repeated:
        raise InputError(f"Models must have different names; got {repeated[0]!r} twice. Pass name= to each evaluation.")
    if len({e.task for e in evaluations}) > 1:
        raise InputError("Models must have the same task; got a classification and a regression. Make two reports.")
    if evaluations[0].task == "regression":
        _check_same_values(evaluations)
        return
    first = evaluations[0].table
    for table in (e.table for e in evaluations[1:]):
        if table.groups != first.groups or not np.array_equal(table.classes, first.classes):
            raise InputError(
                "Models must be evaluated on the same groups and classes; got "
                f"{first.groups} x {first.classes.tolist()} and {table.groups} x {table.classes.tolist()}. "
                "Pass the same labels and groups to both, and all classes= where the decisions lack some."
            )
        if not np.allclose(table.counts.sum(axis=2), first.counts.sum(axis=2)):
            raise InputError(
                "Models must be evaluated on the same samples; got different numbers of samples by group and label "
                f"({first.support.sum():g} and {table.support.sum():g} in total). Pass the same labels and groups."
            )
    if len({str(e.positive) for e in evaluations}) > 1:
        raise InputError("Models must be evaluated for the same positive class. Pass the same positive= to both.")


def _check_same_values(evaluations: Sequence[RegressionEvaluation]) -> None:
    first = evaluations[0]
    for other in evaluations[1:]:
        same = other.table.groups == first.table.groups and np.allclose(other.support, first.support)
        if same and first.labels is not None and other.labels is not None:
            same = np.array_equal(_codes(other), _codes(first)) and np.allclose(other.labels, first.labels)
        elif same:  # sums of the labels are all that is left of them
            before, after = first.table.values("mean_label"), other.table.values("mean_label")
            same = np.allclose(before, after, equal_nan=True)
        if not same:
            raise InputError(
                "Models must be evaluated on the same samples; got other labels or groups "
                f"({first.n_samples:g} and {other.n_samples:g} samples). Pass the same ones, in the same order."
            )


def _codes(evaluation: RegressionEvaluation) -> np.ndarray:
    """Return the group of each row."""
    return np.zeros(0) if evaluation.groups is None else evaluation.groups.codes


def criteria_of(task: str, criteria: Any, criterion: Any) -> tuple[tuple[Any, ...], Any]:
    """Return the rows of the table of gaps, and the one that the first sentence names."""
    named: Any = figure_criterion if task == "regression" else criterion_named
    known: dict[str, Any] = dict(FIGURE_CRITERIA if task == "regression" else CRITERIA)
    given = criteria if criteria is None or isinstance(criteria, (list, tuple)) else [criteria]
    rows = tuple(named(c) for c in (given or known.values()))
    usual = rows[0] if given else known.get("equalized_odds", rows[0])
    first = usual if criterion is None else named(criterion)
    return (rows if first.name in [c.name for c in rows] else (first, *rows)), first


def frames(histories: Mapping[str, Any] | None, names: list[str]) -> dict[str, pd.DataFrame]:
    """Return the training histories as data frames, by model."""
    if not histories:
        return {}
    import pandas as pd

    unknown = [name for name in histories if name not in names]
    if unknown:
        raise InputError(f"'histories' must be keyed by the models {names}; got {unknown[0]!r}.")
    return {str(name): pd.DataFrame(history) for name, history in histories.items()}
