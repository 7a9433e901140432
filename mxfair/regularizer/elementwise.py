"""Penalties that treat each weight by itself: L1, L2, elastic net."""

from __future__ import annotations

from typing import Any

from mxfair._compat import import_mxnet
from mxfair._validation import InputError, InputTypeError
from mxfair.regularizer._base import WEIGHTS, Regularizer

mx: Any = import_mxnet()

__all__ = ["L1", "L2", "ElasticNet"]


def _square(F: Any, weight: Any) -> Any:
    # 1/2 ||w||^2: its derivative is w
    return 0.5 * F.sum(F.square(weight))


def _absolute(F: Any, weight: Any) -> Any:
    # The derivative is sign(w), 0 at 0.
    return F.sum(F.BlockGrad(F.sign(weight)) * weight)


def _soften(weight: Any, threshold: Any) -> None:
    # sign(w) max(|w| - t, 0) = w - max(min(w, t), -t), exactly 0 where |w| <= t
    if isinstance(threshold, float):
        weight -= mx.nd.clip(weight, -threshold, threshold)
    else:
        weight -= mx.nd.maximum(mx.nd.minimum(weight, threshold), -threshold)


class L1(Regularizer):
    r"""The sum of absolute values, the lasso: with ``step="proximal"`` weights become exactly 0.

    .. math:: s \sum_j |w_j|

    Parameters
    ----------
    net, strength, select, step, **kwargs
        As for `Regularizer`.

    Notes
    -----
    The gradient is s sign(w), and 0 at 0: with ``step="gradient"`` weights swing about 0 and do not stay there. The
    proximal step is soft thresholding, ISTA in [1]_: each weight moves towards 0 by the step's length times s, and no
    further than 0.

    References
    ----------
    .. [1] A. Beck and M. Teboulle, "A Fast Iterative Shrinkage-Thresholding Algorithm for Linear Inverse Problems",
       SIAM J. Imaging Sciences 2(1), 2009, equations (1.4) and (1.5).

    Examples
    --------
    >>> import mxnet as mx
    >>> net = mx.gluon.nn.Dense(1, in_units=3)
    >>> net.initialize()
    >>> net.weight.set_data(mx.nd.array([[0.5, -0.1, 0.0]]))
    >>> lasso = L1(net, 2.0)
    >>> round(float(lasso().asscalar()), 6)
    1.2
    >>> lasso.proximal(0.1)
    >>> print(net.weight.data().asnumpy().round(3))
    [[0.3 0.  0. ]]
    """

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
        return _absolute(F, weight)

    def shrink(self, weight: Any, amount: Any) -> None:
        """See `Regularizer.shrink`.

        Parameters
        ----------
        weight : NDArray
        amount : float or NDArray
        """
        _soften(weight, amount)


class L2(Regularizer):
    r"""Half the sum of squares: ``L2(net, s, select=".*")`` does what ``wd=s`` of a Trainer does, to rounding.

    .. math:: \frac{s}{2} \sum_j w_j^2

    Parameters
    ----------
    net, strength, select, step, **kwargs
        As for `Regularizer`.

    Notes
    -----
    The gradient is s w, which MXNet's optimizers (Adam too) add for ``wd=s`` to the gradient of the mean loss. The two
    differ where gradients are clipped: SGD clips before it adds ``wd``. Trainer's ``wd`` is the cheaper one, but for
    every parameter and without a schedule. In scikit-learn's terms: Ridge's ``alpha`` is s times the number of
    samples, ``C`` of logistic regression 1 over that.

    With ``step="proximal"`` weights are divided by 1 + the step's length times s.

    Examples
    --------
    >>> import mxnet as mx
    >>> net = mx.gluon.nn.Dense(1, in_units=2)
    >>> net.initialize()
    >>> net.weight.set_data(mx.nd.array([[3.0, 4.0]]))
    >>> float(L2(net, 2.0)().asscalar())
    25.0
    """

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
        return _square(F, weight)

    def shrink(self, weight: Any, amount: Any) -> None:
        """See `Regularizer.shrink`.

        Parameters
        ----------
        weight : NDArray
        amount : float or NDArray
        """
        weight /= 1.0 + amount


class ElasticNet(Regularizer):
    r"""A mixture of L1 and L2, in scikit-learn's convention.

    .. math:: s \left( \rho \sum_j |w_j| + \frac{1 - \rho}{2} \sum_j w_j^2 \right)

    Parameters
    ----------
    net, strength, select, step, **kwargs
        As for `Regularizer`; `strength` is scikit-learn's ``alpha``.
    l1_ratio : float, default=0.5
        rho, from 0 (L2) to 1 (L1).

    Notes
    -----
    The proximal step softens as L1 does, then divides as L2 does.

    References
    ----------
    .. [1] H. Zou and T. Hastie, "Regularization and variable selection via the elastic net", J. Royal Statistical
       Society B 67(2), 2005, equation (3).

    Examples
    --------
    >>> import mxnet as mx
    >>> net = mx.gluon.nn.Dense(1, in_units=2)
    >>> net.initialize()
    >>> net.weight.set_data(mx.nd.array([[3.0, 4.0]]))
    >>> float(ElasticNet(net, 2.0, l1_ratio=0.5)().asscalar())
    19.5
    """

    def __init__(
        self,
        net: Any,
        strength: Any,
        *,
        l1_ratio: float = 0.5,
        select: str = WEIGHTS,
        step: str = "gradient",
        **kwargs: Any,
    ) -> None:
        if isinstance(l1_ratio, bool) or not isinstance(l1_ratio, (int, float)):
            raise InputTypeError(f"'l1_ratio' must be a number from 0 to 1; got {l1_ratio!r}. Give 0.5, say.")
        if not 0 <= l1_ratio <= 1:
            raise InputError(f"'l1_ratio' must be from 0 to 1; got {l1_ratio}. 0 is L2, 1 is L1.")
        self.l1_ratio = float(l1_ratio)
        super().__init__(net, strength, select=select, step=step, **kwargs)

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
        return self.l1_ratio * _absolute(F, weight) + (1.0 - self.l1_ratio) * _square(F, weight)

    def shrink(self, weight: Any, amount: Any) -> None:
        """See `Regularizer.shrink`.

        Parameters
        ----------
        weight : NDArray
        amount : float or NDArray
        """
        _soften(weight, amount * self.l1_ratio)
        weight /= 1.0 + amount * (1.0 - self.l1_ratio)
