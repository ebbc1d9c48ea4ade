"""Checks of single settings. Each check converts a setting's text to a value.

A check raises ValueError for a wrong text. The error's text ends the sentence "<NAME> is …, but has
to be". docs/settings.md quotes the errors' texts.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from typing import TypeVar
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

Value = TypeVar("Value")
Check = Callable[[str], Value]

_HOST = re.compile(
    r"(\*\.)?([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z0-9-]*[a-z][a-z0-9-]*", re.IGNORECASE
)
_LOOPBACK = re.compile(r"(\*\.)?localhost|127(\.\d{1,3}){3}", re.IGNORECASE)
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Z][a-z]{3})?(-([A-Z]{2}|[0-9]{3}))?")
_TAG = re.compile(r"Key=([^,\s][^,]{0,127}),Value=(\S(?:.{0,254}?\S)?)?(?=\s+Key=|\s*$)")


def any_text(text: str) -> str:
    """Return the text unchanged."""
    return text


def matching(pattern: str, description: str) -> Check[str]:
    """Return a check for texts that match `pattern` as a whole.

    `description` is the text of the check's error.
    """

    def check(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(description)
        return text

    return check


def one_of(*choices: str) -> Check[str]:
    """Return a check for one of `choices`, which are in lower case.

    The check accepts upper case too, and converts the text to lower case.
    """

    def check(text: str) -> str:
        if text.lower() not in choices:
            raise ValueError(" or ".join(choices))
        return text.lower()

    return check


def upper_case(check: Check[str]) -> Check[str]:
    """Return a check like `check` that converts the value to upper case."""
    return lambda text: check(text).upper()


def list_of(check_part: Check[str]) -> Check[tuple[str, ...]]:
    """Return a check for a comma-separated list whose items pass `check_part`.

    The check strips the items, drops empty items, and refuses a list that has only empty items.
    """

    def check(text: str) -> tuple[str, ...]:
        parts = tuple(check_part(part.strip()) for part in text.split(",") if part.strip())
        if not parts:
            raise ValueError("a list, separated by commas, that isn't empty")
        return parts

    return check


def integer(lowest: int, highest: int, why: str = "") -> Check[int]:
    """Return a check for a whole number from `lowest` to `highest`. `why` ends the error's text."""

    def check(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,9}", text) or not lowest <= int(text) <= highest:
            raise ValueError(f"a whole number from {lowest} to {highest}{why}")
        return int(text)

    return check


def integer_of(*choices: int) -> Check[int]:
    """Return a check for one of `choices`."""

    def check(text: str) -> int:
        if text not in map(str, choices):
            raise ValueError(f"one of {', '.join(map(str, choices))}")
        return int(text)

    return check


def decimal(lowest: float, highest: float) -> Check[float]:
    """Return a check for a number from `lowest` to `highest`, which may have a fraction."""

    def check(text: str) -> float:
        if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]+)?", text) or not lowest <= float(text) <= highest:
            raise ValueError(f"a number from {lowest:g} to {highest:g}")
        return float(text)

    return check


def yes_or_no(text: str) -> bool:
    """Convert `true` or `false`, in upper or lower case, to a bool.

    Raises:
        ValueError: The text is neither `true` nor `false`.
    """
    if text.lower() not in {"true", "false"}:
        raise ValueError("true or false")
    return text.lower() == "true"


def url(*schemes: str) -> Check[str]:
    """Return a check for a URL with one of `schemes` and a host.

    The check refuses a user, a query and a fragment, and removes slashes at the URL's end.
    """

    def check(text: str) -> str:
        problem = ValueError(
            f"an address that begins with {' or '.join(f'{s}://' for s in schemes)}"
        )
        try:
            parts = urlsplit(text)
            _ = parts.port
        except ValueError:
            raise problem from None
        if parts.scheme not in schemes or not parts.hostname or re.search(r"\s", text):
            raise problem
        if parts.query or parts.fragment or parts.username is not None:
            raise ValueError("an address without user, query and fragment")
        return text.rstrip("/")

    return check


def origin(text: str) -> str:
    """Check that a text is a web origin (scheme, host, perhaps port).

    Return the origin in lower case, without slashes at the end.

    Raises:
        ValueError: The text isn't an origin.
    """
    problem = ValueError("origins like https://opencast.example.edu, separated by commas")
    try:
        accepted = url("https", "http")(text).lower()
    except ValueError:
        raise problem from None
    if urlsplit(accepted).path:
        raise problem
    return accepted


def network(text: str) -> str:
    """Check that a text is an IPv4 or IPv6 address or network, and return the text.

    Raises:
        ValueError: The text isn't an address or network.
    """
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise ValueError(
            "IP addresses or networks like 192.0.2.0/24, separated by commas"
        ) from None
    return text


def host(text: str) -> str:
    """Check that a text is a host name with a dot, or a host on loopback.

    Return the host in lower case. A host name may begin with `*.`.

    Raises:
        ValueError: The text isn't such a host, or has a port.
    """
    if not _HOST.fullmatch(text) and not _LOOPBACK.fullmatch(text):
        raise ValueError("host names (`*.` may stand in front), without ports, separated by commas")
    return text.lower()


def time_zone(text: str) -> str:
    """Check that a text is the name of an IANA time zone, and return the text.

    Raises:
        ValueError: The text isn't the name of a time zone.
    """
    try:
        ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("an IANA time zone, like US/Eastern") from None
    return text


def language(text: str) -> str:
    """Check that a text is a BCP 47 language tag, such as `zh-Hans-CN`, and return the text.

    Raises:
        ValueError: The text isn't a language with an optional script and an optional region, or has
            the wrong letter case.
    """
    if not _LANGUAGE.fullmatch(text):
        raise ValueError("a language as BCP 47 writes it, like en-US, de or zh-Hans-CN")
    return text


def tags(text: str) -> tuple[tuple[str, str], ...]:
    """Return the (key, value) pairs of a text like `Key=a,Value=1 Key=b,Value=2`.

    Raises:
        ValueError: The text has another form, or a key begins with `aws:`.
    """
    found = _TAG.findall(text)
    if _TAG.sub("", text).strip() or not found:
        raise ValueError("written Key=a,Value=1 Key=b,Value=2")
    if any(key.lower().startswith("aws:") for key, _ in found):
        raise ValueError("tags whose keys don't begin with aws:, which AWS keeps for itself")
    return tuple(found)
