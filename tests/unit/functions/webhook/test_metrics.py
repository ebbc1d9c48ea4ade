"""What the webhook counts: each fact once, however often Zoom tells it."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from botocore.exceptions import ClientError

import webhook
from ingester.metrics import Metric
from ingester.rules.states import State
from tests.cloud import Cloud
from tests.kits import post_webhook
from tests.unit.functions.measured import count_of, listen, measured
from tests.unit.functions.webhook.notifications import (
    Post,
    about,
    chat,
    completed,
    mp4,
    on_demand,
    put,
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
    assert measured(log) == [{Metric.WEBHOOK_UNAUTHORIZED: 1}, {Metric.WEBHOOK_REJECTED: 1}]


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
