"""Google Sheets: the rows of a document's tabs, read with a service account's key.

Facts from Google's guides "Sheets API: Reading cell values" (`spreadsheets.values.batchGet`),
"A1 notation", "Usage limits" and "OAuth 2.0 for server to server applications". The service is
built from the discovery document in the package, never from the network.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
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
    GoogleKeyRefused,
    SheetsRefused,
    SheetsTimedOut,
    SheetsUnreachable,
)
from ingester.retry import Sleep, retry_after, retrying, within

API = ("sheets", "v4")
SCOPES = ("https://www.googleapis.com/auth/spreadsheets.readonly",)
TIMEOUT = (3.05, 12.0)
"""Seconds to connect, and between two bytes of an answer."""

ATTEMPTS = 4
LARGEST_ANSWER = 32 * 1024 * 1024
"""Bytes. 5,000 rows of a schedule are about one MB."""

CHUNK = 256 * 1024
SLOW = "Google did not answer in time. Try again in a minute."
SAVE_KEY = "make a new key for it and save that with `invoke schedule.save-creds`"

Cell = str | int | float | bool | None


class Tab(msgspec.Struct, frozen=True):
    """A tab's cells as the sheet shows them, from its first row and column on.

    Empty rows are there, so rows count as in the sheet; cells behind the last one with text in
    it are not.
    """

    name: str
    rows: tuple[tuple[str, ...], ...]


class _Range(msgspec.Struct, frozen=True):
    range: str
    values: list[list[Cell]] = []


class _Batch(msgspec.Struct, frozen=True):
    value_ranges: list[_Range] = msgspec.field(name="valueRanges")


class _Detail(msgspec.Struct, frozen=True):
    reason: str = ""


class _Problem(msgspec.Struct, frozen=True):
    message: str = ""
    status: str = ""
    details: list[_Detail] = []


class _Refusal(msgspec.Struct, frozen=True):
    error: _Problem = _Problem()


class _Key(msgspec.Struct, frozen=True):
    """What of a service account's key is used."""

    client_email: str
    private_key: str
    token_uri: str


class _Reply(msgspec.Struct, frozen=True):
    """An HTTP answer in the form that google-auth takes it."""

    status: int
    headers: Mapping[str, str]
    data: bytes


class Sheets:
    """Google Sheets as one service account.

    `key` is its key, JSON as Google's console saves it; it is looked at when it is needed.
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
        """Some tabs of a document, all of them read in one request.

        Tries again, and ends within `seconds`. SheetsRefused when a person has to mend something
        (GoogleKeyRefused if it is the key), SheetsUnreachable when Google stays out of reach.
        """
        self._credentials = self._credentials or _credentials(self._key)
        wire = _Wire(
            self._credentials,
            self._session,
            names=names,
            ends=self._monotonic() + seconds,
            clock=self._clock,
            monotonic=self._monotonic,
        )
        values = _values(wire, self._base_url)
        request = values.batchGet(
            spreadsheetId=document,
            ranges=[_range(name) for name in names],
            majorDimension="ROWS",
            valueRenderOption="FORMATTED_VALUE",
        )
        attempt = retrying(SheetsUnreachable, attempts=ATTEMPTS, seconds=seconds, sleep=self._sleep)
        return attempt(_read, request, names)


def _values(wire: _Wire, base_url: str) -> Any:
    """googleapiclient's `spreadsheets.values`, made from the discovery document in its package.

    With the one method that is used: making all methods and their help takes half a second.
    """
    document = json.loads(get_static_doc(*API))
    values = document["resources"]["spreadsheets"]["resources"]["values"]
    only = {"methods": {"batchGet": values["methods"]["batchGet"]}}
    document["resources"] = {"spreadsheets": {"methods": {}, "resources": {"values": only}}}
    service = build_from_document(
        document, http=wire, client_options={"api_endpoint": f"{base_url}/"}
    )
    return service.spreadsheets().values()


def _read(request: Any, names: Sequence[str]) -> list[Tab]:
    """What a batchGet of whole tabs answers. `request` is googleapiclient's."""
    try:
        batch = msgspec.convert(request.execute(), _Batch)
    except (msgspec.ValidationError, ValueError, RecursionError) as error:
        raise SheetsUnreachable(
            "Google's answer can't be read: it holds no tabs. Try again in a minute."
        ) from error
    if len(batch.value_ranges) != len(names):
        raise SheetsUnreachable(
            f"Google answered with {len(batch.value_ranges)} tabs instead of {len(names)}. "
            "Try again in a minute."
        )
    return [_tab(name, one) for name, one in zip(names, batch.value_ranges, strict=True)]


class _Wire:
    """What googleapiclient takes for an `httplib2.Http`, made of requests.

    So TLS trusts what it trusts everywhere here, and there are a limit of time (`ends`) and one of
    size. `names` are the tabs that are asked for.
    """

    def __init__(
        self,
        credentials: Credentials,
        session: requests.Session,
        *,
        names: Sequence[str],
        ends: float,
        clock: Callable[[], datetime],
        monotonic: Callable[[], float],
    ) -> None:
        self._credentials = credentials
        self._session = session
        self._names = names
        self._ends = ends
        self._clock = clock
        self._monotonic = monotonic

    def request(
        self,
        uri: str,
        method: str = "GET",
        body: str | bytes | None = None,
        headers: Mapping[str, str] | None = None,
        **_connection: Any,
    ) -> tuple[httplib2.Response, bytes]:
        """One request with the account's token, as `httplib2.Http.request`. Only a 200 returns."""
        signed = dict(headers or {})
        # requests decodes what it asked for itself.
        signed.pop("accept-encoding", None)
        try:
            self._credentials.before_request(self._token_request, method, uri, signed)
        except RefreshError as error:
            raise self._key_refused(error) from None
        except (GoogleAuthError, ValueError, TypeError, AttributeError) as error:
            raise SheetsUnreachable(
                f"Google's answer about the token can't be read ({type(error).__name__})."
            ) from None
        reply = self._send(method, uri, body, signed)
        if reply.status != 200:
            raise self._refusal(reply)
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
        """As `google.auth.transport.Request`. What may pass is raised: google-auth would sleep."""
        reply = self._send(method, url, body, headers or {})
        if reply.status == 429 or reply.status >= 500:
            raise self._busy(reply)
        return reply

    def _send(
        self, method: str, url: str, body: str | bytes | None, headers: Mapping[str, str]
    ) -> _Reply:
        left = self._ends - self._monotonic()
        if left <= 0:
            raise SheetsTimedOut(SLOW)
        try:
            with self._session.request(
                method,
                url,
                data=body,
                headers=dict(headers),
                timeout=within(left, TIMEOUT),
                # A token is for Google alone.
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
            if self._monotonic() > self._ends:
                raise SheetsTimedOut(SLOW)
            if len(content) > LARGEST_ANSWER:
                raise SheetsRefused(
                    f"The tabs hold more than {LARGEST_ANSWER >> 20} MB: remove what is no class."
                )
        return bytes(content)

    def _busy(self, reply: _Reply) -> SheetsUnreachable:
        asked = retry_after(reply.headers.get("Retry-After", ""), self._clock())
        what = "is busy" if reply.status == 429 else f"answered {reply.status}"
        return SheetsUnreachable(f"Google {what}. Try again in a minute.", asked)

    def _key_refused(self, error: RefreshError) -> GoogleKeyRefused:
        """From google-auth's error: its arguments are the endpoint's answer, which holds no key."""
        said = _one_line(str(error.args[0] if error.args else ""))
        return GoogleKeyRefused(
            f"Google refuses the key of {self._email} ({said or 'no reason given'}): if it was "
            f"deleted or has expired, {SAVE_KEY}."
        )

    @property
    def _email(self) -> str:
        return str(self._credentials.service_account_email)

    def _refusal(self, reply: _Reply) -> SheetsRefused | SheetsUnreachable:
        """What an answer that isn't 200 means, for the person who has to mend it."""
        if reply.status == 429 or reply.status >= 500:
            return self._busy(reply)
        try:
            problem = msgspec.json.decode(reply.data, type=_Refusal).error
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            problem = _Problem()
        said = _one_line(problem.message) or "without a reason"
        if reply.status == 401:
            return GoogleKeyRefused(f"Google doesn't take the token of {self._email} ({said}).")
        if any(detail.reason == "SERVICE_DISABLED" for detail in problem.details):
            return SheetsRefused(
                "The Google Sheets API is not enabled in the Google Cloud project of "
                f"{self._email}: enable it there, and try again after some minutes."
            )
        if reply.status == 403:
            return SheetsRefused(
                f"The sheet is not shared with {self._email}: share it with this address, as "
                f"a viewer (Google says: {said})."
            )
        if reply.status == 404:
            return SheetsRefused(
                "Google knows no document with the id in GSHEETS_DOC_ID: it is the part of the "
                "sheet's address between /d/ and /edit."
            )
        if problem.status == "FAILED_PRECONDITION":
            return SheetsRefused(
                "The document in GSHEETS_DOC_ID is not a Google Sheet: save an Excel file as one "
                f"(File, Save as Google Sheets) and use its id. Google says: {said}"
            )
        if "Unable to parse range" in problem.message:
            return SheetsRefused(_no_such_tab(problem.message, self._names))
        return SheetsRefused(f"Google answered {reply.status}: {said}")


def _credentials(key: str) -> Credentials:
    """GoogleKeyRefused, without anything of its content, if there is no service account's key."""
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
    except (msgspec.DecodeError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise GoogleKeyRefused(
            f"The Google key in SSM is none of a service account: {SAVE_KEY}."
        ) from None
    return credentials


def _range(name: str) -> str:
    """A whole tab in A1 notation: in quotes it is never taken for a cell or a named range."""
    return "'" + name.replace("'", "''") + "'"


def _no_such_tab(message: str, names: Sequence[str]) -> str:
    asked = message.partition(": ")[2].strip()
    missing = [name for name in names if asked in {name, _range(name)}]
    what = f"no tab {missing[0]}" if missing else f"not all of the tabs {', '.join(names)}"
    return (
        f"The sheet has {what}: was it renamed? Its tabs have to be named as in "
        "GSHEETS_SHEET_NAMES. Nothing was changed."
    )


def _tab(name: str, one: _Range) -> Tab:
    # Row numbers are told to people, so the first row has to be the first.
    if not re.search(r"(^|!)\$?A\$?1(:|$)", one.range):
        raise SheetsUnreachable(f"Google answered with other cells than the tab {name}'s.")
    return Tab(name, tuple(tuple(_text(cell) for cell in row) for row in one.values))


def _text(cell: Cell) -> str:
    if cell is None:
        return ""
    return str(cell).upper() if isinstance(cell, bool) else str(cell)


def _one_line(text: str) -> str:
    return re.sub(r"\s+", " ", text)[:200].strip()
