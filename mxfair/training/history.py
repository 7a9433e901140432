"""History: what happened in each epoch, as columns."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["History"]


class History:
    """What happened in each epoch.

    Attributes
    ----------
    epochs : list of dict
        One entry per epoch: ``epoch``, ``loss`` (mean over the samples), ``seconds``, and what callbacks added.

    Examples
    --------
    >>> history = History()
    >>> history.epochs.append({"epoch": 0, "loss": 0.5})
    >>> history["loss"]
    [0.5]
    """

    def __init__(self) -> None:
        self.epochs: list[dict[str, Any]] = []

    def __getitem__(self, key: str | int) -> Any:
        """Return a column, None where an epoch lacks it, or, by number, an epoch."""
        return self.epochs[key] if isinstance(key, int) else [entry.get(key) for entry in self.epochs]

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self.epochs)

    def __len__(self) -> int:
        return len(self.epochs)

    def to_frame(self) -> pd.DataFrame:
        """Return a data frame with one row per epoch.

        Returns
        -------
        pandas.DataFrame
        """
        import pandas as pd

        return pd.DataFrame(self.epochs)

    def __repr__(self) -> str:
        last = f", loss {self.epochs[-1]['loss']:.4f}" if self.epochs and "loss" in self.epochs[-1] else ""
        return f"History({len(self.epochs)} epochs{last})"
