"""Calibration of numeric predictions, by group and bin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mxfair._validation import one_of, positive_integer, same_length, weights
from mxfair.groups import Groups
from mxfair.metric._samples import sample_quantiles
from mxfair.residuals import GroupResiduals
from mxfair.residuals._moments import finite

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["calibration_by_bin"]


def calibration_by_bin(
    labels: Any,
    preds: Any,
    groups: Any,
    *,
    bins: int = 10,
    strategy: str = "quantile",
    sample_weight: Any = None,
) -> pd.DataFrame:
    r"""Return how far the mean label is from the mean prediction, by group and bin of the prediction.

    .. math:: E[y \mid \hat y \in B, a] - E[\hat y \mid \hat y \in B, a]

    Parameters
    ----------
    labels, preds, groups, sample_weight
        As for `mxfair.metric.regression.mean_absolute_error`.
    bins : int, default=10
        Number of bins, the same for all groups; fewer where predictions repeat.
    strategy : {"quantile", "uniform"}, default="quantile"
        Bins with about equal numbers of samples over all groups, or of equal width.

    Returns
    -------
    pandas.DataFrame
        A row per group and bin: group, low, high (a prediction equal to `high` is inside), support, mean_prediction,
        mean_label, calibration (0 is calibrated) and its standard_error. An empty bin has support 0 and NaN; so has the
        standard error of a single sample.

    Examples
    --------
    >>> from mxfair.metric.binned_calibration import calibration_by_bin
    >>> table = calibration_by_bin([1, 2, 3, 4], [1, 1, 4, 4], list("aabb"), bins=2)
    >>> table[["group", "low", "high", "calibration"]]
      group  low  high  calibration
    0     a  1.0   1.0          0.5
    1     a  1.0   4.0          NaN
    2     b  1.0   1.0          NaN
    3     b  1.0   4.0         -0.5
    """
    import pandas as pd

    groups = groups if isinstance(groups, Groups) else Groups(groups)
    true, predicted, weight = finite(labels, "labels"), finite(preds, "preds"), weights(sample_weight)
    same_length(labels=true, preds=predicted, groups=groups, sample_weight=weight)
    edges = _edges(predicted, positive_integer(bins, "bins"), one_of(strategy, ("quantile", "uniform"), "strategy"))
    count = len(edges) - 1
    place = np.clip(np.searchsorted(edges, predicted) - 1, 0, count - 1)
    # each bin of each group is a group of the moments
    cells = Groups.from_codes(groups.codes * count + place, [str(i) for i in range(groups.n_groups * count)])
    state = GroupResiduals(cells.names).update(true, predicted, cells, sample_weight=weight)
    error, square = state.values("mean_error"), state.values("mean_squared_error")
    freedom = np.where(state.effective > 1, state.effective - 1, np.nan)
    deviation = np.sqrt(np.maximum(square - error**2, 0) / freedom)
    return pd.DataFrame(
        {
            "group": np.repeat(np.array(groups.names, dtype=object), count),
            "low": np.tile(edges[:-1], groups.n_groups),
            "high": np.tile(edges[1:], groups.n_groups),
            "support": state.support,
            "mean_prediction": state.values("mean_prediction"),
            "mean_label": state.values("mean_label"),
            "calibration": -error,
            "standard_error": deviation,
        }
    )


def _edges(values: np.ndarray, bins: int, strategy: str) -> np.ndarray:
    """Return edges of bins that are open below and closed above; the first one holds the smallest value too."""
    if strategy == "uniform":
        return np.linspace(values.min(), values.max(), bins + 1)
    inner = np.unique(sample_quantiles(values, np.arange(1, bins + 1) / bins))
    return np.concatenate([[values.min()], inner])
