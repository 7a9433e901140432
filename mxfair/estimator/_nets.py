"""Nets of estimators: made from what ``net=`` says, copied, read as a graph and made from one again."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from mxfair import net as nets
from mxfair._compat import import_mxnet
from mxfair._inference import context_of
from mxfair._validation import InputError, InputTypeError, one_of, to_numpy

mx: Any = import_mxnet()

__all__ = [
    "copied",
    "drop_graphs",
    "graph_and_arrays",
    "initialize",
    "is_named",
    "make_net",
    "net_of_graph",
    "width_of",
]


class _Xavier(mx.init.Initializer):
    """Xavier's uniform initialization (Glorot and Bengio 2010, equation 16), drawn from a generator of its own."""

    def __init__(self, rng: np.random.Generator) -> None:
        super().__init__()
        self._rng = rng

    def _init_weight(self, _: Any, array: Any) -> None:
        shape = array.shape
        receptive = int(np.prod(shape[2:]))
        fans = (shape[0] + shape[1]) * receptive if len(shape) > 1 else max(1, shape[0])
        bound = np.sqrt(6.0 / fans)
        array[:] = mx.nd.array(self._rng.uniform(-bound, bound, shape), dtype=array.dtype, ctx=array.context)

    _init_default = _init_weight


def is_named(net: Any) -> bool:
    """Tell whether the net is one for tables: by name, or by the sizes of its hidden layers."""
    return isinstance(net, (str, tuple, list, int, np.integer))


def make_net(net: Any, n_features: int, n_outputs: int) -> Any:
    """Return a net that is the estimator's own, not necessarily initialized."""
    if isinstance(net, str):
        return nets.make(one_of(net, nets.NETS, "net"), n_features, n_outputs)
    if isinstance(net, (tuple, list, int, np.integer)) and not isinstance(net, bool):
        sizes = [net] if isinstance(net, (int, np.integer)) else net
        return nets.mlp(n_features, n_outputs, [int(size) if isinstance(size, np.integer) else size for size in sizes])
    if isinstance(net, mx.gluon.Block):
        return copied(net)
    if callable(net):
        made = net(n_features, n_outputs)
        if isinstance(made, mx.gluon.Block):
            return made
        raise InputTypeError(
            f"'net' must be a function of (n_features, n_outputs) that returns a gluon.Block; got one that returns "
            f"{type(made).__name__}."
        )
    raise InputTypeError(
        f"'net' must be 'logistic', 'mlp', sizes of hidden layers such as (64, 64), a gluon.Block, or a function of "
        f"(n_features, n_outputs) that returns one; got {net!r}."
    )


def initialize(net: Any, rng: np.random.Generator, ctx: Any) -> None:
    """Give values to the parameters that have none, and move all to the context."""
    for parameter in net.collect_params().values():
        if parameter._data is None and not parameter._deferred_init:
            parameter.initialize(default_init=_Xavier(rng), ctx=ctx)
        elif parameter.list_ctx() != [ctx]:
            parameter.reset_ctx(ctx)


def width_of(net: Any, X: np.ndarray, ctx: Any) -> int:
    """Return the number of outputs per sample, from a pass over the first rows; shapes are inferred by it."""
    # An error that a layer raises while shapes are inferred leaves its parameters half made: the net is not used again.
    with mx.autograd.pause(train_mode=False):
        try:
            output = net(mx.nd.array(X[:2], dtype=X.dtype, ctx=ctx))
            if isinstance(output, mx.nd.NDArray):
                output.wait_to_read()
        except Exception as error:  # mxnet raises MXNetError, AssertionError or ValueError, as the layer has it
            raise InputError(
                f"'net' must take data of shape {('n_samples', *X.shape[1:])}; it failed: {str(error).strip()[:300]}. "
                "Build it for these features."
            ) from error
    if not isinstance(output, mx.nd.NDArray) or output.shape[0] != len(X[:2]):
        got = output.shape if isinstance(output, mx.nd.NDArray) else type(output).__name__
        raise InputError(f"'net' must return one array with a row per sample; got {got}.")
    width = int(np.prod(output.shape[1:]))
    if width > 1 and output.ndim > 2:
        raise InputError(f"'net' must return shape (n_samples, n_outputs); got {output.shape}. End it with a Flatten.")
    return width


def drop_graphs(value: Any) -> None:
    """Drop cached graphs, which can be neither copied nor pickled; Gluon traces anew at the next call."""
    if isinstance(value, mx.gluon.HybridBlock):
        value._clear_cached_op()
    if isinstance(value, mx.gluon.Block):
        for child in value._children.values():
            drop_graphs(child)


def copied(block: Any) -> Any:
    """Return a copy of a block, with parameters of its own."""
    drop_graphs(block)
    return copy.deepcopy(block)


def graph_and_arrays(net: Any) -> tuple[str, dict[str, np.ndarray], list[str]]:
    """Return a net as the JSON of its graph, the values of its parameters by name, and the names of frozen ones."""
    if not isinstance(net, mx.gluon.HybridBlock):
        raise InputError(
            f"'net' must be a HybridBlock to be stored without its code; got {type(net).__name__}. Use "
            "net_.save_parameters, or make it a HybridBlock."
        )
    try:
        with mx.autograd.pause(train_mode=False), mx.name.NameManager():
            graph = net(mx.sym.var("data"))
        text = graph.tojson()
    except Exception as error:  # whatever a user's hybrid_forward raises on a Symbol
        raise InputError(
            f"'net' must be a HybridBlock that can be traced, to be stored; it failed: {error}. Use "
            "net_.save_parameters."
        ) from error
    ctx = context_of(net)
    used = graph.list_inputs()
    params = {name: parameter for name, parameter in net.collect_params().items() if name in used}
    frozen = [name for name, parameter in params.items() if parameter.grad_req == "null"]
    return text, {name: to_numpy(parameter.data(ctx)) for name, parameter in params.items()}, frozen


def net_of_graph(
    text: str, arrays: dict[str, np.ndarray], frozen: list[str], ctx: Any, shape: list[int] | None = None
) -> Any:
    """Return the net that `graph_and_arrays` described; `shape` is that of a sample."""
    graph = mx.sym.load_json(text)
    shapes = {name: array.shape for name, array in arrays.items()}
    if shape is not None:  # raises where they do not fit together
        known = {name: shapes[name] for name in graph.list_arguments() if name != "data"}
        graph.infer_shape(data=(1, *shape), **known)
    if len(graph.list_outputs()) != 1 or set(shapes) != set(graph.list_inputs()) - {"data"}:
        raise ValueError("the graph has other parameters")
    net = mx.gluon.SymbolBlock(graph, mx.sym.var("data", dtype="float32"))
    for name, parameter in net.collect_params().items():
        parameter.shape = shapes[name]
        parameter._load_init(mx.nd.array(arrays[name], dtype=arrays[name].dtype), ctx)
        if name in frozen:
            parameter.grad_req = "null"
    return net
