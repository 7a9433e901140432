"""A net's graph as layers: what has parameters, and the activation that follows it."""

from __future__ import annotations

import contextlib
import json
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from mxfair._compat import import_mxnet
from mxfair._validation import InputError

mx: Any = import_mxnet()

__all__ = ["Layer", "Layered", "layered"]

#: What stands between a layer and its activation without changing a unit.
_PASSING = {"Dropout", "Flatten", "Reshape", "reshape", "identity", "_copy"}
#: Activations with a region where nothing is learned: by the operator, or by its attribute ``act_type``.
_ACTIVATIONS = {"relu": "relu", "sigmoid": "sigmoid", "tanh": "tanh", "softsign": "softsign"}
_KINDS = {
    "FullyConnected": "dense",
    "Convolution": "convolution",
    "Deconvolution": "deconvolution",
    "BatchNorm": "batch norm",
    "LayerNorm": "layer norm",
    "Embedding": "embedding",
    "RNN": "recurrent",
}


@dataclass(frozen=True)
class Layer:
    """One operator with parameters: their names, its output among `Layered.graph`'s, and how its units may idle."""

    name: str
    params: tuple[str, ...]
    output: int
    activation: str | None
    unit_axis: int


@dataclass(frozen=True)
class Layered:
    """A graph whose first output is the net's; the others are what its layers put out."""

    graph: Any
    layers: tuple[Layer, ...]
    params: dict[str, Any]


def layered(net: Any) -> Layered:
    """Return a net's layers in the order of computation; the net is left as it is."""
    graph = _traced(net)
    params = {parameter.name: parameter for parameter in net.collect_params().values()}
    paths = {parameter.name: path for path, parameter in net._collect_params_with_prefix().items()}
    document = json.loads(graph.tojson())
    nodes = document["nodes"]
    for place, node in enumerate(nodes):  # names of nodes repeat where a block is called twice
        if node["op"] != "null":
            node["name"] = f"mxfair_node{place}"
    consumers = _consumers(nodes, document["heads"])
    found: list[Any] = []
    claimed: set[Any] = set()
    ends = [document["heads"][0][0]]
    for place, node in enumerate(nodes):
        inputs = [nodes[source[0]] for source in node["inputs"]]
        own = tuple(n["name"] for n in inputs if n["op"] == "null" and n["name"] in params and n["name"] not in claimed)
        if node["op"] == "null" or not own:
            continue
        claimed |= set(own)
        end, activation = _activation(nodes, consumers, place)
        if end not in ends:
            ends.append(end)
        axis = -1 if node["op"] == "FullyConnected" and node.get("attrs", {}).get("flatten") == "False" else 1
        found.append(Layer(_name(node["op"], paths.get(own[0], own[0])), own, ends.index(end), activation, axis))
    internals = mx.sym.load_json(json.dumps(document)).get_internals()
    outputs = [internals[f"{nodes[end]['name']}_output"] for end in ends]
    return Layered(mx.sym.Group(outputs), _distinct(found), params)


def _traced(net: Any) -> Any:
    if not isinstance(net, mx.gluon.HybridBlock):
        raise InputError(
            f"'net' must be a HybridBlock, so that its layers can be told; got {type(net).__name__}. Build it of "
            "HybridBlocks, HybridSequential say."
        )
    try:
        with mx.autograd.pause(train_mode=False), mx.name.NameManager(), _without_hooks(net):
            graph = net(mx.sym.var("mxfair_data"))
    except Exception as error:  # whatever a user's hybrid_forward raises on a Symbol
        raise InputError(
            f"'net' must be a net that Gluon can hybridize, so that its layers can be told; tracing it failed "
            f"({type(error).__name__}: {error}). Leave the monitor out."
        ) from error
    if not isinstance(graph, mx.sym.Symbol) or len(graph.list_outputs()) != 1:
        raise InputError("'net' must return one array for its gradients to be watched. Wrap it to return its scores.")
    return graph


@contextlib.contextmanager
def _without_hooks(net: Any) -> Iterator[None]:
    """Put a user's hooks aside: they expect arrays, and are not to be run by a look at the net."""
    pending, kept = [net], []
    while pending:
        block = pending.pop()
        kept.append((block, block._forward_hooks, block._forward_pre_hooks))
        block._forward_hooks, block._forward_pre_hooks = OrderedDict(), OrderedDict()
        pending.extend(block._children.values())
    try:
        yield
    finally:
        for block, hooks, pre_hooks in reversed(kept):  # a block that is there twice gets its own back last
            block._forward_hooks, block._forward_pre_hooks = hooks, pre_hooks


def _consumers(nodes: list[Any], heads: list[Any]) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for place, node in enumerate(nodes):
        for source in node["inputs"]:
            found.setdefault(source[0], []).append(place)
    for head in heads:
        found.setdefault(head[0], []).append(-1)
    return found


def _activation(nodes: list[Any], consumers: dict[int, list[int]], place: int) -> tuple[int, str | None]:
    """Return the node whose output is the layer's, and the activation it ends in, where that may idle."""
    current = place
    while True:
        users = consumers.get(current, [])
        if len(users) != 1 or users[0] < 0:  # x * sigmoid(x) has two: it saturates nowhere
            return place, None
        node = nodes[users[0]]
        kind = node.get("attrs", {}).get("act_type") if node["op"] == "Activation" else node["op"]
        if kind in _ACTIVATIONS:
            return users[0], _ACTIVATIONS[kind]
        if node["op"] not in _PASSING:
            return place, None
        current = users[0]


def _name(op: str, path: str) -> str:
    kind = _KINDS.get(op, op.lower().strip("_"))
    path = path.rpartition(".")[0]
    return f"{path} {kind}" if path else kind


def _distinct(layers: list[Layer]) -> tuple[Layer, ...]:
    """Return layers whose names differ: several operators of one block are numbered."""
    names = [layer.name for layer in layers]
    out = []
    for place, layer in enumerate(layers):
        again = names[: place + 1].count(layer.name)
        name = layer.name if names.count(layer.name) == 1 else f"{layer.name} {again}"
        out.append(Layer(name, layer.params, layer.output, layer.activation, layer.unit_axis))
    return tuple(out)
