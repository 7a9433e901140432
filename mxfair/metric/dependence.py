"""How strongly numeric predictions depend on a continuous sensitive attribute, without cutting it into groups."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable

import numpy as np

from mxfair._short_repr import short_repr
from mxfair._validation import InputError, generator, numbers, one_of, positive_integer, same_length
from mxfair.metric._distances import Distances
from mxfair.metric._samples import sample_quantiles
from mxfair.residuals._moments import finite

__all__ = ["Dependence", "chi_square_dependence", "distance_correlation", "hgr"]

#: Cells of a side of the grid for kernel densities; normal scores of a million samples span ten units.
_CELLS = 64


@dataclass(frozen=True)
class Dependence:
    """A measure of dependence between predictions and an attribute, beside what independence would give.

    Parameters
    ----------
    name : str
        Name of the measure.
    value : float
        The measure, 0 under independence of infinitely many samples; NaN where one side is constant.
    floor : float
        The noise floor: the value to expect from as many samples under independence.
    p_value : float
        Probability of a value at least as large under independence.
    permutations : int
        Number of random pairings that floor and p-value come from; 0: they come from a formula, or are NaN.
    n_samples : int
        Number of samples with an attribute.
    missing : int
        Number of samples without one, which were left out.

    Examples
    --------
    >>> from mxfair.metric.dependence import Dependence
    >>> Dependence("hgr", 0.5, 0.1, 0.005, 199, 1000, 0).value
    0.5
    """

    name: str
    value: float
    floor: float
    p_value: float
    permutations: int
    n_samples: int
    missing: int

    __repr__ = short_repr


def hgr(
    preds: Any, attribute: Any, *, method: str = "bins", bins: int = 10, permutations: int = 199, seed: Any = 0
) -> Dependence:
    r"""Return the Hirschfeld-Gebelein-Renyi maximal correlation of predictions and a continuous attribute.

    .. math:: HGR(\hat y, z) = \sup_{f, g} Corr(f(\hat y), g(z)) = \sigma_2\left(
        \frac{P(i, j)}{\sqrt{P(i) P(j)}} \right)

    the second singular value, P(i, j) being the joint distribution on a grid: 0 only under independence, 1 where one
    side fixes a function of the other.

    Parameters
    ----------
    preds : array of float, shape (n_samples,)
        Predicted values.
    attribute : array of float, shape (n_samples,)
        The sensitive attribute; NaN is missing and left out, with its count.
    method : {"bins", "kde"}, default="bins"
        Counts in quantile bins, or a Gaussian kernel density of the normal scores with bandwidth n^(-1/6): HGR does not
        change when a side is transformed without changing its order.
    bins : int, default=10
        Number of quantile bins of a side, for ``method="bins"``; a side with fewer values has one for each.
    permutations : int, default=199
        Number of random pairings for floor and p-value; 0 leaves them NaN.
    seed : int, Generator or None, default=0
        Where the pairings come from.

    Returns
    -------
    Dependence

    Raises
    ------
    InputError
        If lengths differ, a prediction is missing, or a value is infinite.

    Notes
    -----
    Bins give too large a value in small samples, which the floor shows; kernels smooth and give too small a one. Report
    both, and believe neither without the p-value.

    References
    ----------
    Mary, Calauzenes and El Karoui, Fairness-aware learning for continuous attributes and treatments, ICML 2019;
    Witsenhausen, On sequences of pairs of dependent random variables, SIAM Journal on Applied Mathematics 28 (1975),
    for the singular value.

    Examples
    --------
    >>> import numpy as np
    >>> from mxfair.metric.dependence import hgr
    >>> z = np.linspace(-1, 1, 500)
    >>> found = hgr(z**2, z)
    >>> round(found.value, 2), found.p_value
    (1.0, 0.005)
    """
    one_of(method, ("bins", "kde"), "method")
    bins = positive_integer(bins, "bins", minimum=2)
    preds, z, absent = _sides(preds, attribute)
    if method == "bins":
        smooth, codes, cells = None, [_bins(side, bins) for side in (preds, z)], bins
    else:
        (codes, smooth), cells = _scores(preds, z), _CELLS

    def measure(pairing: np.ndarray) -> float:
        table = np.bincount(codes[0] * cells + codes[1][pairing], minlength=cells * cells).reshape(cells, cells)
        return _second_singular_value(table if smooth is None else smooth @ table @ smooth.T)

    return _tested("hgr", measure, (preds, z), absent, permutations, seed, lambda value: (float("nan"), float("nan")))


def chi_square_dependence(
    preds: Any, attribute: Any, *, bins: int = 10, permutations: int = 199, seed: Any = 0
) -> Dependence:
    r"""Return the mean square contingency of predictions and a continuous attribute, in quantile bins.

    .. math:: \chi^2 = \sum_{ij} \frac{P(i, j)^2}{P(i) P(j)} - 1 \ge HGR^2

    Parameters
    ----------
    preds, attribute, bins, seed
        As for `hgr`.
    permutations : int, default=199
        Number of random pairings for floor and p-value; 0 takes Pearson's chi-square distribution instead.

    Returns
    -------
    Dependence

    References
    ----------
    Mary, Calauzenes and El Karoui, Fairness-aware learning for continuous attributes and treatments, ICML 2019.

    Examples
    --------
    >>> from mxfair.metric.dependence import chi_square_dependence
    >>> chi_square_dependence([1, 1, 2, 2], [1, 2, 1, 2], permutations=0).value
    0.0
    """
    from scipy.stats import chi2

    bins = positive_integer(bins, "bins", minimum=2)
    preds, z, absent = _sides(preds, attribute)
    codes = [_bins(side, bins) for side in (preds, z)]
    freedom = int(np.prod([side.max(initial=0) for side in codes]))

    def measure(pairing: np.ndarray) -> float:
        table = np.bincount(codes[0] * bins + codes[1][pairing], minlength=bins * bins).reshape(bins, bins)
        return max(0.0, float((_normalized(table) ** 2).sum()) - 1)

    def formula(value: float) -> tuple[float, float]:
        return freedom / max(len(z) - 1, 1), float(chi2.sf(len(z) * value, freedom))

    return _tested("chi_square_dependence", measure, (preds, z), absent, permutations, seed, formula)


def distance_correlation(preds: Any, attribute: Any, *, permutations: int = 199, seed: Any = 0) -> Dependence:
    r"""Return the distance correlation of predictions and a continuous attribute.

    .. math:: dCor^2 = \frac{dCov^2(\hat y, z)}{\sqrt{dCov^2(\hat y, \hat y) \, dCov^2(z, z)}}, \qquad
        dCov^2(x, z) = \frac{1}{n^2} \sum_{ij} A_{ij} B_{ij}

    where A and B are the matrices of distances :math:`|x_i - x_j|` and :math:`|z_i - z_j|`, their rows and columns
    centred. It needs no bins, and is 0 in the limit only under independence.

    Parameters
    ----------
    preds, attribute, seed
        As for `hgr`.
    permutations : int, default=199
        Number of random pairings for floor and p-value, each as costly as the value. 0 takes formulas instead: the mean
        of dCov^2 under independence, and the chi-square test, which is conservative.

    Returns
    -------
    Dependence

    Raises
    ------
    InputError
        If lengths differ, a prediction is missing, or a value is infinite.

    Notes
    -----
    Exact, in n log n time and linear memory: the matrices are never made.

    References
    ----------
    Szekely, Rizzo and Bakirov, Measuring and testing dependence by correlation of distances, Annals of Statistics 35
    (2007); Huo and Szekely, Fast computing for distance covariance, Technometrics 58 (2016), for the
    algorithm; Shen, Panda and Vogelstein, The chi-square test of distance correlation, Journal of Computational and
    Graphical Statistics 31 (2022), for the formula of the p-value.

    Examples
    --------
    >>> import numpy as np
    >>> from mxfair.metric.dependence import distance_correlation
    >>> z = np.linspace(-1, 1, 200)
    >>> round(distance_correlation(2 * z, z).value, 6)
    1.0
    """
    preds, z, absent = _sides(preds, attribute)
    distances = Distances(preds, z)
    return _tested(
        "distance_correlation", distances.correlation, (preds, z), absent, permutations, seed, distances.formula
    )


def _sides(preds: Any, attribute: Any) -> tuple[np.ndarray, np.ndarray, int]:
    """Return predictions and attribute of the samples that have one, and how many lack it."""
    values, z = finite(preds, "preds"), numbers(attribute, "attribute")
    same_length(preds=values, attribute=z)
    there = ~np.isnan(z)
    if np.isinf(z).any():
        raise InputError("'attribute' must be finite; got inf. Pass NaN where it is missing.")
    return values[there], z[there], int((~there).sum())


def _tested(
    name: str,
    measure: Callable[[np.ndarray], float],
    sides: tuple[np.ndarray, np.ndarray],
    absent: int,
    permutations: int,
    seed: Any,
    formula: Callable[[float], tuple[float, float]],
) -> Dependence:
    """Return a measure of a pairing with its floor and p-value, from random pairings or from a formula."""
    permutations, rng = positive_integer(permutations, "permutations", minimum=0), generator(seed)
    n, nan = len(sides[0]), float("nan")
    if n == 0 or any(side.min() == side.max() for side in sides):  # nothing depends on what does not vary
        return Dependence(name, nan, nan, nan, permutations, n, absent)
    value = measure(np.arange(n))
    floor, p_value = formula(value) if permutations == 0 else (0.0, 0.0)
    if permutations:
        null = np.array([measure(rng.permutation(n)) for _ in range(permutations)])
        # a value that a pairing equals up to rounding counts as reached
        reached = int((null >= value * (1 - 1e-9)).sum())
        floor, p_value = float(null.mean()), (1 + reached) / (1 + permutations)
    return Dependence(name, value, floor, p_value, permutations, n, absent)


def _bins(values: np.ndarray, bins: int) -> np.ndarray:
    """Return each value's quantile bin; values that are equal share one."""
    distinct = np.unique(values)
    if len(distinct) <= bins:
        return np.searchsorted(distinct, values)
    upper = np.unique(sample_quantiles(values, np.arange(1, bins + 1) / bins))
    return np.searchsorted(upper, values)


def _scores(preds: np.ndarray, z: np.ndarray) -> tuple[list[np.ndarray], np.ndarray]:
    """Return the cells of the normal scores of both sides, and the matrix that smooths counts over cells."""
    from scipy.stats import norm, rankdata

    sides = [norm.ppf((rankdata(side) - 0.5) / max(len(side), 1)) for side in (preds, z)]
    reach = float(norm.ppf(1 - 0.5 / max(len(z), 2))) + 1e-9
    width = 2 * reach / _CELLS
    codes = [np.minimum(((side + reach) / width).astype(np.int64), _CELLS - 1) for side in sides]
    step = np.subtract.outer(np.arange(_CELLS), np.arange(_CELLS)) * width
    smooth = np.exp(-0.5 * (step * max(len(z), 1) ** (1 / 6)) ** 2)
    return codes, smooth / smooth.sum(axis=0)


def _normalized(table: np.ndarray) -> np.ndarray:
    """Return P(i, j) / sqrt(P(i) P(j)), rows and columns without samples left out."""
    table = table[table.sum(axis=1) > 0][:, table.sum(axis=0) > 0]
    return table / np.sqrt(np.outer(table.sum(axis=1), table.sum(axis=0)))


def _second_singular_value(table: np.ndarray) -> float:
    return float(np.linalg.svd(_normalized(table), compute_uv=False)[1])
