"""Net and loss as cached graphs: forward and backward of a training step.

`WholeGraph` records net and loss together. A backward call costs the engine time for every node of what was recorded,
forward nodes too, so that `SplitGraph` records the net alone where the loss gives its own derivative.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from mxfair._compat import import_mxnet

mx: Any = import_mxnet()

__all__ = ["SplitGraph", "Traced", "UnsupportedError", "WholeGraph", "graph_of"]

DATA, LABEL, GROUP = "mxfair_data", "mxfair_label", "mxfair_group"
#: What the loss's own graph takes, as vectors: an operator less each.
FLAT = ("mxfair_flat_pred", "mxfair_flat_label", "mxfair_flat_group")


class UnsupportedError(Exception):
    """The net, the loss or the trainer cannot be run as one graph; the message says why."""


class Traced:
    """A symbol as a function of a batch's items; parameters are fed by themselves, states as they were left."""

    def __init__(self, graph: Any, items: Sequence[str], params: dict[str, Any], states: list[Any]) -> None:
        if not isinstance(graph, mx.sym.Symbol) or len(graph.list_outputs()) != 1:
            raise UnsupportedError("the loss does not return one array")
        names = graph.list_inputs()
        if not set(items) <= set(names) or not set(names) <= {*items, *params}:
            raise UnsupportedError("the loss does not use all items of the batch")
        self.text = graph.tojson()
        self.sources = [params[name] for name in names if name not in items]
        self._items = [names.index(name) for name in items]
        self._states = [(state, names.index(state.name), state.shape[0]) for state in states]
        # What each step replaces, states too, is data to the graph.
        changing = sorted([*self._items, *(place for _, place, _ in self._states)])
        flags: Iterable[tuple[str, Any]] = [
            ("data_indices", changing),
            ("param_indices", [place for place in range(len(names)) if place not in changing]),
            ("static_alloc", True),
            ("static_shape", True),
        ]
        self._call = mx.nd.CachedOp(graph, flags)
        self._inputs = [None if name in items else params[name] for name in names]
        self.feed()

    def feed(self) -> None:
        """Feed the arrays that the parameters hold now."""
        self._arguments = [None if parameter is None else parameter.data() for parameter in self._inputs]
        states = [state.name for state, _, _ in self._states]
        self._fed = [(p, p.data()) for p in self.sources if p.name not in states]

    def __call__(self, items: Iterable[Any]) -> Any:
        for place, item in zip(self._items, items):
            self._arguments[place] = item
        return self._call(*self._arguments)

    def keep(self, output: Any, start: int) -> None:
        """Take the new states, the end of an output: nothing is copied."""
        for parameter, place, size in self._states:
            self._arguments[place] = parameter._data[0] = output._slice(start, start + size)
            start += size

    def current(self) -> bool:
        """Tell whether the parameters hold the arrays that are fed."""
        return all(parameter._data[0] is array for parameter, array in self._fed) and all(
            parameter._data[0] is self._arguments[place] for parameter, place, _ in self._states
        )

    @property
    def operators(self) -> set[str]:
        """The operators of the graph."""
        return {node["op"] for node in json.loads(self.text)["nodes"]} - {"null"}


def as_float(batch: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return a batch with its labels and codes as float32."""
    return (batch[0], *(item if item.dtype is np.float32 else item.astype("float32") for item in batch[1:]))


def _flat_float(item: Any) -> Any:
    """Return labels or codes as a vector of float32."""
    item = item if item.dtype is np.float32 else item.astype("float32")
    return item if item.ndim == 1 else item.reshape((-1,))


def _first(output: Any, size: int) -> Any:
    """Return the losses of an output, which are kept until the epoch ends; a view would keep all of it."""
    value = output._slice(0, size)
    return value if len(output) < 4 * size else value.copy()


class WholeGraph:
    """Net and loss as one graph."""

    def __init__(self, net: Any, loss: Any, n_items: int) -> None:
        graph, states = _whole(net, loss, n_items)
        params = {**net.collect_params(), **loss.collect_params()}
        self._blocks, self._grouped = (net, loss, n_items), hasattr(loss, "_outputs")
        self._traced = Traced(graph, [DATA, LABEL, GROUP][:n_items], params, states)
        self._heads: dict[int, Any] = {}
        self.parts = [self._traced]

    def __call__(self, batch: tuple[Any, ...], batch_size: int) -> Any:
        if self._grouped:
            batch = as_float(batch)
        with mx.autograd.record():
            output = self._traced(batch)
        head = self._heads.get(batch_size)
        if head is None:  # what backward() would make anew in each step; 0 for the states
            head = self._heads[batch_size] = mx.nd.arange(len(output), ctx=output.context) < batch_size
        mx.autograd.backward([output], [head])
        if not self._traced._states:
            return output
        self._traced.keep(output.detach(), batch_size)
        return _first(output, batch_size)

    def retraced(self) -> bool:
        """Tell whether net and loss still compute the same."""
        return _whole(*self._blocks)[0].tojson() == self._traced.text


class SplitGraph:
    """The net as one graph, and the loss with its own derivative as another, of which nothing is recorded."""

    def __init__(self, net: Any, loss: Any, n_items: int) -> None:
        (first, second), states = _split(net, loss, n_items)
        self._blocks = (net, loss, n_items)
        self._net = Traced(first, [DATA], dict(net.collect_params()), [])
        self._loss = Traced(second, FLAT[:n_items], dict(loss.collect_params()), states)
        self.parts = [self._net, self._loss]

    def __call__(self, batch: tuple[Any, ...], batch_size: int) -> Any:
        with mx.autograd.record():
            pred = self._net(batch[:1])
        with mx.autograd.pause(train_mode=True):
            output = self._loss([pred, *map(_flat_float, batch[1:])])
            stop = batch_size + len(pred)
            mx.autograd.backward([pred], [output._slice(batch_size, stop)])
            self._loss.keep(output, stop)
            return _first(output, batch_size)

    def retraced(self) -> bool:
        """Tell whether net and loss still compute the same."""
        graphs, _ = _split(*self._blocks)
        return [graph.tojson() for graph in graphs] == [part.text for part in self.parts]


def graph_of(net: Any, loss: Any, n_items: int) -> WholeGraph | SplitGraph:
    """Return the graph of net and loss; split where the loss gives its own derivative."""
    return (SplitGraph if getattr(loss, "steered", False) else WholeGraph)(net, loss, n_items)


def _tracing() -> Any:
    # A name manager of its own counts operators from 0: the same blocks give the same graph, names included.
    return mx.name.NameManager()


def _whole(net: Any, loss: Any, n_items: int) -> tuple[Any, list[Any]]:
    """Return net and loss as one symbol, and the states that follow the loss in its output."""
    data, *rest = [mx.sym.var(name) for name in (DATA, LABEL, GROUP)[:n_items]]
    try:
        with mx.autograd.pause(train_mode=True), _tracing():
            outputs = getattr(loss, "_outputs", loss)(net(data), *rest)
            if not isinstance(outputs, list):
                return outputs, []
            value, *states = outputs
            # One vector: each further output of a graph costs a step 100 us.
            blocked = [mx.sym.BlockGrad(state) for state in states]
            return (mx.sym.concat(value, *blocked, dim=0) if blocked else value), loss._states()
    except Exception as error:  # whatever a user's hybrid_forward raises on a Symbol
        raise UnsupportedError(f"tracing failed ({type(error).__name__}: {error})") from error


def _split(net: Any, loss: Any, n_items: int) -> tuple[tuple[Any, Any], list[Any]]:
    """Return the net as one symbol, the loss with its slope as another, and the states that follow in its output."""
    try:
        with mx.autograd.pause(train_mode=True), _tracing():
            first = mx.sym.reshape(net(mx.sym.var(DATA)), shape=(-1,))
            pred, *rest = [mx.sym.var(name) for name in FLAT[:n_items]]
            outputs = loss._steered_outputs(mx.sym, pred, *rest)
            return (first, mx.sym.concat(*outputs, dim=0)), loss._states()
    except Exception as error:  # as in `_whole`
        raise UnsupportedError(f"tracing failed ({type(error).__name__}: {error})") from error
