"""Files and pickles of fitted estimators."""

from __future__ import annotations

import copy
import io
import json
import pickle
import subprocess
import sys
import warnings
import zipfile

import joblib
import numpy as np
import pandas as pd
import pytest
from mxnet import gluon

import mxfair
from mxfair._validation import InputError
from mxfair.estimator import FairBatch, GluonClassifier, GluonRegressor, Penalized
from mxfair.training import EvaluateGaps

OPTIONS = {"epochs": 3, "learning_rate": 0.02, "random_state": 0}


def rich(n_features, n_outputs):
    """Return a net with running statistics and dropout."""
    net = gluon.nn.HybridSequential()
    net.add(
        gluon.nn.Dense(6, activation="relu"), gluon.nn.BatchNorm(), gluon.nn.Dropout(0.3), gluon.nn.Dense(n_outputs)
    )
    return net


def make(kind, table):
    """Return a fitted estimator and the features it takes."""
    X, y, groups = table
    frame = pd.DataFrame(X, columns=list("pqrs"))
    frame["job"] = np.where(groups == "a", "x", "y")
    text = np.where(y, "yes", "no").astype(object)
    if kind == "regressor":
        return GluonRegressor((5,), **OPTIONS).fit(X, X[:, :2]), X
    if kind == "steps":
        steps = [mxfair.preprocessing.TabularEncoder(), "fairbatch"]
        return GluonClassifier((5,), mitigation=steps, **OPTIONS).fit(frame, text, groups), frame
    if kind == "own net":
        return GluonClassifier(rich, **OPTIONS).fit(X, np.digitize(X[:, 0], [-0.3, 0.3])), X
    if kind == "mitigations":
        penalty = Penalized("mmd", "demographic_parity", strength=2.0)
        return GluonClassifier((5,), mitigation=[penalty, FairBatch(warm_up=1)], **OPTIONS).fit(X, text, groups), X
    if kind == "probability":
        net = gluon.nn.Dense(1, activation="sigmoid")
        loss = gluon.loss.SigmoidBinaryCrossEntropyLoss(from_sigmoid=True)
        return GluonClassifier(net, loss=loss, **OPTIONS).fit(X, y == 1), X
    return GluonClassifier("logistic", **OPTIONS).fit(X, y), X


KINDS = ("plain", "regressor", "steps", "own net", "mitigations", "probability")


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_saved_predicts_as_before(table, tmp_path, kind):
    """Predictions, classes, columns, history and parameters come back; files hold no pickle."""
    model, X = make(kind, table)
    model.save(tmp_path / "model.npz")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Parameters that are")
        other = type(model).load(tmp_path / "model.npz")
    np.testing.assert_allclose(other.predict(X), model.predict(X)) if kind == "regressor" else None
    if kind != "regressor":
        np.testing.assert_allclose(other.predict_proba(X), model.predict_proba(X), rtol=1e-6)
        np.testing.assert_array_equal(other.predict(X), model.predict(X))
        assert other.classes_.dtype == model.classes_.dtype
    assert other.history_["loss"] == model.history_["loss"]
    assert other.n_features_in_ == model.n_features_in_
    assert list(tmp_path.iterdir()) == [tmp_path / "model.npz"]
    if kind in ("plain", "mitigations", "regressor"):
        assert repr(other) == repr(model)
    with np.load(tmp_path / "model.npz", allow_pickle=False) as file:
        assert all(file[name].dtype.kind != "O" for name in file.files)


def test_parameters_that_are_left_out_are_told(table, tmp_path):
    """Objects are not stored, and load says which; nothing is said where all is stored."""
    model, X = make("own net", table)
    model.save(tmp_path / "model.npz")
    with pytest.warns(UserWarning, match="not stored and have their defaults: 'net'"):
        other = GluonClassifier.load(tmp_path / "model.npz")
    assert other.net == "mlp"
    model, X = make("mitigations", table)
    model.save(tmp_path / "model.npz")
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        GluonClassifier.load(tmp_path / "model.npz")
    assert X is not None


def test_a_net_that_was_read_is_trained_on(table, tmp_path):
    """Dropout and frozen layers are as they were: a warm start changes what was trained, and nothing else."""
    X, y, _ = table
    net = rich(4, 1)
    net.initialize()
    net[0].collect_params().setattr("grad_req", "null")
    GluonClassifier(net, warm_start=True, **OPTIONS).fit(X, y).save(tmp_path / "model.npz")
    with pytest.warns(UserWarning, match="'net'"):
        model = GluonClassifier.load(tmp_path / "model.npz")
    before = {name: p.data().asnumpy() for name, p in model.net_.collect_params().items()}
    model.fit(X, y)
    changed = {
        name: not np.array_equal(before[name], p.data().asnumpy()) for name, p in model.net_.collect_params().items()
    }
    dense = [name for name in before if name.endswith("weight")]
    assert not changed[dense[0]]
    assert changed[dense[1]]
    assert any(changed[name] for name in before if name.endswith("running_mean"))
    assert "Dropout" in model.net_._cached_graph[1].tojson()


def test_another_process_reads_the_file(table, tmp_path):
    """Without the code of the net."""
    model, X = make("own net", table)
    model.save(tmp_path / "model.npz")
    np.save(tmp_path / "X.npy", X)
    code = (
        "import sys, numpy as np, mxfair\n"
        "from mxfair.estimator import GluonClassifier\n"
        "print(GluonClassifier.load(sys.argv[1] + '/model.npz').predict(np.load(sys.argv[1] + '/X.npy')).tolist())"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == model.predict(X).tolist()


def altered(path, change):
    """Rewrite the JSON of a file."""
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    document = json.loads(str(arrays["json"]))
    change(document, arrays)
    arrays["json"] = np.array(json.dumps(document))
    with path.open("wb") as stream:
        np.savez(stream, **arrays)


DAMAGE = {
    "class": lambda document, arrays: document.update({"class": "dict"}),
    "schema": lambda document, arrays: document.update(schema="mxfair.estimator/99"),
    "no graph": lambda document, arrays: document.pop("graph"),
    "graph": lambda document, arrays: document.update(graph="{}"),
    "graph of text": lambda document, arrays: document.update(graph="os.system('true')"),
    "names": lambda document, arrays: document.update(names=document["names"][:-1]),
    "shapes": lambda document, arrays: arrays.update(
        {max(arrays, key=lambda n: (n != "json", n)): np.zeros((9, 9, 9), "f")}
    ),
    "attribute": lambda document, arrays: document.update(fitted={"~items": [["predict", 3]]}),
    "private": lambda document, arrays: document.update(fitted={"~items": [["__class__", 3]]}),
    "parameter": lambda document, arrays: document["params"].update(evil=1),
    "mitigation": lambda document, arrays: document["params"].update(
        mitigation={"~mitigation": "system", "params": {}}
    ),
    "estimator": lambda document, arrays: document["params"].update(net={"~estimator": "system", "params": {}}),
    "step": lambda document, arrays: document["params"].update(net={"~step": "system"}),
}


@pytest.mark.parametrize("case", DAMAGE)
def test_damaged_and_malicious_files_are_refused(table, tmp_path, case):
    """Whatever a file says, it is an error of ours."""
    model, _ = make("plain", table)
    model.save(tmp_path / "model.npz")
    altered(tmp_path / "model.npz", DAMAGE[case])
    with pytest.raises(InputError):
        GluonClassifier.load(tmp_path / "model.npz")


def test_foreign_files_are_refused(table, tmp_path):
    """Text, cut files, pickled arrays, other archives; a file that is not there is an error of the system."""
    model, _ = make("plain", table)
    model.save(tmp_path / "model.npz")
    whole = (tmp_path / "model.npz").read_bytes()

    class Evil:
        def __reduce__(self):
            return (pytest.fail, ("a pickle was read",))

    pickled = io.BytesIO()
    np.savez(pickled, json=np.array([Evil()], dtype=object), allow_pickle=True)
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("json.npy", pickle.dumps(Evil()))
    foreign = [
        b"",
        b"hello",
        whole[: len(whole) // 2],
        whole[:-1],
        pickled.getvalue(),
        archive.getvalue(),
        pickle.dumps(3),
    ]
    for content in foreign:
        (tmp_path / "foreign").write_bytes(content)
        with pytest.raises(InputError):
            GluonClassifier.load(tmp_path / "foreign")
    with pytest.raises(FileNotFoundError):
        GluonClassifier.load(tmp_path / "none.npz")
    with pytest.raises(InputError, match="must hold a GluonRegressor; got a GluonClassifier"):
        GluonRegressor.load(tmp_path / "model.npz")
    with pytest.raises(ValueError, match="not fitted"):
        GluonClassifier().save(tmp_path / "unfitted.npz")


@pytest.mark.parametrize("kind", KINDS)
def test_pickles_and_copies_predict_as_before(table, tmp_path, kind):
    """pickle, joblib and deepcopy, after predictions, and with nets that were hybridized and called."""
    model, X = make(kind, table)
    expected = model.predict(X)
    if isinstance(model.net_, gluon.HybridBlock):
        model.net_.hybridize()
        model.net_(mxfair._compat.import_mxnet().nd.zeros((2, 4 + 2 * (kind == "steps"))))
    joblib.dump(model, tmp_path / "model.joblib")
    for other in (pickle.loads(pickle.dumps(model)), joblib.load(tmp_path / "model.joblib"), copy.deepcopy(model)):
        np.testing.assert_array_equal(other.predict(X), expected)
    np.testing.assert_array_equal(model.predict(X), expected)


def test_pickles_hold_losses_and_callbacks(table):
    """Parameters that are objects are pickled; an unpickled estimator is trained on and fitted again."""
    X, y, groups = table
    dataset = gluon.data.ArrayDataset(X, y.astype("float32"), mxfair.Groups(groups).codes)
    loss = gluon.loss.SigmoidBinaryCrossEntropyLoss()
    loss.hybridize()
    model = GluonClassifier((5,), loss=loss, callbacks=[EvaluateGaps(dataset)], mitigation="fairbatch", **OPTIONS)
    other = pickle.loads(pickle.dumps(model.fit(X, y, groups)))
    assert other.history_["val_gap"] == model.history_["val_gap"]
    assert len(other.callbacks) == 1
    np.testing.assert_array_equal(other.fit(X, y, groups).predict_proba(X), model.predict_proba(X))
    other = pickle.loads(pickle.dumps(model))
    before = other.predict_proba(X)
    assert not np.array_equal(other.partial_fit(X, y, groups).predict_proba(X), before)
