"""Bars of permutation importance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from mxfair._palette import INK, MUTED, PAPER, color_of
from mxfair._validation import one_of, positive_integer
from mxfair.explain import _drawing

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from mxfair.explain.importance import Importance

__all__ = ["importance"]


def importance(
    importance: Importance,
    *,
    metrics: Sequence[str] | None = None,
    groups: Sequence[str] | None = None,
    top: int = 12,
    columns: int = 2,
    sort: str | None = None,
) -> Figure:
    """Plot permutation importances: a panel per metric, a bar per column, side by side for groups.

    Lines through the ends of the bars are the intervals over the rows, or over the repeats where there are no others.

    Parameters
    ----------
    importance : Importance
    metrics : sequence of str, optional
        Default: all.
    groups : sequence of str, optional
        Of "all" and the groups. Default: the groups where there are some, else "all"; a gap is of all rows.
    top : int, default=12
        Columns shown: those of the largest importance in size.
    columns : int, default=2
        Panels side by side.
    sort : str, optional
        Metric whose order all panels take. Default: each panel has its own.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InputError
        If there is no such metric or group.
    """
    positive_integer(top, "top")
    chosen = [one_of(m, importance.metrics, "metrics") for m in (importance.metrics if metrics is None else metrics)]
    known = importance.groups
    shown = known[1:] or known if groups is None else [one_of(g, known, "groups") for g in groups]
    if sort is not None:
        one_of(sort, importance.metrics, "sort")
    n_bars = min(top, len(importance.columns))
    tables = {metric: _tables(importance, metric, shown) for metric in chosen}
    n_groups = max(len(table) for table in tables.values())
    height = 1.25 + n_bars * (0.2 + 0.14 * n_groups)
    figure, axes = _drawing.panels(len(chosen), columns, height=height)
    for axis, metric in zip(axes, chosen):
        order = _order(tables[metric] if sort is None else _tables(importance, sort, shown), top)
        _panel(axis, tables[metric], order, known)
        base = next(iter(tables[metric].values()))["baseline"].iloc[0]
        right = f"now {base:.3g}" if len(tables[metric]) == 1 else ""
        _drawing.title(axis, _drawing.plain_text(metric.replace("_", " ")), right=right)
        axis.set_xlabel(f"{importance.notes[metric]} when permuted", color=MUTED, fontsize=10)
    if n_groups > 1:
        _legend(figure, list(shown), known)
    return figure


def _tables(importance: Importance, metric: str, shown: Sequence[str]) -> dict[str, pd.DataFrame]:
    """Return the table of each group; a gap has that of all rows only."""
    there = importance.table.xs(metric, level="metric").index.unique("group")
    names = [name for name in shown if name in there] or list(there[:1])
    return {name: importance.to_frame(metric, group=name, sort=False) for name in names}


def _order(tables: dict[str, pd.DataFrame], top: int) -> list[str]:
    """Return the columns of the largest importance in size, the largest first."""
    first = next(iter(tables.values()))
    size = np.nanmax([np.nan_to_num(np.abs(table["importance"])) for table in tables.values()], axis=0)
    kept = first.index[np.argsort(-size, kind="stable")[:top]]
    mean = np.mean([np.nan_to_num(table.loc[kept, "importance"]) for table in tables.values()], axis=0)
    return list(kept[np.argsort(-mean, kind="stable")])


def _panel(axis: Axes, tables: dict[str, pd.DataFrame], order: list[str], known: list[str]) -> None:
    _drawing.bare(axis)
    width = 0.78 / len(tables)
    for place, (name, table) in enumerate(tables.items()):
        rows = np.arange(len(order)) + (place - (len(tables) - 1) / 2) * width
        part = table.loc[order]
        axis.barh(rows, part["importance"], width * 0.86, color=_color(name, known), alpha=0.9, label=name)
        low, high = part["low"], part["high"]
        if low.isna().all():
            low, high = part["repeats_low"], part["repeats_high"]
        axis.hlines(rows, low, high, color=PAPER, linewidth=3.2, zorder=3)
        axis.hlines(rows, low, high, color=INK, linewidth=1.3, zorder=4)
    axis.axvline(0, color=MUTED, linewidth=1)
    axis.set_yticks(np.arange(len(order)), [_drawing.plain_text(name) for name in order], color=INK)
    axis.set_ylim(len(order) - 0.5, -0.5)
    axis.locator_params(axis="x", nbins=5)


def _color(name: str, known: list[str]) -> str:
    """Return the colour of a group; all rows are grey beside groups."""
    place = known.index(name)
    return color_of(max(0, place - 1)) if place or len(known) == 1 else MUTED


def _legend(figure: Figure, names: list[str], known: list[str]) -> None:
    from matplotlib.patches import Patch

    handles = [Patch(color=_color(name, known), alpha=0.9, label=_drawing.plain_text(name)) for name in names]
    _drawing.legend(figure, handles, loc="outside upper left", ncols=min(4, len(handles)))
