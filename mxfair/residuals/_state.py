"""GroupResiduals: sums and histograms of (label, prediction) by group."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mxfair._group_state import GroupState
from mxfair._validation import InputError, one_of, positive_integer, same_length, weights
from mxfair.group_metric import GroupMetric, PairMetric
from mxfair.groups import Groups
from mxfair.residuals import _histogram
from mxfair.residuals._histogram import Histograms, checked_range
from mxfair.residuals._moments import REASONS, STATISTICS, WEIGHT, Moments, columns, finite
from mxfair.scores._figures import kolmogorov_mean

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["GroupResiduals"]

#: Rows taken at once: their features then stay in the processor's cache, and memory does not grow with the rows.
CHUNK = 32_768


class GroupResiduals(GroupState):
    r"""Moments and histograms of labels y and predictions p by group.

    .. math:: S[g] = \sum_i w_i 1[z_i = g] \, (1, u, v, u^2, v^2, uv, e, e^2, |e|)_i, \qquad
        u = y - s_g, \; v = p - t_g, \; e = p - y

    Every regression figure that is a function of means comes from these sums; distances between distributions come from
    histograms on fixed bins. States add: batches, workers and files merge by ``+``.

    Parameters
    ----------
    groups : sequence of str
        Names of the groups.
    low, high : float, optional
        Range of the histogram of predictions, in the unit of the labels; errors are counted from ``low - high`` to
        ``high - low``. What lies outside is counted in a bin of its own at either end. Default: no histograms.
    bins : int, default=1024
        Number of bins inside the range.
    known : array of bool, shape (n_groups,), optional
        False for the group of samples whose sensitive attribute is missing. Default: all but "unknown".
    name : str, default="group"
        Name of the sensitive attribute.

    Raises
    ------
    InputError
        If a group is named twice, or if the range is not one.

    Notes
    -----
    The shift of a group is the first value seen, and moves to the mean when the mean has left it by more than a
    standard deviation, so that squares are always about as large as the variance: values around 1e6 that spread by 1
    lose no digits. Different splits of the data give figures that agree to about 1e-12 of their size (R2: 1e-10).

    References
    ----------
    Chan, Golub and LeVeque, Algorithms for computing the sample variance, The American Statistician 37 (1983), on
    merging sums about different shifts.

    Examples
    --------
    >>> from mxfair.residuals import GroupResiduals
    >>> state = GroupResiduals.of([1, 2, 3, 4], [1, 2, 4, 4], ["a", "a", "b", "b"])
    >>> state.metric("mean_absolute_error").by_group["b"]
    0.5
    >>> (state + state).support
    array([4., 4.])
    """

    def __init__(
        self,
        groups: Any,
        *,
        low: float | None = None,
        high: float | None = None,
        bins: int = 1024,
        known: Any | None = None,
        name: str = "group",
    ) -> None:
        super().__init__(groups, known, name)
        self._moments = Moments(len(self.groups))
        self._histograms: Histograms | None = None
        if low is not None or high is not None:
            self._histograms = Histograms(*checked_range(low, high), positive_integer(bins, "bins"), len(self.groups))

    @classmethod
    def of(
        cls,
        labels: Any,
        preds: Any,
        groups: Any,
        *,
        low: float | None = None,
        high: float | None = None,
        bins: int = 1024,
        sample_weight: Any | None = None,
    ) -> GroupResiduals:
        """Return the state of one set of samples.

        Parameters
        ----------
        labels, preds : array of float, shape (n_samples,)
            True and predicted values, in the same unit.
        groups : array-like or Groups
            Sensitive attribute of each sample.
        low, high, bins : float, float and int
            As for the class. Default: the range of the labels and predictions, in 1,024 bins; states of several files
            add only if they have the same range, so give it then.
        sample_weight : array of shape (n_samples,), optional
            Weight of each sample. Default: 1.

        Returns
        -------
        GroupResiduals

        Raises
        ------
        InputError
            If lengths differ or a value is missing or infinite.
        """
        groups = groups if isinstance(groups, Groups) else Groups(groups)
        labels, preds = finite(labels, "labels"), finite(preds, "preds")
        if low is None and high is None:
            low, high = float(min(labels.min(), preds.min())), float(max(labels.max(), preds.max()))
            if not low < high:  # a single value: any range around it
                low, high = low - max(abs(low), 1.0) / 2, high + max(abs(high), 1.0) / 2
        self = cls(groups.names, low=low, high=high, bins=bins, known=groups.known, name=groups.name)
        return self.update(labels, preds, groups, sample_weight=sample_weight)

    def update(self, labels: Any, preds: Any, groups: Any, *, sample_weight: Any | None = None) -> GroupResiduals:
        """Add samples to the state, in place, and return it.

        Parameters
        ----------
        labels, preds, sample_weight : array
            As for `of`.
        groups : array-like or Groups
            Names as in the state, or Groups with the state's names.

        Returns
        -------
        GroupResiduals
            The state itself.
        """
        labels, preds, codes = self._checked(labels, preds, groups)
        weight = weights(sample_weight)
        same_length(labels=labels, preds=preds, groups=codes, sample_weight=weight)
        for start in range(0, len(labels), CHUNK):
            part = slice(start, start + CHUNK)
            piece = codes[part], None if weight is None else weight[part]
            self._moments.add(labels[part], preds[part], *piece)
            if self._histograms is not None:
                self._histograms.add(preds[part], preds[part] - labels[part], *piece)
        return self

    def features(self, labels: Any, preds: Any, groups: Any) -> np.ndarray:
        """Return each sample's terms in `sums`, before weighting.

        Sums of these with other weights, such as those of a bootstrap, are sums about this state's shifts, which
        `values` and `overall` take.

        Parameters
        ----------
        labels, preds, groups : array
            As for `update`.

        Returns
        -------
        ndarray of float, shape (n_samples, 9)
        """
        labels, preds, codes = self._checked(labels, preds, groups)
        same_length(labels=labels, preds=preds, groups=codes)
        return np.column_stack([np.ones(len(codes)), *columns(labels, preds, self._moments.shift, codes)])

    def _checked(self, labels: Any, preds: Any, groups: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        groups = groups if isinstance(groups, Groups) else Groups(groups)
        return finite(labels, "labels"), finite(preds, "preds"), groups.codes_in(self.groups)

    @property
    def sums(self) -> np.ndarray:
        """The sums by group, shape (n_groups, 9)."""
        return self._moments.sums.copy()

    @property
    def shift(self) -> np.ndarray:
        """The shifts (s, t) of the labels and predictions of each group, shape (n_groups, 2)."""
        return self._moments.shift.copy()

    @property
    def support(self) -> np.ndarray:
        """Weight of each group's samples, shape (n_groups,)."""
        return self._moments.sums[:, WEIGHT].copy()

    @property
    def effective(self) -> np.ndarray:
        """Kish's effective number of each group's samples, (sum w)^2 / sum w^2, shape (n_groups,)."""
        squares = self._moments.squares
        return self.support**2 / np.where(squares > 0, squares, 1.0)

    @property
    def outside(self) -> np.ndarray:
        """Weight of each group's predictions below and above the range, shape (n_groups, 2)."""
        return self._counted().counts[0][:, [0, -1]]

    def values(self, name: str, sums: np.ndarray | None = None) -> np.ndarray:
        """Return a figure by group, for these sums or for many at once.

        Parameters
        ----------
        name : str
            One of the figures that `metric` takes.
        sums : ndarray of float, shape (..., n_groups, 9), optional
            Sums about this state's shifts, such as those of bootstrap resamples. Default: the state's own.

        Returns
        -------
        ndarray of float, shape (..., n_groups)
            NaN where it is undefined.
        """
        statistic = STATISTICS[one_of(name, STATISTICS, "name")]
        return statistic(self._moments.sums if sums is None else np.asarray(sums, dtype=float), self._moments.shift)

    def overall(self, name: str, sums: np.ndarray | None = None) -> np.ndarray:
        """Return a figure over all samples, "unknown" included.

        Parameters
        ----------
        name, sums
            As for `values`.

        Returns
        -------
        ndarray of float, shape (...)
        """
        statistic = STATISTICS[one_of(name, STATISTICS, "name")]
        sums = self._moments.sums if sums is None else np.asarray(sums, dtype=float)
        return statistic(*self._moments.pooled(sums))

    def metric(self, name: str) -> GroupMetric:
        """Return a figure by group.

        Parameters
        ----------
        name : str
            mean_absolute_error, mean_squared_error, root_mean_squared_error, r2_score, mean_error (prediction minus
            label), mean_prediction, mean_label or correlation (of label and prediction).

        Returns
        -------
        GroupMetric
        """
        values, support = self.values(name), self.support
        reasons = {
            group: REASONS[name]
            for group, value, weight in zip(self.groups, values, support)
            if np.isnan(value) and weight > 0
        }
        overall = float(self.overall(name))
        return GroupMetric(
            name, self.groups, values, overall, self.known, support, reasons=reasons, attribute=self.name
        )

    def _counted(self) -> Histograms:
        if self._histograms is None:
            raise InputError(
                "Distributions must have a range to be counted in; got a state without one. "
                "Give 'low' and 'high' when counting starts."
            )
        return self._histograms

    def ks_distance(self, *, of: str = "predictions") -> PairMetric:
        """Return the Kolmogorov-Smirnov distance between the groups' distributions, at the edges of the bins.

        Parameters
        ----------
        of : {"predictions", "errors"}, default="predictions"
            What the distributions are of.

        Returns
        -------
        PairMetric
            At most the exact distance, and less by at most the larger share of a group that one bin holds.
        """
        counts, _ = self._counted().of(of)
        floor = kolmogorov_mean(counts.sum(axis=0)) * _histogram.root_of_sizes(self.effective)
        return PairMetric("ks_distance", self.groups, _histogram.ks(counts), self.known, self.support, floor)

    def wasserstein_distance(self, *, of: str = "predictions") -> PairMetric:
        r"""Return the Wasserstein-1 distance between the groups' distributions, in the unit of the labels.

        .. math:: W_1(a, b) = \int |F_a(x) - F_b(x)| dx

        Parameters
        ----------
        of : {"predictions", "errors"}, default="predictions"
            What the distributions are of.

        Returns
        -------
        PairMetric
            Within one bin's width of the exact distance where nothing lies outside the range; what does counts as
            lying in the nearest bin, and `outside` tells how much it is.
        """
        counts, width = self._counted().of(of)
        values = _histogram.wasserstein(counts, width)
        floor = _histogram.wasserstein_floor(counts, width) * _histogram.root_of_sizes(self.effective)
        return PairMetric("wasserstein_distance", self.groups, values, self.known, self.support, floor)

    def calibration_by_bin(self, *, bins: int = 10) -> pd.DataFrame:
        """Return mean label minus mean prediction in bins of the prediction, by group: 0 is calibrated.

        Parameters
        ----------
        bins : int, default=10
            Number of bins of equal width, made of whole bins of the histogram.

        Returns
        -------
        pandas.DataFrame
            Columns group, low, high, support and calibration (NaN in an empty bin); the bins from minus infinity and to
            infinity hold what lies outside the range, and are there only if something does.
        """
        return self._counted().calibration(self.groups, bins)

    def __add__(self, other: GroupResiduals) -> GroupResiduals:
        if not isinstance(other, GroupResiduals):
            return NotImplemented
        if self._form != other._form:
            raise InputError(
                "States that are added must have the same groups, range and bins; "
                f"got {self._form} and {other._form}. Give both the same when counting starts."
            )
        result = self._like()
        result._moments = self._moments + other._moments
        result.known = self.known & other.known
        if result._histograms is not None:
            result._histograms.counts = self._counted().counts + other._counted().counts
        return result

    @property
    def _form(self) -> tuple[Any, ...]:
        """What two states that add have in common."""
        return self.groups, None if self._histograms is None else self._histograms.form

    def _like(self) -> GroupResiduals:
        """Return an empty state of the same form."""
        form: dict[str, Any] = (
            {} if self._histograms is None else dict(zip(("low", "high", "bins"), self._histograms.form))
        )
        return GroupResiduals(self.groups, **form, known=self.known, name=self.name)

    def to_dict(self) -> dict[str, Any]:
        """Return the state as plain values that JSON can hold.

        Returns
        -------
        dict
        """
        state: dict[str, Any] = {"name": self.name, "groups": list(self.groups)}
        state["known"] = self.known.tolist()
        state.update({name: getattr(self._moments, name).tolist() for name in ("sums", "shift", "squares")})
        state["histograms"] = None
        if self._histograms is not None:
            low, high, bins = self._histograms.form
            counts = self._histograms.counts.tolist()
            state["histograms"] = {"low": low, "high": high, "bins": bins, "counts": counts}
        return state

    @classmethod
    def from_dict(cls, state: dict[str, Any]) -> GroupResiduals:
        """Return the state that `to_dict` described.

        Parameters
        ----------
        state : dict
            What `to_dict` returned.

        Returns
        -------
        GroupResiduals
        """
        histograms = dict(state["histograms"] or {})
        counts = histograms.pop("counts", None)
        self = cls(state["groups"], **histograms, known=state["known"], name=state["name"])
        for name in ("sums", "shift", "squares"):
            getattr(self._moments, name)[...] = state[name]
        if counts is not None:
            self._counted().counts[...] = counts
        return self

    def __repr__(self) -> str:
        start = self._listed()
        if self._histograms is None:
            return f"{start})"
        low, high, bins = self._histograms.form
        lost = self.outside.sum()
        tail = f"; {lost:,g} outside" if lost else ""
        return f"{start}; {bins:,} bins from {low:g} to {high:g}{tail})"
