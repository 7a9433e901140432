"""GroupScores: histograms of scores by group and label, which AUC, ABROCA and calibration by group come from."""

from __future__ import annotations

from mxfair.scores._table import GroupScores

__all__ = ["GroupScores"]
