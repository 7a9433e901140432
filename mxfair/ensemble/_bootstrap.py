"""Which rows and columns the members of a bagging are trained on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from mxfair._validation import InputError, InputTypeError, one_of, plural
from mxfair.estimator._job import TrainingData

__all__ = ["Drawn", "Strata", "amount", "check_members", "draw_columns", "draw_rows"]


@dataclass(frozen=True)
class Drawn:
    """What one member sees: rows (repeated where they are), columns, and rows held out for early stopping."""

    rows: np.ndarray
    columns: np.ndarray
    held: np.ndarray | None


class Strata:
    """The stratum of each row: what every member gets its share of."""

    def __init__(self, data: TrainingData, stratify: Any) -> None:
        kind = "none" if stratify is None else one_of(stratify, ("cells", "label"), "stratify")
        if kind == "label" and not data.n_classes:
            raise InputError("'stratify' must be 'cells' (groups) or None for a regression; got 'label'.")
        self.what = "row"
        codes = np.zeros(len(data), dtype=np.int64)
        if kind == "label":
            codes, self.what = data.target.astype(np.int64), "label"
        elif kind == "cells":
            codes = data.cells
            self.what = " x ".join(["label"] * bool(data.n_classes) + ["group"] * (data.groups is not None)) or "row"
        self.codes = np.unique(codes, return_inverse=True)[1].reshape(-1)


def amount(value: Any, total: int, name: str) -> int:
    """Return a number of rows or columns, given as one or as a share of all."""
    if isinstance(value, bool) or not isinstance(value, (int, float, np.number)):
        raise InputTypeError(f"'{name}' must be a whole number or a share; got {value!r}. Give 1.0 for all.")
    if isinstance(value, (int, np.integer)):
        if not 1 <= value <= total:
            raise InputError(f"'{name}' must be between 1 and {total}; got {value}. Give a share such as 0.5.")
        return int(value)
    if not 0 < value <= 1:
        raise InputError(f"'{name}' must be a share above 0 and at most 1.0; got {value!r}. Give 1.0 for all.")
    return max(1, int(value * total))


def draw_columns(n_columns: int, size: int, rng: np.random.Generator, *, replace: bool) -> np.ndarray:
    """Return columns in their order."""
    if not replace and size == n_columns:
        return np.arange(n_columns)
    return np.sort(rng.choice(n_columns, size, replace=replace))


def draw_rows(pool: np.ndarray, strata: Strata, size: int, rng: np.random.Generator, *, replace: bool) -> np.ndarray:
    """Return rows of a pool in their order, from each stratum its share and at least one."""
    codes = strata.codes[pool]
    order = np.argsort(codes, kind="stable")
    counts = np.bincount(codes)
    sizes = _shares(counts, size, strata.what)
    starts = np.cumsum(counts) - counts
    if replace:
        within = (rng.random(int(sizes.sum())) * np.repeat(counts, sizes)).astype(np.int64)
        places = np.repeat(starts, sizes) + within
    else:
        shuffled = np.argsort(codes[order] + rng.random(len(order)))  # within each stratum
        rank = np.arange(len(order)) - np.repeat(starts, counts)
        places = shuffled[rank < np.repeat(sizes, counts)]
    return np.sort(pool[order[places]])


def _shares(counts: np.ndarray, total: int, what: str) -> np.ndarray:
    """Return how many rows of each stratum make up a total: by size, the largest remainders first, at least one."""
    there = counts > 0
    if total < there.sum():
        raise InputError(
            f"'max_samples' must leave each member a row of each {what}, of which there are {int(there.sum())}; got "
            f"{plural(total, 'row')}. Give a larger one, or stratify=None."
        )
    exact = counts * (total / counts.sum())
    sizes = np.maximum(np.floor(exact + 1e-9), there).astype(np.int64)
    missing = total - int(sizes.sum())
    if missing > 0:
        sizes[np.argsort(sizes - exact, kind="stable")[:missing]] += 1
    for _ in range(-missing):  # at most one for each stratum
        sizes[np.argmax(np.where(sizes > 1, sizes - exact, -np.inf))] -= 1
    return sizes


def check_members(drawn: list[Drawn], data: TrainingData, *, by_group: bool, classes: Any) -> None:
    """Raise where a member's rows lack a weight, a class, or a (label, group) cell that a mitigation needs."""
    codes = data.target.astype(np.int64) if data.n_classes else np.zeros(len(data), dtype=np.int64)
    known = np.ones(len(data), dtype=bool)
    if by_group and data.groups is not None:
        codes, known = data.cells, np.asarray(data.groups.known)[data.groups.codes]
    needed = np.unique(codes[known])
    for number, one in enumerate(drawn):
        if data.weight is not None and not data.weight[one.rows].any():
            raise InputError(
                f"Each member's rows must hold one with a 'sample_weight' above 0; those of member {number} do not. "
                "Use a larger max_samples, or leave out rows of weight 0."
            )
        lost = np.setdiff1d(needed, codes[one.rows])
        if len(lost):
            raise InputError(
                f"Each member's rows must hold {_named(int(lost[0]), data, classes, by_group=by_group)}; those of "
                f"member {number} do not. Use stratify='cells', or a larger max_samples."
            )


def _named(code: int, data: TrainingData, classes: Any, *, by_group: bool) -> str:
    """Return a class, or a cell, in words."""
    label, group = code, None
    if by_group and data.groups is not None:
        label, place = divmod(code, data.groups.n_groups)
        group = f"group {data.groups.names[place]!r}"
    if not data.n_classes:
        return group or "a row"
    what = f"class {classes[label]!r}" if isinstance(classes[label], str) else f"class {classes[label]}"
    return what if group is None else f"{what} of {group}"
