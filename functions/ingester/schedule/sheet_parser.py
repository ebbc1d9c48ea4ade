"""A schedule's rows, as coordinators type them into a sheet, as events."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import urlsplit

import msgspec

from ingester.errors import UnusableSheet
from ingester.schedule import series_link as series_id
from ingester.schedule.model import DAYS, Event
from ingester.schedule.retained import Unread

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
_NOT_QUITE_STARTS = (
    (re.compile(r"[0-9]*[.,]?[0-9]+"), "a number: give the column the format of a time"),
    (
        re.compile(r"[0-9:. ]+[ap]\.?m\.?", re.IGNORECASE),
        "by twelve hours: write 14:05 for 2:05 PM",
    ),
    (re.compile(r"[0-9]{1,2}:[0-9]{2}:[0-9]{2}"), "with seconds: give the column the format hh:mm"),
    (re.compile(r"[0-9]+[-/.][0-9]+[-/.][0-9]+.*"), "a date: only the time belongs here"),
)
_OTHER_DAYS = (
    (re.compile(r"Th", re.IGNORECASE), "'Th' is read as Tuesday: write R for Thursday"),
    (re.compile(r"[Tt]u"), "'Tu' is Tuesday and Sunday: write T for Tuesday alone"),
    (re.compile(r"[Ss]u"), "'Su' is Saturday and Sunday: write U for Sunday alone"),
)
"""Spellings that are taken letter by letter, and seldom meant so."""

MORNING = 6
"""Classes at an earlier hour were rather written by twelve hours."""

_NO_VALUE = re.compile(
    r"#¡?[^\W\d_a-z][^\Wa-z]*(?:/[^\Wa-z]+)?[!?]|#N/[A-Z]|#NV|(?i:loading)(?:\.{3}|…)"
)
"""What a cell shows whose formula has failed, in any language, or hasn't ended yet."""

_MEETING = re.compile(r"[1-9][0-9]{2,19}")
"""Zoom's numbers have no leading 0: with one, no recording would ever be the row's."""

_ZOOM_LINK = re.compile(r"(?<!=)https?://[^\s/]+/(?:j|w|s|my|wc/join)/[0-9]+", re.IGNORECASE)
"""Wherever in a cell: two may have nothing between them. After a `=` it is a query's."""

_MERGED = " (merged cells? Each row needs its own)"
_LINK = re.compile(r"://|pwd=", re.IGNORECASE)
LONGEST_NAME = 200
"""Characters of a course or type. They are shown in Slack, mails and the page, and kept in each
recording's row: a link may hold a passcode, and a cell 50,000 characters."""

_SECRET = re.compile(r"//|pwd|passw|passc", re.IGNORECASE)


class Skipped(msgspec.Struct, frozen=True):
    """A row that can't be used: where it stands, and why.

    `whole` is False where only something of it can't. `unread` is what may be in the schedule
    already of a row that has a class all the same. A row that is `unlinked` has no link, as one
    that nobody wants recorded.
    """

    sheet: str
    row: int
    reason: str
    whole: bool = True
    unread: Unread | None = None
    unlinked: bool = False

    def __str__(self) -> str:
        return f"{self.sheet} row {self.row}: {self.reason}"


class ParsedSheet(msgspec.Struct, frozen=True):
    """A sheet's usable events as (zoom id, event), and what was skipped.

    `name` is the sheet's for people, `source` what its events remember, and `rows` has the row of
    each of them.
    """

    events: tuple[tuple[str, Event], ...]
    skipped: tuple[Skipped, ...]
    name: str = ""
    source: str = ""
    rows: tuple[int, ...] = ()


class _RowProblem(ValueError):
    """Why a row is skipped, and the column where it is."""

    def __init__(self, reason: str, column: str) -> None:
        super().__init__(reason)
        self.column = column


class _Header(msgspec.Struct, frozen=True):
    """The row with the columns' names, and where each of COLUMNS is in it."""

    row: int
    columns: Mapping[str, int]


def parse(sheet: str, source: str, rows: Iterable[Sequence[str]]) -> ParsedSheet:
    """Reads a sheet: the first row with all columns' names is the header, rows count from 1.

    `sheet` is its name for people, `source` what its events remember. Columns are found by name,
    in any case and order; others are ignored, and so are titles above the header. UnusableSheet
    when a column is missing or there twice, or the header stands among the rows: then nothing of
    the sheet can be trusted.
    """
    every = list(rows)
    header = _header(sheet, every)
    events: list[tuple[str, Event]] = []
    numbers: list[int] = []
    skipped: list[Skipped] = []
    above: dict[str, str] = {}
    for number, cells in enumerate(every[header.row :], start=header.row + 1):
        if _is_blank(cells):
            above = {}
            continue
        row = {
            name: cells[index].strip() if index < len(cells) else ""
            for name, index in header.columns.items()
        }
        maybe_merged = {name for name in COLUMNS if not row[name] and above.get(name)}
        over, above = above, {name: row[name] or above.get(name, "") for name in COLUMNS}
        try:
            _check_values(row)
            zoom_series_id = zoom_id_of(row[MEETING])
            days, unknown = _days_of(row[DAY])
            new = _events_of(row, days, source)
        except _RowProblem as problem:
            hint = _MERGED if problem.column in maybe_merged else ""
            unread = _unread(row, over, source) or _unknown(cells, row, source)
            unlinked = problem.column == MEETING and not row[MEETING]
            reason = f"{problem}{hint}"
            skipped.append(Skipped(sheet, number, reason, unread=unread, unlinked=unlinked))
            continue
        notes = _notes(row, unknown, maybe_merged)
        skipped.extend(Skipped(sheet, number, reason, whole=False) for reason in notes)
        events.extend((zoom_series_id, event) for event in new)
        numbers.extend(number for _ in new)
    return ParsedSheet(tuple(events), tuple(skipped), sheet, source, tuple(numbers))


def _notes(row: Mapping[str, str], unknown: Sequence[str], maybe_merged: set[str]) -> list[str]:
    """What a row that is taken lacks, and what of it may be meant otherwise."""
    return [
        *(
            f"{SHEET_NAMES[name]} {what}: it was left out"
            for name in (COURSE_CODE, TYPE)
            if (what := _no_name(row[name]))
        ),
        *(f"day {what}" for form, what in _OTHER_DAYS if form.search(row[DAY])),
        *(f"day {letter!r} is none of {' '.join(DAYS)}" for letter in unknown),
        *(
            f"start {row[START]!r} is at night: write {int(hour) + 12}:{minutes} for the afternoon"
            for hour, minutes in [row[START].split(":")]
            if int(hour) < MORNING
        ),
        # Nobody needs a type: without one it is a lecture.
        *(
            f"no {SHEET_NAMES[name]}{_MERGED}"
            for name in COLUMNS
            if name in maybe_merged and name != TYPE
        ),
    ]


def _check_values(row: Mapping[str, str]) -> None:
    """_RowProblem if a cell that the row can't do without is no value of the sheet's now.

    `#REF!` would be read as Thursday and Friday, or as the series `REF!`.
    """
    needed = (MEETING, DAY, START, SERIES) if row[MEETING] else COLUMNS
    for name in needed:
        if _NO_VALUE.fullmatch(row[name]):
            problem = f"{SHEET_NAMES[name]} is {row[name]!r}: wait, or mend the cell's formula"
            raise _RowProblem(problem, name)


def _unread(row: Mapping[str, str], above: Mapping[str, str], source: str) -> Unread | None:
    """What is known of a row that can't be used; `above` holds the cells over its own.

    None for one without a link, which nobody records, unless it may share that of the row above.
    """
    own = row[COURSE_CODE] or above.get(COURSE_CODE, "")
    course = None if _no_name(own) else own
    if row[MEETING]:
        return Unread(source=source, meeting=_meeting_or_none(row[MEETING]), course=course)
    if not above.get(MEETING):
        return None
    shares = own == above.get(COURSE_CODE, "")
    return Unread(
        source=source,
        meeting=_meeting_or_none(above[MEETING]) if shares else "",
        course=course,
        maybe_merged=True,
        events=_classes_without_a_link({**row, COURSE_CODE: own}, source),
    )


def _classes_without_a_link(row: Mapping[str, str], source: str) -> tuple[Event, ...]:
    """What a row would bring if it had a link; nothing if another cell can't be read either."""
    try:
        return tuple(_events_of(row, _days_of(row[DAY])[0], source))
    except _RowProblem:
        return ()


def _unknown(cells: Sequence[str], row: Mapping[str, str], source: str) -> Unread | None:
    """A row without a link that a formula fills, which has failed: it may hold a class."""
    ours = [cell for cell in row.values() if cell]
    if not any(_NO_VALUE.fullmatch(cell.strip()) for cell in ours or cells):
        return None
    course = row[COURSE_CODE]
    return Unread(source=source, course=None if not course or _no_name(course) else course)


def _meeting_or_none(link: str) -> str:
    try:
        return zoom_id_of(link)
    except _RowProblem:
        return ""


def _is_blank(cells: Sequence[str]) -> bool:
    return not any(cell.strip() for cell in cells)


def _header(sheet: str, rows: Sequence[Sequence[str]]) -> _Header:
    """The first row with all columns' names; if there is none, the error is about the nearest."""
    nearest: tuple[int, list[str], list[str]] | None = None
    for number, cells in enumerate(rows, start=1):
        if _is_blank(cells):
            continue
        # Spreadsheets put a byte order mark before the first column's name when they export a CSV.
        names = [" ".join(cell.lstrip("\ufeff").lower().split()) for cell in cells]
        missing = [name for name in COLUMNS if name not in names]
        if not missing:
            _check_header(sheet, number, names, rows[: number - 1])
            return _Header(number, {name: names.index(name) for name in COLUMNS})
        if nearest is None or len(missing) < len(nearest[1]):
            others = [
                _shown(cell.strip())
                for cell, name in zip(cells, names, strict=True)
                if name and name not in COLUMNS
            ]
            nearest = (number, missing, [] if len(missing) == len(COLUMNS) else others)
    if nearest is None:
        raise UnusableSheet(
            f"{sheet} is empty: it needs a row with the columns' names. Nothing was changed."
        )
    number, missing, others = nearest
    seen = f" Row {number} also has {', '.join(others[:5])}." if others else ""
    raise UnusableSheet(
        f"{sheet} has no column {', '.join(SHEET_NAMES[name] for name in missing)}.{seen} "
        "One row, above all others, must hold the columns' names; nothing was changed."
    )


def _check_header(
    sheet: str, number: int, names: Sequence[str], above: Sequence[Sequence[str]]
) -> None:
    """UnusableSheet if a column is there twice, or if rows of the schedule are above the header."""
    for name in COLUMNS:
        if names.count(name) > 1:
            raise UnusableSheet(
                f"{sheet} row {number} names the column {SHEET_NAMES[name]} twice. Rename one of "
                "them; nothing was changed."
            )
    for row, cells in enumerate(above, start=1):
        if any("https://" in cell for cell in cells):
            raise UnusableSheet(
                f"{sheet} row {row} stands above the columns' names, which are in row {number}: "
                "was the header sorted with the rows? Move it to the top; nothing was changed."
            )


def _events_of(row: Mapping[str, str], days: Sequence[str], source: str) -> list[Event]:
    time = row[START]
    if not _START.fullmatch(time):
        near = [f", but {what}" for form, what in _NOT_QUITE_STARTS if form.fullmatch(time)]
        problem = f"start {_shown(time)} is not a time like 9:30 or 14:05{''.join(near[:1])}"
        raise _RowProblem(problem, START)
    series = series_of(row[SERIES])
    if not days:
        raise _RowProblem(f"day {_shown(row[DAY])} holds none of {' '.join(DAYS)}", DAY)
    return [
        Event(
            day=day,
            time=time,
            title=_name(row[TYPE]).title() or "Lecture",
            course_code=_name(row[COURSE_CODE]),
            opencast_series_id=series,
            source=source,
        )
        for day in days
    ]


def _name(cell: str) -> str:
    return "" if _no_name(cell) else cell


def _no_name(cell: str) -> str:
    """What a cell is that can't be a course's or a class's name; "" for one that can."""
    if _LINK.search(cell):
        return "is a link"
    if _NO_VALUE.fullmatch(cell):
        return f"is {cell!r}"
    return f"is longer than {LONGEST_NAME} characters" if len(cell) > LONGEST_NAME else ""


def _shown(cell: str) -> str:
    """A cell as a message may repeat it: a link in the wrong column may hold a passcode."""
    return "(a link)" if _SECRET.search(cell) else repr(cell[:40])


def zoom_id_of(link: str) -> str:
    """The meeting number at the end of a Zoom link's path."""
    if not link:
        raise _RowProblem("no meeting link", MEETING)
    links = [found.start() for found in _ZOOM_LINK.finditer(link)]
    joined = 0 if links else link.partition("?")[0].count("://")
    if max(len(links), joined, sum("://" in word for word in link.split())) > 1:
        raise _RowProblem("two meeting links in one cell: a row can have but one", MEETING)
    try:
        parts = urlsplit(link)
    except ValueError as error:
        raise _RowProblem("the meeting link is broken", MEETING) from error
    number = parts.path.rstrip("/").rsplit("/", 1)[-1]
    # Mail programs wrap links into longer ones of their own.
    is_plain = parts.scheme == "https" and parts.netloc and links in ([0], [])
    # The link holds the meeting's passcode: it isn't repeated in the answer or the log.
    if not is_plain or not _MEETING.fullmatch(number):
        alone = re.fullmatch(r"[0-9 .,+-]+(E[+-]?[0-9]+)?", link, re.IGNORECASE)
        near = ", but a number alone: paste the whole link" if alone else ""
        raise _RowProblem(
            f"the meeting link is not like https://zoom.us/j/1234567890{near}", MEETING
        )
    return number


def series_of(link: str) -> str:
    """The Opencast series in a link (`series_id.in_link`)."""
    series = series_id.in_link(link)
    if not series:
        near = ", but something else after a #" if series_id.after_hash(link) else ""
        raise _RowProblem(f"no Opencast series{near}", SERIES)
    return series


def _days_of(text: str) -> tuple[list[str], list[str]]:
    """The known day letters in order, once each, and the letters that aren't days."""
    if _SECRET.search(text):
        raise _RowProblem(f"day {_shown(text)} holds none of {' '.join(DAYS)}", DAY)
    letters = dict.fromkeys(re.sub(r"[\s,]", "", text.upper()))
    return [x for x in letters if x in DAYS], [x for x in letters if x not in DAYS]
