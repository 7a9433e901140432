"""The conventions of other toolkits, as settings of ours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mxfair._encoding import group_text
from mxfair._validation import InputError, one_of
from mxfair.confusion import GroupConfusion
from mxfair.criterion import Criterion
from mxfair.rate import RATES, CompositeRate, Rate


@dataclass(frozen=True)
class Convention:
    """How a toolkit turns rates by group into one number.

    Parameters
    ----------
    compare : str
        As in `Criterion.gaps`.
    agg : str or None
        As in `Criterion`; None for the criterion's own.
    signs : mapping of str to int
        By rate: -1 where the toolkit subtracts the group from the reference, and not the other way round. The key ""
        is the default.
    difference, ratio : bool
        Whether the toolkit has the figure.
    rates : mapping of str to Rate
        By criterion: what the toolkit computes under that name, where it is another rate than ours.
    """

    compare: str
    agg: str | None
    signs: Mapping[str, int] = field(default_factory=lambda: {"": 1})
    difference: bool = True
    ratio: bool = True
    rates: Mapping[str, Rate | CompositeRate] = field(default_factory=dict)


#: Clarify measures the advantaged minus the disadvantaged facet, except in these figures.
_CLARIFY = {
    "": -1,
    "true_negative_rate": 1,
    "negative_predictive_value": 1,
    "treatment_equality": 1,
    "conditional_rejection": 1,
}

_OXONFAIR: dict[str, Rate | CompositeRate] = {
    "predictive_equality": RATES["false_negative_rate"],
    "treatment_equality": Rate(
        "error_ratio",
        lambda label, pred, positive: (label != positive) & (pred == positive),
        lambda label, pred, positive: (label == positive) & (pred != positive),
        share=False,
    ),
}

COMPAT: dict[str, Convention] = {
    "fairlearn": Convention("max_min", None),
    "aif360": Convention("to_reference", "signed"),
    "clarify": Convention("to_reference", "signed", _CLARIFY),
    "aequitas": Convention("to_reference", "signed", difference=False),
    "oxonfair": Convention("pairwise_mean", "mean", rates=_OXONFAIR),
    "holisticai": Convention("to_reference", "signed"),
    "fairbatch": Convention("to_overall", None, ratio=False),
}


@dataclass(frozen=True)
class Comparison:
    """A criterion with the convention by which its rates are compared.

    Parameters
    ----------
    criterion : Criterion
    compare : str
    reference : str or None
    sign : int
        -1 where the toolkit's difference runs the other way.
    ratio : bool
        Whether the figure is the ratio, and not the difference.
    """

    criterion: Criterion
    compare: str
    reference: str | None
    sign: int
    ratio: bool

    def of(self, table: GroupConfusion, counts: np.ndarray) -> np.ndarray:
        """Return the figure of each table of counts, shape (..., n_groups, n_classes, n_classes)."""
        measure = self.criterion.ratios if self.ratio else self.criterion.differences
        return self.sign * measure(table, counts, compare=self.compare, reference=self.reference)


def comparison(
    criterion: Criterion,
    *,
    ratio: bool = False,
    compare: str = "max_min",
    reference: Any = None,
    agg: str | None = None,
    compat: str | None = None,
    positive: Any = None,
) -> Comparison:
    """Return how a criterion is compared, from what the caller gave."""
    reference = None if reference is None else group_text(reference)
    sign, rates = 1, criterion.rates
    if compat is not None:
        convention = COMPAT[one_of(compat, COMPAT, "compat")]
        if compare != "max_min" or agg is not None:
            beside = "agg" if compare == "max_min" else "compare"
            raise InputError(f"'compat' must stand alone; got {beside!r} beside {compat!r}. Give one or the other.")
        if not (convention.ratio if ratio else convention.difference):
            kind, other = ("ratio", "difference") if ratio else ("difference", "ratio")
            raise InputError(f"'compat' must be a toolkit that has the {kind}; got {compat!r}. Use the {other}.")
        if convention.compare == "to_reference" and reference is None:
            raise InputError(
                f"'reference' must name the group that {compat} compares with; got none. Give the privileged group."
            )
        if convention.compare != "to_reference" and reference is not None:
            raise InputError(
                f"'reference' must be left out, since {compat} has none; got {reference!r}. Leave one of the two out."
            )
        compare, agg = convention.compare, convention.agg
        rates = (convention.rates[criterion.name],) if criterion.name in convention.rates else rates
        if not ratio and agg == "signed":
            sign = convention.signs.get(rates[0].name, convention.signs[""])
    elif reference is not None and compare == "max_min":
        compare = "to_reference"
    stated = criterion.positive if positive is None else positive
    chosen = Criterion(criterion.name, rates, agg=agg or criterion.agg, positive=stated)
    return Comparison(chosen, compare, reference, sign, ratio)
