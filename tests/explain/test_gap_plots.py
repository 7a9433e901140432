"""Figures of decomposed gaps show the numbers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from mxfair._validation import InputError
from mxfair.explain import Attribution, gap_decomposition, plots

pytest.importorskip("matplotlib")

RNG = np.random.default_rng(2)
GROUPS = np.repeat(["m", "f$"], [80, 120])
X = RNG.normal(size=(200, 12)) + 0.4 * (GROUPS == "m")[:, None]


def decomposed(factor=1.0, **keywords):
    """Return the decomposition of a linear model of twelve columns."""
    weights = factor * np.linspace(2, -0.5, 12)
    known = Attribution((X - X.mean(0)) * weights, X.mean(0) @ weights, X @ weights, X, "by hand")
    return gap_decomposition(None, X, GROUPS, attribution=known, pair=("m", "f$"), **keywords)


def texts(axes):
    """Return everything that is written."""
    axes.figure.canvas.draw()
    ticks = [label.get_text() for label in axes.get_yticklabels()]
    return [*ticks, *(text.get_text() for text in axes.texts), axes.get_title("left"), axes.get_title("right")]


def test_the_waterfall_runs_from_one_mean_to_the_other():
    """The bars begin at the second group's mean, each where the last one ended, and end at the first group's."""
    part = decomposed().part
    axes = plots.gap(part, top=5)
    bars = [bar for container in axes.containers if hasattr(container, "patches") for bar in container.patches]
    assert len(bars) == 7  # five columns, the others, the remainder
    ends = [bar.get_x() + bar.get_width() for bar in bars]
    assert bars[0].get_x() == pytest.approx(part.means[1])
    assert [bar.get_x() for bar in bars[1:]] == pytest.approx(ends[:-1])
    assert ends[-1] == pytest.approx(part.means[0])


def test_the_waterfall_names_its_rows():
    """Columns, the two means, and the gap's size are written, dollar signs as they are."""
    gap = decomposed(preds=(X[:, 0] > 0).astype(int))
    written = texts(plots.gap(gap, top=5))
    assert {"x0", "(7 other columns)", "(remainder)", "mean, m"} <= set(written)
    assert any(text.startswith("m minus") and r"f\$" in text for text in written)
    assert any(text.startswith("selection rates") for text in written)


def test_before_and_after_stand_in_one_row():
    """Each row has a hollow and a filled marker at the two contributions."""
    both = decomposed().beside(decomposed(0.5), names=("plain", "fair"))
    axes = plots.gap_comparison(both, top=3)
    markers = [line for line in axes.lines if line.get_marker() == "o"]
    first = both.to_frame().iloc[0]
    assert markers[0].get_xdata()[0] == pytest.approx(first["plain"])
    assert markers[1].get_xdata()[0] == pytest.approx(first["fair"])
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["plain", "fair"]


def test_a_part_that_is_not_there_is_told():
    """Parts are counted from 0."""
    with pytest.raises(InputError, match="'part' must be from 0 to 0; got 1"):
        plots.gap_comparison(decomposed().beside(decomposed()), part=1)


def test_proxies_are_filled_and_named():
    """A proxy is filled and named, another column is hollow."""
    table = pd.DataFrame(
        {
            "contribution": [1.0, 0.1],
            "low": [0.9, -0.1],
            "high": [1.1, 0.3],
            "auc": [0.9, 0.5],
            "auc_floor": [0.52, 0.52],
            "proxy": [True, False],
        },
        index=["title", "age"],
    )
    axes = plots.proxies(table)
    hollow = [line.get_markerfacecolor() == "#ffffff" for line in axes.lines if line.get_marker() == "o"]
    assert hollow == [False, True]
    assert [text.get_text() for text in axes.texts] == ["title"]


def test_another_table_has_no_proxies():
    """A table without the columns is told."""
    with pytest.raises(InputError, match="it lacks the column 'auc'"):
        plots.proxies(pd.DataFrame({"contribution": [1.0]}))


def test_axes_that_are_given_are_drawn_on():
    """ax= is returned."""
    from matplotlib.figure import Figure

    axes = Figure().subplots()
    assert plots.gap(decomposed(), ax=axes) is axes
