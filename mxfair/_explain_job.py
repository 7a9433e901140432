"""What `mxfair explain` does: from a folder of `mxfair train` and its test rows to what drives its models' gaps."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import mxfair
from mxfair import _job_models, _model_dir, datasets
from mxfair._job_titles import TITLES
from mxfair._table_file import column_names
from mxfair._task import Part, load_rows
from mxfair._validation import InputError, generator, one_of
from mxfair.report._explain import Question, explained_report
from mxfair.report._subject import Subject

if TYPE_CHECKING:
    from mxfair.report._explanation import ExplanationReport

__all__ = ["ExplainOptions", "run"]

#: What attributions may be made by; each is a function of mxfair.explain.
METHODS = ("expected_gradients", "deep_shap", "permutation_shap")
SCALES = ("logit", "probability")
#: Rows beyond these are not drawn for contributions to be compared with.
BARYCENTER = "barycenter"


@dataclass(frozen=True)
class ExplainOptions:
    """The options of ``mxfair explain``."""

    folder: Path
    data: str | None = None
    models: tuple[str, ...] = ()
    output: str | None = None
    scale: str = "logit"
    method: str | None = None
    rows: int = 4000
    background: int = 100
    top: int = 4
    seed: int = 0
    out: Path | None = None
    overwrite: bool = False


def run(options: ExplainOptions) -> None:
    """Check everything, measure, print what drives the gap and write the page, the JSON and the tables."""
    from rich.console import Console

    console = Console()
    out = options.out or options.folder / _model_dir.EXPLANATION
    if options.method is not None:
        one_of(options.method, METHODS, "--method")
    one_of(options.scale, SCALES, "--scale")
    _check_out(out, options)
    state = _model_dir.read_state(options.folder)
    names = list(dict.fromkeys(one_of(name, state["models"], "--model") for name in options.models or state["models"]))
    place = _place(state, options.output)
    found = _chosen(options, state)
    console.print(
        f"{found.name}: {len(found.part.labels):,} {found.what}, {len(names)} models, by {found.part.groups.name}",
        highlight=False,
        markup=False,
    )
    result = _explain(options, state, names, place, found)
    result.save(out)
    console.print(result)
    what = f"{out} (open {out / 'explain.html'} in a browser)" if not out.suffix or out.is_dir() else str(out)
    console.print(f"Wrote {what}.", highlight=False, markup=False)


def _check_out(out: Path, options: ExplainOptions) -> None:
    """Refuse a target that must not be written, before any work is done."""
    if out.suffix and not out.is_dir():
        if out.suffix.lower() not in (".html", ".json"):
            raise InputError(f"--out must be a folder, or a file .html or .json; got '{out}'. Choose another name.")
        if out.exists() and not options.overwrite:
            raise InputError(f"--out must be a new file; '{out}' exists. Choose another name or add --overwrite.")
    elif out.is_dir() and any(out.iterdir()):
        if not options.overwrite:
            raise InputError(f"'{out}' holds files. Add --overwrite, or choose another folder with --out.")
        if not _model_dir.is_explanation(out):
            raise InputError(
                f"--overwrite replaces only what mxfair explain wrote; '{out}' holds other files. Choose another."
            )
    elif out.exists() and not out.is_dir():
        raise InputError(f"--out must be a folder, or a file .html or .json; got '{out}'. Choose another name.")
    if options.out is not None and not out.absolute().parent.is_dir():
        raise InputError(f"--out must be in an existing folder; '{out.parent}' is none. Create it first.")


def _place(state: dict[str, Any], output: str | None) -> int | None:
    """Return the place of the class that is explained; None of a regression."""
    classes = state["classes"]
    if not classes:
        if output is not None:
            raise InputError(f"--output names a class; '{state['label']}' holds numbers. Leave it out.")
        return None
    texts = [str(value) for value in classes]
    if output is None:
        if len(classes) > 2:
            raise InputError(f"--output must say which class is explained; the classes are {column_names(texts)}.")
        return 1
    if len(classes) == 2 and output != texts[1]:
        raise InputError(f"--output must be the positive class, {texts[1]!r}, of two; got {output!r}. Leave it out.")
    return texts.index(one_of(output, texts, "--output"))


@dataclass(frozen=True, eq=False)
class _Rows:
    """The rows to be explained, those they are compared with, and what they are called."""

    name: str
    part: Part
    background: Any
    what: str


def _chosen(options: ExplainOptions, state: dict[str, Any]) -> _Rows:
    """Return the test rows of the training, or all rows of other data, as many as are asked for."""
    data, given = _data(options, state)
    everything = load_rows(
        data,
        label=state["label"],
        groups=state["group_columns"],
        classes=state["classes"],
        features=[column["name"] for column in state["encoder"]["columns"]],
        text=[column["name"] for column in state["encoder"]["columns"] if column["kind"] == "category"],
    )
    rng = generator(options.seed)
    recorded = _model_dir.read_predictions(options.folder)
    test = _test_rows(everything, state, recorded)
    if test is None and not given:
        raise InputError(
            f"'{data}' must be as it was in the training: its labels differ from those in predictions.csv, or that "
            "file is gone. Name the data with --data; then all of its rows are explained."
        )
    n = len(everything.labels)
    others = np.arange(n) if test is None else np.setdiff1d(np.arange(n), test)
    rows = np.arange(n) if test is None else test
    chosen = rows if len(rows) <= options.rows else np.sort(rng.choice(rows, options.rows, replace=False))
    others = others if len(others) else rows
    compared = np.sort(rng.choice(others, min(options.background, len(others)), replace=False))
    what = "rows" if test is None else "test rows"
    part = everything.take(chosen)
    found = _Rows(Path(data).name, part, everything.frame.iloc[compared].reset_index(drop=True), what)
    return found


def _data(options: ExplainOptions, state: dict[str, Any]) -> tuple[str, bool]:
    """Return which data are read, and whether they were named."""
    if options.data is not None:
        return options.data, True
    source = state.get("source")
    if source is None:
        raise InputError(
            f"'{options.folder}' does not say which data its nets were trained on: an older version of mxfair wrote "
            "it. Name the data with --data."
        )
    data = str(source["data"])
    if data in datasets.LOADERS:
        return data, False
    path = (options.folder / data).resolve()
    if not path.is_file():
        raise InputError(f"'{path}', the data of the training, is gone. Name it with --data where it is now.")
    return str(path), False


def _test_rows(everything: Part, state: dict[str, Any], recorded: Any) -> np.ndarray | None:
    """Return the test rows of the training; None where these are other data."""
    if recorded is None or not len(recorded):
        return None
    rows = recorded["row"].to_numpy(dtype=np.int64)
    if rows.min() < 0 or rows.max() >= len(everything.labels):
        return None
    labels = everything.labels[rows]
    if not state["classes"]:
        same = np.allclose(labels, recorded["label"].to_numpy(dtype=float))
    else:
        texts = np.array([str(value) for value in state["classes"]], dtype=object)
        same = bool((texts[labels] == recorded["label"].astype(str).to_numpy()).all())
    return rows if same else None


def _explain(
    options: ExplainOptions, state: dict[str, Any], names: Sequence[str], place: int | None, found: _Rows
) -> ExplanationReport:
    """Return the report on the models of a folder."""
    question = Question(
        found.part.labels,
        found.part.groups,
        "regression" if place is None else "classification",
        list(range(len(state["classes"]))),
        positive=place,
        criterion=state["criterion"],
        scale=options.scale,
        method=options.method,
        data=found.part.frame,
        top=options.top,
        seed=options.seed,
    )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*minimum support.*")
        subjects = [_subject(options, name, place, found, question) for name in names]
    label = state["label"] if place is None else f"{state['label']} = {state['classes'][place]}"
    return explained_report(
        subjects,
        question,
        title=f"{found.name}: what drives the gap in {label} by {found.part.groups.name}",
        context=_context(options, state, found),
    )


def _subject(options: ExplainOptions, name: str, place: int | None, found: _Rows, question: Question) -> Subject:
    """Return a model of the folder as what a report explains."""
    net, encoder, state, step = _model_dir.load_model(options.folder, name)
    model = _job_models.JobModel(net, state["label"], state["classes"], state.get("scale"))
    X, background = encoder.transform(found.part.frame), encoder.transform(found.background)
    title = TITLES.get(name, name)
    plain = _job_models.subject(title, model, X, background, encoder, place, options.scale)
    if step is None:
        return plain
    known = plain.attribution(question.method, {"seed": generator(question.seed)})
    return _job_models.moved_subject(title, plain, step, found.part.groups, known)


def _context(options: ExplainOptions, state: dict[str, Any], found: _Rows) -> dict[str, Any]:
    import platform

    return {
        "data": found.name,
        "label": state["label"],
        "rows": f"{len(found.part.labels)} {found.what}",
        "compared with": f"{len(found.background)} rows "
        + ("that were no test rows" if found.what == "test rows" else "of the same data"),
        "net": state["net"],
        "criterion of the training": state["criterion"],
        "seed": options.seed,
        "versions": f"mxfair {mxfair.__version__}, numpy {np.__version__}, Python {platform.python_version()}",
    }
