"""The report's sentences: what happened, what is not known, what each rate means. Neutral, and computed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Callable

from mxfair.report._figure_gaps import WORST
from mxfair.report._format import (
    NOT_ENOUGH,
    SMALL,
    few,
    heading,
    joined,
    lower,
    number,
    one_line,
    percent,
    samples,
    signed_interval,
)

if TYPE_CHECKING:
    from mxfair.report._report import FairnessReport

DEFINITIONS = {
    "Samples": "Number of samples evaluated in the group.",
    "Base rate": "Of all samples, the share whose label is positive. It belongs to the data, not to the model.",
    "Selection rate": "Of all samples, the share that the model decides to be positive.",
    "True positive rate": "Of the samples labelled positive, the share that the model decides to be positive.",
    "False positive rate": "Of the samples labelled negative, the share that the model decides to be positive.",
    "Precision (PPV)": "Of the samples the model decides to be positive, the share labelled positive.",
    "Accuracy": "Of all samples, the share that the model decides as labelled.",
    "AUC": "Chance that a positive sample scores higher than a negative one of the same group; 0.5 is guessing.",
    "Gap": "The largest rate of a known group minus the smallest. 0 means that the groups have the same rate.",
}

#: The same for numbers.
FIGURE_DEFINITIONS = {
    "Samples": DEFINITIONS["Samples"],
    "Mean label": "The mean of the labels. It belongs to the data, not to the model.",
    "Mean prediction": "The mean of the predictions.",
    "Bias": "The mean of prediction minus label: above 0 the group is predicted too high.",
    "RMSE": "Root of the mean squared difference of prediction and label, in the unit of the label.",
    "MAE": "Mean size of the difference of prediction and label, in the unit of the label.",
    "R2": "1 minus the squared error divided by that of predicting the group's own mean label: 0 is no better than "
    "that, and a group with little spread can be below 0 although its errors are small.",
    "Gap": "The largest figure of a known group minus the smallest, or the largest distance between two known groups.",
    "Chance": "The noise floor: the distance to expect between samples of these sizes from one distribution; of more "
    "than two groups, the largest distance to expect.",
    "Interval": "With a difference: its 95 % interval, from a bootstrap over the samples. It may reach 0.",
}


def definitions(report: FairnessReport) -> dict[str, str]:
    """Return what the words of the tables mean."""
    return FIGURE_DEFINITIONS if report.task == "regression" else DEFINITIONS


def title(report: FairnessReport) -> str:
    """Return the default heading."""
    by = "group" if report.attribute == "group" else one_line(report.attribute, 80)
    return (
        f"What changed for whom, by {by}"
        if len(report.evaluations) > 1
        else f"{'Errors and predictions' if report.task == 'regression' else 'Rates'} by {by}"
    )


def sentence(report: FairnessReport) -> str:
    """Return what happened in one plain sentence."""
    criterion = _named(report)
    groups = between(report) if report.criterion.name != WORST else between(report).replace("between", "among", 1)
    gaps = report.gap_rows[report.criterion.name]
    first, last = report.baseline, report.evaluations[-1]
    total = _kind_of_samples(report)
    if len(report.evaluations) == 1:
        measured = number(gaps[0].value, digits=gaps[0].digits) + f" ({gaps[0].in_words()})"
        gap = f"cannot be stated ({NOT_ENOUGH})" if math.isnan(gaps[0].value) else f"is {measured}"
        return f"The {criterion} {groups} {gap}; {score_name(report)} is {score_text(first)} on {total}."
    if len(report.evaluations) > 2:
        each = [
            f"{number(gap.value, NOT_ENOUGH, digits=gap.digits)} and {score_text(e)} with {one_line(e.name, 60)}"
            for gap, e in zip(gaps, report.evaluations)
        ]
        return f"The {criterion} {groups} and the {score_name(report)} on {total}: {'; '.join(each)}{_floor(gaps)}."
    interval = report.changes[0].gaps.get(report.criterion.name, (math.nan, math.nan))
    moved = _moved(gaps[0].value, gaps[1].value, interval, gaps[0].digits) + _turned(gaps) + _floor(gaps)
    accuracy = f"{score_name(report)} {_went(score_text(first), score_text(last))}"
    return f"With {one_line(last.name, 60)} the {criterion} {groups} {moved}; {accuracy} on {total}."


def no_better(report: FairnessReport) -> str:
    """Return which models are no better than one answer for everybody, and so say little about fairness; or ''."""
    if report.task == "regression":
        trivial = "predicting the mean label for everybody (R2 is not above 0)"
        poor = [e.name for e in report.evaluations if e.columns["r2_score"][0][0] <= 0]
    else:
        labels = report.baseline.table.counts.sum(axis=(0, 2))
        most = float(labels.max() / labels.sum()) if labels.sum() else math.nan
        trivial = f"deciding the commonest class for everybody ({percent(most)})"
        poor = [e.name for e in report.evaluations if e.accuracy <= most]
    if not poor:
        return ""
    names = joined([one_line(name, 60) for name in poor])
    verb = "is" if len(poor) == 1 else "are"
    return f"Over all samples {names} {verb} no better than {trivial}: read the gaps with that in mind."


def _named(report: FairnessReport) -> str:
    """Return 'demographic_parity gap', or 'KS distance of the predictions'."""
    criterion = report.criterion
    return str(criterion.phrase) if report.task == "regression" else f"{one_line(criterion.name)} gap"


def _floor(gaps: list[Any]) -> str:
    """Return ' (chance alone gives 0.071)' for distances."""
    return f" ({gaps[-1].note.replace('chance', 'chance alone gives')})" if gaps[-1].note.startswith("chance") else ""


def score_name(report: FairnessReport) -> str:
    """Return what a model's quality is called."""
    return "RMSE" if report.task == "regression" else "accuracy"


def score_text(evaluation: Any) -> str:
    """Return a model's accuracy, or its RMSE."""
    if evaluation.task == "regression":
        key = "root_mean_squared_error"
        return number(evaluation.columns[key][0][0], digits=evaluation.digits(key))
    return percent(evaluation.accuracy)


def between(report: FairnessReport) -> str:
    """Return 'between groups of sex'."""
    return "between groups" if report.attribute == "group" else f"between groups of {one_line(report.attribute, 80)}"


def _kind_of_samples(report: FairnessReport) -> str:
    split = str(report.context.get("split", ""))
    return samples(report.baseline.n_samples).replace(
        " sample", f" {split} sample" if split in ("test", "validation", "training") else " sample"
    )


def _moved(before: float, after: float, interval: tuple[float, float], digits: int = 3) -> str:
    """Return 'fell from 0.2 to 0.1', or what says that the change may be chance."""
    if math.isnan(before) or math.isnan(after):
        known = [
            f"{number(v, digits=digits)} {when}"
            for v, when in ((before, "before"), (after, "after"))
            if not math.isnan(v)
        ]
        return f"cannot be compared ({NOT_ENOUGH}{'; ' + known[0] if known else ''})"
    first, last = number(before, digits=digits), number(after, digits=digits)
    if first == last:
        return f"stayed at {first}"
    if interval[0] <= 0 <= interval[1]:
        change = signed_interval(interval, digits)
        return f"went from {first} to {last} (no change shown: its 95 % interval, {change}, holds 0)"
    return f"{'fell' if after < before else 'rose'} from {first} to {last}"


def _turned(gaps: Sequence[Any]) -> str:
    """Return ', turned round' where the highest and the lowest group changed places and neither gap may be chance."""
    before, after = (gap.largest for gap in gaps)
    if before is None or after is None or before.rate != after.rate:
        return ""
    if (before.high, before.low) != (after.low, after.high) or not all(gap.interval[0] > 0 for gap in gaps):
        return ""
    return f", turned round: the lowest is now {one_line(after.low, 60)}"


def _went(before: str, after: str) -> str:
    return f"stayed at {after}" if before == after else f"went from {before} to {after}"


def criterion_meaning(report: FairnessReport) -> dict[str, str]:
    """Return one line for each criterion: which rates it compares."""
    if report.task == "regression":
        return {heading(c.name): c.meaning for c in report.criteria if c.meaning}
    meanings = {}
    for criterion in report.criteria:
        rates = joined([lower(rate.name) for rate in criterion.rates])
        how = {"max": "the largest", "mean": "the mean", "sum": "the sum"}[criterion.agg]
        meanings[criterion.name] = (
            f"Gap in {rates}." if len(criterion.rates) == 1 else f"{how.capitalize()} of the gaps in {rates}."
        )
    return meanings


def not_known(report: FairnessReport) -> list[str]:
    """Return what the report cannot say."""
    poor = no_better(report)
    notes = [*([poor] if poor else []), *_unknown_groups(report), *_undefined(report), *_scarce(report)]
    if any(math.isnan(gap.value) for row in report.gap_rows.values() for gap in row):
        notes.append(f"Where a gap says '{NOT_ENOUGH}', one of its rates is defined for fewer than two known groups.")
    if report.task == "regression":
        notes += _without_rows(report)
    elif all(math.isnan(e.auc) for e in report.evaluations):
        notes.append("AUC: no scores were given, or the samples lack a class.")
    notes += _left_out(report)
    notes += _sampling(report)
    notes.append("Seeds: one run per model; how much the numbers vary between seeds is not measured.")
    notes.append("Labels and groups are taken as recorded; errors in them may differ between groups.")
    return notes


def _left_out(report: FairnessReport) -> list[str]:
    """Return which groups are left out of gaps because too few samples stand behind them."""
    texts = []
    for criterion, gaps in report.gap_rows.items():
        groups = list(dict.fromkeys(one_line(group, 40) for gap in gaps for _, group in gap.scarce))
        if groups:
            texts.append(f"{criterion}: {joined(groups)}")
    if not texts:
        return []
    return [
        f"Left out of gaps, fewer than {report.settings.min_support:g} samples behind a figure: {'; '.join(texts)}."
    ]


def _sampling(report: FairnessReport) -> list[str]:
    """Return what intervals do not say, and which there are not."""
    notes = [
        "Sampling uncertainty: intervals are of these samples, at 95 % for one figure at a time; they are not "
        "corrected for their number, and do not cover what other training samples would have changed."
        + (" Distances have a noise floor instead." if report.task == "regression" else "")
    ]
    missing = {found.missing for found in report.certainties if found.missing}
    notes += [f"No intervals of rates and gaps: {reason}." for reason in sorted(missing)]
    for name, change in zip(report.names[1:], report.changes):
        if change.missing and change.missing not in missing:
            notes.append(f"No interval of what changed with {one_line(name, 60)}: {change.missing}.")
        elif not change.missing and not change.paired:
            notes.append(
                f"What changed with {one_line(name, 60)}: the rows of both models were not at hand together, so that "
                "its interval treats them as different samples. It is too wide where the models mostly agree."
            )
    return notes


def _without_rows(report: FairnessReport) -> list[str]:
    """Return what sums and histograms of a regression do not tell."""
    if all(evaluation.has_rows for evaluation in report.evaluations):
        return []
    notes = [
        "Counted without keeping the rows: distances and quantiles are those of bins, intervals come from the normal "
        "distribution, and R2 has none."
    ]
    if not all(evaluation.distances for evaluation in report.evaluations):
        notes.append("Distributions: no range was given when counting started, so that there are no distances.")
    return notes


def _unknown_groups(report: FairnessReport) -> list[str]:
    table, total = report.baseline.table, report.baseline.n_samples
    notes = [
        f"Unknown group: {samples(n)} ({percent(n / total)}) without a recorded {one_line(table.name, 60)}; "
        "shown in the tables, left out of every gap."
        for n, known in zip(table.support, table.known)
        if not known and n
    ]
    absent = [one_line(group, 40) for group, n in zip(table.groups, table.support) if not n]
    return [*notes, f"Groups without any sample: {joined(absent)}."] if absent else notes


def _undefined(report: FairnessReport) -> list[str]:
    lines = _cells(report, lambda value, given, support: math.isnan(value) and support > 0, by_support=True)
    return [f"Undefined, nothing to compute it from: {line}." for line in lines]


def _scarce(report: FairnessReport) -> list[str]:
    """Name small groups once, then the rates with a small denominator in groups that are large enough."""
    table = report.baseline.table
    small = [f"{one_line(group, 40)} ({samples(n)})" for group, n in zip(table.groups, table.support) if few(n)]
    notes = [f"Too few samples to trust any rate (fewer than {SMALL}): {joined(small)}."] if small else []
    lines = _cells(report, lambda value, given, support: few(given) and not few(support))
    return notes + [f"Too few samples to trust (fewer than {SMALL}): {line}." for line in lines]


def _cells(
    report: FairnessReport, chosen: Callable[[float, float, float], bool], *, by_support: bool = False, limit: int = 12
) -> list[str]:
    """Return 'true positive rate and AUC of A (19 samples) and B (3 samples)': rates of the same groups in one line.

    `chosen` takes a rate's value, its denominator and the group's support.
    """
    models: dict[tuple[str, str], list[str]] = {}
    for evaluation in report.evaluations:
        for key, (values, given) in evaluation.columns.items():
            if key == "auc" and math.isnan(values[0]):
                continue
            names = [
                f"{one_line(group, 40)} ({samples(n if by_support else d)})"
                for group, v, d, n in zip(evaluation.table.groups, values[1:], given[1:], evaluation.support)
                if chosen(v, d, n)
            ]
            if names:
                models.setdefault((joined(names), key), []).append(one_line(evaluation.name, 40))
    rates: dict[tuple[str, str], list[str]] = {}
    for (groups, key), names in models.items():
        suffix = "" if len(names) == len(report.evaluations) else f", with {joined(names)}"
        rates.setdefault((groups, suffix), []).append(lower(key))
    texts = [f"{joined(keys)} of {groups}{suffix}" for (groups, suffix), keys in rates.items()]
    return texts if len(texts) <= limit else [*texts[: limit - 1], f"{len(texts) - limit + 1} more (see the JSON)"]
