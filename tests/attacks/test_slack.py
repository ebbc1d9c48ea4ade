"""Attacks through Slack: forged requests, other users and channels, and changed buttons."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ingester.slack.command import VERSION, Window, write_button
from local.authority import ensure_authority
from local.neighbours.https_server import Answer
from tests.attacks.probes import Attack, Probe, encoded, to_slack
from tests.attacks.target import Target
from tests.e2e.slack import await_process, put_row
from tests.neighbours import Web, web_server

pytestmark = pytest.mark.usefixtures("no_error_mail")

PRODUCER, STRANGER = "U0PRODUCER", "U0STRANGER"
TOPIC = "Nobody elsewhere may read this"
OLD_SECONDS = 302


@pytest.fixture(scope="module")
def hooks(home: Path) -> Iterator[Web]:
    """Yield a server that the pipeline takes for Slack's host and sends messages to."""
    with web_server(ensure_authority(home / "tls")) as web:
        yield web


@pytest.fixture(scope="module")
def meeting(target: Target) -> int:
    """Add a row whose topic only members of the group may read, and return the meeting's number."""
    meeting = target.stack.new_meeting()
    put_row(target.stack, meeting, topic=TOPIC)
    await_process(target.stack)
    return meeting


def command(meeting: int, **changes: str) -> dict[str, str]:
    """Return the form of a Slack command of a member of the group in the right channel."""
    return {
        "command": "/zip",
        "text": str(meeting),
        "team_id": "T0LOCAL",
        "user_id": PRODUCER,
        "channel_id": "C0ZIPCHAN",
        "channel_name": "zip",
        "response_url": "https://127.0.0.1:9/hook",
        **changes,
    }


def show(target: Target, form: Mapping[str, str]) -> str:
    """Send a signed command, assert status 200 and that nothing changed, and return the body."""
    answer = target.assert_refused(to_slack(form, target.slack_secret), 200)
    return answer.body


@pytest.fixture(autouse=True)
def _honest_command(target: Target, meeting: int) -> Iterator[None]:
    """Assert after each attack that a member's command shows the topic."""
    yield
    assert TOPIC in show(target, command(meeting))


FORGED = [
    Attack(name, change, (401,))
    for name, change in {
        "not signed": lambda probe: probe.having(
            x_slack_signature=None, x_slack_request_timestamp=None
        ),
        "signed without a time": lambda probe: probe.having(x_slack_request_timestamp=None),
        "about another meeting": lambda probe: probe.containing(
            probe.body.replace(b"text=", b"text=1")
        ),
        "longer by a field": lambda probe: probe.containing(probe.body + b"&user_id=" + b"U1"),
        "signed in capitals": lambda probe: probe.having(
            x_slack_signature=probe.headers["x-slack-signature"].upper()
        ),
        "signed in another scheme": lambda probe: probe.having(
            x_slack_signature=probe.headers["x-slack-signature"].replace("v0", "v1")
        ),
        "signed with a letter that isn't ASCII": lambda probe: probe.having(
            x_slack_signature="v0=\u00e9"
        ),
        "dated in Arabic digits": lambda probe: probe.having(
            x_slack_request_timestamp="١٧٩٣٠٠٠٠٠٠"
        ),
        "dated by 5,000 digits": lambda probe: probe.having(x_slack_request_timestamp="9" * 5000),
        "dated below zero": lambda probe: probe.having(x_slack_request_timestamp="-1"),
    }.items()
]


@pytest.mark.parametrize("attack", FORGED, ids=str)
def test_slack_function_refuses_a_command_when_its_signature_timestamp_or_body_was_changed(
    attack: Attack, target: Target, meeting: int
) -> None:
    honest = to_slack(command(meeting), target.slack_secret)
    answer = target.assert_refused(attack.change(honest), *attack.statuses)
    assert TOPIC not in answer.body


@pytest.mark.parametrize("seconds", [-OLD_SECONDS, OLD_SECONDS], ids=["old", "future"])
def test_slack_function_refuses_a_command_when_its_timestamp_is_off_by_over_five_minutes(
    seconds: int, target: Target, meeting: int
) -> None:
    probe = to_slack(command(meeting), target.slack_secret, at=time.time() + seconds)
    target.assert_refused(probe, 401)


def test_slack_function_refuses_a_command_that_was_signed_with_another_secret(
    target: Target, meeting: int
) -> None:
    for secret in ("another secret", "", target.slack_secret.upper()):
        target.assert_refused(to_slack(command(meeting), secret), 401)


STRANGERS: Mapping[str, dict[str, str]] = {
    "somebody outside the group": {"user_id": STRANGER},
    "somebody of another workspace": {"user_id": "U0ELSEWHERE", "team_id": "T0ELSEWHERE"},
    "nobody": {"user_id": ""},
    "a member in small letters": {"user_id": PRODUCER.lower()},
    "a member and a stranger": {"user_id": f"{STRANGER},{PRODUCER}"},
    "the group itself": {"user_id": "S0ALLOWED0"},
    "a stranger in a direct message": {
        "user_id": STRANGER,
        "channel_id": "D0STRANGER",
        "channel_name": "directmessage",
    },
    "a member in another channel": {"channel_id": "C0GENERAL", "channel_name": "general"},
    "a member in a private channel": {"channel_id": "C0PRIVATE", "channel_name": "privategroup"},
    "a channel that is called like a direct message": {
        "channel_id": "C0GENERAL",
        "channel_name": "directmessage",
    },
    "a channel that is called like the right one in capitals": {
        "channel_id": "C0GENERAL",
        "channel_name": "ZIP",
    },
}
"""Users and channels that may see no recording, although Slack has signed the command."""


@pytest.mark.parametrize("name", STRANGERS)
def test_slack_function_shows_no_recording_to_strangers_or_in_other_channels(
    name: str, target: Target, meeting: int
) -> None:
    shown = show(target, command(meeting, **STRANGERS[name]))
    assert TOPIC not in shown
    assert msgspec.json.decode(shown)["response_type"] == "ephemeral"


TYPED = (
    "<!channel> 12345",
    "<@U0STRANGER>",
    "<https://evil.example|861 6892 1331>",
    "*bold* `code`",
    "9" * 100_000,
    "١٢٣٤٥٦٧٨٩٠",
    "1234567890; DROP TABLE",
)


@pytest.mark.parametrize("text", TYPED, ids=lambda text: text[:20])
def test_slack_answer_does_not_repeat_the_typed_text_when_the_text_is_no_meeting_number(
    text: str, target: Target, meeting: int
) -> None:
    shown = show(target, command(meeting, text=text))
    assert "That is no Zoom meeting number" in shown
    assert text not in shown


def press(hooks: Web, name: str, value: object, **changes: Any) -> dict[str, str]:
    """Return the form of a press of a button whose result goes to the path `name`."""
    content = {
        "type": "block_actions",
        "user": {"id": PRODUCER},
        "channel": {"id": "C0ZIPCHAN", "name": "zip"},
        "response_url": f"{hooks.url}/{name}",
        "actions": [{"value": value}],
        **changes,
    }
    return {"payload": encoded(content).decode()}


def result(target: Target, hooks: Web, value: object, **changes: Any) -> str:
    """Press a button, assert an empty answer, and return the message that the press causes."""
    name = f"hook-{len(hooks.seen)}"
    hooks.pages[f"/{name}"] = Answer(200)
    probe = to_slack(press(hooks, name, value, **changes), target.slack_secret)
    assert target.assert_refused(probe, 200).body == ""

    def look() -> list[str]:
        return [seen.body.decode() for seen in hooks.seen if seen.path == f"/{name}"]

    return target.stack.wait(look, "The result of a press")[0]


def button(meeting: object, **changes: object) -> str:
    """Return the value of a button for a meeting, with changed fields."""
    honest = msgspec.json.decode(write_button(1, Window()))
    return encoded({**honest, "mid": meeting, **changes}).decode()


TAMPERED: Mapping[str, Any] = {
    "another version": lambda meeting: button(meeting, version=VERSION + 1),
    "a meeting that is a text": lambda meeting: button(str(meeting)),
    "a negative meeting": lambda meeting: button(-meeting),
    "a meeting of 30 digits": lambda _: button(10**30),
    "a start below zero": lambda meeting: button(meeting, start_index=-1),
    "a start of 30 digits": lambda meeting: button(meeting, start_index=10**30),
    "1,000 recordings": lambda meeting: button(meeting, count=1000),
    "no recordings": lambda meeting: button(meeting, count=0),
    "a time that is an object": lambda meeting: button(meeting, newest_start_time={}),
    "no JSON": lambda _: "nonsense",
    "a list": lambda _: "[]",
    "10,000 arrays": lambda _: "[" * 10_000,
}


@pytest.mark.parametrize("name", TAMPERED)
def test_pressed_button_shows_no_recording_when_its_value_was_changed(
    name: str, target: Target, hooks: Web, meeting: int
) -> None:
    shown = result(target, hooks, TAMPERED[name](meeting))
    assert "This button comes from another version" in shown
    assert TOPIC not in shown


def test_pressed_button_shows_no_recording_to_strangers_or_in_other_channels(
    target: Target, hooks: Web, meeting: int
) -> None:
    assert TOPIC in result(target, hooks, button(meeting))
    assert TOPIC not in result(target, hooks, button(meeting), user={"id": STRANGER})
    elsewhere = {"id": "C0GENERAL", "name": "general"}
    assert TOPIC not in result(target, hooks, button(meeting), channel=elsewhere)


def test_replayed_slack_command_shows_the_same_answer_again(target: Target, meeting: int) -> None:
    probe = to_slack(command(meeting), target.slack_secret)
    first, second = target.assert_refused(probe, 200), target.assert_refused(probe, 200)
    assert first.body == second.body
    assert TOPIC in first.body


def test_slack_function_refuses_a_request_that_imitates_an_invocation_by_the_function(
    target: Target, meeting: int
) -> None:
    # The function's invocation of itself has the field `slack_asked` and no signature.
    asked = {"slack_asked": {"type": "command", **command(meeting)}}
    for probe in (
        Probe(path="/live/slack", body=encoded(asked)),
        Probe(path="/live/slack?slack_asked=1", body=encoded(asked)),
        Probe(path="/live/slack", headers={"slack_asked": "1"}, body=encoded(asked)),
        Probe(path="/live/slack", headers={"x-amz-invocation-type": "Event"}, body=encoded(asked)),
    ):
        target.assert_refused(probe, 401)
