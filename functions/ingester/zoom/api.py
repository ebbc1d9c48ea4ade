"""Zoom's REST API: the files of a recording, and a token to fetch them with.

`recording_list` asks by it for the account's recordings. Facts from Zoom's API reference ("Get
meeting recordings", "Server-to-Server OAuth", "Rate limits").
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, TypeVar
from urllib.parse import quote

import jwt
import msgspec
import requests
from msgspec import UNSET, UnsetType

from ingester.errors import ZoomRefused, ZoomUnreachable
from ingester.retry import Chance, Sleep, retry_after, retrying, within
from ingester.settings import ZoomSecrets, ZoomSettings
from ingester.zoom.lenient_json import readable

logger = logging.getLogger("ingester.zoom")

TIMEOUT = (3.05, 6.0)
"""Seconds to connect, and between two bytes of an answer."""

TOKEN_TTL = 3600
JWT_LIFE = 60
EXPIRY_MARGIN = 60
MISSING_SCOPE = 4711


class MeetingRecordings(msgspec.Struct, frozen=True, kw_only=True):
    """Zoom's answer about one meeting instance. `recording_files` are as Zoom writes them."""

    uuid: str
    id: int
    topic: str
    start_time: str
    host_id: str
    duration: int | float
    recording_files: list[dict[str, Any]] = []
    total_size: int | UnsetType = UNSET
    download_access_token: str = ""


class _Token(msgspec.Struct, frozen=True):
    access_token: str
    expires_in: int


class Problem(msgspec.Struct, frozen=True):
    """What the API says when it refuses; the OAuth endpoint says `reason` instead."""

    code: int = 0
    message: str = ""
    reason: str = ""

    @property
    def is_missing_scope(self) -> bool:
        """Whether the app lacks a scope. Zoom's message then names it."""
        return self.code == MISSING_SCOPE or "scope" in self.message.lower()


_Answer = TypeVar("_Answer", bound=msgspec.Struct)
_Result = TypeVar("_Result")


class ZoomApi:
    """Asks Zoom's API by one of three ways: an Apigee gateway's key, OAuth, or a JWT."""

    def __init__(
        self,
        settings: ZoomSettings,
        secrets: ZoomSecrets,
        *,
        session: requests.Session,
        sleep: Sleep,
        clock: Callable[[], datetime],
        monotonic: Callable[[], float] = time.monotonic,
        by_chance: Chance = random.random,
    ) -> None:
        self._settings = settings
        self._secrets = secrets
        self._session = session
        self._sleep = sleep
        self._clock = clock
        self._monotonic = monotonic
        self._by_chance = by_chance
        self._token: tuple[str, float] | None = None

    def recordings(self, uuid: str, *, seconds: float) -> MeetingRecordings | None:
        """The recording of a meeting instance, or None if Zoom knows none.

        Tries again, and ends within `seconds`. ZoomUnreachable when Zoom stays out of reach,
        ZoomRefused when it refuses our credentials or the app lacks a scope.
        """
        # Encoded twice, because a uuid may begin with `/` or hold `//`.
        path = f"/meetings/{quote(quote(uuid, safe=''), safe='')}/recordings"
        query = {"include_fields": "download_access_token", "ttl": str(TOKEN_TTL)}
        return self.ask(path, query, _recording, seconds=seconds, attempts=4)

    def ask(
        self,
        path: str,
        query: Mapping[str, str],
        read: Callable[[requests.Response], _Result],
        *,
        seconds: float,
        attempts: int,
    ) -> _Result:
        """GET a path of the API; what `read` makes of the answer, which is 200, a 3xx or a 4xx.

        A 401 is asked again with a new token, once. What may pass is retried within `seconds`, a
        ZoomUnreachable of `read` too.

        Raises:
            ZoomUnreachable: Zoom stays out of reach, or goes on answering 429, 5xx or nonsense.
            ZoomRefused: Zoom gives the app no token, or none is configured.
        """
        attempt = retrying(
            ZoomUnreachable,
            attempts=attempts,
            seconds=seconds,
            sleep=self._sleep,
            monotonic=self._monotonic,
            by_chance=self._by_chance,
        )
        ends = self._monotonic() + seconds

        def once() -> _Result:
            return read(self._ask(path, query, ends))

        return attempt(once)

    def _ask(self, path: str, query: Mapping[str, str], ends: float) -> requests.Response:
        url = f"{self._settings.zoom_api_base_url.rstrip('/')}{path}"
        response = self._get(url, query, ends)
        if response.status_code == 401 and self._token:
            self._token = None
            response = self._get(url, query, ends)
        _raise_if_busy(response, self._clock())
        return response

    def _timeout(self, ends: float) -> tuple[float, float]:
        left = ends - self._monotonic()
        if left <= 0:
            raise ZoomUnreachable("Zoom's API did not answer in time.")
        return within(left, TIMEOUT)

    def _get(self, url: str, query: Mapping[str, str], ends: float) -> requests.Response:
        credentials = self._credentials(ends)
        try:
            response = self._session.get(
                url,
                params=query,
                headers=credentials,
                timeout=self._timeout(ends),
                # requests takes a key of ours along to wherever it is sent.
                allow_redirects=False,
            )
        except requests.RequestException as error:
            raise ZoomUnreachable(f"Zoom's API can't be reached ({_kind(error)}).") from error
        logger.debug("Zoom's API answered %s", response.status_code)
        return response

    def _credentials(self, ends: float) -> dict[str, str]:
        secrets, settings = self._secrets, self._settings
        if secrets.apigee_key:
            return {"X-Api-Key": secrets.apigee_key}
        if settings.zoom_client_id and secrets.zoom_client_secret:
            return {"Authorization": f"Bearer {self._oauth_token(ends)}"}
        if settings.zoom_api_key and secrets.zoom_api_secret:
            claims = {
                "iss": settings.zoom_api_key,
                "exp": int(self._clock().timestamp()) + JWT_LIFE,
            }
            token = jwt.encode(claims, secrets.zoom_api_secret, algorithm="HS256")
            return {"Authorization": f"Bearer {token}"}
        raise ZoomRefused(
            "No access to Zoom's API is configured: set ZOOM_ACCOUNT_ID, ZOOM_CLIENT_ID and "
            "ZOOM_CLIENT_SECRET, and update the stack."
        )

    def _oauth_token(self, ends: float) -> str:
        now = self._clock().timestamp()
        if self._token and now < self._token[1]:
            return self._token[0]
        try:
            response = self._session.post(
                self._settings.zoom_oauth_url,
                params={
                    "grant_type": "account_credentials",
                    "account_id": self._settings.zoom_account_id,
                },
                auth=(self._settings.zoom_client_id, self._secrets.zoom_client_secret),
                timeout=self._timeout(ends),
                allow_redirects=False,
            )
        except requests.RequestException as error:
            raise ZoomUnreachable(f"Zoom's OAuth can't be reached ({_kind(error)}).") from error
        _raise_if_busy(response, self._clock())
        if response.status_code != 200:
            raise refused(response)
        token = decoded(response, _Token)
        self._token = (token.access_token, now + token.expires_in - EXPIRY_MARGIN)
        return token.access_token


def _recording(response: requests.Response) -> MeetingRecordings | None:
    if response.status_code == 404:
        return None
    if response.status_code != 200:
        raise refused(response)
    return decoded(response, MeetingRecordings)


def _raise_if_busy(response: requests.Response, now: datetime) -> None:
    """Raise ZoomUnreachable for an answer that may be another one soon."""
    status = response.status_code
    if status == 429 or status >= 500:
        raise ZoomUnreachable(
            f"Zoom's API answered {status}.",
            retry_after(response.headers.get("Retry-After", ""), now),
        )


def problem_in(response: requests.Response) -> Problem:
    """What Zoom says in an answer that refuses; an empty one if it says nothing."""
    try:
        return msgspec.json.decode(response.content, type=Problem)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Problem()


def refused(response: requests.Response) -> ZoomRefused:
    """The error for an answer that refuses: what Zoom says, and what an operator can do."""
    problem = problem_in(response)
    hint = (
        "The Zoom app lacks a scope"
        if problem.is_missing_scope
        else "Check the Zoom app's credentials and that it is activated"
    )
    text = problem.message or problem.reason or "no text"
    status = response.status_code
    return ZoomRefused(f"Zoom's API answered {status}, code {problem.code}: {text[:500]}. {hint}.")


def decoded(response: requests.Response, answer_type: type[_Answer]) -> _Answer:
    """An answer as a type. ZoomUnreachable if it makes no sense."""
    try:
        return msgspec.json.decode(readable(response.content), type=answer_type, strict=False)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ZoomUnreachable(f"Zoom's API gave an answer that can't be read: {error}.") from error


def _kind(error: requests.RequestException) -> str:
    """The error's type: its text can hold addresses with secrets in them."""
    return type(error).__name__
