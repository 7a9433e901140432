"""A dense net as a chain of affine maps and functions of single units, in float64, with multipliers between rows."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Union

import numpy as np
from scipy.special import erf, expit

from mxfair._compat import import_mxnet
from mxfair._inference import PredictGraph
from mxfair._validation import InputError
from mxfair.explain._gradient import DATA

mx: Any = import_mxnet()

__all__ = ["Affine", "Bent", "chain_of"]

#: Units nearer to each other than this get the slope between them.
NEAR = 1e-6
SELU = (1.0507009873554805, 1.6732632423543772)


class Affine:
    """z W' + c; a vector W scales each unit."""

    def __init__(self, weight: np.ndarray, offset: Any = 0.0) -> None:
        self.weight, self.offset = weight, offset

    def __call__(self, z: np.ndarray) -> np.ndarray:
        """Return the outputs."""
        return (z @ self.weight.T if self.weight.ndim == 2 else z * self.weight) + self.offset

    def back(self, m: np.ndarray, here: np.ndarray, there: np.ndarray) -> np.ndarray:
        """Return multipliers of the inputs, (n_rows, n_background, width), from those of the outputs."""
        return m @ self.weight if self.weight.ndim == 2 else m * self.weight


class Bent:
    """A function of each unit: the rescale rule's multiplier is the slope of the line between both outputs."""

    def __init__(self, function: Callable[[np.ndarray], np.ndarray]) -> None:
        self._function = function

    def __call__(self, z: np.ndarray) -> np.ndarray:
        """Return the outputs."""
        return self._function(z)

    def back(self, m: np.ndarray, here: np.ndarray, there: np.ndarray) -> np.ndarray:
        """Return multipliers of the inputs, (n_rows, n_background, width), from those of the outputs."""
        change = here[:, None] - there[None]
        ratio = self._function(here)[:, None] - self._function(there)[None]
        near = np.abs(change) < NEAR
        np.divide(ratio, change, out=ratio, where=~near)
        if near.any():
            middle = np.broadcast_to((here[:, None] + there[None]) / 2, near.shape)[near]
            ratio[near] = (self._function(middle + NEAR) - self._function(middle - NEAR)) / (2 * NEAR)
        ratio *= m
        return ratio


Step = Union[Affine, Bent]

_ACTIVATIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "relu": lambda z: np.maximum(z, 0),
    "sigmoid": expit,
    "tanh": np.tanh,
    "softrelu": lambda z: np.logaddexp(0, z),
    "softsign": lambda z: z / (1 + np.abs(z)),
}


def chain_of(net: Any) -> list[Step]:
    """Return the net's layers in order; an error names the first that is neither affine nor one of single units."""
    symbol = PredictGraph(net)._trace()
    if symbol is None:
        raise InputError(
            "'model' must be a HybridBlock that can be traced, without hooks, for deep_shap; got "
            f"{type(net).__name__}. Use expected_gradients."
        )
    graph = json.loads(symbol.tojson())
    params = net.collect_params()
    nodes = graph["nodes"]
    last = next(i for i, node in enumerate(nodes) if node["name"] == DATA)
    steps: list[Step] = []
    for place, node in enumerate(nodes):
        if node["op"] == "null":
            continue
        sources = [source[0] for source in node["inputs"]]
        others = [nodes[i]["name"] for i in sources[1:]]
        if not sources or sources[0] != last or any(name not in params for name in others):
            raise _refused(node, "it is no link of a chain")
        values = [params[name].data().asnumpy().astype(np.float64) for name in others]
        steps += _steps(node, values)
        last = place
    if graph["heads"][0][:2] != [last, 0]:
        raise _refused(nodes[graph["heads"][0][0]], "it is no link of a chain")
    return steps


def _refused(node: dict[str, Any], why: str) -> InputError:
    return InputError(
        "'model' must be a chain of dense layers, batch norms and functions of single units for deep_shap; layer "
        f"{node['name']!r} ({node['op']}) is none: {why}. Use expected_gradients."
    )


def _steps(node: dict[str, Any], values: list[np.ndarray]) -> list[Step]:
    """Return what a node computes in predict mode."""
    op, attrs = node["op"], node.get("attrs", {})
    if op in ("Dropout", "_copy", "identity", "Flatten", "BlockGrad"):
        return []
    if op == "FullyConnected":
        return [Affine(*values)]
    if op == "BatchNorm":
        if attrs.get("axis", "1") not in ("1", "-1"):
            raise _refused(node, f"its axis is {attrs['axis']}")
        gamma, beta, mean, variance = values
        gamma = np.ones_like(gamma) if attrs.get("fix_gamma", "True") in ("True", "1") else gamma
        scale = gamma / np.sqrt(variance + float(attrs.get("eps", 1e-3)))
        return [Affine(scale, beta - mean * scale)]
    if op == "Activation" and attrs["act_type"] in _ACTIVATIONS:
        return [Bent(_ACTIVATIONS[attrs["act_type"]])]
    if op in _ACTIVATIONS:
        return [Bent(_ACTIVATIONS[op])]
    if op == "LeakyReLU" and not values:
        return [Bent(_leaky(node, attrs))]
    if op in ("_mul_scalar", "_div_scalar"):
        factor = float(attrs["scalar"])
        return [Affine(np.array(factor if op == "_mul_scalar" else 1 / factor))]
    if op in ("_plus_scalar", "_minus_scalar"):
        return [Affine(np.array(1.0), float(attrs["scalar"]) * (1 if op == "_plus_scalar" else -1))]
    raise _refused(node, "its outputs depend on several units, or are not known here")


def _leaky(node: dict[str, Any], attrs: dict[str, str]) -> Callable[[np.ndarray], np.ndarray]:
    kind, slope = attrs.get("act_type", "leaky"), float(attrs.get("slope", 0.25))
    scale, alpha = SELU
    known: dict[str, Callable[[np.ndarray], np.ndarray]] = {
        "leaky": lambda z: np.where(z > 0, z, slope * z),
        "elu": lambda z: np.where(z > 0, z, slope * np.expm1(np.minimum(z, 0))),
        "selu": lambda z: scale * np.where(z > 0, z, alpha * np.expm1(np.minimum(z, 0))),
        "gelu": lambda z: z * 0.5 * (1 + erf(z / np.sqrt(2))),
    }
    if kind not in known:
        raise _refused(node, f"it is of type {kind}")
    return known[kind]
