"""Copy an old stack's tables into a new stack by conditional writes.

Rows are copied unchanged, because this system also reads the first system's rows. Only rows of
recording events are merged. The migration never writes to the old stack. Each write has the
condition that the new row hasn't changed since the decision.

**Schedule.** An existing meeting stays, because an import into the new stack is more recent.

**Recording events.** If a recording ran during the switch, the old stack has the start, and the new
stack has the stop. The new stack's row gets the recording events of the rows of both stacks, in the
order of time.

**Status.** A row of the old stack is written to the new stack only if

- the new stack has no row of the same id; or
- the new row only has Zoom's progress (`RECORDING_…`), and the old row has more, so a late
  `meeting.ended` doesn't hide that the recording is in Opencast; or
- the new row is older, because the new row was copied earlier and the old stack has continued
  since. (A row of Zoom's progress never replaces a row with more.)

A new row stays if this pipeline accepted the row's request, that is, if the row names files or the
ledger says that this pipeline accepted the request. Copied status rows are for people. The pipeline
decides by the ledger, so the requests of copied rows are added to the ledger
(`ops/migration/ledger.py`):

- `SENT_TO_OPENCAST`, `PUBLISHED` and `OPENCAST_…` count as sent. A repeated webhook event is
  a duplicate, whichever files the webhook event names.
- `SENT_TO_DOWNLOADER`, `OC_SERIES_FOUND`, `SENT_TO_UPLOADER` and `UPLOADER_RECEIVED` count as sent.
  The old stack has the recording in a queue and brings the recording to Opencast. A repeated
  webhook event is a duplicate here, too; otherwise both stacks would ingest the recording. Another
  run of the command copies the request's end.
- `WEBHOOK_FAILED`, `DOWNLOADER_FAILED`, `UPLOADER_FAILED` and `IGNORED` count as ended, except a
  failure that the old stack will retry, which counts as sent. A repeat by Zoom or an operator is
  accepted, and the uploader asks Opencast before an ingest.
- `RECORDING_…`, `ON_DEMAND_RECEIVED` and `WEBHOOK_RECEIVED` add no request. The webhook event with
  the files, or its repeat, reaches the new stack after the switch and begins the ingest.
- `on-demand-…` rows follow the same rules, under the rows' own ids. A new request has another id.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec

from ingester.pipeline.states import ZOOM_SIDE, State
from ingester.schedule.model import ScheduledMeeting
from ingester.schedule.table import IMPORT_LOCK

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

Item = Mapping[str, Any]

ATTEMPTS = 5
"""Maximum number of attempts to write one row. An attempt fails if the new row has changed."""

EXPIRED = "expired"
UNREADABLE = "can't be read"
BUSY = "changed here all the time"


@dataclass(frozen=True)
class Write:
    """A row to write, and the condition of the write."""

    item: Item
    condition: str
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class Tally:
    """Counts of one table's rows. `thing` is the name of the data for people.

    `skipped` counts the skipped rows by reason. `named` are sentences on rows that an operator
    should look at.
    """

    thing: str
    copied: int = 0
    kept: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    named: list[str] = field(default_factory=list)

    def leave_out(self, key: str, reason: str) -> None:
        """Count a row that is left out, and name the row if an operator should look at it."""
        self.skipped[reason] += 1
        if reason == BUSY:
            self.named.append(f"{key} {BUSY}: run it again")
        elif reason.startswith(UNREADABLE):
            self.named.append(f"{key} {reason}")


Decide = Callable[[Item, Item | None], Write | None]
"""The type of a decision: (old row, new row if any) → the write; None if nothing is written."""

ReasonToSkip = Callable[[Item], str]
"""The type of a function that returns the reason why a row isn't copied, or ""."""


@dataclass(frozen=True)
class Rules:
    """The rules of copying one table.

    `thing` is the name of the data for people, and `key` the name of the table's key. `differs`
    returns whether a row of the old stack differs from the new stack's row so much that the tally
    names the row. `besides` are keys of rows that aren't copied.
    """

    thing: str
    key: str
    reason_to_skip: ReasonToSkip
    decide: Decide
    differs: Callable[[Item, Item], bool] = lambda _there, _here: False
    besides: frozenset[str] = frozenset()


def copy_table(
    old: Table, new: Table, rules: Rules, *, dry_run: bool, on_progress: Callable[[int, int], None]
) -> Tally:
    """Copy a table's rows by the rules, or only count the rows (`dry_run`). Return the counts.

    `on_progress` is that of `Migration.copy`.
    """
    tally = Tally(rules.thing)
    rows = [item for item in scan(old) if item[rules.key] not in rules.besides]
    here = {str(item[rules.key]): item for item in scan(new)}
    for number, row in enumerate(rows, start=1):
        _copy_row(row, here.get(str(row[rules.key])), new, rules, tally, dry_run=dry_run)
        on_progress(number, len(rows))
    return tally


def _copy_row(
    row: Item, present: Item | None, new: Table, rules: Rules, tally: Tally, *, dry_run: bool
) -> None:
    key = str(row[rules.key])
    reason = rules.reason_to_skip(row)
    if reason:
        tally.leave_out(key, reason)
        return
    for _ in range(ATTEMPTS):
        write = rules.decide(row, present)
        if write is None:
            tally.kept += 1
            if present is not None and rules.differs(row, present):
                tally.named.append(f"{key} is here with something else, and stays so")
            return
        if dry_run or put(new, write):
            tally.copied += 1
            return
        present = new.get_item(Key={rules.key: key}, ConsistentRead=True).get("Item")
    tally.leave_out(key, BUSY)


def scan(table: Table) -> Iterator[Item]:
    """Yield every row of a table, with consistent reads."""
    options: dict[str, Any] = {"ConsistentRead": True}
    while True:
        page = table.scan(**options)
        yield from page["Items"]
        if "LastEvaluatedKey" not in page:
            return
        options["ExclusiveStartKey"] = page["LastEvaluatedKey"]


def put(table: Table, write: Write) -> bool:
    """Write the row of `write` under the condition, and return whether the condition held."""
    values = {"ExpressionAttributeValues": dict(write.values)} if write.values else {}
    try:
        table.put_item(
            Item=dict(write.item),
            ConditionExpression=write.condition,
            **values,  # type: ignore[arg-type]
        )
    except table.meta.client.exceptions.ConditionalCheckFailedException:
        return False
    return True


def has_expired(item: Item, now: datetime) -> bool:
    """Return whether a row has expired. DynamoDB deletes an expired row within some days.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/TTL.html
    """
    expiration = item.get("expiration")
    return isinstance(expiration, Decimal | int) and expiration <= now.timestamp()


SCHEDULE_KEY, EVENTS_KEY, STATUS_KEY = "zoom_series_id", "zoom_uuid", "zip_id"


def schedule_rules() -> Rules:
    """Return the rules for the schedule."""
    lock = frozenset({IMPORT_LOCK})
    return Rules("schedule", SCHEDULE_KEY, _reason_to_skip_meeting, _decide_meeting, _differs, lock)


def _reason_to_skip_meeting(item: Item) -> str:
    return "" if _meeting(item) else f"{UNREADABLE} as a meeting of the schedule"


def _meeting(item: Item) -> ScheduledMeeting | None:
    known = {name: value for name, value in item.items() if value is not None}
    try:
        return msgspec.convert(known, ScheduledMeeting, strict=False)
    except msgspec.ValidationError:
        return None


def _decide_meeting(row: Item, here: Item | None) -> Write | None:
    return None if here else Write(row, f"attribute_not_exists({SCHEDULE_KEY})")


def _differs(row: Item, here: Item) -> bool:
    """Return whether the scheduled classes of two rows differ in more than the sources."""
    return _classes(row) != _classes(here)


def _classes(item: Item) -> set[tuple[str, ...]] | None:
    meeting = _meeting(item)
    if meeting is None:
        return None
    return {
        (
            scheduled.day,
            scheduled.time,
            scheduled.title,
            meeting.course_of(scheduled),
            meeting.series_of(scheduled),
        )
        for scheduled in meeting.events
    }


def event_rules(now: datetime) -> Rules:
    """Return the rules for recording events."""

    def reason_to_skip(item: Item) -> str:
        if has_expired(item, now):
            return EXPIRED
        if not _times(item):
            return f"{UNREADABLE} as a recording's events"
        return ""

    return Rules("recording events", EVENTS_KEY, reason_to_skip, _decide_events)


def _times(item: Item) -> list[tuple[int, str]]:
    """Return a row's recording events as (Unix seconds, name); [] if the row can't be read."""
    try:
        return [
            (int(event["timestamp"]), str(event["event"]))
            for event in item["recording_event_times"]
        ]
    except (KeyError, TypeError, ValueError):
        return []


def _decide_events(row: Item, here: Item | None) -> Write | None:
    if here is None:
        return Write(row, f"attribute_not_exists({EVENTS_KEY})")
    both = dict.fromkeys(sorted([*_times(row), *_times(here)]))
    if set(both) == set(_times(here)):
        return None
    merged = {
        **row,
        **here,
        "recording_event_times": [{"event": event, "timestamp": at} for at, event in both],
    }
    on_progress = here.get("recording_event_times")
    if on_progress is None:
        return Write(merged, "attribute_not_exists(recording_event_times)")
    return Write(merged, "recording_event_times = :seen", {":seen": on_progress})


def status_rules(now: datetime, days: int, is_ours: Callable[[Item], bool]) -> Rules:
    """Return the rules for status rows of the last `days` days.

    `is_ours` returns whether this pipeline accepted the row's request. A row whose request this
    pipeline accepted isn't copied.
    """
    oldest_kept = now - timedelta(days=days)

    def reason_to_skip(item: Item) -> str:
        updated = _updated(item)
        if updated is None or not _is_status(item):
            return f"{UNREADABLE} as a recording's state"
        if has_expired(item, now):
            return EXPIRED
        if updated < oldest_kept:
            return f"older than {days} days"
        return ""

    def decide(row: Item, here: Item | None) -> Write | None:
        return None if is_ours(row) else _decide_status(row, here)

    return Rules("status", STATUS_KEY, reason_to_skip, decide)


def _updated(item: Item) -> datetime | None:
    day, seconds = item.get("update_date"), item.get("update_time")
    if not isinstance(day, str) or not isinstance(seconds, Decimal | int):
        return None
    try:
        return datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=UTC) + timedelta(
            seconds=int(seconds)
        )
    except (ValueError, OverflowError):
        return None


def _is_status(item: Item) -> bool:
    """Return whether a row's state is known and the row's meeting, if any, is a number.

    The table's index by meeting accepts only numbers.
    """
    return item.get("pipeline_state") in State.__members__ and isinstance(
        item.get("meeting_id", 0), Decimal | int
    )


def _decide_status(row: Item, here: Item | None) -> Write | None:
    if here is None:
        return Write(row, f"attribute_not_exists({STATUS_KEY})")
    if "file_ids" in here:
        return None
    before, now = here.get("pipeline_state"), row["pipeline_state"]
    is_more = before in ZOOM_SIDE and now not in ZOOM_SIDE
    is_less = before not in ZOOM_SIDE and now in ZOOM_SIDE
    updated = _updated(here)
    is_newer = updated is not None and (_updated(row) or updated) > updated
    if is_less or not (is_more or is_newer):
        return None
    return Write(
        row,
        "pipeline_state = :state AND update_date = :date AND update_time = :time "
        "AND attribute_not_exists(file_ids)",
        {":state": before, ":date": here.get("update_date"), ":time": here.get("update_time")},
    )
