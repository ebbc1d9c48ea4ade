"""`/zip` on the running stack: people who type, what they see, and a Slack that is slow."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

from cdk.names import SLACK, Names
from ingester.slack.blocks import ACTION
from ingester.slack.wording import ONE_MOMENT
from local.driver import DriverError
from tests.e2e import deployed
from tests.e2e.scene import Scene
from tests.slack_messages import texts

Shown = dict[str, Any]


def put_row(scene: Scene, meeting: int, number: int = 0, **more: Any) -> None:
    """A row of a recording that began so many days after the scene's start."""
    start = scene.start + timedelta(days=number)
    uid = f"{meeting}/{number:02}=="
    row = {
        "zip_id": f"auto-ingest-{uid}-{more.pop('ingest', '')}",
        "meeting_id": meeting,
        "recording_id": uid,
        "topic": "HIST E-1010",
        "recording_start_time": f"{start:%Y-%m-%dT%H:%M:%SZ}",
        "origin": "webhook_notification",
        "pipeline_state": "SENT_TO_OPENCAST",
        "ingest_request_time": f"{start:%Y-%m-%dT%H:%M:%SZ}",
        "update_date": f"{start:%Y-%m-%d}",
        "update_time": 5,
        **more,
    }
    scene.driver.table("pipeline-status").put_item(Item=row)


def typed(scene: Scene, text: str, **more: Any) -> Shown:
    """The message that a command is answered with at once. DriverError if Slack shows an error."""
    outcome = scene.driver.type(text, **more)
    if outcome["error"] or outcome["ts"] is None:
        raise DriverError(f"Slack shows {outcome}")
    return message(scene, outcome["ts"], more.get("user", "producer"))


def message(scene: Scene, ts: str, user: str = "producer") -> Shown:
    """A message that a user sees; nothing in it may look wrong."""
    (found,) = [one for one in scene.driver.shown(user) if one["ts"] == ts]
    assert not found["problems"], found
    return found


def newest(scene: Scene, after: str, word: str, user: str = "producer") -> Shown:
    """Waits for a message of the app's that is newer than `after` and has a word in it."""

    def look() -> Shown | None:
        found = [
            one
            for one in scene.driver.shown(user)
            if float(one["ts"]) > float(after) and word in texts(one)
        ]
        return found[-1] if found else None

    return scene.wait(look, f"a message with {word}")


def pressed(scene: Scene, ts: str, **more: Any) -> None:
    """Presses the button of a message, which has to be acknowledged with nothing, in time."""
    outcome = scene.driver.press(ts, ACTION, **more)
    assert (outcome["status"], outcome["body"], outcome["error"]) == (200, "", None)
    assert outcome["seconds"] < 3


def changed(scene: Scene, before: Shown) -> Shown:
    """Waits until a message is another than it was: what a press brings comes after its answer."""

    def look() -> Shown | None:
        now = message(scene, before["ts"])
        return now if now["blocks"] != before["blocks"] else None

    return scene.wait(look, "the message to change")


def without_groups(scene: Scene) -> None:
    """The function runs, and hasn't asked Slack for its groups yet."""
    name = Names(scene.driver.state.stack_name).function(SLACK)
    deployed.cold_start(scene.driver, name)

    def refused() -> bool:
        return bool(scene.driver.type("help", forge="unsigned")["status"] == 401)

    scene.wait(refused, "401 for an unsigned command")


def zip_command(scene: Scene) -> None:
    """A scheduled lecture in Opencast, as `/zip` shows it to everybody in the channel."""
    recording = scene.lecture()
    put_row(scene, recording.meeting_id, topic=f"Topic {uuid.uuid4().hex}")
    shown = typed(scene, str(recording.meeting_id))
    if texts(shown) == ONE_MOMENT:
        shown = newest(scene, shown["ts"], "Sent to Opencast")
    assert shown["only_for"] is None
    assert "HIST E-1010 Lecture: " in texts(shown)
    assert "Sent to Opencast" in texts(shown)


def zip_when_slack_is_slow(scene: Scene) -> None:
    """Slack takes five seconds to tell the groups: something at once, the answer later."""
    recording = scene.lecture()
    put_row(scene, recording.meeting_id)
    without_groups(scene)
    for _ in range(2):
        scene.driver.trouble_slack(kind="slow", where="usergroups.list", seconds=5)
    outcome = scene.driver.type(str(recording.meeting_id))
    assert outcome["error"] is None, outcome
    assert outcome["seconds"] < 3
    first = message(scene, outcome["ts"])
    assert texts(first) == ONE_MOMENT
    assert first["only_for"]
    later = newest(scene, first["ts"], "Sent to Opencast")
    assert later["only_for"] is None
