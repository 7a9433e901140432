"""Data sets on which fairness is studied: features, target and groups, with their licence and their known harms.

Every loader returns a `DatasetBunch`. Read its ``DESCR`` before reporting a result: most of these sets are old, small
or badly coded, and none of them says how a model behaves where it is deployed.

>>> from mxfair import datasets
>>> datasets.names()
['adult', 'german_credit', 'communities_crime', 'zafar', 'compas', 'diabetes']
>>> train, test = datasets.load("adult").train_test()
>>> train.data.shape, test.groups["sex"].value_counts().to_dict()
((32561, 13), {'Male': 10860, 'Female': 5421})
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mxfair.datasets._registry import LOADERS, load, names
from mxfair.datasets.adult import load_adult
from mxfair.datasets.communities_crime import load_communities_crime
from mxfair.datasets.compas import fetch_compas
from mxfair.datasets.diabetes import load_diabetes
from mxfair.datasets.german_credit import load_german_credit
from mxfair.datasets.zafar import make_zafar

if TYPE_CHECKING:
    from mxfair.datasets._bunch import DatasetBunch

__all__ = [
    "LOADERS",
    "DatasetBunch",
    "fetch_compas",
    "load",
    "load_adult",
    "load_communities_crime",
    "load_diabetes",
    "load_german_credit",
    "make_zafar",
    "names",
]


def __getattr__(name: str) -> Any:
    if name == "DatasetBunch":  # its base class is scikit-learn's, which takes a second to import
        from mxfair.datasets._bunch import DatasetBunch

        return DatasetBunch
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__all__))
