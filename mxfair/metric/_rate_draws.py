"""Rates of bootstrap resamples, from resampled tables of counts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from mxfair.confusion import GroupConfusion
from mxfair.criterion import Criterion
from mxfair.metric._inputs import Figure, Inputs
from mxfair.rate import CompositeRate, Rate, each_against_rest
from mxfair.resampling import multinomial_resamples, poisson_resamples


@dataclass(frozen=True)
class Draws:
    """A figure of each resample.

    Parameters
    ----------
    values : ndarray of shape (n_resamples, n_groups)
    overall : ndarray of shape (n_resamples,)
    without : str, default=""
        Why there are none, so that the figure has no interval.
    """

    values: np.ndarray
    overall: np.ndarray
    without: str = ""


def of_rates(
    found: Sequence[Figure],
    criteria: Sequence[Criterion],
    inputs: Inputs,
    squares: np.ndarray | None,
    n_resamples: int,
    rng: np.random.Generator,
) -> tuple[list[Draws], list[list[Draws]]]:
    """Return the draws of each rate, and of the rates of each criterion, all from the same resampled tables.

    Shares are smoothed, if the squares of the weights are given: no resample of a group with 0 of 30 holds a single
    one, and so small a sample is no proof of parity. To the numerator and to the rest of the denominator half the
    square of a standard normal is added, in units of a weight. A share of x among n then has, to two moments, the draws
    of Beta(x + 1/2, n - x + 1/2), whose percentiles are Jeffreys' interval.
    """
    classes = inputs.counts.classes
    pairs = [(figure.what, figure.place) for figure in found]
    pairs += [pair for criterion in criteria for pair in criterion.rate_classes(classes)]
    table = with_all(inputs.counts.counts)
    columns = [_Column(rate, places, _together(rate, places, len(classes))) for rate, places in _by_rate(pairs).items()]
    units = [column.units(table, squares) for column in columns]
    parts: list[list[np.ndarray]] = [[] for _ in columns]
    for counts in _drawn_tables(inputs, n_resamples, rng):
        tables = with_all(counts)
        rest = each_against_rest(tables) if any(column.versus_rest for column in columns) else tables
        for part, column, unit in zip(parts, columns, units):
            part.append(column.drawn(rest if column.versus_rest else tables, unit, rng))
    draws = {}
    for column, part in zip(columns, parts):
        drawn = np.concatenate(part)
        for k, place in enumerate(column.places):
            draws[column.rate, place] = Draws(drawn[:, :-1, k], drawn[:, -1, k])
    of_criteria = [[draws[pair] for pair in criterion.rate_classes(classes)] for criterion in criteria]
    return [draws[pair] for pair in pairs[: len(found)]], of_criteria


def with_all(counts: np.ndarray) -> np.ndarray:
    """Return tables of shape (..., n_groups + 1, n_classes, n_classes), that of all samples last."""
    return np.concatenate([counts, counts.sum(axis=-3, keepdims=True)], axis=-3)


def squared_counts(inputs: Inputs) -> np.ndarray | None:
    """Return the sums of squared weights by group, label and decision, all samples last; None for probabilities."""
    if inputs.preds.ndim == 2:
        return None
    if inputs.sample_weight is None:
        return with_all(inputs.counts.counts)
    squares, classes = inputs.sample_weight**2, inputs.counts.classes
    table = GroupConfusion.of(inputs.labels, inputs.preds, inputs.groups, classes=classes, sample_weight=squares)
    return with_all(table.counts)


def _drawn_tables(inputs: Inputs, n_resamples: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Return resampled counts in parts, shape (part, n_groups, n_classes, n_classes)."""
    table, soft = inputs.counts, inputs.preds.ndim == 2
    if inputs.sample_weight is None and not soft:
        return multinomial_resamples(table.counts, n_resamples, rng)
    width = len(table.classes)
    weight = np.ones(len(inputs.groups)) if inputs.sample_weight is None else inputs.sample_weight
    cells = inputs.groups.codes * width + table._index(inputs.labels, "labels")
    if soft:
        features = inputs.preds * weight[:, None]
    else:
        cells, features = cells * width + table._index(inputs.preds, "preds"), weight[:, None]
    parts = poisson_resamples(cells, features, table.counts.size // features.shape[1], n_resamples, rng)
    return (part.reshape(len(part), *table.counts.shape) for part in parts)


@dataclass(frozen=True)
class _Column:
    """A rate with the classes that count as positive in it.

    Parameters
    ----------
    rate : Rate or CompositeRate
    places : tuple of int
    versus_rest : bool
        Whether it is computed from the tables of each class against the rest.
    """

    rate: Rate | CompositeRate
    places: tuple[int, ...]
    versus_rest: bool

    def units(self, table: np.ndarray, squares: np.ndarray | None) -> np.ndarray | None:
        """Return the size of a weight by group and class, sum w^2 / sum w; None for what is not smoothed."""
        if squares is None or not (isinstance(self.rate, Rate) and self.rate.share):
            return None
        if self.versus_rest:
            table, squares = each_against_rest(table), each_against_rest(squares)
        with np.errstate(invalid="ignore", divide="ignore"):
            return self._parts(squares)[1] / self._parts(table)[1]

    def drawn(self, tables: np.ndarray, unit: np.ndarray | None, rng: np.random.Generator) -> np.ndarray:
        """Return the rate of resampled tables, shape (part, n_groups + 1, n_places)."""
        if unit is None:
            if self.versus_rest:
                return self.rate.values(tables, 1)
            return np.stack([self.rate.values(tables, place) for place in self.places], axis=-1)
        numerator, denominator = self._parts(tables)
        noise = rng.standard_normal((2, *numerator.shape))
        noise *= noise
        noise *= unit / 2
        return (numerator + noise[0]) / (denominator + noise[0] + noise[1])

    def _parts(self, tables: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if self.versus_rest:
            return self.rate.parts(tables, 1)
        parts = [self.rate.parts(tables, place) for place in self.places]
        return np.stack([n for n, _ in parts], axis=-1), np.stack([d for _, d in parts], axis=-1)


def _by_rate(pairs: Sequence[tuple[Rate | CompositeRate, int]]) -> dict[Rate | CompositeRate, tuple[int, ...]]:
    """Return the places of each rate, each once."""
    found: dict[Rate | CompositeRate, dict[int, None]] = {}
    for rate, place in pairs:
        found.setdefault(rate, {})[place] = None
    return {rate: tuple(places) for rate, places in found.items()}


def _together(rate: Rate | CompositeRate, places: tuple[int, ...], n_classes: int) -> bool:
    """Return whether all classes of a rate are read off the margins at once, and not each from the whole table."""
    return n_classes > 2 and len(places) > 1 and isinstance(rate, Rate) and rate.versus_rest
