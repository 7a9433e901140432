"""What a criterion conditions on, and what rates of it can be softened."""

from __future__ import annotations

from typing import Any

import numpy as np

from mxfair._validation import InputError
from mxfair.criterion import Criterion, LossCriterion, criterion_named
from mxfair.rate import Rate


def rates_of(criterion: Any, n_classes: int) -> tuple[Criterion, list[tuple[Rate, int]]]:
    """Return a criterion and its rates, each with the place of its positive class; all are quotients of masks."""
    found = criterion_named(criterion)
    if isinstance(found, LossCriterion):
        raise InputError(
            f"'criterion' must be one of decisions; got {found.name}. Use mxfair.loss.GroupDROLoss for losses."
        )
    if found.agg == "signed":
        raise InputError(f"'criterion' must not be of signed gaps, which cancel; got {found.name}. Give another 'agg'.")
    pairs = found.rate_classes(np.arange(n_classes))
    for rate, _ in pairs:
        if not isinstance(rate, Rate):
            raise InputError(
                f"'criterion' must be made of quotients of counts; got {rate.name}, which is made of several. Use the "
                "rates that it is made of."
            )
    return found, pairs  # type: ignore[return-value]  # all are Rate: checked above


def label_strata(criterion: Any, n_classes: int) -> np.ndarray:
    """Return sets of labels (n_strata, n_classes), 0 and 1, inside each of which scores must not depend on the group.

    Demographic parity has one set, all labels; equal opportunity the positive one; equalized odds each label.
    """
    found, pairs = rates_of(criterion, n_classes)
    strata: list[np.ndarray] = []
    for rate, positive in pairs:
        numerator, given = rate.masks(n_classes, positive)
        by_label = given[:, :1]
        chosen = numerator[by_label[:, 0]]
        if (given != by_label).any() or not rate.share or (chosen != chosen[:1]).any():
            raise InputError(
                f"'criterion' must compare scores inside sets of labels; got {found.name}. Use demographic_parity, "
                "equal_opportunity, predictive_equality or equalized_odds; GapPenalty takes all criteria."
            )
        if not any((by_label[:, 0] == other).all() for other in strata):
            strata.append(by_label[:, 0])
    return np.array(strata, dtype=np.float32)
