"""`FairnessReport`: one or several models on the same samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mxfair._validation import InputTypeError
from mxfair.criterion import Criterion
from mxfair.report import _checks, _drivers, _files, _gaps, _measured, _words
from mxfair.report._evaluation import Evaluation
from mxfair.report._format import one_line
from mxfair.report._regression import ERRORS, RegressionEvaluation
from mxfair.report._settings import Settings

if TYPE_CHECKING:
    import os

    import pandas as pd

    from mxfair.metric.subgroup_table import SubgroupTable
    from mxfair.report._card import ModelCard

__all__ = ["FairnessReport"]


class FairnessReport:
    """The rates or errors by group of one or several models, and the gaps between groups.

    A report states what was measured and what was not. It gives no verdict: whether a gap is acceptable, and which
    criterion matters, depends on what the decisions do to people.

    Parameters
    ----------
    evaluations : Evaluation, RegressionEvaluation or sequence of these
        Models evaluated on the same samples; the first one is the baseline.
    title : str, optional
        Heading. Default: from the attribute's name.
    criterion : str or Criterion, optional
        The criterion that the first sentence names. Default: the first of `criteria`, else equalized odds, and
        "ks_distance" for regression.
    criteria : str, Criterion or list of these, optional
        Rows of the table of gaps. Default: all of ``mxfair.criterion.CRITERIA``, or those of `evaluate_predictions`.
    histories : mapping of str to DataFrame, optional
        By model, what happened while it was trained: columns epoch, loss, gap and ``share[LABEL, GROUP]`` as far as
        there are any.
    context : mapping of str to str or number, optional
        Where the numbers come from: data, split, seed, net, epochs, versions, caveats. Of a `GradientMonitor` stands
        what it found.
    reference : str, optional
        A group: gaps are the distances of the others to it. Default: the largest minus the smallest rate of all. Of a
        classification only, as `compat`.
    compat : {"fairlearn", "aif360", "clarify", "oxonfair", "holisticai", "fairbatch"}, optional
        Gaps as that toolkit takes them, see `mxfair.metric.difference`; `reference` is then its privileged group.
    min_support : float, default=0
        Groups with fewer samples behind a figure are shown, and left out of its gap.
    explanations : sequence, or mapping of str to one, optional
        What drives the gap: gap decompositions of `mxfair.explain` (or what their `to_dict` returns), and importances
        (a data frame by column, or anything whose `to_frame` returns one). A mapping says of which model each is.
    front : DataFrame or sequence of mappings, optional
        Other models along an accuracy-fairness front, with columns "gap", of the report's criterion, and "accuracy",
        and maybe "name".
    paired : mapping of str to array of shape (n_groups, n_classes, n_classes, n_classes), optional
        By model beside the baseline: counts[group, label, baseline's decision, its decision], from which the interval
        of a change comes. Default: counted from the rows, where `evaluate_predictions` had them.

    Raises
    ------
    InputError
        If there is no evaluation, names repeat, the samples differ, or a setting cannot be used.

    Examples
    --------
    >>> from mxfair.report import evaluate_predictions
    >>> labels, groups = [0, 1, 1, 0, 1, 1], list("aaabbb")
    >>> plain = evaluate_predictions(labels, [0, 1, 1, 1, 0, 1], groups, name="plain")
    >>> fair = evaluate_predictions(labels, [0, 1, 0, 0, 1, 0], groups, name="FairBatch")
    >>> report = plain.beside(fair)
    >>> report.gaps.loc["equalized_odds", ["plain", "FairBatch", "change"]].to_dict()
    {'plain': 1.0, 'FairBatch': 0.0, 'change': -1.0}
    """

    def __init__(
        self,
        evaluations: Evaluation | RegressionEvaluation | Sequence[Any],
        *,
        title: str | None = None,
        criterion: str | Criterion | None = None,
        criteria: Any | None = None,
        histories: Mapping[str, Any] | None = None,
        context: Mapping[str, Any] | None = None,
        reference: Any = None,
        compat: str | None = None,
        min_support: float = 0,
        explanations: Any = (),
        front: Any = None,
        paired: Mapping[str, Any] | None = None,
    ) -> None:
        single = isinstance(evaluations, (Evaluation, RegressionEvaluation))
        self.evaluations: tuple[Any, ...] = (evaluations,) if single else tuple(evaluations)  # type: ignore[arg-type]
        _checks.check_same_samples(self.evaluations)
        self.criteria, self.criterion = _checks.criteria_of(self.task, criteria, criterion)
        self.histories = _checks.frames(histories, self.names)
        self.context = {str(key): _drivers.said(value) for key, value in (context or {}).items()}
        self.settings = Settings.of(reference, compat, min_support, self.baseline)
        if self.task == "classification":
            for chosen in self.criteria:  # refuses what a toolkit does not have before anything is measured
                self.settings.comparison(chosen)
        self.explanations = _drivers.checked(explanations)
        self.front = _drivers.checked_front(front)
        self.paired = _measured.checked_pairs(self, paired)
        self.title = str(title) if title else _words.title(self)

    @property
    def names(self) -> list[str]:
        """Names of the models; the first one is the baseline."""
        return [evaluation.name for evaluation in self.evaluations]

    @property
    def task(self) -> str:
        """What was evaluated: "classification" or "regression"."""
        return str(self.baseline.task)

    @property
    def baseline(self) -> Any:
        """The first model's evaluation."""
        return self.evaluations[0]

    @property
    def attribute(self) -> str:
        """Name of the sensitive attribute."""
        return str(self.baseline.table.name)

    @cached_property
    def certainties(self) -> list[Any]:
        """Intervals of each model's rates and gaps."""
        return _measured.certainties(self)

    @cached_property
    def gap_rows(self) -> dict[str, list[_gaps.CriterionGap]]:
        """By criterion, the gap of each model with its interval and the groups that set it."""
        return _measured.gap_rows(self)

    @cached_property
    def changes(self) -> list[Any]:
        """For each model beside the baseline, the intervals of what changed."""
        return _measured.changes(self)

    @cached_property
    def subgroups(self) -> list[list[SubgroupTable]]:
        """For each model, each rate of the criterion in every subgroup; empty for a regression."""
        return _measured.subgroup_tables(self)

    @cached_property
    def conditionals(self) -> dict[str, list[Any]]:
        """By criterion, the gaps of each model within the levels of a control attribute; empty without one."""
        return _measured.conditionals(self)

    @property
    def sentence(self) -> str:
        """What happened, in one plain sentence."""
        return _words.sentence(self)

    @property
    def not_known(self) -> list[str]:
        """What the report cannot say: unknown groups, undefined rates, small groups, seeds."""
        return _words.not_known(self)

    @property
    def summary(self) -> pd.DataFrame:
        """Samples, accuracy and AUC of each model; of a regression, its errors."""
        import pandas as pd

        if self.task == "regression":
            return pd.DataFrame(
                [e.rates.iloc[0][["support", *ERRORS]] for e in self.evaluations],
                index=pd.Index(self.names, name="model"),
            ).astype({"support": np.int64})
        rows = [(e.rates["support"].iloc[0], e.accuracy, e.auc) for e in self.evaluations]
        return pd.DataFrame(rows, columns=["support", "accuracy", "auc"], index=pd.Index(self.names, name="model"))

    @property
    def rates(self) -> pd.DataFrame:
        """Support and rates or figures by (model, group), with a row 'overall'; NaN where one is undefined.

        With more than two classes and no stated positive one, a rate has a column per class: selection_rate[2].
        """
        import pandas as pd

        return pd.concat([e.rates for e in self.evaluations], keys=self.names, names=["model", "group"])

    @property
    def gaps(self) -> pd.DataFrame:
        """Gap of each criterion with the ends of its 95 % interval, the change, and who sets it.

        A column per model, the change with its interval, then by model rate, high, low, interval_low and
        interval_high; for regression also the noise floor of each distance.
        """
        return _measured.gaps_frame(self)

    def beside(self, other: FairnessReport) -> FairnessReport:
        """Return one report with the models of both.

        Parameters
        ----------
        other : FairnessReport
            A report on the same samples.

        Returns
        -------
        FairnessReport
            With this report's title and criteria. Where both contexts state something different, both are kept.

        Raises
        ------
        InputError
            If groups, classes or the number of samples by group and label differ, or if a model's name occurs twice.
        """
        if not isinstance(other, FairnessReport):
            raise InputTypeError(f"'other' must be a FairnessReport; got {other!r}. Use evaluate_predictions.")
        context = dict(self.context)
        for key, value in other.context.items():
            differs = key in context and context[key] != value
            context[f"{key} ({', '.join(one_line(name, 24) for name in other.names)})" if differs else key] = value
        return FairnessReport(
            self.evaluations + other.evaluations,
            criterion=self.criterion,
            criteria=list(self.criteria),
            histories={**self.histories, **other.histories},
            context=context,
            title=None if self.title == _words.title(self) else self.title,
            reference=self.settings.reference,
            compat=self.settings.compat,
            min_support=self.settings.min_support,
            explanations=[*self.explanations, *other.explanations],
            front=[*self.front, *other.front],
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain values that JSON can hold, undefined numbers as None.

        Returns
        -------
        dict
            Its key "schema" names the format and its version.
        """
        from mxfair.report._json import to_dict

        return to_dict(self)

    def to_json(self) -> str:
        """Return `to_dict` as JSON text.

        Returns
        -------
        str
        """
        from mxfair.report._json import to_json

        return to_json(self)

    def to_markdown(self) -> str:
        """Return the tables and notes as Markdown text.

        Returns
        -------
        str
        """
        from mxfair.report._text import to_markdown

        return to_markdown(self)

    def to_html(self) -> str:
        """Return one self-contained HTML page with tables and plots.

        Returns
        -------
        str
        """
        from mxfair.report._html import to_html

        return to_html(self)

    def to_csv(self) -> str:
        """Return every rate and gap with its interval as CSV text, a row each.

        Text that a spreadsheet would take for a formula gets an apostrophe before it.

        Returns
        -------
        str
        """
        from mxfair.report._spreadsheet import to_csv

        return to_csv(self)

    def model_card(
        self,
        *,
        details: Any = None,
        intended_use: Any = None,
        out_of_scope: Any = None,
        data: Any = None,
        training_data: Any = None,
        mitigation: Any = None,
        ethics: Any = None,
        limits: Any = None,
    ) -> ModelCard:
        """Return a model card with the measured figures filled in; what is not stated is marked so.

        Parameters
        ----------
        details, intended_use, out_of_scope, data, training_data, mitigation, ethics, limits : str, sequence or mapping
            What only people can say, as for `ModelCard`.

        Returns
        -------
        ModelCard
        """
        from mxfair.report._card import ModelCard

        return ModelCard(
            self,
            details=details,
            intended_use=intended_use,
            out_of_scope=out_of_scope,
            data=data,
            training_data=training_data,
            mitigation=mitigation,
            ethics=ethics,
            limits=limits,
        )

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the report to a file; one that is there is replaced only by a complete new one.

        Parameters
        ----------
        path : str or path
            Its suffix says the format: .html, .json, .md or .csv.

        Returns
        -------
        Path

        Raises
        ------
        InputError
            If the suffix is another one or the folder does not exist.
        """
        writers = {".html": self.to_html, ".json": self.to_json, ".md": self.to_markdown, ".csv": self.to_csv}
        return _files.save(path, writers)

    def __str__(self) -> str:
        from mxfair.report._text import to_text

        return to_text(self)

    def __rich__(self) -> Any:
        from mxfair.report._text import to_rich

        return to_rich(self)

    def _repr_html_(self) -> str:
        from mxfair.report._html import to_fragment

        return to_fragment(self)

    def __repr__(self) -> str:
        return f"FairnessReport({', '.join(self.names)}; {self.attribute}: {', '.join(self.baseline.table.groups)})"
