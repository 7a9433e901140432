"""Plots of a decomposed gap: a waterfall, before and after, and proxies."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from mxfair._palette import GRID, INK, MUTED, PAPER, color_of
from mxfair._validation import InputError, positive_integer
from mxfair.explain import _drawing as drawing
from mxfair.explain.comparison import GapComparison
from mxfair.explain.decomposition import GapDecomposition
from mxfair.explain.gap_part import GAP, GapPart

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

__all__ = ["gap", "gap_comparison", "proxies"]

#: Colours of what widens the gap and of what narrows it, and of what is no column.
WIDENS, NARROWS, NEITHER = color_of(1), color_of(0), MUTED
ROW = 0.34  # inches
#: Contributions that are a smaller part of the largest lie too close together to be named.
NAMED = 0.05


def gap(decomposition: GapDecomposition | GapPart, *, top: int = 8, ax: Axes | None = None) -> Axes:
    """Plot a gap as a waterfall: from one group's mean output to the other's, a step per column, with intervals.

    Parameters
    ----------
    decomposition : GapDecomposition or GapPart
        One gap: choose one of ``.parts`` where there are several.
    top : int, default=8
        Columns with a step of their own.
    ax : matplotlib.axes.Axes, optional
        Default: those of a new figure.

    Returns
    -------
    matplotlib.axes.Axes
    """
    part = decomposition.part if isinstance(decomposition, GapDecomposition) else decomposition
    what = decomposition.output_name if isinstance(decomposition, GapDecomposition) else "output"
    table = part.to_frame(positive_integer(top, "top")).drop(GAP)
    axes = drawing.axes_or_new(ax, width=7.2, height=1.5 + ROW * (len(table) + 2))
    ends = part.means[1] + np.cumsum(table["contribution"].to_numpy())
    starts = np.r_[part.means[1], ends[:-1]]
    sign = math.copysign(1.0, part.gap)
    for place, (name, row) in enumerate(table.iterrows(), start=1):
        widens = sign * row["contribution"] > 0
        color = NEITHER if str(name).startswith("(") else WIDENS if widens else NARROWS
        start, end = starts[place - 1], ends[place - 1]
        axes.barh(place, end - start, left=start, height=0.62, color=color, zorder=3)
        margin = (row["high"] - row["low"]) / 2
        axes.errorbar(end, place, xerr=margin, color=INK, elinewidth=1.3, capsize=2.5, zorder=4)
        axes.plot([end, end], [place, place + 1], color=MUTED, linewidth=0.8, zorder=2)
    axes.plot([part.means[1]] * 2, [0, 1], color=MUTED, linewidth=0.8, zorder=2)
    last = len(table) + 1
    for place, mean in ((0, part.means[1]), (last, part.means[0])):
        axes.plot(mean, place, "D", color=INK, markersize=7, zorder=5)
    names = [_text(name) for name in table.index]
    names = [f"mean, {_text(part.against)}", *names, f"mean, {_text(part.group)}"]
    digits = _digits(max(abs(part.gap), float(table["contribution"].abs().max())))
    steps = [_number(value, digits) for value in table["contribution"]]
    _beside(axes, [_number(part.means[1], digits, ""), *steps, _number(part.means[0], digits, "")])
    _rows(axes, names)
    axes.set_xlabel(_label(what, part), color=MUTED, fontsize=10)
    heading = f"{_text(part.group)} minus {_text(part.against)}: {_number(part.gap, digits)}"
    drawing.title(axes, heading, right=_rates(part))
    return axes


def _text(name: object) -> str:
    return drawing.plain_text(name)


def _number(value: float, digits: int, sign: str = "+") -> str:
    """Return a number with fixed digits and, if asked, its sign, as typography has it."""
    shown = round(value, digits) + 0.0  # no negative 0
    return f"{shown:{sign if shown else ''}.{digits}f}".replace("-", "\N{MINUS SIGN}")


def _digits(size: float) -> int:
    """Return how many digits behind the point tell hundredths of a size apart."""
    return min(max(2 - math.floor(math.log10(size)), 0), 6) if size > 0 and math.isfinite(size) else 2


def _label(what: str, part: GapPart) -> str:
    where = "" if part.condition == "all" else f", {part.condition}"
    return drawing.plain_text(f"mean {what}{where}; lines are {part.level:.0%} intervals", 90)


def _rates(part: GapPart) -> str:
    if math.isnan(part.rate_gap):
        return ""
    return f"selection rates {part.rates[0]:.3f} and {part.rates[1]:.3f}"


def _rows(axes: Axes, names: list[str]) -> None:
    """Set up a row per name, the first one on top."""
    drawing.bare(axes)
    axes.set_yticks(range(len(names)), names, color=INK, fontsize=10)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.use_sticky_edges = False
    axes.margins(x=0.04)


def _beside(axes: Axes, texts: list[str]) -> None:
    """Write a text at the right end of each row."""
    place: dict[str, Any] = {"xycoords": axes.get_yaxis_transform(), "textcoords": "offset points"}
    for row, text in enumerate(texts):
        axes.annotate(text, (1, row), (6, 0), ha="left", va="center", fontsize=10, color=INK, **place)


def gap_comparison(comparison: GapComparison, *, part: int = 0, top: int = 8, ax: Axes | None = None) -> Axes:
    """Plot the contributions before (hollow) and after (filled), a row per column, with intervals.

    Parameters
    ----------
    comparison : GapComparison
    part : int, default=0
        Which of its parts.
    top : int, default=8
        Columns with a row of their own.
    ax : matplotlib.axes.Axes, optional
        Default: those of a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The number beside a row is the difference.
    """
    if not 0 <= part < len(comparison.parts):
        raise InputError(f"'part' must be from 0 to {len(comparison.parts) - 1}; got {part}.")
    first = comparison.parts[part][0]
    table = comparison._frame(*comparison.parts[part], top=positive_integer(top, "top"))
    axes = drawing.axes_or_new(ax, width=7.2, height=1.8 + 1.15 * ROW * len(table))
    axes.axvline(0, color=MUTED, linewidth=0.9, zorder=1)
    quantile, digits, texts = first._quantile(), _digits(float(table[list(comparison.names)].abs().max(axis=None))), []
    for row, (name, values) in enumerate(table.iterrows()):
        color = INK if name == GAP else NEITHER if str(name).startswith("(") else color_of(2)
        for shift, side, face in ((-0.16, comparison.names[0], PAPER), (0.16, comparison.names[1], color)):
            margin = quantile * values[f"{side}_error"]
            axes.errorbar(values[side], row + shift, xerr=margin, color=color, elinewidth=1.4, zorder=2)
            axes.plot(values[side], row + shift, "o", ms=6.5, mfc=face, mec=color, mew=1.6, zorder=3)
        margin = _number(quantile * values["standard_error"], digits, "")
        texts.append(f"{_number(values['difference'], digits)} \N{PLUS-MINUS SIGN} {margin}")
    _beside(axes, texts)
    _rows(axes, [_text(name) for name in table.index])
    axes.set_xlabel(
        f"contribution to the gap: {_label(comparison.before.output_name, first)}", color=MUTED, fontsize=10
    )
    drawing.title(axes, f"{_text(first.group)} minus {_text(first.against)}")
    place: dict[str, Any] = {"xycoords": "axes fraction", "textcoords": "offset points", "fontsize": 10}
    axes.annotate("difference", (1, 1), (6, 5), color=MUTED, **place)
    _legend(axes, comparison.names)
    return axes


def _legend(axes: Axes, names: Any) -> None:
    from matplotlib.lines import Line2D

    style = {"linestyle": "", "marker": "o", "markersize": 6.5, "markeredgecolor": INK, "markeredgewidth": 1.6}
    handles = [
        Line2D([], [], markerfacecolor=face, label=_text(name), **style)  # type: ignore[arg-type]  # floats and texts
        for name, face in zip(names, (PAPER, INK))
    ]
    drawing.legend(axes, handles, loc="lower right", bbox_to_anchor=(1.0, 0.985), ncol=2, handletextpad=0.1)


def proxies(table: pd.DataFrame, *, labels: int = 8, ax: Axes | None = None) -> Axes:
    """Plot how well a column reveals the group against what it contributes to the gap.

    Parameters
    ----------
    table : DataFrame
        What `GapDecomposition.proxies` returns.
    labels : int, default=8
        Proxies that are named, those with the largest contributions; the largest of all where there are no proxies.
    ax : matplotlib.axes.Axes, optional
        Default: those of a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        Proxies are filled; they lie to the right, above or below 0.
    """
    absent = [name for name in ("auc", "auc_floor", "contribution", "proxy") if name not in table]
    if absent:
        raise InputError(f"'table' must be what .proxies() returns; it lacks the column {absent[0]!r}.")
    axes = drawing.axes_or_new(ax, width=6.6, height=4.4)
    drawing.bare(axes, grid="both")
    floor = float(table["auc_floor"].max())
    axes.axhline(0, color=MUTED, linewidth=0.9, zorder=1)
    axes.axvspan(min(0.48, float(table["auc"].min())), floor, color=GRID, alpha=0.5, linewidth=0, zorder=0)
    for _, row in table.iterrows():
        color = WIDENS if row["proxy"] else MUTED
        margin = [[row["contribution"] - row["low"]], [row["high"] - row["contribution"]]]
        axes.errorbar(row["auc"], row["contribution"], yerr=margin, color=color, elinewidth=1.0, zorder=2)
        face = color if row["proxy"] else PAPER
        axes.plot(row["auc"], row["contribution"], "o", ms=8, mfc=face, mec=color, mew=1.8, zorder=3)
    shown = table[table["proxy"]] if table["proxy"].any() else table
    sizes = shown["contribution"].abs().sort_values(ascending=False)
    named = sizes.index[sizes >= NAMED * sizes.max()][:labels]
    for name, row in shown.loc[named].iterrows():
        place: dict[str, Any] = {"textcoords": "offset points", "fontsize": 10, "color": INK, "va": "center"}
        axes.annotate(_text(name), (row["auc"], row["contribution"]), (8, 0), **place)
    axes.margins(x=0.2)
    axes.set_xlabel("AUC of telling the groups apart by this column; shaded is chance", color=MUTED, fontsize=10)
    axes.set_ylabel("contribution to the gap", color=MUTED, fontsize=10)
    drawing.title(axes, "Columns that stand for the group (filled)")
    return axes
