"""What changed against the baseline: differences of gaps and of figures, with intervals, paired where possible."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import Any

import numpy as np

from mxfair import _disparity
from mxfair._validation import InputError, generator
from mxfair.criterion import Criterion
from mxfair.metric._rate_draws import _Column, with_all
from mxfair.rate import RATES, Rate
from mxfair.report._certainty import MAX_CELLS, draws_of, reason_for_none
from mxfair.report._evaluation import Evaluation
from mxfair.report._settings import Settings
from mxfair.resampling import multinomial_resamples
from mxfair.uncertainty import bias_corrected_interval
from mxfair.uncertainty._distances import GapErrors, SignedDistances

_LEVEL = 0.95
_PLACE = (1 + _LEVEL) / 2
NOTHING = (math.nan, math.nan)


@dataclass(frozen=True)
class Change:
    """What changed from the baseline to another model.

    Parameters
    ----------
    gaps : mapping of str to (float, float)
        By criterion, the 95 % interval of the change of its gap.
    overall : mapping of str to (float, float)
        By figure, that of the change over all samples.
    paired : bool
        Whether both models' decisions on the same rows were compared.
    missing : str
        Why there are no intervals; '' where there are.
    """

    gaps: dict[str, tuple[float, float]] = field(default_factory=dict)
    overall: dict[str, tuple[float, float]] = field(default_factory=dict)
    paired: bool = False
    missing: str = ""


def joint_counts(first: Evaluation, second: Evaluation) -> np.ndarray | None:
    """Return counts[group, label, baseline's decision, other's decision]; None where rows are not the same ones."""
    if first._rows is None or second._rows is None:
        return None
    shape = (*first.table.counts.shape, len(first.table.classes))
    if math.prod(shape) > MAX_CELLS:
        return None
    groups, labels, preds = first._rows
    if not (np.array_equal(groups, second._rows[0]) and np.array_equal(labels, second._rows[1])):
        return None
    cells = np.ravel_multi_index((groups, labels, preds, second._rows[2]), shape)
    return np.bincount(cells, minlength=math.prod(shape)).reshape(shape).astype(float)


def check_joint(joint: Any, first: Evaluation, second: Evaluation) -> np.ndarray:
    """Return counts of pairs of decisions after checking that both models' tables are their sums."""
    counts = np.asarray(joint, dtype=float)
    shape = (*first.table.counts.shape, len(first.table.classes))
    if counts.shape != shape:
        raise InputError(
            f"'paired' must have shape (groups, labels, decisions, decisions) = {shape}; got {counts.shape}."
        )
    same = np.allclose(counts.sum(axis=3), first.table.counts) and np.allclose(counts.sum(axis=2), second.table.counts)
    if not same:
        raise InputError(
            f"'paired' must add up to the tables of {first.name!r} and {second.name!r}; got other numbers. "
            "Count all three from the same rows."
        )
    return counts


def change(
    first: Evaluation, second: Evaluation, criteria: Sequence[Criterion], settings: Settings, joint: np.ndarray | None
) -> Change:
    """Return the intervals of what changed between two models.

    Without joint counts the tables are drawn apart, as if of different samples: the intervals are then too wide where
    the models mostly agree.
    """
    missing = reason_for_none(first) or reason_for_none(second)
    if missing:
        return Change(missing=missing)
    rng, parts = generator(0), []
    if joint is not None:
        for drawn in multinomial_resamples(joint, draws_of(joint.size), rng):
            parts.append((drawn.sum(axis=-1), drawn.sum(axis=-2)))
    else:
        n = draws_of(first.table.counts.size)
        pair = (multinomial_resamples(e.table.counts, n, rng) for e in (first, second))
        parts = list(zip(*pair))
    tables = [np.concatenate([part[k] for part in parts]) for k in (0, 1)]
    gaps = {}
    for criterion in criteria:
        before, after = (errors_of(e, criterion, settings, t, rng) for e, t in zip((first, second), tables))
        low, high = difference_interval(before, after)
        bound = 1.0 if all(isinstance(rate, Rate) and rate.share for rate in criterion.rates) else np.inf
        bound = bound if criterion.agg != "sum" else np.inf
        if joint is not None:
            bound = min(bound, largest_move(first, criterion, settings, joint))
        gaps[criterion.name] = (max(low, -bound), min(high, bound))
    columns = [_overall(e, t) for e, t in zip((first, second), tables)]
    ends = bias_corrected_interval((columns[1] - columns[0])[:, None], np.array([second.accuracy - first.accuracy]))
    return Change(gaps, {"accuracy": (float(ends[0][0]), float(ends[1][0]))}, joint is not None)


def difference_interval(before: GapErrors | None, after: GapErrors | None) -> tuple[float, float]:
    r"""Return the interval of the difference of two gaps, each the largest of its own signed distances.

    With :math:`s` how far a gap may overstate the truth, its contenders considered, and :math:`e` its error, in each
    resample, the interval of the change d is
    :math:`[d - q(s_{after} + e_{before}),\; d + q(e_{after} + s_{before})]`, q being the upper quantile. Where one pair
    of groups stands out it is the percentile interval; it is too wide, up to twice as long, where several pairs nearly
    tie, since which one sets which gap is then open.
    """
    if before is None or after is None:
        return NOTHING
    difference = after.gap - before.gap
    low = difference - np.quantile(after.shortfall + before.error, _PLACE)
    high = difference + np.quantile(after.error + before.shortfall, _PLACE)
    return min(float(low), difference), max(float(high), difference)  # draws of tiny groups are smoothed


def largest_move(evaluation: Evaluation, criterion: Criterion, settings: Settings, joint: np.ndarray) -> float:
    r"""Return an upper limit of how far a gap can have moved, from the decisions that the two models take otherwise.

    A largest difference between groups moves no further than the difference that moves most. What a rate of one group
    moved by is a difference of paired shares, (c - b) / n with b and c the samples that only one model decides so; its
    error is Bonett and Price's (2012, equation 2). The limits are simultaneous, by Bonferroni, at level 1 - .05 / 2.
    Infinite where rates are no shares of the same samples for both models, or where groups are compared otherwise.
    """
    chosen = settings.comparison(evaluation.adapt(criterion))
    if chosen.ratio or chosen.compare != "max_min" or chosen.criterion.agg not in ("max", "mean"):
        return math.inf
    n_classes, moves = joint.shape[-1], []
    for rate, place in chosen.criterion.rate_classes(evaluation.table.classes):
        if not isinstance(rate, Rate) or not rate.share:
            return math.inf
        within, given = (np.broadcast_to(mask, (n_classes, n_classes)) > 0 for mask in rate.masks(n_classes, place))
        if (given != given[:, :1]).any():  # a share of the selected: of other samples for each model
            return math.inf
        here = settings.enough(rate(evaluation.table, positive=place)).compared
        counted = joint[~np.isnan(here)] * given[:, :1, None]
        lost = (counted * (within[:, :, None] & ~within[:, None, :])).sum(axis=(1, 2, 3))
        won = (counted * (~within[:, :, None] & within[:, None, :])).sum(axis=(1, 2, 3))
        size = counted.sum(axis=(1, 2, 3)) + 2
        spread = (lost + won + 2) / size - ((won - lost) / size) ** 2
        moves.append(((won - lost) / (size - 2), spread / size))
    pairs = [np.triu_indices(len(move), 1) for move, _ in moves]
    n_pairs = sum(len(i) for i, _ in pairs)
    if not n_pairs:
        return math.inf
    quantile = NormalDist().inv_cdf(1 - (1 - _LEVEL) / 4 / n_pairs)
    limits = [
        np.abs(move[i] - move[j]) + quantile * np.sqrt(variance[i] + variance[j])
        for (move, variance), (i, j) in zip(moves, pairs)
    ]
    return float(np.concatenate(limits).max())


def _overall(evaluation: Evaluation, tables: np.ndarray) -> np.ndarray:
    """Return the accuracy over all samples of each resample."""
    return RATES["accuracy"].values(tables.sum(axis=1), 0)


def errors_of(
    evaluation: Evaluation, criterion: Criterion, settings: Settings, tables: np.ndarray, rng: np.random.Generator
) -> GapErrors | None:
    """Return a gap and its errors in each resample; None where it cannot be taken."""
    chosen = settings.comparison(evaluation.adapt(criterion))
    metrics = [settings.enough(m) for m in chosen.criterion.tables(evaluation.table).values()]
    squares = with_all(evaluation.table.counts)
    resampled = with_all(tables)
    drawn, base = [], []
    for rate, place in chosen.criterion.rate_classes(evaluation.table.classes):
        column = _Column(rate, (place,), False)
        values = column.drawn(resampled, column.units(squares, squares) if isinstance(rate, Rate) else None, rng)
        drawn.append(values[:, :-1, 0])
        base.append(values[:, -1, 0])
    reference = None if chosen.reference is None else evaluation.table.groups.index(chosen.reference)
    return gap_errors(
        np.stack(drawn, axis=1),
        np.array([m.compared for m in metrics]),
        (np.stack(base, axis=1), np.array([m.overall for m in metrics])),
        chosen,
        reference,
    )


def gap_errors(
    drawn: np.ndarray, values: np.ndarray, overall: tuple[np.ndarray, np.ndarray], chosen: Any, reference: int | None
) -> GapErrors | None:
    """Return a gap and its errors, for any way of comparing groups and of joining rates."""
    drawn = np.where(np.isnan(values), np.nan, drawn)
    if (~np.isnan(values)).sum(axis=1).min() < 2 or np.isnan(drawn[:, ~np.isnan(values)]).any(axis=1).mean() > 0.05:
        return None
    base: Any = (None, None)
    if chosen.compare == "to_overall":
        base = overall
    elif chosen.compare == "to_reference":
        base = drawn[..., reference], values[:, reference]
    if chosen.criterion.agg == "signed":
        options: dict[str, Any] = {"compare": chosen.compare, "reference": reference, "signed": True}
        of = [
            _disparity.aggregate(_disparity.difference(v, b, **options), "signed")
            for v, b in ((drawn, overall[0]), (values, overall[1]))
        ]
        error = chosen.sign * (of[0] - of[1])
        return GapErrors(chosen.sign * float(of[1]), -error, error)
    if chosen.compare != "pairwise_mean" and chosen.criterion.agg == "max":
        return SignedDistances(drawn, values, *base, logarithms=False).of_largest()
    parts = []
    for k in range(len(values)):
        own = (None, None) if base[0] is None else (base[0][:, k : k + 1], base[1][k : k + 1])
        distances = SignedDistances(drawn[:, k : k + 1], values[k : k + 1], *own, logarithms=False)
        parts.append(distances.mean_of_pairs() if chosen.compare == "pairwise_mean" else distances.of_largest())
    if chosen.criterion.agg == "max":
        return max(parts, key=lambda part: part.gap)
    scale = 1.0 if chosen.criterion.agg == "sum" else 1 / len(parts)
    shortfall, error = (np.sum([getattr(part, name) for part in parts], axis=0) for name in ("shortfall", "error"))
    return GapErrors(scale * sum(part.gap for part in parts), scale * shortfall, scale * error)
