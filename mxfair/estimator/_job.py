"""What an estimator trains on, and one training: net, loss, loader. Ensembles make many jobs of one set of data."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from mxfair import training
from mxfair._compat import import_mxnet
from mxfair._validation import InputError, InputTypeError, one_of, positive_integer
from mxfair.data import DataLoader, FairBatchSampler, FullPass, ProbeSet, SampleWeights
from mxfair.estimator._plan import Plan, RowWeightedLoss, relative
from mxfair.groups import Groups
from mxfair.loss import GroupLoss, trained_parameters

mx: Any = import_mxnet()

__all__ = ["Job", "TrainingData", "base_loss", "check_options", "make_job"]

#: Gluon losses that read labels as -1 and 1.
_SIGNED = (mx.gluon.loss.HingeLoss, mx.gluon.loss.SquaredHingeLoss)


@dataclass(frozen=True)
class TrainingData:
    """Checked and preprocessed samples; targets are the numbers of classes, or values."""

    X: np.ndarray
    target: np.ndarray
    groups: Groups | None
    weight: np.ndarray | None
    n_classes: int = 0  # 0 for regression

    def take(self, rows: np.ndarray) -> TrainingData:
        """Return some rows, in their order, repeated where they are."""
        return replace(
            self,
            X=self.X[rows],
            target=self.target[rows],
            groups=None if self.groups is None else self.groups.take(rows),
            weight=None if self.weight is None else self.weight[rows],
        )

    def __len__(self) -> int:
        return len(self.X)

    @property
    def cells(self) -> np.ndarray:
        """The (label, group) cell of each sample, or its label, or 0: what a split is stratified by."""
        codes = self.target.astype(np.int64) if self.n_classes else np.zeros(len(self), dtype=np.int64)
        return codes if self.groups is None else codes * self.groups.n_groups + self.groups.codes


@dataclass
class Job:
    """One training."""

    net: Any
    loss: Any
    loader: Any
    epochs: int
    optimizer: str
    optimizer_params: dict[str, Any]
    callbacks: list[Any] = field(default_factory=list)
    regularizers: list[Any] = field(default_factory=list)
    progress: bool | str = False
    trainer: Any = None

    def run(self) -> training.History:
        """Train; `trainer` is then what did it."""
        if self.trainer is None:
            params = trained_parameters(self.net, self.loss)
            if not params:
                raise InputError(
                    "'net' must have a parameter that is trained; got none. Set grad_req of one to 'write'."
                )
            try:
                self.trainer = mx.gluon.Trainer(params, self.optimizer, dict(self.optimizer_params))
            except (TypeError, ValueError, AssertionError) as error:
                raise InputError(
                    f"'optimizer_params' must be arguments of the optimizer {self.optimizer!r}; it failed: {error}. "
                    "See mxnet.optimizer."
                ) from error
        return training.fit(
            self.net,
            self.loader,
            self.loss,
            self.trainer,
            self.epochs,
            callbacks=self.callbacks,
            regularizers=self.regularizers,
            progress=self.progress,
        )


def base_loss(loss: Any, width: int, n_classes: int) -> Any:
    """Return the loss of (pred, label): what was asked for, or the usual one for the net's outputs."""
    if loss is None:
        if not n_classes:
            return mx.gluon.loss.L2Loss()
        return mx.gluon.loss.SigmoidBinaryCrossEntropyLoss() if width == 1 else mx.gluon.loss.SoftmaxCrossEntropyLoss()
    if isinstance(loss, mx.gluon.Block):
        made = copy.deepcopy(loss)
    elif callable(loss):
        made = loss()
    else:
        raise InputTypeError(f"'loss' must be a Gluon loss, or a function that returns one; got {loss!r}.")
    if not isinstance(made, mx.gluon.Block):
        raise InputTypeError(f"'loss' must be a Gluon loss; got {type(made).__name__}.")
    signed = isinstance(made, _SIGNED) or getattr(made, "_label_format", "binary") == "signed"
    if n_classes and signed:
        raise InputError(
            f"'loss' must take labels from 0; {type(made).__name__} takes -1 and 1. Use SigmoidBinaryCrossEntropyLoss, "
            "or LogisticLoss(label_format='binary')."
        )
    return made


def make_job(estimator: Any, data: TrainingData, net: Any, loss: Any, plan: Plan, rng: np.random.Generator) -> Job:
    """Return the training of a net on data with an estimator's options; mitigations of batch and loss are added."""
    check_options(estimator)
    batch_size = min(int(estimator.batch_size), len(data))
    loader, loss = _loader(data, net, loss, plan, batch_size, rng, estimator)
    callbacks, regularizers, further = _copies(estimator)
    return Job(
        net,
        loss,
        loader,
        int(estimator.epochs),
        estimator.optimizer,
        {"learning_rate": float(estimator.learning_rate), **further},
        callbacks=callbacks,
        regularizers=regularizers,
        progress=bool(estimator.verbose),
    )


def check_options(estimator: Any) -> None:
    """Raise where an option of the training cannot be used, before anything is computed."""
    positive_integer(estimator.batch_size, "batch_size")
    positive_integer(estimator.epochs, "epochs")
    rate = estimator.learning_rate
    if isinstance(rate, bool) or not isinstance(rate, (int, float, np.number)) or not np.isfinite(rate) or rate <= 0:
        raise InputError(f"'learning_rate' must be a number above 0; got {rate!r}.")
    name = estimator.optimizer
    if not isinstance(name, str):
        raise InputTypeError(f"'optimizer' must be the name of an MXNet optimizer, such as 'adam'; got {name!r}.")
    one_of(name.lower(), sorted(mx.optimizer.Optimizer.opt_registry), "optimizer")
    further = estimator.optimizer_params
    if further is not None and not isinstance(further, Mapping):
        raise InputTypeError(f"'optimizer_params' must be a dict of arguments of the optimizer; got {further!r}.")
    if further and "learning_rate" in further:
        raise InputError("'optimizer_params' must not hold the learning rate. Give it as learning_rate=.")
    for option, kind in (("callbacks", training.Callback), ("regularizers", object)):
        given = getattr(estimator, option)
        if given is not None and not (isinstance(given, Sequence) and all(isinstance(one, kind) for one in given)):
            raise InputTypeError(f"'{option}' must be a list of {kind.__name__} objects; got {given!r}.")


def _copies(estimator: Any) -> tuple[list[Any], list[Any], dict[str, Any]]:
    """Return callbacks, regularizers and the optimizer's arguments for one training: they have states."""
    given = (
        list(estimator.callbacks or ()),
        list(estimator.regularizers or ()),
        dict(estimator.optimizer_params or {}),
    )
    try:
        return copy.deepcopy(given)
    except Exception as error:  # whatever an object of the user's raises
        raise InputTypeError(
            f"'callbacks', 'regularizers' and 'optimizer_params' must be objects that can be copied, as each fit has "
            f"its own; it failed: {error}. Open files and the like when training begins."
        ) from error


def _loader(
    data: TrainingData, net: Any, loss: Any, plan: Plan, batch_size: int, rng: np.random.Generator, estimator: Any
) -> tuple[Any, Any]:
    """Return the loader, and the loss for what it yields."""
    groups = data.groups
    weight = None if data.weight is None else relative(data.weight).astype(np.float32)
    items: list[np.ndarray] = [data.X, data.target]
    plain = loss
    if plan.loss is not None:
        loss = plan.group_loss(loss, groups, data.n_classes, estimator)  # type: ignore[arg-type]  # asked for before
    if plan.weighting is not None:
        if weight is not None:
            raise InputError(
                "'sample_weight' must not be given with SampleWeighting, which makes its own. Use FairBatch."
            )
        if isinstance(loss, GroupLoss):
            raise InputError("'loss' must not be a GroupLoss with SampleWeighting: a batch has one third item.")
        weights = _weights(data, net, plain, plan, estimator)
        dataset = weights.attach(mx.gluon.data.ArrayDataset(*items))
        return DataLoader(dataset, batch_size, shuffle=True, seed=rng), weights.loss(loss)
    if isinstance(loss, GroupLoss):
        if weight is not None:
            raise InputError(
                f"'sample_weight' must not be given with a loss of groups ({type(loss).__name__}): a batch has one "
                "third item. Draw rows by their weights, or use FairBatch."
            )
        if groups is None:
            raise InputError(f"'groups' must be given for {type(loss).__name__}. Pass fit(X, y, groups=...).")
        items.append(groups.codes.astype(np.float32))
    elif weight is not None:
        loss = RowWeightedLoss(loss)
        items.append(weight)
    dataset = mx.gluon.data.ArrayDataset(*items)
    if plan.sampler is None:
        return DataLoader(dataset, batch_size, shuffle=True, seed=rng), loss
    return DataLoader(dataset, batch_sampler=_sampler(data, net, plain, plan, batch_size, rng, estimator)), loss


def _sampler(
    data: TrainingData, net: Any, loss: Any, plan: Plan, batch_size: int, rng: np.random.Generator, estimator: Any
) -> Any:
    options = plan.sampler.get_params(deep=False)
    criterion, kind = plan.criterion_of(plan.sampler, estimator), options.pop("signal")
    options.pop("criterion")
    label_bins = _label_bins(criterion, options.pop("label_bins"))
    measure: Any = {"full": FullPass, "probe": ProbeSet}[one_of(kind, ("full", "probe"), "signal")]
    seed = {"seed": rng} if measure is ProbeSet else {}
    positive = criterion.positive
    signal = measure(net, data.X, data.target, data.groups, loss=loss, label_bins=label_bins, positive=positive, **seed)
    options = {key: copy.deepcopy(value) for key, value in options.items()}  # a controller has a state
    return FairBatchSampler(
        data.target,
        data.groups,
        batch_size,
        criterion,
        signal=signal,
        label_bins=label_bins,
        positive=positive,
        seed=rng,
        **options,
    )


def _weights(data: TrainingData, net: Any, loss: Any, plan: Plan, estimator: Any) -> Any:
    options = plan.weighting.get_params(deep=False)
    criterion = plan.criterion_of(plan.weighting, estimator)
    options.pop("criterion")
    label_bins = _label_bins(criterion, options.pop("label_bins"))
    positive = criterion.positive
    signal = FullPass(net, data.X, data.target, data.groups, loss=loss, label_bins=label_bins, positive=positive)
    options = {key: copy.deepcopy(value) for key, value in options.items()}
    return SampleWeights(
        data.target,
        data.groups,
        criterion,
        signal=signal,
        label_bins=label_bins,
        positive=positive,
        **options,
    )


def _label_bins(criterion: Any, label_bins: Any) -> Any:
    """Return the bins of labels; losses are compared between groups whatever the label, as `FairDataLoader` does."""
    from mxfair.criterion import LossCriterion, criterion_named

    return (
        1 if label_bins is None and isinstance(criterion_named(criterion, losses=True), LossCriterion) else label_bins
    )
