"""Groups: the sensitive attribute of every sample, encoded once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from mxfair._validation import (
    InputError,
    InputTypeError,
    numbers,
    positive_integer,
    same_length,
    to_numpy,
    vector,
)

__all__ = ["Groups"]

#: A float column with more distinct values than this is taken for a continuous attribute.
MAX_FLOAT_GROUPS = 20


class Groups:
    """The group of every sample: integer codes and the names they stand for.

    Everything in mxfair takes its ``groups`` argument as anything that `Groups` takes.

    Parameters
    ----------
    values : array of shape (n_samples,) or (n_samples, n_attributes), Series, DataFrame, mapping, NDArray or Groups
        One attribute, or several: several are crossed, so that each combination that occurs is a group of its own.
        ``None``, NaN, NaT and the text "unknown" are missing: their samples form the group "unknown", which tables show
        and gaps between groups leave out. A sample of which one attribute is missing is unknown in the crossing.
    name : str, optional
        Name of the attribute, for tables and plots. Default: the column names, joined by " x ", or "group".

    Attributes
    ----------
    codes : ndarray of int64, shape (n_samples,)
        Index into `names` for each sample.
    names : tuple of str
        Names of the groups, sorted (a categorical keeps its order); "unknown", if it occurs, is last.
    name : str
        Name of the attribute.
    known : ndarray of bool, shape (n_groups,)
        False for the group of samples whose attribute is missing.
    counts : ndarray of int64, shape (n_groups,)
        Number of samples of each group.

    Raises
    ------
    InputError
        If there are no samples, if the columns differ in length, or if a column looks continuous.

    Examples
    --------
    >>> from mxfair import Groups
    >>> groups = Groups(["f", "m", None, "f"], name="sex")
    >>> groups
    Groups(sex: f 2, m 1, unknown 1)
    >>> groups.codes
    array([0, 1, 2, 0])
    >>> Groups({"sex": ["f", "m", "f"], "age": ["old", "old", "young"]}).names
    ('f & old', 'f & young', 'm & old')
    """

    codes: np.ndarray
    names: tuple[str, ...]
    name: str
    known: np.ndarray

    def __init__(self, values: Any, *, name: str | None = None) -> None:
        if isinstance(values, Groups):
            self.codes, self.names, self.known = values.codes, values.names, values.known
            self.name = name or values.name
            return
        columns = _columns(values)
        encoded = [_encode(column, str(key)) for key, column in columns.items()]
        same_length(**{str(key): codes for key, (codes, _) in zip(columns, encoded)})
        codes, levels = encoded[0] if len(encoded) == 1 else _cross(encoded)
        if len(codes) == 0:
            raise InputError("'groups' must hold at least one sample; got none. Pass one group per sample.")
        unknown = codes < 0
        if unknown.any():
            codes = np.where(unknown, len(levels), codes)
        self._set(codes, levels, bool(unknown.any()), name or " x ".join(map(str, columns)))

    def _set(self, codes: np.ndarray, levels: Sequence[str], has_unknown: bool, name: str) -> None:
        self.codes = np.ascontiguousarray(codes, dtype=np.int64)
        self.codes.setflags(write=False)
        self.names = (*levels, *(["unknown"] if has_unknown else []))
        if len(set(self.names)) < len(self.names):
            repeated = next(n for n in self.names if self.names.count(n) > 1)
            raise InputError(f"Group names must differ; got {repeated!r} more than once. Rename one of the levels.")
        self.known = np.arange(len(self.names)) < len(levels)
        self.known.setflags(write=False)
        self.name = name

    @classmethod
    def from_codes(cls, codes: Any, names: Sequence[str], *, unknown: bool = False, name: str = "group") -> Groups:
        """Return groups from codes and names that are known already, so that an absent group keeps its place.

        Parameters
        ----------
        codes : array of int, shape (n_samples,)
            Index into `names` for each sample.
        names : sequence of str
            All names; with ``unknown=True`` the last one stands for missing values.
        unknown : bool, default=False
            Whether the last name stands for missing values.
        name : str, default="group"
            Name of the attribute.

        Returns
        -------
        Groups

        Examples
        --------
        >>> Groups.from_codes([0, 0, 2], ["a", "b", "c"])
        Groups(group: a 2, b 0, c 1)
        """
        array = vector(codes, "codes")
        if array.dtype.kind not in "iub" or (len(array) and not 0 <= array.min() <= array.max() < len(names)):
            raise InputError(f"'codes' must be whole numbers from 0 to {len(names) - 1}, one per sample.")
        self = cls.__new__(cls)
        self._set(array.copy(), [str(n) for n in (names[:-1] if unknown else names)], unknown, name)
        return self

    @classmethod
    def binned(cls, values: Any, bins: int | Sequence[float] = 4, *, name: str = "group") -> Groups:
        """Return groups of a continuous attribute, cut into bins.

        Parameters
        ----------
        values : array of float, shape (n_samples,)
            The attribute, in its own unit; NaN becomes "unknown".
        bins : int or sequence of float, default=4
            Number of bins with about equal counts (quantiles; fewer where values repeat), or the inner cut points: a
            value equal to a cut point belongs to the bin below it.
        name : str, default="group"
            Name of the attribute.

        Returns
        -------
        Groups

        Examples
        --------
        >>> Groups.binned([18, 25, 40, 71], bins=[25, 60], name="age")
        Groups(age: <= 25 2, 25 to 60 1, > 60 1)
        """
        array = numbers(values, name)
        absent = np.isnan(array)
        if isinstance(bins, (int, np.integer)):
            count = positive_integer(bins, "bins", minimum=2)
            cuts = _quantiles(np.sort(array[np.isfinite(array)]), count)
        else:
            cuts = numbers(bins, "bins")
        if len(cuts) == 0 or not np.isfinite(cuts).all() or np.any(np.diff(cuts) <= 0):
            raise InputError(
                f"'bins' must give increasing cut points; got {list(cuts)}. Give, e.g., [25, 60]; an attribute of one "
                "value has none."
            )
        text = _distinct_text(cuts)
        levels = [f"<= {text[0]}", *(f"{a} to {b}" for a, b in zip(text, text[1:])), f"> {text[-1]}"]
        codes = np.searchsorted(cuts, array, side="left")
        codes[absent] = len(levels)
        self = cls.__new__(cls)
        self._set(codes, levels, bool(absent.any()), name)
        return self

    @property
    def counts(self) -> np.ndarray:
        """Number of samples of each group, shape (n_groups,)."""
        return np.bincount(self.codes, minlength=len(self.names))

    @property
    def n_groups(self) -> int:
        """Number of groups, "unknown" included."""
        return len(self.names)

    def take(self, indices: Any) -> Groups:
        """Return the groups of some samples; the names stay, also of groups that no longer occur.

        Parameters
        ----------
        indices : array of int or bool
            Samples to keep.

        Returns
        -------
        Groups

        Examples
        --------
        >>> Groups(["a", "b", "b"]).take([1, 2])
        Groups(group: a 0, b 2)
        """
        places = to_numpy(indices)
        if places.size == 0 or places.dtype.kind == "f":  # an empty list, an NDArray
            places = places.astype(np.int64)
        return Groups.from_codes(self.codes[places], self.names, unknown=not self.known.all(), name=self.name)

    def __len__(self) -> int:
        return len(self.codes)

    def __iter__(self) -> Iterator[str]:
        return (self.names[code] for code in self.codes)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Groups)
            and self.names == other.names
            and bool(np.array_equal(self.known, other.known))
            and bool(np.array_equal(self.codes, other.codes))
        )

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        inner = ", ".join(f"{name} {count:,}" for name, count in zip(self.names, self.counts))
        return f"Groups({self.name}: {inner})"


def _columns(values: Any) -> dict[Any, Any]:
    """Return the attribute columns by name."""
    if isinstance(values, (str, bytes)):
        raise InputTypeError(
            f"'groups' must hold one group per sample; got the text {values!r}. Pass the column itself."
        )
    if isinstance(values, Mapping):
        columns = dict(values)
    elif hasattr(values, "columns") and hasattr(values, "iloc"):  # a data frame
        columns = {key: values.iloc[:, i] for i, key in enumerate(values.columns)}
        if len(columns) < len(values.columns):
            raise InputError(f"'groups' must have columns of different names; got {list(values.columns)}. Rename one.")
    elif hasattr(values, "categories") and hasattr(values, "codes"):  # a pandas Categorical
        columns = {"group": values}
    elif hasattr(values, "iloc"):
        columns = {"group" if values.name is None else values.name: values}
    else:
        array = to_numpy(values)
        if array.ndim == 2 and array.shape[1] > 1:
            columns = {f"group {i}": array[:, i] for i in range(array.shape[1])}
        else:
            columns = {"group": vector(array, "groups", hint="Pass one group per sample, or one column per attribute")}
    if not columns:
        raise InputError("'groups' must have at least one column; got none. Name a sensitive attribute.")
    return columns


def _encode(column: Any, name: str) -> tuple[np.ndarray, list[str]]:
    """Return codes (-1 where missing) and the sorted names of the levels that occur."""
    if isinstance(column, Groups):
        codes = np.where(column.known[column.codes], column.codes, -1)
        return codes, [n for n, known in zip(column.names, column.known) if known]
    import pandas as pd

    categories = getattr(column, "cat", column)
    if hasattr(categories, "categories") and hasattr(categories, "codes"):  # categorical: encoded already
        codes, levels = np.asarray(categories.codes, dtype=np.int64), np.asarray(categories.categories)
        used = np.bincount(codes[codes >= 0], minlength=len(levels)) > 0
        return _named(codes, [_text(v) if occurs else None for v, occurs in zip(levels, used)])
    array = vector(column, name, hint="Pass one group per sample")
    codes, levels = pd.factorize(array)
    decimals = sum(isinstance(v, (float, np.floating)) for v in levels)
    if decimals > MAX_FLOAT_GROUPS:
        raise InputError(
            f"Group column '{name}' must hold categories; got {decimals} different decimal numbers. "
            "Cut a continuous attribute into bins first; in Python: Groups.binned(values, bins=4)."
        )
    try:
        order = np.argsort(levels, kind="stable")
    except TypeError:  # values of several types have no order, but their texts have
        order = np.argsort([_text(v) for v in levels], kind="stable")
    rank = np.empty(len(order) + 1, dtype=np.int64)
    rank[order], rank[-1] = np.arange(len(order)), -1
    return _named(rank[codes], [_text(levels[place]) for place in order])


def _named(codes: np.ndarray, texts: Sequence[str | None]) -> tuple[np.ndarray, list[str]]:
    """Return codes and names: levels that read alike are one, and "unknown" and levels that do not occur are none."""
    names = [text for text in dict.fromkeys(texts) if text is not None and text != "unknown"]
    if len(names) == len(texts):
        return codes, names
    places = {name: i for i, name in enumerate(names)}
    return np.array([*(places.get(str(text), -1) for text in texts), -1])[codes], names


def _text(value: Any) -> str:
    """Return a level as text: 1.0 reads '1'."""
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        return str(int(value))
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def _quantiles(values: np.ndarray, count: int) -> np.ndarray:
    """Return the cut points of `count` bins of sorted values; the last bin keeps at least the largest value."""
    below = values[values < values[-1]] if len(values) else values
    if not len(below):
        return below
    return np.unique(np.minimum(np.quantile(values, np.arange(1, count) / count), below[-1]))


def _distinct_text(cuts: np.ndarray) -> list[str]:
    """Return numbers as text, with as many digits as it takes to tell them apart."""
    for digits in (6, 9, 12, 17):
        text = [f"{cut:.{digits}g}" for cut in cuts]
        if len(set(text)) == len(text):
            break
    return text


def _cross(encoded: list[tuple[np.ndarray, list[str]]]) -> tuple[np.ndarray, list[str]]:
    """Return codes and names of the combinations that occur; missing in any column is missing."""
    codes, levels = encoded[0]
    for other, names in encoded[1:]:  # one column at a time: the product of all could exceed an integer
        absent = (codes < 0) | (other < 0)
        cells, inverse = np.unique((codes * len(names) + other)[~absent], return_inverse=True)
        codes = np.full(len(absent), -1, dtype=np.int64)
        codes[~absent] = inverse
        levels = [f"{levels[cell // len(names)]} & {names[cell % len(names)]}" for cell in cells]
    return codes, levels
