"""Which columns act as proxies for the group: what they contribute to the gap, and how well they reveal the group."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mxfair._validation import InputError, same_length, to_numpy
from mxfair.explain._gap_numbers import rows_of
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
    """Return the raw columns: those that were given, else made of the features."""
    import pandas as pd

    names = list(gap.columns)
    if data is not None:
        same_length(data=data, groups=gap.groups)
        absent = [name for name in names if name not in getattr(data, "columns", ())]
        if absent:
            raise InputError(
                f"'data' must be a data frame with the columns of the decomposition; it lacks {absent[0]!r}."
            )
        return data[names]
    features = to_numpy(gap.data)
    columns = {name: _column(name, features[:, place]) for name, place in zip(names, gap.owners.indices)}
    return pd.DataFrame(columns)


def _column(name: str, features: np.ndarray) -> Any:
    """Return one raw column: a number, the level that indicators stand for, or a number that may be missing."""
    if features.shape[1] == 1:
        return features[:, 0]
    indicators = [j for j, feature in enumerate(features.T) if np.isin(feature, (0, 1)).all()]
    if len(indicators) == features.shape[1]:
        codes = np.unique(features, axis=0, return_inverse=True)[1].reshape(-1)
        return np.char.add("level ", codes.astype(str))
    numbers = [j for j in range(features.shape[1]) if j not in indicators]
    if len(numbers) == 1 and len(indicators) == 1:
        return np.where(features[:, indicators[0]] == 1, np.nan, features[:, numbers[0]].astype(float))
    raise InputError(
        f"'data' must give the raw column {name!r}, which is several numbers among the features; got none."
    )
