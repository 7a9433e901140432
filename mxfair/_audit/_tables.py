"""Gaps beside those of the report: by another convention, and within the levels of a control attribute."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mxfair._validation import InputError, one_of
from mxfair.metric._convention import COMPAT, comparison
from mxfair.report._format import number, one_line

if TYPE_CHECKING:
    from mxfair.report import Evaluation, FairnessReport

Rows = list[list[str]]


def _measured(evaluation: Evaluation, criterion: Any, *, reference: Any, compat: str | None) -> tuple[float, float]:
    """Return the difference and the ratio of a criterion; NaN where the convention has none."""
    found = []
    for ratio in (False, True):
        convention = COMPAT.get(compat or "")
        if convention is not None and not (convention.ratio if ratio else convention.difference):
            found.append(float("nan"))
            continue
        chosen = comparison(evaluation.adapt(criterion), ratio=ratio, reference=reference, compat=compat)
        found.append(float(chosen.of(evaluation.table, evaluation.table.counts)))
    return found[0], found[1]


def convention_rows(report: FairnessReport, *, reference: str | None, compat: str | None) -> Rows:
    """Return the gaps of all criteria as --reference and --compat say; nothing without them."""
    if reference is None and compat is None:
        return []
    if report.task == "regression":
        raise InputError("--reference and --compat are for classes; the labels are values. Leave them out.")
    if reference is not None:
        known = [g for g, k in zip(report.baseline.table.groups, report.baseline.table.known) if k]
        one_of(reference, known, "--reference")
    how = f"compared with {one_line(reference, 40)}" if reference is not None else "compared"
    rows = [[f"{how} as {compat} does" if compat else how, *_columns(report.names)]]
    for criterion in report.criteria:
        found = [_measured(e, criterion, reference=reference, compat=compat) for e in report.evaluations]
        rows.append([criterion.name, *(number(value) for pair in found for value in pair)])
    return rows


def conditional_rows(
    report: FairnessReport, strata: Mapping[str, Sequence[Evaluation]], *, reference: str | None, compat: str | None
) -> Rows:
    """Return the gaps of the report's criterion within each level of the control attribute, and their mean."""
    if not strata:
        return []
    criterion = report.criterion
    rows: Rows = [[f"{criterion.name} within", *_columns(report.names)]]
    weights, columns = [], []
    for level, made in strata.items():
        found = [v for e in made for v in _measured(e, criterion, reference=reference, compat=compat)]
        size = float(made[0].n_samples)
        weights.append(size)
        columns.append(found)
        rows.append([f"{one_line(level, 40)} ({size:,g})", *(number(value) for value in found)])
    values, mass = np.array(columns), np.array(weights)[:, None]
    there = ~np.isnan(values)
    with np.errstate(invalid="ignore", divide="ignore"):
        means = np.where(there, values * mass, 0).sum(axis=0) / np.where(there, mass, 0).sum(axis=0)
    rows.append(["mean of those that can be measured", *(number(float(value)) for value in means)])
    return rows


def _columns(names: Sequence[str]) -> list[str]:
    if len(names) == 1:
        return ["difference", "ratio"]
    return [f"{one_line(name, 24)} {kind}" for name in names for kind in ("difference", "ratio")]
