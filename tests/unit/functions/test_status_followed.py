"""Answers of `GET /status` about followed ingests, whose new states older callers don't get."""

from __future__ import annotations

from typing import Any

import pytest

import status_query
from ingester.pipeline.states import Origin, State
from ingester.recording.files import Subject
from ingester.status.table import StatusChange
from tests.cloud import Clock, Cloud
from tests.function_harness import status_query_dependencies

SUBJECT = Subject(
    meeting_id=95846636714,
    recording_id="u==",
    topic="HIST",
    start_time="2026-10-14T14:00:12Z",
    origin=Origin.WEBHOOK,
)


@pytest.fixture
def deps(aws: Cloud, clock: Clock) -> status_query.Dependencies:
    return status_query_dependencies(aws, clock)


def write(deps: status_query.Dependencies, state: State, reason: str) -> None:
    change = StatusChange(State.SENT_TO_OPENCAST, subject=SUBJECT, files=["f"])
    deps.status.write("auto-ingest-u==", change)
    deps.status.write("auto-ingest-u==", StatusChange(state, reason))


@pytest.mark.parametrize(
    ("state", "reason", "shown"),
    [
        (State.PUBLISHED, "", None),
        (State.PUBLISHED, "It lacks a file.", "It lacks a file."),
        (State.OPENCAST_FAILED, "Opencast's workflow failed.", None),
        (State.OPENCAST_DELETED, "Its event isn't in Opencast any more.", None),
    ],
)
def test_plain_status_query_shows_a_followed_ingest_as_sent_to_opencast(
    deps: status_query.Dependencies, state: State, reason: str, shown: str | None
) -> None:
    write(deps, state, reason)
    found = status_query.records({"meeting_id": "95846636714"}, deps)
    assert found is not None
    (ingest,) = found["recordings"][0]["zip_ingests"]
    assert (ingest["status"], ingest.get("reason")) == ("SENT_TO_OPENCAST", shown)


@pytest.mark.parametrize("state", [State.PUBLISHED, State.OPENCAST_FAILED, State.OPENCAST_DELETED])
def test_status_details_of_an_ingest_have_its_state_in_opencast(
    deps: status_query.Dependencies, state: State
) -> None:
    write(deps, state, "why")
    (ingest,) = status_query.of_meeting({"meeting_id": "95846636714"}, deps)["ingests"]
    assert (ingest.state, ingest.reason) == (state, "why")
    assert ingest.attention is (state is State.OPENCAST_FAILED)


def test_list_of_open_ingests_contains_a_failed_ingest_and_no_published_ingest(
    deps: status_query.Dependencies,
) -> None:
    since: dict[str, Any] = {"since": "2026-10-14T00:00:00Z", "open": "true"}
    write(deps, State.OPENCAST_FAILED, "why")
    assert len(status_query.changed_since(since, deps)["ingests"]) == 1
    deps.status.write("auto-ingest-u==", StatusChange(State.PUBLISHED))
    assert status_query.changed_since(since, deps)["ingests"] == []
