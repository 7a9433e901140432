"""The disparate-impact remover as a Gluon block. Loaded by `as_block` alone."""

from __future__ import annotations

from typing import Any

import numpy as np

from mxfair._validation import InputError
from mxfair.preprocessing._blocks import StepBlock

#: Whole numbers up to this are exact in single precision, in which MXNet's `take` counts.
_EXACT = 2**24


class RepairBlock(StepBlock):
    """x + shift(x): a piecewise-linear function for each group and column, found by binary search.

    Parameters
    ----------
    knots, shifts : ndarray of shape (n_groups + 1, n_columns, n_knots)
        As `DisparateImpactRemover` stores them, shifts already times the repair level.
    columns : list of int
        Which columns of x they are for.
    n_features : int
        Number of columns of x.
    """

    def __init__(self, knots: np.ndarray, shifts: np.ndarray, columns: list[int], n_features: int) -> None:
        n_maps, n_columns, count = knots.shape
        steps = [2**k for k in reversed(range(int(count).bit_length()))]  # they sum to count or more
        size = sum(steps) + 1
        if n_maps * n_columns * size > _EXACT:
            raise InputError(
                f"The block's tables must have at most {_EXACT:,} entries; got {n_maps * n_columns * size:,}. Fit with "
                "a smaller n_quantiles."
            )
        wide = ((0, 0), (0, 0), (0, size - count))
        rise, run = np.diff(shifts, axis=2), np.diff(knots, axis=2)
        slopes = np.pad(np.divide(rise, run, out=np.zeros_like(rise), where=run > 0), ((0, 0), (0, 0), (0, 1)))
        first = np.repeat(np.arange(n_maps), n_columns).reshape(n_maps, n_columns)
        starts = (first * n_columns + np.arange(n_columns)) * size
        last = np.minimum((knots < knots[:, :, -1:]).sum(axis=2), count - 1)  # padding repeats the last knot
        constants = {
            "start": starts,  # first: its rows are the maps, and the last of them is for unknown groups
            "last": starts + last,
            "knot": np.pad(knots, wide, constant_values=np.finfo(np.float32).max).reshape(-1),
            "shift": np.pad(shifts, wide, mode="edge").reshape(-1),
            "slope": np.pad(slopes, wide).reshape(-1),
            "column": np.array(columns, dtype=float),
            "back": np.eye(n_features)[columns],
        }
        super().__init__(_repaired, constants, n_features, grouped=True)
        self._steps = steps

    def hybrid_forward(self, F: Any, x: Any, *args: Any, **c: Any) -> Any:
        """Compute the step."""
        x = F.cast(x, dtype="float32")
        maps = self._rows(F, args[0])
        start, last = F.take(c["start"], maps, axis=0), F.take(c["last"], maps, axis=0)
        values = F.take(x, c["column"], axis=1)
        below = F.zeros_like(start)  # number of knots that are not above the value
        for step in self._steps:
            probe = F.take(c["knot"], start + below + (step - 1))
            below = below + step * (probe <= values)
        place = F.minimum(start + F.maximum(below - 1, F.zeros_like(below)), last)
        beyond = F.maximum(values - F.take(c["knot"], place), F.zeros_like(values))
        shift = F.take(c["shift"], place) + F.take(c["slope"], place) * beyond
        return F.cast(x + F.dot(shift, c["back"]), dtype=self._type)


def _repaired(*_: Any) -> None:
    """Stand in the place of a formula: the block computes by itself."""
