"""Bring a recording's captions and chapters into Opencast, with the video or to an existing event.

Summaries are sent with the video or never. A failure here doesn't fail the video, unless AWS fails.
The status row says which captions couldn't be added.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime

import msgspec
from botocore.exceptions import BotoCoreError, ClientError
from msgspec import UNSET

from ingester import log, timestamps
from ingester.errors import (
    AskLater,
    IngestBroken,
    IngesterError,
    IngestNotSent,
    IngestOutcomeUnknown,
    IngestRefused,
    OpencastUnreachable,
    StagedFileLost,
)
from ingester.ledger import record as ledger
from ingester.ledger.record import Captions as SentCaptions
from ingester.ledger.record import CaptionsState, IngestRecord, Record
from ingester.ledger.table import Ledger
from ingester.log import redact
from ingester.opencast import mediapackage
from ingester.opencast.client import Opencast, Parts
from ingester.pipeline.messages import CHAPTERS, SUMMARIES, CaptionTrack, UploadMessage
from ingester.pipeline.states import IN_OPENCAST
from ingester.recording.staging_bucket import Staging
from ingester.runtime.queue_worker import Done
from ingester.settings import UploaderSettings
from ingester.status.table import StatusTable

logger = logging.getLogger("ingester.captions")

VERSION = 15
"""First major version of Opencast that gets captions with a video: opencast/opencast#4407."""

LATE_VERSION = 16
"""First major version of Opencast that accepts tags, such as the language, with a track for an
event: opencast/opencast#5908."""

CHAPTERS_VERSION = 19
"""First major version of Opencast whose player reads chapters: opencast/opencast#7237."""

MAX_FAILURES = 2
"""Number of failed attempts after which the video is ingested without captions, because the
captions may be the cause."""

NO_ATTACHMENTS = "Its summaries stay outside: this Opencast takes no attachments (OC_CHAT_AS)."
WITHOUT_THEM = "Its {} stay outside, because ingests with them failed."
OUTCOME_UNKNOWN = "It isn't known whether the event has its {}: look for them in Opencast."
ADD_CAPTIONS = "If they are wanted, add or publish them in Opencast."


@dataclass(frozen=True)
class Dependencies:
    """Clients, tables, clock and settings that the upload of captions works with."""

    settings: UploaderSettings
    opencast: Opencast
    staging: Staging
    ledger: Ledger
    status: StatusTable
    clock: Callable[[], datetime]
    new_id: Callable[[], str]


@dataclass(frozen=True)
class IngestedCaptions:
    """The captions that are sent with an ingest.

    Attributes:
        parts: Parts of the ingest form for the captions.
        sent: Entries for the ledger about captions and chapters, by their kind.
        reason: Sentences about captions that are left out, and about summaries that Zoom may have;
            "" if there are no such sentences.
    """

    parts: Parts = ()
    sent: dict[str, SentCaptions] = field(default_factory=dict)
    reason: str = ""


def tracks_of(message: UploadMessage) -> tuple[CaptionTrack, ...]:
    """Return the captions, chapters and summaries of a message."""
    captions = () if message.captions is UNSET else message.captions
    return captions if message.summaries is UNSET else (*captions, *message.summaries)


def name_of(tracks: Iterable[CaptionTrack]) -> str:
    """Return the words for `tracks`, such as "captions and chapters"."""
    return _name_of_kinds(track.kind for track in tracks)


def _name_of_kinds(kinds: Iterable[str]) -> str:
    return " and ".join(dict.fromkeys(map(_word_of, kinds)))


def _word_of(kind: str) -> str:
    if kind in SUMMARIES:
        return "summaries"
    return "chapters" if kind == CHAPTERS else "captions"


def captions_to_ingest(
    message: UploadMessage, record: Record, address_seconds: int, deps: Dependencies
) -> IngestedCaptions:
    """Return the captions to ingest with a recording. Captions that can't be sent are left out.

    `address_seconds` is the time in seconds for which the files' URLs are valid.

    Raises:
        BotoCoreError, ClientError: S3 failed.
    """
    given = tracks_of(message)
    note = message.summaries_note or ""
    if not given:
        return IngestedCaptions(reason=note)
    if record.request(message.zip_id).failures >= MAX_FAILURES:
        return IngestedCaptions(reason=f"{WITHOUT_THEM.format(name_of(given))} {note}".strip())
    try:
        version = deps.opencast.version()
    except OpencastUnreachable:
        version = None
    problems = {track: _stays_outside(track, version, deps.settings.oc_chat_as) for track in given}
    language = deps.settings.captions_language
    parts: list[tuple[str, str]] = []
    for track in given:
        if not problems[track]:
            try:
                address = deps.staging.address_of_captions(track, address_seconds)
                parts += mediapackage.caption_parts(track, address, language)
            except StagedFileLost as error:
                problems[track] = f"Its {name_of([track])} stay outside: {error}"
    tracks = [track for track in given if not problems[track]]
    reason = " ".join(filter(None, dict.fromkeys([*problems.values(), note])))
    attempt = deps.new_id()
    sent = {
        track.kind: SentCaptions(files=track.file_ids, state=CaptionsState.DONE, attempt=attempt)
        for track in tracks
        if track.kind not in SUMMARIES
    }
    return IngestedCaptions(parts, sent, reason)


def add(message: UploadMessage, media_package: str, deps: Dependencies) -> Done:
    """Add captions to an event that is in Opencast, each kind once, and publish them.

    The status row says which captions couldn't be added. The other captions are added and published
    all the same. No failure here fails the recording.

    Raises:
        AskLater: A workflow of the event is running, Opencast doesn't show the event yet, or
            another process has changed the record.
        LedgerUnreadable: The ledger's record can't be read.
        RetryableFailure, BotoCoreError, ClientError: A later attempt may succeed.
    """
    ingest = deps.ledger.get(message.uuid).ingests.get(media_package)
    tracks = tracks_of(message)
    if ingest is None or all(_is_done(ingest, track) for track in tracks):
        logger.info("The event has these captions already, or isn't the pipeline's any more")
        return Done()
    version = deps.opencast.version()
    too_old = next(filter(None, (_too_old(version, each, LATE_VERSION) for each in tracks)), "")
    if too_old:
        return _report_missing(ingest, too_old, deps, logging.WARNING)
    if not deps.opencast.has_event(media_package):
        if deps.clock() - timestamps.parse(ingest.posted_at) < ledger.POST_ARRIVAL_LIMIT:
            raise AskLater("Opencast doesn't show the event yet")
        logger.info("The event isn't in Opencast any more: it gets no captions")
        return Done()
    if deps.opencast.has_active_workflow(media_package):
        raise AskLater("A workflow of the event is running")
    problems: list[str] = []
    try:
        for track in tracks:
            problem = _add_track(message.uuid, media_package, track, deps)
            problems.append(problem)
        problems.append(_publish(message.uuid, media_package, deps))
    except (IngesterError, BotoCoreError, ClientError):
        # Later attempts might get no further than this one, so write the problems into the row now.
        # Log the problems only with the attempt that succeeds, because each error record becomes a
        # mail.
        if text := _text_of(problems):
            deps.status.explain(ingest.zip_id, IN_OPENCAST, text)
        raise
    text = _text_of(problems)
    return _report_missing(ingest, text, deps) if text else Done()


def _text_of(problems: Iterable[str]) -> str:
    return " ".join(filter(None, dict.fromkeys(problems)))


def _is_done(ingest: IngestRecord, track: CaptionTrack) -> bool:
    known = ingest.captions.get(track.kind)
    return known is not None and known.state is CaptionsState.DONE and not known.is_refused


def _add_track(uuid: str, media_package: str, track: CaptionTrack, deps: Dependencies) -> str:
    """Add captions to the event. Return the problem, or "" if there is no problem.

    The attempt is noted in the ledger before the POST, so that no other attempt adds the same
    captions. After Opencast has refused captions, only captions of other files are POSTed.

    Raises:
        AskLater: A workflow is running, or another process has changed the record.
        IngestNotSent: No connection was made.
        LedgerBusy, LedgerUnreadable: See `Ledger.change`.
        BotoCoreError, ClientError: AWS failed.
    """
    record = deps.ledger.get(uuid)
    ingest = record.ingests.get(media_package)
    if ingest is None:
        return ""
    known = ingest.captions.get(track.kind)
    if known and not _may_be_posted(known, track):
        is_unknown = known.state is CaptionsState.SENT
        return OUTCOME_UNKNOWN.format(_word_of(track.kind)) if is_unknown else known.problem
    try:
        content = deps.staging.read(track.filename)
    except StagedFileLost as error:
        return f"Its {_word_of(track.kind)} stay outside: {error}"
    attempt = deps.new_id()
    sent = SentCaptions(files=track.file_ids, state=CaptionsState.SENT, attempt=attempt)
    if not deps.ledger.replace(
        record, ledger.with_captions(record, media_package, track.kind, sent)
    ):
        # As in `IngestOnce`, the write may have succeeded although its answer was lost.
        now = deps.ledger.get(uuid).ingests.get(media_package)
        written = now.captions.get(track.kind) if now else None
        if written is None or written.attempt != attempt:
            raise AskLater("The recording's record in the ledger has just changed")
    return _post(uuid, media_package, track, content, sent, deps)


def _post(
    uuid: str,
    media_package: str,
    track: CaptionTrack,
    content: bytes,
    sent: SentCaptions,
    deps: Dependencies,
) -> str:
    """POST captions noted as `sent`, and note the outcome if it is known. See `_add_track`."""

    def note(state: CaptionsState, problem: str = "") -> None:
        captions = msgspec.structs.replace(
            sent, state=state, is_refused=bool(problem), problem=problem
        )
        deps.ledger.change(
            uuid, lambda record: ledger.with_captions(record, media_package, track.kind, captions)
        )

    flavor = mediapackage.caption_flavor(track.kind)
    tags = mediapackage.caption_tags(track.kind, deps.settings.captions_language)
    name = f"{track.kind}.vtt"
    try:
        is_added = deps.opencast.add_track(media_package, flavor, tags, name, content)
    except IngestNotSent:
        note(CaptionsState.QUEUED)
        raise
    except IngestRefused as error:
        problem = redact(f"Its {_word_of(track.kind)} stay outside: {error}")
        note(CaptionsState.DONE, problem)
        return problem
    except (IngestBroken, IngestOutcomeUnknown) as error:
        return f"{error} {OUTCOME_UNKNOWN.format(_word_of(track.kind))}"
    note(CaptionsState.ADDED if is_added else CaptionsState.QUEUED)
    if not is_added:
        raise AskLater("A workflow of the event is running")
    logger.info("Added %s to the event", track.kind)
    return ""


def _may_be_posted(known: SentCaptions, track: CaptionTrack) -> bool:
    """Return whether a track may be POSTed.

    A track may be POSTed while its captions are queued, or if Opencast has refused captions that
    were made of other files.
    """
    if known.is_refused:
        return known.files != track.file_ids
    return known.state is CaptionsState.QUEUED


def _publish(uuid: str, media_package: str, deps: Dependencies) -> str:
    """Start the workflow that publishes an event's added captions, and note the captions as done.

    An earlier invocation may have added the captions, and ended before it could publish them.

    Returns:
        The reason why the captions aren't published; "" if the captions are published, or if the
        ledger has no captions to publish.

    Raises:
        AskLater: A workflow of the event is running.
        OpencastUnreachable, OpencastRefused: See `Opencast.start_workflow`.
        LedgerBusy, LedgerUnreadable: See `Ledger.change`.
        BotoCoreError, ClientError: AWS failed.
    """
    ingest = deps.ledger.get(uuid).ingests.get(media_package)
    if ingest is None:
        logger.info("Dropped: %s", ledger.FORGOTTEN)
        return ""
    kinds = [kind for kind, each in ingest.captions.items() if each.state is CaptionsState.ADDED]
    if not kinds:
        return ""
    added = _name_of_kinds(kinds)
    name = deps.settings.captions_workflow
    text = ""
    if not name:
        text = f"Its {added} were added after the ingest. They wait for a workflow to publish them."
    elif not deps.opencast.start_workflow(media_package, name):
        text = f"Its {added} were added, but Opencast has no workflow {name} to publish them."

    def note(record: Record) -> Record:
        known_ingest = record.ingests.get(media_package)
        for kind, known in (known_ingest.captions if known_ingest else {}).items():
            if known.state is CaptionsState.ADDED:
                done = msgspec.structs.replace(
                    known, state=CaptionsState.DONE, problem=redact(text)
                )
                record = ledger.with_captions(record, media_package, kind, done)
        return record

    deps.ledger.change(uuid, note)
    if not text:
        logger.info("The event's %s were added after the ingest", added)
    return text


def _report_missing(
    ingest: IngestRecord, text: str, deps: Dependencies, level: int = logging.ERROR
) -> Done:
    """Report a problem with captions in the row and the log. The recording hasn't failed."""
    deps.status.explain(ingest.zip_id, IN_OPENCAST, text)
    logger.log(level, "%s", text, extra=log.nonfatal("The ingest stays as it is.", ADD_CAPTIONS))
    return Done()


def _stays_outside(track: CaptionTrack, version: int | None, chat_as: str) -> str:
    """Return the reason why a track can't be sent with an ingest; "" if the track can be sent.

    `version` is Opencast's major version, or None if it is unknown. `chat_as` is `OC_CHAT_AS`.
    """
    if track.kind in SUMMARIES:
        return "" if mediapackage.takes_attachments(chat_as) else NO_ATTACHMENTS
    return _too_old(version, track, VERSION)


def _too_old(version: int | None, track: CaptionTrack, least: int) -> str:
    """Return the reason why Opencast is too old for a track; "" if Opencast isn't too old.

    Captions need the version `least`, and chapters `CHAPTERS_VERSION`. An unknown version (None)
    counts as too old.
    """
    needed = CHAPTERS_VERSION if track.kind == CHAPTERS else least
    if version is not None and version >= needed:
        return ""
    text = "doesn't tell its version" if version is None else f"has the version {version}"
    return f"Its {_word_of(track.kind)} stay outside: this Opencast {text}, and they need {needed}."
