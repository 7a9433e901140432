"""Groups: the sensitive attribute of every sample, encoded once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from mxfair import _encoding
from mxfair._validation import InputError, numbers, positive_integer, same_length, to_numpy, vector

__all__ = ["Groups"]


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
        columns = _encoding.columns_of(values)
        encoded = [self._encoded(column, str(key)) for key, column in columns.items()]
        same_length(**{str(key): codes for key, (codes, _) in zip(columns, encoded)})
        codes, levels, has_unknown = _encoding.cross(encoded)
        if len(codes) == 0:
            raise InputError("'groups' must hold at least one sample; got none. Pass one group per sample.")
        self._set(codes, levels, has_unknown, name or " x ".join(map(str, columns)))

    @staticmethod
    def _encoded(column: Any, name: str) -> tuple[np.ndarray, list[str]]:
        """Return a column's codes, -1 where missing, and the names of its levels."""
        if isinstance(column, Groups):
            codes = column.codes if column.known.all() else np.where(column.known[column.codes], column.codes, -1)
            return codes, [n for n, known in zip(column.names, column.known) if known]
        return _encoding.encode(column, name)

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

    def codes_in(self, names: Sequence[str]) -> np.ndarray:
        """Return each sample's place among given names, those that counting started with, say.

        Parameters
        ----------
        names : sequence of str
            Names of groups; all that occur must be among them.

        Returns
        -------
        ndarray of int64, shape (n_samples,)

        Raises
        ------
        InputError
            If a group occurs that is not named.

        Examples
        --------
        >>> Groups(["b", "c"]).codes_in(["a", "b", "c"])
        array([1, 2])
        """
        if self.names == tuple(names):
            return self.codes
        places = {name: i for i, name in enumerate(names)}
        absent = [name for name, count in zip(self.names, self.counts) if count and name not in places]
        if absent:
            raise InputError(
                f"'groups' must be among {', '.join(names)}; got {absent[0]!r}. Name all groups when counting starts."
            )
        return np.array([places.get(name, -1) for name in self.names])[self.codes]

    def __len__(self) -> int:
        return len(self.codes)

    def __getitem__(self, place: Any) -> Any:
        """Return the name of a sample's group; of several samples, their Groups."""
        if isinstance(place, (int, np.integer)):
            return self.names[self.codes[place]]
        return self.take(np.arange(len(self))[place] if isinstance(place, slice) else place)

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
