"""Controller: the protocol between what is measured and what is drawn."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from mxfair._validation import InputError
from mxfair.criterion import Criterion
from mxfair.data.signal import CellStats

__all__ = ["Controller", "fraction", "positive"]


class Controller:
    """Base of all controllers: subclass it and write `update`.

    Attributes
    ----------
    need : {"rates", "loss", "positive_loss", "nothing"}
        What the signal has to measure before each `update`; "nothing" for shares that do not depend on the net.
    joint : bool
        False: shares are conditional on the label, each row sums to 1, and the mix of labels never changes. True:
        shares are those of the whole batch, all cells together sum to 1, and the mix of labels may move.
    min_per_batch : float
        The sampler's floor unless its user gives one: 1, and 0 for the published rule.
    state : tuple of str
        Names of the attributes that change from update to update, for `state_dict`.
    criterion : Criterion
        Set by `bind`.
    classes : ndarray of shape (n_labels,)
        Label values, set by `bind`.
    data_shares : ndarray of shape (n_labels, n_groups)
        The shares from which training starts, those of the known groups in the data unless a target was given; in
        the form that `joint` says. Set by `bind`.
    label_shares : ndarray of shape (n_labels,)
        The mix of labels from which training starts, set by `bind`.
    """

    need = "rates"
    joint = False
    min_per_batch = 1.0
    state: tuple[str, ...] = ()
    criterion: Criterion
    classes: np.ndarray
    data_shares: np.ndarray
    label_shares: np.ndarray

    def bind(
        self,
        criterion: Criterion,
        classes: np.ndarray,
        data_shares: np.ndarray,
        label_shares: np.ndarray | None = None,
    ) -> None:
        """Take what does not change during training; a subclass checks here that it can steer the criterion.

        Parameters
        ----------
        criterion : Criterion
        classes : ndarray of shape (n_labels,)
        data_shares : ndarray of shape (n_labels, n_groups)
            Conditional on the label.
        label_shares : ndarray of shape (n_labels,), optional
            Default: equal ones.
        """
        self.criterion, self.classes = criterion, classes
        even = np.full(len(classes), 1 / max(1, len(classes)))
        self.label_shares = even if label_shares is None else np.asarray(label_shares, dtype=float)
        self.data_shares = data_shares * self.label_shares[:, None] if self.joint else data_shares

    def update(self, shares: np.ndarray, stats: CellStats) -> np.ndarray:
        """Return the next shares.

        Parameters
        ----------
        shares : ndarray of shape (n_labels, n_groups)
            The shares now, in the form that `joint` says; 0 where a cell has no samples.
        stats : CellStats
            What the signal measured, for the known groups; NaN for the losses of cells without samples.

        Returns
        -------
        ndarray of shape (n_labels, n_groups)
            They are lifted to the floor and scaled to sum to 1.
        """
        raise NotImplementedError("A controller must define update(shares, stats).")

    def state_dict(self) -> dict[str, Any]:
        """Return what changes from update to update, as plain values.

        Returns
        -------
        dict
        """
        values = {name: getattr(self, name) for name in self.state}
        return {name: v.tolist() if isinstance(v, np.ndarray) else v for name, v in values.items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from where `state_dict` was taken.

        Parameters
        ----------
        state : dict
        """
        for name in self.state:
            value = state[name]
            setattr(self, name, np.array(value) if isinstance(value, list) else value)

    def __repr__(self) -> str:
        settings = [n for n in vars(self) if not n.startswith("_") and n not in self.state and n not in _BOUND]
        return f"{type(self).__name__}({', '.join(f'{name}={getattr(self, name)!r}' for name in settings)})"


#: What `bind` sets, and what an instance may set for itself.
_BOUND = ("criterion", "classes", "data_shares", "label_shares", "need", "joint", "min_per_batch")


def fraction(value: Any, name: str) -> float:
    """Return a number between 0 and 1."""
    if isinstance(value, bool) or not isinstance(value, (int, float, np.number)) or not 0 <= value <= 1:
        raise InputError(f"'{name}' must be between 0 and 1; got {value!r}.")
    return float(value)


def positive(value: Any, name: str) -> float:
    """Return a number above 0."""
    number = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
    if not number or not 0 < value < math.inf:
        raise InputError(f"'{name}' must be a number above 0; got {value!r}.")
    return float(value)
