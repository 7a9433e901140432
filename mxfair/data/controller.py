"""Controllers: what the net does to each cell in, the share of each cell out.

A share is conditional on the label: ``shares[y, z]`` is the part of the samples with label y that comes from group z;
each row sums to 1. The mix of labels never changes, the mix of groups inside a label does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from mxfair._validation import InputError, InputTypeError, one_of
from mxfair.criterion import Criterion
from mxfair.data.signal import CellStats
from mxfair.group_metric import GroupMetric
from mxfair.rate import CompositeRate, Rate

__all__ = ["Controller", "PaperController", "ProportionalController"]


class Controller:
    """Base of all controllers: subclass it and write `update`.

    Attributes
    ----------
    need : {"rates", "loss", "positive_loss"}
        What the signal has to measure.
    min_per_batch : float
        The sampler's floor unless its user gives one: 1, and 0 for the published rule.
    criterion : Criterion
        Set by `bind`.
    classes : ndarray of shape (n_labels,)
        Label values, set by `bind`.
    data_shares : ndarray of shape (n_labels, n_groups)
        The shares of the known groups in the data, set by `bind`; training starts from them.
    """

    need = "rates"
    min_per_batch = 1.0
    criterion: Criterion
    classes: np.ndarray
    data_shares: np.ndarray

    def bind(self, criterion: Criterion, classes: np.ndarray, data_shares: np.ndarray) -> None:
        """Take what does not change during training; a subclass checks here that it can steer the criterion.

        Parameters
        ----------
        criterion : Criterion
        classes : ndarray of shape (n_labels,)
        data_shares : ndarray of shape (n_labels, n_groups)
        """
        self.criterion, self.classes, self.data_shares = criterion, classes, data_shares

    def update(self, shares: np.ndarray, stats: CellStats) -> np.ndarray:
        """Return the next shares.

        Parameters
        ----------
        shares : ndarray of shape (n_labels, n_groups)
            The shares now; rows sum to 1.
        stats : CellStats
            What the signal measured, for the known groups.

        Returns
        -------
        ndarray of shape (n_labels, n_groups)
            The sampler lifts shares to its floor and makes rows sum to 1.
        """
        raise NotImplementedError("A controller must define update(shares, stats).")


class PaperController(Controller):
    r"""The published rule: a fixed step toward the group with the higher loss, once an update.

    =================== ==============================================================================================
    equal_opportunity   the positive label's share moves toward the group with the higher mean loss
    equalized_odds      only the label whose two groups differ most moves
    demographic_parity  losses against the positive label, summed over a cell and divided by the group's size; the label
                        with the larger gap moves, with the opposite sign unless it is the positive one
    =================== ==============================================================================================

    With more than two groups adjacent pairs are compared and the worst pair moves. Shares stay in [0, 1].

    Parameters
    ----------
    step : float, default=0.005
        How far a share moves in one update.

    Notes
    -----
    It equalises losses, not rates: where confidence differs between groups the two disagree. Its demographic parity
    rule keeps pushing for a constant predictor, and a share may end on a bound.

    References
    ----------
    Roh, Lee, Whang and Suh, "FairBatch: Batch Selection for Model Fairness", ICLR 2021, section 4 and algorithm 1.

    Examples
    --------
    >>> import numpy as np
    >>> from mxfair.criterion import CRITERIA
    >>> rule = PaperController(step=0.1)
    >>> rule.bind(CRITERIA["equal_opportunity"], np.array([0, 1]), np.full((2, 2), 0.5))
    >>> rule.update(np.full((2, 2), 0.5), CellStats(loss=np.array([[0.1, 0.9], [0.7, 0.3]])))
    array([[0.5, 0.5],
           [0.6, 0.4]])
    """

    min_per_batch = 0.0
    _LABELS = ("demographic_parity", "equal_opportunity", "predictive_equality", "equalized_odds")

    def __init__(self, step: float = 0.005) -> None:
        self.step = _fraction(step, "step")

    def bind(self, criterion: Criterion, classes: np.ndarray, data_shares: np.ndarray) -> None:
        """See `Controller.bind`."""
        super().bind(criterion, classes, data_shares)
        if criterion.name not in self._LABELS:
            raise InputError(
                f"The published rule and its mirror for false positives cover {', '.join(self._LABELS)}; "
                f"got {criterion.name}. "
                "Use controller='proportional'."
            )
        if criterion.name == "demographic_parity" and len(classes) != 2:
            raise InputError(
                f"The published rule for demographic_parity covers two labels; got {len(classes)}. "
                "Use controller='proportional'."
            )
        self.need = "positive_loss" if criterion.name == "demographic_parity" else "loss"
        levers = find_levers(criterion, classes)
        self._moving = np.flatnonzero(np.any([lever.signs != 0 for lever in levers], axis=0))

    def update(self, shares: np.ndarray, stats: CellStats) -> np.ndarray:
        """See `Controller.update`."""
        losses = stats.positive_loss if self.need == "positive_loss" else stats.loss
        assert losses is not None  # the sampler measured what `need` says
        gaps = np.diff(losses, axis=1)  # column z: group z + 1 minus group z
        label = self._moving[np.abs(gaps[self._moving]).max(axis=1).argmax()]
        pair = int(np.abs(gaps[label]).argmax())
        toward = pair + 1 if gaps[label, pair] > 0 else pair
        if self.need == "positive_loss" and label != len(self.classes) - 1:
            toward = 2 * pair + 1 - toward  # the other group of the pair
        other = 2 * pair + 1 - toward
        moved = shares.copy()
        step = min(self.step, moved[label, other])
        moved[label, toward] += step
        moved[label, other] -= step
        return moved


class ProportionalController(Controller):
    r"""Shares move in proportion to the gaps between rates.

    .. math:: s_{yz} \leftarrow s_{yz} + k \, \frac{G}{G-1} \sum_r \sigma_{ry} (\bar r - r_z)
              - c \, \frac{1}{K} \sum_{y'} (s_{y'z} - d_{y'z})

    with the criterion's rates r, their mean over the G groups, the data's shares d, and the sign sigma with which
    more samples of (y, z) move r in group z. A rate among the samples of one label (true and false positive rate)
    moves that label's share; a rate among all samples (selection rate) moves every label's share.

    The last term acts only where a criterion names several rates. Their moves can then cancel: more of a group among
    the positives raises its true and its false positive rate, more of it among the negatives lowers both, and the
    shares drift toward a bound while no gap changes. Drawing back the part that all labels have in common ends the
    drift, and leaves free the part that moves the decisions: the gaps of the rates end equal in size, the least that
    their maximum can be.

    Parameters
    ----------
    step : float, default=0.25
        The k of the formula: with two groups, the move for a gap of 1.
    pull : float, default=0.05
        The c of the formula: the part of the common drift that is given back in each update.
    tolerance : float, default=0
        Only the part of a rate's gap above this size moves shares. Where no gap exceeds it, shares are drawn back to
        the data's by `pull`, so that training rests at the tolerance and keeps the accuracy it allows.

    Notes
    -----
    It compares the rates that the criterion names, not losses; a step that shrinks with the gap ends the swinging of a
    fixed one.

    Two criteria depend on the data, so watch the history's gap. Predictive parity assumes a net that can tell the
    groups apart: more positives of a group then make it select more of that group, less precisely. A net that cannot
    learns the group's pattern better instead, and the gap grows. Accuracy parity assumes that more samples of a group
    make the net more often right in it; where a group's labels are noisier, no share closes the gap.

    Examples
    --------
    >>> import numpy as np
    >>> from mxfair import GroupConfusion
    >>> from mxfair.criterion import CRITERIA
    >>> rule = ProportionalController(step=0.5)
    >>> rule.bind(CRITERIA["equal_opportunity"], np.array([0, 1]), np.full((2, 2), 0.5))
    >>> rates = GroupConfusion.of([1, 1, 1, 1], [1, 1, 1, 0], ["a", "a", "b", "b"])
    >>> rule.update(np.full((2, 2), 0.5), CellStats(rates=rates))
    array([[0.5 , 0.5 ],
           [0.25, 0.75]])
    """

    def __init__(self, step: float = 0.25, pull: float = 0.05, tolerance: float = 0.0) -> None:
        self.step, self.pull = _fraction(step, "step"), _fraction(pull, "pull")
        self.tolerance = _fraction(tolerance, "tolerance")

    def bind(self, criterion: Criterion, classes: np.ndarray, data_shares: np.ndarray) -> None:
        """See `Controller.bind`."""
        super().bind(criterion, classes, data_shares)
        self._levers = find_levers(criterion, classes)
        # One-vs-rest counts each move twice: as the gain of one class and as the loss of another.
        self._per_label = np.clip(np.sum([lever.signs != 0 for lever in self._levers], axis=0), 1, 2)

    def update(self, shares: np.ndarray, stats: CellStats) -> np.ndarray:
        """See `Controller.update`."""
        assert stats.rates is not None  # the sampler measured what `need` says
        move = np.zeros_like(shares)
        for lever in self._levers:
            rates = lever.rate(stats.rates, positive=int(np.searchsorted(stats.rates.classes, lever.positive)))
            move += np.outer(lever.signs, self._deviation(rates)[rates.known])
        if self.tolerance and not move.any():
            return shares - self.pull * (shares - self.data_shares)
        moved = shares + move * self.step / self._per_label[:, None]
        if len(self.criterion.rates) > 1:
            moved -= self.pull * (shares - self.data_shares).mean(axis=0)
        return moved

    def _deviation(self, rates: GroupMetric) -> np.ndarray:
        """Return how far each group's rate lies below the mean, in gaps of two groups; 0 where it is undefined."""
        defined = rates.defined
        if defined.sum() < 2:
            return np.zeros(len(defined))
        values = rates.values[defined]
        gap = values.max() - values.min()
        beyond = max(0.0, 1.0 - self.tolerance / gap) if gap > 0 else 0.0
        return np.where(defined, values.mean() - rates.values, 0.0) * (beyond * defined.sum() / (defined.sum() - 1))


@dataclass(frozen=True)
class Lever:
    """A rate, its positive class, and how more samples of a label in a group move the rate in that group."""

    rate: Rate | CompositeRate
    positive: Any
    signs: np.ndarray


def find_levers(criterion: Criterion, classes: np.ndarray) -> list[Lever]:
    """Return which labels' shares steer each rate of the criterion, and in which direction.

    More samples of label y in group z make the net predict y more often there. So a row y of the rate's denominator
    contributes +1 if the numerator counts its correct predictions only, -1 if it counts only wrong ones. A rate among
    the samples predicted as c falls when more are predicted as c: -1 for the label c.
    """
    levers = []
    for rate, place in criterion.rate_classes(classes):
        signs = _signs(rate, len(classes), place)
        if not signs.any():
            raise InputError(
                f"Batch selection cannot steer {rate.name} (of {criterion.name}): no label's share moves it in a known "
                "direction. Choose another criterion or pass your own Controller."
            )
        levers.append(Lever(rate, classes[place], signs))
    return levers


def _signs(rate: Rate | CompositeRate, n_classes: int, place: int) -> np.ndarray:
    signs = np.zeros(n_classes)
    if not isinstance(rate, Rate) or not rate.share:
        return signs
    numerator, given = rate.masks(n_classes, place)
    if (given.all(axis=1) | ~given.any(axis=1)).all():  # whole rows: a condition on labels
        correct = np.diag(numerator).astype(int)
        wrong = (numerator & ~np.eye(n_classes, dtype=bool)).any(axis=1).astype(int)
        signs = np.where(given.any(axis=1), correct - wrong, 0).astype(float)
    elif (given.all(axis=0) | ~given.any(axis=0)).all():  # whole columns: a condition on predictions
        kept_right = np.diag(numerator)[given.all(axis=0)].any()
        signs[given.all(axis=0)] = -1.0 if kept_right else 1.0
    return signs


CONTROLLERS = {"proportional": ProportionalController, "paper": PaperController}


def controller_named(controller: Any) -> Controller:
    """Return a controller given by name, or the object itself."""
    if isinstance(controller, Controller):
        return controller
    if not isinstance(controller, str):
        raise InputTypeError(f"'controller' must be a name or a Controller object; got {controller!r}.")
    return CONTROLLERS[one_of(controller, CONTROLLERS, "controller")]()


def _fraction(value: Any, name: str) -> float:
    if not isinstance(value, (int, float, np.number)) or not 0 <= value <= 1:
        raise InputError(f"'{name}' must be between 0 and 1; got {value!r}.")
    return float(value)
