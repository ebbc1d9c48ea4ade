"""Process the upload queue: ingest recordings into Opencast, and none twice by mistake."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import requests
from botocore.exceptions import BotoCoreError, ClientError
from msgspec import UNSET

from ingester import log, metrics, timestamps
from ingester.captions import upload as captions
from ingester.errors import (
    AskLater,
    AwsFailed,
    IngestBroken,
    IngesterError,
    LedgerUnreadable,
    OpencastUnreachable,
    UnknownSeries,
)
from ingester.ledger import record as ledger
from ingester.ledger.record import End, IngestRecord, Post, Record
from ingester.ledger.table import Ledger
from ingester.metrics import Metric
from ingester.opencast import differences, mediapackage
from ingester.opencast.client import Opencast, Series, opencast_of
from ingester.opencast.ingest_once import IngestOnce
from ingester.opencast.lookup import AlreadyThere, Deleted, Lookup, MadeElsewhere, ToIngest
from ingester.pipeline import reasons, retry_policy
from ingester.pipeline.messages import UploadMessage
from ingester.pipeline.queue import Queue, Received
from ingester.pipeline.states import FOLLOWED, IN_OPENCAST, State
from ingester.recording.events_table import EventsTable
from ingester.recording.pauses import RecordingEvent
from ingester.recording.staging_bucket import Staging
from ingester.runtime import clients, new_ids, queue_worker
from ingester.runtime.clock import utc_now
from ingester.runtime.container import Container
from ingester.runtime.queue_worker import (
    Done,
    FailureReporter,
    GiveUp,
    Outcome,
    QueueWorker,
    Retry,
    SourceQueue,
)
from ingester.settings import UploaderSecrets, UploaderSettings, read, read_secrets
from ingester.status.table import StatusChange, StatusTable, WriteResult

logger = logging.getLogger("ingester.uploader")

MAX_FAILURES = 5
"""Number of a request's failed attempts after which a person has to act. A wait isn't a failure."""

MAILED_RECEIVE = 5
"""Receive at which a wait for AWS is mailed, once. A wait for Opencast isn't mailed, because
Opencast's outages have an alarm."""

LONGEST_WAIT_SECONDS = 600
"""Longest backoff while a message waits for Opencast or AWS, or only adds captions.

`cdk/receive_limits.py` computes the uploader's limit of receives from this value.
"""

UNREACHABLE = "Unable to reach Opencast."


@dataclass(frozen=True)
class Dependencies:
    """Clients, tables, queues, clock and settings that the uploader works with."""

    settings: UploaderSettings
    opencast: Opencast
    staging: Staging
    ledger: Ledger
    status: StatusTable
    events: EventsTable
    uploads: Queue
    dead_letters: Queue
    clock: Callable[[], datetime]
    new_id: Callable[[], str] = new_ids.random_uuid


def build() -> Dependencies:
    """Make the dependencies from the environment and the secrets in SSM.

    Raises:
        SettingsError: A setting or a secret is missing or malformed.
        BotoCoreError, ClientError: SSM fails.
    """
    settings = read(UploaderSettings, os.environ)
    log.set_debug(settings.is_debug)
    secrets = read_secrets(UploaderSecrets, clients.ssm(), settings.secrets_path)
    sqs = clients.sqs()
    return Dependencies(
        settings=settings,
        opencast=opencast_of(settings, secrets, requests.Session()),
        staging=Staging(clients.s3(), settings.staging_bucket),
        ledger=Ledger(clients.table(settings.recordings_table), utc_now),
        status=StatusTable(clients.table(settings.status_table), utc_now),
        events=EventsTable(clients.table(settings.events_table), utc_now),
        uploads=Queue(sqs, settings.upload_queue_url),
        dead_letters=Queue(sqs, settings.upload_dlq_url),
        clock=utc_now,
    )


container = Container(build)


def build_source() -> SourceQueue:
    """Make the `SourceQueue` of the upload queue, without reading any secret.

    Raises:
        SettingsError: A setting is missing or malformed.
    """
    settings, sqs = read(UploaderSettings, os.environ), clients.sqs()
    return SourceQueue(
        Queue(sqs, settings.upload_queue_url),
        Queue(sqs, settings.upload_dlq_url),
        settings.upload_receive_limit,
    )


def handler(event: Mapping[str, Any], context: Any) -> dict[str, Any]:
    """Handle one message of the upload queue, or an operator's call."""
    log.start(context)
    return run(event, lambda: worker_of(container(), read_seconds_of(context)), build_source)


def run(
    event: Mapping[str, Any],
    build_worker: Callable[[], QueueWorker[UploadMessage]],
    build_source: Callable[[], SourceQueue],
) -> dict[str, Any]:
    """Process the event's queue messages, or the queue's next message if the caller is an operator.

    If `build_worker` can't read the secrets, the event's messages are retried after a backoff, or
    given up at their last receive, with the queues of `build_source`, which reads no secret.

    Returns:
        Lambda's batch response for queue messages; a `message` for an operator.

    Raises:
        BotoCoreError, ClientError, SettingsError, Exception: See `queue_worker.process_event` and
            `process_next`; or `build_worker` fails, and the caller is an operator.
    """
    if "Records" in event:
        return queue_worker.process_event(event, build_worker, build_source)
    return process_next(build_worker())


def process_next(worker: QueueWorker[UploadMessage]) -> dict[str, Any]:
    """Process the next message for an operator, and return the result as a `message`.

    Raises:
        BotoCoreError, ClientError, Exception: See `QueueWorker.process_next`.
    """
    match worker.process_next():
        case None:
            return {"message": "nothing waiting"}
        case Retry():
            return {"message": "not done, see the recording's row and the log"}
        case GiveUp():
            return {"message": "failed, see the recording's row and the log"}
    return {"message": "done"}


def read_seconds_of(context: Any) -> float:
    """Return the timeout in seconds for Opencast's answer to a POST in this invocation."""
    return retry_policy.read_seconds(context.get_remaining_time_in_millis())


def worker_of(deps: Dependencies, read_seconds: float) -> QueueWorker[UploadMessage]:
    """Return a worker that waits at most `read_seconds` for Opencast's answer to a POST."""
    settings = deps.settings
    return QueueWorker(
        source=SourceQueue(deps.uploads, deps.dead_letters, settings.upload_receive_limit),
        message_type=UploadMessage,
        use_case=partial(upload, deps=deps, read_seconds=read_seconds),
        after_failure=partial(_after_failure, deps=deps),
        give_up=lambda error: _give_up(str(error)),
        failures=FailureReporter(
            deps.ledger, deps.status, State.UPLOADER_FAILED, settings.stack_name, deps.clock
        ),
    )


def _give_up(reason: str) -> GiveUp:
    return GiveUp(reason=reason, row_reason=reason, headline=f"Gave up: {reason}")


def _after_failure(
    error: IngesterError, message: UploadMessage, received: Received, deps: Dependencies
) -> Outcome:
    """Return the outcome after a failure, such as a wait for Opencast or a counted retry.

    Raises:
        LedgerBusy, LedgerUnreadable: See `_retry_after_failure`.
    """
    if message.late_for is not UNSET:
        return _retry_captions(error, message, received, deps)
    match error:
        case AskLater():
            return _ask_later(error, message, received, deps)
        case IngestBroken():
            return _retry_after_failure(error, message, received, deps)
        case OpencastUnreachable() | AwsFailed():
            return _retry_during_outage(error, message, received, deps)
    return _retry_after_failure(error, message, received, deps)


def _retry_captions(
    error: IngesterError, message: UploadMessage, received: Received, deps: Dependencies
) -> Outcome:
    """Retry the captions after a backoff; give up at the last receive.

    The recording itself hasn't failed.
    """
    if received.receive_count >= deps.settings.upload_receive_limit:
        added = captions.name_of(captions.tracks_of(message))
        return _give_up(f"The {added} can't be added: {error}")
    seconds = retry_policy.backoff_seconds(received.receive_count, LONGEST_WAIT_SECONDS)
    return Retry(
        seconds=seconds, report=partial(logger.info, "The captions have to wait: %s", error)
    )


def upload(message: UploadMessage, deps: Dependencies, read_seconds: float) -> Outcome:
    """Ingest one recording, if `Lookup` finds that the recording has to be ingested.

    If the message is about captions, only add captions to an event. `read_seconds` is the timeout
    for Opencast's answer to the POST of an ingest.

    Raises:
        AskLater: The work has to wait, such as for an ingest that Opencast may still process.
        IngesterError: The recording can't be ingested. After a RetryableFailure a retry may help.
        BotoCoreError, ClientError: AWS failed.
    """
    if message.late_for is not UNSET:
        return captions.add(message, message.late_for, _captions_deps(deps))
    record = deps.ledger.get(message.uuid)
    if record.forgotten:
        logger.info("Dropped: %s", ledger.FORGOTTEN)
        return Done()
    if ledger.is_superseded(record, message.zip_id, set(differences.files_of(message))):
        logger.info("Another message of this request brings more files: nothing to do")
        return Done()
    # Report the receive only now, because a superseded message must not reopen a row that has
    # ended.
    deps.status.report(message.zip_id, StatusChange(State.UPLOADER_RECEIVED))
    settings = deps.settings
    patience = timedelta(hours=settings.oc_ingest_patience_hours)
    match Lookup(deps.opencast, patience, deps.clock, deps.new_id).run(message, record):
        case ToIngest(media_package):
            _ingest(message, record, media_package, deps, read_seconds)
        case MadeElsewhere():
            _ignore(message, reasons.ALREADY_THERE, deps)
        case AlreadyThere(media_package, ingest) if ingest.zip_id == message.zip_id:
            _end_as_ingested(message, media_package, ingest, deps)
        case AlreadyThere(media_package, ingest):
            _end_beside_other_request(message, media_package, ingest, deps)
        case Deleted(ingest):
            _end_as_deleted(message, ingest, deps)
    return Done()


def _ingest(
    message: UploadMessage,
    record: Record,
    media_package: str,
    deps: Dependencies,
    read_seconds: float,
) -> None:
    """Ingest a recording as `media_package`, and release the staged files if nobody needs them.

    A recording that has no video besides a false start is ignored as too short.

    Raises:
        UnknownSeries: Opencast doesn't have the message's series.
        IngesterError: See `Opencast`, `Staging.address_of`, `mediapackage.form` and
            `IngestOnce.run`.
        BotoCoreError, ClientError: AWS failed.
    """
    settings = deps.settings
    series = deps.opencast.series(message.opencast_series_id)
    if series is None:
        raise UnknownSeries(reasons.INVALID_SERIES)
    kept = mediapackage.select_files(message, settings.minimum_duration)
    if kept is None:
        _ignore(message, reasons.TOO_SHORT, deps)
        return
    address_seconds = int(settings.oc_ingest_patience_hours * 3600)
    parts = mediapackage.form(
        media_package,
        message,
        kept,
        _events(message, deps),
        _publishing(series, settings),
        lambda file: deps.staging.address_of(file, address_seconds),
    )
    with_captions = captions.captions_to_ingest(
        message, record, address_seconds, _captions_deps(deps)
    )
    claim = IngestRecord(
        zip_id=message.zip_id,
        series=message.opencast_series_id,
        files=differences.files_of(message),
        posts=(Post(attempt=deps.new_id(), at=timestamps.write(deps.clock())),),
        timeline=() if message.captions is UNSET else mediapackage.timeline(message, kept),
        captions=with_captions.sent,
    )
    once = IngestOnce(deps.opencast, deps.ledger, partial(_followed, deps=deps))
    record = once.run(
        record,
        media_package,
        claim,
        [*parts, *with_captions.parts],
        workflow=message.oc_workflow or settings.default_oc_workflow,
        read_seconds=read_seconds,
    )
    ingest = record.ingests.get(media_package, claim)
    _report_ingest(message, ingest, deps, with_captions.reason)
    sent = {"workflow_id": ingest.workflow, "mediapackage": media_package}
    logger.info("Sent to Opencast", extra={**sent, **_metrics_of_ingest(message, deps)})
    _release(message, ingest, deps)


def _publishing(series: Series, settings: UploaderSettings) -> mediapackage.Publishing:
    return mediapackage.Publishing(
        publisher=settings.override_publisher or series.publisher or settings.default_publisher,
        contributor=settings.override_contributor,
        series_catalog=series.catalog,
        chat_as=settings.oc_chat_as,
    )


def _captions_deps(deps: Dependencies) -> captions.Dependencies:
    return captions.Dependencies(
        settings=deps.settings,
        opencast=deps.opencast,
        staging=deps.staging,
        ledger=deps.ledger,
        status=deps.status,
        clock=deps.clock,
        new_id=deps.new_id,
    )


def _report_ingest(
    message: UploadMessage, ingest: IngestRecord, deps: Dependencies, captions_reason: str = ""
) -> WriteResult | None:
    """Report that a recording is in Opencast, and how its ingest differs from the message.

    `captions_reason` is `IngestedCaptions.reason`; "" if an earlier invocation sent the ingest.

    Returns:
        The result of the write to the row; None if the row wasn't written.
    """
    found = differences.differences(message, ingest)
    without_captions = captions_reason or message.summaries_note or ""
    sentences = [*(difference.reason for difference in found), without_captions]
    reason = " ".join(filter(None, sentences))
    # If the ingest went into another series, correct the row, where the downloader wrote the
    # message's series.
    series = ingest.series if ingest.series != message.opencast_series_id else ""
    change = StatusChange(State.SENT_TO_OPENCAST, reason, oc_series_id=series)
    written = deps.status.report(message.zip_id, change)
    if reason and not written:
        # The row may already hold the final state of the ingest.
        deps.status.explain(message.zip_id, FOLLOWED, reason)
    for difference in found:
        extra = log.nonfatal("The ingest stays as it is.", difference.advice)
        logger.error("%s", difference.reason, extra=extra)
    return written


def _release(message: UploadMessage, ingest: IngestRecord, deps: Dependencies) -> None:
    """Release the staged files of an ingest that Opencast has, unless somebody still needs them.

    Another request may need the files. A person may need the files if the ingest differs from the
    message. A failure is only logged, because Opencast has the recording.
    """
    if differences.differences(message, ingest):
        return
    try:
        is_needed = ledger.needs_staged_files(deps.ledger.get(message.uuid), message.zip_id)
    except (BotoCoreError, ClientError, LedgerUnreadable) as error:
        logger.warning("Its staged files stay for longer: %s", error)
        return
    if not is_needed:
        staged = message.s3_files.values()
        videos = (file.filename for view in staged for file in view.segments)
        tracks = captions.tracks_of(message)
        deps.staging.release((*videos, *(track.filename for track in tracks)))


def _metrics_of_ingest(message: UploadMessage, deps: Dependencies) -> dict[str, Any]:
    """Return a log record's `extra` with the metrics of an ingest that Opencast has."""
    counts = metrics.count(Metric.WORKFLOW_INITIATED)
    try:
        received = timestamps.parse(message.webhook_received_time)
    except ValueError:
        logger.warning("The message doesn't say readably when its request was received")
    else:
        minutes = (deps.clock() - received).total_seconds() / 60
        counts[Metric.MINUTES_IN_PIPELINE] = round(minutes, 2)
    return _counted(counts, deps)


def _counted(values: Mapping[Metric, float], deps: Dependencies) -> dict[str, Any]:
    return metrics.log_fields(deps.settings.stack_name, deps.clock(), values)


def _ignore(message: UploadMessage, reason: str, deps: Dependencies) -> None:
    _note_end(message, End.IGNORED, deps)
    written = deps.status.report(message.zip_id, StatusChange(State.IGNORED, reason))
    too_short = reason == reasons.TOO_SHORT
    counts = metrics.ignored_counts(written and written.is_change, too_short=too_short)
    logger.info("Ignored: %s", reason, extra=_counted(counts, deps))


def _note_end(message: UploadMessage, end: End, deps: Dependencies) -> None:
    """Note in the ledger how a request ended."""
    deps.ledger.change_or_log(
        message.uuid, lambda record: ledger.with_end(record, message.zip_id, end)
    )


def _end_as_deleted(message: UploadMessage, ingest: IngestRecord, deps: Dependencies) -> None:
    """End a request whose event somebody has deleted in Opencast."""
    outside = differences.stayed_outside(differences.files_of(message), ingest)
    reason = f"{differences.deleted(ingest)} {outside}".rstrip()
    _ignore(message, reason, deps)
    # A row in SENT_TO_OPENCAST or later can't become IGNORED, so replace its reason only.
    deps.status.explain(message.zip_id, IN_OPENCAST, reason)
    logger.error("%s", reason, extra=log.nonfatal("Nothing is sent.", differences.SEND_IT))


def _end_as_ingested(
    message: UploadMessage, media_package: str, ingest: IngestRecord, deps: Dependencies
) -> None:
    """End a request whose own event is in Opencast.

    Raises:
        LedgerBusy, LedgerUnreadable, BotoCoreError, ClientError: The ledger's record can't be read
            or changed.
    """
    _note_shown(message, media_package, ingest, deps)
    written = _report_ingest(message, ingest, deps)
    is_new = written and written.is_change
    logger.info(
        "The ingest is in Opencast", extra=_metrics_of_ingest(message, deps) if is_new else {}
    )
    _release(message, ingest, deps)


def _end_beside_other_request(
    message: UploadMessage, media_package: str, ingest: IngestRecord, deps: Dependencies
) -> None:
    """End a request whose recording another request has ingested.

    If the ingest lacks files of the message, the ingest's row and the log name these files.

    Raises:
        LedgerBusy, LedgerUnreadable, BotoCoreError, ClientError: The ledger's record can't be read
            or changed.
    """
    _note_shown(message, media_package, ingest, deps)
    outside = differences.stayed_outside(differences.files_of(message), ingest)
    _ignore(message, reasons.ALREADY_THERE, deps)
    if outside:
        deps.status.explain(ingest.zip_id, IN_OPENCAST, outside)
        extra = log.nonfatal("The ingest stays as it is.", differences.ADD_THEM)
        logger.error("%s", outside, extra=extra)


def _note_shown(
    message: UploadMessage, media_package: str, ingest: IngestRecord, deps: Dependencies
) -> None:
    if ingest.is_shown:
        return

    def note(record: Record) -> Record:
        shown = ledger.with_shown(record, media_package)
        return _followed(shown, media_package, deps)

    deps.ledger.change(message.uuid, note)


def _followed(record: Record, media_package: str, deps: Dependencies) -> Record:
    """Return the record, in which the ingest's follow-up begins if `FOLLOW_INGESTS` is on."""
    if not deps.settings.follow_ingests:
        return record
    return ledger.with_following(record, media_package, deps.clock())


def _events(message: UploadMessage, deps: Dependencies) -> list[RecordingEvent]:
    """Return the recording events; [] if they can't be read, so that the ingest lacks pauses."""
    try:
        return deps.events.of(message.uuid)
    except (BotoCoreError, ClientError, ArithmeticError, LookupError, TypeError, ValueError):
        extra = log.nonfatal("It is ingested all the same; its pauses will be missing.")
        logger.exception("The recording's events can't be read", extra=extra)
        return []


def _ask_later(
    waiting: AskLater, message: UploadMessage, received: Received, deps: Dependencies
) -> Outcome:
    """Ask Opencast again after a backoff, which spends a receive; give up at the last receive."""
    if received.receive_count >= deps.settings.upload_receive_limit:
        return _give_up(
            f"{waiting}: look for it in Opencast. No more questions: an operator is needed"
        )
    seconds, due = _backoff(received.receive_count, LONGEST_WAIT_SECONDS, deps)
    text = f"{waiting}; asks again at {due}"
    return Retry(seconds=seconds, report=partial(_report_waiting, message, text, deps))


def _report_waiting(message: UploadMessage, text: str, deps: Dependencies) -> None:
    deps.status.report(message.zip_id, StatusChange(State.UPLOADER_RECEIVED, text))
    logger.info("%s", text)


def _backoff(attempt: int, longest: int, deps: Dependencies) -> tuple[int, str]:
    """Return the seconds until the next attempt, and the time of that attempt for the row."""
    seconds = retry_policy.backoff_seconds(attempt, longest)
    return seconds, retry_policy.next_attempt(deps.clock(), seconds)


def _retry_during_outage(
    error: OpencastUnreachable | AwsFailed,
    message: UploadMessage,
    received: Received,
    deps: Dependencies,
) -> Outcome:
    """Retry after a backoff while Opencast can't be reached, or calls to AWS fail.

    Give up OC_OUTAGE_HOURS after the message's first receive, or at the last receive. The row shows
    the failure, but the ledger doesn't count the failure.
    """
    since = received.first_received or deps.clock()
    longest = timedelta(hours=deps.settings.oc_outage_hours)
    is_last = received.receive_count >= deps.settings.upload_receive_limit
    reason = _reason_of(error)
    if is_last or deps.clock() - since >= longest:
        return _give_up(f"{reason} (since {timestamps.write(since)}, no more retries)")
    seconds, due = _backoff(received.receive_count, LONGEST_WAIT_SECONDS, deps)
    text = f"{reason} (waiting since {timestamps.write(since)}, {retry_policy.NEXT_TRY} {due})"

    def report() -> None:
        deps.status.report(message.zip_id, StatusChange(State.UPLOADER_FAILED, text, retry_due=due))
        is_opencast = isinstance(error, OpencastUnreachable)
        if received.receive_count == MAILED_RECEIVE and not is_opencast:
            # Log an error, which is mailed: a missing grant looks like an outage of AWS, and a
            # person has to add the grant.
            logger.error("%s", text, extra=log.nonfatal("It is retried automatically."))
        else:
            counts = metrics.count(Metric.OPENCAST_UNREACHABLE, is_opencast)
            logger.warning("%s", text, extra=_counted(counts, deps))

    return Retry(seconds=seconds, report=report)


def _reason_of(error: IngesterError) -> str:
    return f"{UNREACHABLE} {error}" if isinstance(error, OpencastUnreachable) else str(error)


def _retry_after_failure(
    error: IngesterError, message: UploadMessage, received: Received, deps: Dependencies
) -> Outcome:
    """Count a failure of the request in the ledger, and retry or give up.

    The number of receives isn't the number of failures, because a message that waits is received
    again. If AWS fails, the failure isn't counted, and the message waits as during an outage.

    Raises:
        LedgerBusy, LedgerUnreadable: See `Ledger.change`.
    """
    try:
        record = deps.ledger.change(
            message.uuid, lambda record: ledger.with_failure(record, message.zip_id)
        )
    except (BotoCoreError, ClientError) as uncounted:
        return _retry_during_outage(AwsFailed.of(uncounted), message, received, deps)
    count = record.request(message.zip_id).failures
    reason = _reason_of(error)
    if count >= MAX_FAILURES or received.receive_count >= deps.settings.upload_receive_limit:
        return _give_up(f"{reason} ({retry_policy.outlook(count, MAX_FAILURES, '')})")
    seconds, due = _backoff(count, retry_policy.LONGEST_SECONDS, deps)
    text = f"{reason} ({retry_policy.outlook(count, MAX_FAILURES, due)})"
    return Retry(seconds=seconds, report=partial(_report_failure, message, text, due, deps))


def _report_failure(message: UploadMessage, text: str, due: str, deps: Dependencies) -> None:
    deps.status.report(
        message.zip_id, StatusChange(State.UPLOADER_FAILED, text, retry_due=due, failed_again=True)
    )
    logger.warning("%s", text)
