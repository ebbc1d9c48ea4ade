"""Read the schedule from DCE's own Opencast, whose search endpoint lists the scheduled classes.

The answer is an object `helixEvents` with `total` and `resultSet`. Each entry of `resultSet` has
`zoomLink`, `seriesId`, `seriesNumber`, `day` and `time`. An entry with several days becomes several
scheduled classes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import SplitResult, urlsplit

import requests
from requests.auth import HTTPDigestAuth

from ingester.schedule.importer import OPENCAST_SOURCE
from ingester.schedule.model import ScheduledClass
from ingester.schedule.parsed import ParsedClass, ParsedSheet, RowProblem
from ingester.schedule.retained import UnreadRow
from ops.command import OpsError

LISTING = "series.json"
"""The end of the listing's address."""

PATH = f"otherpubs/search/{LISTING}"
CONNECT_SECONDS = 5.0
READ_SECONDS = 60.0
MOST_PAGES = 1000
TITLE = "Lecture"

_NAMES: Mapping[str, tuple[str, ...]] = {
    "M": ("m", "mon", "monday"),
    "T": ("t", "tu", "tue", "tues", "tuesday"),
    "W": ("w", "wed", "weds", "wednesday"),
    "R": ("r", "th", "thu", "thur", "thurs", "thursday"),
    "F": ("f", "fri", "friday"),
    "S": ("s", "sat", "saturday"),
    "U": ("u", "sun", "sunday"),
}
_DAYS = {name: letter for letter, names in _NAMES.items() for name in names}
_DAY = re.compile("|".join(sorted(_DAYS, key=len, reverse=True)))
_TIME = re.compile(r"(\d{1,2}):(\d{2})(?::\d{2})?\s*([ap])?\.?(?:m\.?)?", re.IGNORECASE)


@dataclass(frozen=True)
class Endpoint:
    """DCE's Opencast: its address, the path of the listing, and a user with a password."""

    address: str
    path: str
    user: str
    password: str = field(repr=False)

    @property
    def url(self) -> str:
        """The address of the listing."""
        return f"{self.address.rstrip('/')}/{self.path.lstrip('/')}"

    @property
    def host(self) -> str:
        """The host and port of the address, for the scheduled classes' source."""
        return urlsplit(self.address).netloc


def endpoint_of(address: str | None, path: str, user: str, password: str) -> Endpoint:
    """Return the endpoint for an operator's address of Opencast or of its `series.json`.

    `path` is the path of the listing. If the address is that of `series.json`, `path` isn't used.

    Raises:
        OpsError: The address is missing or malformed, or the user or the password is missing.
    """
    if address is None:
        raise OpsError(
            "It isn't known which Opencast to ask: name its address, like "
            "https://opencast.example.edu, or set OPENCAST_BASE_URL. (That of OC_CLUSTER_NAME is "
            "looked up by `invoke stack.diff`.)"
        )
    parts = _parts(address)
    if not user or not password:
        missing = " and ".join(
            name
            for name, value in (("OPENCAST_API_USER", user), ("OPENCAST_API_PASSWORD", password))
            if not value
        )
        raise OpsError(f"{missing} isn't set: nobody could sign in to {parts.netloc}.")
    if parts.path.rpartition("/")[2] == LISTING:
        return Endpoint(f"{parts.scheme}://{parts.netloc}", parts.path, user, password)
    return Endpoint(parts.geturl(), path, user, password)


def _parts(address: str) -> SplitResult:
    """Return an address split by `urlsplit`. The default scheme is https.

    Raises:
        OpsError: The address is malformed.
    """
    try:
        parts = urlsplit(address if "://" in address else f"https://{address}")
    except ValueError:
        parts = urlsplit("")
    is_word = "://" not in address and "." not in address and parts.hostname != "localhost"
    if (
        is_word
        or parts.scheme not in {"https", "http"}
        or not parts.hostname
        or parts.username is not None
        or parts.query
        or parts.fragment
    ):
        raise OpsError(
            "--endpoint has to be an address like https://opencast.example.edu, or that of its "
            f"{LISTING}, without user, query and fragment."
        )
    return parts


def fetch(endpoint: Endpoint, session: requests.Session) -> list[Any]:
    """Return every entry of the endpoint's listing.

    `session` gets the endpoint's user and password for digest authentication.

    Raises:
        OpsError: The listing can't be read or is incomplete. An import replaces scheduled classes,
            so an incomplete listing would remove scheduled classes.
    """
    session.auth = HTTPDigestAuth(endpoint.user, endpoint.password)
    session.headers.update({"X-Requested-Auth": "Digest", "Accept": "application/json"})
    first = _page(endpoint, session, 0)
    rows = list(first.rows)
    for _ in range(MOST_PAGES):
        if len(rows) >= first.total:
            return rows
        page = _page(endpoint, session, len(rows))
        if not page.rows or page.rows == first.rows:
            break
        rows += page.rows
    raise OpsError(
        f"{endpoint.host} speaks of {first.total} classes and gave {len(rows)}: nothing was "
        "changed. Try again later."
    )


@dataclass(frozen=True)
class _Page:
    total: int
    rows: list[Any]


def _page(endpoint: Endpoint, session: requests.Session, offset: int) -> _Page:
    query = {"offset": str(offset)} if offset else {}
    try:
        # A redirect would lead to Opencast's login page, and not to the listing.
        response = session.get(
            endpoint.url,
            params=query,
            timeout=(CONNECT_SECONDS, READ_SECONDS),
            allow_redirects=False,
        )
    except requests.RequestException as error:
        raise OpsError(
            f"{endpoint.host} can't be reached ({type(error).__name__}): check --endpoint and "
            "the network."
        ) from error
    if response.status_code in {401, 403}:
        raise OpsError(
            f"{endpoint.host} refuses {endpoint.user} ({response.status_code}): mend "
            "OPENCAST_API_USER and OPENCAST_API_PASSWORD, or the user's roles."
        )
    if response.status_code != 200:
        raise OpsError(
            f"{endpoint.url} answers {response.status_code}: check --endpoint and --path."
        )
    try:
        return _read(response.json())
    except ValueError as error:
        raise OpsError(
            f"{endpoint.url} doesn't answer with a list of classes ({error}): check --path."
        ) from error


def _read(content: Any) -> _Page:
    """Return the page of the listing in an answer.

    If the listing has one entry, `resultSet` is an object and not a list, because
    Opencast's JSON is made from XML.

    Raises:
        ValueError: The answer isn't a page of the listing.
    """
    found = content.get("helixEvents") if isinstance(content, dict) else None
    if not isinstance(found, dict):
        raise ValueError("no helixEvents")
    total = str(found.get("total", ""))
    if not re.fullmatch(r"[0-9]{1,9}", total):
        raise ValueError("no total")
    rows = found.get("resultSet") or []
    return _Page(int(total), rows if isinstance(rows, list) else [rows])


def parse(host: str, rows: Iterable[Any]) -> ParsedSheet:
    """Return the scheduled classes of the listing's entries, and the unusable entries as problems.

    `host` names the source of the scheduled classes.
    """
    source = f"{OPENCAST_SOURCE}{host}"
    classes: list[ParsedClass] = []
    problems: list[RowProblem] = []
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, dict):
            problems.append(RowProblem(host, number, "it is no object"))
            continue
        try:
            meeting = _meeting(_text(row, "zoomLink"))
            classes += [
                ParsedClass(number, meeting, scheduled) for scheduled in _scheduled(row, source)
            ]
        except ValueError as error:
            reason = f"{_text(row, 'seriesNumber') or 'no seriesNumber'}: {error}"
            problems.append(RowProblem(host, number, reason, unread=_unread(row, source)))
    return ParsedSheet(name=host, source=source, classes=tuple(classes), problems=tuple(problems))


def _scheduled(row: Mapping[str, Any], source: str) -> list[ScheduledClass]:
    """Return a scheduled class for each day that an entry of the listing names.

    Raises:
        ValueError: The entry can't be used.
    """
    series = _text(row, "seriesId")
    if not series:
        raise ValueError("no seriesId")
    days, time = days_of(_text(row, "day")), time_of(_text(row, "time"))
    return [
        ScheduledClass(
            day=day,
            time=time,
            title=TITLE,
            course_code=_text(row, "seriesNumber"),
            opencast_series_id=series,
            source=source,
        )
        for day in days
    ]


def _unread(row: Mapping[str, Any], source: str) -> UnreadRow | None:
    """Return the source, meeting and course of an unusable entry; None without a Zoom link."""
    link = _text(row, "zoomLink")
    if not link:
        return None
    try:
        meeting = _meeting(link)
    except ValueError:
        meeting = ""
    return UnreadRow(source=source, meeting=meeting, course=_text(row, "seriesNumber"))


def _text(row: Mapping[str, Any], name: str) -> str:
    value = row.get(name)
    return str(value).strip() if isinstance(value, str | int) else ""


def _meeting(link: str) -> str:
    """Return the meeting's number, which ends the path of a Zoom link.

    Raises:
        ValueError: The link has no number. The error's text doesn't repeat the link, which
            may have a passcode.
    """
    if not link:
        raise ValueError("no zoomLink")
    number = urlsplit(link).path.rstrip("/").rpartition("/")[2]
    if not re.fullmatch(r"[0-9]{3,}", number):
        raise ValueError("its zoomLink is not like https://zoom.us/j/1234567890")
    return number


def days_of(text: str) -> list[str]:
    """Return the schedule's letters for days that are written like `M`, `Tu Th` or `TuTh`.

    Raises:
        ValueError: The text names no day, or contains a word that isn't a day.
    """
    days: list[str] = []
    for word in re.split(r"[\s,;/&.]+", text.lower()):
        found = _DAY.findall(word)
        if "".join(found) != word:
            raise ValueError(f"day {text[:40]!r} is none that is known")
        days += [_DAYS[name] for name in found]
    if not days:
        raise ValueError("no day")
    return list(dict.fromkeys(days))


def time_of(text: str) -> str:
    """Return a time like `02:30 PM` as `14:30`. A time without AM or PM is on the 24-hour clock.

    Raises:
        ValueError: The text isn't a time.
    """
    found = _TIME.fullmatch(text)
    hour, minute = (_hour(int(found[1]), found[3] or ""), int(found[2])) if found else (24, 0)
    if hour > 23 or minute > 59:
        raise ValueError(f"time {text[:40]!r} is not like 02:30 PM")
    return f"{hour}:{minute:02d}"


def _hour(hour: int, half: str) -> int:
    """Return the hour of the day; more than 23 if `hour` is invalid.

    `half` is "a" or "p" in lower or upper case, or "".
    """
    if not half:
        return hour
    return hour % 12 + (12 if half in "pP" else 0) if 1 <= hour <= 12 else 24
