"""GluonClassifier: a Gluon net as a scikit-learn classifier."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mxfair.criterion import Criterion
from mxfair.estimator._kinds import Classifying
from mxfair.estimator._one_net import OneNet

__all__ = ["GluonClassifier"]


class GluonClassifier(Classifying, OneNet):
    """A Gluon net and its Trainer loop as a scikit-learn classifier.

    Parameters
    ----------
    net : {"logistic", "mlp"}, sequence of int, gluon.Block or callable, default="mlp"
        The net: by name, by the units of its hidden layers, or a function of (n_features, n_outputs) that returns one.
        A Block is copied; if it is initialized, training goes on from its weights (fine-tuning). Two classes take a net
        with one output or two, more take one output each.
    loss : gluon.loss.Loss or callable, optional
        Of (pred, label), or a `GroupLoss`; or a function that makes one. Labels are the numbers of the classes.
        Default: binary cross-entropy of one output, softmax cross-entropy of several.
    optimizer : str, default="adam"
        Name of an MXNet optimizer.
    learning_rate : float, default=0.001
        Its learning rate.
    optimizer_params : dict, optional
        Its further arguments, such as ``{"wd": 1e-4}``.
    epochs : int, default=20
        Passes over the training rows.
    batch_size : int, default=128
        Rows in a batch.
    mitigation : str, object or list, optional
        What is done about gaps. Names: ``"fairbatch"``, ``"sample_weighting"``, ``"reweighing"``, ``"massaging"``,
        ``"cell_smote"``, ``"gap_penalty"`` (``"mmd_penalty"`` and so on, see `Penalized`), ``"group_dro"``. Objects:
        `FairBatch`, `SampleWeighting`, `Massaging`, `Penalized`, ``Reweighing``, ``CellSMOTE``, a preprocessing step, a
        penalty, or a function of (base_loss, groups) that returns a `GroupLoss`, such as the class ``GroupDROLoss``. A
        list combines them: steps in their order, then labels, rows, weights, batches and loss.
    criterion : str or Criterion, default="equalized_odds"
        What should be equal between groups, for mitigations that do not say so and for the validation rows.
    positive : label, optional
        The class that counts as positive, for criteria that do not say so (the positive class of a `Criterion` is a
        label too) and for massaging. Default: the larger of two; each in turn for more.
    regularizers : sequence of Regularizer, optional
        As for `mxfair.training.fit`.
    callbacks : sequence of Callback, optional
        Copied for each `fit`; see `callbacks_`.
    early_stopping : bool, default=False
        Hold out `validation_fraction` of the training rows, the same share of each (label, group) cell; stop when their
        loss, without the terms of mitigations, has not fallen by `tol` for `n_iter_no_change` epochs, and keep the best
        epoch.
    validation_fraction : float, default=0.1
        Share of the rows that are held out. Preprocessing steps are fitted with them; mitigations that change labels or
        rows leave them as they are.
    n_iter_no_change : int, default=10
        Epochs without improvement.
    tol : float, default=1e-4
        What counts as an improvement of the loss.
    max_gap : float, optional
        Keep the epoch with the best accuracy on the held-out rows among those whose gap there is at most this; rows are
        held out for it whether or not training stops early.
    warm_start : bool, default=False
        Whether `fit` goes on from the net of the last `fit`, with its classes, columns and steps; the optimizer starts
        anew.
    ctx : {"cpu", "gpu"} or mxnet.Context, optional
        The device. Default: the CPU.
    verbose : bool, default=False
        Show a progress bar.
    random_state : int, RandomState, Generator or None, default=None
        Seeds the initial weights, the order of rows, what is held out, and mitigations. Dropout, and initializers that
        a net's own layers name, draw from MXNet's global state: ``mxnet.random.seed``.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels, sorted.
    net_ : gluon.Block
        The trained net; it expects what `steps_` return.
    loss_ : gluon.loss.Loss
        The loss it was trained with.
    history_ : History
        What happened in each epoch.
    callbacks_ : list of Callback
        The callbacks that ran, those of early stopping first; pickles and files leave them out.
    n_iter_ : int
        Number of epochs.
    reweighing_ : Reweighing
        Where `mitigation` holds it: fitted, with the numbers of the classes as labels.
    group_names_ : ndarray of str
        The groups of the first `partial_fit`, where a mitigation needs them.
    steps_ : list of Step
        The fitted preprocessing steps, where `mitigation` holds some.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of str
        Names of the features, where `fit` was given a data frame.

    See Also
    --------
    mxfair.ensemble : Many nets as one estimator.

    Notes
    -----
    Features are not scaled: put a ``StandardScaler`` before it, in a pipeline. Weights of samples are factors of their
    losses, with batches drawn as without them: a row of weight 2 is two rows where all rows are one batch, and on
    average else. A `fit` that fails leaves the estimator as it was.

    Examples
    --------
    >>> import mxfair
    >>> from mxfair.estimator import GluonClassifier
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> data = mxfair.datasets.load_german_credit()
    >>> X, y, groups = data.data.select_dtypes("number"), data.target, data.groups["sex"]
    >>> net = GluonClassifier("logistic", epochs=30, learning_rate=0.01, mitigation="fairbatch", random_state=0)
    >>> model = make_pipeline(StandardScaler(), net).fit(X, y, gluonclassifier__groups=groups)
    >>> model.predict_proba(X).shape
    (1000, 2)
    """

    def __init__(
        self,
        net: Any = "mlp",
        *,
        loss: Any = None,
        optimizer: str = "adam",
        learning_rate: float = 0.001,
        optimizer_params: Mapping[str, Any] | None = None,
        epochs: int = 20,
        batch_size: int = 128,
        mitigation: Any = None,
        criterion: str | Criterion = "equalized_odds",
        positive: Any = None,
        regularizers: Sequence[Any] | None = None,
        callbacks: Sequence[Any] | None = None,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
        tol: float = 1e-4,
        max_gap: float | None = None,
        warm_start: bool = False,
        ctx: Any = None,
        verbose: bool = False,
        random_state: Any = None,
    ) -> None:
        self.net = net
        self.loss = loss
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.optimizer_params = optimizer_params
        self.epochs = epochs
        self.batch_size = batch_size
        self.mitigation = mitigation
        self.criterion = criterion
        self.positive = positive
        self.regularizers = regularizers
        self.callbacks = callbacks
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.max_gap = max_gap
        self.warm_start = warm_start
        self.ctx = ctx
        self.verbose = verbose
        self.random_state = random_state
