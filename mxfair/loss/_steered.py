"""Losses and penalties that give their own derivative by the net's outputs.

An operator on a batch costs a microsecond or two forward, and much more with its backward; the engine's backward call
costs time for every node recorded. What gives its own derivative is computed forward, unrecorded (`SplitGraph`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from mxfair._compat import import_mxnet
from mxfair.loss._base import flat

mx: Any = import_mxnet()


class Steered(NamedTuple):
    """A penalty whose gradient by the net's outputs is given and not traced.

    `value` is the penalty, shape (1,); `slope` is batch_size times its derivative by each output, shape (batch_size,)
    for one output per sample, else (batch_size, n_classes). Both hold the strength already, which `penalty` gets as a
    parameter: a factor of a small array is cheaper than one of a batch.
    """

    value: Any
    slope: Any
    states: tuple[Any, ...] = ()


def steer(F: Any, value: Any, slope: Any, pred: Any, columns: int) -> Any:
    """Return the value, (1,) or (batch_size,), once per sample; its gradient by the outputs is the slope."""
    term = F.BlockGrad(slope) * (flat(F, pred) if columns == 1 else pred)
    if columns > 1:
        term = F.sum(term, axis=1)
    return term - F.BlockGrad(F.broadcast_minus(term, value))


def steered_base(base: Any) -> Callable[..., tuple[Any, Any]] | None:
    """Return the losses of Gluon in common use as functions to their value and slope; None for any other loss.

    Their own backward costs more than all of a penalty does.
    """
    gluon = mx.gluon.loss
    if base._forward_hooks or base._forward_pre_hooks or getattr(base, "_batch_axis", 0):
        return None
    if type(base) is gluon.L2Loss and base._weight == 1:
        return _squared_error
    if getattr(base, "_weight", 0) is not None:
        return None
    if type(base) is gluon.SigmoidBinaryCrossEntropyLoss and not base._from_sigmoid:
        return _binary_cross_entropy
    if type(base) is gluon.SoftmaxCrossEntropyLoss and base._sparse_label and base._axis in (-1, 1):
        return None if base._from_logits else _cross_entropy
    return None


def _binary_cross_entropy(F: Any, pred: Any, label: Any) -> tuple[Any, Any]:
    # log(1 + exp(x)) - x y and its derivative sigmoid(x) - y. (Where x is exactly 0, as behind
    # dead units, what Gluon records is -y: the derivatives of relu and abs are 0 there.)
    output, label = flat(F, pred), flat(F, label)
    value = F.Activation(output, act_type="softrelu") - output * label
    return value, F.sigmoid(output) - label


def _cross_entropy(F: Any, pred: Any, label: Any) -> tuple[Any, Any]:
    # -log softmax(x)_y and its derivative softmax(x) - 1_y
    label, log = flat(F, label), F.log_softmax(pred, axis=-1)
    hit = F.broadcast_equal(F.reshape(label, shape=(-1, 1)), F.contrib.arange_like(pred, axis=1).reshape((1, -1)))
    return -F.sum(log * hit, axis=1), F.exp(log) - hit


def _squared_error(F: Any, pred: Any, label: Any) -> tuple[Any, Any]:
    # (x - y)^2 / 2 and its derivative x - y
    apart = flat(F, pred) - flat(F, label)
    return 0.5 * F.square(apart), apart
