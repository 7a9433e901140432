"""How many of a prefix of a ranking must be protected: a binomial test of each prefix, corrected for all of them."""

from __future__ import annotations

import numpy as np
from scipy.stats import binom

#: Halvings of the search for a corrected level.
_STEPS = 60


def minima(k: int, share: float, level: float) -> np.ndarray:
    """Return the smallest number of protected rows among the first 1 to k for which P(X <= number) > level."""
    sizes = np.arange(1, k + 1)
    least = np.maximum(binom.ppf(level, sizes, share), 0).astype(int)
    least += binom.cdf(least, sizes, share) <= level  # the quantile has >=, the test >
    below = np.where(least > 0, binom.cdf(least - 1, sizes, share), 0.0)
    return np.asarray(least - ((least > 0) & (below > level)))


def rejected(least: np.ndarray, share: float) -> float:
    """Return the chance that a ranking drawn with this share of protected rows breaks a minimum somewhere."""
    k = len(least)
    chances = np.zeros(k + 1)  # of each number of protected rows so far, where no minimum was broken
    chances[0] = 1.0
    for number in least.tolist():
        chances[1:] = chances[1:] * (1 - share) + chances[:-1] * share
        chances[0] *= 1 - share
        chances[:number] = 0.0
    return max(0.0, 1.0 - float(chances.sum()))


def corrected(k: int, share: float, level: float) -> float:
    """Return the largest level of single tests with which all k together reject by chance at most at `level`."""
    if rejected(minima(k, share, level), share) <= level:
        return level
    low, high = 0.0, level
    for _ in range(_STEPS):
        middle = (low + high) / 2
        if rejected(minima(k, share, middle), share) <= level:
            low = middle
        else:
            high = middle
    return low
