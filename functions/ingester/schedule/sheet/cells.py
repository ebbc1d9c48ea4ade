"""Parse the cells of a schedule's row into values or problems, and find likely mistakes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from ingester.schedule import series_link
from ingester.schedule.model import DAYS

COURSE_CODE = "course code"
TYPE = "type"
DAY = "day"
START = "start"
MEETING = "meeting id with password"
SERIES = "oc series"
COLUMNS = (COURSE_CODE, TYPE, DAY, START, MEETING, SERIES)

LABELS = dict(
    zip(
        COLUMNS,
        ("Course Code", "Type", "Day", "Start", "Meeting ID with Password", "OC Series"),
        strict=True,
    )
)
"""Names of the columns as sheets write them."""

DAY_LETTERS = " ".join(DAYS)

_START = re.compile(r"([01]?[0-9]|2[0-3]):[0-5][0-9]")
_NUMBER = re.compile(r"[0-9]++(?:[.,][0-9]++)?|[.,][0-9]++")
_TWELVE_HOURS = re.compile(r"(?<![0-9:. ])[0-9:. ]++[ap]\.?m\.?", re.IGNORECASE)
_WITH_SECONDS = re.compile(r"[0-9]{1,2}:[0-9]{2}:[0-9]{2}")
_DATE = re.compile(r"(?<![0-9])[0-9]++[-/.][0-9]++[-/.][0-9]++.*+")
"""Pattern of a date. Like the three patterns above, `_DATE` matches a frequent mistake in the
column Start."""

_CLEAR_START = re.compile(
    r"([0-9]{1,2})(?:[:.,h]([0-9]{2}))?(?::[0-9]{2})? ?(?:([ap])\.?m\.?)?", re.IGNORECASE
)
"""Pattern of a start whose time may be clear, although the start isn't in the schedule's format."""

_NAMED_STARTS = {"noon": "12:00", "midday": "12:00", "midnight": "0:00"}

_WORD = re.compile(r"[^\W\d_]{3,}+")
_WEEKDAYS = ("MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY")

_MISLEADING_DAYS = (
    (re.compile(r"Th", re.IGNORECASE), "R for Thursday"),
    (re.compile(r"[Tt]u"), "T for Tuesday alone"),
    (re.compile(r"[Ss]u"), "U for Sunday alone"),
    (re.compile(r"[Ff]r"), "F for Friday alone"),
    (re.compile(r"[-–—]|\bto\b", re.IGNORECASE), "each day of a range, such as M T W R F"),  # noqa: RUF001  # people type these dashes
)
"""Patterns of days that are read letter by letter but probably mean something else, each with the
text to write instead."""

_BRACKETS = str.maketrans("<>", "()")

MORNING = 6
"""Hour of the earliest usual scheduled class. An earlier hour is probably PM on a 12-hour clock."""

_FAILED_FORMULA = re.compile(
    r"#¡?[^\W\d_a-z][^\Wa-z]*(?:/[^\Wa-z]+)?[!?]|#N/[A-Z]|#NV|(?i:loading)(?:\.{3}|…)"
)
"""Pattern of a cell whose formula has failed, in any language, or is still being calculated."""

_MEETING_NUMBER = re.compile(r"[1-9][0-9]{2,19}")
"""Pattern of a meeting's number. Zoom's numbers have no leading 0."""

_NUMBER_ALONE = re.compile(r"[0-9 .,+-]+(E[+-]?[0-9]+)?", re.IGNORECASE)
"""Pattern of a meeting's number without a link, as people or spreadsheets write it."""

_ZOOM_LINK = re.compile(r"(?<!=)https?://[^\s/]+/(?:j|w|s|my|wc/join)/[0-9]+", re.IGNORECASE)
"""Pattern of a Zoom link anywhere in a cell, even directly after another link. A link after a `=`
doesn't count, because it belongs to the query of another link."""

_SERIES_ALONE = re.compile(
    r"[0-9]{6,20}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE
)
"""Pattern of a series' id without a link, as people type it. Schedules need links."""

_LINK = re.compile(r"://|pwd=", re.IGNORECASE)
_SECRET = re.compile(r"//|pwd|passw|passc", re.IGNORECASE)

LONGEST_NAME = 200
"""Maximum number of characters of a course or type, which Slack and the status page show. Rows of
the status table hold the course."""


LONGEST_LABEL = 60
"""Maximum number of characters of the course in a message about a row."""

LONGEST_CELL = 2000
"""Maximum number of characters of a cell. A link that a mail program has wrapped has a few hundred
characters. Google allows 50,000, but several patterns are matched against a cell."""


class CellProblem(ValueError):
    """A problem of a cell that makes the row unusable. `column` is the cell's column."""

    def __init__(self, reason: str, column: str) -> None:
        super().__init__(reason)
        self.column = column


def is_failed_formula(cell: str) -> bool:
    """Return whether a cell shows that its formula has failed, or is still being calculated."""
    return bool(_FAILED_FORMULA.fullmatch(cell))


def check_lengths(cells: Mapping[str, str]) -> None:
    """Raise CellProblem if a cell that the row needs is too long to be read."""
    for name in (MEETING, DAY, START, SERIES):
        if len(cells[name]) > LONGEST_CELL:
            reason = f"{LABELS[name]} is longer than {LONGEST_CELL} characters"
            raise CellProblem(reason, name)


def check_formulas(cells: Mapping[str, str]) -> None:
    """Raise CellProblem if the formula of a cell that the row needs has failed.

    Without this check, a day of `#REF!` would be read as Thursday and Friday. If the link is
    missing, all cells are checked: a failed formula is then reported instead of "no meeting link".
    """
    needed = (MEETING, DAY, START, SERIES) if cells[MEETING] else COLUMNS
    for name in needed:
        if is_failed_formula(cells[name]):
            reason = f"{LABELS[name]} is {cells[name]!r}: wait, or correct the cell's formula"
            raise CellProblem(reason, name)


def meeting_of(cell: str) -> str:
    """Return the meeting's number, which is the end of the path of the cell's Zoom link.

    Raises:
        CellProblem: The cell has no such link, or several. The reason is shown and logged, so it
            doesn't repeat the link, which holds the meeting's passcode.
    """
    if not cell:
        raise CellProblem("no meeting link", MEETING)
    starts = [found.start() for found in _ZOOM_LINK.finditer(cell)]
    if _count_links(cell, len(starts)) > 1:
        raise CellProblem("two meeting links in one cell: a row can have only one", MEETING)
    try:
        parts = urlsplit(cell)
    except ValueError as error:
        raise CellProblem("the meeting link is broken", MEETING) from error
    number = parts.path.rstrip("/").rsplit("/", 1)[-1]
    # Mail programs put a link into a longer link of their own, with which the cell then begins.
    is_wrapped = starts not in ([0], [])
    is_link = parts.scheme == "https" and parts.netloc and not is_wrapped
    if is_link and _MEETING_NUMBER.fullmatch(number):
        return number
    raise _no_link(cell)


def _no_link(cell: str) -> CellProblem:
    """Return the problem of a cell that holds no link to a meeting."""
    hint = ", but a number alone: paste the whole link" if _NUMBER_ALONE.fullmatch(cell) else ""
    reason = f"the meeting link is not like https://zoom.us/j/1234567890{hint}"
    return CellProblem(reason, MEETING)


def _count_links(cell: str, zoom_links: int) -> int:
    """Return the number of links in a cell, of which `zoom_links` are recognized as Zoom's."""
    joined = 0 if zoom_links else cell.partition("?")[0].count("://")
    return max(zoom_links, joined, sum("://" in word for word in cell.split()))


def series_of(cell: str) -> str:
    """Return the id of the Opencast series that the cell links to.

    Raises:
        CellProblem: The cell has no link to a series.
    """
    series = series_link.in_link(cell)
    if not series:
        raise CellProblem(f"no Opencast series{_series_mistake(cell)}", SERIES)
    return series


def _series_mistake(cell: str) -> str:
    """Return a hint about the content of a cell without a link to a series; "" for no hint."""
    if _SERIES_ALONE.fullmatch(cell):
        return ", but an id alone: paste the link to the series"
    return ", but something else after a #" if series_link.after_hash(cell) else ""


def days_of(cell: str) -> tuple[list[str], list[str]]:
    """Return a cell's letters that name days, and its other characters, each once and in order.

    A weekday's name counts as the weekday's letter. White space and commas are left out.

    Raises:
        CellProblem: The cell may hold a passcode, which messages must not repeat letter by letter.
    """
    if _SECRET.search(cell):
        raise no_day(cell)
    letters = dict.fromkeys(re.sub(r"[\s,]", "", _in_letters(cell).upper()))
    known = [letter for letter in letters if letter in DAYS]
    return known, [letter for letter in letters if letter not in DAYS]


def _in_letters(cell: str) -> str:
    """Replace each weekday's name in a cell, such as `Tues` or `Fridays`, by the weekday's letter.

    Otherwise `Tuesday` would be read letter by letter: as Tuesday, Sunday and Saturday.
    """
    return _WORD.sub(lambda word: _letter_of(word[0].upper()) or word[0], cell)


def _letter_of(word: str) -> str:
    """Return the letter of the weekday whose name begins with `word`; "" for no such weekday.

    `word` is in capitals, has at least three letters, and may have a plural's S at its end.
    """
    forms = (word, word.removesuffix("S"))
    for letter, name in zip(DAYS, _WEEKDAYS, strict=True):
        if any(len(form) > 2 and name.startswith(form) for form in forms):
            return letter
    return ""


def no_day(cell: str) -> CellProblem:
    """Return the problem of a cell without any day."""
    if not cell:
        return CellProblem(f"{LABELS[DAY]} is empty", DAY)
    return CellProblem(f"day {shown(cell)} holds none of {DAY_LETTERS}", DAY)


def start_of(cell: str, *, has_formats: bool) -> str:
    """Return the start as the cell has it: `H:MM` or `HH:MM`.

    `has_formats` says whether the columns have formats, as in a Google Sheet.

    Raises:
        CellProblem: The cell isn't a time from 0:00 to 23:59.
    """
    if _START.fullmatch(cell):
        return cell
    if not cell:
        raise CellProblem(f"{LABELS[START]} is empty", START)
    hint = _start_hint(cell, has_formats=has_formats)
    raise CellProblem(f"start {shown(cell)} is not a time like 9:30 or 14:05{hint}", START)


def _start_hint(cell: str, *, has_formats: bool) -> str:
    """Return the end of the message about a wrong start: the mistake and the remedy."""
    time = _clear_start(cell)
    write = f"write {time or 'it like 14:05'}"
    if _NUMBER.fullmatch(cell):
        return f", but a number: {'give the column the format of a time' if has_formats else write}"
    if _TWELVE_HOURS.fullmatch(cell):
        example = f"{time} for {cell}" if time else "14:05 for 2:05 PM"
        return f", but in 12-hour form: write {example}"
    if _WITH_SECONDS.fullmatch(cell):
        return f", but with seconds: {'give the column the format hh:mm' if has_formats else write}"
    if _DATE.fullmatch(cell):
        return ", but a date: only the time belongs here"
    return f": {write}" if time else ": write it like 14:05, from 0:00 to 23:59"


def _clear_start(cell: str) -> str:
    """Return the time that a wrong start means, such as `9:30`; "" if the time isn't clear."""
    found = _CLEAR_START.fullmatch(cell)
    if not found:
        return _NAMED_STARTS.get(cell.lower(), "")
    hour, half = int(found[1]), (found[3] or "").lower()
    if (half and not 1 <= hour <= 12) or not (half or found[2]):
        return ""
    if half:
        hour = hour % 12 + (12 if half == "p" else 0)
    time = f"{hour}:{found[2] or '00'}"
    return time if _START.fullmatch(time) else ""


def name_of(cell: str) -> str:
    """Return the name of a course or type; "" if the cell holds no name."""
    return "" if name_problem(cell) else cell


def course_label(cell: str) -> str:
    """Return the course in one short line for a message about a row; "" for no course.

    Text that may hold a passcode is left out.
    """
    if _SECRET.search(cell):
        return ""
    label = " ".join(name_of(cell).translate(_BRACKETS).split())
    return label if len(label) <= LONGEST_LABEL else f"{label[: LONGEST_LABEL - 1]}…"


def name_problem(cell: str) -> str:
    """Return the reason why a cell can't be the name of a course or type; "" if it can."""
    if _LINK.search(cell):
        return "is a link"
    if is_failed_formula(cell):
        return f"is {cell!r}"
    return f"is longer than {LONGEST_NAME} characters" if len(cell) > LONGEST_NAME else ""


def shown(cell: str) -> str:
    """Return a cell's text for a message, in quotes and cut to 40 characters.

    A text that may hold a passcode is left out. Angle brackets are replaced, because a program that
    shows the message may take them for HTML.
    """
    return "(a link)" if _SECRET.search(cell) else repr(cell[:40].translate(_BRACKETS))


def hints(cells: Mapping[str, str]) -> Iterator[str]:
    """Yield hints about a usable row: names that are left out, and possible mistakes."""
    for name in (COURSE_CODE, TYPE):
        if problem := name_problem(cells[name]):
            yield f"{LABELS[name]} {problem}: it was left out"
    if day := _day_hint(cells[DAY]):
        yield day
    hour, minutes = cells[START].split(":")
    if int(hour) < MORNING:
        afternoon = f"{int(hour) + 12}:{minutes}"
        yield f"start {cells[START]!r} is at night: write {afternoon} for the afternoon"


def _day_hint(cell: str) -> str:
    """Return a hint about the days that an unclear cell is read as; "" if the cell is clear."""
    days, others = days_of(cell)
    letters = _in_letters(cell)
    better = [what for form, what in _MISLEADING_DAYS if form.search(letters)]
    if not better and not others:
        return ""
    names = [_WEEKDAYS[DAYS.index(day)].capitalize() for day in days]
    read = " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))
    write = ", ".join(better) or f"only letters of {DAY_LETTERS} (R is Thursday, U is Sunday)"
    return f"day {shown(cell)} is read as {read}: write {write}"
