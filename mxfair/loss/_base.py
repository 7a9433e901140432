"""GroupLoss, and what losses and penalties share: states that a batch updates, and the link of a base loss."""

from __future__ import annotations

from typing import Any

import numpy as np

from mxfair._compat import import_mxnet
from mxfair._graph import FLAT
from mxfair._validation import InputError, InputTypeError
from mxfair.groups import Groups

mx: Any = import_mxnet()

__all__ = ["GroupLoss"]

#: How the net's output becomes a prediction: what the base losses of Gluon do with it.
LINKS = ("sigmoid", "softmax", "exp", "identity")


class Stateful:
    """A HybridBlock of (pred, label, group) whose batches may update states, running estimates or multipliers say.

    States are parameters of shape (size,) without gradients, which enter through blocked values only.

    ``hybrid_forward`` returns the value, or a list of it and the new value of each parameter in `_states()`. New values
    are written by `_observe` after a batch in training mode, in a graph or not, without waiting for the engine.
    """

    _reg_params: dict[str, Any]
    _children: dict[str, Any]
    _placed: Any = None
    #: Whether it is called with the outputs of a CounterfactualPair.
    _takes_pairs = False

    def _states(self) -> list[Any]:
        """Return the parameters that a batch updates, in the order of the outputs after the first."""
        return []

    def _outputs(self, pred: Any, label: Any, group: Any) -> list[Any]:
        """Return the value and the new states, NDArrays or Symbols, without writing them."""
        out = mx.gluon.HybridBlock.__call__(self, pred, label, group)
        return list(out) if isinstance(out, (list, tuple)) else [out]

    def _observe(self, values: list[Any]) -> None:
        """Write the new states."""
        with mx.autograd.pause():  # the graph of this batch may still be waiting for its backward
            for parameter, value in zip(self._states(), values):
                array = parameter.data(value.context)
                value.copyto(array)

    def _call(self, pred: Any, label: Any, group: Any) -> Any:
        """Return the value; in training mode the states are updated."""
        own = pred[0] if isinstance(pred, (list, tuple)) else pred  # of a CounterfactualPair
        label, group = as_float(label, own), as_float(group, own)
        if not isinstance(own, mx.nd.NDArray):
            return self._compose(mx.sym, self._outputs(pred, label, group), pred)[0]
        self._begin(own, label, group)
        value, states = self._compose(mx.nd, self._outputs(pred, label, group), pred)
        if states and mx.autograd.is_training():
            self._observe(states)
        return value

    def _compose(self, F: Any, outputs: list[Any], pred: Any) -> tuple[Any, list[Any]]:
        """Return the value and the new states from what `_outputs` returned."""
        return outputs[0], outputs[1:]

    def _begin(self, pred: Any, label: Any, group: Any) -> None:
        """At the first batch on a device: check it, and bring the own parameters, constants and states, there."""
        ctx = pred.context
        if ctx == self._placed:
            return
        blocks = self._stateful()
        for block in blocks:
            # One that saw no batch yet moves: copies that no batch updates would be saved, and averaged, with the rest.
            for parameter in block._reg_params.values():
                others = [] if block._placed is None else parameter.list_ctx()
                if parameter.list_ctx() != [ctx] and ctx not in others:
                    parameter.reset_ctx([*others, ctx])
        self._check(pred, label, group)
        for block in blocks:
            block._placed = ctx

    def _start_anew(self) -> None:
        """Let the next batch count as the first: another net, other data, another device."""
        for block in self._stateful():
            block._placed = None

    def _stateful(self) -> list[Stateful]:
        """Return the block and its descendants of this kind."""
        found: list[Stateful] = []
        pending: list[Any] = [self]
        while pending:
            block = pending.pop()
            if isinstance(block, Stateful):
                found.append(block)
            pending.extend(block._children.values())
        return found

    def _check(self, pred: Any, label: Any, group: Any) -> None:
        """Check the first batch, before anything is trained: shapes, classes, groups."""
        for child in self._children.values():
            if isinstance(child, Stateful):
                child._check(pred, label, group)


class GroupLoss(Stateful, mx.gluon.loss.Loss):
    """Base of losses of (pred, label, third item of the batch): its group, or its cell.

    Gluon's own losses take a third argument for the weights of the samples, so that a group given to them would be one:
    group 0 would weigh nothing, silently. `mxfair.training.fit` gives the third item to losses of this class only.

    Parameters
    ----------
    weight : float, optional
        Factor of the whole loss.
    batch_axis : int, default=0
        The axis of the samples.
    **kwargs
        ``prefix`` and ``params``, as for any Block.
    """

    def __init__(self, weight: float | None = None, batch_axis: int = 0, **kwargs: Any) -> None:
        super().__init__(weight, batch_axis, **kwargs)

    def __call__(self, pred: Any, label: Any, group: Any = None) -> Any:
        """Return one loss per sample, shape (batch_size,).

        Parameters
        ----------
        pred, label : NDArray or Symbol
            As the base loss takes them.
        group : NDArray or Symbol of shape (batch_size,)
            The batch's third item.

        Returns
        -------
        NDArray or Symbol
        """
        if group is None:
            raise InputTypeError(
                f"{type(self).__name__} must be called with the batch's third item; got pred and label only. Write "
                "loss(net(data), label, group), or use mxfair.training.fit."
            )
        return self._call(pred, label, group)


def as_float(values: Any, pred: Any) -> Any:
    """Return labels or codes as float32, with predictions of float64 as that: the engine computes with one type."""
    if not isinstance(values, mx.nd.NDArray):
        if isinstance(pred, mx.nd.NDArray) and values is not None:
            raise InputTypeError(
                f"Labels and groups must be NDArrays of numbers, as a batch holds them; got {type(values).__name__}. "
                "Put the codes into the dataset: mxfair.Groups(values).codes.astype('float32')."
            )
        return values
    kind = np.float64 if isinstance(pred, mx.nd.NDArray) and pred.dtype is np.float64 else np.float32
    return values if values.dtype is kind else values.astype(kind)


def flat(F: Any, values: Any) -> Any:
    """Return labels, groups or outputs of one column as a vector; the inputs of a `SplitGraph` are vectors already."""
    if F is mx.sym and values.name in FLAT:
        return values
    return F.reshape(values, shape=(-1,))


def blocked(F: Any, values: Any) -> Any:
    """Return outputs without a gradient; nothing is recorded of a `SplitGraph`'s."""
    return values if F is mx.sym and values.name in FLAT else F.BlockGrad(values)


def check_base(base: Any, *, pairs: bool = False) -> Any:
    """Return a base loss of (pred, label) or (pred, label, group); with `pairs` it may be one of pairs of outputs."""
    if not isinstance(base, mx.gluon.HybridBlock):
        raise InputTypeError(
            f"'base' must be a Gluon loss of (pred, label), or a GroupLoss; got {base!r}. Give, for instance, "
            "gluon.loss.SigmoidBinaryCrossEntropyLoss()."
        )
    if hasattr(base, "_make_step"):
        raise InputTypeError(
            f"'base' must be a loss whose gradient is that of its value; got a {type(base).__name__}. Make it the "
            "outermost loss."
        )
    if getattr(base, "_takes_pairs", False) and not pairs:
        raise InputTypeError(
            f"'base' must be a loss of one output for each sample; got a {type(base).__name__}, which takes those of a "
            "CounterfactualPair. Put this loss inside it."
        )
    return base


def base_outputs(base: Any, pred: Any, label: Any, group: Any) -> list[Any]:
    """Return the base loss per sample, and the new states where it is a GroupLoss."""
    return base._outputs(pred, label, group) if isinstance(base, GroupLoss) else [base(pred, label)]


def link_of(loss: Any) -> str | None:
    """Return how a loss reads the net's output: one of `LINKS`, None where nothing says so."""
    gluon = mx.gluon.loss
    if isinstance(loss, gluon.SigmoidBinaryCrossEntropyLoss):
        return "identity" if loss._from_sigmoid else "sigmoid"
    if isinstance(loss, gluon.SoftmaxCrossEntropyLoss):
        return "exp" if loss._from_logits else "softmax"
    if isinstance(loss, gluon.LogisticLoss):
        return "sigmoid"
    if isinstance(loss, (gluon.L2Loss, gluon.L1Loss, gluon.HuberLoss)):
        return "identity"
    inner = getattr(loss, "link", None) or getattr(loss, "base", None)
    return inner if inner is None or isinstance(inner, str) else link_of(inner)


def group_count(n_groups: Any) -> int:
    """Return the number of known groups, given as a number or as Groups: samples of other codes are in none."""
    if isinstance(n_groups, Groups):
        return int(n_groups.known.sum())
    if isinstance(n_groups, bool) or not isinstance(n_groups, int):
        raise InputTypeError(
            f"'n_groups' must be a whole number or Groups; got {type(n_groups).__name__}. Give 2, say, or "
            "mxfair.Groups(values)."
        )
    if n_groups < 2:
        raise InputError(f"'n_groups' must be at least 2; got {n_groups}. One group has no gap.")
    return n_groups
