import copy
import json
import pickle
import subprocess
import sys
import time

import mxnet as mx
import numpy as np
import pytest

from mxfair import Criterion, GroupConfusion, Groups
from mxfair._validation import InputError, InputTypeError
from mxfair.criterion import ALL_CRITERIA
from mxfair.metric import _device_counts
from mxfair.metric.eval_metric import FairnessMetric, GroupEvalMetric, WorstGroupMetric
from mxfair.rate import RATES

nd = mx.nd


@pytest.fixture
def rng():
    """Return a generator."""
    return np.random.default_rng(3)


@pytest.fixture
def sample(rng):
    """Return labels, decisions and group codes of 200 samples, as NumPy arrays."""
    groups = rng.integers(0, 3, 200)
    labels = (rng.random(200) < 0.3 + 0.1 * groups).astype(int)
    preds = np.where(rng.random(200) < 0.7, labels, rng.integers(0, 2, 200))
    return labels, preds, groups


def batches(*arrays, size=32):
    """Yield the arrays in batches, as NDArrays."""
    for start in range(0, len(arrays[0]), size):
        yield [nd.array(a[start : start + size], dtype=a.dtype) for a in arrays]


def counted(metric, *arrays, size=32):
    """Update a metric batch by batch and return its figure."""
    for batch in batches(*arrays, size=size):
        metric.update(*batch)
    return metric.get()[1]


class TestFigures:
    """The figures are those of GroupConfusion and Criterion on the same decisions."""

    @pytest.mark.parametrize("criterion", ALL_CRITERIA)
    @pytest.mark.parametrize("compare", ["max_min", "to_overall", "pairwise_mean"])
    def test_every_criterion(self, sample, criterion, compare):
        """Batches of 32 give the gap of the whole."""
        metric = FairnessMetric(criterion, 3, compare=compare)
        expected = ALL_CRITERIA[criterion].difference(GroupConfusion.of(*sample), compare=compare)
        assert counted(metric, *sample) == pytest.approx(expected, abs=1e-12)

    def test_a_reference_group(self, sample):
        """compare="to_reference" measures from the named group."""
        metric = FairnessMetric("equal_opportunity", ["a", "b", "c"], compare="to_reference", reference="b")
        table = GroupConfusion.of(*sample)
        expected = ALL_CRITERIA["equal_opportunity"].difference(table, compare="to_reference", reference="1")
        assert counted(metric, *sample) == pytest.approx(expected)

    def test_the_positive_class(self, sample):
        """positive=0 makes rejection the outcome that is compared."""
        metric = FairnessMetric("equal_opportunity", 3, positive=0)
        expected = ALL_CRITERIA["equal_opportunity"].with_positive(0).difference(GroupConfusion.of(*sample))
        assert counted(metric, *sample) == pytest.approx(expected)

    @pytest.mark.parametrize("size", [1, 7, 200])
    def test_the_batch_size_does_not_matter(self, sample, size):
        """The table is the same, not nearly the same, however the samples are cut."""
        metric = FairnessMetric("equalized_odds", 3)
        counted(metric, *sample, size=size)
        np.testing.assert_array_equal(metric.table.counts, GroupConfusion.of(*sample).counts)

    @pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
    def test_raw_scores_are_compared_with_0(self, rng, dtype):
        """A column of logits, shape (n, 1), means the second class above 0, in any float type."""
        labels, groups = rng.integers(0, 2, 50), rng.integers(0, 2, 50)
        logits = rng.normal(0, 2, (50, 1)).astype(dtype)
        logits[:3] = [[0], [-np.inf], [np.inf]]
        metric = FairnessMetric("equalized_odds")
        counted(metric, labels, logits, groups)
        expected = GroupConfusion.of(labels, (logits[:, 0] > 0).astype(int), groups)
        np.testing.assert_array_equal(metric.table.counts, expected.counts)

    def test_probabilities_are_compared_with_the_threshold(self, rng):
        """threshold=0.5 for a net that ends in a sigmoid."""
        labels, groups, scores = rng.integers(0, 2, 50), rng.integers(0, 2, 50), rng.random(50)
        metric = FairnessMetric("equalized_odds", threshold=0.5)
        counted(metric, labels, scores, groups)
        expected = GroupConfusion.of(labels, (scores > 0.5).astype(int), groups)
        np.testing.assert_array_equal(metric.table.counts, expected.counts)

    def test_one_column_per_class_means_the_largest(self, rng):
        """Scores of 4 classes; a criterion takes each class in turn."""
        labels, groups = rng.integers(0, 4, 300), rng.integers(0, 2, 300)
        scores = rng.normal(size=(300, 4)) + np.eye(4)[labels]
        metric = FairnessMetric("equalized_odds", 2, 4)
        table = GroupConfusion.of(labels, scores.argmax(axis=1), groups)
        assert counted(metric, labels, scores, groups) == ALL_CRITERIA["equalized_odds"].difference(table)

    def test_decisions_among_several_classes(self, rng):
        """One value per sample and three classes: decisions in the values of the labels."""
        classes = np.array([-1, 2, 7])
        labels, preds, groups = rng.choice(classes, 90), rng.choice(classes, 90), rng.integers(0, 2, 90)
        metric = FairnessMetric("accuracy_parity", 2, classes)
        counted(metric, labels, preds, groups)
        np.testing.assert_array_equal(metric.table.counts, GroupConfusion.of(labels, preds, groups).counts)

    def test_two_classes_of_other_values_are_decisions(self):
        """Classes 1 and 2 are both above 0: predictions are looked up, not compared."""
        metric = FairnessMetric("accuracy_parity", 2, [1, 2])
        metric.update(nd.array([1, 2, 1, 2]), nd.array([1, 2, 2, 2]), nd.array([0, 0, 1, 1]))
        assert metric.get()[1] == 0.5

    def test_weights(self, sample, rng):
        """A sample counts for its weight."""
        weight = rng.random(200)
        metric = FairnessMetric("demographic_parity", 3)
        for label, pred, group, w in batches(*sample, weight):
            metric.update(label, pred, group, sample_weight=w)
        expected = GroupConfusion.of(*sample, sample_weight=weight)
        np.testing.assert_allclose(metric.table.counts, expected.counts, rtol=1e-12)

    def test_several_devices(self, sample):
        """Lists hold one array per device; one array of groups is cut as the labels are."""
        labels, preds, groups = (nd.array(a) for a in sample)
        contexts = [mx.cpu(0), mx.cpu(1)]
        split = [mx.gluon.utils.split_and_load(a, contexts) for a in (labels, preds, groups)]
        for given in (split[2], groups, Groups(sample[2])):
            metric = FairnessMetric("equalized_odds", 3)
            metric.update(split[0], split[1], given)
            np.testing.assert_array_equal(metric.table.counts, GroupConfusion.of(*sample).counts)

    def test_the_worst_group(self, sample):
        """WorstGroupMetric is the smallest or largest rate of a known group."""
        labels, preds, groups = sample
        accuracies = [(labels == preds)[groups == g].mean() for g in range(3)]
        assert counted(WorstGroupMetric("accuracy", 3), *sample) == pytest.approx(min(accuracies))
        assert counted(WorstGroupMetric("error_rate", 3, worst="min"), *sample) == pytest.approx(1 - max(accuracies))

    @pytest.mark.parametrize("rate", [rate for rate in RATES if rate.startswith("false_") or rate == "error_rate"])
    def test_the_worst_group_of_an_error_rate_has_the_largest(self, sample, rate):
        """Without worst= the largest false positive rate is the worst, not the smallest."""
        values = RATES[rate](GroupConfusion.of(*sample)).values
        assert min(values) < max(values)
        assert counted(WorstGroupMetric(rate, 3), *sample) == pytest.approx(max(values))

    @pytest.mark.parametrize("rate", ["true_positive_rate", "positive_predictive_value", "selection_rate", "f1_score"])
    def test_the_worst_group_of_any_other_rate_has_the_smallest(self, sample, rate):
        """Without worst= the smallest is the worst."""
        values = RATES[rate](GroupConfusion.of(*sample)).values
        assert min(values) < max(values)
        assert counted(WorstGroupMetric(rate, 3), *sample) == pytest.approx(min(values))

    def test_a_criterion_and_a_metric_of_ones_own(self, sample):
        """A Criterion object, and a subclass with its own value, use the same counts."""
        own = Criterion("sensitivity", "true_positive_rate", agg="mean")
        expected = own.difference(GroupConfusion.of(*sample))
        assert counted(FairnessMetric(own, 3), *sample) == expected

        class Samples(GroupEvalMetric):
            def value(self, table):
                return table.counts.sum()

        assert counted(Samples("samples", 3), *sample) == 200


class TestGroups:
    """What a batch may hold as groups."""

    def test_a_group_that_a_batch_lacks_keeps_its_place(self):
        """Groups are named when the metric is made, so batches of one group each are no trouble."""
        metric = FairnessMetric("demographic_parity", ["f", "m"])
        metric.update(nd.array([0, 1]), nd.array([1, 1]), nd.array([1, 1]))
        metric.update(nd.array([0, 1]), nd.array([0, 0]), nd.array([0, 0]))
        assert metric.get()[1] == 1.0
        assert metric.table.groups == ("f", "m")

    @pytest.mark.parametrize("missing", [np.nan, -1.0])
    def test_a_missing_group_is_unknown(self, missing):
        """NaN and -1 are counted as "unknown", and left out of the gap."""
        metric = FairnessMetric("demographic_parity", 2)
        metric.update(nd.array([0, 0, 0]), nd.array([1, 1, 0]), nd.array([0, 1, missing]))
        assert metric.get()[1] == 0.0
        assert metric.table.groups == ("0", "1", "unknown")
        assert metric.table.known.tolist() == [True, True, False]
        assert metric.table.support.tolist() == [1, 1, 1]

    def test_groups_with_unknown(self):
        """The codes of Groups, the last of which is "unknown", and Groups themselves are understood."""
        groups = Groups(["f", None, "m", "f"])
        for given in (nd.array(groups.codes, dtype="int64"), groups, ["f", None, "m", "f"]):
            metric = FairnessMetric("demographic_parity", groups)
            metric.update(nd.array([0, 0, 0, 1]), nd.array([1, 1, 0, 1]), given)
            assert metric.get()[1] == 1.0
            assert metric.table.groups == ("f", "m", "unknown")
            assert metric.table.support.tolist() == [2, 1, 1]

    def test_names_that_are_numbers_are_the_values(self):
        """Groups(z) of values 1, 2, 9 meets batches of the values, not of codes."""
        values = np.array([1, 2, 9, 9, 1])
        metric = FairnessMetric("accuracy_parity", Groups(values))
        metric.update(nd.ones(5), nd.ones(5), nd.array(values))
        assert metric.table.support.tolist() == [2, 1, 2]

    def test_one_group_has_no_gap(self):
        """With samples of only one group the gap is NaN, not 0."""
        metric = FairnessMetric("demographic_parity", 2)
        metric.update(nd.array([0, 1]), nd.array([1, 1]), nd.array([1, 1]))
        assert np.isnan(metric.get()[1])


class TestOnTheDevice:
    """Updates are enqueued; numbers stay exact."""

    @pytest.mark.parametrize("width", [1, 2])
    def test_update_never_waits(self, monkeypatch, sample, width):
        """An update reads no array and waits for none."""
        labels, preds, groups = (nd.array(a) for a in sample)
        preds = preds if width == 1 else nd.one_hot(preds, depth=2)
        metric, worst = FairnessMetric("equalized_odds", 3), WorstGroupMetric("accuracy", 3)

        def wait(*args):
            raise AssertionError("waited for the engine")

        with monkeypatch.context() as patch:
            for name in ("asnumpy", "asscalar", "wait_to_read"):
                patch.setattr(nd.NDArray, name, wait)
            patch.setattr(nd, "waitall", wait)
            for _ in range(3):
                metric.update(labels, preds, groups)
                worst.update([labels], [preds], [groups], sample_weight=[nd.ones(200)])
            with pytest.raises(AssertionError, match="waited"):
                metric.get()
        np.testing.assert_array_equal(metric.table.counts, 3 * GroupConfusion.of(*sample).counts)

    def test_update_returns_before_the_predictions_are_there(self):
        """While the device still works on the predictions, the loop goes on."""
        metric, n = FairnessMetric("equalized_odds"), 2000
        metric.update(nd.ones(n), nd.ones(n), nd.zeros(n))
        ones, label, group = nd.ones((n, n)), nd.ones(n), nd.zeros(n)
        nd.waitall()
        begin = time.perf_counter()
        metric.update(label, nd.dot(ones, ones)[:, 0], group)
        returned = time.perf_counter() - begin
        nd.waitall()
        assert returned < 0.5 * (time.perf_counter() - begin)

    def test_counts_do_not_saturate(self):
        """A float32 total would stop at 2^24: two more samples are counted."""
        metric = FairnessMetric("demographic_parity", 2)
        metric.update(nd.ones(1), nd.ones(1), nd.zeros(1), sample_weight=nd.array([2**24]))
        for _ in range(2):
            metric.update(nd.ones(1), nd.ones(1), nd.zeros(1))
        assert metric.table.counts[0, 1, 1] == 2**24 + 2

    def test_one_batch_beyond_float32_is_counted_in_float64(self, sample, monkeypatch):
        """The wide graph gives the same counts."""
        monkeypatch.setattr(_device_counts, "FLOAT32_ROWS", 10)
        metric = FairnessMetric("equalized_odds", 3)
        counted(metric, *sample)
        np.testing.assert_array_equal(metric.table.counts, GroupConfusion.of(*sample).counts)

    def test_what_changes_after_update_is_not_counted(self):
        """A loop may write the next batch into the same arrays."""
        metric = FairnessMetric("demographic_parity", 2)
        label, pred, group = nd.array([0, 1]), nd.array([1, 0]), nd.array([0, 1])
        metric.update(label, pred, group)
        pred[:] = 0
        metric.update(label, pred, group)
        assert metric.get()[1] == 0.5

    def test_update_inside_record_keeps_no_graph(self):
        """Gradients do not flow into the counts, nor fail by them."""
        x = nd.ones((4, 1))
        x.attach_grad()
        metric = FairnessMetric("demographic_parity", 2)
        with mx.autograd.record():
            y = 2 * x
            metric.update(nd.array([0, 1, 0, 1]), y, nd.array([0, 0, 1, 1]))
        y.backward()
        (total,) = metric._counts._totals.values()
        with pytest.raises(mx.MXNetError, match=r"not.*graph"):
            total.backward()
        assert metric.get()[1] == 0.0
        assert x.grad.asnumpy().tolist() == [[2], [2], [2], [2]]


class TestAsAnEvalMetric:
    """What Gluon expects of a metric."""

    @pytest.mark.parametrize("name", ALL_CRITERIA)
    def test_create_knows_the_criteria(self, sample, name):
        """mx.metric.create(NAME, groups=...) makes the metric of that criterion."""
        metric = mx.metric.create(name, groups=3)
        assert metric.name == name
        assert counted(metric, *sample) == ALL_CRITERIA[name].difference(GroupConfusion.of(*sample))

    @pytest.mark.slow
    def test_create_knows_the_criteria_from_the_import_on(self):
        """In a fresh interpreter `from mxfair.metric import FairnessMetric` is all that it takes."""
        code = (
            "from mxfair.metric import FairnessMetric; import mxnet as mx; "
            "assert type(mx.metric.create('equalized_odds', groups=2)) is FairnessMetric"
        )
        subprocess.run([sys.executable, "-c", code], check=True)

    def test_create_knows_the_worst_group(self):
        """mx.metric.create("worst_group", rate)."""
        assert mx.metric.create("worst_group", "true_positive_rate", groups=4).name == "worst-group true_positive_rate"

    @pytest.mark.parametrize(
        "metric",
        [
            FairnessMetric("equalized_odds", ["a", "b", "c"], compare="to_reference", reference="c", name="mine"),
            WorstGroupMetric("error_rate", Groups(["x", "y", "z", None]), [0, 1], threshold=0.5),
            mx.metric.create("demographic_parity", groups=3),
        ],
        ids=["criterion", "rate", "by name"],
    )
    def test_the_configuration_makes_the_same_metric(self, sample, metric):
        """get_config is plain values, from which mx.metric.create makes an equal one."""
        config = json.loads(json.dumps(metric.get_config()))
        again = mx.metric.create(**config)
        assert again.get_config() == metric.get_config()
        assert counted(again, *sample) == counted(metric, *sample)
        metric.reset()

    def test_get_is_a_name_and_one_float(self, sample):
        """Loggers format it with %.4f; get_name_value has one pair."""
        metric = FairnessMetric("equalized_odds", 3)
        counted(metric, *sample)
        name, value = metric.get()
        assert (name, type(value)) == ("equalized_odds", float)
        assert metric.get_name_value() == metric.get_global_name_value() == [(name, value)]

    def test_before_the_first_batch_it_is_nan(self):
        """As for all of mxnet's metrics."""
        assert np.isnan(FairnessMetric().get()[1])

    @pytest.mark.parametrize("reset", ["reset", "reset_local"])
    def test_reset_forgets(self, sample, reset):
        """After a reset only later batches count."""
        metric = FairnessMetric("demographic_parity", 3)
        counted(metric, *sample)
        getattr(metric, reset)()
        assert np.isnan(metric.get()[1])
        assert metric.num_inst == 0
        metric.update(nd.array([0, 0]), nd.array([0, 1]), nd.array([0, 1]))
        assert metric.get()[1] == 1.0

    def test_copies_are_independent_and_may_be_renamed(self, sample):
        """The Estimator deep-copies metrics and changes their names."""
        metric = FairnessMetric("demographic_parity", 3)
        value = counted(metric, *sample)
        other = copy.deepcopy(metric)
        other.name = "validation " + other.name
        other.update(nd.array([0]), nd.array([1]), nd.array([0]))
        assert metric.get() == ("demographic_parity", value)
        assert other.get()[0] == "validation demographic_parity"
        assert other.table.support.sum() == 201

    def test_it_can_be_pickled(self, sample):
        """Metrics of a name made by mx.metric.create travel to other processes."""
        metric = mx.metric.create("demographic_parity", groups=3)
        value = counted(metric, *sample)
        assert pickle.loads(pickle.dumps(metric)).get()[1] == value

    def test_numpy_is_taken_too(self, sample):
        """Arrays on the host are moved to the device."""
        metric = FairnessMetric("equalized_odds", 3)
        metric.update(*sample)
        np.testing.assert_array_equal(metric.table.counts, GroupConfusion.of(*sample).counts)


ONES = nd.ones(4)
BAD_BATCHES = {
    "label": (
        (nd.array([0, 1, 2, 0.5]), ONES, ONES),
        r"'labels' must be among the classes 0, 1; got others for 2 of 4",
    ),
    "NaN": ((ONES, nd.array([0, np.nan, 1, 1]), ONES), r"'preds' must be numbers, .*got others for 1 of 4.*diverged"),
    "NaN in a column": ((ONES, nd.array([[0, 1], [np.nan, 1], [1, 0], [0, 1]]), ONES), "'preds' must be numbers"),
    "group": ((ONES, ONES, nd.array([0, 1, 2, 5])), r"'groups' must be among 0, 1, .* got others for 2 of 4"),
}
BAD_SHAPES = {
    "labels": ((nd.ones(3), ONES, ONES), r"'labels' must have one value for each of the 4 rows"),
    "groups": ((ONES, ONES, nd.ones((4, 2))), r"'groups' must have one value for each of the 4 rows"),
    "columns": ((ONES, nd.ones((4, 3)), ONES), r"'preds' must have shape \(n,\), or \(n, 2\).*classes=3"),
    "devices": (([ONES, ONES], [ONES], ONES), r"must be on the same devices; got 2 and 1"),
    "names": ((ONES, ONES, ["0", "1", "0", "x"]), r"'groups' must be among 0, 1; got 'x'"),
}
BAD_ARGUMENTS = {
    "criterion": ({"criterion": "equalised_odds"}, "Did you mean 'equalized_odds'"),
    "groups": ({"groups": "sex"}, "'groups' must be the number of groups"),
    "twice": ({"groups": ["a", "a"]}, "'groups' must name each group once"),
    "classes": ({"classes": ["no", "yes"]}, "'classes' must be the number of classes, or at least two increasing"),
    "unsorted": ({"classes": [1, 0]}, "'classes' must be the number of classes, or at least two increasing"),
    "positive": ({"positive": 5}, "'positive' must be one of the classes"),
    "threshold": ({"threshold": "half"}, "'threshold' must be a number"),
    "compare": ({"compare": "max"}, "'compare' must be one of"),
    "reference": ({"reference": "0", "compare": "to_overall"}, "must be given together"),
    "reference group": ({"compare": "to_reference", "reference": "x"}, "'reference' must be one of 0, 1"),
}


class TestErrors:
    """What cannot be counted is said, and where it can be is said at once."""

    @pytest.mark.parametrize("case", BAD_BATCHES)
    def test_bad_values_are_told_when_the_counts_are_read(self, case):
        """Values are on the device: get says which argument was wrong, and for how many samples."""
        batch, message = BAD_BATCHES[case]
        metric = FairnessMetric("equalized_odds")
        metric.update(*batch)
        with pytest.raises(InputError, match=message):
            metric.get()

    @pytest.mark.parametrize("weight", [-1, np.nan, np.inf])
    def test_bad_weights(self, weight):
        """Negative and infinite weights never become counts."""
        metric = FairnessMetric("equalized_odds")
        metric.update(ONES, ONES, ONES, sample_weight=nd.array([1, weight, 1, 1]))
        with pytest.raises(InputError, match="'sample_weight' must be finite and not negative"):
            metric.get()

    @pytest.mark.parametrize("case", BAD_SHAPES)
    def test_bad_shapes_are_told_at_once(self, case):
        """Shapes are known on the host."""
        batch, message = BAD_SHAPES[case]
        with pytest.raises(InputError, match=message):
            FairnessMetric("equalized_odds").update(*batch)

    @pytest.mark.parametrize("case", BAD_ARGUMENTS)
    def test_bad_arguments(self, case):
        """They are told when the metric is made."""
        options, message = BAD_ARGUMENTS[case]
        with pytest.raises(InputError, match=message):
            FairnessMetric(**options)

    def test_no_groups(self):
        """The message names the handler that passes them."""
        with pytest.raises(InputTypeError, match=r"update\(labels, preds, groups\).*FairnessHandler"):
            FairnessMetric().update([ONES], [ONES])

    @pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
    @pytest.mark.parametrize("shape", [(4,), (4, 1)])
    def test_probabilities_without_a_threshold_are_refused(self, dtype, shape):
        """Compared with 0 they would all mean the second class, and every gap would be 0."""
        metric = FairnessMetric()
        metric.update(ONES, nd.array([0.2, 0.9, 0, 1], dtype=dtype).reshape(shape), nd.array([0, 0, 1, 1]))
        for read in (metric.get, lambda: metric.table, metric.get):
            with pytest.raises(
                InputError, match=r"between 0 and 1.*threshold=0\.5 for probabilities, threshold=0 for raw"
            ):
                read()

    @pytest.mark.parametrize("classes", [[0, 1], [-1, 1]])
    def test_they_are_refused_for_each_metric(self, classes):
        """A worst group's rate and classes -1 and 1 as well."""
        metric = WorstGroupMetric("selection_rate", 2, classes)
        metric.update(ONES, nd.array([0.2, 0.9, 0.4, 0.1]), nd.array([0, 0, 1, 1]))
        with pytest.raises(InputError, match="between 0 and 1"):
            metric.get()

    @pytest.mark.parametrize(
        ("value", "dtype"), [(1 - 2.0**-24, "float32"), (1 - 2.0**-53, "float64"), (1.2e-38, "float32")]
    )
    def test_saturated_probabilities_are_refused(self, value, dtype):
        """One value a hair above 0 or below 1 is no decision."""
        metric = FairnessMetric()
        metric.update(ONES, nd.array(np.array([value, 0, 1, 1], dtype), dtype=dtype), nd.array([0, 0, 1, 1]))
        with pytest.raises(InputError, match="between 0 and 1"):
            metric.get()

    def test_weighted_probabilities_are_refused(self, rng):
        """Weighted sums, which are not exact, hide none; and weighted decisions are no probabilities."""
        for scores, refused in ((rng.random(500), True), (rng.integers(0, 2, 500).astype(float), False)):
            metric = FairnessMetric("demographic_parity")
            for _ in range(20):
                metric.update(
                    nd.ones(500), nd.array(scores), nd.arange(500) % 2, sample_weight=nd.array(rng.random(500))
                )
            if refused:
                with pytest.raises(InputError, match="between 0 and 1"):
                    metric.get()
            else:
                assert 0 <= metric.get()[1] < 1

    def test_all_batches_and_devices_are_looked_at_together(self):
        """Raw scores of which one device's part happens to lie between 0 and 1 are raw scores."""
        metric, group = FairnessMetric("demographic_parity"), nd.array([0, 1])
        metric.update(nd.ones(2), nd.array([0.2, 0.7]), group)
        with pytest.raises(InputError, match="between 0 and 1"):
            metric.get()
        metric.update(nd.ones(2), nd.array([-3, 2], ctx=mx.cpu(1)), group)
        assert metric.get()[1] == 0.5

    def test_a_reset_forgets_the_probabilities(self):
        """The next epoch's decisions are read again."""
        metric = FairnessMetric("demographic_parity")
        metric.update(ONES, nd.array([0.2, 0.9, 0.4, 0.1]), nd.array([0, 0, 1, 1]))
        metric.reset()
        metric.update(ONES, nd.array([1, 1, 0, 0]), nd.array([0, 0, 1, 1]))
        assert metric.get()[1] == 1.0

    @pytest.mark.parametrize("preds", [[0, 1, 1, 0], [1, 1, 1, 1], [0.5, -0.1, 0.2, 1], [0.5, 1.5, 0, 0]])
    def test_decisions_and_raw_scores_are_read(self, preds):
        """0 and 1 are decisions; a score outside 0 to 1 is no probability."""
        metric = FairnessMetric("demographic_parity")
        metric.update(ONES, nd.array(preds), nd.array([0, 0, 1, 1]))
        rates = (np.array(preds) > 0).reshape(2, 2).mean(axis=1)
        assert metric.get()[1] == abs(rates[0] - rates[1])

    def test_a_threshold_that_was_given_is_meant(self):
        """threshold=0 says that scores between 0 and 1 are raw scores."""
        metric = FairnessMetric("demographic_parity", threshold=0)
        metric.update(ONES, nd.array([0.2, 0.9, 0, 0.1]), nd.array([0, 0, 1, 1]))
        assert metric.get()[1] == 0.5
