"""Several classes: an offset for each class and group, added to log-probabilities before the largest decides."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from scipy.special import log_softmax, softmax

from mxfair._validation import InputError, InputTypeError, generator, labels_vector, one_of, positive_integer
from mxfair.criterion import Criterion, LossCriterion, criterion_named
from mxfair.postprocessing._base import PostProcessor, checked_matrix, checked_rows
from mxfair.postprocessing._calibrators import LEAST
from mxfair.postprocessing._offset_search import OffsetSearch, starts_of

__all__ = ["ClassOffsets"]


class ClassOffsets(PostProcessor):
    r"""Offsets by group and class that optimise decisions among several classes under a criterion.

    .. math:: \hat y = \arg\max_k \, (\ln p_k(x) + o_{gk})

    Parameters
    ----------
    criterion : str or Criterion, default="demographic_parity"
        The rates that should agree, each class in turn counting as positive unless the criterion says one: largest
        minus smallest over the groups, the worst of the classes.
    objective : {"accuracy", "balanced_accuracy"} or array of shape (n_classes, n_classes), default="accuracy"
        What is made large; or the cost of each (label, decision), whose mean is made small.
    max_gap : float, default=0.05
        The gap that is aimed at. Where it is not reached, the smallest that was found is taken, with a warning.
    scores : {"probability", "log_odds"}, default="probability"
        What is given: probabilities, or logits.
    n_restarts : int, default=4
        Random starts of the search, beside no offsets and those of equal shares of decisions.
    seed : int, default=0
        Of the random starts.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    offsets_ : ndarray of shape (n_groups, n_classes)
        Their mean in each group is 0.
    counts_ : ndarray of shape (n_groups, n_classes, n_classes)
        Counts by label and decision on the fitted rows.
    objective_, gap_ : float
        The objective (or mean cost) and the criterion's gap on the fitted rows. One group has no gap: NaN.
    objective_before_, gap_before_ : float
        Without offsets.

    Warns
    -----
    UserWarning
        In `fit`, if the gap is above `max_gap`.

    Notes
    -----
    The search is coordinate ascent. Along one offset the decisions of the fitted rows change at known values, so that
    a line search looks at all of them, or at 512 evenly spaced ones. Each start is improved with a price on the gap
    above `max_gap` that rises in five steps, and the best of all is improved with the bound itself: the result is no
    local step from a better one, and never worse than no offsets, first in the gap above the bound and then in the
    objective. It need not be the best there is.

    References
    ----------
    Denis, Elie, Hebiri and Hu, "Fairness guarantees in multi-class classification with demographic parity", JMLR 25,
    2024, equation 5 (offsets of each class and group); Alghamdi et al., "Beyond Adult and COMPAS: Fair Multi-Class
    Prediction via Information Projection", NeurIPS 2022.

    Examples
    --------
    >>> import numpy as np
    >>> from mxfair.postprocessing import ClassOffsets
    >>> rng = np.random.default_rng(0)
    >>> groups = rng.choice(["a", "b"], 3000)
    >>> logits = rng.normal(0, 2, (3000, 3)) + np.where(groups == "a", 1.0, 0.0)[:, None] * [1, 0, -1]
    >>> labels = (logits + rng.gumbel(size=logits.shape)).argmax(axis=1)
    >>> fair = ClassOffsets(max_gap=0.02, scores="log_odds").fit(logits, labels, groups)
    >>> bool(fair.gap_ <= 0.02 < fair.gap_before_), bool(fair.objective_before_ - fair.objective_ < 0.05)
    (True, True)
    >>> fair.predict(np.zeros((2, 3)), ["a", "b"])
    array([2, 0])
    """

    classes_: np.ndarray
    offsets_: np.ndarray
    counts_: np.ndarray
    objective_: float
    gap_: float
    objective_before_: float
    gap_before_: float

    def __init__(
        self,
        criterion: str | Criterion = "demographic_parity",
        objective: Any = "accuracy",
        *,
        max_gap: float = 0.05,
        scores: str = "probability",
        n_restarts: int = 4,
        seed: int = 0,
    ) -> None:
        self.criterion = criterion
        self.objective = objective
        self.max_gap = max_gap
        self.scores = scores
        self.n_restarts = n_restarts
        self.seed = seed

    def fit(self, scores: Any, labels: Any, groups: Any, sample_weight: Any = None) -> ClassOffsets:
        """Search for the offsets on held-out rows.

        Parameters
        ----------
        scores : array of shape (n_samples, n_classes)
            In the order of the sorted labels.
        labels : array of shape (n_samples,)
            Each class must occur.
        groups : array of shape (n_samples,), column, columns or Groups
            Rows of unknown group are left out.
        sample_weight : array of shape (n_samples,), optional

        Returns
        -------
        ClassOffsets
            Itself.

        Raises
        ------
        InputError
            If an option is out of range, scores are not what `scores` says, lengths differ, values are missing, or a
            group lacks what a rate needs.
        """
        criterion = self._checked()
        self._forget()
        logs, given = self._logs(scores), labels_vector(labels)
        weight = checked_rows(logs, groups, given, sample_weight)
        classes, places = np.unique(given, return_inverse=True)
        if len(classes) != logs.shape[1]:
            raise InputError(
                f"'labels' must hold a class for each of the {logs.shape[1]} columns of 'scores'; got {len(classes)}."
            )
        _, codes = self._learn_groups(groups)
        weight = np.ones(len(logs)) if weight is None else weight
        kept = (codes >= 0) & (weight > 0)
        logs, places, codes, weight = logs[kept], places.reshape(-1)[kept], codes[kept], weight[kept]
        sizes = np.bincount(codes, minlength=len(self.group_names_))
        if (sizes == 0).any():
            raise InputError(f"Every known group must have weight; '{self.group_names_[sizes == 0][0]}' has none.")
        self.classes_ = classes
        place = self._criterion_place(criterion)
        totals = np.bincount(places, weight, minlength=len(classes))
        search = OffsetSearch(
            logs,
            places,
            codes,
            weight=weight,
            criterion=criterion.with_positive(place),
            worth=self._worth(totals),
            max_gap=float(self.max_gap),
        )
        if len(sizes) > 1:
            self._check_defined(search, places, codes)
        first = search.of(np.zeros((len(sizes), len(classes))))
        none, best = search.best(starts_of(search, first.counts, int(self.n_restarts), generator(self.seed)))
        sign = -1.0 if not isinstance(self.objective, str) else 1.0
        alone = len(sizes) == 1
        self.offsets_ = best.offsets - best.offsets.mean(axis=1, keepdims=True)
        self.counts_, self.objective_, self.objective_before_ = best.counts, sign * best.value, sign * none.value
        self.gap_, self.gap_before_ = (float("nan") if alone else one.gap for one in (best, none))
        if best.gap > self.max_gap + 1e-9:
            warnings.warn(
                f"The smallest gap that was found is {best.gap:.3g}, above max_gap={self.max_gap:g}. Give more "
                "n_restarts, or a larger max_gap.",
                stacklevel=2,
            )
        return self

    def transform(self, scores: Any, groups: Any) -> np.ndarray:
        """Return log-probabilities with the offsets added: the largest decides.

        Parameters
        ----------
        scores : array of shape (n_samples, n_classes)
        groups : array of shape (n_samples,), column, columns or Groups
            Fitted groups only.

        Returns
        -------
        ndarray of float64, shape (n_samples, n_classes)

        Raises
        ------
        InputError
            If it is not fitted, scores are not what was fitted, or a group was not fitted.
        """
        codes, logs = self.group_codes(groups), self._logs(scores)
        checked_rows(logs, codes)
        if logs.shape[1] != len(self.classes_):
            raise InputError(f"'scores' must have {len(self.classes_)} columns, as fitted; got {logs.shape[1]}.")
        return np.asarray(logs + self.offsets_[codes])

    def predict(self, scores: Any, groups: Any) -> np.ndarray:
        """Return the decisions; of equal classes the first.

        Parameters
        ----------
        scores, groups
            As for `transform`.

        Returns
        -------
        ndarray of shape (n_samples,)
        """
        places = self.transform(scores, groups).argmax(axis=1)
        return np.asarray(self.classes_[places])

    def predict_proba(self, scores: Any, groups: Any) -> np.ndarray:
        """Return the softmax of what decides: probabilities under which the decisions are the likeliest classes.

        Parameters
        ----------
        scores, groups
            As for `transform`.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
        """
        return np.asarray(softmax(self.transform(scores, groups), axis=1))

    def as_block(self) -> Any:
        """Return a Gluon block of (scores, group codes) that gives what `transform` gives, in single precision.

        Returns
        -------
        gluon.HybridBlock
            NaN for a code that was not fitted.

        Raises
        ------
        InputError
            If it is not fitted.
        """
        self._check_fitted()
        from mxfair.postprocessing._calibration_block import OffsetBlock

        return OffsetBlock(self.offsets_, probability=self.scores == "probability")

    @property
    def _method(self) -> str:  # type: ignore[override]
        return "predict_proba" if self.scores == "probability" else "decision_function"

    def _takes_matrix(self, n_classes: int) -> bool:
        return True

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "offsets_")

    def _check_options(self) -> None:
        self._checked()

    def _checked(self) -> Criterion:
        one_of(self.scores, ("probability", "log_odds"), "scores")
        positive_integer(self.n_restarts, "n_restarts", minimum=0)
        if isinstance(self.max_gap, bool) or not isinstance(self.max_gap, (int, float, np.number)):
            raise InputTypeError(f"'max_gap' must be a number; got {self.max_gap!r}.")
        if not self.max_gap >= 0:
            raise InputError(f"'max_gap' must not be negative; got {self.max_gap}.")
        if isinstance(self.objective, str):
            one_of(self.objective, ("accuracy", "balanced_accuracy"), "objective")
        criterion = criterion_named(self.criterion)
        if isinstance(criterion, LossCriterion) or criterion.agg == "signed":
            raise InputError(f"'criterion' must be one of decisions, with agg not 'signed'; got {criterion.name}.")
        return criterion

    def _criterion_place(self, criterion: Criterion) -> int | None:
        """Return the place of the criterion's positive class; None where each class counts in turn."""
        values = self.classes_.tolist()
        if criterion.positive is None:
            return None
        if criterion.positive not in values:
            raise InputError(
                f"The criterion's positive class must be one of {values[:10]}; got {criterion.positive!r}."
            )
        return int(values.index(criterion.positive))

    def _worth(self, totals: np.ndarray) -> np.ndarray:
        """Return what a unit of weight is worth, by label and decision."""
        k = len(totals)
        if isinstance(self.objective, str):
            each = totals.sum() if self.objective == "accuracy" else totals * k
            return np.eye(k) / np.broadcast_to(each, (k,))[:, None]
        try:
            cost = np.array(self.objective, dtype=float)
        except (TypeError, ValueError) as error:
            raise InputTypeError(f"'objective' must be a name or a matrix of costs; got {self.objective!r}.") from error
        if cost.shape != (k, k) or not np.isfinite(cost).all():
            raise InputError(f"'objective' must be finite costs of shape ({k}, {k}); got shape {cost.shape}.")
        return np.asarray(-cost / totals.sum())

    def _check_defined(self, search: OffsetSearch, places: np.ndarray, codes: np.ndarray) -> None:
        """Refuse groups in which a rate is undefined whatever is decided."""
        k = len(self.classes_)
        labels = np.bincount(codes * k + places, minlength=len(self.group_names_) * k).reshape(-1, k)
        spread = np.repeat(labels[:, :, None], k, axis=2) / k
        for place, name in enumerate(self.group_names_):
            if not np.isfinite(search.gaps(spread[[place, place]])):
                lost = self.classes_[labels[place] == 0]
                raise InputError(
                    f"Every group must have rows of each label that the criterion needs; group '{name}' has none of "
                    f"{lost.tolist()[:5]}. Add rows, or leave the group out."
                )

    def _logs(self, scores: Any) -> np.ndarray:
        matrix = checked_matrix(scores, probability=self.scores == "probability")
        if self.scores == "log_odds":
            return np.asarray(log_softmax(matrix, axis=1))
        return np.asarray(np.log(np.clip(matrix, LEAST, 1)))
