"""POST /new_recording: Zoom's notifications, and on-demand requests, onto the download queue.

Zoom repeats what wasn't answered with 200 or 204 within three seconds, and may never repeat after
a 4xx. So a fault of ours answers 5xx, and 4xx only what will never be right.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import os
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from ingester import clients, log, metrics, new_ids, signature
from ingester.container import Container
from ingester.errors import (
    AwsFailed,
    BadRequest,
    NotReady,
    RequestError,
    Unauthorized,
    WrongSignature,
)
from ingester.gateway import Answer, Request, json_answer, proxy_answer, request_of
from ingester.metrics import Metric
from ingester.neighbours import zoom_events
from ingester.neighbours.events_table import EventsTable
from ingester.neighbours.queues import Queue
from ingester.neighbours.status_table import StatusTable, Written
from ingester.neighbours.zoom_events import (
    BadIngest,
    IngestNotification,
    RecoveryNotification,
    RemovalNotification,
    StatusNotification,
    UrlValidation,
)
from ingester.rules import notices, reasons
from ingester.rules.attempts import ZOOM_REPEATS
from ingester.rules.messages import encode
from ingester.rules.recording import Subject, automated
from ingester.rules.spans import RecordingEvent
from ingester.rules.states import (
    DONE,
    ZOOM_SIDE,
    Reception,
    State,
    is_undecided,
    receive,
)
from ingester.rules.status_row import StatusRow
from ingester.settings import WebhookSecrets, WebhookSettings, read, read_secrets

logger = logging.getLogger("ingester.webhook")

ATTEMPTS = 3
"""How often a decision is taken anew when the row changed under it."""

STARTED = "recording.started"
AGAIN = f"Zoom (or our own caller) is told to send it again. {ZOOM_REPEATS}"
KEEPS_CHANGING = "The recording's row keeps changing. Send it again later."
GIVEN_UP = "Nothing: this ingest has ended."
SEND_IT = "If it is wanted: `invoke recordings --uuid UUID` names the command."
PAUSES = "The recording goes on its way; in Opencast some of its pauses may be missing."

NO_CONTENT: Final = Answer(status=204)
SUCCESS: Final = Answer(status=200, body="Success", headers={"Content-Type": "text/plain"})


@dataclass(frozen=True)
class Tools:
    """What the use case works with."""

    settings: WebhookSettings
    secrets: WebhookSecrets
    status: StatusTable
    events: EventsTable
    downloads: Queue
    clock: Callable[[], datetime]
    new_id: Callable[[], str] = new_ids.random_uuid


def build() -> Tools:
    settings = read(WebhookSettings, os.environ)
    log.verbose(settings.is_debug)
    clock = _now
    return Tools(
        settings=settings,
        secrets=read_secrets(WebhookSecrets, clients.ssm(), settings.secrets_path),
        status=StatusTable(clients.table(settings.status_table), clock),
        events=EventsTable(clients.table(settings.events_table), clock),
        downloads=Queue(clients.sqs(), settings.download_queue_url),
        clock=clock,
    )


def _now() -> datetime:
    return datetime.now(UTC)


tools = Container(build)


def handler(event: Mapping[str, Any], context: object) -> dict[str, Any]:
    """API Gateway's entry."""
    log.start(context)
    return proxy_answer(respond(event, tools(), tools.renewed))


def respond(
    event: Mapping[str, Any], tools: Tools, renewed: Callable[[], Tools] | None = None
) -> Answer:
    """The answer to one request; every error in the form that Zoom and our own callers expect.

    `renewed` gives tools with the secrets of now, if there may be others than in `tools`.
    """
    signed_with = ""
    try:
        request = request_of(event)
        signed_with, tools = _signer(request, tools, renewed or (lambda: tools))
        return take(request, signed_with, tools)
    except RequestError as error:
        is_own = bool(signed_with) and signed_with == tools.secrets.pipeline_signing_key
        counts = _counted(metrics.refused(error, is_own=is_own), tools)
        logger.warning("Refused with %s: %s", error.status, error, extra=counts)
        return json_answer(error.status, {"message": str(error)})
    except (BotoCoreError, ClientError) as error:
        return _not_now(error)


def _not_now(error: Exception) -> Answer:
    """AWS failed: whoever sent this is asked to send it again."""
    told = f"{AwsFailed.of(error)} This notification wasn't taken."
    logger.error("%s", told, exc_info=error, extra={"outlook": AGAIN})
    return json_answer(503, {"message": "Not now. Send it again later."})


def _counted(values: Mapping[Metric, float], tools: Tools) -> dict[str, Any]:
    return metrics.record(tools.settings.stack_name, tools.clock(), values)


def take(request: Request, signed_with: str, tools: Tools) -> Answer:
    """Does what the notification asks for, that was rightly signed with this secret."""
    event, notification = zoom_events.parse(request.body)
    if event == zoom_events.ON_DEMAND and signed_with != tools.secrets.pipeline_signing_key:
        raise Unauthorized("An on-demand request must be signed with the pipeline's own key.")
    logger.info("Received %s", event, extra={"zoom_event": event})
    match notification:
        case UrlValidation():
            return _answer_challenge(notification, signed_with, tools)
        case StatusNotification():
            uuid = notification.subject.recording_id
            return _do(partial(_record_status, notification, tools), uuid=uuid)
        case RemovalNotification():
            return _do(partial(_note_removal, notification, tools), uuid=notification.uuid)
        case RecoveryNotification():
            return _do(partial(_note_recovery, notification, tools), uuid=notification.uuid)
        case BadIngest():
            about = {"uuid": notification.uuid, "zip_id": notification.zip_id}
            return _do(partial(_reject, notification, tools), **about)
        case IngestNotification():
            uuid, zip_id = notification.subject.recording_id, _zip_id(notification, tools)
            return _do(partial(_ingest, notification, zip_id, tools), uuid=uuid, zip_id=zip_id)
    logger.info("Nothing to do: %s", notification.reason)
    return NO_CONTENT


def _do(work: Callable[[], Answer], **about: str) -> Answer:
    """Does what a notification asks for; every record of it, also AWS's failure, says of what."""
    with log.about(**about):
        try:
            return work()
        except (BotoCoreError, ClientError) as error:
            return _not_now(error)


def _signer(request: Request, tools: Tools, renewed: Callable[[], Tools]) -> tuple[str, Tools]:
    """The secret that the request was signed with, and the tools that know it.

    A signature that can't be explained may be under a secret that was rotated since. "" for an
    unsigned request where that is allowed.
    """
    try:
        try:
            return _verified(request, tools), tools
        except WrongSignature:
            tools = renewed()
            return _verified(request, tools), tools
    except Unauthorized:
        if tools.secrets.zoom_secrets or not tools.settings.allow_unsigned_webhooks:
            raise
        return "", tools


def _verified(request: Request, tools: Tools) -> str:
    known = (*tools.secrets.zoom_secrets, tools.secrets.pipeline_signing_key)
    return signature.verify(known, request.headers, request.body, tools.clock().timestamp())


def _answer_challenge(challenge: UrlValidation, signed_with: str, tools: Tools) -> Answer:
    """Zoom's proof that the endpoint knows the secret: the one that this request came under."""
    if signed_with not in tools.secrets.zoom_secrets:
        return NO_CONTENT
    token = challenge.plain_token
    proof = hmac.new(signed_with.encode(), token.encode(), hashlib.sha256).hexdigest()
    return json_answer(200, {"plainToken": token, "encryptedToken": proof})


def _record_status(notification: StatusNotification, tools: Tools) -> Answer:
    subject, state = notification.subject, notification.state
    is_first_start = False
    if notification.event is not None:
        try:
            is_first_start = _keep(notification.event, subject.recording_id, tools)
        except (BotoCoreError, ClientError):
            logger.exception("The recording's event could not be kept", extra=log.goes_on(PAUSES))
    written = tools.status.write(automated(subject.recording_id), state, subject=subject)
    has_ended = written and state is State.RECORDING_PROCESSING
    counts = metrics.once(Metric.MEETING_STARTED, is_first_start)
    counts |= metrics.once(Metric.MEETING_ENDED, has_ended)
    logger.info(
        "%s %s", state, "written" if written else "came too late", extra=_counted(counts, tools)
    )
    return NO_CONTENT


def _keep(event: RecordingEvent, recording_id: str, tools: Tools) -> bool:
    """Keeps a recording's event; whether it is its first start."""
    earlier = tools.events.append(recording_id, event)
    return event.event == STARTED and all(one.event != STARTED for one in earlier)


def _note_removal(notification: RemovalNotification, tools: Tools) -> Answer:
    for row in tools.status.of_meeting(notification.meeting_id):
        if row.recording_id == notification.uuid and (row.retry_due or row.state not in DONE):
            outlook = f"; {row.reason}" if row.retry_due else ""
            tools.status.note(row.zip_id, notification.notice, outlook)
            logger.warning("%s while it was on its way", notification.notice)
    return NO_CONTENT


def _note_recovery(notification: RecoveryNotification, tools: Tools) -> Answer:
    """Takes back what was noted when it was thrown away.

    What was given up meanwhile is told, and not sent on by itself: this notification has neither
    files nor token, and Zoom need not have all files again at this moment.
    """
    for found in tools.status.of_meeting(notification.meeting_id):
        if found.recording_id == notification.uuid:
            with log.about(zip_id=found.zip_id):
                _take_back(found.zip_id, tools)
    return NO_CONTENT


def _take_back(zip_id: str, tools: Tools) -> None:
    for _ in range(ATTEMPTS):
        row = tools.status.get(zip_id)
        if row is None or not (row.state and row.zoom_notice):
            return
        if tools.status.take_back_note(row, notices.reason_without(row)):
            logger.info("It is out of Zoom's trash again: the notice is taken back")
            if notices.was_given_up(row):
                logger.error("%s", reasons.RECOVERED, extra=log.goes_on(GIVEN_UP, SEND_IT))
            return
    raise NotReady(KEEPS_CHANGING)


def _reject(bad: BadIngest, tools: Tools) -> Answer:
    """Zoom's data lack a field: the row says so, made if it isn't there."""
    if bad.zip_id:
        written = _fail(bad.zip_id, reasons.BAD_DATA, bad.subject, tools)
        counts = metrics.once(Metric.RECORDING_FAILED, written and written.is_change)
        # Who asked by "+Zoom" is told, and a recording that is under way already goes on.
        is_mailed = written and bad.zip_id == automated(bad.uuid)
        level = logging.ERROR if is_mailed else logging.WARNING
        logger.log(level, "%s", bad, extra=_counted(counts, tools))
    raise bad


def _fail(zip_id: str, reason: str, subject: Subject | None, tools: Tools) -> Written | None:
    return tools.status.write(zip_id, State.WEBHOOK_FAILED, reason, subject=subject, requested=True)


def _is_first(request: IngestNotification, written: Written | None) -> bool:
    """Whether this is the first time that Zoom says so of a recording, given what was written."""
    if request.on_demand or written is None:
        return False
    before = written.before
    return before is None or before in ZOOM_SIDE or before is State.WEBHOOK_FAILED


def _zip_id(request: IngestNotification, tools: Tools) -> str:
    if not request.on_demand:
        return automated(request.subject.recording_id)
    return request.options.zip_id or f"on-demand-{tools.new_id()}"


def _ingest(request: IngestNotification, zip_id: str, tools: Tools) -> Answer:
    if request.on_demand and not all(file.is_completed for file in request.files):
        reason = "Zoom has not finished all files of this recording yet"
        _fail(zip_id, reason, request.subject, tools)
        raise BadRequest(f"{reason}. Try again later.")
    if not any(file.is_mp4 for file in request.files):
        _ignore(zip_id, request, tools)
        if request.on_demand:
            raise BadRequest("The recording has no MP4 files.")
        return NO_CONTENT
    for _ in range(ATTEMPTS):
        if _hand_on(request, zip_id, tools):
            return SUCCESS
    raise NotReady(KEEPS_CHANGING)


def _ignore(zip_id: str, request: IngestNotification, tools: Tools) -> None:
    """Nothing to ingest; what an earlier request got under way stays as it is."""
    row = tools.status.get(zip_id)
    if row and row.state and not is_undecided(row.state):
        logger.info("Files without an MP4 came after others: nothing to do")
        return
    written = tools.status.write(
        zip_id, State.IGNORED, reasons.NO_MP4, subject=request.subject, requested=True
    )
    counts = metrics.once(Metric.RECORDING_COMPLETED, _is_first(request, written))
    counts |= metrics.once(Metric.RECORDING_IGNORED, written and written.is_change)
    logger.info("Ignored: it has no MP4 files", extra=_counted(counts, tools))


def _hand_on(request: IngestNotification, zip_id: str, tools: Tools) -> bool:
    """Puts the recording on the download queue unless it is there; False to decide anew.

    The order of the writes makes a crash between any two harmless: the row says
    `WEBHOOK_RECEIVED` until the message is surely sent, and a repeat that finds this sends again.
    """
    row = tools.status.get(zip_id)
    files = {file.recording_id for file in request.files}
    reception = receive(
        row.state if row else None,
        known_files=row.files if row else frozenset(),
        files=files,
        retry_is_due=bool(row and row.retry_due),
        forced=bool(request.options.force),
    )
    logger.debug(
        "The row says %s: %s",
        row.state if row else "nothing",
        reception,
        extra={"files": len(files)},
    )
    if reception is Reception.DUPLICATE:
        logger.info("A repeat of a request that is on its way: nothing to do")
        return True
    delay = 0 if request.on_demand else tools.settings.webhook_delay_seconds
    if row and reception is Reception.LATE_FILES:
        logger.warning("Files that were not known before arrived late: sent on")
        body = _body(request, zip_id, row.files, tools)
        tools.downloads.send(body, delay_seconds=delay)
        tools.status.add_files(zip_id, files)
        return True
    received = tools.status.write(
        zip_id,
        State.WEBHOOK_RECEIVED,
        subject=request.subject,
        requested=_is_asked_now(request, row),
        asked=request.asked,
        files=files,
        replacing=row.state if row else None,
    )
    if not received:
        return False
    counts = metrics.once(Metric.RECORDING_COMPLETED, _is_first(request, received))
    logger.info("Accepted", extra=_counted(counts, tools))
    # Not what was read: another request may have written its files since.
    body = _body(request, zip_id, received.files, tools)
    tools.downloads.send(body, delay_seconds=delay)
    tools.status.write(zip_id, State.SENT_TO_DOWNLOADER)
    logger.info("Sent to the downloader", extra={"files": len(request.files)})
    return True


def _is_asked_now(request: IngestNotification, row: StatusRow | None) -> bool:
    """Whether the row's time of request is now: a "+Zoom" request wrote it before it came here."""
    told = request.on_demand and row is not None and bool(row.ingest_request_time)
    return bool(request.options.force) or not told


def _body(
    request: IngestNotification, zip_id: str, known_files: AbstractSet[str], tools: Tools
) -> str:
    """The message. It is partial if files that are known from before are not among its own."""
    is_partial = not known_files <= {file.recording_id for file in request.files}
    return encode(request.message(zip_id, is_partial, tools.clock()))
