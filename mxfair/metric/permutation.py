"""A permutation test: how large a gap chance alone would make."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable

import numpy as np

from mxfair._encoding import group_text
from mxfair._validation import InputError, generator, one_of, positive_integer, same_length, to_numpy
from mxfair.confusion import GroupConfusion
from mxfair.criterion import Criterion, criterion_named
from mxfair.group_metric import GroupMetric, PairMetric
from mxfair.groups import Groups
from mxfair.rate import Rate
from mxfair.resampling import permuted_tables

__all__ = ["PermutationTest", "permutation_test"]


@dataclass(frozen=True)
class PermutationTest:
    """A gap beside what chance alone would make of it.

    Parameters
    ----------
    name : str
        Name of the gap.
    value : float
        The gap.
    p_value : float
        Share of permutations with a gap at least as large, the data counted among them; NaN where the gap is.
    floor : float
        Mean gap over the permutations: the noise floor.
    quantile : float
        Gap that one permutation in twenty exceeds.
    n_permutations : int
        Permutations drawn, those that leave the gap undefined included.
    within : {"label", "pred"} or None
        Groups were exchanged among samples of the same label or prediction only, or among all.

    Examples
    --------
    >>> from mxfair import metric
    >>> test = metric.permutation_test([1, 0] * 20, [1, 0] * 20, ["a", "b"] * 20, "demographic_parity", seed=0)
    >>> test.value, test.p_value < 0.001
    (1.0, True)
    """

    name: str
    value: float
    p_value: float
    floor: float
    quantile: float
    n_permutations: int
    within: str | None

    def __repr__(self) -> str:
        return (
            f"PermutationTest({self.name} {self.value:.4g}: p = {self.p_value:.4g}; by chance {self.floor:.4g}, "
            f"95 % below {self.quantile:.4g}{'; within each ' + self.within if self.within else ''})"
        )


def permutation_test(
    labels: Any,
    preds: Any,
    groups: Any,
    criterion: str | Criterion | Callable[..., Any] = "demographic_parity",
    *,
    compare: str = "max_min",
    reference: Any = None,
    positive: Any = None,
    classes: Any = None,
    within: str | None = None,
    n_permutations: int | None = None,
    seed: Any = None,
) -> PermutationTest:
    """Test whether a gap is larger than exchanging the groups of samples at random makes it.

    For a criterion the permutations are drawn from the counts, exactly and without the rows. Rates among the samples of
    one label (equalized odds) are tested with groups exchanged within each label, rates among those of one prediction
    (predictive parity) within each prediction: base rates may then differ between groups. All other figures, balanced
    accuracy among them, are tested with groups exchanged among all samples.

    Parameters
    ----------
    labels, preds : array of shape (n_samples,)
        True classes and decisions, or what a function of your own takes.
    groups : array-like or Groups
        Sensitive attribute of each sample; those of which it is unknown take no part.
    criterion : str, Criterion or function, default="demographic_parity"
        A function is called as ``f(labels, preds, groups)`` and returns a number, a `GroupMetric` (its difference is
        tested) or a `PairMetric` (its largest value).
    compare, reference, positive, classes
        As for `mxfair.metric.difference`; for a criterion only.
    within : {"label", "pred"}, optional
        For a function: exchange groups among samples of the same label or prediction only. Default: among all.
    n_permutations : int, optional
        Default: 9,999 for a criterion, 199 for a function, which is called so often.
    seed : int or numpy.random.Generator, optional
        Default: fresh entropy.

    Returns
    -------
    PermutationTest

    Raises
    ------
    InputError
        If the criterion's rates condition on different things, so that no exchange leaves all of them alone.

    Notes
    -----
    The test is exact: whatever the sizes, a p-value of at most p is found with probability at most p if, given what is
    conditioned on, labels and decisions do not depend on the group. That says more than that the gap is 0: with more
    than two classes, rates of every class are exchanged within every label. A permutation that leaves the gap undefined
    is drawn in vain.

    References
    ----------
    DiCiccio, Vasudevan, Basu, Kenthapadi, Agarwal: Evaluating fairness using permutation tests. KDD 2020.

    Examples
    --------
    >>> from mxfair import metric
    >>> test = metric.permutation_test([1, 1, 0, 0], [1, 0, 0, 1], list("abab"), "equalized_odds", seed=0)
    >>> test.within
    'label'
    """
    groups = groups if isinstance(groups, Groups) else Groups(groups)
    rng = generator(seed)
    if callable(criterion) and not isinstance(criterion, Criterion):
        count = positive_integer(199 if n_permutations is None else n_permutations, "n_permutations")
        return _of_function(criterion, labels, preds, groups, within, count, rng)
    count = positive_integer(9_999 if n_permutations is None else n_permutations, "n_permutations")
    chosen = criterion_named(criterion)
    chosen = chosen if positive is None else chosen.with_positive(positive)
    if within is not None:
        raise InputError("'within' must be left out for a criterion: its rates say what to exchange groups within.")
    table = GroupConfusion.of(labels, preds, groups, classes=classes)
    table = GroupConfusion(
        [name for name, known in zip(table.groups, table.known) if known], table.classes, table.counts[table.known]
    )
    condition = _condition(chosen, len(table.classes))
    reference = None if reference is None else group_text(reference)
    drawn = permuted_tables(table.counts, count, rng, within=condition)
    gaps = np.concatenate([chosen.differences(table, part, compare=compare, reference=reference) for part in drawn])
    value = chosen.difference(table, compare=compare, reference=reference)
    return _result(chosen.name, value, gaps, condition)


def _condition(criterion: Criterion, n_classes: int) -> str | None:
    """Return what all rates of a criterion condition on: the label, the prediction or nothing."""
    found: set[str | None] = set()
    for rate in criterion.rates:
        if not isinstance(rate, Rate) or not rate.share:
            found.add(None)
            continue
        given = rate.masks(n_classes, n_classes - 1)[1]
        if given.all():
            found.add(None)
        elif (given.all(axis=1) | ~given.any(axis=1)).all():
            found.add("label")
        elif (given.all(axis=0) | ~given.any(axis=0)).all():
            found.add("pred")
        else:
            found.add(None)
    if len(found) > 1:
        raise InputError(
            f"'criterion' must have rates that condition on one thing; got {criterion!r}. Test its rates one by one."
        )
    return found.pop()


def _of_function(
    function: Callable[..., Any],
    labels: Any,
    preds: Any,
    groups: Groups,
    within: str | None,
    count: int,
    rng: np.random.Generator,
) -> PermutationTest:
    labels, preds = to_numpy(labels), to_numpy(preds)
    same_length(labels=labels, preds=preds, groups=groups)
    keep = groups.known[groups.codes]
    labels, preds, codes = labels[keep], preds[keep], groups.codes[keep]
    names = [name for name, known in zip(groups.names, groups.known) if known]
    if within is None:
        strata = np.zeros(len(codes), dtype=np.int64)
    else:
        column = {"label": labels, "pred": preds}[one_of(within, ("label", "pred"), "within")]
        if column.ndim != 1:
            raise InputError(
                f"'within' must be 'label' unless 'preds' are decisions; got {within!r}. Exchange among all."
            )
        strata = np.unique(column, return_inverse=True)[1].reshape(-1)
    rows = np.argsort(strata, kind="stable")

    def figure(shuffled: np.ndarray) -> float:
        result = function(labels, preds, Groups.from_codes(shuffled, names, name=groups.name))
        if isinstance(result, GroupMetric):
            return result.difference()
        return result.max() if isinstance(result, PairMetric) else float(result)

    gaps = np.empty(count)
    for number in range(count):
        shuffled = np.empty_like(codes)
        order = np.lexsort((rng.random(len(codes)), strata))  # a random order within each stratum
        shuffled[rows] = codes[order]
        gaps[number] = figure(shuffled)
    return _result(getattr(function, "__name__", "figure"), figure(codes), gaps, within)


def _result(name: str, value: float, gaps: np.ndarray, within: str | None) -> PermutationTest:
    gaps_there = gaps[~np.isnan(gaps)]
    if np.isnan(value) or not len(gaps_there):
        nan = float("nan")
        return PermutationTest(name, value, nan, nan, nan, len(gaps), within)
    larger = (gaps_there >= value - 1e-12).sum()
    return PermutationTest(
        name,
        float(value),
        float((1 + larger) / (1 + len(gaps_there))),
        float(gaps_there.mean()),
        float(np.quantile(gaps_there, 0.95)),
        len(gaps),
        within,
    )
