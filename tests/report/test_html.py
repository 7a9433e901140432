"""The page: self-contained, escaped, readable without eyes or mouse."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

VOID = {"meta", "br", "link", "img", "input", "hr"}


class Page(HTMLParser):
    """Collects tags, attributes and text; fails on tags that do not close in order."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.open, self.text = [], [], ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        """Note a tag."""
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        """Note a tag that closes itself."""
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        """Check that the innermost tag closes."""
        assert self.open.pop() == tag

    def handle_data(self, data):
        """Collect text."""
        if self.open and self.open[-1] != "style":
            self.text += data

    def all(self, name):
        """Return the attributes of every tag of a name."""
        return [attributes for tag, attributes in self.tags if tag == name]


def test_the_page_requests_nothing(page, hostile_page):
    """No address in an attribute or a style; no script, no font, no image from elsewhere."""
    for text in (page, hostile_page):
        parsed = Page(text)
        assert not parsed.all("script")
        assert not parsed.all("link")
        assert not parsed.all("img")
        for tag, attributes in parsed.tags:
            for name, value in attributes.items():
                if name in ("src", "href", "xlink:href", "action", "srcset", "poster", "data"):
                    assert value.startswith("#"), (tag, name, value)
        styles = "".join(re.findall(r"<style>(.*?)</style>", text, flags=re.DOTALL))
        assert "@import" not in styles
        assert not re.search(r"url\((?!#)", text)
        assert "http" not in re.sub(r"https://example\.org", "", text)


def test_names_are_shown_as_text(hostile, hostile_page):
    """Every hostile name appears in full as text, and none as markup."""
    page = Page(hostile_page)
    shown = re.sub(r"\s+", " ", page.text)
    for name in hostile.baseline.table.groups:
        assert re.sub(r"\s+", " ", name).strip() in shown
    assert "(blank)" in shown
    assert not page.all("b")
    assert not page.all("u")
    assert not page.all("s")
    assert not any("onload" in attributes for _, attributes in page.tags)


def test_plots_cut_long_names_and_take_no_name_for_mathematics(hostile_page):
    """In plots a long name ends in an ellipsis, and a dollar sign is a dollar sign."""
    labels = re.findall(r"<text[^>]*>([^<]*)</text>", hostile_page)
    assert any(label.startswith("long name") and label.endswith("…") for label in labels)
    assert any("costs $x^2$ and \\$y" in label for label in labels)


def test_undefined_never_becomes_a_number(undefined):
    """The page says n/a and 'not enough data'; nan does not occur."""
    html = undefined.to_html()
    text = Page(html).text
    assert "n/a (2 samples)" in text
    assert "not enough data" in text
    assert not re.search(r"\bnan\b", html, flags=re.IGNORECASE)


def test_tables_and_figures_can_be_heard(page):
    """Language, captions, scopes, one h1, headings in order, figures with a text, unique ids."""
    parsed = Page(page)
    assert parsed.all("html")[0]["lang"] == "en"
    assert len(parsed.all("caption")) == len(parsed.all("table")) > 3
    assert all("scope" in attributes for attributes in parsed.all("th"))
    ids = [attributes["id"] for _, attributes in parsed.tags if "id" in attributes]
    for svg in parsed.all("svg"):
        assert svg["role"] == "img"
        assert set(svg["aria-labelledby"].split()) <= set(ids)
    assert len(parsed.all("desc")) == len(parsed.all("svg")) > 5
    levels = [int(tag[1]) for tag, _ in parsed.tags if re.fullmatch(r"h\d", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in zip(levels, levels[1:]))
    assert len(ids) == len(set(ids))


def test_the_page_has_a_dark_and_a_printed_form(page):
    """Colours follow the reader's setting, those of the plots included."""
    text = page
    assert "prefers-color-scheme: dark" in text
    assert "@media print" in text
    assert "var(--ink)" in text
    assert "#1f2328" not in "".join(re.findall(r"<svg.*?</svg>", text, flags=re.DOTALL))


def test_the_page_shows_context_and_training(page):
    """Where the numbers come from and how the training moved are sections of the page."""
    text = Page(page).text
    assert "twelve samples" in text
    assert "Share of batches, label 0" in text
    assert "Loss while training" in text


def test_a_notebook_cell_gets_the_same_content_without_a_page(report):
    """The fragment has no html or body tag, and styles nothing outside itself."""
    text = report._repr_html_()
    assert "<body" not in text
    assert "<article" in text
    style = re.search(r"<style>(.*?)</style>", text, flags=re.DOTALL)[1]
    selectors = [part.strip() for part in re.findall(r"([^{}]+)\{", style)]
    assert all(s.startswith((".mxfair-report", "@media")) for s in selectors)


def test_the_same_report_gives_the_same_page(report, page):
    """Nothing on the page depends on the clock or on chance."""
    assert report.to_html() == page


@pytest.mark.parametrize("count", [1, 3, 7])
def test_any_number_of_models_can_be_shown(labels, groups, count):
    """One model, or many."""
    from mxfair.report import FairnessReport, evaluate_predictions

    made = [evaluate_predictions(labels, labels, groups, name=f"m{i}").baseline for i in range(count)]
    assert f"m{count - 1}" in Page(FairnessReport(made).to_html()).text
