"""RegularizedLoss: a base loss and penalties of the net's weights."""

from __future__ import annotations

from typing import Any

from mxfair._compat import import_mxnet
from mxfair._validation import InputError, InputTypeError
from mxfair.loss._base import GroupLoss, Stateful, base_outputs, check_base
from mxfair.regularizer import Regularizer

mx: Any = import_mxnet()

__all__ = ["RegularizedLoss"]


class RegularizedLoss(Stateful, mx.gluon.loss.Loss):
    r"""A base loss and penalties of the net's weights; each sample's loss carries them, so that their mean does.

    .. math:: l_i = \mathrm{base}(p_i, y_i) + \sum_k s_k \, \Omega_k(w)

    With a base that is a `GroupLoss` this is one too, of (pred, label, group). `mxfair.training.fit` makes one of its
    ``regularizers``.

    Parameters
    ----------
    base : gluon.loss.Loss
        Of (pred, label), or a `GroupLoss`; one loss per sample.
    *regularizers : Regularizer
        Those with ``step="proximal"`` are no part of a loss.
    **kwargs
        ``prefix`` and ``params``, as for any Block.

    Raises
    ------
    InputError, InputTypeError
        If something is no loss or no regularizer, or takes its step after the optimizer's.

    Notes
    -----
    ``collect_params()`` of the loss holds the penalised parameters of the net: give a Trainer those of the net.

    Examples
    --------
    >>> import mxnet as mx
    >>> from mxfair.regularizer import L2
    >>> net = mx.gluon.nn.Dense(1, in_units=2)
    >>> net.initialize(mx.init.One())
    >>> loss = RegularizedLoss(mx.gluon.loss.L2Loss(), L2(net, 0.1))
    >>> print(loss(net(mx.nd.ones((3, 2))), mx.nd.ones((3, 1))).asnumpy().round(3))
    [0.6 0.6 0.6]
    """

    def __new__(cls, base: Any = None, *regularizers: Any, **kwargs: Any) -> RegularizedLoss:
        """Return one of (pred, label, group) where the base is.

        Parameters
        ----------
        base, *regularizers, **kwargs
            As for the class.

        Returns
        -------
        RegularizedLoss
        """
        grouped = cls is RegularizedLoss and isinstance(base, GroupLoss)
        return super().__new__(_RegularizedGroupLoss if grouped else cls)

    def __init__(self, base: Any, *regularizers: Any, **kwargs: Any) -> None:
        super().__init__(None, 0, **kwargs)
        if hasattr(base, "_make_step"):
            raise InputError(
                f"'base' must be a loss of one gradient; {type(base).__name__} combines gradients in its own way. Use "
                "step='proximal', or Trainer's wd."
            )
        check_base(base, pairs=True)
        if not regularizers:
            raise InputError("'regularizers' must hold at least one regularizer; got none. Use the base loss alone.")
        for regularizer in regularizers:
            if not isinstance(regularizer, Regularizer):
                raise InputTypeError(f"'regularizers' must be Regularizer objects; got {regularizer!r}. Give an L2.")
            if regularizer.step != "gradient":
                raise InputError(
                    f"'regularizers' must have step='gradient' to be part of a loss; got {regularizer!r}. Give it to "
                    "mxfair.training.fit, or call its proximal() after trainer.step()."
                )
        with self.name_scope():
            self.base = base
            self.regularizers = regularizers
            for regularizer in regularizers:
                self.register_child(regularizer)

    def __call__(self, pred: Any, label: Any, group: Any = None) -> Any:
        """Return one loss per sample, shape (batch_size,).

        Parameters
        ----------
        pred, label : NDArray or Symbol
            As the base loss takes them.
        group : NDArray or Symbol of shape (batch_size,), optional
            The batch's third item, where the base is a `GroupLoss`.

        Returns
        -------
        NDArray or Symbol
        """
        if isinstance(self, GroupLoss) and group is None:
            raise InputTypeError(
                f"A loss with {type(self.base).__name__} must be called with the batch's third item; got pred and "
                "label only. Write loss(net(data), label, group), or use mxfair.training.fit."
            )
        if group is not None and not isinstance(self, GroupLoss):
            raise InputTypeError(
                f"A loss with {type(self.base).__name__} must be called with pred and label only; got a third item, "
                "which the base would take for weights of samples. Leave it out, or use a GroupLoss."
            )
        return self._call(pred, label, group)

    @property
    def _from_sigmoid(self) -> bool:
        """Whether the base loss takes probabilities."""
        return bool(getattr(self.base, "_from_sigmoid", False))

    @property
    def _takes_pairs(self) -> bool:  # type: ignore[override]  # the base loss decides
        return bool(getattr(self.base, "_takes_pairs", False))

    @property
    def source(self) -> Any:
        """Where the weights of a `WeightedLoss` come from; None without one."""
        return getattr(self.base, "source", None)

    def _states(self) -> list[Any]:
        return self.base._states() if isinstance(self.base, Stateful) else []

    def _outputs(self, pred: Any, label: Any, group: Any = None) -> list[Any]:
        items = (pred, label) if group is None else (pred, label, group)
        if self._takes_pairs:  # one output or a list of them by mode, which no cached graph of Gluon takes
            own = pred[0] if isinstance(pred, (list, tuple)) else pred
            return self.hybrid_forward(mx.nd if isinstance(own, mx.nd.NDArray) else mx.sym, *items)
        out = mx.gluon.HybridBlock.__call__(self, *items)
        return list(out) if isinstance(out, (list, tuple)) else [out]

    def hybrid_forward(self, F: Any, pred: Any, label: Any, group: Any = None) -> Any:
        """Return one loss per sample, shape (batch_size,), and the new states of the base.

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
        loss, *states = base_outputs(self.base, pred, label, group)
        ctx = getattr(pred[0] if isinstance(pred, (list, tuple)) else pred, "context", None)
        total: Any = None
        for regularizer in self.regularizers:
            value = regularizer._total(F, ctx, regularizer._strength_in(F, ctx))
            total = value if total is None else total + value
        return [F.broadcast_add(loss, total), *states]


class _RegularizedGroupLoss(RegularizedLoss, GroupLoss):
    """A regularized loss of (pred, label, group)."""
