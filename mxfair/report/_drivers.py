"""What drives a gap: decompositions and importances that were made elsewhere, as a report shows them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from mxfair._validation import InputError, InputTypeError
from mxfair.report._format import number

SCHEMA = "mxfair.gap_decomposition/"
#: Names that an importance may have in a frame, the first one that is there.
_IMPORTANCE = ("importance", "gap", "overall", "mean", "value")


def checked(explanations: Any) -> tuple[dict[str, Any], ...]:
    """Return explanations as plain values: gap decompositions, and importances by column; a mapping names models."""
    if explanations is None:
        return ()
    if isinstance(explanations, Mapping) and not {"schema", "kind"} & set(explanations):
        return tuple({**_one(found), "model": str(name)} for name, found in explanations.items())
    if isinstance(explanations, Mapping) or not isinstance(explanations, Sequence):
        explanations = [explanations]
    return tuple(_one(explanation) for explanation in explanations)


def said(value: Any) -> Any:
    """Return what a monitor of gradients found, as text; anything else as it is."""
    if not hasattr(value, "conflicts") or not callable(getattr(value, "findings", None)):
        return value
    return " ".join(value.findings()["sentence"]) or "nothing: no gradient vanished or exploded, no group pulled apart"


def _one(explanation: Any) -> dict[str, Any]:
    found = explanation
    if not isinstance(found, Mapping) and hasattr(found, "to_dict") and not hasattr(found, "iloc"):
        found = found.to_dict()
    if isinstance(found, Mapping) and str(found.get("schema", "")).startswith(SCHEMA):
        return _decomposition(found)
    if isinstance(found, Mapping) and found.get("kind") in ("decomposition", "importance"):
        return dict(found)  # another report's
    frame = explanation.to_frame() if hasattr(explanation, "to_frame") else explanation
    if hasattr(frame, "columns") and hasattr(frame, "index"):
        return _importance(frame, str(getattr(explanation, "name", "") or "importance"))
    raise InputTypeError(
        "'explanations' must hold gap decompositions of mxfair.explain or data frames of importances by column; got "
        f"{type(explanation).__name__}."
    )


def _decomposition(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parts of a decomposition: which groups, the gap, and rows of columns with their contribution."""
    parts = []
    for part in found.get("parts", [found]):
        rows = [_row(row) for row in part.get("rows", [])]
        parts.append(
            {
                "group": str(part.get("group", "")),
                "against": str(part.get("against", "")),
                "condition": str(part.get("condition", "all")),
                "gap": _number(part.get("gap")),
                "gap_error": _number(part.get("gap_error")),
                "rows": [row for row in rows if row["column"] != "(gap)"],
            }
        )
    if not parts or not any(part["rows"] for part in parts):
        raise InputError("'explanations' must hold decompositions with rows; got one without. Check what made it.")
    names = {name: str(found.get(name, "")) for name in ("model", "output", "method", "attribute")}
    return {"kind": "decomposition", **names, "parts": parts}


def _row(row: Mapping[str, Any]) -> dict[str, Any]:
    value, error = _number(row.get("contribution")), _number(row.get("standard_error", row.get("se")))
    low, high = _number(row.get("low")), _number(row.get("high"))
    if math.isnan(low) and not math.isnan(error):
        low, high = value - 1.96 * error, value + 1.96 * error
    return {"column": str(row.get("column", "")), "contribution": value, "low": low, "high": high}


def _importance(frame: Any, name: str) -> dict[str, Any]:
    """Return importances by column, the largest first."""
    columns = {str(column): column for column in frame.columns}
    which = next((columns[key] for key in _IMPORTANCE if key in columns), None)
    if which is None:
        raise InputError(
            f"'explanations' must hold frames with a column 'importance'; got {', '.join(list(columns)[:10])}. "
            "Rename it."
        )
    levels = [level for level in frame.index.names if level != "column"] if frame.index.nlevels > 1 else []
    blocks = list(frame.groupby(level=levels, sort=False)) if levels else [("", frame)]
    parts = [{"title": _block_name(key), "rows": _importances(block, which, columns)} for key, block in blocks]
    return {"kind": "importance", "name": name, "parts": parts}


def _block_name(key: Any) -> str:
    """Return 'accuracy' for ('accuracy', 'all'), the metric and the group that importances are of."""
    return ", ".join(str(part) for part in (key if isinstance(key, tuple) else (key,)) if part != "all")


def _importances(frame: Any, which: Any, columns: dict[str, Any]) -> list[dict[str, Any]]:
    if "column" in columns:
        names = frame[columns["column"]]
    else:
        names = frame.index.get_level_values("column") if frame.index.nlevels > 1 else frame.index
    rows = []
    for place, column in enumerate(names):
        row = frame.iloc[place]
        low, high = (_number(row[columns[key]]) if key in columns else math.nan for key in ("low", "high"))
        rows.append({"column": str(column), "contribution": _number(row[which]), "low": low, "high": high})
    return sorted(
        rows, key=lambda row: -abs(float(row["contribution"])) if row["contribution"] == row["contribution"] else 0
    )


def checked_front(front: Any) -> tuple[dict[str, Any], ...]:
    """Return the models of a front: name, gap and accuracy."""
    if front is None:
        return ()
    rows = front.to_dict("records") if hasattr(front, "columns") else list(front)
    found = []
    for row in rows:
        if not isinstance(row, Mapping) or not {"gap", "accuracy"} <= set(row):
            raise InputError("'front' must have the columns 'gap' and 'accuracy'; got others. Name them so.")
        gap, accuracy = _number(row["gap"]), _number(row["accuracy"])
        if math.isnan(gap) or math.isnan(accuracy):
            raise InputError(
                f"'front' must hold numbers; got {row['gap']!r} and {row['accuracy']!r}. Leave the row out."
            )
        found.append({"name": str(row.get("name", "")), "gap": gap, "accuracy": accuracy})
    return tuple(found)


def _number(value: Any) -> float:
    try:
        return math.nan if value is None else float(value)
    except (TypeError, ValueError):
        return math.nan


def largest_rows(rows: Sequence[dict[str, Any]], top: int, *, sums: bool) -> list[dict[str, Any]]:
    """Return the largest rows; of contributions, which add, the others as one row, and the bracketed ones last."""
    own = sorted((r for r in rows if not r["column"].startswith("(")), key=lambda r: -abs(_zero(r["contribution"])))
    rest = own[top:]
    found = list(own[:top])
    if rest and sums:
        total = sum(_zero(row["contribution"]) for row in rest)
        name = f"({len(rest)} other columns)"
        found.append({"column": name, "contribution": total, "low": math.nan, "high": math.nan})
    return [*found, *(row for row in rows if row["column"].startswith("("))]


def _zero(value: float) -> float:
    return 0.0 if math.isnan(value) else value


def explanation_title(explanation: dict[str, Any], part: dict[str, Any]) -> tuple[str, str]:
    """Return what a part is of, and for a decomposition its gap."""
    if explanation["kind"] == "importance":
        of = part.get("title") or ""
        return f"{_of_model(explanation)}Importance{', ' + of if of else ''}", ""
    where = "" if part["condition"] in ("", "all") else f", {part['condition']}"
    return f"{_of_model(explanation)}{part['group']} minus {part['against']}{where}", f"gap {number(part['gap'])}"


def _of_model(explanation: dict[str, Any]) -> str:
    return f"{explanation['model']}: " if explanation.get("model") else ""


def decimals(values: Sequence[float]) -> int:
    """Return decimals for two digits of the largest value, three at least."""
    largest = max((abs(v) for v in values if not math.isnan(v)), default=0.0)
    return 3 if largest >= 0.01 or not largest else min(9, 1 - math.floor(math.log10(largest)))
