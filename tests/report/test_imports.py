"""A report from arrays needs no engine."""

from __future__ import annotations

import subprocess
import sys

CODE = """
import sys
import mxfair.report
heavy = {"mxnet", "matplotlib", "sklearn", "jinja2", "rich"}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
from mxfair.report import evaluate_predictions
report = evaluate_predictions([0, 1, 0, 1], [0, 1, 1, 1], list("aabb"), scores=[.1, .9, .6, .7])
report.to_html(), str(report), report.to_json(), report.to_markdown(), report._repr_html_()
assert "mxnet" not in sys.modules
assert "matplotlib.pyplot" not in sys.modules
"""


def test_a_report_imports_neither_mxnet_nor_pyplot_and_starts_light():
    """Importing the package loads no heavy library; a whole report never loads mxnet or pyplot."""
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", CODE], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_all_names_what_is_public():
    """__all__ and the documented names agree."""
    import mxfair.report

    assert sorted(mxfair.report.__all__) == [
        "Evaluation",
        "ExplanationReport",
        "FairnessReport",
        "ModelCard",
        "ModelExplanation",
        "RegressionEvaluation",
        "evaluate",
        "evaluate_predictions",
        "explain",
    ]
    assert all(getattr(mxfair.report, name).__doc__ for name in mxfair.report.__all__)
