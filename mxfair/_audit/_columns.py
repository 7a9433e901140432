"""Columns of a chunk: categories as codes and the values they stand for, numbers as they are."""

from __future__ import annotations

import decimal
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mxfair._validation import InputError

#: A range of whole numbers up to this wide is counted rather than sorted.
MAX_RANGE = 65_536
#: What stands for a missing value in a text file, as in pandas.
MISSING = frozenset(
    ("", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A", "NA")
) | frozenset(("NULL", "NaN", "None", "n/a", "nan", "null"))
_NUMBER = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?|[-+]?[iI][nN][fF](?:inity)?")
_WHOLE = re.compile(r"[-+]?[0-9]{1,18}")
#: Digits that name something, such as a postcode: the number they make would lose zeros, or digits beyond the 18th.
_NAMING = re.compile(r"[-+]?(?:0[0-9]+|[0-9]{19,})")


class NotNumbersError(InputError):
    """A column that must hold numbers holds something else."""

    def __init__(self, column: str, value: str = "") -> None:
        got = f"; got {value[:40]!r}" if value else "; it holds text"
        super().__init__(f"The column '{column}' must hold numbers{got}. Check the column.")
        self.column = column


@dataclass(frozen=True)
class Category:
    """A column as codes.

    Parameters
    ----------
    codes : ndarray of int, shape (n_rows,)
        Place among the values; -1 where missing.
    values : sequence
        What the codes stand for; None is missing.
    typed : bool
        Whether the file says what is a number and what is text; a CSV file does not.
    """

    codes: np.ndarray
    values: Sequence[Any]
    typed: bool

    def numbers(self, name: str) -> np.ndarray:
        """Return each row's number, NaN where missing."""
        found = np.full(len(self.values) + 1, np.nan)
        for place, value in enumerate(self.values):
            if self.typed:
                if isinstance(value, str):
                    raise NotNumbersError(name, value)
                found[place] = np.nan if value is None else value
            elif (text := plain_text(value)) is not None:
                if (number := as_number(text)) is None:
                    raise NotNumbersError(name, text)
                found[place] = number
        return found[self.codes]


def plain_text(text: str | None) -> str | None:
    """Return a cell of a text file without the spaces around it; None where it stands for a missing value."""
    if text is None:
        return None
    bare = text.strip()
    if text[:1] == " " and len(bare) > 1 and bare[0] == bare[-1] == '"':  # quoted, after a space
        bare = bare[1:-1].replace('""', '"')
    return None if bare in MISSING else bare


def as_number(text: str) -> float | int | None:
    """Return the number that a text stands for, or None."""
    if _WHOLE.fullmatch(text):
        return int(text)
    return float(text) if _NUMBER.fullmatch(text) else None


def category_of_arrow(array: Any, *, typed: bool) -> Category:
    """Return an Arrow array as codes."""
    import pyarrow as pa

    kind = array.type
    if pa.types.is_null(kind):
        return Category(np.full(len(array), -1), [], typed)
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind):
        return _of_numbers(array, kind)
    if not pa.types.is_dictionary(kind):
        array = array.dictionary_encode()
    codes = array.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    return Category(codes, [_plain(value) for value in array.dictionary.to_pylist()], typed)


def _of_numbers(array: Any, kind: Any) -> Category:
    import pyarrow as pa

    absent = array.is_null().to_numpy(zero_copy_only=False) if array.null_count else None
    if pa.types.is_boolean(kind):
        bits = array.cast(pa.uint8()).fill_null(0).to_numpy(zero_copy_only=False)
        return Category(_without(bits.astype(np.int64), absent), [False, True], True)
    values = array.fill_null(0).to_numpy(zero_copy_only=False)
    whole = values
    if values.dtype.kind == "f":
        lost = np.isnan(values)
        if lost.any():
            absent = lost if absent is None else absent | lost
            values = np.where(lost, 0, values)
        whole = np.zeros(0) if np.abs(values).max(initial=0) > MAX_RANGE else values.astype(np.int64)
        if not np.array_equal(whole, values):
            return _factorized(values, absent)
    if not len(whole):
        return Category(np.zeros(0, dtype=np.int64), [], True)
    low, high = int(whole.min()), int(whole.max())
    if high - low >= MAX_RANGE:
        return _factorized(values, absent)
    narrow = whole.dtype.itemsize < 8  # a difference of two int8 may need nine bits
    codes = whole.astype(np.int64) - low if narrow else (whole - whole.dtype.type(low)).astype(np.int64, copy=False)
    there = np.flatnonzero(np.bincount(codes if absent is None else codes[~absent], minlength=high - low + 1))
    found = [values.dtype.type(low + int(place)).item() for place in there]
    if len(there) <= high - low:  # values between that do not occur
        places = np.full(high - low + 1, -1)
        places[there] = np.arange(len(there))
        codes = places[codes]
    return Category(_without(codes, absent), found, True)


def _factorized(values: np.ndarray, absent: np.ndarray | None) -> Category:
    import pandas as pd

    codes, found = pd.factorize(values)
    if absent is None:
        return Category(codes, found.tolist(), True)
    codes[absent] = -1
    there = np.unique(codes[codes >= 0])  # what stood in for a missing value may not occur
    places = np.full(len(found) + 1, -1)
    places[there] = np.arange(len(there))
    return Category(places[codes], found[there].tolist(), True)


def _without(codes: np.ndarray, absent: np.ndarray | None) -> np.ndarray:
    return codes if absent is None else np.where(absent, -1, codes)


def _plain(value: Any) -> Any:
    """Return a value as a number or text."""
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, (float, decimal.Decimal)):
        number = float(value)
        return None if np.isnan(number) else number
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


class TooManyError(Exception):
    """A column has more values than can be counted."""

    def __init__(self, column: str) -> None:
        super().__init__(column)
        self.column = column


class Levels:
    """The values that a column takes, over all chunks and files, and their codes; 0 is missing.

    What a text file holds is text until all of it was seen: it stands for numbers only if every value does, so that the
    reading depends on no border between chunks.

    Parameters
    ----------
    name : str
        Name of the column.
    limit : int
        Values that it may take.
    naming : bool, default=False
        Whether "01" and "1" are two values: then a column of a text file that has leading zeros, or numbers of more
        than 18 digits, is text.
    """

    def __init__(self, name: str, limit: int, *, naming: bool = False) -> None:
        self.name, self.limit, self._naming = name, limit, naming
        self._places: dict[tuple[str, Any], int] = {}
        self._cells: dict[str, int] = {}  # cells of text files as they stand
        self.text = self.fraction = False

    @property
    def size(self) -> int:
        """Codes so far, that of missing values included."""
        return len(self._places) + 1

    def encode(self, column: Category) -> np.ndarray:
        """Return the codes of a chunk's rows."""
        table = np.zeros(len(column.values) + 1, dtype=np.int64)  # the last one is for -1
        for place, value in enumerate(column.values):
            table[place] = self._place(value) if column.typed else self._place_of_cell(value)
        return table[column.codes]

    def _place_of_cell(self, cell: str) -> int:
        place = self._cells.get(cell)
        if place is None:
            text = plain_text(cell)
            place = 0 if text is None else self._add(("cell", text), self._number(text))
            if len(self._cells) < 100_000:
                self._cells[cell] = place
        return place

    def _number(self, text: str) -> float | int | None:
        return None if self._naming and _NAMING.fullmatch(text) else as_number(text)

    def _place(self, value: Any) -> int:
        if value is None:
            return 0
        text = isinstance(value, str)
        return self._add(("text" if text else "number", value), None if text else value)

    def _add(self, key: tuple[str, Any], number: Any) -> int:
        place = self._places.get(key)
        if place is None:
            if isinstance(key[1], str) and "\0" in key[1]:  # to a table in C, text ends there
                raise InputError(f"The column '{self.name}' must not hold the character NUL. Check how it was written.")
            if len(self._places) >= self.limit:
                raise TooManyError(self.name)
            place = self._places[key] = len(self._places) + 1
            self.text |= number is None
            self.fraction |= number is not None and not float(number).is_integer()
        return place

    @property
    def numeric(self) -> bool:
        """Whether all values are numbers."""
        kinds = {kind for kind, _ in self._places}
        return "text" not in kinds and not self.text

    def values(self) -> list[Any]:
        """Return the value of each code; None for missing ones."""
        kinds = {kind for kind, _ in self._places}
        if "number" in kinds and not self.numeric:
            number = next(value for kind, value in self._places if kind == "number")
            text = next(value for kind, value in self._places if kind != "number" and self._is_text(kind, value))
            raise InputError(
                f"The column '{self.name}' must be of one type in all files; got the number {number} and the text "
                f"{text[:40]!r}. Write it alike."
            )
        numeric = self.numeric
        return [None, *(as_number(v) if kind == "cell" and numeric else v for kind, v in self._places)]

    def _is_text(self, kind: str, value: str) -> bool:
        return kind == "text" or self._number(value) is None
