"""Pages in headless Chromium: no error, no request, and nothing serious that axe-core finds, in light and dark.

Needs node, chromium, and a folder with axe-core and puppeteer-core that the variable MXFAIR_AXE names; skipped, saying
so, without them (CONTRIBUTING.md has the commands).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mxfair.report import FairnessReport, evaluate_predictions

SCRIPT = Path(__file__).parents[2] / "scripts" / "check_page.mjs"
LONG = "long name " * 1000
NAMES = [
    "<script>alert(1)</script>",
    "\"q\" & 'q'",
    "👩‍👩‍👧 東京",
    "مجموعة שלום",
    LONG,
    "=cmd()|' /C calc'!A0",
    "a",
    "b",
]


def random_decisions(n_models, groups, n_classes=2, scored=True):
    """Return a report of models that decide at random."""
    random = np.random.default_rng(0)
    n = 120 * len(groups)
    names = pd.Series(np.array(groups, dtype=object)[np.arange(n) % len(groups)], name=groups[0])
    labels = random.integers(0, n_classes, n)
    reports = []
    for place in range(n_models):
        scores = random.uniform(size=n)
        preds = (scores > 0.5).astype(int) if n_classes == 2 else random.integers(0, n_classes, n)
        given = scores if scored and n_classes == 2 else None
        name = f"{groups[place % len(groups)]} {place}"
        reports.append(evaluate_predictions(labels, preds, names, scores=given, name=name, title=groups[0]))
    return reports


def joined(reports, **settings):
    """Return one report of all models."""
    return FairnessReport([report.baseline for report in reports], **settings)


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """Write a page of each kind; return the paths."""
    folder = tmp_path_factory.mktemp("pages")
    random = np.random.default_rng(1)
    labels, groups = random.normal(50, 10, 300), random.choice(["a", "b"], 300)
    part = {"group": "a", "against": "b", "condition": "all", "gap": 0.2, "gap_error": 0.02}
    part["rows"] = [{"column": name, "contribution": 0.1, "standard_error": 0.02} for name in NAMES]
    explanations = [{"schema": "mxfair.gap_decomposition/1", "output": "score", "method": "x", "parts": [part]}]
    history = pd.DataFrame({"epoch": [1, 2], "loss": [0.4, 0.3], "gap": [0.2, 0.1], "share[0, a]": [0.2, 0.3]})
    two = random_decisions(2, ["a", "b"])
    hostile = random_decisions(2, NAMES)
    made = {
        "one": two[0],
        "two": joined(two, explanations=explanations, histories={"b 1": history}, context={"data": "none"}),
        "many": joined(random_decisions(4, ["a", "b", "c"]), front=[{"gap": 0.1, "accuracy": 0.5}]),
        "hostile": joined(hostile, title=LONG, explanations=explanations, context={NAMES[0]: LONG}),
        "classes": joined(random_decisions(2, ["a", "b"], n_classes=4)),
        "regression": evaluate_predictions(labels, labels + random.normal(size=300), groups, name=NAMES[0]),
        "card": two[0].model_card(intended_use=NAMES[0], limits=NAMES),
    }
    return [made[name].save(folder / f"{name}.html") for name in made]


@pytest.mark.slow
def test_pages_open_without_errors_requests_or_serious_findings(pages):
    """Every kind of page, at the width of a desktop and of a phone, in light and in dark."""
    axe = os.environ.get("MXFAIR_AXE", "")
    lacking = [name for name in ("node", "chromium") if shutil.which(name) is None]
    if lacking or not axe or not (Path(axe) / "node_modules" / "axe-core").is_dir():
        pytest.skip(f"needs node, chromium and MXFAIR_AXE (a folder with axe-core); lacking: {lacking or 'MXFAIR_AXE'}")
    command = ["node", str(SCRIPT), axe, *map(str, pages)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(found) == 4 * len(pages), done.stderr
    for page in found:
        serious = [v for v in page["violations"] if v["impact"] in ("serious", "critical")]
        assert (serious, page["errors"], page["requests"]) == ([], [], []), page["page"]
        assert page["overflow"] <= 1, f"{page['page']} is wider than its window of {page['width']}"
    assert done.returncode == 0


@pytest.mark.slow
def test_pages_are_small(pages):
    """No page is larger than 2 MB."""
    assert max(path.stat().st_size for path in pages) < 2_000_000
