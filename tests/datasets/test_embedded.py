"""The files in the package: intact, attributed, and refused when damaged."""

from __future__ import annotations

import gzip
import shutil

import pytest

from mxfair import datasets
from mxfair._validation import InputError
from mxfair.datasets import _embedded


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Copy the embedded files, so that a test may damage them."""
    copy = shutil.copytree(_embedded.FOLDER, tmp_path / "files")
    monkeypatch.setattr(_embedded, "FOLDER", copy)
    return copy


@pytest.mark.parametrize("name", _embedded.CHECKSUMS)
def test_every_file_is_intact(name):
    """Each embedded file has the recorded checksum."""
    assert _embedded.read(name)


@pytest.mark.parametrize("name", _embedded.CHECKSUMS)
def test_every_file_is_attributed(name):
    """Each embedded file and its checksum are in LICENCES.md."""
    text = (_embedded.FOLDER / "LICENCES.md").read_text(encoding="utf-8")
    assert f"{name}.gz" in text
    assert _embedded.CHECKSUMS[name] in text


def test_no_file_without_a_checksum():
    """Nothing else lies in the folder."""
    expected = {f"{name}.gz" for name in _embedded.CHECKSUMS} | {"LICENCES.md"}
    assert {path.name for path in _embedded.FOLDER.iterdir()} == expected


@pytest.mark.parametrize("name", _embedded.CHECKSUMS)
def test_archives_hold_no_time_and_no_name(name):
    """The compressed files do not depend on when and where they were made."""
    header = (_embedded.FOLDER / f"{name}.gz").read_bytes()[:8]
    assert header == b"\x1f\x8b\x08\x00\x00\x00\x00\x00"


def test_one_changed_value_is_noticed(folder):
    """A file that is valid but altered is refused, with the checksum and the cure."""
    path = folder / "german.data.gz"
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()).replace(b"1169", b"1196", 1)))
    with pytest.raises(
        InputError, match=r"german\.data\.gz must hold data with the SHA-256 b21f.*; got .*install mxfair"
    ):
        datasets.load_german_credit()


def test_truncated_file_is_noticed(folder):
    """A cut file is refused in the same words."""
    path = folder / "adult.test.gz"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(
        InputError, match=r"adult\.test\.gz must hold .* got a file that cannot be read .*install mxfair"
    ):
        datasets.load_adult()


def test_damaged_bytes_are_noticed(folder):
    """Bytes that no longer decompress are refused in the same words."""
    path = folder / "communities_crime.csv.gz"
    raw = bytearray(path.read_bytes())
    raw[20:40] = bytes(20)
    path.write_bytes(raw)
    with pytest.raises(InputError, match="install mxfair again"):
        datasets.load_communities_crime()


def test_missing_file_is_noticed(folder):
    """An absent file is refused in the same words."""
    (folder / "german.data.gz").unlink()
    with pytest.raises(InputError, match="install mxfair again"):
        datasets.load_german_credit()
