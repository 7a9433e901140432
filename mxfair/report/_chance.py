"""What chance alone gives for the largest of several distances, one for each pair of groups."""

from __future__ import annotations

import numpy as np

from mxfair._validation import generator
from mxfair.group_metric import PairMetric

#: Values at which distribution functions are compared, and bridges times groups that are drawn.
_POINTS, _BRIDGES = 200, 4000
#: Groups whose bridges are drawn; the noise is that of the smallest.
_GROUPS = 40


def chance_of_largest(metric: PairMetric, values: np.ndarray, counts: np.ndarray) -> float:
    """Return the mean of the largest of a metric's distances where all groups have one distribution.

    `values` and `counts` say which: the distinct predictions in increasing order, and how many samples have each.
    It is the floor itself for two groups. For more, the largest of many noisy distances exceeds the floor of its pair:
    Brownian bridges of the distribution of all predictions, one for each group, say by how much.
    """
    pair = metric.pair()
    if pair is None or metric.floor is None:
        return float("nan")
    a, b = (metric.groups.index(group) for group in pair)
    highest = 1.0 if metric.name == "ks_distance" else np.inf  # formulas for large groups exceed it for tiny ones
    floor = min(float(metric.floor[a, b]), highest)
    sizes = np.sort(metric.support[metric.known & (metric.support > 0)])[:_GROUPS]
    if len(sizes) < 3 or len(values) < 2:
        return floor
    function = np.cumsum(counts) / counts.sum()
    places = np.unique(np.searchsorted(function, (np.arange(_POINTS) + 0.5) / _POINTS))
    places = places[function[places] < 1]
    widths = np.diff(values[np.append(places, len(values) - 1)])
    bridges = _bridges(function[places], len(sizes))
    scaled = bridges / np.sqrt(sizes)[:, None]
    if metric.name == "ks_distance":
        one, largest = np.abs(bridges).max(axis=2), (scaled.max(axis=1) - scaled.min(axis=1)).max(axis=1)
    else:
        one = np.abs(bridges) @ widths
        largest = np.max([(np.abs(scaled - scaled[:, [k]]) @ widths).max(axis=1) for k in range(len(sizes))], axis=0)
    of_pair = one.mean() * np.sqrt(1 / metric.support[a] + 1 / metric.support[b])
    return min(floor * float(largest.mean() / of_pair), highest) if of_pair > 0 else floor


def _bridges(function: np.ndarray, n_groups: int) -> np.ndarray:
    """Return Brownian bridges at values of a distribution function, shape (draws, n_groups, n_points)."""
    steps = np.diff(function, prepend=0.0, append=1.0)
    normal = generator(0).normal(size=(max(100, _BRIDGES // n_groups), n_groups, len(steps)))
    motion = np.cumsum(normal * np.sqrt(steps), axis=2)
    bridges: np.ndarray = motion[..., :-1] - function * motion[..., -1:]
    return bridges
