"""Curves, points and heat maps of partial dependence, with what the data say about them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mxfair._palette import INK, MUTED, PAPER, color_of
from mxfair._validation import InputError, one_of
from mxfair.explain import _drawing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from mxfair.explain.dependence import PartialDependence

__all__ = ["partial_dependence"]

#: Share of a panel's height, or width, that the distribution of the rows takes.
STRIP = 0.16
#: Curves of single rows drawn in a panel.
CURVES = 120
ALL = "all"


def partial_dependence(
    dependence: PartialDependence | Sequence[PartialDependence],
    *,
    groups: Sequence[str] | None = None,
    individual: bool = True,
    columns: int = 2,
) -> Figure:
    """Plot partial dependence: a panel for each of several, lines or points by group, heat maps of two columns.

    Lines are averages over a group's rows and the bands their intervals; thin ones are single rows. Where a group has
    no rows the line is dotted, the point hollow, and the cell of a heat map faded. The strip at the panel's edge
    shows where each group's rows are.

    Parameters
    ----------
    dependence : PartialDependence or sequence of these
    groups : sequence of str, optional
        Of "all" and the groups. Default: the groups where there are some, else "all".
    individual : bool, default=True
        Whether to draw curves of single rows, 120 at most, where there are some.
    columns : int, default=2
        Panels side by side.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InputError
        If there is nothing to plot, or no such group.
    """
    given: list[PartialDependence] = list(dependence) if isinstance(dependence, Sequence) else [dependence]
    if not given:
        raise InputError("'dependence' must hold one partial dependence or more; got none.")
    shown = [_shown(one, groups) for one in given]
    panels = [
        panel
        for one, names in zip(given, shown)
        for panel in ([(one, [name]) for name in names] if len(one.axes) == 2 else [(one, names)])
    ]
    longest = max((len(one.axes[0]) for one in given if one.axes[0].kind == "category"), default=0)
    figure, axes = _drawing.panels(len(panels), columns, height=max(3.5, 1.1 + 0.3 * longest))
    for axis, (one, names) in zip(axes, panels):
        if len(one.axes) == 2:
            _heat_map(figure, axis, one, names[0], _limits(one, shown[given.index(one)]))
        elif one.axes[0].kind == "category":
            _levels(axis, one, names)
        else:
            _lines(axis, one, names, individual)
    flat = [(one, names) for one, names in zip(given, shown) if len(one.axes) == 1 and len(one.groups) > 1]
    if flat:
        _legend(figure, flat[0][1], flat[0][0].groups)
    return figure


def _shown(one: PartialDependence, groups: Sequence[str] | None) -> list[str]:
    if groups is None:
        return one.groups[1:] or one.groups
    return [one_of(name, one.groups, "groups") for name in groups]


def _color(name: str, known: list[str]) -> str:
    """Return the colour of a group; all rows are grey beside groups."""
    place = known.index(name)
    return color_of(max(0, place - 1)) if place or len(known) == 1 else MUTED


def _output(one: PartialDependence) -> str:
    return f"change of {one.output_name}" if one.centered else one.output_name


def _heading(axis: Axes, one: PartialDependence, right: str = "") -> None:
    title = " \N{MULTIPLICATION SIGN} ".join(_drawing.plain_text(name.replace("_", " ")) for name in one.features)
    _drawing.title(axis, title, right=right)


def _lines(axis: Axes, one: PartialDependence, names: list[str], individual: bool) -> None:
    """Draw a number's curves."""
    _drawing.bare(axis, grid="both")
    _heading(axis, one)
    points = one.points[0]
    if individual and one.individual is not None:
        _single_rows(axis, one, names)
    marker = "o" if len(points) <= 3 else ""
    for name in names:
        k, color = one.groups.index(name), _color(name, one.groups)
        axis.fill_between(points, one.low[k], one.high[k], color=color, alpha=0.16, linewidth=0, zorder=3)
        axis.plot(points, one.average[k], ":", color=color, linewidth=1.8, zorder=4)
        solid = np.where(one.supported[k], one.average[k], np.nan)
        axis.plot(points, solid, marker=marker, color=PAPER, linewidth=4.2, zorder=4, solid_capstyle="round")
        axis.plot(points, solid, marker=marker, color=color, linewidth=2.4, zorder=5, solid_capstyle="round")
    axis.set_ylabel(_drawing.plain_text(_output(one), 40), color=MUTED, fontsize=10)
    low, high = axis.get_ylim()
    ticks = [tick for tick in axis.get_yticks() if low <= tick <= high]
    axis.set_ylim(low - STRIP * (high - low) * 1.15, high)
    axis.set_yticks(ticks)  # none beside the strip
    _strip(axis, one, names)


def _single_rows(axis: Axes, one: PartialDependence, names: list[str]) -> None:
    from matplotlib.collections import LineCollection

    curves: Any = one.individual
    # evenly spread over the rows kept, which were drawn at random or stand in the data's order
    rows = np.unique(np.linspace(0, len(curves) - 1, min(CURVES, len(curves))).astype(np.int64))
    for name in [ALL] if ALL in names else names:
        part = rows[one._member(name)[one.rows[rows]]]
        lines = [np.column_stack([one.points[0], curve]) for curve in curves[part]]
        color = _color(name, one.groups)
        axis.add_collection(LineCollection(lines, colors=color, linewidths=0.7, alpha=0.22, zorder=2))
    axis.autoscale_view()


def _strip(axis: Axes, one: PartialDependence, names: list[str]) -> None:
    """Draw the distribution of each group's values along the bottom, each scaled to its own largest bin."""
    data, points = one.axes[0].data, one.points[0]
    edges = np.linspace(points[0], points[-1], 41)
    strip = axis.inset_axes((0, 0, 1, STRIP), sharex=axis)
    strip.set_axis_off()
    for name in names:
        counts = np.histogram(data[one._member(name)], edges)[0]
        if counts.max(initial=0):
            color = _color(name, one.groups)
            strip.stairs(counts / counts.max(), edges, fill=True, color=color, alpha=0.18, linewidth=0)
            strip.stairs(counts / counts.max(), edges, color=color, alpha=0.8, linewidth=0.9)
    strip.set_ylim(0, 1.05)


def _levels(axis: Axes, one: PartialDependence, names: list[str]) -> None:
    """Draw a category's levels as rows, sorted by the average over all rows, with a point for each group."""
    _drawing.bare(axis)
    _heading(axis, one)
    order = np.argsort(-one.average[0], kind="stable")
    offsets = (np.arange(len(names)) - (len(names) - 1) / 2) * min(0.24, 0.7 / len(names))
    shares = [one.support[one.groups.index(name)] for name in names]
    shares = [share / max(1, share.sum()) for share in shares]
    largest = max([float(share.max()) for share in shares] + [1e-12])
    across = axis.get_yaxis_transform()
    for name, offset, share in zip(names, offsets, shares):
        k, color = one.groups.index(name), _color(name, one.groups)
        rows = np.arange(len(order)) + offset
        height = 0.7 / len(names)
        axis.barh(rows, share[order] / largest * STRIP, height, color=color, alpha=0.18, transform=across)
        axis.hlines(rows, one.low[k][order], one.high[k][order], color=color, linewidth=1.6, zorder=3)
        known = one.supported[k][order]
        axis.plot(one.average[k][order][known], rows[known], "o", ms=6.5, color=color, zorder=4)
        axis.plot(one.average[k][order][~known], rows[~known], "o", ms=6.5, mec=color, mfc=PAPER, mew=1.6, zorder=4)
    shown = [one.groups.index(name) for name in names]
    low, high = np.nanmin(one.average[shown]), np.nanmax(one.average[shown])
    spread = (high - low) or 1.0
    axis.set_xlim(low - spread * (STRIP + 0.08), high + spread * 0.08)
    axis.set_yticks(np.arange(len(order)), [_drawing.plain_text(one.points[0][k]) for k in order], color=INK)
    axis.set_ylim(len(order) - 0.5, -0.5)
    axis.set_xlabel(_drawing.plain_text(_output(one), 40), color=MUTED, fontsize=10)


def _limits(one: PartialDependence, names: list[str]) -> tuple[float, float]:
    values = one.average[[one.groups.index(name) for name in names]]
    return float(np.nanmin(values)), float(np.nanmax(values))


def _heat_map(figure: Figure, axis: Axes, one: PartialDependence, name: str, limits: tuple[float, float]) -> None:
    """Draw the average over two columns, cells without rows nearby faded."""
    _drawing.bare(axis, grid="")
    k = one.groups.index(name)
    _heading(axis, one, "" if len(one.groups) == 1 else _drawing.plain_text(name))
    edges = [_edges(points) if column.kind == "number" else np.arange(len(points) + 1.0) - 0.5
             for column, points in zip(one.axes, one.points)]  # fmt: skip
    mesh = axis.pcolormesh(*edges, one.average[k].T, cmap="cividis", vmin=limits[0], vmax=limits[1], rasterized=True)
    empty: Any = np.ma.masked_array(np.ones(one.average[k].T.shape), mask=one.supported[k].T)
    if empty.count():
        axis.pcolormesh(*edges, empty, cmap="gray", vmin=0, vmax=1, alpha=0.45, rasterized=True)
    setters: Any = ((axis.set_xticks, axis.set_xlabel), (axis.set_yticks, axis.set_ylabel))
    for column, (ticks, write) in zip(one.axes, setters):
        write(_drawing.plain_text(column.name.replace("_", " ")), color=MUTED, fontsize=10)
        if column.kind == "category":
            ticks(np.arange(len(column)), [_drawing.plain_text(level, 16) for level in column.points], color=INK)
    if one.axes[0].kind == "category":
        axis.tick_params(axis="x", rotation=90 if len(one.axes[0]) > 4 else 0)
    bar = figure.colorbar(mesh, ax=axis, pad=0.02, aspect=30)
    bar.outline.set_visible(False)
    bar.ax.tick_params(length=0, colors=MUTED, labelsize=9)
    bar.set_label(_drawing.plain_text(_output(one), 40), color=MUTED, fontsize=10)


def _edges(points: np.ndarray) -> np.ndarray:
    """Return the borders of the cells around points."""
    if len(points) == 1:
        return points[0] + np.array([-0.5, 0.5])
    middles = (points[1:] + points[:-1]) / 2
    return np.concatenate([[points[0] - (middles[0] - points[0])], middles, [2 * points[-1] - middles[-1]]])


def _legend(figure: Figure, names: list[str], known: list[str]) -> None:
    from matplotlib.lines import Line2D

    handles = [Line2D([], [], color=_color(n, known), linewidth=2.4, label=_drawing.plain_text(n)) for n in names]
    _drawing.legend(figure, handles, loc="outside upper left", ncols=min(4, len(handles)))
