"""Gradients of an explained net by its data, taken on the net's device without touching its parameters' gradients."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np

from mxfair._compat import import_mxnet
from mxfair._inference import PredictGraph, _fused, context_of
from mxfair._validation import InputError
from mxfair.explain._model import Explained

mx: Any = import_mxnet()

__all__ = ["NetGradient"]

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
        self._tail: Any = None  # what comes before a dense last layer, and the explained number as a sum of it
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
            self._call = _cached(_as_in_training(symbol), (source,), values)
            operators = {node["op"] for node in json.loads(symbol.tojson())["nodes"]} - {"null"}
            fused = _fused(symbol, operators) if self.ctx.device_type == "cpu" else symbol
            self._predict = _cached(fused, (source,), values)
            if source == CUT:
                self._find_head(symbol, values)
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

    def _find_head(self, symbol: Any, values: dict[str, Any]) -> None:
        """Take a dense last layer and a linear explained number together: one number per row instead of several."""
        graph = json.loads(symbol.tojson())
        head = graph["nodes"][graph["heads"][0][0]]
        names = [graph["nodes"][source[0]]["name"] for source in head["inputs"]]
        if head["op"] != "FullyConnected" or any(name not in values for name in names[1:]):
            return
        weight = values[names[1]]
        points = mx.nd.array(np.vstack([np.zeros(len(weight)), np.eye(len(weight)), -3 * np.eye(len(weight))]))
        constant, *found = self.read(points.astype(weight.dtype)).asnumpy().astype(np.float64)
        slope = np.array(found[: len(weight)]) - constant
        if not np.allclose(found[len(weight) :], constant - 3 * slope, rtol=0, atol=1e-6):
            return
        inner = _before(graph)
        if inner is None:
            return
        operators = {node["op"] for node in json.loads(inner.tojson())["nodes"]} - {"null"}
        inner = _fused(inner, operators) if self.ctx.device_type == "cpu" else inner
        bias = values[names[2]].asnumpy() if len(names) > 2 else np.zeros(len(weight))
        total = mx.nd.array(slope[None], ctx=self.ctx, dtype=weight.dtype)
        self._tail = (inner, values, mx.nd.dot(total, weight).reshape((-1, 1)), float(bias @ slope + constant))

    def mixed_means(self, count: int) -> Callable[[Any, Any], Any]:
        """Return a function from coalitions and changes to the mean explained number over `count` rows each.

        It takes coalitions, (n_rows, n_coalitions, k), and for each row what the k columns, and 1, change in the first
        layer of each row of the background, (n_rows, k, count * width); it returns (n_rows * n_coalitions,). As one
        graph it allocates nothing large, which would take as long as the products of a small net do.
        """
        width = self.weight.shape[0]
        if self._tail is None:
            return lambda known, change: (
                self.value(mx.nd.batch_dot(known, change).reshape((-1, width))).reshape((-1, count)).mean(axis=1)
            )
        inner, values, weight, constant = self._tail
        known, change, last, share = (mx.sym.var(f"mxfair_{name}") for name in ("known", "change", "last", "share"))
        point = mx.sym.reshape(mx.sym.batch_dot(known, change), shape=(-1, width))
        value = mx.sym.reshape(mx.sym.dot(inner(**{CUT: point}), last), shape=(-1, count))
        graph = mx.sym.reshape(mx.sym.dot(value, share), shape=(-1,)) + constant
        more = {"mxfair_last": weight, "mxfair_share": mx.nd.full((count, 1), 1 / count, self.ctx, weight.dtype)}
        return _cached(graph, ("mxfair_known", "mxfair_change"), {**values, **more})

    def rows_per_batch(self, max_memory: float) -> int:
        """Return how many rows fit into megabytes: the net's activations, their gradients and the rows."""
        row_bytes = 2 * self.dtype.itemsize * self.row_values
        return int(max(1, min(MAX_ROWS, max_memory * 2**20 // row_bytes)))


def _before(graph: dict[str, Any]) -> Any:
    """Return the graph without its last layer; None if nothing but the data comes before."""
    source = graph["nodes"][graph["heads"][0][0]]["inputs"][0]
    if graph["nodes"][source[0]]["op"] == "null":
        return None
    kept = source[0] + 1
    nodes = graph["nodes"][:kept]
    arguments = [i for i in graph["arg_nodes"] if i < kept]
    return mx.sym.load_json(json.dumps({**graph, "nodes": nodes, "arg_nodes": arguments, "heads": [source]}))


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


def _cached(symbol: Any, sources: tuple[str, ...], values: dict[str, Any]) -> Callable[..., Any]:
    """Return a function of the sources alone that runs a graph."""
    names = symbol.list_inputs()
    places = [names.index(source) for source in sources]
    arguments = [values.get(name) for name in names]
    others = [i for i in range(len(names)) if i not in places]
    call = mx.nd.CachedOp(symbol, [("data_indices", places), ("param_indices", others), ("static_alloc", True)])

    def run(*given: Any) -> Any:
        filled = list(arguments)
        for place, array in zip(places, given):
            filled[place] = array
        return call(*filled)

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
