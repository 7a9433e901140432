"""The report as JSON: NaN becomes null, for JSON has no NaN and 0 would be a lie."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from mxfair.report._report import FairnessReport

SCHEMA = "mxfair.report/1"


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
            "models": [_model(evaluation) for evaluation in report.evaluations],
            "gaps": _gaps(report),
            "histories": {name: frame.to_dict(orient="records") for name, frame in report.histories.items()},
            "context": report.context,
            "not_known": report.not_known,
        }
    )


def to_json(report: FairnessReport) -> str:
    """Return the report as JSON text."""
    return json.dumps(to_dict(report), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _model(evaluation: Any) -> dict[str, Any]:
    columns = evaluation.columns.items()
    return {
        "name": evaluation.name,
        "overall": {key: values[0] for key, (values, _) in columns},
        "by_group": [
            {
                "group": group,
                "support": evaluation.support[i],
                "rates": {key: values[i + 1] for key, (values, _) in columns},
                "denominators": {key: given[i + 1] for key, (_, given) in columns if key != "auc"},
            }
            for i, group in enumerate(evaluation.table.groups)
        ],
        "residuals" if evaluation.task == "regression" else "confusion": evaluation.table.to_dict(),
    }


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
                **_beside(gap),
            }
            for name, gap in zip(report.names, gaps)
        ]
        rows.append({"criterion": criterion, "models": by_model, "change": gaps[-1].value - gaps[0].value})
    for row in rows:
        if len(report.names) < 2:
            del row["change"]
    return rows


def _beside(gap: Any) -> dict[str, Any]:
    """Return what stands beside a gap of a regression."""
    if not hasattr(gap, "floor"):
        return {}
    return {"noise_floor": gap.floor} if gap.is_distance else {"interval": gap.interval, "level": 0.95}


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
