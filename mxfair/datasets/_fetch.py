"""What data sets that are downloaded need: a place to keep them, a download with clear errors, an atomic write."""

from __future__ import annotations

import contextlib
import gzip
import os
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mxfair._validation import InputError

CACHE = "~/.cache/mxfair"
VARIABLE = "MXFAIR_DATA"


def location(data_home: Any = None) -> Path:
    """Return the file or folder to read from: the argument, else the variable MXFAIR_DATA, else ~/.cache/mxfair."""
    given = data_home if data_home is not None else os.environ.get(VARIABLE) or CACHE
    place = Path(given).expanduser()
    if not place.exists() and place.suffix in (".csv", ".gz"):
        name = "'data_home'" if data_home is not None else f"The variable {VARIABLE}"
        raise InputError(f"{name} must name a folder or an existing file; got {place}. Correct the path.")
    return place


def find(place: Path, patterns: Sequence[str]) -> Path | None:
    """Return `place` if it is a file, else the first file in it that matches; earlier patterns go first."""
    if place.is_file():
        return place
    return next((path for pattern in patterns for path in sorted(place.glob(pattern)) if path.is_file()), None)


def read(path: Path) -> bytes:
    """Return the content of a file that was found."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} must be readable; got '{error.strerror}'. Check its permissions.") from error


def download(url: str, *, what: str, advice: str, timeout: float) -> bytes:
    """Return what `url` sends; every failure is an InputError that says what to do instead."""
    import http.client
    import urllib.request

    try:
        with urllib.request.urlopen(url, timeout=timeout) as response:
            return response.read()
    except (OSError, http.client.HTTPException, ValueError) as error:  # offline, 404, time out, cut off, bad address
        reason = str(error) or type(error).__name__
        raise InputError(f"{what} must be downloaded from {url}; got '{reason}'. {advice}") from error


def unpack(raw: bytes) -> bytes:
    """Return `raw` without gzip compression, if it has any."""
    return gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw


def write(path: Path, content: bytes) -> None:
    """Write a compressed file so that no reader ever sees a part of it."""
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(gzip.compress(content, 9, mtime=0))
        os.replace(part, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink()
        raise InputError(
            f"'data_home' must be a folder that can be written; got {path.parent} ({error.strerror or error}). "
            f"Choose another folder, or set {VARIABLE} to one."
        ) from error
