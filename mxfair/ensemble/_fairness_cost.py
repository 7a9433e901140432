"""What a misclassified sample costs in fairness, by group, label and decision."""

from __future__ import annotations

import numpy as np

from mxfair._validation import InputError
from mxfair.confusion import GroupConfusion
from mxfair.criterion import Criterion
from mxfair.groups import Groups

__all__ = ["Figures", "check_bounded", "fairness_costs"]

#: Rates that are not shares: nothing bounds them, nor a gap of theirs.
_UNBOUNDED = ("treatment_equality", "conditional_acceptance", "conditional_rejection")
#: The share of a group that is moved to see which way a rate goes.
_MOVED = 1e-6


class Figures:
    """Rows on which ensembles are measured: labels, groups and weights.

    Parameters
    ----------
    codes : ndarray of int, shape (n_samples,)
        Places of the labels among the classes.
    """

    def __init__(
        self, codes: np.ndarray, groups: Groups, weight: np.ndarray | None, classes: np.ndarray, *, criterion: Criterion
    ) -> None:
        self.codes, self.groups, self.weight, self.classes = codes, groups, weight, classes
        self.criterion = criterion

    def table(self, decisions: np.ndarray) -> GroupConfusion:
        """Count decisions, given as places of classes."""
        places = np.arange(len(self.classes))
        counts = GroupConfusion.of(self.codes, decisions, self.groups, classes=places, sample_weight=self.weight).counts
        return GroupConfusion(self.groups.names, self.classes, counts, known=self.groups.known, name=self.groups.name)

    def unmeasured(self) -> set[tuple[str, str]]:
        """Return the rates and groups that these rows cannot measure, whatever is decided."""
        tables = self.criterion.tables(self.table(self.codes)).values()
        return {
            (metric.name, group)
            for metric in tables
            for group, value, known in zip(metric.groups, metric.values, metric.known)
            if known and np.isnan(value)
        }

    def objective(self, decisions: np.ndarray, balance: float) -> tuple[float, float]:
        """Return balance * BER + (1 - balance) * ER + gap, and the gap."""
        table = self.table(decisions)
        overall = table.overall
        support = overall.sum(axis=1)
        with np.errstate(invalid="ignore"):
            wrong = 1.0 - np.diagonal(overall) / support
        balanced = float(wrong[support > 0].mean())
        error = 1.0 - float(np.trace(overall) / overall.sum())
        gap = self.criterion.difference(table)
        return balance * balanced + (1.0 - balance) * error + gap, gap


def check_bounded(criterion: Criterion) -> None:
    """Raise where a criterion has no gap of decisions, or none that is a cost: from 0 to 1."""
    if not criterion.rates:
        raise InputError(
            f"'criterion' must compare rates of decisions; {criterion.name} compares losses. Use 'equalized_odds'."
        )
    if criterion.agg == "signed":
        raise InputError(f"'criterion' must not let gaps cancel; {criterion.name} has agg='signed'. Use agg='mean'.")
    for rate in criterion.rates:
        if rate.name in _UNBOUNDED:
            raise InputError(
                f"'criterion' must compare rates between 0 and 1; {criterion.name} compares {rate.name}. Use "
                "'equalized_odds', or another criterion of shares."
            )


def fairness_costs(table: GroupConfusion, criterion: Criterion, tolerance: float = 0.0) -> np.ndarray:
    r"""Return the cost of a misclassified sample, shape (n_groups, n_classes, n_classes): by label and decision.

    A sample costs what its group lacks: the distance of the group's rate to the best group's, where deciding the sample
    right would move the rate there; the largest over the criterion's rates.

    .. math:: u(g, y, p) = \max_r \begin{cases}
        \max_h R_r(h) - R_r(g) & \text{if deciding } y \text{ for } p \text{ raises } R_r(g) \\
        R_r(g) - \min_h R_r(h) & \text{if it lowers it}
        \end{cases}

    For equalized odds of two groups these are AdaFair's costs. Costs up to `tolerance` are 0.
    """
    counts, known = table.counts, table.known
    n_groups, n_classes = counts.shape[:2]
    costs = np.zeros((n_groups, n_classes, n_classes))
    moved = _corrected(counts)
    for rate, place in criterion.rate_classes(table.classes):
        values = rate.values(counts, place)
        usable = known & ~np.isnan(values)
        if usable.sum() < 2:
            continue
        change = rate.values(moved, place) - values[:, None, None]
        lacks, exceeds = values[usable].max() - values, values - values[usable].min()
        of_rate = np.where(change > 1e-12, lacks[:, None, None], np.where(change < -1e-12, exceeds[:, None, None], 0.0))
        of_rate[~usable] = 0.0
        costs = np.maximum(costs, np.where(of_rate > tolerance, of_rate, 0.0))
    return costs


def _corrected(counts: np.ndarray) -> np.ndarray:
    """Return each group's counts after a little of (label y, decision p) went to (y, y), for all y and p.

    Shape (n_groups, n_classes, n_classes, n_classes, n_classes).
    """
    n_classes = counts.shape[1]
    step = _MOVED * counts.sum(axis=(1, 2))[:, None, None]
    label, decision = np.meshgrid(np.arange(n_classes), np.arange(n_classes), indexing="ij")
    moved = np.broadcast_to(counts[:, None, None], (len(counts), n_classes, n_classes, n_classes, n_classes)).copy()
    moved[:, label, decision, label, label] += step
    moved[:, label, decision, label, decision] -= step
    return moved
