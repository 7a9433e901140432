"""UCI Statlog German credit."""

from __future__ import annotations

import inspect
import io
from typing import TYPE_CHECKING

from mxfair.datasets import _embedded

if TYPE_CHECKING:
    from mxfair.datasets._bunch import DatasetBunch

_COLUMNS = [
    "checking_account",
    "duration_months",
    "credit_history",
    "purpose",
    "credit_amount",
    "savings",
    "employment_since",
    "installment_rate",
    "personal_status_sex",
    "other_debtors",
    "residence_since",
    "property",
    "age",
    "other_installment_plans",
    "housing",
    "existing_credits",
    "job",
    "people_liable",
    "telephone",
    "foreign_worker",
    "credit",
]
_FEMALE = ("A92", "A95")  # A92: divorced, separated or married; A95: single; A91, A93 and A94 are male


def load_german_credit() -> DatasetBunch:
    """Load the Statlog German credit data: was a loan paid back? 1,000 loans, 20 features, sex and age group.

    Returns
    -------
    DatasetBunch
        ``target`` is 1 for a good credit (700 of 1,000), the favourable outcome. ``groups`` has sex (Female: status
        codes A92 and A95; Male: A91, A93 and A94) and age_group ('25 or younger', 'over 25'). There is no published
        split.

    Raises
    ------
    InputError
        If the embedded file is damaged.

    Notes
    -----
    Columns have readable names; values stay the published codes ('A11', ...). Decoding them would turn the errors of
    the published code book into statements.

    Licence: CC BY 4.0, Hans Hofmann, UCI Machine Learning Repository.

    Known harms and caveats:

    - The loans date from 1973 to 1975, from one bank in southern Germany. Bad credits were oversampled: 30 % here is
      not the rate of default.
    - The code book is wrong in many places [2]_. The column 'personal status and sex' does not identify sex: the code
      read as 'female: divorced, separated or married' (A92) also holds single men. The group 'sex' follows the
      published reading, so that results compare with the literature; do not take it for the sex of the applicants.
    - The code book also makes 963 of 1,000 applicants foreign workers; the correction reverses it.
    - Only loans that were granted are in the data: nothing is known about those who were refused.
    - 1,000 rows, 190 of them in the younger group: gaps have wide intervals. Report them.

    References
    ----------
    .. [1] Hofmann, H. (1994). Statlog (German Credit Data). UCI Machine Learning Repository. doi 10.24432/C5NC77
    .. [2] Grömping, U. (2019). South German Credit Data: Correcting a Widely Used Data Set. Report 4/2019, Reports in
       Mathematics, Physics and Chemistry, Beuth University of Applied Sciences Berlin.
    .. [3] Kamiran, F. and Calders, T. (2009). Classifying without discriminating (the age threshold of 25).

    Examples
    --------
    >>> german = load_german_credit()
    >>> german.data.shape, int(german.target.sum())
    ((1000, 20), 700)
    >>> german.groups["age_group"].value_counts().to_dict()
    {'over 25': 810, '25 or younger': 190}
    """
    import pandas as pd

    from mxfair.datasets._bunch import DatasetBunch

    frame = pd.read_csv(io.BytesIO(_embedded.read("german.data")), sep=" ", names=_COLUMNS)
    target = (frame.pop("credit") == 1).astype("int64")  # published: 1 good, 2 bad
    for column in frame.select_dtypes("object").columns:
        frame[column] = frame[column].astype("category")
    groups = pd.DataFrame(
        {
            "sex": frame["personal_status_sex"].isin(_FEMALE).map({True: "Female", False: "Male"}),
            "age_group": (frame["age"] > 25).map({False: "25 or younger", True: "over 25"}),
        }
    ).astype("category")
    return DatasetBunch(
        name="german_credit",
        task="binary",
        data=frame,
        target=target,
        groups=groups,
        target_names=["bad credit", "good credit"],
        positive="good credit: paid back as agreed (favourable)",
        licence="CC BY 4.0",
        source="Hofmann (1994), UCI Machine Learning Repository, https://doi.org/10.24432/C5NC77",
        DESCR=inspect.getdoc(load_german_credit) or "",
    )
