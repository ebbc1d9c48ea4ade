"""Where a recording's file comes from: Zoom's download address and where it leads.

Zoom answers a download_url with a redirect to another host, a CDN with signed URLs, and a file
that is gone or not for us with **200 and an HTML page** (Zoom's developer forum). The token is a
secret: it goes to hosts that are allowed, over https, and nowhere else.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import Message
from urllib.parse import unquote, urljoin, urlsplit

import requests
import urllib3

from ingester.errors import FileUnavailable, TransferFailed, ZoomUnreachable
from ingester.retry import retry_after

MAX_REDIRECTS = 5
NO_HTTPS = "Zoom redirects the download to something that is no https address."
CHUNK_BYTES = 1 << 20
TIMEOUT = (5.0, 60.0)
"""Seconds to connect, and without a byte before a download counts as stalled."""

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_HOST = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)*")
_PLAIN_URL = re.compile(r"[!-\[\]-~]+")
"""Without blanks, control characters and `\\`: parsers of URLs disagree about these."""
_NAMED = re.compile(r"\.[A-Za-z0-9]{1,10}$")


class Refused(FileUnavailable):
    """Zoom answered 401, 403 or 404: a fresh token may help once."""


class NotAFile(FileUnavailable):
    """Zoom answered with an HTML page: the file is deleted, or not for us."""


@dataclass(frozen=True)
class Download:
    """A file that is being handed out. `size` is its Content-Length, None if it isn't told."""

    name: str
    size: int | None
    response: requests.Response

    def chunks(self) -> Iterator[bytes]:
        """The file's bytes, a piece at a time. TransferFailed when the stream breaks off."""
        try:
            yield from self.response.iter_content(CHUNK_BYTES)
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            raise TransferFailed(
                f"The download of {self.name} broke off ({type(error).__name__})."
            ) from error


class ZoomSource:
    """Opens downloads. `hosts` are names, `*.` in front for any below (ZOOM_DOWNLOAD_HOSTS)."""

    def __init__(
        self,
        session: requests.Session,
        hosts: Sequence[str],
        timeout: tuple[float, float] = TIMEOUT,
    ) -> None:
        self._session = session
        self._hosts = tuple(host.lower() for host in hosts)
        self._timeout = timeout

    def allows(self, url: str) -> bool:
        """Whether a URL may be given the token: https, an allowed host, no user information."""
        try:
            parts = urlsplit(url)
            host = (parts.hostname or "").removesuffix(".")
            _ = parts.port
        except ValueError:
            return False
        if parts.scheme != "https" or "@" in parts.netloc:
            return False
        if not _PLAIN_URL.fullmatch(url) or not _HOST.fullmatch(host):
            return False
        return any(
            host.endswith(allowed[1:]) if allowed.startswith("*.") else host == allowed
            for allowed in self._hosts
        )

    @contextmanager
    def open(self, url: str, token: str) -> Iterator[Download]:
        """Follows a download_url to the file; the connection is closed at the end.

        Refused, NotAFile and other FileUnavailable when there is no file for us, ZoomUnreachable
        when it may pass.
        """
        if not self.allows(url):
            raise FileUnavailable(
                f"The download address points to {_host_of(url)}, which is not among "
                "ZOOM_DOWNLOAD_HOSTS over https: nothing was fetched."
            )
        response, name = self._follow(url, token)
        with response:
            content_type = response.headers.get("Content-Type", "").split(";")[0].strip().lower()
            if content_type in ("text/html", "application/xhtml+xml"):
                raise NotAFile("Zoom answered with an HTML page: deleted, or not authorized.")
            yield Download(name, _length(response), response)

    def _follow(self, url: str, token: str) -> tuple[requests.Response, str]:
        name = ""
        for hop in range(MAX_REDIRECTS + 1):
            response = self._get(url, token if self.allows(url) else "")
            if response.status_code in (401, 403) and hop and self.allows(url):
                # Signed URLs can refuse a request that carries a token as well.
                response.close()
                response = self._get(url, "")
            if response.status_code not in _REDIRECTS:
                _raise_for(response)
                told = response.headers.get("Content-Disposition", "")
                return response, name or disposition_name(told) or _last_segment(url)
            response.close()
            url = _target(url, response.headers.get("Location", ""))
            name = _last_segment(url)
        raise FileUnavailable(f"Zoom redirects the download more than {MAX_REDIRECTS} times.")

    def _get(self, url: str, token: str) -> requests.Response:
        # Bytes as they are: a compressed answer would not have the size that Zoom tells.
        headers = {"Accept-Encoding": "identity"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        try:
            return self._session.get(
                url, headers=headers, stream=True, allow_redirects=False, timeout=self._timeout
            )
        except requests.RequestException as error:
            raise ZoomUnreachable(
                f"Zoom's download host {_host_of(url)} can't be reached ({type(error).__name__})."
            ) from error
        except ValueError as error:
            # requests parses where a redirect leads even if it is not to follow it.
            raise FileUnavailable(NO_HTTPS) from error


def _host_of(url: str) -> str:
    """For sentences only: the rest of a URL can hold secrets."""
    try:
        return urlsplit(url).hostname or "no host"
    except ValueError:
        return "no host"


def _target(url: str, location: str) -> str:
    """Where a redirect leads. FileUnavailable if that isn't an https address."""
    try:
        target = urljoin(url, location)
        if urlsplit(target).scheme == "https":
            return target
    except ValueError:
        # Brackets that hold no address: the same answer as for the rest.
        pass
    raise FileUnavailable(NO_HTTPS)


def _raise_for(response: requests.Response) -> None:
    status = response.status_code
    if status == 200:
        return
    response.close()
    if status in (401, 403, 404):
        raise Refused(f"Zoom answered {status} to the download.")
    if status == 429 or status >= 500:
        asked = retry_after(response.headers.get("Retry-After", ""), datetime.now(UTC))
        raise ZoomUnreachable(f"Zoom answered {status} to the download.", asked)
    raise FileUnavailable(f"Zoom answered {status} to the download.")


def _length(response: requests.Response) -> int | None:
    text = response.headers.get("Content-Length", "")
    return int(text) if text.isascii() and text.isdigit() else None


def _last_segment(url: str) -> str:
    return _name(unquote(posixpath.basename(urlsplit(url).path)))


def disposition_name(disposition: str) -> str:
    """The file name in a `Content-Disposition`, also in RFC 5987's form; "" if there is none."""
    header = Message()
    header["Content-Disposition"] = disposition
    return _name(header.get_filename() or "")


def _name(text: str) -> str:
    """A file's name without folders; "" if it has no extension, which is what it is asked for."""
    name = posixpath.basename(text.strip())
    return name if _NAMED.search(name) else ""
