"""Mixup between groups: samples on the way from one group to another, in batches."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from mxfair._validation import InputError, generator, one_of, plural, positive_integer, same_length, to_numpy
from mxfair.preprocessing._label_cells import LabelCells
from mxfair.preprocessing._labels import by_remainder
from mxfair.preprocessing._matrix import dense_array

__all__ = ["GroupMixup", "MixupBatch"]

_CRITERIA = ("demographic_parity", "equal_opportunity", "equalized_odds")


@dataclass(frozen=True, eq=False)
class MixupBatch:
    """Pairs of samples of two groups, and where on the way between them.

    Parameters
    ----------
    first, second : ndarray of float32, shape (batch_size, ...)
        Samples of the one group and of the other.
    t : ndarray of float32, shape (1,) or (batch_size,)
        Weight of `first`, from 0 to 1: one for the batch, or one for each pair.
    stratum : ndarray of int64, shape (batch_size,)
        Which of `GroupMixup.strata` each pair belongs to.
    label : ndarray or None
        The label of both, or, for demographic parity, the mix of their numbers; None without labels.
    rows : ndarray of int64, shape (batch_size, 2)
        The rows of the two samples.
    """

    first: np.ndarray
    second: np.ndarray
    t: np.ndarray
    stratum: np.ndarray
    label: np.ndarray | None
    rows: np.ndarray

    @property
    def mixed(self) -> np.ndarray:
        """The samples between, t first + (1 - t) second, of float32."""
        t = self.t.reshape((-1,) + (1,) * (self.first.ndim - 1))
        return t * self.first + (1 - t) * self.second


class GroupMixup:
    r"""Draw pairs of samples of different groups and interpolate between them: batches of mixed samples.

    .. math:: x_t = t \, x_0 + (1 - t) \, x_1, \quad x_0 \sim P_0, \; x_1 \sim P_1, \;
        t \sim \mathrm{Beta}(\alpha, \alpha)

    Parameters
    ----------
    X : array or data frame of shape (n_samples, ...)
        Training samples as numbers; images too. Categories are mixed as one-hot columns: encode them first.
    labels : array of shape (n_samples,) or None
        Class labels. None for demographic parity where the mixed label is not needed.
    groups : array-like or Groups
        Sensitive attribute of each sample. Samples of which it is missing are in no pair.
    criterion : {"demographic_parity", "equal_opportunity", "equalized_odds"}, default="equalized_odds"
        What is paired: any two samples, two of the positive label, or two of the same label.
    batch_size : int, default=256
        Pairs in a batch, spread evenly over the strata.
    alpha : float, default=1.0
        Of the Beta distribution of t; 1 is uniform.
    one_t : bool, default=True
        Whether a batch has one t, as in the paper, and as `mxfair.loss.PathPenalty` needs it; else each pair its own.
    positive : optional
        The label of equal opportunity. Default: the larger of two.
    seed : int or numpy.random.Generator, optional
        Seed of the draws.

    Attributes
    ----------
    strata : list of (label, str, str)
        What pairs are drawn from: the label (None for any) and the two groups, all pairs of known groups.

    Raises
    ------
    InputError
        If there are no two groups with samples to pair, or a batch has fewer pairs than there are strata.

    Warns
    -----
    UserWarning
        If a label is absent in one of many groups: that pair of groups has no stratum for it.

    Notes
    -----
    A mixed row is no person. Train on mixed samples with their labels, or, as the paper does, only ask of the net that
    its mean output does not change along the way: `mxfair.loss.PathPenalty`. Give training rows only.

    References
    ----------
    Chuang and Mroueh, "Fair Mixup: Fairness via Interpolation", ICLR 2021: the mixup path.

    Examples
    --------
    >>> import numpy as np
    >>> X, y, group = np.arange(24.0).reshape(12, 2), np.arange(12) % 2, np.repeat(["a", "b"], 6)
    >>> mixup = GroupMixup(X, y, group, batch_size=4, seed=0)
    >>> mixup.strata
    [(0, 'a', 'b'), (1, 'a', 'b')]
    >>> [(batch.mixed.shape, batch.label.tolist()) for batch in mixup]
    [((4, 2), [0, 0, 1, 1]), ((4, 2), [0, 0, 1, 1]), ((4, 2), [0, 0, 1, 1])]
    """

    def __init__(
        self,
        X: Any,
        labels: Any,
        groups: Any,
        *,
        criterion: str = "equalized_odds",
        batch_size: int = 256,
        alpha: float = 1.0,
        one_t: bool = True,
        positive: Any = None,
        seed: int | np.random.Generator | None = None,
    ) -> None:
        self.criterion = one_of(criterion, _CRITERIA, "criterion")
        self.batch_size = positive_integer(batch_size, "batch_size")
        if isinstance(alpha, bool) or not isinstance(alpha, (int, float)) or not 0 < alpha < np.inf:
            raise InputError(f"'alpha' must be a number above 0; got {alpha!r}. Give 1, the uniform distribution.")
        self.alpha, self.one_t = float(alpha), bool(one_t)
        self._X = _samples(X)
        if labels is None and self.criterion != "demographic_parity":
            raise InputError(f"'labels' must be given for {self.criterion}: pairs have the same label.")
        self._labels = None if labels is None else to_numpy(labels).reshape(-1)
        cells = LabelCells(np.zeros(len(self._X), dtype=np.int64) if labels is None else self._labels, groups)
        same_length(X=self._X, labels=cells.codes)
        if (
            self._labels is not None
            and self.criterion == "demographic_parity"
            and self._labels.dtype.kind not in "biuf"
        ):
            raise InputError("'labels' must be numbers to be mixed; got text. Encode them, or pass None.")
        self._rng = generator(seed)
        self._n = int(cells.counts[:, cells.known].sum())
        self._pair(cells, positive)

    def _pair(self, cells: LabelCells, positive: Any) -> None:
        """Find the strata, and the rows of both groups of each."""
        names = cells.groups.names
        pairs = list(combinations(np.flatnonzero(cells.known & (cells.counts.sum(axis=0) > 0)), 2))
        self.strata: list[tuple[Any, str, str]] = []
        self._members: list[tuple[np.ndarray, np.ndarray]] = []
        lost = []
        for places, label in _parts(cells, self.criterion, positive):
            for a, b in pairs:
                rows = [np.concatenate([cells.members(y * cells.shape[1] + z) for y in places]) for z in (a, b)]
                if len(rows[0]) and len(rows[1]):
                    self.strata.append((label, names[a], names[b]))
                    self._members.append((rows[0], rows[1]))
                else:
                    lost.append(f"label {label} in group '{names[a] if not len(rows[0]) else names[b]}'")
        if not self.strata:
            raise InputError(
                f"'groups' must hold two known groups with samples to pair; got {', '.join(lost) or 'fewer'}"
                f"{' without any' if lost else ''}. Check the column, or merge groups."
            )
        if lost:
            shown = "; ".join(dict.fromkeys(lost))
            warnings.warn(f"No samples of {shown}: no pairs with these.", UserWarning, stacklevel=4)
        if self.batch_size < len(self.strata):
            raise InputError(
                f"'batch_size' must be at least the {plural(len(self.strata), 'stratum', 'strata')} of pairs; got "
                f"{self.batch_size}."
            )

    @property
    def n_strata(self) -> int:
        """Number of strata."""
        return len(self.strata)

    def draw(self) -> MixupBatch:
        """Return the next batch: rows are drawn with replacement, evenly by stratum; there is no end.

        Returns
        -------
        MixupBatch
        """
        shares = np.full(self.n_strata, self.batch_size / self.n_strata)
        sizes = by_remainder(shares, self.batch_size)
        picked = [
            [rows[self._rng.integers(len(rows), size=size)] for rows in members]
            for members, size in zip(self._members, sizes)
        ]
        rows = np.concatenate([np.stack(pair, axis=1) for pair in picked])
        t = self._rng.beta(self.alpha, self.alpha, size=1 if self.one_t else self.batch_size).astype(np.float32)
        return MixupBatch(
            self._X[rows[:, 0]].astype(np.float32),
            self._X[rows[:, 1]].astype(np.float32),
            t,
            np.repeat(np.arange(self.n_strata), sizes),
            self._mixed_labels(rows, t),
            rows,
        )

    def _mixed_labels(self, rows: np.ndarray, t: np.ndarray) -> np.ndarray | None:
        if self._labels is None:
            return None
        first, second = self._labels[rows[:, 0]], self._labels[rows[:, 1]]
        if self.criterion != "demographic_parity":
            return first
        return (t * first + (1 - t) * second).astype(np.float32)

    def __len__(self) -> int:
        return -(-self._n // self.batch_size)

    def __iter__(self) -> Iterator[MixupBatch]:
        """Return as many batches as have about as many pairs as there are samples of known group."""
        return (self.draw() for _ in range(len(self)))

    def state_dict(self) -> dict[str, Any]:
        """Return what a later run needs to draw the same batches from here, as plain values.

        Returns
        -------
        dict
        """
        return {"rng": dict(self._rng.bit_generator.state)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from where `state_dict` was taken.

        Parameters
        ----------
        state : dict
            Of the same data and arguments.
        """
        self._rng.bit_generator.state = state["rng"]

    def __repr__(self) -> str:
        strata = plural(self.n_strata, "stratum", "strata")
        return f"GroupMixup({self._n:,} samples, {self.criterion}, {strata}, batch_size={self.batch_size})"


def _samples(X: Any) -> np.ndarray:
    """Return samples as an array of numbers with a row each."""
    array = dense_array(X)
    if array.ndim < 2 or array.dtype.kind not in "biuf":
        raise InputError(
            f"'X' must be numbers of shape (n_samples, ...); got shape {array.shape} of {array.dtype}. Encode it first."
        )
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        row = int(np.argwhere(~np.isfinite(array))[0][0])
        raise InputError(f"'X' must be finite; got NaN or infinity at row {row}. Impute or remove it.")
    if array.size and max(float(array.max()), -float(array.min())) > np.finfo(np.float32).max:
        raise InputError("'X' must be within single precision, in which samples are mixed. Scale it first.")
    return array


def _parts(cells: LabelCells, criterion: str, positive: Any) -> list[tuple[list[int], Any]]:
    """Return the places of the labels that may be paired with each other, and what they are called."""
    classes = cells.classes.tolist()
    if criterion == "demographic_parity":
        return [(list(range(len(classes))), None)]
    if criterion == "equalized_odds":
        return [([place], label) for place, label in enumerate(classes)]
    if positive is None and len(classes) != 2:
        raise InputError(f"'positive' must be given where there are not two labels; got {len(classes)} labels.")
    if positive is not None and positive not in classes:
        raise InputError(f"'positive' must be one of the labels {', '.join(map(str, classes))}; got {positive!r}.")
    place = classes.index(positive) if positive is not None else 1
    return [([place], classes[place])]
