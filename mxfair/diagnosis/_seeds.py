"""Models trained several times: how far they differ on whom, and by what kind of start."""

from __future__ import annotations

from typing import Any

import numpy as np

from mxfair._validation import InputError, InputTypeError, plural, same_length, to_numpy
from mxfair.diagnosis._signs import Contrast, Signs, typed
from mxfair.groups import Groups

__all__ = ["of_spread", "seeds"]


def seeds(signs: Signs, predictions: Any, starts: Any, groups: Groups) -> None:
    array = to_numpy(predictions)
    if array.ndim != 2 or len(array) < 2 or array.shape[1] != len(groups):
        raise InputError(
            f"'predictions' must have a row for each of two models or more and a column for each of the {len(groups)} "
            f"samples; got shape {array.shape}. Stack the predictions of the seeds."
        )
    array = typed(array.reshape(-1), "predictions").reshape(array.shape)
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise InputError("'predictions' must be finite; got an infinite value. Check the models.")
    kinds = None if starts is None else typed(starts, "starts").astype(str)
    same_length(predictions=array, starts=kinds)
    counts = None if kinds is None else np.unique(kinds, return_counts=True)[1]
    if counts is not None and (len(counts) < 2 or counts.min() < 2):
        raise InputError("'starts' must hold two kinds or more, with two models or more each. Train more models.")
    values = np.unique(array)
    decisions = array.dtype.kind != "f" or set(values.tolist()) <= {0.0, 1.0}
    apart = _apart(array, values) if decisions else array.std(axis=0, ddof=1)
    several = decisions and len(values) > 2
    if several:
        signs.note(
            f"Decisions are of {len(values)} classes: gaps over seeds are not measured. Mark one of them as 1 and 0."
        )
    for contrast in signs.compared(groups):
        _wavering(signs, apart, contrast, decisions)
        if not several:
            mean = (array == values[-1]).astype(float) if decisions else array.astype(float)
            gaps = mean[:, contrast.inside].mean(axis=1) - mean[:, contrast.outside].mean(axis=1)
            _gap(signs, gaps, contrast.text)
            if kinds is not None:
                _starts(signs, gaps, kinds, contrast.text)


def _apart(array: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return, for each row, the share of pairs of models that decide otherwise."""
    k = len(array)
    return (1 - sum((array == value).mean(axis=0) ** 2 for value in values)) * k / (k - 1)


def _wavering(signs: Signs, apart: np.ndarray, contrast: Contrast, decisions: bool) -> None:
    """Compare how far models differ on the rows of a group and of the rest (Welch's test)."""
    from scipy.stats import mannwhitneyu, ttest_ind

    own, rest = apart[contrast.inside], apart[contrast.outside]
    value = float(own.mean() - rest.mean())
    if np.ptp(own) == 0 and np.ptp(rest) == 0:  # no variance to test with: ranks tell
        low = high = np.nan
        p = 1.0 if value == 0 else float(mannwhitneyu(own, rest).pvalue)
    else:
        test = ttest_ind(own, rest, equal_var=False)
        (low, high), p = test.confidence_interval(signs.level), float(test.pvalue)
    shown = [f"{100 * v:.1f} %" if decisions else f"{v:.3g}" for v in (own.mean(), rest.mean())]
    what = "Two models decide otherwise on" if decisions else "The models' scores have a deviation of"
    verb = "of the rows of" if decisions else "on"
    statement = f"{what} {shown[0]} {verb} {contrast.name}, and {shown[1]} {verb} {contrast.other}."
    signs.add("spread over seeds", contrast.text, statement, value=value, low=low, high=high, p=p)


def _starts(signs: Signs, gaps: np.ndarray, kinds: np.ndarray, text: str) -> None:
    from scipy.stats import f_oneway

    names = np.unique(kinds)
    parts = [gaps[kinds == kind] for kind in names]
    if max(map(np.ptp, parts)) == 0:
        signs.note("All models of a start have the same gap, as if they had one seed: starts are not compared.")
        return
    means = [float(part.mean()) for part in parts]
    listed = ", ".join(f"{kind} {mean:+.3f}" for kind, mean in zip(names, means))
    statement = f"The gap of {text} by start: {listed}."
    signs.add("gap between starts", text, statement, value=max(means) - min(means), p=f_oneway(*parts).pvalue)


def _gap(signs: Signs, gaps: np.ndarray, text: str) -> None:
    """Add the spread of a gap over seeds, with the interval of a standard deviation of normal values."""
    from scipy.stats import chi2

    k, sd = len(gaps), float(np.std(gaps, ddof=1))
    tail = (1 - signs.level) / 2
    low, high = (sd * np.sqrt((k - 1) / chi2.ppf(q, k - 1)) for q in (1 - tail, tail))
    statement = f"Over {k} models the gap of {text} is {gaps.min():+.3f} to {gaps.max():+.3f}, deviation {sd:.3f}."
    signs.add("gap over seeds", text, statement, value=sd, low=low, high=high)


def of_spread(signs: Signs, spread: Any) -> None:
    if not (hasattr(spread, "gap") and hasattr(spread, "disagreement")):
        raise InputTypeError(f"'spread' must be a SeedSpread; got {spread!r}. Call mxfair.ensemble.seed_spread.")
    gaps = np.asarray(spread.gap, dtype=float)
    undefined = int((~np.isfinite(gaps)).sum())
    if undefined:
        signs.note(f"The gap of {plural(undefined, 'member')} is undefined, and left out.")
    gaps = gaps[np.isfinite(gaps)]
    if len(gaps) < 2:
        raise InputError("'spread' must hold the gaps of two members or more. Train more members.")
    _gap(signs, gaps, spread.criterion)
    by_group = spread.disagreement.by_group if hasattr(spread.disagreement, "by_group") else {}
    for name, value in dict(by_group).items():
        statement = f"Two members decide otherwise on {100 * value:.1f} % of the rows of {name}."
        signs.add("spread over seeds", str(name), statement, value=value)
