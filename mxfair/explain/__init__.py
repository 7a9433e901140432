"""Why a model gives the outputs it gives, to whom, and where a gap between groups comes from."""

from mxfair.explain.attribution import Attribution

__all__ = ["Attribution"]
