"""The other controllers, computed by hand, and what all of them must do."""

import json

import numpy as np
import pytest

from mxfair import GroupConfusion
from mxfair._validation import InputError
from mxfair.criterion import CRITERIA, LossCriterion
from mxfair.data import (
    BalancedController,
    CellStats,
    FairBatchSampler,
    FairDROController,
    FairGradController,
    GroupDROController,
    NormalizedController,
    PaperController,
    ProportionalController,
    ReweighingController,
)
from mxfair.data.controller import CONTROLLERS

HALF = np.full((2, 2), 0.5)
LOSSES = np.array([[0.2, 0.4], [0.9, 0.3]])
#: Rates of two groups: TPR .8 and .4, FPR .1 and .3, selection .45 and .35.
TWO = np.array([[[9.0, 1], [2, 8]], [[7, 3], [6, 4]]])
BOUNDED = LossCriterion()


def table(counts=TWO):
    """Return a GroupConfusion of counts[group][label][prediction]."""
    return GroupConfusion("abcdef"[: len(counts)], np.arange(counts.shape[1]), counts)


def bound(controller, criterion="equalized_odds", shares=HALF, label_shares=None):
    """Return a controller that has taken a criterion."""
    criterion = CRITERIA[criterion] if isinstance(criterion, str) else criterion
    controller.bind(criterion, np.arange(len(shares)), np.asarray(shares, dtype=float), label_shares)
    return controller


class TestPaperWithRates:
    """The published rule with errors in the place of losses."""

    @pytest.mark.parametrize(
        ("criterion", "expected"),
        [
            ("equal_opportunity", [[0.5, 0.5], [0.4, 0.6]]),  # misses .2 against .6
            ("equalized_odds", [[0.5, 0.5], [0.4, 0.6]]),  # the gap of label 1, .4, beats that of label 0, .2
            ("predictive_equality", [[0.4, 0.6], [0.5, 0.5]]),  # false positives .1 against .3
        ],
    )
    def test_the_group_with_more_errors_gains(self, criterion, expected):
        """The label whose error rates differ most moves to the group with more errors."""
        rule = bound(PaperController(0.1, compare="rates"), criterion)
        np.testing.assert_allclose(rule.update(HALF, CellStats(rates=table())), expected)

    def test_demographic_parity_counts_who_is_not_selected(self):
        """Per group's size .45 and .35 of label 0 and .1 and .3 of label 1 are rejected: label 1 moves to group b."""
        rule = bound(PaperController(0.1, compare="rates"), "demographic_parity")
        np.testing.assert_allclose(rule.update(HALF, CellStats(rates=table())), [[0.5, 0.5], [0.4, 0.6]])

    def test_the_sign_turns_for_the_negative_label(self):
        """Where the negatives differ more, the group that is selected less loses negatives."""
        counts = np.array([[[9.0, 1], [5, 5]], [[1, 9], [5, 5]]])
        rule = bound(PaperController(0.1, compare="rates"), "demographic_parity")
        np.testing.assert_allclose(rule.update(HALF, CellStats(rates=table(counts))), [[0.4, 0.6], [0.5, 0.5]])

    def test_a_class_without_labels_does_not_shift_the_others(self):
        """A net with a spare output may predict a class that no label has."""
        counts = np.zeros((2, 3, 3))
        counts[:, :2, :2] = TWO
        counts[1, 1] = [0, 4, 6]
        counts[1, 1, 0] = 0
        rates = GroupConfusion("ab", [0, 1, 2], counts)
        rule = bound(PaperController(0.1, compare="rates"), "equal_opportunity")
        np.testing.assert_allclose(rule.update(HALF, CellStats(rates=rates))[1], [0.4, 0.6])


class TestLossesInTheOtherRules:
    """Proportional and normalized moves by losses."""

    def test_proportional_moves_by_the_relative_gap(self):
        """(.9 - .6) / .6 = .5 above the mean of label 1, for two groups times 2: a step of .1 moves .1."""
        rule = bound(ProportionalController(0.1, compare="losses"), "equal_opportunity")
        moved = rule.update(HALF, CellStats(loss=LOSSES))
        np.testing.assert_allclose(moved, [[0.5, 0.5], [0.6, 0.4]])

    def test_demographic_parity_moves_both_labels_by_one_aggregate_gap(self):
        """Group b has the higher loss against the positive label: it gains positives and loses negatives."""
        rule = bound(ProportionalController(0.1, compare="losses"), "demographic_parity")
        assert rule.need == "positive_loss"
        moved = rule.update(HALF, CellStats(positive_loss=np.array([[0.2, 0.3], [0.2, 0.5]])))
        np.testing.assert_allclose(moved, [[0.5 + 0.2 / 3, 0.5 - 0.2 / 3], [0.5 - 0.2 / 3, 0.5 + 0.2 / 3]])

    def test_the_normalized_step_has_its_length_whatever_the_gap(self):
        """A tiny gap moves as far as a large one."""
        for factor in (1.0, 1e-6):
            rule = bound(NormalizedController(0.1))
            stats = CellStats(loss=0.5 + factor * (LOSSES - 0.5))
            assert np.linalg.norm(rule.update(HALF, stats) - HALF) == pytest.approx(0.1)

    def test_the_normalized_step_moves_all_labels(self):
        """Both labels move at once, in the ratio of their gaps."""
        moved = bound(NormalizedController(0.1)).update(HALF, CellStats(loss=LOSSES)) - HALF
        assert moved[0, 0] / moved[1, 0] == pytest.approx(-(0.1 / 0.3) / (0.3 / 0.6))

    def test_no_gap_moves_nothing(self):
        """Equal losses have no direction."""
        rule = bound(NormalizedController(0.1))
        assert rule.update(HALF, CellStats(loss=np.full((2, 2), 0.3))).tolist() == HALF.tolist()

    def test_the_normalized_step_may_compare_rates(self):
        """The same direction as the proportional rule's, at fixed length."""
        rates = CellStats(rates=table())
        normalized = bound(NormalizedController(0.1, compare="rates")).update(HALF, rates) - HALF
        proportional = bound(ProportionalController(0.1, pull=0)).update(HALF, rates) - HALF
        np.testing.assert_allclose(normalized / 0.1, proportional / np.linalg.norm(proportional))

    def test_a_cell_without_samples_is_left_out(self):
        """NaN among the losses moves nothing, and is in no mean."""
        losses = np.array([[0.2, 0.4, np.nan], [0.9, 0.3, 0.6]])
        third = np.array([[0.5, 0.5, 0], [1 / 3, 1 / 3, 1 / 3]])
        moved = bound(ProportionalController(0.1, compare="losses"), shares=third).update(third, CellStats(loss=losses))
        assert moved[0, 2] == 0
        np.testing.assert_allclose(moved[0, :2] - 0.5, [-0.1 * 2 / 3, 0.1 * 2 / 3])

    def test_a_tolerance_is_for_rates(self):
        """It would be ignored where losses are compared."""
        with pytest.raises(InputError, match="'tolerance' must be 0 where losses are compared"):
            bound(ProportionalController(tolerance=0.1, compare="losses"))

    def test_losses_cannot_steer_the_parity_of_three_labels(self):
        """The loss against the positive label is for two labels."""
        with pytest.raises(InputError, match=r"two labels only; got 3\. Use compare='rates'"):
            bound(NormalizedController(), "demographic_parity", np.full((3, 2), 0.5))


class TestBoundedGroupLoss:
    """A criterion of losses moves whole groups."""

    STATS = CellStats(loss=np.array([[0.2, 0.6]]), counts=np.array([[30, 10]]))

    def test_the_group_with_the_higher_loss_gains(self):
        """Shares are of the whole batch: losses .2 and .6 are 1/2 below and above their mean, times 2 groups."""
        rule = bound(ProportionalController(0.1), BOUNDED, [[0.75, 0.25]], np.array([1.0]))
        assert (rule.joint, rule.need) == (True, "loss")
        np.testing.assert_allclose(rule.update(np.array([[0.75, 0.25]]), self.STATS), [[0.65, 0.35]])

    def test_labels_keep_their_mix_inside_a_group(self):
        """With two labels a group's gain is shared out as its labels are."""
        rule = bound(ProportionalController(0.1), BOUNDED, [[0.5, 0.5], [0.8, 0.2]])
        stats = CellStats(loss=np.array([[0.2, 0.6], [0.2, 0.6]]), counts=np.array([[10, 30], [30, 10]]))
        moved = rule.update(np.full((2, 2), 0.25), stats) - 0.25
        np.testing.assert_allclose(moved, [[-0.025, 0.075], [-0.075, 0.025]])

    def test_group_dro_seeks_the_worst_group(self):
        """Its default for such a criterion is groups: exp(.5 * .6) against exp(.5 * .2) from equal parts."""
        rule = bound(GroupDROController(0.5), BOUNDED, [[0.75, 0.25]], np.array([1.0]))
        expected = np.exp([0.1, 0.3]) / np.exp([0.1, 0.3]).sum()
        np.testing.assert_allclose(rule.update(np.array([[0.75, 0.25]]), self.STATS), [expected])

    @pytest.mark.parametrize("rule", [FairDROController(), FairGradController(), PaperController()])
    def test_rules_of_another_kind_refuse_it(self, rule):
        """The message names a controller that takes it."""
        with pytest.raises(InputError, match=r"bounded_group_loss.*controller="):
            bound(rule, BOUNDED, [[0.75, 0.25]], np.array([1.0]))


class TestRobust:
    """FairDRO and GroupDRO."""

    def test_group_dro_multiplies_up(self):
        """Two updates are one with twice the losses."""
        once, twice = (bound(GroupDROController(0.3)) for _ in range(2))
        quarter = np.full((2, 2), 0.25)
        twice.update(quarter, CellStats(loss=LOSSES))
        np.testing.assert_allclose(
            twice.update(quarter, CellStats(loss=LOSSES)), once.update(quarter, CellStats(loss=2 * LOSSES))
        )

    def test_group_dro_takes_any_loss(self):
        """Losses in the thousands do not overflow."""
        moved = bound(GroupDROController(1.0)).update(np.full((2, 2), 0.25), CellStats(loss=LOSSES * 1e4))
        np.testing.assert_allclose(moved, [[0, 0], [1, 0]], atol=1e-9)

    def test_fairdro_stays_in_its_ball(self):
        """For any losses q lies within chi-square distance rho of equal parts: mean of (G q - 1)^2 / 2 = rho."""
        third = np.full((2, 3), 1 / 3)
        losses = np.array([[0.1, 0.5, 0.2], [2.0, 1.0, 1.5]])
        q = bound(FairDROController(0.05), shares=third).update(third, CellStats(loss=losses))
        np.testing.assert_allclose(((3 * q - 1) ** 2).mean(axis=1) / 2, 0.05)
        np.testing.assert_allclose(q.sum(axis=1), 1)

    def test_fairdro_with_radius_zero_balances_the_groups(self):
        """Rho = 0 gives equal groups in each label."""
        moved = bound(FairDROController(0.0), shares=[[0.9, 0.1], [0.3, 0.7]]).update(HALF, CellStats(loss=LOSSES))
        np.testing.assert_allclose(moved, 0.5)

    def test_fairdro_averages_its_worst_cases(self):
        """The t-th update goes 1/t of the way: after two the shares are the mean of both worst cases."""
        rule = bound(FairDROController(0.08))
        first = rule.update(HALF, CellStats(loss=LOSSES))
        second = rule.update(first, CellStats(loss=LOSSES[:, ::-1]))
        np.testing.assert_allclose(second, 0.5)

    def test_fairdro_refuses_demographic_parity(self):
        """It compares inside labels."""
        with pytest.raises(InputError, match="'proportional' for demographic parity"):
            bound(FairDROController(), "demographic_parity")


class TestFairGrad:
    """Multipliers."""

    def test_what_a_group_lacks_adds_up(self):
        """TPR .8 and .4 around .6: each update adds step * .2, divided by P(y) = 1/2."""
        rule = bound(FairGradController(0.1), "equal_opportunity")
        for update in (1, 2):
            moved = rule.update(HALF, CellStats(rates=table()))
            np.testing.assert_allclose(moved[1] - 0.5, [-0.04 * update, 0.04 * update])

    def test_a_gap_within_the_tolerance_moves_nothing(self):
        """Each rate is .2 from the overall one."""
        rule = bound(FairGradController(0.1, tolerance=0.2), "equal_opportunity")
        np.testing.assert_allclose(rule.update(HALF, CellStats(rates=table())), HALF)

    def test_rows_still_sum_to_one(self):
        """What a group gains the others give up."""
        shares = np.array([[0.7, 0.3], [0.2, 0.8]])
        moved = bound(FairGradController(0.1), shares=shares).update(shares, CellStats(rates=table()))
        np.testing.assert_allclose(moved.sum(axis=1), 1)


class TestStatic:
    """Shares that do not depend on the net."""

    SHARES = np.array([[0.8, 0.2], [0.4, 0.6]])

    def test_reweighing_makes_label_and_group_independent(self):
        """Each label has the groups' rates in the data: .75 * .8 + .25 * .4 = .7."""
        rule = bound(ReweighingController(), shares=self.SHARES, label_shares=np.array([0.75, 0.25]))
        np.testing.assert_allclose(rule.update(self.SHARES, CellStats()), [[0.7, 0.3], [0.7, 0.3]])

    def test_balanced_leaves_empty_cells_empty(self):
        """A cell without samples gets nothing, the others the same."""
        shares = np.array([[1.0, 0.0], [0.4, 0.6]])
        moved = bound(BalancedController(), shares=shares).update(shares, CellStats())
        np.testing.assert_allclose(moved, [[1 / 3, 0], [1 / 3, 1 / 3]])

    @pytest.mark.parametrize("name", ["reweighing", "balanced"])
    def test_no_signal_is_needed(self, name):
        """Nothing is measured, so nothing has to be given."""
        labels, groups = np.repeat([0, 1], [60, 40]), np.tile(list("aabab"), 20)
        sampler = FairBatchSampler(labels, groups, 20, controller=name, seed=0)
        drawn = np.concatenate(list(sampler))
        cells = np.bincount(2 * labels[drawn] + (groups[drawn] == "b"), minlength=4)
        expected = [36, 24, 24, 16] if name == "reweighing" else [25, 25, 25, 25]
        assert np.abs(cells - expected).max() <= 1
        assert sampler.history[0]["gap"] is None


#: What each named controller steers here; the rest takes equalized odds.
CASES = dict.fromkeys(CONTROLLERS, "equalized_odds")


@pytest.mark.parametrize("name", CASES)
class TestEveryController:
    """One table of contracts."""

    def stats(self, rng, groups):
        """Return random figures of two labels."""
        counts = rng.integers(1, 30, (groups, 2, 2)).astype(float)
        return CellStats(
            rates=table(counts),
            loss=rng.random((2, groups)) + 0.1,
            positive_loss=rng.random((2, groups)) + 0.1,
            counts=counts.sum(axis=2).T,
        )

    @pytest.mark.parametrize("groups", [2, 3, 5])
    def test_totals_are_kept(self, name, groups):
        """Conditional shares sum to 1 by label, joint ones as a whole, for any number of groups."""
        rng = np.random.default_rng(groups)
        rule = bound(CONTROLLERS[name](), CASES[name], np.full((2, groups), 1 / groups))
        shares = rule.data_shares
        for _ in range(5):
            shares = rule.update(shares, self.stats(rng, groups))
            total = shares.sum() if rule.joint else shares.sum(axis=1)
            np.testing.assert_allclose(total, 1)

    def test_the_state_passes_through_json(self, name):
        """A controller that is loaded goes on as the first one does."""
        rng = np.random.default_rng(1)
        first, second = (bound(CONTROLLERS[name](), CASES[name]) for _ in range(2))
        shares = first.update(first.data_shares, self.stats(rng, 2))
        second.load_state_dict(json.loads(json.dumps(first.state_dict())))
        stats = self.stats(rng, 2)
        np.testing.assert_array_equal(second.update(shares, stats), first.update(shares, stats))

    def test_arguments_are_not_changed(self, name):
        """The shares and the figures stay as they were."""
        rng = np.random.default_rng(2)
        rule = bound(CONTROLLERS[name](), CASES[name])
        stats, shares = self.stats(rng, 2), rule.data_shares.copy()
        before = stats.rates.counts.copy(), stats.loss.copy(), shares.copy()
        rule.update(shares, stats)
        for value, old in zip((stats.rates.counts, stats.loss, shares), before):
            np.testing.assert_array_equal(value, old)

    def test_the_docstring_says_what_it_minimises_and_when_it_fails(self, name):
        """The page of each controller has its goal, its use and its failure."""
        text = " ".join((CONTROLLERS[name].__doc__ or "").split())
        assert "Minimises:" in text
        assert "Choose it" in text

    def test_the_text_form_names_its_settings(self, name):
        """Repr shows the class and what it was made with, before and after it is bound."""
        rule = CONTROLLERS[name]()
        before = repr(rule)
        assert before.startswith(type(rule).__name__ + "(")
        assert repr(bound(rule, CASES[name])) == before
