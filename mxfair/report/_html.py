"""The report as one HTML page: tables and plots, no script, no request to anywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mxfair.report import plots
from mxfair.report._format import NOT_ENOUGH, SMALL, count, heading, joined, number, one_line, percent, signed
from mxfair.report._history import share_columns
from mxfair.report._svg import to_svg
from mxfair.report._tables import gap_table, has_auc, rate_tables, summary_table
from mxfair.report._words import DEFINITIONS, criterion_meaning

if TYPE_CHECKING:
    from mxfair.report._report import FairnessReport

#: Classes with a table of their own on the page; all of them are in the JSON.
MAX_CLASSES = 10


def to_html(report: FairnessReport) -> str:
    """Return a complete page."""
    return _environment().get_template("report.html.j2").render(**_content(report))


def to_fragment(report: FairnessReport) -> str:
    """Return the page's content with its style, for a cell of a notebook."""
    return _environment().get_template("fragment.html.j2").render(**_content(report))


def _environment() -> Any:
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
        rate_plots, training_plots = _rate_plots(report), _training_plots(report)
    shown = rate_tables(report, max_classes=MAX_CLASSES)
    summary, gaps = summary_table(report), gap_table(report)
    n_classes = len(report.baseline.table.classes)
    return {
        "title": one_line(report.title),
        "sentence": report.sentence,
        "caution": _caution(report),
        "models": report.names,
        "tiles": _tiles(report),
        "summary": summary,
        "rate_tables": shown,
        "rate_plots": rate_plots,
        "gaps": gaps,
        "training_plots": training_plots,
        "has_few": any(table.has_few for table in (summary, gaps, *shown)),
        "small": SMALL,
        "hidden_classes": max(0, n_classes - MAX_CLASSES) if report.baseline.positive is None else 0,
        "positive": None if report.baseline.positive is None else one_line(report.baseline.positive),
        "not_known": report.not_known,
        "context": {key: one_line(_shown(value)) for key, value in report.context.items()},
        "definitions": DEFINITIONS,
        "criteria": criterion_meaning(report),
        "version": _version(),
    }


def _version() -> str:
    import mxfair

    return mxfair.__version__


def _shown(value: Any) -> str:
    return count(value) if isinstance(value, int) and not isinstance(value, bool) and value >= 10_000 else str(value)


def _caution(report: FairnessReport) -> str:
    """Return a second sentence where the first one rests on too few samples or leaves groups out."""
    gaps = report.gap_rows[report.criterion.name]
    texts = []
    if any(gap.few for gap in gaps):
        texts.append(f"A group that sets this gap has fewer than {SMALL} samples behind its rate: too few to trust.")
    groups = list(dict.fromkeys(one_line(group, 40) for gap in gaps for _, group in gap.undefined))
    if groups and any(gap.largest is None for gap in gaps):
        texts.append(f"A rate is undefined in {joined(groups, 5)}.")
    elif groups:
        texts.append(f"The gap leaves out {joined(groups, 5)}, where a rate is undefined.")
    return " ".join(texts)


def _tiles(report: FairnessReport) -> list[dict[str, Any]]:
    """Return the figures at the top: for each the values of the models, and the change between two of them."""
    gaps = [gap.value for gap in report.gap_rows[report.criterion.name]]
    accuracy = [evaluation.accuracy for evaluation in report.evaluations]
    tiles = [
        _tile(f"Gap, {one_line(report.criterion.name)}", gaps, [number(gap, NOT_ENOUGH) for gap in gaps]),
        _tile("Accuracy", accuracy, [percent(value) for value in accuracy], points=True),
    ]
    if has_auc(report):
        auc = [evaluation.auc for evaluation in report.evaluations]
        tiles.append(_tile("AUC", auc, [number(value) for value in auc]))
    total = count(report.baseline.n_samples)
    groups = [
        f"{one_line(group, 24)} {count(n)}" for group, n in zip(report.baseline.table.groups, report.baseline.support)
    ]
    detail = ", ".join(groups) if len(groups) <= 3 else f"{len(groups)} groups"
    return [*tiles, {"name": "Samples", "values": [total], "detail": detail}]


def _tile(name: str, values: list[float], texts: list[str], *, points: bool = False) -> dict[str, Any]:
    detail = ""
    if len(values) == 2 and values[0] == values[0] and values[1] == values[1]:
        change = values[1] - values[0]
        text = f"{100 * change:+.1f} points" if points else signed(change)
        detail = f"change {text}".replace("-", "\N{MINUS SIGN}")
    if all(value != value for value in values):
        texts = texts[:1]
    return {"name": name, "values": texts, "detail": detail}


def _rate_plots(report: FairnessReport) -> list[str]:
    figures = []
    for place, key in enumerate(plots.default_rates(report)):
        figure = plots.plot_rates(report, rates=[key], legend=False)
        label = f"{heading(key)} of each group with {', '.join(report.names)}. The table below has the numbers."
        figures.append(to_svg(figure, label=one_line(label, 300), key=f"rate{place}"))
    return figures


def _training_plots(report: FairnessReport) -> list[str]:
    figures: list[str] = []
    groups = list(report.baseline.table.groups)
    for place, (name, history) in enumerate(report.histories.items()):
        by_label: dict[str, list[str]] = {}
        for (label, _), column in share_columns(history).items():
            by_label.setdefault(label, []).append(column)
        for label, columns in by_label.items():
            part = history[[c for c in history.columns if c == "epoch" or c in columns]]
            text = f"Share of the batches by group over the epochs, label {label}, model {name}."
            figure = plots.plot_shares(part, groups=groups, columns=1)
            figures.append(to_svg(figure, label=one_line(text, 300), key=f"share{place}-{len(figures)}"))
    for column, draw in (("gap", plots.plot_gaps), ("loss", plots.plot_losses)):
        if any(column in history for history in report.histories.values()):
            text = f"{column.capitalize()} over the epochs."
            figures.append(to_svg(draw(report.histories), label=text, key=column))
    return figures
