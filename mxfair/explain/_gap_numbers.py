"""Which samples a gap compares, and what each column contributes to it."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from mxfair._validation import InputError, labels_vector, one_of, same_length
from mxfair.explain.attribution import Attribution
from mxfair.explain.decomposition import GapDecomposition
from mxfair.explain.gap_part import GAP, LABELS, REMAINDER, GapPart
from mxfair.groups import Groups

#: Criteria of the gaps that can be decomposed; the others are not about means of outputs.
CRITERIA = ("demographic_parity", "equal_opportunity", "predictive_equality", "equalized_odds")
REST = "rest"
ALL = "all"
#: A remainder that is a larger part of the gap is reported, unless the gap is as small as its error.
TOLERANCE = 0.05


@dataclass(frozen=True)
class Question:
    """Which gaps are asked for.

    Parameters
    ----------
    labels, condition, criterion, positive
        As for `gap_decomposition`.
    pair : None, "rest", or tuple of two names
        As for `gap_decomposition`.
    min_support : int
    level : float
    """

    labels: Any
    condition: Any
    criterion: str | None
    positive: Any
    pair: Any
    min_support: int
    level: float

    def masks(self, n_samples: int) -> list[tuple[str, np.ndarray]]:
        """Return name and samples of each condition."""
        criterion = one_of(self.criterion or "demographic_parity", CRITERIA, "criterion")
        if self.condition is None and criterion == "demographic_parity":
            return [(ALL, np.ones(n_samples, dtype=bool))]
        if self.labels is None:
            raise InputError("'labels' must be given for a gap conditional on the label; got none. Pass labels=.")
        labels = labels_vector(self.labels)
        same_length(X=np.empty(n_samples), labels=labels)
        classes = np.unique(labels).tolist()
        if self.condition is not None:
            if self.criterion is not None:
                raise InputError("'condition' and 'criterion' must not both be given. Leave one out.")
            return [_of_label(labels, classes, self.condition)]
        positive = self._positive(classes)
        name, rows = _of_label(labels, classes, positive)
        others = [c for c in classes if c != positive]
        rest = f"label {others[0]}" if len(others) == 1 else f"label not {positive}"
        wanted = {"equal_opportunity": (True,), "predictive_equality": (False,), "equalized_odds": (True, False)}
        return [(name, rows) if is_positive else (rest, ~rows) for is_positive in wanted[criterion]]

    def _positive(self, classes: list[Any]) -> Any:
        if self.positive is not None:
            return self.positive
        if len(classes) > 2:
            raise InputError(f"'output' must say which class is positive; got none. The labels are {classes[:10]}.")
        return classes[-1]

    def pairs(self, groups: Groups, outputs: np.ndarray, rows: np.ndarray) -> list[tuple[str, str]]:
        """Return the pairs of groups that are compared among some samples."""
        there = np.flatnonzero(groups.known & (np.bincount(groups.codes[rows], minlength=groups.n_groups) > 0))
        if self.pair is not None and self.pair != REST:
            return [_named(self.pair, groups)]
        if len(there) < 2:
            raise InputError(
                f"Two known groups must have samples to be compared; got {len(there)}. Check groups and condition."
            )
        if self.pair == REST:
            return [(groups.names[i], REST) for i in there]
        counts = np.bincount(groups.codes[rows], minlength=groups.n_groups)
        enough = there[counts[there] >= self.min_support]
        chosen = enough if len(enough) >= 2 else there
        sums = np.bincount(groups.codes[rows], weights=outputs[rows], minlength=groups.n_groups)
        order = np.argsort(-sums[chosen] / counts[chosen], kind="stable")  # of equal means two groups all the same
        return [(groups.names[chosen[order[0]]], groups.names[chosen[order[-1]]])]


def _of_label(labels: np.ndarray, classes: list[Any], label: Any) -> tuple[str, np.ndarray]:
    if label not in classes:
        raise InputError(f"'condition' must be a label that occurs, of {classes[:10]}; got {label!r}.")
    return f"label {label}", labels == label


def _named(pair: Any, groups: Groups) -> tuple[str, str]:
    if isinstance(pair, str) or not hasattr(pair, "__len__") or len(pair) != 2 or pair[0] == pair[1]:
        raise InputError(f"'pair' must be 'rest' or two names of groups; got {pair!r}.")
    known = [name for name, ok in zip(groups.names, groups.known) if ok]
    group = one_of(pair[0], known, "pair")
    return group, REST if pair[1] == REST else one_of(pair[1], known, "pair")


def rows_of(groups: Groups, name: str, against: str, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the samples of a group, and of the one it is compared with, among some samples."""
    first = rows & (groups.codes == groups.names.index(name))
    if against == REST and REST not in groups.names:
        return first, rows & groups.known[groups.codes] & ~first
    return first, rows & (groups.codes == groups.names.index(against))


def decompose(
    attribution: Attribution, owners: Any, groups: Groups, question: Question, decisions: np.ndarray | None
) -> GapDecomposition:
    """Return what the columns contribute to the gaps that are asked for."""
    parts, masks = [], []
    taken = [name for name in owners.names if name in (LABELS, REMAINDER, GAP)]
    if taken:
        raise InputError(f"Columns must not be named {taken[0]!r}, as a row of the table is. Rename it.")
    if not np.isfinite(attribution.residuals).all():
        raise InputError(
            f"The contributions must add up to the outputs; those of {attribution.method} do not. Use another method, "
            "such as expected_gradients or permutation_shap."
        )
    base = attribution.base_values - attribution.base_values[0]  # 0, not rounding errors, where one base serves all
    contributions = np.column_stack([attribution.values @ owners.matrix, base, attribution.residuals])
    for condition, rows in question.masks(len(groups)):
        for pair in question.pairs(groups, attribution.outputs, rows):
            sides = rows_of(groups, *pair, rows)
            part = _part(contributions, attribution.outputs, sides, decisions)
            names = (*owners.names, LABELS, REMAINDER)
            parts.append(GapPart(*pair, condition, names=names, level=question.level, **part))
            masks.append(rows)
    _warn(parts, question.min_support)
    return GapDecomposition(
        parts,
        contributions,
        groups,
        masks=masks,
        data=attribution.data,
        owners=owners,
        output_name=attribution.output_name,
        method=attribution.method,
    )


def differences(values: np.ndarray, sides: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Return the difference of two groups' means, column by column, and its covariance.

    ``cov = cov_a / n_a + cov_b / n_b``; NaN where a group has no sample, or only one.
    """
    width = values.shape[1]
    mean, covariance = [], np.zeros((width, width))
    for side in sides:
        own = values[side]
        mean.append(own.mean(axis=0) if len(own) else np.full(width, np.nan))
        if len(own) > 1:
            covariance += np.cov(own, rowvar=False).reshape(width, width) / len(own)
        else:
            covariance += np.nan
    return mean[0] - mean[1], covariance


def _part(contributions: np.ndarray, outputs: np.ndarray, sides: Any, decisions: Any) -> dict[str, Any]:
    value, covariance = differences(contributions, sides)
    both = outputs[sides[0] | sides[1]]
    return {
        "counts": tuple(int(side.sum()) for side in sides),
        "means": tuple(_mean(outputs[side]) for side in sides),
        "values": value,
        "covariance": covariance,
        "spread": float(both.std()) if len(both) else float("nan"),
        "rates": tuple(float("nan") if decisions is None else _mean(decisions[side]) for side in sides),
    }


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else float("nan")


def _warn(parts: list[GapPart], min_support: int) -> None:
    """Warn of groups of few samples, and of contributions that miss a part of their gap."""
    for text in dict.fromkeys(_doubts(parts, min_support)):
        warnings.warn(text, UserWarning, stacklevel=4)


def _doubts(parts: list[GapPart], min_support: int) -> Iterator[str]:
    for part in parts:
        for name, count in zip((part.group, part.against), part.counts):
            if count < min_support:
                yield (
                    f"Group {name!r} has {count} samples ({part.condition}), fewer than {min_support}: standard errors "
                    "of its contributions are rough, and none for fewer than two."
                )
        if part.additivity_error > TOLERANCE and abs(part.remainder) > part.gap_error:
            yield (
                f"The contributions miss {part.additivity_error:.0%} of the gap between {part.group} and "
                f"{part.against} ({part.condition}). Raise the method's number of points or draws."
            )
