"""The data sets by name, for `load` and for the command line."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from mxfair._validation import one_of
from mxfair.datasets.adult import load_adult
from mxfair.datasets.communities_crime import load_communities_crime
from mxfair.datasets.compas import fetch_compas
from mxfair.datasets.diabetes import load_diabetes
from mxfair.datasets.german_credit import load_german_credit
from mxfair.datasets.zafar import make_zafar

if TYPE_CHECKING:
    from mxfair.datasets._bunch import DatasetBunch

LOADERS: dict[str, Callable[..., DatasetBunch]] = {
    "adult": load_adult,
    "german_credit": load_german_credit,
    "communities_crime": load_communities_crime,
    "zafar": make_zafar,
    "compas": fetch_compas,
    "diabetes": load_diabetes,
}
"""Data set name -> the function that loads, fetches or generates it."""


def names() -> list[str]:
    """Return the names that `load` knows.

    Examples
    --------
    >>> "german_credit" in names()
    True
    """
    return list(LOADERS)


def load(name: str, **options: Any) -> DatasetBunch:
    """Load a data set by its name.

    Parameters
    ----------
    name : str
        One of `names`.
    **options
        Passed to the loader, for instance ``drop_missing=True`` for adult.

    Returns
    -------
    DatasetBunch

    Raises
    ------
    InputError
        If the name is unknown, or from the loader.

    Examples
    --------
    >>> load("zafar", n_samples=300)
    DatasetBunch('zafar': 300 samples, 3 features, binary; groups: z; split: train 200, test 100)
    """
    return LOADERS[one_of(name, LOADERS, "name")](**options)
