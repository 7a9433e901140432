"""Run a net over many samples, and read its outputs as scores and decisions. The one place that does either."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from mxfair import _compat
from mxfair._validation import InputError, to_numpy

mx: Any = _compat.import_mxnet()

__all__ = ["context_of", "decisions", "forward", "rows_per_chunk", "scores"]

#: A pass in pieces of this many rows is faster than one piece, and its memory does not grow with the data.
CHUNK_ROWS = 16_384
CHUNK_VALUES = 4_194_304


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
    after each piece. `data` is an array, or a Gluon dataset whose samples are the data or tuples that begin with it.
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
    sample = data[0]
    first = sample[0] if isinstance(sample, (tuple, list)) else sample
    size = chunk or min(256, rows_per_chunk((1, *np.shape(first))))
    for batch in mx.gluon.data.DataLoader(data, size):
        yield batch[0] if isinstance(batch, (tuple, list)) else batch


def is_probability(loss: Any) -> bool:
    """Tell whether the loss takes probabilities (``from_sigmoid``, ``from_logits``) rather than raw outputs."""
    return bool(getattr(loss, "_from_sigmoid", False))


def decisions(output: np.ndarray, classes: np.ndarray, *, probability: bool = False) -> np.ndarray:
    """Return the class that each output stands for.

    One output per sample is a binary score: above 0 (or above .5, for probabilities) it means the last class. Several
    outputs are one score per class, as Gluon's SoftmaxCrossEntropyLoss has them: the largest wins.
    """
    width = int(np.prod(output.shape[1:]))
    if width == 1:
        if len(classes) != 2:
            raise InputError(
                f"A net with one output decides between two classes; the labels have {len(classes)}. "
                "Give the net one output per class."
            )
        return classes[(output.reshape(-1) > (0.5 if probability else 0.0)).astype(np.int64)]
    if output.ndim != 2:
        raise InputError(f"'net' must return one score per sample or per class; got shape {output.shape}.")
    return output.argmax(axis=1)


def scores(output: np.ndarray, *, probability: bool = False, log_probability: bool = False) -> np.ndarray:
    """Return probabilities: shape (n,) for one output per sample, (n, n_classes) for several."""
    output = output.astype(np.float64)
    if int(np.prod(output.shape[1:])) == 1:
        flat = output.reshape(-1)
        return flat if probability else 0.5 * (1.0 + np.tanh(0.5 * flat))  # the sigmoid, without overflow
    if probability:
        return output
    if log_probability:
        return np.exp(output)
    shifted = np.exp(output - output.max(axis=1, keepdims=True))
    return shifted / shifted.sum(axis=1, keepdims=True)


def outputs(net: Any, data: Any) -> np.ndarray:
    """Return all outputs of the net as one array on the host."""
    return np.concatenate([to_numpy(part) for part in forward(net, data)])
