"""Download a recording's file from Zoom: follow the download_url, and open ranges of the file.

Zoom redirects a download_url to another host, a CDN with signed URLs. Zoom may answer **200 with an
HTML page** if the file is deleted or we aren't authorized (Zoom's developer forum). The token is a
secret, which is sent only to allowed hosts, over https.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import UTC, datetime

import urllib3

from ingester.errors import (
    EmptyFile,
    FileGone,
    FileNotThere,
    FileRefused,
    FileUnavailable,
    NotAFile,
    SourceChanged,
    TransferFailed,
    ZoomBusy,
    ZoomThrottles,
    ZoomUnreachable,
)
from ingester.retry import retry_after
from ingester.transfer.ranges import Version
from ingester.zoom.download_token import Access, AccessInUse
from ingester.zoom.download_urls import (
    NO_HTTPS,
    DownloadHosts,
    host_of,
    name_in_disposition,
    name_in_url,
)

MAX_REDIRECTS = 5
CONNECT_SECONDS = 5.0
SHORT_BODY_BYTES = 10_000
STALL_SECONDS = 10.0
"""Longest time without a byte of a download. S3 closes a request that sends nothing for 20 s."""

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_TOKEN = re.compile("[!-~]+")
"""Pattern of a token that an HTTP header can have."""

_BUSY = {429: ZoomThrottles, 503: ZoomBusy}
_GONE = frozenset({404, 410})
_REFUSALS = _GONE | {401, 403}
_PAGES = frozenset({"text/html", "application/xhtml+xml"})
_ERROR_BODIES = frozenset({"application/json", "application/xml", "text/xml"})
_SIZE = r"[0-9]{1,15}"
"""Pattern of a number of bytes in a header. Longer numbers aren't sizes, and Python refuses to
parse very long ones."""

_CONTENT_LENGTH = re.compile(_SIZE)
_CONTENT_RANGE = re.compile(rf"bytes (?:({_SIZE})-({_SIZE})|\*)/({_SIZE}|\*)")


class ZoomBody:
    """An answer with bytes of a file (`ranges.Body`).

    Attributes:
        name: The file's name; "" if Zoom sends no name with an extension.
        first: Offset of the first byte.
        version: The version of the file.
        is_range: Whether the answer is a range; otherwise it is the whole file.
    """

    def __init__(
        self, response: urllib3.BaseHTTPResponse, name: str, first: int, version: Version
    ) -> None:
        self.name = name
        self.first = first
        self.version = version
        self.is_range = response.status == 206
        self._response = response

    def read(self, length: int) -> bytes:
        """Return at most `length` bytes; b"" at the end.

        Raises:
            TransferFailed: The connection broke off or stalled.
        """
        try:
            return self._response.read(length, decode_content=False)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise TransferFailed(
                f"The download of {self.name or 'a file'} broke off ({type(error).__name__})."
            ) from error

    def close(self) -> None:
        """Close the answer. The connection returns to the pool if the whole answer was read."""
        self._response.close()


@dataclass(frozen=True)
class _Address:
    """The URL that a download_url led to, the token for that URL or "", and the file's name."""

    url: str
    token: str
    name: str


class ZoomFile:
    """A file at Zoom that can be opened at any byte (`ranges.Source`).

    A ZoomFile keeps the URL that the download_url leads to. When Zoom refuses the URL, for example
    because it has expired, the ZoomFile follows the download_url again.

    Args:
        file_id: Zoom's id of the file.
        download_url: The file's URL in the message.
        access: Token and fresh URLs, shared by all files of the recording.
        http: Connection pool.
        hosts: The hosts that may get the token.
        stall_seconds: Longest wait for a byte.
        is_json: Whether the file is JSON. For any other file, a body in JSON is an error message.
    """

    def __init__(
        self,
        file_id: str,
        download_url: str,
        access: AccessInUse,
        *,
        http: urllib3.PoolManager,
        hosts: DownloadHosts,
        stall_seconds: float = STALL_SECONDS,
        is_json: bool = False,
    ) -> None:
        self._file_id = file_id
        self._download_url = download_url
        self._http = http
        self._hosts = hosts
        self._access = access
        self._timeout = urllib3.Timeout(connect=CONNECT_SECONDS, read=stall_seconds)
        self._error_bodies = _ERROR_BODIES - {"application/json"} if is_json else _ERROR_BODIES
        self._lock = threading.Lock()
        self._address: _Address | None = None

    def open(self, first: int, last: int) -> ZoomBody:
        """Request the bytes `first` to `last`, inclusive. The answer may also be the whole file.

        Raises:
            FileUnavailable: The file can't be downloaded (FileRefused, NotAFile, FileGone), or is
                empty (EmptyFile).
            ZoomUnreachable: The download host or Zoom's API can't be reached, is busy, or has an
                error.
            ZoomRefused: Zoom refuses the download or sends a page, and its API refuses a fresh
                access.
            SourceChanged: The file has no byte `first`.
            TransferFailed: Zoom answered with an error message, a compressed file, or a wrong or
                malformed range.
        """
        known = self._address
        if known is not None:
            response = self._get(known.url, known.token, first, last)
            if response.status not in _REFUSALS and not _is_page(response):
                return self._body(response, known, first)
            response.close()
        with self._lock:
            if self._address is known:
                response, self._address = self._find_address(first, last)
                return self._body(response, self._address, first)
        # Another thread has found the new address meanwhile.
        return self.open(first, last)

    def _find_address(self, first: int, last: int) -> tuple[urllib3.BaseHTTPResponse, _Address]:
        """Call `_follow`, and repeat the call with a fresh access if Zoom refuses or sends a page.

        Returns:
            The final answer and its address.

        Raises:
            IngesterError: See `open`.
        """
        access = self._access.now
        try:
            return self._follow(access, first, last)
        except (FileRefused, NotAFile) as error:
            fresh = self._fresh_access(access, error)
            if fresh is None:
                raise
            return self._follow(fresh, first, last)

    def _fresh_access(self, access: Access, error: FileRefused | NotAFile) -> Access | None:
        """Return an access from Zoom's API after Zoom refused `access`.

        Returns:
            The access; None if `access` came from the API already, or if Zoom answered the download
            with a page and the API says that the recording is deleted.

        Raises:
            FileGone: The API says that the recording is deleted, and `error` is a FileRefused.
            IngesterError: See `AccessInUse.replacement_for`.
        """
        try:
            return self._access.replacement_for(access)
        except FileGone:
            if isinstance(error, NotAFile):
                # Both answers say that the file is deleted. `error` skips this file only, while the
                # API's answer would end the copy of the recording's other files.
                return None
            raise

    def _follow(
        self, access: Access, first: int, last: int
    ) -> tuple[urllib3.BaseHTTPResponse, _Address]:
        """Follow the redirects of the download_url, and return the final answer and its address.

        Raises:
            FileUnavailable: The URL isn't allowed, a redirect doesn't lead to an https URL, or
                there are too many redirects.
            IngesterError: See `_get` and `_raise_for`.
        """
        url = access.urls.get(self._file_id, self._download_url)
        if not self._hosts.allow(url):
            raise FileUnavailable(
                f"The download address points to {host_of(url)}, which is not among "
                "ZOOM_DOWNLOAD_HOSTS over https: nothing was fetched."
            )
        name = ""
        for hop in range(MAX_REDIRECTS + 1):
            token = access.token if self._hosts.allow(url) else ""
            response = self._get(url, token, first, last)
            if response.status in (401, 403) and hop and token:
                # A host of signed URLs may refuse a request that also has a token.
                response.close()
                token = ""
                response = self._get(url, token, first, last)
            if response.status not in _REDIRECTS:
                self._raise_for(response, url)
                disposition = response.headers.get("Content-Disposition", "")
                name = name or name_in_disposition(disposition) or name_in_url(url)
                return response, _Address(url, token, name)
            _discard(response)
            url = self._hosts.redirected(url, response.headers.get("Location", ""))
            name = name_in_url(url)
        raise FileUnavailable(f"Zoom redirects the download more than {MAX_REDIRECTS} times.")

    def _get(self, url: str, token: str, first: int, last: int) -> urllib3.BaseHTTPResponse:
        """Request a range of a URL, and return the answer, whatever its status.

        Raises:
            FileRefused: No HTTP header can have the token.
            FileUnavailable: The URL's host is malformed, or isn't on the internet.
            ZoomUnreachable: The host can't be reached.
        """
        # Ask for `identity`, because a compressed answer wouldn't have the size that Zoom states.
        headers = {"Accept-Encoding": "identity", "Range": f"bytes={first}-{last}"}
        if token:
            if not _TOKEN.fullmatch(token):
                # http.client would raise a ValueError whose text has the token.
                raise FileRefused("The download token has characters that no HTTP header takes.")
            headers["Authorization"] = f"Bearer {token}"
        try:
            return self._http.urlopen(
                "GET",
                url,
                headers=headers,
                timeout=self._timeout,
                retries=False,
                redirect=False,
                preload_content=False,
                decode_content=False,
            )
        except urllib3.exceptions.LocationValueError as error:
            raise FileUnavailable(NO_HTTPS) from error
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise ZoomUnreachable(
                f"Zoom's download host {host_of(url)} can't be reached ({type(error).__name__})."
            ) from error

    def _raise_for(self, response: urllib3.BaseHTTPResponse, url: str) -> None:
        _raise_for(response, self._error_bodies, is_zooms=self._hosts.allow(url))

    def _body(self, response: urllib3.BaseHTTPResponse, address: _Address, first: int) -> ZoomBody:
        """Return the answer as a body; close an answer that has no bytes of the file.

        Raises:
            EmptyFile: The file has no bytes.
            IngesterError: See `_raise_for` and `_total`.
        """
        try:
            self._raise_for(response, address.url)
            total = _total(response, first)
        except Exception:
            response.close()
            raise
        if total == 0:
            response.close()
            raise EmptyFile(f"Zoom sent {address.name or 'a file'} with no bytes in it.")
        headers = response.headers
        version = Version(total, headers.get("ETag", ""), headers.get("Last-Modified", ""))
        return ZoomBody(response, address.name, first if response.status == 206 else 0, version)


def _discard(response: urllib3.BaseHTTPResponse) -> None:
    """Close an answer whose body isn't needed.

    A short body is read first, so that the connection can be reused.
    """
    # A chunked body may have no end, even if the answer has a Content-Length.
    length = response.headers.get("Content-Length", "")
    is_short = _CONTENT_LENGTH.fullmatch(length) and int(length) <= SHORT_BODY_BYTES
    if is_short and "Transfer-Encoding" not in response.headers:
        response.drain_conn()
    response.close()


def _raise_for(
    response: urllib3.BaseHTTPResponse, error_bodies: AbstractSet[str], *, is_zooms: bool
) -> None:
    """Close an answer and raise the error, unless the answer has bytes of the file or is a 416.

    Args:
        response: The answer.
        error_bodies: Types of content that are error messages.
        is_zooms: Whether a host of Zoom's gave the answer. A 429 of another host, to which Zoom
            redirected the download, must not pause all downloads.

    Raises:
        NotAFile: The answer is an HTML page with the status 200 or 206.
        TransferFailed: The answer has the status 200 or 206, and is another error message or
            compressed.
        FileNotThere, FileRefused: Zoom refuses the request.
        ZoomUnreachable: Zoom answers 429 or 5xx.
        FileUnavailable: Zoom answers with any other status.
    """
    status = response.status
    if status == 416:
        # `_total` reads the headers of a 416. The body may be HTML or XML for people.
        return
    if _is_page(response):
        response.close()
        raise NotAFile("Zoom answered with an HTML page: deleted, or not authorized.")
    if status in (200, 206):
        content_type = _content_type(response)
        if content_type in error_bodies:
            response.close()
            raise TransferFailed(f"Zoom answered with {content_type} where a file should be.")
        if _is_compressed(response):
            # A body of 200 KB may hold 200 MB, and only decompression would show the size.
            response.close()
            raise TransferFailed("Zoom answered with a compressed file, which wasn't asked for.")
        return
    response.close()
    if status in _REFUSALS:
        refusal = FileNotThere if status in _GONE else FileRefused
        raise refusal(f"Zoom answered {status} to the download.")
    if status == 429 or status >= 500:
        seconds = retry_after(response.headers.get("Retry-After", ""), datetime.now(UTC))
        error_type = _BUSY.get(status, ZoomUnreachable)
        if error_type is ZoomThrottles and not is_zooms:
            error_type = ZoomBusy
        raise error_type(f"Zoom answered {status} to the download.", seconds)
    raise FileUnavailable(f"Zoom answered {status} to the download.")


def _content_type(response: urllib3.BaseHTTPResponse) -> str:
    return response.headers.get("Content-Type", "").split(";")[0].strip().lower()


def _is_page(response: urllib3.BaseHTTPResponse) -> bool:
    """Return whether the answer is an HTML page in place of the file."""
    return response.status in (200, 206) and _content_type(response) in _PAGES


def _is_compressed(response: urllib3.BaseHTTPResponse) -> bool:
    """Return whether the body is compressed, although the request forbids compression."""
    return response.headers.get("Content-Encoding", "").strip().lower() not in ("", "identity")


def _total(response: urllib3.BaseHTTPResponse, first: int) -> int | None:
    """Return the file's size in bytes, from an answer with a range, the whole file, or a 416.

    Returns:
        The size; None if an answer with the whole file doesn't say the size.

    Raises:
        SourceChanged: The file has no byte `first`.
        TransferFailed: The answer's range doesn't begin at `first`, lacks the file's size, or is
            malformed.
    """
    headers = response.headers
    if response.status == 200:
        length = headers.get("Content-Length", "")
        return int(length) if _CONTENT_LENGTH.fullmatch(length) else None
    content_range = _CONTENT_RANGE.fullmatch(headers.get("Content-Range", ""))
    total = content_range[3] if content_range else ""
    if response.status == 416 and total == "0":
        return 0
    if response.status == 416:
        raise SourceChanged("The file at Zoom became shorter while it was copied.")
    if content_range is None or content_range[1] != str(first) or total == "*":
        raise TransferFailed("Zoom answered with another range than was asked for.")
    return int(total)
