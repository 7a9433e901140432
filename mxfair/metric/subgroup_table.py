"""Results of looking at subgroups: a row each, all of them in a table, and the one that violates parity most."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mxfair._short_repr import short_repr
from mxfair._validation import InputError, one_of
from mxfair.group_metric import GroupMetric
from mxfair.metric._crossing import chosen_attributes, unknown_name
from mxfair.rate import RATES

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Subgroup", "SubgroupTable", "SubgroupViolation"]

#: Why a subgroup that is everybody is not tested.
ALONE = "nobody else to compare with"


@dataclass(frozen=True)
class Subgroup:
    """The samples with some levels of some attributes, beside all others.

    Parameters
    ----------
    name : str
        For instance "sex=f & age=old"; "sex x age: unknown" where one of these attributes is missing.
    levels : tuple of (str, str)
        Attributes and their levels; no levels for the unknown.
    count : float
        Weight of all samples in the subgroup; their number without weights.
    share : float
        `count` divided by the weight of all samples.
    support : float
        Number of samples behind `value`, those that the rate is a share of. With weights their effective number
        (sum of weights, squared, divided by the sum of squared weights).
    value, rest : float
        The rate in the subgroup and among all other samples whose attributes are known; NaN where nobody counts.
    difference, lower, upper : float
        value - rest with its interval at the table's level, not corrected for the number of subgroups.
    p_value, corrected_p_value : float
        Of the test of value == rest; NaN where it was not made.
    untested : str
        Why it was not made; empty where it was.
    """

    name: str
    levels: tuple[tuple[str, str], ...]
    count: float
    share: float
    support: float
    value: float
    rest: float
    difference: float
    lower: float
    upper: float
    p_value: float
    corrected_p_value: float
    untested: str

    __repr__ = short_repr


@dataclass(frozen=True)
class SubgroupTable:
    """A rate in every crossing of up to some number of attributes.

    Parameters
    ----------
    rate : str
        Name of the rate.
    attributes : tuple of str
        Names of the attributes.
    overall : float
        The rate over all samples.
    rows : tuple of Subgroup
        All subgroups that occur, the small and the unknown included.
    correction : str or None
        How p-values are corrected for the number of tests.
    level : float
        Confidence level of the intervals; 1 - level is the level of significance.

    Examples
    --------
    >>> from mxfair.metric.subgroup import subgroups
    >>> sex, age = ["f", "f", "m", "m"] * 20, ["old", "young"] * 40
    >>> table = subgroups([1] * 80, [0, 1, 1, 1] * 20, {"sex": sex, "age": age}, min_support=20)
    >>> table.worst().name
    'sex=f & age=old'
    >>> table.crossing("sex").difference()
    0.5
    """

    rate: str
    attributes: tuple[str, ...]
    overall: float
    rows: tuple[Subgroup, ...]
    correction: str | None
    level: float

    @property
    def tested(self) -> tuple[Subgroup, ...]:
        """Subgroups with enough support and somebody to compare with."""
        return tuple(row for row in self.rows if not row.untested)

    @property
    def untested(self) -> tuple[Subgroup, ...]:
        """Subgroups left out of tests and of `worst`, each with its reason."""
        return tuple(row for row in self.rows if row.untested)

    @property
    def significant(self) -> tuple[Subgroup, ...]:
        """Tested subgroups whose corrected p-value is at most 1 - level, the smallest first."""
        found = [row for row in self.tested if row.corrected_p_value <= 1 - self.level]
        return tuple(sorted(found, key=lambda row: row.p_value))

    def worst(self, *, direction: str | None = None) -> Subgroup | None:
        """Return the tested subgroup with the largest shortfall from the rest.

        Parameters
        ----------
        direction : {"lowest", "highest", "furthest"}, optional
            What is worst: the lowest value compared with the rest, the highest, or the largest distance. Default:
            "highest" for rates of errors, "lowest" for all others.

        Returns
        -------
        Subgroup or None
            None where no subgroup was tested.
        """
        if direction is None:
            direction = "highest" if self.rate in RATES and RATES[self.rate].larger_is_worse else "lowest"
        sign = {"lowest": -1, "highest": 1, "furthest": 0}[
            one_of(direction, ("lowest", "highest", "furthest"), "direction")
        ]
        return max(self.tested, key=lambda row: sign * row.difference if sign else abs(row.difference), default=None)

    def crossing(self, *attributes: str) -> GroupMetric:
        """Return the rate in the crossing of some attributes; subgroups with too little support are undefined in it.

        Parameters
        ----------
        *attributes : str
            Names of at most `max_order` attributes. Default: all of them.

        Returns
        -------
        GroupMetric
            Its `gap()` names the pair of subgroups that sets the largest difference.
        """
        chosen = chosen_attributes(self.attributes, attributes or self.attributes)
        unknown = unknown_name(chosen)
        rows = [r for r in self.rows if tuple(name for name, _ in r.levels) == chosen or r.name == unknown]
        if not rows:
            raise InputError(
                f"'max_order' must be at least {len(chosen)} for this crossing. Count again with a larger one."
            )
        small = {row.name: row.untested for row in rows if row.untested and row.levels and row.untested != ALONE}
        values = np.array([np.nan if row.name in small else row.value for row in rows])
        known = np.array([bool(row.levels) for row in rows])
        support = np.array([row.support for row in rows])
        names = tuple(row.name for row in rows)
        return GroupMetric(
            self.rate, names, values, self.overall, known, support, reasons=small, attribute=" x ".join(chosen)
        )

    def to_frame(self) -> pd.DataFrame:
        """Return a row per subgroup, by name.

        Returns
        -------
        pandas.DataFrame
        """
        import pandas as pd

        columns = [name for name in Subgroup.__dataclass_fields__ if name != "levels"]
        frame = pd.DataFrame([[getattr(row, name) for name in columns] for row in self.rows], columns=columns)
        return frame.rename(columns={"value": self.rate}).set_index("name")

    def __repr__(self) -> str:
        worst = self.worst()
        last = f"; worst {worst.name} {worst.value:.4g}" if worst else ""
        count = f"{len(self.rows)} subgroups, {len(self.untested)} not tested"
        return f"SubgroupTable({self.rate}: {count}; overall {self.overall:.4g}{last})"


@dataclass(frozen=True)
class SubgroupViolation:
    """How far the subgroup that violates a rate's parity most is off, weighted by its size.

    Parameters
    ----------
    value : float
        share * abs(rate - overall); NaN where no rate is defined.
    subgroup : str or None
        Name of the subgroup that sets it.
    share : float
        Share of all samples that are in the subgroup and count for the rate.
    rate, overall : float
        The rate in the subgroup and over all samples.
    """

    value: float
    subgroup: str | None
    share: float
    rate: float
    overall: float

    __repr__ = short_repr
