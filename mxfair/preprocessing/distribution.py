"""Power and quantile transforms: scikit-learn's, with the same results, that are Gluon blocks and files too."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from scipy.special import ndtri
from sklearn import preprocessing as _sklearn

from mxfair._validation import InputError
from mxfair.preprocessing._columns import _ColumnStep, by_column
from mxfair.preprocessing._matrix import in_row_blocks

__all__ = ["PowerTransformer", "QuantileTransformer"]

#: scikit-learn's: shares nearer to 0 or 1 than this count as 0 or 1, and normal quantiles are cut there.
_BOUND = 1e-7
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
            return _box_cox_block, _centred_power(powers, mean, scale, 0.0, "up")
        constants = _centred_power(powers, np.maximum(mean, 0), scale, 1.0, "up")
        constants.update(_centred_power(2 - powers, np.maximum(-mean, 0), scale, 1.0, "down"))
        return _yeo_johnson_block, constants


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


def _centred_power(
    powers: np.ndarray, mean: np.ndarray, scale: np.ndarray, one: float, name: str
) -> dict[str, np.ndarray]:
    """Return what single precision needs for (f(v) - mean) / scale, where f(v) = ((one + v)^power - 1) / power.

    With v0 = f^-1(mean) it is (1 + power mean) / (power scale) expm1(power log1p((v - v0) / (one + v0))): neither a
    large power overflows, nor does a small spread around a large v0 vanish.
    """
    flat = np.abs(powers) < np.spacing(1.0)
    safe = np.where(flat, 1.0, powers)
    with np.errstate(all="ignore"):
        start = np.where(flat, np.exp(mean), np.exp(np.log1p(safe * mean) / safe)) - one
        lost = ~(np.isfinite(start) & (one + start > 0))  # beyond double precision: centred afterwards
    start = np.where(lost, 1 - one, start)
    inner = np.where(lost, 0.0, mean)
    high = start.astype(np.float32)
    constants = {
        "start": high,
        "rest": start - high,
        "spread": 1 / (one + start),
        "power": safe,
        "factor": np.where(flat, 0.0, (1 + safe * inner) / (safe * scale)),
        "flat": np.where(flat, 1 / scale, 0.0),
        "offset": (mean - inner) / scale,
    }
    return {f"{name}_{key}": np.asarray(value)[None] for key, value in constants.items()}


def _bent(F: Any, v: Any, constants: Mapping[str, Any], name: str) -> Any:
    """Return (f(v) - mean) / scale of `_centred_power`; all parts are finite: no gradient is NaN."""
    own = {key[len(name) + 1 :]: value for key, value in constants.items() if key.startswith(f"{name}_")}
    past = F.broadcast_sub(F.broadcast_sub(v, own["start"]), own["rest"])
    size = F.log1p(F.broadcast_mul(past, own["spread"]))
    bent = F.broadcast_mul(F.expm1(F.broadcast_mul(size, own["power"])), own["factor"])
    return F.broadcast_sub(bent + F.broadcast_mul(size, own["flat"]), own["offset"])


def _yeo_johnson_block(F: Any, x: Any, **constants: Any) -> Any:
    # the branch of the other sign is f(0) = 0, so that the sum needs no mask
    return _bent(F, F.relu(x), constants, "up") - _bent(F, F.relu(-x), constants, "down")


def _box_cox_block(F: Any, x: Any, **constants: Any) -> Any:
    return _bent(F, x, constants, "up")


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
        constants = _ramps(self.quantiles_.T, self.references_)
        return functools.partial(_quantile_block, normal=normal), constants


def _column_map(quantiles: np.ndarray, references: np.ndarray, normal: bool) -> Callable[[np.ndarray], np.ndarray]:
    """Return the map of a column's values to shares, or to their normal quantiles."""
    repeated = bool((np.diff(quantiles) == 0).any())
    margin = _BOUND if normal else 0.0

    def share(x: np.ndarray) -> np.ndarray:
        result = np.interp(x, quantiles, references)
        if repeated:  # a repeated value has an interval of shares: its middle
            result = 0.5 * (result - np.interp(-x, -quantiles[::-1], -references[::-1]))
        result[x + margin > quantiles[-1] if normal else x == quantiles[-1]] = 1
        result[x - margin < quantiles[0] if normal else x == quantiles[0]] = 0
        return result

    if not normal:
        return share
    low, high = ndtri(_BOUND - np.spacing(1)), ndtri(1 - (_BOUND - np.spacing(1)))
    return lambda x: np.clip(ndtri(share(x)), low, high)


def _ramps(quantiles: np.ndarray, references: np.ndarray) -> dict[str, np.ndarray]:
    """Return the share as a sum of ramps of width > 0 and steps: sum_k rise_k clip((x - start_k) / width_k, 0, 1)."""
    width, rise = np.diff(quantiles, axis=1), np.broadcast_to(np.diff(references), np.diff(quantiles, axis=1).shape)
    if not width.shape[1]:  # one quantile: all values are alike
        width, rise = np.zeros((len(quantiles), 1)), np.ones((len(quantiles), 1))
    start = quantiles[:, : width.shape[1]]
    step = width == 0
    # a step counts half at its value, nothing at the lowest value, all of it at the highest
    lowest, highest = start == quantiles[:, :1], start == quantiles[:, -1:]
    at = np.where(lowest, 0.0, np.where(highest, 1.0, 0.5))
    high = start.astype(np.float32)
    constants = {
        "start": high,
        "rest": start - high,
        "factor": np.where(step, 0.0, 1 / np.where(step, 1.0, width)),
        "ramp": np.where(step, 0.0, rise),
        "at": np.where(step, rise * at, 0.0),
        "after": np.where(step, rise * (1 - at), 0.0),
    }
    return {name: value[None] for name, value in constants.items()}


def _quantile_block(
    F: Any, x: Any, start: Any, rest: Any, factor: Any, ramp: Any, at: Any, after: Any, *, normal: bool
) -> Any:
    past = F.broadcast_sub(F.broadcast_sub(F.expand_dims(x, axis=2), start), rest)
    filled = F.clip(F.broadcast_mul(past, factor), a_min=0.0, a_max=1.0)
    reached, passed = past >= 0, past > 0
    low = F.sum(_weighted(F, (filled, ramp), (reached, at), (passed, after)), axis=2)
    if not normal:
        return low + (x - x)  # NaN stays NaN in a column of one value
    high = F.sum(_weighted(F, (1 - filled, ramp), (1 - reached, at), (1 - passed, after)), axis=2)
    return _normal_quantile(F, low, high) + (x - x)


def _weighted(F: Any, *pairs: tuple[Any, Any]) -> Any:
    terms = [F.broadcast_mul(value, weight) for value, weight in pairs]
    return terms[0] + terms[1] + terms[2]


#: Giles's polynomials for the inverse error function in single precision, highest power first.
_CENTRE = (
    2.81022636e-08,
    3.43273939e-07,
    -3.5233877e-06,
    -4.39150654e-06,
    0.00021858087,
    -0.00125372503,
    -0.00417768164,
    0.246640727,
    1.50140941,
)
_TAIL = (
    -0.000200214257,
    0.000100950558,
    0.00134934322,
    -0.00367342844,
    0.00573950773,
    -0.0076224613,
    0.00943887047,
    1.00167406,
    2.83297682,
)


def _normal_quantile(F: Any, low: Any, high: Any) -> Any:
    """Return the normal quantile of a share, given with what is above it: 1 - share has no digits left in the tails.

    M. Giles, "Approximating the erfinv Function", GPU Computing Gems 2011: w = -log((1 - y)(1 + y)), y = 2 share - 1.
    """
    low, high = F.clip(low, a_min=_BOUND, a_max=1.0), F.clip(high, a_min=_BOUND, a_max=1.0)
    w = -F.log(F.clip(4 * low * high, a_min=0.0, a_max=1.0))
    centre = _polynomial(_CENTRE, F.clip(w, a_min=0.0, a_max=5.0) - 2.5)
    tail = _polynomial(_TAIL, F.sqrt(F.clip(w, a_min=5.0, a_max=99.0)) - 3)  # no root of 0: its gradient is infinite
    return math.sqrt(2) * F.where(w < 5, centre, tail) * (low - high)


def _polynomial(coefficients: tuple[float, ...], w: Any) -> Any:
    total: Any = coefficients[0]
    for coefficient in coefficients[1:]:
        total = total * w + coefficient
    return total
