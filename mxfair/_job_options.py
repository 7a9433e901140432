"""The options of `mxfair train`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["Options"]


@dataclass(frozen=True)
class Options:
    """The options of ``mxfair train``."""

    data: str
    label: str | None
    positive: str | None
    groups: tuple[str, ...]
    exclude: tuple[str, ...]
    criterion: str | None
    controller: str
    net_name: str
    epochs: int
    batch_size: int | None
    learning_rate: float
    test_size: float
    seed: int
    out: Path
    overwrite: bool
    task: str | None = None
    signal: str = "full"
    update_every: int | None = None
    postprocess: str | None = None
    eps: float | None = None
