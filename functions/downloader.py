"""Process the download queue: find each recording's series, and stage the recording's files."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import msgspec
import requests
from msgspec import UNSET

from ingester import log, metrics, timestamps
from ingester.captions import download as captions
from ingester.errors import (
    AskLater,
    FileGone,
    Forgotten,
    IngesterError,
    OutOfTime,
    ZoomThrottles,
)
from ingester.ledger import record as ledger
from ingester.ledger.record import End, Record
from ingester.ledger.table import Ledger
from ingester.metrics import Metric
from ingester.pipeline import reasons, retry_policy
from ingester.pipeline.continuation import continued
from ingester.pipeline.messages import (
    DownloadMessage,
    UploadMessage,
    encode,
    overridden,
)
from ingester.pipeline.queue import MAX_DELAY_SECONDS, Queue, Received
from ingester.pipeline.states import Origin, State
from ingester.recording import files as recording
from ingester.recording.files import Subject, automated_zip_id
from ingester.recording.staging_bucket import RELEASED, Staging
from ingester.recording.upload_message import Staged, upload_message
from ingester.runtime import clients, http_pool, queue_worker
from ingester.runtime.clock import utc_now
from ingester.runtime.container import Container
from ingester.runtime.queue_worker import (
    Done,
    FailureReporter,
    Forward,
    GiveUp,
    Outcome,
    QueueWorker,
    Requeue,
    Retry,
    SourceQueue,
)
from ingester.schedule.series_lookup import Destination, destination_of, needs_schedule
from ingester.schedule.table import ScheduleTable
from ingester.settings import DownloaderSettings, LambdaVariables, ZoomSecrets, read, read_secrets
from ingester.status.advice import NEEDS_A_PERSON
from ingester.status.table import StatusChange, StatusTable, WriteResult
from ingester.time_zones import zone_of
from ingester.transfer import mp4
from ingester.transfer.engine import Budget, Engine, Total, no_time_limit
from ingester.transfer.multipart import Bucket
from ingester.transfer.progress import rate
from ingester.zoom import complete_message
from ingester.zoom.api import ZoomApi
from ingester.zoom.download import ZoomFile
from ingester.zoom.download_urls import DownloadHosts
from ingester.zoom.pause_table import PAUSED, ZoomPause
from ingester.zoom.stage_recording import Inspect, OpenFile, RecordingTransfer
from ingester.zoom.webhook_events import names_of

logger = logging.getLogger("ingester.downloader")

LONGEST_WAIT = timedelta(days=1)
"""Longest wait for Zoom, such as until Zoom has finished a recording. Captions have other
limits."""

FIRST_WAIT_SECONDS = 60
ADD_THEM = "If Zoom has them after all, add them in Opencast; or a second event: \
`invoke exec.on-demand UUID --allow-multiple-ingests`."

LOST_SERIES = "No class fits any more: the schedule has changed since an earlier attempt, which \
had found a series."


@dataclass(frozen=True)
class Dependencies:
    """Clients, tables, queues, clock and settings that the downloader works with."""

    settings: DownloaderSettings
    zoom: ZoomApi
    engine: Engine
    open_file: OpenFile
    staging: Staging
    ledger: Ledger
    status: StatusTable
    schedule: ScheduleTable
    downloads: Queue
    dead_letters: Queue
    uploads: Queue
    inspect: Inspect
    pause: ZoomPause
    clock: Callable[[], datetime]


def build() -> Dependencies:
    """Make the dependencies from the environment and the secrets in SSM.

    Raises:
        SettingsError: A setting or a secret is missing or malformed.
        BotoCoreError, ClientError: SSM fails, or boto3 finds no credentials.
    """
    settings = read(DownloaderSettings, os.environ)
    log.set_debug(settings.is_debug)
    secrets = read_secrets(ZoomSecrets, clients.ssm(), settings.secrets_path)
    session, sqs = requests.Session(), clients.sqs()
    connections = settings.download_connections
    http = http_pool.http(connections)
    hosts = DownloadHosts(settings.download_hosts)
    zoom_http = http_pool.public_http(connections, settings.download_hosts)
    s3, credentials = clients.s3_for_uploads(connections)
    bucket = Bucket(
        s3, settings.staging_bucket, http=http, credentials=credentials, released=RELEASED
    )
    return Dependencies(
        settings=settings,
        zoom=ZoomApi(settings, secrets, session=session, sleep=time.sleep, clock=utc_now),
        engine=Engine(bucket, Budget(connections=connections)),
        open_file=partial(ZoomFile, http=zoom_http, hosts=hosts),
        staging=Staging(s3, settings.staging_bucket),
        ledger=Ledger(clients.table(settings.recordings_table), utc_now),
        status=StatusTable(clients.table(settings.status_table), utc_now),
        schedule=ScheduleTable(clients.table(settings.schedule_table)),
        downloads=Queue(sqs, settings.download_queue_url),
        dead_letters=Queue(sqs, settings.download_dlq_url),
        uploads=Queue(sqs, settings.upload_queue_url),
        inspect=mp4.Inspector(read(LambdaVariables, os.environ).ld_library_path).inspect,
        pause=ZoomPause(clients.table(settings.recordings_table), utc_now),
        clock=utc_now,
    )


container = Container(build)


def build_source() -> SourceQueue:
    """Make the `SourceQueue` of the download queue, without reading any secret.

    Raises:
        SettingsError: A setting is missing or malformed.
    """
    settings, sqs = read(DownloaderSettings, os.environ), clients.sqs()
    return SourceQueue(
        Queue(sqs, settings.download_queue_url),
        Queue(sqs, settings.download_dlq_url),
        settings.download_receive_limit,
    )


def handler(event: Mapping[str, Any], context: object) -> dict[str, Any]:
    """Handle one message of the download queue, or an operator's call."""
    log.start(context)
    return run(event, lambda: worker_of(container(), context), build_source)


def run(
    event: Mapping[str, Any],
    build_worker: Callable[[], QueueWorker[DownloadMessage]],
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
    return process_next(event, build_worker())


def process_next(
    overrides: Mapping[str, Any], worker: QueueWorker[DownloadMessage]
) -> dict[str, Any]:
    """Process the next message for an operator, who may override the schedule's decision.

    Args:
        overrides: May have `override_series_id` and `ignore_schedule`.
        worker: Processes the message.

    Returns:
        The result as a `message`.

    Raises:
        BotoCoreError, ClientError, Exception: See `QueueWorker.process_next`.
    """
    series_id = str(overrides.get("override_series_id") or "")
    ignore_schedule = bool(overrides.get("ignore_schedule"))
    outcome = worker.process_next(lambda body: overridden(body, series_id, ignore_schedule))
    match outcome:
        case None:
            return {"message": "nothing waiting"}
        case Retry() | GiveUp() | Done(is_success=False):
            return {"message": "failed, see the recording's row and the log"}
    return {"message": "done"}


def worker_of(deps: Dependencies, context: object = None) -> QueueWorker[DownloadMessage]:
    """Return a worker that stops copying before Lambda ends the invocation.

    `context` is Lambda's context object; None for no time limit:
    https://docs.aws.amazon.com/lambda/latest/dg/python-context.html
    """
    remaining = getattr(context, "get_remaining_time_in_millis", None)
    time_left = (lambda: remaining() / 1000) if remaining else no_time_limit
    engine = replace(deps.engine, time_left=time_left, report=partial(_report_copy, deps=deps))
    deps = replace(deps, engine=engine)
    settings = deps.settings
    return QueueWorker(
        source=SourceQueue(deps.downloads, deps.dead_letters, settings.download_receive_limit),
        message_type=DownloadMessage,
        use_case=partial(download, deps=deps),
        after_failure=partial(_after_failure, deps=deps),
        give_up=_give_up,
        failures=FailureReporter(
            deps.ledger, deps.status, State.DOWNLOADER_FAILED, settings.stack_name, deps.clock
        ),
    )


def _give_up(error: IngesterError) -> GiveUp:
    return GiveUp(
        reason=str(error),
        row_reason=f"permanent failure: {error} An operator is needed.",
        headline=f"Permanent failure: {error}",
        end=End.GONE if isinstance(error, FileGone) else End.FAILED,
    )


def _after_failure(
    error: IngesterError, message: DownloadMessage, received: Received, deps: Dependencies
) -> Outcome:
    """Return a retry after a backoff, or GiveUp at the limit of receives."""
    attempt, limit = received.receive_count, deps.settings.download_receive_limit
    if attempt >= limit:
        reason = f"{error} ({retry_policy.outlook(attempt, limit, '')})"
        return GiveUp(reason=reason, row_reason=f"retryable failure: {reason}", headline=reason)
    seconds = retry_policy.backoff_seconds(attempt)
    due = retry_policy.next_attempt(deps.clock(), seconds)
    reason = f"{error} ({retry_policy.outlook(attempt, limit, due)})"
    return Retry(seconds=seconds, report=partial(_report_retry, message, reason, due, deps))


def _report_retry(message: DownloadMessage, reason: str, due: str, deps: Dependencies) -> None:
    text = f"retryable failure: {reason}"
    deps.status.report(message.zip_id, StatusChange(State.DOWNLOADER_FAILED, text, retry_due=due))
    logger.warning("%s", reason)


def download(message: DownloadMessage, deps: Dependencies) -> Outcome:
    """Stage one recording for the uploader, as far as that is possible and needed now.

    If the message is about captions, stage only captions.

    Raises:
        IngesterError: The recording can't be staged. After a RetryableFailure a retry may help.
        BotoCoreError, ClientError: AWS failed.
    """
    if message.captions is not UNSET:
        return captions.download(message, message.captions, _captions_deps(deps))
    if seconds := deps.pause.seconds(message.uuid):
        return _wait(message, PAUSED, deps, seconds)
    try:
        return _stage(message, deps)
    except Forgotten as error:
        logger.info("Dropped: %s", error)
        return Done()
    except OutOfTime as error:
        return _continue_later(message, error, deps)
    except ZoomThrottles as error:
        seconds = deps.pause.begin(message.uuid, error.retry_after)
        logger.warning("All downloads pause: %s", error)
        return _wait(message, PAUSED, deps, seconds)
    except AskLater as error:
        return _wait(message, str(error), deps)
    except FileGone as error:
        notice = deps.ledger.get(message.uuid).notice
        if notice:
            return _ignore_trashed(message, notice, deps)
        if not complete_message.is_new(message, deps.clock()):
            raise
        return _wait(message, str(error).removesuffix("."), deps)


def _stage(message: DownloadMessage, deps: Dependencies) -> Outcome:
    """Stage a recording.

    Returns:
        Forward with the uploader's message, or Done if the request is ignored.

    Raises:
        OutOfTime: The invocation's time is nearly up.
        AskLater: Zoom doesn't provide all files yet.
        FileGone: Zoom doesn't know the recording any more, or provides no video of it.
        Forgotten: An operator had the recording forgotten.
        IngesterError: The recording can't be staged.
        BotoCoreError, ClientError: AWS failed.
    """
    complete = complete_message.complete(message, deps.zoom, deps.ledger, deps.clock)
    message = complete.message
    if recording.is_too_short(message.duration, deps.settings.minimum_duration):
        return _ignore(message, reasons.TOO_SHORT, deps)
    if not complete.has_video:
        if complete_message.is_new(message, deps.clock()):
            raise AskLater("Zoom lists no MP4 file of this recording yet")
        return _ignore(message, reasons.NO_MP4, deps)
    destination = _destination(message, deps)
    if not destination.series_id:
        return _ignore(message, reasons.NO_SERIES, deps)
    _report_series(message, destination, deps)
    staged = _transfer_of(message, deps).run(message)
    if staged.missing and complete_message.is_new(message, deps.clock()):
        raise AskLater(staged.reason.removesuffix("."))
    ready, without_captions = _message_to_uploader(message, staged, destination, deps)
    # Note the left-out files before the send, because the uploader drops a message that lacks a
    # file which isn't noted as left out.
    left_out = [*_left_out(message, staged), *complete.unlisted]
    deps.ledger.change(message.uuid, lambda record: ledger.with_left_out(record, left_out))
    reason = " ".join(filter(None, (staged.reason, complete.reason, without_captions)))
    return Forward(
        queue=deps.uploads,
        body=encode(ready),
        group=message.uuid,
        report=partial(_report_sent, ready, reason, deps),
    )


def _message_to_uploader(
    message: DownloadMessage, staged: Staged, destination: Destination, deps: Dependencies
) -> tuple[UploadMessage, str]:
    """Build the uploader's message, and stage and add captions if the settings say so.

    Return the message, and sentences about captions that are left out, or "".
    """
    ready = upload_message(
        message,
        staged.files,
        series_id=destination.series_id,
        title=destination.title,
        zone=zone_of(deps.settings.local_time_zone),
    )
    if not (deps.settings.ingest_captions or deps.settings.ingest_chapters):
        return ready, ""
    return captions.with_captions(ready, message, _captions_deps(deps))


def _left_out(message: DownloadMessage, staged: Staged) -> list[str]:
    """Return the ids of those files of a message that aren't staged."""
    staged_ids = {item.file.file_id for item in staged.files}
    files = (file.recording_id for file in message.recording_files)
    return [file_id for file_id in files if file_id not in staged_ids]


def _report_series(message: DownloadMessage, destination: Destination, deps: Dependencies) -> None:
    """Write a recording's series into the row and the log.

    The first time, add the recording's minutes as a metric.
    """
    written = deps.status.report(
        message.zip_id,
        StatusChange(
            State.OC_SERIES_FOUND,
            oc_series_id=destination.series_id,
            course=destination.course,
            # The webhook may not know the subject of a partial message, so the row may lack the
            # subject.
            subject=_subject(message) if message.is_partial else None,
        ),
    )
    is_first = written and not written.had_series
    length = {Metric.RECORDING_DURATION: float(message.duration)} if is_first else {}
    series_id, title = destination.series_id, destination.title
    logger.info("Going to series %s as %s", series_id, title, extra=_counted(length, deps))


def _transfer_of(message: DownloadMessage, deps: Dependencies) -> RecordingTransfer:
    return RecordingTransfer(
        engine=deps.engine,
        open_file=deps.open_file,
        read_range=deps.staging.read_range,
        inspect=deps.inspect,
        refresh=lambda: complete_message.fresh_access(message, deps.zoom),
    )


def _captions_deps(deps: Dependencies) -> captions.Dependencies:
    # A file of captions is too small to measure a speed, so copies of captions have no metrics.
    limited = captions.captions_time_left(deps.engine.time_left, deps.engine.clock)
    quiet = replace(deps, engine=replace(deps.engine, report=lambda _: None, time_left=limited))
    return captions.Dependencies(
        settings=deps.settings,
        zoom=deps.zoom,
        staging=deps.staging,
        ledger=deps.ledger,
        status=deps.status,
        downloads=deps.downloads,
        uploads=deps.uploads,
        pause=deps.pause,
        transfer_of=partial(_transfer_of, deps=quiet),
        time_left=deps.engine.time_left,
        clock=deps.clock,
    )


def _report_sent(ready: UploadMessage, reason: str, deps: Dependencies) -> None:
    """Report that a message was sent to the uploader.

    `reason` says which files the message lacks; "" if the message lacks none.
    """
    text = f"{reason} {ready.summaries_note or ''}".strip()
    deps.status.report(ready.zip_id, StatusChange(State.SENT_TO_UPLOADER, text))
    logger.info("Sent to the uploader", extra={"bytes": ready.total_file_bytes})
    if reason:
        logger.error("%s", reason, extra=log.nonfatal("The other files go on.", ADD_THEM))


def _subject(message: DownloadMessage) -> Subject:
    is_automated = message.zip_id == automated_zip_id(message.uuid)
    return Subject(
        meeting_id=message.zoom_series_id,
        recording_id=message.uuid,
        topic=message.topic,
        start_time=message.start_time,
        origin=Origin.WEBHOOK if is_automated else Origin.ON_DEMAND,
    )


def _destination(message: DownloadMessage, deps: Dependencies) -> Destination:
    settings = deps.settings
    meeting = deps.schedule.get(message.zoom_series_id) if needs_schedule(message) else None
    return destination_of(
        message,
        meeting,
        zone=zone_of(settings.local_time_zone),
        buffer_minutes=settings.buffer_minutes,
        fallback_series_id=settings.fallback_series_id,
    )


def _ignore(message: DownloadMessage, reason: str, deps: Dependencies) -> Done:
    """End a request without staging anything. `reason` goes into the status row.

    Raises:
        LedgerUnreadable, BotoCoreError, ClientError: The ledger's record can't be read.
    """
    subject = _subject(message) if message.is_partial else None
    deps.ledger.change_or_log(
        message.uuid, lambda record: ledger.with_end(record, message.zip_id, End.IGNORED)
    )
    written = deps.status.report(
        message.zip_id, StatusChange(State.IGNORED, reason, subject=subject)
    )
    too_short = reason == reasons.TOO_SHORT
    counts = metrics.ignored_counts(written and written.is_change, too_short=too_short)
    logger.info("Ignored: %s", reason, extra=_counted(counts, deps))
    record = deps.ledger.get(message.uuid)
    _report_late_files(message, record)
    # With `ignore_schedule`, an operator expects that no series is found.
    if reason == reasons.NO_SERIES and needs_schedule(message):
        _report_lost_series(written, record)
    return Done()


def _report_lost_series(written: WriteResult | None, record: Record) -> None:
    """Log an error if an earlier attempt found a series, unless Opencast may have the recording.

    The schedule may change between two attempts. Without a mail nobody notices the lost recording.
    If the row can't be written (`written` is None), nobody knows what an earlier attempt found, and
    most recordings without a series never had one. So no error is logged then.
    """
    if written and written.had_series and not record.ingests:
        logger.error("%s", LOST_SERIES, extra={"outlook": NEEDS_A_PERSON})


def _report_late_files(message: DownloadMessage, record: Record) -> None:
    """Log an error if the recording was ingested without some files of an ignored message."""
    ingests = record.ingests.values()
    names = names_of(message.recording_files)
    outside = [
        name
        for file_id, name in names.items()
        if not any(file_id in ingest.certain_files for ingest in ingests)
    ]
    if ingests and outside:
        text = f"{len(outside)} file(s) came after the ingest and stayed outside of it: "
        extra = log.nonfatal("The ingest stays as it is.", ADD_THEM)
        logger.error("%s%s.", text, ", ".join(outside), extra=extra)


def _ignore_trashed(message: DownloadMessage, notice: str, deps: Dependencies) -> Done:
    """End a request as GONE, because its recording is in Zoom's trash or deleted.

    The request hasn't failed, so its row gets the state IGNORED, with `notice` as the reason.

    Raises:
        LedgerBusy, LedgerUnreadable, BotoCoreError, ClientError: The ledger's record can't be read
            or changed.
    """
    deps.ledger.change(
        message.uuid, lambda record: ledger.with_end(record, message.zip_id, End.GONE)
    )
    written = deps.status.report(message.zip_id, StatusChange(State.IGNORED, notice))
    counts = metrics.count(Metric.RECORDING_IGNORED, written and written.is_change)
    logger.warning("Ignored: %s", notice, extra=_counted(counts, deps))
    return Done(is_success=False)


def _continue_later(message: DownloadMessage, stopped: OutOfTime, deps: Dependencies) -> Requeue:
    """Replace the message with a new one, so that the next invocation continues the copy.

    A retry would spend one of the message's receives, and a long recording may need more
    invocations than the queue allows receives. The new message says how much is copied, so that a
    copy without progress comes to an end.

    Raises:
        CopyStuck: Several invocations in a row have added nothing.
        CopyTooLong: A day has passed since the copy was first continued.
    """
    copying = continued(message.copying, stopped.stored, deps.clock())
    return Requeue(
        body=encode(msgspec.structs.replace(message, copying=copying)),
        report=partial(_report_continued, message, stopped, deps),
    )


def _report_continued(message: DownloadMessage, stopped: OutOfTime, deps: Dependencies) -> None:
    deps.status.report(message.zip_id, StatusChange(State.OC_SERIES_FOUND, str(stopped)))
    logger.info("Out of time: %s", stopped)


def _wait(
    message: DownloadMessage, reason: str, deps: Dependencies, seconds: int | None = None
) -> Outcome:
    """Requeue a message, or give up if the message has waited for a day.

    `seconds` is the delay of the message; None for a backoff.
    """
    now = deps.clock()
    first_seen = now if message.first_seen is UNSET else timestamps.parse(message.first_seen)
    age = now - first_seen
    if age >= LONGEST_WAIT:
        text = f"permanent failure: {reason} after a day: an operator is needed"
        # Without `first_seen`, a message that an operator redrives can wait for a day again.
        body = encode(msgspec.structs.replace(message, first_seen=UNSET))
        headline = f"Gave up waiting: {reason}"
        return GiveUp(reason=text, row_reason=text, headline=headline, body=body)
    delay = seconds or int(min(MAX_DELAY_SECONDS, max(FIRST_WAIT_SECONDS, age.total_seconds())))
    again = msgspec.structs.replace(message, first_seen=timestamps.write(first_seen))
    text = f"{reason}; asks again at {retry_policy.next_attempt(now, delay)}"
    return Requeue(
        body=encode(again),
        delay_seconds=delay,
        report=partial(_report_waiting, message, text, deps),
    )


def _report_waiting(message: DownloadMessage, text: str, deps: Dependencies) -> None:
    before = frozenset({State.DOWNLOADER_FAILED})
    if not deps.status.report(
        message.zip_id, StatusChange(State.SENT_TO_DOWNLOADER, text, replacing=before)
    ):
        # SENT_TO_DOWNLOADER may not replace a state in which the series is known.
        deps.status.report(message.zip_id, StatusChange(State.OC_SERIES_FOUND, text))
    logger.info("%s", text)


def _report_copy(total: Total, deps: Dependencies) -> None:
    """Log how much of a recording this invocation copied, with metrics."""
    speed = rate(total.fetched, total.seconds)
    values = {Metric.BYTES_TRANSFERRED: float(total.fetched)}
    if total.fetched:
        values[Metric.TRANSFER_RATE] = speed
    logger.info(
        "Copied" if total.is_complete else "Copied in part",
        extra={
            "fetched_bytes": total.fetched,
            "seconds": round(total.seconds, 2),
            "megabytes_per_second": speed,
            "retries": total.retries,
            **_counted(values, deps),
        },
    )


def _counted(values: Mapping[Metric, float], deps: Dependencies) -> dict[str, Any]:
    return metrics.log_fields(deps.settings.stack_name, deps.clock(), values)
