"""Slack waits three seconds: what takes longer is finished by the function's own invocation."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

import slack
from tests.slack_messages import texts
from tests.unit.functions.slack.conftest import Put
from tests.unit.functions.slack.test_refusals import refused, value
from tests.unit.functions.slack.workspace import MEETING, STRANGER, Desk, Workspace

ONE_MOMENT = "One moment, I'm looking…"


@pytest.fixture
def slow(workspace: Workspace) -> Iterator[threading.Event]:
    """Slack tells no groups until this is set."""
    ready = threading.Event()
    workspace.before = lambda: ready.wait(30)
    yield ready
    ready.set()


def late(desk: Desk, milliseconds: int = 2000) -> None:
    """From now on so much of Slack's time is over when a request gets here."""
    original = desk.post

    def post(body: bytes, **more: Any) -> Any:
        arrived = int(desk.clock().timestamp() * 1000) - milliseconds
        return original(body, requestContext={"requestTimeEpoch": arrived}, **more)

    desk.post = post  # type: ignore[method-assign, assignment]


def test_a_command_is_answered_at_once_and_finished_later(
    desk: Desk, slow: threading.Event, put: Put
) -> None:
    put("u1")
    late(desk)
    assert refused(desk.command(str(MEETING))) == ONE_MOMENT
    slow.set()
    (message,) = desk.finish()
    assert (message["response_type"], message["replace_original"]) == ("in_channel", False)
    assert "HIST E-1010" in texts(message)
    assert desk.invoked == []


def test_a_stranger_gets_nothing_of_it_later_either(
    desk: Desk, slow: threading.Event, put: Put
) -> None:
    put("u1")
    late(desk)
    assert refused(desk.command(str(MEETING), user_id=STRANGER)) == ONE_MOMENT
    slow.set()
    (message,) = desk.finish()
    assert refused(message).startswith("You may not use this command")


def test_a_press_is_acknowledged_and_finished_later(
    desk: Desk, slow: threading.Event, put: Put
) -> None:
    put("u1")
    late(desk)
    assert desk.press(value()) == []
    slow.set()
    (message,) = desk.finish()
    assert message["replace_original"] is True
    assert "HIST E-1010" in texts(message)


def test_it_waits_no_longer_than_it_may(desk: Desk, slow: threading.Event, put: Put) -> None:
    """By the real clock, from a request that has just arrived."""
    put("u1")
    begin = desk.tools.monotonic()
    assert refused(desk.command(str(MEETING))) == ONE_MOMENT
    assert 1.4 < desk.tools.monotonic() - begin < 2.5
    assert not slow.is_set()


def test_a_cold_start_leaves_some_time(desk: Desk, put: Put) -> None:
    put("u1")
    late(desk, 1500)
    assert "HIST E-1010" in texts(desk.command(str(MEETING)))
    assert desk.invoked == []


def test_what_is_known_needs_no_time(desk: Desk, slow: threading.Event) -> None:
    late(desk)
    told = refused(desk.command("help", channel_name="random"))
    assert "works only in" in told
    assert desk.invoked == []
    assert not slow.is_set()


def test_the_function_can_t_invoke_itself(desk: Desk, slow: threading.Event) -> None:
    def fail(_event: bytes) -> None:
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "Invoke")

    late(desk)
    desk.tools = slack.Tools(**{**vars(desk.tools), "invoke": fail})
    assert "try again in a minute" in refused(desk.command(str(MEETING)))
    slow.set()


def test_an_event_of_its_own_can_t_come_through_the_api(desk: Desk) -> None:
    event = {"body": '{"slack_asked": {"type": "command"}}', "slack_user": "x", "headers": {}}
    assert slack.respond(event, desk.tools).status == 401
