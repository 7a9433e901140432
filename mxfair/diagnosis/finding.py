"""What a diagnosis says: one `Finding` for each sign and group, and the `Diagnosis` that holds them."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from mxfair.metric._proportions import corrected

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Diagnosis", "Finding"]

#: Columns of the text.
_WIDTH = 120
#: Colours of a table in a terminal.
_FOUND, _QUIET = "bold yellow", "dim"


@dataclass(frozen=True)
class Finding:
    """One sign of a bias, measured.

    Parameters
    ----------
    bias : str
        "selection", "confirmation", "anchoring" or "availability".
    sign : str
        What was measured.
    groups : str
        The group, or "a against b".
    value : float
        In the unit that `statement` says; NaN where nothing could be measured.
    low, high : float
        Interval of `value` at the diagnosis's level, not widened for the number of findings; NaN where there is none.
    p_value : float
        Of no bias; NaN for what is described and not tested.
    statement : str
        What was measured, as a sentence.
    cannot_know : str
        What the figure cannot tell.
    null : float, default=0.0
        The value without bias.
    adjusted_p_value : float, default=nan
        Corrected by Holm's method for all tests of the diagnosis; a `Diagnosis` fills it in.
    level : float, default=0.95
        Confidence level; a sign is found where the adjusted p-value is below 1 - level.

    Examples
    --------
    >>> finding = Finding("selection", "share", "f", -0.2, -0.3, -0.1, 0.01, "f is too rare.", "Not why.")
    >>> Diagnosis([finding])[0].sentence
    'f is too rare. Chance does not explain this (p = 0.01).'
    """

    bias: str
    sign: str
    groups: str
    value: float
    low: float
    high: float
    p_value: float
    statement: str
    cannot_know: str
    null: float = 0.0
    adjusted_p_value: float = math.nan
    level: float = 0.95

    @property
    def found(self) -> bool | None:
        """Whether chance does not explain the value; None where nothing was tested."""
        return None if math.isnan(self.adjusted_p_value) else self.adjusted_p_value < 1 - self.level

    @property
    def sentence(self) -> str:
        """The statement, and whether chance explains it."""
        if self.found is None:
            return self.statement
        p = f"p = {self.adjusted_p_value:.2g}" if self.adjusted_p_value >= 0.001 else "p < 0.001"
        return f"{self.statement} {'Chance does not explain this' if self.found else 'Chance may explain this'} ({p})."


class Diagnosis(Sequence[Finding]):
    """Findings, what was not checked for lack of input, and notes.

    P-values are corrected together (Holm 1979): the chance that anything is found where nothing is, is at most
    1 - level. Two diagnoses add up to one, corrected anew.

    Parameters
    ----------
    findings : sequence of Finding
    not_checked : mapping of str to str, optional
        Signs that were not checked, and the input that they need.
    notes : sequence of str, optional
        Rows that were left out, and why.

    Examples
    --------
    >>> from mxfair.diagnosis import selection_signs
    >>> diagnosis = selection_signs(groups=["f"] * 30 + ["m"] * 70, reference={"f": 0.5, "m": 0.5})
    >>> [finding.sign for finding in diagnosis.found]
    ['share against the reference']
    """

    def __init__(
        self, findings: Sequence[Finding], not_checked: Mapping[str, str] | None = None, notes: Sequence[str] = ()
    ) -> None:
        p_values = np.array([finding.p_value for finding in findings], dtype=float)
        tested = ~np.isnan(p_values)
        adjusted = np.full(len(p_values), np.nan)
        adjusted[tested] = corrected(p_values[tested], "holm")
        self.findings = tuple(replace(f, adjusted_p_value=float(p)) for f, p in zip(findings, adjusted))
        self.not_checked = dict(not_checked or {})
        self.notes = tuple(dict.fromkeys(notes))

    def __len__(self) -> int:
        return len(self.findings)

    def __getitem__(self, place: Any) -> Any:
        return self.findings[place]

    def __iter__(self) -> Iterator[Finding]:
        return iter(self.findings)

    def __add__(self, other: Diagnosis) -> Diagnosis:
        """Return both as one: p-values are corrected for all tests."""
        not_checked = {**self.not_checked, **other.not_checked}
        return Diagnosis([*self.findings, *other.findings], not_checked, [*self.notes, *other.notes])

    @property
    def found(self) -> tuple[Finding, ...]:
        """The signs that chance does not explain, the largest evidence first."""
        return tuple(sorted((f for f in self.findings if f.found), key=lambda finding: finding.p_value))

    def to_frame(self) -> pd.DataFrame:
        """Return a row per finding.

        Returns
        -------
        pandas.DataFrame
            ``bias``, ``sign``, ``groups``, ``value``, ``low``, ``high``, ``null``, ``p_value``, ``adjusted_p_value``,
            ``found`` (None where nothing was tested), ``sentence`` and ``cannot_know``.
        """
        import pandas as pd

        names = ["bias", "sign", "groups", "value", "low", "high", "null", "p_value", "adjusted_p_value", "found"]
        names += ["sentence", "cannot_know"]
        rows = [[getattr(finding, name) for name in names] for finding in self.findings]
        return pd.DataFrame(rows, columns=names)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain values, None in the place of what is not finite, so that it is JSON.

        Returns
        -------
        dict
            ``findings`` (a list), ``not_checked`` and ``notes``.
        """
        rows = [{**asdict(f), "found": f.found, "sentence": f.sentence} for f in self.findings]
        plain = [{key: _plain(value) for key, value in row.items()} for row in rows]
        return {"findings": plain, "not_checked": dict(self.not_checked), "notes": list(self.notes)}

    def __str__(self) -> str:
        lines = [self._heading()]
        for finding in self.findings:
            mark = {True: "!", False: " ", None: "-"}[finding.found]
            lines.append(f"{mark} {finding.bias}: {finding.sentence}")
        limits = dict.fromkeys(f"{f.sign}: {f.cannot_know}" for f in self.findings)
        lines += ["What this cannot tell:", *(f"  {limit}" for limit in limits)] if limits else []
        if self.not_checked:
            lines.append("Not checked, for lack of input:")
            lines += [f"  {sign}: needs {needs}" for sign, needs in self.not_checked.items()]
        lines += [f"Note: {note}" for note in self.notes]
        kept = [line.replace("(p ", "(p\0").replace("\0< ", "\0<\0").replace("\0= ", "\0=\0") for line in lines]
        text = "\n".join(textwrap.fill(line, _WIDTH, subsequent_indent="    ") for line in kept)
        return text.replace("\0", " ")

    def __repr__(self) -> str:
        return f"Diagnosis({self._heading().rstrip('.')})"

    def _heading(self) -> str:
        tested = sum(f.found is not None for f in self.findings)
        described = len(self.findings) - tested
        return f"{len(self.found)} of {tested} tested signs found, {described} described, " + (
            f"{len(self.not_checked)} not checked."
        )

    def __rich__(self) -> Any:
        """Return a table for a terminal."""
        from rich.table import Table
        from rich.text import Text

        table = Table(title=self._heading(), title_justify="left", box=None, pad_edge=False)
        for name in ("bias", "sign", "groups"):
            table.add_column(name)
        for name in ("value", "interval", "p"):
            table.add_column(name, justify="right")
        for f in self.findings:
            interval = "" if math.isnan(f.low) else f"{f.low:.3f} to {f.high:.3f}"
            p = "" if math.isnan(f.adjusted_p_value) else f"{f.adjusted_p_value:.2g}"
            cells = [f.bias, f.sign, f.groups, f"{f.value:.3f}", interval, p]
            table.add_row(*map(Text, cells), style=_FOUND if f.found else _QUIET if f.found is False else "")
        return table


def _plain(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value.item() if isinstance(value, np.generic) else value
