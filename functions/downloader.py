"""Download queue → S3 → upload queue: finds a recording's series and stages its files."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import requests
from botocore.exceptions import BotoCoreError, ClientError
from msgspec import UNSET

from ingester import clients, log
from ingester.container import Container
from ingester.errors import (
    AskLater,
    AwsFailed,
    FileUnavailable,
    MessageError,
    PermanentFailure,
    RetryableFailure,
)
from ingester.neighbours.queues import MAX_DELAY_SECONDS, Queue, Received, received_of
from ingester.neighbours.staging import Staging
from ingester.neighbours.tables import ScheduleTable, StatusTable
from ingester.neighbours.zoom import MeetingRecordings, ZoomApi
from ingester.neighbours.zoom_events import files_of
from ingester.retry import Sleep
from ingester.rules import attempts, recording, schedule, timestamps
from ingester.rules.messages import DownloadMessage, decode, encode, zip_id_of
from ingester.rules.staged import upload_message
from ingester.rules.states import State
from ingester.settings import DownloaderSettings, ZoomSecrets, read, read_secrets
from ingester.transfer import mp4
from ingester.transfer.recording import Access, Inspect, RecordingTransfer
from ingester.transfer.source import ZoomSource

logger = logging.getLogger("ingester.downloader")

ZOOM_SECONDS = 60.0
DEFAULT_TITLE = "Lecture"
UNFINISHED_PATIENCE = timedelta(days=1)
FIRST_WAIT_SECONDS = 60


@dataclass(frozen=True)
class Tools:
    """What the use case works with."""

    settings: DownloaderSettings
    zoom: ZoomApi
    source: ZoomSource
    staging: Staging
    status: StatusTable
    schedule: ScheduleTable
    downloads: Queue
    dead_letters: Queue
    uploads: Queue
    inspect: Inspect
    clock: Callable[[], datetime]
    sleep: Sleep


@dataclass(frozen=True)
class Overrides:
    """What an operator may decide instead of the schedule."""

    series_id: str = ""
    ignore_schedule: bool = False


def build() -> Tools:
    settings = read(DownloaderSettings, os.environ)
    log.verbose(settings.is_debug)
    secrets = read_secrets(ZoomSecrets, clients.ssm(), settings.secrets_path)
    session, sqs = requests.Session(), clients.sqs()
    return Tools(
        settings=settings,
        zoom=ZoomApi(settings, secrets, session=session, sleep=time.sleep, clock=_now),
        source=ZoomSource(session, settings.download_hosts),
        staging=Staging(clients.s3(), settings.staging_bucket),
        status=StatusTable(clients.table(settings.status_table), _now),
        schedule=ScheduleTable(clients.table(settings.schedule_table)),
        downloads=Queue(sqs, settings.download_queue_url),
        dead_letters=Queue(sqs, settings.download_dlq_url),
        uploads=Queue(sqs, settings.upload_queue_url),
        inspect=mp4.inspect,
        clock=_now,
        sleep=time.sleep,
    )


def _now() -> datetime:
    return datetime.now(UTC)


tools = Container(build)


def handler(event: Mapping[str, Any], context: object) -> dict[str, Any]:
    """SQS's entry, one message at a time; or an operator's, without records."""
    log.start(context)
    return answer(event, tools())


def answer(event: Mapping[str, Any], tools: Tools) -> dict[str, Any]:
    """Takes the event's messages; names those that are to come back."""
    if "Records" not in event:
        return invoked_directly(event, tools)
    failed = [
        {"itemIdentifier": message.message_id}
        for message in map(received_of, event["Records"])
        if not take(message, tools)
    ]
    return {"batchItemFailures": failed}


def invoked_directly(event: Mapping[str, Any], tools: Tools) -> dict[str, Any]:
    """`exec.downloader`: takes one message itself, if one is waiting."""
    message = tools.downloads.take_one()
    if message is None:
        return {"message": "nothing waiting"}
    overrides = Overrides(
        str(event.get("override_series_id") or ""), bool(event.get("ignore_schedule"))
    )
    done = take(message, tools, overrides)
    if done:
        tools.downloads.delete(message)
    return {"message": "done" if done else "failed, see the recording's row and the log"}


def take(message: Received, tools: Tools, overrides: Overrides | None = None) -> bool:
    """Handles one message; False if it is to come back. Its row tells how it went."""
    try:
        wanted = decode(message.body, DownloadMessage)
    except MessageError as error:
        _give_up(message, zip_id_of(message.body), error, tools)
        return True
    with log.about(uuid=wanted.uuid, zip_id=wanted.zip_id):
        try:
            download(wanted, _overrides(wanted, overrides), tools)
        except AskLater as error:
            _wait(wanted, error, tools)
        except PermanentFailure as error:
            _give_up(message, wanted.zip_id, error, tools)
        except RetryableFailure as error:
            _come_back(message, wanted.zip_id, error, tools)
            return False
        except (BotoCoreError, ClientError) as error:
            _come_back(message, wanted.zip_id, AwsFailed.of(error), tools)
            return False
        return True


def _overrides(wanted: DownloadMessage, given: Overrides | None) -> Overrides:
    """What was given to the invocation goes before what travels in the message."""
    given = given or Overrides()
    return Overrides(
        given.series_id or wanted.override_series_id or "",
        given.ignore_schedule or bool(wanted.ignore_schedule),
    )


def download(wanted: DownloadMessage, overrides: Overrides, tools: Tools) -> None:
    """Stages one recording and hands it to the uploader."""
    wanted = _finished(wanted, tools)
    if recording.is_too_short(wanted.duration, tools.settings.minimum_duration):
        _ignore(wanted, recording.TOO_SHORT, tools)
        return
    series_id, title = _series(wanted, overrides, tools)
    if not series_id:
        _ignore(wanted, "No opencast series match", tools)
        return
    tools.status.write(wanted.zip_id, State.OC_SERIES_FOUND, oc_series_id=series_id)
    logger.info("Going to series %s as %s", series_id, title)
    transfer = RecordingTransfer(
        source=tools.source,
        store=tools.staging,
        inspect=tools.inspect,
        refresh=lambda: _fresh_access(wanted, tools),
        sleep=tools.sleep,
    )
    pieces = transfer.run(wanted)
    ready = upload_message(
        wanted, pieces, series_id=series_id, title=title, zone=tools.settings.zone
    )
    tools.uploads.send_in_order(encode(ready), group=wanted.uuid)
    tools.status.write(wanted.zip_id, State.SENT_TO_UPLOADER)
    logger.info("Sent to the uploader", extra={"bytes": ready.total_file_bytes})


def _finished(wanted: DownloadMessage, tools: Tools) -> DownloadMessage:
    """The message with all files finished, as Zoom's API has them by now. AskLater if not yet.

    Zoom never repeats a notification that came before its files were done. One that brings late
    files alone would number its segments from 0 again and overwrite what is staged.
    """
    if all(file.is_completed for file in wanted.recording_files) and not wanted.is_partial:
        return wanted
    answer = _ask_zoom(wanted, tools)
    try:
        files = files_of(answer.recording_files)
    except ValueError as error:
        raise AskLater(f"Zoom's list of files lacks something: {error}") from error
    unfinished = sum(not file.is_completed for file in files)
    if unfinished or not files:
        raise AskLater(f"Zoom has not finished {unfinished or 'any'} of the files")
    return msgspec.structs.replace(
        wanted,
        recording_files=files,
        duration=answer.duration,
        download_token=answer.download_access_token or wanted.download_token,
    )


def _ask_zoom(wanted: DownloadMessage, tools: Tools) -> MeetingRecordings:
    answer = tools.zoom.recordings(wanted.uuid, seconds=ZOOM_SECONDS)
    if answer is None:
        raise FileUnavailable("Zoom knows this recording no more.")
    return answer


def _fresh_access(wanted: DownloadMessage, tools: Tools) -> Access:
    """Another token, and the addresses that Zoom gives now."""
    answer = _ask_zoom(wanted, tools)
    urls = {
        str(file["id"]): str(file["download_url"])
        for file in answer.recording_files
        if file.get("id") and file.get("download_url")
    }
    return Access(answer.download_access_token or wanted.download_token, urls, is_fresh=True)


def _series(wanted: DownloadMessage, overrides: Overrides, tools: Tools) -> tuple[str, str]:
    """The Opencast series that the recording goes to ("" for none), and its title."""
    asked = overrides.series_id or wanted.on_demand_series_id
    if asked:
        return asked, DEFAULT_TITLE
    meeting = None if overrides.ignore_schedule else tools.schedule.get(wanted.zoom_series_id)
    if meeting is not None:
        event = schedule.match(
            meeting,
            timestamps.parse(wanted.start_time),
            tools.settings.zone,
            tools.settings.buffer_minutes,
        )
        if event is not None and meeting.series_of(event):
            return meeting.series_of(event), event.title
    return tools.settings.fallback_series_id, DEFAULT_TITLE


def _ignore(wanted: DownloadMessage, reason: str, tools: Tools) -> None:
    tools.status.write(wanted.zip_id, State.IGNORED, reason)
    logger.info("Ignored: %s", reason)


def _wait(wanted: DownloadMessage, waiting: AskLater, tools: Tools) -> None:
    """Sends the message anew, to be taken up later: waiting spends no receives."""
    now = tools.clock()
    first_seen = now if wanted.first_seen is UNSET else timestamps.parse(wanted.first_seen)
    age = now - first_seen
    if age >= UNFINISHED_PATIENCE:
        reason = f"permanent failure: {waiting} after a day: an operator is needed"
        tools.dead_letters.bury(encode(wanted), reason)
        tools.status.write(wanted.zip_id, State.DOWNLOADER_FAILED, reason)
        logger.error("Gave up waiting: %s", waiting)
        return
    delay = int(min(MAX_DELAY_SECONDS, max(FIRST_WAIT_SECONDS, age.total_seconds())))
    again = msgspec.structs.replace(wanted, first_seen=timestamps.write(first_seen))
    tools.downloads.send(encode(again), delay_seconds=delay)
    due = attempts.next_try(now, delay)
    tools.status.write(
        wanted.zip_id,
        State.SENT_TO_DOWNLOADER,
        f"{waiting}; asks again at {due}",
        replacing=State.DOWNLOADER_FAILED,
    )
    logger.info("%s; asks again at %s", waiting, due)


def _give_up(message: Received, zip_id: str | None, error: Exception, tools: Tools) -> None:
    """A person has to look: the message goes to the dead letters, the row says why."""
    row = tools.status.get(zip_id) if zip_id and isinstance(error, FileUnavailable) else None
    if zip_id and row and row.zoom_notice:
        tools.status.write(zip_id, State.IGNORED, row.zoom_notice)
        logger.warning("Ignored: %s", row.zoom_notice)
        return
    tools.dead_letters.bury(message.body, str(error))
    if zip_id:
        reason = f"permanent failure: {error} An operator is needed."
        tools.status.write(zip_id, State.DOWNLOADER_FAILED, reason)
    logger.error("Permanent failure: %s", error)


def _come_back(message: Received, zip_id: str, error: RetryableFailure, tools: Tools) -> None:
    """May pass by itself: the message comes back with backoff, until the queue's limit."""
    limit = tools.settings.download_receive_limit
    last = message.receive_count >= limit
    seconds = 0 if last else attempts.backoff_seconds(message.receive_count)
    due = "" if last else attempts.next_try(tools.clock(), seconds)
    tools.downloads.retry_in(message, seconds)
    outlook = attempts.outlook(message.receive_count, limit, due)
    tools.status.write(
        zip_id,
        State.DOWNLOADER_FAILED,
        f"retryable failure: {error} ({outlook})",
        retry_due=due,
    )
    logger.log(logging.ERROR if last else logging.WARNING, "%s (%s)", error, outlook)
