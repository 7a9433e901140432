"""Counterfactual logit pairing: a sample and its counterfactual are to have the same output."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mxfair._compat import import_mxnet
from mxfair._strength import Scheduled
from mxfair._validation import InputError, InputTypeError, one_of, positive_integer
from mxfair.loss._base import base_outputs, flat, group_count
from mxfair.loss._grouped import WrappedLoss, check_codes, given_link

mx: Any = import_mxnet()

__all__ = ["CounterfactualPair", "FlipColumns", "LogitPairingLoss"]


class FlipColumns(mx.gluon.HybridBlock):
    """The counterfactual of rows of a table: columns change places, or two values of a column do.

    Parameters
    ----------
    n_columns : int
        Number of columns of the table.
    swap : sequence of (int, int), optional
        Columns that change places: the two indicators of a binary attribute, say.
    values : mapping of int to (float, float), optional
        By column, the two values that change places, as the net sees them: after scaling, that is.
    **kwargs
        ``prefix`` and ``params``, as for any Block.

    Raises
    ------
    InputError
        If nothing is to change, or a column is out of range or named twice.

    Notes
    -----
    It changes the attribute and nothing that follows from it: a column that merely goes with the attribute stays as it
    is. With more than two categories, or a causal model at hand, write a HybridBlock of your own.

    Examples
    --------
    >>> import mxnet as mx
    >>> flip = FlipColumns(4, swap=[(0, 1)], values={3: (-1.5, 0.5)})
    >>> flip(mx.nd.array([[1, 0, 7, 0.5], [0, 1, 8, -1.5]])).asnumpy().tolist()
    [[0.0, 1.0, 7.0, -1.5], [1.0, 0.0, 8.0, 0.5]]
    """

    def __init__(
        self,
        n_columns: int,
        *,
        swap: Sequence[tuple[int, int]] = (),
        values: Mapping[int, tuple[float, float]] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        n = positive_integer(n_columns, "n_columns")
        values = dict(values or {})
        if any(np.shape(pair) != (2,) for pair in (*swap, *values.values())):
            raise InputError(
                f"'swap' must hold pairs of columns, and 'values' a pair of values by column; got {swap} and {values}. "
                "Give swap=[(0, 1)] or values={3: (0, 1)}, say."
            )
        named = [column for pair in swap for column in pair] + list(values)
        if not named:
            raise InputError("'swap' or 'values' must name a column; got none. Say what the counterfactual changes.")
        whole = all(isinstance(column, (int, np.integer)) for column in named)
        if not whole or len(set(named)) < len(named) or any(not 0 <= column < n for column in named):
            raise InputError(
                f"'swap' and 'values' must name columns from 0 to {n - 1}, each once; got {named}. Check the columns."
            )
        place, sign, offset = np.arange(n), np.ones(n), np.zeros(n)
        for one, other in swap:
            place[[one, other]] = other, one
        for column, (low, high) in values.items():
            if not np.isfinite([low, high]).all() or low == high:
                raise InputError(
                    f"'values' must hold two finite and different values a column; got {(low, high)} for column "
                    f"{column}. Give the values as the net sees them."
                )
            sign[column], offset[column] = -1.0, low + high  # low + high - x
        with self.name_scope():
            for name, array in (("place", place), ("sign", sign), ("offset", offset)):
                constant = self.params.get_constant(name, array.astype(np.float32).reshape((-1,)))
                setattr(self, name, constant)
                constant.initialize()

    def hybrid_forward(self, F: Any, data: Any, place: Any, sign: Any, offset: Any) -> Any:
        """Return the counterfactual rows.

        Parameters
        ----------
        F : module
            mxnet.nd or mxnet.sym.
        data : NDArray or Symbol of shape (batch_size, n_columns)
        place, sign, offset : NDArray or Symbol
            The constants.

        Returns
        -------
        NDArray or Symbol
        """
        return F.broadcast_add(F.broadcast_mul(F.take(data, place, axis=1), sign), offset)


class CounterfactualPair(mx.gluon.HybridBlock):
    """A net that, in training mode, also looks at the counterfactual of its data; else it is the plain net.

    Parameters
    ----------
    net : gluon.HybridBlock
        Returns one array.
    flip : gluon.HybridBlock
        From the data to its counterfactual, such as `FlipColumns`; or to (counterfactual, mask), a mask of shape
        (batch_size,) being 0 for samples that have none.
    **kwargs
        ``prefix`` and ``params``, as for any Block.

    Raises
    ------
    InputTypeError
        If something is no HybridBlock.

    Notes
    -----
    In training mode the outputs are a list of those on the data, those on the counterfactual, and the mask if there is
    one; `LogitPairingLoss` takes it. Both halves go through the net as one batch: layers with statistics of a batch,
    such as BatchNorm, see both, and Dropout drops other units in each half. Save, export and deploy the plain net.

    References
    ----------
    Garg, Perot, Limtiaco, Taly, Chi and Beutel, "Counterfactual Fairness in Text Classification through Robustness",
    AIES 2019.

    Examples
    --------
    >>> import mxnet as mx
    >>> from mxnet import autograd, gluon
    >>> net = gluon.nn.Dense(1, in_units=2)
    >>> net.initialize()
    >>> pair = CounterfactualPair(net, FlipColumns(2, values={0: (0, 1)}))
    >>> pair(mx.nd.ones((3, 2))).shape
    (3, 1)
    >>> with autograd.record():
    ...     output, other = pair(mx.nd.ones((3, 2)))
    >>> output.shape, other.shape
    ((3, 1), (3, 1))
    """

    def __init__(self, net: Any, flip: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        for block, name in ((net, "net"), (flip, "flip")):
            if not isinstance(block, mx.gluon.HybridBlock):
                raise InputTypeError(f"'{name}' must be a HybridBlock; got {block!r}. Use HybridSequential, say.")
        with self.name_scope():
            self.net = net
            self.flip = flip

    def forward(self, data: Any, *args: Any) -> Any:
        """Return the outputs on the data; in training mode those on the counterfactual too.

        Parameters
        ----------
        data : NDArray or Symbol
            A batch.
        *args
            Nothing: the net has one input.

        Returns
        -------
        NDArray, Symbol or list of these
        """
        return super().forward(data, *args) if mx.autograd.is_training() else self.net(data)

    def hybrid_forward(self, F: Any, data: Any) -> Any:
        """Return the outputs on the data and on the counterfactual, and the mask if there is one.

        Parameters
        ----------
        F : module
            mxnet.nd or mxnet.sym.
        data : NDArray or Symbol
            A batch.

        Returns
        -------
        list of NDArray or Symbol
        """
        other = self.flip(data)
        other, *mask = other if isinstance(other, (list, tuple)) else [other]
        both = self.net(F.concat(data, F.BlockGrad(other), dim=0))
        return [*F.split(both, num_outputs=2, axis=0), *(F.BlockGrad(one) for one in mask)]


class LogitPairingLoss(WrappedLoss, Scheduled):
    r"""A base loss, and how far the logit of a sample is from that of its counterfactual.

    .. math:: l_i = \mathrm{base}(z_i, y_i) + \lambda \, m_i \, |z_i - z_i'|

    where z is the logit on the data, z' that on the counterfactual, and m is 0 for samples without one.

    Parameters
    ----------
    base : gluon.loss.Loss
        Of (pred, label), or a `GroupLoss` of (pred, label, group), a `PenalizedLoss` say.
    n_groups : int or Groups, optional
        With it, samples whose code is below 0 or from n_groups have no counterfactual: a group that is not known cannot
        be changed. Default: those below 0.
    strength : float or callable, default=1.0
        The lambda of the formula, or a schedule: a function of the number of updates.
    norm : {"l1", "squared"}, default="l1"
        The distance of the formula, or its square, which is gentle to small differences.
    link : {"sigmoid", "softmax", "exp", "identity"}, optional
        How the net's output becomes a prediction. Default: as the base loss reads it.
    **kwargs
        ``prefix`` and ``params``, as for any Block.

    Raises
    ------
    InputError, InputTypeError
        If an argument cannot be used, or it is trained on the outputs of a net that is no `CounterfactualPair`.

    Notes
    -----
    Called with the outputs of a `CounterfactualPair`. In predict mode these are the plain net's, and the loss is the
    base loss. Of several classes the distance is the sum over the classes' logits, each from their mean: for two
    classes it is that of the one logit. Numbers are compared as they are, probabilities by their logits.

    The labels of counterfactuals are not used: no loss is taken of the second half.

    References
    ----------
    Garg, Perot, Limtiaco, Taly, Chi and Beutel, "Counterfactual Fairness in Text Classification through Robustness",
    AIES 2019, section 4.3.

    Examples
    --------
    >>> import mxnet as mx
    >>> from mxnet import autograd, gluon
    >>> net = gluon.nn.Dense(1, in_units=2)
    >>> net.initialize(mx.init.One())
    >>> pair = CounterfactualPair(net, FlipColumns(2, values={0: (0, 1)}))
    >>> loss = LogitPairingLoss(gluon.loss.L1Loss(), strength=0.5)
    >>> with autograd.record():  # outputs 2 and 1, labels 2: an error of 0, a distance of 1
    ...     value = loss(pair(mx.nd.ones((3, 2))), 2 * mx.nd.ones(3), mx.nd.zeros(3))
    >>> value.asnumpy().tolist()
    [0.5, 0.5, 0.5]
    """

    _takes_pairs = True

    def __init__(
        self,
        base: Any,
        n_groups: Any = None,
        *,
        strength: Any = 1.0,
        norm: str = "l1",
        link: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(base, **kwargs)
        self.n_groups = None if n_groups is None else group_count(n_groups)
        self.norm = one_of(norm, ("l1", "squared"), "norm")
        self.link = given_link(self, base, link)
        with self.name_scope():
            self._hold_strength(strength)

    def __call__(self, pred: Any, label: Any, group: Any = None) -> Any:
        """Return one loss per sample, shape (batch_size,).

        Parameters
        ----------
        pred : NDArray or Symbol, or list of these
            Outputs of a `CounterfactualPair`.
        label : NDArray or Symbol
            As the base loss takes it.
        group : NDArray or Symbol of shape (batch_size,)
            Codes of the groups.

        Returns
        -------
        NDArray or Symbol
        """
        return super().__call__(pred, label, group)

    def _outputs(self, pred: Any, label: Any, group: Any) -> list[Any]:
        if not isinstance(pred, (list, tuple)):
            if mx.autograd.is_training():
                raise InputTypeError(
                    "'pred' must be the outputs of a CounterfactualPair when training; got those of a plain net. Train "
                    "CounterfactualPair(net, flip) instead of the net."
                )
            return base_outputs(self.base, pred, label, group)
        own, *others = pred
        out = mx.gluon.HybridBlock.__call__(self, own, label, group, *others)
        return list(out) if isinstance(out, (list, tuple)) else [out]

    def hybrid_forward(
        self, F: Any, pred: Any, label: Any, group: Any, other: Any, mask: Any = None, *, strength: Any
    ) -> Any:
        """Return one loss per sample, shape (batch_size,), and the new states of the base loss.

        Parameters
        ----------
        F : module
            mxnet.nd or mxnet.sym.
        pred, label, group
            As for a call, `pred` the outputs on the data.
        other, mask : NDArray or Symbol
            The outputs on the counterfactual, and 0 where there is none.
        strength : NDArray or Symbol of shape (1,)

        Returns
        -------
        list of NDArray or Symbol
        """
        loss, *states = base_outputs(self.base, pred, label, group)
        apart = self._logits(F, pred) - self._logits(F, other)
        apart = F.abs(apart) if self.norm == "l1" else F.square(apart)
        if self.link in ("softmax", "exp"):
            apart = F.sum(apart, axis=1)
        group = flat(F, group)
        has = group >= 0 if self.n_groups is None else (group >= 0) * (group < self.n_groups)
        if mask is not None:
            has = has * flat(F, mask)
        return [loss + apart * F.broadcast_mul(has, strength), *states]

    def _check(self, pred: Any, label: Any, group: Any) -> None:
        super()._check(pred, label, group)
        if self.n_groups is not None:
            check_codes(group, pred.shape[0], self.n_groups)

    def _logits(self, F: Any, pred: Any) -> Any:
        """Return what is compared: (batch_size,), or (batch_size, n_classes)."""
        if self.link in ("softmax", "exp"):
            return F.broadcast_minus(pred, F.mean(pred, axis=1, keepdims=True))
        output = F.reshape(pred, shape=(-1,))
        if self.link == "identity" and self._from_sigmoid:
            inside = F.clip(output, 1e-6, 1 - 1e-6)
            return F.log(inside / (1 - inside))
        return output
