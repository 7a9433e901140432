"""Files of steps: what can be stored, what is refused, and that nothing in them is run."""

from __future__ import annotations

import json
import struct
import zipfile

import numpy as np
import pandas as pd
import pytest

from mxfair._validation import InputError, InputTypeError
from mxfair.datasets import load
from mxfair.preprocessing import (
    MinMaxScaler,
    PowerTransformer,
    QuantileTransformer,
    StandardScaler,
    TabularEncoder,
    _state,
    load_step,
)


def rewritten(path, change):
    """Replace the JSON of a file by what `change` makes of it."""
    with np.load(path) as file:
        held = {name: file[name] for name in file.files}
    held["json"] = np.array(json.dumps(change(json.loads(str(held["json"])))))
    with path.open("wb") as file:
        np.savez(file, **held)


@pytest.fixture
def stored(tmp_path):
    """Return the file of a fitted step."""
    path = tmp_path / "step.npz"
    StandardScaler().fit([[1.0], [3.0]]).save(path)
    return path


def test_the_name_of_the_file_is_kept(tmp_path):
    """No ending is added."""
    StandardScaler().fit([[1.0], [3.0]]).save(tmp_path / "scaler")
    assert [p.name for p in tmp_path.iterdir()] == ["scaler"]
    assert load_step(str(tmp_path / "scaler")).transform([[5.0]]).tolist() == [[3.0]]


@pytest.mark.parametrize(
    "change",
    [
        lambda s: {**s, "step": {**s["step"], "params": {"~items": [["colour", "red"]]}}},
        lambda s: {**s, "step": {"~step": "StandardScaler"}},
        lambda s: {**s, "step": {**s["step"], "fitted": {"~items": [["mean_", {"~array": 99}]]}}},
        lambda s: [],
        lambda s: {},
    ],
)
def test_a_damaged_file_is_an_input_error(stored, change):
    """Whatever is wrong inside, the path is named."""
    rewritten(stored, change)
    with pytest.raises(InputError, match=r"'path' must be a file written by save\(\); got '.*step.npz'"):
        load_step(stored)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 nothing", b"text", b"\x80\x04\x95"])
def test_another_file_is_an_input_error(tmp_path, content):
    """Also a pickle, which is not read."""
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(InputError, match="must be a file written by save"):
        load_step(tmp_path / "x")


def test_a_pickle_inside_is_not_read(tmp_path):
    """An archive with an object array is refused."""
    with (tmp_path / "x").open("wb") as file:
        np.savez(file, json=np.array([{"a": 1}], dtype=object))
    with pytest.raises(InputError, match="must be a file written by save"):
        load_step(tmp_path / "x")


def test_only_steps_of_mxfair_are_made(stored):
    """A class that is none of them is not looked up anywhere."""
    rewritten(stored, lambda s: {**s, "step": {**s["step"], "~step": "Popen"}})
    with pytest.raises(InputError, match="got 'Popen'"):
        load_step(stored)


def test_a_later_schema_is_told(stored):
    """The message says what to do."""
    rewritten(stored, lambda s: {**s, "schema": "mxfair.step/2"})
    with pytest.raises(InputError, match=r"must be 'mxfair\.step/1'; got 'mxfair\.step/2'\. Update mxfair"):
        load_step(stored)


def test_values_come_back_as_they_went(tmp_path):
    """Types, shapes, order in memory and odd numbers of all that a step may hold."""
    values = {
        "a": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        "b": np.array(["x", None, 2, np.nan], dtype=object),
        "c": (1, ("two", 3.5)),
        ("d", 4): [True, None, -0.0, float("inf"), 1e-320],
        "e": np.float32(0.1),
        "f": np.array([], dtype=np.int8),
        "g": np.float32,
        "h": {"~array": 1},
    }
    arrays: list[np.ndarray] = []
    back = _state.decode(json.loads(json.dumps(_state.encode(values, arrays))), arrays)
    assert list(back) == list(values)
    for key in "af":
        assert back[key].dtype == values[key].dtype
        np.testing.assert_array_equal(back[key], values[key])
    assert back["b"].tolist()[:3] == ["x", None, 2]
    assert np.isnan(back["b"][3])
    assert [back[key] for key in ("c", ("d", 4), "e", "g", "h")] == [values[k] for k in ("c", ("d", 4), "e", "g", "h")]
    assert type(back["e"]) is np.float32
    assert np.signbit(back["d", 4][2])


@pytest.mark.parametrize("value", [lambda: 1, {1, 2}, np.random.RandomState(0), pd.Timestamp("2020-01-01"), b"x"])
def test_what_is_no_number_or_text_cannot_be_stored(value):
    """Code and objects are refused by a TypeError that says so."""
    with pytest.raises(InputTypeError, match="made of numbers, texts and arrays"):
        _state.encode(value, [])


@pytest.mark.parametrize(
    "step", [MinMaxScaler(), PowerTransformer(), QuantileTransformer(n_quantiles=50, random_state=0)]
)
def test_a_step_fitted_on_the_training_part_knows_nothing_of_the_test_part(step):
    """What is fitted on a data set's training part is the same whatever the test part holds."""
    train, test = load("german_credit").train_test(seed=0)
    numbers = train.data.select_dtypes("number")
    step.fit(numbers)
    kept = {name: np.copy(value) for name, value in step._fitted().items()}
    extreme = test.data[numbers.columns] * 1e6
    out = step.transform(extreme)
    assert np.isfinite(out).all()
    for name, value in step._fitted().items():
        np.testing.assert_array_equal(value, kept[name])
    if isinstance(step, MinMaxScaler):
        assert step.transform(numbers).max() == pytest.approx(1)
        assert out.max() > 1  # beyond the range of the training rows: the test rows were not seen


def test_a_data_set_goes_through_a_stored_encoder(tmp_path):
    """Text and numbers of a real table; the file gives the same matrix."""
    train, test = load("german_credit").train_test(seed=0)
    encoder = TabularEncoder().fit(train.data)
    encoder.save(tmp_path / "encoder.npz")
    back = load_step(tmp_path / "encoder.npz")
    assert back.transform(test.data).tobytes() == encoder.transform(test.data).tobytes()
    assert back.to_dict() == encoder.to_dict()


@pytest.mark.parametrize(
    "change", ["no such compression", "a place outside", "nested too deeply", "a header without end", "no room"]
)
def test_whatever_is_damaged_is_an_input_error(stored, change):
    """No error of the archive's reader comes through, only one that says what to do."""
    raw = bytearray(stored.read_bytes())
    if change == "no such compression":
        raw[raw.rfind(b"PK\x01\x02") + 10] = 77
    elif change == "a place outside":
        raw[raw.rfind(b"PK\x05\x06") + 16 : raw.rfind(b"PK\x05\x06") + 20] = b"\xff\xff\xff\x00"
    if change in ("no such compression", "a place outside"):
        stored.write_bytes(raw)
    elif change == "nested too deeply":
        with stored.open("wb") as file:
            np.savez(file, json=np.array("[" * 100_000 + "]" * 100_000))
    else:
        text = {"a header without end": "(" * 3000, "no room": "{'descr': '<f8', 'fortran_order': False, "}[change]
        text += "'shape': (10000000000000000,), }" if change == "no room" else ""
        with zipfile.ZipFile(stored, "w") as archive:
            archive.writestr("json.npy", b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode())
    with pytest.raises(InputError, match="Fit and save again"):
        load_step(stored)


@pytest.mark.parametrize("name", ["transform", "__dict__", "_formula"])
def test_a_file_sets_only_what_is_fitted(stored, name):
    """A file cannot put something in the place of a method."""

    def change(state):
        state["step"]["fitted"]["~items"].append([name, 1])
        return state

    rewritten(stored, change)
    with pytest.raises(InputError, match="nothing that is fitted"):
        load_step(stored)


def test_a_file_that_is_not_there_is_told_as_such(tmp_path):
    """What the file system says is not taken for damage."""
    with pytest.raises(FileNotFoundError):
        load_step(tmp_path / "none.npz")
