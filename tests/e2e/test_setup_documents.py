"""docs/zoom.md, opencast.md and slack.md, walked through by their steps against the stand-ins.

docs/google-sheets.md is in test_sheets.py, which runs its script.

That the app's one scope is enough the stand-in sees to, on every way through the pipeline.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import subprocess

import pytest
import yaml

from ops.target import ROOT
from tests.e2e.operator import Operator
from tests.e2e.scene import SERIES, Scene
from tests.e2e.slack import changed, pressed, put_row, typed, without_groups
from tests.slack_messages import texts

SHOWN = {
    "recording.started": "RECORDING_IN_PROGRESS",
    "recording.paused": "RECORDING_PAUSED",
    "recording.resumed": "RECORDING_IN_PROGRESS",
    "recording.stopped": "RECORDING_STOPPED",
    "meeting.ended": "RECORDING_PROCESSING",
    "webinar.ended": "RECORDING_PROCESSING",
    "recording.trashed": "RECORDING_PROCESSING",
    "recording.recovered": "RECORDING_PROCESSING",
    "recording.deleted": "RECORDING_PROCESSING",
}
"""What `/status` says of a recording after each event, in the order in which they come here."""


def document(name: str) -> str:
    return (ROOT / "docs" / f"{name}.md").read_text("utf-8")


def commands_in(text: str) -> list[list[str]]:
    """The commands of a document's blocks, each as its words."""
    return [line.split() for line in re.findall(r"^    (.+)$", text, re.MULTILINE)]


def test_zoom_s_steps(scene: Scene, operator: Operator) -> None:
    text = document("zoom")
    create, look, send_through = commands_in(text)
    assert create == ["invoke", "stack.create"]  # what has brought up this stack: test_life.py
    assert re.search(
        r"-webhook-url +https://\S+/live/new_recording\s", operator.did("stack.status")
    )
    answer = scene.driver.send("endpoint.url_validation")
    challenge = json.loads(answer.body)
    secret = scene.driver.state.webhook_secret
    signed = hmac.new(secret.encode(), challenge["plainToken"].encode(), hashlib.sha256)
    assert challenge["encryptedToken"] == signed.hexdigest()

    recording = scene.lecture()
    subscribed = set(re.findall(r"^ *\| [^|`]+ \| `([a-z.]+)` \|", text, re.MULTILINE))
    assert subscribed == {"recording.completed", *SHOWN}
    for event, state in SHOWN.items():
        assert scene.driver.send(event, recording.uuid).status == 204
        found = scene.driver.ingest_status(recording)
        assert found
        assert found.status == state, event
    said = operator.did(*look[1:])
    assert re.search(
        rf"RECORDING_PROCESSING.*{recording.meeting_id}|{recording.meeting_id}.*RECORDING_PROCESSING",
        said,
    )
    scene.completed(recording)
    scene.until(recording, "SENT_TO_OPENCAST")
    other = scene.lecture()
    assert send_through[-1] == "UUID"
    assert "SENT_TO_OPENCAST" in operator.did(*send_through[1:-1], other.uuid)
    foreign = {"event": "user.updated", "event_ts": 1, "payload": {"object": {"id": "x"}}}
    assert scene.driver.send("", body=foreign).status == 204


def test_opencast_s_steps(scene: Scene, operator: Operator) -> None:
    plus_zoom, status, send_through = commands_in(document("opencast"))
    assert "Opencast: the uploader's user may read every event" in operator.did(*status[1:])
    recording = scene.lecture(scheduled=False)
    words = [{"UUID": recording.uuid, "SERIES": SERIES}.get(word, word) for word in send_through]
    assert f"series {SERIES}" in operator.did(*words[1:])
    (ingest,) = scene.driver.ingests_of(recording)
    flavors = {file.flavor for file in ingest.files}
    assert all(f"`{flavor}`" in document("opencast") for flavor in flavors)

    asked = scene.lecture(scheduled=False)
    line = " ".join(plus_zoom).replace("…", asked.uuid).replace("20260112345", SERIES)
    done = subprocess.run(
        ["bash", "-c", f"{line} --silent --cacert {scene.driver.state.ca_bundle}"],
        env={"INGEST_URL": f"{scene.driver.state.api_url}/ingest", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout) == {"message": "Ingest accepted"}
    scene.until(asked, "SENT_TO_OPENCAST")


def test_slack_s_steps(scene: Scene, operator: Operator) -> None:
    """The app of the manifest, with its scopes and no others, on the address of the stack."""
    app = yaml.safe_load((ROOT / "docs" / "slack-manifest.yaml").read_text("utf-8"))
    (command,) = app["features"]["slash_commands"]
    interactivity = app["settings"]["interactivity"]
    assert interactivity["is_enabled"]
    found = re.search(r"-slack-url +https://\S+(/live/slack)\s", operator.did("stack.status"))
    assert found
    for address in (command["url"], interactivity["request_url"]):
        assert address.endswith(found[1])
    without_groups(scene)
    scene.driver.scopes_in_slack(*app["oauth_config"]["scopes"]["bot"])
    shown = typed(scene, "help")
    assert texts(shown).startswith(f"`{command['command']} 123 456 7890`")
    meeting = scene.new_meeting()
    for number in range(3):
        put_row(scene, meeting, number)
    shown = typed(scene, str(meeting))
    pressed(scene, shown["ts"])
    changed(scene, shown)


@pytest.mark.parametrize("name", ["zoom", "opencast"])
def test_what_is_refused_is_said_in_the_code_s_words(name: str) -> None:
    """What the documents quote of our own messages is what the code says."""
    code = "".join(path.read_text("utf-8") for path in (ROOT / "functions").rglob("*.py"))
    quoted = re.findall(r'^\| "([^"…:.]+)', document(name), re.MULTILINE)
    assert quoted
    joined = re.sub(r'"\s*\n\s*f?"', "", code)
    for words in quoted:
        pattern = (
            re.escape(words.strip())
            .replace("400", r"\{\w+\}")
            .replace("code\\ 0", r"code\ \{[\w.]+\}")
        )
        pattern = pattern.replace("code\\ 4711", r"code\ \{[\w.]+\}")
        assert re.search(pattern, joined), words
