"""What a comparison with a reference population holds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mxfair._short_repr import short_repr

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class GroupComparison:
    r"""Shares of groups in the data beside those of the reference.

    Parameters
    ----------
    name : str
        Name of the attribute.
    groups : tuple of str
        All groups, those of the data first; none is left out.
    counts : ndarray of float, shape (n_groups,)
        Rows (or their weight) in the data.
    shares, reference_shares : ndarray of float, shape (n_groups,)
        Shares among the rows whose group is known, p and q.
    low, high : ndarray of float, shape (n_groups,)
        Wilson interval of the shares of the data.
    expected : ndarray of float, shape (n_groups,)
        Rows that the chi-square test expects in the data.
    n_unknown : float
        Rows (or their weight) in the data of which the attribute is missing; no share counts them.
    effective_size : float
        Kish's effective number of rows with a known group: their number where there are no weights.
    reference_size : float or None
        Rows of the reference, where it is a sample; None for a population whose shares are known.
    level : float
        Confidence level of the intervals.
    """

    name: str
    groups: tuple[str, ...]
    counts: np.ndarray
    shares: np.ndarray
    reference_shares: np.ndarray
    low: np.ndarray
    high: np.ndarray
    expected: np.ndarray
    n_unknown: float
    effective_size: float
    reference_size: float | None
    level: float

    @property
    def differences(self) -> np.ndarray:
        """Share in the data minus share in the reference, p - q: below 0 for a group that is too rare."""
        return self.shares - self.reference_shares

    @property
    def ratios(self) -> np.ndarray:
        """Share in the data divided by that in the reference, p / q; infinite where the reference lacks the group."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return self.shares / self.reference_shares

    @property
    def standardized(self) -> np.ndarray:
        """Standardised differences, (p - q) / sqrt((p (1 - p) + q (1 - q)) / 2); above .1 is commonly called large."""
        p, q = self.shares, self.reference_shares
        spread = np.sqrt((p * (1 - p) + q * (1 - q)) / 2)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(self.differences == 0, 0.0, self.differences / spread)

    @property
    def missing_groups(self) -> tuple[str, ...]:
        """Groups of the reference without a row in the data."""
        return tuple(g for g, n, q in zip(self.groups, self.counts, self.reference_shares) if n == 0 and q > 0)

    @property
    def extra_groups(self) -> tuple[str, ...]:
        """Groups of the data without a share in the reference."""
        return tuple(g for g, n, q in zip(self.groups, self.counts, self.reference_shares) if n > 0 and q == 0)

    @property
    def small_expected(self) -> tuple[str, ...]:
        """Groups with fewer than 5 expected rows: chi-square's p-value is not to be relied on."""
        return tuple(g for g, expected in zip(self.groups, self.expected) if 0 < expected < 5)

    @property
    def degrees_of_freedom(self) -> int:
        """Groups that occur in the data or in the reference, minus 1."""
        return int(((self.counts > 0) | (self.reference_shares > 0)).sum()) - 1

    @property
    def chi_square(self) -> float:
        """Pearson's statistic; NaN where a group of the data has no share in a reference population, or with one group.

        Against a population of known shares it tests goodness of fit, against a sample homogeneity of both.
        """
        return self._test()[0]

    @property
    def p_value(self) -> float:
        """Probability of so large a statistic where the data are a simple random sample of the reference."""
        return self._test()[1]

    @property
    def cohen_w(self) -> float:
        """Effect size sqrt(sum (p - q)^2 / q): .1 small, .3 medium, .5 large; infinite where q is 0 and p is not."""
        p, q = self.shares, self.reference_shares
        if (p[q == 0] > 0).any():
            return float("inf")
        return float(np.sqrt(((p - q)[q > 0] ** 2 / q[q > 0]).sum()))

    def _test(self) -> tuple[float, float]:
        from scipy import stats

        there = (self.counts > 0) | (self.reference_shares > 0)
        if there.sum() < 2 or (self.reference_size is None and self.extra_groups):
            return float("nan"), float("nan")
        observed = self.shares[there] * self.effective_size
        if self.reference_size is None:
            found = stats.chisquare(observed, self.reference_shares[there] * self.effective_size)
        else:
            both = np.stack([observed, self.reference_shares[there] * self.reference_size])
            found = stats.chi2_contingency(both, correction=False)
        return float(found[0]), float(found[1])

    @property
    def tested(self) -> str:
        """What was tested, or why nothing was."""
        if self.degrees_of_freedom < 1:
            return "no test: one group"
        if self.reference_size is None and self.extra_groups:
            return f"no test: the reference has no share of {', '.join(self.extra_groups)}"
        return "goodness of fit" if self.reference_size is None else "homogeneity of two samples"

    def to_frame(self) -> pd.DataFrame:
        """Return a row for each group.

        Returns
        -------
        pandas.DataFrame
        """
        import pandas as pd

        columns = {
            "count": self.counts,
            "share": self.shares,
            "low": self.low,
            "high": self.high,
            "reference": self.reference_shares,
            "difference": self.differences,
            "ratio": self.ratios,
            "standardized": self.standardized,
            "expected": self.expected,
        }
        return pd.DataFrame(columns, index=pd.Index(self.groups, name=self.name))


@dataclass(frozen=True)
class NumberComparison:
    """A numeric column in the data beside the reference.

    Parameters
    ----------
    name : str
        Name of the column.
    mean, std, reference_mean, reference_std : float
        Over the rows in which it is not missing.
    n_missing : int
        Rows of the data in which it is missing.
    """

    name: str
    mean: float
    std: float
    reference_mean: float
    reference_std: float
    n_missing: int

    __repr__ = short_repr

    @property
    def standardized(self) -> float:
        """Standardised difference, (mean - reference mean) / sqrt((std^2 + reference std^2) / 2)."""
        difference = self.mean - self.reference_mean
        spread = float(np.sqrt((self.std**2 + self.reference_std**2) / 2))
        if spread == 0:
            return 0.0 if difference == 0 else float(np.copysign(np.inf, difference))
        return difference / spread

    @property
    def variance_ratio(self) -> float:
        """Variance divided by that of the reference."""
        return self.std**2 / self.reference_std**2 if self.reference_std else float("nan")


class ReferenceComparison(Mapping[str, "GroupComparison | NumberComparison"]):
    """The data beside a reference population: a mapping of columns to `GroupComparison` or `NumberComparison`.

    Parameters
    ----------
    columns : mapping of str to GroupComparison or NumberComparison
        One for each column that was compared.
    """

    def __init__(self, columns: Mapping[str, GroupComparison | NumberComparison]) -> None:
        self._columns = dict(columns)

    def __getitem__(self, name: str) -> GroupComparison | NumberComparison:
        return self._columns[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        return len(self._columns)

    @property
    def groups(self) -> dict[str, GroupComparison]:
        """The columns of groups."""
        return {name: part for name, part in self.items() if isinstance(part, GroupComparison)}

    @property
    def numbers(self) -> dict[str, NumberComparison]:
        """The columns of numbers."""
        return {name: part for name, part in self.items() if isinstance(part, NumberComparison)}

    def to_frame(self) -> pd.DataFrame:
        """Return a row for each group of each attribute; those of numbers are in `numbers_frame`.

        Returns
        -------
        pandas.DataFrame
        """
        import pandas as pd

        parts = {name: part.to_frame() for name, part in self.groups.items()}
        return pd.concat(parts, names=["attribute", "group"]) if parts else pd.DataFrame()

    def tests_frame(self) -> pd.DataFrame:
        """Return a row for each attribute: chi-square, degrees of freedom, p-value, Cohen's w, what is to be said.

        Returns
        -------
        pandas.DataFrame
        """
        import pandas as pd

        rows = {
            name: {
                "test": part.tested,
                "chi_square": part.chi_square,
                "degrees_of_freedom": part.degrees_of_freedom,
                "p_value": part.p_value,
                "cohen_w": part.cohen_w,
                "small_expected": ", ".join(part.small_expected),
                "unknown": part.n_unknown,
            }
            for name, part in self.groups.items()
        }
        return pd.DataFrame.from_dict(rows, orient="index")

    def numbers_frame(self) -> pd.DataFrame:
        """Return a row for each numeric column.

        Returns
        -------
        pandas.DataFrame
        """
        import pandas as pd

        fields = ("mean", "std", "reference_mean", "reference_std", "standardized", "variance_ratio", "n_missing")
        rows = {name: {field: getattr(part, field) for field in fields} for name, part in self.numbers.items()}
        return pd.DataFrame.from_dict(rows, orient="index", columns=list(fields))

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain values; what is not finite is None, so that it is JSON.

        Returns
        -------
        dict
        """
        tests = self.tests_frame().to_dict(orient="index")
        found: dict[str, Any] = {}
        for name, part in self.groups.items():
            by_group = part.to_frame().to_dict(orient="index")
            found[name] = {
                **{key: _plain(value) for key, value in tests[name].items()},
                "small_expected": list(part.small_expected),
                "missing_groups": list(part.missing_groups),
                "extra_groups": list(part.extra_groups),
                "level": part.level,
                "groups": {g: {key: _plain(value) for key, value in row.items()} for g, row in by_group.items()},
            }
        numbers = self.numbers_frame().to_dict(orient="index")
        return {**found, **{n: {key: _plain(value) for key, value in row.items()} for n, row in numbers.items()}}

    def __repr__(self) -> str:
        parts = [_text(part) for part in self.groups.values()]
        if self.numbers:
            parts.append(self.numbers_frame().to_string(float_format=lambda value: f"{value:.4g}"))
        return "\n\n".join(parts)


def _text(part: GroupComparison) -> str:
    columns = ["count", "share", "low", "high", "reference", "difference", "ratio", "standardized"]
    whole = {"count": lambda value: f"{value:,.6g}" if value < 1e6 else f"{value:,.0f}"}
    lines = [part.to_frame()[columns].to_string(float_format=lambda value: f"{value:.4g}", formatters=whole)]
    if part.degrees_of_freedom >= 1 and not np.isnan(part.chi_square):
        lines.append(
            f"chi-square {part.chi_square:.4g} ({part.tested}), {part.degrees_of_freedom} degrees of freedom, "
            f"p {part.p_value:.3g}, Cohen's w {part.cohen_w:.3g}"
        )
    else:
        lines.append(part.tested)
    notes = {
        "not in the data": part.missing_groups,
        "not in the reference": part.extra_groups,
        "fewer than 5 expected, the p-value is rough": part.small_expected,
    }
    lines += [f"{note}: {', '.join(groups)}" for note, groups in notes.items() if groups]
    if part.n_unknown:
        lines.append(f"unknown, in no share: {part.n_unknown:g}")
    return "\n".join(lines)


def _plain(value: Any) -> Any:
    value = value.item() if isinstance(value, np.generic) else value
    return None if isinstance(value, float) and not np.isfinite(value) else value
