"""Plots of a report and of a training history. Each returns a matplotlib Figure and leaves pyplot alone."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mxfair._palette import GRID, MUTED, PAPER, color_of
from mxfair._validation import InputError, one_of
from mxfair.report import _axes
from mxfair.report._distribution_plots import plot_distances, plot_predictions, plot_residuals
from mxfair.report._format import UNDEFINED, few, heading, number, samples
from mxfair.report._history import line_columns, share_columns
from mxfair.report._interval_plots import plot_changes, plot_decomposition, plot_front, plot_gap_intervals
from mxfair.report._score_plots import plot_calibration, plot_roc, plot_scores
from mxfair.report._tables import has_auc, shown_classes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from mxfair.report._report import FairnessReport

__all__ = [
    "plot_calibration",
    "plot_changes",
    "plot_decomposition",
    "plot_distances",
    "plot_front",
    "plot_gap_intervals",
    "plot_gaps",
    "plot_losses",
    "plot_predictions",
    "plot_rates",
    "plot_residuals",
    "plot_roc",
    "plot_scores",
    "plot_shares",
]

#: Rates of a binary task that depend on the model.
BINARY_RATES = (
    "selection_rate",
    "true_positive_rate",
    "false_positive_rate",
    "positive_predictive_value",
    "accuracy",
)
#: Figures of a regression that depend on the model and stand in no other plot.
FIGURES = ("mean_prediction", "root_mean_squared_error")
#: Classes that get panels by default: those whose true positive rates differ most.
MAX_CLASSES = 4
_NOTHING = (math.nan, math.nan)
_ROW = 50  # height of a group's row, in points
_MARKERS = ("o", "o", "s", "D", "^", "v", "P", "X")


def plot_rates(
    report: FairnessReport, *, rates: Sequence[str] | None = None, columns: int = 2, legend: bool = True
) -> Figure:
    """Plot rates by group, a panel per rate and a row per group; hollow is the baseline, filled the models after it.

    Parameters
    ----------
    report : FairnessReport
    rates : sequence of str, optional
        Columns of ``report.rates``. Default: those that depend on the model; with several classes, accuracy and the
        true and false positive rates of the classes that differ most; of a regression, mean prediction and RMSE.
    columns : int, default=2
        Panels side by side.
    legend : bool, default=True
        Whether to say above the panels which marker stands for which model.

    Returns
    -------
    matplotlib.figure.Figure
    """
    keys = default_rates(report) if rates is None else [_known_rate(report, rate) for rate in rates]
    n_groups = len(report.baseline.table.groups)
    figure, panels = _axes.grid(len(keys), columns, height=76 + _ROW * (n_groups + 0.25), top=30 if legend else 0)
    if legend:
        _axes.marker_legend(figure, [_axes.plain_text(name, 30) for name in report.names], _styles(report))
    for axes, key in zip(panels, keys):
        _rate_panel(axes, report, key)
    return figure


def default_rates(report: FairnessReport) -> list[str]:
    """Return the rates that `plot_rates` shows."""
    if report.task == "regression":
        return list(FIGURES)
    if report.baseline.positive is not None:
        return [*BINARY_RATES, *(["auc"] if has_auc(report) else [])]
    labels = shown_classes(report, MAX_CLASSES)
    return ["accuracy", *(f"{rate}[{c}]" for c in labels for rate in ("true_positive_rate", "false_positive_rate"))]


def _known_rate(report: FairnessReport, rate: str) -> str:
    return one_of(rate, report.baseline.columns, "rates")


def _styles(report: FairnessReport) -> list[tuple[str, bool]]:
    """Return marker and whether it is filled for each model: hollow before, filled after."""
    single = len(report.names) == 1
    return [(_MARKERS[i % len(_MARKERS)], single or i > 0) for i in range(len(report.names))]


def _rate_panel(axes: Axes, report: FairnessReport, key: str) -> None:
    table = report.baseline.table
    columns = [evaluation.columns[key] for evaluation in report.evaluations]
    values = [values[1:] for values, _ in columns]
    rows = range(1, len(table.groups) + 1)
    ends = [[found.rates.get((key, place), _NOTHING) for place in rows] for found in report.certainties]
    shown = [float(v) for column in values for v in column]
    within = [float(end) for model in ends for interval in model for end in interval]
    digits = report.baseline.digits(key)
    low, high = (
        _axes.figure_limits([*shown, *within], digits)
        if report.task == "regression"
        else _axes.limits([*shown, *within])
    )
    _axes.row_axes(axes, len(table.groups), low, high)
    _axes.title(axes, heading(key), _spread_text(report, key))
    for row, (group, known) in enumerate(zip(table.groups, table.known)):
        places = [float(column[row]) for column in values]
        color = color_of(row) if known else MUTED
        _axes.row_label(axes, row, group, _values_text(report.evaluations, key, row))
        axes.axhline(row, color=GRID, linewidth=1.2, zorder=1)
        defined = [place for place in places if not math.isnan(place)]
        if defined:
            axes.hlines(row, min(defined), max(defined), color=color, linewidth=2.6, zorder=2)
        for place, (marker, filled) in zip(places, _styles(report)):
            if not math.isnan(place):
                face = color if filled else PAPER
                axes.plot(
                    place, row, marker, ms=9, mfc=face, mec=color, mew=2.2, zorder=4 if filled else 3, clip_on=False
                )
        _draw_intervals(axes, [model[row] for model in ends], row, color)


def _draw_intervals(axes: Axes, intervals: Sequence[tuple[float, float]], row: int, color: str) -> None:
    """Draw each model's interval: over its dot, or, of several models, below the row, the first one on top."""
    for place, (low, high) in enumerate(intervals):
        if math.isnan(low) or math.isnan(high):
            continue
        at = row if len(intervals) == 1 else row + 0.2 + 0.09 * min(place, 2)
        thin = 1.4 if place == 0 and len(intervals) > 1 else 2.4
        axes.hlines(at, low, high, color=color, linewidth=thin, zorder=2, clip_on=False)
        axes.plot([low, high], [at, at], linestyle="", marker="|", ms=5, mew=1.4, color=color, zorder=2, clip_on=False)


def _spread_text(report: FairnessReport, key: str) -> str:
    """Return 'gap 0.100 → 0.052': the largest minus the smallest rate of the known groups, by model."""
    gaps = [_spread(evaluation, key) for evaluation in report.evaluations]
    shown = gaps if len(gaps) <= 3 else [gaps[0], gaps[-1]]
    return "gap " + " → ".join(number(gap, digits=report.baseline.digits(key)) for gap in shown)


def _spread(evaluation: Any, key: str) -> float:
    pairs = zip(evaluation.columns[key][0][1:], evaluation.table.known)
    values = [value for value, known in pairs if known and not math.isnan(value)]
    return float(max(values) - min(values)) if len(values) > 1 else math.nan


def _values_text(evaluations: Sequence[Any], key: str, row: int) -> str:
    """Return '0.575 → 0.612', with a dagger on rates of few samples; undefined ones come with the support."""
    cells = [(e.columns[key][0][row + 1], e.columns[key][1][row + 1]) for e in evaluations]
    if all(math.isnan(value) for value, _ in cells):
        return f"{UNDEFINED} ({samples(evaluations[0].support[row])})"
    shown = cells if len(cells) <= 3 else [cells[0], cells[-1]]
    digits = evaluations[0].digits(key)
    text = " → ".join(number(value, digits=digits) + ("†" if few(given) else "") for value, given in shown)
    return text.replace("-", "\N{MINUS SIGN}")


def plot_shares(history: Any, *, groups: Sequence[str] | None = None, columns: int = 2) -> Figure:
    """Plot the share of each (label, group) cell in the batches over the epochs, a panel per label.

    Parameters
    ----------
    history : DataFrame
        With columns epoch and ``share[LABEL, GROUP]``.
    groups : sequence of str, optional
        Order of the groups, so that colours agree with `plot_rates`. Default: as they come.
    columns : int, default=2
        Panels side by side.

    Returns
    -------
    matplotlib.figure.Figure
    """
    shares = share_columns(history)
    if not shares:
        raise InputError(
            "'history' must have columns named share[LABEL, GROUP]; got none. Train with a FairDataLoader."
        )
    order = list(groups) if groups is not None else list(dict.fromkeys(group for _, group in shares))
    labels = list(dict.fromkeys(label for label, _ in shares))
    figure, panels = _axes.grid(len(labels), columns, height=max(230, 80 + 16 * len(order)), left=_axes.TICKS)
    for axes, label in zip(panels, labels):
        _axes.title(axes, f"Share of batches, label {_axes.plain_text(label, 24)}", indent=_axes.TICKS)
        lines = [
            (group, line_columns(history, name), color_of(order.index(group)) if group in order else MUTED)
            for (cell_label, group), name in shares.items()
            if cell_label == label
        ]
        _axes.line_panel(axes, lines)
    return figure


def plot_gaps(history: Any) -> Figure:
    """Plot the gap between groups that steered the training, over the epochs.

    Parameters
    ----------
    history : DataFrame, or mapping of model name to DataFrame
        With columns epoch and gap; models without a gap are left out.

    Returns
    -------
    matplotlib.figure.Figure
    """
    return _lines(history, "gap", "Gap while training")


def plot_losses(history: Any) -> Figure:
    """Plot the loss over the epochs.

    Parameters
    ----------
    history : DataFrame, or mapping of model name to DataFrame
        With columns epoch and loss.

    Returns
    -------
    matplotlib.figure.Figure
    """
    return _lines(history, "loss", "Loss while training")


def _lines(history: Any, column: str, title: str) -> Figure:
    frames = history if isinstance(history, Mapping) else {"": history}
    frames = {name: frame for name, frame in frames.items() if column in frame}
    if not frames:
        raise InputError(f"'history' must have a column {column!r}; got none. Pass the history of a training run.")
    figure, panels = _axes.grid(1, 1, height=230, left=_axes.TICKS)
    _axes.title(panels[0], title, indent=_axes.TICKS)
    places = {name: place for place, name in enumerate(history)} if isinstance(history, Mapping) else {"": 0}
    lines = [(name, line_columns(frame, column), color_of(places[name])) for name, frame in frames.items()]
    _axes.line_panel(panels[0], lines)
    return figure
