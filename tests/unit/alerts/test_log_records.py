"""Tests of parsing the lines of a log: our log records, Lambda's own lines, and any other text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingester import log
from ingester.alerts.log_records import records_of
from ingester.log_level import Level
from tests import log_lines
from tests.log_lines import REQUEST, line_of


def test_log_record_of_our_code_is_parsed_as_it_was_written() -> None:
    error = KeyError("no such thing")
    with log.context(uuid="u==", zip_id="auto-ingest-u==", aws_request_id="r"):
        line = line_of("ERROR", "Gave up: %s", "enough", error=error, outlook="Nothing.")
    [record] = records_of([line])
    assert record.level is Level.ERROR
    assert record.message == record.headline == "Gave up: enough"
    assert record.location == "uploader._bury:340"
    assert record.timestamp.endswith("Z")
    assert (record.uuid, record.zip_id, record.request_id) == ("u==", "auto-ingest-u==", "r")
    assert record.outlook == "Nothing."
    assert "KeyError: 'no such thing'" in record.exception
    assert record.crash == ""


@pytest.mark.parametrize(
    ("line", "crash", "headline"),
    [
        (log_lines.TIMED_OUT, "timed out", "Task timed out after 900.10 seconds"),
        (log_lines.KILLED, "was killed", "Error: Runtime exited with error: signal: killed"),
        (log_lines.RAISED, "crashed", "SettingsError: A secret is missing under"),
        (log_lines.NO_IMPORT, "crashed", "Runtime.ImportModuleError: Unable to import module"),
        (log_lines.PRINTED, "crashed", "KeyError: 1"),
    ],
)
def test_log_record_of_a_crash_has_the_kind_and_headline_of_the_crash(
    line: str, crash: str, headline: str
) -> None:
    [record] = records_of([line])
    assert (record.level, record.crash) == (Level.CRITICAL, crash)
    assert record.headline.startswith(headline)


@pytest.mark.parametrize(
    "lines",
    [
        (log_lines.TIMED_OUT, log_lines.ROUTINE[1], log_lines.TIMEOUT_REPORT),
        (log_lines.KILLED, log_lines.ROUTINE[1], log_lines.KILLED_REPORT),
        log_lines.PRINTED.splitlines(),
    ],
)
def test_log_lines_about_the_same_crash_become_one_log_record(lines: tuple[str, ...]) -> None:
    [record] = records_of([line_of("INFO"), *lines, line_of("INFO")])[1:2]
    assert record.crash
    assert len(records_of(lines)) == 1


def test_crashes_of_two_invocations_become_two_log_records() -> None:
    other = log_lines.TIMED_OUT.replace(REQUEST[:8], "00000000")
    records = records_of([log_lines.TIMED_OUT, other])
    assert [record.crash for record in records] == ["timed out"] * 2


def test_routine_lines_of_lambda_become_no_log_records() -> None:
    assert records_of([*log_lines.ROUTINE, "", "\n", "  "]) == []


def test_log_line_that_is_not_a_log_record_gets_the_level_that_its_text_names_or_else_info() -> (
    None
):
    lines = ["moov: ERROR at 12", "CRITICAL disk", "a WARNING", "ERRORS are no level", "hm"]
    assert [record.level.name for record in records_of(lines)] == [
        "ERROR",
        "CRITICAL",
        "WARNING",
        "INFO",
        "INFO",
    ]


def test_log_line_is_parsed_as_text_unless_it_is_a_json_object_with_a_known_level() -> None:
    lines = ["{", "{}", '{"level": 3}', log_lines.with_level(line_of(), "LOUD"), "[1]"]
    assert [record.message for record in records_of(lines)] == list(lines)
    [record] = records_of(['{"level": "error", "message": {"a": 1}, "uuid": null}'])
    assert (record.level, record.message, record.uuid) == (Level.ERROR, '{"a":1}', "")


@given(st.lists(st.text() | st.sampled_from([*log_lines.CRASHES, *log_lines.ROUTINE, line_of()])))
def test_log_lines_are_parsed_whatever_their_text(lines: list[str]) -> None:
    for record in records_of(lines):
        assert record.headline == "" or record.headline in record.message
