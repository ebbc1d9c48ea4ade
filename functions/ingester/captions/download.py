"""Stage a recording's captions, chapters and summaries, and send them to the uploader.

The message with the video contains the tracks that are ready. Separate messages wait for other
captions and chapters. If Zoom has announced or lists a file, and the file is still missing after a
week, an error is logged. Nothing waits for summaries, because Opencast has no API that adds an
attachment to an event. Captions don't fail a recording, unless AWS fails, and delay a recording by
about `MAX_SECONDS` at most.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

import msgspec
from botocore.exceptions import BotoCoreError, ClientError
from msgspec import UNSET, UnsetType

from ingester import log, timestamps
from ingester.captions.staging import TRANSCRIPT, CaptionStaging, StagedCaptions
from ingester.errors import AskLater, AwsFailed, IngesterError, NoPresenter, ZoomThrottles
from ingester.ledger import record as ledger
from ingester.ledger.record import IngestRecord
from ingester.ledger.table import Ledger
from ingester.opencast import mediapackage
from ingester.pipeline.messages import (
    CHAPTERS,
    SUMMARIES,
    CaptionsRequest,
    CaptionTrack,
    DownloadMessage,
    UploadMessage,
    encode,
)
from ingester.pipeline.queue import MAX_DELAY_SECONDS, Queue
from ingester.pipeline.states import IN_OPENCAST
from ingester.recording.staging_bucket import Staging
from ingester.recording.timeline import Timeline
from ingester.runtime.queue_worker import Done, Outcome, Requeue
from ingester.settings import DownloaderSettings
from ingester.status.table import StatusTable
from ingester.zoom.api import MeetingRecordings, ZoomApi
from ingester.zoom.complete_message import ZOOM_SECONDS, ask_zoom, with_answer
from ingester.zoom.pause_table import PAUSED, ZoomPause
from ingester.zoom.stage_recording import RecordingTransfer
from ingester.zoom.webhook_events import CAPTION_KINDS, captions_among, captions_message

logger = logging.getLogger("ingester.captions")

FIRST_WAIT_SECONDS = 60

ONE_DAY = timedelta(days=1)
LONGEST_WAIT = timedelta(days=7)
"""Longest wait for captions that Zoom has announced or lists."""

LONGEST_WAIT_IN_PAUSE = LONGEST_WAIT + ONE_DAY
"""Longest wait while all downloads pause. The captions may be at Zoom after the pause."""

ONE_HOUR = timedelta(hours=1)
HOURLY_WINDOW = timedelta(seconds=MAX_DELAY_SECONDS + 60)
"""Time at the start of each hour of waiting in which the downloader asks Zoom for captions, once a
day has passed. SQS delays a message by at most MAX_DELAY_SECONDS, so at least one message arrives
in this time."""

TRANSCRIPT_WAIT = timedelta(hours=1)
"""Longest wait for a transcript of each segment. A webhook event about a transcript begins a new
wait."""

CHAPTERS_WAIT = timedelta(hours=3)
"""Longest wait for chapters that Zoom doesn't list. No webhook event announces chapters, and an
account may have none. Zoom often makes chapters after the transcript, whose webhook event begins a
new wait (`docs/captions.md`)."""

VIDEO_RESERVE_SECONDS = 120.0
"""Seconds of an invocation that captions leave to the message with the video. With less time left,
no captions are staged."""

MAX_SECONDS = 60.0
"""Maximum time in seconds for the captions in an invocation, however slowly a file arrives."""

NO_TIME = "The invocation has no time left."
CAME_LATE = "came after the captions of the event and stayed outside of them."
SUMMARIES_UNKNOWN = "Zoom's summaries stay outside, if there are any: {}"
ADD_CAPTIONS = "If they are wanted, add them in Opencast."


@dataclass(frozen=True)
class Group:
    """Kinds of captions that are fetched together. A group's late captions have their own messages.

    Attributes:
        kinds: Kinds of the group, as in `CaptionTrack`.
        expected: Kinds of the group that Zoom is expected to make of each recording.
        each_segment: Longest wait for a file of each segment, and for an expected kind.
    """

    kinds: AbstractSet[str]
    expected: tuple[str, ...]
    each_segment: timedelta

    @property
    def is_chapters(self) -> bool:
        return CHAPTERS in self.kinds

    @property
    def prefix(self) -> str:
        """Prefix of the id of a message group on the upload queue; "" except for chapters.

        With the prefix, chapters don't wait for captions.
        """
        return f"{CHAPTERS}-" if self.is_chapters else ""


CAPTIONS_GROUP = Group(CAPTION_KINDS, (), TRANSCRIPT_WAIT)
CHAPTERS_GROUP = Group(frozenset({CHAPTERS}), (CHAPTERS,), CHAPTERS_WAIT)
SUMMARIES_GROUP = Group(SUMMARIES, (), timedelta())
"""Group of the files that are sent with the video or never."""


def captions_time_left(
    time_left: Callable[[], float], clock: Callable[[], float]
) -> Callable[[], float]:
    """Begin the time limit of the captions, and return a function that returns the seconds left.

    `time_left` returns the seconds that the invocation has, of which the video keeps
    `VIDEO_RESERVE_SECONDS`. `clock` returns a monotonic time in seconds.
    """
    begin = clock()
    return lambda: min(time_left() - VIDEO_RESERVE_SECONDS, MAX_SECONDS - (clock() - begin))


def groups_of(settings: DownloaderSettings) -> list[Group]:
    """Return the groups that the settings say to ingest."""
    captions = [CAPTIONS_GROUP] if settings.ingest_captions else []
    chapters = [CHAPTERS_GROUP, SUMMARIES_GROUP] if settings.ingest_chapters else []
    return [*captions, *chapters]


@dataclass(frozen=True)
class Dependencies:
    """Clients, tables, queues, clock and settings that the staging of captions works with.

    Attributes:
        transfer_of: Returns the transfer that copies the files of a message's recording.
        time_left: Returns the seconds that the invocation has left.
    """

    settings: DownloaderSettings
    zoom: ZoomApi
    staging: Staging
    ledger: Ledger
    status: StatusTable
    downloads: Queue
    uploads: Queue
    pause: ZoomPause
    transfer_of: Callable[[DownloadMessage], RecordingTransfer]
    time_left: Callable[[], float]
    clock: Callable[[], datetime]


def with_captions(
    ready: UploadMessage, message: DownloadMessage, deps: Dependencies
) -> tuple[UploadMessage, str]:
    """Stage the captions that are ready, and return the uploader's message with them.

    The video doesn't wait for other captions. This function sends a download message for missing
    captions and one for missing chapters, but none for summaries, which can't be added later.

    Args:
        ready: The uploader's message.
        message: The download message of the recording.
        deps: Clients, tables, queues, clock and settings.

    Returns:
        The message, and sentences about files that are left out, or "". If it isn't known whether
        Zoom has summaries, only the message says so, because unknown summaries aren't worth a mail.

    Raises:
        BotoCoreError, ClientError: A download message can't be sent.
    """
    tracks: list[CaptionTrack] = []
    summaries: tuple[CaptionTrack, ...] | UnsetType = UNSET
    reasons: list[str] = []
    note: str | UnsetType = UNSET
    answer = _ask_now(message, deps)
    for group in groups_of(deps.settings):
        captions = _captions_now(group, ready, message, answer, deps)
        reasons += captions.reasons
        if group is SUMMARIES_GROUP:
            summaries = captions.tracks or UNSET
            note = SUMMARIES_UNKNOWN.format(*captions.waiting) if captions.waiting else UNSET
            continue
        if captions.waiting:
            logger.info("The captions come later: %s", ", ".join(captions.waiting))
            now = deps.clock()
            later = captions_message(message.uuid, (), now, is_chapters=group.is_chapters)
            deps.downloads.send(encode(later), delay_seconds=FIRST_WAIT_SECONDS)
        tracks += captions.tracks
    changed = msgspec.structs.replace(
        ready, captions=tuple(tracks), summaries=summaries, summaries_note=note
    )
    return changed, " ".join(reasons)


def _ask_now(message: DownloadMessage, deps: Dependencies) -> MeetingRecordings | str:
    """Ask Zoom about the recording, and return the answer, or the reason why there is none.

    No error here keeps the video from being staged.
    """
    if deps.time_left() < VIDEO_RESERVE_SECONDS:
        return NO_TIME
    try:
        return ask_zoom(message.uuid, deps.zoom)
    except IngesterError as error:
        return _why_not_now(error, message, deps)
    except Exception:
        logger.exception("Zoom can't be asked for captions now")
        return "The log has the reason."


def _captions_now(
    group: Group,
    ready: UploadMessage,
    message: DownloadMessage,
    answer: MeetingRecordings | str,
    deps: Dependencies,
) -> StagedCaptions:
    """Stage those captions of a group that Zoom lists. No error stops the video.

    `answer` is the result of `_ask_now`.
    """
    if isinstance(answer, str):
        return StagedCaptions(waiting=(answer,))
    if deps.time_left() < VIDEO_RESERVE_SECONDS:
        return StagedCaptions(waiting=(NO_TIME,))
    kept = mediapackage.select_files(ready, deps.settings.minimum_duration)
    try:
        timeline = mediapackage.timeline(ready, kept) if kept else ()
        captions = _caption_staging(message, answer, timeline, deps)
        files = captions_among(answer.recording_files, group.kinds)
        if group is SUMMARIES_GROUP:
            return captions.run_summaries(files)
        return captions.run(files, expected=group.expected)
    except NoPresenter:
        return StagedCaptions()
    except (IngesterError, BotoCoreError, ClientError) as error:
        return StagedCaptions(waiting=(_why_not_now(error, message, deps),))
    except Exception:  # An error of captions must not stop the video.
        logger.exception("The captions can't be read now")
        return StagedCaptions(waiting=("The log has the reason.",))


def _why_not_now(error: Exception, message: DownloadMessage, deps: Dependencies) -> str:
    """Return and log the reason why captions have to wait. Pause downloads if Zoom throttles."""
    if isinstance(error, ZoomThrottles):
        try:
            deps.pause.begin(message.uuid, error.retry_after)
        except (BotoCoreError, ClientError):
            logger.exception("The pause of all downloads can't be noted")
    logger.warning("The captions have to wait: %s", error)
    return _reason_of(error)


def _reason_of(error: Exception) -> str:
    return str(error if isinstance(error, IngesterError) else AwsFailed.of(error))


def _caption_staging(
    message: DownloadMessage, answer: MeetingRecordings, timeline: Timeline, deps: Dependencies
) -> CaptionStaging:
    known = with_answer(message, answer, ())
    return CaptionStaging(deps.transfer_of(known), deps.staging, known, timeline)


def download(message: DownloadMessage, request: CaptionsRequest, deps: Dependencies) -> Outcome:
    """Stage captions for a recording's events without captions, and send messages to the uploader.

    A failure is retried for a week, or for eight days while all downloads pause. Then the failure
    is reported. No failure here fails the recording.

    Raises:
        BotoCoreError, ClientError: The pause of the downloads can't be read or written; or, at the
            end of the wait, the ledger can't be read.
        LedgerUnreadable: At the end of the wait, the ledger's record can't be read.
    """
    now = deps.clock()
    first_seen = now if message.first_seen is UNSET else timestamps.parse(message.first_seen)
    age = now - first_seen
    if ONE_DAY <= age < LONGEST_WAIT and age % ONE_HOUR > HOURLY_WINDOW:
        return _wait(message, first_seen, age, "Zoom is asked once an hour")
    # At the end of the wait, ask Zoom once more in spite of a pause.
    if age < LONGEST_WAIT_IN_PAUSE and deps.pause.seconds(message.uuid):
        return _wait(message, first_seen, age, PAUSED)
    try:
        _send(message, request, age, deps)
    except ZoomThrottles as error:
        deps.pause.begin(message.uuid, error.retry_after)
        logger.warning("All downloads pause: %s", error)
        return _wait_or_end(message, first_seen, age, PAUSED, deps, LONGEST_WAIT_IN_PAUSE)
    except (IngesterError, BotoCoreError, ClientError) as error:
        return _wait_or_end(message, first_seen, age, _reason_of(error), deps, LONGEST_WAIT)
    return Done()


def _wait_or_end(
    message: DownloadMessage,
    first_seen: datetime,
    age: timedelta,
    reason: str,
    deps: Dependencies,
    longest: timedelta,
) -> Outcome:
    """Let the captions wait. After the wait `longest`, report that they are missing.

    Raises:
        LedgerUnreadable, BotoCoreError, ClientError: After the wait, the ledger can't be read.
    """
    if age < longest:
        return _wait(message, first_seen, age, reason)
    record = deps.ledger.get(message.uuid)
    waited = "a week" if longest == LONGEST_WAIT else "eight days"
    _report_missing(f"After {waited}: {reason}", record.ingests.values(), deps)
    return Done(is_success=False)


def _wait(message: DownloadMessage, first_seen: datetime, age: timedelta, reason: str) -> Requeue:
    seconds = int(min(MAX_DELAY_SECONDS, max(FIRST_WAIT_SECONDS, age.total_seconds())))
    again = msgspec.structs.replace(message, first_seen=timestamps.write(first_seen))
    return Requeue(
        body=encode(again),
        delay_seconds=seconds,
        report=partial(logger.info, "The captions have to wait: %s", reason),
    )


def _send(
    message: DownloadMessage, request: CaptionsRequest, age: timedelta, deps: Dependencies
) -> None:
    """Send the captions that are ready to the uploader, for each event that lacks them.

    `age` is the time since the message was first received.

    Raises:
        AskLater: Opencast may still get the recording, or Zoom doesn't provide the captions yet.
        IngesterError, BotoCoreError, ClientError: A later attempt may succeed.
    """
    record = deps.ledger.get(message.uuid)
    if record.forgotten:
        logger.info("Dropped: %s", ledger.FORGOTTEN)
        return
    group = CHAPTERS_GROUP if request.is_chapters is True else CAPTIONS_GROUP
    if group not in groups_of(deps.settings) or not _expects_events(record, age):
        logger.info("There is no event for captions, and none is on its way")
        return
    events = {name: ingest for name, ingest in record.ingests.items() if ingest.timeline}
    answer = deps.zoom.recordings(message.uuid, seconds=ZOOM_SECONDS)
    if answer is None:
        logger.info("Zoom doesn't have the recording any more")
        return
    listed = captions_among(answer.recording_files, group.kinds)
    waiting = [
        f"the transcript {file_id}"
        for file_id in set(request.announced) - {file.recording_id for file in listed}
    ]
    for media_package, ingest in events.items():
        starts = {stretch.start for stretch in ingest.timeline}
        announced = {
            file.recording_id
            for file in listed
            if file.recording_id in request.announced and file.recording_start in starts
        }
        late = ledger.captions_outside(ingest, TRANSCRIPT, announced)
        if late:
            _report_missing(f"{len(late)} transcript(s) {CAME_LATE}", [ingest], deps)
        staging = _caption_staging(message, answer, ingest.timeline, deps)
        captions = staging.run(
            [file for file in listed if file.captions_kind not in ingest.captions],
            expected=[kind for kind in group.expected if kind not in ingest.captions],
            is_each_expected=age < group.each_segment,
            is_last=age >= LONGEST_WAIT,
        )
        waiting += captions.waiting
        if captions.reasons:
            _report_missing(" ".join(captions.reasons), [ingest], deps)
        if captions.tracks:
            body = encode(_late_message(staging.message, media_package, ingest, captions.tracks))
            deps.uploads.send_in_order(body, group=f"{group.prefix}{message.zip_id}")
            logger.info("Sent captions to the uploader")
            _note_queued(message.uuid, media_package, captions.tracks, deps)
    if waiting:
        raise AskLater(f"Zoom doesn't hand out {', '.join(dict.fromkeys(waiting))}")


def _note_queued(
    uuid: str, media_package: str, tracks: Iterable[CaptionTrack], deps: Dependencies
) -> None:
    """Note that captions are on the upload queue, so that no later message sends them again.

    Raises:
        LedgerBusy, LedgerUnreadable, BotoCoreError, ClientError: The ledger's record can't be read
            or changed.
    """

    def noted(record: ledger.Record) -> ledger.Record:
        for track in tracks:
            record = ledger.with_queued_captions(record, media_package, track.kind, track.file_ids)
        return record

    deps.ledger.change(uuid, noted)


def _expects_events(record: ledger.Record, age: timedelta) -> bool:
    """Return whether a recording has events in Opencast, unless an ingest is on its way.

    `age` is the time since the message was first received.

    Raises:
        AskLater: An ingest is on its way, or its outcome is unknown. On the first day an ingest may
            also come without a sign in the record: the webhook event about the video may be late,
            or a failed write may have lost the note that a request's message was sent.
    """
    requests = record.requests
    pending = [
        request
        for zip_id, request in requests.items()
        if request.end is None and not record.media_package_of(zip_id)
    ]
    may_come = not record.ingests and (bool(pending) or not requests) and age < ONE_DAY
    if may_come or any(request.is_sent for request in pending):
        raise AskLater("The recording isn't in Opencast yet")
    if not all(ingest.is_taken for ingest in record.ingests.values()):
        raise AskLater("It isn't known yet whether Opencast has the recording")
    return bool(record.ingests)


def _late_message(
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


def _report_missing(text: str, ingests: Iterable[IngestRecord], deps: Dependencies) -> None:
    """Report in the row and the log that an event lacks captions. The recording hasn't failed."""
    for ingest in ingests:
        deps.status.explain(ingest.zip_id, IN_OPENCAST, text)
    logger.error("%s", text, extra=log.nonfatal("The event stays without them.", ADD_CAPTIONS))
