"""Grouping of log records into faults."""

from __future__ import annotations

import msgspec
import pytest

from ingester.alerts.faults import Fault, faults_in, shape_of
from ingester.alerts.log_records import LogRecord
from ingester.log_level import Level
from tests import log_lines
from tests.log_lines import REQUEST


def record(message: str = "Gave up", **more: str) -> LogRecord:
    known = LogRecord(level=Level.ERROR, message=message, location="uploader._bury:340")
    return msgspec.structs.replace(known, **more)


def faults(*records: LogRecord, function: str = "zoom-uploader") -> list[Fault]:
    return faults_in(records, function, Level.ERROR)


SAME = [
    (
        record("12 of 90 MB, next try at 2026-10-14T18:30:00Z"),
        record("1 of 7 MB, next try at 2027-01-02T03:04:05Z"),
    ),
    (record("of 0x7f2a"), record("of 0x1")),
    (record(f"request {REQUEST}"), record(f"request {REQUEST.replace('8', '9')}")),
    (record(location="uploader._bury:340"), record(location="uploader._bury:351")),
    (record(uuid="u", zip_id="on-demand-1"), record(uuid="u", zip_id="on-demand-2")),
]
OTHER = [
    (record("one"), record("two")),
    (record(zip_id="a"), record(zip_id="b")),
    (record(uuid="a"), record(uuid="b")),
    (record(location="uploader._bury:1"), record(location="uploader._ingest:1")),
    (record(), record(crash="crashed")),
]


@pytest.mark.parametrize(("first", "second"), SAME)
def test_log_records_of_a_recording_belong_to_one_fault_when_only_ids_times_or_numbers_differ(
    first: LogRecord, second: LogRecord
) -> None:
    [fault] = faults(first, second)
    assert fault.records == (first, second)
    assert faults(second)[0].key == fault.key


@pytest.mark.parametrize(("first", "second"), OTHER)
def test_log_records_belong_to_different_faults_when_text_recording_location_or_crash_differs(
    first: LogRecord, second: LogRecord
) -> None:
    assert [fault.records for fault in faults(first, second)] == [(first,), (second,)]


def test_same_log_record_belongs_to_another_fault_when_another_function_logs_the_record() -> None:
    assert faults(record())[0].key != faults(record(), function="zoom-webhook")[0].key


def test_log_record_belongs_to_no_fault_when_its_level_is_below_the_minimum() -> None:
    below = LogRecord(level=Level.WARNING, message="hm")
    assert faults(below) == []
    assert len(faults_in([below], "zoom-webhook", Level.WARNING)) == 1


def test_shape_of_a_log_message_is_truncated_and_has_placeholders_for_ids_times_and_numbers() -> (
    None
):
    assert shape_of("attempt 3 of 12, next try at 2026-10-14T18:30:00Z") == (
        "attempt # of #, next try at #"
    )
    assert len(shape_of("x" * 10_000)) == 500
    rest = " failed" * 100
    assert shape_of(f"attempt 9{rest}") == shape_of(f"attempt 10{rest}")
    assert log_lines.REQUEST not in shape_of(log_lines.TIMED_OUT)
