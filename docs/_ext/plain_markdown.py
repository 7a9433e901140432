"""Pages stay plain Markdown, as GitHub shows it: what a site needs beyond that is added while it is built.

- Notebooks are copied beside the pages, and links to them and to files of the project are led there.
- The tree of pages is made from the lists of links in index.md, a part for each of its headings.
"""

from __future__ import annotations

import json
import pathlib
import re
from typing import Any

DOCS = pathlib.Path(__file__).resolve().parents[1]
ROOT = DOCS.parent
#: Files of the project that have a page, and the page.
PAGES = {"CHANGELOG.md": "changelog.md", "CONTRIBUTING.md": "contributing.md", "README.md": "index.md"}
LINK = re.compile(r"(!?)\[([^\]]*)\]\((\.\./[^)\s#]+)(#[^)\s]*)?\)")
#: Parts of the tree that no file on disk stands for: behind the pages of that heading of index.md.
GENERATED = {"Reference": ["api/index"]}


def site_link(match: re.Match[str]) -> str:
    """Return a link out of docs/ as the site has it: to a page, to a notebook, or as text where there is none."""
    mark, text, path, anchor = match.groups()
    inside = path[len("../") :]
    if inside.startswith("notebooks/"):
        return f"{mark}[{text}]({inside}{anchor or ''})"
    if inside in PAGES:
        return f"{mark}[{text}]({PAGES[inside]}{anchor or ''})"
    return f"`{inside}`" if text.strip("`") == inside else f"{text} (`{inside}`)"


def toctrees(index: str) -> str:
    """Return the tree of pages that the headings and links of index.md stand for."""
    blocks = []
    for part in re.split(r"^## ", index, flags=re.MULTILINE)[1:]:
        caption = part.splitlines()[0]
        links = re.findall(r"^- \[([^\]]+)\]\(([^)#]+\.(?:md|ipynb))\)", part, flags=re.MULTILINE)
        entries = [f"{text} <{target.replace('../', '').rpartition('.')[0]}>" for text, target in links]
        entries += GENERATED.get(caption, [])
        if entries:
            blocks.append("\n".join(["```{toctree}", ":hidden:", f":caption: {caption}", "", *entries, "```"]))
    return "\n\n".join(blocks)


def read(_app: Any, docname: str, source: list[str]) -> None:
    """Change a page after it is read."""
    if docname.startswith(("api/", "notebooks/")):
        return
    text = LINK.sub(site_link, source[0])
    source[0] = text + "\n\n" + toctrees(source[0]) + "\n" if docname == "index" else text


def notebook(path: pathlib.Path) -> str:
    """Return a notebook with its links to pages led to the site's."""
    document = json.loads(path.read_text(encoding="utf-8"))
    for cell in document["cells"]:
        if cell["cell_type"] == "markdown":
            cell["source"] = [line.replace("](../docs/", "](../") for line in cell["source"]]
    return json.dumps(document, ensure_ascii=False)


def copy_notebooks(_app: Any) -> None:
    """Put the project's notebooks where the site looks for them; what has not changed is left alone."""
    folder = DOCS / "notebooks"
    folder.mkdir(exist_ok=True)
    found = {path.name: notebook(path) for path in (ROOT / "notebooks").glob("*.ipynb")}
    write_changed(folder, found, "*.ipynb")


def write_changed(folder: pathlib.Path, texts: dict[str, str], pattern: str) -> None:
    """Make the files of a folder these, without touching those that are the same: Sphinx reads only what changed."""
    for name, text in texts.items():
        path = folder / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
    for path in folder.glob(pattern):
        if path.name not in texts:
            path.unlink()


def setup(app: Any) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("builder-inited", copy_notebooks)
    app.connect("source-read", read)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
