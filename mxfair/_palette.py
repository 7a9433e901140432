"""What every figure shares: colours that read on white and on dark, and figures that notebooks show without pyplot."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["COLORS", "GRID", "INK", "MUTED", "PAPER", "color_of", "notebook_figure"]

#: Text, secondary text, lines in the background, paper. A page replaces these four by its own, light or dark.
INK, MUTED, GRID, PAPER = "#1f2328", "#656d76", "#d0d7de", "#ffffff"
#: Okabe and Ito's colours, darkened or lightened until each has a contrast of 3 on white and on the page's dark colour.
COLORS = (
    "#0f7fc4",
    "#d55e00",
    "#009070",
    "#c266a3",
    "#9a7b00",
    "#7a68d8",
    "#2f93b5",
    "#b85450",
    "#5f8f2f",
    "#8a7566",
)


def color_of(place: int) -> str:
    """Return the colour of a group by its place; labels, not colours, tell groups apart."""
    return COLORS[place % len(COLORS)]


def notebook_figure(width: float, height: float, **kwargs: Any) -> Figure:
    """Return a figure of a size in inches that pyplot does not know, and that notebooks show nevertheless."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    class NotebookFigure(Figure):
        def _repr_png_(self) -> bytes:
            buffer = io.BytesIO()
            self.savefig(buffer, format="png", dpi=110)
            return buffer.getvalue()

    figure = NotebookFigure(figsize=(width, height), facecolor=PAPER, **kwargs)
    FigureCanvasAgg(figure)
    return figure
