"""`ExplanationReport`: what drives the gap of one or several models."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mxfair._short_repr import short_repr
from mxfair._validation import InputError
from mxfair.explain.attribution import Attribution
from mxfair.explain.comparison import GapComparison
from mxfair.explain.decomposition import GapDecomposition
from mxfair.explain.dependence import PartialDependence
from mxfair.explain.importance import Importance
from mxfair.groups import Groups
from mxfair.report import _explain_frames, _explain_words, _files

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ExplanationReport", "ModelExplanation"]


@dataclass(frozen=True, eq=False)
class ModelExplanation:
    """What was measured of one model.

    Parameters
    ----------
    name : str
    gap : GapDecomposition
        The gap between mean outputs.
    conditional : GapDecomposition or None
        The gaps among samples of one label, where a criterion asked for them.
    seen : GapDecomposition or None
        The same gap against a background of the second group.
    importance : Importance
    dependence : list of PartialDependence
        Curves of the columns that contribute most.
    attribution : Attribution
        Contributions of each row.

    Examples
    --------
    >>> from mxfair.report import ModelExplanation
    >>> [name for name in ModelExplanation.__dataclass_fields__][:2]
    ['name', 'gap']
    """

    name: str
    gap: GapDecomposition
    conditional: GapDecomposition | None
    seen: GapDecomposition | None
    importance: Importance
    dependence: list[PartialDependence]
    attribution: Attribution

    __repr__ = short_repr


class ExplanationReport:
    """What drives the gap of one or several models on the same rows; `mxfair.report.explain` returns it.

    Parameters
    ----------
    models : sequence of ModelExplanation
        The first one is the baseline.
    groups : Groups
        The group of each row.
    task : {"classification", "regression"}
    title : str, optional
        Heading. Default: from the attribute's name.
    proxies : DataFrame, optional
        Of the first model, what `GapDecomposition.proxies` returns.
    background : int, default=100
        Rows that contributions are measured against.
    notes : sequence of str, optional
        What was not measured, and why, and what was warned of.
    context : mapping of str to str or number, optional
        Where the numbers come from.

    Attributes
    ----------
    names : list of str
        Names of the models.
    attribute : str
        Name of the sensitive attribute.

    Examples
    --------
    >>> import numpy as np
    >>> from mxfair import report
    >>> X = np.random.default_rng(0).normal(size=(200, 2))
    >>> groups = np.where(X[:, 0] + X[:, 1] > 0, "a", "b")
    >>> labels = (X[:, 0] > 0).astype(int)
    >>> found = report.explain(lambda X: 2 * X[:, 0], X, labels, groups, returns="logit")
    >>> found.names, found.attribute
    (['model'], 'group')
    >>> found.gaps["model"].part.to_frame().loc["x1", "contribution"].round(3)
    0.0
    """

    def __init__(
        self,
        models: Sequence[ModelExplanation],
        groups: Groups,
        *,
        task: str = "classification",
        title: str | None = None,
        proxies: pd.DataFrame | None = None,
        background: int = 100,
        notes: Sequence[str] = (),
        context: Mapping[str, Any] | None = None,
    ) -> None:
        self.models, self.groups, self.task = tuple(models), groups, task
        self.proxies, self.background, self.notes = proxies, background, list(notes)
        self.context = {str(key): value for key, value in (context or {}).items()}
        self.names, self.attribute = [model.name for model in self.models], groups.name
        self.title = title or f"What drives the gap by {self.attribute}"

    @property
    def gaps(self) -> dict[str, GapDecomposition]:
        """The decomposed gap of each model."""
        return {model.name: model.gap for model in self.models}

    @property
    def importances(self) -> dict[str, Importance]:
        """The permutation importances of each model."""
        return {model.name: model.importance for model in self.models}

    @property
    def attributions(self) -> dict[str, Attribution]:
        """The contributions of each row, by model."""
        return {model.name: model.attribution for model in self.models}

    @property
    def dependences(self) -> dict[str, list[PartialDependence]]:
        """The curves of each model."""
        return {model.name: model.dependence for model in self.models}

    @cached_property
    def comparisons(self) -> list[GapComparison]:
        """The first model's gap beside that of each other model."""
        first, *others = self.models
        found = []
        for other in others:
            start = _explain_frames.with_columns_of(first, other)
            found.append(start.beside(other.gap, names=(first.name, other.name)))
        return found

    @property
    def sentence(self) -> str:
        """What drives the gap, in one plain sentence."""
        return _explain_words.sentence(self)

    @property
    def findings(self) -> list[str]:
        """What was found, in plain sentences."""
        return _explain_words.findings(self)

    @cached_property
    def tables(self) -> dict[str, pd.DataFrame]:
        """All figures, as tables with a row per model and column.

        Keys are gap, gap_change, gap_by_label, gap_from_other_group, importance, dependence, contributions_by_group and
        proxies, as far as each was measured.
        """
        return {name: table for name, table in _explain_frames.tables(self).items() if table is not None}

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain values that JSON can hold, undefined numbers as None.

        Returns
        -------
        dict
            Its key "schema" names the format and its version.
        """
        import mxfair
        from mxfair.report._json import plain

        groups = zip(self.groups.names, self.groups.known, self.groups.counts)
        return plain(  # type: ignore[no-any-return]  # a dict stays one
            {
                "schema": "mxfair.explanation/1",
                "mxfair": mxfair.__version__,
                "title": self.title,
                "sentence": self.sentence,
                "findings": self.findings,
                "task": self.task,
                "attribute": self.attribute,
                "groups": [{"name": name, "known": bool(known), "support": int(n)} for name, known, n in groups],
                "models": [_explain_frames.model_values(model) for model in self.models],
                **{key: self.tables[key].to_dict("records") for key in _explain_frames.SHARED if key in self.tables},
                "rows": len(self.groups),
                "background_rows": self.background,
                "notes": self.notes,
                "context": self.context,
            }
        )

    def to_json(self) -> str:
        """Return `to_dict` as JSON text.

        Returns
        -------
        str
        """
        import json

        return json.dumps(self.to_dict(), indent=2, ensure_ascii=False, allow_nan=False) + "\n"

    def to_html(self) -> str:
        """Return one self-contained HTML page with tables and plots.

        Returns
        -------
        str
        """
        from mxfair.report._explain_html import to_html

        return to_html(self)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the report to a file, or everything to a folder.

        Parameters
        ----------
        path : str or path
            A file .html or .json; or a folder, which may be new, for explain.html, explain.json and a .csv file of
            each of `tables`. In these, a text that a spreadsheet would take for a formula begins with an apostrophe.

        Returns
        -------
        Path

        Raises
        ------
        InputError
            If the suffix is another one, or the folder it is in does not exist.
        """
        path = Path(path)
        if path.suffix and not path.is_dir():
            return _files.save(path, {".html": self.to_html, ".json": self.to_json})
        if not path.absolute().parent.is_dir():
            raise InputError(f"'path' must lie in an existing folder; got '{path}'. Create the folder first.")
        texts = {"explain.html": self.to_html(), "explain.json": self.to_json()}
        texts.update({f"{name}.csv": _explain_frames.to_csv(table) for name, table in self.tables.items()})
        path.mkdir(exist_ok=True)
        for name, text in texts.items():
            _files.write_text(path / name, text)
        return path

    def __str__(self) -> str:
        from mxfair.report._explain_text import to_text

        return to_text(self)

    def __rich__(self) -> Any:
        from mxfair.report._explain_text import to_rich

        return to_rich(self)

    def __repr__(self) -> str:
        return f"ExplanationReport({', '.join(self.names)}; {self.attribute}: {', '.join(self.groups.names)})"
