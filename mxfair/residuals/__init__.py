"""GroupResiduals: moments and histograms of labels and predictions by group, the state of every regression figure."""

from __future__ import annotations

from mxfair.residuals._state import GroupResiduals

__all__ = ["GroupResiduals"]
