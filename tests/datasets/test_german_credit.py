"""Statlog German credit as published."""

from __future__ import annotations

import pytest

from mxfair.datasets import load_german_credit


@pytest.fixture(scope="module")
def german():
    """Return the data set."""
    return load_german_credit()


def test_shape(german):
    """1,000 loans, 20 features, nothing missing, no published split."""
    assert german.data.shape == (1000, 20)
    assert german.data.notna().all(axis=None)
    assert german.split is None


def test_good_credit_is_positive(german):
    """Target 1 is the published class 1, good credit, of which there are 700; the second loan was bad."""
    assert int(german.target.sum()) == 700
    assert german.target.iloc[:2].tolist() == [1, 0]


def test_sex_follows_the_published_code(german):
    """Codes A92 and A95 are read as female: 310 women, 690 men."""
    assert german.groups["sex"].value_counts().to_dict() == {"Male": 690, "Female": 310}
    female = german.data["personal_status_sex"][german.groups["sex"] == "Female"]
    assert set(female) == {"A92"}


def test_age_groups(german):
    """190 applicants are 25 or younger."""
    young = german.groups["age_group"] == "25 or younger"
    assert int(young.sum()) == 190
    assert german.data["age"][young].max() == 25
    assert german.data["age"][~young].min() == 26


def test_good_rates_by_group(german):
    """The known gap: 64.8 % of women and 72.3 % of men have a good credit."""
    rates = german.target.groupby(german.groups["sex"].astype(str)).mean().round(3)
    assert rates.to_dict() == {"Female": 0.648, "Male": 0.723}


def test_codes_stay_codes(german):
    """Seven numeric columns; the other thirteen are categories of published codes."""
    assert len(german.data.select_dtypes("number").columns) == 7
    categorical = german.data.select_dtypes("category")
    assert len(categorical.columns) == 13
    assert all(code.startswith("A") for column in categorical for code in categorical[column].cat.categories)


def test_caveat_on_sex(german):
    """The description warns that sex cannot be read from the status code, and why."""
    assert "does not identify sex" in german.DESCR
    assert "Grömping" in german.DESCR


def test_foreign_worker_caveat_is_true(german):
    """963 applicants have the code that the published book reads as foreign worker."""
    assert int((german.data["foreign_worker"] == "A201").sum()) == 963
