"""A recording's file at Zoom: its download address, and where that leads.

Zoom answers a download_url with a redirect to another host, a CDN with signed URLs, and a file
that is gone or not for us with **200 and an HTML page** (Zoom's developer forum). The token is a
secret: it goes to hosts that are allowed, over https, and nowhere else.
"""

from __future__ import annotations

import re
import threading
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
STALL_SECONDS = 10.0
"""Without a byte for so long a download counts as broken. S3 waits 20 s for the same byte."""

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_GONE = frozenset({404, 410})
_REFUSALS = _GONE | {401, 403}
_PAGES = frozenset({"text/html", "application/xhtml+xml"})
_ERROR_BODIES = frozenset({"application/json", "application/xml", "text/xml"})
_CONTENT_RANGE = re.compile(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)")


class ZoomBody:
    """An answer with bytes of a file. `name` is "" where Zoom tells none with an extension."""

    def __init__(
        self, response: urllib3.BaseHTTPResponse, name: str, first: int, version: Version
    ) -> None:
        self.name = name
        self.first = first
        self.version = version
        self.is_range = response.status == 206
        self._response = response
        # A compressed answer, though identity was asked for, has another size than Zoom tells.
        self._decode = _is_packed(response)

    def read(self, length: int) -> bytes:
        try:
            return self._response.read(length, decode_content=self._decode)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise TransferFailed(
                f"The download of {self.name or 'a file'} broke off ({type(error).__name__})."
            ) from error

    def close(self) -> None:
        """Gives the connection back if the answer is read to its end, else closes it."""
        self._response.close()


@dataclass(frozen=True)
class _Address:
    """Where a download_url led, and whether the token goes there."""

    url: str
    token: str
    name: str


class ZoomFile:
    """A file that can be opened at any byte (`ranges.Source`).

    Where the download_url leads is remembered, and asked for again when that address has expired.
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
    ) -> None:
        self._file_id = file_id
        self._download_url = download_url
        self._http = http
        self._hosts = hosts
        self._access = access
        self._timeout = urllib3.Timeout(connect=CONNECT_SECONDS, read=stall_seconds)
        self._lock = threading.Lock()
        self._address: _Address | None = None

    def open(self, first: int, last: int) -> ZoomBody:
        """Asks for the bytes `first` to `last`; what comes can also be the whole file.

        FileRefused, NotAFile, EmptyFile and other FileUnavailable when there is no file for us,
        ZoomUnreachable when it may pass, SourceChanged when the file ends before `first`.
        """
        known = self._address
        if known is not None:
            response = self._get(known.url, known.token, first, last)
            if response.status not in _REFUSALS and not _is_page(response):
                return _body(response, known, first)
            response.close()
        with self._lock:
            if self._address is known:
                response, self._address = self._find(first, last)
                return _body(response, self._address, first)
        # Another connection has found the new address in the meantime.
        return self.open(first, last)

    def _find(self, first: int, last: int) -> tuple[urllib3.BaseHTTPResponse, _Address]:
        access = self._access.now
        try:
            return self._follow(access, first, last)
        except (FileRefused, NotAFile) as refused:
            fresh = self._fresh(access, refused)
            if fresh is None:
                raise
            return self._follow(fresh, first, last)

    def _fresh(self, access: Access, refused: FileRefused | NotAFile) -> Access | None:
        try:
            return self._access.instead_of(access)
        except FileGone:
            if isinstance(refused, NotAFile):
                # Deleted, both say: what other files are left is not given up for this one.
                return None
            raise

    def _follow(
        self, access: Access, first: int, last: int
    ) -> tuple[urllib3.BaseHTTPResponse, _Address]:
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
                # Signed URLs can refuse a request that carries a token as well.
                response.close()
                token = ""
                response = self._get(url, token, first, last)
            if response.status not in _REDIRECTS:
                _raise_for(response)
                told = response.headers.get("Content-Disposition", "")
                name = name or name_in_disposition(told) or name_in_url(url)
                return response, _Address(url, token, name)
            _finish(response)
            url = self._hosts.redirected(url, response.headers.get("Location", ""))
            name = name_in_url(url)
        raise FileUnavailable(f"Zoom redirects the download more than {MAX_REDIRECTS} times.")

    def _get(self, url: str, token: str, first: int, last: int) -> urllib3.BaseHTTPResponse:
        # Bytes as they are: a compressed answer would not have the size that Zoom tells.
        headers = {"Accept-Encoding": "identity", "Range": f"bytes={first}-{last}"}
        if token:
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


def _body(response: urllib3.BaseHTTPResponse, address: _Address, first: int) -> ZoomBody:
    """The answer as a body; it is closed if it holds none."""
    try:
        _raise_for(response)
        total = _total(response, first)
    except Exception:
        response.close()
        raise
    if total == 0:
        response.close()
        raise EmptyFile(f"Zoom handed out {address.name or 'a file'} with no bytes in it.")
    headers = response.headers
    version = Version(total, headers.get("ETag", ""), headers.get("Last-Modified", ""))
    return ZoomBody(response, address.name, first if response.status == 206 else 0, version)


def _finish(response: urllib3.BaseHTTPResponse) -> None:
    """Ends an answer whose body nobody wants; a short one is read, so that its connection stays."""
    if len(response.headers.get("Content-Length", "unknown")) <= len("9999"):
        response.drain_conn()
    response.close()


def _raise_for(response: urllib3.BaseHTTPResponse) -> None:
    status = response.status
    if status == 416:
        # What it means stands in its headers; its body explains it to people, in HTML or XML.
        return
    if _is_page(response):
        response.close()
        raise NotAFile("Zoom answered with an HTML page: deleted, or not authorized.")
    if status in (200, 206):
        content_type = _content_type(response)
        if content_type in _ERROR_BODIES:
            response.close()
            raise TransferFailed(f"Zoom answered with {content_type} where a file should be.")
        return
    response.close()
    if status in _REFUSALS:
        refusal = FileNotThere if status in _GONE else FileRefused
        raise refusal(f"Zoom answered {status} to the download.")
    if status == 429 or status >= 500:
        asked = retry_after(response.headers.get("Retry-After", ""), datetime.now(UTC))
        kind = ZoomBusy if status in (429, 503) else ZoomUnreachable
        raise kind(f"Zoom answered {status} to the download.", asked)
    raise FileUnavailable(f"Zoom answered {status} to the download.")


def _content_type(response: urllib3.BaseHTTPResponse) -> str:
    return response.headers.get("Content-Type", "").split(";")[0].strip().lower()


def _is_page(response: urllib3.BaseHTTPResponse) -> bool:
    """Whether a page for people comes as the file."""
    return response.status in (200, 206) and _content_type(response) in _PAGES


def _is_packed(response: urllib3.BaseHTTPResponse) -> bool:
    """Whether the body is compressed, though it was asked for as it is."""
    return response.headers.get("Content-Encoding", "").strip().lower() not in ("", "identity")


def _total(response: urllib3.BaseHTTPResponse, first: int) -> int | None:
    """The file's size in bytes, from a range's answer or a whole one's."""
    headers = response.headers
    if response.status == 200:
        told = headers.get("Content-Length", "")
        is_size = told.isascii() and told.isdigit() and not _is_packed(response)
        return int(told) if is_size else None
    found = _CONTENT_RANGE.fullmatch(headers.get("Content-Range", ""))
    total = found[3] if found else ""
    if response.status == 416 and total == "0":
        return 0
    if response.status == 416:
        raise SourceChanged("The file at Zoom became shorter while it was copied.")
    if found is None or found[1] != str(first) or total == "*":
        raise TransferFailed("Zoom answered with another range than was asked for.")
    if _is_packed(response):
        # Range and size are those of the packed file (RFC 9110, section 14): no use to anybody.
        raise TransferFailed("Zoom answered with a range of a compressed file.")
    return int(total)
