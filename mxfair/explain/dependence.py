"""Partial dependence and individual curves: how a model's output moves with one column or two."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from mxfair._validation import InputError, generator, one_of, positive_integer, same_length
from mxfair.explain._columns import columns_of
from mxfair.explain._grid_axis import GridAxis, axis_of
from mxfair.explain._model import Explained, explained_model
from mxfair.explain._predictions import as_rows, piece_rows
from mxfair.groups import Groups
from mxfair.uncertainty import check_level

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

__all__ = ["PartialDependence", "partial_dependence"]

KINDS = ("average", "individual", "both")
ALL = "all"


class PartialDependence:
    """How a model's output moves with a column, or with two; `partial_dependence` returns it.

    Parameters
    ----------
    axes : list of GridAxis
        One or two.
    output_name : str
        What the output is.
    groups : list of str
        "all", and the groups where they were given.
    figures : mapping of str to ndarray of shape (n_groups, n_points) or (n_groups, n_points, n_points)
        average, low, high, support and supported, as in `to_frame`.
    individual : ndarray of shape (n_rows, n_points, ...) or None
        Curves of single rows.
    rows : ndarray of int, shape (n_rows,)
        The rows of these curves.
    row_groups : Groups or None
        The group of every row.
    centered : bool
        Whether each curve starts at 0.
    level : float
        Level of the intervals.

    Examples
    --------
    >>> import numpy as np
    >>> from mxfair.explain import partial_dependence
    >>> X = np.array([[0.0, 1.0], [1.0, 2.0], [2.0, 6.0]])
    >>> dependence = partial_dependence(lambda X: 2 * X[:, 0] + X[:, 1], X, "x0")
    >>> dependence.average[0].tolist()
    [3.0, 5.0, 7.0]
    """

    def __init__(
        self,
        axes: list[GridAxis],
        output_name: str,
        groups: list[str],
        figures: Mapping[str, np.ndarray],
        *,
        individual: np.ndarray | None = None,
        rows: Any = (),
        row_groups: Groups | None = None,
        centered: bool = False,
        level: float = 0.95,
    ) -> None:
        self.axes, self.output_name, self.groups, self.level = axes, output_name, groups, level
        self.average, self.low, self.high = figures["average"], figures["low"], figures["high"]
        self.support, self.supported = figures["support"], figures["supported"]
        self.individual, self.rows, self.row_groups = individual, np.asarray(rows, dtype=np.int64), row_groups
        self.centered = centered

    @property
    def features(self) -> list[str]:
        """Names of the columns."""
        return [axis.name for axis in self.axes]

    @property
    def points(self) -> list[np.ndarray]:
        """The points of each column, in its own unit, or its levels."""
        return [axis.points for axis in self.axes]

    def _member(self, name: str) -> np.ndarray:
        """Return which rows are of a group."""
        if self.row_groups is None or name == ALL:
            return np.ones(len(self.axes[0].data), dtype=bool)
        return self.row_groups.codes == self.row_groups.names.index(name)

    def to_frame(self, *, individual: bool = False) -> pd.DataFrame:
        """Return the averages, or the individual curves, as a table.

        Parameters
        ----------
        individual : bool, default=False
            Whether to return the curves of single rows.

        Returns
        -------
        pandas.DataFrame
            Columns group, those of the features, then average, low, high, support (rows of the group nearest to the
            point) and supported (whether the point lies within the group's range; of two columns also whether rows are
            at the point or the next one); or row, the features and value.

        Raises
        ------
        InputError
            If there are no individual curves.
        """
        import pandas as pd

        if individual and self.individual is None:
            raise InputError("Individual curves must have been computed; they were not. Pass kind='both'.")
        first = ("row", self.rows) if individual else ("group", np.array(self.groups, dtype=object))
        mesh = np.meshgrid(first[1], *self.points, indexing="ij")
        table = {name: values.ravel() for name, values in zip([first[0], *self.features], mesh)}
        if individual:
            return pd.DataFrame({**table, "value": self.individual.ravel()}).infer_objects()  # type: ignore[union-attr]  # kept where asked for
        figures = ("average", "low", "high", "support", "supported")
        return pd.DataFrame({**table, **{name: getattr(self, name).ravel() for name in figures}}).infer_objects()

    def plot(self, **kwargs: Any) -> Figure:
        """Plot the dependence; see `mxfair.explain.plots.partial_dependence`.

        Parameters
        ----------
        **kwargs
            As for `mxfair.explain.plots.partial_dependence`.

        Returns
        -------
        matplotlib.figure.Figure
        """
        from mxfair.explain import plots

        return plots.partial_dependence(self, **kwargs)

    def __repr__(self) -> str:
        spans = [
            f"{axis.points[0]:.4g} to {axis.points[-1]:.4g}" if axis.kind == "number" else f"{len(axis)} levels"
            for axis in self.axes
        ]
        names = ", ".join(f"{name}: {span}" for name, span in zip(self.features, spans))
        low, high = float(np.nanmin(self.average[0])), float(np.nanmax(self.average[0]))
        groups = "" if len(self.groups) == 1 else f"; groups {', '.join(self.groups[1:])}"
        return f"PartialDependence({names}; {self.output_name} {low:.4g} to {high:.4g}{groups})"


def partial_dependence(
    model: Any,
    X: Any,
    features: Any,
    *,
    groups: Any = None,
    kind: str = "average",
    grid: Any = None,
    resolution: int = 50,
    percentiles: tuple[float, float] = (0.05, 0.95),
    centered: bool = False,
    max_individual: int | None = 1000,
    columns: Any = None,
    feature_names: Any = None,
    output: Any = None,
    scale: str | None = None,
    level: float = 0.95,
    seed: Any = None,
) -> PartialDependence:
    r"""Return how a model's output moves when a column, or two, are set to one value after the other.

    .. math:: PD(v) = \frac{1}{n} \sum_{i=1}^n f(x_{i,\setminus S}, v)

    over all rows, and over the rows of each group; the terms of the sum are the individual curves (ICE).

    Parameters
    ----------
    model : gluon.Block, scikit-learn estimator or pipeline, or callable
    X : array or data frame of shape (n_samples, n_features)
        What the model takes.
    features : str or int, or pair of these
        One raw column or two, by name or place.
    groups : array of shape (n_samples,), column, columns or Groups, optional
        Sensitive attribute of each sample: averages over the rows of each group are given beside that over all.
    kind : {"average", "individual", "both"}, default="average"
        Whether curves of single rows are kept too ("individual" and "both" both give averages as well).
    grid : sequence, or mapping of column to sequence, optional
        Points in the column's own unit, or levels. Default: every level; every value of a number with fewer than
        `resolution` values; else `resolution` evenly spaced points between the percentiles.
    resolution : int, default=50
        Points of a number.
    percentiles : (float, float), default=(0.05, 0.95)
        Shares of the rows between which a number's points lie.
    centered : bool, default=False
        Whether each row's value at the first point is subtracted, so that curves show what changes.
    max_individual : int, optional
        Curves kept, of rows drawn at random where there are more. Default: 1000; None keeps all.
    columns : TabularEncoder or mapping of column to features, optional
        Raw columns. The features of a level are set together; an encoder also gives the names of levels, and the unit
        that numbers had before they were standardised.
    feature_names : sequence of str, optional
        Default: those of the data frame or the encoder.
    output, scale : optional
        Which output, and whether as "logit" or "probability": nets are explained by their logit, other classifiers by
        the probability of the second class.
    level : float, default=0.95
        Confidence level of the intervals of averages.
    seed : int or numpy.random.Generator, optional
        For the rows drawn. Default: fresh entropy.

    Returns
    -------
    PartialDependence
        The interval of an average is Student's, over the rows: what other rows of the same population would give.

    Raises
    ------
    InputError
        If a column is not known, a grid cannot be used, or several features of a column are not one-hot.

    Notes
    -----
    A row set to a value that goes with no such person (a retired child) is asked about all the same; `supported` tells
    where a group has no rows at all, and `support` how many are near. Where columns go together, an average over such
    rows says what the model would do, and not what it does to anybody. Lines of two groups that run side by side do
    not differ by this column but by all others.

    Rows and points are predicted together in pieces of at most 65,536 rows, and sums of the averages are kept by group:
    memory does not grow with the number of rows.

    References
    ----------
    Friedman, Greedy function approximation: a gradient boosting machine, Annals of Statistics 29 (2001), section 8.2.
    Goldstein, Kapelner, Bleich, Pitkin: Peeking inside the black box, JCGS 24 (2015), section 3.

    Examples
    --------
    >>> import numpy as np
    >>> from mxfair.explain import partial_dependence
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(200, 3))
    >>> groups = np.where(X[:, 2] > 0, "a", "b")
    >>> curve = partial_dependence(lambda X: X[:, 0] * (X[:, 2] > 0), X, "x0", groups=groups, grid=[-1, 0, 1])
    >>> curve.to_frame().query("group == 'a'")["average"].tolist()
    [-1.0, 0.0, 1.0]
    """
    X, rng = as_rows(X), generator(seed)
    one_of(kind, KINDS, "kind")
    check_level(level)
    positive_integer(resolution, "resolution", minimum=2)
    _check_percentiles(percentiles)
    raw, explained = columns_of(X, columns, feature_names), explained_model(model, output=output, scale=scale)
    names = list(features) if isinstance(features, (list, tuple)) else [features]
    if len(names) not in (1, 2):
        raise InputError(f"'features' must name one column or two; got {len(names)}. Call it for each in turn.")
    options: dict[str, Any] = {"resolution": resolution, "percentiles": percentiles}
    axes = [axis_of(X, name, raw, columns, grid=_grid_of(grid, name, names), **options) for name in names]
    if len(axes) == 2 and axes[0].name == axes[1].name:
        raise InputError(f"'features' must name two different columns; got {axes[0].name!r} twice.")
    given = None if groups is None else groups if isinstance(groups, Groups) else Groups(groups)
    same_length(X=X, groups=given)
    kept = np.zeros(0, dtype=np.int64) if kind == "average" else _kept(len(X), max_individual, rng)
    codes = np.zeros(len(X), dtype=np.int64) if given is None else given.codes
    sums = _Sums(1 if given is None else given.n_groups, [len(axis) for axis in axes])
    individual = np.empty((len(kept), sums.n_points))
    for start, values in _curves(explained, X, axes):
        values = values - values[:, :1] if centered else values
        sums.add(codes[start : start + len(values)], values)
        low, high = np.searchsorted(kept, [start, start + len(values)])
        individual[low:high] = values[kept[low:high] - start]
    shape = [len(axis) for axis in axes]
    figures = {**sums.averages(level, alone=given is None), **_support(axes, codes, given)}
    return PartialDependence(
        axes,
        explained.name,
        [ALL, *(() if given is None else given.names)],
        figures,
        individual=None if kind == "average" else individual.reshape(-1, *shape),
        rows=kept,
        row_groups=given,
        centered=centered,
        level=level,
    )


def _check_percentiles(percentiles: Any) -> None:
    pair = np.asarray(percentiles, dtype=float)
    if pair.shape != (2,) or not 0 <= pair[0] < pair[1] <= 1:
        raise InputError(f"'percentiles' must be two increasing shares from 0 to 1; got {percentiles!r}.")


def _grid_of(grid: Any, name: Any, names: list[Any]) -> Any:
    """Return the caller's points of a column."""
    if isinstance(grid, Mapping):
        unknown = [key for key in grid if key not in names]
        if unknown:
            raise InputError(f"'grid' must give points of the features; got {unknown[0]!r}, which is none of them.")
        return grid.get(name)
    if grid is not None and len(names) > 1:
        raise InputError("'grid' must be a mapping of column to points for two features; got one sequence.")
    return grid


def _kept(n: int, most: int | None, rng: np.random.Generator) -> np.ndarray:
    if most is None or n <= positive_integer(most, "max_individual"):
        return np.arange(n)
    return np.sort(rng.choice(n, most, replace=False))


def _curves(explained: Explained, X: Any, axes: list[GridAxis]) -> Iterator[tuple[int, np.ndarray]]:
    """Yield the first row of a piece and the piece's outputs at all points, shape (n_rows, n_points)."""
    places = [place.ravel() for place in np.meshgrid(*[np.arange(len(axis)) for axis in axes], indexing="ij")]
    n_points = len(places[0])
    step = max(1, piece_rows(X) // n_points)
    for start in range(0, len(X), step):
        rows = np.arange(start, min(start + step, len(X)))
        block = _repeated(X, rows, n_points)
        for axis, at in zip(axes, places):
            for feature, setting in zip(axis.features, axis.settings):
                _set(block, int(feature), setting, np.tile(at, len(rows)))
        yield start, explained(block).reshape(len(rows), n_points)


def _repeated(X: Any, rows: np.ndarray, times: int) -> Any:
    if hasattr(X, "iloc"):
        return X.iloc[np.repeat(rows, times)].reset_index(drop=True)
    block = np.repeat(X[rows], times, axis=0)
    return block if block.dtype.kind == "f" else block.astype(np.float64)  # a point may lie between whole numbers


def _set(block: Any, feature: int, setting: Any, places: np.ndarray) -> None:
    if hasattr(block, "iloc"):
        block[block.columns[feature]] = setting.take(places)
    else:
        block[:, feature] = setting[places]


class _Sums:
    """Sums of curves and of their squares, about the first row's curve, by group."""

    def __init__(self, n_groups: int, shape: list[int]) -> None:
        self.shape, self.n_points = shape, int(np.prod(shape))
        self._counts = np.zeros(n_groups)
        self._sums = np.zeros((2, n_groups, self.n_points))
        self._shift: np.ndarray | None = None

    def add(self, codes: np.ndarray, values: np.ndarray) -> None:
        """Add curves, shape (n_rows, n_points)."""
        self._shift = values[0].copy() if self._shift is None else self._shift
        values = values - self._shift
        for group in np.unique(codes):
            part = values[codes == group]
            self._counts[group] += len(part)
            self._sums[0, group] += part.sum(axis=0)
            self._sums[1, group] += (part * part).sum(axis=0)

    def averages(self, level: float, *, alone: bool) -> dict[str, np.ndarray]:
        """Return average, low and high of all rows and of each group, shape (n_groups + 1, ...)."""
        from scipy.special import stdtrit

        counts = np.concatenate([[self._counts.sum()], [] if alone else self._counts])[:, None]
        own = self._sums[:, :0] if alone else self._sums
        sums = np.concatenate([self._sums.sum(axis=1, keepdims=True), own], axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = sums[0] / counts
            variance = np.maximum(sums[1] / counts - mean**2, 0) * counts / (counts - 1)
            half = np.where(counts > 1, stdtrit(counts - 1, (1 + level) / 2) * np.sqrt(variance / counts), np.nan)
        mean = mean + (0 if self._shift is None else self._shift)
        figures = {"average": mean, "low": mean - half, "high": mean + half}
        return {name: values.reshape(-1, *self.shape) for name, values in figures.items()}


def _support(axes: list[GridAxis], codes: np.ndarray, groups: Groups | None) -> dict[str, np.ndarray]:
    """Return the rows near each point, and whether it lies within the range, of all rows and of each group."""
    shape = [len(axis) for axis in axes]
    members = [np.ones(len(codes), dtype=bool)] + [codes == k for k in range(0 if groups is None else groups.n_groups)]
    nearest = [axis.nearest for axis in axes]
    there = np.all([near >= 0 for near in nearest], axis=0)
    cells = np.ravel_multi_index([np.maximum(near, 0) for near in nearest], shape)  # type: ignore[call-overload]  # a list
    support, supported = [], []
    for member in members:
        support.append(np.bincount(cells[member & there], minlength=int(np.prod(shape))).reshape(shape))
        inside = [axis.inside(member) for axis in axes]
        supported.append(inside[0] if len(axes) == 1 else np.logical_and.outer(*inside) & _near(support[-1], axes))
    return {"support": np.stack(support), "supported": np.stack(supported)}


def _near(support: np.ndarray, axes: list[GridAxis]) -> np.ndarray:
    """Return where rows are at a point of two columns, or at the next one along a number."""
    from scipy.ndimage import maximum_filter

    return np.asarray(maximum_filter(support, [3 if axis.kind == "number" else 1 for axis in axes], mode="nearest") > 0)
