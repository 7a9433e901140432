"""CorrelationPenalty: the squared correlation of scores with groups or attributes, or their covariance."""

from __future__ import annotations

from typing import Any

from mxfair._compat import import_mxnet
from mxfair._validation import InputError, positive_integer
from mxfair.loss._scores import FLOOR, ScorePenalty
from mxfair.loss._steered import Steered

mx: Any = import_mxnet()

__all__ = ["CorrelationPenalty"]


class CorrelationPenalty(ScorePenalty):
    r"""The squared correlation of scores with groups, or with continuous attributes.

    .. math:: \Omega = \eta^2 = \frac{\sum_g n_g (\bar s_g - \bar s)^2}{\sum_i (s_i - \bar s)^2}

    in each stratum: the share of the scores' variance between groups, with two groups their squared correlation. With
    attributes the mean over them of squared correlations. It sees means only.

    Parameters
    ----------
    criterion : str or Criterion
        What it conditions on: demographic_parity compares all scores, equal_opportunity those of the positive label,
        equalized_odds those of each label; their values are added. For a regression demographic_parity only.
    n_groups : int, Groups or None
        Number of groups; samples of any other code count for none. None for continuous attributes, one
        a column; NaN is not known and counts for none.
    n_attributes : int, default=1
        Number of columns of continuous attributes.
    scale_free : bool, default=True
        False for squared covariances: with two groups that with the indicator of one; with several half of their sum.
    **options
        ``strength``, ``link``, ``n_classes``, ``prefix`` and ``params``; see `Penalty`.

    Raises
    ------
    InputError, InputTypeError
        If an argument is out of range, or the criterion compares no scores inside sets of labels.

    References
    ----------
    Zafar et al., "Fairness Constraints: Mechanisms for Fair Classification", AISTATS 2017 (the covariance). Beutel et
    al., "Putting Fairness Principles into Practice", AIES 2019 (the absolute correlation).

    Examples
    --------
    >>> import mxnet as mx
    >>> from mxfair.loss import CorrelationPenalty
    >>> penalty = CorrelationPenalty("demographic_parity", 2, link="sigmoid")
    >>> pred, label = mx.nd.array([-2, 2, -2, 2]), mx.nd.array([0, 1, 0, 1])
    >>> apart, alike = mx.nd.array([0, 1, 0, 1]), mx.nd.array([0, 0, 1, 1])
    >>> [round(float(penalty(pred, label, group)[0].asscalar()), 2) + 0.0 for group in (apart, alike)]
    [1.0, 0.0]
    """

    def __init__(
        self, criterion: Any, n_groups: Any, *, n_attributes: int = 1, scale_free: bool = True, **options: Any
    ) -> None:
        super().__init__(criterion, n_groups, scale_free=scale_free, **options)
        self.n_attributes = positive_integer(n_attributes, "n_attributes")
        if self.n_groups is not None and self.n_attributes > 1:
            raise InputError(f"'n_attributes' must be 1 with groups; got {n_attributes}. Give n_groups=None.")

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
        prob, scores, cell, known = self._read(F, pred, label, group, strata)
        scale = self._scale(F, label, strength)
        ones = known
        centred = F.broadcast_minus(scores, F.mean(scores, keepdims=True))
        if self.n_groups is None:
            attribute, there = self._attributes(F, group)
            ones = known * there
            attribute = F.broadcast_mul(attribute, F.reshape(ones, shape=(-1, 1)))
            member = F.one_hot(cell, depth=self._n_cells)
            member = F.broadcast_mul(member, F.reshape(ones, shape=(-1, 1)))
            value, constant, steep, by_attribute = self._with_attributes(F, centred, member, attribute)
            slope = F.sum(F.dot(member, by_attribute) * attribute, axis=1) + F.dot(member, constant)
        else:
            member = F.one_hot(cell, depth=self._n_cells)
            value, constant, steep = self._with_groups(F, centred, member, F.ones_like(centred))
            slope = F.dot(member, constant)
        if steep is not None:
            slope = slope + centred * F.dot(member, steep)
        return self._steered(F, value, F.broadcast_mul(slope, scale), prob, strength)

    def _with_groups(self, F: Any, centred: Any, member: Any, ones: Any) -> tuple[Any, Any, Any]:
        """Return the correlation ratio of scores and groups; its derivative is a constant and a slope of each cell.

        eta^2 = sum_g n_g (m_g - m)^2 / sum_i (s_i - m)^2: with two groups the squared correlation.
        """
        shape = (self.n_groups, self._n_strata)
        count, first = (F.reshape(F.dot(by, member), shape=shape) for by in (ones, centred))
        total = F.sum(count, axis=0, keepdims=True)
        total = total + (total < 0.5)
        mean = F.sum(first, axis=0, keepdims=True) / total
        if not self.scale_free:
            # half the sum over groups of squared covariances with their indicators: with two groups the square of one
            share = F.broadcast_div(count, total)
            cov = F.broadcast_div(first, total) - F.broadcast_mul(share, mean)
            slope = F.broadcast_div(F.broadcast_minus(cov, F.sum(share * cov, axis=0, keepdims=True)), total)
            return 0.5 * F.reshape(F.sum(F.square(cov)), shape=(1,)), F.reshape(slope, shape=(-1,)), None
        second = F.sum(F.reshape(F.dot(F.square(centred), member), shape=shape), axis=0, keepdims=True)
        own = first / (count + (count < 0.5))
        level = total * F.square(mean)
        spread = second - level + total * FLOOR
        ratio = (F.sum(first * own, axis=0, keepdims=True) - level) / spread
        steep = -2.0 * ratio / spread
        # (m_g - m) 2 / spread - (s - m) 2 eta^2 / spread
        constant = F.broadcast_minus(F.broadcast_div(2.0 * own, spread), (2.0 / spread + steep) * mean)
        steep = F.broadcast_add(steep, F.zeros_like(count))
        return F.reshape(F.sum(ratio), shape=(1,)), F.reshape(constant, shape=(-1,)), F.reshape(steep, shape=(-1,))

    def _with_attributes(self, F: Any, centred: Any, member: Any, attribute: Any) -> tuple[Any, Any, Any, Any]:
        """Return the mean over attributes of squared correlations, and the parts of its derivative in each stratum."""
        count = F.reshape(F.sum(member, axis=0), shape=(-1, 1))
        count = count + (count < 0.5)
        mean = F.reshape(F.dot(centred, member), shape=(-1, 1)) / count
        level = F.broadcast_div(F.dot(member, attribute, transpose_a=True), count)
        both = F.dot(F.broadcast_mul(member, F.reshape(centred, shape=(-1, 1))), attribute, transpose_a=True)
        cov = F.broadcast_div(both, count) - F.broadcast_mul(level, mean)
        if not self.scale_free:
            value = F.reshape(F.sum(F.square(cov)), shape=(1,)) / self.n_attributes
            by_attribute = F.broadcast_div((2.0 / self.n_attributes) * cov, count)
            return value, -F.sum(by_attribute * level, axis=1), None, by_attribute
        spread = F.reshape(F.dot(F.square(centred), member), shape=(-1, 1)) / count - F.square(mean) + FLOOR
        width = F.broadcast_div(F.dot(member, F.square(attribute), transpose_a=True), count) - F.square(level) + FLOOR
        squares = F.broadcast_div(F.square(cov) / width, spread)
        value = F.reshape(F.sum(squares), shape=(1,)) / self.n_attributes
        by_attribute = F.broadcast_div((2.0 / self.n_attributes) * cov / width, spread * count)
        steep = (-2.0 / self.n_attributes) * F.sum(squares, axis=1, keepdims=True) / (spread * count)
        constant = -F.sum(by_attribute * level, axis=1) - F.reshape(steep * mean, shape=(-1,))
        return value, constant, F.reshape(steep, shape=(-1,)), by_attribute

    def _attributes(self, F: Any, group: Any) -> tuple[Any, Any]:
        """Return attributes as standardised columns, 0 where not known, and which samples have all of them."""
        columns = F.reshape(group, shape=(-1, self.n_attributes))
        if self._n_scores > 1:
            columns = F.repeat(columns, repeats=self._n_scores, axis=0)
        there = columns == columns  # NaN is unknown
        columns = F.where(there, columns, F.zeros_like(columns))
        known = F.min(there, axis=1)
        weight = F.reshape(known, shape=(-1, 1))
        count = F.sum(weight, keepdims=True) + 1e-12
        columns = F.broadcast_mul(columns, weight)
        columns = F.broadcast_minus(columns, F.broadcast_div(F.sum(columns, axis=0, keepdims=True), count))
        if self.scale_free:
            columns = F.broadcast_mul(columns, weight)
            spread = F.broadcast_div(F.sum(F.square(columns), axis=0, keepdims=True), count)
            columns = F.broadcast_div(columns, F.sqrt(spread + 1e-12))
        return columns, known
