"""Upload queue → Opencast: each recording ingested once, and never a second time by mistake."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import requests
from botocore.exceptions import BotoCoreError, ClientError

from ingester import log, metrics, timestamps
from ingester.errors import (
    AskLater,
    AwsFailed,
    IngestBroken,
    IngestNotSent,
    IngestRefused,
    IngestUncertain,
    MessageError,
    OpencastUnreachable,
    PermanentFailure,
    RetryableFailure,
    Unforeseen,
    UnknownSeries,
)
from ingester.ledger import record as ledger
from ingester.ledger.record import Absence, End, Ingest, Outcome, Post, Record
from ingester.ledger.table import Ledger
from ingester.metrics import Metric
from ingester.opencast import differences as one_ingest
from ingester.opencast import mediapackage
from ingester.opencast.client import Opencast, Parts
from ingester.pipeline import reasons
from ingester.pipeline import retry_policy as attempts
from ingester.pipeline.messages import UploadMessage, decode, zip_id_of
from ingester.pipeline.queue import Queue, Received, received_of
from ingester.pipeline.states import State
from ingester.recording.events_table import EventsTable
from ingester.recording.pauses import RecordingEvent
from ingester.recording.staging_bucket import Staging
from ingester.runtime import clients, new_ids, unready
from ingester.runtime.container import Container
from ingester.runtime.unready import Waiting
from ingester.settings import UploaderSecrets, UploaderSettings, read, read_secrets
from ingester.status.table import StatusChange, StatusTable

logger = logging.getLogger("ingester.uploader")

MAX_FAILURES = 5
LONGEST_WAIT_SECONDS = 600
"""Between two questions to Opencast; the queue's limit of receives is made for it
(`cdk/queues.py`)."""

UNREACHABLE = "Unable to reach Opencast."
ANOTHER = "Another request for this recording is just being ingested"


@dataclass(frozen=True)
class Dependencies:
    """What the use case works with."""

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
    settings = read(UploaderSettings, os.environ)
    log.verbose(settings.is_debug)
    secrets = read_secrets(UploaderSecrets, clients.ssm(), settings.secrets_path)
    sqs = clients.sqs()
    return Dependencies(
        settings=settings,
        opencast=Opencast(
            settings.opencast_base_url,
            settings.opencast_api_user,
            secrets.opencast_api_password,
            auth=settings.opencast_auth,
            session=requests.Session(),
        ),
        staging=Staging(clients.s3(), settings.staging_bucket),
        ledger=Ledger(clients.table(settings.recordings_table), _now),
        status=StatusTable(clients.table(settings.status_table), _now),
        events=EventsTable(clients.table(settings.events_table), _now),
        uploads=Queue(sqs, settings.upload_queue_url),
        dead_letters=Queue(sqs, settings.upload_dlq_url),
        clock=_now,
    )


def _now() -> datetime:
    return datetime.now(UTC)


container = Container(build)


def handler(event: Mapping[str, Any], context: Any) -> dict[str, Any]:
    """SQS's entry, one message at a time; or an operator's, without records."""
    log.start(context)
    return run(event, container, context, _waiting)


def run(
    event: Mapping[str, Any],
    built: Callable[[], Dependencies],
    context: Any,
    waiting: Callable[[], Waiting],
) -> dict[str, Any]:
    """One invocation. `built` gives the dependencies; `waiting` those that need no secret."""
    try:
        ready = built()
    except unready.CAUSES as error:
        if "Records" not in event:
            raise
        return unready.put_off(event, error, waiting())
    read_seconds = attempts.read_seconds(context.get_remaining_time_in_millis())
    return answer(event, ready, read_seconds)


def _waiting() -> Waiting:
    settings, sqs = read(UploaderSettings, os.environ), clients.sqs()
    dead_letters = Queue(sqs, settings.upload_dlq_url)
    return Waiting(
        queue=Queue(sqs, settings.upload_queue_url),
        limit=settings.upload_receive_limit,
        bury=lambda message, reason: dead_letters.bury_in_order(
            message.body, reason, group=message.message_id, identity=message.message_id
        ),
    )


def answer(event: Mapping[str, Any], deps: Dependencies, read_seconds: float) -> dict[str, Any]:
    """Takes the event's messages; names those that are to come back."""
    if "Records" not in event:
        return invoked_directly(deps, read_seconds)
    failed = [
        {"itemIdentifier": message.message_id}
        for message in map(received_of, event["Records"])
        if not take(message, deps, read_seconds)
    ]
    return {"batchItemFailures": failed}


def invoked_directly(deps: Dependencies, read_seconds: float) -> dict[str, Any]:
    """`exec.uploader`: takes one message itself, if one is waiting."""
    message = deps.uploads.take_one()
    if message is None:
        return {"message": "nothing waiting"}
    done = take(message, deps, read_seconds)
    if done:
        deps.uploads.delete(message)
    return {"message": "done" if done else "not done, see the recording's row and the log"}


def take(message: Received, deps: Dependencies, read_seconds: float) -> bool:
    """Handles one message; False if it is to come back. Its row tells how it went."""
    try:
        wanted = decode(message.body, UploadMessage)
    except MessageError as error:
        with log.about(zip_id=zip_id_of(message.body) or ""):
            _bury(message, None, str(error), deps)
        return True
    with log.about(uuid=wanted.uuid, zip_id=wanted.zip_id):
        try:
            upload(wanted, deps, read_seconds)
        except AskLater as error:
            return _ask_later(message, wanted, error, deps)
        except PermanentFailure as error:
            _bury(message, wanted, str(error), deps)
        except IngestBroken as error:
            return _come_back(message, wanted, error, deps)
        except (OpencastUnreachable, AwsFailed) as error:
            return _wait_out(message, wanted, error, deps)
        except RetryableFailure as error:
            return _come_back(message, wanted, error, deps)
        except (BotoCoreError, ClientError) as error:
            return _wait_out(message, wanted, AwsFailed.of(error), deps)
        except Exception as error:
            if message.receive_count < deps.settings.upload_receive_limit:
                raise
            # SQS would bury it, and its row would say that it is on its way.
            _bury(message, wanted, str(Unforeseen.of(error)), deps, with_cause=True)
        return True


def upload(wanted: UploadMessage, deps: Dependencies, read_seconds: float) -> None:
    """Ingest one recording, unless it is there already or on its way."""
    record = deps.ledger.get(wanted.uuid)
    files = one_ingest.files_of(wanted)
    if ledger.is_superseded(record, wanted.zip_id, set(files)):
        logger.info("Another message of this request brings more files: nothing to do")
        return
    # Not before: the row of a message that is superseded may have ended by the other one.
    deps.status.report(wanted.zip_id, StatusChange(State.UPLOADER_RECEIVED))
    media_package = _media_package(wanted, record, deps)
    if not media_package:
        return
    series = deps.opencast.series(wanted.opencast_series_id)
    if series is None:
        raise UnknownSeries(reasons.INVALID_SERIES)
    kept = mediapackage.keep(wanted, deps.settings.minimum_duration)
    if kept is None:
        _ignore(wanted, reasons.TOO_SHORT, deps)
        return
    settings = deps.settings
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
        _events(wanted, deps),
        publishing,
        lambda file: deps.staging.address_of(file, int(settings.oc_ingest_patience_hours * 3600)),
    )
    claim = Ingest(
        zip_id=wanted.zip_id,
        series=wanted.opencast_series_id,
        files=files,
        posts=(Post(attempt=deps.new_id(), at=timestamps.write(deps.clock())),),
    )
    _claim(record, media_package, claim, deps)
    workflow = _ingest(wanted, media_package, claim.posts[0].attempt, parts, deps, read_seconds)
    deps.status.report(wanted.zip_id, StatusChange(State.SENT_TO_OPENCAST))
    sent = {"workflow_id": workflow, "mediapackage": media_package}
    logger.info("Sent to Opencast", extra={**sent, **_arrived(wanted, deps)})


def _arrived(wanted: UploadMessage, deps: Dependencies) -> dict[str, Any]:
    """The metrics of an ingest that Opencast has."""
    counts = metrics.once(Metric.WORKFLOW_INITIATED)
    try:
        received = timestamps.parse(wanted.webhook_received_time)
    except ValueError:
        logger.warning("The message doesn't say readably when its request was received")
    else:
        minutes = (deps.clock() - received).total_seconds() / 60
        counts[Metric.MINUTES_IN_PIPELINE] = round(minutes, 2)
    return _counted(counts, deps)


def _counted(values: Mapping[Metric, float], deps: Dependencies) -> dict[str, Any]:
    return metrics.record(deps.settings.stack_name, deps.clock(), values)


def _ignore(wanted: UploadMessage, reason: str, deps: Dependencies) -> None:
    _note_end(wanted, End.IGNORED, deps)
    written = deps.status.report(wanted.zip_id, StatusChange(State.IGNORED, reason))
    too_short = reason == reasons.TOO_SHORT
    counts = metrics.ignored(written and written.is_change, too_short=too_short)
    logger.info("Ignored: %s", reason, extra=_counted(counts, deps))


def _note_end(wanted: UploadMessage, end: End, deps: Dependencies) -> None:
    """Note in the ledger how a request ended."""
    deps.ledger.note(wanted.uuid, lambda record: ledger.with_end(record, wanted.zip_id, end))


def _media_package(wanted: UploadMessage, record: Record, deps: Dependencies) -> str:
    """The id to ingest under; "" when there is nothing (more) to ingest.

    Opencast shows an event only when its files are fetched. The ledger bridges that time: with an
    ingest in it an event that is there is the pipeline's own, and one that isn't may be coming.
    """
    primary = mediapackage.media_package_id(wanted.uuid)
    own = record.ingest_of(wanted.zip_id)
    if not own and wanted.allow_multiple_ingests:
        is_there = primary in record.ingests or deps.opencast.has_event(primary)
        return deps.new_id() if is_there else primary
    ingest = record.ingests.get(own or primary)
    logger.debug("An ingest was sent at %s", ingest.posted_at if ingest else "no time")
    if ingest is None:
        if not deps.opencast.has_event(primary):
            return primary
        _ignore(wanted, reasons.ALREADY_THERE, deps)
        return ""
    return _after_ingest(wanted, own or primary, ingest, record, deps)


def _after_ingest(
    wanted: UploadMessage, media_package: str, ingest: Ingest, record: Record, deps: Dependencies
) -> str:
    """The same for a recording that the ledger has an ingest of, this request's or another's."""
    is_own = ingest.zip_id == wanted.zip_id
    now = deps.clock()
    # Asked before the event: a POST that ends in between has made its event by then.
    is_doubtful = ledger.is_doubtful(ingest, now)
    is_idle = deps.opencast.is_idle(media_package) if is_doubtful else None
    if deps.opencast.has_event(media_package):
        if is_own:
            _finish(wanted, media_package, ingest, deps)
        else:
            _finish_beside(wanted, media_package, ingest, deps)
        return ""
    patience = timedelta(hours=deps.settings.oc_ingest_patience_hours)
    request = record.request(wanted.zip_id)
    match ledger.absence_of(ingest, request, now, patience, is_idle=is_idle):
        case Absence.COMING:
            sent = "The ingest was sent to Opencast" if is_own else ANOTHER
            raise AskLater(f"{sent}, which doesn't show it yet" if is_own else sent)
        case Absence.DELETED:
            outside = one_ingest.stayed_outside(one_ingest.files_of(wanted), ingest)
            reason = f"{one_ingest.deleted(ingest)} {outside}".rstrip()
            _ignore(wanted, reason, deps)
            # A row that says that its ingest is there can't be ignored any more.
            deps.status.explain(wanted.zip_id, State.SENT_TO_OPENCAST, reason)
            logger.error("%s", reason, extra=log.goes_on("Nothing is sent.", one_ingest.SEND_IT))
            return ""
        case Absence.LOST:
            logger.warning(
                "Opencast shows nothing of the ingest sent at %s: again", ingest.posted_at
            )
    return media_package


def _finish(wanted: UploadMessage, media_package: str, ingest: Ingest, deps: Dependencies) -> None:
    """The event is our own: done, unless its ingest differs from what the message wants."""
    differences = one_ingest.differences(wanted, ingest)
    reason = " ".join(difference.reason for difference in differences)
    _note_shown(wanted, media_package, ingest, deps)
    written = deps.status.report(wanted.zip_id, StatusChange(State.SENT_TO_OPENCAST, reason))
    is_new = written and written.is_change
    logger.info("The ingest is in Opencast", extra=_arrived(wanted, deps) if is_new else {})
    for difference in differences:
        extra = log.goes_on("The ingest stays as it is.", difference.advice)
        logger.error("%s", difference.reason, extra=extra)


def _finish_beside(
    wanted: UploadMessage, media_package: str, ingest: Ingest, deps: Dependencies
) -> None:
    """Another request's ingest is in Opencast: files that it lacks are told, in its row."""
    _note_shown(wanted, media_package, ingest, deps)
    outside = one_ingest.stayed_outside(one_ingest.files_of(wanted), ingest)
    _ignore(wanted, reasons.ALREADY_THERE, deps)
    if outside:
        deps.status.explain(ingest.zip_id, State.SENT_TO_OPENCAST, outside)
        extra = log.goes_on("The ingest stays as it is.", one_ingest.ADD_THEM)
        logger.error("%s", outside, extra=extra)


def _note_shown(
    wanted: UploadMessage, media_package: str, ingest: Ingest, deps: Dependencies
) -> None:
    if not ingest.is_shown:
        deps.ledger.change(wanted.uuid, lambda record: ledger.with_shown(record, media_package))


def _events(wanted: UploadMessage, deps: Dependencies) -> list[RecordingEvent]:
    """The recorded events; without them the files' own times have to do."""
    try:
        return deps.events.of(wanted.uuid)
    except (BotoCoreError, ClientError, ArithmeticError, LookupError, TypeError, ValueError):
        goes_on = log.goes_on("It is ingested all the same; its pauses will be missing.")
        logger.exception("The recording's events can't be read", extra=goes_on)
        return []


def _claim(record: Record, media_package: str, claim: Ingest, deps: Dependencies) -> None:
    """Note the POST in the ledger before it is made, if nothing has changed since it was decided.

    Raises:
        AskLater: another process has written the record: decide anew.
    """
    if deps.ledger.replace(record, ledger.with_claim(record, media_package, claim)):
        return
    # botocore repeats a write whose answer was lost, and the repeat meets the first one.
    known = deps.ledger.get(record.uuid).ingests.get(media_package)
    if known is None or known.posts[-1].attempt != claim.posts[0].attempt:
        raise AskLater("The recording's record in the ledger has just changed")


def _ingest(
    wanted: UploadMessage,
    media_package: str,
    attempt: str,
    parts: Parts,
    deps: Dependencies,
    read_seconds: float,
) -> str:
    """POST under the protection of the claim; the workflow's id.

    Raises:
        AskLater: Opencast's answer never came: the POST may be at work.
        IngestBroken, IngestRefused, IngestNotSent: this POST made nothing.
    """

    def note(outcome: Outcome, workflow: str = "") -> None:
        deps.ledger.change(
            wanted.uuid,
            lambda record: ledger.with_answer(record, media_package, attempt, outcome, workflow),
        )

    name = wanted.oc_workflow or deps.settings.default_oc_workflow
    try:
        workflow = deps.opencast.ingest(name, parts, read_seconds=read_seconds)
    except (IngestRefused, IngestNotSent):
        note(Outcome.REFUSED)
        raise
    except IngestUncertain as error:
        raise AskLater(str(error).removesuffix(".")) from error
    except IngestBroken as error:
        try:
            is_there = deps.opencast.has_event(media_package)
        except RetryableFailure as unasked:
            broken = "Opencast broke down in the ingest and can't be asked about it"
            raise AskLater(broken) from unasked
        if not is_there:
            note(Outcome.REFUSED)
            raise IngestBroken(
                "It broke down in the ingest (500) and has no such event."
            ) from error
        workflow = ""
    note(Outcome.TAKEN, workflow)
    return workflow


def _ask_later(
    message: Received, wanted: UploadMessage, waiting: AskLater, deps: Dependencies
) -> bool:
    """Waiting spends receives; after the last one the queue would drop the message unsaid."""
    if message.receive_count >= deps.settings.upload_receive_limit:
        reason = f"{waiting}: look for it in Opencast. No more questions: an operator is needed"
        _bury(message, wanted, reason, deps)
        return True
    due = _retry(message, message.receive_count, LONGEST_WAIT_SECONDS, deps)
    reason = f"{waiting}; asks again at {due}"
    deps.status.report(wanted.zip_id, StatusChange(State.UPLOADER_RECEIVED, reason))
    logger.info("%s", reason)
    return False


def _retry(message: Received, attempt: int, longest: int, deps: Dependencies) -> str:
    """Let the message come back with backoff; when that is."""
    seconds = attempts.backoff_seconds(attempt, longest)
    deps.uploads.retry_in(message, seconds)
    return attempts.next_try(deps.clock(), seconds)


def _wait_out(
    message: Received,
    wanted: UploadMessage,
    error: OpencastUnreachable | AwsFailed,
    deps: Dependencies,
) -> bool:
    """Opencast or AWS can't be reached: that isn't the recording's failure, it waits."""
    since = message.first_received or deps.clock()
    outage = timedelta(hours=deps.settings.oc_outage_hours)
    is_opencast = isinstance(error, OpencastUnreachable)
    reason = f"{UNREACHABLE} {error}" if is_opencast else str(error)
    is_last = message.receive_count >= deps.settings.upload_receive_limit
    if is_last or deps.clock() - since >= outage:
        _bury(message, wanted, f"{reason} (since {timestamps.write(since)}, no more tries)", deps)
        return True
    due = _retry(message, message.receive_count, LONGEST_WAIT_SECONDS, deps)
    told = f"{reason} (waiting since {timestamps.write(since)}, next try at {due})"
    deps.status.report(wanted.zip_id, StatusChange(State.UPLOADER_FAILED, told, retry_due=due))
    counts = metrics.once(Metric.OPENCAST_UNREACHABLE, is_opencast)
    if message.receive_count == MAX_FAILURES and not is_opencast:
        # An outage of Opencast has an alarm. A grant that is missing looks like this.
        logger.error("%s", told, extra=log.goes_on("It is tried again by itself."))
    else:
        logger.warning("%s", told, extra=_counted(counts, deps))
    return False


def _come_back(
    message: Received, wanted: UploadMessage, error: RetryableFailure, deps: Dependencies
) -> bool:
    """A real failure: counted in the ledger, because waiting spends receives too."""
    try:
        record = deps.ledger.change(
            wanted.uuid, lambda record: ledger.with_failure(record, wanted.zip_id)
        )
    except (BotoCoreError, ClientError) as uncounted:
        return _wait_out(message, wanted, AwsFailed.of(uncounted), deps)
    count = record.request(wanted.zip_id).failures
    reason = f"{UNREACHABLE} {error}" if isinstance(error, OpencastUnreachable) else str(error)
    if count >= MAX_FAILURES or message.receive_count >= deps.settings.upload_receive_limit:
        outlook = attempts.outlook(count, MAX_FAILURES, "")
        _bury(message, wanted, f"{reason} ({outlook})", deps)
        return True
    due = _retry(message, count, attempts.LONGEST_SECONDS, deps)
    told = f"{reason} ({attempts.outlook(count, MAX_FAILURES, due)})"
    deps.status.report(
        wanted.zip_id, StatusChange(State.UPLOADER_FAILED, told, retry_due=due, failed_again=True)
    )
    logger.warning("%s", told)
    return False


def _bury(
    message: Received,
    wanted: UploadMessage | None,
    reason: str,
    deps: Dependencies,
    *,
    with_cause: bool = False,
) -> None:
    """No more tries: the message goes to the dead letters, the row says why.

    `wanted` is None if it can't be read. `with_cause` puts the traceback of the error that is being
    handled into the log.
    """
    group = wanted.uuid if wanted else message.message_id
    deps.dead_letters.bury_in_order(message.body, reason, group=group, identity=message.message_id)
    if wanted:
        _note_end(wanted, End.FAILED, deps)
    zip_id = wanted.zip_id if wanted else zip_id_of(message.body)
    if zip_id:
        deps.status.report(zip_id, StatusChange(State.UPLOADER_FAILED, reason))
    counts = _counted(metrics.once(Metric.RECORDING_FAILED), deps)
    extra = {"outlook": attempts.BURIED, **counts}
    logger.error("Gave up: %s", reason, exc_info=with_cause, extra=extra)
