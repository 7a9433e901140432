import numpy as np
import pytest

from mxfair import Criterion, GroupConfusion, Groups, Rate
from mxfair._validation import InputError
from mxfair.criterion import CRITERIA
from mxfair.data import CellStats, Controller, PaperController, ProportionalController

HALF = np.full((2, 2), 0.5)


def bound(controller, criterion, classes=(0, 1), data_shares=HALF):
    """Return a controller that has taken a criterion, given by name or as an object."""
    criterion = CRITERIA[criterion] if isinstance(criterion, str) else criterion
    controller.bind(criterion, np.array(classes), np.asarray(data_shares, dtype=float))
    return controller


def paper(criterion, losses, shares=HALF, step=0.1, classes=(0, 1)):
    """Return where the published rule moves shares, given losses by (label, group)."""
    rule = bound(PaperController(step=step), criterion, classes)
    return rule.update(np.asarray(shares, dtype=float), CellStats(**{rule.need: np.asarray(losses, dtype=float)}))


def table(counts, classes=(0, 1), names=None):
    """Return a GroupConfusion of these counts[group][label][prediction]."""
    names = names or "abcdef"[: len(counts)]
    return GroupConfusion(names, np.array(classes), np.asarray(counts, dtype=float))


def proportional(criterion, counts, shares=HALF, data_shares=HALF, step=0.5, pull=0.0, tolerance=0.0, **kwargs):
    """Return where the proportional rule moves shares, given counts[group][label][prediction]."""
    rule = bound(ProportionalController(step, pull, tolerance), criterion, kwargs.pop("classes", (0, 1)), data_shares)
    rates = table(counts, rule.classes, **kwargs)
    return rule.update(np.asarray(shares, dtype=float), CellStats(rates=rates))


#: Rates of two groups: TPR .8 and .4, FPR .1 and .3, selection .45 and .35, accuracy .85 and .55, PPV .89 and .57.
TWO = [[[9, 1], [2, 8]], [[7, 3], [6, 4]]]


class TestPaper:
    """The published rule, computed by hand."""

    @pytest.mark.parametrize(
        ("losses", "expected"),
        [
            ([[9.0, 0.0], [0.3, 0.7]], [[0.5, 0.5], [0.4, 0.6]]),
            ([[9.0, 0.0], [0.7, 0.3]], [[0.5, 0.5], [0.6, 0.4]]),
        ],
    )
    def test_equal_opportunity_moves_the_positive_label_to_the_higher_loss(self, losses, expected):
        """Only y=1 moves, by one step, to the group with the higher loss."""
        np.testing.assert_allclose(paper("equal_opportunity", losses), expected)

    def test_predictive_equality_moves_the_negative_label(self):
        """Only y=0 moves, to the group with the higher loss."""
        np.testing.assert_allclose(paper("predictive_equality", [[0.3, 0.7], [9, 0]]), [[0.4, 0.6], [0.5, 0.5]])

    @pytest.mark.parametrize(
        ("losses", "expected"),
        [
            ([[0.1, 0.4], [0.5, 0.3]], [[0.4, 0.6], [0.5, 0.5]]),
            ([[0.4, 0.3], [0.5, 0.3]], [[0.5, 0.5], [0.6, 0.4]]),
        ],
    )
    def test_equalized_odds_moves_only_the_label_whose_groups_differ_most(self, losses, expected):
        """The label with the larger gap moves, the other stays."""
        np.testing.assert_allclose(paper("equalized_odds", losses), expected)

    @pytest.mark.parametrize(
        ("losses", "expected"),
        [
            ([[0.5, 0.5], [0.2, 0.6]], [[0.5, 0.5], [0.4, 0.6]]),
            ([[0.5, 0.5], [0.6, 0.2]], [[0.5, 0.5], [0.6, 0.4]]),
            ([[0.2, 0.6], [0.5, 0.5]], [[0.6, 0.4], [0.5, 0.5]]),
            ([[0.6, 0.2], [0.5, 0.5]], [[0.4, 0.6], [0.5, 0.5]]),
        ],
    )
    def test_demographic_parity_moves_the_larger_gap_and_reverses_the_negative_label(self, losses, expected):
        """y=1 moves to the group with the higher loss against the positive label, y=0 away from it."""
        np.testing.assert_allclose(paper("demographic_parity", losses), expected)

    def test_demographic_parity_asks_for_the_loss_against_the_positive_label(self):
        """The need is "positive_loss" for demographic parity and "loss" for the others."""
        needs = [bound(PaperController(), name).need for name in ("demographic_parity", "equalized_odds")]
        assert needs == ["positive_loss", "loss"]

    def test_three_groups_compare_adjacent_pairs(self):
        """The adjacent pair that differs most moves; the third group keeps its share."""
        third = np.full((2, 3), 1 / 3)
        moved = paper("equal_opportunity", [[0, 0, 0], [0.1, 0.3, 0.9]], third)
        np.testing.assert_allclose(moved[1], [1 / 3, 1 / 3 - 0.1, 1 / 3 + 0.1])

    def test_the_reversed_sign_stays_inside_the_pair(self):
        """For y=0 of demographic parity the other group of the worst pair gains, not a third one."""
        third = np.full((2, 3), 1 / 3)
        moved = paper("demographic_parity", [[0.1, 0.3, 0.9], [0, 0, 0]], third)
        np.testing.assert_allclose(moved[0], [1 / 3, 1 / 3 + 0.1, 1 / 3 - 0.1])

    def test_a_share_stops_at_zero(self):
        """A step is cut short where it would leave [0, 1]."""
        moved = paper("equal_opportunity", [[0, 0], [0.1, 0.9]], [[0.5, 0.5], [0.04, 0.96]])
        np.testing.assert_allclose(moved[1], [0.0, 1.0], atol=1e-15)

    def test_shares_given_to_it_are_not_changed(self):
        """The rule returns new shares."""
        shares = HALF.copy()
        paper("equal_opportunity", [[0, 0], [0.1, 0.9]], shares)
        assert shares.tolist() == HALF.tolist()

    def test_several_labels_compete_for_the_move(self):
        """With three classes equal opportunity moves the label whose groups differ most."""
        moved = paper("equal_opportunity", [[0, 0.1], [0, 0.5], [0.2, 0]], np.full((3, 2), 0.5), classes=(0, 1, 2))
        np.testing.assert_allclose(moved, [[0.5, 0.5], [0.4, 0.6], [0.5, 0.5]])

    def test_a_criterion_outside_the_published_rule_is_refused(self):
        """The message names the criteria covered and the controller that covers the others."""
        with pytest.raises(InputError, match=r"cover demographic_parity.*got accuracy_parity.*'proportional'"):
            bound(PaperController(), "accuracy_parity")

    def test_demographic_parity_of_three_labels_is_refused(self):
        """The published demographic parity rule is for two labels."""
        with pytest.raises(InputError, match="covers two labels; got 3"):
            bound(PaperController(), "demographic_parity", (0, 1, 2), np.full((3, 2), 0.5))


class TestProportional:
    """Moves in proportion to the gaps between rates, computed by hand."""

    @pytest.mark.parametrize(
        ("criterion", "expected"),
        [
            ("equal_opportunity", [[0.5, 0.5], [0.5 - 0.2, 0.5 + 0.2]]),
            ("predictive_equality", [[0.5 - 0.1, 0.5 + 0.1], [0.5, 0.5]]),
            ("equalized_odds", [[0.5 - 0.1, 0.5 + 0.1], [0.5 - 0.2, 0.5 + 0.2]]),
            ("demographic_parity", [[0.5 + 0.05, 0.5 - 0.05], [0.5 - 0.05, 0.5 + 0.05]]),
            ("accuracy_parity", [[0.5 - 0.15, 0.5 + 0.15], [0.5 - 0.15, 0.5 + 0.15]]),
            ("predictive_parity", [[0.5, 0.5], [0.5 + 0.5 * (8 / 9 - 4 / 7), 0.5 - 0.5 * (8 / 9 - 4 / 7)]]),
        ],
    )
    def test_two_groups_move_by_step_times_gap(self, criterion, expected):
        """With step .5 each steered label's shares move by half the gap, in the rate's direction."""
        np.testing.assert_allclose(proportional(criterion, TWO), expected)

    def test_three_groups_move_by_their_distance_from_the_mean(self):
        """TPR .9, .6 and .3: the outer groups move by step * 1.5 * .3, the middle one stays."""
        counts = [[[10, 0], [1, 9]], [[10, 0], [4, 6]], [[10, 0], [7, 3]]]
        third = np.full((2, 3), 1 / 3)
        moved = proportional("equal_opportunity", counts, third, third)
        np.testing.assert_allclose(moved[1] - third[1], [-0.225, 0.0, 0.225], atol=1e-15)

    def test_moves_inside_a_label_cancel(self):
        """Shares still sum to 1 in each row."""
        rng = np.random.default_rng(0)
        third = np.full((2, 3), 1 / 3)
        for criterion in CRITERIA:
            moved = proportional(criterion, rng.integers(1, 30, (3, 2, 2)), third, third, pull=0.2)
            np.testing.assert_allclose(moved.sum(axis=1), 1)

    def test_tolerance_leaves_small_gaps_alone(self):
        """A gap of .4 inside a tolerance of .4 moves nothing."""
        np.testing.assert_allclose(proportional("equal_opportunity", TWO, tolerance=0.4), HALF)

    def test_only_what_exceeds_the_tolerance_moves_shares(self):
        """A gap of .4 with tolerance .3 moves as a gap of .1."""
        np.testing.assert_allclose(proportional("equal_opportunity", TWO, tolerance=0.3)[1], [0.45, 0.55])

    def test_pull_draws_back_the_common_drift(self):
        """With equal rates, .2 of what both labels drifted together is given back, and nothing of what they did not."""
        fair = [[[9, 1], [2, 8]], [[9, 1], [2, 8]]]
        moved = proportional("equalized_odds", fair, [[0.7, 0.3], [0.9, 0.1]], pull=0.2)
        np.testing.assert_allclose(moved, [[0.64, 0.36], [0.84, 0.16]])

    def test_opposite_drifts_are_not_pulled(self):
        """Shares that moved apart are what changes decisions: the pull leaves them."""
        fair = [[[9, 1], [2, 8]], [[9, 1], [2, 8]]]
        apart = [[0.3, 0.7], [0.7, 0.3]]
        np.testing.assert_allclose(proportional("equalized_odds", fair, apart, pull=0.2), apart)

    @pytest.mark.parametrize("criterion", ["equal_opportunity", "demographic_parity", "accuracy_parity"])
    def test_one_rate_is_not_pulled(self, criterion):
        """A criterion of one rate has no drift to draw back."""
        fair = [[[9, 1], [2, 8]], [[9, 1], [2, 8]]]
        drifted = [[0.7, 0.3], [0.9, 0.1]]
        np.testing.assert_allclose(proportional(criterion, fair, drifted, pull=0.2), drifted)

    def test_an_undefined_rate_leaves_shares(self):
        """Where a group has no positives its true positive rate is undefined: with one group left nothing moves."""
        counts = [[[9, 1], [2, 8]], [[7, 3], [0, 0]]]
        np.testing.assert_allclose(proportional("equal_opportunity", counts), HALF)

    def test_a_group_with_an_undefined_rate_keeps_its_share(self):
        """The groups with defined rates move as if they were alone."""
        counts = [[[9, 1], [2, 8]], [[7, 3], [0, 0]], [[7, 3], [6, 4]]]
        third = np.full((2, 3), 1 / 3)
        moved = proportional("equal_opportunity", counts, third, third)
        np.testing.assert_allclose(moved[1] - third[1], [-0.2, 0.0, 0.2], atol=1e-15)

    def test_the_unknown_group_is_left_out_of_the_mean(self):
        """Rates of samples with unknown group neither move nor shift the others."""
        groups = Groups(["a"] * 20 + ["b"] * 20 + [None] * 20)
        labels = np.tile([0] * 10 + [1] * 10, 3)
        preds = np.concatenate([[0] * 9 + [1] + [0] * 2 + [1] * 8, [0] * 7 + [1] * 3 + [0] * 6 + [1] * 4, [1] * 20])
        rule = bound(ProportionalController(0.5), "equal_opportunity")
        moved = rule.update(HALF, CellStats(rates=GroupConfusion.of(labels, preds, groups)))
        np.testing.assert_allclose(moved[1], [0.3, 0.7])

    def test_each_class_of_three_is_steered_by_its_own_rate(self):
        """Equal opportunity of three classes moves each label by the gap of its own recall."""
        counts = [[[8, 1, 1], [0, 9, 1], [0, 5, 5]], [[4, 3, 3], [0, 9, 1], [0, 1, 9]]]
        half = np.full((3, 2), 0.5)
        moved = proportional("equal_opportunity", counts, half, half, classes=(0, 1, 2))
        np.testing.assert_allclose(moved[:, 1] - 0.5, [0.2, 0.0, -0.2], atol=1e-15)

    def test_demographic_parity_of_three_classes_counts_a_move_once(self):
        """One-vs-rest sees each move as a gain and as losses; half of their sum is the move."""
        counts = [[[10, 0, 0], [0, 10, 0], [0, 0, 10]], [[7, 3, 0], [0, 10, 0], [0, 0, 10]]]
        half = np.full((3, 2), 0.5)
        moved = proportional("demographic_parity", counts, half, half, classes=(0, 1, 2))
        # class 0 is chosen .1 less often in group 1, class 1 .1 more often, class 2 as often
        np.testing.assert_allclose(moved[:, 1] - 0.5, [0.05, -0.05, 0.0], atol=1e-15)

    def test_a_class_predicted_but_absent_from_the_labels_does_not_shift_the_others(self):
        """A net with a spare output may predict it: rates are still looked up by class value."""
        half = np.full((3, 2), 0.5)
        rule = bound(ProportionalController(0.5), "equal_opportunity", (0, 1, 3), half)
        counts = np.zeros((2, 4, 4))
        counts[0, [0, 1, 3], [0, 1, 3]] = 10
        counts[1, [0, 1, 3, 3], [0, 1, 3, 2]] = [10, 10, 6, 4]
        moved = rule.update(half, CellStats(rates=table(counts, (0, 1, 2, 3))))
        np.testing.assert_allclose(moved[:, 1] - 0.5, [0, 0, 0.2], atol=1e-15)

    @pytest.mark.parametrize(
        ("rate", "label", "sign"),
        [
            ("true_positive_rate", 1, 1),
            ("false_negative_rate", 1, -1),
            ("false_positive_rate", 0, -1),
            ("true_negative_rate", 0, 1),
            ("positive_predictive_value", 1, -1),
            ("false_discovery_rate", 1, 1),
            ("negative_predictive_value", 0, -1),
            ("false_omission_rate", 0, 1),
        ],
    )
    def test_a_rate_and_its_complement_move_the_same_shares_the_same_way(self, rate, label, sign):
        """The group whose rate is too low gains where more samples raise the rate, and loses where they lower it."""
        rates = CellStats(rates=table(TWO))
        values = bound(ProportionalController(0.5), Criterion("one", rate))._gaps.levers[0].rate(rates.rates).values
        moved = proportional(Criterion("one", rate), TWO)
        assert moved[1 - label].tolist() == [0.5, 0.5]
        assert np.sign(moved[label, 0] - 0.5) == sign * np.sign(values[1] - values[0])

    def test_a_rate_no_share_can_move_is_refused(self):
        """The base rate does not depend on the net: the message names it and says what to do."""
        with pytest.raises(InputError, match=r"cannot steer base_rate \(of base\).*own Controller"):
            bound(ProportionalController(), Criterion("base", "base_rate"))

    def test_a_rate_with_no_known_direction_is_refused(self):
        """A rate conditioned on neither labels nor predictions alone is an error at construction."""
        odd = Rate("odd", lambda y, p, c: (y == c) & (p == c), given=lambda y, p, c: (y == c) | (p == c))
        with pytest.raises(InputError, match="cannot steer odd"):
            bound(ProportionalController(), Criterion("jaccard", odd))


@pytest.mark.parametrize("bad", [-0.1, 1.5, float("nan"), "big", None])
@pytest.mark.parametrize("make", [lambda v: PaperController(step=v), lambda v: ProportionalController(tolerance=v)])
def test_steps_and_tolerances_are_fractions(make, bad):
    """Anything but a number from 0 to 1 is an error at construction."""
    with pytest.raises(InputError, match="must be between 0 and 1"):
        make(bad)


def test_a_controller_without_update_says_so():
    """The base class names the method that a subclass must write."""
    with pytest.raises(NotImplementedError, match=r"must define update\(shares, stats\)"):
        Controller().update(HALF, CellStats())
