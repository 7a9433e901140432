"""Proxies: contribution to the gap and association with the group, both."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from mxfair._validation import InputError
from mxfair.explain import Attribution, gap_decomposition

RNG = np.random.default_rng(11)
GROUPS = np.repeat(["a", "b"], 200)
IS_A = (GROUPS == "a").astype(float)
#: Reveals the group and counts; reveals it and counts for nothing; counts and reveals nothing; works the other way.
RAW = pd.DataFrame(
    {
        "proxy": IS_A + 0.5 * RNG.normal(size=400),
        "unused": IS_A + 0.5 * RNG.normal(size=400),
        "honest": RNG.permutation(np.repeat(np.linspace(-2, 2, 200), 2)),
        "against": IS_A + 0.5 * RNG.normal(size=400),
    }
)
WEIGHTS = np.array([2.0, 0.0, 1.0, -0.3])


def decomposed(X, weights, **keywords):
    """Return the decomposition of a linear model."""
    known = Attribution((X - X.mean(0)) * weights, X.mean(0) @ weights, X @ weights, X, "by hand")
    return gap_decomposition(None, X, GROUPS, attribution=known, pair=("a", "b"), **keywords)


def test_a_proxy_reveals_the_group_and_widens_the_gap():
    """Neither association nor contribution alone makes a proxy, nor does a column that narrows the gap."""
    X = RAW.to_numpy()
    table = decomposed(X, WEIGHTS, feature_names=list(RAW), columns={n: [j] for j, n in enumerate(RAW)}).proxies()
    assert table["proxy"].to_dict() == {"proxy": True, "against": False, "honest": False, "unused": False}
    assert (table.loc[["proxy", "unused", "against"], "auc"] > 0.8).all()
    assert table.loc["honest", "auc"] < 0.6


def test_the_groups_may_be_named_in_either_order():
    """A gap that is negative has the same proxies."""
    X = RAW.to_numpy()
    known = Attribution((X - X.mean(0)) * WEIGHTS, X.mean(0) @ WEIGHTS, X @ WEIGHTS, X, "by hand")
    gap = gap_decomposition(None, X, GROUPS, attribution=known, pair=("b", "a"))
    assert gap.part.gap < 0
    assert list(gap.proxies().query("proxy").index) == ["x0"]


def test_raw_columns_are_put_together_from_features():
    """Indicators of one column reveal what the raw column reveals."""
    levels = np.where(RNG.random(400) < 0.2, "z", np.where(GROUPS == "a", "x", "y"))
    X = np.column_stack([(levels[:, None] == list("xyz")).astype(float), RAW["honest"]])
    names = ["level=x", "level=y", "level=z", "number"]
    given = {"feature_names": names, "columns": {"level": names[:3]}}
    gap = decomposed(X, np.array([1.0, 0.0, 0.5, 0.0]), **given)
    raw = pd.DataFrame({"number": RAW["honest"], "level": levels})
    ours, given = gap.proxies(), gap.proxies(raw)
    assert ours.loc["level", "auc"] == pytest.approx(given.loc["level", "auc"], abs=0.02)
    assert ours.loc["level", "cramers_v"] == pytest.approx(given.loc["level", "cramers_v"])


def test_a_missing_number_is_seen_by_its_indicator():
    """A number that is missing in one group only reveals the group."""
    number = np.where(IS_A == 1, 0.0, RAW["honest"])
    X = np.column_stack([number, IS_A])
    names = ["number", "number missing"]
    table = decomposed(X, np.array([0.0, 1.0]), feature_names=names, columns={"number": [0, 1]}).proxies()
    assert table.loc["number", "auc"] == pytest.approx(1.0)


def test_several_numbers_need_the_raw_column():
    """What cannot be put together is asked for."""
    gap = decomposed(RAW.to_numpy(), WEIGHTS, columns={"both": [0, 1]})
    with pytest.raises(InputError, match="'data' must give the raw column 'both'"):
        gap.proxies()


def test_raw_data_has_the_columns():
    """A frame that lacks a column is told."""
    gap = decomposed(RAW.to_numpy(), WEIGHTS)
    with pytest.raises(InputError, match="column 'x0' is missing"):
        gap.proxies(RAW)


def test_one_gap_at_a_time():
    """Of several parts one must be chosen."""
    X = RAW.to_numpy()
    known = Attribution(X * 0.0, 0.0, X[:, 0] * 0.0, X, "by hand")
    gap = gap_decomposition(None, X, GROUPS, attribution=known, pair="rest")
    with pytest.raises(InputError, match="must have one part"):
        gap.proxies()
