"""What a reference population is given as, read next to the data: shares by group, or mean and standard deviation."""

from __future__ import annotations

import numbers as abstract
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from mxfair._encoding import columns_of, group_text
from mxfair._validation import InputError, InputTypeError, missing, numbers, to_numpy
from mxfair.groups import Groups
from mxfair.preprocessing._matrix import is_frame

#: Shares that sum to 1 within this are taken for rounded ones.
_ROUNDING = 0.005
#: Numeric columns with more different values than this are compared by their means.
_MAX_LEVELS = 20


@dataclass(frozen=True, eq=False)
class Shares:
    """Groups of data and reference: names, each row's place among them (-1: unknown), the reference's shares.

    `total` is the number of rows of a reference that is another data set, None for given shares; `named` are the groups
    that the reference tells of.
    """

    name: str
    names: tuple[str, ...]
    codes: np.ndarray
    reference: np.ndarray
    total: float | None
    named: frozenset[str]


@dataclass(frozen=True, eq=False)
class Reference:
    """One column of data and reference: shares of its groups, or its values and the reference's moments."""

    name: str
    shares: Shares | None = None
    values: np.ndarray | None = None
    reference_mean: float = float("nan")
    reference_std: float = float("nan")

    @property
    def numeric(self) -> bool:
        """Whether it is compared by its mean."""
        return self.shares is None

    @property
    def data(self) -> np.ndarray:
        """The rows, for their number."""
        return self.values if self.shares is None else self.shares.codes  # type: ignore[return-value]


def is_columns(groups: Any, reference: Any) -> bool:
    """Tell whether the reference speaks of several columns, each by itself."""
    many = is_frame(groups) or isinstance(groups, Mapping)
    if is_frame(reference):
        return many
    if not isinstance(reference, Mapping):
        return False
    if not reference:
        raise InputError("'reference' must name at least one group; got none.")
    nested = [not isinstance(value, abstract.Number) for value in reference.values()]
    if not any(nested):
        return False
    if not all(nested):
        raise InputError("'reference' must hold shares of groups, or columns, not both. Give one of them.")
    if not many:
        raise InputTypeError(
            f"'groups' must be a data frame, or a mapping of columns, where the reference speaks of the columns "
            f"{', '.join(map(str, list(reference)[:10]))}; got {type(groups).__name__}."
        )
    return True


def read_single(groups: Any, reference: Any) -> Reference:
    """Return the one attribute, several columns crossed."""
    encoded = groups if isinstance(groups, Groups) else Groups(groups)
    return Reference(encoded.name, read_shares(encoded, reference, encoded.name))


def read_columns(groups: Any, reference: Any) -> list[Reference]:
    """Return each column that the reference names."""
    data = columns_of(groups)
    other = reference if isinstance(reference, Mapping) else columns_of(reference)
    absent = [name for name in other if name not in data]
    if absent:
        raise InputError(
            f"The data must have the columns of the reference; got none named {absent[0]!r} among "
            f"{', '.join(map(str, list(data)[:30]))}. Leave it out of the reference, or rename it."
        )
    return [_read_column(str(name), data[name], other[name]) for name in other]


def _read_column(name: str, column: Any, reference: Any) -> Reference:
    if isinstance(reference, Mapping) and set(reference) == {"mean", "std"}:
        mean, std = float(reference["mean"]), float(reference["std"])
        if not (np.isfinite(mean) and np.isfinite(std) and std >= 0):
            raise InputError(f"'{name}' must have a finite mean and a standard deviation >= 0; got {dict(reference)}.")
        return Reference(name, None, _finite(column, name), mean, std)
    if not isinstance(reference, Mapping) and _continuous(column, reference):
        values = _finite(reference, name)
        if np.isnan(values).all():
            raise InputError(f"'{name}' must be known in some rows of the reference; got only missing values.")
        return Reference(name, None, _finite(column, name), float(np.nanmean(values)), float(np.nanstd(values)))
    return Reference(name, read_shares(Groups({name: column}), reference, name))


def _continuous(*columns: Any) -> bool:
    """Tell whether all columns are numbers, one of them with many different values."""
    found = [_real(column) for column in columns]
    return all(a is not None for a in found) and any(len(np.unique(a)) > _MAX_LEVELS for a in found if a is not None)


def _real(column: Any) -> np.ndarray | None:
    """Return the known values of a column of numbers, None for any other."""
    if isinstance(column, Groups) or hasattr(getattr(column, "cat", column), "categories"):
        return None
    array = to_numpy(column)
    known = array[~missing(array)] if array.ndim == 1 else array
    if known.dtype.kind == "O":  # a nullable column of a data frame, say
        kinds = set(map(type, known.tolist()))
        real = kinds and all(issubclass(kind, abstract.Real) and kind is not bool for kind in kinds)
        known = known.astype(float) if real else known
    return known if known.dtype.kind in "iuf" else None


def _finite(column: Any, name: str) -> np.ndarray:
    values = numbers(column, name)
    if np.isinf(values).any():
        raise InputError(f"'{name}' must be finite; got infinity. Replace or remove it.")
    return values


def read_shares(groups: Groups, reference: Any, name: str) -> Shares:
    """Return the groups of the data, then those of the reference alone, and the reference's shares."""
    if isinstance(reference, Mapping):
        given, total = _given_shares(reference, name), None
    else:
        other = reference if isinstance(reference, Groups) else Groups(reference)
        counts = {g: float(n) for g, n, known in zip(other.names, other.counts, other.known) if known}
        total = sum(counts.values())
        if not total:
            raise InputError(f"'{name}' must be known in some rows of the reference; got only missing values.")
        given = {group: count / total for group, count in counts.items()}
    own = [group for group, known in zip(groups.names, groups.known) if known]
    names = (*own, *(group for group in given if group not in own))
    codes = np.where(groups.known[groups.codes], groups.codes, -1)
    shares = np.array([given.get(group, 0.0) for group in names])
    return Shares(name, names, codes, shares, total, frozenset(given))


def _given_shares(reference: Mapping[Any, Any], name: str) -> dict[str, float]:
    """Return shares that sum to 1, of shares, percentages or counts."""
    texts = [" & ".join(map(group_text, key)) if isinstance(key, tuple) else group_text(key) for key in reference]
    if "unknown" in texts:
        raise InputError(
            f"The reference of '{name}' must leave 'unknown' out: nothing is compared with missing values."
        )
    if len(set(texts)) < len(texts):
        raise InputError(f"The reference of '{name}' must name each group once; got {', '.join(texts)}.")
    values = numbers(list(reference.values()), f"reference of {name}")
    total = float(values.sum())
    if not np.isfinite(values).all() or values.min() < 0 or total <= 0:
        raise InputError(f"The reference of '{name}' must be shares or counts >= 0; got {values.tolist()}.")
    counts = bool((values == np.round(values)).all()) or values.max() > 1
    if not counts and abs(total - 1) > _ROUNDING:
        raise InputError(
            f"The shares of the reference of '{name}' must sum to 1; got {total:.6g}. Name all groups, or give counts."
        )
    return dict(zip(texts, (values / total).tolist()))
