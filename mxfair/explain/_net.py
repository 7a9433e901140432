"""Gluon nets and the estimators around them as what is explained."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np

from mxfair._compat import import_mxnet
from mxfair._inference import PredictGraph, forward, is_probability
from mxfair._validation import InputError, to_numpy
from mxfair.explain._model import Explained, class_place, decision_of, no_output, output_index

mx: Any = import_mxnet()

__all__ = ["explained_net", "net_input", "net_outputs"]

#: Operators that end a net whose outputs are probabilities.
_TO_PROBABILITY = ("sigmoid", "softmax", "SoftmaxActivation", "SoftmaxOutput")
#: Probabilities of single precision are kept this far from 0 and 1, as `decision_function` keeps them.
_LEAST, _REST = float(np.finfo(np.float32).tiny), float(np.finfo(np.float32).epsneg) / 2


def explained_net(model: Any, *, output: Any = None, scale: str | None = None) -> Explained:
    """Return what is to be explained of a net, or of an estimator that has one in ``net_``."""
    estimator = None if hasattr(model, "collect_params") else model
    net = model if estimator is None else estimator.net_
    classes = getattr(estimator, "classes_", None)
    graph = PredictGraph(net)
    if estimator is None:
        ends_in_probability = scale is not None and _ends_in_probability(graph)
    else:
        ends_in_probability = is_probability(estimator.loss_)
    if classes is None and estimator is not None and scale is not None:
        raise InputError(f"'scale' must be left out for a regression; got {scale!r}.")
    place = None if classes is None else class_place(classes, output)
    wanted = scale or "logit"

    def read(raw: Any) -> Any:
        """Return the explained number of each row of a net's output, an NDArray."""
        if raw.size == len(raw):
            flat = raw.reshape((-1,))
            if classes is None:
                no_output(output)
            if ends_in_probability:
                flat = mx.nd.log(mx.nd.maximum(flat, _LEAST)) - mx.nd.log(mx.nd.maximum(1 - flat, _REST))
            flat = -flat if place == 0 else flat
            return mx.nd.sigmoid(flat) if scale == "probability" else flat
        width = raw.shape[1]
        if raw.ndim != 2:
            raise InputError(f"'net' must return one number per row or per class; got shape {raw.shape}.")
        k = place
        if k is None:
            if output is None and width != 2:
                raise InputError(f"'output' must say which of the net's {width} outputs is explained; got none.")
            k = 1 if output is None else output_index(output, width)
        if ends_in_probability:
            raw = mx.nd.log(mx.nd.maximum(raw, _LEAST))
        if wanted == "probability":
            return mx.nd.softmax(raw)[:, k]
        if width == 2:
            return raw[:, k] - raw[:, 1 - k]
        return raw[:, k] if scale is None and place is None else _against_all(raw, k)

    features = getattr(estimator, "feature_names_in_", None)

    def predict(X: Any) -> np.ndarray:
        rows = net_input(net, X, features)
        return np.concatenate([to_numpy(read(raw)) for raw in net_outputs(net, rows, graph)])

    if estimator is not None and getattr(estimator, "steps_", None):
        # preprocessing steps stand before the net: the estimator is explained from outside
        name = "output" if place is None else _name(classes, place, wanted)
        return Explained(_from_outside(estimator, place, wanted), name, takes_frame=True)
    name = scale or "output" if place is None else _name(classes, place, wanted)
    return Explained(predict, name, net=net, read=read, features=features)


def _against_all(raw: Any, k: int) -> Any:
    """Return the log-odds of a class among several: a shift of all scores, which decides nothing, has no part in it."""
    beside = [raw[:, low:high] for low, high in ((0, k), (k + 1, raw.shape[1])) if low < high]
    others = mx.nd.concat(*beside, dim=1)
    largest = mx.nd.max(others, axis=1, keepdims=True).detach()
    return raw[:, k] - mx.nd.log(mx.nd.exp(mx.nd.broadcast_sub(others, largest)).sum(axis=1)) - largest.reshape((-1,))


def _ends_in_probability(graph: PredictGraph) -> bool:
    """Tell whether a net that can be traced ends in a sigmoid or softmax."""
    symbol = graph._trace()
    if symbol is None:
        return False
    document = json.loads(symbol.tojson())
    last = document["nodes"][document["heads"][0][0]]
    return last["op"] in _TO_PROBABILITY or last.get("attrs", {}).get("act_type") == "sigmoid"


def _name(classes: Any, place: int, scale: str) -> str:
    return f"{scale} of {np.asarray(classes).tolist()[place]}"


def _from_outside(estimator: Any, place: int | None, scale: str) -> Any:
    if place is None:
        return estimator.predict
    if scale == "probability":
        return lambda X: estimator.predict_proba(X)[:, place]
    return decision_of(estimator, place)


def net_outputs(net: Any, rows: np.ndarray, graph: PredictGraph) -> Iterator[Any]:
    """Yield the net's outputs, piece by piece, as NDArrays; an error tells of rows that do not fit."""
    try:
        for raw in forward(net, rows, graph=graph):
            raw.wait_to_read()
            yield raw
    except mx.base.MXNetError as error:
        raise InputError(
            f"'X' must be rows that the net takes; it fails on rows of shape {rows.shape[1:]} and type {rows.dtype} "
            f"({str(error).strip().splitlines()[-1]}). Check the number of features, and call the net on a row."
        ) from error


def net_input(net: Any, X: Any, features: Any = None) -> np.ndarray:
    """Return rows as the net's type of numbers; `features` are the columns that a data frame must have, in order."""
    if features is not None and hasattr(X, "columns") and list(X.columns) != list(features):
        raise InputError(
            f"'X' must have the columns that the model was fitted on, in their order: {', '.join(features[:5])}, ...; "
            f"got {', '.join(map(str, X.columns[:5]))}, .... Use X[model.feature_names_in_]."
        )
    X = to_numpy(X)
    if X.dtype.kind not in "biuf":
        raise InputError(
            f"'X' must hold numbers, as the net takes them; got {X.dtype}. Encode it first, and name the raw columns "
            "with columns=encoder."
        )
    dtypes = (np.dtype(p.dtype) for p in net.collect_params().values())
    wanted = next((dtype for dtype in dtypes if dtype.kind == "f"), np.dtype("float32"))
    X = np.ascontiguousarray(X, dtype=wanted)
    if not np.isfinite(X).all():
        raise InputError("'X' must be finite; got NaN or infinity. Impute missing values first.")
    return X
