"""What the scalers share: one operation per column, at the speed of memory."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from mxfair._validation import InputError
from mxfair.preprocessing._base import Step
from mxfair.preprocessing._matrix import feature_names, numeric_matrix


class _ColumnStep(Step):
    """A transformer of scikit-learn's that keeps its columns; subclasses name it as their second base.

    NaN is left out when fitting and stays NaN, as with scikit-learn. The input is never changed, whatever `copy` says.
    """

    _missing = True

    def fit(self, X: Any, y: Any = None) -> Any:
        """Learn from the training rows.

        Parameters
        ----------
        X : array or data frame of shape (n_samples, n_features)
            Training rows only.
        y : ignored

        Returns
        -------
        Step
            Itself.

        Raises
        ------
        InputError
            If X is no matrix of finite numbers (NaN is allowed), or a column holds only NaN.
        """
        with input_errors():
            super().fit(self._for_scikit_learn(X), y)  # type: ignore[misc]
        return self

    def _for_scikit_learn(self, X: Any) -> Any:
        """Return X checked, as scikit-learn takes it: a copy of a data frame keeps its names."""
        names = feature_names(X)
        array = numeric_matrix(X, missing=self._missing, keep_float32=True)
        _check_columns(array, names)
        self._learn_features(array.shape[1], names)
        return _named(array, getattr(self, "feature_names_in_", None))

    def transform(self, X: Any) -> np.ndarray:
        """Return the transformed features.

        Parameters
        ----------
        X : array or data frame of shape (n_samples, n_features)
            The fitted columns.

        Returns
        -------
        ndarray of shape (n_samples, n_features)
            float32 for a float32 array, else float64; a data frame after ``set_output(transform="pandas")``.

        Raises
        ------
        InputError
            If the step is not fitted, or X lacks the fitted columns or is not finite (NaN is allowed).
        """
        return self._mapped(self._matrix(X, missing=self._missing, keep_float32=True))

    def fit_transform(self, X: Any, y: Any = None, **fit_params: Any) -> np.ndarray:
        """Fit and return the transformed training rows.

        Parameters
        ----------
        X : array or data frame of shape (n_samples, n_features)
        y : ignored
        **fit_params : object
            What `fit` takes beside.

        Returns
        -------
        ndarray of shape (n_samples, n_features)
        """
        return self.fit(X, y, **fit_params).transform(X)

    def inverse_transform(self, X: Any) -> np.ndarray:
        """Return features in their own units again.

        Parameters
        ----------
        X : array or data frame of shape (n_samples, n_features)
            What `transform` returned.

        Returns
        -------
        ndarray of shape (n_samples, n_features)
        """
        with input_errors():
            return super().inverse_transform(  # type: ignore[misc]
                self._matrix(X, missing=True, keep_float32=True).copy()
            )

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return the names of the features, which stay.

        Parameters
        ----------
        input_features : array of str, optional
            Names to check against those that were fitted.

        Returns
        -------
        ndarray of str
        """
        return self._names_in(input_features)

    def _mapped(self, array: np.ndarray) -> np.ndarray:
        raise NotImplementedError  # a subclass gives it


class _IncrementalStep(_ColumnStep):
    """A column step that can be fitted in chunks."""

    def fit(self, X: Any, y: Any = None) -> Any:
        """Learn from the training rows.

        Parameters
        ----------
        X : array or data frame of shape (n_samples, n_features)
            Training rows only.
        y : ignored

        Returns
        -------
        Step
            Itself.
        """
        with input_errors():
            super(Step, self).fit(X, y)  # type: ignore[misc]  # scikit-learn's, which calls partial_fit
        return self

    def partial_fit(self, X: Any, y: Any = None, *args: Any) -> Any:
        """Learn from further training rows.

        Parameters
        ----------
        X : array or data frame of shape (n_samples, n_features)
        y : ignored
        *args : array
            What `fit` takes beside.

        Returns
        -------
        Step
            Itself.
        """
        with input_errors():
            if hasattr(self, "n_samples_seen_"):
                array = self._matrix(X, missing=True, keep_float32=True)
                X = _named(array, getattr(self, "feature_names_in_", None))
            else:
                X = self._for_scikit_learn(X)
            super().partial_fit(X, y, *args)  # type: ignore[misc]
        return self


def _named(array: np.ndarray, names: np.ndarray | None) -> Any:
    if names is None:
        return array.copy()
    import pandas as pd

    return pd.DataFrame(array.copy(), columns=names)


def _check_columns(array: np.ndarray, names: np.ndarray | None) -> None:
    """Refuse columns without a value: nothing can be learnt from them."""
    if not np.isnan(array.sum()):
        return
    empty = np.flatnonzero(np.isnan(array).all(axis=0))
    if len(empty):
        name = empty[0] if names is None else names[empty[0]]
        raise InputError(f"Column '{name}' must hold values; all {len(array):,} are missing. Leave the column out.")


@contextlib.contextmanager
def input_errors() -> Iterator[None]:
    """Raise scikit-learn's complaints about the user's input as errors of ours."""
    try:
        yield
    except InputError:
        raise
    except ValueError as error:
        text = " ".join(str(error).split())
        raise InputError(f"{text.rstrip('.')}.") from error


def by_column(array: np.ndarray, *operations: tuple[np.ufunc, Any], clip: Sequence[float] | None = None) -> np.ndarray:
    """Return ufunc(...(ufunc(array, operand per column))...) in one pass over the matrix, clipped in the end."""
    n_samples, n_features = array.shape
    size = max(1, 16_384 // n_features)  # rows that stay in the cache between operations
    operands = [np.tile(np.asarray(value, dtype=array.dtype), min(size, n_samples)) for _, value in operations]
    flat = array.reshape(-1)
    result = np.empty_like(flat)
    for start in range(0, len(flat), size * n_features):
        rows, out = flat[start : start + size * n_features], result[start : start + size * n_features]
        source = rows
        for (ufunc, _), operand in zip(operations, operands):
            ufunc(source, operand[: len(out)], out=out, casting="same_kind")
            source = out
        if source is rows:
            out[:] = rows
        if clip is not None:
            np.clip(out, clip[0], clip[1], out=out)
    return result.reshape(array.shape)
