"""ROC AUC of each class against the rest, overall and by group, for up to thousands of classes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from mxfair import _disparity
from mxfair._validation import InputError, labels_vector, same_length, to_numpy, weights
from mxfair.confusion import GroupConfusion, _classes
from mxfair.group_metric import GroupMetric
from mxfair.groups import Groups
from mxfair.metric._columns import auc_columns, check_finite, expected_range

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["OneVsRestAUC", "roc_auc_ovr"]


@dataclass(frozen=True)
class OneVsRestAUC:
    """The AUC of each class against the rest, overall and by group.

    Parameters
    ----------
    classes : ndarray, shape (n_classes,)
        Label values.
    values : ndarray of float, shape (n_classes,)
        AUC of each class over all samples; NaN where no sample, or every one, is of the class.
    groups : tuple of str
        Names of the groups.
    by_group : ndarray of float, shape (n_groups, n_classes)
        AUC of each class among the samples of each group; NaN where it is undefined.
    counts : ndarray of float, shape (n_groups, n_classes)
        Number (or weight) of each group's samples of each class.
    known : ndarray of bool, shape (n_groups,)
        False for the group of samples whose sensitive attribute is missing: gaps leave it out.
    floor : ndarray of float, shape (n_classes,)
        The gap to expect of each class if its AUC were the same in all groups; NaN where `gaps` is.
    attribute : str, default="group"
        Name of the sensitive attribute.
    """

    classes: np.ndarray
    values: np.ndarray
    groups: tuple[str, ...]
    by_group: np.ndarray
    counts: np.ndarray
    known: np.ndarray
    floor: np.ndarray
    attribute: str = "group"

    @property
    def positives(self) -> np.ndarray:
        """Number (or weight) of the samples of each class, shape (n_classes,)."""
        return self.counts.sum(axis=0)

    @property
    def undefined(self) -> dict[Any, str]:
        """Why the AUC of a class is NaN, for each class for which it is."""
        reasons = {True: "no positive samples", False: "no negative samples"}
        lost = np.flatnonzero(np.isnan(self.values))
        return {self.classes[k].item(): reasons[bool(self.positives[k] == 0)] for k in lost}

    @property
    def macro(self) -> float:
        """Mean over the classes whose AUC is defined."""
        defined = self.values[~np.isnan(self.values)]
        return float(defined.mean()) if len(defined) else float("nan")

    @property
    def weighted(self) -> float:
        """Mean over the classes whose AUC is defined, weighted by the number of their samples."""
        defined = ~np.isnan(self.values)
        return float(np.average(self.values[defined], weights=self.positives[defined])) if defined.any() else np.nan

    @property
    def worst(self) -> tuple[Any, float] | None:
        """The class with the smallest AUC, and its AUC; None where no class has one."""
        if np.isnan(self.values).all():
            return None
        place = int(np.nanargmin(self.values))
        return self.classes[place].item(), float(self.values[place])

    @cached_property
    def gaps(self) -> np.ndarray:
        """Largest minus smallest AUC of each class over the known groups, shape (n_classes,)."""
        return _disparity.difference(np.where(self.known[:, None], self.by_group, np.nan).T)

    @property
    def comparable(self) -> np.ndarray:
        """Classes whose AUC is defined in every known group, shape (n_classes,)."""
        return ~np.isnan(self.by_group[self.known]).any(axis=0)

    def macro_by_group(self) -> GroupMetric:
        """Return each group's mean AUC over the classes that every known group has an AUC of.

        Groups would otherwise be compared over different classes. `comparable` tells which ones they are.

        Returns
        -------
        GroupMetric
            NaN where the groups have no such class in common.
        """
        common = self.comparable & self.known.any()
        values, overall = np.full(len(self.groups), np.nan), np.nan
        if common.any():
            values, overall = self.by_group[:, common].mean(axis=1), float(self.values[common].mean())
        reason = "no class has an AUC in every group" if not common.any() else "a class has no AUC here"
        reasons = {group: reason for group, value in zip(self.groups, values) if np.isnan(value)}
        support = self.counts.sum(axis=1)
        return GroupMetric(
            "macro_roc_auc",
            self.groups,
            values,
            overall,
            self.known,
            support,
            reasons=reasons,
            attribute=self.attribute,
        )

    def to_frame(self) -> pd.DataFrame:
        """Return a row per class: its AUC, number of samples, AUC by group, gap and noise floor.

        Returns
        -------
        pandas.DataFrame
        """
        import pandas as pd

        columns = {f"roc_auc {group}": values for group, values in zip(self.groups, self.by_group)}
        table = {"roc_auc": self.values, "positives": self.positives, **columns}
        index = pd.Index(self.classes, name="class")
        return pd.DataFrame({**table, "gap": self.gaps, "noise floor": self.floor}, index=index)

    def __repr__(self) -> str:
        lost = int(np.isnan(self.values).sum())
        worst = self.worst
        text = f"OneVsRestAUC({len(self.values):,} classes: macro {self.macro:.4g}, weighted {self.weighted:.4g}"
        text += f", worst {worst[0]} {worst[1]:.4g}" if worst else ""
        text += f"; {lost} undefined" if lost else ""
        if np.isnan(self.gaps).all():
            return text + ")"
        gap, floor = np.nanmean(self.gaps), np.nanmean(self.floor)
        return f"{text}; mean gap between groups {gap:.4g}, of which {floor:.4g} is to be expected by chance)"


def roc_auc_ovr(
    labels: Any,
    scores: Any,
    groups: Any | None = None,
    *,
    classes: Any | None = None,
    sample_weight: Any | None = None,
) -> OneVsRestAUC:
    r"""Return the area under the ROC curve of each class against the rest, overall and by group.

    .. math:: A_c = \frac{\sum_{i: y_i = c} R_i - n_+ (n_+ + 1) / 2}{n_+ n_-}

    with :math:`R_i` the mid-rank of sample i among all scores of class c.

    Parameters
    ----------
    labels : array of shape (n_samples,)
        True classes; numbers or text.
    scores : array of float, shape (n_samples, n_classes)
        A column per class, in the order of the sorted classes: probabilities, logits, any finite numbers. They are
        never copied as a whole, nor turned into another type.
    groups : array-like or Groups, optional
        Sensitive attribute of each sample. Default: everyone is one group.
    classes : array of shape (n_classes,), optional
        The sorted classes. Default: the values of `labels` if there are as many as columns, else 0, 1, 2, ...
    sample_weight : array of float, shape (n_samples,), optional
        Default: 1.

    Returns
    -------
    OneVsRestAUC

    Raises
    ------
    InputError
        If a label is not among the classes, or a score is not finite; before any work.

    Notes
    -----
    A class with few samples has a noisy AUC, and with many classes the largest gap between groups is mostly noise. The
    noise floor of a gap is its mean if the groups were drawn at random: if each group's AUC varied normally about one
    value with DeLong's variance

    .. math:: S_{10} / n_+ + S_{01} / n_-

    where S10 and S01 are the variances of the placements of all positives (the share of negatives below each) and of
    all negatives, and n the numbers of the group. If positives are scored like negatives, this is Mann and Whitney's
    :math:`(n_+ + n_- + 1) / (12 n_+ n_-)` to the first order. With weights n is :math:`(\sum w)^2 / \sum w^2`.

    References
    ----------
    DeLong, DeLong and Clarke-Pearson, "Comparing the Areas under Two or More Correlated Receiver Operating
    Characteristic Curves: A Nonparametric Approach", Biometrics 44, 1988, equations 4 and 5.

    Examples
    --------
    >>> from mxfair.metric import roc_auc_ovr
    >>> roc_auc_ovr([0, 1, 2, 2], [[3, 1, 0], [0, 2, 1], [0, 1, 2], [1, 3, 2]])
    OneVsRestAUC(3 classes: macro 0.8889, weighted 0.9167, worst 1 0.6667)
    """
    labels, matrix = labels_vector(labels), to_numpy(scores)
    if matrix.ndim != 2 or matrix.dtype.kind not in "biuf" or matrix.shape[1] < 2:
        raise InputError(
            f"'scores' must be numbers with one column per class; got shape {matrix.shape} of {matrix.dtype}. "
            "For one column see roc_auc."
        )
    if groups is None:
        groups = Groups.from_codes(np.zeros(len(labels), dtype=np.int64), ["all"])
    groups, weight = groups if isinstance(groups, Groups) else Groups(groups), weights(sample_weight)
    same_length(labels=labels, scores=matrix, groups=groups, sample_weight=weight)
    codec = GroupConfusion(("all",), _classes(labels, matrix) if classes is None else classes)
    classes = codec.classes
    if len(classes) != matrix.shape[1]:
        raise InputError(f"'scores' must have one column per class ({len(classes)}); got {matrix.shape[1]}.")
    places = codec._index(labels, "labels")
    check_finite(matrix)
    result = auc_columns(matrix, places, groups, weight)
    floor = expected_range(np.where(groups.known[:, None], result.variance, np.nan))
    return OneVsRestAUC(
        classes, result.auc[0], groups.names, result.auc[1:], result.counts, groups.known, floor, groups.name
    )
