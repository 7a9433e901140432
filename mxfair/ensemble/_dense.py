"""Members that are alike, dense layers with one activation each, over few rows: matrix products of NumPy.

An operator of the engine takes 10 us and more whatever its size, and ten small nets have thirty. Here the first layers
of all members are one product and each later layer is one call of ``numpy.matmul``. Over many rows the engine's
products are the faster ones.
"""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

from mxfair._compat import import_mxnet

mx: Any = import_mxnet()

__all__ = ["MAX_ROWS", "DenseMembers"]

#: Above it the engine's graph is as fast.
MAX_ROWS = 256

nn = mx.gluon.nn
_ACTIVATIONS = {"relu": lambda h: np.maximum(h, 0, out=h), "tanh": lambda h: np.tanh(h, out=h)}


class DenseMembers:
    """The outputs of nets of equal layers; weights are read anew at each call.

    Parameters
    ----------
    layers : list
        By layer: the weight and the bias (or None) of each net, and the name of the activation or None.
    """

    def __init__(self, layers: list[tuple[list[Any], list[Any] | None, str | None]]) -> None:
        self.layers = layers
        self._parameters = [p for weights, biases, _ in layers for p in [*weights, *(biases or [])]]
        self._places: list[int] = []
        self._views: list[np.ndarray] = []
        self._slots: list[np.ndarray] = []
        self._stacked: list[tuple[np.ndarray, np.ndarray | None]] = []
        self._stack()

    @classmethod
    def of(cls, nets: tuple[Any, ...]) -> DenseMembers | None:
        """Return the form of some nets, or None where they are not such nets."""
        chains = [_chain(net) for net in nets]
        if any(not chain or _forms(chain) != _forms(chains[0]) for chain in chains):
            return None
        layers = []
        for level in zip(*chains):
            dense, act = level[0]
            biases = None if dense.bias is None else [d.bias for d, _ in level]
            layers.append(([d.weight for d, _ in level], biases, act))
        return cls(layers)

    def __call__(self, data: Any) -> np.ndarray | None:
        """Return the outputs, shape (n_outputs, K, n_samples), or None where the engine is to compute them."""
        if data.ndim != 2 or len(data) > MAX_ROWS or data.dtype is not np.float32:
            return None
        hidden = data.asnumpy()
        for place, ((weight, bias), (_, _, act)) in enumerate(zip(self._values(), self.layers)):
            if place == 0:  # of all members at once, shape (n_samples, K * units)
                hidden = hidden @ weight.reshape(-1, weight.shape[2]).T
                bias = None if bias is None else bias.reshape(-1)
            else:
                hidden = hidden @ weight.transpose(0, 2, 1)
                bias = None if bias is None else bias[:, None, :]
            if bias is not None:
                hidden += bias
            if act is not None:
                _ACTIVATIONS[act](hidden)
            if place == 0:
                hidden = hidden.reshape(len(hidden), len(weight), -1).transpose(1, 0, 2)
        return np.ascontiguousarray(hidden.transpose(2, 0, 1))

    def _values(self) -> list[tuple[np.ndarray, np.ndarray | None]]:
        """Return weights (K, units, inputs) and biases (K, units) by layer, as the parameters hold them now."""
        arrays = [parameter._data[0] for parameter in self._parameters]
        places = [_place(array) for array in arrays]
        if places != self._places:
            self._views, self._places = [_view(a, place) for a, place in zip(arrays, places)], places
        for slot, view in zip(self._slots, self._views):
            slot[:] = view
        return self._stacked

    def _stack(self) -> None:
        """Make arrays that hold each layer's weights and biases of all nets, and a slot in them for each parameter."""
        for weights, biases, _ in self.layers:
            weight = np.empty((len(weights), *weights[0].shape), np.float32)
            bias = None if biases is None else np.empty(weight.shape[:2], np.float32)
            self._stacked.append((weight, bias))
            self._slots += [*weight, *([] if bias is None else bias)]


def _place(array: Any) -> int:
    """Return where an array lies, once nothing is left to be written to it."""
    pointer = ctypes.c_void_p()
    mx.base.check_call(mx.base._LIB.MXNDArrayGetData(array.handle, ctypes.byref(pointer)))
    return pointer.value or 0


def _view(array: Any, place: int) -> np.ndarray:
    """Return the memory of an array, which must be alive whenever this is read."""
    return np.ctypeslib.as_array(ctypes.cast(place, ctypes.POINTER(ctypes.c_float)), shape=array.shape)


def _chain(net: Any) -> list[tuple[Any, str | None]]:
    """Return a net's dense layers, each with its activation; nothing where it has others."""
    layers: list[tuple[Any, str | None]] = []
    if type(net) is nn.Dense:
        layers.append((net, None if net.act is None else net.act._act_type))
    for child in net._children.values() if type(net) is nn.HybridSequential else ():
        if type(child) is nn.Activation and layers and layers[-1][1] is None:
            layers[-1] = layers[-1][0], child._act_type
        elif type(child) is not nn.Dropout:
            inner = _chain(child)
            if not inner:
                return []
            layers += inner
    known = (None, *_ACTIVATIONS)
    single = all(np.dtype(d.weight.dtype) == np.float32 and act in known for d, act in layers)
    return layers if single else []


def _forms(chain: list[tuple[Any, str | None]]) -> list[tuple[Any, ...]]:
    return [(dense.weight.shape, dense.bias is None, act) for dense, act in chain]
