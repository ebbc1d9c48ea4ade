"""The settings that say how functions reach Zoom's API."""

from __future__ import annotations

from dataclasses import dataclass

from cdk import checks
from cdk.settings_reader import Reader


@dataclass(frozen=True)
class Zoom:
    """How functions reach Zoom's API, without the secrets."""

    api_base_url: str
    oauth_url: str
    account_id: str
    client_id: str
    api_key: str
    download_hosts: tuple[str, ...]


def read_zoom(reader: Reader) -> Zoom:
    """Read how functions reach Zoom's API; what is missing or wrong is noted in `reader`."""
    _check_zoom_access(reader)
    return Zoom(
        api_base_url=reader.required(
            "ZOOM_API_BASE_URL",
            "the address of Zoom's API, as a rule https://api.zoom.us/v2",
            checks.url("https"),
            "",
        ),
        oauth_url=reader.optional(
            "ZOOM_OAUTH_URL", checks.url("https"), "https://zoom.us/oauth/token"
        ),
        account_id=reader.text("ZOOM_ACCOUNT_ID"),
        client_id=reader.text("ZOOM_CLIENT_ID"),
        api_key=reader.text("ZOOM_API_KEY"),
        download_hosts=reader.optional(
            "ZOOM_DOWNLOAD_HOSTS",
            checks.list_of(checks.host),
            ("zoom.us", "*.zoom.us", "zoomgov.com", "*.zoomgov.com"),
        ),
    )


def _check_zoom_access(reader: Reader) -> None:
    """One of the three ways into Zoom's API has to be given, as a whole."""
    ways = (
        ("APIGEE_KEY",),
        ("ZOOM_ACCOUNT_ID", "ZOOM_CLIENT_ID", "ZOOM_CLIENT_SECRET"),
        ("ZOOM_API_KEY", "ZOOM_API_SECRET"),
    )
    missing = [[name for name in way if not reader.given.get(name)] for way in ways]
    if not all(missing):
        return
    begun = [names for way, names in zip(ways, missing, strict=True) if len(names) < len(way)]
    reader.problems.extend(
        f"{name} is missing: it belongs to the other settings of the same way into Zoom's API."
        for names in begun
        for name in names
    )
    if not begun:
        reader.problems.append(
            "No access to Zoom's API is configured: set ZOOM_ACCOUNT_ID, ZOOM_CLIENT_ID and "
            "ZOOM_CLIENT_SECRET (of a Server-to-Server OAuth app), or APIGEE_KEY, or "
            "ZOOM_API_KEY and ZOOM_API_SECRET."
        )
