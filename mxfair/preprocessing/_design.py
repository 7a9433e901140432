"""Sensitive attributes as columns of numbers: what least squares takes out of the features."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from mxfair import _encoding
from mxfair._validation import InputError, numbers, plural, same_length
from mxfair.groups import Groups
from mxfair.preprocessing._base import _CROSSED, check_attributes, known_codes

#: Whole numbers with more different values than this are numbers, others are categories.
_MAX_LEVELS = 20


class Design:
    """The columns of several attributes: a number is one, a category one per level.

    A sample without a value, or with a level that was not fitted, has 0 in all columns of the attribute. It counts for
    nothing in `fit` and is not changed later.
    """

    def __init__(self, columns: list[dict[str, Any]]) -> None:
        self.columns = columns

    @classmethod
    def fitted(cls, values: Any, continuous: Any) -> tuple[Design, np.ndarray, np.ndarray]:
        """Return the design, its centred columns and the mean of each."""
        columns = columns_of(values)
        _check_continuous(continuous, columns)
        self = cls([_described(key, column, continuous) for key, column in columns.items()])
        matrix = self.matrix(values)
        start, means = 0, np.zeros(matrix.shape[1])
        for column in self.columns:
            part = slice(start, start + _width(column))
            if column["kind"] == "category":  # indicators: their known rows sum to 1
                known = matrix[:, part].sum(axis=1)
                means[part] = matrix[:, part].sum(axis=0) / max(known.sum(), 1)
                matrix[:, part] -= known[:, None] * means[part]
            start = part.stop
        return self, matrix, means

    def matrix(self, values: Any) -> np.ndarray:
        """Return the columns: numbers minus their mean, indicators of levels."""
        given = columns_of(values)
        if len(given) != len(self.columns):
            raise InputError(
                f"The sensitive attributes must be {len(self.columns)} columns, as fitted; got {len(given)}. Give the "
                "same ones."
            )
        check_attributes(_CROSSED.join(map(str, given)), _CROSSED.join(column["name"] for column in self.columns))
        same_length(**{str(key): column for key, column in given.items()})
        n = len(next(iter(given.values())))
        matrix = np.zeros((n, sum(map(_width, self.columns))))
        start = 0
        for column, held in zip(self.columns, given.values()):
            lost = _fill(matrix[:, start : start + _width(column)], held, column)
            start += _width(column)
            if lost:
                warnings.warn(
                    f"{plural(lost, 'sample')} have no value of '{column['name']}' that was fitted; nothing is taken "
                    "out of them for it.",
                    stacklevel=4,
                )
        return matrix

    def level_means(self, beta: np.ndarray, means: np.ndarray) -> np.ndarray:
        """Return coefficients shifted so that indicators need no centring: each attribute's mean effect is 0."""
        start, shifted = 0, beta.copy()
        for column in self.columns:
            part = slice(start, start + _width(column))
            if column["kind"] == "category":
                shifted[part] -= means[part] @ beta[part]
            start = part.stop
        return shifted


def columns_of(values: Any) -> dict[Any, Any]:
    """Return the attributes by name; a Groups is one."""
    return {values.name: values} if isinstance(values, Groups) else _encoding.columns_of(values)


def _width(column: dict[str, Any]) -> int:
    return len(column["levels"]) if column["kind"] == "category" else 1


def _described(key: Any, column: Any, continuous: Any) -> dict[str, Any]:
    name = str(key)
    if _is_number(column, name, continuous):
        values = numbers(column, name)
        if np.isinf(values).any() or np.isnan(values).all():
            raise InputError(f"Sensitive column '{name}' must hold finite numbers; got infinity or none at all.")
        return {"name": name, "kind": "number", "mean": float(np.nanmean(values))}
    groups = column if isinstance(column, Groups) else Groups(column)
    levels = [level for level, known, count in zip(groups.names, groups.known, groups.counts) if known and count]
    if not levels:
        raise InputError(f"Sensitive column '{name}' must hold values; all are missing. Leave it out.")
    return {"name": name, "kind": "category", "levels": levels}


def _is_number(column: Any, name: str, continuous: Any) -> bool:
    """Tell whether an attribute is a number: as the user says, or not whole, or with many values."""
    if isinstance(column, Groups):
        return False
    if continuous is not None:
        return name in {str(item) for item in continuous}
    import pandas as pd

    held = column if hasattr(column, "dtype") else np.asarray(column)
    if not pd.api.types.is_numeric_dtype(held) or pd.api.types.is_bool_dtype(held):
        return False
    values = numbers(column, name)
    for part in (values[:1000], values):
        found = pd.unique(part[~np.isnan(part)])
        if len(found) > _MAX_LEVELS or not np.array_equal(found, np.round(found)):
            return True
    return False


def _check_continuous(continuous: Any, columns: dict[Any, Any]) -> None:
    wrong = [str(item) for item in continuous or () if str(item) not in set(map(str, columns))]
    if wrong:
        raise InputError(
            f"'continuous' must name sensitive columns, {', '.join(map(str, columns))}; got {', '.join(wrong)}."
        )


def _fill(part: np.ndarray, held: Any, column: dict[str, Any]) -> int:
    """Write one attribute's columns; return how many samples have no value."""
    if column["kind"] == "number":
        values = numbers(held, column["name"])
        absent = np.isnan(values)
        if np.isinf(values).any():
            raise InputError(f"Sensitive column '{column['name']}' must be finite; got infinity.")
        part[:, 0] = np.where(absent, 0.0, values - column["mean"])
        return int(absent.sum())
    codes = known_codes(held, column["levels"])
    rows = np.flatnonzero(codes >= 0)
    part[rows, codes[rows]] = 1.0
    return len(codes) - len(rows)
