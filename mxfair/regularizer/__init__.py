"""Penalties of a net's weights: L1, L2, elastic net, group lasso and max-norm, with schedules and proximal steps."""

from mxfair.regularizer._base import Regularizer
from mxfair.regularizer.elementwise import L1, L2, ElasticNet
from mxfair.regularizer.grouped import GroupLasso, MaxNorm

__all__ = ["L1", "L2", "ElasticNet", "GroupLasso", "MaxNorm", "Regularizer"]
