"""What a report measures beyond tables of counts: gaps with intervals, what changed, and who is affected."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mxfair._validation import InputError
from mxfair.report import _affected, _certainty, _change, _figure_change, _figure_gaps, _gaps

if TYPE_CHECKING:
    import pandas as pd

    from mxfair.report._report import FairnessReport


def certainties(report: FairnessReport) -> list[_certainty.Certainty]:
    """Return the intervals of each model's rates and gaps."""
    if report.task == "regression":
        return [_of_figures(evaluation) for evaluation in report.evaluations]
    return [_certainty.certainty(e, report.criteria, report.settings) for e in report.evaluations]


def _of_figures(evaluation: Any) -> _certainty.Certainty:
    """Return the intervals of a regression's figures; gaps have theirs by themselves."""
    groups = [("overall", ""), *(("group", group) for group in evaluation.table.groups)]
    return _certainty.Certainty(
        {
            (key, place): evaluation.interval(key, kind=kind, group=group)
            for key in evaluation.columns
            for place, (kind, group) in enumerate(groups)
        }
    )


def gap_rows(report: FairnessReport) -> dict[str, list[_gaps.CriterionGap]]:
    """Return by criterion the gap of each model."""
    if report.task == "regression":
        of: Any = _figure_gaps.figure_gap
        return {c.name: [of(c, e, report.settings.min_support) for e in report.evaluations] for c in report.criteria}
    return {
        c.name: [
            _gaps.criterion_gap(c, e, report.settings, found.gaps.get(c.name, _certainty.NOTHING))
            for e, found in zip(report.evaluations, report.certainties)
        ]
        for c in report.criteria
    }


def changes(report: FairnessReport) -> list[_change.Change]:
    """Return what changed from the baseline to each other model."""
    first = report.baseline
    if report.task == "regression":
        return [_figure_change.figure_change(first, e, report.criteria) for e in report.evaluations[1:]]
    found = []
    for evaluation in report.evaluations[1:]:
        joint = report.paired.get(evaluation.name)
        joint = _change.joint_counts(first, evaluation) if joint is None else joint
        found.append(_change.change(first, evaluation, report.criteria, report.settings, joint))
    return found


def checked_pairs(report: FairnessReport, paired: Any) -> dict[str, np.ndarray]:
    """Return joint counts by model after checking them."""
    others = {evaluation.name: evaluation for evaluation in report.evaluations[1:]}
    unknown = [name for name in (paired or {}) if name not in others]
    if unknown or (paired and report.task == "regression"):
        raise InputError(
            f"'paired' must be keyed by the models beside the baseline of a classification, {list(others)}; got "
            f"{list(paired)}. Leave the baseline out."
        )
    return {name: _change.check_joint(joint, report.baseline, others[name]) for name, joint in (paired or {}).items()}


def subgroup_tables(report: FairnessReport) -> list[list[Any]]:
    """Return for each model each rate of the report's criterion in every subgroup."""
    if report.task == "regression":
        return []
    return [_affected.subgroup_tables(e, e.adapt(report.criterion)) for e in report.evaluations]


def conditionals(report: FairnessReport) -> dict[str, list[_affected.Conditional]]:
    """Return by criterion the gaps of each model within the levels of a control attribute; empty without one."""
    if report.task == "regression" or not all(e.strata for e in report.evaluations):
        return {}
    return {c.name: [_affected.conditional(report, e, c) for e in report.evaluations] for c in report.criteria}


def gaps_frame(report: FairnessReport) -> pd.DataFrame:
    """Return the table of gaps as a data frame."""
    import pandas as pd

    values = [[gap.value for gap in row] for row in report.gap_rows.values()]
    frame = pd.DataFrame(values, columns=report.names, index=pd.Index(report.gap_rows, name="criterion"))
    for place, name in enumerate(report.names[1:], start=1):
        one = "" if len(report.names) == 2 else f"[{name}]"
        frame[f"change{one}"] = [row[place] - row[0] for row in values]
        ends = [report.changes[place - 1].gaps.get(criterion, _change.NOTHING) for criterion in report.gap_rows]
        frame[f"change_low{one}"], frame[f"change_high{one}"] = [e[0] for e in ends], [e[1] for e in ends]
    for place, name in enumerate(report.names):
        rows: list[Any] = [row[place] for row in report.gap_rows.values()]
        for field in ("rate", "high", "low"):
            frame[f"{field}[{name}]"] = [None if g.largest is None else getattr(g.largest, field) for g in rows]
        frame[f"interval_low[{name}]"] = [gap.interval[0] for gap in rows]
        frame[f"interval_high[{name}]"] = [gap.interval[1] for gap in rows]
        if report.task == "regression":
            frame[f"noise_floor[{name}]"] = [gap.floor for gap in rows]
    return frame
