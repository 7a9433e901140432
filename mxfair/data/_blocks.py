"""BlockSampler: a batch sampler that draws its batches in blocks, and can go on from inside an epoch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from mxfair._compat import import_mxnet
from mxfair._validation import InputError

mx: Any = import_mxnet()

__all__ = ["BlockSampler", "Epoch", "plain_state"]


class Epoch:
    """The draws of one epoch. Several may be alive at once; the sampler's state is that of the newest.

    Attributes
    ----------
    block : ndarray of int, shape (n_batches, batch_size), or None
        The newest block, a batch a row.
    before : int
        Batches drawn before it.
    """

    def __init__(self) -> None:
        self.block: np.ndarray | None = None
        self.before = 0

    @property
    def drawn(self) -> int:
        """Batches drawn so far."""
        return self.before + (0 if self.block is None else len(self.block))


class BlockSampler(mx.gluon.data.Sampler):
    """What samplers that draw in blocks share: iteration, and a state inside an epoch.

    A subclass writes `_begin`, which starts an epoch, and `_next`, which returns its next block or None at its end. Its
    random numbers are `_rng`.
    """

    _rng: np.random.Generator
    #: Whether `_next` can go on at any batch from what `_epoch_state` holds, so that no block has to be kept.
    _seekable = False

    def __init__(self) -> None:
        self._epoch: Epoch | None = None  # the newest
        self._ended = True
        self._resumed: tuple[Epoch, int] | None = None  # to be gone on with, and the batches of it that were used
        self._used = 0

    def _begin(self) -> Epoch:
        raise NotImplementedError  # a subclass's

    def _next(self, epoch: Epoch) -> np.ndarray | None:
        raise NotImplementedError  # a subclass's

    def blocks(self) -> Iterator[np.ndarray]:
        """Start an epoch and yield its batches in blocks, for loaders that gather many batches at once.

        The next block is drawn when it is asked for: after the batches of this one have been trained on.

        Yields
        ------
        ndarray of int, shape (n_batches, batch_size)
            A batch a row.
        """
        if self._resumed is not None:
            (epoch, used), self._resumed = self._resumed, None
            self._epoch, self._used, self._ended = epoch, used, False
            if epoch.block is not None and used < epoch.drawn:
                yield epoch.block[used - epoch.before :]
        else:
            epoch = self._epoch = self._begin()
            self._used, self._ended = 0, False
        while True:
            block = self._next(epoch)
            if block is None:
                break
            epoch.before, epoch.block = epoch.drawn, block
            yield block
        if self._epoch is epoch:
            self._ended = True

    def __iter__(self) -> Iterator[list[int]]:
        for block in self.blocks():
            for batch in block.tolist():
                self._used += 1
                yield batch

    @property
    def begins_at(self) -> int:
        """Batches of the next epoch that a resumed run has used already."""
        return 0 if self._resumed is None else self._resumed[1]

    def state_dict(self, *, used: int | None = None) -> dict[str, Any]:
        """Return what a later run needs to go on from here: plain values, and, inside an epoch, the rows still to come.

        Parameters
        ----------
        used : int, optional
            Batches of this epoch that have been trained on, where it has not ended for whoever trains. Default: all
            that were handed out. Workers are handed batches ahead of time: the loader's own `state_dict` knows.

        Returns
        -------
        dict
        """
        state: dict[str, Any] = {"rng": plain_state(self._rng)}
        if self._resumed is not None:
            epoch, used = self._resumed
        elif self._epoch is not None and not (self._ended and used is None):
            epoch, used = self._epoch, self._used if used is None else used
        else:
            return {**state, "open": None}
        if self._seekable:
            state["open"] = {"before": used, "used": used, **self._epoch_state(epoch)}
            return state
        if used < epoch.before:
            raise InputError(
                f"The sampler has drawn {epoch.before} batches ahead, of which {used} were used: batches in between "
                "are gone. Take the state from the loader, FairDataLoader, which keeps workers inside a block."
            )
        state["open"] = {"before": epoch.before, "used": used, **self._epoch_state(epoch)}
        if epoch.block is not None:
            state["block"] = epoch.block.astype(np.int32 if epoch.block.max(initial=0) < 2**31 else np.int64)
        return state

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from where `state_dict` was taken, inside an epoch too: iterating yields the rest of it first.

        Parameters
        ----------
        state : dict
            What `state_dict` returned, from an object built with the same arguments.
        """
        _check_rng(self._rng, state["rng"])
        self._rng.bit_generator.state = state["rng"]
        self._epoch, self._ended, self._resumed = None, True, None
        opened = state["open"]
        if opened is not None:
            epoch = self._resumed_epoch(opened)
            epoch.before = opened["before"]
            epoch.block = np.asarray(state["block"], dtype=np.int64) if "block" in state else None
            self._resumed = epoch, opened["used"]

    def _epoch_state(self, epoch: Epoch) -> dict[str, Any]:
        return {}

    def _resumed_epoch(self, opened: dict[str, Any]) -> Epoch:
        return Epoch()


def plain_state(rng: np.random.Generator) -> Any:
    """Return a bit generator's state with lists for the arrays that some kinds hold."""
    return _plain(rng.bit_generator.state)


def _plain(state: Any) -> Any:
    if isinstance(state, dict):
        return {key: _plain(value) for key, value in state.items()}
    return state.tolist() if isinstance(state, (np.ndarray, np.integer)) else state


def _check_rng(rng: np.random.Generator, state: dict[str, Any]) -> None:
    own = rng.bit_generator.state["bit_generator"]
    if state["bit_generator"] != own:
        raise InputError(
            f"The state must be of the same kind of random numbers, {own}; got {state['bit_generator']}. Pass the seed "
            "as it was."
        )
