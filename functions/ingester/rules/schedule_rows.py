"""A schedule's rows, as coordinators type them into a sheet, as events."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import urlsplit

import msgspec

from ingester.errors import BadRequest
from ingester.rules.schedule import DAYS, Event

COURSE_CODE = "course code"
TYPE = "type"
DAY = "day"
START = "start"
MEETING = "meeting id with password"
SERIES = "oc series"
COLUMNS = (COURSE_CODE, TYPE, DAY, START, MEETING, SERIES)

SHEET_NAMES = dict(
    zip(
        COLUMNS,
        ("Course Code", "Type", "Day", "Start", "Meeting ID with Password", "OC Series"),
        strict=True,
    )
)
"""The columns as sheets write them."""

_START = re.compile(r"([01]?[0-9]|2[0-3]):[0-5][0-9]")
_SECRET = re.compile(r"//|pwd|passw|passc", re.IGNORECASE)


class Skipped(msgspec.Struct, frozen=True):
    """A row that can't be used, or a day in it: where it stands, and why."""

    sheet: str
    row: int
    reason: str

    def __str__(self) -> str:
        return f"{self.sheet} row {self.row}: {self.reason}"


class ParsedSheet(msgspec.Struct, frozen=True):
    """A sheet's usable events as (zoom id, event), and what was skipped."""

    events: tuple[tuple[str, Event], ...]
    skipped: tuple[Skipped, ...]


class _RowProblem(ValueError):
    """Why a row is skipped."""


def parse(sheet: str, source: str, rows: Iterable[Sequence[str]]) -> ParsedSheet:
    """Reads a sheet: its first row that isn't empty is the header, rows count from 1 as shown.

    `sheet` is its name for people, `source` what its events remember. Columns are found by name,
    in any case and order; others are ignored. BadRequest when a column is missing or there is no
    header: then nothing of the sheet can be trusted.
    """
    header: dict[str, int] | None = None
    events: list[tuple[str, Event]] = []
    skipped: list[Skipped] = []
    for number, cells in enumerate(rows, start=1):
        if not any(cell.strip() for cell in cells):
            continue
        if header is None:
            header = _header(sheet, cells)
            continue
        row = {
            name: cells[index].strip() if index < len(cells) else ""
            for name, index in header.items()
        }
        try:
            zoom_series_id = zoom_id_of(row[MEETING])
            days, unknown = _days_of(row[DAY])
            new = _events_of(row, days, source)
        except _RowProblem as problem:
            skipped.append(Skipped(sheet, number, str(problem)))
            continue
        skipped.extend(
            Skipped(sheet, number, f"day {letter!r} is none of {' '.join(DAYS)}")
            for letter in unknown
        )
        events.extend((zoom_series_id, event) for event in new)
    if header is None:
        raise BadRequest(f"{sheet} is empty: it needs a row with the columns' names.")
    return ParsedSheet(tuple(events), tuple(skipped))


def _header(sheet: str, cells: Sequence[str]) -> dict[str, int]:
    # Spreadsheets put a byte order mark before the first column's name when they export a CSV.
    there = {
        " ".join(cell.lstrip("\ufeff").lower().split()): index for index, cell in enumerate(cells)
    }
    missing = [SHEET_NAMES[name] for name in COLUMNS if name not in there]
    if missing:
        raise BadRequest(
            f"{sheet} has no column {', '.join(missing)}. "
            "Its first row must hold the columns' names; nothing was changed."
        )
    return {name: there[name] for name in COLUMNS}


def _events_of(row: Mapping[str, str], days: Sequence[str], source: str) -> list[Event]:
    time = row[START]
    if not _START.fullmatch(time):
        raise _RowProblem(f"start {_shown(time)} is not a time like 9:30 or 14:05")
    series = series_of(row[SERIES])
    if not days:
        raise _RowProblem(f"day {_shown(row[DAY])} holds none of {' '.join(DAYS)}")
    return [
        Event(
            day=day,
            time=time,
            title=row[TYPE].title() or "Lecture",
            course_code=row[COURSE_CODE],
            opencast_series_id=series,
            source=source,
        )
        for day in days
    ]


def _shown(cell: str) -> str:
    """A cell as a message may repeat it: a link in the wrong column may hold a passcode."""
    return "(a link)" if _SECRET.search(cell) else repr(cell[:40])


def zoom_id_of(link: str) -> str:
    """The meeting number at the end of a Zoom link's path."""
    if not link:
        raise _RowProblem("no meeting link")
    try:
        parts = urlsplit(link)
    except ValueError as error:
        raise _RowProblem("the meeting link is broken") from error
    number = parts.path.rstrip("/").rsplit("/", 1)[-1]
    # The link holds the meeting's passcode: it isn't repeated in the answer or the log.
    if parts.scheme != "https" or not parts.netloc or not re.fullmatch(r"[0-9]{3,}", number):
        raise _RowProblem("the meeting link is not like https://zoom.us/j/1234567890")
    return number


def series_of(link: str) -> str:
    """The Opencast series in a link's fragment: `…/index.html#/2021/01/12345` → `20210112345`."""
    try:
        series = urlsplit(link).fragment.replace("/", "").strip()
    except ValueError:
        series = ""
    if not series:
        raise _RowProblem("no Opencast series")
    return series


def _days_of(text: str) -> tuple[list[str], list[str]]:
    """The known day letters in order, once each, and the letters that aren't days."""
    if _SECRET.search(text):
        raise _RowProblem(f"day {_shown(text)} holds none of {' '.join(DAYS)}")
    letters = dict.fromkeys(re.sub(r"[\s,]", "", text.upper()))
    return [x for x in letters if x in DAYS], [x for x in letters if x not in DAYS]
