"""Answers and refusals of `/zip` on the local stack. Slack's stand-in checks the messages."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

from cdk.names import SLACK
from ingester.pipeline.states import State
from ingester.slack import wording
from ingester.status.words import REASONS, STATES
from tests.e2e import deployed
from tests.e2e.slack import (
    Shown,
    await_change,
    await_message,
    message,
    press_button,
    put_row,
    slow_down_groups,
    start_without_groups,
    type_command,
    zip_command,
)
from tests.e2e.stack import Stack
from tests.slack_messages import button_of, texts

NO_RECORDINGS = "No recordings of this meeting in the last seven days."
NOT_ALLOWED = "You may not use this command"


@pytest.fixture(scope="module", autouse=True)
def _warm(stack: Stack) -> Iterator[None]:
    """Make a container of the Slack function read the user groups, so that answers are fast.

    At the end, check that Slack refused no message.
    """
    zip_command(stack)
    yield
    assert stack.driver.refused_by_slack() == []


@pytest.fixture
def meeting(stack: Stack) -> int:
    """Return an unused meeting number."""
    return stack.new_meeting()


def private_text(stack: Stack, text: str = "help", **options: str) -> str:
    """Type a command, assert that only the user sees the answer, and return the answer's text."""
    shown = type_command(stack, text, **options)
    assert shown["only_for"]
    assert shown["blocks"] == []
    return str(shown["text"])


def test_the_slack_command_shows_help_in_the_channel_and_in_direct_messages(stack: Stack) -> None:
    for text in ("", "help"):
        assert "`/zip 123 456 7890`" in private_text(stack, text)
    assert "`/zip 123 456 7890`" in private_text(stack, channel="direct")


@pytest.mark.parametrize("forge", ["wrong_secret", "old_timestamp", "unsigned", "other_body"])
def test_a_slack_command_without_a_valid_signature_is_refused(stack: Stack, forge: str) -> None:
    outcome = stack.driver.type_command("help", forge=forge)
    assert outcome["status"] == 401
    assert outcome["ts"] is None


def test_a_stranger_may_use_neither_the_slack_command_nor_its_button(
    stack: Stack, meeting: int
) -> None:
    for number in range(4):
        put_row(stack, meeting, number)
    for text in ("help", str(meeting)):
        assert private_text(stack, text, user="stranger").startswith(NOT_ALLOWED)
    shown = type_command(stack, str(meeting))
    press_button(stack, shown["ts"], user="stranger")
    assert await_message(stack, shown["ts"], NOT_ALLOWED, "stranger")["only_for"]
    assert len(days(message(stack, shown["ts"]))) == 2


@pytest.mark.parametrize("channel", ["general", "secret"])
def test_the_slack_command_is_refused_in_another_channel(stack: Stack, channel: str) -> None:
    assert "works only in #zip and in direct messages" in private_text(stack, channel=channel)


@pytest.mark.parametrize("text", ["123", "one two", "123456789012"])
def test_the_slack_command_refuses_a_text_that_is_no_meeting_number(
    stack: Stack, text: str
) -> None:
    assert "9 to 11 digits" in private_text(stack, text)


@contextmanager
def without_secret(stack: Stack, setting: str) -> Iterator[None]:
    ssm, name = stack.driver.client("ssm"), stack.names.secret(setting)
    value = ssm.get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"]
    ssm.delete_parameter(Name=name)
    try:
        deployed.cold_start(stack.driver, stack.function(SLACK))
        yield
    finally:
        ssm.put_parameter(Name=name, Value=value, Type="SecureString")
        start_without_groups(stack)


@pytest.mark.parametrize("setting", ["SLACK_SIGNING_SECRET", "SLACK_API_TOKEN"])
def test_the_slack_command_says_that_it_is_not_set_up_when_a_secret_is_missing(
    stack: Stack, setting: str
) -> None:
    with without_secret(stack, setting):
        body = stack.wait(lambda: stack.driver.type_command("help")["body"], "An answer")
        assert "is not set up" in body


def test_the_slack_command_says_that_groups_cannot_be_read_when_the_app_lacks_the_scope(
    stack: Stack,
) -> None:
    start_without_groups(stack)
    stack.driver.set_slack_scopes("commands")
    try:
        assert "whether you may use this command" in private_text(stack)
    finally:
        stack.driver.set_slack_scopes("commands", "usergroups:read")


@pytest.fixture
def without_status(stack: Stack) -> Iterator[None]:
    """Remove the Slack function's grants on the status table during the test."""
    function, table = stack.function(SLACK), f":table/{stack.names.of('pipeline-status')}"
    with ExitStack() as exits:
        for grant in deployed.grants_of(stack.driver, function):
            if table in grant[1]:
                exits.enter_context(deployed.without_grant(stack.driver, function, *grant))
        yield


@pytest.mark.usefixtures("without_status")
def test_the_slack_command_says_that_the_status_cannot_be_read_when_grants_are_missing(
    stack: Stack, meeting: int
) -> None:
    assert private_text(stack, str(meeting)) == wording.NO_STATUS
    assert "`/zip 123 456 7890`" in private_text(stack)


def test_a_slack_button_press_says_that_the_status_cannot_be_read_when_grants_are_missing(
    stack: Stack, meeting: int, request: pytest.FixtureRequest
) -> None:
    for number in range(3):
        put_row(stack, meeting, number)
    shown = type_command(stack, str(meeting))
    request.getfixturevalue("without_status")
    press_button(stack, shown["ts"])
    assert await_message(stack, shown["ts"], wording.NO_STATUS)["only_for"]
    assert message(stack, shown["ts"])["blocks"] == shown["blocks"]


def test_the_slack_command_says_that_a_meeting_is_not_scheduled_and_has_no_recordings(
    stack: Stack, meeting: int
) -> None:
    text = texts(type_command(stack, str(meeting)))
    assert "This meeting is not in the schedule." in text
    assert NO_RECORDINGS in text


def test_the_slack_command_shows_the_scheduled_class_of_a_meeting_without_recordings(
    stack: Stack,
) -> None:
    text = texts(type_command(stack, str(stack.lecture().meeting_id)))
    assert "HIST E-1010 Lecture: " in text
    assert "20260112345" in text
    assert NO_RECORDINGS in text


def test_the_slack_command_shows_recordings_when_the_schedule_cannot_be_read(
    stack: Stack, meeting: int
) -> None:
    put_row(stack, meeting)
    table, key = stack.driver.table("schedule"), {"zoom_series_id": str(meeting)}
    table.put_item(Item=key | {"events": "broken"})
    try:
        text = texts(type_command(stack, str(meeting)))
    finally:
        table.delete_item(Key=key)
    assert wording.SCHEDULE_UNREADABLE in text
    assert STATES[State.SENT_TO_OPENCAST] in text


@pytest.mark.parametrize("reason", REASONS)
def test_the_slack_command_shows_the_reason_of_an_ignored_ingest_in_words_for_people(
    stack: Stack, meeting: int, reason: str
) -> None:
    put_row(stack, meeting, pipeline_state="IGNORED", reason=reason)
    text = texts(type_command(stack, str(meeting)))
    words = html.escape(REASONS[reason], quote=False)
    assert f"{STATES[State.IGNORED]}: {words}" in text


def test_the_slack_command_shows_every_state_in_words_for_people(stack: Stack) -> None:
    for state in State:
        meeting = stack.new_meeting()
        put_row(stack, meeting, pipeline_state=str(state))
        shown = type_command(stack, str(meeting))
        assert STATES[state] in texts(shown)
        assert shown["only_for"] is None


def test_the_slack_command_shows_every_ingest_of_a_recording(stack: Stack, meeting: int) -> None:
    put_row(stack, meeting, pipeline_state="IGNORED", reason="No opencast series match")
    put_row(
        stack,
        meeting,
        ingest="2",
        origin="on_demand",
        oc_series_id="S-1",
        pipeline_state="UPLOADER_FAILED",
        reason="Unable to reach Opencast. (attempt 1 of 5, next try at 2099-11-25T18:05:00Z)",
        retry_due="2099-11-25T18:05:00Z",
    )
    text = texts(type_command(stack, str(meeting)))
    for words in (
        "Automated ingest, requested ",
        "No class in the schedule fits it",
        "+Zoom ingest, requested ",
        "next at Wed, Nov 25, 2099, 1:05 PM EST",
        "Opencast series: S-1",
    ):
        assert words in text


def test_the_slack_command_shows_a_topic_with_markup_as_plain_text(
    stack: Stack, meeting: int
) -> None:
    topic = "<img src=x onerror=alert(1)> & <!channel> <https://evil.example|Zoom>"
    put_row(stack, meeting, topic=topic, reason=topic)
    shown = type_command(stack, str(meeting))
    (header,) = [block for block in shown["blocks"] if block["type"] == "header"]
    assert header["text"]["text"] == (
        "&lt;img src=x onerror=alert(1)&gt; &amp; &lt;!channel&gt; "
        "&lt;https://evil.example|Zoom&gt;"
    )
    assert not [text for text in shown["controls"] if "evil" in text or "channel" in text]


def days(shown: Shown) -> list[str]:
    """Return the days of the recordings in a message."""
    return re.findall(r"^\*(\w+, \w+ \d+), \d+, \d", texts(shown), re.MULTILINE)


def test_the_slack_button_pages_through_14_recordings_while_new_recordings_arrive(
    stack: Stack, meeting: int
) -> None:
    for number in range(14):
        put_row(stack, meeting, number)
    shown = type_command(stack, str(meeting))
    every = [day_text(stack, number) for number in range(13, -1, -1)]
    assert days(shown) == every[:2]
    seen, current = 2, shown["ts"]
    full_messages = 0
    while button_of(message(stack, current)):
        put_row(stack, meeting, 12 + seen)
        before = message(stack, current)
        press_button(stack, current)
        after = await_change(stack, before)
        if seen % 6 == 0:
            assert not button_of(after)
            assert days(after) == every[seen - 6 : seen]
            full_messages += 1
            current = await_message(stack, current, every[seen])["ts"]
        seen += 2
        first = (seen - 2) // 6 * 6
        assert days(message(stack, current)) == every[first:seen]
    assert seen == 14
    assert full_messages == 2
    assert "End of results." in texts(message(stack, current))


def day_text(stack: Stack, number: int) -> str:
    """Return the text in a message for the day `number` days after the stack's `start`."""
    local = (stack.start + timedelta(days=number)).astimezone(ZoneInfo("US/Eastern"))
    return f"{local:%a, %b} {local.day}"


def test_the_slack_command_refuses_a_stranger_in_a_second_message_when_slack_is_slow(
    stack: Stack, meeting: int
) -> None:
    put_row(stack, meeting)
    slow_down_groups(stack)
    first = type_command(stack, str(meeting), user="stranger")
    assert await_message(stack, first["ts"], NOT_ALLOWED, "stranger")["only_for"]


def test_a_press_of_the_slack_button_removes_the_old_button_when_slack_is_slow(
    stack: Stack, meeting: int
) -> None:
    for number in range(7):
        put_row(stack, meeting, number)
    shown = full = type_command(stack, str(meeting))
    for _ in range(2):
        press_button(stack, shown["ts"])
        full = await_change(stack, full)
    stack.driver.inject_slack_fault(kind="slow", where="response_url", seconds=8)
    press_button(stack, shown["ts"])
    assert len(days(await_message(stack, shown["ts"], "End of results."))) == 1
    old = await_change(stack, full)
    assert (days(old), button_of(old)) == (days(full), "")
