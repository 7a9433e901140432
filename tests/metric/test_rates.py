"""Each function is one rate of the literature, by group, for any labels, and undefined where its denominator is 0."""

from __future__ import annotations

import inspect
import math

import numpy as np
import pandas as pd
import pytest
import sklearn.metrics as sk

from mxfair import Criterion, GroupConfusion, Groups, Rate, metric
from mxfair._validation import InputError, InputTypeError
from mxfair.group_metric import GroupMetric
from mxfair.metric import rates
from mxfair.rate import RATES

NAN = math.nan
NAMED = [name for name in rates.__all__ if name != "rate_by_group"]


class HostArray:
    """Stands for an NDArray: NumPy must get at it through asnumpy() and in no other way."""

    def __init__(self, values):
        self.values = np.asarray(values)

    def asnumpy(self):
        """Return the values on the host."""
        return self.values

    def __len__(self):
        return len(self.values)

    def __array__(self, *args, **kwargs):
        raise AssertionError("numpy.asarray was called on an NDArray")


def cells(labels, preds, weight):
    """Return TP, FP, FN and TN of one group."""
    y, p = np.asarray(labels) == 1, np.asarray(preds) == 1
    return (float(weight[mask].sum()) for mask in (y & p, ~y & p, y & ~p, ~y & ~p))


#: Numerator and denominator in the four cells, as textbooks have them.
TEXTBOOK = {
    "selection_rate": lambda tp, fp, fn, tn: (tp + fp, tp + fp + fn + tn),
    "base_rate": lambda tp, fp, fn, tn: (tp + fn, tp + fp + fn + tn),
    "true_positive_rate": lambda tp, fp, fn, tn: (tp, tp + fn),
    "false_negative_rate": lambda tp, fp, fn, tn: (fn, tp + fn),
    "false_positive_rate": lambda tp, fp, fn, tn: (fp, fp + tn),
    "true_negative_rate": lambda tp, fp, fn, tn: (tn, fp + tn),
    "positive_predictive_value": lambda tp, fp, fn, tn: (tp, tp + fp),
    "false_discovery_rate": lambda tp, fp, fn, tn: (fp, tp + fp),
    "negative_predictive_value": lambda tp, fp, fn, tn: (tn, tn + fn),
    "false_omission_rate": lambda tp, fp, fn, tn: (fn, tn + fn),
    "accuracy": lambda tp, fp, fn, tn: (tp + tn, tp + fp + fn + tn),
    "error_rate": lambda tp, fp, fn, tn: (fp + fn, tp + fp + fn + tn),
    "f1_score": lambda tp, fp, fn, tn: (2 * tp, 2 * tp + fp + fn),
    "balanced_accuracy": lambda tp, fp, fn, tn: (tp * (fp + tn) + tn * (tp + fn), 2 * (tp + fn) * (fp + tn)),
    "matthews_correlation": lambda tp, fp, fn, tn: (
        tp * tn - fp * fn,
        math.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)),
    ),
    "treatment_equality": lambda tp, fp, fn, tn: (fn, fp),
    "conditional_acceptance": lambda tp, fp, fn, tn: (tp + fn, tp + fp),
    "conditional_rejection": lambda tp, fp, fn, tn: (tn + fp, tn + fn),
}


def random_case(seed):
    """Return labels, preds, groups and weights; small groups lack labels and decisions at times."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(4, 40))
    labels, preds = (rng.random(n) < rng.random()).astype(int), (rng.random(n) < rng.random()).astype(int)
    groups = rng.choice(np.array(["a", "b", "c", None], dtype=object), n)
    return labels, preds, groups, (rng.integers(1, 5, n).astype(float) if seed % 2 else None)


@pytest.mark.parametrize("name", NAMED)
def test_rates_equal_the_textbook(name):
    """Each rate of each group, unknown and overall included, is the quotient of its cells, NaN where that is 0 / 0."""
    undefined = 0
    for seed in range(60):
        labels, preds, groups, weight = random_case(seed)
        result = getattr(metric, name)(labels, preds, groups, sample_weight=weight)
        mass = np.ones(len(labels)) if weight is None else weight
        values = dict(zip(result.groups, result.values))
        for group, value in {**values, None: result.overall}.items():
            rows = np.array([group in (None, "unknown" if g is None else g) for g in groups])
            top, bottom = TEXTBOOK[name](*cells(labels[rows], preds[rows], mass[rows]))
            assert value == pytest.approx(top / bottom if bottom else NAN, abs=1e-12, nan_ok=True)
            undefined += not bottom
    assert undefined > 0 or name in ("selection_rate", "base_rate", "accuracy", "error_rate")


@pytest.mark.parametrize("name", [name for name, rate in RATES.items() if isinstance(rate, Rate)])
def test_a_rate_is_its_numerator_by_its_denominator(name):
    """The parts that stand beside a value give it."""
    labels, preds, groups, weight = random_case(1)
    result = getattr(metric, name)(labels, preds, groups, sample_weight=weight)
    with np.errstate(invalid="ignore", divide="ignore"):
        quotient = np.where(result.denominator > 0, result.numerator / result.denominator, np.nan)
    np.testing.assert_allclose(result.values, quotient, equal_nan=True)


def test_every_rate_has_a_function():
    """No rate is only there by name, and each function returns the rate of its name."""
    assert set(NAMED) == set(RATES) == set(TEXTBOOK)
    for name in NAMED:
        assert getattr(metric, name)([1, 0], [1, 1], ["a", "b"]).name == name


# Labels and predictions of every kind


@pytest.mark.parametrize(
    "wrap",
    [
        list,
        tuple,
        np.asarray,
        lambda v: np.asarray(v, dtype=np.float32),
        lambda v: np.asarray(v, dtype=bool),
        lambda v: np.asarray(v, dtype=object),
        lambda v: np.asarray(v).reshape(-1, 1),
        lambda v: pd.Series(v, index=range(100, 100 + len(v))),
        lambda v: pd.Series(v, index=np.arange(len(v))[::-1], dtype="Int64"),
        lambda v: pd.Series(v, dtype="category"),
        lambda v: pd.DataFrame({"y": v}),
        HostArray,
    ],
    ids=["list", "tuple", "int", "float32", "bool", "object", "column", "index", "Int64", "categorical", "frame", "nd"],
)
def test_every_container_gives_the_same_rates(wrap):
    """Samples are read in order, whatever holds them, and an index means nothing."""
    labels, preds, groups = [1, 0, 1, 1, 0, 0], [1, 1, 0, 1, 0, 0], [1, 1, 1, 0, 0, 0]
    result = metric.true_positive_rate(wrap(labels), wrap(preds), wrap(groups), sample_weight=wrap([1] * 6))
    assert result.values.tolist() == [1.0, 0.5]


def test_text_labels_and_a_stated_positive_class():
    """The last of two classes in sorted order is positive unless another is named."""
    labels, preds, groups = ["yes", "no", "yes", "no"], ["yes", "yes", "no", "no"], list("aabb")
    assert metric.selection_rate(labels, preds, groups).values.tolist() == [1.0, 0.0]
    assert metric.selection_rate(labels, preds, groups, positive="no").values.tolist() == [0.0, 1.0]


def test_soft_predictions_give_soft_rates():
    """Of probabilities, a rate is the mean probability of the positive class."""
    soft = np.array([[0.25, 0.75], [0.5, 0.5], [0.9, 0.1], [0.2, 0.8]])
    result = metric.true_positive_rate([1, 0, 1, 1], soft, list("aabb"))
    np.testing.assert_allclose(result.values, [0.75, 0.45])


def test_several_attributes_are_crossed():
    """Rates of combinations are rates by group."""
    groups = {"sex": list("ffmm"), "age": [1, 2, 1, 2]}
    result = metric.accuracy([1, 1, 1, 1], [1, 0, 0, 1], groups)
    assert dict(zip(result.groups, result.values)) == {"f & 1": 1, "f & 2": 0, "m & 1": 0, "m & 2": 1}
    assert result.attribute == "sex x age"


@pytest.mark.parametrize("name", ["accuracy", "error_rate", "balanced_accuracy"])
def test_one_class_is_enough_for_rates_without_a_positive_one(name):
    """Accuracy does not ask which class is positive, even where only one occurs."""
    result = getattr(metric, name)(["yes"] * 4, ["yes"] * 4, list("aabb"))
    assert result.values.tolist() == ([0.0, 0.0] if name == "error_rate" else [1.0, 1.0])


def test_one_class_of_text_needs_to_be_placed():
    """Nothing says whether the only class is positive, so the classes must be given."""
    with pytest.raises(InputError, match=r"Pass classes=\[negative, positive\]"):
        metric.selection_rate(["yes"] * 2, ["yes"] * 2, list("ab"))
    result = metric.selection_rate(["yes"] * 2, ["yes"] * 2, list("ab"), classes=["no", "yes"])
    assert result.values.tolist() == [1.0, 1.0]


# Groups


def test_samples_without_a_group_are_shown_and_not_compared():
    """Their rate is in the table and in the rate over all samples, and in no gap."""
    result = metric.selection_rate([1] * 5, [1, 0, 1, 1, 0], ["a", "a", "b", None, np.nan])
    assert dict(zip(result.groups, result.values)) == {"a": 0.5, "b": 1.0, "unknown": 0.5}
    assert result.overall == 0.6
    assert result.group_min() == 0.5
    assert result.difference() == 0.5


def test_empty_groups_keep_their_place_and_say_why():
    """A group that samples could have but none has is NaN."""
    groups = Groups(["a", "b", "c"]).take([0, 1, 0])
    result = metric.accuracy([1, 0, 1], [1, 0, 0], groups)
    assert result.undefined == {"c": "no samples"}
    assert result.difference() == 0.5


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("true_positive_rate", "no samples with label 1"),
        ("false_positive_rate", "no samples with a label other than 1"),
        ("positive_predictive_value", "no samples predicted 1"),
        ("negative_predictive_value", "no samples predicted other than 1"),
        ("treatment_equality", "no false positives"),
        ("f1_score", "no samples with label 1 or predicted 1"),
        ("conditional_acceptance", "no samples predicted 1"),
        ("matthews_correlation", "no samples to compute it from"),
        ("balanced_accuracy", "no samples to compute it from"),
    ],
)
def test_undefined_rates_say_what_is_missing(name, reason):
    """The reason names the samples that would be needed."""
    only_b = {"false_positive_rate": 1, "negative_predictive_value": 1}.get(name, 0)
    labels, preds = [1, 0, 1, 0, only_b, only_b], [1, 1, 0, 0, only_b, only_b]
    assert getattr(metric, name)(labels, preds, list("aaaabb")).undefined == {"b": reason}


@pytest.mark.parametrize("seed", range(5))
def test_whole_weights_are_repeated_samples(seed):
    """A weight of three counts as three samples, in values and support."""
    labels, preds, groups, _ = random_case(2 * seed)
    weight = np.random.default_rng(seed).integers(1, 4, len(labels))
    weighted = metric.true_positive_rate(labels, preds, groups, sample_weight=weight)
    repeated = metric.true_positive_rate(*(np.repeat(a, weight) for a in (labels, preds, groups)))
    np.testing.assert_allclose(weighted.values, repeated.values, equal_nan=True)
    np.testing.assert_array_equal(weighted.support, repeated.support)


def test_a_group_without_weight_is_undefined():
    """Weights of 0 leave nothing to compute a rate from."""
    result = metric.accuracy([1, 1], [1, 1], ["a", "b"], sample_weight=[0, 2])
    assert result.undefined == {"a": "no samples"}


def test_weights_do_not_hide_that_a_correlation_is_undefined():
    """With labels of one class only there is no correlation, whatever the rounding of the weights' sums."""
    rng = np.random.default_rng(0)
    labels, preds, weight = np.full(300, 1), rng.integers(0, 5, 300), rng.random(300)
    result = metric.matthews_correlation(
        labels, preds, np.arange(300) % 60, sample_weight=weight, positive=1, classes=range(5)
    )
    assert np.isnan(result.values).all()


# Several classes


def several_classes(seed=0, n=200):
    """Return labels and decisions of four classes, and groups."""
    rng = np.random.default_rng(seed)
    return rng.choice(list("wxyz"), n), rng.choice(list("wxyz"), n), rng.choice(["a", "b"], n), rng.random(n)


SKLEARN = {
    "true_positive_rate": sk.recall_score,
    "positive_predictive_value": sk.precision_score,
    "f1_score": sk.f1_score,
}


@pytest.mark.parametrize("average", ["macro", "weighted"])
@pytest.mark.parametrize("name", SKLEARN)
def test_averages_over_classes_equal_scikit_learns(name, average):
    """Macro and weighted averages, weights of the samples included, are scikit-learn's of each group."""
    labels, preds, groups, weight = several_classes()
    result = getattr(metric, name)(labels, preds, groups, sample_weight=weight, average=average)
    for group, value in zip(result.groups, result.values):
        rows = groups == group
        expected = SKLEARN[name](labels[rows], preds[rows], average=average, sample_weight=weight[rows])
        assert value == pytest.approx(expected, abs=1e-12)
    expected = SKLEARN[name](labels, preds, average=average, sample_weight=weight)
    assert result.overall == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("name", SKLEARN)
def test_one_class_against_the_rest_equals_scikit_learns(name):
    """A named class counts as positive and all others as negative."""
    labels, preds, groups, _ = several_classes(1)
    result = getattr(metric, name)(labels, preds, groups, positive="x")
    for group, value in zip(result.groups, result.values):
        rows = groups == group
        assert value == pytest.approx(SKLEARN[name](labels[rows], preds[rows], labels=["x"], average=None)[0])


@pytest.mark.parametrize(("name", "worst"), [("true_positive_rate", min), ("false_positive_rate", max)])
def test_the_worst_class_is_the_lowest_rate_and_the_highest_error(name, worst):
    """Of what should be high the worst is the lowest, of errors the highest."""
    labels, preds, groups, _ = several_classes(2)
    each = [getattr(metric, name)(labels, preds, groups, positive=c).values for c in "wxyz"]
    result = getattr(metric, name)(labels, preds, groups, average="worst")
    np.testing.assert_array_equal(result.values, [worst(values) for values in zip(*each)])


def test_averages_are_undefined_where_a_class_is_missing():
    """A group without samples of one class has no macro recall, and the reason names the class."""
    result = metric.true_positive_rate(list("xyzxy"), list("xyzxx"), list("aaabb"), average="macro")
    assert result.undefined == {"b": "no samples with label z"}


def test_weighted_averages_do_not_need_classes_without_weight():
    """A class that a group has no labels of weighs nothing there, so that its recall is not missed."""
    result = metric.true_positive_rate(list("xyzxy"), list("xyzxx"), list("aaabb"), average="weighted")
    assert result.values.tolist() == [1.0, 0.5]


def test_balanced_accuracy_and_accuracy_equal_scikit_learns():
    """Rates of all classes at once need no positive one."""
    labels, preds, groups, weight = several_classes(3)
    for ours, theirs in ((metric.accuracy, sk.accuracy_score), (metric.balanced_accuracy, sk.balanced_accuracy_score)):
        result = ours(labels, preds, groups, sample_weight=weight)
        for group, value in zip(result.groups, result.values):
            rows = groups == group
            assert value == pytest.approx(theirs(labels[rows], preds[rows], sample_weight=weight[rows]), abs=1e-12)


def test_an_average_changes_nothing_for_rates_of_all_classes():
    """Accuracy is not computed class by class."""
    labels, preds, groups, _ = several_classes(4)
    plain, averaged = (metric.accuracy(labels, preds, groups, average=how) for how in (None, "macro"))
    np.testing.assert_array_equal(plain.values, averaged.values)


# Rates of one's own, and errors


def test_a_rate_may_be_a_name_or_ones_own():
    """rate_by_group takes both."""
    own = Rate("mine", lambda y, p, c: y == p, given=lambda y, p, c: True)
    labels, preds, groups, _ = random_case(0)
    by_name, by_rate = (metric.rate_by_group(rate, labels, preds, groups) for rate in ("accuracy", own))
    assert by_rate.name == "mine"
    np.testing.assert_array_equal(by_name.values, by_rate.values)


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"),
    [
        (([1, 0], [1], ["a", "b"]), {}, InputError, "same length; got 2, 1 and 2"),
        (([1, 0], [1, 0], ["a"]), {}, InputError, "same length; got 2, 2 and 1"),
        (([1, 0], [1, 0], ["a", "b"]), {"sample_weight": [1]}, InputError, "same length"),
        (
            ([1, 0], [1, 0], ["a", "b"]),
            {"sample_weight": [1, -1]},
            InputError,
            "finite and not negative; got -1 at row 1",
        ),
        (([1, 0], [1, 0], ["a", "b"]), {"sample_weight": [1, np.inf]}, InputError, "finite and not negative"),
        (([1, 0], [0.3, 0.8], ["a", "b"]), {}, InputError, "must be decisions.*threshold first"),
        (([1, 0], [[0.3, 0.8], [0.5, 0.5]], ["a", "b"]), {}, InputError, "probabilities that sum to 1"),
        (([1, None], [1, 0], ["a", "b"]), {}, InputError, "'labels' must not be missing"),
        (([1, 0], [1, np.nan], ["a", "b"]), {}, InputError, "'preds' must not be missing"),
        (([], [], []), {}, InputError, "at least one"),
        (((y for y in [1, 0]), [1, 0], ["a", "b"]), {}, InputError, "'labels' must be one-dimensional"),
        (([1, 0], [1, 0], "ab"), {}, InputTypeError, "one group per sample"),
        (([1, 0], ["1", "0"], ["a", "b"]), {}, InputError, "same values.*Convert one"),
        (([1, 0], [1, 0], ["a", "b"]), {"positive": 2}, InputError, r"one of the classes \[0, 1\]; got 2"),
        (([1, 0], [1, 2], ["a", "b"]), {"classes": [0, 1]}, InputError, "among the classes 0, 1; got 2"),
        (([1, 0, 2], [1, 0, 2], list("aba")), {}, InputError, "'positive' or 'average' must be given"),
        (([1, 0, 2], [1, 0, 2], list("aba")), {"average": "micro"}, InputError, "macro, weighted, worst"),
        (([1, 0, 2], [1, 0, 2], list("aba")), {"average": "macro", "positive": 1}, InputError, "not be given together"),
    ],
)
def test_what_cannot_be_counted_is_refused(arguments, options, error, message):
    """Errors name the argument, its value and the way out."""
    with pytest.raises(error, match=message):
        metric.selection_rate(*arguments, **options)


def test_a_misspelt_rate_is_refused():
    """The nearest name is given."""
    with pytest.raises(InputError, match="Did you mean 'accuracy'"):
        metric.rate_by_group("acuracy", [1], [1], ["a"])


# The functions themselves


@pytest.mark.parametrize("name", NAMED)
def test_functions_have_a_signature_of_their_own(name):
    """Help shows the arguments, and not **options."""
    function = getattr(metric, name)
    general = list(inspect.signature(metric.rate_by_group).parameters)[1:]
    assert function.__name__ == function.__qualname__ == name
    assert list(inspect.signature(function).parameters) == general
    assert inspect.signature(function).return_annotation == "GroupMetric"


def test_options_are_keyword_only():
    """A fourth positional argument is a mistake."""
    with pytest.raises(TypeError):
        metric.accuracy([1, 0], [1, 0], ["a", "b"], [1, 1])


@pytest.mark.parametrize("options", [{}, {"average": "macro"}, {"positive": 1}, {"sample_weight": [1, 2, 3]}])
def test_the_type_of_the_result_does_not_shift(options):
    """Whatever the arguments, a rate is a GroupMetric."""
    assert type(metric.true_positive_rate([1, 0, 1], [1, 1, 0], list("aba"), **options)) is GroupMetric


def test_arguments_are_left_alone():
    """Counting changes nothing of what it is given."""
    arrays = [np.array([1.0, 0.0, 1.0]), np.array([1.0, 1.0, 0.0]), np.array([0, 1, 0]), np.array([1.0, 2.0, 3.0])]
    before = [array.copy() for array in arrays]
    metric.accuracy(*arrays[:3], sample_weight=arrays[3])
    for array, copy in zip(arrays, before):
        np.testing.assert_array_equal(array, copy)


def test_a_rate_of_many_tables_is_each_tables_rate():
    """Averages over classes take resamples on leading axes."""
    rng = np.random.default_rng(0)
    counts = rng.integers(0, 4, (5, 3, 4, 4)).astype(float)
    for average in rates.AVERAGE:
        together = rates.averaged(RATES["true_positive_rate"], counts, average)
        for place in np.ndindex(5, 3):
            alone = rates.averaged(RATES["true_positive_rate"], counts[place], average)
            np.testing.assert_allclose(together[place], alone, equal_nan=True)


def test_rates_and_criteria_read_the_same_table():
    """A rate's difference is that of the criterion of this rate."""
    labels, preds, groups, weight = random_case(7)
    table = GroupConfusion.of(labels, preds, groups, sample_weight=weight)
    ours = metric.accuracy(labels, preds, groups, sample_weight=weight).difference()
    assert ours == Criterion("accuracy", "accuracy").difference(table)


@pytest.mark.slow
def test_a_million_rows_take_milliseconds():
    """A rate costs one pass over the samples: there is no loop over rows."""
    import time

    rng = np.random.default_rng(0)
    labels, preds, groups = rng.integers(0, 2, 10**6), rng.integers(0, 2, 10**6), Groups(rng.integers(0, 20, 10**6))
    metric.accuracy(labels, preds, groups)
    start = time.perf_counter()
    metric.accuracy(labels, preds, groups)
    assert time.perf_counter() - start < 0.5
