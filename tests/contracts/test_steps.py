"""What every preprocessing step does, whoever wrote it. A new step takes one line in CASES."""

from __future__ import annotations

import dataclasses
import inspect
import json
import warnings
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline

from mxfair import preprocessing as p
from mxfair._validation import InputError, InputTypeError
from mxfair.preprocessing import Step, load_step

NAMES = ["sex", "age", "income", "score"]
#: The sensitive column of NAMES, as 0 and 1.
SENSITIVE = 0


@dataclasses.dataclass(frozen=True)
class Case:
    """How a step is made, and what it may do otherwise than the rest.

    `nan` tells what becomes of NaN: "refused", "kept", "filled" or a "level" of its own. `block` tells what its block
    takes: "x", "others" (x without its sensitive column), "x, group" (the others and the group), or None if it has no
    block. `sensitive` steps name the column SENSITIVE of X.
    """

    make: Callable[[], Step]
    nan: str = "refused"
    block: str | None = "x"
    sensitive: bool = False
    #: Columns are categories: text is welcome, and the data are whole numbers.
    categories: bool = False
    frames_only: bool = False
    stateless: bool = False
    #: The block has parameters that training changes.
    trainable: bool = False
    #: How near single precision comes.
    tolerance: float = 1e-5

    def table(self, seed=0, n=80):
        """Return the features as an array."""
        rng = np.random.default_rng(seed)
        sex = rng.integers(0, 2, n)
        columns = [sex, 40 + 9 * rng.normal(size=n), np.exp(rng.normal(3 + sex, 0.5)), rng.normal(sex, 1, n)]
        array = np.stack(columns, axis=1).astype(np.float32).astype(np.float64)  # blocks get the same numbers
        if self.categories:
            array = np.stack([sex, *(rng.integers(0, 5, (3, n)))], axis=1).astype(np.float64)
        return array if self.sensitive else array[:, 1:]

    def frame(self, seed=0, n=80):
        """Return the features as a data frame."""
        array = self.table(seed, n)
        return pd.DataFrame(array, columns=NAMES[-array.shape[1] :], index=range(100, 100 + n))

    def data(self, seed=0, n=80):
        """Return the features in a form that the step takes."""
        return self.frame(seed, n) if self.frames_only else self.table(seed, n)

    def labels(self, n=80):
        """Return two classes."""
        return np.random.default_rng(5).integers(0, 2, n)

    def fitted(self, X=None, **kwargs):
        """Return the step, fitted."""
        return self.make().fit(self.data(**kwargs) if X is None else X, self.labels())

    def with_gaps(self):
        """Return features of which some are NaN, never sensitive ones."""
        X = self.table()
        X[::7, -1] = np.nan
        X[1::9, -2] = np.nan
        return X

    def inputs(self, array):
        """Return what the block takes in the place of a table."""
        if self.block == "x":
            return (array,)
        others = np.delete(array, SENSITIVE, axis=1)
        return (others,) if self.block == "others" else (others, array[:, SENSITIVE])


CASES = {
    "ByGroup": Case(
        lambda: p.ByGroup(p.StandardScaler(), sensitive=[SENSITIVE]), nan="kept", block="x, group", sensitive=True
    ),
    "CorrelationRemover": Case(lambda: p.CorrelationRemover(sensitive=[SENSITIVE]), sensitive=True),
    "DisparateImpactRemover": Case(
        lambda: p.DisparateImpactRemover(sensitive=[SENSITIVE]), block="x, group", sensitive=True
    ),
    "FairRepresentation": Case(
        lambda: p.FairRepresentation(4, sensitive=[SENSITIVE], epochs=2, seed=0), sensitive=True
    ),
    "KNNImputer": Case(lambda: p.KNNImputer(add_indicator=True), nan="filled", block=None),
    "MaxAbsScaler": Case(p.MaxAbsScaler, nan="kept"),
    "MinMaxScaler": Case(lambda: p.MinMaxScaler((-1, 2), clip=True), nan="kept"),
    "Normalizer": Case(p.Normalizer, stateless=True),
    "OneHotEncoder": Case(lambda: p.OneHotEncoder(min_frequency=9), nan="level", categories=True),
    "OrdinalEncoder": Case(p.OrdinalEncoder, nan="level", categories=True),
    "PowerTransformer": Case(p.PowerTransformer, nan="kept", tolerance=1e-4),
    "ProxySuppressor": Case(
        lambda: p.ProxySuppressor(threshold=0.99, sensitive=[SENSITIVE]), nan="kept", sensitive=True, categories=True
    ),
    "QuantileTransformer": Case(
        lambda: p.QuantileTransformer(n_quantiles=50, output_distribution="normal"), nan="kept", tolerance=1e-4
    ),
    "RobustScaler": Case(p.RobustScaler, nan="kept"),
    "SimpleImputer": Case(lambda: p.SimpleImputer(strategy="median", add_indicator=True), nan="filled"),
    "StandardScaler": Case(p.StandardScaler, nan="kept"),
    "TabularEncoder": Case(p.TabularEncoder, nan="filled", block=None, frames_only=True),
}

every = pytest.mark.parametrize("case", CASES.values(), ids=CASES)
with_block = pytest.mark.parametrize(
    "case", [c for c in CASES.values() if c.block], ids=[n for n, c in CASES.items() if c.block]
)


@pytest.fixture(autouse=True)
def _quiet():
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Values are missing|Column .* missing values|Levels that were not fitted")
        yield


def columns_out(step, X):
    """Return the transformed rows as a plain array."""
    return np.asarray(step.transform(X))


def test_no_step_is_forgotten():
    """Every public class with fit and transform is a Step, and stands in the table."""
    public = {n: getattr(p, n) for n in p.__all__ if inspect.isclass(getattr(p, n))}
    transformers = {n for n, value in public.items() if hasattr(value, "transform") and hasattr(value, "fit")}
    steps = {n for n, value in public.items() if issubclass(value, Step) and value is not Step}
    assert steps | transformers == set(CASES)
    assert transformers <= steps


# scikit-learn's protocol


@every
def test_an_array_and_a_frame_give_the_same(case):
    """Names change nothing but names."""
    if case.frames_only:
        pytest.skip("takes frames only")
    by_array = case.fitted(case.table()).transform(case.table(1))
    by_frame = case.fitted(case.frame()).transform(case.frame(1))
    np.testing.assert_allclose(by_array, by_frame, rtol=1e-10, atol=1e-12)
    assert isinstance(by_array, np.ndarray)
    assert len(by_array) == 80


@every
def test_a_frame_comes_out_where_it_is_asked_for(case):
    """set_output gives the named columns and the index of the frame that goes in."""
    step = case.make().set_output(transform="pandas")
    first = step.fit_transform(case.frame(), case.labels())
    out = step.transform(case.frame(1))
    for frame in (first, out):
        assert list(frame.columns) == list(step.get_feature_names_out())
        assert list(frame.index) == list(range(100, 180))
    np.testing.assert_array_equal(out.to_numpy(), columns_out(case.fitted(case.frame()), case.frame(1)))


@every
def test_names_come_out(case):
    """As many names as columns, each once."""
    step = case.fitted(case.frame())
    names = step.get_feature_names_out()
    assert len(set(names)) == len(names) == columns_out(step, case.frame()).shape[1]
    if not case.frames_only:
        by_array = case.fitted(case.table())
        assert len(by_array.get_feature_names_out()) == len(names)


@every
def test_fit_transform_is_fit_and_transform(case):
    """There is one result."""
    X, y = case.data(), case.labels()
    np.testing.assert_array_equal(case.make().fit_transform(X, y), columns_out(case.fitted(), X))


@every
def test_a_clone_has_the_parameters_and_nothing_else(case):
    """clone() forgets what was fitted."""
    step = case.fitted()
    copy = clone(step)
    assert repr(copy) == repr(step)
    assert copy.get_params().keys() == step.get_params().keys()
    assert not [name for name in vars(copy) if name.endswith("_") and not name.startswith("_")]


@every
def test_parameters_can_be_read_and_set(case):
    """get_params gives what the constructor takes, and set_params takes it."""
    step = case.make()
    assert set(step.get_params(deep=False)) == set(inspect.signature(type(step)).parameters)
    assert step.set_params(**step.get_params(deep=False)) is step


@every
def test_a_second_fit_replaces_the_first(case):
    """Nothing of the first data remains, their names included."""
    other = case.data(3).rename(columns=str.upper) if case.frames_only else case.table(3)
    again = case.fitted(case.frame()).fit(other, case.labels())
    fresh = case.make().fit(other, case.labels())
    np.testing.assert_array_equal(again.transform(other), fresh.transform(other))
    assert again._fitted().keys() == fresh._fitted().keys()
    assert list(again.get_feature_names_out()) == list(fresh.get_feature_names_out())


@every
def test_the_input_is_never_changed(case):
    """Neither an array nor a frame is written to; read-only ones are taken."""
    frame, kept = case.frame(), case.frame()
    case.fitted(frame).transform(frame)
    pd.testing.assert_frame_equal(frame, kept)
    if not case.frames_only:
        array = case.table()
        array.setflags(write=False)
        case.fitted(array).transform(array)


@every
def test_rows_are_transformed_one_by_one_as_all_at_once(case):
    """A row's result depends on the fitted step and on the row alone."""
    step, X = case.fitted(), case.data(1)
    whole = columns_out(step, X)
    single = np.concatenate([columns_out(step, X[i : i + 1]) for i in range(len(X))])
    np.testing.assert_allclose(single, whole, rtol=1e-12, atol=1e-12)


@every
def test_a_pipeline_fits_on_training_folds_only(case, monkeypatch):
    """In cross-validation a step never sees the fold that it is judged on."""
    step, seen = case.make(), []
    fit = type(step).fit

    def watched(self, X, *args, **kwargs):
        seen.append(len(X))
        return fit(self, X, *args, **kwargs)

    monkeypatch.setattr(type(step), "fit", watched)
    monkeypatch.setattr(type(step), "fit_transform", lambda s, X, y=None: s.fit(X, y).transform(X))
    model = make_pipeline(step, LogisticRegression(max_iter=500))
    scores = cross_val_score(model, case.data(), case.labels(), cv=4)
    assert np.isfinite(scores).all()
    assert set(seen) == {60}


# Bad input


@every
def test_a_step_must_be_fitted_first(case, tmp_path):
    """Every use before fit() is an InputError that says so."""
    step = case.make()
    uses = [step.get_feature_names_out]
    if not case.stateless:
        uses += [lambda: step.transform(case.data()), step.as_block, lambda: step.save(tmp_path / "step.npz")]
    for use in uses:
        with pytest.raises(InputError, match="fitted"):
            use()


@every
def test_other_columns_are_refused(case):
    """Fewer or more columns than fitted, and columns of other names."""
    if not case.frames_only:
        step = case.fitted(case.table())
        for X in (case.table()[:, :-1], np.hstack([case.table(), case.table()[:, :1]])):
            with pytest.raises(InputError, match="features"):
                step.transform(X)
        with pytest.raises(InputError, match="shape"):
            step.transform(case.table()[0])
    by_name = case.fitted(case.frame())
    with pytest.raises(InputError, match="column"):
        by_name.transform(case.frame().rename(columns={"score": "points"}))
    if not case.frames_only:  # which take them by name
        with pytest.raises(InputError, match="columns"):
            by_name.transform(case.frame().iloc[:, [*range(case.frame().shape[1] - 2), -1, -2]])


@every
def test_repeated_names_are_refused(case):
    """Columns are told apart by their names."""
    frame = case.frame().rename(columns={"score": "income"})
    with pytest.raises(InputError, match="unique"):
        case.make().fit(frame, case.labels())


@every
def test_text_is_refused(case):
    """Numbers written as text are not turned into numbers silently."""
    if case.categories:
        pytest.skip("text is what it takes")
    frame = case.frame().assign(score="7 or so")
    with pytest.raises(InputError, match="numbers"):
        case.fitted(case.frame()).transform(frame)
    if case.frames_only:
        return
    for text in (case.table().astype(str), case.table().astype(object)):
        text[3, -1] = "7"
        with pytest.raises(InputError, match="numbers"):
            case.make().fit(text, case.labels())


@every
@pytest.mark.parametrize("value", [np.inf, -np.inf])
def test_infinite_numbers_are_refused(case, value):
    """When fitting and when transforming."""
    X = case.frame()
    X.iloc[2, -1] = value
    with pytest.raises(InputError, match="finite"):
        case.make().fit(X, case.labels())
    with pytest.raises(InputError, match="finite"):
        case.fitted(case.frame()).transform(X)


@every
def test_no_rows_are_refused(case):
    """There is nothing to learn from."""
    with pytest.raises(InputError):
        case.make().fit(case.frame().iloc[:0], case.labels()[:0])


@every
def test_missing_numbers_are_refused_kept_or_filled(case):
    """What becomes of NaN is one of four things, and the table says which."""
    X = pd.DataFrame(case.with_gaps(), columns=case.frame().columns)
    if case.nan == "refused":
        with pytest.raises(InputError, match="finite"):
            case.make().fit(X, case.labels())
        return
    out = columns_out(case.fitted(X), X)
    if case.nan == "kept":
        gaps = np.isnan(np.delete(X.to_numpy(), SENSITIVE, axis=1) if case.sensitive else X.to_numpy())
        np.testing.assert_array_equal(np.isnan(out), gaps)
    else:
        assert not np.isnan(out).any()


@every
def test_a_failed_fit_says_so_later(case):
    """A step whose only fit failed is not fitted."""
    step, X = case.make(), case.frame()
    X.iloc[2, -1] = np.inf
    with pytest.raises(InputError):
        step.fit(X, case.labels())
    with pytest.raises(InputError):
        step.get_feature_names_out()


# Files


@every
def test_a_file_gives_the_same_step_to_the_last_bit(case, tmp_path):
    """What load_step returns has the parameters, the names and the results of what was saved, in the same format."""
    step = case.fitted(case.frame())
    step.save(tmp_path / "step.npz")
    back = load_step(tmp_path / "step.npz")
    assert type(back) is type(step)
    assert repr(back) == repr(step)
    assert back.transform(case.frame(1)).tobytes() == step.transform(case.frame(1)).tobytes()
    assert list(back.get_feature_names_out()) == list(step.get_feature_names_out())
    step.set_output(transform="pandas").save(tmp_path / "frame.npz")
    assert isinstance(load_step(tmp_path / "frame.npz").transform(case.frame(1)), pd.DataFrame)


@every
def test_a_file_holds_no_pickle(case, tmp_path):
    """The file is JSON and plain arrays."""
    case.fitted().save(tmp_path / "step.npz")
    with np.load(tmp_path / "step.npz", allow_pickle=False) as file:
        assert all(file[name].dtype.kind in "biufU" for name in file.files)
        assert json.loads(str(file["json"]))["step"]["~step"] == type(case.make()).__name__


# Blocks


@pytest.mark.parametrize(
    "case", [c for c in CASES.values() if not c.block], ids=[n for n, c in CASES.items() if not c.block]
)
def test_a_step_without_a_block_says_what_to_do(case):
    """It is a TypeError of ours, not a block that does something else."""
    with pytest.raises(InputTypeError, match="transform"):
        case.fitted().as_block()


@with_block
def test_the_block_equals_transform(case):
    """To single precision, imperatively and hybridized, and with NaN where the step takes it."""
    mx = pytest.importorskip("mxnet")
    X = case.table() if case.nan == "refused" else case.with_gaps()
    step = case.fitted(X)
    block = step.as_block()
    expected = columns_out(step, X)
    inputs = [mx.nd.array(part) for part in case.inputs(X)]
    imperative = block(*inputs)
    assert imperative.dtype == np.float32
    np.testing.assert_allclose(imperative.asnumpy(), expected, rtol=case.tolerance, atol=case.tolerance)
    block.hybridize()
    np.testing.assert_allclose(block(*inputs).asnumpy(), imperative.asnumpy(), rtol=1e-6, atol=1e-6)
    block.hybridize(static_alloc=True, static_shape=True)
    np.testing.assert_allclose(block(*inputs).asnumpy(), imperative.asnumpy(), rtol=1e-6, atol=1e-6)


@with_block
def test_the_exported_block_equals_the_block(case, tmp_path):
    """HybridBlock.export and SymbolBlock.imports keep the step."""
    mx = pytest.importorskip("mxnet")
    block = case.fitted().as_block()
    inputs = [mx.nd.array(part) for part in case.inputs(case.table(1))]
    block.hybridize()
    expected = block(*inputs).asnumpy()
    block.export(str(tmp_path / "step"))
    names = ["data"] if len(inputs) == 1 else [f"data{i}" for i in range(len(inputs))]
    back = mx.gluon.SymbolBlock.imports(str(tmp_path / "step-symbol.json"), names, str(tmp_path / "step-0000.params"))
    np.testing.assert_allclose(back(*inputs).asnumpy(), expected, rtol=1e-6, atol=1e-6)


@with_block
def test_the_block_works_inside_a_net(case):
    """It is initialized, saved and trained with the net around it; gradients are finite and its figures stay."""
    mx = pytest.importorskip("mxnet")
    step = case.fitted()
    block = step.as_block()
    inputs = [mx.nd.array(part) for part in case.inputs(case.table(1))]
    head = mx.gluon.nn.Dense(1, in_units=block(*inputs).shape[1])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        if not case.trainable:
            block.initialize(mx.init.Xavier())
    head.initialize(mx.init.Xavier())
    before = block(*inputs).asnumpy()
    trainer = mx.gluon.Trainer({**block.collect_params(), **head.collect_params()}, "sgd", {"learning_rate": 0.1})
    inputs[0].attach_grad()
    with mx.autograd.record():
        loss = head(block(*inputs)).sum()
    loss.backward()
    trainer.step(80)
    assert np.isfinite(inputs[0].grad.asnumpy()).all()
    assert case.trainable or np.array_equal(block(*inputs).asnumpy(), before)


@with_block
def test_the_block_transforms_the_samples_of_a_data_set(case):
    """``dataset.transform_first(block)`` and the loader give what `transform` gives."""
    mx = pytest.importorskip("mxnet")
    if case.block != "x":
        pytest.skip("takes something else")
    step, X = case.fitted(), case.table(1)
    data = mx.gluon.data.ArrayDataset(X.astype(np.float32), case.labels()).transform_first(step.as_block())
    loaded = np.concatenate([x.asnumpy() for x, _ in mx.gluon.data.DataLoader(data, batch_size=16)])
    np.testing.assert_allclose(loaded, columns_out(step, X), rtol=case.tolerance, atol=case.tolerance)
