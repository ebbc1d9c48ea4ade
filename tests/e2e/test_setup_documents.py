"""The steps of docs/zoom.md and opencast.md, and the app of slack-manifest.yaml, with stand-ins.

`test_sheets.py` runs the script of docs/google-sheets.md.
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
from tests.e2e.slack import (
    await_change,
    press_button,
    put_row,
    start_without_groups,
    type_command,
)
from tests.e2e.stack import SERIES, Stack
from tests.slack_messages import texts

STATES = {
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
"""The ingest's state in `/status` after each webhook event, in the order of sending."""


def document(name: str) -> str:
    return (ROOT / "docs" / f"{name}.md").read_text("utf-8")


def commands_in(text: str) -> list[list[str]]:
    """Return the words of each line in a document's indented blocks, which are commands."""
    return [line.split() for line in re.findall(r"^    (.+)$", text, re.MULTILINE)]


def test_the_steps_of_docs_zoom_md_ingest_a_recording(stack: Stack, operator: Operator) -> None:
    text = document("zoom")
    create, list_recordings, run_pipeline = commands_in(text)
    assert create == ["invoke", "stack.create"]  # test_life.py runs this command.
    assert re.search(
        r"-webhook-url +https://\S+/live/new_recording\s", operator.output("stack.status")
    )
    answer = stack.driver.send("endpoint.url_validation")
    challenge = json.loads(answer.body)
    secret = stack.driver.state.webhook_secret
    signed = hmac.new(secret.encode(), challenge["plainToken"].encode(), hashlib.sha256)
    assert challenge["encryptedToken"] == signed.hexdigest()

    recording = stack.lecture()
    subscribed = set(re.findall(r"^ *\| [^|`]+ \| `([a-z.]+)` \|", text, re.MULTILINE))
    assert subscribed == {"recording.completed", *STATES}
    for event, state in STATES.items():
        assert stack.driver.send(event, recording.uuid).status == 204
        found = stack.driver.ingest_status(recording)
        assert found
        assert found.status == state, event
    lines = operator.output(*list_recordings[1:]).splitlines()
    words = (str(recording.meeting_id), "RECORDING_PROCESSING")
    assert any(all(word in line for word in words) for line in lines)
    stack.send_completed(recording)
    stack.await_state(recording, "SENT_TO_OPENCAST")
    other = stack.lecture()
    assert run_pipeline[-1] == "UUID"
    assert "SENT_TO_OPENCAST" in operator.output(*run_pipeline[1:-1], other.uuid)
    foreign = {"event": "user.updated", "event_ts": 1, "payload": {"object": {"id": "x"}}}
    assert stack.driver.send("", body=foreign).status == 204


def test_the_steps_of_docs_opencast_md_ingest_a_recording(stack: Stack, operator: Operator) -> None:
    plus_zoom, status, run_pipeline = commands_in(document("opencast"))
    assert "Opencast: the uploader's user may read every event" in operator.output(*status[1:])
    recording = stack.lecture(scheduled=False)
    words = [{"UUID": recording.uuid, "SERIES": SERIES}.get(word, word) for word in run_pipeline]
    assert f"series {SERIES}" in operator.output(*words[1:])
    (ingest,) = stack.driver.ingests_of(recording)
    flavors = {file.flavor for file in ingest.files}
    assert all(f"`{flavor}`" in document("opencast") for flavor in flavors)

    requested = stack.lecture(scheduled=False)
    line = " ".join(plus_zoom).replace("…", requested.uuid).replace("20260112345", SERIES)
    done = subprocess.run(
        ["bash", "-c", f"{line} --silent --cacert {stack.driver.state.ca_bundle}"],
        env={"INGEST_URL": f"{stack.driver.state.api_url}/ingest", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout) == {"message": "Ingest accepted"}
    stack.await_state(requested, "SENT_TO_OPENCAST")


def test_the_slack_command_works_with_the_addresses_and_scopes_of_the_slack_manifest(
    stack: Stack, operator: Operator
) -> None:
    app = yaml.safe_load((ROOT / "docs" / "slack-manifest.yaml").read_text("utf-8"))
    (command,) = app["features"]["slash_commands"]
    interactivity = app["settings"]["interactivity"]
    assert interactivity["is_enabled"]
    found = re.search(r"-slack-url +https://\S+(/live/slack)\s", operator.output("stack.status"))
    assert found
    for address in (command["url"], interactivity["request_url"]):
        assert address.endswith(found[1])
    start_without_groups(stack)
    stack.driver.set_slack_scopes(*app["oauth_config"]["scopes"]["bot"])
    shown = type_command(stack, "help")
    assert texts(shown).startswith(f"`{command['command']} 123 456 7890`")
    meeting = stack.new_meeting()
    for number in range(3):
        put_row(stack, meeting, number)
    shown = type_command(stack, str(meeting))
    press_button(stack, shown["ts"])
    await_change(stack, shown)


@pytest.mark.parametrize("name", ["zoom", "opencast"])
def test_a_document_quotes_messages_as_they_are_in_the_code(name: str) -> None:
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
