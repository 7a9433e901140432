"""The strength of a penalty or regularizer: a number, or a schedule of numbers."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from mxfair._compat import import_mxnet
from mxfair._validation import InputError, InputTypeError

mx: Any = import_mxnet()


def check_strength(value: Any, name: str = "strength") -> float:
    """Return a strength as a float, finite and not negative."""
    try:
        if isinstance(value, (str, bool)):
            raise TypeError(value)
        number = float(value)
    except (TypeError, ValueError) as error:
        raise InputTypeError(
            f"'{name}' must be a number or a function of the number of updates; got {value!r}. Give 1.0 or an "
            "mx.lr_scheduler."
        ) from error
    if not math.isfinite(number) or number < 0:
        raise InputError(f"'{name}' must be finite and not negative; got {value!r}. Give 0 to switch it off.")
    return number


class Scheduled:
    """What a HybridBlock with a strength does: hold it as a parameter, so that a traced graph sees changes.

    The strength is a parameter without a gradient of shape (1,), ``strength`` in ``hybrid_forward``. A schedule is any
    function of the number of updates, such as ``mx.lr_scheduler.CosineScheduler``.
    """

    params: Any
    strength: Any
    schedule: Callable[[int], float] | None

    def _hold_strength(self, strength: Any) -> None:
        """Register the parameter; called inside the constructor."""
        self.schedule = strength if callable(strength) else None
        value = check_strength(strength(0) if callable(strength) else strength)
        self.strength = self.params.get(
            "strength", shape=(1,), grad_req="null", init=mx.init.Constant(value), differentiable=False
        )
        self.strength.initialize()
        self._strength_now = value

    def set_strength(self, value: float) -> None:
        """Set the strength, also of a hybridized or traced graph.

        Parameters
        ----------
        value : float
            Finite and not negative.
        """
        number = check_strength(value)
        if number != self._strength_now:
            for array in self.strength.list_data():
                array[:] = number
            self._strength_now = number

    def read_strength(self) -> None:
        """Take over the parameter's value, after it was loaded from a file."""
        self._strength_now = float(self.strength.list_data()[0].asscalar())

    def update_strength(self, num_update: int) -> None:
        """Set the strength that the schedule gives; without a schedule nothing changes.

        `mxfair.training.fit` calls it before each batch; a loop of your own calls it with
        ``trainer.optimizer.num_update``.

        Parameters
        ----------
        num_update : int
            Updates done so far.
        """
        if self.schedule is not None:
            self.set_strength(self.schedule(int(num_update)))


def scheduled(block: Any) -> list[Scheduled]:
    """Return a block and its descendants that have a schedule."""
    return [one for one in with_strength(block) if one.schedule is not None]


def with_strength(block: Any) -> list[Scheduled]:
    """Return a block and its descendants that have a strength."""
    found: list[Scheduled] = []
    pending = [block]
    while pending:
        one = pending.pop()
        if isinstance(one, Scheduled):
            found.append(one)
        pending.extend(getattr(one, "_children", {}).values())
    return found
