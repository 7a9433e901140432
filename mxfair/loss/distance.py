"""WassersteinPenalty and CramerVonMisesPenalty: distances between the distributions of groups' scores."""

from __future__ import annotations

from typing import Any

import numpy as np

from mxfair._compat import import_mxnet
from mxfair._validation import InputError, positive_integer
from mxfair.loss._kernel import check_groups
from mxfair.loss._scores import HistogramPenalty, ScorePenalty, deviations, group_means, standard
from mxfair.loss._steered import Steered

mx: Any = import_mxnet()

__all__ = ["CramerVonMisesPenalty", "WassersteinPenalty"]

#: Of FLOOR: a variance of scores below this part of it is rounding.
ALIKE = 1e-6


class WassersteinPenalty(ScorePenalty):
    r"""The Wasserstein distance between the scores of each group and the groups' mean.

    .. math:: W_1: \sum_s \sum_g \int \lvert F_{gs} - \bar F_s \rvert dt, \qquad
        W_2^2: \sum_s 2 \sum_g \int_0^1 (Q_{gs} - \bar Q_s)^2 du

    with the unweighted mean of the distribution or quantile functions of the groups that a stratum has: with two groups
    their distance, or its square. It has no bound, and pulls harder than the other penalties: a strength of .3 does
    what 1 to 3 do there.

    Parameters
    ----------
    criterion : str or Criterion
        What it conditions on: demographic_parity compares all scores, equal_opportunity those of the positive label,
        equalized_odds those of each label; their values are added. For a regression demographic_parity only.
    n_groups : int or Groups
        Number of groups; samples of any other code count for none.
    order : {1, 2}, default=1
        1 for the distance, computed exactly; 2 for its square, from the mean quantiles on a grid.
    levels : int, default=16
        Levels of the grid of quantiles, for order 2: the value is a little below the exact one, and nearer with more.
    scale_free : bool, default=True
        Scores in units of their standard deviation in the batch; the gradient goes through it, so that shrinking all
        scores gains nothing. False takes scores as they are.
    **options
        ``strength``, ``link``, ``n_classes``, ``prefix`` and ``params``; see `Penalty`.

    Raises
    ------
    InputError, InputTypeError
        If an argument is out of range, or the criterion compares no scores inside sets of labels.

    References
    ----------
    Jiang et al., "Wasserstein Fair Classification", UAI 2019. Chzhen et al., "Fair Regression with Wasserstein
    Barycenters", NeurIPS 2020.

    Examples
    --------
    >>> import mxnet as mx
    >>> from mxfair.loss import WassersteinPenalty
    >>> penalty = WassersteinPenalty("demographic_parity", 2, link="sigmoid")
    >>> pred, label = mx.nd.array([-2, 2, -2, 2]), mx.nd.array([0, 1, 0, 1])
    >>> apart, alike = mx.nd.array([0, 1, 0, 1]), mx.nd.array([0, 0, 1, 1])
    >>> [round(float(penalty(pred, label, group)[0].asscalar()), 2) + 0.0 for group in (apart, alike)]
    [2.0, 0.0]
    """

    def __init__(
        self,
        criterion: Any,
        n_groups: Any,
        *,
        order: int = 1,
        levels: int = 16,
        scale_free: bool = True,
        **options: Any,
    ) -> None:
        super().__init__(criterion, check_groups(n_groups, "HGRPenalty"), scale_free=scale_free, **options)
        if order not in (1, 2):
            raise InputError(f"'order' must be 1 or 2; got {order!r}. Give 1 for the exact distance.")
        self.order = int(order)
        self.levels = positive_integer(levels, "levels", minimum=2, hint="Give 16, say")
        if self.order == 2:
            with self.name_scope():
                self._constant("starts", np.arange(self.levels)[None] / self.levels)

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
            Where the levels of quantiles start, for order 2.

        Returns
        -------
        Steered
        """
        prob, scores, cell, known = self._read(F, pred, label, group, strata)
        scale = self._scale(F, label, strength)
        z, spread, count = standard(F, scores, known)
        # Scores that are all alike are at the minimum, where 0 is one of several derivatives; those by rank are some
        # thousand, the spread being next to nothing.
        scale = scale * (F.dot(z, z) > ALIKE * count)
        order = F.argsort(z, axis=0)
        member = F.one_hot(F.take(cell, order), depth=self._n_cells)
        ranked = F.take(z, order)
        value, slope = self._between(F, ranked, member, **params)
        slope = F.take(slope, F.argsort(order, axis=0))
        if not self.scale_free:
            unit = spread if self.order == 1 else F.square(spread)
            return self._steered(F, value * unit, F.broadcast_mul(slope, scale * (unit / spread)), prob, strength)
        # A distance of scores z that moves with their spread: sum_i z_i dv / dz_i = order * v, and sum_i dv / dz_i = 0.
        slope = slope - F.broadcast_mul(z, self.order * value / count)
        return self._steered(F, value, F.broadcast_div(slope, spread / scale), prob, strength)

    def _between(self, F: Any, ranked: Any, member: Any, starts: Any = None) -> tuple[Any, Any]:
        """Return the distance of ranked scores and its derivative by them."""
        member = F.transpose(member)
        below = F.cumsum(member, axis=1)
        count = F.sum(member, axis=1, keepdims=True)
        present = count > 0.5
        count = count + (1 - present)
        shape = (self.n_groups, self._n_strata, -1)
        present = F.reshape(present, shape=shape)
        if self.order == 1:
            # sum_g int |F_g - mean F| dt, and ranked score i ends the step i - 1 and starts the step i
            shares = F.reshape(F.broadcast_div(below, count), shape=shape)
            apart = F.reshape(F.abs(deviations(F, shares, present)), shape=(self._n_cells, -1))
            steps = F.reshape(F.dot(F.ones_like(count), apart, transpose_a=True), shape=(-1,))
            nothing = 0 * F.slice_axis(steps, axis=0, begin=0, end=1)
            slope = F.slice_axis(F.concat(nothing, steps, dim=0), axis=0, begin=0, end=-1) - steps
            return F.dot(ranked, slope), slope
        # Mean quantiles on each of the levels: a score covers the levels from (rank - 1) / n_g to rank / n_g
        rank = F.sum(member * below, axis=0)
        own = F.sum(F.broadcast_mul(member, count), axis=0)
        own = own + (own < 0.5)
        width = 1 / self.levels
        ends = (F.reshape(edge, shape=(-1, 1)) for edge in (rank / own, (rank - 1) / own))
        upper, lower = (F.clip(F.broadcast_minus(edge, starts), 0, width) for edge in ends)
        cover = upper - lower
        quantiles = self.levels * F.dot(F.broadcast_mul(member, F.reshape(ranked, shape=(1, -1))), cover)
        apart = F.reshape(deviations(F, F.reshape(quantiles, shape=shape), present), shape=(self._n_cells, -1))
        slope = 4.0 * F.sum(F.dot(member, apart, transpose_a=True) * cover, axis=1)
        return 2.0 * width * F.reshape(F.sum(F.square(apart)), shape=(1,)), slope


class CramerVonMisesPenalty(HistogramPenalty):
    r"""The Cramer-von Mises distance between the scores of each group and the groups' mean.

    .. math:: \Omega = 3 \sum_s 2 \sum_g \int (F_{gs} - \bar F_s)^2 \, dF_s

    with the unweighted mean of the groups that a stratum has, and F_s that of all its samples: with two groups 3 times
    their squared distance, 1 where one group's scores are all below the other's and no two alike. From soft histograms.

    Parameters
    ----------
    criterion : str or Criterion
        What it conditions on: demographic_parity compares all scores, equal_opportunity those of the positive label,
        equalized_odds those of each label; their values are added. For a regression demographic_parity only.
    n_groups : int or Groups
        Number of groups; samples of any other code count for none.
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
    Anderson, "On the Distribution of the Two-Sample Cramer-von Mises Criterion", Annals of Mathematical Statistics 33,
    1962.

    Examples
    --------
    >>> import mxnet as mx
    >>> from mxfair.loss import CramerVonMisesPenalty
    >>> penalty = CramerVonMisesPenalty("demographic_parity", 2, link="sigmoid")
    >>> pred, label = mx.nd.array([-2, 2, -2, 2]), mx.nd.array([0, 1, 0, 1])
    >>> apart, alike = mx.nd.array([0, 1, 0, 1]), mx.nd.array([0, 0, 1, 1])
    >>> [round(float(penalty(pred, label, group)[0].asscalar()), 2) + 0.0 for group in (apart, alike)]
    [1.5, 0.0]
    """

    def __init__(
        self, criterion: Any, n_groups: Any, *, knots: int = 17, scale_free: bool = True, **options: Any
    ) -> None:
        super().__init__(criterion, check_groups(n_groups, "HGRPenalty"), knots=knots, scale_free=scale_free, **options)
        with self.name_scope():
            self._constant("below", np.triu(np.ones((self.knots, self.knots - 1))))
            self._constant("middle", (np.eye(self.knots) + np.eye(self.knots, k=-1))[:, :-1] / 2)

    def _statistic(self, F: Any, table: Any, members: Any, below: Any, middle: Any) -> tuple[Any, Any]:
        # v = 3 * 2 sum_g sum_j (F_gj - mean F_j)^2 w_j, with w the pooled mass around the step j; as the deviations add
        # up to 0, the mean has no part in the derivative
        n_strata, steps = self._n_strata, self.knots - 1
        means, count, present = group_means(F, table, self.n_groups, n_strata)
        apart = F.dot(F.reshape(deviations(F, means, present), shape=(-1, self.knots)), below)
        apart = F.reshape(apart, shape=(-4, -1, n_strata, steps))
        column = F.sum(F.reshape(table, shape=(-4, -1, n_strata, 0)), axis=0)
        total = F.sum(column, axis=1, keepdims=True)
        total = total + (total < 0.5)
        mass = F.broadcast_div(F.dot(column, middle), total)
        squares = F.sum(F.square(apart), axis=0)
        by_mass = F.dot(F.broadcast_div(6.0 * squares, total), middle, transpose_b=True)
        by_apart = F.reshape(F.broadcast_mul(apart, F.reshape(mass, shape=(1, n_strata, steps))), shape=(-1, steps))
        by_mean = F.reshape_like(F.dot(12.0 * by_apart, below, transpose_b=True), means)
        by_table = F.broadcast_add(F.broadcast_div(by_mean, count), F.expand_dims(by_mass, axis=0))
        return 6.0 * F.reshape(F.sum(squares * mass), shape=(1,)), by_table
