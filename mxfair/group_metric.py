"""GroupMetric: one figure by group; PairMetric: one figure for each pair of groups."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from mxfair import _disparity
from mxfair._short_repr import short_repr
from mxfair._validation import one_of

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Gap", "GroupMetric", "PairMetric"]


@dataclass(frozen=True)
class Gap:
    """The disparity of one figure between groups.

    Parameters
    ----------
    rate : str
        Name of the figure; with more than two classes, followed by the class.
    value : float
        The disparity; NaN with fewer than two groups whose value is defined.
    high, low : str or None
        Groups with the largest and smallest value.
    undefined : tuple of str
        Known groups whose value is undefined (no samples to compute it from); the gap does not cover them.
    """

    rate: str
    value: float
    high: str | None
    low: str | None
    undefined: tuple[str, ...]

    __repr__ = short_repr


@dataclass(frozen=True, eq=False)
class GroupMetric:
    """One figure by group, with what it was computed from.

    Parameters
    ----------
    name : str
        Name of the figure.
    groups : tuple of str
        Names of the groups.
    values : ndarray of float, shape (n_groups,)
        The figure by group; NaN where it is undefined.
    overall : float
        The figure over all samples.
    known : ndarray of bool, shape (n_groups,)
        False for the group of samples whose sensitive attribute is missing: gaps leave it out.
    support : ndarray of float, shape (n_groups,)
        Number (or weight) of the samples that a value was computed from: a rate's denominator.
    numerator : ndarray of float, shape (n_groups,), optional
        For a rate: what is divided by `support`. Default: the figure is not a rate.
    reasons : mapping of str to str, optional
        Why the value of a group is undefined, by group. Default: "no samples".
    attribute : str, default="group"
        Name of the sensitive attribute.

    Examples
    --------
    >>> import numpy as np
    >>> from mxfair.metric import GroupMetric
    >>> figure = GroupMetric("rate", ("a", "b"), np.array([0.5, 0.75]), 0.6, np.array([True, True]), np.array([6, 4]))
    >>> figure.difference()
    0.25
    >>> figure.by_group["b"]
    0.75
    """

    name: str
    groups: tuple[str, ...]
    values: np.ndarray
    overall: float
    known: np.ndarray
    support: np.ndarray
    numerator: np.ndarray | None = None
    reasons: Mapping[str, str] = field(default_factory=dict)
    attribute: str = "group"

    @property
    def denominator(self) -> np.ndarray:
        """A rate's denominator: another name for `support`, shape (n_groups,)."""
        return self.support

    @property
    def defined(self) -> np.ndarray:
        """Groups that a gap compares: known ones whose value is defined, shape (n_groups,)."""
        return self.known & ~np.isnan(self.values)

    @property
    def compared(self) -> np.ndarray:
        """Values of the groups that a gap compares, NaN for the others, shape (n_groups,)."""
        return np.where(self.known, self.values, np.nan)

    @property
    def by_group(self) -> pd.Series:
        """The values as a pandas Series by group; "unknown", if it occurs, included."""
        import pandas as pd

        return pd.Series(self.values, index=pd.Index(self.groups, name=self.attribute), name=self.name, dtype=float)

    @property
    def undefined(self) -> dict[str, str]:
        """Why the value of a group is NaN, for each group for which it is."""
        return {
            group: self.reasons.get(group, "no samples" if not support else "undefined")
            for group, value, support in zip(self.groups, self.values, self.support)
            if np.isnan(value)
        }

    def __getitem__(self, group: str) -> float:
        return float(self.values[self.groups.index(one_of(group, self.groups, "group"))])

    def difference(self, *, compare: str = "max_min", reference: str | None = None, signed: bool = False) -> float:
        """Return the difference between groups: 0 is parity.

        Parameters
        ----------
        compare : {"max_min", "to_overall", "to_reference", "pairwise_mean"}, default="max_min"
            Largest minus smallest value; largest distance to the value over all samples; largest distance to the
            reference group's value; mean distance over all pairs.
        reference : str, optional
            The group for ``compare="to_reference"``.
        signed : bool, default=False
            Keep the sign of the largest distance, group minus base; for ``to_overall`` and ``to_reference``.

        Returns
        -------
        float
            NaN with fewer than two known groups whose value is defined.
        """
        compare, place = _disparity.settle(compare, reference, self.groups, signed=signed)
        return float(
            _disparity.difference(self.compared, self.overall, compare=compare, reference=place, signed=signed)
        )

    def ratio(self, *, compare: str = "max_min", reference: str | None = None, signed: bool = False) -> float:
        """Return the ratio between groups: 1 is parity, and smaller is further from it.

        Parameters
        ----------
        compare, reference
            As for `difference`.
        signed : bool, default=False
            Divide by the base as it stands, so that the ratio may exceed 1; for ``to_overall`` and ``to_reference``.

        Returns
        -------
        float
            NaN where it would be 0 / 0, or with fewer than two known groups whose value is defined.
        """
        compare, place = _disparity.settle(compare, reference, self.groups, signed=signed)
        return float(_disparity.ratio(self.compared, self.overall, compare=compare, reference=place, signed=signed))

    def group_min(self) -> float:
        """Return the smallest value of a known group.

        Returns
        -------
        float
            NaN where no known group has one.
        """
        return float(_disparity._min(self.compared))

    def group_max(self) -> float:
        """Return the largest value of a known group.

        Returns
        -------
        float
            NaN where no known group has one.
        """
        return float(_disparity._max(self.compared))

    def gap(self, *, compare: str = "max_min", reference: str | None = None, signed: bool = False) -> Gap:
        """Return the difference, with the two groups that set it; one of them may be "overall" or the reference.

        Parameters
        ----------
        compare, reference, signed
            As for `difference`.

        Returns
        -------
        Gap
            A mean over pairs has no pair that sets it: `high` and `low` are None.
        """
        value = self.difference(compare=compare, reference=reference, signed=signed)
        undefined = tuple(g for g, ok, known in zip(self.groups, self.defined, self.known) if known and not ok)
        compare, place = _disparity.settle(compare, reference, self.groups, signed=signed)
        if np.isnan(value) or compare == "pairwise_mean":
            return Gap(self.name, value, None, None, undefined)
        if compare == "max_min":
            high, low = np.nanargmax(self.compared), np.nanargmin(self.compared)
            return Gap(self.name, value, self.groups[high], self.groups[low], undefined)
        base = self.overall if place is None else self.values[place]
        far = int(np.nanargmax(np.abs(self.compared - base)))
        pair = self.groups[far], "overall" if place is None else self.groups[place]
        high_name, low_name = pair if self.values[far] >= base else pair[::-1]
        return Gap(self.name, value, high_name, low_name, undefined)

    def to_frame(self) -> pd.DataFrame:
        """Return value, support and, where the value is undefined, the reason, by group.

        Returns
        -------
        pandas.DataFrame
        """
        import pandas as pd

        reasons = [self.undefined.get(group, "") for group in self.groups]
        return pd.DataFrame({self.name: self.by_group, "support": self.support, "undefined because": reasons})

    def _repr_html_(self) -> str:
        return self.to_frame().to_html(float_format="{:.4g}".format, na_rep="undefined")

    def __repr__(self) -> str:
        inner = ", ".join(f"{group} {value:.4g}" for group, value in zip(self.groups, self.values))
        return f"GroupMetric({self.name}: {inner}; overall {self.overall:.4g})"


@dataclass(frozen=True, eq=False)
class PairMetric:
    """One figure for each pair of groups, such as a distance between their distributions.

    Parameters
    ----------
    name : str
        Name of the figure.
    groups : tuple of str
        Names of the groups.
    values : ndarray of float, shape (n_groups, n_groups)
        ``values[a, b]``: from group a (rows) to group b (columns); NaN where undefined.
    known : ndarray of bool, shape (n_groups,)
        False for the group of samples whose sensitive attribute is missing: summaries leave it out.
    support : ndarray of float, shape (n_groups,)
        Number (or weight) of each group's samples.
    floor : ndarray of float, shape (n_groups, n_groups), optional
        The noise floor: the value to expect between samples of these sizes from one distribution. Default: not known.
    symmetric : bool, default=True
        Whether ``values[a, b] == values[b, a]``.

    Examples
    --------
    >>> import numpy as np
    >>> from mxfair.metric import PairMetric
    >>> both = np.array([True, True])
    >>> distance = PairMetric("ks", ("a", "b"), np.array([[0, 0.25], [0.25, 0]]), both, np.array([6, 4]))
    >>> distance.max(), distance.pair()
    (0.25, ('a', 'b'))
    """

    name: str
    groups: tuple[str, ...]
    values: np.ndarray
    known: np.ndarray
    support: np.ndarray
    floor: np.ndarray | None = None
    symmetric: bool = True

    @property
    def _places(self) -> tuple[np.ndarray, np.ndarray]:
        """Rows and columns of the pairs: each once where symmetric, and never a group with itself."""
        both = self.known[:, None] & self.known
        rows, columns = np.nonzero(np.triu(both, 1) if self.symmetric else both & ~np.eye(len(self.groups), dtype=bool))
        return rows, columns

    def _pairs(self) -> np.ndarray:
        """Return the defined values of pairs of known groups."""
        values = self.values[self._places]
        return values[~np.isnan(values)]

    def max(self) -> float:
        """Return the largest value over pairs of known groups.

        Returns
        -------
        float
            NaN where no pair has one.
        """
        return float(self._pairs().max(initial=-np.inf)) if len(self._pairs()) else float("nan")

    def min(self) -> float:
        """Return the smallest value over pairs of known groups.

        Returns
        -------
        float
            NaN where no pair has one.
        """
        return float(self._pairs().min(initial=np.inf)) if len(self._pairs()) else float("nan")

    def mean(self) -> float:
        """Return the mean value over pairs of known groups.

        Returns
        -------
        float
            NaN where no pair has one.
        """
        return float(self._pairs().mean()) if len(self._pairs()) else float("nan")

    def pair(self) -> tuple[str, str] | None:
        """Return the pair of groups with the largest value.

        Returns
        -------
        tuple of (str, str) or None
            None where no pair has a value.
        """
        if not len(self._pairs()):
            return None
        rows, columns = self._places
        place = int(np.nanargmax(self.values[rows, columns]))
        return self.groups[rows[place]], self.groups[columns[place]]

    def to_frame(self) -> pd.DataFrame:
        """Return a row per pair of known groups: the two groups, the value and, where known, its noise floor.

        Returns
        -------
        pandas.DataFrame
        """
        import pandas as pd

        rows, columns = self._places
        names = np.array(self.groups, dtype=object)
        table: dict[str, Any] = {"group": names[rows], "other": names[columns], self.name: self.values[rows, columns]}
        if self.floor is not None:
            table["noise floor"] = self.floor[rows, columns]
        return pd.DataFrame(table)

    def _repr_html_(self) -> str:
        return self.to_frame().to_html(float_format="{:.4g}".format, na_rep="undefined", index=False)

    def __repr__(self) -> str:
        pair = self.pair()
        between = f" between {pair[0]} and {pair[1]}" if pair else ""
        return f"PairMetric({self.name}: at most {self.max():.4g}{between})"
