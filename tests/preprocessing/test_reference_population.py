"""Comparison with a reference population, and weights and rows that follow it."""

from __future__ import annotations

import json
import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from mxfair import Groups
from mxfair._validation import InputError, InputTypeError
from mxfair.preprocessing.reference_population import GroupComparison, compare_with_reference
from mxfair.preprocessing.reference_weights import resample_to, reweight_to
from mxfair.uncertainty import wilson_interval

PEAS = {"round yellow": 315, "round green": 108, "wrinkled yellow": 101, "wrinkled green": 32}
LAW = {"round yellow": 9, "round green": 3, "wrinkled yellow": 3, "wrinkled green": 1}


def column(counts):
    """Return a column with so many rows of each group."""
    return np.repeat(list(counts), list(counts.values()))


def people(n=4000, seed=0):
    """Return a frame of two dependent attributes, in other shares than those of `MARGINS`."""
    rng = np.random.default_rng(seed)
    sex = np.where(rng.random(n) < 0.3, "f", "m")
    age = np.where(rng.random(n) < np.where(sex == "f", 0.7, 0.4), "young", "old")
    return pd.DataFrame({"sex": sex, "age": age})


MARGINS = {"sex": {"f": 0.5, "m": 0.5}, "age": {"young": 0.35, "old": 0.65}}


def test_mendels_peas():
    """Mendel's 556 peas against 9 : 3 : 3 : 1: chi-square .470 with 3 degrees of freedom, p .925 (Fisher 1936)."""
    found = compare_with_reference(column(PEAS), LAW)["group"]
    assert found.chi_square == pytest.approx(0.470024, abs=1e-6)
    assert found.degrees_of_freedom == 3
    assert found.p_value == pytest.approx(0.925426, abs=1e-6)
    assert found.cohen_w == pytest.approx(np.sqrt(found.chi_square / 556))
    assert found.small_expected == ()
    assert found.tested == "goodness of fit"


def test_shares_differences_ratios_and_intervals():
    """The columns are what their names say."""
    frame = compare_with_reference(column({"a": 30, "b": 70}), {"a": 0.4, "b": 0.6}).to_frame().loc["group"]
    assert frame["share"].tolist() == [0.3, 0.7]
    assert frame["difference"].tolist() == pytest.approx([-0.1, 0.1])
    assert frame["ratio"].tolist() == pytest.approx([0.75, 7 / 6])
    spread = np.sqrt((0.3 * 0.7 + 0.4 * 0.6) / 2)
    assert frame["standardized"].tolist() == pytest.approx([-0.1 / spread, 0.1 / spread])
    low, high = wilson_interval([30, 70], [100, 100])
    assert frame["low"].tolist() == pytest.approx(low.tolist())
    assert frame["high"].tolist() == pytest.approx(high.tolist())
    assert frame["expected"].tolist() == pytest.approx([40, 60])


@pytest.mark.parametrize("reference", [{"a": 0.25, "b": 0.75}, {"a": 25, "b": 75}, {"a": 25.0, "b": 75}])
def test_shares_counts_and_percentages_are_alike(reference):
    """A reference counts by its proportions only."""
    found = compare_with_reference(column({"a": 30, "b": 70}), reference)["group"]
    assert found.reference_shares.tolist() == [0.25, 0.75]


def test_another_data_set_is_a_sample():
    """Against a sample homogeneity is tested, as in a table of both; as a population, goodness of fit."""
    data, other = column({"a": 30, "b": 70, "c": 50}), column({"a": 200, "b": 150, "c": 100})
    found = compare_with_reference(data, other)["group"]
    expected = stats.chi2_contingency([[30, 70, 50], [200, 150, 100]], correction=False)
    assert (found.chi_square, found.p_value) == pytest.approx((expected.statistic, expected.pvalue))
    assert found.expected == pytest.approx(expected.expected_freq[0])
    assert found.tested == "homogeneity of two samples"
    fixed = compare_with_reference(data, other, reference_is_sample=False)["group"]
    q = np.array([200, 150, 100]) / 450
    assert fixed.chi_square == pytest.approx(stats.chisquare([30, 70, 50], 150 * q).statistic)
    with pytest.raises(InputError, match="given shares"):
        compare_with_reference(data, {"a": 1, "b": 1, "c": 1}, reference_is_sample=True)


def test_groups_absent_from_the_data_are_shown():
    """A group of the reference without rows has share 0 and is named."""
    found = compare_with_reference(column({"a": 30, "b": 70}), {"a": 0.3, "b": 0.5, "c": 0.2})["group"]
    assert found.missing_groups == ("c",)
    assert found.to_frame().loc["c", ["count", "share", "ratio"]].tolist() == [0, 0, 0]
    assert found.degrees_of_freedom == 2
    assert found.chi_square == pytest.approx(stats.chisquare([30, 70, 0], [30, 50, 20]).statistic)


def test_groups_absent_from_the_reference_are_shown():
    """A group of the data without a share in the reference is named, and no test is pretended."""
    comparison = compare_with_reference(column({"a": 30, "b": 60, "c": 10}), {"a": 0.5, "b": 0.5})
    found = comparison["group"]
    assert found.extra_groups == ("c",)
    assert np.isnan(found.chi_square)
    assert np.isinf(found.cohen_w)
    assert np.isinf(found.ratios[2])
    assert found.tested == "no test: the reference has no share of c"
    assert "not in the reference: c" in repr(comparison)
    assert "no test" in repr(comparison)


def test_small_expected_counts_are_said():
    """Fewer than 5 expected rows make the p-value rough: the groups are named."""
    comparison = compare_with_reference(column({"a": 30, "b": 1}), {"a": 0.9, "b": 0.1})
    assert comparison["group"].small_expected == ("b",)
    assert "fewer than 5 expected" in repr(comparison)


def test_unknown_rows_are_counted_and_in_no_share():
    """Missing values are shown beside the shares."""
    found = compare_with_reference(["a", "b", None, "b", np.nan], {"a": 0.5, "b": 0.5})["group"]
    assert found.n_unknown == 2
    assert found.shares.tolist() == pytest.approx([1 / 3, 2 / 3])
    assert found.groups == ("a", "b")
    with pytest.raises(InputError, match="only missing"):
        compare_with_reference([None, None], {"a": 1})
    with pytest.raises(InputError, match="unknown"):
        compare_with_reference(["a", None], {"a": 0.5, "unknown": 0.5})


def test_several_columns_are_crossed_for_shares_of_combinations():
    """Keys of a crossing are tuples, in the order of the columns."""
    frame = pd.DataFrame({"sex": list("ffmm"), "age": ["old", "young", "old", "old"]})
    reference = {("f", "old"): 0.2, ("f", "young"): 0.3, ("m", "old"): 0.4, ("m", "young"): 0.1}
    found = compare_with_reference(frame, reference)["sex x age"]
    assert dict(zip(found.groups, found.counts)) == {"f & old": 1, "f & young": 1, "m & old": 2, "m & young": 0}
    assert found.missing_groups == ("m & young",)


def test_columns_are_compared_each_by_itself():
    """Margins, moments and other data sets by column; what has many numbers is compared by its mean."""
    data = people(500)
    data["income"] = np.random.default_rng(1).normal(30, 10, 500)
    data.loc[:9, "income"] = np.nan
    other = people(800, seed=3)
    other["income"] = np.random.default_rng(2).normal(35, 10, 800)
    found = compare_with_reference(data, other)
    assert list(found) == ["sex", "age", "income"]
    a, b = data["income"].dropna(), other["income"]
    pooled = np.sqrt((a.var(ddof=0) + b.var(ddof=0)) / 2)
    assert found["income"].standardized == pytest.approx((a.mean() - b.mean()) / pooled)
    assert found["income"].variance_ratio == pytest.approx(a.var() / b.var(), rel=1e-2)
    assert found["income"].n_missing == 10
    given = {**MARGINS, "income": {"mean": b.mean(), "std": b.std(ddof=0)}}
    same = compare_with_reference(data, given)
    assert same["income"].standardized == pytest.approx(found["income"].standardized)
    assert same["sex"].reference_shares.tolist() == [0.5, 0.5]
    assert set(found.numbers) == {"income"}
    assert list(found.tests_frame().index) == ["sex", "age"]
    assert "income" in repr(found)


def test_few_numbers_are_levels():
    """A numeric column of few values is compared by its values."""
    data, other = pd.DataFrame({"children": [0, 1, 2, 1.0]}), pd.DataFrame({"children": [0, 0, 1, 3.0]})
    found = compare_with_reference(data, other)["children"]
    assert isinstance(found, GroupComparison)
    assert found.groups == ("0", "1", "2", "3")


def test_numbers_with_many_values_on_either_side_are_compared_by_their_mean():
    """One side with many values is enough; nullable columns and missing values are numbers too; text is not."""
    few, many = pd.DataFrame({"x": [1, 2, 2, 1]}), pd.DataFrame({"x": pd.array([*range(40), None], dtype="Int64")})
    assert compare_with_reference(few, many)["x"].reference_mean == pytest.approx(19.5)
    found = compare_with_reference(many, few)["x"]
    assert (found.mean, found.n_missing) == (pytest.approx(19.5), 1)
    text = many.astype("string")
    assert isinstance(compare_with_reference(text, text)["x"], GroupComparison)


def test_weights_count_by_their_effective_number():
    """With weights, shares are weighted, and tests use Kish's effective number of rows."""
    data, weight = column({"a": 30, "b": 70}), np.repeat([2.0, 1.0], [30, 70])
    found = compare_with_reference(data, {"a": 0.5, "b": 0.5}, sample_weight=weight)["group"]
    assert found.shares.tolist() == pytest.approx([60 / 130, 70 / 130])
    effective = 130**2 / (30 * 4 + 70)
    assert found.effective_size == pytest.approx(effective)
    assert found.chi_square == pytest.approx(effective * found.cohen_w**2)
    ones = compare_with_reference(data, {"a": 0.5, "b": 0.5}, sample_weight=np.ones(100))["group"]
    plain = compare_with_reference(data, {"a": 0.5, "b": 0.5})["group"]
    assert ones.to_frame().equals(plain.to_frame())


def test_p_values_are_uniform_where_the_data_are_a_sample_of_the_reference():
    """Drawn from the reference, about 5 % of the data sets have p below .05."""
    rng = np.random.default_rng(0)
    shares = {"a": 0.2, "b": 0.3, "c": 0.5}
    p = [
        compare_with_reference(rng.choice(list(shares), 300, p=list(shares.values())), shares)["group"].p_value
        for _ in range(400)
    ]
    assert np.mean(np.array(p) < 0.05) == pytest.approx(0.05, abs=0.03)


def test_the_dictionary_is_json():
    """All that is not finite is None."""
    found = compare_with_reference(column({"a": 30, "b": 60, "c": 10}), {"a": 0.5, "b": 0.5})
    plain = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert plain["group"]["chi_square"] is None
    assert plain["group"]["groups"]["c"]["ratio"] is None
    assert plain["group"]["groups"]["a"]["count"] == 30
    assert plain["group"]["extra_groups"] == ["c"]


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ({"a": 0.5, "b": 0.4}, "must sum to 1"),
        ({"a": 0.5, "b": -0.5}, "shares or counts"),
        ({"a": 0.5, "b": np.nan}, "shares or counts"),
        ({"a": 0, "b": 0}, "shares or counts"),
        ({1: 0.5, "1": 0.5}, "each group once"),
        ({}, "at least one group"),
        ({"a": 0.5, "b": {"c": 1}}, "not both"),
    ],
)
def test_bad_references_are_refused(reference, message):
    """A reference that is no distribution says what is wrong."""
    with pytest.raises(InputError, match=message):
        compare_with_reference(["a", "b"], reference)


def test_columns_must_be_there():
    """Columns of the reference that the data lack, and columns for data that are one attribute, are errors."""
    with pytest.raises(InputError, match="none named 'race'"):
        compare_with_reference(people(20), {"race": {"x": 1.0}})
    with pytest.raises(InputTypeError, match="mapping of columns"):
        compare_with_reference(["f", "m"], MARGINS)


def test_counts_are_shown_whole():
    """A count of five digits is not rounded to four."""
    text = repr(compare_with_reference(column({"a": 32650, "b": 1}), {"a": 0.5, "b": 0.5}))
    assert "32,650" in text


def test_rounded_shares_are_taken():
    """Published shares that sum to .999 are shares."""
    found = compare_with_reference(list("abc"), {"a": 0.333, "b": 0.333, "c": 0.333})["group"]
    assert found.reference_shares.tolist() == pytest.approx([1 / 3] * 3)


def test_post_stratification_is_a_ratio_of_shares():
    """w_g = q_g / p_g, mean 1, and the weighted data equal the reference."""
    data = column({"a": 20, "b": 30, "c": 50})
    found = reweight_to(data, {"a": 0.5, "b": 0.3, "c": 0.2})
    assert found.weights == pytest.approx(np.repeat([2.5, 1.0, 0.4], [20, 30, 50]))
    assert found.weights.mean() == pytest.approx(1)
    assert (found.method, found.converged, found.iterations) == ("post-stratification", True, 1)
    assert found.effective_sample_size == pytest.approx(100**2 / (20 * 6.25 + 30 + 50 * 0.16))
    assert found.design_effect == pytest.approx(100 / found.effective_sample_size)
    assert found.max_weight == pytest.approx(2.5)
    weighted = compare_with_reference(data, {"a": 0.5, "b": 0.3, "c": 0.2}, sample_weight=found.weights)
    assert np.abs(weighted["group"].differences).max() < 1e-12


def test_raking_matches_every_margin():
    """Both margins hold, and the odds ratio of the data is kept, as Deming and Stephan's fit does."""
    data = people()
    found = reweight_to(data, MARGINS)
    assert (found.method, found.converged) == ("raking", True)
    assert found.deviation < 1e-8
    table = pd.crosstab(data["sex"], data["age"], values=found.weights, aggfunc="sum").to_numpy()
    assert table.sum(axis=1) / table.sum() == pytest.approx([0.5, 0.5])
    assert table.sum(axis=0) / table.sum() == pytest.approx([0.65, 0.35])
    before = pd.crosstab(data["sex"], data["age"]).to_numpy()

    def odds(t):
        return t[0, 0] * t[1, 1] / (t[0, 1] * t[1, 0])

    assert odds(table) == pytest.approx(odds(before))


def test_raking_to_another_data_set():
    """A frame as reference gives its margins."""
    data, other = people(1000), people(1500, seed=9)
    found = reweight_to(data, other)
    for name in data:
        shares = pd.Series(found.weights).groupby(data[name]).sum() / len(data)
        assert shares.to_dict() == pytest.approx(other[name].value_counts(normalize=True).to_dict())


def test_raking_that_cannot_converge_says_so():
    """Margins that contradict each other on the cells that have rows: a warning, and converged is False."""
    data = pd.DataFrame({"x": list("aaabbb"), "y": list("cccddd")})
    with pytest.warns(UserWarning, match="did not converge in 50 passes"):
        found = reweight_to(data, {"x": {"a": 0.5, "b": 0.5}, "y": {"c": 0.3, "d": 0.7}}, max_iterations=50)
    assert not found.converged
    assert found.deviation > 0.05


def test_rows_of_missing_attributes_keep_the_weight_of_the_others():
    """An attribute that is missing in a row does not weigh it; the margins hold among the known rows."""
    data = people(2000)
    data.loc[:99, "age"] = None
    with pytest.warns(UserWarning, match="100 rows is missing"):
        found = reweight_to(data, MARGINS)
    known = data["age"].notna()
    shares = pd.Series(found.weights[known]).groupby(data["age"][known].to_numpy()).sum() / found.weights[known].sum()
    assert shares.to_dict() == pytest.approx(MARGINS["age"])
    with pytest.warns(UserWarning, match="1 row is missing"):
        single = reweight_to(["a", "b", "b", None], {"a": 0.5, "b": 0.5})
    assert single.weights == pytest.approx([1.5, 0.75, 0.75, 1])


def test_trimmed_weights_are_said():
    """No weight is above the bound, the mean is 1, and the shares are said to be off."""
    data = column({"a": 2, "b": 48, "c": 50})
    with pytest.warns(UserWarning, match=r"2 weights cut to 4: a share is off by up to 0\.32"):
        found = reweight_to(data, {"a": 0.4, "b": 0.4, "c": 0.2}, max_weight=4)
    assert found.max_weight == pytest.approx(4)
    assert found.weights.mean() == pytest.approx(1)
    assert found.n_trimmed == 2
    assert found.deviation == pytest.approx(0.32)
    # what is cut goes to the others in proportion: b and c keep their ratio
    assert found.weights[2] / found.weights[-1] == pytest.approx((0.4 / 0.48) / (0.2 / 0.5))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loose = reweight_to(data, {"a": 0.4, "b": 0.4, "c": 0.2}, max_weight=50)
    assert loose.n_trimmed == 0


def test_a_share_of_0_leaves_a_group_out_and_says_so():
    """Only a share of 0 that is written down takes a group's weight away."""
    with pytest.warns(UserWarning, match="1 row weigh nothing, since the reference has none of C in 'group'"):
        found = reweight_to(["a", "b", "C", "b"], {"a": 0.5, "b": 0.5, "C": 0.0})
    assert found.weights == pytest.approx([2, 1, 0, 1])
    with pytest.raises(InputError, match="no share of C"):
        reweight_to(["a", "b", "C", "b"], {"a": 0.5, "b": 0.5})
    with pytest.raises(InputError, match=r"at least 1\.333"):
        reweight_to(["a", "b", "C", "b"], {"a": 0.5, "b": 0.5, "C": 0.0}, max_weight=1.2)


def test_what_weights_cannot_do_is_refused():
    """A group without rows, a numeric column, and bounds below the mean are errors."""
    with pytest.raises(InputError, match="got none of c"):
        reweight_to(["a", "b"], {"a": 0.5, "b": 0.3, "c": 0.2})
    with pytest.raises(InputError, match=r"Groups\.binned"):
        reweight_to(pd.DataFrame({"x": np.arange(50.0)}), {"x": {"mean": 1.0, "std": 1.0}})
    with pytest.raises(InputError, match="max_weight"):
        reweight_to(["a", "b"], {"a": 0.5, "b": 0.5}, max_weight=0.5)
    with pytest.raises(InputError, match="tolerance"):
        reweight_to(["a", "b"], {"a": 0.5, "b": 0.5}, tolerance=0)


def test_resampled_rows_have_the_shares_of_the_reference():
    """Counts are as near as whole numbers go, and a group's rows occur as often as each other, or once more."""
    data = column({"a": 20, "b": 30, "c": 50})
    rows = resample_to(data, {"a": 0.5, "b": 0.3, "c": 0.2}, n=150, seed=0)
    assert pd.Series(data[rows]).value_counts().to_dict() == {"a": 75, "b": 45, "c": 30}
    times = np.bincount(rows, minlength=100)
    for group in "abc":
        inside = times[data == group]
        assert inside.max() - inside.min() <= 1
    assert (np.diff(rows) >= 0).all()
    assert len(resample_to(data, {"a": 0.5, "b": 0.3, "c": 0.2}, seed=0)) == 100
    assert np.array_equal(rows, resample_to(data, {"a": 0.5, "b": 0.3, "c": 0.2}, n=150, seed=0))
    assert not np.array_equal(rows, resample_to(data, {"a": 0.5, "b": 0.3, "c": 0.2}, n=150, seed=1))


def test_rows_are_resampled_to_margins():
    """Rows resampled after raking have the margins to within a row."""
    data = people()
    rows = resample_to(data, MARGINS, seed=0)
    for name, shares in MARGINS.items():
        found = data[name].iloc[rows].value_counts().to_dict()
        assert found == pytest.approx({g: len(data) * q for g, q in shares.items()}, abs=3)


def test_groups_are_taken_as_they_are():
    """Groups, binned ages say, are compared and weighed like any column."""
    ages = np.random.default_rng(0).integers(18, 80, 300)
    groups = Groups.binned(ages, bins=[30, 60], name="age")
    reference = {"<= 30": 0.25, "30 to 60": 0.5, "> 60": 0.25}
    assert list(compare_with_reference(groups, reference)) == ["age"]
    weight = reweight_to(groups, reference).weights
    assert np.bincount(groups.codes, weight) / 300 == pytest.approx([0.25, 0.5, 0.25])


@pytest.mark.parametrize("n", [None, 400])
def test_margins_hold_where_every_crossing_is_small(n):
    """With one row in each of 1,000 crossings all are rounded, and no group of a margin is favoured."""
    data = pd.DataFrame({"sex": np.repeat(["f", "m"], 500), "place": np.tile(np.arange(500), 2)})
    reference = {"sex": {"f": 0.75, "m": 0.25}, "place": dict.fromkeys(range(500), 1 / 500)}
    rows = resample_to(data, reference, n=n, seed=0)
    assert len(rows) == (n or 1000)
    assert (data["sex"].iloc[rows] == "f").mean() == pytest.approx(0.75, abs=0.01)
    places = data["place"].iloc[rows].value_counts().reindex(range(500), fill_value=0)
    assert np.abs(places - len(rows) / 500).max() < 2
