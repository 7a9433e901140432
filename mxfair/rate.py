"""Rate: a numerator and a denominator over the label x prediction plane."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable

import numpy as np

from mxfair._validation import InputError, one_of
from mxfair.confusion import GroupConfusion

__all__ = ["RATES", "Rate", "RateTable"]

#: Takes grids of class indices (label, prediction) and the index of the positive class, returns a mask.
Mask = Callable[[Any, Any, int], Any]


@dataclass(frozen=True)
class RateTable:
    """A rate by group, with what it was computed from.

    Parameters
    ----------
    rate : Rate
        The rate.
    groups : tuple of str
        Names of the groups.
    values, numerator, denominator : ndarray of shape (n_groups,)
        The rate and its two sums; the rate is NaN where the denominator is 0.
    overall : float
        The rate over all samples.
    known : ndarray of bool, shape (n_groups,)
        False for samples whose sensitive attribute is missing: gaps leave them out.
    """

    rate: Rate
    groups: tuple[str, ...]
    values: np.ndarray
    numerator: np.ndarray
    denominator: np.ndarray
    overall: float
    known: np.ndarray

    @property
    def defined(self) -> np.ndarray:
        """Groups that a gap compares: known ones whose rate is defined, shape (n_groups,)."""
        return self.known & ~np.isnan(self.values)


@dataclass(frozen=True)
class Rate:
    """A share of samples: those in `numerator` among those in `given`.

    The masks are functions of (label, pred, positive): grids of class indices and the index of the class that counts as
    positive. One definition serves hard counts, soft counts and losses, for any number of classes.

    Parameters
    ----------
    name : str
        Name in tables, in the field's spelling.
    numerator, given : callable
        ``mask(label, pred, positive)``. Only the part of the numerator inside `given` counts.
    per_class : bool, default=True
        Whether the rate depends on the positive class; accuracy does not.

    Notes
    -----
    A rate whose denominator is 0 is undefined: NaN, never 0 or 1.

    Examples
    --------
    >>> from mxfair import GroupConfusion, Rate
    >>> recall = Rate("recall", lambda y, p, c: (y == c) & (p == c), given=lambda y, p, c: y == c)
    >>> recall(GroupConfusion.of([1, 1, 0], [1, 0, 0], ["a", "a", "b"])).values
    array([0.5, nan])
    """

    name: str
    numerator: Mask
    given: Mask
    per_class: bool = True

    def masks(self, n_classes: int, positive: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the numerator's and the denominator's masks over (label, prediction).

        Parameters
        ----------
        n_classes : int
            Number of classes K.
        positive : int
            Index of the positive class.

        Returns
        -------
        numerator, denominator : ndarray of bool, shape (K, K)
        """
        label, pred = np.indices((n_classes, n_classes))
        shape = (n_classes, n_classes)
        given = np.broadcast_to(np.asarray(self.given(label, pred, positive), dtype=bool), shape)
        return np.asarray(self.numerator(label, pred, positive), dtype=bool) & given, given

    def __call__(self, table: GroupConfusion, *, positive: int | None = None) -> RateTable:
        """Return the rate by group.

        Parameters
        ----------
        table : GroupConfusion
            The counts.
        positive : int, optional
            Index of the positive class. Default: the last class.

        Returns
        -------
        RateTable
        """
        n_classes = len(table.classes)
        numerator_mask, given = self.masks(n_classes, n_classes - 1 if positive is None else positive)
        numerator, denominator = table.counts[:, numerator_mask].sum(axis=1), table.counts[:, given].sum(axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            values = np.where(denominator > 0, numerator / denominator, np.nan)
            overall = numerator.sum() / denominator.sum() if denominator.sum() > 0 else np.nan
        return RateTable(self, table.groups, values, numerator, denominator, float(overall), table.known)

    def __repr__(self) -> str:
        return f"Rate({self.name})"


def _everything(label: Any, pred: Any, positive: int) -> Any:
    return np.ones_like(label, dtype=bool)


def _labelled(label: Any, pred: Any, positive: int) -> Any:
    return label == positive


def _not_labelled(label: Any, pred: Any, positive: int) -> Any:
    return label != positive


def _selected(label: Any, pred: Any, positive: int) -> Any:
    return pred == positive


def _rejected(label: Any, pred: Any, positive: int) -> Any:
    return pred != positive


def _correct(label: Any, pred: Any, positive: int) -> Any:
    return label == pred


#: The rates by name.
RATES: dict[str, Rate] = {
    rate.name: rate
    for rate in (
        Rate("selection_rate", _selected, _everything),
        Rate("base_rate", _labelled, _everything),
        Rate("true_positive_rate", _selected, _labelled),
        Rate("false_negative_rate", _rejected, _labelled),
        Rate("false_positive_rate", _selected, _not_labelled),
        Rate("true_negative_rate", _rejected, _not_labelled),
        Rate("positive_predictive_value", _labelled, _selected),
        Rate("false_discovery_rate", _not_labelled, _selected),
        Rate("negative_predictive_value", _not_labelled, _rejected),
        Rate("false_omission_rate", _labelled, _rejected),
        Rate("accuracy", _correct, _everything, per_class=False),
    )
}


def rate_named(rate: str | Rate) -> Rate:
    """Return a rate given by name or as it is."""
    return rate if isinstance(rate, Rate) else RATES[one_of(rate, RATES, "rate")]


def class_index(table_classes: np.ndarray, positive: Any) -> int:
    """Return the place of the positive class among the classes; the last one by default."""
    if positive is None:
        return len(table_classes) - 1
    classes = table_classes.tolist()
    if positive not in classes:
        raise InputError(f"'positive' must be one of the classes {classes}; got {positive!r}.")
    return classes.index(positive)
