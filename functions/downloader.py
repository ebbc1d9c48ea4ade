"""Download queue → S3 → upload queue: find a recording's series and stage its files."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import msgspec
import requests
from botocore.exceptions import BotoCoreError, ClientError
from msgspec import UNSET

from ingester import log, metrics, timestamps
from ingester.captions.staging import TRANSCRIPT, CaptionStaging, StagedCaptions
from ingester.errors import (
    AskLater,
    AwsFailed,
    FileGone,
    Forgotten,
    IngesterError,
    NoPresenter,
    OutOfTime,
)
from ingester.ledger import record as ledger
from ingester.ledger.record import End, IngestRecord
from ingester.ledger.table import Ledger
from ingester.metrics import Metric
from ingester.opencast import mediapackage
from ingester.pipeline import reasons, retry_policy
from ingester.pipeline.continuation import continued
from ingester.pipeline.messages import (
    CAPTIONS,
    CaptionsWanted,
    CaptionTrack,
    DownloadMessage,
    RecordingFile,
    UploadMessage,
    encode,
    overridden,
)
from ingester.pipeline.queue import MAX_DELAY_SECONDS, Queue, Received
from ingester.pipeline.states import IN_OPENCAST, Origin, State
from ingester.recording import files as recording
from ingester.recording.files import Subject, automated
from ingester.recording.staging_bucket import Staging
from ingester.recording.timeline import Timeline
from ingester.recording.upload_message import upload_message
from ingester.runtime import clients, http_pool, queue_worker
from ingester.runtime.clock import utc_now
from ingester.runtime.container import Container
from ingester.runtime.queue_worker import (
    Done,
    FailureReporter,
    GiveUp,
    Outcome,
    QueueWorker,
    Requeue,
    Retry,
    SendOn,
    SourceQueue,
)
from ingester.schedule.series_lookup import Destination, asks_the_schedule, destination_of
from ingester.schedule.table import ScheduleTable
from ingester.settings import DownloaderSettings, LambdaVariables, ZoomSecrets, read, read_secrets
from ingester.status.table import StatusChange, StatusTable
from ingester.time_zones import zone_of
from ingester.transfer import mp4
from ingester.transfer.engine import Budget, Engine, Total, forever
from ingester.transfer.multipart import Bucket
from ingester.transfer.progress import rate
from ingester.zoom.api import MeetingRecordings, ZoomApi
from ingester.zoom.download import ZoomFile
from ingester.zoom.download_token import Access
from ingester.zoom.download_urls import DownloadHosts
from ingester.zoom.stage_recording import Inspect, OpenFile, RecordingTransfer
from ingester.zoom.webhook_events import captions_among, captions_message, files_of, names_of

logger = logging.getLogger("ingester.downloader")

ZOOM_SECONDS = 60.0
"""The longest time for Zoom's API to list a recording's files, retries included."""

LONGEST_WAIT = timedelta(days=1)
"""The longest wait for Zoom to finish a recording."""

LONGEST_WAIT_FOR_CAPTIONS = timedelta(days=7)
"""How long captions are waited for that Zoom has announced or lists."""

ASKS_HOURLY = timedelta(hours=1)
ONCE_AN_HOUR = timedelta(seconds=MAX_DELAY_SECONDS + 60)
"""After a day Zoom is asked for captions at the first message of each hour: SQS delays a message by
a quarter of an hour at most."""

EACH_SEGMENT = timedelta(hours=1)
"""How long a transcript of each segment is waited for, after Zoom has made the first."""

CAPTIONS_SECONDS = 120.0
"""The least time that an invocation has to have left for captions, so that the video never waits
for them."""

FIRST_WAIT_SECONDS = 60
UNAVAILABLE_AT_FIRST = timedelta(hours=1)
"""After a webhook event Zoom may refuse to hand out a file for so long."""

CAME_LATE = "came after the captions of the event and stayed outside of them."
ADD_CAPTIONS = "If they are wanted, add them in Opencast."
ADD_THEM = "If Zoom has them after all, add them in Opencast; or a second event: \
`invoke exec.on-demand UUID --allow-multiple-ingests`."


@dataclass(frozen=True)
class Dependencies:
    """The dependencies of the use case."""

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
    clock: Callable[[], datetime]


def build() -> Dependencies:
    """Make the dependencies from the environment and the secrets in SSM."""
    settings = read(DownloaderSettings, os.environ)
    log.verbose(settings.is_debug)
    secrets = read_secrets(ZoomSecrets, clients.ssm(), settings.secrets_path)
    session, sqs = requests.Session(), clients.sqs()
    connections = settings.download_connections
    http = http_pool.http(connections)
    hosts = DownloadHosts(settings.download_hosts)
    zoom_http = http_pool.public_http(connections, settings.download_hosts)
    s3, credentials = clients.s3_for_uploads(connections)
    bucket = Bucket(s3, settings.staging_bucket, http=http, credentials=credentials)
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
        clock=utc_now,
    )


container = Container(build)


def build_source() -> SourceQueue:
    """Make the queue that drives this function, without any secret."""
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
    """Run one invocation. `build_source` needs no secret."""
    if "Records" in event:
        return queue_worker.process_event(event, build_worker, build_source)
    return process_next(event, build_worker())


def process_next(
    overrides: Mapping[str, Any], worker: QueueWorker[DownloadMessage]
) -> dict[str, Any]:
    """Process the next message for an operator, who may override the schedule's decision."""
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
    """Return the worker of one invocation. Its copies end before Lambda ends the invocation.

    `get_remaining_time_in_millis`: https://docs.aws.amazon.com/lambda/latest/dg/python-context.html
    """
    remaining = getattr(context, "get_remaining_time_in_millis", None)
    time_left = (lambda: remaining() / 1000) if remaining else forever
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
    """Retry with backoff, until the queue's limit of receives."""
    attempt, limit = received.receive_count, deps.settings.download_receive_limit
    if attempt >= limit:
        reason = f"{error} ({retry_policy.outlook(attempt, limit, '')})"
        return GiveUp(reason=reason, row_reason=f"retryable failure: {reason}", headline=reason)
    seconds = retry_policy.backoff_seconds(attempt)
    due = retry_policy.next_try(deps.clock(), seconds)
    reason = f"{error} ({retry_policy.outlook(attempt, limit, due)})"
    return Retry(seconds=seconds, report=partial(_report_retry, message, reason, due, deps))


def _report_retry(message: DownloadMessage, reason: str, due: str, deps: Dependencies) -> None:
    told = f"retryable failure: {reason}"
    deps.status.report(message.zip_id, StatusChange(State.DOWNLOADER_FAILED, told, retry_due=due))
    logger.warning("%s", reason)


def download(message: DownloadMessage, deps: Dependencies) -> Outcome:
    """Stage one recording for the uploader, or as much of it as is possible now."""
    if message.captions is not UNSET:
        return _download_captions(message, message.captions, deps)
    try:
        return _stage(message, deps)
    except Forgotten as error:
        logger.info("Dropped: %s", error)
        return Done()
    except OutOfTime as error:
        return _continue_later(message, error, deps)
    except AskLater as error:
        return _wait(message, str(error), deps)
    except FileGone as error:
        notice = deps.ledger.get(message.uuid).notice
        if notice:
            return _ignore_trashed(message, notice, deps)
        if not _is_new(message, deps):
            raise
        return _wait(message, str(error).removesuffix("."), deps)


def _is_new(message: DownloadMessage, deps: Dependencies) -> bool:
    """Return whether Zoom may not hand out all files yet: its hosts lag behind its events."""
    try:
        received = timestamps.parse(message.received_time)
    except ValueError:
        return False
    return deps.clock() - received < UNAVAILABLE_AT_FIRST


def _stage(message: DownloadMessage, deps: Dependencies) -> Outcome:
    """Stage one recording and return the uploader's message.

    Raises:
        OutOfTime: the invocation's time is nearly up.
        AskLater: Zoom doesn't hand out all files yet.
        FileGone: Zoom doesn't know the recording any more.
        Forgotten: an operator had the recording forgotten.
    """
    complete = _complete(message, deps)
    message = complete.message
    if recording.is_too_short(message.duration, deps.settings.minimum_duration):
        return _ignore(message, reasons.TOO_SHORT, deps)
    if not complete.has_video:
        if _is_new(message, deps):
            raise AskLater("Zoom lists no MP4 file of this recording yet")
        return _ignore(message, reasons.NO_MP4, deps)
    destination = _destination(message, deps)
    if not destination.series_id:
        return _ignore(message, reasons.NO_SERIES, deps)
    _report_series(message, destination, deps)
    staged = _transfer(message, deps).run(message)
    if staged.missing and _is_new(message, deps):
        raise AskLater(staged.reason.removesuffix("."))
    ready = upload_message(
        message,
        staged.pieces,
        series_id=destination.series_id,
        title=destination.title,
        zone=zone_of(deps.settings.local_time_zone),
    )
    told = ""
    if deps.settings.ingest_captions:
        ready, told = _with_captions(ready, message, deps)
    staged_ids = {piece.file.file_id for piece in staged.pieces}
    left_out = [
        file.recording_id for file in message.recording_files if file.recording_id not in staged_ids
    ]
    # Before the send: the uploader waits for a message with every file that isn't left out.
    deps.ledger.change(
        message.uuid, lambda record: ledger.without(record, [*left_out, *complete.unlisted])
    )
    reason = " ".join(filter(None, (staged.reason, _wording_of(complete.given_up), told)))
    return SendOn(
        queue=deps.uploads,
        body=encode(ready),
        group=message.uuid,
        report=partial(_report_sent, ready, reason, deps),
    )


def _report_series(message: DownloadMessage, destination: Destination, deps: Dependencies) -> None:
    """Report the series that a recording goes to."""
    written = deps.status.report(
        message.zip_id,
        StatusChange(
            State.OC_SERIES_FOUND,
            oc_series_id=destination.series_id,
            course=destination.course,
            # The webhook may not have known it.
            subject=_subject(message) if message.is_partial else None,
        ),
    )
    is_first = written and not written.had_series
    length = {Metric.RECORDING_DURATION: float(message.duration)} if is_first else {}
    series_id, title = destination.series_id, destination.title
    logger.info("Going to series %s as %s", series_id, title, extra=_counted(length, deps))


def _transfer(message: DownloadMessage, deps: Dependencies) -> RecordingTransfer:
    return RecordingTransfer(
        engine=deps.engine,
        open_file=deps.open_file,
        read_range=deps.staging.read_range,
        inspect=deps.inspect,
        refresh=lambda: _fresh_access(message, deps),
    )


def _with_captions(
    ready: UploadMessage, message: DownloadMessage, deps: Dependencies
) -> tuple[UploadMessage, str]:
    """Return the message with the captions that are there now, and what is left out of them.

    The video doesn't wait for captions. A message of their own asks for those that aren't there.
    """
    captions = _captions_now(ready, message, deps)
    if captions.waiting:
        logger.info("The captions come later: %s", ", ".join(captions.waiting))
        later = captions_message(message.uuid, (), deps.clock())
        deps.downloads.send(encode(later), delay_seconds=FIRST_WAIT_SECONDS)
    told = " ".join(captions.reasons)
    return msgspec.structs.replace(ready, captions=captions.tracks), told


def _captions_now(
    ready: UploadMessage, message: DownloadMessage, deps: Dependencies
) -> StagedCaptions:
    """Stage the captions that Zoom lists. Whatever fails, the video goes on."""
    not_yet = StagedCaptions(waiting=("all captions",))
    if deps.engine.time_left() < CAPTIONS_SECONDS:
        return not_yet
    kept = mediapackage.keep(ready, deps.settings.minimum_duration)
    try:
        timeline = mediapackage.timeline(ready, kept) if kept else ()
        answer = _ask_zoom(message, deps)
        captions = _caption_staging(message, answer, timeline, deps)
        return captions.run(captions_among(answer.recording_files))
    except NoPresenter:
        return StagedCaptions()
    except (IngesterError, BotoCoreError, ClientError) as error:
        logger.warning("The captions have to wait: %s", error)
        return not_yet
    except Exception:  # a file of somebody else's may cost the captions, never the video
        logger.exception("The captions can't be read now")
        return not_yet


def _caption_staging(
    message: DownloadMessage, answer: MeetingRecordings, timeline: Timeline, deps: Dependencies
) -> CaptionStaging:
    # The metrics of copies are about videos: a file of captions is too small to tell a speed.
    quiet = replace(deps, engine=replace(deps.engine, report=lambda _: None))
    known = _with_answer(message, answer, ())
    return CaptionStaging(_transfer(known, quiet), deps.staging, known, timeline)


def _report_sent(ready: UploadMessage, reason: str, deps: Dependencies) -> None:
    """Report what was sent to the uploader; `reason` says which files it lacks."""
    deps.status.report(ready.zip_id, StatusChange(State.SENT_TO_UPLOADER, reason))
    logger.info("Sent to the uploader", extra={"bytes": ready.total_file_bytes})
    if reason:
        logger.error("%s", reason, extra=log.goes_on("The other files go on.", ADD_THEM))


def _wording_of(given_up: Mapping[str, str]) -> str:
    """Return what people are told of files (id → name) that Zoom named and doesn't list."""
    if not given_up:
        return ""
    return (
        f"Zoom's API doesn't list {len(given_up)} file(s) that Zoom had named, which stay outside: "
        f"{', '.join(given_up.values())}."
    )


@dataclass(frozen=True)
class CompleteMessage:
    """A message that names all files of its recording, all of them finished.

    Attributes:
        message: The message.
        unlisted: The ids of files that Zoom has named and its API doesn't list.
        given_up: Those that its API hasn't listed for a day and that the ingest lacks (id → name).
        has_video: False if neither Zoom's API nor an earlier webhook event names a video.
    """

    message: DownloadMessage
    unlisted: Sequence[str] = ()
    given_up: Mapping[str, str] = field(default_factory=dict)
    has_video: bool = True


def _complete(message: DownloadMessage, deps: Dependencies) -> CompleteMessage:
    """Complete a message with what Zoom's API says now, unless it is complete already.

    Zoom sends no second event when it has finished the files of the first one. And a message may
    know fewer files than the ledger: those of one event among several.

    Raises:
        AskLater: Zoom hasn't finished the files, or its API doesn't list one yet that it has named.
        FileGone: Zoom doesn't know the recording any more.
        Forgotten: an operator had the recording forgotten.
    """
    record = deps.ledger.get(message.uuid)
    if record.forgotten:
        raise Forgotten(ledger.FORGOTTEN)
    known = {file.recording_id for file in message.recording_files}
    is_finished = all(file.is_completed for file in message.recording_files)
    if is_finished and not message.is_partial and not ledger.not_listed(record, known):
        return CompleteMessage(message)
    answer = _ask_zoom(message, deps)
    try:
        files = files_of(answer.recording_files)
    except ValueError as error:
        raise AskLater(f"Zoom's list of files lacks something: {error}") from error
    unfinished = sum(not file.is_completed for file in files)
    if unfinished or not answer.recording_files:
        raise AskLater(f"Zoom has not finished {unfinished or 'any'} of the files")
    now = deps.clock()
    names = {**names_of(message.recording_files), **names_of(files)}
    record = deps.ledger.change(message.uuid, lambda old: ledger.with_files(old, names, now))
    listed = {file.recording_id for file in files}
    missing = ledger.missing_files(record, listed, may_ingest_again=message.allow_multiple_ingests)
    if awaited := ledger.files_to_wait_for(missing, record, now):
        raise AskLater(f"Zoom's API doesn't list {len(awaited)} file(s) yet that Zoom has named")
    return CompleteMessage(
        _with_answer(message, answer, files),
        unlisted=ledger.not_listed(record, listed),
        given_up=missing,
        has_video=any(file.is_mp4 for file in files) or not record.files.keys() <= listed,
    )


def _with_answer(
    message: DownloadMessage, answer: MeetingRecordings, files: tuple[RecordingFile, ...]
) -> DownloadMessage:
    """Return the message with the files, and the fields that it lacks, from Zoom's API."""
    return msgspec.structs.replace(
        message,
        zoom_series_id=message.zoom_series_id or answer.id,
        topic=message.topic or answer.topic,
        start_time=message.start_time or answer.start_time,
        host_id=message.host_id or answer.host_id,
        recording_files=files,
        duration=answer.duration,
        download_token=answer.download_access_token or message.download_token,
    )


def _subject(message: DownloadMessage) -> Subject:
    is_automated = message.zip_id == automated(message.uuid)
    return Subject(
        meeting_id=message.zoom_series_id,
        recording_id=message.uuid,
        topic=message.topic,
        start_time=message.start_time,
        origin=Origin.WEBHOOK if is_automated else Origin.ON_DEMAND,
    )


def _ask_zoom(message: DownloadMessage, deps: Dependencies) -> MeetingRecordings:
    answer = deps.zoom.recordings(message.uuid, seconds=ZOOM_SECONDS)
    if answer is None:
        raise FileGone("Zoom knows this recording no more.")
    return answer


def _fresh_access(message: DownloadMessage, deps: Dependencies) -> Access:
    """Ask Zoom for another token and the files' current addresses."""
    answer = _ask_zoom(message, deps)
    urls = {
        str(file["id"]): str(file["download_url"])
        for file in answer.recording_files
        if file.get("id") and file.get("download_url")
    }
    return Access(answer.download_access_token or message.download_token, urls, is_fresh=True)


def _destination(message: DownloadMessage, deps: Dependencies) -> Destination:
    settings = deps.settings
    meeting = deps.schedule.get(message.zoom_series_id) if asks_the_schedule(message) else None
    return destination_of(
        message,
        meeting,
        zone=zone_of(settings.local_time_zone),
        buffer_minutes=settings.buffer_minutes,
        fallback_series_id=settings.fallback_series_id,
    )


def _ignore(message: DownloadMessage, reason: str, deps: Dependencies) -> Done:
    """End a request without staging anything."""
    subject = _subject(message) if message.is_partial else None
    deps.ledger.note(
        message.uuid, lambda record: ledger.with_end(record, message.zip_id, End.IGNORED)
    )
    written = deps.status.report(
        message.zip_id, StatusChange(State.IGNORED, reason, subject=subject)
    )
    too_short = reason == reasons.TOO_SHORT
    counts = metrics.ignored(written and written.is_change, too_short=too_short)
    logger.info("Ignored: %s", reason, extra=_counted(counts, deps))
    _report_late_files(message, deps)
    return Done()


def _report_late_files(message: DownloadMessage, deps: Dependencies) -> None:
    """Name the files of an ignored message that an earlier ingest of its recording lacks."""
    ingests = deps.ledger.get(message.uuid).ingests.values()
    names = names_of(message.recording_files)
    outside = [
        name
        for file_id, name in names.items()
        if not any(file_id in ingest.certain_files for ingest in ingests)
    ]
    if ingests and outside:
        told = f"{len(outside)} file(s) came after the ingest and stayed outside of it: "
        extra = log.goes_on("The ingest stays as it is.", ADD_THEM)
        logger.error("%s%s.", told, ", ".join(outside), extra=extra)


def _ignore_trashed(message: DownloadMessage, notice: str, deps: Dependencies) -> Done:
    """End a request for a recording that Zoom said was thrown away: that is no failure."""
    deps.ledger.change(
        message.uuid, lambda record: ledger.with_end(record, message.zip_id, End.GONE)
    )
    written = deps.status.report(message.zip_id, StatusChange(State.IGNORED, notice))
    counts = metrics.once(Metric.RECORDING_IGNORED, written and written.is_change)
    logger.warning("Ignored: %s", notice, extra=_counted(counts, deps))
    return Done(is_success=False)


def _download_captions(
    message: DownloadMessage, wanted: CaptionsWanted, deps: Dependencies
) -> Outcome:
    """Stage captions for the events of a recording that lack them.

    Captions never fail a recording: what goes wrong is waited for, and told after a week.
    """
    now = deps.clock()
    first_seen = now if message.first_seen is UNSET else timestamps.parse(message.first_seen)
    age = now - first_seen
    if LONGEST_WAIT <= age < LONGEST_WAIT_FOR_CAPTIONS and age % ASKS_HOURLY > ONCE_AN_HOUR:
        return _wait_for_captions(message, first_seen, age, "Zoom is asked once an hour")
    try:
        _send_captions(message, wanted, age, deps)
    except (IngesterError, BotoCoreError, ClientError) as error:
        reason = str(error if isinstance(error, IngesterError) else AwsFailed.of(error))
        if age < LONGEST_WAIT_FOR_CAPTIONS:
            return _wait_for_captions(message, first_seen, age, reason)
        record = deps.ledger.get(message.uuid)
        _tell_about_captions(f"After a week: {reason}", record.ingests.values(), deps)
        return Done(is_success=False)
    return Done()


def _wait_for_captions(
    message: DownloadMessage, first_seen: datetime, age: timedelta, reason: str
) -> Requeue:
    seconds = int(min(MAX_DELAY_SECONDS, max(FIRST_WAIT_SECONDS, age.total_seconds())))
    again = msgspec.structs.replace(message, first_seen=timestamps.write(first_seen))
    return Requeue(
        body=encode(again),
        delay_seconds=seconds,
        report=partial(logger.info, "The captions have to wait: %s", reason),
    )


def _send_captions(
    message: DownloadMessage, wanted: CaptionsWanted, age: timedelta, deps: Dependencies
) -> None:
    """Send the captions that are there to the uploader, for each event that lacks them.

    Raises:
        AskLater: Something isn't there yet.
        IngesterError, BotoCoreError, ClientError: A later attempt may succeed.
    """
    record = deps.ledger.get(message.uuid)
    if record.forgotten:
        logger.info("Dropped: %s", ledger.FORGOTTEN)
        return
    if not deps.settings.ingest_captions or not _expects_events(record, age):
        logger.info("There is no event for captions, and none is on its way")
        return
    events = {name: ingest for name, ingest in record.ingests.items() if ingest.timeline}
    answer = deps.zoom.recordings(message.uuid, seconds=ZOOM_SECONDS)
    if answer is None:
        logger.info("Zoom doesn't have the recording any more")
        return
    listed = captions_among(answer.recording_files)
    waiting = [
        f"the transcript {file_id}"
        for file_id in set(wanted.announced) - {file.recording_id for file in listed}
    ]
    for media_package, ingest in events.items():
        starts = {stretch.start for stretch in ingest.timeline}
        announced = {
            file.recording_id
            for file in listed
            if file.recording_id in wanted.announced and file.recording_start in starts
        }
        late = ledger.captions_outside(ingest, TRANSCRIPT, announced)
        if late:
            _tell_about_captions(f"{len(late)} transcript(s) {CAME_LATE}", [ingest], deps)
        staging = _caption_staging(message, answer, ingest.timeline, deps)
        captions = staging.run(
            [file for file in listed if CAPTIONS[file.file_type.upper()] not in ingest.captions],
            is_each_expected=age < EACH_SEGMENT,
            is_last=age >= LONGEST_WAIT_FOR_CAPTIONS,
        )
        waiting += captions.waiting
        if captions.reasons:
            _tell_about_captions(" ".join(captions.reasons), [ingest], deps)
        if captions.tracks:
            body = encode(_late_captions(staging.message, media_package, ingest, captions.tracks))
            deps.uploads.send_in_order(body, group=message.zip_id)
            logger.info("Sent captions to the uploader")
    if waiting:
        raise AskLater(f"Zoom doesn't hand out {', '.join(dict.fromkeys(waiting))}")


def _expects_events(record: ledger.Record, age: timedelta) -> bool:
    """Tell whether a recording has events, all of which Opencast certainly has.

    Raises:
        AskLater: An ingest is on its way. Before Zoom's event about the video there is no request.
    """
    requests = record.requests
    is_on_its_way = any(
        request.is_sent and request.end is None and not record.ingest_of(zip_id)
        for zip_id, request in requests.items()
    )
    if is_on_its_way or (not requests and not record.ingests and age < LONGEST_WAIT):
        raise AskLater("The recording isn't in Opencast yet")
    if not all(ingest.is_taken for ingest in record.ingests.values()):
        raise AskLater("It isn't known yet whether Opencast has the recording")
    return bool(record.ingests)


def _late_captions(
    message: DownloadMessage,
    media_package: str,
    ingest: IngestRecord,
    tracks: tuple[CaptionTrack, ...],
) -> UploadMessage:
    """Build the message that adds captions to an event."""
    return UploadMessage(
        uuid=message.uuid,
        zoom_series_id=message.zoom_series_id,
        opencast_series_id=ingest.series,
        oc_title="",
        topic=message.topic,
        created=message.start_time,
        created_local="",
        webhook_received_time=message.received_time,
        zip_id=message.zip_id,
        s3_files={},
        captions=tracks,
        late_for=media_package,
    )


def _tell_about_captions(told: str, ingests: Iterable[IngestRecord], deps: Dependencies) -> None:
    """Tell people that an event lacks captions. The recording isn't failed."""
    for ingest in ingests:
        deps.status.explain(ingest.zip_id, IN_OPENCAST, told)
    logger.error("%s", told, extra=log.goes_on("The event stays without them.", ADD_CAPTIONS))


def _continue_later(message: DownloadMessage, stopped: OutOfTime, deps: Dependencies) -> Requeue:
    """Continue a copy in the next invocation.

    A retry would spend one of the message's receives, and a long recording needs more than it has.
    The fresh message carries how far the copy is, so that one that doesn't grow comes to an end.

    Raises:
        CopyStuck: several invocations in a row have added nothing.
        CopyEndless: the copy has gone on for a day.
    """
    copying = continued(message.copying, stopped.stored, deps.clock())
    return Requeue(
        body=encode(msgspec.structs.replace(message, copying=copying)),
        report=partial(_report_continued, message, stopped, deps),
    )


def _report_continued(message: DownloadMessage, stopped: OutOfTime, deps: Dependencies) -> None:
    deps.status.report(message.zip_id, StatusChange(State.OC_SERIES_FOUND, str(stopped)))
    logger.info("Handed over: %s", stopped)


def _wait(message: DownloadMessage, reason: str, deps: Dependencies) -> Outcome:
    """Ask Zoom again later, for a day at most."""
    now = deps.clock()
    first_seen = now if message.first_seen is UNSET else timestamps.parse(message.first_seen)
    age = now - first_seen
    if age >= LONGEST_WAIT:
        told = f"permanent failure: {reason} after a day: an operator is needed"
        # Once an operator sends it back to the queue, it waits as long as a new one.
        body = encode(msgspec.structs.replace(message, first_seen=UNSET))
        headline = f"Gave up waiting: {reason}"
        return GiveUp(reason=told, row_reason=told, headline=headline, body=body)
    delay = int(min(MAX_DELAY_SECONDS, max(FIRST_WAIT_SECONDS, age.total_seconds())))
    again = msgspec.structs.replace(message, first_seen=timestamps.write(first_seen))
    told = f"{reason}; asks again at {retry_policy.next_try(now, delay)}"
    return Requeue(
        body=encode(again),
        delay_seconds=delay,
        report=partial(_report_waiting, message, told, deps),
    )


def _report_waiting(message: DownloadMessage, told: str, deps: Dependencies) -> None:
    before = frozenset({State.DOWNLOADER_FAILED})
    if not deps.status.report(
        message.zip_id, StatusChange(State.SENT_TO_DOWNLOADER, told, replacing=before)
    ):
        # SENT_TO_DOWNLOADER may not replace a state in which the series is known.
        deps.status.report(message.zip_id, StatusChange(State.OC_SERIES_FOUND, told))
    logger.info("%s", told)


def _report_copy(total: Total, deps: Dependencies) -> None:
    """Log, with metrics, how much of a recording this invocation copied, whether all or not."""
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
    return metrics.record(deps.settings.stack_name, deps.clock(), values)
