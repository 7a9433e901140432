"""What an explanation says in plain sentences, and what it cannot say."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from mxfair.report._drivers import decimals
from mxfair.report._format import interval_text, joined, number, one_line, signed, signed_interval

if TYPE_CHECKING:
    from mxfair.explain.gap_part import GapPart
    from mxfair.report._explanation import ExplanationReport, ModelExplanation

#: Columns that a sentence names; a smaller part of the gap than this is not named.
NAMED, LEAST = 3, 0.05
#: How well a column tells the groups apart that is the group itself.
ITSELF = 0.999

LIMITS = (
    "It is about these models, not about the world: that a column carries a part of the gap does not say that the gap "
    "would close without it. Another model may make up for it with what is left.",
    "It does not say what is justified. A column with a large contribution may be a fair reason, and one with none may "
    "hide a wrong: a model that repeats the bias of its labels has no column to show for it.",
    "Columns that say the same share the credit by accident: nets that differ in their seed alone divide it otherwise.",
    "Models are asked about people who do not exist: a column is changed while the others stay.",
    "Compared with other rows than the background used here, the parts are others; the gap is not.",
    "A gap between mean outputs is not the gap between decisions, which a threshold makes of it.",
    "Intervals tell how the figures would move with other samples of the same groups, for the same model and "
    "background. They do not tell how a model trained anew would move.",
)


def name(text: object, limit: int = 40) -> str:
    """Return a name for the middle of a sentence."""
    return one_line(text, limit)


def sentence(report: ExplanationReport) -> str:
    """Return what drives the first model's gap."""
    model = report.models[0]
    part = model.gap.part
    who = f"{name(part.group)} minus {name(part.against)}"
    leading = [c for c in part.top(NAMED) if part.gap and _value(part, c) / part.gap >= LEAST]
    start = f"{name(model.name)}: " if len(report.models) > 1 else ""
    if not _certain(part):
        return f"{start}the gap ({who}, {number(part.gap)} in the {name(model.gap.output_name)}) may be chance."
    if not leading:
        return (
            f"{start}no single column makes the gap of {number(part.gap)} in the {name(model.gap.output_name)}, {who}."
        )
    share = sum(_value(part, column) for column in leading) / part.gap
    much = "more than all" if share > 1.005 else f"{share:.0%}"
    verb = "make" if len(leading) > 1 else "makes"
    return (
        f"{start}{joined([name(column) for column in leading])} {verb} {much} of the gap of {number(part.gap)} in the "
        f"{name(model.gap.output_name)}, {who}."
    )


def _value(part: GapPart, column: str) -> float:
    return float(part.values[part.names.index(column)])


def _certain(part: GapPart) -> bool:
    return abs(part.gap) > 2 * part.gap_error or part.gap_error == 0


def findings(report: ExplanationReport) -> list[str]:
    """Return all sentences in the order of the page."""
    return [*main_findings(report), *by_label(report), *seen(report)]


def main_findings(report: ExplanationReport) -> list[str]:
    """Return the sentences that fit on a screen."""
    return [*gaps(report), *changes(report), *proxies(report), *importances(report)]


def gaps(report: ExplanationReport) -> list[str]:
    """Return the gap of each model, and what makes it."""
    return [_gap(model, model.gap.part) for model in report.models]


def _gap(model: ModelExplanation, part: GapPart) -> str:
    digits = decimals([part.gap])
    margin = part._quantile() * part.gap_error
    ends = signed_interval((part.gap - margin, part.gap + margin), digits)
    where = "" if part.condition == "all" else f", {name(part.condition)},"
    side = "above" if part.gap >= 0 else "below"
    chance = "" if _certain(part) else "; it may be chance"
    text = (
        f"{name(model.name)}: the mean {name(model.gap.output_name)} of {name(part.group)}{where} is "
        f"{number(abs(part.gap), digits=digits)} {side} that of {name(part.against)} "
        f"({part.level:.0%} interval {ends}{chance})"
    )
    if not math.isnan(part.rate_gap):
        text += f"; selected are {part.rates[0]:.1%} and {part.rates[1]:.1%}"
    return f"{text}. Most comes from {_leading(part)}."


def _leading(part: GapPart, count: int = NAMED) -> str:
    digits = decimals([part.gap])
    return joined([f"{name(column)} ({signed(_value(part, column), digits=digits)})" for column in part.top(count)])


def changes(report: ExplanationReport) -> list[str]:
    """Return what each other model moved against the first."""
    texts = []
    for comparison in report.comparisons:
        first, second, moved = comparison.parts[0]
        digits = decimals([first.gap])
        margin = first._quantile() * moved.gap_error
        ends = signed_interval((moved.gap - margin, moved.gap + margin), digits)
        columns = [
            f"{name(column)} ({signed(_value(first, column), digits=digits)} to "
            f"{signed(_value(second, column), digits=digits)})"
            for column in moved.top(2)
            if abs(_value(moved, column)) >= LEAST * abs(_value(moved, moved.top(1)[0]))
        ]
        texts.append(
            f"With {name(comparison.names[1])} instead of {name(comparison.names[0])} the gap changes by "
            f"{signed(moved.gap, digits=digits)} ({ends}); in standard deviations of the outputs it is "
            f"{number(second.standardized, digits=2)} instead of {number(first.standardized, digits=2)}. Most moved "
            f"{joined(columns)}."
        )
    return texts


def by_label(report: ExplanationReport) -> list[str]:
    """Return the gaps among samples of one label."""
    return [
        _gap(model, part)
        for model in report.models
        if model.conditional is not None
        for part in model.conditional.parts
    ]


def proxies(report: ExplanationReport) -> list[str]:
    """Return which columns stand for the group."""
    table = report.proxies
    if table is None:
        return []
    model = name(report.names[0])
    own = [name(column) for column in table.index[table["auc"] >= ITSELF]]
    texts = []
    if own:
        verb = "is" if len(own) == 1 else "are"
        texts.append(f"{joined(own)} {verb} the group itself, or tells it without error.")
    found = table[table["proxy"] & (table["auc"] < ITSELF)].sort_values("contribution", key=abs, ascending=False)
    if len(found):
        names = [f"{name(column)} (AUC {row['auc']:.2f})" for column, row in found.iterrows()]
        texts.append(f"Columns that reveal the group and widen the gap of {model}, its proxies: {joined(names, 6)}.")
    else:
        texts.append(f"No {'other ' if own else ''}column both reveals the group and widens the gap of {model}.")
    return texts


def importances(report: ExplanationReport) -> list[str]:
    """Return what each figure owes most to, a sentence for each model."""
    texts = []
    for model in report.models:
        parts = []
        for metric in model.importance.metrics:
            frame = model.importance[metric]
            row = frame.iloc[0]
            if row["importance"] > 0:
                loss = "rises" if "rises" in model.importance.notes[metric] else "falls"
                span = interval_text((float(row["low"]), float(row["high"])))
                within = f" ({span})" if span else ""
                parts.append(
                    f"{metric.replace('_', ' ')} {loss} most with {name(frame.index[0])}, by "
                    f"{number(float(row['importance']))}{within} from {number(float(row['baseline']))}"
                )
        if parts:
            texts.append(f"{name(model.name)}, a column's values dealt out anew: {'; '.join(parts)}.")
    return texts


def same_seen(model: ModelExplanation) -> bool:
    """Return whether the parts of the gap are the same from the other group's place, as those of a linear model."""
    if model.seen is None:
        return True
    one, two = model.gap.part, model.seen.part
    return bool(np.allclose(one.values, two.values, atol=1e-3 * abs(one.gap)))


def seen(report: ExplanationReport) -> list[str]:
    """Return what sets the groups apart when one is seen from the other's place."""
    texts = []
    for model in report.models:
        if model.seen is None:
            continue
        part = model.seen.part
        start = f"{name(model.name)}, compared with the rows of {name(part.group)} instead of everybody: "
        if same_seen(model):
            texts.append(f"{start}the gap has the same parts, as that of any linear model.")
        else:
            texts.append(f"{start}most of the same gap comes from {_leading(part)}.")
    return texts


def method(report: ExplanationReport) -> dict[str, Any]:
    """Return how contributions were measured, for the table of sources."""
    facts: dict[str, Any] = {}
    for model in report.models:
        error = model.attribution.additivity_error
        adds = "" if math.isnan(error) else f"; what they miss of an output is {error:.2g} of its standard deviation"
        facts[f"contributions, {name(model.name)}"] = f"{model.attribution.method} of the {model.gap.output_name}{adds}"
    return {**facts, "rows explained": len(report.groups), "background rows": report.background}
