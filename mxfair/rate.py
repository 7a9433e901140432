"""Rate: a numerator and a denominator over the label x prediction plane."""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Callable

import numpy as np

from mxfair._validation import InputError, one_of
from mxfair.confusion import GroupConfusion
from mxfair.group_metric import GroupMetric

__all__ = ["RATES", "CompositeRate", "Rate"]

#: The masks of up to this many classes are kept: they take 2 K^2 bytes for each rate and class.
MAX_CACHED = 32

#: Takes grids of class indices (label, prediction) and the index of the positive class, returns a mask.
Mask = Callable[[Any, Any, int], Any]


class _ByGroup(ABC):
    """What rates of both kinds do with a table."""

    name: str
    per_class: bool

    @property
    def larger_is_worse(self) -> bool:
        """Whether it is a rate of errors, of which a larger value is worse."""
        return self.name in _ERRORS

    @abstractmethod
    def parts(self, counts: np.ndarray, positive: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the numerator and the denominator."""

    def values(self, counts: np.ndarray, positive: int) -> np.ndarray:
        """Return the rate of each table of counts, NaN where it is undefined.

        Parameters
        ----------
        counts : array of shape (..., n_classes, n_classes)
            Counts by label and prediction; groups, strata and bootstrap resamples on the leading axes.
        positive : int
            Index of the positive class.

        Returns
        -------
        ndarray of shape (...)
        """
        numerator, denominator = self.parts(counts, positive)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(denominator > 0, numerator / denominator, np.nan)

    def each(self, counts: np.ndarray) -> np.ndarray:
        """Return the rate of each class against the rest, shape (..., n_classes); as `values` for each of them.

        Parameters
        ----------
        counts : array of shape (..., n_classes, n_classes)

        Returns
        -------
        ndarray of shape (..., n_classes)
        """
        return np.stack([self.values(counts, place) for place in range(counts.shape[-1])], axis=-1)

    def needs(self, label: Any) -> str:
        """Return what a group lacks where the rate is undefined; `label` is the positive class."""
        return "no samples to compute it from"

    def __call__(self, table: GroupConfusion, *, positive: int | None = None) -> GroupMetric:
        """Return the rate by group.

        Parameters
        ----------
        table : GroupConfusion
            The counts.
        positive : int, optional
            Index of the positive class. Default: the last class.

        Returns
        -------
        GroupMetric
        """
        place = len(table.classes) - 1 if positive is None else positive
        numerator, denominator = self.parts(table.counts, place)
        values = self.values(table.counts, place)
        reason, empty = self.needs(table.classes[place]), table.support == 0
        return GroupMetric(
            self.name,
            table.groups,
            values,
            float(self.values(table.overall, place)),
            table.known,
            denominator,
            numerator,
            {g: "no samples" if e else reason for g, v, e in zip(table.groups, values, empty) if np.isnan(v)},
            table.name,
        )


@dataclass(frozen=True, repr=False)
class Rate(_ByGroup):
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
    share : bool, default=True
        Whether it is a share. If not, the masks are weights, all of the numerator counts, and the rate is the quotient
        of the two sums: false negatives by false positives, say.

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
    share: bool = True

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
        return (_masks if n_classes <= MAX_CACHED else _masks.__wrapped__)(self, n_classes, positive)

    def each(self, counts: np.ndarray) -> np.ndarray:
        """Return the rate of each class against the rest, shape (..., n_classes); as `values` for each of them.

        Parameters
        ----------
        counts : array of shape (..., n_classes, n_classes)

        Returns
        -------
        ndarray of shape (..., n_classes)
        """
        return self.values(each_against_rest(counts), 1) if self.versus_rest else super().each(counts)

    @property
    def versus_rest(self) -> bool:
        """Whether the rate asks of a label and a prediction only whether they are the positive class.

        The table of that class against the rest then says all, whatever the number of classes.
        """
        return _versus_rest(self)

    def parts(self, counts: np.ndarray, positive: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the numerator and the denominator.

        Parameters
        ----------
        counts, positive
            As for `values`.

        Returns
        -------
        numerator, denominator : ndarray of shape (...)
        """
        if counts.shape[-1] > 2 and self.versus_rest:
            counts, positive = against_rest(counts, positive), 1
        flat = counts.reshape(*counts.shape[:-2], -1)
        masks = self.masks(counts.shape[-1], positive)
        numerator, denominator = (flat @ mask.reshape(-1).astype(float) for mask in masks)
        return numerator, denominator

    def needs(self, label: Any) -> str:
        """Return what a group lacks where the rate is undefined.

        Parameters
        ----------
        label
            The positive class.

        Returns
        -------
        str
        """
        return _NEEDS.get(self.given, super().needs(label)).format(label)

    def __repr__(self) -> str:
        return f"Rate({self.name})"


@functools.lru_cache(maxsize=4096)
def _masks(rate: Rate, n_classes: int, positive: int) -> tuple[np.ndarray, np.ndarray]:
    label, pred = np.indices((n_classes, n_classes))
    given = np.broadcast_to(np.asarray(rate.given(label, pred, positive)), label.shape)
    numerator = np.broadcast_to(np.asarray(rate.numerator(label, pred, positive)), label.shape)
    if rate.share:
        given = given.astype(bool)
        numerator = numerator.astype(bool) & given
    for mask in (numerator, given):
        mask.setflags(write=False)
    return numerator, given


@functools.lru_cache(maxsize=256)
def _versus_rest(rate: Rate) -> bool:
    small = _masks(rate, 2, 1)
    for place in (0, 3):
        here = (np.arange(4) == place).astype(np.int64)
        if any((large != mask[np.ix_(here, here)]).any() for large, mask in zip(_masks(rate, 4, place), small)):
            return False
    return True


def against_rest(counts: np.ndarray, place: int) -> np.ndarray:
    """Return the tables of one class against the rest, shape (..., 2, 2)."""
    hits = counts[..., place, place]
    labelled, selected = counts[..., place, :].sum(axis=-1), counts[..., :, place].sum(axis=-1)
    return _two_by_two(hits, labelled, selected, counts.sum(axis=(-2, -1)))


def each_against_rest(counts: np.ndarray) -> np.ndarray:
    """Return the tables of each class against the rest, shape (..., n_classes, 2, 2)."""
    labelled, selected = counts.sum(axis=-1), counts.sum(axis=-2)
    hits = np.diagonal(counts, axis1=-2, axis2=-1)
    return _two_by_two(hits, labelled, selected, labelled.sum(axis=-1, keepdims=True))


def _two_by_two(hits: np.ndarray, labelled: np.ndarray, selected: np.ndarray, total: np.ndarray) -> np.ndarray:
    cells = np.stack([total - labelled - selected + hits, selected - hits, labelled - hits, hits], axis=-1)
    # weights: what is empty is 0, and not what rounding leaves of a difference
    cells[np.abs(cells) <= 1e-13 * np.broadcast_to(total, hits.shape)[..., None]] = 0.0
    return cells.reshape(*hits.shape, 2, 2)


@dataclass(frozen=True, repr=False)
class CompositeRate(_ByGroup):
    """A figure made of several rates, such as balanced accuracy.

    Parameters
    ----------
    name : str
        Name in tables.
    combine : callable
        ``combine(counts, positive)`` returns the figure of tables of counts of shape (..., n_classes, n_classes), NaN
        where it is undefined.
    given : tuple of Rate
        The rates whose denominators it needs; the smallest one is its support.
    per_class : bool, default=True
        Whether the figure depends on the positive class.

    Examples
    --------
    >>> from mxfair import GroupConfusion
    >>> table = GroupConfusion.of([1, 1, 0, 0], [1, 0, 0, 0], ["a", "a", "a", "b"])
    >>> RATES["balanced_accuracy"](table).values
    array([0.75,  nan])
    """

    name: str
    combine: Callable[[np.ndarray, int], np.ndarray]
    given: tuple[Rate, ...]
    per_class: bool = True

    def parts(self, counts: np.ndarray, positive: int) -> tuple[np.ndarray, np.ndarray]:
        """Return NaN, since the figure is no quotient, and the smallest denominator.

        Parameters
        ----------
        counts, positive
            As for `values`.

        Returns
        -------
        numerator, denominator : ndarray of shape (...)
        """
        support = np.min([rate.parts(counts, positive)[1] for rate in self.given], axis=0)
        return np.full(support.shape, np.nan), support

    def values(self, counts: np.ndarray, positive: int) -> np.ndarray:
        """Return the figure of each table of counts, NaN where it is undefined.

        Parameters
        ----------
        counts : array of shape (..., n_classes, n_classes)
            Counts by label and prediction; groups, strata and bootstrap resamples on the leading axes.
        positive : int
            Index of the positive class.

        Returns
        -------
        ndarray of shape (...)
        """
        return self.combine(counts, positive)

    def __repr__(self) -> str:
        return f"CompositeRate({self.name})"


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


def _false_negative(label: Any, pred: Any, positive: int) -> Any:
    return (label == positive) & (pred != positive)


def _false_positive(label: Any, pred: Any, positive: int) -> Any:
    return (label != positive) & (pred == positive)


def _wrong(label: Any, pred: Any, positive: int) -> Any:
    return label != pred


def _twice_true_positive(label: Any, pred: Any, positive: int) -> Any:
    return 2 * ((label == positive) & (pred == positive))


def _labelled_plus_selected(label: Any, pred: Any, positive: int) -> Any:
    return (label == positive) * 1 + (pred == positive) * 1


#: What a group lacks where a rate is undefined.
_NEEDS: dict[Mask, str] = {
    _labelled: "no samples with label {}",
    _not_labelled: "no samples with a label other than {}",
    _selected: "no samples predicted {}",
    _rejected: "no samples predicted other than {}",
    _false_positive: "no false positives",
    _labelled_plus_selected: "no samples with label {0} or predicted {0}",
}


def _mean_recall(counts: np.ndarray, positive: int) -> np.ndarray:
    """Return the mean over classes of the share of its samples that is predicted right."""
    with np.errstate(invalid="ignore", divide="ignore"):
        recall = np.diagonal(counts, axis1=-2, axis2=-1) / counts.sum(axis=-1)
    return recall.mean(axis=-1)


def _matthews(counts: np.ndarray, positive: int) -> np.ndarray:
    """Return (TP TN - FP FN) / sqrt((TP + FP)(TP + FN)(TN + FP)(TN + FN)), one class against the rest."""
    rest = np.arange(counts.shape[-1]) != positive
    # sums of the cells themselves, so that what is empty is exactly 0 with weights too
    both, neither = counts[..., positive, positive], counts[..., rest, :][..., rest].sum(axis=(-2, -1))
    missed, false = counts[..., positive, :][..., rest].sum(axis=-1), counts[..., rest, positive].sum(axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        labels = np.sqrt(both + missed) * np.sqrt(false + neither)
        preds = np.sqrt(both + false) * np.sqrt(missed + neither)
        correlation = (both / labels) * (neither / preds) - (false / labels) * (missed / preds)
        return np.where((labels > 0) & (preds > 0), correlation, np.nan)


_SHARES = (
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
    Rate("error_rate", _wrong, _everything, per_class=False),
)
#: Rates of errors.
_ERRORS = ("error_rate", "false_discovery_rate", "false_negative_rate", "false_omission_rate", "false_positive_rate")
_PLANE = {rate.name: rate for rate in _SHARES}
_MARGINS = ("true_positive_rate", "true_negative_rate", "positive_predictive_value", "negative_predictive_value")

#: The rates by name.
RATES: dict[str, Rate | CompositeRate] = {
    rate.name: rate
    for rate in (
        *_SHARES,
        Rate("f1_score", _twice_true_positive, _labelled_plus_selected, share=False),
        Rate("treatment_equality", _false_negative, _false_positive, share=False),
        Rate("conditional_acceptance", _labelled, _selected, share=False),
        Rate("conditional_rejection", _not_labelled, _rejected, share=False),
        CompositeRate("balanced_accuracy", _mean_recall, tuple(_PLANE[n] for n in _MARGINS[:2]), per_class=False),
        CompositeRate("matthews_correlation", _matthews, tuple(_PLANE[n] for n in _MARGINS)),
    )
}


#: Other names of the rates, for the hint in an error.
SYNONYMS = {
    **dict.fromkeys(("recall", "sensitivity", "hit_rate", "tpr", "recall_score"), "true_positive_rate"),
    **dict.fromkeys(("specificity", "selectivity", "tnr"), "true_negative_rate"),
    **dict.fromkeys(("precision", "ppv", "precision_score"), "positive_predictive_value"),
    **dict.fromkeys(("fall_out", "fpr"), "false_positive_rate"),
    **dict.fromkeys(("miss_rate", "fnr"), "false_negative_rate"),
    **dict.fromkeys(("npv",), "negative_predictive_value"),
    **dict.fromkeys(("acceptance_rate", "positive_rate", "disparate_impact", "statistical_parity"), "selection_rate"),
    **dict.fromkeys(("f1", "f_score"), "f1_score"),
    **dict.fromkeys(("mcc", "matthews_corrcoef"), "matthews_correlation"),
    **dict.fromkeys(("accuracy_score",), "accuracy"),
    **dict.fromkeys(("zero_one_loss", "error"), "error_rate"),
    **dict.fromkeys(("balanced_accuracy_score",), "balanced_accuracy"),
    **dict.fromkeys(("auc", "roc_auc_score"), "roc_auc"),
}


def rate_named(rate: str | Rate | CompositeRate) -> Rate | CompositeRate:
    """Return a rate given by name or as it is."""
    return rate if isinstance(rate, (Rate, CompositeRate)) else RATES[one_of(rate, RATES, "rate", SYNONYMS)]


def class_index(table_classes: np.ndarray, positive: Any) -> int:
    """Return the place of the positive class among the classes; the last one by default."""
    classes = table_classes.tolist()
    if positive is None:
        if len(classes) == 1:
            raise InputError(
                f"'classes' must name all classes; the samples hold only {classes[0]!r}, and nothing says whether it "
                "is the positive one. Pass classes=[negative, positive], or positive=."
            )
        return len(classes) - 1
    if positive not in classes:
        raise InputError(f"'positive' must be one of the classes {classes}; got {positive!r}.")
    return classes.index(positive)
