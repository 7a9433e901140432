"""The best k of n rows by score, with a say for groups: quotas, bounds, equal expected recall, or each prefix."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

from mxfair._encoding import group_text
from mxfair._validation import InputError, InputTypeError, one_of, plural, same_length
from mxfair.groups import Groups
from mxfair.postprocessing._base import check_probabilities, checked_scores
from mxfair.postprocessing._prefix_test import corrected, minima

__all__ = ["RankedTopK", "TopK"]


class _Selection(BaseEstimator):  # type: ignore[misc]  # scikit-learn is untyped
    """Rows in, the order of the chosen ones out."""

    k: Any

    def rank(self, scores: Any, groups: Any) -> np.ndarray:
        """Return the chosen rows, the best first.

        Parameters
        ----------
        scores : array of shape (n_samples,)
            Larger is better. Of equal scores the earlier row is the better one.
        groups : array of shape (n_samples,), column, columns or Groups
            Known for all rows.

        Returns
        -------
        ndarray of int64, shape (k,)
            Places of the rows.

        Raises
        ------
        InputError
            If an option or a score cannot be used, a group is unknown, or there are too few rows to choose so.
        """
        values = checked_scores(scores)
        encoded = groups if isinstance(groups, Groups) else Groups(groups)
        same_length(scores=values, groups=encoded)
        if not np.asarray(encoded.known)[encoded.codes].all():
            raise InputError("'groups' must be known for all rows; some are missing. Decide about these apart.")
        occurring = np.unique(encoded.codes)
        names = [str(encoded.names[code]) for code in occurring]
        codes = np.searchsorted(occurring, encoded.codes)
        k = self._count(len(values))
        order = np.argsort(-values, kind="stable")
        return self._chosen(order, values, codes, names=names, k=k)

    def select(self, scores: Any, groups: Any) -> np.ndarray:
        """Return which rows are chosen.

        Parameters
        ----------
        scores, groups
            As for `rank`.

        Returns
        -------
        ndarray of bool, shape (n_samples,)
        """
        chosen = self.rank(scores, groups)
        mask = np.zeros(len(checked_scores(scores)), dtype=bool)
        mask[chosen] = True
        return mask

    def _chosen(
        self, order: np.ndarray, values: np.ndarray, codes: np.ndarray, *, names: list[str], k: int
    ) -> np.ndarray:
        raise NotImplementedError  # a subclass gives it

    def _count(self, n: int) -> int:
        if isinstance(self.k, bool) or not isinstance(self.k, (int, float, np.number)):
            raise InputTypeError(f"'k' must be a number; got {self.k!r}.")
        if isinstance(self.k, (float, np.floating)) and 0 < self.k < 1:
            return max(1, round(float(self.k) * n))
        if not np.isfinite(self.k) or self.k != int(self.k) or not 1 <= self.k <= n:
            raise InputError(f"'k' must be a whole number from 1 to {n:,}, or a share below 1; got {self.k}.")
        return int(self.k)


class TopK(_Selection):
    r"""Select the k rows with the best scores, given how many may come from each group.

    Parameters
    ----------
    k : int or float
        How many are selected; a number below 1 is a share of the rows.
    rule : {"shares", "bounds", "equal_opportunity"}, default="shares"
        Exact shares of the k; or bounds of them; or as many of each group that the expected recall agrees,
        :math:`\sum_{selected} s / \sum_{all} s`, for scores that are calibrated probabilities in each group (see
        `GroupCalibration`).
    shares : {"population", "equal"} or mapping of group to number, default="population"
        For "shares": those of the rows, the same for each group, or by name (they sum to 1). Seats are given by the
        largest remainders; of equal ones the earlier group has it.
    lower, upper : mapping of group to number, optional
        For "bounds": the smallest and largest share of the k by name, rounded up and down. Default: none.

    Notes
    -----
    Of all selections that a rule allows, the one with the largest sum of scores is taken. With "equal_opportunity" the
    next row always comes from the group whose expected recall is the smallest so far.

    References
    ----------
    Bounds: Celis, Straszak and Vishnoi, "Ranking with Fairness Constraints", ICALP 2018, for one set of groups that do
    not overlap; expected recall: Hardt, Price and Srebro, "Equality of Opportunity in Supervised Learning", NeurIPS
    2016, as a number of seats.

    Examples
    --------
    >>> from mxfair.postprocessing import TopK
    >>> scores, groups = [9, 8, 7, 6, 5, 4], list("aaaabb")
    >>> TopK(3).rank(scores, groups)
    array([0, 1, 4])
    >>> TopK(3, rule="bounds", upper={"a": 0.4}).rank(scores, groups)
    array([0, 4, 5])
    """

    def __init__(
        self,
        k: float,
        *,
        rule: str = "shares",
        shares: str | Mapping[str, float] = "population",
        lower: Mapping[str, float] | None = None,
        upper: Mapping[str, float] | None = None,
    ) -> None:
        self.k = k
        self.rule = rule
        self.shares = shares
        self.lower = lower
        self.upper = upper

    def _chosen(
        self, order: np.ndarray, values: np.ndarray, codes: np.ndarray, *, names: list[str], k: int
    ) -> np.ndarray:
        one_of(self.rule, ("shares", "bounds", "equal_opportunity"), "rule")
        if self.rule != "bounds" and (self.lower is not None or self.upper is not None):
            raise InputError(f"'lower' and 'upper' must go with rule='bounds'; got rule={self.rule!r}.")
        if self.rule != "shares" and self.shares != "population":
            raise InputError(f"'shares' must go with rule='shares'; got rule={self.rule!r}.")
        sizes = np.bincount(codes, minlength=len(names))
        if self.rule == "equal_opportunity":
            check_probabilities(values)
            return _even_recall(order, values, codes, k)
        if self.rule == "shares":
            low = high = self._seats(sizes, names, k)
        else:
            low = np.ceil(_by_name(self.lower, "lower", names, 0.0) * k - 1e-9).astype(int)
            high = np.floor(_by_name(self.upper, "upper", names, 1.0) * k + 1e-9).astype(int)
        lacking = low > sizes
        if lacking.any():
            place = int(np.flatnonzero(lacking)[0])
            raise InputError(
                f"Each group must have the rows that it is to give; '{names[place]}' has {sizes[place]}, not "
                f"{low[place]}. Take a smaller k or share."
            )
        high = np.minimum(high, sizes)
        if (low > high).any() or low.sum() > k or high.sum() < k:
            raise InputError(
                f"'lower' and 'upper' must allow {k} rows; they ask for {low.sum()} and leave {high.sum()} at most."
            )
        return _bounded(order, codes, low, high, k)

    def _seats(self, sizes: np.ndarray, names: list[str], k: int) -> np.ndarray:
        """Return the number of rows of each group, by largest remainders."""
        if isinstance(self.shares, str):
            one_of(self.shares, ("population", "equal"), "shares")
            shares = sizes / sizes.sum() if self.shares == "population" else np.full(len(sizes), 1 / len(sizes))
        else:
            shares = _by_name(self.shares, "shares", names, np.nan)
            if np.isnan(shares).any() or abs(shares.sum() - 1) > 1e-6:
                raise InputError(f"'shares' must name each group, {names[:10]}, and sum to 1; got {self.shares!r}.")
        exact = shares * k
        seats = np.floor(exact + 1e-9).astype(int)
        rest = np.argsort(-np.round(exact - seats, 9), kind="stable")[: k - seats.sum()]
        seats[rest] += 1
        return seats


class RankedTopK(_Selection):
    r"""Rank the best k rows so that each prefix holds no fewer protected rows than chance would, by a binomial test.

    .. math:: F(\tau_i;\, i, p) > \alpha_c \quad \text{for } i = 1, \dots, k

    where :math:`\tau_i` of the first i rows are protected and F is the binomial distribution function. Protected rows
    move up as little as this asks for; within protected and other rows the order is that of the scores (FA*IR).

    Parameters
    ----------
    k : int or float
        How many are ranked; a number below 1 is a share of the rows.
    protected : group name or sequence of them
        The groups that are protected together.
    share : float, optional
        The p of the test: the share of protected rows that chance would give. Default: that of all rows.
    alpha : float, default=0.1
        The chance that a ranking drawn with the share p would be rejected.
    corrected : bool, default=True
        Whether `alpha` is that of all prefixes together, each of which is then tested at a smaller level; without it,
        each is tested at `alpha`, and far more than that share of random rankings is rejected.

    Notes
    -----
    The corrected level is found by halving; the chance of a rejection at one of k prefixes is computed exactly, in k^2
    steps. One protected set only: several groups with a share each need a multinomial test.

    References
    ----------
    Zehlike, Bonchi, Castillo, Hajian, Megahed and Baeza-Yates, "FA*IR: A Fair Top-k Ranking Algorithm", CIKM 2017,
    definitions 1 to 3 and algorithms 1 and 2.

    Examples
    --------
    >>> from mxfair.postprocessing import RankedTopK
    >>> scores, groups = range(20, 0, -1), list("aaaaaaaaaabbbbbbbbbb")
    >>> RankedTopK(8, protected="b", corrected=False).rank(scores, groups)
    array([ 0,  1,  2, 10,  3,  4, 11,  5])
    >>> RankedTopK(12, protected="b", share=0.5, corrected=False).minima(20).tolist()
    [0, 0, 0, 1, 1, 1, 2, 2, 3, 3, 3, 4]
    """

    def __init__(
        self,
        k: float,
        *,
        protected: Any,
        share: float | None = None,
        alpha: float = 0.1,
        corrected: bool = True,
    ) -> None:
        self.k = k
        self.protected = protected
        self.share = share
        self.alpha = alpha
        self.corrected = corrected

    def minima(self, n_samples: int, *, share: float | None = None) -> np.ndarray:
        """Return how many of the first 1, 2, ..., k rows must be protected.

        Parameters
        ----------
        n_samples : int
            Number of rows that are ranked.
        share : float, optional
            The p of the test, where the object has none.

        Returns
        -------
        ndarray of int64, shape (k,)

        Raises
        ------
        InputError
            If an option is out of range, or no share is given.
        """
        k, p = self._count(n_samples), self.share if share is None else share
        if p is None:
            raise InputError("'share' must be given, here or to the object; got None.")
        for value, name in ((p, "share"), (self.alpha, "alpha")):
            if isinstance(value, bool) or not isinstance(value, (int, float, np.number)):
                raise InputTypeError(f"'{name}' must be a number; got {value!r}.")
            if not 0 < value < 1:
                raise InputError(f"'{name}' must lie between 0 and 1; got {value}.")
        level = corrected(k, float(p), float(self.alpha)) if self.corrected else float(self.alpha)
        return minima(k, float(p), level)

    def _chosen(
        self, order: np.ndarray, values: np.ndarray, codes: np.ndarray, *, names: list[str], k: int
    ) -> np.ndarray:
        several = isinstance(self.protected, Sequence) and not isinstance(self.protected, (str, bytes))
        wanted = [group_text(name) for name in (self.protected if several else [self.protected])]
        missing = [name for name in wanted if name not in names]
        if missing or not wanted or len(set(wanted)) == len(names):
            raise InputError(
                f"'protected' must name some, not all, of the groups {names[:10]}; got {self.protected!r}."
            )
        is_protected = np.isin(codes, [names.index(name) for name in wanted])
        least = self.minima(len(values), share=float(is_protected.mean()) if self.share is None else None)
        if least[-1] > is_protected.sum():
            raise InputError(
                f"The protected groups must have {plural(int(least[-1]), 'row')} for these minima; got "
                f"{is_protected.sum()}. Take a smaller k or share."
            )
        ranks = np.flatnonzero(is_protected[order])  # of protected rows by score alone, from 0
        # The j-th protected row comes at its rank by score, or where the j-th is first asked for: the earlier of both.
        due = np.searchsorted(least, np.arange(1, len(ranks) + 1))
        places = np.minimum(ranks, np.where(due < k, due, len(order)))
        result = np.empty(k, dtype=np.int64)
        first = np.zeros(k, dtype=bool)
        first[places[places < k]] = True
        result[first] = order[ranks[: first.sum()]]
        others = order[~is_protected[order]]
        result[~first] = others[: (~first).sum()]
        return result


def _bounded(order: np.ndarray, codes: np.ndarray, low: np.ndarray, high: np.ndarray, k: int) -> np.ndarray:
    """Return the best k rows with numbers by group between bounds: first what each must give, then the best others."""
    within = _rank_within(order, codes)
    must = within < low[codes[order]]
    may = (within < high[codes[order]]) & ~must
    may[np.flatnonzero(may)[k - must.sum() :]] = False
    return np.asarray(order[must | may])


def _even_recall(order: np.ndarray, values: np.ndarray, codes: np.ndarray, k: int) -> np.ndarray:
    """Return the k rows before whom their group's expected recall is the smallest."""
    by_group = np.argsort(codes[order], kind="stable")
    ordered = order[by_group]
    mass, sums = values[ordered], np.cumsum(values[ordered])
    totals = np.bincount(codes, values)
    starts = (np.cumsum(totals) - totals)[codes[ordered]]
    total = totals[codes[ordered]]
    before = np.divide(sums - mass - starts, total, out=np.ones(len(mass)), where=total > 0)
    picked = np.argsort(np.round(before, 12), kind="stable")[:k]
    chosen = np.zeros(len(order), dtype=bool)
    chosen[ordered[picked]] = True
    return np.asarray(order[chosen[order]])


def _rank_within(order: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Return how many rows of the same group come before each of the ordered rows."""
    ordered = codes[order]
    by_group = np.argsort(ordered, kind="stable")
    sizes = np.bincount(ordered)
    ranks = np.empty(len(order), dtype=np.int64)
    ranks[by_group] = np.arange(len(order)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return ranks


def _by_name(given: Any, what: str, names: list[str], default: float) -> np.ndarray:
    """Return a number for each group."""
    if given is None:
        return np.full(len(names), default)
    if not isinstance(given, Mapping):
        raise InputTypeError(f"'{what}' must map groups to shares; got {given!r}.")
    texts = {group_text(name): value for name, value in given.items()}
    unknown = [name for name in texts if name not in names]
    if unknown:
        raise InputError(f"'{what}' must name groups that occur, {names[:10]}; got {unknown[0]!r}.")
    numeric = (int, float, np.number)
    bad = [value for value in texts.values() if isinstance(value, bool) or not isinstance(value, numeric)]
    if bad:
        raise InputTypeError(f"'{what}' must map groups to numbers; got {bad[0]!r}.")
    if not all(0 <= value <= 1 for value in texts.values()):
        raise InputError(f"'{what}' must be shares from 0 to 1; got {given!r}.")
    return np.array([texts.get(name, default) for name in names], dtype=float)
