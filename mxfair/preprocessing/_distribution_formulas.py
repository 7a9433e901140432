"""The formulas of the power and quantile transforms as blocks compute them, in single precision."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from mxfair.preprocessing._matrix import two_parts

#: scikit-learn's: shares nearer to 0 or 1 than this count as 0 or 1, and normal quantiles are cut there.
BOUND = 1e-7


def centred_power(
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
    high, rest = two_parts(start)
    constants = {
        "start": high,
        "rest": rest,
        "spread": 1 / (one + start),
        "power": safe,
        "factor": np.where(flat, 0.0, (1 + safe * inner) / (safe * scale)),
        "flat": np.where(flat, 1 / scale, 0.0),
        "offset": (mean - inner) / scale,
    }
    return {f"{name}_{key}": np.asarray(value)[None] for key, value in constants.items()}


def _bent(F: Any, v: Any, constants: Mapping[str, Any], name: str) -> Any:
    """Return (f(v) - mean) / scale of `centred_power`; all parts are finite: no gradient is NaN."""
    own = {key[len(name) + 1 :]: value for key, value in constants.items() if key.startswith(f"{name}_")}
    past = F.broadcast_sub(F.broadcast_sub(v, own["start"]), own["rest"])
    size = F.log1p(F.broadcast_mul(past, own["spread"]))
    bent = F.broadcast_mul(F.expm1(F.broadcast_mul(size, own["power"])), own["factor"])
    return F.broadcast_sub(bent + F.broadcast_mul(size, own["flat"]), own["offset"])


def yeo_johnson_block(F: Any, x: Any, **constants: Any) -> Any:
    # the branch of the other sign is f(0) = 0, so that the sum needs no mask
    return _bent(F, F.relu(x), constants, "up") - _bent(F, F.relu(-x), constants, "down")


def box_cox_block(F: Any, x: Any, **constants: Any) -> Any:
    return _bent(F, x, constants, "up")


def ramps(quantiles: np.ndarray, references: np.ndarray) -> dict[str, np.ndarray]:
    """Return the share as a sum of ramps of width > 0 and steps: sum_k rise_k clip((x - start_k) / width_k, 0, 1)."""
    width, rise = np.diff(quantiles, axis=1), np.broadcast_to(np.diff(references), np.diff(quantiles, axis=1).shape)
    if not width.shape[1]:  # one quantile: all values are alike
        width, rise = np.zeros((len(quantiles), 1)), np.ones((len(quantiles), 1))
    start = quantiles[:, : width.shape[1]]
    step = width == 0
    # a step counts half at its value, nothing at the lowest value, all of it at the highest
    lowest, highest = start == quantiles[:, :1], start == quantiles[:, -1:]
    at = np.where(lowest, 0.0, np.where(highest, 1.0, 0.5))
    high, rest = two_parts(start)
    constants = {
        "start": high,
        "rest": rest,
        "factor": np.where(step, 0.0, 1 / np.where(step, 1.0, width)),
        "ramp": np.where(step, 0.0, rise),
        "at": np.where(step, rise * at, 0.0),
        "after": np.where(step, rise * (1 - at), 0.0),
    }
    return {name: value[None] for name, value in constants.items()}


def quantile_block(
    F: Any, x: Any, start: Any, rest: Any, factor: Any, ramp: Any, at: Any, after: Any, *, normal: bool
) -> Any:
    past = F.broadcast_sub(F.broadcast_sub(F.expand_dims(x, axis=2), start), rest)
    filled = F.clip(F.broadcast_mul(past, factor), a_min=0.0, a_max=1.0)
    reached, passed = past >= 0, past > 0
    low = F.sum(_weighted(F, (filled, ramp), (reached, at), (passed, after)), axis=2)
    if not normal:
        return low + (x - x)  # NaN stays NaN in a column of one value
    high = F.sum(_weighted(F, (1 - filled, ramp), (1 - reached, at), (1 - passed, after)), axis=2)
    return normal_quantile(F, low, high) + (x - x)


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


def normal_quantile(F: Any, low: Any, high: Any) -> Any:
    """Return the normal quantile of a share, given with what is above it: 1 - share has no digits left in the tails.

    M. Giles, "Approximating the erfinv Function", GPU Computing Gems 2011: w = -log((1 - y)(1 + y)), y = 2 share - 1.
    """
    low, high = F.clip(low, a_min=BOUND, a_max=1.0), F.clip(high, a_min=BOUND, a_max=1.0)
    w = -F.log(F.clip(4 * low * high, a_min=0.0, a_max=1.0))
    centre = _polynomial(_CENTRE, F.clip(w, a_min=0.0, a_max=5.0) - 2.5)
    tail = _polynomial(_TAIL, F.sqrt(F.clip(w, a_min=5.0, a_max=99.0)) - 3)  # no root of 0: its gradient is infinite
    return math.sqrt(2) * F.where(w < 5, centre, tail) * (low - high)


def _polynomial(coefficients: tuple[float, ...], w: Any) -> Any:
    total: Any = coefficients[0]
    for coefficient in coefficients[1:]:
        total = total * w + coefficient
    return total
