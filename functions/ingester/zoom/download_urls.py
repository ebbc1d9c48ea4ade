"""Check the hosts and redirects of download URLs, and read file names."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence
from dataclasses import dataclass
from email.message import Message
from urllib.parse import unquote, urljoin, urlsplit

from ingester.errors import FileUnavailable

NO_HTTPS = "Zoom redirects the download to something that is no https address."

LONGEST_DISPOSITION = 1000
"""Maximum number of characters of a `Content-Disposition`. Zoom's headers have about a hundred."""

_HOST = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)*")
_PLAIN_URL = re.compile(r"[!-\[\]-~]+")
"""Pattern of a URL in ASCII without blanks, control characters and `\\`. URL parsers read the
excluded characters in different ways."""
_EXTENSION = re.compile(r"\.[A-Za-z0-9]{1,10}$")


@dataclass(frozen=True)
class DownloadHosts:
    """The hosts that may get the token (ZOOM_DOWNLOAD_HOSTS).

    Attributes:
        names: Names of hosts. A name that begins with `*.` allows every subdomain.
        scheme: `https`; `http` only in benchmarks and tests, whose server is on the same machine.
    """

    names: Sequence[str]
    scheme: str = "https"

    def allow(self, url: str) -> bool:
        """Return whether a URL may get the token.

        The URL needs `scheme`, an allowed host, no user information, and no character that URL
        parsers read in different ways.
        """
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
        """Return the URL that a redirect leads to.

        Raises:
            FileUnavailable: The redirect doesn't lead to a URL with `scheme`.
        """
        try:
            target = urljoin(url, location)
            if urlsplit(target).scheme == self.scheme:
                return target
        except ValueError:
            # urllib refuses some URLs, such as one whose brackets contain no IPv6 address.
            pass
        raise FileUnavailable(NO_HTTPS)


def host_of(url: str) -> str:
    """Return the host of a URL, or "no host", for messages to people.

    The rest of a URL may contain secrets.
    """
    try:
        return urlsplit(url).hostname or "no host"
    except ValueError:
        return "no host"


def name_in_url(url: str) -> str:
    """Return the file name at the end of a URL; "" if the name has no extension."""
    return _name(unquote(posixpath.basename(urlsplit(url).path)))


def name_in_disposition(disposition: str) -> str:
    """Return the file name in a `Content-Disposition`, also in RFC 5987's form.

    The result is "" if there is no name with an extension. A header that is too long isn't parsed,
    because Python parses parameters in quadratic time.
    """
    if len(disposition) > LONGEST_DISPOSITION:
        return ""
    header = Message()
    header["Content-Disposition"] = disposition
    try:
        return _name(header.get_filename() or "")
    except (LookupError, ValueError):
        # RFC 5987's form names a character set, which may not exist or not fit the name.
        return ""


def _name(text: str) -> str:
    """Return a file's name without folders; "" if the name has no extension."""
    name = posixpath.basename(text.strip())
    return name if _EXTENSION.search(name) else ""
