"""Client of Zoom's REST API: access, retries, and the files of one recording.

`recording_list.py` uses the client to list the recordings of the account. The facts in this module
come from Zoom's API reference ("Get meeting recordings", "Server-to-Server OAuth", "Rate limits"),
https://developers.zoom.us/docs/api/
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any, TypeVar
from urllib.parse import quote

import jwt
import msgspec
import requests
from msgspec import UNSET, Meta, UnsetType

from ingester import timestamps
from ingester.errors import UNREADABLE_JSON, ZoomRefused, ZoomThrottles, ZoomUnreachable
from ingester.log import redact
from ingester.pipeline.messages import LARGEST_NUMBER, MeetingNumber, Minutes
from ingester.retry import RandomSource, Sleep, retry_after, retrying, shortened_timeout
from ingester.settings import ZoomSecrets, ZoomSettings
from ingester.zoom.lenient_json import readable

logger = logging.getLogger("ingester.zoom")

TIMEOUT = (3.05, 6.0)
"""Timeouts in seconds: to connect, and between two bytes of an answer."""

TOKEN_TTL = 3600
"""Requested lifetime of a download token, in seconds."""

JWT_SECONDS = 60
"""Lifetime of a JWT, in seconds."""

EXPIRY_MARGIN = 60
"""Seconds before an OAuth token's expiry during which the token isn't used any more."""

MISSING_SCOPE = 4711
"""Zoom's code for an app that lacks a scope."""


class MeetingRecordings(msgspec.Struct, frozen=True, kw_only=True):
    """Zoom's answer about one meeting instance. `recording_files` are in Zoom's own form."""

    uuid: str
    id: MeetingNumber
    topic: str
    start_time: str
    host_id: str
    duration: Minutes
    recording_files: list[dict[str, Any]] = []
    total_size: int | UnsetType = UNSET
    download_access_token: str = ""

    def __post_init__(self) -> None:
        timestamps.parse_recorded(self.start_time)


class _Token(msgspec.Struct, frozen=True):
    access_token: str
    expires_in: Annotated[int, Meta(ge=0, le=LARGEST_NUMBER)]


class Problem(msgspec.Struct, frozen=True):
    """The body of an API error. The OAuth endpoint has a `reason` in place of the `message`."""

    code: int = 0
    message: str = ""
    reason: str = ""

    @property
    def is_missing_scope(self) -> bool:
        """Whether the app lacks a scope, which Zoom's message then names."""
        return self.code == MISSING_SCOPE or "scope" in self.message.lower()


_Answer = TypeVar("_Answer", bound=msgspec.Struct)
_Result = TypeVar("_Result")


class ZoomApi:
    """Client of Zoom's API, with access by the key of an Apigee gateway, by OAuth, or by a JWT."""

    def __init__(
        self,
        settings: ZoomSettings,
        secrets: ZoomSecrets,
        *,
        session: requests.Session,
        sleep: Sleep,
        clock: Callable[[], datetime],
        monotonic: Callable[[], float] = time.monotonic,
        random_fraction: RandomSource = random.random,
    ) -> None:
        self._settings = settings
        self._secrets = secrets
        self._session = session
        self._sleep = sleep
        self._clock = clock
        self._monotonic = monotonic
        self._random_fraction = random_fraction
        self._token: tuple[str, float] | None = None

    def recordings(self, uuid: str, *, seconds: float) -> MeetingRecordings | None:
        """Return the recording of a meeting instance; None if Zoom doesn't have the recording.

        Args:
            uuid: Zoom's uuid of the meeting instance.
            seconds: Limit for all attempts together.

        Raises:
            ZoomUnreachable: Zoom gives no valid answer in any attempt.
            ZoomRefused: Zoom refuses the request, for example because the app lacks a scope; or no
                access is configured.
        """
        # Zoom requires a uuid to be encoded twice if it begins with `/` or contains `//`. Dots are
        # encoded too, because HTTP clients remove the path segments `.` and `..`.
        segment = quote(quote(uuid, safe="").replace(".", "%2E"), safe="")
        path = f"/meetings/{segment}/recordings"
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
        """Send a GET request to the API, and return the result of `read` for the answer.

        After a 401 for an OAuth token, each attempt sends the request once more with a new token.

        Args:
            path: Path below the API's base URL.
            query: Parameters of the query.
            read: Reads an answer with a status below 500 other than 429. If `read` raises
                ZoomUnreachable, the request is retried. Other errors of `read` are raised
                unchanged.
            seconds: Limit for all attempts together.
            attempts: Maximum number of attempts.

        Raises:
            ZoomUnreachable: Zoom can't be reached, or answers 429, 5xx or invalid content, in
                every attempt.
            ZoomRefused: Zoom gives the app no token, or no access is configured.
        """
        attempt = retrying(
            ZoomUnreachable,
            attempts=attempts,
            seconds=seconds,
            sleep=self._sleep,
            monotonic=self._monotonic,
            random_fraction=self._random_fraction,
        )
        deadline = self._monotonic() + seconds

        def once() -> _Result:
            return read(self._get_with_fresh_token(path, query, deadline))

        return attempt(once)

    def _get_with_fresh_token(
        self, path: str, query: Mapping[str, str], deadline: float
    ) -> requests.Response:
        """Send a GET request (once more with a new OAuth token after a 401), and return the answer.

        `deadline` is a time on the monotonic clock, in seconds.
        """
        url = f"{self._settings.zoom_api_base_url.rstrip('/')}{path}"
        response = self._get(url, query, deadline)
        if response.status_code == 401 and self._token:
            self._token = None
            response = self._get(url, query, deadline)
        _raise_if_busy(response, self._clock())
        return response

    def _timeout(self, deadline: float) -> tuple[float, float]:
        seconds_left = deadline - self._monotonic()
        if seconds_left <= 0:
            raise ZoomUnreachable("Zoom's API did not answer in time.")
        return shortened_timeout(seconds_left, TIMEOUT)

    def _get(self, url: str, query: Mapping[str, str], deadline: float) -> requests.Response:
        credentials = self._credentials(deadline)
        try:
            response = self._session.get(
                url,
                params=query,
                headers=credentials,
                timeout=self._timeout(deadline),
                # requests would send an `X-Api-Key` to the redirect's host as well.
                allow_redirects=False,
            )
        except requests.RequestException as error:
            raise ZoomUnreachable(f"Zoom's API can't be reached ({_kind(error)}).") from error
        logger.debug("Zoom's API answered %s", response.status_code)
        return response

    def _credentials(self, deadline: float) -> dict[str, str]:
        secrets, settings = self._secrets, self._settings
        if secrets.apigee_key:
            return {"X-Api-Key": secrets.apigee_key}
        if settings.zoom_client_id and secrets.zoom_client_secret:
            return {"Authorization": f"Bearer {self._oauth_token(deadline)}"}
        if settings.zoom_api_key and secrets.zoom_api_secret:
            claims = {
                "iss": settings.zoom_api_key,
                "exp": int(self._clock().timestamp()) + JWT_SECONDS,
            }
            token = jwt.encode(claims, secrets.zoom_api_secret, algorithm="HS256")
            return {"Authorization": f"Bearer {token}"}
        raise ZoomRefused(
            "No access to Zoom's API is configured: set ZOOM_ACCOUNT_ID, ZOOM_CLIENT_ID and "
            "ZOOM_CLIENT_SECRET, and update the stack."
        )

    def _oauth_token(self, deadline: float) -> str:
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
                timeout=self._timeout(deadline),
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
    """Raise ZoomUnreachable for an answer after which a retry may help: 429 or 5xx."""
    status = response.status_code
    if status == 429 or status >= 500:
        error_type = ZoomThrottles if status == 429 else ZoomUnreachable
        raise error_type(
            f"Zoom's API answered {status}.",
            retry_after(response.headers.get("Retry-After", ""), now),
        )


def problem_in(response: requests.Response) -> Problem:
    """Return the problem in the body of an API error; an empty one if the body is unreadable."""
    try:
        return msgspec.json.decode(response.content, type=Problem)
    except UNREADABLE_JSON:
        return Problem()


def refused(response: requests.Response) -> ZoomRefused:
    """Return the error for a refusal, with Zoom's message and the likely cause.

    For a 404, a cause is named only if a scope is missing.
    """
    problem = problem_in(response)
    # A gateway's message may contain our key, and answers and tables repeat the error. Redaction
    # precedes the cut, because redaction wouldn't find a truncated key.
    text = redact(problem.message or problem.reason or "no text")[:500].rstrip(" .")
    status = response.status_code
    sentences = [f"Zoom's API answered {status}, code {problem.code}: {text}."]
    if problem.is_missing_scope:
        sentences.append("The Zoom app lacks a scope.")
    elif status != HTTPStatus.NOT_FOUND:
        sentences.append("Check the Zoom app's credentials and that it is activated.")
    return ZoomRefused(" ".join(sentences))


def decoded(response: requests.Response, answer_type: type[_Answer]) -> _Answer:
    """Decode an answer into a type.

    Raises:
        ZoomUnreachable: The answer isn't of this type.
    """
    try:
        return msgspec.json.decode(readable(response.content), type=answer_type, strict=False)
    except UNREADABLE_JSON as error:
        raise ZoomUnreachable(f"Zoom's API gave an answer that can't be read: {error}.") from error


def _kind(error: requests.RequestException) -> str:
    """Return the name of an error's type. The error's text may contain URLs with secrets."""
    return type(error).__name__
