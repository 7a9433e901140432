"""UCI Adult as published."""

from __future__ import annotations

import gzip
import time

import pytest

from mxfair.datasets import load_adult


@pytest.fixture(scope="module")
def adult():
    """Return the whole data set."""
    return load_adult()


@pytest.fixture(scope="module")
def parts(adult):
    """Return the published parts."""
    return adult.train_test()


def test_published_split(parts):
    """adult.data trains and adult.test tests: 32,561 and 16,281 people."""
    assert [len(part.data) for part in parts] == [32561, 16281]


def test_positive_rates(parts):
    """24.1 % and 23.6 % earn more than 50,000 dollars: the test file's trailing dots are understood."""
    assert [int(part.target.sum()) for part in parts] == [7841, 3846]


def test_women(parts):
    """10,771 women train, 5,421 test."""
    assert [int((part.groups["sex"] == "Female").sum()) for part in parts] == [10771, 5421]


def test_positives_among_women(parts):
    """1,179 of the 10,771 women of the training part earn more than 50,000 dollars."""
    train = parts[0]
    assert int(train.target[train.groups["sex"] == "Female"].sum()) == 1179


def test_races(adult):
    """The five published categories, with their counts."""
    assert adult.groups["race"].value_counts().to_dict() == {
        "White": 41762,
        "Black": 4685,
        "Asian-Pac-Islander": 1519,
        "Amer-Indian-Eskimo": 470,
        "Other": 406,
    }


def test_weight_is_not_a_feature(adult):
    """The sampling weight fnlwgt is kept beside the features, not among them."""
    assert "fnlwgt" not in adult.data
    assert adult.sample_weight.name == "fnlwgt"
    assert adult.sample_weight.iloc[0] == 77516


def test_columns(adult):
    """UCI's names with underscores, sensitive columns included."""
    assert " ".join(adult.data) == (
        "age workclass education education_num marital_status occupation relationship race sex "
        "capital_gain capital_loss hours_per_week native_country"
    )


def test_missing_values_are_kept(adult):
    """'?' is missing in three columns, and no row goes with it."""
    missing = adult.data.isna().sum()
    assert missing[missing > 0].to_dict() == {"workclass": 2799, "occupation": 2809, "native_country": 857}
    assert not adult.data.isin(["?"]).any(axis=None)


def test_missing_values_are_dropped_on_request():
    """drop_missing leaves the 30,162 and 15,060 complete rows of the literature."""
    train, test = load_adult(drop_missing=True).train_test()
    assert (len(train.data), len(test.data)) == (30162, 15060)
    assert train.data.notna().all(axis=None)


def test_fairbatch_recipe():
    """Complete rows of White and Black people: 28,750 and 14,381, as the FairBatch paper has them."""
    parts = load_adult(drop_missing=True).train_test()
    assert [int(part.groups["race"].isin(["White", "Black"]).sum()) for part in parts] == [28750, 14381]


def test_categories_agree_between_parts(parts):
    """A categorical column has the same categories in both parts, even if one has no such person."""
    train, test = parts
    for column in train.data.select_dtypes("category"):
        assert train.data[column].cat.categories.equals(test.data[column].cat.categories)
    assert "Holand-Netherlands" in test.data["native_country"].cat.categories
    assert not (test.data["native_country"] == "Holand-Netherlands").any()


def test_no_stray_blanks(adult):
    """The blanks after the commas of the file are not part of any category."""
    for column in adult.data.select_dtypes("category"):
        assert all(name == name.strip() for name in adult.data[column].cat.categories)


def test_loading_is_fast(adult):
    """Loading takes less than half a second of processor time once pandas is imported."""
    times = []
    for _ in range(3):
        start = time.process_time()
        load_adult()
        times.append(time.process_time() - start)
    assert min(times) < 0.5


def test_embedded_content_is_the_raw_file(shared_data):
    """What is embedded is, byte for byte, the published file."""
    from mxfair.datasets import _embedded

    folder = shared_data("adult")
    for name in ("adult.data", "adult.test"):
        assert gzip.decompress((folder / f"{name}.gz").read_bytes()) == _embedded.read(name)
