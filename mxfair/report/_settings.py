"""How a report takes gaps: against which group, by which toolkit's convention, from how many samples on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mxfair._encoding import group_text
from mxfair._validation import InputError, one_of
from mxfair.criterion import Criterion
from mxfair.group_metric import GroupMetric
from mxfair.metric._convention import COMPAT, Comparison, comparison


@dataclass(frozen=True)
class Settings:
    """How gaps are taken.

    Parameters
    ----------
    reference : str or None
        The group that each other one is compared with; None compares all groups.
    compat : str or None
        The toolkit whose convention is used.
    min_support : float
        Groups with fewer samples behind a figure are left out of its gap.
    """

    reference: str | None = None
    compat: str | None = None
    min_support: float = 0.0

    @classmethod
    def of(cls, reference: Any, compat: str | None, min_support: Any, evaluation: Any) -> Settings:
        """Check settings against the groups of an evaluation."""
        name = None if reference is None else group_text(reference)
        table = evaluation.table
        if name is not None:
            one_of(name, [g for g, known in zip(table.groups, table.known) if known], "reference")
        if compat is not None:
            one_of(compat, COMPAT, "compat")
        number = isinstance(min_support, (int, float, np.number)) and not isinstance(min_support, bool)
        if not number or not 0 <= min_support < np.inf:
            raise InputError(f"'min_support' must be a number of samples from 0 on; got {min_support!r}. Give 30, say.")
        if evaluation.task == "regression" and (name is not None or compat is not None):
            raise InputError(
                "'reference' and 'compat' must be left out for a regression; they are conventions for decisions. "
                "Leave them out."
            )
        return cls(name, compat, float(min_support))

    def comparison(self, criterion: Criterion) -> Comparison:
        """Return how a criterion is compared."""
        return comparison(criterion, reference=self.reference, compat=self.compat)

    def enough(self, metric: GroupMetric) -> GroupMetric:
        """Return a figure without the values of groups that have too few samples behind it."""
        if not self.min_support:
            return metric
        return replace(metric, values=np.where(self.scarce(metric), np.nan, metric.values))

    def scarce(self, metric: GroupMetric) -> np.ndarray:
        """Return which groups have some samples behind a figure, and too few, shape (n_groups,)."""
        return (metric.support < self.min_support) & ~np.isnan(metric.values)

    @property
    def in_words(self) -> str:
        """How gaps are taken, in a sentence; '' for the largest minus the smallest value of all groups."""
        parts = []
        if self.compat is not None:
            against = f", against {self.reference}" if self.reference is not None else ""
            parts.append(f"Gaps follow the convention of {self.compat}{against}.")
        elif self.reference is not None:
            parts.append(f"Gaps are distances to the group {self.reference}.")
        if self.min_support:
            parts.append(
                f"Groups with fewer than {self.min_support:g} samples behind a figure are left out of its gap."
            )
        return " ".join(parts)
