"""A model and a post-processor as one scikit-learn estimator: trained on some rows, post-processed on others."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, MetaEstimatorMixin, clone
from sklearn.metrics import accuracy_score, r2_score
from sklearn.utils import _safe_indexing
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from mxfair._validation import InputError, InputTypeError, labels_vector, numbers, plural, same_length, weights
from mxfair.groups import Groups
from mxfair.postprocessing import _model_scores as m
from mxfair.postprocessing._base import PostProcessor
from mxfair.postprocessing._held_out import Table, hold_out, rng_of
from mxfair.preprocessing._base import SensitiveStep

__all__ = ["PostProcessed"]


class _Sensitive(SensitiveStep):
    """Takes sensitive columns out of X."""

    def __init__(self, sensitive: Any) -> None:
        self.sensitive = sensitive


def _has_probabilities(self: PostProcessed) -> bool:
    post = getattr(self, "postprocessor_", self.postprocessor)
    if m.kind_of(self.estimator, post) == "regressor":
        return False
    return hasattr(post, "predict_proba") or self._method() == "predict_proba"


class PostProcessed(MetaEstimatorMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn is untyped
    """A classifier or regressor whose outputs a post-processor changes by group, fitted on rows held out for it.

    Parameters
    ----------
    estimator : estimator or gluon.Block
        Any classifier or regressor of scikit-learn's kind, `GluonClassifier` and `GluonRegressor` too; or a trained
        net. A net with a post-processor that decides is a classifier of labels 0, 1, ...; else a regressor.
    postprocessor : PostProcessor
        Copied, and fitted on the held-out rows.
    prefit : bool, default=False
        Whether the estimator is fitted already: it is kept as it is, and all rows given to `fit` are for the
        post-processor. A net is always one that is fitted.
    validation_fraction : float, default=0.3
        Share of each (label, group) cell that is held out; of each group for a regressor.
    cv : int or splitter, optional
        Instead of holding rows out: fit the post-processor on out-of-fold scores, and the estimator on all rows.
    predict_method : {"auto", "predict_proba", "decision_function", "predict"}, default="auto"
        What of the estimator is post-processed. By default the probability of the positive class, or the decision
        function where there is none; predictions of a regressor; or what the post-processor says.
    sensitive : list of str or int, optional
        Columns of X that hold the group, by name or place; the estimator does not see them. Without it, pass
        ``groups=`` to all methods.
    random_state : int, RandomState, Generator or None, default=None
        Seeds what is held out, and the draws of randomized decisions: with an int, each call draws the same numbers.

    Attributes
    ----------
    estimator_, postprocessor_
        As fitted.
    classes_ : ndarray of shape (n_classes,)
        Of a classifier.
    n_features_in_ : int
        Columns of X, sensitive ones included.

    Notes
    -----
    `fit` gives weights to the estimator, and groups where it is one of mxfair's; what else it should get goes by name,
    such as ``gluonclassifier__groups=`` for a step of a pipeline. With scikit-learn's metadata routing, groups are
    asked for by ``set_fit_request(groups=True)``, ``set_predict_request`` and ``set_score_request``. Scorers that call
    `predict` pass no groups: use `sensitive` with them.

    A copy by ``clone`` of one that is `prefit` keeps the fitted estimator (scikit-learn 1.3 or newer).

    Examples
    --------
    >>> import mxfair
    >>> from sklearn.linear_model import LogisticRegression
    >>> from mxfair.postprocessing import GroupThresholds, PostProcessed
    >>> data = mxfair.datasets.load_german_credit()
    >>> X, y, groups = data.data.select_dtypes("number"), data.target, data.groups["sex"]
    >>> thresholds = GroupThresholds("demographic_parity", max_gap=0.02)
    >>> model = PostProcessed(LogisticRegression(max_iter=5000), thresholds, random_state=0).fit(X, y, groups=groups)
    >>> bool(model.postprocessor_.gap_ <= 0.02), model.predict(X, groups=groups).shape
    (True, (1000,))
    """

    estimator_: Any
    postprocessor_: Any
    classes_: np.ndarray
    n_features_in_: int

    def __init__(
        self,
        estimator: Any,
        postprocessor: Any,
        *,
        prefit: bool = False,
        validation_fraction: float = 0.3,
        cv: Any = None,
        predict_method: str = "auto",
        sensitive: Any = None,
        random_state: Any = None,
    ) -> None:
        self.estimator = estimator
        self.postprocessor = postprocessor
        self.prefit = prefit
        self.validation_fraction = validation_fraction
        self.cv = cv
        self.predict_method = predict_method
        self.sensitive = sensitive
        self.random_state = random_state

    def fit(self, X: Any, y: Any, groups: Any = None, sample_weight: Any = None, **fit_params: Any) -> PostProcessed:
        """Fit the estimator, and the post-processor on rows that it was not fitted on.

        Parameters
        ----------
        X : array or data frame of shape (n_samples, n_features)
        y : array of shape (n_samples,)
            Labels, or numbers for a regressor.
        groups : array of shape (n_samples,), column, columns or Groups, optional
            Needed unless `sensitive` names columns of X. Rows of unknown group only train the estimator.
        sample_weight : array of shape (n_samples,), optional
            For the post-processor, and for the estimator, which must take it.
        **fit_params
            For the estimator's `fit`; those with one value per row are split as the rows are.

        Returns
        -------
        PostProcessed
            Itself.

        Raises
        ------
        InputError, InputTypeError
            If an option cannot be used, groups are not given, lengths differ, or the post-processor cannot be fitted.
        """
        kind, method = self._checked()
        features, groups = self._groups(X, groups, reset=True)
        encoded = groups if isinstance(groups, Groups) else Groups(groups)
        weight = weights(sample_weight)
        y = labels_vector(y, "y") if kind == "classifier" else numbers(y, "y")
        if kind == "regressor" and not np.isfinite(y).all():
            raise InputError("'y' must be finite; got NaN or infinity. Remove these rows.")
        same_length(X=_rows_of(features), y=y, groups=encoded, sample_weight=weight)
        known = np.asarray(encoded.known)[encoded.codes]
        if not known.any():
            raise InputError("'groups' must hold a known group; all are missing. Pass the sensitive attribute.")
        self._check_classes(y, kind)
        table = Table(features, y, encoded, weight, fit_params, kind)
        if self.prefit or m.is_net(self.estimator):
            held, raw = np.arange(len(y)), self._prefit_scores(method, features, encoded)
        elif self.cv is not None:
            held, raw = np.arange(len(y)), table.out_of_fold(self.estimator, method, self.cv, rng_of(self.random_state))
            self.estimator_ = table.trained(self.estimator, held)
        else:
            rows, held = hold_out(table.cells, known, self.validation_fraction, rng_of(self.random_state))
            self.estimator_ = table.trained(self.estimator, rows)
            raw = m.raw_scores(self.estimator_, method, _safe_indexing(features, held), encoded.take(held))
        self._learn_classes(features, y, kind)
        scores = m.read(raw, getattr(self, "classes_", None), self.postprocessor, method)
        extra = {} if weight is None else {"sample_weight": weight[held]}
        self.postprocessor_ = clone(self.postprocessor).fit(scores, y[held], encoded.take(held), **extra)
        return self

    def scores(self, X: Any, groups: Any = None) -> np.ndarray:
        """Return what the post-processor is given: the estimator's scores.

        Parameters
        ----------
        X : array or data frame of shape (n_samples, n_features)
        groups : array of shape (n_samples,), column, columns or Groups, optional
            For estimators that take groups; nothing else uses them here.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_classes)
        """
        check_is_fitted(self, "postprocessor_")
        features, groups = self._groups(X, groups, needed=False)
        return self._scores(features, groups)

    def predict(self, X: Any, groups: Any = None) -> np.ndarray:
        """Return the post-processed decisions or predictions.

        Parameters
        ----------
        X : array or data frame of shape (n_samples, n_features)
        groups : array of shape (n_samples,), column, columns or Groups, optional
            The group of each sample, needed unless `sensitive` names columns of X.

        Returns
        -------
        ndarray of shape (n_samples,)

        Raises
        ------
        InputError
            If it is not fitted, groups are not given, or a group was not fitted.
        """
        values, groups = self._both(X, groups)
        post = self.postprocessor_
        if hasattr(post, "predict"):
            return np.asarray(post.predict(values, groups, **self._seed(post.predict)))
        result = post.transform(values, groups)
        if not hasattr(self, "classes_"):
            return np.asarray(result)
        positive = result > (0.5 if self._method() == "predict_proba" else 0.0)
        place = m.positive_place(self.classes_, post)
        return np.asarray(self.classes_[np.where(positive, place, 1 - place)])

    @available_if(_has_probabilities)
    def predict_proba(self, X: Any, groups: Any = None) -> np.ndarray:
        """Return the probability of each class, or of each decision where the post-processor decides.

        Parameters
        ----------
        X, groups
            As for `predict`.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Where scores are only moved, they are limited to 0 to 1.
        """
        values, groups = self._both(X, groups)
        post = self.postprocessor_
        if hasattr(post, "predict_proba"):
            return np.asarray(post.predict_proba(values, groups, **self._seed(post.predict_proba)))
        positive = np.clip(post.transform(values, groups), 0, 1)
        pair = [1 - positive, positive] if m.positive_place(self.classes_, post) else [positive, 1 - positive]
        return np.stack(pair, axis=1)

    def score(self, X: Any, y: Any, sample_weight: Any = None, groups: Any = None) -> float:
        """Return the accuracy, or R squared of a regressor.

        Parameters
        ----------
        X : array or data frame of shape (n_samples, n_features)
        y : array of shape (n_samples,)
        sample_weight : array of shape (n_samples,), optional
        groups : array of shape (n_samples,), column, columns or Groups, optional
            As for `predict`.

        Returns
        -------
        float
        """
        measure = accuracy_score if hasattr(self, "classes_") else r2_score
        return float(measure(y, self.predict(X, groups), sample_weight=sample_weight))

    def as_block(self, *, group_net: Any = None, group_rule: str = "argmax", **options: Any) -> Any:
        """Return net and post-processor as one Gluon block; see `folded`.

        Parameters
        ----------
        group_net, group_rule
            As for `folded`.
        **options
            For the post-processor's `as_block`.

        Returns
        -------
        gluon.HybridBlock
            Of the net's input and group codes. The net is that of the estimator, not a copy.

        Raises
        ------
        InputError
            If it is not fitted, the estimator is no net, or a step before the net has no block.
        """
        check_is_fitted(self, "postprocessor_")
        from mxfair.postprocessing._folded_block import parts_of  # loads the engine
        from mxfair.postprocessing.folding import folded

        net, n_outputs, probability = parts_of(self.estimator_, getattr(self, "_n_outputs", None))
        scores = {"predict_proba": "probability", "decision_function": "log_odds"}.get(self._method(), "output")
        if scores == "output" and hasattr(self, "classes_"):
            scores = "log_odds"  # whose sign is the decision
        link: dict[str, Any] = {"scores": scores, "n_outputs": n_outputs, "probability": probability}
        return folded(net, self.postprocessor_, group_net=group_net, group_rule=group_rule, **link, **options)

    def _checked(self) -> tuple[str, str]:
        """Return the kind and the method after checking the options."""
        if not isinstance(self.postprocessor, PostProcessor):
            raise InputTypeError(f"'postprocessor' must be a PostProcessor; got {self.postprocessor!r}.")
        if not isinstance(self.prefit, (bool, np.bool_)):
            raise InputTypeError(f"'prefit' must be True or False; got {self.prefit!r}.")
        self.postprocessor._check_options()
        if self.cv is not None and (self.prefit or m.is_net(self.estimator)):
            raise InputError("'cv' must be None for an estimator that is fitted already; got both. Leave one out.")
        for name in ("classes_", "postprocessor_", "estimator_", "_n_outputs"):
            self.__dict__.pop(name, None)
        return m.kind_of(self.estimator, self.postprocessor), self._method()

    def _method(self) -> str:
        post = getattr(self, "postprocessor_", self.postprocessor)
        return m.method_of(self.estimator, self.predict_method, post, m.kind_of(self.estimator, post))

    def _groups(self, X: Any, groups: Any, *, reset: bool = False, needed: bool = True) -> tuple[Any, Any]:
        """Return X without its sensitive columns, and the groups."""
        X = X.asnumpy() if hasattr(X, "asnumpy") else X
        if reset:
            self.__dict__.pop("n_features_in_", None)
            if len(getattr(X, "shape", ())) == 2:
                self.n_features_in_ = int(X.shape[1])
        elif len(getattr(X, "shape", ())) == 2 and X.shape[1] != getattr(self, "n_features_in_", X.shape[1]):
            raise InputError(f"'X' must have {plural(self.n_features_in_, 'column')}, as fitted; got {X.shape[1]}.")
        features, found = _Sensitive(self.sensitive)._parts(X, groups)
        if found is None and needed:
            raise InputError("'groups' must be given; got None. Pass groups=, or name columns of X: sensitive=[...].")
        return features, found

    def _both(self, X: Any, groups: Any) -> tuple[np.ndarray, Any]:
        check_is_fitted(self, "postprocessor_")
        features, groups = self._groups(X, groups)
        groups = groups if isinstance(groups, Groups) else Groups(groups)
        self.postprocessor_.group_codes(groups)  # a group that was not fitted is found before the model is run
        return self._scores(features, groups), groups

    def _scores(self, features: Any, groups: Any) -> np.ndarray:
        method = self._method()
        raw = m.raw_scores(self.estimator_, method, features, groups)
        return m.read(raw, getattr(self, "classes_", None), self.postprocessor_, method)

    def _seed(self, method: Any) -> dict[str, Any]:
        return {"random_state": rng_of(self.random_state)} if m.takes(method, "random_state") else {}

    def _check_classes(self, y: np.ndarray, kind: str) -> None:
        """Refuse classes that the estimator or the post-processor cannot take, before anything is trained."""
        if kind == "regressor" or m.is_net(self.estimator):
            return
        found = np.unique(y)
        if self.prefit:
            check_is_fitted(self.estimator)
            classes = np.asarray(getattr(self.estimator, "classes_", found))
            if not np.isin(found, classes).all():
                raise InputError(
                    f"'y' must hold classes that the estimator was fitted with, {classes.tolist()[:10]}; got "
                    f"{found[~np.isin(found, classes)][0]!r}. Code the labels as they were."
                )
            found = classes
        m.check_classes(found, self.postprocessor)

    def _learn_classes(self, features: Any, y: np.ndarray, kind: str) -> None:
        if m.is_net(self.estimator):
            self._n_outputs = m.net_outputs(self.estimator, features[:2]).shape[1]
        if kind == "classifier":
            found = np.unique(y)
            if m.is_net(self.estimator):
                count = max(self._n_outputs, 2)
                if not np.isin(found, np.arange(count)).all():
                    raise InputError(f"'y' must hold the numbers of the classes, 0 to {count - 1}, for a net.")
                found = np.arange(count)
            self.classes_ = np.asarray(getattr(self.estimator_, "classes_", found))

    def _prefit_scores(self, method: str, features: Any, groups: Groups) -> np.ndarray:
        if not m.is_net(self.estimator):
            check_is_fitted(self.estimator)
        self.estimator_ = self.estimator
        return m.raw_scores(self.estimator_, method, features, groups)

    @property
    def _estimator_type(self) -> str:  # scikit-learn below 1.6
        return m.kind_of(self.estimator, self.postprocessor)

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import get_tags

        tags = super().__sklearn_tags__()
        kind = m.kind_of(self.estimator, self.postprocessor)
        tags.estimator_type = kind
        tags.target_tags.required = True
        if not m.is_net(self.estimator):
            inner = get_tags(self.estimator)
            tags.classifier_tags, tags.regressor_tags = inner.classifier_tags, inner.regressor_tags
            tags.input_tags = inner.input_tags
        return tags

    def __sklearn_clone__(self) -> Any:
        from sklearn.base import _clone_parametrized

        if not self.prefit and not m.is_net(self.estimator):
            return _clone_parametrized(self)
        shell = copy.copy(self)
        shell.estimator = None
        twin = _clone_parametrized(shell)
        twin.estimator = self.estimator
        return twin

    def __getstate__(self) -> dict[str, Any]:
        for value in (self.estimator, getattr(self, "estimator_", None)):
            if m.is_net(value):
                from mxfair.estimator._nets import drop_graphs

                drop_graphs(value)
        return dict(super().__getstate__())


def _rows_of(X: Any) -> Any:
    return range(X.shape[0]) if hasattr(X, "shape") else X
