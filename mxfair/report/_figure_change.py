"""Changes of a regression's gaps against the baseline, with intervals, paired on the same rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mxfair._validation import generator
from mxfair.report._change import NOTHING, Change, difference_interval
from mxfair.report._figure_gaps import DISTANCES, WORST
from mxfair.uncertainty._distances import SignedDistances

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mxfair.report._figure_gaps import FigureCriterion
    from mxfair.report._regression import RegressionEvaluation

_DRAWS, _PLACE = 2000, 1.959963984540054


def figure_change(
    first: RegressionEvaluation, second: RegressionEvaluation, criteria: Sequence[FigureCriterion]
) -> Change:
    """Return the intervals of what changed between two models; none of distances, which have noise floors instead."""
    if first.labels is None or second.labels is None:
        return Change(missing="the rows were not kept")
    gaps, overall = {}, {}
    for name in ("root_mean_squared_error", "mean_absolute_error", "r2_score"):
        whole = [_influence(e, name, np.ones(len(first.labels), dtype=bool)) for e in (first, second)]
        error = float((whole[1] - whole[0]).std() / np.sqrt(len(first.labels)))
        change = second.columns[name][0][0] - first.columns[name][0][0]
        overall[name] = (change - _PLACE * error, change + _PLACE * error)
    for criterion in criteria:
        if criterion.name not in DISTANCES:
            gaps[criterion.name] = _interval(criterion.name, first, second)
    return Change(gaps, overall, paired=True)


def _interval(name: str, first: RegressionEvaluation, second: RegressionEvaluation) -> tuple[float, float]:
    figure = "root_mean_squared_error" if name == WORST else name
    metrics = [e.table.metric(figure) for e in (first, second)]
    drawn = _drawn(figure, first, second)
    there = metrics[0].defined & metrics[1].defined
    if there.sum() < (1 if name == WORST else 2) or np.isnan(drawn[:, :, there]).any():
        return NOTHING
    errors = []
    for values, resampled in zip((m.values[there] for m in metrics), drawn[..., there]):
        base = (np.zeros((_DRAWS, 1)), np.zeros(1)) if name == WORST else (None, None)
        errors.append(SignedDistances(resampled[:, None, :], values[None, :], *base, logarithms=False).of_largest())
    return difference_interval(*errors)


def _drawn(name: str, first: RegressionEvaluation, second: RegressionEvaluation) -> np.ndarray:
    """Return both models' figures by group in draws from their joint normal distribution, shape (2, draws, groups)."""
    rng, codes = generator(0), np.zeros(0) if first.groups is None else first.groups.codes
    drawn = np.full((2, _DRAWS, len(first.table.groups)), np.nan)
    for place in range(len(first.table.groups)):
        rows = codes == place
        if rows.sum() < 2:
            continue
        terms = np.stack([_influence(e, name, rows) for e in (first, second)])
        root = np.linalg.svd(np.cov(terms) / rows.sum())
        noise = (root[0] * np.sqrt(root[1])) @ rng.normal(size=(2, _DRAWS))
        values = np.array([e.columns[name][0][place + 1] for e in (first, second)])
        drawn[:, :, place] = values[:, None] + noise
    return drawn


def _influence(evaluation: RegressionEvaluation, name: str, rows: np.ndarray) -> np.ndarray:
    """Return each row's influence on a figure over some rows: its variance over n is that of the figure."""
    labels, preds = np.asarray(evaluation.labels)[rows], np.asarray(evaluation.preds)[rows]
    error = preds - labels
    square = error**2
    if name == "root_mean_squared_error":
        root = np.sqrt(square.mean())
        return square / (2 * root) if root > 0 else 0 * square
    if name == "r2_score":  # 1 - S / T, so that d = -dS / T + S dT / T^2
        spread = (labels - labels.mean()) ** 2
        total = spread.mean()
        return -square / total + square.mean() * spread / total**2 if total > 0 else np.full(len(square), np.nan)
    terms = {"mean_absolute_error": np.abs(error), "mean_error": error, "mean_prediction": preds, "mean_label": labels}
    return terms[name]
