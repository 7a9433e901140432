"""The mean of nets of one estimator."""

from __future__ import annotations

from typing import Any

from mxfair._inference import is_probability
from mxfair.ensemble.block import Ensemble

__all__ = ["averaged"]


def averaged(nets: list[Any], loss: Any, *, classification: bool) -> Ensemble:
    """Return the mean of probabilities, or of values."""
    if not classification:
        return Ensemble(nets, combine="score")
    return Ensemble(nets, probability=is_probability(loss))
