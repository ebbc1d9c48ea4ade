"""The local stack's processes: each has a supervisor (supervisor.py) and a log file."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SUPERVISOR = Path(__file__).with_name("supervisor.py")
GRACE_SECONDS = 1.0
STEP_SECONDS = 0.02
LAST_LINES = 12


class ProcessFailed(Exception):
    """A process of the local stack did not start, or ended when it should not have."""


@dataclass(frozen=True)
class Running:
    """A started process. `pid` is its supervisor: SIGTERM to it ends both and all children."""

    name: str
    pid: int
    log: Path
    supervisor: "subprocess.Popen[bytes]"

    def ended(self) -> int | None:
        """The exit code, or None while it runs."""
        return self.supervisor.poll()

    def wait_for(self, condition: Callable[[], bool], timeout: float) -> None:
        """Return once it does what `condition` asks. Raises ProcessFailed if it never does."""
        deadline = time.monotonic() + timeout
        while not condition():
            if (code := self.ended()) is not None:
                raise self.failure(f"ended at once with {code}")
            if time.monotonic() > deadline:
                raise self.failure(f"was not ready within {timeout:.0f} s")
            time.sleep(STEP_SECONDS)

    def failure(self, what: str) -> ProcessFailed:
        """End it. Returns an error that says what went wrong, with the end of the log."""
        self.stop()
        return ProcessFailed(f"{self.name} {what}; its log is {self.log}:\n{last_lines(self.log)}")

    def let_go(self) -> None:
        """Let it outlive this process."""
        if self.supervisor.stdin is not None and not self.supervisor.stdin.closed:
            with contextlib.suppress(BrokenPipeError):
                self.supervisor.stdin.write(b".")
            self.supervisor.stdin.close()

    def stop(self) -> None:
        """End it and everything it started; returns when it is gone."""
        stop([self])


class Processes:
    """All processes of one stack. Safe to be used from several threads at once."""

    def __init__(self, logs: Path) -> None:
        self.logs = logs
        self._running: list[Running] = []
        self._lock = threading.Lock()
        self._closed = False

    def start(
        self, name: str, command: Sequence[str | Path], env: Mapping[str, str], cwd: Path = ROOT
    ) -> Running:
        """Start a command under a supervisor, in its own session, with exactly this environment.

        Its output goes to `<logs>/<name>.log`. Raises ProcessFailed after `stop`.
        """
        self.logs.mkdir(parents=True, exist_ok=True)
        log = self.logs / f"{name}.log"
        supervisor = [sys.executable, "-I", "-S", str(SUPERVISOR), str(GRACE_SECONDS)]
        with self._lock, log.open("wb") as output:
            if self._closed:
                raise ProcessFailed(f"{name} isn't started: the local stack is being ended.")
            popen = subprocess.Popen(
                [*supervisor, *map(str, command)],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                bufsize=0,
                env=dict(env),
                cwd=cwd,
                start_new_session=True,
            )
            running = Running(name, popen.pid, log, popen)
            self._running.append(running)
        return running

    def run(
        self, name: str, command: Sequence[str | Path], env: Mapping[str, str], timeout: float
    ) -> None:
        """Run a command to its end. Raises ProcessFailed if it fails or takes too long."""
        process = self.start(name, command, env)
        try:
            code = process.supervisor.wait(timeout)
        except subprocess.TimeoutExpired:
            raise process.failure(f"did not end within {timeout:.0f} s") from None
        finally:
            process.stop()
        if code:
            raise process.failure(f"ended with {code}")

    def alive(self) -> dict[str, int]:
        """The pids of those that run, by name."""
        with self._lock:
            return {each.name: each.pid for each in self._running if each.ended() is None}

    def let_go(self) -> None:
        """Let them all outlive this process."""
        for process in self._running:
            process.let_go()

    def stop(self) -> None:
        """End them all, side by side; returns when they are gone. Nothing starts after that."""
        with self._lock:
            self._closed = True
            stop(self._running)


def stop(processes: Sequence[Running]) -> None:
    """End all of these side by side; returns when they are gone."""
    for process in processes:
        process.supervisor.terminate()
        if process.supervisor.stdin is not None:
            process.supervisor.stdin.close()
    for process in processes:
        process.supervisor.wait()


def stop_pids(pids: Sequence[int]) -> None:
    """End what an earlier run let go, by its supervisors' pids; returns when it is gone."""
    supervisors = [pid for pid in pids if is_supervisor(pid)]
    for pid in supervisors:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + 3 * GRACE_SECONDS
    while any(is_supervisor(pid) for pid in supervisors) and time.monotonic() < deadline:
        time.sleep(STEP_SECONDS)


def is_supervisor(pid: int) -> bool:
    """Whether this pid is a running supervisor of ours, not another program that got the number."""
    proc = Path(f"/proc/{pid}/cmdline")
    if Path("/proc/self/cmdline").exists():
        try:
            return str(SUPERVISOR).encode() in proc.read_bytes()
        except OSError:
            return False
    answer = subprocess.run(
        ["ps", "-p", str(pid), "-o", "args="], capture_output=True, text=True, check=False
    )
    return str(SUPERVISOR) in answer.stdout


def last_lines(log: Path, count: int = LAST_LINES) -> str:
    """The end of a log file, for a message about what went wrong."""
    lines = log.read_text("utf-8", errors="replace").splitlines() if log.exists() else []
    return "\n".join(lines[-count:])
