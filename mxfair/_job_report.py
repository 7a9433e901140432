"""What `mxfair train` reports: the test rows' predictions by model, and where the numbers come from."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

import mxfair
from mxfair import _model_dir, report
from mxfair._compat import import_mxnet
from mxfair._job_titles import TITLES
from mxfair._task import Task

if TYPE_CHECKING:
    import pandas as pd

    from mxfair._job_options import Options
    from mxfair.training import History

mx: Any = import_mxnet()

__all__ = ["make_report", "prediction_table"]


def make_report(
    options: Options,
    task: Task,
    values: Mapping[str, np.ndarray],
    histories: Mapping[str, History],
    notes: Mapping[str, str],
    explanations: Mapping[str, Any],
) -> report.FairnessReport:
    """Return the report of the test rows; `values` are scores or, of a regression, predictions by model.

    `explanations` are the nets' decomposed gaps, by title.
    """
    return report.FairnessReport(
        [_evaluation(task, name, found) for name, found in values.items()],
        title=f"{task.name}: {task.label} by {task.test.groups.name}",
        criterion=options.criterion,
        histories={TITLES[name]: history.to_frame() for name, history in histories.items()},
        context=_context(options, task, notes),
        explanations=explanations,
    )


def _evaluation(task: Task, name: str, values: np.ndarray) -> Any:
    part = task.test
    if task.regression:
        return report.RegressionEvaluation(TITLES[name], part.labels, values, part.groups)
    single = report.evaluate_predictions(
        part.labels,
        _model_dir.places(values),
        part.groups,
        scores=values,
        name=TITLES[name],
        classes=list(range(len(task.classes))),
        task="classification",
    )
    return single.baseline


def _context(options: Options, task: Task, notes: Mapping[str, str]) -> dict[str, Any]:
    from sklearn import __version__ as sklearn_version

    return {
        "data": task.name,
        "label": _label(task),
        "split": "test",
        "how it was split": task.split,
        "training rows": len(task.train.labels),
        "test rows": len(task.test.labels),
        "excluded columns": ", ".join(options.exclude) or "none",
        "net": options.net_name,
        "optimizer": f"Adam, learning rate {options.learning_rate:g}",
        "epochs": options.epochs,
        "batch size": options.batch_size,
        "FairBatch": f"criterion {options.criterion}, controller {options.controller}",
        **notes,
        "seed": options.seed,
        "versions": f"mxfair {mxfair.__version__}, mxnet {mx.__version__}, numpy {np.__version__}, "
        f"scikit-learn {sklearn_version}, Python {platform.python_version()}",
    }


def _label(task: Task) -> str:
    if task.regression:
        mean, sd = task.scale
        meaning = f"; {task.positive}" if task.positive else ""
        return f"{task.label}{meaning}; standardised while training (mean {mean:.4g}, standard deviation {sd:.4g})"
    if task.positive:
        return f"{task.label}; positive: {task.positive}"
    return f"{task.label}; classes: {', '.join(map(str, task.classes))}"


def prediction_table(task: Task, values: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """Return the test rows with the scores and predictions of every model."""
    import pandas as pd

    part = task.test
    start = pd.DataFrame(
        {
            "row": part.rows,
            "label": part.labels if task.regression else np.array(task.classes, dtype=object)[part.labels],
            "group": np.array(part.groups.names, dtype=object)[part.groups.codes],
        }
    )
    columns = [_model_dir.predictions(found, task.classes, f"{name}_") for name, found in values.items()]
    return pd.concat([start, *columns], axis=1)
