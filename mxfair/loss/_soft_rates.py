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
        self._cells, figures = self.n_groups * self.n_classes, self.n_groups * self._n_rates
        length = self._cells * self.n_classes + bool(self.memory)  # and the samples
        with self.name_scope():
            self.above = self._state("above", (length, figures))
            self.below = self._state("below", (length, figures))
            self.alike = self._state("alike", (figures, figures))
            self.alike.set_data(mx.nd.array(np.kron(np.ones((self.n_groups,) * 2), np.eye(self._n_rates))))
            if self.memory:
                self.past = self._state("past", (length,))
        if self.link is not None:
            self._linked()

    def _linked(self) -> None:
        """Set the maps from sums to numerators and denominators.

        Summed in each cell are the probabilities of the classes; with one output 1 in all cells, then p in all cells.
        Where sums are remembered, the number of samples is the last.
        """
        if self._columns == 1 and self.n_classes > 2:
            raise InputError(
                f"'n_classes' must be 2 with link={self.link!r}, one output per sample; got {self.n_classes}. Give the "
                "net an output for each class, and the loss that goes with it."
            )
        for parameter, plane in zip((self.above, self.below), self._planes):
            if self._columns == 1:  # counts of a label: (N - S, S), so that A_0 (N - S) + A_1 S = A_0 N + (A_1 - A_0) S
                parts = [np.kron(np.eye(self.n_groups), part) for part in (plane[:, 0], plane[:, 1] - plane[:, 0])]
            else:
                parts = [np.kron(np.eye(self.n_groups), plane.reshape(self.n_classes**2, -1))]
            rows = np.concatenate(parts)
            parameter.set_data(mx.nd.array(np.pad(rows, ((0, parameter.shape[0] - len(rows)), (0, 0)))))

    @property
    def _fixed_below(self) -> bool:
        """Whether denominators count labels only, and not predictions (whose logarithms may not be of shares)."""
        plane = self._planes[1]
        return self.link != "exp" and bool((plane == plane[:, :1]).all())

    def _states(self) -> list[Any]:
        return [self.past] if self.memory else []

    def _sums(self, F: Any, pred: Any, label: Any, group: Any, params: dict[str, Any]) -> tuple[Any, Any, Any, Any]:
        """Return predictions, cells as indicators, the sums of the cells, and the samples that these are of."""
        member = F.one_hot(flat(F, group) * self.n_classes + flat(F, label), depth=self._cells)
        size = F.cast(F.size_array(label), dtype="float32")
        own = [size] if self.memory else []
        if self._columns > 1:
            prob = self._probabilities(F, pred)
            sums = F.reshape(F.dot(member, prob, transpose_a=True), shape=(-1,))
            sums = F.concat(sums, *own, dim=0) if own else sums
        else:
            prob = self._score(F, pred)
            sums = F.concat(F.sum(member, axis=0), F.dot(prob, member), *own, dim=0)
        if own:
            sums = params["past"] * self.memory + sums
            size = F.slice_axis(sums, axis=0, begin=-1, end=None)
        return prob, member, sums, size

    def _new_states(self, sums: Any) -> tuple[Any, ...]:
        """Return what is to be remembered."""
        return (sums,) if self.memory else ()

    def _rates(self, F: Any, sums: Any, params: dict[str, Any]) -> tuple[Any, Any, Any]:
        """Return rates, 0 where undefined, their denominators, and 1 where these are not 0."""
        below = F.dot(sums, params["below"])
        defined = below > 1e-6
        return F.dot(sums, params["above"]) / (below + 1e-12) * defined, below + 1e-12, defined

    def _apart(self, F: Any, rates: Any, defined: Any, params: dict[str, Any]) -> Any:
        """Return the distances to the mean over the groups that have the rate, 0 for the others; self-adjoint.

        Rates that are not defined must be 0.
        """
        mean = F.dot(rates, params["alike"]) / (F.dot(defined, params["alike"]) + 1e-12)
        return (rates - mean) * defined

    def _slope(
        self, F: Any, by_rate: Any, rates: Any, below: Any, of: tuple[Any, Any], scale: Any, params: dict[str, Any]
    ) -> Any:
        """Return the derivative by the outputs, given that by the rates.

        r = a / b with a = sums . A and b = sums . B, so that dr / dsums = (A - r B) / b. `of` are predictions and
        cells; `scale` is the strength times the samples that the sums are of.
        """
        prob, member = of
        up = F.broadcast_mul(by_rate / below, scale)
        by_sums = F.dot(params["above"], up)
        if not self._fixed_below:
            by_sums = by_sums - F.dot(params["below"], up * rates)
        stop = self._cells * self.n_classes
        if self._columns == 1:  # those of 1 have no derivative
            by_sums = F.slice_axis(by_sums, axis=0, begin=self._cells, end=stop)
        else:
            by_sums = F.slice_axis(by_sums, axis=0, begin=0, end=stop) if self.memory else by_sums
            by_sums = F.reshape(by_sums, shape=(-1, self.n_classes))
        return self._by_output(F, F.dot(member, by_sums), prob)

    def _check(self, pred: Any, label: Any, group: Any) -> None:
        super()._check(pred, label, group)
        self._check_labels(label)
