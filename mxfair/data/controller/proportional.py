"""Controllers that move every steered share: in proportion to its gap, or by a step of fixed length."""

from __future__ import annotations

import numpy as np

from mxfair._validation import one_of
from mxfair.criterion import Criterion, LossCriterion
from mxfair.data.controller._base import Controller, fraction
from mxfair.data.controller._gaps import COMPARE, gaps_of
from mxfair.data.signal import CellStats

__all__ = ["NormalizedController", "ProportionalController"]


class _GapController(Controller):
    """What both take from the criterion."""

    compare: str
    tolerance = 0.0

    def bind(
        self,
        criterion: Criterion,
        classes: np.ndarray,
        data_shares: np.ndarray,
        label_shares: np.ndarray | None = None,
    ) -> None:
        """See `Controller.bind`."""
        self.joint = isinstance(criterion, LossCriterion)
        super().bind(criterion, classes, data_shares, label_shares)
        self._gaps = gaps_of(self.compare, criterion, classes, self.tolerance)
        self.need = self._gaps.need


class ProportionalController(_GapController):
    r"""Shares move in proportion to the gaps between rates.

    .. math:: s_{yz} \leftarrow s_{yz} + k \, \frac{G}{G-1} \sum_r \sigma_{ry} (\bar r - r_z)
              - c \, \frac{1}{K} \sum_{y'} (s_{y'z} - d_{y'z})

    with the criterion's rates r, their mean over the G groups, the data's shares d, and the sign sigma with which
    more samples of (y, z) move r in group z. A rate among the samples of one label (true and false positive rate)
    moves that label's share; a rate among all samples (selection rate) moves every label's share, in opposite
    directions for one aggregate gap: *aggregate parity*.

    The last term acts only where a criterion names several rates. Their moves can then cancel: more of a group among
    the positives raises its true and its false positive rate, more of it among the negatives lowers both, and the
    shares drift toward a bound while no gap changes. Drawing back the part that all labels have in common ends the
    drift, and leaves free the part that moves the decisions: the gaps of the rates end equal in size, the least that
    their maximum can be.

    Parameters
    ----------
    step : float, default=0.25
        The k of the formula: with two groups, the move for a gap of 1.
    pull : float, default=0.05
        The c of the formula: the part of the common drift that is given back in each update.
    tolerance : float, default=0
        Only the part of a rate's gap above this size moves shares. Where no gap exceeds it, shares are drawn back to
        the data's by `pull`, so that training rests at the tolerance and keeps the accuracy it allows.
    compare : {"rates", "losses"}, default="rates"
        "losses" puts (loss - mean) / mean of each label in the place of the rate's deviation. Criteria of losses
        (bounded group loss) always compare losses, and move the shares of whole groups.

    Notes
    -----
    Minimises: the gaps that the criterion names, to 0 where the family of shares allows. Choose it first. It fails
    where no mix of groups moves a rate, or where rates are too noisy to compare: a group with few samples.

    It compares the rates that the criterion names, not losses; a step that shrinks with the gap ends the swinging of a
    fixed one.

    Two criteria depend on the data, so watch the history's gap. Predictive parity assumes a net that can tell the
    groups apart: more positives of a group then make it select more of that group, less precisely. A net that cannot
    learns the group's pattern better instead, and the gap grows. Accuracy parity assumes that more samples of a group
    make the net more often right in it; where a group's labels are noisier, no share closes the gap.

    Examples
    --------
    >>> import numpy as np
    >>> from mxfair import GroupConfusion
    >>> from mxfair.criterion import CRITERIA
    >>> rule = ProportionalController(step=0.5)
    >>> rule.bind(CRITERIA["equal_opportunity"], np.array([0, 1]), np.full((2, 2), 0.5))
    >>> rates = GroupConfusion.of([1, 1, 1, 1], [1, 1, 1, 0], ["a", "a", "b", "b"])
    >>> rule.update(np.full((2, 2), 0.5), CellStats(rates=rates))
    array([[0.5 , 0.5 ],
           [0.25, 0.75]])
    """

    def __init__(
        self, step: float = 0.25, pull: float = 0.05, tolerance: float = 0.0, *, compare: str = "rates"
    ) -> None:
        self.step, self.pull = fraction(step, "step"), fraction(pull, "pull")
        self.tolerance = fraction(tolerance, "tolerance")
        self.compare = one_of(compare, COMPARE, "compare")

    def update(self, shares: np.ndarray, stats: CellStats) -> np.ndarray:
        """See `Controller.update`."""
        move = self._gaps(stats)
        if self.tolerance and not move.any():
            return shares - self.pull * (shares - self.data_shares)
        moved = shares + self.step * move
        if len(self.criterion.rates) > 1:
            moved = moved - self.pull * (shares - self.data_shares).mean(axis=0)
        return moved


class NormalizedController(_GapController):
    r"""All labels' shares move at once, together by a step of fixed length.

    .. math:: s \leftarrow s + k \, \frac{d}{\lVert d \rVert}

    where d holds the deviation of every cell that the criterion steers: of its loss from the mean of its label, or of
    its group's rates. Demographic parity has one aggregate gap, which moves the labels in opposite directions.

    Parameters
    ----------
    step : float, default=0.01
        The k of the formula: the length of the move, whatever the size of the gaps.
    compare : {"losses", "rates"}, default="losses"
        What the deviations are taken of.

    Notes
    -----
    Minimises: the same gaps as the published rule, with no label waiting for another. Choose it for several labels or
    groups when losses are to be compared. It swings around its goal by the step, and, with losses, shares its blindness
    for rates.

    References
    ----------
    Zeng, Chen and Lee, "Improving Fairness via Federated Learning", arXiv 2110.15545 (FedFB), the update of all labels.

    Examples
    --------
    >>> import numpy as np
    >>> from mxfair.criterion import CRITERIA
    >>> rule = NormalizedController(step=0.1)
    >>> rule.bind(CRITERIA["equal_opportunity"], np.array([0, 1]), np.full((2, 2), 0.5))
    >>> rule.update(np.full((2, 2), 0.5), CellStats(loss=np.array([[0.1, 0.9], [0.7, 0.3]]))).round(3)
    array([[0.5  , 0.5  ],
           [0.571, 0.429]])
    """

    def __init__(self, step: float = 0.01, *, compare: str = "losses") -> None:
        self.step = fraction(step, "step")
        self.compare = one_of(compare, COMPARE, "compare")

    def update(self, shares: np.ndarray, stats: CellStats) -> np.ndarray:
        """See `Controller.update`."""
        direction = self._gaps(stats)
        length = float(np.linalg.norm(direction))
        return shares + self.step * direction / length if length > 0 else shares
