"""Fairness metrics: plain functions and tables, none of which needs mxnet."""

from __future__ import annotations

from mxfair.group_metric import Gap, GroupMetric, PairMetric

__all__ = ["Gap", "GroupMetric", "PairMetric"]
