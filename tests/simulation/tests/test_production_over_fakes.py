"""Tests of production's tables, staging bucket and secrets over the fakes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ingester.pipeline.states import Origin, State
from ingester.recording.events_table import EventsTable
from ingester.recording.files import Subject
from ingester.recording.pauses import RecordingEvent
from ingester.recording.staging_bucket import Staging
from ingester.settings import read_parameter
from ingester.status.row import RequestOptions
from ingester.status.table import Requested, StatusChange, StatusTable
from tests.cloud import Clock, Cloud
from tests.simulation.aws.calls import call_directly
from tests.simulation.aws.s3 import FakeBucket
from tests.simulation.aws.ssm import FakeParameters
from tests.simulation.tests.comparison import Ids, by_key, fake_table
from tests.simulation.tests.test_fake_dynamodb import status_table

SUBJECT = Subject(
    meeting_id=987, recording_id="uuid==", topic="t", start_time="2026", origin=Origin.WEBHOOK
)

Step = Callable[[StatusTable], Any]


@dataclass(frozen=True)
class Write:
    """A call of `StatusTable.write`."""

    zip_id: str
    state: State
    reason: str
    more: dict[str, Any]

    def __call__(self, table: StatusTable) -> Any:
        return table.write(self.zip_id, StatusChange(self.state, self.reason, **self.more))


def _take_back(table: StatusTable) -> Any:
    row = table.get("a")
    return row and table.clear_notice(row, "back")


def _noted(table: StatusTable) -> Any:
    return table.note("a", "thrown away", "; later") if table.get("a") else None


OTHERS: list[Step] = [
    _noted,
    _take_back,
    lambda table: table.explain("a", frozenset({State.SENT_TO_UPLOADER}), "because"),
]


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
            "asked": st.sampled_from(
                [RequestOptions(), RequestOptions(oc_workflow="w", ingest_all_mp4=True)]
            ),
            "files": st.sets(st.sampled_from("xyz")),
            "oc_series_id": st.sampled_from(["", "series"]),
            "course": st.sampled_from(["", "course"]),
            "retry_due": st.sampled_from(["", "2026-10-14T19:00:00Z"]),
            "failed_again": st.booleans(),
            "replacing": st.frozensets(st.sampled_from(list(State)), max_size=2),
        },
    ),
)


def test_status_table_behaves_the_same_over_moto_and_the_fake(aws: Cloud, clock: Clock) -> None:
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


def test_fake_table_stores_the_same_bounded_steps_as_moto(aws: Cloud, clock: Clock) -> None:
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


def test_table_of_recording_events_behaves_the_same_over_moto_and_the_fake(
    aws: Cloud, clock: Clock
) -> None:
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


def test_staging_bucket_presigns_urls_and_secrets_are_read_over_the_fakes() -> None:
    bucket = FakeBucket("b", call=call_directly, now=lambda: 1000.0, new_id=Ids())
    bucket.store("key", b"0123456789")
    staging = Staging(bucket, "b")  # type: ignore[arg-type]  # boto3's client
    assert bucket.fetch_object(staging.presign("key", 60)).content == b"0123456789"
    parameters = FakeParameters(call=call_directly)
    parameters.set("/path/NAME", "value")
    assert read_parameter(parameters, "/path/NAME") == "value"
    assert read_parameter(parameters, "/path/OTHER") == ""
