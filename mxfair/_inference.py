"""Run a net over many samples, and read its outputs as scores and decisions. The one place that does either."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from mxfair import _compat
from mxfair._validation import InputError, labels_vector, same_length, to_numpy

mx: Any = _compat.import_mxnet()

__all__ = [
    "Scored",
    "arrays_of",
    "context_of",
    "decision_places",
    "decisions",
    "forward",
    "loader_of",
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
    for parameter in net.collect_params().values():
        try:
            return parameter.list_ctx()[0]
        except RuntimeError as error:
            raise InputError(
                "'net' must be initialized; its parameters have no values yet. Call net.initialize() first."
            ) from error
    return mx.current_context()


def rows_per_chunk(shape: tuple[int, ...]) -> int:
    """Return how many rows of an array to pass through a net at once."""
    return int(max(1, min(CHUNK_ROWS, CHUNK_VALUES // max(1, int(np.prod(shape[1:]))))))


def forward(net: Any, data: Any, *, chunk: int | None = None) -> Iterator[Any]:
    """Yield the net's outputs for an array or a dataset, piece by piece and in order.

    The pass is made in predict mode and records no gradients, whatever scope it is called in; the mode is restored
    after each piece. `data` is an array, or a Gluon dataset whose samples are the data or tuples that begin with it, or
    a loader of such a dataset that keeps its order.
    """
    ctx = context_of(net)
    for part in _parts(data, chunk):
        with mx.autograd.pause(train_mode=False):
            output = net(part.as_in_context(ctx))
        if not isinstance(output, mx.nd.NDArray):
            raise InputError(f"'net' must return one array; got {type(output).__name__}. Wrap it to return its scores.")
        yield output


def _parts(data: Any, chunk: int | None) -> Iterator[Any]:
    if isinstance(data, (np.ndarray, mx.nd.NDArray)):
        size = chunk or rows_per_chunk(data.shape)
        for start in range(0, len(data), size):
            part = data[start : start + size]
            yield mx.nd.array(part, dtype=part.dtype) if isinstance(part, np.ndarray) else part
        return
    for batch in data if isinstance(data, mx.gluon.data.DataLoader) else loader_of(data, chunk):
        yield batch[0] if isinstance(batch, (tuple, list)) else batch


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
    """Run a net over a dataset of (data, label, group); labels and groups may also be given beside it."""
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
