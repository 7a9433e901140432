"""What the three summable states have in common: named groups, and `sum`."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from typing import Any, TypeVar

import numpy as np

from mxfair._validation import InputError

_State = TypeVar("_State", bound="GroupState")


class GroupState(ABC):
    """A state by group that adds.

    Parameters
    ----------
    groups : sequence of str
        Names of the groups.
    known : array of bool, shape (n_groups,), optional
        False for the group of samples whose sensitive attribute is missing. Default: all but "unknown".
    name : str
        Name of the sensitive attribute.
    """

    def __init__(self, groups: Any, known: Any | None, name: str) -> None:
        self.groups = tuple(str(group) for group in groups)
        if len(set(self.groups)) < len(self.groups):
            raise InputError(f"'groups' must name each group once; got {', '.join(self.groups)}. Rename one.")
        there = [group != "unknown" for group in self.groups]  # what Groups calls missing values
        self.known = np.array(there if known is None else known, dtype=bool)
        if self.known.shape != (len(self.groups),):
            raise InputError(
                f"'known' must hold one value per group ({len(self.groups)}); got shape {self.known.shape}."
            )
        self.name = name

    @property
    @abstractmethod
    def support(self) -> np.ndarray:
        """Weight of each group's samples, shape (n_groups,)."""

    def __radd__(self: _State, other: Any) -> _State:
        return copy.deepcopy(self) if isinstance(other, int) and other == 0 else NotImplemented  # sum() begins with 0

    def _listed(self) -> str:
        """Return the groups with their support, for a repr."""
        inner = ", ".join(f"{group} {count:,g}" for group, count in zip(self.groups, self.support))
        return f"{type(self).__name__}({self.name}: {inner}"
