"""Collects findings; compares each group with the rest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mxfair._validation import InputError, missing, plural, vector
from mxfair.diagnosis._limits import CANNOT_KNOW
from mxfair.diagnosis._statistics import share_difference
from mxfair.diagnosis.finding import Diagnosis, Finding
from mxfair.groups import Groups
from mxfair.uncertainty import check_level

__all__ = [
    "Contrast",
    "Signs",
    "binary",
    "contrasts",
    "groups_of",
    "matrix_of",
    "members",
    "numeric",
    "percent",
    "points",
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
        if small:
            self.note(f"Fewer than {FEWEST} rows, not compared: {', '.join(small)}.")
        return found

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


def numeric(values: Any, name: str) -> tuple[np.ndarray, bool]:
    """Return values as numbers, two classes as 0 and 1, and whether they are classes; nothing may be missing."""
    array = vector(values, name)
    absent = missing(array)
    if absent.any():
        raise InputError(
            f"'{name}' must not be missing; got {int(absent.sum())} missing values. Leave these rows out, or check "
            "missing labels with selection_signs."
        )
    levels = np.unique(array.astype(str) if array.dtype.kind == "O" else array)
    if len(levels) <= 2:
        return (np.asarray(array.astype(levels.dtype) == levels[-1], dtype=float)) * (len(levels) > 1), True
    if array.dtype.kind not in "biuf":
        raise InputError(f"'{name}' must be numbers or two classes; got {len(levels)} texts. Mark the positive class.")
    return array.astype(float), False


def binary(values: Any, name: str) -> np.ndarray:
    """Return a mask from 0 and 1 or False and True."""
    array = vector(values, name)
    if array.dtype.kind not in "biuf" or not np.isin(array, (0, 1)).all():
        raise InputError(f"'{name}' must hold 0 and 1, or False and True, only. Compare with a value first.")
    return array.astype(bool)


def matrix_of(X: Any, *others: Any) -> tuple[np.ndarray, Sequence[str]]:
    """Return rows of one or several tables, one below the other, as standardized numbers, and their names."""
    import pandas as pd

    from mxfair.preprocessing import TabularEncoder

    frames = [_frame(part) for part in (X, *others)]
    if any(list(frame.columns) != list(frames[0].columns) for frame in frames):
        raise InputError("'X' and 'reference_X' must have the same columns in the same order. Select them first.")
    frame = pd.concat(frames, ignore_index=True)
    frame = frame.loc[:, frame.notna().any()]
    if not frame.shape[1]:
        raise InputError("'X' must have a column that holds values; got none.")
    encoder = TabularEncoder().fit(frame)
    matrix = np.asarray(encoder.transform(frame), dtype=float)
    varies = matrix.min(axis=0) < matrix.max(axis=0)
    names = np.asarray(encoder.get_feature_names_out(), dtype=object)
    return matrix[:, varies], [str(name) for name in names[varies]]


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
