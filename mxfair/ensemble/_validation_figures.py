"""What weights of members are judged by on validation data: loss, accuracy and gap of many weights at once."""

from __future__ import annotations

from typing import Any

import numpy as np

from mxfair import _inference
from mxfair._validation import InputError, labels_vector, same_length
from mxfair.confusion import GroupConfusion
from mxfair.criterion import Criterion
from mxfair.ensemble._combine import log_probabilities
from mxfair.ensemble._convex import LogLoss, Problem, SquaredLoss
from mxfair.groups import Groups
from mxfair.rate import Rate
from mxfair.residuals import GroupResiduals

__all__ = ["REGRESSION", "Classified", "Predicted"]

#: Figures of a regression that groups are compared by; those that are linear in the weights are first.
REGRESSION = ("mean_prediction", "mean_error", "mean_absolute_error", "mean_squared_error", "root_mean_squared_error")
LINEAR = REGRESSION[:2]
#: Values of one operation on many weights.
VALUES = 4_000_000
#: The smallest probability whose logarithm is taken.
LEAST = 1e-15


def check_groups(groups: Groups) -> None:
    """Raise unless two known groups or more are there, and no group without samples."""
    empty = [name for name, count, known in zip(groups.names, groups.counts, groups.known) if known and not count]
    if empty:
        raise InputError(
            f"Each group must have samples to choose weights by; group {empty[0]!r} has none. Choose other rows, or "
            "name only groups that occur."
        )
    if groups.known.sum() < 2:
        raise InputError(f"'groups' must hold at least two known groups; got {', '.join(groups.names)}.")


class Classified:
    """Classification: decisions of combined members, their accuracy, log loss and gap by a criterion."""

    def __init__(
        self,
        scores: np.ndarray,
        labels: Any,
        groups: Groups,
        *,
        criterion: Criterion,
        combine: str,
        probability: bool,
    ) -> None:
        labels = labels_vector(labels)
        same_length(member_scores=scores[0], labels=labels, groups=groups)
        check_groups(groups)
        found = np.unique(labels)
        if len(found) < 2:
            raise InputError(f"'labels' must hold two classes or more; got only {found[0]!r}. Choose other rows.")
        _, self.classes = _inference.decision_places(np.zeros((1, scores.shape[2])), found)
        self.codes = np.searchsorted(self.classes, labels)
        self.groups, self.criterion, self.combine = groups, criterion, combine
        self.n_classes = len(self.classes)
        ordered = np.ascontiguousarray(scores.transpose(2, 0, 1))  # (n_outputs, K, n_samples)
        self._parts = self._combinable(ordered, probability)  # what weights average
        self._chosen = np.take_along_axis(self._stack(self._parts), self.codes[None, None, :], axis=0)[0]
        self._table = GroupConfusion(groups.names, self.classes, known=groups.known, name=groups.name)
        self._cells = (groups.codes * self.n_classes + self.codes) * self.n_classes

    def _combinable(self, scores: np.ndarray, probability: bool) -> np.ndarray:
        if self.combine == "score":
            return scores
        if self.combine == "probability":
            return np.exp(np.stack([side.reshape(scores.shape[-2:]) for side in self._sides(scores, probability)]))
        if len(scores) == 1:
            yes = scores[0] > (0.5 if probability else 0.0)
            return np.stack([~yes, yes]).astype(float)
        return (scores.argmax(axis=0) == np.arange(len(scores))[:, None, None]).astype(float)

    @staticmethod
    def _sides(scores: np.ndarray, probability: bool) -> list[np.ndarray]:
        """Return the logarithm of each class's probability."""
        logs = log_probabilities(scores, probability=probability)
        return logs[::-1] if len(logs) == 2 else list(logs[0])

    def _stack(self, parts: np.ndarray) -> np.ndarray:
        """Return one array per class; a score of one output is 0 against itself."""
        return parts if len(parts) == self.n_classes else np.concatenate([np.zeros_like(parts), parts])

    def problem(self) -> Problem | None:
        """Return the convex problem, or None where the criterion or the way of combining allows none."""
        if self.combine == "score" or self.criterion.agg == "signed":
            return None
        pairs = self.criterion.rate_classes(self.classes)
        for rate, place in pairs:
            if not isinstance(rate, Rate) or not rate.share:
                return None
            below = rate.masks(self.n_classes, place)[1]
            if (below != below[:, :1]).any():  # the denominator counts predictions
                return None
        soft = [self._soft_counts(member) for member in range(self._parts.shape[1])]
        rates = np.stack(
            [[rate.values(counts, place)[self.groups.known] for counts in soft] for rate, place in pairs]
        ).transpose(0, 2, 1)
        for (rate, place), values in zip(pairs, rates):
            self._check_defined(rate, place, values)
        if self.combine == "vote":
            return Problem(SquaredLoss(self._parts.transpose(2, 0, 1), self._truth()), rates, self.criterion.agg)
        return Problem(LogLoss(np.maximum(self._chosen, LEAST).T), rates, self.criterion.agg)

    def _check_defined(self, rate: Any, place: int, values: np.ndarray) -> None:
        undefined = np.isnan(values).any(axis=1)
        if undefined.any():
            names = [name for name, known in zip(self.groups.names, self.groups.known) if known]
            raise InputError(
                f"Each group must have what {rate.name} needs; group {names[int(undefined.argmax())]!r} has "
                f"{rate.needs(self.classes[place])}. Choose other rows, or another criterion."
            )

    def _soft_counts(self, member: int) -> np.ndarray:
        chances = self._parts[:, member]
        table = np.zeros((len(self.groups.names), self.n_classes, self.n_classes))
        cells = self.groups.codes * self.n_classes + self.codes
        for place, column in enumerate(chances):
            table[:, :, place] = np.bincount(cells, column, minlength=table[:, :, 0].size).reshape(table.shape[:2])
        return table

    def _truth(self) -> np.ndarray:
        return (self.codes[:, None] == np.arange(self.n_classes)).astype(float)

    def figures(self, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return loss, accuracy and gap of each row of weights: gap and accuracy by decisions."""
        rows = max(1, VALUES // (len(self.codes) * self.n_classes))
        parts = [self._figures(weights[start : start + rows]) for start in range(0, len(weights), rows)]
        loss, accuracy, gap = (np.concatenate(column) for column in zip(*parts))
        return loss, accuracy, gap

    def _figures(self, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        means = self._stack(np.stack([weights @ part for part in self._parts]))  # (n_classes, m, n)
        counts = np.stack([self._counted(decided) for decided in means.argmax(axis=0)])
        accuracy = np.trace(counts.sum(axis=1), axis1=1, axis2=2) / len(self.codes)
        gap = self.criterion.differences(self._table, counts)
        return self._loss(means), accuracy, np.where(self._undefined(counts), np.nan, gap)

    def _undefined(self, counts: np.ndarray) -> np.ndarray:
        """Return where a rate is undefined for a group, which a gap leaves out: weights must not profit from that."""
        rates = [rate.values(counts, place) for rate, place in self.criterion.rate_classes(self.classes)]
        return np.isnan(np.stack(rates)[..., self.groups.known]).any(axis=(0, -1))

    def _loss(self, means: np.ndarray) -> np.ndarray:
        if self.combine == "vote":
            return ((means - self._truth().T[:, None]) ** 2).sum(axis=0).mean(axis=1)
        chosen = np.take_along_axis(means, self.codes[None, None, :], axis=0)[0]
        if self.combine == "score":
            top = means.max(axis=0)
            return (top + np.log(np.exp(means - top).sum(axis=0)) - chosen).mean(axis=1)
        return -np.log(np.maximum(chosen, LEAST)).mean(axis=1)

    def _counted(self, decided: np.ndarray) -> np.ndarray:
        shape = self._table.counts.shape
        return np.bincount(self._cells + decided, minlength=int(np.prod(shape))).reshape(shape).astype(float)

    @staticmethod
    def costs(loss: np.ndarray, accuracy: np.ndarray) -> np.ndarray:
        """Return what is to be small besides the gap."""
        return 1.0 - accuracy


class Predicted:
    """Regression: the weighted mean of values, its squared error and the gap of a figure between groups."""

    def __init__(self, preds: np.ndarray, labels: Any, groups: Groups, *, criterion: str) -> None:
        if preds.shape[2] != 1:
            raise InputError(f"'member_scores' must be one value per sample in a regression; got {preds.shape[2]}.")
        self.labels = np.asarray(labels_vector(labels), dtype=float)
        same_length(member_scores=preds[0], labels=self.labels, groups=groups)
        if not np.isfinite(self.labels).all():
            raise InputError("'labels' must be finite numbers; got an infinite one. Remove these samples first.")
        check_groups(groups)
        self.preds, self.groups, self.criterion = preds[..., 0], groups, criterion

    def problem(self) -> Problem | None:
        """Return the convex problem, or None where the criterion allows none."""
        if self.criterion not in LINEAR:
            return None
        values = np.stack([self._by_group(member) for member in self.preds], axis=-1)[self.groups.known]
        return Problem(SquaredLoss(self.preds.T[:, None, :], self.labels[:, None]), values[None], "max")

    def _by_group(self, preds: np.ndarray) -> np.ndarray:
        state = GroupResiduals(self.groups.names, known=self.groups.known, name=self.groups.name)
        return state.update(self.labels, preds, self.groups).values(self.criterion)

    def figures(self, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return loss, NaN for the accuracy, and gap of each row of weights."""
        loss, gap = np.empty(len(weights)), np.empty(len(weights))
        for place, weight in enumerate(weights):
            preds = weight @ self.preds
            values = self._by_group(preds)[self.groups.known]
            loss[place], gap[place] = ((preds - self.labels) ** 2).mean(), values.max() - values.min()
        return loss, np.full(len(weights), np.nan), gap

    @staticmethod
    def costs(loss: np.ndarray, accuracy: np.ndarray) -> np.ndarray:
        """Return what is to be small besides the gap."""
        return loss
