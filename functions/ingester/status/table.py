"""The DynamoDB table of what a recording has been through: one row an ingest."""

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
    """That a write is a request for ingest: whose time is `NOW`, or stays if the row has one."""

    NOW = auto()
    UNLESS_KNOWN = auto()


class Written(msgspec.Struct, frozen=True):
    """What a write made of its row; whether that had a series before, and which file ids."""

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
    """A row as DynamoDB's resource gives it.

    One that somebody has edited by hand makes no other row unreadable: what can't be read of it is
    left out.
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
    """The steps that can be read: they are told, never acted upon."""
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
    """When a row was written last; the epoch if that can't be read, so that the rest can."""
    try:
        day = datetime.fromisoformat(str(item.get("update_date", EPOCH)))
        return day.replace(tzinfo=UTC) + timedelta(seconds=_number(item, "update_time"))
    except (ValueError, OverflowError):
        logger.warning("The row of %s has no time that can be read", item["zip_id"])
        return datetime.fromisoformat(EPOCH).replace(tzinfo=UTC)


def _outdated(
    state: State, oc_series_id: str, course: str, retry_due: str, asked: Asked | None
) -> list[str]:
    """The attributes of a row that don't outlive a write of these."""
    removes = [] if retry_due else ["retry_due"]
    if state is State.WEBHOOK_RECEIVED:
        # Zoom said it before this request.
        removes.append("zoom_notice")
    if oc_series_id and not course:
        removes.append("course")
    if asked == Asked():
        removes.append("asked")
    return removes


P = ParamSpec("P")
R = TypeVar("R")


def never_raising(write: Callable[P, R]) -> Callable[P, R | None]:
    """Make `write` return None where AWS fails. The row then lags behind what really happened."""

    @wraps(write)
    def report(*args: P.args, **kwargs: P.kwargs) -> R | None:
        try:
            return write(*args, **kwargs)
        except (BotoCoreError, ClientError) as error:
            logger.warning("The status row isn't written. %s", AwsFailed.of(error))
            return None

    return report


class StatusTable:
    """`<stack>-pipeline-status`, one row an ingest: a report for people. The ledger decides.

    Every change of state is one conditional update: what `pipeline.states` doesn't allow is dropped
    and answered with None.
    """

    def __init__(self, table: Table, clock: Clock) -> None:
        self._table = table
        self._clock = clock

    def get(self, zip_id: str) -> StatusRow | None:
        """The row as it is now (a consistent read), or None."""
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
        """Moves a row to `state`; None if it isn't there or may not go there from where it is.

        With `subject` the row is made if it isn't there. `reason` replaces the old one; without
        one, the old goes with the old state, and stays when the state is written again.
        `requested` sets the time of the request for ingest, `asked` what it asked for: if nothing,
        what an earlier one did is forgotten. `files` are added to the file ids. `course` goes with
        the series: another series takes it away. `retry_due` says when the pipeline tries again by
        itself. `failed_again` counts a failure. `replacing` are more states that this write may
        replace.
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
    """`write` for what only tells people of a step that is done, or will be done all the same."""

    def note(self, zip_id: str, zoom_notice: str, outlook: str = "") -> None:
        """Writes what Zoom said of a recording on its way into its row, and its reason.

        `outlook` is what the reason says beside it: what happens next.
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
        """Gives a row another reason, unless it has left this state: no step, nothing happened."""
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
        """Takes Zoom's word away again; False if the row isn't any more as it was read."""
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
        """Every row of a meeting, in no order."""
        return [
            row_of(item)
            for item in self._query(
                IndexName="mid_index",
                KeyConditionExpression="meeting_id = :meeting",
                ExpressionAttributeValues={":meeting": meeting_id},
            )
        ]

    def updated_since(self, begin: datetime) -> list[StatusRow]:
        """Every row updated from `begin` until now, in order of time."""
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
