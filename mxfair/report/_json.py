"""The report as JSON: NaN becomes null, for JSON has no NaN and 0 would be a lie."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from mxfair.report._certainty import NOTHING, Certainty
from mxfair.scores import GroupScores

if TYPE_CHECKING:
    from mxfair.report._report import FairnessReport

SCHEMA = "mxfair.report/2"


def to_dict(report: FairnessReport) -> dict[str, Any]:
    """Return the report as plain values."""
    import mxfair

    baseline = report.baseline
    return plain(
        {
            "schema": SCHEMA,
            "mxfair": mxfair.__version__,
            "title": report.title,
            "sentence": report.sentence,
            "task": report.task,
            "attribute": report.attribute,
            "groups": [
                {"name": name, "known": known, "support": support}
                for name, known, support in zip(baseline.table.groups, baseline.table.known, baseline.support)
            ],
            **({} if report.task == "regression" else {"classes": baseline.table.classes}),
            "positive": baseline.positive,
            "criterion": report.criterion.name,
            "settings": {"level": 0.95, **vars(report.settings)},
            "models": [_model(e, found) for e, found in zip(report.evaluations, report.certainties)],
            "gaps": _gaps(report),
            "changes": _changes(report),
            "subgroups": _subgroups(report),
            "control": _control(report),
            "explanations": report.explanations,
            "front": report.front,
            "histories": {name: frame.to_dict(orient="records") for name, frame in report.histories.items()},
            "context": report.context,
            "not_known": report.not_known,
        }
    )


def to_json(report: FairnessReport) -> str:
    """Return the report as JSON text."""
    return json.dumps(to_dict(report), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def schema() -> dict[str, Any]:
    """Return the JSON Schema of what `to_dict` returns."""
    from importlib import resources

    text = (resources.files("mxfair.report") / "templates" / "report.schema.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


def _model(evaluation: Any, found: Certainty) -> dict[str, Any]:
    columns = evaluation.columns.items()

    def intervals(place: int) -> dict[str, Any]:
        return {key: _ends(found.rates.get((key, place), NOTHING)) for key, _ in columns}

    model = {
        "name": evaluation.name,
        "overall": {key: values[0] for key, (values, _) in columns},
        "intervals": intervals(0),
        "by_group": [
            {
                "group": group,
                "support": evaluation.support[i],
                "rates": {key: values[i + 1] for key, (values, _) in columns},
                "intervals": intervals(i + 1),
                "denominators": {key: given[i + 1] for key, (_, given) in columns if key != "auc"},
            }
            for i, group in enumerate(evaluation.table.groups)
        ],
        "residuals" if evaluation.task == "regression" else "confusion": evaluation.table.to_dict(),
    }
    if getattr(evaluation, "scores", None) is not None:
        model["scores"] = coarse(evaluation.scores).to_dict()
    return model


def coarse(scores: GroupScores, bins: int = 100) -> GroupScores:
    """Return a state of scores in fewer bins, where these are whole ones of its own."""
    if scores.bins <= bins or scores.bins % bins:
        return scores
    shape = (len(scores.groups), 2, bins, scores.bins // bins)
    tables = {name: getattr(scores, name).reshape(shape).sum(axis=-1) for name in ("counts", "sums")}
    options = {name: getattr(scores, name) for name in ("positive", "low", "high", "squares", "known", "name")}
    return GroupScores(scores.groups, scores.classes, bins=bins, **tables, **options)


def _ends(interval: tuple[float, float]) -> list[float] | None:
    """Return an interval as JSON has it; None where there is none."""
    return None if math.isnan(interval[0]) or math.isnan(interval[1]) else list(interval)


def _changes(report: FairnessReport) -> list[dict[str, Any]]:
    """Return what changed from the baseline to each other model."""
    rows = []
    for place, (name, change) in enumerate(zip(report.names[1:], report.changes), start=1):
        gaps = [
            {
                "criterion": criterion,
                "value": found[place].value - found[0].value,
                "interval": _ends(change.gaps.get(criterion, NOTHING)),
            }
            for criterion, found in report.gap_rows.items()
        ]
        overall = {key: _ends(interval) for key, interval in change.overall.items()}
        rows.append({"model": name, "paired": change.paired, "gaps": gaps, "overall_intervals": overall})
    return rows


def _subgroups(report: FairnessReport) -> list[dict[str, Any]]:
    """Return the subgroups that were tested, for each model and rate, and how many were not."""
    fields = (
        "name",
        "count",
        "support",
        "value",
        "rest",
        "difference",
        "lower",
        "upper",
        "p_value",
        "corrected_p_value",
    )
    return [
        {
            "model": name,
            "rate": table.rate,
            "overall": table.overall,
            "correction": table.correction,
            "untested": len(table.untested),
            "tested": [{field: getattr(row, field) for field in fields} for row in table.tested],
        }
        for name, tables in zip(report.names, report.subgroups)
        for table in tables
    ]


def _control(report: FairnessReport) -> dict[str, Any] | None:
    """Return the gaps within the levels of a control attribute."""
    if not report.conditionals:
        return None
    rows = [
        {
            "criterion": criterion,
            "model": name,
            "mean": one.mean,
            "interval": _ends(one.interval),
            "levels": [
                {"level": level, "support": n, "gap": gap} for level, n, gap in zip(one.levels, one.support, one.gaps)
            ],
        }
        for criterion, found in report.conditionals.items()
        for name, one in zip(report.names, found)
    ]
    return {"attribute": report.baseline.control, "gaps": rows}


def _gaps(report: FairnessReport) -> list[dict[str, Any]]:
    rows = []
    for criterion, gaps in report.gap_rows.items():
        by_model = [
            {
                "model": name,
                "value": gap.value,
                "rate": gap.largest and gap.largest.rate,
                "high": gap.largest and gap.largest.high,
                "low": gap.largest and gap.largest.low,
                "few_samples": gap.few,
                "undefined": [{"rate": rate, "group": group} for rate, group in gap.undefined],
                "left_out": [{"rate": rate, "group": group} for rate, group in gap.scarce],
                "interval": _ends(gap.interval),
                **({"noise_floor": getattr(gap, "floor", None)} if getattr(gap, "is_distance", False) else {}),
            }
            for name, gap in zip(report.names, gaps)
        ]
        rows.append({"criterion": criterion, "models": by_model, "change": gaps[-1].value - gaps[0].value})
    for row in rows:
        if len(report.names) < 2:
            del row["change"]
    return rows


def plain(value: Any) -> Any:
    """Return a value as JSON can hold it: arrays as lists, NaN and infinities as None, anything unknown as text."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, (np.ndarray, np.generic)):
        return plain(value.tolist())
    if isinstance(value, float):
        if not math.isfinite(value):
            return None
        return int(value) if value.is_integer() and abs(value) < 2**53 else value
    if value is None or isinstance(value, (bool, int)):
        return value
    return str(value).encode("utf-8", "replace").decode("utf-8")  # a lone surrogate cannot be written
