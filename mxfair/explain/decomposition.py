"""Gaps between groups as sums over columns: their parts, side by side with others, and which columns are proxies."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from mxfair._validation import InputError
from mxfair.explain.gap_part import GapPart
from mxfair.groups import Groups

if TYPE_CHECKING:
    import pandas as pd

    from mxfair.explain.comparison import GapComparison

__all__ = ["GapDecomposition"]

#: Columns that a table shows; the others are put together. `to_frame` has all.
SHOWN = 10


class GapDecomposition:
    """A gap between groups as a sum over columns; see `gap_decomposition`.

    Parameters
    ----------
    parts : sequence of GapPart
        One gap each: of a pair of groups, and of a condition.
    contributions : ndarray of float, shape (n_samples, n_columns + 2)
        Of each sample: the columns' contributions, the output at the baseline less that of the first sample, and what
        both miss of the output.
    groups : Groups
        The groups of these samples.
    masks : sequence of ndarray of bool, shape (n_samples,)
        The samples of each part's condition.
    data : array or data frame of shape (n_samples, n_features)
        What was explained.
    owners : Columns
        The features of each column.
    output_name : str
        What was explained: "logit of 1", "log loss".
    method : str
        Name of the method that attributed it.

    Attributes
    ----------
    unknown : int
        Samples of unknown group, which are left out.
    attribute : str
        Name of the sensitive attribute.
    """

    def __init__(
        self,
        parts: Any,
        contributions: np.ndarray,
        groups: Groups,
        *,
        masks: Any,
        data: Any,
        owners: Any,
        output_name: str,
        method: str,
    ) -> None:
        self.parts = tuple(parts)
        self.contributions, self.groups, self.masks = contributions, groups, tuple(masks)
        self.data, self.owners, self.output_name, self.method = data, owners, output_name, method
        self.attribute = groups.name
        self.unknown = int((~groups.known[groups.codes]).sum())

    @property
    def part(self) -> GapPart:
        """The only part; an error where there are several."""
        if len(self.parts) != 1:
            raise InputError(
                f"The decomposition must have one part for this; got {len(self.parts)}. Choose one of .parts."
            )
        return self.parts[0]

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns."""
        return tuple(self.owners.names)

    def to_frame(self) -> pd.DataFrame:
        """Return all parts as one table: a row per part and column.

        Returns
        -------
        pandas.DataFrame
            ``condition``, ``group``, ``against``, ``column``, and what `GapPart.to_frame` has.
        """
        import pandas as pd

        frames = []
        for part in self.parts:
            frame = part.to_frame().reset_index()
            for place, (name, value) in enumerate(
                [("condition", part.condition), ("group", part.group), ("against", part.against)]
            ):
                frame.insert(place, name, value)
            frames.append(frame)
        return pd.concat(frames, ignore_index=True)

    def to_dict(self) -> dict[str, Any]:
        """Return everything but the samples, for JSON; None stands for NaN.

        Returns
        -------
        dict
            ``schema`` is "mxfair.gap_decomposition/1".
        """
        parts = []
        for part in self.parts:
            frame = part.to_frame().reset_index()
            rows = [{key: _plain(value) for key, value in row.items()} for row in frame.to_dict("records")]
            parts.append(
                {
                    **{"group": part.group, "against": part.against, "condition": part.condition},
                    **{"counts": [int(count) for count in part.counts], "means": [_plain(mean) for mean in part.means]},
                    **{"rates": [_plain(rate) for rate in part.rates], "rate_gap": _plain(part.rate_gap)},
                    **{"gap": _plain(part.gap), "gap_error": _plain(part.gap_error), "spread": _plain(part.spread)},
                    **{"standardized": _plain(part.standardized), "total": _plain(part.total)},
                    **{"total_error": _plain(part.total_error), "remainder": _plain(part.remainder)},
                    **{"additivity_error": _plain(part.additivity_error), "level": part.level, "rows": rows},
                }
            )
        head = {"schema": "mxfair.gap_decomposition/1", "output": self.output_name, "method": self.method}
        return {**head, "attribute": self.attribute, "unknown": self.unknown, "parts": parts}

    def beside(self, after: GapDecomposition, *, names: tuple[str, str] = ("before", "after")) -> GapComparison:
        """Return this decomposition and another one of the same samples, such as after a mitigation, side by side.

        Parameters
        ----------
        after : GapDecomposition
            Of the same samples, groups, columns, and conditions.
        names : tuple of (str, str), default=("before", "after")
            What the two are called.

        Returns
        -------
        GapComparison
        """
        from mxfair.explain.comparison import GapComparison

        return GapComparison(self, after, names=names)

    def proxies(self, data: Any = None, *, permutations: int = 199, seed: Any = 0) -> pd.DataFrame:
        """Return, by column, its contribution to the gap beside how well it tells the two groups apart.

        Parameters
        ----------
        data : data frame of shape (n_samples, n_raw_columns), optional
            The raw columns, by the names of the columns. Default: they are put together again from the features.
        permutations : int, default=199
            As for `mxfair.preprocessing.proxy_report`.
        seed : int, Generator or None, default=0
            As for `mxfair.preprocessing.proxy_report`.

        Returns
        -------
        pandas.DataFrame
            A row per column: ``contribution``, ``low``, ``high`` and ``share`` of the gap; ``auc`` of predicting the
            group from the column alone with ``auc_floor``, what chance reaches, and ``cramers_v``; and ``proxy``: the
            column reveals the group, and widens the gap by more than its error. Proxies come first, the largest
            contribution first.

        Raises
        ------
        InputError
            If there are several parts, or a column of several numbers cannot be judged without `data`.

        Notes
        -----
        A proxy by this table may carry the group's place, or a difference that has its own right to count: contribution
        and association tell how a gap comes about, not whether it is justified.
        """
        from mxfair.explain._gap_proxies import proxies

        return proxies(self, data, permutations, seed)

    def __repr__(self) -> str:
        left_out = f", {self.unknown:,} of unknown group left out" if self.unknown else ""
        blocks = [f"GapDecomposition of the {self.output_name} by {self.attribute} ({self.method}{left_out})"]
        for part in self.parts:
            table = part.to_frame(SHOWN).rename_axis(None).round(3).to_string(na_rep="n/a")
            blocks.append(f"{part.headline()}\n{table}")
        return "\n\n".join(blocks) if len(blocks) > 2 else "\n".join(blocks)


def _plain(value: Any) -> Any:
    """Return a number as JSON has it."""
    if isinstance(value, str):
        return value
    number = float(value)
    return number if math.isfinite(number) else None
