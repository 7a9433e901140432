"""Formulas as MathML, which browsers show by themselves: the site runs no script from elsewhere and works offline."""

from __future__ import annotations

import re
from typing import Any

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.util import logging

LOG = logging.getLogger(__name__)


def mathml(formula: str, node: Any, display: str) -> str:
    """Return a formula for the browser, or as it was written, with a warning, where it cannot be read."""
    try:
        return convert(formula, display=display)
    except Exception as error:  # whatever a formula may do to the parser
        LOG.warning("formula not understood (%s): %s", type(error).__name__, formula, location=node)
        return f"<code>{formula}</code>"


def inline(translator: Any, node: Any) -> None:
    """Write a formula within a line."""
    translator.body.append(mathml(node.astext(), node, "inline"))
    raise nodes.SkipNode


def block(translator: Any, node: Any) -> None:
    """Write formulas on lines of their own, aligned where they say at which sign."""
    lines = [part.strip() for part in re.split(r"\n\s*\n", node.astext().strip())]
    body = r" \\ ".join(lines)
    if len(lines) > 1 or r"\\" in body or re.search(r"(?<!\\)&", body):
        body = body if r"\begin" in body else rf"\begin{{aligned}} {body} \end{{aligned}}"
    translator.body.append(f'<div class="formula">{mathml(body, node, "block")}</div>')
    raise nodes.SkipNode


def setup(app: Any) -> dict[str, bool]:
    """Register with Sphinx."""
    app.add_html_math_renderer("mathml", (inline, None), (block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
