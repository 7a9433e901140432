"""GroupTable: several figures by group; ConditionalTable: the same within the levels of a control attribute."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from mxfair._validation import InputError
from mxfair.group_metric import GroupMetric
from mxfair.metric._inputs import Figure, Inputs
from mxfair.metric._strata import weighted_mean

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ConditionalTable", "GroupTable"]


class GroupTable(Mapping[str, GroupMetric]):
    """Several figures by group: a mapping of names to `GroupMetric`.

    Every summary is a pandas object of one type, whatever the task and the number of classes.

    Parameters
    ----------
    metrics : mapping of str to GroupMetric
        The figures, all of the same groups.

    Examples
    --------
    >>> from mxfair import metric
    >>> table = metric.evaluate([1, 0, 1, 0], [1, 0, 0, 0], list("aabb"), metrics=["accuracy", "selection_rate"])
    >>> table.by_group
           accuracy  selection_rate
    group
    a           1.0             0.5
    b           0.5             0.0
    >>> table.difference()
    accuracy          0.5
    selection_rate    0.5
    Name: difference, dtype: float64
    """

    def __init__(self, metrics: Mapping[str, GroupMetric]) -> None:
        self._metrics = dict(metrics)
        if not self._metrics:
            raise InputError("'metrics' must hold at least one figure; got none.")
        if len({metric.groups for metric in self._metrics.values()}) > 1:
            raise InputError("'metrics' must be of the same groups; got several. Make a table of each.")
        self._inputs: Inputs | None = None
        self._figures: list[Figure] = []

    @classmethod
    def _of(cls, found: list[Figure], inputs: Inputs) -> GroupTable:
        self = cls({figure.name: figure.of(inputs) for figure in found})
        self._inputs, self._figures = inputs, found
        return self

    def __getitem__(self, name: str) -> GroupMetric:
        return self._metrics[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._metrics)

    def __len__(self) -> int:
        return len(self._metrics)

    @property
    def by_group(self) -> pd.DataFrame:
        """The figures: a row for each group, "unknown" included, and a column for each figure."""
        import pandas as pd

        return pd.DataFrame({name: metric.by_group for name, metric in self.items()})

    @property
    def overall(self) -> pd.Series:
        """The figures over all samples."""
        return self._series("overall", lambda metric: metric.overall)

    @property
    def support(self) -> pd.DataFrame:
        """What each figure was computed from: its denominator, or the number (weight) of samples."""
        import pandas as pd

        first = self.by_group
        return pd.DataFrame({name: metric.support for name, metric in self.items()}, index=first.index)

    @property
    def undefined(self) -> pd.DataFrame:
        """Why figures are NaN: a row for each, with columns metric, group and reason."""
        import pandas as pd

        rows = [(name, group, why) for name, metric in self.items() for group, why in metric.undefined.items()]
        return pd.DataFrame(rows, columns=["metric", "group", "reason"])

    def difference(self, *, compare: str = "max_min", reference: str | None = None, signed: bool = False) -> pd.Series:
        """Return the difference of each figure between groups: 0 is parity.

        Parameters
        ----------
        compare, reference, signed
            As for `GroupMetric.difference`.

        Returns
        -------
        pandas.Series
        """
        options: dict[str, Any] = {"compare": compare, "reference": reference, "signed": signed}
        return self._series("difference", lambda metric: metric.difference(**options))

    def ratio(self, *, compare: str = "max_min", reference: str | None = None, signed: bool = False) -> pd.Series:
        """Return the ratio of each figure between groups: 1 is parity.

        Parameters
        ----------
        compare, reference, signed
            As for `GroupMetric.ratio`.

        Returns
        -------
        pandas.Series
        """
        options: dict[str, Any] = {"compare": compare, "reference": reference, "signed": signed}
        return self._series("ratio", lambda metric: metric.ratio(**options))

    def group_min(self) -> pd.Series:
        """Return the smallest value of each figure over the known groups.

        Returns
        -------
        pandas.Series
        """
        return self._series("group_min", GroupMetric.group_min)

    def group_max(self) -> pd.Series:
        """Return the largest value of each figure over the known groups.

        Returns
        -------
        pandas.Series
        """
        return self._series("group_max", GroupMetric.group_max)

    def gaps(self, *, compare: str = "max_min", reference: str | None = None) -> pd.DataFrame:
        """Return the difference of each figure, with the groups that have its largest and its smallest value.

        Parameters
        ----------
        compare, reference
            As for `GroupMetric.gap`.

        Returns
        -------
        pandas.DataFrame
            A row for each figure; columns difference, ratio, highest, lowest and undefined (groups it does not cover).
        """
        import pandas as pd

        rows = {}
        for name, metric in self.items():
            gap = metric.gap(compare=compare, reference=reference)
            ratio = metric.ratio(compare=compare, reference=reference)
            rows[name] = [gap.value, ratio, gap.high, gap.low, ", ".join(gap.undefined)]
        columns = ["difference", "ratio", "highest", "lowest", "undefined"]
        return pd.DataFrame.from_dict(rows, orient="index", columns=columns)

    def confidence_intervals(self, **options: Any) -> pd.DataFrame:
        """Return confidence intervals of the table's figures and of their gaps.

        Parameters
        ----------
        **options
            Keyword arguments of `mxfair.metric.confidence_intervals`: level, n_resamples, seed, ...

        Returns
        -------
        pandas.DataFrame

        Raises
        ------
        InputError
            If the table was put together by hand, so that there are no samples to resample.
        """
        from mxfair.metric.intervals import intervals_of

        if self._inputs is None:
            raise InputError("A table must come from evaluate() for intervals; this one was put together by hand.")
        return intervals_of(self._figures, self._inputs, **options)

    def _series(self, name: str, function: Any) -> pd.Series:
        import pandas as pd

        return pd.Series({key: float(function(metric)) for key, metric in self.items()}, name=name, dtype=float)

    def to_frame(self) -> pd.DataFrame:
        """Return the figures by group, and "overall" as the last row.

        Returns
        -------
        pandas.DataFrame
        """
        import pandas as pd

        label = with_overall(tuple(self.by_group.index))[0]
        frame = pd.concat([self.by_group, self.overall.to_frame(label).T])
        frame.index.name = self.by_group.index.name
        return frame

    def _repr_html_(self) -> str:
        return self.to_frame().to_html(float_format="{:.3f}".format, na_rep="undefined")

    def __repr__(self) -> str:
        import pandas as pd

        lying, standing = (
            frame.to_string(float_format="{:.3f}".format, na_rep="undefined")
            for frame in (self.to_frame(), self.to_frame().T)
        )
        room = pd.get_option("display.width") or 80
        return lying if _width(lying) <= max(room, _width(standing)) else standing


def with_overall(groups: tuple[str, ...]) -> list[str]:
    """Return the name of the row of all samples, which no group has, and those of the groups."""
    return ["overall" if "overall" not in groups else "all samples", *groups]


def _width(text: str) -> int:
    return max(map(len, text.splitlines()))


class ConditionalTable:
    """Figures by group within each level of a control attribute.

    Parameters
    ----------
    strata : mapping of str to GroupTable
        A table for each level.
    support : mapping of str to float
        Number (or weight) of the samples of each level.
    name : str, default="control"
        Name of the control attribute.

    Examples
    --------
    >>> from mxfair import metric
    >>> labels, preds, sex = [1, 0, 1, 0], [1, 1, 0, 1], ["f", "m", "f", "m"]
    >>> table = metric.evaluate_by(labels, preds, sex, ["x", "x", "y", "y"], metrics="selection_rate")
    >>> table.difference()
       selection_rate
    x             0.0
    y             1.0
    >>> table.mean_difference()
    selection_rate    0.5
    Name: mean difference, dtype: float64
    """

    def __init__(
        self, strata: Mapping[str, GroupTable], support: Mapping[str, float], *, name: str = "control"
    ) -> None:
        self.strata, self.support, self.name = dict(strata), dict(support), name

    @property
    def by_group(self) -> pd.DataFrame:
        """The figures: a row for each level of the control attribute and group."""
        import pandas as pd

        return pd.concat({name: table.by_group for name, table in self.strata.items()}, names=[self.name])

    @property
    def overall(self) -> pd.DataFrame:
        """The figures over all samples of each level."""
        return self._rows(lambda table: table.overall)

    def difference(self, **options: Any) -> pd.DataFrame:
        """Return the differences between groups within each level.

        Parameters
        ----------
        **options
            As for `GroupTable.difference`.

        Returns
        -------
        pandas.DataFrame
            A row for each level, a column for each figure.
        """
        return self._rows(lambda table: table.difference(**options))

    def ratio(self, **options: Any) -> pd.DataFrame:
        """Return the ratios between groups within each level.

        Parameters
        ----------
        **options
            As for `GroupTable.ratio`.

        Returns
        -------
        pandas.DataFrame
            A row for each level, a column for each figure.
        """
        return self._rows(lambda table: table.ratio(**options))

    def mean_difference(self, **options: Any) -> pd.Series:
        """Return the mean over levels of the differences, weighted by their samples.

        Parameters
        ----------
        **options
            As for `GroupTable.difference`.

        Returns
        -------
        pandas.Series
            A level with fewer than two groups to compare is left out, with a warning; NaN where all are.
        """
        import pandas as pd

        frame = self.difference(**options)
        support = np.array([self.support[name] for name in self.strata])
        names = tuple(self.strata)
        means = {column: weighted_mean(frame[column].to_numpy(), support, names, what=column) for column in frame}
        return pd.Series(means, name="mean difference", dtype=float)

    def _rows(self, function: Any) -> pd.DataFrame:
        import pandas as pd

        return pd.DataFrame({name: function(table) for name, table in self.strata.items()}).T

    def _repr_html_(self) -> str:
        return self.by_group.to_html(float_format="{:.3f}".format, na_rep="undefined")

    def __repr__(self) -> str:
        return self.by_group.to_string(float_format="{:.3f}".format, na_rep="undefined")
