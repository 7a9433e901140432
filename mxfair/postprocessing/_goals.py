"""What thresholds are chosen for: an objective of the overall table, and the rates that should agree between groups.

With P positives and N negatives given, all counts of a group are sums of 1, its true and its false positives, and a
rate is a quotient of two such sums: coefficients of shape (3,).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from mxfair._validation import InputError, InputTypeError
from mxfair.criterion import Criterion, LossCriterion
from mxfair.postprocessing._curves import Curve
from mxfair.rate import RATES, CompositeRate, Rate, rate_named

_BALANCED = RATES["balanced_accuracy"]


def affine(cells: np.ndarray, positives: float, negatives: float) -> np.ndarray:
    """Return coefficients of (1, true positives, false positives) of a weighted sum of the cells of a table."""
    (neither, false), (missed, both) = cells
    return np.array([neither * negatives + missed * positives, both - missed, false - neither])


def parts_of(rate: Any, place: int, positives: float, negatives: float) -> tuple[np.ndarray, np.ndarray] | None:
    """Return numerator and denominator as weights of the cells, negatives first; None where a rate is no quotient."""
    if rate == _BALANCED:
        halves = np.divide(0.5, [negatives, positives], where=np.array([negatives, positives]) > 0, out=np.zeros(2))
        defined = 1.0 / (positives + negatives) if min(positives, negatives) > 0 else 0.0
        return np.diag(halves), np.full((2, 2), defined)
    if not isinstance(rate, Rate):
        return None
    numerator, denominator = (mask.astype(float) for mask in rate.masks(2, place))
    return (numerator, denominator) if place else (numerator[::-1, ::-1], denominator[::-1, ::-1])


class Objective:
    """A rate of the overall table, or an expected cost.

    Parameters
    ----------
    given : str, Rate, balanced accuracy, or costs of shape (2, 2)
    place : int
        The place of the positive class among the two.
    """

    def __init__(self, given: Any, place: int) -> None:
        self._rate, self._costs, self._place = None, None, place
        if isinstance(given, (str, Rate, CompositeRate)):
            self._rate = rate_named(given)
            self.sign = -1.0 if self._rate.larger_is_worse else 1.0
            if parts_of(self._rate, place, 1.0, 1.0) is None:
                raise InputError(
                    f"'objective' must be a quotient of counts, or balanced accuracy; got {self._rate.name}. Choose a "
                    "Rate, or a matrix of costs."
                )
            return
        try:
            self._costs = np.array(given, dtype=float)
        except (TypeError, ValueError) as error:
            raise InputTypeError(f"'objective' must be a rate or a matrix of costs; got {given!r}.") from error
        if self._costs.shape != (2, 2) or not np.isfinite(self._costs).all():
            raise InputError(
                f"'objective' must be a rate or finite costs of shape (2, 2); got {given!r}. Give the cost of each "
                "(label, decision), negatives first: [[0, 1], [5, 0]] where a false negative costs 5."
            )
        self.sign = -1.0

    def coefficients(self, positives: float, negatives: float) -> tuple[np.ndarray, np.ndarray]:
        """Return what the overall numerator, signed so that more is better, and denominator are made of."""
        if self._costs is not None:
            parts = self._costs, np.ones((2, 2))
        else:
            found = parts_of(self._rate, self._place, positives, negatives)
            if found is None:
                raise InputError("'objective' must be a quotient of counts.")
            parts = found
        numerator, denominator = (affine(part, positives, negatives) for part in parts)
        return self.sign * numerator, denominator


@dataclass(frozen=True)
class Rates:
    """The criterion's rates at each point of each group's curve.

    Parameters
    ----------
    criterion : Criterion
    place : int
        The place of the positive class among the two.
    """

    criterion: Criterion
    place: int

    def __post_init__(self) -> None:
        if isinstance(self.criterion, LossCriterion):
            raise InputError(f"'criterion' must be one of decisions; got {self.criterion.name}. Losses have none.")
        if self.criterion.agg == "signed":
            raise InputError("'criterion' must not have agg='signed', in which gaps cancel. Use agg='max' or 'mean'.")

    def budget(self, max_gap: float) -> float:
        """Return what the gaps of all rates may be together, or each of them with agg="max"."""
        return max_gap * len(self.criterion.rates) if self.criterion.agg == "mean" else max_gap

    @property
    def joint(self) -> bool:
        """Whether the rates share one budget."""
        return self.criterion.agg != "max" and len(self.criterion.rates) > 1

    @property
    def moving(self) -> bool:
        """Whether a rate is no quotient of counts, or one whose denominator depends on the decisions."""
        parts = [parts_of(rate, self.place, 1.0, 1.0) for rate in self.criterion.rates]
        return any(part is None or np.abs(affine(part[1], 1.0, 1.0)[1:]).any() for part in parts)

    def values(self, curve: Curve) -> np.ndarray:
        """Return the rates at each point, shape (n_points, n_rates), NaN where undefined."""
        tables = curve.tables() if self.place else curve.tables()[:, ::-1, ::-1]
        return np.stack([rate.values(tables, self.place) for rate in self.criterion.rates], axis=1)

    def coefficients(self, curve: Curve) -> np.ndarray:
        """Return numerators' and denominators' coefficients of a group, shape (n_rates, 2, 3)."""
        found = []
        for rate in self.criterion.rates:
            parts = parts_of(rate, self.place, curve.positives, curve.negatives)
            if parts is None:
                raise InputError(
                    f"The criterion's rates must be quotients of counts for randomized thresholds; got {rate.name}. "
                    "Use randomized=False."
                )
            found.append([affine(part, curve.positives, curve.negatives) for part in parts])
        return np.array(found)

    def check_defined(self, curves: list[Curve], names: list[str], label: Any) -> None:
        """Refuse a group in which a rate is undefined whatever the threshold."""
        for name, curve in zip(names, curves):
            ends = curve.take(np.unique(np.linspace(0, len(curve.hits) - 1, 1000).astype(int)))
            defined = ~np.isnan(self.values(ends))
            if not defined.any(axis=0).all():
                defined = ~np.isnan(self.values(curve))
            for rate, some in zip(self.criterion.rates, defined.any(axis=0)):
                if not some:
                    raise InputError(
                        f"Every group must have samples that define {rate.name} ({self.criterion.name}); group "
                        f"'{name}' has {rate.needs(label)}. Add rows, merge it with another group, or leave it out."
                    )
