"""Run a net over many samples, and read its outputs as scores and decisions. The one place that does either."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from mxfair import _compat
from mxfair._validation import InputError, InputTypeError, labels_vector, same_length, to_numpy

mx: Any = _compat.import_mxnet()

__all__ = [
    "PredictGraph",
    "Scored",
    "arrays_of",
    "context_of",
    "decision_places",
    "decisions",
    "forward",
    "has_hooks",
    "loader_of",
    "outputs",
    "read_outputs",
    "rows_per_chunk",
    "score",
    "scores",
]

#: A pass in pieces of this many rows is faster than one piece, and its memory does not grow with the data.
CHUNK_ROWS = 16_384
CHUNK_VALUES = 4_194_304
#: NumPy types that MXNet takes over without a copy, and all that it knows.
ZERO_COPY = ("float16", "float32", "float64", "uint8", "int32", "int64")
GATHERED = (*ZERO_COPY, "int8", "bool")


def context_of(net: Any) -> Any:
    """Return the context (CPU or GPU) of the net's parameters."""
    for parameter in _parameters(net):
        try:
            return parameter.list_ctx()[0]
        except RuntimeError as error:
            raise InputError(
                "'net' must be initialized; its parameters have no values yet. Call net.initialize() first."
            ) from error
    return mx.current_context()


def _parameters(net: Any) -> Iterator[Any]:
    """Yield parameters as ``collect_params`` has them; whoever looks at the first does not wait for all."""
    yield from net.params.values()
    for child in net._children.values():
        yield from _parameters(child)


def rows_per_chunk(shape: tuple[int, ...]) -> int:
    """Return how many rows of an array to pass through a net at once."""
    return int(max(1, min(CHUNK_ROWS, CHUNK_VALUES // max(1, int(np.prod(shape[1:]))))))


class PredictGraph:
    """A net's forward pass in predict mode as one cached graph, which saves a third of the time of a small net.

    It computes what calling the net does. It is made anew where the net computes something else than before, and not at
    all where the net is no HybridBlock, has hooks or cannot be traced. What that is, tracing tells; of nets of stock
    layers their attributes do, which takes a tenth of the time of a small net.
    """

    def __init__(self, net: Any) -> None:
        self._net, self._text, self._call = net, "", None
        self._sources: list[Any] = []
        self._described: list[Any] | None = None
        self._rowwise = False

    @property
    def rowwise(self) -> bool:
        """Whether each row's output hangs on that row alone, whatever the engine computes with."""
        return self._rowwise

    def refresh(self) -> bool:
        """Trace the net, unless it is known to be as before; tell whether the graph can be called."""
        described: list[Any] | None = []
        described = described if _describe(self._net, described) else None  # type: ignore[arg-type]  # a list here
        if described is not None and self._call is not None and described == self._described:
            return True
        self._described = described
        graph = self._trace()
        text = "" if graph is None else graph.tojson()
        if graph is None:
            self._call = None
        elif described is not None or text != self._text:  # parameters may be others of the same names
            operators = {node["op"] for node in json.loads(text)["nodes"]} - {"null"}
            self._rowwise = operators <= {"FullyConnected", "Activation", "Dropout"}
            graph = _fused(graph, operators)
            params, names = self._net.collect_params(), graph.list_inputs()
            self._sources = [None if name == "mxfair_data" else params[name] for name in names]
            place = names.index("mxfair_data")
            flags = [
                ("data_indices", [place]),
                ("param_indices", [i for i in range(len(names)) if i != place]),
                ("static_alloc", True),
            ]
            self._call = mx.nd.CachedOp(graph, flags)
        self._text = text
        return self._call is not None

    def _trace(self) -> Any:
        net = self._net
        if not isinstance(net, mx.gluon.HybridBlock) or has_hooks(net):
            return None
        try:
            with mx.autograd.pause(train_mode=False), mx.name.NameManager():
                graph = net(mx.sym.var("mxfair_data"))
        except Exception:  # whatever a user's hybrid_forward raises on a Symbol: the net is called as it is
            return None
        params = net.collect_params()
        if not isinstance(graph, mx.sym.Symbol) or len(graph.list_outputs()) != 1:
            return None
        names = set(graph.list_inputs())
        if "mxfair_data" not in names or not names <= {"mxfair_data", *params}:
            return None
        return None if any(params[name]._data is None for name in names - {"mxfair_data"}) else graph

    def __call__(self, data: Any) -> Any:
        """Return the net's output."""
        arguments = [data if source is None else source.data(data.context) for source in self._sources]
        return self._call(*arguments)  # type: ignore[misc]


#: Blocks that compute nothing but what their attributes say: a graph of them holds as long as these do.
_STOCK = (mx.gluon.nn.Dense, mx.gluon.nn.Activation, mx.gluon.nn.Dropout, mx.gluon.nn.HybridSequential)


def _describe(net: Any, parts: list[Any]) -> bool:
    """Write down a net of stock layers; tell whether it is one. What is written down cannot be freed meanwhile."""
    kind = type(net)
    own = vars(kind).get("_described")  # a block that says what it computes; a class derived from it may compute more
    if (not own and kind not in (*_STOCK, mx.gluon.SymbolBlock)) or net._forward_hooks or net._forward_pre_hooks:
        return False
    parts += (net, len(net._children))
    if own:
        parts += own(net)
    elif kind is mx.gluon.nn.Dense:
        parts += (net._units, net._flatten, net.weight, net.bias, net.weight.shape)
    elif kind is mx.gluon.nn.Activation:
        parts.append(net._act_type)
    elif kind is mx.gluon.SymbolBlock:
        parts.append(id(net._cached_graph[1]) if net._cached_graph else None)
    return all(_describe(child, parts) for child in net._children.values())


def _fused(graph: Any, operators: set[str]) -> Any:
    """Let oneDNN compute a dense layer and its activation in one go: a fifth of the time of a multi-layer perceptron.

    Done for dense nets only, whose numbers the tests compare; other devices than the CPU run the graph as it is.
    """
    if operators <= {"FullyConnected", "Activation"} and mx.runtime.Features().is_enabled("MKLDNN"):
        return graph.get_backend_symbol("MKLDNN")
    return graph


def has_hooks(net: Any) -> bool:
    """Tell whether a call of the net, or of a block within it, runs functions of the user's."""
    pending = [net]
    while pending:
        block = pending.pop()
        if block._forward_hooks or block._forward_pre_hooks:
            return True
        pending.extend(block._children.values())
    return False


def forward(net: Any, data: Any, *, chunk: int | None = None, graph: PredictGraph | None = None) -> Iterator[Any]:
    """Yield the net's outputs for an array or a dataset, piece by piece and in order.

    The pass is made in predict mode and records no gradients, whatever scope it is called in; the mode is restored
    after each piece. `data` is an array, or a Gluon dataset whose samples are the data or tuples that begin with it, or
    a loader of such a dataset that keeps its order. A net may bring a form of its own for this, as an ensemble does.
    """
    ctx = context_of(net)
    on_cpu = ctx.device_type == "cpu"
    form = net._predict_form() if on_cpu and hasattr(net, "_predict_form") else None
    call, finish = (net, _as_it_is) if form is None else (form.call, form.finish)
    if form is None and graph is not None and on_cpu and graph.refresh():
        call = graph
    dtypes = (np.dtype(p.dtype) for p in _parameters(net))
    expected = next((dtype for dtype in dtypes if dtype.kind == "f"), None)
    ahead = None  # the next piece is computed while the caller looks at this one
    for part in _parts(data, chunk):
        given = np.dtype(part.dtype)
        if expected is not None and given != expected and given.kind == expected.kind == "f":
            raise InputError(
                f"'data' must be {expected}, as the net's parameters are; got {given}. Use X.astype('{expected}')."
            )
        with mx.autograd.pause(train_mode=False):
            output = call(part.as_in_context(ctx))
        if form is None and not isinstance(output, mx.nd.NDArray):
            raise InputError(f"'net' must return one array; got {type(output).__name__}. Wrap it to return its scores.")
        if ahead is not None:
            yield finish(ahead)
        ahead = output
    if ahead is not None:
        yield finish(ahead)


def _as_it_is(output: Any) -> Any:
    return output


def _parts(data: Any, chunk: int | None) -> Iterator[Any]:
    if isinstance(data, (np.ndarray, mx.nd.NDArray)):
        size = chunk or rows_per_chunk(data.shape)
        for start in range(0, len(data), size):
            part = data[start : start + size]
            yield _as_ndarray(part) if isinstance(part, np.ndarray) else part
        return
    for batch in data if isinstance(data, mx.gluon.data.DataLoader) else loader_of(data, chunk):
        yield batch[0] if isinstance(batch, (tuple, list)) else batch


def _as_ndarray(part: np.ndarray) -> Any:
    """Return an array as an NDArray, without a copy where that can be; the caller's own array stays writable."""
    if part.flags.c_contiguous and part.dtype.name in ZERO_COPY:
        return mx.nd.from_numpy(part.view())
    return mx.nd.array(part, dtype=part.dtype)


def loader_of(dataset: Any, chunk: int | None = None, **kwargs: Any) -> Any:
    """Return a loader of a dataset in its order, in pieces that suit the size of its samples."""
    sample = dataset[0]
    first = sample[0] if isinstance(sample, (tuple, list)) else sample
    return mx.gluon.data.DataLoader(dataset, chunk or min(256, rows_per_chunk((1, *np.shape(first)))), **kwargs)


def is_probability(loss: Any) -> bool:
    """Tell whether the loss takes probabilities (``from_sigmoid``, ``from_logits``) rather than raw outputs."""
    return bool(getattr(loss, "_from_sigmoid", False))


def decisions(output: np.ndarray, classes: np.ndarray, *, probability: bool = False) -> np.ndarray:
    """Return the class that each output stands for; see `decision_places`."""
    places, values = decision_places(output, classes, probability=probability)
    return values[places]


def decision_places(
    output: np.ndarray, classes: np.ndarray, *, probability: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Return the class that each output stands for, as a place among the values that decisions may take.

    One output per sample is a binary score: above 0 (or above .5, for probabilities) it means the last class. Several
    outputs are one score per class, as Gluon's SoftmaxCrossEntropyLoss has them: the largest wins.
    """
    if np.isnan(output).any():
        raise InputError("'net' must return numbers; got NaN: training has diverged. Lower the learning rate.")
    width = int(np.prod(output.shape[1:]))
    if width == 1:
        if len(classes) != 2:
            raise InputError(
                f"A net with one output decides between two classes; the labels have {len(classes)}. "
                "Give the net one output per class."
            )
        return (output.reshape(-1) > (0.5 if probability else 0.0)).astype(np.int64), classes
    if output.ndim != 2:
        raise InputError(f"'net' must return one score per sample or per class; got shape {output.shape}.")
    codes = classes.astype(np.int64) if classes.dtype.kind in "biuf" else np.array([-1])
    if not np.array_equal(codes, classes) or codes.min() < 0 or codes.max() >= width:
        shown = ", ".join(str(c) for c in classes[:10].tolist())
        raise InputError(
            f"A net with {width} outputs needs the labels 0 to {width - 1}, as Gluon's losses do; got {shown}. "
            "Encode the labels: numpy.unique(labels, return_inverse=True)[1]."
        )
    return output.argmax(axis=1), np.arange(width)


def scores(output: np.ndarray, *, probability: bool = False) -> np.ndarray:
    """Return probabilities: shape (n,) for one output per sample, (n, n_classes) for several."""
    output = output.astype(np.float64)
    if int(np.prod(output.shape[1:])) == 1:
        flat = output.reshape(-1)
        return flat if probability else 0.5 * (1.0 + np.tanh(0.5 * flat))  # the sigmoid, without overflow
    if probability:
        return output
    shifted = np.exp(output - output.max(axis=1, keepdims=True))
    return shifted / shifted.sum(axis=1, keepdims=True)


@dataclass(frozen=True)
class Scored:
    """Labels, decisions, groups and scores of the same samples, on the host."""

    labels: np.ndarray
    preds: np.ndarray
    groups: Any
    scores: np.ndarray


def score(
    net: Any,
    dataset: Any,
    *,
    labels: Any = None,
    groups: Any = None,
    classes: Any = None,
    probability: bool | None = None,
    chunk: int | None = None,
) -> Scored:
    """Run a net over a dataset of (data, label, group) and read its outputs as decisions and scores."""
    raw, labels, groups = outputs(net, dataset, labels=labels, groups=groups, chunk=chunk)
    return read_outputs(raw, labels, groups, classes=classes, probability=probability)


def outputs(
    net: Any, dataset: Any, *, labels: Any = None, groups: Any = None, chunk: int | None = None
) -> tuple[np.ndarray, np.ndarray, Any]:
    """Return a net's outputs, labels and groups of a dataset; labels and groups may also be given beside it."""
    if not hasattr(net, "collect_params"):
        raise InputTypeError(
            f"'net' must be a gluon.Block; got {type(net).__name__}. Pass the net_ of an estimator, or its predictions "
            "to evaluate_predictions."
        )
    if not hasattr(dataset, "__getitem__"):
        raise InputError(
            f"'dataset' must be a gluon.data.Dataset or an array; got {type(dataset).__name__}. "
            "Pass the dataset itself, not a loader: a loader may shuffle or repeat samples."
        )
    arrays = arrays_of(dataset) or []
    if arrays:
        data = arrays[0]
        labels = arrays[1] if labels is None else labels
        groups = arrays[2] if groups is None and len(arrays) > 2 else groups
    else:
        first = dataset[0] if len(dataset) else ()
        if isinstance(first, (tuple, list)) and any(isinstance(item, (str, bytes)) for item in first):
            raise InputError(
                "'dataset' must hold numbers, since Gluon makes NDArrays of them; it holds text. Leave text out of the "
                "dataset and pass it beside it: groups=, labels=."
            )
        data = dataset
        labels, groups = _read_beside(dataset, labels, groups)
    if groups is None:
        raise InputError("'groups' must be given: the dataset holds only data and labels. Pass one group per sample.")
    labels = labels_vector(labels)
    raw = np.concatenate([to_numpy(out) for out in forward(net, data, chunk=chunk)])
    same_length(dataset=raw, labels=labels)
    return raw, labels, groups


def read_outputs(
    raw: np.ndarray, labels: np.ndarray, groups: Any, *, classes: Any = None, probability: bool | None = None
) -> Scored:
    """Return the decisions and scores that a net's outputs stand for."""
    if classes is None:
        found = np.unique(labels)
        classes = np.array([0, 1]) if set(found.tolist()) <= {0, 1} else found
    classes = np.asarray(classes)
    if probability is None:
        probability = False
        if len(raw) > 1 and raw.size == len(raw) and raw.min() >= 0 and raw.max() <= 1:
            raise InputError(
                "The net's outputs all lie between 0 and 1, so they may be probabilities or raw scores. Pass "
                "probability=True for a net that ends in a sigmoid, probability=False for raw scores."
            )
    return Scored(
        labels, decisions(raw, classes, probability=probability), groups, scores(raw, probability=probability)
    )


def arrays_of(dataset: Any) -> list[Any] | None:
    """Return the arrays of an ArrayDataset, or None for anything that cannot be gathered batch by batch."""
    if type(dataset) is not mx.gluon.data.ArrayDataset:
        return None
    arrays = getattr(dataset, "_data", None)
    if not arrays or len(arrays) < 2:  # with one array Gluon yields bare batches: leave that to Gluon
        return None
    plain = all(
        isinstance(a, mx.nd.NDArray) or (isinstance(a, np.ndarray) and a.dtype.name in GATHERED and a.dtype.isnative)
        for a in arrays
    )
    return list(arrays) if plain else None


def _read_beside(dataset: Any, labels: Any, groups: Any) -> tuple[Any, Any]:
    """Read labels and groups out of a dataset's samples, where they were not given."""
    if labels is not None and groups is not None:
        return labels, groups
    columns: list[list[np.ndarray]] = [[], []]
    for batch in mx.gluon.data.DataLoader(dataset, 256):
        if not isinstance(batch, (tuple, list)) or len(batch) < 2:
            raise InputError("'dataset' must yield (data, label, group); got samples without a label. Pass labels=.")
        for column, part in zip(columns, batch[1:3]):
            column.append(to_numpy(part))
    read = [np.concatenate(column) if column else None for column in columns]
    return (read[0] if labels is None else labels), (read[1] if groups is None else groups)
