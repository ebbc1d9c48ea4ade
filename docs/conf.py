"""The website of the documents: `make docs`, which treats each warning as an error.

Sphinx reads it (https://www.sphinx-doc.org/en/master/usage/configuration.html). The sources are the
Markdown files as they are; the contents of the sidebar are added to docs/index.md.
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
"""The sidebar's parts, and their pages."""


def add_contents(_app: object, page: str, source: list[str]) -> None:
    """Add the sidebar's contents to the first page, and the decisions to their list."""
    if page == root_doc:
        source[0] += "".join(contents(part, names.split()) for part, names in PARTS.items())
    if page == "docs/decisions/README":
        source[0] += contents("", ["*"], "glob")


def contents(caption: str, pages: list[str], *options: str) -> str:
    """Return a directive of the sidebar in Markdown."""
    lines = [":hidden:", *(f":{option}:" for option in options), f":caption: {caption}"]
    if not caption:
        lines.pop()
    return "\n".join(["", "```{toctree}", *lines, "", *pages, "```", ""])


def setup(app: Any) -> None:
    """Connect to Sphinx."""
    app.connect("source-read", add_contents)
