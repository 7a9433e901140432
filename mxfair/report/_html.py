"""The report as one HTML page: tables and plots, no script, no request to anywhere."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

from mxfair.report import _answers, _figures
from mxfair.report._figure_gaps import figure_criterion, figure_gap
from mxfair.report._format import (
    NOT_ENOUGH,
    SMALL,
    count,
    interval_text,
    joined,
    number,
    one_line,
    percent,
    signed,
    signed_interval,
)
from mxfair.report._tables import (
    change_table,
    conditional_table,
    explanation_table,
    gap_table,
    has_auc,
    rate_tables,
    subgroup_table,
    summary_table,
)
from mxfair.report._words import criterion_meaning, definitions, no_better, score_name, score_text

if TYPE_CHECKING:
    from mxfair.report._report import FairnessReport

#: Classes with a table of their own on the page; all of them are in the JSON.
MAX_CLASSES = 10
#: Functions of `_figures` and of `_answers` that make the page.
_DRAWN = ("gaps", "rates", "scores", "explanations", "changes", "front", "training")
_ANSWERED = ("gap", "sure", "affected", "subgroups", "drivers", "changed")


def to_html(report: FairnessReport) -> str:
    """Return a complete page."""
    return environment().get_template("report.html.j2").render(**_content(report))


def to_fragment(report: FairnessReport) -> str:
    """Return the page's content with its style, for a cell of a notebook."""
    return environment().get_template("fragment.html.j2").render(**_content(report))


def environment() -> Any:
    """Return jinja's environment: every text is escaped, and a missing one is an error."""
    import jinja2

    return jinja2.Environment(
        loader=jinja2.PackageLoader("mxfair.report", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _content(report: FairnessReport) -> dict[str, Any]:
    import matplotlib.style

    with matplotlib.style.context("default"):  # the user's style is for the user's figures
        drawn = {name: getattr(_figures, name)(report) for name in _DRAWN}
    shown = rate_tables(report, max_classes=MAX_CLASSES, intervals=True)
    summary, gaps = summary_table(report), gap_table(report)
    several = report.task == "classification" and report.baseline.positive is None
    n_classes = len(report.baseline.table.classes) if several else 0
    subgroups = [subgroup_table(report, place) for place in range(len(report.subgroups[-1]) if report.subgroups else 0)]
    return {
        "title": one_line(report.title, 300),
        "sentence": report.sentence,
        "caution": _caution(report),
        "models": [one_line(name, 200) for name in report.names],
        "tiles": _tiles(report),
        "summary": summary,
        "rate_tables": shown,
        "gaps": gaps,
        "drawn": drawn,
        "subgroups": [table for table in subgroups if table is not None],
        "conditional": conditional_table(report),
        "explained": [(explanation_table(e, part), figure) for e, part, figure in drawn["explanations"]],
        "changed": change_table(report) if len(report.names) > 1 else None,
        "answers": {name: list(map(_minus, getattr(_answers, name)(report))) for name in _ANSWERED},
        "has_few": any(table.has_few for table in (summary, gaps, *shown)),
        "small": SMALL,
        "hidden_classes": max(0, n_classes - MAX_CLASSES),
        "not_known": report.not_known,
        "context": {one_line(key, 200): one_line(_shown(value), 2000) for key, value in report.context.items()},
        "definitions": definitions(report),
        "words": _headings(report),
        "criteria": criterion_meaning(report),
        "regression": report.task == "regression",
        "version": version(),
    }


def _minus(text: str) -> str:
    """Return a sentence whose negative numbers have a minus sign."""
    return re.sub(r"(?<![\w.])-(?=\d)", "\N{MINUS SIGN}", text)


def _headings(report: FairnessReport) -> dict[str, str]:
    """Return the page's headings and captions."""
    positive = report.baseline.positive
    named = "" if positive is None else f"Positive is class {one_line(positive)}. "
    words = {
        "summary": "Accuracy",
        "rates": "Rates by group",
        "legend": "gap: largest minus smallest rate of the known groups; thin lines: 95 % intervals",
        "rates_caption": f"{named}Overall covers every sample, unknown groups included. Below each rate stands its "
        "95 % interval.",
        "gaps_caption": "The largest minus the smallest rate; 0 means that the known groups have the same rate. Below "
        "each gap stands its 95 % interval.",
    }
    if report.task == "regression":
        words.update(
            summary="Errors",
            rates="Predictions and errors by group",
            legend="gap: largest minus smallest value of the known groups; thin lines: 95 % intervals",
            gaps_caption="0 means that the known groups have the same value; the largest RMSE is the error itself. "
            "With a distance stands what chance alone gives, with a difference its 95 % interval.",
        )
    return words


def version() -> str:
    """Return mxfair's version."""
    import mxfair

    return mxfair.__version__


def _shown(value: Any) -> str:
    return count(value) if isinstance(value, int) and not isinstance(value, bool) and value >= 10_000 else str(value)


def _caution(report: FairnessReport) -> str:
    """Return a second sentence where the first one rests on too few samples or leaves groups out."""
    gaps = report.gap_rows[report.criterion.name]
    texts = [poor] if (poor := no_better(report)) else []
    if any(gap.few for gap in gaps):
        what = "it" if report.task == "regression" else "its rate"
        texts.append(f"A group that sets this gap has fewer than {SMALL} samples behind {what}: too few to trust.")
    groups = list(dict.fromkeys(one_line(group, 40) for gap in gaps for _, group in gap.undefined))
    if groups and any(gap.largest is None for gap in gaps):
        texts.append(f"A rate is undefined in {joined(groups, 5)}.")
    elif groups:
        texts.append(f"The gap leaves out {joined(groups, 5)}, where a rate is undefined.")
    return " ".join(texts)


def _tiles(report: FairnessReport) -> list[dict[str, Any]]:
    """Return the figures at the top: for each the values of the models, and the change between two of them."""
    if report.task == "regression":
        return [*_regression_tiles(report), _samples_tile(report)]
    gaps = [gap.value for gap in report.gap_rows[report.criterion.name]]
    accuracy = [evaluation.accuracy for evaluation in report.evaluations]
    tiles = [
        _tile(f"Gap, {one_line(report.criterion.name, 60)}", gaps, [number(gap, NOT_ENOUGH) for gap in gaps]),
        _tile("Accuracy", accuracy, [percent(value) for value in accuracy], points=True),
    ]
    tiles[0]["detail"] = _gap_detail(report) or tiles[0]["detail"]
    if has_auc(report):
        auc = [evaluation.auc for evaluation in report.evaluations]
        tiles.append(_tile("AUC", auc, [number(value) for value in auc]))
    return [*tiles, _samples_tile(report)]


def _gap_detail(report: FairnessReport) -> str:
    """Return the interval of the one gap, or that of what changed between two."""
    gaps = report.gap_rows[report.criterion.name]
    if len(gaps) == 1:
        span = interval_text(gaps[0].interval)
        return f"95 % interval {span}" if span else ""
    if len(gaps) > 2:
        return ""
    span = signed_interval(report.changes[0].gaps.get(report.criterion.name, (math.nan, math.nan)))
    return f"change {signed(gaps[1].value - gaps[0].value)} ({span})".replace("-", "\N{MINUS SIGN}") if span else ""


def _regression_tiles(report: FairnessReport) -> list[dict[str, Any]]:
    """Return both notions of parity, whichever the report is about, and the error over all samples."""
    key = "root_mean_squared_error"
    digits = report.baseline.digits(key)
    distances = [figure_gap(figure_criterion("ks_distance"), e) for e in report.evaluations]
    worst = [e.table.metric(key).group_max() for e in report.evaluations]
    overall = [float(e.columns[key][0][0]) for e in report.evaluations]
    ks = [gap.value for gap in distances]
    tiles = [
        _tile("KS distance of predictions", ks, [number(v, NOT_ENOUGH) for v in ks]),
        _tile("RMSE, worst group", worst, [number(v, NOT_ENOUGH, digits=digits) for v in worst], digits=digits),
        _tile(score_name(report), overall, [score_text(e) for e in report.evaluations], digits=digits),
    ]
    chance = distances[0].note
    tiles[0]["detail"] = "; ".join(part for part in (tiles[0]["detail"], chance) if part)
    return tiles


def _samples_tile(report: FairnessReport) -> dict[str, Any]:
    total = count(report.baseline.n_samples)
    groups = [
        f"{one_line(group, 24)} {count(n)}" for group, n in zip(report.baseline.table.groups, report.baseline.support)
    ]
    detail = ", ".join(groups) if len(groups) <= 3 else f"{len(groups)} groups"
    return {"name": "Samples", "values": [total], "detail": detail}


def _tile(name: str, values: list[float], texts: list[str], *, points: bool = False, digits: int = 3) -> dict[str, Any]:
    detail = ""
    if len(values) == 2 and values[0] == values[0] and values[1] == values[1]:
        change = values[1] - values[0]
        text = f"{100 * change:+.1f} points" if points else signed(change, digits=digits)
        detail = f"change {text}".replace("-", "\N{MINUS SIGN}")
    if all(value != value for value in values):
        texts = texts[:1]
    return {"name": name, "values": texts, "detail": detail}
