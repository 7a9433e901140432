"""What the pages on metrics show is what happens: their snippets run, and print what stands below them."""

from __future__ import annotations

import pathlib
import re

import pytest

from mxfair import metric

ROOT = pathlib.Path(__file__).resolve().parents[1]
NAMES = [
    "metrics",
    "uncertainty",
    "preprocessing",
    "losses",
    "estimators",
    "ensembles",
    "regression",
    "postprocessing",
    "report",
    "explain",
    "diagnosis",
    *("quickstart", "concepts", "criteria", "conventions", "migrating"),
]
PAGES = [ROOT / "docs" / f"{name}.md" for name in NAMES]
#: A Python block and, if one follows at once, the text block that it prints.
BLOCK = re.compile(r"^```python\n(.*?)^```\n(?:\n```text\n(.*?)^```\n)?", flags=re.DOTALL | re.MULTILINE)
NUMBER = re.compile(r"[-\u2212]?\d[\d,]*(?:\.\d+)?(?:e[-+]\d+)?|\bnan\b|\bNaN\b")


def numbers(text: str) -> list[float]:
    """Return the numbers of a text."""
    return [float(found.replace(",", "").replace("\u2212", "-")) for found in NUMBER.findall(text)]


def words(text: str) -> str:
    """Return a text with # for its numbers and one space between words."""
    return " ".join(NUMBER.sub("#", text).split())


def run(page: pathlib.Path, blocks: list[tuple[str, str]], capsys: pytest.CaptureFixture[str]) -> None:
    """Run blocks one after the other in one namespace, and compare what they print with what the page shows."""
    names: dict[str, object] = {}
    for code, shown in blocks:
        exec(compile(code, page.name, "exec"), names)
        printed = capsys.readouterr().out
        assert words(printed) == words(shown), f"{page.name} shows\n{shown}\nand this is printed:\n{printed}"
        # a model fitted by another version of scikit-learn decides about a few people otherwise
        expected = pytest.approx(numbers(shown), rel=0.03, abs=0.004, nan_ok=True)
        assert numbers(printed) == expected, f"{page.name} shows\n{shown}\nand this is printed:\n{printed}"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*left out of the mean:UserWarning")
@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_the_snippets_of_a_page_print_what_it_shows(
    page: pathlib.Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
    """A page is one program from top to bottom, and each block prints the text below it."""
    monkeypatch.chdir(tmp_path)
    blocks = BLOCK.findall(page.read_text(encoding="utf-8"))
    assert any(shown for _, shown in blocks)
    run(page, blocks, capsys)


def test_the_readmes_measurements_are_what_its_code_prints(capsys: pytest.CaptureFixture[str]) -> None:
    """The README's blocks with a text below them run by themselves and print it."""
    page = ROOT / "README.md"
    blocks = [block for block in BLOCK.findall(page.read_text(encoding="utf-8")) if block[1]]
    assert blocks
    for block in blocks:
        run(page, [block], capsys)


@pytest.mark.filterwarnings("ignore")
def test_the_snippets_on_fairbatch_run(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    """Each block of the page on FairBatch, and the README's longer call, runs on a small data set."""
    import mxnet as mx
    import numpy as np

    import mxfair

    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    groups = (rng.random(2000) < 0.3).astype(int)
    X = rng.normal(size=(2000, 5)).astype("float32")
    labels = (X[:, 0] + 0.5 * groups > 0).astype("float32")
    page = (ROOT / "docs" / "fairbatch.md").read_text(encoding="utf-8")
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = [code for code, _ in BLOCK.findall(page)]
    blocks += [code for code, _ in BLOCK.findall(readme) if "Snapshot" in code]
    assert len(blocks) > 6
    for code in blocks:
        net = mxfair.net.mlp(5)
        net.initialize()
        names = {
            **{"mxfair": mxfair, "np": np, "gluon": mx.gluon, "autograd": mx.autograd, "net": net, "epochs": 2},
            **{"X": X, "labels": labels, "groups": groups, "loss": mx.gluon.loss.SigmoidBCELoss()},
            **{"X_val": X[:500], "labels_val": labels[:500], "groups_val": groups[:500]},
            "dataset": mx.gluon.data.ArrayDataset(X, labels, groups),
            "trainer": mx.gluon.Trainer(net.collect_params(), "adam"),
        }
        names["loader"] = mxfair.data.FairDataLoader(
            names["dataset"], 256, net=net, loss=names["loss"], criterion="equalized_odds", seed=0
        )
        for file in tmp_path.iterdir():
            file.unlink()
        exec(compile(code, "fairbatch.md", "exec"), names)


def test_the_page_on_metrics_names_every_function() -> None:
    """Whatever can be imported from mxfair.metric is listed on its page."""
    listed = set(re.findall(r"`(\w+)`", PAGES[0].read_text(encoding="utf-8")))
    assert sorted(set(metric.__all__) - listed) == []


@pytest.mark.parametrize("page", sorted((ROOT / "docs").glob("*.md")), ids=lambda path: path.name)
def test_links_between_pages_point_at_something(page: pathlib.Path) -> None:
    """Relative links lead to files that exist, and their anchors to headings."""
    for link in re.findall(r"\]\((?!https?:)([^)]+)\)", page.read_text(encoding="utf-8")):
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), link
        if anchor:
            headings = re.findall(r"^#+ (.+)$", target.read_text(encoding="utf-8"), flags=re.MULTILINE)
            anchors = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
            assert anchor in anchors, link


def test_the_index_leads_to_every_page() -> None:
    """No page is left out of docs/index.md."""
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    assert [p.name for p in (ROOT / "docs").glob("*.md") if p.name != "index.md" and f"({p.name})" not in index] == []
