"""`Attribution`: what each feature contributes to the explained number of each row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mxfair._validation import InputError
from mxfair.explain._columns import Columns, columns_of

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
        self.data = data
        self.method, self.output_name = method, output_name
        if len(self.values) != len(self.outputs) or self.values.shape != np.shape(data):
            raise InputError(
                f"'values' must have the shape of 'data', {np.shape(data)}, and a row per output; got "
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

    def _tabular(self) -> Columns:
        if self.columns is None:
            raise InputError(f"The data must be a table for this; got shape {self.values.shape}. Use plots.image.")
        return self.columns
