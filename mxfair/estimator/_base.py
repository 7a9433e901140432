"""What GluonClassifier, GluonRegressor and the ensembles share: data in, a training, outputs out."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.utils.validation import check_is_fitted

from mxfair import training
from mxfair._compat import import_mxnet
from mxfair._inference import PredictGraph, forward, is_probability
from mxfair._validation import InputError, InputTypeError, generator, same_length, to_numpy, weights
from mxfair.estimator import _nets
from mxfair.estimator._job import Job, TrainingData, base_loss, make_job
from mxfair.estimator._plan import Plan
from mxfair.estimator._validation_rows import split, watch
from mxfair.groups import Groups

mx: Any = import_mxnet()

__all__ = ["GluonEstimator"]


class GluonEstimator(BaseEstimator):  # type: ignore[misc]  # scikit-learn is untyped
    """Base of the estimators; see `GluonClassifier` and `GluonRegressor`."""

    #: Classes that `load` knows, by name.
    _known: ClassVar[dict[str, type[GluonEstimator]]] = {}
    net: Any
    loss: Any
    mitigation: Any
    criterion: Any
    warm_start: bool
    early_stopping: bool
    validation_fraction: float
    n_iter_no_change: int
    tol: float
    ctx: Any
    random_state: Any
    n_features_in_: int
    feature_names_in_: np.ndarray
    _rng: np.random.Generator
    net_: Any
    history_: training.History

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

    # Training.

    def fit(self, X: Any, y: Any, groups: Any = None, sample_weight: Any = None) -> Any:
        """Train the net.

        Parameters
        ----------
        X : array or data frame of shape (n_samples, n_features), or (n_samples, ...) for a net of your own
            Numbers; float32 inside.
        y : array of shape (n_samples,)
            The target.
        groups : array of shape (n_samples,), column, columns or Groups, optional
            The group of each sample, for mitigations and validation figures that need it. With scikit-learn's metadata
            routing: ``set_fit_request(groups=True)``.
        sample_weight : array of float, shape (n_samples,), optional
            What each sample counts for in the loss; only ratios matter.

        Returns
        -------
        GluonEstimator
            Itself.

        Raises
        ------
        InputError, InputTypeError, ValueError
            If an argument or a parameter cannot be used; before anything is trained.
        FloatingPointError
            If training diverges.
        """
        rng = rng_of(self.random_state)
        plan = Plan(self.mitigation, self.criterion)
        warm = bool(self.warm_start) and hasattr(self, "net_")
        data = self._prepare(X, y, groups, sample_weight, plan, reset=not warm)
        self._train(data, plan, rng, warm=warm)
        return self

    def _train(self, data: TrainingData, plan: Plan, rng: np.random.Generator, *, warm: bool) -> None:
        rows, held = split(self, data, rng)
        trained = self._mitigated(data if rows is None else data.take(rows), plan, rng)
        job = self._job(trained, plan, rng, net=self.net_ if warm else None)
        if held is not None:
            watch(self, job, data.take(held), self._base)
        self._finish(job, job.run())

    def _job(self, data: TrainingData, plan: Plan, rng: np.random.Generator, *, net: Any = None) -> Job:
        """Return the training on data, of a new net or of one that goes on."""
        ctx = self._context()
        if net is None:
            net = _nets.make_net(self.net, int(np.prod(data.X.shape[1:])), self._n_outputs(data))
            _nets.initialize(net, rng, ctx)
        width = _nets.width_of(net, data.X, ctx)
        self._check_width(width, data)
        self._base = base_loss(self.loss, width, data.n_classes)
        return make_job(self, data, net, self._base, plan, rng)

    def _finish(self, job: Job, history: training.History) -> None:
        """Take over what was trained."""
        self.net_, self.loss_, self.history_, self.callbacks_ = job.net, job.loss, history, job.callbacks
        self.n_iter_ = len(history)
        self._trainer, self._graph = job.trainer, PredictGraph(job.net)

    def partial_fit(self, X: Any, y: Any, groups: Any = None, sample_weight: Any = None, classes: Any = None) -> Any:
        """Train for one more epoch on these samples, with the optimizer's state of the calls before.

        Parameters
        ----------
        X, y, groups, sample_weight
            As for `fit`. Preprocessing steps are fitted by the first call.
        classes : array of shape (n_classes,), optional
            All classes, for the first call of a classifier, where these samples may lack one.

        Returns
        -------
        GluonEstimator
            Itself.

        Raises
        ------
        InputError, InputTypeError, ValueError
            As for `fit`; or if a label is not among the classes.
        """
        rng = rng_of(self.random_state) if not hasattr(self, "_rng") else self._rng
        plan = Plan(self.mitigation, self.criterion)
        first = not hasattr(self, "net_")
        if first:
            self._declare(classes)
        data = self._prepare(X, y, groups, sample_weight, plan, reset=first)
        job = self._job(self._mitigated(data, plan, rng), plan, rng, net=None if first else self.net_)
        job.epochs = 1
        trainer = getattr(self, "_trainer", None)
        if not first and trainer is not None and type(job.loss) is type(self.loss_) and not job.loss.collect_params():
            job.trainer = trainer
        history = job.run()
        if not first:
            history.epochs[:0] = self.history_.epochs
        self._rng = rng
        self._finish(job, history)
        return self

    def _declare(self, classes: Any) -> None:
        """Take over the classes that `partial_fit` was given."""
        if classes is not None:
            raise InputError("'classes' must not be given: the target is a number. Leave it out.")

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
