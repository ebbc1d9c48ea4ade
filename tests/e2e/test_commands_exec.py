"""The commands of `exec` and `secrets`, and failures by `local.record`, on the local stack."""

from __future__ import annotations

import json
import re
import time
import uuid as uuids
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote
from zoneinfo import ZoneInfo

import pytest
import requests

from cdk.names import ON_DEMAND
from ingester.opencast.mediapackage import media_package_id
from ingester.zoom.signature import signed_headers
from local import play
from local.state import State
from ops.recordings import execute
from ops.secrets import commands as secret_tasks
from ops.secrets import store as secrets
from tests.e2e.mails import await_mail, forget_faults
from tests.e2e.operator import Operator
from tests.e2e.stack import SERIES, Stack

TOKEN = "WEBHOOK_VALIDATION_SECRET_TOKEN"
KEY = "PIPELINE_SIGNING_KEY"


def awkward() -> str:
    """Return a new uuid with characters that need quoting in shells, links and paths."""
    return f"/{uuids.uuid4().hex[:16]}+//{uuids.uuid4().hex[:4]}=="


def test_exec_on_demand_accepts_a_link_and_underscores_in_command_and_option_names(
    stack: Stack, operator: Operator
) -> None:
    recording = stack.lecture(scheduled=False, uuid=awkward())
    link = f"https://zoom.us/recording/detail?meeting_id={quote(recording.uuid, safe='')}"
    output = operator.output("exec.on_demand", link, f"--oc_series_id={SERIES}", "--ingest-all-mp4")
    assert "Ingest accepted" in output
    assert f"`invoke recordings --uuid {recording.uuid}`" in output
    found = stack.await_state(recording, "SENT_TO_OPENCAST")
    assert found.origin == "on_demand"
    (ingest,) = stack.driver.ingests_of(recording)
    assert [file.flavor for file in ingest.files] == ["speaker/chunked+source"]


def test_the_on_demand_function_accepts_a_request_by_a_direct_invocation(
    stack: Stack,
) -> None:
    # `invoke exec.on-demand` invokes the function if the API refuses the machine's address.
    recording = stack.lecture(scheduled=False)
    name = stack.function(ON_DEMAND)
    body = json.dumps({"uuid": recording.uuid, "oc_series_id": SERIES})
    status, answer = execute.call_on_demand(stack.driver.client("lambda"), name, "live", body)
    assert (status, execute.message_in(answer)) == (200, "Ingest accepted")
    stack.await_state(recording, "SENT_TO_OPENCAST")


def test_exec_pipeline_follows_a_recording_to_the_end_of_the_ingest_that_the_command_started(
    stack: Stack, operator: Operator
) -> None:
    recording = stack.lecture(scheduled=False, uuid=awkward())
    done = operator.run("exec.pipeline", recording.uuid)
    assert done.code == 1
    assert done.error.startswith("Ignored (IGNORED): No class in the schedule fits it")
    assert re.search(
        r"Z  Ignored \(IGNORED\) +No class .+ \(No opencast series match\)$", done.out, re.MULTILINE
    )
    # The command must not take the end of the first ingest for the end of the second ingest.
    output = operator.output("exec.pipeline", recording.uuid, "--oc-series-id", SERIES)
    assert "IGNORED" not in output
    assert re.search(r"Z  In Opencast \(SENT_TO_OPENCAST\)$", output, re.MULTILINE)
    assert f"In Opencast: series {SERIES}, media package" in output.splitlines()[-1]
    (ingest,) = stack.driver.ingests_of(recording)
    assert ingest.series == SERIES
    (row,) = stack.driver.status(recording.meeting_id)[recording.uuid]
    assert (row.status, row.origin) == ("SENT_TO_OPENCAST", "webhook_notification")


def test_exec_pipeline_says_how_to_find_the_recording_when_the_command_is_interrupted(
    stack: Stack, operator: Operator
) -> None:
    recording = stack.lecture()
    path = f"/api/events/{media_package_id(recording.uuid)}"
    stack.driver.inject_opencast_fault(kind="status", status=503, path=path)
    with operator.start("exec.pipeline", recording.uuid) as running:
        running.await_line("tries again at")
        running.interrupt()
        done = running.end()
    assert done.code == 130
    assert done.error == (
        "Interrupted: the recording continues automatically; "
        f"`invoke recordings --uuid {recording.uuid}` shows where it is."
    )


def test_local_record_makes_only_one_request_of_an_upload_fail(
    stack: Stack, tmp_path: Path
) -> None:
    wish = play.Wish(segments=1, minutes=3, topic="Played", fail="upload")
    recording, _ = play.record(stack.driver, tmp_path, ZoneInfo("US/Eastern"), wish)
    stack.await_state(recording, "UPLOADER_FAILED", "503")
    # The fault must be gone, so that the retry a minute later succeeds.
    event = f"{stack.driver.state.opencast_url}/api/events/{media_package_id(recording.uuid)}"
    asked = requests.get(
        event, verify=stack.driver.state.ca_bundle, timeout=10, allow_redirects=False
    )
    assert asked.status_code != 503


def test_a_permanent_failure_is_mailed_when_local_record_names_a_series_that_does_not_exist(
    stack: Stack, tmp_path: Path
) -> None:
    forget_faults(stack)
    wish = play.Wish(segments=1, minutes=3, topic="Played", fail="series")
    recording, _ = play.record(stack.driver, tmp_path, ZoneInfo("US/Eastern"), wish)
    stack.await_state(recording, "UPLOADER_FAILED")
    _, body = await_mail(stack, recording.uuid)
    assert f"`invoke exec.pipeline {recording.uuid} --oc-series-id SERIES`" in body


def test_exec_webhook_starts_the_ingest_of_a_recording_whose_webhook_event_never_came(
    stack: Stack, operator: Operator
) -> None:
    recording = stack.lecture(scheduled=False)
    output = operator.output("exec.webhook", recording.uuid, "--oc-series-id", SERIES)
    assert f"auto-ingest-{recording.uuid}" in output
    stack.await_state(recording, "SENT_TO_OPENCAST")
    (ingest,) = stack.driver.ingests_of(recording)
    assert ingest.series == SERIES


@pytest.mark.parametrize("task", ["exec.on-demand", "exec.pipeline"])
def test_an_exec_command_fails_when_zoom_does_not_know_the_recording(
    task: str, operator: Operator
) -> None:
    assert "Zoom knows no recording" in operator.run(task, "/nowhere+at//all==").error


def test_exec_webhook_starts_no_ingest_while_zoom_processes_the_recording(
    stack: Stack, operator: Operator
) -> None:
    recording = stack.lecture(processing_asks=1000)
    assert "has not finished" in operator.run("exec.webhook", recording.uuid).error
    assert stack.driver.status(recording.meeting_id) == {}


def test_exec_downloader_and_exec_uploader_invoke_their_functions_and_a_wrong_qualifier_is_refused(
    operator: Operator,
) -> None:
    assert operator.output("exec.downloader").splitlines()[-1] in execute.GOOD_ANSWERS
    output = operator.output("exec.uploader", "--qualifier", "$LATEST")
    assert output.splitlines()[-1] in execute.GOOD_ANSWERS
    assert "no version or alias 77" in operator.run("exec.uploader", "--qualifier", "7777").error


def test_secrets_status_lists_all_secrets_without_their_values(operator: Operator) -> None:
    table = operator.output("secrets.status")
    assert re.search(r"OPENCAST_API_PASSWORD +yes .* same +zoom-uploader", table)
    assert re.search(r"APIGEE_KEY +no +- +- +not set +zoom-on-demand, zoom-downloader", table)
    for name in secret_tasks.NAMES:
        assert name in table
        if operator.environment.get(name):
            assert operator.environment[name] not in table


@contextmanager
def restored(stack: Stack, *names: str) -> Iterator[dict[str, str]]:
    """Yield all secrets of the stack by name, and restore the secrets in `names` afterwards."""
    ssm = stack.driver.client("ssm")
    before, about = secrets.stored(ssm, stack.names), secrets.described(ssm, stack.names)
    try:
        yield before
    finally:
        for name in names:
            secrets.put(ssm, stack.names, name, before[name], about[name].origin)


def signed_by(secret: str, session: requests.Session, state: State) -> int:
    """Send a webhook event that starts no ingest, signed with `secret`, and return the status.

    The status is 204, or 401 or 503 if `secret` is wrong.
    """
    body = b'{"event": "recording.renamed"}'
    headers = signed_headers(secret, time.time(), body)
    url = f"{state.api_url}/new_recording"
    return session.post(url, data=body, headers=headers, timeout=120).status_code


def test_the_webhook_accepts_the_new_and_the_old_token_after_a_rotation_with_keep_old(
    stack: Stack, operator: Operator, state: State, session: requests.Session
) -> None:
    by_command, by_request, by_zoom = (stack.lecture(scheduled=False) for _ in range(3))
    # Two requests start processes of on-demand and webhook, which read the old secrets.
    assert stack.driver.request_ingest(uuid="nowhere==").status == 404
    assert signed_by(state.webhook_secret, session, state) == 204
    new = uuids.uuid4().hex
    with restored(stack, TOKEN):
        output = operator.output("secrets.rotate", TOKEN, "--keep-old", answer=f"{new}\n")
        output += operator.output("secrets.rotate", KEY)
        assert f"{KEY} is replaced. zoom-webhook, zoom-on-demand" in output
        assert new not in output
        assert state.webhook_secret not in output
        # Forged requests of other tests may delay the success: rereads of secrets are limited.
        stack.wait(
            lambda: signed_by(new, session, state) == 204, "An event signed with the new token"
        )
        assert signed_by(state.webhook_secret, session, state) == 204
        assert signed_by(uuids.uuid4().hex, session, state) == 401
        operator.output("exec.webhook", by_command.uuid, "--oc-series-id", SERIES)
        stack.request_ingest(by_request, SERIES)
        # Zoom still signs with the old token.
        stack.send_completed(by_zoom)
        listed = json.loads(operator.output("secrets.status", "--json"))
        found = {secret["name"]: secret for secret in listed}
        assert found[TOKEN]["settings"] == "differs"
        assert found[TOKEN]["origin"] == found[KEY]["origin"] == secrets.ROTATED
    stack.await_state(by_zoom, "IGNORED", "No opencast series match")
    for recording in (by_command, by_request):
        stack.await_state(recording, "SENT_TO_OPENCAST")


def test_secrets_rotate_changes_nothing_when_a_name_or_value_is_wrong(
    stack: Stack, operator: Operator
) -> None:
    with restored(stack) as before:
        assert "There is no secret of this name" in operator.run("secrets.rotate", "NOTHING").error
        assert "is empty" in operator.run("secrets.rotate", TOKEN, answer="\n").error
        assert "isn't set" in operator.run("secrets.rotate", "APIGEE_KEY", answer="x\n").error
        assert secrets.stored(stack.driver.client("ssm"), stack.names) == before
