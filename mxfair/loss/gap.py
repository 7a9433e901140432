"""GapPenalty: the gaps of a criterion's soft rates."""

from __future__ import annotations

from typing import Any

import numpy as np

from mxfair._compat import import_mxnet
from mxfair._validation import InputError, one_of
from mxfair.loss._strata import rates_of
from mxfair.loss.penalty import Penalty, Sloped

mx: Any = import_mxnet()

__all__ = ["GapPenalty"]

NORMS = ("l1", "l2", "max", "squared")
#: Where the root of a square is rounded off, so that its gradient has no jump at parity.
ROUND = 1e-2


class SoftRates(Penalty):
    """Base of what compares soft rates: the soft confusion tensor, with memory, and the rates of its cells."""

    def __init__(
        self, criterion: Any, n_groups: Any, *, memory: float, temperature: float | None, **options: Any
    ) -> None:
        super().__init__(n_groups, **options)
        self.criterion, pairs = rates_of(criterion, self.n_classes)
        if not 0 <= memory < 1:
            raise InputError(f"'memory' must be at least 0 and below 1; got {memory}. Give 0 to forget each batch.")
        if temperature is not None and not 0 < temperature < np.inf:
            raise InputError(f"'temperature' must be above 0; got {temperature}. Give None for plain probabilities.")
        self.memory, self.temperature, self._n_rates = float(memory), temperature, len(pairs)
        masks = [rate.masks(self.n_classes, place) for rate, place in pairs]
        numerators = [m if r.share else m.astype(float) for (m, _), (r, _) in zip(masks, pairs)]
        # A quotient that is no share, FN / FP say, is compared as FN / (FN + FP): equal where it is, and bounded.
        wholes = [w if r.share else w.astype(float) + n for (n, w), (r, _) in zip(masks, pairs)]
        plane = np.stack([*numerators, *wholes], axis=-1).reshape(self.n_classes**2, -1)
        with self.name_scope():
            self.masks = self.params.get_constant("masks", plane.astype(np.float32))
            if self.memory:
                self.past = self.params.get(
                    "past",
                    shape=(self.n_groups * self.n_classes, self.n_classes),
                    grad_req="null",
                    init=mx.init.Zero(),
                    differentiable=False,
                )
                self.past.initialize()
        self.masks.initialize()

    @property
    def _columns(self) -> int:
        """Columns of the soft decisions: one for a net with one output, else one for each class."""
        return self.n_classes if self.link in ("softmax", "exp") else 1

    def _states(self) -> list[Any]:
        return [self.past] if self.memory else []

    def _soft(self, F: Any, pred: Any) -> Any:
        """Return probabilities, or decisions softened by a share of the outputs' spread: (n,), or (n, n_classes)."""
        several = self.link in ("softmax", "exp")
        if self.temperature is None:
            return self._probabilities(F, pred) if several else self._score(F, pred)
        # A net that shrinks its outputs must not seem fairer: what counts is an output in units of their spread.
        if several:
            centred = F.broadcast_minus(pred, F.mean(pred, axis=1, keepdims=True))
            scale = self.temperature * F.sqrt(F.mean(F.square(F.BlockGrad(centred)), keepdims=True) + 1e-8)
            return F.softmax(F.broadcast_div(centred, scale), axis=-1)
        logit = F.reshape(pred, shape=(-1,))
        if self.link == "identity":  # a probability
            inside = F.clip(logit, 1e-6, 1 - 1e-6)
            logit = F.log(inside / (1 - inside))
        blocked = F.BlockGrad(logit)
        centred = F.broadcast_minus(blocked, F.mean(blocked, keepdims=True))
        scale = self.temperature * F.sqrt(F.mean(F.square(centred), keepdims=True) + 1e-8)
        return F.sigmoid(F.broadcast_div(logit, scale))

    def _counts(self, F: Any, pred: Any, label: Any, group: Any, past: Any) -> tuple[Any, Any, Any, Any]:
        """Return soft decisions, cells as indicators, soft counts (n_groups, n_classes^2), and those to remember."""
        soft = self._soft(F, pred)
        cell = F.reshape(group, shape=(-1,)) * self.n_classes + F.reshape(label, shape=(-1,))
        member = F.one_hot(cell, depth=self.n_groups * self.n_classes)
        blocked = F.BlockGrad(soft)
        if self._columns == 1:
            blocked = F.stack(1 - blocked, blocked, axis=1)
        counts = F.dot(member, blocked, transpose_a=True)
        if past is not None:
            counts = past * self.memory + counts * (1 - self.memory)
        return soft, member, F.reshape(counts, shape=(self.n_groups, -1)), counts

    def _rates(self, F: Any, counts: Any, masks: Any) -> tuple[Any, Any, Any]:
        """Return rates (n_groups, n_rates), 0 where undefined, their denominators and where these are not 0."""
        parts = F.dot(counts, masks)
        above = F.slice_axis(parts, axis=1, begin=0, end=self._n_rates)
        below = F.slice_axis(parts, axis=1, begin=self._n_rates, end=2 * self._n_rates)
        defined = below > 1e-6
        below = below + (1 - defined)
        return above / below, below, defined

    def _slope(self, F: Any, by_rate: Any, rates: Any, below: Any, member: Any, masks: Any) -> Any:
        """Return the derivative by each sample's soft decisions, given that by the rates.

        r = a / b with a = counts . A and b = counts . B, so that dr / dcounts = (A - r B) / b.
        """
        up = by_rate / below
        by_counts = F.reshape(
            F.dot(F.concat(up, -up * rates, dim=1), masks, transpose_b=True), shape=(-1, self.n_classes)
        )
        if self._columns == 1:
            by_counts = F.slice_axis(by_counts, axis=1, begin=1, end=2) - F.slice_axis(
                by_counts, axis=1, begin=0, end=1
            )
            return F.reshape(F.dot(member, by_counts), shape=(-1,))
        return F.dot(member, by_counts)

    def _check(self, pred: Any, label: Any, group: Any) -> None:
        super()._check(pred, label, group)
        self._check_labels(label)


class GapPenalty(SoftRates):
    def __init__(
        self,
        criterion: Any,
        n_groups: Any,
        *,
        norm: str = "l2",
        memory: float = 0.9,
        temperature: float | None = None,
        **options: Any,
    ) -> None:
        super().__init__(criterion, n_groups, memory=memory, temperature=temperature, **options)
        self.norm = one_of(norm, NORMS, "norm")

    def penalty(self, F: Any, pred: Any, label: Any, group: Any, masks: Any, past: Any = None) -> Any:
        """Return the penalty without its strength; see `Penalty.penalty`.

        Parameters
        ----------
        F, pred, label, group
            As for `Penalty.penalty`.
        masks, past : NDArray or Symbol
            The rates, and the counts remembered.

        Returns
        -------
        Sloped
        """
        soft, member, counts, kept = self._counts(F, pred, label, group, past)
        rates, below, defined = self._rates(F, counts, masks)
        # d_gr = r_gr - mean of r_r over the groups that have it
        mean = F.broadcast_div(F.sum(rates, axis=0, keepdims=True), F.sum(defined, axis=0, keepdims=True) + 1e-12)
        apart = F.broadcast_minus(rates, mean) * defined
        value, by_apart = self._norm(F, apart)
        slope = self._slope(F, by_apart, rates, below, member, masks)
        size = F.sum(F.ones_like(F.reshape(label, shape=(-1,))), keepdims=True)
        slope = F.broadcast_mul(slope, size)
        return Sloped(value, slope, soft, (kept,) if past is not None else (), self._columns)

    def _norm(self, F: Any, apart: Any) -> tuple[Any, Any]:
        """Return the norm of deviations and its derivative; with two groups and one rate the norm is the gap."""
        if self.norm == "squared":  # the square of the gap
            return F.reshape(2.0 * F.sum(F.square(apart)), shape=(1,)), 4.0 * apart
        if self.norm == "l2":
            root = F.sqrt(2.0 * F.sum(F.square(apart), keepdims=True) + ROUND**2)
            return F.reshape(root - ROUND, shape=(1,)), 2.0 * F.broadcast_div(apart, root)
        size = F.sqrt(F.square(apart) + ROUND**2)
        slope = apart / size
        if self.norm == "max":
            top = F.max(size, keepdims=True)
            largest = F.broadcast_equal(size, top)
            slope = 2.0 * F.broadcast_div(slope * largest, F.sum(largest, keepdims=True))
            return F.reshape(2.0 * (top - ROUND), shape=(1,)), slope
        return F.reshape(F.sum(size - ROUND), shape=(1,)), slope
