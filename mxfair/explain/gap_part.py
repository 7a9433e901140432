"""What a decomposed gap is: contributions of columns to the difference between two groups, with their errors."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from mxfair._short_repr import short_repr

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["GapPart"]

#: Names of rows that are no columns; brackets keep them apart from these.
LABELS, REMAINDER, GAP = "(labels)", "(remainder)", "(gap)"


@dataclass(frozen=True, eq=False)
class GapPart:
    r"""One gap, between two groups, as a sum over columns.

    The columns' contributions, what labels alone make of it, and the remainder sum to ``gap``, exactly.

    Parameters
    ----------
    group, against : str
        The two groups: differences are of `group` minus `against`; "rest" is all other known groups.
    condition : str
        Which samples are compared: "all", or those of a label, as in "label 1".
    counts : tuple of (int, int)
        Samples of the two groups.
    means : tuple of (float, float)
        The groups' mean outputs.
    names : tuple of str
        Names of the rows: the columns, then "(labels)" and "(remainder)".
    values : ndarray of float, shape (n_columns + 2,)
        Difference of the groups' means, in the unit of the output: of each column's contributions; of the outputs at
        the baseline, which differ only where they depend on the label (explained losses); of what the contributions
        miss.
    covariance : ndarray of float, shape (n_columns + 2, n_columns + 2)
        Of `values`: the sum of the groups' covariances, each divided by the group's count.
    spread : float
        Standard deviation of the outputs of both groups together: a unit for gaps of different models.
    rates : tuple of (float, float), optional
        The groups' selection rates, where there are decisions; else NaN.
    level : float, default=0.95
        Confidence level of the intervals.

    Examples
    --------
    >>> import numpy as np
    >>> values, covariance = np.array([2.0, 0.5, 0.0, 0.1]), np.diag([0.04, 0.01, 0.0, 0.0])
    >>> names = ("age", "job", "(labels)", "(remainder)")
    >>> part = GapPart("m", "f", "all", (50, 50), (1.6, -1.0), names, values, covariance, 1.3)
    >>> round(part.gap, 3), part.top(1), round(part.additivity_error, 3)
    (2.6, ['age'], 0.038)
    """

    group: str
    against: str
    condition: str
    counts: tuple[int, int]
    means: tuple[float, float]
    names: tuple[str, ...] = field(repr=False)
    values: np.ndarray
    covariance: np.ndarray
    spread: float
    rates: tuple[float, float] = (math.nan, math.nan)
    level: float = 0.95

    __repr__ = short_repr

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns."""
        return self.names[:-2]

    @property
    def gap(self) -> float:
        """Mean output of `group` minus that of `against`."""
        return self.means[0] - self.means[1]

    @property
    def gap_error(self) -> float:
        """Standard error of the gap."""
        return self._error(np.ones(len(self.names)))

    @property
    def total(self) -> float:
        """Sum of the columns' contributions, without the rows in brackets."""
        return float(self.values[:-2].sum())

    @property
    def total_error(self) -> float:
        """Standard error of `total`; contributions of a row hang together, so that it is no sum of theirs."""
        return self._error(np.r_[np.ones(len(self.columns)), 0.0, 0.0])

    @property
    def remainder(self) -> float:
        """What the contributions miss of the gap."""
        return float(self.values[-1])

    @property
    def additivity_error(self) -> float:
        """The remainder's size as part of the gap."""
        return abs(self.remainder / self.gap) if self.gap else math.nan

    @property
    def standardized(self) -> float:
        """The gap in standard deviations of the outputs: comparable between models, as the gap is not."""
        return self.gap / self.spread if self.spread else math.nan

    @property
    def rate_gap(self) -> float:
        """Selection rate of `group` minus that of `against`; NaN without decisions."""
        return self.rates[0] - self.rates[1]

    @property
    def standard_errors(self) -> np.ndarray:
        """Standard error of each of `values`, shape (n_columns + 2,)."""
        return np.sqrt(np.diag(self.covariance))

    def _error(self, weights: np.ndarray) -> float:
        return float(np.sqrt(max(weights @ self.covariance @ weights, 0.0)))

    def _quantile(self) -> float:
        """Return the quantile of Student's t; degrees of freedom of the smaller group never promise too much."""
        from scipy.stats import t

        return float(t.ppf((1 + self.level) / 2, max(min(self.counts) - 1, 1)))

    def top(self, count: int) -> list[str]:
        """Return the columns with the largest contributions, whatever their sign.

        Parameters
        ----------
        count : int

        Returns
        -------
        list of str
        """
        return [self.names[i] for i in self._order()[:count]]

    def _order(self) -> np.ndarray:
        return np.argsort(-np.abs(self.values[:-2]), kind="stable")

    def to_frame(self, top: int | None = None) -> pd.DataFrame:
        """Return a row per column, the largest contribution first, then the rows in brackets; the last is the gap.

        Parameters
        ----------
        top : int, optional
            Columns with a row of their own; the others are one row. Default: all.

        Returns
        -------
        pandas.DataFrame
            ``contribution``, ``standard_error``, ``low`` and ``high`` in the output's unit, and ``share`` of the gap.
        """
        k = len(self.columns)
        kept = k if top is None or k - top <= 1 else top
        return self._table(self.top(kept), self._labels_count())

    def _labels_count(self) -> bool:
        """Return whether labels alone make a difference, beyond rounding."""
        return bool(max(abs(self.values[-2]), self.standard_errors[-2]) > 1e-9 * self.spread)

    def _table(self, kept: list[str], labels: bool) -> pd.DataFrame:
        """Return the rows of some columns in their order, the others as one row, and the rows in brackets."""
        import pandas as pd

        names, one = list(self.names), np.eye(len(self.names))
        rows = {name: one[names.index(name)] for name in kept}
        others = [i for i, name in enumerate(self.columns) if name not in rows]
        if others:
            rows[f"({len(others)} other columns)"] = one[others].sum(axis=0)
        if labels:
            rows[LABELS] = one[-2]
        rows.update({REMAINDER: one[-1], GAP: np.ones(len(names))})
        value = np.array([float(weights @ self.values) for weights in rows.values()])
        error = np.array([self._error(weights) for weights in rows.values()])
        margin = self._quantile() * error
        share = value / self.gap if self.gap else np.full(len(rows), np.nan)
        data = {"contribution": value, "standard_error": error, "low": value - margin, "high": value + margin}
        return pd.DataFrame({**data, "share": share}, index=pd.Index(list(rows), name="column"))

    def headline(self) -> str:
        """Return the gap in one line, with its size in standard deviations and the gap between rates beside it.

        Returns
        -------
        str
        """
        where = "" if self.condition == "all" else f", {self.condition}"
        text = (
            f"{self.group} ({self.counts[0]:,}) minus {self.against} ({self.counts[1]:,}){where}: "
            f"{self.means[0]:.3f} - {self.means[1]:.3f} = {self.gap:.3f} "
            f"(standard error {self.gap_error:.3f}; {self.standardized:.2f} sd)"
        )
        if not math.isnan(self.rate_gap):
            text += f"; selection rates {self.rates[0]:.3f} - {self.rates[1]:.3f} = {self.rate_gap:.3f}"
        return text.replace("- -", "+ ")
