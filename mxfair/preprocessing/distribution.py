"""Power and quantile transforms: scikit-learn's, with the same results, that are Gluon blocks and files too."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from scipy.special import ndtri
from sklearn import preprocessing as _sklearn

from mxfair._validation import InputError
from mxfair.preprocessing._columns import _ColumnStep, _named, by_column
from mxfair.preprocessing._distribution_formulas import (
    BOUND,
    box_cox_block,
    centred_power,
    quantile_block,
    ramps,
    yeo_johnson_block,
)
from mxfair.preprocessing._matrix import in_row_blocks

__all__ = ["PowerTransformer", "QuantileTransformer"]

_Formula = tuple[Callable[..., Any], Mapping[str, np.ndarray]]


class PowerTransformer(_ColumnStep, _sklearn.PowerTransformer):  # type: ignore[misc]  # scikit-learn is untyped
    r"""Bend each column towards a normal distribution by a power: scikit-learn's, as a block and a file too.

    Yeo-Johnson with :math:`f(v, \lambda) = ((1 + v)^\lambda - 1) / \lambda`, and :math:`\log(1 + v)` for
    :math:`\lambda = 0`:

    .. math:: z = f(x, \lambda) \text{ for } x \ge 0, \qquad z = -f(-x, 2 - \lambda) \text{ for } x < 0

    Parameters
    ----------
    method : {'yeo-johnson', 'box-cox'}, default='yeo-johnson'
        Box-Cox takes only numbers above 0; its block gives NaN for others, where `transform` raises an error.
    standardize : bool, default=True
        Whether the result gets mean 0 and standard deviation 1 on the training rows.
    copy : bool, default=True
        Part of scikit-learn's signature; the input is never changed.

    References
    ----------
    Yeo and Johnson, "A New Family of Power Transformations to Improve Normality or Symmetry", Biometrika 2000, eq. 2.1;
    Box and Cox, "An Analysis of Transformations", JRSS B 1964, eq. 1.

    Examples
    --------
    >>> from mxfair.preprocessing import PowerTransformer
    >>> PowerTransformer(method="box-cox").fit([[1.0], [10.0], [100.0]]).transform([[10.0]]).round(6) + 0.0
    array([[0.]])
    """

    def __init__(self, method: str = "yeo-johnson", *, standardize: bool = True, copy: bool = True) -> None:
        super().__init__(method=method, standardize=standardize, copy=copy)

    def fit(self, X: Any, y: Any = None) -> PowerTransformer:
        """Learn the powers of the training rows.

        Parameters
        ----------
        X : array or data frame of shape (n_samples, n_features)
            Training rows only.
        y : ignored

        Returns
        -------
        PowerTransformer
            Itself.
        """
        super().fit(X, y)
        alike, value = _constant(self._matrix(X, missing=True))
        if self.method == "yeo-johnson" and alike.any():  # scikit-learn's from 1.3 on, without gaps
            self.lambdas_[alike] = 1.0
            if self.standardize:
                self._scaler.mean_[alike] = value[alike]
                self._scaler.var_[alike], self._scaler.scale_[alike] = 0.0, 1.0
        return self

    def _for_scikit_learn(self, X: Any) -> Any:
        """Return X checked; a gap in a constant column is filled: scikit-learn would search a power in vain."""
        checked = super()._for_scikit_learn(X)
        array = np.array(checked)
        alike, value = _constant(array)
        return _named(np.where(np.isnan(array) & alike, value, array), getattr(self, "feature_names_in_", None))

    def _fitted(self) -> dict[str, Any]:
        scaler = getattr(self, "_scaler", None)
        kept = {} if scaler is None else {"_scaler": {k: v for k, v in vars(scaler).items() if k.endswith("_")}}
        return {**super()._fitted(), **kept}

    def _set_fitted(self, fitted: dict[str, Any]) -> None:
        kept = dict(fitted)
        scaler = kept.pop("_scaler", None)
        if scaler is not None:
            self._scaler = _sklearn.StandardScaler(copy=False)
            vars(self._scaler).update(scaler)
        super()._set_fitted(kept)

    def _mapped(self, array: np.ndarray) -> np.ndarray:
        if self.method == "box-cox":
            self._check_positive(array)
        size = max(1, 16_384 // array.shape[1])  # rows that stay in the cache
        power = (_BoxCox if self.method == "box-cox" else _YeoJohnson)(np.tile(self.lambdas_, min(size, len(array))))

        def work(rows: np.ndarray, out: np.ndarray) -> None:
            power(rows.reshape(-1), out.reshape(-1))
            if self.standardize:
                out[:] = by_column(out, (np.subtract, self._scaler.mean_), (np.divide, self._scaler.scale_))

        return in_row_blocks(array, work, size=size)

    def _check_positive(self, array: np.ndarray) -> None:
        low = np.flatnonzero((array <= 0).any(axis=0))
        if len(low):
            raise InputError(
                f"Column '{self._names_in()[low[0]]}' must be above 0 for Box-Cox; got "
                f"{np.nanmin(array[:, low[0]]):g}. Use method='yeo-johnson'."
            )

    def _formula(self) -> _Formula:
        powers = np.asarray(self.lambdas_, dtype=np.float64)
        mean, scale = (self._scaler.mean_, self._scaler.scale_) if self.standardize else (0 * powers, 0 * powers + 1)
        if self.method == "box-cox":
            return box_cox_block, centred_power(powers, mean, scale, 0.0, "up")
        constants = centred_power(powers, np.maximum(mean, 0), scale, 1.0, "up")
        constants.update(centred_power(2 - powers, np.maximum(-mean, 0), scale, 1.0, "down"))
        return yeo_johnson_block, constants


def _constant(array: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return which columns hold one value, and the least value of each."""
    low = np.nanmin(array, axis=0)
    return low == np.nanmax(array, axis=0), low


class _BoxCox:
    """Writes expm1(l log x) / l for rows laid end to end; `powers` are theirs."""

    def __init__(self, powers: np.ndarray) -> None:
        self._powers = powers
        self._flat = bool((np.abs(powers) < np.spacing(1.0)).any())

    def __call__(self, x: np.ndarray, out: np.ndarray) -> None:
        _bend(np.log(x, out=out), self._powers[: len(x)], self._flat)


class _YeoJohnson(_BoxCox):
    """Writes expm1(l log1p |x|) / l with the sign of x; l is the power above 0, and 2 less the power below."""

    def __init__(self, powers: np.ndarray) -> None:
        super().__init__(powers)
        self._below = 2 - powers
        self._flat = self._flat or bool((np.abs(self._below) < np.spacing(1.0)).any())

    def __call__(self, x: np.ndarray, out: np.ndarray) -> None:
        power = np.where(x >= 0, self._powers[: len(x)], self._below[: len(x)])
        np.abs(x, out=out)
        _bend(np.log1p(out, out=out), power, self._flat)
        np.copysign(out, x, out=out)


def _bend(size: np.ndarray, power: np.ndarray, flat: bool) -> None:
    """Replace sizes by expm1(power * size) / power, but where the power is 0."""
    where: Any = np.abs(power) >= np.spacing(1.0) if flat else True
    np.multiply(size, power, out=size, where=where)
    np.expm1(size, out=size, where=where)
    np.divide(size, power, out=size, where=where, casting="same_kind")


class QuantileTransformer(_ColumnStep, _sklearn.QuantileTransformer):  # type: ignore[misc]
    """Replace each value by its share of the training rows, or that share's normal quantile: scikit-learn's.

    As a block, a batch of n rows takes n x n_features x n_quantiles numbers: a hundred quantiles do for most columns.

    Parameters
    ----------
    n_quantiles : int, default=1000
        Number of quantiles between which shares are interpolated.
    output_distribution : {'uniform', 'normal'}, default='uniform'
        The distribution that the training rows get.
    ignore_implicit_zeros : bool, default=False
        Part of scikit-learn's signature, about sparse matrices, which are refused.
    subsample : int or None, default=10_000
        Rows from which the quantiles are taken, drawn at random; None takes all.
    random_state : int, RandomState or None, default=None
        Seed of the draw. None draws afresh; global random state is not touched.
    copy : bool, default=True
        Part of scikit-learn's signature; the input is never changed.

    Examples
    --------
    >>> from mxfair.preprocessing import QuantileTransformer
    >>> step = QuantileTransformer(n_quantiles=5).fit([[0.0], [1.0], [2.0], [3.0], [40.0]])
    >>> step.transform([[2.0], [21.5], [99.0]])
    array([[0.5  ],
           [0.875],
           [1.   ]])
    """

    def __init__(
        self,
        *,
        n_quantiles: int = 1000,
        output_distribution: str = "uniform",
        ignore_implicit_zeros: bool = False,
        subsample: int | None = 10_000,
        random_state: Any = None,
        copy: bool = True,
    ) -> None:
        super().__init__(
            n_quantiles=n_quantiles,
            output_distribution=output_distribution,
            ignore_implicit_zeros=ignore_implicit_zeros,
            subsample=subsample,
            random_state=random_state,
            copy=copy,
        )

    def fit(self, X: Any, y: Any = None) -> QuantileTransformer:
        """Learn the quantiles of the training rows.

        Parameters
        ----------
        X : array or data frame of shape (n_samples, n_features)
            Training rows only.
        y : ignored

        Returns
        -------
        QuantileTransformer
            Itself.
        """
        given: Any = self.get_params()["random_state"]
        if given is None:
            self.random_state = np.random.RandomState()  # scikit-learn would take the global one
        try:
            super().fit(X, y)
        finally:
            self.random_state = given
        return self

    def _mapped(self, array: np.ndarray) -> np.ndarray:
        quantiles = np.ascontiguousarray(self.quantiles_.T)
        maps = [_column_map(q, self.references_, self.output_distribution == "normal") for q in quantiles]

        def work(rows: np.ndarray, out: np.ndarray) -> None:
            for place, column in enumerate(maps):
                out[:, place] = column(np.ascontiguousarray(rows[:, place]))

        return in_row_blocks(array, work, size=16_384)

    def _formula(self) -> _Formula:
        normal = self.output_distribution == "normal"
        constants = ramps(self.quantiles_.T, self.references_)
        return functools.partial(quantile_block, normal=normal), constants


def _column_map(quantiles: np.ndarray, references: np.ndarray, normal: bool) -> Callable[[np.ndarray], np.ndarray]:
    """Return the map of a column's values to shares, or to their normal quantiles."""
    repeated = bool((np.diff(quantiles) == 0).any())
    margin = BOUND if normal else 0.0

    def share(x: np.ndarray) -> np.ndarray:
        result = np.interp(x, quantiles, references)
        if repeated:  # a repeated value has an interval of shares: its middle
            result = 0.5 * (result - np.interp(-x, -quantiles[::-1], -references[::-1]))
        result[x + margin > quantiles[-1] if normal else x == quantiles[-1]] = 1
        result[x - margin < quantiles[0] if normal else x == quantiles[0]] = 0
        return result

    if not normal:
        return share
    low, high = ndtri(BOUND - np.spacing(1)), ndtri(1 - (BOUND - np.spacing(1)))
    return lambda x: np.clip(ndtri(share(x)), low, high)
