"""Calibration by group as a Gluon block. Loaded by `as_block` alone."""

from __future__ import annotations

from typing import Any

import numpy as np

from mxfair._compat import import_mxnet
from mxfair._validation import InputError
from mxfair.postprocessing._calibrators import EDGE, LEAST
from mxfair.postprocessing._map_block import ScoreMapBlock
from mxfair.preprocessing._blocks import StepBlock, _array

mx: Any = import_mxnet()


class GroupRowsBlock(StepBlock):
    """Scores and group codes in; a subclass computes with the constants of each sample's group, NaN if not fitted.

    Parameters
    ----------
    constants : dict of str to ndarray of shape (n_groups, ...)
    n_columns : int
        Columns of the scores; 1 also takes vectors.
    """

    def __init__(self, constants: dict[str, np.ndarray], n_columns: int) -> None:
        rows = {
            name: np.concatenate([value, np.full((1, *value.shape[1:]), np.nan)]) for name, value in constants.items()
        }
        super().__init__(_nothing, rows, None, grouped=True)
        self._columns = n_columns

    def forward(self, x: Any, *args: Any) -> Any:
        """Return the result, in the scores' shape; NumPy arrays are taken too."""
        if isinstance(x, mx.sym.Symbol):
            return mx.gluon.HybridBlock.forward(self, x, *args)
        x, args = _array(x), tuple(map(_array, args))
        if x.size != x.shape[0] * self._columns or [a.size for a in args] != [x.shape[0]]:
            shapes = " and ".join(str(a.shape) for a in (x, *args))
            wanted = "a score" if self._columns == 1 else f"{self._columns} scores"
            raise InputError(f"The block must get {wanted} and a group code for each row; got {shapes}.")
        return mx.gluon.HybridBlock.forward(self, x, *args)

    def hybrid_forward(self, F: Any, x: Any, *args: Any, **constants: Any) -> Any:
        """Take the rows of the groups, and compute."""
        rows = self._rows(F, args[0])
        values = F.reshape(F.cast(x, dtype="float32"), shape=(-1, self._columns))
        taken = {name: F.take(value, rows, axis=0, mode="clip") for name, value in constants.items()}
        return F.cast(F.reshape_like(self._compute(F, values, **taken), x), dtype=self._type)

    def _compute(self, F: Any, x: Any, **taken: Any) -> Any:
        raise NotImplementedError  # a subclass gives it


class SigmoidBlock(GroupRowsBlock):
    """sigmoid(a ln s - b ln(1 - s) + c)."""

    def __init__(self, coefficients: np.ndarray, *, probability: bool) -> None:
        super().__init__(dict(zip("abc", coefficients.T[:, :, None])), 1)
        self._probability = probability

    def _compute(self, F: Any, x: Any, **taken: Any) -> Any:
        if self._probability:
            x = F.clip(x, EDGE, 1 - EDGE)
            x = F.log(x) - F.log(1 - x)
        upper, lower = F.Activation(x, act_type="softrelu"), F.Activation(-x, act_type="softrelu")
        return F.sigmoid(taken["b"] * upper - taken["a"] * lower + taken["c"])


class FlipBlock(GroupRowsBlock):
    """The chance of a positive decision, by the decision: positive above the boundary."""

    def __init__(self, chances: np.ndarray, boundary: float) -> None:
        super().__init__({"low": chances[:, :1], "high": chances[:, 1:]}, 1)
        self._boundary = boundary

    def _compute(self, F: Any, x: Any, **taken: Any) -> Any:
        return taken["low"] + (x > self._boundary) * (taken["high"] - taken["low"])


class TemperatureBlock(GroupRowsBlock):
    """softmax(b z)."""

    def __init__(self, inverse: np.ndarray, n_classes: int, *, probability: bool) -> None:
        super().__init__({"b": inverse[:, None]}, n_classes)
        self._probability = probability

    def _compute(self, F: Any, x: Any, **taken: Any) -> Any:
        x = F.log(F.clip(x, LEAST, 1)) if self._probability else x
        return F.softmax(F.broadcast_mul(x, taken["b"]), axis=1)


class OffsetBlock(GroupRowsBlock):
    """Log-probabilities with offsets by class added."""

    def __init__(self, offsets: np.ndarray, *, probability: bool) -> None:
        super().__init__({"offset": offsets}, offsets.shape[1])
        self._probability = probability

    def _compute(self, F: Any, x: Any, **taken: Any) -> Any:
        logs = F.log(F.clip(x, LEAST, 1)) if self._probability else F.log_softmax(x, axis=1)
        return logs + taken["offset"]


class IsotonicBlock(ScoreMapBlock):
    """The piecewise-linear map of probabilities; of log-odds by their sigmoid."""

    def __init__(self, knots: np.ndarray, values: np.ndarray, *, probability: bool) -> None:
        super().__init__(knots, values - knots, (0.0, 1.0))
        self._probability = probability

    def hybrid_forward(self, F: Any, x: Any, *args: Any, **constants: Any) -> Any:
        """Compute the map."""
        x = F.clip(x, 0, 1) if self._probability else F.sigmoid(x)
        return super().hybrid_forward(F, x, *args, **constants)


def _nothing(*_: Any) -> None:
    """Stand in the place of a formula: the block computes by itself."""
