"""Collects findings; compares each group with the rest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mxfair._validation import InputError, InputTypeError, missing, one_type, plural, vector
from mxfair.diagnosis._limits import CANNOT_KNOW
from mxfair.diagnosis._statistics import share_difference
from mxfair.diagnosis.finding import Diagnosis, Finding
from mxfair.groups import Groups
from mxfair.uncertainty import check_level

__all__ = [
    "Contrast",
    "Signs",
    "binary",
    "check_learner",
    "contrasts",
    "groups_of",
    "matrix_of",
    "members",
    "moments",
    "numeric",
    "percent",
    "points",
    "typed",
]

#: Groups with fewer rows are not compared.
FEWEST = 10


class Signs:
    """Findings of one bias."""

    def __init__(self, bias: str, level: float) -> None:
        self.bias, self.level = bias, check_level(level)
        self._findings: list[Finding] = []
        self._not_checked: dict[str, str] = {}
        self._notes: list[str] = []

    def add(
        self,
        sign: str,
        groups: str,
        statement: str,
        *,
        value: float,
        low: float = np.nan,
        high: float = np.nan,
        p: float = np.nan,
        null: float = 0.0,
    ) -> None:
        """Add a finding."""
        self._findings.append(
            Finding(
                self.bias,
                sign,
                groups,
                float(value),
                float(low),
                float(high),
                float(p),
                statement,
                CANNOT_KNOW[sign],
                null,
                level=self.level,
            )
        )

    def add_shares(self, sign: str, contrast: Contrast, mask: np.ndarray, what: str) -> None:
        """Add the difference of the shares of rows that a mask holds for, a group against the rest."""
        x, n = float(mask[contrast.inside].sum()), float(contrast.inside.sum())
        rest_x, rest_n = float(mask[contrast.outside].sum()), float(contrast.outside.sum())
        value, low, high, p = share_difference(x, n, rest_x, rest_n, self.level)
        statement = f"{what} {percent(x / n)} of {contrast.name}, and {percent(rest_x / rest_n)} of {contrast.other}."
        self.add(sign, contrast.text, statement, value=value, low=low, high=high, p=p)

    def lack(self, sign: str, needs: str) -> None:
        """Note a sign that was not checked."""
        self._not_checked[f"{self.bias}: {sign}"] = needs

    def note(self, text: str) -> None:
        """Note what a reader has to know."""
        self._notes.append(text)

    def compared(self, groups: Groups, rows: np.ndarray | None = None) -> list[Contrast]:
        """Return what to compare, and note the groups that are left out."""
        found, small = contrasts(groups, rows)
        unknown = int(groups.counts[~groups.known].sum())
        if unknown:
            self.note(f"{plural(unknown, 'row')} of unknown group are in no comparison.")
        there = np.bincount(groups.codes, minlength=groups.n_groups)[groups.known] > 0
        if there.sum() < 2:
            self.note("Fewer than two known groups: there is nothing to compare.")
        if small:
            self.note(f"Fewer than {FEWEST} rows, not compared: {', '.join(small)}.")
        return found

    def matrix(self, X: Any, *others: Any) -> tuple[np.ndarray, Sequence[str]]:
        """Return `matrix_of` the tables, and note the columns without a value."""
        matrix, names, empty = matrix_of(X, *others)
        if empty:
            self.note(f"Columns without any value, left out: {', '.join(empty)}.")
        return matrix, names

    def diagnosis(self) -> Diagnosis:
        """Return the findings, corrected for their number."""
        return Diagnosis(self._findings, self._not_checked, self._notes)


@dataclass(frozen=True)
class Contrast:
    """A group and the rest, as masks of rows."""

    name: str
    other: str
    inside: np.ndarray
    outside: np.ndarray

    @property
    def text(self) -> str:
        """Return 'a against b'."""
        return f"{self.name} against {self.other}"


def contrasts(groups: Groups, rows: np.ndarray | None = None) -> tuple[list[Contrast], list[str]]:
    """Return each known group against the rest; of two groups the smaller against the larger, once.

    Also the names of groups with too few rows to be compared; they count among the rest.
    """
    rows = np.ones(len(groups), dtype=bool) if rows is None else rows
    known = groups.known[groups.codes] & rows
    counts = np.bincount(groups.codes[known], minlength=groups.n_groups)
    places = [k for k in range(groups.n_groups) if groups.known[k] and counts[k] >= FEWEST]
    there = [k for k in range(groups.n_groups) if groups.known[k] and counts[k]]
    small = [groups.names[k] for k in there if k not in places]
    if len(there) < 2:
        return [], small
    if len(there) == 2:
        places = sorted(places, key=lambda k: counts[k])[:1]
    found = []
    for k in places:
        inside = known & (groups.codes == k)
        outside = known & ~inside
        if outside.sum() >= FEWEST:
            other = next(groups.names[j] for j in there if j != k) if len(there) == 2 else "the rest"
            found.append(Contrast(groups.names[k], other, inside, outside))
    return found, small


def members(groups: Groups, rows: np.ndarray | None = None) -> Iterator[tuple[str, np.ndarray]]:
    """Yield each known group with enough rows, and its mask."""
    rows = np.ones(len(groups), dtype=bool) if rows is None else rows
    for k, name in enumerate(groups.names):
        mask = (groups.codes == k) & rows
        if groups.known[k] and mask.sum() >= FEWEST:
            yield name, mask


def groups_of(groups: Any) -> Groups:
    """Return groups as `Groups`."""
    if groups is None:
        raise InputError("'groups' must be given; got None. Pass one group per sample.")
    return groups if isinstance(groups, Groups) else Groups(groups)


def typed(values: Any, name: str) -> np.ndarray:
    """Return values without missing ones in the type they have in common: numbers stay numbers, the rest is text."""
    array = vector(values, name)
    absent = missing(array)
    if absent.any():
        also = ", or check missing labels with selection_signs" if name == "labels" else ""
        raise InputError(
            f"'{name}' must not be missing; got {int(absent.sum())} missing values. Leave these rows out{also}."
        )
    array = one_type(array, name)
    return array if array.dtype.kind in "biufU" else array.astype(str)


def numeric(values: Any, name: str) -> tuple[np.ndarray, str | None]:
    """Return values as numbers, and of two classes, which are 0 and 1 then, what 1 is called; nothing may be missing.

    Of 0 and 1, and of False and True, that is "".
    """
    array = typed(values, name)
    levels = np.unique(array)
    if len(levels) <= 2:
        plain = array.dtype.kind in "biuf" and np.isin(levels, (0, 1)).all()
        one = (array == 1) if plain else (array == levels[-1]) & (len(levels) > 1)
        return one.astype(float), "" if plain else repr(str(levels[-1]))
    if array.dtype.kind not in "biuf":
        raise InputError(f"'{name}' must be numbers or two classes; got {len(levels)} texts. Mark the positive class.")
    if not np.isfinite(array).all():
        raise InputError(f"'{name}' must be finite; got an infinite value. Replace it, or leave these rows out.")
    return array.astype(float), None


def moments(values: Any, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return numbers as float64, or dates as datetime64[ns], and a mask of what is missing (0 there).

    Text is read as numbers or as ISO dates; times of day with a zone become UTC.
    """
    array = vector(values, name)
    absent = missing(array)
    present = array[~absent]
    try:
        read = _moments(present)
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(
            f"'{name}' must be numbers or dates; got something else ({error}). Write dates as 2025-12-31, or convert "
            "them with pandas.to_datetime."
        ) from error
    if read.dtype.kind == "f" and not np.isfinite(read).all():
        raise InputError(f"'{name}' must be finite; got an infinite value. Leave these rows out.")
    result = np.zeros(len(array), dtype=read.dtype)
    result[~absent] = read
    return result, absent


def _moments(array: np.ndarray) -> np.ndarray:
    import pandas as pd

    if array.dtype.kind == "O" and not all(isinstance(value, str) for value in array.tolist()):
        if all(isinstance(value, (int, float, np.number)) for value in array.tolist()):
            return array.astype(float)
        return pd.to_datetime(array.tolist(), utc=True).tz_localize(None).to_numpy("datetime64[ns]")
    if array.dtype.kind == "m":
        raise TypeError("durations")
    if array.dtype.kind in "OU":
        texts = array.astype(str)
        try:
            return texts.astype(float)
        except ValueError:
            return texts.astype("datetime64[ns]")
    return array.astype("datetime64[ns]" if array.dtype.kind == "M" else float)


def check_learner(learner: Any) -> Any:
    """Return a scikit-learn classifier with probabilities, a regressor or None; anything else is an error."""
    from sklearn.base import is_classifier, is_regressor

    if learner is None:
        return None
    if (
        isinstance(learner, type)
        or not hasattr(learner, "fit")
        or not (is_classifier(learner) or is_regressor(learner))
    ):
        raise InputTypeError(
            f"'learner' must be a scikit-learn classifier or regressor; got {learner!r}. Leave it out for the default."
        )
    if is_classifier(learner) and not hasattr(learner, "predict_proba"):
        raise InputError(
            f"'learner' must have predict_proba; {type(learner).__name__} has not. Wrap it in a CalibratedClassifierCV."
        )
    return learner


def binary(values: Any, name: str) -> np.ndarray:
    """Return a mask from 0 and 1 or False and True."""
    array = vector(values, name)
    array = array if missing(array).any() else one_type(array, name)
    if array.dtype.kind not in "biuf" or not np.isin(array, (0, 1)).all():
        raise InputError(f"'{name}' must hold 0 and 1, or False and True, only. Compare with a value first.")
    return array.astype(bool)


def matrix_of(X: Any, *others: Any) -> tuple[np.ndarray, Sequence[str], Sequence[str]]:
    """Return rows of one or several tables, one below the other, as standardized numbers, and the columns' names.

    Constant columns are left out; the last are the names of columns that hold no value at all.
    """
    import pandas as pd

    from mxfair.preprocessing import TabularEncoder

    frames = [_frame(part) for part in (X, *others)]
    if any(list(frame.columns) != list(frames[0].columns) for frame in frames):
        raise InputError("'X' and 'reference_X' must have the same columns in the same order. Select them first.")
    frame = pd.concat(frames, ignore_index=True)
    empty = [str(name) for name in frame.columns[~frame.notna().any()]]
    frame = frame.loc[:, frame.notna().any()]
    if not frame.shape[1]:
        raise InputError("'X' must have a column that holds values; got none.")
    encoder = TabularEncoder().fit(frame)
    matrix = np.asarray(encoder.transform(frame), dtype=float)
    varies = matrix.min(axis=0) < matrix.max(axis=0)
    names = np.asarray(encoder.get_feature_names_out(), dtype=object)
    return matrix[:, varies], [str(name) for name in names[varies]], empty


def _frame(X: Any) -> Any:
    import pandas as pd

    if isinstance(X, pd.DataFrame):
        return X.rename(columns=str)
    array = np.asarray(X.asnumpy() if hasattr(X, "asnumpy") else X)
    if array.ndim != 2:
        raise InputError(f"'X' must have shape (n_samples, n_features); got {array.shape}. Use X.reshape(-1, 1).")
    return pd.DataFrame(array, columns=[f"x{j}" for j in range(array.shape[1])])


def percent(share: float) -> str:
    """Return '12.3 %'."""
    return f"{100 * share:.1f} %"


def points(difference: float) -> str:
    """Return '12.3 points more' or '12.3 points less'."""
    return f"{100 * abs(difference):.1f} points {'more' if difference >= 0 else 'less'}"
