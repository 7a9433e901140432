"""Notebooks run from a fresh kernel, and their committed outputs are what they show."""

from __future__ import annotations

import pathlib
import re
from typing import Any

import pytest

nbclient = pytest.importorskip("nbclient")
nbformat = pytest.importorskip("nbformat")

FOLDER = pathlib.Path(__file__).resolve().parents[1] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


def printed(notebook: Any) -> list[str]:
    """Return the text of each cell's outputs, with # for numbers: the last digit may differ between processors.

    What a cell prints comes in one piece or in several, as the machine is fast or slow: it is joined.
    """
    texts = []
    for cell in notebook.cells:
        outputs = cell.outputs if cell.cell_type == "code" else []
        texts.append("".join(o["text"] for o in outputs if o.output_type == "stream" and "\x1b" not in o["text"]))
        texts += [str(o.get("data", {}).get("text/plain", "")) for o in outputs if o.output_type != "stream"]
    found = [re.sub(r"\s+", " ", re.sub(r"[-\u2212]?\d[\d.,]*", "#", text)) for text in texts if "\x1b" not in text]
    return [text for text in found if text]


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=[p.stem for p in NOTEBOOKS])
def test_a_notebook_runs_and_shows_what_was_committed(path: pathlib.Path) -> None:
    """Every cell runs, and the text of its outputs is the committed text, numbers aside."""
    committed = nbformat.read(path, as_version=4)
    fresh = nbformat.read(path, as_version=4)
    nbclient.NotebookClient(fresh, timeout=300, resources={"metadata": {"path": str(FOLDER)}}).execute()
    assert printed(committed), "run the notebook and commit its outputs"
    assert printed(fresh) == printed(committed)


def test_there_are_notebooks() -> None:
    """The folder is not empty."""
    assert NOTEBOOKS
