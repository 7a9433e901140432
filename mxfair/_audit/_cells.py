"""Counts over codes that are not known beforehand: combinations of columns, and tables that grow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mxfair._audit._columns import Category, Levels, TooManyError
from mxfair._table_file import CUT, cut_of
from mxfair._validation import InputError

#: Combinations of groups, and values of one group column, that are counted.
MAX_GROUPS = 65_536
#: Numbers of one table, 256 MB.
MAX_TABLE = 2**25
#: Combinations up to this many are counted in a table, more are sorted.
_SMALL = 2**20


class GroupColumn:
    """One sensitive column over all chunks: as it is, or cut in two.

    Parameters
    ----------
    option : str
        What --group or --control says: the name of a column, or ``age>40``.
    columns : sequence of str
        Names of the columns in the file.
    """

    def __init__(self, option: str, columns: Sequence[str]) -> None:
        self.cut = None if option in columns or not CUT.fullmatch(option) else cut_of(option)
        self.source = option if self.cut is None else self.cut.source
        self.name = option if self.cut is None else self.cut.name
        self._levels = Levels(self.source, MAX_GROUPS, naming=True)

    @property
    def kind(self) -> str:
        """How the column is read."""
        return "category" if self.cut is None else "number"

    @property
    def size(self) -> int:
        """Codes so far, 0 for missing values included."""
        return self._levels.size if self.cut is None else 3

    def encode(self, column: Any) -> np.ndarray:
        """Return the codes of a chunk's rows, 0 where missing."""
        if self.cut is not None:
            values = column.numbers(self.source) if isinstance(column, Category) else column
            return np.where(np.isnan(values), 0, np.where(self.cut.inside(values), 1, 2))
        try:
            return self._levels.encode(column)
        except TooManyError as error:
            raise InputError(
                f"--group must name columns of categories; '{self.source}' holds more than {MAX_GROUPS:,} different "
                "values. Name another column, or cut a column of numbers in two, as in 'income>50000'."
            ) from error

    def values(self) -> list[Any]:
        """Return the value of each code."""
        return self._levels.values() if self.cut is None else [None, *self.cut.texts]


class Combinations:
    """The combinations of several columns' codes that occur, numbered as they are met."""

    def __init__(self) -> None:
        self.found: list[tuple[int, ...]] = []
        self._places: dict[tuple[int, ...], int] = {}

    @property
    def size(self) -> int:
        """Combinations so far."""
        return len(self.found)

    def encode(self, codes: Sequence[np.ndarray], sizes: Sequence[int]) -> np.ndarray:
        """Return each row's combination."""
        key, spans = codes[0], [sizes[0]]
        total = sizes[0]
        for column, size in zip(codes[1:], sizes[1:]):
            total *= size
            if total >= 2**62:
                raise InputError("--group must name fewer columns; their combinations are too many. Leave some out.")
            key = key * size + column
            spans.append(size)
        if total <= _SMALL:
            there = np.flatnonzero(np.bincount(key, minlength=total))
            table = np.zeros(total, dtype=np.int64)
            table[there] = [self._place(int(code), spans) for code in there]
            return table[key]
        there, places = np.unique(key, return_inverse=True)
        return np.array([self._place(int(code), spans) for code in there], dtype=np.int64)[places]

    def _place(self, code: int, spans: Sequence[int]) -> int:
        parts: list[int] = []
        for span in reversed(spans):
            code, part = divmod(code, span)
            parts.append(part)
        combination = tuple(reversed(parts))
        place = self._places.get(combination)
        if place is None:
            if len(self.found) >= MAX_GROUPS:
                raise InputError(
                    f"--group must name columns that cross to at most {MAX_GROUPS:,} groups; got more. Leave one out."
                )
            place = self._places[combination] = len(self.found)
            self.found.append(combination)
        return place


class Table:
    """Sums over several codes; it grows with them.

    Parameters
    ----------
    n_codes : int
        Codes of a row.
    """

    def __init__(self, n_codes: int) -> None:
        self.array = np.zeros((0,) * n_codes)

    def keys(self, codes: Sequence[np.ndarray], sizes: Sequence[int]) -> np.ndarray:
        """Make room for codes below `sizes`, and return each row's place in the flat table."""
        shape = self.array.shape
        if any(size > room for size, room in zip(sizes, shape)):
            room = tuple(old if size <= old else 1 << (size - 1).bit_length() for size, old in zip(sizes, shape))
            if np.prod([float(size) for size in room]) > MAX_TABLE:
                raise InputError(
                    "--group must name columns that cross to fewer groups for so many classes or scores; "
                    f"got a table of {' x '.join(map(str, sizes))}. Leave one out."
                )
            larger = np.zeros(room)
            larger[tuple(slice(size) for size in shape)] = self.array
            self.array = larger
        key = codes[0]
        for column, size in zip(codes[1:], self.array.shape[1:]):
            key = key * size + column
        return key

    def add(self, keys: np.ndarray, weights: np.ndarray | None = None) -> None:
        """Add rows, each with its weight or 1."""
        flat = self.array.reshape(-1)
        if flat.size > 16 * max(len(keys), 65_536):  # only the cells that occur
            there, places = np.unique(keys, return_inverse=True)
            flat[there] += np.bincount(places, weights, minlength=len(there))
        else:
            flat += np.bincount(keys, weights, minlength=flat.size)
