"""How numbers and names become text: one place, so that an undefined rate never looks like a number."""

from __future__ import annotations

import math
import re
import unicodedata

#: A rate with fewer samples than this in its denominator is marked.
SMALL = 30
UNDEFINED = "n/a"
NOT_ENOUGH = "not enough data"

_SHORT = {
    "base_rate": "Base rate",
    "selection_rate": "Selection rate",
    "true_positive_rate": "True positive rate",
    "false_positive_rate": "False positive rate",
    "positive_predictive_value": "Precision (PPV)",
    "accuracy": "Accuracy",
    "auc": "AUC",
    "mean_error": "Bias",
    "root_mean_squared_error": "RMSE",
    "mean_absolute_error": "MAE",
    "r2_score": "R2",
    "bounded_group_loss": "Largest RMSE",
    "ks_distance": "KS distance",
    "wasserstein_distance": "W1 distance",
}


def number(value: float, undefined: str = UNDEFINED, *, digits: int = 3) -> str:
    """Return three decimals or as many as `digits` says, or `undefined` for NaN."""
    if math.isnan(value):
        return undefined
    text = f"{value:,.{digits}f}"
    return text.lstrip("-") if text.startswith("-") and not text.strip("-0.") else text


def signed(value: float, undefined: str = UNDEFINED, *, digits: int = 3) -> str:
    """Return decimals with a sign; a change that rounds to nothing has none."""
    text = number(value, undefined, digits=digits)
    return text if math.isnan(value) or text.startswith("-") or not text.strip("0.") else f"+{text}"


def interval_text(interval: tuple[float, float], digits: int = 3) -> str:
    """Return '0.210 to 0.290', or '' where there is no interval."""
    if math.isnan(interval[0]) or math.isnan(interval[1]):
        return ""
    return " to ".join(number(end, digits=digits) for end in interval)


def signed_interval(interval: tuple[float, float], digits: int = 3) -> str:
    """Return '-0.210 to +0.290', or '' where there is no interval."""
    if math.isnan(interval[0]) or math.isnan(interval[1]):
        return ""
    return " to ".join(signed(end, digits=digits) for end in interval)


def percent(value: float) -> str:
    """Return '84.7%', or 'n/a' for NaN."""
    return UNDEFINED if math.isnan(value) else f"{100 * value:.1f}%"


def count(value: float) -> str:
    """Return '16,281'; weights that are no whole number keep one decimal."""
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.1f}"


def samples(value: float) -> str:
    """Return '1 sample', '2 samples'."""
    return f"{count(value)} {'sample' if value == 1 else 'samples'}"


def few(denominator: float) -> bool:
    """Return whether a rate rests on too few samples to trust; a rate that rests on none is undefined instead."""
    return 0 < denominator < SMALL


def one_line(name: object, limit: int | None = None) -> str:
    """Return a name as one visible line: no control characters, never blank, cut with an ellipsis at `limit`."""
    text = "".join(" " if unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") else c for c in str(name)).strip()
    if not text:
        return "(blank)"
    if limit is None or width(text) <= limit:
        return text
    kept = ""
    while width(kept + text[len(kept)]) < limit:
        kept += text[len(kept)]
    return kept.rstrip() + "…"


def width(text: str) -> int:
    """Return the number of columns that a text takes in a fixed-width font."""
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def split_key(key: str) -> tuple[str, str | None]:
    """Return the rate and the class of 'true_positive_rate[2]'; the class is None in a binary task."""
    match = re.fullmatch(r"(\w+?)\[(.*)\]", key, flags=re.DOTALL)
    return (match[1], match[2]) if match else (key, None)


def lower(key: str) -> str:
    """Return a heading for the middle of a sentence: 'precision (PPV), class 2'."""
    text = heading(key)
    return text if text[:2].isupper() or text[1:2].isdigit() else text[0].lower() + text[1:]


def heading(key: str) -> str:
    """Return 'True positive rate, class 2' for 'true_positive_rate[2]'."""
    rate, label = split_key(key)
    text = _SHORT.get(rate, one_line(rate).replace("_", " ").capitalize())
    return text if label is None else f"{text}, class {one_line(label, 40)}"


def joined(words: list[str], limit: int = 8) -> str:
    """Return 'a, b and c'; beyond `limit` words, 'a, b and 5 more'."""
    if len(words) > limit:
        words = [*words[: limit - 1], f"{len(words) - limit + 1} more"]
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " and " + words[-1]
