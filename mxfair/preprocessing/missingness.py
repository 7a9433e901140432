"""What is missing in which group, and what dropping incomplete rows would do to each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mxfair._validation import InputError, labels_vector, missing, plural, same_length
from mxfair.groups import Groups
from mxfair.metric._proportions import corrected
from mxfair.preprocessing._matrix import dense_array, feature_names, is_frame

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["MissingnessReport", "missingness_report"]


class MissingnessReport:
    """What `missingness_report` found: three tables.

    Parameters
    ----------
    columns : dict of str to list
        By column: missing values, their share, the gap between groups, the test.
    cells : dict of str to list
        By column and group: samples, missing values, their share.
    dropping : dict of str to list
        By group: what remains if incomplete rows are dropped.

    Attributes
    ----------
    columns : pandas.DataFrame
        Index: the columns of X, the largest gap first. ``missing``, ``share``; ``gap``, the largest difference of the
        shares of known groups; ``lowest`` and ``highest``, the groups it lies between; ``p_value`` of equal shares,
        ``adjusted`` for the number of columns by Holm's method, and the ``test``. NaN where there is nothing to test:
        nothing or everything is missing, or only one group has samples.
    dropping : pandas.DataFrame
        Index: the groups. ``samples``, ``complete``, ``lost`` (share of the group's rows that dropping incomplete rows
        removes), ``share_before`` and ``share_after`` (of the group among all rows); with labels also ``base_rate``,
        ``base_rate_after`` and ``change``. NaN where no row is left.
    """

    def __init__(
        self, columns: dict[str, list[Any]], cells: dict[str, list[Any]], dropping: dict[str, list[Any]]
    ) -> None:
        import pandas as pd

        self.columns = pd.DataFrame(columns).set_index("column")
        self.columns = self.columns.sort_values("gap", ascending=False, kind="stable", na_position="last")
        self.dropping = pd.DataFrame(dropping).set_index("group")
        self._cells = pd.DataFrame(cells)

    def to_frame(self) -> pd.DataFrame:
        """Return a row per column and group: ``samples``, ``missing`` and ``share``.

        Returns
        -------
        pandas.DataFrame
        """
        return self._cells.copy()

    def to_dict(self) -> dict[str, Any]:
        """Return all tables as plain values, None in the place of NaN.

        Returns
        -------
        dict
        """
        tables = {
            "columns": self.columns.reset_index(),
            "cells": self._cells,
            "dropping": self.dropping.reset_index(),
        }
        return {name: [_plain(row) for row in table.to_dict("records")] for name, table in tables.items()}

    def __repr__(self) -> str:
        import pandas as pd

        some = self.columns[self.columns["missing"] > 0]
        with pd.option_context("display.width", 120, "display.max_columns", 20, "display.precision", 3):
            lines = [
                f"Missing values by group: {len(some)} of {plural(len(self.columns), 'column')} lack values.",
                *([repr(some.drop(columns="test").head(20))] if len(some) else []),
                "Dropping incomplete rows:",
                repr(self.dropping),
            ]
        return "\n".join(lines)


def missingness_report(X: Any, groups: Any, labels: Any = None) -> MissingnessReport:
    """Return what is missing in which group: a bias of its own, since whoever lacks values is dropped or guessed.

    A gap says that values are missing more often in one group; a small p-value that chance does not explain it. Neither
    tells why. Groups without a known attribute are counted, and left out of gaps and tests.

    Parameters
    ----------
    X : data frame or array of shape (n_samples, n_features)
        Columns of any type. None, NaN, NaT and NA are missing; texts such as "?" are not: replace them first.
    groups : array of shape (n_samples,), column, columns or Groups
        The sensitive attribute.
    labels : array of shape (n_samples,), optional
        Two classes, of which the last in order counts as positive, or numbers, of which the mean is taken.

    Returns
    -------
    MissingnessReport

    Raises
    ------
    InputError
        If X has no rows or columns, lengths differ, or the labels are more than two texts.

    References
    ----------
    Pearson's chi-square test of equal shares, and Fisher's exact one for two groups with fewer than 5 values expected
    in a cell; Holm, "A Simple Sequentially Rejective Multiple Test Procedure", Scandinavian Journal of Statistics 1979.

    Examples
    --------
    >>> import numpy as np
    >>> from mxfair.preprocessing import missingness_report
    >>> X = np.array([[1.0, 5.0], [2.0, np.nan], [3.0, np.nan], [4.0, 8.0]])
    >>> report = missingness_report(X, ["a", "b", "b", "a"], labels=[0, 1, 0, 1])
    >>> report.columns[["missing", "share", "gap"]]
            missing  share  gap
    column
    x1            2    0.5  1.0
    x0            0    0.0  0.0
    >>> report.dropping["lost"].to_dict()
    {'a': 0.0, 'b': 1.0}
    """
    absent, names = _absent(X)
    encoded = groups if isinstance(groups, Groups) else Groups(groups)
    positive = None if labels is None else _numbers(labels)
    same_length(X=absent, groups=encoded, labels=positive)
    counts = np.stack([np.bincount(encoded.codes[column], minlength=encoded.n_groups) for column in absent.T])
    columns = _by_column(names, counts, encoded)
    cells = {
        "column": np.repeat(names, encoded.n_groups).tolist(),
        "group": list(encoded.names) * len(names),
        "samples": encoded.counts.tolist() * len(names),
        "missing": counts.ravel().tolist(),
        "share": _ratio(counts, encoded.counts).ravel().tolist(),
    }
    return MissingnessReport(columns, cells, _dropping(~absent.any(axis=1), encoded, positive))


def _absent(X: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return where values are missing, and the names of the columns."""
    names = feature_names(X)
    if is_frame(X):
        absent = X.isna().to_numpy()
    else:
        array = dense_array(X)
        absent = missing(array)
        if absent.ndim != 2:
            raise InputError(f"'X' must have shape (n_samples, n_features); got {absent.shape}. Use X.reshape(-1, 1).")
    if not absent.size:
        raise InputError(f"'X' must have at least one row and one column; got shape {absent.shape}.")
    return absent, np.array([f"x{i}" for i in range(absent.shape[1])], dtype=object) if names is None else names


def _numbers(labels: Any) -> np.ndarray:
    """Return labels as numbers: two classes as 0 and 1."""
    array = labels_vector(labels)
    classes = np.unique(array)
    if len(classes) <= 2 and not (array.dtype.kind in "biuf" and set(classes.tolist()) <= {0, 1}):
        return (array == classes[-1]).astype(np.float64) if len(classes) == 2 else np.full(len(array), np.nan)
    if array.dtype.kind not in "biuf":
        raise InputError(f"'labels' must be numbers or two classes; got {len(classes)} texts. Mark the positive class.")
    return array.astype(np.float64)


def _ratio(part: np.ndarray, whole: Any) -> np.ndarray:
    whole = np.broadcast_to(np.asarray(whole, dtype=np.float64), np.shape(part))
    return np.divide(part, whole, out=np.full(np.shape(part), np.nan), where=whole > 0)


def _by_column(names: np.ndarray, counts: np.ndarray, groups: Groups) -> dict[str, list[Any]]:
    tested = groups.known & (groups.counts > 0)
    labels = np.array(groups.names, dtype=object)[tested]
    shares = _ratio(counts[:, tested], groups.counts[tested])
    found = [_test(row[tested], groups.counts[tested]) for row in counts]
    p_values = np.array([p for p, _ in found])
    adjusted = np.full(len(p_values), np.nan)
    defined = ~np.isnan(p_values)
    if defined.any():
        adjusted[defined] = corrected(p_values[defined], "holm")
    several = len(labels) > 1
    return {
        "column": names.tolist(),
        "missing": counts.sum(axis=1).tolist(),
        "share": (counts.sum(axis=1) / groups.counts.sum()).tolist(),
        "gap": (shares.max(axis=1) - shares.min(axis=1)).tolist() if several else [float("nan")] * len(names),
        "lowest": labels[shares.argmin(axis=1)].tolist() if several else [None] * len(names),
        "highest": labels[shares.argmax(axis=1)].tolist() if several else [None] * len(names),
        "p_value": p_values.tolist(),
        "adjusted": adjusted.tolist(),
        "test": [name for _, name in found],
    }


def _test(absent: np.ndarray, samples: np.ndarray) -> tuple[float, str]:
    """Return the p-value of equal shares, and the test; NaN where there is nothing to compare."""
    table = np.stack([absent, samples - absent])
    if len(samples) < 2 or not table.sum(axis=1).all():
        return float("nan"), "none"
    from scipy import stats  # slow to import

    result = stats.chi2_contingency(table, correction=False)
    if result[3].min() >= 5:
        return float(result[1]), "chi-square"
    if len(samples) == 2:
        return float(stats.fisher_exact(table)[1]), "Fisher"
    return float(result[1]), "chi-square of small counts: approximate"


def _dropping(complete: np.ndarray, groups: Groups, labels: np.ndarray | None) -> dict[str, list[Any]]:
    kept = np.bincount(groups.codes[complete], minlength=groups.n_groups)
    table: dict[str, list[Any]] = {
        "group": list(groups.names),
        "samples": groups.counts.tolist(),
        "complete": kept.tolist(),
        "lost": (1 - _ratio(kept, groups.counts)).tolist(),
        "share_before": _ratio(groups.counts, groups.counts.sum()).tolist(),
        "share_after": _ratio(kept, kept.sum()).tolist(),
    }
    if labels is not None:
        sums = np.bincount(groups.codes, weights=labels, minlength=groups.n_groups)
        sums_after = np.bincount(groups.codes[complete], weights=labels[complete], minlength=groups.n_groups)
        before, after = _ratio(sums, groups.counts), _ratio(sums_after, kept)
        table.update(
            {"base_rate": before.tolist(), "base_rate_after": after.tolist(), "change": (after - before).tolist()}
        )
    return table


def _plain(row: dict[Any, Any]) -> dict[str, Any]:
    return {str(key): None if isinstance(value, float) and np.isnan(value) else value for key, value in row.items()}
