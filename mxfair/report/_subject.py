"""What a report explains: a model, with its number per row and its decisions, and what is asked about it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mxfair._validation import InputError, to_numpy
from mxfair.explain._methods import attributed
from mxfair.explain._model import Explained, explained_model
from mxfair.explain._predictions import predictor_of
from mxfair.explain.attribution import Attribution
from mxfair.groups import Groups


@dataclass(frozen=True, eq=False)
class Question:
    """What is asked about the models.

    Parameters
    ----------
    labels : ndarray of shape (n_samples,)
    groups : Groups
    task : {"classification", "regression"}
    classes : list
        All labels there are; none of a regression.
    positive : optional
        The class whose gap is explained.
    criterion : str, optional
        A criterion whose gap is explained beside that of all samples.
    scale, returns, method, options, pair
        As for `explain`.
    data : data frame, optional
        Raw columns.
    top : int
        Columns that curves are drawn of.
    seed : int
    """

    labels: np.ndarray
    groups: Groups
    task: str
    classes: list[Any]
    positive: Any = None
    criterion: str | None = None
    scale: str | None = None
    returns: str | None = None
    method: Any = None
    options: dict[str, Any] = field(default_factory=dict)
    pair: Any = None
    data: Any = None
    top: int = 4
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Subject:
    """A model that is explained.

    Parameters
    ----------
    name : str
    rows, background : array or data frame
        The explained rows, and those that they are compared with.
    columns, feature_names
        As for `mxfair.explain`.
    explained : Explained, optional
        What contributions are to; not needed where they are known.
    curve : Explained, optional
        What is drawn over a column's values; nothing is drawn without.
    scored : net, estimator or callable
        What importances are of, with `returns` as in `permutation_importance`.
    preds : ndarray of shape (n_samples,), optional
        Decisions, in the values of the labels.
    known : Attribution, optional
        Contributions that are known already.
    scored_rows, scored_columns : optional
        Rows and raw columns of `scored`, where they are others.
    """

    name: str
    rows: Any
    background: Any
    columns: Any
    feature_names: Any
    explained: Explained | None
    curve: Explained | None
    scored: Any
    returns: str | None = None
    preds: np.ndarray | None = None
    known: Attribution | None = None
    scored_rows: Any = None
    scored_columns: Any = None

    def attribution(self, method: Any, options: dict[str, Any]) -> Attribution:
        """Return what each feature contributes to each row's number."""
        if self.known is not None:
            return self.known
        return attributed(self.explained, self.rows, self.background, method, {**self.naming, **options})

    @property
    def naming(self) -> dict[str, Any]:
        """Names of the raw columns, as keywords."""
        return {"columns": self.columns, "feature_names": self.feature_names}


def subject_of(name: str, model: Any, rows: Any, background: Any, question: Question, **naming: Any) -> Subject:
    """Return a net, an estimator or a function as what is explained.

    Parameters
    ----------
    name : str
    model : gluon.Block, scikit-learn estimator or callable
    rows, background : array or data frame
    question : Question
        Labels, positive class, scale and what a function returns.
    **naming
        ``columns`` and ``feature_names``.
    """
    regression = question.task == "regression"
    explained = _explained(model, question, None if regression else question.scale)
    classes = getattr(model, "classes_", None)
    of_scale = not regression and (classes is not None or explained.net is not None)
    curve = _explained(model, question, "probability") if of_scale else explained
    predictor = predictor_of(model, question.labels, task=question.task, returns=question.returns)
    found = None if regression else predictor(iter([(rows, question.groups)]), len(rows)).preds
    own = question.returns if classes is None and not hasattr(model, "predict") else None
    return Subject(
        name, rows, background, explained=explained, curve=curve, scored=model, returns=own, preds=found, **naming
    )


def _explained(model: Any, question: Question, scale: str | None) -> Explained:
    """Return the number that says how far a model goes for the positive class, or its prediction."""
    if question.task == "regression":
        return explained_model(model)
    if getattr(model, "classes_", None) is not None:
        return explained_model(model, output=question.positive, scale=scale)
    classes = question.classes
    place = classes.index(question.positive)
    if not hasattr(model, "collect_params"):
        return explained_model(model, output=place if len(classes) > 2 else None)
    found = explained_model(model, output=place if len(classes) > 2 else None, scale=scale)
    if len(classes) == 2 and place == 0:
        raise InputError(
            f"'positive' must be the second of two classes for a net, {classes[1]!r}; got {question.positive!r}. "
            "A net's logit is that of the second one."
        )
    return renamed(found, f"{scale or 'logit'} of {question.positive}")


def renamed(explained: Explained, name: str, *, scale: tuple[float, float] | None = None) -> Explained:
    """Return what is explained under another name, and perhaps in another unit: `scale` is (added, times)."""
    mean, sd = scale or (0.0, 1.0)
    read = explained.read
    if scale is None or read is None:
        moved = read
    else:

        def moved(raw: Any) -> Any:
            return read(raw) * sd + mean

    return Explained(
        lambda X: to_numpy(explained(X)) * sd + mean,
        name,
        net=explained.net,
        read=moved,
        takes_frame=explained.takes_frame,
    )
