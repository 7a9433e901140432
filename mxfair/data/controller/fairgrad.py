"""FairGrad: multipliers that grow while a group lies behind."""

from __future__ import annotations

import numpy as np

from mxfair._validation import InputError
from mxfair.criterion import Criterion, LossCriterion
from mxfair.data.controller._base import Controller, fraction, positive
from mxfair.data.controller._gaps import lever_rates
from mxfair.data.controller._levers import find_levers
from mxfair.data.signal import CellStats

__all__ = ["FairGradController"]


class FairGradController(Controller):
    r"""Two multipliers for each rate and group grow with what it lacks or has too much; shares follow from them.

    .. math::
        F_{rz} &= r - r_z, \qquad
        \lambda \leftarrow \max(0, \lambda + \eta (F - \epsilon)), \quad
        \delta \leftarrow \max(0, \delta - \eta (F + \epsilon))

        s_{yz} &= d_{yz} + \frac{1}{P(y)} \sum_r \sigma_{ry}
                  \big(u_{rz} - d_{yz} \textstyle\sum_{z'} u_{rz'}\big), \qquad u = \lambda - \delta

    with the rate r over all known groups, its value in a group, the data's shares d and the sign sigma with which more
    samples move a rate.

    Parameters
    ----------
    step : float, default=0.01
        The eta of the formula. The paper's .01 is for an update every batch.
    tolerance : float, default=0
        The epsilon of the formula: gaps to the overall rate up to this size move nothing.

    Notes
    -----
    Minimises: the error under the constraint that each group's rate is within the tolerance of the overall one, by
    gradient steps on its Lagrangian. Made for an update every batch from the rates of that batch: use it with
    ``signal=ProbeSet(..., redraw=True)`` and ``update_every=1``. Choose it for short trainings, where an epoch is too
    long to wait. Where the gap cannot close the multipliers grow without end and shares end at the floor; rates of
    small batches are noisy, and the step has to be small for that.

    The paper lets weights become negative; a share ends at the floor.

    References
    ----------
    Maheshwari and Perrot, "FairGrad: Fairness Aware Gradient Descent", TMLR 2023.

    Examples
    --------
    >>> import numpy as np
    >>> from mxfair import GroupConfusion
    >>> from mxfair.criterion import CRITERIA
    >>> rule = FairGradController(step=0.1)
    >>> rule.bind(CRITERIA["equal_opportunity"], np.array([0, 1]), np.full((2, 2), 0.5))
    >>> rates = GroupConfusion.of([1, 1, 1, 1], [1, 1, 1, 0], ["a", "a", "b", "b"])
    >>> rule.update(np.full((2, 2), 0.5), CellStats(rates=rates))
    array([[0.5 , 0.5 ],
           [0.45, 0.55]])
    """

    state = ("upper", "lower")
    upper: np.ndarray
    lower: np.ndarray

    def __init__(self, step: float = 0.01, *, tolerance: float = 0.0) -> None:
        self.step, self.tolerance = positive(step, "step"), fraction(tolerance, "tolerance")

    def bind(
        self,
        criterion: Criterion,
        classes: np.ndarray,
        data_shares: np.ndarray,
        label_shares: np.ndarray | None = None,
    ) -> None:
        """See `Controller.bind`."""
        super().bind(criterion, classes, data_shares, label_shares)
        if isinstance(criterion, LossCriterion):
            raise InputError(f"FairGrad compares rates; got {criterion.name}. Use controller='groupdro'.")
        self._levers = find_levers(criterion, classes)
        self.upper = np.zeros((len(self._levers), data_shares.shape[1]))
        self.lower = np.zeros_like(self.upper)

    def update(self, shares: np.ndarray, stats: CellStats) -> np.ndarray:
        """See `Controller.update`."""
        assert stats.rates is not None  # the sampler measured what `need` says
        moved = self.data_shares.copy()
        for place, lever in enumerate(self._levers):
            rates = lever_rates(lever, stats.rates)
            lacking = self._lacking(rates.values[rates.known], rates.denominator[rates.known])
            self.upper[place] = np.maximum(0.0, self.upper[place] + self.step * (lacking - self.tolerance))
            self.lower[place] = np.maximum(0.0, self.lower[place] - self.step * (lacking + self.tolerance))
            more = self.upper[place] - self.lower[place]
            by_label = np.maximum(self.label_shares, np.finfo(float).eps)[:, None]  # a target may leave out a label
            row = (more - self.data_shares * more.sum()) / by_label
            moved += lever.signs[:, None] * row
        return np.where(self.data_shares > 0, moved, 0.0)

    @staticmethod
    def _lacking(values: np.ndarray, given: np.ndarray) -> np.ndarray:
        """Return what each group's rate lacks to that of all known groups; 0 where it is undefined."""
        defined = ~np.isnan(values)
        if not defined.any():
            return np.zeros(len(values))
        overall = np.average(values[defined], weights=given[defined])
        return np.where(defined, overall - values, 0.0)
