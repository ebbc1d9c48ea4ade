"""Answers within Slack's three seconds, and later answers by a second invocation.

Slack waits three seconds for an answer:
https://docs.slack.dev/interactivity/implementing-slash-commands
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

import slack
from cdk.functions import SIZES
from cdk.names import SLACK
from ingester.runtime.api_gateway import request_of
from ingester.slack.api import API_SECONDS
from ingester.slack.blocks import Message
from ingester.slack.deadlines import Deadlines
from local.neighbours.https_server import Answer, Disruption
from tests.local.processes_of import wait_for
from tests.slack_messages import button_of, texts
from tests.unit.functions.slack.conftest import Put
from tests.unit.functions.slack.test_refusals import refused, value
from tests.unit.functions.slack.workspace import MEETING, STRANGER, Harness, Workspace
from tests.waits import Stopwatch

ONE_MOMENT = "One moment, I'm looking…"


class Slowness:
    """A call that returns once `end` is called, or after 30 s.

    `has_returned` is true once a call has returned.
    """

    def __init__(self) -> None:
        self.has_returned = False
        self._ended = threading.Event()

    def __call__(self, *_: object) -> None:
        self._ended.wait(30)
        self.has_returned = True

    def end(self) -> None:
        self._ended.set()


@pytest.fixture
def slow(workspace: Workspace) -> Iterator[Slowness]:
    """Yield a call that Slack makes before each answer about groups."""
    workspace.before = slowness = Slowness()
    yield slowness
    slowness.end()


def late(harness: Harness, milliseconds: int = 2000) -> None:
    """Make requests reach the function `milliseconds` after the requests reached API Gateway."""
    original = harness.post

    def post(body: bytes, **more: Any) -> Any:
        arrived = int(harness.clock().timestamp() * 1000) - milliseconds
        return original(body, requestContext={"requestTimeEpoch": arrived}, **more)

    harness.post = post  # type: ignore[method-assign, assignment]


def test_slash_command_is_acknowledged_first_and_answered_later_when_slack_is_slow(
    harness: Harness, slow: Slowness, put: Put
) -> None:
    put("u1")
    late(harness)
    assert refused(harness.command(str(MEETING))) == ONE_MOMENT
    slow.end()
    (message,) = harness.finish()
    assert (message["response_type"], message["replace_original"]) == ("in_channel", False)
    assert "HIST E-1010" in texts(message)
    assert harness.invoked == []


def test_slash_command_of_a_stranger_is_refused_later_when_slack_is_slow(
    harness: Harness, slow: Slowness, put: Put
) -> None:
    put("u1")
    late(harness)
    assert refused(harness.command(str(MEETING), user_id=STRANGER)) == ONE_MOMENT
    slow.end()
    (message,) = harness.finish()
    assert refused(message).startswith("You may not use this command")


def test_button_press_is_acknowledged_before_any_request_to_slack_and_answered_later(
    harness: Harness, workspace: Workspace, slow: Slowness, put: Put
) -> None:
    put("u1")
    harness.acknowledged(value())
    assert workspace.asked == []
    slow.end()
    (message,) = harness.finish()
    assert message["replace_original"] is True
    assert "HIST E-1010" in texts(message)


def test_slash_command_is_acknowledged_at_the_deadline_of_the_work_when_slack_is_slow(
    harness: Harness, slow: Slowness, put: Put
) -> None:
    put("u1")
    now = time.monotonic()
    deadlines = Deadlines(work=now, answer=now + 3600)

    def post(body: bytes) -> Any:
        request = request_of(harness.event(body))
        return slack.handle_request(request, harness.deps, lambda: harness.deps, deadlines)

    harness.post = post  # type: ignore[method-assign, assignment]
    assert refused(harness.command(str(MEETING))) == ONE_MOMENT
    assert not slow.has_returned


@pytest.mark.parametrize(("milliseconds", "seconds"), [(0, 2.6), (2000, 0.6), (9000, 0.3)])
def test_time_limit_of_a_post_to_slack_counts_from_the_arrival_of_the_request_at_api_gateway(
    harness: Harness, milliseconds: int, seconds: float
) -> None:
    limits: list[float] = []

    def post(_url: str, _message: Message, limit: float) -> None:
        limits.append(limit)

    late(harness, milliseconds)
    changed = {"invoke": fail, "post": post, "monotonic": Stopwatch()}
    harness.deps = slack.Dependencies(**{**vars(harness.deps), **changed})
    harness.acknowledged(value())
    # The limit is real time. So a slow machine may answer before the thread of the post runs.
    wait_for(lambda: bool(limits))
    assert limits == [pytest.approx(seconds, abs=0.002)]


def test_slash_command_is_answered_in_the_first_invocation_when_a_cold_start_leaves_time(
    harness: Harness, put: Put
) -> None:
    put("u1")
    late(harness, 1500)
    assert "HIST E-1010" in texts(harness.command(str(MEETING)))
    assert harness.invoked == []


def test_slash_command_is_answered_after_a_long_cold_start_when_it_needs_no_lookup(
    harness: Harness, slow: Slowness
) -> None:
    late(harness)
    text = refused(harness.command("help", channel_name="random"))
    assert "works only in" in text
    assert harness.invoked == []
    assert not slow.has_returned


def test_slash_command_is_only_acknowledged_when_the_cold_start_took_too_long(
    harness: Harness, slow: Slowness, put: Put
) -> None:
    # The function's clock stands still at 2.1 s after the request reached API Gateway.
    put("u1")
    late(harness, 2100)
    harness.deps = slack.Dependencies(**{**vars(harness.deps), "monotonic": Stopwatch()})
    assert refused(harness.command(str(MEETING))) == ONE_MOMENT
    assert not slow.has_returned


def fail(_event: bytes) -> None:
    raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "Invoke")


def test_slack_user_is_asked_to_try_again_when_the_function_cannot_invoke_itself(
    harness: Harness, workspace: Workspace, slow: Slowness
) -> None:
    late(harness)
    harness.deps = slack.Dependencies(**{**vars(harness.deps), "invoke": fail})
    assert "try again in a minute" in refused(harness.command(str(MEETING)))
    harness.acknowledged(value())
    (message,) = workspace.messages
    assert "try again in a minute" in refused(message)
    slow.end()


def test_slash_command_is_answered_before_a_slow_call_of_lambda_returns(
    harness: Harness, slow: Slowness, put: Put, caplog: pytest.LogCaptureFixture
) -> None:
    put("u1")
    late(harness)
    harness.deps = slack.Dependencies(**{**vars(harness.deps), "invoke": slow})
    assert "try again in a minute" in refused(harness.command(str(MEETING)))
    assert not slow.has_returned
    (record,) = (record for record in caplog.records if record.levelno == logging.ERROR)
    assert "could not invoke itself: TimeoutError" in record.getMessage()
    assert not record.exc_info
    assert "outlook" in vars(record)


def test_button_press_is_acknowledged_before_a_slow_post_of_a_message_returns(
    harness: Harness, slow: Slowness
) -> None:
    # Slack may send single bytes, so that the connection never times out.
    late(harness)
    changed = {"invoke": fail, "post": slow}
    harness.deps = slack.Dependencies(**{**vars(harness.deps), **changed})
    harness.acknowledged(value())
    assert not slow.has_returned


def button_of_full_message() -> str:
    """Return the value of a button below six recordings. A press makes a new message."""
    return value().replace('"count": 2', '"count": 6')


@pytest.mark.parametrize("answer", [Answer(503), Answer(200, disruption=Disruption(after_bytes=0))])
def test_old_slack_message_loses_its_button_when_the_new_message_may_have_arrived(
    harness: Harness, workspace: Workspace, put: Put, answer: Answer
) -> None:
    # Otherwise a second press would show the same recordings again.
    seven(put)
    workspace.answer("/respond", answer, workspace.take)
    (old,) = harness.press(button_of_full_message())
    assert (old["replace_original"], button_of(old)) == (True, "")


def seven(put: Put) -> None:
    for number in range(1, 8):
        put(f"u{number}", recording_start_time=f"2026-10-0{number}T15:00:00Z")


def test_no_second_message_is_posted_when_slack_refuses_the_first_message(
    harness: Harness, workspace: Workspace, put: Put
) -> None:
    seven(put)
    workspace.answer("/respond", Answer(404, body=b"expired_url"))
    assert harness.press(button_of_full_message()) == []
    assert workspace.asked.count("/respond") == 1


@pytest.mark.parametrize("text", ["help", str(MEETING)])
def test_slack_user_is_asked_to_try_again_when_slack_is_slow_in_the_second_invocation_too(
    harness: Harness, slow: Slowness, text: str
) -> None:
    # Otherwise the user would only see "One moment".
    late(harness)
    assert refused(harness.command(text)) == ONE_MOMENT
    # At its second reading, the clock has reached the deadline of the lookup.
    clock = iter([0.0, slack.BACKGROUND_SECONDS, *range(100, 200)])
    harness.deps = slack.Dependencies(**{**vars(harness.deps), "monotonic": lambda: next(clock)})
    (message,) = harness.finish()
    assert "try again in a minute" in refused(message)
    assert not slow.has_returned


def test_time_limits_of_the_second_slack_invocation_add_up_to_less_than_its_timeout() -> None:
    # The invocation may wait for two answers of Slack's API and post two messages. Two seconds
    # are left for everything else.
    assert 2 * API_SECONDS <= slack.BACKGROUND_SECONDS
    longest = slack.BACKGROUND_SECONDS + 2 * slack.POST_SECONDS
    assert longest <= SIZES[SLACK].timeout - 2


def test_slack_function_refuses_an_http_request_that_imitates_an_invocation_by_the_function(
    harness: Harness,
) -> None:
    event = {"body": '{"slack_asked": {"type": "command"}}', "slack_user": "x", "headers": {}}
    assert slack.respond(event, harness.deps).status == 401
