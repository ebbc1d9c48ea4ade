"""`invoke exec.…`: start ingests by hand, and call functions directly."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import requests
from botocore.exceptions import BotoCoreError, ClientError
from invoke import Collection, Context, Exit

from cdk.names import DOWNLOADER, FOLLOW, ON_DEMAND, UPLOADER, Function
from ingester.ledger.table import Ledger
from ingester.log import redact
from ingester.pipeline.states import State
from ingester.status.row import StatusRow
from ingester.status.table import StatusTable
from ingester.zoom.api import MeetingRecordings
from ops import terminal
from ops.command import OpsError, command
from ops.logs.lines import Line
from ops.logs.reading import Logs, filter_patterns
from ops.printable import printable
from ops.recordings import following, invocation
from ops.recordings.reconciling import reconcile
from ops.recordings.resending import Resender, now, resender, uuid_of
from ops.stack import overview
from ops.stack.commands import load_settings
from ops.target import Target, target_to_change

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

INGEST_SECONDS = (5.0, 35.0)
"""Timeouts in seconds, to connect and to read. The API's own timeout is 29 seconds.

https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html
"""

GOOD_ANSWERS = ("done", "nothing waiting")
"""Messages of a successful direct call of downloader or uploader."""


def address(target: Target, route: str) -> str:
    """Return the address that the stack exports under a name such as `webhook-url`.

    Raises:
        OpsError: The stack doesn't export the name.
        ClientError: See `overview.outputs`.
    """
    name = target.names.of(route)
    found = overview.outputs(target).get(name)
    if not found:
        raise OpsError(f"The stack has no output {name}: `invoke stack.update` mends that.")
    return found


def request_ingest(
    url: str,
    content: dict[str, Any],
    session: requests.Session,
    call_directly: Callable[[str], tuple[int, str]],
) -> str:
    """Send `content` to `POST /ingest`, and return the answer's message.

    If the API refuses this machine's address (403), `call_directly` sends the body instead.

    Raises:
        OpsError: The request gets no answer, or the answer's status isn't 200.
    """
    body = json.dumps(content)
    try:
        response = session.post(
            url,
            data=body,
            headers={"Content-Type": "application/json"},
            timeout=INGEST_SECONDS,
            allow_redirects=False,
        )
    except requests.RequestException as error:
        raise OpsError(
            f"{urlsplit(url).hostname} can't be reached ({type(error).__name__}): check network "
            "and proxy, and see whether the request came through: "
            f"`{following.recordings_command(content['uuid'])}`."
        ) from error
    status, text = response.status_code, response.text
    if status == 403:
        status, text = call_directly(body)
    said = message_in(text)
    if status != 200:
        path = urlsplit(url).path
        if said.endswith("."):
            # The answer has a sentence for people, so the error begins with that sentence.
            raise OpsError(f"{said} ({path} answered {status}.)")
        raise OpsError(f"{path} answered {status}: {said}")
    return said


def message_in(body: str) -> str:
    """Return an answer's `message`, without secrets.

    Without a message, return the first 200 characters of the answer; "nothing more" if the answer
    is empty.
    """
    try:
        return redact(str(json.loads(body)["message"]))
    except (ValueError, KeyError, TypeError):
        return redact(" ".join(body.split())[:200]) or "nothing more"


def call_on_demand(client: LambdaClient, name: str, alias: str, body: str) -> tuple[int, str]:
    """Call the on-demand function without the API, and return the answer's status and body.

    Raises:
        OpsError, ClientError: See `invocation.call`.
    """
    event = {
        "httpMethod": "POST",
        "path": "/ingest",
        "headers": {"Content-Type": "application/json"},
        "queryStringParameters": None,
        "body": body,
        "isBase64Encoded": False,
    }
    answer = invocation.call(client, name, alias, event)
    return int(answer["statusCode"]), str(answer["body"])


UUID_HELP = "the recording's uuid, or the link to it in Zoom"
SERIES_HELP = "the Opencast series, instead of the schedule's"


@command(
    name="on-demand",
    help={
        "uuid": UUID_HELP,
        "oc_series_id": SERIES_HELP,
        "oc_workflow": "the Opencast workflow, instead of DEFAULT_OC_WORKFLOW",
        "ingest_all_mp4": "every view under a flavor of its own, and no chat",
        "allow_multiple_ingests": "also if the recording is in Opencast already",
    },
)
def on_demand(
    _context: Context,
    uuid: str,
    oc_series_id: str = "",
    oc_workflow: str = "",
    ingest_all_mp4: bool = False,
    allow_multiple_ingests: bool = False,
) -> None:
    """Ask for an ingest, as Opencast's "+Zoom" does."""
    wanted = uuid_of(uuid)
    target = target_to_change()
    content = {
        "uuid": wanted,
        "oc_series_id": oc_series_id.strip(),
        "oc_workflow": oc_workflow.strip(),
        "ingest_all_mp4": ingest_all_mp4,
        "allow_multiple_ingests": allow_multiple_ingests,
    }

    def call_directly(activity: terminal.Activity, body: str) -> tuple[int, str]:
        name, alias = target.names.function(ON_DEMAND), target.place.release_alias
        activity.answer(
            "The API keeps this address out (it isn't in INGEST_ALLOWED_IPS), so "
            f"{name} is called directly."
        )
        return call_on_demand(target.client("lambda", invocation.CONFIG), name, alias, body)

    with requests.Session() as session:
        url = address(target, "ingest-url")
        with terminal.working("Requesting the ingest") as activity:
            said = request_ingest(url, content, session, partial(call_directly, activity))
    terminal.say(said)
    terminal.say(f"Where it is: `{following.recordings_command(wanted)}`")


def resender_of(target: Target, session: requests.Session) -> Resender:
    """Return the resender for this stack.

    Raises:
        SettingsError: Settings are missing or wrong, or a secret is missing in SSM.
        OpsError: The stack doesn't export the webhook's address.
        BotoCoreError, ClientError: See `address` and `resender`.
    """
    url = address(target, "webhook-url")
    return resender(load_settings(), target.client("ssm"), url, session, time.sleep)


def resend(
    sender: Resender, uuid: str, series_id: str, *, ignore_schedule: bool = False
) -> tuple[MeetingRecordings, str]:
    """Ask Zoom for a recording, print a line about the recording, and resend the webhook event.

    Return the recording and the zip id. For `series_id` and `ignore_schedule`, see
    `Resender.send`.

    Raises:
        Exit: An operator pressed ^C during the call of the webhook.
        OpsError, ZoomUnreachable, ZoomRefused, NotReady: See `Resender.recording`.
        WebhookFailed, WebhookUnreachable: See `Resender.send`.
    """
    with terminal.working("Asking Zoom for the recording"):
        recording = sender.recording(uuid)
    terminal.say(
        f"{printable(recording.topic) or 'Without a topic'}, {recording.start_time}, "
        f"meeting {recording.id}, "
        f"files in Zoom: {len(recording.recording_files)}"
    )
    try:
        with terminal.working("Sending it to the webhook"):
            zip_id = sender.send(
                recording, series_id=series_id.strip(), ignore_schedule=ignore_schedule
            )
    except KeyboardInterrupt:
        raise Exit(
            "Interrupted: the webhook may have the request already; "
            f"`{following.recordings_command(recording.uuid)}` shows whether it has.",
            code=130,
        ) from None
    return recording, zip_id


@command(help={"uuid": UUID_HELP, "oc_series_id": SERIES_HELP})
def webhook(_context: Context, uuid: str, oc_series_id: str = "") -> None:
    """Request an ingest again, without following it."""
    wanted = uuid_of(uuid)
    target = target_to_change()
    with requests.Session() as session:
        recording, zip_id = resend(resender_of(target, session), wanted, oc_series_id)
    terminal.say(f"The webhook has taken it: {zip_id}")
    terminal.say(f"Where it is: `{following.recordings_command(recording.uuid)}`")


@command(
    help={
        "uuid": UUID_HELP,
        "oc_series_id": SERIES_HELP,
        "ignore_schedule": "take DEFAULT_SERIES_ID, whatever the schedule says",
    }
)
def pipeline(
    _context: Context, uuid: str, oc_series_id: str = "", ignore_schedule: bool = False
) -> None:
    """Request an ingest and follow it to its end."""
    wanted = uuid_of(uuid)
    target = target_to_change()
    with requests.Session() as session:
        sender = resender_of(target, session)
        recording, zip_id = resend(sender, wanted, oc_series_id, ignore_schedule=ignore_schedule)
    try:
        _follow(target, recording.uuid, zip_id)
    except KeyboardInterrupt:
        raise Exit(
            "Interrupted: the recording continues automatically; "
            f"`{following.recordings_command(recording.uuid)}` shows where it is.",
            code=130,
        ) from None


def _follow(target: Target, uuid: str, zip_id: str) -> None:
    """Follow an ingest's row until the ingest ends, and print the outcome.

    If the stack follows the ingest in Opencast, wait for the result there, too.

    Raises:
        OpsError: See `invocation.call`, and `follow`, `outcome` and `follow_in_opencast` in
            `following`.
        ClientError: See `invocation.call`.
    """
    table = StatusTable(target.table(target.names.status_table), now)
    logs = Logs(target.client("logs"), target.names)
    with terminal.working("Following the recording") as activity:
        row = following.follow(
            lambda: table.get(zip_id),
            uuid,
            activity.answer,
            time.sleep,
            lambda row: activity.change(following.progress(row, _copy_lines(logs, row))),
        )
    ledger = Ledger(target.table(target.names.recordings_table), now)
    record = following.record_of(ledger, uuid)
    outcome = following.outcome(row, now(), record)
    if following.is_followed(row, record):
        _follow_in_opencast(target, uuid, lambda: table.get(zip_id))
    terminal.say(outcome)


def _copy_lines(logs: Logs, row: StatusRow) -> list[Line]:
    """Return the downloader's lines about a row's copy.

    The result is [] if the downloader isn't at work on the row, or if the log can't be read.
    """
    if row.state is not State.OC_SERIES_FOUND:
        return []
    (pattern,) = filter_patterns([("zip_id", row.zip_id)])
    try:
        return list(logs.read(DOWNLOADER, row.updated, pattern=pattern))
    except (BotoCoreError, ClientError):
        return []


def _follow_in_opencast(target: Target, uuid: str, read: Callable[[], StatusRow | None]) -> None:
    terminal.say("Opencast has it, and is asked until it is published. (^C ends only this.)")
    client = target.client("lambda", invocation.CONFIG)
    name, alias = target.names.function(FOLLOW), target.place.release_alias
    with terminal.working("Opencast is processing it") as activity:
        following.follow_in_opencast(
            read,
            lambda: invocation.call(client, name, alias, {"uuid": uuid}),
            uuid,
            activity.answer,
            time.sleep,
        )


def process_one(target: Target, function: Function, qualifier: str, event: dict[str, Any]) -> None:
    """Have a function process a message of the function's queue, if any, and print the result.

    `qualifier` is a version, an alias or `$LATEST`; "" means the released version.

    Raises:
        OpsError: The function can't be called, ends with an error, or reports a failure.
        ClientError: See `invocation.call`.
        Exit: ^C was pressed. The function keeps running.
    """
    name, chosen = target.names.function(function), qualifier.strip() or target.place.release_alias
    client = target.client("lambda", invocation.CONFIG)
    try:
        with terminal.working(f"{name} is working"):
            answer = invocation.call(client, name, chosen, event)
    except KeyboardInterrupt:
        raise Exit(f"Interrupted: {name} continues automatically.", code=130) from None
    terminal.say(result_message(name, answer))


def result_message(name: str, answer: Any) -> str:
    """Return a function's message about the function's work.

    Raises:
        OpsError: The answer's message isn't one of the GOOD_ANSWERS.
    """
    message = answer.get("message") if isinstance(answer, dict) else None
    if message not in GOOD_ANSWERS:
        raise OpsError(f"{name}: {redact(str(message or answer))[:200]}")
    return str(message)


QUALIFIER_HELP = "a version, an alias or $LATEST, instead of what runs"


@command(
    help={
        "series_id": SERIES_HELP,
        "ignore_schedule": "take DEFAULT_SERIES_ID, whatever the schedule says",
        "qualifier": QUALIFIER_HELP,
    }
)
def downloader(
    _context: Context, series_id: str = "", ignore_schedule: bool = False, qualifier: str = ""
) -> None:
    """Have the downloader take a waiting message."""
    event = {"ignore_schedule": ignore_schedule, "override_series_id": series_id.strip()}
    process_one(target_to_change(), DOWNLOADER, qualifier, event)


@command(help={"qualifier": QUALIFIER_HELP})
def uploader(_context: Context, qualifier: str = "") -> None:
    """Have the uploader take a waiting message, if any."""
    process_one(target_to_change(), UPLOADER, qualifier, {})


collection = Collection("exec", on_demand, webhook, pipeline, downloader, uploader, reconcile)
