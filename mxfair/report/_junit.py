"""Results of gates as JUnit XML, which continuous integration shows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING
from xml.etree import ElementTree

if TYPE_CHECKING:
    from mxfair.report.gates import GateResult

#: Longest name that is written.
_LONGEST = 1000


def to_junit(results: Sequence[GateResult], *, name: str = "mxfair audit") -> str:
    """Return a suite of tests, one for each gate and model: a failure, an error where it was not judged, or nothing.

    Without gates one test is skipped, so that nothing reads as if it had been checked and passed.
    """
    failed = sum(result.status == "failed" for result in results)
    errors = sum(result.status == "not judged" for result in results)
    counts = {
        "tests": str(max(len(results), 1)),
        "failures": str(failed),
        "errors": str(errors),
        "skipped": str(int(not results)),
        "time": "0",
    }
    root = ElementTree.Element("testsuites", {key: counts[key] for key in ("tests", "failures", "errors")})
    suite = ElementTree.SubElement(root, "testsuite", {"name": legal(name), **counts})
    for result in results:
        attributes = {"classname": legal(result.model), "name": legal(f"fail if {result.gate}"), "time": "0"}
        case = ElementTree.SubElement(suite, "testcase", attributes)
        if result.passed:
            ElementTree.SubElement(case, "system-out").text = legal(result.reason)
            continue
        kind = "failure" if result.status == "failed" else "error"
        told = {"message": legal(result.reason), "type": "gate" if kind == "failure" else "not enough data"}
        ElementTree.SubElement(case, kind, told).text = legal(result.reason)
    if not results:
        case = ElementTree.SubElement(suite, "testcase", {"classname": "gates", "name": "no gates", "time": "0"})
        ElementTree.SubElement(case, "skipped", {"message": "no --fail-if was given: nothing was checked"})
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def legal(text: str) -> str:
    """Return a text without what XML 1.0 cannot hold, such as control characters and lone surrogates."""
    kept = "".join(c if _is_char(ord(c)) else "\N{REPLACEMENT CHARACTER}" for c in str(text))
    return kept if len(kept) <= _LONGEST else kept[: _LONGEST - 1] + "\N{HORIZONTAL ELLIPSIS}"


def _is_char(code: int) -> bool:
    """Char ::= #x9 | #xA | #xD | [#x20-#xD7FF] | [#xE000-#xFFFD] | [#x10000-#x10FFFF] (XML 1.0, production 2)."""
    return code in (0x9, 0xA, 0xD) or 0x20 <= code <= 0xD7FF or 0xE000 <= code <= 0xFFFD or code >= 0x10000
