"""Signs that the updates of the shares do not work: saturation, oscillation, starvation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from mxfair.data._cells import Cells

__all__ = ["Finding", "diagnose"]

#: Updates in a row with a cell held by a bound that count as saturation.
SATURATED = 10
#: Updates that are looked at for a swing, the part of moves that turn back, and the least swing of a share.
WINDOW, TURNS, SWING = 12, 0.6, 0.03
#: Draws of each sample in an epoch above which a cell is used up, and the part of its rate below which it starves.
REPEATS, STARVED = 20.0, 0.1


@dataclass(frozen=True)
class Finding:
    """A sign that the updates do not work.

    Parameters
    ----------
    kind : {"saturation", "oscillation", "starvation", "repetition"}
    epoch : int
        When it was found.
    label, group : str
        The cell.
    message : str
        What was seen, and what to do.
    """

    kind: str
    epoch: int
    label: str
    group: str
    message: str

    def to_dict(self) -> dict[str, Any]:
        """Return the fields.

        Returns
        -------
        dict
        """
        return asdict(self)

    def __str__(self) -> str:
        return self.message


def diagnose(
    history: Sequence[dict[str, Any]], cells: Cells, start: np.ndarray, *, rows: float | None
) -> list[Finding]:
    """Return what the newest entries of a history show.

    `start` is the mix from which training started, `rows` the number of samples drawn in an epoch.
    """
    found = [_saturation(history, cells, start), _oscillation(history, cells)]
    if rows is not None:
        found += [_starvation(history[-1], cells, start), _repetition(history[-1], cells, rows)]
    return [finding for finding in found if finding is not None]


def _finding(kind: str, history: Any, cells: Cells, cell: Any, text: str, cure: str) -> Finding:
    label, group = (int(place) for place in cell)
    entry = history if isinstance(history, dict) else history[-1]
    where = f"The share of {cells.name(label, group)}"
    message = f"{where} {text} (epoch {entry['epoch']}). {cure}"
    return Finding(kind, entry["epoch"], cells.label_name(label), cells.groups.names[group], message)


def _saturation(history: Sequence[dict[str, Any]], cells: Cells, start: np.ndarray) -> Finding | None:
    recent = history[-SATURATED:]
    if len(recent) < SATURATED:
        return None
    held = set.intersection(*({tuple(cell) for cell in entry["at_floor"]} for entry in recent))
    mix = np.array(recent[-1]["shares"]) * np.array(recent[-1]["label_shares"])[:, None]
    held = {cell for cell in held if mix[cell] < start[cell] * (1 - 1e-6)}  # else nothing moved it
    if not held:
        return None
    return _finding(
        "saturation",
        history,
        cells,
        min(held),
        f"has been at its floor for {SATURATED} updates: no mix of cells closes the gap, or the step is too large",
        "Use controller='proportional' with a tolerance, a smaller step, or another criterion; training goes on at the "
        "bound.",
    )


def _oscillation(history: Sequence[dict[str, Any]], cells: Cells) -> Finding | None:
    if len(history) < WINDOW + 1:
        return None
    shares = np.array([entry["shares"] for entry in history[-WINDOW - 1 :]])
    moves = np.diff(shares, axis=0)
    turns = (moves[1:] * moves[:-1] < 0).mean(axis=0)
    swing = np.ptp(shares, axis=0)
    half = len(shares) // 2
    dying = np.ptp(shares[half:], axis=0) < 0.7 * np.ptp(shares[: half + 1], axis=0)
    bad = (turns >= TURNS) & (swing >= SWING) & ~dying
    if not bad.any():
        return None
    cell = np.unravel_index(np.argmax(np.where(bad, swing, 0.0)), bad.shape)
    return _finding(
        "oscillation",
        history,
        cells,
        cell,
        f"swings by {swing[cell]:.2f} from update to update and does not settle",
        "Lower the controller's step, update less often, or measure on more samples.",
    )


def _starvation(entry: dict[str, Any], cells: Cells, start: np.ndarray) -> Finding | None:
    mix = np.array(entry["shares"]) * np.array(entry["label_shares"])[:, None]
    part = np.divide(mix, start, out=np.ones(mix.shape), where=(start > 0) & cells.known)
    if part.min() >= STARVED:
        return None
    cell = np.unravel_index(part.argmin(), part.shape)
    return _finding(
        "starvation",
        entry,
        cells,
        cell,
        f"has fallen to {part[cell]:.0%} of its rate at the start: the net hardly sees these samples any more",
        "Raise min_per_batch, or use a controller that settles (proportional, fairdro).",
    )


def _repetition(entry: dict[str, Any], cells: Cells, rows: float) -> Finding | None:
    mix = np.array(entry["shares"]) * np.array(entry["label_shares"])[:, None]
    uses = np.divide(mix * rows, cells.counts, out=np.zeros(mix.shape), where=cells.known & (cells.counts > 0))
    if uses.max() <= REPEATS:
        return None
    cell = np.unravel_index(uses.argmax(), uses.shape)
    return _finding(
        "repetition",
        entry,
        cells,
        cell,
        f"draws each of its {cells.counts[cell]} samples {uses[cell]:.0f} times an epoch: the net may memorise them",
        "Merge small groups, collect more data, or add weight decay.",
    )
