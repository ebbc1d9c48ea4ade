"""A program that keeps another one under a supervisor: it ends when whoever started it is gone.

    supervisor.py <grace in seconds> <command> [argument …]

Standard input is the supervisor: a pipe whose other end is with the starter. When that end closes
without a word (the starter ended, was killed, crashed) the command is ended, with everything it
started. One byte written to it lets go: the command runs on until it gets SIGTERM. So neither ^C
nor SIGKILL of the starter, at any moment, leaves a process or a port behind.

SIGTERM or SIGINT to this program ends the command: SIGTERM, the grace, then SIGKILL for its whole
process group. The exit code is the command's. Standard library only, so that it starts in 20 ms.
"""

import contextlib
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Sequence

STEP_SECONDS = 0.02
BURIAL_SECONDS = 1.0
CANNOT_START = 127


def end(child: "subprocess.Popen[bytes]", grace: float) -> None:
    """SIGTERM to the child and its group; what is left after `grace` seconds is killed."""
    deadline = time.monotonic() + grace
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGTERM)
    while child.poll() is None and time.monotonic() < deadline:
        time.sleep(STEP_SECONDS)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    # What the child left behind is dying now; a zombie that nobody buries isn't waited for.
    deadline = time.monotonic() + BURIAL_SECONDS
    with contextlib.suppress(ProcessLookupError, PermissionError):
        while time.monotonic() < deadline:
            time.sleep(STEP_SECONDS)
            os.killpg(child.pid, 0)


def watch(child: "subprocess.Popen[bytes]", supervisor: int, woken: int) -> None:
    """Return when the child ended, or when it should: a signal came or the supervisor was dropped.

    `supervisor` is the pipe from the starter, `woken` the end of one that gets a byte per signal.
    """
    watched = [supervisor, woken]
    while child.poll() is None:
        readable, _, _ = select.select(watched, [], [])
        if woken in readable:
            numbers = os.read(woken, 64)
            if signal.SIGTERM in numbers or signal.SIGINT in numbers:
                return
        if supervisor in readable:
            if not os.read(supervisor, 1):
                return
            watched.remove(supervisor)


def main(arguments: Sequence[str]) -> int:
    """Run the command. Returns its exit code, as a shell would give it."""
    grace, command = float(arguments[0]), list(arguments[1:])
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
        signal.signal(number, lambda *_: None)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, process_group=0)
    except OSError as error:
        print(f"{command[0]} can't be started: {error}", file=sys.stderr)
        return CANNOT_START
    try:
        watch(child, sys.stdin.fileno(), woken)
    finally:
        end(child, grace)
    return child.returncode if child.returncode >= 0 else 128 - child.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
