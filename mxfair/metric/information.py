"""Whole distributions of decisions by group: differential fairness and mutual information."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from mxfair._short_repr import short_repr
from mxfair._validation import InputError, labels_vector, weights
from mxfair.confusion import GroupConfusion
from mxfair.groups import Groups
from mxfair.metric._decisions import decision_counts

__all__ = ["DifferentialFairness", "MutualInformation", "differential_fairness", "mutual_information"]


@dataclass(frozen=True)
class DifferentialFairness:
    """How far the probabilities of some outcome lie apart between two groups, as the logarithm of their ratio.

    Parameters
    ----------
    epsilon : float
        max over outcomes and pairs of abs(log ratio): 0 is parity; infinite where an outcome never occurs in one group
        and does in another; NaN with fewer than two known groups that have samples.
    outcome : label value or None
        The outcome that sets it.
    high, low : str or None
        The groups in which this outcome is most and least likely.
    labels_epsilon : float
        The same figure of the labels; NaN where they were not given.
    groups : tuple of str
        Names of the groups, in the order of the rows of `probabilities`.
    outcomes : tuple
        Outcomes, in the order of its columns.
    probabilities : ndarray of shape (n_groups, n_outcomes)
        Probability of each outcome in each group; NaN for groups without samples.
    concentration : float
        Concentration of the Dirichlet prior; 0 for none.
    """

    epsilon: float
    outcome: Any
    high: str | None
    low: str | None
    labels_epsilon: float
    groups: tuple[str, ...]
    outcomes: tuple[Any, ...]
    probabilities: np.ndarray
    concentration: float

    @property
    def amplification(self) -> float:
        """Epsilon of the decisions minus epsilon of the labels: above 0, the model adds to what is in the data."""
        with np.errstate(invalid="ignore"):
            return float(np.subtract(self.epsilon, self.labels_epsilon))

    @classmethod
    def of_table(cls, table: GroupConfusion, *, concentration: float = 1.0) -> DifferentialFairness:
        """Return the figure of a table of counts, labels included.

        Parameters
        ----------
        table : GroupConfusion
            The counts.
        concentration : float, default=1.0
            As for `differential_fairness`.

        Returns
        -------
        DifferentialFairness

        Examples
        --------
        >>> from mxfair import GroupConfusion
        >>> from mxfair.metric.information import DifferentialFairness
        >>> table = GroupConfusion.of([0, 1, 0, 1], [0, 1, 1, 1], ["a", "a", "b", "b"])
        >>> DifferentialFairness.of_table(table, concentration=0).epsilon
        inf
        """
        found = _differential(table.classes, table.counts.sum(axis=-2), table.groups, table.known, concentration)
        labelled = table.counts[table.known].sum(axis=-1)
        of_labels = _largest(_epsilons(_probabilities(labelled, concentration)))
        return cls(**{**vars(found), "labels_epsilon": float(of_labels)})

    def __repr__(self) -> str:
        where = f": {self.outcome!r} in {self.high} and {self.low}" if self.high else ""
        added = "" if np.isnan(self.labels_epsilon) else f"; labels {self.labels_epsilon:.4g}"
        return f"DifferentialFairness({self.epsilon:.4g}{where}{added})"


def differential_fairness(
    preds: Any, groups: Any, *, labels: Any = None, concentration: float = 1.0, sample_weight: Any = None
) -> DifferentialFairness:
    r"""Return the largest logarithm of a ratio of outcome probabilities between two groups.

    .. math:: \epsilon = \max_{y, s, s'} \left| \ln \frac{P(y \mid s)}{P(y \mid s')} \right|, \qquad
        P(y \mid s) = \frac{N_{y,s} + c / K}{N_s + c}

    Parameters
    ----------
    preds : array of shape (n_samples,) or (n_samples, n_classes)
        Decisions, or one column of probabilities per class.
    groups : array-like or Groups
        Sensitive attribute of each sample; several columns are crossed, as the definition is meant for.
    labels : array of shape (n_samples,), optional
        True classes in the values of `preds`, for `amplification`. Default: not given, and it is NaN.
    concentration : float, default=1.0
        Concentration c of a symmetric Dirichlet prior, spread over the K outcomes: it keeps small groups from an
        infinite figure. 0 gives the plain shares.
    sample_weight : array of shape (n_samples,), optional
        Weight of each sample. Default: 1.

    Returns
    -------
    DifferentialFairness

    Raises
    ------
    InputError
        If lengths differ, `preds` are scores, or the concentration is negative.

    Notes
    -----
    A disparate impact of four fifths is an epsilon of ln(5 / 4) = 0.22 in that outcome; but epsilon takes all outcomes,
    and so sees the ratio of rejection rates as well. Where no group has an outcome, it constrains nothing. Groups
    without samples are left out, and so are samples whose sensitive attribute is missing. In small groups the largest
    of many ratios is large by chance alone: look at the confidence interval.

    References
    ----------
    Foulds et al., "An Intersectional Definition of Fairness", ICDE 2020, definitions of differential fairness, its
    smoothed empirical form, and differential fairness bias amplification.

    Examples
    --------
    >>> from mxfair.metric.information import differential_fairness
    >>> result = differential_fairness([1, 1, 0, 0, 1, 0, 0, 0], list("aaaabbbb"), concentration=0)
    >>> round(result.epsilon, 4), result.outcome, result.high, result.low
    (0.6931, 1, 'a', 'b')
    """
    encoded = groups if isinstance(groups, Groups) else Groups(groups)
    if labels is not None:
        table = GroupConfusion.of(labels, preds, encoded, sample_weight=sample_weight)
        return DifferentialFairness.of_table(table, concentration=concentration)
    outcomes, counts = decision_counts(preds, encoded, weights(sample_weight))
    return _differential(outcomes, counts, encoded.names, encoded.known, concentration)


@dataclass(frozen=True)
class MutualInformation:
    """How much the group tells about the decision.

    Parameters
    ----------
    value : float
        The mutual information in nats: 0 where decision and group are independent.
    normalized : float
        `value` divided by the mean entropy of group and decision (given the label, where the value is), in 0 to 1;
        NaN where both are 0.
    floor : float
        What to expect of independent data of this size.
    p_value : float
        Of the likelihood-ratio (G) test of independence; NaN where there is nothing to test.
    """

    value: float
    normalized: float
    floor: float
    p_value: float

    __repr__ = short_repr


def mutual_information(preds: Any, groups: Any, *, labels: Any = None, sample_weight: Any = None) -> MutualInformation:
    r"""Return the mutual information of decisions and groups: 0 is demographic parity.

    .. math:: I(\hat Y; A) = \sum_{a, y} P(a, y) \ln \frac{P(a, y)}{P(a) P(y)}

    With `labels` it is the conditional one, :math:`I(\hat Y; A \mid Y) = \sum_y P(y) I(\hat Y; A \mid Y = y)`, which is
    0 for equalized odds.

    Parameters
    ----------
    preds : array of shape (n_samples,) or (n_samples, n_classes)
        Decisions, or one column of probabilities per class.
    groups : array-like or Groups
        Sensitive attribute of each sample. Samples of which it is missing are left out.
    labels : array of shape (n_samples,), optional
        True classes to condition on. Default: no condition.
    sample_weight : array of shape (n_samples,), optional
        Weight of each sample. Default: 1.

    Returns
    -------
    MutualInformation

    Notes
    -----
    Of n independent samples, 2 n I is about chi-square with as many degrees of freedom as the tables have, which gives
    the floor (degrees of freedom / 2 n) and the p-value. With weights, n is the effective number of samples, and both
    are approximate; with probabilities instead of decisions the p-value is too large. Several groups, several
    outcomes and every direction count alike: the figure does not say whom a difference harms.

    References
    ----------
    Cover and Thomas, "Elements of Information Theory", 2006, equation 2.28; Miller, "Note on the Bias of Information
    Estimates", 1955, for the floor.

    Examples
    --------
    >>> from mxfair.metric.information import mutual_information
    >>> result = mutual_information([1, 1, 0, 0], ["a", "a", "b", "b"])
    >>> round(result.value, 4), result.normalized
    (0.6931, 1.0)
    """
    encoded = groups if isinstance(groups, Groups) else Groups(groups)
    weight = weights(sample_weight)
    if labels is None:
        counts = decision_counts(preds, encoded, weight)[1][encoded.known][None]
    else:
        table = GroupConfusion.of(labels_vector(labels), preds, encoded, sample_weight=weight)
        counts = np.moveaxis(table.counts[table.known], -2, 0)
    used = encoded.known[encoded.codes]
    if weight is None:
        size = float(used.sum())
    else:
        size = float(np.sum(weight[used]) ** 2 / max(np.sum(weight[used] ** 2), np.finfo(float).tiny))
    return _information(counts, size)


def _information(counts: np.ndarray, size: float) -> MutualInformation:
    """Return the figure of tables of counts by (condition, group, outcome)."""
    from scipy.special import chdtrc, rel_entr

    total = counts.sum()
    if not total > 0:
        return MutualInformation(*(float("nan"),) * 4)
    joint = counts / total
    given = joint.sum(axis=(1, 2), keepdims=True)
    by_group, by_outcome = joint.sum(axis=2, keepdims=True), joint.sum(axis=1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        independent = np.where(given > 0, by_group * by_outcome / given, 0.0)
    value = max(float(rel_entr(joint, independent).sum()), 0.0)  # H(A | Y) = -sum P(a, y) ln P(a | y)
    entropies = [-float(rel_entr(part, np.broadcast_to(given, part.shape)).sum()) for part in (by_group, by_outcome)]
    mean = sum(entropies) / 2
    rows, columns = (by_group > 0).sum(axis=(1, 2)), (by_outcome > 0).sum(axis=(1, 2))
    freedom = float(np.maximum((rows - 1) * (columns - 1), 0).sum())
    p_value = float(chdtrc(freedom, 2 * size * value)) if freedom else float("nan")
    return MutualInformation(value, value / mean if mean > 0 else float("nan"), freedom / (2 * size), p_value)


def _differential(
    outcomes: np.ndarray, counts: np.ndarray, groups: tuple[str, ...], known: np.ndarray, concentration: float
) -> DifferentialFairness:
    """Return the figure of counts by (group, outcome)."""
    if not (np.isfinite(concentration) and concentration >= 0):
        raise InputError(f"'concentration' must be finite and at least 0; got {concentration}. Use 1, or 0 for none.")
    names, nan = tuple(outcomes.tolist()), float("nan")
    probabilities = _probabilities(counts, concentration)
    compared = np.where(known[:, None], probabilities, np.nan)
    epsilons = _epsilons(compared)
    epsilon = float(_largest(epsilons))
    outcome, high, low = None, None, None
    if not np.isnan(epsilon):
        place = int(np.nanargmax(epsilons))
        outcome = names[place]
        high, low = groups[int(np.nanargmax(compared[:, place]))], groups[int(np.nanargmin(compared[:, place]))]
    return DifferentialFairness(epsilon, outcome, high, low, nan, groups, names, probabilities, float(concentration))


def _probabilities(counts: np.ndarray, concentration: float) -> np.ndarray:
    """Return P(outcome | group) of counts of shape (..., n_groups, n_outcomes); NaN for groups without samples."""
    total = counts.sum(axis=-1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        smoothed = (counts + concentration / counts.shape[-1]) / (total + concentration)
    return np.where(total > 0, smoothed, np.nan)


def _epsilons(probabilities: np.ndarray) -> np.ndarray:
    """Return max over pairs of groups of |ln ratio|, shape (..., n_outcomes); NaN for an outcome that nobody has."""
    two = (~np.isnan(probabilities)).sum(axis=-2) >= 2
    with np.errstate(invalid="ignore", divide="ignore"):
        logs = np.log(probabilities)
        spread = np.fmax.reduce(logs, axis=-2, initial=np.nan) - np.fmin.reduce(logs, axis=-2, initial=np.nan)
    # Nobody's outcome, -inf - -inf, constrains nothing: 0 <= exp(epsilon) 0 holds for every epsilon.
    return np.where(two, spread, np.nan)


def _largest(epsilons: np.ndarray) -> np.ndarray:
    return np.fmax.reduce(epsilons, axis=-1, initial=np.nan)
