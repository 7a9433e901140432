"""A fitted step as a Gluon block. Loaded by `Step.as_block` alone: the steps themselves work without the engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from mxfair._compat import import_mxnet
from mxfair._validation import InputError

mx: Any = import_mxnet()


class _Fixed(mx.gluon.Constant):  # type: ignore[misc]  # mxnet is untyped
    """A constant that may be initialized with the net around it: that changes nothing and warns of nothing."""

    def initialize(
        self, init: Any = None, ctx: Any = None, default_init: Any = None, force_reinit: bool = False
    ) -> None:
        contexts = [ctx] if isinstance(ctx, mx.Context) else ctx
        if self._data is not None and not force_reinit and contexts in (None, self.list_ctx()):
            return
        super().initialize(init=init, ctx=ctx, default_init=default_init, force_reinit=True)


class StepBlock(mx.gluon.HybridBlock):  # type: ignore[misc]
    """What a step does to a matrix, or to one row of it, in single precision.

    Parameters
    ----------
    formula : callable
        ``formula(F, x, **constants)`` with x of shape (n, n_features).
    constants : mapping of str to array
        What was fitted, each with a first axis of length 1 that is spread over the samples; with `grouped`, with a row
        per group and a last row for all others.
    n_features : int
        Number of columns that the step was fitted with.
    grouped : bool, default=False
        Whether the block takes each sample's group code too.
    """

    def __init__(
        self,
        formula: Callable[..., Any],
        constants: Mapping[str, np.ndarray],
        n_features: int | None,
        *,
        grouped: bool = False,
    ) -> None:
        super().__init__()
        self._formula, self._n_features, self._grouped, self._type = formula, n_features, grouped, "float32"
        self._last = len(next(iter(constants.values()))) - 1 if constants else 0
        for name, value in constants.items():
            fixed = _Fixed(self.params.prefix + name, mx.nd.array(_single(name, value), dtype="float32"))
            self.params.update({fixed.name: fixed})
            setattr(self, name, fixed)
        self.initialize()

    def cast(self, dtype: Any) -> None:
        """Change the type of what comes out; the step itself is computed in single precision."""
        self._type = np.dtype(dtype).name

    def forward(self, x: Any, *args: Any) -> Any:
        """Return the step's result; a single row and NumPy arrays are taken too."""
        if isinstance(x, mx.sym.Symbol):
            return super().forward(x, *args)
        x, args = _array(x), tuple(map(_array, args))
        rows = 1 if x.ndim == 1 else x.shape[0]
        if [a.size for a in args] != [rows] * self._grouped:
            wanted = "a group code for each row" if self._grouped else "rows alone"
            got = " and ".join(str(a.size) for a in args) or "none"
            raise InputError(f"The block must get {wanted}; got {got} for {rows} rows. See as_block of the step.")
        if x.ndim == 1:
            return self.forward(x.expand_dims(0), *[a.reshape((1,)) for a in args])[0]
        if x.ndim != 2 or (self._n_features is not None and x.shape[1] != self._n_features):
            raise InputError(
                f"The block must get {self._n_features or 'all'} features a row; got shape {x.shape}. Give the same "
                "columns as when the step was fitted."
            )
        return super().forward(x, *args)

    def hybrid_forward(self, F: Any, x: Any, *args: Any, **constants: Any) -> Any:
        """Compute the step."""
        if self._grouped:  # a group that was not fitted, or is unknown, takes the last row
            rows = self._rows(F, args[0])
            constants = {name: F.take(value, rows, axis=0, mode="clip") for name, value in constants.items()}
        return F.cast(self._formula(F, F.cast(x, dtype="float32"), **constants), dtype=self._type)

    def _rows(self, F: Any, codes: Any) -> Any:
        """Return the constants' row of each group code: the last for what is no whole number of a group."""
        codes = F.cast(codes, dtype="float32").reshape((-1,))
        known = (codes >= 0) * (codes < self._last) * (F.floor(codes) == codes)
        return F.where(known, codes, F.ones_like(codes) * self._last)


def _single(name: str, value: Any) -> np.ndarray:
    """Return a constant in single precision; what is too large for it is an error, not an infinite number."""
    with np.errstate(over="ignore"):
        single = np.asarray(value).astype(np.float32)
    if np.isinf(single).any():
        raise InputError(
            f"What was fitted must be within single precision, in which blocks compute; '{name}' is not. The values of "
            "a column are too large, too small or too close together: rescale it before this step, or use transform."
        )
    return single


def _array(values: Any) -> Any:
    return values if isinstance(values, mx.nd.NDArray) else mx.nd.array(values, dtype="float32")
