"""GroupDROLoss and BoundedGroupLoss: the group with the highest loss gains weight as training goes on."""

from __future__ import annotations

from typing import Any

import numpy as np

from mxfair._compat import import_mxnet
from mxfair._validation import InputError, numbers
from mxfair.groups import Groups
from mxfair.loss._grouped import CellLoss, check_number

mx: Any = import_mxnet()

__all__ = ["BoundedGroupLoss", "GroupDROLoss"]


class GroupDROLoss(CellLoss):
    r"""Worst-group training: the mean over the batch is the mean of the groups' losses, weighed by how high they are.

    .. math:: q_g \leftarrow q_g \, e^{\eta (L_g + C / \sqrt{n_g})} \big/ \textstyle\sum_h q_h e^{\eta (L_h + C /
              \sqrt{n_h})}, \qquad \frac{1}{B} \sum_i l_i = \sum_g q_g L_g

    where L_g is the base loss's mean over the samples of group g in the batch. The q are updated by every batch in
    training mode, inside the graph, and start equal.

    Parameters
    ----------
    base : gluon.loss.Loss
        Of (pred, label), or a `GroupLoss` of (pred, label, group); for classes or for numbers.
    n_groups : int or Groups
        Number of groups: codes 0 to n_groups - 1.
    step : float, default=0.01
        The eta of the formula. A larger one follows the worst group faster, and its noise too.
    over : {"groups", "cells"}, default="groups"
        What the worst one is sought among: groups, or (label, group) cells, as the paper has them; choose cells for
        equalized odds.
    n_classes : int, default=2
        Number of classes, for cells: labels are 0 to n_classes - 1.
    adjustment : float, default=0.0
        The C of the formula: a small group counts as if its loss were higher, since its generalization gap is. In
        units of the loss.
    sizes : array of shape (n_groups,), or (n_groups * n_classes,) for cells, optional
        The n_g of the formula, numbers of training samples; cell ``group * n_classes + label``. Needed for an
        adjustment, unless n_groups are Groups of the training samples and `over` is "groups".
    **kwargs
        ``prefix`` and ``params``, as for any Block.

    Raises
    ------
    InputError, InputTypeError
        If an argument cannot be used, or the first batch holds no known group, or codes that are no whole numbers.

    Notes
    -----
    Minimises the largest loss, not a gap: a group whose labels are noise takes all weight. A group that a batch lacks
    keeps its q but for the normalisation and contributes nothing. Samples of unknown groups (other codes) keep the
    weight they have in the base loss, and the q are shares of the rest. The q are held as logarithms: a group cannot
    vanish by rounding.

    References
    ----------
    Sagawa, Koh, Hashimoto and Liang, "Distributionally Robust Neural Networks for Group Shifts", ICLR 2020,
    algorithm 1 and equation 5.

    Examples
    --------
    >>> import mxnet as mx
    >>> loss = GroupDROLoss(mx.gluon.loss.L1Loss(), 2, step=1.0)
    >>> pred, label, group = mx.nd.array([1, 1, 1, 3]), mx.nd.zeros(4), mx.nd.array([0, 0, 0, 1])
    >>> with mx.autograd.train_mode():
    ...     mean = loss(pred, label, group).mean().asscalar()
    >>> [round(float(q), 3) for q in loss.q], round(float(mean), 3)
    ([0.119, 0.881], 2.762)
    """

    def __init__(
        self,
        base: Any,
        n_groups: Any,
        *,
        step: float = 0.01,
        over: str = "groups",
        n_classes: int = 2,
        adjustment: float = 0.0,
        sizes: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(base, n_groups, over=over, n_classes=n_classes, **kwargs)
        self.step = check_number(step, "step", above=0)
        self.adjustment = check_number(adjustment, "adjustment", least=0)
        self.log_q = self._state("log_q", np.full(self._n_cells, -np.log(self._n_cells)))
        if self.adjustment:
            if sizes is None and isinstance(n_groups, Groups) and self.over == "groups":
                sizes = n_groups.counts[n_groups.known]
            with self.name_scope():
                self.raised = self.params.get_constant(
                    "raised", (self.adjustment / np.sqrt(self._sizes(sizes))).astype(np.float32)
                )
            self.raised.initialize()

    def _sizes(self, sizes: Any) -> np.ndarray:
        if sizes is None:
            raise InputError("'sizes' must be given for an adjustment; got None. Give numbers of training samples.")
        found = numbers(sizes, "sizes")
        if len(found) != self._n_cells or not (np.isfinite(found) & (found > 0)).all():
            raise InputError(
                f"'sizes' must hold {self._n_cells} numbers above 0, one for each of the {self.over}; got "
                f"{found.tolist()}. Count the training samples."
            )
        return found

    @property
    def q(self) -> np.ndarray:
        """The weights of the groups, which sum to 1; reading them waits for the engine."""
        return np.exp(self.log_q.data(self.log_q.list_ctx()[-1]).asnumpy())

    def _own_states(self) -> list[Any]:
        return [self.log_q]

    def _weights(self, F: Any, mean: Any, counts: Any, below: Any, params: dict[str, Any]) -> list[Any]:
        gain = mean + params["raised"] * (counts > 0) if "raised" in params else mean
        new = F.log_softmax(params["log_q"] + self.step * gain, axis=-1)
        # A sample's weight is q_g n / n_g, so that the mean over all n samples is the sum of q_g L_g.
        return [F.broadcast_mul(F.exp(new) / below, F.sum(counts, keepdims=True)) - 1, new]


class BoundedGroupLoss(CellLoss):
    r"""The mean loss under the constraint that no group's loss exceeds a bound, by multipliers that are learned.

    .. math:: \frac{1}{B} \sum_i l_i = L + \sum_g \lambda_g (L_g - \zeta), \qquad
              \lambda_g \leftarrow \min(\max(\lambda_g + \eta (L_g - \zeta), 0), \Lambda)

    where L is the base loss's mean over the batch and L_g that over its samples of group g. The multipliers are updated
    by every batch in training mode, inside the graph, and start at 0.

    Parameters
    ----------
    base : gluon.loss.Loss
        Of (pred, label), or a `GroupLoss` of (pred, label, group); for classes or for numbers.
    n_groups : int or Groups
        Number of groups: codes 0 to n_groups - 1.
    bound : float
        The zeta of the formula, in units of the base loss: the loss of the worst group of a plain net is where it
        begins to act, and one that no net can meet ends as worst-group training.
    step : float, default=0.05
        The eta of the formula: how fast multipliers follow.
    limit : float, default=10.0
        The Lambda of the formula: the largest multiplier. Without one, a bound that cannot be met would make the
        multipliers, and with them the steps of SGD, grow for ever.
    over : {"groups", "cells"}, default="groups"
        What is bounded: the loss of each group, or of each (label, group) cell.
    n_classes : int, default=2
        Number of classes, for cells: labels are 0 to n_classes - 1.
    **kwargs
        ``prefix`` and ``params``, as for any Block.

    Raises
    ------
    InputError, InputTypeError
        If an argument cannot be used, or the first batch holds no known group, or codes that are no whole numbers.

    Notes
    -----
    The paper's best responses by exponentiated gradient become steps of projected gradient ascent, one per batch. The
    losses of small batches are noisy; the multipliers are sums over many of them. A group that a batch lacks keeps its
    multiplier and contributes nothing; samples of unknown groups (other codes) count in the mean loss only.

    References
    ----------
    Agarwal, Dudik and Wu, "Fair Regression: Quantitative Definitions and Reduction-Based Algorithms", ICML 2019,
    definition 2 and section 4.

    Examples
    --------
    >>> import mxnet as mx
    >>> loss = BoundedGroupLoss(mx.gluon.loss.L1Loss(), 2, bound=2.0, step=0.5)
    >>> pred, label, group = mx.nd.array([1, 1, 1, 3]), mx.nd.zeros(4), mx.nd.array([0, 0, 0, 1])
    >>> with mx.autograd.train_mode():
    ...     mean = loss(pred, label, group).mean().asscalar()
    >>> loss.multipliers.tolist(), float(mean)
    ([0.0, 0.5], 2.0)
    """

    def __init__(
        self,
        base: Any,
        n_groups: Any,
        *,
        bound: float,
        step: float = 0.05,
        limit: float = 10.0,
        over: str = "groups",
        n_classes: int = 2,
        **kwargs: Any,
    ) -> None:
        super().__init__(base, n_groups, over=over, n_classes=n_classes, **kwargs)
        self.bound = check_number(bound, "bound")
        self.step = check_number(step, "step", above=0)
        self.limit = check_number(limit, "limit", above=0)
        self.multiplier = self._state("multiplier", np.zeros(self._n_cells))

    @property
    def multipliers(self) -> np.ndarray:
        """The multipliers of the groups, 0 where the bound is met with room; reading them waits for the engine."""
        return self.multiplier.data(self.multiplier.list_ctx()[-1]).asnumpy()

    def _own_states(self) -> list[Any]:
        return [self.multiplier]

    def _weights(self, F: Any, mean: Any, counts: Any, below: Any, params: dict[str, Any]) -> list[Any]:
        new = F.clip(params["multiplier"] + self.step * (mean - self.bound) * (counts > 0), 0.0, self.limit)
        return [F.broadcast_mul(new / below, F.sum(counts, keepdims=True)), new]

    def _weighed(self, F: Any, loss: Any, weight: Any) -> Any:
        return loss + weight * (loss - self.bound)
