"""Selection inside the cells: FairBatch says how many samples of a cell a batch holds, a selector says which."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from mxfair._validation import InputError, InputTypeError, numbers, one_of

__all__ = ["ByImportance", "ByLoss", "ByRank", "CellDraw", "CellSelector", "LowestLoss", "OwnSampler", "Shuffled"]


@dataclass(frozen=True)
class CellDraw:
    """A cell to be drawn from.

    Parameters
    ----------
    index : int
        The cell's number.
    members : ndarray of int, shape (size,)
        Rows of its samples.
    values : ndarray of float, shape (size,), or None
        What the selector needs of each sample.
    quota : float
        Rows that an epoch draws from the cell with the shares as they are.
    stream : dict
        What the selector wants to remember of this cell until the epoch ends or values are measured anew: numbers and
        arrays.
    """

    index: int
    members: np.ndarray
    values: np.ndarray | None
    quota: float
    stream: dict[str, Any] = field(default_factory=dict)


class CellSelector:
    """Base of all selectors: subclass it and write `draw`.

    Attributes
    ----------
    need : {None, "sample_loss", "sample_gradient"}
        What has to be known of each sample; measured in the pass that also measures the shares' signal.
    """

    need: str | None = None

    def check(self, n_samples: int) -> None:
        """Raise where the selector does not fit the data; called when a sampler is made.

        Parameters
        ----------
        n_samples : int
        """

    def draw(self, cell: CellDraw, count: int, rng: np.random.Generator) -> np.ndarray:
        """Return the next rows to be drawn from a cell.

        Parameters
        ----------
        cell : CellDraw
            Of at least one sample.
        count : int
            How many rows.
        rng : numpy.random.Generator
            The only source of random numbers.

        Returns
        -------
        ndarray of int, shape (count,)
        """
        raise NotImplementedError("A selector must define draw(cell, count, rng).")

    def __repr__(self) -> str:
        settings = ", ".join(f"{n}={v!r}" for n, v in vars(self).items() if not n.startswith("_"))
        return f"{type(self).__name__}({settings})"


class Shuffled(CellSelector):
    """Every sample of the cell once, in random order, before any again: the default.

    Examples
    --------
    >>> import numpy as np
    >>> cell = CellDraw(0, np.array([4, 5, 6]), None, 6.0)
    >>> rows = Shuffled().draw(cell, 6, np.random.default_rng(0))
    >>> np.bincount(rows)[4:].tolist()
    [2, 2, 2]
    """

    def draw(self, cell: CellDraw, count: int, rng: np.random.Generator) -> np.ndarray:
        """See `CellSelector.draw`.

        Parameters
        ----------
        cell : CellDraw
        count : int
        rng : numpy.random.Generator

        Returns
        -------
        ndarray of int, shape (count,)
        """
        stream, parts, left = cell.stream, [], count
        while left > 0:
            at = int(stream.get("at", 0))
            if "order" not in stream or at >= len(stream["order"]):
                stream["order"], at = rng.permutation(cell.members), 0
            part = stream["order"][at : at + left]
            stream["at"] = at + len(part)
            left -= len(part)
            parts.append(part)
        return parts[0] if len(parts) == 1 else np.concatenate(parts or [cell.members[:0]])


class _Weighted(CellSelector):
    """Draws with replacement, by probabilities."""

    explore: float

    def draw(self, cell: CellDraw, count: int, rng: np.random.Generator) -> np.ndarray:
        """See `CellSelector.draw`.

        Parameters
        ----------
        cell : CellDraw
        count : int
        rng : numpy.random.Generator

        Returns
        -------
        ndarray of int, shape (count,)
        """
        if "edges" not in cell.stream:
            weights = self._weights(cell)
            total = weights.sum()
            even = 1 / len(weights)
            shares = weights / total if total > 0 else np.full(len(weights), even)
            cell.stream["edges"] = np.cumsum((1 - self.explore) * shares + self.explore * even)
        edges = cell.stream["edges"]
        # One uniform number in each of `count` equal parts: each sample gets its expected draws to within one.
        points = (rng.random() + np.arange(count)) / max(count, 1) * edges[-1]
        places = np.minimum(np.searchsorted(edges, points, side="right"), len(edges) - 1)
        return rng.permutation(cell.members[places])

    def _weights(self, cell: CellDraw) -> np.ndarray:
        raise NotImplementedError


class ByLoss(_Weighted):
    r"""Samples with higher losses more often: p proportional to loss ** gamma.

    Parameters
    ----------
    gamma : float, default=1.0
        0 is uniform; the larger, the more the hardest samples are favoured.
    explore : float, default=0.1
        Part of the draws that is uniform, so that no sample vanishes.

    Notes
    -----
    Fastest where most samples are learned early. Mislabelled samples have the highest losses: see `LowestLoss`.

    Examples
    --------
    >>> import numpy as np
    >>> cell = CellDraw(0, np.arange(4), np.array([0.0, 0.0, 0.0, 1.0]), 100.0)
    >>> np.bincount(ByLoss(explore=0.2).draw(cell, 100, np.random.default_rng(0)), minlength=4).tolist()
    [5, 5, 5, 85]
    """

    need = "sample_loss"

    def __init__(self, gamma: float = 1.0, *, explore: float = 0.1) -> None:
        self.gamma, self.explore = _number(gamma, "gamma", 0, math.inf), _number(explore, "explore", 0, 1)

    def _weights(self, cell: CellDraw) -> np.ndarray:
        assert cell.values is not None  # the sampler measured what `need` says
        values = np.maximum(cell.values.astype(float), 0.0)
        return (values / max(values.max(), np.finfo(float).tiny)) ** self.gamma


class ByRank(_Weighted):
    r"""Samples with higher losses more often, by rank: the hardest is drawn `pressure` times as often as the easiest.

    .. math:: p_i \propto \exp(-\log(s) \, r_i / n)

    with the rank r of the losses in the cell, 0 for the highest.

    Parameters
    ----------
    pressure : float, default=10.0
        The s of the formula.
    explore : float, default=0.0
        Part of the draws that is uniform.

    References
    ----------
    Loshchilov and Hutter, "Online Batch Selection for Faster Training of Neural Networks", ICLR 2016 workshop.

    Examples
    --------
    >>> import numpy as np
    >>> cell = CellDraw(0, np.arange(2), np.array([0.1, 9.0]), 100.0)
    >>> np.bincount(ByRank(pressure=9.0).draw(cell, 100, np.random.default_rng(0))).tolist()
    [25, 75]
    """

    need = "sample_loss"

    def __init__(self, pressure: float = 10.0, *, explore: float = 0.0) -> None:
        self.pressure, self.explore = _number(pressure, "pressure", 1, math.inf), _number(explore, "explore", 0, 1)

    def _weights(self, cell: CellDraw) -> np.ndarray:
        assert cell.values is not None  # the sampler measured what `need` says
        ranks = np.empty(len(cell.values))
        ranks[np.argsort(-cell.values, kind="stable")] = np.arange(len(ranks))
        return np.exp(-math.log(self.pressure) * ranks / len(ranks))


class ByImportance(_Weighted):
    """Samples that move the net more, more often.

    Parameters
    ----------
    scores : array of shape (n_samples,), optional
        Importance of each sample, 0 or more. Default: the norm of the gradient of its loss with respect to the net's
        output, measured with the shares' signal; for cross-entropy how far the prediction is from the label.
    explore : float, default=0.1
        Part of the draws that is uniform, so that no sample vanishes.

    Notes
    -----
    The losses are not divided by the probabilities: like `ByLoss`, it changes what is minimised inside a cell.

    References
    ----------
    Katharopoulos and Fleuret, "Not All Samples Are Created Equal: Deep Learning with Importance Sampling", ICML 2018,
    on the gradient at the output as a bound of the whole.

    Examples
    --------
    >>> import numpy as np
    >>> cell = CellDraw(0, np.array([1, 2]), None, 100.0)
    >>> np.bincount(ByImportance([0, 3, 1], explore=0.0).draw(cell, 100, np.random.default_rng(0))).tolist()
    [0, 75, 25]
    """

    def __init__(self, scores: Any = None, *, explore: float = 0.1) -> None:
        self.explore = _number(explore, "explore", 0, 1)
        self._scores = None if scores is None else numbers(scores, "scores")
        if self._scores is not None and not (np.isfinite(self._scores).all() and (self._scores >= 0).all()):
            raise InputError("'scores' must be finite and not negative. Check the values.")
        self.need = "sample_gradient" if scores is None else None

    def check(self, n_samples: int) -> None:
        """See `CellSelector.check`.

        Parameters
        ----------
        n_samples : int
        """
        if self._scores is not None and len(self._scores) != n_samples:
            raise InputError(f"'scores' must hold one number per sample, {n_samples}; got {len(self._scores)}.")

    def _weights(self, cell: CellDraw) -> np.ndarray:
        values = cell.values if self._scores is None else self._scores[cell.members]
        assert values is not None  # the sampler measured what `need` says
        return np.asarray(values, dtype=float)


class LowestLoss(CellSelector):
    r"""Drop the samples with the highest losses, which bad labels have: robust selection.

    Of each cell the :math:`\tau \, N \, s_{yz} P(y)` samples with the lowest losses are kept, all of them where the
    cell is smaller, and a selector draws among these.

    Parameters
    ----------
    keep : float, default=0.9
        The tau of the formula: the part of the data that is kept.
    within : CellSelector, optional
        Draws among what is kept. Default: `Shuffled`.

    Notes
    -----
    Where labels are clean it drops the hardest samples of each cell, and accuracy with them. Give the net a few epochs
    first (``warm_up=``): losses say nothing at the start.

    References
    ----------
    Roh, Lee, Whang and Suh, "Sample Selection for Fair and Robust Training", NeurIPS 2021, algorithm 1: its greedy
    choice under the shares takes the lowest losses of each cell, since the limits of cells do not overlap.

    Examples
    --------
    >>> import numpy as np
    >>> cell = CellDraw(0, np.arange(4), np.array([0.3, 9.0, 0.1, 0.2]), 4.0)
    >>> sorted(LowestLoss(keep=0.75).draw(cell, 3, np.random.default_rng(0)).tolist())
    [0, 2, 3]
    """

    need = "sample_loss"

    def __init__(self, keep: float = 0.9, *, within: CellSelector | None = None) -> None:
        self.keep = _number(keep, "keep", 0, 1)
        if self.keep == 0:
            raise InputError("'keep' must be above 0; got 0. Pass .9 to drop a tenth.")
        self.within = Shuffled() if within is None else selector_named(within)
        if self.within.need not in (None, "sample_loss"):
            raise InputError(f"'within' must not measure anything but losses; got {self.within!r}.")

    def check(self, n_samples: int) -> None:
        """See `CellSelector.check`.

        Parameters
        ----------
        n_samples : int
        """
        self.within.check(n_samples)

    def draw(self, cell: CellDraw, count: int, rng: np.random.Generator) -> np.ndarray:
        """See `CellSelector.draw`.

        Parameters
        ----------
        cell : CellDraw
        count : int
        rng : numpy.random.Generator

        Returns
        -------
        ndarray of int, shape (count,)
        """
        assert cell.values is not None  # the sampler measured what `need` says
        kept = int(min(max(1, math.ceil(self.keep * cell.quota)), len(cell.members)))
        if "kept" not in cell.stream:
            cell.stream["kept"] = np.sort(np.argpartition(cell.values, kept - 1)[:kept])
        places = cell.stream["kept"]
        stream = cell.stream.setdefault("within", {})
        inner = replace(cell, members=cell.members[places], values=cell.values[places], stream=stream)
        return self.within.draw(inner, count, rng)


class OwnSampler(CellSelector):
    """A sampler of your own in each cell.

    Parameters
    ----------
    factory : callable
        ``factory(size)`` returns a ``gluon.data.Sampler`` of whole numbers below `size`; it is started anew when it
        ends, and in each epoch.

    Notes
    -----
    The sampler's own random state is not saved with the rest: only what it has drawn for the current block is.

    Examples
    --------
    >>> import mxfair, numpy as np
    >>> from mxnet import gluon
    >>> cell = CellDraw(0, np.array([7, 8, 9]), None, 4.0)
    >>> OwnSampler(gluon.data.SequentialSampler).draw(cell, 4, np.random.default_rng(0))
    array([7, 8, 9, 7])
    """

    def __init__(self, factory: Callable[[int], Any]) -> None:
        if not callable(factory):
            raise InputTypeError(f"'factory' must be a function of a cell's size; got {factory!r}.")
        self.factory = factory
        self._running: dict[int, tuple[Any, Iterator[int]]] = {}

    def draw(self, cell: CellDraw, count: int, rng: np.random.Generator) -> np.ndarray:
        """See `CellSelector.draw`.

        Parameters
        ----------
        cell : CellDraw
        count : int
        rng : numpy.random.Generator

        Returns
        -------
        ndarray of int, shape (count,)
        """
        if not cell.stream or cell.index not in self._running:  # an epoch begins, or a run goes on
            sampler = self.factory(len(cell.members))
            self._running[cell.index] = sampler, iter(sampler)
            cell.stream["begun"] = 1
        sampler, running = self._running[cell.index]
        places: list[int] = []
        fresh = False
        while len(places) < count:
            for place in running:
                places.append(int(place))
                fresh = False
                if len(places) == count:
                    break
            else:
                if fresh:
                    raise InputError(f"The sampler of a cell of {len(cell.members)} samples must yield some; got none.")
                running, fresh = iter(sampler), True
        self._running[cell.index] = sampler, running
        chosen = np.array(places, dtype=np.int64)
        if len(chosen) and not 0 <= chosen.min() <= chosen.max() < len(cell.members):
            raise InputError(f"The sampler of a cell of {len(cell.members)} samples must yield numbers below that.")
        return cell.members[chosen]


SELECTORS = {"shuffled": Shuffled, "loss": ByLoss, "rank": ByRank, "importance": ByImportance}


def selector_named(within: Any) -> CellSelector:
    """Return a selector given by name or as it is."""
    if isinstance(within, CellSelector):
        return within
    if not isinstance(within, str):
        raise InputTypeError(f"'within' must be a name or a CellSelector; got {within!r}.")
    return SELECTORS[one_of(within, SELECTORS, "within")]()


def _number(value: Any, name: str, low: float, high: float) -> float:
    number = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
    if not number or not low <= value <= high or not math.isfinite(value):
        rule = f"from {low:g} to {high:g}" if math.isfinite(high) else f"{low:g} or more"
        raise InputError(f"'{name}' must be {rule}; got {value!r}.")
    return float(value)
