"""Write `example.env` and docs/settings.md from the table of settings.

`python -m ops.settings_documents` writes the two files. A test compares the files with this
module's output.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any

from cdk.names import FUNCTIONS
from cdk.settings import OBSOLETE, TABLE
from cdk.settings_row import Section, Setting

WIDTH = 100

EXAMPLE_HEAD = """\
# Copy this file by `install -m 600 example.env .env`, so that nobody else can read it, and fill it
# in. What is set in the shell wins over it. A setting that is left empty counts as not given.
# `invoke stack.synth` names everything that is missing or wrong.
# Secrets go to SSM (/zoom-ingester/<STACK_NAME>/<NAME>), all others into the stack's template.
# Made from cdk/settings.py by `.venv/bin/python -m ops.settings_documents`. See docs/settings.md.
"""

DOCUMENT_HEAD = """\
# Settings

Copy the example by `install -m 600 example.env .env`, so that nobody else can read it. Fill in
the required settings; all others have defaults that work.
`invoke stack.synth` needs no AWS, and names every setting that is missing or wrong.
`invoke stack.update` brings changed settings to the stack.

A setting in the shell overrides `.env`. An empty setting counts as not given. Secrets go to SSM,
as `/zoom-ingester/<STACK_NAME>/<NAME>`; all other settings go into the stack's template. The last
column names the functions that read a setting while they run. Only the template and the commands
read a setting without an entry there.

`.venv/bin/python -m ops.settings_documents` makes this page and `example.env` from
`cdk/settings.py`.
"""

TABLE_HEAD = """\
| setting | default | meaning | value | functions |
| --- | --- | --- | --- | --- |"""


def sections() -> Iterator[tuple[Section, list[Setting[Any]]]]:
    """Yield each section with the section's settings, in the order of TABLE."""
    for section, rows in groupby(TABLE.values(), key=lambda row: row.section):
        yield section, list(rows)


def meaning(row: Setting[Any]) -> str:
    """Return the description of a setting for people, without the form of the setting's value."""
    parts = [
        "Required." if row.missing else "",
        row.line,
        f"Without this setting, `{row.fallback}` is used." if row.fallback else "",
        "Secret." if row.secret else "",
    ]
    return " ".join(filter(None, parts))


def example_file() -> str:
    """Return the text of `example.env`."""
    return "\n".join(_example_lines())


def _example_lines() -> Iterator[str]:
    yield EXAMPLE_HEAD
    for section, rows in sections():
        yield f"# ---- {section.title} ".ljust(WIDTH, "-")
        if section.about or section.see:
            yield from _comment(section.about, _path(section.see))
        yield ""
        for row in rows:
            value = f"Value: {row.requirement}." if row.requirement else ""
            yield from _comment(meaning(row), value, _path(row.see))
            yield f"{row.name}={row.example_text}"
        yield ""


def _comment(*parts: str) -> list[str]:
    text = " ".join(filter(None, parts))
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent="# ",
        subsequent_indent="# ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def _path(see: str) -> str:
    return f"See docs/{see.partition('#')[0]}." if see else ""


def document() -> str:
    """Return the text of docs/settings.md."""
    return "\n".join(_document_lines())


def _document_lines() -> Iterator[str]:
    yield DOCUMENT_HEAD
    for section, rows in sections():
        yield f"## {section.title}\n"
        if section.about or section.see:
            yield from textwrap.wrap(f"{section.about} {_link(section.see)}".strip(), WIDTH)
            yield ""
        yield TABLE_HEAD
        for row in rows:
            default = f"`{row.example_text}`" if row.example_text else ""
            says = f"{meaning(row)} {_link(row.see)}".strip()
            yield f"| `{row.name}` | {default} | {says} | {row.requirement} | {_readers(row)} |"
        yield ""
    yield "## Settings that do nothing any more\n"
    for name, why in OBSOLETE.items():
        yield f"`{name}` is accepted and ignored: {why}."
    yield ""


def _readers(row: Setting[Any]) -> str:
    if row.read_by == FUNCTIONS:
        return "all"
    return ", ".join(function.task for function in row.read_by)


def _link(see: str) -> str:
    return f"See [{_words(see)}]({see})." if see else ""


def _words(see: str) -> str:
    """Return the text of a link: `Opencast: a user` for `opencast.md#1-a-user`."""
    page, _, heading = see.partition("#")
    folder, _, name = page.removesuffix(".md").rpartition("/")
    if folder == "decisions":
        return f"decision {int(name.partition('-')[0])}"
    title = name.replace("-", " ").title()
    return f"{title}: {heading.lstrip('0123456789-').replace('-', ' ')}" if heading else title


def files(root: Path) -> Mapping[Path, str]:
    """Return the text of each file that this module writes, by path."""
    return {root / "example.env": example_file(), root / "docs" / "settings.md": document()}


if __name__ == "__main__":
    for path, text in files(Path(__file__).resolve().parent.parent).items():
        path.write_text(text, encoding="utf-8")
