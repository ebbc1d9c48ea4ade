"""The schedule's table, with an in-process DynamoDB."""

from __future__ import annotations

from ingester.schedule.model import ScheduledClass, ScheduledMeeting
from ingester.schedule.table import ScheduleTable
from tests.cloud import Cloud
from tests.hooks import recorded


def meeting(number: str, *classes: ScheduledClass) -> ScheduledMeeting:
    return ScheduledMeeting(
        zoom_series_id=number, opencast_series_id="S", course_code="C", events=classes
    )


CLASS = ScheduledClass(
    day="M", time="9:30", title="Lecture", course_code="C", opencast_series_id="S"
)


def test_schedule_table_returns_the_applied_rows(aws: Cloud) -> None:
    table = ScheduleTable(aws.schedule)
    rows = [meeting("1", CLASS), meeting("2", CLASS, CLASS), meeting("3")]
    table.apply(rows, [])
    assert table.get(1) == rows[0]
    assert table.get(9) is None
    assert sorted(table.all(), key=lambda row: row.zoom_series_id) == rows
    table.apply([meeting("2")], ["1", "9"])
    assert sorted(table.all(), key=lambda row: row.zoom_series_id) == [meeting("2"), rows[2]]


def test_schedule_table_reads_rows_of_the_first_system(aws: Cloud) -> None:
    scheduled = {"day": "M", "time": "9:30", "title": "Lecture"}
    aws.schedule.put_item(
        Item={
            "zoom_series_id": "1",
            "opencast_series_id": "20210112345",
            "course_code": None,
            "Course Code": "extra",
            "events": [scheduled],
        }
    )
    aws.schedule.put_item(Item={"zoom_series_id": "2", "opencast_series_id": "S"})
    table = ScheduleTable(aws.schedule)
    row = table.get(1)
    assert row
    assert row.series_of(row.events[0]) == "20210112345"
    bare = table.get(2)
    assert bare
    assert bare.events == ()


def test_schedule_table_reads_more_than_one_page(aws: Cloud) -> None:
    table = ScheduleTable(aws.schedule)
    long = ScheduledClass(day="M", time="9:30", title="x" * 300_000)
    table.apply([meeting(str(number), long) for number in range(5)], [])
    assert "LastEvaluatedKey" in aws.schedule.scan()
    assert len(table.all()) == 5


def test_scans_of_the_schedule_table_are_strongly_consistent(aws: Cloud) -> None:
    # An import that read outdated rows would restore the outdated rows.
    table = ScheduleTable(aws.schedule)
    long = ScheduledClass(day="M", time="9:30", title="x" * 300_000)
    table.apply([meeting(str(number), long) for number in range(5)], [])
    with recorded(aws.schedule.meta.client, "dynamodb.Scan") as scans:
        table.all()
    assert len(scans) > 1
    assert all(scan["ConsistentRead"] for scan in scans)
