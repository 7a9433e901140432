"""Predictions whose distribution is the same in all groups: the Wasserstein barycenter of the groups' distributions."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mxfair import _encoding
from mxfair._validation import InputError, InputTypeError, generator, numbers, one_of, positive_integer
from mxfair.groups import Groups
from mxfair.postprocessing import _distribution as d
from mxfair.postprocessing._base import PostProcessor, checked_rows, checked_scores
from mxfair.preprocessing._base import known_codes
from mxfair.residuals import GroupResiduals
from mxfair.scores import GroupScores

__all__ = ["WassersteinBarycenter"]

#: A group of fewer rows says little about its distribution.
_FEW = 10


class WassersteinBarycenter(PostProcessor):
    r"""Move each group's distribution of scores to one that all groups share, at the least squared change.

    .. math:: T_a(v) = \sum_b p_b \, Q_b(F_a(v)), \qquad v' = \epsilon \, v + (1 - \epsilon) \, T_a(v)

    where F and Q are the distribution and quantile functions of the fitted rows of a group. For the predictions of a
    regressor, or for scores of a classifier: then every threshold selects each group at the same rate.

    Parameters
    ----------
    eps : float or sequence of float, default=0.0
        The relaxation: 0 makes the groups' distributions agree, 1 changes nothing; the Wasserstein distance between
        two groups becomes eps times what it was. With `sequential`, also one for each attribute.
    sequential : bool, default=False
        Repair for one attribute after the other, in the order of the columns, where the default repairs all
        combinations at once. It needs fewer rows, and also maps combinations that were not fitted; each attribute is
        evened out by itself (and the earlier ones but nearly), combinations are not.
    weights : {"shares", "equal"} or mapping of str to float, default="shares"
        The p of the formula: the groups' shares of the fitted rows, which keep the overall mean and change the scores
        least; the same for all groups; or by name of group (they are divided by their sum).
    n_quantiles : int, default=1001
        About how many values are stored for each group; a group with fewer distinct values is stored exactly.
    ties : {"average", "random"}, default="average"
        What becomes of a value that several rows of a group share: all go to the mean of the quantiles they cover, or
        each to one of them at random, without which discrete scores cannot be repaired fully.
    bounds : tuple of two floats, optional
        What results are limited to, such as (0, 1) for probabilities. Default: no limits.
    seed : int, default=0
        Of the random numbers of ``ties="random"``.

    Attributes
    ----------
    attributes_, group_names_
        As for every post-processor; with `sequential` the names are all combinations, occurring or not.
    weights_ : ndarray of shape (n_groups,)
        The p of the formula. Empty with `sequential`.
    support_ : ndarray of shape (n_groups,)
        Weight of each group's fitted rows.
    knots_, shifts_ : ndarray of shape (n_groups, n_knots)
        Scores of each group and T_a(v) - v; filled up with the last one. With `sequential`, eps is part of the shifts.
    levels_, barycenter_ : ndarray of shape (n_levels,)
        The common quantile function. Empty with `sequential`.
    eps_ : ndarray of shape (n_attributes,)
        With `sequential`, the relaxations that the shifts hold; empty without it.
    cost_ : float
        Mean squared change of the fitted rows by T, or by all steps with `sequential`: about what is added to the mean
        squared error of a good regressor at eps 0, and (1 - eps)^2 times that at others.

    Warns
    -----
    UserWarning
        In `fit`, if a group has fewer than 10 rows.

    Notes
    -----
    The map is fixed by the fitted rows: a row's result does not depend on what else is in the batch. Fit on predictions
    of the model that is to be repaired, for rows that it was not trained on: those for its training rows spread more
    than new ones if it overfits, and out-of-fold predictions are those of other models. Few rows make a noisy map, so a
    model that hardly overfits may do better with its training rows.

    Of n rows the i-th has the level (i - 1/2) / n, of weighted rows the middle of its weight; between rows F and Q are
    linear. A score beyond a group's fitted range is shifted as the nearest end is (slope 1): it stays in order and
    keeps its distance. The overall mean of the fitted rows is kept up to about 1 / (rows of the smallest group) of the
    spread of the scores. On new rows the distributions agree up to chance, in the fitted rows and in the new ones.

    With ``ties="random"`` a row of a batch takes the random number of its place in the batch, the same in each call;
    give `draws`, from a row's number say, for results that do not depend on the batch.

    Equal distributions are not equal errors: errors often grow in the group whose scores move most.

    References
    ----------
    Chzhen, Denis, Hebiri, Oneto and Pontil, "Fair Regression with Wasserstein Barycenters", NeurIPS 2020, theorem 2.3;
    Le Gouic, Loubes and Rigollet, "Projection to Fairness in Statistical Learning", 2020; scores of classifiers: Jiang,
    Pacchiano, Stepleton, Jiang and Chiappa, "Wasserstein Fair Classification", UAI 2020; relaxation: Chzhen and
    Schreuder, "A minimax framework for quantifying risk-fairness trade-off in regression", 2022; several attributes:
    Hu, Ratz and Charpentier, "A Sequentially Fair Mechanism for Multiple Sensitive Attributes", 2023.

    Examples
    --------
    >>> import numpy as np
    >>> from mxfair.postprocessing import WassersteinBarycenter
    >>> scores, groups = np.r_[np.arange(10.0), np.arange(10.0) + 4], ["a"] * 10 + ["b"] * 10
    >>> barycenter = WassersteinBarycenter().fit(scores, None, groups)
    >>> barycenter.transform([3.0, 5.5, 20.0], ["a", "b", "b"]).tolist()
    [5.0, 3.5, 18.0]
    >>> barycenter.set_params(eps=0.5).transform([3.0], ["a"]).tolist()
    [4.0]
    """

    def __init__(
        self,
        eps: float | Sequence[float] = 0.0,
        *,
        sequential: bool = False,
        weights: str | Mapping[str, float] = "shares",
        n_quantiles: int = 1001,
        ties: str = "average",
        bounds: tuple[float, float] | None = None,
        seed: int = 0,
    ) -> None:
        self.eps = eps
        self.sequential = sequential
        self.weights = weights
        self.n_quantiles = n_quantiles
        self.ties = ties
        self.bounds = bounds
        self.seed = seed

    def fit(self, scores: Any, labels: Any = None, groups: Any = None, *, sample_weight: Any = None) -> Any:
        """Learn the distribution of each group.

        Parameters
        ----------
        scores : array of shape (n_samples,)
            Predictions or scores, in any unit.
        labels : ignored
        groups : array of shape (n_samples,), column, columns or Groups
            The group of each sample; several columns are crossed, or taken in turn with `sequential`. Samples of
            unknown group are left out.
        sample_weight : array of shape (n_samples,), optional
            Weight of each sample. Default: 1.

        Returns
        -------
        WassersteinBarycenter
            Itself.

        Raises
        ------
        InputError
            If an option is out of range, a score is not finite, lengths differ, no group is known, or a group has no
            weight.
        """
        self._options()
        self._forget()
        values = checked_scores(scores)
        if groups is None:
            raise InputError("'groups' must be given; got None. Pass the group of each sample.")
        if self.sequential:
            columns = _columns(groups)
            weight = _ones(checked_rows(values, columns[0], sample_weight=sample_weight), values)
            return self._fit_in_turn(values, columns, weight)
        encoded = groups if isinstance(groups, Groups) else Groups(groups)
        weight = _ones(checked_rows(values, encoded, sample_weight=sample_weight), values)
        encoded, codes = self._learn_groups(encoded)
        parts = [(values[codes == place], weight[codes == place]) for place in range(len(self.group_names_))]
        self._check_support(np.array([part.sum() for _, part in parts]), [(part > 0).sum() for _, part in parts])
        self._learn([d.of_rows(*part) for part in parts])
        self._learn_cost(values, codes, weight)
        return self

    @classmethod
    def of(cls, state: GroupResiduals | GroupScores, **options: Any) -> WassersteinBarycenter:
        """Return a post-processor fitted on counted predictions: no rows are needed, and counts of batches add.

        Parameters
        ----------
        state : GroupResiduals or GroupScores
            Predictions in a range, or scores. The rows of a bin are taken to be spread evenly over it: quantiles are
            within a bin's width of those of the rows.
        **options
            What the class takes, but ``sequential`` and ``ties``.

        Returns
        -------
        WassersteinBarycenter

        Raises
        ------
        InputError
            If nothing is counted, predictions lie outside the range of the bins, or options need rows.
        """
        self = cls(**options)
        self._options()
        if self.sequential or self.ties == "random":
            raise InputError("'sequential' and random 'ties' must have rows; got counts. Use fit.")
        low, high, counts, rows = d.counted(state)
        there = np.asarray(state.known) & (counts.sum(axis=1) > 0)
        if not there.any():
            raise InputError("'state' must hold samples of a known group; got none. Update it with some.")
        self.attributes_ = state.name
        self.group_names_ = np.array([name for name, kept in zip(state.groups, there) if kept], dtype=object)
        counts, rows = counts[there], rows[there]
        self._check_support(counts.sum(axis=1), rows)
        self._learn([d.of_bins(low, high, mass, mass.sum() / n) for mass, n in zip(counts, rows)])
        place, bin_ = np.nonzero(counts)
        self._learn_cost(((low + high) / 2)[bin_], place, counts[place, bin_])
        return self

    def transform(self, scores: Any, groups: Any, *, draws: Any = None) -> np.ndarray:
        """Return the repaired scores.

        Parameters
        ----------
        scores : array of shape (n_samples,)
            In the unit of the fitted scores.
        groups : array of shape (n_samples,), column, columns or Groups
            As in `fit`.
        draws : array of shape (n_samples,), optional
            For ``ties="random"``: numbers from 0 to 1. Default: random numbers from `seed`, the same in each call.

        Returns
        -------
        ndarray of float64, shape (n_samples,)

        Raises
        ------
        InputError
            If it is not fitted, a group was not fitted or is unknown, a score is not finite, or `sequential`, or `eps`
            with it, was set after `fit`.
        """
        self._check_fitted()
        self._options()
        self._check_unchanged()
        values, codes = checked_scores(scores), self.group_codes(groups)
        checked_rows(values, codes)
        shifts = self._shifts(values, codes, self._draws(draws, len(values)))
        result = values + self._strength() * shifts
        return result if self.bounds is None else np.clip(result, *self.bounds)

    def as_block(self) -> Any:
        """Return the fitted map as a Gluon block of (scores, group codes), hybridizable and in single precision.

        Returns
        -------
        gluon.HybridBlock
            Its results have the shape of the scores, (n,) or (n, 1); NaN for a code that is no place in `group_names_`.

        Raises
        ------
        InputError
            If it is not fitted, or ties are random.
        """
        self._check_fitted()
        self._options()
        self._check_unchanged()
        if self.ties == "random":
            raise InputError("'ties' must be 'average' for a block, which draws no numbers; got 'random'. Set it.")
        from mxfair.postprocessing._map_block import ScoreMapBlock  # loads the engine

        return ScoreMapBlock(self.knots_, self._strength() * self.shifts_, self.bounds)

    def _learn(self, groups: list[d.Distribution]) -> None:
        """Set what is fitted from the distributions of `group_names_`."""
        most = int(self.n_quantiles)
        shares = self._shares()
        groups = [group.thinned(most) for group in groups]
        target = d.Barycenter(groups, shares)
        self.weights_, self.eps_ = shares, np.empty(0)
        self.levels_, self.barycenter_ = target.levels, target.values
        maps = [d.map_of(group, target, most) for group in groups]
        self.knots_, self.shifts_ = d.padded([(knots, targets - knots) for knots, targets in maps])
        self.ties_ = np.vstack(
            [
                np.column_stack(
                    [np.full(shared.sum(), place), g.low[shared], g.below[shared], (g.below + share)[shared]]
                )
                for place, g in enumerate(groups)
                for shared, share in [(g.shared, g.mass / self.support_[place])]
            ]
        )

    def _fit_in_turn(self, values: np.ndarray, columns: list[Groups], weight: np.ndarray) -> WassersteinBarycenter:
        """Fit one attribute after the other, each on what the one before made of the scores."""
        if self.weights not in ("shares", "equal") or self.ties == "random":
            raise InputError("'sequential' must go without weights by name and random ties. Leave these out.")
        known = np.logical_and.reduce([np.asarray(column.known)[column.codes] for column in columns])
        if not known.any():
            raise InputError(
                "'groups' must hold a row without missing values; got none. Pass the sensitive attributes."
            )
        kept, weight = [column.take(known) for column in columns], weight[known]
        if np.size(self.eps) not in (1, len(columns)):
            raise InputError(f"'eps' must be one number, or one for each of {len(columns)} attributes; got {self.eps}.")
        eps = np.broadcast_to(np.asarray(self.eps, dtype=float), len(columns)).tolist()
        current, maps, names = values[known], [], []
        for level, column in zip(eps, kept):
            part = WassersteinBarycenter(level, weights=self.weights, n_quantiles=self.n_quantiles)
            part.fit(current, None, column, sample_weight=weight)
            current = part.transform(current, column)
            names.append(list(part.group_names_))
            maps.append([(knots, part._strength() * shifts) for knots, shifts in zip(part.knots_, part.shifts_)])
        self.attributes_ = " x ".join(column.name for column in columns)
        self.group_names_ = np.array([" & ".join(cell) for cell in itertools.product(*names)], dtype=object)
        codes = np.ravel_multi_index(
            [known_codes(column, found) for column, found in zip(kept, names)],
            [len(found) for found in names],
        )
        self.support_ = np.bincount(codes, weight, minlength=len(self.group_names_))
        cells = []
        for cell in itertools.product(*maps):
            joined = cell[0]
            for one in cell[1:]:
                joined = d.composed(joined, one)
            cells.append(joined)
        self.knots_, self.shifts_ = d.padded(cells)
        self.weights_ = self.levels_ = self.barycenter_ = np.empty(0)
        self.eps_ = np.array(eps)
        self.ties_ = np.empty((0, 4))
        self._learn_cost(values[known], codes, weight)
        return self

    def _shifts(self, values: np.ndarray, codes: np.ndarray, draws: np.ndarray | None) -> np.ndarray:
        """Return T_a(v) - v."""
        shifts = np.empty(len(values))
        for place in np.unique(codes):
            rows = np.flatnonzero(codes == place)
            part = values[rows]
            shifts[rows] = np.interp(part, self.knots_[place], self.shifts_[place])
            ties = self.ties_[self.ties_[:, 0] == place]
            if draws is not None and len(ties):
                at = np.minimum(np.searchsorted(ties[:, 1], part), len(ties) - 1)
                equal = ties[at, 1] == part
                _, _, low, high = ties[at[equal]].T
                levels = low + (high - low) * draws[rows[equal]]
                shifts[rows[equal]] = np.interp(levels, self.levels_, self.barycenter_) - part[equal]
        return shifts

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "knots_")

    def _draws(self, draws: Any, size: int) -> np.ndarray | None:
        if self.ties != "random":
            if draws is not None:
                raise InputError("'draws' must go with ties='random'; got ties='average'. Leave them out.")
            return None
        if self.sequential:
            raise InputError("'sequential' must go without random ties. Set ties='average'.")
        if draws is None:
            return generator(self.seed).random(size)
        found = numbers(draws, "draws")
        if len(found) != size or not ((found >= 0) & (found <= 1)).all():
            raise InputError(f"'draws' must be {size:,} numbers from 0 to 1, one for each sample. Draw them evenly.")
        return found

    def _strength(self) -> float:
        """Return the part of the shift that is made; with `sequential`, shifts hold eps already."""
        return 1.0 if self.sequential else 1.0 - float(np.asarray(self.eps))

    def _shares(self) -> np.ndarray:
        """Return p by group."""
        names = list(self.group_names_)
        if isinstance(self.weights, str):
            given = self.support_ if self.weights == "shares" else np.ones(len(names))
            return given / given.sum()
        if set(self.weights) != set(names):
            raise InputError(f"'weights' must name the fitted groups {names}; got {sorted(self.weights)}. Name all.")
        given = numbers([self.weights[name] for name in names], "weights")
        if not ((given >= 0) & np.isfinite(given)).all() or not given.sum() > 0:
            raise InputError(f"'weights' must be finite, not negative and not all 0; got {dict(self.weights)}.")
        return given / given.sum()

    def _check_support(self, support: np.ndarray, rows: Any) -> None:
        """Store the groups' weights; refuse groups without, and warn of small ones."""
        empty = [name for name, weight in zip(self.group_names_, support) if not weight > 0]
        if empty:
            raise InputError(f"Each group must have a sample of positive weight; {empty} have none. Leave them out.")
        few = [f"{name} ({n:.0f})" for name, n in zip(self.group_names_, rows) if n < _FEW]
        if few:
            more = f" and {len(few) - 10} more" if len(few) > 10 else ""
            warnings.warn(
                f"The map of a group of fewer than {_FEW} rows is mostly chance: {', '.join(few[:10])}{more}. Fit with "
                "more rows, or with fewer groups.",
                stacklevel=3,
            )
        self.support_ = support

    def _learn_cost(self, values: np.ndarray, codes: np.ndarray, weight: np.ndarray) -> None:
        known = codes >= 0
        shifts = self._shifts(values[known], codes[known], None)
        self.cost_ = float(np.average(shifts**2, weights=weight[known]))

    def _check_unchanged(self) -> None:
        """Refuse options that were set after the fit and can no longer have an effect."""
        in_turn = len(self.eps_) > 0
        eps = np.asarray(self.eps, dtype=float)
        if in_turn != bool(self.sequential) or (
            in_turn and (eps.size not in (1, len(self.eps_)) or not np.array_equal(eps + 0 * self.eps_, self.eps_))
        ):
            raise InputError("'sequential', and 'eps' with it, must be as they were in fit; got others. Fit again.")

    def _check_options(self) -> None:
        self._options()

    def _options(self) -> None:
        one_of(self.ties, ("average", "random"), "ties")
        positive_integer(self.n_quantiles, "n_quantiles", minimum=2)
        if isinstance(self.weights, str):
            one_of(self.weights, ("shares", "equal"), "weights")
        elif not isinstance(self.weights, Mapping):
            raise InputTypeError(f"'weights' must be a word or a mapping of group to number; got {self.weights!r}.")
        eps = numbers(np.atleast_1d(np.asarray(self.eps)), "eps")
        if not ((eps >= 0) & (eps <= 1)).all():
            raise InputError(f"'eps' must be between 0 and 1; got {self.eps}. 0 is the full repair, 1 none.")
        if np.ndim(self.eps) and not self.sequential:
            raise InputError(f"'eps' must be one number without 'sequential'; got {self.eps}. Give one.")
        if self.bounds is not None:
            bounds = numbers(self.bounds, "bounds")
            if len(bounds) != 2 or not bounds[0] < bounds[1]:
                raise InputError(
                    f"'bounds' must be two numbers, the lower first; got {self.bounds}. Give, e.g., (0, 1)."
                )


def _ones(weight: np.ndarray | None, values: np.ndarray) -> np.ndarray:
    return np.ones(len(values)) if weight is None else weight


def _columns(groups: Any) -> list[Groups]:
    """Return each attribute by itself."""
    if isinstance(groups, Groups):
        raise InputTypeError(
            "'groups' must be columns for 'sequential'; got Groups, crossed already. Pass a data frame."
        )
    return [Groups(column, name=str(name)) for name, column in _encoding.columns_of(groups).items()]
