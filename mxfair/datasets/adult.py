"""UCI Adult: income above 50,000 dollars, 1994 census."""

from __future__ import annotations

import inspect
import io
from typing import TYPE_CHECKING

from mxfair.datasets import _embedded

if TYPE_CHECKING:
    import pandas as pd

    from mxfair.datasets._bunch import DatasetBunch

_COLUMNS = [
    "age",
    "workclass",
    "fnlwgt",
    "education",
    "education_num",
    "marital_status",
    "occupation",
    "relationship",
    "race",
    "sex",
    "capital_gain",
    "capital_loss",
    "hours_per_week",
    "native_country",
    "income",
]
_CATEGORICAL = [
    "workclass",
    "education",
    "marital_status",
    "occupation",
    "relationship",
    "race",
    "sex",
    "native_country",
]


def load_adult(*, drop_missing: bool = False) -> DatasetBunch:
    """Load UCI Adult: does a person earn more than 50,000 dollars a year? 48,842 people, 13 features, sex and race.

    Parameters
    ----------
    drop_missing : bool, default False
        Leave out the 3,620 rows with a missing workclass, occupation or native country (45,222 remain).

    Returns
    -------
    DatasetBunch
        ``target`` is 1 for an income above 50,000 dollars, the favourable outcome. ``groups`` has sex (Female, Male)
        and race (five categories). ``split`` is the published one: 32,561 train, 16,281 test. Categorical columns have
        the category dtype, with the same categories in both parts. ``sample_weight`` is the column fnlwgt.

    Raises
    ------
    InputError
        If an embedded file is damaged.

    Notes
    -----
    Column names are UCI's with underscores for hyphens. '?' becomes NaN; no row is dropped unless asked.

    Licence: CC BY 4.0, Barry Becker and Ronny Kohavi, UCI Machine Learning Repository.

    Known harms and caveats:

    - The target is a threshold, not an income, and the income of 1994. Ding et al. show that what one concludes about a
      fairness method depends on the choice of 50,000 dollars, and propose newer census data in its place.
    - fnlwgt is a sampling weight (how many people a row stands for), not a property of a person: it is no feature here.
      Unweighted figures describe this sample, not the population.
    - Sex is recorded as binary, race in five coarse categories, two of them with a few hundred people.
    - Marital status and relationship (Husband, Wife) give sex away: leaving out the sex column does not hide it.
    - The set is a benchmark: no decision about people rests on this target.

    References
    ----------
    .. [1] Becker, B. and Kohavi, R. (1996). Adult. UCI Machine Learning Repository. doi 10.24432/C5XW20
    .. [2] Ding, F., Hardt, M., Miller, J. and Schmidt, L. (2021). Retiring Adult: New Datasets for Fair Machine
       Learning. NeurIPS.

    Examples
    --------
    >>> adult = load_adult()
    >>> adult
    DatasetBunch('adult': 48,842 samples, 13 features, binary; groups: sex, race; split: train 32,561, test 16,281)
    >>> adult.target.groupby(adult.groups["sex"].astype(str)).mean().round(3).to_dict()
    {'Female': 0.109, 'Male': 0.304}
    """
    import numpy as np
    import pandas as pd

    from mxfair.datasets._bunch import DatasetBunch

    parts = [_read("adult.data", skiprows=0), _read("adult.test", skiprows=1)]  # the test file begins with a remark
    split = np.repeat(["train", "test"], [len(part) for part in parts])
    frame = pd.concat(parts, ignore_index=True)
    if drop_missing:
        keep = frame.notna().all(axis=1).to_numpy()
        frame, split = frame[keep].reset_index(drop=True), split[keep]
    frame[_CATEGORICAL] = frame[_CATEGORICAL].astype("category")
    income = frame.pop("income").str.rstrip(".")  # the test file writes '>50K.'
    return DatasetBunch(
        name="adult",
        task="binary",
        sample_weight=frame.pop("fnlwgt"),
        data=frame,
        target=(income == ">50K").astype("int64"),
        groups=frame[["sex", "race"]].copy(),
        split=split,
        target_names=["<=50K", ">50K"],
        positive="income above 50,000 dollars a year (favourable)",
        licence="CC BY 4.0",
        source="Becker & Kohavi (1996), UCI Machine Learning Repository, https://doi.org/10.24432/C5XW20",
        DESCR=inspect.getdoc(load_adult) or "",
    )


def _read(name: str, skiprows: int) -> pd.DataFrame:
    import pandas as pd

    return pd.read_csv(
        io.BytesIO(_embedded.read(name)),
        names=_COLUMNS,
        skiprows=skiprows,
        skipinitialspace=True,
        na_values="?",
        keep_default_na=False,
    )
