"""Pages of the status table by time, with an in-process DynamoDB."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingester.errors import BadRequest
from ingester.pipeline.states import State
from ingester.status.row import StatusRow
from ingester.status.table import row_of
from ingester.status.time_index import Position, StatusPages
from tests.cloud import Cloud
from tests.hooks import recorded

NOW = datetime(2026, 10, 14, 18, 30, tzinfo=UTC)
NONE: frozenset[State] = frozenset()


@pytest.fixture
def rows(aws: Cloud) -> list[str]:
    """Write twelve rows, five hours apart, and return their `zip_id`s, the newest first.

    Every third row has the state IGNORED.
    """
    names = []
    for number in range(12):
        at = NOW - timedelta(hours=5 * number)
        midnight = at.replace(hour=0, minute=0, second=0)
        names.append(f"z{number:02}")
        aws.status.put_item(
            Item={
                "zip_id": names[-1],
                "pipeline_state": "WEBHOOK_RECEIVED" if number % 3 else "IGNORED",
                "update_date": at.strftime("%Y-%m-%d"),
                "update_time": int((at - midnight).total_seconds()),
                "steps": [{"state": "IGNORED", "at": "2026-10-14T18:30:00Z"}],
            }
        )
    return names


def read(
    aws: Cloud, begin: datetime, end: datetime, page_rows: int, without: frozenset[State] = NONE
) -> list[list[str]]:
    """Return the `zip_id`s of each page, and check that the rows have no steps.

    Each position is encoded and decoded as a token.
    """
    table, found = StatusPages(aws.status, page_rows), []
    position: Position | None = None
    while True:
        page, position = table.page(begin, end, position, without)
        found.append([row.zip_id for row in page])
        assert all(row.steps == () for row in page)
        if position is None:
            return found
        position = Position.read(position.token)


def test_page_of_the_status_table_lacks_only_the_notice_the_failures_and_the_steps_of_a_row(
    aws: Cloud,
) -> None:
    text = ("recording_id", "topic", "recording_start_time", "origin", "reason", "course")
    more = ("oc_series_id", "ingest_request_time", "retry_due")
    numbers = {"meeting_id": 7, "failures": 1, "steps_left_out": 1}
    item = {
        **dict.fromkeys((*text, *more, "zoom_notice"), "2026-10-14T18:30:00Z"),
        **numbers,
        "zip_id": "z",
        "pipeline_state": "IGNORED",
        "update_date": "2026-10-14",
        "update_time": 60,
        "file_ids": {"f"},
        "asked": {"oc_series_id": "S"},
        "steps": [{"state": "IGNORED", "at": "2026-10-14T18:30:00Z"}],
    }
    aws.status.put_item(Item=item)
    [listed], _ = StatusPages(aws.status, 1).page(NOW - timedelta(days=1), NOW, None, NONE)
    whole, empty = row_of(item), StatusRow(zip_id="", state=None, updated=NOW)
    lacking = {
        name
        for name in StatusRow.__struct_fields__
        if getattr(listed, name) != getattr(whole, name)
    }
    assert lacking == {"zoom_notice", "failures", "steps", "steps_left_out"}
    assert all(getattr(whole, name) != getattr(empty, name) for name in StatusRow.__struct_fields__)


@pytest.mark.parametrize("page_rows", [1, 2, 3, 4, 5, 12, 100])
def test_pages_of_the_status_table_have_every_row_once_and_the_newest_first(
    aws: Cloud, rows: list[str], page_rows: int
) -> None:
    found = read(aws, NOW - timedelta(days=3), NOW, page_rows)
    assert [name for page in found for name in page] == rows
    assert all(len(page) <= page_rows + 3 for page in found)


def test_no_query_of_the_status_table_has_a_range_that_ends_before_it_begins(
    aws: Cloud, rows: list[str]
) -> None:
    # DynamoDB refuses a range that ends before it begins. A client whose clock is ahead asks for
    # such a range.
    with recorded(aws.status.meta.client, "dynamodb.Query") as seen:
        for ahead in (timedelta(seconds=1), timedelta(minutes=5), timedelta(days=2)):
            assert read(aws, NOW + ahead, NOW, 2) == [[]]
        assert read(aws, NOW - timedelta(hours=1), NOW, 2) == [[rows[0]]]
    asked = [query["ExpressionAttributeValues"] for query in seen]
    assert asked
    assert all(values[":first"] <= values[":last"] for values in asked)


@pytest.mark.parametrize("page_rows", [2, 100])
def test_pages_of_the_status_table_have_only_rows_between_two_times(
    aws: Cloud, rows: list[str], page_rows: int
) -> None:
    found = read(aws, NOW - timedelta(hours=35), NOW - timedelta(hours=10), page_rows)
    assert [name for page in found for name in page] == rows[2:8]
    assert read(aws, NOW, NOW - timedelta(hours=1), page_rows) == [[]]


def test_page_has_only_rows_of_its_range_when_the_position_lies_outside_of_the_range(
    aws: Cloud, rows: list[str]
) -> None:
    # DynamoDB refuses a start key outside of the range. A caller may have made up the position.
    begin, end = NOW - timedelta(hours=11), NOW - timedelta(hours=4)
    table = StatusPages(aws.status, 100)
    with recorded(aws.status.meta.client, "dynamodb.Query") as seen:
        later, _ = table.page(begin, end, Position("2026-10-14", 80_000, "z"), NONE)
        earlier, _ = table.page(begin, end, Position("2026-10-14", 0, "z"), NONE)
    assert [row.zip_id for row in later] == rows[1:3]
    assert earlier == []
    assert not [query for query in seen if "ExclusiveStartKey" in query]


def test_rows_in_excluded_states_count_towards_the_size_of_a_page(
    aws: Cloud, rows: list[str]
) -> None:
    over = frozenset({State.IGNORED, State.SENT_TO_OPENCAST})
    found = read(aws, NOW - timedelta(days=3), NOW, 3, over)
    assert [name for page in found for name in page] == [
        name for number, name in enumerate(rows) if number % 3
    ]
    assert len(found) >= 4


@given(st.text() | st.binary().map(lambda some: some.hex()))
def test_page_token_is_refused_when_the_status_table_did_not_make_it(token: str) -> None:
    with pytest.raises(BadRequest, match="next must be what the last answer gave"):
        Position.read(token)


@pytest.mark.parametrize(
    "position",
    [
        Position("tomorrow", 5, "z"),
        Position("2026-10-14", -1, "z"),
        Position("2026-10-14", 10**50, "z"),
        Position("2026-10-14", 5, ""),
        Position("2026-10-14", 5, "z" * 3000),
    ],
)
def test_page_token_is_refused_when_it_encodes_a_position_that_no_row_can_have(
    position: Position,
) -> None:
    with pytest.raises(BadRequest):
        Position.read(position.token)
