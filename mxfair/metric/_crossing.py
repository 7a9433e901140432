"""Several attributes crossed once: cells, from which every coarser subgroup is a sum."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from mxfair import _encoding
from mxfair._validation import InputError, positive_integer, same_length
from mxfair.groups import Groups


@dataclass(frozen=True)
class Crossing:
    """The combinations of several attributes' levels that occur.

    `codes` holds each sample's cell, shape (n_samples,); `places` the level of each attribute in each cell, shape
    (n_cells, n_attributes), -1 where it is missing; `attributes` and `levels` their names.
    """

    attributes: tuple[str, ...]
    levels: tuple[tuple[str, ...], ...]
    codes: np.ndarray
    places: np.ndarray

    @classmethod
    def of(cls, attributes: Any) -> Crossing:
        """Encode each attribute and number the combinations that occur."""
        columns = {attributes.name: attributes} if isinstance(attributes, Groups) else _encoding.columns_of(attributes)
        encoded = [Groups(column, name=str(name)) for name, column in columns.items()]
        same_length(**{groups.name: groups.codes for groups in encoded})
        codes, places = np.zeros(len(encoded[0]), dtype=np.int64), np.zeros((1, 0), dtype=np.int64)
        for groups in encoded:
            own = np.where(groups.known, np.arange(groups.n_groups), -1)
            cells, codes, _ = _encoding.occurring(codes * groups.n_groups + groups.codes, len(places) * groups.n_groups)
            places = np.column_stack([places[cells // groups.n_groups], own[cells % groups.n_groups]])
        names = tuple(groups.name for groups in encoded)
        levels = tuple(tuple(n for n, known in zip(g.names, g.known) if known) for g in encoded)
        return cls(names, levels, codes, places)

    @property
    def cells(self) -> Groups:
        """The cells as groups, numbered."""
        return Groups.from_codes(
            self.codes, [str(i) for i in range(len(self.places))], name=" x ".join(self.attributes)
        )

    def subgroups(self, sums: np.ndarray, max_order: int | None) -> Iterator[Marginal]:
        """Yield the marginal of every choice of up to `max_order` attributes; None takes them all."""
        orders = len(self.attributes)
        if max_order is not None:
            orders = min(orders, positive_integer(max_order, "max_order"))
        for order in range(1, orders + 1):
            for chosen in combinations(range(len(self.attributes)), order):
                yield self._marginal(sums, chosen)

    def _marginal(self, sums: np.ndarray, chosen: tuple[int, ...]) -> Marginal:
        places = self.places[:, chosen]
        known = (places >= 0).all(axis=1)
        code = np.zeros(len(places), dtype=np.int64)
        found = np.zeros((1, 0), dtype=np.int64)
        for i, column in enumerate(chosen):
            width = len(self.levels[column]) + 1
            cells, code, _ = _encoding.occurring(code * width + places[:, i] + 1, len(found) * width)
            found = np.column_stack([found[cells // width], cells % width - 1])
        whole = np.stack([np.bincount(code, column, minlength=len(found)) for column in sums.T], axis=1)
        kept = (found >= 0).all(axis=1)
        return Marginal(
            tuple(self.attributes[c] for c in chosen),
            [tuple(self.levels[c][p] for c, p in zip(chosen, row)) for row in found[kept]],
            whole[kept],
            sums[~known].sum(axis=0),
        )


@dataclass(frozen=True)
class Marginal:
    """The subgroups of one choice of attributes: their levels and sums, and the sums of what is unknown."""

    attributes: tuple[str, ...]
    levels: list[tuple[str, ...]]
    sums: np.ndarray
    unknown: np.ndarray


def chosen_attributes(known: tuple[str, ...], chosen: tuple[str, ...]) -> tuple[str, ...]:
    """Return the chosen attributes in the order of all, after checking their names."""
    absent = [name for name in chosen if name not in known]
    if absent or not chosen:
        raise InputError(f"Attributes must be among {', '.join(known)}; got {list(chosen)}. Name one or several.")
    return tuple(name for name in known if name in chosen)


def unknown_name(attributes: tuple[str, ...]) -> str:
    """Return the name of the samples of which one of the attributes is missing."""
    return f"{' x '.join(attributes)}: unknown"
