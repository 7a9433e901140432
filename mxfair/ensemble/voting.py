"""Voting: estimators of different kinds as one, with equal weights, weights of your own, or weights for fairness."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np

from mxfair._validation import InputError, InputTypeError, numbers, one_of
from mxfair.criterion import criterion_named
from mxfair.ensemble._combining import Combining, as_given
from mxfair.ensemble.block import Ensemble
from mxfair.ensemble.weights import ParetoWeights, _task, pareto_weights
from mxfair.estimator._job import TrainingData
from mxfair.estimator._kinds import Classifying, Regressing
from mxfair.estimator._validation_rows import split
from mxfair.training import History

__all__ = ["VotingClassifier", "VotingRegressor"]


class _Voting(Combining):
    """Training of both."""

    weights: Any
    criterion: Any
    max_gap: float | None
    validation_fraction: float

    def fit(self, X: Any, y: Any, groups: Any = None, sample_weight: Any = None) -> Any:
        """Train the members, and choose their weights where that is asked for.

        Parameters
        ----------
        X : array or data frame of shape (n_samples, n_features)
        y : array of shape (n_samples,)
            The target.
        groups : array of shape (n_samples,), column, columns or Groups, optional
            The group of each sample, for members' mitigations and ``weights="pareto"``.
        sample_weight : array of float, shape (n_samples,), optional
            What each sample counts for in the members' losses.

        Returns
        -------
        GluonEstimator
            Itself.

        Raises
        ------
        InputError, InputTypeError, ValueError
            If an argument or a parameter cannot be used; before anything is trained.
        """
        how = self._how()
        pareto = isinstance(self.weights, str)
        if pareto:
            self._check_pareto(groups)
        elif self.max_gap is not None:
            raise InputError(f"'max_gap' must be None unless weights='pareto'; got {self.max_gap!r}.")
        with self._anew():
            data, members, rng = self._begin(X, y, groups, sample_weight)
            weights = None if pareto or self.weights is None else _checked(self.weights, len(members))
            rows, held = self._split(data, rng) if pareto and not self.prefit else (None, None)
            if pareto:
                self._check_choice(data if held is None else data.take(held), how)
            seeds = rng.integers(2**31 - 1, size=len(members)).tolist()
            if self.prefit:
                self.estimators_ = [one for _, one in members]
            else:
                given = as_given(X, y, data)
                self.estimators_ = [
                    self._trained(one, seed, *given, data=data, rows=rows) for (_, one), seed in zip(members, seeds)
                ]
            blocks = [self._block(one, f"member{place}_", data) for place, one in enumerate(self.estimators_)]
            ensemble = Ensemble(blocks, weights, combine=how)
            self._pareto: ParetoWeights | None = None
            self._end(ensemble, data, History())
            if pareto:
                self._choose(ensemble, data if held is None else data.take(held), rng)
            self.weights_ = ensemble.weights
        return self

    def _how(self) -> str:
        """Return how the block combines."""
        raise NotImplementedError  # a subclass gives it

    def _check_pareto(self, groups: Any) -> None:
        one_of(self.weights, ("pareto",), "weights")
        if groups is None:
            raise InputError("'groups' must be given for weights='pareto': gaps are between groups. Pass groups=.")
        bound = self.max_gap
        number = isinstance(bound, (int, float, np.number)) and not isinstance(bound, bool) and bound >= 0
        if bound is not None and not number:
            raise InputError(f"'max_gap' must be a number, 0 or more, or None; got {bound!r}. Pass, e.g., 0.05.")

    def _check_choice(self, data: TrainingData, how: str) -> None:
        """Raise where these rows cannot choose, whatever members say of them."""
        scores = np.zeros((1, len(data), self._n_outputs(data)))
        groups: Any = data.groups
        options: dict[str, Any] = {"criterion": self._criterion_of_codes(), "combine": how, "probability": False}
        _task(scores, self._labels(data), groups, **options)[0].problem()

    @staticmethod
    def _labels(data: TrainingData) -> np.ndarray:
        return data.target.astype(np.int64) if data.n_classes else data.target

    def _split(self, data: TrainingData, rng: np.random.Generator) -> tuple[Any, Any]:
        """Return the rows to train on and those that choose the weights."""
        options = SimpleNamespace(early_stopping=True, max_gap=None, validation_fraction=self.validation_fraction)
        return split(options, data, rng)

    def _choose(self, ensemble: Ensemble, data: TrainingData, rng: np.random.Generator) -> None:
        """Set the weights along the front of the validation rows."""
        found = pareto_weights(
            ensemble.member_scores(data.X),
            self._labels(data),
            data.groups,
            self._criterion_of_codes(),
            combine=ensemble.combine,
            random_state=rng,
        )
        place = found.choose(math.inf if self.max_gap is None else float(self.max_gap))
        ensemble.set_weights(found.weights[place])
        self._pareto = found

    def _criterion_of_codes(self) -> Any:
        """Return the criterion in the numbers of the classes."""
        return self.criterion

    @property
    def pareto_(self) -> ParetoWeights:
        """All weights that were weighed up for ``weights="pareto"``, with what they reach on the validation rows."""
        found = getattr(self, "_pareto", None)
        if found is None:
            raise AttributeError("pareto_: the weights were given, or the estimator was read from a file")
        return found


class VotingClassifier(Classifying, _Voting):
    r"""Several classifiers as one, by the mean of their probabilities or by their votes.

    .. math:: p(y \mid x) = \frac{\sum_k w_k \, p_k(y \mid x)}{\sum_k w_k}

    Unlike scikit-learn's it is one net, votes have probabilities too (their shares), "soft" is the default, and the
    weights may be chosen along the front of accuracy and fairness.

    Parameters
    ----------
    estimators : list of (str, estimator)
        Classifiers of `mxfair.estimator` or `mxfair.ensemble`, each with a mitigation of its own if you like. Copies
        are trained; "drop" in the place of an estimator leaves it out.
    voting : {"soft", "hard"}, default="soft"
        Mean of probabilities, or share of decisions. A tie goes to the first class.
    weights : array of shape (n_estimators,) or "pareto", optional
        What each member counts for, 0 or more. "pareto": chosen by `pareto_weights` on validation rows. Default: alike.
    criterion : str or Criterion, default="equalized_odds"
        What should be equal between groups, for "pareto".
    max_gap : float, optional
        For "pareto": the most accurate weights whose gap on the validation rows is at most this. Default: the most
        accurate ones.
    positive : label, optional
        The class that counts as positive. Default: the larger of two; each in turn for more.
    validation_fraction : float, default=0.2
        Share of the rows that choose the weights for "pareto", the same of each (label, group) cell. The members are
        not trained on them.
    prefit : bool, default=False
        Whether the estimators are fitted and to be used as they are. With "pareto" all rows of `fit` are then
        validation rows: pass such as no member was trained on.
    random_state : int, RandomState, Generator or None, default=None
        Seeds the members that have no `random_state` of their own, and the validation rows.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels, sorted.
    estimators_ : list
        The fitted members; `named_estimators_` has them by name.
    weights_ : ndarray of float
        What each member counts for.
    pareto_ : ParetoWeights
        For "pareto": all weights that were weighed up.
    net_ : Ensemble
        All members as one net, with copies of their parameters.

    Notes
    -----
    A member's preprocessing steps become blocks of the net. Steps that are no function of the sample's numbers alone,
    such as those that need its group, are refused: put them before the ensemble. Members may have one output or two,
    and losses of scores or of probabilities.

    Examples
    --------
    >>> import numpy as np
    >>> from mxfair.ensemble import VotingClassifier
    >>> from mxfair.estimator import GluonClassifier
    >>> rng = np.random.default_rng(0)
    >>> X, groups = rng.normal(size=(800, 4)), rng.integers(0, 2, 800)
    >>> y = (X[:, 0] + groups + rng.normal(size=800) > 0.5).astype(int)
    >>> X[:, 1] = groups
    >>> members = [("plain", GluonClassifier((8,))), ("fair", GluonClassifier((8,), mitigation="fairbatch"))]
    >>> model = VotingClassifier(members, weights="pareto", max_gap=0.1, random_state=0).fit(X, y, groups)
    >>> model.weights_.shape, bool((model.weights_ >= 0).all())
    ((2,), True)
    """

    _kind = Classifying

    def __init__(
        self,
        estimators: Any,
        *,
        voting: str = "soft",
        weights: Any = None,
        criterion: Any = "equalized_odds",
        max_gap: float | None = None,
        positive: Any = None,
        validation_fraction: float = 0.2,
        prefit: bool = False,
        random_state: Any = None,
    ) -> None:
        self.estimators = estimators
        self.voting = voting
        self.weights = weights
        self.criterion = criterion
        self.max_gap = max_gap
        self.positive = positive
        self.validation_fraction = validation_fraction
        self.prefit = prefit
        self.random_state = random_state

    def _how(self) -> str:
        return {"soft": "probability", "hard": "vote"}[one_of(self.voting, ("soft", "hard"), "voting")]

    def _criterion_of_codes(self) -> Any:
        chosen = criterion_named(self.criterion)
        given = self.positive if chosen.positive is None else chosen.positive
        if given is None:
            return chosen
        codes = np.flatnonzero(self.classes_ == given)
        if len(codes) != 1:
            raise InputError(f"'positive' must be one of the classes; got {given!r}.")
        return chosen.with_positive(int(codes[0]))


class VotingRegressor(Regressing, _Voting):
    """Several regressors as one, by the mean of their predictions.

    Parameters
    ----------
    estimators : list of (str, estimator)
        Regressors of `mxfair.estimator` or `mxfair.ensemble`.
    weights, max_gap, validation_fraction, prefit, random_state
        As for `VotingClassifier`; the most accurate weights are those of the smallest squared error.
    criterion : str, default="mean_error"
        What should be equal between groups, for "pareto": "mean_prediction", "mean_error", "mean_absolute_error",
        "mean_squared_error" or "root_mean_squared_error".

    Attributes
    ----------
    estimators_, weights_, pareto_, net_
        As for `VotingClassifier`.

    Examples
    --------
    >>> import numpy as np
    >>> from mxfair.ensemble import VotingRegressor
    >>> from mxfair.estimator import GluonRegressor
    >>> X = np.random.default_rng(0).normal(size=(200, 3))
    >>> members = [("line", GluonRegressor("logistic")), ("net", GluonRegressor((8,)))]
    >>> VotingRegressor(members, weights=[2, 1], random_state=0).fit(X, X[:, 0]).net_
    Ensemble(2 nets, combine='score', weights=[2, 1])
    """

    _kind = Regressing

    def __init__(
        self,
        estimators: Any,
        *,
        weights: Any = None,
        criterion: Any = "mean_error",
        max_gap: float | None = None,
        validation_fraction: float = 0.2,
        prefit: bool = False,
        random_state: Any = None,
    ) -> None:
        self.estimators = estimators
        self.weights = weights
        self.criterion = criterion
        self.max_gap = max_gap
        self.validation_fraction = validation_fraction
        self.prefit = prefit
        self.random_state = random_state

    def _how(self) -> str:
        return "score"


def _checked(weights: Any, count: int) -> np.ndarray:
    """Return the weights, or say what is wrong with them."""
    try:
        values = numbers(weights, "weights")
    except InputTypeError as error:
        raise InputTypeError(f"'weights' must be numbers, 'pareto' or None; got {weights!r}.") from error
    if len(values) != count:
        raise InputError(f"'weights' must be one for each of the {count} members; got {len(values)}.")
    if not np.isfinite(values).all() or (values < 0).any() or not values.sum() > 0:
        raise InputError(f"'weights' must be 0 or more, at least one above; got {values.tolist()}.")
    return values
