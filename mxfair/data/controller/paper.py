"""The published rule."""

from __future__ import annotations

import numpy as np

from mxfair._validation import InputError, one_of
from mxfair.criterion import Criterion
from mxfair.data.controller._base import Controller, fraction
from mxfair.data.controller._gaps import COMPARE
from mxfair.data.controller._levers import find_levers
from mxfair.data.signal import CellStats

__all__ = ["PaperController"]


class PaperController(Controller):
    r"""The published rule: a fixed step toward the group with the higher loss, once an update.

    =================== ==============================================================================================
    equal_opportunity   the positive label's share moves toward the group with the higher mean loss
    equalized_odds      only the label whose two groups differ most moves
    demographic_parity  losses against the positive label, summed over a cell and divided by the group's size; the label
                        with the larger gap moves, with the opposite sign unless it is the positive one
    =================== ==============================================================================================

    With more than two groups adjacent pairs are compared and the worst pair moves. Shares stay in [0, 1].

    Parameters
    ----------
    step : float, default=0.005
        How far a share moves in one update.
    compare : {"losses", "rates"}, default="losses"
        "rates" keeps the rule and puts errors (for demographic parity, samples that are not selected) in the place of
        losses: the *rate signal*. Equal losses are not equal rates where confidence differs between groups.

    Notes
    -----
    Minimises: by whatever step, the largest loss gap between neighbouring groups. Choose it to compare with the paper.
    It equalises losses, not rates: where confidence differs between groups the two disagree. Its demographic parity
    rule keeps pushing for a constant predictor, a share may end on a bound, and near its goal it swings by the step.

    References
    ----------
    Roh, Lee, Whang and Suh, "FairBatch: Batch Selection for Model Fairness", ICLR 2021, section 4 and algorithm 1.

    Examples
    --------
    >>> import numpy as np
    >>> from mxfair.criterion import CRITERIA
    >>> rule = PaperController(step=0.1)
    >>> rule.bind(CRITERIA["equal_opportunity"], np.array([0, 1]), np.full((2, 2), 0.5))
    >>> rule.update(np.full((2, 2), 0.5), CellStats(loss=np.array([[0.1, 0.9], [0.7, 0.3]])))
    array([[0.5, 0.5],
           [0.6, 0.4]])
    """

    min_per_batch = 0.0
    _LABELS = ("demographic_parity", "equal_opportunity", "predictive_equality", "equalized_odds")

    def __init__(self, step: float = 0.005, *, compare: str = "losses") -> None:
        self.step = fraction(step, "step")
        self.compare = one_of(compare, COMPARE, "compare")

    def bind(
        self,
        criterion: Criterion,
        classes: np.ndarray,
        data_shares: np.ndarray,
        label_shares: np.ndarray | None = None,
    ) -> None:
        """See `Controller.bind`."""
        super().bind(criterion, classes, data_shares, label_shares)
        if criterion.name not in self._LABELS:
            raise InputError(
                f"The published rule and its mirror for false positives cover {', '.join(self._LABELS)}; "
                f"got {criterion.name}. "
                "Use controller='proportional'."
            )
        if criterion.name == "demographic_parity" and len(classes) != 2:
            raise InputError(
                f"The published rule for demographic_parity covers two labels; got {len(classes)}. "
                "Use controller='proportional'."
            )
        levers = find_levers(criterion, classes)
        self._moving = np.flatnonzero(np.any([lever.signs != 0 for lever in levers], axis=0))
        self._aggregate = criterion.name == "demographic_parity"
        self._positive = int(np.argmax(levers[0].signs)) if self._aggregate else -1
        losses = "positive_loss" if self._aggregate else "loss"
        self.need = losses if self.compare == "losses" else "rates"

    def update(self, shares: np.ndarray, stats: CellStats) -> np.ndarray:
        """See `Controller.update`."""
        gaps = np.nan_to_num(np.diff(self._losses(stats), axis=1))  # column z: group z + 1 minus group z
        label = self._moving[np.abs(gaps[self._moving]).max(axis=1).argmax()]
        pair = int(np.abs(gaps[label]).argmax())
        toward = pair + 1 if gaps[label, pair] > 0 else pair
        if self._aggregate and label != self._positive:
            toward = 2 * pair + 1 - toward  # the other group of the pair
        other = 2 * pair + 1 - toward
        moved = shares.copy()
        step = min(self.step, moved[label, other])
        moved[label, toward] += step
        moved[label, other] -= step
        return moved

    def _losses(self, stats: CellStats) -> np.ndarray:
        """Return each cell's loss, or what stands for it among rates."""
        if self.need != "rates":
            losses = stats.positive_loss if self.need == "positive_loss" else stats.loss
            assert losses is not None  # the sampler measured what `need` says
            return losses
        assert stats.rates is not None
        table = stats.rates
        rows = np.searchsorted(table.classes, self.classes)
        counts = np.moveaxis(table.counts[table.known][:, rows], 0, 1)  # label, group, prediction
        right = rows[self._positive] if self._aggregate else rows[:, None]
        hits = np.take_along_axis(counts, np.broadcast_to(right, (len(rows), 1))[:, :, None], axis=2)[:, :, 0]
        misses = counts.sum(axis=2) - hits
        size = counts.sum(axis=(0, 2)) if self._aggregate else counts.sum(axis=2)
        with np.errstate(invalid="ignore", divide="ignore"):
            return misses / size
