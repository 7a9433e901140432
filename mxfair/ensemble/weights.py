"""Weights of the members of an ensemble along the front of accuracy and fairness, on validation data."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mxfair._validation import InputError, InputTypeError, generator, one_of, positive_integer, to_numpy
from mxfair.criterion import ALL_CRITERIA, Criterion, LossCriterion, criterion_named
from mxfair.ensemble._search import search
from mxfair.ensemble._validation_figures import REGRESSION, Classified, Predicted
from mxfair.groups import Groups
from mxfair.training import pareto_epochs

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ParetoWeights", "pareto_weights"]


@dataclass(frozen=True, eq=False)
class ParetoWeights:
    """Weights of members, what each row of them reaches, and which rows no other dominates.

    Parameters
    ----------
    weights : ndarray of shape (n_points, n_members)
        0 or more, each row of sum 1; rows by growing gap.
    loss : ndarray of shape (n_points,)
        Mean log loss ("probability", "score"), mean squared distance of the shares of votes to the truth ("vote"), or
        mean squared error (regression).
    accuracy : ndarray of shape (n_points,)
        Share of decisions that are right; NaN in a regression.
    gap : ndarray of shape (n_points,)
        The criterion's difference between groups, by decisions or by values. NaN where a rate is undefined for a group.
    soft_gap : ndarray of shape (n_points,)
        The gap of mean probabilities that the convex problem bounds; NaN where there is no such problem.
    front : ndarray of bool, shape (n_points,)
        Rows that no other row dominates: none is as good in both accuracy (a regression: loss) and gap, and better in
        one.
    source : tuple of str
        Where a row is from: "convex", "search", "member" (a member alone) or "equal" (all weights equal).
    criterion : str
        Name of what was compared between groups.
    combine : str
        How members were combined.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> groups, labels = np.arange(400) % 2, rng.integers(0, 2, 400)
    >>> scores = rng.normal(2 * labels - 1, 1, (3, 400)) + np.array([[0], [1], [2]]) * groups
    >>> found = pareto_weights(scores, labels, groups, "demographic_parity")
    >>> place = found.choose(max_gap=0.1)
    >>> bool(found.gap[place] <= 0.1), bool(found.front[place])
    (True, True)
    """

    weights: np.ndarray
    loss: np.ndarray
    accuracy: np.ndarray
    gap: np.ndarray
    soft_gap: np.ndarray
    front: np.ndarray
    source: tuple[str, ...]
    criterion: str
    combine: str

    def __len__(self) -> int:
        return len(self.weights)

    @property
    def figure(self) -> np.ndarray:
        """What is to be large besides a small gap: the accuracy, or minus the loss of a regression."""
        return -self.loss if np.isnan(self.accuracy).all() else self.accuracy

    def choose(self, max_gap: float = math.inf) -> int:
        """Return the row with the best accuracy (a regression: the smallest loss) whose gap is within a bound.

        Parameters
        ----------
        max_gap : float, default=inf
            The largest gap that is accepted.

        Returns
        -------
        int
            Row of `weights`. Of equals the one with the smaller gap.

        Raises
        ------
        InputError
            If `max_gap` is not a number of 0 or more, or no row's gap could be measured.

        Warns
        -----
        UserWarning
            If no gap is within the bound: then it is the row with the smallest gap.
        """
        if isinstance(max_gap, bool) or not isinstance(max_gap, (int, float, np.number)) or not max_gap >= 0:
            raise InputError(f"'max_gap' must be a number, 0 or more; got {max_gap!r}. Pass, e.g., 0.05.")
        places = self._places()
        within = [place for place in places if self.gap[place] <= max_gap]
        if within:
            return max(within, key=lambda place: (self.figure[place], -self.gap[place]))
        place = min(places, key=lambda place: (self.gap[place], -self.figure[place]))
        warnings.warn(
            f"No weights reach a gap of {max_gap:g}: row {place} is returned, whose {self.gap[place]:.4g} is the "
            "smallest found.",
            UserWarning,
            stacklevel=2,
        )
        return place

    def knee(self) -> int:
        """Return the row where the front bends most: furthest from the line between its two ends, both axes scaled.

        Returns
        -------
        int
            Row of `weights`. On a front of two rows the one of the smaller gap.

        Raises
        ------
        InputError
            If no row's gap could be measured.
        """
        self._places()
        places = np.flatnonzero(self.front)
        places = places[np.lexsort((-self.figure[places], self.gap[places]))]
        x, y = (_scaled(values[places]) for values in (self.gap, self.figure))
        above = y - x  # the ends are at (0, 0) and (1, 1)
        return int(places[int(above.argmax())])

    def _places(self) -> list[int]:
        places = np.flatnonzero(~np.isnan(self.gap)).tolist()
        if not places:
            raise InputError(f"The gap of {self.criterion} must be defined for some weights; got NaN for all.")
        return places

    def to_frame(self) -> pd.DataFrame:
        """Return the rows as a table: figures first, then one column of weights per member.

        Returns
        -------
        DataFrame
        """
        import pandas as pd

        names = ("loss", "accuracy", "gap", "soft_gap", "front", "source")
        columns = {name: getattr(self, name) for name in names}
        return pd.DataFrame({**columns, **{f"weight_{k}": column for k, column in enumerate(self.weights.T)}})

    def __repr__(self) -> str:
        figure = "loss" if np.isnan(self.accuracy).all() else "accuracy"
        rows = [
            f"  {getattr(self, figure)[place]:.4f}  {self.gap[place]:.4f}  {self.source[place]}"
            for place in np.flatnonzero(self.front)
        ]
        head = f"ParetoWeights({len(self)} rows of {self.weights.shape[1]} weights; the front by {self.criterion}:"
        return "\n".join([head, f"  {figure}  gap", *rows]) + ")"


def pareto_weights(
    member_scores: Any,
    labels: Any,
    groups: Any,
    criterion: Any = "equalized_odds",
    *,
    combine: str | None = None,
    probability: bool = False,
    n_points: int = 11,
    n_draws: int | None = None,
    random_state: Any = None,
) -> ParetoWeights:
    r"""Return weights of members between the best accuracy and the smallest gap.

    .. math:: \min_w L(w) \quad \text{subject to} \quad \Delta(w) \le \varepsilon, \; w \ge 0, \; \sum_k w_k = 1

    for a row of bounds :math:`\varepsilon`. The log loss of a weighted mean of probabilities is convex in the weights,
    and so is the gap of its mean by group, where each rate's denominator depends on labels alone (demographic parity,
    equal opportunity, equalized odds, accuracy parity; in a regression the mean prediction and the mean error). That
    problem is solved to 1e-7 of its optimum. Elsewhere (predictive parity, ``combine="score"``, mean absolute error)
    weights are searched: random draws, then moves of single weights under each bound. Each member alone and equal
    weights are always among the rows. Loss, accuracy and gap are then measured for all rows by decisions.

    Parameters
    ----------
    member_scores : array of shape (n_members, n_samples) or (n_members, n_samples, n_outputs)
        What each member returns for each sample of *validation* data: `Ensemble.member_scores`.
    labels : array of shape (n_samples,)
        True classes, or values in a regression. With one output per sample the last of two classes is the positive one;
        with several they are 0 to n_outputs - 1.
    groups : array-like or Groups
        Sensitive attribute of each sample.
    criterion : str or Criterion, default="equalized_odds"
        What is compared between groups. "mean_prediction", "mean_error", "mean_absolute_error", "mean_squared_error"
        and "root_mean_squared_error" are those of a regression.
    combine : {"probability", "score", "vote"}, optional
        As the ensemble combines. Default: "probability"; "score" in a regression, where nothing else is possible.
    probability : bool, default=False
        Whether members return probabilities rather than scores.
    n_points : int, default=11
        Bounds on the gap.
    n_draws : int, optional
        Random weights that a search begins with. Default: 1,000, and no search where the problem is convex; a number
        adds one there, since decisions may have a front that mean probabilities do not show.
    random_state : int, Generator or None
        Seed of the draws.

    Returns
    -------
    ParetoWeights

    Raises
    ------
    InputError, InputTypeError
        If a score is not a number, a group or a class has no samples, a rate is undefined for a group, lengths differ,
        or a name is not known.

    Notes
    -----
    The rows that chose the weights cannot judge them: figures here are too good, the more so the more members and the
    fewer rows. Measure the chosen weights, with intervals, on rows that neither trained the members nor chose. The
    bound holds for mean probabilities; the gap of decisions is another figure, and may be larger or smaller.

    References
    ----------
    Boyd and Vandenberghe, Convex Optimization, 2004, chapter 11, on the barrier method.

    Examples
    --------
    >>> import mxfair, numpy as np
    >>> from mxnet import gluon, nd
    >>> rng = np.random.default_rng(0)
    >>> groups, labels = np.arange(400) % 2, rng.integers(0, 2, 400)
    >>> X = np.column_stack([labels + rng.normal(0, 1, 400), labels + groups]).astype("float32")
    >>> nets = [gluon.nn.Dense(1, in_units=2) for _ in range(2)]
    >>> for net, weight in zip(nets, np.eye(2)):  # the second reads a column that gives the group away
    ...     net.initialize()
    ...     net.weight.set_data(nd.array([weight]))
    ...     net.bias.set_data(nd.array([-0.5]))
    >>> ensemble = mxfair.ensemble.Ensemble(nets)
    >>> found = pareto_weights(ensemble.member_scores(X), labels, groups)
    >>> ensemble.set_weights(found.weights[found.choose(max_gap=0.1)])
    >>> bool(ensemble.weights[0] > ensemble.weights[1])
    True
    """
    scores = _checked_scores(member_scores)
    groups = groups if isinstance(groups, Groups) else Groups(groups)
    n_points = positive_integer(n_points, "n_points", minimum=2)
    rng = generator(random_state)
    task, name, combine = _task(scores, labels, groups, criterion=criterion, combine=combine, probability=probability)
    problem = task.problem()
    if n_draws is None:
        n_draws = 1000 if problem is None else 0
    n_draws = positive_integer(n_draws, "n_draws", minimum=0)
    size = len(scores)
    rows = [(weight, "member") for weight in np.eye(size)] + [(np.full(size, 1.0 / size), "equal")]
    if problem is not None and size > 1:
        rows += [(weight, "convex") for weight in problem.sweep(n_points)]
    if (n_draws or problem is None) and size > 1:
        found = search(lambda w: _costs(task, w), size, n_points=n_points, n_draws=n_draws, rng=rng)
        rows += [(weight, "search") for weight in found]
    weights, source = _distinct(rows)
    soft = np.array([problem.gap(w) for w in weights]) if problem is not None else np.full(len(weights), np.nan)
    return _measured(task, weights, source, soft_gap=soft, criterion=name, combine=combine)


def _checked_scores(member_scores: Any) -> np.ndarray:
    scores = to_numpy(member_scores)
    if scores.ndim == 2:
        scores = scores[..., None]
    if scores.ndim != 3 or 0 in scores.shape:
        raise InputError(
            "'member_scores' must have shape (n_members, n_samples) or (n_members, n_samples, n_outputs), none of them "
            f"0; got {scores.shape}. Pass Ensemble.member_scores(X)."
        )
    if scores.dtype.kind not in "biuf":
        raise InputTypeError(f"'member_scores' must be numbers; got {scores.dtype}.")
    scores = scores.astype(float)
    bad = ~np.isfinite(scores)
    if bad.any():
        member, row = (int(place) for place in np.argwhere(bad)[0, :2])
        raise InputError(
            f"'member_scores' must be finite; got {scores[bad][0]:g} of member {member} at row {row}. Leave this "
            "member out: its training has diverged."
        )
    return scores


def _task(
    scores: np.ndarray, labels: Any, groups: Groups, *, criterion: Any, combine: str | None, probability: bool
) -> tuple[Classified | Predicted, str, str]:
    if isinstance(criterion, str) and criterion in REGRESSION:
        if combine not in (None, "score") or probability:
            raise InputError(
                f"'combine' must be 'score', and 'probability' False, with {criterion!r} of a regression; got "
                f"{combine!r} and {probability}."
            )
        return Predicted(scores, labels, groups, criterion=criterion), criterion, "score"
    if isinstance(criterion, str) and criterion not in ALL_CRITERIA:
        one_of(criterion, [*ALL_CRITERIA, *REGRESSION], "criterion")
    chosen: Criterion = criterion_named(criterion)
    if isinstance(chosen, LossCriterion):
        raise InputError(f"'criterion' must be one of decisions; got {chosen.name}, which compares losses.")
    combine = one_of("probability" if combine is None else combine, ("probability", "score", "vote"), "combine")
    if probability and combine == "score":
        raise InputError("'probability' must be False with combine='score'; got True. Use combine='probability'.")
    if probability and not ((scores >= 0) & (scores <= 1)).all():
        raise InputError("'member_scores' must be between 0 and 1 with probability=True; got others. Leave it False.")
    task = Classified(scores, labels, groups, criterion=chosen, combine=combine, probability=probability)
    return task, chosen.name, combine


def _costs(task: Classified | Predicted, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    loss, accuracy, gap = task.figures(weights)
    return task.costs(loss, accuracy), gap


def _distinct(rows: list[tuple[np.ndarray, str]]) -> tuple[np.ndarray, list[str]]:
    """Return rows that differ, the first of equals."""
    weights = np.stack([weight for weight, _ in rows])
    _, first = np.unique(np.round(weights, 7), axis=0, return_index=True)
    first = np.sort(first)
    return weights[first], [rows[place][1] for place in first]


def _measured(
    task: Classified | Predicted, weights: np.ndarray, source: list[str], *, soft_gap: np.ndarray, **names: str
) -> ParetoWeights:
    loss, accuracy, gap = task.figures(weights)
    cost = task.costs(loss, accuracy)
    order = np.lexsort((cost, gap))  # NaN last
    rows = [{"cost": cost[place], "gap": gap[place]} for place in order]
    front = np.zeros(len(rows), dtype=bool)
    front[pareto_epochs(rows, "cost", "gap", mode="min")] = True
    return ParetoWeights(
        weights[order],
        loss[order],
        accuracy[order],
        gap[order],
        soft_gap[order],
        front,
        tuple(source[place] for place in order),
        **names,
    )


def _scaled(values: np.ndarray) -> np.ndarray:
    low, high = values.min(), values.max()
    return np.zeros(len(values)) if high == low else (values - low) / (high - low)
