"""Images beside what contributes to a net's output."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mxfair._palette import GRID, INK, MUTED
from mxfair._validation import InputError, one_of
from mxfair.explain import _drawing
from mxfair.explain._drawing import plain_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from mxfair.explain.attribution import Attribution

__all__ = ["image"]


def image(attribution: Attribution, rows: Any = None, *, combine: str = "sum", percentile: float = 99.0) -> Figure:
    """Plot images, each beside its pixels' contributions: orange raises the output, blue lowers it.

    Parameters
    ----------
    attribution : Attribution
        Of images, shape (n, channels, height, width) with 1 or 3 channels, or (n, height, width).
    rows : sequence of int, optional
        Which images. Default: the first four.
    combine : {"sum", "absolute"}, default="sum"
        Contributions of a pixel's channels: their sum with its sign, or the sum of their sizes, which suits `saliency`.
    percentile : float, default=99
        Of the sizes of the contributions shown, in all images alike: where colours are full.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InputError
        If the attribution is not one of images.
    """
    one_of(combine, ("sum", "absolute"), "combine")
    values, data = attribution.values, np.asarray(attribution.data)
    if values.ndim not in (3, 4):
        raise InputError(f"'attribution' must be one of images; got shape {values.shape}. Use beeswarm for tables.")
    if values.ndim == 3:
        values, data = values[:, None], data[:, None]
    chosen = list(range(min(4, len(values)))) if rows is None else [int(row) for row in rows]
    if not chosen or any(not 0 <= row < len(values) for row in chosen):
        raise InputError(f"'rows' must be images from 0 to {len(values) - 1}; got {chosen}.")
    shown = values[chosen].sum(axis=1) if combine == "sum" else np.abs(values[chosen]).sum(axis=1)
    full = float(np.percentile(np.abs(shown), percentile)) or 1.0
    figure = _drawing.new_figure(4.8, 2.2 * len(chosen) + 0.2)
    panels = figure.subplots(len(chosen), 2, squeeze=False)
    for (left, right), row, part in zip(panels, chosen, shown):
        left.imshow(_picture(data[row]), cmap="gray", interpolation="nearest")
        drawn = right.imshow(part, cmap=_colours(), vmin=-full, vmax=full, interpolation="nearest")
        for axes in (left, right):
            axes.set_axis_off()
        left.set_title(f"image {row}", loc="left", fontsize=11, color=INK)
        text = f"{attribution.output_name} {attribution.outputs[row]:.2f}".replace("-", "\N{MINUS SIGN}")
        right.set_title(plain_text(text), loc="left", fontsize=11, color=INK)
    made = figure.colorbar(drawn, ax=panels[:, 1].tolist(), aspect=30, pad=0.02)
    made.ax.tick_params(length=0, colors=MUTED, labelsize=9)
    made.set_label(attribution.method, color=MUTED, fontsize=10)
    made.outline.set_edgecolor(GRID)
    return figure


def _picture(image: np.ndarray) -> np.ndarray:
    """Return an image as matplotlib takes it, its values stretched from 0 to 1."""
    low, high = float(image.min()), float(image.max())
    scaled = (image - low) / ((high - low) or 1.0)
    return np.moveaxis(scaled, 0, -1) if len(image) == 3 else scaled.mean(axis=0)


def _colours() -> Any:
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("lowers to raises", ["#0f7fc4", "#ffffff", "#d55e00"])
