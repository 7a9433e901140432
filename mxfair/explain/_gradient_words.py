"""What the figures of a `GradientMonitor` say, in plain words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from mxfair.explain._gradient_measure import OVERALL

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["COLUMNS", "findings"]

COLUMNS = ["sign", "layer", "groups", "value", "threshold", "epochs", "sentence"]
#: The thresholds; their reasons stand in the docstring of `GradientMonitor`.
VANISHING, EXPLODING, GROWTH, IDLE, UNEQUAL, OPPOSED, ALIVE, SIGNAL = 1e-3, 100.0, 100.0, 0.5, 0.25, -0.5, 0.1, 0.75


def findings(frame: pd.DataFrame, cosines: pd.DataFrame) -> pd.DataFrame:
    """Return a row per sign and layer that holds at the last measurement, or ever for what explodes."""
    import pandas as pd

    rows = [*_vanishing(frame), *_exploding(frame), *_idle(frame), *_opposed(frame, cosines)]
    return pd.DataFrame(rows, columns=COLUMNS)


def _row(sign: str, layer: str, groups: str, value: float, threshold: float, epochs: Any, text: str) -> dict[str, Any]:
    values = (sign, layer, groups, float(value), threshold, sorted(int(e) for e in epochs), text)
    return dict(zip(COLUMNS, values))


def _vanishing(frame: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Compare layers by their longest gradient of a group: overall, groups may cancel each other."""
    trained = frame[(frame["group"] != OVERALL) & (frame["weight_norm"] > 0)]
    longest = trained.groupby(["layer", "epoch"], sort=False)["relative_gradient"].max().unstack()
    largest = longest.max()
    for layer, own in (longest / largest.where(largest > 0)).iterrows():
        when = own.index[own < VANISHING]
        if not len(when) or when[-1] != own.index[-1]:
            continue
        value = float(own.iloc[-1])
        size = f"{1 / value:,.0f} times smaller than" if value > 0 else "exactly 0, unlike"
        yield _row("vanishing gradient", str(layer), OVERALL, value, VANISHING, when, (
            f"The gradient of layer '{layer}' vanishes: for the size of its weights it is {size} that of the "
            f"layer that learns fastest; with gradient descent the layer hardly moves."
        ))  # fmt: skip


def _exploding(frame: pd.DataFrame) -> Iterator[dict[str, Any]]:
    overall = frame[frame["group"] == OVERALL]
    layers = list(overall["layer"].unique())
    first = overall[overall["layer"] == layers[0]].set_index("epoch")["activation_rms"] if layers else None
    for layer in layers:
        own = overall[overall["layer"] == layer]
        broken = ~np.isfinite(own["activation_rms"]) | (~np.isfinite(own["gradient_norm"]) & (own["weight_norm"] >= 0))
        if broken.any():
            yield _row("exploding activations", layer, OVERALL, np.inf, GROWTH, own.loc[broken, "epoch"], (
                f"Gradients or activations of layer '{layer}' are not finite: training has diverged."
            ))  # fmt: skip
            continue
        base = first.reindex(own["epoch"]).to_numpy()  # type: ignore[union-attr]  # there is a first layer
        growth = own["activation_rms"] / np.where(base > 0, base, np.nan)
        when = own["epoch"][growth >= GROWTH]
        if len(when):
            yield _row("exploding activations", layer, OVERALL, growth.max(), GROWTH, when, (
                f"Activations explode: those of layer '{layer}' were up to {growth.max():,.0f} times those of the "
                f"first layer; initial values may be too large, or the learning rate."
            ))  # fmt: skip
    yield from _growing(overall)


def _growing(overall: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Yield a row where the gradient of all layers together has grown."""
    total = (overall["gradient_norm"] ** 2).groupby(overall["epoch"]).sum() ** 0.5
    if len(total) < 2 or not total.iloc[0] > 0:
        return
    growth = total / total.iloc[0]
    when = growth.index[growth >= EXPLODING]
    if len(when):
        yield _row("exploding gradient", "all layers", OVERALL, growth.max(), EXPLODING, when, (
            f"The gradient explodes: it was up to {growth.max():,.0f} times as long as at the first measurement; lower "
            f"the learning rate or clip gradients."
        ))  # fmt: skip


def _idle(frame: pd.DataFrame) -> Iterator[dict[str, Any]]:
    last = frame[frame["epoch"] == frame["epoch"].max()]
    for sign, column, noun, what in (
        ("dead units", "dead", "units", "are dead: 0 at all probe rows, so that they learn nothing"),
        (
            "saturated units",
            "saturated",
            "outputs",
            "are saturated: the activation is flat there, and little is learned",
        ),
    ):
        for layer in last["layer"].unique():
            own = last[last["layer"] == layer].set_index("group")[column]
            if not np.isfinite(own[OVERALL]):
                continue
            history = frame[(frame["layer"] == layer) & (frame["group"] == OVERALL)]
            if own[OVERALL] >= IDLE:
                when = history["epoch"][history[column] >= IDLE]
                yield _row(sign, layer, OVERALL, own[OVERALL], IDLE, when, (
                    f"{own[OVERALL]:.0%} of the {noun} of layer '{layer}' {what}."
                ))  # fmt: skip
            groups = own.drop(OVERALL).dropna()
            gap = groups.max() - groups.min() if len(groups) > 1 else 0.0
            if gap >= UNEQUAL:
                pair = f"{groups.idxmax()}, {groups.idxmin()}"
                yield _row(f"{sign} in one group", layer, pair, gap, UNEQUAL, [frame["epoch"].max()], (
                    f"In layer '{layer}' {groups.max():.0%} of the {noun} {what.split(':')[0]} for {groups.idxmax()} "
                    f"and {groups.min():.0%} for {groups.idxmin()}: the net has less to work with for the first."
                ))  # fmt: skip


def _opposed(frame: pd.DataFrame, cosines: pd.DataFrame) -> Iterator[dict[str, Any]]:
    first, last = frame["epoch"].min(), frame["epoch"].max()
    norms = frame.set_index(["epoch", "layer", "group"])[["gradient_norm", "signal_share"]].sort_index()
    for row in cosines[(cosines["epoch"] == last) & (cosines["cosine"] < OPPOSED)].itertuples():
        pair = (row.group, row.other)
        now = [norms.loc[(last, row.layer, group)] for group in pair]
        start = [norms.loc[(first, row.layer, group)] for group in pair]
        told = all(n["signal_share"] > SIGNAL and n["gradient_norm"] >= ALIVE * s["gradient_norm"]
                   for n, s in zip(now, start))  # fmt: skip
        if told:
            yield _row("groups pull apart", row.layer, ", ".join(pair), row.cosine, OPPOSED, [last], (
                f"In layer '{row.layer}' {pair[0]} and {pair[1]} pull apart (cosine {row.cosine:.2f}): a step that "
                f"lowers the loss of one raises that of the other."
            ))  # fmt: skip
