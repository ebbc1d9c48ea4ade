"""Groups of failed ingests that have the same cause."""

from __future__ import annotations

from typing import Any

from ingester.pipeline.reasons import INVALID_SERIES
from ingester.pipeline.states import State
from ingester.status.causes import by_cause
from ingester.status.diagnosis import PATIENCE, diagnose_each
from ingester.status.row import StatusRow
from tests.unit.status.situations import NOW, ago, row


def failed(name: str, reason: str, series: str = "S", **more: str) -> StatusRow:
    fields: dict[str, Any] = {
        "zip_id": name,
        "recording_id": uuid_of(name),
        "oc_series_id": series,
        **more,
    }
    return row(State.UPLOADER_FAILED, reason, **fields)


def uuid_of(name: str) -> str:
    return f"{name}ZgGAA4xS7yUm=="


def groups(*rows: StatusRow) -> list[list[str]]:
    found = by_cause(rows, diagnose_each(rows, rows, NOW, PATIENCE))
    return [[one.zip_id for one in some] for some in found.values()]


def test_failed_ingests_of_one_missing_series_are_one_group() -> None:
    missing = [failed(name, INVALID_SERIES) for name in "abc"]
    other = failed("d", INVALID_SERIES, series="T")
    assert groups(missing[0], other, *missing[1:]) == [["a", "b", "c"], ["d"]]


def test_failed_ingests_are_one_group_when_only_times_attempts_and_uuids_differ() -> None:
    assert groups(
        failed(
            "a",
            f"Opencast is down since 2026-10-14T12:00:00Z for {uuid_of('a')} (attempt 9 of 9, x)",
        ),
        failed(
            "b",
            f"Opencast is down since 2026-10-14T13:00:00Z for {uuid_of('b')} (attempt 5 of 9, x)",
        ),
        failed("c", "Opencast refuses c"),
    ) == [["a", "b"], ["c"]]


def again(name: str, reason: str, **more: str) -> StatusRow:
    """Return the row of a second failed ingest of the recording of the ingest `name`."""
    return failed(f"{name}2", reason, recording_id=uuid_of(name), **more)


def test_recording_is_listed_once_in_a_group_by_its_newest_failed_ingest() -> None:
    first = failed("a", INVALID_SERIES, ingest_request_time=ago(5))
    second = again("a", INVALID_SERIES, ingest_request_time=ago(2))
    other = failed("b", INVALID_SERIES, ingest_request_time=ago(1))
    assert groups(first, second, other) == [["a2", "b"]]
    assert groups(second, other, first) == [["a2", "b"]]


def test_recording_is_listed_only_in_the_group_of_its_newest_failure_when_causes_differ() -> None:
    first = failed("a", INVALID_SERIES, ingest_request_time=ago(5))
    second = again("a", "Opencast refuses it", ingest_request_time=ago(2))
    assert groups(first, second) == [["a2"]]


def test_group_of_a_cause_has_every_ingest_when_the_rows_have_no_recording_uuid() -> None:
    assert groups(
        failed("a", INVALID_SERIES, recording_id=""), failed("b", INVALID_SERIES, recording_id="")
    ) == [["a", "b"]]


def test_recording_with_failed_ingests_that_need_no_attention_is_listed_once_in_a_group() -> None:
    first = failed("a", "x", ingest_request_time=ago(5))
    second = again("a", "x", ingest_request_time=ago(4))
    third = row(State.PUBLISHED, zip_id="a3", recording_id=uuid_of("a"), ingest_request_time=ago(3))
    found = by_cause([first, second], diagnose_each([first, second], [third], NOW, PATIENCE))
    assert [[one.zip_id for one in some] for some in found.values()] == [["a2"]]
