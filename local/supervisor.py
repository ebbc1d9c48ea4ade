"""Run a command, and end the command when the process that started this program has ended.

    supervisor.py <grace in seconds> <command> [argument …]

Standard input is a pipe from the starter. When the pipe closes (the starter ended, crashed or was
killed), this program ends the command and all child processes of the command. So neither ^C nor
SIGKILL of the starter leaves a process or a port behind. But one byte in the pipe lets the command
outlive the starter.

SIGTERM or SIGINT to this program ends the command too. The command's process group gets SIGTERM,
and SIGKILL after at most the grace. Only the owner can read files that the command writes. This
program needs only the standard library, so it starts in 20 ms.
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
REAP_SECONDS = 1.0
CANNOT_START = 127


def end(child: "subprocess.Popen[bytes]", grace: float) -> None:
    """Send SIGTERM to the child's process group, and SIGKILL after at most `grace` seconds.

    Wait for the child's end, and at most `REAP_SECONDS` for the end of the child's own children.
    """
    deadline = time.monotonic() + grace
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGTERM)
    while child.poll() is None and time.monotonic() < deadline:
        time.sleep(STEP_SECONDS)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    # The child's own children may need a moment to end. The wait is limited, because a zombie stays
    # if no parent reaps it.
    deadline = time.monotonic() + REAP_SECONDS
    with contextlib.suppress(ProcessLookupError, PermissionError):
        while time.monotonic() < deadline:
            time.sleep(STEP_SECONDS)
            os.killpg(child.pid, 0)


def watch(child: "subprocess.Popen[bytes]", starter: int, woken: int) -> None:
    """Wait until the child has ended, SIGTERM or SIGINT has arrived, or the starter has ended.

    After a byte from the pipe `starter`, the starter's end has no effect. `woken` is a pipe that
    gets a byte for each signal.
    """
    watched = [starter, woken]
    while child.poll() is None:
        readable, _, _ = select.select(watched, [], [])
        if woken in readable:
            numbers = os.read(woken, 64)
            if signal.SIGTERM in numbers or signal.SIGINT in numbers:
                return
        if starter in readable:
            if not os.read(starter, 1):
                return
            watched.remove(starter)


def main(arguments: Sequence[str]) -> int:
    """Run the command, and return its exit code, or 128 plus the signal that ended the command.

    Return 127 if the command can't be started.
    """
    grace, command = float(arguments[0]), list(arguments[1:])
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
        signal.signal(number, lambda *_: None)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    os.umask(0o077)
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
