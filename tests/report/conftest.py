from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from mxfair.report import FairnessReport, evaluate_predictions

HOSTILE = (
    "<script>alert('x')</script>",
    '"double" & \'single\'" onload="x',
    "costs $x^2$ and \\$y",
    "family 👩‍👩‍👧 東京",
    "مجموعة | שלום",
    "long " + "name " * 39,
    "pipe | and\nnewline",
    "{{ jinja }} {% raw %}",
    "[red]rich[/red] *bold* `code` _x_",
    "   ",
)


@pytest.fixture(scope="session")
def labels():
    """Twelve labels."""
    return np.array([1, 1, 1, 1, 0, 0, 0, 0, 1, 1, 0, 0])


@pytest.fixture(scope="session")
def groups():
    """Eight samples of group a, four of group b."""
    return ["a"] * 8 + ["b"] * 4


@pytest.fixture(scope="session")
def plain(labels, groups):
    """Group a: TPR 3/4, FPR 1/4; group b: TPR 1/2, FPR 0."""
    preds = [1, 1, 1, 0, 1, 0, 0, 0, 1, 0, 0, 0]
    scores = [0.9, 0.8, 0.7, 0.2, 0.6, 0.1, 0.3, 0.4, 0.9, 0.2, 0.3, 0.1]
    return evaluate_predictions(labels, preds, groups, scores=scores, name="plain")


@pytest.fixture(scope="session")
def fair(labels, groups):
    """Group a: TPR 3/4, FPR 1/4; group b: TPR 1, FPR 1/2."""
    preds = [1, 1, 1, 0, 1, 0, 0, 0, 1, 1, 1, 0]
    return evaluate_predictions(labels, preds, groups, name="FairBatch")


@pytest.fixture(scope="session")
def history():
    """Three epochs of a training."""
    return pd.DataFrame(
        {
            "epoch": [1, 2, 3],
            "loss": [0.6, 0.5, 0.45],
            "gap": [0.3, 0.2, 0.1],
            "share[0, a]": [0.3, 0.2, 0.2],
            "share[0, b]": [0.2, 0.3, 0.3],
            "share[1, a]": [0.3, 0.3, 0.2],
            "share[1, b]": [0.2, 0.2, 0.3],
        }
    )


@pytest.fixture(scope="session")
def report(plain, fair, history):
    """Two models, with histories and context."""
    return FairnessReport(
        [*plain.evaluations, *fair.evaluations],
        histories={"plain": history[["epoch", "loss"]], "FairBatch": history},
        context={"data": "twelve samples", "split": "test", "seed": 0},
    )


@pytest.fixture(scope="session")
def hostile():
    """Ten groups whose names are markup, code, long or blank."""
    n = 40 * len(HOSTILE)
    random = np.random.default_rng(0)
    labels, codes = random.integers(0, 2, n), np.arange(n) % len(HOSTILE)
    groups = pd.Series(np.array(HOSTILE, dtype=object)[codes], name="<b>attribute</b>")
    reports = [evaluate_predictions(labels, random.integers(0, 2, n), groups, name=name) for name in ("<i>1", "$2$")]
    names = reports[0].baseline.table.groups
    history = pd.DataFrame({"epoch": [1, 2], **{f"share[<u>, {name}]": [0.1, 0.2] for name in names}})
    evaluations = [e for r in reports for e in r.evaluations]
    context = {"<s>key": "</table><script>1</script> | `x`\nhttps://example.org"}
    return FairnessReport(evaluations, histories={"$2$": history}, context=context)


@pytest.fixture(scope="session")
def undefined():
    """Group b has no positive label: its true positive rate is undefined; one sample's group is missing."""
    return evaluate_predictions([1, 0, 0, 0, 1], [1, 1, 0, 0, 0], ["a", "a", "b", "b", None], name="m")


@pytest.fixture(scope="session")
def page(report):
    """Return the page of `report`."""
    return report.to_html()


@pytest.fixture(scope="session")
def hostile_page(hostile):
    """Return the page of `hostile`."""
    return hostile.to_html()
