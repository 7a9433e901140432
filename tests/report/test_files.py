"""Saving."""

from __future__ import annotations

import os

import pytest

from mxfair._validation import InputError
from mxfair.report import FairnessReport


@pytest.mark.parametrize("suffix", [".html", ".json", ".md", ".MD"])
def test_the_suffix_chooses_the_format_and_the_path_comes_back(report, page, tmp_path, suffix):
    """save() writes what the to_... methods return."""
    path = report.save(tmp_path / f"report{suffix}")
    texts = {".html": page, ".json": report.to_json(), ".md": report.to_markdown()}
    assert path.read_text(encoding="utf-8") == texts[suffix.lower()]


def test_another_suffix_is_refused(report, tmp_path):
    """An unknown suffix is named with the known ones."""
    with pytest.raises(InputError, match=r"must end in \.html, \.json, \.md, \.csv; got 'report\.pdf'"):
        report.save(tmp_path / "report.pdf")


def test_a_missing_folder_is_refused(report, tmp_path):
    """The folder is named."""
    with pytest.raises(InputError, match="existing folder"):
        report.save(tmp_path / "no" / "report.md")


@pytest.mark.parametrize("broken", ["replace", "fsync"])
def test_a_failing_write_leaves_the_old_file(report, tmp_path, monkeypatch, broken):
    """A full disk or a crash leaves the old file as it was and no debris."""

    def fail(*_):
        raise OSError("disk full")

    path = tmp_path / "report.md"
    path.write_text("old")
    monkeypatch.setattr(os, broken, fail)
    with pytest.raises(OSError, match="disk full"):
        report.save(path)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["report.md"]


def test_a_failing_format_leaves_the_old_file(report, tmp_path, monkeypatch):
    """Nothing is opened before the text is complete."""

    def fail(_):
        raise RuntimeError

    path = tmp_path / "report.md"
    path.write_text("old")
    monkeypatch.setattr(FairnessReport, "to_markdown", fail)
    with pytest.raises(RuntimeError):
        report.save(path)
    assert path.read_text() == "old"
