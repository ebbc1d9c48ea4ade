"""The grouping of rows by recording, and pages of recordings that don't shift."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from ingester.pipeline.states import State
from ingester.slack.command import MAX_RECORDINGS, Window, read_button, write_button
from ingester.slack.paging import group_by_recording, page
from ingester.status.row import StatusRow

UPDATED = datetime(2026, 10, 14, 18, 30, tzinfo=UTC)


def row(
    uuid: str, start: str = "", state: State = State.SENT_TO_OPENCAST, zip_id: str = ""
) -> StatusRow:
    return StatusRow(
        zip_id=zip_id or uuid, state=state, recording_id=uuid, start_time=start, updated=UPDATED
    )


def test_order_of_recordings_does_not_depend_on_the_order_of_rows() -> None:
    rows = [row("a", "1"), row("b", "2"), row("c", "2"), row("d")]
    for order in (rows, rows[::-1]):
        assert [recording.recording_id for recording in group_by_recording(order)] == [
            "c",
            "b",
            "a",
            "d",
        ]


def test_state_at_zoom_is_shown_until_there_is_an_ingest() -> None:
    stopped = row("a", "1", State.RECORDING_STOPPED, "auto")
    (before,) = group_by_recording([stopped])
    assert (before.zoom_side, before.ingests) == (stopped, ())
    asked = row("a", "1", State.ON_DEMAND_RECEIVED, "on-demand")
    (after,) = group_by_recording([stopped, asked])
    assert (after.zoom_side, after.ingests) == (None, (asked,))


def test_start_of_a_recording_is_the_latest_start_of_its_rows() -> None:
    # Otherwise, a row without a start, or with an older start, would move the recording.
    rows = [row("a", "2"), row("a", "", zip_id="b"), row("a", "1", zip_id="c")]
    for order in (rows, rows[::-1]):
        (found,) = group_by_recording(order)
        assert found.start_time == "2"


def test_ingests_are_listed_newest_first_by_time_of_request_or_else_of_change() -> None:
    def at(zip_id: str, requested: str, hour: int) -> StatusRow:
        return msgspec.structs.replace(
            row("a", zip_id=zip_id),
            ingest_request_time=requested,
            updated=UPDATED.replace(hour=hour),
        )

    rows = [
        at("z", "2026-10-14T10:00:00Z", 23),
        at("y", "", 11),
        at("x", "2026-10-14T12:00:00Z", 13),
        at("w", "", 9),
    ]
    for order in (rows, rows[::-1]):
        (found,) = group_by_recording(order)
        assert [ingest.zip_id for ingest in found.ingests] == ["x", "y", "z", "w"]


def test_state_at_zoom_comes_from_the_newest_row() -> None:
    older = row("a", "1", State.RECORDING_STOPPED, "a")
    newer = msgspec.structs.replace(
        row("a", "1", State.RECORDING_PROCESSING, "b"), updated=UPDATED + timedelta(minutes=1)
    )
    for order in ([older, newer], [newer, older]):
        (found,) = group_by_recording(order)
        assert found.zoom_side == newer


def test_page_of_recordings_is_empty_when_there_are_no_rows() -> None:
    found = page((), Window())
    assert (found.recordings, found.older, found.window.newest_start_time) == ((), 0, "")


starts = st.integers(0, 999).map(lambda number: f"2026-{number:03}")


@given(st.lists(starts, max_size=20), st.lists(starts, max_size=10))
def test_slack_button_for_older_recordings_shows_each_one_once_whatever_arrives_later(
    first: list[str], later: list[str]
) -> None:
    # The test assumes that new recordings start later than the recordings on the first page.
    rows = [row(f"u{number}", start) for number, start in enumerate(first)]
    newest = max(first, default="")
    more = [row(f"v{number}", start) for number, start in enumerate(later) if start > newest]
    found = page(group_by_recording(rows), Window())
    seen = list(found.recordings)
    presses = 0
    while found.older:
        presses += 1
        wanted = read_button(write_button(1, found.window)).next_window
        known = seen[: wanted.start_index]
        found = page(group_by_recording(rows + more[:presses]), wanted)
        assert len(found.recordings) <= MAX_RECORDINGS
        whole = known + list(found.recordings)
        assert whole[: len(seen)] == seen
        seen = whole
    assert seen == list(group_by_recording(rows))
    assert presses == max(0, (len(rows) - 1) // 2)
