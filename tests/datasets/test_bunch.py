"""DatasetBunch: its split, its text, its checks."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from mxfair._validation import InputError, InputTypeError
from mxfair.datasets import DatasetBunch


def make(n=10, **changes):
    """Return a small bunch, with some of its parts replaced."""
    parts = {
        "name": "toy",
        "task": "binary",
        "data": pd.DataFrame({"x": np.arange(n)}),
        "target": pd.Series(np.arange(n) % 2, name="y"),
        "groups": pd.DataFrame({"g": ["a", "b"] * (n // 2)}),
        "target_names": ["no", "yes"],
        "positive": "yes",
        "licence": "none needed",
        "source": "this test",
        "DESCR": "Invented.",
    }
    return DatasetBunch(**{**parts, **changes})


def test_random_split_is_the_benchmark_recipe():
    """Without a published split, the first rows of RandomState(seed).permutation(n) train."""
    order = np.random.RandomState(3).permutation(10)
    train, test = make().train_test(test_size=0.3, seed=3)
    assert train.data["x"].tolist() == order[:7].tolist()
    assert test.data["x"].tolist() == order[7:].tolist()


def test_parts_are_disjoint_and_complete():
    """Each sample is in exactly one part."""
    train, test = make().train_test()
    assert sorted([*train.data["x"], *test.data["x"]]) == list(range(10))


def test_published_split_goes_first():
    """A published split is used, whatever the seed and the size."""
    split = np.array(["test", "train"] * 5)
    train, test = make(split=split).train_test(test_size=0.1, seed=9)
    assert test.data["x"].tolist() == [0, 2, 4, 6, 8]
    assert train.data["x"].tolist() == [1, 3, 5, 7, 9]


def test_parts_start_at_zero():
    """The parts have indices of their own."""
    train, _ = make().train_test()
    for key in ("data", "target", "groups"):
        assert train[key].index.tolist() == list(range(7))


def test_all_rows_of_a_sample_stay_together():
    """Target, groups, weights and meta follow their features into a part."""
    bunch = make(sample_weight=pd.Series(np.arange(10)), meta=pd.DataFrame({"id": np.arange(10)}))
    for part in bunch.train_test():
        x = part.data["x"]
        assert (part.target == x % 2).all()
        assert (part.groups["g"] == np.where(x % 2, "b", "a")).all()
        assert (part.sample_weight == x).all()
        assert (part.meta["id"] == x).all()


def test_a_part_can_be_split_again():
    """A training part of a published split gives a random validation part."""
    train, _ = make(split=np.array(["train"] * 8 + ["test"] * 2)).train_test()
    fit, validation = train.train_test(test_size=0.25)
    assert (len(fit.data), len(validation.data)) == (6, 2)


def test_categories_survive_the_split():
    """A category that is absent from one part is still known there."""
    groups = pd.DataFrame({"g": pd.Categorical(["a"] * 9 + ["b"])})
    for part in make(groups=groups).train_test():
        assert part.groups["g"].cat.categories.tolist() == ["a", "b"]


@pytest.mark.parametrize("test_size", [0, 1, -0.1, 1.5, 0.01, 0.99, float("nan")])
def test_a_part_must_not_be_empty(test_size):
    """A share that leaves a part empty is refused."""
    with pytest.raises(InputError, match="'test_size' must leave samples on both sides"):
        make().train_test(test_size=test_size)


@pytest.mark.parametrize(("seed", "error"), [(-1, InputError), ("one", InputTypeError), (2**32, InputError)])
def test_seed_must_be_a_seed(seed, error):
    """A seed that NumPy's RandomState cannot take is refused in our words."""
    with pytest.raises(error, match="'seed' must"):
        make().train_test(seed=seed)


def test_lengths_must_agree():
    """A bunch whose parts differ in length cannot be made."""
    with pytest.raises(InputError, match="must have the same length"):
        make(target=pd.Series([0, 1]))


def test_task_must_be_known():
    """A task is binary or regression."""
    with pytest.raises(InputError, match="'task' must be one of"):
        make(task="ranking")


def test_keys_are_attributes():
    """As in every Bunch, a key is an attribute and the other way round."""
    bunch = make()
    bunch.positive = "changed"
    assert bunch["positive"] == "changed"


def test_repr_names_size_groups_and_split():
    """The text says what a reader wants to know first."""
    assert repr(make()) == "DatasetBunch('toy': 10 samples, 1 features, binary; groups: g; no published split)"
    split = np.array(["train"] * 8 + ["test"] * 2)
    assert repr(make(split=split)).endswith("groups: g; split: train 8, test 2)")
