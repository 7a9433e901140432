"""`explain`: what drives the gap of one or several models, from what `mxfair.explain` measures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from mxfair._validation import InputError, generator, labels_vector, positive_integer, same_length, to_numpy
from mxfair.explain._methods import background_rows
from mxfair.groups import Groups
from mxfair.metric._inputs import task_of
from mxfair.report._explain_models import explained_report
from mxfair.report._explanation import ExplanationReport
from mxfair.report._subject import Question, subject_of

__all__ = ["explain"]


def explain(
    models: Any,
    X: Any,
    labels: Any,
    groups: Any,
    *,
    background: Any = None,
    columns: Any = None,
    feature_names: Any = None,
    data: Any = None,
    task: str | None = None,
    positive: Any = None,
    criterion: str | None = None,
    scale: str | None = None,
    returns: str | None = None,
    method: Any = None,
    pair: Any = None,
    top: int = 4,
    title: str | None = None,
    context: Mapping[str, Any] | None = None,
    seed: int = 0,
    **options: Any,
) -> ExplanationReport:
    """Explain what drives the gap between two groups in one or several models, from all that `mxfair.explain` measures.

    The gap is decomposed by column for each model, compared between models, and seen from the other group's place;
    columns are judged as proxies; their importance for accuracy and gap, curves by group, and contributions stand
    beside it.

    Parameters
    ----------
    models : gluon.Block, scikit-learn estimator or callable, or mapping of name to these
        Of the same rows; the first one is the baseline.
    X : array or data frame of shape (n_samples, n_features)
        Held-out rows, as the models take them. A few thousand are enough.
    labels : array of shape (n_samples,)
        Classes, or numbers of a regression.
    groups : array-like or Groups
        The group of each sample; unknown ones are left out of gaps.
    background : array or data frame, optional
        Rows that contributions are measured against. Default: 100 rows drawn from `X`.
    columns : TabularEncoder or mapping of column to features, optional
        Raw columns. Default: each feature is one.
    feature_names : sequence of str, optional
        Default: those of the data frame or of the encoder, else x0, x1, ...
    data : data frame of shape (n_samples, n_raw_columns), optional
        The rows before encoding, by which proxies are judged. Default: put together again from the features.
    task : {"classification", "regression"}, optional
        Default: what the labels make plain.
    positive : optional
        The class that is explained. Default: the last of two; with more it must be said.
    criterion : str, optional
        Also explain the gap of "equal_opportunity", "predictive_equality" or "equalized_odds", and the importances for
        any criterion's gap.
    scale : {"logit", "probability"}, optional
        What classifiers are explained by; see `mxfair.explain.gap_decomposition`.
    returns : {"decisions", "probability", "logit"}, optional
        What functions return for classes; nets that do not return logits.
    method : str or callable, optional
        As for `mxfair.explain.gap_decomposition`.
    pair : tuple of (str, str), optional
        The groups. Default: those of the first model's largest gap.
    top : int, default=4
        Columns that curves are drawn of.
    title : str, optional
        Heading.
    context : mapping of str to str or number, optional
        Where the numbers come from.
    seed : int, default=0
        Of all random choices.
    **options
        Passed to the method of attribution.

    Returns
    -------
    ExplanationReport

    Raises
    ------
    InputError
        If lengths differ, fewer than two groups have samples, or the positive class must be said.

    Examples
    --------
    >>> import numpy as np
    >>> from mxfair import report
    >>> rng = np.random.default_rng(0)
    >>> groups = rng.integers(0, 2, 400)
    >>> X = np.column_stack([rng.normal(size=400) + groups, rng.normal(size=400)])
    >>> labels = (X.sum(axis=1) + rng.normal(size=400) > 0.5).astype(int)
    >>> found = report.explain(
    ...     lambda X: X.sum(axis=1) - 0.5, X, labels, groups, returns="logit", feature_names=["job", "age"]
    ... )
    >>> found.gaps["model"].part.top(1)
    ['job']
    """
    rows = X if hasattr(X, "iloc") else to_numpy(X)
    own, kind = labels_vector(labels), task_of(labels, task)
    encoded = groups if isinstance(groups, Groups) else Groups(groups)
    same_length(X=rows, labels=own, groups=encoded, data=data)
    classes = [] if kind == "regression" else np.unique(own).tolist()
    question = Question(
        own,
        encoded,
        kind,
        classes,
        positive=_positive(classes, positive),
        criterion=criterion,
        scale=scale,
        returns=returns,
        method=method,
        options=options,
        pair=pair,
        data=data,
        top=positive_integer(top, "top"),
        seed=positive_integer(seed, "seed", minimum=0),
    )
    if background is None:
        background = background_rows(rows, np.arange(len(own)), generator(seed))
    named = models if isinstance(models, Mapping) else {"model": models}
    if not named:
        raise InputError("'models' must hold one model or more; got none. Pass a net.")
    naming = {"columns": columns, "feature_names": feature_names}
    subjects = [subject_of(str(name), model, rows, background, question, **naming) for name, model in named.items()]
    return explained_report(subjects, question, title=title, context=context)


def _positive(classes: list[Any], positive: Any) -> Any:
    if not classes:
        if positive is not None:
            raise InputError(f"'positive' is for classes; got {positive!r} with a regression. Leave it out.")
        return None
    if positive is None:
        if len(classes) != 2:
            raise InputError(f"'positive' must say which class is explained; got none. The classes are {classes[:10]}.")
        return classes[-1]
    if positive not in classes:
        raise InputError(f"'positive' must be one of the classes {classes[:10]}; got {positive!r}.")
    return positive
