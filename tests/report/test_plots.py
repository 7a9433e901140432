"""Figures for the page and for notebooks."""

from __future__ import annotations

import warnings

import matplotlib
import pytest
from matplotlib.figure import Figure

from mxfair._validation import InputError
from mxfair.report.plots import plot_gaps, plot_losses, plot_rates, plot_shares


def _texts(figure):
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def test_rates_have_a_panel_each_with_values_at_every_group(report):
    """The numbers stand beside the dots: hollow before, filled after."""
    figure = plot_rates(report, rates=["true_positive_rate", "accuracy"])
    assert isinstance(figure, Figure)
    assert len(figure.axes) == 2
    assert "0.750† → 0.750†" in _texts(figure)
    hollow, filled = figure.axes[0].lines[1:3]
    assert hollow.get_markerfacecolor() != hollow.get_markeredgecolor()
    assert filled.get_markerfacecolor() == filled.get_markeredgecolor()


def test_an_undefined_rate_has_no_dot(undefined):
    """A group without a rate keeps its row, says n/a with its support, and has no marker."""
    figure = plot_rates(undefined, rates=["true_positive_rate"])
    assert "n/a (2 samples)" in _texts(figure)
    assert sum(line.get_marker() == "o" for line in figure.axes[0].lines) == 2


def test_an_unknown_rate_is_refused(report):
    """The nearest spelling is given."""
    with pytest.raises(InputError, match="Did you mean 'accuracy'"):
        plot_rates(report, rates=["acuracy"])


def test_shares_have_a_panel_per_label_and_a_line_per_group(history):
    """Lines are named at their ends."""
    figure = plot_shares(history)
    assert len(figure.axes) == 2
    assert [len(axes.lines) for axes in figure.axes] == [2, 2]
    assert {"a", "b"} <= set(_texts(figure))


def test_gaps_and_losses_take_one_history_or_several(history):
    """A mapping draws a line per model that has the column."""
    assert len(plot_gaps(history).axes[0].lines) == 1
    both = {"plain": history[["epoch", "loss"]], "FairBatch": history}
    assert len(plot_losses(both).axes[0].lines) == 2
    assert len(plot_gaps(both).axes[0].lines) == 1


@pytest.mark.parametrize("draw", [plot_gaps, plot_losses, plot_shares])
def test_a_history_without_the_columns_is_refused(history, draw):
    """The message names the columns that are missing."""
    with pytest.raises(InputError, match="'history' must have"):
        draw(history[["epoch"]])


def test_settings_and_style_of_the_user_stay_untouched(report):
    """Neither rcParams nor warnings filters differ after a page was made."""
    before, filters = dict(matplotlib.rcParams), list(warnings.filters)
    report.to_html()
    assert dict(matplotlib.rcParams) == before
    assert warnings.filters == filters


def test_hostile_names_draw_without_warnings_on_the_page(hostile):
    """Glyphs that matplotlib's font lacks are the browser's business."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        hostile.to_html()
