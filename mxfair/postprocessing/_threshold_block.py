"""Thresholds by group as a Gluon block. Loaded by `as_block` alone."""

from __future__ import annotations

from typing import Any

import numpy as np

from mxfair._compat import import_mxnet
from mxfair._validation import InputError
from mxfair.preprocessing._blocks import StepBlock, _array

mx: Any = import_mxnet()

#: Probabilities are taken for no closer to 0 and 1 than this, where their log-odds are asked for.
_EDGE = 1e-7


class ThresholdBlock(StepBlock):
    """Scores and group codes in; what decides out, in the scores' shape; NaN for codes that were not fitted.

    Parameters
    ----------
    thresholds, shares : ndarray of shape (n_groups, n_mixed)
    output : {"margin", "log_odds", "probability"}
    """

    def __init__(self, thresholds: np.ndarray, shares: np.ndarray, output: str) -> None:
        largest = float(np.finfo(np.float32).max)
        rows = np.clip(thresholds, -largest, largest)
        if output == "log_odds":
            rows = np.where(np.isinf(thresholds), rows, _logit(np.clip(rows, _EDGE, 1 - _EDGE)))
        constants = {"threshold": _with_unknown(rows)}
        if output == "probability":
            constants["share"] = _with_unknown(shares)
        super().__init__(_nothing, constants, None, grouped=True)
        self._output = output
        self.decides = output != "probability"

    def forward(self, x: Any, *args: Any) -> Any:
        """Return what decides about each score; NumPy arrays are taken too."""
        if isinstance(x, mx.sym.Symbol):
            return mx.gluon.HybridBlock.forward(self, x, *args)
        x, args = _array(x), tuple(map(_array, args))
        if [a.size for a in args] != [x.size]:
            raise InputError(
                f"The block must get a score and a group code for each row; got {x.size} scores and "
                f"{' and '.join(str(a.size) for a in args) or 'no'} codes. Give codes by group_codes()."
            )
        return mx.gluon.HybridBlock.forward(self, x, *args)

    def hybrid_forward(self, F: Any, x: Any, *args: Any, **c: Any) -> Any:
        """Compute the margins or probabilities."""
        scores = F.cast(x, dtype="float32").reshape((-1, 1))
        rows = self._rows(F, args[0])
        threshold = F.take(c["threshold"], rows, axis=0, mode="clip")
        if self._output == "log_odds":
            scores = F.clip(scores, _EDGE, 1 - _EDGE)
            scores = F.log(scores / (1 - scores))
        if self._output == "probability":
            share = F.take(c["share"], rows, axis=0, mode="clip")
            result = F.sum(F.broadcast_greater(scores, threshold) * share, axis=1)
        else:
            result = F.broadcast_sub(scores, threshold)
        return F.cast(F.reshape_like(result, x), dtype=self._type)


def _with_unknown(rows: np.ndarray) -> np.ndarray:
    return np.concatenate([rows, np.full((1, rows.shape[1]), np.nan)])


def _logit(p: np.ndarray) -> np.ndarray:
    return np.asarray(np.log(p) - np.log1p(-p))


def _nothing(*_: Any) -> None:
    """Stand in the place of a formula: the block computes by itself."""
