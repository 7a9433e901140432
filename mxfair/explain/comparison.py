"""Two decompositions of the same samples side by side: what a mitigation moved."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from mxfair._validation import InputError
from mxfair.explain._gap_numbers import differences, rows_of
from mxfair.explain.decomposition import SHOWN, GapDecomposition
from mxfair.explain.gap_part import GapPart

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["GapComparison"]


class GapComparison:
    """The contributions to a gap before and after, and their difference with its standard error.

    The samples are the same, so that the difference of a sample's two contributions is taken first: the error of the
    difference is often far below those of the two.

    Parameters
    ----------
    before, after : GapDecomposition
        Of the same samples, groups and columns, with the same parts.
    names : tuple of (str, str), default=("before", "after")
        What the two are called.

    Attributes
    ----------
    parts : list of tuple of (GapPart, GapPart, GapPart)
        Before, after, and their difference, of each gap.

    Raises
    ------
    InputError
        If samples, groups, columns or parts differ.

    Examples
    --------
    >>> import numpy as np
    >>> from mxfair.explain import Attribution, gap_decomposition
    >>> X = np.array([[2.0, 1.0], [4.0, 1.0], [0.0, 1.0], [2.0, 3.0]])
    >>> def decomposed(weights):
    ...     known = Attribution((X - X.mean(0)) * weights, X.mean(0) @ weights, X @ weights, X, "by hand")
    ...     return gap_decomposition(None, X, list("aabb"), attribution=known, min_support=2, pair=("a", "b"))
    >>> both = decomposed(np.array([1.0, -0.5])).beside(decomposed(np.array([0.5, -0.5])))
    >>> both.to_frame().set_index("column")[["before", "after", "difference"]].loc[["x0", "(gap)"]]
            before  after  difference
    column
    x0         2.0    1.0        -1.0
    (gap)      2.5    1.5        -1.0
    """

    def __init__(
        self, before: GapDecomposition, after: GapDecomposition, *, names: tuple[str, str] = ("before", "after")
    ) -> None:
        _check(before, after)
        if len(names) != 2 or names[0] == names[1]:
            raise InputError(f"'names' must be two different names; got {names!r}.")
        self.before, self.after, self.names = before, after, tuple(map(str, names))
        change = after.contributions - before.contributions
        self.parts: list[tuple[GapPart, GapPart, GapPart]] = []
        for first, second, rows in zip(before.parts, after.parts, before.masks):
            if (second.group, second.against) == (first.against, first.group):  # the larger mean is the other group's
                second = _turned(second)
            if (second.group, second.against) != (first.group, first.against):
                raise InputError(
                    f"The decompositions must compare the same groups; got {first.group} and {first.against}, then "
                    f"{second.group} and {second.against}. Name them with pair=."
                )
            value, covariance = differences(change, rows_of(before.groups, first.group, first.against, rows))
            means = tuple(b - a for a, b in zip(first.means, second.means))
            rates = tuple(b - a for a, b in zip(first.rates, second.rates))
            moved = replace(first, means=means, rates=rates, values=value, covariance=covariance, spread=math.nan)
            self.parts.append((first, second, moved))

    def to_frame(self) -> pd.DataFrame:
        """Return a row per part and column, the largest contribution before first.

        Returns
        -------
        pandas.DataFrame
            ``condition``, ``group``, ``against``, ``column``; the two contributions and their standard errors by the
            names of the decompositions; ``difference``, its ``standard_error``, ``low`` and ``high``.
        """
        import pandas as pd

        return pd.concat([self._frame(*part).reset_index() for part in self.parts], ignore_index=True)

    def _frame(self, first: GapPart, second: GapPart, moved: GapPart, top: int | None = None) -> pd.DataFrame:
        """Return one part as a table, by column."""
        import pandas as pd

        kept = first.top(len(first.columns) if top is None or len(first.columns) - top <= 1 else top)
        labels = first._labels_count() or second._labels_count()
        one, two, change = (part._table(kept, labels) for part in (first, second, moved))
        table = pd.DataFrame({self.names[0]: one["contribution"], f"{self.names[0]}_error": one["standard_error"]})
        table[self.names[1]], table[f"{self.names[1]}_error"] = two["contribution"], two["standard_error"]
        table["difference"] = change["contribution"]
        for name in ("standard_error", "low", "high"):
            table[name] = change[name]
        for name, value in (("against", first.against), ("group", first.group), ("condition", first.condition)):
            table.insert(0, name, value)
        return table

    def __repr__(self) -> str:
        blocks = [
            f"GapComparison of the {self.before.output_name} by {self.before.attribute}: {self.names[0]}, "
            f"{self.names[1]}, and their difference"
        ]
        for first, second, moved in self.parts:
            table = self._frame(first, second, moved, SHOWN).drop(columns=["condition", "group", "against"])
            table = table.rename_axis(None).round(3).to_string(na_rep="n/a")
            heads = "\n".join(f"{name}: {part.headline()}" for name, part in zip(self.names, (first, second)))
            blocks.append(f"{heads}\n{table}")
        return "\n".join(blocks)


def _turned(part: GapPart) -> GapPart:
    """Return a gap seen from the other group."""
    swapped = {name: getattr(part, name)[::-1] for name in ("counts", "means", "rates")}
    return replace(part, group=part.against, against=part.group, values=-part.values, **swapped)


def _check(before: GapDecomposition, after: GapDecomposition) -> None:
    """Raise where two decompositions are not of the same samples."""
    for what, same in (
        ("groups", before.groups == after.groups),
        ("columns", before.columns == after.columns),
        ("conditions", [p.condition for p in before.parts] == [p.condition for p in after.parts]),
        ("conditions", all(np.array_equal(a, b) for a, b in zip(before.masks, after.masks))),
        ("output's units", before.output_name == after.output_name),
    ):
        if not same:
            raise InputError(f"Both decompositions must have the same {what}, sample by sample; they differ.")
