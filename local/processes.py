"""The processes of a local stack, each with a supervisor (supervisor.py) and a log file."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SUPERVISOR = Path(__file__).with_name("supervisor.py")
GRACE_SECONDS = 1.0
STEP_SECONDS = 0.02
LAST_LINES = 12


class ProcessFailed(Exception):
    """Error for a local stack's process that didn't start, ended early, failed or took too long."""


@dataclass(frozen=True)
class Running:
    """A started process and its supervisor. `pid` is the supervisor's pid.

    SIGTERM to the supervisor ends the supervisor, the process and all child processes.
    """

    name: str
    pid: int
    log: Path
    supervisor: "subprocess.Popen[bytes]"

    def ended(self) -> int | None:
        """Return the process's exit code, or None while the process runs."""
        return self.supervisor.poll()

    def wait_for(self, condition: Callable[[], bool], timeout: float) -> None:
        """Wait until a condition holds.

        Raises:
            ProcessFailed: The process ended, or was stopped because `timeout` seconds passed.
        """
        deadline = time.monotonic() + timeout
        while not condition():
            if (code := self.ended()) is not None:
                raise self.failure(f"ended with exit code {code}")
            if time.monotonic() > deadline:
                raise self.failure(f"was not ready within {timeout:.0f} s")
            time.sleep(STEP_SECONDS)

    def wait_for_output(self, text: str, timeout: float) -> None:
        """Wait until the process has printed a text.

        Raises:
            ProcessFailed: The process ended, or was stopped because `timeout` seconds passed.
        """
        self.wait_for(lambda: text in self.log.read_text("utf-8", errors="replace"), timeout)

    def failure(self, what: str) -> ProcessFailed:
        """Stop the process, and return an error with the text `what` and the end of the log."""
        self.stop()
        return ProcessFailed(f"{self.name} {what}; its log is {self.log}:\n{last_lines(self.log)}")

    def detach(self) -> None:
        """Let the process run on after this Python process ends."""
        if self.supervisor.stdin is not None and not self.supervisor.stdin.closed:
            with contextlib.suppress(BrokenPipeError):
                self.supervisor.stdin.write(b".")
            self.supervisor.stdin.close()

    def stop(self) -> None:
        """Stop the process and all child processes, and wait for their end."""
        stop([self])


class Processes:
    """All processes of one stack, for use from several threads."""

    def __init__(self, logs: Path) -> None:
        self.logs = logs
        self._running: list[Running] = []
        self._lock = threading.Lock()
        self._closed = False

    def start(
        self, name: str, command: Sequence[str | Path], env: Mapping[str, str], cwd: Path = ROOT
    ) -> Running:
        """Start a command in a new session with no environment variables but `env`.

        The command's output goes to `<logs>/<name>.log`.

        Raises:
            ProcessFailed: The processes were stopped before.
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
        """Run a command, and wait at most `timeout` seconds until the command has ended.

        Raises:
            ProcessFailed: The command fails, or was stopped at the timeout, or the processes were
                stopped before.
        """
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
        """Return the supervisors' pids of the running processes, by name."""
        with self._lock:
            running = [process for process in self._running if process.ended() is None]
            return {process.name: process.pid for process in running}

    def detach(self) -> None:
        """Let every process run on after this Python process ends."""
        for process in self._running:
            process.detach()

    def stop(self) -> None:
        """Stop every process, wait until all have ended, and refuse to start further processes."""
        with self._lock:
            self._closed = True
            stop(self._running)


def stop(processes: Sequence[Running]) -> None:
    """Stop processes in parallel, and wait until all processes have ended."""
    for process in processes:
        process.supervisor.terminate()
        if process.supervisor.stdin is not None:
            process.supervisor.stdin.close()
    for process in processes:
        process.supervisor.wait()


def stop_pids(pids: Sequence[int]) -> None:
    """Stop an earlier run's processes by the supervisors' pids, and wait for the processes' end.

    The wait has a limit of a few times `GRACE_SECONDS`. A pid that belongs to another program now
    is skipped. The processes of a supervisor that was killed are stopped, too.
    """
    supervisors = [pid for pid in pids if is_supervisor(pid)]
    for pid in supervisors:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + 3 * GRACE_SECONDS
    while any(is_supervisor(pid) for pid in supervisors) and time.monotonic() < deadline:
        time.sleep(STEP_SECONDS)
    for number in (signal.SIGTERM, signal.SIGKILL):
        left = orphans_of(pids)
        for pid in left:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, number)
        deadline = time.monotonic() + GRACE_SECONDS
        while left and orphans_of(pids) and time.monotonic() < deadline:
            time.sleep(STEP_SECONDS)


def orphans_of(supervisors: Iterable[int]) -> list[int]:
    """Return the pids of the running processes in the sessions of supervisors that have ended.

    A supervisor leads a session. While the session has a process, no other process gets the
    supervisor's pid. After a reboot the pid may be that of a foreign session. So only processes
    whose command line contains the path of this project are returned.
    """
    running = _running_pids()
    ended = set(supervisors) - running
    sessions = [pid for pid in running if _session_of(pid) in ended] if ended else []
    return [pid for pid in sessions if str(ROOT) in _command_line(pid)]


def _running_pids() -> set[int]:
    """Return the pids of all processes but zombies."""
    proc = Path("/proc")
    if Path("/proc/self/stat").exists():
        pids = (int(entry.name) for entry in proc.iterdir() if entry.name.isdecimal())
        return {pid for pid in pids if _state_of(proc / str(pid) / "stat") not in {"", "Z"}}
    command = ["ps", "-A", "-o", "pid=,stat="]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    found = (line.split() for line in answer.stdout.splitlines())
    return {int(pid) for pid, state, *_ in found if not state.startswith("Z")}


def _state_of(stat: Path) -> str:
    """Return a process's state from the file `/proc/<pid>/stat`, or "" if the process is gone."""
    try:
        # The program's name before the state is in brackets, and may contain ")" and spaces.
        return stat.read_text("utf-8", errors="replace").rpartition(")")[2].split()[0]
    except OSError:
        return ""


def _session_of(pid: int) -> int:
    try:
        return os.getsid(pid)
    except (ProcessLookupError, PermissionError):
        return 0


def is_supervisor(pid: int) -> bool:
    """Return whether a pid is a supervisor's. Another program may have got an old pid."""
    return str(SUPERVISOR) in _command_line(pid)


def _command_line(pid: int) -> str:
    """Return a process's command line, or "" if the process is gone."""
    if Path("/proc/self/cmdline").exists():
        try:
            return Path(f"/proc/{pid}/cmdline").read_text("utf-8", errors="replace")
        except OSError:
            return ""
    command = ["ps", "-p", str(pid), "-o", "args="]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def last_lines(log: Path, count: int = LAST_LINES) -> str:
    """Return the last `count` lines of a log file, or "" if the file doesn't exist."""
    lines = log.read_text("utf-8", errors="replace").splitlines() if log.exists() else []
    return "\n".join(lines[-count:])
