"""Rates in the crossings of several attributes: which subgroup is worst off, and whether that is more than noise."""

from __future__ import annotations

from typing import Any

import numpy as np

from mxfair._validation import InputError, one_of, weights
from mxfair.confusion import GroupConfusion
from mxfair.metric._crossing import Crossing, Marginal, unknown_name
from mxfair.metric._decisions import decisions
from mxfair.metric._proportions import corrected, difference_interval, difference_test
from mxfair.metric.subgroup_table import ALONE, Subgroup, SubgroupTable, SubgroupViolation
from mxfair.rate import Rate, class_index, rate_named
from mxfair.uncertainty import check_level

__all__ = ["subgroup_fairness", "subgroups", "worst_subgroup"]

_CORRECTIONS = ("holm", "bonferroni", "benjamini_hochberg")


def subgroups(
    labels: Any,
    preds: Any,
    attributes: Any,
    *,
    metric: str | Rate = "selection_rate",
    positive: Any = None,
    max_order: int | None = 2,
    min_support: float = 30,
    correction: str | None = "holm",
    level: float = 0.95,
    sample_weight: Any = None,
) -> SubgroupTable:
    """Return a rate in every crossing of up to `max_order` attributes, each tested against the rest.

    Parameters
    ----------
    labels : array of shape (n_samples,)
        True classes; numbers or text.
    preds : array of shape (n_samples,)
        Decisions in the values of `labels`.
    attributes : mapping, data frame, array of shape (n_samples, n_attributes), or anything that `Groups` takes
        Sensitive attributes, a column each.
    metric : str or Rate, default="selection_rate"
        The rate.
    positive : label value, optional
        The class that counts as positive. Default: the last of two classes.
    max_order : int or None, default=2
        Largest number of attributes crossed; 1 gives the attributes alone, None crosses all of them.
    min_support : float, default=30
        A subgroup of which fewer samples count for the rate is listed, but not tested.
    correction : {"holm", "bonferroni", "benjamini_hochberg"} or None, default="holm"
        How p-values are corrected for the number of tests. The first two bound the chance of any false alarm, however
        the subgroups overlap; the third the expected share of false alarms among those found.
    level : float, default=0.95
        Confidence level of the intervals; 1 - level is the level of significance.
    sample_weight : array of shape (n_samples,), optional
        Weight of each sample. Default: 1.

    Returns
    -------
    SubgroupTable

    Raises
    ------
    InputError
        If lengths differ, `preds` are no decisions, or an option is not known.

    Notes
    -----
    The test is two-sided: the score test of two shares (Pearson's chi-square, no continuity correction), and Fisher's
    exact test where an expected count is below 5. With weights it is the score test on effective sample sizes, which
    is approximate. The interval is Newcombe's hybrid of two Wilson intervals.

    Subgroups with the same samples (both levels of a binary attribute against each other; a crossing that equals one of
    its attributes) are tested each, which makes the correction a little more careful than it need be.

    The rows are read once, to count the finest crossing; all coarser subgroups are sums of its cells.

    References
    ----------
    Holm, "A Simple Sequentially Rejective Multiple Test Procedure", 1979; Benjamini and Hochberg, JRSS B 1995;
    Newcombe, "Interval Estimation for the Difference Between Independent Proportions", Statistics in Medicine 1998,
    method 10.

    Examples
    --------
    >>> from mxfair.metric.subgroup import subgroups
    >>> sex, age = ["f", "f", "m", "m"] * 20, ["old", "young"] * 40
    >>> subgroups([1] * 80, [0, 1, 1, 1] * 20, {"sex": sex, "age": age})
    SubgroupTable(selection_rate: 8 subgroups, 4 not tested; overall 0.75; worst sex=f 0.5)
    """
    if correction is not None:
        one_of(correction, _CORRECTIONS, "correction")
    check_level(level)
    rate = _share(metric)
    crossing, sums = _sums(labels, preds, attributes, rate, positive, sample_weight)
    options: dict[str, Any] = {"max_order": max_order, "min_support": min_support, "correction": correction}
    return _table_of(rate, crossing, sums, level=level, exact=sample_weight is None, **options)


def _table_of(
    rate: Rate,
    crossing: Crossing,
    sums: np.ndarray,
    *,
    max_order: int | None,
    min_support: float,
    correction: str | None,
    level: float,
    exact: bool,
) -> SubgroupTable:
    """Return the table from sums by cell, shape (n_cells, 4), as `_sums` gives them."""
    whole = sums.sum(axis=0)
    rows: list[Subgroup] = []
    for marginal in crossing.subgroups(sums, max_order):
        rows += _rows(marginal, float(whole[0]), min_support, level, exact)
    tested = [i for i, row in enumerate(rows) if not row.untested]
    p_values = corrected(np.array([rows[i].p_value for i in tested]), correction)
    for i, p_value in zip(tested, p_values.tolist()):
        rows[i] = Subgroup(**{**vars(rows[i]), "corrected_p_value": p_value})
    overall = float(_quotient(whole[1], whole[2]))
    return SubgroupTable(rate.name, crossing.attributes, overall, tuple(rows), correction, level)


def worst_subgroup(
    labels: Any,
    preds: Any,
    attributes: Any,
    *,
    metric: str | Rate = "selection_rate",
    direction: str | None = None,
    positive: Any = None,
    max_order: int | None = 2,
    min_support: float = 30,
    correction: str | None = "holm",
    level: float = 0.95,
    sample_weight: Any = None,
) -> Subgroup | None:
    """Return the subgroup with the largest shortfall from the rest among those with enough support.

    Parameters
    ----------
    labels, preds, attributes, metric
        As for `subgroups`.
    direction : {"lowest", "highest", "furthest"}, optional
        As for `SubgroupTable.worst`: by default the highest for rates of errors and the lowest for all others.
    positive, max_order, min_support, correction, level, sample_weight
        As for `subgroups`.

    Returns
    -------
    Subgroup or None
        With its p-value corrected for all subgroups that were looked at; None where none has enough support.

    Examples
    --------
    >>> from mxfair.metric.subgroup import worst_subgroup
    >>> sex, age = ["f", "f", "m", "m"] * 20, ["old", "young"] * 40
    >>> worst = worst_subgroup([1] * 80, [0, 1, 1, 1] * 20, {"sex": sex, "age": age}, min_support=20)
    >>> worst.name, worst.difference
    ('sex=f & age=old', -1.0)
    """
    table = subgroups(
        labels,
        preds,
        attributes,
        metric=metric,
        positive=positive,
        max_order=max_order,
        min_support=min_support,
        correction=correction,
        level=level,
        sample_weight=sample_weight,
    )
    return table.worst(direction=direction)


def subgroup_fairness(
    labels: Any,
    preds: Any,
    attributes: Any,
    *,
    metric: str | Rate = "selection_rate",
    positive: Any = None,
    max_order: int | None = None,
    sample_weight: Any = None,
) -> SubgroupViolation:
    r"""Return the largest gap between a subgroup's rate and the overall rate, weighted by the subgroup's size.

    .. math:: \gamma = \max_g \; P(g, D) \, \left| P(N \mid g, D) - P(N \mid D) \right|

    for a rate P(N | D): for selection rates P(g) is the share of the subgroup among all samples, for false positive
    rates the share of those in it whose label is negative. A small subgroup can differ much before it counts, so no
    minimum support is needed.

    Parameters
    ----------
    labels, preds, attributes, metric, positive
        As for `subgroups`.
    max_order : int or None, default=None
        Largest number of attributes crossed; None crosses all of them.
    sample_weight : array of shape (n_samples,), optional
        Weight of each sample. Default: 1.

    Returns
    -------
    SubgroupViolation
        0 is parity.

    Notes
    -----
    Subgroups are the conjunctions of attribute levels, all counted. Kearns et al. also search richer classes, such as
    linear functions of the attributes, with a learner; the value here is a lower bound of theirs.

    References
    ----------
    Kearns et al., "Preventing Fairness Gerrymandering: Auditing and Learning for Subgroup Fairness", ICML 2018:
    statistical parity subgroup fairness and false positive subgroup fairness.

    Examples
    --------
    >>> from mxfair.metric.subgroup import subgroup_fairness
    >>> sex, age = ["f", "f", "m", "m"] * 20, ["old", "young"] * 40
    >>> subgroup_fairness([1] * 80, [0, 1, 1, 1] * 20, {"sex": sex, "age": age})
    SubgroupViolation(value=0.1875, subgroup='sex=f & age=old', share=0.25, rate=0, overall=0.75)
    """
    crossing, sums = _sums(labels, preds, attributes, _share(metric), positive, sample_weight)
    whole = sums.sum(axis=0)
    overall = float(_quotient(whole[1], whole[2]))
    worst = SubgroupViolation(float("nan"), None, float("nan"), float("nan"), overall)
    for marginal in crossing.subgroups(sums, max_order):
        values, shares = _quotient(marginal.sums[:, 1], marginal.sums[:, 2]), _quotient(marginal.sums[:, 2], whole[0])
        violations = np.where(np.isnan(values), -1.0, shares * np.abs(values - overall))
        place = int(violations.argmax()) if len(violations) else -1
        if place >= 0 and violations[place] >= 0 and not violations[place] <= worst.value:
            name = _name(tuple(zip(marginal.attributes, marginal.levels[place])))
            worst = SubgroupViolation(
                float(violations[place]), name, float(shares[place]), float(values[place]), overall
            )
    return worst


def _share(metric: str | Rate) -> Rate:
    """Return the rate, which must be a share: a test of two shares is made of it."""
    rate = rate_named(metric)
    if not (isinstance(rate, Rate) and rate.share):
        raise InputError(f"'metric' must be a share of samples; got {rate.name}. Use a rate such as accuracy.")
    return rate


def _sums(
    labels: Any, preds: Any, attributes: Any, rate: Rate, positive: Any, sample_weight: Any
) -> tuple[Crossing, np.ndarray]:
    """Return the crossing and, by cell, the weight, numerator, denominator and the denominator's squared weights."""
    crossing, decided, weight = Crossing.of(attributes), decisions(preds), weights(sample_weight)
    cells = crossing.cells
    table = GroupConfusion.of(labels, decided, cells, sample_weight=weight)
    if rate.per_class and positive is None and len(table.classes) > 2:
        raise InputError(
            f"'positive' must be given for {rate.name} of {len(table.classes)} classes; got none. "
            "Name the class that counts as positive."
        )
    numerator, given = rate.masks(len(table.classes), class_index(table.classes, positive))
    squared = table
    if weight is not None:
        squared = GroupConfusion.of(labels, decided, cells, classes=table.classes, sample_weight=weight**2)
    columns = [
        table.support,
        *(t.counts[:, m].sum(axis=1) for t, m in ((table, numerator), (table, given), (squared, given))),
    ]
    return crossing, np.stack(columns, axis=1)


def _rows(marginal: Marginal, total: float, min_support: float, level: float, exact: bool) -> list[Subgroup]:
    """Return the rows of one marginal, not yet corrected; the unknown last."""
    own, rest = marginal.sums, marginal.sums.sum(axis=0) - marginal.sums
    size, rest_size = _effective(own), _effective(rest)
    value, other = _quotient(own[:, 1], own[:, 2]), _quotient(rest[:, 1], rest[:, 2])
    enough = (size >= min_support) & (rest_size > 0) & (size > 0)
    p_values = np.full(len(own), np.nan)
    p_values[enough] = difference_test(
        (value * size)[enough], size[enough], (other * rest_size)[enough], rest_size[enough], exact
    )
    lower, upper = difference_interval(value, size, other, rest_size, level)
    columns = {
        "count": own[:, 0],
        "share": _quotient(own[:, 0], total),
        "support": size,
        "value": value,
        "rest": other,
        "difference": value - other,
        "lower": lower,
        "upper": upper,
        "p_value": p_values,
        "corrected_p_value": np.full(len(own), np.nan),
    }
    rows = []
    for levels, ok, *figures in zip(marginal.levels, enough, *(column.tolist() for column in columns.values())):
        pairs = tuple(zip(marginal.attributes, levels))
        named: dict[str, Any] = dict(zip(columns, figures))
        reason = "" if ok else _reason(named["support"], min_support)
        rows.append(Subgroup(name=_name(pairs), levels=pairs, untested=reason, **named))
    if marginal.unknown[0] > 0:
        rows.append(_unknown(marginal, total))
    return rows


def _unknown(marginal: Marginal, total: float) -> Subgroup:
    sums = marginal.unknown
    return Subgroup(
        name=unknown_name(marginal.attributes),
        levels=(),
        count=float(sums[0]),
        share=float(sums[0]) / total,
        support=float(_effective(sums)),
        value=float(_quotient(sums[1], sums[2])),
        **dict.fromkeys(("rest", "difference", "lower", "upper", "p_value", "corrected_p_value"), float("nan")),
        untested="an attribute is missing",
    )


def _reason(support: float, min_support: float) -> str:
    if support <= 0:
        return "no samples"
    return f"support {support:.4g} is below {min_support:g}" if support < min_support else ALONE


def _name(levels: tuple[tuple[str, str], ...]) -> str:
    return " & ".join(f"{name}={level}" for name, level in levels)


def _quotient(numerator: np.ndarray, denominator: Any) -> np.ndarray:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(denominator > 0, numerator / denominator, np.nan)


def _effective(sums: np.ndarray) -> np.ndarray:
    """Return the effective number of samples in the denominator, (sum w)^2 / sum w^2 (Kish)."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(sums[..., 2] > 0, sums[..., 2] ** 2 / sums[..., 3], 0.0)
