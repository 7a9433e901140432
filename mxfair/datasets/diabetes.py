"""The diabetes data of scikit-learn: a small regression."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mxfair.datasets._bunch import DatasetBunch


def load_diabetes() -> DatasetBunch:
    """Load scikit-learn's diabetes data: the progression of the disease after a year, 442 patients, 10 features.

    Returns
    -------
    DatasetBunch
        ``target`` is a quantitative measure of progression (25 to 346). ``groups`` has sex ('1', '2').
        ``data`` is unscaled. There is no published split.

    Notes
    -----
    Licence: the copy shipped with scikit-learn (BSD-3-Clause) is used; the publication states no licence for the data.

    Known harms and caveats:

    - 442 patients cannot show parity of distributions: two random halves already differ visibly. Use it to try code,
      not to compare methods.
    - The source does not say which sex the codes 1 and 2 stand for, so they stay '1' and '2'.
    - Who the patients were, where, and how progression was measured is not documented. Do not draw medical conclusions.

    References
    ----------
    .. [1] Efron, B., Hastie, T., Johnstone, I. and Tibshirani, R. (2004). Least Angle Regression. Annals of Statistics
       32(2), 407-499.

    Examples
    --------
    >>> load_diabetes().groups["sex"].value_counts().to_dict()
    {'1': 235, '2': 207}
    """
    from sklearn import datasets

    from mxfair.datasets._bunch import DatasetBunch

    published = datasets.load_diabetes(as_frame=True, scaled=False)
    sex = published.data["sex"].astype("int64").astype(str).astype("category")
    return DatasetBunch(
        name="diabetes",
        task="regression",
        data=published.data,
        target=published.target.astype("float64"),
        groups=sex.to_frame("sex"),
        target_names=["progression"],
        positive="a high value means more progression of the disease (unfavourable)",
        licence="as shipped with scikit-learn (BSD-3-Clause); none stated for the data",
        source="Efron et al. (2004), Least Angle Regression, through sklearn.datasets.load_diabetes",
        DESCR=inspect.getdoc(load_diabetes) or "",
    )
