"""Figures by name: scores, losses, rates by group, and gaps between groups."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from mxfair._validation import InputError, InputTypeError, one_of
from mxfair.confusion import GroupConfusion
from mxfair.criterion import _SYNONYMS, ALL_CRITERIA, Criterion, LossCriterion
from mxfair.explain._measures import Measure, OfRanks, OfSums, OfTable, Samples
from mxfair.explain._predictions import Predictions
from mxfair.explain._user_measure import OfFunction, arguments_of
from mxfair.rate import RATES, SYNONYMS, CompositeRate, Rate
from mxfair.residuals import GroupResiduals
from mxfair.residuals._moments import STATISTICS

__all__ = ["figures_of", "named_metrics", "needs_scores"]

#: What is measured where nothing is asked for: without and with groups.
DEFAULTS = {
    "classification": (["accuracy"], ["accuracy", "demographic_parity"]),
    "regression": (["r2_score"], ["r2_score", "ks_distance"]),
}
DISTANCES = ("ks_distance", "wasserstein_distance")
#: Figures of a classification that need probabilities.
OF_SCORES = ("roc_auc", "log_loss", "brier_score", *DISTANCES)
#: Figures of residuals of which less is better.
ERRORS = ("mean_absolute_error", "mean_squared_error", "root_mean_squared_error")
WORST = "bounded_group_loss"
DIFFERENCE = "_difference"


def named_metrics(metric: Any, task: str, grouped: bool) -> dict[str, Any]:
    """Return what was asked for by name: names, criteria, rates or functions, one, several, or a mapping."""
    if metric is None:
        metric = DEFAULTS[task][grouped]
    if isinstance(metric, Mapping):
        named = {str(name): one for name, one in metric.items()}
    else:
        several = metric if isinstance(metric, (list, tuple)) else [metric]
        named = {}
        for one in several:
            name = (
                one if isinstance(one, str) else str(getattr(one, "name", getattr(one, "__name__", type(one).__name__)))
            )
            if name in named:
                raise InputError(f"'metric' must have different names; got {name!r} twice. Pass a mapping of your own.")
            named[name] = one
    if not named:
        raise InputError("'metric' must name at least one figure; got none.")
    return named


def needs_scores(named: Mapping[str, Any], task: str) -> bool:
    """Return whether a figure of a classification needs probabilities."""
    if task == "regression":
        return False
    for name, one in named.items():
        if isinstance(one, str) and one.removesuffix(DIFFERENCE) in (*OF_SCORES, WORST):
            return True
        if isinstance(one, LossCriterion):
            return True
        own = callable(one) and not isinstance(one, (Rate, CompositeRate))
        if own and "scores" in arguments_of(name, one).values():
            return True
    return False


def figures_of(named: Mapping[str, Any], samples: Samples, baseline: Predictions, grouped: bool) -> list[Measure]:
    """Return the figures that were asked for.

    Parameters
    ----------
    named : mapping of name to what `named_metrics` takes
    samples : Samples
    baseline : Predictions
        Of the rows as they are, shape (1, n).
    grouped : bool
        Whether groups were given, as gaps need them.
    """
    found = [_figure(name, one, samples, baseline) for name, one in named.items()]
    for measure in found:
        if measure.gap and not grouped:
            raise InputError(f"'groups' must be given for {measure.name}, a gap between groups; got none.")
        if measure.gap and (samples.groups.known & (samples.groups.counts > 0)).sum() < 2:
            raise InputError(f"'groups' must hold two known groups or more for {measure.name}; got fewer.")
        if measure.needs_scores and baseline.scores is None and samples.table is not None:
            raise InputError(
                f"The model must give probabilities for {measure.name}; it gives decisions. Choose a figure of "
                "decisions, or pass a model that has predict_proba."
            )
    return found


def _figure(name: str, one: Any, samples: Samples, baseline: Predictions) -> Measure:
    if isinstance(one, str):
        return _by_name(name, one, samples, baseline)
    if isinstance(one, LossCriterion):
        return _loss(name, samples, between=True)
    if isinstance(one, Criterion):
        return _criterion(name, one, samples)
    if isinstance(one, (Rate, CompositeRate)):
        return _rate(name, one, samples)
    if callable(one):
        return OfFunction(name, one)
    raise InputTypeError(f"'metric' must hold names, criteria, rates or functions; got {one!r}.")


def _by_name(name: str, what: str, samples: Samples, baseline: Predictions) -> Measure:
    if what == WORST:
        return _loss(name, samples, between=True)
    if what in DISTANCES:
        return OfRanks(name, what, needs_scores=samples.table is not None, gap=True)
    if samples.table is not None and what in ALL_CRITERIA:
        return _criterion(name, ALL_CRITERIA[what], samples)
    stem = what.removesuffix(DIFFERENCE)
    if stem != what and samples.table is not None and stem in ALL_CRITERIA:
        return _criterion(name, ALL_CRITERIA[stem], samples)
    options: dict[str, Any] = {"between": stem != what}
    if samples.table is None:
        known = [*STATISTICS, *DISTANCES, WORST]
        _for_other_task(what, stem, (*RATES, *ALL_CRITERIA, "roc_auc", "log_loss", "brier_score"), "regression", known)
        one_of(stem, known, "metric", dict.fromkeys(ALL_CRITERIA, "ks_distance"))
        return _moment(name, stem, samples, baseline, **options)
    known = list(dict.fromkeys([*RATES, *ALL_CRITERIA, *OF_SCORES, WORST]))
    _for_other_task(what, stem, STATISTICS, "classification", known)
    one_of(stem, known, "metric", {**SYNONYMS, **_SYNONYMS})
    if stem == "roc_auc":
        return OfRanks(name, "roc_auc", needs_scores=True, **options)
    if stem == "log_loss":
        return _loss(name, samples, **options)
    if stem == "brier_score":
        return OfSums(name, _brier, _mean, needs_scores=True, lower_is_better=True, **options)
    return _rate(name, RATES[stem], samples, **options)


def _for_other_task(what: str, stem: str, others: Any, task: str, known: list[str]) -> None:
    if stem in others and stem not in known:
        raise InputError(f"'metric' must be a figure of a {task}; got {what!r}. Known are {', '.join(known)}.")


def _criterion(name: str, criterion: Criterion, samples: Samples) -> Measure:
    table = samples.table
    if table is None:
        raise InputError(f"'metric' must be a figure of a regression; got {name}, which compares decisions.")
    chosen = criterion if criterion.positive is not None else criterion.with_positive(samples.classes[samples.positive])
    if criterion.positive is None and len(samples.classes) > 2:
        chosen = criterion
    return OfTable(name, lambda counts: chosen.differences(table, counts)[..., None], gap=True)


def _rate(name: str, rate: Rate | CompositeRate, samples: Samples, **options: Any) -> Measure:
    if samples.table is None:
        raise InputError(f"'metric' must be a figure of a regression; got {name}, a rate of decisions.")

    def figure(counts: np.ndarray) -> np.ndarray:
        with_all = np.concatenate([counts, counts.sum(axis=-3, keepdims=True)], axis=-3)
        return rate.values(with_all, samples.positive)

    return OfTable(name, figure, lower_is_better=rate.larger_is_worse, **options)


def _moment(name: str, what: str, samples: Samples, baseline: Predictions, **options: Any) -> Measure:
    state = GroupResiduals(samples.groups.names, known=samples.groups.known)
    state.update(samples.labels, baseline.preds[0], samples.groups)

    def terms(samples: Samples, predictions: Predictions) -> np.ndarray:
        return np.stack([state.features(samples.labels, row, samples.groups) for row in predictions.preds])

    def figure(sums: np.ndarray) -> np.ndarray:
        return np.concatenate([state.values(what, sums), state.overall(what, sums)[..., None]], axis=-1)

    return OfSums(name, terms, figure, lower_is_better=what in ERRORS, **options)


def _loss(name: str, samples: Samples, *, between: bool = False) -> Measure:
    terms: Callable[[Samples, Predictions], np.ndarray] = _squared if samples.table is None else _log_loss
    return OfSums(name, terms, _mean, needs_scores=samples.table is not None, lower_is_better=True, between=between)


def _mean(sums: np.ndarray) -> np.ndarray:
    """Return means by group, that of all rows last, from sums of (1, loss)."""
    with_all = np.concatenate([sums, sums.sum(axis=-2, keepdims=True)], axis=-2)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(with_all[..., 1] / with_all[..., 0])


def _with_ones(losses: np.ndarray) -> np.ndarray:
    return np.stack([np.ones_like(losses), losses], axis=-1)


def _squared(samples: Samples, predictions: Predictions) -> np.ndarray:
    return _with_ones((predictions.preds - samples.labels) ** 2)


def _log_loss(samples: Samples, predictions: Predictions) -> np.ndarray:
    """Return -log p(label), p kept from 0 and 1 by the precision of a double, as in scikit-learn."""
    scores: Any = predictions.scores
    places = GroupConfusion(["all"], samples.classes)._index(samples.labels, "labels")
    if scores.ndim == 2:
        right = np.where(places == 1, scores, 1 - scores)
    else:
        right = np.take_along_axis(scores, np.broadcast_to(places, scores.shape[:2])[..., None], axis=2)[..., 0]
    precision = np.finfo(float).eps
    return _with_ones(-np.log(np.clip(right, precision, 1 - precision)))


def _brier(samples: Samples, predictions: Predictions) -> np.ndarray:
    hits = samples.labels == samples.classes[samples.positive]
    return _with_ones((samples.score_of(predictions.scores, samples.positive) - hits) ** 2)  # type: ignore[arg-type]  # has scores
