"""UCI Communities and Crime: violent crimes per population, a regression."""

from __future__ import annotations

import inspect
import io
from typing import TYPE_CHECKING

from mxfair.datasets import _embedded

if TYPE_CHECKING:
    from mxfair.datasets._bunch import DatasetBunch

_TARGET = "ViolentCrimesPerPop"
_META = ["communityname", "fold"]
_DERIVED = ["high_crime", ">0.06black"]  # cut from the target and from racepctblack by whoever prepared the file
_THRESHOLD = 0.06


def load_communities_crime() -> DatasetBunch:
    """Load Communities and Crime: violent crimes per population of 1,993 US communities, 145 features.

    Returns
    -------
    DatasetBunch
        ``target`` is ViolentCrimesPerPop in [0, 1]. ``data`` has 99 numeric features in [0, 1] and then 46 indicators
        state_1 ... state_56 (``data.loc[:, ~data.columns.str.startswith("state_")]`` leaves the 99).
        ``groups`` has race ('higher Black share': racepctblack > 0.06, 970 communities; 'lower Black share': the other
        1,023) and the continuous racepctblack. ``meta`` has communityname and fold (the published ten folds).
        There is no published split.

    Raises
    ------
    InputError
        If the embedded file is damaged.

    Notes
    -----
    The file is a prepared one: columns with gaps (most of those on the police) and one of the 1,994 rows were left out
    and the state became indicators. Its columns high_crime and '>0.06black' are derived from the target and from
    racepctblack; they are no features here.

    Licence: CC BY 4.0, Michael Redmond, UCI Machine Learning Repository.

    Known harms and caveats:

    - Every number is scaled to [0, 1], and values beyond three standard deviations are cut. So racepctblack > 0.06
      does not mean 6 % of the population: it is the median of the scaled column, a threshold used in the literature.
    - The target is reported crime (FBI, 1995), which depends on what is reported, policed and counted: it is not crime.
      Communities whose counts of rape were in dispute are missing, many of them in the Midwest.
    - A row is a place, not a person. A gap between places says nothing about the people who live there.
    - racepctblack, and many census columns beside it (income, housing, family), are proxies of race; some columns, such
      as PctIlleg, describe families in the terms of the 1990 census.
    - Policing directed by such a model feeds back into the reports that the model learns from.

    References
    ----------
    .. [1] Redmond, M. (2009). Communities and Crime. UCI Machine Learning Repository. doi 10.24432/C53W3X

    Examples
    --------
    >>> crime = load_communities_crime()
    >>> crime.data.shape
    (1993, 145)
    >>> crime.target.groupby(crime.groups["race"].astype(str)).mean().round(3).to_dict()
    {'higher Black share': 0.35, 'lower Black share': 0.132}
    """
    import pandas as pd

    from mxfair.datasets._bunch import DatasetBunch

    frame = pd.read_csv(io.BytesIO(_embedded.read("communities_crime.csv")))
    higher = frame["racepctblack"] > _THRESHOLD
    groups = pd.DataFrame(
        {
            "race": higher.map({True: "higher Black share", False: "lower Black share"}).astype("category"),
            "racepctblack": frame["racepctblack"],
        }
    )
    return DatasetBunch(
        name="communities_crime",
        task="regression",
        data=frame.drop(columns=[_TARGET, *_META, *_DERIVED]),
        target=frame[_TARGET],
        groups=groups,
        meta=frame[_META],
        target_names=[_TARGET],
        positive="a high value means more reported violent crimes per population (unfavourable)",
        licence="CC BY 4.0",
        source="Redmond (2009), UCI Machine Learning Repository, https://doi.org/10.24432/C53W3X",
        DESCR=inspect.getdoc(load_communities_crime) or "",
    )
