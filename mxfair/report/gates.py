"""Gates: conditions under which an automatic check fails.

A gate such as ``equalized_odds_difference>0.1`` fails only if the data show it: if the whole confidence interval lies
beyond the bound. Where there are too few samples to say, a gate does not pass either.

>>> from mxfair.report import evaluate_predictions
>>> labels, groups = [1, 0] * 200, ["a"] * 200 + ["b"] * 200
>>> report = evaluate_predictions(labels, [1, 0] * 100 + [0] * 200, groups)
>>> result, = check_gates(report, ["equalized_odds_difference > 0.1"])
>>> result.status, result.value
('failed', 1.0)
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mxfair._validation import InputError, InputTypeError, one_of
from mxfair.criterion import ALL_CRITERIA
from mxfair.rate import RATES, SYNONYMS, Rate
from mxfair.residuals._moments import STATISTICS
from mxfair.uncertainty import check_level

if TYPE_CHECKING:
    from mxfair.report._gate_figures import Measured
    from mxfair.report._report import FairnessReport

__all__ = ["Gate", "GateResult", "check_gates"]

#: Rates and figures that rest on fewer samples than this in a group are not judged.
FEWEST = 10
_GRAMMAR = re.compile(
    r"\s*(?:(?P<model>.+?)\s*:\s*)?(?P<name>[A-Za-z_]\w*)(?:\[(?P<label>.*)\])?(?P<suffix>_difference|_ratio)?\s*"
    r"(?P<relation>>=|<=|>|<)\s*(?P<bound>[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*",
    flags=re.DOTALL,
)
#: Figures of scores and of numbers, and those that are gaps by themselves.
_AUC, _WORST, _KS = "roc_auc", "bounded_group_loss", "ks_distance"
_NAMES = tuple(dict.fromkeys([*ALL_CRITERIA, *RATES, _AUC, *STATISTICS, _WORST, _KS]))


def _most(name: str, kind: str) -> float:
    """Return what a difference or a value never exceeds: a gate beyond it would pass whatever the data hold."""
    if name in (_AUC, _KS):
        return 1.0
    criterion = ALL_CRITERIA.get(name) if kind == "difference" else None
    rates = (RATES[name],) if criterion is None and name in RATES else getattr(criterion, "rates", ())
    if not rates or not all(isinstance(rate, Rate) and rate.share for rate in rates):
        return math.inf
    return float(len(rates)) if getattr(criterion, "agg", "") == "sum" else 1.0


@dataclass(frozen=True)
class Gate:
    """A condition under which a check fails.

    Parameters
    ----------
    name : str
        A criterion, a rate, "roc_auc", or a figure of numbers ("mean_prediction", "ks_distance", ...).
    kind : {"difference", "ratio", "overall"}
        The largest difference or smallest ratio between groups, or the figure over all samples.
    relation : {">", ">=", "<", "<="}
    bound : float
    label : str, optional
        The class that a rate speaks for, where there are more than two.
    model : str, optional
        The model that the gate is for. Default: each.

    Examples
    --------
    >>> gate = Gate.parse("demographic_parity_ratio < 0.8")
    >>> gate.kind, gate.bound
    ('ratio', 0.8)
    >>> str(Gate.parse("model_b: accuracy<0.7"))
    'model_b: accuracy < 0.7'
    """

    name: str
    kind: str
    relation: str
    bound: float
    label: str | None = None
    model: str | None = None

    @classmethod
    def parse(cls, text: str) -> Gate:
        """Return the gate that a text describes.

        Parameters
        ----------
        text : str
            ``NAME_difference>BOUND``, ``NAME_ratio<BOUND`` or ``NAME<BOUND``, with ``>``, ``>=``, ``<`` or ``<=``;
            before it, ``MODEL:`` for one model only; after the name of a rate, ``[CLASS]``. A criterion by its bare
            name stands for its difference, a rate or figure for its value over all samples.

        Returns
        -------
        Gate

        Raises
        ------
        InputError
            If the text is no gate, if the name is not known, where the message gives the nearest one, or if a share is
            to exceed 1.
        """
        if not isinstance(text, str):
            raise InputTypeError(f"A gate must be text; got {text!r}. Write 'equalized_odds_difference>0.1'.")
        match = _GRAMMAR.fullmatch(text)
        if match is None:
            raise InputError(
                f"A gate must read like equalized_odds_difference>0.1; got {text!r}. "
                "Write a name, one of > >= < <=, and a number."
            )
        name, kind = match["name"], ""
        if match["suffix"]:
            kind = match["suffix"][1:]
        for suffix in () if kind else ("difference", "ratio"):
            if name.endswith(f"_{suffix}"):
                name, kind = name[: -len(suffix) - 1], suffix
        name = {"auc": _AUC}.get(name, name)
        name = one_of(name, _NAMES, "gate", SYNONYMS)
        if kind and name in (_WORST, _KS):
            raise InputError(f"A gate on {name} must have no suffix, since it is a gap already; got {kind!r}.")
        kind = kind or ("difference" if name in ALL_CRITERIA and name not in RATES else "overall")
        bound, most = float(match["bound"]), math.inf if kind == "ratio" else _most(name, kind)
        if not math.isfinite(bound) or abs(bound) > most:
            range_of = "a finite number" if most == math.inf else f"a share, from {-most:g} to {most:g}"
            raise InputError(
                f"The bound of a gate on {name} must be {range_of}; got {match['bound']}. Write 0.1 for 10 %, say."
            )
        return cls(name, kind, match["relation"], bound, match["label"], match["model"])

    @property
    def figure(self) -> str:
        """What is compared with the bound: 'equalized_odds_difference'."""
        label = "" if self.label is None else f"[{self.label}]"
        return f"{self.name}{label}" + ("" if self.kind == "overall" else f"_{self.kind}")

    def holds(self, low: float, high: float) -> bool:
        """Return whether an interval lies beyond the bound as a whole.

        Parameters
        ----------
        low, high : float
            Ends of the interval.

        Returns
        -------
        bool
        """
        return {
            ">": low > self.bound,
            ">=": low >= self.bound,
            "<": high < self.bound,
            "<=": high <= self.bound,
        }[self.relation]

    def reached(self, low: float, high: float) -> bool:
        """Return whether some value of an interval lies beyond the bound.

        Parameters
        ----------
        low, high : float
            Ends of the interval.

        Returns
        -------
        bool
        """
        return self.holds(high, low)

    def __str__(self) -> str:
        start = "" if self.model is None else f"{self.model}: "
        return f"{start}{self.figure} {self.relation} {self.bound:g}"


@dataclass(frozen=True)
class GateResult:
    """What a gate says about a model.

    Parameters
    ----------
    gate : Gate
    model : str
    status : {"passed", "failed", "not judged"}
        "failed" if the interval as a whole lies beyond the bound; "not judged" if there are too few samples.
    value, low, high : float
        The figure and the ends of its interval; NaN where there is none.
    level : float
        Confidence level of the interval.
    reason : str
        What was found, in a sentence.

    Examples
    --------
    >>> gate = Gate.parse("accuracy<0.7")
    >>> GateResult(gate, "plain", "passed", 0.8, 0.75, 0.84, 0.95, "").passed
    True
    """

    gate: Gate
    model: str
    status: str
    value: float
    low: float
    high: float
    level: float
    reason: str

    @property
    def passed(self) -> bool:
        """Whether the gate lets the model pass: "not judged" does not."""
        return self.status == "passed"

    def to_dict(self) -> dict[str, Any]:
        """Return the result as plain values that JSON can hold, undefined numbers as None.

        Returns
        -------
        dict
        """
        ends = {key: getattr(self, key) for key in ("value", "low", "high")}
        known = {key: None if math.isnan(end) else end for key, end in ends.items()}
        return {
            "gate": str(self.gate),
            "model": self.model,
            "status": self.status,
            **known,
            "level": self.level,
            "reason": self.reason,
        }


def check_gates(
    report: FairnessReport, gates: str | Gate | Iterable[str | Gate], *, level: float = 0.95
) -> list[GateResult]:
    """Return what gates say about the models of a report.

    A gate fails if the confidence interval of its figure lies beyond the bound as a whole: for ``>`` its lower end, for
    ``<`` its upper one. A model passes if that is not so, also where the interval reaches beyond the bound; the reason
    then says so. A figure that cannot be measured, or that rests on fewer than 10 samples of a group, is "not judged".

    Groups are compared as the report compares them: with its `reference`, `compat` and `min_support`. Groups below that
    support are left out of a gap, and named in the reason; otherwise one with fewer than 10 samples behind a rate keeps
    the gate from being judged.

    Parameters
    ----------
    report : FairnessReport
    gates : str, Gate or list of these
        See `Gate.parse`.
    level : float, default=0.95
        Confidence level of each interval by itself.

    Returns
    -------
    list of GateResult
        One for each gate and model.

    Raises
    ------
    InputError
        If a gate is for a model, class or figure that the report does not have.

    Notes
    -----
    Intervals are those of the report, from its counts; of figures that it does not show they are computed alike
    (`mxfair.metric.confidence_intervals`), and of an AUC from the histograms of the scores. They are drawn with a fixed
    seed: the same report gets the same verdict. The Kolmogorov-Smirnov distance has Dvoretzky, Kiefer and Wolfowitz's
    bounds with Massart's constant (1990), which hold for any sample size and are wide.

    Each gate errs by itself: where groups are exactly alike, up to 6 % of samples give an interval above 0 at a level
    of 95 %, and more gates give more chances. State bounds that matter, rather than 0.

    Examples
    --------
    >>> from mxfair.report import evaluate_predictions
    >>> report = evaluate_predictions([1, 0, 1, 0], [1, 0, 0, 0], ["a", "a", "b", "b"])
    >>> result, = check_gates(report, "accuracy_parity>0.1")
    >>> result.passed, result.status
    (False, 'not judged')
    """
    from mxfair.report._gate_figures import measure

    given = [gates] if isinstance(gates, (str, Gate)) else list(gates)
    chosen = [gate if isinstance(gate, Gate) else Gate.parse(gate) for gate in given]
    check_level(level)
    for gate in chosen:
        if gate.model is not None:
            one_of(gate.model, report.names, "model of a gate")
    return [
        _judge(gate, name, measure(gate, report, place, level), level)
        for gate in chosen
        for place, name in enumerate(report.names)
        if gate.model in (None, name)
    ]


def _judge(gate: Gate, model: str, found: Measured, level: float) -> GateResult:
    """Return what a gate says about a figure and its interval."""
    value, low, high = found.value, found.low, found.high
    note = f"; {found.note}" if found.note else ""
    if found.trouble or any(math.isnan(end) for end in (value, low, high)):
        reason = f"{gate.figure} cannot be judged, not enough data: {found.trouble or 'it is undefined'}{note}."
        return GateResult(gate, model, "not judged", value, low, high, level, reason)
    shown = f"{gate.figure} is {value:.4g}, {level:.0%} interval {low:.4g} to {high:.4g}"
    words = {">": "above", ">=": "at or above", "<": "below", "<=": "at or below"}[gate.relation]
    if gate.holds(low, high):
        return GateResult(gate, model, "failed", value, low, high, level, f"{shown}: {words} {gate.bound:g}{note}.")
    open_end = gate.reached(low, high)
    seen = f"not shown to be {words} {gate.bound:g}, nor that it is not" if open_end else f"not {words} {gate.bound:g}"
    return GateResult(gate, model, "passed", value, low, high, level, f"{shown}: {seen}{note}.")
