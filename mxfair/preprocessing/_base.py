"""What all preprocessing steps have in common: scikit-learn's protocol, Gluon's, and files without pickles."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

from mxfair._validation import InputError, InputTypeError, to_numpy
from mxfair.groups import Groups
from mxfair.preprocessing import _state
from mxfair.preprocessing._matrix import dense_array, feature_names, numeric_matrix

__all__ = ["Step", "load_step"]


#: What `Groups` joins the names of crossed attributes with.
_CROSSED = " x "


class Step(TransformerMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn is untyped
    """Base of the steps: a scikit-learn transformer that is a Gluon transform too, and is stored without pickles.

    A step is fitted on the training rows only, works in scikit-learn's pipelines, takes data frames and arrays
    (``set_output(transform="pandas")`` gives frames), and ends as a Gluon block.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> from mxfair.preprocessing import StandardScaler, load_step
    >>> step = StandardScaler().fit([[1.0], [3.0]])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     step.save(pathlib.Path(folder) / "scaler.npz")
    ...     again = load_step(pathlib.Path(folder) / "scaler.npz")
    >>> again.transform([[5.0]]).tolist()
    [[3.0]]
    >>> import mxnet as mx
    >>> step.as_block()(mx.nd.array([[5.0]])).asnumpy().tolist()
    [[3.0]]
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if cls.__module__.startswith("mxfair.") and not cls.__name__.startswith("_"):
            _state.STEPS[cls.__name__] = cls

    def as_block(self) -> Any:
        """Return the fitted step as a Gluon block of a float32 matrix, for ``dataset.transform_first`` or inside a net.

        Returns
        -------
        gluon.HybridBlock

        Raises
        ------
        InputError
            If the step is not fitted.
        InputTypeError
            If the step is no function of numbers.
        """
        self._check_fitted()
        formula, constants = self._formula()
        from mxfair.preprocessing._blocks import StepBlock  # loads the engine

        return StepBlock(formula, constants, getattr(self, "n_features_in_", None))

    def _formula(self) -> tuple[Callable[..., Any], Mapping[str, np.ndarray]]:
        """Return ``formula(F, x, **constants)`` and what was fitted, each constant with a first axis of length 1."""
        raise InputTypeError(f"{type(self).__name__} must be applied before training: it has no block. Use transform.")

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the fitted step to one file: JSON and arrays in a NumPy archive, no pickle.

        Parameters
        ----------
        path : str or Path
            Name of the file, with the ending ``.npz`` by custom.

        Raises
        ------
        InputError
            If the step is not fitted.
        """
        self._check_fitted()
        _state.write(self, path)

    def _fitted(self) -> dict[str, Any]:
        """Return what was fitted, by attribute: what ends with an underscore."""
        return {name: value for name, value in vars(self).items() if name.endswith("_") and not name.startswith("_")}

    def _set_fitted(self, fitted: dict[str, Any]) -> None:
        """Take what `_fitted` returned."""
        for name, value in fitted.items():
            if name.startswith("_") or not name.endswith("_"):
                raise ValueError(f"{name!r} is nothing that is fitted")
            setattr(self, name, value)

    def _take_layout(self, pooled: Any) -> None:
        """Take from the step of all rows what decides on the columns that come out; `ByGroup` calls it."""

    def __sklearn_is_fitted__(self) -> bool:
        return bool(self._fitted().keys() - {"n_features_in_", "feature_names_in_"})

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = False
        return tags

    def _check_fitted(self) -> None:
        if not self.__sklearn_is_fitted__():
            raise InputError(f"{type(self).__name__} must be fitted first. Call fit with the training rows.")

    def _matrix(self, X: Any, *, reset: bool = False, missing: bool = False, keep_float32: bool = False) -> np.ndarray:
        """Return the features as a float64 matrix; with `reset` their names and number are learnt, else checked.

        The matrix may share memory with X: write to a new one. With `keep_float32`, float32 stays float32.
        """
        if not reset:
            self._check_fitted()
        names = feature_names(X)
        array = numeric_matrix(X, missing=missing, keep_float32=keep_float32)
        if reset:
            self._learn_features(array.shape[1], names)
        else:
            self._check_features(array.shape[1], names)
        return array

    def _learn_features(self, count: int, names: np.ndarray | None) -> None:
        if not count:
            raise InputError("'X' must have at least one feature; got none.")
        self.n_features_in_ = count
        if names is not None:
            self.feature_names_in_ = names
        elif hasattr(self, "feature_names_in_"):
            del self.feature_names_in_

    def _check_features(self, count: int, names: np.ndarray | None) -> None:
        known = getattr(self, "feature_names_in_", None)
        if count != self.n_features_in_:
            raise InputError(
                f"'X' must have {self.n_features_in_} features, as when it was fitted; got {count}. Give the same "
                "columns."
            )
        if names is not None and known is not None and list(names) != list(known):
            raise InputError(
                f"'X' must have the columns {', '.join(map(str, known[:30]))} in this order, as fitted; got "
                f"{', '.join(map(str, names[:30]))}. Select them: frame[step.feature_names_in_]."
            )

    def _names_in(self, input_features: Any = None) -> np.ndarray:
        """Return the names of the features that went in: x0, x1, ... where an array was fitted."""
        self._check_fitted()
        own = getattr(self, "feature_names_in_", None)
        if input_features is not None:
            given = np.asarray(input_features, dtype=object)
            if len(given) != self.n_features_in_ or (own is not None and list(given) != list(own)):
                raise InputError(
                    f"'input_features' must name the {self.n_features_in_} fitted features; got {list(given)[:30]}."
                )
            return given
        return own if own is not None else np.array([f"x{i}" for i in range(self.n_features_in_)], dtype=object)


def load_step(path: str | os.PathLike[str]) -> Any:
    """Return the fitted step that `Step.save` wrote.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    Step

    Raises
    ------
    InputError
        If the file is no such step.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> from mxfair.preprocessing import MinMaxScaler
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     MinMaxScaler().fit([[1.0], [3.0]]).save(pathlib.Path(folder) / "step.npz")
    ...     load_step(pathlib.Path(folder) / "step.npz").transform([[2.0]]).tolist()
    [[0.5]]
    """
    return _state.read(path)


class SensitiveStep(Step):
    """Base of the steps that know the sensitive attribute: columns of X, or an argument of `fit` and `transform`.

    Parameters
    ----------
    sensitive : list of str or int, optional
        The sensitive columns of X, by name or place; they leave the output. Without it, pass ``groups=`` to `fit` and,
        where the step says so, to `transform`.
    """

    sensitive: Any

    def _places(self, X: Any) -> list[int]:
        """Return the places of the sensitive columns among those of X."""
        given = self.sensitive
        if given is None:
            return []
        given = [given] if isinstance(given, (str, int, np.integer)) else list(given)
        names = feature_names(X)
        width = _width(X)
        places = []
        for item in given:
            if isinstance(item, str):
                if names is None or item not in names:
                    got = "an array" if names is None else ", ".join(map(str, names[:30]))
                    raise InputError(f"'sensitive' must name columns of X; got {item!r} for {got}. Give its place.")
                places.append(list(names).index(item))
            elif isinstance(item, (int, np.integer)) and not isinstance(item, bool) and 0 <= item < width:
                places.append(int(item))
            else:
                raise InputError(f"'sensitive' must hold names or places below {width}; got {item!r}.")
        if len(set(places)) < len(places) or not places:
            raise InputError(f"'sensitive' must name each column once, and at least one; got {given}.")
        if len(places) >= width:
            raise InputError(f"'sensitive' must leave a feature in X; got all {width} columns: {given}.")
        return places

    def _parts(self, X: Any, groups: Any) -> tuple[Any, Any]:
        """Return X without its sensitive columns, and the sensitive values (None where there are none)."""
        places = self._places(X)
        if not places:
            return X, groups
        if groups is not None:
            raise InputError("'groups' must not be given where 'sensitive' names columns of X. Give one of them.")
        if hasattr(X, "iloc"):
            kept = [i for i in range(X.shape[1]) if i not in places]
            return X.iloc[:, kept], X.iloc[:, places]
        array = dense_array(X)
        kept = [i for i in range(array.shape[1]) if i not in places]
        return array[:, kept], array[:, places]

    def _need(self, groups: Any, n: int) -> Any:
        """Return the groups, or say how to give them."""
        if groups is None:
            raise InputError(
                f"{type(self).__name__} must know the sensitive attribute; got none. Pass groups= by name (the second "
                "argument of fit is y), or name its columns of X: sensitive=[...]."
            )
        return groups


class _GroupedStep(SensitiveStep):
    """A sensitive step whose `transform` takes the groups too."""

    def fit_transform(self, X: Any, y: Any = None, groups: Any = None) -> np.ndarray:
        """Fit and return the transformed training rows.

        Parameters
        ----------
        X : array or data frame of shape (n_samples, n_features)
        y : ignored
        groups : array of shape (n_samples,), column, columns or Groups, optional

        Returns
        -------
        ndarray of shape (n_samples, n_features_out)
        """
        return self.fit(X, y, groups).transform(X, groups)


class _CodedStep(_GroupedStep):
    """A step that numbers the groups that it was fitted with, for its block."""

    attributes_: str
    group_names_: Sequence[str]

    def group_codes(self, groups: Any) -> np.ndarray:
        """Return what the block takes beside the features: each sample's place in `group_names_`, -1 for all others.

        Parameters
        ----------
        groups : array of shape (n_samples,), column, columns or Groups

        Returns
        -------
        ndarray of int64, shape (n_samples,)
        """
        self._check_fitted()
        encoded = groups if isinstance(groups, Groups) else Groups(groups)
        check_attributes(encoded.name, self.attributes_)
        return known_codes(encoded, self.group_names_)


def _width(X: Any) -> int:
    """Return the number of columns of a data frame or array."""
    shape = X.shape if hasattr(X, "shape") else to_numpy(X).shape
    if len(shape) != 2:
        raise InputError(f"'X' must have shape (n_samples, n_features); got {shape}. Use X.reshape(-1, 1).")
    return int(shape[1])


def check_attributes(given: str, fitted: str) -> None:
    """Refuse attributes in another order than fitted: "0 & 1" would be another group.

    Both are names of `Groups`, several attributes joined; other names are no error, an array has none.
    """
    if given != fitted and sorted(given.split(_CROSSED)) == sorted(fitted.split(_CROSSED)):
        raise InputError(
            f"The sensitive attributes must be in the order {fitted}, as fitted; got {given}. Give them in that order."
        )


def known_codes(groups: Any, names: Sequence[str]) -> np.ndarray:
    """Return each sample's place among the fitted groups' names, -1 where its group is unknown or was not fitted."""
    encoded = groups if isinstance(groups, Groups) else Groups(groups)
    places = {name: place for place, name in enumerate(names)}
    table = [places.get(name, -1) if known else -1 for name, known in zip(encoded.names, encoded.known)]
    return np.array(table, dtype=np.int64)[encoded.codes]
