"""Plots of explanations. Each returns matplotlib axes or a figure and leaves pyplot alone."""

from __future__ import annotations

from mxfair.explain._attribution_plots import bar, beeswarm, by_group, waterfall
from mxfair.explain._dependence_plots import partial_dependence
from mxfair.explain._gap_plots import gap, gap_comparison, proxies
from mxfair.explain._gradient_plots import gradients
from mxfair.explain._image_plots import image
from mxfair.explain._importance_plots import importance

__all__ = [
    "bar",
    "beeswarm",
    "by_group",
    "gap",
    "gap_comparison",
    "gradients",
    "image",
    "importance",
    "partial_dependence",
    "proxies",
    "waterfall",
]
