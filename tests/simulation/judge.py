"""Says of a world that has run what became of each file. Shares no code with production.

What is expected follows from the truth of the scenario and from what people were answered, by the
rules of the documents. When in doubt the judge is lenient, except about silence.
"""

from __future__ import annotations

import hashlib
import json
import re
import uuid as uuids
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

from botocore.exceptions import BotoCoreError, ClientError

from tests.simulation.aws.sqs import MessageView
from tests.simulation.cloud import EXPIRED
from tests.simulation.faults import Kind
from tests.simulation.logs import Mail
from tests.simulation.opencast import Ingest
from tests.simulation.play import Played, Request
from tests.simulation.truth import (
    CHAT,
    TRANSCRIPT,
    FileTruth,
    Forced,
    Notify,
    PlusZoom,
    RecordingTruth,
    wire,
)

MINIMUM_SECONDS = 120.0
VIEWS = frozenset(
    {
        "active_speaker",
        "shared_screen",
        "gallery_view",
        "shared_screen_with_speaker_view",
        "shared_screen_with_gallery_view",
    }
)

MAILS_FOR_A_CAUSE = 6
OUTAGE_MAIL_SECONDS = 300.0
"""An outage that lasts is told again: two kinds of failures, each every ten minutes at most."""

MESSAGES_FOR_A_RECORDING = 700
"""Seven messages that wait for a day, of which SQS delays each for a quarter of an hour at most."""

MESSAGES_AT_ONCE = 4


class Category(StrEnum):
    """What is wrong, from the worst to the least."""

    LOST = "lost"
    TWICE = "twice"
    WRONG_BYTES = "wrong bytes"
    WRONG_SERIES = "wrong series"
    STUCK = "stuck"
    BACKWARDS = "backwards"
    UNHANDLED = "unhandled"
    NOISE = "noise"
    TOLD = "told"
    OK = "ok"


@dataclass(frozen=True)
class Verdict:
    """One thing that is wrong, or that was told. `about` is the recording's uuid or ""."""

    category: Category
    about: str
    what: str

    def __str__(self) -> str:
        return f"{self.category}: {self.what}"


def judge(played: Played) -> list[Verdict]:
    """Everything that is to be said of a world; empty if all is well."""
    found: list[Verdict] = []
    for recording in played.scenario.recordings:
        found += _Recording(played, recording).verdicts()
    found += _queues(played)
    told = {verdict.about for verdict in found if verdict.category is Category.TOLD}
    found += _uploads(played, told)
    found += _states(played)
    found += _noise(played)
    found += [
        Verdict(Category.UNHANDLED, "", f"{type(error).__name__}: {error}")
        for error in played.system.errors
        if not isinstance(error, BotoCoreError | ClientError)
    ]
    return found


def worst(verdicts: list[Verdict]) -> Category:
    """The worst category among verdicts."""
    order = list(Category)
    return min((verdict.category for verdict in verdicts), key=order.index, default=Category.OK)


class _Recording:
    """What became of one recording."""

    def __init__(self, played: Played, truth: RecordingTruth) -> None:
        self.played = played
        self.truth = truth
        site = played.scenario.site
        self.requests = [
            request for request in played.requests if request.happening.uuid == truth.uuid
        ]
        classes = [
            scheduled.series
            for scheduled in site.schedule
            if scheduled.meeting_id == truth.meeting_id
        ]
        self.automatic = classes[0] if classes else site.default_series
        self.ingests = [
            ingest for ingest in played.system.opencast.ingests if ingest.uuid == truth.uuid
        ]
        self.deletions = [at for at, uuid in played.system.opencast.deleted if uuid == truth.uuid]

    def verdicts(self) -> Iterator[Verdict]:
        yield from self._files()
        yield from self._count()
        for ingest in self.ingests:
            yield from self._content(ingest)
            if ingest.series not in self.series():
                yield self._verdict(
                    Category.WRONG_SERIES, f"{ingest.id} is in series {ingest.series}"
                )

    def _verdict(self, category: Category, what: str) -> Verdict:
        return Verdict(category, self.truth.uuid, what)

    def series(self) -> set[str]:
        """The series that anything or anybody asked for."""
        found = {self.automatic}
        for request in self.requests:
            found.add(request.happening.series or self.automatic)
        return found - {""}

    # Files

    def expected(self) -> list[FileTruth]:
        """The files that have to be in Opencast, or told of."""
        if self.truth.minutes * 60 < MINIMUM_SECONDS or not self._has_series():
            return []
        told = self._told_of()
        first = min(file.begins for file in self.truth.files)
        videos = [file for file in self.truth.files if file.type not in (CHAT, TRANSCRIPT)]
        false_start = any(
            video.begins == first and video.seconds < MINIMUM_SECONDS for video in videos
        )
        kept = [
            file
            for file in self.truth.files
            if file.id in told
            and file.type != TRANSCRIPT
            and not (false_start and file.begins == first)
        ]
        known = [file for file in kept if file.recording_type in VIEWS]
        chats = [] if self._has_archive() else [file for file in kept if file.type == CHAT]
        unknown = [file for file in kept if file.type != CHAT and file not in known]
        wanted = known or unknown[:1]
        return [*wanted, *chats] if wanted else []

    def _told_of(self) -> set[str]:
        """The files that Zoom named, also in a notification that got lost, or that a request that
        was taken asked for.
        """
        found = {
            file
            for happening in self.played.scenario.happenings
            if isinstance(happening, Notify) and happening.uuid == self.truth.uuid
            for file in happening.files
        }
        for request in self.requests:
            found |= request.known if request.was_taken else set()
        return found

    def _has_series(self) -> bool:
        """Whether there is a series for the recording without anybody's mistake."""
        taken = [
            request for request in self.requests if request.was_taken and request.happening.series
        ]
        return bool(self.automatic or taken)

    def _has_archive(self) -> bool:
        asked = [request.happening for request in self.requests]
        return any(isinstance(happening, PlusZoom) and happening.all_mp4 for happening in asked)

    def _files(self) -> Iterator[Verdict]:
        inside = {content for ingest in self.ingests for content in ingest.contents}
        absent = [file for file in self.expected() if self.truth.content_of(file) not in inside]
        if absent and self.played.zoom.recordings[self.truth.uuid].is_gone:
            # A person threw it away and left it there.
            return
        for file in absent:
            how = self._told(file)
            category = Category.TOLD if how else Category.LOST
            yield self._verdict(category, f"{file.id} is not in Opencast. {how}".strip())

    def _told(self, file: FileTruth) -> str:
        """How a person was told that a file is missing; "" if nobody was."""
        for letter in self._letters():
            reason = _reason(letter)
            if reason and (not self.ingests or names(letter.body, file, self.truth)):
                return f"Dead letter: {reason}"
        last = max((ingest.finished for ingest in self.ingests), default=-1.0)
        for mail in self.played.mails:
            if self._is_about(mail):
                stops = not mail.goes_on and mail.at > last and self._is_final(mail, file)
                asks = bool(mail.advice) and not self.ingests
                if stops or asks or names(mail.text, file, self.truth):
                    return f"Mail: {mail.text}"
        return ""

    def _is_final(self, mail: Mail, file: FileTruth) -> bool:
        """Whether a mail tells of an end: the webhook's don't while Zoom sends again, and those of
        a request that a person made are about that request.
        """
        if mail.who == "on_demand":
            return False
        deliveries = self.played.zoom.deliveries
        told = [
            delivery
            for delivery in deliveries
            if file.id in delivery.notify.files and delivery.answers
        ]
        return mail.who != "webhook" or not any(delivery.was_taken for delivery in told)

    def _is_about(self, mail: Mail) -> bool:
        return self.truth.uuid in (mail.uuid, mail.zip_id.removeprefix("auto-ingest-"))

    def _letters(self) -> Iterator[MessageView]:
        cloud = self.played.cloud
        for queue in (cloud.download_dlq, cloud.upload_dlq):
            for letter in cloud.queues.messages(queue):
                if json.loads(letter.body).get("uuid") == self.truth.uuid:
                    yield letter

    # Ingests

    def _count(self) -> Iterator[Verdict]:
        own = media_package_of(self.truth.uuid)
        ids = Counter(ingest.id == own for ingest in self.ingests)
        multiple = [request for request in self.requests if _is_multiple(request)]
        again = sum(len(request.answers) for request in self.requests) if self.deletions else 0
        others = sum(len(request.answers) for request in multiple)
        if ids[True] > (1 + again if self._is_asked_for() else 0):
            yield self._verdict(Category.TWICE, f"{own} was ingested {ids[True]} times")
        if ids[False] > others:
            asked = f"{others} were asked for"
            yield self._verdict(Category.TWICE, f"{ids[False]} further events, {asked}")

    def _is_asked_for(self) -> bool:
        """Whether Zoom ever told of its files, or anybody asked for it."""
        happenings = self.played.scenario.happenings
        return any(happening.uuid == self.truth.uuid for happening in happenings)

    def _content(self, ingest: Ingest) -> Iterator[Verdict]:
        """Whether an ingest's bytes are those that its form promised, each view in order."""
        files = {self.truth.content_of(file): file for file in self.truth.files}
        last: dict[str, FileTruth] = {}
        for ingested in ingest.files:
            file = files.get(ingested.content)
            before = last.get(ingested.flavor)
            if file is None:
                problem = f"has {ingested.content} of another recording"
            elif ingested.promised and ingested.promised != ingested.content:
                problem = f"fetched {ingested.content} where {ingested.promised} was"
            elif before and before.recording_type != file.recording_type:
                problem = f"mixes {before.id} and {file.id} in one flavor"
            elif before and before.begins >= file.begins:
                problem = f"has {file.id} behind {before.id}"
            else:
                last[ingested.flavor] = file
                continue
            yield self._verdict(Category.WRONG_BYTES, f"{ingest.id} {problem} ({ingested.key})")


def _is_multiple(request: Request) -> bool:
    return isinstance(request.happening, PlusZoom) and request.happening.allow_multiple


def media_package_of(uuid: str) -> str:
    """The uuid form of md5(meeting uuid), which is the recording's own media package."""
    return str(uuids.UUID(hashlib.md5(uuid.encode(), usedforsecurity=False).hexdigest()))


def names(text: str, file: FileTruth, recording: RecordingTruth) -> bool:
    """Whether a text names a file: by its id, or by its view and the segment's start or number."""
    if file.id in text:
        return True
    # What nobody knows is told by Zoom's type behind a prefix.
    view = f"(?:unrecognized_type_)?{re.escape(file.recording_type)}"
    starts = sorted({other.begins for other in recording.files})
    number = starts.index(file.begins)
    if re.search(rf"(?<![a-z_]){view} of segment {number}\b", text):
        return True
    return bool(re.search(rf"(?<![a-z_]){view}\b", text)) and wire(file.begins) in text


def _reason(letter: MessageView) -> str:
    return letter.attributes.get("FailedReason", {}).get("StringValue", "")


def _queues(played: Played) -> Iterator[Verdict]:
    cloud = played.cloud
    for queue in (cloud.download_queue, cloud.upload_queue):
        for message in cloud.queues.messages(queue):
            uuid = json.loads(message.body).get("uuid", "")
            yield Verdict(Category.STUCK, uuid, f"A message waits on {queue.rpartition('/')[2]}")
    for queue in (cloud.download_dlq, cloud.upload_dlq):
        for message in cloud.queues.messages(queue):
            if not _reason(message):
                uuid = json.loads(message.body).get("uuid", "")
                yield Verdict(Category.STUCK, uuid, "A dead letter has no reason")
    if played.is_endless:
        yield Verdict(Category.STUCK, "", f"The world still runs after {played.world.time:.0f} s")


def _uploads(played: Played, told: set[str]) -> Iterator[Verdict]:
    """The uploads that only S3's lifecycle rule ends. Until then their parts cost money.

    Four kinds are right: a dead letter goes on with its upload, and so does a recording that comes
    back from the trash; a later message that knows more segments may number a file's key anew; a
    file that Zoom takes off its list in the midst of a copy is left out a day later. `told` are the
    recordings of which a file's absence was told.
    """
    cloud = played.cloud
    buried = {
        json.loads(letter.body).get("uuid") for letter in cloud.queues.messages(cloud.download_dlq)
    }
    trashed = {uuid for uuid, state in played.zoom.recordings.items() if state.trashed_ever}
    kept = {
        recording.meeting_id
        for recording in played.scenario.recordings
        if recording.uuid in buried | trashed | told
    }
    stored = {_unnumbered(key) for key in cloud.bucket.keys}
    for upload in (*cloud.aborted_by_rule, *cloud.bucket.open_uploads()):
        is_kept = int(upload.key.partition("/")[0]) in kept
        if not is_kept and _unnumbered(upload.key) not in stored:
            yield Verdict(Category.STUCK, "", f"An upload to {upload.key} was left open")


def _unnumbered(key: str) -> str:
    """A staging key without the number of its segment."""
    return re.sub(r"/[0-9]{3}-", "/", key)


_RANKS = {
    "RECORDING_IN_PROGRESS": 0,
    "RECORDING_PAUSED": 0,
    "RECORDING_STOPPED": 0,
    "RECORDING_PROCESSING": 1,
    "ON_DEMAND_RECEIVED": 2,
    "WEBHOOK_RECEIVED": 3,
    "SENT_TO_DOWNLOADER": 4,
    "OC_SERIES_FOUND": 5,
    "SENT_TO_UPLOADER": 6,
    "UPLOADER_RECEIVED": 7,
    "SENT_TO_OPENCAST": 8,
}
_ENDED = frozenset({"WEBHOOK_FAILED", "DOWNLOADER_FAILED", "UPLOADER_FAILED", "IGNORED"})


def _states(played: Played) -> Iterator[Verdict]:
    forced = {
        f"auto-ingest-{request.happening.uuid}"
        for request in played.requests
        if isinstance(request.happening, Forced)
    }
    for zip_id, states in played.cloud.states.items():
        if zip_id in forced:
            continue
        for (_, before), (at, after) in pairwise(states):
            if is_backwards(before, after):
                text = f"{zip_id} went from {before} to {after} at {at:.0f} s"
                yield Verdict(Category.BACKWARDS, zip_id, text)


def is_backwards(before: str, after: str) -> bool:
    """Whether a row's change of state goes back on the recording's way."""
    if EXPIRED in (before, after):
        return False
    if before == "SENT_TO_OPENCAST":
        return True
    if after in _ENDED:
        return False
    if before in _ENDED:
        return _RANKS[after] < _RANKS["WEBHOOK_RECEIVED"]
    return _RANKS[after] < _RANKS[before]


def _noise(played: Played) -> Iterator[Verdict]:
    recordings = len(played.scenario.recordings)
    causes = recordings + len(played.world.struck)
    # Equal records within ten minutes are one mail.
    mails = {(mail.text, int(mail.at // 600)) for mail in played.mails}
    outages = [fault for fault in played.world.struck if fault.kind is Kind.OUTAGE]
    during = sum(outage.seconds / OUTAGE_MAIL_SECONDS for outage in outages)
    if len(mails) > MAILS_FOR_A_CAUSE * causes + during:
        yield Verdict(Category.NOISE, "", f"{len(mails)} mails for {causes} causes")
    sent = played.cloud.sent["all", ""]
    if sent > MESSAGES_FOR_A_RECORDING * recordings:
        yield Verdict(Category.NOISE, "", f"{sent} messages for {recordings} recordings")
    for (queue, uuid), most in played.cloud.most_waiting.items():
        told = sum(
            len(delivery.answers)
            for delivery in played.zoom.deliveries
            if delivery.notify.uuid == uuid and delivery.notify.files
        )
        asked = sum(
            len(request.answers) for request in played.requests if request.happening.uuid == uuid
        )
        twice = sum(fault.kind is Kind.DELIVERED_TWICE for fault in played.world.struck)
        if most > told + asked + twice + MESSAGES_AT_ONCE:
            where = queue.rpartition("/")[2]
            yield Verdict(Category.NOISE, uuid, f"{most} messages at once on {where}")
