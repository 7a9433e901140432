"""Communities and Crime."""

from __future__ import annotations

import io

import pandas as pd
import pytest

from mxfair.datasets import _embedded, load_communities_crime


@pytest.fixture(scope="module")
def crime():
    """Return the data set."""
    return load_communities_crime()


@pytest.fixture(scope="module")
def raw():
    """Return the embedded table as it is."""
    return pd.read_csv(io.BytesIO(_embedded.read("communities_crime.csv")))


def test_shape(crime):
    """1,993 communities with 99 numeric features and 46 state indicators."""
    states = crime.data.columns.str.startswith("state_")
    assert len(crime.data) == 1993
    assert (int((~states).sum()), int(states.sum())) == (99, 46)


def test_each_community_is_in_one_state(crime):
    """The state indicators add to one."""
    assert (crime.data.filter(regex="^state_").sum(axis=1) == 1).all()


def test_numbers_are_scaled(crime):
    """Every feature and the target lie in [0, 1], without gaps."""
    assert crime.data.to_numpy().min() == 0
    assert crime.data.to_numpy().max() == 1
    assert crime.target.between(0, 1).all()


def test_target(crime):
    """The mean of the target is .238."""
    assert crime.target.name == "ViolentCrimesPerPop"
    assert crime.target.mean() == pytest.approx(0.238, abs=5e-4)


def test_nothing_derived_from_the_target_is_a_feature(crime, raw):
    """high_crime, which is the target cut at .25, and the prepared group are not features."""
    assert ((raw["ViolentCrimesPerPop"] > 0.25) == (raw["high_crime"] == 1)).all()
    assert not {"high_crime", ">0.06black", "ViolentCrimesPerPop"} & set(crime.data)


def test_index_columns_are_meta(crime):
    """Name and fold of a community identify it and are no features."""
    assert crime.meta.columns.tolist() == ["communityname", "fold"]
    assert not {"communityname", "fold"} & set(crime.data)
    assert sorted(crime.meta["fold"].unique()) == list(range(1, 11))


def test_group_is_the_prepared_one(crime, raw):
    """The two groups are those of the prepared column: racepctblack above .06, 970 communities."""
    higher = crime.groups["race"] == "higher Black share"
    assert (higher == (raw[">0.06black"] == 1)).all()
    assert int(higher.sum()) == 970


def test_continuous_group(crime):
    """The share itself is a second sensitive column, and still a feature."""
    assert crime.groups["racepctblack"].equals(crime.data["racepctblack"])
    assert crime.groups["racepctblack"].median() == 0.06


def test_benchmark_split(crime):
    """The default split is that of the benchmarks: 1,395 and 598 communities."""
    assert [len(part.data) for part in crime.train_test()] == [1395, 598]
