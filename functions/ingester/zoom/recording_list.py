"""The recordings of the account by Zoom's API, page by page.

Facts from Zoom's API reference ("List recordings of an account", "List all recordings", "List
users"): at most a month and 300 entries a request; a `next_page_token` lives for 15 minutes. The
account's own list is open to some accounts only; where it is refused each user is asked for.
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

from ingester.errors import ZoomRefused, ZoomUnreachable
from ingester.reconcile.decisions import ListedRecording, UnreadableEntry
from ingester.zoom.api import ZoomApi, decoded, problem_in, refused

logger = logging.getLogger("ingester.zoom_listing")

PAGE_SIZE = 300
LONGEST_SPAN = timedelta(days=29)
"""From the first to the last day of a request."""

ATTEMPTS = 6
MOST_IN_A_ROW = 3
"""Users in a row whose lists Zoom doesn't answer with: then it isn't the users."""

INVALID_TOKEN = 124
"""Zoom's code for a token that is no good, whatever it is used for."""

ACCOUNT_PATH = "/accounts/me/recordings"
USERS_PATH = "/users"
USER_STATUSES = ("active", "inactive")
"""Zoom leaves deactivated users out, and their recordings with them, unless it is asked."""

ADVICE = (
    "Give the app the scopes user:read:list_users:admin and "
    "cloud_recording:read:list_user_recordings:admin, or only "
    "cloud_recording:read:list_account_recordings:admin where Zoom offers that (docs/zoom.md)."
)


class How(StrEnum):
    """Which list was used."""

    ACCOUNT = "account"
    USERS = "users"


class _Page(msgspec.Struct, frozen=True, kw_only=True):
    next_page_token: str = ""


class _ListOfRecordings(_Page, frozen=True, kw_only=True):
    meetings: list[msgspec.Raw]


class _User(msgspec.Struct, frozen=True):
    """A user. One that was only invited has no id yet, nor recordings."""

    id: str = ""


class _ListOfUsers(_Page, frozen=True, kw_only=True):
    users: list[_User]


_PageType = TypeVar("_PageType", bound=_Page)


class _Refused(Exception):
    """Zoom doesn't hand out a list: `answer` says why."""

    def __init__(self, answer: requests.Response) -> None:
        self.error = refused(answer)
        self.problem = problem_in(answer)
        super().__init__(str(self.error))


def _is_of_all(error: _Refused | ZoomUnreachable) -> bool:
    """Whether an error about one user's list would come of every other's too."""
    if isinstance(error, ZoomUnreachable):
        return False
    return error.problem.is_missing_scope or error.problem.code == INVALID_TOKEN


class RecordingList:
    """Lists the recordings of the days from `begin` to `end` (UTC), when it is iterated, once.

    `seconds_left` counts down to when it has to be done. When it says 0 or less the list by users
    ends early, and `is_complete` is False: `user` is then the one to begin with the next time
    (`first_user`). `how` says which list was used.

    Iterating raises ZoomUnreachable and ZoomRefused.
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
        self._spans = _spans(begin.date(), end.date())
        self._seconds_left = seconds_left
        self._page_size = page_size
        self.how = How.ACCOUNT
        self.user = first_user
        self.is_complete = True

    def __iter__(self) -> Iterator[ListedRecording | UnreadableEntry]:
        try:
            for span in self._spans:
                yield from self._recordings(ACCOUNT_PATH, span)
        except _Refused as error:
            if error.problem.code == INVALID_TOKEN and not error.problem.is_missing_scope:
                raise error.error from None
            account = error.error
        else:
            self.user = ""
            return
        logger.info("The account's list is refused, so each user's is asked for: %s", account)
        self.how = How.USERS
        try:
            yield from self._by_user()
        except _Refused as error:
            raise ZoomRefused(
                f"Zoom lists recordings neither of the account nor by user. For the account: "
                f"{account} By user: {error.error} {ADVICE}"
            ) from None

    def _by_user(self) -> Iterator[ListedRecording | UnreadableEntry]:
        users = self._users()
        behind = [user for user in users if user >= self.user]
        problems: list[_Refused | ZoomUnreachable] = []
        in_a_row = 0
        for user in [*behind, *users[: len(users) - len(behind)]]:
            self.user = user
            if self._seconds_left() <= 0:
                self.is_complete = False
                return
            try:
                yield from self._of_user(user)
                in_a_row = 0
            except (_Refused, ZoomUnreachable) as error:
                in_a_row += isinstance(error, ZoomUnreachable)
                if _is_of_all(error) or in_a_row == MOST_IN_A_ROW:
                    raise
                logger.info("The list of the user %s can't be read: %s", user, error)
                problems.append(error)
        self.user = ""
        if problems and len(problems) == len(users):
            raise problems[-1]
        unreachable = [one for one in problems if isinstance(one, ZoomUnreachable)]
        if unreachable:
            raise unreachable[-1]

    def _of_user(self, user: str) -> Iterator[ListedRecording | UnreadableEntry]:
        for span in self._spans:
            yield from self._recordings(f"{USERS_PATH}/{quote(user, safe='')}/recordings", span)

    def _users(self) -> list[str]:
        """The ids of all users, in order."""
        found = {
            user.id
            for status in USER_STATUSES
            for page in self._pages(USERS_PATH, {"status": status}, _ListOfUsers)
            for user in page.users
            if user.id
        }
        return sorted(found)

    def _recordings(
        self, path: str, span: tuple[date, date]
    ) -> Iterator[ListedRecording | UnreadableEntry]:
        query = {"from": span[0].isoformat(), "to": span[1].isoformat()}
        for page in self._pages(path, query, _ListOfRecordings):
            for entry in page.meetings:
                yield _entry(bytes(entry))

    def _pages(
        self, path: str, query: dict[str, str], page_type: type[_PageType]
    ) -> Iterator[_PageType]:
        token = ""
        while True:
            more = {"next_page_token": token} if token else {}
            page = self._zoom.ask(
                path,
                {**query, "page_size": str(self._page_size), **more},
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


def _spans(begin: date, end: date) -> list[tuple[date, date]]:
    """The days from `begin` to `end`, both included, in spans that one request may ask for."""
    spans = []
    while begin <= end:
        last = min(begin + LONGEST_SPAN, end)
        spans.append((begin, last))
        begin = last + timedelta(days=1)
    return spans


def _entry(content: bytes) -> ListedRecording | UnreadableEntry:
    """One entry of a list of recordings."""
    try:
        listed = msgspec.json.decode(content, type=ListedRecording, strict=False)
        _ = listed.end
    except (ValueError, OverflowError) as error:
        return UnreadableEntry(name=_name_in(content), problem=str(error))
    return listed


def _name_in(content: bytes) -> str:
    """What can be read of an entry that makes no sense, for people."""
    entry = msgspec.json.decode(content)
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
