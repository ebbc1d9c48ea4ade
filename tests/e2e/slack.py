"""Harness of `/zip`: commands, presses of buttons, shown messages, and a slow Slack.

Functions that wait raise DriverError if the wait fails, as the methods of `Stack` do.
"""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

from cdk.names import SLACK
from ingester.slack.blocks import ACTION
from ingester.slack.wording import ONE_MOMENT
from local.driver import DriverError
from tests.e2e import deployed
from tests.e2e.stack import Stack
from tests.slack_messages import texts

Shown = dict[str, Any]


def put_row(stack: Stack, meeting: int, number: int = 0, **changes: Any) -> None:
    """Put the status row of a recording that starts `number` days after the stack's `start`."""
    start = stack.start + timedelta(days=number)
    uid = f"{meeting}/{number:02}=="
    row = {
        "zip_id": f"auto-ingest-{uid}-{changes.pop('ingest', '')}",
        "meeting_id": meeting,
        "recording_id": uid,
        "topic": "HIST E-1010",
        "recording_start_time": f"{start:%Y-%m-%dT%H:%M:%SZ}",
        "origin": "webhook_notification",
        "pipeline_state": "SENT_TO_OPENCAST",
        "ingest_request_time": f"{start:%Y-%m-%dT%H:%M:%SZ}",
        "update_date": f"{start:%Y-%m-%d}",
        "update_time": 5,
        **changes,
    }
    stack.driver.table("pipeline-status").put_item(Item=row)


def type_command(stack: Stack, text: str, **options: Any) -> Shown:
    """Type `/zip <text>`, and return the message of the answer.

    Raises:
        DriverError: Slack shows an error, or no message.
    """
    outcome = stack.driver.type_command(text, **options)
    if outcome["error"] or outcome["ts"] is None:
        raise DriverError(f"Slack shows {outcome}")
    return message(stack, outcome["ts"], options.get("user", "producer"))


def message(stack: Stack, ts: str, user: str = "producer") -> Shown:
    """Return a message as a user sees it, and assert that Slack finds no problem in it."""
    (found,) = [shown for shown in stack.driver.shown_messages(user) if shown["ts"] == ts]
    assert not found["problems"], found
    return found


def await_message(stack: Stack, after: str, word: str, user: str = "producer") -> Shown:
    """Wait for messages with `word` that are newer than `after`, and return the newest message."""

    def look() -> Shown | None:
        found = [
            shown
            for shown in stack.driver.shown_messages(user)
            if float(shown["ts"]) > float(after) and word in texts(shown)
        ]
        return found[-1] if found else None

    return stack.wait(look, f"A message with {word}")


def press_button(stack: Stack, ts: str, **options: Any) -> None:
    """Press a message's button, and assert an acknowledgement by an empty 200 within 3 s."""
    outcome = stack.driver.press(ts, ACTION, **options)
    assert (outcome["status"], outcome["body"], outcome["error"]) == (200, "", None)
    assert outcome["seconds"] < 3


def await_change(stack: Stack, before: Shown) -> Shown:
    """Wait until a message differs from `before`, and return the changed message."""

    def look() -> Shown | None:
        now = message(stack, before["ts"])
        return now if now["blocks"] != before["blocks"] else None

    return stack.wait(look, "The change of a message")


def await_process(stack: Stack) -> None:
    """Wait until the Slack function has a process.

    A cold start can exceed the three seconds that Slack waits:
    https://docs.slack.dev/interactivity/implementing-slash-commands
    """

    def is_answered() -> bool:
        # The function refuses an unsigned command before the function needs the user groups.
        return stack.driver.type_command("help", forge="unsigned")["status"] is not None

    stack.wait(is_answered, "An answer to an unsigned command")


def start_without_groups(stack: Stack) -> None:
    """Start a new process of the Slack function, which hasn't read Slack's user groups."""
    deployed.cold_start(stack.driver, stack.function(SLACK))
    await_process(stack)


def slow_down_groups(stack: Stack) -> None:
    """Start a new process of the Slack function, and delay Slack's next two group lists by 5 s."""
    start_without_groups(stack)
    for _ in range(2):
        stack.driver.inject_slack_fault(kind="slow", where="usergroups.list", seconds=5)


def zip_command(stack: Stack) -> None:
    """Check that `/zip` shows everybody in the channel a lecture that is in Opencast."""
    recording = stack.lecture()
    put_row(stack, recording.meeting_id, topic=f"Topic {uuid.uuid4().hex}")
    await_process(stack)
    shown = type_command(stack, str(recording.meeting_id))
    if texts(shown) == ONE_MOMENT:
        shown = await_message(stack, shown["ts"], "> In Opencast")
    assert shown["only_for"] is None
    assert "HIST E-1010 Lecture: " in texts(shown)
    assert "> In Opencast" in texts(shown)


def zip_command_when_slack_is_slow(stack: Stack) -> None:
    """Check that `/zip` answers "One moment" within 3 s, and shows the lecture later."""
    recording = stack.lecture()
    put_row(stack, recording.meeting_id)
    slow_down_groups(stack)
    outcome = stack.driver.type_command(str(recording.meeting_id))
    assert outcome["error"] is None, outcome
    assert outcome["seconds"] < 3
    first = message(stack, outcome["ts"])
    assert texts(first) == ONE_MOMENT
    assert first["only_for"]
    later = await_message(stack, first["ts"], "> In Opencast")
    assert later["only_for"] is None
