"""Read files with scheduled classes: CSV as exported from the sheet, and several forms of JSON."""

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
from ingester.schedule.model import DAYS, ScheduledClass
from ingester.schedule.parsed import ParsedClass, ParsedSheet, RowProblem
from ingester.schedule.retained import UnreadRow
from ingester.schedule.sheet.cells import COLUMNS, course_label
from ingester.schedule.sheet.parser import parse
from ingester.texts import encodable
from ops.command import OpsError
from ops.csv_text import unescaped
from ops.text_file import read_text

KEY = "zoom_series_id"
DYNAMODB_TYPES = frozenset({"S", "N", "BOOL", "NULL", "L", "M", "SS", "NS", "B", "BS"})
DEFAULT_TITLE = "Lecture"
SEPARATORS = (",", ";", "\t")

_TIME = re.compile(r"([01]?[0-9]|2[0-3]):[0-5][0-9]")


def read_csv(path: Path) -> Sheet:
    """Return a CSV file as a sheet. Cells are separated by commas, semicolons or tabs.

    Raises:
        OpsError: The file can't be read, or isn't CSV in UTF-8. A BOM is allowed.
    """
    text = read_text(path, "save or export it as CSV in UTF-8")
    try:
        read = csv.reader(io.StringIO(text, newline=""), delimiter=_separator(text), strict=True)
        rows = [[unescaped(cell) for cell in row] for row in read]
    except csv.Error as error:
        raise OpsError(f"{path} is not CSV: {error}.") from error
    return Sheet(path.name, f"{CSV_SOURCE}{path.name}", rows)


def _separator(text: str) -> str:
    """Return the most frequent separator of the header. In some countries, spreadsheets use `;`."""
    header = text.partition("\n")[0]
    return max(SEPARATORS, key=header.count)


def read_json(path: Path) -> ParsedSheet:
    """Return the scheduled classes of a JSON file. A row that can't be used is skipped.

    The file has one of these forms:

    - a list of objects with the sheet's columns
    - a list of rows of a schedule table, of this or the first system
    - an object of such rows by their meetings
    - the output of `aws dynamodb scan`

    Raises:
        OpsError: The file can't be read, or has none of these forms.
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
    except ValueError as error:
        raise OpsError(f"{path} is not a schedule: it holds a number that is too long.") from error
    return parse_json(path.name, content)


def parse_json(name: str, content: Any) -> ParsedSheet:
    """Return the scheduled classes in the JSON of a file.

    Raises:
        OpsError: The content has none of the forms that `read_json` lists.
    """
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
    """Return the entries of a file's JSON.

    Raises:
        OpsError: The content is neither a list nor an object of entries.
    """
    if isinstance(content, dict):
        content = content.get("Items", list(content.values()))
    if not isinstance(content, list):
        raise OpsError(
            f"{name} holds {_kind(content)}: it has to be a list of objects, with the sheet's "
            "columns or as the schedule table has them."
        )
    return content


def _plain(entry: Any) -> Any:
    """Return a row of DynamoDB's JSON without the types' names, and any other row unchanged."""
    if not isinstance(entry, dict) or not entry or not all(map(_is_typed, entry.values())):
        return entry
    read = TypeDeserializer().deserialize
    try:
        return {key: read(value) for key, value in entry.items()}
    except (TypeError, ValueError, AttributeError, ArithmeticError, RecursionError):
        return entry


def _is_typed(value: Any) -> bool:
    return isinstance(value, dict) and len(value) == 1 and set(value) <= DYNAMODB_TYPES


def _kind(value: Any) -> str:
    kinds = {dict: "an object", list: "a list", str: "a text", bool: "a truth value"}
    return "nothing (null)" if value is None else kinds.get(type(value), "a number")


def _parse_columns(name: str, entries: Sequence[dict[str, Any]]) -> ParsedSheet:
    """Return the scheduled classes of objects with the sheet's columns, parsed as the sheet's rows.

    Raises:
        OpsError: The objects can't be read as rows of the sheet.
    """
    rows = [_columns(name, number, entry) for number, entry in enumerate(entries, start=1)]
    present: set[str] = set().union(*rows)
    header = [column for column in COLUMNS if column in present] or ["(none)"]
    cells = ([row.get(column, "") for column in header] for row in rows)
    try:
        parsed = parse(name, f"{JSON_SOURCE}{name}", [header, *cells])
    except RequestError as error:
        raise OpsError(
            f"{error} In JSON the columns are the objects' names (or {KEY} and events, "
            "for rows of the schedule table)."
        ) from error
    return _without_header(parsed)


def _without_header(parsed: ParsedSheet) -> ParsedSheet:
    """Return the rows renumbered: JSON has no header, so the first object is row 1."""
    return msgspec.structs.replace(
        parsed,
        classes=tuple(msgspec.structs.replace(row, row=row.row - 1) for row in parsed.classes),
        problems=tuple(msgspec.structs.replace(row, row=row.row - 1) for row in parsed.problems),
    )


def _columns(name: str, number: int, entry: Mapping[str, Any]) -> dict[str, str]:
    """Return an object's cells by the sheet's columns, without names that aren't columns.

    An error's text quotes `name` and `number`, the file's name and the object's number.

    Raises:
        OpsError: A cell is an object, a list or a truth value.
    """
    cells: dict[str, str] = {}
    for written, value in entry.items():
        column = " ".join(str(written).lower().split())
        if column in COLUMNS:
            cells[column] = _cell(name, number, str(written), value)
    return cells


def _cell(name: str, number: int, column: str, value: Any) -> str:
    if isinstance(value, dict | list | bool):
        raise OpsError(f"{name} entry {number}: {column} is {_kind(value)}, and has to be a text.")
    return "" if value is None else str(value)


def parse_table_rows(name: str, source: str, rows: Iterable[Mapping[str, Any]]) -> ParsedSheet:
    """Return the scheduled classes of rows of a schedule table, of this or the first system.

    Rows without scheduled classes or without a meeting, and unreadable scheduled classes, are
    skipped.
    """
    classes: list[ParsedClass] = []
    problems: list[RowProblem] = []
    for number, row in enumerate(rows, start=1):
        meeting = _text(row.get(KEY))
        entries = row.get("events") or []
        if not re.fullmatch(r"[0-9]{3,}", meeting):
            reason = f"{KEY} is no meeting's number"
            of_courses = _unread_without_meeting(row, entries, source)
            problems.extend(_skipped(name, number, reason, unread) for unread in of_courses)
        elif not isinstance(entries, list):
            reason = f"meeting {meeting}: its events can't be read"
            unread = UnreadRow(source=source, meeting=meeting)
            problems.append(_skipped(name, number, reason, unread))
        elif not entries:
            # An empty list can be read: the meeting has no scheduled class that would have to stay.
            problems.append(_skipped(name, number, f"meeting {meeting} has no events", None))
        else:
            for index, entry in enumerate(entries, start=1):
                scheduled = _scheduled(row, entry, source)
                if problem := _problem(scheduled):
                    reason = f"meeting {meeting}, event {index}: {problem}"
                    course = _course(row, entry)
                    unread = UnreadRow(source=source, meeting=meeting, course=course)
                    problems.append(_skipped(name, number, reason, unread))
                else:
                    classes.append(ParsedClass(number, meeting, scheduled))
    return ParsedSheet(name=name, source=source, classes=tuple(classes), problems=tuple(problems))


def _unread_without_meeting(
    row: Mapping[str, Any], entries: Any, source: str
) -> Sequence[UnreadRow | None]:
    """Return an UnreadRow for each course of a row whose meeting can't be read.

    The row's own course isn't enough, because the entries may have several courses. If the entries
    can't be read, the result is one UnreadRow without a course. A row without entries has no
    scheduled class that would have to stay, so the result is [None].
    """
    if not isinstance(entries, list):
        return [UnreadRow(source=source)]
    courses = dict.fromkeys(_course(row, entry) for entry in entries)
    return [UnreadRow(source=source, course=course) for course in courses] or [None]


def _skipped(name: str, number: int, reason: str, unread: UnreadRow | None) -> RowProblem:
    label = course_label(unread.course or "") if unread else ""
    return RowProblem(name, number, reason, unread=unread, course=label)


def _scheduled(row: Mapping[str, Any], entry: Any, source: str) -> ScheduledClass:
    """Return the scheduled class of a row's entry.

    If the entry has no series, the row's series is used.
    """
    known = entry if isinstance(entry, dict) else {}
    return ScheduledClass(
        day=_text(known.get("day")).upper(),
        time=_text(known.get("time")),
        title=_text(known.get("title")) or DEFAULT_TITLE,
        course_code=_course(row, entry) or "",
        opencast_series_id=_text(known.get("opencast_series_id"))
        or _text(row.get("opencast_series_id")),
        source=source,
    )


def _course(row: Mapping[str, Any], entry: Any) -> str | None:
    """Return the course of a row's entry, "" for no course; None if the course isn't known.

    An entry without a source is one of the first system, which keeps the course in the row. An
    entry with a source keeps the course in the entry, or has no course (see
    `ScheduledMeeting.course_of`).
    """
    if not isinstance(entry, dict):
        return None
    if own := _text(entry.get("course_code")):
        return own
    return "" if _text(entry.get("source")) else _text(row.get("course_code")) or None


def _problem(scheduled: ScheduledClass) -> str:
    """Return the reason why a scheduled class can't be used; "" without a reason."""
    if len(scheduled.day) != 1 or scheduled.day not in DAYS:
        return f"day {scheduled.day[:40]!r} is none of {' '.join(DAYS)}"
    if not _TIME.fullmatch(scheduled.time):
        return f"time {scheduled.time[:40]!r} is not a time like 9:30 or 14:05"
    return "" if scheduled.opencast_series_id else "no Opencast series"


def _text(value: Any) -> str:
    """Return a text or number as a text without spaces around it; "" for any other value."""
    if value is None or isinstance(value, dict | list | set | bool):
        return ""
    return encodable(str(value).strip())
