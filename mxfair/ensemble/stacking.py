"""Stacking: a net on top of estimators, trained on what they say of rows that they were not trained on."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.special import expit, softmax
from sklearn.base import clone
from sklearn.model_selection import StratifiedKFold

from mxfair._compat import import_mxnet
from mxfair._inference import forward
from mxfair._validation import InputError, InputTypeError, one_of, positive_integer, to_numpy
from mxfair.ensemble._combining import Combining, as_given, check_given
from mxfair.ensemble._score_block import check_steps
from mxfair.ensemble.block import StackedEnsemble
from mxfair.estimator import GluonClassifier, GluonRegressor
from mxfair.estimator._job import TrainingData
from mxfair.estimator._kinds import Classifying, Regressing

mx: Any = import_mxnet()

__all__ = ["StackingClassifier", "StackingRegressor"]


class _Stacking(Combining):
    """Training of both."""

    final_estimator: Any
    cv: Any
    features: str
    criterion = None
    _final_type: type[Any]

    def fit(self, X: Any, y: Any, groups: Any = None, sample_weight: Any = None) -> Any:
        """Train the members on the folds, the final estimator on their out-of-fold scores, and the members on all rows.

        Parameters
        ----------
        X : array or data frame of shape (n_samples, n_features)
        y : array of shape (n_samples,)
            The target.
        groups : array of shape (n_samples,), column, columns or Groups, optional
            The group of each sample, for mitigations of the members and of the final estimator; folds are stratified
            by it.
        sample_weight : array of float, shape (n_samples,), optional
            What each sample counts for in all losses.

        Returns
        -------
        GluonEstimator
            Itself.

        Raises
        ------
        InputError, InputTypeError, ValueError
            If an argument or a parameter cannot be used, or a fold would be without a class or a group; before
            anything is trained.
        """
        one_of(self.features, ("score", "probability"), "features")
        self._check_final(groups, sample_weight)
        with self._anew():
            data, members, rng = self._begin(X, y, groups, sample_weight)
            self._shape_of_outputs = (len(members), self._n_outputs(data))
            folds = [] if self.prefit else self._folds(X, data, rng)
            seeds = rng.integers(2**31 - 1, size=(len(members) + 1, len(folds) + 1)).tolist()
            given = as_given(X, y, data)
            if self.prefit:
                self.estimators_ = [one for _, one in members]
                scores = [self._scores(one, data.X, data) for one in self.estimators_]
            else:
                pairs = list(zip((one for _, one in members), seeds))
                scores = [self._out_of_fold(one, its, given, data, folds) for one, its in pairs]
                self.estimators_ = [self._trained(one, its[-1], *given, data=data) for one, its in pairs]
            table = self._read(np.stack(scores, axis=1)).reshape(len(data), -1)
            self._top = self._trained(self._final(data), seeds[-1][-1], table, given[1], data=data)
            blocks = [self._block(one, f"member{place}_", data) for place, one in enumerate(self.estimators_)]
            last = TrainingData(table, data.target, data.groups, data.weight, data.n_classes)
            meta = self._block(self._top, "meta_", last)
            self._end(StackedEnsemble(blocks, meta, features=self.features), data, self._top.history_)
        return self

    @property
    def final_estimator_(self) -> Any:
        """The estimator that was trained on the members' scores."""
        if not hasattr(self, "_top"):
            raise AttributeError("final_estimator_: not fitted, or read from a file, which is one graph")
        return self._top

    # The net on top.

    def _check_final(self, groups: Any, sample_weight: Any) -> None:
        given = self.final_estimator
        if given is None:
            return
        if not isinstance(given, self._final_type):
            raise InputTypeError(
                f"'final_estimator' must be a {self._final_type.__name__} or None; got {type(given).__name__}."
            )
        check_steps(given, "'final_estimator'")
        check_given(given, "'final_estimator'", groups, sample_weight)

    def _final(self, data: TrainingData) -> Any:
        """Return the estimator on top; that of ours begins as the mean of the members."""
        if self.final_estimator is not None:
            return clone(self.final_estimator)
        count, outputs = self._shape_of_outputs
        scale = {"score": 1.0, "probability": 4.0 if outputs == 1 else float(outputs)}[self.features]
        net = mx.gluon.nn.Dense(outputs, in_units=count * outputs)
        net.initialize(mx.init.Zero())
        net.weight.set_data(mx.nd.array(np.tile(np.eye(outputs), count) * (scale / count)))
        if self.features == "probability" and outputs == 1:
            net.bias.set_data(mx.nd.array([-scale / 2]))
        return self._final_type(net, learning_rate=0.01, epochs=50, ctx=self.ctx)

    # Scores.

    def _folds(self, X: Any, data: TrainingData, rng: np.random.Generator) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return the rows to train on and the others of each fold."""
        cv = self.cv
        if isinstance(cv, (int, np.integer)) and not isinstance(cv, bool):
            count = positive_integer(cv, "cv", minimum=2)
            if count > len(data):
                raise InputError(f"'cv' must be at most n_samples={len(data)}; got {count}. Take fewer folds.")
            splitter = StratifiedKFold(count, shuffle=True, random_state=int(rng.integers(2**31 - 1)))
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of small cells: what a fold must have is checked below
                folds = _split(splitter, data)
        elif hasattr(cv, "split") and hasattr(cv, "get_n_splits"):
            codes = None if data.groups is None else data.groups.codes
            folds = list(cv.split(X, data.target, codes))
        else:
            raise InputTypeError(f"'cv' must be a number of folds or a splitter of scikit-learn; got {cv!r}.")
        others = np.concatenate([held for _, held in folds])
        if len(others) != len(data) or len(np.unique(others)) != len(data):
            raise InputError("'cv' must hold out each row once. Pass a number of folds.")
        for place, (rows, held) in enumerate(folds):
            self._check_fold(f"the training rows of fold {place}", rows, data)
            self._check_fold(f"fold {place}", held, data)
        return folds

    def _check_fold(self, what: str, rows: np.ndarray, data: TrainingData) -> None:
        """Raise where rows lack a class or a group."""
        names: list[tuple[str, np.ndarray, Sequence[Any]]] = []
        if data.n_classes:
            names.append(("class", data.target.astype(int), self.classes_.tolist()))
        if data.groups is not None:
            names.append(("group", data.groups.codes, data.groups.names))
        for kind, codes, values in names:
            counts = np.bincount(codes, minlength=len(values))
            missing = np.flatnonzero((np.bincount(codes[rows], minlength=len(values)) == 0) & (counts > 0))
            if len(missing):
                value = values[missing[0]]
                raise InputError(
                    f"Each fold must hold each {kind}; {what} has none of the {counts[missing[0]]} rows of {kind} "
                    f"{value!r}. Take fewer folds, or merge small {'groups' if kind == 'group' else 'classes'}."
                )

    def _out_of_fold(
        self,
        one: Any,
        seeds: list[int],
        given: tuple[Any, np.ndarray],
        data: TrainingData,
        folds: list[tuple[np.ndarray, np.ndarray]],
    ) -> np.ndarray:
        """Return what a member says of each row, trained without it, shape (n_samples, n_outputs)."""
        table = np.empty((len(data), self._shape_of_outputs[1]), dtype=np.float32)
        for (rows, held), seed in zip(folds, seeds):
            table[held] = self._scores(self._trained(one, seed, *given, data=data, rows=rows), data.X[held], data)
        return table

    def _scores(self, fitted: Any, X: np.ndarray, data: TrainingData) -> np.ndarray:
        block = self._block(fitted, "fold_", data)
        return np.concatenate([to_numpy(part) for part in forward(block, np.ascontiguousarray(X))])

    def _read(self, scores: np.ndarray) -> np.ndarray:
        """Return what the net on top reads of scores of shape (n_samples, n_members, n_outputs)."""
        if self.features == "score":
            return scores
        read = expit(scores) if scores.shape[2] == 1 else softmax(scores, axis=2)
        return np.asarray(read, dtype=np.float32)


def _split(splitter: Any, data: TrainingData) -> list[tuple[np.ndarray, np.ndarray]]:
    try:
        return list(splitter.split(np.zeros(len(data)), data.cells))
    except ValueError as error:  # no cell has so many rows: what is missing is said by class and group
        counts = np.bincount(data.cells)
        raise InputError(
            f"'cv' must be at most the size of a (class, group) cell; the largest has {counts.max()} rows ({error}). "
            "Take fewer folds."
        ) from error


class StackingClassifier(Classifying, _Stacking):
    r"""A net on top of several classifiers, trained on what they say of rows that they were not trained on.

    .. math:: f(x) = h(s_1(x), \dots, s_K(x))

    Members are trained once for each fold, for the scores of the rows left out, and once more on all rows. The final
    estimator h is trained on the out-of-fold scores, and may carry a mitigation such as FairBatch or a gap penalty:
    then the mitigation decides how members are combined, and members need none.

    Parameters
    ----------
    estimators : list of (str, estimator)
        Classifiers of `mxfair.estimator` or `mxfair.ensemble`; see `VotingClassifier`.
    final_estimator : GluonClassifier, optional
        The net on top. Default: a linear one that begins as the mean of the members' scores.
    cv : int or splitter, default=5
        Number of folds, which are stratified by (label, group) cell; or a splitter of scikit-learn that holds out each
        row once.
    features : {"score", "probability"}, default="score"
        What the final estimator reads: log-odds (of more than two classes the outputs), or probabilities.
    prefit : bool, default=False
        Whether the estimators are fitted and to be used as they are. The final estimator is then trained on what they
        say of the rows of `fit`: pass such as no member was trained on.
    random_state : int, RandomState, Generator or None, default=None
        Seeds the folds, and members and the final estimator where they have no `random_state` of their own.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels, sorted.
    estimators_ : list
        The members, fitted to all rows; `named_estimators_` has them by name.
    final_estimator_ : GluonClassifier
        What was trained on the scores.
    net_ : StackedEnsemble
        All as one net, with copies of the parameters.
    history_ : History
        That of the final estimator.

    Notes
    -----
    Preprocessing steps of members and of the final estimator become blocks of the net; see `VotingClassifier`.

    References
    ----------
    Wolpert, "Stacked generalization", Neural Networks 5 (1992).

    Examples
    --------
    >>> import numpy as np
    >>> from mxfair.ensemble import StackingClassifier
    >>> from mxfair.estimator import GluonClassifier
    >>> rng = np.random.default_rng(0)
    >>> X, groups = rng.normal(size=(400, 4)), rng.integers(0, 2, 400)
    >>> y = (X[:, 0] + groups + rng.normal(size=400) > 0.5).astype(int)
    >>> members = [("line", GluonClassifier("logistic", epochs=5)), ("net", GluonClassifier((8,), epochs=5))]
    >>> top = GluonClassifier("logistic", learning_rate=0.02, mitigation="fairbatch")
    >>> model = StackingClassifier(members, top, cv=3, random_state=0).fit(X, y, groups)
    >>> model.predict_proba(X).shape
    (400, 2)
    """

    _kind = Classifying
    _final_type = GluonClassifier

    def __init__(
        self,
        estimators: Any,
        final_estimator: Any = None,
        *,
        cv: Any = 5,
        features: str = "score",
        prefit: bool = False,
        random_state: Any = None,
    ) -> None:
        self.estimators = estimators
        self.final_estimator = final_estimator
        self.cv = cv
        self.features = features
        self.prefit = prefit
        self.random_state = random_state


class StackingRegressor(Regressing, _Stacking):
    """A net on top of several regressors, trained on what they predict for rows that they were not trained on.

    Parameters
    ----------
    estimators : list of (str, estimator)
        Regressors of `mxfair.estimator` or `mxfair.ensemble`.
    final_estimator : GluonRegressor, optional
        The net on top. Default: a linear one that begins as the mean of the members' predictions.
    cv, prefit, random_state
        As for `StackingClassifier`; folds are stratified by group.

    Attributes
    ----------
    estimators_, final_estimator_, net_, history_
        As for `StackingClassifier`.

    References
    ----------
    Wolpert, "Stacked generalization", Neural Networks 5 (1992).

    Examples
    --------
    >>> import numpy as np
    >>> from mxfair.ensemble import StackingRegressor
    >>> from mxfair.estimator import GluonRegressor
    >>> X = np.random.default_rng(0).normal(size=(200, 3))
    >>> members = [("line", GluonRegressor("logistic")), ("net", GluonRegressor((8,)))]
    >>> StackingRegressor(members, cv=3, random_state=0).fit(X, X[:, 0]).predict(X).shape
    (200,)
    """

    _kind = Regressing
    _final_type = GluonRegressor
    features = "score"

    def __init__(
        self,
        estimators: Any,
        final_estimator: Any = None,
        *,
        cv: Any = 5,
        prefit: bool = False,
        random_state: Any = None,
    ) -> None:
        self.estimators = estimators
        self.final_estimator = final_estimator
        self.cv = cv
        self.prefit = prefit
        self.random_state = random_state
