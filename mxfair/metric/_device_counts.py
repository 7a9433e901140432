"""Count (group, label, prediction) on the device that holds the arrays, without waiting for it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from mxfair._compat import import_mxnet
from mxfair._validation import InputError, one_type, to_numpy, vector, weights
from mxfair.confusion import GroupConfusion
from mxfair.groups import Groups

mx: Any = import_mxnet()

__all__ = ["DeviceCounts"]

#: From this many samples in one batch on, a float32 sum may lose some.
FLOAT32_ROWS = 2**24
#: Without a threshold scores are compared with these too: at least 0, at least 1 (above the number before 1), above 1.
_CUTS = {"float32": (-1.2e-38, 1 - 2.0**-24, 1.0), "float64": (-1.2e-38, 1 - 2.0**-53, 1.0)}


class DeviceCounts:
    """A GroupConfusion that is filled where the arrays are.

    One cached graph a batch turns labels, predictions and groups into one-hot rows and adds their product to a float64
    total. Each one-hot row ends in a 1, so that the totals also tell how many samples matched no class or group.
    """

    def __init__(self, groups: Any, classes: Any, threshold: float | None) -> None:
        self.names, self.known = _names(groups)
        self.classes = _class_values(classes)
        self._labels = tuple(float(value) for value in self.classes)
        self._codes = _group_values(self.names, self.known)
        self._missing = -1.0 if -1.0 not in self._codes else float(np.nanmin(self._codes)) - 1.0
        self._threshold = threshold
        plain = self._labels in ((0.0, 1.0), (-1.0, 1.0))  # decisions in these are on the two sides of 0
        self._reads_scores = len(self._labels) == 2 and (threshold is not None or plain)
        self.reset()

    def reset(self) -> None:
        """Forget all samples."""
        self.rows = 0
        self._totals: dict[tuple[Any, str], Any] = {}

    def add(self, label: Any, pred: Any, group: Any, weight: Any = None) -> int:
        """Enqueue the count of one device's part of a batch; return its number of samples."""
        pred = _as_nd(pred, "preds", None)
        ctx, shape = pred.context, pred.shape
        label, group = _as_nd(label, "labels", ctx), self._group_array(group, ctx)
        _check_length("labels", label, shape[0])
        _check_length("groups", group, shape[0])
        if weight is not None:
            weight = _as_nd(weight if hasattr(weight, "asnumpy") else weights(weight), "sample_weight", ctx)
            _check_length("sample_weight", weight, shape[0])
        kind = self._kind(shape)
        wide = weight is not None or shape[0] >= FLOAT32_ROWS or pred.dtype == np.float64
        marks = self._score_marks("float64" if wide else "float32") if kind == "scores" else self._labels
        codes = (*self._codes, self._missing)
        graph, arguments, places = _plan(kind, wide, weight is not None, self._labels, codes, marks, ctx)
        total = self._totals.get((ctx, kind))
        if total is None:
            total = mx.nd.zeros(
                ((len(codes) + 2) * (len(self._labels) + 1), _n_columns(kind, marks)), ctx=ctx, dtype="float64"
            )
        arguments = list(arguments)
        for place, array in zip(places, (label, pred, group, total, weight)):
            arguments[place] = array
        with mx.autograd.pause(train_mode=False):
            self._totals[ctx, kind] = graph(*arguments)
        self.rows += shape[0]
        return shape[0]

    def _score_marks(self, dtype: str) -> tuple[float, ...]:
        return (0.0, *_CUTS[dtype]) if self._threshold is None else (self._threshold,)

    def _kind(self, shape: tuple[int, ...]) -> str:
        if len(shape) == 1 or math.prod(shape[1:]) == 1:
            return "scores" if self._reads_scores else "decisions"
        if len(shape) != 2 or shape[1] != len(self._labels):
            raise InputError(
                f"'preds' must have shape (n,), or (n, {len(self._labels)}) with one column per class; got "
                f"{shape}. Give all classes: classes={shape[1]}."
            )
        return "columns"

    def _group_array(self, groups: Any, ctx: Any) -> Any:
        """Return values that the graph compares with the codes."""
        if isinstance(groups, mx.nd.NDArray):
            return _as_nd(groups, "groups", ctx)
        if not isinstance(groups, Groups):
            array = to_numpy(groups)
            if array.dtype.kind in "biuf":
                return mx.nd.array(array, ctx=ctx, dtype="float32")
            groups = Groups(groups)
        places = {**dict(zip(self.names, self._codes)), "unknown": self._missing}
        absent = [name for name, count in zip(groups.names, groups.counts) if count and name not in places]
        if absent:
            raise InputError(
                f"'groups' must be among {', '.join(self.names)}; got {absent[0]!r}. Name all groups: groups=[...]."
            )
        values = np.array([places.get(name, self._missing) for name in groups.names])
        return mx.nd.array(values[groups.codes], ctx=ctx, dtype="float32")

    def table(self) -> GroupConfusion:
        """Read the counts: the one place that waits for the device."""
        n_groups, n_classes = len(self._codes), len(self._labels)
        counts = np.zeros((n_groups + 2, n_classes, n_classes))  # the last two: the code for missing, and NaN
        tails: list[np.ndarray] = []
        for (_, kind), total in self._totals.items():
            full = to_numpy(total).reshape(n_groups + 3, n_classes + 1, -1)
            if kind == "scores":
                tails.append(full[-1, -1])
                full = _decided(full)
            self._check(full)
            counts += full[:-1, :-1, :-1]
        if tails and self._threshold is None:
            _check_scores(np.sum(tails, axis=0))
        names, known = list(self.names), list(self.known)
        counts[n_groups] += counts[n_groups + 1]
        if not self.known[-1]:
            counts[n_groups - 1] += counts[n_groups]
        elif counts[n_groups].any():
            names, known = [*names, "unknown"], [*known, False]
        return GroupConfusion(names, self.classes, counts[: len(names)], known=np.array(known))

    def _check(self, full: np.ndarray) -> None:
        """Raise where samples matched nothing: the last place of each axis counts all samples."""
        every = full[-1, -1, -1]
        if not np.isfinite(full).all():
            raise InputError("'sample_weight' must be finite and not negative; got other values. Check the weights.")
        classes = ", ".join(f"{value:g}" for value in self._labels[:10])
        codes = ", ".join(f"{code:g}" for code in self._codes[:10] if code == code)
        checks = (
            ("labels", full[-1, :-1, -1], f"be among the classes {classes}", "Name all classes: classes=[...]"),
            (
                "preds",
                full[-1, -1, :-1],
                f"be numbers, and decisions among the classes {classes}",
                "NaN means that training has diverged; for one score per sample give threshold=",
            ),
            (
                "groups",
                full[:-1, -1, -1],
                f"be among {codes}, or NaN where it is missing",
                "Name all groups: groups=[...], or pass Groups(...).codes",
            ),
        )
        for name, found, rule, cure in checks:
            if found.sum() < every * (1 - 1e-9):
                raise InputError(f"'{name}' must {rule}; got others for {every - found.sum():g} of {every:g}. {cure}.")


def _decided(full: np.ndarray) -> np.ndarray:
    """Return the counts by decision from those of scores: there, above the threshold, ..., all."""
    there, positive, every = full[..., 0], full[..., 1], full[..., -1]
    return np.stack([there - positive, positive, every], axis=-1)


def _check_scores(tail: np.ndarray) -> None:
    """Raise where scores that were compared with 0 look like probabilities: all would mean the second class."""
    there, above_0, from_0, from_1, above_1, _ = tail
    slack = 1e-9 * there  # weights are added in any order
    if above_0 - from_1 > slack and there - from_0 <= slack and above_1 <= slack:
        raise InputError(
            "'preds' must be raw scores or decisions where no threshold is given; got only values between 0 and 1. "
            "Pass threshold=0.5 for probabilities, threshold=0 for raw scores."
        )


def _names(groups: Any) -> tuple[tuple[str, ...], np.ndarray]:
    """Return names and known from a number of groups, names, or Groups."""
    if isinstance(groups, Groups):
        names, known = groups.names, groups.known
    else:
        if isinstance(groups, (int, np.integer)) and not isinstance(groups, bool):
            groups = range(groups)
        if isinstance(groups, str) or not isinstance(groups, (Sequence, np.ndarray)):
            raise InputError(
                f"'groups' must be the number of groups, their names, or Groups; got {groups!r}. Pass, e.g., 2."
            )
        names = tuple(str(name) for name in groups)
        known = np.array([name != "unknown" for name in names])
    if len(set(names)) < len(names) or not known[:-1].all() or known.sum() < 1:
        raise InputError(f"'groups' must name each group once, 'unknown' last; got {list(names)}. Rename or sort them.")
    return names, known


def _class_values(classes: Any) -> np.ndarray:
    if isinstance(classes, (int, np.integer)) and not isinstance(classes, bool):
        classes = range(classes)
    array = one_type(vector(list(classes) if isinstance(classes, range) else classes, "classes"), "classes")
    if array.dtype.kind not in "biuf" or len(array) < 2 or not (np.diff(array.astype(np.float32)) > 0).all():
        raise InputError(
            f"'classes' must be the number of classes, or at least two increasing numbers; got {array.tolist()[:10]}. "
            "Encode the labels: numpy.unique(labels, return_inverse=True)[1]."
        )
    return array


def _group_values(names: tuple[str, ...], known: np.ndarray) -> tuple[float, ...]:
    """Return the value that stands for each group in a batch: the names where all are numbers, else 0, 1, 2, ..."""
    places = tuple(float(place) for place in range(len(names)))
    values = _as_numbers(names if known[-1] else names[:-1])
    if values is None or values == places[: len(values)]:
        return places
    return values if known[-1] else (*values, float("nan"))  # nothing equals NaN: only missing values are "unknown"


def _as_numbers(names: tuple[str, ...]) -> tuple[float, ...] | None:
    try:
        values = np.array([float(name) for name in names])
    except ValueError:
        return None
    distinct = np.isfinite(values).all() and len(set(values.astype(np.float32).tolist())) == len(values)
    return tuple(values.tolist()) if distinct else None


def _as_nd(values: Any, name: str, ctx: Any) -> Any:
    """Return values as an NDArray on the device `ctx`, or where they are."""
    if isinstance(values, mx.nd.NDArray):
        return values if ctx is None else values.as_in_context(ctx)
    array = to_numpy(values)
    if array.dtype.kind not in "biuf":
        raise InputError(f"'{name}' must be numbers; got {array.reshape(-1)[:3].tolist()}. Encode them first.")
    return mx.nd.array(array, ctx=ctx, dtype="float64" if array.dtype == np.float64 else "float32")


def _check_length(name: str, array: Any, n: int) -> None:
    shape = array.shape
    if shape != (n,) and (shape[:1] != (n,) or math.prod(shape) != n):
        raise InputError(
            f"'{name}' must have one value for each of the {n} rows of 'preds'; got shape {shape}. "
            "Pass the same samples in each."
        )


def _n_columns(kind: str, marks: tuple[float, ...]) -> int:
    return len(marks) + (2 if kind == "scores" else 1)


@lru_cache(maxsize=64)
def _plan(
    kind: str,
    wide: bool,
    weighted: bool,
    labels: tuple[float, ...],
    codes: tuple[float, ...],
    marks: tuple[float, ...],
    ctx: Any,
) -> tuple[Any, list[Any], list[int]]:
    """Return the cached operator, its arguments with constants filled in, and the places of those that vary.

    One for each kind of metric: memory that is laid out for one shape is not laid out anew for another at each batch.
    """
    dtype = "float64" if wide else "float32"
    varying = ["label", "pred", "group", "total", *(["weight"] if weighted else [])]
    constants = {"labels": labels, "codes": codes, **({} if kind == "columns" else {"marks": marks})}
    symbols = {name: mx.sym.var(name) for name in (*varying, *constants)}
    symbol = _count(kind, dtype, symbols, depth=_n_columns(kind, marks) - 1)
    order = symbol.list_inputs()
    places = [order.index(name) for name in varying]
    flags = [
        ("data_indices", sorted(places)),
        ("param_indices", sorted(order.index(name) for name in constants)),
        ("static_alloc", True),
    ]
    filled = [mx.nd.array([constants[n]], ctx=ctx, dtype=dtype) if n in constants else None for n in order]
    return mx.nd.CachedOp(symbol, flags), filled, places


def _count(kind: str, dtype: str, given: dict[str, Any], *, depth: int) -> Any:
    """Return total + rows^T columns, rows over (group, label) and columns over predictions."""
    F = mx.sym

    def column(name: str) -> Any:
        return F.reshape(F.cast(given[name], dtype), shape=(-1, 1))

    label, group = column("label"), column("group")
    one = F.ones_like(label)
    by_label = F.concat(F.broadcast_equal(label, given["labels"]), one, dim=1)
    missing = F.broadcast_not_equal(group, group)  # NaN
    by_group = F.concat(F.broadcast_equal(group, given["codes"]), missing, one, dim=1)
    if "weight" in given:
        weight = column("weight")
        by_label = F.broadcast_mul(by_label, weight + 0 * F.sqrt(weight))  # NaN for negative and infinite weights
    rows = F.reshape(F.broadcast_mul(F.expand_dims(by_group, 2), F.expand_dims(by_label, 1)), shape=(0, -1))
    if kind == "columns":
        scores = F.cast(given["pred"], dtype)
        there = F.min(F.broadcast_equal(scores, scores), axis=1, keepdims=True)  # 0 for a row with NaN
        chosen = F.one_hot(F.argmax(scores, axis=1), depth=depth, dtype=dtype)
        by_pred = F.concat(F.broadcast_mul(chosen, there), one, dim=1)
    elif kind == "scores":
        score = column("pred")
        by_pred = F.concat(F.broadcast_equal(score, score), F.broadcast_greater(score, given["marks"]), one, dim=1)
    else:
        by_pred = F.concat(F.broadcast_equal(column("pred"), given["marks"]), one, dim=1)
    return F.elemwise_add(given["total"], F.cast(F.dot(rows, by_pred, transpose_a=True), "float64"))
