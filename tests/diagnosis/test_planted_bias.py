"""Each sign is found where it was planted, and where nothing was it is found as often as the level says."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binom

sys.path.insert(0, str(Path(__file__).parent))
from _planted import PLANTED

#: These train models in each run.
SLOW = {"shift", "selection", "unlabelled", "prior", "shown"}
CASES = [
    pytest.param(make, sign, group, id=f"{make.__name__}-{sign}", marks=[pytest.mark.slow] * (make.__name__ in SLOW))
    for make, signs, group in PLANTED
    for sign in signs
]
_RUNS: dict[tuple[str, bool], list] = {}


def runs(make, planted):
    """Return diagnoses of simulated data from fixed seeds; those of one function are shared by its signs."""
    count = (8 if planted else 30) if make.__name__ not in SLOW else (3 if planted else 10)
    key = (make.__name__, planted)
    if key not in _RUNS:
        _RUNS[key] = [make(np.random.default_rng([run, planted]), planted) for run in range(count)]
    return _RUNS[key]


def of(diagnosis, sign, group=""):
    """Return the findings of a sign."""
    return [f for f in diagnosis if f.sign == sign and f.groups.startswith(group)]


@pytest.mark.parametrize(("make", "sign", "group"), CASES)
def test_a_planted_bias_is_found(make, sign, group):
    """It is found, in the group where it is, in nearly all runs, corrected for all that was tested."""
    found = [f.found for diagnosis in runs(make, True) for f in of(diagnosis, sign, group)]
    assert np.mean(found) >= 0.7


@pytest.mark.parametrize(("make", "sign", "group"), CASES)
def test_no_bias_is_found_at_the_level(make, sign, group):
    """Without bias p < .05 comes as often as that, although the columns differ between the groups."""
    by_run = [[f.p_value < 0.05 for f in of(diagnosis, sign)] for diagnosis in runs(make, False)]
    hits, per_run = sum(map(sum, by_run)), max(map(len, by_run))
    assert per_run
    assert not np.isnan([f.p_value for d in runs(make, False) for f in of(d, sign)]).any()
    # groups of one run hang together: the bound is that of whole runs
    assert hits / per_run <= binom.ppf(0.999, len(by_run), 0.05)


@pytest.mark.parametrize(("make", "sign", "group"), [case for case in CASES if "gap between" not in str(case.id)])
def test_intervals_cover_the_null_where_nothing_is_planted(make, sign, group):
    """Without bias the intervals hold the value of no bias in about 95 of 100 runs."""
    by_run = [[f.low <= f.null <= f.high for f in of(diagnosis, sign)] for diagnosis in runs(make, False)]
    missed, per_run = sum(len(run) - sum(run) for run in by_run), max(map(len, by_run))
    assert missed / per_run <= binom.ppf(0.999, len(by_run), 0.05)
