"""`invoke exec.…` and `invoke secrets.…` as programs, on the local stack."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
import uuid as uuids
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote

import pytest
import requests

from cdk.names import ON_DEMAND, Names
from ingester.opencast.mediapackage import media_package_id
from ingester.zoom.signature import signed_headers
from local.state import State
from ops.recordings import execute
from ops.secrets import commands as secret_tasks
from ops.secrets import store as secrets
from ops.target import ROOT
from tests.e2e.operator import Operator
from tests.e2e.scene import SERIES, Scene

TOKEN = "WEBHOOK_VALIDATION_SECRET_TOKEN"
KEY = "PIPELINE_SIGNING_KEY"


def awkward() -> str:
    """A uuid with all that shells, links and paths stumble over, never the same twice."""
    return f"/{uuids.uuid4().hex[:16]}+//{uuids.uuid4().hex[:4]}=="


def test_on_demand_takes_the_link_and_the_first_system_s_spelling(
    scene: Scene, operator: Operator
) -> None:
    recording = scene.lecture(scheduled=False, uuid=awkward())
    link = f"https://zoom.us/recording/detail?meeting_id={quote(recording.uuid, safe='')}"
    said = operator.did("exec.on_demand", link, f"--oc_series_id={SERIES}", "--ingest-all-mp4")
    assert "Ingest accepted" in said
    assert f"`invoke recordings --uuid {recording.uuid}`" in said
    found = scene.until(recording, "SENT_TO_OPENCAST")
    assert found.origin == "on_demand"
    (ingest,) = scene.driver.ingests_of(recording)
    assert [file.flavor for file in ingest.files] == ["speaker/chunked+source"]


def test_on_demand_without_the_api_between(scene: Scene) -> None:
    """What is done where the API keeps this machine's address out."""
    recording = scene.lecture(scheduled=False)
    name = Names(scene.driver.state.stack_name).function(ON_DEMAND)
    body = json.dumps({"uuid": recording.uuid, "oc_series_id": SERIES})
    status, said = execute.call_on_demand(scene.driver.client("lambda"), name, "live", body)
    assert (status, execute.message_in(said)) == (200, "Ingest accepted")
    scene.until(recording, "SENT_TO_OPENCAST")


def test_pipeline_follows_a_recording_to_its_end_and_the_next_time_to_another(
    scene: Scene, operator: Operator
) -> None:
    recording = scene.lecture(scheduled=False, uuid=awkward())
    done = operator("exec.pipeline", recording.uuid)
    assert done.code == 1
    assert done.error.startswith("IGNORED: No opencast series match.")
    assert re.search(r"Z  IGNORED +No opencast series match$", done.out, re.MULTILINE)
    # The end of the first attempt is not taken for that of the second.
    said = operator.did("exec.pipeline", recording.uuid, "--oc-series-id", SERIES)
    assert "IGNORED" not in said
    assert re.search(r"Z  SENT_TO_OPENCAST$", said, re.MULTILINE)
    assert f"In Opencast: series {SERIES}, media package" in said.splitlines()[-1]
    (ingest,) = scene.driver.ingests_of(recording)
    assert ingest.series == SERIES
    (one,) = scene.driver.status(recording.meeting_id)[recording.uuid]
    assert (one.status, one.origin) == ("SENT_TO_OPENCAST", "webhook_notification")


def test_an_interrupted_pipeline_leaves_the_recording_on_its_way(
    scene: Scene, operator: Operator
) -> None:
    recording = scene.lecture()
    path = f"/api/events/{media_package_id(recording.uuid)}"
    scene.driver.trouble_opencast(kind="status", status=503, path=path)
    with subprocess.Popen(
        [sys.executable, "-m", "invoke", "exec.pipeline", recording.uuid],
        cwd=ROOT,
        env=dict(operator.environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        assert running.stdout
        assert running.stderr
        lines = iter(running.stdout.readline, "")
        assert any("tries again at" in line for line in lines)
        running.send_signal(signal.SIGINT)
        said = running.stderr.read()
    assert running.returncode == 130
    assert said == (
        "Interrupted: the recording goes on by itself; "
        f"`invoke recordings --uuid {recording.uuid}` shows where it is.\n"
    )


def test_webhook_sends_what_never_came(scene: Scene, operator: Operator) -> None:
    recording = scene.lecture(scheduled=False)
    said = operator.did("exec.webhook", recording.uuid, "--oc-series-id", SERIES)
    assert f"auto-ingest-{recording.uuid}" in said
    scene.until(recording, "SENT_TO_OPENCAST")
    (ingest,) = scene.driver.ingests_of(recording)
    assert ingest.series == SERIES


@pytest.mark.parametrize("task", ["exec.on-demand", "exec.pipeline"])
def test_what_is_not_there(task: str, operator: Operator) -> None:
    assert "Zoom knows no recording" in operator(task, "/nowhere+at//all==").error


def test_what_isn_t_finished(scene: Scene, operator: Operator) -> None:
    recording = scene.lecture(processing_asks=1000)
    assert "has not finished" in operator("exec.webhook", recording.uuid).error
    assert scene.driver.status(recording.meeting_id) == {}


def test_functions_by_themselves(operator: Operator) -> None:
    assert operator.did("exec.downloader").splitlines()[-1] in execute.GOOD_ANSWERS
    said = operator.did("exec.uploader", "--qualifier", "$LATEST")
    assert said.splitlines()[-1] in execute.GOOD_ANSWERS
    assert "no version or alias 77" in operator("exec.uploader", "--qualifier", "7777").error


def test_what_is_told_of_secrets(operator: Operator) -> None:
    table = operator.did("secrets.status")
    assert re.search(r"OPENCAST_API_PASSWORD +yes .* same +zoom-uploader", table)
    assert re.search(r"APIGEE_KEY +no +- +- +not set +zoom-on-demand, zoom-downloader", table)
    for name in secret_tasks.NAMES:
        assert name in table
        if operator.environment.get(name):
            assert operator.environment[name] not in table


@contextmanager
def restored(scene: Scene, *names: str) -> Iterator[dict[str, str]]:
    """The stack's secrets, these of which are put back: others sign with them."""
    ssm, stack = scene.driver.client("ssm"), Names(scene.driver.state.stack_name)
    before, about = secrets.stored(ssm, stack), secrets.described(ssm, stack)
    try:
        yield before
    finally:
        for name in names:
            secrets.put(ssm, stack, name, before[name], about[name].origin)


def signed_by(secret: str, state: State) -> int:
    """The webhook's answer to an event of no interest: 204, or 401 under an unknown secret."""
    body = b'{"event": "recording.renamed"}'
    headers = signed_headers(secret, time.time(), body)
    with requests.Session() as session:
        session.trust_env = False
        session.verify = state.ca_bundle
        url = f"{state.api_url}/new_recording"
        return session.post(url, data=body, headers=headers, timeout=30).status_code


def test_what_is_rotated_works_at_once(scene: Scene, operator: Operator, state: State) -> None:
    sent, asked, told = (scene.lecture(scheduled=False) for _ in range(3))
    # Both functions' containers are warm, and know the old secrets.
    assert scene.driver.ask_for_ingest(uuid="nowhere==").status == 404
    assert signed_by(state.webhook_secret, state) == 204
    new = uuids.uuid4().hex
    with restored(scene, TOKEN):
        said = operator.did("secrets.rotate", TOKEN, "--keep-old", answer=f"{new}\n")
        said += operator.did("secrets.rotate", KEY)
        assert f"{KEY} is replaced. zoom-webhook, zoom-on-demand" in said
        assert new not in said
        assert state.webhook_secret not in said
        # At once, unless somebody else's forged request had the webhook look just now.
        scene.wait(lambda: signed_by(new, state) == 204, "an event under the new token")
        assert signed_by(state.webhook_secret, state) == 204
        assert signed_by(uuids.uuid4().hex, state) == 401
        operator.did("exec.webhook", sent.uuid, "--oc-series-id", SERIES)
        answer = scene.driver.ask_for_ingest(uuid=asked.uuid, oc_series_id=SERIES)
        assert answer.status == 200, answer
        # As Zoom, which goes on signing with the old token.
        scene.completed(told)
        found = {one["name"]: one for one in json.loads(operator.did("secrets.status", "--json"))}
        assert found[TOKEN]["settings"] == "differs"
        assert found[TOKEN]["origin"] == found[KEY]["origin"] == secrets.ROTATED
    scene.until(told, "IGNORED", "No opencast series match")
    for recording in (sent, asked):
        scene.until(recording, "SENT_TO_OPENCAST")


def test_what_is_no_rotation_changes_nothing(scene: Scene, operator: Operator) -> None:
    with restored(scene) as before:
        assert "There is no secret of this name" in operator("secrets.rotate", "NOTHING").error
        assert "is empty" in operator("secrets.rotate", TOKEN, answer="\n").error
        assert "isn't set" in operator("secrets.rotate", "APIGEE_KEY", answer="x\n").error
        ssm, stack = scene.driver.client("ssm"), Names(scene.driver.state.stack_name)
        assert secrets.stored(ssm, stack) == before
