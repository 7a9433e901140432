"""Steps between a data frame and a net."""

from mxfair.preprocessing.tabular import TabularEncoder

__all__ = ["TabularEncoder"]
