"""AUC of many columns of scores, and how much it varies by chance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mxfair._validation import InputError
from mxfair.groups import Groups
from mxfair.metric._mann_whitney import MannWhitney

#: Columns turned at once: a few cache lines of each row are read together.
BLOCK = 32
#: Rows whose scores are checked at once.
ROWS = 256


def check_finite(scores: np.ndarray) -> None:
    """Raise if a score is not finite; piece by piece, without a mask of the whole matrix."""
    if scores.dtype.kind != "f":
        return
    turned = scores.T if scores.flags.f_contiguous else scores
    rows = max(1, ROWS * 1000 // max(turned.shape[1], 1))
    if not all(np.isfinite(turned[start : start + rows]).all() for start in range(0, len(turned), rows)):
        raise InputError("'scores' must be finite numbers; got others. A model that diverged predicts NaN.")


@dataclass(frozen=True)
class Columns:
    """What the columns of scores tell.

    Parameters
    ----------
    auc : ndarray of float, shape (1 + n_groups, K)
        Over all samples, and by group.
    counts : ndarray of float, shape (n_groups, K)
        Weight of the samples of each class.
    variance : ndarray of float, shape (n_groups, K)
        DeLong's variance of a group's AUC, with S10 and S01 of all samples: how it varies if groups do not matter.
    """

    auc: np.ndarray
    counts: np.ndarray
    variance: np.ndarray


def auc_columns(scores: np.ndarray, places: np.ndarray, groups: Groups, weight: np.ndarray | None) -> Columns:
    """Return the AUC of each class against the rest.

    Parameters
    ----------
    scores : ndarray, shape (n_samples, K)
    places : ndarray of int, shape (n_samples,)
        Column of each sample's class.
    groups : Groups
    weight : ndarray of float64 or None
    """
    n_samples, n_classes = scores.shape
    cells, shape = groups.codes * n_classes + places, (groups.n_groups, n_classes)
    counts = np.bincount(cells, weight, minlength=shape[0] * shape[1]).reshape(shape).astype(float)
    totals = np.concatenate([counts.sum(axis=0, keepdims=True), counts])
    rest = totals.sum(axis=1, keepdims=True) - totals
    rank = MannWhitney(n_samples, groups.codes, groups.n_groups, weight)
    rows = np.split(np.argsort(places, kind="stable"), np.cumsum(np.bincount(places, minlength=n_classes))[:-1])
    block = np.empty((BLOCK, n_samples), dtype=np.float32 if scores.dtype in (np.float16, np.float32) else np.float64)
    u, components = np.empty((1 + groups.n_groups, n_classes)), np.full((2, n_classes), np.nan)
    for start in range(0, n_classes, BLOCK):
        part = scores[:, start : start + BLOCK].T
        np.copyto(block[: len(part)], part)
        for k in range(start, start + len(part)):
            positives = rank(block[k - start], rows[k])
            u[:, k] = positives.u(groups.n_groups)
            if groups.n_groups > 1:
                components[:, k] = positives.components(rest[0, k])
    with np.errstate(invalid="ignore", divide="ignore"):
        auc = np.where(totals * rest > 0, u / (totals * rest), np.nan)
        squares = counts if weight is None else np.bincount(cells, weight**2, minlength=counts.size).reshape(shape)
        squares_of_rest = squares.sum(axis=1, keepdims=True) - squares
        variance = components[0] * squares / counts**2 + components[1] * squares_of_rest / rest[1:] ** 2
    return Columns(auc, counts, np.where(np.isnan(auc[1:]), np.nan, variance))


def expected_range(variance: np.ndarray) -> np.ndarray:
    r"""Return the mean of max - min of independent centred normals, shape (K,); NaN with fewer than two.

    .. math:: E = \int 1 - \prod_g \Phi(x / \sigma_g) - \prod_g (1 - \Phi(x / \sigma_g)) \, dx

    Parameters
    ----------
    variance : ndarray of float, shape (G, K)
        NaN for what takes no part.
    """
    there = ~np.isnan(variance)
    deviation = np.sqrt(np.where(there, variance, 0))
    if len(variance) == 2:  # E|N(0, s^2)| = s sqrt(2 / pi)
        result = np.sqrt(2 / np.pi * np.where(there, variance, 0).sum(axis=0))
    else:
        from scipy.special import ndtr

        widest = deviation.max(axis=0, initial=0)
        grid, step = np.linspace(-6, 6, 241, retstep=True)
        total = np.zeros(variance.shape[1])
        for x in grid:
            with np.errstate(invalid="ignore", divide="ignore"):
                z = np.where(deviation > 0, x * widest / deviation, np.sign(x) * np.inf if x else 0)
            inside = ndtr(z)
            below, above = np.where(there, inside, 1).prod(axis=0), np.where(there, 1 - inside, 1).prod(axis=0)
            total += 1 - below - above
        result = total * step * widest
    return np.where(there.sum(axis=0) >= 2, result, np.nan)
