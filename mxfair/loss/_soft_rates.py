"""The soft confusion tensor of the batches remembered, the rates of it, and their derivatives."""

from __future__ import annotations

from typing import Any

import numpy as np

from mxfair._compat import import_mxnet
from mxfair._validation import InputError
from mxfair.loss._base import flat, group_count
from mxfair.loss._strata import rates_of
from mxfair.loss.penalty import Penalty

mx: Any = import_mxnet()


class SoftRates(Penalty):
    """Base of what compares soft rates: the soft confusion tensor of the batches remembered, and the rates of it."""

    steered = True

    def __init__(self, criterion: Any, n_groups: Any, *, memory: float, **options: Any) -> None:
        if n_groups is None:
            raise InputError("'n_groups' must be a number or Groups; got None. Cut a continuous attribute into bins.")
        super().__init__(n_groups, **options)
        self.n_groups: int = group_count(n_groups)
        self.criterion, pairs = rates_of(criterion, self.n_classes)
        if isinstance(memory, bool) or not isinstance(memory, (int, float, np.number)) or not 0 <= memory < 1:
            raise InputError(f"'memory' must be at least 0 and below 1; got {memory!r}. Give 0 to forget each batch.")
        self.memory, self._n_rates = float(memory), len(pairs)
        masks = [rate.masks(self.n_classes, place) for rate, place in pairs]
        above = [m if r.share else m.astype(float) for (m, _), (r, _) in zip(masks, pairs)]
        # A quotient that is no share, FN / FP say, is compared as FN / (FN + FP): equal where it is, and bounded.
        below = [w if r.share else w.astype(float) + n for (n, w), (r, _) in zip(masks, pairs)]
        self._plane = np.stack([*above, *below], axis=-1).astype(np.float32)  # (label, prediction, rate)
        with self.name_scope():
            self.masks = self._state("masks", (self.n_classes**2, 2 * self._n_rates))
            if self.memory:
                self.past = self._state("past", (self.n_groups * self.n_classes**2,))
                self.age = self._state("age", (1,))
        if self.link is not None:
            self._linked()

    def _linked(self) -> None:
        """Set the masks of what is summed: probabilities of the classes, or 1 and p where there is one output."""
        plane = self._plane
        if self._columns == 1 and self.n_classes > 2:
            raise InputError(
                f"'n_classes' must be 2 with link={self.link!r}, one output per sample; got {self.n_classes}. Give the "
                "net an output for each class, and the loss that goes with it."
            )
        if self._columns == 1:  # counts of label y: (N - S, S), so that A_0 (N - S) + A_1 S = A_0 N + (A_1 - A_0) S
            plane = np.concatenate([plane[:, 0], plane[:, 1] - plane[:, 0]])
        self.masks.set_data(mx.nd.array(plane.reshape(self.n_classes**2, -1)))

    def _states(self) -> list[Any]:
        return [self.past, self.age] if self.memory else []

    def _sums(self, F: Any, pred: Any, label: Any, group: Any, past: Any) -> tuple[Any, Any, Any]:
        """Return predictions, cells as indicators, and the sums of the cells, flat.

        Summed are the probabilities of the classes; with one output 1 and p, the size and the expected positives.
        """
        member = F.one_hot(flat(F, group) * self.n_classes + flat(F, label), depth=self.n_groups * self.n_classes)
        if self._columns > 1:
            prob = self._probabilities(F, pred)
            sums = F.reshape(F.dot(member, prob, transpose_a=True), shape=(self.n_groups, -1))
        else:
            prob = self._score(F, pred)
            by_group = (F.sum(member, axis=0), F.dot(prob, member))
            sums = F.concat(*(F.reshape(part, shape=(self.n_groups, -1)) for part in by_group), dim=1)
        sums = F.reshape(sums, shape=(-1,))
        return prob, member, sums if past is None else self._aged(past, sums)

    def _aged(self, past: Any, now: Any) -> Any:
        return past * self.memory + now * (1 - self.memory)

    def _new_states(self, F: Any, sums: Any, params: dict[str, Any]) -> tuple[Any, ...]:
        """Return what is to be remembered: the sums, and how much of a whole batch they hold."""
        return (sums, self._aged(params["age"], F.ones_like(params["age"]))) if self.memory else ()

    def _rates(self, F: Any, sums: Any, masks: Any) -> tuple[Any, Any, Any]:
        """Return rates (n_groups, n_rates), 0 where undefined, their denominators, and 1 where these are not 0."""
        parts = F.dot(F.reshape(sums, shape=(self.n_groups, -1)), masks)
        above = F.slice_axis(parts, axis=1, begin=0, end=self._n_rates)
        below = F.slice_axis(parts, axis=1, begin=self._n_rates, end=2 * self._n_rates)
        return above / (below + 1e-12), below + 1e-12, below > 1e-6

    def _apart(self, F: Any, rates: Any, defined: Any) -> Any:
        """Return the distances to the mean over the groups that have the rate, 0 for the others; self-adjoint."""
        mean = F.sum(rates * defined, axis=0, keepdims=True) / (F.sum(defined, axis=0, keepdims=True) + 1e-12)
        return F.broadcast_minus(rates, mean) * defined

    def _slope(self, F: Any, by_rate: Any, rates: Any, below: Any, masks: Any) -> Any:
        """Return the derivative by the sums of each cell, given that by the rates.

        r = a / b with a = sums . A and b = sums . B, so that dr / dsums = (A - r B) / b.
        """
        up = by_rate / below
        by_sums = F.dot(F.concat(up, -up * rates, dim=1), masks, transpose_b=True)
        if self._columns > 1:
            return F.reshape(by_sums, shape=(-1, self.n_classes))
        return F.reshape(F.slice_axis(by_sums, axis=1, begin=self.n_classes, end=None), shape=(-1, 1))

    def _steered(self, F: Any, by_sums: Any, prob: Any, member: Any, label: Any, scale: Any) -> Any:
        """Return the slope by the outputs; `scale` is the strength, times what the sums are short of a whole batch."""
        size = F.cast(F.size_array(label), dtype="float32") * scale
        slope = F.dot(member, F.broadcast_mul(by_sums, size))
        slope = slope if self._columns > 1 else F.reshape(slope, shape=(-1,))
        return self._by_output(F, slope, prob)

    def _check(self, pred: Any, label: Any, group: Any) -> None:
        super()._check(pred, label, group)
        self._check_labels(label)
