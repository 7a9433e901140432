"""Plot of a `GradientMonitor`: small multiples by layer, a line per group."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mxfair._palette import INK, MUTED, color_of
from mxfair._validation import InputError, one_of
from mxfair.explain import _drawing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["gradients"]

_LOG = {
    "relative_gradient": "gradient norm / weight norm",
    "gradient_norm": "norm of the gradient of the mean loss",
    "activation_rms": "root mean square of the outputs",
}
_LINEAR = {
    "dead": "share of dead units",
    "saturated": "share of saturated outputs",
    "alignment": "cosine with the overall gradient",
    "signal_share": "share of the squared norm that is no noise",
}
_ALL = "overall"


def gradients(
    monitor: Any, value: str = "relative_gradient", *, layers: Sequence[str] | None = None, columns: int = 3
) -> Figure:
    """Plot a figure of a `GradientMonitor` over the epochs: a panel per layer, a line per group, black overall.

    The panels share their scale, logarithmic for norms, so that a layer that stands still lies low. Beside a layer's
    name stands what `GradientMonitor.findings` says of it, for the figure that is shown.

    Parameters
    ----------
    monitor : GradientMonitor
    value : str, default="relative_gradient"
        A column of its `to_frame`: also "gradient_norm", "activation_rms", "dead", "saturated", "alignment" or
        "signal_share".
    layers : sequence of str, optional
        Default: all that have the figure, in the order of computation.
    columns : int, default=3
        Panels side by side.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InputError
        If nothing has been measured, or no layer has the figure.
    """
    from matplotlib.lines import Line2D

    one_of(value, {**_LOG, **_LINEAR}, "value")
    frame = monitor.to_frame()
    frame = frame[frame.groupby("layer")[value].transform("count") > 0]
    known = list(frame["layer"].unique())
    if not known:
        raise InputError(f"'value' must be a figure that a layer has; no layer has {value!r}. Choose another.")
    chosen = known if layers is None else [one_of(layer, known, "layers") for layer in layers]
    figure, axes = _drawing.panels(len(chosen), columns, width=3.7, height=2.7, sharex=True, sharey=True)
    said = monitor.findings()
    groups = [group for group in frame["group"].unique() if group != _ALL]
    shown = frame[frame["layer"].isin(chosen)]
    for ax, layer in zip(axes, chosen):
        signs = list(said.loc[said["layer"] == layer, "sign"])
        _panel(ax, frame[frame["layer"] == layer], value, groups)
        _drawing.title(ax, _drawing.plain_text(layer, 22), right=next((s for s in signs if _about(s, value)), ""))
    _scale(axes, shown[value], value)
    for ax in axes[::columns]:
        ax.set_ylabel({**_LOG, **_LINEAR}[value], color=MUTED, fontsize=9)
    for ax in axes[-min(columns, len(axes)) :]:
        ax.set_xlabel("epochs trained", color=MUTED, fontsize=10)
        ax.tick_params(labelbottom=True)
    handles = [
        Line2D([], [], color=color_of(place), linewidth=2, label=_drawing.plain_text(group))
        for place, group in enumerate(groups)
    ]
    if _has(frame, value, _ALL):
        handles.append(Line2D([], [], color=INK, linewidth=1.4, linestyle="--", label=_ALL))
    _drawing.legend(figure, handles, loc="outside upper left", ncol=min(6, len(handles)))
    return figure


def _has(frame: Any, value: str, group: str) -> bool:
    return bool(frame.loc[frame["group"] == group, value].notna().any())


def _about(sign: str, value: str) -> bool:
    """Tell whether a sign is read from a figure."""
    word = {"dead": "dead", "saturated": "saturated", "activation_rms": "activations", "alignment": "apart"}
    return word.get(value, "gradient") in sign


def _panel(ax: Axes, frame: Any, value: str, groups: list[str]) -> None:
    from matplotlib.ticker import MaxNLocator

    _drawing.bare(ax, grid="y")
    ax.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    for place, group in enumerate([*groups, _ALL]):
        own = frame[frame["group"] == group]
        style: dict[str, Any] = {"color": color_of(place), "linewidth": 2}
        if group == _ALL:
            style = {"color": INK, "linewidth": 1.4, "linestyle": "--"}
        marker = "o" if len(own) < 3 else ""
        ax.plot(own["epoch"], own[value], marker=marker, markersize=4, **style)


def _scale(axes: list[Axes], values: Any, value: str) -> None:
    """Set the scale that the panels share; on a logarithmic one an exact 0 lies at the lower edge."""
    from matplotlib.ticker import NullLocator

    if value not in _LOG:
        low = -1.05 if value == "alignment" else -0.03 if value != "signal_share" else None
        axes[0].set_ylim(low, 1.05)
        return
    positive = values[np.isfinite(values) & (values > 0)]
    if not len(positive):
        return
    low, high = positive.min(), positive.max()
    middle = np.sqrt(low * high)
    floor = min(low, middle / np.sqrt(10)) * 0.7
    axes[0].set_yscale("log", nonpositive="clip")
    for ax in axes:
        ax.yaxis.set_minor_locator(NullLocator())
    axes[0].set_ylim(floor, max(high, middle * np.sqrt(10)) * 1.4)
