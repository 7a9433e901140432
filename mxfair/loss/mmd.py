"""MMDPenalty: the maximum mean discrepancy of groups' scores, MinDiff's among them."""

from __future__ import annotations

from typing import Any

from mxfair._compat import import_mxnet
from mxfair._validation import one_of
from mxfair.loss._kernel import KERNELS, check_flag, check_groups, check_length, kernel_matrix
from mxfair.loss._scores import HistogramPenalty, deviations, group_means, standard, unstandard
from mxfair.loss._steered import Steered

mx: Any = import_mxnet()

__all__ = ["MMDPenalty"]

#: What Prost et al.'s library adds to the variances of the means.
_EPSILON = 1e-2


class MMDPenalty(HistogramPenalty):
    r"""The maximum mean discrepancy between the scores of each group and the mean of groups; MinDiff where adjusted.

    .. math:: \Omega = \sum_{s} 2 \sum_g \lVert \mu_{gs} - \bar\mu_s \rVert_k^2, \qquad
        \lVert \mu_0 - \mu_1 \rVert_k^2 = E\,k(x_0, x_0') - 2 E\,k(x_0, x_1) + E\,k(x_1, x_1')

    in each stratum s, the unweighted mean over the groups that it has: with two groups the squared discrepancy. The
    kernel is exp(-d^2 / length^2), or exp(-abs(d) / length).

    Parameters
    ----------
    criterion : str or Criterion
        What it conditions on: demographic_parity compares all scores, equal_opportunity those of the positive label,
        equalized_odds those of each label; their values are added. For a regression demographic_parity only.
    n_groups : int or Groups
        Number of groups; samples of any other code count for none.
    kernel : {"gaussian", "laplace"}, default="gaussian"
        The kernel of two scores.
    length : float, optional
        Its length. Default: .25 of the unit interval that scores are mapped into, 1 standard deviation where exact, and
        .1 where `scale_free` is False, as MinDiff has it.
    adjusted : bool, default=False
        Divide by the variances of the groups' means plus .01, held fixed in the derivative; such values are some ten
        times larger.
    exact : bool, default=False
        Compute the kernel of all pairs of the batch, which costs several times more than the plain training step; by
        default the kernel is interpolated between knots, which stays a kernel, a little lower where scores are close.
    knots : int, default=17
        Knots of the soft histograms: each score gives its weight to the two knots around it.
    scale_free : bool, default=True
        Scores in units of their standard deviation in the batch, mapped into the unit interval by z / (1 + abs(z)),
        where exact without the map. The gradient goes through the deviation, so that shrinking all scores gains
        nothing. False: probabilities as they are.
    **options
        ``strength``, ``link``, ``n_classes``, ``prefix`` and ``params``; see `Penalty`.

    Raises
    ------
    InputError, InputTypeError
        If an argument is out of range, or the criterion compares no scores inside sets of labels.

    References
    ----------
    Gretton et al., "A Kernel Method for the Two-Sample-Problem", NIPS 2006. Prost et al., "Toward a better trade-off
    between performance and fairness with kernel-based distribution matching", 2019 (arXiv:1910.11779).

    Examples
    --------
    >>> import mxnet as mx
    >>> from mxfair.loss import MMDPenalty
    >>> penalty = MMDPenalty("demographic_parity", 2, link="sigmoid")
    >>> pred, label = mx.nd.array([-2, 2, -2, 2]), mx.nd.array([0, 1, 0, 1])
    >>> apart, alike = mx.nd.array([0, 1, 0, 1]), mx.nd.array([0, 0, 1, 1])
    >>> [round(float(penalty(pred, label, group)[0].asscalar()), 2) + 0.0 for group in (apart, alike)]
    [1.96, 0.0]
    """

    def __init__(
        self,
        criterion: Any,
        n_groups: Any,
        *,
        kernel: str = "gaussian",
        length: float | None = None,
        adjusted: bool = False,
        exact: bool = False,
        knots: int = 17,
        scale_free: bool = True,
        **options: Any,
    ) -> None:
        super().__init__(
            criterion, check_groups(n_groups, "HSICPenalty"), knots=knots, scale_free=scale_free, **options
        )
        self.kernel = one_of(kernel, KERNELS, "kernel")
        self.length = check_length(length, (1.0 if exact else 0.25) if scale_free else 0.1)
        self.adjusted, self.exact = check_flag(adjusted, "adjusted"), check_flag(exact, "exact")
        if not exact:
            with self.name_scope():
                self._constant("kernels", kernel_matrix(self.kernel, self.length, self.knots))

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
            The kernel between knots.

        Returns
        -------
        Steered
        """
        if not self.exact:
            return super().penalty(F, pred, label, group, strength, strata, **params)
        prob, scores, cell, known = self._read(F, pred, label, group, strata)
        scale = self._scale(F, label, strength)
        if self.scale_free:
            z, spread, count = standard(F, scores, known)
        else:
            z = scores
        value, slope = self._pairs(F, z, F.one_hot(cell, depth=self._n_cells))
        if self.scale_free:
            slope = unstandard(F, slope, z, known, count, spread / scale)
        else:
            slope = F.broadcast_mul(slope, scale)
        return self._steered(F, value, slope, prob, strength)

    def _statistic(self, F: Any, table: Any, members: Any, kernels: Any) -> tuple[Any, Any]:
        # v = 2 sum_g d_g K d_g; as the d_g add up to 0, dv / dm_g = 4 K d_g
        means, count, present = group_means(F, table, self.n_groups, self._n_strata)
        apart = F.reshape(deviations(F, means, present), shape=(-1, self.knots))
        pull = F.dot(apart, kernels)
        if not self.adjusted:
            value = 2.0 * F.dot(F.reshape(apart, shape=(-1,)), F.reshape(pull, shape=(-1,)))
            return value, F.broadcast_div(4.0 * pull, F.reshape(count, shape=(-1, 1)))
        means = F.reshape(means, shape=(-1, self.knots))
        within = F.sum(means * F.dot(means, kernels), axis=1)
        value, factor = self._adjust(F, F.sum(apart * pull, axis=1), within, count, present)
        return value, F.broadcast_mul(4.0 * pull, F.reshape(F.broadcast_div(factor, count), shape=(-1, 1)))

    def _adjust(self, F: Any, energy: Any, within: Any, count: Any, present: Any) -> tuple[Any, Any]:
        """Return the sum of the strata's discrepancies over the variances of the groups' means, and one over these.

        The variance of the mean of k(x, .) in a group of n is (mean of k(x, x) - mean of k(x, x')) / n.
        """
        shape = (self.n_groups, self._n_strata, 1)
        noise = (1 - F.reshape(within, shape=shape)) * present / count
        factor = 1 / (F.sum(noise, axis=0, keepdims=True) + _EPSILON)
        value = 2.0 * F.sum(F.broadcast_mul(F.reshape(energy, shape=shape), factor))
        return F.reshape(value, shape=(1,)), F.broadcast_mul(factor, F.ones_like(count))

    def _pairs(self, F: Any, z: Any, member: Any) -> tuple[Any, Any]:
        """Return the discrepancy and its derivative by scores from the kernel of all pairs.

        v = 2 sum_g w_g K w_g with w_ig = 1(i in g) / n_g less the mean of that over groups.
        """
        shape = (self.n_groups, self._n_strata, 1)
        count = F.reshape(F.sum(member, axis=0), shape=shape)
        present = count > 0.5
        count = count + (1 - present)
        share = F.reshape(F.broadcast_div(F.transpose(member), F.reshape(count, shape=(-1, 1))), shape=(*shape[:2], -1))
        weight = F.reshape(deviations(F, share, present), shape=(self._n_cells, -1))
        apart = F.broadcast_minus(F.reshape(z, shape=(-1, 1)), F.reshape(z, shape=(1, -1)))
        # elu(x) + 1 = exp(x) for x <= 0, several times faster than exp in this engine
        if self.kernel == "gaussian":
            kernels = F.LeakyReLU(F.square(apart) * (-1 / self.length**2), act_type="elu", slope=1.0) + 1
            steep = apart * kernels * (-2 / self.length**2)
        else:
            kernels = F.LeakyReLU(F.abs(apart) * (-1 / self.length), act_type="elu", slope=1.0) + 1
            steep = F.sign(apart) * kernels * (-1 / self.length)
        # steep_ij = dk(z_i, z_j) / dz_i
        energy = F.sum(weight * F.dot(weight, kernels), axis=1)
        push = weight * F.dot(weight, steep, transpose_b=True)
        if not self.adjusted:
            return 2.0 * F.reshape(F.sum(energy), shape=(1,)), 4.0 * F.sum(push, axis=0)
        share = F.reshape(share, shape=(self._n_cells, -1))
        value, factor = self._adjust(F, energy, F.sum(share * F.dot(share, kernels), axis=1), count, present)
        return value, 4.0 * F.sum(F.broadcast_mul(push, F.reshape(factor, shape=(-1, 1))), axis=0)
