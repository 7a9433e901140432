"""A fitted step as JSON and arrays: what `Step.save` writes and `load_step` reads. Nothing is pickled."""

from __future__ import annotations

import json
import os
import tokenize
import zipfile
import zlib
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from mxfair._validation import InputError, InputTypeError

_SCHEMA = "mxfair.step/1"
#: The classes that a file may name; `Step` adds each subclass that is defined inside mxfair.
STEPS: dict[str, type] = {}
#: What reading a damaged or made-up archive ends in, beside errors of ours.
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    tokenize.TokenError,
    SyntaxError,
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
    EOFError,
    RuntimeError,  # encrypted, nested too deeply, compressed in an unknown way
    MemoryError,
    OverflowError,
)


def encode(value: Any, arrays: list[np.ndarray]) -> Any:
    """Return a fitted value as what JSON can hold; arrays are appended to `arrays` and referred to by their place."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, np.generic):
        return {"~scalar": value.dtype.str, "value": value.item()}
    if isinstance(value, np.ndarray):
        if value.dtype.kind in "biufU":
            arrays.append(value)
            return {"~array": len(arrays) - 1}
        if value.dtype.kind == "O":
            return {"~objects": [encode(item, arrays) for item in value.ravel().tolist()], "shape": list(value.shape)}
    if isinstance(value, tuple):
        return {"~tuple": [encode(item, arrays) for item in value]}
    if isinstance(value, list):
        return [encode(item, arrays) for item in value]
    if isinstance(value, dict):
        return {"~items": [[encode(key, arrays), encode(item, arrays)] for key, item in value.items()]}
    if type(value).__name__ in STEPS and STEPS[type(value).__name__] is type(value):
        return describe(value, arrays)
    if isinstance(value, type) and value in (float, np.float32, np.float64):
        return {"~dtype": np.dtype(value).str}
    raise InputTypeError(
        f"A fitted step must be made of numbers, texts and arrays to be stored; got {type(value).__name__}. "
        "Give options by name in the place of functions and objects."
    )


def decode(value: Any, arrays: list[np.ndarray]) -> Any:
    """Return what `encode` was given."""
    if isinstance(value, list):
        return [decode(item, arrays) for item in value]
    if not isinstance(value, dict):
        return value
    if "~scalar" in value:
        kind = np.dtype(value["~scalar"])
        if kind.kind not in "biufU":
            raise TypeError(f"a scalar of {kind}")
        return kind.type(value["value"])
    if "~array" in value:
        return arrays[value["~array"]]
    if "~objects" in value:
        items = np.empty(len(value["~objects"]), dtype=object)
        for place, item in enumerate(value["~objects"]):
            items[place] = decode(item, arrays)
        return items.reshape(value["shape"])
    if "~tuple" in value:
        return tuple(decode(item, arrays) for item in value["~tuple"])
    if "~dtype" in value:
        return np.dtype(value["~dtype"]).type
    if "~step" in value:
        return restore(value, arrays)
    return {decode(key, arrays): decode(item, arrays) for key, item in value["~items"]}


def describe(step: Any, arrays: list[np.ndarray]) -> dict[str, Any]:
    """Return a step as what JSON can hold: its class by name, its parameters and what was fitted."""
    return {
        "~step": type(step).__name__,
        "params": encode(step.get_params(deep=False), arrays),
        "fitted": encode(step._fitted(), arrays),
        "output": encode(getattr(step, "_sklearn_output_config", {}), arrays),  # of set_output
    }


def restore(state: dict[str, Any], arrays: list[np.ndarray]) -> Any:
    """Return the step that `describe` described."""
    name = state["~step"]
    if name not in STEPS:
        raise InputError(f"The file's step must be one of {', '.join(sorted(STEPS))}; got {name!r}. Update mxfair.")
    step = STEPS[name](**decode(state["params"], arrays))
    step._set_fitted(decode(state["fitted"], arrays))
    output = decode(state["output"], arrays)
    if output:
        step.set_output(**output)
    return step


def write(step: Any, path: str | os.PathLike[str]) -> None:
    """Write a step to a NumPy archive: JSON text, and the arrays by their places."""
    arrays: list[np.ndarray] = []
    text = json.dumps({"schema": _SCHEMA, "step": describe(step, arrays)})
    named: dict[str, Any] = {"json": np.array(text), **{str(place): array for place, array in enumerate(arrays)}}
    with Path(path).open("wb") as file:  # a file object: NumPy adds no ending to the name
        np.savez(file, **named)


def _contents(stream: BinaryIO) -> tuple[Any, list[np.ndarray]]:
    """Return the JSON and the arrays of an archive."""
    try:
        with np.load(stream, allow_pickle=False) as file:
            arrays = [file[str(place)] for place in range(len(file.files) - 1)]
            return json.loads(str(file["json"])), arrays
    except OSError as error:  # a place outside the file, say
        raise ValueError(error) from error


def read(path: str | os.PathLike[str]) -> Any:
    """Return the step that a file holds."""
    try:
        with Path(path).open("rb") as stream:  # an error of the file system stays one
            state, arrays = _contents(stream)
        schema = state["schema"]
        step = restore(state["step"], arrays) if schema == _SCHEMA else None
    except InputError:
        raise
    except _DAMAGE as error:
        what = f"{type(error).__name__}: {error}"
        raise InputError(
            f"'path' must be a file written by save(); got '{path}' ({what}). Fit and save again."
        ) from error
    if step is None:
        raise InputError(f"The schema of '{path}' must be {_SCHEMA!r}; got {schema!r}. Update mxfair.")
    return step
