"""Scalers: scikit-learn's, with the same names, parameters and results, that are Gluon blocks and files too."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from sklearn import preprocessing as _sklearn

from mxfair._validation import InputError, one_of, weights
from mxfair.preprocessing._columns import _ColumnStep, _IncrementalStep, by_column, input_errors
from mxfair.preprocessing._matrix import in_row_blocks, two_parts

__all__ = ["MaxAbsScaler", "MinMaxScaler", "Normalizer", "RobustScaler", "StandardScaler"]

_Formula = tuple[Callable[..., Any], Mapping[str, np.ndarray]]


class StandardScaler(_IncrementalStep, _sklearn.StandardScaler):  # type: ignore[misc]  # scikit-learn is untyped
    r"""Scale each column to mean 0 and standard deviation 1: scikit-learn's, as a block and a file too.

    .. math:: z_j = (x_j - \bar x_j) / s_j

    Parameters
    ----------
    copy : bool, default=True
        Part of scikit-learn's signature; the input is never changed.
    with_mean : bool, default=True
        Whether the mean is taken off.
    with_std : bool, default=True
        Whether the standard deviation is divided by.

    Examples
    --------
    >>> from mxfair.preprocessing import StandardScaler
    >>> StandardScaler().fit([[1.0], [3.0]]).transform([[5.0]])
    array([[3.]])
    """

    def __init__(self, *, copy: bool = True, with_mean: bool = True, with_std: bool = True) -> None:
        super().__init__(copy=copy, with_mean=with_mean, with_std=with_std)

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> StandardScaler:
        """Learn means and standard deviations from the training rows.

        Parameters
        ----------
        X : array or data frame of shape (n_samples, n_features)
            Training rows only.
        y : ignored
        sample_weight : array of shape (n_samples,), optional
            Weights of the rows.

        Returns
        -------
        StandardScaler
            Itself.
        """
        with input_errors():
            _sklearn.StandardScaler.fit(self, X, y, sample_weight)  # calls partial_fit
        return self

    def partial_fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> StandardScaler:
        """Learn from further training rows.

        Parameters
        ----------
        X : array or data frame of shape (n_samples, n_features)
        y : ignored
        sample_weight : array of shape (n_samples,), optional
            Weights of the rows.

        Returns
        -------
        StandardScaler
            Itself.
        """
        return super().partial_fit(X, y, weights(sample_weight))

    def _mapped(self, array: np.ndarray) -> np.ndarray:
        return _centred(array, self.mean_ if self.with_mean else None, self.scale_ if self.with_std else None)

    def _formula(self) -> _Formula:
        n_features = self.n_features_in_
        return _shift_and_scale(
            self.mean_ if self.with_mean else np.zeros(n_features),
            1 / self.scale_ if self.with_std else np.ones(n_features),
        )


class MinMaxScaler(_IncrementalStep, _sklearn.MinMaxScaler):  # type: ignore[misc]
    """Scale each column to a range, [0, 1] by default: scikit-learn's, as a block and a file too.

    Parameters
    ----------
    feature_range : tuple of (min, max), default=(0, 1)
        The range that the training rows get.
    copy : bool, default=True
        Part of scikit-learn's signature; the input is never changed.
    clip : bool, default=False
        Whether values beyond those of the training rows are cut to the range.

    Examples
    --------
    >>> from mxfair.preprocessing import MinMaxScaler
    >>> MinMaxScaler(clip=True).fit([[1.0], [3.0]]).transform([[2.0], [9.0]])
    array([[0.5],
           [1. ]])
    """

    def __init__(self, feature_range: tuple[float, float] = (0, 1), *, copy: bool = True, clip: bool = False) -> None:
        super().__init__(feature_range=feature_range, copy=copy, clip=clip)

    def _mapped(self, array: np.ndarray) -> np.ndarray:
        clip = self.feature_range if self.clip else None
        return by_column(array, (np.multiply, self.scale_), (np.add, self.min_), clip=clip)

    def _formula(self) -> _Formula:
        # x * scale + min = (x - data_min) * scale + lower, which cancels no digits
        return _shift_and_scale(
            self.data_min_, self.scale_, self.feature_range[0], self.feature_range if self.clip else None
        )


class MaxAbsScaler(_IncrementalStep, _sklearn.MaxAbsScaler):  # type: ignore[misc]
    """Divide each column by its largest absolute value: scikit-learn's, as a block and a file too.

    Parameters
    ----------
    copy : bool, default=True
        Part of scikit-learn's signature; the input is never changed.
    clip : bool, default=False
        Whether values beyond those of the training rows are cut to [-1, 1].

    Examples
    --------
    >>> from mxfair.preprocessing import MaxAbsScaler
    >>> MaxAbsScaler().fit([[-4.0], [2.0]]).transform([[2.0]])
    array([[0.5]])
    """

    def __init__(self, *, copy: bool = True, clip: bool = False) -> None:
        self.copy = copy
        self.clip = clip  # scikit-learn has it from 1.8 on

    def _mapped(self, array: np.ndarray) -> np.ndarray:
        return by_column(array, (np.divide, self.scale_), clip=(-1.0, 1.0) if self.clip else None)

    def _formula(self) -> _Formula:
        return _shift_and_scale(np.zeros(self.n_features_in_), 1 / self.scale_, 0.0, (-1.0, 1.0) if self.clip else None)


class RobustScaler(_ColumnStep, _sklearn.RobustScaler):  # type: ignore[misc]
    """Take the median off each column and divide by a range of quantiles: scikit-learn's, as a block and a file too.

    Parameters
    ----------
    with_centering : bool, default=True
        Whether the median is taken off.
    with_scaling : bool, default=True
        Whether the range of quantiles is divided by.
    quantile_range : tuple of (lower, upper), default=(25.0, 75.0)
        The quantiles, in percent.
    copy : bool, default=True
        Part of scikit-learn's signature; the input is never changed.
    unit_variance : bool, default=False
        Whether the range is scaled so that normal data get variance 1.

    Examples
    --------
    >>> from mxfair.preprocessing import RobustScaler
    >>> RobustScaler().fit([[1.0], [2.0], [3.0], [4.0], [900.0]]).transform([[5.0]])
    array([[1.]])
    """

    def __init__(
        self,
        *,
        with_centering: bool = True,
        with_scaling: bool = True,
        quantile_range: tuple[float, float] = (25.0, 75.0),
        copy: bool = True,
        unit_variance: bool = False,
    ) -> None:
        super().__init__(
            with_centering=with_centering,
            with_scaling=with_scaling,
            quantile_range=quantile_range,
            copy=copy,
            unit_variance=unit_variance,
        )

    def _mapped(self, array: np.ndarray) -> np.ndarray:
        return _centred(
            array, self.center_ if self.with_centering else None, self.scale_ if self.with_scaling else None
        )

    def _formula(self) -> _Formula:
        n_features = self.n_features_in_
        return _shift_and_scale(
            self.center_ if self.with_centering else np.zeros(n_features),
            1 / self.scale_ if self.with_scaling else np.ones(n_features),
        )


class Normalizer(_ColumnStep, _sklearn.Normalizer):  # type: ignore[misc]
    """Divide each row by its norm: scikit-learn's, as a block and a file too. Nothing is learnt; a row of 0 stays.

    It needs no `fit`; after one, it takes only the fitted columns.

    Parameters
    ----------
    norm : {'l1', 'l2', 'max'}, default='l2'
        The norm.
    copy : bool, default=True
        Part of scikit-learn's signature; the input is never changed.

    Examples
    --------
    >>> from mxfair.preprocessing import Normalizer
    >>> Normalizer().transform([[3.0, 4.0]])
    array([[0.6, 0.8]])
    """

    _missing = False

    def __init__(self, norm: str = "l2", *, copy: bool = True) -> None:
        super().__init__(norm, copy=copy)

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def _check_features(self, count: int, names: np.ndarray | None) -> None:
        if hasattr(self, "n_features_in_"):
            super()._check_features(count, names)

    def _names_in(self, input_features: Any = None) -> np.ndarray:
        if not hasattr(self, "n_features_in_"):
            raise InputError("Normalizer must be fitted to know the names of the features. Call fit first.")
        return super()._names_in(input_features)

    def inverse_transform(self, X: Any) -> np.ndarray:
        """Raise an error: the norms of the rows are not kept.

        Parameters
        ----------
        X : array

        Returns
        -------
        ndarray
            Never.

        Raises
        ------
        InputError
            Always.
        """
        raise InputError("Normalizer must not be inverted: the rows' norms are lost. Keep the rows themselves.")

    def _mapped(self, array: np.ndarray) -> np.ndarray:
        norm = _NORMS[one_of(self.norm, _NORMS, "norm")]
        least = 10 * np.finfo(array.dtype).eps  # scikit-learn's bound: below it, a row counts as 0

        def work(rows: np.ndarray, out: np.ndarray) -> None:
            norms = norm(rows)
            np.divide(rows, np.where(norms < least, 1, norms)[:, None], out=out)

        return in_row_blocks(array, work)

    def _formula(self) -> _Formula:
        return functools.partial(_normalized, norm=one_of(self.norm, _NORMS, "norm")), {}


#: Norms of the rows of a matrix.
_NORMS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "l1": lambda rows: np.abs(rows).sum(axis=1),
    "l2": lambda rows: np.sqrt(np.einsum("ij,ij->i", rows, rows)),
    "max": lambda rows: np.abs(rows).max(axis=1),
}


def _centred(array: np.ndarray, centre: np.ndarray | None, scale: np.ndarray | None) -> np.ndarray:
    """Return (array - centre) / scale by column; None leaves an operation out."""
    operations: list[tuple[np.ufunc, Any]] = [(np.subtract, centre), (np.divide, scale)]
    return by_column(array, *[(ufunc, operand) for ufunc, operand in operations if operand is not None])


def _shift_and_scale(
    shift: np.ndarray, factor: np.ndarray, offset: float = 0.0, clip: tuple[float, float] | None = None
) -> _Formula:
    """Return (x - shift) * factor + offset; the shift in two parts, since single precision cuts its digits."""
    high, rest = two_parts(shift)
    constants = {"shift": high, "rest": rest, "factor": factor}
    formula = functools.partial(_shifted_and_scaled, offset=float(offset), clip=clip)
    return formula, {name: np.asarray(value)[None] for name, value in constants.items()}


def _shifted_and_scaled(
    F: Any, x: Any, shift: Any, rest: Any, factor: Any, *, offset: float, clip: tuple[float, float] | None
) -> Any:
    centred = F.broadcast_sub(F.broadcast_sub(x, shift), rest)
    result = F.broadcast_mul(centred, factor) + offset
    return result if clip is None else F.clip(result, a_min=float(clip[0]), a_max=float(clip[1]))


def _normalized(F: Any, x: Any, *, norm: str) -> Any:
    least = 10 * float(np.finfo(np.float64).eps)
    # a row of large numbers is divided by its largest first, so that squares are finite: the result is the same
    largest = F.BlockGrad(F.max(F.abs(x), axis=1, keepdims=True))
    x = F.broadcast_div(x, F.maximum(largest, F.ones_like(largest)))
    if norm == "l2":  # the root is taken of what is not 0: its gradient there is infinite
        squares = F.sum(x * x, axis=1, keepdims=True)
        norms = F.sqrt(F.where(squares < least**2, F.ones_like(squares), squares))
    else:
        norms = (F.sum if norm == "l1" else F.max)(F.abs(x), axis=1, keepdims=True)
        norms = F.where(norms < least, F.ones_like(norms), norms)
    return F.broadcast_div(x, norms)
