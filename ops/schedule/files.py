"""Files with a class schedule: CSV as the sheet exports it, JSON in the forms that sites keep."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from boto3.dynamodb.types import TypeDeserializer

from ingester.errors import RequestError
from ingester.schedule.importer import CSV_SOURCE, JSON_SOURCE, Sheet
from ingester.schedule.model import DAYS, Event
from ingester.schedule.retained import Unread
from ingester.schedule.sheet_parser import COLUMNS, ParsedSheet, Skipped, parse
from ops.command import OpsError
from ops.given_file import read_text

KEY = "zoom_series_id"
DYNAMODB_TYPES = frozenset({"S", "N", "BOOL", "NULL", "L", "M", "SS", "NS", "B", "BS"})
DEFAULT_TITLE = "Lecture"

_TIME = re.compile(r"([01]?[0-9]|2[0-3]):[0-5][0-9]")


def read_csv(path: Path) -> Sheet:
    """A CSV file as a sheet. OpsError if it can't be read as CSV in UTF-8 (with a BOM or not)."""
    text = read_text(path, "export the sheet as CSV in UTF-8")
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except csv.Error as error:
        raise OpsError(f"{path} is not CSV: {error}.") from error
    return Sheet(path.name, f"{CSV_SOURCE}{path.name}", rows)


def read_json(path: Path) -> ParsedSheet:
    """A JSON file's classes. OpsError says where it is wrong; what can't be used is skipped.

    It holds a list of objects with the sheet's columns, or of rows as the schedule table holds
    them (this system's or the first one's); or such rows by their meetings; or what
    `aws dynamodb scan` printed.
    """
    text = read_text(path, "save it as JSON in UTF-8")
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        raise OpsError(
            f"{path} is not JSON: line {error.lineno}, column {error.colno}: {error.msg}."
        ) from error
    except RecursionError as error:
        raise OpsError(f"{path} is not a schedule: it is nested too deeply.") from error
    return parse_json(path.name, content)


def parse_json(name: str, content: Any) -> ParsedSheet:
    """The classes in JSON that was read from a file `name`; OpsError if it is none of the forms."""
    entries = [_plain(entry) for entry in _entries(name, content)]
    for number, entry in enumerate(entries, start=1):
        if not isinstance(entry, dict):
            raise OpsError(f"{name} entry {number} is no object, but {_kind(entry)}.")
    as_rows = [KEY in entry for entry in entries]
    if all(as_rows) and entries:
        return parse_table_rows(name, f"{JSON_SOURCE}{name}", entries)
    if any(as_rows):
        number = as_rows.index(not as_rows[0]) + 1
        raise OpsError(
            f"{name} mixes rows of the schedule table (with {KEY}) and rows of the sheet: "
            f"entry {number} is the first that differs from those before it."
        )
    return _parse_columns(name, entries)


def _entries(name: str, content: Any) -> list[Any]:
    """The list within what a file holds."""
    if isinstance(content, dict):
        content = content.get("Items", list(content.values()))
    if not isinstance(content, list):
        raise OpsError(
            f"{name} holds {_kind(content)}: it has to be a list of objects, with the sheet's "
            "columns or as the schedule table has them."
        )
    return content


def _plain(entry: Any) -> Any:
    """A row in DynamoDB's own JSON, where each value says its type, as a plain one."""
    if not isinstance(entry, dict) or not entry or not all(map(_is_typed, entry.values())):
        return entry
    read = TypeDeserializer().deserialize
    try:
        return {key: read(value) for key, value in entry.items()}
    except (TypeError, ValueError, AttributeError, ArithmeticError):
        return entry


def _is_typed(value: Any) -> bool:
    return isinstance(value, dict) and len(value) == 1 and set(value) <= DYNAMODB_TYPES


def _kind(value: Any) -> str:
    kinds = {dict: "an object", list: "a list", str: "a text", bool: "a truth value"}
    return "nothing (null)" if value is None else kinds.get(type(value), "a number")


def _parse_columns(name: str, entries: Sequence[dict[str, Any]]) -> ParsedSheet:
    """Objects with the sheet's columns, read by the sheet's own rules."""
    rows = [
        {
            " ".join(str(column).lower().split()): _cell(name, number, str(column), value)
            for column, value in entry.items()
            if " ".join(str(column).lower().split()) in COLUMNS
        }
        for number, entry in enumerate(entries, start=1)
    ]
    header = [column for column in COLUMNS if any(column in row for row in rows)] or ["(none)"]
    cells = [[row.get(column, "") for column in header] for row in rows]
    try:
        parsed = parse(name, f"{JSON_SOURCE}{name}", [header, *cells])
    except RequestError as error:
        raise OpsError(
            f"{error} In JSON the columns are the objects' names (or {KEY} and events, "
            "for rows of the schedule table)."
        ) from error
    # The columns' names are no row here: the first object is entry 1.
    skipped = [msgspec.structs.replace(one, row=one.row - 1) for one in parsed.skipped]
    numbers = tuple(row - 1 for row in parsed.rows)
    return msgspec.structs.replace(parsed, skipped=tuple(skipped), rows=numbers)


def _cell(name: str, number: int, column: str, value: Any) -> str:
    if isinstance(value, dict | list | bool):
        raise OpsError(f"{name} entry {number}: {column} is {_kind(value)}, and has to be a text.")
    return "" if value is None else str(value)


def parse_table_rows(name: str, source: str, rows: Iterable[Mapping[str, Any]]) -> ParsedSheet:
    """Rows as the schedule table holds them.

    Course and series come from each event, or from the row, where the first system has them. An
    event, or a row without any, that would never match is skipped and named.
    """
    events: list[tuple[str, Event]] = []
    numbers: list[int] = []
    skipped: list[Skipped] = []
    for number, row in enumerate(rows, start=1):
        meeting = _text(row.get(KEY))
        if not re.fullmatch(r"[0-9]{3,}", meeting):
            unread = Unread(source=source, course=_text(row.get("course_code")))
            reason = f"{KEY} is no meeting's number"
            skipped.append(Skipped(name, number, reason, unread=unread))
            continue
        unread = Unread(source=source, meeting=meeting)
        found = row.get("events") or []
        if not isinstance(found, list) or not found:
            reason = f"meeting {meeting} has no events"
            skipped.append(Skipped(name, number, reason, unread=unread if found else None))
            continue
        for index, one in enumerate(found, start=1):
            event = _event(row, one if isinstance(one, dict) else {}, source)
            problem = _problem(event)
            if problem:
                reason = f"meeting {meeting}, event {index}: {problem}"
                unread = Unread(source=source, meeting=meeting, course=event.course_code)
                skipped.append(Skipped(name, number, reason, unread=unread))
            else:
                events.append((meeting, event))
                numbers.append(number)
    return ParsedSheet(tuple(events), tuple(skipped), name, source, tuple(numbers))


def _event(row: Mapping[str, Any], one: Mapping[str, Any], source: str) -> Event:
    return Event(
        day=_text(one.get("day")).upper(),
        time=_text(one.get("time")),
        title=_text(one.get("title")) or DEFAULT_TITLE,
        course_code=_text(one.get("course_code")) or _text(row.get("course_code")),
        opencast_series_id=_text(one.get("opencast_series_id"))
        or _text(row.get("opencast_series_id")),
        source=source,
    )


def _problem(event: Event) -> str:
    """Why an event can't be used; "" if it can."""
    if len(event.day) != 1 or event.day not in DAYS:
        return f"day {event.day[:40]!r} is none of {' '.join(DAYS)}"
    if not _TIME.fullmatch(event.time):
        return f"time {event.time[:40]!r} is not a time like 9:30 or 14:05"
    return "" if event.opencast_series_id else "no Opencast series"


def _text(value: Any) -> str:
    """A scalar as text; anything else counts as absent."""
    if value is None or isinstance(value, dict | list | set | bool):
        return ""
    return str(value).strip()
