"""A search for secrets of a running stack outside the places that are meant for secrets.

First, recordings succeed and fail, and Slack and the sheet are used, while functions log at DEBUG.
Then the tests search for the secrets in plain and in encoded form.
"""

from __future__ import annotations

import json
import secrets
import time
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import requests

from cdk.names import DOWNLOADER, ON_DEMAND, SCHEDULE_UPDATE, SLACK, UPLOADER, WEBHOOK
from cdk.settings import SCHEDULE_TOKEN, SECRETS
from local.state import ENVIRONMENT, GOOGLE_KEY, STATE
from ops.secrets.store import stored
from tests.canaries import Canaries
from tests.e2e import deployed
from tests.e2e.mails import await_mail, forget_faults
from tests.e2e.operator import Operator
from tests.e2e.slack import zip_command
from tests.e2e.spreadsheet import HEADER, Spreadsheet, row
from tests.e2e.stack import Stack
from tests.local_stack import PACKAGES
from tests.slack_messages import texts

VERBOSE = (WEBHOOK, ON_DEMAND, DOWNLOADER, UPLOADER, SLACK, SCHEDULE_UPDATE)
TABLES = ("pipeline-status", "recordings", "recording-events", "schedule", "notification-faults")
QUEUES = ("download", "download-dlq", "upload.fifo", "upload-dlq.fifo")

KEPT_FILES = {STATE, ENVIRONMENT, GOOGLE_KEY}
"""Files in the local stack's folder that may contain secrets (see local/state.py)."""

OF_THE_CLOUD = {"cloud", "tls"}
"""Folders of the local cloud, with the content of services such as SSM, and with private keys."""

PLANTED = {"download token": secrets.token_urlsafe(24), "passcode": secrets.token_urlsafe(12)}
"""Secrets in a webhook event of the tests. The passcode is also in a link of the sheet."""

SHORTEST = 12
"""Length in characters of the shortest secret that can't occur in a text by chance."""


@pytest.fixture(scope="module")
def canaries(stack: Stack, operator: Operator, home: Path) -> Canaries:
    """Return a search for planted secrets, and for secrets of the settings, SSM and Google's key.

    Secrets shorter than `SHORTEST` are left out.
    """
    found = {name: operator.environment.get(name, "") for name in SECRETS}
    found |= {f"{name} in SSM": value for name, value in _in_ssm(stack).items()}
    key = json.loads((home / GOOGLE_KEY).read_bytes())["private_key"].split("\n")
    found |= {"Google's key": key[1], "the end of Google's key": key[-3]}
    return Canaries(
        {name: value for name, value in {**found, **PLANTED}.items() if len(value) >= SHORTEST}
    )


def _in_ssm(stack: Stack) -> dict[str, str]:
    return stored(stack.driver.client("ssm"), stack.names)


@pytest.fixture(scope="module")
def used(stack: Stack) -> Iterator[Stack]:
    """Yield the stack after recordings, failures and requests, which were logged at DEBUG."""
    with ExitStack() as verbose:
        for function in VERBOSE:
            name = stack.function(function)
            verbose.enter_context(deployed.limited(stack.driver, name, seconds=900, DEBUG="1"))
        _use(stack)
        yield stack


def _use(stack: Stack) -> None:
    """Let recordings succeed and fail, and use Slack and the sheet."""
    forget_faults(stack)
    link = f"https://zoom.us/j/81000000001?pwd={PLANTED['passcode']}"
    sheet = Spreadsheet(stack.driver, token=_in_ssm(stack).get(SCHEDULE_TOKEN, ""))
    sheet.fill([HEADER, row(link)], [HEADER])
    # Add the recordings after the import. `lecture` adds a scheduled class without a source, which
    # an import removes.
    assert sheet.post()[0] == 200
    good, lost = stack.lecture(), stack.lecture(scheduled=False)
    assert stack.driver.send("recording.started", good.uuid).status == 204
    assert stack.driver.send("", body=_completed(good)).status == 200
    assert stack.driver.send("recording.completed", good.uuid, forge="wrong_secret").status == 401
    stack.request_ingest(lost, "nowhere")
    zip_command(stack)
    await_mail(stack, lost.uuid)
    stack.await_state(good, "SENT_TO_OPENCAST")


def _completed(recording: Any) -> dict[str, Any]:
    """Return a webhook event with planted secrets, whose files only Zoom's API lists."""
    about = {
        "uuid": recording.uuid,
        "id": recording.meeting_id,
        "host_id": recording.host_id,
        "topic": recording.topic,
        "start_time": recording.start_time,
        "duration": recording.duration,
        "password": PLANTED["passcode"],
        "share_url": f"https://zoom.us/rec/share/x?pwd={PLANTED['passcode']}",
    }
    return {
        "event": "recording.completed",
        "event_ts": int(time.time() * 1000),
        "download_token": PLANTED["download token"],
        "payload": {"account_id": "a", "object": about},
    }


def assert_clean(canaries: Canaries, found: Mapping[str, str]) -> None:
    """Assert that at least one text isn't empty, and that no text contains a secret."""
    assert any(found.values())
    assert list(canaries.where(found)) == []


def test_logs_of_a_used_stack_contain_no_secret_when_functions_log_at_debug(
    used: Stack, canaries: Canaries
) -> None:
    assert_clean(canaries, logs := dict(_logs(used)))
    assert '"level":"DEBUG"' in "".join(logs.values())


def _logs(stack: Stack) -> Iterator[tuple[str, str]]:
    client = stack.driver.client("logs")
    for page in client.get_paginator("describe_log_groups").paginate():
        for group in page["logGroups"]:
            name = group["logGroupName"]
            pages = client.get_paginator("filter_log_events").paginate(logGroupName=name)
            yield name, "\n".join(event["message"] for page in pages for event in page["events"])


def test_tables_of_a_used_stack_contain_no_secret(used: Stack, canaries: Canaries) -> None:
    tables = {name: used.driver.table(name).scan(ConsistentRead=True)["Items"] for name in TABLES}
    assert_clean(canaries, {name: str(items) for name, items in tables.items()})


def test_queues_of_a_used_stack_contain_no_secret(used: Stack, canaries: Canaries) -> None:
    assert_clean(canaries, {name: str(_messages(used, name)) for name in QUEUES})


def _messages(stack: Stack, queue: str) -> list[Any]:
    """Return (body, attributes) of up to ten messages of a queue, which stay on the queue."""
    received: list[Any] = (
        stack.driver.client("sqs")
        .receive_message(
            QueueUrl=stack.driver.queue_url(queue),
            MaxNumberOfMessages=10,
            MessageAttributeNames=["All"],
            VisibilityTimeout=1,
        )
        .get("Messages", [])
    )
    return [(message["Body"], message.get("MessageAttributes")) for message in received]


def test_mails_of_a_used_stack_contain_no_secret(used: Stack, canaries: Canaries) -> None:
    mails = Path(used.driver.state.mail_folder).glob("*.txt")
    assert_clean(canaries, {mail.name: mail.read_text("utf-8") for mail in mails})


def test_status_page_and_answers_of_the_status_api_contain_no_secret(
    used: Stack, session: requests.Session, canaries: Canaries
) -> None:
    since = f"{used.start:%Y-%m-%dT%H:%M:%SZ}"
    paths = ("", f"status?since={since}", "status?seconds=3600", "status?queues=true")
    url = used.driver.state.api_url
    answers = {path: session.get(f"{url}/{path}", timeout=60) for path in paths}
    shown = {path: f"{answer.headers} {answer.text}" for path, answer in answers.items()}
    assert {answer.status_code for answer in answers.values()} == {200}
    assert_clean(canaries, shown)


def test_messages_in_slack_contain_no_secret(used: Stack, canaries: Canaries) -> None:
    messages = used.driver.shown_messages()
    assert any("> In Opencast" in texts(message) for message in messages)
    assert_clean(canaries, {message["ts"]: json.dumps(message) for message in messages})


def test_template_and_environments_of_functions_contain_no_secret(
    used: Stack, canaries: Canaries
) -> None:
    template = used.driver.client("cloudformation").get_template(StackName=used.name)
    found = {"template": json.dumps(template["TemplateBody"], default=str)}
    client = used.driver.client("lambda")
    for page in client.get_paginator("list_functions").paginate(FunctionVersion="ALL"):
        for function in page["Functions"]:
            found[function["FunctionArn"]] = json.dumps(function, default=str)
    assert len(found) > len(VERBOSE)
    assert_clean(canaries, found)


@pytest.mark.usefixtures("used")
def test_files_of_the_local_stack_contain_no_secret_except_the_files_for_secrets(
    home: Path, canaries: Canaries
) -> None:
    found = {
        path.relative_to(home): names
        for path in _files(home)
        if (names := canaries.found_in_bytes(path.read_bytes()))
    }
    assert {path for path in found if str(path) not in KEPT_FILES} == set()
    # The search works only if it finds the secrets in the file `STATE`.
    assert str(STATE) in map(str, found)


def _files(home: Path) -> Iterator[Path]:
    """Yield the files in a stack's folder, except packages and the files of the local cloud."""
    others = {*OF_THE_CLOUD, "packages", "wheels", "jsii", "e2e-packages"}
    for entry in home.iterdir():
        if entry.name not in others:
            yield from (
                path
                for path in (entry.rglob("*") if entry.is_dir() else [entry])
                if path.is_file() and not path.is_symlink() and path.suffix != ".zip"
            )


def test_packages_of_functions_contain_no_secret(home: Path, canaries: Canaries) -> None:
    folder = PACKAGES if list(PACKAGES.glob("*.zip")) else home / "packages"
    packages = sorted(folder.glob("*.zip"))
    assert packages
    for package in packages:
        with zipfile.ZipFile(package) as archive:
            # Only our own files can contain a secret. All other files come from public packages.
            ours = [name for name in archive.namelist() if _is_ours(name)]
            assert ours
            content = b"\n".join(archive.read(name) for name in ours)
            assert canaries.found_in_bytes(content) == [], package


def _is_ours(name: str) -> bool:
    return name.startswith("ingester/") or "/" not in name
