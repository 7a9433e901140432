"""Gradients of an explained net by its data, taken on the net's device without touching its parameters' gradients."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np

from mxfair._compat import import_mxnet
from mxfair._inference import PredictGraph, _fused, context_of
from mxfair._validation import InputError
from mxfair.explain._model import Explained

mx: Any = import_mxnet()

__all__ = ["NetGradient", "path_means", "slopes"]

#: Rows of a batch at most: larger ones gain nothing.
MAX_ROWS = 65_000
DATA = "mxfair_data"
#: Name of the first dense layer's output, where the graph is cut.
CUT = "mxfair_first"


class NetGradient:
    """An explained net and its gradient, in predict mode.

    Where the net can be traced, it runs as a graph of its own whose parameters are no variables: nothing but the
    gradient by the data is computed, and the parameters' own gradients stay. A dense first layer is linear, so that
    straight lines between rows are straight lines of its outputs: `enter` maps rows to these, `back` maps gradients
    back, and only what stands between is done at every point of a line. For other nets both change nothing.
    """

    def __init__(self, explained: Explained, shape: tuple[int, ...]) -> None:
        if explained.net is None or explained.read is None:
            raise InputError(
                "'model' must be a net, or an estimator whose net takes the rows as they are, for gradients; this one "
                "has none. Use permutation_shap."
            )
        self.net, self.read, self.shape = explained.net, explained.read, shape
        self.ctx = context_of(self.net)
        self.dtype = np.dtype("float32")
        self.weight: Any = None  # of a dense first layer, (width, n_features); None where there is no such layer
        self._bias: Any = None
        self._call: Any = self.net
        self._predict: Any = self.net
        self._buffer: Any = None
        symbol = PredictGraph(self.net)._trace()
        self.row_values = 64 * int(np.prod(shape))
        if symbol is None:
            _check_pooling(self.net)
        else:
            with mx.autograd.pause(train_mode=False):
                self._use(symbol)

    def _use(self, symbol: Any) -> None:
        params = self.net.collect_params()
        values = {n: params[n].data(self.ctx).detach() for n in symbol.list_inputs() if n != DATA}
        source, shape = DATA, self.shape
        if len(self.shape) == 1:
            layer = _first_dense(json.loads(symbol.tojson()))
            if layer is not None:
                weight, bias, symbol = layer
                self.weight = values[weight]
                self._bias = None if bias is None else values[bias]
                source, shape = CUT, self.weight.shape[:1]
        self._call = self._predict = _identity
        if symbol is not None:
            self._call = _cached(_as_in_training(symbol), source, values)
            operators = {node["op"] for node in json.loads(symbol.tojson())["nodes"]} - {"null"}
            fused = _fused(symbol, operators) if self.ctx.device_type == "cpu" else symbol
            self._predict = _cached(fused, source, values)
        self.row_values = _values_per_row(symbol, source, shape, set(values)) + int(np.prod(self.shape))

    def enter(self, rows: Any) -> Any:
        """Return what stands for rows, (n, width): the first dense layer's outputs, or the rows themselves, flat."""
        if self.weight is None:
            return rows.reshape((len(rows), -1))
        args = [rows, self.weight] + ([] if self._bias is None else [self._bias])
        return mx.nd.FullyConnected(*args, num_hidden=len(self.weight), no_bias=self._bias is None)

    def back(self, gradient: Any) -> Any:
        """Return gradients by the rows, flat, from gradients by what `enter` gives."""
        return gradient if self.weight is None else mx.nd.dot(gradient, self.weight)

    def at(self, entered: Any, *, reuse: bool = False) -> tuple[Any, Any]:
        """Return the explained number, (n,), and its gradient by what was entered, (n, width).

        With `reuse` the gradient is overwritten by the next call.
        """
        point = entered if self.weight is not None else entered.reshape((len(entered), *self.shape))
        if reuse and self._buffer is not None and self._buffer.shape == point.shape:
            gradient = self._buffer
        else:
            gradient = mx.nd.empty(point.shape, ctx=point.context, dtype=point.dtype)
            self._buffer = gradient if reuse else None
        mx.autograd.mark_variables([point], [gradient])
        if self._call is self.net:  # its parameters are variables, whose gradients are not to be written
            with mx.autograd.record(train_mode=False):
                value = self.read(self.net(point))
            gradient = mx.autograd.grad(value, [point], train_mode=False)[0]
        else:
            with mx.autograd.record(train_mode=True):  # see `_as_in_training`
                value = self.read(self._call(point))
            value.backward(train_mode=True)
        return value, gradient.reshape((len(entered), -1))

    def value(self, entered: Any) -> Any:
        """Return the explained number of what was entered, (n,), without its gradient."""
        point = entered if self.weight is not None else entered.reshape((len(entered), *self.shape))
        return self.read(self._predict(point))

    def rows_per_batch(self, max_memory: float) -> int:
        """Return how many rows fit into megabytes: the net's activations, their gradients and the rows."""
        row_bytes = 2 * self.dtype.itemsize * self.row_values
        return int(max(1, min(MAX_ROWS, max_memory * 2**20 // row_bytes)))


def _as_in_training(symbol: Any) -> Any:
    """Return a graph that computes in training mode what the given one computes in predict mode.

    In predict mode oneDNN's max pooling does not note where the maxima were, and its gradient is arbitrary.
    """
    graph = json.loads(symbol.tojson())
    for node in graph["nodes"]:
        attrs = node.setdefault("attrs", {})
        if node["op"] == "Dropout":
            node["op"], node["attrs"] = "_copy", {}
        elif node["op"] in ("BatchNorm", "_contrib_SyncBatchNorm"):
            attrs["use_global_stats"] = "True"
        elif node["op"] == "RNN":
            attrs["p"] = "0"
        elif node["op"] == "LeakyReLU" and attrs.get("act_type") == "rrelu":
            bounds = float(attrs.get("lower_bound", 0.125)), float(attrs.get("upper_bound", 0.334))
            node["attrs"] = {"act_type": "leaky", "slope": str(sum(bounds) / 2)}
    return mx.sym.load_json(json.dumps(graph))


def _check_pooling(net: Any) -> None:
    """Refuse max pooling in a net that cannot be traced: see `_as_in_training`."""
    if getattr(net, "_kwargs", {}).get("pool_type") == "max":
        raise InputError(
            f"'model' must be a HybridBlock that can be traced, without hooks, where it has max pooling ({net.name}): "
            "the engine's gradient of that is wrong in predict mode. Build it from HybridBlocks."
        )
    for child in net._children.values():
        _check_pooling(child)


def _identity(rows: Any) -> Any:
    return rows * 1


def _first_dense(graph: dict[str, Any]) -> tuple[str, str | None, Any] | None:
    """Return weight and bias of the dense layer that alone reads the data, and the graph behind it; None if none."""
    nodes = graph["nodes"]
    (data,) = (i for i, node in enumerate(nodes) if node["name"] == DATA)
    readers = [i for i, node in enumerate(nodes) if any(source[0] == data for source in node["inputs"])]
    if len(readers) != 1 or nodes[readers[0]]["op"] != "FullyConnected":
        return None
    place = readers[0]
    names = [nodes[source[0]]["name"] for source in nodes[place]["inputs"]]
    if names[0] != DATA or any(nodes[source[0]]["op"] != "null" for source in nodes[place]["inputs"]):
        return None
    bias = names[2] if len(names) > 2 else None
    if graph["heads"][0][0] == place:
        return names[1], bias, None
    nodes[place] = {"op": "null", "name": CUT, "inputs": []}
    graph["arg_nodes"] = sorted({*graph["arg_nodes"], place})
    return names[1], bias, mx.sym.load_json(json.dumps(graph))


def _cached(symbol: Any, source: str, values: dict[str, Any]) -> Any:
    """Return a function of the rows alone that runs a graph."""
    names = symbol.list_inputs()
    place = names.index(source)
    arguments = [values.get(name) for name in names]
    others = [i for i in range(len(names)) if i != place]
    call = mx.nd.CachedOp(symbol, [("data_indices", [place]), ("param_indices", others), ("static_alloc", True)])

    def run(rows: Any) -> Any:
        return call(*arguments[:place], rows, *arguments[place + 1 :])

    return run


def _values_per_row(symbol: Any, source: str, shape: tuple[int, ...], parameters: set[str]) -> int:
    """Return how many numbers a row makes on its way through a graph."""
    total = 2 * int(np.prod(shape))
    if symbol is not None:
        inner = symbol.get_internals()
        _, shapes, _ = inner.infer_shape_partial(**{source: (1, *shape)})
        names = inner.list_outputs()
        total += sum(int(np.prod(s)) for name, s in zip(names, shapes or []) if s and name not in parameters)
    return total


def slopes(gradient: NetGradient, X: np.ndarray, max_memory: float) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the explained number and its gradient at pieces of rows, flat."""
    size = gradient.rows_per_batch(max_memory)
    with mx.autograd.pause(train_mode=False):
        for start in range(0, len(X), size):
            part = mx.nd.array(X[start : start + size], ctx=gradient.ctx, dtype=X.dtype)
            value, slope = gradient.at(gradient.enter(part))
            yield value.asnumpy(), gradient.back(slope).asnumpy()


def path_means(
    gradient: NetGradient, X: np.ndarray, origins: np.ndarray, alphas: np.ndarray, max_memory: float
) -> Iterator[np.ndarray]:
    """Yield, for pieces of rows, the mean over origins and points of (x - origin) times the gradient on the way.

    Parameters
    ----------
    gradient : NetGradient
    X : array, shape (n_samples, ...)
    origins : array, shape (n_origins, ...), or (n_samples, 1, ...) for an origin of its own for each row
    alphas : array, shape (n_origins, n_points)
        Where on the way from each origin to each row.
    max_memory : float
        Megabytes of one batch.

    Yields
    ------
    array of float, shape (rows, n_features)
        In the order of the rows.
    """
    own = origins.ndim == X.ndim + 1
    n_points = alphas.size
    limit = gradient.rows_per_batch(max_memory)
    size = max(1, limit // n_points)
    ahead = None
    with mx.autograd.pause(train_mode=False):
        weights = mx.nd.array(alphas, ctx=gradient.ctx, dtype=X.dtype)
        shared = None if own else _Place(gradient, origins, X.dtype)
        for start in range(0, len(X), size):
            rows = _Place(gradient, X[start : start + size], X.dtype)
            start_of = _Place(gradient, origins[start : start + size, 0], X.dtype) if own else shared
            total = _total(gradient, rows, start_of, weights, limit, own=own)
            if ahead is not None:  # read while the next piece is computed
                yield ahead.asnumpy() / n_points
            ahead = total
        if ahead is not None:
            yield ahead.asnumpy() / n_points


class _Place:
    """Rows on the device, flat, and what stands for them behind the first layer."""

    def __init__(self, gradient: NetGradient, rows: np.ndarray, dtype: Any) -> None:
        array = mx.nd.array(rows, ctx=gradient.ctx, dtype=dtype)
        self.flat, self.entered = array.reshape((len(rows), -1)), gradient.enter(array)


def _total(gradient: NetGradient, rows: _Place, origins: Any, alphas: Any, limit: int, *, own: bool) -> Any:
    """Return the sum over origins and points of (x - origin) times the gradient, (n_rows, n_features)."""
    n, width = rows.entered.shape
    n_origins, n_points = alphas.shape
    axis = 1 if own else 0
    x, far = rows.flat.expand_dims(1), origins.flat.expand_dims(axis)
    here, origin = rows.entered.expand_dims(1), origins.entered.expand_dims(axis)
    points = min(n_points, max(1, limit // n))
    step = max(1, limit // (n * points))  # origins at once
    total: Any = None
    for first in range(0, n_origins, step):
        chosen = slice(first, min(first + step, n_origins))
        count = chosen.stop - first
        start = (origin if own else origin[:, chosen]).expand_dims(0)
        way = mx.nd.broadcast_sub(here.expand_dims(0), start)
        found: list[Any] = []  # points come first, so that sums over them are sums of whole blocks
        for low in range(0, n_points, points):
            at = alphas[chosen, low : low + points].T.reshape((-1, 1, count, 1))
            point = mx.nd.broadcast_mul(way, at)
            mx.nd.broadcast_add(point, start, out=point)
            _, slope = gradient.at(point.reshape((-1, width)), reuse=True)
            slope = slope.reshape((-1, n * count, width))
            found = [mx.nd.add_n(*found, *(slope[k] for k in range(len(slope))))]
        change = mx.nd.broadcast_sub(x, far if own else far[:, chosen]) * gradient.back(found[0]).reshape(
            (n, count, -1)
        )
        ones = mx.nd.ones((n, 1, count), ctx=change.context, dtype=change.dtype)
        change = mx.nd.batch_dot(ones, change).reshape((n, -1))
        total = change if total is None else total + change
    return total
