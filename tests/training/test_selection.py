import numpy as np
import pandas as pd
import pytest

from mxfair._validation import InputError
from mxfair.training import History, best_epoch, pareto_epochs


def entries(*pairs, x="val_accuracy", y="val_gap"):
    """Return a history's entries of (accuracy, gap) pairs."""
    return [{"epoch": epoch, x: a, y: g} for epoch, (a, g) in enumerate(pairs)]


class TestBestEpoch:
    """The best accuracy with a gap within the bound."""

    def test_the_best_within_the_bound(self):
        """A better epoch with a larger gap is passed over."""
        assert best_epoch(entries((0.7, 0.01), (0.8, 0.05), (0.9, 0.2)), max_gap=0.05) == 1

    def test_ties(self):
        """Of equal accuracies the smaller gap wins, of equal gaps the earlier epoch."""
        assert best_epoch(entries((0.8, 0.04), (0.8, 0.03), (0.8, 0.03)), max_gap=0.05) == 1

    def test_without_a_bound_the_most_accurate(self):
        """Any gap that was measured is accepted, NaN is not."""
        assert best_epoch(entries((0.7, 0.5), (0.8, 0.9), (0.9, np.nan))) == 1

    @pytest.mark.filterwarnings("error")
    def test_within_the_bound_nothing_is_said(self):
        """The warning means something."""
        assert best_epoch(entries((0.7, 0.05)), max_gap=0.05) == 0

    def test_no_epoch_within_the_bound_is_said(self):
        """The smallest gap is kept, with a warning that gives it; NaN is no small gap."""
        with pytest.warns(UserWarning, match=r"No epoch's 'val_gap' is at most 0.01: epoch 2 is kept, whose 0.03"):
            assert best_epoch(entries((0.9, np.nan), (0.9, 0.04), (0.7, 0.03)), max_gap=0.01) == 2

    def test_no_gap_at_all_is_said(self):
        """Where no gap could be measured the most accurate epoch is kept, with a warning."""
        with pytest.warns(UserWarning, match="could be measured: epoch 1"):
            assert best_epoch(entries((0.7, np.nan), (0.9, np.nan)), max_gap=0.01) == 1

    def test_a_loss_is_better_when_smaller(self):
        """mode="min"."""
        history = entries((0.7, 0.01), (0.3, 0.02), (0.1, 0.5), x="loss", y="gap")
        assert best_epoch(history, max_gap=0.1, x="loss", y="gap", mode="min") == 1

    def test_histories_of_all_kinds(self):
        """A History, its entries and its data frame say the same; epochs without the columns are passed over."""
        history = History()
        history.epochs = [{"epoch": 4, "loss": 1.0}, *entries((0.7, 0.01), (0.8, 0.02))]
        for given in (history, history.epochs, history.to_frame(), pd.DataFrame(history.epochs[1:])):
            assert best_epoch(given, max_gap=0.1) == 1

    @pytest.mark.parametrize(
        ("history", "options", "message"),
        [
            ([], {}, "must have an epoch with the columns 'val_accuracy' and 'val_gap'"),
            ([{"epoch": 0, "loss": 1}], {}, "must have an epoch with the columns"),
            (entries((1, 0)), {"max_gap": -0.1}, "'max_gap' must be a number, 0 or more"),
            (entries((1, 0)), {"max_gap": float("nan")}, "'max_gap' must be a number, 0 or more"),
            (entries((1, 0)), {"mode": "best"}, "'mode' must be one of max, min"),
        ],
    )
    def test_errors(self, history, options, message):
        """What cannot be chosen from is said."""
        with pytest.raises(InputError, match=message):
            best_epoch(history, **options)


class TestParetoEpochs:
    """Epochs that no other dominates."""

    def test_against_the_definition(self):
        """On random histories with many ties, and with NaN, the front is what its definition says."""
        rng = np.random.default_rng(0)
        for _ in range(50):
            pairs = rng.integers(0, 5, (12, 2)) / 4
            pairs[rng.random((12, 2)) < 0.1] = np.nan
            expected = [
                i
                for i, (a, g) in enumerate(pairs)
                if not np.isnan([a, g]).any()
                and not any(b >= a and h <= g and (b > a or h < g) for b, h in pairs.tolist())
            ]
            assert pareto_epochs(entries(*pairs.tolist())) == expected

    def test_ties_are_kept(self):
        """Equal epochs do not dominate each other."""
        assert pareto_epochs(entries((0.8, 0.1), (0.8, 0.1), (0.7, 0.1))) == [0, 1]

    def test_the_best_epoch_is_on_the_front(self):
        """Under any bound, met or not."""
        history = entries((0.9, 0.3), (0.8, 0.2), (0.85, 0.2), (0.7, 0.05), (0.6, 0.05))
        assert {best_epoch(history, max_gap=bound) for bound in (0.1, 0.2, 1)} <= set(pareto_epochs(history))
        with pytest.warns(UserWarning, match="at most 0.01"):
            assert best_epoch(history, max_gap=0.01) in pareto_epochs(history)

    def test_other_columns(self):
        """Columns are named by x and y; a loss is better when smaller."""
        history = entries((0.5, 0.1), (0.4, 0.2), (0.6, 0.2), x="loss", y="gap")
        assert pareto_epochs(history, "loss", "gap", mode="min") == [0, 1]

    def test_nothing_to_choose_from(self):
        """An empty front is an empty list."""
        assert pareto_epochs([]) == []
        assert pareto_epochs(entries((0.5, np.nan))) == []
