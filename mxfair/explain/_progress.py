"""A progress bar over pieces of work, for whoever asks for one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

__all__ = ["track"]


def track(items: Iterable[Any], total: int, text: str, progress: bool) -> Iterator[Any]:
    """Yield items of (rows done, value) as values; show how many of `total` rows are done."""
    if not progress:
        for _, item in items:
            yield item
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    shown = (TextColumn("{task.description}"), BarColumn(bar_width=28), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*shown) as bar:
        task = bar.add_task(text, total=total)
        for done, item in items:
            yield item
            bar.update(task, advance=done)
