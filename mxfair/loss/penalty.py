"""Penalty: one number of a batch that is 0 at parity; PenalizedLoss: a base loss and penalties."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from mxfair._compat import import_mxnet
from mxfair._strength import Scheduled
from mxfair._validation import InputError, InputTypeError, one_of, positive_integer
from mxfair.loss._base import LINKS, GroupLoss, Stateful, base_outputs, blocked, check_base, flat, group_count, link_of
from mxfair.loss._steered import steer, steered_base
from mxfair.loss.weighted import WeightedLoss

mx: Any = import_mxnet()

#: A batch of this size has several groups, unless the codes are wrong or the rows in order.
FEW = 20

__all__ = ["PenalizedLoss", "Penalty"]


class Penalty(Stateful, Scheduled, mx.gluon.HybridBlock):
    """Base of penalties: override `penalty`, which returns one number of the batch, 0 at parity.

    Parameters
    ----------
    n_groups : int, Groups or None
        Number of groups: codes 0 to n_groups - 1 are groups, samples of any other code count for none. With Groups,
        those that are known. None for a continuous attribute, where a penalty takes one.
    strength : float or callable, default=1.0
        Factor of the penalty, or a schedule: a function of the number of updates such as an ``mx.lr_scheduler``.
    link : {"sigmoid", "softmax", "exp", "identity"}, optional
        How the net's output becomes a prediction. Default: as the base loss of the `PenalizedLoss` reads it.
    n_classes : int, default=2
        Number of classes; labels are 0 to n_classes - 1.
    **kwargs
        ``prefix`` and ``params``, as for any Block.

    Notes
    -----
    A group or label that a batch lacks contributes 0, with gradient 0. A penalty may keep states (`_states`); then
    `penalty` returns a list of its value and their new values.
    """

    def __init__(
        self, n_groups: Any, *, strength: Any = 1.0, link: str | None = None, n_classes: int = 2, **kwargs: Any
    ) -> None:
        unknown = sorted(kwargs.keys() - {"prefix", "params"})
        if unknown:
            raise InputTypeError(
                f"{type(self).__name__} must be given options that it has; got {', '.join(unknown)}. All penalties "
                "have strength, link and n_classes."
            )
        super().__init__(**kwargs)
        self.n_groups = None if n_groups is None else group_count(n_groups)
        self.n_classes = positive_integer(n_classes, "n_classes", minimum=2)
        self.link = None if link is None else one_of(link, LINKS, "link")
        with self.name_scope():
            self._hold_strength(strength)

    #: Whether `penalty` gives its own derivative, as a `Steered`.
    steered = False
    #: Whether the link is that of a base loss.
    _inferred = False

    def __repr__(self) -> str:
        of = "" if self.n_groups is None else f"{self.n_groups} groups, "
        named = f"{self.criterion.name}, " if hasattr(self, "criterion") else ""
        return f"{type(self).__name__}({named}{of}strength {self._strength_now:g})"

    def __call__(self, pred: Any, label: Any, group: Any = None) -> Any:
        """Return the penalty of a batch times its strength, once per sample: shape (batch_size,), all alike.

        Parameters
        ----------
        pred : NDArray or Symbol of shape (batch_size,), (batch_size, 1) or (batch_size, n_classes)
            Outputs of the net.
        label : NDArray or Symbol of shape (batch_size,) or (batch_size, 1)
            Class labels from 0, or a regression target.
        group : NDArray or Symbol of shape (batch_size,)
            Codes of the groups.

        Returns
        -------
        NDArray or Symbol
        """
        if group is None:
            raise InputTypeError(
                f"{type(self).__name__} must be called with pred, label and group; got no group. To train with it, "
                "wrap it: PenalizedLoss(loss, penalty)."
            )
        return self._call(pred, label, group)

    def penalty(self, F: Any, pred: Any, label: Any, group: Any, **params: Any) -> Any:
        """Return the penalty without its strength, shape (1,); or a list of it and the new states.

        Parameters
        ----------
        F : module
            mxnet.nd or mxnet.sym.
        pred, label, group
            As for a call.
        **params
            The parameters that the penalty registered.

        Returns
        -------
        NDArray, Symbol or list of these
        """
        raise NotImplementedError  # a subclass gives it

    def hybrid_forward(self, F: Any, pred: Any, label: Any, group: Any, strength: Any, **params: Any) -> Any:
        """Return `penalty` times the strength.

        Parameters
        ----------
        F : module
            mxnet.nd or mxnet.sym.
        pred, label, group
            As for a call.
        strength : NDArray or Symbol of shape (1,)
        **params
            The parameters that the penalty registered.

        Returns
        -------
        NDArray, Symbol or list of these
        """
        if self.steered:
            value, slope, states = self.penalty(F, blocked(F, pred), label, group, strength=strength, **params)
            return [value, slope, *states]
        out = self.penalty(F, pred, label, group, **params)
        value, *states = out if isinstance(out, (list, tuple)) else [out]
        return [F.broadcast_add(F.zeros_like(flat(F, label)), value * strength), *states]

    def _linked(self) -> None:
        """Run when the link is known; constants may depend on it."""

    def _state(self, name: str, shape: tuple[int, ...]) -> Any:
        """Return an initialized parameter without a gradient: a state, or a constant; zeros at first."""
        parameter = self.params.get(name, shape=shape, grad_req="null", init=mx.init.Zero(), differentiable=False)
        parameter.initialize()
        return parameter

    @property
    def _columns(self) -> int:
        """Outputs per sample."""
        return self.n_classes if self.link in ("softmax", "exp") else 1

    def _compose(self, F: Any, outputs: list[Any], pred: Any) -> tuple[Any, list[Any]]:
        if not self.steered:
            return outputs[0], outputs[1:]
        value, slope, *states = outputs
        return steer(F, value, slope, pred, self._columns), states

    def _by_output(self, F: Any, slope: Any, prediction: Any) -> Any:
        """Return the derivative by the net's outputs, given that by its predictions, the results of the link."""
        if self.link == "identity":
            return slope
        if self.link == "sigmoid":
            return slope * prediction * (1 - prediction)
        if self.link == "exp":
            return slope * prediction
        weighed = slope * prediction
        return weighed - F.broadcast_mul(prediction, F.sum(weighed, axis=1, keepdims=True))

    def _score(self, F: Any, pred: Any, positive: int = -1) -> Any:
        """Return the probability of the positive class, or the prediction, shape (batch_size,)."""
        if self.link == "sigmoid":
            return F.sigmoid(flat(F, pred))
        if self.link == "identity":
            return flat(F, pred)
        place = self.n_classes - 1 if positive < 0 else positive
        probability = F.softmax(pred, axis=-1) if self.link == "softmax" else F.exp(pred)
        return F.reshape(F.slice_axis(probability, axis=-1, begin=place, end=place + 1), shape=(-1,))

    def _probabilities(self, F: Any, pred: Any) -> Any:
        """Return the probability of each class, shape (batch_size, n_classes)."""
        if self.link == "softmax":
            return F.softmax(pred, axis=-1)
        if self.link == "exp":
            return F.exp(pred)
        score = F.reshape(self._score(F, pred), shape=(-1, 1))
        return F.concat(1 - score, score, dim=1)

    def _check(self, pred: Any, label: Any, group: Any) -> None:
        if self.link is None:
            raise InputError(
                f"{type(self).__name__} must know how the net's output becomes a prediction; got neither 'link' nor a "
                "base loss that says so. Pass link='sigmoid', 'softmax' or 'identity'."
            )
        if pred.dtype is np.float64:
            raise InputTypeError(
                f"{type(self).__name__} must get outputs of float32; got float64, with which its constants do not "
                "compute. Leave the net in float32."
            )
        n, outputs = pred.shape[0], int(np.prod(pred.shape[1:]))
        several = self.link in ("softmax", "exp")
        if outputs != (self.n_classes if several else 1):
            cure = "Give n_classes=, or the net as many outputs" if several else "Use softmax, or one output"
            raise InputError(
                f"'pred' must have {self.n_classes if several else 1} outputs per sample with link={self.link!r}; got "
                f"{outputs}. {cure}."
            )
        if label.size != n:
            raise InputError(
                f"'label' must hold one label per sample ({n}); got shape {label.shape}. Give the numbers of the "
                "classes, not their indicators."
            )
        if self.n_groups is not None:
            codes = group.asnumpy().ravel()
            if len(codes) != n:
                raise InputError(f"'group' must hold one code per sample ({n}); got {len(codes)}.")
            if (codes != np.round(codes)).any():
                raise InputError(
                    "'group' must hold whole numbers from 0, the codes of Groups; got others. Cut a continuous "
                    "attribute into bins with Groups.binned."
                )
            if not ((codes >= 0) & (codes < self.n_groups)).any():
                raise InputError(
                    f"'group' must hold codes from 0 to {self.n_groups - 1}; got {codes.min():g} to {codes.max():g} "
                    "only. Give the codes of mxfair.Groups."
                )
            if n >= FEW and len(np.unique(codes[(codes >= 0) & (codes < self.n_groups)])) < 2:
                warnings.warn(
                    f"The first batch ({n} samples) holds one of the groups 0 to {self.n_groups - 1} only: its gaps "
                    "are 0. Shuffle the rows, and give the codes of mxfair.Groups; other codes count for no group.",
                    UserWarning,
                    stacklevel=2,
                )

    def _check_labels(self, label: Any) -> None:
        """Check that labels are the numbers of classes, for penalties that read them."""
        values = label.asnumpy().ravel()
        whole = (values == np.round(values)).all() and len(values) > 0
        if not whole or not 0 <= values.min() <= values.max() < self.n_classes:
            raise InputError(
                f"'label' must hold the numbers of the classes, 0 to {self.n_classes - 1}; got "
                f"{', '.join(f'{v:g}' for v in np.unique(values)[:5])}. Encode the labels, or give n_classes=."
            )


class PenalizedLoss(GroupLoss):
    r"""A base loss and penalties of the batch; each sample's loss carries the penalty, so that their mean does.

    .. math:: l_i = \mathrm{base}(p_i, y_i) + \sum_k s_k \, \Omega_k(p, y, z)

    Parameters
    ----------
    base : gluon.loss.Loss
        Of (pred, label), or a `GroupLoss` of (pred, label, group); one loss per sample.
    *penalties : Penalty
        Their `link` is set to the base loss's where it is not given.
    **kwargs
        ``prefix`` and ``params``, as for any Block.

    Raises
    ------
    InputError, InputTypeError
        If something is no loss or no penalty, or nothing says how the net's output becomes a prediction.

    Examples
    --------
    >>> import mxnet as mx
    >>> from mxfair.loss import GapPenalty, PenalizedLoss
    >>> base = mx.gluon.loss.SigmoidBinaryCrossEntropyLoss()
    >>> loss = PenalizedLoss(base, GapPenalty("demographic_parity", 2, strength=1.0))
    >>> loss(mx.nd.zeros((4, 1)), mx.nd.array([0, 1, 0, 1]), mx.nd.array([0, 0, 1, 1])).shape
    (4,)
    """

    def __init__(self, base: Any, *penalties: Any, **kwargs: Any) -> None:
        super().__init__(None, 0, **kwargs)
        check_base(base)
        if isinstance(base, WeightedLoss):
            raise InputTypeError(
                "'base' must take the group as its third item; got a WeightedLoss, which takes the cell. Draw batches "
                "with FairDataLoader instead, or use the loss inside it."
            )
        for penalty in penalties:
            if not isinstance(penalty, Penalty):
                raise InputTypeError(f"'penalties' must be Penalty objects; got {penalty!r}. Give a GapPenalty, say.")
        if not penalties:
            raise InputError("'penalties' must hold at least one penalty; got none. Use the base loss alone.")
        link = link_of(base)
        for penalty in penalties:
            if penalty.link is None and link is None:
                raise InputError(
                    f"{type(penalty).__name__} must know how the net's output becomes a prediction; "
                    f"{type(base).__name__} does not say. Pass link='sigmoid', 'softmax' or 'identity' to it."
                )
            if penalty._inferred and penalty.link != link:
                raise InputError(
                    "'penalties' must not be those of a loss that reads outputs in another way; got a "
                    f"{type(penalty).__name__} with link={penalty.link!r} of another. Make another, or pass link=."
                )
            if penalty.link is None:
                penalty.link, penalty._inferred = link, True
                penalty._linked()
        with self.name_scope():
            self.base = base
            self.penalties = penalties
            for penalty in penalties:
                self.register_child(penalty)

    def __repr__(self) -> str:
        parts = [type(self.base).__name__, *map(repr, self.penalties)]
        return f"{type(self).__name__}({', '.join(parts)})"

    @property
    def _from_sigmoid(self) -> bool:
        """Whether the base loss takes probabilities."""
        return bool(getattr(self.base, "_from_sigmoid", False))

    def _states(self) -> list[Any]:
        own = self.base._states() if isinstance(self.base, GroupLoss) else []
        return [*own, *(state for penalty in self.penalties for state in penalty._states())]

    def hybrid_forward(self, F: Any, pred: Any, label: Any, group: Any) -> Any:
        """Return one loss per sample, shape (batch_size,), and the new states of the penalties.

        Parameters
        ----------
        F : module
            mxnet.nd or mxnet.sym.
        pred, label, group
            As for a call.

        Returns
        -------
        list of NDArray or Symbol
        """
        if self.steered:
            columns = self.penalties[0]._columns
            value, slope, states = self._parts(F, F.BlockGrad(pred), label, group)
            return [steer(F, value, slope, pred, columns), *states]
        loss, *states = base_outputs(self.base, pred, label, group)
        for penalty in self.penalties:
            term, more = penalty._compose(F, penalty._outputs(pred, label, group), pred)
            loss = loss + term
            states += more
        return [loss, *states]

    @property
    def steered(self) -> bool:
        """Whether base loss and penalties all give their own derivative; the graph is then a shorter one."""
        return steered_base(self.base) is not None and all(penalty.steered for penalty in self.penalties)

    def _parts(self, F: Any, pred: Any, label: Any, group: Any) -> tuple[Any, Any, list[Any]]:
        """Return the loss per sample, batch_size times its mean's derivative by the outputs, and the new states."""
        base, states = steered_base(self.base), []
        value, slope = base(F, pred, label)  # type: ignore[misc]  # not None: asked by `steered` before
        for penalty in self.penalties:
            extra, by_output, *more = penalty._outputs(pred, label, group)
            value = F.broadcast_add(value, extra)
            slope = slope + by_output
            states += more
        return value, slope, states

    def _steered_outputs(self, F: Any, pred: Any, label: Any, group: Any) -> list[Any]:
        """Return `_parts` of flat outputs as vectors."""
        columns = self.penalties[0]._columns
        pred = pred if columns == 1 else F.reshape(pred, shape=(-1, columns))
        value, slope, states = self._parts(F, pred, label, group)
        return [value, slope if columns == 1 else F.reshape(slope, shape=(-1,)), *states]
