"""Plots of explanations. Each returns matplotlib axes or a figure and leaves pyplot alone."""

from __future__ import annotations

__all__: list[str] = []
