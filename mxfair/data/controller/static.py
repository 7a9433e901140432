"""Shares that do not depend on the net."""

from __future__ import annotations

import numpy as np

from mxfair.data.controller._base import Controller
from mxfair.data.signal import CellStats

__all__ = ["BalancedController", "ReweighingController"]


class ReweighingController(Controller):
    r"""Each group has the same share of every label: group and label are independent in the batches (Kamiran-Calders).

    .. math:: s_{yz} = P(z), \qquad \text{that is } w_{yz} = P(y) P(z) / P(y, z)

    Notes
    -----
    Minimises: the dependence of label and group in what the net sees, whatever the net makes of it. Choose it as the
    baseline that costs nothing, or where the net is too slow to measure. It does not look at the net: a gap that comes
    from the features stays, and one may be turned round.

    References
    ----------
    Kamiran and Calders, "Data preprocessing techniques for classification without discrimination", Knowledge and
    Information Systems 33 (2012), section 4.3.

    Examples
    --------
    >>> import numpy as np
    >>> from mxfair.criterion import CRITERIA
    >>> rule = ReweighingController()
    >>> rule.bind(CRITERIA["equalized_odds"], np.array([0, 1]), np.array([[0.8, 0.2], [0.4, 0.6]]))
    >>> rule.update(rule.data_shares, CellStats())
    array([[0.6, 0.4],
           [0.6, 0.4]])
    """

    need = "nothing"

    def update(self, shares: np.ndarray, stats: CellStats) -> np.ndarray:
        """See `Controller.update`."""
        by_group = (self.data_shares * self.label_shares[:, None]).sum(axis=0)
        return np.where(self.data_shares > 0, by_group, 0.0)


class BalancedController(Controller):
    """Every (label, group) cell has the same part of the batch; the mix of labels becomes equal too.

    Notes
    -----
    Minimises: the mean over the cells of their loss, the balanced error. Choose it where cells are of very different
    sizes and the worst one matters. It does not look at the net, and the net's threshold moves with the mix of labels:
    accuracy falls where labels are unbalanced. Samples of tiny cells are drawn over and over.

    References
    ----------
    Idrissi, Arjovsky, Pezeshki and Lopez-Paz, "Simple data balancing achieves competitive worst-group-accuracy",
    CLeaR 2022 (SUBG and RWG).

    Examples
    --------
    >>> import numpy as np
    >>> from mxfair.criterion import CRITERIA
    >>> rule = BalancedController()
    >>> rule.bind(CRITERIA["equalized_odds"], np.array([0, 1]), np.array([[0.8, 0.2], [0.4, 0.6]]))
    >>> rule.update(rule.data_shares, CellStats())
    array([[0.25, 0.25],
           [0.25, 0.25]])
    """

    need = "nothing"
    joint = True

    def update(self, shares: np.ndarray, stats: CellStats) -> np.ndarray:
        """See `Controller.update`."""
        present = self.data_shares > 0
        return present / present.sum()
