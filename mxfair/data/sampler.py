"""FairBatchSampler: batches whose (label, group) mix follows the net's own gaps."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from mxfair._compat import import_mxnet
from mxfair._validation import (
    InputError,
    InputTypeError,
    generator,
    numeric_labels,
    one_of,
    positive_integer,
    same_length,
)
from mxfair.criterion import Criterion, criterion_named
from mxfair.data.controller import Controller, controller_named
from mxfair.data.signal import NEEDS, CallableSignal, CellStats, Signal
from mxfair.groups import Groups

mx: Any = import_mxnet()

__all__ = ["FairBatchSampler"]

#: More distinct decimal labels than this are taken for a regression target.
MAX_FLOAT_LABELS = 20


class FairBatchSampler(mx.gluon.data.Sampler):
    r"""Draw batches whose share of each (label, group) cell follows the gaps that the net shows now.

    When an epoch starts, the `signal` measures the net on the training data and the `controller` moves the shares; then

    .. math:: \text{rows of cell } (y, z) \text{ in a batch} = B \; P(y) \; s_{yz}

    where B is the batch size and s the share of group z among the samples with label y. The mix of labels never changes
    from batch to batch.
    Pass it to ``gluon.data.DataLoader(dataset, batch_sampler=sampler)``; `FairDataLoader` does so by itself.

    Parameters
    ----------
    labels : array of shape (n_samples,)
        Class labels, numeric, as the loss takes them; any number of classes.
    groups : array-like or Groups
        Sensitive attribute of each sample. Samples of the group "unknown" are drawn at their rate in the data.
    batch_size : int
        Rows in every batch: each batch has exactly this many. At least one per (label, group) cell.
    criterion : str or Criterion, default="equalized_odds"
        What should be equal between the groups.
    signal : Signal or callable
        Measures the net: a `FullPass`, or a function of no arguments that returns one decision (for controllers that
        compare rates) or one loss (for ``"paper"``) per sample.
    controller : {"proportional", "paper"} or Controller, default="proportional"
        Turns what the signal measured into shares. "paper" is the published rule. The sampler works on a copy.
    positive : label value, optional
        The class that counts as positive. Default: the larger of two labels.
    min_per_batch : float, optional
        A share never falls below this many rows a batch, or below the data's own rate where that is less: no group
        vanishes from training. Default: the controller's, 1; the published rule has 0, which lets a group vanish.
    seed : int or numpy.random.Generator, optional
        Seed of the sampler's own random numbers; global random state is neither read nor changed.

    Attributes
    ----------
    shares : ndarray of shape (n_labels, n_groups)
        The shares now; rows sum to 1.
    data_shares : ndarray of shape (n_labels, n_groups)
        The shares in the data, from which training starts.
    counts : ndarray of int64, shape (n_labels, n_groups)
        Samples of each cell.
    classes : ndarray of shape (n_labels,)
        Label values in sorted order.
    groups : Groups
        The groups.
    history : list of dict
        One entry for each start of an epoch: ``epoch``, ``gap`` (the criterion's difference on the training data before
        the epoch; None where the controller compares losses), ``shares`` and ``at_floor`` (cells held by the floor).

    Raises
    ------
    InputError
        At construction: lengths differ; labels are missing, text or continuous; fewer than two groups or labels; an
        empty (label, group) cell; a batch smaller than the number of cells; an unknown criterion or controller.

    Notes
    -----
    Within an epoch every sample of a cell is used once before any is used again. Fractions of a row are spread over the
    batches by systematic sampling, so that every batch is full and every cell's total is right to within a row or so.
    An epoch has ``ceil(n_samples / batch_size)`` batches, like Gluon's BatchSampler with ``last_batch="keep"``.

    References
    ----------
    Roh, Lee, Whang and Suh, "FairBatch: Batch Selection for Model Fairness", ICLR 2021.

    Examples
    --------
    >>> import mxfair, numpy as np
    >>> from mxnet import gluon
    >>> labels, groups = np.array([0, 0, 0, 0, 1, 1, 1, 1]), list("aabbaabb")
    >>> sampler = mxfair.data.FairBatchSampler(labels, groups, 4, "equal_opportunity", signal=lambda: labels, seed=0)
    >>> [len(batch) for batch in sampler]
    [4, 4]
    >>> dataset = gluon.data.ArrayDataset(np.zeros((8, 2), "float32"), labels)
    >>> loader = gluon.data.DataLoader(dataset, batch_sampler=sampler)
    """

    def __init__(
        self,
        labels: Any,
        groups: Any,
        batch_size: int,
        criterion: str | Criterion = "equalized_odds",
        *,
        signal: Signal | Callable[[], Any] | None = None,
        controller: str | Controller = "proportional",
        positive: Any = None,
        min_per_batch: float | None = None,
        seed: int | np.random.Generator | None = None,
    ) -> None:
        labels = numeric_labels(labels)
        self.groups = groups if isinstance(groups, Groups) else Groups(groups)
        self._n = same_length(labels=labels, groups=self.groups)
        self.classes, places = _classes(labels)
        self.batch_size = positive_integer(batch_size, "batch_size")
        if self.batch_size > self._n:
            raise InputError(f"'batch_size' must be at most {self._n}, the number of samples; got {batch_size}.")
        self.criterion = criterion_named(criterion)
        if positive is not None:
            self.criterion = self.criterion.with_positive(positive)
        self._known = self.groups.known
        cells = places * self.groups.n_groups + self.groups.codes
        self.counts = np.bincount(cells, minlength=len(self.classes) * self.groups.n_groups).reshape(
            len(self.classes), -1
        )
        self._check_cells()
        self._members = np.argsort(cells, kind="stable")
        self.data_shares = self.counts / self.counts.sum(axis=1, keepdims=True)
        self.shares = self.data_shares.copy()
        self.controller = copy.deepcopy(controller_named(controller))  # bind() ties it to this sampler
        self._floor = self._floor_shares(self.controller.min_per_batch if min_per_batch is None else min_per_batch)
        self.controller.bind(self.criterion, self.classes, _rows_to_one(self.data_shares[:, self._known]))
        one_of(self.controller.need, NEEDS, "controller.need")
        self._signal = self._as_signal(signal, labels)
        self._rng = generator(seed)
        self.epoch = 0
        self.history: list[dict[str, Any]] = []

    def _check_cells(self) -> None:
        names, known = self.groups.names, self.groups.known
        if known.sum() < 2:
            raise InputError(
                f"'groups' must hold at least two groups; got {int(known.sum())} ({', '.join(names)}). "
                "Check the column: without a second group there is nothing to compare."
            )
        if len(self.classes) < 2:
            raise InputError(
                f"'labels' must hold at least two classes; got only {self.classes[0]:g}. Check the label column."
            )
        empty = np.argwhere((self.counts == 0) & known)
        if len(empty):
            y, z = empty[0]
            raise InputError(
                f"Every (label, group) cell must have samples; got none with label {self.classes[y]:g} in group "
                f"'{names[z]}'. Merge small groups or leave this one out."
            )
        n_cells = int((self.counts > 0).sum())
        if self.batch_size < n_cells:
            raise InputError(
                f"'batch_size' must be at least {n_cells}, the number of (label, group) cells; got {self.batch_size}. "
                "Use larger batches or fewer groups."
            )

    def _floor_shares(self, min_per_batch: Any) -> np.ndarray:
        if isinstance(min_per_batch, bool) or not isinstance(min_per_batch, (int, float, np.number)):
            raise InputTypeError(f"'min_per_batch' must be a number; got {min_per_batch!r}.")
        if not 0 <= min_per_batch < self.batch_size:
            raise InputError(f"'min_per_batch' must be from 0 to below the batch size; got {min_per_batch}.")
        rows_per_label = self.batch_size * self.counts.sum(axis=1, keepdims=True) / self._n
        return np.minimum(self.data_shares, min_per_batch / rows_per_label)

    def _as_signal(self, signal: Any, labels: np.ndarray) -> Signal:
        if isinstance(signal, Signal):
            self._check_names(getattr(signal, "groups", self.groups).names)
            return signal
        if callable(signal):
            return CallableSignal(signal, labels, self.groups)
        raise InputTypeError(
            f"'signal' must be a Signal or a function of no arguments; got {signal!r}. Pass signal=mxfair.data."
            "FullPass(net, data, labels, groups, loss=loss) or use mxfair.data.FairDataLoader, which makes one."
        )

    def _check_names(self, names: tuple[str, ...]) -> None:
        if tuple(names) != self.groups.names:
            raise InputError(
                f"The signal must measure the sampler's groups in their order, {', '.join(self.groups.names)}; got "
                f"{', '.join(names)}. Encode them once, groups = mxfair.Groups(...), and pass that to both."
            )

    def __len__(self) -> int:
        return -(-self._n // self.batch_size)

    def __iter__(self) -> Iterator[list[int]]:
        for block in self.blocks():
            yield from block.tolist()

    def blocks(self) -> Iterator[np.ndarray]:
        """Start an epoch and yield its batches in blocks, for loaders that gather many batches at once.

        Yields
        ------
        ndarray of int64, shape (n_batches, batch_size)
            A batch a row.
        """
        self._refresh()
        yield self._draw(len(self))

    def _refresh(self) -> None:
        """Measure the net and move the shares."""
        stats = self._signal.measure(self.controller.need)
        measured = getattr(stats, self.controller.need, None)
        if measured is None or (self.controller.need != "rates" and measured.shape != self.counts.shape):
            raise InputError(
                f"'signal' must measure {self.controller.need!r} for {self.counts.shape[0]} labels and "
                f"{self.counts.shape[1]} groups; got {stats!r}. Return a CellStats with all cells."
            )
        if stats.rates is not None:
            self._check_names(stats.rates.groups)
        known = self._known
        for_controller = replace(
            stats,
            loss=None if stats.loss is None else stats.loss[:, known],
            positive_loss=None if stats.positive_loss is None else stats.positive_loss[:, known],
        )
        moved = self.controller.update(_rows_to_one(self.shares[:, known]), for_controller)
        self.shares = self._feasible(moved)
        self.history.append(
            {
                "epoch": self.epoch,
                "gap": self._gap(stats),
                "shares": self.shares.tolist(),
                "at_floor": np.argwhere((self.shares <= self._floor * (1 + 1e-9)) & known).tolist(),
            }
        )
        self.epoch += 1

    def _gap(self, stats: CellStats) -> float | None:
        return None if stats.rates is None else self.criterion.difference(stats.rates)

    def _feasible(self, known_shares: np.ndarray) -> np.ndarray:
        """Lift shares to the floor, make rows sum to 1 and put the unknown group back at its rate in the data."""
        if known_shares.shape != (len(self.classes), int(self._known.sum())) or not np.isfinite(known_shares).all():
            raise InputError(
                f"The controller must return finite shares of shape {(len(self.classes), int(self._known.sum()))}; "
                f"got {known_shares.tolist()}."
            )
        room = 1 - self.data_shares[:, ~self._known].sum(axis=1, keepdims=True)
        shares = self.data_shares.copy()
        shares[:, self._known] = _project(known_shares * room, self._floor[:, self._known], room)
        return shares

    def _draw(self, n_batches: int) -> np.ndarray:
        """Return the rows of the next batches, shape (n_batches, batch_size)."""
        quota = self._spread(n_batches)
        slots = np.repeat(np.tile(np.arange(quota.shape[1], dtype=np.int16), n_batches), quota.ravel())
        rows = np.empty(n_batches * self.batch_size, dtype=np.int64)
        rows[np.argsort(slots, kind="stable")] = np.concatenate(self._streams(quota.sum(axis=0)))
        # Splitting a batch over devices cuts it by position, so the cells are mixed inside it.
        return self._rng.permuted(rows.reshape(n_batches, self.batch_size), axis=1)

    def _spread(self, n_batches: int) -> np.ndarray:
        """Return whole rows by batch and cell: each batch is full, each cell within one row of its exact quota."""
        exact = (self.batch_size * self.counts.sum(axis=1, keepdims=True) / self._n * self.shares).ravel()
        whole = np.floor(exact + 1e-9)
        edges = np.cumsum(np.maximum(exact - whole, 0.0))
        edges[-1] = np.round(edges[-1])  # the rows left over, a whole number
        # Systematic sampling of the left-over rows, started at golden-ratio steps: the totals stay right over an epoch.
        start = (self._rng.random() + np.arange(n_batches) * 0.6180339887498949) % 1.0
        below = np.floor(edges - start[:, None]).astype(np.int64)
        first = np.floor(-start).astype(np.int64)
        extra = np.diff(below, axis=1, prepend=first[:, None])
        return whole.astype(np.int64) + extra

    def _streams(self, totals: np.ndarray) -> list[np.ndarray]:
        """Return each cell's samples in the order of use: every sample once before any again."""
        streams, start = [], 0
        for size, total in zip(self.counts.ravel(), totals):
            members = self._members[start : start + size]
            rounds = -(-int(total) // int(size)) if size else 0
            parts = [self._rng.permutation(members) for _ in range(rounds)] or [members[:0]]
            streams.append(np.concatenate(parts)[:total])
            start += size
        return streams

    def state_dict(self) -> dict[str, Any]:
        """Return what a later run needs to go on from the start of the next epoch, as plain values.

        Returns
        -------
        dict
        """
        return {
            "epoch": self.epoch,
            "shares": self.shares.tolist(),
            "history": [dict(entry) for entry in self.history],
            "rng": _plain(self._rng.bit_generator.state),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from where `state_dict` was taken.

        Parameters
        ----------
        state : dict
            What `state_dict` returned, from a sampler built with the same arguments.
        """
        shares = np.array(state["shares"], dtype=float)
        if shares.shape != self.shares.shape:
            raise InputError(f"The state must be of {self.shares.shape} cells; got {shares.shape}.")
        self.epoch, self.shares, self.history = state["epoch"], shares, [dict(entry) for entry in state["history"]]
        self._rng.bit_generator.state = state["rng"]


def _plain(state: Any) -> Any:
    """Return a bit generator's state with lists for the arrays that some kinds hold."""
    if isinstance(state, dict):
        return {key: _plain(value) for key, value in state.items()}
    return state.tolist() if isinstance(state, (np.ndarray, np.integer)) else state


def _classes(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    classes, places = np.unique(labels, return_inverse=True)
    if labels.dtype.kind == "f" and len(classes) > MAX_FLOAT_LABELS and not np.array_equal(classes, classes.round()):
        raise InputError(
            f"'labels' must be classes; got {len(classes)} different decimal numbers. "
            "FairBatch selects by class: cut a regression target into bins first."
        )
    return classes, places


def _rows_to_one(shares: np.ndarray) -> np.ndarray:
    return shares / np.maximum(shares.sum(axis=1, keepdims=True), np.finfo(float).tiny)


def _project(shares: np.ndarray, floor: np.ndarray, room: np.ndarray) -> np.ndarray:
    """Return shares that are at least `floor` and sum to `room` in each row; what lies above the floor is scaled."""
    above = np.maximum(shares - floor, 0.0)
    total = above.sum(axis=1, keepdims=True)
    free = room - floor.sum(axis=1, keepdims=True)
    even = np.full_like(shares, 1 / shares.shape[1])  # a controller that gave nothing to anyone
    scaled = np.divide(above, total, out=even, where=total > 0)
    return floor + free * scaled
