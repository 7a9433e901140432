"""From what was counted to the evaluations of a report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mxfair._audit._columns import Levels
from mxfair._audit._count import SCORE_BINS, DecisionCounts, ScoreCounts, ValueCounts
from mxfair._encoding import group_text
from mxfair._table_file import MAX_CLASSES
from mxfair._validation import InputError, one_of
from mxfair.confusion import GroupConfusion
from mxfair.groups import Groups
from mxfair.report import Evaluation, RegressionEvaluation
from mxfair.report._auc import RankCounts, auc_by_group, score_state
from mxfair.report._format import joined, one_line
from mxfair.scores import GroupScores


@dataclass(frozen=True)
class Classes:
    """The classes of labels and predictions, and where each code stands among them.

    Parameters
    ----------
    values : list
        Sorted.
    label : ndarray of int
        By code of the label; that of missing ones is -1.
    preds : list of ndarray
        By model and code of the prediction.
    positive : value or None
    """

    values: list[Any]
    label: np.ndarray
    preds: list[np.ndarray]
    positive: Any


def classes_of(counts: DecisionCounts, positive: str | None, *, task: str | None) -> Classes:
    """Return the classes, after checking that predictions are decisions of the labels' kind."""
    levels = [counts.label, *counts.preds]
    columns = [level.values()[1:] for level in levels]
    kinds = {"number" if level.numeric else "text" for level in levels if level.size > 1}
    if len(kinds) > 1:
        raise InputError("Labels and predictions must be of one kind; got text and numbers. Write both alike.")
    if task is None:
        _check_classes(levels)
    if any(not isinstance(value, bool) for column in columns for value in column):
        columns = [[int(v) if isinstance(v, bool) else v for v in column] for column in columns]
    found = sorted({value for column in columns for value in column})
    if kinds == {"number"} and all(float(value).is_integer() for value in found):
        columns = [[v if isinstance(v, bool) else int(v) for v in column] for column in columns]
        found = sorted({value for column in columns for value in column})
        found = [0, 1] if set(found) <= {0, 1} and not all(isinstance(v, bool) for v in found) else found
    stated = _positive(found, kinds, positive, counts)
    if len(found) < 2:
        raise InputError(
            f"The column '{counts.label.name}' must hold two classes or more; got only {found}. Check --label."
        )
    places = {value: place for place, value in enumerate(found)}
    by_code = [np.array([-1, *(places[value] for value in column)]) for column in columns]
    preds = by_code[1:]
    if counts.columns.threshold is not None:
        preds = [_of_threshold(found, stated, counts)] * len(counts.scores)
    return Classes(found, by_code[0], preds, stated)


def predicted_only(counts: DecisionCounts, classes: Classes) -> str:
    """Return which classes only predictions have, for the reader; raise if a model predicts none of the labels."""
    labels = set(classes.label[1:].tolist())
    only: dict[str, None] = {}
    for level, codes in zip(counts.preds, classes.preds):
        found = set(codes[1:].tolist())
        extra = [group_text(classes.values[place]) for place in sorted(found - labels)]
        if len(labels) > 1 and not found & labels:
            known = joined([repr(group_text(classes.values[place])[:40]) for place in sorted(labels)], 5)
            raise InputError(
                f"The column '{level.name}' must hold classes of '{counts.label.name}', {known}; got "
                f"{joined([repr(text[:40]) for text in extra], 5)}. Write both alike."
            )
        only.update(dict.fromkeys(extra))
    if len(labels) < 2 or not only:
        return ""
    return f"only predictions are {joined([one_line(text, 40) for text in only], 5)}; no label is"


def _of_threshold(found: list[Any], stated: Any, counts: DecisionCounts) -> np.ndarray:
    """Return the classes of scores below and from the threshold on."""
    if len(found) != 2:
        raise InputError(f"--threshold must be for two classes; '{counts.label.name}' has {len(found)}. Leave it out.")
    place = 1 if stated is None else found.index(stated)
    return np.array([-1, 1 - place, place])


def _check_classes(levels: Sequence[Levels]) -> None:
    """Refuse labels that are no classes, and probabilities or values where decisions are expected."""
    label = levels[0]
    for level in levels[1:]:
        values = [value for value in level.values()[1:] if not isinstance(value, bool)]
        many = len(set(values)) > MAX_CLASSES
        if level.numeric and (many or any(not float(value).is_integer() for value in values)):
            raise not_decisions(level.name, label.name)


def not_decisions(column: str, label: str) -> InputError:
    """Return the error about predictions that are no decisions."""
    return InputError(
        f"The column '{column}' must hold decisions, since '{label}' holds classes; got fractions or "
        "many numbers. Name decisions and give scores with --score, or add --task regression."
    )


def _positive(found: list[Any], kinds: set[str], positive: str | None, counts: DecisionCounts) -> Any:
    texts = [group_text(value) for value in found]
    if positive is not None:
        return found[texts.index(one_of(positive, texts, "--positive"))]
    if len(found) == 2 and kinds == {"text"} and {text.lower() for text in texts} != {"true", "false"}:
        raise InputError(
            f"--positive must say which outcome of '{counts.label.name}' counts as positive, "
            f"{texts[0]!r} or {texts[1]!r}."
        )
    if len(found) > 2 and counts.scores:
        raise InputError("--positive must name the class that each --score speaks for; there are more than two.")
    return found[-1] if len(found) == 2 else None


def evaluations(counts: DecisionCounts, classes: Classes) -> list[Evaluation]:
    """Return the evaluation of each model."""
    groups, levels = counts.cells.groups(), counts.cells.control()
    shared: dict[str, Any] = {"positive": classes.positive, "attributes": counts.cells.attributes()}
    made = []
    for place, (name, table) in enumerate(zip(counts.columns.models, counts.tables)):
        options = dict(shared)
        raw, preds = table.array[: len(groups)], classes.preds[place]
        confusion = _confusion(raw, groups, np.ones(len(groups), dtype=bool), classes, preds)
        if levels is not None:
            options["control"] = levels.name
            options["strata"] = {
                level: _confusion(raw, groups, levels.codes == code, classes, preds)
                for code, level in enumerate(levels.names)
            }
        ranks = None
        if counts.scores:
            found, ranks = _with_scores(counts.scores[place], confusion, groups, classes)
            options.update(found)
        evaluation = Evaluation(name, confusion, **options)
        evaluation._ranks = ranks
        made.append(evaluation)
    return made


def _confusion(
    raw: np.ndarray, groups: Groups, inside: np.ndarray, classes: Classes, preds: np.ndarray
) -> GroupConfusion:
    """Return counts by group from those by combination, code of the label and code of the prediction."""
    size = len(classes.values)
    raw = raw[:, 1 : len(classes.label), 1 : len(preds)]
    table = np.zeros((groups.n_groups, size, size))
    codes = groups.codes[inside]
    np.add.at(table, (codes[:, None, None], classes.label[1:, None], preds[None, 1:]), raw[inside])
    return GroupConfusion(groups.names, np.asarray(classes.values), table, known=groups.known, name=groups.name)


def joint_tables(counts: DecisionCounts, classes: Classes) -> list[np.ndarray]:
    """Return counts by group, label and the decisions of the first and of each further model."""
    groups, size = counts.cells.groups(), len(classes.values)
    tables = []
    for table, preds in zip(counts.joint, classes.preds[1:]):
        raw = table.array[: len(groups), 1 : len(classes.label), 1 : len(classes.preds[0]), 1 : len(preds)]
        made = np.zeros((groups.n_groups, size, size, size))
        places = classes.label[1:, None, None], classes.preds[0][1:, None], preds[1:]
        np.add.at(made, (groups.codes[:, None, None, None], *places), raw)
        tables.append(made)
    return tables


def _with_scores(
    state: ScoreCounts, table: GroupConfusion, groups: Groups, classes: Classes
) -> tuple[dict[str, Any], RankCounts | None]:
    """Return the scores of an evaluation: exact figures and ranks from the rows if they were kept, else histograms."""
    values = np.asarray(classes.values)
    place = classes.values.index(classes.positive)
    if state.exact:
        cells, codes, scores = state.rows
        rows = Groups.from_codes(groups.codes[cells], groups.names, unknown=not groups.known.all(), name=groups.name)
        labels = values[classes.label[codes]]
        overall, by_group = auc_by_group(labels, scores[:, None], rows, values, [place])
        binned = score_state(labels, scores, rows, table, classes.positive)
        ranks = RankCounts.of(classes.label[codes] == place, scores, rows)
        return {"auc": overall, "auc_by_group": by_group, "scores": binned}, ranks
    hits = (classes.label[1:] == place).astype(int)
    arrays = []
    for counted in (state.counts.array, state.sums.array):
        made = np.zeros((groups.n_groups, 2, SCORE_BINS))
        raw = counted[: len(groups), 1 : len(classes.label), :SCORE_BINS]
        np.add.at(made, (groups.codes[:, None], hits), raw)
        arrays.append(made)
    low, high = state.range
    options: dict[str, Any] = {"positive": classes.positive, "bins": SCORE_BINS, "low": low, "high": high}
    options.update(known=groups.known, name=groups.name, counts=arrays[0], sums=arrays[1])
    return {"scores": GroupScores(groups.names, values, **options)}, None


def value_evaluations(counts: ValueCounts) -> list[RegressionEvaluation]:
    """Return the evaluation of each model of a regression."""
    names = counts.columns.predictions
    if not counts.exact:
        return [RegressionEvaluation.of_state(name, state) for name, state in zip(names, counts.states)]
    groups, (labels, *preds) = counts.kept()
    return [RegressionEvaluation(name, labels, values, groups) for name, values in zip(names, preds)]
