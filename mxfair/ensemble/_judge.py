"""Members judged by the same rows: their figures, errors and intervals, and what they disagree on."""

from __future__ import annotations

from typing import Any

import numpy as np

from mxfair._validation import InputError, labels_vector, numeric_labels, same_length, to_numpy
from mxfair.criterion import criterion_named
from mxfair.ensemble._paired import MEANS, Decided, Estimated, multiplicity, prediction_spread
from mxfair.groups import Groups
from mxfair.uncertainty import gap_interval

__all__ = ["Judge"]

#: A figure that more than this share of the resamples leaves undefined has no standard error.
MAX_UNDEFINED = 0.05


class Judge:
    """Predictions of K members, checked, with the labels and groups of the rows."""

    def __init__(
        self, preds: Any, labels: Any, groups: Any, criterion: Any, *, positive: Any = None, combined: Any = None
    ) -> None:
        self.groups = groups if isinstance(groups, Groups) else Groups(groups)
        self._mean = isinstance(criterion, str) and criterion in MEANS
        self._criterion = criterion
        self.labels = self._read(labels, "y")
        if not len(self.labels):
            raise InputError("'y' must hold at least one sample; got none.")
        rows = [self._read(to_numpy(one), "preds") for one in preds]
        if not rows:
            raise InputError("'preds' must hold a row for each member; got none.")
        for row in rows:
            same_length(preds=row, y=self.labels, groups=self.groups)
        self.n_members = len(rows)
        if combined is not None:
            rows.append(self._read(to_numpy(combined), "combined"))
            same_length(combined=rows[-1], y=self.labels)
        self._rows = np.array(rows)  # of the members, and last that of the ensemble
        self.preds = self._rows[: self.n_members]
        if not self._mean:
            chosen = criterion_named(criterion)
            self._criterion = chosen if positive is None else chosen.with_positive(positive)
        self.name = str(criterion) if self._mean else self._criterion.name
        kind: Any = Estimated if self._mean else Decided
        self.state = kind(self.labels, self._rows, self.groups, self._criterion)
        self.score, self.gap = self.state.figures(self.state.counts.astype(float))

    def _read(self, values: Any, name: str) -> np.ndarray:
        return numeric_labels(values, name) if self._mean else labels_vector(values, name)

    def member(self, number: Any) -> int:
        """Return the number of a member."""
        if isinstance(number, bool) or not isinstance(number, (int, np.integer)) or not 0 <= number < len(self.preds):
            raise InputError(f"'baseline' must be the number of a member, below {len(self.preds)}; got {number!r}.")
        return int(number)

    def multiplicity(self, baseline: int, epsilon: float | None) -> tuple[Any, Any, Any]:
        """Return ambiguity, discrepancy and disagreement."""
        if epsilon is not None and (
            isinstance(epsilon, bool) or not isinstance(epsilon, (int, float, np.number)) or not epsilon >= 0
        ):
            raise InputError(f"'epsilon' must be a number, 0 or more, or None; got {epsilon!r}. Pass, e.g., 0.01.")
        if self._mean:
            return None, None, prediction_spread(self.preds, self.groups)
        score = self.score[: self.n_members]
        near = score >= score[baseline] - (np.inf if epsilon is None else epsilon)
        return multiplicity(self.preds, self.groups, baseline, near)

    def resampled(
        self, n_resamples: int, rng: np.random.Generator, level: float
    ) -> tuple[np.ndarray, dict[str, float], list[tuple[float, float]]]:
        """Return the standard error of each gap, what differs between members by the rows alone, and intervals."""
        figures, means = [], []
        for counts in self.state.draws(n_resamples, rng):
            figures.append(self.state.figures(counts))
            if self._mean:
                means.append(self.state.means(counts))
        score, gap = (np.concatenate([part[place] for part in figures]) for place in (0, 1))
        places = range(len(self._rows))
        if self._mean:
            drawn, own = np.concatenate(means), self.state.means(self.state.counts)
            ends = [gap_interval(drawn[:, None, :, k], own[None, :, k], level=level) for k in places]
        else:
            ends = [self._interval(self._rows[k], level, n_resamples, rng) for k in places]
        count = self.n_members
        errors = _kept(gap[:, :count]).std(axis=0, ddof=1)
        return errors, {"score": _rows_sd(score[:, :count]), "gap": _rows_sd(gap[:, :count])}, ends

    def _interval(
        self, preds: np.ndarray, level: float, n_resamples: int, rng: np.random.Generator
    ) -> tuple[float, float]:
        """Return the confidence interval of the gap of one member's decisions."""
        from mxfair.metric import confidence_intervals

        options: dict[str, Any] = {"metrics": "accuracy", "criteria": [self._criterion], "task": "classification"}
        table = confidence_intervals(
            self.labels, preds, self.groups, level=level, n_resamples=n_resamples, seed=rng, **options
        )
        row = table.xs((self.name, "difference"), level=(0, 1)).iloc[0]
        return float(row["low"]), float(row["high"])


def _kept(values: np.ndarray) -> np.ndarray:
    """Return the resamples in which all members' figures are defined; NaN where these are too few."""
    undefined = np.isnan(values).any(axis=1)
    return np.full((2, values.shape[1]), np.nan) if undefined.mean() > MAX_UNDEFINED else values[~undefined]


def _rows_sd(values: np.ndarray) -> float:
    kept = _kept(values)
    if values.shape[1] < 2:
        return float("nan")
    errors = kept - kept.mean(axis=0)
    return float(np.sqrt(errors.var(axis=1, ddof=1).mean()))
