"""Public means documented, typed and in __all__; everything else starts with an underscore."""

from __future__ import annotations

import importlib
import inspect
import re

import pytest
from _walk import (
    defined_names,
    documented_parameters,
    public_modules,
    public_objects,
    section,
    signature_of,
)

pytest.importorskip("mxnet")  # half of the modules are about it

MODULES = public_modules()
OBJECTS = public_objects()

#: Names without an underscore that are no part of the interface, with the reason.
NOT_PUBLIC = {
    "mxfair.cli.audit": "a command, run by its name in the shell",
    "mxfair.cli.compare": "a command, run by its name in the shell",
    "mxfair.cli.explain": "a command, run by its name in the shell",
    "mxfair.cli.predict": "a command, run by its name in the shell",
    "mxfair.cli.train": "a command, run by its name in the shell",
    "mxfair.data.controller.controller_named": "shared by the modules of the package",
    "mxfair.data.selection.selector_named": "shared by the modules of the package",
    "mxfair.metric.intervals.intervals_of": "shared by the modules of the package",
    "mxfair.metric.rates.averaged": "shared by the modules of the package",
    "mxfair.metric.rates.rate_of": "shared by the modules of the package",
    "mxfair.metric.table.with_overall": "shared by the modules of the package",
    "mxfair.rate.Mask": "an alias in annotations",
    "mxfair.rate.against_rest": "shared by the modules of the package",
    "mxfair.rate.class_index": "shared by the modules of the package",
    "mxfair.rate.each_against_rest": "shared by the modules of the package",
    "mxfair.rate.rate_named": "shared by the modules of the package",
    "mxfair.uncertainty.check_level": "shared by the modules of the package",
    "mxfair.report.plots.default_rates": "shared by the modules of the package",
}
#: Modules without __all__, with the reason.
NO_ALL = {
    f"mxfair.datasets.{name}": "one loader each, public as mxfair.datasets.load_NAME"
    for name in ("adult", "communities_crime", "compas", "diabetes", "german_credit", "zafar")
}
#: Objects whose docstring may lack a section, with the reason.
NO_SECTION = {
    "mxfair.datasets.names": "returns what its one line says",
}


def is_constant(name):
    """Constants and the engine's module are described by a comment and not imported by users."""
    return name.isupper() or name == "mx"


def documented(name):
    """Return the docstring of a public object, or of the base class's method that it overrides."""
    value = OBJECTS[name]
    text = inspect.getdoc(value) or ""
    owner = OBJECTS.get(name.rpartition(".")[0])
    if inspect.isclass(owner) and section(text, "Parameters") is None:
        for base in owner.__mro__[1:]:
            if value.__name__ in vars(base):
                return inspect.getdoc(vars(base)[value.__name__]) or ""
    return text


def has_signature(value):
    """Errors and protocols take what their base classes take."""
    error = inspect.isclass(value) and issubclass(value, Exception)
    return callable(value) and not error and not getattr(value, "_is_protocol", False)


CALLABLES = [name for name, value in OBJECTS.items() if has_signature(value)]


def test_the_walk_finds_the_package():
    """The checks below look at something: the four nouns are found, and their methods."""
    found = {value.__name__ for value in OBJECTS.values() if inspect.isclass(value)}
    assert {"Groups", "GroupConfusion", "Rate", "Criterion", "FairBatchSampler", "TabularEncoder"} <= found
    assert "mxfair.confusion.GroupConfusion.update" in OBJECTS


@pytest.mark.parametrize("name", MODULES)
def test_all_equals_the_public_names(name):
    """__all__ lists every public name that a module defines, and nothing that it lacks."""
    module = importlib.import_module(name)
    if name in NO_ALL:
        assert not hasattr(module, "__all__"), f"{name} has __all__ now: take it off the list"
        return
    names = list(module.__all__)
    assert len(set(names)) == len(names)
    defined = {n for n in defined_names(module) if not is_constant(n) and f"{name}.{n}" not in NOT_PUBLIC}
    assert defined <= set(names)
    assert all(getattr(module, n, None) is not None for n in names)


@pytest.mark.parametrize("name", NOT_PUBLIC)
def test_exempt_names_exist_and_are_not_public(name):
    """An exemption that is no longer needed is removed."""
    module, _, public = name.rpartition(".")
    assert hasattr(importlib.import_module(module), public)
    assert public not in importlib.import_module(module).__all__


@pytest.mark.parametrize("name", NO_SECTION)
def test_exempt_docstrings_are_of_public_objects(name):
    """An exemption of something that is gone is removed."""
    assert name in OBJECTS


@pytest.mark.parametrize("name", MODULES)
def test_modules_say_what_they_are_for(name):
    """Every public module has a docstring that ends like a sentence."""
    text = inspect.getdoc(importlib.import_module(name)) or ""
    assert text.split("\n\n")[0].rstrip().endswith((".", ":"))


@pytest.mark.parametrize("name", OBJECTS)
def test_public_objects_have_a_docstring(name):
    """The first line is a sentence."""
    value = OBJECTS[name]
    own = vars(value).get("__doc__") if inspect.isclass(value) else value.__doc__
    assert own, f"{name} has no docstring of its own"
    assert inspect.cleandoc(own).split("\n\n")[0].endswith((".", ":"))


@pytest.mark.parametrize("name", CALLABLES)
def test_parameters_are_documented_by_their_names(name):
    """The section Parameters names exactly what the signature takes."""
    expected = sorted(signature_of(OBJECTS[name]).parameters)
    assert sorted(documented_parameters(documented(name))) == expected


@pytest.mark.parametrize("name", [n for n in CALLABLES if not inspect.isclass(OBJECTS[n])])
def test_return_values_are_documented(name):
    """What returns something says what; what returns nothing does not."""
    returns = signature_of(OBJECTS[name]).return_annotation
    assert returns is not inspect.Signature.empty, f"{name} has no return annotation"
    text = documented(name)
    has_section = section(text, "Returns") is not None or section(text, "Yields") is not None
    if name in NO_SECTION:
        assert not has_section, f"{name} has the section now: take it off the list"
    else:
        assert has_section == (returns not in (None, "None", "NoReturn"))


@pytest.mark.parametrize("name", CALLABLES)
def test_parameters_are_annotated(name):
    """Every parameter of a public callable has a type."""
    bare = [p.name for p in signature_of(OBJECTS[name]).parameters.values() if p.annotation is p.empty]
    assert bare == []


@pytest.mark.parametrize("name", [n for n, value in OBJECTS.items() if isinstance(value, property)])
def test_properties_are_annotated(name):
    """A property says what it returns."""
    assert "return" in OBJECTS[name].fget.__annotations__


@pytest.mark.parametrize("name", OBJECTS)
def test_sections_are_underlined_to_their_length(name):
    """The underline of a section is as long as its title, or numpydoc does not read it."""
    text = inspect.getdoc(OBJECTS[name]) or ""
    wrong = [
        m.group(1)
        for m in re.finditer(r"^(\w[\w ]*)\n(-{3,})$", text, re.MULTILINE)
        if len(m.group(1)) != len(m.group(2))
    ]
    assert wrong == []
