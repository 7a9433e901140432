"""Raw columns: which features of a matrix stand for one column of the data frame it was made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from mxfair._validation import InputError, InputTypeError

__all__ = ["Columns", "columns_of", "naming"]


@dataclass(frozen=True)
class Columns:
    """Names of raw columns and, for each, the indices of its features."""

    names: tuple[str, ...]
    indices: tuple[np.ndarray, ...]
    feature_names: tuple[str, ...]

    @property
    def matrix(self) -> np.ndarray:
        """Return 1 where a feature (row) belongs to a column, shape (n_features, n_columns)."""
        out = np.zeros((len(self.feature_names), len(self.names)))
        for place, indices in enumerate(self.indices):
            out[indices, place] = 1.0
        return out

    @property
    def grouped(self) -> bool:
        """Whether any column has several features."""
        return any(len(indices) > 1 for indices in self.indices)


def columns_of(X: Any, columns: Any = None, feature_names: Any = None) -> Columns:
    """Return the raw columns of a matrix or data frame.

    Parameters
    ----------
    X : array or data frame of shape (n_samples, n_features)
    columns : TabularEncoder or other step with ``columns_``, or mapping of name to features, optional
        A mapping's values are indices or names of features, one or a list; features that it leaves out stand for
        themselves. Default: each feature is a column.
    feature_names : sequence of str, optional
        Default: those of the data frame or of the encoder, else x0, x1, ...

    Returns
    -------
    Columns
    """
    width = int(np.shape(X)[1])
    if feature_names is None and hasattr(columns, "get_feature_names_out"):
        feature_names = columns.get_feature_names_out()
        _check_order(X, [str(name) for name in feature_names])
    if feature_names is None:
        feature_names = list(X.columns) if hasattr(X, "columns") else [f"x{j}" for j in range(width)]
    names = tuple(str(name) for name in feature_names)
    if len(names) != width:
        raise InputError(f"'feature_names' must name each of the {width} features; got {len(names)}.")
    if len(set(names)) != len(names):
        raise InputError("'feature_names' must differ from each other; a name occurs twice. Rename one.")
    owners = _owners(columns, names)
    order: dict[str, list[int]] = {}
    for j, owner in enumerate(owners):
        order.setdefault(owner, []).append(j)
    return Columns(tuple(order), tuple(np.array(v, dtype=np.int64) for v in order.values()), names)


def _check_order(X: Any, names: list[str]) -> None:
    """Raise where a data frame holds an encoder's features in another order than the encoder."""
    given = [str(name) for name in getattr(X, "columns", ())]
    if given != names and sorted(given) == sorted(names):
        raise InputError("'X' must hold the encoder's features in their order. Use X[encoder.get_feature_names_out()].")


def naming(X: Any, columns: Any, feature_names: Any) -> dict[str, Any]:
    """Return the names of a table's features as `Attribution` takes them; none for images."""
    return {"columns": columns_of(X, columns, feature_names)} if np.ndim(X) == 2 else {}


def _owners(columns: Any, names: tuple[str, ...]) -> list[str]:
    """Return the raw column of each feature."""
    if columns is None:
        return list(names)
    if hasattr(columns, "get_feature_names_out"):
        return _owners_of_step(columns, names)
    if not isinstance(columns, Mapping):
        raise InputTypeError(
            f"'columns' must be a fitted encoder or a mapping of column to features; got {type(columns).__name__}."
        )
    places = {name: j for j, name in enumerate(names)}
    owners: dict[int, str] = {}
    for column, features in columns.items():
        for feature in features if isinstance(features, (list, tuple, np.ndarray, range)) else [features]:
            whole = isinstance(feature, (int, np.integer)) and not isinstance(feature, bool)
            j = places.get(feature, -1) if isinstance(feature, str) else int(feature) if whole else -1
            if not 0 <= j < len(names):
                raise InputError(f"'columns' must name features of the data; column {column!r} names {feature!r}.")
            if j in owners:
                raise InputError(f"'columns' must give each feature to one column; got {names[j]!r} twice.")
            owners[j] = str(column)
    clash = {names[j] for j in range(len(names)) if j not in owners} & set(owners.values())
    if clash:
        raise InputError(f"'columns' must not reuse the name of a feature it leaves out; got {sorted(clash)[0]!r}.")
    return [owners.get(j, names[j]) for j in range(len(names))]


def _owners_of_step(step: Any, names: tuple[str, ...]) -> list[str]:
    fitted = getattr(step, "columns_", None)
    if not isinstance(fitted, list):
        raise InputTypeError(
            f"'columns' must be a TabularEncoder or a mapping of column to features; got {type(step).__name__}, which "
            "does not say which features come from which column. Pass a mapping."
        )
    owners = []
    for column in fitted:
        width = 1 if column["kind"] == "number" else len(column["levels"])
        owners += [column["name"]] * (width + bool(column["indicator"]))
    if len(owners) != len(names):
        raise InputError(f"'columns' must be the encoder that made the data; it makes {len(owners)} features.")
    return owners
