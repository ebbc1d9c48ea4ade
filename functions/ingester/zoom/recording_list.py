"""List the recordings of the Zoom account page by page.

A request covers at most a month and 300 entries, and a `next_page_token` is valid for 15 minutes.
Source: "List recordings of an account", "List all recordings" and "List users" in Zoom's API
reference, https://developers.zoom.us/docs/api/

Zoom offers the account's list only to some accounts. If Zoom refuses that list although our token
is valid, the list of each user is read instead.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from enum import StrEnum
from functools import partial
from typing import TypeVar
from urllib.parse import quote

import msgspec
import requests

from ingester.errors import UNREADABLE_JSON, ZoomRefused, ZoomUnreachable
from ingester.reconcile.decisions import ListedRecording, UnreadableEntry
from ingester.zoom.api import ZoomApi, decoded, problem_in, refused

logger = logging.getLogger("ingester.zoom_listing")

PAGE_SIZE = 300
LONGEST_DATE_RANGE = timedelta(days=29)
"""Longest time from the first to the last day of one request: 30 days, as both days count."""

ATTEMPTS = 6
MAX_FAILURES_IN_A_ROW = 3
"""Number of consecutive users whose lists can't be read (ZoomUnreachable), after which the whole
list ends with the error, because the cause can't be a single user. A refused list resets the count,
because Zoom answered."""

INVALID_TOKEN = 124
"""Zoom's code for an invalid token, with which every request fails."""

ACCOUNT_PATH = "/accounts/me/recordings"
USERS_PATH = "/users"
USER_STATUSES = ("active", "inactive")
"""Statuses of the users to list. By default Zoom's list leaves out deactivated users, who may have
recordings."""

ADVICE = (
    "Give the app the scopes user:read:list_users:admin and "
    "cloud_recording:read:list_user_recordings:admin, or only "
    "cloud_recording:read:list_account_recordings:admin where Zoom offers that (docs/zoom.md)."
)


class ListingMethod(StrEnum):
    """The list that was used: the account's, or that of each user."""

    ACCOUNT = "account"
    USERS = "users"


class _Page(msgspec.Struct, frozen=True, kw_only=True):
    next_page_token: str = ""


class _ListOfRecordings(_Page, frozen=True, kw_only=True):
    meetings: list[msgspec.Raw]


class _User(msgspec.Struct, frozen=True):
    """A user. A user who was only invited has neither an id nor recordings."""

    id: str = ""


class _ListOfUsers(_Page, frozen=True, kw_only=True):
    users: list[_User]


_PageType = TypeVar("_PageType", bound=_Page)


class _Refused(Exception):
    """The error for a list that Zoom refuses. `answer` is Zoom's answer."""

    def __init__(self, answer: requests.Response) -> None:
        self.error = refused(answer)
        self.problem = problem_in(answer)
        super().__init__(str(self.error))


def _concerns_all_users(error: _Refused | ZoomUnreachable) -> bool:
    """Return whether an error of one user's list would occur with all other users' lists too."""
    if isinstance(error, ZoomUnreachable):
        return False
    return error.problem.is_missing_scope or error.problem.code == INVALID_TOKEN


class RecordingList:
    """The recordings of some days, which an iteration reads from Zoom. Iterate only once.

    The iteration raises ZoomUnreachable or ZoomRefused if Zoom doesn't provide the list.

    Args:
        zoom: Zoom's API.
        begin: First day, in UTC.
        end: Last day, in UTC.
        seconds_left: Returns the seconds until the list has to be done. At 0 the list by users ends
            early.
        first_user: Id of the user to begin with, if an earlier list ended early.
        page_size: Maximum number of entries in one answer.

    Attributes:
        how: The list that was used.
        is_complete: False if the list ended early.
        user: Id of the user to begin with next time; "" if the list is complete.
    """

    def __init__(
        self,
        zoom: ZoomApi,
        begin: datetime,
        end: datetime,
        *,
        seconds_left: Callable[[], float],
        first_user: str = "",
        page_size: int = PAGE_SIZE,
    ) -> None:
        self._zoom = zoom
        self._date_ranges = _date_ranges(begin.date(), end.date())
        self._seconds_left = seconds_left
        self._page_size = page_size
        self.how = ListingMethod.ACCOUNT
        self.user = first_user
        self.is_complete = True

    def __iter__(self) -> Iterator[ListedRecording | UnreadableEntry]:
        try:
            for date_range in self._date_ranges:
                yield from self._recordings(ACCOUNT_PATH, date_range)
        except _Refused as refusal:
            if refusal.problem.code == INVALID_TOKEN and not refusal.problem.is_missing_scope:
                raise refusal.error from None
            account_error = refusal.error
        else:
            self.user = ""
            return
        logger.info("The account's list is refused, so each user's is asked for: %s", account_error)
        self.how = ListingMethod.USERS
        try:
            yield from self._recordings_by_user()
        except _Refused as refusal:
            raise ZoomRefused(
                f"Zoom lists recordings neither of the account nor by user. For the account: "
                f"{account_error} By user: {refusal.error} {ADVICE}"
            ) from None

    def _recordings_by_user(self) -> Iterator[ListedRecording | UnreadableEntry]:
        """Yield the recordings of each user, beginning with `self.user`, until the time is up.

        If one user's list fails, the other users' lists are still read, unless the cause concerns
        all users. At the end, the last error is raised if all lists failed, or else the last
        ZoomUnreachable. Refusals of some lists are only logged.
        """
        users = self._users()
        from_first_on = [user for user in users if user >= self.user]
        before_first = users[: len(users) - len(from_first_on)]
        errors: list[_Refused | ZoomUnreachable] = []
        failures_in_a_row = 0
        for user in [*from_first_on, *before_first]:
            self.user = user
            if self._seconds_left() <= 0:
                self.is_complete = False
                return
            try:
                yield from self._recordings_of(user)
                failures_in_a_row = 0
            except (_Refused, ZoomUnreachable) as error:
                is_unreachable = isinstance(error, ZoomUnreachable)
                failures_in_a_row = failures_in_a_row + 1 if is_unreachable else 0
                if _concerns_all_users(error) or failures_in_a_row == MAX_FAILURES_IN_A_ROW:
                    raise
                logger.info("The list of the user %s can't be read: %s", user, error)
                errors.append(error)
        self.user = ""
        if errors and len(errors) == len(users):
            raise errors[-1]
        unreachable = [error for error in errors if isinstance(error, ZoomUnreachable)]
        if unreachable:
            raise unreachable[-1]

    def _recordings_of(self, user: str) -> Iterator[ListedRecording | UnreadableEntry]:
        path = f"{USERS_PATH}/{quote(user, safe='')}/recordings"
        for date_range in self._date_ranges:
            yield from self._recordings(path, date_range)

    def _users(self) -> list[str]:
        """Return the ids of all active and inactive users, sorted."""
        user_ids = {
            user.id
            for status in USER_STATUSES
            for page in self._pages(USERS_PATH, {"status": status}, _ListOfUsers)
            for user in page.users
            if user.id
        }
        return sorted(user_ids)

    def _recordings(
        self, path: str, date_range: tuple[date, date]
    ) -> Iterator[ListedRecording | UnreadableEntry]:
        first, last = date_range
        query = {"from": first.isoformat(), "to": last.isoformat()}
        for page in self._pages(path, query, _ListOfRecordings):
            for entry in page.meetings:
                yield _entry(bytes(entry))

    def _pages(
        self, path: str, query: dict[str, str], page_type: type[_PageType]
    ) -> Iterator[_PageType]:
        token = ""
        while True:
            next_page = {"next_page_token": token} if token else {}
            page = self._zoom.ask(
                path,
                {**query, "page_size": str(self._page_size), **next_page},
                partial(_page, page_type, is_first=not token),
                seconds=max(0.0, self._seconds_left()),
                attempts=ATTEMPTS,
            )
            yield page
            if not page.next_page_token or page.next_page_token == token:
                return
            token = page.next_page_token


def _page(page_type: type[_PageType], answer: requests.Response, *, is_first: bool) -> _PageType:
    if answer.status_code == 200:
        return decoded(answer, page_type)
    if is_first:
        raise _Refused(answer)
    raise ZoomUnreachable(f"Zoom doesn't go on with a list: {refused(answer)}")


def _date_ranges(begin: date, end: date) -> list[tuple[date, date]]:
    """Split `begin`..`end` (inclusive) into ranges that are short enough for one request."""
    date_ranges = []
    while begin <= end:
        last = min(begin + LONGEST_DATE_RANGE, end)
        date_ranges.append((begin, last))
        begin = last + timedelta(days=1)
    return date_ranges


def _entry(content: bytes) -> ListedRecording | UnreadableEntry:
    """Parse one entry of a list of recordings. An invalid entry becomes an UnreadableEntry."""
    try:
        listed = msgspec.json.decode(content, type=ListedRecording, strict=False)
        _ = listed.end
    except (*UNREADABLE_JSON, OverflowError) as error:
        return UnreadableEntry(name=_name_in(content), problem=str(error))
    return listed


def _name_in(content: bytes) -> str:
    """Describe an invalid entry for people, by the fields that can be read."""
    try:
        entry = msgspec.json.decode(content)
    except UNREADABLE_JSON:
        return "an entry whose fields can't be read"
    if not isinstance(entry, dict):
        return f"an entry that is no object: {str(entry)[:80]!r}"
    known = {
        name: str(entry[name])[:80]
        for name in ("uuid", "id", "topic", "start_time")
        if isinstance(entry.get(name), str | int) and entry[name] != ""
    }
    return (
        ", ".join(f"{name} {value}" for name, value in known.items()) or "an entry without a name"
    )
