"""Decide which listed recordings were missed, and define the state and health of reconcile.

A recording was missed if the ledger has no request for the recording's ingest, or lacks one of the
recording's MP4 or chat files. `is_known` says which recordings count as known nevertheless.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from ingester import timestamps
from ingester.errors import BadRequest
from ingester.ledger.record import Record
from ingester.pipeline.messages import LARGEST_NUMBER, Uuid

WAIT = timedelta(hours=1)
"""Time after a meeting's end in which reconcile waits for Zoom's webhook event.

Zoom repeats an unanswered webhook event for an hour and a half (`docs/zoom.md`). If a webhook event
comes after reconcile has requested the ingest, the webhook treats the webhook event as a duplicate,
unless the webhook event names further files.
"""

MAX_DAYS = 30
"""Maximum number of whole days that a run of reconcile by an operator may look back."""

LATE = timedelta(hours=3)
"""Longest normal time between two runs of reconcile, which should run every hour."""

REPORT_INTERVAL = timedelta(days=1)
"""Time in which the same problem is logged as an error only once."""

MAX_FOUND = 200
"""Maximum number of uuids in `State.found`, and in `State.unanswered`. Once a run has found so many
recordings, the run requests the ingest of the others without waiting for the next run, because so
many missing webhook events aren't just late."""

MAX_PROBLEMS = 200
"""Maximum number of problems in the state's item, which DynamoDB limits to 400 KB:
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
"""

LONGEST_ERROR = 1000
"""Maximum number of characters of an error in the state's item."""

VIDEO = "MP4"
_MINUTES = Meta(ge=0, le=1_000_000)
_Stamp = Annotated[str, Meta(pattern=r"^\d{4}-[01]\d-[0-3]\dT[0-2]\d:[0-5]\d:[0-5]\dZ$")]


class ListedRecording(msgspec.Struct, frozen=True, kw_only=True):
    """A recording in a list of Zoom's API, with the fields that reconcile needs.

    `duration` is in minutes. `recording_files` are as Zoom's API returns them. `topic` and
    `recording_files` are None if Zoom leaves these fields out.
    """

    uuid: Uuid
    id: int
    start_time: str
    duration: Annotated[int, _MINUTES] | Annotated[float, _MINUTES]
    topic: str | None = None
    recording_files: list[dict[str, Any]] | None = None

    @property
    def end(self) -> datetime:
        """Time at which the meeting ended.

        Raises:
            ValueError: `start_time` is no timestamp.
            OverflowError: The end is beyond the calendar.
        """
        return timestamps.parse(self.start_time) + timedelta(minutes=self.duration)


class UnreadableEntry(msgspec.Struct, frozen=True, kw_only=True):
    """An invalid entry of a list of recordings.

    `name` describes the entry to people by the fields that can be read.
    """

    name: str
    problem: str


class Decision(StrEnum):
    """Result of checking a recording that Zoom lists. The values are texts for operators."""

    MISSED = "missed"
    KNOWN = "known"
    """Decision on a recording that counts as known (`is_known`)."""

    TOO_OLD = "before the baseline"
    """Decision on a recording whose meeting ended before reconcile's first run in this stack."""

    RECENT = "ended less than an hour ago"
    FOUND = "found by this run, is ingested by the next one"
    """Decision on a missed recording that no earlier run found. The recording's webhook event may
    still come, because Zoom may have finished the recording a moment ago."""

    UNFINISHED = "not finished by Zoom"
    NO_VIDEO = "no video"
    GONE = "gone from Zoom"
    """Decision on a recording that is in the list, but that Zoom's API doesn't find any more."""


WAITING = frozenset({Decision.RECENT, Decision.FOUND, Decision.UNFINISHED})
"""Decisions to wait, because Zoom may still send the webhook event or finish the recording."""


def decision_on(listed: ListedRecording, now: datetime, baseline: datetime | None) -> Decision:
    """Return the decision on a listed recording, by Zoom's list alone.

    The caller has to check a MISSED recording against the ledger (`is_known`).

    Args:
        listed: The recording.
        now: Current time.
        baseline: Recordings that ended before this time are TOO_OLD; None to check recordings of
            any age.
    """
    if baseline and listed.end < baseline:
        return Decision.TOO_OLD
    if now - WAIT < listed.end:
        return Decision.RECENT
    files = listed.recording_files or []
    if not files or not all(_is_finished(file) for file in files):
        return Decision.UNFINISHED
    if not any(_text(file, "file_type") == VIDEO for file in files):
        return Decision.NO_VIDEO
    return Decision.MISSED


def is_known(record: Record, listed: ListedRecording) -> bool:
    """Return whether a listed recording's ingest was requested, with all MP4 and chat files.

    Zoom may send several webhook events about one recording, and one of the webhook events may be
    lost. So a recording isn't known if Zoom lists an MP4 or chat file that the record lacks, even
    if the recording is in Opencast or was ignored. In three cases a recording is known whatever
    Zoom lists:

    * All requests failed, or found the recording gone from Zoom. A person decides then.
    * Another stack sent a request.
    * The recording is forgotten: an operator has removed the recording's traces.

    A request that never got onto the download queue doesn't count, such as a request that the
    webhook ignored because there was no MP4.
    """
    if record.forgotten:
        return True
    if not record.was_requested:
        return False
    requests = record.requests.values()
    is_taken_over = any(request.is_taken_over for request in requests)
    if is_taken_over or not any(request.is_sent for request in requests):
        return True
    return all(
        isinstance(file_id := file.get("id"), str) and file_id in record.files
        for file in listed.recording_files or []
        if _text(file, "file_type") in (VIDEO, "CHAT")
    )


def _is_finished(file: Mapping[str, Any]) -> bool:
    """Return whether Zoom has finished a file. TIMELINE files have no status."""
    return _text(file, "status") in ("", "COMPLETED")


def _text(file: Mapping[str, Any], name: str) -> str:
    value = file.get(name)
    return value.upper() if isinstance(value, str) else ""


_Count = Annotated[int, Meta(ge=0, le=LARGEST_NUMBER)]
"""A number that reconcile increments. Only an edited item can exceed the limits."""


class Run(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Result of a run of reconcile without options, started by EventBridge or by an operator.

    Attributes:
        at: End of the run.
        how: The list that was used, a value of `zoom.recording_list.ListingMethod`.
        listed: Number of recordings that the run checked, and of unreadable entries.
        handed_in: Number of recordings whose ingest the run requested.
        waiting: Number of recordings with a decision in `WAITING`.
        failed: See `Report.failed`.
        error: Error that stopped the run; "" if none did.
    """

    at: _Stamp
    how: str = ""
    listed: int = 0
    handed_in: int = 0
    waiting: int = 0
    failed: int = 0
    error: str = ""


class State(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The state that reconcile keeps from run to run.

    Attributes:
        baseline: Time of the first run. Recordings that ended earlier are TOO_OLD, except in a run
            with `since`.
        version: Number of times the state was written.
        last: The last run without options, of EventBridge or of an operator; None before the first.
        next_user: Id of the Zoom user with whom the next run begins, because the last run ended
            there; "" to begin with the first user.
        told: Time at which each problem was last logged as an error, by problem.
        found: Uuids of missed recordings that earlier runs found, but that aren't requested yet.
        unanswered: Uuids of recordings whose last request got a 5xx or no answer. The next run
            requests these recordings last.
    """

    baseline: _Stamp
    version: _Count = 0
    last: Run | None = None
    next_user: str = ""
    told: dict[str, _Stamp] = {}
    found: list[str] = []
    unanswered: list[str] = []


def is_due(reported: Mapping[str, str], problem: str, now: datetime) -> bool:
    """Return whether a problem has to be logged as an error now, for the first time or again.

    `reported` has the time at which each problem was last logged as an error, by problem.
    """
    at = reported.get(problem)
    return at is None or now - timestamps.parse(at) >= REPORT_INTERVAL


def with_reported(
    reported: Mapping[str, str], problems: Iterable[str], now: datetime
) -> dict[str, str]:
    """Return `reported` with the problems that are logged `now`, without entries that are too old.

    An entry is too old if its problem would have to be logged again (`is_due`). If there are more
    than MAX_PROBLEMS entries, only the newest entries stay.
    """
    recent = {problem: at for problem, at in reported.items() if not is_due(reported, problem, now)}
    noted = {**recent, **dict.fromkeys(problems, timestamps.write(now))}
    return dict(sorted(noted.items(), key=lambda pair: pair[1])[-MAX_PROBLEMS:])


class Check(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The health of reconcile, for people.

    Attributes:
        at: End of the last run; "" if there was none yet.
        handed_in: Number of recordings whose ingest that run requested.
        problem: A sentence if reconcile doesn't work; "" if it does.
    """

    at: str = ""
    handed_in: int = 0
    problem: str = ""


def check_of(state: State | None, days: int, now: datetime) -> Check | None:
    """Return the health of reconcile; None if `days` (the setting RECONCILE_DAYS) is 0.

    `state` is None before reconcile's first run.
    """
    if not days:
        return None
    if state is None or state.last is None:
        return Check()
    last = state.last
    problem = last.error
    if now - timestamps.parse(last.at) >= LATE:
        problem = f"It hasn't run for {LATE // timedelta(hours=1)} hours."
    return Check(at=last.at, handed_in=last.handed_in, problem=problem)


_AGO = re.compile(r"([0-9]{1,4})([dh])")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
SINCE = (
    f"a number of days or hours, like 5d or 12h, or a date like 2026-10-14 (UTC), at most "
    f"{MAX_DAYS} days back"
)


def since_of(text: str, now: datetime) -> datetime:
    """Return the start of an operator's search, which `text` gives as an age or a date.

    Raises:
        BadRequest: The text isn't of a form in `SINCE`, or the start is too far back or not in the
            past.
    """
    error = BadRequest(f"since {text[:40]!r} has to be {SINCE}.")
    text = text.strip()
    earliest = now - timedelta(days=MAX_DAYS)
    if match := _AGO.fullmatch(text):
        unit = {"d": "days", "h": "hours"}[match[2]]
        begin = now - timedelta(**{unit: int(match[1])})
    elif _DATE.fullmatch(text):
        try:
            begin = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
        except ValueError:
            raise error from None
        # A date counts whole days, so its midnight may be some hours further back.
        earliest = earliest.replace(hour=0, minute=0, second=0, microsecond=0)
    else:
        raise error
    if not earliest <= begin < now:
        raise error
    return begin
