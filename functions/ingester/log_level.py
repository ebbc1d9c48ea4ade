"""Levels of log records, as settings and alerts name them."""

from __future__ import annotations

from enum import IntEnum


class Level(IntEnum):
    """Level of a log record. A higher number is more severe."""

    DEBUG = 10
    INFO = 20
    WARNING = 30
    ERROR = 40
    CRITICAL = 50
