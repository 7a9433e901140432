"""How much a column tells of the group: contingency tables, and predictions on rows that were not fitted on."""

from __future__ import annotations

from typing import Any

import numpy as np

from mxfair._validation import InputError
from mxfair.preprocessing._levels import factorized
from mxfair.preprocessing._matrix import dense_array, feature_names, is_frame
from mxfair.preprocessing.tabular import _is_date

#: Quantile bins of a number.
_BINS = 10
#: Up to this many levels scikit-learn's gradient boosting takes a column as a category.
_MAX_LEVELS = 255
#: A figure that chance exceeds this rarely is the floor.
_FLOOR = 0.95


def columns_of(X: Any) -> list[tuple[str, Any]]:
    """Return the columns with their names, checked: no infinity, at least one row."""
    names = feature_names(X)
    if is_frame(X):
        columns = [X.iloc[:, place] for place in range(X.shape[1])]
    else:
        array = dense_array(X)
        if array.ndim != 2:
            raise InputError(f"'X' must have shape (n_samples, n_features); got {array.shape}. Use X.reshape(-1, 1).")
        columns, names = (
            [_plain(column) for column in array.T],
            np.array([f"x{place}" for place in range(array.shape[1])], dtype=object),
        )
    if not columns or not len(columns[0]):
        raise InputError("'X' must have at least one row and one column; got none.")
    for name, column in zip(names if names is not None else [], columns):
        if _is_date(column) or column.dtype.kind == "c":
            raise InputError(
                f"Column '{name}' must hold numbers or categories; got dates, durations or complex numbers. Turn them "
                "into numbers first."
            )
        if _is_number(column) and np.isinf(np.asarray(column, dtype=float)).any():
            raise InputError(f"Column '{name}' must be finite; got infinity. Replace or remove it.")
    return list(zip([] if names is None else map(str, names), columns))


def _plain(column: np.ndarray) -> Any:
    """Return numbers as numbers where an array holds objects."""
    import pandas as pd

    return pd.Series(column).infer_objects() if column.dtype.kind == "O" else column


def _is_number(column: Any) -> bool:
    import pandas as pd

    return pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)


def encoded(column: Any) -> tuple[np.ndarray, np.ndarray, bool]:
    """Return a column's bins or levels (a missing value is one), what a classifier sees, and whether it is a number."""
    import pandas as pd

    if _is_number(column):
        values = (
            np.asarray(column, dtype=float)
            if isinstance(column, np.ndarray)
            else column.to_numpy(float, na_value=np.nan)
        )
        distinct = pd.unique(values)
        if len(distinct) > _BINS:
            there = ~np.isnan(values)
            cuts = np.unique(np.quantile(values[there], np.arange(1, _BINS) / _BINS))
            return np.where(there, np.searchsorted(cuts, values), len(cuts) + 1), values, True
        return pd.factorize(values, use_na_sentinel=False)[0], values, True
    codes = factorized(column, use_na_sentinel=False)[0]
    return codes, codes.astype(float), False


def table_of(codes: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Return the counts of each bin and group; bins that do not occur are left out."""
    width = int(groups.max()) + 1
    counts = np.bincount(codes * width + groups, minlength=(int(codes.max()) + 1) * width).reshape(-1, width)
    return counts[counts.sum(axis=1) > 0]


def cramers_v(tables: np.ndarray) -> np.ndarray:
    """Return Bergsma's bias-corrected V of one table or several with the same margins; 0 where nothing is left.

    With phi^2 = chi^2 / n less its mean under independence, (r - 1)(c - 1) / (n - 1), many levels are no advantage.
    """
    n = float(tables.sum(axis=(-2, -1)).flat[0])
    sides = np.array(tables.shape[-2:], dtype=float)
    expected = tables.sum(axis=-1, keepdims=True) * (tables.sum(axis=-2, keepdims=True) / n)
    square = ((tables - expected) ** 2 / expected).sum(axis=(-2, -1)) / n - np.prod(sides - 1) / max(n - 1, 1)
    smaller = (sides - (sides - 1) ** 2 / max(n - 1, 1)).min() - 1
    return np.zeros(tables.shape[:-2]) if smaller <= 1e-9 else np.sqrt(np.clip(square / smaller, 0, 1))


def information(table: np.ndarray) -> float:
    """Return the mutual information of column and group as part of the group's entropy."""
    from scipy.stats import entropy

    joint = table / table.sum()
    rows, columns = joint.sum(axis=1), joint.sum(axis=0)
    return float(max(0.0, entropy(rows) + entropy(columns) - entropy(joint.ravel())) / entropy(columns))


def random_tables(table: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Return tables with the same margins in which rows and columns are independent."""
    from scipy.stats import random_table

    return random_table(table.sum(axis=1), table.sum(axis=0)).rvs(count, random_state=rng)


def out_of_fold(matrix: np.ndarray, groups: np.ndarray, classifier: Any, folds: int, seed: int) -> np.ndarray:
    """Return each row's probabilities of the groups from a classifier that was fitted without it."""
    from sklearn.base import clone
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # comes with scikit-learn

    split = StratifiedKFold(folds, shuffle=True, random_state=seed)
    # on busy cores the threads of gradient boosting wait for each other far longer than they compute
    with threadpool_limits(limits=1, user_api="openmp"):
        return cross_val_predict(clone(classifier), matrix, groups, cv=split, method="predict_proba")


def without_gaps(values: np.ndarray) -> np.ndarray:
    """Return numbers with a missing one as a number below all others, which any classifier takes."""
    absent = np.isnan(values)
    if not absent.any() or absent.all():
        return np.where(absent, 0.0, values)
    low, high = values[~absent].min(), values[~absent].max()
    return np.where(absent, low - max(high - low, 1.0), values)


def one_column_classifier(n: int) -> Any:
    """Return a small tree: it follows any shape of one column, and is fast."""
    from sklearn.tree import DecisionTreeClassifier

    return DecisionTreeClassifier(max_leaf_nodes=32, min_samples_leaf=max(5, n // 200), random_state=0)


def all_columns_classifier(levels: list[int]) -> Any:
    """Return gradient boosting; `levels` holds the number of levels of each category, 0 for a number."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    categories = np.array([0 < count <= _MAX_LEVELS for count in levels])
    return HistGradientBoostingClassifier(
        categorical_features=categories if categories.any() else None,
        max_iter=50,
        early_stopping=False,
        random_state=0,
    )


def judged(scores: np.ndarray, groups: np.ndarray, permutations: int, rng: np.random.Generator) -> dict[str, float]:
    """Return AUC (one group against the rest, in the mean) and balanced accuracy, each with what chance reaches."""
    from scipy.stats import rankdata

    counts = np.bincount(groups)
    ranks = rankdata(scores, axis=0)
    decision = (scores / counts).argmax(axis=1)  # the group that the row speaks for, whatever the groups' sizes

    def auc(pairing: np.ndarray) -> float:
        sums = np.array([np.bincount(pairing, weights=column)[place] for place, column in enumerate(ranks.T)])
        return float(((sums - counts * (counts + 1) / 2) / (counts * (len(groups) - counts))).mean())

    def balanced(pairing: np.ndarray) -> float:
        return float((np.bincount(pairing, weights=decision == pairing) / counts).mean())

    chance = []
    for _ in range(permutations):
        pairing = rng.permutation(groups)
        chance.append((auc(pairing), balanced(pairing)))
    floors = np.quantile(chance, _FLOOR, axis=0) if chance else np.full(2, np.nan)
    return {
        "auc": auc(groups),
        "auc_floor": float(floors[0]),
        "balanced_accuracy": balanced(groups),
        "balanced_accuracy_floor": float(floors[1]),
    }


def associated(codes: np.ndarray, groups: np.ndarray, permutations: int, rng: np.random.Generator) -> dict[str, float]:
    """Return Cramer's V with what chance reaches, its p-value, and the normalised mutual information."""
    table = table_of(codes, groups)
    value, floor, p_value = float(cramers_v(table)), float("nan"), float("nan")
    if permutations:
        chance = cramers_v(random_tables(table, permutations, rng).astype(float))
        floor = float(np.quantile(chance, _FLOOR))
        p_value = float((1 + (chance >= value * (1 - 1e-9)).sum()) / (1 + permutations))
    return {
        "cramers_v": value,
        "cramers_v_floor": floor,
        "p_value": p_value,
        "mutual_information": information(table),
    }
