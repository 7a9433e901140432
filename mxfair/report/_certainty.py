"""Intervals of rates and gaps, from the counts and histograms of an evaluation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from mxfair._validation import InputError
from mxfair.metric._inputs import Inputs, figures
from mxfair.metric.intervals import intervals_of
from mxfair.report._evaluation import RATE_NAMES, Evaluation
from mxfair.report._settings import Settings
from mxfair.scores._figures import _quotient

if TYPE_CHECKING:
    from mxfair.criterion import Criterion

#: Cells times resamples, and cells beyond which there are no intervals.
_DRAWS, MAX_CELLS = 20_000_000, 100_000
_PLACE = 1.959963984540054
NOTHING = (math.nan, math.nan)


@dataclass(frozen=True)
class Certainty:
    """Intervals of one model.

    Parameters
    ----------
    rates : mapping of (str, int) to (float, float)
        By rate and place: 0 is all samples, then the groups.
    gaps : mapping of str to (float, float)
        By criterion.
    missing : str
        Why there are none, for the list of what is not known; '' where there are.
    """

    rates: dict[tuple[str, int], tuple[float, float]] = field(default_factory=dict)
    gaps: dict[str, tuple[float, float]] = field(default_factory=dict)
    missing: str = ""


def draws_of(size: int) -> int:
    """Return the number of resamples for a table of so many cells."""
    return int(np.clip(_DRAWS / max(size, 1), 200, 1000))


def reason_for_none(evaluation: Evaluation) -> str:
    """Return why counts give no interval, or ''."""
    counts = evaluation.table.counts
    if not np.array_equal(counts, np.round(counts)):
        return "the counts are of weighted samples, whose intervals need the rows"
    if counts.size > MAX_CELLS:
        return f"there are more than {MAX_CELLS:,} combinations of group, label and decision"
    return "" if counts.sum() else "there are no samples"


def certainty(evaluation: Evaluation, criteria: Sequence[Criterion], settings: Settings) -> Certainty:
    """Return the intervals of an evaluation's rates and of criteria."""
    missing = reason_for_none(evaluation)
    rates = _of_auc(evaluation) if evaluation.scores is not None else {}
    if missing:
        return Certainty(rates, {}, missing)
    inputs = Inputs.of_counts(evaluation.table, evaluation.positive)
    chosen = {c.name: settings.comparison(evaluation.adapt(c)) for c in criteria}
    first = next(iter(chosen.values()))
    frame = intervals_of(
        figures([*RATE_NAMES, "accuracy"], inputs),
        inputs,
        criteria=[c.criterion for c in chosen.values()],
        n_resamples=draws_of(evaluation.table.counts.size),
        min_support=settings.min_support,
        compare=first.compare,
        reference=first.reference,
        seed=0,
    )
    places = {group: place for place, group in enumerate(evaluation.table.groups, start=1)}
    gaps = {}
    for (name, kind, group), low, high in zip(frame.index, frame["low"], frame["high"]):
        if kind in ("group", "overall"):
            rates[name, places[group] if kind == "group" else 0] = (float(low), float(high))
        elif kind == "difference" and name in chosen:
            ends = (float(low), float(high))
            gaps[name] = ends if chosen[name].sign > 0 else (-ends[1], -ends[0])
    return Certainty(rates, gaps)


def _of_auc(evaluation: Evaluation) -> dict[tuple[str, int], tuple[float, float]]:
    """Return the intervals of the AUC over all samples and by group, on the scale of its logarithmic odds."""
    overall, by_group, lost = auc_counts(evaluation)
    _, errors = auc_errors(np.concatenate([overall[None], by_group]))
    values = np.append(evaluation.auc, evaluation.auc_by_group)
    with np.errstate(invalid="ignore", divide="ignore"):
        odds, error = np.log(values / (1 - values)), errors / (values * (1 - values))
        low, high = (1 / (1 + np.exp(-(odds + sign * _PLACE * error))) for sign in (-1, 1))
    low, high = np.maximum(low - lost, 0), np.minimum(high + lost, 1)
    known = np.isfinite(error) & (errors > 0)
    return {("auc", i): (float(low[i]), float(high[i])) if known[i] else NOTHING for i in range(len(values))}


def auc_counts(evaluation: Evaluation) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return counts of labels in the order of scores, of all samples and by group, and how far off their AUC may be.

    They come from the rows where these were at hand, and otherwise from histograms: a pair in one bin may be in any
    order, which adds to what chance does. The last array has all samples first.
    """
    ranks, scores = evaluation._ranks, evaluation.scores
    if ranks is not None:
        return ranks.overall, ranks.by_group, np.zeros(1 + len(ranks.by_group))
    if scores is None:
        raise InputError("'evaluation' must have scores; got none. Pass scores=.")
    lost = scores.auc_error()
    return scores.counts.sum(axis=0), scores.counts, np.append(lost.overall, lost.values)


def auc_errors(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    r"""Return AUC and standard error of counts of shape (n, 2, bins): DeLong's variance, in bins.

    .. math:: V = \frac{1}{n_+} \mathrm{Var}_+ F_-(s) + \frac{1}{n_-} \mathrm{Var}_- (1 - F_+(s)),

    with a score's own bin counting half in the distribution functions F (DeLong, DeLong and Clarke-Pearson, 1988).
    """
    negative, positive = counts[:, 0], counts[:, 1]
    sizes = counts.sum(axis=-1)
    below = _quotient(np.cumsum(negative, axis=-1) - negative / 2, sizes[:, :1])
    above = 1 - _quotient(np.cumsum(positive, axis=-1) - positive / 2, sizes[:, 1:])
    variance, value = np.zeros(len(counts)), np.full(len(counts), np.nan)
    for mass, part in ((positive, below), (negative, above)):
        n = mass.sum(axis=-1)
        value = _quotient((mass * part).sum(axis=-1), n)
        spread = _quotient((mass * (part - value[:, None]) ** 2).sum(axis=-1), n - 1)
        variance += _quotient(spread, n)
    return value, np.sqrt(variance)
