"""Reconcile's decisions: which of the recordings that Zoom lists were missed; what it remembers.

A recording was missed if the pipeline was never asked for it: Zoom's notification never came.
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

WAIT = timedelta(hours=1)
"""How long after its end a recording is left to Zoom's own notification, which comes late at times.
Zoom repeats a notification for an hour and a half; one that comes later still is a duplicate."""

MOST_DAYS = 30
"""How far an operator's run may look back."""

LATE = timedelta(hours=3)
"""After so long without a run something is wrong: it runs every hour."""

TELL_AGAIN = timedelta(days=1)
"""The same problem of the same recording is logged as an error once in this time."""

MOST_TOLD = 200
"""Problems that are remembered as told: some 20 KB, of the 400 KB of a DynamoDB item."""

LONGEST_ERROR = 1000
"""Characters of an error that is remembered."""

VIDEO = "MP4"
_MINUTES = Meta(ge=0, le=1_000_000)
_Stamp = Annotated[str, Meta(pattern=r"^\d{4}-[01]\d-[0-3]\dT[0-2]\d:[0-5]\d:[0-5]\dZ$")]


class ListedRecording(msgspec.Struct, frozen=True, kw_only=True):
    """A recording in a list of Zoom's API, as far as it is needed. `duration` is in minutes.

    `recording_files` are as Zoom writes them.
    """

    uuid: Annotated[str, Meta(min_length=1)]
    id: int
    start_time: str
    duration: Annotated[int, _MINUTES] | Annotated[float, _MINUTES]
    topic: str | None = None
    recording_files: list[dict[str, Any]] | None = None

    @property
    def end(self) -> datetime:
        """When the meeting ended. ValueError if `start_time` is no time stamp."""
        return timestamps.parse(self.start_time) + timedelta(minutes=self.duration)


class UnreadableEntry(msgspec.Struct, frozen=True, kw_only=True):
    """An entry of a list that makes no sense. `name` is what can be read of it, for people."""

    name: str
    problem: str


class Verdict(StrEnum):
    """What is done with a recording that Zoom lists. The text is for operators."""

    MISSED = "missed"
    KNOWN = "known"
    """An ingest was requested before, whatever became of it."""

    TOO_OLD = "before the baseline"
    """It ended before reconcile's first run in this stack."""

    RECENT = "ended less than an hour ago"
    UNFINISHED = "not finished by Zoom"
    NO_VIDEO = "no video"
    GONE = "gone from Zoom"
    """It is in the list, but Zoom doesn't find it any more."""


WAITING = frozenset({Verdict.RECENT, Verdict.UNFINISHED})
"""Looked at again by the next run."""


def verdict_of(listed: ListedRecording, now: datetime, baseline: datetime | None) -> Verdict:
    """Judge a listed recording by what the list says. MISSED means: unless the ledger knows it."""
    if baseline and listed.end < baseline:
        return Verdict.TOO_OLD
    if now < listed.end + WAIT:
        return Verdict.RECENT
    files = listed.recording_files or []
    if not files or not all(_is_finished(file) for file in files):
        return Verdict.UNFINISHED
    if not any(_text(file, "file_type") == VIDEO for file in files):
        return Verdict.NO_VIDEO
    return Verdict.MISSED


def is_known(record: Record, listed: ListedRecording) -> bool:
    """Whether the pipeline was asked for a listed recording, and told of all its files.

    Of several notifications about one recording a single one may be lost. A request that has ended
    is left alone: a person decides.
    """
    if not record.was_asked_for:
        return False
    requests = record.requests.values()
    if any(one.is_taken_over for one in requests) or not any(one.is_sent for one in requests):
        return True
    return all(
        file.get("id") in record.files
        for file in listed.recording_files or []
        if _text(file, "file_type") in (VIDEO, "CHAT")
    )


def _is_finished(file: Mapping[str, Any]) -> bool:
    """Whether Zoom is done with a file. TIMELINE files have no status."""
    return _text(file, "status") in ("", "COMPLETED")


def _text(file: Mapping[str, Any], name: str) -> str:
    value = file.get(name)
    return value.upper() if isinstance(value, str) else ""


# What is remembered from run to run


class Run(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A run that the schedule started: `at` is its end, `how` the list that was used.

    `waiting` are recordings that the next run looks at again, `failed` those that could not be
    handed in. `error` says why the run couldn't do its work, "" if it could.
    """

    at: _Stamp
    how: str = ""
    listed: int = 0
    handed_in: int = 0
    waiting: int = 0
    failed: int = 0
    error: str = ""


class State(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What reconcile remembers. Recordings that ended before `baseline` are left alone.

    `next_user` is the user of Zoom's with whom the next run begins, because the last one ran out of
    time there. `told` maps problems to when each was logged as an error.
    """

    baseline: _Stamp
    version: int = 0
    last: Run | None = None
    next_user: str = ""
    told: dict[str, _Stamp] = {}


def is_due(told: Mapping[str, str], problem: str, now: datetime) -> bool:
    """Whether a problem is to be logged as an error, given those told before."""
    at = told.get(problem)
    return at is None or now - timestamps.parse(at) >= TELL_AGAIN


def with_told(told: Mapping[str, str], problems: Iterable[str], now: datetime) -> dict[str, str]:
    """Note problems as told now. Those that are due again are forgotten."""
    kept = {one: at for one, at in told.items() if not is_due(told, one, now)}
    noted = {**kept, **dict.fromkeys(problems, timestamps.write(now))}
    return dict(sorted(noted.items(), key=lambda pair: pair[1])[-MOST_TOLD:])


class Check(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How reconcile is doing, for people: `at` is the last run's end, "" if there was none yet.

    `problem` is a sentence if it doesn't do its work.
    """

    at: str = ""
    handed_in: int = 0
    problem: str = ""


def check_of(state: State | None, days: int, now: datetime) -> Check | None:
    """How reconcile is doing; None where it is off. `days` is RECONCILE_DAYS."""
    if not days:
        return None
    if state is None or state.last is None:
        return Check()
    last = state.last
    is_late = now - timestamps.parse(last.at) >= LATE
    late = f"It hasn't run for {LATE // timedelta(hours=1)} hours."
    return Check(at=last.at, handed_in=last.handed_in, problem=late if is_late else last.error)


# An operator's run

_AGO = re.compile(r"([0-9]{1,4})([dh])")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
SINCE = (
    f"a number of days or hours, like 5d or 12h, or a date like 2026-10-14 (UTC), at most "
    f"{MOST_DAYS} days back"
)


def since_of(text: str, now: datetime) -> datetime:
    """The moment from which an operator wants to look. BadRequest if the text names none."""
    problem = BadRequest(f"since {text[:40]!r} has to be {SINCE}.")
    text = text.strip()
    if found := _AGO.fullmatch(text):
        length = timedelta(**{{"d": "days", "h": "hours"}[found[2]]: int(found[1])})
        begin = now - length
    elif _DATE.fullmatch(text):
        try:
            begin = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
        except ValueError:
            raise problem from None
    else:
        raise problem
    if not timedelta(0) < now - begin < timedelta(days=MOST_DAYS + 1):
        raise problem
    return begin
