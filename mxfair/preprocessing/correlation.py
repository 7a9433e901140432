"""Features made uncorrelated with sensitive attributes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from mxfair._validation import InputError, InputTypeError, same_length
from mxfair.preprocessing._base import _GroupedStep
from mxfair.preprocessing._design import Design, columns_of
from mxfair.preprocessing._matrix import dense_array, feature_names, is_frame, numeric_matrix, two_parts

__all__ = ["CorrelationRemover"]

#: Directions of the sensitive columns with less than this part of their variance are taken for rounding.
_RANK = 1e-13
_BLOCK_ROWS = 4096


class CorrelationRemover(_GroupedStep):
    r"""Take out of each feature what is linear in the sensitive attributes.

    .. math:: X' = X - \alpha \, (S - \bar S) \, B, \qquad B = \arg\min_B \lVert X - (S - \bar S) B \rVert^2

    Each column of S is centred by its own mean, so the means of the features stay.

    Parameters
    ----------
    sensitive : list of str or int, optional
        The sensitive columns of X, by name or place; they leave the output. Without it, pass ``groups=`` to `fit` and
        `transform`: any number of attributes, as an array, a data frame, a mapping or a Groups.
    alpha : float, default=1.0
        How much is taken out: 0 nothing, 1 all of the correlation.
    continuous : list of str or int, optional
        The sensitive attributes that are numbers: names or places as in `sensitive`, names or places in ``groups=``.
        The others are categories: a column for each level. Default: numbers are those that are not whole or have more
        than 20 different values, as an age has; a code of 20 levels or less is a category.

    Attributes
    ----------
    design_ : list of dict
        The sensitive attributes: name, kind, and mean or levels.
    beta_ : ndarray of shape (n_columns_of_S, n_features_out)
        What a unit of each column of S adds to each feature; those of a category's levels have mean 0.
    places_ : list of int
        The places of the sensitive columns in X.

    Warns
    -----
    UserWarning
        Where samples have no value of an attribute, or a level that was not fitted: nothing is taken out of them.

    Notes
    -----
    Uncorrelated is not independent: a net finds what is not linear. The least-squares problem is solved by the normal
    equations of S alone, so attributes that depend on each other are no problem. For one column of numbers or of two
    levels the result is that of fairlearn's CorrelationRemover.

    As a Gluon block it takes the whole row where `sensitive` names columns, and ``(x, group)`` with the places among
    the levels where one category was given as ``groups=``.

    References
    ----------
    Bird et al., "Fairlearn: a toolkit for assessing and improving fairness in AI", 2020 (the single-attribute form).

    Examples
    --------
    >>> import numpy as np
    >>> from mxfair.preprocessing import CorrelationRemover
    >>> X = np.array([[0.0, 1.0], [0.0, 3.0], [1.0, 5.0], [1.0, 7.0]])  # the first column is the group
    >>> step = CorrelationRemover(sensitive=[0]).fit(X)
    >>> step.transform(X).ravel().round(6).tolist()
    [3.0, 5.0, 3.0, 5.0]
    >>> import mxnet as mx
    >>> step.as_block()(mx.nd.array(X)).asnumpy().ravel().round(4).tolist()
    [3.0, 5.0, 3.0, 5.0]
    """

    def __init__(self, sensitive: Any = None, alpha: float = 1.0, continuous: Any = None) -> None:
        self.sensitive = sensitive
        self.alpha = alpha
        self.continuous = continuous

    def fit(self, X: Any, y: Any = None, groups: Any = None) -> CorrelationRemover:
        """Learn how the features depend on the sensitive attributes.

        Parameters
        ----------
        X : array or data frame of shape (n_samples, n_features)
            Training rows only.
        y : ignored
        groups : array, data frame, mapping or Groups, optional
            The sensitive attributes, where `sensitive` names no columns of X.

        Returns
        -------
        CorrelationRemover
            Itself.

        Raises
        ------
        InputError
            If alpha is not between 0 and 1, no attribute is given, a feature is missing, or lengths differ.
        """
        self._strength()
        places = self._places(X)
        matrix, kept, values = self._features(X, groups, places)
        design, centred, means = Design.fitted(values, self._numbers(values, places))
        same_length(X=matrix, groups=centred)
        self._learn_features(matrix.shape[1] if kept is not None else matrix.shape[1] + len(places), feature_names(X))
        self.places_, self.design_ = places, design.columns
        beta = design.level_means(_least_squares(centred, matrix), means)
        self.beta_ = beta if kept is None else beta[:, kept]
        return self

    def transform(self, X: Any, groups: Any = None) -> np.ndarray:
        """Return the features without what the sensitive attributes explain.

        Parameters
        ----------
        X : array or data frame of shape (n_samples, n_features)
            The columns that were fitted.
        groups : array, data frame, mapping or Groups, optional
            As in `fit`.

        Returns
        -------
        ndarray of float64, shape (n_samples, n_features_out)

        Raises
        ------
        InputError
            If the step is not fitted, or the columns are others than those fitted.
        """
        self._check_fitted()
        matrix, kept, values = self._features(X, groups, self.places_)
        self._check_features(matrix.shape[1] + (len(self.places_) if kept is None else 0), feature_names(X))
        columns = Design(self.design_).matrix(values)
        same_length(X=matrix, groups=columns)
        effect = self._strength() * self.beta_
        runs = _runs(np.arange(matrix.shape[1]) if kept is None else kept)
        result = np.empty((len(matrix), effect.shape[1]))
        for start in range(0, len(matrix), _BLOCK_ROWS):  # parts that stay in the cache
            rows = slice(start, start + _BLOCK_ROWS)
            np.matmul(columns[rows], effect, out=result[rows])
            for to, source in runs:
                np.subtract(matrix[rows, source], result[rows, to], out=result[rows, to])
        return result

    def _numbers(self, values: Any, places: list[int]) -> list[str] | None:
        """Return the names of the attributes that are to be numbers; a place is one of X, or one of the groups'."""
        if self.continuous is None:
            return None
        names = list(map(str, columns_of(values)))
        places = places or list(range(len(names)))
        given: list[Any] = (
            [self.continuous] if isinstance(self.continuous, (str, int, np.integer)) else list(self.continuous)
        )
        return [names[places.index(item)] if item in places else str(item) for item in given]

    def _features(self, X: Any, groups: Any, places: list[int]) -> tuple[np.ndarray, np.ndarray | None, Any]:
        """Return a matrix, which of its columns are features (None: all), and the sensitive values.

        An array of numbers is not copied: a million rows cost more to move than to compute with.
        """
        rest, values = (X, groups) if places and not is_frame(X) else self._parts(X, groups)
        if rest is X and places:
            array = dense_array(X)
            plain = groups is None and array.ndim == 2 and array.dtype.kind in "biuf"
            if plain and not np.isnan(array[:, places]).any():
                kept = np.delete(np.arange(array.shape[1]), places)
                return numeric_matrix(array), kept, {f"x{place}": array[:, place] for place in places}
            rest, values = self._parts(array, groups)
            values = {f"x{place}": values[:, i] for i, place in enumerate(places)}
        return numeric_matrix(rest), None, self._need(values, len(rest))

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return the names of the features that are left.

        Parameters
        ----------
        input_features : array of str, optional
            Names of the columns of X.

        Returns
        -------
        ndarray of str
        """
        names = self._names_in(input_features)
        return np.delete(names, self.places_) if len(self.places_) else names

    def _strength(self) -> float:
        if isinstance(self.alpha, bool) or not isinstance(self.alpha, (int, float, np.number)):
            raise InputTypeError(f"'alpha' must be a number; got {self.alpha!r}. Give one between 0 and 1.")
        if not 0 <= self.alpha <= 1:
            raise InputError(f"'alpha' must be between 0 and 1; got {self.alpha}. 1 takes all of the correlation out.")
        return float(self.alpha)

    def as_block(self) -> Any:
        """Return the fitted step as a Gluon block: of the whole row, or of (x, group).

        Returns
        -------
        gluon.HybridBlock

        Raises
        ------
        InputError
            If the step is not fitted.
        InputTypeError
            If the attributes are texts, or several or continuous ones that are no columns of X.
        """
        self._check_fitted()
        if self.places_:
            return super().as_block()
        if len(self.design_) > 1 or self.design_[0]["kind"] != "category":
            raise InputTypeError(
                "The sensitive attributes of a block must be columns of X, or one category; got others as groups=. "
                "Put them into X and name them: sensitive=[...]."
            )
        from mxfair.preprocessing._blocks import StepBlock  # loads the engine

        effects = np.vstack([self._strength() * self.beta_, np.zeros((1, self.beta_.shape[1]))])
        return StepBlock(_minus, {"effect": effects}, self.n_features_in_, grouped=True)

    def _formula(self) -> tuple[Callable[..., Any], Mapping[str, np.ndarray]]:
        sources, level, is_level, mean = [], [], [], []
        for place, column in zip(self.places_, self.design_):
            number = column["kind"] == "number"
            values = [0.0] if number else [_as_number(name, column["name"]) for name in column["levels"]]
            sources += [place] * len(values)
            level += values
            is_level += [not number] * len(values)
            mean += [column["mean"] if number else 0.0] * len(values)
        kept = [i for i in range(self.n_features_in_) if i not in self.places_]
        high, rest = two_parts(mean)
        rows = {"place": sources, "level": level, "is_level": is_level, "mean": high, "rest": rest, "kept": kept}
        constants = {name: np.array(row, dtype=np.float64)[None] for name, row in rows.items()}
        return _apart, {**constants, "effect": (self._strength() * self.beta_)[None]}


def _runs(kept: np.ndarray) -> list[tuple[slice, slice]]:
    """Return the slices (to, from) that copy the kept columns, neighbours at once."""
    cuts = np.flatnonzero(np.diff(kept) != 1) + 1
    starts, ends = np.concatenate([[0], cuts]), np.concatenate([cuts, [len(kept)]])
    return [(slice(a, b), slice(kept[a], kept[a] + b - a)) for a, b in zip(starts, ends) if b > a]


def _least_squares(centred: np.ndarray, features: np.ndarray) -> np.ndarray:
    """Return the B of least norm: (S'S)^+ S'X, made exact by refinement where S is nearly of lower rank."""
    gram = centred.T @ centred
    scale = np.sqrt(np.diag(gram))
    scale[scale == 0] = 1.0  # a constant attribute explains nothing
    values, vectors = np.linalg.eigh(gram / np.outer(scale, scale))
    kept = values > _RANK * max(values.max(), 1.0)
    half = vectors[:, kept] / scale[:, None]
    inverse = (half / values[kept]) @ half.T
    beta = inverse @ (centred.T @ features)
    if kept.any() and values[kept].min() < 1e-4:
        for _ in range(2):
            beta += inverse @ (centred.T @ (features - centred @ beta))
    return beta


def _as_number(name: str, column: str) -> float:
    try:
        return float(name)
    except ValueError as error:
        raise InputTypeError(
            f"Column '{column}' must hold numbers for a block; got the level {name!r}. Encode it before the step."
        ) from error


def _minus(F: Any, x: Any, effect: Any) -> Any:
    return x - effect


def _apart(F: Any, x: Any, **c: Any) -> Any:
    """X' = X - S B of a whole row, with the sensitive columns inside it; nothing is taken out for NaN."""
    given = F.take(x, c["place"].reshape((-1,)), axis=1)
    indicator = F.broadcast_equal(given, c["level"])
    centred = F.broadcast_sub(F.broadcast_sub(given, c["mean"]), c["rest"])
    s = F.broadcast_mul(indicator, c["is_level"]) + F.broadcast_mul(centred, 1 - c["is_level"])
    s = F.where(given == given, s, F.zeros_like(s))
    rest = F.take(x, c["kept"].reshape((-1,)), axis=1)
    return rest - F.dot(s, c["effect"].reshape((-3, -2)))
