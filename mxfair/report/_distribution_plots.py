"""Plots of a report on regression: predictions and residuals by group, and distances beside their noise floor."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mxfair._palette import COLORS, GRID, INK, MUTED, PAPER, color_of
from mxfair._validation import InputError, one_of
from mxfair.report import _axes, _states
from mxfair.report._figure_gaps import DISTANCES, FigureGap, figure_criterion, figure_gap
from mxfair.report._format import few, heading, number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from mxfair.report._report import FairnessReport

__all__ = ["plot_distances", "plot_predictions", "plot_residuals"]

#: The part of the predictions that a panel shows: a few far ones would press the others together.
_SHOWN = (0.005, 0.995)
#: Points of a line that shows a distribution.
_POINTS = 400
_ROW = 46
#: Groups named inside a panel.
_NAMED = 10


def plot_predictions(report: FairnessReport, *, models: Sequence[str] | None = None, columns: int = 2) -> Figure:
    """Plot the distribution of the predictions in each group, a panel per model.

    A line's height is the share of the group that is predicted at most the value below; the bar marks where two
    groups are furthest apart, and its length is the KS distance. The middle 99 % of all predictions are in view.

    Parameters
    ----------
    report : FairnessReport
        Of a regression.
    models : sequence of str, optional
        Names of the models. Default: all.
    columns : int, default=2
        Panels side by side.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InputError
        If the report is of a classification, or has no model of a name.
    """
    chosen = _chosen(report, models)
    figure, panels = _axes.grid(len(chosen), columns, height=330, left=_axes.TICKS)
    ends = [_states.of_predictions(e, _SHOWN) for e in report.evaluations]
    span = _span(ends)
    for axes, evaluation in zip(panels, chosen):
        _distribution_panel(axes, evaluation, span)
    return figure


def plot_residuals(report: FairnessReport, *, models: Sequence[str] | None = None, columns: int = 2) -> Figure:
    """Plot prediction minus label in each group, a panel per model.

    A thick line from quartile to quartile, a thin one over the middle 90 %, a dot at the median and a tick at the mean,
    which is the bias.

    Parameters
    ----------
    report, models, columns
        As for `plot_predictions`.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InputError
        As for `plot_predictions`.
    """
    chosen = _chosen(report, models)
    n_groups = len(report.baseline.table.groups)
    figure, panels = _axes.grid(len(chosen), columns, height=76 + _ROW * (n_groups + 0.25))
    shown = [_quantiles(e) for e in report.evaluations]
    span = _span([values[:, :5] for values in shown] + [np.zeros(1)])
    for axes, evaluation in zip(panels, chosen):
        _residual_panel(axes, evaluation, span)
    return figure


def plot_distances(report: FairnessReport, *, distances: Sequence[str] = DISTANCES, columns: int = 2) -> Figure:
    """Plot the distance between the groups' predictions with each model beside what chance alone gives.

    Parameters
    ----------
    report : FairnessReport
        Of a regression.
    distances : sequence of str, default=("ks_distance", "wasserstein_distance")
        Which ones, a panel each.
    columns : int, default=2
        Panels side by side.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InputError
        If the report is of a classification, or a distance is another one.
    """
    _chosen(report, None)
    names = [one_of(name, DISTANCES, "distances") for name in distances]
    figure, panels = _axes.grid(len(names), columns, height=76 + _ROW * (len(report.names) + 0.25))
    for axes, name in zip(panels, names):
        gaps = [figure_gap(figure_criterion(name), evaluation) for evaluation in report.evaluations]
        _distance_panel(axes, name, report.names, gaps)
    return figure


def _chosen(report: FairnessReport, models: Sequence[str] | None) -> list[Any]:
    if report.task != "regression":
        raise InputError("'report' must be of a regression; got a classification. Use plot_rates.")
    known = dict(zip(report.names, report.evaluations))
    return list(known.values()) if models is None else [known[one_of(name, known, "models")] for name in models]


def _span(arrays: Sequence[np.ndarray]) -> tuple[float, float]:
    """Return the smallest and largest value, so that the panels of several models can be compared."""
    values = np.concatenate([np.ravel(array) for array in arrays])
    values = values[~np.isnan(values)]
    if not len(values):
        return 0.0, 1.0
    low, high = float(values.min()), float(values.max())
    return (low, high) if low < high else (low - 0.5, high + 0.5)


def _distribution_panel(axes: Axes, evaluation: Any, span: tuple[float, float]) -> None:
    from matplotlib.ticker import MaxNLocator

    table = evaluation.table
    _axes.bare(axes)
    axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
    axes.grid(axis="y", color=GRID, linewidth=0.8)
    axes.set_ylim(0, 1.02)
    axes.set_xlim(*span)
    axes.set_yticks([0, 0.25, 0.5, 0.75, 1], ["0", "25 %", "50 %", "75 %", "100 %"])
    axes.set_xlabel("share of the group predicted at most this", color=MUTED, fontsize=11, labelpad=2)
    gap = figure_gap(figure_criterion("ks_distance"), evaluation)
    name = _axes.plain_text(evaluation.name, 22)
    _axes.title(axes, f"Predictions, {name}", _distance_text(gap), indent=_axes.TICKS)
    styles = ("-", "--", "-.", ":")
    for place, (group, known) in enumerate(zip(table.groups, table.known)):
        values, shares = _states.distribution_function(evaluation, place)
        if not len(values):
            continue
        kept = np.unique(np.linspace(0, len(values) - 1, min(len(values), _POINTS)).astype(int))
        x = np.concatenate([[min(span[0], values[0])], values[kept], [max(span[1], values[-1])]])
        y = np.concatenate([[0.0], shares[kept], [1.0]])
        color = color_of(place) if known else MUTED
        label = _axes.plain_text(group, 30) if place < _NAMED else None
        style = styles[place // len(COLORS) % len(styles)]
        axes.plot(x, y, drawstyle="steps-post", color=color, linewidth=2.2, linestyle=style, label=label)
    if gap.largest is not None:
        _mark_distance(axes, evaluation, (gap.largest.high, gap.largest.low))
    legend = axes.legend(loc="lower right", frameon=False, fontsize=11, handlelength=1.4, borderaxespad=0.2)
    for text in legend.get_texts():
        text.set_color(INK)


def _mark_distance(axes: Axes, evaluation: Any, pair: tuple[Any, Any]) -> None:
    """Draw the bar whose length is the KS distance."""
    names = list(evaluation.table.groups)
    functions = [_states.distribution_function(evaluation, names.index(group)) for group in pair]
    points = np.union1d(functions[0][0], functions[1][0])
    shares = [np.append(0.0, y)[np.searchsorted(x, points, side="right")] for x, y in functions]
    place = int(np.abs(shares[0] - shares[1]).argmax())
    ends = sorted(float(share[place]) for share in shares)
    axes.vlines(points[place], ends[0], ends[1], color=INK, linewidth=1.6, zorder=5)
    axes.plot([points[place]] * 2, ends, linestyle="", marker="_", color=INK, ms=9, mew=1.6, zorder=5)


def _distance_text(gap: FigureGap) -> str:
    """Return 'KS 0.525 (chance 0.071)'."""
    if math.isnan(gap.value):
        return ""
    chance = f" ({gap.note})" if gap.note else ""
    return f"KS {number(gap.value)}{'†' if gap.few else ''}{chance}"


def _quantiles(evaluation: Any) -> np.ndarray:
    """Return the quantiles .05, .25, .5, .75, .95 of the residuals and their mean, shape (n_groups, 6)."""
    rows = []
    for place in range(len(evaluation.table.groups)):
        found = _states.of_residuals(evaluation, place, [0.05, 0.25, 0.5, 0.75, 0.95])
        rows.append(np.append(found, evaluation.columns["mean_error"][0][place + 1]))
    return np.array(rows)


def _residual_panel(axes: Axes, evaluation: Any, span: tuple[float, float]) -> None:
    table, digits = evaluation.table, evaluation.digits("mean_error")
    _axes.row_axes(axes, len(table.groups), *span)
    _axes.title(axes, f"Residuals, {_axes.plain_text(evaluation.name, 22)}", "prediction minus label")
    rows = np.arange(len(table.groups))
    axes.vlines(np.zeros(len(rows)), rows - 0.15, rows + 0.3, color=MUTED, linewidth=1.4, zorder=1)
    shown = _quantiles(evaluation)
    errors = evaluation.columns["root_mean_squared_error"][0][1:]
    for row, (group, known) in enumerate(zip(table.groups, table.known)):
        low, quarter, median, three_quarters, high, mean = shown[row]
        color = color_of(row) if known else MUTED
        mark = "†" if few(evaluation.support[row]) else ""
        texts = [f"{word} {number(v, digits=digits)}" for word, v in (("bias", mean), ("RMSE", float(errors[row])))]
        _axes.row_label(axes, row, group, ", ".join(texts).replace("-", "\N{MINUS SIGN}") + mark)
        if math.isnan(mean):
            continue
        axes.hlines(row, low, high, color=color, linewidth=1.6, zorder=2)
        axes.hlines(row, quarter, three_quarters, color=color, linewidth=7, zorder=3)
        axes.plot(median, row, "o", ms=7, mfc=PAPER, mec=color, mew=2, zorder=4)
        axes.plot(mean, row, "|", ms=14, color=INK, mew=1.8, zorder=5)


def _distance_panel(axes: Axes, name: str, models: Sequence[str], gaps: list[FigureGap]) -> None:
    top = max([gap.value for gap in gaps if not math.isnan(gap.value)] or [1.0])
    floors = [gap.floor for gap in gaps if not math.isnan(gap.floor)]
    high = max([top, *floors]) * 1.05 or 1.0
    _axes.row_axes(axes, len(models), 0.0, high)
    unit = "of the predictions" if name == "ks_distance" else "in the label's unit"
    _axes.title(axes, heading(name), f"{unit}; grey: chance alone")
    for row, (model, gap) in enumerate(zip(models, gaps)):
        text = number(gap.value, digits=gap.digits) + ("†" if gap.few else "")
        _axes.row_label(axes, row, model, f"{text} ({gap.note})" if gap.note else text)
        axes.axhline(row, color=GRID, linewidth=1.2, zorder=1)
        if not math.isnan(gap.floor):
            axes.hlines(row, 0, gap.floor, color=MUTED, linewidth=7, alpha=0.55, zorder=2)
        if not math.isnan(gap.value):
            hollow = row == 0 and len(models) > 1
            axes.plot(gap.value, row, "o", ms=9, mfc=PAPER if hollow else INK, mec=INK, mew=2.2, zorder=4)
