"""The ledger's record of one recording, and the decisions that depend on it.

A record holds the files that Zoom has named, the requests for an ingest, and the media packages
that were POSTed to Opencast. Every function here is pure: it reads a record or an object in a
record, and returns a changed copy, a decision or data. `ledger.table` reads and writes records.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import Meta
from msgspec.structs import replace

from ingester import timestamps
from ingester.pipeline.messages import LARGEST_NUMBER, RecordingFile
from ingester.recording.timeline import Timeline
from ingester.status.row import RequestOptions

FORGOTTEN = "An operator had this recording forgotten."
"""Text for people about a recording whose record is `forgotten`."""

ZOOM_LIST_LAG = timedelta(days=1)
"""The longest time until Zoom's API lists a file that a webhook event has named."""

POST_ARRIVAL_LIMIT = timedelta(minutes=15)
"""Longest time from the sending of a POST until the POST has passed the proxies and Opencast shows
the event."""

BUSY_FACTOR = 4
"""Factor for the longest processing time of a POST while Opencast says that ingests are running."""

MAX_REQUESTS = 50
"""Number of requests in one record beyond which old requests without an ingest record are dropped.
With 150 files each, 50 requests stay below DynamoDB's limit of 400 KB for an item:
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
"""

_Count = Annotated[int, Meta(ge=0, le=LARGEST_NUMBER)]
"""A number that the pipeline increments. Only an edited record can exceed the limits."""


class End(StrEnum):
    """The end of a request that, as far as the pipeline knew, brought nothing into Opencast."""

    FAILED = "failed"
    IGNORED = "ignored"
    GONE = "gone"
    """End of a request whose recording or files Zoom no longer provides, for example because the
    recording is in Zoom's trash."""


class Outcome(StrEnum):
    """The result of a POST to Opencast, as far as the pipeline knows the result."""

    UNKNOWN = "unknown"
    """Outcome of a POST without a usable answer. Opencast may process the POST, or may have done
    so."""

    TAKEN = "taken"
    REFUSED = "refused"
    """Outcome of a POST that created nothing, because Opencast itself refused it or failed, or no
    connection was made."""


class Fate(StrEnum):
    """Final state of an ingest in Opencast."""

    PUBLISHED = "published"
    FAILED = "failed"
    """Fate of an ingest whose workflow failed or was stopped. A person may repair the event in
    Opencast."""

    DELETED = "deleted"


class NamedFile(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A file that Zoom has named.

    Attributes:
        name: View and start, for people to read.
        at: Time at which the pipeline first saw the file.
        size: Size in bytes; 0 if it was unknown at that time.
        seconds: Length of a video's segment in seconds; 0 if the length is unknown or the file is
            no video.
    """

    name: str
    at: str
    size: int = 0
    seconds: int = 0

    def __post_init__(self) -> None:
        timestamps.parse(self.at)


class Request(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One request for an ingest: one row of the status table.

    Attributes:
        at: Time at which the request was last accepted; "" if the record doesn't have the time.
        asked: The options that came with the request.
        is_sent: Whether a download message of the request certainly got onto the queue; False again
            after the end FAILED or GONE.
        is_taken_over: Whether the request was taken over from another stack. The files of such a
            request's message are unknown, so every file counts as sent.
        sent: Ids of the files that the request's messages named. Empty after the end FAILED or
            GONE.
        end: End of the request; None while the request is in progress, or if it brought the
            recording into Opencast. If an operator redrives the message of a failed request, the
            end stays FAILED even if Opencast takes the recording.
        failures: Number of the uploader's failed attempts, without those during an outage; 0 again
            once the request has ended or a POST has had the answer TAKEN.
    """

    at: str = ""
    asked: RequestOptions = RequestOptions()
    is_sent: bool = False
    is_taken_over: bool = False
    sent: tuple[str, ...] = ()
    end: End | None = None
    failures: _Count = 0


class Post(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One POST to Opencast.

    Attributes:
        attempt: Id of the attempt that made the POST.
        at: Time of the POST.
        outcome: Outcome of the POST.
        lacks: Ids of files of the ingest record that the POST's upload message didn't have.
    """

    attempt: str
    at: str
    outcome: Outcome = Outcome.UNKNOWN
    lacks: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        timestamps.parse(self.at)


class CaptionsState(StrEnum):
    """Progress of an event's captions."""

    QUEUED = "queued"
    """Progress of captions that are on the upload queue, and that the event doesn't have yet."""

    SENT = "sent"
    """Progress of captions whose POST is planned, or was made with an unknown outcome."""

    ADDED = "added"
    """Progress of captions that the event has, but that aren't published yet."""

    DONE = "done"


class Captions(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The captions of one kind that an event has, or gets.

    Attributes:
        files: Ids of Zoom's files of which the captions are made.
        state: Progress of the captions.
        attempt: Id of the attempt that POSTed the captions; "" before the first.
        is_refused: Whether Opencast refused the captions. Captions of the same files aren't POSTed
            again. Refused captions have the state DONE, which earlier versions of this code can
            read, too.
        problem: Sentences that say why Opencast refused the captions, or why captions in the state
            DONE aren't published; "" without a problem.
    """

    files: tuple[str, ...]
    state: CaptionsState
    attempt: str = ""
    is_refused: bool = False
    problem: str = ""


class Following(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The follow-up of an ingest: what Opencast has said about the ingest, and the next poll.

    Attributes:
        since: Start of the follow-up.
        due: Time of the next poll of Opencast; "" once the follow-up has ended.
        fate: Final state of the ingest; None while the state is unknown.
        missing_since: Time since which Opencast hasn't shown the event; "" if the last usable
            answer showed the event, or no usable answer has come.
    """

    since: str
    due: str = ""
    fate: Fate | None = None
    missing_since: str = ""

    def __post_init__(self) -> None:
        timestamps.parse(self.since)


class IngestRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The ingest record of one media package, with the POSTs.

    Attributes:
        zip_id: The request for which the media package was made.
        series: Id of the Opencast series.
        files: Names, by id, of the files in the upload message of any of `posts`, even of views
            that don't go to Opencast.
        posts: POSTs of the media package, the oldest first; at least one POST. A POST after
            somebody deleted the event replaces all earlier POSTs.
        workflow: Id of the workflow that Opencast started; "" if the id is unknown.
        is_shown: Whether Opencast has ever shown the event.
        timeline: Positions of the segments in the joined video. Empty if captions aren't ingested.
        captions: Captions of the media package by their kind.
        following: Follow-up of the ingest; None if the ingest isn't followed.
    """

    zip_id: str
    series: str
    files: dict[str, str]
    posts: tuple[Post, ...]
    workflow: str = ""
    is_shown: bool = False
    timeline: Timeline = ()
    captions: dict[str, Captions] = {}
    following: Following | None = None

    def __post_init__(self) -> None:
        if not self.posts:
            raise ValueError("an ingest without a POST")

    @property
    def posted_at(self) -> str:
        """Time of the last POST that wasn't refused, or of the last POST if all were refused."""
        not_refused = (post.at for post in self.posts if post.outcome is not Outcome.REFUSED)
        return max(not_refused, default=self.posts[-1].at)

    @property
    def is_taken(self) -> bool:
        """Whether Opencast certainly had the media package at some time."""
        return self.is_shown or any(post.outcome is Outcome.TAKEN for post in self.posts)

    @property
    def certain_files(self) -> dict[str, str]:
        """Names, by id, of the files in all of the POSTs that may have made the media package.

        If every POST was refused, the result has all files.
        """
        taken = [post for post in self.posts if post.outcome is Outcome.TAKEN]
        possible = taken or [post for post in self.posts if post.outcome is not Outcome.REFUSED]
        lacking = {file_id for post in possible for file_id in post.lacks}
        return {file_id: name for file_id, name in self.files.items() if file_id not in lacking}


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """The ledger's record of one recording.

    Attributes:
        version: Number of times the record was written; 0 if it isn't in the table yet.
        files: The MP4 and chat files that Zoom has named, by their ids.
        left_out: Ids of files that a download left out, such as files that Zoom didn't provide.
        requests: Requests by `zip_id`.
        ingests: Ingest records by the id of their media package.
        notice: Sentence that the recording is in Zoom's trash or deleted; "" if it isn't.
        forgotten: Time at which an operator had the recording forgotten; "" if nobody did. A
            forgotten record holds only its uuid, its version and this time. Only an operator can
            have the recording ingested again.
    """

    uuid: str
    version: _Count = 0
    files: dict[str, NamedFile] = {}
    left_out: tuple[str, ...] = ()
    requests: dict[str, Request] = {}
    ingests: dict[str, IngestRecord] = {}
    notice: str = ""
    forgotten: str = ""

    @property
    def was_requested(self) -> bool:
        """Whether the message of any request got onto the queue, however the request ended."""
        return any(
            request.is_sent or request.end in (End.FAILED, End.GONE)
            for request in self.requests.values()
        )

    @property
    def follow_due(self) -> str:
        """Time of the next poll of Opencast about an ingest; "" if no poll is planned."""
        dues = [ingest.following.due for ingest in self.ingests.values() if ingest.following]
        return min((due for due in dues if due), default="")

    def request(self, zip_id: str) -> Request:
        """Return the request `zip_id`, or an empty `Request` if there is no such request."""
        return self.requests.get(zip_id, Request())

    def media_package_of(self, zip_id: str) -> str:
        """Return the id of the media package that was POSTed for a request; "" without a POST."""
        for media_package, ingest in self.ingests.items():
            if ingest.zip_id == zip_id:
                return media_package
        return ""


def media_package_or_newest(record: Record, zip_id: str) -> str:
    """Return the id of the media package that was POSTed for a request.

    If there is no such media package, return the id of the newest one that Opencast took, or "".
    """
    taken = {name: ingest for name, ingest in record.ingests.items() if ingest.is_taken}
    newest = max(taken, key=lambda name: taken[name].posted_at, default="")
    return record.media_package_of(zip_id) or newest


def files_of_event(record: Record, media_package: str) -> list[NamedFile]:
    """Return the files that a media package certainly has, sorted by name, some without a size.

    The result is [] if the record doesn't have the ingest.
    """
    ingest = record.ingests.get(media_package)
    if ingest is None:
        return []
    files = [
        record.files.get(file_id) or NamedFile(name=name, at=ingest.posted_at)
        for file_id, name in ingest.certain_files.items()
    ]
    return sorted(files, key=lambda file: file.name)


def with_files(
    record: Record,
    names: Mapping[str, str],
    now: datetime,
    files: Iterable[RecordingFile] = (),
) -> Record:
    """Add the files that Zoom has named and that the record doesn't have yet.

    Args:
        record: The record to change.
        names: Names of the files, by their ids.
        now: Current time.
        files: Those of the named files that came with further data, such as the size.
    """
    at = timestamps.write(now)
    sizes = {file.recording_id: file for file in files}
    new = {}
    for file_id, name in names.items():
        if file_id not in record.files:
            known = sizes.get(file_id)
            new[file_id] = NamedFile(
                name=name,
                at=at,
                size=known.known_size if known else 0,
                seconds=known.seconds if known and known.is_mp4 else 0,
            )
    return replace(record, files={**record.files, **new}) if new else record


def is_duplicate(record: Record, zip_id: str, files: AbstractSet[str]) -> bool:
    """Return whether the messages already sent for the request `zip_id` named all of `files`.

    Zoom repeats an unanswered webhook event with other tokens and URLs (docs/zoom.md). So the
    recording and the ids of its files identify a repeat. A message of another stack counts as
    naming every file.
    """
    request = record.request(zip_id)
    return request.is_sent and (request.is_taken_over or files <= set(request.sent))


def with_request(record: Record, zip_id: str, asked: RequestOptions, now: datetime) -> Record:
    """Add an accepted request, or replace the request of the same id. No file counts as sent yet.

    The record loses its notice, and is no longer forgotten. If the record would have more than
    `MAX_REQUESTS` requests, the oldest ones without an ingest record are dropped.
    """
    request = Request(at=timestamps.write(now), asked=asked)
    others = {key: value for key, value in record.requests.items() if key != zip_id}
    kept = _requests_to_keep(record, others)
    # A notice is older than this request, so the notice no longer applies. For a forgotten
    # recording, only an operator's request gets here.
    return replace(record, requests={**kept, zip_id: request}, notice="", forgotten="")


def _requests_to_keep(record: Record, requests: Mapping[str, Request]) -> dict[str, Request]:
    """Select the newest requests, and every request that has an ingest record."""
    newest = sorted(requests, key=lambda zip_id: requests[zip_id].at)[-(MAX_REQUESTS - 1) :]
    needed = set(newest) | {ingest.zip_id for ingest in record.ingests.values()}
    return {zip_id: request for zip_id, request in requests.items() if zip_id in needed}


def with_sent(record: Record, zip_id: str, files: Iterable[str]) -> Record:
    """Note that a message with `files` is on the download queue.

    A request that has ended as FAILED or GONE since it was accepted stays as it is, because the
    downloader may process the message before the sender notes the send. An ignored request is in
    progress again.
    """
    request = record.request(zip_id)
    if request.end in (End.FAILED, End.GONE):
        return record
    sent = tuple(sorted({*request.sent, *files}))
    return _with_request(record, zip_id, replace(request, is_sent=True, sent=sent, end=None))


def with_end(record: Record, zip_id: str, end: End) -> Record:
    """Note the end of a request, and reset the request's count of failures.

    Unless the request was ignored, its files no longer count as sent, because no function processes
    its message any more.
    """
    request = replace(record.request(zip_id), end=end, failures=0)
    if end is not End.IGNORED:
        request = replace(request, is_sent=False, sent=())
    return _with_request(record, zip_id, request)


def with_failure(record: Record, zip_id: str) -> Record:
    """Count a failed attempt of the uploader."""
    request = record.request(zip_id)
    return _with_request(record, zip_id, replace(request, failures=request.failures + 1))


def _with_request(record: Record, zip_id: str, request: Request) -> Record:
    return replace(record, requests={**record.requests, zip_id: request})


def files_to_wait_for(missing: Iterable[str], record: Record, now: datetime) -> list[str]:
    """Return the ids of the missing files that Zoom's API may still list later.

    After Zoom has named a file, Zoom's API may take a day to list the file.
    """
    return [
        file_id
        for file_id in missing
        if now - timestamps.parse(record.files[file_id].at) < ZOOM_LIST_LAG
    ]


def missing_files(
    record: Record, listed: AbstractSet[str], *, may_ingest_again: bool
) -> dict[str, str]:
    """Return the names, by id, of files that Zoom named and that the next ingest would lack.

    Files that an earlier download left out don't count.

    Args:
        record: The recording's record.
        listed: Ids of the files that Zoom's API lists.
        may_ingest_again: Whether the next ingest may be a second one, which needs all files.
            Otherwise the files of ingest records aren't missing: the files were POSTed already.
    """
    ingested = set() if may_ingest_again else _ingested_files(record)
    return {
        file_id: record.files[file_id].name
        for file_id in unlisted_files(record, listed)
        if file_id not in ingested
    }


def _ingested_files(record: Record) -> set[str]:
    """Return the ids of the files that were POSTed, whatever the outcome."""
    return {file_id for ingest in record.ingests.values() for file_id in ingest.files}


def unlisted_files(record: Record, listed: AbstractSet[str]) -> list[str]:
    """Return the ids of files that Zoom has named and that are neither in `listed` nor left out."""
    return [
        file_id
        for file_id in record.files
        if file_id not in listed and file_id not in record.left_out
    ]


def with_left_out(record: Record, files: Iterable[str]) -> Record:
    """Note the ids of files that a download leaves out."""
    left_out = tuple(sorted({*record.left_out, *files}))
    return record if left_out == record.left_out else replace(record, left_out=left_out)


def is_superseded(record: Record, zip_id: str, files: AbstractSet[str]) -> bool:
    """Return whether another message of the same request has files that aren't in `files`.

    Files that a download left out, or that an ingest record has, don't count.

    Each download starts with every file that the record has at that time and that no ingest record
    has. So the message of the newest download contains all of these files, except those that the
    download noted as left out. If the request was ignored, the newest download may have sent no
    message, so an older message isn't superseded.
    """
    request = record.request(zip_id)
    if request.end is End.IGNORED:
        return False
    expected = set(request.sent) - set(record.left_out) - _ingested_files(record)
    return not expected <= files


def with_claim(record: Record, media_package: str, claim: IngestRecord) -> Record:
    """Note a POST before it is made, so that no second attempt repeats it.

    Args:
        record: The record to change.
        media_package: Id of the media package.
        claim: The ingest record with the new POST. Earlier POSTs are kept, because Opencast may
            still process one whose outcome is unknown. If Opencast once had the media package,
            somebody deleted it there, and the earlier POSTs are dropped.
    """
    known = record.ingests.get(media_package)
    if known and not known.is_taken:
        claim = _joined(known, claim)
    return replace(record, ingests={**record.ingests, media_package: claim})


def _joined(known: IngestRecord, claim: IngestRecord) -> IngestRecord:
    """Return the claim with the earlier files and POSTs, and with the ids that each POST lacks."""
    added, dropped = claim.files.keys() - known.files, known.files.keys() - claim.files
    return replace(
        claim,
        files={**known.files, **claim.files},
        posts=(*_lacking(known.posts, added), *_lacking(claim.posts, dropped)),
    )


def _lacking(posts: Iterable[Post], files: AbstractSet[str]) -> list[Post]:
    return [replace(post, lacks=tuple(sorted({*post.lacks, *files}))) for post in posts]


def with_answer(
    record: Record, media_package: str, attempt: str, outcome: Outcome, workflow: str = ""
) -> Record:
    """Note Opencast's answer to the POST of one attempt.

    An answer TAKEN without a workflow says only that Opencast has the media package, which an
    earlier POST may have made. While a workflow of the media package runs, Opencast refuses another
    POST with 409 (Opencast 11: 500). So every POST that wasn't refused counts as taken.

    An ingest record whose POSTs were all refused is removed, unless Opencast has shown the event.
    The answer TAKEN resets the request's count of failures. The record stays as it is if it doesn't
    have the ingest.
    """
    ingest = record.ingests.get(media_package)
    if ingest is None:
        return record
    attempts = {attempt}
    if outcome is Outcome.TAKEN and not workflow:
        attempts |= {post.attempt for post in ingest.posts if post.outcome is not Outcome.REFUSED}
    posts = tuple(
        replace(post, outcome=outcome) if post.attempt in attempts else post
        for post in ingest.posts
    )
    others = {key: value for key, value in record.ingests.items() if key != media_package}
    if not ingest.is_shown and all(post.outcome is Outcome.REFUSED for post in posts):
        return replace(record, ingests=others)
    changed = replace(ingest, posts=posts, workflow=workflow or ingest.workflow)
    record = replace(record, ingests={**others, media_package: changed})
    if outcome is not Outcome.TAKEN:
        return record
    request = replace(record.request(ingest.zip_id), failures=0)
    return _with_request(record, ingest.zip_id, request)


def with_shown(record: Record, media_package: str) -> Record:
    """Note that Opencast shows the event of a media package, unless the record lacks the ingest."""
    ingest = record.ingests.get(media_package)
    if ingest is None:
        return record
    shown = replace(ingest, is_shown=True)
    return replace(record, ingests={**record.ingests, media_package: shown})


def with_captions(record: Record, media_package: str, kind: str, captions: Captions) -> Record:
    """Note an event's captions of one kind, unless the record lacks the event's ingest."""
    ingest = record.ingests.get(media_package)
    if ingest is None:
        return record
    changed = replace(ingest, captions={**ingest.captions, kind: captions})
    return replace(record, ingests={**record.ingests, media_package: changed})


def with_queued_captions(
    record: Record, media_package: str, kind: str, files: tuple[str, ...]
) -> Record:
    """Note that captions are on the upload queue.

    The record stays as it is if it doesn't have the ingest, or has captions of this kind.
    """
    ingest = record.ingests.get(media_package)
    if ingest is None or kind in ingest.captions:
        return record
    queued = Captions(files=files, state=CaptionsState.QUEUED)
    return with_captions(record, media_package, kind, queued)


def captions_outside(ingest: IngestRecord, kind: str, files: AbstractSet[str]) -> set[str]:
    """Return those of `files` that aren't in the event's captions of the files' kind.

    If the event has no captions of this kind, the result is empty.
    """
    known = ingest.captions.get(kind)
    return set(files) - set(known.files) if known else set()


def with_following(record: Record, media_package: str, now: datetime) -> Record:
    """Begin the follow-up of an ingest that Opencast has.

    The record stays as it is if it doesn't have the ingest, or the ingest has a follow-up.
    """
    ingest = record.ingests.get(media_package)
    if ingest is None or ingest.following:
        return record
    at = timestamps.write(now)
    return with_followed(record, media_package, Following(since=at, due=at))


def with_followed(record: Record, media_package: str, following: Following) -> Record:
    """Replace the follow-up of an ingest."""
    followed = replace(record.ingests[media_package], following=following)
    return replace(record, ingests={**record.ingests, media_package: followed})


def needs_staged_files(record: Record, zip_id: str) -> bool:
    """Return whether a request other than `zip_id` may still need the recording's staged files.

    A failed request needs the files once a person redrives the request's message.
    """
    done = {ingest.zip_id for ingest in record.ingests.values() if ingest.is_taken}
    return any(
        request.end in (None, End.FAILED) and other not in done
        for other, request in record.requests.items()
        if other != zip_id
    )


class Absence(StrEnum):
    """Reason why Opencast doesn't show the event of a media package."""

    COMING = "coming"
    """Absence of an event that may still come: Opencast may still process a POST, or
    Opencast's index may lag behind."""

    LOST = "lost"
    """Absence of an event that counts as lost: no POST was confirmed, and either the time limit
    is over, or Opencast is idle `POST_ARRIVAL_LIMIT` after the last POST."""

    DELETED = "deleted"
    """Absence of a deleted event, if the request isn't newer than the last POST."""

    ASKED_AGAIN = "asked again"
    """Absence of a deleted event, if the request is newer than the last POST."""


def may_be_lost(ingest: IngestRecord, now: datetime) -> bool:
    """Return whether no POST is confirmed `POST_ARRIVAL_LIMIT` after the last one.

    Then Opencast may have received none of the POSTs.
    """
    return not ingest.is_taken and now - timestamps.parse(ingest.posted_at) >= POST_ARRIVAL_LIMIT


def absence_of(
    ingest: IngestRecord,
    request: Request,
    now: datetime,
    post_timeout: timedelta,
    *,
    is_idle: bool | None,
) -> Absence:
    """Return why Opencast doesn't show the event of an ingest record.

    COMING is returned until `post_timeout` after the last POST, unless Opencast has shown the event
    before, or the POST never arrived. Then LOST is returned if no POST is confirmed. Otherwise the
    event was deleted: ASKED_AGAIN is returned if the request is newer than the last POST, or else
    DELETED.

    Args:
        ingest: The ingest record.
        request: The request that asks for the recording now.
        now: Current time.
        post_timeout: Longest time that Opencast takes to process a POST. While Opencast says that
            ingests are running, `BUSY_FACTOR` times this time counts.
        is_idle: Whether Opencast said, before the search for the event, that no ingest is running;
            None if Opencast didn't say.
    """
    never_arrived = is_idle and may_be_lost(ingest, now)
    timeout = BUSY_FACTOR * post_timeout if is_idle is False else post_timeout
    is_young = now - timestamps.parse(ingest.posted_at) < timeout
    if is_young and not ingest.is_shown and not never_arrived:
        return Absence.COMING
    if not ingest.is_taken:
        return Absence.LOST
    return Absence.ASKED_AGAIN if request.at > ingest.posted_at else Absence.DELETED


def with_notice(record: Record, notice: str) -> Record:
    """Note the sentence that the recording is in Zoom's trash or deleted; "" if it isn't."""
    return replace(record, notice=notice)


def as_forgotten(record: Record, now: datetime) -> Record:
    """Forget a recording: keep only its uuid, the record's version and the time."""
    return Record(uuid=record.uuid, version=record.version, forgotten=timestamps.write(now))


def may_replace(old: Record, new: Record) -> bool:
    """Return whether `new` may replace `old`: not if they are equal, or both are forgotten."""
    return new != old and not (old.forgotten and new.forgotten)


def is_in_progress(record: Record, zip_id: str) -> bool:
    """Return whether a request was sent, and neither ended nor brought anything into Opencast.

    A request that was taken over, and has no ingest record, isn't in progress.
    """
    request = record.request(zip_id)
    ingest = record.ingests.get(record.media_package_of(zip_id))
    is_done = ingest.is_taken if ingest else request.is_taken_over
    return request.is_sent and request.end is None and not is_done


def gone_requests(record: Record) -> dict[str, Request]:
    """Return the requests that ended as GONE, by `zip_id`."""
    return {
        zip_id: request for zip_id, request in record.requests.items() if request.end is End.GONE
    }
