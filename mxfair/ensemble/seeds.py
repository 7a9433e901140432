"""Seed ensembles: one net trained from several initial values, and what of its figures hangs on them."""

from __future__ import annotations

from typing import Any

import numpy as np

from mxfair._compat import import_mxnet
from mxfair._validation import InputError, one_of
from mxfair.ensemble._averaged import averaged
from mxfair.ensemble._estimator import EnsembleClassifying, EnsembleRegressing, distinct, renamed
from mxfair.ensemble._together import check_fused, run_jobs
from mxfair.ensemble.spread import SeedSpread, seed_spread
from mxfair.estimator import _nets
from mxfair.estimator._base import PastLoss, rng_of
from mxfair.estimator._job import Job, TrainingData
from mxfair.estimator._plan import Plan
from mxfair.estimator._validation_rows import split, watch

mx: Any = import_mxnet()

__all__ = ["SeedEnsembleClassifier", "SeedEnsembleRegressor"]

VARY = ("all", "initialization", "order")


class _SeedEnsemble:
    """Training of both."""

    estimator: Any
    n_estimators: int
    vary: str
    fused: Any
    random_state: Any

    def fit(self: Any, X: Any, y: Any, groups: Any = None, sample_weight: Any = None) -> Any:
        """Train the members.

        Parameters
        ----------
        X, y, groups, sample_weight
            As for `GluonClassifier.fit`.

        Returns
        -------
        GluonEstimator
            Itself.

        Raises
        ------
        InputError, InputTypeError, ValueError
            If an argument or a parameter cannot be used; before anything is trained.
        FloatingPointError
            If the training of a member diverges.
        """
        count, vary = self._count(self.n_estimators), one_of(self.vary, VARY, "vary")
        check_fused(self.fused)
        self._template()  # its errors come first
        with self._anew():
            rng = rng_of(self.random_state)
            plan = Plan(self.mitigation, self.criterion)
            data = self._prepare(X, y, groups, sample_weight, plan, reset=True)
            template = self._template()
            _check_initial(template.net, vary)
            self.seeds_ = rng.integers(2**31 - 1, size=(count, 2))  # of the initial values, and of all else
            if vary == "all":
                self.seeds_[:, 1] = self.seeds_[:, 0]
            else:
                self.seeds_[:, 1 if vary == "initialization" else 0] = rng.integers(2**31 - 1)
            jobs = [self._seeded(template, data, plan, number) for number in range(count)]
            taken: set[str] = set()
            for number, job in enumerate(jobs):
                distinct(job.net, taken, f"member{number}_")
            histories = run_jobs(jobs, self.fused)
            net = averaged([job.net for job in jobs], jobs[0].loss, classification=bool(data.n_classes))
            self._end(net, PastLoss(False), histories)
        return self

    def _seeded(self: Any, template: Any, data: TrainingData, plan: Plan, number: int) -> Job:
        """Return the training of one member: with equal seeds, that of the template with this random state."""
        first, other = self.seeds_[number].tolist()
        rng = rng_of(other)
        rows, held = split(template, data, rng)
        trained = self._mitigated(data if rows is None else data.take(rows), plan, rng)
        net = _nets.make_net(template.net, int(np.prod(data.X.shape[1:])), template._n_outputs(data))
        _nets.initialize(net, rng if first == other else rng_of(first), template._context())
        if isinstance(template.net, mx.gluon.Block):
            renamed(net, f"member{number}_")
        job = template._job(trained, plan, rng, net=net)
        if held is not None:
            watch(template, job, data.take(held), template._base)
        return job


def _check_initial(net: Any, vary: str) -> None:
    """Refuse a net whose members would all start alike."""
    if vary == "order" or not isinstance(net, mx.gluon.Block):
        return
    parameters = [p for p in net.collect_params().values() if p.grad_req != "null"]
    if parameters and all(parameter._data is not None for parameter in parameters):
        raise InputError(
            "'estimator' must have a net without values, so that members start from different ones; got one that is "
            "initialized. Pass a new net, or vary='order' for fine-tuning."
        )


class SeedEnsembleClassifier(_SeedEnsemble, EnsembleClassifying):
    r"""One net trained from several initial values, whose probabilities are averaged: a deep ensemble.

    .. math:: p(y \mid x) = \frac{1}{K} \sum_k p_{\theta_k}(y \mid x)

    The members differ in nothing but their random numbers. `seed_spread` tells what of accuracy and gap hangs on these.

    Parameters
    ----------
    estimator : GluonClassifier, optional
        What members are: net, training, mitigation. Default: ``GluonClassifier()``. Its `random_state` is not used.
    n_estimators : int, default=5
        Number of members.
    vary : {"all", "initialization", "order"}, default="all"
        What differs between members: all random numbers; the initial values only, with the same order of rows; or the
        order of rows (and all that is drawn beside the initial values) only.
    fused : "auto" or bool, default="auto"
        Train the members side by side (`mxfair.training.fit_together`), several times as fast and equal to rounding.
        "auto" does where there are no callbacks, early stopping or losses with nets of their own; True insists on one
        graph for all.
    random_state : int, RandomState, Generator or None, default=None
        Seeds the members.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels, sorted.
    net_ : Ensemble
        The ensemble as one net; ``net_.nets`` are the members.
    steps_ : list of Step
        The fitted preprocessing steps, where the template's mitigation holds some: `net_` expects what they return.
    seeds_ : ndarray of int, shape (n_estimators, 2)
        Seed of each member's initial values, and of all else. Where they are equal, as with ``vary="all"``, the member
        is ``estimator.set_params(random_state=seed).fit(...)``, to rounding.
    histories_ : list of History
        What happened in each epoch of each member.

    See Also
    --------
    SnapshotEnsembleClassifier : Members from a single training.

    Notes
    -----
    With early stopping each member holds out rows of its own. Dropout draws from MXNet's global state.

    References
    ----------
    Lakshminarayanan, Pritzel and Blundell, "Simple and Scalable Predictive Uncertainty Estimation using Deep
    Ensembles", NeurIPS 2017, section 2.4.

    Examples
    --------
    >>> import numpy as np
    >>> from mxfair.ensemble import SeedEnsembleClassifier
    >>> from mxfair.estimator import GluonClassifier
    >>> rng = np.random.default_rng(0)
    >>> X, groups = rng.normal(size=(600, 4)), rng.integers(0, 2, 600)
    >>> y = (X[:, 0] + 0.5 * groups + rng.normal(size=600) > 0.25).astype(int)
    >>> model = SeedEnsembleClassifier(GluonClassifier((8,), learning_rate=0.02), n_estimators=4, random_state=0)
    >>> spread = model.fit(X[:300], y[:300]).seed_spread(X[300:], y[300:], groups[300:], "demographic_parity")
    >>> spread.to_frame().columns.tolist()
    ['accuracy', 'gap', 'low', 'high', 'standard_error', 'largest']
    """

    def __init__(
        self,
        estimator: Any = None,
        *,
        n_estimators: int = 5,
        vary: str = "all",
        fused: Any = "auto",
        random_state: Any = None,
    ) -> None:
        self.estimator = estimator
        self.n_estimators = n_estimators
        self.vary = vary
        self.fused = fused
        self.random_state = random_state

    def seed_spread(self, X: Any, y: Any, groups: Any, criterion: Any = None, **options: Any) -> SeedSpread:
        """Return how far accuracy and gap differ between the members on held-out rows.

        Parameters
        ----------
        X : array or data frame of shape (n_samples, n_features)
        y : array of shape (n_samples,)
        groups : array of shape (n_samples,), column, columns or Groups
        criterion : str or Criterion, optional
            Default: the criterion of `estimator`.
        **options
            Of the function `mxfair.ensemble.seed_spread`.

        Returns
        -------
        SeedSpread
        """
        return seed_spread(self, X, y, groups, self.criterion if criterion is None else criterion, **options)


class SeedEnsembleRegressor(_SeedEnsemble, EnsembleRegressing):
    """One net trained from several initial values, whose predictions are averaged.

    Parameters
    ----------
    estimator : GluonRegressor, optional
        What members are. Default: ``GluonRegressor()``.
    n_estimators, vary, fused, random_state
        As for `SeedEnsembleClassifier`.

    Attributes
    ----------
    net_, steps_, seeds_, histories_
        As for `SeedEnsembleClassifier`.

    References
    ----------
    Lakshminarayanan, Pritzel and Blundell, "Simple and Scalable Predictive Uncertainty Estimation using Deep
    Ensembles", NeurIPS 2017.

    Examples
    --------
    >>> import numpy as np
    >>> from mxfair.ensemble import SeedEnsembleRegressor
    >>> X = np.random.default_rng(0).normal(size=(100, 3))
    >>> SeedEnsembleRegressor(n_estimators=3, random_state=0).fit(X, X[:, 0]).net_
    Ensemble(3 nets, combine='score', weights=[1, 1, 1])
    """

    def __init__(
        self,
        estimator: Any = None,
        *,
        n_estimators: int = 5,
        vary: str = "all",
        fused: Any = "auto",
        random_state: Any = None,
    ) -> None:
        self.estimator = estimator
        self.n_estimators = n_estimators
        self.vary = vary
        self.fused = fused
        self.random_state = random_state

    def seed_spread(
        self, X: Any, y: Any, groups: Any, criterion: Any = "mean_absolute_error", **options: Any
    ) -> SeedSpread:
        """Return how far score and gap differ between the members on held-out rows.

        Parameters
        ----------
        X : array or data frame of shape (n_samples, n_features)
        y : array of shape (n_samples,)
        groups : array of shape (n_samples,), column, columns or Groups
        criterion : str, default="mean_absolute_error"
            The mean whose difference between groups is the gap.
        **options
            Of the function `mxfair.ensemble.seed_spread`.

        Returns
        -------
        SeedSpread
        """
        return seed_spread(self, X, y, groups, criterion, **options)
