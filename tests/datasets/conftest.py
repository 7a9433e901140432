"""What the tests of the data sets share."""

from __future__ import annotations

import pathlib

import pytest

SHARED = pathlib.Path(__file__).resolve().parents[2].parent / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data():
    """Return a function from the name of a folder beside the checkout to its path; skip where it is missing."""

    def folder(name: str) -> pathlib.Path:
        path = SHARED / name
        if not path.is_dir():
            pytest.skip(f"needs the data folder '../shared/data/{name}' beside the checkout, which may not be shipped")
        return path

    return folder


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch, tmp_path):
    """Keep the user's cache and proxies out of the tests."""
    monkeypatch.delenv("MXFAIR_DATA", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("no_proxy", "*")
