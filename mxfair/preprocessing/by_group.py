"""ByGroup: a scaler or an imputer whose figures are those of each group."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn.base import clone

from mxfair._validation import InputTypeError, plural, positive_integer, same_length
from mxfair.groups import Groups
from mxfair.preprocessing._base import _CodedStep, _width, known_codes
from mxfair.preprocessing._columns import _ColumnStep
from mxfair.preprocessing._imputer import _Imputer
from mxfair.preprocessing._matrix import feature_names, numeric_matrix

__all__ = ["ByGroup"]


class ByGroup(_CodedStep):
    """Fit one copy of a step per group, and one of all rows for whoever has none: unknown, new and small groups.

    Filling a missing value with the mean of all rows draws a group towards the majority; standardising by group takes
    the difference of the groups' means and spreads away. Both use the group when the model decides: whether that is
    allowed is a question of law, and whether it is right one of the case.

    Parameters
    ----------
    step : Step
        A scaler or an imputer of `mxfair.preprocessing`; it is cloned, not fitted itself.
    sensitive : list of str or int, optional
        The sensitive columns of X, by name or place; they leave the output. Without it, pass ``groups=`` to `fit` and
        `transform`. Pipelines need it.
    min_samples : int, default=10
        A group gets a step of its own if each column holds so many of its values.

    Attributes
    ----------
    group_names_ : tuple of str
        The groups with a step of their own, in the order of `steps_`.
    steps_ : list of Step
        Their steps.
    pooled_ : Step
        The step of all rows.
    pooled_groups_ : tuple of str
        Known groups that were too small.
    attributes_ : str
        Names of the sensitive attributes, joined by " x ".
    counts_ : dict of str to int
        Rows of each group, "unknown" included.

    Examples
    --------
    >>> from mxfair.preprocessing import ByGroup, SimpleImputer
    >>> X, groups = [[1.0], [3.0], [float("nan")], [10.0], [30.0], [float("nan")]], list("aaabbb")
    >>> step = ByGroup(SimpleImputer(), min_samples=2)
    >>> step.fit_transform(X, groups=groups).ravel().tolist()
    [1.0, 3.0, 2.0, 10.0, 30.0, 20.0]
    """

    def __init__(self, step: Any, *, sensitive: Any = None, min_samples: int = 10) -> None:
        self.step = step
        self.sensitive = sensitive
        self.min_samples = min_samples

    def fit(self, X: Any, y: Any = None, groups: Any = None) -> ByGroup:
        """Fit the steps.

        Parameters
        ----------
        X : array or data frame of shape (n_samples, n_features)
            Training rows only.
        y : ignored
        groups : array of shape (n_samples,), column, columns or Groups, optional
            The sensitive attribute, where `sensitive` names no columns.

        Returns
        -------
        ByGroup
            Itself.

        Raises
        ------
        InputError
            If X cannot be used, or the groups are missing or of another length.
        InputTypeError
            If `step` is no step of one matrix.

        Warns
        -----
        UserWarning
            If a group is too small for a step of its own.
        """
        if not isinstance(self.step, (_ColumnStep, _Imputer)):
            raise InputTypeError(
                f"'step' must be a scaler or an imputer of mxfair.preprocessing; got {type(self.step).__name__}. "
                "Give StandardScaler() say."
            )
        minimum = positive_integer(self.min_samples, "min_samples")
        matrix, names, encoded = self._split(X, groups)
        known = [name for name, is_known in zip(encoded.names, encoded.known) if is_known]
        codes = known_codes(encoded, known)
        parts = {known[code]: matrix[rows] for code, rows in _segments(codes) if code >= 0}
        absent = self.step._absent if isinstance(self.step, _Imputer) else np.isnan
        large = [name for name, rows in parts.items() if (~absent(rows)).sum(axis=0).min() >= minimum]
        self._learn_features(_width(X), names)
        self.attributes_ = encoded.name
        self.pooled_ = clone(self.step).fit(matrix)
        self.steps_ = [clone(self.step).fit(parts[name]) for name in large]
        for step in self.steps_:
            step._take_layout(self.pooled_)
        self.group_names_ = tuple(large)
        self.pooled_groups_ = tuple(name for name in known if name not in large)
        self.counts_ = dict(zip(encoded.names, encoded.counts.tolist()))
        self._warn_of_small(minimum)
        return self

    def transform(self, X: Any, groups: Any = None) -> np.ndarray:
        """Return the rows, each transformed by its group's step.

        Parameters
        ----------
        X : array or data frame of shape (n_samples, n_features)
            The fitted columns.
        groups : array of shape (n_samples,), column, columns or Groups, optional
            The sensitive attribute, where `sensitive` names no columns.

        Returns
        -------
        ndarray of shape (n_samples, n_features_out)

        Raises
        ------
        InputError
            If the step is not fitted, X lacks the fitted columns, or the groups are missing or of another length.

        Warns
        -----
        UserWarning
            If groups are unknown or new: their rows are transformed by the step of all rows.
        """
        self._check_fitted()
        matrix, names, encoded = self._split(X, groups)
        self._check_features(_width(X), names)
        codes = self.group_codes(encoded)
        self._warn_of_new(encoded)
        steps = {-1: self.pooled_, **dict(enumerate(self.steps_))}
        parts = [(rows, np.asarray(steps[code].transform(matrix[rows]))) for code, rows in _segments(codes)]
        result = np.empty((len(matrix), parts[0][1].shape[1]), dtype=parts[0][1].dtype)
        for rows, part in parts:
            result[rows] = part
        return result

    def as_block(self) -> Any:
        """Return the fitted step as a Gluon block of two arguments: features and group codes.

        The features are those of X without its sensitive columns, the codes those of `group_codes`.

        Returns
        -------
        gluon.HybridBlock

        Raises
        ------
        InputError
            If the step is not fitted.
        InputTypeError
            If the step of each group has no block.
        """
        self._check_fitted()
        found = [step._formula() for step in [*self.steps_, self.pooled_]]
        from mxfair.preprocessing._blocks import StepBlock  # loads the engine

        constants = {name: _stacked([constants[name] for _, constants in found]) for name in found[0][1]}
        return StepBlock(found[-1][0], constants, self.pooled_.n_features_in_, grouped=True)

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return the names of the columns that `transform` returns.

        Parameters
        ----------
        input_features : array of str, optional
            Names to check against those that were fitted.

        Returns
        -------
        ndarray of str
        """
        names = self._names_in(input_features)
        places = self._places(_Named(names))
        kept = [i for i in range(len(names)) if i not in places]
        return self.pooled_.get_feature_names_out(names[kept])

    def _split(self, X: Any, groups: Any) -> tuple[np.ndarray, np.ndarray | None, Groups]:
        """Return the features as a matrix, the names of all columns, and the groups."""
        names = feature_names(X)
        features, sensitive = self._parts(X, groups)
        matrix = numeric_matrix(features, missing=True, keep_float32=True)
        sensitive = self._need(sensitive, len(matrix))
        encoded = sensitive if isinstance(sensitive, Groups) else Groups(sensitive)
        same_length(X=matrix, groups=encoded)
        return matrix, names, encoded

    def _warn_of_small(self, minimum: int) -> None:
        small = [f"{name} ({self.counts_[name]:,})" for name in self.pooled_groups_]
        if small:
            warnings.warn(
                f"{plural(len(small), 'group')} of fewer than {minimum} values in some column take the step of all "
                f"rows: {', '.join(small[:10])}.",
                stacklevel=3,
            )

    def _warn_of_new(self, encoded: Groups) -> None:
        fitted = {*self.group_names_, *self.pooled_groups_}
        new = [
            f"{name} ({count:,})"
            for name, known, count in zip(encoded.names, encoded.known, encoded.counts)
            if count and not (known and name in fitted)
        ]
        if new:
            warnings.warn(
                f"Rows of unknown or new groups take the step of all rows: {', '.join(new[:10])}.",
                stacklevel=4,  # scikit-learn wraps transform
            )


class _Named:
    """Stands for a data frame of which only the names are known."""

    def __init__(self, names: np.ndarray) -> None:
        self.columns, self.iloc, self.shape = names, None, (0, len(names))


def _segments(codes: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Yield each code and the rows that have it, in ascending order."""
    order = np.argsort(codes, kind="stable")
    found, starts = np.unique(codes[order], return_index=True)
    for code, rows in zip(found, np.split(order, starts[1:])):
        yield int(code), rows


def _stacked(constants: list[np.ndarray]) -> np.ndarray:
    """Return the groups' constants in one array; one with fewer quantiles is padded with ramps of height 0."""
    width = max(constant.shape[-1] for constant in constants)
    pads = [[(0, 0)] * (constant.ndim - 1) + [(0, width - constant.shape[-1])] for constant in constants]
    return np.concatenate([np.pad(constant, pad) for constant, pad in zip(constants, pads)])
