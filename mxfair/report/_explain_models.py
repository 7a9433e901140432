"""What a report on explanations measures of each model."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from mxfair._validation import InputError, generator
from mxfair.criterion import CRITERIA
from mxfair.explain._gap_numbers import CRITERIA as DECOMPOSED
from mxfair.explain.attribution import Attribution
from mxfair.explain.dependence import partial_dependence
from mxfair.explain.gap import gap_decomposition
from mxfair.explain.importance import permutation_importance
from mxfair.report._explanation import ExplanationReport, ModelExplanation
from mxfair.report._subject import Question, Subject

#: Permutations of a column; half of them where there are many columns.
REPEATS, MANY = 10, 30


def explained_report(
    subjects: list[Subject],
    question: Question,
    *,
    title: str | None = None,
    context: Mapping[str, Any] | None = None,
    progress: Callable[[str], None] = lambda text: None,
) -> ExplanationReport:
    """Return the report on some models; what is warned of is a note in it."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        notes: list[str] = []
        models = []
        for subject in subjects:
            progress(subject.name)
            found = _explained(subject, question, notes)
            part = found.gap.part
            question = replace(question, pair=question.pair or (part.group, part.against))
            models.append(found)
        models = _with_curves(models, subjects, question, notes)
        proxies = _unless_refused(lambda: _proxies(models[0], question), "Proxies were not judged", notes)
    notes += [str(one.message) for one in caught if issubclass(one.category, UserWarning)]
    background = len(subjects[0].background)
    return ExplanationReport(
        models,
        question.groups,
        title=title,
        task=question.task,
        proxies=proxies,
        background=background,
        notes=list(dict.fromkeys(notes)),
        context=dict(context or {}),
    )


def decomposed(attribution: Attribution, subject: Subject, question: Question, criterion: str | None = None) -> Any:
    """Return a gap as a sum over columns, from contributions that are known."""
    return gap_decomposition(
        None,
        subject.rows,
        question.groups,
        attribution=attribution,
        labels=question.labels if criterion else None,
        criterion=criterion,
        pair=question.pair,
        output=question.positive,
        preds=subject.preds,
    )


def _explained(subject: Subject, question: Question, notes: list[str]) -> ModelExplanation:
    """Return what is measured of one model, but for its curves."""
    seed = question.seed
    attribution = subject.attribution(question.method, {**question.options, "seed": generator(seed)})
    gap = decomposed(attribution, subject, question)
    question = replace(question, pair=question.pair or (gap.part.group, gap.part.against))
    conditional = seen = None
    if question.criterion in DECOMPOSED[1:]:
        conditional = _unless_refused(
            lambda: decomposed(attribution, subject, question, question.criterion),
            f"{subject.name}: the gap of {question.criterion} was not decomposed",
            notes,
        )
    if subject.explained is not None:
        seen = _unless_refused(
            lambda: _from_elsewhere(subject, question), f"{subject.name}: nothing is seen from the other group", notes
        )
    rows = subject.rows if subject.scored_rows is None else subject.scored_rows
    naming = subject.naming if subject.scored_columns is None else subject.scored_columns
    importance = permutation_importance(
        subject.scored,
        rows,
        question.labels,
        question.groups,
        metric=_metrics(question),
        returns=subject.returns,
        task=None if hasattr(subject.scored, "predict") else question.task,
        positive=question.positive,
        n_repeats=REPEATS if len(gap.columns) <= MANY else REPEATS // 2,
        seed=seed,
        **naming,
    )
    return ModelExplanation(subject.name, gap, conditional, seen, importance, [], attribution)


def _metrics(question: Question) -> dict[str, Any]:
    """Return the figures that importances are of, by name."""
    if question.task == "regression":
        names = ["r2_score", "ks_distance", *(["bounded_group_loss"] if question.criterion else [])]
        return {name: name for name in names}
    metrics: dict[str, Any] = {"accuracy": "accuracy"}
    for name in dict.fromkeys(["demographic_parity", question.criterion]):
        if name in CRITERIA:
            chosen = CRITERIA[name]
            metrics[name] = chosen if chosen.positive is not None else chosen.with_positive(question.positive)
    return metrics


def _from_elsewhere(subject: Subject, question: Question) -> Any:
    """Return the gap with the group of the smaller mean explained from the other group's place."""
    return gap_decomposition(
        subject.explained,
        subject.rows,
        question.groups,
        question.pair[0],
        pair=question.pair,
        method=question.method,
        output=question.positive,
        preds=subject.preds,
        seed=question.seed,
        **subject.naming,
        **question.options,
    )


def _with_curves(
    models: list[ModelExplanation], subjects: list[Subject], question: Question, notes: list[str]
) -> list[ModelExplanation]:
    """Return the models with curves of the columns that contribute most in any of them."""
    shares: dict[str, float] = {}
    for model in models:
        part = model.gap.part
        for name, value in zip(part.columns, part.values / (np.abs(part.values).max() or 1.0)):
            shares[name] = max(shares.get(name, 0.0), abs(float(value)))
    leading = sorted(shares, key=lambda name: -shares[name])
    found = []
    for model, subject in zip(models, subjects):
        own = [name for name in leading if name in model.gap.columns]
        found.append(replace(model, dependence=_curves(subject, own, question, notes)))
    return found


def _curves(subject: Subject, leading: list[str], question: Question, notes: list[str]) -> list[Any]:
    """Return curves of the first columns that have one."""
    options = {"groups": question.groups, "seed": question.seed, **subject.naming}
    curves: list[Any] = []
    for name in leading if subject.curve is not None else []:
        if len(curves) == question.top:
            break
        measure = partial(partial_dependence, subject.curve, subject.rows, name, **options)
        curve = _unless_refused(measure, f"No curve of {name}", notes)
        curves += [] if curve is None else [curve]
    return curves


def _proxies(model: ModelExplanation, question: Question) -> Any:
    return model.gap.proxies(question.data, seed=question.seed)


def _unless_refused(measure: Callable[[], Any], what: str, notes: list[str]) -> Any:
    """Return what is measured, or None with a note where the data do not allow it."""
    try:
        return measure()
    except InputError as error:
        notes.append(f"{what}: {error}")
        return None
