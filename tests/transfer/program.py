"""The engine as a program: `python -m tests.transfer.program`, for who kills it, or weighs it.

It is told what to copy by the environment (`bench.transfer.task`), and prints the most memory that
it had at once, in KiB.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from bench.transfer.programs.engine import copies_of, engine_of
from bench.transfer.task import task_of


def peak() -> int:
    """VmHWM of proc(5): unlike ru_maxrss it isn't inherited from who started the program."""
    status = Path("/proc/self/status").read_text("ascii")
    found = re.search(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)
    return int(found[1]) if found else 0


def main() -> None:
    task = task_of(os.environ)
    engine = engine_of(task)
    engine.copy(copies_of(task, engine.budget.connections))
    print(peak())


if __name__ == "__main__":
    main()
