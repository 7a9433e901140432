"""Several nets as one: averages, votes, sums and stacks, and weights along the accuracy-fairness front."""

from __future__ import annotations

from mxfair.ensemble.block import Ensemble, StackedEnsemble

__all__ = ["Ensemble", "StackedEnsemble"]
