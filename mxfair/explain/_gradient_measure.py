"""Gradients and activations on probe rows, by layer and group: a pass for half a group, one read at the end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mxfair._compat import import_mxnet
from mxfair._inference import context_of
from mxfair._validation import InputError
from mxfair.explain._layers import Layer, layered
from mxfair.loss import GroupLoss

mx: Any = import_mxnet()

__all__ = ["OVERALL", "measure", "plain_loss"]

OVERALL = "overall"
#: An output is saturated where the slope of the activation is below this share of the largest slope.
_FLAT = 0.1


def plain_loss(loss: Any) -> Any:
    """Return the loss of (pred, label) that a loss of the group is built on."""
    while isinstance(loss, GroupLoss):
        base = getattr(loss, "base", None)
        if base is None:
            raise InputError(
                f"'loss' must be a loss of (pred, label) for a group's own gradient; {type(loss).__name__} has none "
                "inside. Pass GradientMonitor(..., loss=)."
            )
        loss = base
    return loss


def measure(net: Any, loss: Any, halves: Sequence[Any], shares: np.ndarray) -> list[dict[str, Any]]:
    """Return a record per layer.

    Parameters
    ----------
    net, loss : gluon.Block
    halves : sequence of pairs of (data, label) in NumPy arrays, or None
        Two halves of each group's probe rows; None for a group that has too few.
    shares : ndarray of shape (n_groups,)
        Weight of each group in the overall gradient.
    """
    ctx, look = context_of(net), layered(net)
    names = look.graph.list_inputs()
    copies = {
        name: look.params[name].data(ctx).copy() for name in names if name in look.params
    }  # marking the net's own arrays would touch its gradients
    trained = [name for name in copies if look.params[name].grad_req != "null"]
    for name in trained:
        copies[name].attach_grad()
    place = names.index("mxfair_data")
    others = [i for i in range(len(names)) if i != place]
    call = mx.nd.CachedOp(look.graph, [("data_indices", [place]), ("param_indices", others)])
    present = [k for k, pair in enumerate(halves) if pair is not None]
    passes = [
        _pass(call, names, copies, trained, loss, [mx.nd.array(a, ctx=ctx, dtype=a.dtype) for a in half])
        for k in present
        for half in halves[k]
    ]
    read = _Read()
    with mx.autograd.pause():
        for layer in look.layers:
            own = [name for name in layer.params if name in trained]
            read.weight(layer, [copies[name] for name in own])
            read.gradients(layer, [[grads[name] for name in own] for _, grads in passes])
            read.activations(layer, [_output(outputs, layer) for outputs, _ in passes])
    values = read.values()
    return [_record(layer, values, present, len(halves), shares) for layer in look.layers]


def _pass(
    call: Any, names: list[str], copies: dict[str, Any], trained: list[str], loss: Any, half: list[Any]
) -> tuple[list[Any], dict[str, Any]]:
    """Return the outputs of the layers and the gradients of the mean loss of half a group's rows."""
    with mx.autograd.record(train_mode=False):
        outputs = call(*[half[0] if name == "mxfair_data" else copies[name] for name in names])
        outputs = outputs if isinstance(outputs, (list, tuple)) else [outputs]
        mean = loss(outputs[0], half[1]).mean()
    grads = mx.autograd.grad([mean], [copies[name] for name in trained], train_mode=False) if trained else []
    return [output.detach() for output in outputs], dict(zip(trained, grads))


def _output(outputs: list[Any], layer: Layer) -> Any:
    return outputs[layer.output]


class _Read:
    """Numbers on the device under their keys, read together."""

    def __init__(self) -> None:
        self._parts: list[tuple[Any, tuple[int, ...], Any]] = []

    def _add(self, key: Any, value: Any) -> None:
        self._parts.append((key, value.shape, value.reshape((-1,)).astype("float32")))

    def values(self) -> dict[Any, np.ndarray]:
        flat = mx.nd.concat(*[value for _, _, value in self._parts], dim=0).asnumpy().astype(np.float64)
        found, start = {}, 0
        for key, shape, value in self._parts:
            found[key] = flat[start : start + value.size].reshape(shape)
            start += value.size
        return found

    def weight(self, layer: Layer, arrays: list[Any]) -> None:
        if arrays:
            scaled, scale = _scaled(mx.nd.concat(*[array.reshape((-1,)) for array in arrays], dim=0))
            self._add((layer.name, "weight"), mx.nd.concat(scale, mx.nd.square(scaled).sum(), dim=0))

    def gradients(self, layer: Layer, passes: list[list[Any]]) -> None:
        """Add the scales and inner products of the gradients: squares of tiny or huge ones would leave float32."""
        if not passes or not passes[0]:
            return
        rows = [_scaled(mx.nd.concat(*[grad.reshape((-1,)) for grad in grads], dim=0)) for grads in passes]
        stacked = mx.nd.stack(*[scaled for scaled, _ in rows], axis=0)
        self._add((layer.name, "scale"), mx.nd.concat(*[scale for _, scale in rows], dim=0))
        self._add((layer.name, "gram"), mx.nd.dot(stacked, stacked, transpose_b=True))

    def activations(self, layer: Layer, outputs: list[Any]) -> None:
        squares, idle = [], []
        for output in outputs:
            scaled, scale = _scaled(output)
            squares.append(mx.nd.concat(scale, mx.nd.square(scaled).mean(), dim=0))
            if layer.activation is not None:
                by_unit = output if output.ndim > 1 else output.reshape((-1, 1))
                axis = layer.unit_axis % by_unit.ndim
                rest = [i for i in range(by_unit.ndim) if i != axis]
                learning = _slope(by_unit, layer.activation) >= _FLAT
                idle.append(1 - learning.mean(axis=rest) if layer.activation != "relu" else 1 - learning.max(axis=rest))
        if squares:
            self._add((layer.name, "activation"), mx.nd.stack(*squares, axis=0))
        if idle:
            self._add((layer.name, "idle"), mx.nd.stack(*idle, axis=0))


def _scaled(values: Any) -> tuple[Any, Any]:
    """Return values over their largest magnitude, and that."""
    scale = mx.nd.abs(values).max()
    return mx.nd.broadcast_div(values, scale + (scale == 0)), scale


def _slope(output: Any, activation: str) -> Any:
    """Return the slope of an activation at its outputs, over its largest slope."""
    if activation == "relu":
        return output > 0
    if activation == "sigmoid":
        return 4 * output * (1 - output)
    if activation == "tanh":
        return 1 - mx.nd.square(output)
    return mx.nd.square(1 - mx.nd.abs(output))  # softsign


def _record(
    layer: Layer, values: dict[Any, np.ndarray], present: list[int], n_groups: int, shares: np.ndarray
) -> dict[str, Any]:
    """Return a layer's figures: arrays over the groups, the last entry overall."""
    nothing = np.full(n_groups + 1, np.nan)
    names = ("gradient_norm", "signal_share", "alignment", "activation_rms", "dead", "saturated")
    record: dict[str, Any] = {name: nothing.copy() for name in names}
    record.update(layer=layer.name, weight_norm=np.nan, cosines=np.full((n_groups, n_groups), np.nan))
    weight = shares[present] / shares[present].sum()
    where = [*present, n_groups]
    if (layer.name, "weight") in values:
        scale, squares = values[layer.name, "weight"]
        record["weight_norm"] = float(scale * np.sqrt(squares))
    if (layer.name, "gram") in values:
        _fill_gradients(record, values[layer.name, "scale"], values[layer.name, "gram"], weight, present)
    if (layer.name, "activation") in values:
        scale, squares = values[layer.name, "activation"].T
        by_group = (scale**2 * squares).reshape(-1, 2).mean(axis=1)
        record["activation_rms"][where] = np.sqrt(np.append(by_group, weight @ by_group))
    if (layer.name, "idle") in values:
        idle = values[layer.name, "idle"]
        idle = idle.reshape(len(present), 2, -1)
        if layer.activation == "relu":
            units = idle.min(axis=1) == 1
            record["dead"][where] = np.append(units.mean(axis=1), units.all(axis=0).mean())
        else:
            by_group = idle.mean(axis=(1, 2))
            record["saturated"][where] = np.append(by_group, weight @ by_group)
    return record


def _fill_gradients(
    record: dict[str, Any], scale: np.ndarray, gram: np.ndarray, weight: np.ndarray, present: list[int]
) -> None:
    """Fill in norms, angles and the share of the squared norm that two halves of the rows have in common."""
    largest = scale.max()
    with np.errstate(all="ignore"):
        relative = scale / largest if largest > 0 else scale
        dots = gram * np.outer(relative, relative)
        halves = dots.reshape(len(weight), 2, len(weight), 2)
        between = halves.mean(axis=(1, 3))  # g_k = (first half + second half) / 2
        squared = np.diag(between)
        common = np.array([halves[k, 0, k, 1] for k in range(len(weight))])
        total = weight @ between @ weight
        record["gradient_norm"][[*present, -1]] = largest * np.sqrt(np.maximum(np.append(squared, total), 0))
        record["signal_share"][present] = common / np.where(squared > 0, squared, np.nan)
        lengths = np.sqrt(np.where(squared > 0, squared, np.nan))
        record["alignment"][present] = between @ weight / (lengths * np.sqrt(total if total > 0 else np.nan))
        record["cosines"][np.ix_(present, present)] = np.clip(between / np.outer(lengths, lengths), -1, 1)
