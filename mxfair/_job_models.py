"""The nets of `mxfair train` as what is explained: by the logit of a class, or in the unit of the label."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mxfair import _model_dir
from mxfair._inference import forward, scores
from mxfair._task import Task
from mxfair._validation import InputError, generator, to_numpy
from mxfair.explain._columns import columns_of
from mxfair.explain._methods import background_rows
from mxfair.explain._model import Explained, explained_model
from mxfair.explain._raw_data import raw_data
from mxfair.explain.attribution import Attribution
from mxfair.explain.decomposition import GapDecomposition
from mxfair.explain.gap import gap_decomposition
from mxfair.groups import Groups
from mxfair.report._subject import Subject, renamed

#: Test rows that the report of a training explains.
QUICK_ROWS = 2000

__all__ = ["JobModel", "drivers", "moved_subject", "outputs", "subject"]


def outputs(model: Any, X: np.ndarray, scale: Any) -> np.ndarray:
    """Return scores or, with a scale, predictions in the label's unit."""
    raw = np.concatenate([to_numpy(out) for out in forward(model, X)])
    if scale is None:
        return scores(raw)
    mean, sd = scale
    return raw.reshape(-1).astype(np.float64) * sd + mean


class JobModel:
    """A net as a function of encoded rows, with the names of scikit-learn's methods.

    Parameters
    ----------
    net : gluon.Block
    label : str
        Name of the label.
    classes : sequence
        The classes in the order of the net's outputs; none of a regression.
    scale : tuple of (float, float), optional
        Mean and standard deviation of a regression's label.
    """

    def __init__(self, net: Any, label: str, classes: Sequence[Any], scale: Any = None) -> None:
        self.net, self.label, self.classes, self.scale = net, label, list(classes), scale
        if classes:
            self.classes_ = np.arange(len(classes))
            self.predict_proba = self._probabilities

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Return the place of each row's class, or its predicted number."""
        found = outputs(self.net, X, self.scale)
        return _model_dir.places(found) if self.classes else found

    def _probabilities(self, X: np.ndarray) -> np.ndarray:
        found = outputs(self.net, X, None)
        return np.column_stack([1 - found, found]) if found.ndim == 1 else found

    def explained(self, place: int | None, scale: str) -> Explained:
        """Return the number that is explained: the logit or probability of a class by its place, or the prediction."""
        if place is None:
            return renamed(explained_model(self.net), f"predicted {self.label}", scale=self.scale)
        output = place if len(self.classes) > 2 else None
        found = explained_model(self.net, output=output, scale=scale)
        return renamed(found, f"{scale} of {self.label} = {self.classes[place]}")


def subject(
    name: str, model: JobModel, X: np.ndarray, background: np.ndarray, encoder: Any, place: int | None, scale: str
) -> Subject:
    """Return a net as what a report explains."""
    explained = model.explained(place, scale)
    return Subject(
        name,
        X,
        background,
        encoder,
        None,
        explained=explained,
        curve=explained if place is None else model.explained(place, "probability"),
        scored=model,
        preds=None if place is None else model.predict(X),
    )


def moved_subject(name: str, plain: Subject, step: Any, groups: Groups, known: Attribution) -> Subject:
    """Return what a post-processor makes of a net: the net's own contributions, and what the step adds by the group.

    Parameters
    ----------
    name : str
        Name of the model, and of the column that stands for the step.
    plain : Subject
        The net, a regression.
    step : WassersteinBarycenter
    groups : Groups
        The group of each row.
    known : Attribution
        Of the net.
    """
    own = known.grouped()
    raw: Any = raw_data(known.data, known._tabular())
    while name in own.feature_names:
        name = f"{name}'"
    raw[name] = np.array(groups.names, dtype=object)[groups.codes]
    moved = step.transform(known.outputs, groups)
    columns = columns_of(plain.rows, plain.columns)
    mapping = {column: indices.tolist() for column, indices in zip(columns.names, columns.indices)}
    width = len(columns.feature_names)

    def predict(rows: np.ndarray) -> np.ndarray:
        codes = rows[:, -1].astype(np.int64)
        told = Groups.from_codes(codes, groups.names, name=groups.name)
        return step.transform(plain.scored.predict(rows[:, :-1].astype(np.float32)), told)

    return Subject(
        name,
        raw,
        plain.background,
        None,
        None,
        explained=None,
        curve=None,
        scored=predict,
        known=Attribution(
            np.column_stack([own.values, moved - own.outputs]),
            own.base_values,
            moved,
            raw,
            f"{own.method}, and what {name} adds",
            output_name=own.output_name,
        ),
        scored_rows=np.column_stack([plain.rows, groups.codes]),
        scored_columns={
            "columns": {**mapping, name: [width]},
            "feature_names": [*(f"x{j}" for j in range(width)), name],
        },
    )


def drivers(
    task: Task, models: Mapping[str, Any], encoder: Any, X: np.ndarray, X_test: np.ndarray
) -> dict[str, GapDecomposition]:
    """Return the decomposed gap of each net on some test rows; none of several classes, or where groups are missing.

    Parameters
    ----------
    task : Task
    models : mapping of name to net
    encoder : TabularEncoder
    X, X_test : ndarray of float, shape (n_samples, n_features)
        The training rows, of which the background is drawn, and the test rows.
    """
    if len(task.classes) > 2:
        return {}
    rng, place = generator(0), None if task.regression else 1
    rows = np.sort(rng.choice(len(X_test), min(QUICK_ROWS, len(X_test)), replace=False))
    background = background_rows(X, np.arange(len(X)), rng)
    groups, pair, found = task.test.groups.take(rows), None, {}
    for name, net in models.items():
        model = JobModel(net, task.label, task.classes, task.scale if task.regression else None)
        asked = subject(name, model, X_test[rows], background, encoder, place, "logit")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # the report marks small groups itself
                found[name] = gap_decomposition(
                    asked.explained, asked.rows, groups, background, columns=encoder, pair=pair, preds=asked.preds
                )
        except InputError:  # fewer than two known groups among these rows
            return {}
        pair = (found[name].part.group, found[name].part.against)
    return found
