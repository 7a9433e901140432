"""The files that are shipped with the package: compressed, and checked each time they are read."""

from __future__ import annotations

import gzip
import hashlib
import pathlib
import zlib

from mxfair._validation import InputError

FOLDER = pathlib.Path(__file__).parent / "files"

CHECKSUMS = {  # SHA-256 of the uncompressed content
    "adult.data": "5b00264637dbfec36bdeaab5676b0b309ff9eb788d63554ca0a249491c86603d",
    "adult.test": "a2a9044bc167a35b2361efbabec64e89d69ce82d9790d2980119aac5fd7e9c05",
    "german.data": "b21f3d81db8071257d5ff1deaeba1fd4303b62712e6fcc9715c7a86202cb5871",
    "communities_crime.csv": "46fb352dbc64730825fa83ba7bebf2d2e86c571fff23099c22c61d1f8bf0942f",
}


def read(name: str) -> bytes:
    """Return the content of an embedded file after comparing its SHA-256 with the recorded one."""
    expected = CHECKSUMS[name]
    try:
        content = gzip.decompress((FOLDER / f"{name}.gz").read_bytes())
        found = hashlib.sha256(content).hexdigest()
    except (OSError, EOFError, zlib.error) as error:
        content, found = b"", f"a file that cannot be read ({error})"
    if found != expected:
        raise InputError(
            f"The embedded file {name}.gz must hold data with the SHA-256 {expected}; got {found}. "
            "It is damaged or missing: install mxfair again."
        )
    return content
