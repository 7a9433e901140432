"""Signs that the updates do not work are said once, with what to do."""

import warnings

import numpy as np
import pytest

from mxfair.data import Controller, FairBatchSampler, PaperController

LABELS, GROUPS = np.tile([0, 0, 1, 1], 100), np.tile([0, 1], 200)


class Follows(Controller):
    """Gives the shares of a function of the update's number."""

    need = "nothing"

    def __init__(self, shares):
        self._shares, self._number = shares, 0

    def update(self, shares, stats):
        """Return the next ones."""
        self._number += 1
        return np.array(self._shares(self._number))


def warned(controller, epochs=30, labels=LABELS, groups=GROUPS, batch_size=40, **kwargs):
    """Return the messages of a sampler's warnings over some epochs, and the sampler."""
    sampler = FairBatchSampler(labels, groups, batch_size, controller=controller, seed=0, **kwargs)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(epochs):
            list(sampler)
    return [str(w.message) for w in caught if issubclass(w.category, UserWarning)], sampler


def test_a_run_that_settles_is_silent():
    """Shares that move and stay inside their bounds are no finding."""
    messages, sampler = warned(Follows(lambda t: [[0.5, 0.5], [0.5 + 0.2 * (1 - 0.8**t), 0.5 - 0.2 * (1 - 0.8**t)]]))
    assert messages == []
    assert sampler.findings == []


def test_saturation_is_said_once():
    """A cell at its floor for ten updates: which one, since when, and what to do."""
    messages, sampler = warned(Follows(lambda t: [[0.5, 0.5], [1.0, 0.0]]), min_per_batch=4)
    assert len(messages) == 1
    assert "label 1 in group '1' has been at its floor for 10 updates" in messages[0]
    assert "(epoch 9)" in messages[0]
    assert "tolerance" in messages[0]
    (finding,) = sampler.findings
    assert (finding.kind, finding.label, finding.group, finding.epoch) == ("saturation", "1", "1", 9)


def test_the_published_rule_saturates_and_says_so():
    """A gap of losses that no share closes pushes the published rule to its bound."""
    losses = np.where(GROUPS == 0, 1.0, 0.5)
    messages, sampler = warned(PaperController(0.1), signal=lambda: losses, criterion="equal_opportunity")
    assert {finding.kind for finding in sampler.findings} == {"saturation", "starvation"}
    assert len(messages) == 2


def test_a_share_at_the_rate_of_the_data_is_not_saturated():
    """Cells that nobody moves are not held by the floor."""
    messages, _ = warned(Follows(lambda t: [[0.5, 0.5], [0.5, 0.5]]))
    assert messages == []


def test_oscillation_is_said():
    """A share that swings by .2 from update to update, with the size of the swing."""
    messages, sampler = warned(Follows(lambda t: [[0.5, 0.5], [0.5 + 0.1 * (-1) ** t, 0.5 - 0.1 * (-1) ** t]]))
    assert len(messages) == 1
    assert "swings by 0.20 from update to update" in messages[0]
    assert sampler.findings[0].kind == "oscillation"


@pytest.mark.parametrize(
    "share",
    [
        lambda t: 0.5 + 0.2 * (-0.8) ** t,  # a swing that dies out
        lambda t: 0.5 + 0.005 * (-1) ** t,  # one that is too small to matter
        lambda t: min(0.9, 0.5 + 0.02 * t),  # a way in one direction
    ],
)
def test_what_is_no_oscillation(share):
    """Damped, tiny and one-way moves are silent."""
    messages, _ = warned(Follows(lambda t: [[0.5, 0.5], [share(t), 1 - share(t)]]))
    assert messages == []


def test_starvation_is_said():
    """A cell that is drawn at less than a tenth of its rate."""
    messages, sampler = warned(Follows(lambda t: [[0.5, 0.5], [0.97, 0.03]]), epochs=3, min_per_batch=0)
    assert len(messages) == 1
    assert "fallen to 6% of its rate at the start" in messages[0]
    assert sampler.findings[0].kind == "starvation"


def test_a_target_is_no_starvation():
    """A cell that the target asks for seldom, or not at all, is where it should be."""
    for cell in (0.01, 0.0):
        messages, _ = warned("proportional", epochs=12, signal=lambda: LABELS, target=np.array([[1, 1], [1, cell]]))
        assert messages == []


def test_repetition_is_said():
    """A tiny cell whose samples are drawn over and over."""
    labels = np.r_[np.zeros(400, int), np.ones(400, int)]
    groups = np.r_[np.tile([0, 1], 200), np.ones(394, int), np.zeros(6, int)]
    messages, sampler = warned("balanced", epochs=2, labels=labels, groups=groups)
    assert len(messages) == 1
    assert "draws each of its 6 samples 33 times an epoch" in messages[0]
    assert sampler.findings[0].kind == "repetition"


def test_the_state_remembers_what_was_said():
    """A run that goes on does not say it again."""
    controller = Follows(lambda t: [[0.5, 0.5], [1.0, 0.0]])
    _, first = warned(controller)
    second = FairBatchSampler(LABELS, GROUPS, 40, controller=controller, seed=0)
    second.load_state_dict(first.state_dict())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        list(second)
    assert second.findings == first.findings
