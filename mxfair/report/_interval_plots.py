"""Plots of gaps with their intervals, of what changed, of models along a front, and of what drives a gap."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mxfair._palette import COLORS, GRID, INK, MUTED, PAPER
from mxfair._validation import InputError, one_of
from mxfair.report import _axes
from mxfair.report._drivers import decimals, explanation_title, largest_rows
from mxfair.report._format import NOT_ENOUGH, interval_text, number, signed, signed_interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from mxfair.report._report import FairnessReport

__all__ = ["plot_changes", "plot_decomposition", "plot_front", "plot_gap_intervals"]

_ROW = 44
_MARKERS = ("o", "o", "s", "D", "^", "v", "P", "X")
#: Columns of a decomposition with a bar of their own.
_BARS = 10


def plot_gap_intervals(report: FairnessReport, *, criteria: Sequence[str] | None = None, columns: int = 2) -> Figure:
    """Plot each criterion's gap with its 95 % interval, a panel per criterion and a row per model.

    All panels have the same scale.

    Parameters
    ----------
    report : FairnessReport
        Of a classification.
    criteria : sequence of str, optional
        Names of the criteria. Default: all of the report.
    columns : int, default=2
        Panels side by side.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InputError
        If the report is of a regression, whose gaps have different units.
    """
    if report.task == "regression":
        raise InputError("'report' must be of a classification; gaps of a regression have different units.")
    rows = {
        name: [(model, gap.value, gap.interval) for model, gap in zip(report.names, gaps)]
        for name, gaps in report.gap_rows.items()
    }
    return _panels(rows, criteria, columns, change=False)


def plot_changes(report: FairnessReport, *, criteria: Sequence[str] | None = None, columns: int = 2) -> Figure:
    """Plot how much each criterion's gap changed against the baseline, with the 95 % interval of the change.

    Parameters
    ----------
    report : FairnessReport
        Of a classification, of at least two models.
    criteria, columns
        As for `plot_gap_intervals`.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InputError
        If there is one model, or the report is of a regression.
    """
    if report.task == "regression" or len(report.names) < 2:
        raise InputError("'report' must be of a classification with two models or more. Join reports with beside().")
    rows = {
        name: [
            (model, gap.value - gaps[0].value, change.gaps.get(name, (math.nan, math.nan)))
            for model, gap, change in zip(report.names[1:], gaps[1:], report.changes)
        ]
        for name, gaps in report.gap_rows.items()
    }
    return _panels(rows, criteria, columns, change=True)


def _panels(rows: dict[str, list[Any]], criteria: Sequence[str] | None, columns: int, *, change: bool) -> Figure:
    """Draw a panel per criterion; a row is a model's name, a value and its interval."""
    names = list(rows) if criteria is None else [one_of(name, rows, "criteria") for name in criteria]
    ends = [end for found in rows.values() for _, value, span in found for end in (value, *span) if not math.isnan(end)]
    limits = min([*ends, 0.0]), max([*ends, 0.05])
    n_models = max(len(found) for found in rows.values())
    figure, panels = _axes.grid(len(names), columns, height=76 + _ROW * (n_models + 0.25))
    for axes, name in zip(panels, names):
        _interval_panel(axes, name, rows[name], limits, change=change)
    return figure


def _interval_panel(axes: Axes, name: str, rows: list[Any], limits: tuple[float, float], *, change: bool) -> None:
    """Draw a row per model: its name and figure above the line, a dot and its interval on it, a line at parity."""
    _axes.row_axes(axes, len(rows), *limits)
    _axes.title(axes, _axes.plain_text(name, 30), "change, 95 % interval" if change else "gap, 95 % interval")
    at = np.arange(len(rows))
    axes.vlines(np.zeros(len(rows)), at - 0.12, at + 0.3, color=MUTED, linewidth=1.6, zorder=1)
    figure, span = (signed, signed_interval) if change else (number, interval_text)
    for row, (model, value, interval) in enumerate(rows):
        within = span(interval)
        text = figure(value, NOT_ENOUGH) + (f" ({within})" if within else "")
        _axes.row_label(axes, row, model, text.replace("-", "\N{MINUS SIGN}"))
        axes.axhline(row, color=GRID, linewidth=1.2, zorder=0)
        if within:
            axes.hlines(row, *interval, color=INK, linewidth=2.4, zorder=2, clip_on=False)
            axes.plot(interval, [row, row], linestyle="", marker="|", ms=9, mew=2, color=INK, zorder=2, clip_on=False)
        if not math.isnan(value):
            order = row + 1 if change else row
            hollow = order == 0 and len(rows) > 1
            marker = _MARKERS[order % len(_MARKERS)]
            axes.plot(value, row, marker, ms=8.5, mfc=PAPER if hollow else INK, mec=INK, mew=2, zorder=3, clip_on=False)


def plot_front(report: FairnessReport) -> Figure:
    """Plot the report's models, and those of its front, by the gap of its criterion and accuracy, with intervals.

    Parameters
    ----------
    report : FairnessReport
        Of a classification.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InputError
        If the report is of a regression.
    """
    from matplotlib.ticker import MaxNLocator

    if report.task == "regression":
        raise InputError("'report' must be of a classification; got a regression.")
    figure, panels = _axes.grid(1, 1, height=330, left=52)
    axes = panels[0]
    _axes.bare(axes)
    axes.grid(axis="y", color=GRID, linewidth=0.8)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.4g} %")
    axes.margins(0.12)
    _axes.title(axes, "Accuracy and gap", "best: top left", indent=52)
    axes.set_xlabel(f"{_axes.plain_text(report.criterion.name, 40)} gap", color=MUTED, fontsize=11, labelpad=2)
    if report.front:
        points = sorted((row["gap"], row["accuracy"]) for row in report.front)
        axes.plot(*zip(*points), "-", color=MUTED, linewidth=1.4, marker=".", ms=7, zorder=1)
    gaps = report.gap_rows[report.criterion.name]
    for place, (e, gap, found) in enumerate(zip(report.evaluations, gaps, report.certainties)):
        if math.isnan(gap.value):
            continue
        hollow, color = place == 0 and len(gaps) > 1, COLORS[place % len(COLORS)]
        if not math.isnan(gap.interval[0]):
            axes.hlines(e.accuracy, *gap.interval, color=color, linewidth=1.6, zorder=2)
        ends = found.rates.get(("accuracy", 0), (math.nan, math.nan))
        if not math.isnan(ends[0]):
            axes.vlines(gap.value, *ends, color=color, linewidth=1.6, zorder=2)
        marker = _MARKERS[place % len(_MARKERS)]
        axes.plot(gap.value, e.accuracy, marker, ms=9, mfc=PAPER if hollow else color, mec=color, mew=2.2, zorder=3)
        where: dict[str, Any] = {"textcoords": "offset points", "usetex": False, "annotation_clip": False}
        axes.annotate(_axes.plain_text(e.name, 20), (gap.value, e.accuracy), (8, 8), color=INK, fontsize=11, **where)
    return figure


def plot_decomposition(explanation: dict[str, Any], *, part: int = 0, top: int = _BARS) -> Figure:
    """Plot what each column contributes to a gap, or how important it is, with intervals.

    Parameters
    ----------
    explanation : dict
        One of a report's `explanations`.
    part : int, default=0
        Which of its parts.
    top : int, default=10
        Columns with a bar of their own, those of the largest contributions; the others are one bar.

    Returns
    -------
    matplotlib.figure.Figure
    """
    chosen = explanation["parts"][part]
    rows = largest_rows(chosen["rows"], top, sums=explanation["kind"] == "decomposition")
    figure, panels = _axes.grid(1, 1, height=76 + 36 * (len(rows) + 0.25))
    axes = panels[0]
    ends = [end for row in rows for end in (row["low"], row["high"], row["contribution"], 0.0) if not math.isnan(end)]
    _axes.row_axes(axes, len(rows), min(ends), max([*ends, min(ends) + 1e-12]))
    axes.set_ylim(len(rows) - 0.4, -0.8)
    title, right = explanation_title(explanation, chosen)
    _axes.title(axes, _axes.plain_text(title, 40), _axes.plain_text(right, 20) if right else "")
    middle = np.arange(len(rows))
    axes.vlines(np.zeros(len(rows)), middle - 0.2, middle + 0.3, color=MUTED, linewidth=1.4, zorder=1)
    digits = decimals([row["contribution"] for row in rows])
    for at, row in enumerate(rows):
        value = row["contribution"]
        span = signed_interval((row["low"], row["high"]), digits)
        text = signed(value, digits=digits) + (f" ({span})" if span else "")
        _axes.row_label(axes, at, row["column"], text.replace("-", "\N{MINUS SIGN}"))
        axes.axhline(at, color=GRID, linewidth=1, zorder=0)
        if not math.isnan(value):
            color = MUTED if row["column"].startswith("(") else COLORS[0] if value >= 0 else COLORS[1]
            axes.hlines(at, 0, value, color=color, linewidth=8, zorder=2)
        if span:
            axes.hlines(at, row["low"], row["high"], color=INK, linewidth=1.6, zorder=3)
            axes.plot([row["low"], row["high"]], [at, at], linestyle="", marker="|", ms=8, mew=1.6, color=INK, zorder=3)
    return figure
