"""The one place where input is converted and checked.

Every message reads ``{what} must {rule}; got {value}. {what to do}.`` Errors caused by the user's input are
`InputError` (a `ValueError`) or `InputTypeError` (a `TypeError`), so that the command line can tell them from defects.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np

__all__ = ["InputError", "InputTypeError"]


class InputError(ValueError):
    """A value given by the user cannot be used; the message says why and what to do."""


class InputTypeError(TypeError):
    """Something given by the user has a type that cannot be used; the message says what to give instead."""


def to_numpy(values: Any) -> np.ndarray:
    """Return `values` as a NumPy array; NDArrays are copied to the host here and nowhere else.

    ``numpy.asarray(NDArray)`` must never be called: it takes half a minute or raises, depending on the NumPy version.
    A list keeps the types of its items where NumPy would turn them all into text: NaN beside text stays NaN.
    """
    if hasattr(values, "asnumpy"):
        return values.asnumpy()
    if hasattr(values, "to_numpy"):
        return values.to_numpy()
    if np.ma.is_masked(values):
        array = values.data.astype(object)
        array[np.ma.getmaskarray(values)] = None
        return array
    types = set(map(type, values)) if isinstance(values, (list, tuple)) else set()
    if any(hasattr(kind, "asnumpy") for kind in types):
        values = [to_numpy(value) for value in values]
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise InputError(
            f"Values must be one per sample; got rows of several lengths ({error}). Pad or cut them."
        ) from error
    return np.asarray(values, dtype=object) if array.dtype.kind == "U" and types - {str} else array


def vector(values: Any, name: str, *, hint: str = "Pass one value per sample") -> np.ndarray:
    """Return `values` as a 1-D array; a column of shape (n, 1) is accepted, anything else is an error."""
    array = to_numpy(values)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        raise InputError(f"'{name}' must be one-dimensional; got shape {array.shape}. {hint}.")
    return array


def missing(array: np.ndarray) -> np.ndarray:
    """Return a mask of None, NaN and NaT."""
    if array.dtype.kind in "fc":
        return np.isnan(array)
    if array.dtype.kind in "mM":
        return np.isnat(array)
    if array.dtype.kind == "O":
        import pandas as pd

        return np.asarray(pd.isna(array))
    return np.zeros(array.shape, dtype=bool)


def numbers(values: Any, name: str) -> np.ndarray:
    """Return `values` as a 1-D array of float64, NaN where missing."""
    array = vector(values, name)
    absent = missing(array)
    result = np.full(len(array), np.nan)
    try:
        if array.dtype.kind in "mMc":
            raise TypeError(array.dtype)
        result[~absent] = array[~absent].astype(float)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"'{name}' must be numbers; got something else ({error}). Convert the column first."
        ) from error
    return result


def weights(values: Any, name: str = "sample_weight") -> np.ndarray | None:
    """Return weights as a 1-D array of float64, finite and not negative; None stays None."""
    if values is None:
        return None
    array = numbers(values, name)
    bad = ~(np.isfinite(array) & (array >= 0))
    if bad.any():
        place = int(np.flatnonzero(bad)[0])
        raise InputError(
            f"'{name}' must be finite and not negative; got {array[place]:g} at row {place}. Check the weights."
        )
    return array


def one_type(array: np.ndarray, name: str) -> np.ndarray:
    """Return an object array (a column of a mixed data frame, say) in the type that its values have in common."""
    if array.dtype.kind != "O":
        return array
    values = array.tolist()
    with contextlib.suppress(ValueError):  # of several lengths
        typed = np.array(values)
        if typed.ndim == 1 and typed.dtype.kind in "biufU":
            types = set(map(type, values))
            if typed.dtype.kind == "U" and not all(issubclass(kind, str) for kind in types):
                kinds = " and ".join(sorted(kind.__name__ for kind in types))
                raise InputTypeError(
                    f"'{name}' must be of one type; got {kinds}. Convert them first, for instance all to text."
                )
            return typed
    return array


def labels_vector(labels: Any, name: str = "labels") -> np.ndarray:
    """Return class labels as a 1-D array without missing values."""
    array = vector(labels, name)
    if len(array) == 0:
        raise InputError(f"'{name}' must hold at least one sample; got none. Check the file or the filter before it.")
    bad = missing(array)
    if bad.any():
        raise InputError(
            f"'{name}' must not be missing; got {int(bad.sum())} missing values, the first at row "
            f"{int(np.flatnonzero(bad)[0])}. Remove these samples or label them."
        )
    return one_type(array, name)


def numeric_labels(labels: Any, name: str = "labels") -> np.ndarray:
    """Return class labels as a 1-D numeric array: Gluon losses compute with them."""
    array = labels_vector(labels, name)
    if array.dtype.kind not in "biuf":
        shown = ", ".join(repr(v) for v in _first_values(array))
        raise InputError(
            f"'{name}' must be numbers, since Gluon losses compute with them; got {shown}. "
            "Encode them first, for instance (values == 'yes').astype('float32')."
        )
    return array


def _first_values(array: np.ndarray, count: int = 3) -> list[Any]:
    return list(dict.fromkeys(array[:1000].tolist()))[:count]


def same_length(**arrays: Any) -> int:
    """Return the common length of the named arrays; None stands for an array that was not given."""
    lengths = {name: len(array) for name, array in arrays.items() if array is not None}
    if len(set(lengths.values())) > 1:
        names = _join([f"'{name}'" for name in lengths])
        values = _join([str(length) for length in lengths.values()])
        raise InputError(f"{names} must have the same length; got {values}. Pass one of each per sample.")
    return next(iter(lengths.values()), 0)


def positive_integer(value: Any, name: str, *, minimum: int = 1, hint: str = "Give a whole number") -> int:
    """Return `value` as an int of at least `minimum`."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise InputTypeError(f"'{name}' must be a whole number; got {value!r}. {hint}.")
    if value < minimum:
        raise InputError(f"'{name}' must be at least {minimum}; got {value}. {hint}.")
    return int(value)


def one_of(value: Any, options: Iterable[str], name: str, synonyms: Mapping[str, str] = MappingProxyType({})) -> str:
    """Return `value` if it is one of `options`, else raise with the nearest spelling."""
    import difflib

    known = list(options)
    if value in known:
        return str(value)
    plain = {option.casefold(): option for option in reversed(known)}
    near = [plain[match] for match in difflib.get_close_matches(str(value).casefold(), plain, n=1)]
    near = [synonyms[value]] if isinstance(value, str) and value in synonyms else near
    cure = f"Did you mean {near[0]!r}?" if near else "Choose one of these."
    raise InputError(f"'{name}' must be one of {', '.join(known)}; got {value!r}. {cure}")


def generator(seed: Any) -> np.random.Generator:
    """Return a NumPy Generator of its own: an int, None (fresh entropy) or a Generator; global state is not touched."""
    if isinstance(seed, np.random.Generator):
        return seed
    if seed is not None and (isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0):
        raise InputError(f"'seed' must be None, a whole number >= 0 or a numpy Generator; got {seed!r}.")
    return np.random.default_rng(seed)


def _join(words: Sequence[str]) -> str:
    words = list(words)
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " and " + words[-1]


def plural(count: int, noun: str, many: str | None = None) -> str:
    """Return '1 sample', '2 samples'."""
    return f"{count:,} {noun if count == 1 else many or noun + 's'}"
