"""Gaps between groups as Gluon metrics: counted on the device batch by batch, read when they are asked for."""

from __future__ import annotations

from typing import Any

import numpy as np

from mxfair._compat import import_mxnet
from mxfair._validation import InputError, InputTypeError, one_of
from mxfair.confusion import GroupConfusion
from mxfair.criterion import ALL_CRITERIA, Criterion, criterion_named
from mxfair.groups import Groups
from mxfair.metric._device_counts import DeviceCounts
from mxfair.rate import RATES, CompositeRate, Rate, class_index, rate_named

mx: Any = import_mxnet()

__all__ = [
    "FairnessMetric",
    "GroupEvalMetric",
    "WorstGroupMetric",
]


class GroupEvalMetric(mx.metric.EvalMetric):
    """Base of metrics over counts[group, label, prediction]: override `value`.

    Unlike other metrics of mxnet, `update` takes the groups as well, and it only enqueues work on the device: nothing
    waits for the engine until `get` or `table` reads the counts.

    Parameters
    ----------
    name : str
        Name for display.
    groups : int, sequence of str or Groups, default=2
        The groups, so that none is missed for being absent from a batch: their number, for batches that hold codes 0,
        1, ...; or their names. Batches may hold names, `Groups`, or numbers: the names themselves where all names are
        numbers, else codes, places in this list. NaN and -1 are missing and form the group "unknown".
    classes : int or sequence of numbers, default=2
        The classes, sorted: their number, for labels 0, 1, ...; or the values of the labels.
    threshold : float, optional
        With two classes and one prediction per sample, predictions above it mean the second class: 0 for raw scores,
        0.5 for probabilities. Default: 0 for classes 0 and 1 or -1 and 1, which suits raw scores and decisions;
        scores that all lie between 0 and 1 may be probabilities, and are an error when the counts are read. For other
        classes, predictions must be decisions. It is not used with one column per class: there the largest wins.
    **options
        ``output_names`` and ``label_names`` of mxnet's EvalMetric; what else is given is kept for `get_config`.

    Raises
    ------
    InputError
        If an argument cannot be used.

    Notes
    -----
    Counts are exact: float32 within a batch, float64 over batches, far beyond 2^24 samples. A batch costs one cached
    graph on the device, whose work grows with the groups times the square of the classes.

    Examples
    --------
    >>> import mxfair, mxnet as mx
    >>> from mxfair.metric.eval_metric import GroupEvalMetric
    >>> class SelectionRate(GroupEvalMetric):
    ...     def value(self, table):
    ...         return table.overall[:, 1].sum() / table.overall.sum()
    >>> metric = SelectionRate("selection rate")
    >>> metric.update(mx.nd.array([0, 1, 1, 0]), mx.nd.array([-2, 3, 1, 0.5]), mx.nd.array([0, 0, 1, 1]))
    >>> metric.get()
    ('selection rate', 0.75)
    """

    def __init__(
        self, name: str, groups: Any = 2, classes: Any = 2, *, threshold: float | None = None, **options: Any
    ) -> None:
        if threshold is not None and not (isinstance(threshold, (int, float)) and np.isfinite(threshold)):
            raise InputError(f"'threshold' must be a number; got {threshold!r}. Pass 0.5 for probabilities.")
        self._counts = DeviceCounts(groups, classes, None if threshold is None else float(threshold))
        config = {
            "groups": groups if isinstance(groups, int) else list(self._counts.names),
            "classes": classes if isinstance(classes, int) else self._counts.classes.tolist(),
            "threshold": threshold,
        }
        super().__init__(name, **config, **options)

    def update(self, labels: Any, preds: Any, groups: Any = None, *, sample_weight: Any = None) -> None:
        """Add a batch.

        Parameters
        ----------
        labels : NDArray, array of shape (n,), or list of NDArray
            True classes; lists hold one array per device.
        preds : NDArray, array of shape (n,), (n, 1) or (n, n_classes), or list of NDArray
            Decisions or scores; see the class.
        groups : NDArray, array-like, Groups, or list of NDArray
            Group of each sample; one array for several devices is cut as the labels are.
        sample_weight : NDArray, array of shape (n,), or list of NDArray, optional
            Weight of each sample. Default: 1.

        Raises
        ------
        InputTypeError
            If no groups are given.
        InputError
            If shapes differ. Values are checked when the counts are read.
        """
        if groups is None:
            raise InputTypeError(
                f"'{self.name}' must be updated with groups: update(labels, preds, groups); got labels and preds only. "
                "With Gluon's Estimator use mxfair.training.FairnessHandler."
            )
        labels, preds = _devices(labels), _devices(preds)
        if len(labels) != len(preds):
            raise InputError(
                f"'labels' and 'preds' must be on the same devices; got {len(labels)} and {len(preds)} arrays. "
                "Pass one of each per device."
            )
        parts = zip(labels, preds, _cut(groups, preds, "groups"), _cut(sample_weight, preds, "sample_weight"))
        for label, pred, group, weight in parts:
            self.num_inst += self._counts.add(label, pred, group, weight)

    def reset(self) -> None:
        """Forget all samples."""
        super().reset()
        self._counts.reset()

    def reset_local(self) -> None:
        """Forget all samples: there are no global figures beside them."""
        self.reset()

    @property
    def table(self) -> GroupConfusion:
        """The counts so far, from which every criterion and rate can be read; waits for the device, raises as `get`."""
        return self._counts.table()

    def value(self, table: GroupConfusion) -> float:
        """Return the figure.

        Parameters
        ----------
        table : GroupConfusion

        Returns
        -------
        float
        """
        raise NotImplementedError

    def get(self) -> tuple[str, float]:
        """Return name and figure; waits for the device.

        Returns
        -------
        name : str
        value : float
            NaN before the first batch, and where the figure is undefined.

        Raises
        ------
        InputError
            If a label, prediction, group or weight since the last reset cannot be used, or if without ``threshold``
            all scores lie between 0 and 1.
        """
        return self.name, float(self.value(self.table)) if self.num_inst else float("nan")


@mx.metric.register
class FairnessMetric(GroupEvalMetric):
    r"""The gap of a criterion between groups; 0 is parity.

    With rates :math:`r_g` by group, the default is :math:`\max_g r_g - \min_g r_g`, the worst over the criterion's
    rates. It is a gap between the samples since the last reset, not a mean of the batches' gaps.
    Once it is imported, ``mx.metric.create`` knows it by the name of each criterion, and as "fairnessmetric".

    Parameters
    ----------
    criterion : str or Criterion, default="equalized_odds"
        What should be equal between the groups.
    groups, classes
        As for `GroupEvalMetric`.
    positive : label value, optional
        The class that counts as positive. Default: the larger of two; each in turn for more.
    compare : {"max_min", "to_overall", "to_reference", "pairwise_mean"}, default="max_min"
        What the gap is taken between.
    reference : str, optional
        The group for ``compare="to_reference"``.
    name : str, optional
        Name for display. Default: the criterion's.
    **options
        ``threshold`` of `GroupEvalMetric`; ``output_names`` and ``label_names`` of mxnet's EvalMetric.

    Examples
    --------
    >>> from mxfair.metric import FairnessMetric  # mx.metric.create knows the criteria from now on
    >>> import mxnet as mx
    >>> metric = FairnessMetric("demographic_parity", groups=["f", "m"])
    >>> metric.update(mx.nd.array([0, 1, 0, 1]), mx.nd.array([1, 1, 0, 1]), mx.nd.array([0, 0, 1, 1]))
    >>> metric.get()
    ('demographic_parity', 0.5)
    >>> print(mx.metric.create("demographic_parity", groups=2))
    EvalMetric: {'demographic_parity': nan}
    """

    def __init__(
        self,
        criterion: str | Criterion = "equalized_odds",
        groups: Any = 2,
        classes: Any = 2,
        *,
        positive: Any = None,
        compare: str = "max_min",
        reference: str | None = None,
        name: str | None = None,
        **options: Any,
    ) -> None:
        chosen = criterion_named(criterion)
        self._compare, self._reference = compare, reference
        self.criterion = chosen if positive is None else chosen.with_positive(positive)
        config = {"criterion": _named(chosen, ALL_CRITERIA), "positive": positive}
        config.update(compare=compare, reference=reference)
        super().__init__(name or chosen.name, groups, classes, **config, **options)
        self.value(GroupConfusion(self._counts.names, self._counts.classes))  # raises what the first batch would

    def value(self, table: GroupConfusion) -> float:
        """Return the criterion's gap.

        Parameters
        ----------
        table : GroupConfusion

        Returns
        -------
        float
        """
        return self.criterion.difference(table, compare=self._compare, reference=self._reference)


@mx.metric.alias("worst_group")
@mx.metric.register
class WorstGroupMetric(GroupEvalMetric):
    """A rate in the group that fares worst: the smallest accuracy of any group, or the largest false positive rate.

    Parameters
    ----------
    rate : str, Rate or CompositeRate, default="accuracy"
        The rate.
    groups, classes
        As for `GroupEvalMetric`.
    positive : label value, optional
        The class that counts as positive. Default: the last.
    worst : {"min", "max"}, optional
        Which end is bad. Default: "max" for error_rate and the four rates whose names begin with "false", "min" for
        all others.
    name : str, optional
        Name for display. Default: "worst-group" and the rate's.
    **options
        ``threshold`` of `GroupEvalMetric`; ``output_names`` and ``label_names`` of mxnet's EvalMetric.

    Notes
    -----
    Groups without samples to compute the rate from, and samples whose group is missing, are left out.

    Examples
    --------
    >>> import mxfair, mxnet as mx
    >>> from mxfair.metric.eval_metric import WorstGroupMetric
    >>> metric = WorstGroupMetric("accuracy", groups=2)
    >>> metric.update(mx.nd.array([0, 1, 0, 1]), mx.nd.array([1, 1, 0, 1]), mx.nd.array([0, 0, 1, 1]))
    >>> metric.get()
    ('worst-group accuracy', 0.5)
    """

    def __init__(
        self,
        rate: str | Rate | CompositeRate = "accuracy",
        groups: Any = 2,
        classes: Any = 2,
        *,
        positive: Any = None,
        worst: str | None = None,
        name: str | None = None,
        **options: Any,
    ) -> None:
        self.rate = rate_named(rate)
        default = "max" if self.rate.larger_is_worse else "min"
        end = one_of(default if worst is None else worst, ("min", "max"), "worst")
        self._worst = np.fmin if end == "min" else np.fmax
        config = {"rate": _named(self.rate, RATES), "positive": positive, "worst": worst}
        super().__init__(name or f"worst-group {self.rate.name}", groups, classes, **config, **options)
        self._positive = class_index(self._counts.classes, positive)

    def value(self, table: GroupConfusion) -> float:
        """Return the worst group's rate.

        Parameters
        ----------
        table : GroupConfusion

        Returns
        -------
        float
        """
        figure = self.rate(table, positive=self._positive)
        return float(self._worst.reduce(np.where(figure.known, figure.values, np.nan), initial=np.nan))


def _register(criterion: str) -> None:
    """Let ``mx.metric.create(criterion, groups=...)`` make the metric of a criterion."""

    class Named(FairnessMetric):
        def __new__(cls, *args: Any, **options: Any) -> Any:
            return FairnessMetric(criterion, *args, **options)

    mx.metric.alias(criterion)(Named)


for _criterion in ALL_CRITERIA:
    _register(_criterion)


def _named(value: Any, known: dict[str, Any]) -> Any:
    """Return the name of one of the library's own, so that a configuration is plain; others stay objects."""
    name = str(value.name)
    return name if known.get(name) is value else value


def _devices(values: Any) -> list[Any]:
    """Return one array per device."""
    if isinstance(values, (list, tuple)) and values and all(isinstance(part, mx.nd.NDArray) for part in values):
        return list(values)
    return [values]


def _cut(values: Any, preds: list[Any], name: str) -> list[Any]:
    """Return one array per device, cutting a single one as the predictions are cut."""
    if values is None:
        return [None] * len(preds)
    parts = _devices(values)
    if len(parts) == len(preds):
        return parts
    sizes = [len(part) for part in preds]
    if len(parts) > 1 or len(values) != sum(sizes):
        raise InputError(
            f"'{name}' must have {sum(sizes)} values, as 'preds'; got {len(values)}. Pass one value per sample."
        )
    ends = np.cumsum(sizes)
    places = [slice(int(end - size), int(end)) for end, size in zip(ends, sizes)]
    if isinstance(values, Groups):
        return [values.take(np.arange(place.start, place.stop)) for place in places]
    return [values[place] for place in places]
