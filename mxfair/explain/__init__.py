"""Why a model gives the outputs it gives, to whom, and where a gap between groups comes from."""

from mxfair.explain.attribution import Attribution
from mxfair.explain.gradients import expected_gradients, integrated_gradients, saliency

__all__ = ["Attribution", "expected_gradients", "integrated_gradients", "saliency"]
