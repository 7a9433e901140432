"""Two models side by side: how their gaps differ, with intervals.

>>> from mxfair.report import evaluate_predictions
>>> labels, groups = [1, 0] * 200, ["a"] * 200 + ["b"] * 200
>>> old = evaluate_predictions(labels, [1, 0] * 100 + [0] * 200, groups, name="old")
>>> new = evaluate_predictions(labels, [1, 0] * 200, groups, name="new")
>>> found = compare(old, new)
>>> found.frame.loc["equal_opportunity", ["old", "new", "change"]].tolist(), found.paired
([1.0, 0.0, -1.0], True)

Where both models decided about the same rows, their decisions are compared row by row: what a sample has of luck is in
both. Otherwise each model's interval counts by itself.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mxfair._validation import InputError, InputTypeError
from mxfair.report import _change
from mxfair.report._evaluation import Evaluation
from mxfair.report._figure_change import figure_change
from mxfair.report._figure_gaps import DISTANCES
from mxfair.report._gate_figures import Measured
from mxfair.report._regression import RegressionEvaluation
from mxfair.report._report import FairnessReport
from mxfair.report.gates import Gate, GateResult, _judge

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Comparison", "compare"]

_LEVEL = 0.95
_OVERALL = {"classification": ("accuracy",), "regression": ("root_mean_squared_error", "mean_absolute_error")}


@dataclass(frozen=True)
class Comparison:
    """How the gaps of two models differ.

    Parameters
    ----------
    names : tuple of (str, str)
        The models.
    frame : DataFrame
        By criterion and, after them, by figure over all samples ("overall accuracy"): the value of each model, the
        change (second minus first), and the ends low and high of its 95 % interval, NaN where there is none.
    paired : bool
        Whether both models' decisions on the same rows were compared.
    note : str
        What the intervals rest on, in a sentence.

    Examples
    --------
    >>> import pandas as pd
    >>> frame = pd.DataFrame({"a": [0.2], "b": [0.1], "change": [-0.1], "low": [-0.15], "high": [-0.05]}, index=["x"])
    >>> Comparison(("a", "b"), frame, True, "").to_dict()["rows"][0]["change"]
    -0.1
    """

    names: tuple[str, str]
    frame: pd.DataFrame
    paired: bool
    note: str

    def check(self, gates: str | Gate | Iterable[str | Gate]) -> list[GateResult]:
        """Return what gates say about the changes.

        Parameters
        ----------
        gates : str, Gate or list of these
            As for `mxfair.report.gates.check_gates`; a criterion or a figure stands for its change, so that
            ``equalized_odds_difference>0.02`` fails where the gap has grown by more than 0.02 with all of its interval.

        Returns
        -------
        list of GateResult

        Raises
        ------
        InputError
            If a gate is for a figure that was not compared.
        """
        given = [gates] if isinstance(gates, (str, Gate)) else list(gates)
        chosen = [gate if isinstance(gate, Gate) else Gate.parse(gate) for gate in given]
        results = []
        for gate in chosen:
            key = gate.name if gate.kind == "difference" else f"overall {gate.name}"
            key = key if key in self.frame.index or gate.kind == "ratio" else gate.name
            if gate.kind == "ratio" or gate.label is not None or gate.model is not None or key not in self.frame.index:
                raise InputError(
                    f"A gate on a comparison must be on a change of {', '.join(self.frame.index)}; got {gate}. "
                    "Write, e.g., equalized_odds_difference>0.02."
                )
            row = self.frame.loc[key]
            found = Measured(float(row["change"]), float(row["low"]), float(row["high"]))
            results.append(_judge(gate, " to ".join(self.names), found, _LEVEL))
        return results

    def to_dict(self) -> dict[str, Any]:
        """Return the comparison as plain values that JSON can hold, undefined numbers as None.

        Returns
        -------
        dict
        """
        columns = (*self.names, "change", "low", "high")
        rows = [
            {
                "figure": str(figure),
                **{key: None if math.isnan(v) else float(v) for key, v in zip(("first", "second", *columns[2:]), row)},
            }
            for figure, row in zip(self.frame.index, self.frame.to_numpy(dtype=float))
        ]
        return {
            "schema": "mxfair.comparison/1",
            "first": self.names[0],
            "second": self.names[1],
            "paired": self.paired,
            "level": _LEVEL,
            "note": self.note,
            "rows": rows,
        }


def compare(
    first: FairnessReport | Evaluation | RegressionEvaluation,
    second: FairnessReport | Evaluation | RegressionEvaluation,
    *,
    criteria: Any | None = None,
    joint: Any | None = None,
    reference: Any | None = None,
    compat: str | None = None,
    min_support: float = 0,
) -> Comparison:
    r"""Return how the gaps of two models differ, with intervals.

    The models may have been evaluated on the same rows or on others, such as last month's and this month's: then the
    two intervals count by themselves.

    Parameters
    ----------
    first, second : FairnessReport, Evaluation or RegressionEvaluation
        One model each.
    criteria : str, Criterion or list of these, optional
        What is compared. Default: that of the first report, or all usual ones.
    joint : array of shape (n_groups, n_classes, n_classes, n_classes), optional
        Counts[group, label, first decision, second decision] of the same rows. Default: counted from the rows, where
        both evaluations have the same ones, as those of `evaluate_predictions` have.
    reference, compat, min_support
        How gaps are taken, as for `FairnessReport`.

    Returns
    -------
    Comparison

    Raises
    ------
    InputError
        If a report holds several models, or if tasks or positive classes differ.

    Notes
    -----
    Classes: both tables are resampled, together where the rows are the same ones, and each gap may be overstated only
    where its sample overstates it, as in `mxfair.uncertainty.gap_interval`. Numbers on other rows: with gaps
    :math:`\theta_k` and their intervals :math:`[l_k, u_k]` the change :math:`d = \theta_2 - \theta_1` has

    .. math:: \Bigl[d - \sqrt{(\theta_2 - l_2)^2 + (u_1 - \theta_1)^2},\;
              d + \sqrt{(u_2 - \theta_2)^2 + (\theta_1 - l_1)^2}\Bigr].

    References
    ----------
    Zou and Donner: Construction of confidence limits about effect measures: a general approach. Statistics in Medicine
    27, 2008, equation 2.

    Examples
    --------
    >>> from mxfair.report import evaluate_predictions
    >>> march = evaluate_predictions([1, 0] * 300, [1, 1, 0] * 200, ["a", "b", "b"] * 200)
    >>> april = evaluate_predictions([1, 0] * 200, [1, 0] * 200, ["a", "b"] * 200)
    >>> found = compare(march, april, criteria="accuracy_parity")
    >>> found.paired, round(found.frame.loc["accuracy_parity", "change"], 2)
    (False, 0.0)
    """
    sides = _one_model(first, "first"), _one_model(second, "second")
    if sides[0].task != sides[1].task:
        raise InputError(
            f"Both models must have one task; got {sides[0].task} and {sides[1].task}. Compare like things."
        )
    if str(sides[0].positive) != str(sides[1].positive):
        raise InputError(
            f"Both models must have one positive class; got {sides[0].positive!r} and {sides[1].positive!r}. "
            "Evaluate both for the same one."
        )
    if criteria is None and isinstance(first, FairnessReport):
        criteria = list(first.criteria)
    settings: dict[str, Any] = {
        "criteria": criteria,
        "reference": reference,
        "compat": compat,
        "min_support": min_support,
    }
    reports = [FairnessReport(evaluation, **settings) for evaluation in sides]
    found = _changed(reports, joint)
    names = (sides[0].name, sides[1].name)
    names = names if names[0] != names[1] else (f"{names[0]} (first)", f"{names[1]} (second)")
    return Comparison(names, _frame(names, reports, found), found.paired, _note(found))


def _one_model(given: Any, what: str) -> Any:
    if isinstance(given, FairnessReport):
        if len(given.evaluations) > 1:
            raise InputError(
                f"'{what}' must hold one model; got {', '.join(given.names)}. Pass one of its evaluations."
            )
        return given.baseline
    if not isinstance(given, (Evaluation, RegressionEvaluation)):
        raise InputTypeError(f"'{what}' must be a report or an evaluation; got {given!r}. Use mxfair.report.evaluate.")
    return given


def _changed(reports: list[FairnessReport], joint: Any) -> _change.Change:
    """Return the intervals: from the same rows where they are there."""
    first, second = (report.baseline for report in reports)
    criteria, settings = reports[0].criteria, reports[0].settings
    if reports[0].task == "classification":
        if joint is not None:
            joint = _change.check_joint(joint, first, second)
        elif (
            first.table.groups == second.table.groups and first.table.classes.tolist() == second.table.classes.tolist()
        ):
            joint = _change.joint_counts(first, second)
        return _change.change(first, second, criteria, settings, joint)
    if joint is not None:
        raise InputError("'joint' must be left out for a regression; its rows are compared where both have them.")
    if _same_rows(first, second):
        return figure_change(first, second, criteria)
    gaps = {
        name: _apart(*(report.gap_rows[name][0] for report in reports))
        for name in (c.name for c in criteria)
        if name not in DISTANCES
    }
    overall = {}
    for name in _OVERALL["regression"]:
        ends = [(float(e.table.overall(name)), *e.interval(name, kind="overall")) for e in (first, second)]
        overall[name] = _square_and_add(*ends)
    return _change.Change(gaps, overall, paired=False)


def _same_rows(first: RegressionEvaluation, second: RegressionEvaluation) -> bool:
    if first.labels is None or second.labels is None or first.groups is None or second.groups is None:
        return False
    return bool(first.groups == second.groups and len(first.labels) == len(second.labels)) and bool(
        (first.labels == second.labels).all()
    )


def _apart(first: Any, second: Any) -> tuple[float, float]:
    return _square_and_add((first.value, *first.interval), (second.value, *second.interval))


def _square_and_add(first: tuple[float, float, float], second: tuple[float, float, float]) -> tuple[float, float]:
    """Return the interval of second minus first of two independent figures, each with the ends of its interval."""
    (a, low_a, high_a), (b, low_b, high_b) = first, second
    change = b - a
    return change - math.hypot(b - low_b, high_a - a), change + math.hypot(high_b - b, a - low_a)


def _frame(names: tuple[str, str], reports: list[FairnessReport], found: _change.Change) -> pd.DataFrame:
    import pandas as pd

    rows = {}
    for criterion in reports[0].criteria:
        values = [report.gap_rows[criterion.name][0].value for report in reports]
        rows[criterion.name] = [*values, values[1] - values[0], *found.gaps.get(criterion.name, _change.NOTHING)]
    for name in _OVERALL[reports[0].task]:
        values = [float(report.baseline.columns[name][0][0]) for report in reports]
        rows[f"overall {name}"] = [*values, values[1] - values[0], *found.overall.get(name, _change.NOTHING)]
    columns = pd.Index([*names, "change", "low", "high"])
    frame = pd.DataFrame(list(rows.values()), index=pd.Index(rows, name="figure"), columns=columns)
    return frame.astype(float)


def _note(found: _change.Change) -> str:
    if found.missing:
        return f"There are no intervals: {found.missing}."
    if found.paired:
        return "Paired: both models' decisions on the same rows were compared."
    return (
        "Unpaired: each model's samples count by themselves. If both were evaluated on the same rows, the intervals "
        "are wider than they need be: compare two columns of one file, or join two files by an id."
    )
