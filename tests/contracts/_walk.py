"""What the contract tests walk: the modules of the package, their public names and their docstrings."""

from __future__ import annotations

import ast
import importlib
import inspect
import pathlib
import pkgutil
import re
import typing
from types import ModuleType

import mxfair

ROOT = pathlib.Path(mxfair.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))


def module_name(path: pathlib.Path) -> str:
    """Return the dotted name of a file of the package."""
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def tree_of(path: pathlib.Path) -> ast.Module:
    """Return a file's syntax tree."""
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def public_modules() -> list[str]:
    """Return the names of all modules and packages of which no part starts with an underscore."""
    found = [module.name for module in pkgutil.walk_packages(mxfair.__path__, "mxfair.", onerror=None)]
    return ["mxfair", *(name for name in found if not any(part.startswith("_") for part in name.split(".")))]


def defined_names(module: ModuleType) -> set[str]:
    """Return the public functions, classes and variables that a module defines, imports left out."""
    tree = tree_of(pathlib.Path(inspect.getsourcefile(module) or ""))
    names: set[str] = set()
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names.add(node.name)
        targets: list[ast.expr] = []
        if isinstance(node, ast.Assign):
            targets = node.targets
        elif isinstance(node, ast.AnnAssign):
            targets = [node.target]
        names.update(target.id for target in targets if isinstance(target, ast.Name))
    return {name for name in names if not name.startswith("_")}


def public_objects() -> dict[str, object]:
    """Return every public function, class, method and property under its dotted name."""
    found: dict[str, object] = {}
    seen: set[int] = set()
    for name in sorted(public_modules(), key=lambda name: -name.count(".")):  # where it is defined comes first
        module = importlib.import_module(name)
        for public in getattr(module, "__all__", ()):
            value = getattr(module, public)
            if id(value) in seen or not (inspect.isclass(value) or inspect.isfunction(value)):
                continue
            seen.add(id(value))
            found[f"{name}.{public}"] = value
            if inspect.isclass(value):
                for member, inner in vars(value).items():
                    if not member.startswith("_") and isinstance(inner, (staticmethod, classmethod)):
                        found[f"{name}.{public}.{member}"] = inner.__func__
                    elif not member.startswith("_") and (inspect.isfunction(inner) or isinstance(inner, property)):
                        found[f"{name}.{public}.{member}"] = inner
    return found


def signature_of(value: object) -> inspect.Signature:
    """Return a callable's signature, a class's constructor included, without self and cls."""
    signature = inspect.signature(typing.cast(typing.Callable, value))
    kept = [p for p in signature.parameters.values() if p.name not in ("self", "cls")]
    return signature.replace(parameters=kept)


def section(docstring: str, title: str) -> str | None:
    """Return the text of a numpydoc section, or None."""
    match = re.search(
        rf"^{title}\n-{{{len(title)}}}\n(.*?)(?=^\w[\w ]*\n-{{3,}}\n|\Z)", docstring, re.MULTILINE | re.DOTALL
    )
    return match.group(1) if match else None


def documented_parameters(docstring: str) -> list[str]:
    """Return the names in the section Parameters."""
    text = section(docstring, "Parameters") or ""
    names = [line.split(" : ")[0] for line in text.splitlines() if line and not line.startswith(" ")]
    return [name.strip().lstrip("*") for line in names for name in line.split(",")]
