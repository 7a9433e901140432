"""`RegressionEvaluation`: what one model predicted about one set of samples, in numbers."""

from __future__ import annotations

import math
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from mxfair._validation import InputError, InputTypeError, same_length
from mxfair.group_metric import PairMetric
from mxfair.groups import Groups
from mxfair.report import _states
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

    It holds the rows, or, built with `of_state`, the sums and histograms of a `GroupResiduals` that were counted chunk
    by chunk from a file larger than memory. Figures by group are exact either way. Without the rows, distances and
    quantiles are those of the state's bins, intervals come from the normal distribution, R2 has no interval, and two
    models cannot be compared row by row; the report says so.

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
    >>> from mxfair import GroupResiduals
    >>> state = GroupResiduals(["a", "b"], low=0, high=4)
    >>> for chunk in ([1.0, 2.0], [1.0, 3.0], ["a", "a"]), ([3.0], [3.0], ["b"]):
    ...     state = state.update(*chunk)
    >>> RegressionEvaluation.of_state("streamed", state).rates.loc["a", "mean_absolute_error"]
    0.5
    """

    task = "regression"
    positive = None

    def __init__(self, name: str, labels: Any, preds: Any, groups: Any) -> None:
        self.name = str(name)
        self.labels: np.ndarray | None = finite(labels, "labels")
        self.preds: np.ndarray | None = finite(preds, "preds")
        self.groups: Groups | None = groups if isinstance(groups, Groups) else Groups(groups)
        same_length(labels=self.labels, preds=self.preds, groups=self.groups)
        self.table = GroupResiduals.of(self.labels, self.preds, self.groups, bins=_BINS)

    @classmethod
    def of_state(cls, name: str, table: GroupResiduals) -> RegressionEvaluation:
        """Return an evaluation of what a state has counted, without the rows.

        Parameters
        ----------
        name : str
            Name of the model.
        table : GroupResiduals
            The state; without a range it has no histograms, and then there are no distances and quantiles.

        Returns
        -------
        RegressionEvaluation
            Its `labels`, `preds` and `groups` are None.

        Raises
        ------
        InputTypeError
            If `table` is something else.
        InputError
            If it has counted nothing.
        """
        if not isinstance(table, GroupResiduals):
            raise InputTypeError(f"'table' must be a GroupResiduals; got {table!r}. Pass arrays to the class itself.")
        if not table.support.sum() > 0:
            raise InputError("'table' must have counted samples; got none. Call its update first.")
        self = cls.__new__(cls)
        self.name, self.table = str(name), table
        self.labels = self.preds = self.groups = None
        return self

    @property
    def has_rows(self) -> bool:
        """Whether labels and predictions are at hand, and not only their sums."""
        return self.labels is not None

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
        """The distances ks_distance and wasserstein_distance between the groups' predictions, with noise floors.

        Empty for a state without histograms.
        """
        if not self.has_rows:
            if not _states.has_histograms(self.table):
                return {}
            return {name: getattr(self.table, name)() for name in ("ks_distance", "wasserstein_distance")}
        from mxfair.metric import distance

        both = distance.ks_distance, distance.wasserstein_distance
        return {function.__name__: function(self.preds, self.groups) for function in both}

    @cached_property
    def distribution(self) -> tuple[np.ndarray, np.ndarray]:
        """The distinct predictions over all samples, or the middles of the bins, and the number of samples at each."""
        if self.preds is not None:
            return np.unique(self.preds, return_counts=True)
        edges, counts = _states.bin_edges(self.table)
        middle = np.concatenate([[edges[0]], (edges[1:] + edges[:-1]) / 2, [edges[-1]]])
        there = counts.sum(axis=0) > 0
        return middle[there], counts.sum(axis=0)[there]

    def _intervals(self, min_support: float) -> pd.DataFrame:
        known: dict[float, pd.DataFrame] = self.__dict__.setdefault("_known_intervals", {})
        if min_support not in known:
            known[min_support] = self._new_intervals(min_support)
        return known[min_support]

    def _new_intervals(self, min_support: float) -> pd.DataFrame:
        from mxfair.metric import confidence_intervals

        if self.labels is None:
            return _states.intervals(self.table, FIGURE_NAMES, min_support)
        draws = int(np.clip(_DRAWS / len(self.labels), 200, 1000))
        return confidence_intervals(
            self.labels,
            self.preds,
            self.groups,
            metrics=list(FIGURE_NAMES),
            task="regression",
            n_resamples=draws,
            min_support=min_support,
            seed=0,
        )

    def interval(
        self, name: str, *, kind: str = "difference", group: str = "", min_support: float = 0
    ) -> tuple[float, float]:
        """Return the 95 % interval of a figure's difference between groups, or of the figure itself.

        It comes from a bootstrap over the samples; without the rows from the normal distribution.

        Parameters
        ----------
        name : str
            One of the figures.
        kind : {"difference", "group", "overall"}, default="difference"
        group : str, default=""
            Name of the group, with ``kind="group"``.
        min_support : float, default=0
            Groups with fewer samples are left out of a difference.

        Returns
        -------
        tuple of (float, float)
            NaN where there is none.
        """
        row = self._intervals(min_support).loc[(name, kind, group)]
        return float(row["low"]), float(row["high"])

    def interval_of_worst(self, name: str, *, min_support: float = 0) -> tuple[float, float]:
        """Return the 95 % interval of the largest value of a group, which may be another group's.

        Parameters
        ----------
        name : str
            One of the figures, above 0.
        min_support : float, default=0
            Groups with fewer samples are left out.

        Returns
        -------
        tuple of (float, float)
            NaN where a group has no interval.
        """
        known = self.table.known & (self.support >= min_support) & (self.support > 0)
        groups = [group for group, is_known in zip(self.table.groups, known) if is_known]
        ends = np.array([self.interval(name, kind="group", group=g, min_support=min_support) for g in groups])
        return _states.interval_of_largest(self.table.values(name)[known], ends.reshape(-1, 2))

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
        if self.labels is None:
            largest, size = _states.size_of_labels(self.table)
        else:
            largest, size = float(np.abs(self.labels).max()), float(self.labels.std())
        size = size if size > 1e-12 * largest else largest  # the deviation of equal labels is a rounding error
        return int(np.clip(2 - math.floor(math.log10(size)), 0, 12)) if size else 3

    def __repr__(self) -> str:
        return f"RegressionEvaluation({self.name}: {self.n_samples:,g} samples, {len(self.table.groups)} groups)"
