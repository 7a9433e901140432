"""`Attribution`: what each feature contributes to the explained number of each row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mxfair._validation import InputError, same_length, to_numpy
from mxfair.explain._columns import Columns, columns_of
from mxfair.explain._raw_data import chosen_data, raw_data
from mxfair.explain._summaries import by_group_frame, importance_frame

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Attribution"]


class Attribution:
    """What each feature contributes to a model's output for each row, against a background.

    ``values.sum(axis=1) + base_values`` is the output up to `additivity_error`.

    Parameters
    ----------
    values : array of float, shape (n_samples, n_features) or (n_samples, ...) for images
        Contributions, in the unit of the explained output.
    base_values : float or array of shape (n_samples,)
        The output's mean over the background (or its value at the baseline).
    outputs : array of float, shape (n_samples,)
        The explained output.
    data : array of shape (n_samples, n_features) or (n_samples, ...)
        The explained rows.
    method : str
        Name of the method.
    output_name : str, default="output"
        What the output is, as in "logit".
    feature_names : sequence of str, optional
        Default: x0, x1, ...
    columns : TabularEncoder or mapping of column to features, optional
        Raw columns, for `grouped`. Default: each feature is one.
    standard_errors : array like `values`, optional
        Monte Carlo error of each contribution, for methods that sample.

    Examples
    --------
    >>> attribution = Attribution([[1.0, -1.0]], 0.5, [0.5], [[3.0, 2.0]], "by hand", feature_names=["age", "job"])
    >>> attribution.additivity_error
    0.0
    >>> attribution.to_frame()
       age  job
    0  1.0 -1.0
    """

    def __init__(
        self,
        values: Any,
        base_values: Any,
        outputs: Any,
        data: Any,
        method: str,
        *,
        output_name: str = "output",
        feature_names: Any = None,
        columns: Any = None,
        standard_errors: Any | None = None,
    ) -> None:
        self.values = np.asarray(values, dtype=np.float64)
        self.outputs = np.asarray(outputs, dtype=np.float64)
        self.data = data if hasattr(data, "iloc") else to_numpy(data)
        self.method, self.output_name = method, output_name
        if len(self.values) != len(self.outputs) or self.values.shape != self.data.shape:
            raise InputError(
                f"'values' must have the shape of 'data', {self.data.shape}, and a row per output; got "
                f"{self.values.shape} and {len(self.outputs)} outputs."
            )
        self.base_values = np.broadcast_to(np.asarray(base_values, dtype=np.float64), self.outputs.shape)
        self.standard_errors = None if standard_errors is None else np.asarray(standard_errors, dtype=np.float64)
        self.columns: Columns | None = None
        if self.values.ndim == 2:
            self.columns = columns if isinstance(columns, Columns) else columns_of(data, columns, feature_names)

    @property
    def feature_names(self) -> list[str]:
        """Names of the features; none for images."""
        return [] if self.columns is None else list(self.columns.feature_names)

    @property
    def residuals(self) -> np.ndarray:
        """What the contributions miss of each row's output, shape (n_samples,)."""
        return self.outputs - self.base_values - self.values.reshape(len(self.values), -1).sum(axis=1)

    @property
    def additivity_error(self) -> float:
        """Mean absolute residual over the standard deviation of the outputs (over 1 if these are all alike)."""
        spread = float(self.outputs.std()) if len(self.outputs) > 1 else 0.0
        return float(np.abs(self.residuals).mean() / (spread or 1.0))

    def to_frame(self) -> pd.DataFrame:
        """Return the contributions, a row per sample and a column per feature.

        Returns
        -------
        pandas.DataFrame
        """
        import pandas as pd

        self._tabular()
        return pd.DataFrame(self.values, columns=self.feature_names)

    def grouped(self, data: Any = None) -> Attribution:
        """Return the contributions of raw columns: those of a column's features, summed.

        Parameters
        ----------
        data : data frame, optional
            The rows as they were before encoding, for plots. Default: read back from the features; NaN or None where
            these do not tell. Numbers stay as the encoder scaled them.

        Returns
        -------
        Attribution
            Itself where each feature is a column. Its standard errors, if any, are the sums of those of the features:
            the most they can be.

        Raises
        ------
        InputError
            If the attribution is one of images, or the data frame lacks a column or has other rows.

        Examples
        --------
        >>> columns = {"job": [0, 1], "age": 2}
        >>> names = ["job=a", "job=b", "age"]
        >>> found = Attribution(
        ...     [[1.0, 2.0, 3.0]], 0.0, [6.0], [[0, 1, 9]], "by hand", columns=columns, feature_names=names
        ... )
        >>> found.grouped().to_frame()
           job  age
        0  3.0  3.0
        >>> found.grouped().data
          job  age
        0   b    9
        """
        columns = self._tabular()
        if data is None and not columns.grouped:
            return self
        errors = self.standard_errors
        return Attribution(
            self.values @ columns.matrix,
            self.base_values,
            self.outputs,
            raw_data(self.data, columns) if data is None else chosen_data(data, columns.names, len(self)),
            self.method,
            output_name=self.output_name,
            feature_names=columns.names,
            standard_errors=None if errors is None else errors @ columns.matrix,
        )

    def importance(self) -> pd.DataFrame:
        """Return how much each raw column moves the output: the mean of its contributions' sizes.

        Returns
        -------
        pandas.DataFrame
            A row per raw column, the largest first: ``mean_absolute``, its ``standard_error`` over the rows, and
            ``mean``, the contribution with its sign.

        Raises
        ------
        InputError
            If the attribution is one of images.

        Examples
        --------
        >>> found = Attribution([[1.0, 3.0], [-1.0, 5.0]], 0, [4, 4], [[0, 0], [0, 0]], "by hand")
        >>> found.importance()
            mean_absolute  standard_error  mean
        x1            4.0             1.0   4.0
        x0            1.0             0.0   0.0
        """
        return importance_frame(self.grouped())

    def by_group(self, groups: Any) -> pd.DataFrame:
        """Return the mean contributions of each raw column in each group.

        Parameters
        ----------
        groups : array of shape (n_samples,), data frame or Groups
            See `mxfair.Groups`.

        Returns
        -------
        pandas.DataFrame
            A row per group and raw column: ``mean_absolute`` and ``mean``, each with its standard error over the rows,
            and the group's ``count``. NaN where a group has too few rows.

        Raises
        ------
        InputError
            If the attribution is one of images, or there is not one group per row.

        Examples
        --------
        >>> found = Attribution([[1.0], [-1.0], [2.0]], 0, [1, -1, 2], [[0], [0], [0]], "by hand")
        >>> found.by_group(["f", "f", "m"])[["mean_absolute", "mean", "count"]]
                      mean_absolute  mean  count
        group column
        f     x0                1.0   0.0      2
        m     x0                2.0   2.0      1
        """
        from mxfair.groups import Groups

        own = groups if isinstance(groups, Groups) else Groups(groups)
        same_length(rows=self.values, groups=own.codes)
        return by_group_frame(self.grouped(), own)

    def take(self, indices: Any) -> Attribution:
        """Return the attribution of some rows.

        Parameters
        ----------
        indices : array of int or bool
            Rows to keep.

        Returns
        -------
        Attribution

        Examples
        --------
        >>> Attribution([[1.0], [2.0]], 0, [1, 2], [[0], [0]], "by hand").take([1]).values
        array([[2.]])
        """
        rows = to_numpy(indices)
        rows = rows.astype(np.int64) if rows.size == 0 else rows
        errors = self.standard_errors
        return Attribution(
            self.values[rows],
            self.base_values[rows],
            self.outputs[rows],
            self.data.iloc[rows] if hasattr(self.data, "iloc") else to_numpy(self.data)[rows],
            self.method,
            output_name=self.output_name,
            columns=self.columns,
            standard_errors=None if errors is None else errors[rows],
        )

    def to_shap(self) -> Any:
        """Return a ``shap.Explanation``, so that the plots of the shap package can be used.

        Returns
        -------
        shap.Explanation

        Raises
        ------
        InputError
            If shap is not installed: it is an optional extra.
        """
        try:
            import shap
        except ImportError as error:
            raise InputError(f"shap must be installed for this; {error}. Run pip install 'mxfair[shap]'.") from error
        return shap.Explanation(
            values=self.values,
            base_values=self.base_values.copy(),
            data=to_numpy(self.data),
            feature_names=self.feature_names or None,
            output_names=None,
        )

    def __len__(self) -> int:
        return len(self.values)

    def __repr__(self) -> str:
        shape = " x ".join(f"{size:,}" for size in self.values.shape)
        error = self.additivity_error
        adds = "not additive" if np.isnan(error) else f"additivity error {error:.2g}"
        return f"Attribution({self.method} of the {self.output_name}: {shape}, {adds})"

    def _tabular(self) -> Columns:
        if self.columns is None:
            raise InputError(f"The data must be a table for this; got shape {self.values.shape}. Use plots.image.")
        return self.columns
