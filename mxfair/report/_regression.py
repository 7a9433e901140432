"""`RegressionEvaluation`: what one model predicted about one set of samples, in numbers."""

from __future__ import annotations

import math
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from mxfair._validation import same_length
from mxfair.group_metric import PairMetric
from mxfair.groups import Groups
from mxfair.residuals import GroupResiduals
from mxfair.residuals._moments import finite

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["RegressionEvaluation"]

#: Figures of the report by group.
FIGURE_NAMES = (
    "mean_label",
    "mean_prediction",
    "mean_error",
    "root_mean_squared_error",
    "mean_absolute_error",
    "r2_score",
)
#: Those that say how good a model is.
ERRORS = ("root_mean_squared_error", "mean_absolute_error", "r2_score")
#: Figures without a unit.
_PURE = ("r2_score", "ks_distance")
#: Bins of the histograms in the JSON; distances are of the values themselves.
_BINS = 100
#: Rows times resamples that the intervals of a report take, within 200 to 1,000 resamples.
_DRAWS = 20_000_000


class RegressionEvaluation:
    """What one model predicted about one set of samples.

    Parameters
    ----------
    name : str
        Name of the model, for tables and plots.
    labels, preds : array of float, shape (n_samples,)
        True and predicted values, in the same unit.
    groups : array-like or Groups
        Sensitive attribute of each sample.

    Raises
    ------
    InputError
        If lengths differ or a value is missing or infinite.

    Examples
    --------
    >>> evaluation = RegressionEvaluation("plain", [1.0, 2.0, 3.0], [1.0, 3.0, 3.0], ["a", "a", "b"])
    >>> evaluation.rates[["support", "mean_absolute_error"]].loc["a"].tolist()
    [2.0, 0.5]
    >>> evaluation.distances["ks_distance"].max()
    0.5
    """

    task = "regression"
    positive = None

    def __init__(self, name: str, labels: Any, preds: Any, groups: Any) -> None:
        self.name = str(name)
        self.labels, self.preds = finite(labels, "labels"), finite(preds, "preds")
        self.groups = groups if isinstance(groups, Groups) else Groups(groups)
        same_length(labels=self.labels, preds=self.preds, groups=self.groups)
        self.table = GroupResiduals.of(self.labels, self.preds, self.groups, bins=_BINS)

    @property
    def support(self) -> np.ndarray:
        """Number of samples of each group, shape (n_groups,)."""
        return self.table.support

    @property
    def n_samples(self) -> float:
        """Number of samples."""
        return float(self.support.sum())

    @cached_property
    def columns(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Each figure's values and supports, over all samples and then by group, shape (1 + n_groups,) each."""
        support = np.append(self.n_samples, self.support)
        return {name: (np.append(self.table.overall(name), self.table.values(name)), support) for name in FIGURE_NAMES}

    @cached_property
    def distances(self) -> dict[str, PairMetric]:
        """The distances ks_distance and wasserstein_distance between the groups' predictions, with noise floors."""
        from mxfair.metric import distance

        both = distance.ks_distance, distance.wasserstein_distance
        return {function.__name__: function(self.preds, self.groups) for function in both}

    @cached_property
    def _intervals(self) -> pd.DataFrame:
        from mxfair.metric import confidence_intervals

        draws = int(np.clip(_DRAWS / len(self.labels), 200, 1000))
        return confidence_intervals(
            self.labels,
            self.preds,
            self.groups,
            metrics=list(FIGURE_NAMES),
            task="regression",
            n_resamples=draws,
            seed=0,
        )

    def interval(self, name: str) -> tuple[float, float]:
        """Return the 95 % interval of a figure's difference between groups, from a bootstrap over the samples.

        Parameters
        ----------
        name : str
            One of the figures.

        Returns
        -------
        tuple of (float, float)
            NaN where there is none.
        """
        row = self._intervals.loc[(name, "difference", "")]
        return float(row["low"]), float(row["high"])

    @property
    def rates(self) -> pd.DataFrame:
        """Support and figures: a row 'overall' and one per group; NaN where a figure is undefined."""
        import pandas as pd

        support = np.append(self.n_samples, self.support).astype(np.int64)
        frame = pd.DataFrame({"support": support, **{key: values for key, (values, _) in self.columns.items()}})
        frame.index = pd.Index(["overall", *self.table.groups], name="group")
        return frame

    def digits(self, key: str) -> int:
        """Return how many decimals a figure is shown with: three digits of the labels' spread.

        Parameters
        ----------
        key : str
            Name of a figure or distance.

        Returns
        -------
        int
        """
        return 3 if key in _PURE else self._digits

    @cached_property
    def _digits(self) -> int:
        largest = float(np.abs(self.labels).max())
        size = float(self.labels.std())
        size = size if size > 1e-12 * largest else largest  # the deviation of equal labels is a rounding error
        return int(np.clip(2 - math.floor(math.log10(size)), 0, 12)) if size else 3

    def __repr__(self) -> str:
        return f"RegressionEvaluation({self.name}: {self.n_samples:,g} samples, {len(self.table.groups)} groups)"
