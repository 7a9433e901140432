"""The main job: a plain and a fair net from the same start, a report, and the nets for later use."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mxfair import _model_dir, datasets, net, training
from mxfair._compat import import_mxnet
from mxfair._job_models import drivers
from mxfair._job_models import outputs as _outputs
from mxfair._job_options import Options
from mxfair._job_report import make_report, prediction_table
from mxfair._job_titles import TITLES
from mxfair._table_file import group_columns, read_table
from mxfair._task import Part, Task, load_task
from mxfair._validation import InputError, generator, one_of, plural
from mxfair.criterion import criterion_named
from mxfair.data import DataLoader, FairDataLoader
from mxfair.data.controller import controller_named
from mxfair.groups import Groups
from mxfair.postprocessing.barycenter import WassersteinBarycenter
from mxfair.preprocessing import TabularEncoder

mx: Any = import_mxnet()

__all__ = ["Options", "predict", "run"]

PLAIN, FAIR, BARYCENTER = "plain", "fairbatch", "barycenter"
#: What batches can be selected for where the target is a number.
REGRESSION_CRITERIA = ("bounded_group_loss", "demographic_parity")
#: Samples of a batch, as far as there are so many.
BATCH_SIZE = 256
#: Bins of the target for parity of predictions.
LABEL_BINS = 4
#: Share of the training rows that a post-processor is fitted on, and the nets are not.
HELD_OUT = 0.2


def run(options: Options) -> None:
    """Check everything, train both nets, print the report and write the folder."""
    from rich.console import Console

    console = Console()
    _check(options)
    task = load_task(
        options.data,
        label=options.label,
        groups=options.groups,
        positive=options.positive,
        exclude=options.exclude,
        test_size=options.test_size,
        seed=options.seed,
        kind=options.task,
    )
    options = _settled(options, task)
    task, held_out = _held_out(options, task)
    options = replace(options, batch_size=options.batch_size or min(BATCH_SIZE, len(task.train.labels)))
    encoder = TabularEncoder().fit(task.train.frame)
    X, X_test = encoder.transform(task.train.frame), encoder.transform(task.test.frame)
    setup = _set_up(options, task, X)
    console.print(
        f"{task.name}: {len(X):,} training and {len(X_test):,} test rows, {X.shape[1]} features, "
        f"{_kind(task)}, groups by {task.train.groups.name}",
        highlight=False,
    )
    histories = _train(options, setup)
    scale = task.scale if task.regression else None
    values = {name: _outputs(model, X_test, scale) for name, model in setup.models.items()}
    step = None
    if held_out is not None:
        step = WassersteinBarycenter(eps=options.eps or 0.0)
        step.fit(_outputs(setup.models[PLAIN], encoder.transform(held_out.frame), scale), None, held_out.groups)
        values[BARYCENTER] = step.transform(values[PLAIN], task.test.groups)
    driven = drivers(task, {TITLES[name]: model for name, model in setup.models.items()}, encoder, X, X_test)
    result = make_report(options, task, values, histories, _notes(options, setup, held_out), driven)
    with _model_dir.written_whole(options.out) as folder:
        _model_dir.save_model(folder, setup.models, encoder, _description(options, task, held_out), step)
        result.save(folder / "report.html")
        result.save(folder / "metrics.json")
        prediction_table(task, values).to_csv(folder / "predictions.csv", index=False)
    console.print(result)
    console.print(
        f"Wrote {options.out / 'report.html'} (open it in a browser), metrics.json, predictions.csv and the nets.",
        highlight=False,
    )


def _kind(task: Task) -> str:
    """Return what the label was taken for, which for a file of numbers is a guess from its values."""
    if task.regression:
        return f"regression of {task.label}"
    return f"{len(task.classes)} classes of {task.label}"


def _check(options: Options) -> None:
    """Refuse what is wrong whatever the data are."""
    if options.criterion is not None:
        criterion_named(options.criterion, losses=True)
    controller_named(options.controller)
    one_of(options.net_name, net.NETS, "--net")
    one_of(options.signal, ("full", "probe"), "--signal")
    if options.task is not None:
        one_of(options.task, ("classification", "regression"), "--task")
    if options.postprocess is not None:
        one_of(options.postprocess, (BARYCENTER,), "--postprocess")
    elif options.eps is not None:
        raise InputError("--eps is for --postprocess barycenter. Add that or leave it out.")
    _model_dir.check_target(options.out, options.overwrite)


def _settled(options: Options, task: Task) -> Options:
    """Return the options with the criterion that fits the task."""
    if task.regression:
        criterion = options.criterion or REGRESSION_CRITERIA[0]
        return replace(options, criterion=one_of(criterion, REGRESSION_CRITERIA, "--criterion"))
    if options.postprocess is not None:
        raise InputError(f"--postprocess is for regression; '{task.label}' holds classes. Leave it out.")
    return replace(options, criterion=criterion_named(options.criterion or "equalized_odds").name)


def _held_out(options: Options, task: Task) -> tuple[Task, Part | None]:
    """Return the task without the training rows that a post-processor is fitted on, and these rows."""
    if options.postprocess is None:
        return task, None
    for part in (task.train, task.test):
        unknown = int((~np.asarray(part.groups.known)[part.groups.codes]).sum())
        if unknown:
            raise InputError(
                f"--postprocess needs the group of every row; {plural(unknown, 'row')} lack it. Remove these rows or "
                "leave out --postprocess."
            )
    order = generator(options.seed).permutation(len(task.train.labels))
    size = max(1, round(HELD_OUT * len(order)))
    held, kept = task.train.take(np.sort(order[:size])), task.train.take(np.sort(order[size:]))
    absent = np.setdiff1d(task.test.groups.codes, held.groups.codes)
    if len(absent):
        names = ", ".join(task.test.groups.names[code] for code in absent[:5])
        raise InputError(
            f"--postprocess needs rows of every group among those held out from training; there is none of {names}. "
            "Use more data or fewer groups."
        )
    return replace(task, train=kept), held


@dataclass(frozen=True)
class _Setup:
    """Two nets with the same weights, their loaders, and the loss."""

    models: dict[str, Any]
    loaders: dict[str, Any]
    loss: Any


def _set_up(options: Options, task: Task, X: np.ndarray) -> _Setup:
    """Make nets and loaders; labels, groups and the batch size are checked here, before anything is trained."""
    part, losses = task.train, mx.gluon.loss
    labels = part.labels
    if task.regression:
        loss_type, (mean, sd) = losses.L2Loss, task.scale
        labels = (labels - mean) / sd
    else:
        loss_type = losses.SigmoidBinaryCrossEntropyLoss if task.n_outputs == 1 else losses.SoftmaxCELoss
    loss = loss_type()
    mx.random.seed(options.seed)
    models = {name: net.make(options.net_name, X.shape[1], task.n_outputs) for name in (PLAIN, FAIR)}
    models[PLAIN].initialize(mx.init.Xavier())
    models[FAIR].initialize()
    for to, start in zip(models[FAIR].collect_params().values(), models[PLAIN].collect_params().values()):
        to.set_data(start.data())
    dataset = mx.gluon.data.ArrayDataset(X, labels.astype(np.float32), part.groups.codes.astype(np.float32))
    parity = task.regression and options.criterion == "demographic_parity"
    loaders = {
        PLAIN: DataLoader(dataset, options.batch_size, shuffle=True, seed=options.seed),
        FAIR: FairDataLoader(
            dataset,
            options.batch_size or BATCH_SIZE,
            net=models[FAIR],
            loss=loss,
            criterion=options.criterion or "equalized_odds",
            groups=part.groups,
            controller=options.controller,
            signal=options.signal,
            update_every=options.update_every,
            label_bins=LABEL_BINS if parity else None,
            seed=options.seed,
        ),
    }
    return _Setup(models, loaders, loss)


def _train(options: Options, setup: _Setup) -> dict[str, training.History]:
    histories = {}
    for name, model in setup.models.items():
        trainer = mx.gluon.Trainer(model.collect_params(), "adam", {"learning_rate": options.learning_rate})
        histories[name] = training.fit(
            model, setup.loaders[name], setup.loss, trainer, options.epochs, progress=f"{TITLES[name]:<9}"
        )
    return histories


def _notes(options: Options, setup: _Setup, held_out: Part | None) -> dict[str, str]:
    """Return what the report says about this run beside its options."""
    findings = " ".join(str(finding) for finding in setup.loaders[FAIR].batch_sampler.findings)
    notes = {"what the sampler noticed": findings or "nothing: no saturation, oscillation, starvation or repetition"}
    if held_out is not None:
        rows = plural(len(held_out.labels), "row")
        notes["barycenter"] = f"eps {options.eps or 0:g}, of the plain net's predictions, fitted on {rows} held out"
    return notes


def _description(options: Options, task: Task, held_out: Part | None) -> dict[str, Any]:
    return {
        "net": options.net_name,
        "task": "regression" if task.regression else "classification",
        "n_outputs": task.n_outputs,
        "label": task.label,
        "classes": task.classes,
        "scale": list(task.scale) if task.regression else None,
        "groups": task.train.groups.name,
        "group_columns": list(task.group_names),
        "criterion": options.criterion,
        "source": _source(options, task, held_out),
    }


def _source(options: Options, task: Task, held_out: Part | None) -> dict[str, Any]:
    """Return what the nets were trained on; a file by its way from the folder, so that both can move together."""
    data = options.data
    if data not in datasets.LOADERS:
        with contextlib.suppress(ValueError):  # another drive
            data = os.path.relpath(Path(data).resolve(), options.out.resolve())
        data = Path(data).as_posix()
    return {
        "data": data,
        "positive": options.positive,
        "exclude": list(options.exclude),
        "split": task.split,
        "test_size": options.test_size,
        "seed": options.seed,
        "training_rows": len(task.train.labels),
        "held_out_rows": 0 if held_out is None else len(held_out.labels),
        "test_rows": len(task.test.labels),
    }


def predict(folder: Path, file: str, model: str | None) -> str:
    """Return the scores and decisions, or the predicted values, for the rows of a file as CSV text."""
    fitted, encoder, state, step = _model_dir.load_model(folder, model)
    text = [column["name"] for column in encoder.columns_ if column["kind"] == "category"]
    frame = read_table(file, text=text)
    values = _outputs(fitted, encoder.transform(frame), state.get("scale"))
    if step is not None:
        columns = group_columns({name: frame[name] for name in frame.columns}, state["group_columns"])
        values = step.transform(values, Groups(columns))
    table = _model_dir.predictions(values, state["classes"])
    table.insert(0, "row", np.arange(len(table)))
    return table.to_csv(index=False)
