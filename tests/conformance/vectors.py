"""The recorded cases of the first system. Files of the same form may replace the cases' files.

Several tests that use the cases quote the specification of the system that replaced the first
system. The specification isn't in the repository.
"""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

FOLDER = Path(__file__).parent.parent / "vectors"


def cases(name: str) -> list[Any]:
    """Return the cases of a file as numbered pytest parameters."""
    return [pytest.param(case, id=f"{name}-{number}") for number, case in enumerate(load(name))]


def load(name: str) -> list[Any]:
    """Return the cases of the file `name`.json in tests/vectors."""
    loaded: list[Any] = json.loads((FOLDER / f"{name}.json").read_text())
    return loaded


def empty_is_absent(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row without its empty strings, which the comparison treats as absent."""
    return {key: value for key, value in row.items() if value != ""}


def may_match_now(start: datetime, zone: ZoneInfo, buffer_minutes: int) -> bool:
    """Return whether the pipeline may find a scheduled class where the first system found none.

    Section 6 of the specification: "The difference is taken on the clock around midnight [fixed]",
    and "in whole minutes [fixed] (seconds dropped)". So 29:59 after a scheduled class's start
    counts as 29 minutes.
    """
    local = start.astimezone(zone)
    minute = local.hour * 60 + local.minute
    return min(minute, 24 * 60 - minute) < buffer_minutes or local.second != 0
