"""A monotone map of scores by group as a Gluon block. Loaded by `as_block` alone."""

from __future__ import annotations

from typing import Any

import numpy as np

from mxfair._compat import import_mxnet
from mxfair._validation import InputError
from mxfair.preprocessing._blocks import _array
from mxfair.preprocessing._repair_block import RepairBlock

mx: Any = import_mxnet()


class ScoreMapBlock(RepairBlock):
    """score + shift of the group at that score; NaN for a group that was not fitted.

    Parameters
    ----------
    knots, shifts : ndarray of shape (n_groups, n_knots)
        Scores in increasing order, filled up with the last one, and what is added to them.
    bounds : tuple of float, optional
        What the results are limited to.
    """

    def __init__(self, knots: np.ndarray, shifts: np.ndarray, bounds: tuple[float, float] | None) -> None:
        knots = np.vstack([knots, knots[-1:]]).astype(np.float32).astype(float)  # slopes as between single-precision
        shifts = np.vstack([shifts, np.full((1, shifts.shape[1]), np.nan)])
        super().__init__(knots[:, None], shifts[:, None], [0], 1)
        self._bounds = bounds

    def forward(self, x: Any, *args: Any) -> Any:
        """Return the mapped scores, in the shape of the scores: (n,) or (n, 1)."""
        if not isinstance(x, mx.sym.Symbol):
            x, args = _array(x), tuple(map(_array, args))
            if len(args) != 1 or args[0].size != x.size or x.ndim not in (1, 2) or x.size != x.shape[0]:
                shapes = " and ".join(str(a.shape) for a in (x, *args))
                raise InputError(f"The block must get a score and a group code for each row; got {shapes}.")
        return mx.gluon.HybridBlock.forward(self, x, *args)

    def hybrid_forward(self, F: Any, x: Any, *args: Any, **constants: Any) -> Any:
        """Compute the map."""
        result = super().hybrid_forward(F, F.reshape(x, shape=(-1, 1)), *args, **constants)
        if self._bounds is not None:
            result = F.clip(result, *self._bounds)
        return F.reshape_like(result, x)
