"""Explaining the loss: what each column adds to a sample's error, and where a gap between errors comes from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from mxfair._validation import InputError, generator, labels_vector, numbers, one_of, same_length, to_numpy
from mxfair.explain._methods import attributed, background_rows
from mxfair.explain._model import Explained, explained_model
from mxfair.explain.attribution import Attribution
from mxfair.explain.decomposition import GapDecomposition
from mxfair.explain.gap import gap_decomposition
from mxfair.groups import Groups

__all__ = ["loss_attribution", "loss_gap_decomposition"]

LOSSES = ("log", "squared")
#: Probabilities are kept away from 0 by this much, as scikit-learn's log_loss does: 36 is the largest loss.
_TINY = float(np.finfo(np.float64).eps)


def loss_attribution(
    model: Any,
    X: Any,
    labels: Any,
    background: Any = None,
    *,
    loss: str | None = None,
    method: Any = None,
    columns: Any = None,
    feature_names: Any = None,
    seed: Any = None,
    **options: Any,
) -> Attribution:
    r"""Return what each feature adds to, or takes from, the loss of each sample.

    The label of a sample is held while its features are replaced by the background's. Contributions are linear in what
    is explained. Hence the log loss takes one explanation for each label, of the samples that have it, and the squared
    error :math:`(F - y)^2 = F^2 - 2 y F + y^2` takes two, of :math:`F^2` and of F, about the labels' mean. Of a
    classifier of two classes it is the Brier score: F is the probability of the second, and y is 1 for it.

    Parameters
    ----------
    model : gluon.Block, scikit-learn estimator or callable
    X : array or data frame of shape (n_samples, n_features)
    labels : array of shape (n_samples,)
        Classes of a classifier; 0, 1, ... for a net; numbers for a squared error.
    background : array or data frame, optional
        Default: 100 rows drawn from `X`.
    loss : {"log", "squared"}, optional
        Log loss in nats, or squared error in the squared unit of the labels. Default: by the estimator; to be given for
        a net or a function. A function's probabilities have no log loss here: wrap it as an estimator.
    method, columns, feature_names, seed, **options
        As for `gap_decomposition`. The squared error needs a method that is linear in what it explains, as all of
        `mxfair.explain` are but "deep_shap".

    Returns
    -------
    Attribution
        Its base values differ with the label: the mean loss of the background's rows, had they this label.

    Raises
    ------
    InputError
        If the loss is not known, or labels are not the model's.

    References
    ----------
    Lundberg, Erion, Chen and others, "From local explanations to global understanding with explainable AI for trees",
    Nature Machine Intelligence 2 (2020), section on model monitoring.

    Examples
    --------
    >>> import numpy as np
    >>> from mxfair.explain import Attribution, loss_attribution
    >>> def linear_shap(model, X, background, **keywords):  # exact for x0 and its square alike: there is one feature
    ...     outputs, base = model(X), model(background).mean()
    ...     return Attribution((outputs - base)[:, None], base, outputs, X, "by hand")
    >>> X = np.array([[0.0], [1.0], [2.0]])
    >>> why = loss_attribution(lambda X: X[:, 0], X, [0, 1, 4], X, loss="squared", method=linear_shap)
    >>> why.outputs.round(3).tolist(), why.base_values.round(3).tolist()
    ([0.0, 0.0, 4.0], [1.667, 0.667, 9.667])
    """
    kind = _kind(model, loss)
    if method == "deep_shap":
        raise InputError(
            "'method' must not be 'deep_shap' for a loss: it explains nets only. Use 'expected_gradients'."
        )
    rng = generator(seed)
    X = X if hasattr(X, "iloc") else to_numpy(X)
    chosen = background_rows(X, np.arange(len(X)), rng) if background is None else background
    keywords = {"columns": columns, "feature_names": feature_names, "seed": rng, **options}
    if kind == "squared":
        return _squared(*_numeric(model, labels), X, chosen, method, keywords)
    return _log(model, X, labels_vector(labels), chosen, method, keywords)


def _kind(model: Any, loss: str | None) -> str:
    classes = getattr(model, "classes_", None)
    if loss is None and not hasattr(model, "predict"):
        raise InputError("'loss' must be given for a net or a function; got none. Give 'log' or 'squared'.")
    return one_of(loss or ("squared" if classes is None else "log"), LOSSES, "loss")


def _mapped(model: Explained, name: str, host: Callable[[Any], Any], device: Callable[[Any], Any]) -> Explained:
    """Return a function of the explained number as what is explained; `device` takes NDArrays."""
    read = model.read
    chained = None if read is None else (lambda raw: device(read(raw)))
    return Explained(lambda X: host(model(X)), name, net=model.net, read=chained, takes_frame=model.takes_frame)


def _numeric(model: Any, labels: Any) -> tuple[Explained, np.ndarray]:
    """Return the numbers that a squared error compares: those of a regression, or a probability and 0 or 1."""
    classes = getattr(model, "classes_", None)
    if classes is not None:
        known = np.asarray(classes).tolist()
        if len(known) != 2:
            raise InputError(f"'loss' must be 'log' for a classifier of {len(known)} classes; got 'squared'.")
        labels = labels_vector(labels)
        _check_known(np.unique(labels).tolist(), known)
        return explained_model(model, scale="probability"), (labels == known[1]).astype(np.float64)
    labels = numbers(labels, "labels")
    if not np.isfinite(labels).all():
        raise InputError("'labels' must be finite; some are missing or infinite. Leave these samples out.")
    return explained_model(model), labels


def _check_known(labels: list[Any], classes: list[Any]) -> None:
    strange = [label for label in labels if label not in classes]
    if strange:
        raise InputError(f"'labels' must be the model's classes {classes[:10]}; got {strange[0]!r}.")


def _squared(
    explained: Explained, labels: np.ndarray, X: Any, background: Any, method: Any, keywords: Any
) -> Attribution:
    same_length(X=X, labels=labels)
    middle = float(labels.mean())  # F^2 and 2 y F cancel to fewer digits the further they lie from 0
    centred = _mapped(explained, "output", lambda F: F - middle, lambda F: F - middle)
    square = _mapped(explained, "square", lambda F: (F - middle) ** 2, lambda F: (F - middle) ** 2)
    seeds = np.random.Generator(np.random.PCG64(keywords["seed"].integers(2**63)))
    state = seeds.bit_generator.state
    found = []
    for part in (square, centred):  # the same draws for both
        seeds.bit_generator.state = state
        found.append(attributed(part, X, background, method, {**keywords, "seed": seeds}))
    y = labels - middle
    two, one = found
    return Attribution(
        two.values - 2 * y[:, None] * one.values,
        two.base_values - 2 * y * one.base_values + y**2,
        two.outputs - 2 * y * one.outputs + y**2,
        two.data,
        one.method,
        output_name="squared error",
        columns=one.columns,
    )


def _log(model: Any, X: Any, labels: np.ndarray, background: Any, method: Any, keywords: Any) -> Attribution:
    same_length(X=X, labels=labels)
    classes = getattr(model, "classes_", None)
    present = np.unique(labels).tolist()
    known = _codes(model, X) if classes is None else np.asarray(classes).tolist()
    _check_known(present, known)
    places, found = [], []
    for label in present:
        rows = np.flatnonzero(labels == label)
        part = X.iloc[rows] if hasattr(X, "iloc") else X[rows]
        places.append(rows)
        found.append(attributed(_log_loss(model, known, label), part, background, method, keywords))
    return _together(found, np.argsort(np.concatenate(places)))


def _together(parts: list[Attribution], order: np.ndarray) -> Attribution:
    """Return attributions of parts of the rows as one, in the rows' order."""
    data = [part.data for part in parts]
    if hasattr(data[0], "iloc"):
        import pandas as pd

        rows = pd.concat(data, ignore_index=True).iloc[order].reset_index(drop=True)
    else:
        rows = np.concatenate(data)[order]
    values, base, outputs = (
        np.concatenate([getattr(part, name) for part in parts])[order] for name in ("values", "base_values", "outputs")
    )
    first = parts[0]
    return Attribution(values, base, outputs, rows, first.method, output_name="log loss", columns=first.columns)


def _codes(model: Any, X: Any) -> list[int]:
    """Return the numbers of the classes of a net."""
    if not hasattr(model, "collect_params"):
        raise InputError("'model' must be a classifier or a net for the log loss; got a function. Wrap it.")
    from mxfair._inference import PredictGraph
    from mxfair.explain._net import net_input, net_outputs

    (raw,) = net_outputs(model, net_input(model, X[:1]), PredictGraph(model))
    return list(range(max(2, raw.size)))


def _log_loss(model: Any, classes: list[Any], label: Any) -> Explained:
    """Return the log loss of one label as what is explained."""
    if len(classes) == 2 and (hasattr(model, "collect_params") or hasattr(model, "net_")):
        logit = explained_model(model, scale="logit")
        sign = -1.0 if label == classes[1] else 1.0

        def device(F: Any) -> Any:
            F = sign * F  # log(1 + e^F), which does not overflow
            return F.relu() + (-F.abs()).exp().log1p()

        return _mapped(logit, "log loss", lambda F: np.logaddexp(0.0, sign * F), device)
    probability = explained_model(model, output=label, scale="probability")
    return _mapped(
        probability, "log loss", lambda p: -np.log(np.maximum(p, _TINY)), lambda p: -(p.clip(_TINY, 1.0).log())
    )


def loss_gap_decomposition(
    model: Any,
    X: Any,
    labels: Any,
    groups: Any,
    *,
    background: Any = None,
    loss: str | None = None,
    condition: Any = None,
    pair: Any = None,
    method: Any = None,
    columns: Any = None,
    feature_names: Any = None,
    level: float = 0.95,
    min_support: int = 30,
    seed: Any = None,
    **options: Any,
) -> GapDecomposition:
    r"""Return the gap between two groups' mean losses as a sum of what each column contributes to it.

    The row "(labels)" is what labels alone make of it: the difference of the mean losses that the background's rows
    would have, had they the groups' labels. A group with rarer labels has it against itself, whatever its columns are.

    Parameters
    ----------
    model, X, labels, loss, method, columns, feature_names, **options
        As for `loss_attribution`.
    groups : array, data frame, mapping or Groups
        The group of each sample; unknown ones are left out, and counted.
    background : array or data frame, optional
        Default: 100 rows drawn from `X`.
    condition : label, optional
        Compare only samples of this label.
    pair, level, min_support, seed
        As for `gap_decomposition`.

    Returns
    -------
    GapDecomposition

    Raises
    ------
    InputError
        As for `loss_attribution` and `gap_decomposition`.

    Examples
    --------
    >>> import mxfair, numpy as np
    >>> from mxnet import nd
    >>> from mxfair.explain import loss_gap_decomposition
    >>> net = mxfair.net.mlp(2, hidden=())
    >>> net.initialize()
    >>> _ = net(nd.zeros((1, 2)))
    >>> X = np.random.default_rng(0).normal(size=(80, 2)).astype("float32")
    >>> labels, groups = (X[:, 0] > 0).astype(int), ["a", "b"] * 40
    >>> gap = loss_gap_decomposition(net, X, labels, groups, loss="log", seed=0)
    >>> gap.output_name, bool(gap.part.additivity_error < 0.01)
    ('log loss', True)
    """
    given = groups if isinstance(groups, Groups) else Groups(groups)
    same_length(X=X, labels=labels, groups=given)
    why = loss_attribution(
        model,
        X,
        labels,
        background,
        loss=loss,
        method=method,
        columns=columns,
        feature_names=feature_names,
        seed=seed,
        **options,
    )
    asked = {"condition": condition, "pair": pair, "level": level, "min_support": min_support}
    return gap_decomposition(None, X, given, attribution=why, labels=labels, **asked)
