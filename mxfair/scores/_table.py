"""The table of scores by group and label."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mxfair._group_state import GroupState
from mxfair._validation import InputError, labels_vector, positive_integer, same_length, weights
from mxfair.confusion import CHUNK, GroupConfusion, _classes
from mxfair.group_metric import GroupMetric, PairMetric
from mxfair.groups import Groups
from mxfair.scores import _figures
from mxfair.scores._input import absent_labels, finite_scores, positive_class, reliability_frame

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["GroupScores"]

#: A score this part of a bin above its high end still counts as on it: 0.07 * 100 is more than 7.
ROUNDING = 1e-9


class GroupScores(GroupState):
    r"""Histograms of scores by (group, label), and the sum of the scores in each bin.

    .. math:: C[g, y, b] = \sum_i w_i \, 1[z_i = g] \, 1[y_i = y] \, 1[s_i \in b], \qquad
              S[g, y, b] = \sum_i w_i s_i \, 1[z_i = g] \, 1[y_i = y] \, 1[s_i \in b]

    Memory does not grow with the samples, and tables add: batches, workers and files merge by ``+``, so that any split
    of the data gives the same counts exactly and the same figures to about 1e-12 (sums of weights and scores are
    rounded in another order).

    Parameters
    ----------
    groups : sequence of str
        Names of the groups.
    classes : array of shape (n_classes,), default=(0, 1)
        Label values in sorted order.
    positive : label, optional
        The class that the scores speak for; all others are negatives. Default: the last of two classes.
    bins : int, default=1000
        Number of bins of equal width, each without its low and with its high end; the first has both. The default is a
        multiple of the usual 10 or 20 bins of calibration.
    low, high : float, default=0 and 1
        Range of the scores, both ends included.
    counts, sums : array of shape (n_groups, 2, bins), optional
        Counts and sums to start from, negatives first. Default: zeros.
    squares : array of shape (n_groups, 2), optional
        Sums of squared weights behind the counts, from which noise floors have effective numbers of samples. Default:
        whole counts are taken for samples of weight 1; of others the floors are NaN.
    known : array of bool, shape (n_groups,), optional
        False for the group of samples whose sensitive attribute is missing. Default: all but "unknown".
    name : str, default="group"
        Name of the sensitive attribute.

    Notes
    -----
    What is lost is the order of the scores inside a bin, and each figure's error is bounded by what shares a bin:
    :math:`\sum_b P_+(b) P_-(b) / 2` for an AUC (`auc_error` gives it), the two groups' bounds together for ABROCA, the
    largest share of samples in one bin for the Kolmogorov-Smirnov distance, one bin's width for the Wasserstein
    distance. Scores spread evenly over 1,000 bins have an AUC within 0.0005. Mean scores and calibration are exact. For
    exact figures of arrays in memory see `mxfair.metric.roc_auc` and its neighbours.

    Examples
    --------
    >>> from mxfair import GroupScores
    >>> table = GroupScores.of([0, 1, 0, 1], [0.2, 0.7, 0.6, 0.4], ["a", "a", "b", "b"])
    >>> table.auc()
    GroupMetric(roc_auc: a 1, b 0; overall 0.75)
    >>> (table + table).support
    array([4., 4.])
    """

    def __init__(
        self,
        groups: Sequence[str],
        classes: Any = (0, 1),
        *,
        positive: Any | None = None,
        bins: int = 1000,
        low: float = 0.0,
        high: float = 1.0,
        counts: Any | None = None,
        sums: Any | None = None,
        squares: Any | None = None,
        known: Any | None = None,
        name: str = "group",
    ) -> None:
        super().__init__(groups, known, name)
        self._codec = GroupConfusion(self.groups, classes)  # finds the places of label values
        self.classes = self._codec.classes
        self.positive = positive_class(self.classes, positive)
        self.bins = positive_integer(bins, "bins", minimum=2)
        self.low, self.high = float(low), float(high)
        if not (np.isfinite([self.low, self.high]).all() and self.low < self.high):
            raise InputError(f"'low' must be below 'high', both finite; got {low} and {high}. Give the scores' range.")
        self.counts, self.sums = self._table(counts, "counts"), self._table(sums, "sums")
        self.squares = self._squares(squares)

    def _table(self, values: Any | None, name: str) -> np.ndarray:
        shape = (len(self.groups), 2, self.bins)
        table = np.zeros(shape) if values is None else np.array(values, dtype=float)
        if table.shape != shape:
            raise InputError(f"'{name}' must have shape (groups, 2, bins) = {shape}; got {table.shape}.")
        return table

    def _squares(self, values: Any | None) -> np.ndarray:
        if values is None:
            whole = (self.counts == np.rint(self.counts)).all(axis=-1)
            return np.where(whole, self.counts.sum(axis=-1), np.nan)
        squares = np.array(values, dtype=float)
        if squares.shape != self.counts.shape[:2]:
            raise InputError(f"'squares' must have shape (groups, 2) = {self.counts.shape[:2]}; got {squares.shape}.")
        return squares

    @classmethod
    def of(
        cls,
        labels: Any,
        scores: Any,
        groups: Any,
        *,
        classes: Any | None = None,
        positive: Any | None = None,
        bins: int = 1000,
        low: float = 0.0,
        high: float = 1.0,
        sample_weight: Any | None = None,
    ) -> GroupScores:
        """Count one set of samples.

        Parameters
        ----------
        labels : array of shape (n_samples,)
            True classes; numbers or text.
        scores : array of float, shape (n_samples,)
            The positive class's score of each sample, such as its probability.
        groups : array-like or Groups
            Sensitive attribute of each sample.
        classes : array of shape (n_classes,), optional
            All classes, where the samples may lack some. Default: the values found; 0 and 1 where only those occur.
        positive, bins, low, high
            As for the class.
        sample_weight : array of shape (n_samples,), optional
            Weight of each sample. Default: 1.

        Returns
        -------
        GroupScores

        Raises
        ------
        InputError
            If lengths differ, values are missing, a score is out of range, or which class is positive is not clear.
        """
        groups = groups if isinstance(groups, Groups) else Groups(groups)
        labels = labels_vector(labels)
        classes = _classes(labels, labels) if classes is None else classes
        self = cls(
            groups.names,
            classes,
            positive=positive,
            bins=bins,
            low=low,
            high=high,
            known=groups.known,
            name=groups.name,
        )
        return self.update(labels, scores, groups, sample_weight=sample_weight)

    def update(self, labels: Any, scores: Any, groups: Any, *, sample_weight: Any | None = None) -> GroupScores:
        """Add samples to the table, in place, and return it.

        Parameters
        ----------
        labels, scores, sample_weight : array
            As for `of`.
        groups : array-like or Groups
            Names as in the table, or Groups with the table's names.

        Returns
        -------
        GroupScores
            The table itself.
        """
        labels, scores = labels_vector(labels), finite_scores(scores, low=self.low, high=self.high)
        groups = groups if isinstance(groups, Groups) else Groups(groups)
        codes, weight = groups.codes_in(self.groups), weights(sample_weight)
        same_length(labels=labels, scores=scores, groups=codes, sample_weight=weight)
        hits = self._codec._index(labels, "labels") == self.classes.tolist().index(self.positive)
        for start in range(0, len(scores), CHUNK):
            part = slice(start, start + CHUNK)
            self._add(codes[part], hits[part], scores[part], None if weight is None else weight[part])
        return self

    def _add(self, codes: np.ndarray, hits: np.ndarray, scores: np.ndarray, weight: np.ndarray | None) -> None:
        scores = scores.astype(float, copy=False)
        places = np.ceil((scores - self.low) * (self.bins / (self.high - self.low)) - ROUNDING).astype(np.int64) - 1
        np.clip(places, 0, self.bins - 1, out=places)
        cells = codes * 2 + hits
        squared = None if weight is None else weight**2
        self.squares += np.bincount(cells, squared, minlength=self.squares.size).reshape(-1, 2)
        places += cells * self.bins
        size, shape = self.counts.size, self.counts.shape
        self.counts += np.bincount(places, weight, minlength=size).reshape(shape)
        mass = scores if weight is None else scores * weight
        self.sums += np.bincount(places, mass, minlength=size).reshape(shape)

    @property
    def support(self) -> np.ndarray:
        """Weight of each group's samples, shape (n_groups,)."""
        return self.counts.sum(axis=(1, 2))

    @property
    def edges(self) -> np.ndarray:
        """Edges of the bins, shape (bins + 1,)."""
        return self.low + (self.high - self.low) * np.arange(self.bins + 1) / self.bins

    def auc(self) -> GroupMetric:
        """Return the area under the ROC curve by group, pairs of samples in one bin counting half.

        Returns
        -------
        GroupMetric
        """
        overall = _figures.auc_by_group(self.counts.sum(axis=0))
        return self._by_group("roc_auc", _figures.auc_by_group(self.counts), overall, needs=(0, 1))

    def auc_error(self) -> GroupMetric:
        """Return how far `auc` may be from the AUC of the scores themselves.

        Returns
        -------
        GroupMetric
        """
        overall = _figures.auc_error(self.counts.sum(axis=0))
        return self._by_group("roc_auc error", _figures.auc_error(self.counts), overall, needs=(0, 1))

    def xauc(self) -> PairMetric:
        """Return P(a positive of group a is scored above a negative of group b), ties half.

        Returns
        -------
        PairMetric
            Not symmetric; each group's own AUC is on the diagonal.

        References
        ----------
        Kallus and Zhou, "The Fairness of Risk Scores Beyond Classification", NeurIPS 2019, Definition 1.
        """
        values = _figures.xauc(self.counts)
        return PairMetric("xauc", self.groups, values, self.known, self.support, symmetric=False)

    def abroca(self) -> PairMetric:
        """Return the area between the ROC curves of each pair of groups.

        Returns
        -------
        PairMetric

        References
        ----------
        Gardner, Brooks and Baker, "Evaluating the Fairness of Predictive Student Models Through Slicing Analysis", LAK
        2019, equation 2.
        """
        return self._pairs("abroca", self.counts, _figures.abroca)

    def ks(self, *, given: Any | None = None) -> PairMetric:
        """Return the Kolmogorov-Smirnov distance between the score distributions of each pair of groups.

        Parameters
        ----------
        given : label, optional
            Compare only samples of this true label (separation). Default: all samples (independence).

        Returns
        -------
        PairMetric
            With its noise floor, from the distribution of all groups and their effective numbers of samples.
        """
        counts, sizes = self._given(given), self._effective(given)
        floor = _figures.ks_floor(counts.sum(axis=0), sizes[:, None], sizes)
        return self._pairs("ks_distance", counts, _figures.ks, floor=floor)

    def wasserstein(self, *, given: Any | None = None) -> PairMetric:
        """Return the Wasserstein-1 distance between the score distributions of each pair of groups.

        Parameters
        ----------
        given : label, optional
            Compare only samples of this true label. Default: all samples.

        Returns
        -------
        PairMetric
            In units of the score; with its noise floor, from the distribution of both groups and their effective
            numbers of samples.
        """
        counts, step = self._given(given), (self.high - self.low) / self.bins
        sizes = self._effective(given)
        pooled = counts[:, None, :] + counts
        floor = _figures.wasserstein_floor(pooled, sizes[:, None], sizes, step)
        return self._pairs("wasserstein_distance", counts, lambda a, b: _figures.wasserstein(a, b, step), floor)

    def mean_score(self, *, given: Any | None = None) -> GroupMetric:
        """Return the mean score by group; given a label, Kleinberg's balance for that class.

        Parameters
        ----------
        given : label, optional
            Only samples of this true label. Default: all samples.

        Returns
        -------
        GroupMetric

        References
        ----------
        Kleinberg, Mullainathan and Raghavan, "Inherent Trade-Offs in the Fair Determination of Risk Scores", ITCS 2017,
        properties B and C.
        """
        mass, total = self._given(given).sum(axis=-1), self._given(given, self.sums).sum(axis=-1)
        values, overall = _figures._quotient(total, mass), _figures._quotient(total.sum(), mass.sum())
        return GroupMetric("mean_score", self.groups, values, float(overall), self.known, mass, attribute=self.name)

    def calibration_error(self, *, bins: int = 10) -> GroupMetric:
        """Return the expected calibration error by group.

        The mean over bins of the distance between mean score and share of positives.

        Parameters
        ----------
        bins : int, default=10
            Number of bins of equal width; it must divide the table's.

        Returns
        -------
        GroupMetric
        """
        support, positive, scores = self._merged(bins)
        values = _figures.calibration_error(support, positive, scores)
        overall = _figures.calibration_error(support.sum(axis=0), positive.sum(axis=0), scores.sum(axis=0))
        return self._by_group("expected_calibration_error", values, overall)

    def reliability_curve(self, *, bins: int = 10, level: float = 0.95) -> pd.DataFrame:
        """Return mean score and share of positives by group and bin.

        Parameters
        ----------
        bins : int, default=10
            Number of bins of equal width; it must divide the table's.
        level : float, default=0.95
            Level of Wilson's interval of the share.

        Returns
        -------
        pandas.DataFrame
            A row per group and bin that holds samples.
        """
        merged = self._merged(bins)
        edges = np.tile(self.edges[:: self.bins // bins], (len(self.groups), 1))
        return reliability_frame(self.groups, edges, *merged, level=level)

    def _merged(self, bins: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return samples, positives and sums of the scores by group and calibration bin."""
        if (self.low, self.high) != (0, 1):
            raise InputError(
                f"Calibration must have probabilities from 0 to 1; got scores from {self.low:g} to {self.high:g}. "
                "Apply the sigmoid function to logits."
            )
        positive_integer(bins, "bins")
        if self.bins % bins:
            raise InputError(
                f"'bins' must divide the table's {self.bins} bins; got {bins}. Give, for instance, {self.bins // 2}."
            )
        shape = (len(self.groups), 2, bins, self.bins // bins)
        counts, sums = self.counts.reshape(shape).sum(axis=-1), self.sums.reshape(shape).sum(axis=-1)
        return counts.sum(axis=1), counts[:, 1], sums.sum(axis=1)

    def _given(self, label: Any | None, table: np.ndarray | None = None) -> np.ndarray:
        """Return counts (or sums) of a label, or of all samples, shape (n_groups, bins)."""
        table = self.counts if table is None else table
        if label is None:
            return table.sum(axis=1)
        if label == self.positive:
            return table[:, 1]
        if len(self.classes) == 2 and label in self.classes.tolist():
            return table[:, 0]
        raise InputError(
            f"'given' must be the positive class {self.positive!r}, or the other of two classes; got {label!r}. "
            "This table keeps all others of several classes together."
        )

    def _effective(self, label: Any | None) -> np.ndarray:
        """Return Kish's effective number of a label's samples, or of all, by group: (sum w)^2 / sum w^2."""
        total, squares = self._given(label).sum(axis=-1), self._given(label, self.squares[..., None])[:, 0]
        return np.where(total > 0, _figures._quotient(total**2, squares), 0.0)

    def _by_group(
        self, name: str, values: np.ndarray, overall: np.ndarray, *, needs: tuple[int, ...] = ()
    ) -> GroupMetric:
        reasons = absent_labels(self.groups, self.counts.sum(axis=-1)) if needs else {}
        return GroupMetric(
            name, self.groups, values, float(overall), self.known, self.support, reasons=reasons, attribute=self.name
        )

    def _pairs(
        self,
        name: str,
        counts: np.ndarray,
        distance: Callable[[np.ndarray, np.ndarray], np.ndarray],
        floor: np.ndarray | None = None,
    ) -> PairMetric:
        values = np.empty((len(counts), len(counts)))
        for i in range(len(counts)):
            for j in range(i, len(counts)):
                values[i, j] = values[j, i] = distance(counts[i], counts[j])
        return PairMetric(name, self.groups, values, self.known, self.support, floor)

    def __add__(self, other: GroupScores) -> GroupScores:
        if not isinstance(other, GroupScores):
            return NotImplemented
        if self._meaning() != other._meaning():
            raise InputError(
                "Tables that are added must have the same groups, classes and bins; got "
                f"{self._meaning()} and {other._meaning()}. Give both the same when counting starts."
            )
        tables = {name: getattr(self, name) + getattr(other, name) for name in ("counts", "sums", "squares")}
        known = self.known & other.known
        shape = {"positive": self.positive, "bins": self.bins, "low": self.low, "high": self.high}
        return GroupScores(self.groups, self.classes, **shape, **tables, known=known, name=self.name)

    def _meaning(self) -> tuple[Any, ...]:
        return self.groups, self.classes.tolist(), self.positive, self.bins, self.low, self.high

    def to_dict(self) -> dict[str, Any]:
        """Return the table as plain values that JSON can hold.

        Returns
        -------
        dict
        """
        names = ("name", "positive", "bins", "low", "high")
        arrays = {name: getattr(self, name).tolist() for name in ("known", "classes", "counts", "sums")}
        squares = [[None if np.isnan(s) else s for s in row] for row in self.squares.tolist()]
        plain = {name: getattr(self, name) for name in names}
        return {**plain, "groups": list(self.groups), **arrays, "squares": squares}

    @classmethod
    def from_dict(cls, state: dict[str, Any]) -> GroupScores:
        """Return the table that `to_dict` described.

        Parameters
        ----------
        state : dict
            What `to_dict` returned.

        Returns
        -------
        GroupScores
        """
        return cls(**state)

    def __repr__(self) -> str:
        return f"{self._listed()}; scores of {self.positive} in {self.bins} bins)"
