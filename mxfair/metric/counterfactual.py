"""What a model would predict if only the sensitive attribute were another one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Callable

import numpy as np

from mxfair._validation import InputError, InputTypeError, labels_vector, numbers, same_length, to_numpy, vector
from mxfair.group_metric import GroupMetric
from mxfair.groups import Groups
from mxfair.metric._decisions import decisions, mean_by_group

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["CounterfactualFlips", "counterfactual_change", "counterfactual_flip_rate", "counterfactual_flips"]


@dataclass(frozen=True)
class CounterfactualFlips:
    """Predictions as they are, and with one attribute set to each of its values.

    Parameters
    ----------
    column : str
        Name of the attribute.
    values : tuple
        The values it was set to.
    preds : ndarray of shape (n_samples,)
        Predictions for the samples as they are.
    counterfactual_preds : ndarray of shape (n_samples, n_values)
        Predictions with the attribute of every sample set to ``values[j]``.
    original : ndarray or data frame of n_samples rows
        The attribute as it was.
    """

    column: str
    values: tuple[Any, ...]
    preds: np.ndarray
    counterfactual_preds: np.ndarray
    original: Any

    @property
    def flipped(self) -> np.ndarray:
        """Samples whose prediction differs for at least one of the values, ndarray of bool, shape (n_samples,)."""
        return _flipped(self.preds, self.counterfactual_preds)

    def flip_rate(self, groups: Any = None, *, sample_weight: Any = None) -> GroupMetric:
        """Return the share of samples whose decision differs for at least one of the values.

        Parameters
        ----------
        groups : array-like or Groups, optional
            Groups to tell apart. Default: the attribute as it was.
        sample_weight : array of shape (n_samples,), optional
            Weight of each sample. Default: 1.

        Returns
        -------
        GroupMetric
        """
        groups = self._groups if groups is None else groups
        return counterfactual_flip_rate(self.preds, self.counterfactual_preds, groups, sample_weight=sample_weight)

    def mean_change(self, groups: Any = None, *, sample_weight: Any = None) -> GroupMetric:
        """Return the mean over samples of the largest absolute change of the prediction.

        Parameters
        ----------
        groups, sample_weight
            As for `flip_rate`.

        Returns
        -------
        GroupMetric
        """
        groups = self._groups if groups is None else groups
        return counterfactual_change(self.preds, self.counterfactual_preds, groups, sample_weight=sample_weight)

    def to_frame(self) -> pd.DataFrame:
        """Return the share of decisions that change, from the attribute as it was (rows) to each value (columns).

        Returns
        -------
        pandas.DataFrame
        """
        import pandas as pd

        changes = [self.flip_rate_to(value) for value in self.values]
        return pd.DataFrame({value: figure.by_group for value, figure in zip(self.values, changes)})

    def flip_rate_to(self, value: Any) -> GroupMetric:
        """Return the share of samples whose decision differs with the attribute set to one value.

        Parameters
        ----------
        value : one of `values`

        Returns
        -------
        GroupMetric
            By the attribute as it was.
        """
        if value not in self.values:
            raise InputError(f"'value' must be one of {list(self.values)}; got {value!r}. Name one that was tried.")
        place = self.values.index(value)
        return counterfactual_flip_rate(self.preds, self.counterfactual_preds[:, place], self._groups)

    @property
    def _groups(self) -> Groups:
        return Groups(self.original, name=self.column)

    def __repr__(self) -> str:
        changed = f"{self.flipped.mean():.4g} of the predictions change"
        return f"CounterfactualFlips({self.column} to {', '.join(map(str, self.values))}: {changed})"


def counterfactual_flip_rate(
    preds: Any, counterfactual_preds: Any, groups: Any = None, *, sample_weight: Any = None
) -> GroupMetric:
    r"""Return the share of samples whose decision changes when only the sensitive attribute does.

    .. math:: \frac{1}{n} \sum_i 1\left[ \hat y_i \ne \hat y_i^{A \leftarrow a'} \text{ for some } a' \right]

    Parameters
    ----------
    preds : array of shape (n_samples,)
        Decisions for the samples as they are; numbers or text.
    counterfactual_preds : array of shape (n_samples,) or (n_samples, n_values)
        Decisions for the same samples with the sensitive attribute set to another value, or to each of several.
    groups : array-like or Groups, optional
        Sensitive attribute of each sample, as it is. Default: everyone is one group, "all".
    sample_weight : array of shape (n_samples,), optional
        Weight of each sample. Default: 1.

    Returns
    -------
    GroupMetric
        0 is best; `overall` is the share among all samples.

    Raises
    ------
    InputError
        If shapes do not fit, or scores are given: use `counterfactual_change` for them.

    Notes
    -----
    Changing one column shows what the model makes of that column, and nothing of what it takes from features that
    depend on the attribute in the world. A rate of 0 is no counterfactual fairness in the sense of Kusner et al., whose
    counterfactuals come from a causal model; predictions for such counterfactuals can be passed here just as well.

    References
    ----------
    Kusner et al., "Counterfactual Fairness", NeurIPS 2017, definition 5.

    Examples
    --------
    >>> from mxfair.metric.counterfactual import counterfactual_flip_rate
    >>> counterfactual_flip_rate([1, 0, 1, 1], [1, 1, 1, 0], ["f", "f", "m", "m"]).overall
    0.5
    """
    array, others = decisions(preds), _table(counterfactual_preds)
    for column in others.T:
        decisions(column, "counterfactual_preds")
    return mean_by_group("counterfactual_flip_rate", _flipped(array, others).astype(float), groups, sample_weight)


def counterfactual_change(
    scores: Any, counterfactual_scores: Any, groups: Any = None, *, sample_weight: Any = None
) -> GroupMetric:
    r"""Return the mean absolute change of a score when only the sensitive attribute changes.

    .. math:: \frac{1}{n} \sum_i \max_{a'} \left| s_i - s_i^{A \leftarrow a'} \right|

    Parameters
    ----------
    scores : array of shape (n_samples,)
        Scores or predicted amounts for the samples as they are.
    counterfactual_scores : array of shape (n_samples,) or (n_samples, n_values)
        The same with the sensitive attribute set to another value, or to each of several.
    groups, sample_weight
        As for `counterfactual_flip_rate`.

    Returns
    -------
    GroupMetric
        In the unit of the scores; 0 is best.

    Examples
    --------
    >>> from mxfair.metric.counterfactual import counterfactual_change
    >>> counterfactual_change([0.5, 0.25], [0.75, 0.25], ["f", "m"]).by_group["f"]
    0.25
    """
    array, others = numbers(scores, "scores"), _table(counterfactual_scores)
    same_length(scores=array, counterfactual_scores=others)
    columns = np.column_stack([numbers(column, "counterfactual_scores") for column in others.T])
    if not (np.isfinite(array).all() and np.isfinite(columns).all()):
        raise InputError("'scores' and 'counterfactual_scores' must be finite; got NaN or infinity. Check the model.")
    change = np.abs(columns - array[:, None]).max(axis=1)
    return mean_by_group("counterfactual_change", change, groups, sample_weight)


def counterfactual_flips(
    predict: Callable[[Any], Any], X: Any, column: Any, values: Sequence[Any] | None = None
) -> CounterfactualFlips:
    """Set one attribute of all samples to each of its values and collect what a model predicts.

    Parameters
    ----------
    predict : callable
        ``predict(X)`` returns one decision, score or amount per sample, shape (n_samples,). It must give the same
        answer when asked again. Put encoders into it, so that `X` holds the attribute as a column of its own.
    X : data frame or array of shape (n_samples, n_features)
        The samples; left as they are. `predict` gets the same type.
    column : str, int or list of these
        The attribute: a column of the data frame, or its place in the array. A list for an attribute that is spread
        over several columns, such as a one-hot encoding.
    values : sequence, optional
        Values to set; with a list of columns, one row of values each. Default: those that occur.

    Returns
    -------
    CounterfactualFlips

    Raises
    ------
    InputError
        If there is no such column, a value does not fit its type, or `predict` returns another shape.

    Examples
    --------
    >>> import pandas as pd
    >>> from mxfair.metric.counterfactual import counterfactual_flips
    >>> people = pd.DataFrame({"sex": ["f", "m", "f"], "points": [3, 3, 9]})
    >>> flips = counterfactual_flips(lambda X: (X["points"] + 5 * (X["sex"] == "m") > 6).astype(int), people, "sex")
    >>> flips.flipped
    array([ True,  True, False])
    >>> flips.flip_rate().by_group["f"]
    0.5
    """
    if not callable(predict):
        raise InputTypeError(f"'predict' must be a function of X; got {type(predict).__name__}. Pass model.predict.")
    columns = list(column) if isinstance(column, (list, tuple)) else [column]
    frame = X if hasattr(X, "iloc") else to_numpy(X)
    original = _original(frame, columns)
    rows = _rows(original, values, len(columns))
    preds = _predicted(predict, frame)
    others = [_predicted(predict, _with_values(frame, columns, row)) for row in rows]
    same_length(X=frame, predictions=preds)
    name = ", ".join(str(c) if isinstance(c, str) else f"column {c}" for c in columns)
    names = tuple(row[0] if len(row) == 1 else row for row in rows)
    return CounterfactualFlips(name, names, preds, np.column_stack(others), original)


def _original(frame: Any, columns: list[Any]) -> Any:
    """Return the attribute's columns, one by name for a data frame."""
    if hasattr(frame, "iloc"):
        absent = [c for c in columns if c not in frame.columns]
        if absent:
            raise InputError(f"'column' must be one of {list(frame.columns)}; got {absent[0]!r}. Name the attribute.")
        return frame[columns]
    places = [c for c in columns if not isinstance(c, (int, np.integer)) or isinstance(c, bool)]
    if frame.ndim != 2 or places or not all(-frame.shape[1] <= c < frame.shape[1] for c in columns):
        raise InputError(
            f"'column' must be the place of a column of 'X'; got {columns} and shape {frame.shape}. Count from 0."
        )
    return frame[:, columns]


def _rows(original: Any, values: Sequence[Any] | None, width: int) -> list[tuple[Any, ...]]:
    """Return the values to set, a tuple over the columns for each."""
    if values is None:
        import pandas as pd

        found = pd.DataFrame(original).dropna().drop_duplicates()
        found = found.sort_values(list(found.columns), kind="stable") if len(found) else found
        rows = [tuple(row) for row in found.astype(object).itertuples(index=False)]
    else:
        rows = [(value,) if width == 1 else tuple(value) for value in values]
    if not rows or any(len(row) != width for row in rows):
        raise InputError(f"'values' must hold at least one value per column ({width}); got {values}. List them.")
    return rows


def _with_values(frame: Any, columns: list[Any], row: tuple[Any, ...]) -> Any:
    """Return a copy whose columns hold one value each, in the types they had."""
    if not hasattr(frame, "iloc"):
        changed = frame.copy()
        changed[:, columns] = row
        if len(changed) and not all(changed[0, c] == value for c, value in zip(columns, row)):
            raise InputError(f"'values' must fit the type of 'X' ({frame.dtype}); got {row}. Convert 'X' first.")
        return changed
    import pandas as pd

    changed = frame.copy()
    for column, value in zip(columns, row):
        kind = frame[column].dtype
        try:
            filled = pd.Series([value] * len(frame), index=frame.index, dtype=kind)
        except (TypeError, ValueError) as error:
            raise InputError(f"'values' must fit the type of {column!r} ({kind}); got {value!r}. {error}.") from error
        if filled.isna().any() and not pd.isna(value):
            raise InputError(f"'values' must be among the categories of {column!r}; got {value!r}. Add the category.")
        changed[column] = filled
    return changed


def _predicted(predict: Callable[[Any], Any], X: Any) -> np.ndarray:
    return labels_vector(
        vector(predict(X), "predictions", hint="Return one decision or score per sample"), "predictions"
    )


def _table(values: Any) -> np.ndarray:
    array = to_numpy(values)
    if array.ndim == 1:
        array = array[:, None]
    if array.ndim != 2 or array.shape[1] == 0:
        raise InputError(
            f"Counterfactual predictions must have shape (n_samples,) or (n_samples, n_values); got {array.shape}. "
            "Pass one column per value."
        )
    return array


def _flipped(preds: np.ndarray, others: np.ndarray) -> np.ndarray:
    same_length(preds=preds, counterfactual_preds=others)
    if (preds.dtype.kind == "U") != (others.dtype.kind == "U") and "O" not in (preds.dtype.kind, others.dtype.kind):
        raise InputError(
            "'preds' and 'counterfactual_preds' must hold the same values; got text and numbers. Convert one."
        )
    return np.asarray((others != preds[:, None]).any(axis=1))
