"""GET /, and the queries of GET /status that the status page makes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import status_query
from ingester import timestamps
from ingester.ledger.record import IngestRecord, Outcome, Post, Record, with_files
from ingester.pipeline.messages import RecordingFile
from ingester.pipeline.reasons import NO_SERIES
from ingester.pipeline.states import Origin, State
from ingester.reconcile.state_table import KEY
from ingester.recording.files import Subject
from ingester.schedule.model import ScheduledClass, ScheduledMeeting
from ingester.status.table import FIRST_STEPS, Requested, StatusChange
from ingester.status.time_index import StatusPages
from ingester.status.words import state_words
from tests.cloud import Clock, Cloud
from tests.function_harness import status_query_dependencies
from tests.hooks import failing

Ask = Callable[..., tuple[int, Any]]
SINCE = "2026-10-14T00:00:00Z"


@pytest.fixture
def deps(aws: Cloud, clock: Clock) -> status_query.Dependencies:
    return status_query_dependencies(aws, clock)


@pytest.fixture
def ask(deps: status_query.Dependencies) -> Ask:
    def get(**query: str) -> tuple[int, Any]:
        event = {"resource": "/status", "queryStringParameters": query}
        answer = status_query.respond(event, deps)
        return answer.status, json.loads(answer.body)

    return get


def write(
    deps: status_query.Dependencies, uuid: str, state: State, reason: str = "", **more: Any
) -> None:
    subject = Subject(
        meeting_id=1,
        recording_id=uuid,
        topic=f"Topic of {uuid}",
        start_time="2026-10-14T15:00:00Z",
        origin=Origin.WEBHOOK,
    )
    assert deps.status.write(
        f"auto-ingest-{uuid}", StatusChange(state, reason, subject=subject, **more)
    )


def uuids(body: dict[str, Any]) -> list[str]:
    return [ingest["uuid"] for ingest in body["ingests"]]


def test_root_resource_returns_the_status_page(deps: status_query.Dependencies) -> None:
    answer = status_query.respond({"resource": "/", "queryStringParameters": None}, deps)
    assert answer.status == 200
    assert answer.body == status_query.page_text()
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"


def test_status_page_has_the_words_and_kinds_of_states_and_the_number_of_steps_before_a_gap() -> (
    None
):
    page = status_query.page_text()
    words = json.loads(page.partition("const WORDS = ")[2].partition(";")[0])
    assert words == {str(state): state_words(state) for state in State}
    kinds = page.partition("const KINDS = {")[2].partition("};")[0]
    states = re.findall(r"\b[A-Z]+_[A-Z_]+\b|PUBLISHED", kinds)
    assert sorted(states) == sorted(set(State) - {State.IGNORED, State.OPENCAST_DELETED})
    assert f"steps_left_out ? {FIRST_STEPS} : 0" in page


def test_status_details_have_the_known_fields_of_an_ingest(
    ask: Ask, deps: status_query.Dependencies, clock: Clock
) -> None:
    write(deps, "u", State.WEBHOOK_RECEIVED, requested=Requested.NOW, files=["a"])
    clock.forward(minutes=5)
    write(deps, "u", State.OC_SERIES_FOUND, oc_series_id="S", course="HIST E-10")
    clock.forward(minutes=2)
    write(deps, "u", State.DOWNLOADER_FAILED, "no", retry_due="2026-10-14T18:40:00Z")
    expected = {
        "zip_id": "auto-ingest-u",
        "uuid": "u",
        "zoom_page": "https://zoomgov.com/recording/management/detail?meeting_id=u",
        "meeting_id": 1,
        "topic": "Topic of u",
        "start_time": "2026-10-14T15:00:00Z",
        "origin": "webhook_notification",
        "state": "DOWNLOADER_FAILED",
        "state_words": "Download failed",
        "reason": "no",
        "reason_words": "no",
        "course": "HIST E-10",
        "oc_series_id": "S",
        "ingest_request_time": "2026-10-14T18:30:00Z",
        "last_updated": "2026-10-14T18:37:00Z",
        "retry_due": "2026-10-14T18:40:00Z",
        "next_step": "Retried automatically at 2026-10-14T18:40:00Z.",
        "what_to_do": "It is retried automatically.",
    }
    expected_body: dict[str, Any] = {"now": "2026-10-14T18:37:00Z", "ingests": [expected]}
    assert ask(since=SINCE) == (200, expected_body)
    steps = [
        {"state": "WEBHOOK_RECEIVED", "at": "2026-10-14T18:30:00Z"},
        {"state": "OC_SERIES_FOUND", "at": "2026-10-14T18:35:00Z"},
        {"state": "DOWNLOADER_FAILED", "at": "2026-10-14T18:37:00Z", "reason": "no"},
    ]
    expected_body = {
        **expected_body,
        "ingests": [{**expected, "steps": steps}],
        "recordings": [
            {
                "uuid": "u",
                "verdict": "Download failed, retried automatically at 2026-10-14T18:40:00Z.",
            }
        ],
        "left_out": 0,
    }
    assert ask(meeting_id="1", details="true") == (200, expected_body)
    # Older callers rely on the fields of the answer to a plain query.
    ((_, old),) = ask(meeting_id="1")[1].items()
    assert set(old["recordings"][0]["zip_ingests"][0]) == {
        *("last_updated", "status", "origin", "reason", "ingest_request_time", "oc_series_id")
    }


def test_open_ingest_needs_attention_when_it_is_stuck_or_has_failed_without_a_retry_due(
    ask: Ask, deps: status_query.Dependencies, clock: Clock
) -> None:
    write(deps, "stuck", State.WEBHOOK_RECEIVED, files=["a"])
    write(deps, "waits", State.SENT_TO_UPLOADER, files=["a"])
    clock.forward(hours=2)
    write(deps, "done", State.SENT_TO_OPENCAST, files=["a"])
    write(deps, "ignored", State.IGNORED, "No mp4 files")
    write(deps, "again", State.UPLOADER_FAILED, "x", retry_due="2026-10-14T20:40:00Z")
    clock.forward(seconds=1)
    write(deps, "failed", State.UPLOADER_FAILED, "x", files=["a"])
    write(deps, "going", State.OC_SERIES_FOUND, files=["a"])
    _, body = ask(since=SINCE, open="true")
    assert {ingest["uuid"]: ingest.get("attention", False) for ingest in body["ingests"]} == {
        "stuck": True,
        "waits": False,
        "again": False,
        "failed": True,
        "going": False,
    }
    assert "stuck" in uuids(ask(since=SINCE)[1])[-2:]
    assert uuids(ask(since=SINCE, uuid="again")[1]) == ["again"]
    assert uuids(ask(since=SINCE, until="2026-10-14T19:00:00Z")[1]) == ["waits", "stuck"]


def later_request(
    deps: status_query.Dependencies, clock: Clock, meeting: int, uuid: str, state: State
) -> None:
    """Write a failed ingest, and an hour later another request's ingest, which is in `state`.

    The clock moves forward by two hours.
    """
    for zip_id, end in ((f"auto-ingest-{uuid}", State.UPLOADER_FAILED), (f"on-{uuid}", state)):
        subject = Subject(
            meeting_id=meeting,
            recording_id=uuid,
            topic="T",
            start_time="2026-10-14T15:00:00Z",
            origin=Origin.ON_DEMAND,
        )
        begin = State.ON_DEMAND_RECEIVED
        deps.status.write(
            zip_id, StatusChange(begin, subject=subject, requested=Requested.NOW, files=["f"])
        )
        deps.status.write(zip_id, StatusChange(end, "no", oc_series_id="S"))
        clock.forward(hours=1)


def request_again(deps: status_query.Dependencies, clock: Clock, uuid: str, state: State) -> None:
    """Move the clock by ten minutes, and write the ingest of a "+Zoom" request in `state`."""
    clock.forward(minutes=10)
    (row,) = [row for row in deps.status.of_meeting(1) if row.recording_id == uuid]
    subject = Subject(
        meeting_id=row.meeting_id,
        recording_id=uuid,
        topic=row.topic,
        start_time=row.start_time,
        origin=Origin.ON_DEMAND,
    )
    begin = State.ON_DEMAND_RECEIVED
    deps.status.write(
        f"on-{uuid}", StatusChange(begin, subject=subject, requested=Requested.NOW, files=["f"])
    )
    deps.status.write(f"on-{uuid}", StatusChange(state, oc_series_id="S"))


def test_failed_ingest_needs_no_attention_when_a_later_request_succeeded(
    ask: Ask, deps: status_query.Dependencies, clock: Clock
) -> None:
    later_request(deps, clock, 1, "done", State.SENT_TO_OPENCAST)
    later_request(deps, clock, 2, "failed", State.UPLOADER_FAILED)
    for query in ({"since": SINCE, "open": "true"}, {"meeting_id": "1", "details": "true"}):
        ingests = {ingest["zip_id"]: ingest for ingest in ask(**query)[1]["ingests"]}
        settled = ingests["auto-ingest-done"]
        assert settled["settled_by"] == "on-done"
        assert not settled.keys() & {"attention", "request_helps"}
        assert settled["next_step"] == (
            "Nothing to do: another request brought the recording into Opencast, series S."
        )
    _, body = ask(since=SINCE)
    needy = [ingest["zip_id"] for ingest in body["ingests"] if ingest.get("attention")]
    assert needy == ["on-failed", "auto-ingest-failed"]
    assert needy == [ingest["zip_id"] for ingest in body["ingests"] if ingest.get("request_helps")]


def test_failed_ingest_waits_for_a_later_request_while_the_request_makes_progress(
    ask: Ask, deps: status_query.Dependencies, clock: Clock
) -> None:
    # Otherwise the next person would request the recording once more.
    write(deps, "u", State.WEBHOOK_RECEIVED, requested=Requested.NOW, files=["a"])
    write(deps, "u", State.DOWNLOADER_FAILED, "permanent failure: x")
    request_again(deps, clock, "u", State.SENT_TO_DOWNLOADER)
    queries = ({"since": SINCE, "open": "true"}, {"meeting_id": "1", "details": "true"})

    def failed() -> list[tuple[Any, ...]]:
        rows = [ingest for query in queries for ingest in ask(**query)[1]["ingests"]]
        names = ("attention", "request_helps", "waits_for", "what_to_do", "next_step")
        return [
            tuple(map(ingest.get, names)) for ingest in rows if ingest["zip_id"] == "auto-ingest-u"
        ]

    said = "Wait: another request for it is on its way to Opencast."
    assert failed() == [(None, None, "on-u", said, said)] * 2
    # No ingest waits for a stuck request.
    clock.forward(hours=3)
    assert [fields[:3] for fields in failed()] == [(True, True, None)] * 2


def put_ingest(deps: status_query.Dependencies, clock: Clock, uuid: str) -> None:
    """Write two files to the ledger, and an accepted ingest of the first file."""
    files = {"1": "shared_screen 15:00", "2": "gallery_view 15:00"}
    post = Post(attempt="a", at=timestamps.write(clock()), outcome=Outcome.TAKEN)
    ingest = IngestRecord(
        zip_id=f"auto-ingest-{uuid}", series="S", files={"1": files["1"]}, posts=(post,)
    )

    def with_ingest(record: Record) -> Record:
        described = RecordingFile(
            recording_id="1",
            recording_start="2026-10-14T15:00:00Z",
            recording_end="2026-10-14T15:48:10Z",
            download_url="https://zoom.us/1",
            file_type="MP4",
            recording_type="shared_screen",
            file_size=302_400_000,
        )
        named = with_files(record, files, clock(), [described])
        return msgspec.structs.replace(named, ingests={"mp": ingest})

    deps.ledger.change(uuid, with_ingest)


def test_status_details_of_a_recording_have_the_scheduled_class_the_files_and_the_event_link(
    ask: Ask, deps: status_query.Dependencies, aws: Cloud, clock: Clock
) -> None:
    write(deps, "u", State.WEBHOOK_RECEIVED, files=["1"])
    scheduled = ScheduledClass(day="W", time="11:00", title="Lecture 5", opencast_series_id="S7")
    meeting = ScheduledMeeting(zoom_series_id="1", course_code="HIST", events=(scheduled,))
    aws.schedule.put_item(Item=msgspec.to_builtins(meeting))
    put_ingest(deps, clock, "u")
    query = {"meeting_id": "1", "details": "true", "uuid": "u"}
    [found] = ask(**query)[1]["recordings"]
    assert found["scheduled"] == {"oc_series_id": "S7", "title": "Lecture 5", "course": "HIST"}
    assert found["files"] == ["shared_screen 15:00 (48 min, 302 MB)"]
    # The page must not link to an event that may not exist.
    assert "editor" not in found
    write(deps, "u", State.SENT_TO_OPENCAST)
    [found] = ask(**query)[1]["recordings"]
    assert found["verdict"] == "In Opencast since 2026-10-14T18:30:00Z."
    assert found["editor"] == "https://opencast.example.edu/editor-ui/index.html?id=mp"
    # Recordings that the query doesn't name cost no reads of the ledger and the schedule.
    assert set(ask(**{**query, "uuid": "x"})[1]["recordings"][0]) == {"uuid", "verdict"}


@pytest.mark.parametrize(
    ("item", "scheduled"),
    [({}, {}), ({"zoom_series_id": "1", "events": "x"}, None)],
    ids=["no class", "unreadable"],
)
def test_status_details_have_no_series_when_no_scheduled_class_is_found_or_readable(
    ask: Ask,
    deps: status_query.Dependencies,
    aws: Cloud,
    item: dict[str, str],
    scheduled: object,
) -> None:
    write(deps, "u", State.WEBHOOK_RECEIVED, files=["1"])
    if item:
        aws.schedule.put_item(Item=item)
    [found] = ask(meeting_id="1", details="true", uuid="u")[1]["recordings"]
    assert found.get("scheduled") == scheduled


def test_status_details_show_a_recording_when_its_record_cannot_be_read(
    ask: Ask, deps: status_query.Dependencies, aws: Cloud
) -> None:
    write(deps, "u", State.SENT_TO_OPENCAST, files=["1"])
    aws.recordings.put_item(Item={"uuid": "u", "version": 1, "ingests": "nonsense"})
    [found] = ask(meeting_id="1", details="true", uuid="u")[1]["recordings"]
    assert found["verdict"].startswith("In Opencast since")
    assert "editor" not in found


def test_status_list_looks_up_no_more_meetings_than_the_maximum(
    deps: status_query.Dependencies, clock: Clock
) -> None:
    few = replace(deps, meetings_looked_up=3)
    for meeting in range(few.meetings_looked_up + 1):
        later_request(deps, clock, meeting + 1, f"u{meeting}", State.SENT_TO_OPENCAST)
    # The list first looks up the meetings of rows that need a person, the newest rows first.
    query = {"since": SINCE, "open": "true"}
    answer = status_query.respond({"resource": "/status", "queryStringParameters": query}, few)
    ingests = {
        ingest["uuid"]: (ingest.get("attention"), ingest.get("settled_by"))
        for ingest in json.loads(answer.body)["ingests"]
    }
    assert ingests.pop("u0") == (True, None)
    assert len(ingests) == few.meetings_looked_up
    assert all(found == (None, f"on-{uuid}") for uuid, found in ingests.items())


def test_status_list_advises_no_request_when_another_request_ingested_an_ignored_recording(
    ask: Ask, deps: status_query.Dependencies, clock: Clock
) -> None:
    for uuid in ("lost", "taken"):
        write(deps, uuid, State.WEBHOOK_RECEIVED, requested=Requested.NOW, files=["a"])
        write(deps, uuid, State.IGNORED, NO_SERIES)
    until = timestamps.write(clock())
    request_again(deps, clock, "taken", State.SENT_TO_OPENCAST)
    found = {one["uuid"]: one for one in ask(since=SINCE, until=until)[1]["ingests"]}
    assert found["lost"]["request_helps"]
    assert found["taken"].get("request_helps") is None
    assert found["taken"]["settled_by"] == "on-taken"


def test_status_list_looks_up_the_meetings_of_failures_before_those_of_ignored_recordings(
    deps: status_query.Dependencies, clock: Clock
) -> None:
    few = replace(deps, meetings_looked_up=1)
    later_request(deps, clock, 1, "failed", State.SENT_TO_OPENCAST)
    subject = Subject(
        meeting_id=2, recording_id="i", topic="T", start_time="", origin=Origin.WEBHOOK
    )
    deps.status.write("auto-ingest-i", StatusChange(State.IGNORED, NO_SERIES, subject=subject))
    event = {"resource": "/status", "queryStringParameters": {"since": SINCE}}
    ingests = json.loads(status_query.respond(event, few).body)["ingests"]
    assert [one["settled_by"] for one in ingests if "settled_by" in one] == ["on-failed"]


def test_status_rows_are_returned_in_pages(
    deps: status_query.Dependencies, aws: Cloud, clock: Clock
) -> None:
    for number in range(5):
        write(deps, f"u{number}", State.WEBHOOK_RECEIVED)
        clock.forward(seconds=1)
    small = replace(deps, pages=StatusPages(aws.status, page_rows=2))
    query, found = {"since": SINCE}, []
    while True:
        event = {"queryStringParameters": query}
        body = json.loads(status_query.respond(event, small).body)
        found.append(uuids(body))
        if "next" not in body:
            break
        query = {"since": SINCE, "next": body["next"]}
    assert found == [["u4", "u3"], ["u2", "u1"], ["u0"]]


def test_oldest_ingests_are_left_out_and_counted_when_a_meeting_has_too_many_ingests(
    ask: Ask, aws: Cloud
) -> None:
    with aws.status.batch_writer() as batch:
        for number in range(203):
            item = {"zip_id": f"z{number}", "meeting_id": 1, "recording_id": f"z{number}"}
            times = {"update_date": "2026-10-14", "update_time": number}
            batch.put_item(Item={**item, **times, "pipeline_state": "IGNORED"})
    _, body = ask(meeting_id="1", details="true")
    assert uuids(body) == [f"z{number}" for number in range(202, 2, -1)]
    assert body["left_out"] == 3


def test_status_query_for_queues_returns_the_counts_of_messages(ask: Ask, aws: Cloud) -> None:
    aws.sqs.send_message(QueueUrl=aws.download_queue, MessageBody="1")
    aws.sqs.send_message(QueueUrl=aws.download_queue, MessageBody="2", DelaySeconds=60)
    for body in "34":
        aws.sqs.send_message(QueueUrl=aws.upload_queue, MessageBody=body, MessageGroupId=body)
    aws.sqs.receive_message(QueueUrl=aws.upload_queue, MaxNumberOfMessages=1)
    aws.sqs.send_message(QueueUrl=aws.upload_dlq, MessageBody="5", MessageGroupId="g")
    none = {"waiting": 0, "in_flight": 0, "delayed": 0}
    assert ask(queues="true") == (
        200,
        {
            "now": "2026-10-14T18:30:00Z",
            "stack": "test",
            "queues": {
                "downloads": {"waiting": 1, "in_flight": 0, "delayed": 1},
                "downloads_dead": none,
                "uploads": {"waiting": 1, "in_flight": 1, "delayed": 0},
                "uploads_dead": {"waiting": 1, "in_flight": 0, "delayed": 0},
            },
        },
    )


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        ({}, {}),
        ({"last": {"at": "2026-10-14T18:05:00Z"}}, {"at": "2026-10-14T18:05:00Z"}),
        (
            {"last": {"at": "2026-10-14T18:05:00Z", "handed_in": 2, "error": "No scope."}},
            {"at": "2026-10-14T18:05:00Z", "handed_in": 2, "problem": "No scope."},
        ),
        (
            {"last": {"at": "2026-10-14T15:05:00Z"}},
            {"at": "2026-10-14T15:05:00Z", "problem": "It hasn't run for 3 hours."},
        ),
    ],
)
def test_status_query_for_queues_returns_the_known_last_run_and_problem_of_reconcile(
    item: dict[str, object], expected: dict[str, object], aws: Cloud, clock: Clock
) -> None:
    if item:
        baseline = {"uuid": KEY, "baseline": "2026-10-01T00:00:00Z", "version": 1}
        aws.recordings.put_item(Item={**baseline, **item})
    clock.set("2026-10-14T18:30:00+00:00")
    event = {"resource": "/status", "queryStringParameters": {"queues": "true"}}
    answer = status_query.respond(event, status_query_dependencies(aws, clock, reconcile_days=3))
    assert json.loads(answer.body)["reconcile"] == expected


def test_status_query_for_queues_returns_a_problem_when_the_reconcile_state_is_unreadable(
    aws: Cloud, clock: Clock
) -> None:
    aws.recordings.put_item(Item={"uuid": KEY, "baseline": "x"})
    event = {"resource": "/status", "queryStringParameters": {"queues": "true"}}
    answer = status_query.respond(event, status_query_dependencies(aws, clock, reconcile_days=3))
    assert answer.status == 200
    assert "can't be read" in json.loads(answer.body)["reconcile"]["problem"]


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ({"since": "yesterday"}, "since must be a time like"),
        ({"since": SINCE, "until": "2026-10-14"}, "until must be a time like"),
        ({"since": "2026-10-06T18:00:00Z"}, "since must lie at most 8 days back."),
        ({"since": SINCE, "open": "yes"}, "open must be true or false."),
        ({"since": SINCE, "next": "x"}, "next must be what the last answer gave."),
        ({"queues": "1"}, "queues must be true or false."),
        ({"queues": "false"}, "Ask with"),
        ({"meeting_id": "x", "details": "true"}, "meeting_id must be"),
        ({"meeting_id": "1", "details": ""}, "details must be true or false."),
    ],
)
def test_query_of_the_status_page_gets_400_when_a_parameter_is_invalid(
    ask: Ask, query: dict[str, str], problem: str
) -> None:
    status, body = ask(**query)
    assert status == 400
    assert problem in body["message"]


def test_answer_to_a_plain_status_query_stays_the_same_when_other_parameters_are_added(
    ask: Ask, deps: status_query.Dependencies
) -> None:
    write(deps, "u", State.IGNORED, "x")
    more = {"since": "x", "queues": "x", "open": "x"}
    assert ask(seconds="60", **more) == ask(seconds="60")
    assert ask(meeting_id="1", **more) == ask(meeting_id="1")


def test_status_query_for_queues_gets_503_when_sqs_fails(ask: Ask, aws: Cloud) -> None:
    with failing(aws.sqs, "sqs.GetQueueAttributes", "ServiceUnavailable"):
        assert ask(queues="true") == (
            503,
            {"message": "The status can't be read now. Try again later."},
        )


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    query=st.dictionaries(
        st.sampled_from(["since", "until", "next", "open", "uuid", "queues", "details"]),
        st.text(max_size=30) | st.sampled_from(["true", SINCE, "2026-10-14T18:30:00Z"]),
    )
)
def test_status_query_gets_no_5xx_whatever_the_parameters(ask: Ask, query: dict[str, str]) -> None:
    status, body = ask(**query)
    assert status in (200, 400)
    assert body
