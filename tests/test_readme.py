"""What the README shows is what happens."""

from __future__ import annotations

import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_readme_opens_with_the_two_commands() -> None:
    """`make demo` and `make test` come before anything else that can be typed."""
    first = re.search(r"^    \S.*$", README, flags=re.MULTILINE)
    assert first is not None
    assert first.group().strip().startswith("make demo")


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\((?!https?:)([^)#]+)\)", README))))
def test_links_point_at_files(link: str) -> None:
    """Every relative link of the README exists."""
    assert (ROOT / link).exists()


@pytest.mark.slow
def test_the_complete_program_runs(capsys: pytest.CaptureFixture[str]) -> None:
    """The README's complete program runs as it stands and prints the rates of both groups."""
    blocks = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    program = next(block for block in blocks if "load_adult" in block)
    exec(compile(program, "README.md", "exec"), {})
    shown = capsys.readouterr().out
    assert "equalized_odds" in shown
    assert "16,281" in shown


@pytest.mark.slow
def test_the_program_with_estimators_runs(capsys: pytest.CaptureFixture[str]) -> None:
    """The README's program with estimators runs as it stands, and the gap it prints is small."""
    blocks = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    program = next(block for block in blocks if "BaggingClassifier" in block)
    exec(compile(program, "README.md", "exec"), {})
    assert 0 < float(capsys.readouterr().out) < 0.1


@pytest.mark.parametrize("page", [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))], ids=lambda p: p.name)
def test_no_placeholder_is_left(page: pathlib.Path) -> None:
    """No page has a word in capitals where a figure was to come."""
    assert not re.search(r"(?:^|\. )[A-Z]{5,}$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
