"""The ledger's record of one recording, and the decisions that are made by it.

A record holds the files that Zoom has named, the requests for an ingest, and the ingests that were
POSTed to Opencast. Every function here is pure: it takes a record and returns a changed copy, or
the answer to a question. `neighbours.ledger` reads and writes records.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from datetime import datetime, timedelta
from enum import StrEnum

import msgspec
from msgspec.structs import replace

from ingester import timestamps
from ingester.status.row import Asked

LAG = timedelta(days=1)
"""How long Zoom's API may not list a file that Zoom has named in a notification."""

ARRIVAL = timedelta(minutes=15)
"""How long a POST may take to reach Opencast through proxies, and its event to be shown."""

BUSY = 4
"""So many times the patience a POST may be at work while Opencast is busy with ingests."""

MOST_REQUESTS = 50
"""Requests that a record keeps: with 150 files each it stays below the 400 KB of an item."""


class End(StrEnum):
    """How a request ended, if it didn't end in Opencast."""

    FAILED = "failed"
    IGNORED = "ignored"
    GONE = "gone"
    """Zoom had the recording no more: in its trash, or deleted."""


class Outcome(StrEnum):
    """What is known of a POST to Opencast."""

    UNKNOWN = "unknown"
    """No answer of Opencast's own has come: it may be at work."""

    TAKEN = "taken"
    REFUSED = "refused"
    """Opencast's own answer, or a connection that was never made: this POST made nothing."""


class NamedFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file that Zoom has named: `name` is for people, `at` when the pipeline first saw it."""

    name: str
    at: str

    def __post_init__(self) -> None:
        timestamps.parse(self.at)


class Request(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One request for an ingest: one row of the status table.

    `at` is when it was accepted last, with `asked`. `is_sent`: its download message surely got onto
    the queue, `sent` are the ids of the files that it named; a request that failed has none.
    `is_taken_over`: another stack sent it, and nobody knows which files: all count as sent.
    `failures` counts attempts of the uploader that failed.
    """

    at: str = ""
    asked: Asked = Asked()
    is_sent: bool = False
    is_taken_over: bool = False
    sent: tuple[str, ...] = ()
    end: End | None = None
    failures: int = 0


class Post(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One POST to Opencast. `attempt` is the id of whoever made it."""

    attempt: str
    at: str
    outcome: Outcome = Outcome.UNKNOWN

    def __post_init__(self) -> None:
        timestamps.parse(self.at)


class Ingest(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One media package of the recording, and each POST of it.

    `zip_id` is the request that it was made for. `files` maps the ids of its files to their names.
    `is_shown`: Opencast has shown its event.
    """

    zip_id: str
    series: str
    files: dict[str, str]
    posts: tuple[Post, ...]
    workflow: str = ""
    is_shown: bool = False

    def __post_init__(self) -> None:
        if not self.posts:
            raise ValueError("an ingest without a POST")

    @property
    def posted_at(self) -> str:
        """When the last POST that Opencast didn't refuse was begun."""
        at_work = (post.at for post in self.posts if post.outcome is not Outcome.REFUSED)
        return max(at_work, default=self.posts[-1].at)

    @property
    def is_taken(self) -> bool:
        return self.is_shown or any(post.outcome is Outcome.TAKEN for post in self.posts)


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """All that the pipeline remembers of one recording. `version` 0: nothing yet.

    `notice` is what Zoom said when the recording was thrown away, "" if it wasn't.
    `left_out` are ids of files that a download went on without: Zoom didn't hand them out.
    """

    uuid: str
    version: int = 0
    files: dict[str, NamedFile] = {}
    left_out: tuple[str, ...] = ()
    requests: dict[str, Request] = {}
    ingests: dict[str, Ingest] = {}
    notice: str = ""

    @property
    def was_asked_for(self) -> bool:
        """Whether some request for an ingest got onto the queue, whatever became of it."""
        has_failed = (End.FAILED, End.GONE)
        return any(one.is_sent or one.end in has_failed for one in self.requests.values())

    def request(self, zip_id: str) -> Request:
        """The request of this id; an empty one if there is none."""
        return self.requests.get(zip_id, Request())

    def ingest_of(self, zip_id: str) -> str:
        """The media package that was POSTed for a request, "" if none was."""
        for media_package, ingest in self.ingests.items():
            if ingest.zip_id == zip_id:
                return media_package
        return ""


def with_files(record: Record, names: Mapping[str, str], now: datetime) -> Record:
    """Remember files that Zoom has named, id → name."""
    at = timestamps.write(now)
    new = {
        file_id: NamedFile(name=name, at=at)
        for file_id, name in names.items()
        if file_id not in record.files
    }
    return replace(record, files={**record.files, **new}) if new else record


def is_duplicate(record: Record, zip_id: str, files: AbstractSet[str]) -> bool:
    """Whether a message with all these files got onto the queue for this request before.

    Zoom repeats a notification that it got no answer to, with other tokens and URLs: what makes it
    the same is the recording and its files' ids.
    """
    request = record.request(zip_id)
    return request.is_sent and (request.is_taken_over or files <= set(request.sent))


def with_request(record: Record, zip_id: str, asked: Asked, now: datetime) -> Record:
    """Accept a request, or accept it anew: nothing of it counts as sent."""
    request = Request(at=timestamps.write(now), asked=asked)
    others = {key: value for key, value in record.requests.items() if key != zip_id}
    kept = _newest(record, others)
    # Zoom said before this request that the recording was thrown away.
    return replace(record, requests={**kept, zip_id: request}, notice="")


def _newest(record: Record, requests: Mapping[str, Request]) -> dict[str, Request]:
    """The newest requests, and those that have an ingest."""
    newest = sorted(requests, key=lambda zip_id: requests[zip_id].at)[-(MOST_REQUESTS - 1) :]
    needed = set(newest) | {ingest.zip_id for ingest in record.ingests.values()}
    return {zip_id: request for zip_id, request in requests.items() if zip_id in needed}


def with_sent(record: Record, zip_id: str, files: Iterable[str]) -> Record:
    """Note that a message with these files is on the download queue: the request is under way.

    Unless it has ended since it was accepted: the message may be worked off before this is noted.
    """
    request = record.request(zip_id)
    if request.end in (End.FAILED, End.GONE):
        return record
    sent = tuple(sorted({*request.sent, *files}))
    return _with(record, zip_id, replace(request, is_sent=True, sent=sent, end=None))


def with_end(record: Record, zip_id: str, end: End) -> Record:
    """Note how a request ended. One that failed has nothing on a queue any more."""
    request = replace(record.request(zip_id), end=end, failures=0)
    if end is not End.IGNORED:
        request = replace(request, is_sent=False, sent=())
    return _with(record, zip_id, request)


def with_failure(record: Record, zip_id: str) -> Record:
    """Count an attempt of the uploader that failed."""
    request = record.request(zip_id)
    return _with(record, zip_id, replace(request, failures=request.failures + 1))


def _with(record: Record, zip_id: str, request: Request) -> Record:
    return replace(record, requests={**record.requests, zip_id: request})


def files_to_wait_for(record: Record, listed: AbstractSet[str], now: datetime) -> list[str]:
    """The ids of files that Zoom has named within a day, that are not among `listed`, and that no
    ingest holds.

    Zoom's API may lag behind its own notifications.
    """
    return [
        file_id
        for file_id in files_given_up(record, listed)
        if now - timestamps.parse(record.files[file_id].at) < LAG
    ]


def files_given_up(record: Record, listed: AbstractSet[str]) -> dict[str, str]:
    """Files (id → name) that Zoom has named and isn't listing, and that no ingest holds."""
    ingested = _ingested(record)
    return {
        file_id: record.files[file_id].name
        for file_id in not_listed(record, listed)
        if file_id not in ingested
    }


def _ingested(record: Record) -> set[str]:
    """The ids of the files that were POSTed, whatever is known of it."""
    return {file_id for ingest in record.ingests.values() for file_id in ingest.files}


def not_listed(record: Record, listed: AbstractSet[str]) -> list[str]:
    """The ids of files that Zoom has named and that are neither among `listed` nor left out."""
    return [one for one in record.files if one not in listed and one not in record.left_out]


def without(record: Record, files: Iterable[str]) -> Record:
    """Note that a download goes on without these files: no message will bring them."""
    left_out = tuple(sorted({*record.left_out, *files}))
    return record if left_out == record.left_out else replace(record, left_out=left_out)


def is_superseded(record: Record, zip_id: str, files: AbstractSet[str]) -> bool:
    """Whether another message of the same request is under way that brings more than `files`.

    A download begins with every file that the record has then and that no ingest holds. So the
    download of the files that came last holds them all, or has noted what it went on without.
    """
    wanted = set(record.request(zip_id).sent) - set(record.left_out) - _ingested(record)
    return not wanted <= files


def with_claim(record: Record, media_package: str, claim: Ingest) -> Record:
    """Note a POST before it is made.

    Earlier POSTs whose answer never came are remembered: one of them may still be at work. Those
    of an event that was deleted in Opencast are over.
    """
    known = record.ingests.get(media_package)
    earlier = known.posts if known and not known.is_taken else ()
    ingest = replace(claim, posts=(*earlier, *claim.posts))
    return replace(record, ingests={**record.ingests, media_package: ingest})


def with_answer(
    record: Record, media_package: str, attempt: str, outcome: Outcome, workflow: str = ""
) -> Record:
    """Note what Opencast answered to one POST.

    A media package of which every POST was refused was never made: it is forgotten.
    """
    ingest = record.ingests.get(media_package)
    if ingest is None:
        return record
    posts = tuple(
        replace(post, outcome=outcome) if post.attempt == attempt else post for post in ingest.posts
    )
    others = {key: one for key, one in record.ingests.items() if key != media_package}
    if not ingest.is_shown and all(post.outcome is Outcome.REFUSED for post in posts):
        return replace(record, ingests=others)
    changed = replace(ingest, posts=posts, workflow=workflow or ingest.workflow)
    record = replace(record, ingests={**others, media_package: changed})
    if outcome is not Outcome.TAKEN:
        return record
    return _with(record, ingest.zip_id, replace(record.request(ingest.zip_id), failures=0))


def with_shown(record: Record, media_package: str) -> Record:
    """Note that Opencast shows the event of an ingest."""
    ingest = record.ingests[media_package]
    shown = replace(ingest, is_shown=True)
    return replace(record, ingests={**record.ingests, media_package: shown})


class Absence(StrEnum):
    """What it means that Opencast doesn't show the event of an ingest."""

    COMING = "coming"
    """A POST may still be at work, or Opencast's index lags behind."""

    LOST = "lost"
    """No POST was ever confirmed, and none can be at work any more."""

    DELETED = "deleted"
    """It was there. The request came before that: nobody has asked for it since."""

    ASKED_AGAIN = "asked again"
    """It was there, and somebody has asked for the recording since."""


def is_doubtful(ingest: Ingest, now: datetime) -> bool:
    """Whether no answer has come to any POST for so long that Opencast may not know of one."""
    return not ingest.is_taken and now - timestamps.parse(ingest.posted_at) >= ARRIVAL


def absence_of(
    ingest: Ingest, request: Request, now: datetime, patience: timedelta, *, is_idle: bool | None
) -> Absence:
    """Tell what it means for a request that Opencast doesn't show the event of an ingest.

    `patience` is how long a POST may be at work; four times as long while Opencast says that it is
    at work on ingests. `is_idle` is what it has said of that, before it was asked for the event:
    None if it didn't.
    """
    is_over = is_idle and is_doubtful(ingest, now)
    longest = BUSY * patience if is_idle is False else patience
    is_young = now - timestamps.parse(ingest.posted_at) < longest
    if is_young and not ingest.is_shown and not is_over:
        return Absence.COMING
    if not ingest.is_taken:
        return Absence.LOST
    return Absence.ASKED_AGAIN if request.at > ingest.posted_at else Absence.DELETED


def with_notice(record: Record, notice: str) -> Record:
    """Note that Zoom said that the recording was thrown away; "" if it is there again."""
    return replace(record, notice=notice)


def given_up(record: Record) -> dict[str, Request]:
    """The requests that ended because Zoom didn't have the recording."""
    return {
        zip_id: request for zip_id, request in record.requests.items() if request.end is End.GONE
    }
