"""Tests of schedule imports: the files' format, hints, and a wrong address."""

from __future__ import annotations

import codecs
from pathlib import Path

import pytest

from ops.command import OpsError
from ops.schedule.commands import import_csv, show
from ops.schedule.files import read_csv
from ops.schedule.oc_import import endpoint_of
from tests.cloud import Cloud
from tests.command_line import ROW, SHEET


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_cells_of_a_csv_file_may_be_separated_by_commas_semicolons_or_tabs(
    tmp_path: Path, separator: str
) -> None:
    path = tmp_path / "fall.csv"
    path.write_text((SHEET + ROW).replace(",", separator))
    assert [len(row) for row in read_csv(path).rows] == [6, 6]


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"PK\x03\x04\x14\x00", "an Excel workbook"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "an old Excel workbook"),
        (codecs.BOM_UTF16_LE + SHEET.encode("utf-16-le"), "in UTF-16"),
        (codecs.BOM_UTF16_BE + SHEET.encode("utf-16-be"), "in UTF-16"),
    ],
)
def test_error_names_the_format_when_a_csv_file_is_a_workbook_or_in_utf_16(
    tmp_path: Path, content: bytes, what: str
) -> None:
    path = tmp_path / "fall.csv"
    path.write_bytes(content)
    with pytest.raises(
        OpsError, match=rf"fall\.csv is {what}.*: save or export it as CSV in UTF-8"
    ):
        read_csv(path)


def test_a_schedule_import_lists_hints_apart_from_skipped_rows(
    aws: Cloud, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "fall.csv"
    path.write_text(
        SHEET + ROW.replace("9:30", "1:30") + ROW.replace("https://zoom.us/j/123", "no")
    )
    show(import_csv(aws.schedule, read_csv(path)), dry_run=False)
    lines = capsys.readouterr().out.splitlines()
    skipped = lines.index("Skipped rows, 1 in all:")
    hints = lines.index("Incomplete rows, which are imported, 1 in all:")
    assert "row 3" in lines[skipped + 1]
    assert "row 2" in lines[hints + 1]


def test_oc_import_refuses_a_single_word_as_an_address() -> None:
    with pytest.raises(OpsError, match="has to be an address"):
        endpoint_of("foo", "series.json", "user", "password")
