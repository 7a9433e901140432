"""Thresholds by group, chosen for an objective under a criterion: fixed ones, or mixtures that meet it exactly."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from mxfair._validation import InputError, InputTypeError, positive_integer
from mxfair.criterion import Criterion, criterion_named
from mxfair.postprocessing._choice import Choice, Chooser
from mxfair.postprocessing._curves import Curve, Histograms, curves_of, table_curves
from mxfair.postprocessing._decisions import _GroupDecisions
from mxfair.postprocessing._goals import Objective, Rates
from mxfair.scores import GroupScores

__all__ = ["GroupThresholds"]

#: Rows from which on bins come first, and their number, by default.
_LARGE, _BINS = 100_000, 4096
#: How far below a gap the next Pareto point is looked for.
_STEP = 1e-9


class GroupThresholds(_GroupDecisions):
    r"""Thresholds on scores by group that optimise an objective while a criterion's rates differ by at most `max_gap`.

    A decision is positive where the score is above the group's threshold. Rates are those of the fitted rows, which
    should not be the rows that the model was trained on.

    Parameters
    ----------
    criterion : str or Criterion, default="equalized_odds"
        The rates that should agree. Largest minus smallest over the groups is compared; with ``agg="mean"`` or "sum"
        the rates' gaps together. A rate must be defined in every group.
    objective : str, Rate or array of shape (2, 2), default="accuracy"
        A rate of the overall table, made large, or small if it is one of errors; balanced accuracy; or the cost of
        each (label, decision), negatives first, whose mean is made small: ``[[0, 1], [5, 0]]`` where a false negative
        costs 5.
    max_gap : float, default=0
        The largest gap allowed.
    randomized : bool, default=False
        Whether a group may have several thresholds, one of which is drawn for each row: gaps and objective are then
        those of expected counts. Fixed thresholds can seldom make rates equal; give them a `max_gap` of 0.01, say.
    positive : label, optional
        The class that the scores speak for. Default: the criterion's, or the last of the two.
    selection_rate : float, optional
        The largest share of all rows that may be selected.
    n_pareto : int, default=0
        How many points of the best objectives against the gaps to find too, at most.
    bins : int, "auto" or None, default="auto"
        Number of bins of scores that are counted first; rows are then sorted only in bins inside which a better
        threshold may lie, and the result is that of sorting all. For randomized thresholds under rates whose
        denominators are fixed by the labels; "auto" is 4,096 from 100,000 rows on. None sorts all.

    Attributes
    ----------
    thresholds_, shares_ : ndarray of shape (n_groups, n_mixed)
        Thresholds of each group, rising, and how often each is used. `n_mixed` is 1 for fixed thresholds. Infinity
        selects nobody, minus infinity everybody; a share of 0 fills up.
    classes_ : ndarray of shape (2,)
    counts_ : ndarray of shape (n_groups, 2, 2)
        Counts by label and decision on the fitted rows; expected ones of randomized thresholds.
    objective_, gap_ : float
        The objective (or mean cost) and the criterion's gap on the fitted rows. One group has no gap: NaN.
    pareto_ : dict of ndarray
        "gap", "objective", "thresholds" and "shares" of the Pareto points, the gaps rising. All of them for fixed
        thresholds, if there are no more than `n_pareto`; else those of evenly spaced gaps.

    Notes
    -----
    Fixed thresholds are found by sorting each group's scores once and by branch and bound over the windows in which
    the rates must lie: the result is the best one up to 1e-9 of the objective, for any number of rates and groups.
    Where the search is cut short, mostly for rates that share one budget (``agg="mean"``) on many rows, a warning says
    by how much others may be better.

    Randomized thresholds are a linear program over the corners of the groups' ROC hulls. It is exact for rates whose
    denominators are fixed by the labels (demographic parity, equal opportunity, predictive equality, equalized odds,
    accuracy parity); for others (predictive parity, treatment equality) common values are searched for on a grid that
    is refined, and the result need not be the best. An objective whose denominator moves (precision, F1) is maximised
    by Dinkelbach's method. With fixed thresholds and `selection_rate` the result is the best one that a price of
    selections or some ways to share them among the groups give, not always the best there is.

    References
    ----------
    Hardt, Price and Srebro, "Equality of Opportunity in Supervised Learning", NeurIPS 2016, sections 3 and 4.

    Examples
    --------
    >>> import numpy as np
    >>> from mxfair.postprocessing import GroupThresholds
    >>> rng = np.random.default_rng(0)
    >>> groups = rng.choice(["a", "b"], 2000)
    >>> labels = rng.integers(0, 2, 2000)
    >>> scores = labels + np.where(groups == "a", 0.5, 0.0) + rng.normal(size=2000)
    >>> fair = GroupThresholds("demographic_parity", max_gap=0.01).fit(scores, labels, groups)
    >>> bool(fair.gap_ <= 0.01)
    True
    >>> fair.predict([0.7, 0.7], ["a", "b"])
    array([0, 1])
    """

    pareto_: dict[str, np.ndarray]

    def __init__(
        self,
        criterion: str | Criterion = "equalized_odds",
        objective: Any = "accuracy",
        *,
        max_gap: float = 0.0,
        randomized: bool = False,
        positive: Any = None,
        selection_rate: float | None = None,
        n_pareto: int = 0,
        bins: int | str | None = "auto",
    ) -> None:
        self.criterion = criterion
        self.objective = objective
        self.max_gap = max_gap
        self.randomized = randomized
        self.positive = positive
        self.selection_rate = selection_rate
        self.n_pareto = n_pareto
        self.bins = bins

    def fit(self, scores: Any, labels: Any, groups: Any, sample_weight: Any = None) -> GroupThresholds:
        """Choose thresholds on held-out rows.

        Parameters
        ----------
        scores : array of float, shape (n_samples,)
            Any real numbers, larger for the positive class.
        labels : array of shape (n_samples,)
            Two classes.
        groups : array of shape (n_samples,), column, columns or Groups
            Rows of unknown group are left out.
        sample_weight : array of shape (n_samples,), optional

        Returns
        -------
        GroupThresholds
            Itself.

        Raises
        ------
        InputError
            If an option is out of range, lengths differ, values are missing, a group lacks what a rate needs, or no
            thresholds keep the gap.
        """
        criterion, bins = self._checked()
        self._forget()
        values, positive, codes, weight = self._rows(scores, labels, groups, sample_weight)
        rates, n_groups = Rates(criterion, self.positive_place_), len(self.group_names_)
        if self.randomized and bins and not rates.moving and (len(values) >= _LARGE or self.bins != "auto"):
            sources: Any = Histograms(values, positive, codes, weight=weight, n_groups=n_groups, bins=bins)
        else:
            sources = curves_of(values, positive, codes, weight=weight, n_groups=n_groups)
        return self._fit_curves(sources, rates)

    def fit_table(self, table: GroupScores) -> GroupThresholds:
        """Choose thresholds among the edges of a table's bins: for rows that were counted in passing.

        Parameters
        ----------
        table : GroupScores
            Of the labels, with more bins for finer thresholds.

        Returns
        -------
        GroupThresholds
            Itself.

        Raises
        ------
        InputError
            As for `fit`.
        """
        criterion, _ = self._checked()
        self._forget()
        if len(table.classes) != 2 or (self.positive is not None and table.positive != self.positive):
            raise InputError(
                f"'table' must be of two classes and of the same positive one; got classes {table.classes.tolist()}, "
                f"positive {table.positive!r}."
            )
        places = [i for i, known in enumerate(table.known) if known and table.counts[i].sum() > 0]
        if not places:
            raise InputError("'table' must hold samples of a known group; got none. Update it with rows.")
        self.classes_, self.positive_place_ = table.classes, table.classes.tolist().index(table.positive)
        self.attributes_ = table.name
        self.group_names_ = np.array([table.groups[i] for i in places], dtype=object)
        return self._fit_curves(table_curves(table, places), Rates(criterion, self.positive_place_))

    def _check_options(self) -> None:
        self._checked()

    def _checked(self) -> tuple[Criterion, int]:
        """Return the criterion and the number of bins, 0 for none, after checking the options."""
        criterion = criterion_named(self.criterion)
        if self.positive is None and criterion.positive is not None:
            raise InputError(
                f"'positive' must be given here too; the criterion says {criterion.positive!r}. Pass positive=."
            )
        Rates(criterion, 1)
        Objective(self.objective, 1)
        for value, name, most in ((self.max_gap, "max_gap", math.inf), (self.selection_rate, "selection_rate", 1.0)):
            if value is None and name == "selection_rate":
                continue
            if isinstance(value, bool) or not isinstance(value, (int, float, np.number)):
                raise InputTypeError(f"'{name}' must be a number; got {value!r}.")
            if not 0 <= value <= most:
                raise InputError(f"'{name}' must be between 0 and {most:g}; got {value}.")
        if not isinstance(self.randomized, (bool, np.bool_)):
            raise InputTypeError(f"'randomized' must be True or False; got {self.randomized!r}.")
        positive_integer(self.n_pareto, "n_pareto", minimum=0)
        if self.bins is None:
            return criterion, 0
        return criterion, _BINS if self.bins == "auto" else positive_integer(self.bins, "bins", minimum=2)

    def _fit_curves(self, sources: list[Curve] | Histograms, rates: Rates) -> GroupThresholds:
        names = self.group_names_.tolist()
        chooser = Chooser(
            Objective(self.objective, rates.place),
            rates,
            sources,
            names=names,
            randomized=bool(self.randomized),
            selection_rate=self.selection_rate,
        )
        if len(names) > 1:
            rates.check_defined(chooser.curves, names, self.classes_[rates.place])
        choice = chooser.choose(float(self.max_gap))
        self._take(choice)
        self._warn_of_trivial(choice)
        self.pareto_ = _pareto(chooser, choice, self.n_pareto, exact=not self.randomized)
        return self

    def _warn_of_trivial(self, choice: Choice) -> None:
        """Warn where nobody or everybody is selected because nothing else has equal rates."""
        if self.randomized or len(self.group_names_) < 2 or self.max_gap > 0:
            return
        if (choice.thresholds == np.inf).all() or (choice.thresholds == -np.inf).all():
            what = "nobody is" if choice.thresholds[0, 0] > 0 else "everybody is"
            warnings.warn(
                f"With these thresholds {what} selected: fixed thresholds can seldom make rates equal. Give max_gap, "
                "0.01 say, or use randomized=True.",
                stacklevel=4,
            )


def _pareto(chooser: Chooser, choice: Choice, n_points: int, *, exact: bool) -> dict[str, np.ndarray]:
    """Return the Pareto points: all, going down from gap to gap, or those of evenly spaced gaps."""
    points = [choice]
    if n_points > 0 and not np.isnan(choice.gap):
        largest = chooser.choose(math.inf)
        points += _descent(chooser, largest, n_points) if exact else []
        if len(points) == 1:
            points += [largest, *_tried(chooser, np.linspace(0, largest.gap, n_points + 1)[:-1])]
    return _front(points, chooser)


def _descent(chooser: Chooser, start: Choice, n_points: int) -> list[Choice]:
    """Return all Pareto points, from one choice to the next with a smaller gap; none if there are too many."""
    points = [start]
    while len(points) <= n_points and points[-1].gap > _STEP:
        found = _tried(chooser, [max(points[-1].gap - _STEP, 0.0)])
        if not found:
            return points
        points += found
    return points if len(points) <= n_points else []


def _tried(chooser: Chooser, gaps: Any) -> list[Choice]:
    found = []
    for gap in gaps:
        try:
            found.append(chooser.choose(float(gap)))
        except InputError:  # no thresholds have so small a gap
            continue
    return found


def _front(points: list[Choice], chooser: Chooser) -> dict[str, np.ndarray]:
    """Return the points that no other beats in both, by rising gap."""
    ordered = sorted(points, key=lambda point: (point.gap, -chooser.sign * point.objective))
    kept: list[Choice] = []
    for point in ordered:
        if not kept or chooser.sign * (point.objective - kept[-1].objective) > _STEP:
            kept.append(point)
    width = max(point.thresholds.shape[1] for point in kept)
    wide = [((0, 0), (0, width - point.thresholds.shape[1])) for point in kept]
    return {
        "gap": np.array([point.gap for point in kept]),
        "objective": np.array([point.objective for point in kept]),
        "thresholds": np.stack([np.pad(p.thresholds, pad, constant_values=np.inf) for p, pad in zip(kept, wide)]),
        "shares": np.stack([np.pad(p.shares, pad) for p, pad in zip(kept, wide)]),
    }
