"""Arrows only point down, and auditing never loads the engine."""

from __future__ import annotations

import ast
import subprocess
import sys

import pytest
from _walk import FILES, module_name, tree_of

import mxfair

#: From the top to the bottom: a module imports modules further down, itself, and nothing above.
LAYERS = (
    "__main__",
    "cli",
    "_explain_job",
    "_main_job",
    "_job_report",
    "_job_models",
    "_job_options",
    "_job_titles",
    "_model_dir",
    "_audit",
    "_task",
    "_table_file",
    "report",
    "diagnosis",
    "explain",
    "ensemble",
    "postprocessing",
    "estimator",
    "training",
    "data",
    "net",
    "preprocessing",
    "loss",
    "regularizer",
    "metric",
    "datasets",
    "criterion",
    "rate",
    "residuals",
    "scores",
    "confusion",
    "uncertainty",
    "resampling",
    "group_metric",
    "_disparity",
    "groups",
    "_encoding",
    "_group_state",
    "_short_repr",
    "_palette",
    "_step",
    "_graph",
    "_strength",
    "_inference",
    "_validation",
    "_compat",
)
#: What works without mxnet. The report imports _inference (a net's outputs) only when a net is to be evaluated.
WITHOUT_ENGINE = (
    "cli",
    "_audit",
    "_table_file",
    "report",
    "diagnosis",
    "explain",
    "postprocessing",
    "preprocessing",
    "datasets",
    "criterion",
    "rate",
    "confusion",
    "scores",
    "residuals",
    "metric",
    "resampling",
    "uncertainty",
    "group_metric",
    "_disparity",
    "groups",
    "_validation",
)


def layer_of(module):
    """Return the name in LAYERS that a dotted module belongs to."""
    return module.split(".")[1]


def imports_of(path):
    """Return the modules of the package that a file imports anywhere, functions included."""
    found = set()
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide where an arrow points"
            if node.module == "mxfair":
                names = [alias.name for alias in node.names]
                found |= {mxfair._NAMES.get(name, f"mxfair.{name}") for name in names}
            else:
                found.add(node.module)
    return {name for name in found if name.startswith("mxfair.")}


INNER = [path for path in FILES if module_name(path) != "mxfair"]


@pytest.mark.parametrize("path", INNER, ids=module_name)
def test_every_module_has_its_place(path):
    """A new module is put into the list above before it is imported from."""
    assert layer_of(module_name(path)) in LAYERS


@pytest.mark.parametrize("path", INNER, ids=module_name)
def test_modules_import_downwards_only(path):
    """No module imports one of a layer above its own."""
    own = LAYERS.index(layer_of(module_name(path)))
    upward = sorted(name for name in imports_of(path) if LAYERS.index(layer_of(name)) < own)
    assert upward == []


def test_the_package_itself_imports_only_the_compatibility_module():
    """``import mxfair`` loads everything else on first use."""
    (path,) = [path for path in FILES if module_name(path) == "mxfair"]
    assert imports_of(path) == {"mxfair._compat"}


def test_nobody_imports_mxnet_past_the_compatibility_module():
    """The engine comes from import_mxnet(), which prepares it and explains what is missing."""
    direct = [
        module_name(path)
        for path in FILES
        for node in ast.walk(tree_of(path))
        if (isinstance(node, ast.Import) and any(alias.name.split(".")[0] == "mxnet" for alias in node.names))
        or (isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "mxnet")
    ]
    assert direct == []


def test_auditing_never_imports_the_engine():
    """Everything that works on arrays and files alone works in an interpreter that never loads mxnet."""
    code = f"""
import sys
for name in {WITHOUT_ENGINE}:
    __import__("mxfair." + name)
    assert "mxnet" not in sys.modules, name
import mxfair
from mxfair import datasets, preprocessing, report
bunch = datasets.load("german_credit")
preprocessing.TabularEncoder().fit_transform(bunch.data)
table = mxfair.GroupConfusion.of([0, 1], [1, 1], ["a", "b"])
mxfair.Criterion("x", "accuracy").difference(table)
report.evaluate_predictions([0, 1, 0, 1], [0, 1, 1, 1], list("aabb"))
assert "mxnet" not in sys.modules
"""
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
