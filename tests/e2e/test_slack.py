"""Each of `/zip`'s answers and refusals, on the real stack with a Slack that checks them."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

from cdk.names import SLACK, Names
from ingester.pipeline.states import State
from ingester.slack import wording as zip_words
from ingester.slack.wording import REASONS, STATES
from tests.e2e import deployed, grants
from tests.e2e.scene import Scene
from tests.e2e.slack import (
    Shown,
    changed,
    message,
    newest,
    pressed,
    put_row,
    typed,
    without_groups,
    zip_command,
    zip_when_slack_is_slow,
)
from tests.slack_messages import button_of, texts


@pytest.fixture(scope="module", autouse=True)
def _warm(scene: Scene) -> Iterator[None]:
    """A container with the groups in it, so that answers come at once."""
    zip_command(scene)
    yield
    assert scene.driver.refused_by_slack() == []


@pytest.fixture
def meeting(scene: Scene) -> int:
    """The number of a meeting that nobody has used."""
    return scene.lecture(scheduled=False).meeting_id


def refusal(scene: Scene, text: str = "help", **more: str) -> str:
    """A refusal, which only who asked sees."""
    shown = typed(scene, text, **more)
    assert shown["only_for"]
    assert shown["blocks"] == []
    return str(shown["text"])


def test_help(scene: Scene) -> None:
    for text in ("", "help"):
        assert "`/zip 123 456 7890`" in refusal(scene, text)
    assert "`/zip 123 456 7890`" in refusal(scene, channel="direct")


@pytest.mark.parametrize("forge", ["wrong_secret", "old_timestamp", "unsigned", "other_body"])
def test_nobody_but_slack(scene: Scene, forge: str) -> None:
    outcome = scene.driver.type("help", forge=forge)
    assert outcome["status"] == 401
    assert outcome["ts"] is None


def test_a_stranger(scene: Scene, meeting: int) -> None:
    put_row(scene, meeting)
    for text in ("help", str(meeting)):
        assert refusal(scene, text, user="stranger").startswith("You may not use this command")
    shown = typed(scene, str(meeting))
    for number in range(1, 4):
        put_row(scene, meeting, number)
    shown = typed(scene, str(meeting))
    pressed(scene, shown["ts"], user="stranger")
    told = newest(scene, shown["ts"], "You may not use this command", "stranger")
    assert told["only_for"]
    assert len(days(message(scene, shown["ts"]))) == 2


@pytest.mark.parametrize("channel", ["general", "secret"])
def test_another_channel(scene: Scene, channel: str) -> None:
    assert "works only in #zip and in direct messages" in refusal(scene, channel=channel)


@pytest.mark.parametrize("text", ["123", "one two", "123456789012"])
def test_no_meeting_number(scene: Scene, text: str) -> None:
    assert "10 or 11 digits" in refusal(scene, text)


@contextmanager
def secret_missing(scene: Scene, setting: str) -> Iterator[None]:
    names = Names(scene.driver.state.stack_name)
    ssm, name = scene.driver.client("ssm"), names.secret(setting)
    value = ssm.get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"]
    ssm.delete_parameter(Name=name)
    try:
        deployed.cold_start(scene.driver, names.function(SLACK))
        yield
    finally:
        ssm.put_parameter(Name=name, Value=value, Type="SecureString")
        without_groups(scene)


@pytest.mark.parametrize("setting", ["SLACK_SIGNING_SECRET", "SLACK_API_TOKEN"])
def test_not_set_up(scene: Scene, setting: str) -> None:
    with secret_missing(scene, setting):
        told = scene.wait(lambda: scene.driver.type("help")["body"], "an answer")
        assert "is not set up" in told


def test_slack_refuses_to_tell_groups(scene: Scene) -> None:
    without_groups(scene)
    scene.driver.scopes_in_slack("commands")
    try:
        assert "whether you may use this command" in refusal(scene)
    finally:
        scene.driver.scopes_in_slack("commands", "usergroups:read")


@pytest.fixture
def without_status(scene: Scene) -> Iterator[None]:
    """The function may not read the recordings' status."""
    names = Names(scene.driver.state.stack_name)
    function, table = names.function(SLACK), f":table/{names.of('pipeline-status')}"
    with ExitStack() as stack:
        for action, resource in grants.granted(scene.driver, function):
            if table in resource:
                stack.enter_context(grants.taken_away(scene.driver, function, action, resource))
        yield


@pytest.mark.usefixtures("without_status")
def test_the_status_can_t_be_read(scene: Scene, meeting: int) -> None:
    assert refusal(scene, str(meeting)) == zip_words.NO_STATUS
    assert "`/zip 123 456 7890`" in refusal(scene)


def test_the_status_can_t_be_read_any_more(
    scene: Scene, meeting: int, request: pytest.FixtureRequest
) -> None:
    for number in range(3):
        put_row(scene, meeting, number)
    shown = typed(scene, str(meeting))
    request.getfixturevalue("without_status")
    pressed(scene, shown["ts"])
    told = newest(scene, shown["ts"], zip_words.NO_STATUS)
    assert told["only_for"]
    assert message(scene, shown["ts"])["blocks"] == shown["blocks"]


def test_nothing_is_known(scene: Scene, meeting: int) -> None:
    told = texts(typed(scene, str(meeting)))
    assert "This meeting is not in the schedule." in told
    assert "No recordings of this meeting in the last seven days." in told


def test_only_the_schedule_is_known(scene: Scene) -> None:
    told = texts(typed(scene, str(scene.lecture().meeting_id)))
    assert "HIST E-1010 Lecture: " in told
    assert "20260112345" in told
    assert "No recordings of this meeting in the last seven days." in told


def test_a_schedule_that_can_t_be_read(scene: Scene, meeting: int) -> None:
    put_row(scene, meeting)
    table, key = scene.driver.table("schedule"), {"zoom_series_id": str(meeting)}
    table.put_item(Item=key | {"events": "broken"})
    try:
        told = texts(typed(scene, str(meeting)))
    finally:
        table.delete_item(Key=key)
    assert zip_words.SCHEDULE_UNREADABLE in told
    assert STATES[State.SENT_TO_OPENCAST] in told


@pytest.mark.parametrize("reason", REASONS)
def test_every_reason_has_its_words(scene: Scene, meeting: int, reason: str) -> None:
    put_row(scene, meeting, pipeline_state="IGNORED", reason=reason)
    told = texts(typed(scene, str(meeting)))
    words = html.escape(REASONS[reason], quote=False)
    assert f"{STATES[State.IGNORED]}: {words}" in told


def test_every_state_has_its_words(scene: Scene) -> None:
    for state in State:
        meeting = scene.new_meeting()
        put_row(scene, meeting, pipeline_state=str(state))
        shown = typed(scene, str(meeting))
        assert STATES[state].rstrip(".") in texts(shown)
        assert shown["only_for"] is None


def test_every_ingest_of_a_recording(scene: Scene, meeting: int) -> None:
    put_row(scene, meeting, pipeline_state="IGNORED", reason="No opencast series match")
    put_row(
        scene,
        meeting,
        ingest="2",
        origin="on_demand",
        oc_series_id="S-1",
        pipeline_state="UPLOADER_FAILED",
        reason="Unable to reach Opencast. (attempt 1 of 5, next try at 2099-11-25T18:05:00Z)",
        retry_due="2099-11-25T18:05:00Z",
    )
    told = texts(typed(scene, str(meeting)))
    for words in (
        "Automated ingest, requested ",
        "it doesn't fit any class in the schedule",
        "+Zoom ingest, requested ",
        "next at Wed, Nov 25, 2099, 1:05 PM EST",
        "Opencast series: S-1",
    ):
        assert words in told


def test_a_topic_with_markup_stays_text(scene: Scene, meeting: int) -> None:
    topic = "<img src=x onerror=alert(1)> & <!channel> <https://evil.example|Zoom>"
    put_row(scene, meeting, topic=topic, reason=topic)
    shown = typed(scene, str(meeting))
    (header,) = [block for block in shown["blocks"] if block["type"] == "header"]
    assert header["text"]["text"] == (
        "&lt;img src=x onerror=alert(1)&gt; &amp; &lt;!channel&gt; "
        "&lt;https://evil.example|Zoom&gt;"
    )
    assert not [one for one in shown["controls"] if "evil" in one or "channel" in one]


def days(shown: Shown) -> list[str]:
    """The days of the recordings that a message shows."""
    return re.findall(r"^\*(\w+, \w+ \d+), \d+, \d", texts(shown), re.MULTILINE)


def test_fourteen_recordings_while_others_arrive(scene: Scene, meeting: int) -> None:
    for number in range(14):
        put_row(scene, meeting, number)
    shown = typed(scene, str(meeting))
    every = [scene_day(scene, number) for number in range(13, -1, -1)]
    assert days(shown) == every[:2]
    seen, current = 2, shown["ts"]
    begun: list[str] = []
    while button_of(message(scene, current)):
        put_row(scene, meeting, 12 + seen)
        before = message(scene, current)
        pressed(scene, current)
        after = changed(scene, before)
        if seen % 6 == 0:
            assert not button_of(after)
            assert days(after) == every[seen - 6 : seen]
            begun.append(current)
            current = newest(scene, current, every[seen])["ts"]
        seen += 2
        first = (seen - 2) // 6 * 6
        assert days(message(scene, current)) == every[first:seen]
    assert seen == 14
    assert len(begun) == 2
    assert "End of results." in texts(message(scene, current))


def scene_day(scene: Scene, number: int) -> str:
    """A day as a message names it."""
    local = (scene.start + timedelta(days=number)).astimezone(ZoneInfo("US/Eastern"))
    return f"{local:%a, %b} {local.day}"


def test_slack_is_slow(scene: Scene) -> None:
    zip_when_slack_is_slow(scene)


def test_slack_is_slow_for_a_stranger_too(scene: Scene, meeting: int) -> None:
    put_row(scene, meeting)
    without_groups(scene)
    for _ in range(2):
        scene.driver.trouble_slack(kind="slow", where="usergroups.list", seconds=5)
    first = typed(scene, str(meeting), user="stranger")
    told = newest(scene, first["ts"], "You may not use this command", "stranger")
    assert told["only_for"]


def test_slack_is_slow_to_take_what_a_press_brings(scene: Scene, meeting: int) -> None:
    """The press is answered in time, and the old message loses its button all the same."""
    for number in range(7):
        put_row(scene, meeting, number)
    shown = full = typed(scene, str(meeting))
    for _ in range(2):
        pressed(scene, shown["ts"])
        full = changed(scene, full)
    scene.driver.trouble_slack(kind="slow", where="response_url", seconds=8)
    pressed(scene, shown["ts"])
    assert len(days(newest(scene, shown["ts"], "End of results."))) == 1
    old = changed(scene, full)
    assert (days(old), button_of(old)) == (days(full), "")
