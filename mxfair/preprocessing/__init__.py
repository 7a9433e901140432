"""Steps between a data frame and a net."""

from mxfair.preprocessing.massaging import Massaged, massage
from mxfair.preprocessing.reweighing import Reweighing
from mxfair.preprocessing.tabular import TabularEncoder

__all__ = ["Massaged", "Reweighing", "TabularEncoder", "massage"]
