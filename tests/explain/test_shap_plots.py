"""What plots of contributions draw: the figures of the attribution, in order, and nothing of pyplot."""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd
import pytest

from mxfair._validation import InputError
from mxfair.explain import Attribution, plots


def attribution(n=40):
    """Return contributions of three columns, one of them of two features."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=(n, 4)) * [1, 2, 0.1, 0.1]
    job = rng.integers(0, 2, n)
    data = np.column_stack([rng.normal(size=n), rng.normal(size=n), job == 0, job == 1])
    data[:3, 0] = np.nan
    names = ["age", "hours", "job=a", "job=b"]
    return Attribution(
        values, 0.5, 0.5 + values.sum(axis=1), data, "by hand", columns={"job": [2, 3]}, feature_names=names
    )


def labels(axes):
    """Return the names of the rows from top to bottom."""
    return [text.get_text() for text in axes.get_yticklabels()]


def widths(axes):
    """Return the bars' lengths."""
    return np.array([patch.get_width() for patch in axes.patches])


def test_bars_are_the_importance():
    """A bar per raw column, the largest on top."""
    axes = plots.bar(attribution(), top=2)
    table = attribution().importance()
    assert labels(axes) == list(table.index[:2]) == ["hours", "age"]
    np.testing.assert_allclose(widths(axes), table["mean_absolute"][:2])
    assert axes.get_title(loc="right") == "2 of 3 columns"


def test_a_beeswarm_has_a_dot_per_row_and_column():
    """Dots stand at the contributions; missing values are drawn too."""
    axes = plots.beeswarm(attribution())
    assert labels(axes) == ["hours", "age", "job"]
    drawn = np.concatenate([np.asarray(dots.get_offsets()) for dots in axes.collections])
    assert len(drawn) == 3 * 40
    for row, name in enumerate(labels(axes)):
        here = drawn[np.abs(drawn[:, 1] - row) < 0.5, 0]
        j = attribution().grouped().feature_names.index(name)
        np.testing.assert_allclose(np.sort(here), np.sort(attribution().grouped().values[:, j]))


def test_a_beeswarm_shows_a_sample_of_many_rows():
    """More than 4,000 dots in a row are thinned out, the same ones for the same seed."""
    axes = plots.beeswarm(attribution(9000), top=1)
    assert sum(len(dots.get_offsets()) for dots in axes.collections) == 4000


def test_bars_by_group_are_the_groups_figures():
    """Each group's bars are its own mean sizes, or means with their sign."""
    groups = pd.Series(np.repeat(["f", "m"], 20), name="sex")
    table = attribution().by_group(groups)
    for signed, column in ((False, "mean_absolute"), (True, "mean")):
        axes = plots.by_group(attribution(), groups, signed=signed)
        wanted = [table.loc[(group, name), column] for group in ("f", "m") for name in labels(axes)]
        np.testing.assert_allclose(widths(axes), wanted)


def test_a_waterfall_leads_from_the_background_to_the_output():
    """Bars follow each other and end at the row's output; small ones are put together."""
    frame = pd.DataFrame({"age": 30, "hours": 40, "job": "a"}, index=range(40))
    axes = plots.waterfall(attribution(), 3, data=frame)
    assert sorted(labels(axes)) == ["age = 30", "hours = 40", "job = a"]
    ends = [patch.get_x() + patch.get_width() for patch in axes.patches]
    assert axes.patches[0].get_x() == pytest.approx(0.5)
    assert ends[-1] == pytest.approx(attribution().outputs[3])
    assert labels(plots.waterfall(attribution(), 3, top=1))[-1] == "2 more columns"


def test_images_stand_beside_their_contributions():
    """The picture on the right is the sum over channels, on a scale symmetric about 0."""
    rng = np.random.default_rng(0)
    values, data = rng.normal(size=(3, 3, 8, 8)), rng.random((3, 3, 8, 8))
    found = Attribution(values, 0.0, values.sum(axis=(1, 2, 3)), data, "by hand")
    figure = plots.image(found, [2, 0])
    assert len(figure.axes) == 5
    drawn = figure.axes[1].images[0]
    np.testing.assert_allclose(drawn.get_array(), values[2].sum(axis=0))
    assert drawn.norm.vmin == -drawn.norm.vmax
    with pytest.raises(InputError, match=r"0 to 2; got \[3\]"):
        plots.image(found, [3])
    for plot in (plots.bar, plots.beeswarm):
        with pytest.raises(InputError, match=r"plots\.image"):
            plot(found)
    with pytest.raises(InputError, match="beeswarm"):
        plots.image(attribution())


def test_what_does_not_add_up_has_no_waterfall():
    """Saliency has no way from the background to the output, and no row beyond the last has one."""
    found = Attribution([[1.0]], np.nan, [1.0], [[1.0]], "saliency")
    with pytest.raises(InputError, match="saliency does not"):
        plots.waterfall(found, 0)
    with pytest.raises(InputError, match="below 40"):
        plots.waterfall(attribution(), 40)


def test_given_axes_are_drawn_on_and_pyplot_is_left_alone():
    """A plot can be one panel of a figure of the user's."""
    from matplotlib.figure import Figure

    figures = sys.modules["matplotlib.pyplot"].get_fignums() if "matplotlib.pyplot" in sys.modules else []
    panels = Figure().subplots(1, 4)
    assert plots.bar(attribution(), ax=panels[0]) is panels[0]
    assert plots.beeswarm(attribution(), ax=panels[1]) is panels[1]
    assert plots.by_group(attribution(), ["a", "b"] * 20, ax=panels[2]) is panels[2]
    assert plots.waterfall(attribution(), 0, ax=panels[3]) is panels[3]
    if "matplotlib.pyplot" in sys.modules:
        assert sys.modules["matplotlib.pyplot"].get_fignums() == figures
