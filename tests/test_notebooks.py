"""Notebooks run from a fresh kernel, and their committed outputs are what they show."""

from __future__ import annotations

import pathlib
from typing import Any

import pytest

nbclient = pytest.importorskip("nbclient")
nbformat = pytest.importorskip("nbformat")

FOLDER = pathlib.Path(__file__).resolve().parents[1] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


def printed(notebook: Any) -> list[str]:
    """Return the text of all outputs."""
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    return [str(o.get("text") or o.get("data", {}).get("text/plain", "")) for o in outputs]


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=[p.stem for p in NOTEBOOKS])
def test_a_notebook_runs_and_shows_what_was_committed(path: pathlib.Path) -> None:
    """Every cell runs, and the text of its outputs is the committed text."""
    committed = nbformat.read(path, as_version=4)
    fresh = nbformat.read(path, as_version=4)
    nbclient.NotebookClient(fresh, timeout=300, resources={"metadata": {"path": str(FOLDER)}}).execute()
    assert printed(committed), "run the notebook and commit its outputs"
    assert [t for t in printed(fresh) if "\x1b" not in t] == [t for t in printed(committed) if "\x1b" not in t]


def test_there_are_notebooks() -> None:
    """The folder is not empty."""
    assert NOTEBOOKS
