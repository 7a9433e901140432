"""The API reference: one entry for every name in the __all__ of every public module, from the docstrings.

A name has one entry, under the shortest name by which it can be imported: mxfair.metric.selection_rate, not
mxfair.metric.rates.selection_rate. A package has a page; where it holds many names, each of its modules has one too.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import pathlib
import pkgutil
from collections import defaultdict
from types import ModuleType
from typing import Any

from plain_markdown import write_changed

import mxfair

DOCS = pathlib.Path(__file__).resolve().parents[1]
#: Up to so many names stand on the page of their package.
ON_ONE_PAGE = 12


def public_modules() -> list[str]:
    """Return the public modules, packages before what they hold."""
    found = [module.name for module in pkgutil.walk_packages(mxfair.__path__, "mxfair.")]
    return ["mxfair", *sorted(name for name in found if not any(p.startswith("_") for p in name.split(".")))]


def entries() -> dict[str, str]:
    """Return every public name but modules, under its shortest one, with the public module that it is defined in."""
    names: dict[Any, str] = {}
    home: dict[str, str] = {}
    for module_name in sorted(public_modules(), key=lambda name: (name.count("."), name)):
        module = importlib.import_module(module_name)
        for name in getattr(module, "__all__", ()):
            value = getattr(module, name)
            if isinstance(value, ModuleType):
                continue
            same = id(value) if inspect.isclass(value) or inspect.isroutine(value) else f"{module_name}.{name}"
            entry = names.setdefault(same, f"{module_name}.{name}")
            home[entry] = module_name  # deeper modules come later: the one that defines it is the last
    return home


def first_sentence(module: str) -> str:
    """Return the first paragraph of a module's docstring as one line."""
    return " ".join((inspect.getdoc(importlib.import_module(module)) or "").split("\n\n")[0].split())


def heading(text: str, line: str = "=") -> str:
    """Return a title in reStructuredText."""
    return f"{text}\n{line * len(text)}\n"


@functools.lru_cache(maxsize=1)
def public_classes() -> frozenset[type]:
    """Return the classes that have an entry of their own."""
    values = (getattr(importlib.import_module(name.rpartition(".")[0]), name.rpartition(".")[2]) for name in entries())
    return frozenset(value for value in values if inspect.isclass(value))


def members(value: type) -> list[str]:
    """Return the methods and properties to show: the class's own, and those of bases that have no entry."""
    found: dict[str, None] = {}
    for owner in value.__mro__:
        if not owner.__module__.startswith("mxfair") or (owner is not value and owner in public_classes()):
            continue
        for name, inner in vars(owner).items():
            kinds = (staticmethod, classmethod, property)
            if not name.startswith("_") and (inspect.isfunction(inner) or isinstance(inner, kinds)):
                found.setdefault(name)
    return list(found)


def entry(name: str) -> str:
    """Return the directive of one name."""
    module, _, attribute = name.rpartition(".")
    value = getattr(importlib.import_module(module), attribute)
    if inspect.isclass(value):
        shown = members(value)
        options = f"   :members: {', '.join(shown)}\n" if shown else ""
        return f".. autoclass:: {attribute}\n{options}"
    if inspect.isroutine(value):
        return f".. autofunction:: {attribute}\n"
    return f".. autodata:: {attribute}\n   :no-value:\n"


def listing(names: list[str]) -> str:
    """Return a table of names with the first paragraphs of their docstrings."""
    rows = []
    for name in names:
        module, _, attribute = name.rpartition(".")
        value = getattr(importlib.import_module(module), attribute)
        described = inspect.isclass(value) or inspect.isroutine(value)
        text = " ".join((inspect.getdoc(value) or "").split("\n\n")[0].split()) if described else ""
        rows.append(f"   * - :py:obj:`{attribute} <{name}>`\n     - {text}")
    return "\n".join([".. list-table::", "   :class: api-listing", "   :widths: 35 65", "", *rows, ""])


def package_pages(package: str, homes: dict[str, list[str]]) -> dict[str, str]:
    """Return the pages of a package: its names by the module that defines each."""
    count = sum(map(len, homes.values()))
    opening = [heading(package), f".. automodule:: {package}\n   :no-members:\n", f".. currentmodule:: {package}\n"]
    if count <= ON_ONE_PAGE or len(homes) == 1:
        names = [name for found in homes.values() for name in found]
        return {package: "\n".join([*opening, listing(names), *map(entry, names)])}
    pages, tree = {}, []
    for home, names in sorted(homes.items()):
        if home == package:
            opening += [listing(names), *map(entry, names)]
            continue
        title = home[len(package) + 1 :]
        text = [heading(home), f".. automodule:: {home}\n   :no-members:\n", f".. currentmodule:: {package}\n"]
        pages[home] = "\n".join([*text, *([listing(names)] if len(names) > 1 else []), *map(entry, names)])
        opening += [f".. rubric:: :doc:`{title} <{home}>`\n", first_sentence(home) + "\n", listing(names)]
        tree.append(f"   {title} <{home}>")
    toctree = "\n".join([".. toctree::", "   :hidden:", "", *tree, ""])
    return {package: "\n".join([*opening, toctree]), **pages}


def pages() -> dict[str, str]:
    """Return the text of each page of the reference by its name."""
    packages: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for name, home in entries().items():
        packages[name.rpartition(".")[0]][home].append(name)
    found: dict[str, str] = {}
    for package, homes in sorted(packages.items()):
        found.update(package_pages(package, homes))
    rows = [f"   * - :doc:`{package} <{package}>`\n     - {first_sentence(package)}" for package in sorted(packages)]
    table = [".. list-table::", "   :widths: 30 70", "", *rows, ""]
    tree = [".. toctree::", "   :hidden:", "", *(f"   {package}" for package in sorted(packages)), ""]
    intro = (
        "Every public name, under the shortest one by which it can be imported. Names with an underscore may change.\n"
    )
    return {"index": "\n".join([heading("API reference"), intro, *table, *tree]), **found}


def write(_app: Any) -> None:
    """Write docs/api."""
    folder = DOCS / "api"
    folder.mkdir(exist_ok=True)
    write_changed(folder, {f"{name}.rst": text for name, text in pages().items()}, "*.rst")


def setup(app: Any) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("builder-inited", write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
