"""Lines of a function's log: from the function, with the real formatter, and from Lambda."""

from __future__ import annotations

import json
import logging
from typing import Any

from ingester import log

REQUEST = "8286a188-ba32-4475-8077-530cd35c09a9"

TIMED_OUT = f"2026-10-14T18:30:00.123Z {REQUEST} Task timed out after 900.10 seconds\n\n"
TIMEOUT_REPORT = (
    f"REPORT RequestId: {REQUEST}\tDuration: 900000.00 ms\tBilled Duration: 900000 ms\t"
    "Memory Size: 512 MB\tMax Memory Used: 130 MB\tStatus: timeout\n"
)
KILLED = f"RequestId: {REQUEST} Error: Runtime exited with error: signal: killed\nRuntime.ExitError"
KILLED_REPORT = (
    f"REPORT RequestId: {REQUEST}\tDuration: 12000.00 ms\tBilled Duration: 12000 ms\t"
    "Memory Size: 512 MB\tMax Memory Used: 512 MB\tStatus: error\tError Type: Runtime.OutOfMemory\n"
)
NO_IMPORT = (
    "[ERROR] Runtime.ImportModuleError: Unable to import module 'uploader': No module named 'x'\n"
    "Traceback (most recent call last):"
)
RAISED = (
    "[ERROR] SettingsError: A secret is missing under /zoom-ingester/zip in SSM\n"
    "Traceback (most recent call last):\n"
    '  File "/var/task/uploader.py", line 99, in handler\n'
)
PRINTED = 'Traceback (most recent call last):\n  File "x.py", line 1, in <module>\nKeyError: 1\n'
INIT_REPORT = "INIT_REPORT Init Duration: 10008.13 ms\tPhase: init\tStatus: timeout"

CRASHES = (
    TIMED_OUT,
    TIMEOUT_REPORT,
    KILLED,
    KILLED_REPORT,
    NO_IMPORT,
    RAISED,
    PRINTED,
    INIT_REPORT,
)

REPORT = (
    f"REPORT RequestId: {REQUEST}\tDuration: 3.00 ms\tBilled Duration: 4 ms\tMemory Size: 512 MB\t"
    "Max Memory Used: 90 MB\tInit Duration: 700.00 ms\n"
)

ROUTINE = (
    f"START RequestId: {REQUEST} Version: 7\n",
    f"END RequestId: {REQUEST}\n",
    REPORT,
    "INIT_START Runtime Version: python:3.13.v30\tRuntime Version ARN: arn:aws:lambda:x::runtime:y",
)


def line_of(
    level: str = "ERROR",
    message: str = "Gave up: Invalid Opencast series id.",
    *arguments: Any,
    where: str = "_bury",
    error: BaseException | None = None,
    **extra: Any,
) -> str:
    """Return a log line as a function writes it. `where` is the logging function's name."""
    info = (type(error), error, error.__traceback__) if error else None
    record = logging.getLogger("ingester.uploader").makeRecord(
        "ingester.uploader",
        getattr(logging, level),
        "/var/task/uploader.py",
        340,
        message,
        arguments,
        info,
        where,
        extra,
    )
    return log.JsonFormatter().format(record)


def with_level(line: str, level: str) -> str:
    """Return the line with another level, which may be unknown to Python."""
    return json.dumps({**json.loads(line), "level": level})
