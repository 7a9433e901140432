"""What BaggingClassifier and BaggingRegressor share: drawing, training, out-of-bag figures."""

from __future__ import annotations

import contextlib
import copy
import warnings
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from mxfair._compat import import_mxnet
from mxfair._inference import is_probability
from mxfair._validation import InputError
from mxfair.ensemble._bootstrap import Drawn, Strata, amount, check_members, draw_columns, draw_rows
from mxfair.ensemble._estimator import EnsembleEstimator, distinct
from mxfair.ensemble._out_of_bag import OutOfBag, check_some, of_others
from mxfair.ensemble._together import check_fused, run_jobs
from mxfair.ensemble.block import Ensemble
from mxfair.estimator._base import PastLoss, rng_of
from mxfair.estimator._job import Job, TrainingData
from mxfair.estimator._plan import Plan
from mxfair.estimator._validation_rows import split, watch
from mxfair.groups import Groups

if TYPE_CHECKING:
    import pandas as pd

mx: Any = import_mxnet()

__all__ = ["Bagging"]


class Bagging(EnsembleEstimator):
    """Base of the two; see `BaggingClassifier`."""

    n_estimators: int
    max_samples: Any
    max_features: Any
    bootstrap: bool
    bootstrap_features: bool
    stratify: Any
    oob_score: bool
    combine: str
    fused: Any
    warm_start: bool
    estimators_samples_: list[np.ndarray]
    estimators_features_: list[np.ndarray]

    def fit(self, X: Any, y: Any, groups: Any = None, sample_weight: Any = None) -> Any:
        """Draw each member's rows and columns, and train it on them.

        Parameters
        ----------
        X : array or data frame of shape (n_samples, n_features), or (n_samples, ...) for a net of your own
            Numbers; float32 inside.
        y : array of shape (n_samples,)
            The target.
        groups : array of shape (n_samples,), column, columns or Groups, optional
            The group of each sample: for mitigations, for stratified rows, and for `oob_report`. With scikit-learn's
            metadata routing: ``set_fit_request(groups=True)``.
        sample_weight : array of float, shape (n_samples,), optional
            What each sample counts for in a member's loss and in out-of-bag figures; rows are drawn without it.

        Returns
        -------
        BaggingClassifier or BaggingRegressor
            Itself.

        Raises
        ------
        InputError, InputTypeError, ValueError
            If an argument or a parameter cannot be used, or a member would be trained without a class, or without a
            (label, group) cell that a mitigation needs; before anything is trained.
        FloatingPointError
            If a member's training diverges.

        Warns
        -----
        UserWarning
            If some rows have no out-of-bag member, or ``warm_start`` has nothing to add.
        """
        self._template()  # its errors come first
        count = self._count(self.n_estimators)
        check_fused(self.fused)
        rng = rng_of(self.random_state)
        plan = Plan(self.mitigation, self.criterion)
        warm = bool(self.warm_start) and hasattr(self, "net_")
        if warm and self._grown(count):
            return self
        with contextlib.nullcontext() if warm else self._anew():
            data = self._prepare(X, y, groups, sample_weight, plan, reset=not warm)
            if not warm:
                self._entropy = rng.integers(2**32, size=4).tolist()
            self._grow(data, plan, count, warm=warm)
        return self

    def oob_report(self, groups: Any = None, **options: Any) -> pd.DataFrame:
        """Return figures by group and gaps of the out-of-bag predictions, with confidence intervals.

        Parameters
        ----------
        groups : array of shape (n_samples,), column, columns or Groups, optional
            The group of each training row. Default: those of `fit`.
        **options
            Keyword arguments of `mxfair.metric.confidence_intervals`: metrics, criteria, level, n_resamples, seed, ...
            Criteria are by default the template's `criterion`.

        Returns
        -------
        pandas.DataFrame
            As `mxfair.metric.confidence_intervals` returns it.

        Raises
        ------
        InputError
            If the estimator was fitted without ``oob_score=True``, or read from a file; if there are no groups.

        Notes
        -----
        The intervals cover which rows were drawn from the population, given the members: not what other seeds or other
        training rows would have made of them. A row is judged by about 37 % of the members, so that gaps and errors
        tend to be a little larger than those of the whole ensemble on new rows. Rows of which every member was trained
        are left out, see `n_oob_missing_`.
        """
        if not hasattr(self, "_oob"):
            raise InputError(
                "'oob_score' must be True in fit for this; got False, or a file, which keeps no rows. Fit again."
            )
        if "criteria" not in options and "metrics" not in options:
            options["criteria"] = self._oob_criteria()
        return self._oob.intervals(groups, {**self._oob_options(), **options})

    @property
    def nets_(self) -> tuple[Any, ...]:
        """The members."""
        if not isinstance(self.net_, Ensemble):
            raise AttributeError("nets_: a file keeps the ensemble as one graph, not the members")
        return self.net_.nets

    # What a subclass says.

    def _oob_criteria(self) -> Any:
        return None

    def _oob_options(self) -> dict[str, Any]:
        return {}

    def _take_oob(self, output: np.ndarray, rows: np.ndarray, data: TrainingData) -> tuple[np.ndarray, np.ndarray]:
        """Set the fitted attributes of the out-of-bag rows; return their labels and predictions."""
        raise NotImplementedError  # a subclass gives it

    # Training.

    def _grown(self, count: int) -> bool:
        """Tell whether a warm start has nothing to add."""
        if not isinstance(self.net_, Ensemble):
            raise InputError(
                "'warm_start' must be False for an estimator from a file, which is one graph; got True. Fit anew."
            )
        if self.oob_score:
            raise InputError("'oob_score' must be False with warm_start; got True. Fit all members at once for it.")
        there = len(self.nets_)
        if count < there:
            raise InputError(
                f"'n_estimators' must be at least the {there} members that warm_start keeps; got {count}. Fit anew for "
                "fewer."
            )
        if count == there:
            warnings.warn("n_estimators is as before: warm_start adds no member.", UserWarning, stacklevel=3)
        return count == there

    def _grow(self, data: TrainingData, plan: Plan, count: int, *, warm: bool) -> None:
        """Train the members that are not there yet."""
        template = self._template()
        first = len(self.nets_) if warm else 0
        sources = [np.random.default_rng([*self._entropy, number]) for number in range(first, count)]
        drawn = self._draw(template, data, sources)
        check_members(drawn, data, by_group=plan.needs_groups, classes=getattr(self, "classes_", None))
        used = self._used(drawn, len(data)) if self.oob_score else None
        rows = None if used is None else check_some(used)
        jobs = [self._planned(template, data, plan, *pair) for pair in zip(drawn, sources, range(first, count))]
        ensemble = self._assembled(jobs, drawn, data, warm=warm)
        histories = run_jobs(jobs, self.fused)
        samples, columns = [one.rows for one in drawn], [one.columns for one in drawn]
        past: list[Any] = self.histories_ if warm else []
        self.estimators_samples_ = [*(self.estimators_samples_ if warm else []), *samples]
        self.estimators_features_ = [*(self.estimators_features_ if warm else []), *columns]
        self._end(ensemble, PastLoss(probability=False), [*past, *histories])
        for name in [name for name in vars(self) if name.startswith(("_oob", "oob_", "n_oob_"))]:
            if name != "oob_score":  # of fewer members, where this is a warm start
                delattr(self, name)
        if used is not None and rows is not None:
            self._judge(data, used, rows, probability=ensemble.probability)

    def _draw(self, template: Any, data: TrainingData, sources: list[np.random.Generator]) -> list[Drawn]:
        """Return what each member sees; rows held out for early stopping are apart from what is drawn from."""
        strata, width = Strata(data, self.stratify), data.X.shape[1]
        n_columns = amount(self.max_features, width, "max_features")
        if data.X.ndim != 2 and (n_columns < width or self.bootstrap_features):
            raise InputError(
                f"'max_features' must be 1.0, with bootstrap_features=False, for data that are no table; got "
                f"{self.max_features!r}."
            )
        amount(self.max_samples, len(data), "max_samples")
        drawn = []
        for rng in sources:
            pool, held = split(template, data, rng)
            pool = np.arange(len(data)) if pool is None else pool
            size = amount(self.max_samples, len(pool), "max_samples")
            rows = draw_rows(pool, strata, size, rng, replace=bool(self.bootstrap))
            columns = draw_columns(width, n_columns, rng, replace=bool(self.bootstrap_features))
            drawn.append(Drawn(rows, columns, held))
        return drawn

    def _planned(
        self, template: Any, data: TrainingData, plan: Plan, drawn: Drawn, rng: np.random.Generator, number: int
    ) -> Job:
        """Return a member's training."""

        def seen(rows: np.ndarray) -> TrainingData:
            taken = data.take(rows)
            every = len(drawn.columns) == data.X.shape[1] and np.array_equal(
                drawn.columns, np.arange(len(drawn.columns))
            )
            return taken if every else replace(taken, X=np.ascontiguousarray(taken.X[:, drawn.columns]))

        trained = template._mitigated(seen(drawn.rows), plan, rng)
        job = self._member(template, trained, plan, rng, number)
        job.optimizer_params = copy.deepcopy(job.optimizer_params)  # a scheduler of the rate has a state
        if drawn.held is not None:
            watch(template, job, seen(drawn.held), template._base)
        return job

    def _assembled(self, jobs: list[Job], drawn: list[Drawn], data: TrainingData, *, warm: bool) -> Ensemble:
        """Return the ensemble of what is there and what is to be trained: what cannot be one says so now."""
        there, columns = ([], []) if not warm else (list(self.nets_), list(self.estimators_features_))
        taken = {name for net in there for name in net.collect_params()}
        for number, job in enumerate(jobs, start=len(there)):
            distinct(job.net, taken, f"member{number}_")
        columns += [one.columns for one in drawn]
        probability = is_probability(jobs[0].loss)
        if probability and self._combine() == "score":
            raise InputError(
                "'combine' must be 'probability' or 'vote' with a loss of probabilities; got 'score'. Leave it out."
            )
        ensemble = Ensemble(
            [*there, *(job.net for job in jobs)],
            combine=self._combine(),
            columns=None if all(_every(one, data) for one in columns) else columns,
            probability=probability,
        )
        ensemble(mx.nd.array(data.X[:1], dtype=data.X.dtype, ctx=self._context()))
        return ensemble

    def _combine(self) -> str:
        return self.combine

    # Out of bag.

    @staticmethod
    def _used(drawn: list[Drawn], n_samples: int) -> np.ndarray:
        used = np.zeros((len(drawn), n_samples), dtype=bool)
        for row, one in zip(used, drawn):
            row[one.rows] = True
            if one.held is not None:
                row[one.held] = True
        return used

    def _judge(self, data: TrainingData, used: np.ndarray, rows: np.ndarray, *, probability: bool) -> None:
        """Predict each row by the members that were not trained on it."""
        scores = self.net_.member_scores(data.X)[:, rows]
        output = of_others(scores, used[:, rows], self._combine(), probability=probability)
        labels, preds = self._take_oob(output, rows, data)
        groups: Groups | None = None if data.groups is None else data.groups.take(rows)
        weight = None if data.weight is None else data.weight[rows]
        self.n_oob_missing_ = len(data) - len(rows)
        self._oob = OutOfBag(rows, len(data), labels, preds, groups, weight)


def _every(columns: np.ndarray, data: TrainingData) -> bool:
    """Tell whether columns are all that there are, in order."""
    return np.array_equal(columns, np.arange(data.X.shape[1]))
