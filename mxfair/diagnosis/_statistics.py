"""Statistics that several signs share: AUC, cross-fitted residuals, effects at equal columns, kappa."""

from __future__ import annotations

from typing import Any

import numpy as np

from mxfair.metric._proportions import difference_interval, difference_test

__all__ = ["auc", "crossfitted", "effect", "kappa", "quantile", "share_difference"]

#: With fewer rows, a linear model stands in for gradient boosting.
_FEW = 500
_FOLDS = 5


def quantile(level: float) -> float:
    """Return z of a two-sided interval."""
    from scipy.special import ndtri

    return float(ndtri(0.5 + level / 2))


def share_difference(
    x: float, n: float, rest_x: float, rest_n: float, level: float
) -> tuple[float, float, float, float]:
    """Return x / n - rest_x / rest_n, Newcombe's interval, and the p-value of 0, exact where counts are small."""
    counts = [np.array([float(count)]) for count in (x, n, rest_x, rest_n)]
    share, rest = counts[0] / counts[1], counts[2] / counts[3]
    low, high = difference_interval(share, counts[1], rest, counts[3], level)
    p = difference_test(counts[0], counts[1], counts[2], counts[3], True)
    return float(share[0] - rest[0]), float(low[0]), float(high[0]), float(p[0])


def auc(first: np.ndarray, second: np.ndarray, level: float) -> tuple[float, float, float, float]:
    """Return P(first > second) with ties as halves, its interval and the p-value of 1/2.

    The interval is DeLong's (Biometrics 44, 1988) on the logit scale; the test is Mann and Whitney's.
    """
    from scipy.stats import mannwhitneyu, rankdata

    n, m = len(first), len(second)
    ranks = rankdata(np.concatenate([first, second]))
    above = (ranks[:n] - rankdata(first)) / m  # for each of the first, the share of the second below it
    below = 1 - (ranks[n:] - rankdata(second)) / n
    value = float(above.mean())
    variance = above.var(ddof=1) / n + below.var(ddof=1) / m
    p = float(mannwhitneyu(first, second, method="asymptotic", use_continuity=False).pvalue) if variance > 0 else 1.0
    if not 0 < value < 1 or variance == 0:
        return value, value, value, p if 0 < value < 1 else float(mannwhitneyu(first, second).pvalue)
    logit, width = np.log(value / (1 - value)), quantile(level) * np.sqrt(variance) / (value * (1 - value))
    return value, float(1 / (1 + np.exp(width - logit))), float(1 / (1 + np.exp(-width - logit))), p


def learner_for(n: int, classes: bool) -> Any:
    """Return the model that predicts a target from the columns."""
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
    from sklearn.linear_model import LogisticRegression, Ridge

    if n < _FEW:
        return LogisticRegression(max_iter=1000) if classes else Ridge()
    made = HistGradientBoostingClassifier if classes else HistGradientBoostingRegressor
    return made(max_iter=50, early_stopping=False, random_state=0)


def crossfitted(
    target: np.ndarray, matrix: np.ndarray, rng: np.random.Generator, *, classes: bool, learner: Any = None
) -> np.ndarray:
    """Return predictions of each row by models that were fitted without it: of 0 and 1 the probability of 1.

    Of integer classes 0 .. K - 1 (K > 2), probabilities of shape (n, K).
    """
    from sklearn.base import clone
    from sklearn.model_selection import KFold, StratifiedKFold, cross_val_predict
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # comes with scikit-learn

    n = len(target)
    seed = int(rng.integers(2**31))
    rarest = np.unique(target, return_counts=True)[1].min() if classes else n
    if rarest < _FOLDS or (classes and len(np.unique(target)) < 2) or matrix.shape[1] == 0:
        return np.full(n, target.mean())
    fits = learner is not None and hasattr(learner, "predict_proba") == classes
    model = clone(learner) if fits else learner_for(n, classes)
    split = (StratifiedKFold if classes else KFold)(_FOLDS, shuffle=True, random_state=seed)
    with threadpool_limits(limits=1, user_api="openmp"):
        if not classes:
            return cross_val_predict(model, matrix, target, cv=split)
        proba = cross_val_predict(model, matrix, target, cv=split, method="predict_proba")
    return proba[:, 1] if proba.shape[1] == 2 else proba


def effect(outcome: np.ndarray, cause: np.ndarray, level: float) -> tuple[float, float, float, float]:
    """Return the slope of one vector of residuals on another, its interval and p-value.

    With cross-fitted residuals this is the effect at equal columns in a partially linear model (Robinson, Econometrica
    56, 1988; Chernozhukov et al., Econometrics Journal 21, 2018), with an error that allows for unequal variances.
    """
    from scipy.special import ndtr

    size = (cause**2).sum()
    if size <= 1e-12 * len(cause):
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
