"""Statistics that several signs share: AUC, cross-fitted residuals, effects at equal columns, kappa."""

from __future__ import annotations

from typing import Any

import numpy as np

from mxfair.metric._proportions import difference_interval, difference_test
from mxfair.uncertainty import wilson_interval

__all__ = [
    "auc",
    "crossfitted",
    "effect",
    "kappa",
    "learner_for",
    "paired_difference",
    "permutation_p",
    "quantile",
    "share_difference",
]

#: A group, or a rule, that the columns tell so well that less than this share of its variance is left, is told by them.
TOLD = 0.01

#: With fewer rows, a linear model stands in for gradient boosting.
_FEW = 500
_FOLDS = 5


def quantile(level: float) -> float:
    """Return z of a two-sided interval."""
    from scipy.special import ndtri

    return float(ndtri(0.5 + level / 2))


def permutation_p(exceeded: int, count: int, z: float, columns: int = 1) -> float:
    """Return the p-value of a permutation test: the share that reaches what was observed, itself included.

    Where none does, that is only known to be below 1 / (count + 1), which no correction for many tests would let pass:
    then the normal tail of z stands in (Bonferroni's, of the largest of several columns), if it is smaller.
    """
    from scipy.special import ndtr

    p = (1 + exceeded) / (1 + count)
    return p if exceeded else min(p, float(2 * ndtr(-abs(z))) * columns)


def share_difference(
    x: float, n: float, rest_x: float, rest_n: float, level: float
) -> tuple[float, float, float, float]:
    """Return x / n - rest_x / rest_n, Newcombe's interval, and the p-value of 0, exact where counts are small."""
    counts = [np.array([float(count)]) for count in (x, n, rest_x, rest_n)]
    share, rest = counts[0] / counts[1], counts[2] / counts[3]
    low, high = difference_interval(share, counts[1], rest, counts[3], level)
    p = difference_test(counts[0], counts[1], counts[2], counts[3], True)
    return float(share[0] - rest[0]), float(low[0]), float(high[0]), float(p[0])


def paired_difference(more: int, less: int, n: int, level: float) -> tuple[float, float, float, float]:
    """Return (more - less) / n of matched pairs, its interval, and McNemar's exact p-value of 0.

    The interval is Wald's with half a pair added to each cell (Agresti and Min, Statistics in Medicine 24, 2005): it
    has a width where no pair differs too.
    """
    from scipy.stats import binomtest

    more_, less_, n_ = more + 0.5, less + 0.5, n + 2
    middle = (more_ - less_) / n_
    width = quantile(level) * float(np.sqrt((more_ + less_) / n_ - middle**2) / np.sqrt(n_))
    p = float(binomtest(more, more + less).pvalue) if more + less else 1.0
    return (more - less) / n, max(middle - width, -1.0), min(middle + width, 1.0), p


def auc(
    first: np.ndarray, second: np.ndarray, level: float, *, greater: bool = False
) -> tuple[float, float, float, float]:
    """Return P(first > second) with ties as halves, its interval and the p-value of 1/2.

    The interval is DeLong's (Biometrics 44, 1988) on the logit scale, and Wilson's of as many rows as the smaller side
    has where nothing overlaps or all are alike; the test is Mann and Whitney's, one-sided with `greater`.
    """
    from scipy.stats import mannwhitneyu, rankdata

    n, m = len(first), len(second)
    ranks = rankdata(np.concatenate([first, second]))
    above = (ranks[:n] - rankdata(first)) / m  # for each of the first, the share of the second below it
    below = 1 - (ranks[n:] - rankdata(second)) / n
    value = float(above.mean())
    variance = above.var(ddof=1) / n + below.var(ddof=1) / m
    side = "greater" if greater else "two-sided"
    if not 0 < value < 1 or variance == 0:
        low, high = wilson_interval(value * min(n, m), min(n, m), level=level)
        p = 1.0 if 0 < value < 1 else float(mannwhitneyu(first, second, alternative=side).pvalue)
        return value, float(low), float(high), p
    p = float(mannwhitneyu(first, second, method="asymptotic", use_continuity=False, alternative=side).pvalue)
    logit, width = np.log(value / (1 - value)), quantile(level) * np.sqrt(variance) / (value * (1 - value))
    return value, float(1 / (1 + np.exp(width - logit))), float(1 / (1 + np.exp(-width - logit))), p


def learner_for(n: int, classes: bool, learner: Any = None) -> Any:
    """Return the model that predicts a target from the columns: a copy of the one given, if it predicts such."""
    from sklearn.base import clone, is_classifier, is_regressor
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
    from sklearn.linear_model import LogisticRegression, Ridge

    if learner is not None and (is_classifier(learner) if classes else is_regressor(learner)):
        return clone(learner)
    if n < _FEW:
        return LogisticRegression(max_iter=1000) if classes else Ridge()
    made = HistGradientBoostingClassifier if classes else HistGradientBoostingRegressor
    return made(max_iter=50, early_stopping=False, random_state=0)


def crossfitted(
    target: np.ndarray, matrix: np.ndarray, rng: np.random.Generator, *, classes: bool, learner: Any = None
) -> np.ndarray:
    """Return predictions of each row by models that were fitted without it: of 0 and 1 the probability of 1.

    Of integer classes 0 .. K - 1 (K > 2), probabilities of shape (n, K). Where no model can be fitted, the mean (of
    many classes, their shares).
    """
    from sklearn.model_selection import KFold, StratifiedKFold, cross_val_predict
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # comes with scikit-learn

    n = len(target)
    seed = int(rng.integers(2**31))
    rarest = np.unique(target, return_counts=True)[1].min() if classes else n
    if rarest < _FOLDS or (classes and len(np.unique(target)) < 2) or matrix.shape[1] == 0:
        many = classes and n and target.max() > 1
        return np.tile(np.bincount(target.astype(int)) / n, (n, 1)) if many else np.full(n, target.mean())
    model = learner_for(n, classes, learner)
    split = (StratifiedKFold if classes else KFold)(_FOLDS, shuffle=True, random_state=seed)
    with threadpool_limits(limits=1, user_api="openmp"):
        if not classes:
            return cross_val_predict(model, matrix, target, cv=split)
        proba = cross_val_predict(model, matrix, target, cv=split, method="predict_proba")
    return proba[:, 1] if proba.shape[1] == 2 else proba


def effect(
    outcome: np.ndarray, cause: np.ndarray, level: float, *, before: np.ndarray | None = None
) -> tuple[float, float, float, float]:
    """Return the slope of one vector of residuals on another, its interval and p-value.

    NaN where less than a hundredth of the variance of the cause (`before` the columns were taken out) is left: what is
    left then is the error of the model, and no variation to compare at equal columns.

    With cross-fitted residuals this is the effect at equal columns in a partially linear model (Robinson, Econometrica
    56, 1988; Chernozhukov et al., Econometrics Journal 21, 2018), with an error that allows for unequal variances.
    """
    from scipy.special import ndtr

    size = (cause**2).sum()
    if size <= 1e-12 * len(cause) or (before is not None and size <= TOLD * len(cause) * before.var()):
        return (np.nan,) * 4
    if before is not None and before.min() == before.max():
        return (np.nan,) * 4
    slope = float((cause * outcome).sum() / size)
    error = float(np.sqrt((cause**2 * (outcome - slope * cause) ** 2).sum()) / size)
    if error == 0:
        return slope, slope, slope, float(slope == 0)
    z = quantile(level)
    return slope, slope - z * error, slope + z * error, float(2 * ndtr(-abs(slope) / error))


def kappa(first: np.ndarray, second: np.ndarray) -> tuple[float, float]:
    """Return Cohen's kappa and its standard error (Fleiss, Cohen and Everitt, Psychological Bulletin 72, 1969)."""
    levels, codes = np.unique(np.concatenate([first, second]), return_inverse=True)
    n, k = len(first), len(levels)
    codes = codes.reshape(-1)
    table = np.bincount(codes[:n] * k + codes[n:], minlength=k * k).reshape(k, k) / n
    rows, columns = table.sum(axis=1), table.sum(axis=0)
    observed, expected = np.trace(table), float(rows @ columns)
    if expected >= 1:
        return np.nan, np.nan
    value = float((observed - expected) / (1 - expected))
    diagonal = (np.diag(table) * (1 - (rows + columns) * (1 - value)) ** 2).sum()
    both = (table * (columns[:, None] + rows[None, :]) ** 2).sum() - (np.diag(table) * (rows + columns) ** 2).sum()
    variance = diagonal + (1 - value) ** 2 * both - (value - expected * (1 - value)) ** 2
    return value, float(np.sqrt(max(variance, 0.0) / n) / (1 - expected))
