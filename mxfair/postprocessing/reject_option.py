"""Reject-option decisions: near the boundary, the unfavoured groups are selected and the favoured ones are not."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from mxfair._encoding import group_text
from mxfair._validation import InputError, InputTypeError
from mxfair.confusion import GroupConfusion
from mxfair.criterion import Criterion, criterion_named
from mxfair.postprocessing._choice import Choice
from mxfair.postprocessing._curves import between
from mxfair.postprocessing._decisions import _GroupDecisions
from mxfair.postprocessing._goals import Objective, Rates

__all__ = ["RejectOption"]

#: Widths that are measured at once.
_CHUNK = 16_384


class RejectOption(_GroupDecisions):
    r"""Decisions that are reversed inside a band around the boundary, whose width is chosen under a criterion.

    .. math:: \hat y = 1[s > b - w] \text{ in unfavoured groups}, \qquad \hat y = 1[s > b + w] \text{ in favoured ones}

    Inside the band, where a model is least sure, members of unfavoured groups are selected and those of favoured ones
    are not; outside, the score decides. The paper has one group of each kind; here each group is one of the two.

    Parameters
    ----------
    criterion : str or Criterion, default="demographic_parity"
        The rates that should agree: largest minus smallest over the groups.
    objective : str, Rate or array of shape (2, 2), default="accuracy"
        What is optimised, as in `GroupThresholds`.
    max_gap : float, default=0.05
        The largest gap allowed. Where no width keeps it, the one with the smallest gap is taken, with a warning.
    boundary : float, default=0.5
        The score above which the decision is positive: 0.5 for probabilities, 0 for log-odds.
    unfavoured : sequence of group names, optional
        Groups that are selected inside the band; all others are favoured. Default: those that are selected more seldom
        than all rows together at the boundary.
    positive : label, optional
        The class that the scores speak for. Default: the last of the two.

    Attributes
    ----------
    width_ : float
        Half the band, in units of the score; 0 where nothing is to be changed.
    unfavoured_ : ndarray of str
    thresholds_, shares_, classes_, counts_, objective_, gap_
        As in `GroupThresholds`, with one threshold per group.
    pareto_ : dict of ndarray
        "gap", "objective" and "width" of all widths that no other one beats in both, the gaps rising.

    Notes
    -----
    All widths that differ on the fitted rows are tried: the chosen one is the best. Rows at the same distance from the
    boundary come into the band together, of whichever group. One width for all groups is less than a threshold for each
    (`GroupThresholds`), and leaves decisions outside the band as they were.

    References
    ----------
    Kamiran, Karim and Zhang, "Decision Theory for Discrimination-Aware Classification", ICDM 2012, section III.

    Examples
    --------
    >>> import numpy as np
    >>> from mxfair.postprocessing import RejectOption
    >>> rng = np.random.default_rng(0)
    >>> groups = rng.choice(["a", "b"], 2000)
    >>> scores = np.clip(rng.normal(0.5, 0.2, 2000) + np.where(groups == "a", 0.1, -0.1), 0, 1)
    >>> labels = (rng.random(2000) < scores).astype(int)
    >>> band = RejectOption(max_gap=0.02).fit(scores, labels, groups)
    >>> band.unfavoured_.tolist(), round(band.width_, 2)
    (['b'], 0.11)
    >>> band.predict([0.55, 0.45], ["a", "b"])
    array([0, 1])
    """

    width_: float
    unfavoured_: np.ndarray
    pareto_: dict[str, np.ndarray]

    def __init__(
        self,
        criterion: str | Criterion = "demographic_parity",
        objective: Any = "accuracy",
        *,
        max_gap: float = 0.05,
        boundary: float = 0.5,
        unfavoured: Sequence[Any] | None = None,
        positive: Any = None,
    ) -> None:
        self.criterion = criterion
        self.objective = objective
        self.max_gap = max_gap
        self.boundary = boundary
        self.unfavoured = unfavoured
        self.positive = positive

    def fit(self, scores: Any, labels: Any, groups: Any, sample_weight: Any = None) -> RejectOption:
        """Choose the band's width on held-out rows.

        Parameters
        ----------
        scores : array of float, shape (n_samples,)
        labels : array of shape (n_samples,)
            Two classes.
        groups : array of shape (n_samples,), column, columns or Groups
            Rows of unknown group are left out; two groups at least.
        sample_weight : array of shape (n_samples,), optional

        Returns
        -------
        RejectOption
            Itself.

        Raises
        ------
        InputError
            If an option is out of range, lengths differ, values are missing, there is one group, or no gap can be
            measured.
        """
        criterion = self._checked()
        self._forget()
        values, positive, codes, weight = self._rows(scores, labels, groups, sample_weight)
        place, names = self.positive_place_, self.group_names_.tolist()
        if len(names) < 2:
            raise InputError(f"'groups' must hold two known groups; got {names[0]!r} alone. There is none to favour.")
        ladders = [_Ladder(values, positive, codes == g, weight) for g in range(len(names))]
        lower = self._lower(ladders, names)
        widths = _widths(values, lower[codes], float(self.boundary))
        counts = self._counts(ladders, lower, widths)
        table = GroupConfusion(names, [0, 1], counts[0])
        rates = Rates(criterion, place)
        gaps = _gaps(rates, table, counts)
        totals = counts[0].sum(axis=(0, 2))
        objective = Objective(self.objective, place)
        worth = _worth(objective, counts, positives=totals[1], negatives=totals[0])
        best = self._best(gaps, worth, rates.criterion.name)
        self._learn(best, widths, lower, counts, objective.sign * worth, gaps)
        self.pareto_ = _front(gaps, worth, widths, objective.sign)
        return self

    def _check_options(self) -> None:
        self._checked()

    def _checked(self) -> Criterion:
        criterion = criterion_named(self.criterion)
        Rates(criterion, 1)
        Objective(self.objective, 1)
        for value, name in ((self.max_gap, "max_gap"), (self.boundary, "boundary")):
            if isinstance(value, bool) or not isinstance(value, (int, float, np.number)):
                raise InputTypeError(f"'{name}' must be a number; got {value!r}.")
        if not self.max_gap >= 0:
            raise InputError(f"'max_gap' must be at least 0; got {self.max_gap}.")
        if not math.isfinite(self.boundary):
            raise InputError(f"'boundary' must be finite; got {self.boundary}. Give the score that decides.")
        return criterion

    def _lower(self, ladders: list[_Ladder], names: list[str]) -> np.ndarray:
        """Return which groups are unfavoured."""
        if self.unfavoured is None:
            sums = np.array([[ladder.above(np.array([float(self.boundary)])).sum(), ladder.size] for ladder in ladders])
            lower = sums[:, 0] / sums[:, 1] < sums[:, 0].sum() / sums[:, 1].sum()
        else:
            if isinstance(self.unfavoured, str):
                raise InputTypeError(f"'unfavoured' must be a list of group names; got {self.unfavoured!r}.")
            given = [group_text(name) for name in self.unfavoured]
            absent = [name for name in given if name not in names]
            lower = np.isin(np.array(names), given)
            if absent or not given or lower.all():
                raise InputError(
                    f"'unfavoured' must name some of the groups {', '.join(names)}, not all; got {given}. The others "
                    "are favoured."
                )
        self.unfavoured_ = self.group_names_[lower]
        return lower

    def _thresholds(self, lower: np.ndarray, width: Any) -> np.ndarray:
        """Return each group's threshold, the groups on the last axis."""
        return np.where(
            lower, self.boundary - np.asarray(width)[..., None], self.boundary + np.asarray(width)[..., None]
        )

    def _counts(self, ladders: list[_Ladder], lower: np.ndarray, widths: np.ndarray) -> np.ndarray:
        """Return the tables of all groups at each width, negatives first, shape (n_widths, n_groups, 2, 2)."""
        thresholds, counts = self._thresholds(lower, widths), np.empty((len(widths), len(ladders), 2, 2))
        for g, ladder in enumerate(ladders):
            counts[:, g, :, 1] = ladder.above(thresholds[:, g])
            counts[:, g, :, 0] = np.maximum(ladder.total - counts[:, g, :, 1], 0.0)
        return counts

    def _best(self, gaps: np.ndarray, worth: np.ndarray, name: str) -> int:
        """Return the place of the width to take: the best one that keeps the gap, the narrowest of equals."""
        if np.isnan(gaps).all():
            raise InputError(f"{name} must be defined in two groups; it is not at any width. Add rows of both labels.")
        kept = (gaps <= self.max_gap + 1e-12) & ~np.isnan(worth)
        if kept.any():
            return int(np.argmax(np.where(kept, worth, -np.inf)))
        best = int(np.nanargmin(gaps))
        warnings.warn(
            f"No band keeps {name} within max_gap={self.max_gap:g}; taken is the one with the smallest gap, "
            f"{gaps[best]:.3g}. GroupThresholds has a threshold for each group.",
            stacklevel=3,
        )
        return best

    def _learn(
        self,
        best: int,
        widths: np.ndarray,
        lower: np.ndarray,
        counts: np.ndarray,
        values: np.ndarray,
        gaps: np.ndarray,
    ) -> None:
        thresholds = self._thresholds(lower, widths[best]).reshape(-1, 1)
        choice = Choice(thresholds, np.ones_like(thresholds), counts[best], float(values[best]), float(gaps[best]))
        self._take(choice)
        self.width_ = float(widths[best])


class _Ladder:
    """A group's rows by falling scores, with what is above each."""

    def __init__(self, scores: np.ndarray, positive: np.ndarray, rows: np.ndarray, weight: np.ndarray | None) -> None:
        own = np.flatnonzero(rows)
        own = own[np.argsort(scores[own])[::-1]]
        mass = np.ones(len(own)) if weight is None else weight[own]
        sums = [np.append(0.0, np.cumsum(mass * part)) for part in (~positive[own], positive[own])]
        self._fallen, self._sums = -scores[own], np.stack(sums, axis=1)

    @property
    def total(self) -> np.ndarray:
        """Weight of negatives and positives."""
        return self._sums[-1]

    @property
    def size(self) -> float:
        """Weight of all."""
        return float(self.total.sum())

    def above(self, thresholds: np.ndarray) -> np.ndarray:
        """Return the weight of negatives and positives above each threshold, shape (n_thresholds, 2)."""
        return self._sums[np.searchsorted(self._fallen, -thresholds, side="left")]


def _widths(scores: np.ndarray, lower: np.ndarray, boundary: float) -> np.ndarray:
    """Return all widths that decide differently: 0, and one between each two distances of rows that would change."""
    distances = np.where(lower, boundary - scores, scores - boundary)
    levels = np.unique(distances[(distances >= 0) & (lower | (distances > 0))])
    if not len(levels):
        return np.zeros(1)
    last = levels[-1] + max(1.0, abs(levels[-1])) * 1e-3
    widths = between(np.append(levels[1:], last), levels)
    return np.concatenate([[0.0], np.where(widths > levels, widths, np.append(levels[1:], last))])


def _gaps(rates: Rates, table: GroupConfusion, counts: np.ndarray) -> np.ndarray:
    """Return the criterion's gap at each width; NaN where one of its rates is undefined in a group."""
    criterion, found = rates.criterion.with_positive(rates.place), []
    for start in range(0, len(counts), _CHUNK):
        part = counts[start : start + _CHUNK]
        part = part if rates.place else part[..., ::-1, ::-1]
        undefined = [np.isnan(rate.values(part, rates.place)).any(axis=1) for rate in criterion.rates]
        found.append(np.where(np.any(undefined, axis=0), np.nan, criterion.differences(table, part)))
    return np.concatenate(found)


def _worth(objective: Objective, counts: np.ndarray, *, positives: float, negatives: float) -> np.ndarray:
    """Return the objective at each width, larger being better; NaN where it is undefined."""
    parts = objective.coefficients(positives, negatives)
    overall = counts[..., 1].sum(axis=1)
    design = np.stack([np.ones(len(overall)), overall[:, 1], overall[:, 0]], axis=1)
    numerator, denominator = (design @ part for part in parts)
    return np.divide(numerator, denominator, out=np.full(len(design), np.nan), where=denominator > 0)


def _front(gaps: np.ndarray, worth: np.ndarray, widths: np.ndarray, sign: float) -> dict[str, np.ndarray]:
    """Return the points that no other one beats in both."""
    order = np.lexsort((widths, -worth, gaps))
    order = order[~np.isnan(gaps[order]) & ~np.isnan(worth[order])]
    before = np.append(-np.inf, np.maximum.accumulate(worth[order])[:-1]) if len(order) else np.zeros(0)
    kept = order[worth[order] > before + 1e-12]
    return {"gap": gaps[kept], "objective": sign * worth[kept], "width": widths[kept]}
