"""The status table in DynamoDB: one row for each ingest, for people to read.

Each write of a state appends a step to the row's list, in the same update. The list is bounded,
because a recording may be retried for days. The first and the last steps stay, and the number of
dropped steps between them is kept. An expression can't branch on a list's length. So there are two
updates, each with a condition on the length: one appends a step, the other shifts the last steps
to make room. The shift works because UpdateItem evaluates the right sides of SET before it writes:
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/example_dynamodb_Scenario_UpdateExpressionOrder_section.html
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import KW_ONLY, dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum, auto
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import msgspec
from botocore.exceptions import BotoCoreError, ClientError

from ingester import timestamps
from ingester.errors import AwsFailed
from ingester.log import redact
from ingester.pipeline.states import FOLLOWS, State, begins
from ingester.recording.files import Subject
from ingester.status.row import RequestOptions, StatusRow, Step

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

logger = logging.getLogger("ingester.status_table")

Clock = Callable[[], datetime]

STATUS_RETENTION = timedelta(days=7)
EPOCH = "1970-01-01"

REASON_LIMIT = 1000
STEP_REASON_LIMIT = 300
FIRST_STEPS = 10
MAX_STEPS = 40
"""Maximum number of steps in a row. 40 steps with their reasons take at most 50 KB. DynamoDB limits
an item to 400 KB:
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
"""


class Requested(Enum):
    """Ways to set a row's time of request to the current time: always, or if the row has no such
    time."""

    NOW = auto()
    UNLESS_KNOWN = auto()


@dataclass(frozen=True)
class StatusChange:
    """One change of a row.

    Attributes:
        state: New state.
        reason: New reason. If "", the old reason is removed, unless the row already is in `state`
            or `keeps_reason` is set.
        subject: The recording, to write into the row. If None, the change creates no row.
        requested: Way to set the time of request; None to leave the time unchanged.
        asked: Options of the request. An empty `RequestOptions` removes the options of an
            earlier request; None leaves the options unchanged.
        files: File ids to add.
        oc_series_id: Series that was found. The old course is removed unless `course` is given. If
            "", series and course stay.
        course: Course of the series.
        retry_due: Time of the next automatic attempt. The old time is removed in any case.
        failed_again: Whether to count a failure. If not, the count starts again, except in the
            state UPLOADER_RECEIVED.
        replacing: States that the change may replace in addition to those in `FOLLOWS`.
        keeps_reason: Whether to keep the old reason if there is no new one.
    """

    state: State
    reason: str = ""
    _: KW_ONLY
    subject: Subject | None = None
    requested: Requested | None = None
    asked: RequestOptions | None = None
    files: Iterable[str] = ()
    oc_series_id: str = ""
    course: str = ""
    retry_due: str = ""
    failed_again: bool = False
    replacing: AbstractSet[State] = frozenset()
    keeps_reason: bool = False


class WriteResult(msgspec.Struct, frozen=True):
    """Result of a write: the row's state before and after the write.

    `before` is None if the row was new, or if the row's state was unknown. `had_series` and `files`
    (ids) are about the row before the write.
    """

    before: State | None
    after: State
    had_series: bool
    files: frozenset[str]

    @property
    def is_change(self) -> bool:
        return self.before is not self.after


def _state(item: Mapping[str, Any]) -> State | None:
    return State.__members__.get(str(item.get("pipeline_state", "")))


def row_of(item: Mapping[str, Any]) -> StatusRow:
    """Convert an item of boto3's table to a row.

    An unreadable attribute is left out, and logged unless it is the state. So a row that was edited
    by hand doesn't make a whole list unreadable.
    """
    return StatusRow(
        zip_id=str(item["zip_id"]),
        state=_state(item),
        meeting_id=_number(item, "meeting_id"),
        recording_id=str(item.get("recording_id", "")),
        topic=str(item.get("topic", "")),
        start_time=str(item.get("recording_start_time", "")),
        origin=str(item.get("origin", "")),
        reason=str(item.get("reason", "")),
        oc_series_id=str(item.get("oc_series_id", "")),
        ingest_request_time=str(item.get("ingest_request_time", "")),
        updated=_updated(item),
        files=frozenset(map(str, _several(item, "file_ids"))),
        retry_due=str(item.get("retry_due", "")),
        zoom_notice=str(item.get("zoom_notice", "")),
        failures=_number(item, "failures"),
        course=str(item.get("course", "")),
        steps=tuple(_steps(item)),
        steps_left_out=_number(item, "steps_left_out"),
        asked=_asked(item),
    )


def _number(item: Mapping[str, Any], name: str) -> int:
    try:
        return int(item.get(name, 0))
    except (ValueError, TypeError, OverflowError):
        logger.warning("%s in the row of %s can't be read", name, item["zip_id"])
        return 0


def _several(item: Mapping[str, Any], name: str) -> Iterable[Any]:
    found = item.get(name, ())
    if isinstance(found, list | tuple | set | frozenset):
        return found
    logger.warning("%s in the row of %s can't be read", name, item["zip_id"])
    return ()


def _steps(item: Mapping[str, Any]) -> Iterator[Step]:
    """Yield the readable steps. Unreadable steps are logged and left out."""
    for step in _several(item, "steps"):
        try:
            yield msgspec.convert(step, Step)
        except msgspec.ValidationError:
            logger.warning("A step in the row of %s can't be read", item["zip_id"])


def _asked(item: Mapping[str, Any]) -> RequestOptions:
    try:
        return msgspec.convert(item.get("asked", {}), RequestOptions)
    except msgspec.ValidationError:
        logger.warning("asked in the row of %s can't be read", item["zip_id"])
        return RequestOptions()


def _updated(item: Mapping[str, Any]) -> datetime:
    """Return the time of the last write of the state.

    An unreadable day counts as 1970-01-01, and an unreadable time of day as midnight.
    """
    try:
        day = datetime.fromisoformat(str(item.get("update_date", EPOCH)))
        return day.replace(tzinfo=UTC) + timedelta(seconds=_number(item, "update_time"))
    except (ValueError, OverflowError):
        logger.warning("The row of %s has no time that can be read", item["zip_id"])
        return datetime.fromisoformat(EPOCH).replace(tzinfo=UTC)


P = ParamSpec("P")
R = TypeVar("R")


def never_raising(write: Callable[P, R]) -> Callable[P, R | None]:
    """Return a variant of `write` that logs an error of AWS and returns None.

    After an error, the row may be outdated.
    """

    @wraps(write)
    def report(*args: P.args, **kwargs: P.kwargs) -> R | None:
        try:
            return write(*args, **kwargs)
        except (BotoCoreError, ClientError) as error:
            logger.warning("The status row isn't written. %s", AwsFailed.of(error))
            return None

    return report


class StatusTable:
    """The table `<stack>-pipeline-status`, for people. The pipeline's decisions read the ledger.

    Every change of state is one conditional update. A change that neither `pipeline.states` nor
    `StatusChange.replacing` allows is dropped.
    """

    def __init__(self, table: Table, clock: Clock) -> None:
        self._table = table
        self._clock = clock

    def get(self, zip_id: str) -> StatusRow | None:
        """Return a row, read consistently; None if there is no such row."""
        item = self._table.get_item(Key={"zip_id": zip_id}, ConsistentRead=True).get("Item")
        return row_of(item) if item else None

    def write(self, zip_id: str, change: StatusChange) -> WriteResult | None:
        """Create a row, or change it if its state may change to the new one.

        Returns:
            The result; None if the state may not change, or if the change can't create the row.
        """
        state, now = change.state, self._clock()
        update = _update_of(change, now, self._expiration())
        before = FOLLOWS[state] | change.replacing
        creates = change.subject is not None and begins(state)
        if change.reason:
            written = self._update(zip_id, update.with_reason(change.reason), before, creates)
        elif change.keeps_reason:
            written = self._update(zip_id, update, before, creates)
        else:
            written = self._update(zip_id, update.with_reason(""), before - {state}, creates)
            if not written and state in before:
                written = self._update(zip_id, update, frozenset({state}), False)
        if written:
            logger.debug("%s written to the row of %s", state, zip_id)
        else:
            logger.info("%s not written: the row of %s is gone or further on", state, zip_id)
        return written

    report = never_raising(write)
    """Variant of `write` that logs AWS's errors, for callers that don't depend on the row."""

    def note(self, zip_id: str, zoom_notice: str, outlook: str = "") -> None:
        """Write Zoom's notice about a recording into a row.

        The row's reason becomes the notice followed by `outlook`, a text about the next step.

        Raises:
            ConditionalCheckFailedException: The row doesn't exist.
        """
        self._table.update_item(
            Key={"zip_id": zip_id},
            UpdateExpression="SET zoom_notice = :notice, reason = :reason",
            ConditionExpression="attribute_exists(zip_id)",
            ExpressionAttributeValues={
                ":notice": zoom_notice,
                ":reason": f"{zoom_notice}{outlook}"[:REASON_LIMIT],
            },
        )

    @never_raising
    def explain(self, zip_id: str, states: AbstractSet[State], reason: str) -> None:
        """Replace the reason of a row that is in one of `states`, without a new step.

        AWS's errors are only logged.
        """
        allowed = {f":state{index}": str(state) for index, state in enumerate(sorted(states))}
        try:
            self._table.update_item(
                Key={"zip_id": zip_id},
                UpdateExpression="SET reason = :reason, expiration = :expiration",
                ConditionExpression=f"pipeline_state IN ({', '.join(allowed)})",
                ExpressionAttributeValues={
                    ":reason": redact(reason)[:REASON_LIMIT],
                    ":expiration": self._expiration(),
                    **allowed,
                },
            )
        except self._table.meta.client.exceptions.ConditionalCheckFailedException:
            logger.info("No reason written: the row of %s is gone or further on", zip_id)

    def clear_notice(self, row: StatusRow, reason: str) -> bool:
        """Remove Zoom's notice from a row, and set the row's reason.

        Returns:
            False, without a write, if the row is gone, or if the row's notice, state or reason has
            changed since `row` was read.
        """
        try:
            self._table.update_item(
                Key={"zip_id": row.zip_id},
                UpdateExpression="SET reason = :reason REMOVE zoom_notice",
                ConditionExpression="zoom_notice = :notice AND #state = :state"
                " AND (attribute_not_exists(reason) OR reason = :old)",
                ExpressionAttributeNames={"#state": "pipeline_state"},
                ExpressionAttributeValues={
                    ":reason": reason,
                    ":notice": row.zoom_notice,
                    ":state": str(row.state),
                    ":old": row.reason,
                },
            )
        except self._table.meta.client.exceptions.ConditionalCheckFailedException:
            return False
        return True

    def of_meeting(self, meeting_id: int) -> list[StatusRow]:
        """Return all rows of a meeting, in no particular order."""
        return [
            row_of(item)
            for item in self._query(
                IndexName="mid_index",
                KeyConditionExpression="meeting_id = :meeting",
                ExpressionAttributeValues={":meeting": meeting_id},
            )
        ]

    def updated_since(self, begin: datetime) -> list[StatusRow]:
        """Return all rows updated since `begin` (in UTC), the oldest first."""
        now = self._clock()
        rows: list[StatusRow] = []
        day = begin.replace(hour=0, minute=0, second=0, microsecond=0)
        while day <= now:
            first = max(0, int((begin - day).total_seconds()))
            rows += [
                row_of(item)
                for item in self._query(
                    IndexName="time_index",
                    KeyConditionExpression="update_date = :day AND update_time >= :first",
                    ExpressionAttributeValues={
                        ":day": day.strftime("%Y-%m-%d"),
                        ":first": first,
                    },
                )
            ]
            day += timedelta(days=1)
        return rows

    def _expiration(self) -> int:
        return int((self._clock() + STATUS_RETENTION).timestamp())

    def _update(
        self, zip_id: str, update: _Update, before: frozenset[State], creates: bool
    ) -> WriteResult | None:
        allowed = {f":before{index}": str(state) for index, state in enumerate(sorted(before))}
        conditions = [f"#state IN ({', '.join(allowed)})"] if allowed else []
        if creates:
            conditions.append("attribute_not_exists(#state)")
        if not conditions:
            return None
        for arguments in update.arguments(" OR ".join(conditions)):
            arguments["ExpressionAttributeValues"] |= allowed
            try:
                answer = self._table.update_item(
                    Key={"zip_id": zip_id}, ReturnValues="ALL_OLD", **arguments
                )
            except self._table.meta.client.exceptions.ConditionalCheckFailedException:
                continue
            else:
                old, after = answer.get("Attributes", {}), State(update.step["state"])
                files = frozenset(map(str, _several(old, "file_ids")))
                return WriteResult(_state(old), after, bool(old.get("oc_series_id")), files)
        return None

    def _query(self, **query: Any) -> Iterator[dict[str, Any]]:
        while True:
            page = self._table.query(**query)
            yield from page["Items"]
            if "LastEvaluatedKey" not in page:
                return
            query["ExclusiveStartKey"] = page["LastEvaluatedKey"]


class _Update(msgspec.Struct, frozen=True):
    """One update of a row.

    Attributes:
        sets: Expressions of new values, by attribute.
        removes: Attributes to remove.
        adds: Numbers or sets to add, by attribute.
        values: Values by placeholder.
        step: The step to append: `state`, `at` and, if there is one, `reason`.
    """

    sets: dict[str, str]
    removes: list[str]
    adds: dict[str, Any]
    values: dict[str, Any]
    step: dict[str, str]

    def with_reason(self, reason: str) -> _Update:
        """Return the same update with another reason; "" removes the old reason."""
        text = redact(reason)[:REASON_LIMIT]
        return msgspec.structs.replace(
            self,
            sets={**self.sets, "reason": ":reason"},
            values={**self.values, ":reason": text},
            step={**self.step, **({"reason": text[:STEP_REASON_LIMIT]} if text else {})},
        )

    def arguments(self, condition: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return UpdateItem's arguments for a row with room for a step, and for a full row.

        The update happens only if `condition` holds.
        """
        appending = self._arguments(
            {"steps": "list_append(if_not_exists(steps, :no_steps), :steps)"},
            {},
            {":no_steps": [], ":steps": [self.step]},
            f"({condition}) AND (attribute_not_exists(steps) OR size(steps) < :most_steps)",
        )
        moved = {
            f"steps[{index}]": f"steps[{index + 1}]" for index in range(FIRST_STEPS, MAX_STEPS - 1)
        }
        moving_up = self._arguments(
            {**moved, f"steps[{MAX_STEPS - 1}]": ":step"},
            {"steps_left_out": 1},
            {":step": self.step},
            f"({condition}) AND size(steps) >= :most_steps",
        )
        return appending, moving_up

    def _arguments(
        self,
        sets: dict[str, str],
        adds: dict[str, Any],
        values: dict[str, Any],
        condition: str,
    ) -> dict[str, Any]:
        sets, adds = {**self.sets, **sets}, {**self.adds, **adds}
        parts = ["SET " + ", ".join(f"{name} = {value}" for name, value in sets.items())]
        if self.removes:
            parts.append("REMOVE " + ", ".join(self.removes))
        if adds:
            parts.append("ADD " + ", ".join(f"{name} :add_{name}" for name in adds))
        return {
            "UpdateExpression": " ".join(parts),
            "ConditionExpression": condition,
            "ExpressionAttributeNames": {"#state": "pipeline_state"},
            "ExpressionAttributeValues": {
                **self.values,
                **values,
                **{f":add_{name}": value for name, value in adds.items()},
                ":most_steps": MAX_STEPS,
            },
        }


def _update_of(change: StatusChange, now: datetime, expiration: int) -> _Update:
    """Return the update for a change, without the change's reason.

    `expiration` is in seconds since 1970.
    """
    utc = now.astimezone(UTC)
    midnight = utc.replace(hour=0, minute=0, second=0, microsecond=0)
    values: dict[str, Any] = {
        "update_date": utc.strftime("%Y-%m-%d"),
        "update_time": int((utc - midnight).total_seconds()),
        "expiration": expiration,
    }
    optional: dict[str, Any] = {
        "oc_series_id": change.oc_series_id,
        "course": change.course,
        "retry_due": change.retry_due,
        "asked": msgspec.to_builtins(change.asked) if change.asked else {},
        "ingest_request_time": timestamps.write(now) if change.requested else "",
        **(_subject_attributes(change.subject) if change.subject else {}),
    }
    values |= {name: value for name, value in optional.items() if value}
    sets = {"#state": ":state", **{name: f":{name}" for name in values}}
    if change.requested is Requested.UNLESS_KNOWN:
        sets["ingest_request_time"] = "if_not_exists(ingest_request_time, :ingest_request_time)"
    adds: dict[str, Any] = {}
    if change.files:
        adds["file_ids"] = set(change.files)
    if change.failed_again:
        adds["failures"] = 1
    return _Update(
        sets=sets,
        removes=_outdated(change),
        adds=adds,
        values={":state": str(change.state), **{f":{name}": values[name] for name in values}},
        step={"state": str(change.state), "at": timestamps.write(now)},
    )


def _outdated(change: StatusChange) -> list[str]:
    """Return the attributes that a change removes from the row."""
    removes = [] if change.retry_due else ["retry_due"]
    if change.state is State.WEBHOOK_RECEIVED:
        # An old notice isn't about this request.
        removes.append("zoom_notice")
    if change.oc_series_id and not change.course:
        removes.append("course")
    if change.asked == RequestOptions():
        removes.append("asked")
    if not change.failed_again and change.state is not State.UPLOADER_RECEIVED:
        removes.append("failures")
    return removes


def _subject_attributes(subject: Subject) -> dict[str, Any]:
    return {
        "meeting_id": subject.meeting_id,
        "recording_id": subject.recording_id,
        "topic": subject.topic,
        "recording_start_time": subject.start_time,
        "origin": str(subject.origin),
    }
