"""A matplotlib figure as SVG inside the page: no request, no script, the page's colours and fonts."""

from __future__ import annotations

import io
import re
import warnings
from typing import TYPE_CHECKING, Any

from mxfair._palette import GRID, INK, MUTED, PAPER
from mxfair.report._axes import PANEL

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_VARIABLES = {INK: "var(--ink)", MUTED: "var(--muted)", GRID: "var(--grid)", PAPER: "var(--paper)"}
#: Largest size of a figure on the page, in pixels per point: narrow figures keep their text readable on a phone.
SCALE = 1.18
_TAG = re.compile(r"<[a-zA-Z/][^<>]*>")


def to_svg(figure: Figure, *, title: str, label: str, key: str) -> str:
    """Return a figure as an ``<svg>`` element with a title and a description.

    Parameters
    ----------
    figure : Figure
    title : str
        What the figure is, in a few words.
    label : str
        What the figure shows, for those who do not see it.
    key : str
        Prefix of the ids inside, different for each figure of a page.
    """
    text = _render(figure)
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, count=1, flags=re.DOTALL)
    text = re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)
    text = re.sub(r"<style.*?</style>", "", text, flags=re.DOTALL)  # it would style the whole page
    used = set(re.findall(r"(?:href=\"|url\()#([\w-]+)", text))
    text = _TAG.sub(lambda match: _tag(match[0], used, key), text)
    text = re.sub(r"\n\s*", " ", text)
    width = re.search(r'viewBox="0 0 ([\d.]+)', text)
    size = SCALE * float(width[1]) if width else SCALE * PANEL
    key = f"mxfair-{key}"
    opening = f'<svg role="img" aria-labelledby="{key}-title {key}-desc" style="max-width:{size:.0f}px"'
    names = f'<title id="{key}-title">{_attribute(title)}</title><desc id="{key}-desc">{_attribute(label)}</desc>'
    head, rest = text.split(">", 1)
    return f"{head.replace('<svg', opening, 1)}>{names}{rest}".strip()


def _render(figure: Figure) -> str:
    import matplotlib

    settings: Any = {"svg.fonttype": "none", "svg.hashsalt": "mxfair", "svg.image_inline": True, "path.simplify": True}
    buffer = io.StringIO()
    with warnings.catch_warnings(), matplotlib.rc_context(settings):
        warnings.filterwarnings("ignore", message=".*[Gg]lyph.*")  # the browser's fonts draw them
        warnings.filterwarnings("ignore", message=".*Matplotlib currently does not support.*")
        figure.savefig(buffer, format="svg", facecolor="none", metadata={"Date": None})
    return buffer.getvalue()


def _tag(tag: str, used: set[str], key: str) -> str:
    """Return a tag with the page's colours and fonts, without namespaces, an id only if something refers to it."""
    if tag.startswith("<svg"):
        return "<svg " + (re.search(r'viewBox="[^"]*"', tag) or [""])[0] + ">"
    tag = re.sub(r' id="([^"]+)"', lambda m: f' id="{key}-{m[1]}"' if m[1] in used else "", tag)
    tag = re.sub(r'(?:xlink:)?href="#([\w-]+)"', rf'href="#{key}-\1"', tag)
    tag = re.sub(r"url\(#([\w-]+)\)", rf"url(#{key}-\1)", tag)
    for color, variable in _VARIABLES.items():
        tag = tag.replace(color, variable)
    tag = re.sub(r" ?font-family: [^;\"]*;?", "", tag)
    return re.sub(r"font: (?:(\w+) )?([\d.]+)px [^;\"]*", _font, tag)  # the shorthand of older matplotlib


def _font(match: re.Match[str]) -> str:
    weight = f"font-weight: {match[1]}; " if match[1] else ""
    return f"{weight}font-size: {match[2]}px"


def _attribute(text: str) -> str:
    for character, entity in (("&", "&amp;"), ('"', "&quot;"), ("<", "&lt;"), (">", "&gt;")):
        text = text.replace(character, entity)
    return text
