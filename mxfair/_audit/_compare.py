"""`mxfair compare`: two audits, two files, or two columns of a file."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mxfair._audit._options import check_not_read, check_out, is_folder
from mxfair._audit._passes import Request, read
from mxfair._audit._sources import sources_of
from mxfair._table_file import column, read_table
from mxfair._validation import InputError, InputTypeError, one_of, plural
from mxfair.confusion import GroupConfusion
from mxfair.report import Evaluation, RegressionEvaluation
from mxfair.report._files import write_text
from mxfair.report._junit import to_junit
from mxfair.report.comparison import Comparison, compare
from mxfair.report.gates import Gate, GateResult
from mxfair.residuals import GroupResiduals

__all__ = ["CompareOptions", "CompareResult", "run_compare"]

#: Formats of --out.
FORMATS = (".json", ".xml")
#: The names of the second file's predictions and labels beside the first one's columns.
_OTHER, _LABEL = "\ue000second", "\ue000label"


@dataclass(frozen=True)
class CompareOptions:
    """The options of ``mxfair compare``."""

    files: tuple[str, ...]
    models: tuple[str, ...] = ()
    label: str | None = None
    predictions: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    id: str | None = None
    positive: str | None = None
    task: str | None = None
    criterion: tuple[str, ...] = ()
    reference: str | None = None
    compat: str | None = None
    min_support: float = 0
    fail_if: tuple[str, ...] = ()
    out: Path | None = None
    overwrite: bool = False


@dataclass(frozen=True)
class CompareResult:
    """What a comparison found.

    Parameters
    ----------
    comparison : Comparison
    gates : list of GateResult
    notes : list of str
        What the reader must know about how it was read.
    """

    comparison: Comparison
    gates: list[GateResult]
    notes: list[str]

    @property
    def passed(self) -> bool:
        """Whether all gates passed."""
        return all(gate.passed for gate in self.gates)


def run_compare(options: CompareOptions) -> CompareResult:
    """Return how two models differ, and what the gates say, written to ``--out`` if that is given."""
    gates = [Gate.parse(text) for text in options.fail_if]
    if options.out is not None:
        if is_folder(options.out):
            raise InputError(
                f"--out must be a file that ends in {' or '.join(FORMATS)}; got '{options.out}'. Name one."
            )
        check_out(options.out, options.overwrite, formats=FORMATS)
        check_not_read(options.out, [_report_in(Path(name)) for name in options.files])
    first, second, joint, notes = _sides(options)
    settings: dict[str, Any] = {
        "criteria": list(options.criterion) or None,
        "reference": options.reference,
        "compat": options.compat,
        "min_support": options.min_support,
    }
    comparison = compare(first, second, joint=joint, **settings)
    result = CompareResult(comparison, comparison.check(gates), notes)
    if options.out is not None:
        state = {**comparison.to_dict(), "notes": notes, "gates": [gate.to_dict() for gate in result.gates]}
        text = json.dumps(state, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
        write_text(options.out, to_junit(result.gates, name="mxfair compare") if options.out.suffix == ".xml" else text)
    return result


def _sides(options: CompareOptions) -> tuple[Any, Any, Any, list[str]]:
    """Return both evaluations, their joint counts if they are of one file, and notes."""
    paths = [_report_in(Path(name)) for name in options.files]
    audits = [path.suffix.lower() == ".json" for path in paths]
    if len(paths) > 2:
        raise InputError(f"One or two files must be given; got {len(paths)}. Compare two at a time.")
    if any(audits):
        return _of_audits(options, paths, audits)
    if options.label is None or not options.predictions or not options.groups:
        raise InputError("--label, --prediction and --group must name columns of the files. Name all three.")
    if options.models:
        raise InputError("--model must be left out for files of predictions; name columns with --prediction.")
    if len(paths) == 2:
        return _of_two_files(options)
    if options.id is not None:
        raise InputError("--id joins two files; got one. Leave it out: two columns of one file are paired already.")
    if len(options.predictions) != 2:
        raise InputError(f"--prediction must name two columns of one file; got {len(options.predictions)}. Name two.")
    audited = read(replace(_request(options, options.files, options.predictions), joint=True))
    joint = audited.joint[0] if audited.joint else None
    return audited.evaluations[0], audited.evaluations[1], joint, list(audited.notes.values())


def _request(options: CompareOptions, files: Sequence[str], predictions: tuple[str, ...]) -> Request:
    label = str(options.label)
    sources = sources_of(files)
    return Request(sources, label, predictions, options.groups, positive=options.positive, task=options.task)


def _report_in(path: Path) -> Path:
    """Return the metrics of a folder that an audit wrote, or the path itself."""
    return path / "metrics.json" if path.is_dir() and (path / "metrics.json").is_file() else path


def _of_audits(options: CompareOptions, paths: list[Path], audits: list[bool]) -> tuple[Any, Any, Any, list[str]]:
    given = {
        "--label": options.label,
        "--prediction": options.predictions,
        "--group": options.groups,
        "--id": options.id,
        "--positive": options.positive,
        "--task": options.task,
    }
    beside = next((name for name, value in given.items() if value), None)
    if beside is not None:
        raise InputError(f"{beside} must be left out with metrics.json, which holds counts and no rows. Leave it out.")
    if not all(audits):
        raise InputError("Two files must be of one kind; got metrics of an audit and predictions. Audit both first.")
    states = [_state(path) for path in paths]
    models = options.models
    if len(states) == 1:
        if len(models) != 2 and len(states[0]["models"]) != 2:
            raise InputError("--model must name two models of one audit. Give it twice, or give two audits.")
        models = models or tuple(str(model["name"]) for model in states[0]["models"])
        states, paths = states * 2, paths * 2
    if len(models) > 2:
        raise InputError(f"--model must name one model of each audit; got {len(models)}. Name at most two.")
    models = models * 2 if len(models) == 1 else models
    names = models or (None, None)
    first, second = (_evaluation(state, name, path) for state, name, path in zip(states, names, paths))
    return first, second, None, []


def _state(path: Path) -> dict[str, Any]:
    try:
        state = json.loads(path.read_text(encoding="utf-8"))
        if str(state["schema"]).split("/")[0] != "mxfair.report":
            raise ValueError("schema")
        if not state["models"]:
            raise ValueError("models")
    except (ValueError, LookupError, TypeError, OSError, RecursionError) as error:
        raise InputError(
            f"'{path}' must be what mxfair audit --out wrote as .json; it cannot be read so ({type(error).__name__}). "
            "Audit the predictions again."
        ) from error
    return dict(state)


def _evaluation(state: dict[str, Any], name: str | None, path: Path) -> Any:
    """Return the evaluation of a model from its counts."""
    try:
        names = [str(model["name"]) for model in state["models"]]
        if name is None and len(names) > 1:
            raise InputError(f"--model must name one model of '{path}': {', '.join(names[:20])}. Add --model.")
        model = state["models"][0 if name is None else names.index(one_of(name, names, "--model"))]
        if state["task"] == "regression":
            return RegressionEvaluation.of_state(str(model["name"]), GroupResiduals.from_dict(model["residuals"]))
        table = GroupConfusion.from_dict(model["confusion"])
        return Evaluation(str(model["name"]), table, positive=state.get("positive"))
    except (InputError, InputTypeError):
        raise
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise InputError(f"'{path}' is damaged ({type(error).__name__}). Audit the predictions again.") from error


def _of_two_files(options: CompareOptions) -> tuple[Any, Any, Any, list[str]]:
    names = options.predictions * 2 if len(options.predictions) == 1 else options.predictions
    if len(names) != 2:
        raise InputError(f"--prediction must name one column, or one of each file; got {len(names)}. Name at most two.")
    if options.id is not None:
        return _joined(options, names)
    found = [read(_request(options, [file], (name,))) for file, name in zip(options.files, names)]
    first, second = (one.evaluations[0] for one in found)
    if names[0] == names[1]:
        first.name, second.name = (Path(file).stem for file in options.files)
    return first, second, None, list(dict.fromkeys(note for one in found for note in one.notes.values()))


def _joined(options: CompareOptions, names: tuple[str, ...]) -> tuple[Any, Any, Any, list[str]]:
    """Return evaluations of the rows that both files have, in one order, with their joint counts."""
    key, label = str(options.id), str(options.label)
    frames = [read_table(file, text=[key]) for file in options.files]
    for frame, file in zip(frames, options.files):
        column(frame, key, "--id")
        if frame[key].isna().any() or frame[key].duplicated().any():
            raise InputError(
                f"--id must tell rows apart; '{file}' has missing or repeated values of '{key}'. Check it."
            )
        frame[key] = frame[key].astype(str)
        column(frame, label, "--label")
    second = frames[1][[key]].assign(**{_OTHER: column(frames[1], names[1], "--prediction"), _LABEL: frames[1][label]})
    both = frames[0].merge(second, on=key, how="inner")
    if not len(both):
        raise InputError(f"--id must join the files; no value of '{key}' is in both. Check the column.")
    differs = int((both[label].fillna("") != both[_LABEL].fillna("")).sum())
    if differs:
        raise InputError(
            f"The column '{label}' must be the same in both files; it differs in {plural(differs, 'row')}. Check it."
        )
    lost = [len(frame) - len(both) for frame in frames]
    notes = [f"Joined by {key}: {plural(len(both), 'row')} in both files"]
    notes[0] += f"; left out {lost[0]:,} only in the first and {lost[1]:,} only in the second." if any(lost) else "."
    with tempfile.TemporaryDirectory() as folder:  # read as any other file, so that types are told in one way
        joined = Path(folder) / "joined.csv"
        both.to_csv(joined, index=False)
        audited = read(replace(_request(options, [str(joined)], (names[0], _OTHER)), joint=True))
    stems = [Path(file).stem for file in options.files]
    for evaluation, name, stem in zip(audited.evaluations, names, stems):
        evaluation.name = stem if names[0] == names[1] else name
    joint = audited.joint[0] if audited.joint else None
    return audited.evaluations[0], audited.evaluations[1], joint, [*notes, *audited.notes.values()]
