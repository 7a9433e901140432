"""GapPenalty: the gaps of a criterion's soft rates."""

from __future__ import annotations

from typing import Any

import numpy as np

from mxfair._compat import import_mxnet
from mxfair._validation import InputError, one_of
from mxfair.loss._strata import rates_of
from mxfair.loss.penalty import Penalty

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

    def _states(self) -> list[Any]:
        return [self.past] if self.memory else []

    def _decisions(self, F: Any, pred: Any) -> Any:
        """Return probabilities of the classes, or decisions softened by a share of the scores' spread."""
        if self.temperature is None:
            return self._probabilities(F, pred)
        if self.link in ("softmax", "exp"):
            centred = F.broadcast_minus(pred, F.mean(pred, axis=1, keepdims=True))
            spread = F.sqrt(F.mean(F.square(centred)) + 1e-8)
            return F.softmax(F.broadcast_div(centred, spread * self.temperature), axis=-1)
        logit = F.reshape(pred, shape=(-1, 1))
        if self.link == "identity":  # a probability
            logit = F.log(F.clip(logit, 1e-6, 1 - 1e-6) / (1 - F.clip(logit, 1e-6, 1 - 1e-6)))
        spread = F.sqrt(F.mean(F.square(F.broadcast_minus(logit, F.mean(logit)))) + 1e-8)
        score = F.sigmoid(F.broadcast_div(logit, spread * self.temperature))
        return F.concat(1 - score, score, dim=1)

    def _rates(self, F: Any, pred: Any, label: Any, group: Any, masks: Any, past: Any = None) -> tuple[Any, Any, list]:
        """Return rates (n_groups, n_rates), 1 where they are defined and 0 elsewhere, and the new states."""
        cell = F.reshape(group, shape=(-1,)) * self.n_classes + F.reshape(label, shape=(-1,))
        member = F.one_hot(cell, depth=self.n_groups * self.n_classes)
        counts = F.dot(member, self._decisions(F, pred), transpose_a=True)
        states = []
        if past is not None:
            kept = past * self.memory + F.BlockGrad(counts)
            states = [kept]
            # The estimate is that of all batches remembered; each sample's gradient weighs as in a batch of its own.
            share = F.broadcast_div(F.sum(kept), F.sum(F.BlockGrad(counts)) + 1e-12)
            counts = F.BlockGrad(kept) + F.broadcast_mul(share, counts - F.BlockGrad(counts))
        parts = F.dot(F.reshape(counts, shape=(self.n_groups, -1)), masks)
        above = F.slice_axis(parts, axis=1, begin=0, end=self._n_rates)
        below = F.slice_axis(parts, axis=1, begin=self._n_rates, end=2 * self._n_rates)
        defined = below > 1e-6
        return above / (below + (1 - defined)), defined, states

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
        rates, defined, states = self._rates(F, pred, label, group, masks, past)
        # d_gr = r_gr - mean of r_r over the groups that have it
        mean = F.broadcast_div(
            F.sum(rates * defined, axis=0, keepdims=True), F.sum(defined, axis=0, keepdims=True) + 1e-12
        )
        apart = F.broadcast_minus(rates, mean) * defined
        return [self._norm(F, apart), *states]

    def _norm(self, F: Any, apart: Any) -> Any:
        """Return the norm of deviations; with two groups and one rate it is the gap (squared: its square)."""
        if self.norm == "squared":
            return F.reshape(2.0 * F.sum(F.square(apart)), shape=(1,))
        if self.norm == "l2":
            return F.reshape(F.sqrt(2.0 * F.sum(F.square(apart)) + ROUND**2) - ROUND, shape=(1,))
        size = F.sqrt(F.square(apart) + ROUND**2) - ROUND
        if self.norm == "l1":
            return F.reshape(F.sum(size), shape=(1,))
        return F.reshape(2.0 * F.max(size), shape=(1,))
