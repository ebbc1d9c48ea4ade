"""Rules about download addresses: who may get the token, where a redirect leads, a file's name."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence
from dataclasses import dataclass
from email.message import Message
from urllib.parse import unquote, urljoin, urlsplit

from ingester.errors import FileUnavailable

NO_HTTPS = "Zoom redirects the download to something that is no https address."

_HOST = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)*")
_PLAIN_URL = re.compile(r"[!-\[\]-~]+")
"""Without blanks, control characters and `\\`: parsers of URLs disagree about these."""
_NAMED = re.compile(r"\.[A-Za-z0-9]{1,10}$")


@dataclass(frozen=True)
class DownloadHosts:
    """ZOOM_DOWNLOAD_HOSTS: names, `*.` in front for any below.

    `scheme` is another than https only where a measurement speaks plain HTTP to itself.
    """

    names: Sequence[str]
    scheme: str = "https"

    def allow(self, url: str) -> bool:
        """Whether a URL may be given the token: https, an allowed host, no user information."""
        try:
            parts = urlsplit(url)
            host = (parts.hostname or "").removesuffix(".")
            _ = parts.port
        except ValueError:
            return False
        if parts.scheme != self.scheme or "@" in parts.netloc:
            return False
        if not _PLAIN_URL.fullmatch(url) or not _HOST.fullmatch(host):
            return False
        return any(
            host.endswith(name[1:]) if name.startswith("*.") else host == name
            for name in map(str.lower, self.names)
        )

    def redirected(self, url: str, location: str) -> str:
        """Where a redirect leads. FileUnavailable if that isn't an https address."""
        try:
            target = urljoin(url, location)
            if urlsplit(target).scheme == self.scheme:
                return target
        except ValueError:
            # Brackets that hold no address: the same answer as for the rest.
            pass
        raise FileUnavailable(NO_HTTPS)


def host_of(url: str) -> str:
    """For sentences only: the rest of a URL can hold secrets."""
    try:
        return urlsplit(url).hostname or "no host"
    except ValueError:
        return "no host"


def name_in_url(url: str) -> str:
    """The file name that a URL ends with; "" if it has no extension."""
    return _name(unquote(posixpath.basename(urlsplit(url).path)))


def name_in_disposition(disposition: str) -> str:
    """The file name in a `Content-Disposition`, also in RFC 5987's form; "" if there is none."""
    header = Message()
    header["Content-Disposition"] = disposition
    return _name(header.get_filename() or "")


def _name(text: str) -> str:
    """A file's name without folders; "" if it has no extension, which is what it is asked for."""
    name = posixpath.basename(text.strip())
    return name if _NAMED.search(name) else ""
