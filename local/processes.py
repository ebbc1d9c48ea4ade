"""The local stack's processes: each on a leash (see leash.py), its output in a log file."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

LEASH = Path(__file__).with_name("leash.py")
GRACE_SECONDS = 1.0
LAST_LINES = 12


class ProcessFailed(Exception):
    """A process of the local stack did not start, or ended when it should not have."""


@dataclass(frozen=True)
class Running:
    """A started process. `pid` is its leash's: SIGTERM to it ends the process and all below it."""

    name: str
    pid: int
    log: Path
    leash: "subprocess.Popen[bytes]"

    def ended(self) -> int | None:
        """The exit code, or None while it runs."""
        return self.leash.poll()

    def wait(self, timeout: float) -> int:
        """Wait for its own end. Raises subprocess.TimeoutExpired after `timeout` seconds."""
        return self.leash.wait(timeout)

    def let_go(self) -> None:
        """Let it outlive this process."""
        if self.leash.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self.leash.stdin.write(b".")
            self.leash.stdin.close()

    def stop(self) -> None:
        """End it and everything it started; returns when it is gone."""
        stop([self])


def start(
    name: str, command: Sequence[str | Path], log: Path, env: Mapping[str, str], cwd: Path
) -> Running:
    """Start a command on a leash, in a session of its own, with exactly this environment.

    Its output is appended to `log`.
    """
    arguments = [sys.executable, "-I", "-S", str(LEASH), str(GRACE_SECONDS), *map(str, command)]
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        leash = subprocess.Popen(
            arguments,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            bufsize=0,
            env=dict(env),
            cwd=cwd,
            start_new_session=True,
        )
    return Running(name, leash.pid, log, leash)


def stop(processes: Sequence[Running]) -> None:
    """End all of these side by side; returns when they are gone."""
    for process in processes:
        process.leash.terminate()
        if process.leash.stdin is not None:
            process.leash.stdin.close()
    for process in processes:
        process.leash.wait()


def stop_pids(pids: Sequence[int]) -> None:
    """End what an earlier run let go, by its leashes' pids; returns when it is gone."""
    leashes = [pid for pid in pids if is_leash(pid)]
    for pid in leashes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + 3 * GRACE_SECONDS
    while any(is_leash(pid) for pid in leashes) and time.monotonic() < deadline:
        time.sleep(0.02)


def is_leash(pid: int) -> bool:
    """Whether this pid is a running leash of ours, not another program that got the number."""
    proc = Path(f"/proc/{pid}/cmdline")
    if Path("/proc/self/cmdline").exists():
        try:
            return str(LEASH).encode() in proc.read_bytes()
        except OSError:
            return False
    answer = subprocess.run(
        ["ps", "-p", str(pid), "-o", "args="], capture_output=True, text=True, check=False
    )
    return str(LEASH) in answer.stdout


def last_lines(log: Path, count: int = LAST_LINES) -> str:
    """The end of a log file, for a message about what went wrong."""
    lines = log.read_text("utf-8", errors="replace").splitlines() if log.exists() else []
    return "\n".join(lines[-count:])
