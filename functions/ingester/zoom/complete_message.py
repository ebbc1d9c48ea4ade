"""Complete a download message with Zoom's API, and get a new token and URLs for the files."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import msgspec

from ingester import timestamps
from ingester.errors import AskLater, FileGone, Forgotten, IngesterError
from ingester.ledger import record as ledger
from ingester.ledger.table import Ledger
from ingester.pipeline.messages import DownloadMessage, RecordingFile
from ingester.zoom.api import MeetingRecordings, ZoomApi
from ingester.zoom.download_token import Access
from ingester.zoom.webhook_events import files_of, names_of

logger = logging.getLogger("ingester.zoom")

INCOMPLETE_AT_FIRST = timedelta(hours=1)
"""Time after a request in which Zoom may provide only some of the files."""

ZOOM_SECONDS = 60.0
"""Longest duration of a request to Zoom's API about a recording's files, retries included."""


@dataclass(frozen=True)
class CompleteMessage:
    """A download message whose files Zoom has all finished.

    Attributes:
        message: The message.
        unlisted: Ids of files that Zoom has named but its API doesn't list, without those that a
            download has left out.
        omitted_files: Names, by id, of files that the ingest lacks because Zoom's API didn't list
            them within a day.
        has_video: False if Zoom's API lists all files that Zoom has named, and no video.
    """

    message: DownloadMessage
    unlisted: Sequence[str] = ()
    omitted_files: Mapping[str, str] = field(default_factory=dict)
    has_video: bool = True

    @property
    def reason(self) -> str:
        """The sentence about the files in `omitted_files`; "" if there are none."""
        if not self.omitted_files:
            return ""
        return (
            f"Zoom's API doesn't list {len(self.omitted_files)} file(s) that Zoom had named, "
            f"which stay outside: {', '.join(self.omitted_files.values())}."
        )


def complete(
    message: DownloadMessage, zoom: ZoomApi, known: Ledger, clock: Callable[[], datetime]
) -> CompleteMessage:
    """Complete a message with the fields and files that Zoom's API lists now.

    Zoom sends no second webhook event when Zoom has finished the files of the first webhook event.
    Zoom may also send several webhook events, each with some of the files (docs/decisions/0034). So
    a message may have fewer files than the ledger or Zoom's list. A message that lacks nothing
    stays as it is. Otherwise, the files of the message and of Zoom's list are added to the ledger's
    record once Zoom has finished all files on its list.

    Raises:
        AskLater: Zoom hasn't finished the files, or the list of Zoom's API is malformed, empty, or
            still lacks a file that Zoom has named.
        FileGone: Zoom doesn't know the recording any more.
        Forgotten: The recording is forgotten: an operator has removed the recording's traces.
        ZoomUnreachable, ZoomRefused: See `ZoomApi.recordings`.
        LedgerUnreadable, LedgerBusy, BotoCoreError, ClientError: The ledger's record can't be read
            or changed.
    """
    record = known.get(message.uuid)
    if record.forgotten:
        raise Forgotten(ledger.FORGOTTEN)
    named = {file.recording_id for file in message.recording_files}
    is_finished = all(file.is_completed for file in message.recording_files)
    is_complete = (
        is_finished and not message.is_partial and not ledger.unlisted_files(record, named)
    )
    answer = (
        _answer_with_others(message, zoom, clock()) if is_complete else ask_zoom(message.uuid, zoom)
    )
    if answer is None:
        return CompleteMessage(message)
    try:
        files = files_of(answer.recording_files)
    except ValueError as error:
        raise AskLater(f"Zoom's list of files lacks something: {error}") from error
    unfinished = sum(not file.is_completed for file in files)
    if unfinished or not answer.recording_files:
        raise AskLater(f"Zoom has not finished {unfinished or 'any'} of the files")
    now = clock()
    names = {**names_of(message.recording_files), **names_of(files)}
    described = [*message.recording_files, *files]
    record = known.change(message.uuid, lambda old: ledger.with_files(old, names, now, described))
    listed = {file.recording_id for file in files}
    missing = ledger.missing_files(record, listed, may_ingest_again=message.allow_multiple_ingests)
    if awaited := ledger.files_to_wait_for(missing, record, now):
        raise AskLater(f"Zoom's API doesn't list {len(awaited)} file(s) yet that Zoom has named")
    return CompleteMessage(
        with_answer(message, answer, files),
        unlisted=ledger.unlisted_files(record, listed),
        omitted_files=missing,
        has_video=any(file.is_mp4 for file in files) or not record.files.keys() <= listed,
    )


def is_new(message: DownloadMessage, now: datetime) -> bool:
    """Return whether a message is younger than `INCOMPLETE_AT_FIRST`.

    A message with a malformed time counts as older.
    """
    try:
        received = timestamps.parse(message.received_time)
    except ValueError:
        return False
    return now - received < INCOMPLETE_AT_FIRST


def _answer_with_others(
    message: DownloadMessage, zoom: ZoomApi, now: datetime
) -> MeetingRecordings | None:
    """Return Zoom's list if it has all files of a new message, and more.

    Zoom may report a recording's files in several webhook events, some minutes apart. An error of
    the list is only logged, because the message is complete without the list.

    Returns:
        Zoom's answer; None if the list has no more files or lacks a file of the message, if the
        message is on demand or isn't new, or if the list can't be read.
    """
    if message.on_demand_ingest or not is_new(message, now):
        return None
    try:
        answer = ask_zoom(message.uuid, zoom)
        listed = {file.recording_id for file in files_of(answer.recording_files)}
    except (IngesterError, ValueError) as error:
        logger.warning("It isn't known whether Zoom has more files: %s", error)
        return None
    own = {file.recording_id for file in message.recording_files}
    return answer if own < listed else None


def with_answer(
    message: DownloadMessage, answer: MeetingRecordings, files: tuple[RecordingFile, ...]
) -> DownloadMessage:
    """Return a message with `files`, and with the duration and any token of Zoom's answer.

    Other fields are taken from the answer only where the message lacks them.
    """
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


def ask_zoom(uuid: str, zoom: ZoomApi) -> MeetingRecordings:
    """Return the answer of Zoom's API about a recording and its files.

    Raises:
        FileGone: Zoom doesn't know the recording any more.
        ZoomUnreachable, ZoomRefused: See `ZoomApi.recordings`.
    """
    answer = zoom.recordings(uuid, seconds=ZOOM_SECONDS)
    if answer is None:
        raise FileGone("Zoom doesn't know this recording any more.")
    return answer


def fresh_access(message: DownloadMessage, zoom: ZoomApi) -> Access:
    """Return a new download token and the files' current URLs from Zoom's API.

    If the API returns no token, the access has the message's token.

    Raises:
        FileGone: Zoom doesn't know the recording any more.
        ZoomUnreachable, ZoomRefused: See `ZoomApi.recordings`.
    """
    answer = ask_zoom(message.uuid, zoom)
    urls = {
        str(file["id"]): str(file["download_url"])
        for file in answer.recording_files
        if file.get("id") and file.get("download_url")
    }
    return Access(answer.download_access_token or message.download_token, urls, is_fresh=True)
