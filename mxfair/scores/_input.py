"""What the table and the exact figures share: checks of scores and labels, reasons, and the reliability table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mxfair._validation import InputError, numbers, to_numpy, vector
from mxfair.uncertainty import wilson_interval

if TYPE_CHECKING:
    import pandas as pd


def positive_class(classes: np.ndarray, positive: Any | None) -> Any:
    """Return the label that counts as positive, as a Python value; only of two classes is it clear by itself."""
    values = classes.tolist()
    if positive is None and len(values) != 2:
        raise InputError(
            f"'positive' must be given unless there are two classes; got {len(values)} ({values[:10]}). "
            "Name the class that the scores speak for."
        )
    if positive is not None and positive not in values:
        raise InputError(f"'positive' must be one of the classes {values[:10]}; got {positive!r}. Name one of them.")
    return values[-1] if positive is None else values[values.index(positive)]


def finite_scores(values: Any, *, low: float = -np.inf, high: float = np.inf) -> np.ndarray:
    """Return scores as a 1-D array of float32 or float64, finite and between `low` and `high`."""
    array = vector(to_numpy(values), "scores", hint="Pass the positive class's score of each sample")
    if array.dtype not in (np.float32, np.float64):
        array = array.astype(np.float32) if array.dtype == np.float16 else numbers(array, "scores")
    if len(array) and not (low <= array.min() and array.max() <= high and np.isfinite(array).all()):
        if not np.isfinite(array).all():
            raise InputError("'scores' must be finite numbers; got others. A model that diverged predicts NaN.")
        wrong = array[(array < low) | (array > high)][0]
        raise InputError(
            f"'scores' must be between {low:g} and {high:g}; got {wrong:g}. Pass probabilities: apply the sigmoid "
            "function to logits; or, for a table, state the range with 'low' and 'high'."
        )
    return array


def absent_labels(groups: Sequence[str], sizes: np.ndarray) -> dict[str, str]:
    """Return which label a group lacks, for groups that lack one; sizes by group of negatives and positives."""
    reasons = {(True, True): "no samples", (True, False): "no negative samples", (False, True): "no positive samples"}
    lacking = [(bool(negatives == 0), bool(positives == 0)) for negatives, positives in sizes]
    return {group: reasons[key] for group, key in zip(groups, lacking) if key in reasons}


def reliability_frame(
    groups: Sequence[str],
    edges: np.ndarray,
    support: np.ndarray,
    positive: np.ndarray,
    scores: np.ndarray,
    level: float,
) -> pd.DataFrame:
    """Return a row for each group and bin that holds samples, from sums of shape (n_groups, n_bins)."""
    import pandas as pd

    rows, columns = np.nonzero(support)
    mass = support[rows, columns]
    share = positive[rows, columns] / mass
    lower, upper = wilson_interval(positive[rows, columns], mass, level=level)
    return pd.DataFrame(
        {
            "group": np.array(groups, dtype=object)[rows],
            "bin low": edges[rows, columns],
            "bin high": edges[rows, columns + 1],
            "mean score": scores[rows, columns] / mass,
            "share positive": share,
            "support": mass,
            "interval low": lower,
            "interval high": upper,
        }
    )
