"""What the webhook counts: each fact once, however often Zoom tells it."""

from __future__ import annotations

import dataclasses
import logging
from typing import Any

import pytest
from botocore.exceptions import ClientError

import webhook
from ingester import signature
from ingester.log import JsonFormatter
from ingester.metrics import Metric
from ingester.rules.log_records import Level, records_of
from ingester.rules.states import State
from tests.cloud import Clock, Cloud
from tests.kits import ZOOM_SECRET, post_webhook
from tests.unit.functions.measured import count_of, listen, measured
from tests.unit.functions.webhook.notifications import (
    UUID,
    ZIP_ID,
    Json,
    Post,
    about,
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


def test_a_recording_is_completed_once(post: Post, log: pytest.LogCaptureFixture) -> None:
    post(status_event("recording.stopped"))
    assert [post(completed()) for _ in range(3)] == [200, 200, 200]
    assert measured(log) == [{Metric.RECORDING_COMPLETED: 1}]


def test_also_if_files_come_late(aws: Cloud, post: Post, log: pytest.LogCaptureFixture) -> None:
    post(completed())
    post(completed(mp4(), mp4("file-2")))
    put(aws, State.DOWNLOADER_FAILED)
    assert post(completed(mp4(), mp4("file-3"))) == 200
    assert measured(log) == [{Metric.RECORDING_COMPLETED: 1}]


def test_it_counts_although_the_queue_fails_and_not_when_zoom_repeats(
    tools: webhook.Tools, log: pytest.LogCaptureFixture
) -> None:
    class Broken:
        def send(self, *_: Any, **_more: Any) -> None:
            raise ClientError({"Error": {"Code": "AccessDenied"}}, "SendMessage")

    broken: Any = Broken()
    assert post_webhook(dataclasses.replace(tools, downloads=broken), completed()).status == 503
    assert post_webhook(tools, completed()).status == 200
    assert measured(log) == [{Metric.RECORDING_COMPLETED: 1}]


def test_our_own_requests_complete_nothing(post: Post, log: pytest.LogCaptureFixture) -> None:
    assert post(on_demand()) == 200
    assert measured(log) == []


def test_without_an_mp4_it_is_completed_and_ignored_once(
    post: Post, log: pytest.LogCaptureFixture
) -> None:
    assert [post(completed(chat())) for _ in range(2)] == [204, 204]
    assert measured(log) == [{Metric.RECORDING_COMPLETED: 1, Metric.RECORDING_IGNORED: 1}]
    assert post(completed(chat(), mp4())) == 200
    assert count_of(Metric.RECORDING_COMPLETED, log) == 1


def test_bad_data_fail_and_are_rejected(post: Post, log: pytest.LogCaptureFixture) -> None:
    bad = completed()
    bad["payload"]["object"] = without(about(), "topic")
    assert [post(bad) for _ in range(2)] == [400, 400]
    assert count_of(Metric.WEBHOOK_REJECTED, log) == 2
    assert count_of(Metric.RECORDING_COMPLETED, log) == 0
    assert post(completed()) == 200
    assert count_of(Metric.RECORDING_COMPLETED, log) == 1


def test_bad_data_fail_once(post: Post, log: pytest.LogCaptureFixture) -> None:
    bad = completed(without(mp4(), "download_url"))
    assert [post(bad) for _ in range(2)] == [400, 400]
    assert count_of(Metric.RECORDING_FAILED, log) == 1


def test_the_first_start_counts(post: Post, log: pytest.LogCaptureFixture) -> None:
    for event in ("resumed", "started", "paused", "started", "stopped", "started"):
        post(status_event(f"recording.{event}"))
    assert measured(log) == [{Metric.MEETING_STARTED: 1}]


def test_another_recordings_start_counts_too(post: Post, log: pytest.LogCaptureFixture) -> None:
    post(status_event(uuid="a=="))
    post(status_event(uuid="b=="))
    assert count_of(Metric.MEETING_STARTED, log) == 2


@pytest.mark.parametrize("event", ["meeting.ended", "webinar.ended"])
def test_the_end_of_a_recorded_meeting_counts_once(
    event: str, post: Post, log: pytest.LogCaptureFixture
) -> None:
    post(status_event(event))
    assert measured(log) == []
    post(status_event())
    for _ in range(2):
        post(status_event(event))
    assert count_of(Metric.MEETING_ENDED, log) == 1


def test_refused_requests_are_counted_401s_apart(
    tools: webhook.Tools, log: pytest.LogCaptureFixture
) -> None:
    assert post_webhook(tools, completed(), key="forged").status == 401
    assert post_webhook(tools, b"{").status == 400
    assert webhook.respond(raw(completed()), tools).status == 401
    assert measured(log) == [
        {Metric.WEBHOOK_WRONGLY_SIGNED: 1, Metric.WEBHOOK_UNAUTHORIZED: 1},
        {Metric.WEBHOOK_REJECTED: 1},
        {Metric.WEBHOOK_UNAUTHORIZED: 1},
    ]


def test_a_signature_that_is_too_old_isn_t_a_wrong_one(
    tools: webhook.Tools, clock: Clock, log: pytest.LogCaptureFixture
) -> None:
    event = raw(completed())
    then = clock().timestamp() - 301
    event["headers"] = signature.signed_headers(ZOOM_SECRET, then, event["body"].encode())
    assert webhook.respond(event, tools).status == 401
    assert measured(log) == [{Metric.WEBHOOK_UNAUTHORIZED: 1}]


@pytest.mark.parametrize(
    "files", [[chat()], [mp4(status="processing")], [without(mp4(), "id")]], ids=str
)
def test_what_we_ask_ourselves_is_told_to_who_asked_and_rings_nothing(
    files: list[Json], post: Post, log: pytest.LogCaptureFixture
) -> None:
    assert post(on_demand(*files)) == 400
    assert count_of(Metric.WEBHOOK_REJECTED, log) == 0
    assert not [record for record in log.records if record.levelno >= logging.ERROR]


def test_data_of_zoom_s_that_can_t_be_used_are_mailed_with_the_recording(
    post: Post, log: pytest.LogCaptureFixture
) -> None:
    """A person has to ask for it again: Zoom doesn't repeat what was refused with 400."""
    log.handler.setFormatter(JsonFormatter())
    assert post(completed(without(mp4(), "id"))) == 400
    records = records_of(log.text.splitlines())
    [mailed] = [record for record in records if record.level >= Level.ERROR]
    assert (mailed.uuid, mailed.zip_id) == (UUID, ZIP_ID)
    assert mailed.message.startswith("Bad webhook data: ")


def test_bad_data_of_a_recording_that_is_under_way_are_not_mailed(
    aws: Cloud, post: Post, log: pytest.LogCaptureFixture
) -> None:
    put(aws, State.SENT_TO_OPENCAST)
    assert post(completed(without(mp4(), "id"))) == 400
    assert not [record for record in log.records if record.levelno >= logging.ERROR]


def test_an_answer_of_5xx_is_no_rejection(
    tools: webhook.Tools, log: pytest.LogCaptureFixture
) -> None:
    class Changing:
        def get(self, _zip_id: str) -> None: ...

        def write(self, *_: Any, **_more: Any) -> None: ...

    changing: Any = Changing()
    answer = post_webhook(dataclasses.replace(tools, status=changing), completed())
    assert answer.status == 503
    assert measured(log) == []
