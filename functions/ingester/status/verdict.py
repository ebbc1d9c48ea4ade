"""One verdict on a recording, by the recording's most advanced ingest and the other requests."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime

import msgspec

from ingester import timestamps
from ingester.pipeline.states import State
from ingester.status.diagnosis import (
    NEEDS_ATTENTION,
    SITUATIONS_IN_OPENCAST,
    WILL_RETRY,
    Diagnosis,
    Situation,
)
from ingester.status.row import StatusRow
from ingester.status.words import STUCK, reason_of, state_words

_ORDER = (
    {Situation.PUBLISHED},
    {Situation.IN_OPENCAST},
    {Situation.ALREADY_IN_OPENCAST},
    {Situation.IN_PROGRESS, *WILL_RETRY},
    NEEDS_ATTENTION,
    {Situation.OPENCAST_DELETED},
    {Situation.AT_ZOOM},
    {Situation.IGNORED, Situation.NO_SCHEDULED_CLASS},
    {Situation.SUPERSEDED, Situation.AWAITS_OTHER, Situation.NOT_NEEDED, Situation.UNKNOWN},
)
"""All situations from the most advanced to the least."""

_RANKS = {situation: rank for rank, some in enumerate(_ORDER) for situation in some}

_IGNORED = ("was ignored", "were ignored")
_NO_CLASS = (
    "was ignored because no class fits it",
    "were ignored because no class fits it",
)
_FAILED = ("failed", "failed")
_ENDED_EARLY = frozenset({Situation.SUPERSEDED, Situation.AWAITS_OTHER})
_BECAME: dict[Situation, tuple[str, str]] = {
    **dict.fromkeys(NEEDS_ATTENTION, ("needs attention", "need attention")),
    **dict.fromkeys((Situation.IN_PROGRESS, *WILL_RETRY), ("is on its way", "are on their way")),
    Situation.PUBLISHED: ("is published, too", "are published, too"),
    Situation.IN_OPENCAST: ("is in Opencast, too", "are in Opencast, too"),
    Situation.OPENCAST_DELETED: ("was deleted in Opencast", "were deleted in Opencast"),
    Situation.ALREADY_IN_OPENCAST: (
        "was ignored because it is there already",
        "were ignored because it is there already",
    ),
    Situation.NOT_NEEDED: _NO_CLASS,
    Situation.NO_SCHEDULED_CLASS: _NO_CLASS,
    Situation.IGNORED: _IGNORED,
    **dict.fromkeys(_ENDED_EARLY, _FAILED),
}
"""Words for the result of one other request, and of several other requests, by situation. Requests
in situations without words aren't mentioned."""


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """The verdict on a recording, which says where the recording is.

    Attributes:
        text: The verdict as a sentence.
        ingest: The ingest that decides the verdict.
        is_in_opencast: Whether Opencast has the recording, processed or not.
        needs_attention: Whether a person has to act for `ingest`.
    """

    text: str
    ingest: StatusRow
    is_in_opencast: bool
    needs_attention: bool


def verdict_of(
    rows: Iterable[StatusRow],
    diagnoses: Mapping[str, Diagnosis],
    write_time: Callable[[datetime], str] = timestamps.write,
) -> Verdict:
    """Return the verdict on a recording, by the newest of the recording's most advanced ingests.

    Args:
        rows: All ingests of the recording, at least one.
        diagnoses: Diagnoses of the ingests, by `zip_id`.
        write_time: Returns a time as text for the audience.
    """
    ordered = sorted(rows, key=requested)
    # `min` returns the first of equals, so reverse the order to get the newest.
    deciding = min(reversed(ordered), key=lambda row: _RANKS[diagnoses[row.zip_id].situation])
    diagnosis = diagnoses[deciding.zip_id]
    position = ordered.index(deciding)
    clauses = [_head(deciding, diagnosis, write_time)]
    clauses += _others(ordered[:position], ordered[position + 1 :], diagnoses)
    return Verdict(
        text=f"{'; '.join(clauses)}.",
        ingest=deciding,
        is_in_opencast=diagnosis.situation in SITUATIONS_IN_OPENCAST | {Situation.OPENCAST_FAILED},
        needs_attention=diagnosis.needs_attention,
    )


def verdicts_of(
    rows: Iterable[StatusRow],
    diagnoses: Mapping[str, Diagnosis],
    write_time: Callable[[datetime], str] = timestamps.write,
) -> dict[str, Verdict]:
    """Return the verdict on each recording, by the recording's uuid.

    Rows without a uuid are left out. `diagnoses` and `write_time` are those of `verdict_of`.
    """
    recordings: dict[str, list[StatusRow]] = {}
    for row in rows:
        if row.recording_id:
            recordings.setdefault(row.recording_id, []).append(row)
    return {
        uuid: verdict_of(ingests, diagnoses, write_time) for uuid, ingests in recordings.items()
    }


def since_when(row: StatusRow) -> datetime:
    """Return the time at which an ingest first reached its current state.

    The last write of the state may be later, for example because a message about late files writes
    the same state again. If the row's steps don't show the time, return the time of the last write
    of the state.
    """
    times = [step.at for step in row.steps if step.state == str(row.state)]
    try:
        return timestamps.parse(min(times)) if times else row.updated
    except ValueError:
        return row.updated


def requested(row: StatusRow) -> tuple[str, str]:
    """Return a key that sorts ingests by the time of their request, or else by `updated`."""
    return row.ingest_request_time or timestamps.write(row.updated), row.zip_id


def _head(row: StatusRow, diagnosis: Diagnosis, write_time: Callable[[datetime], str]) -> str:
    words, reason = state_words(row.state), reason_of(row).rstrip(".")
    if diagnosis.situation is Situation.ALREADY_IN_OPENCAST:
        return "In Opencast already"
    if diagnosis.situation in SITUATIONS_IN_OPENCAST | {
        Situation.OPENCAST_DELETED,
        Situation.IN_PROGRESS,
    }:
        return f"{words} since {write_time(since_when(row))}"
    if diagnosis.situation is Situation.RETRY_SCHEDULED and diagnosis.retry_at:
        return f"{words}, retried automatically at {write_time(diagnosis.retry_at)}"
    if diagnosis.will_retry:
        return f"{words}, retried automatically"
    if diagnosis.is_stuck:
        return f"{words}{STUCK} since {write_time(row.updated)}"
    return f"{words}: {reason}" if reason else words


def _others(
    earlier: Sequence[StatusRow], later: Sequence[StatusRow], diagnoses: Mapping[str, Diagnosis]
) -> Iterable[str]:
    """Yield clauses about the results of the other requests, one for each result.

    Args:
        earlier: Ingests that were requested before the deciding ingest.
        later: Ingests that were requested after the deciding ingest.
        diagnoses: Diagnoses of the ingests, by `zip_id`.
    """
    before, after = _results(earlier, diagnoses), _results(later, diagnoses)
    for became in dict.fromkeys((*after, *before)):
        subjects = []
        if count := before[became]:
            subjects.append("an earlier" if count == 1 else f"{count} earlier")
        if count := after[became]:
            subjects.append("a later" if count == 1 else f"{count} later")
        noun = "request" if (after[became] or before[became]) == 1 else "requests"
        of_one, of_many = became
        words = of_one if before[became] + after[became] == 1 else of_many
        yield f"{' and '.join(subjects)} {noun} {words}"


def _results(
    rows: Iterable[StatusRow], diagnoses: Mapping[str, Diagnosis]
) -> Counter[tuple[str, str]]:
    """Count the rows by the words for their results. A row without such words isn't counted."""
    counts: Counter[tuple[str, str]] = Counter()
    for row in rows:
        situation = diagnoses[row.zip_id].situation
        is_ignored = row.state is State.IGNORED and situation in _ENDED_EARLY
        if became := _NO_CLASS if is_ignored else _BECAME.get(situation):
            counts[became] += 1
    return counts
