"""AdaFairClassifier: boosting that also raises the weights of samples whose group is treated worse."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from mxfair._inference import scores
from mxfair._validation import InputError
from mxfair.criterion import Criterion, criterion_named
from mxfair.ensemble._boosting import Boosting, Run
from mxfair.ensemble._fairness_cost import Figures, check_bounded, fairness_costs
from mxfair.ensemble._rounds import fraction, outputs_of
from mxfair.ensemble._staged import decided
from mxfair.estimator._job import TrainingData
from mxfair.estimator._plan import Plan
from mxfair.estimator._validation_rows import hold_out

__all__ = ["AdaFairClassifier"]


class AdaFairClassifier(Boosting):
    r"""AdaBoost that weighs a misclassified sample more the worse its group fares with the ensemble so far.

    With err the weighted share of rows that a net h gets wrong, :math:`\hat h` the probability that it gives to its
    decision, and u the fairness cost of a sample,

    .. math:: \alpha = \nu \log \frac{1 - err}{err}, \qquad
        w_i \leftarrow w_i \exp(\alpha \, \hat h(x_i) \, 1[h(x_i) \ne y_i]) \, (1 + s \, u_i 1[h(x_i) \ne y_i])

    The cost of equalized odds is cumulative, measured on the votes of all members so far: a positive sample of the
    group with the lower true positive rate costs the difference of the rates, a negative one of the group with the
    higher false positive rate the difference of these, all others nothing. The members that count are the first
    :math:`\theta` ones, chosen by

    .. math:: \min_\theta \; c \, BER_\theta + (1 - c) \, ER_\theta + gap_\theta

    with the balanced error and the error rate.

    Parameters
    ----------
    estimator : GluonClassifier, optional
        As for `AdaBoostClassifier`.
    n_estimators : int, default=30
        Largest number of members.
    criterion : str or Criterion, default="equalized_odds"
        Whose gap counts, for costs and for the choice of members.
    strength : float, default=1.0
        s, the factor of costs; 1 is the paper's, 0 boosts without them.
    tolerance : float, default=0.0
        Largest cost that counts as none, the paper's epsilon.
    confidence : bool, default=True
        Whether weights rise by the member's confidence in its wrong decision, as in the paper; else
        :math:`\hat h = 1`, as in AdaBoost.
    balance : float, default=1.0
        c: 1 chooses members by the balanced error, 0 by the error rate.
    validation_fraction : float or None, default=0.2
        Share of the rows that members are chosen by, the same of each (label, group) cell; they are not trained on.
        None: chosen by the training rows.
    learning_rate : float, default=0.5
        The factor :math:`\nu`; .5 is the paper's.
    random_state : int, RandomState, Generator or None, default=None
        Seeds all members, and what is held out.

    Attributes
    ----------
    classes_, net_, steps_, histories_
        As for `AdaBoostClassifier`.
    n_estimators_ : int
        Number of members, :math:`\theta`.
    estimator_weights_, estimator_errors_ : ndarray of float, shape (n_members,)
        As for `AdaBoostClassifier`.
    fairness_costs_ : ndarray of float, shape (n_rounds, n_groups, n_classes, n_classes)
        The cost u of a misclassified sample after each round, by group, label and decision.
    group_names_ : ndarray of str, shape (n_groups,)
        The groups in this order.
    objectives_ : ndarray of float, shape (n_rounds,)
        What :math:`\theta` minimises, on the rows that choose.
    gaps_ : ndarray of float, shape (n_rounds,)
        The gap in it; that of the training rows with ``validation_fraction=None``.

    See Also
    --------
    mxfair.estimator.FairBatch : The same aim within a net's training; also of members, through `estimator`.

    Notes
    -----
    What is ours: more than two groups (a group costs its distance to the best one), classes (SAMME's log(K - 1) in
    :math:`\alpha`), criteria of any rates between 0 and 1 (a misclassified sample costs where deciding it right would
    move its group's rate towards the others'; for demographic parity these are missed positives of the group that is
    selected least, and false ones of the group that is selected most), `strength`, and unknown groups, which cost
    nothing. The paper adds up the gaps of equalized odds, mxfair takes the larger one; for the sum pass
    ``Criterion("equalized_odds", ["true_positive_rate", "false_positive_rate"], agg="sum")``. The paper chooses members
    on training rows, its authors' later program on others.

    References
    ----------
    Iosifidis and Ntoutsi, "AdaFair: Cumulative Fairness Adaptive Boosting", CIKM 2019, algorithm 1. Iosifidis, Roy and
    Ntoutsi, "Parity-based cumulative fairness-aware boosting", Knowledge and Information Systems 64 (2022).

    Examples
    --------
    >>> import numpy as np
    >>> from mxfair.ensemble import AdaFairClassifier
    >>> rng = np.random.default_rng(0)
    >>> X, groups = rng.normal(size=(600, 3)), rng.choice(["a", "b"], 600)
    >>> y = (X[:, 0] + (groups == "a") + rng.normal(size=600) > 0.5).astype(int)
    >>> model = AdaFairClassifier(n_estimators=4, random_state=0).fit(X, y, groups=groups)
    >>> model.fairness_costs_.shape, len(model.estimator_weights_) == model.n_estimators_
    ((4, 2, 2, 2), True)
    """

    criterion: Any = None  # its own, not the template's

    def __init__(
        self,
        estimator: Any = None,
        *,
        n_estimators: int = 30,
        criterion: str | Criterion = "equalized_odds",
        strength: float = 1.0,
        tolerance: float = 0.0,
        confidence: bool = True,
        balance: float = 1.0,
        validation_fraction: float | None = 0.2,
        learning_rate: float = 0.5,
        random_state: Any = None,
    ) -> None:
        self.estimator = estimator
        self.n_estimators = n_estimators
        self.criterion = criterion
        self.strength = strength
        self.tolerance = tolerance
        self.confidence = confidence
        self.balance = balance
        self.validation_fraction = validation_fraction
        self.learning_rate = learning_rate
        self.random_state = random_state

    def fit(self, X: Any, y: Any, groups: Any = None, sample_weight: Any = None) -> AdaFairClassifier:
        """Train members, and choose how many of them count.

        Parameters
        ----------
        X : array or data frame of shape (n_samples, n_features)
            Numbers; float32 inside.
        y : array of shape (n_samples,)
            The target.
        groups : array of shape (n_samples,), column, columns or Groups
            The group of each sample. With scikit-learn's metadata routing: ``set_fit_request(groups=True)``.
        sample_weight : array of float, shape (n_samples,), optional
            The weights that boosting starts from, and that errors and gaps are measured with; only ratios matter.

        Returns
        -------
        AdaFairClassifier
            Itself.

        Raises
        ------
        InputError, InputTypeError, ValueError
            If an argument or a parameter cannot be used; if no two groups can be compared, or held-out rows lack what
            the training rows can measure; before anything is trained.
        FloatingPointError
            If a member's training diverges.

        Warns
        -----
        UserWarning
            If the gap is undefined whatever the number of members: then all count. If the first member is no better
            than chance: then it is the only one.
        """
        with self._anew():
            self._check_options(y, groups)
            data, plan, rng, template = self._prepared(X, y, groups, sample_weight)
            data, figures, held = self._parts(data, plan, rng)
            run = self._run(template, data, plan, rng)
            self._rounds(run, figures, held)
            self._finish(run, self._chosen())
        return self

    def _rounds(self, run: Run, figures: Figures, held: TrainingData | None) -> None:
        """Train members, and keep what the partial ensembles do to groups."""
        watched = figures if held is None else self._figures(held)
        votes = run.votes if held is None else np.zeros((len(held), held.n_classes))
        costs: list[np.ndarray] = []
        found: list[tuple[float, float]] = []
        for _ in range(self.n_estimators):
            taken = self._round(run)
            if taken is None:
                break
            table = figures.table(run.votes.argmax(axis=1))
            costs.append(fairness_costs(table, figures.criterion, self.tolerance))
            if held is not None:
                places = decided(outputs_of(run.nets[-1], held.X), held.n_classes, probability=run.probability)
                votes[np.arange(len(held)), places] += run.alphas[-1]
            found.append(watched.objective(votes.argmax(axis=1), self.balance))
            if run.ended:
                break
            run.weight = self._raised(run, *taken, costs[-1])
        self.fairness_costs_, self.group_names_ = np.array(costs), np.array(figures.groups.names)
        self.objectives_, self.gaps_ = np.array(found).T

    def _check_options(self, y: Any, groups: Any) -> None:
        if groups is None and y is not None:  # without y that is the error
            raise InputError("'groups' must be given: costs are of groups. Pass fit(X, y, groups=...).")
        for name in ("strength", "tolerance"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, float, np.number)) or not 0 <= value < np.inf:
                raise InputError(f"'{name}' must be a number, 0 or more; got {value!r}.")
        fraction(self.balance, "balance", zero=True)
        check_bounded(criterion_named(self.criterion, losses=True))

    def _figures(self, data: TrainingData) -> Figures:
        criterion = criterion_named(self.criterion)
        if self.positive is not None:
            criterion = criterion.with_positive(self.positive)
        groups: Any = data.groups
        codes = data.target.astype(np.int64)
        return Figures(codes, groups, data.weight, self.classes_, criterion=criterion)

    def _parts(self, data: TrainingData, plan: Plan, rng: np.random.Generator) -> tuple[TrainingData, Figures, Any]:
        """Return the rows to train on, what measures them, and the rows that choose."""
        held = None
        if self.validation_fraction is not None:
            rows, other = hold_out(data, self.validation_fraction, rng)
            data, held = data.take(rows), data.take(other)
        data = self._mitigated(data, plan, rng)
        figures = self._figures(data)
        if np.isnan(figures.criterion.difference(figures.table(figures.codes))):
            raise InputError(
                f"'groups' must hold two groups or more, with rows of the classes that {figures.criterion.name} "
                f"compares; got {', '.join(map(str, figures.groups.names))}: {_lacking(figures.unmeasured())}. Merge "
                "small groups."
            )
        missing = set() if held is None else self._figures(held).unmeasured() - figures.unmeasured()
        if missing:
            raise InputError(
                f"'validation_fraction' must hold out what {figures.criterion.name} is measured on in each group; got "
                f"{_lacking(missing)}. Hold out a larger share, merge small groups, or pass None to choose members on "
                "the training rows."
            )
        return data, figures, held

    def _raised(self, run: Run, decisions: np.ndarray, output: np.ndarray, costs: np.ndarray) -> np.ndarray:
        """Return the weights of the next round; sum 1."""
        groups: Any = run.data.groups
        wrong = decisions != run.codes
        sure: Any = 1.0
        if self.confidence:
            chance = scores(output, probability=run.probability)
            sure = np.where(chance > 0.5, chance, 1.0 - chance) if chance.ndim == 1 else chance.max(axis=1)
        weight = run.weight * np.exp(run.alphas[-1] * sure * wrong)
        weight *= 1.0 + self.strength * costs[groups.codes, run.codes, decisions] * wrong
        return weight / weight.sum()

    def _chosen(self) -> int:
        if np.isnan(self.objectives_).all():
            warnings.warn(
                f"The gap of {criterion_named(self.criterion).name} is undefined whatever the number of members, so "
                "that none can be chosen by it: all count. Look at gaps_.",
                UserWarning,
                stacklevel=3,
            )
            return len(self.objectives_)
        return int(np.nanargmin(self.objectives_)) + 1


def _lacking(missing: set[tuple[str, str]]) -> str:
    """Return what cannot be measured, as text."""
    shown = [f"no {rate} of group {group}" for rate, group in sorted(missing)[:3]]
    return ", ".join(shown) + (", ..." if len(missing) > 3 else "") if missing else "one group"
