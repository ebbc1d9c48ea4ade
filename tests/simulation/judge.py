"""Judge a world that has run: its files, uploads, messages, states, mails and errors.

The judge shares no code with production. The judge derives the expected result from the scenario,
the answers that people got and the project's documents. In unclear cases the judge is lenient,
except about a file that is missing without a report.
"""

from __future__ import annotations

import hashlib
import math
import re
import uuid as uuids
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from tests.simulation.aws.sqs import MessageView
from tests.simulation.cloud import EXPIRED, uuid_of
from tests.simulation.faults import Kind
from tests.simulation.logs import Mail
from tests.simulation.opencast import CAPTIONS, CHAPTERS, Ingest
from tests.simulation.play import Played, Request
from tests.simulation.truth import (
    CHAPTERS as CHAPTERS_TYPE,
)
from tests.simulation.truth import (
    CHAT,
    SUMMARIES,
    TRANSCRIPT,
    VIDEO,
    VIEWS,
    FileTruth,
    Forced,
    PlusZoom,
    RecordingTruth,
    WebhookEvent,
    wire,
)
from tests.simulation.world import BEGIN

MINIMUM_SECONDS = 120.0

UNTITLED = "…"
"""The title of the chapter that fills a segment for which Zoom made no chapters."""

CUE = re.compile(r"(\d\d):(\d\d):(\d\d\.\d{3}) --> .*\n(.*)")

TEXTS = (TRANSCRIPT, CHAPTERS_TYPE)
"""The types of files that become captions, chapters and summaries."""

CHAPTERS_IN_TIME = 2 * 3600.0
"""Seconds after a transcript's webhook event for which the pipeline always waits for chapters."""

MAILS_FOR_A_CAUSE = 6
OUTAGE_MAIL_SECONDS = 300.0
"""Seconds of an outage for which one mail is allowed.

Two kinds of failures are mailed, each once in ten minutes.
"""

MESSAGES_FOR_A_RECORDING = 700
"""Most messages sent for a recording.

Seven messages that wait for a day, and that return to the queue every 15 minutes, count as 672.
"""

MESSAGES_FOR_CAPTIONS = 700
"""Most messages sent for the captions of one webhook event or request.

A message that waits for a week, and that returns to the queue every 15 minutes, counts as 672.
"""

MESSAGES_AT_ONCE = 4

MOST_QUESTIONS = 90
"""Most requests to Opencast about a workflow: polls of a week with a backoff, and some repeats."""

SLOWEST_QUESTION = 6 * 3600.0
"""Most seconds from a workflow's end until the pipeline asks Opencast about the ingest."""


class Category(StrEnum):
    """Kind of a verdict, from the worst to the best.

    REPORTED means that the pipeline reported a missing file.
    """

    LOST = "lost"
    TWICE = "twice"
    WRONG_BYTES = "wrong bytes"
    WRONG_SERIES = "wrong series"
    STUCK = "stuck"
    BACKWARDS = "backwards"
    UNHANDLED = "unhandled"
    UNREPORTED = "unreported"
    NOISE = "noise"
    REPORTED = "reported"
    OK = "ok"


@dataclass(frozen=True)
class Verdict:
    """A mistake, or the report of a missing file. `about` is a recording's uuid, a zip id or ""."""

    category: Category
    about: str
    what: str

    def __str__(self) -> str:
        return f"{self.category}: {self.what}"


def judge(played: Played) -> list[Verdict]:
    """Return every mistake and report in a world, or an empty list if the world ended well."""
    found: list[Verdict] = []
    for recording in played.scenario.recordings:
        found += _Recording(played, recording).verdicts()
    found += _queues(played)
    reported = {verdict.about for verdict in found if verdict.category is Category.REPORTED}
    found += _uploads(played, reported)
    found += _states(played)
    found += _noise(played)
    found += [
        Verdict(Category.UNHANDLED, "", f"{type(error).__name__}: {error}")
        for error in played.system.errors
        if not isinstance(error, BotoCoreError | ClientError)
    ]
    return found


def worst(verdicts: list[Verdict]) -> Category:
    """Return the worst category of the verdicts, or OK without verdicts."""
    order = list(Category)
    return min((verdict.category for verdict in verdicts), key=order.index, default=Category.OK)


class _Recording:
    """The judge of one recording."""

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
        yield from self._captions()
        for ingest in self.ingests:
            yield from self._summaries(ingest)
        if self.played.scenario.site.follows:
            yield from self._followed()
        yield from self._staged()
        for ingest in self.ingests:
            yield from self._content(ingest)
            if ingest.series not in self.series():
                yield self._verdict(
                    Category.WRONG_SERIES, f"{ingest.id} is in series {ingest.series}"
                )

    def _verdict(self, category: Category, what: str) -> Verdict:
        return Verdict(category, self.truth.uuid, what)

    def series(self) -> set[str]:
        """Return the series that the schedule, the settings or a request names."""
        found = {self.automatic}
        for request in self.requests:
            found.add(request.happening.series or self.automatic)
        return found - {""}

    def expected(self) -> list[FileTruth]:
        """Return the files that must be in Opencast, or be reported as missing."""
        if self.truth.minutes * 60 < MINIMUM_SECONDS or not self._has_series():
            return []
        named = self._named_or_requested()
        first = min(file.begins for file in self.truth.files)
        videos = [file for file in self.truth.files if file.type not in (CHAT, *TEXTS)]
        false_start = any(
            video.begins == first and video.seconds < MINIMUM_SECONDS for video in videos
        )
        kept = [
            file
            for file in self.truth.files
            if file.id in named
            and file.type not in TEXTS
            and not (false_start and file.begins == first)
        ]
        known = [file for file in kept if file.recording_type in VIEWS]
        chats = [] if self._has_archive() else [file for file in kept if file.type == CHAT]
        unknown = [file for file in kept if file.type != CHAT and file not in known]
        wanted = known or unknown[:1]
        return [*wanted, *chats] if wanted else []

    def _named_or_requested(self) -> set[str]:
        """Return the ids of files in accepted requests and in webhook events, even in lost ones."""
        found = {
            file
            for happening in self.played.scenario.happenings
            if isinstance(happening, WebhookEvent) and happening.uuid == self.truth.uuid
            for file in happening.files
        }
        for request in self.requests:
            found |= request.known if request.was_taken else set()
        return found

    def _has_series(self) -> bool:
        """Return whether the schedule, the settings or an accepted request names a series."""
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
            # A person left the recording in Zoom's trash.
            return
        for file in absent:
            report = self._report_of(file)
            category = Category.REPORTED if report else Category.LOST
            yield self._verdict(category, f"{file.id} is not in Opencast. {report}".strip())

    def _report_of(self, file: FileTruth) -> str:
        """Return a text on a DLQ or in a mail that reports a missing file, or ""."""
        for message in self._dead_letters():
            reason = _reason(message)
            if _is_about_captions(reason):
                # A failure of captions doesn't explain why a video is missing.
                continue
            if reason and (not self.ingests or names(message.body, file, self.truth)):
                return f"In the DLQ: {reason}"
        last = max((ingest.finished for ingest in self.ingests), default=-1.0)
        for mail in self.played.mails:
            if self._is_about(mail):
                stops = not mail.goes_on and mail.at > last and self._is_final(mail, file)
                asks = bool(mail.advice) and not self.ingests
                is_general = (stops or asks) and not _is_about_captions(mail.text)
                if is_general or names(mail.text, file, self.truth):
                    return f"Mail: {mail.text}"
        return ""

    def _is_final(self, mail: Mail, file: FileTruth) -> bool:
        """Return whether a mail reports that nothing more happens to a file.

        A mail of the webhook isn't such a report if the webhook accepted a webhook event with the
        file. A mail of "+Zoom" is about the person's request, and a mail of follow is about files
        in Opencast, so neither mail is such a report.
        """
        if mail.who in ("on_demand", "follow"):
            return False
        deliveries = self.played.zoom.deliveries
        about_file = [
            delivery
            for delivery in deliveries
            if file.id in delivery.webhook_event.files and delivery.answers
        ]
        return mail.who != "webhook" or not any(delivery.was_taken for delivery in about_file)

    def _is_about(self, mail: Mail) -> bool:
        return self.truth.uuid in (mail.uuid, mail.zip_id.removeprefix("auto-ingest-"))

    def _dead_letters(self) -> Iterator[MessageView]:
        for message in self.played.cloud.dead_letters():
            if uuid_of(message.body) == self.truth.uuid:
                yield message

    def _followed(self) -> Iterator[Verdict]:
        """Yield a verdict for each mistake of follow.

        The mistakes are an ingest that is still followed, a wrong result, a failed or open result
        without a mail, and more than `MOST_QUESTIONS` requests about a workflow.
        """
        record = self.played.cloud.recordings.items()
        known = next((item for item in record if item["uuid"] == self.truth.uuid), {})
        latest = {ingest.id: ingest for ingest in self.ingests}
        for media_package, ingest in latest.items():
            noted = known.get("ingests", {}).get(media_package)
            if noted is None or not _is_taken(noted):
                continue
            following = noted.get("following", {})
            fate = following.get("fate") or ""
            if following.get("due") or not following:
                yield self._verdict(Category.STUCK, f"{media_package} is still followed")
            elif fate != self._fate(ingest) != "either":
                text = f"{media_package} is {fate or 'open'}, really {self._fate(ingest)}"
                yield self._verdict(Category.UNREPORTED, text)
            elif fate in ("failed", "") and not self._is_mailed(ingest):
                yield self._verdict(
                    Category.UNREPORTED, f"Nobody knows that {media_package} {fate}"
                )
        for ingest in self.ingests:
            asked = self.played.system.opencast.questions[str(ingest.number)]
            if asked > MOST_QUESTIONS:
                yield self._verdict(Category.NOISE, f"{asked} questions about {ingest.id}")

    def _fate(self, ingest: Ingest) -> str:
        """Return the fate of an ingest: "published", "failed", "deleted", "either", or "".

        "either" means a deletion after the publication. Follow may have seen the deletion or not.
        "" means that the workflow is paused, or succeeded without a publication.
        """
        end = _FATES.get(ingest.end, "")
        deleted = [at for at in self.deletions if at >= ingest.finished]
        # Following ends with the publication or a deletion, and otherwise after a week.
        until = ingest.ends + SLOWEST_QUESTION if end == "published" else math.inf
        if not deleted or min(deleted) > until:
            return end
        return "deleted" if end != "published" or min(deleted) < ingest.ends else "either"

    def _is_mailed(self, ingest: Ingest) -> bool:
        return any(
            mail.who == "follow" and self._is_about(mail) and mail.at >= ingest.ends
            for mail in self.played.mails
        )

    def _staged(self) -> Iterator[Verdict]:
        """Yield a verdict for each staged file that was released too early.

        A release is too early if Opencast has no file of the recording yet.
        """
        own = f"{self.truth.uuid}|"
        taken = [at for at, content in self.played.system.opencast.taken if own in content]
        for at, stored in self.played.cloud.bucket.tagged:
            content = stored.content.decode()
            if own in content and at - BEGIN.timestamp() < min(taken, default=math.inf):
                yield self._verdict(Category.LOST, f"{content} was given up before its ingest")

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
        """Return whether anything in the scenario concerns the recording, such as a request."""
        happenings = self.played.scenario.happenings
        return any(happening.uuid == self.truth.uuid for happening in happenings)

    def _content(self, ingest: Ingest) -> Iterator[Verdict]:
        """Yield a verdict for each file of an ingest with wrong bytes, view, order or flavor.

        `_captions` checks captions and chapters.
        """
        files = {self.truth.content_of(file): file for file in self.truth.files}
        last: dict[str, FileTruth] = {}
        for ingested in ingest.files:
            if ingested.flavor in (CAPTIONS, CHAPTERS):
                continue
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
            elif file.is_summary and ingested.flavor != SUMMARIES[file.recording_type]:
                problem = f"has {file.id} as {ingested.flavor}"
            else:
                last[ingested.flavor] = file
                continue
            yield self._verdict(Category.WRONG_BYTES, f"{ingest.id} {problem} ({ingested.key})")

    def _captions(self) -> Iterator[Verdict]:
        """Yield verdicts about captions and chapters that are missing, extra or wrong.

        An event has captions and chapters at most once for each of its ingests. Captions begin one
        second after a segment's start, chapters at the start and 100 seconds later.
        """
        site = self.played.scenario.site
        if site.captions:
            yield from self._texts(CAPTIONS, (1.0,), is_needed=self._needs_captions())
        if site.chapters:
            yield from self._texts(CHAPTERS, (0.0, 100.0), is_needed=self._needs_chapters())

    def _summaries(self, ingest: Ingest) -> Iterator[Verdict]:
        """Yield a verdict for each missing and for each extra summary of an ingest.

        A missing summary counts if the summary was due and in time, and nobody trashed the
        recording. The summaries of the ingest's segments are due if the site has chapters and
        attachments. The pipeline stages summaries after the videos. So a summary was in time if
        Zoom served it no later than the last video. `_content` checks the bytes.
        """
        site = self.played.scenario.site
        own = {self.truth.content_of(file): file for file in self.truth.files}
        first = ingest.files[0].flavor
        videos = [own[each.content] for each in ingest.files if each.content in own]
        staged = max((file.fetchable for file in videos if file.type == VIDEO), default=-math.inf)
        segments = {
            own[each.content].begins
            for each in ingest.files
            if each.flavor == first and each.content in own
        }
        for file in (file for file in self.truth.files if file.is_summary):
            may_be_there = site.chapters and site.attachments and file.begins in segments
            count = ingest.contents.count(self.truth.content_of(file))
            is_in_time = max(file.finished, file.fetchable, file.listed) <= staged
            if count > may_be_there:
                wanted = "once" if may_be_there else "not at all"
                text = f"{ingest.id} has {file.id} {count} time(s), wanted {wanted}"
                yield self._verdict(Category.TWICE, text)
            elif may_be_there and is_in_time and not count and not self._was_trashed():
                report = self._report_of_summary(file)
                category = Category.REPORTED if report else Category.LOST
                text = f"{file.id} of {ingest.id} is not in Opencast. {report}".strip()
                yield self._verdict(category, text)

    def _was_trashed(self) -> bool:
        return self.played.zoom.recordings[self.truth.uuid].trashed_ever

    def _report_of_summary(self, file: FileTruth) -> str:
        """Return a text in a row or a mail that reports a missing summary, or ""."""
        name = SUMMARIES[file.recording_type].partition("/")[0]
        mails = [mail.text for mail in self.played.mails if self._is_about(mail)]
        for text in (*self.played.cloud.reasons.get(self.truth.uuid, ()), *mails):
            is_named = f"The {name}" in text and wire(file.begins) in text
            if is_named or "summaries stay outside" in text:
                return f"Told: {text}"
        return ""

    def _texts(
        self, flavor: str, seconds: tuple[float, ...], *, is_needed: bool
    ) -> Iterator[Verdict]:
        what = flavor.partition("/")[0]
        times = Counter(ingest.id for ingest in self.ingests)
        for ingest in {ingest.id: ingest for ingest in self.ingests}.values():
            found = [
                captions
                for captions in self.played.system.opencast.captions
                if captions.event == ingest.id and captions.flavor == flavor
            ]
            if len(found) > times[ingest.id]:
                yield self._verdict(Category.TWICE, f"{ingest.id} has {what} {len(found)} times")
            for captions in found:
                yield from self._cues(ingest, captions.text, what, seconds)
            if not found and is_needed:
                report = self._report_of_captions(what)
                category = Category.REPORTED if report else Category.LOST
                text = f"The {what} of {ingest.id} is not in Opencast. {report}".strip()
                yield self._verdict(category, text)

    def _cues(
        self, ingest: Ingest, text: str, what: str, seconds_of_cues: tuple[float, ...]
    ) -> Iterator[Verdict]:
        """Yield a verdict for each cue that isn't the recording's, or begins at a wrong time.

        The right times are `seconds_of_cues` after the segment's start in the first flavor's video.
        """
        own = {self.truth.content_of(file): file for file in self.truth.files}
        begins: dict[float, float] = {}
        length = 0.0
        for ingested in ingest.files:
            if ingested.flavor == ingest.files[0].flavor and ingested.content in own:
                begins[own[ingested.content].begins] = length
                length += own[ingested.content].seconds
        for hours, minutes, seconds, token in CUE.findall(text):
            at = int(hours) * 3600 + int(minutes) * 60 + float(seconds)
            file = own.get(token)
            if file is None and not (token == UNTITLED and what == "chapters"):
                yield self._verdict(Category.WRONG_BYTES, f"{ingest.id} has {what} of {token}")
            elif file is not None and not any(
                abs(begins.get(file.begins, -9.0) + second - at) < 0.01
                for second in seconds_of_cues
            ):
                yield self._verdict(Category.WRONG_BYTES, f"{ingest.id} has {token} at {at} s")

    def _needs_captions(self) -> bool:
        """Return whether captions are due.

        Captions are due if the webhook accepted webhook events about all transcripts, and
        `_may_have_texts` is true of version 16.
        """
        files = [file for file in self.truth.files if file.type == TRANSCRIPT]
        told = {file_id for event in self._transcript_events() for file_id in event.files}
        all_told = bool(files) and {file.id for file in files} <= told
        return all_told and self._may_have_texts(16)

    def _needs_chapters(self) -> bool:
        """Return whether chapters are due.

        Chapters are due if Zoom listed all of them less than `CHAPTERS_IN_TIME` seconds after the
        last accepted webhook event about transcripts, and `_may_have_texts` is true of version 19.
        """
        listed = [file.listed for file in self.truth.files if file.is_chapters]
        last = max((event.at for event in self._transcript_events()), default=-math.inf)
        in_time = bool(listed) and max(listed) < last + CHAPTERS_IN_TIME
        return in_time and self._may_have_texts(19)

    def _transcript_events(self) -> list[WebhookEvent]:
        """Return the webhook events about the recording's transcripts that the webhook accepted."""
        return [
            delivery.webhook_event
            for delivery in self.played.zoom.deliveries
            if delivery.webhook_event.event == "recording.transcript_completed"
            and delivery.webhook_event.uuid == self.truth.uuid
            and delivery.was_taken
        ]

    def _may_have_texts(self, version: int) -> bool:
        """Return whether Opencast has the version or a later version, and nothing was deleted.

        A deletion is a move to Zoom's trash, or a deletion of the recording's events in Opencast.
        """
        is_old = int(self.played.scenario.site.opencast_version.partition(".")[0]) < version
        return not (is_old or self._was_trashed() or self.deletions)

    def _report_of_captions(self, what: str) -> str:
        """Return a text on a DLQ or in a mail that reports missing captions or chapters, or "".

        `what` is "captions" or "chapters".
        """
        words = {"captions": ("captions", "transcript"), "chapters": ("chapter",)}[what]
        for message in self._dead_letters():
            if any(word in _reason(message) for word in words):
                return f"In the DLQ: {_reason(message)}"
        mails = [mail.text for mail in self.played.mails if self._is_about(mail)]
        texts = (text for text in mails if any(word in text for word in words))
        return next((f"Mail: {text}" for text in texts), "")


def _is_about_captions(text: str) -> bool:
    return any(word in text for word in ("captions", "transcript", "chapter", "summar"))


def _is_taken(noted: Mapping[str, Any]) -> bool:
    """Return whether the ledger says that Opencast has an ingest."""
    outcomes = [post.get("outcome") for post in noted.get("posts", ())]
    return bool(noted.get("is_shown")) or "taken" in outcomes


def _is_multiple(request: Request) -> bool:
    return isinstance(request.happening, PlusZoom) and request.happening.allow_multiple


def media_package_of(uuid: str) -> str:
    """Return the id of the recording's own media package: the md5 of `uuid`, written as a uuid."""
    return str(uuids.UUID(hashlib.md5(uuid.encode(), usedforsecurity=False).hexdigest()))


def names(text: str, file: FileTruth, recording: RecordingTruth) -> bool:
    """Return whether a text names a file by id, or by view and segment (its start or number)."""
    if file.id in text:
        return True
    # The pipeline names an unknown view by a prefix and Zoom's type.
    view = f"(?:unrecognized_type_)?{re.escape(file.recording_type)}"
    starts = sorted({other.begins for other in recording.files})
    number = starts.index(file.begins)
    if re.search(rf"(?<![a-z_]){view} of segment {number}\b", text):
        return True
    return bool(re.search(rf"(?<![a-z_]){view}\b", text)) and wire(file.begins) in text


def _reason(message: MessageView) -> str:
    return message.attributes.get("FailedReason", {}).get("StringValue", "")


def _queues(played: Played) -> Iterator[Verdict]:
    cloud = played.cloud
    for queue in (cloud.download_queue, cloud.upload_queue):
        for message in cloud.queues.messages(queue):
            where = queue.rpartition("/")[2]
            yield Verdict(Category.STUCK, uuid_of(message.body), f"A message waits on {where}")
    for message in cloud.dead_letters():
        if not _reason(message):
            yield Verdict(
                Category.STUCK,
                uuid_of(message.body),
                "A message in a DLQ has no reason",
            )
    if played.is_endless:
        yield Verdict(Category.STUCK, "", f"The world still runs after {played.world.time:.0f} s")


def _uploads(played: Played, reported: set[str]) -> Iterator[Verdict]:
    """Yield a verdict for each upload that was left open without an allowed reason.

    Its parts cost money until S3's lifecycle rule ends it. There are five allowed reasons. A
    message redriven from the DLQ and a recording recovered from the trash continue their uploads. A
    later message with more segments may renumber a file's key. A file that leaves Zoom's list
    during its copy is left out a day later. Nothing continues the copy of a summary.

    `reported` are the uuids of the recordings with a file that is reported as missing.
    """
    cloud = played.cloud
    dead = {uuid_of(message.body) for message in cloud.queues.messages(cloud.download_dlq)}
    trashed = {uuid for uuid, state in played.zoom.recordings.items() if state.trashed_ever}
    kept = {
        recording.meeting_id
        for recording in played.scenario.recordings
        if recording.uuid in dead | trashed | reported
    }
    stored = {_unnumbered(key) for key in cloud.bucket.keys}
    for upload in (*cloud.aborted_by_rule, *cloud.bucket.open_uploads()):
        is_kept = int(upload.key.partition("/")[0]) in kept or _is_of_summary(upload.key)
        if not is_kept and _unnumbered(upload.key) not in stored:
            yield Verdict(Category.STUCK, "", f"An upload to {upload.key} was left open")


def _is_of_summary(key: str) -> bool:
    """Return whether a staging key belongs to a summary."""
    return any(f"-{flavor.partition('/')[0]}-" in key for flavor in SUMMARIES.values())


def _unnumbered(key: str) -> str:
    """Return a staging key without the number of its segment."""
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
    "OPENCAST_FAILED": 9,
    "PUBLISHED": 10,
    "OPENCAST_DELETED": 10,
}
_FATES = {"SUCCEEDED": "published", "FAILED": "failed", "STOPPED": "failed"}
_IN_OPENCAST = frozenset({"SENT_TO_OPENCAST", "OPENCAST_FAILED", "PUBLISHED", "OPENCAST_DELETED"})
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
    """Return whether a row's change of state contradicts the order of the pipeline's steps."""
    if EXPIRED in (before, after):
        return False
    if before in _IN_OPENCAST:
        return _RANKS.get(after, 0) <= _RANKS[before]
    if after in _ENDED:
        return False
    if before in _ENDED:
        return _RANKS[after] < _RANKS["WEBHOOK_RECEIVED"]
    return _RANKS[after] < _RANKS[before]


def _noise(played: Played) -> Iterator[Verdict]:
    recordings = len(played.scenario.recordings)
    causes = recordings + len(played.world.struck)
    # Production sends one mail for equal records within ten minutes.
    mails = {(mail.text, int(mail.at // 600)) for mail in played.mails}
    outages = [fault for fault in played.world.struck if fault.kind is Kind.OUTAGE]
    during = sum(outage.seconds / OUTAGE_MAIL_SECONDS for outage in outages)
    most = MAILS_FOR_A_CAUSE * (1 + played.scenario.site.chapters)
    if len(mails) > most * causes + during:
        yield Verdict(Category.NOISE, "", f"{len(mails)} mails for {causes} causes")
    sent = played.cloud.sent
    site = played.scenario.site
    begun = sum(_messages_begun(played, each.uuid) for each in played.scenario.recordings)
    # Chapters have their own messages.
    waits = begun * (site.captions + site.chapters)
    if sent > MESSAGES_FOR_A_RECORDING * recordings + MESSAGES_FOR_CAPTIONS * waits:
        yield Verdict(Category.NOISE, "", f"{sent} messages for {recordings} recordings")
    for (queue, uuid), most in played.cloud.most_waiting.items():
        # Chapters have their own messages.
        causes = _messages_begun(played, uuid) * (1 + site.chapters)
        if most > causes + MESSAGES_AT_ONCE:
            where = queue.rpartition("/")[2]
            yield Verdict(Category.NOISE, uuid, f"{most} messages at once on {where}")


def _messages_begun(played: Played, uuid: str) -> int:
    """Return the largest number of messages that can begin for a recording.

    Each attempt to deliver a webhook event with files, each attempt of a request, and each fault
    that repeats a message can begin one message.
    """
    notified = sum(
        len(delivery.answers)
        for delivery in played.zoom.deliveries
        if delivery.webhook_event.uuid == uuid and delivery.webhook_event.files
    )
    asked = sum(
        len(request.answers) for request in played.requests if request.happening.uuid == uuid
    )
    repeats = {Kind.DELIVERED_TWICE, Kind.SENT_TWICE}
    return notified + asked + sum(fault.kind in repeats for fault in played.world.struck)
