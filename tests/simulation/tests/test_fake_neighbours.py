"""The production code's tables and queues over moto and over the fakes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingester.alerts.faults_table import FaultsTable
from ingester.alerts.mail import Mail
from ingester.alerts.rate_limit import MailPace
from ingester.errors import UpdateRunning
from ingester.pipeline.queue import Queue
from ingester.pipeline.states import Origin, State
from ingester.recording.events_table import EventsTable
from ingester.recording.files import Subject
from ingester.recording.pauses import RecordingEvent
from ingester.recording.staging_bucket import Staging
from ingester.schedule.lock import ScheduleLock
from ingester.schedule.model import ScheduledClass, ScheduledMeeting
from ingester.schedule.table import ScheduleTable
from ingester.settings import read_parameter
from ingester.status.row import Asked
from ingester.status.table import Requested, StatusChange, StatusTable
from ingester.status.time_index import StatusPages
from tests.cloud import Clock, Cloud
from tests.simulation.aws.calls import at_once
from tests.simulation.aws.s3 import FakeBucket
from tests.simulation.aws.ssm import FakeParameters
from tests.simulation.tests.both import Ids, by_key, fake_queues, fake_table
from tests.simulation.tests.test_fake_dynamodb import status_table

SUBJECT = Subject(
    meeting_id=987, recording_id="uuid==", topic="t", start_time="2026", origin=Origin.WEBHOOK
)

Step = Callable[[StatusTable], Any]


@dataclass(frozen=True)
class Write:
    """One call of `StatusTable.write`."""

    zip_id: str
    state: State
    reason: str
    more: dict[str, Any]

    def __call__(self, table: StatusTable) -> Any:
        return table.write(self.zip_id, StatusChange(self.state, self.reason, **self.more))


def _take_back(table: StatusTable) -> Any:
    row = table.get("a")
    return row and table.take_back_note(row, "back")


def _noted(table: StatusTable) -> Any:
    return table.note("a", "thrown away", "; later") if table.get("a") else None


OTHERS: list[Step] = [
    _noted,
    _take_back,
    lambda table: table.explain("a", State.SENT_TO_UPLOADER, "because"),
    lambda table: sorted(table.of_meeting(987), key=lambda row: row.zip_id),
    lambda table: sorted(row.zip_id for row in table.updated_since(table_clock())),
]


def table_clock() -> Any:
    """A day before the clock of the tests."""
    return Clock().now - timedelta(days=1)


writes = st.builds(
    Write,
    st.sampled_from(["a", "b"]),
    st.sampled_from(list(State)),
    st.sampled_from(["", "a reason"]),
    st.fixed_dictionaries(
        {},
        optional={
            "subject": st.just(SUBJECT),
            "requested": st.sampled_from([None, *Requested]),
            "asked": st.sampled_from([Asked(), Asked(oc_workflow="w", ingest_all_mp4=True)]),
            "files": st.sets(st.sampled_from("xyz")),
            "oc_series_id": st.sampled_from(["", "series"]),
            "course": st.sampled_from(["", "course"]),
            "retry_due": st.sampled_from(["", "2026-10-14T19:00:00Z"]),
            "failed_again": st.booleans(),
            "replacing": st.frozensets(st.sampled_from(list(State)), max_size=2),
        },
    ),
)


def test_status_table_does_the_same_over_moto_and_over_the_fake(aws: Cloud, clock: Clock) -> None:
    @settings(max_examples=20)
    @given(st.lists(writes | st.sampled_from(OTHERS), max_size=10))
    def check(steps: list[Step]) -> None:
        for item in aws.status.scan()["Items"]:
            aws.status.delete_item(Key={"zip_id": item["zip_id"]})
        fake: Any = status_table()
        tables = StatusTable(aws.status, clock), StatusTable(fake, clock)
        for step in steps:
            clock.forward(seconds=7)
            assert step(tables[0]) == step(tables[1])
        assert by_key(aws.status, "zip_id") == by_key(fake, "zip_id")

    check()


def test_steps_stay_bounded_as_in_moto_when_a_row_is_written_often(
    aws: Cloud, clock: Clock
) -> None:
    fake: Any = status_table()
    for table in (aws.status, fake):
        status = StatusTable(table, clock)
        status.write("a", StatusChange(State.WEBHOOK_RECEIVED, subject=SUBJECT))
        for number in range(45):
            status.write(
                "a", StatusChange(State.UPLOADER_FAILED, f"the {number}th", failed_again=True)
            )
    assert by_key(aws.status, "zip_id") == by_key(fake, "zip_id")
    assert len(fake.items()[0]["steps"]) == 40


def test_status_pages_do_the_same_over_moto_and_over_the_fake(aws: Cloud, clock: Clock) -> None:
    fake: Any = status_table()
    for table in (aws.status, fake):
        day = Clock()
        for number in range(12):
            day.forward(hours=5)
            status = StatusTable(table, day)
            status.write(f"z{number}", StatusChange(State.WEBHOOK_RECEIVED, subject=SUBJECT))
    begin, end = clock.now, clock.now + timedelta(days=3)
    for size in (1, 3, 100):
        found = []
        for table in (aws.status, fake):
            rows, position = [], None
            while True:
                page, position = StatusPages(table, size).page(begin, end, position, frozenset())
                rows += [row.zip_id for row in page]
                if position is None:
                    break
            found.append(rows)
        assert found[0] == found[1]


def test_events_table_does_the_same_over_moto_and_over_the_fake(aws: Cloud, clock: Clock) -> None:
    fake: Any = fake_table("zoom_uuid")
    found = []
    for table in (aws.events, fake):
        events = EventsTable(table, clock)
        answers = [
            events.append("uuid", RecordingEvent(f"recording.{name}", 1_700_000_000 + at))
            for at, name in enumerate(["started", "paused", "stopped"])
        ]
        found.append((answers, events.of("uuid"), events.of("other")))
    assert found[0] == found[1]
    assert by_key(aws.events, "zoom_uuid") == by_key(fake, "zoom_uuid")


def test_faults_table_does_the_same_over_moto_and_over_the_fake(aws: Cloud) -> None:
    fake: Any = fake_table("fault")
    found = []
    for table in (aws.faults, fake):
        clock = Clock()
        faults = FaultsTable(table, timedelta(minutes=10), clock)
        answers: list[Any] = []
        for number in range(6):
            mail = Mail(subject=f"s{number}", body="b")
            claim = faults.happened("fault", 1, mail)
            answers += [claim, faults.is_one_of_many("function"), list(faults.waiting())]
            if claim and number:
                faults.mailed(claim)
            elif claim:
                faults.give_back(claim, 2)
            clock.forward(minutes=4)
        pace = MailPace(table, clock=clock, sleep=lambda _: None, by_chance=lambda: 0.5)
        answers.append(pace.turn(clock.now + timedelta(seconds=1)))
        found.append(answers)
    assert found[0] == found[1]
    assert by_key(aws.faults, "fault") == by_key(fake, "fault")


def test_schedule_does_the_same_over_moto_and_over_the_fake(aws: Cloud, clock: Clock) -> None:
    fake: Any = fake_table("zoom_series_id")
    found = []
    classes = (ScheduledClass(day="M", time="9:00", title="t"),)
    meetings = [
        ScheduledMeeting(zoom_series_id=str(number), events=classes) for number in range(30)
    ]
    for table in (aws.schedule, fake):
        schedule = ScheduleTable(table)
        schedule.apply(meetings, [])
        schedule.apply([], ["3", "4"])
        with ScheduleLock(table, clock).held(), pytest.raises(UpdateRunning):
            ScheduleLock(table, clock)._take("other")  # noqa: SLF001  # held() would block
        found.append(
            (
                schedule.get(7),
                schedule.get(3),
                sorted(meeting.zoom_series_id for meeting in schedule.all()),
            )
        )
    assert found[0] == found[1]
    assert by_key(aws.schedule, "zoom_series_id") == by_key(fake, "zoom_series_id")


def test_queue_does_the_same_over_moto_and_over_the_fake(aws: Cloud) -> None:
    fake: Any = fake_queues(lambda: 1_800_000_000.0)
    found = []
    for client, name in ((aws.sqs, aws.upload_queue), (fake, fake.create("up.fifo", fifo=True))):
        queue = Queue(client, name)
        queue.send_in_order("one", group="g")
        queue.send_in_order("one", group="g")
        queue.send_in_order("two", group="g")
        queue.send_with_reason("one", "why\x00", group="h", identity="id")
        answers: list[Any] = [queue.backlog()]
        first = queue.take_one()
        assert first is not None
        second = queue.take_one()
        assert second is not None
        answers += [first.body, second.body, queue.take_one(), queue.backlog()]
        queue.retry_in(first, 0)
        again = queue.take_one()
        assert again is not None
        answers += [again.body, again.receive_count, again.message_id == first.message_id]
        queue.delete(again)
        queue.delete(second)
        last = queue.take_one()
        answers += [last and last.body, queue.backlog()]
        found.append(answers)
    assert found[0] == found[1]


def test_staging_and_parameters_work_over_the_fakes() -> None:
    bucket = FakeBucket("b", call=at_once, now=lambda: 1000.0, new_id=Ids())
    bucket.store("key", b"0123456789")
    staging = Staging(bucket, "b")  # type: ignore[arg-type]  # boto3's client
    assert staging.read_range("key", 2, 3) == b"234"
    assert bucket.fetch(staging.presign("key", 60)) == b"0123456789"
    parameters = FakeParameters(call=at_once)
    parameters.set("/path/NAME", "value")
    assert read_parameter(parameters, "/path/NAME") == "value"
    assert read_parameter(parameters, "/path/OTHER") == ""
