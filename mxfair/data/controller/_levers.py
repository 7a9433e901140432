"""Levers: which labels' shares move which rate of a criterion, and in which direction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from mxfair._validation import InputError
from mxfair.criterion import Criterion
from mxfair.rate import CompositeRate, Rate

__all__ = ["Lever", "find_levers"]


@dataclass(frozen=True)
class Lever:
    """A rate, its positive class, and how more samples of a label in a group move the rate in that group."""

    rate: Rate | CompositeRate
    positive: Any
    signs: np.ndarray


def find_levers(criterion: Criterion, classes: np.ndarray) -> list[Lever]:
    """Return which labels' shares steer each rate of the criterion, and in which direction.

    More samples of label y in group z make the net predict y more often there, in the place of other classes. So a row
    y of a rate's denominator contributes +1 if the numerator counts prediction y more than the others, -1 if less. A
    rate among the samples predicted as c falls when more are predicted as c: -1 for the label c.
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
        own = np.diag(numerator).astype(float)
        others = (numerator.sum(axis=1) - own) / max(1, n_classes - 1)
        signs = np.where(given.any(axis=1), np.sign(own - others), 0.0)
    elif (given.all(axis=0) | ~given.any(axis=0)).all():  # whole columns: a condition on predictions
        kept_right = np.diag(numerator)[given.all(axis=0)].any()
        signs[given.all(axis=0)] = -1.0 if kept_right else 1.0
    return signs
