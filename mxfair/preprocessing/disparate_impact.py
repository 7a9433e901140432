"""Features repaired so that their distributions are the same in all groups."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from mxfair._validation import InputError, InputTypeError, one_of, plural, positive_integer, same_length
from mxfair.groups import Groups
from mxfair.preprocessing._base import _CodedStep, check_attributes, known_codes
from mxfair.preprocessing._matrix import feature_names, numeric_matrix

__all__ = ["DisparateImpactRemover"]

#: A value that so large a part of a group shares keeps the groups' distributions apart.
_TIED = 0.1


class DisparateImpactRemover(_CodedStep):
    r"""Move each group's distribution of a feature to one that all groups share; order inside a group is kept.

    .. math:: x' = (1 - \lambda) \, x + \lambda \, Q_A(F_g(x)), \qquad Q_A(u) = \mathrm{median}_g \, Q_g(u)

    where F and Q are the distribution and quantile functions of the training rows of group g.

    Parameters
    ----------
    repair_level : float, default=1.0
        The lambda of the formula: 0 changes nothing, 1 makes the groups' distributions agree.
    sensitive : list of str or int, optional
        The sensitive columns of X, by name or place; they leave the output, and their combinations are the groups.
        Without it, pass ``groups=`` to `fit` and `transform`.
    columns : list of str or int, optional
        Columns of X to repair, by name or place; the others pass as they are. Default: all.
    target : {"median", "barycenter"}, default="median"
        The common distribution: the median of the groups' quantiles, as published, or their mean weighted by the sizes
        of the groups, which moves the features least (in squared distance) and keeps their overall mean.
    n_quantiles : int, default=1001
        Quantiles stored for each group and feature; a group with fewer rows is stored exactly.

    Attributes
    ----------
    attributes_ : str
        Names of the sensitive attributes, joined by " x ".
    group_names_ : list of str
        The fitted groups, in the order of the block's group codes.
    knots_, shifts_ : ndarray of shape (n_groups + 1, n_repaired, n_knots)
        Values of each group, and what is added to them at full repair; the last row is for unknown groups. Filled up
        with the last value.
    columns_ : list of int
        Places of the repaired columns among those that come out.

    Warns
    -----
    UserWarning
        In `fit`, where a tenth or more of a group has the same value; in `transform`, where groups are unknown.

    Notes
    -----
    The map is that of the training rows, so test rows are repaired one at a time too. Between stored quantiles it is
    linear; beyond the smallest and the largest, and for a feature that is constant in its group, a value is shifted as
    that end is. Equal values stay equal and move to the mean of the quantiles that they cover: features with few
    values, such as indicators, cannot be repaired fully. A sample of unknown or new group is mapped with the
    distribution of all rows, with a warning.

    Features are repaired one at a time: their joint distribution may still tell the groups apart.

    As a Gluon block it takes ``(x, group)``: x without the sensitive columns, and the place of the group in
    `group_names_` (`group_codes`); any other number is an unknown group.

    References
    ----------
    Feldman, Friedler, Moeller, Scheidegger and Venkatasubramanian, "Certifying and removing disparate impact", KDD
    2015, section 5 (geometric repair).

    Examples
    --------
    >>> import numpy as np
    >>> from mxfair.preprocessing import DisparateImpactRemover
    >>> X, groups = np.array([[1.0], [2.0], [3.0], [5.0], [6.0], [7.0]]), list("aaabbb")
    >>> step = DisparateImpactRemover().fit(X, groups=groups)
    >>> step.transform(X, groups=groups).ravel().tolist()
    [3.0, 4.0, 5.0, 3.0, 4.0, 5.0]
    >>> step.transform([[2.5]], groups=["a"]).tolist()
    [[4.5]]
    >>> import mxnet as mx
    >>> step.as_block()(mx.nd.array([[2.5], [6.0]]), mx.nd.array([0, 1])).asnumpy().tolist()
    [[4.5], [4.0]]
    """

    def __init__(
        self,
        repair_level: float = 1.0,
        sensitive: Any = None,
        columns: Any = None,
        target: str = "median",
        n_quantiles: int = 1001,
    ) -> None:
        self.repair_level = repair_level
        self.sensitive = sensitive
        self.columns = columns
        self.target = target
        self.n_quantiles = n_quantiles

    def fit(self, X: Any, y: Any = None, groups: Any = None) -> DisparateImpactRemover:
        """Store each group's quantiles and where they are to go.

        Parameters
        ----------
        X : array or data frame of shape (n_samples, n_features)
            Training rows only.
        y : ignored
        groups : array, data frame, mapping or Groups, optional
            The group of each sample, where `sensitive` names no columns of X.

        Returns
        -------
        DisparateImpactRemover
            Itself.

        Raises
        ------
        InputError
            If an option is out of range, there are not two known groups, a value is missing, or lengths differ.
        """
        self._level()
        one_of(self.target, ("median", "barycenter"), "target")
        most = positive_integer(self.n_quantiles, "n_quantiles", minimum=2)
        places = self._places(X)
        rest, values = self._parts(X, groups)
        matrix = numeric_matrix(rest)
        given = _groups(self._need(values, len(matrix)))
        same_length(X=matrix, groups=given)
        there = np.flatnonzero(given.known & (given.counts > 0))
        if len(there) < 2:
            raise InputError(f"'groups' must hold two known groups; got {len(there)}. There is nothing to repair.")
        chosen = self._chosen(rest, matrix.shape[1], places)
        self._learn_features(matrix.shape[1] + len(places), feature_names(X))
        self.places_, self.columns_ = places, chosen
        self.attributes_, self.group_names_ = given.name, [given.names[place] for place in there]
        ordered = [np.sort(matrix[np.ix_(given.codes == place, chosen)], axis=0) for place in there]
        everybody = np.sort(np.concatenate(ordered), axis=0, kind="stable")  # merges what is sorted already
        weights = np.array([len(part) for part in ordered], dtype=float)
        maps = [self._map(part, ordered, weights / weights.sum(), most) for part in [*ordered, everybody]]
        self.knots_, self.shifts_ = _padded(maps)
        self._say_ties(np.array([[tied for *_, tied in group] for group in maps[:-1]]).max(axis=0))
        return self

    def _map(
        self, own: np.ndarray, ordered: list[np.ndarray], weights: np.ndarray, most: int
    ) -> list[tuple[np.ndarray, np.ndarray, float]]:
        """Return for each feature the values of a group, what is to be added to them, and the largest tie."""
        levels = np.linspace(0, 1, min(len(own), most)) if len(own) > 1 else np.array([0.5])
        quantiles = np.stack([_quantiles(part, levels) for part in ordered])
        common = np.median(quantiles, axis=0) if self.target == "median" else np.tensordot(weights, quantiles, 1)
        return [_without_ties(knots, values) for knots, values in zip(_quantiles(own, levels).T, common.T)]

    def _say_ties(self, tied: np.ndarray) -> None:
        """Warn of features in which many samples of a group are equal."""
        names = self.get_feature_names_out()[self.columns_]
        shown = [f"{names[place]} ({tied[place]:.0%})" for place in np.flatnonzero(tied >= _TIED)]
        if shown:
            more = f" and {len(shown) - 10} more" if len(shown) > 10 else ""
            warnings.warn(
                f"Many samples of a group have the same value in {', '.join(shown[:10])}{more}: equal values move "
                "together, so the groups' distributions will not fully agree there. Name the columns to repair: "
                "columns=[...].",
                stacklevel=3,
            )

    def transform(self, X: Any, groups: Any = None) -> np.ndarray:
        """Return the repaired features.

        Parameters
        ----------
        X : array or data frame of shape (n_samples, n_features)
            The columns that were fitted.
        groups : array, data frame, mapping or Groups, optional
            As in `fit`.

        Returns
        -------
        ndarray of float64, shape (n_samples, n_features_out)

        Raises
        ------
        InputError
            If the step is not fitted, or the columns are others than those fitted.
        """
        self._check_fitted()
        rest, values = self._parts(X, groups)
        matrix = numeric_matrix(rest)
        self._check_features(matrix.shape[1] + len(self.places_), feature_names(X))
        given = _groups(self._need(values, len(matrix)))
        check_attributes(given.name, self.attributes_)
        codes = known_codes(given, self.group_names_)
        same_length(X=matrix, groups=codes)
        unknown = int((codes < 0).sum())
        if unknown:
            warnings.warn(
                f"{plural(unknown, 'sample')} of unknown or new group are mapped with the distribution of all rows.",
                stacklevel=3,  # scikit-learn wraps transform
            )
        level, result = self._level(), matrix.copy()
        if level == 0:
            return result
        for place in np.unique(codes):  # place -1 is the last map, that of all rows
            rows = np.flatnonzero(codes == place)
            part = matrix[rows]
            for column, knots, shifts in zip(self.columns_, self.knots_[place], self.shifts_[place]):
                part[:, column] += level * _interpolated(part[:, column], knots, shifts)
            result[rows] = part
        return result

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return the names of the features that come out.

        Parameters
        ----------
        input_features : array of str, optional
            Names of the columns of X.

        Returns
        -------
        ndarray of str
        """
        return np.delete(self._names_in(input_features), self.places_)

    def as_block(self) -> Any:
        """Return the fitted step as a Gluon block of (x, group): a search among stored quantiles, hybridizable.

        Returns
        -------
        gluon.HybridBlock

        Raises
        ------
        InputError
            If the step is not fitted.
        """
        self._check_fitted()
        from mxfair.preprocessing._repair_block import RepairBlock  # loads the engine

        width = self.n_features_in_ - len(self.places_)
        return RepairBlock(self.knots_, self._level() * self.shifts_, self.columns_, width)

    def _chosen(self, rest: Any, width: int, sensitive: list[int]) -> list[int]:
        """Return the places of the columns to repair, among those that come out."""
        if self.columns is None:
            return list(range(width))
        names = feature_names(rest)
        left = [place for place in range(width + len(sensitive)) if place not in sensitive]
        places = []
        for item in [self.columns] if isinstance(self.columns, (str, int, np.integer)) else self.columns:
            if isinstance(item, str) and names is not None and item in names:
                places.append(list(names).index(item))
            elif isinstance(item, (int, np.integer)) and not isinstance(item, bool) and item in left:
                places.append(left.index(int(item)))
            else:
                raise InputError(f"'columns' must name columns of X, by name or place, not sensitive; got {item!r}.")
        if not places or len(set(places)) < len(places):
            raise InputError(f"'columns' must name each column once, and at least one; got {self.columns!r}.")
        return sorted(places)

    def _level(self) -> float:
        level = self.repair_level
        if isinstance(level, bool) or not isinstance(level, (int, float, np.number)):
            raise InputTypeError(f"'repair_level' must be a number; got {level!r}. Give one between 0 and 1.")
        if not 0 <= level <= 1:
            raise InputError(f"'repair_level' must be between 0 and 1; got {level}. 1 is the full repair.")
        return float(level)


def _groups(values: Any) -> Groups:
    return values if isinstance(values, Groups) else Groups(values)


def _quantiles(ordered: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Return quantiles of sorted columns, linear between the values as NumPy's are."""
    places = levels * (len(ordered) - 1)
    whole = np.round(places)  # a rounding error beside a value that many rows share would be a step of the map
    places = np.where(np.abs(places - whole) < 1e-7, whole, places)
    low = np.minimum(places.astype(np.int64), max(len(ordered) - 2, 0))
    part = (places - low)[:, None]
    below, above = ordered[low], ordered[np.minimum(low + 1, len(ordered) - 1)]
    return np.where(part >= 1, above, below + part * (above - below))  # exact at the values themselves


def _without_ties(knots: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Return each value once, the mean of where it is to go as a shift, and the share of the most frequent value."""
    distinct, place = np.unique(knots, return_inverse=True)
    counts = np.bincount(place)
    mean = np.bincount(place, weights=values) / counts
    return distinct, mean - distinct, counts.max() / len(knots) if counts.max() > 1 else 0.0


def _padded(maps: list[list[tuple[np.ndarray, np.ndarray, float]]]) -> tuple[np.ndarray, np.ndarray]:
    """Return the maps of all groups and features as two arrays; the last knot is repeated."""
    longest = max(len(knots) for group in maps for knots, *_ in group)

    def filled(values: np.ndarray) -> np.ndarray:
        return np.pad(values, (0, longest - len(values)), mode="edge")

    knots = np.array([[filled(one) for one, *_ in group] for group in maps])
    return knots, np.array([[filled(shift) for _, shift, _ in group] for group in maps])


def _interpolated(values: np.ndarray, knots: np.ndarray, shifts: np.ndarray) -> np.ndarray:
    """Return the shift of each value: linear between knots, that of the end beyond them."""
    count = int(np.searchsorted(knots, knots[-1])) + 1  # the rest is padding
    return np.interp(values, knots[:count], shifts[:count])
