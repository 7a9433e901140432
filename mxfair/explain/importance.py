"""Permutation importance: what scores, losses and gaps between groups owe to a column."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mxfair._validation import InputError, generator, labels_vector, numbers, one_of, positive_integer, same_length
from mxfair.confusion import GroupConfusion
from mxfair.explain._columns import columns_of
from mxfair.explain._figures import figures_of, named_metrics, needs_scores
from mxfair.explain._measures import Measure, Measured, Samples
from mxfair.explain._permuting import PermutedRows, permutations
from mxfair.explain._predictions import Predictions, Predictor, as_rows, predictor_of
from mxfair.explain._row_draws import RowDraws
from mxfair.groups import Groups
from mxfair.metric.intervals import MAX_UNDEFINED
from mxfair.rate import class_index
from mxfair.uncertainty import bias_corrected_interval, check_level

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

__all__ = ["Importance", "permutation_importance"]

#: The name of all rows, beside those of groups.
ALL = "all"
_COLUMNS = ["importance", "low", "high", "std", "repeats_low", "repeats_high", "baseline", "permuted"]


class Importance:
    """Importance of each column for each figure; `permutation_importance` returns it.

    Parameters
    ----------
    table : pandas.DataFrame
        Index (metric, group, column), columns as in `to_frame`.
    repeats : mapping of str to ndarray of shape (n_groups + 1, n_columns, n_repeats)
        Importance in each repeat, by metric; all rows first. A gap has all rows only.
    notes : mapping of str to str
        What the importance of each metric is.
    level : float
        Level of the intervals.

    Examples
    --------
    >>> import numpy as np
    >>> from mxfair.explain import permutation_importance
    >>> X = np.random.default_rng(0).normal(size=(500, 2))
    >>> labels = (X[:, 0] > 0).astype(int)
    >>> importance = permutation_importance(lambda X: X[:, 0], X, labels, returns="logit", seed=0)
    >>> importance["accuracy"]["importance"].round(1).to_dict()
    {'x0': 0.5, 'x1': 0.0}
    """

    def __init__(
        self, table: pd.DataFrame, repeats: dict[str, np.ndarray], notes: dict[str, str], level: float
    ) -> None:
        self.table, self.repeats, self.notes, self.level = table, repeats, notes, level

    @property
    def metrics(self) -> list[str]:
        """Names of the figures."""
        return list(self.notes)

    @property
    def columns(self) -> list[str]:
        """Names of the columns, as they stand in the data."""
        return list(self.table.index.unique("column"))

    @property
    def groups(self) -> list[str]:
        """Names of all rows, "all", and of the groups where they were asked for."""
        return list(self.table.index.unique("group"))

    def to_frame(self, metric: str | None = None, *, group: str = ALL, sort: bool = True) -> pd.DataFrame:
        """Return the importances as a table.

        Parameters
        ----------
        metric : str, optional
            One of the metrics. Default: all, in a table with the index (metric, group, column).
        group : str, default="all"
            Whose rows, with a metric.
        sort : bool, default=True
            Whether the most important column of each metric and group comes first.

        Returns
        -------
        pandas.DataFrame
            Columns importance (mean over the repeats), low and high (interval over the rows), std (between repeats),
            repeats_low and repeats_high (interval of the mean over the repeats), baseline and permuted (the figure
            itself before and after).

        Raises
        ------
        InputError
            If there is no such metric or group.
        """
        table = self.table
        if metric is not None:
            one_of(metric, self.metrics, "metric")
            table = table.xs(metric, level="metric")
            table = table.xs(one_of(group, list(table.index.unique("group")), "group"), level="group")
            return table.sort_values("importance", ascending=False, kind="stable") if sort else table
        if not sort:
            return table
        keys = {key: place for place, key in enumerate(dict.fromkeys(zip(*map(table.index.get_level_values, (0, 1)))))}
        blocks = [keys[key] for key in zip(*map(table.index.get_level_values, (0, 1)))]
        return table.iloc[np.lexsort((-table["importance"].to_numpy(), blocks))]

    def __getitem__(self, metric: str) -> pd.DataFrame:
        return self.to_frame(metric)

    def plot(self, **kwargs: Any) -> Figure:
        """Plot the importances; see `mxfair.explain.plots.importance`.

        Parameters
        ----------
        **kwargs
            As for `mxfair.explain.plots.importance`.

        Returns
        -------
        matplotlib.figure.Figure
        """
        from mxfair.explain import plots

        return plots.importance(self, **kwargs)

    def __repr__(self) -> str:
        lines = []
        for metric in self.metrics:
            frame = self.to_frame(metric)
            shown = [f"{column} {row.importance:.3g}" for column, row in frame.head(3).iterrows()]
            lines.append(f"{metric} {frame['baseline'].iloc[0]:.3g}: {', '.join(shown)}")
        return f"Importance({'; '.join(lines)})"


def permutation_importance(
    model: Any,
    X: Any,
    labels: Any,
    groups: Any = None,
    *,
    metric: Any = None,
    columns: Any = None,
    feature_names: Any = None,
    n_repeats: int = 10,
    within: Any = None,
    by_group: bool = False,
    n_bootstrap: int = 200,
    level: float = 0.95,
    returns: str | None = None,
    task: str | None = None,
    positive: Any = None,
    seed: Any = None,
) -> Importance:
    r"""Return what scores, losses and gaps between groups owe to each column of the data.

    A column's values are dealt out anew among the rows, and the figure is computed again. For a figure s,

    .. math:: I_j = s - \frac{1}{R} \sum_{r=1}^R s_{r,j}

    with s as it is and :math:`s_{r,j}` after the r-th permutation of column j. For a loss or a rate of errors it is the
    other way round, what the loss rises by. So it is large and positive for a column that the model works by, and for a
    gap large and positive for a column that carries the gap; negative for one that counteracts it.

    Parameters
    ----------
    model : gluon.Block, scikit-learn estimator or pipeline, or callable
        A function takes rows; `returns` says what it gives.
    X : array or data frame of shape (n_samples, n_features)
        What the model takes: held-out rows, rather than those of the training.
    labels : array of shape (n_samples,)
        True classes, or numbers for a regression.
    groups : array of shape (n_samples,), column, columns or Groups, optional
        Sensitive attribute of each sample, for gaps and for `by_group`.
    metric : str, Criterion, Rate, callable, list of these, or mapping of names to them, optional
        Of classes: a rate ("accuracy", "true_positive_rate", ...), "roc_auc", "log_loss", "brier_score"; a criterion's
        gap ("demographic_parity", "equalized_odds", ...), "ks_distance" and "wasserstein_distance" of the scores
        between groups, "bounded_group_loss" (largest minus smallest log loss of a group). Of numbers: a figure such as
        "r2_score", "mean_squared_error", "mean_prediction"; "ks_distance", "wasserstein_distance",
        "bounded_group_loss" (of squared errors). "_difference" behind any figure makes it the largest difference
        between groups, as in "mean_prediction_difference". A function's parameters are named after what they take:
        labels (y_true), preds (y_pred), scores (y_score), groups. Default: accuracy, or R squared, and with groups
        demographic parity, or the KS distance.
    columns : TabularEncoder or mapping of column to features, optional
        Raw columns: their features are permuted together. Default: each feature is a column.
    feature_names : sequence of str, optional
        Default: those of the data frame or the encoder.
    n_repeats : int, default=10
        Permutations, the same ones for each column.
    within : {"groups", "labels"}, array, column or Groups, optional
        Deal values out only among rows of the same group, label or stratum. Within groups a column keeps its
        distribution in each group and loses what it says of the person beyond; within labels it keeps what it says of
        the label, and loses what it says of the group among people of one label. Default: among all rows.
    by_group : bool, default=False
        Whether to give scores and losses for the rows of each group too. Values are dealt out among all rows all the
        same, unless `within` says otherwise.
    n_bootstrap : int, default=200
        Resamples of the rows for `low` and `high`; 0 for none.
    level : float, default=0.95
        Confidence level of the intervals.
    returns : {"decisions", "probability", "logit"}, optional
        What a function returns for classes, or a net that does not return logits.
    task : {"classification", "regression"}, optional
        Default: what an estimator is, else what the labels make plain.
    positive : optional
        The class that counts as positive. Default: the last of two classes.
    seed : int or numpy.random.Generator, optional
        Default: fresh entropy.

    Returns
    -------
    Importance
        With two intervals. `low` to `high` is over the rows: what other rows of the same population would have given,
        by a bootstrap of rows in which a row keeps its predictions. `repeats_low` to `repeats_high` is over the
        permutations alone (Student's t): what more repeats would change. A function has the second only.

    Raises
    ------
    InputError
        If lengths differ, a metric is not known, or it is not clear what the model returns.

    Notes
    -----
    A column that the model could replace by others gets little credit: of two copies each may seem unimportant. And
    permuted rows may be people who do not exist, on whom the model was never trained. Importances of columns do not sum
    to the figure; for a gap that is split up exactly see the decomposition of gaps.

    All permutations of a column are predicted in pieces of at most 65,536 rows. What grows with the number of rows is
    their predictions, and a byte for each row and resample. Decisions are counted by group and label, and a resample
    only moves the rows that are decided otherwise. The interval of a ROC curve's area or a distance comes from scores
    in 512 bins; the figure itself is exact.

    References
    ----------
    Breiman, Random forests, Machine Learning 45 (2001), section 10. Fisher, Rudin, Dominici: All models are wrong, but
    many are useful, JMLR 20 (2019), equation 3.

    Examples
    --------
    >>> import numpy as np
    >>> from mxfair.explain import permutation_importance
    >>> rng = np.random.default_rng(0)
    >>> groups = rng.integers(0, 2, 1000)
    >>> X = np.column_stack([rng.normal(size=1000), rng.normal(size=1000) + groups])
    >>> labels = (X.sum(axis=1) + rng.normal(size=1000) > 0.5).astype(int)
    >>> importance = permutation_importance(lambda X: X.sum(axis=1) - 0.5, X, labels, groups, returns="logit", seed=0)
    >>> importance["demographic_parity"]["importance"].round(2).to_dict()
    {'x1': 0.26, 'x0': 0.02}
    """
    X, rng = as_rows(X), generator(seed)
    check_level(level)
    positive_integer(n_repeats, "n_repeats", hint="Draw 5 to 30")
    raw = columns_of(X, columns, feature_names)
    labels = labels_vector(labels)
    given = None if groups is None else groups if isinstance(groups, Groups) else Groups(groups)
    same_length(X=X, labels=labels, groups=given)
    if by_group and given is None:
        raise InputError("'groups' must be given for by_group=True; got none.")
    predictor = predictor_of(model, labels, task=task, returns=returns)
    named = named_metrics(metric, predictor.task, given is not None)
    if needs_scores(named, predictor.task):
        predictor = predictor_of(model, labels, task=task, returns=returns, needs_scores=predictor.probabilistic)
    strata = _strata(within, labels, given, predictor.task)
    taken = permutations(len(X), n_repeats, rng, strata)
    draws = RowDraws(len(X), _resamples(n_bootstrap), rng) if n_bootstrap else None
    rows = PermutedRows(X, taken, given if predictor.takes_groups else None)
    baseline = rows.baseline(predictor)
    samples = _samples(labels, given, baseline, predictor, positive, draws)
    measures = figures_of(named, samples, baseline, given is not None)
    before = [measure.measured(samples, baseline, baseline) for measure in measures]
    after: list[list[Measured]] = [[] for _ in measures]
    for features in raw.indices:
        predictions = rows.predictions(predictor, features)
        for measure, column in zip(measures, after):
            column.append(measure.measured(samples, predictions, baseline))
    return _importance(measures, before, after, raw.names, _shown(samples, by_group), level)


def _resamples(n_bootstrap: int) -> int:
    return positive_integer(
        n_bootstrap, "n_bootstrap", minimum=20, hint="Draw 200, or 0 for no intervals over the rows"
    )


def _strata(within: Any, labels: np.ndarray, groups: Groups | None, task: str) -> np.ndarray | None:
    """Return the code of the stratum that each row's values stay in."""
    if within is None:
        return None
    if isinstance(within, str):
        if one_of(within, ("groups", "labels"), "within") == "groups":
            if groups is None:
                raise InputError("'groups' must be given for within='groups'; got none.")
            return groups.codes
        if task == "regression":
            raise InputError(
                "'within' must be strata for a regression; got 'labels', which are numbers. Pass bins: "
                "within=mxfair.Groups.binned(labels, 10)."
            )
        return np.unique(labels, return_inverse=True)[1]
    strata = within if isinstance(within, Groups) else Groups(within)
    same_length(labels=labels, within=strata)
    return strata.codes


def _samples(
    labels: np.ndarray,
    groups: Groups | None,
    baseline: Predictions,
    predictor: Predictor,
    positive: Any,
    draws: RowDraws | None,
) -> Samples:
    encoded = Groups.from_codes(np.zeros(len(labels), dtype=np.int64), [ALL]) if groups is None else groups
    if predictor.task == "regression":
        values = numbers(labels, "labels")
        if not np.isfinite(values).all():
            raise InputError("'labels' must be finite for a regression; got NaN or infinity. Remove these rows.")
        return Samples(values, encoded, None, 0, draws)
    table = GroupConfusion.of(labels, baseline.preds[0], encoded, classes=predictor.classes)
    return Samples(labels, encoded, table, class_index(table.classes, positive), draws)


def _shown(samples: Samples, by_group: bool) -> list[tuple[str, int]]:
    """Return the names of the rows of a table and their places among values: all rows first."""
    groups = list(enumerate(samples.groups.names)) if by_group else []
    return [(ALL, -1)] + [(name, place) for place, name in groups]


def _importance(
    measures: list[Measure],
    before: list[Measured],
    after: list[list[Measured]],
    columns: tuple[str, ...],
    shown: list[tuple[str, int]],
    level: float,
) -> Importance:
    import pandas as pd

    index, rows, repeats = [], [], {}
    for measure, base, permuted in zip(measures, before, after):
        places = shown[:1] if measure.gap else shown
        sign = -1.0 if measure.lower_is_better and not measure.gap else 1.0
        every = np.stack([sign * (base.values - one.values) for one in permuted])  # (n_columns, n_repeats, n_places)
        repeats[measure.name] = np.stack([every[:, :, place] for _, place in places])
        for name, place in places:
            for k, column in enumerate(columns):
                index.append((measure.name, name, column))
                rows.append(_row(every[k, :, place], base, permuted[k], place, sign, level))
    table = pd.DataFrame(
        rows, columns=_COLUMNS, index=pd.MultiIndex.from_tuples(index, names=["metric", "group", "column"])
    )
    return Importance(table, repeats, {measure.name: _note(measure) for measure in measures}, level)


def _note(measure: Measure) -> str:
    if measure.gap:
        return "what the gap falls by"
    return "what it rises by" if measure.lower_is_better else "what it falls by"


def _row(every: np.ndarray, base: Measured, permuted: Measured, place: int, sign: float, level: float) -> list[float]:
    """Return the columns of a table for one figure, group and column."""
    from scipy.stats import t

    mean, n = float(every.mean()), len(every)
    std = float(every.std(ddof=1)) if n > 1 else float("nan")
    half = float(t.ppf((1 + level) / 2, n - 1)) * std / np.sqrt(n) if n > 1 else float("nan")
    low = high = float("nan")
    if base.drawn is not None and permuted.drawn is not None:
        drawn = sign * (base.drawn[:, place] - permuted.drawn[:, place])
        if np.isnan(drawn).mean() <= MAX_UNDEFINED and not np.isnan(mean):
            low, high = (float(bound) for bound in bias_corrected_interval(drawn, np.asarray(mean), level=level))
    after = float(permuted.values[:, place].mean())
    return [mean, low, high, std, mean - half, mean + half, float(base.values[0, place]), after]
