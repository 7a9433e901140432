"""What `names` in docstrings lead to, and links to other libraries without their inventories: nothing is fetched.

Docstrings write every name between single backticks: those of the package, and parameters, attributes and columns. The
first become links, whatever their module; the others are shown as code.
"""

from __future__ import annotations

import re
from typing import Any

from docutils import nodes
from sphinx import addnodes

#: A dotted name, and the page that documents it.
PATTERNS = (
    (r"(sklearn(?:\.\w+)+\.\w+)", r"https://scikit-learn.org/stable/modules/generated/\1.html"),
    (r"(numpy\.\w+(?:\.\w+)*)", r"https://numpy.org/doc/1.26/reference/generated/\1.html"),
    (r"(pandas\.\w+(?:\.\w+)*)", r"https://pandas.pydata.org/pandas-docs/version/2.2/reference/api/\1.html"),
)


def name_role(_name: str, rawtext: str, text: str, _line: int, inliner: Any, *_: Any) -> tuple[list[Any], list[Any]]:
    """Read a name between single backticks: what it leads to is known when all pages are read."""
    env = inliner.document.settings.env
    context = {"py:module": env.ref_context.get("py:module"), "py:class": env.ref_context.get("py:class")}
    code = nodes.literal(rawtext, text)
    return [addnodes.pending_xref(rawtext, code, refdomain="", reftype="name", reftarget=text, **context)], []


def ours(env: Any, node: Any) -> tuple[str, Any] | None:
    """Return the entry that a name leads to: of its class, its module, the package, or the only one so called."""
    objects, target = env.get_domain("py").objects, node["reftarget"].removesuffix("()")
    module, owner = node.get("py:module"), node.get("py:class")
    for prefix in (f"{module}.{owner}.", f"{module}.", "mxfair.", ""):
        if prefix + target in objects:
            return prefix + target, objects[prefix + target]
    if target.islower() and "." not in target:
        return None  # a parameter or a column, most likely: only capitalized names are looked for elsewhere
    found = {entry.node_id: (name, entry) for name, entry in objects.items() if name.endswith(f".{target}")}
    return next(iter(found.values())) if len(found) == 1 else None


def resolve(app: Any, env: Any, node: Any, content: Any) -> Any:
    """Link a reference that Sphinx itself cannot answer."""
    target = node.get("reftarget", "")
    if node.get("reftype") == "name":
        found = ours(env, node)
        if found:
            name, entry = found
            page = app.builder.get_relative_uri(node["refdoc"], entry.docname) if "refdoc" in node else None
            if page is None:
                return content
            return nodes.reference("", "", content, internal=True, refuri=f"{page}#{entry.node_id}", reftitle=name)
    for pattern, page in PATTERNS:
        if re.fullmatch(pattern, target):
            return nodes.reference("", "", content, internal=False, refuri=re.sub(pattern, page, target))
    return content if node.get("reftype") == "name" else None


def setup(app: Any) -> dict[str, bool]:
    """Register with Sphinx."""
    app.add_role("name", name_role)
    app.connect("missing-reference", resolve)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
