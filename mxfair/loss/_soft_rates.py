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
    """Base of what compares soft rates: the soft confusion tensor of the batches remembered, and the rates of it.

    All is flat: sums of the cells, rates in the order (group, rate). What is linear is a constant matrix, since a step
    costs an operator's call more than its arithmetic.
    """

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
        self._planes = [np.stack(masks, axis=-1).astype(np.float32) for masks in (above, below)]  # label, pred, rate
        cells, figures = self.n_groups * self.n_classes, self.n_groups * self._n_rates
        with self.name_scope():
            self.above = self._state("above", (cells * self.n_classes, figures))
            self.below = self._state("below", (cells * self.n_classes, figures))
            self.alike = self._state("alike", (figures, figures))
            self.alike.set_data(mx.nd.array(np.kron(np.ones((self.n_groups,) * 2), np.eye(self._n_rates))))
            if self.memory:
                self.past = self._state("past", (cells * self.n_classes,))
                self.age = self._state("age", (1,))
        if self.link is not None:
            self._linked()

    def _linked(self) -> None:
        """Set the maps from sums to numerators and denominators.

        Summed in each cell are the probabilities of the classes; with one output 1 in all cells, then p in all cells.
        """
        if self._columns == 1 and self.n_classes > 2:
            raise InputError(
                f"'n_classes' must be 2 with link={self.link!r}, one output per sample; got {self.n_classes}. Give the "
                "net an output for each class, and the loss that goes with it."
            )
        for parameter, plane in zip((self.above, self.below), self._planes):
            if self._columns == 1:  # counts of a label: (N - S, S), so that A_0 (N - S) + A_1 S = A_0 N + (A_1 - A_0) S
                parts = [np.kron(np.eye(self.n_groups), part) for part in (plane[:, 0], plane[:, 1] - plane[:, 0])]
                parameter.set_data(mx.nd.array(np.concatenate(parts)))
            else:
                flat_plane = plane.reshape(self.n_classes**2, -1)
                parameter.set_data(mx.nd.array(np.kron(np.eye(self.n_groups), flat_plane)))

    @property
    def _fixed_below(self) -> bool:
        """Whether denominators count labels only, and not predictions (whose logarithms may not be of shares)."""
        plane = self._planes[1]
        return self.link != "exp" and bool((plane == plane[:, :1]).all())

    def _states(self) -> list[Any]:
        return [self.past, self.age] if self.memory else []

    def _sums(self, F: Any, pred: Any, label: Any, group: Any, params: dict[str, Any]) -> tuple[Any, Any, Any]:
        """Return predictions, cells as indicators, and the sums of the cells."""
        member = F.one_hot(flat(F, group) * self.n_classes + flat(F, label), depth=self.n_groups * self.n_classes)
        if self._columns > 1:
            prob = self._probabilities(F, pred)
            sums = F.reshape(F.dot(member, prob, transpose_a=True), shape=(-1,))
        else:
            prob = self._score(F, pred)
            sums = F.concat(F.sum(member, axis=0), F.dot(prob, member), dim=0)
        return prob, member, params["past"] * self.memory + sums * (1 - self.memory) if self.memory else sums

    def _new_states(self, sums: Any, params: dict[str, Any]) -> tuple[Any, ...]:
        """Return what is to be remembered: the sums, and how much of a whole batch they hold."""
        return (sums, params["age"] * self.memory + (1 - self.memory)) if self.memory else ()

    def _rates(self, F: Any, sums: Any, params: dict[str, Any]) -> tuple[Any, Any, Any]:
        """Return rates, 0 where undefined, their denominators, and 1 where these are not 0."""
        below = F.dot(sums, params["below"])
        return F.dot(sums, params["above"]) / (below + 1e-12), below + 1e-12, below > 1e-6

    def _apart(self, F: Any, rates: Any, defined: Any, params: dict[str, Any]) -> Any:
        """Return the distances to the mean over the groups that have the rate, 0 for the others; self-adjoint.

        Rates that are not defined must be 0.
        """
        mean = F.dot(rates, params["alike"]) / (F.dot(defined, params["alike"]) + 1e-12)
        return (rates - mean) * defined

    def _slope(
        self, F: Any, by_rate: Any, rates: Any, below: Any, of: tuple[Any, Any, Any], scale: Any, params: dict[str, Any]
    ) -> Any:
        """Return the derivative by the outputs, given that by the rates.

        r = a / b with a = sums . A and b = sums . B, so that dr / dsums = (A - r B) / b. `of` are predictions, cells
        and labels; `scale` is the strength, times what the sums are short of a whole batch.
        """
        prob, member, label = of
        up = F.broadcast_mul(by_rate / below, F.cast(F.size_array(label), dtype="float32") * scale)
        by_sums = F.dot(params["above"], up)
        if not self._fixed_below:
            by_sums = by_sums - F.dot(params["below"], up * rates)
        if self._columns > 1:
            by_sums = F.reshape(by_sums, shape=(-1, self.n_classes))
        else:  # those of 1 have no derivative
            by_sums = F.slice_axis(by_sums, axis=0, begin=self.n_groups * self.n_classes, end=None)
        return self._by_output(F, F.dot(member, by_sums), prob)

    def _check(self, pred: Any, label: Any, group: Any) -> None:
        super()._check(pred, label, group)
        self._check_labels(label)
