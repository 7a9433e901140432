"""Controllers from distributionally robust optimisation: the worst group, or the worst mix near equal groups."""

from __future__ import annotations

import numpy as np

from mxfair._validation import InputError, one_of
from mxfair.criterion import Criterion, LossCriterion
from mxfair.data.controller._base import Controller, fraction, positive
from mxfair.data.signal import CellStats

__all__ = ["FairDROController", "GroupDROController"]


class GroupDROController(Controller):
    r"""The group with the highest loss gains, exponentially: worst-group training.

    .. math:: q_g \leftarrow q_g \, e^{\eta \, l_g} \big/ \textstyle\sum_h q_h e^{\eta \, l_h}

    where g is a (label, group) cell or a whole group, l its mean loss, and q its part of the batch. Training starts
    from equal parts. The mix of labels moves.

    Parameters
    ----------
    step : float, default=0.1
        The eta of the formula, for one update. The paper takes .01 for an update every batch.
    over : {"cells", "groups"}, optional
        What the worst one is sought among. Default: groups for a criterion of losses by group, else cells.

    Notes
    -----
    Minimises: the largest of the losses, not a gap: it may end with a gap where one cell cannot be learned. Choose it
    where the worst-off matter and nobody is to be levelled down. It fails on noisy labels: the cell with the most noise
    has the highest loss and takes the whole batch, down to the floor of the others. It does not look at the criterion
    beyond that.

    References
    ----------
    Sagawa, Koh, Hashimoto and Liang, "Distributionally Robust Neural Networks for Group Shifts", ICLR 2020,
    algorithm 1.

    Examples
    --------
    >>> import numpy as np
    >>> from mxfair.criterion import CRITERIA
    >>> rule = GroupDROController(step=1.0)
    >>> rule.bind(CRITERIA["equalized_odds"], np.array([0, 1]), np.full((2, 2), 0.5))
    >>> rule.update(np.full((2, 2), 0.25), CellStats(loss=np.array([[0.1, 0.1], [0.1, 1.2]]))).round(2)
    array([[0.17, 0.17],
           [0.17, 0.5 ]])
    """

    need = "loss"
    joint = True
    state = ("q",)
    q: np.ndarray

    def __init__(self, step: float = 0.1, *, over: str | None = None) -> None:
        self.step = positive(step, "step")
        self.over = over if over is None else one_of(over, ("cells", "groups"), "over")

    def bind(
        self,
        criterion: Criterion,
        classes: np.ndarray,
        data_shares: np.ndarray,
        label_shares: np.ndarray | None = None,
    ) -> None:
        """See `Controller.bind`."""
        super().bind(criterion, classes, data_shares, label_shares)
        self._by_group = (self.over or ("groups" if isinstance(criterion, LossCriterion) else "cells")) == "groups"
        present = self.data_shares > 0
        self.q = (present.any(axis=0, keepdims=True) if self._by_group else present).astype(float)
        self.q /= self.q.sum()

    def update(self, shares: np.ndarray, stats: CellStats) -> np.ndarray:
        """See `Controller.update`."""
        assert stats.loss is not None  # the sampler measured what `need` says
        within = self.data_shares / np.maximum(self.data_shares.sum(axis=0, keepdims=True), np.finfo(float).tiny)
        losses = np.nan_to_num(stats.loss)
        if self._by_group:
            losses = (losses * within).sum(axis=0, keepdims=True)
        # Subtracting the largest loss leaves the quotient as it is and cannot overflow.
        q = self.q * np.exp(self.step * (losses - losses.max()))
        self.q = q / q.sum()
        return self.q * within if self._by_group else self.q


class FairDROController(Controller):
    r"""Inside each label, the worst mix of groups within a chi-square ball around equal parts.

    .. math:: q_{yz} = \frac{1}{G} + \sqrt{\frac{2 \rho}{G}} \, \frac{l_{yz} - \bar l_y}{\lVert l_y - \bar l_y \rVert},
              \qquad s^{(t)} = s^{(t-1)} - \frac{1}{t} \, (s^{(t-1)} - q^{(t)})

    Parameters
    ----------
    rho : float, default=0.1
        The squared radius of the ball: 0 balances the groups inside each label and stops there. With two groups a
        share ends between 1/2 - sqrt(rho / 2) and 1/2 + sqrt(rho / 2).

    Notes
    -----
    Minimises: the mean over the labels of the worst mix's loss, which is the group-balanced loss plus a multiple of
    the standard deviation of the groups' losses: a penalty on the gap of equalized odds in terms of losses. Choose it
    for several groups and labels; it cannot saturate unless rho allows it. It fails where losses and rates disagree,
    and for demographic parity, for which it was not made.

    References
    ----------
    Jung, Park, Chun and Moon, "Re-weighting Based Group Fairness Regularization via Classwise Robust Optimization",
    ICLR 2023.

    Examples
    --------
    >>> import numpy as np
    >>> from mxfair.criterion import CRITERIA
    >>> rule = FairDROController(rho=0.08)
    >>> rule.bind(CRITERIA["equalized_odds"], np.array([0, 1]), np.full((2, 2), 0.5))
    >>> rule.update(np.full((2, 2), 0.5), CellStats(loss=np.array([[0.2, 0.1], [0.1, 0.9]])))
    array([[0.7, 0.3],
           [0.3, 0.7]])
    """

    need = "loss"
    state = ("updates",)

    def __init__(self, rho: float = 0.1) -> None:
        self.rho = fraction(rho, "rho")
        self.updates = 0

    def bind(
        self,
        criterion: Criterion,
        classes: np.ndarray,
        data_shares: np.ndarray,
        label_shares: np.ndarray | None = None,
    ) -> None:
        """See `Controller.bind`."""
        super().bind(criterion, classes, data_shares, label_shares)
        self.updates = 0
        if isinstance(criterion, LossCriterion) or criterion.name == "demographic_parity":
            raise InputError(
                f"FairDRO compares the groups' losses inside each label; got {criterion.name}, which compares over all "
                "labels. Use controller='groupdro' for losses by group, 'proportional' for demographic parity."
            )

    def update(self, shares: np.ndarray, stats: CellStats) -> np.ndarray:
        """See `Controller.update`."""
        assert stats.loss is not None  # the sampler measured what `need` says
        present = self.data_shares > 0
        count = np.maximum(present.sum(axis=1, keepdims=True), 1)
        mean = np.where(present, np.nan_to_num(stats.loss), 0.0).sum(axis=1, keepdims=True) / count
        above = np.where(present, np.nan_to_num(stats.loss) - mean, 0.0)
        norm = np.linalg.norm(above, axis=1, keepdims=True)
        unit = np.divide(above, norm, out=np.zeros_like(above), where=norm > 0)
        worst = np.where(present, np.maximum(1 / count + np.sqrt(2 * self.rho / count) * unit, 0.0), 0.0)
        self.updates += 1
        total = worst.sum(axis=1, keepdims=True)
        worst = np.divide(worst, total, out=shares.copy(), where=total > 0)  # a target may leave out a label
        return shares - (shares - worst) / self.updates
