"""Learned fair representations: memberships in prototypes that keep features and label, and lose the group."""

from __future__ import annotations

from typing import Any

import numpy as np

from mxfair._validation import InputError, InputTypeError, generator, one_of, plural, positive_integer, same_length
from mxfair.groups import Groups
from mxfair.preprocessing._base import SensitiveStep
from mxfair.preprocessing._labels import classes_of
from mxfair.preprocessing._matrix import feature_names, numeric_matrix
from mxfair.preprocessing._prototypes import batches, memberships, reconstruction, softmax, start

__all__ = ["FairRepresentation"]


class FairRepresentation(SensitiveStep):
    r"""Replace features by soft memberships in prototypes from which the group can hardly be told.

    .. math:: M_{nk} = \mathrm{softmax}_k \Big( -\sum_i \alpha_i (x_{ni} - v_{ki})^2 \Big), \qquad
        \min_{v, \alpha, w} \; A_x L_x + A_y L_y + A_z L_z

    L_x is the squared error of the reconstruction :math:`\sum_k M_{nk} v_k`, L_y the cross-entropy of the prediction
    :math:`\sum_k M_{nk} w_k`, and L_z the distance of the groups' mean memberships, :math:`\sum_k |\bar M_k^a -
    \bar M_k^b|`, in the mean over pairs of groups.

    Parameters
    ----------
    n_prototypes : int, default=10
        Number of prototypes, and of features that come out as memberships.
    a_x, a_y, a_z : float, default=0.01, 1.0 and 0.2
        Weights of reconstruction, prediction and gap. Try several of a_z, and choose on held-out rows: with ten
        prototypes .1 to .5 went from a small gap to none on Adult, beyond 1 little of the label was left.
    sensitive : list of str or int, optional
        The sensitive columns of X, by name or place; the representation does not see them. Without it, pass
        ``groups=`` to `fit`. `transform` needs no group.
    output : {"memberships", "reconstruction"}, default="memberships"
        What comes out: the memberships, or the reconstructed features in their own units.
    epochs : int, default=50
        Passes over the rows; 0 only places the prototypes, for a loop of your own.
    batch_size : int, default=512
        Rows of a batch. The gap of a small batch is mostly noise: keep tens of rows of each group.
    learning_rate : float, default=0.01
        Step size of Adam.
    seed : int, Generator or None, default=None
        Where prototypes start and batches come from.
    ctx : mxnet.Context or str, optional
        The device, ``"gpu(0)"`` say, for training. Default: the current one.

    Attributes
    ----------
    prototypes_ : ndarray of shape (n_prototypes, n_features)
        The prototypes, in the units of X.
    feature_weights_ : ndarray of shape (n_features,)
        The alpha of the standardised features.
    classes_ : ndarray
        The labels.
    prototype_labels_ : ndarray of shape (n_prototypes, n_classes)
        The w: probabilities of the labels of each prototype.
    group_names_ : list of str
        The fitted groups, in the order of the loss's group places.
    losses_ : ndarray of shape (epochs + 1, 3)
        L_x, L_y and L_z over all rows before training and after each epoch.

    Notes
    -----
    Features are standardised inside, and L_x is the mean over features, so that a_x means the same for any number of
    them (in the paper it is the sum). L_z bounds the gap of the mean prediction, not that of decisions, and only what a
    function linear in the memberships can tell: measure the group's predictability from what comes out, as
    `proxy_report` does. Samples of unknown group count for L_x and L_y only.

    `as_block` is the fixed step for a data set or in front of a net; `net` has parameters that can be trained further,
    inside a larger net too, and takes x without its sensitive columns.

    References
    ----------
    Zemel, Wu, Swersky, Pitassi and Dwork, "Learning fair representations", ICML 2013, equations 2 to 10.

    Examples
    --------
    >>> import numpy as np
    >>> from mxfair.preprocessing import FairRepresentation
    >>> rng = np.random.default_rng(0)
    >>> group = rng.integers(0, 2, 400)
    >>> X = rng.normal(0, 1, (400, 3)) + [[0, 0, 2]] * group[:, None]
    >>> label = (X[:, 0] > 0).astype(int)
    >>> step = FairRepresentation(5, epochs=20, seed=0).fit(X, label, groups=group)
    >>> step.transform(X).shape
    (400, 5)
    >>> bool(step.losses_[-1, 2] < step.losses_[0, 2])  # the groups' memberships came nearer
    True

    In a loop of your own, and back:

    >>> from mxnet import autograd, gluon, nd
    >>> step = FairRepresentation(5, epochs=0, seed=0).fit(X, label, groups=group)
    >>> net, loss = step.net(), step.loss()
    >>> trainer = gluon.Trainer(net.collect_params(), "adam")
    >>> with autograd.record():
    ...     l = loss(net(nd.array(X)), nd.array(label), nd.array(group))
    >>> l.backward()
    >>> trainer.step(len(X))
    >>> step.take(net).transform(X).shape
    (400, 5)
    """

    def __init__(
        self,
        n_prototypes: int = 10,
        a_x: float = 0.01,
        a_y: float = 1.0,
        a_z: float = 0.2,
        sensitive: Any = None,
        output: str = "memberships",
        epochs: int = 50,
        batch_size: int = 512,
        learning_rate: float = 0.01,
        seed: Any = None,
        ctx: Any = None,
    ) -> None:
        self.n_prototypes = n_prototypes
        self.a_x = a_x
        self.a_y = a_y
        self.a_z = a_z
        self.sensitive = sensitive
        self.output = output
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.seed = seed
        self.ctx = ctx

    def fit(self, X: Any, y: Any = None, groups: Any = None) -> FairRepresentation:
        """Place the prototypes at training rows and train them.

        Parameters
        ----------
        X : array or data frame of shape (n_samples, n_features)
            Training rows only.
        y : array of shape (n_samples,)
            Labels, two classes or more.
        groups : array, data frame, mapping or Groups, optional
            The group of each sample, where `sensitive` names no columns of X.

        Returns
        -------
        FairRepresentation
            Itself.

        Raises
        ------
        InputError
            If an option is out of range, there are not two classes and two known groups, a value is missing, or a loss
            does not stay finite.
        """
        rng, epochs = self._options()
        places = self._places(X)
        rest, values = self._parts(X, groups)
        matrix = numeric_matrix(rest)
        if y is None:
            raise InputError("'y' must hold the labels; got none. The representation is learned to predict them.")
        classes, labels = classes_of(y)
        given = Groups(self._need(values, len(matrix)))
        same_length(X=matrix, y=labels, groups=given)
        there = np.flatnonzero(given.known & (given.counts > 0))
        if len(there) < 2 or len(classes) < 2:
            raise InputError(
                f"'y' and 'groups' must hold two classes and two known groups; got {len(classes)} and {len(there)}."
            )
        self._learn_features(matrix.shape[1] + len(places), feature_names(X))
        self.places_, self.classes_ = places, classes
        self.group_names_ = [given.names[place] for place in there]
        table = np.full(given.n_groups, -1, dtype=np.int64)
        table[there] = np.arange(len(there))
        self._set(start(matrix, len(classes), positive_integer(self.n_prototypes, "n_prototypes"), rng))
        self._train(matrix, labels, table[given.codes], epochs, rng)
        return self

    def _options(self) -> tuple[np.random.Generator, int]:
        one_of(self.output, ("memberships", "reconstruction"), "output")
        positive_integer(self.batch_size, "batch_size", minimum=2)
        for name in ("a_x", "a_y", "a_z", "learning_rate"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, float, np.number)):
                raise InputTypeError(f"'{name}' must be a number; got {value!r}.")
            if not (np.isfinite(value) and value >= 0):
                raise InputError(f"'{name}' must be finite and not negative; got {value}.")
        return generator(self.seed), positive_integer(self.epochs, "epochs", minimum=0)

    def _train(
        self, matrix: np.ndarray, labels: np.ndarray, groups: np.ndarray, epochs: int, rng: np.random.Generator
    ) -> None:
        """Minimise the objective with Adam over shuffled batches."""
        history = [self._losses(matrix, labels, groups)]
        if epochs:
            from mxfair._step import make_step
            from mxfair.preprocessing._representation_block import context_named, mx  # loads the engine

            ctx = context_named(self.ctx)
            net, loss = self.net(), self.loss()
            net.collect_params().reset_ctx(ctx)
            trainer = mx.gluon.Trainer(net.collect_params(), "adam", {"learning_rate": self.learning_rate})
            arrays = [mx.nd.array(a, dtype="float32", ctx=ctx) for a in (matrix, labels, groups)]
            step: Any = None
            for _ in range(epochs):
                for rows in batches(len(matrix), self.batch_size, rng):
                    places = mx.nd.array(rows, dtype="int32", ctx=ctx)
                    batch = tuple(mx.nd.take(array, places) for array in arrays)
                    step = step or make_step(net, loss, trainer, batch, hybridize=True)[0]
                    step(batch, len(rows))
                self.take(net)
                history.append(self._losses(matrix, labels, groups))
                if not np.isfinite(history[-1]).all():
                    break
        self.losses_ = np.array(history)
        if not np.isfinite(self.losses_).all():
            for name in self._fitted():
                delattr(self, name)
            raise InputError(
                f"The losses must stay finite; got NaN or infinity after {plural(len(history) - 1, 'epoch')}. Give a "
                "smaller 'learning_rate', or rescale columns of very large or small numbers."
            )

    def transform(self, X: Any) -> np.ndarray:
        """Return the representation; the group is not needed.

        Parameters
        ----------
        X : array or data frame of shape (n_samples, n_features)
            The columns that were fitted.

        Returns
        -------
        ndarray of float64, shape (n_samples, n_prototypes) or (n_samples, n_features_out)

        Raises
        ------
        InputError
            If the step is not fitted, or the columns are others than those fitted.
        """
        self._check_fitted()
        rest, _ = self._parts(X, None)
        matrix = numeric_matrix(rest)
        self._check_features(matrix.shape[1] + len(self.places_), feature_names(X))
        found = self._memberships(matrix)
        return found if self.output == "memberships" else found @ self.prototypes_

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return the names of what comes out: prototype0, prototype1, ..., or the features.

        Parameters
        ----------
        input_features : array of str, optional
            Names of the columns of X.

        Returns
        -------
        ndarray of str
        """
        names = np.delete(self._names_in(input_features), self.places_)
        if self.output == "reconstruction":
            return names
        return np.array([f"prototype{place}" for place in range(len(self.prototypes_))], dtype=object)

    def net(self, output: str = "training") -> Any:
        """Return the fitted step as a Gluon block that can be trained further; `as_block` is fixed.

        Parameters
        ----------
        output : {"training", "memberships", "reconstruction", "prediction"}, default="training"
            What the block returns for x without its sensitive columns: what `loss` takes (memberships, prediction and
            error of reconstruction, side by side), or one of them; the prediction is the probabilities of the labels.

        Returns
        -------
        gluon.HybridBlock

        Raises
        ------
        InputError
            If the step is not fitted.
        """
        self._check_fitted()
        from mxfair.preprocessing._representation_block import OUTPUTS, RepresentationNet  # loads the engine

        return RepresentationNet(self._values(), one_of(output, OUTPUTS, "output"))

    def loss(self) -> Any:
        """Return the objective as a loss of (net(data), label, group) for a net that returns "training".

        Returns
        -------
        GroupLoss
            One number per sample. Label and group are places in `classes_` and `group_names_`, -1 an unknown group.

        Raises
        ------
        InputError
            If the step is not fitted.
        """
        self._check_fitted()
        from mxfair.preprocessing._representation_block import RepresentationLoss  # loads the engine

        return RepresentationLoss(
            len(self.prototypes_), len(self.group_names_), (float(self.a_x), float(self.a_y), float(self.a_z))
        )

    def take(self, net: Any) -> FairRepresentation:
        """Take over the parameters of a block of this step that was trained further.

        Parameters
        ----------
        net : gluon.HybridBlock
            What `net` returned.

        Returns
        -------
        FairRepresentation
            Itself.

        Raises
        ------
        InputTypeError
            If it is another block.
        """
        if not hasattr(net, "values") or not hasattr(net, "prototype"):
            raise InputTypeError(f"'net' must be a block of net(); got {type(net).__name__}.")
        self._set({**self._values(), **net.values()})
        return self

    def as_block(self) -> Any:
        """Return the fitted step as a fixed Gluon block of whole rows, as `transform` takes them.

        Returns
        -------
        gluon.HybridBlock

        Raises
        ------
        InputError
            If the step is not fitted.
        """
        self._check_fitted()
        from mxfair.preprocessing._blocks import StepBlock  # loads the engine

        values = self._values()
        weighted = values["prototype"] * self.feature_weights_
        constants = {
            "mean": values["mean"],
            "scale": values["scale"],
            "weighted": 2 * weighted,
            "far": (weighted * values["prototype"]).sum(axis=1)[None],
            "kept": np.delete(np.arange(self.n_features_in_), self.places_)[None],
        }
        if self.output == "memberships":
            return StepBlock(memberships, constants, self.n_features_in_)
        return StepBlock(reconstruction, {**constants, "prototype": self.prototypes_}, self.n_features_in_)

    def _set(self, values: dict[str, np.ndarray]) -> None:
        """Take the parameters of a net, prototypes in the units of X."""
        self.mean_, self.scale_ = values["mean"][0], values["scale"][0]
        self.prototypes_ = values["prototype"] * self.scale_ + self.mean_
        self.feature_weights_ = np.exp(values["log_weight"][0])
        self.prototype_labels_ = softmax(values["score"])

    def _values(self) -> dict[str, np.ndarray]:
        """Return what `_set` took."""
        return {
            "prototype": (self.prototypes_ - self.mean_) / self.scale_,
            "log_weight": np.log(self.feature_weights_)[None],
            "score": np.log(self.prototype_labels_ + 1e-30),
            "mean": self.mean_[None],
            "scale": self.scale_[None],
        }

    def _memberships(self, matrix: np.ndarray) -> np.ndarray:
        weights = self.feature_weights_ / self.scale_
        weighted = (self.prototypes_ - self.mean_) / self.scale_ * weights
        far = (weighted * (self.prototypes_ - self.mean_)).sum(axis=1)
        return softmax(2 * ((matrix - self.mean_) @ weighted.T) - far)

    def _losses(self, matrix: np.ndarray, labels: np.ndarray, groups: np.ndarray) -> np.ndarray:
        """Return L_x, L_y and L_z over all rows."""
        found = self._memberships(matrix)
        error = (((matrix - found @ self.prototypes_) / self.scale_) ** 2).mean()
        likelihood = (found @ self.prototype_labels_)[np.arange(len(labels)), labels]
        means = np.array([found[groups == place].mean(axis=0) for place in range(len(self.group_names_))])
        apart = np.abs(means[:, None] - means[None]).sum(axis=2)
        return np.array([error, -np.log(likelihood + 1e-7).mean(), apart[np.triu_indices(len(means), 1)].mean()])
