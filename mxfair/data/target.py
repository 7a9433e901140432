"""Cell ratios to train toward: data in which label and group depend on each other otherwise."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from mxfair._validation import InputError
from mxfair.data._cells import Cells

__all__ = ["correlation_shift"]


def correlation_shift(labels: Any, groups: Any, strength: float, *, label_bins: Any = None) -> np.ndarray:
    r"""Return the cell ratios of data in which label and group depend on each other more or less than here.

    .. math:: \pi_{yz} = P(y) P(z) + t \, (P(y, z) - P(y) P(z))

    The labels and the groups keep their own rates; the correlation of two binary ones becomes t times that of the data.
    Give the ratios to `FairBatchSampler` as ``target=`` where the model will be used on data of another correlation.

    Parameters
    ----------
    labels : array of shape (n_samples,)
        Class labels.
    groups : array-like or Groups
        Sensitive attribute of each sample.
    strength : float
        The t of the formula: 1 gives the ratios of the data, 0 independence.
    label_bins : int or sequence of float, optional
        Bins of a regression target, as for `FairBatchSampler`.

    Returns
    -------
    ndarray of shape (n_labels, n_groups)

    Raises
    ------
    InputError
        If a ratio would be negative: so strong a correlation cannot be had with these rates.

    References
    ----------
    Roh, Lee, Whang and Suh, "Improving Fair Training under Correlation Shifts", ICML 2023, whose ratios keep the rates
    of labels and groups too.

    Examples
    --------
    >>> correlation_shift([0, 0, 0, 1], ["a", "a", "b", "b"], 0.0)
    array([[0.375, 0.375],
           [0.125, 0.125]])
    """
    if isinstance(strength, bool) or not isinstance(strength, (int, float, np.number)) or not math.isfinite(strength):
        raise InputError(f"'strength' must be a number; got {strength!r}.")
    mix = Cells(labels, groups, bins=label_bins).mix
    independent = mix.sum(axis=1, keepdims=True) * mix.sum(axis=0, keepdims=True)
    ratios = independent + strength * (mix - independent)
    if ratios.min() < -1e-12:
        allowed = np.divide(independent, independent - mix, out=np.full(mix.shape, np.inf), where=independent > mix)
        raise InputError(f"'strength' must be at most {allowed.min():.3g} for these data; got {strength}.")
    return np.maximum(ratios, 0.0)
