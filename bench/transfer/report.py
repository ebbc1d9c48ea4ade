"""The report of a program on the program's own transfer, which is one line on standard output.

    with Report() as report:
        ... the transfer ...
        report.attempts = 3

prints `{"zb": {"transfer_s": …, "cpu_s": …, "rss_before_mb": …, "attempts": …, "error": …}}`. The
seconds don't include the program's imports. A value that is None is left out.
"""

import json
import resource
import time
from types import TracebackType
from typing import Self

import msgspec

from bench.transfer.task import OUT_OF_TIME

LONGEST_ERROR = 200
MARK = b'{"zb"'


class Reported(msgspec.Struct, frozen=True):
    """A report of a transfer.

    Attributes:
        transfer_s: Duration in seconds.
        cpu_s: CPU seconds, child processes included.
        rss_before_mb: Peak memory of the process before the transfer, in MiB; 0 if the program
            doesn't report the memory.
        attempts: Number of retries, or None if the program doesn't count them.
        error: Reason why the transfer failed; None if the transfer succeeded or ran out of time.
    """

    transfer_s: float
    cpu_s: float
    rss_before_mb: float = 0.0
    attempts: int | None = None
    error: str | None = None


class Report:
    """A measurement of a `with` block, at whose end the report is printed.

    The program can set `attempts` to the number of retries.
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
        values: dict[str, object] = {
            "transfer_s": round(time.monotonic() - self._began, 4),
            "cpu_s": round(_cpu_seconds() - self._cpu, 4),
            "rss_before_mb": round(self._memory, 1),
        }
        if self.attempts is not None:
            values["attempts"] = self.attempts
        is_expected = isinstance(error, SystemExit) and error.code in {None, 0, OUT_OF_TIME}
        if error is not None and not is_expected:
            values["error"] = f"{type(error).__name__}: {error}"[:LONGEST_ERROR]
        print("\n" + json.dumps({"zb": values}), flush=True)


def read_report(output: bytes) -> Reported | None:
    """Return the last report in a program's output, or None for a missing or malformed report."""
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
