"""What a report checks before it holds several models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mxfair._validation import InputError, InputTypeError
from mxfair.criterion import Criterion, criterion_named
from mxfair.report._evaluation import Evaluation

if TYPE_CHECKING:
    import pandas as pd


def check_same_samples(evaluations: Sequence[Evaluation]) -> None:
    """Raise unless all models have their own name and were evaluated on the same samples."""
    if not evaluations or not all(isinstance(e, Evaluation) for e in evaluations):
        raise InputTypeError("'evaluations' must hold at least one Evaluation. Use evaluate_predictions.")
    names = [e.name for e in evaluations]
    repeated = [name for i, name in enumerate(names) if name in names[:i]]
    if repeated:
        raise InputError(f"Models must have different names; got {repeated[0]!r} twice. Pass name= to each evaluation.")
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


def headline(criterion: Any, criteria: tuple[Criterion, ...], *, chosen: bool) -> Criterion:
    """Return the criterion that the first sentence names."""
    if criterion is not None:
        return criterion_named(criterion)
    known = {c.name: c for c in criteria}
    return criteria[0] if chosen else known.get("equalized_odds", criteria[0])


def frames(histories: Mapping[str, Any] | None, names: list[str]) -> dict[str, pd.DataFrame]:
    """Return the training histories as data frames, by model."""
    if not histories:
        return {}
    import pandas as pd

    unknown = [name for name in histories if name not in names]
    if unknown:
        raise InputError(f"'histories' must be keyed by the models {names}; got {unknown[0]!r}.")
    return {str(name): pd.DataFrame(history) for name, history in histories.items()}
