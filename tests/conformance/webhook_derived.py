"""Cases that are derived from recorded cases, and to which several rules apply.

Every run derives the same cases. Section 3 of the specification says how the first system reacted:
an unreadable body left no trace, a file that lacked a field set the row to WEBHOOK_FAILED, and a
repeat put a second message on the queue. An object that lacked a field set the row to
WEBHOOK_FAILED or left the row unchanged, so this module derives both cases.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from copy import deepcopy
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.conformance import webhook_rules as rules
from tests.conformance.vectors import load
from tests.conformance.webhook_expected import Case, Message, Row
from tests.conformance.webhook_rules import Request

EARLIER, LATER = timedelta(minutes=-7), timedelta(minutes=11)
BAD_DATA = {"pipeline_state": "WEBHOOK_FAILED", "reason": "Bad webhook data"}
ONE_IN = 4
"""One in this many combinations of a recorded case and a derivation is tested."""


def derived_cases() -> list[Any]:
    """Return the derived cases as pytest parameters. An id names the conditions of its case."""
    sources = [case for case in load("webhook") if _is_plain_ingest(case)]
    sources.sort(key=lambda case: str(case["steps"][-1]["request"]["event"]))
    return [
        pytest.param(case, id=f"{name}-{number}")
        for number, source in enumerate(sources)
        for kind, (name, case) in enumerate(_derive(source, number))
        if (number + kind) % ONE_IN == 0
    ]


def _is_plain_ingest(case: Case) -> bool:
    """Return whether a case is one accepted ingest, possibly after recording events."""
    *before, last = case["steps"]
    return (
        last["status_code"] == 200
        and rules.is_ingest(last["request"])
        and not any(rules.is_ingest(step["request"]) for step in before)
        and len(case["status_rows"]) == 1
    )


def _derive(source: Case, number: int) -> Iterator[tuple[str, Case]]:
    for name, drop in UNREADABLE.items():
        yield f"no-{name}-and-a-file-lacks", _unreadable(source, drop, number)
    yield "other-file-lacks-and-no-token", _unreadable(source, _drop_token, number, others=True)
    yield "status-then-a-file-lacks", _failed_after_status(source, number)
    yield "status-then-no-host-row-kept", _without_host_after_status(source, fails=False)
    yield "status-then-no-host-row-failed", _without_host_after_status(source, fails=True)
    yield "status-then-another-file-lacks", _other_file_lacks(source, with_status=True)
    yield "another-file-lacks-then-status", _late_status(_other_file_lacks(source))
    yield "unfinished-and-another-file-lacks", _other_file_lacks(source, unfinished=True)
    yield "another-file-lacks-then-whole", _then_whole(_other_file_lacks(source), source)
    yield "a-file-lacks-then-whole", _then_whole(_failed_after_status(source, number), source)
    yield "repeat-with-another-start", _repeat(source, LATER)
    yield "two-repeats-and-late-files", _late_files(_repeat(source, EARLIER), source)
    yield "late-status-with-another-start", _late_status(source, LATER)
    yield "status-with-another-start", _status_before(source, EARLIER)


def _drop_event(request: Request) -> None:
    del request["event"]


def _drop_uuid(request: Request) -> None:
    del request["payload"]["object"]["uuid"]


def _drop_token(request: Request) -> None:
    del request["download_token"]


def _drop_payload(request: Request) -> None:
    request["payload"] = None


UNREADABLE: dict[str, Callable[[Request], None]] = {
    "event": _drop_event,
    "uuid": _drop_uuid,
    "token": _drop_token,
    "payload": _drop_payload,
}


def _unreadable(
    source: Case, drop: Callable[[Request], None], number: int, *, others: bool = False
) -> Case:
    """Return a case's ingest alone, as an unreadable request in which one file lacks a field.

    Args:
        source: The case.
        drop: Function that makes the request unreadable.
        number: Chooses the field that a needed file lacks.
        others: Whether an added file that isn't needed lacks a field, instead of a needed file.
    """
    case = _ingest_alone(source)
    request = case["steps"][0]["request"]
    if others:
        _add_other_file(request)
    else:
        _drop_file_field(request, number)
    drop(request)
    return _refused(case, [])


def _failed_after_status(source: Case, number: int) -> Case:
    """Return a case of a recording event, then an ingest that fails for lack of a file's field."""
    case = _status_before(_ingest_alone(source))
    _drop_file_field(case["steps"][-1]["request"], number)
    return _refused(case, [*_status_rows(case), _row_of(source) | BAD_DATA])


def _without_host_after_status(source: Case, *, fails: bool) -> Case:
    """Return a case of a recording event, then an ingest without a host.

    `fails` is whether the first system set the row to a failed state, as it did only for
    `recording.completed`.
    """
    case = _status_before(_ingest_alone(source))
    request = case["steps"][-1]["request"]
    del request["payload"]["object"]["host_id"]
    rows = _status_rows(case)
    if request["event"] == rules.COMPLETED and fails:
        rows = [row | BAD_DATA for row in rows]
    return _refused(case, rows)


def _other_file_lacks(source: Case, *, with_status: bool = False, unfinished: bool = False) -> Case:
    """Return a case of a refused ingest in which a file that is neither MP4 nor chat lacks a field.

    Args:
        source: The case with the ingest.
        with_status: Whether a recording event comes before the ingest.
        unfinished: Whether Zoom still processes one MP4 or chat of a `recording.completed`.
    """
    case = _ingest_alone(source)
    request = case["steps"][0]["request"]
    if unfinished and request["event"] == rules.COMPLETED:
        rules.needed_files(request)[0]["status"] = "processing"
    _add_other_file(request)
    if with_status:
        case = _status_before(case)
    rows = _status_rows(case) if with_status else []
    return _refused(case, [*rows, _row_of(source) | BAD_DATA])


def _then_whole(case: Case, source: Case) -> Case:
    """Add the source's unchanged, complete ingest to the case, and return the case."""
    request = source["steps"][-1]["request"]
    case["steps"].append({"request": deepcopy(request), "status_code": 200})
    case["download_queue"].append(deepcopy(source["download_queue"][0]))
    case["status_rows"] = _one_each([*case["status_rows"], _row_of(source)])
    return case


def _repeat(source: Case, shift: timedelta) -> Case:
    """Return a case with an ingest and its repeat, whose start time differs by `shift`.

    The first system sent two messages.
    """
    case = deepcopy(source)
    request = deepcopy(source["steps"][-1]["request"])
    _shift_start(request, shift)
    case["steps"].append({"request": request, "status_code": 200})
    case["download_queue"].append(_message(source, request))
    start = request["payload"]["object"]["start_time"]
    case["status_rows"] = [_row_of(source) | {"recording_start_time": start}]
    return case


def _late_files(case: Case, source: Case) -> Case:
    """Add the source's ingest with one more file to the case, and return the case."""
    request = deepcopy(source["steps"][-1]["request"])
    late = deepcopy(rules.needed_files(request)[0]) | {"id": "late-file"}
    request["payload"]["object"]["recording_files"].append(late)
    case["steps"].append({"request": request, "status_code": 200})
    message = _message(source, request)
    case["download_queue"].append(message)
    case["status_rows"] = [_row_of(source)]
    return case


def _late_status(source: Case, shift: timedelta = timedelta()) -> Case:
    """Return a copy of a case with a recording event `recording.started` after the ingest."""
    case = deepcopy(source)
    status = _status_of(case["steps"][-1]["request"], shift)
    case["steps"].append({"request": status, "status_code": 204})
    changed = _status_row(status, case["now"])
    rows = {row["zip_id"]: row for row in case["status_rows"]}
    rows[changed["zip_id"]] = rows.get(changed["zip_id"], {}) | changed
    case["status_rows"] = list(rows.values())
    return case


def _status_before(source: Case, shift: timedelta = timedelta()) -> Case:
    """Return a copy of a case with a recording event `recording.started` before all requests."""
    case = deepcopy(source)
    status = _status_of(case["steps"][-1]["request"], shift)
    case["steps"].insert(0, {"request": status, "status_code": 204})
    row = _status_row(status, case["now"])
    if row["zip_id"] not in {other["zip_id"] for other in case["status_rows"]}:
        case["status_rows"].append(row)
    return case


def _ingest_alone(source: Case) -> Case:
    """Return a copy of a case without its recording events."""
    case = deepcopy(source)
    case["steps"] = case["steps"][-1:]
    case["recording_events"] = []
    return case


def _refused(case: Case, rows: list[Row]) -> Case:
    """Change a case, and return the case.

    In the changed case, the first system refused the last request, sent no message, and left
    `rows`.
    """
    case["steps"][-1]["status_code"] = 400
    case["download_queue"] = []
    case["status_rows"] = _one_each(rows)
    return case


def _one_each(rows: list[Row]) -> list[Row]:
    """Return the last row of each zip id."""
    return list({row["zip_id"]: row for row in rows}.values())


def _drop_file_field(request: Request, number: int) -> None:
    """Remove a field from a needed file. `number` chooses the field."""
    names = [name for name in rules.FILE_FIELDS if name != "file_type"]
    del rules.needed_files(request)[-1][names[number % len(names)]]


def _add_other_file(request: Request) -> None:
    """Add a file that is not needed and has no id."""
    file = {"file_type": "M4A", "file_extension": "M4A", "recording_type": "audio_only"}
    request["payload"]["object"]["recording_files"].append(file)


def _shift_start(request: Request, shift: timedelta) -> None:
    about = request["payload"]["object"]
    start = datetime.fromisoformat(about["start_time"]) + shift
    about["start_time"] = start.strftime("%Y-%m-%dT%H:%M:%SZ")


def _status_of(request: Request, shift: timedelta) -> Request:
    """Return a webhook event `recording.started`, without its time, of a request's recording.

    `shift` is added to the recording's start time.
    """
    about = {
        name: value
        for name, value in rules.object_of(request).items()
        if name not in {"recording_files", "duration"}
    }
    status = {"event": "recording.started", "payload": {"object": about}}
    _shift_start(status, shift)
    return status


def _status_row(status: Request, now: str) -> Row:
    about = rules.object_of(status)
    moment = datetime.fromisoformat(now)
    return {
        "zip_id": rules.zip_id_of(status),
        "update_date": moment.strftime("%Y-%m-%d"),
        "update_time": moment.hour * 3600 + moment.minute * 60 + moment.second,
        "pipeline_state": "RECORDING_IN_PROGRESS",
        "meeting_id": about["id"],
        "recording_id": about["uuid"],
        "reason": "",
        "origin": "webhook_notification",
        "recording_start_time": about["start_time"],
        "topic": about["topic"],
    }


def _status_rows(case: Case) -> list[Row]:
    return [_status_row(case["steps"][0]["request"], case["now"])]


def _row_of(source: Case) -> Row:
    """Return the row of the source's ingest."""
    [row] = source["status_rows"]
    return dict(row)


def _message(source: Case, request: Request) -> Message:
    """Return the message that the first system sent for a changed copy of the source's request."""
    message: Message = json.loads(json.dumps(source["download_queue"][0]))
    about, body = rules.object_of(request), message["body"]
    body["start_time"] = about["start_time"]
    if "zoom_processing_minutes" in body:
        end = datetime.fromisoformat(about["start_time"]) + timedelta(minutes=about["duration"])
        waited = datetime.fromisoformat(source["now"]) - end
        body["zoom_processing_minutes"] = float(math.floor(waited.total_seconds() / 60))
    sent = {file["recording_id"] for file in body["recording_files"]}
    body["recording_files"] += [
        {**body["recording_files"][0], "recording_id": file["id"]}
        for file in rules.needed_files(request)
        if file["id"] not in sent
    ]
    return message
