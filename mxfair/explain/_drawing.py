"""What the plots of explanations share: figures of panels, bare axes, titles, legends. Looks as the report does."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from mxfair._palette import GRID, INK, MUTED, notebook_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Longest name written beside a bar or a line, in characters.
LABEL = 28


def plain_text(name: object, limit: int = LABEL) -> str:
    """Return a name as matplotlib shows it literally: short, on one line, dollar signs not taken for mathematics."""
    text = " ".join(str(name).split())
    text = text if len(text) <= limit else text[: limit - 1] + "\N{HORIZONTAL ELLIPSIS}"
    return text.replace("$", r"\$")


def new_figure(width: float, height: float) -> Figure:
    """Return a figure of a size in inches whose panels are laid out around their labels."""
    return notebook_figure(width, height, layout="constrained")


def panels(
    n_panels: int, columns: int, *, width: float = 5.6, height: float = 3.4, **kwargs: Any
) -> tuple[Figure, list[Axes]]:
    """Return a figure with panels of `width` x `height` inches, `columns` side by side; keywords are `subplots`'."""
    columns = max(1, min(columns, n_panels))
    n_rows = math.ceil(n_panels / columns)
    figure = new_figure(width * columns, height * n_rows)
    axes = list(figure.subplots(n_rows, columns, squeeze=False, **kwargs).ravel())
    for spare in axes[n_panels:]:
        spare.remove()
    return figure, axes[:n_panels]


def axes_or_new(ax: Axes | None, *, width: float = 6.2, height: float = 4.0) -> Axes:
    """Return the axes that were given, or those of a new figure."""
    return new_figure(width, height).subplots() if ax is None else ax


def bare(axes: Axes, *, grid: str = "x") -> None:
    """Leave out the frame; ticks and a grid along one axis (or "both", "") stay in the background."""
    axes.set_facecolor("none")
    axes.set_axisbelow(True)
    for side in axes.spines.values():
        side.set_visible(False)
    axes.tick_params(length=0, colors=MUTED, labelsize=10)
    if grid:
        axes.grid(axis=grid, color=GRID, linewidth=0.8)  # type: ignore[arg-type]  # one of x, y, both


def title(axes: Axes, text: str, *, right: str = "") -> None:
    """Write a panel's title over its left end, and perhaps a figure over its right end."""
    axes.set_title(text, loc="left", color=INK, fontsize=12, fontweight="bold")
    if right:
        axes.set_title(right, loc="right", color=MUTED, fontsize=10)


def legend(owner: Any, handles: list[Any], **kwargs: Any) -> None:
    """Write a legend without a frame; `owner` is axes or a figure."""
    made = owner.legend(handles=handles, frameon=False, fontsize=10, **kwargs)
    for text in made.get_texts():
        text.set_color(INK)
