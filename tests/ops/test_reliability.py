"""Tests of the crash sweep's tables in docs/reliability.md, and of the code that writes tables."""

from __future__ import annotations

import pytest

from tests.crashes.calls import Call
from tests.crashes.document import GOOD, PATH, NoPlace, cell, cells_in, table, with_table
from tests.crashes.proxy import Aim, Moment
from tests.crashes.sweep import Result
from tests.crashes.triggers import TRIGGERS

TABLES = cells_in(PATH.read_text("utf-8"))
SEND = Call("SQS: SendMessage download")


def test_the_reliability_document_has_a_table_for_every_function_of_the_crash_sweep() -> None:
    assert list(TABLES) == [trigger.function.name for trigger in TRIGGERS]


@pytest.mark.parametrize("function", TABLES)
def test_the_crash_table_of_a_function_has_a_good_result_in_every_cell(function: str) -> None:
    rows = TABLES[function]
    holes = [call for call, cells in rows.items() if not all(map(GOOD.fullmatch, cells))]
    assert holes == []
    assert len(rows) >= 5


@pytest.mark.parametrize(
    ("function", "call"),
    [
        ("zoom-webhook", "SQS: SendMessage download"),
        ("zoom-on-demand", "webhook: POST /new_recording"),
        ("zoom-downloader", "S3: CompleteMultipartUpload"),
        ("zoom-downloader", "SQS: SendMessage upload.fifo"),
        ("zoom-uploader", "Opencast: POST /ingest/addMediaPackage/…"),
        ("zoom-reconcile", "webhook: POST /new_recording"),
    ],
)
def test_the_crash_table_of_a_function_lists_a_call_that_has_an_effect(
    function: str, call: str
) -> None:
    assert call in TABLES[function]


def test_a_written_crash_table_can_be_read_back() -> None:
    results = [
        Result(Aim(SEND, Moment.BEFORE), deliveries=2),
        Result(Aim(SEND, Moment.AFTER), deliveries=3),
    ]
    text = "Before.\n<!-- crashes: one -->\nold\n<!-- end -->\nAfter.\n"
    written = with_table(text, "one", table(results))
    assert cells_in(written) == {
        "one": {str(SEND): ("once, after 2 deliveries", "once, after 3 deliveries")}
    }
    assert with_table(written, "one", table(results)) == written
    assert written.startswith("Before.\n")
    assert written.endswith("\nAfter.\n")


def test_a_crash_table_has_an_empty_cell_when_a_crash_was_left_out() -> None:
    text = with_table(
        "<!-- crashes: one -->\n<!-- end -->", "one", table([Result(Aim(SEND, Moment.AFTER), 2)])
    )
    assert cells_in(text)["one"][str(SEND)] == ("", "once, after 2 deliveries")


def test_a_crash_table_cell_reports_a_failure_when_a_recording_is_lost() -> None:
    lost = cell(Result(Aim(SEND, Moment.AFTER), problem="0 times in Opencast"))
    assert not GOOD.fullmatch(lost)


def test_crash_table_is_refused_when_its_function_has_no_place_in_the_document() -> None:
    with pytest.raises(NoPlace, match="crashes: two"):
        with_table("<!-- crashes: one -->\n<!-- end -->", "two", "")
