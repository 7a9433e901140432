"""Proxies: which columns reveal the group, and a step that leaves them out."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from mxfair._validation import InputError, InputTypeError, generator, one_of, positive_integer, same_length, to_numpy
from mxfair.groups import Groups
from mxfair.preprocessing import _association as association
from mxfair.preprocessing._base import SensitiveStep
from mxfair.preprocessing._matrix import feature_names, is_frame

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ProxyReport", "ProxySuppressor", "proxy_report"]

#: What a column can be judged by; the last two need cross-validation.
_MEASURES = ("cramers_v", "mutual_information", "auc", "balanced_accuracy")


#: What a report shows of itself; `columns` holds more.
_SHOWN = ("kind", "auc", "auc_floor", "cramers_v", "cramers_v_floor", "p_value")


class ProxyReport:
    """What `proxy_report` found: a table of columns, and what all of them together reveal.

    Parameters
    ----------
    columns : pandas.DataFrame
        A row per column of X, the strongest proxy first.
    overall : dict of str to float
        The same figures for a classifier that sees all columns; empty without cross-validation.
    group_names : list of str
        The groups that were told apart.
    n_samples : int
        Number of samples of known group.
    unknown : int
        Number of samples of unknown group, which were left out.

    Examples
    --------
    >>> import numpy as np
    >>> from mxfair.preprocessing import proxy_report
    >>> group = np.arange(400) % 2
    >>> X = np.random.default_rng(0).normal(0, 1, (400, 2)) + [[2, 0]] * group[:, None]
    >>> report = proxy_report(X, group)
    >>> report.columns["auc"].round(1).to_dict()
    {'x0': 0.9, 'x1': 0.5}
    """

    def __init__(
        self,
        columns: pd.DataFrame,
        overall: dict[str, float],
        group_names: list[str],
        n_samples: int,
        unknown: int,
    ) -> None:
        self.columns = columns
        self.overall = overall
        self.group_names = group_names
        self.n_samples = n_samples
        self.unknown = unknown

    @property
    def proxies(self) -> list[str]:
        """The columns that reveal more of the group than chance does, the strongest first."""
        by = "auc" if "auc" in self.columns else "cramers_v"
        above = self.columns[by] > self.columns[f"{by}_floor"]
        return list(self.columns.index[above])

    def __repr__(self) -> str:
        left_out = f", {self.unknown:,} of unknown group left out" if self.unknown else ""
        head = f"{self.n_samples:,} samples of {', '.join(self.group_names)}{left_out}"
        whole = ""
        if self.overall:
            whole = f"\nall columns: auc {self.overall['auc']:.3f} (chance up to {self.overall['auc_floor']:.3f})"
        shown = [name for name in _SHOWN if name in self.columns]
        return f"ProxyReport({head})\n{self.columns[shown].round(3).to_string()}{whole}"


def proxy_report(
    X: Any,
    groups: Any,
    *,
    cv: int | None = 5,
    permutations: int = 199,
    classifier: Any = None,
    max_rows: int | None = 20_000,
    seed: Any = 0,
) -> ProxyReport:
    """Tell which columns reveal the group: how strongly each is associated with it, and how well it predicts it.

    Parameters
    ----------
    X : array or data frame of shape (n_samples, n_features)
        Numbers, or raw columns of texts and categories: one column per attribute shows more than its indicators do.
        A missing value is a level of its own. Leave the sensitive columns out.
    groups : array, data frame, mapping or Groups
        The group of each sample; unknown ones are left out.
    cv : int or None, default=5
        Folds of the cross-validated predictions; None leaves them out, which is fast.
    permutations : int, default=199
        Random pairings of groups and columns, for the floors: chance exceeds them once in twenty times.
    classifier : scikit-learn classifier, optional
        Gives probabilities of the groups, from a matrix in which categories are codes and a missing number lies below
        all others. Leave its class weights alone: the balanced accuracy takes the groups' sizes into account. Default:
        a small decision tree for a single column, gradient boosting for all columns together.
    max_rows : int or None, default=20_000
        Rows drawn for the cross-validated predictions; None takes all.
    seed : int, Generator or None, default=0
        Where pairings, folds and drawn rows come from.

    Returns
    -------
    ProxyReport
        ``columns`` has, by column: ``cramers_v`` of the group and the column (ten quantile bins of a number), corrected
        for the bias of many levels; ``mutual_information`` of the two as part of the group's entropy, not corrected;
        both from 0 to 1 whatever the type of the column; ``p_value`` of no association; ``auc`` (one group against the
        rest, in the mean) and ``balanced_accuracy`` of predicting the group from this column alone on rows that the
        classifier has not seen.
        Names that end in ``_floor`` are what chance reaches.

    Raises
    ------
    InputError
        If there are not two known groups, lengths differ, or a group has fewer samples than folds.

    Notes
    -----
    Columns that reveal little each may reveal the group together: see ``overall``. A high figure does not say that a
    column must go, only that leaving the sensitive column out is not enough.

    References
    ----------
    Feldman, Friedler, Moeller, Scheidegger and Venkatasubramanian, "Certifying and removing disparate impact", KDD
    2015, section 4 (the balanced error rate of predicting the group); Bergsma, "A bias-correction for Cramer's V and
    Tschuprow's T", Journal of the Korean Statistical Society 42 (2013).

    Examples
    --------
    >>> import pandas as pd
    >>> from mxfair.preprocessing import proxy_report
    >>> frame = pd.DataFrame({"title": ["Mr", "Ms"] * 50, "age": [20, 20, 40, 40] * 25})
    >>> report = proxy_report(frame, ["m", "f"] * 50)
    >>> report.proxies, report.overall["auc"]
    (['title'], 1.0)
    """
    folds = None if cv is None else positive_integer(cv, "cv", minimum=2)
    count, rng = positive_integer(permutations, "permutations", minimum=0), generator(seed)
    columns = association.columns_of(X)
    given = groups if isinstance(groups, Groups) else Groups(groups)
    same_length(X=columns[0][1], groups=given)
    codes, names, rows = _known(given)
    found = {name: association.encoded(column[rows] if isinstance(column, np.ndarray) else column.iloc[rows])
             for name, column in columns}  # fmt: skip
    table = {
        name: {"kind": "number" if number else "category", **association.associated(levels, codes, count, rng)}
        for name, (levels, _, number) in found.items()
    }
    overall: dict[str, float] = {}
    if folds is not None:
        overall = _predicted(found, table, codes, (folds, count, classifier, max_rows), rng)
    import pandas as pd

    frame = pd.DataFrame.from_dict(table, orient="index").rename_axis("column")
    frame = frame.sort_values("cramers_v" if folds is None else "auc", ascending=False, kind="stable")
    return ProxyReport(frame, overall, names, len(codes), len(given) - len(codes))


def _known(groups: Groups) -> tuple[np.ndarray, list[str], np.ndarray]:
    """Return the codes of the samples of known group, the groups' names, and these samples' rows."""
    there = np.flatnonzero(groups.known & (groups.counts > 0))
    if len(there) < 2:
        raise InputError(f"'groups' must hold two known groups; got {len(there)}. There is nothing to reveal.")
    place = np.full(groups.n_groups, -1, dtype=np.int64)
    place[there] = np.arange(len(there))
    codes = place[groups.codes]
    rows = np.flatnonzero(codes >= 0)
    return codes[rows], [groups.names[i] for i in there], rows


def _predicted(
    found: dict[str, Any], table: dict[str, dict[str, Any]], codes: np.ndarray, options: Any, rng: np.random.Generator
) -> dict[str, float]:
    """Add to the table how well each column predicts the group; return how well all of them do."""
    folds, count, classifier, max_rows = options
    rows = np.arange(len(codes))
    if max_rows is not None and len(codes) > positive_integer(max_rows, "max_rows", minimum=2):
        rows = np.sort(rng.choice(len(codes), max_rows, replace=False))
    groups, seed = codes[rows], int(rng.integers(2**31))
    smallest = np.bincount(groups, minlength=int(codes.max()) + 1).min()
    if smallest < folds:
        raise InputError(
            f"Each group must have {folds} samples or more, one per fold; got {smallest}. Merge small groups, raise "
            "max_rows, or pass cv=None."
        )
    matrix = np.column_stack([association.without_gaps(values[rows]) for _, values, _ in found.values()])
    single = association.one_column_classifier(len(rows)) if classifier is None else classifier
    for place, name in enumerate(found):
        scores = association.out_of_fold(matrix[:, [place]], groups, single, folds, seed)
        table[name].update(association.judged(scores, groups, count, rng))
    levels = [0 if number else int(codes.max()) + 1 for codes, _, number in found.values()]
    whole = association.all_columns_classifier(levels) if classifier is None else classifier
    return association.judged(association.out_of_fold(matrix, groups, whole, folds, seed), groups, count, rng)


class ProxySuppressor(SensitiveStep):
    """Leave out the columns that reveal the group, and say which.

    Parameters
    ----------
    threshold : float, optional
        Columns with more than this of the measure are left out.
    n_columns : int, optional
        In the place of a threshold: so many columns are left out, the strongest proxies.
    measure : {"cramers_v", "mutual_information", "auc", "balanced_accuracy"}, default="cramers_v"
        What a column is judged by, as in `proxy_report`. The last two are cross-validated: chance is .5 for the AUC and
        1 / number of groups for the balanced accuracy.
    sensitive : list of str or int, optional
        The sensitive columns of X, by name or place; they leave the output too. Without it, pass ``groups=`` to `fit`.
        `transform` needs no group.
    seed : int, Generator or None, default=0
        Where folds and drawn rows of a cross-validated measure come from.

    Attributes
    ----------
    dropped_ : list of str
        The columns that are left out as proxies, the strongest first.
    scores_ : dict of str to float
        The measure of each column that is not sensitive.
    kept_ : list of int
        The places in X of the columns that come out.

    Warns
    -----
    UserWarning
        In `fit`: which columns are left out.

    Notes
    -----
    Use it on raw columns, before categories become indicators of which each reveals a little. There is no right
    threshold: what is left may still reveal the group, so look at ``proxy_report(step.transform(X), groups).overall``,
    and at what the model loses.

    Examples
    --------
    >>> import numpy as np, warnings
    >>> from mxfair.preprocessing import ProxySuppressor
    >>> group = np.arange(400) % 2
    >>> X = np.random.default_rng(0).normal(0, 1, (400, 2)) + [[2, 0]] * group[:, None]
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore")  # it says which columns go
    ...     step = ProxySuppressor(threshold=0.3).fit(X, groups=group)
    >>> step.dropped_, step.transform(X).shape
    (['x0'], (400, 1))
    """

    def __init__(
        self,
        threshold: float | None = None,
        n_columns: int | None = None,
        measure: str = "cramers_v",
        sensitive: Any = None,
        seed: Any = 0,
    ) -> None:
        self.threshold = threshold
        self.n_columns = n_columns
        self.measure = measure
        self.sensitive = sensitive
        self.seed = seed

    def fit(self, X: Any, y: Any = None, groups: Any = None) -> ProxySuppressor:
        """Judge each column, and choose which to leave out.

        Parameters
        ----------
        X : array or data frame of shape (n_samples, n_features)
            Training rows only; numbers, texts and categories.
        y : ignored
        groups : array, data frame, mapping or Groups, optional
            The group of each sample, where `sensitive` names no columns of X.

        Returns
        -------
        ProxySuppressor
            Itself.

        Raises
        ------
        InputError
            If not one of threshold and n_columns is given, no column would be left, or there are not two known groups.
        """
        self._check_options()
        places = self._places(X)
        rest, values = self._parts(X, groups)
        columns = association.columns_of(rest)
        report = proxy_report(
            rest,
            self._need(values, len(columns[0][1])),
            cv=None if self.measure in _MEASURES[:2] else 5,
            permutations=0,
            seed=self.seed,
        )
        own = [name for name, _ in columns]
        scores = report.columns[self.measure].sort_values(ascending=False, kind="stable")
        chosen = list(
            scores.index[scores > self.threshold] if self.n_columns is None else scores.index[: self.n_columns]
        )
        if len(chosen) >= len(own):
            raise InputError(
                f"A column must be left; got {len(own)}, all of which would go. Raise 'threshold', or give a smaller "
                "'n_columns'."
            )
        self._learn_features(len(own) + len(places), feature_names(X))
        left = [place for place in range(self.n_features_in_) if place not in places]
        given = feature_names(X)
        names = [f"x{place}" for place in range(self.n_features_in_)] if given is None else list(map(str, given))
        self.scores_ = {names[place]: float(scores[name]) for place, name in zip(left, own)}
        self.dropped_ = [names[left[own.index(name)]] for name in chosen]
        self.kept_ = [place for place, name in zip(left, own) if name not in chosen]
        if self.dropped_:
            shown = ", ".join(f"{name} ({self.scores_[name]:.2f})" for name in self.dropped_)
            warnings.warn(f"Left out as proxies, by {self.measure}: {shown}.", stacklevel=2)
        return self

    def _check_options(self) -> None:
        one_of(self.measure, _MEASURES, "measure")
        if (self.threshold is None) == (self.n_columns is None):
            raise InputError("One of 'threshold' and 'n_columns' must be given; got both or neither. Pass one of them.")
        if self.n_columns is not None:
            positive_integer(self.n_columns, "n_columns", minimum=0)
        elif isinstance(self.threshold, bool) or not isinstance(self.threshold, (int, float, np.number)):
            raise InputTypeError(f"'threshold' must be a number; got {self.threshold!r}.")
        elif not 0 <= self.threshold <= 1:
            raise InputError(f"'threshold' must be between 0 and 1; got {self.threshold}.")

    def transform(self, X: Any) -> Any:
        """Return the columns that are left, as they are.

        Parameters
        ----------
        X : array or data frame of shape (n_samples, n_features)
            The columns that were fitted.

        Returns
        -------
        ndarray of shape (n_samples, n_features_out)
            A data frame with the columns' own types after ``set_output(transform="pandas")``.

        Raises
        ------
        InputError
            If the step is not fitted, the columns are others than those fitted, or a number is infinite.
        """
        self._check_fitted()
        self._check_features(len(association.columns_of(X)), feature_names(X))
        if not is_frame(X):
            return np.ascontiguousarray(to_numpy(X)[:, self.kept_])
        frame = X.iloc[:, self.kept_]
        config = getattr(self, "_sklearn_output_config", {})
        return frame if config.get("transform") not in (None, "default") else frame.to_numpy()

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return the names of the columns that are left.

        Parameters
        ----------
        input_features : array of str, optional
            Names of the columns of X.

        Returns
        -------
        ndarray of str
        """
        return self._names_in(input_features)[self.kept_]

    def _formula(self) -> tuple[Callable[..., Any], Mapping[str, np.ndarray]]:
        return _taken, {"place": np.array(self.kept_, dtype=float)[None]}


def _taken(F: Any, x: Any, place: Any) -> Any:
    return F.take(x, place.reshape((-1,)), axis=1)
