"""What a program reports of itself in one line, and how it is read.

    with Report() as report:
        …the transfer…
        report.attempts = 3

prints `{"zb": {"transfer_s": …, "cpu_s": …, "rss_before_mb": …, "attempts": …, "error": …}}`. What
was imported before isn't in seconds and CPU seconds.
"""

import json
import resource
import time
from types import TracebackType
from typing import Self

import msgspec

from bench.transfer.task import HANDED_OVER

LONGEST_ERROR = 200
MARK = b'{"zb"'


class Reported(msgspec.Struct, frozen=True):
    """Seconds, CPU seconds with those of child processes, megabytes at the beginning."""

    transfer_s: float
    cpu_s: float
    rss_before_mb: float = 0.0
    attempts: int | None = None
    error: str | None = None


class Report:
    """Measures what is done inside of `with`, and prints the line at its end.

    `attempts` is how often something had to be tried again. An exception is told and goes on.
    """

    def __init__(self) -> None:
        self.attempts: int | None = None
        self._memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        self._cpu = 0.0
        self._began = 0.0

    def __enter__(self) -> Self:
        self._cpu = _cpu_seconds()
        self._began = time.monotonic()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        told: dict[str, object] = {
            "transfer_s": round(time.monotonic() - self._began, 4),
            "cpu_s": round(_cpu_seconds() - self._cpu, 4),
            "rss_before_mb": round(self._memory, 1),
        }
        if self.attempts is not None:
            told["attempts"] = self.attempts
        in_order = isinstance(error, SystemExit) and error.code in {None, 0, HANDED_OVER}
        if error is not None and not in_order:
            told["error"] = f"{type(error).__name__}: {error}"[:LONGEST_ERROR]
        print("\n" + json.dumps({"zb": told}), flush=True)


def read_report(output: bytes) -> Reported | None:
    """The last report in a program's output; None if there is none, or it can't be read."""
    lines = [line for line in output.splitlines() if line.startswith(MARK)]
    if not lines:
        return None
    try:
        return msgspec.json.decode(lines[-1], type=dict[str, Reported])["zb"]
    except (msgspec.MsgspecError, KeyError):
        return None


def _cpu_seconds() -> float:
    whose = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return sum(used.ru_utime + used.ru_stime for used in map(resource.getrusage, whose))
