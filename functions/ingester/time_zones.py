"""Time zones: apart from the settings, since they weigh a tenth of a small function's package."""

from __future__ import annotations

from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ingester.errors import SettingsError


def zone_of(name: str) -> ZoneInfo:
    """An IANA time zone. SettingsError if there is none of this name."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise SettingsError(
            f"LOCAL_TIME_ZONE {name!r} is no IANA time zone, like US/Eastern."
        ) from error
