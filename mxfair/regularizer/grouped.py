"""Penalties of norms of groups of weights: group lasso and max-norm."""

from __future__ import annotations

import math
from typing import Any

from mxfair._compat import import_mxnet
from mxfair._validation import InputError, InputTypeError, one_of
from mxfair.regularizer._base import WEIGHTS, Regularizer

mx: Any = import_mxnet()

__all__ = ["GroupLasso", "MaxNorm"]

#: The first two stand at the place of their axis.
GROUPS = ("row", "column", "tensor")


class _Grouped(Regularizer):
    """Base of what treats the weights of a group together."""

    def __init__(self, net: Any, strength: Any, *, groups: str, **options: Any) -> None:
        self.groups = one_of(groups, GROUPS, "groups")
        super().__init__(net, strength, **options)

    def _check(self, parameter: Any) -> None:
        super()._check(parameter)
        if self.groups == "column" and parameter.shape is not None and len(parameter.shape) < 2:
            raise InputError(
                f"groups='column' must have parameters of two axes or more; {parameter.name} has shape "
                f"{parameter.shape}. Leave it out with select=."
            )

    def _norms(self, F: Any, weight: Any) -> Any:
        """Return the norm of each group, to be broadcast with the weight; the derivative at 0 is 0."""
        held = F.BlockGrad(weight)
        norm = self._roots(F, held)
        # ||w|| = sum_j w_j (w_j / ||w||), the quotient held: the derivative of a root is infinite at 0
        return self._sums(F, F.broadcast_div(held, norm + (norm == 0)) * weight)

    def _roots(self, F: Any, weight: Any) -> Any:
        """Return the same without a derivative."""
        return F.sqrt(self._sums(F, F.square(weight)))

    def _sums(self, F: Any, values: Any) -> Any:
        axis = {"row": 0, "column": 1, "tensor": ()}[self.groups]
        return F.sum(values, axis=axis, exclude=self.groups != "tensor", keepdims=True)


class GroupLasso(_Grouped):
    r"""The sum of the groups' norms: with ``step="proximal"`` whole groups become exactly 0.

    .. math:: s \sum_g \sqrt{p_g} \, \|w_g\|_2

    where :math:`p_g` is the number of weights in a group. On the first layer with ``groups="column"`` it switches off
    input features: ``GroupLasso(net[0], 1e-3, groups="column", step="proximal")``.

    Parameters
    ----------
    net, strength, select, step, **kwargs
        As for `Regularizer`.
    groups : {"row", "column", "tensor"}, default="row"
        "row": an index of the first axis, all weights that enter a unit or a channel of a Dense or convolution (of an
        Embedding: the vector of a category). "column": an index of the second axis, all weights that leave an input
        feature or channel. "tensor": the whole parameter.

    Notes
    -----
    The gradient is :math:`s \sqrt{p_g} w_g / \|w_g\|`, and 0 at 0: with ``step="gradient"`` no group becomes exactly
    0. The proximal step multiplies a group by :math:`\max(0, 1 - s \sqrt{p_g} / \|w_g / \eta_g\|)`, where
    :math:`\eta` is the length of the step. Where that is not the same for all weights of a group, with Adam, groups are
    switched off where they are in the minimum, and the weights of the others are shrunk alike and not each by its own.

    References
    ----------
    .. [1] M. Yuan and Y. Lin, "Model selection and estimation in regression with grouped variables", J. Royal
       Statistical Society B 68(1), 2006, equations (2.1) and (2.4).
    .. [2] S. Scardapane et al., "Group sparse regularization for deep neural networks", Neurocomputing 241, 2017,
       equation (7).

    Examples
    --------
    >>> import mxnet as mx
    >>> net = mx.gluon.nn.Dense(2, in_units=2)
    >>> net.initialize()
    >>> net.weight.set_data(mx.nd.array([[3.0, 0.1], [4.0, 0.1]]))
    >>> lasso = GroupLasso(net, 1.0, groups="column")
    >>> round(float(lasso().asscalar()), 4)  # sqrt(2) (5 + 0.1 sqrt(2))
    7.2711
    >>> lasso.proximal(0.5)
    >>> print(net.weight.data().asnumpy().round(3))
    [[2.576 0.   ]
     [3.434 0.   ]]
    """

    def __init__(
        self,
        net: Any,
        strength: Any,
        *,
        groups: str = "row",
        select: str = WEIGHTS,
        step: str = "gradient",
        **kwargs: Any,
    ) -> None:
        super().__init__(net, strength, groups=groups, select=select, step=step, **kwargs)

    def value(self, F: Any, weight: Any, shape: tuple[int, ...]) -> Any:
        """See `Regularizer.value`.

        Parameters
        ----------
        F, weight, shape
            As for `Regularizer.value`.

        Returns
        -------
        NDArray or Symbol
        """
        return self._root_size(shape) * F.sum(self._norms(F, weight))

    def shrink(self, weight: Any, amount: Any) -> None:
        """See `Regularizer.shrink`.

        Parameters
        ----------
        weight : NDArray
        amount : float or NDArray
        """
        norm = self._roots(mx.nd, weight / amount)
        left = 1.0 - self._root_size(weight.shape) / (norm + (norm == 0))
        weight *= mx.nd.maximum(left, 0.0)

    def _root_size(self, shape: tuple[int, ...]) -> float:
        count = 1 if self.groups == "tensor" else shape[GROUPS.index(self.groups)]
        return math.sqrt(math.prod(shape) / count)


class MaxNorm(_Grouped):
    r"""A bound on the norm of each group: a projection after each step, or a penalty of what exceeds it.

    .. math:: \|w_g\|_2 \le c \qquad \mathrm{or} \qquad \frac{s}{2} \sum_g \max(0, \|w_g\|_2 - c)^2

    Parameters
    ----------
    net, select, **kwargs
        As for `Regularizer`.
    bound : float
        c, above 0.
    groups : {"row", "column", "tensor"}, default="row"
        As for `GroupLasso`: by default the weights that enter a unit.
    strength : float or callable, default=1.0
        s; the projection is the same for every strength above 0, and there is none at 0.
    step : {"proximal", "gradient"}, default="proximal"
        What `mxfair.training.fit` does: project after each batch, or add the penalty to the loss.

    References
    ----------
    .. [1] N. Srivastava et al., "Dropout: A Simple Way to Prevent Neural Networks from Overfitting", JMLR 15, 2014,
       section 5.1.

    Examples
    --------
    >>> import mxnet as mx
    >>> net = mx.gluon.nn.Dense(1, in_units=2)
    >>> net.initialize()
    >>> net.weight.set_data(mx.nd.array([[3.0, 4.0]]))
    >>> bound = MaxNorm(net, 1.0)
    >>> float(bound().asscalar())  # (5 - 1)^2 / 2
    8.0
    >>> bound.proximal(0.1)
    >>> print(net.weight.data().asnumpy().round(3))
    [[0.6 0.8]]
    """

    projects = True

    def __init__(
        self,
        net: Any,
        bound: float,
        *,
        groups: str = "row",
        strength: Any = 1.0,
        select: str = WEIGHTS,
        step: str = "proximal",
        **kwargs: Any,
    ) -> None:
        if isinstance(bound, bool) or not isinstance(bound, (int, float)):
            raise InputTypeError(f"'bound' must be a number; got {bound!r}. Give 3.0, say.")
        if not (math.isfinite(bound) and bound > 0):
            raise InputError(f"'bound' must be finite and above 0; got {bound}. Give 3.0, say.")
        self.bound = float(bound)
        super().__init__(net, strength, groups=groups, select=select, step=step, **kwargs)

    def value(self, F: Any, weight: Any, shape: tuple[int, ...]) -> Any:
        """See `Regularizer.value`.

        Parameters
        ----------
        F, weight, shape
            As for `Regularizer.value`.

        Returns
        -------
        NDArray or Symbol
        """
        return 0.5 * F.sum(F.square(F.relu(self._norms(F, weight) - self.bound)))

    def shrink(self, weight: Any, amount: Any) -> None:
        """Project onto the bound: w c / max(||w||, c).

        Parameters
        ----------
        weight : NDArray
        amount : float or NDArray
            Not used.
        """
        weight *= self.bound / mx.nd.maximum(self._roots(mx.nd, weight), self.bound)
