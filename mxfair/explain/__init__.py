"""Why a model gives the outputs it gives, to whom, and where a gap between groups comes from."""

from mxfair.explain.attribution import Attribution
from mxfair.explain.gradients import expected_gradients, integrated_gradients, saliency
from mxfair.explain.importance import Importance, permutation_importance

__all__ = [
    "Attribution",
    "Importance",
    "expected_gradients",
    "integrated_gradients",
    "permutation_importance",
    "saliency",
]
