"""What the models of `mxfair train` are called in reports."""

from __future__ import annotations

__all__ = ["TITLES"]

TITLES = {"plain": "plain", "fairbatch": "FairBatch", "barycenter": "barycenter"}
