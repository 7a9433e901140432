"""Confidence intervals: of shares, from resamples, and of gaps between groups."""

from __future__ import annotations

from mxfair.uncertainty._gaps import gap_interval, mean_gap_interval
from mxfair.uncertainty._intervals import bias_corrected_interval, percentile_interval, wilson_interval
from mxfair.uncertainty._intervals import check_level as check_level

__all__ = ["bias_corrected_interval", "gap_interval", "mean_gap_interval", "percentile_interval", "wilson_interval"]
