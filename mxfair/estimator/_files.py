"""Fitted estimators as files: JSON and arrays in a NumPy archive, no pickle."""

from __future__ import annotations

import inspect
import json
import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from mxfair._compat import import_mxnet
from mxfair._validation import InputError, InputTypeError
from mxfair.estimator import _nets, mitigation
from mxfair.estimator._base import GluonEstimator, PastLoss
from mxfair.preprocessing import _state
from mxfair.training import History

mx: Any = import_mxnet()

__all__ = ["read", "write"]

_SCHEMA = "mxfair.estimator/1"
_DAMAGE = (*_state._DAMAGE, AssertionError, mx.MXNetError)  # Gluon asserts
#: Fitted attributes that are stored in a form of their own, or not at all.
_APART = ("net_", "loss_", "history_", "callbacks_", "reweighing_", "estimators_", "histories_")
_MITIGATIONS = {name: getattr(mitigation, name) for name in mitigation.__all__ if name not in ("Mitigation",)}


def write(estimator: Any, path: str | os.PathLike[str]) -> None:
    """Write a fitted estimator."""
    graph, values, frozen = _nets.graph_and_arrays(estimator.net_)
    arrays: list[np.ndarray] = []
    params, left_out = _params(estimator.get_params(deep=False), arrays)
    fitted = {
        name: value
        for name, value in vars(estimator).items()
        if name.endswith("_") and not name.startswith("_") and name not in _APART
    }
    document = {
        "schema": _SCHEMA,
        "class": type(estimator).__name__,
        "params": params,
        "left_out": left_out,
        "fitted": _state.encode(fitted, arrays),
        "columns": getattr(estimator, "_columns", None),
        "probability": bool(getattr(estimator.loss_, "_from_sigmoid", False)),
        "history": _state.encode(estimator.history_.epochs, arrays),
        "histories": _state.encode([history.epochs for history in getattr(estimator, "histories_", ())], arrays),
        "graph": graph,
        "names": list(values),
        "frozen": frozen,
        "shape": getattr(estimator, "_shape_in", None),
    }
    arrays += values.values()
    named: dict[str, Any] = {str(place): array for place, array in enumerate(arrays)}
    part = Path(path).with_name(f".{Path(path).name}.part")
    try:
        with part.open("wb") as file:  # a file object: NumPy adds no ending to the name
            np.savez(file, json=np.array(json.dumps(document)), **named)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def _params(params: dict[str, Any], arrays: list[np.ndarray]) -> tuple[dict[str, Any], list[str]]:
    """Return the parameters that JSON and arrays can hold, and the names of the others."""
    kept, left_out = {}, []
    for name, value in params.items():
        count = len(arrays)
        try:
            kept[name] = _encoded(value, arrays)
        except InputTypeError:
            del arrays[count:]
            left_out.append(name)
    return kept, left_out


def _encoded(value: Any, arrays: list[np.ndarray]) -> Any:
    if type(value).__name__ in _MITIGATIONS and isinstance(value, mitigation.Mitigation):
        return {"~mitigation": type(value).__name__, "params": _state.encode(value.get_params(deep=False), arrays)}
    if isinstance(value, GluonEstimator):  # the template of an ensemble
        params = {name: _encoded(given, arrays) for name, given in value.get_params(deep=False).items()}
        return {"~estimator": type(value).__name__, "params": params}
    if isinstance(value, list):
        return [_encoded(item, arrays) for item in value]
    if isinstance(value, tuple):
        return {"~tuple": [_encoded(item, arrays) for item in value]}
    return _state.encode(value, arrays)


def _decoded(value: Any, arrays: list[np.ndarray]) -> Any:
    if isinstance(value, dict) and "~mitigation" in value:
        return _MITIGATIONS[value["~mitigation"]](**_state.decode(value["params"], arrays))
    if isinstance(value, dict) and "~estimator" in value:
        params = {name: _decoded(given, arrays) for name, given in value["params"].items()}
        return GluonEstimator._known[value["~estimator"]](**params)
    if isinstance(value, list):
        return [_decoded(item, arrays) for item in value]
    if isinstance(value, dict) and "~tuple" in value:
        return tuple(_decoded(item, arrays) for item in value["~tuple"])
    return _state.decode(value, arrays)


def _required(kind: type) -> dict[str, Any]:
    """Return None for each parameter without a default: one that was left out must be set again."""
    signature = inspect.signature(kind)
    return {name: None for name, one in signature.parameters.items() if one.default is one.empty}


def read(path: str | os.PathLike[str], ctx: Any = None) -> Any:
    """Return the estimator that `write` wrote."""
    try:
        with Path(path).open("rb") as stream:  # an error of the file system stays one
            try:
                with np.load(stream, allow_pickle=False) as file:
                    document = json.loads(str(file["json"]))
                    arrays = [file[str(place)] for place in range(len(file.files) - 1)]
            except OSError as error:
                raise ValueError(error) from error
        if document["schema"] != _SCHEMA:
            raise InputError(f"The schema of '{path}' must be {_SCHEMA!r}; got {document['schema']!r}. Update mxfair.")
        return _restored(document, arrays, mx.cpu() if ctx is None else ctx)
    except InputError:
        raise
    except _DAMAGE as error:
        what = f"{type(error).__name__}: {error}"
        raise InputError(
            f"'path' must be a file written by save(); got '{path}' ({what}). Fit and save again."
        ) from error


def _restored(document: dict[str, Any], arrays: list[np.ndarray], ctx: Any) -> Any:
    kind = GluonEstimator._known.get(document["class"])
    if kind is None:
        raise InputError(
            f"The class of the file must be known; got {document['class']!r}. Import the module that defines it first, "
            "mxfair.ensemble for an ensemble."
        )
    params = {name: _decoded(value, arrays) for name, value in document["params"].items()}
    estimator = kind(**{**_required(kind), **params})
    for name, value in _state.decode(document["fitted"], arrays).items():
        if name.startswith("_") or not name.endswith("_"):
            raise ValueError(f"{name!r} is nothing that is fitted")
        setattr(estimator, name, value)
    if document["columns"] is not None:
        estimator._columns = document["columns"]
    names = document["names"]
    values = dict(zip(names, arrays[len(arrays) - len(names) :]))
    estimator.net_ = _nets.net_of_graph(document["graph"], values, document["frozen"], ctx, document["shape"])
    if document["shape"] is not None:
        estimator._shape_in = document["shape"]
    estimator.loss_ = PastLoss(document["probability"])
    estimator.history_ = _history(_state.decode(document["history"], arrays))
    if document["histories"]:
        estimator.histories_ = [_history(epochs) for epochs in _state.decode(document["histories"], arrays)]
    estimator.callbacks_ = []
    if document["left_out"]:
        names = ", ".join(map(repr, document["left_out"]))
        warnings.warn(
            f"Parameters that are objects or functions are not stored and have their defaults: {names}. Predictions "
            "are those of the saved estimator; before fitting again, give them with set_params.",
            UserWarning,
            stacklevel=4,
        )
    return estimator


def _history(epochs: list[dict[str, Any]]) -> History:
    history = History()
    history.epochs[:] = epochs
    return history
