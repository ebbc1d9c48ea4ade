"""Weak settings, which are valid but let strangers in or give secrets away.

A weak setting is refused unless `ALLOW_WEAK_SETTINGS` names it, or `weak_settings` accepts it
without consent. `invoke stack.status` names each weak setting, accepted or not.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from cdk.names import PRODUCTION

Values = Mapping[str, Any]

OPEN_SCHEDULE_UPDATE = "ALLOW_OPEN_SCHEDULE_UPDATE"
"""A setting that may be weak without consent: a stranger can only start an import of the sheet."""

ANY_ORIGIN = "INGEST_ALLOWED_ORIGINS"
"""A setting that may be weak without consent, because no default can name a site's pages."""

ACCEPTED_ALWAYS = (OPEN_SCHEDULE_UPDATE, ANY_ORIGIN)

TOKEN_CHARACTERS = 16
"""Minimum length of a token. Zoom's tokens have 22 characters. Slack's signing secrets have 32."""

TOKEN_VARIETY = 6
"""Minimum number of different characters in a token.

A random token of 16 characters nearly always has more.
"""

PASSWORD_CHARACTERS = 8

WIDEST = {4: 8, 6: 16}
"""The shortest accepted prefix of a network in INGEST_ALLOWED_IPS, in bits, by IP version."""

ZOOM_DOMAINS = ("zoom.us", "zoomgov.com", "zoom.com", "zoom.com.cn")
"""Domains of which Zoom owns every host, so that a wildcard below such a domain is safe."""

_LOOPBACK = re.compile(r"localhost|127(\.\d{1,3}){3}")


@dataclass(frozen=True)
class Weakness:
    """A weak setting and the reason, which ends the sentence "<NAME> is weak: …"."""

    setting: str
    reason: str
    is_accepted: bool

    @property
    def problem(self) -> str:
        """The text for an operator whose setting is refused."""
        return (
            f"{self.setting} is weak: {self.reason}. Change it, or accept it by "
            f"ALLOW_WEAK_SETTINGS={self.setting}."
        )


def weak_settings(values: Values) -> Iterator[Weakness]:
    """Yield each weak setting, given the value of every setting by name.

    The settings in `ACCEPTED_ALWAYS` are accepted without consent. ALLOW_UNSIGNED_WEBHOOKS is
    accepted without consent, too, unless the stack is a production stack.
    """
    accepted = {*values["ALLOW_WEAK_SETTINGS"], *ACCEPTED_ALWAYS}
    if PRODUCTION not in values["STACK_NAME"]:
        accepted.add("ALLOW_UNSIGNED_WEBHOOKS")
    for name, reason_of in RULES.items():
        if reason := reason_of(values):
            yield Weakness(name, reason, name in accepted)


def weak_secret(name: str, value: str) -> str:
    """Return the reason why a secret's value is weak, or "" if the value isn't weak."""
    rule = RULES.get(name)
    return rule({name: value}) if rule else ""


def _token(name: str) -> Callable[[Values], str]:
    """Return the rule for a setting that holds one random token or is empty."""
    return lambda values: _weak_token(values[name]) if values[name] else ""


def _webhook_tokens(values: Values) -> str:
    text = values["WEBHOOK_VALIDATION_SECRET_TOKEN"]
    tokens = _parts(text)
    if text and not tokens:
        return "it holds no token"
    return next(filter(None, map(_weak_token, tokens)), "")


def _parts(text: str) -> list[str]:
    """Return the stripped items of a comma-separated setting, without empty items."""
    return [part.strip() for part in text.split(",") if part.strip()]


def _weak_token(token: str) -> str:
    if len(token) < TOKEN_CHARACTERS:
        return f"a token has fewer than {TOKEN_CHARACTERS} characters"
    if len(set(token)) < TOKEN_VARIETY:
        return f"a token has fewer than {TOKEN_VARIETY} different characters"
    return ""


def _opencast_password(values: Values) -> str:
    password = values["OPENCAST_API_PASSWORD"]
    if password and len(password) < PASSWORD_CHARACTERS:
        return f"it has fewer than {PASSWORD_CHARACTERS} characters"
    return ""


def _wide_networks(values: Values) -> str:
    networks = [ipaddress.ip_network(text, strict=False) for text in values["INGEST_ALLOWED_IPS"]]
    v4 = [network for network in networks if isinstance(network, ipaddress.IPv4Network)]
    v6 = [network for network in networks if isinstance(network, ipaddress.IPv6Network)]
    # Adjacent networks may form a wide network together.
    merged: list[ipaddress.IPv4Network | ipaddress.IPv6Network] = [
        *ipaddress.collapse_addresses(v4),
        *ipaddress.collapse_addresses(v6),
    ]
    wide = [str(network) for network in merged if network.prefixlen < WIDEST[network.version]]
    return f"it allows {', '.join(wide)}, so nearly anyone" if wide else ""


def _basic_over_http(values: Values) -> str:
    address = urlsplit(values["OPENCAST_BASE_URL"])
    is_plain = address.scheme == "http" and not _LOOPBACK.fullmatch(address.hostname or "")
    if values["OPENCAST_AUTH"] == "basic" and is_plain:
        return "with basic, the password goes over http:// as plain text"
    return ""


def _wide_hosts(values: Values) -> str:
    wide = [host for host in values["ZOOM_DOWNLOAD_HOSTS"] if _is_wide(host)]
    if not wide:
        return ""
    return (
        f"{', '.join(wide)} may stand for hosts of others, who would get download tokens; name "
        "the hosts, because only Zoom's domains are Zoom's as a whole"
    )


def _is_wide(host: str) -> bool:
    """Return whether a host is a wildcard for hosts that may be neither Zoom's nor on loopback."""
    domain = host.removeprefix("*.")
    if host == domain or _LOOPBACK.fullmatch(domain):
        return False
    return not any(f".{domain}".endswith(f".{zooms}") for zooms in ZOOM_DOMAINS)


def _any_origin(values: Values) -> str:
    if values[ANY_ORIGIN]:
        return ""
    return "a page elsewhere can request ingests, in a browser in INGEST_ALLOWED_IPS"


def _unsigned_webhooks(values: Values) -> str:
    if values["ALLOW_UNSIGNED_WEBHOOKS"] and not _parts(values["WEBHOOK_VALIDATION_SECRET_TOKEN"]):
        return "anyone can send recordings"
    return ""


def _open_schedule_update(values: Values) -> str:
    if values[OPEN_SCHEDULE_UPDATE] and not values["SCHEDULE_UPDATE_TOKEN"]:
        return "anyone can have the schedule's sheet read again"
    return ""


RULES: Mapping[str, Callable[[Values], str]] = MappingProxyType(
    {
        "INGEST_ALLOWED_IPS": _wide_networks,
        "WEBHOOK_VALIDATION_SECRET_TOKEN": _webhook_tokens,
        "OPENCAST_API_PASSWORD": _opencast_password,
        "ZOOM_DOWNLOAD_HOSTS": _wide_hosts,
        "ALLOW_UNSIGNED_WEBHOOKS": _unsigned_webhooks,
        "OPENCAST_AUTH": _basic_over_http,
        "SLACK_SIGNING_SECRET": _token("SLACK_SIGNING_SECRET"),
        "SCHEDULE_UPDATE_TOKEN": _token("SCHEDULE_UPDATE_TOKEN"),
        OPEN_SCHEDULE_UPDATE: _open_schedule_update,
        ANY_ORIGIN: _any_origin,
    }
)
"""The settings that can be weak, each with a function that returns the reason, or ""."""

REFUSED = tuple(name for name in RULES if name not in ACCEPTED_ALWAYS)
"""The settings that `ALLOW_WEAK_SETTINGS` may name."""
