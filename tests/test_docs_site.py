"""What the HTML site is made of, without building it: its tree, its reference and its generated page."""

from __future__ import annotations

import importlib
import inspect
import json
import pathlib
import re
import sys
from types import ModuleType

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
sys.path[:0] = [str(DOCS / "_ext"), str(ROOT / "benchmarks"), str(ROOT / "tests" / "contracts")]

import _page  # noqa: E402
import _walk  # noqa: E402
import plain_markdown  # noqa: E402

pytest.importorskip("mxnet")
import api_pages  # noqa: E402

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


@pytest.fixture(scope="module")
def reference() -> dict[str, str]:
    """Return the pages of the reference."""
    return api_pages.pages()


def test_every_public_name_has_an_entry(reference: dict[str, str]) -> None:
    """Whatever stands in the __all__ of a public module is documented, under one name that leads to the same thing."""
    listed = [
        getattr(importlib.import_module(module), name)
        for text in reference.values()
        for module, body in re.findall(r"currentmodule:: (\S+)\n(.*)", text, flags=re.DOTALL)
        for name in re.findall(r"^\.\. auto(?:class|function|data):: (\w+)$", body, flags=re.MULTILINE)
    ]
    missing = []
    for module_name in _walk.public_modules():
        module = importlib.import_module(module_name)
        for name in getattr(module, "__all__", ()):
            value = getattr(module, name)
            if not isinstance(value, ModuleType) and not any(value is found for found in listed):
                missing.append(f"{module_name}.{name}")
    assert missing == []
    assert len(listed) > 300


def test_a_name_has_one_entry(reference: dict[str, str]) -> None:
    """Classes and functions are documented once, however many modules they can be imported from."""
    names = [name for name in api_pages.entries() if callable(getattr(*_owner(name)))]
    assert len({id(getattr(*_owner(name))) for name in names}) == len(names)


def _owner(name: str) -> tuple[ModuleType, str]:
    module, _, attribute = name.rpartition(".")
    return importlib.import_module(module), attribute


def test_every_page_of_the_reference_is_in_its_tree(reference: dict[str, str]) -> None:
    """Each page is named in the toctree of another one."""
    trees = "\n".join(
        tree
        for text in reference.values()
        for tree in re.findall(r"toctree::\n(.*?)(?=\n\S|\Z)", text, flags=re.DOTALL)
    )
    assert [
        name for name in reference if name != "index" and not re.search(rf"[ <]{re.escape(name)}>?$", trees, re.M)
    ] == []


def test_methods_of_private_bases_are_shown() -> None:
    """A class shows what it inherits from bases that have no entry, and nothing of scikit-learn's or Gluon's."""
    from mxfair.data import FairBatchSampler
    from mxfair.estimator import GluonClassifier

    assert {"shares", "state_dict"} <= set(api_pages.members(FairBatchSampler))
    assert "get_params" not in api_pages.members(GluonClassifier)
    assert inspect.isfunction(GluonClassifier.get_params)


def test_the_tree_holds_every_page_and_notebook() -> None:
    """The site's tree, made from index.md, leads to all pages and notebooks and to nothing else."""
    trees = plain_markdown.toctrees((DOCS / "index.md").read_text(encoding="utf-8"))
    listed = re.findall(r"^(?:[^:`\n]+ <)?([\w/]+)>?$", trees, flags=re.MULTILINE)
    pages = {path.stem for path in DOCS.glob("*.md")} - {"index"}
    assert sorted(listed) == sorted([*pages, *(f"notebooks/{path.stem}" for path in NOTEBOOKS), "api/index"])


@pytest.mark.parametrize(
    ("link", "expected"),
    [
        ("[a](../notebooks/quickstart.ipynb)", "[a](notebooks/quickstart.ipynb)"),
        ("[changes](../CHANGELOG.md#0-1-0)", "[changes](changelog.md#0-1-0)"),
        ("[LICENCES.md](../mxfair/datasets/files/LICENCES.md)", "LICENCES.md (`mxfair/datasets/files/LICENCES.md`)"),
        ("[here](metrics.md#all-functions)", "[here](metrics.md#all-functions)"),
    ],
)
def test_links_out_of_the_folder_lead_to_the_sites_pages(link: str, expected: str) -> None:
    """What GitHub shows by its path is led to its page, or named where the site has none."""
    assert plain_markdown.LINK.sub(plain_markdown.site_link, link) == expected


@pytest.mark.parametrize("path", [*NOTEBOOKS, ROOT / "README.md", ROOT / "CONTRIBUTING.md"], ids=lambda path: path.name)
def test_links_of_notebooks_and_of_the_project_point_at_something(path: pathlib.Path) -> None:
    """Relative links lead to files that exist, and their anchors to headings."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        cells = [cell for cell in json.loads(text)["cells"] if cell["cell_type"] == "markdown"]
        text = "\n".join("".join(cell["source"]) for cell in cells)
    for link in re.findall(r"\]\((?!https?:|attachment:)([^)]+)\)", text):
        target, _, anchor = link.partition("#")
        file = path.parent / target if target else path
        assert file.exists(), link
        if anchor:
            headings = re.findall(r"^#+ (.+)$", file.read_text(encoding="utf-8"), flags=re.MULTILINE)
            assert anchor in {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}, link


def test_the_page_on_benchmarks_is_made_from_their_results() -> None:
    """docs/benchmarks.md is what the JSON files say: run `python benchmarks/_page.py` after a benchmark."""
    assert (DOCS / "benchmarks.md").read_text(encoding="utf-8") == _page.page()


def test_the_page_on_benchmarks_shows_every_figure_that_was_asked_for() -> None:
    """Each bar of each file is a row of its table, missed ones marked."""
    text = (DOCS / "benchmarks.md").read_text(encoding="utf-8")
    bars = [bar for document in _page.documents().values() for bar in document["bars"]]
    assert text.count("| **no** |") == sum(not bar["ok"] for bar in bars)
    assert all(f"| {bar['name'].replace('|', chr(92) + '|')} |" in text for bar in bars)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.00012, "0.00012"), (1e-9, "1.0e-09"), (1234.5, "1,234"), (0.5, "0.5"), (3.14159, "3.14")],
)
def test_numbers_of_the_page_keep_three_digits(value: float, text: str) -> None:
    """Figures are shown with what is significant of them."""
    assert _page.number(value) == text


def test_aif360s_figures_are_those_that_ours_print() -> None:
    """The page on migrating shows AIF360's numbers, and the block below prints the same under the same names."""
    text = (DOCS / "migrating.md").read_text(encoding="utf-8")
    theirs = dict(re.findall(r"^m\.(\w+)\(\) +# +(-?[\d.]+)$", text, flags=re.MULTILINE))
    ours = dict(re.findall(r"^(\w+) +(-?\d[\d.]*)$", text, flags=re.MULTILINE))
    assert len(theirs) == 8
    assert {name: ours.get(name) for name in theirs} == theirs
