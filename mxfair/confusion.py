"""GroupConfusion: counts[group, label, prediction], the table that every rate by group comes from."""

from __future__ import annotations

from typing import Any

import numpy as np

from mxfair._group_state import GroupState
from mxfair._validation import InputError, labels_vector, missing, one_type, same_length, to_numpy, vector, weights
from mxfair.groups import Groups

__all__ = ["GroupConfusion"]

#: Rows counted at once: the index buffer then stays in the processor's cache, and memory does not grow with the rows.
CHUNK = 131_072
#: Labels with more distinct fractions than this are taken for a continuous target.
MAX_FRACTIONS = 20


class GroupConfusion(GroupState):
    r"""Counts of (group, label, prediction), hard or soft.

    .. math:: C[g, y, p] = \sum_i w_i \, 1[z_i = g] \, 1[y_i = y] \, P_i(p)

    where P_i is one-hot for decisions and a probability vector for soft predictions. Tables add: batches, workers and
    files merge by ``+``, so any split of the data gives the same numbers.

    Parameters
    ----------
    groups : sequence of str
        Names of the groups.
    classes : array of shape (n_classes,)
        Label values in sorted order; they are also the possible predictions. The last one is the positive class of a
        binary task.
    counts : array of shape (n_groups, n_classes, n_classes), optional
        Counts to start from. Default: zeros.
    known : array of bool, shape (n_groups,), optional
        False for the group of samples whose sensitive attribute is missing. Default: all but "unknown".
    name : str, default="group"
        Name of the sensitive attribute.

    Examples
    --------
    >>> from mxfair import GroupConfusion
    >>> table = GroupConfusion.of([0, 1, 1, 0], [0, 1, 0, 1], ["a", "a", "b", "b"])
    >>> table.counts[0]
    array([[1., 0.],
           [0., 1.]])
    >>> (table + table).support
    array([4., 4.])
    """

    def __init__(
        self,
        groups: Any,
        classes: Any,
        counts: np.ndarray | None = None,
        *,
        known: np.ndarray | None = None,
        name: str = "group",
    ) -> None:
        super().__init__(groups, known, name)
        self.classes = one_type(vector(classes, "classes", hint="Name each class once"), "classes")
        if len(self.classes) == 0 or not (self.classes[:-1] < self.classes[1:]).all():
            raise InputError(
                f"'classes' must be sorted, each once; got {self.classes[:10].tolist()}. "
                "Sort them; a criterion's 'positive' tells which one counts as positive."
            )
        shape = (len(self.groups), len(self.classes), len(self.classes))
        self.counts = np.zeros(shape) if counts is None else np.array(counts, dtype=float)
        if self.counts.shape != shape:
            raise InputError(f"'counts' must have shape (groups, classes, classes) = {shape}; got {self.counts.shape}.")

    @classmethod
    def of(
        cls, labels: Any, preds: Any, groups: Any, *, classes: Any | None = None, sample_weight: Any | None = None
    ) -> GroupConfusion:
        """Count one set of samples.

        Parameters
        ----------
        labels : array of shape (n_samples,)
            True classes; numbers or text.
        preds : array of shape (n_samples,) or (n_samples, n_classes)
            Decisions in the values of `labels`, or, with one column per class, probabilities (soft counts).
        groups : array-like or Groups
            Sensitive attribute of each sample.
        classes : array of shape (n_classes,), optional
            All classes, where the samples may lack some. Default: the values found in `labels` and hard `preds`;
            0 and 1 where only those occur.
        sample_weight : array of shape (n_samples,), optional
            Weight of each sample. Default: 1.

        Returns
        -------
        GroupConfusion

        Raises
        ------
        InputError
            If lengths differ, values are missing, or a value is not among `classes`.
        """
        groups = groups if isinstance(groups, Groups) else Groups(groups)
        labels, preds, weight = labels_vector(labels), _predictions(preds), weights(sample_weight)
        bits = classes is None and _are_bits(labels) and _are_bits(preds)
        if classes is None:
            classes = [0, 1] if bits else _classes(labels, preds)
        self = cls(groups.names, classes, known=groups.known, name=groups.name)
        if not bits:
            return self._add(labels, preds, groups.codes, weight)
        same_length(labels=labels, preds=preds, groups=groups, sample_weight=weight)
        self._add_hard(groups.codes, labels, preds, weight)  # they are places already
        return self

    def update(self, labels: Any, preds: Any, groups: Any, *, sample_weight: Any | None = None) -> GroupConfusion:
        """Add samples to the table, in place, and return it.

        Parameters
        ----------
        labels, preds, sample_weight : array
            As for `of`.
        groups : array-like or Groups
            Names as in the table, or Groups with the table's names.

        Returns
        -------
        GroupConfusion
            The table itself.
        """
        labels, preds = labels_vector(labels), _predictions(preds)
        groups = groups if isinstance(groups, Groups) else Groups(groups)
        return self._add(labels, preds, groups.codes_in(self.groups), weights(sample_weight))

    def _add(
        self, labels: np.ndarray, preds: np.ndarray, codes: np.ndarray, weight: np.ndarray | None
    ) -> GroupConfusion:
        same_length(labels=labels, preds=preds, groups=codes, sample_weight=weight)
        places = self._index(labels, "labels")
        if preds.ndim == 2:
            self._add_soft(places + codes * len(self.classes), preds, weight)
        else:
            self._add_hard(codes, places, self._index(preds, "preds"), weight)
        return self

    def _add_hard(self, codes: np.ndarray, rows: np.ndarray, columns: np.ndarray, weight: np.ndarray | None) -> None:
        flat, width = self.counts.reshape(-1), len(self.classes)
        cells = np.empty(min(len(codes), CHUNK), dtype=np.int64)
        for start in range(0, len(codes), CHUNK):
            part = slice(start, start + CHUNK)
            cell = cells[: len(codes[part])]
            np.multiply(codes[part], width, out=cell)
            np.add(cell, rows[part], out=cell, casting="unsafe")  # places are small: no integer type overflows
            np.multiply(cell, width, out=cell)
            np.add(cell, columns[part], out=cell, casting="unsafe")
            flat += np.bincount(cell, None if weight is None else weight[part], minlength=flat.size)

    def _add_soft(self, rows: np.ndarray, probabilities: np.ndarray, weight: np.ndarray | None) -> None:
        if probabilities.shape[1] != len(self.classes):
            raise InputError(
                f"Soft 'preds' must have one column per class ({len(self.classes)}); got {probabilities.shape[1]}."
            )
        if not ((probabilities >= 0).all() and np.allclose(probabilities.sum(axis=1), 1, atol=1e-4)):
            raise InputError("Soft 'preds' must be probabilities that sum to 1 in each row. Apply softmax first.")
        table = self.counts.reshape(-1, len(self.classes))
        for column in range(len(self.classes)):
            mass = probabilities[:, column] if weight is None else probabilities[:, column] * weight
            table[:, column] += np.bincount(rows, mass, minlength=len(table))

    def _index(self, values: np.ndarray, name: str) -> np.ndarray:
        """Return each value's place in `classes`."""
        if len(values) == 0:
            return np.zeros(0, dtype=np.int64)
        if _are_small_codes(self.classes) and values.dtype.kind in "iub":
            bits = int(np.bitwise_or.reduce(values))  # no value is larger than all of them joined bit by bit
            if 0 <= bits < len(self.classes) or (bits >= 0 and values.max() < len(self.classes)):
                return values
        elif (self.classes.dtype.kind == "U") == (values.dtype.kind == "U"):  # text and numbers do not compare
            codes, levels = _factorize(values)
            place = np.minimum(np.searchsorted(self.classes, levels), len(self.classes) - 1)
            if (self.classes[place] == levels).all():
                return place[codes]
        wrong = next(value for value in _factorize(values)[1].tolist() if value not in self.classes.tolist())
        shown = ", ".join(repr(c) for c in self.classes[:10].tolist())
        raise InputError(
            f"'{name}' must be among the classes {shown}; got {wrong!r}. "
            "Pass decisions, not scores, in the values of the labels."
        )

    @property
    def support(self) -> np.ndarray:
        """Weight of each group's samples, shape (n_groups,)."""
        return self.counts.sum(axis=(1, 2))

    @property
    def overall(self) -> np.ndarray:
        """Counts over all samples, "unknown" included, shape (n_classes, n_classes)."""
        return self.counts.sum(axis=0)

    def __add__(self, other: GroupConfusion) -> GroupConfusion:
        if not isinstance(other, GroupConfusion):
            return NotImplemented
        if self.groups != other.groups or self.classes.tolist() != other.classes.tolist():
            raise InputError(
                "Tables that are added must have the same groups and classes; got "
                f"{self.groups} x {self.classes.tolist()} and {other.groups} x {other.classes.tolist()}. "
                "Give both the same names when counting starts."
            )
        return GroupConfusion(
            self.groups, self.classes, self.counts + other.counts, known=self.known & other.known, name=self.name
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the table as plain values that JSON can hold.

        Returns
        -------
        dict
        """
        return {
            "name": self.name,
            "groups": list(self.groups),
            "known": self.known.tolist(),
            "classes": self.classes.tolist(),
            "counts": self.counts.tolist(),
        }

    @classmethod
    def from_dict(cls, state: dict[str, Any]) -> GroupConfusion:
        """Return the table that `to_dict` described.

        Parameters
        ----------
        state : dict
            What `to_dict` returned.

        Returns
        -------
        GroupConfusion
        """
        return cls(
            state["groups"], state["classes"], np.array(state["counts"]), known=state["known"], name=state["name"]
        )

    def __repr__(self) -> str:
        return f"{self._listed()}; classes {', '.join(map(str, self.classes.tolist()))})"


def _are_small_codes(classes: np.ndarray) -> bool:
    return classes.dtype.kind in "iu" and np.array_equal(classes, np.arange(len(classes)))


def _predictions(preds: Any) -> np.ndarray:
    """Return soft predictions as a table, hard ones as a vector without missing values."""
    preds = to_numpy(preds)
    if preds.ndim == 2 and preds.shape[1] > 1:
        return preds
    preds = vector(preds, "preds")
    if missing(preds).any():
        raise InputError("'preds' must not be missing; got NaN. A net whose loss diverged predicts NaN.")
    return one_type(preds, "preds")


def _fractions(values: np.ndarray) -> np.ndarray:
    """Return the numbers that are not whole."""
    return values[values % 1 != 0] if values.dtype.kind == "f" else values[:0]


def _factorize(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return each value's place among the distinct ones, and these; text stays text."""
    import pandas as pd

    codes, levels = pd.factorize(values)
    return codes, np.asarray(levels, dtype=values.dtype)


def _are_bits(values: np.ndarray) -> bool:
    """Return whether all values are whole and 0 or 1: so is then what they give when joined bit by bit."""
    return values.ndim == 1 and values.dtype.kind in "iu" and bool(0 <= np.bitwise_or.reduce(values) <= 1)


def _distinct(values: np.ndarray) -> np.ndarray:
    """Return the sorted distinct values."""
    if values.dtype.kind in "iu" and len(values):
        low, high = int(values.min()), int(values.max())
        if low >= 0 and high < CHUNK:  # counted rather than sorted
            return np.flatnonzero(np.bincount(values.astype(np.int64, copy=False))).astype(values.dtype)
    return np.sort(_factorize(values)[1])


def _classes(labels: np.ndarray, preds: np.ndarray) -> np.ndarray:
    """Return the sorted classes; 0 and 1 stand together even where the data lack one of them."""
    if preds.ndim == 2:
        width = preds.shape[1]
        found = _distinct(labels)
        return found if len(found) == width else np.arange(width)
    true, decided = _distinct(labels), _distinct(preds)
    if (true.dtype.kind == "U") != (decided.dtype.kind == "U"):
        raise InputError(
            f"'labels' and 'preds' must hold the same values; got {true.tolist()[0]!r} and {decided.tolist()[0]!r}. "
            "Convert one of them."
        )
    if len(_fractions(true)) > MAX_FRACTIONS:
        raise InputError(
            f"'labels' must be classes; got {len(_fractions(true))} different decimal numbers. "
            "Cut a continuous target into classes first."
        )
    scores = np.setdiff1d(_fractions(decided), true)
    if len(scores):
        raise InputError(
            f"'preds' must be decisions in the values of the labels; got {scores[0]:g}. "
            "Compare scores with a threshold first, or pass one column of probabilities per class; a regression has "
            "metrics of its own (mxfair.metric.evaluate with task='regression')."
        )
    found = np.unique(np.concatenate([true, decided]))
    if found.dtype.kind in "biuf" and set(found.tolist()) <= {0, 1}:
        return np.array([0, 1])
    return found
