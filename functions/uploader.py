"""Upload queue → Opencast: each recording ingested once, and never a second time by mistake."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import requests
from botocore.exceptions import BotoCoreError, ClientError

from ingester import clients, log, metrics, new_ids
from ingester.container import Container
from ingester.errors import (
    AskLater,
    AwsFailed,
    MarkerUnreadable,
    MessageError,
    OpencastUnreachable,
    PermanentFailure,
    RetryableFailure,
    Unforeseen,
    UnknownSeries,
)
from ingester.metrics import Metric
from ingester.neighbours.events_table import EventsTable
from ingester.neighbours.opencast import (
    IngestBroken,
    IngestNotSent,
    IngestRefused,
    IngestUncertain,
    Opencast,
    Parts,
)
from ingester.neighbours.queues import Queue, Received, received_of
from ingester.neighbours.staging import Staging
from ingester.neighbours.status_table import StatusTable
from ingester.rules import attempts, mediapackage, one_ingest, reasons, timestamps
from ingester.rules.messages import UploadMessage, decode, zip_id_of
from ingester.rules.one_ingest import Verdict
from ingester.rules.spans import RecordingEvent
from ingester.rules.states import State
from ingester.rules.status_row import IngestMarker, StatusRow
from ingester.settings import UploaderSecrets, UploaderSettings, read, read_secrets

logger = logging.getLogger("ingester.uploader")

MAX_FAILURES = 5
LONGEST_WAIT_SECONDS = 600
"""Between two questions whether an ingest is done: 50 receives cover the patience of 6 hours."""


@dataclass(frozen=True)
class Tools:
    """What the use case works with."""

    settings: UploaderSettings
    opencast: Opencast
    staging: Staging
    status: StatusTable
    events: EventsTable
    uploads: Queue
    dead_letters: Queue
    clock: Callable[[], datetime]
    new_id: Callable[[], str] = new_ids.random_uuid


def build() -> Tools:
    settings = read(UploaderSettings, os.environ)
    log.verbose(settings.is_debug)
    secrets = read_secrets(UploaderSecrets, clients.ssm(), settings.secrets_path)
    sqs = clients.sqs()
    return Tools(
        settings=settings,
        opencast=Opencast(
            settings.opencast_base_url,
            settings.opencast_api_user,
            secrets.opencast_api_password,
            auth=settings.opencast_auth,
            session=requests.Session(),
        ),
        staging=Staging(clients.s3(), settings.staging_bucket),
        status=StatusTable(clients.table(settings.status_table), _now),
        events=EventsTable(clients.table(settings.events_table), _now),
        uploads=Queue(sqs, settings.upload_queue_url),
        dead_letters=Queue(sqs, settings.upload_dlq_url),
        clock=_now,
    )


def _now() -> datetime:
    return datetime.now(UTC)


tools = Container(build)


def handler(event: Mapping[str, Any], context: Any) -> dict[str, Any]:
    """SQS's entry, one message at a time; or an operator's, without records."""
    log.start(context)
    read_seconds = attempts.read_seconds(context.get_remaining_time_in_millis())
    return answer(event, tools(), read_seconds)


def answer(event: Mapping[str, Any], tools: Tools, read_seconds: float) -> dict[str, Any]:
    """Takes the event's messages; names those that are to come back."""
    if "Records" not in event:
        return invoked_directly(tools, read_seconds)
    failed = [
        {"itemIdentifier": message.message_id}
        for message in map(received_of, event["Records"])
        if not take(message, tools, read_seconds)
    ]
    return {"batchItemFailures": failed}


def invoked_directly(tools: Tools, read_seconds: float) -> dict[str, Any]:
    """`exec.uploader`: takes one message itself, if one is waiting."""
    message = tools.uploads.take_one()
    if message is None:
        return {"message": "nothing waiting"}
    done = take(message, tools, read_seconds)
    if done:
        tools.uploads.delete(message)
    return {"message": "done" if done else "not done, see the recording's row and the log"}


def take(message: Received, tools: Tools, read_seconds: float) -> bool:
    """Handles one message; False if it is to come back. Its row tells how it went."""
    try:
        wanted = decode(message.body, UploadMessage)
    except MessageError as error:
        zip_id = zip_id_of(message.body) or ""
        with log.about(zip_id=zip_id):
            _bury(message, zip_id, str(error), "", tools)
        return True
    with log.about(uuid=wanted.uuid, zip_id=wanted.zip_id):
        try:
            upload(wanted, tools, read_seconds)
        except AskLater as error:
            return _ask_later(message, wanted, error, tools)
        except PermanentFailure as error:
            _bury(message, wanted.zip_id, str(error), wanted.uuid, tools)
        except RetryableFailure as error:
            return _come_back(message, wanted, error, tools)
        except (BotoCoreError, ClientError) as error:
            return _come_back(message, wanted, AwsFailed.of(error), tools)
        except Exception as error:
            if message.receive_count < tools.settings.upload_receive_limit:
                raise
            # SQS would bury it, and its row would say that it is on its way.
            unforeseen = Unforeseen.of(error)
            _bury(message, wanted.zip_id, str(unforeseen), wanted.uuid, tools, with_cause=True)
        return True


def upload(wanted: UploadMessage, tools: Tools, read_seconds: float) -> None:
    """Ingests one recording, unless it is there already or on its way."""
    tools.status.write(wanted.zip_id, State.UPLOADER_RECEIVED)
    row = tools.status.get(wanted.zip_id)
    media_package = _media_package(wanted, row, tools)
    if not media_package:
        return
    series = tools.opencast.series(wanted.opencast_series_id)
    if series is None:
        raise UnknownSeries(reasons.INVALID_SERIES)
    kept = mediapackage.keep(wanted, tools.settings.minimum_duration)
    if kept is None:
        _ignore(wanted, reasons.TOO_SHORT, tools)
        return
    settings = tools.settings
    publishing = mediapackage.Publishing(
        publisher=settings.override_publisher or series.publisher or settings.default_publisher,
        contributor=settings.override_contributor,
        series_catalog=series.catalog,
        chat_as=settings.oc_chat_as,
    )
    parts = mediapackage.form(
        media_package,
        wanted,
        kept,
        _events(wanted, tools),
        publishing,
        lambda file: tools.staging.address_of(file, int(settings.oc_ingest_patience_hours * 3600)),
    )
    workflow = _ingest(wanted, media_package, parts, tools, read_seconds)
    tools.status.write(wanted.zip_id, State.SENT_TO_OPENCAST)
    sent = {"workflow_id": workflow, "mediapackage": media_package}
    logger.info("Sent to Opencast", extra={**sent, **_arrived(wanted, tools)})


def _arrived(wanted: UploadMessage, tools: Tools) -> dict[str, Any]:
    """The metrics of an ingest that Opencast has."""
    counts = metrics.once(Metric.WORKFLOW_INITIATED)
    try:
        received = timestamps.parse(wanted.webhook_received_time)
    except ValueError:
        logger.warning("The message doesn't say readably when its request was received")
    else:
        minutes = (tools.clock() - received).total_seconds() / 60
        counts[Metric.MINUTES_IN_PIPELINE] = round(minutes, 2)
    return _counted(counts, tools)


def _counted(values: Mapping[Metric, float], tools: Tools) -> dict[str, Any]:
    return metrics.record(tools.settings.stack_name, tools.clock(), values)


def _ignore(wanted: UploadMessage, reason: str, tools: Tools) -> None:
    written = tools.status.write(wanted.zip_id, State.IGNORED, reason)
    too_short = reason == reasons.TOO_SHORT
    counts = metrics.ignored(written and written.is_change, too_short=too_short)
    logger.info("Ignored: %s", reason, extra=_counted(counts, tools))


def _media_package(wanted: UploadMessage, row: StatusRow | None, tools: Tools) -> str:
    """The id to ingest under; "" when there is nothing (more) to ingest.

    Opencast shows an event only when its files are fetched. The marker in the row bridges that
    time: with it, an event that is there is our own, and one that isn't may still be coming.
    """
    if row and row.has_unreadable_marker:
        raise MarkerUnreadable(
            "Whether it was sent can't be told: the row's ingest_marker can't be read. If Opencast "
            "has it, all is well; if not, remove the attribute, and retry."
        )
    marker = row.marker if row else None
    logger.debug("An ingest was sent at %s", marker.time if marker else "no time")
    if marker is None:
        own = mediapackage.media_package_id(wanted.uuid)
        if not tools.opencast.has_event(own):
            return own
        if wanted.allow_multiple_ingests:
            return tools.new_id()
        _ignore(wanted, reasons.ALREADY_THERE, tools)
        return ""
    return _after_marker(wanted, marker, row.state if row else None, tools)


def _after_marker(
    wanted: UploadMessage, marker: IngestMarker, state: State | None, tools: Tools
) -> str:
    """The same for a recording that was sent: its row's marker says so."""
    now, patience = tools.clock(), timedelta(hours=tools.settings.oc_ingest_patience_hours)
    try:
        there = tools.opencast.has_event(marker.media_package_id)
    except RetryableFailure as error:
        is_recent = one_ingest.is_young(marker, now, patience)
        if not is_recent or state is State.SENT_TO_OPENCAST:
            raise
        # Not counted: were this message buried, another request for the recording would not know
        # of its ingest and send a second one.
        sentence = str(error).removesuffix(".")
        raise AskLater(f"The ingest was sent; Opencast can't be asked: {sentence}") from error
    if there:
        _finish(wanted, marker, tools)
        return ""
    match one_ingest.of_absent(marker, state, now, patience):
        case Verdict.COMING:
            raise AskLater("The ingest was sent to Opencast, which doesn't show it yet")
        case Verdict.DELETED:
            reason = one_ingest.deleted(marker)
            # Not if it was requested meanwhile: that request's message has to find another state.
            tools.status.explain(wanted.zip_id, State.SENT_TO_OPENCAST, reason)
            logger.error("%s", reason, extra=log.goes_on("Nothing is sent.", one_ingest.SEND_IT))
            return ""
        case Verdict.LOST:
            logger.warning("Opencast shows nothing of the ingest sent at %s: again", marker.time)
            return marker.media_package_id


def _finish(wanted: UploadMessage, marker: IngestMarker, tools: Tools) -> None:
    """The event is our own: done, unless its ingest differs from what the message wants."""
    differences = one_ingest.differences(wanted, marker)
    reason = " ".join(one.reason for one in differences)
    written = tools.status.write(wanted.zip_id, State.SENT_TO_OPENCAST, reason)
    if not marker.seen:
        tools.status.set_marker(wanted.zip_id, msgspec.structs.replace(marker, seen=True))
    is_new = written and written.is_change
    logger.info("The ingest is in Opencast", extra=_arrived(wanted, tools) if is_new else {})
    for one in differences:
        extra = log.goes_on("The ingest stays as it is.", one.advice)
        logger.error("%s", one.reason, extra=extra)


def _events(wanted: UploadMessage, tools: Tools) -> list[RecordingEvent]:
    """The recorded events; without them the files' own times have to do."""
    try:
        return tools.events.of(wanted.uuid)
    except (BotoCoreError, ClientError, ArithmeticError, LookupError, TypeError, ValueError):
        goes_on = log.goes_on("It is ingested all the same; its pauses will be missing.")
        logger.exception("The recording's events can't be read", extra=goes_on)
        return []


def _ingest(
    wanted: UploadMessage, media_package: str, parts: Parts, tools: Tools, read_seconds: float
) -> str:
    """POSTs under the protection of the marker; the workflow's id."""
    workflow = wanted.oc_workflow or tools.settings.default_oc_workflow
    marker = IngestMarker(
        media_package_id=media_package,
        time=timestamps.write(tools.clock()),
        files=mediapackage.ingested_files(wanted),
        series=wanted.opencast_series_id,
    )
    tools.status.set_marker(wanted.zip_id, marker)
    try:
        return tools.opencast.ingest(workflow, parts, read_seconds=read_seconds)
    except (IngestRefused, IngestNotSent):
        tools.status.clear_marker(wanted.zip_id)
        raise
    except IngestUncertain as error:
        raise AskLater(str(error).removesuffix(".")) from error
    except IngestBroken:
        return _after_breakdown(wanted, media_package, tools)


def _after_breakdown(wanted: UploadMessage, media_package: str, tools: Tools) -> str:
    """After a 5xx: the event is there and all is well, or it isn't and may be sent again."""
    try:
        there = tools.opencast.has_event(media_package)
    except RetryableFailure as error:
        raise AskLater("Opencast broke down in the ingest and can't be asked about it") from error
    if there:
        return ""
    tools.status.clear_marker(wanted.zip_id)
    raise OpencastUnreachable("It broke down in the ingest (5xx) and has no such event.")


def _ask_later(message: Received, wanted: UploadMessage, waiting: AskLater, tools: Tools) -> bool:
    """Waiting spends receives; after the last one the queue would drop the message unsaid."""
    if message.receive_count >= tools.settings.upload_receive_limit:
        reason = f"{waiting}: look for it in Opencast. No more questions: an operator is needed"
        _bury(message, wanted.zip_id, reason, wanted.uuid, tools)
        return True
    seconds = attempts.backoff_seconds(message.receive_count, LONGEST_WAIT_SECONDS)
    due = attempts.next_try(tools.clock(), seconds)
    tools.uploads.retry_in(message, seconds)
    tools.status.write(wanted.zip_id, State.UPLOADER_RECEIVED, f"{waiting}; asks again at {due}")
    logger.info("%s; asks again at %s", waiting, due)
    return False


def _come_back(
    message: Received, wanted: UploadMessage, error: RetryableFailure, tools: Tools
) -> bool:
    """A real failure: counted in the row, because waiting spends receives too."""
    row = tools.status.get(wanted.zip_id)
    # A row that is gone (its marker alone may be there), or of an ingest that is done, doesn't
    # count failures.
    counts = row is not None and row.state not in (None, State.SENT_TO_OPENCAST)
    count = row.failures + 1 if row and counts else message.receive_count
    unreachable = "Unable to reach Opencast. " if isinstance(error, OpencastUnreachable) else ""
    reason = f"{unreachable}{error}"
    if count >= MAX_FAILURES or message.receive_count >= tools.settings.upload_receive_limit:
        outlook = attempts.outlook(count, MAX_FAILURES, "")
        _bury(message, wanted.zip_id, f"{reason} ({outlook})", wanted.uuid, tools)
        return True
    seconds = attempts.backoff_seconds(count)
    due = attempts.next_try(tools.clock(), seconds)
    tools.uploads.retry_in(message, seconds)
    outlook = attempts.outlook(count, MAX_FAILURES, due)
    tools.status.write(
        wanted.zip_id,
        State.UPLOADER_FAILED,
        f"{reason} ({outlook})",
        retry_due=due,
        failed_again=True,
    )
    logger.warning("%s (%s)", reason, outlook)
    return False


def _bury(
    message: Received,
    zip_id: str,
    reason: str,
    group: str,
    tools: Tools,
    *,
    with_cause: bool = False,
) -> None:
    """No more tries: the message goes to the dead letters, the row says why.

    `with_cause` puts the traceback of the error that is being handled into the log.
    """
    tools.dead_letters.bury_in_order(
        message.body, reason, group=group or message.message_id, identity=message.message_id
    )
    if zip_id:
        tools.status.write(zip_id, State.UPLOADER_FAILED, reason)
    counts = _counted(metrics.once(Metric.RECORDING_FAILED), tools)
    extra = {"outlook": attempts.BURIED, **counts}
    logger.error("Gave up: %s", reason, exc_info=with_cause, extra=extra)
