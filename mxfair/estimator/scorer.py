"""Gaps as scorers of scikit-learn's cross-validation and searches."""

from __future__ import annotations

from typing import Any

from mxfair._validation import InputError
from mxfair.confusion import GroupConfusion
from mxfair.criterion import Criterion, criterion_named

__all__ = ["gap_scorer"]


def gap_scorer(criterion: str | Criterion = "equalized_odds", *, positive: Any = None) -> Any:
    """Return a scorer: the negative gap of a criterion between groups, so that larger is better and 0 is parity.

    Parameters
    ----------
    criterion : str or Criterion, default="equalized_odds"
        What should be equal between the groups.
    positive : label, optional
        The class that counts as positive. Default: the larger of two; each in turn for more.

    Returns
    -------
    scorer
        For ``scoring=`` of `cross_validate` and `GridSearchCV`, which are given the groups through scikit-learn's
        metadata routing. Of classifiers: for a regression write a scorer with a function of `mxfair.metric`.

    Raises
    ------
    InputError
        When it is called without groups: routing is off, or nobody passed them.

    Examples
    --------
    >>> import mxfair, numpy as np, sklearn
    >>> from mxfair.estimator import GluonClassifier, gap_scorer
    >>> from sklearn.model_selection import cross_val_score
    >>> rng = np.random.default_rng(0)
    >>> X, groups = rng.normal(size=(300, 3)), rng.integers(0, 2, 300)
    >>> y = (X[:, 0] + groups > 0.5).astype(int)
    >>> with sklearn.config_context(enable_metadata_routing=True):
    ...     model = GluonClassifier("logistic", mitigation="fairbatch", random_state=0).set_fit_request(groups=True)
    ...     scores = cross_val_score(model, X, y, scoring=gap_scorer(), cv=3, params={"groups": groups})
    >>> len(scores), bool((scores <= 0).all())
    (3, True)
    """
    import sklearn
    from sklearn.metrics import make_scorer

    chosen = criterion_named(criterion)
    chosen = chosen if positive is None else chosen.with_positive(positive)

    def negative_gap(y_true: Any, y_pred: Any, groups: Any = None) -> float:
        if groups is None:
            raise InputError(
                "'groups' must reach the scorer. Set sklearn.set_config(enable_metadata_routing=True) and pass "
                "params={'groups': groups}."
            )
        return chosen.difference(GroupConfusion.of(y_true, y_pred, groups))

    scorer = make_scorer(negative_gap, greater_is_better=False)
    if not hasattr(scorer, "set_score_request"):  # scikit-learn below 1.3: groups reach no scorer
        return scorer
    with sklearn.config_context(enable_metadata_routing=True):  # requests can only be set with it
        return scorer.set_score_request(groups=True)
