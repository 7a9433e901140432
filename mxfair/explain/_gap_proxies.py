"""Which columns act as proxies for the group: what they contribute to the gap, and how well they reveal the group."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mxfair._validation import InputError
from mxfair.explain._gap_numbers import rows_of
from mxfair.explain._raw_data import chosen_data, raw_data
from mxfair.explain.decomposition import GapDecomposition

if TYPE_CHECKING:
    import pandas as pd

_FIGURES = ("auc", "auc_floor", "cramers_v")
#: Folds of the predictions of the group.
_FOLDS = 5


def proxies(gap: GapDecomposition, data: Any, permutations: int, seed: Any) -> pd.DataFrame:
    """Return contributions beside associations, the columns that have both first."""
    from mxfair.preprocessing import proxy_report

    part = gap.part
    first, second = rows_of(gap.groups, part.group, part.against, gap.masks[0])
    rows = np.flatnonzero(first | second)
    if min(first.sum(), second.sum()) < _FOLDS:
        raise InputError(f"Each group must have {_FOLDS} samples or more to be predicted; got {min(part.counts)}.")
    frame = _raw(gap, data).iloc[rows]
    report = proxy_report(frame, np.where(first[rows], "group", "against"), permutations=permutations, seed=seed)
    table = part.to_frame().loc[part.top(len(part.columns)), ["contribution", "low", "high", "share"]]
    table = table.join(report.columns[[*_FIGURES]])
    reveals = table["auc"] > table["auc_floor"]
    sign = np.sign(part.gap)
    table["proxy"] = reveals & (np.minimum(sign * table["low"], sign * table["high"]) > 0)
    return table.sort_values("proxy", ascending=False, kind="stable")  # by contribution already


def _raw(gap: GapDecomposition, data: Any) -> pd.DataFrame:
    """Return the raw columns: those that were given, else read back from the features."""
    if data is not None:
        return chosen_data(data, gap.columns, len(gap.groups))
    frame = raw_data(gap.data, gap.owners)
    for name, features in zip(gap.columns, gap.owners.indices):
        if len(features) > 1 and frame[name].isna().all():
            raise InputError(
                f"'data' must give the raw column {name!r}, which its features do not tell; got none. Pass the rows as "
                "they were before encoding."
            )
    return frame
