"""Find the processes that a test started, grandchildren included, and wait for conditions."""

import time
from collections.abc import Callable
from pathlib import Path


def wait_for(condition: Callable[[], bool], seconds: float = 10) -> None:
    """Wait until a condition holds, and fail after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition never held"
        time.sleep(0.02)


def processes_of(folder: Path) -> set[int]:
    """Return the pids of processes with a folder in their environment or arguments."""
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            text = (process / "environ").read_bytes() + (process / "cmdline").read_bytes()
        except OSError:
            continue
        if str(folder).encode() in text:
            found.add(int(process.name))
    return found
