"""Missing values: scikit-learn's imputers of numbers, with indicators, that are blocks and files too."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from sklearn import impute as _sklearn

from mxfair._validation import InputError, InputTypeError
from mxfair.preprocessing._imputer import _Imputer
from mxfair.preprocessing._matrix import numeric_matrix

__all__ = ["KNNImputer", "SimpleImputer"]

_Formula = tuple[Callable[..., Any], Mapping[str, np.ndarray]]


class SimpleImputer(_Imputer, _sklearn.SimpleImputer):  # type: ignore[misc]  # scikit-learn is untyped
    """Fill missing numbers with one value per column: scikit-learn's, as a block and a file too.

    Parameters
    ----------
    missing_values : number, default=NaN
        What counts as missing; None and pandas' NA are NaN.
    strategy : {'mean', 'median', 'most_frequent', 'constant'}, default='mean'
        What is filled in, of the training rows' values in the column.
    fill_value : number, optional
        The constant; 0 by default.
    copy : bool, default=True
        Part of scikit-learn's signature; the input is never changed.
    add_indicator : bool, default=False
        Whether a column of 0 and 1 is added for each column that lacks values in the training rows.
    keep_empty_features : bool, default=False
        Whether a column without any value is filled with 0, or the constant; else it is an error. scikit-learn drops
        it.

    Attributes
    ----------
    statistics_ : ndarray of shape (n_features,)
        What is filled in.
    missing_counts_ : ndarray of int, shape (n_features,)
        Missing values of the training rows by column.

    Examples
    --------
    >>> from mxfair.preprocessing import SimpleImputer
    >>> step = SimpleImputer(strategy="median", add_indicator=True).fit([[1.0], [2.0], [9.0], [float("nan")]])
    >>> step.transform([[5.0], [float("nan")]])
    array([[5., 0.],
           [2., 1.]])
    """

    def __init__(
        self,
        *,
        missing_values: Any = np.nan,
        strategy: str = "mean",
        fill_value: Any = None,
        copy: bool = True,
        add_indicator: bool = False,
        keep_empty_features: bool = False,
    ) -> None:
        super().__init__(
            missing_values=missing_values,
            strategy=strategy,
            fill_value=fill_value,
            copy=copy,
            add_indicator=add_indicator,
            keep_empty_features=keep_empty_features,
        )

    def _fit(self, array: np.ndarray, y: Any) -> None:
        value = self.fill_value
        if self.strategy == "constant" and isinstance(value, (int, float, np.number)) and not np.isfinite(value):
            raise InputError(f"'fill_value' must be finite; got {value}. What is missing would stay so.")
        super()._fit(array, y)

    def _fill(self, array: np.ndarray, result: np.ndarray, places: np.ndarray) -> np.ndarray:
        width = array.shape[1]
        size = max(1, 16_384 // width)  # rows that stay in the cache
        values = np.tile(self._values().astype(array.dtype), (min(size, len(array)), 1))
        counts = np.zeros(width, dtype=np.int64)
        for start in range(0, len(array), size):
            rows, out = array[start : start + size], result[start : start + size]
            absent = self._absent(rows)
            out[:, :width] = np.where(absent, values[: len(rows)], rows)
            out[:, width:] = absent[:, places]
            counts += np.count_nonzero(absent, axis=0)
        return counts

    def _values(self) -> np.ndarray:
        return np.asarray(self.statistics_, dtype=np.float64)

    def inverse_transform(self, X: Any) -> np.ndarray:
        """Return the features with missing values where the indicators say so.

        Parameters
        ----------
        X : array or data frame of shape (n_samples, n_features + n_indicators)
            What `transform` returned.

        Returns
        -------
        ndarray of shape (n_samples, n_features)

        Raises
        ------
        InputError
            If the step has no indicators.
        """
        self._check_fitted()
        if not self.add_indicator:
            raise InputError("SimpleImputer must have indicators to be inverted. Construct it with add_indicator=True.")
        array, places = numeric_matrix(X), self._indicated()
        n_features = self.n_features_in_
        if array.shape[1] != n_features + len(places):
            raise InputError(
                f"'X' must have {n_features + len(places)} columns, as transform returns; got {array.shape[1]}."
            )
        result = array[:, :n_features].copy()
        absent = np.zeros(result.shape, dtype=bool)
        absent[:, places] = array[:, n_features:] > 0.5
        result[absent] = self.missing_values
        return result

    def _formula(self) -> _Formula:
        places = tuple(self._indicated().tolist()) if self.add_indicator else ()
        sentinel = None if self._nan_is_missing() else float(self.missing_values)
        formula = functools.partial(_filled_block, places=places, sentinel=sentinel)
        return formula, {"values": self._values()[None]}


def _filled_block(F: Any, x: Any, values: Any, *, places: tuple[int, ...], sentinel: float | None) -> Any:
    absent = x != x if sentinel is None else x == sentinel
    filled = F.where(absent, F.broadcast_mul(F.ones_like(x), values), x)
    indicators = [F.slice_axis(absent, axis=1, begin=place, end=place + 1) for place in places]
    return F.concat(filled, *indicators, dim=1) if indicators else filled


class KNNImputer(_Imputer, _sklearn.KNNImputer):  # type: ignore[misc]
    """Fill missing numbers with the mean of the nearest training rows: scikit-learn's, as a file too.

    It keeps the training rows, also in its file, so that it has no block. Scale the columns before: distances are
    Euclidean.

    Parameters
    ----------
    missing_values : number, default=NaN
        What counts as missing; None and pandas' NA are NaN.
    n_neighbors : int, default=5
        Number of training rows.
    weights : {'uniform', 'distance'} or callable, default='uniform'
        How they count. A step with a function cannot be stored.
    metric : {'nan_euclidean'} or callable, default='nan_euclidean'
        Distance of rows with missing values.
    copy : bool, default=True
        Part of scikit-learn's signature; the input is never changed.
    add_indicator : bool, default=False
        Whether a column of 0 and 1 is added for each column that lacks values in the training rows.
    keep_empty_features : bool, default=False
        Whether a column without any value is filled with 0; else it is an error. scikit-learn drops it.

    Attributes
    ----------
    missing_counts_ : ndarray of int, shape (n_features,)
        Missing values of the training rows by column.

    Examples
    --------
    >>> from mxfair.preprocessing import KNNImputer
    >>> step = KNNImputer(n_neighbors=2).fit([[1.0, 2.0], [2.0, 4.0], [9.0, 18.0]])
    >>> step.transform([[1.4, float("nan")]])
    array([[1.4, 3. ]])
    """

    def __init__(
        self,
        *,
        missing_values: Any = np.nan,
        n_neighbors: int = 5,
        weights: Any = "uniform",
        metric: Any = "nan_euclidean",
        copy: bool = True,
        add_indicator: bool = False,
        keep_empty_features: bool = False,
    ) -> None:
        super().__init__(
            missing_values=missing_values,
            n_neighbors=n_neighbors,
            weights=weights,
            metric=metric,
            copy=copy,
            add_indicator=add_indicator,
            keep_empty_features=keep_empty_features,
        )

    def _fit(self, array: np.ndarray, y: Any) -> None:
        super()._fit(array, y)
        self.rows_ = self._fit_X

    def _fill(self, array: np.ndarray, result: np.ndarray, places: np.ndarray) -> np.ndarray:
        absent = self._absent(array)
        plain = _sklearn.KNNImputer(**{**self.get_params(), "add_indicator": False})
        if absent.any():  # scikit-learn would put 0 over what a column holds that had no value when fitted
            result[:, : array.shape[1]] = np.where(absent, np.asarray(plain.fit(self.rows_).transform(array)), array)
        else:
            result[:, : array.shape[1]] = array
        result[:, array.shape[1] :] = absent[:, places]
        return np.count_nonzero(absent, axis=0)

    def _formula(self) -> _Formula:
        raise InputTypeError(
            "KNNImputer must be applied before training: it looks up training rows and has no block. Use transform."
        )
