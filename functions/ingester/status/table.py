"""The status table in DynamoDB: one row for each ingest, for people to read."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
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
from ingester.status.row import Asked, StatusRow, Step
from ingester.status.row_change import REASON_LIMIT, RowChange, subject_attributes

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

logger = logging.getLogger("ingester.status_table")

Clock = Callable[[], datetime]

STATUS_LIFE = timedelta(days=7)
EPOCH = "1970-01-01"


class Requested(Enum):
    """Time of request that a write sets: `NOW`, or `NOW` unless the row has one."""

    NOW = auto()
    UNLESS_KNOWN = auto()


class Written(msgspec.Struct, frozen=True):
    """Result of a write: the states before and after, and what the row held before."""

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
    """Convert an item of DynamoDB's resource.

    An unreadable attribute is logged and left out, so that a row that was edited by hand doesn't
    make a whole list unreadable.
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
    """Return the readable steps. No decision depends on a step."""
    for step in _several(item, "steps"):
        try:
            yield msgspec.convert(step, Step)
        except msgspec.ValidationError:
            logger.warning("A step in the row of %s can't be read", item["zip_id"])


def _asked(item: Mapping[str, Any]) -> Asked:
    try:
        return msgspec.convert(item.get("asked", {}), Asked)
    except msgspec.ValidationError:
        logger.warning("asked in the row of %s can't be read", item["zip_id"])
        return Asked()


def _updated(item: Mapping[str, Any]) -> datetime:
    """Return the time of the last write, or the epoch if it is unreadable."""
    try:
        day = datetime.fromisoformat(str(item.get("update_date", EPOCH)))
        return day.replace(tzinfo=UTC) + timedelta(seconds=_number(item, "update_time"))
    except (ValueError, OverflowError):
        logger.warning("The row of %s has no time that can be read", item["zip_id"])
        return datetime.fromisoformat(EPOCH).replace(tzinfo=UTC)


def _outdated(
    state: State, oc_series_id: str, course: str, retry_due: str, asked: Asked | None
) -> list[str]:
    """Return the attributes to remove when these are written."""
    removes = [] if retry_due else ["retry_due"]
    if state is State.WEBHOOK_RECEIVED:
        # The notice is older than this request.
        removes.append("zoom_notice")
    if oc_series_id and not course:
        removes.append("course")
    if asked == Asked():
        removes.append("asked")
    return removes


P = ParamSpec("P")
R = TypeVar("R")


def never_raising(write: Callable[P, R]) -> Callable[P, R | None]:
    """Make `write` log an error of AWS's and return None. The row then lags behind."""

    @wraps(write)
    def report(*args: P.args, **kwargs: P.kwargs) -> R | None:
        try:
            return write(*args, **kwargs)
        except (BotoCoreError, ClientError) as error:
            logger.warning("The status row isn't written. %s", AwsFailed.of(error))
            return None

    return report


class StatusTable:
    """`<stack>-pipeline-status`: one row for each ingest, for people. Decisions read the ledger.

    Every change of state is one conditional update. A change that `pipeline.states` doesn't allow
    is dropped.
    """

    def __init__(self, table: Table, clock: Clock) -> None:
        self._table = table
        self._clock = clock

    def get(self, zip_id: str) -> StatusRow | None:
        """Read a row consistently; None if there is none."""
        item = self._table.get_item(Key={"zip_id": zip_id}, ConsistentRead=True).get("Item")
        return row_of(item) if item else None

    def write(
        self,
        zip_id: str,
        state: State,
        reason: str = "",
        *,
        subject: Subject | None = None,
        requested: Requested | None = None,
        asked: Asked | None = None,
        files: Iterable[str] = (),
        oc_series_id: str = "",
        course: str = "",
        retry_due: str = "",
        failed_again: bool = False,
        replacing: AbstractSet[State] = frozenset(),
    ) -> Written | None:
        """Move a row to `state`, if it may go there from its state (`pipeline.states`).

        Args:
            zip_id: Key of the row.
            state: New state.
            reason: Replaces the old reason. Without one, the old reason is removed, unless the row
                already is in `state`.
            subject: Creates the row if there is none.
            requested: Sets the time of request.
            asked: What the request asked for. An empty one removes that of an earlier request.
            files: File ids to add.
            oc_series_id: Series that was found. Removes the old course unless `course` is given.
            course: Course of the series.
            retry_due: When the pipeline retries by itself. The old time is removed in any case.
            failed_again: Counts a failure.
            replacing: More states that this write may replace.

        Returns:
            None if there is no row, or it may not go to `state`.
        """
        names = {"#state": "pipeline_state"}
        values: dict[str, Any] = {":state": str(state)}
        sets = {"#state": ":state", **self._stamp(values)}
        removes = _outdated(state, oc_series_id, course, retry_due, asked)
        optional: dict[str, Any] = {
            "oc_series_id": oc_series_id,
            "course": course,
            "retry_due": retry_due,
            "asked": msgspec.to_builtins(asked) if asked else {},
            "ingest_request_time": timestamps.write(self._clock()) if requested else "",
            **(subject_attributes(subject) if subject else {}),
        }
        for name, value in optional.items():
            if value:
                sets[name] = f":{name}"
                values[f":{name}"] = value
        if requested is Requested.UNLESS_KNOWN:
            known = "if_not_exists(ingest_request_time, :ingest_request_time)"
            sets["ingest_request_time"] = known
        adds: dict[str, Any] = {}
        if files:
            adds["file_ids"] = set(files)
        if failed_again:
            adds["failures"] = 1
        elif state is not State.UPLOADER_RECEIVED:
            removes.append("failures")
        before = FOLLOWS[state] | replacing
        step = {"state": str(state), "at": timestamps.write(self._clock())}
        change = RowChange(sets, removes, adds, names, values, step)
        makes_row = subject is not None and begins(state)
        written = self._move(zip_id, change, reason, state, before, makes_row)
        if written:
            logger.debug("%s written to the row of %s", state, zip_id)
        else:
            logger.info("%s not written: the row of %s is gone or further on", state, zip_id)
        return written

    report = never_raising(write)
    """`write` that logs errors instead of raising them, for steps that don't depend on it."""

    def note(self, zip_id: str, zoom_notice: str, outlook: str = "") -> None:
        """Write Zoom's notice of a recording in progress into its row.

        The reason becomes the notice, followed by `outlook`: what happens next.
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
    def explain(self, zip_id: str, state: State, reason: str) -> None:
        """Replace the reason of a row that is still in `state`. This adds no step."""
        try:
            self._table.update_item(
                Key={"zip_id": zip_id},
                UpdateExpression="SET reason = :reason, expiration = :expiration",
                ConditionExpression="pipeline_state = :state",
                ExpressionAttributeValues={
                    ":state": str(state),
                    ":reason": redact(reason)[:REASON_LIMIT],
                    ":expiration": self._expiration(),
                },
            )
        except self._table.meta.client.exceptions.ConditionalCheckFailedException:
            logger.info("No reason written: the row of %s is gone or further on", zip_id)

    def take_back_note(self, row: StatusRow, reason: str) -> bool:
        """Remove Zoom's notice from a row; False if the row has changed since it was read."""
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
        """Return all rows of a meeting, in no order."""
        return [
            row_of(item)
            for item in self._query(
                IndexName="mid_index",
                KeyConditionExpression="meeting_id = :meeting",
                ExpressionAttributeValues={":meeting": meeting_id},
            )
        ]

    def updated_since(self, begin: datetime) -> list[StatusRow]:
        """Return all rows updated since `begin`, the oldest first."""
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
        return int((self._clock() + STATUS_LIFE).timestamp())

    def _stamp(self, values: dict[str, Any]) -> dict[str, str]:
        now = self._clock().astimezone(UTC)
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
        values[":update_date"] = now.strftime("%Y-%m-%d")
        values[":update_time"] = int((now - midnight).total_seconds())
        values[":expiration"] = self._expiration()
        return {name: f":{name}" for name in ("update_date", "update_time", "expiration")}

    def _move(
        self,
        zip_id: str,
        change: RowChange,
        reason: str,
        state: State,
        before: frozenset[State],
        makes_row: bool,
    ) -> Written | None:
        if reason:
            return self._update(zip_id, change.with_reason(reason), before, makes_row)
        written = self._update(zip_id, change.with_reason(""), before - {state}, makes_row)
        if written or state not in before:
            return written
        return self._update(zip_id, change, frozenset({state}), False)

    def _update(
        self, zip_id: str, change: RowChange, before: frozenset[State], makes_row: bool
    ) -> Written | None:
        allowed = {f":before{index}": str(state) for index, state in enumerate(sorted(before))}
        conditions = [f"#state IN ({', '.join(allowed)})"] if allowed else []
        if makes_row:
            conditions.append("attribute_not_exists(#state)")
        if not conditions:
            return None
        for update in change.updates(" OR ".join(conditions)):
            update["ExpressionAttributeValues"] |= allowed
            try:
                answer = self._table.update_item(
                    Key={"zip_id": zip_id}, ReturnValues="ALL_OLD", **update
                )
            except self._table.meta.client.exceptions.ConditionalCheckFailedException:
                continue
            else:
                old, after = answer.get("Attributes", {}), State(change.step["state"])
                files = frozenset(map(str, _several(old, "file_ids")))
                return Written(_state(old), after, bool(old.get("oc_series_id")), files)
        return None

    def _query(self, **query: Any) -> Iterator[dict[str, Any]]:
        while True:
            page = self._table.query(**query)
            yield from page["Items"]
            if "LastEvaluatedKey" not in page:
                return
            query["ExclusiveStartKey"] = page["LastEvaluatedKey"]
