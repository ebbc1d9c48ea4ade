"""The plain queries of GET /status: `meeting_id` or `seconds`, without `details`."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import status_query
from ingester.pipeline.states import Origin, State
from ingester.recording.files import Subject
from ingester.status.table import StatusChange
from tests.cloud import Clock, Cloud
from tests.function_harness import status_query_dependencies

Ask = Callable[..., tuple[int, Any]]


@pytest.fixture
def deps(aws: Cloud, clock: Clock) -> status_query.Dependencies:
    return status_query_dependencies(aws, clock)


@pytest.fixture
def ask(deps: status_query.Dependencies) -> Ask:
    def get(query: dict[str, str] | None) -> tuple[int, Any]:
        answer = status_query.respond({"queryStringParameters": query}, deps)
        return answer.status, json.loads(answer.body)

    return get


def write(
    deps: status_query.Dependencies, zip_id: str, uuid: str, meeting: int = 1, **more: Any
) -> None:
    state = more.pop("state", State.WEBHOOK_RECEIVED)
    subject = Subject(
        meeting_id=meeting,
        recording_id=uuid,
        topic=f"Topic {meeting}",
        start_time="2026-10-14T15:00:00Z",
        origin=Origin.ON_DEMAND,
    )
    assert deps.status.write(zip_id, StatusChange(state, subject=subject, **more))


def test_status_query_gets_400_when_a_parameter_is_missing_or_invalid(ask: Ask) -> None:
    queries: list[dict[str, str] | None] = [None, {}, {"minutes": "5"}]
    queries += [{"meeting_id": text} for text in ("", "x", "1.5", "-1", "٣", "9" * 40, "958 466")]
    queries += [{"seconds": text} for text in ("", "x", "-1", "3601", "9" * 40, "²", "1e3")]
    queries += [{"meeting_id": "x", "seconds": "5"}]
    for query in queries:
        status, body = ask(query)
        assert status == 400, query
        assert list(body) == ["message"]
        name = next(iter(query or {}), "")
        assert "meeting_id" in body["message"] or (name == "seconds" and name in body["message"])


def test_status_answer_is_empty_when_no_ingest_is_known(ask: Ask) -> None:
    assert ask({"meeting_id": "95846636714"}) == (200, {"records": None})
    assert ask({"seconds": "3600"}) == (200, {"records": {"meetings": []}})


def test_status_answer_has_every_recording_and_ingest_of_a_meeting(
    ask: Ask, deps: status_query.Dependencies, clock: Clock
) -> None:
    write(deps, "a", "u1", requested=True, oc_series_id="S")
    clock.forward(seconds=5)
    write(deps, "b", "u1", state=State.IGNORED, reason="No mp4 files")
    write(deps, "c", "u2")
    write(deps, "other", "u3", meeting=2)
    status, body = ask({"meeting_id": "1", "seconds": "oops"})
    assert status == 200
    meeting = body["records"]
    assert (meeting["meeting_id"], meeting["topic"]) == (1, "Topic 1")
    found = {recording["recording_id"]: recording for recording in meeting["recordings"]}
    assert set(found) == {"u1", "u2"}
    assert found["u1"]["start_time"] == "2026-10-14T15:00:00Z"
    ingests = sorted(found["u1"]["zip_ingests"], key=lambda one: str(one["last_updated"]))
    assert ingests == [
        {
            "last_updated": "2026-10-14T18:30:00Z",
            "status": "WEBHOOK_RECEIVED",
            "origin": "on_demand",
            "ingest_request_time": "2026-10-14T18:30:00Z",
            "oc_series_id": "S",
        },
        {
            "last_updated": "2026-10-14T18:30:05Z",
            "status": "IGNORED",
            "origin": "on_demand",
            "reason": "No mp4 files",
        },
    ]


def test_meetings_of_the_requested_seconds_are_listed_oldest_first_across_midnight(
    ask: Ask, deps: status_query.Dependencies, clock: Clock
) -> None:
    clock.set("2026-10-14T23:59:00+00:00")
    for number in range(4):
        write(deps, f"z{number}", f"u{number}", meeting=4 - number)
        clock.forward(seconds=30)
    _, body = ask({"seconds": "120"})
    assert [meeting["meeting_id"] for meeting in body["records"]["meetings"]] == [4, 3, 2, 1]
    _, body = ask({"seconds": "60"})
    assert [meeting["meeting_id"] for meeting in body["records"]["meetings"]] == [2, 1]
    clock.now -= timedelta(seconds=30)
    _, body = ask({"seconds": "0"})
    assert [meeting["meeting_id"] for meeting in body["records"]["meetings"]] == [1]


def test_status_query_gets_503_when_the_status_table_fails(ask: Ask, aws: Cloud) -> None:
    aws.status.delete()
    status, body = ask({"meeting_id": "1"})
    assert (status, list(body)) == (503, ["message"])


queries = st.dictionaries(
    st.sampled_from(["meeting_id", "seconds"]) | st.text(max_size=3),
    st.integers().map(str) | st.text(max_size=5),
    max_size=3,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(query=queries)
def test_status_query_returns_records_or_gets_400_with_a_message_whatever_the_parameters(
    query: dict[str, str], ask: Ask
) -> None:
    status, body = ask(query)
    assert (status, list(body)) in [(200, ["records"]), (400, ["message"])]
