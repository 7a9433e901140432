"""What stands beside groups: levels of a control attribute, and the attributes that groups are crossings of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mxfair import _encoding
from mxfair._validation import InputError, InputTypeError
from mxfair.confusion import GroupConfusion
from mxfair.groups import Groups
from mxfair.metric._strata import control_groups, strata_of


def check_strata(strata: Any, table: GroupConfusion) -> dict[str, GroupConfusion]:
    """Return the tables of a control attribute's levels after checking that they add up to the table of all."""
    if strata is None:
        return {}
    found = {str(level): part for level, part in dict(strata).items()}
    for level, part in found.items():
        if not isinstance(part, GroupConfusion):
            raise InputTypeError(f"'strata' must hold GroupConfusion tables; got {part!r} for {level!r}.")
        if part.groups != table.groups or not np.array_equal(part.classes, table.classes):
            raise InputError(f"'strata' must have the groups and classes of 'table'; {level!r} has others.")
    if not found or not np.allclose(sum(part.counts for part in found.values()), table.counts):
        raise InputError("'strata' must add up to 'table'; got other numbers. Count both from the same rows.")
    return found


def strata_by_level(labels: Any, preds: Any, groups: Groups, control: Any, table: GroupConfusion) -> dict[str, Any]:
    """Return the arguments of an evaluation that a control attribute gives."""
    levels = control_groups(control)
    _, counts, names = strata_of(labels, preds, groups, levels, sample_weight=None, classes=table.classes)
    parts = {
        name: GroupConfusion(table.groups, table.classes, counts=part, known=table.known, name=table.name)
        for name, part in zip(names, counts)
    }
    return {"strata": parts, "control": levels.name}


def check_attributes(attributes: Any, table: GroupConfusion) -> dict[str, tuple[str, ...]]:
    """Return each attribute's level by group."""
    if not attributes:
        return {}
    found = {str(name): tuple(str(level) for level in levels) for name, levels in dict(attributes).items()}
    for name, levels in found.items():
        if len(levels) != len(table.groups):
            raise InputError(
                f"'attributes' must give one level per group ({len(table.groups)}); {name!r} has {len(levels)}."
            )
    return found


def attributes_of(values: Any, groups: Groups) -> Mapping[str, Sequence[str]] | None:
    """Return the level of each attribute in each group, where groups are made by crossing several columns."""
    if isinstance(values, Groups):
        return None
    columns = _encoding.columns_of(values)
    if len(columns) < 2:
        return None
    first = np.zeros(groups.n_groups, dtype=np.int64)
    first[groups.codes[::-1]] = np.arange(len(groups) - 1, -1, -1)  # a row of each group
    found = {}
    for name, column in columns.items():
        one = Groups(column, name=str(name))
        found[str(name)] = [
            one.names[one.codes[row]] if known else "unknown" for row, known in zip(first, groups.known)
        ]
    return found
