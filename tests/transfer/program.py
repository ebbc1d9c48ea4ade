"""Copy files with the engine, and print the peak memory: `python -m tests.transfer.program`."""

from __future__ import annotations

import os
import re
from pathlib import Path

from bench.transfer.programs.engine import copies_of, engine_of
from bench.transfer.task import task_of


def peak_kib() -> int:
    """Return the peak memory in KiB from VmHWM of proc(5), or 0 without this line.

    A process inherits ru_maxrss of getrusage(2) from its parent, but not VmHWM.
    """
    status = Path("/proc/self/status").read_text("ascii")
    found = re.search(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)
    return int(found[1]) if found else 0


def main() -> None:
    task = task_of(os.environ)
    engine = engine_of(task)
    engine.copy(copies_of(task, engine.budget.connections))
    print(peak_kib())


if __name__ == "__main__":
    main()
