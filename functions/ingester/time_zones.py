"""Find an IANA time zone by its name.

The module is separate, so that only functions that use time zones carry tzdata.
"""

from __future__ import annotations

from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ingester.errors import SettingsError


def zone_of(name: str) -> ZoneInfo:
    """Return an IANA time zone.

    Raises:
        SettingsError: There is no time zone of this name.
    """
    try:
        return ZoneInfo(name)
    # The first word of a name, such as `America`, is a folder.
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise SettingsError(
            f"LOCAL_TIME_ZONE {name!r} is no IANA time zone, like US/Eastern."
        ) from error
