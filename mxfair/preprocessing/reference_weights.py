"""Weights, or rows, under which the data have the groups of a reference population."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from mxfair._short_repr import short_repr
from mxfair._validation import InputError, generator, plural, positive_integer
from mxfair.preprocessing._label_cells import evenly
from mxfair.preprocessing._labels import by_remainder, by_running_total
from mxfair.preprocessing._reference import Shares, is_columns, read_columns, read_single

__all__ = ["ReferenceWeights", "resample_to", "reweight_to"]

#: So many orders of rounding are tried for several margins.
_ORDERS = 20


@dataclass(frozen=True, eq=False)
class ReferenceWeights:
    """Weights of the rows, and what they cost.

    Parameters
    ----------
    weights : ndarray of float64, shape (n_samples,)
        Their mean is 1. Multiply base weights by them only if they were given to neither.
    method : {"post-stratification", "raking"}
        From the shares of one attribute (or crossing), or of several margins.
    converged : bool
        Whether every margin holds to within the tolerance, before any trimming.
    iterations : int
        Passes over the margins.
    deviation : float
        Largest difference between a weighted share and the reference's, after any trimming.
    effective_sample_size : float
        Kish's (sum w)^2 / sum w^2: so many equally weighted rows have the same variance of a mean.
    max_weight : float
        The largest weight.
    n_trimmed : int
        Rows whose weight was cut.
    n_unknown : int
        Rows of which an attribute is missing; that attribute does not weigh them.
    """

    weights: np.ndarray
    method: str
    converged: bool
    iterations: int
    deviation: float
    effective_sample_size: float
    max_weight: float
    n_trimmed: int
    n_unknown: int

    __repr__ = short_repr

    @property
    def design_effect(self) -> float:
        """Rows divided by the effective sample size: how much larger the variance of a mean is."""
        return len(self.weights) / self.effective_sample_size


def reweight_to(
    groups: Any,
    reference: Any,
    *,
    max_weight: float | None = None,
    tolerance: float = 1e-8,
    max_iterations: int = 1000,
) -> ReferenceWeights:
    r"""Return weights under which the groups have the shares of a reference population.

    For one attribute (or crossing) post-stratification, :math:`w_g = q_g / p_g`. For several margins raking, that is
    iterative proportional fitting: the margins are matched in turn until all hold,

    .. math:: w_i \leftarrow w_i \frac{q_{g(i)} \sum_j w_j}{\sum_{j: g(j) = g(i)} w_j}

    Parameters
    ----------
    groups, reference
        As for `compare_with_reference`; numeric columns cannot be matched.
    max_weight : float, optional
        Weights above this multiple of the mean are cut to it and the others raised in proportion, so that the mean is
        still 1; the shares then no longer hold exactly, and a warning says by how much. Default: no weight is cut.
    tolerance : float, default=1e-8
        Largest difference of a share from the reference's at which raking ends.
    max_iterations : int, default=1000
        Most passes over the margins.

    Returns
    -------
    ReferenceWeights

    Raises
    ------
    InputError
        If a group of the reference has no rows (no weight can stand for them), a group of the data is not named in the
        reference (name it, with share 0 to leave it out), a column is numeric, or `max_weight` cannot be met.

    Warns
    -----
    UserWarning
        If raking does not converge, weights are cut, a group gets weight 0, or an attribute is missing in some rows:
        that attribute then leaves their weight as it is.

    Notes
    -----
    Weights mend how often a group occurs, not which of its members were seen, and they do not mend its labels. A few
    large weights make training and measuring noisy: see `effective_sample_size`.

    References
    ----------
    Deming and Stephan, "On a least squares adjustment of a sampled frequency table when the expected marginal totals
    are known", Annals of Mathematical Statistics 11, 1940. Kish, "Survey Sampling", 1965.

    Examples
    --------
    >>> found = reweight_to(["f", "m", "m", "m"], {"f": 0.5, "m": 0.5})
    >>> found.weights.round(3).tolist(), found.effective_sample_size
    ([2.0, 0.667, 0.667, 0.667], 3.0)
    """
    if max_weight is not None and not (np.isfinite(max_weight) and max_weight >= 1):
        raise InputError(f"'max_weight' must be at least 1, the mean; got {max_weight}. Give 5, say, or None.")
    if not tolerance > 0:
        raise InputError(f"'tolerance' must be above 0; got {tolerance}. Give 1e-8, say.")
    most = positive_integer(max_iterations, "max_iterations")
    margins = _margins(groups, reference)
    cells, codes, counts = _crossed(margins)
    raw, iterations = _raked(codes, counts, margins, tolerance, most)
    reached = _deviation(raw, codes, counts, margins)
    weight, trimmed = (raw, np.zeros(len(raw), dtype=bool)) if max_weight is None else _trimmed(raw, counts, max_weight)
    found = ReferenceWeights(
        weight[cells],
        "raking" if len(margins) > 1 else "post-stratification",
        reached <= tolerance,
        iterations,
        _deviation(weight, codes, counts, margins),
        float((weight * counts).sum() ** 2 / (weight**2 * counts).sum()),
        float(weight.max()),
        int(counts[trimmed].sum()),
        int(counts[(codes < 0).any(axis=0)].sum()),
    )
    _say(found, reached, tolerance, margins, max_weight)
    return found


def resample_to(
    groups: Any,
    reference: Any,
    *,
    n: int | None = None,
    max_weight: float | None = None,
    seed: int | np.random.Generator | None = None,
) -> np.ndarray:
    """Return rows under which the groups have the shares of a reference population: some repeat, some are left out.

    Parameters
    ----------
    groups, reference, max_weight
        As for `reweight_to`, whose weights they follow, warnings included.
    n : int, optional
        Rows to return. Default: as many as there are.
    seed : int or numpy.random.Generator, optional
        Seed of the choice among the rows of a group.

    Returns
    -------
    ndarray of int64, shape (n,)
        Row numbers in ascending order, for ``X[rows]``; shuffle in the loader. In a group every row occurs as often as
        any other, or once more. Shares of one attribute are as near as whole numbers go; with several margins each
        crossing of them has its number of rows rounded up or down, such that the margins come near.

    Raises
    ------
    InputError
        As for `reweight_to`.

    Notes
    -----
    Resample the rows of the training split only: a row repeated before the split is in both parts.

    Examples
    --------
    >>> rows = resample_to(["f", "m", "m", "m"], {"f": 0.5, "m": 0.5}, seed=0)
    >>> (rows == 0).sum(), len(rows)
    (2, 4)
    """
    found = reweight_to(groups, reference, max_weight=max_weight)
    rng = generator(seed)
    margins = _margins(groups, reference)
    cells, codes, counts = _crossed(margins)
    size = len(cells) if n is None else positive_integer(n, "n")
    mass = np.bincount(cells, found.weights)
    wanted = _whole(mass / mass.sum() * size, size, codes, margins, rng)
    members = np.split(np.argsort(cells, kind="stable"), np.cumsum(counts)[:-1])
    drawn = [evenly(members[cell], wanted[cell], rng) for cell in np.flatnonzero(wanted)]
    return np.sort(np.concatenate(drawn))


def _whole(
    shares: np.ndarray, size: int, codes: np.ndarray, margins: list[Shares], rng: np.random.Generator
) -> np.ndarray:
    """Return the rows of each cell; with several margins, of some random orders of rounding the best for them."""
    if len(margins) == 1:
        return by_remainder(shares, size)
    found = []
    for _ in range(_ORDERS):
        order, whole = rng.permutation(len(shares)), np.empty(len(shares), dtype=np.int64)
        whole[order] = by_running_total(shares[order])
        found.append((_deviation(whole, codes, np.ones(len(whole)), margins), whole))
    return min(found, key=lambda one: one[0])[1]


def _margins(groups: Any, reference: Any) -> list[Shares]:
    """Return the shares to be matched, after checking that they can be."""
    several = is_columns(groups, reference)
    margins = []
    for column in read_columns(groups, reference) if several else [read_single(groups, reference)]:
        if column.shares is None:
            raise InputError(
                f"'{column.name}' must be a column of groups to be matched; got numbers. Cut it into bins in "
                "both, with Groups.binned say."
            )
        margin = column.shares
        present = np.bincount(margin.codes[margin.codes >= 0], minlength=len(margin.names)) > 0
        lost = [g for g, there, q in zip(margin.names, present, margin.reference) if q > 0 and not there]
        extra = [g for g, there in zip(margin.names, present) if there and g not in margin.named]
        if lost:
            raise InputError(
                f"Every group of the reference must have rows; got none of {', '.join(lost)} in '{margin.name}'. "
                "Collect some, or merge groups: no weight stands for rows that are not there."
            )
        if extra:
            raise InputError(
                f"The reference must name every group of the data; got no share of {', '.join(extra)} in "
                f"'{margin.name}'. Give its share, 0 to leave it out."
            )
        margins.append(margin)
    return margins


def _crossed(margins: list[Shares]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return each row's cell, the cells' codes by margin, shape (n_margins, n_cells), and how many rows they have."""
    cells = np.zeros(len(margins[0].codes), dtype=np.int64)
    for margin in margins:
        _, cells = np.unique(cells * (len(margin.names) + 1) + margin.codes + 1, return_inverse=True)
    first = np.unique(cells, return_index=True)[1]
    return cells, np.stack([margin.codes[first] for margin in margins]), np.bincount(cells)


def _raked(
    codes: np.ndarray, counts: np.ndarray, margins: list[Shares], tolerance: float, most: int
) -> tuple[np.ndarray, int]:
    """Return the weight of each cell, mean 1 over rows, and the passes that it took."""
    weight = np.ones(len(counts))
    passes = 0
    while passes < most:
        passes += 1
        for margin, code in zip(margins, codes):
            known = code >= 0
            mass = np.bincount(code[known], (weight * counts)[known], minlength=len(margin.names))
            # w <- w q_g sum(w) / sum of the group's w
            factor = np.divide(margin.reference * mass.sum(), mass, out=np.ones(len(mass)), where=mass > 0)
            weight[known] *= factor[code[known]]
        weight *= counts.sum() / (weight * counts).sum()
        if _deviation(weight, codes, counts, margins) <= tolerance:
            break
    return weight, passes


def _deviation(weight: np.ndarray, codes: np.ndarray, counts: np.ndarray, margins: list[Shares]) -> float:
    """Return the largest difference between a weighted share and the reference's."""
    worst = 0.0
    for margin, code in zip(margins, codes):
        known = code >= 0
        mass = np.bincount(code[known], (weight * counts)[known], minlength=len(margin.names))
        worst = max(worst, float(np.abs(mass / mass.sum() - margin.reference).max()) if mass.sum() > 0 else np.inf)
    return worst


def _trimmed(weight: np.ndarray, counts: np.ndarray, most: float) -> tuple[np.ndarray, np.ndarray]:
    """Return weights of at most `most` and mean 1: what is cut goes to the others in proportion; and which were cut."""
    total = counts.sum()
    if counts[weight > 0].sum() * most < total:
        raise InputError(
            f"'max_weight' must be at least {total / counts[weight > 0].sum():.4g} for the mean to be 1, since some "
            f"rows weigh nothing; got {most}."
        )
    cut = np.zeros(len(weight), dtype=bool)
    while (weight > most * (1 + 1e-12)).any():
        cut |= weight > most * (1 + 1e-12)
        weight = np.where(cut, most, weight)
        free = ~cut & (weight > 0)
        mass = (weight * counts)[free].sum()
        if mass > 0:
            weight = np.where(free, weight * (total - most * counts[cut].sum()) / mass, weight)
    return weight, cut


def _say(
    found: ReferenceWeights, reached: float, tolerance: float, margins: list[Shares], max_weight: float | None
) -> None:
    said = []
    if not found.converged:
        said.append(
            f"raking did not converge in {found.iterations} passes: a share is off by {reached:.3g} (tolerance "
            f"{tolerance:g}); margins that contradict each other on the cells that have rows cannot all hold"
        )
    if found.n_trimmed:
        said.append(
            f"{plural(found.n_trimmed, 'weight')} cut to {max_weight:g}: a share is off by up to {found.deviation:.3g}"
        )
    if found.n_unknown:
        said.append(f"an attribute of {plural(found.n_unknown, 'row')} is missing and does not weigh them")
    nothing = int((found.weights == 0).sum())
    if nothing:
        zero = [f"{g} in '{m.name}'" for m in margins for g, q in zip(m.names, m.reference) if q == 0]
        said.append(f"{plural(nothing, 'row')} weigh nothing, since the reference has none of {', '.join(zero)}")
    if said:
        warnings.warn((said[0][0].upper() + "; ".join(said)[1:]) + ".", UserWarning, stacklevel=3)
