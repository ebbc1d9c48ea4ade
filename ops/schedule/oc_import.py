"""The class schedule from DCE's own Opencast, whose search endpoint lists each class.

The form of the answer is that which the first system reads: `helixEvents` with `total` and
`resultSet`, a class each, with `zoomLink`, `seriesId`, `seriesNumber`, `day` and `time`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.auth import HTTPDigestAuth

from ingester.schedule.importer import OPENCAST_SOURCE
from ingester.schedule.model import Event
from ingester.schedule.retained import Unread
from ingester.schedule.sheet_parser import ParsedSheet, Skipped
from ops.command import OpsError

LISTING = "series.json"
"""The last part of an address that already says where the classes are listed."""

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
    """DCE's Opencast: its address, the path of the listing, and who asks."""

    address: str
    path: str
    user: str
    password: str = field(repr=False)

    @property
    def url(self) -> str:
        """Where the classes are listed."""
        return f"{self.address.rstrip('/')}/{self.path.lstrip('/')}"

    @property
    def host(self) -> str:
        """What the classes remember as their source."""
        return urlsplit(self.address).netloc


def endpoint_of(address: str | None, path: str, user: str, password: str) -> Endpoint:
    """Return the endpoint for an address as typed: of Opencast, or of the `series.json` there.

    `path` is where Opencast lists the classes, if the address doesn't say so itself.

    Raises:
        OpsError: there is no address, it is none, or user or password are missing.
    """
    if address is None:
        raise OpsError(
            "It isn't known which Opencast to ask: name its address, like "
            "https://opencast.example.edu, or set OPENCAST_BASE_URL. (That of OC_CLUSTER_NAME is "
            "looked up by `invoke stack.diff`.)"
        )
    parts = urlsplit(address if "://" in address else f"https://{address}")
    if (
        parts.scheme not in {"https", "http"}
        or not parts.hostname
        or parts.username is not None
        or parts.query
        or parts.fragment
    ):
        raise OpsError(
            "--endpoint has to be an address like https://opencast.example.edu, or that of its "
            f"{LISTING}, without user, query and fragment."
        )
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


def fetch(endpoint: Endpoint, session: requests.Session) -> list[Any]:
    """Every class that the endpoint lists. OpsError if not all of them can be had.

    An import replaces, so that half a list would take classes away.
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
        # The answer may lead to a page for people to sign in, which is no listing.
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
    """A page of the answer. ValueError if it is something else.

    A listing of one has an object in place of the list, as Opencast's JSON made from XML does.
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
    """The classes as events, each a `Lecture`; those that can't be used are skipped and named."""
    source = f"{OPENCAST_SOURCE}{host}"
    events: list[tuple[str, Event]] = []
    numbers: list[int] = []
    skipped: list[Skipped] = []
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, dict):
            skipped.append(Skipped(host, number, "it is no object"))
            continue
        course, link, meeting = _text(row, "seriesNumber"), _text(row, "zoomLink"), ""
        try:
            meeting = _meeting(link)
            series = _text(row, "seriesId")
            if not series:
                raise ValueError("no seriesId")
            days, time = days_of(_text(row, "day")), time_of(_text(row, "time"))
        except ValueError as error:
            unread = Unread(source=source, meeting=meeting, course=course) if link else None
            reason = f"{course or 'no seriesNumber'}: {error}"
            skipped.append(Skipped(host, number, reason, unread=unread))
            continue
        events += [
            (
                meeting,
                Event(
                    day=day,
                    time=time,
                    title=TITLE,
                    course_code=course,
                    opencast_series_id=series,
                    source=source,
                ),
            )
            for day in days
        ]
        numbers += [number] * len(days)
    return ParsedSheet(tuple(events), tuple(skipped), host, source, tuple(numbers))


def _text(row: Mapping[str, Any], name: str) -> str:
    value = row.get(name)
    return str(value).strip() if isinstance(value, str | int) else ""


def _meeting(link: str) -> str:
    """The meeting's number at the end of a Zoom link's path; ValueError, without the link,

    which holds the meeting's passcode.
    """
    if not link:
        raise ValueError("no zoomLink")
    number = urlsplit(link).path.rstrip("/").rpartition("/")[2]
    if not re.fullmatch(r"[0-9]{3,}", number):
        raise ValueError("its zoomLink is not like https://zoom.us/j/1234567890")
    return number


def days_of(text: str) -> list[str]:
    """Days as the schedule's letters, from any of the spellings seen: `M`, `MON`, `Tu Th`, `TuTh`.

    ValueError if a part of it is no day.
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
    """`02:30 PM` as `14:30`; without AM or PM it is a time of 24 hours. ValueError if neither."""
    found = _TIME.fullmatch(text)
    hour, minute = (int(found[1]), int(found[2])) if found else (24, 0)
    half = (found[3] or "").lower() if found else ""
    if half and 1 <= hour <= 12:
        hour = hour % 12 + (12 if half == "p" else 0)
    elif half:
        hour = 24
    if hour > 23 or minute > 59:
        raise ValueError(f"time {text[:40]!r} is not like 02:30 PM")
    return f"{hour}:{minute:02d}"
