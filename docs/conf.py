"""Sphinx's configuration for the website of the documents, which `make docs` builds.

`make docs` treats each warning as an error. The website shows the Markdown files unchanged, except
that `add_contents` adds the contents of the sidebar.
https://www.sphinx-doc.org/en/master/usage/configuration.html
"""

from __future__ import annotations

from typing import Any

project = "Zoom Ingester Pipeline"
extensions = ["myst_parser"]
root_doc = "docs/index"
include_patterns = [
    "docs/**",
    "README.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "CHANGELOG.md",
    "bench/README.md",
]
exclude_patterns = [".*", "node_modules", "cdk.out", "dist", "functions", "tests"]
html_theme = "furo"
html_title = project
html_extra_path = ["website"]
html_static_path = ["static"]
html_css_files = ["website.css"]
html_js_files = ["website.js"]
html_show_copyright = False
myst_heading_anchors = 4
smartquotes = False

PARTS = {
    "For whom": "for-lecturers for-coordinators for-producers for-operators for-developers",
    "Use": "page slack schedule google-sheets",
    "Set up": "set-up zoom opencast captions settings switching",
    "Run": "operations commands incidents security",
    "Know": "architecture glossary api reliability performance capacity costs",
    "Develop": "local decisions/README ../CONTRIBUTING ../bench/README",
    "About": "../README ../CHANGELOG ../SECURITY",
}
"""The pages of each part of the sidebar, by the part's caption."""


def add_contents(_app: object, page: str, source: list[str]) -> None:
    """Add the sidebar's contents to the first page, and a list of all decisions to their page."""
    if page == root_doc:
        source[0] += "".join(contents(part, names.split()) for part, names in PARTS.items())
    if page == "docs/decisions/README":
        source[0] += contents("", ["*"], "glob")


def name_once(
    _app: object, _page: str, _template: str, context: dict[str, Any], _tree: object
) -> None:
    """Leave the website's name out of the title of a page that has this name itself (README)."""
    if context.get("title") == project:
        context["docstitle"] = ""


def contents(caption: str, pages: list[str], *options: str) -> str:
    """Return a `toctree` directive in Markdown, which adds `pages` to the sidebar."""
    lines = [":hidden:", *(f":{option}:" for option in options), f":caption: {caption}"]
    if not caption:
        lines.pop()
    return "\n".join(["", "```{toctree}", *lines, "", *pages, "```", ""])


def setup(app: Any) -> None:
    """Register `add_contents` with Sphinx."""
    app.connect("source-read", add_contents)
    app.connect("html-page-context", name_once)
