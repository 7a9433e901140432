"""What members say of the rows that they were not trained on."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from mxfair._validation import InputError, plural
from mxfair.ensemble._combine import combined
from mxfair.groups import Groups

__all__ = ["OutOfBag", "check_some", "of_others"]


@dataclass(frozen=True)
class OutOfBag:
    """Labels and predictions of the rows that at least one member was not trained on."""

    rows: np.ndarray
    n_samples: int
    labels: np.ndarray
    preds: np.ndarray
    groups: Groups | None
    weight: np.ndarray | None
    scores: np.ndarray | None = None

    def intervals(self, groups: Any, options: dict[str, Any]) -> Any:
        """Return `mxfair.metric.confidence_intervals` of the rows."""
        from mxfair.metric import confidence_intervals

        if groups is None and self.groups is None:
            raise InputError("'groups' must be given; got none, and fit had none. Pass oob_report(groups).")
        known = self.groups
        if groups is not None:
            known = groups if isinstance(groups, Groups) else Groups(groups)
            if len(known) != self.n_samples:
                raise InputError(
                    f"'groups' must be those of all {self.n_samples} training rows; got {len(known)}. Rows without an "
                    "out-of-bag member are left out here."
                )
            known = known.take(self.rows)
        return confidence_intervals(self.labels, self.preds, known, sample_weight=self.weight, **options)


def check_some(used: np.ndarray) -> np.ndarray:
    """Return the rows that some member does not use, shape (n_rows,); `used` has shape (n_members, n_samples)."""
    rows = np.flatnonzero(~used.all(axis=0))
    if not len(rows):
        raise InputError(
            "'oob_score' must be False where every member is trained on every row; got True. Use bootstrap=True, or a "
            "max_samples below 1."
        )
    missing = used.shape[1] - len(rows)
    if missing:
        warnings.warn(
            f"{plural(missing, 'row')} of {used.shape[1]} {'was' if missing == 1 else 'were'} used by all members and "
            "left out of the out-of-bag figures. Raise n_estimators.",
            UserWarning,
            stacklevel=4,
        )
    return rows


def of_others(scores: np.ndarray, used: np.ndarray, how: str, *, probability: bool) -> np.ndarray:
    """Return the combination of the members that do not use a row, shape (n_samples, n_outputs).

    Parameters
    ----------
    scores : ndarray of shape (n_members, n_samples, n_outputs)
    used : ndarray of bool, shape (n_members, n_samples)
    how : str
        As for `Ensemble`.
    probability : bool
    """
    values = np.ascontiguousarray(scores.transpose(2, 0, 1), dtype=np.float64)
    return combined(values, (~used).astype(np.float64), how, probability=probability)
