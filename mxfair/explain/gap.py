"""Where a gap between groups comes from: the gap as a sum over columns, and one group seen from another's place."""

from __future__ import annotations

from typing import Any

import numpy as np

from mxfair._validation import InputError, generator, labels_vector, positive_integer, same_length, to_numpy
from mxfair.explain._columns import columns_of
from mxfair.explain._gap_numbers import REST, Question, decompose, rows_of
from mxfair.explain._methods import attributed, background_rows
from mxfair.explain.attribution import Attribution
from mxfair.explain.decomposition import GapDecomposition
from mxfair.groups import Groups
from mxfair.uncertainty import check_level

__all__ = ["contrast", "gap_decomposition"]


def gap_decomposition(
    model: Any,
    X: Any,
    groups: Any,
    background: Any = None,
    *,
    labels: Any = None,
    condition: Any = None,
    criterion: str | None = None,
    pair: Any = None,
    columns: Any = None,
    feature_names: Any = None,
    output: Any = None,
    scale: str | None = None,
    method: Any = None,
    attribution: Attribution | None = None,
    preds: Any = None,
    level: float = 0.95,
    min_support: int = 30,
    seed: Any = None,
    **options: Any,
) -> GapDecomposition:
    r"""Return a gap between groups as a sum of what each column contributes to it.

    .. math:: E[F|a] - E[F|b] = \sum_j (E[\phi_j|a] - E[\phi_j|b]) + remainder

    where :math:`\phi_j` is what column j contributes to the output F of a sample, against the same background for all.

    Parameters
    ----------
    model : gluon.Block, scikit-learn estimator or callable
        As for `expected_gradients`; not used where an attribution is given.
    X : array or data frame of shape (n_samples, n_features)
    groups : array, data frame, mapping or Groups
        The group of each sample; unknown ones are left out, and counted.
    background : array or data frame, or str, optional
        Rows that contributions are measured against; the name of a group draws 100 rows of it (a contrast: what moves
        the others away from that group). Default: 100 rows drawn from `X`. The gap is the same with any of them, its
        parts are not.
    labels : array of shape (n_samples,), optional
        For gaps conditional on the label.
    condition : label, optional
        Compare only samples of this label.
    criterion : {"demographic_parity", "equal_opportunity", "predictive_equality", "equalized_odds"}, optional
        The conditions by the name of the criterion whose gap they are: all samples, those of the positive label, those
        of the others, both. Default: all samples.
    pair : tuple of (str, str), or "rest", optional
        The groups: the first minus the second, which may be "rest". "rest" compares each group with all others.
        Default: the two groups of the largest gap among those with `min_support` samples; with more than two groups its
        interval does not tell of the choice.
    columns : TabularEncoder or mapping of column to features, optional
        Raw columns: features of one column are summed. Default: those of the attribution, else each feature is one.
    feature_names : sequence of str, optional
        Default: those of the data frame or of the encoder, else x0, x1, ...
    output : optional
        As for `expected_gradients`: a class or an index, which is also the positive label.
    scale : {"logit", "probability"}, optional
        As for `expected_gradients`. The gap of mean probabilities is nearer to that of selection rates.
    method : str or callable, optional
        Name of the function in `mxfair.explain` that attributes, or one of (model, X, background) and keywords that
        returns an `Attribution`. Default: "expected_gradients" of nets, "permutation_shap" of what has no gradient.
    attribution : Attribution, optional
        Contributions that are known already, of the same samples.
    preds : array of shape (n_samples,), optional
        Decisions: those for the class `output`, else for the second of a classifier's two, else those of 1 count as
        selected. Default: the model's own, where it is a classifier.
    level : float, default=0.95
        Confidence level.
    min_support : int, default=30
        Groups with fewer samples are not chosen, and warned of where they are asked for.
    seed : int, Generator or None, default=None
        Where drawn background rows, and the draws of methods other than expected gradients, come from.
    **options
        Passed to the method.

    Returns
    -------
    GapDecomposition

    Raises
    ------
    InputError
        If fewer than two known groups have samples, labels are missing for a condition, or lengths differ.

    Warns
    -----
    UserWarning
        If a group has few samples, or the contributions miss more than a twentieth of the gap.

    Notes
    -----
    Standard errors :math:`\sqrt{s_a^2/n_a + s_b^2/n_b}` tell how the figures would move with other samples of the same
    groups, for this model and this background; intervals are Student's. They do not tell how a model trained anew would
    move. A gap between mean outputs is not the gap between decisions, which stands beside it (``rate_gap``): groups
    with equal means may differ in who crosses the threshold.

    References
    ----------
    Lundberg, "Explaining quantitative measures of fairness", Fair and Responsible AI Workshop at CHI 2020.

    Examples
    --------
    >>> import numpy as np
    >>> from mxfair.explain import Attribution, gap_decomposition
    >>> X = np.array([[2.0, 1.0], [4.0, 1.0], [0.0, 1.0], [2.0, 3.0]])
    >>> weights = np.array([1.0, -0.5])  # a linear model: contributions are w (x - mean)
    >>> known = Attribution((X - X.mean(0)) * weights, X.mean(0) @ weights, X @ weights, X, "by hand")
    >>> gap = gap_decomposition(None, X, ["a", "a", "b", "b"], attribution=known, min_support=2)
    >>> gap.part.to_frame()["contribution"].to_dict()
    {'x0': 2.0, 'x1': 0.5, '(remainder)': 0.0, '(gap)': 2.5}
    """
    X = X if hasattr(X, "iloc") or attribution is not None else to_numpy(X)
    groups = groups if isinstance(groups, Groups) else Groups(groups)
    rows = X if attribution is None else attribution.outputs
    same_length(X=rows, groups=groups, preds=preds)
    question = Question(
        labels, condition, criterion, output, pair, positive_integer(min_support, "min_support"), check_level(level)
    )
    question.masks(len(groups))  # what cannot be asked is told before any work
    regroup = attribution is not None and columns is not None and not _is_raw(attribution, X, columns, feature_names)
    if attribution is None:
        rng = generator(seed)
        chosen = _background(X, groups, background, rng)
        given = {"output": output, "scale": scale, "columns": columns, "feature_names": feature_names, "seed": rng}
        attribution = attributed(model, X, chosen, method, {**given, **options})
    owners = attribution._tabular()
    if regroup:
        names = attribution.feature_names if feature_names is None else feature_names
        owners = columns_of(attribution.data, columns, names)
    decided = _decisions(model, X, preds, output)
    return decompose(attribution, owners, groups, question, decided)


def _is_raw(attribution: Attribution, X: Any, columns: Any, feature_names: Any) -> bool:
    """Return whether contributions are those of the raw columns of X already, as some methods give them."""
    if np.ndim(X) != 2:
        raise InputError("'X' must be the table that was explained, for columns=; got no table. Pass it.")
    if feature_names is None and np.shape(X) == attribution.values.shape:
        feature_names = attribution.feature_names
    return list(columns_of(X, columns, feature_names).names) == attribution.feature_names


def _background(X: Any, groups: Groups, background: Any, rng: np.random.Generator) -> Any:
    """Return the background rows: as given, of a group, or of all."""
    if background is not None and not isinstance(background, str):
        return background
    rows = np.ones(len(groups), dtype=bool)
    if background is not None:
        rows, _ = _sides(groups, background, REST)
    return background_rows(X, np.flatnonzero(rows), rng)


def _sides(groups: Groups, of: str, against: str) -> tuple[np.ndarray, np.ndarray]:
    known = [name for name, ok in zip(groups.names, groups.known) if ok]
    for name in (of, against):
        if name not in (*known, REST):
            raise InputError(f"Groups must be among {', '.join(known)}; got {name!r}.")
    return rows_of(groups, of, against, np.ones(len(groups), dtype=bool))


def _decisions(model: Any, X: Any, preds: Any, output: Any) -> np.ndarray | None:
    """Return 1 for each sample that is selected; None where nothing decides."""
    classes = getattr(model, "classes_", None)
    if preds is None:
        if classes is None or not hasattr(model, "predict"):
            return None
        preds = model.predict(X)
    preds = labels_vector(preds, "preds")
    positive = np.asarray(classes)[1] if output is None and classes is not None and len(classes) == 2 else output
    if positive is None:
        found = np.unique(preds).tolist()
        if not (set(found) <= {0, 1} or set(found) <= {-1, 1}):
            raise InputError(
                f"'preds' must be 0 and 1 where it is not known which decision selects; got {found[:10]}. Pass "
                "preds == the decision that does."
            )
        positive = 1
    return (preds == positive).astype(np.float64)


def contrast(
    model: Any,
    X: Any,
    groups: Any,
    *,
    of: str,
    against: str,
    method: Any = None,
    output: Any = None,
    scale: str | None = None,
    columns: Any = None,
    feature_names: Any = None,
    n_background: int = 100,
    seed: Any = None,
    **options: Any,
) -> Attribution:
    r"""Return, for each sample of a group, what sets its output apart from another group's.

    The background is drawn from the other group, so that the contributions to a sample sum to
    :math:`F(x) - E[F|against]`: what its columns do compared with the columns of that group's members.

    Parameters
    ----------
    model, X, groups, method, output, scale, columns, feature_names, seed, **options
        As for `gap_decomposition`.
    of : str
        The group whose samples are explained.
    against : str
        The group that the background is drawn from; "rest" is all other known groups.
    n_background : int, default=100
        Background rows.

    Returns
    -------
    Attribution
        Of the samples of `of`, in their order.

    Raises
    ------
    InputError
        If a group is not known, or has no samples.

    Notes
    -----
    The other group's mean is that of the drawn rows. For the gap between the two groups use ``gap_decomposition(...,
    background=against)``, in which the draw cancels. A contrast is no counterfactual: it does not say how the sample
    would be treated as a member of the other group, whose members' columns differ for reasons unknown to the model.

    Examples
    --------
    >>> import mxfair, numpy as np
    >>> from mxnet import nd
    >>> from mxfair.explain import contrast
    >>> net = mxfair.net.mlp(2, hidden=())
    >>> net.initialize()
    >>> _ = net(nd.zeros((1, 2)))
    >>> X = np.random.default_rng(0).normal(size=(60, 2)).astype("float32")
    >>> why = contrast(net, X, ["a"] * 20 + ["b"] * 40, of="a", against="b", n_background=40, seed=0)
    >>> why.values.shape, bool(why.additivity_error < 1e-5)
    ((20, 2), True)
    """
    X = X if hasattr(X, "iloc") else to_numpy(X)
    groups = groups if isinstance(groups, Groups) else Groups(groups)
    same_length(X=X, groups=groups)
    if of == REST and REST not in groups.names:
        raise InputError("'of' must be a group; got 'rest'.")
    first, second = _sides(groups, of, against)
    if not first.any() or not second.any():
        raise InputError(f"Groups must have samples to be contrasted; {of!r} or {against!r} has none.")
    rng = generator(seed)
    rows = np.flatnonzero(first)
    chosen = background_rows(X, np.flatnonzero(second), rng, positive_integer(n_background, "n_background"))
    given = {"output": output, "scale": scale, "columns": columns, "feature_names": feature_names, "seed": rng}
    explained = X.iloc[rows] if hasattr(X, "iloc") else X[rows]
    return attributed(model, explained, chosen, method, {**given, **options})
