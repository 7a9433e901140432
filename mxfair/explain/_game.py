"""The explained output as a game: what it is on average when only some columns are known, for many rows at once."""

from __future__ import annotations

from typing import Any

import numpy as np

from mxfair._validation import InputError, to_numpy
from mxfair.explain._columns import Columns
from mxfair.explain._model import Explained
from mxfair.explain._rows import same_columns

__all__ = ["Game", "game_of"]

#: Rows of a batch at most.
MAX_ROWS = 65_536


class Game:
    """Mean output over a background whose columns outside a coalition replace the row's own.

    Parameters
    ----------
    explained : Explained
    X, background : array or data frame of shape (n_samples, n_features) and (n_background, n_features)
    columns : Columns
        The players.
    limit : int
        Rows that the model is called with at most.
    """

    def __init__(self, explained: Explained, X: Any, background: Any, columns: Columns, limit: int) -> None:
        self._explained, self._columns, self._limit = explained, columns, max(1, limit)
        self.n_rows, self.n_players, self.n_background = len(X), len(columns.names), len(background)
        self.full = explained(X)
        self.empty = float(explained(background).mean())
        self._X, self._background = X, background
        self._owner = np.empty(len(columns.feature_names), dtype=np.int64)
        for place, indices in enumerate(columns.indices):
            self._owner[indices] = place
        self._frame: Any = None
        if hasattr(X, "columns"):
            import pandas as pd

            self._frame = pd.concat([background, X], ignore_index=True)

    @property
    def rows(self) -> Any:
        """The explained rows as the model gets them."""
        return self._X

    def rows_at_once(self, n_coalitions: int) -> int:
        """Return of how many rows all coalitions fit into a batch; 1 if none do."""
        return max(1, self._limit // (n_coalitions * self.n_background))

    def values(self, start: int, coalitions: np.ndarray) -> np.ndarray:
        """Return the value of coalitions, for rows from `start` on.

        Parameters
        ----------
        start : int
        coalitions : array of bool, shape (n_rows, n_coalitions, n_players)
            Which columns are known.

        Returns
        -------
        array of float, shape (n_rows, n_coalitions)
        """
        n_rows, n_coalitions, _ = coalitions.shape
        step = max(1, self._limit // (n_rows * self.n_background))
        parts = [self._values(start, coalitions[:, i : i + step]) for i in range(0, n_coalitions, step)]
        return np.concatenate(parts, axis=1)

    def _values(self, start: int, coalitions: np.ndarray) -> np.ndarray:
        n_rows, n_coalitions, _ = coalitions.shape
        total = np.zeros((n_rows, n_coalitions))
        step = min(self.n_background, self._limit)
        for first in range(0, self.n_background, step):
            stop = min(first + step, self.n_background)
            rows = self._mixed(start, coalitions, first, stop)
            total += self._explained(rows).reshape(n_rows, n_coalitions, stop - first).sum(axis=2)
        return total / self.n_background

    def _mixed(self, start: int, coalitions: np.ndarray, first: int, stop: int) -> Any:
        """Return rows and background mixed, in the order of rows, coalitions, background."""
        n_rows, n_coalitions, _ = coalitions.shape
        shape = (n_rows, n_coalitions, stop - first)
        if self._frame is None:
            own = self._X[start : start + n_rows][:, None, None, :]
            known = coalitions[:, :, self._owner][:, :, None, :]
            return np.where(known, own, self._background[None, None, first:stop]).reshape(-1, len(self._owner))
        own = (self.n_background + start + np.arange(n_rows))[:, None, None]
        others = np.arange(first, stop)[None, None, :]
        taken = {}
        for name, player in zip(self._frame.columns, self._owner):  # columns keep their types
            place = np.where(coalitions[:, :, player, None], own, others)
            taken[name] = self._frame[name].take(np.broadcast_to(place, shape).reshape(-1)).array
        return type(self._frame)(taken)


class _NetGame(Game):
    """The game of a net whose first layer is dense: what each column adds to that layer is computed once."""

    def __init__(self, *args: Any, slope: Any) -> None:
        from mxfair._compat import import_mxnet

        super().__init__(*args)
        self._mx: Any = import_mxnet()
        self._net = slope
        with self._mx.autograd.pause(train_mode=False):
            self._place = self._device(self._columns.matrix.T)
            origins = self._device(self._background)
            self._there = self._added(origins).asnumpy().transpose(1, 0, 2)
            self._entered = self._net.enter(origins).asnumpy()
            self._means = self._net.mixed_means(self.n_background)

    def _device(self, array: np.ndarray) -> Any:
        own = np.array(array, dtype=self._background.dtype, order="C")  # a copy: the engine makes it read-only
        return self._mx.nd.from_numpy(own).as_in_context(self._net.ctx)

    def _added(self, rows: Any) -> Any:
        """Return what each column adds to the first layer, (n, n_players, width)."""
        alone = self._mx.nd.broadcast_mul(rows.expand_dims(1), self._place.expand_dims(0))
        return self._mx.nd.dot(alone, self._net.weight.T)

    def _values(self, start: int, coalitions: np.ndarray) -> np.ndarray:
        nd = self._mx.nd
        n_rows, n_coalitions, n_players = coalitions.shape
        if self.n_background > self._limit:
            return super()._values(start, coalitions)
        with self._mx.autograd.pause(train_mode=False):
            # what each column changes in the first layer, for each row and each row of the background; and the latter
            here = self._added(self._device(self._X[start : start + n_rows])).asnumpy()
            change = np.empty((n_rows, n_players + 1, *self._entered.shape), dtype=here.dtype)
            np.subtract(here[:, :, None], self._there, out=change[:, :-1])
            change[:, -1] = self._entered
            known = np.ones((n_rows, n_coalitions, n_players + 1), dtype=here.dtype)
            known[:, :, :-1] = coalitions
            known, change = (
                nd.from_numpy(a.reshape(n_rows, a.shape[1], -1)).as_in_context(self._net.ctx) for a in (known, change)
            )
            mean = self._means(known, change)
            return mean.asnumpy().reshape(n_rows, n_coalitions).astype(np.float64)


def game_of(explained: Explained, X: Any, background: Any, columns: Columns, max_memory: float) -> Game:
    """Return the game of an explained model: that of its first layer's outputs where it is a net that has one."""
    same_columns(X, background)
    keep = explained.takes_frame and hasattr(X, "columns")
    if keep and not hasattr(background, "columns"):
        raise InputError("'background' must be a data frame where 'X' is one. Take rows of the same table.")
    for name in X.columns if keep else ():
        kinds = X[name].dtype, background[name].dtype
        if kinds[0] != kinds[1] and "category" in map(str, kinds):
            raise InputError(
                f"'background' must hold the categories of 'X'; those of {name!r} differ. Take rows of the same table."
            )
    given = X
    X, background = (X, background) if keep else (to_numpy(X), to_numpy(background))
    if len(X) == 0 or len(background) == 0 or X.ndim != 2 or X.shape[1:] != background.shape[1:]:
        raise InputError(
            f"'X' and 'background' must be tables with the same features; got shapes {X.shape} and {background.shape}. "
            "Pass a hundred rows of the training data as the background."
        )
    if explained.differentiable:
        from mxfair.explain._gradient import NetGradient
        from mxfair.explain._net import net_input

        X, background = net_input(explained.net, given, explained.features), net_input(explained.net, background)
        explained(X[:1])  # rows that do not fit the net are told of before its graph is made
        slope = NetGradient(explained, X.shape[1:])
        if slope.weight is not None:
            limit = slope.rows_per_batch(max_memory)
            return _NetGame(explained, X, background, columns, limit, slope=slope)
    row_bytes = 4 * 8 * X.shape[1]  # a row, its copy in the model's type, and as much again
    limit = int(max(1, min(MAX_ROWS, max_memory * 2**20 // row_bytes)))
    return Game(explained, X, background, columns, limit)
