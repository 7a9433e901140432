"""What `mxfair audit` does: a report on the predictions that stand in a file. No deep-learning engine is loaded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mxfair._table_file import column, column_names, group_columns, read_table
from mxfair._task import MAX_CLASSES, is_value
from mxfair._validation import InputError, one_of, plural
from mxfair.groups import Groups
from mxfair.report import FairnessReport, evaluate_predictions

__all__ = ["AuditOptions", "run_audit"]

FORMATS = (".html", ".json", ".md")


@dataclass(frozen=True)
class AuditOptions:
    """The options of ``mxfair audit``."""

    file: str
    label: str
    predictions: tuple[str, ...]
    scores: tuple[str, ...]
    groups: tuple[str, ...]
    positive: str | None
    task: str | None
    criterion: str | None
    out: Path | None
    overwrite: bool


def run_audit(options: AuditOptions) -> FairnessReport:
    """Return the report on a file's predictions, written to ``--out`` if that is given."""
    _check(options)
    frame = read_table(options.file)
    if not options.predictions or not options.groups:
        raise InputError(
            f"--prediction and --group must each name a column; the file has {column_names(frame)}. Name at least one."
        )
    label = _complete(column(frame, options.label, "--label"), options.label)
    groups = Groups(group_columns({name: frame[name] for name in frame.columns}, options.groups))
    regression = options.task == "regression" or (options.task is None and is_value(label))
    models = [(name, _complete(column(frame, name, "--prediction"), name)) for name in options.predictions]
    settings: dict[str, Any] = {"task": "regression"}
    if regression:
        if options.positive is not None or options.scores:
            raise InputError("--positive and --score are for classes; the labels are values. Leave them out.")
        for name, values in [(options.label, label), *models]:
            if values.dtype.kind not in "iuf":
                raise InputError(f"The column '{name}' must hold numbers for a regression; it holds text. Check it.")
    else:
        settings = _classes(label, [values for _, values in models], options)
    scores = [column(frame, name, "--score") for name in options.scores] or [None] * len(models)
    evaluations = [
        evaluate_predictions(
            label.to_numpy(),
            values.to_numpy(),
            groups,
            name=name,
            scores=None if score is None else _complete(score, str(score.name)).to_numpy(),
            **settings,
        ).baseline
        for (name, values), score in zip(models, scores)
    ]
    report = FairnessReport(
        evaluations,
        criterion=options.criterion,
        context={"file": Path(options.file).name, "rows": len(frame), "label": options.label, "groups": groups.name},
    )
    if options.out is not None:
        report.save(options.out)
    return report


def _check(options: AuditOptions) -> None:
    """Refuse what is wrong whatever the file holds."""
    if options.task is not None:
        one_of(options.task, ("classification", "regression"), "--task")
    if options.scores and len(options.scores) != len(options.predictions):
        raise InputError(
            f"--score must be given once for each --prediction, in the same order; got {len(options.scores)} and "
            f"{len(options.predictions)}. Add the missing ones or leave --score out."
        )
    repeated = next((name for name in options.predictions if options.predictions.count(name) > 1), None)
    if repeated is not None:
        raise InputError(f"--prediction must name each column once; got '{repeated}' twice. Leave one out.")
    out = options.out
    if out is None:
        return
    if out.suffix.lower() not in FORMATS:
        raise InputError(f"--out must end in {', '.join(FORMATS)}; got '{out.name}'. Choose one of these formats.")
    if out.is_dir() or not out.absolute().parent.is_dir():
        raise InputError(f"--out must be a file in an existing folder; got '{out}'. Choose another path.")
    if out.exists() and not options.overwrite:
        raise InputError(f"--out must be a new file; '{out}' exists. Choose another name or add --overwrite.")


def _complete(values: Any, name: str) -> Any:
    """Return a column without missing values."""
    absent = int(values.isna().sum())
    if absent:
        raise InputError(
            f"The column '{name}' must not have missing values; got {plural(absent, 'row')} without. Remove these rows."
        )
    return values


def _check_classes(label: Any, predictions: list[Any], options: AuditOptions) -> None:
    """Refuse probabilities or values where decisions are expected, and labels that are no classes."""
    if options.task is None and (found := label.nunique()) > MAX_CLASSES:
        raise InputError(
            f"The column '{label.name}' must hold at most {MAX_CLASSES} classes; got {found:,}. Check --label."
        )
    for values in () if is_value(label) else predictions:
        if is_value(values):
            raise InputError(
                f"The column '{values.name}' must hold decisions, since '{label.name}' holds classes; got fractions or "
                "many numbers. Name decisions and give scores with --score, or add --task regression."
            )


def _classes(label: Any, predictions: list[Any], options: AuditOptions) -> dict[str, Any]:
    """Return the settings of `evaluate_predictions` for classes."""
    import pandas as pd

    kinds = {"number" if pd.api.types.is_numeric_dtype(values) else "text" for values in (label, *predictions)}
    if len(kinds) > 1:
        raise InputError("Labels and predictions must be of one kind; got text and numbers. Write both alike.")
    _check_classes(label, predictions, options)
    found = sorted(pd.concat([label, *predictions]).unique().tolist())
    settings: dict[str, Any] = {"task": "classification", "classes": found}
    texts = [str(value) for value in found]
    if options.positive is not None:
        settings["positive"] = found[texts.index(one_of(options.positive, texts, "--positive"))]
    elif len(found) == 2 and kinds == {"text"} and {text.lower() for text in texts} != {"true", "false"}:
        raise InputError(
            f"--positive must say which outcome of '{options.label}' counts as positive, {texts[0]!r} or {texts[1]!r}."
        )
    return settings
