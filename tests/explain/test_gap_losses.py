"""Losses as sums over columns: against scikit-learn's losses and exact Shapley values."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import log_loss

from mxfair._validation import InputError
from mxfair.explain import Attribution, loss_attribution, loss_gap_decomposition
from mxfair.explain._model import explained_model

RNG = np.random.default_rng(5)
N, WIDTH = 60, 3
X = RNG.normal(size=(N, WIDTH))
GROUPS = np.array(["a", "b"])[np.arange(N) % 2]
NUMBERS = X @ [1.0, -1.0, 0.5] + RNG.normal(size=N) + 20
CLASSES = np.array(["no", "yes"])[(X[:, 0] + RNG.normal(size=N) > 0).astype(int)]


def shapley(model, X, background, *, of_row=None, output=None, scale=None, **keywords):
    """Return exact Shapley values by enumeration; `of_row` turns outputs into what is explained of each row."""
    explained = explained_model(model, output=output, scale=scale)
    values, base = np.zeros(X.shape), None
    width = X.shape[1]

    def mean(columns):
        mixed = np.repeat(background[None], len(X), axis=0)
        mixed[:, :, columns] = X[:, None, columns]
        outputs = explained(mixed.reshape(-1, width)).reshape(len(X), -1)
        return (outputs if of_row is None else of_row(outputs)).mean(axis=1)

    for j in range(width):
        others = [k for k in range(width) if k != j]
        for size in range(width):
            weight = math.factorial(size) * math.factorial(width - size - 1) / math.factorial(width)
            for chosen in itertools.combinations(others, size):
                values[:, j] += weight * (mean([*chosen, j]) - mean(list(chosen)))
    base = mean([])
    return Attribution(values, base, mean(list(range(width))), X, "exact")


def test_the_squared_errors_contributions_are_its_shapley_values():
    """Two explanations, of F^2 and of F, give what explaining each row's loss with its label held gives."""
    model = LinearRegression().fit(X, NUMBERS)
    ours = loss_attribution(model, X, NUMBERS, X[:12], method=shapley)
    oracle = shapley(model, X, X[:12], of_row=lambda F: (F - NUMBERS[:, None]) ** 2)
    assert ours.values == pytest.approx(oracle.values, abs=1e-9)
    assert ours.base_values == pytest.approx(oracle.base_values, abs=1e-9)
    assert ours.outputs == pytest.approx((model.predict(X) - NUMBERS) ** 2, abs=1e-9)


def test_the_log_losss_contributions_are_its_shapley_values():
    """Explaining each label's rows gives what explaining each row's loss with its label held gives."""
    model = LogisticRegression().fit(X, CLASSES)
    ours = loss_attribution(model, X, CLASSES, X[:12], method=shapley)
    yes = (CLASSES == "yes")[:, None]
    oracle = shapley(model, X, X[:12], of_row=lambda p: -np.log(np.where(yes, p, 1 - p)))
    assert ours.values == pytest.approx(oracle.values, abs=1e-9)
    assert ours.outputs.mean() == pytest.approx(log_loss(CLASSES, model.predict_proba(X)))


def net(outputs):
    """Return an initialized net."""
    mx = pytest.importorskip("mxnet")
    import mxfair

    mx.random.seed(1)
    made = mxfair.net.mlp(WIDTH, outputs, hidden=(8,))
    made.initialize(mx.init.Xavier(magnitude=8))
    return made, made(mx.nd.array(X)).asnumpy().astype(float)


@pytest.mark.parametrize("outputs", [1, 2, 3])
def test_a_nets_log_loss_is_the_cross_entropy(outputs):
    """Of one output, of two and of more, the explained losses are -log p of the label, and contributions add up."""
    made, raw = net(outputs)
    labels = np.arange(N) % max(outputs, 2)
    raw = np.column_stack([np.zeros(N), raw]) if outputs == 1 else raw
    expected = np.log(np.exp(raw).sum(axis=1)) - raw[np.arange(N), labels]
    why = loss_attribution(made, X, labels, X[:20], loss="log", points=20)
    assert why.outputs == pytest.approx(expected, abs=1e-5)
    assert why.additivity_error < 0.02


def test_a_nets_squared_error_adds_up():
    """Contributions to a net's squared error sum to it, far from 0 too."""
    made, raw = net(1)
    labels = raw.ravel() + RNG.normal(size=N)
    why = loss_attribution(made, X, labels, X[:20], loss="squared", points=100)
    assert why.outputs == pytest.approx((raw.ravel() - labels) ** 2, abs=1e-5)
    assert why.additivity_error < 0.02


def test_the_loss_gap_is_the_difference_of_mean_losses():
    """Contributions, what labels alone make of it, and the remainder sum to the gap of the losses."""
    model = LogisticRegression().fit(X, CLASSES)
    gap = loss_gap_decomposition(model, X, CLASSES, GROUPS, background=X[:12], method=shapley, pair=("a", "b"))
    losses = [log_loss(CLASSES[g == GROUPS], model.predict_proba(X[g == GROUPS])) for g in ("a", "b")]
    assert gap.part.gap == pytest.approx(losses[0] - losses[1])
    assert gap.part.values.sum() == pytest.approx(gap.part.gap)
    assert gap.output_name == "log loss"


def test_labels_alone_are_a_row():
    """The row "(labels)" is the difference of what the background would lose with the groups' labels."""
    model = LogisticRegression().fit(X, CLASSES)
    gap = loss_gap_decomposition(model, X, CLASSES, GROUPS, background=X[:12], method=shapley, pair=("a", "b"))
    p = model.predict_proba(X[:12])[:, 1]
    base = np.where(CLASSES == "yes", -np.log(p).mean(), -np.log(1 - p).mean())
    expected = base[GROUPS == "a"].mean() - base[GROUPS == "b"].mean()
    assert gap.part.to_frame().loc["(labels)", "contribution"] == pytest.approx(expected)


def test_given_the_label_labels_make_no_difference():
    """Among samples of one label the row "(labels)" is not there."""
    model = LogisticRegression().fit(X, CLASSES)
    gap = loss_gap_decomposition(
        model, X, CLASSES, GROUPS, background=X[:12], method=shapley, condition="yes", min_support=2
    )
    assert "(labels)" not in gap.part.to_frame().index


def test_a_forests_certainty_has_a_loss():
    """Probabilities of 0 are clipped as scikit-learn clips them."""

    class Certain:
        classes_ = np.array(["no", "yes"])

        def predict(self, X):
            return self.classes_[(X[:, 0] > 0).astype(int)]

        def predict_proba(self, X):
            return np.eye(2)[(X[:, 0] > 0).astype(int)]

    why = loss_attribution(Certain(), X, CLASSES, X[:12], method=shapley)
    assert why.outputs.mean() == pytest.approx(log_loss(CLASSES, Certain().predict_proba(X)))


def test_raw_columns_of_a_frame_are_explained_in_the_rows_order():
    """Rows of both labels come back in their order, with the raw columns' contributions."""
    frame = pd.DataFrame(X, columns=["u", "v", "w"], index=np.arange(N)[::-1])
    model = LogisticRegression().fit(frame, CLASSES)
    why = loss_attribution(model, frame, CLASSES, frame[:8], columns={"both": ["u", "w"]}, method="exact_shap")
    yes = CLASSES == "yes"
    p = model.predict_proba(frame)[:, 1]
    assert why.feature_names == ["both", "v"]
    assert why.outputs == pytest.approx(-np.log(np.where(yes, p, 1 - p)))
    assert why.residuals == pytest.approx(np.zeros(N), abs=1e-9)
    assert why.data["v"].tolist() == X[:, 1].tolist()


@pytest.mark.parametrize(
    ("model", "keywords", "message"),
    [
        (lambda X: X[:, 0], {}, "'loss' must be given"),
        (lambda X: X[:, 0], {"loss": "log"}, "got a function"),
        (LinearRegression(), {"loss": "absolute"}, "'loss' must be one of log, squared"),
        (LinearRegression(), {"method": "deep_shap"}, "'method' must not be 'deep_shap'"),
    ],
)
def test_what_has_no_loss_is_told(model, keywords, message):
    """Each mistake has its sentence."""
    with pytest.raises(InputError, match=message):
        loss_attribution(model, X, NUMBERS > 20, X[:12], **keywords)


def test_labels_are_the_models():
    """A label that the model does not know has no loss."""
    model = LogisticRegression().fit(X, CLASSES)
    with pytest.raises(InputError, match="'labels' must be the model's classes"):
        loss_attribution(model, X, ["perhaps"] * N, X[:12], method=shapley)
