"""GapPenalty and GapConstraint: the gaps of a criterion's soft rates, as a price and as a bound."""

from __future__ import annotations

from typing import Any

from mxfair._compat import import_mxnet
from mxfair._strength import check_strength
from mxfair._validation import InputError, one_of
from mxfair.loss._soft_rates import SoftRates
from mxfair.loss._steered import Steered

mx: Any = import_mxnet()

__all__ = ["GapConstraint", "GapPenalty"]

NORMS = ("l2", "l1", "max", "squared")
#: Where the root of a square is rounded off, so that its gradient has no jump at parity.
ROUND = 1e-2


class GapPenalty(SoftRates):
    r"""A norm of the gaps of a criterion's rates, with probabilities in the place of decisions.

    With :math:`r_{gk}` the soft rate k of group g, and :math:`d_{gk} = r_{gk} - \mathrm{mean}_g\, r_{gk}`, it is

    .. math:: \Omega = \sqrt{2 \textstyle\sum_{gk} d_{gk}^2} \;(l_2), \quad \sum_{gk} |d_{gk}| \;(l_1), \quad
        2 \max_{gk} |d_{gk}| \;(\max), \quad 2 \textstyle\sum_{gk} d_{gk}^2 \;(\mathrm{squared}).

    For one rate of two groups the first three are the gap itself. A norm that is not squared has a gradient that does
    not vanish near parity, so that strengths between .1 and 3 serve every criterion; a squared one needs more the
    smaller the gap.

    Parameters
    ----------
    criterion : str or Criterion
        Any criterion made of quotients of counts, your own too. A rate that is no share (treatment equality, FN/FP) is
        compared as the share FN/(FN + FP), which is equal where it is.
    n_groups : int or Groups
        Number of groups, or the Groups; samples of any other code count for none.
    norm : {"l2", "l1", "max", "squared"}, default="l2"
        How gaps become one number.
    memory : float, default=0.9
        The rates are those of all batches so far, weighted by memory^age: of a tenth of the samples each, with .9. The
        gradient is that of the batch at hand. 0 forgets each batch: with few samples of a cell the gap is then noise,
        which a net can only lower by predicting the same for everybody.
    **options
        ``strength``, ``link`` and ``n_classes``, as for `Penalty`.

    Raises
    ------
    InputError, InputTypeError
        If a criterion is of losses, of signed gaps or made of composite rates, or a parameter cannot be used.

    Notes
    -----
    Soft rates are not decisions: a net whose confidence differs by group may have a gap of 0 here and not in its
    decisions. Choose the strength by the gap of the decisions on validation data.

    References
    ----------
    Rates as linear-fractional statistics in a loss: Buyl, Defrance and De Bie, "fairret: a Framework for Differentiable
    Fairness Regularization Terms", ICLR 2024. Norms of violations: Padala and Gujar, "FNNC: Achieving Fairness through
    Neural Networks", IJCAI 2020.

    Examples
    --------
    >>> import mxnet as mx
    >>> penalty = GapPenalty("demographic_parity", 2, link="sigmoid", memory=0)
    >>> pred, label, group = mx.nd.array([[2.0], [2.0], [-2.0]]), mx.nd.array([1, 0, 0]), mx.nd.array([0, 0, 1])
    >>> penalty(pred, label, group).asnumpy().round(2).tolist()
    [0.75, 0.75, 0.75]
    """

    def __init__(self, criterion: Any, n_groups: Any, *, norm: str = "l2", memory: float = 0.9, **options: Any) -> None:
        super().__init__(criterion, n_groups, memory=memory, **options)
        self.norm = one_of(norm, NORMS, "norm")

    def penalty(self, F: Any, pred: Any, label: Any, group: Any, **params: Any) -> Steered:
        """Return the penalty with its slope; see `Penalty.penalty`.

        Parameters
        ----------
        F, pred, label, group
            As for `Penalty.penalty`.
        **params
            The strength, the rates' masks, the sums remembered.

        Returns
        -------
        Steered
        """
        strength = params["strength"]
        prob, member, sums, size = self._sums(F, pred, label, group, params)
        rates, below, defined = self._rates(F, sums, params)
        value, by_rate = self._norm(F, self._apart(F, rates, defined, params), defined, params)
        slope = self._slope(F, by_rate, rates, below, (prob, member), strength * size, params)
        return Steered(value * strength, slope, self._new_states(sums))

    def _norm(self, F: Any, apart: Any, defined: Any, params: dict[str, Any]) -> tuple[Any, Any]:
        """Return the norm of distances to the mean, rounded off at 0, and its derivative by the rates."""
        if self.norm == "squared":
            return 2.0 * F.sum(F.square(apart), keepdims=True), 4.0 * apart
        if self.norm == "l2":
            root = F.sqrt(2.0 * F.sum(F.square(apart), keepdims=True) + ROUND**2)
            return root - ROUND, F.broadcast_div(2.0 * apart, root)
        size = F.sqrt(F.square(apart) + ROUND**2)
        slope = apart / size
        if self.norm == "l1":
            return F.sum(size - ROUND, keepdims=True), self._apart(F, slope, defined, params)
        top = F.max(size, keepdims=True)
        largest = F.broadcast_equal(size, top)  # shared where several are
        slope = 2.0 * F.broadcast_div(slope * largest, F.sum(largest, keepdims=True))
        return 2.0 * (top - ROUND), self._apart(F, slope, defined, params)


class GapConstraint(SoftRates):
    r"""Keep the gaps of a criterion's soft rates below a bound, with learned multipliers: no strength to choose.

    Each group and rate has two constraints, :math:`h_{gk}^\pm = \pm d_{gk} - \epsilon / 2 \le 0`, with d as in
    `GapPenalty`; where all hold, no gap exceeds the bound. The augmented Lagrangian and the step of its multipliers are

    .. math:: \Omega = \frac{1}{2 \rho} \sum \left( \max(0, \lambda + \rho h)^2 - \lambda^2 \right), \qquad
        \lambda \leftarrow \max(0, \lambda + \eta h).

    Parameters
    ----------
    criterion, n_groups, memory
        As for `GapPenalty`.
    bound : float
        The largest gap allowed, :math:`\epsilon`, in the units of the rates: 0.05 is five points.
    step : float, default=0.01
        The multipliers' step after each batch, :math:`\eta`: a violation of .1 that lasts for 100 batches adds .1 to a
        multiplier.
    rho : float, default=1.0
        Weight of the squared violations, :math:`\rho`; it damps the swings of the multipliers.
    **options
        ``link`` and ``n_classes``, as for `Penalty`.

    Raises
    ------
    InputError, InputTypeError
        As for `GapPenalty`; if `bound` is not between 0 and 1, or `step` or `rho` not above 0.

    Notes
    -----
    The bound is on soft rates of the training data, as `GapPenalty` says; a bound that decisions on new data should
    keep needs a margin. The multipliers are the price of the constraint: ``penalty.multipliers.data()`` in the order
    (sign, group, rate), flat.

    References
    ----------
    Bertsekas, "Constrained Optimization and Lagrange Multiplier Methods", 1982, chapter 3. For fairness: Cotter et al.,
    "Optimization with Non-Differentiable Constraints with Applications to Fairness, Recall, Churn, and Other Goals",
    JMLR 2019.

    Examples
    --------
    >>> import mxnet as mx
    >>> base = mx.gluon.loss.SigmoidBinaryCrossEntropyLoss()
    >>> from mxfair.loss import PenalizedLoss
    >>> loss = PenalizedLoss(base, GapConstraint("demographic_parity", 2, bound=0.05))
    """

    def __init__(
        self,
        criterion: Any,
        n_groups: Any,
        *,
        bound: float,
        step: float = 0.01,
        rho: float = 1.0,
        memory: float = 0.9,
        **options: Any,
    ) -> None:
        if "strength" in options:
            raise InputError("'strength' must not be given: the multipliers of a GapConstraint are learned.")
        super().__init__(criterion, n_groups, memory=memory, **options)
        self.bound = check_strength(bound, "bound")
        self.step, self.rho = check_strength(step, "step"), check_strength(rho, "rho")
        if self.bound >= 1 or not self.step or not self.rho:
            raise InputError(
                f"'bound' must be below 1, 'step' and 'rho' above 0; got {bound}, {step} and {rho}. A bound of 0.05 is "
                "five points."
            )
        with self.name_scope():
            self.multipliers = self._state("multipliers", (2 * self.n_groups * self._n_rates,))

    def _states(self) -> list[Any]:
        return [*super()._states(), self.multipliers]

    def penalty(self, F: Any, pred: Any, label: Any, group: Any, **params: Any) -> Steered:
        """Return the augmented Lagrangian's terms; see `Penalty.penalty`.

        Parameters
        ----------
        F, pred, label, group
            As for `Penalty.penalty`.
        **params
            The strength, the rates' masks, the multipliers, the sums remembered.

        Returns
        -------
        Steered
        """
        strength, multipliers = params["strength"], params["multipliers"]
        prob, member, sums, size = self._sums(F, pred, label, group, params)
        rates, below, defined = self._rates(F, sums, params)
        apart = self._apart(F, rates, defined, params)
        # A group that no batch had yet is 0 away from the mean: its constraints hold.
        violation = F.concat(apart, -apart, dim=0) - self.bound / 2
        active = F.relu(multipliers + self.rho * violation)
        value = F.sum(F.square(active) - F.square(multipliers), keepdims=True) / (2 * self.rho)
        count = self.n_groups * self._n_rates
        by_apart = F.slice_axis(active, axis=0, begin=0, end=count) - F.slice_axis(
            active, axis=0, begin=count, end=None
        )
        by_rate = self._apart(F, by_apart * defined, defined, params)
        raised = F.relu(multipliers + self.step * violation)
        slope = self._slope(F, by_rate, rates, below, (prob, member), strength * size, params)
        return Steered(value * strength, slope, (*self._new_states(sums), raised))
