"""The webhook's metrics and mailed errors, also when Zoom repeats a webhook event."""

from __future__ import annotations

import dataclasses
import logging
from typing import Any

import pytest
from botocore.exceptions import ClientError

import webhook
from ingester.alerts.log_records import records_of
from ingester.log import JsonFormatter
from ingester.log_level import Level
from ingester.metrics import Metric
from ingester.pipeline.states import State
from ingester.zoom import signature
from tests.cloud import Clock, Cloud
from tests.function_harness import ZOOM_SECRET, post_webhook
from tests.hooks import failing_table
from tests.unit.functions.measured import count_of, listen, measured, rightly_signed
from tests.unit.functions.webhook.notifications import (
    UUID,
    ZIP_ID,
    Json,
    Post,
    chat,
    completed,
    mp4,
    on_demand,
    put,
    raw,
    status_event,
    without,
)


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    return listen(caplog)


def test_completed_recording_is_counted_once_when_zoom_repeats_the_webhook_event(
    post: Post, log: pytest.LogCaptureFixture
) -> None:
    post(status_event("recording.stopped"))
    assert [post(completed()) for _ in range(3)] == [200, 200, 200]
    assert measured(log) == [{Metric.RECORDING_COMPLETED: 1}]


def test_webhook_events_that_zoom_signed_are_counted_and_on_demand_requests_are_not(
    post: Post, log: pytest.LogCaptureFixture
) -> None:
    # A webhook event that Zoom signed keeps the alarm on wrong signatures quiet.
    post(status_event("recording.stopped"))
    post(completed())
    post(on_demand())
    assert rightly_signed(log) == 2


def test_completed_recording_is_counted_once_when_new_files_come_later(
    aws: Cloud, post: Post, log: pytest.LogCaptureFixture
) -> None:
    post(completed())
    post(completed(mp4(), mp4("file-2")))
    put(aws, State.DOWNLOADER_FAILED)
    assert post(completed(mp4(), mp4("file-3"))) == 200
    assert measured(log) == [{Metric.RECORDING_COMPLETED: 1}]


def test_completed_recording_is_counted_once_when_the_queue_fails_at_first(
    deps: webhook.Dependencies, log: pytest.LogCaptureFixture
) -> None:
    class Broken:
        def send(self, *_: Any, **_more: Any) -> None:
            raise ClientError({"Error": {"Code": "AccessDenied"}}, "SendMessage")

    broken: Any = Broken()
    assert post_webhook(dataclasses.replace(deps, downloads=broken), completed()).status == 503
    assert post_webhook(deps, completed()).status == 200
    assert measured(log) == [{Metric.RECORDING_COMPLETED: 1}, {Metric.WEBHOOK_NOT_TAKEN: 1}]


def test_on_demand_request_counts_as_no_completed_recording(
    post: Post, log: pytest.LogCaptureFixture
) -> None:
    assert post(on_demand()) == 200
    assert measured(log) == []


def test_recording_without_mp4_is_counted_once_as_completed_and_as_ignored(
    post: Post, log: pytest.LogCaptureFixture
) -> None:
    assert [post(completed(chat())) for _ in range(2)] == [204, 204]
    assert measured(log) == [{Metric.RECORDING_COMPLETED: 1, Metric.RECORDING_IGNORED: 1}]
    assert post(completed(chat(), mp4())) == 200
    assert count_of(Metric.RECORDING_COMPLETED, log) == 1


def test_completed_recording_is_counted_once_when_its_webhook_event_lacks_a_field(
    post: Post, log: pytest.LogCaptureFixture
) -> None:
    bad = completed(without(mp4(), "id"))
    bad["payload"]["object"] = without(bad["payload"]["object"], "topic")
    assert [post(bad) for _ in range(2)] == [200, 200]
    assert post(completed()) == 200
    assert measured(log) == [{Metric.RECORDING_COMPLETED: 1}]


def test_failure_of_an_on_demand_request_is_counted_once_when_its_data_are_bad(
    post: Post, log: pytest.LogCaptureFixture
) -> None:
    bad = on_demand(without(mp4(), "download_url"))
    assert [post(bad) for _ in range(2)] == [400, 400]
    assert measured(log) == [{Metric.RECORDING_FAILED: 1}]


def test_completed_recording_is_not_counted_when_the_status_table_fails(
    aws: Cloud, post: Post, log: pytest.LogCaptureFixture
) -> None:
    # The row shows whether the recording was counted before.
    aws.status.delete()
    assert post(completed()) == 200
    assert measured(log) == []


def test_started_meeting_is_counted_once_when_its_recording_starts_again(
    post: Post, log: pytest.LogCaptureFixture
) -> None:
    for event in ("resumed", "started", "paused", "started", "stopped", "started"):
        post(status_event(f"recording.{event}"))
    assert measured(log) == [{Metric.MEETING_STARTED: 1}]


def test_started_meeting_is_counted_for_each_recording(
    post: Post, log: pytest.LogCaptureFixture
) -> None:
    post(status_event(uuid="a=="))
    post(status_event(uuid="b=="))
    assert count_of(Metric.MEETING_STARTED, log) == 2


@pytest.mark.parametrize("event", ["meeting.ended", "webinar.ended"])
def test_ended_meeting_is_counted_once_when_it_was_recorded(
    event: str, post: Post, log: pytest.LogCaptureFixture
) -> None:
    post(status_event(event))
    assert measured(log) == []
    post(status_event())
    for _ in range(2):
        post(status_event(event))
    assert count_of(Metric.MEETING_ENDED, log) == 1


def test_requests_refused_with_401_are_counted_apart_from_other_refused_requests(
    deps: webhook.Dependencies, log: pytest.LogCaptureFixture
) -> None:
    assert post_webhook(deps, completed(), key="forged").status == 401
    assert post_webhook(deps, b"{").status == 400
    assert webhook.respond(raw(completed()), deps).status == 401
    assert measured(log) == [
        {Metric.WEBHOOK_WRONGLY_SIGNED: 1, Metric.WEBHOOK_UNAUTHORIZED: 1},
        {Metric.WEBHOOK_REJECTED: 1},
        {Metric.WEBHOOK_UNAUTHORIZED: 1},
    ]


def test_signature_is_not_counted_as_wrong_when_it_is_too_old(
    deps: webhook.Dependencies, clock: Clock, log: pytest.LogCaptureFixture
) -> None:
    event = raw(completed())
    then = clock().timestamp() - 301
    event["headers"] = signature.signed_headers(ZOOM_SECRET, then, event["body"].encode())
    assert webhook.respond(event, deps).status == 401
    assert measured(log) == [{Metric.WEBHOOK_UNAUTHORIZED: 1}]


@pytest.mark.parametrize(
    "files", [[chat()], [mp4(status="processing")], [without(mp4(), "id")]], ids=str
)
def test_refused_on_demand_request_is_neither_counted_as_rejected_nor_mailed(
    files: list[Json], post: Post, log: pytest.LogCaptureFixture
) -> None:
    assert post(on_demand(*files)) == 400
    assert count_of(Metric.WEBHOOK_REJECTED, log) == 0
    assert not [record for record in log.records if record.levelno >= logging.ERROR]


def test_invalid_request_is_mailed_when_it_has_the_automated_zip_id(
    post: Post, log: pytest.LogCaptureFixture
) -> None:
    # An operator may request a recording in place of Zoom's webhook event.
    log.handler.setFormatter(JsonFormatter())
    assert post(on_demand(without(mp4(), "id"), zip_id=ZIP_ID)) == 400
    records = records_of(log.text.splitlines())
    [mailed] = [record for record in records if record.level >= Level.ERROR]
    assert (mailed.uuid, mailed.zip_id) == (UUID, ZIP_ID)
    assert mailed.message.startswith("Bad webhook data: ")


def test_invalid_request_with_the_automated_zip_id_is_mailed_when_its_ingest_has_no_row(
    aws: Cloud, post: Post, log: pytest.LogCaptureFixture
) -> None:
    # Without a meeting number the webhook can't create a row.
    request = on_demand(mp4(), zip_id=ZIP_ID)
    request["payload"]["object"]["id"] = "nonsense"
    assert post(request) == 400
    assert aws.rows() == {}
    [mailed] = [record for record in log.records if record.levelno >= logging.ERROR]
    assert mailed.message.startswith("Bad webhook data: ")


def test_invalid_request_with_the_automated_zip_id_is_mailed_when_the_status_table_fails(
    aws: Cloud, post: Post, log: pytest.LogCaptureFixture
) -> None:
    with failing_table(aws.status):
        assert post(on_demand(without(mp4(), "id"), zip_id=ZIP_ID)) == 400
    [mailed] = [record for record in log.records if record.levelno >= logging.ERROR]
    assert mailed.message.startswith("Bad webhook data: ")
    assert measured(log) == []


def test_invalid_request_is_not_mailed_when_the_ingest_was_sent_to_opencast(
    aws: Cloud, post: Post, log: pytest.LogCaptureFixture
) -> None:
    put(aws, State.SENT_TO_OPENCAST)
    assert post(on_demand(without(mp4(), "id"), zip_id=ZIP_ID)) == 400
    assert not [record for record in log.records if record.levelno >= logging.ERROR]


def test_zoom_webhook_event_that_lacks_a_field_is_not_mailed(
    post: Post, log: pytest.LogCaptureFixture
) -> None:
    assert post(completed(without(mp4(), "id"))) == 200
    assert not [record for record in log.records if record.levelno >= logging.WARNING]


def test_answer_of_5xx_is_not_counted_as_a_rejection(
    aws: Cloud, post: Post, log: pytest.LogCaptureFixture
) -> None:
    aws.recordings.delete()
    for content in (completed(), status_event("recording.trashed")):
        assert post(content) == 503
    assert measured(log) == [{Metric.WEBHOOK_NOT_TAKEN: 1}] * 2


def test_answer_of_5xx_is_not_counted_when_the_pipeline_signed_the_request(
    aws: Cloud, post: Post, log: pytest.LogCaptureFixture
) -> None:
    # The alarm says that Zoom sends the webhook event again, which our own sender doesn't.
    aws.recordings.delete()
    assert post(on_demand()) == 503
    assert measured(log) == []


def test_request_is_not_counted_as_refused_when_its_signature_cannot_be_checked(
    deps: webhook.Dependencies, log: pytest.LogCaptureFixture
) -> None:
    event = raw(completed())
    now = deps.clock().timestamp()
    event["headers"] = signature.signed_headers("forged", now, event["body"].encode())
    assert webhook.respond(event, deps, lambda: None).status == 503
    assert measured(log) == []
