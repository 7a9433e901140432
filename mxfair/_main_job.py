"""The main job: a plain and a fair net from the same start, a report, and the nets for later use."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import mxfair
from mxfair import _model_dir, net, report, training
from mxfair._compat import import_mxnet
from mxfair._inference import forward, scores
from mxfair._task import Task, load_task, read_table
from mxfair._validation import one_of, to_numpy
from mxfair.criterion import criterion_named
from mxfair.data import DataLoader, FairDataLoader
from mxfair.data.controller import controller_named
from mxfair.preprocessing import TabularEncoder

if TYPE_CHECKING:
    import pandas as pd

mx: Any = import_mxnet()

__all__ = ["Options", "predict", "run"]

PLAIN, FAIR = "plain", "fairbatch"
TITLES = {PLAIN: "plain", FAIR: "FairBatch"}


@dataclass(frozen=True)
class Options:
    """The options of ``mxfair train``."""

    data: str
    label: str | None
    positive: str | None
    groups: tuple[str, ...]
    exclude: tuple[str, ...]
    criterion: str
    controller: str
    net_name: str
    epochs: int
    batch_size: int
    learning_rate: float
    test_size: float
    seed: int
    out: Path
    overwrite: bool


def run(options: Options) -> None:
    """Check everything, train both nets, print the report and write the folder."""
    from rich.console import Console

    console = Console()
    criterion_named(options.criterion)
    controller_named(options.controller)
    one_of(options.net_name, net.NETS, "--net")
    _model_dir.check_target(options.out, options.overwrite)
    task = load_task(
        options.data,
        label=options.label,
        groups=options.groups,
        positive=options.positive,
        exclude=options.exclude,
        test_size=options.test_size,
        seed=options.seed,
    )
    encoder = TabularEncoder().fit(task.train.frame)
    X, X_test = encoder.transform(task.train.frame), encoder.transform(task.test.frame)
    setup = _set_up(options, task, X)
    console.print(
        f"{task.name}: {len(X):,} training and {len(X_test):,} test rows, {X.shape[1]} features, "
        f"groups by {task.train.groups.name}",
        highlight=False,
    )
    histories = _train(options, setup)
    test_scores = {name: _scores(model, X_test) for name, model in setup.models.items()}
    findings = setup.loaders[FAIR].batch_sampler.findings
    result = _report(options, task, test_scores, histories, [str(finding) for finding in findings])
    with _model_dir.written_whole(options.out) as folder:
        _model_dir.save_model(
            folder,
            setup.models,
            encoder,
            {
                "net": options.net_name,
                "n_outputs": task.n_outputs,
                "label": task.label,
                "classes": task.classes,
                "groups": task.train.groups.name,
                "criterion": options.criterion,
            },
        )
        result.save(folder / "report.html")
        result.save(folder / "metrics.json")
        _prediction_table(task, test_scores).to_csv(folder / "predictions.csv", index=False)
    console.print(result)
    console.print(
        f"Wrote {options.out / 'report.html'} (open it in a browser), metrics.json, predictions.csv and the nets.",
        highlight=False,
    )


@dataclass(frozen=True)
class _Setup:
    """Two nets with the same weights, their loaders, and the loss."""

    models: dict[str, Any]
    loaders: dict[str, Any]
    loss: Any


def _set_up(options: Options, task: Task, X: np.ndarray) -> _Setup:
    """Make nets and loaders; labels, groups and the batch size are checked here, before anything is trained."""
    part = task.train
    loss_type = mx.gluon.loss.SigmoidBinaryCrossEntropyLoss if task.n_outputs == 1 else mx.gluon.loss.SoftmaxCELoss
    loss = loss_type()
    mx.random.seed(options.seed)
    models = {name: net.make(options.net_name, X.shape[1], task.n_outputs) for name in (PLAIN, FAIR)}
    models[PLAIN].initialize(mx.init.Xavier())
    models[FAIR].initialize()
    for to, start in zip(models[FAIR].collect_params().values(), models[PLAIN].collect_params().values()):
        to.set_data(start.data())
    dataset = mx.gluon.data.ArrayDataset(X, part.labels.astype(np.float32), part.groups.codes.astype(np.float32))
    loaders = {
        PLAIN: DataLoader(dataset, options.batch_size, shuffle=True, seed=options.seed),
        FAIR: FairDataLoader(
            dataset,
            options.batch_size,
            net=models[FAIR],
            loss=loss,
            criterion=options.criterion,
            groups=part.groups,
            controller=options.controller,
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


def _scores(model: Any, X: np.ndarray) -> np.ndarray:
    return scores(np.concatenate([to_numpy(out) for out in forward(model, X)]))


def _report(
    options: Options,
    task: Task,
    test_scores: dict[str, np.ndarray],
    histories: dict[str, training.History],
    findings: list[str],
) -> report.FairnessReport:
    from sklearn import __version__ as sklearn_version

    part, classes = task.test, list(range(len(task.classes)))
    evaluations: list[report.Evaluation] = []
    for name, values in test_scores.items():
        single = report.evaluate_predictions(
            part.labels, _model_dir.places(values), part.groups, scores=values, name=TITLES[name], classes=classes
        )
        evaluations += single.evaluations
    return report.FairnessReport(
        evaluations,
        title=f"{task.name}: {task.label} by {part.groups.name}",
        criterion=options.criterion,
        histories={TITLES[name]: history.to_frame() for name, history in histories.items()},
        context={
            "data": task.name,
            "label": f"{task.label}; "
            + (f"positive: {task.positive}" if task.positive else f"classes: {', '.join(map(str, task.classes))}"),
            "split": "test",
            "how it was split": task.split,
            "training rows": len(task.train.labels),
            "test rows": len(part.labels),
            "excluded columns": ", ".join(options.exclude) or "none",
            "net": options.net_name,
            "optimizer": f"Adam, learning rate {options.learning_rate:g}",
            "epochs": options.epochs,
            "batch size": options.batch_size,
            "FairBatch": f"criterion {options.criterion}, controller {options.controller}",
            "what the sampler noticed": " ".join(findings)
            or "nothing: no saturation, oscillation, starvation or repetition",
            "seed": options.seed,
            "versions": f"mxfair {mxfair.__version__}, mxnet {mx.__version__}, numpy {np.__version__}, "
            f"scikit-learn {sklearn_version}, Python {platform.python_version()}",
        },
    )


def _prediction_table(task: Task, test_scores: dict[str, np.ndarray]) -> pd.DataFrame:
    import pandas as pd

    part = task.test
    start = pd.DataFrame(
        {
            "row": part.rows,
            "label": np.array(task.classes, dtype=object)[part.labels],
            "group": np.array(part.groups.names, dtype=object)[part.groups.codes],
        }
    )
    return pd.concat(
        [start, *(_model_dir.predictions(values, task.classes, f"{name}_") for name, values in test_scores.items())],
        axis=1,
    )


def predict(folder: Path, file: str, model: str | None) -> str:
    """Return the scores and decisions for the rows of a file as CSV text."""
    fitted, encoder, state = _model_dir.load_model(folder, model)
    text = [column["name"] for column in encoder.columns_ if column["kind"] == "category"]
    frame = read_table(file, text=text)
    table = _model_dir.predictions(_scores(fitted, encoder.transform(frame)), state["classes"])
    table.insert(0, "row", np.arange(len(table)))
    return table.to_csv(index=False)
