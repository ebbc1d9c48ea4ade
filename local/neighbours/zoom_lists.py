"""The Zoom stand-in's lists of the account's recordings, a user's recordings, and the users.

Zoom's limits apply. Each list needs a scope, a request for recordings spans at most a month, and a
page has at most 300 entries. A `next_page_token` is valid for 15 minutes and for the same request.
https://developers.zoom.us/docs/api/meetings/#tag/cloud-recording
"""

import calendar
import secrets
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any
from urllib.parse import unquote

from local.neighbours.https_server import Answer, Request, json_answer
from local.neighbours.zoom_account import (
    ACCOUNT_RECORDINGS_SCOPES,
    USER_RECORDINGS_SCOPES,
    USERS_SCOPES,
    ZoomAccount,
)
from local.neighbours.zoom_recordings import Recording

ACCOUNT_PATH = "/v2/accounts/me/recordings"
USERS_PATH = "/v2/users"
TOKEN_SECONDS = 900
LARGEST_PAGE = 300
DEFAULT_PAGE = 30
NOT_LISTED = ("host_email", "password", "recording_play_passcode")
"""Fields of a recording that the lists leave out."""


class Refusal(Exception):
    """A refusal of a request, with the stand-in's `answer`."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.answer = json_answer(status, {"code": code, "message": message})


@dataclass(frozen=True)
class _Place:
    """The request, the next entry and the expiry that belong to a `next_page_token`.

    `expires` is in seconds since 1970.
    """

    request: tuple[str, ...]
    offset: int
    expires: float


class ZoomLists:
    """The lists of one account: the account's recordings, a user's recordings, and the users."""

    def __init__(self, account: ZoomAccount) -> None:
        self._account = account
        self._places: dict[str, _Place] = {}
        self._lock = threading.Lock()

    def answer(self, request: Request) -> Answer | None:
        """Return the answer to a request for a list, or None if the path isn't a list's."""
        path = request.path
        try:
            if path == ACCOUNT_PATH:
                return self._of_account(request)
            if path == USERS_PATH:
                return self._of_users(request)
            if path.startswith(f"{USERS_PATH}/") and path.endswith("/recordings"):
                user = unquote(path.removeprefix(f"{USERS_PATH}/").removesuffix("/recordings"))
                return self._of_user(request, user)
        except Refusal as refusal:
            return refusal.answer
        return None

    def _of_account(self, request: Request) -> Answer:
        self._check(request, ACCOUNT_RECORDINGS_SCOPES)
        return self._recordings(request, self._account.live())

    def _of_user(self, request: Request, user: str) -> Answer:
        self._check(request, USER_RECORDINGS_SCOPES)
        if user not in self._account.users():
            raise Refusal(404, 1001, f"User does not exist: {user}.")
        return self._recordings(request, [r for r in self._account.live() if r.host_id == user])

    def _of_users(self, request: Request) -> Answer:
        self._check(request, USERS_SCOPES)
        status = request.query.get("status", "active")
        if status not in {"active", "inactive", "pending"}:
            raise Refusal(400, 300, "Validation Failed: status.")
        users = [
            {"id": user, "type": 2, "status": state}
            for user, state in sorted(self._account.users().items())
            if state == status
        ]
        page, more = self._page(request, users, (status,))
        return json_answer(200, {"users": page, "total_records": len(users), **more})

    def _recordings(self, request: Request, recordings: Sequence[Recording]) -> Answer:
        begin, end = self._days(request.query)
        chosen = sorted(
            (
                recording
                for recording in recordings
                if begin.isoformat() <= recording.start_time[:10] <= end.isoformat()
            ),
            key=lambda recording: (recording.start_time, recording.uuid),
            reverse=True,
        )
        span = (begin.isoformat(), end.isoformat())
        page, more = self._page(request, chosen, span)
        meetings = [self._listed(recording) for recording in page]
        fields = {"from": span[0], "to": span[1], "total_records": len(chosen), **more}
        return json_answer(200, {**fields, "meetings": meetings})

    def _listed(self, recording: Recording) -> dict[str, Any]:
        fields = self._account.describe(recording)
        return {name: value for name, value in fields.items() if name not in NOT_LISTED}

    def _check(self, request: Request, any_of: Sequence[str]) -> None:
        """Raise Refusal unless the token is valid and has one of the scopes in `any_of`."""
        kind, _, token = request.headers.get("Authorization", "").partition(" ")
        scopes = self._account.access_scopes(token.strip()) if kind.lower() == "bearer" else None
        if scopes is None:
            raise Refusal(401, 124, "Invalid access token.")
        if not set(any_of).intersection(scopes):
            status = self._account.switches.missing_scope_status
            text = f"Invalid access token, does not contain scopes:[{any_of[0]}]."
            raise Refusal(status, 4711, text)

    def _days(self, query: Mapping[str, str]) -> tuple[date, date]:
        today = datetime.fromtimestamp(self._account.clock(), UTC).date()
        begin, end = (_day(query.get(name), today) for name in ("from", "to"))
        if not begin <= end <= _month_after(begin):
            raise Refusal(400, 300, "Validation Failed: from and to span at most a month.")
        return begin, end

    def _page(
        self, request: Request, entries: Sequence[Any], asked: tuple[str, ...]
    ) -> tuple[Sequence[Any], dict[str, Any]]:
        """Return the entries of the requested page, and the fields about paging.

        Raises:
            Refusal: The page's size is wrong, or the page token is unknown, expired, or belongs to
                another request.
        """
        size = _size(request.query.get("page_size", str(DEFAULT_PAGE)))
        same = (request.path, *asked, str(size))
        offset = 0
        if token := request.query.get("next_page_token", ""):
            with self._lock:
                place = self._places.get(token)
            if place is None or place.request != same or self._account.clock() >= place.expires:
                raise Refusal(400, 300, "The next page token is invalid or expired.")
            offset = place.offset
        following = ""
        if offset + size < len(entries):
            following = secrets.token_urlsafe(24)
            expires = self._account.clock() + TOKEN_SECONDS
            with self._lock:
                self._places[following] = _Place(same, offset + size, expires)
        return entries[offset : offset + size], {"page_size": size, "next_page_token": following}


def _day(text: str | None, default: date) -> date:
    if text is None:
        return default
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).date()
    except ValueError:
        raise Refusal(400, 300, f"Validation Failed: {text} is no yyyy-mm-dd.") from None


def _month_after(day: date) -> date:
    year, month = (day.year + day.month // 12, day.month % 12 + 1)
    return day.replace(
        year=year, month=month, day=min(day.day, calendar.monthrange(year, month)[1])
    )


def _size(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= LARGEST_PAGE):
        raise Refusal(400, 300, f"Validation Failed: page_size must be from 1 to {LARGEST_PAGE}.")
    return int(text)
