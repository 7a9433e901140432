"""What every data set promises, whatever its loader."""

from __future__ import annotations

import inspect
import pickle
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from mxfair import datasets
from mxfair._validation import InputError

OFFLINE = ["adult", "german_credit", "communities_crime", "zafar", "diabetes"]
KEYS = {
    "name",
    "task",
    "data",
    "target",
    "groups",
    "target_names",
    "positive",
    "licence",
    "source",
    "DESCR",
    "split",
    "sample_weight",
    "meta",
}


@pytest.fixture(scope="module")
def loaded():
    """Load every data set that needs no download, once."""
    return {name: datasets.load(name) for name in OFFLINE}


@pytest.fixture(params=OFFLINE)
def bunch(request, loaded):
    """Return one data set after the other."""
    return loaded[request.param]


def test_all_names_are_public():
    """Every name in __all__ exists, and a wildcard import brings them all."""
    space: dict = {}
    exec("from mxfair.datasets import *", space)
    assert set(datasets.__all__) <= set(space)


def test_unknown_attribute_is_an_attribute_error():
    """The lazy module says which name it does not have."""
    with pytest.raises(AttributeError, match="no_such_loader"):
        datasets.no_such_loader  # noqa: B018


def test_dir_lists_the_lazy_class():
    """Completion offers DatasetBunch before it is imported."""
    assert "DatasetBunch" in dir(datasets)


def test_names_are_the_registry():
    """The names are those of the registry, in its order."""
    assert datasets.names() == list(datasets.LOADERS)
    assert set(datasets.names()) == {*OFFLINE, "compas"}


def test_load_passes_options():
    """`load` hands its options to the loader."""
    assert len(datasets.load("zafar", n_samples=30).data) == 30


def test_unknown_name_suggests_the_nearest():
    """A misspelt name is answered with the nearest one."""
    with pytest.raises(InputError, match="Did you mean 'adult'"):
        datasets.load("adults")


def test_same_keys(bunch):
    """Every data set has the same keys, absent parts being None."""
    assert set(bunch) == KEYS


def test_name_is_the_registered_one(bunch, loaded):
    """A data set carries the name under which it is loaded."""
    assert bunch is loaded[bunch.name]


def test_rows_agree_and_indices_start_at_zero(bunch):
    """Features, target and groups have the same RangeIndex."""
    for key in ("data", "target", "groups"):
        assert bunch[key].index.equals(pd.RangeIndex(len(bunch.target)))


def test_target_type_follows_the_task(bunch):
    """A binary target is int64 0/1, a regression target float64; nothing is missing."""
    if bunch.task == "binary":
        assert bunch.target.dtype == "int64"
        assert set(bunch.target) == {0, 1}
        assert len(bunch.target_names) == 2
    else:
        assert bunch.target.dtype == "float64"
        assert bunch.target.notna().all()


def test_groups_are_readable_categories(bunch):
    """A sensitive column has category names, or is a continuous number; none is missing."""
    for column in bunch.groups:
        values = bunch.groups[column]
        assert values.notna().all()
        assert values.dtype == "category" or values.dtype == "float64"
        if values.dtype == "category":
            assert all(isinstance(name, str) for name in values.cat.categories)


def test_target_is_not_a_feature(bunch):
    """The target's column is not among the features."""
    assert bunch.target.name not in bunch.data


def test_loading_twice_gives_the_same(bunch):
    """A loader is deterministic."""
    again = datasets.load(bunch.name)
    assert all(again[key].equals(bunch[key]) for key in ("data", "target", "groups"))


@pytest.mark.parametrize("name", OFFLINE)
def test_global_random_state_is_untouched(name):
    """Loading and splitting leave NumPy's global random state as it was."""
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    datasets.load(name).train_test()
    assert (np.random.get_state()[1] == before).all()  # noqa: NPY002


def test_changing_a_bunch_does_not_change_the_next(bunch):
    """Loaders hand out data of their own: what a user does to them is not seen by the next call."""
    first = datasets.load(bunch.name)
    first.target.iloc[0] = 1 - first.target.iloc[0]
    assert datasets.load(bunch.name).target.iloc[0] == bunch.target.iloc[0]


def test_groups_do_not_share_memory_with_the_features(bunch):
    """Changing a feature leaves the groups as they were."""
    bunch = datasets.load(bunch.name)
    before = bunch.groups.copy()
    for column in bunch.groups.columns.intersection(bunch.data.columns):
        bunch.data[column] = bunch.data[column].iloc[0]
    assert bunch.groups.equals(before)


def test_pickling_keeps_everything(bunch):
    """A data set survives pickling, as worker processes need."""
    again = pickle.loads(pickle.dumps(bunch))
    assert repr(again) == repr(bunch)
    assert set(again) == KEYS


@pytest.mark.parametrize("name", datasets.names())
def test_docstring_states_licence_and_caveats(name):
    """Every loader's docstring states the licence and the known harms and caveats."""
    text = inspect.getdoc(datasets.LOADERS[name])
    assert "Licence:" in text
    assert "Known harms and caveats" in text
    assert "References" in text


def test_description_is_the_docstring(bunch):
    """The caveats travel with the data."""
    assert inspect.getdoc(datasets.LOADERS[bunch.name]) == bunch.DESCR
    assert bunch.licence
    assert bunch.source


def test_docstrings_describe_the_signatures():
    """Each parameter of a loader is described under its name."""
    for loader in datasets.LOADERS.values():
        text = inspect.getdoc(loader)
        for parameter in inspect.signature(loader).parameters:
            assert f"\n{parameter} : " in text, (loader.__name__, parameter)


def test_neither_import_nor_loading_imports_mxnet():
    """Data sets are usable where there is no deep-learning engine, and importing the module is light."""
    code = (
        "import sys, mxfair.datasets as d\n"
        "early = {'pandas', 'sklearn', 'mxnet'} & set(sys.modules)\n"
        "d.load_german_credit().train_test()\n"
        "print(sorted(early), 'mxnet' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[0] == "[] False"
