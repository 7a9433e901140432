"""Plots of contributions: sizes, one dot per row, by group, and of one row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mxfair._palette import GRID, INK, MUTED, PAPER, color_of
from mxfair._validation import InputError, positive_integer
from mxfair.explain import _drawing
from mxfair.explain._drawing import plain_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from mxfair.explain.attribution import Attribution

__all__ = ["bar", "beeswarm", "by_group", "waterfall"]

#: Dots of a beeswarm's row at most; more look alike and make the picture large.
MAX_DOTS = 4000
LOW, HIGH = "#0f7fc4", "#d55e00"
REST = "{} more columns"
_UNDER = {"facecolor": PAPER, "edgecolor": "none", "pad": 0.8}


def bar(attribution: Attribution, *, top: int = 12, ax: Axes | None = None) -> Axes:
    """Plot how much each raw column moves the output: the mean size of its contributions, with 95 % of its error.

    Parameters
    ----------
    attribution : Attribution
        Of a table; features are summed by raw column.
    top : int, default=12
        Columns shown, the largest.
    ax : matplotlib Axes, optional
        Default: those of a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    InputError
        If the attribution is one of images.
    """
    table = attribution.importance().head(positive_integer(top, "top"))
    axes = _drawing.axes_or_new(ax, height=1.3 + 0.32 * len(table))
    places = np.arange(len(table))
    axes.barh(places, table["mean_absolute"], height=0.62, color=color_of(0))
    _error_lines(axes, places, table["mean_absolute"], table["standard_error"])
    _rows(axes, list(table.index))
    _drawing.title(axes, "Mean size of contributions", right=_rest(attribution, len(table)))
    axes.set_xlabel(f"mean |contribution| to the {plain_text(attribution.output_name)}", color=MUTED, fontsize=10)
    axes.set_xlim(left=0)
    return axes


def beeswarm(
    attribution: Attribution, *, top: int = 12, data: Any = None, seed: Any = 0, ax: Axes | None = None
) -> Axes:
    """Plot a dot for each row and raw column: right raises the output; the colour is the column's value in that row.

    Dots are spread where many lie. Values that are no numbers, or missing, are grey.

    Parameters
    ----------
    attribution : Attribution
        Of a table; features are summed by raw column.
    top : int, default=12
        Columns shown, those of the largest mean size.
    data : data frame, optional
        The rows before encoding, whose values give the colours; see `Attribution.grouped`.
    seed : int or numpy Generator, default=0
        Chooses the rows shown where there are more than 4,000.
    ax : matplotlib Axes, optional
        Default: those of a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    InputError
        If the attribution is one of images.
    """
    from mxfair._validation import generator

    if len(attribution) > MAX_DOTS:
        rows = np.sort(generator(seed).choice(len(attribution), MAX_DOTS, replace=False))
        data = None if data is None else data.iloc[rows]
        attribution = attribution.take(rows)
    grouped = attribution.grouped(data)
    names = list(grouped.importance().index[: positive_integer(top, "top")])
    axes = _drawing.axes_or_new(ax, width=7.2, height=1.5 + 0.42 * len(names))
    axes.axvline(0, color=MUTED, linewidth=1, zorder=1)
    span = float(np.ptp(grouped.values)) or 1.0
    size = float(np.clip(2400 / len(grouped), 5, 18))
    for row, name in enumerate(names):
        j = grouped.feature_names.index(name)
        values, rank = grouped.values[:, j], _ranks(_column(grouped.data, j))
        height = row + 0.4 * _spread(values, span)
        known = ~np.isnan(rank)
        for chosen, color in ((~known, MUTED), (known, rank[known])):
            style = {"c": color, "cmap": _colours(), "vmin": 0, "vmax": 1} if chosen is known else {"color": color}
            axes.scatter(values[chosen], height[chosen], s=size, linewidths=0, alpha=0.85, zorder=2, **style)
    _rows(axes, names)
    _drawing.title(axes, "Contributions of each row", right=_rest(attribution, len(names)))
    axes.set_xlabel(f"contribution to the {plain_text(attribution.output_name)}", color=MUTED, fontsize=10)
    _colour_bar(axes)
    return axes


def by_group(
    attribution: Attribution, groups: Any, *, top: int = 10, signed: bool = False, ax: Axes | None = None
) -> Axes:
    """Plot the mean size of contributions of each raw column, a bar per group, with 95 % of its error.

    Parameters
    ----------
    attribution : Attribution
        Of a table; features are summed by raw column.
    groups : array of shape (n_samples,), data frame or Groups
        See `mxfair.Groups`. Groups without rows are left out.
    top : int, default=10
        Columns shown: those of the largest bar.
    signed : bool, default=False
        Show mean contributions with their sign: what raises the outputs of one group and lowers those of another.
    ax : matplotlib Axes, optional
        Default: those of a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    InputError
        If the attribution is one of images, or there is not one group per row.
    """
    key = "mean" if signed else "mean_absolute"
    table = attribution.by_group(groups)
    import pandas as pd

    names = list(dict.fromkeys(table.index.get_level_values(0)))
    value, error = (
        pd.DataFrame({name: table.loc[name, column] for name in names}) for column in (key, f"{key}_standard_error")
    )
    value = value.loc[:, value.notna().any()]
    order = value.abs().max(axis=1).sort_values(ascending=False, kind="stable").index[: positive_integer(top, "top")]
    value, error = value.loc[order], error.loc[order]
    n_groups = value.shape[1]
    axes = _drawing.axes_or_new(ax, height=1.5 + len(order) * (0.16 + 0.17 * n_groups))
    width = 0.8 / n_groups
    for i, name in enumerate(value.columns):
        places = np.arange(len(order)) + (i - (n_groups - 1) / 2) * width
        color = MUTED if name == "unknown" else color_of(i)
        axes.barh(places, value[name], height=width * 0.9, color=color, label=plain_text(name))
        _error_lines(axes, places, value[name], error[name])
    _rows(axes, list(order))
    if signed:
        axes.axvline(0, color=MUTED, linewidth=1)
    else:
        axes.set_xlim(left=0)
    what = "Mean contributions" if signed else "Mean size of contributions"
    _drawing.title(axes, f"{what} by group")
    symbol = "contribution" if signed else "|contribution|"
    axes.set_xlabel(f"mean {symbol} to the {plain_text(attribution.output_name)}", color=MUTED, fontsize=10)
    handles = axes.get_legend_handles_labels()[0]
    _drawing.legend(axes, handles, loc="lower right")
    return axes


def waterfall(attribution: Attribution, row: int, *, top: int = 9, data: Any = None, ax: Axes | None = None) -> Axes:
    """Plot how the contributions of one row lead from the background's mean to the row's output.

    Parameters
    ----------
    attribution : Attribution
        Of a table; features are summed by raw column.
    row : int
        Which row, from 0.
    top : int, default=9
        Columns shown by themselves, the largest contributions; the others are one bar.
    data : data frame, optional
        The rows before encoding, whose values are written beside the names; see `Attribution.grouped`.
    ax : matplotlib Axes, optional
        Default: those of a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    InputError
        If the attribution is one of images, or there is no such row.
    """
    positive_integer(row, "row", minimum=0)
    if row >= len(attribution):
        raise InputError(f"'row' must be below {len(attribution)}, the number of rows; got {row}.")
    one = attribution.grouped(data).take([row])
    values, base, output = one.values[0], float(one.base_values[0]), float(one.outputs[0])
    if np.isnan(base):
        raise InputError(f"'attribution' must add up for a waterfall; {one.method} does not. Use expected_gradients.")
    order = np.argsort(-np.abs(values), kind="stable")
    kept = order if len(order) <= positive_integer(top, "top") + 1 else order[:top]
    steps = [float(values[j]) for j in kept]
    names = [_with_value(one, j) for j in kept]
    if len(kept) < len(order):
        steps.append(float(values[order[len(kept) :]].sum()))
        names.append(REST.format(len(order) - len(kept)))
    axes = _drawing.axes_or_new(ax, width=7.4, height=1.6 + 0.36 * len(steps))
    ends = base + np.cumsum(steps)
    starts = ends - steps
    span = max(float(ends.max()), base, output) - min(float(ends.min()), base, output) or 1.0
    for place, (start, step) in enumerate(zip(starts, steps)):
        axes.barh(place, step, left=start, height=0.62, color=HIGH if step >= 0 else LOW, zorder=2)
        if place + 1 < len(steps):
            axes.vlines(start + step, place, place + 1, color=MUTED, linewidth=0.9, zorder=1)
        right = start + max(step, 0) + 0.012 * span
        axes.annotate(
            f"{step:+.2f}".replace("-", "\N{MINUS SIGN}"), (right, place), va="center", fontsize=10, color=INK
        )
    axes.axvline(base, color=MUTED, linewidth=1, linestyle=":", zorder=1)
    axes.axvline(output, color=INK, linewidth=1, linestyle=":", zorder=1)
    _rows(axes, names, limit=40)
    low, high = min(float(ends.min()), base, output), max(float(ends.max()), base, output)
    axes.set_xlim(low - 0.06 * span, high + 0.14 * span)
    _drawing.title(axes, f"Row {row}", right=f"background {base:.2f} → {output:.2f}".replace("-", "\N{MINUS SIGN}"))
    axes.set_xlabel(plain_text(attribution.output_name), color=MUTED, fontsize=10)
    return axes


def _rows(axes: Axes, names: list[str], limit: int = _drawing.LABEL) -> None:
    """Set up an axes with a row per name, the first one on top."""
    _drawing.bare(axes)
    axes.set_yticks(range(len(names)), [plain_text(name, limit) for name in names])
    axes.tick_params(axis="y", colors=INK, labelsize=10.5)
    axes.set_ylim(len(names) - 0.4, -0.6)


def _error_lines(axes: Axes, places: Any, values: Any, errors: Any) -> None:
    reach = 1.96 * np.asarray(errors, dtype=float)
    values = np.asarray(values, dtype=float)
    axes.hlines(places, values - reach, values + reach, color=INK, linewidth=1.4, zorder=3)


def _rest(attribution: Attribution, shown: int) -> str:
    total = len(attribution._tabular().names)
    return f"{shown} of {total} columns" if shown < total else ""


def _column(data: Any, j: int) -> np.ndarray:
    """Return a column's values as numbers; NaN where they are none."""
    import pandas as pd

    column = pd.Series(data.iloc[:, j] if hasattr(data, "iloc") else data[:, j])
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype(object)
    return pd.to_numeric(column, errors="coerce").to_numpy(dtype=float, na_value=np.nan)


def _ranks(values: np.ndarray) -> np.ndarray:
    """Return numbers from 0 to 1, with the 5th and 95th percentile at the ends; missing values stay NaN."""
    known = values[np.isfinite(values)]
    if not len(known):
        return np.full(len(values), np.nan)
    low, high = np.percentile(known, (5, 95))
    if low == high:
        low, high = known.min(), known.max()
    return np.clip((values - low) / (high - low), 0, 1) if high > low else np.where(np.isnan(values), np.nan, 0.5)


def _spread(values: np.ndarray, span: float) -> np.ndarray:
    """Return heights from -1 to 1: dots in the same bin are stacked to both sides, fuller bins higher."""
    bins = np.floor((values - values.min()) / span * 120).astype(np.int64)
    order = np.argsort(bins, kind="stable")
    counts = np.bincount(bins)
    first = np.cumsum(counts) - counts
    place = np.empty(len(values))
    place[order] = np.arange(len(values)) - first[bins[order]]
    side = np.where(place % 2 == 0, 1, -1) * np.ceil(place / 2)
    return side / max(20.0, counts.max() / 2)


def _colours() -> Any:
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("low to high", [LOW, "#b9a5b6", HIGH])


def _colour_bar(axes: Axes) -> None:
    from matplotlib.cm import ScalarMappable

    figure: Any = axes.get_figure()
    made = figure.colorbar(ScalarMappable(cmap=_colours()), ax=axes, aspect=30, pad=0.02, ticks=[0, 1])
    made.ax.set_yticklabels(["low", "high"], color=MUTED, fontsize=10)
    made.ax.tick_params(length=0)
    made.set_label("value of the column", color=MUTED, fontsize=10, labelpad=-14)
    made.outline.set_edgecolor(GRID)


def _with_value(one: Attribution, j: int) -> str:
    """Return 'age = 52'; the name alone where the value is not known."""
    name = one.feature_names[j]
    value = one.data.iloc[0, j] if hasattr(one.data, "iloc") else one.data[0, j]
    if value is None or (isinstance(value, (float, np.floating)) and np.isnan(value)):
        return name
    return f"{name} = {value:.3g}" if isinstance(value, (float, np.floating)) else f"{name} = {value}"
