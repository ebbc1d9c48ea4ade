"""Download queue → S3 → upload queue: finds a recording's series and stages its files."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import msgspec
import requests
from botocore.exceptions import BotoCoreError, ClientError
from msgspec import UNSET

from ingester import log, metrics, timestamps
from ingester.errors import (
    AskLater,
    AwsFailed,
    FileGone,
    MessageError,
    OutOfTime,
    PermanentFailure,
    RetryableFailure,
    Unforeseen,
)
from ingester.ledger import record as ledger
from ingester.ledger.record import End
from ingester.ledger.table import Ledger
from ingester.metrics import Metric
from ingester.pipeline import reasons
from ingester.pipeline import retry_policy as attempts
from ingester.pipeline.continuation import continued
from ingester.pipeline.messages import (
    DownloadMessage,
    RecordingFile,
    decode,
    encode,
    overridden,
    zip_id_of,
)
from ingester.pipeline.queue import MAX_DELAY_SECONDS, Queue, Received, received_of
from ingester.pipeline.states import Origin, State
from ingester.recording import files as recording
from ingester.recording.files import Subject, automated
from ingester.recording.staging_bucket import Staging
from ingester.recording.upload_message import upload_message
from ingester.runtime import clients, unready
from ingester.runtime import http_pool as connections
from ingester.runtime.container import Container
from ingester.runtime.unready import Waiting
from ingester.schedule.series_lookup import Destination, asks_the_schedule, destination_of
from ingester.schedule.table import ScheduleTable
from ingester.settings import DownloaderSettings, ZoomSecrets, read, read_secrets
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
from ingester.zoom.webhook_events import files_of, names_of

logger = logging.getLogger("ingester.downloader")

ZOOM_SECONDS = 60.0
UNFINISHED_PATIENCE = timedelta(days=1)
FIRST_WAIT_SECONDS = 60
HANDING_OUT = timedelta(hours=1)
"""How long after a notification a file that Zoom doesn't hand out is waited for."""

ADD_THEM = "If Zoom has them after all, add them in Opencast; or a second event: \
`invoke exec.on-demand UUID --allow-multiple-ingests`."


@dataclass(frozen=True)
class Dependencies:
    """What the use case works with."""

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
    settings = read(DownloaderSettings, os.environ)
    log.verbose(settings.is_debug)
    secrets = read_secrets(ZoomSecrets, clients.ssm(), settings.secrets_path)
    session, sqs = requests.Session(), clients.sqs()
    at_once = settings.download_connections
    http = connections.http(at_once)
    s3, credentials = clients.s3_for_uploads(at_once)
    bucket = Bucket(s3, settings.staging_bucket, http=http, credentials=credentials)
    return Dependencies(
        settings=settings,
        zoom=ZoomApi(settings, secrets, session=session, sleep=time.sleep, clock=_now),
        engine=Engine(bucket, Budget(connections=at_once)),
        open_file=partial(ZoomFile, http=http, hosts=DownloadHosts(settings.download_hosts)),
        staging=Staging(s3, settings.staging_bucket),
        ledger=Ledger(clients.table(settings.recordings_table), _now),
        status=StatusTable(clients.table(settings.status_table), _now),
        schedule=ScheduleTable(clients.table(settings.schedule_table)),
        downloads=Queue(sqs, settings.download_queue_url),
        dead_letters=Queue(sqs, settings.download_dlq_url),
        uploads=Queue(sqs, settings.upload_queue_url),
        inspect=mp4.inspect,
        clock=_now,
    )


def _now() -> datetime:
    return datetime.now(UTC)


container = Container(build)


def handler(event: Mapping[str, Any], context: object) -> dict[str, Any]:
    """SQS's entry, one message at a time; or an operator's, without records."""
    log.start(context)
    return run(event, container, context, _waiting)


def run(
    event: Mapping[str, Any],
    built: Callable[[], Dependencies],
    context: object,
    waiting: Callable[[], Waiting],
) -> dict[str, Any]:
    """One invocation. `built` gives the dependencies; `waiting` those that need no secret."""
    try:
        ready = in_time_of(context, built())
    except unready.CAUSES as error:
        if "Records" not in event:
            raise
        return unready.put_off(event, error, waiting())
    return answer(event, ready)


def _waiting() -> Waiting:
    settings, sqs = read(DownloaderSettings, os.environ), clients.sqs()
    dead_letters = Queue(sqs, settings.download_dlq_url)
    return Waiting(
        queue=Queue(sqs, settings.download_queue_url),
        limit=settings.download_receive_limit,
        bury=lambda message, reason: dead_letters.bury(message.body, reason),
    )


def in_time_of(context: object, deps: Dependencies) -> Dependencies:
    """The deps for one invocation: what it copies ends before Lambda ends it.

    `get_remaining_time_in_millis`: https://docs.aws.amazon.com/lambda/latest/dg/python-context.html
    """
    remaining = getattr(context, "get_remaining_time_in_millis", None)
    time_left = (lambda: remaining() / 1000) if remaining else forever
    engine = replace(deps.engine, time_left=time_left, report=partial(_report, deps=deps))
    return replace(deps, engine=engine)


def answer(event: Mapping[str, Any], deps: Dependencies) -> dict[str, Any]:
    """Takes the event's messages; names those that are to come back."""
    if "Records" not in event:
        return invoked_directly(event, deps)
    failed = [
        {"itemIdentifier": message.message_id}
        for message in map(received_of, event["Records"])
        if not take(message, deps)
    ]
    return {"batchItemFailures": failed}


def invoked_directly(event: Mapping[str, Any], deps: Dependencies) -> dict[str, Any]:
    """`exec.downloader`: takes one message itself, if one is waiting."""
    message = deps.downloads.take_one()
    if message is None:
        return {"message": "nothing waiting"}
    series_id = str(event.get("override_series_id") or "")
    body = overridden(message.body, series_id, bool(event.get("ignore_schedule")))
    done = take(msgspec.structs.replace(message, body=body), deps)
    is_other = body != message.body
    if not done and is_other:
        _replace(message, body, deps)
    if done or is_other:
        deps.downloads.delete(message)
    ended_well = done and not _has_failed(body, deps)
    return {"message": "done" if ended_well else "failed, see the recording's row and the log"}


def _has_failed(body: str, deps: Dependencies) -> bool:
    """Whether the ledger says that the message's request failed for good."""
    try:
        wanted = decode(body, DownloadMessage)
    except MessageError:
        return True
    return deps.ledger.get(wanted.uuid).request(wanted.zip_id).end in (End.FAILED, End.GONE)


def _replace(message: Received, body: str, deps: Dependencies) -> None:
    """Send the message with what the operator decided: the queue's own one lacks that.

    The new message has all its attempts before it.
    """
    wait = attempts.backoff_seconds(message.receive_count)
    deps.downloads.send(body, delay_seconds=wait)


def take(message: Received, deps: Dependencies) -> bool:
    """Handles one message; False if it is to come back. Its row tells how it went."""
    try:
        wanted = decode(message.body, DownloadMessage)
    except MessageError as error:
        with log.about(zip_id=zip_id_of(message.body) or ""):
            _give_up(message, "", zip_id_of(message.body), error, deps)
        return True
    with log.about(uuid=wanted.uuid, zip_id=wanted.zip_id):
        try:
            _step(wanted, deps)
        except PermanentFailure as error:
            _give_up(message, wanted.uuid, wanted.zip_id, error, deps)
        except RetryableFailure as error:
            return _come_back(message, wanted, error, deps)
        except (BotoCoreError, ClientError) as error:
            return _come_back(message, wanted, AwsFailed.of(error), deps)
        except Exception as error:
            if message.receive_count < deps.settings.download_receive_limit:
                raise
            # SQS would bury it, and its row would say that it is on its way.
            _give_up(message, wanted.uuid, wanted.zip_id, Unforeseen.of(error), deps)
        return True


def _step(wanted: DownloadMessage, deps: Dependencies) -> None:
    """Download, or send the message anew if there is more to do later."""
    try:
        download(wanted, deps)
    except OutOfTime as error:
        _hand_over(wanted, error, deps)
    except AskLater as error:
        _wait(wanted, error, deps)
    except FileGone as error:
        if _is_thrown_away(wanted, deps):
            return
        if not _is_new(wanted, deps):
            raise
        _wait(wanted, AskLater(str(error).removesuffix(".")), deps)


def _is_new(wanted: DownloadMessage, deps: Dependencies) -> bool:
    """Whether Zoom may not hand out all files yet: its hosts lag behind its notifications."""
    try:
        received = timestamps.parse(wanted.received_time)
    except ValueError:
        return False
    return deps.clock() - received < HANDING_OUT


def download(wanted: DownloadMessage, deps: Dependencies) -> None:
    """Stage one recording and hand it to the uploader."""
    wanted, unlisted, given_up = _complete(wanted, deps)
    if recording.is_too_short(wanted.duration, deps.settings.minimum_duration):
        _ignore(wanted, reasons.TOO_SHORT, deps)
        return
    going = _destination(wanted, deps)
    series_id, title = going.series_id, going.title
    if not series_id:
        _ignore(wanted, reasons.NO_SERIES, deps)
        return
    written = deps.status.report(
        wanted.zip_id,
        StatusChange(
            State.OC_SERIES_FOUND,
            oc_series_id=series_id,
            course=going.course,
            # The webhook may not have known it.
            subject=_subject(wanted) if wanted.is_partial else None,
        ),
    )
    is_first = written and not written.had_series
    length = {Metric.RECORDING_DURATION: float(wanted.duration)} if is_first else {}
    logger.info("Going to series %s as %s", series_id, title, extra=_counted(length, deps))
    transfer = RecordingTransfer(
        engine=deps.engine,
        open_file=deps.open_file,
        read_range=deps.staging.read_range,
        inspect=deps.inspect,
        refresh=lambda: _fresh_access(wanted, deps),
    )
    staged = transfer.run(wanted)
    if staged.missing and _is_new(wanted, deps):
        raise AskLater(staged.reason.removesuffix("."))
    ready = upload_message(
        wanted,
        staged.pieces,
        series_id=series_id,
        title=title,
        zone=zone_of(deps.settings.local_time_zone),
    )
    staged_ids = {piece.file.file_id for piece in staged.pieces}
    left_out = [
        file.recording_id for file in wanted.recording_files if file.recording_id not in staged_ids
    ]
    # Before the send: the uploader waits for a message with every file that isn't left out.
    deps.ledger.change(wanted.uuid, lambda record: ledger.without(record, [*left_out, *unlisted]))
    reason = " ".join(filter(None, (staged.reason, _told(given_up))))
    deps.uploads.send_in_order(encode(ready), group=wanted.uuid)
    deps.status.report(wanted.zip_id, StatusChange(State.SENT_TO_UPLOADER, reason))
    logger.info("Sent to the uploader", extra={"bytes": ready.total_file_bytes})
    if reason:
        logger.error("%s", reason, extra=log.goes_on("The other files go on.", ADD_THEM))


def _told(given_up: Mapping[str, str]) -> str:
    """What people are told of files (id → name) that Zoom named and doesn't list; "" without."""
    if not given_up:
        return ""
    return (
        f"Zoom's API doesn't list {len(given_up)} file(s) that Zoom had named, which stay outside: "
        f"{', '.join(given_up.values())}."
    )


def _complete(
    wanted: DownloadMessage, deps: Dependencies
) -> tuple[DownloadMessage, Sequence[str], Mapping[str, str]]:
    """The message with every file of the recording, all finished, as Zoom's API has them by now.

    Also the ids of files that Zoom has named and doesn't list, and the names (by id) of those among
    them that it still doesn't list after a day, and that no ingest holds. Zoom never repeats a
    notification that came before its files were done, and a message may know fewer files than the
    ledger: those of one notification among several.

    Raises:
        AskLater: Zoom hasn't finished the files, or doesn't list one yet that it has named.
        FileGone: Zoom knows the recording no more.
    """
    record = deps.ledger.get(wanted.uuid)
    known = {file.recording_id for file in wanted.recording_files}
    is_finished = all(file.is_completed for file in wanted.recording_files)
    if is_finished and not wanted.is_partial and not ledger.not_listed(record, known):
        return wanted, (), {}
    answer = _ask_zoom(wanted, deps)
    try:
        files = files_of(answer.recording_files)
    except ValueError as error:
        raise AskLater(f"Zoom's list of files lacks something: {error}") from error
    unfinished = sum(not file.is_completed for file in files)
    if unfinished or not files:
        raise AskLater(f"Zoom has not finished {unfinished or 'any'} of the files")
    now = deps.clock()
    names = {**names_of(wanted.recording_files), **names_of(files)}
    record = deps.ledger.change(wanted.uuid, lambda old: ledger.with_files(old, names, now))
    listed = {file.recording_id for file in files}
    if awaited := ledger.files_to_wait_for(record, listed, now):
        raise AskLater(f"Zoom's API doesn't list {len(awaited)} file(s) yet that Zoom has named")
    unlisted = ledger.not_listed(record, listed)
    return _filled(wanted, answer, files), unlisted, ledger.files_given_up(record, listed)


def _filled(
    wanted: DownloadMessage, answer: MeetingRecordings, files: tuple[RecordingFile, ...]
) -> DownloadMessage:
    """The message with the files and the rest that Zoom's API tells."""
    return msgspec.structs.replace(
        wanted,
        zoom_series_id=wanted.zoom_series_id or answer.id,
        topic=wanted.topic or answer.topic,
        start_time=wanted.start_time or answer.start_time,
        host_id=wanted.host_id or answer.host_id,
        recording_files=files,
        duration=answer.duration,
        download_token=answer.download_access_token or wanted.download_token,
    )


def _subject(wanted: DownloadMessage) -> Subject:
    is_automated = wanted.zip_id == automated(wanted.uuid)
    return Subject(
        meeting_id=wanted.zoom_series_id,
        recording_id=wanted.uuid,
        topic=wanted.topic,
        start_time=wanted.start_time,
        origin=Origin.WEBHOOK if is_automated else Origin.ON_DEMAND,
    )


def _ask_zoom(wanted: DownloadMessage, deps: Dependencies) -> MeetingRecordings:
    answer = deps.zoom.recordings(wanted.uuid, seconds=ZOOM_SECONDS)
    if answer is None:
        raise FileGone("Zoom knows this recording no more.")
    return answer


def _fresh_access(wanted: DownloadMessage, deps: Dependencies) -> Access:
    """Another token, and the addresses that Zoom gives now."""
    answer = _ask_zoom(wanted, deps)
    urls = {
        str(file["id"]): str(file["download_url"])
        for file in answer.recording_files
        if file.get("id") and file.get("download_url")
    }
    return Access(answer.download_access_token or wanted.download_token, urls, is_fresh=True)


def _destination(wanted: DownloadMessage, deps: Dependencies) -> Destination:
    settings = deps.settings
    meeting = deps.schedule.get(wanted.zoom_series_id) if asks_the_schedule(wanted) else None
    return destination_of(
        wanted,
        meeting,
        zone=zone_of(settings.local_time_zone),
        buffer_minutes=settings.buffer_minutes,
        fallback_series_id=settings.fallback_series_id,
    )


def _ignore(wanted: DownloadMessage, reason: str, deps: Dependencies) -> None:
    subject = _subject(wanted) if wanted.is_partial else None
    _note_end(wanted.uuid, wanted.zip_id, End.IGNORED, deps)
    written = deps.status.report(
        wanted.zip_id, StatusChange(State.IGNORED, reason, subject=subject)
    )
    too_short = reason == reasons.TOO_SHORT
    counts = metrics.ignored(written and written.is_change, too_short=too_short)
    logger.info("Ignored: %s", reason, extra=_counted(counts, deps))
    _tell_of_late_files(wanted, deps)


def _tell_of_late_files(wanted: DownloadMessage, deps: Dependencies) -> None:
    """Name the files of an ignored message that an earlier ingest of its recording lacks."""
    ingests = deps.ledger.get(wanted.uuid).ingests.values()
    names = names_of(wanted.recording_files)
    outside = [
        name for file_id, name in names.items() if not any(file_id in one.files for one in ingests)
    ]
    if ingests and outside:
        told = f"{len(outside)} file(s) came after the ingest and stayed outside of it: "
        extra = log.goes_on("The ingest stays as it is.", ADD_THEM)
        logger.error("%s%s.", told, ", ".join(outside), extra=extra)


def _counted(values: Mapping[Metric, float], deps: Dependencies) -> dict[str, Any]:
    return metrics.record(deps.settings.stack_name, deps.clock(), values)


def _report(total: Total, deps: Dependencies) -> None:
    """One record for what was copied of a recording in this invocation, with its metrics."""
    speed = rate(total.fetched, total.seconds)
    values = {Metric.BYTES_TRANSFERRED: float(total.fetched)}
    if total.fetched:
        values[Metric.TRANSFER_RATE] = speed
    logger.info(
        "Copied",
        extra={
            "fetched_bytes": total.fetched,
            "seconds": round(total.seconds, 2),
            "megabytes_per_second": speed,
            "retries": total.retries,
            **_counted(values, deps),
        },
    )


def _hand_over(wanted: DownloadMessage, ended: OutOfTime, deps: Dependencies) -> None:
    """Send the message anew, for the next invocation to go on where this one stopped.

    A message that came back would spend one of its receives, and a long recording all of them: so
    it is another one. It carries how far the copy is: one that doesn't grow comes to an end.

    Raises:
        CopyStuck: nothing was added in several invocations in a row.
        CopyEndless: it has gone on for a day.
    """
    copying = continued(wanted.copying, ended.stored, deps.clock())
    deps.downloads.send(encode(msgspec.structs.replace(wanted, copying=copying)))
    deps.status.report(wanted.zip_id, StatusChange(State.OC_SERIES_FOUND, str(ended)))
    logger.info("Handed over: %s", ended)


def _wait(wanted: DownloadMessage, waiting: AskLater, deps: Dependencies) -> None:
    """Sends the message anew, to be taken up later: waiting spends no receives."""
    now = deps.clock()
    first_seen = now if wanted.first_seen is UNSET else timestamps.parse(wanted.first_seen)
    age = now - first_seen
    if age >= UNFINISHED_PATIENCE:
        reason = f"permanent failure: {waiting} after a day: an operator is needed"
        # Retried, it waits as long as a new one.
        anew = msgspec.structs.replace(wanted, first_seen=UNSET)
        deps.dead_letters.bury(encode(anew), reason)
        _note_end(wanted.uuid, wanted.zip_id, End.FAILED, deps)
        deps.status.report(wanted.zip_id, StatusChange(State.DOWNLOADER_FAILED, reason))
        logger.error("Gave up waiting: %s", waiting, extra=_failed(deps))
        return
    delay = int(min(MAX_DELAY_SECONDS, max(FIRST_WAIT_SECONDS, age.total_seconds())))
    again = msgspec.structs.replace(wanted, first_seen=timestamps.write(first_seen))
    deps.downloads.send(encode(again), delay_seconds=delay)
    due = attempts.next_try(now, delay)
    reason = f"{waiting}; asks again at {due}"
    before = frozenset({State.DOWNLOADER_FAILED})
    if not deps.status.report(
        wanted.zip_id, StatusChange(State.SENT_TO_DOWNLOADER, reason, replacing=before)
    ):
        # Its series is known already: a row never moves backwards.
        deps.status.report(wanted.zip_id, StatusChange(State.OC_SERIES_FOUND, reason))
    logger.info("%s; asks again at %s", waiting, due)


def _is_thrown_away(wanted: DownloadMessage, deps: Dependencies) -> bool:
    """Whether Zoom said that the recording was thrown away: then it is no failure."""
    notice = deps.ledger.get(wanted.uuid).notice
    if not notice:
        return False
    deps.ledger.change(wanted.uuid, lambda record: ledger.with_end(record, wanted.zip_id, End.GONE))
    written = deps.status.report(wanted.zip_id, StatusChange(State.IGNORED, notice))
    counts = metrics.once(Metric.RECORDING_IGNORED, written and written.is_change)
    logger.warning("Ignored: %s", notice, extra=_counted(counts, deps))
    return True


def _note_end(uuid: str, zip_id: str, end: End, deps: Dependencies) -> None:
    """Note in the ledger how a request ended, once its message is where it belongs."""
    deps.ledger.note(uuid, lambda record: ledger.with_end(record, zip_id, end))


def _give_up(
    message: Received, uuid: str, zip_id: str | None, error: Exception, deps: Dependencies
) -> None:
    """A person has to look: the message goes to the dead letters, the row says why."""
    deps.dead_letters.bury(message.body, str(error))
    if zip_id:
        if uuid:
            end = End.GONE if isinstance(error, FileGone) else End.FAILED
            _note_end(uuid, zip_id, end, deps)
        reason = f"permanent failure: {error} An operator is needed."
        deps.status.report(zip_id, StatusChange(State.DOWNLOADER_FAILED, reason))
    cause = isinstance(error, Unforeseen)
    logger.error("Permanent failure: %s", error, exc_info=cause, extra=_failed(deps))


def _failed(deps: Dependencies) -> dict[str, Any]:
    return {"outlook": attempts.BURIED, **_counted(metrics.once(Metric.RECORDING_FAILED), deps)}


def _come_back(
    message: Received, wanted: DownloadMessage, error: RetryableFailure, deps: Dependencies
) -> bool:
    """May pass by itself: the message comes back with backoff (False), until the queue's limit."""
    limit = deps.settings.download_receive_limit
    last = message.receive_count >= limit
    seconds = attempts.backoff_seconds(message.receive_count)
    due = "" if last else attempts.next_try(deps.clock(), seconds)
    outlook = attempts.outlook(message.receive_count, limit, due)
    if last:
        # SQS would bury it without a reason.
        deps.dead_letters.bury(message.body, f"{error} ({outlook})")
    else:
        deps.downloads.retry_in(message, seconds)
    deps.status.report(
        wanted.zip_id,
        StatusChange(
            State.DOWNLOADER_FAILED, f"retryable failure: {error} ({outlook})", retry_due=due
        ),
    )
    if last:
        _note_end(wanted.uuid, wanted.zip_id, End.FAILED, deps)
        logger.error("%s (%s)", error, outlook, extra=_failed(deps))
    else:
        logger.warning("%s (%s)", error, outlook)
    return last
