"""The values that a raw column is set to, one after the other: numbers in their own unit, or levels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from mxfair._validation import InputError, one_of, to_numpy
from mxfair.explain._columns import Columns

__all__ = ["GridAxis", "axis_of"]

#: The level of rows for which none of a column's features is 1.
NEITHER = "(none)"


@dataclass(frozen=True)
class GridAxis:
    """A raw column and the points it is set to.

    Parameters
    ----------
    name : str
    kind : {"number", "category"}
    points : ndarray of shape (n_points,)
        Numbers in the column's own unit, or names of levels.
    features : ndarray of int, shape (n_features,)
        Places of the column's features.
    settings : list of array of shape (n_points,)
        What each feature is set to at each point.
    data : ndarray of shape (n_samples,)
        The rows' own values in the unit of the points, NaN where missing; of a category the place of the level, -1
        for another one.
    """

    name: str
    kind: str
    points: np.ndarray
    features: np.ndarray
    settings: list[Any]
    data: np.ndarray

    def __len__(self) -> int:
        return len(self.points)

    @property
    def nearest(self) -> np.ndarray:
        """The place of the point nearest to each row's value, -1 for none, shape (n_samples,)."""
        if self.kind == "category":
            return self.data.astype(np.int64)
        middles = (self.points[1:] + self.points[:-1]) / 2
        return np.where(np.isnan(self.data), -1, np.searchsorted(middles, self.data))

    def inside(self, rows: np.ndarray) -> np.ndarray:
        """Return which points lie within the range of these rows' values, shape (n_points,)."""
        values = self.data[rows]
        if self.kind == "category":
            return np.bincount(values[values >= 0].astype(np.int64), minlength=len(self)) > 0
        values = values[~np.isnan(values)]
        if not len(values):
            return np.zeros(len(self), dtype=bool)
        slack = 1e-6 * max(1.0, float(np.abs(self.points).max()))  # features are single precision
        return (self.points >= values.min() - slack) & (self.points <= values.max() + slack)


def axis_of(
    X: Any, name: Any, raw: Columns, columns: Any, *, grid: Any, resolution: int, percentiles: tuple[float, float]
) -> GridAxis:
    """Return the axis of a raw column.

    Parameters
    ----------
    X : array or data frame
    name : str or int
        A raw column, or the place of one.
    raw : Columns
    columns : TabularEncoder, mapping or None
        An encoder tells the unit of numbers and the names of levels.
    grid : sequence or None
        Points of the caller's, in the column's own unit.
    resolution, percentiles
        As for `partial_dependence`.
    """
    if isinstance(name, (int, np.integer)) and not isinstance(name, bool) and 0 <= name < len(raw.names):
        name = raw.names[int(name)]
    place = raw.names.index(one_of(name, raw.names, "features"))
    features = raw.indices[place]
    fitted = next((c for c in getattr(columns, "columns_", []) if c["name"] == name), None)
    if fitted is not None and fitted["kind"] == "number":
        return _encoded_number(X, features, fitted, grid, resolution, percentiles)
    if fitted is not None or len(features) > 1:
        return _one_hot(X, str(name), features, raw, fitted, grid)
    column = X.iloc[:, int(features[0])] if hasattr(X, "iloc") else X[:, int(features[0])]
    if hasattr(X, "iloc") and not _is_number(column):
        return _levels(column, str(name), features, grid)
    try:
        values = np.asarray(to_numpy(column), dtype=np.float64)
    except ValueError as error:
        raise InputError(
            f"Column {name!r} must hold numbers; got something else ({error}). Pass a data frame, which may hold text."
        ) from error
    points = _points(values, grid, resolution, percentiles, str(name))
    return GridAxis(str(name), "number", points, features, [points], values)


def _is_number(column: Any) -> bool:
    import pandas as pd

    return bool(pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column))


def _points(values: np.ndarray, grid: Any, resolution: int, percentiles: tuple[float, float], name: str) -> np.ndarray:
    """Return the points of a number: each value where there are few, else evenly spaced ones between percentiles."""
    from scipy.stats.mstats import mquantiles

    if grid is not None:
        points = np.asarray(to_numpy(grid), dtype=np.float64)
        if points.ndim != 1 or not len(points) or not np.isfinite(points).all() or (np.diff(points) <= 0).any():
            raise InputError(f"'grid' must hold increasing numbers for {name}; got {grid!r}.")
        return points
    present = values[~np.isnan(values)]
    distinct = np.unique(present)
    if len(distinct) < 2:
        raise InputError(f"Column {name!r} must hold two values or more for its dependence; got {len(distinct)}.")
    if len(distinct) < resolution:
        return distinct
    low, high = mquantiles(present, prob=percentiles)
    if np.isclose(low, high):
        raise InputError(
            f"'percentiles' must be further apart for {name}; both are {low:g}. Widen them, or give the points as grid."
        )
    return np.linspace(low, high, resolution)


def _encoded_number(
    X: Any,
    features: np.ndarray,
    fitted: dict[str, Any],
    grid: Any,
    resolution: int,
    percentiles: tuple[float, float],
) -> GridAxis:
    """Return the axis of a number that an encoder standardised, in its own unit; set values are not missing."""
    matrix = _matrix(X)
    values = matrix[:, features[0]] * fitted["std"] + fitted["mean"]
    rounded = np.round(values)
    if np.abs(values - rounded).max(initial=0.0) < 1e-4 * max(1.0, float(fitted["std"])):
        values = rounded  # whole numbers came back from single precision
    if fitted["indicator"]:
        values = np.where(matrix[:, features[1]] > 0.5, np.nan, values)
    points = _points(values, grid, resolution, percentiles, fitted["name"])
    settings = [(points - fitted["mean"]) / fitted["std"]]
    settings += [np.zeros(len(points))] if fitted["indicator"] else []
    return GridAxis(fitted["name"], "number", points, features, settings, values)


def _matrix(X: Any) -> np.ndarray:
    return X.to_numpy(dtype=np.float64) if hasattr(X, "iloc") else X.astype(np.float64)


def _one_hot(
    X: Any, name: str, features: np.ndarray, raw: Columns, fitted: dict[str, Any] | None, grid: Any
) -> GridAxis:
    """Return the axis of a category with a feature per level."""
    block = _matrix(X)[:, features]
    if not np.isin(block, (0.0, 1.0)).all() or (block.sum(axis=1) > 1).any():
        raise InputError(
            f"The features of column {name!r} must be one-hot, at most one of them 1 in a row; they are not. Ask for "
            "the features one by one."
        )
    if fitted is not None:
        levels = [*fitted["levels"], *(["missing"] if fitted["indicator"] else [])]
    else:
        levels = [raw.feature_names[j].removeprefix(f"{name}=").removeprefix(f"{name}_") for j in features]
    neither = block.sum(axis=1) == 0
    codes = np.where(neither, -1, block.argmax(axis=1))
    settings = np.eye(len(levels))
    if neither.any():
        codes = np.where(neither, len(levels), codes)
        levels, settings = [*levels, NEITHER], np.vstack([settings, np.zeros(len(levels))])
    places = _chosen(levels, grid, name)
    lookup = np.full(len(levels) + 1, -1)
    lookup[places] = np.arange(len(places))
    points = np.array([levels[place] for place in places], dtype=object)
    return GridAxis(name, "category", points, features, list(settings[places].T), lookup[codes])


def _chosen(levels: list[str], grid: Any, name: str) -> list[int]:
    if grid is None:
        return list(range(len(levels)))
    return [levels.index(one_of(str(level), levels, f"grid of {name}")) for level in grid]


def _levels(column: Any, name: str, features: np.ndarray, grid: Any) -> GridAxis:
    """Return the axis of a data frame's column of levels; a setting has the column's own type."""
    import pandas as pd

    codes, found = pd.factorize(column, sort=True)
    places = _chosen([str(level) for level in found], grid, name)
    lookup = np.full(len(found) + 1, -1)
    lookup[places] = np.arange(len(places))
    setting = pd.Series(found.take(places) if hasattr(found, "take") else found[places])
    points = np.array([str(found[place]) for place in places], dtype=object)
    return GridAxis(name, "category", points, features, [setting.astype(column.dtype).array], lookup[codes])
