"""Shares of groups: class imbalance, (conditional) demographic disparity and the four-fifths rule."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from mxfair._short_repr import short_repr
from mxfair._validation import InputError, plural, same_length, weights
from mxfair.group_metric import GroupMetric
from mxfair.groups import Groups
from mxfair.metric._decisions import accepted, mean_by_group

__all__ = ["FourFifths", "class_imbalance", "conditional_demographic_disparity", "four_fifths_rule"]

_MISSING = "the sensitive attribute is missing"


def class_imbalance(groups: Any, *, sample_weight: Any = None) -> GroupMetric:
    r"""Return how much smaller each group is than all others together: a fact of the data, not of a model.

    .. math:: CI_g = \frac{n_{\bar g} - n_g}{n_{\bar g} + n_g}

    Parameters
    ----------
    groups : array-like or Groups
        Sensitive attribute of each sample.
    sample_weight : array of shape (n_samples,), optional
        Weight of each sample. Default: 1.

    Returns
    -------
    GroupMetric
        In -1 to 1; near 1 for a group with few samples, 0 for one of two groups of a size. `overall` is NaN.

    References
    ----------
    Hardt et al., "Amazon SageMaker Clarify: Machine Learning Bias Detection and Explainability in the Cloud", KDD 2021:
    class imbalance (CI).

    Examples
    --------
    >>> from mxfair.metric.representation import class_imbalance
    >>> class_imbalance(["f", "m", "m", "m"]).by_group["f"]
    0.5
    """
    encoded, weight = groups if isinstance(groups, Groups) else Groups(groups), weights(sample_weight)
    same_length(groups=encoded, sample_weight=weight)
    size = np.bincount(encoded.codes, weight, minlength=encoded.n_groups).astype(float)
    whole = size[encoded.known].sum()
    with np.errstate(invalid="ignore", divide="ignore"):
        values = np.where(encoded.known, (whole - 2 * size) / whole, np.nan)
    return GroupMetric(
        "class_imbalance",
        encoded.names,
        values,
        float("nan"),
        encoded.known,
        size,
        reasons=_missing(encoded),
        attribute=encoded.name,
    )


def conditional_demographic_disparity(
    preds: Any, groups: Any, control: Any = None, *, positive: Any = None, sample_weight: Any = None
) -> GroupMetric:
    r"""Return each group's share among the rejected minus its share among the accepted, averaged over strata.

    .. math:: DD_g = \frac{n_g^{(0)}}{n^{(0)}} - \frac{n_g^{(1)}}{n^{(1)}}, \qquad
        CDD_g = \frac{\sum_i n_i \, DD_{g,i}}{\sum_i n_i}

    Parameters
    ----------
    preds : array of shape (n_samples,)
        Decisions; or labels, for the disparity in the data.
    groups : array-like or Groups
        Sensitive attribute of each sample. Samples of which it is missing are left out.
    control : array-like or Groups, optional
        A legitimate attribute to condition on, such as the department that people apply to. Missing values are a
        stratum of their own. Default: one stratum, the plain demographic disparity.
    positive : optional
        The decision that counts as accepted. Default: the larger of two.
    sample_weight : array of shape (n_samples,), optional
        Weight of each sample. Default: 1.

    Returns
    -------
    GroupMetric
        Above 0 where a group has more of the rejections than of the acceptances. `support` is the group's weight in the
        strata that count; `overall` is NaN.

    Notes
    -----
    A stratum in which everybody is accepted or everybody rejected has no such difference: it is left out of the mean,
    with a warning.
    (Clarify takes the empty side's share as 0, so that such a stratum looks unfair to whoever is in it.)

    References
    ----------
    Wachter et al., "Why Fairness Cannot Be Automated", Computer Law & Security Review 2021; Hardt et al.,
    KDD 2021: CDD.

    Examples
    --------
    >>> from mxfair.metric.representation import conditional_demographic_disparity
    >>> conditional_demographic_disparity([1, 0, 0, 1], ["f", "f", "f", "m"]).by_group["f"]
    0.5
    """
    encoded = groups if isinstance(groups, Groups) else Groups(groups)
    yes, weight = accepted(preds, positive), weights(sample_weight)
    strata = Groups(np.zeros(len(yes), dtype=np.int64) if control is None else control, name="control")
    same_length(preds=yes, groups=encoded, control=strata, sample_weight=weight)
    code = (strata.codes * encoded.n_groups + encoded.codes) * 2 + yes
    shape = (strata.n_groups, encoded.n_groups, 2)
    counts = np.bincount(code, weight, minlength=int(np.prod(shape))).astype(float).reshape(shape)
    counts[:, ~encoded.known] = 0
    values, used = _demographic_disparity(counts)
    reasons = dict.fromkeys(encoded.names, "in no stratum are some accepted and some rejected") | _missing(encoded)
    values = np.where(encoded.known, values, np.nan)
    support = counts[used].sum(axis=(0, 2))
    lost = ~used & (counts.sum(axis=(1, 2)) > 0)
    if lost.any() and used.any():
        names = ", ".join(name for name, gone in zip(strata.names, lost) if gone)
        warnings.warn(
            f"{plural(int(lost.sum()), 'stratum', 'strata')} ({names}; {counts[lost].sum() / counts.sum():.1%} of the "
            "samples) with decisions of one kind only: left out of the mean.",
            UserWarning,
            stacklevel=2,
        )
    return GroupMetric(
        "conditional_demographic_disparity" if control is not None else "demographic_disparity",
        encoded.names,
        values,
        float("nan"),
        encoded.known,
        support,
        reasons={name: reasons[name] for name, value in zip(encoded.names, values) if np.isnan(value)},
        attribute=encoded.name,
    )


def _demographic_disparity(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return CDD of counts by (..., stratum, group, decision), shape (..., group), and which strata count."""
    sides = counts.sum(axis=-2, keepdims=True)
    used = (sides > 0).all(axis=(-2, -1))
    with np.errstate(invalid="ignore", divide="ignore"):
        shares = counts / sides
        size = np.where(used, sides.sum(axis=(-2, -1)), 0.0)[..., None]
        disparity = np.where(used[..., None], shares[..., 0] - shares[..., 1], 0.0)
        return (size * disparity).sum(axis=-2) / size.sum(axis=-2), used


@dataclass(frozen=True)
class FourFifths:
    """Whether every group's selection rate is at least four fifths of the highest.

    Parameters
    ----------
    verdict : {"passed", "failed", "not enough data"}
        "failed" where two groups with enough samples are too far apart; "not enough data" where none are, but the rule
        could not be checked for everybody.
    reason : str
        Why, in words.
    ratio : float
        Lowest divided by highest selection rate of the groups with enough samples; NaN where it is undefined.
    lowest, highest : str or None
        These groups.
    threshold : float
        The ratio asked for.
    rates : GroupMetric
        The selection rate by group.
    """

    verdict: str
    reason: str
    ratio: float
    lowest: str | None
    highest: str | None
    threshold: float
    rates: GroupMetric

    __repr__ = short_repr

    @property
    def passed(self) -> bool:
        """Whether the verdict is "passed": not enough data is not."""
        return self.verdict == "passed"


def four_fifths_rule(
    preds: Any,
    groups: Any,
    *,
    threshold: float = 0.8,
    min_support: float = 30,
    positive: Any = None,
    sample_weight: Any = None,
) -> FourFifths:
    r"""Check that every group's selection rate is at least four fifths of the highest.

    .. math:: \frac{\min_g P(\hat y = 1 \mid g)}{\max_g P(\hat y = 1 \mid g)} \ge 0.8

    Parameters
    ----------
    preds : array of shape (n_samples,)
        Decisions.
    groups : array-like or Groups
        Sensitive attribute of each sample. Samples of which it is missing are shown, and not compared.
    threshold : float, default=0.8
        The ratio asked for.
    min_support : float, default=30
        A group with fewer samples (with weights, a smaller effective number) is not compared, and the rule not passed.
    positive : optional
        The decision that counts as selected; the favourable one. Default: the larger of two.
    sample_weight : array of shape (n_samples,), optional
        Weight of each sample. Default: 1.

    Returns
    -------
    FourFifths

    Raises
    ------
    InputError
        If lengths differ, `preds` are scores, or the positive decision is not clear.

    Notes
    -----
    The rule is a rule of thumb of one country's labour law, not a definition of fairness: a ratio below it may be noise
    in small groups, and one above it may still be a significant difference in large ones.

    References
    ----------
    Uniform Guidelines on Employee Selection Procedures, 29 CFR 1607.4 D.

    Examples
    --------
    >>> from mxfair.metric.representation import four_fifths_rule
    >>> result = four_fifths_rule([1, 0] * 50 + [1, 1, 1, 0] * 25, ["a"] * 100 + ["b"] * 100)
    >>> result.verdict, round(result.ratio, 3), result.lowest
    ('failed', 0.667, 'a')
    >>> four_fifths_rule([1, 0, 1, 1], ["a", "a", "b", "b"]).verdict
    'not enough data'
    """
    if not 0 < threshold <= 1:
        raise InputError(f"'threshold' must be above 0 and at most 1; got {threshold}. Use 0.8.")
    encoded = groups if isinstance(groups, Groups) else Groups(groups)
    weight = weights(sample_weight)
    rates = mean_by_group("selection_rate", accepted(preds, positive).astype(float), encoded, weight)
    size = rates.support
    if weight is not None:
        squared = np.bincount(encoded.codes, weight**2, minlength=encoded.n_groups)
        size = np.where(squared > 0, size**2 / np.where(squared > 0, squared, 1.0), 0.0)
    small = [name for name, n, known in zip(encoded.names, size, rates.known) if known and n < min_support]
    values = np.where(rates.defined & (size >= min_support), rates.values, np.nan)
    compared = int((~np.isnan(values)).sum())
    lowest = encoded.names[int(np.nanargmin(values))] if compared else None
    highest = encoded.names[int(np.nanargmax(values))] if compared else None
    top = float(np.nanmax(values)) if compared else 0.0
    ratio = float(np.nanmin(values)) / top if compared > 1 and top > 0 else float("nan")
    verdict, reason = _verdict(ratio, threshold, small, compared, min_support)
    return FourFifths(verdict, reason, ratio, lowest, highest, threshold, rates)


def _verdict(ratio: float, threshold: float, small: list[str], compared: int, min_support: float) -> tuple[str, str]:
    # 4 / 5 of floats may fall a rounding short of .8
    if ratio < threshold - 1e-12:
        return "failed", f"ratio {ratio:.4g} is below {threshold:g}"
    if small:
        return "not enough data", f"fewer than {min_support:g} samples of {', '.join(small)}"
    if compared < 2:
        return "not enough data", "fewer than two groups"
    if np.isnan(ratio):
        return "not enough data", "nobody is selected"
    return "passed", f"ratio {ratio:.4g} is at least {threshold:g}"


def _missing(groups: Groups) -> dict[str, str]:
    return {name: _MISSING for name, known in zip(groups.names, groups.known) if not known}
