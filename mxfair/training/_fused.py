"""Several nets as one graph, forward, backward and update in a handful of calls.

A step of a small net costs more in calls than in arithmetic, and of K nets K times that. Here the nets are one symbol,
bound with its gradients: forward is one operation to the engine, and so is backward. Weights, gradients and the
optimizer's states of all nets are flat arrays, so that an update is one call. Nothing is computed for the gradient by
the data, and a loss that treats each row by itself is computed once for the rows of all nets.

The nets may be divided among the engine's CPU devices, each of which has a thread of its own: the numbers are the same.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from mxfair._compat import import_mxnet
from mxfair._graph import UnsupportedError
from mxfair._step import _REORDERING
from mxfair.loss import GroupLoss
from mxfair.loss._steered import steered_base

mx: Any = import_mxnet()

#: Operators that compute each row of a loss from that row.
_BY_ROW = {
    "Activation", "Reshape", "_div_scalar", "_greater_scalar", "_lesser_scalar", "_minus_scalar", "_mul_scalar",
    "_plus_scalar", "_power_scalar", "_rdiv_scalar", "_rminus_scalar", "abs", "clip", "elemwise_add", "elemwise_div",
    "elemwise_mul", "elemwise_sub", "exp", "log", "log_softmax", "mean", "one_hot", "pick", "relu", "reshape_like",
    "sigmoid", "softmax", "square", "sum", "tanh", "where", "BlockGrad",
}  # fmt: skip
#: Attributes, their defaults and the values with which they do so.
_RULES: dict[str, tuple[tuple[str, str], tuple[str, ...]]] = {
    **dict.fromkeys(("log_softmax", "softmax", "pick"), (("axis", "-1"), ("1", "-1"))),
    "Reshape": (("shape", ""), ("(-1,)", "(-1,1)")),
}
#: What the engine is told while a graph is bound: one operation for all nodes, and no line on the screen.
_BINDING = {"MXNET_EXEC_BULK_EXEC_MAX_NODE_TRAIN": "100000", "MXNET_SUBGRAPH_VERBOSE": "0"}


class Fused:
    """The nets of `fit_together`, trained as one.

    Parameters
    ----------
    nets : list of HybridBlock
    losses : list of Loss
        One for each net, or the same for all.
    optimizer : Optimizer
        Of one that treats every weight by itself.
    index : int
        The optimizer's number of a trained parameter.
    scale : float
        Factor of the gradients.
    trained : list of list of Parameter
        What is trained of each net.
    batch : Batch
        The first one.
    workers : int
        Threads.
    """

    def __init__(
        self,
        nets: list[Any],
        losses: list[Any],
        optimizer: Any,
        *,
        index: int,
        scale: float,
        trained: list[list[Any]],
        batch: Any,
        workers: int,
    ) -> None:
        self._optimizer, self._scale = optimizer, scale
        parts = [part.tolist() for part in np.array_split(np.arange(len(nets)), min(workers, len(nets)))]
        ctx = trained[0][0].list_ctx()[0]
        devices = [ctx] if len(parts) == 1 else [mx.cpu(place) for place in range(len(parts))]
        graphs = [Graph([nets[k] for k in part], [losses[k] for k in part], part, batch) for part in parts]
        self._parts = [
            _Part(graph, [trained[k] for k in part], optimizer, index, device)
            for graph, part, device in zip(graphs, parts, devices)
        ]

    def __call__(self, batch: Any) -> list[Any]:
        """Take a step of all nets; return the losses of each row, net by net, as one vector for each thread."""
        self._optimizer.rescale_grad = self._scale / batch.size
        return [part.step(batch) for part in self._parts]

    def read(self) -> None:
        """Take over what may have been changed outside of the graph: weights of cells, strengths."""
        for part in self._parts:
            part.read()

    def write(self) -> None:
        """Put weights, running statistics and states where nets and losses have them."""
        for part in self._parts:
            part.write()

    def finite(self) -> np.ndarray:
        """Return, for each net, whether all trained weights are finite."""
        return np.concatenate([part.finite() for part in self._parts])


class Weighed(GroupLoss):
    """A loss times the third item of a batch, the weights of its rows."""

    def __init__(self, base: Any) -> None:
        super().__init__(None, 0)
        with self.name_scope():
            self.base = base

    def hybrid_forward(self, F: Any, pred: Any, label: Any, weight: Any) -> Any:
        """Return one loss per sample."""
        return self.base(pred, label) * weight


class Graph:
    """Nets with their losses as one symbol.

    Attributes
    ----------
    symbol : Symbol
        Outputs are the loss of each row, net by net; what is derived from; and the new states, where there are any.
    sources : dict of str to Parameter
        The parameters by their names in the symbol.
    states : list of (str, Parameter)
        Those that a batch replaces.
    """

    def __init__(self, nets: list[Any], losses: list[Any], places: list[int], batch: Any) -> None:
        self.places, self.sources, self.states = places, {}, []  # type: ignore[var-annotated]
        self._nets, self._losses, self._batch = nets, losses, batch
        with mx.autograd.pause(train_mode=True), mx.name.NameManager():
            shapes = {net(batch.of(k)[0][:1]).shape[1:] for net, k in zip(nets, places)}
            self._shape = next(iter(shapes))  # of a row's output
            self.symbol = self._tracing(self._once if len(shapes) == 1 and self._by_row() else self._each)

    def _tracing(self, build: Any) -> Any:
        try:
            return build()
        except UnsupportedError:
            raise
        except Exception as error:  # whatever a user's hybrid_forward raises on a Symbol
            raise UnsupportedError(f"tracing failed ({type(error).__name__}: {error})") from error

    def _by_row(self) -> bool:
        """Tell whether all nets have one loss, which treats each row by itself."""
        loss = self._losses[0]
        if any(other is not loss for other in self._losses) or _state_list(loss):
            return False
        names = ["pred", "label", "third"][: 3 if isinstance(loss, GroupLoss) else 2]
        return rowwise(self._tracing(lambda: loss(*map(mx.sym.var, names))), names)

    def _item(self, name: str, place: int | None = None) -> Any:
        """Return an item of a net's batch, or of all nets' batches one below the other."""
        shared = name in self._batch.shared
        if place is not None:
            return mx.sym.var(name if shared else f"{name}{place}")
        return mx.sym.concat(*[mx.sym.var(name)] * len(self.places), dim=0) if shared else mx.sym.var(name)

    def _outputs(self) -> list[Any]:
        found = []
        for k, (net, place) in enumerate(zip(self._nets, self.places)):
            out = net(mx.sym.var("data"))
            if not isinstance(out, mx.sym.Symbol) or len(out.list_outputs()) != 1:
                raise UnsupportedError("a net does not return one array")
            found.append(self._own(out, k, net.collect_params(), {"data": self._item("data", place).name}))
        return found

    def _own(self, symbol: Any, k: int, params: dict[str, Any], items: dict[str, str]) -> Any:
        """Return a symbol whose parameters' names begin with the place of its net: nets may have the same names."""
        document = json.loads(symbol.tojson())
        if _REORDERING & {node["op"] for node in document["nodes"]}:
            raise UnsupportedError("the weights of convolutions are laid out anew for predictions")
        for node in document["nodes"]:
            if node["op"] == "null":
                name = node["name"]
                if name not in items and name not in params:
                    raise UnsupportedError(f"a graph has the input {name!r}, which is no parameter")
                node["name"] = items.get(name, f"{k}/{name}")
                if name not in items:
                    self.sources[f"{k}/{name}"] = params[name]
            else:
                node["name"] = f"{k}/{node['name']}"
        return mx.sym.load_json(json.dumps(document))

    def _once(self) -> Any:
        """Let one loss see the rows of all nets."""
        loss = self._losses[0]
        pred = mx.sym.concat(*self._outputs(), dim=0)
        items = [self._item(name) for name in ("label", "third")[: 2 if isinstance(loss, GroupLoss) else 1]]
        base = loss.base if type(loss) is Weighed else loss
        softmax = type(base) is mx.gluon.loss.SoftmaxCrossEntropyLoss and steered_base(base) is not None
        if softmax and len(self._shape) == 1:
            value, head = _cross_entropy(pred, self._shape[0], *items)
        else:
            self.sources.update(loss.collect_params())
            value = head = loss(pred, *items)
        return mx.sym.Group([mx.sym.BlockGrad(value), mx.sym.MakeLoss(head)])

    def _each(self) -> Any:
        """Give each net a loss of its own."""
        values, heads, states = [], [], []
        for k, (net, loss, place) in enumerate(zip(self._nets, self._losses, self.places)):
            names = ["data", "label", "third"][: 3 if isinstance(loss, GroupLoss) else 2]
            data, *rest = map(mx.sym.var, names)
            outputs = _with_head(loss, net(data), rest)
            params = {**net.collect_params(), **loss.collect_params()}
            items = {name: self._item(name, place).name for name in names}
            graph = self._own(mx.sym.Group(outputs), k, params, items)
            values.append(graph[0])
            heads.append(graph[1])
            states += [mx.sym.BlockGrad(graph[i]) for i in range(2, len(outputs))]
            self.states += [(f"{k}/{state.name}", state) for state in _state_list(loss)]
        value, head = mx.sym.concat(*values, dim=0), mx.sym.concat(*heads, dim=0)
        more = [mx.sym.concat(*states, dim=0)] if states else []
        return mx.sym.Group([mx.sym.BlockGrad(value), mx.sym.MakeLoss(head), *more])


class _Part:
    """What one thread computes: some of the nets."""

    def __init__(self, graph: Graph, trained: list[list[Any]], optimizer: Any, index: int, ctx: Any) -> None:
        self._graph, self._optimizer, self._index, self._ctx = graph, optimizer, index, ctx
        names = {id(parameter): name for name, parameter in graph.sources.items() if "/" in name}
        every = [parameter for params in trained for parameter in params]
        if any(id(parameter) not in names for parameter in every):
            raise UnsupportedError("a net has parameters that its loss does not use")
        self._sizes = [sum(p.data().size for p in params) for params in trained]
        self._weight, self._grad = (mx.nd.zeros(sum(self._sizes), ctx=ctx) for _ in range(2))
        self._arrays, self._grads = {}, {}  # type: ignore[var-annotated]
        self._own = list(zip(every, _cut(self._weight, every)))
        for parameter, array, grad in zip(every, _cut(self._weight, every), _cut(self._grad, every)):
            self._arrays[names[id(parameter)]], self._grads[names[id(parameter)]] = array, grad
        held = [parameter for _, parameter in graph.states]
        self._state = mx.nd.zeros(sum(p.shape[0] for p in held), ctx=ctx) if held else None
        self._kept = list(zip(held, _cut(self._state, held))) if held else []
        self._arrays.update({name: array for (name, _), (_, array) in zip(graph.states, self._kept)})
        auxiliary = set(graph.symbol.list_auxiliary_states())
        self._constant: list[tuple[Any, Any]] = []
        for name in (n for n in graph.symbol.list_inputs() if n in graph.sources and n not in self._arrays):
            parameter = graph.sources[name]
            self._arrays[name] = mx.nd.zeros(parameter.shape, ctx=ctx, dtype=parameter.dtype)
            (self._kept if name in auxiliary else self._constant).append((parameter, self._arrays[name]))
        for parameter, array in (*self._own, *self._kept):
            parameter.data().copyto(array)
        self.read()
        self._moments = optimizer.create_state_multi_precision(index, self._weight)
        self._bound: dict[int, _Bound] = {}

    def step(self, batch: Any) -> Any:
        bound = self._bound.get(batch.size)
        if bound is None:
            bound = self._bound[batch.size] = _Bound(self._graph, batch, self._arrays, self._grads, self._ctx)
        outputs = bound(batch)
        self._optimizer._set_current_context(self._ctx.device_id)  # updates are counted by device
        self._optimizer.update_multi_precision(self._index, self._weight, self._grad, self._moments)
        if self._state is not None:
            outputs[2].copyto(self._state)
        return outputs[0].copy()  # the next step writes to the same place

    def read(self) -> None:
        for parameter, array in self._constant:
            parameter.data().copyto(array)

    def write(self) -> None:
        for parameter, array in (*self._own, *self._kept):
            array.copyto(parameter.data())

    def finite(self) -> np.ndarray:
        zeros = self._weight * 0  # inf * 0 is NaN
        if len(set(self._sizes)) == 1:
            return zeros.reshape((len(self._sizes), -1)).sum(axis=1).asnumpy() == 0
        ends = np.cumsum(self._sizes).tolist()
        return np.array([zeros[end - size : end].sum().asscalar() == 0 for size, end in zip(self._sizes, ends)])


class _Bound:
    """The graph for batches of one size."""

    def __init__(self, graph: Graph, batch: Any, arrays: dict[str, Any], grads: dict[str, Any], ctx: Any) -> None:
        self._first, self._stop = graph.places[0], graph.places[-1] + 1
        wanted = graph.symbol.list_inputs()
        self._items, feeds = [], {}  # type: ignore[var-annotated]
        for name, array in batch.columns.items():
            part = batch.part(name, self._first, self._stop)
            held = mx.nd.zeros(part.shape, ctx=ctx, dtype=array.dtype)
            self._items.append((name, held))
            feeds[name] = held
            if name not in batch.shared:
                for k, place in enumerate(graph.places):
                    feeds[f"{name}{place}"] = held[k * batch.size : (k + 1) * batch.size]
        every = {**arrays, **{name: feeds[name] for name in wanted if name in feeds}}
        symbol = graph.symbol
        requests = {name: "write" if name in grads else "null" for name in symbol.list_arguments()}
        with _environment(_BINDING):
            self._executor = symbol.bind(
                ctx,
                {name: every[name] for name in symbol.list_arguments()},
                args_grad=grads,
                grad_req=requests,
                aux_states={name: every[name] for name in symbol.list_auxiliary_states()},
            )

    def __call__(self, batch: Any) -> Sequence[Any]:
        for name, held in self._items:
            batch.part(name, self._first, self._stop).copyto(held)
        outputs = self._executor.forward(is_train=True)
        self._executor.backward()
        return outputs


def _with_head(loss: Any, pred: Any, rest: list[Any]) -> list[Any]:
    """Return the loss of each row, what has its derivative, and the new states."""
    if getattr(loss, "steered", False):  # as `SplitGraph` does: where an output is 0, Gluon's derivative is another
        value, slope, *states = loss._steered_outputs(mx.sym, mx.sym.BlockGrad(pred), *rest)
        return [value, mx.sym.BlockGrad(slope) * mx.sym.reshape(pred, shape=(-1,)), *states]
    outputs = getattr(loss, "_outputs", loss)(pred, *rest)
    value, *states = outputs if isinstance(outputs, list) else [outputs]
    return [value, value, *states]


def _cross_entropy(pred: Any, width: int, label: Any, weight: Any = None) -> tuple[Any, Any]:
    """Return Gluon's cross-entropy bit for bit, and what has its derivative, at half the cost of its own backward."""
    label = mx.sym.clip(mx.sym.reshape(label, shape=(-1,)), 0, width - 1)  # as pick does, unlike one_hot
    log = mx.sym.log_softmax(mx.sym.BlockGrad(pred), axis=-1)
    value, slope = -mx.sym.pick(log, label, axis=-1), mx.sym.exp(log) - mx.sym.one_hot(label, depth=width)
    if weight is not None:
        value, slope = value * weight, mx.sym.broadcast_mul(slope, mx.sym.reshape(weight, shape=(-1, 1)))
    return value, mx.sym.BlockGrad(slope) * pred


def rowwise(symbol: Any, items: list[str]) -> bool:
    """Tell whether a loss computes each row of its result from that row of the items alone."""
    nodes = json.loads(symbol.tojson())["nodes"]
    for node in nodes:
        name, attrs = node["op"], node.get("attrs", {})
        if name == "null":
            continue
        if name == "take":  # the weights of cells
            source = nodes[node["inputs"][0][0]]
            if source["op"] != "null" or source["name"] in items or attrs.get("axis", "0") != "0":
                return False
        elif name not in _BY_ROW:
            return False
        elif name in ("mean", "sum"):
            rows = "0" if attrs.get("exclude") == "True" else "1"
            if attrs.get("axis", "").strip("(),") != rows:
                return False
        elif name in _RULES and attrs.get(*_RULES[name][0]).replace(" ", "") not in _RULES[name][1]:
            return False
    return True


def _state_list(loss: Any) -> list[Any]:
    return loss._states() if hasattr(loss, "_states") else []


def _cut(flat: Any, params: list[Any]) -> list[Any]:
    views, start = [], 0
    for parameter in params:
        size = int(np.prod(parameter.shape))
        views.append(flat[start : start + size].reshape(parameter.shape))
        start += size
    return views


@contextlib.contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    """Set variables that the engine reads from the environment only."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
