"""What GluonClassifier, GluonRegressor and the ensembles share: data in, a training, outputs out."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.utils.validation import check_is_fitted

from mxfair._compat import import_mxnet
from mxfair._inference import PredictGraph, forward, is_probability
from mxfair._validation import InputError, InputTypeError, generator, same_length, to_numpy, weights
from mxfair.criterion import Criterion, criterion_named
from mxfair.estimator import _input, _nets
from mxfair.estimator._input import through_steps
from mxfair.estimator._job import TrainingData
from mxfair.estimator._plan import Plan
from mxfair.estimator._rows import mitigated
from mxfair.groups import Groups
from mxfair.training import History

mx: Any = import_mxnet()

__all__ = ["GluonEstimator"]

#: What `fit` leaves behind beside attributes that end with an underscore.
_OWN = ("_columns", "_rng", "_trainer", "_graph", "_base", "_steering", "_made_of", "_all_known", "_shape_in")
#: Rows in a piece of a small table, filled up with zeros: the engine computes the rest of a block in another order.
_BLOCK = 16


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

    def _code_of(self, label: Any) -> int | None:
        """Return the number of a class, None for a target that has none."""
        return None

    def _coded(self, criterion: Any) -> Criterion:
        """Return a criterion whose positive class, its own or else the estimator's, is a number as in the target."""
        chosen = criterion_named(criterion, losses=True)
        code = self._positive_code() if chosen.positive is None else self._code_of(chosen.positive)
        return chosen if code is None else chosen.with_positive(code)

    # Data.

    @contextlib.contextmanager
    def _anew(self) -> Iterator[None]:
        """Forget what was fitted; where fitting fails, nothing has changed."""
        own: dict[str, Any] = self.__dict__
        before = dict(own)
        for name in before:
            if name in _OWN or (name.endswith("_") and not name.startswith("_")):
                delattr(self, name)
        try:
            yield
        except BaseException:
            own.clear()
            own.update(before)
            raise

    def _prepare(
        self,
        X: Any,
        y: Any,
        groups: Any,
        sample_weight: Any,
        plan: Plan,
        *,
        reset: bool,
        known: bool | None = None,
    ) -> TrainingData:
        """Check everything, and put X through the steps; with `reset` columns, classes and steps are learnt.

        `known` says whether the classes are known already.
        """
        if plan.needs_groups and groups is None:
            raise InputError(f"'groups' must be given for mitigation={self.mitigation!r}. Pass fit(X, y, groups=...).")
        if y is None:
            raise InputError(f"{type(self).__name__} requires y to be passed, but the target y is None.")
        encoded = None if groups is None else groups if isinstance(groups, Groups) else Groups(groups)
        weight = weights(sample_weight)
        if weight is not None and not weight.sum() > 0:
            raise InputError("'sample_weight' must not be zero for all samples. Give at least one a weight.")
        X, y = on_host(X), on_host(y)
        if reset:
            for name in ("steps_", "reweighing_"):
                self.__dict__.pop(name, None)
        if plan.steps:
            self._check_steps(plan, reset=reset)
            X = _input.table(self, X, reset=reset)
        elif getattr(self, "steps_", None):
            raise InputError("'mitigation' must hold the steps of the first fit to go on from it. Or warm_start=False.")
        else:
            X, y = _input.checked(self, X, y, reset=reset)
        target, n_classes = self._target(y, reset=reset if known is None else not known)
        same_length(X=X, y=target, groups=encoded, sample_weight=weight)
        if plan.steps:
            X = through_steps(self, X, target, groups, weight, reset=reset)
        self._shape_in = list(X.shape[1:])
        return TrainingData(X, target, encoded, weight, n_classes)

    def _check_steps(self, plan: Plan, *, reset: bool) -> None:
        if reset:
            self.steps_: list[Any] = [clone(step) for step in plan.steps]
        elif list(map(type, getattr(self, "steps_", ()))) != list(map(type, plan.steps)):
            raise InputError("'mitigation' must hold the steps of the first fit to go on from it. Or warm_start=False.")

    def _mitigated(self, data: TrainingData, plan: Plan, rng: np.random.Generator) -> TrainingData:
        """Apply the mitigations that change labels, rows or weights."""
        return mitigated(self, data, plan, rng)

    def _features(self, X: Any, groups: Any) -> np.ndarray:
        check_is_fitted(self, "net_")
        if getattr(self, "steps_", None):
            return through_steps(self, _input.table(self, on_host(X), reset=False), None, groups, None, reset=False)
        features = _input.checked(self, on_host(X), reset=False)
        if groups is not None:  # nothing needs them, but a wrong column is a mistake
            same_length(X=features, groups=groups if isinstance(groups, Groups) else Groups(groups))
        return features

    # Outputs.

    def _outputs(self, X: Any, groups: Any = None) -> np.ndarray:
        """Return the net's outputs, shape (n_samples, ...)."""
        X = self._features(X, groups)
        if getattr(self, "_graph", None) is None:
            self._graph = PredictGraph(self.net_)
        rest = len(X) % _BLOCK if X.ndim == 2 and self._graph.refresh() and self._graph.rowwise else 0
        whole = X[: len(X) - rest]
        parts = [to_numpy(part) for part in forward(self.net_, whole, graph=self._graph)] if len(whole) else []
        if rest:
            block = np.zeros((_BLOCK, X.shape[1]), dtype=X.dtype)
            block[:rest] = X[len(whole) :]
            parts += [to_numpy(part)[:rest] for part in forward(self.net_, block, graph=self._graph)]
        output = parts[0] if len(parts) == 1 else np.concatenate(parts)
        if np.isnan(output.sum()) and np.isnan(output).any():
            raise InputError("The net's outputs must be numbers; got NaN. Look for parameters that are not finite.")
        return output

    def _context(self) -> Any:
        """Return the device."""
        given = self.ctx
        if given is None:
            return mx.cpu()
        if isinstance(given, str) and given in ("cpu", "gpu"):
            given = {"cpu": mx.cpu, "gpu": mx.gpu}[given]()
        if not isinstance(given, mx.Context):
            raise InputTypeError(f"'ctx' must be 'cpu', 'gpu' or an mxnet.Context such as mx.gpu(0); got {given!r}.")
        if given.device_type == "gpu" and given.device_id >= mx.context.num_gpus():
            raise InputError(f"'ctx' must be a device that is there; got {given}, of {mx.context.num_gpus()} GPUs.")
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
        ``gluon.SymbolBlock``. Parameters that are objects or functions (a Block, a loss, callbacks) are not stored, and
        `load` warns of them: the estimator that is read predicts as before and is trained on with ``warm_start`` after
        `set_params` gave them again. The optimizer's state and `callbacks_` are not stored.
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

        Warns
        -----
        UserWarning
            If parameters were not stored, since they are objects or functions: they have their defaults.
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
        for name in ("_trainer", "_graph", "_base", "_made_of"):
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
