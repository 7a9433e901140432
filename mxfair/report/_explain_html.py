"""An explanation as one HTML page: tables and plots, no script, no request to anywhere."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from mxfair._validation import generator
from mxfair.explain import plots
from mxfair.report import _explain_tables as tables
from mxfair.report import _explain_words as words
from mxfair.report._drivers import decimals
from mxfair.report._format import count, number, one_line, percent, signed
from mxfair.report._html import _minus, _shown, environment, version
from mxfair.report._svg import to_svg

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from mxfair.report._explanation import ExplanationReport, ModelExplanation

#: Width of the figures, in inches, and how much larger their text is than in a figure of its own: phones are narrow.
WIDTH, LARGER = 5.6, 1.12
#: Models with figures of their own.
DRAWN = 4
#: Rows and columns with a dot of their own: a picture of more would have to be fetched from inside the page.
DOTS, SWARMS = 250, 8


def to_html(report: ExplanationReport) -> str:
    """Return a complete page."""
    import matplotlib.style

    with matplotlib.style.context("default"):  # the user's style is for the user's figures
        drawn = {name: draw(report) for name, draw in _FIGURES.items()}
    drawn = {name: _beside(found) if name in _BY_MODEL else found for name, found in drawn.items()}
    return str(environment().get_template("explain.html.j2").render(**_content(report), drawn=drawn))


def _beside(of_models: list[list[str]]) -> list[str]:
    """Return figures in rows in which each model has one: two models stand side by side."""
    return [figure for row in itertools.zip_longest(*of_models) for figure in row if figure is not None]


def _content(report: ExplanationReport) -> dict[str, Any]:
    said = {
        name: list(map(_minus, getattr(words, name)(report)))
        for name in ("gaps", "changes", "by_label", "proxies", "importances", "seen")
    }
    seen = [tables.seen_table(model) for model in report.models if not words.same_seen(model)]
    context = {**words.method(report), **report.context}
    return {
        "title": one_line(report.title, 300),
        "sentence": _minus(report.sentence),
        "tiles": _tiles(report),
        "said": said,
        "gap_table": tables.gap_table(report),
        "label_tables": tables.label_tables(report),
        "proxy_table": tables.proxy_table(report),
        "importance_tables": [tables.importance_table(model) for model in report.models],
        "seen_tables": [table for table in seen if table is not None],
        "notes": [one_line(note, 1000) for note in report.notes],
        "limits": words.LIMITS,
        "context": {one_line(key, 200): one_line(_shown(value), 2000) for key, value in context.items()},
        "version": version(),
    }


def _tiles(report: ExplanationReport) -> list[dict[str, Any]]:
    """Return the figures at the top: the gap, that between decisions, and whose rows they are of."""
    parts = [model.gap.part for model in report.models]
    digits = min(decimals([parts[0].gap]), 3)
    output = one_line(report.models[0].gap.output_name, 40)
    tiles = [_tile(f"Gap in the {output}", [signed(part.gap, digits=digits) for part in parts])]
    tiles.append(_tile("In standard deviations", [number(part.standardized, digits=2) for part in parts]))
    if not math.isnan(parts[0].rate_gap):
        rates = [percent(part.rate_gap) if part.rate_gap == part.rate_gap else "n/a" for part in parts]
        tiles.append(_tile("Gap in selection rates", rates))
    groups = [f"{one_line(n, 24)} {count(int(c))}" for n, c in zip(report.groups.names, report.groups.counts) if c]
    detail = ", ".join(groups) if len(groups) <= 3 else f"{len(groups)} groups"
    return [*tiles, {"name": "Rows explained", "values": [count(len(report.groups))], "detail": detail}]


def _tile(name: str, values: list[str]) -> dict[str, Any]:
    return {"name": name, "values": [value.replace("-", "\N{MINUS SIGN}") for value in values], "detail": ""}


def _svg(figure: Figure, title: str, label: str, key: str) -> str:
    """Return a figure of an explanation in the page's width, without pictures inside."""
    from matplotlib.collections import QuadMesh
    from matplotlib.text import Text

    figure.set_size_inches(WIDTH, float(figure.get_size_inches()[1]) * LARGER)
    texts: list[Any] = figure.findobj(Text)
    for text in texts:
        text.set_fontsize(text.get_fontsize() * LARGER)
    for mesh in figure.findobj(QuadMesh):
        mesh.set_rasterized(False)
    return to_svg(figure, title=title, label=label, key=f"explain-{key}")


def _gaps(report: ExplanationReport) -> list[str]:
    """Return a waterfall of each model."""
    from mxfair.explain._drawing import plain_text

    found = []
    for place, model in enumerate(report.models[:DRAWN]):
        axes, part = plots.gap(model.gap), model.gap.part
        value = _minus(signed(part.gap, digits=decimals([part.gap])))
        axes.set_title(_title(model, value), loc="left", fontsize=12, fontweight="bold")
        axes.set_title("", loc="right")
        axes.set_xlabel(plain_text(f"mean {model.gap.output_name}", 48), fontsize=10)  # the names may be long
        title = f"{one_line(model.name, 40)}: {one_line(part.group, 40)} minus {one_line(part.against, 40)}"
        text = f"{title}, {value}. A step for each column, with intervals, from one group's mean to the other's."
        figure: Any = axes.figure
        found.append(_svg(figure, title, text, f"gap{place}"))
    return found


def _title(model: ModelExplanation, title: str) -> str:
    from mxfair.explain._drawing import plain_text

    return f"{plain_text(model.name)}: {title}"


def _changes(report: ExplanationReport) -> list[str]:
    """Return the contributions before and after, of models with the same columns."""
    found = []
    for place, comparison in enumerate(report.comparisons[: DRAWN - 1]):
        if comparison.after.columns != report.models[0].gap.columns:
            continue  # a step's column, in which all of the change is
        title = f"{one_line(comparison.names[0], 40)} and {one_line(comparison.names[1], 40)}"
        axes = plots.gap_comparison(comparison)
        axes.set_title("", loc="left")  # the table says it
        axes.set_xlabel("contribution to the gap", fontsize=10)
        figure: Any = axes.figure
        text = f"Contributions to the gap of {title}, with intervals. The table below has the numbers."
        found.append(_svg(figure, title, text, f"change{place}"))
    return found


def _proxies(report: ExplanationReport) -> list[str]:
    """Return how well columns tell the group against what they contribute."""
    if report.proxies is None:
        return []
    figure: Any = plots.proxies(report.proxies).figure
    text = "Each column by how well it tells the groups apart and what it contributes to the gap; proxies are filled."
    return [_svg(figure, "Proxies", text, "proxies")]


def _importances(report: ExplanationReport) -> list[list[str]]:
    """Return bars of each figure, for each model."""
    found = []
    for place, model in enumerate(report.models[:DRAWN]):
        row = []
        for at, metric in enumerate(model.importance.metrics):
            figure = plots.importance(model.importance, metrics=[metric], top=10)
            axes = figure.axes[0]
            right = axes.get_title(loc="right")
            axes.set_title(_title(model, axes.get_title(loc="left")), loc="left", fontsize=12, fontweight="bold")
            text = f"Importance of columns for {metric} of {model.name}, {right}. The table below has the numbers."
            row.append(_svg(figure, f"Importance for {metric}", text, f"importance{place}-{at}"))
        found.append(row)
    return found


def _legend_above(axes: Any) -> None:
    """Move a legend off the bars."""
    from mxfair.explain._drawing import legend

    if axes.get_legend() is not None:
        handles = axes.get_legend_handles_labels()[0]
        axes.get_legend().remove()
        legend(axes.figure, handles, loc="outside upper left", ncols=min(4, len(handles)))


def _curves(report: ExplanationReport) -> list[list[str]]:
    """Return curves by group, for each model."""
    found = []
    for place, model in enumerate(report.models[:DRAWN]):
        row = []
        for at, curve in enumerate(model.dependence):
            figure = plots.partial_dependence(curve)
            axes = figure.axes[0]
            axes.set_title(_title(model, axes.get_title(loc="left")), loc="left", fontsize=12, fontweight="bold")
            text = f"Mean {curve.output_name} of {model.name} over {curve.features[0]}, a line for each group."
            row.append(_svg(figure, f"Dependence on {one_line(curve.features[0], 60)}", text, f"curve{place}-{at}"))
        found.append(row)
    return found


def _rows(report: ExplanationReport) -> list[list[str]]:
    """Return contributions row by row, and their means by group, for each model."""
    found = []
    for place, model in enumerate(report.models[:DRAWN]):
        row, n = [], len(model.attribution)
        some = model.attribution.take(np.sort(generator(0).choice(n, min(DOTS, n), replace=False)))
        for kind, axes, text in (
            ("beeswarm", plots.beeswarm(some, top=SWARMS), f"a dot for each of {len(some)} rows"),
            ("groups", plots.by_group(model.attribution, report.groups, top=8, signed=True), "means by group"),
        ):
            axes.set_title(
                _title(model, axes.get_title(loc="left").lower()), loc="left", fontsize=12, fontweight="bold"
            )
            axes.set_title("", loc="right")
            figure: Any = axes.figure
            _legend_above(axes)
            label = f"Contributions of columns to the {model.gap.output_name} of {model.name}, {text}."
            row.append(_svg(figure, f"Contributions, {text}", label, f"{kind}{place}"))
        found.append(row)
    return found


#: Figures of which each model has its own.
_BY_MODEL = ("importances", "curves", "rows")
_FIGURES: dict[str, Any] = {
    "gaps": _gaps,
    "changes": _changes,
    "proxies": _proxies,
    "importances": _importances,
    "curves": _curves,
    "rows": _rows,
}
