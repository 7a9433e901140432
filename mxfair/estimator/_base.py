"""What GluonClassifier, GluonRegressor and the ensembles share: data in, a training, outputs out."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.utils.validation import check_is_fitted

from mxfair._compat import import_mxnet
from mxfair._inference import PredictGraph, forward, is_probability
from mxfair._validation import InputError, InputTypeError, generator, same_length, to_numpy, weights
from mxfair.estimator import _nets
from mxfair.estimator._job import TrainingData
from mxfair.estimator._plan import Plan
from mxfair.groups import Groups
from mxfair.training import History

mx: Any = import_mxnet()

__all__ = ["GluonEstimator"]


class GluonEstimator(BaseEstimator):  # type: ignore[misc]  # scikit-learn is untyped
    """Base of the estimators; see `GluonClassifier` and `GluonRegressor`."""

    #: Classes that `load` knows, by name.
    _known: ClassVar[dict[str, type[GluonEstimator]]] = {}
    net: Any
    mitigation: Any
    criterion: Any
    ctx: Any
    n_features_in_: int
    feature_names_in_: np.ndarray
    net_: Any
    history_: History

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if not cls.__name__.startswith("_"):
            GluonEstimator._known[cls.__name__] = cls

    # What a subclass says.

    def _target(self, y: Any, *, reset: bool) -> tuple[np.ndarray, int]:
        """Return the target as float32, and the number of classes (0 for regression)."""
        raise NotImplementedError  # a subclass gives it

    def _n_outputs(self, data: TrainingData) -> int:
        """Return how many outputs a net made by the estimator has."""
        raise NotImplementedError  # a subclass gives it

    def _check_width(self, width: int, data: TrainingData) -> None:
        """Raise where a net has another number of outputs than the target needs."""
        raise NotImplementedError  # a subclass gives it

    def _positive_code(self) -> int | None:
        """Return the number of the class that counts as positive, None where nothing says so."""
        return None

    # Data.

    def _prepare(
        self,
        X: Any,
        y: Any,
        groups: Any,
        sample_weight: Any,
        plan: Plan,
        *,
        reset: bool,
    ) -> TrainingData:
        """Check everything, and put X through the steps; with `reset` columns, classes and steps are learnt."""
        if plan.needs_groups and groups is None:
            raise InputError(f"'groups' must be given for mitigation={self.mitigation!r}. Pass fit(X, y, groups=...).")
        if y is None:
            raise InputError(f"{type(self).__name__} requires y to be passed, but the target y is None.")
        encoded = None if groups is None else groups if isinstance(groups, Groups) else Groups(groups)
        weight = weights(sample_weight)
        X, y = on_host(X), on_host(y)
        if not plan.steps:
            X, y = self._checked(X, y, reset=reset)
        target, n_classes = self._target(y, reset=reset and not hasattr(self, "_declared"))
        same_length(X=X, y=target, groups=encoded, sample_weight=weight)
        if plan.steps:
            X = self._through_steps(X, target, groups, plan, reset=reset)
        return TrainingData(X, target, encoded, weight, n_classes)

    def _mitigated(self, data: TrainingData, plan: Plan, rng: np.random.Generator) -> TrainingData:
        """Apply the mitigations that change labels, rows or weights."""
        from dataclasses import replace

        from mxfair.preprocessing import massage

        if plan.massaging is not None:
            positive = self._positive_code()
            done = massage(data.target, data.groups, features=data.X, ranker=plan.massaging.ranker, positive=positive)
            data = replace(data, target=done.labels.astype(np.float32))
        if plan.oversampler is not None:
            if data.weight is not None:
                raise InputError(
                    "'sample_weight' must not be given with CellSMOTE: new rows have none. Use reweighing."
                )
            step = clone(plan.oversampler)
            if step.seed is None:
                step.set_params(seed=rng)
            X, target, groups = step.fit_resample(data.X, data.target, data.groups)
            data = replace(data, X=X.astype(np.float32), target=target.astype(np.float32), groups=groups)
        if plan.reweighing is not None:
            self.reweighing_ = clone(plan.reweighing).fit(data.target, data.groups, sample_weight=data.weight)
            own = self.reweighing_.weights(data.target, data.groups)
            data = replace(data, weight=own if data.weight is None else own * data.weight)
        return data

    def _through_steps(self, X: Any, target: Any, groups: Any, plan: Plan, *, reset: bool) -> np.ndarray:
        """Fit the steps and return the features that come out; `target` None means that they are fitted."""
        if reset:
            self.n_features_in_ = np.shape(X)[1] if np.ndim(X) > 1 else 1
            if hasattr(self, "feature_names_in_"):
                del self.feature_names_in_
            if hasattr(X, "columns") and all(isinstance(name, str) for name in X.columns):
                self.feature_names_in_ = np.asarray(X.columns, dtype=object)
            self.steps_: list[Any] = [clone(step) for step in plan.steps]
        for step in self.steps_:
            if reset:
                given = {"groups": groups} if _takes_groups(step, "fit") else {}
                step.fit(X, target, **given)
            given = {"groups": groups} if _takes_groups(step, "transform") else {}
            X = step.transform(X, **given)
        matrix = np.ascontiguousarray(to_numpy(X), dtype=np.float32)
        if not np.isfinite(matrix).all():
            raise InputError("'X' must be finite after the preprocessing steps; got NaN or infinity. Impute first.")
        return matrix

    def _checked(self, X: Any, y: Any = None, *, reset: bool) -> Any:
        """Return X as float32, and y where it is given, checked as scikit-learn does."""
        options: dict[str, Any] = {
            "dtype": np.float32,
            "order": "C",
            "reset": reset,
            "allow_nd": not _nets.is_named(self.net),
        }
        if y is not None:
            options.update(y=y, multi_output=True)
        try:
            from sklearn.utils.validation import validate_data
        except ImportError:  # scikit-learn below 1.6
            return self._validate_data(X, **options)
        return validate_data(self, X, **options)

    def _features(self, X: Any, groups: Any) -> np.ndarray:
        check_is_fitted(self, "net_")
        if getattr(self, "steps_", None):
            return self._through_steps(on_host(X), None, groups, Plan(None, None), reset=False)
        return self._checked(on_host(X), reset=False)

    # Outputs.

    def _outputs(self, X: Any, groups: Any = None) -> np.ndarray:
        """Return the net's outputs, shape (n_samples, ...)."""
        X = self._features(X, groups)
        if getattr(self, "_graph", None) is None:
            self._graph = PredictGraph(self.net_)
        output = np.concatenate([to_numpy(part) for part in forward(self.net_, X, graph=self._graph)])
        if np.isnan(output).any():
            raise InputError("The net's outputs must be numbers; got NaN. Look for parameters that are not finite.")
        return output

    def _context(self) -> Any:
        """Return the device."""
        given = self.ctx
        if given is None:
            return mx.cpu()
        if isinstance(given, str) and given in ("cpu", "gpu"):
            return {"cpu": mx.cpu, "gpu": mx.gpu}[given]()
        if not isinstance(given, mx.Context):
            raise InputTypeError(f"'ctx' must be 'cpu', 'gpu' or an mxnet.Context such as mx.gpu(0); got {given!r}.")
        return given

    # Files and copies.

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the fitted estimator to one file: JSON and arrays in a NumPy archive, no pickle.

        Parameters
        ----------
        path : str or Path
            Name of the file, with the ending ``.npz`` by custom.

        Raises
        ------
        InputError
            If it is not fitted, or the net cannot be traced.

        Notes
        -----
        The net is stored as its graph, so that a net of your own is read back without its code, as a
        ``gluon.SymbolBlock``. Parameters that are objects or functions (a Block, a loss, callbacks) are not stored: the
        estimator that is read predicts as before and is trained on with ``warm_start`` after `set_params` gave them
        again.
        """
        from mxfair.estimator import _files

        check_is_fitted(self, "net_")
        _files.write(self, path)

    @classmethod
    def load(cls, path: str | os.PathLike[str], ctx: Any = None) -> Any:
        """Return the estimator that `save` wrote.

        Parameters
        ----------
        path : str or Path
        ctx : mxnet.Context, optional
            The device. Default: the CPU.

        Returns
        -------
        GluonEstimator
            Of the class that was saved.

        Raises
        ------
        InputError
            If the file is no such estimator, or one of another class.
        """
        from mxfair.estimator import _files

        estimator = _files.read(path, ctx)
        if not isinstance(estimator, cls):
            raise InputError(
                f"'path' must hold a {cls.__name__}; got a {type(estimator).__name__}. Load it with that class."
            )
        return estimator

    def __getstate__(self) -> dict[str, Any]:
        _drop_all(vars(self))
        state = dict(super().__getstate__())
        for name in ("_trainer", "_graph", "_base"):
            state.pop(name, None)
        if "net_" in state:  # what trained it holds engine handles
            state.update(loss_=PastLoss(is_probability(state["loss_"])), callbacks_=[])
        return state

    def __sklearn_clone__(self) -> Any:
        from sklearn.base import _clone_parametrized

        _drop_all(self.get_params(deep=False))
        return _clone_parametrized(self)


class PastLoss:
    """What is kept of the loss of an estimator that was copied or read: how to read the net's outputs."""

    def __init__(self, probability: bool) -> None:
        self._from_sigmoid = probability


def _drop_all(values: Mapping[str, Any]) -> None:
    """Drop the cached graphs of blocks among values."""
    for value in values.values():
        for one in value if isinstance(value, (list, tuple)) else [value]:
            _nets.drop_graphs(one)


def _takes_groups(step: Any, method: str) -> bool:
    """Tell whether a step's method is to be given groups: it takes them, and no column of X holds them."""
    import inspect

    return getattr(step, "sensitive", None) is None and "groups" in inspect.signature(getattr(step, method)).parameters


def on_host(values: Any) -> Any:
    """Return an NDArray as a NumPy array, all else as it is."""
    return values.asnumpy() if hasattr(values, "asnumpy") else values


def rng_of(random_state: Any) -> np.random.Generator:
    """Return a generator of the object's own; one of scikit-learn's is drawn from once."""
    if isinstance(random_state, np.random.RandomState):
        return np.random.default_rng(random_state.randint(2**31 - 1, size=4))
    return generator(random_state)


def names_of(values: Any) -> str:
    """Return the first values as text."""
    shown = ", ".join(map(str, list(values)[:10]))
    return f"{shown}, ..." if len(values) > 10 else shown
