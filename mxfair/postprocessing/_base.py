"""What all post-processors share: scores and groups in, other scores or decisions out; files; a block."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

from mxfair._validation import InputError, missing, numbers, plural, same_length, to_numpy, weights
from mxfair.groups import Groups
from mxfair.preprocessing import _state
from mxfair.preprocessing._base import check_attributes, known_codes

__all__ = ["PostProcessor"]


class PostProcessor(BaseEstimator):  # type: ignore[misc]  # scikit-learn is untyped
    """Base of the post-processors: fitted on scores of rows that the model was not trained on, by group.

    A post-processor takes the outputs of any model: arrays of scores, a scikit-learn estimator's, a net's. It is stored
    without pickles, ends as a Gluon block of (score, group), and refuses groups that it was not fitted with.

    Attributes
    ----------
    attributes_ : str
        Names of the sensitive attributes, joined by " x ".
    group_names_ : ndarray of str, shape (n_groups,)
        The groups it was fitted with.
    """

    attributes_: str
    group_names_: np.ndarray
    #: How a classifier is asked for scores, by the wrapper around it; "any": for probabilities where it has them.
    _method = "any"

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if cls.__module__.startswith("mxfair.") and not cls.__name__.startswith("_"):
            _state.STEPS[cls.__name__] = cls

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the fitted post-processor to one file: JSON and arrays in a NumPy archive, no pickle.

        Parameters
        ----------
        path : str or Path
            Name of the file, with the ending ``.npz`` by custom; `mxfair.preprocessing.load_step` reads it.

        Raises
        ------
        InputError
            If it is not fitted.
        """
        self._check_fitted()
        _state.write(self, path)

    def group_codes(self, groups: Any) -> np.ndarray:
        """Return each sample's place in `group_names_`: what the block takes beside the scores.

        Parameters
        ----------
        groups : array of shape (n_samples,), column, columns or Groups

        Returns
        -------
        ndarray of int64, shape (n_samples,)

        Raises
        ------
        InputError
            If a sample's group was not fitted, or is unknown.
        """
        self._check_fitted()
        encoded = groups if isinstance(groups, Groups) else Groups(groups)
        check_attributes(encoded.name, self.attributes_)
        codes = known_codes(encoded, list(self.group_names_))
        if (codes < 0).any():
            names = sorted({encoded.names[code] for code in np.unique(encoded.codes[codes < 0])})
            raise InputError(
                f"'groups' must hold the fitted groups, {_listed(list(self.group_names_))}; got {_listed(names)} in "
                f"{plural(int((codes < 0).sum()), 'row')}. Fit with rows of every group, or decide about these rows "
                "apart."
            )
        return codes

    def _learn_groups(self, groups: Any) -> tuple[Groups, np.ndarray]:
        """Take the known groups that occur; return them, and each sample's place among them (-1: unknown)."""
        encoded = groups if isinstance(groups, Groups) else Groups(groups)
        occurring = (np.bincount(encoded.codes, minlength=encoded.n_groups) > 0) & np.asarray(encoded.known)
        names = [name for name, kept in zip(encoded.names, occurring) if kept]
        if not names:
            raise InputError("'groups' must hold a known group; all are missing. Pass the sensitive attribute.")
        self.attributes_, self.group_names_ = encoded.name, np.array(names, dtype=object)
        return encoded, known_codes(encoded, names)

    def _takes_matrix(self, n_classes: int) -> bool:
        """Tell whether the scores of so many classes are a column for each of them."""
        return False

    def _check_options(self) -> None:
        """Refuse options that are out of range, where that can be told before a model is trained."""

    def _forget(self) -> None:
        """Drop what was fitted: a fit that fails leaves nothing that decides."""
        for name in self._fitted():
            delattr(self, name)

    def _check_fitted(self) -> None:
        if not self.__sklearn_is_fitted__():
            raise InputError(f"{type(self).__name__} must be fitted first. Call fit with held-out rows.")

    def _fitted(self) -> dict[str, Any]:
        """Return what was fitted, by attribute: what ends with an underscore."""
        return {name: value for name, value in vars(self).items() if name.endswith("_") and not name.startswith("_")}

    def _set_fitted(self, fitted: dict[str, Any]) -> None:
        """Take what `_fitted` returned."""
        for name, value in fitted.items():
            if name.startswith("_") or not name.endswith("_"):
                raise ValueError(f"{name!r} is nothing that is fitted")
            setattr(self, name, value)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "group_names_")


def checked_scores(scores: Any, name: str = "scores") -> np.ndarray:
    """Return scores or predictions as a vector of float64, finite."""
    values = numbers(scores, name)
    if not len(values):
        raise InputError(f"'{name}' must hold at least one sample; got none.")
    bad = ~np.isfinite(values)
    if bad.any():
        raise InputError(
            f"'{name}' must be finite; got {values[bad][0]} at row {int(np.flatnonzero(bad)[0])}. Look at the model."
        )
    return values


def checked_rows(scores: np.ndarray, groups: Any, labels: Any = None, sample_weight: Any = None) -> Any:
    """Return weights (or None) after checking that everything has one value per sample."""
    weight = weights(sample_weight)
    same_length(scores=scores, labels=labels, groups=groups, sample_weight=weight)
    if weight is not None and not weight.sum() > 0:
        raise InputError("'sample_weight' must not be zero for all samples. Give at least one a weight.")
    return weight


def without_missing(values: Any, name: str) -> np.ndarray:
    """Return values as an array without missing entries."""
    array = to_numpy(values)
    if missing(array).any():
        raise InputError(f"'{name}' must not be missing. Remove these samples.")
    return array


def _listed(names: list[str], shown: int = 10) -> str:
    more = f", and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(f"'{name}'" for name in names[:shown]) + more


def checked_matrix(scores: Any, name: str = "scores", *, probability: bool = False) -> np.ndarray:
    """Return scores of several classes as a matrix of float64, finite; with `probability`, rows that sum to 1."""
    array = to_numpy(scores)
    try:
        values = np.array(array, dtype=float)
    except (TypeError, ValueError) as error:
        raise InputError(f"'{name}' must be numbers; got something else ({error}). Convert them first.") from error
    if values.ndim != 2 or values.shape[1] < 2 or not len(values):
        raise InputError(f"'{name}' must have a row per sample and a column per class; got shape {values.shape}.")
    if not np.isfinite(values).all():
        raise InputError(f"'{name}' must be finite; got NaN or infinity. Look at the model.")
    if probability:
        check_probabilities(values, name)
        off = np.abs(values.sum(axis=1) - 1)
        if off.max() > 1e-3:
            raise InputError(f"'{name}' must sum to 1 in each row; got a sum off by {off.max():.2g}.")
    return values


def check_probabilities(values: np.ndarray, name: str = "scores") -> None:
    """Refuse values that are no probabilities."""
    if values.min() < 0 or values.max() > 1:
        bad = values.min() if values.min() < 0 else values.max()
        raise InputError(
            f"'{name}' must be probabilities, from 0 to 1; got {bad:g}. For log-odds say scores='log_odds'."
        )
