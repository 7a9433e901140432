"""Writing a file so that it is either the old one or the complete new one."""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Callable

from mxfair._validation import InputError


def save(path: str | os.PathLike[str], writers: Mapping[str, Callable[[], str]]) -> Path:
    """Write the text that the suffix's writer returns to `path`, and return the path."""
    path = Path(path)
    writer = writers.get(path.suffix.lower())
    if writer is None:
        raise InputError(f"'path' must end in {', '.join(writers)}; got {path.name!r}. Choose one of these formats.")
    if not path.parent.is_dir():
        raise InputError(f"'path' must lie in an existing folder; got {str(path.parent)!r}. Create the folder first.")
    write_text(path, writer())
    return path


def write_text(path: Path, text: str) -> None:
    """Write `text` beside `path`, then rename it to `path`: a crash or a full disk leaves the old file as it was."""
    write_all({path: text})


def write_all(texts: Mapping[Path, str]) -> None:
    """Write several files so; none is replaced before all of them are written."""
    parts: dict[Path, Path] = {}
    try:
        for path, text in texts.items():
            parts[path] = path.with_name(f".{path.name[:80]}.{uuid.uuid4().hex[:8]}.part")
            with open(parts[path], "x", encoding="utf-8", newline="\n") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
        for path, part in parts.items():
            os.replace(part, path)
    except BaseException:
        for part in parts.values():
            part.unlink(missing_ok=True)
        raise
