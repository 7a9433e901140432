"""Figures of moments, of scores and of functions in bootstrap resamples."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mxfair.metric import calibration, ranking
from mxfair.metric._inputs import Figure, Inputs, score_arguments
from mxfair.metric._rate_draws import Draws
from mxfair.metric._scores import scored
from mxfair.resampling import multinomial_resamples, poisson_resamples
from mxfair.scores._figures import auc_by_group

#: Distinct scores beyond which the resampled AUC is that of scores in this many bins of equal counts.
MAX_SCORES = 2_048


def of_moments(found: Sequence[Figure], inputs: Inputs, n_resamples: int, rng: np.random.Generator) -> list[Draws]:
    """Return the draws of figures of moments: sums of each sample's terms."""
    state = inputs.residuals
    features = state.features(inputs.labels, inputs.preds, inputs.groups)
    if inputs.sample_weight is not None:
        features = features * inputs.sample_weight[:, None]
    sums = np.concatenate(list(poisson_resamples(inputs.groups.codes, features, len(state.groups), n_resamples, rng)))
    return [Draws(state.values(figure.what, sums), state.overall(figure.what, sums)) for figure in found]


def of_score(figure: Figure, inputs: Inputs, n_resamples: int, rng: np.random.Generator) -> Draws:
    """Return the draws of a figure of scores."""
    if figure.what is calibration.expected_calibration_error:
        # biased upwards, and in resamples once more: intervals of them miss the truth wherever scores are calibrated
        nothing = np.full((n_resamples, inputs.groups.n_groups + 1), np.nan)
        return Draws(nothing[:, :-1], nothing[:, -1], without="biased upwards: no interval")
    if figure.place < 0:
        return of_rows(figure, inputs, n_resamples, rng)
    labels, scores, positive = score_arguments(figure.place, inputs)
    samples = scored(labels, scores, inputs.groups, positive=positive, sample_weight=inputs.sample_weight)
    hits, weight = samples.hits.astype(np.int64), samples.weight
    if figure.what is ranking.roc_auc:
        return _of_auc(
            samples.scores, samples.groups.codes * 2 + hits, samples.groups.n_groups, weight, n_resamples, rng
        )
    values = samples.scores.astype(float)
    keep = np.ones(len(hits), dtype=bool)
    if figure.what is calibration.brier_score:
        values = (values - hits) ** 2
    elif figure.what is calibration.log_loss:
        precision = np.finfo(samples.scores.dtype).eps  # clipped as the figure is
        right = np.where(samples.hits, samples.scores, 1 - samples.scores).astype(float)
        values = -np.log(np.clip(right, precision, 1 - precision))
    else:
        keep = hits == int(figure.what is calibration.balance_positive_class)
    mass = np.ones(len(hits)) if weight is None else weight
    features = np.column_stack([mass, mass * values])[keep]
    codes, size = samples.groups.codes[keep], samples.groups.n_groups
    sums = np.concatenate(list(poisson_resamples(codes, features, size, n_resamples, rng)))
    with np.errstate(invalid="ignore", divide="ignore"):
        total = sums.sum(axis=1)
        return Draws(sums[..., 1] / sums[..., 0], total[..., 1] / total[..., 0])


def _of_auc(
    scores: np.ndarray,
    cells: np.ndarray,
    n_groups: int,
    weight: np.ndarray | None,
    n_resamples: int,
    rng: np.random.Generator,
) -> Draws:
    levels, places = np.unique(scores, return_inverse=True)
    if len(levels) > MAX_SCORES:  # bins of equal counts: an interval needs the spread of the AUC, not its last digit
        cuts = np.quantile(scores, np.linspace(0, 1, MAX_SCORES + 1)[1:-1])
        levels, places = cuts, np.searchsorted(cuts, scores, side="left")
    size = int(places.max()) + 1
    if weight is None:
        counts = np.bincount(cells * size + places, minlength=2 * n_groups * size).reshape(n_groups, 2, size)
        parts = multinomial_resamples(counts, n_resamples, rng)
    else:
        drawn = poisson_resamples(cells * size + places, weight[:, None], 2 * n_groups * size, n_resamples, rng)
        parts = (part.reshape(-1, n_groups, 2, size) for part in drawn)
    pairs = [(auc_by_group(part), auc_by_group(part.sum(axis=1, keepdims=True))[:, 0]) for part in parts]
    return Draws(np.concatenate([v for v, _ in pairs]), np.concatenate([o for _, o in pairs]))


def of_rows(figure: Figure, inputs: Inputs, n_resamples: int, rng: np.random.Generator) -> Draws:
    """Return the draws of any figure: it is computed anew for each resample of the rows."""
    values, overall = [], []
    for _ in range(n_resamples):
        metric = figure.of(inputs.take(rng.integers(0, len(inputs.groups), len(inputs.groups))))
        values.append(metric.values)
        overall.append(metric.overall)
    return Draws(np.array(values), np.array(overall))
