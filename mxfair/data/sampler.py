"""FairBatchSampler: batches whose (label, group) mix follows the net's own gaps."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any, cast

import numpy as np

from mxfair._validation import InputError, generator, positive_integer
from mxfair.criterion import Criterion
from mxfair.data._blocks import BlockSampler, Epoch
from mxfair.data._steering import Steered, Steering, bounded
from mxfair.data.controller import Controller
from mxfair.data.selection import CellDraw, CellSelector, selector_named
from mxfair.data.signal import Signal

__all__ = ["FairBatchSampler"]

#: The part of its rate in the data that a cell keeps where a row a batch would be more: many cells can move too.
OWN_RATE = 0.5
#: Batches whose rows are put into the same random order; a new order for the next ones.
MIXED = 64
#: The golden ratio's part after the point: steps of it spread any number of points evenly.
GOLDEN = 0.6180339887498949


class _FairEpoch(Epoch):
    """The draws of an epoch: where systematic sampling started, and each cell's stream."""

    def __init__(self, start: float, n_cells: int) -> None:
        super().__init__()
        self.start = start
        self.streams: list[dict[str, Any]] = [{} for _ in range(n_cells)]
        self.stats: Any = None


class FairBatchSampler(Steered, BlockSampler):
    r"""Draw batches whose share of each (label, group) cell follows the gaps that the net shows now.

    When an epoch starts, and every `update_every` batches if asked, the `signal` measures the net on the training data
    and the `controller` moves the shares; then

    .. math:: \text{rows of cell } (y, z) \text{ in a batch} = B \; P(y) \; s_{yz}

    where B is the batch size and s the share of group z among the samples with label y. The mix of labels never changes
    from batch to batch, unless the controller is one that says so (``joint``).
    Pass it to ``gluon.data.DataLoader(dataset, batch_sampler=sampler)``; `FairDataLoader` does so by itself.

    Parameters
    ----------
    labels : array of shape (n_samples,)
        Class labels, numeric, as the loss takes them, any number of classes; or a regression target.
    groups : array-like or Groups
        Sensitive attribute of each sample; ``Groups.binned`` cuts a continuous one. Samples of the group "unknown" are
        drawn at their rate in the data.
    batch_size : int
        Rows in every batch: each batch has exactly this many.
    criterion : str or Criterion, default="equalized_odds"
        What should be equal between the groups. For a regression target "bounded_group_loss" (equal losses of whole
        groups) or, with `label_bins`, "demographic_parity" (equal distributions of predictions).
    signal : Signal or callable, optional
        Measures the net: a `FullPass`, a `ProbeSet`, or a function of no arguments that returns one decision (for
        controllers that compare rates) or one loss (for those that compare losses) per sample. Controllers that do not
        look at the net ("reweighing", "balanced") need none.
    controller : str or Controller, default="proportional"
        Turns what the signal measured into shares: "proportional", "paper" (the published rule), "normalized",
        "fairdro", "groupdro", "fairgrad", "reweighing" or "balanced". The sampler works on a copy.
    positive : label value, optional
        The class that counts as positive. Default: the larger of two labels.
    min_per_batch : float, optional
        A cell never falls below this many rows a batch, or below half of its rate in the data where that is less: no
        group vanishes from training. Default: the controller's, 1; the published rule has 0, which lets a group vanish.
    label_bins : int or sequence of float, optional
        Bins of a regression target: how many, with about equal counts, or cut points.
    target : array of shape (n_labels, n_groups), optional
        Ratios of the cells from which training starts, in the place of the data's: those of the data that the model
        will be used on (`correlation_shift`). With a column for
        each group, that of the unknown one moves too.
    within : {"shuffled", "loss", "rank", "importance"} or CellSelector, default="shuffled"
        Which samples of a cell are drawn: other batch selection, robust selection or a sampler of your own, composed
        with FairBatch.
    update_every : int, optional
        Batches between two updates inside an epoch. Default: only when an epoch starts.
    warm_up : int, default=0
        Epochs before the first update, on the data's shares (or those of `target`).
    seed : int or numpy.random.Generator, optional
        Seed of the sampler's own random numbers; global random state is neither read nor changed.

    Attributes
    ----------
    shares : ndarray of shape (n_labels, n_groups)
        The shares now; rows sum to 1.
    data_shares : ndarray of shape (n_labels, n_groups)
        The shares from which training starts: those in the data, unless a target was given.
    counts : ndarray of int64, shape (n_labels, n_groups)
        Samples of each cell.
    classes : ndarray of shape (n_labels,)
        Label values in sorted order; numbers of bins for a regression target.
    groups : Groups
        The groups.
    history : list of dict
        One entry for each update: ``epoch``; ``batch``; ``gap`` (the criterion's difference on what the signal
        measured, before the update; None where the controller compares losses and the criterion does not), ``shares``,
        ``label_shares`` and ``at_floor`` (cells held by the floor).
    findings : list of Finding
        Signs that the updates do not work, each kind said once as a warning: saturation, oscillation, starvation,
        repetition.

    Raises
    ------
    InputError
        At construction: lengths differ; labels are missing, text, or continuous without bins; fewer than two groups or
        labels; an empty (label, group) cell of two labels; with more, a label of which fewer than two groups have
        samples; an unknown criterion or controller.

    Warns
    -----
    UserWarning
        At construction, if cells of three labels or more have no samples; in training, once for each kind of finding.

    Notes
    -----
    Within an epoch every sample of a cell is used once before any is used again (unless `within` says otherwise).
    Fractions of a row are spread over the batches by systematic sampling, so that every batch is full and every cell's
    total is right to within a row.
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
        label_bins: Any = None,
        target: Any = None,
        within: str | CellSelector = "shuffled",
        update_every: int | None = None,
        warm_up: int = 0,
        seed: int | np.random.Generator | None = None,
    ) -> None:
        super().__init__()
        self._steering = steering = Steering(
            labels,
            groups,
            criterion,
            signal=signal,
            controller=controller,
            positive=positive,
            label_bins=label_bins,
            target=target,
            warm_up=warm_up,
        )
        cells = self._cells = steering.cells
        self.batch_size = positive_integer(batch_size, "batch_size")
        if self.batch_size > cells.n:
            raise InputError(f"'batch_size' must be at most {cells.n}, the number of samples; got {batch_size}.")
        self.min_per_batch = bounded(
            min(steering.controller.min_per_batch, self.batch_size / 2) if min_per_batch is None else min_per_batch,
            "min_per_batch",
            self.batch_size,
            "the batch size",
        )
        steering.floor = np.minimum(OWN_RATE * steering.start, self.min_per_batch / self.batch_size)
        self.update_every = None if update_every is None else positive_integer(update_every, "update_every")
        self.within = copy.deepcopy(selector_named(within))
        self.within.check(cells.n)
        steering.extra_needs = () if self.within.need is None else (self.within.need,)
        if self.within.need is not None and steering.signal is None:
            raise InputError(f"'signal' must be given: {self.within!r} chooses samples by what the net does to them.")
        self._rng = generator(seed)
        steps = sorted(range(1, len(self) + 1), key=lambda k: abs(k - GOLDEN * len(self)))
        self._stride = next(k for k in steps if math.gcd(k, len(self)) == 1)

    @property
    def label_cuts(self) -> np.ndarray | None:
        """Cut points between the bins of a regression target; None for classes."""
        return self._cells.cuts

    @property
    def mix(self) -> np.ndarray:
        """Part of each cell in a batch now; all cells sum to 1."""
        return self._steering.mix.copy()

    @property
    def epoch(self) -> int:
        """Epochs begun."""
        return self._steering.epoch

    def __len__(self) -> int:
        return -(-self._cells.n // self.batch_size)

    def _begin(self) -> Epoch:
        epoch = _FairEpoch(0.0, self._cells.size)
        self._update(epoch, self.epoch)
        self._steering.epoch += 1
        epoch.start = self._rng.random()
        return epoch

    def _update(self, epoch: _FairEpoch, number: int) -> None:
        """Measure the net and move the shares."""
        epoch.stats = self._steering.refresh(number, epoch.drawn)
        self._steering.diagnose(rows=len(self) * self.batch_size)
        if self.within.need is not None:
            epoch.streams = [{} for _ in epoch.streams]

    def _next(self, epoch: Epoch) -> np.ndarray | None:
        epoch = cast(_FairEpoch, epoch)
        left = len(self) - epoch.drawn
        if left <= 0:
            return None
        if epoch.drawn:
            self._update(epoch, self.epoch - 1)
        return self._draw(epoch, min(left, self.update_every or left))

    def _draw(self, epoch: _FairEpoch, n_batches: int) -> np.ndarray:
        """Return the rows of the next batches, shape (n_batches, batch_size)."""
        quota = self._spread(epoch, n_batches)
        rows = np.empty(n_batches * self.batch_size, dtype=np.int64)
        first = np.arange(n_batches) * self.batch_size  # where the next cell's rows of each batch begin
        for cell, members in enumerate(self._members()):
            count = quota[:, cell]
            total = int(count.sum())
            if not total:
                continue
            drawn = self.within.draw(self._cell_draw(epoch, cell, members), total, self._rng)
            rows[np.repeat(first - (np.cumsum(count) - count), count) + np.arange(total)] = drawn
            first = first + count
        rows = rows.reshape(n_batches, self.batch_size)
        # Splitting a batch over devices cuts it by position, so the cells are mixed inside it.
        for start in range(0, n_batches, MIXED):
            rows[start : start + MIXED] = rows[start : start + MIXED, self._rng.permutation(self.batch_size)]
        return rows

    def _members(self) -> list[np.ndarray]:
        return np.split(self._cells.members, np.cumsum(self.counts.ravel())[:-1])

    def _cell_draw(self, epoch: _FairEpoch, cell: int, members: np.ndarray) -> CellDraw:
        values = None if self.within.need is None else getattr(epoch.stats, self.within.need)[members]
        quota = float(len(self) * self.batch_size * self._steering.mix.flat[cell])
        return CellDraw(cell, members, values, quota, epoch.streams[cell])

    def _spread(self, epoch: _FairEpoch, n_batches: int) -> np.ndarray:
        """Return whole rows by batch and cell: each batch is full, each cell within one row of its exact quota."""
        exact = (self.batch_size * self._steering.mix).ravel()
        whole = np.floor(exact + 1e-9)
        edges = np.cumsum(np.maximum(exact - whole, 0.0))
        edges[-1] = np.round(edges[-1])  # the rows left over, a whole number
        # Systematic sampling of the left-over rows. The starts of an epoch's batches are n even points, visited in
        # steps of the golden ratio: every cell's total is within a row over the epoch, and nearly so over any part of
        # it.
        order = (epoch.drawn + np.arange(n_batches)) * self._stride % len(self)
        start = (epoch.start + order / len(self)) % 1.0
        below = np.floor(edges - start[:, None]).astype(np.int64)
        first = np.floor(-start).astype(np.int64)
        extra = np.diff(below, axis=1, prepend=first[:, None])
        return whole.astype(np.int64) + extra

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
        return {**super().state_dict(used=used), **self._steering.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from where `state_dict` was taken, inside an epoch too: iterating yields the rest of it first.

        Parameters
        ----------
        state : dict
            What `state_dict` returned, from a sampler built with the same arguments.
        """
        self._steering.load_state_dict(state)
        super().load_state_dict(state)

    def _epoch_state(self, epoch: Epoch) -> dict[str, Any]:
        epoch = cast(_FairEpoch, epoch)
        more = epoch.drawn < len(self) and self.within.need is None  # else streams are made anew before they are used
        return {"start": epoch.start, "streams": [dict(stream) for stream in epoch.streams] if more else []}

    def _resumed_epoch(self, opened: dict[str, Any]) -> Epoch:
        epoch = _FairEpoch(opened["start"], self._cells.size)
        if opened["streams"]:
            epoch.streams = [dict(stream) for stream in opened["streams"]]
        return epoch

    def __repr__(self) -> str:
        return (
            f"FairBatchSampler({self._cells.n:,} samples, {len(self.classes)} labels x {self.groups.n_groups} groups, "
            f"{self.criterion.name}, {self.controller!r})"
        )
