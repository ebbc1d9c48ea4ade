"""`example.env` and docs/settings.md are what the table of settings makes of them."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import pytest
from dotenv import dotenv_values

from cdk.settings import TABLE
from ops import settings_documents
from ops.target import ROOT

FILES = settings_documents.files(ROOT)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_settings_document_is_up_to_date_with_the_table(path: Path) -> None:
    up_to_date = path.read_text("utf-8") == FILES[path]
    assert up_to_date, f"{path} is out of date: run `python -m ops.settings_documents`."


def test_the_example_file_has_every_setting_with_its_default() -> None:
    expected = {name: row.example_text for name, row in TABLE.items()}
    assert dotenv_values(ROOT / "example.env") == expected


def test_the_example_file_explains_every_setting_in_lines_that_fit() -> None:
    lines = settings_documents.example_file().splitlines()
    for above, line in pairwise(lines):
        assert len(line) <= settings_documents.WIDTH
        if re.match(r"[A-Z_]+=", line):
            assert above.startswith("# "), f"{line} stands without a comment"


def test_the_settings_page_has_every_setting_once() -> None:
    rows = re.findall(r"^\| `([A-Z_]+)` \|", settings_documents.document(), re.MULTILINE)
    assert rows == list(TABLE)


def test_a_setting_s_line_is_a_sentence_that_stays_in_its_cell() -> None:
    for row in TABLE.values():
        assert re.fullmatch(r"[A-Z][^|\n]{8,250}\.", row.line), row.name


def test_each_section_of_settings_appears_once() -> None:
    titles = [section.title for section, _ in settings_documents.sections()]
    assert len(titles) == len(set(titles))
