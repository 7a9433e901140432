"""The sentences under the page's questions: computed, neutral, and saying what was not measured."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from mxfair.report import _score_plots
from mxfair.report._format import (
    NOT_ENOUGH,
    count,
    heading,
    interval_text,
    joined,
    number,
    one_line,
    signed,
    signed_interval,
)

if TYPE_CHECKING:
    from mxfair.report._report import FairnessReport


def gap(report: FairnessReport) -> list[str]:
    """Return how gaps are taken, where it is not the usual way."""
    return [report.settings.in_words] if report.settings.in_words else []


def sure(report: FairnessReport) -> list[str]:
    """Return how sure the first gap is, by model, and where intervals come from."""
    texts = []
    for name, gap_ in zip(report.names, report.gap_rows[report.criterion.name]):
        texts.append(_sure(report, one_line(name, 60), gap_))
    if report.task == "regression":
        how = "Intervals come from a bootstrap over the samples, without their rows from the normal distribution"
        return [*texts, f"{how}; with distances stands the noise floor, what chance alone gives."]
    return [
        *texts,
        "Intervals of gaps come from a bootstrap over the counts and may reach 0; those of rates are Wilson's, those "
        "of AUC DeLong's. They are of one figure at a time.",
    ]


def _sure(report: FairnessReport, name: str, gap_: Any) -> str:
    what = _named(report)
    if math.isnan(gap_.value):
        return f"With {name} the {what} cannot be stated ({NOT_ENOUGH})."
    if getattr(gap_, "is_distance", False):
        if math.isnan(gap_.floor):
            return f"With {name} what chance alone gives is not measured."
        far = "above" if gap_.value > gap_.floor else "not above"
        return (
            f"With {name} the {what} is {number(gap_.value, digits=gap_.digits)}, {far} the "
            f"{number(gap_.floor, digits=gap_.digits)} that chance alone gives."
        )
    span = interval_text(gap_.interval, gap_.digits)
    if not span:
        return f"With {name} the {what} has no interval; the last section says why."
    if getattr(gap_.largest, "low", "") is None and report.task == "regression":
        return f"With {name} the 95 % interval of the {what} is {span}."
    reaches = gap_.interval[0] <= 0 <= gap_.interval[1]
    zero = "0, which is parity, lies in it: groups that are alike may show as much" if reaches else "0 lies outside it"
    return f"With {name} the 95 % interval of the {what} is {span}; {zero}."


def _named(report: FairnessReport) -> str:
    return str(report.criterion.phrase) if report.task == "regression" else f"{one_line(report.criterion.name)} gap"


def affected(report: FairnessReport) -> list[str]:
    """Return who sets the gap, with how many samples, and what subgroups show."""
    texts = []
    for name, gap_ in zip(report.names, report.gap_rows[report.criterion.name]):
        words = gap_.in_words()
        if words:
            support = _support(report, gap_)
            texts.append(f"With {one_line(name, 60)} the {_named(report)} is set by {words}{support}.")
    return [*texts, *_of_scores(report)]


def _support(report: FairnessReport, gap_: Any) -> str:
    """Return ' (samples in the groups: Male 10,860, Female 5,421)'."""
    table = report.baseline.table
    pair = [g for g in (gap_.largest.high, gap_.largest.low) if g in table.groups]
    named = [f"{one_line(g, 40)} {count(report.baseline.support[table.groups.index(g)])}" for g in pair]
    return f" (samples in the groups: {', '.join(named)})" if named else ""


def _of_scores(report: FairnessReport) -> list[str]:
    texts = []
    for evaluation in _score_plots.scored(report):
        if found := _score_plots.floor_text(evaluation):
            texts.append(f"{one_line(evaluation.name, 60)}: {found}")
    return [f"Largest KS distance between the groups' scores, by model: {'; '.join(texts)}."] if texts else []


def subgroups(report: FairnessReport) -> list[str]:
    """Return how many subgroups were tested, and which differ from the rest beyond chance."""
    if not report.subgroups or not report.subgroups[-1]:
        return ["Subgroups were not tested: that needs counts of decisions on unweighted samples."]
    texts = []
    for table in report.subgroups[-1]:
        tested, left = len(table.tested), len(table.untested)
        found = [f"{one_line(row.name, 60)} ({signed(row.difference)})" for row in table.significant]
        what = f"differ beyond chance: {joined(found, 5)}" if found else "none differs beyond chance"
        texts.append(
            f"{heading(table.rate)}, {one_line(report.names[-1], 60)}: of {tested} subgroups with 30 samples or more, "
            f"each against all others, {what}."
            + (f" {left} {'was' if left == 1 else 'were'} too small to test or the only one." if left else "")
        )
    if not report.baseline.attributes:
        texts.append("One attribute was given: whether gaps are larger where it crosses others is not measured.")
    return texts


def changed(report: FairnessReport) -> list[str]:
    """Return how the first gap changed, by model."""
    texts = []
    before = report.gap_rows[report.criterion.name][0]
    for name, gap_, change in zip(report.names[1:], report.gap_rows[report.criterion.name][1:], report.changes):
        difference = gap_.value - before.value
        start = f"With {one_line(name, 60)} the {_named(report)}"
        if math.isnan(difference):
            texts.append(f"{start} cannot be compared ({NOT_ENOUGH}).")
            continue
        ends = change.gaps.get(report.criterion.name, (math.nan, math.nan))
        span = signed_interval(ends, gap_.digits)
        moved = f"{start} changed by {signed(difference, digits=gap_.digits)}"
        if not span:
            texts.append(f"{moved}; an interval of this change is not measured.")
            continue
        zero = "0, which is no change, lies in it" if ends[0] <= 0 <= ends[1] else "0 lies outside it"
        rows = "both models on the same rows" if change.paired else "the models' samples taken as different ones"
        texts.append(f"{moved}, 95 % interval {span}; {zero} ({rows}).")
    return texts


def drivers(report: FairnessReport) -> list[str]:
    """Return what the explanations say, or that there are none."""
    if not report.explanations:
        return [
            "Not measured: no explanation was given. mxfair.explain divides a gap among the columns; pass what it "
            "returns as explanations=."
        ]
    texts = []
    for explanation in report.explanations:
        for part in explanation["parts"]:
            top = [row for row in part["rows"] if not row["column"].startswith("(")]
            top = sorted(
                top, key=lambda row: -abs(row["contribution"]) if row["contribution"] == row["contribution"] else 0
            )
            if explanation["kind"] == "decomposition" and top:
                names = joined([f"{one_line(r['column'], 40)} ({signed(r['contribution'])})" for r in top[:3]])
                output = f" ({one_line(explanation['output'], 40)})" if explanation["output"] else ""
                pair = f"{one_line(part['group'], 40)} minus {one_line(part['against'], 40)}"
                model = f"{one_line(explanation['model'], 40)}: " if explanation.get("model") else ""
                texts.append(f"{model}{pair}, gap{output} {number(part['gap'])}: most comes from {names}.")
    return [*texts, "Contributions say how the model comes to a gap, not whether a column ought to count."]
