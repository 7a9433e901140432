"""Drawing on matplotlib's object API: colours, panels, labels. No pyplot, no global state."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mxfair._palette import COLORS, GRID, INK, MUTED, PAPER, notebook_figure
from mxfair.report._format import one_line, width

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Width of a panel in points.
PANEL = 440
#: Room for tick labels beside a panel's axes, in points.
LEFT = 16
#: The same where the axes have numbers on the left.
TICKS = 36
FONT = 12
#: Longest name beside a line, in columns.
LABEL = 20


def plain_text(name: object, limit: int) -> str:
    """Return a name as matplotlib shows it literally: short, on one line, dollar signs not taken for mathematics."""
    return one_line(name, limit).replace("$", r"\$")


def grid(
    n_panels: int, columns: int, *, height: float, top: float = 0, left: float = LEFT, width: float = PANEL
) -> tuple[Figure, list[Axes]]:
    """Return a figure with panels of equal size, `height` points each, and `top` points of room above them."""
    panel = width
    columns = max(1, min(columns, n_panels))
    n_rows = math.ceil(n_panels / columns)
    width, total = panel * columns, height * n_rows + top
    figure = notebook_figure(width / 72, total / 72)
    panels = []
    for place in range(n_panels):
        row, column = divmod(place, columns)
        box = (column * panel + left + 1, total - top - (row + 1) * height + 34, panel - left - LEFT - 2, height - 76)
        panels.append(figure.add_axes((box[0] / width, box[1] / total, box[2] / width, box[3] / total)))
    return figure, panels


def limits(values: Sequence[float]) -> tuple[float, float]:
    """Return rounded limits around rates that are no closer than 0.2, so that small differences look small."""
    defined = [value for value in values if not math.isnan(value)]
    if not defined:
        return 0.0, 1.0
    low, high = min(defined), max(defined)
    spare = max(0.0, 0.2 - (high - low)) / 2
    low, high = math.floor((low - spare) * 20) / 20, math.ceil((high + spare) * 20) / 20
    if low < 0:
        low, high = 0.0, max(high, 0.2)
    if high > 1 and max(defined) <= 1:
        low, high = min(low, 0.8), 1.0
    return (0.0 if low <= 0.1 else low), high


def figure_limits(values: Sequence[float], digits: int) -> tuple[float, float]:
    """Return limits around figures in a unit of their own, no closer than 20 of the last digit shown."""
    defined = [value for value in values if not math.isnan(value)]
    if not defined:
        return 0.0, 1.0
    low, high = min(defined), max(defined)
    spare = max(0.15 * (high - low), (20 * 10.0**-digits - (high - low)) / 2)
    return (max(0.0, low - spare) if low >= 0 else low - spare), high + spare


def row_axes(axes: Axes, n_rows: int, low: float, high: float) -> None:
    """Set up an axes with a row per group, the first one on top, and rates along the bottom."""
    from matplotlib.ticker import MaxNLocator

    bare(axes)
    margin = (high - low) * 0.02
    axes.set_xlim(low - margin, high + margin)
    axes.set_ylim(n_rows - 0.5, -0.75)
    axes.set_yticks([])
    axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))


def row_label(axes: Axes, row: int, name: str, values: str) -> None:
    """Write a group's name over the left end of its row and its values over the right end."""
    place: dict[str, Any] = {"xycoords": axes.get_yaxis_transform(), "textcoords": "offset points", "usetex": False}
    place.update(va="baseline", fontsize=FONT, color=INK, annotation_clip=False)
    axes.annotate(plain_text(name, min(44, 58 - len(values))), (0, row), (-LEFT, 9), ha="left", **place)
    axes.annotate(values, (1, row), (0, 9), ha="right", **place)


def title(axes: Axes, left: str, right: str = "", *, indent: float = LEFT) -> None:
    """Write a panel's title on the left and its figure on the right."""
    place: dict[str, Any] = {"xycoords": "axes fraction", "textcoords": "offset points", "usetex": False}
    axes.annotate(left, (0, 1), (-indent, 18), color=INK, fontsize=14, fontweight="bold", ha="left", **place)
    if right:
        axes.annotate(right, (1, 1), (0, 18), color=INK, fontsize=FONT, ha="right", **place)


def marker_legend(figure: Figure, names: Sequence[str], styles: Sequence[tuple[str, bool]]) -> None:
    """Write above all panels which marker stands for which model."""
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], linestyle="", marker=marker, ms=9, mfc=INK if filled else PAPER, mec=INK, mew=2.2, label=name)
        for name, (marker, filled) in zip(names, styles)
    ]
    legend = figure.legend(handles=handles, loc="upper left", ncol=len(handles), frameon=False, fontsize=FONT)
    for text in legend.get_texts():
        text.set_color(INK)


def line_panel(axes: Axes, lines: Sequence[tuple[str, tuple[np.ndarray, np.ndarray], str]]) -> None:
    """Draw lines over the epochs, each with its name at its right end."""
    from matplotlib.ticker import MaxNLocator

    bare(axes)
    axes.grid(axis="y", color=GRID, linewidth=1)
    box, room = axes.get_position(), _label_room([name for name, _, _ in lines])
    axes.set_position((box.x0, box.y0, box.width * (1 - room / (PANEL - TICKS - LEFT - 2)), box.height))
    drawn = [values[~np.isnan(values)] for _, (_, values), _ in lines]
    top = max([float(values.max()) for values in drawn if len(values)] or [1.0])
    axes.set_ylim(0, top * 1.08 if top > 0 else 1.0)
    axes.yaxis.set_major_locator(MaxNLocator(4))
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.set_xlabel("epoch", color=MUTED, fontsize=11, labelpad=2)
    styles = ("-", "--", "-.", ":")
    ends = []
    for place, (name, (epochs, values), color) in enumerate(lines):
        style = styles[place // len(COLORS) % len(styles)]
        marker = "o" if len(values) < 4 else ""
        axes.plot(epochs, values, linestyle=style, marker=marker, color=color, linewidth=2.2, solid_capstyle="round")
        last = np.flatnonzero(~np.isnan(values))
        if name and len(last):
            ends.append((float(epochs[last[-1]]), float(values[last[-1]]), name, color))
    _end_labels(axes, ends)


def _label_room(names: Sequence[str]) -> float:
    """Return the room that the longest name takes beside the lines' ends, in points."""
    longest = max((width(one_line(name, LABEL)) for name in names if name), default=0)
    return 6.6 * longest + 26 if longest else 0


def _end_labels(axes: Axes, ends: list[tuple[float, float, str, str]]) -> None:
    """Write names beside the lines' ends, moved apart so that none covers another."""
    if not ends:
        return
    low, high = axes.get_ylim()
    figure = axes.get_figure()
    height = axes.get_position().height * figure.get_figheight() * 72  # type: ignore[union-attr]  # its figure is set
    step = 15.0 * (high - low) / height
    ends = sorted(ends, key=lambda end: end[1])
    places: list[float] = []
    for _, value, _, _ in ends:
        places.append(max(value, places[-1] + step) if places else max(value, low))
    overflow = places[-1] - (high + step / 2)
    for i in range(len(places) - 1, -1, -1):  # push back down what left the panel above
        if overflow > 0:
            places[i] = min(places[i], (places[i + 1] - step) if i + 1 < len(places) else high + step / 2)
    left, right = axes.get_xlim()
    for (epoch, value, name, color), place in zip(ends, places):
        axes.annotate(
            plain_text(name, LABEL),
            (epoch, value),
            (right + 0.045 * (right - left), place),
            color=INK,
            fontsize=11,
            va="center",
            usetex=False,
            annotation_clip=False,
            arrowprops={
                "arrowstyle": "-",
                "color": color,
                "linewidth": 1.2,
                "shrinkA": 1,
                "shrinkB": 2,
                "relpos": (0, 0.5),
            },
        )


def bare(axes: Axes) -> None:
    """Leave out the frame; ticks and grid stay in the background."""
    axes.set_facecolor("none")
    axes.set_axisbelow(True)
    for side in axes.spines.values():
        side.set_visible(False)
    axes.tick_params(length=0, colors=MUTED, labelsize=11)
    axes.grid(axis="x", color=GRID, linewidth=0.8)
