"""The fixtures of the slack function's tests, with one server for each test module."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from local.authority import Authority
from tests.cloud import Clock, Cloud
from tests.neighbours import Web, web_server
from tests.unit.functions.slack.workspace import MEETING, Harness, Workspace

Put = Callable[..., None]


@pytest.fixture(scope="module")
def web(tls: Authority) -> Iterator[Web]:
    with web_server(tls) as made:
        yield made


@pytest.fixture
def workspace(web: Web) -> Workspace:
    made = Workspace(web)
    made.open()
    return made


@pytest.fixture
def harness(aws: Cloud, clock: Clock, workspace: Workspace, tls: Authority) -> Harness:
    return Harness(aws, clock, workspace, tls)


@pytest.fixture
def put(aws: Cloud) -> Put:
    """Return a function that writes a status row."""

    def write(uuid: str, state: str = "SENT_TO_OPENCAST", **more: Any) -> None:
        row = {
            "zip_id": f"auto-ingest-{uuid}",
            "meeting_id": MEETING,
            "recording_id": uuid,
            "topic": "HIST E-1010",
            "recording_start_time": "2026-10-14T15:00:00Z",
            "origin": "webhook_notification",
            "pipeline_state": state,
            "update_date": "2026-10-14",
            "update_time": 64_800,
            **more,
        }
        aws.status.put_item(Item={name: value for name, value in row.items() if value is not None})

    return write
