"""Logs without secrets, and requests with arbitrary bodies."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import webhook
from ingester.log import JsonFormatter
from ingester.zoom.webhook_events import RECOVERY_EVENTS, REMOVAL_EVENTS, STATUS_EVENTS
from tests.cloud import Cloud
from tests.function_harness import OWN_KEY, ZOOM_SECRET, post_webhook
from tests.unit.functions.webhook.notifications import (
    Post,
    about,
    chat,
    completed,
    edit_record,
    mp4,
    on_demand,
    raw,
    status_event,
    without,
)


def test_log_lines_of_the_webhook_contain_no_secret(
    aws: Cloud, post: Post, caplog: pytest.LogCaptureFixture, deps: webhook.Dependencies
) -> None:
    caplog.set_level(logging.DEBUG, "ingester")
    content = completed(mp4(), chat())
    post(status_event())
    post(content)
    post(content)
    post(completed(without(mp4(), "id")))
    post(on_demand(), key="wrong")
    post(completed(start_time="now"))
    webhook.respond(raw(content, {"x-zm-signature": "v0=SECRET", "a": "b"}), deps)
    edit_record(aws, files="all")
    post(content)
    aws.recordings.delete()
    post(content)
    aws.status.delete()
    post(content)
    formatter = JsonFormatter()
    lines = [formatter.format(record) for record in caplog.records]
    assert len(lines) > 8
    assert not [line for line in lines if "SECRET" in line]
    assert not [line for line in lines if ZOOM_SECRET in line or OWN_KEY in line]


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5)
    | st.sampled_from(["MP4", "chat", "2026-10-14T15:00:00Z", 10**40]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=5) | st.sampled_from(list(mp4())), inner, max_size=4)
    ),
    max_leaves=6,
)
spoilt_files = st.tuples(st.sampled_from(list(mp4())), json_values).map(
    lambda change: mp4() | {change[0]: change[1]}
)
spoilt_objects = st.tuples(
    st.sampled_from([*about(), "meeting_uuids", "meetings"]),
    json_values | st.lists(spoilt_files, max_size=2),
).map(lambda change: about() | {change[0]: change[1]})
bodies = st.one_of(
    json_values,
    st.fixed_dictionaries(
        {
            "event": st.sampled_from(list(STATUS_EVENTS))
            | st.sampled_from(
                [
                    "recording.completed",
                    "on.demand.ingest",
                    *REMOVAL_EVENTS,
                    *sorted(RECOVERY_EVENTS),
                ]
            )
            | json_values,
            "event_ts": st.integers() | json_values,
            "download_token": st.text(max_size=3) | json_values,
            "payload": st.fixed_dictionaries(
                {"object": spoilt_objects}, optional={"zip_id": json_values, "force": json_values}
            )
            | json_values,
        }
    ),
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=bodies)
def test_webhook_request_gets_no_5xx_whatever_its_body_contains(
    content: Any, deps: webhook.Dependencies
) -> None:
    answer = post_webhook(deps, json.dumps(content).encode(), key=OWN_KEY)
    assert answer.status in (200, 204, 400, 401)
