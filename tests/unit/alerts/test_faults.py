"""What counts as the same fault."""

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


@pytest.mark.parametrize(("one", "again"), SAME)
def test_the_same_fault(one: LogRecord, again: LogRecord) -> None:
    [fault] = faults(one, again)
    assert fault.records == (one, again)
    assert faults(again)[0].key == fault.key


@pytest.mark.parametrize(("one", "other"), OTHER)
def test_another_fault(one: LogRecord, other: LogRecord) -> None:
    assert [fault.records for fault in faults(one, other)] == [(one,), (other,)]


def test_each_function_has_faults_of_its_own() -> None:
    assert faults(record())[0].key != faults(record(), function="zoom-webhook")[0].key


def test_what_is_below_the_level_is_no_fault() -> None:
    below = LogRecord(level=Level.WARNING, message="hm")
    assert faults(below) == []
    assert len(faults_in([below], "zoom-webhook", Level.WARNING)) == 1


def test_a_message_s_shape() -> None:
    assert shape_of("attempt 3 of 12, next try at 2026-10-14T18:30:00Z") == (
        "attempt # of #, next try at #"
    )
    assert len(shape_of("x" * 10_000)) == 500
    assert log_lines.REQUEST not in shape_of(log_lines.TIMED_OUT)
