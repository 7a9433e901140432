"""Simulated people with and without a planted bias: one function for each sign that is tested."""

from __future__ import annotations

import numpy as np
from sklearn.linear_model import LogisticRegression, Ridge

from mxfair.diagnosis import anchoring_signs, availability_signs, confirmation_signs, selection_signs

LINEAR = LogisticRegression()
N = 600


def people(rng, n=N):
    """Return columns and groups; the columns differ between groups, so that naive comparisons are confounded."""
    groups = rng.choice(["a", "b"], n, p=[0.6, 0.4])
    X = rng.normal(size=(n, 3))
    X[:, 0] += 0.8 * (groups == "b")
    return X, groups


def yes(rng, score):
    """Return decisions whose log odds are a score."""
    return (rng.random(len(score)) < 1 / (1 + np.exp(-score))).astype(int)


def shares(rng, planted):
    """Compare the data with shares of a census."""
    groups = rng.choice(["a", "b"], N, p=[0.6, 0.4])
    return selection_signs(groups=groups, reference={"a": 0.52, "b": 0.48} if planted else {"a": 0.6, "b": 0.4})


def sampled_shares(rng, planted):
    """Compare the data with another data set."""
    groups = rng.choice(["a", "b"], N, p=[0.6, 0.4])
    p = [0.5, 0.5] if planted else [0.6, 0.4]
    return selection_signs(groups=groups, reference_groups=rng.choice(["a", "b"], N, p=p))


def shift(rng, planted):
    """Columns of one group moved between data and reference."""
    (X, groups), (other, theirs) = people(rng), people(rng)
    other[:, 1] += planted * 0.7 * (theirs == "b")
    return selection_signs(X, groups, reference_X=other, reference_groups=theirs, learner=LINEAR, seed=rng)


def selection(rng, planted):
    """Select by columns, and by group where planted."""
    X, groups = people(rng)
    selected = yes(rng, X[:, 0] - planted * 1.2 * (groups == "b"))
    return selection_signs(X, groups, selected=selected, learner=LINEAR, seed=rng)


def unlabelled(rng, planted):
    """Labels that are missing by columns, and by group where planted."""
    X, groups = people(rng)
    labels = X[:, 1].copy()
    labels[yes(rng, -1 + 0.5 * X[:, 0] + planted * 1.2 * (groups == "b")) == 1] = np.nan
    return selection_signs(X, groups, labels=labels, learner=LINEAR, seed=rng)


def prior(rng, planted):
    """Labels and rule that look at the same columns; where planted, labels of b are often copied."""
    X, groups = people(rng)
    rule, judged = yes(rng, X[:, 0] + X[:, 1]), yes(rng, X[:, 0] + X[:, 1])
    copied = planted & (groups == "b") & (rng.random(N) < 0.5)
    labels = np.where(copied, rule, judged)
    return confirmation_signs(labels, groups, X=X, prior=rule, learner=LINEAR, seed=rng)


def annotator(rng, planted):
    """Three annotators; where planted, one copies the rule."""
    X, groups = people(rng)
    rule, judged, who = yes(rng, X[:, 0]), yes(rng, X[:, 0]), rng.choice(["ann", "bob", "eve"], N)
    copied = planted & (who == "eve") & (rng.random(N) < 0.6)
    return confirmation_signs(np.where(copied, rule, judged), groups, prior=rule, annotators=who)


def agreement(rng, planted):
    """Three annotators, some labels missing; where planted, labels of b are noisier."""
    _, groups = people(rng)
    truth = rng.integers(0, 2, N)
    wrong = rng.random((N, 3)) < np.where(planted & (groups == "b"), 0.3, 0.12)[:, None]
    labels = np.where(wrong, 1 - truth[:, None], truth[:, None]).astype(float)
    labels[rng.random((N, 3)) < 0.2] = np.nan
    return confirmation_signs(groups=groups, annotations=labels, seed=rng)


def noise(rng, planted):
    """Labels a line predicts, flipped for some; where planted, for more of b."""
    groups = rng.choice(["a", "b"], N, p=[0.6, 0.4])
    X = rng.normal(size=(N, 3))
    labels = yes(rng, 4 * X[:, 0])
    flipped = rng.random(N) < np.where(planted & (groups == "b"), 0.25, 0.05)
    return confirmation_signs(np.where(flipped, 1 - labels, labels), groups, X=X, learner=LINEAR, seed=rng)


def model(rng, planted):
    """Take a model that agrees with the rule as often as labels do; where planted, more often on b."""
    _, groups = people(rng)
    rule = rng.integers(0, 2, N)
    labels, preds = (np.where(rng.random(N) < 0.7, rule, 1 - rule) for _ in range(2))
    preds = np.where(planted & (groups == "b") & (rng.random(N) < 0.5), rule, preds)
    return confirmation_signs(labels, groups, prior=rule, preds=preds)


def seeds(rng, planted):
    """Eight models; where planted, they waver more about b."""
    _, groups = people(rng)
    score = rng.normal(size=N)
    wavering = np.where(planted & (groups == "b"), 0.8, 0.3)
    starts = np.repeat(["random", "trained"], 4)
    moved = (planted * 0.5 * (starts == "trained"))[:, None] * (groups == "b")
    predictions = (score + moved + wavering * rng.normal(size=(8, N)) > 0).astype(int)
    return anchoring_signs(groups, predictions=predictions, starts=starts)


def order(rng, planted):
    """Sittings of mild and severe judges; where planted, labels of b lean on the one before and rise."""
    _, groups = people(rng)
    session, place = np.repeat(np.arange(20), 30), np.tile(np.arange(30), 20)
    labels = np.repeat(rng.normal(size=20), 30) + rng.normal(size=N)
    if planted:
        for t in range(1, N):
            if session[t] == session[t - 1] and groups[t] == "b":
                labels[t] += 0.5 * (labels[t - 1] - labels[session == session[t]].mean()) + place[t] / 30
    shuffled = rng.permutation(N)
    return anchoring_signs(
        groups[shuffled], labels=labels[shuffled], order=place[shuffled], session=session[shuffled], seed=rng
    )


def shown(rng, planted):
    """Show a value that hangs on the columns, as labels do; where planted, labels of b follow it besides."""
    X, groups = people(rng)
    value = X[:, 0] + rng.normal(size=N)
    labels = X[:, 0] + rng.normal(size=N) + planted * 0.4 * value * (groups == "b")
    return anchoring_signs(groups, labels=labels, shown=value, X=X, learner=Ridge(), seed=rng)


def recency(rng, planted):
    """Years; where planted, b's are older."""
    _, groups = people(rng)
    return availability_signs(groups=groups, time=2020 + rng.normal(size=N) - planted * 0.5 * (groups == "b"))


def sparsity(rng, planted):
    """Where planted, b is spread wider."""
    groups = rng.choice(["a", "b"], N, p=[0.7, 0.3])
    X = rng.normal(size=(N, 3)) * np.where(planted & (groups == "b"), 1.5, 1.0)[:, None]
    return availability_signs(X, groups)


def gaps(rng, planted):
    """Missing values; where planted, b has more of them."""
    X, groups = people(rng)
    X[rng.random((N, 3)) < np.where(planted & (groups == "b"), 0.25, 0.1)[:, None]] = np.nan
    return availability_signs(X, groups)


def sources(rng, planted):
    """Ten sources; where planted, most of b come from one."""
    _, groups = people(rng)
    source = rng.integers(0, 10, N)
    source[planted & (groups == "b") & (rng.random(N) < 0.3)] = 0
    return availability_signs(groups=groups, source=source, seed=rng)


#: What is planted, and the signs that are to be found: by their name and what `groups` begins with.
PLANTED = [
    (shares, ["share against the reference"], ""),
    (sampled_shares, ["share against the reference"], ""),
    (shift, ["covariate shift", "column shift"], "b"),
    (selection, ["selection at equal columns"], "b"),
    (unlabelled, ["missing labels at equal columns"], "b"),
    (prior, ["label follows the prior decision"], "b"),
    (annotator, ["annotator follows the prior decision"], "b, eve"),
    (agreement, ["annotator agreement"], "b"),
    (noise, ["label noise"], "b"),
    (model, ["model repeats the prior decision"], "b"),
    (seeds, ["spread over seeds", "gap between starts"], "b"),
    (order, ["serial dependence", "trend within a session"], "b"),
    (shown, ["label follows the shown value"], "b"),
    (recency, ["recency"], "b"),
    (sparsity, ["sparsity"], "b"),
    (gaps, ["incomplete rows", "missing column"], "b"),
    (sources, ["concentration of sources"], "b"),
]
