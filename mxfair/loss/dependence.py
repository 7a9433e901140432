"""HSICPenalty, HGRPenalty and MutualInformationPenalty: how far scores and groups, or an attribute, depend."""

from __future__ import annotations

from typing import Any

from mxfair._compat import import_mxnet
from mxfair._validation import InputError, one_of
from mxfair.loss._kernel import KERNELS, check_flag, check_groups, check_length, kernel_matrix
from mxfair.loss._scores import HistogramPenalty, ScorePenalty
from mxfair.loss._steered import Steered

mx: Any = import_mxnet()

__all__ = ["HGRPenalty", "HSICPenalty", "MutualInformationPenalty"]

#: Inside logarithms: a group that no score speaks for has a finite gradient.
_TINY = 1e-7


class HSICPenalty(HistogramPenalty):
    r"""The Hilbert-Schmidt independence criterion of scores and groups, or of scores and a continuous attribute.

    .. math:: \mathrm{HSIC} = \frac{1}{n^2} \mathrm{tr}(K H L H)

    in each stratum, with the kernel K of scores and L of groups, 1 where they are the same, or of attributes. Divided
    by the root of the same criterion of L with itself it is about half a squared correlation or less. Unlike the
    discrepancy of `MMDPenalty` it weighs groups by their sizes.

    Parameters
    ----------
    criterion : str or Criterion
        What it conditions on: demographic_parity compares all scores, equal_opportunity those of the positive label,
        equalized_odds those of each label; their values are added. For a regression demographic_parity only.
    n_groups : int, Groups or None
        Number of groups; samples of any other code count for none. None for one continuous attribute,
        standardised over the batch; NaN is not known and counts for none.
    kernel : {"gaussian", "laplace"}, default="gaussian"
        The kernel of two scores; that of attributes is of the same kind and of length .25.
    length : float, optional
        Its length. Default: .25 of the unit interval that scores are mapped into, .1 where `scale_free` is False.
    normalized : bool, default=True
        Divide as said.
    knots : int, default=17
        Knots of the soft histograms: each score gives its weight to the two knots around it.
    scale_free : bool, default=True
        Scores in units of their standard deviation in the batch, mapped into the unit interval by z / (1 + abs(z)). The
        gradient goes through the deviation, so that shrinking all scores gains nothing. False: probabilities as they
        are.
    **options
        ``strength``, ``link``, ``n_classes``, ``prefix`` and ``params``; see `Penalty`.

    Raises
    ------
    InputError, InputTypeError
        If an argument is out of range, or the criterion compares no scores inside sets of labels.

    References
    ----------
    Gretton et al., "Measuring Statistical Dependence with Hilbert-Schmidt Norms", ALT 2005 (with n^2 for
    (n - 1)^2). Perez-Suay et al., "Fair Kernel Learning", ECML 2017.

    Examples
    --------
    >>> import mxnet as mx
    >>> from mxfair.loss import HSICPenalty
    >>> penalty = HSICPenalty("demographic_parity", 2, link="sigmoid")
    >>> pred, label = mx.nd.array([-2, 2, -2, 2]), mx.nd.array([0, 1, 0, 1])
    >>> apart, alike = mx.nd.array([0, 1, 0, 1]), mx.nd.array([0, 0, 1, 1])
    >>> [round(float(penalty(pred, label, group)[0].asscalar()), 2) + 0.0 for group in (apart, alike)]
    [0.49, 0.0]
    """

    def __init__(
        self,
        criterion: Any,
        n_groups: Any,
        *,
        kernel: str = "gaussian",
        length: float | None = None,
        normalized: bool = True,
        knots: int = 17,
        scale_free: bool = True,
        **options: Any,
    ) -> None:
        super().__init__(criterion, n_groups, knots=knots, scale_free=scale_free, **options)
        self.kernel = one_of(kernel, KERNELS, "kernel")
        self.length = check_length(length, 0.25 if scale_free else 0.1)
        self.normalized = check_flag(normalized, "normalized")
        with self.name_scope():
            self._constant("kernels", kernel_matrix(self.kernel, self.length, self.knots))
            if self.n_groups is None:
                self._constant("rows", kernel_matrix(self.kernel, 0.25, self.knots))

    def _statistic(self, F: Any, table: Any, members: Any, kernels: Any, rows: Any = None) -> tuple[Any, Any]:
        # C = P - p q', v = tr(K_a C K C') for each stratum; K_a = 1 for groups
        table = F.reshape(table, shape=(-4, -1, self._n_strata, 0))
        count = F.sum(table, axis=2, keepdims=True)
        total = F.sum(count, axis=0, keepdims=True)
        total = total + (total < 0.5)
        share = F.broadcast_div(count, total)
        apart = F.broadcast_minus(table, F.broadcast_mul(share, F.sum(table, axis=0, keepdims=True)))
        apart = F.broadcast_div(apart, total)
        pull = F.reshape_like(F.dot(F.reshape(apart, shape=(-1, self.knots)), kernels), apart)
        if rows is not None:
            pull = F.reshape_like(F.dot(rows, F.reshape(pull, shape=(self.knots, -1))), apart)
        mean = F.sum(F.broadcast_mul(pull, share), axis=0, keepdims=True)
        energy = F.sum(F.sum(apart * pull, axis=0, keepdims=True), axis=2, keepdims=True)
        unit = self._own(F, share, total, members, rows) if self.normalized else F.ones_like(total)
        by_table = F.broadcast_div(2.0 * F.broadcast_minus(pull, mean), total * unit)
        return F.reshape(F.sum(energy / unit), shape=(1,)), by_table

    def _own(self, F: Any, share: Any, total: Any, members: Any, rows: Any) -> Any:
        """Return the root of the criterion of group, or attribute, with itself in each stratum; 1 where it is 0."""
        if rows is None:
            # sum_gh (p_g 1(g = h) - p_g p_h)^2
            square = F.square(share)
            sums = F.sum(square, axis=0, keepdims=True)
            own = sums - 2 * F.sum(square * share, axis=0, keepdims=True) + F.square(sums)
        else:
            # tr(K_a A K_a A) with A = mean of f f' - p p'; rows of one stratum are n_strata apart
            n_strata, traces = self._n_strata, []
            products = F.dot(members, members, transpose_a=True)
            for place in range(n_strata):
                block = F.slice(products, begin=(place, place), end=(None, None), step=(n_strata, n_strata))
                size = F.reshape(F.slice_axis(total, axis=1, begin=place, end=place + 1), shape=(1, 1))
                own = F.reshape(F.slice_axis(share, axis=1, begin=place, end=place + 1), shape=(-1, 1))
                half = F.dot(rows, F.broadcast_div(block, size) - F.dot(own, own, transpose_b=True))
                traces.append(F.reshape(F.sum(half * F.transpose(half)), shape=(1, 1, 1)))
            own = F.concat(*traces, dim=1)
        own = F.relu(own)
        return F.sqrt(own + (own < 1e-12))


class HGRPenalty(HistogramPenalty):
    r"""The chi-square divergence that bounds the maximal correlation of scores and groups, or a continuous attribute.

    .. math:: \mathrm{HGR}^2 \le \chi^2 = \sum_{g,j} \frac{P_{gj}^2}{P_{g\cdot} P_{\cdot j}} - 1

    in each stratum, from soft histograms. In small batches it is above 0 by chance, by about (knots - 1) (n_groups - 1)
    over the samples of a stratum.

    Parameters
    ----------
    criterion : str or Criterion
        What it conditions on: demographic_parity compares all scores, equal_opportunity those of the positive label,
        equalized_odds those of each label; their values are added. For a regression demographic_parity only.
    n_groups : int, Groups or None
        Number of groups; samples of any other code count for none. None for one continuous attribute,
        standardised over the batch; NaN is not known and counts for none.
    normalized : bool, default=True
        Divide by the most that it can be, the lesser of groups (or knots) and knots less 1: Cramer's V squared. With
        more than two groups only the plain form is the bound.
    knots : int, default=9
        Knots of the soft histograms: each score gives its weight to the two knots around it.
    scale_free : bool, default=True
        Scores in units of their standard deviation in the batch, mapped into the unit interval by z / (1 + abs(z)). The
        gradient goes through the deviation, so that shrinking all scores gains nothing. False: probabilities as they
        are.
    **options
        ``strength``, ``link``, ``n_classes``, ``prefix`` and ``params``; see `Penalty`.

    Raises
    ------
    InputError, InputTypeError
        If an argument is out of range, or the criterion compares no scores inside sets of labels.

    References
    ----------
    Mary, Calauzenes and El Karoui, "Fairness-Aware Learning for Continuous Attributes and Treatments", ICML 2019
    (there with kernel density estimates for the bins).

    Examples
    --------
    >>> import mxnet as mx
    >>> from mxfair.loss import HGRPenalty
    >>> penalty = HGRPenalty("demographic_parity", 2, link="sigmoid")
    >>> pred, label = mx.nd.array([-2, 2, -2, 2]), mx.nd.array([0, 1, 0, 1])
    >>> apart, alike = mx.nd.array([0, 1, 0, 1]), mx.nd.array([0, 0, 1, 1])
    >>> [round(float(penalty(pred, label, group)[0].asscalar()), 2) + 0.0 for group in (apart, alike)]
    [1.0, 0.0]
    """

    def __init__(
        self,
        criterion: Any,
        n_groups: Any,
        *,
        normalized: bool = True,
        knots: int = 9,
        scale_free: bool = True,
        **options: Any,
    ) -> None:
        super().__init__(criterion, n_groups, knots=knots, scale_free=scale_free, **options)
        self.normalized = check_flag(normalized, "normalized")

    def _statistic(self, F: Any, table: Any, members: Any) -> tuple[Any, Any]:
        # chi2 = sum_gj P_gj^2 / (p_g q_j) - 1 = sum_gj n_gj r_gj - 1 with r_gj = n_gj / (n_g n_j); the n_g are fixed
        table = F.reshape(table, shape=(-4, -1, self._n_strata, 0))
        column = F.sum(table, axis=0, keepdims=True)
        count = F.sum(table, axis=2, keepdims=True)
        there = F.sum(column, axis=2) > 0.5
        column = column + (column < _TINY)
        ratio = F.broadcast_div(F.broadcast_div(table, column), count + (count < _TINY))
        inside = F.sum(table * ratio, axis=0, keepdims=True)
        ends = min(self.n_groups or self.knots, self.knots) - 1
        scale = 1 / ends if self.normalized else 1.0
        value = F.reshape(F.sum(inside) - F.sum(there), shape=(1,))
        return scale * value, scale * F.broadcast_minus(2.0 * ratio, inside / column)


class MutualInformationPenalty(ScorePenalty):
    r"""The prejudice remover: the mutual information of soft predictions and groups.

    .. math:: \Omega = \frac{1}{n} \sum_i \sum_y P(y \mid x_i) \ln \frac{\hat P(y \mid g_i)}{\hat P(y)}

    in each stratum, with the means of P(y | x) over a group and over all. Classification only.

    Parameters
    ----------
    criterion : str or Criterion
        What it conditions on: demographic_parity compares all scores, equal_opportunity those of the positive label,
        equalized_odds those of each label; their values are added.
    n_groups : int or Groups
        Number of groups; samples of any other code count for none.
    normalized : bool, default=True
        Divide by the entropy of the groups, so that it is at most 1. The plain form times n is the paper's.
    **options
        ``strength``, ``link``, ``n_classes``, ``prefix`` and ``params``; see `Penalty`.

    Raises
    ------
    InputError, InputTypeError
        If an argument is out of range, or the criterion compares no scores inside sets of labels.

    References
    ----------
    Kamishima et al., "Fairness-Aware Classifier with Prejudice Remover Regularizer", ECML PKDD 2012 (R_PR).

    Examples
    --------
    >>> import mxnet as mx
    >>> from mxfair.loss import MutualInformationPenalty
    >>> penalty = MutualInformationPenalty("demographic_parity", 2, link="sigmoid")
    >>> pred, label = mx.nd.array([-2, 2, -2, 2]), mx.nd.array([0, 1, 0, 1])
    >>> apart, alike = mx.nd.array([0, 1, 0, 1]), mx.nd.array([0, 0, 1, 1])
    >>> [round(float(penalty(pred, label, group)[0].asscalar()), 2) + 0.0 for group in (apart, alike)]
    [0.47, 0.0]
    """

    def __init__(self, criterion: Any, n_groups: Any, *, normalized: bool = True, **options: Any) -> None:
        super().__init__(criterion, check_groups(n_groups, "HGRPenalty"), **options)
        self.normalized = check_flag(normalized, "normalized")

    @property
    def _n_scores(self) -> int:
        return 1

    def penalty(
        self, F: Any, pred: Any, label: Any, group: Any, strength: Any = None, strata: Any = None, **params: Any
    ) -> Steered:
        """Return the penalty with its slope; see `Penalty.penalty`.

        Parameters
        ----------
        F, pred, label, group
            As for `Penalty.penalty`.
        strength, strata : NDArray or Symbol
            The strength, and the stratum of each label.
        **params
            None.

        Returns
        -------
        Steered
        """
        cell = self._cell(F, label, group, strata)
        prob = self._score(F, pred) if self._columns == 1 else self._probabilities(F, pred)
        member = F.one_hot(cell, depth=self._n_cells)
        both = F.stack(1 - prob, prob, axis=1) if self._columns == 1 else prob
        value, by_table = self._information(F, F.dot(member, both, transpose_a=True))
        by_table = F.broadcast_mul(by_table, F.reshape(self._scale(F, label, strength), shape=(1, 1)))
        if self._columns == 1:
            first, second = (F.slice_axis(by_table, axis=1, begin=place, end=place + 1) for place in (0, 1))
            by_table = F.reshape(second - first, shape=(-1,))
        return Steered(value * strength, self._by_output(F, F.dot(member, by_table), prob))

    def _information(self, F: Any, table: Any) -> tuple[Any, Any]:
        """Return sum_gy P(g, y) ln(P(y | g) / P(y)) and its derivative, that logarithm over n."""
        table = F.reshape(table, shape=(-4, -1, self._n_strata, 0))
        count = F.sum(table, axis=2, keepdims=True)
        total = F.sum(count, axis=0, keepdims=True)
        total = total + (total < 0.5)
        own = F.broadcast_div(table, count + (count < 0.5)) + _TINY
        whole = F.broadcast_div(F.sum(table, axis=0, keepdims=True), total) + _TINY
        unit = total
        if self.normalized:
            share = F.broadcast_div(count, total)
            entropy = -F.sum(share * F.log(share + (share < _TINY)), axis=0, keepdims=True)
            unit = total * (entropy + (entropy < _TINY))
        slope = F.broadcast_div(F.log(F.broadcast_div(own, whole)), unit)
        return F.reshape(F.sum(table * slope), shape=(1,)), F.reshape(slope, shape=(-3, 0))

    def _check(self, pred: Any, label: Any, group: Any) -> None:
        super()._check(pred, label, group)
        low, high = float(pred.min().asscalar()), float(pred.max().asscalar())
        if self.link == "identity" and not 0 <= low <= high <= 1:
            raise InputError(
                f"'pred' must be probabilities, from 0 to 1; got {low:g} to {high:g}. Use HGRPenalty for a regression."
            )
