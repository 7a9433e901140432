"""Write docs/benchmarks.md from results/*.json: no figure of that page is typed by hand.

`python benchmarks/_page.py` after a benchmark; `run_all.py` does it at its end, and a test compares the page with
the files.
"""

from __future__ import annotations

import json
import math
import pathlib
import textwrap
from collections.abc import Iterator
from typing import Any

HERE = pathlib.Path(__file__).resolve().parent
PAGE = HERE.parent / "docs" / "benchmarks.md"
#: The columns of a table, at most.
COLUMNS = 6
#: The characters of a line of text, at most.
WIDTH = 130
OPENING = """# Benchmarks

Every figure of this page comes from a JSON file that a script in `benchmarks/` printed; the page is made from these
files and is not edited. Each script says what it asks for, and a figure that falls short is shown as such. `make bench`
runs them all; `make bench-env` first adds what some compare with.

Speeds are ratios of sides that took turns in one process on two shared cores; seconds by themselves say little.
Accuracies and gaps are means over splits or seeds, ± their standard deviation. What the figures mean is told
where the method is: [FairBatch](fairbatch.md#measured), [losses](losses.md#all-mitigations-compared),
[regression](regression.md), [ensembles](ensembles.md#what-was-measured), [performance](performance.md).
"""


def documents() -> dict[str, dict[str, Any]]:
    """Return every result by its name, in order of names."""
    files = sorted((HERE / "results").glob("*.json"))
    return {file.stem: json.loads(file.read_text(encoding="utf-8")) for file in files}


def number(value: float) -> str:
    """Return a number with what is significant of it."""
    if value is None or not math.isfinite(value):
        return "not measured"
    if value and not 1e-4 <= abs(value) < 1e5:
        return f"{value:.1e}"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def cell(value: Any) -> str:
    """Return what stands in a cell of a table: a mean with its spread, a median, or a number."""
    if isinstance(value, dict) and "mean" in value:
        return f"{value['mean']:.3f}" + (f" ± {value['sd']:.3f}" if value.get("sd") else "")
    if isinstance(value, dict) and "median" in value:
        return number(value["median"])
    return number(value) if isinstance(value, (int, float)) else ""


def is_spread(value: Any) -> bool:
    """Say whether something is a figure over seeds or turns."""
    return isinstance(value, dict) and ("mean" in value or "median" in value)


def table(head: list[str], rows: list[list[str]]) -> str:
    """Return a table in Markdown."""
    safe = [[text.replace("|", "\\|") for text in row] for row in [head, ["---"] * len(head), *rows]]
    return "\n".join("| " + " | ".join(row) + " |" for row in safe) + "\n"


def asked(bars: list[dict[str, Any]]) -> str:
    """Return the table of what was asked for and what was reached."""
    signs = {">=": "at least", "<=": "at most"}
    rows = [
        [b["name"], number(b["value"]), f"{signs[b['relation']]} {number(b['bound'])}", "yes" if b["ok"] else "**no**"]
        for b in bars
    ]
    return table(["figure", "measured", "asked for", "reached"], rows)


def reached(bars: list[dict[str, Any]]) -> str:
    """Say how many of the figures that were asked for are reached."""
    return f"{sum(bar['ok'] for bar in bars)} of {len(bars)}" if bars else "asks for none"


def figures(method: dict[str, Any]) -> dict[str, Any]:
    """Return the figures over seeds of one method: those of its chosen setting, where it has several."""
    return {name: value for name, value in method.get("chosen", method).items() if is_spread(value)}


def tables(node: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, str]]:
    """Yield the tables that results hold, with titles: methods with the figures that most of them have."""
    if not isinstance(node, dict) or is_spread(node):
        return
    methods = {name: figures(value) for name, value in node.items() if isinstance(value, dict) and not is_spread(value)}
    rows = {name: found for name, found in methods.items() if len(found) > 1}
    if len(rows) > 1:
        names = list(dict.fromkeys(name for found in rows.values() for name in found))
        kept = [name for name in names if 2 * sum(name in found for found in rows.values()) > len(rows)][:COLUMNS]
        body = [[name, *(cell(found.get(column)) for column in kept)] for name, found in rows.items()]
        yield ", ".join(path), table(["", *kept], body)
        return
    times = {name: value for name, value in node.items() if isinstance(value, dict) and "median" in value}
    if len(times) > 1:
        body = [[name, *(number(value[key]) for key in ("median", "min", "max"))] for name, value in times.items()]
        yield ", ".join(path), table(["", "median", "smallest", "largest"], body)
    for name, value in node.items():
        yield from tables(value, (*path, name))


def section(name: str, document: dict[str, Any]) -> str:
    """Return what the page says of one benchmark."""
    versions = ", ".join(f"{key} {value}" for key, value in document["versions"].items())
    about = [f"{document['data']}."]
    about += [f"{key.capitalize()}: {document[key]}." for key in ("setting", "peer", "rule") if key in document]
    text = textwrap.fill(" ".join(about) + f" ({versions})", WIDTH, break_long_words=False, break_on_hyphens=False)
    parts = [f"## {name}\n", text + "\n"]
    if document["bars"]:
        parts.append(asked(document["bars"]))
    ratios = {key: value for key, value in document.get("ratios", {}).items() if isinstance(value, (int, float))}
    if ratios:
        parts.append(table(["times", "ratio"], [[key, number(value)] for key, value in ratios.items()]))
    found = list(tables(document["results"]))
    if found:
        shown = "\n".join(f"**{title or 'results'}**\n\n{text}" for title, text in found)
        parts.append(f"<details>\n<summary>All of it</summary>\n\n{shown}\n</details>\n")
    return "\n".join(parts)


def page() -> str:
    """Return the whole page."""
    found = documents()
    bars = [bar for document in found.values() for bar in document["bars"]]
    missed = sum(not bar["ok"] for bar in bars)
    count = (
        f"{len(found)} benchmarks ask for {len(bars)} figures; {len(bars) - missed} are reached and {missed} are not.\n"
    )
    rows = [[f"[{name}](#{name})", document["data"], reached(document["bars"])] for name, document in found.items()]
    overview = table(["benchmark", "data", "reached"], rows)
    return "\n".join([OPENING, count, overview, *(section(name, document) for name, document in found.items())])


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
