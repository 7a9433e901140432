"""Steering: the mix of cells that training should see, and what moves it. The sampler and the weights realise it."""

from __future__ import annotations

import copy
import math
import warnings
from dataclasses import replace
from typing import Any

import numpy as np

from mxfair._validation import InputError, InputTypeError, numbers, one_of, positive_integer, to_numpy
from mxfair.criterion import Criterion, LossCriterion, criterion_named
from mxfair.data._cells import Cells
from mxfair.data._diagnosis import Finding, diagnose
from mxfair.data._stats import CallableSignal
from mxfair.data.controller import Controller, controller_named
from mxfair.data.signal import NEEDS, CellStats, Signal
from mxfair.groups import Groups
from mxfair.rate import Rate

__all__ = ["Steered", "Steering", "bounded"]


def _above(label: Any, pred: Any, positive: int) -> Any:
    return pred > positive


def _everything(label: Any, pred: Any, positive: int) -> Any:
    return np.ones_like(label, dtype=bool)


#: P(prediction above a cut | group): demographic parity of a regression is that of every threshold.
EXCEEDANCE = Rate("exceedance_rate", _above, _everything)


class _ThresholdParity(Criterion):
    """Demographic parity of a regression: at each cut point, each group exceeds it as often."""

    def __init__(self) -> None:
        super().__init__("demographic_parity", EXCEEDANCE)

    def rate_classes(self, classes: np.ndarray) -> list[Any]:
        """Return the rate with each bin but the last: nothing lies above that one."""
        return [(rate, place) for rate in self.rates for place in range(len(classes) - 1)]


class Steering:
    """Cells, the mix of them that training should see now, and the updates that move it.

    The mix of all cells sums to 1. A controller sees it as shares conditional on the label or of the whole, as it says,
    for known groups only; samples of unknown group keep their rate in the data.
    """

    def __init__(
        self,
        labels: Any,
        groups: Any,
        criterion: str | Criterion,
        *,
        signal: Any,
        controller: str | Controller,
        positive: Any,
        label_bins: Any,
        target: Any,
        warm_up: int,
    ) -> None:
        self.criterion = criterion_named(criterion, losses=True)
        if label_bins is None and isinstance(self.criterion, LossCriterion):
            label_bins = 1  # whole groups, whatever their labels
        self.cells = Cells(labels, groups, bins=label_bins)
        self.cells.check()
        self.criterion = self._for_task(positive)
        self.warm_up = positive_integer(warm_up, "warm_up", minimum=0)
        self.start = self.cells.mix if target is None else self._target(target)
        self.mix = self.start.copy()
        self.controller = copy.deepcopy(controller_named(controller))  # bind() ties it to this object
        known, label_shares = self.cells.known, self.start.sum(axis=1)
        self.controller.bind(self.criterion, self.cells.classes, _rows_to_one(self.start[:, known]), label_shares)
        one_of(self.controller.need, NEEDS, "controller.need")
        if isinstance(self.criterion, _ThresholdParity) and self.controller.need not in ("rates", "nothing"):
            raise InputError(
                f"'controller' must compare rates for demographic_parity of a regression target; got "
                f"{self.controller!r}, which compares losses. Use controller='proportional'."
            )
        self.signal = self._as_signal(signal)
        self.floor = np.zeros(self.cells.shape)
        self.epoch = 0
        self.history: list[dict[str, Any]] = []
        self.findings: list[Finding] = []
        self.extra_needs: tuple[str, ...] = ()

    def _for_task(self, positive: Any) -> Criterion:
        """Return the criterion for classes or for a regression target."""
        criterion, cuts = self.criterion, self.cells.cuts
        if cuts is not None and positive is not None:
            raise InputError("'positive' must not be given for a regression target. Leave it out.")
        if cuts is None or isinstance(criterion, LossCriterion):
            return criterion if positive is None else criterion.with_positive(positive)
        if criterion.name != "demographic_parity":
            raise InputError(
                f"'criterion' must be demographic_parity or bounded_group_loss for a regression target; got "
                f"{criterion.name}. The others compare decisions."
            )
        if len(self.cells.classes) < 2:
            raise InputError("'label_bins' must give two bins or more for demographic_parity; got one. Pass 4, say.")
        return _ThresholdParity()

    def _target(self, target: Any) -> np.ndarray:
        """Return the mix that the data are to stand for."""
        shape, known = self.cells.shape, self.cells.known
        given = to_numpy(target)
        allowed = (shape, (shape[0], int(known.sum())), (shape[1],) if shape[0] == 1 else shape)
        values = numbers(given.reshape(-1), "target") if given.shape in allowed else np.empty(0)
        if values.size == shape[0] * int(known.sum()) != self.cells.size:
            whole = self.cells.mix.copy()
            whole[:, known] = _to_one(values.reshape(shape[0], -1)) * whole[:, known].sum()
            values = whole.reshape(-1)
        if values.size != self.cells.size or not (np.isfinite(values).all() and (values >= 0).all() and values.sum()):
            raise InputError(
                f"'target' must be ratios, 0 or more, of shape (n_labels, n_groups) = {shape}; got {target!r}. "
                "mxfair.data.correlation_shift returns some."
            )
        mix = _to_one(values.reshape(shape))
        lost = np.argwhere((mix > 0) & (self.cells.counts == 0))
        if len(lost):
            raise InputError(
                f"'target' asks for {self.cells.name(*lost[0])}, of which there is no sample. Set it to 0."
            )
        return mix

    def _as_signal(self, signal: Any) -> Signal | None:
        if signal is None and self.controller.need == "nothing":
            return None
        if isinstance(signal, Signal):
            cells = getattr(signal, "cells", None)
            self._check_names(getattr(signal, "groups", self.cells.groups).names)
            if isinstance(cells, Cells):
                self._check_labels(cells)
                positive = self.cells.classes[-1] if self.criterion.positive is None else self.criterion.positive
                if self.controller.need == "positive_loss" and positive != getattr(signal, "positive", positive):
                    raise InputError(f"The signal must be built with the same positive class, {positive!r}.")
            return signal
        if callable(signal):
            return CallableSignal(signal, self.cells)
        raise InputTypeError(
            f"'signal' must be a Signal or a function of no arguments; got {signal!r}. Pass signal=mxfair.data."
            "FullPass(net, data, labels, groups, loss=loss) or use mxfair.data.FairDataLoader, which makes one."
        )

    def _check_names(self, names: tuple[str, ...]) -> None:
        if tuple(names) != self.cells.groups.names:
            raise InputError(
                f"The signal must measure the sampler's groups in their order, {', '.join(self.cells.groups.names)}; "
                f"got {', '.join(names)}. Encode them once, groups = mxfair.Groups(...), and pass that to both."
            )

    def _check_labels(self, cells: Cells) -> None:
        own, other = self.cells, cells
        same = (own.cuts is None) == (other.cuts is None) and np.array_equal(own.classes, other.classes)
        if own.cuts is not None and other.cuts is not None:
            same = np.array_equal(own.cuts, other.cuts)
        if not same:
            shown = [c.classes.tolist() if c.cuts is None else f"bins at {c.cuts.tolist()}" for c in (own, other)]
            raise InputError(
                f"The signal must measure the sampler's labels, {shown[0]}; got {shown[1]}. A held-out set needs "
                "samples of every label; for a regression target pass label_bins= as cut points to both, and "
                "label_bins=1 for bounded_group_loss."
            )

    @property
    def shares(self) -> np.ndarray:
        """Share of each group among the samples of a label, rows sum to 1."""
        return _rows_to_one(self.mix)

    def refresh(self, epoch: int, batch: int = 0) -> CellStats:
        """Measure the net and move the mix; return what was measured."""
        warm = epoch >= self.warm_up
        stats = self._measure() if warm or self.extra_needs else CellStats()
        if warm:
            self._move(stats)
        self.history.append(
            {
                "epoch": epoch,
                "batch": batch,
                "gap": self._gap(stats),
                "shares": self.shares.tolist(),
                "label_shares": self.mix.sum(axis=1).tolist(),
                "at_floor": np.argwhere(self._at_floor()).tolist(),
            }
        )
        return stats

    def _at_floor(self) -> np.ndarray:
        return (self.mix <= self.floor * (1 + 1e-9)) & self.cells.known & (self.cells.counts > 0)

    def diagnose(self, *, rows: float | None = None) -> None:
        """Look for signs that the updates do not work, and say each kind of them once."""
        found = diagnose(self.history, self.cells, self.start, rows=rows)
        told = {finding.kind for finding in self.findings}
        for finding in found:
            if finding.kind not in told:
                told.add(finding.kind)
                self.findings.append(finding)
                warnings.warn(str(finding), UserWarning, stacklevel=2)

    def _measure(self) -> CellStats:
        need = self.controller.need
        needs = tuple(dict.fromkeys(n for n in (need, *self.extra_needs) if n != "nothing"))
        if not needs:
            return CellStats()
        if self.signal is None:
            raise InputTypeError("'signal' must be given: the selection inside the cells measures the net.")
        stats = self.signal.measure(*needs)
        measured = None if need == "nothing" else getattr(stats, need, None)
        if need != "nothing" and (measured is None or (need != "rates" and measured.shape != self.cells.shape)):
            raise InputError(
                f"'signal' must measure {need!r} for {self.cells.shape[0]} labels and {self.cells.shape[1]} groups; "
                f"got {stats!r}. Return a CellStats with all cells."
            )
        for extra in self.extra_needs:
            values = getattr(stats, extra, None)
            if values is None or len(values) != self.cells.n:
                raise InputError(
                    f"'signal' must measure {extra!r} of all {self.cells.n} training samples, for the selection inside "
                    f"the cells; got {'none' if values is None else len(values)}. Use a FullPass over them."
                )
        if stats.rates is not None:
            self._check_names(stats.rates.groups)
        return stats

    def _move(self, stats: CellStats) -> None:
        cells, known, joint = self.cells, self.cells.known, self.controller.joint
        weights = np.divide(self.start, cells.mix, out=np.zeros(cells.shape), where=cells.mix > 0)
        rates = stats.rates
        if rates is not None and (weights[cells.counts > 0] != 1).any():
            rates = self._reweighed(rates, weights)
        for_controller = replace(
            stats,
            rates=rates,
            counts=(cells.counts * weights)[:, known],
            **{
                name: None if getattr(stats, name) is None else getattr(stats, name)[:, known]
                for name in ("loss", "positive_loss")
            },
        )
        if for_controller.positive_loss is not None:  # sums over cells by the size of the group, as the target has them
            of_group = [c[:, known].sum(axis=0) for c in (cells.counts, cells.counts * weights)]
            scaled = weights[:, known] * of_group[0] / np.maximum(of_group[1], np.finfo(float).tiny)
            for_controller = replace(for_controller, positive_loss=for_controller.positive_loss * scaled)
        now = self.mix[:, known]
        moved = self.controller.update(_to_one(now) if joint else _rows_to_one(now), for_controller)
        if np.shape(moved) != now.shape or not np.isfinite(moved).all():
            raise InputError(
                f"The controller must return finite shares of shape {now.shape}; got {np.asarray(moved).tolist()}."
            )
        self.mix = self._feasible(np.asarray(moved, dtype=float))

    def _reweighed(self, table: Any, weights: np.ndarray) -> Any:
        """Return a table as it would be with the target's mix of cells."""
        table = copy.copy(table)
        rows = np.searchsorted(table.classes, self.cells.classes)
        table.counts = table.counts.copy()
        table.counts[:, rows] *= weights.T[:, :, None]
        return table

    def _gap(self, stats: CellStats) -> float | None:
        if isinstance(self.criterion, LossCriterion):
            known = self.cells.known
            return (
                None
                if stats.loss is None
                else self.criterion.loss_difference(stats.loss[:, known], self.cells.counts[:, known])
            )
        return None if stats.rates is None else self.criterion.difference(stats.rates)

    def _feasible(self, shares: np.ndarray) -> np.ndarray:
        """Return the mix of a controller's shares: floors kept, sums right, the unknown group at its rate."""
        known, mix = self.cells.known, self.start.copy()
        present, floor = self.cells.counts[:, known] > 0, self.floor[:, known]
        shares = np.where(present, shares, 0.0)
        if self.controller.joint:
            room = np.array([[1 - self.start[:, ~known].sum()]])
            flat = [part.reshape(1, -1) for part in (shares, floor, present)]
            mix[:, known] = _project(flat[0] * room, flat[1], room, flat[2]).reshape(shares.shape)
        else:
            room = self.start[:, known].sum(axis=1, keepdims=True)
            mix[:, known] = _project(shares * room, floor, room, present)
        return mix

    def state_dict(self) -> dict[str, Any]:
        """Return what moves, as plain values."""
        state: dict[str, Any] = {
            "epoch": self.epoch,
            "mix": self.mix.tolist(),
            "history": [dict(entry) for entry in self.history],
            "findings": [finding.to_dict() for finding in self.findings],
            "controller": self.controller.state_dict(),
        }
        signal: Any = self.signal
        if hasattr(signal, "state_dict"):
            state["signal"] = signal.state_dict()
        return state

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from where `state_dict` was taken."""
        mix = np.array(state["mix"], dtype=float)
        if mix.shape != self.mix.shape:
            raise InputError(f"The state must be of {self.mix.shape} cells; got {mix.shape}.")
        self.epoch, self.mix, self.history = state["epoch"], mix, [dict(entry) for entry in state["history"]]
        self.findings = [Finding(**finding) for finding in state["findings"]]
        self.controller.load_state_dict(state["controller"])
        signal: Any = self.signal
        if hasattr(signal, "load_state_dict") and "signal" in state:
            signal.load_state_dict(state["signal"])


class Steered:
    """What the realisers of a mix show of it."""

    _steering: Steering

    @property
    def criterion(self) -> Criterion:
        """What should be equal between the groups."""
        return self._steering.criterion

    @property
    def controller(self) -> Controller:
        """The copy of the controller that is worked on."""
        return self._steering.controller

    @property
    def signal(self) -> Signal | None:
        """What measures the net."""
        return self._steering.signal

    @property
    def groups(self) -> Groups:
        """The groups."""
        return self._steering.cells.groups

    @property
    def classes(self) -> np.ndarray:
        """Label values in sorted order; numbers of bins for a regression target."""
        return self._steering.cells.classes

    @property
    def label_names(self) -> list[str]:
        """Labels as text; the range of each bin for a regression target."""
        return [self._steering.cells.label_name(place) for place in range(len(self.classes))]

    @property
    def counts(self) -> np.ndarray:
        """Samples of each cell, shape (n_labels, n_groups)."""
        return self._steering.cells.counts

    @property
    def shares(self) -> np.ndarray:
        """Share of each group among the samples of a label now; rows sum to 1."""
        return self._steering.shares

    @property
    def data_shares(self) -> np.ndarray:
        """The shares from which training starts: those in the data, unless a target was given."""
        return _rows_to_one(self._steering.start)

    @property
    def epoch(self) -> int:
        """Epochs begun."""
        return self._steering.epoch

    @property
    def history(self) -> list[dict[str, Any]]:
        """One entry for each update."""
        return self._steering.history

    @property
    def findings(self) -> list[Finding]:
        """Signs that the updates do not work, each kind said once as a warning."""
        return self._steering.findings


def _to_one(mix: np.ndarray) -> np.ndarray:
    return mix / max(float(mix.sum()), np.finfo(float).tiny)


def _rows_to_one(shares: np.ndarray) -> np.ndarray:
    return shares / np.maximum(shares.sum(axis=1, keepdims=True), np.finfo(float).tiny)


def _project(shares: np.ndarray, floor: np.ndarray, room: np.ndarray, present: np.ndarray) -> np.ndarray:
    """Return shares that are at least `floor` and sum to `room` in each row; what lies above the floor is scaled."""
    above = np.where(present, np.maximum(shares - floor, 0.0), 0.0)
    total = above.sum(axis=1, keepdims=True)
    free = room - floor.sum(axis=1, keepdims=True)
    even = present / np.maximum(present.sum(axis=1, keepdims=True), 1)  # a controller that gave nothing to anyone
    scaled = np.divide(above, total, out=even, where=total > 0)
    return floor + np.maximum(free, 0.0) * scaled


def bounded(value: Any, name: str, below: float, what: str = "") -> float:
    """Return a number from 0 to below a bound, `what` in words."""
    if isinstance(value, bool) or not isinstance(value, (int, float, np.number)):
        raise InputTypeError(f"'{name}' must be a number; got {value!r}.")
    if not 0 <= value < below or math.isnan(value):
        raise InputError(f"'{name}' must be from 0 to below {what or f'{below:g}'}; got {value}.")
    return float(value)
