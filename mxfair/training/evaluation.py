"""EvaluateGaps: accuracy and gaps on a validation split, epoch by epoch."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from mxfair._inference import is_probability, score
from mxfair._validation import InputError, InputTypeError
from mxfair.confusion import GroupConfusion
from mxfair.criterion import Criterion, criterion_named
from mxfair.groups import Groups
from mxfair.training.callbacks import Callback, TrainingState

__all__ = ["EvaluateGaps"]

#: So many undefined rates are named in one warning.
SHOWN = 6


class EvaluateGaps(Callback):
    """Measure accuracy and gaps on a validation split when an epoch ends, and write them to the history.

    Columns are ``val_accuracy``; the gap of each criterion, such as ``val_equalized_odds``; and ``val_gap``, that of
    the first criterion, which `EarlyStopping` and `Checkpoint` read by default. A fair sampler's own column ``gap`` is
    another: it is measured on the training data, before the epoch.

    Parameters
    ----------
    validation : gluon.data.Dataset
        Samples (data, label, group) that training does not use. Take a split of the training data, never the test set:
        epochs are chosen by these figures, and a test set that helps to choose says too much good of the model.
    criteria : str, Criterion or sequence of these, default="equalized_odds"
        What should be equal between the groups.
    labels : array of shape (n_samples,), optional
        Labels, where the dataset does not hold them.
    groups : array-like or Groups, optional
        Groups, where the dataset does not hold them.
    classes : sequence of label values, optional
        All classes, where the validation split may lack one. Default: the values found; 0 and 1 where only those occur.
    positive : label value, optional
        The class that counts as positive. Default: the larger of two; each in turn for more.
    compare : {"max_min", "to_overall", "to_reference", "pairwise_mean"}, default="max_min"
        What the gaps are taken between.
    reference : str, optional
        The group for ``compare="to_reference"``.
    probability : bool, optional
        Whether the net returns probabilities rather than raw scores. Default: as the training loss has it
        (``from_sigmoid``).
    name : str, default="val"
        What the columns' names begin with.

    Raises
    ------
    InputError
        If the dataset holds text; before the first epoch, if the net cannot be evaluated on the samples.

    Warns
    -----
    UserWarning
        Once for each rate and group, if the rate is undefined there, so that the group is left out of the gap.

    Notes
    -----
    An evaluation is one pass of the net in predict mode, without gradients and in chunks; weights, mode and random
    state stay as they are. Before the first epoch it runs once, unrecorded, so that mistakes show early.

    Examples
    --------
    >>> import mxfair, numpy as np
    >>> from mxnet import gluon
    >>> X, y, z = np.eye(8, dtype="float32"), np.tile(np.float32([0, 1]), 4), np.repeat([0, 1], 4)
    >>> net = gluon.nn.Dense(1); net.initialize()
    >>> gaps = EvaluateGaps(gluon.data.ArrayDataset(X, y, z), ["equalized_odds", "demographic_parity"])
    >>> sorted(gaps.evaluate(net))
    ['val_accuracy', 'val_demographic_parity', 'val_equalized_odds', 'val_gap']
    """

    def __init__(
        self,
        validation: Any,
        criteria: str | Criterion | Sequence[str | Criterion] = "equalized_odds",
        *,
        labels: Any = None,
        groups: Any = None,
        classes: Any = None,
        positive: Any = None,
        compare: str = "max_min",
        reference: str | None = None,
        probability: bool | None = None,
        name: str = "val",
    ) -> None:
        if not hasattr(validation, "__getitem__"):
            raise InputTypeError(
                f"'validation' must be a gluon.data.Dataset; got {type(validation).__name__}. Pass the dataset itself, "
                "not a loader: a loader may shuffle or repeat samples."
            )
        several = [criteria] if isinstance(criteria, (str, Criterion)) else list(criteria)
        chosen = [criterion_named(criterion) for criterion in several]
        if not chosen:
            raise InputError("'criteria' must name at least one criterion; got none.")
        self.criteria = [c if positive is None else c.with_positive(positive) for c in chosen]
        self.name = name
        _check_numbers(validation)
        self._dataset, self._labels, self._classes = validation, labels, classes
        self._groups = groups if groups is None or isinstance(groups, Groups) else Groups(groups)
        self._compare, self._reference, self._probability = compare, reference, probability
        self._told: set[tuple[str, str]] = set()

    def table(self, net: Any, *, loss: Any = None) -> GroupConfusion:
        """Return the net's decisions on the validation split, counted.

        Parameters
        ----------
        net : gluon.Block
            The net.
        loss : gluon.loss.Loss, optional
            The training loss: tells whether outputs are probabilities, unless ``probability=`` was given.

        Returns
        -------
        GroupConfusion
        """
        probability = is_probability(loss) if self._probability is None else self._probability
        scored = score(
            net,
            self._dataset,
            labels=self._labels,
            groups=self._groups,
            classes=self._classes,
            probability=probability,
        )
        self._labels = scored.labels  # read and encoded once
        self._groups = scored.groups if isinstance(scored.groups, Groups) else Groups(scored.groups)
        return GroupConfusion.of(scored.labels, scored.preds, self._groups, classes=self._classes)

    def evaluate(self, net: Any, *, loss: Any = None) -> dict[str, float]:
        """Return the columns for a net, for a loop of your own.

        Parameters
        ----------
        net, loss
            As for `table`.

        Returns
        -------
        dict of str to float
        """
        table = self.table(net, loss=loss)
        self._tell_left_out(table)
        return self._columns(table)

    def _columns(self, table: GroupConfusion) -> dict[str, float]:
        gaps = [c.difference(table, compare=self._compare, reference=self._reference) for c in self.criteria]
        columns = {f"{self.name}_accuracy": float(np.trace(table.overall) / table.overall.sum())}
        columns[f"{self.name}_gap"] = gaps[0]
        columns.update({f"{self.name}_{criterion.name}": gap for criterion, gap in zip(self.criteria, gaps)})
        return columns

    def _tell_left_out(self, table: GroupConfusion) -> None:
        """Warn of groups that gaps leave out, since their rate is undefined; of each once."""
        rates = {rate: metric for c in self.criteria for rate, metric in c.tables(table).items()}
        new = {
            (rate, group): reason
            for rate, metric in rates.items()
            for group, reason in metric.undefined.items()
            if (rate, group) not in self._told and metric.known[metric.groups.index(group)]
        }
        if not new:
            return
        self._told |= set(new)
        shown = [f"{rate} of {group} ({reason})" for (rate, group), reason in new.items()]
        more = f", and {len(shown) - SHOWN} more" if len(shown) > SHOWN else ""
        warnings.warn(
            f"Undefined on the validation split, so that '{self.name}_gap' and its like leave the group out: "
            f"{', '.join(shown[:SHOWN])}{more}. They say nothing about it; a larger split may.",
            UserWarning,
            stacklevel=3,
        )

    def on_train_begin(self, state: TrainingState) -> None:
        """See `Callback.on_train_begin`.

        Parameters
        ----------
        state : TrainingState
        """
        self._columns(self.table(state.net, loss=state.loss))

    def on_epoch_end(self, state: TrainingState) -> None:
        """See `Callback.on_epoch_end`.

        Parameters
        ----------
        state : TrainingState
        """
        state.history.epochs[-1].update(self.evaluate(state.net, loss=state.loss))

    def state_dict(self) -> dict[str, Any]:
        """See `Callback.state_dict`.

        Returns
        -------
        dict
        """
        return {"told": sorted(map(list, self._told))}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """See `Callback.load_state_dict`.

        Parameters
        ----------
        state : dict
        """
        self._told = {(rate, group) for rate, group in state["told"]}

    def __repr__(self) -> str:
        return f"EvaluateGaps({self.name}: {', '.join(criterion.name for criterion in self.criteria)})"


def _check_numbers(dataset: Any) -> None:
    """Raise where samples hold what Gluon cannot make NDArrays of; it would say KeyError."""
    first = dataset[0] if hasattr(dataset, "__len__") and len(dataset) else ()
    for place, item in enumerate(first if isinstance(first, (tuple, list)) else ()):
        if item is None or isinstance(item, (str, bytes)):
            raise InputError(
                f"'validation' must hold numbers, since Gluon makes NDArrays of them; got {item!s} as item {place} of "
                "a sample. Leave text out of the dataset and pass it beside it: groups=, labels=."
            )
