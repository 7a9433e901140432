"""Settings of the HTML site: `make docs` writes docs/_build/html. Nothing here needs the network."""

from __future__ import annotations

import pathlib
import re
import sys

DOCS = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(DOCS.parent), str(DOCS / "_ext")]  # this checkout, installed or not

import mxfair  # noqa: E402  # found through the path set above

project = "mxfair"
author = "the mxfair contributors"
copyright = "the mxfair contributors, Apache License 2.0"
release = version = mxfair.__version__

extensions = [
    "sphinx.ext.autodoc",
    "numpydoc",
    "myst_nb",
    "sphinx_copybutton",
    "api_pages",  # the four below are in _ext
    "plain_markdown",
    "names",
    "mathml",
]
root_doc = "index"
exclude_patterns = ["_build", "_ext", "_templates"]
templates_path = ["_templates"]

# Pages are plain Markdown that GitHub shows too: links to headings are GitHub's.
myst_heading_anchors = 4
myst_enable_extensions = ["dollarmath"]
nb_execution_mode = "off"  # the tests run every notebook and every page, and compare what they print
nb_merge_streams = True
nb_ipywidgets_js: dict[str, dict[str, str]] = {}  # no script from elsewhere

# Docstrings are numpydoc; types stand in their sections, so signatures are left short.
autodoc_typehints = "none"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
numpydoc_show_class_members = False
numpydoc_xref_param_type = False
numpydoc_class_members_toctree = False
default_role = "name"
toc_object_entries_show_parents = "hide"
python_maximum_signature_line_length = 100

# What numpydoc and autodoc write that is no name of ours.
nitpick_ignore_regex = [
    ("py:.*", r"(mxnet|numpy|pandas|sklearn|scipy|matplotlib|typing|collections|fairlearn|jinja2|rich)(\..*)?"),
    ("py:.*", r"(mxfair\.)?([a-z_.]*\.)?_\w+(\.\w+)*"),  # private base classes
]

linkcheck_timeout = 20
linkcheck_workers = 4
linkcheck_anchors = False
linkcheck_retries = 2

html_math_renderer = "mathml"
html_theme = "pydata_sphinx_theme"
html_title = "mxfair"
html_static_path = ["_static"]
html_css_files = ["mxfair.css"]
html_copy_source = False
html_show_sourcelink = False
html_show_sphinx = False
html_sidebars = {"**": ["sidebar-tree.html"]}
html_theme_options = {
    "logo": {"text": "mxfair"},
    "navbar_center": [],
    "navbar_end": ["theme-switcher"],
    "navbar_persistent": ["search-button-field"],
    "secondary_sidebar_items": ["page-toc"],
    "show_toc_level": 2,
    "show_prev_next": True,
    "footer_start": ["copyright"],
    "footer_end": [],
    "pygments_light_style": "a11y-light",
    "pygments_dark_style": "a11y-dark",
    "back_to_top_button": False,
}
html_context = {"default_mode": "auto"}
copybutton_prompt_text = re.escape(">>> ") + "|" + re.escape("... ")
copybutton_prompt_is_regexp = True
copybutton_only_copy_prompt_lines = True
