"""A progress bar on a terminal, for files that take a while."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from mxfair._audit._sources import Source

#: Files of fewer bytes are read before a bar could be looked at.
LARGE = 50_000_000


class Progress:
    """A bar on standard error while files are read; nothing where nobody watches.

    Parameters
    ----------
    sources : sequence of Source
    what : str
        What is done.
    """

    def __init__(self, sources: Sequence[Source], what: str) -> None:
        self._bar: Any = None
        self._what = what
        self._shown = sys.stderr.isatty() and sum(source.path.stat().st_size for source in sources) > LARGE

    def __enter__(self) -> Progress:
        if self._shown:
            from rich.console import Console
            from rich.progress import Progress as Bar

            self._bar = Bar(console=Console(stderr=True), transient=True)
            self._bar.start()
            self._bar.add_task(self._what, total=1.0)
        return self

    def update(self, share: float) -> None:
        """Show how much is done, from 0 to 1."""
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], completed=share)

    def __exit__(self, *_: Any) -> None:
        if self._bar is not None:
            self._bar.stop()
