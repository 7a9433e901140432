"""What the imputers share."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from mxfair._validation import InputError
from mxfair.preprocessing._base import Step
from mxfair.preprocessing._columns import input_errors
from mxfair.preprocessing._matrix import feature_names, numeric_matrix


class _Imputer(Step):
    """Checks, indicators, names and the file of an imputer; subclasses name scikit-learn's as their second base."""

    missing_values: Any
    add_indicator: bool
    keep_empty_features: bool

    def fit(self, X: Any, y: Any = None) -> Any:
        """Learn from the training rows what takes the place of missing values.

        Parameters
        ----------
        X : array or data frame of numbers, shape (n_samples, n_features)
            Training rows only.
        y : ignored

        Returns
        -------
        Step
            Itself.

        Raises
        ------
        InputError
            If X is no matrix of numbers, or a column holds no value at all (unless ``keep_empty_features=True``).
        """
        names = feature_names(X)
        array = self._numbers(X)
        absent = self._absent(array)
        empty = np.flatnonzero(absent.all(axis=0))
        if len(empty) and not self.keep_empty_features:
            name = empty[0] if names is None else names[empty[0]]
            raise InputError(
                f"Column '{name}' must hold values; all {len(array):,} are missing. Leave the column out, or fill it "
                "with keep_empty_features=True."
            )
        self._learn_features(array.shape[1], names)
        self._fit(array, y)
        self.missing_counts_ = absent.sum(axis=0)
        return self

    def _fit(self, array: np.ndarray, y: Any) -> None:
        names = getattr(self, "feature_names_in_", None)
        with input_errors():
            super().fit(array.copy(), y)  # type: ignore[misc]  # scikit-learn's
        if names is not None:
            self.feature_names_in_ = names  # scikit-learn was given an array

    def transform(self, X: Any) -> np.ndarray:
        """Return the rows with the missing values filled, and the indicators behind them.

        Parameters
        ----------
        X : array or data frame of numbers, shape (n_samples, n_features)
            The fitted columns.

        Returns
        -------
        ndarray of shape (n_samples, n_features + n_indicators)
            float32 for a float32 array, else float64. A data frame after ``set_output(transform="pandas")``.

        Raises
        ------
        InputError
            If the step is not fitted, or X lacks the fitted columns or holds infinite numbers.

        Warns
        -----
        UserWarning
            If a value is missing in a column that had none missing when fitted: it gets no indicator.
        """
        self._check_fitted()
        names = feature_names(X)
        array = self._numbers(X)
        self._check_features(array.shape[1], names)
        places = self._indicated() if self.add_indicator else np.empty(0, dtype=np.int64)
        result = np.empty((len(array), array.shape[1] + len(places)), dtype=array.dtype)
        self._warn_of_new(self._fill(array, result, places))
        return result

    def fit_transform(self, X: Any, y: Any = None) -> np.ndarray:
        """Fit and return the filled training rows.

        Parameters
        ----------
        X : array or data frame of numbers, shape (n_samples, n_features)
        y : ignored

        Returns
        -------
        ndarray of shape (n_samples, n_features + n_indicators)
        """
        return self.fit(X, y).transform(X)

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return the names of the features, and ``missingindicator_NAME`` for each indicator.

        Parameters
        ----------
        input_features : array of str, optional
            Names to check against those that were fitted.

        Returns
        -------
        ndarray of str
        """
        names = self._names_in(input_features)
        added = [f"missingindicator_{name}" for name in names[self._indicated()]] if self.add_indicator else []
        return np.array([*names, *added], dtype=object)

    def _indicated(self) -> np.ndarray:
        """Return the places of the columns that lacked values when fitted."""
        return np.flatnonzero(self.missing_counts_)

    def _take_layout(self, pooled: Any) -> None:
        self.missing_counts_ = pooled.missing_counts_

    def _numbers(self, X: Any) -> np.ndarray:
        return numeric_matrix(X, missing=self._nan_is_missing(), keep_float32=True)

    def _nan_is_missing(self) -> bool:
        value = self.missing_values
        if isinstance(value, bool) or not isinstance(value, (int, float, np.number)):
            raise InputError(f"'missing_values' must be a number or NaN; got {value!r}. None and NA count as NaN.")
        return bool(np.isnan(value))

    def _absent(self, array: np.ndarray) -> np.ndarray:
        return np.isnan(array) if self._nan_is_missing() else array == self.missing_values

    def _warn_of_new(self, counts: np.ndarray) -> None:
        new = np.flatnonzero((counts > 0) & (self.missing_counts_ == 0))
        if len(new):
            shown = ", ".join(f"'{name}' ({counts[i]:,})" for i, name in zip(new, self._names_in()[new]))
            extra = "; they get no indicator" if self.add_indicator else ""
            warnings.warn(
                f"Values are missing in columns that had none missing when fitted: {shown}{extra}. They are filled.",
                stacklevel=4,  # scikit-learn wraps transform
            )

    def _fill(self, array: np.ndarray, result: np.ndarray, places: np.ndarray) -> np.ndarray:
        """Write filled rows and the indicators of some columns; return what was missing, by column."""
        raise NotImplementedError  # a subclass gives it

    def _fitted(self) -> dict[str, Any]:
        """Return what was fitted, but for scikit-learn's indicator: ours is made of `missing_counts_`."""
        return {name: value for name, value in super()._fitted().items() if name != "indicator_"}
