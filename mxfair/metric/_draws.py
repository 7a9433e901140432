"""Figures of bootstrap resamples, from the smallest state that holds what a figure needs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from mxfair.confusion import GroupConfusion
from mxfair.criterion import Criterion
from mxfair.metric import calibration, ranking
from mxfair.metric._inputs import Figure, Inputs
from mxfair.metric._scores import scored
from mxfair.resampling import multinomial_resamples, poisson_resamples
from mxfair.scores._figures import auc_by_group

#: Distinct scores beyond which the resampled AUC is that of scores in this many bins of equal counts.
MAX_SCORES = 2_048


@dataclass(frozen=True)
class Draws:
    """A figure of each resample.

    Parameters
    ----------
    values : ndarray of shape (n_resamples, n_groups)
    overall : ndarray of shape (n_resamples,)
    """

    values: np.ndarray
    overall: np.ndarray


def drawn_tables(inputs: Inputs, n_resamples: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Return resampled counts in parts, shape (part, n_groups, n_classes, n_classes)."""
    table = inputs.counts
    if inputs.sample_weight is None and inputs.preds.ndim == 1:
        return multinomial_resamples(table.counts, n_resamples, rng)
    return _weighted_tables(inputs, table, n_resamples, rng)


def _weighted_tables(
    inputs: Inputs, table: GroupConfusion, n_resamples: int, rng: np.random.Generator
) -> Iterator[np.ndarray]:
    width = len(table.classes)
    weight = np.ones(len(inputs.groups)) if inputs.sample_weight is None else inputs.sample_weight
    cells = inputs.groups.codes * width + table._index(inputs.labels, "labels")
    if inputs.preds.ndim == 2:
        features = inputs.preds * weight[:, None]
    else:
        cells, features = cells * width + table._index(inputs.preds, "preds"), weight[:, None]
    n_cells = table.counts.size // features.shape[1]
    for part in poisson_resamples(cells, features, n_cells, n_resamples, rng):
        yield part.reshape(len(part), *table.counts.shape)


def of_rates(
    found: Sequence[Figure], criteria: Sequence[Criterion], inputs: Inputs, n_resamples: int, rng: np.random.Generator
) -> tuple[list[Draws], list[list[Draws]]]:
    """Return the draws of each rate, and of the rates of each criterion, all from the same resampled tables."""
    classes = inputs.counts.classes
    pairs = [(figure.what, figure.place) for figure in found]
    pairs += [pair for criterion in criteria for pair in criterion.rate_classes(classes)]
    distinct = list(dict.fromkeys(pairs))
    parts: list[list[tuple[np.ndarray, np.ndarray]]] = [[] for _ in distinct]
    for counts in drawn_tables(inputs, n_resamples, rng):
        total = counts.sum(axis=1)
        for column, (rate, place) in zip(parts, distinct):
            column.append((rate.values(counts, place), rate.values(total, place)))
    draws = {
        pair: Draws(np.concatenate([v for v, _ in column]), np.concatenate([o for _, o in column]))
        for pair, column in zip(distinct, parts)
    }
    of_criteria = [[draws[pair] for pair in criterion.rate_classes(classes)] for criterion in criteria]
    return [draws[pair] for pair in pairs[: len(found)]], of_criteria


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
    several = inputs.scores is not None and inputs.scores.ndim == 2 and inputs.scores.shape[1] > 1
    if several or figure.what is calibration.expected_calibration_error:
        return of_rows(figure, inputs, n_resamples, rng)
    samples = scored(
        inputs.labels, inputs.scores, inputs.groups, positive=inputs.positive, sample_weight=inputs.sample_weight
    )
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
        with np.errstate(divide="ignore"):
            values = -np.log(np.where(hits == 1, values, 1 - values))
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
