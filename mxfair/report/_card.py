"""`ModelCard`: what a model is for and how it was measured, with the report's figures filled in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mxfair._validation import InputTypeError
from mxfair.report import _files
from mxfair.report._format import count, one_line, samples
from mxfair.report._tables import Table, gap_table, rate_tables, summary_table
from mxfair.report._words import criterion_meaning, definitions

if TYPE_CHECKING:
    import os
    from pathlib import Path

    from mxfair.report._report import FairnessReport

__all__ = ["ModelCard"]

NOT_STATED = "Not stated."
#: Classes with a table of their own.
_CLASSES = 6
#: Sections of Mitchell et al. in their order, each with what the user may state about it.
_STATED = {
    "details": "Model details",
    "intended_use": "Intended use",
    "out_of_scope": "Out of scope",
    "data": "Evaluation data",
    "training_data": "Training data",
    "mitigation": "Mitigation used",
    "ethics": "Ethical considerations",
    "limits": "Caveats and recommendations",
}


@dataclass(frozen=True)
class Part:
    """A section of the card: paragraphs, what was stated, tables and notes; `level` is that of its heading."""

    title: str
    texts: tuple[str, ...] = ()
    listed: tuple[str, ...] = ()
    tables: tuple[tuple[Table, str], ...] = ()
    level: int = 2


class ModelCard:
    """A model card: what a model is for, and what was measured, section by section as Mitchell et al. have it.

    Figures and their intervals come from the report. What only people can say is what they state, word for word; a
    section about which nothing was stated says so, and nothing is made up for it.

    Parameters
    ----------
    report : FairnessReport
        Where figures come from.
    details, intended_use, out_of_scope, data, training_data, mitigation, ethics, limits : str, sequence or mapping
        What is stated: a paragraph, a list, or names with values. Default: not stated.

    Raises
    ------
    InputTypeError
        If what is stated is none of these.

    References
    ----------
    Mitchell, Wu, Zaldivar, Barnes, Vasserman, Hutchinson, Spitzer, Raji and Gebru, "Model Cards for Model Reporting",
    FAT* 2019, section 4.

    Examples
    --------
    >>> from mxfair.report import evaluate_predictions
    >>> report = evaluate_predictions([0, 1, 1, 0, 1, 1], [0, 1, 1, 1, 0, 1], list("aaabbb"))
    >>> card = report.model_card(intended_use="Ordering applications for a first reading.")
    >>> "Ordering applications" in card.to_markdown()
    True
    >>> [part.title for part in card.parts if "Not stated." in part.texts][:3]
    ['Model details', 'Out of scope', 'Evaluation data']
    """

    def __init__(
        self,
        report: FairnessReport,
        *,
        details: Any = None,
        intended_use: Any = None,
        out_of_scope: Any = None,
        data: Any = None,
        training_data: Any = None,
        mitigation: Any = None,
        ethics: Any = None,
        limits: Any = None,
    ) -> None:
        self.report = report
        stated = {
            "details": details,
            "intended_use": intended_use,
            "out_of_scope": out_of_scope,
            "data": data,
            "training_data": training_data,
            "mitigation": mitigation,
            "ethics": ethics,
            "limits": limits,
        }
        self._stated = {name: _lines(value, name) for name, value in stated.items() if value is not None}

    @property
    def title(self) -> str:
        """Heading of the card."""
        names = ", ".join(one_line(name, 60) for name in self.report.names)
        return f"Model card: {names}"

    @property
    def parts(self) -> list[Part]:
        """The sections in order."""
        report = self.report
        context = tuple(f"{one_line(key)}: {one_line(value)}" for key, value in report.context.items())
        return [
            self._part("details", extra=tuple(f"Model measured: {one_line(name)}" for name in report.names)),
            self._part("intended_use"),
            self._part("out_of_scope", level=3),
            Part("Factors", listed=_factors(report)),
            Part("Metrics", (report.sentence,), tuple(f"{key}: {text}" for key, text in _meanings(report).items())),
            self._part("data", extra=(f"Measured on {samples(report.baseline.n_samples)}.", *context)),
            self._part("training_data"),
            self._part("mitigation", level=3),
            Part("Quantitative analyses", (_INTERVALS,), tables=_tables(report)),
            self._part("ethics"),
            self._part("limits"),
            Part("What is not known", listed=tuple(report.not_known), level=3),
        ]

    def _part(self, name: str, *, extra: tuple[str, ...] = (), level: int = 2) -> Part:
        """Return a section with what was stated, or with the statement that nothing was, and what was recorded."""
        texts, listed = self._stated.get(name, ((NOT_STATED,), ()))
        return Part(_STATED[name], texts, (*listed, *extra), level=level)

    def to_markdown(self) -> str:
        """Return the card as Markdown, every text escaped.

        Returns
        -------
        str
        """
        from mxfair.report._text import escape, markdown_table

        pieces = [f"# {escape(self.title)}"]
        for part in self.parts:
            pieces.append(f"{'#' * part.level} {part.title}")
            pieces += [escape(text) for text in part.texts]
            if part.listed:
                pieces.append("\n".join(f"- {escape(text)}" for text in part.listed))
            for table, _ in part.tables:
                pieces += [f"### {escape(table.title)}", markdown_table(table)]
        return "\n\n".join(pieces) + "\n"

    def to_html(self) -> str:
        """Return the card as one self-contained HTML page.

        Returns
        -------
        str
        """
        from mxfair.report._html import environment, version

        template = environment().get_template("card.html.j2")
        return template.render(title=self.title, parts=self.parts, version=version())

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the card to a file; one that is there is replaced only by a complete new one.

        Parameters
        ----------
        path : str or path
            Its suffix says the format: .md or .html.

        Returns
        -------
        Path

        Raises
        ------
        InputError
            If the suffix is another one or the folder does not exist.
        """
        return _files.save(path, {".md": self.to_markdown, ".html": self.to_html})

    def _repr_markdown_(self) -> str:
        return self.to_markdown()

    def __repr__(self) -> str:
        return f"ModelCard({', '.join(self.report.names)}; stated: {', '.join(self._stated) or 'nothing'})"


_INTERVALS = "Below each figure, or in brackets, stands its 95 % interval; n/a marks what is undefined."


def _lines(value: Any, name: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return paragraphs and list items of what was stated."""
    if isinstance(value, str):
        texts = tuple(piece.strip() for piece in value.split("\n\n") if piece.strip())
        return (texts or (NOT_STATED,)), ()
    if isinstance(value, Mapping):
        return (), tuple(f"{key}: {item}" for key, item in value.items())
    if isinstance(value, Sequence):
        return (), tuple(str(item) for item in value)
    raise InputTypeError(f"'{name}' must be text, a list or a mapping; got {type(value).__name__}. Write a sentence.")


def _factors(report: FairnessReport) -> tuple[str, ...]:
    """Return the groups with their samples, and what gaps were conditioned on."""
    table = report.baseline.table
    lines = [f"Attribute: {one_line(report.attribute)}"]
    for group, known, n in zip(table.groups, table.known, report.baseline.support):
        note = "" if known else " (not recorded; left out of gaps)"
        lines.append(f"Group {one_line(group)}: {samples(n)}{note}")
    if getattr(report.baseline, "strata", None):
        levels = ", ".join(one_line(level, 60) for level in report.baseline.strata)
        lines.append(f"Gaps within levels of {one_line(report.baseline.control)}: {levels}")
    return tuple(lines)


def _meanings(report: FairnessReport) -> dict[str, str]:
    settings = {"How gaps are taken": report.settings.in_words} if report.settings.in_words else {}
    return {**settings, **definitions(report), **criterion_meaning(report)}


def _tables(report: FairnessReport) -> tuple[tuple[Table, str], ...]:
    """Return the summary, the gaps and the rates, with their captions."""
    found = [(summary_table(report), "Over all samples."), (gap_table(report), "Gaps between the known groups.")]
    rates = rate_tables(report, max_classes=_CLASSES, intervals=True)
    found += [(table, f"{table.title}; {count(report.baseline.n_samples)} samples.") for table in rates]
    return tuple(found)
