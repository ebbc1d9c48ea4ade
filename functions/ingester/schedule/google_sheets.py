"""The client of Google Sheets, which reads the rows of tabs with a service account's key.

googleapiclient builds the service from the discovery document in the installed package, never from
the network.

Sources:
* Values of cells: https://developers.google.com/workspace/sheets/api/guides/values
* A1 notation: https://developers.google.com/workspace/sheets/api/guides/concepts
* Limits: https://developers.google.com/workspace/sheets/api/limits
* Tokens: https://developers.google.com/identity/protocols/oauth2/service-account
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httplib2  # type: ignore[import-untyped]  # carries no py.typed
import msgspec
import requests
from google.auth.exceptions import GoogleAuthError, RefreshError
from google.oauth2.service_account import Credentials
from googleapiclient.discovery import (  # type: ignore[import-untyped]  # carries no py.typed
    build_from_document,
)
from googleapiclient.discovery_cache import (  # type: ignore[import-untyped]
    get_static_doc,
)

from ingester.errors import (
    UNREADABLE_JSON,
    GoogleKeyRefused,
    SheetsRefused,
    SheetsTimedOut,
    SheetsUnreachable,
)
from ingester.retry import Sleep, retry_after, retrying, shortened_timeout
from ingester.schedule.google_refusals import one_line, quoted_tab, refusal

API = ("sheets", "v4")
SCOPES = ("https://www.googleapis.com/auth/spreadsheets.readonly",)
TIMEOUT = (3.05, 12.0)
"""Timeouts in seconds: to connect, and between two bytes of an answer."""

ATTEMPTS = 4
LARGEST_ANSWER = 32 * 1024 * 1024
"""Maximum number of bytes of an answer. 5,000 rows of a schedule are about one MB."""

CHUNK = 256 * 1024
SLOW = "Google did not answer in time. Try again in a minute."
SAVE_KEY = "make a new key for it and save that with `invoke schedule.save-creds`"

Cell = str | int | float | bool | None


class Tab(msgspec.Struct, frozen=True):
    """A tab's cells as the sheet shows them, from the first row and column on.

    Empty rows between other rows are included, so the numbers of rows are those of the sheet. Rows
    after the last text, and cells after a row's last text, are left out.
    """

    name: str
    rows: tuple[tuple[str, ...], ...]


class _Range(msgspec.Struct, frozen=True):
    range: str
    values: list[list[Cell]] = []


class _Batch(msgspec.Struct, frozen=True):
    value_ranges: list[_Range] = msgspec.field(name="valueRanges")


class _Key(msgspec.Struct, frozen=True):
    """The fields of a service account's key that this client uses."""

    client_email: str
    private_key: str
    token_uri: str
    universe_domain: str = "googleapis.com"

    def __post_init__(self) -> None:
        if self.universe_domain != "googleapis.com":
            raise ValueError("a key of another Google than the public one")


class _Reply(msgspec.Struct, frozen=True):
    """An HTTP answer with the attributes that google-auth expects."""

    status: int
    headers: Mapping[str, str]
    data: bytes

    @property
    def is_temporary(self) -> bool:
        """Whether Google is busy or has an error, so that a retry may help."""
        return self.status == 429 or self.status >= 500


class Sheets:
    """The client of Google Sheets for one service account.

    `key` is the account's key, the JSON that Google's console saves. The first request parses the
    key.
    """

    def __init__(
        self,
        key: str,
        *,
        base_url: str,
        session: requests.Session,
        sleep: Sleep,
        clock: Callable[[], datetime],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._key = key
        self._credentials: Credentials | None = None
        self._base_url = base_url.rstrip("/")
        self._session = session
        self._sleep = sleep
        self._clock = clock
        self._monotonic = monotonic

    def tabs(self, document: str, names: Sequence[str], *, seconds: float) -> list[Tab]:
        """Read some tabs of a document in one request.

        `document` is the document's id, and `names` are the names of the tabs. The request is
        retried after a SheetsUnreachable. `seconds` is the limit for all attempts together.

        Raises:
            GoogleKeyRefused: The key is missing, unusable, or refused by Google.
            SheetsRefused: Google refuses the request for another reason, or the tabs are too large.
                A person has to act.
            SheetsUnreachable: Google can't be reached, is busy, has an error, or doesn't give a
                usable token or the tabs. The subclass SheetsTimedOut means that Google didn't
                answer before the deadline.
        """
        self._credentials = self._credentials or _credentials(self._key)
        transport = _Transport(
            credentials=self._credentials,
            session=self._session,
            tabs=names,
            deadline=_Deadline(self._monotonic() + seconds, self._monotonic),
            clock=self._clock,
        )
        request = _values(transport, self._base_url).batchGet(
            spreadsheetId=document,
            ranges=[quoted_tab(name) for name in names],
            majorDimension="ROWS",
            valueRenderOption="FORMATTED_VALUE",
        )
        attempt = retrying(
            SheetsUnreachable,
            attempts=ATTEMPTS,
            seconds=seconds,
            sleep=self._sleep,
            monotonic=self._monotonic,
        )
        return attempt(_read, request, names)


def _credentials(key: str) -> Credentials:
    """Return the credentials of a service account's key.

    Raises:
        GoogleKeyRefused: The key is empty or malformed, or isn't for googleapis.com. The error's
            text contains nothing of the key.
    """
    if not key:
        raise GoogleKeyRefused(
            "No Google account is set up to read the sheet: save a service account's key with "
            "`invoke schedule.save-creds`."
        )
    try:
        msgspec.json.decode(key, type=_Key)
        credentials: Credentials = Credentials.from_service_account_info(
            json.loads(key), scopes=SCOPES
        )
    except (*UNREADABLE_JSON, TypeError, KeyError, AttributeError):
        raise GoogleKeyRefused(
            f"The Google key in SSM is none of a service account: {SAVE_KEY}."
        ) from None
    return credentials


def _values(transport: _Transport, base_url: str) -> Any:
    """Return googleapiclient's `spreadsheets.values`, built from the package's discovery document.

    Only the method in use is built, because building all methods takes half a second.
    """
    document = json.loads(get_static_doc(*API))
    values = document["resources"]["spreadsheets"]["resources"]["values"]
    only = {"methods": {"batchGet": values["methods"]["batchGet"]}}
    document["resources"] = {"spreadsheets": {"methods": {}, "resources": {"values": only}}}
    service = build_from_document(
        document, http=transport, client_options={"api_endpoint": f"{base_url}/"}
    )
    return service.spreadsheets().values()


def _read(request: Any, names: Sequence[str]) -> list[Tab]:
    """Send googleapiclient's `batchGet` of whole tabs, and return the tabs.

    Raises:
        SheetsUnreachable: The answer doesn't have the tabs.
        IngesterError: See `_Transport.request`.
    """
    try:
        batch = msgspec.convert(request.execute(), _Batch)
    except UNREADABLE_JSON as error:
        raise SheetsUnreachable(
            "Google's answer can't be read: it holds no tabs. Try again in a minute."
        ) from error
    if len(batch.value_ranges) != len(names):
        raise SheetsUnreachable(
            f"Google answered with {len(batch.value_ranges)} tabs instead of {len(names)}. "
            "Try again in a minute."
        )
    return [_tab(name, found) for name, found in zip(names, batch.value_ranges, strict=True)]


def _tab(name: str, found: _Range) -> Tab:
    # Messages name rows by number, so the first row of the answer has to be the sheet's first.
    if not re.search(r"(^|!)\$?A\$?1(:|$)", found.range):
        raise SheetsUnreachable(f"Google answered with other cells than the tab {name}'s.")
    return Tab(name, tuple(tuple(_text(cell) for cell in row) for row in found.values))


def _text(cell: Cell) -> str:
    if cell is None:
        return ""
    return str(cell).upper() if isinstance(cell, bool) else str(cell)


@dataclass(frozen=True)
class _Deadline:
    """The deadline for Google's answer: `ends`, in seconds on the clock `monotonic`."""

    ends: float
    monotonic: Callable[[], float]

    def left(self) -> float:
        """Return the seconds until the deadline, negative after it."""
        return self.ends - self.monotonic()


@dataclass(frozen=True, kw_only=True)
class _Transport:
    """A replacement for googleapiclient's `httplib2.Http` that sends requests with `requests`.

    Each request has a deadline and a limit for the answer's size. `tabs` are the names of the
    requested tabs.
    """

    credentials: Credentials
    session: requests.Session
    tabs: Sequence[str]
    deadline: _Deadline
    clock: Callable[[], datetime]

    def request(
        self,
        uri: str,
        method: str = "GET",
        body: str | bytes | None = None,
        headers: Mapping[str, str] | None = None,
        **_connection: Any,
    ) -> tuple[httplib2.Response, bytes]:
        """Send a request with the account's token, like `httplib2.Http.request`.

        Raises:
            SheetsUnreachable: Google doesn't answer, is too slow or busy, has an error, or gives no
                usable token.
            SheetsRefused: Google refuses the key or the request, or the answer is too large.
        """
        signed = dict(headers or {})
        # `requests` sends its own list of encodings, all of which it can decode.
        signed.pop("accept-encoding", None)
        try:
            self.credentials.before_request(self._token_request, method, uri, signed)
        except RefreshError as error:
            raise self._key_refused(error) from None
        except (
            GoogleAuthError,
            ValueError,
            TypeError,
            AttributeError,
            ArithmeticError,
        ) as error:
            raise SheetsUnreachable(
                f"Google's answer about the token can't be read ({type(error).__name__})."
            ) from None
        reply = self._send(method, uri, body, signed)
        if reply.is_temporary:
            raise self._busy(reply)
        if reply.status != 200:
            raise refusal(reply.status, reply.data, account=self._account, tabs=self.tabs)
        return httplib2.Response({"status": "200"}), reply.data

    def _token_request(
        self,
        url: str,
        method: str = "GET",
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,  # noqa: ARG002  # google-auth's interface
        **_more: Any,
    ) -> _Reply:
        """Send a request for a token, like `google.auth.transport.Request`, but ignore `timeout`.

        Raises:
            SheetsUnreachable: Google can't be reached, is busy or has an error. A 429 or 5xx
                isn't returned, because google-auth would sleep and retry. The subclass
                SheetsTimedOut means that Google didn't answer before the deadline.
            SheetsRefused: The answer is too large.
        """
        reply = self._send(method, url, body, headers or {})
        if reply.is_temporary:
            raise self._busy(reply)
        return reply

    def _send(
        self, method: str, url: str, body: str | bytes | None, headers: Mapping[str, str]
    ) -> _Reply:
        left = self.deadline.left()
        if left <= 0:
            raise SheetsTimedOut(SLOW)
        try:
            with self.session.request(
                method,
                url,
                data=body,
                headers=dict(headers),
                timeout=shortened_timeout(left, TIMEOUT),
                # Only Google may get the token, and a redirect could lead elsewhere.
                allow_redirects=False,
                stream=True,
            ) as response:
                return _Reply(response.status_code, response.headers, self._content(response))
        except requests.Timeout as error:
            raise SheetsTimedOut(SLOW) from error
        except requests.RequestException as error:
            raise SheetsUnreachable(
                f"Google can't be reached, or broke off its answer ({type(error).__name__}). "
                "Try again in a minute."
            ) from error

    def _content(self, response: requests.Response) -> bytes:
        content = bytearray()
        for chunk in response.iter_content(CHUNK):
            content += chunk
            if self.deadline.left() < 0:
                raise SheetsTimedOut(SLOW)
            if len(content) > LARGEST_ANSWER:
                raise SheetsRefused(
                    f"The tabs hold more than {LARGEST_ANSWER >> 20} MB: remove what is no class."
                )
        return bytes(content)

    def _busy(self, reply: _Reply) -> SheetsUnreachable:
        seconds = retry_after(reply.headers.get("Retry-After", ""), self.clock())
        what = "is busy" if reply.status == 429 else f"answered {reply.status}"
        return SheetsUnreachable(f"Google {what}. Try again in a minute.", seconds)

    def _key_refused(self, error: RefreshError) -> GoogleKeyRefused:
        """Return the error for a key that google-auth couldn't exchange for a token.

        The arguments of google-auth's error are the answer of Google's endpoint, without the key.
        """
        said = one_line(str(error.args[0] if error.args else ""))
        return GoogleKeyRefused(
            f"Google refuses the key of {self._account} ({said or 'no reason given'}): if it was "
            f"deleted or has expired, {SAVE_KEY}."
        )

    @property
    def _account(self) -> str:
        return str(self.credentials.service_account_email)
