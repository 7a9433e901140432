"""The options of `mxfair audit`, and what is wrong with them whatever the files hold."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from mxfair._validation import InputError, one_of
from mxfair.metric._convention import COMPAT
from mxfair.report.gates import Gate

#: Formats of --out.
FORMATS = (".html", ".json", ".md", ".csv", ".xml")
#: What a folder holds; nothing else is ever replaced.
WRITTEN = ("report.html", "metrics.json", "report.md", "rates.csv", "model_card.md", "junit.xml")


@dataclass(frozen=True)
class AuditOptions:
    """The options of ``mxfair audit``."""

    files: tuple[str, ...]
    label: str
    predictions: tuple[str, ...]
    groups: tuple[str, ...]
    scores: tuple[str, ...] = ()
    control: tuple[str, ...] = ()
    threshold: float | None = None
    positive: str | None = None
    task: str | None = None
    criterion: str | None = None
    reference: str | None = None
    compat: str | None = None
    min_support: float = 0
    fail_if: tuple[str, ...] = ()
    out: Path | None = None
    overwrite: bool = False

    def check(self) -> list[Gate]:
        """Refuse what is wrong whatever the files hold, and return the gates."""
        if self.task is not None:
            one_of(self.task, ("classification", "regression"), "--task")
        if self.compat is not None:
            one_of(self.compat, COMPAT, "--compat")
            if COMPAT[self.compat].compare == "to_reference" and self.reference is None:
                raise InputError(
                    f"--reference must name the group that {self.compat} compares with; got none. Add --reference."
                )
        if self.threshold is not None and not math.isfinite(self.threshold):
            raise InputError(f"--threshold must be a finite number; got {self.threshold}. Write, e.g., 0.5.")
        if not math.isfinite(self.min_support):
            raise InputError(f"--min-support must be a number of samples from 0 on; got {self.min_support}.")
        self._check_models()
        if self.out is not None:
            check_out(self.out, self.overwrite)
        return [Gate.parse(text) for text in self.fail_if]

    def _check_models(self) -> None:
        if self.threshold is not None and (self.predictions or not self.scores):
            raise InputError("--threshold makes decisions of each --score; give --score, and leave --prediction out.")
        if self.threshold is None and self.scores and len(self.scores) != len(self.predictions):
            raise InputError(
                f"--score must be given once for each --prediction, in the same order; got {len(self.scores)} and "
                f"{len(self.predictions)}. Add the missing ones or leave --score out."
            )
        for option, names in (
            ("--prediction", self.predictions),
            ("--score", self.scores if self.threshold is not None else ()),
            ("--group", self.groups),
            ("--control", self.control),
        ):
            repeated = next((name for name in names if names.count(name) > 1), None)
            if repeated is not None:
                raise InputError(f"{option} must name each column once; got '{repeated}' twice. Leave one out.")
        shared = next((name for name in self.control if name in self.groups), None)
        if shared is not None:
            raise InputError(f"--control must name other columns than --group; got '{shared}' in both. Leave one out.")


def is_folder(out: Path) -> bool:
    """Return whether --out names a folder: one that is there, or a name without a suffix."""
    return out.is_dir() or not out.suffix


def check_not_read(out: Path | None, read: Iterable[Path]) -> None:
    """Refuse to write over a file that is read."""
    if out is None:
        return
    written = [out / name for name in WRITTEN] if is_folder(out) else [out]
    here = {path.resolve() for path in written}
    for path in read:
        if path.resolve() in here:
            raise InputError(f"--out must not replace what is read; '{path}' is both. Choose another path.")


def check_out(out: Path, overwrite: bool, *, formats: tuple[str, ...] = FORMATS) -> None:
    """Refuse a file or folder that cannot or must not be written, before any work is done."""
    parent = out.absolute().parent
    if not parent.is_dir() or not os.access(parent, os.W_OK):
        raise InputError(f"--out must be in an existing folder that can be written; got '{out}'. Choose another path.")
    if is_folder(out):
        if not out.is_dir():
            return
        inside = sorted(path.name for path in out.iterdir())
        if inside and not overwrite:
            raise InputError(f"--out must be a new or empty folder; '{out}' has files. Add --overwrite.")
        foreign = next((name for name in inside if name not in WRITTEN), None)
        if foreign is not None:
            raise InputError(
                f"--overwrite replaces only what mxfair audit wrote; '{out}' holds '{foreign}'. Choose another folder."
            )
        return
    if out.suffix.lower() not in formats:
        raise InputError(
            f"--out must be a folder or end in {', '.join(formats)}; got '{out.name}'. Choose one of these formats."
        )
    if out.exists() and not overwrite:
        raise InputError(f"--out must be a new file; '{out}' exists. Choose another name or add --overwrite.")
