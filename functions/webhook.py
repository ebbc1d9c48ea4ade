"""POST /new_recording: turn webhook events and on-demand requests into download messages.

Zoom repeats a webhook event that gets no 200 or 204 within three seconds (docs/zoom.md), but maybe
not after a 4xx. So the webhook answers with 5xx after its own failures. Zoom gets a 4xx only for a
malformed request, or for a request whose signature isn't valid.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Final, NoReturn

from botocore.exceptions import BotoCoreError, ClientError
from msgspec import UNSET

from ingester import log, metrics, timestamps
from ingester.errors import (
    AwsFailed,
    BadRequest,
    LedgerBusy,
    LedgerUnreadable,
    NotReady,
    RequestError,
    Unauthorized,
    WrongSignature,
)
from ingester.ledger import record as ledger
from ingester.ledger.record import Record
from ingester.ledger.record import Request as LedgerRequest
from ingester.ledger.table import Ledger
from ingester.metrics import Metric
from ingester.pipeline import reasons
from ingester.pipeline.messages import DownloadMessage, encode
from ingester.pipeline.queue import Queue
from ingester.pipeline.retry_policy import ZOOM_REPEATS
from ingester.pipeline.states import ENDED, ZOOM_SIDE, State
from ingester.recording.events_table import EventsTable
from ingester.recording.files import Subject, automated_zip_id
from ingester.recording.pauses import RecordingEvent
from ingester.runtime import clients, http_endpoint, new_ids
from ingester.runtime.api_gateway import Answer, Request, json_answer
from ingester.runtime.clock import utc_now
from ingester.runtime.container import Container
from ingester.runtime.http_endpoint import ErrorAnswers
from ingester.settings import WebhookSecrets, WebhookSettings, read, read_secrets
from ingester.status import notices
from ingester.status.diagnosis import has_ended
from ingester.status.table import Requested, StatusChange, StatusTable, WriteResult, never_raising
from ingester.zoom import signature
from ingester.zoom import webhook_events as zoom_events
from ingester.zoom.webhook_events import (
    BadIngest,
    IngestEvent,
    RecoveryEvent,
    RemovalEvent,
    StatusEvent,
    TranscriptEvent,
    UrlValidation,
    WebhookEvent,
)

logger = logging.getLogger("ingester.webhook")

STARTED = "recording.started"
AGAIN = f"Zoom (or our own caller) is told to send it again. {ZOOM_REPEATS}"
FAILURES = (BotoCoreError, ClientError, LedgerBusy, LedgerUnreadable)
"""Errors of AWS and of the ledger while a valid webhook event is processed."""

PAUSES_MISSING = "The recording goes on its way; in Opencast some of its pauses may be missing."

NO_CONTENT: Final = Answer(status=204)
SUCCESS: Final = Answer(status=200, body="Success", headers={"Content-Type": "text/plain"})


@dataclass(frozen=True)
class Dependencies:
    """Tables, queue, clock, settings and secrets that the webhook works with."""

    settings: WebhookSettings
    secrets: WebhookSecrets
    ledger: Ledger
    status: StatusTable
    events: EventsTable
    downloads: Queue
    clock: Callable[[], datetime]
    new_id: Callable[[], str] = new_ids.random_uuid


def build() -> Dependencies:
    """Make the dependencies from the environment and the secrets in SSM.

    Raises:
        SettingsError: A setting or a secret is missing or malformed.
        BotoCoreError, ClientError: SSM fails.
    """
    settings = read(WebhookSettings, os.environ)
    log.set_debug(settings.is_debug)
    return Dependencies(
        settings=settings,
        secrets=read_secrets(WebhookSecrets, clients.ssm(), settings.secrets_path),
        ledger=Ledger(clients.table(settings.recordings_table), utc_now),
        status=StatusTable(clients.table(settings.status_table), utc_now),
        events=EventsTable(clients.table(settings.events_table), utc_now),
        downloads=Queue(clients.sqs(), settings.download_queue_url),
        clock=utc_now,
    )


container = Container(build)


Rebuild = Callable[[], Dependencies | None]


class OwnRequestRefused(RequestError):
    """A refusal of a request that the pipeline itself signed. The sender reports the error."""

    def __init__(self, error: RequestError) -> None:
        super().__init__(str(error))
        self.status = error.status


class SignatureUnchecked(NotReady):
    """A refusal of a request with no known signature while the current secrets aren't known."""

    def __init__(self) -> None:
        super().__init__("The signature can't be checked at this moment. Send it again later.")


def handler(event: Mapping[str, Any], context: object) -> dict[str, Any]:
    """Handle a request from API Gateway."""
    return http_endpoint.handle(
        context,
        lambda: respond(event, container(), container.rebuild_or_none, container.built_recently),
    )


def respond(
    event: Mapping[str, Any],
    deps: Dependencies,
    rebuild_or_none: Rebuild | None = None,
    built_recently: Rebuild | None = None,
) -> Answer:
    """Answer one request.

    `rebuild_or_none` returns dependencies with the current secrets. `built_recently` returns
    dependencies that were built a few seconds ago at most. Both functions return None if the
    secrets can't be read now. `rebuild_or_none` also returns None after too many calls. If a
    function isn't given, `deps` stay in use.
    """

    def report(status: int, error: Exception | str) -> None:
        counts = {}
        if isinstance(error, RequestError):
            is_own = isinstance(error, OwnRequestRefused)
            is_unchecked = isinstance(error, SignatureUnchecked)
            values = metrics.refusal_counts(error, is_own=is_own, is_unchecked=is_unchecked)
            counts = _counted(values, deps)
        logger.warning("Refused with %s: %s", status, error, extra=counts)

    errors = ErrorAnswers(report=report)
    rebuild, recent = rebuild_or_none or (lambda: deps), built_recently or (lambda: deps)
    return errors.respond(event, lambda request: handle_request(request, deps, rebuild, recent))


def _counted(values: Mapping[Metric, float], deps: Dependencies) -> dict[str, Any]:
    return metrics.log_fields(deps.settings.stack_name, deps.clock(), values)


def handle_request(
    request: Request, deps: Dependencies, rebuild_or_none: Rebuild, built_recently: Rebuild
) -> Answer:
    """Authenticate a request, do what its webhook event asks for, and return the answer.

    See `respond` for `rebuild_or_none` and `built_recently`.

    Raises:
        RequestError: The request can't be accepted as it is (4xx), or can't be accepted now (503).
    """
    signed_with, deps = _authenticate(request, deps, rebuild_or_none, built_recently)
    own_key = deps.secrets.pipeline_signing_key
    try:
        event, webhook_event = zoom_events.parse(request.body)
        if event == zoom_events.ON_DEMAND and signed_with != own_key:
            raise Unauthorized("An on-demand request must be signed with the pipeline's own key.")
        zip_id = _zip_id(webhook_event, deps)
        with log.context(**_log_keys(webhook_event, zip_id)):
            is_zooms = signed_with in deps.secrets.zoom_secrets
            # The value 0 keeps the alarm quiet, because the alarm looks at the minimum of an hour.
            # While Zoom's signatures are valid, an invalid signature is a forgery.
            counts = _counted({Metric.WEBHOOK_WRONGLY_SIGNED: 0.0} if is_zooms else {}, deps)
            logger.info("Received %s", event, extra={"zoom_event": event, **counts})
            return _dispatch(webhook_event, zip_id, signed_with, deps)
    except RequestError as error:
        if signed_with and signed_with == own_key:
            raise OwnRequestRefused(error) from error
        raise


def _authenticate(
    request: Request, deps: Dependencies, rebuild_or_none: Rebuild, built_recently: Rebuild
) -> tuple[str, Dependencies]:
    """Verify a request's signature.

    A signature may be unknown because a secret was rotated after the secret was read. Zoom might
    not repeat a webhook event that got a 401 (docs/zoom.md). So an unknown signature gets a 401
    only after the current secrets were read.

    Zoom signs its requests even where unsigned requests are allowed, with a secret that this system
    doesn't know. Such a request counts as unsigned. The request is accepted only if secrets that
    were read at most `UNSIGNED_SECONDS` ago still contain no token of Zoom's.

    Returns:
        The secret that the request is signed with ("" for an unsigned one), and the dependencies
        that know the secret.

    Raises:
        Unauthorized: The signature is missing, wrong or too old.
        SignatureUnchecked: The current secrets can't be read now, or were read too often.
    """
    try:
        try:
            return _verify(request, deps), deps
        except WrongSignature as wrong:
            newer = rebuild_or_none()
            if newer is None and not _accepts_unsigned(deps):
                raise SignatureUnchecked from wrong
            deps = newer or deps
            return _verify(request, deps), deps
    except Unauthorized:
        if not _accepts_unsigned(deps):
            raise
        latest = built_recently()
        if latest is None:
            raise SignatureUnchecked from None
        if not _accepts_unsigned(latest):
            raise
        return "", latest


def _accepts_unsigned(deps: Dependencies) -> bool:
    return deps.settings.allow_unsigned_webhooks and not deps.secrets.zoom_secrets


def _verify(request: Request, deps: Dependencies) -> str:
    known = (*deps.secrets.zoom_secrets, deps.secrets.pipeline_signing_key)
    return signature.verify(known, request.headers, request.body, deps.clock().timestamp())


def _dispatch(
    webhook_event: WebhookEvent | BadIngest, zip_id: str, signed_with: str, deps: Dependencies
) -> Answer:
    try:
        match webhook_event:
            case UrlValidation():
                return _answer_challenge(webhook_event, signed_with, deps)
            case StatusEvent():
                return _record_status(webhook_event, deps)
            case RemovalEvent():
                return _note_removals(webhook_event, deps)
            case RecoveryEvent():
                return _recover_all(webhook_event, deps)
            case BadIngest():
                _reject(webhook_event, deps)
            case IngestEvent():
                return _ingest(webhook_event, zip_id, deps)
            case TranscriptEvent():
                return _ask_for_captions(webhook_event, deps)
    except FAILURES as error:
        raise _not_taken(error) from error
    logger.info("Nothing to do: %s", webhook_event.reason)
    return NO_CONTENT


def _not_taken(error: Exception) -> NotReady:
    """Log a failure, and return the error that makes the sender repeat the webhook event."""
    is_aws = isinstance(error, BotoCoreError | ClientError)
    told = AwsFailed.of(error) if is_aws else error
    trace = error if is_aws else None
    logger.error(
        "%s This webhook event wasn't taken.", told, exc_info=trace, extra={"outlook": AGAIN}
    )
    return NotReady("Not now. Send it again later.")


def _zip_id(webhook_event: WebhookEvent | BadIngest, deps: Dependencies) -> str:
    """Return the `zip_id` of the ingest that a webhook event asks for; "" without an ingest."""
    match webhook_event:
        case BadIngest():
            return webhook_event.zip_id
        case IngestEvent(on_demand=False):
            return automated_zip_id(webhook_event.subject.recording_id)
        case IngestEvent():
            return webhook_event.options.zip_id or f"on-demand-{deps.new_id()}"
    return ""


def _log_keys(webhook_event: WebhookEvent | BadIngest, zip_id: str) -> dict[str, str]:
    """Return the keys that every log record about a webhook event has."""
    about = {"zip_id": zip_id} if zip_id else {}
    match webhook_event:
        case BadIngest():
            return {**about, "uuid": webhook_event.uuid}
        case IngestEvent() | StatusEvent():
            return {**about, "uuid": webhook_event.subject.recording_id}
        case TranscriptEvent():
            return {"uuid": webhook_event.uuid}
    return about


def _answer_challenge(challenge: UrlValidation, signed_with: str, deps: Dependencies) -> Answer:
    """Answer with the proof that the endpoint knows the secret with which the request is signed.

    A request that isn't signed with a secret of Zoom's gets no proof. Zoom documents the proof at
    https://developers.zoom.us/docs/api/webhooks/#validate-your-webhook-endpoint
    """
    if signed_with not in deps.secrets.zoom_secrets:
        return NO_CONTENT
    token = challenge.plain_token
    proof = hmac.new(signed_with.encode(), token.encode(), hashlib.sha256).hexdigest()
    return json_answer(200, {"plainToken": token, "encryptedToken": proof})


def _record_status(webhook_event: StatusEvent, deps: Dependencies) -> Answer:
    subject, state = webhook_event.subject, webhook_event.state
    is_first_start = False
    if webhook_event.event is not None:
        try:
            is_first_start = _append_event(webhook_event.event, subject.recording_id, deps)
        except (BotoCoreError, ClientError):
            logger.exception(
                "The recording's event could not be kept", extra=log.nonfatal(PAUSES_MISSING)
            )
    written = deps.status.write(
        automated_zip_id(subject.recording_id), StatusChange(state, subject=subject)
    )
    has_ended = written and state is State.RECORDING_PROCESSING
    counts = metrics.count(Metric.MEETING_STARTED, is_first_start)
    counts |= metrics.count(Metric.MEETING_ENDED, has_ended)
    logger.info(
        "%s %s",
        state,
        "written" if written else "not written: the row is further on, or missing",
        extra=_counted(counts, deps),
    )
    return NO_CONTENT


def _append_event(event: RecordingEvent, recording_id: str, deps: Dependencies) -> bool:
    """Write a recording event, and return whether it is the recording's first start."""
    earlier = deps.events.append(recording_id, event)
    return event.event == STARTED and all(known.event != STARTED for known in earlier)


def _for_each(uuids: Iterable[str], act: Callable[[str], None]) -> Answer:
    """Call `act` for each recording of a webhook event, and answer 204.

    After a failed call, the calls for the other recordings follow all the same.

    Raises:
        NotReady: At least one call has failed. Zoom repeats the webhook event, which does no harm
            to the other recordings.
    """
    failure: NotReady | None = None
    for uuid in uuids:
        with log.context(uuid=uuid):
            try:
                act(uuid)
            except FAILURES as error:
                failure = _not_taken(error)
    if failure:
        raise failure
    return NO_CONTENT


def _note_removals(removal: RemovalEvent, deps: Dependencies) -> Answer:
    return _for_each(removal.uuids, lambda uuid: _note_removal(uuid, removal.notice, deps))


def _note_removal(uuid: str, notice: str, deps: Dependencies) -> None:
    """Note that a recording is in Zoom's trash or deleted, so its missing files are no failure."""
    record = deps.ledger.get(uuid)
    if record.requests:
        record = deps.ledger.change(uuid, partial(ledger.with_notice, notice=notice))
    for zip_id in _zip_ids_of(record):
        _report_removal(zip_id, notice, deps)


def _zip_ids_of(record: Record) -> list[str]:
    return sorted({automated_zip_id(record.uuid), *record.requests})


@never_raising
def _report_removal(zip_id: str, notice: str, deps: Dependencies) -> None:
    row = deps.status.get(zip_id)
    if row and not has_ended(row):
        # An earlier notice may still precede the reason of the retry.
        reason = notices.reason_without(row) if row.retry_due else ""
        deps.status.note(zip_id, notice, f"; {reason}" if reason else "")
        logger.warning("%s while it was on its way", notice, extra={"zip_id": zip_id})


def _recover_all(recovery: RecoveryEvent, deps: Dependencies) -> Answer:
    return _for_each(recovery.uuids, lambda uuid: _recover(uuid, deps))


def _recover(uuid: str, deps: Dependencies) -> None:
    """Remove a recording's notice about Zoom's trash, and resume requests that ended as GONE."""
    record = deps.ledger.get(uuid)
    if record.notice:
        record = deps.ledger.change(uuid, partial(ledger.with_notice, notice=""))
    for zip_id in _zip_ids_of(record):
        _report_recovery(zip_id, deps)
    for zip_id, request in ledger.gone_requests(record).items():
        with log.context(zip_id=zip_id):
            logger.info("It is out of Zoom's trash again: it is taken up again")
            _resume(uuid, zip_id, request, deps)


@never_raising
def _report_recovery(zip_id: str, deps: Dependencies) -> None:
    row = deps.status.get(zip_id)
    if row and row.state and row.zoom_notice:
        deps.status.clear_notice(row, notices.reason_without(row))


def _resume(uuid: str, zip_id: str, request: LedgerRequest, deps: Dependencies) -> None:
    """Send a download message for a request that ended as GONE, and accept the request anew.

    The message is partial, so the downloader asks Zoom for the other fields.
    """
    is_automated = zip_id == automated_zip_id(uuid)
    asked = request.asked
    message = DownloadMessage(
        uuid=uuid,
        zoom_series_id=0,
        topic="",
        start_time="",
        duration=0,
        host_id="",
        recording_files=(),
        on_demand_ingest=not is_automated,
        zip_id=zip_id,
        received_time=timestamps.write(deps.clock()),
        download_token="",
        allow_multiple_ingests=asked.allow_multiple_ingests,
        ingest_all_mp4=asked.ingest_all_mp4,
        on_demand_series_id=asked.oc_series_id or UNSET,
        oc_workflow=asked.oc_workflow or UNSET,
        is_partial=True,
    )
    deps.status.report(zip_id, StatusChange(State.WEBHOOK_RECEIVED, replacing=ENDED))
    now = deps.clock()

    def accepted(record: Record) -> Record:
        # An operator may forget the recording after `_recover` has read the record. Then the record
        # stays forgotten, and the downloader drops the message.
        if record.forgotten:
            return record
        return ledger.with_request(record, zip_id, asked, now)

    # Accept the request only after the send. If the send fails, Zoom repeats the webhook event, and
    # the repeat has to find a request that ended as GONE.
    _send(message, frozenset(), deps, accepted)


def _reject(bad: BadIngest, deps: Dependencies) -> NoReturn:
    """Refuse a request of our own with a missing or invalid field, and note the refusal in the row.

    A request without a `zip_id` has no row. A row whose state is further on stays as it is.

    Raises:
        BadIngest: Always.
    """
    if bad.zip_id:
        subject = bad.subject if bad.subject.meeting_id else None
        written, in_progress = None, False
        try:
            written = deps.status.write(bad.zip_id, _failure(reasons.BAD_DATA, subject))
            in_progress = written is None and deps.status.get(bad.zip_id) is not None
        except (BotoCoreError, ClientError) as error:
            logger.warning("The status row isn't written. %s", AwsFailed.of(error))
        counts = metrics.count(Metric.RECORDING_FAILED, written and written.is_change)
        # Send no mail about a "+Zoom" request, because its sender gets the answer. Send no mail
        # about an ingest in progress, because the ingest continues. If the row can't be written,
        # nobody knows whether an ingest is in progress, and a needless mail is better than none.
        is_mailed = not in_progress and bad.zip_id == automated_zip_id(bad.uuid)
        level = logging.ERROR if is_mailed else logging.WARNING
        logger.log(level, "%s", bad, extra=_counted(counts, deps))
    raise bad


def _failure(reason: str, subject: Subject | None) -> StatusChange:
    return StatusChange(State.WEBHOOK_FAILED, reason, subject=subject, requested=Requested.NOW)


def _ask_for_captions(webhook_event: TranscriptEvent, deps: Dependencies) -> Answer:
    """Put messages about a recording's captions and chapters on the download queue; answer 204.

    Captions or chapters that the settings don't ask for get no message. A repeated message does no
    harm.
    """
    settings, now = deps.settings, deps.clock()
    messages = []
    if settings.ingest_captions:
        messages.append(webhook_event.message(now))
    if settings.ingest_chapters:
        messages.append(webhook_event.chapters_message(now))
    for message in messages:
        deps.downloads.send(encode(message), delay_seconds=settings.webhook_delay_seconds)
        logger.info("Zoom has made a transcript: sent to the downloader")
    if not messages:
        logger.info("Nothing to do: INGEST_CAPTIONS and INGEST_CHAPTERS are off")
    return NO_CONTENT


def _is_first(request: IngestEvent, written: WriteResult | None) -> bool:
    """Return whether Zoom says for the first time that a recording is complete.

    `written` is the result of the write to the row; None if the row wasn't written.
    """
    if request.on_demand or written is None:
        return False
    before = written.before
    return before is None or before in ZOOM_SIDE or before is State.WEBHOOK_FAILED


def _ingest(request: IngestEvent, zip_id: str, deps: Dependencies) -> Answer:
    if request.on_demand and not all(file.is_completed for file in request.files):
        reason = "Zoom has not finished all files of this recording yet"
        deps.status.report(zip_id, _failure(reason, request.subject))
        raise BadRequest(f"{reason}. Try again later.")
    record = deps.ledger.change(
        request.subject.recording_id, lambda record: _accepted(record, request, zip_id, deps)
    )
    if record.forgotten:
        logger.info("Nothing to do: %s", ledger.FORGOTTEN)
        return SUCCESS
    known = record.request(zip_id)
    if request.has_video is False and (request.on_demand or not known.is_sent):
        if not known.is_sent:
            _ignore(zip_id, request, deps)
        if request.on_demand:
            raise BadRequest("The recording has no MP4 files.")
        return NO_CONTENT
    if ledger.is_duplicate(record, zip_id, set(request.names)):
        logger.info("A repeat of a request that is on its way: nothing to do")
        return SUCCESS
    _send_to_downloader(request, zip_id, known, deps)
    return SUCCESS


def _accepted(record: Record, request: IngestEvent, zip_id: str, deps: Dependencies) -> Record:
    """Return the record with a request's files. Add the request unless it was sent already.

    An operator's `force` replaces a request that was sent already, unless the recording has no
    video. An unsent request for a recording without a video gets the end IGNORED.

    A forgotten record stays as it is, unless an operator forces the request.
    """
    if record.forgotten and not request.options.force:
        return record
    record = ledger.with_files(record, request.names, deps.clock(), request.files)
    if request.has_video is False:
        if record.request(zip_id).is_sent:
            return record
        record = ledger.with_request(record, zip_id, request.asked, deps.clock())
        return ledger.with_end(record, zip_id, ledger.End.IGNORED)
    if record.request(zip_id).is_sent and not request.options.force:
        return record
    return ledger.with_request(record, zip_id, request.asked, deps.clock())


def _ignore(zip_id: str, request: IngestEvent, deps: Dependencies) -> None:
    """Report a request as ignored, because the recording has no video."""
    written = deps.status.report(
        zip_id,
        StatusChange(
            State.IGNORED, reasons.NO_MP4, subject=request.subject, requested=Requested.NOW
        ),
    )
    counts = metrics.count(Metric.RECORDING_COMPLETED, _is_first(request, written))
    counts |= metrics.count(Metric.RECORDING_IGNORED, written and written.is_change)
    logger.info("Ignored: it has no MP4 files", extra=_counted(counts, deps))


def _send_to_downloader(
    request: IngestEvent, zip_id: str, known: LedgerRequest, deps: Dependencies
) -> None:
    """Send a download message for a request.

    The order of the writes makes a crash between any two of them harmless. The ledger knows the
    files before the message is sent, and notes the send afterwards. A repeated request that finds
    no such note sends the message again.
    """
    if known.is_sent:
        logger.warning("Files that were not known before arrived late: sent on")
        replaced = frozenset({State.IGNORED})
    else:
        replaced = frozenset(State) if request.options.force else ENDED
    has_row = request.on_demand and not request.options.force
    received = deps.status.report(
        zip_id,
        StatusChange(
            State.WEBHOOK_RECEIVED,
            subject=request.subject,
            # `on_demand.py` has already written the time of a "+Zoom" request into the request's
            # row.
            requested=Requested.UNLESS_KNOWN if has_row else Requested.NOW,
            asked=request.asked,
            files=request.names,
            replacing=replaced,
        ),
    )
    counts = metrics.count(Metric.RECORDING_COMPLETED, _is_first(request, received))
    logger.info("Accepted", extra=_counted(counts, deps))
    _send(request.message(zip_id, deps.clock()), request.names, deps)


def _send(
    message: DownloadMessage,
    files: Iterable[str],
    deps: Dependencies,
    accept: Callable[[Record], Record] = lambda record: record,
) -> None:
    """Send a download message, and note the send in the ledger and in the status row.

    A failure after the send is logged and not raised.

    Args:
        message: The message.
        files: Ids of the message's files.
        accept: Changes the record before the send is noted in the record.
    """
    delay = 0 if message.on_demand_ingest else deps.settings.webhook_delay_seconds
    deps.downloads.send(encode(message), delay_seconds=delay)
    deps.ledger.change_or_log(
        message.uuid, lambda record: ledger.with_sent(accept(record), message.zip_id, files)
    )
    deps.status.report(message.zip_id, StatusChange(State.SENT_TO_DOWNLOADER))
    logger.info("Sent to the downloader", extra={"files": len(message.recording_files)})
