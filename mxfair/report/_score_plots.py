"""Plots of scores by group: ROC curves, calibration, distributions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mxfair._palette import GRID, INK, MUTED, color_of
from mxfair._validation import InputError, one_of
from mxfair.report import _axes
from mxfair.report._format import number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from mxfair.report._report import FairnessReport

__all__ = ["plot_calibration", "plot_roc", "plot_scores"]

#: Points of a curve, bins of a distribution, bins of calibration, groups named and groups drawn in a panel.
_POINTS, _BINS, _CALIBRATION, _NAMED, _DRAWN = 200, 40, 10, 8, 12
#: A bin of calibration that holds fewer samples than this is left out.
_FEWEST = 10
_STYLES = ("-", "--", "-.", ":")


def plot_roc(report: FairnessReport, *, models: Sequence[str] | None = None, columns: int = 2) -> Figure:
    """Plot the ROC curve of each group, a panel per model: groups may differ in how well they are told apart.

    Parameters
    ----------
    report : FairnessReport
        Of a classification, with scores.
    models : sequence of str, optional
        Names of the models. Default: all with scores.
    columns : int, default=2
        Panels side by side.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InputError
        If no model has scores.
    """
    return _panels(report, models, columns, _roc_panel)


def plot_calibration(report: FairnessReport, *, models: Sequence[str] | None = None, columns: int = 2) -> Figure:
    """Plot the share of positives against the mean score in bins, by group, with Wilson intervals; a panel per model.

    Bins with fewer than 10 samples are left out.

    Parameters
    ----------
    report, models, columns
        As for `plot_roc`; scores must be from 0 to 1.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InputError
        If no model has scores, or scores lie outside 0 and 1.
    """
    return _panels(report, models, columns, _calibration_panel)


def plot_scores(report: FairnessReport, *, models: Sequence[str] | None = None, columns: int = 2) -> Figure:
    """Plot how the scores are distributed in each group, a panel per model.

    Parameters
    ----------
    report, models, columns
        As for `plot_roc`.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InputError
        If no model has scores.
    """
    return _panels(report, models, columns, _score_panel)


def scored(report: FairnessReport) -> list[Any]:
    """Return the evaluations that have scores."""
    return [e for e in report.evaluations if getattr(e, "scores", None) is not None]


def calibrated(evaluation: Any) -> bool:
    """Return whether scores may be probabilities."""
    return (evaluation.scores.low, evaluation.scores.high) == (0.0, 1.0)


def _panels(report: FairnessReport, models: Sequence[str] | None, columns: int, draw: Any) -> Figure:
    known = {evaluation.name: evaluation for evaluation in scored(report)}
    if not known:
        raise InputError("'report' must have scores of one positive class; got none. Pass scores= to the evaluation.")
    chosen = list(known.values()) if models is None else [known[one_of(name, known, "models")] for name in models]
    figure, panels = _axes.grid(len(chosen), columns, height=330, left=_axes.TICKS)
    for axes, evaluation in zip(panels, chosen):
        draw(axes, evaluation)
    return figure


def _drawn(evaluation: Any) -> list[int]:
    """Return the places of the groups that are drawn: those with most samples."""
    support = evaluation.table.support
    largest = np.argsort(-support, kind="stable")[:_DRAWN]
    return [int(place) for place in sorted(largest) if support[place] > 0]


def _line(evaluation: Any, place: int) -> dict[str, Any]:
    """Return colour, style and label of a group's line."""
    known = evaluation.table.known[place]
    label = _axes.plain_text(evaluation.table.groups[place], 24) if place < _NAMED else None
    style = _STYLES[place % len(_STYLES)]
    return {"color": color_of(place) if known else MUTED, "linestyle": style, "label": label, "linewidth": 2}


def _frame(axes: Axes, title: str, right: str, below: str) -> None:
    _axes.bare(axes)
    axes.grid(axis="y", color=GRID, linewidth=0.8)
    _axes.title(axes, title, right, indent=_axes.TICKS)
    axes.set_xlabel(below, color=MUTED, fontsize=11, labelpad=2)


def _legend(axes: Axes, where: Any) -> None:
    legend = axes.legend(loc=where, frameon=False, fontsize=11, handlelength=2.4, borderaxespad=0.2)
    for text in legend.get_texts():
        text.set_color(INK)


def _roc_panel(axes: Axes, evaluation: Any) -> None:
    _frame(axes, f"ROC, {_axes.plain_text(evaluation.name, 22)}", "true positive rate", "false positive rate")
    axes.plot([0, 1], [0, 1], color=GRID, linewidth=1.4, zorder=1)
    for place in _drawn(evaluation):
        negative, positive = evaluation.scores.counts[place]
        if not (negative.sum() > 0 and positive.sum() > 0):
            continue
        x, y = (np.append(0.0, np.cumsum(side[::-1]) / side.sum()) for side in (negative, positive))
        kept = np.unique(np.concatenate([np.searchsorted(x + y, np.linspace(0, 2, _POINTS)).clip(0, len(x) - 1), [0]]))
        line = _line(evaluation, place)
        if line["label"]:
            line["label"] += f" {number(float(evaluation.auc_by_group[place]))}"
        axes.plot(x[kept], y[kept], **line)
    axes.set_xlim(0, 1.0)
    axes.set_ylim(0, 1.02)
    if axes.get_legend_handles_labels()[0]:
        _legend(axes, "lower right")


def _calibration_panel(axes: Axes, evaluation: Any) -> None:
    if not calibrated(evaluation):
        raise InputError(
            "Calibration must have probabilities from 0 to 1; got other scores. Apply the sigmoid function."
        )
    name = _axes.plain_text(evaluation.name, 22)
    _frame(axes, f"Calibration, {name}", "share of positives", "mean score")
    axes.plot([0, 1], [0, 1], color=GRID, linewidth=1.4, zorder=1)
    frame = evaluation.scores.reliability_curve(bins=_CALIBRATION)
    for place in _drawn(evaluation):
        part = frame[(frame["group"] == evaluation.table.groups[place]) & (frame["support"] >= _FEWEST)]
        if not len(part):
            continue
        line = _line(evaluation, place)
        x = part["mean score"].to_numpy(float)
        axes.vlines(x, part["interval low"], part["interval high"], color=line["color"], linewidth=1.2, zorder=2)
        axes.plot(x, part["share positive"], marker="o", ms=4.5, zorder=3, **line)
    axes.set_xlim(0, 1.0)
    axes.set_ylim(0, 1.02)
    if axes.get_legend_handles_labels()[0]:
        _legend(axes, "upper left")


def _score_panel(axes: Axes, evaluation: Any) -> None:
    from matplotlib.ticker import MaxNLocator

    scores = evaluation.scores
    _frame(axes, f"Scores, {_axes.plain_text(evaluation.name, 22)}", "share of the group in each bin", "score")
    width = max(1, scores.bins // _BINS)
    starts, top = np.arange(0, scores.bins, width), 0.0
    edges = np.append(scores.edges[starts], scores.edges[-1])
    for place in _drawn(evaluation):
        counts = np.add.reduceat(scores.counts[place].sum(axis=0), starts)
        share = counts / counts.sum()
        top = max(top, float(share.max()))
        axes.plot(edges, np.append(share, share[-1]), drawstyle="steps-post", **_line(evaluation, place))
    axes.set_xlim(scores.low, scores.high)
    axes.set_ylim(0, top * 1.08 or 1.0)
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.3g} %")
    if axes.get_legend_handles_labels()[0]:
        _legend(axes, "upper right")


def floor_text(evaluation: Any) -> str:
    """Return the largest distance between the groups' score distributions beside what chance alone gives."""
    distance = evaluation.scores.ks()
    pair, value = distance.pair(), distance.max()
    if pair is None or math.isnan(value) or distance.floor is None:
        return ""
    a, b = (distance.groups.index(group) for group in pair)
    floor = float(distance.floor[a, b])
    chance = "" if math.isnan(floor) else f" (chance alone gives {number(floor)})"
    return f"{number(value)}, {pair[0]} and {pair[1]}{chance}"
