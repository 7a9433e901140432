"""Contributions of many rows as figures of each column, overall and by group."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

    from mxfair.groups import Groups

__all__ = ["by_group_frame", "importance_frame"]


def importance_frame(attribution: Any) -> pd.DataFrame:
    """Return mean sizes of contributions with their standard errors, the largest first."""
    import pandas as pd

    values = attribution.values
    size, error = _mean_and_error(np.abs(values))
    frame = pd.DataFrame(
        {"mean_absolute": size, "standard_error": error, "mean": values.mean(axis=0)}, index=attribution.feature_names
    )
    return frame.iloc[np.argsort(-size, kind="stable")]


def by_group_frame(attribution: Any, groups: Groups) -> pd.DataFrame:
    """Return mean contributions and their sizes for each group and column."""
    import pandas as pd

    frames = {}
    for code, name in enumerate(groups.names):
        values = attribution.values[groups.codes == code]
        size, size_error = _mean_and_error(np.abs(values))
        mean, mean_error = _mean_and_error(values)
        columns = {
            "mean_absolute": size,
            "mean_absolute_standard_error": size_error,
            "mean": mean,
            "mean_standard_error": mean_error,
            "count": len(values),
        }
        frames[name] = pd.DataFrame(columns, index=attribution.feature_names)
    return pd.concat(frames, names=[groups.name, "column"])


def _mean_and_error(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return means over rows and their standard errors; NaN of no rows, and errors of one."""
    n, absent = len(values), np.full(values.shape[1], np.nan)
    if n == 0:
        return absent, absent
    return values.mean(axis=0), values.std(axis=0, ddof=1) / np.sqrt(n) if n > 1 else absent
