"""Run a program until it ends or is killed, and measure its time, CPU time and memory."""

import os
import signal
import subprocess
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from bench.transfer.programs.catalog import ROOT, Program
from bench.transfer.report import MARK, Reported, read_report
from bench.transfer.task import Task

AWS_CONFIG = "[default]\ns3 =\n  addressing_style = path\n"
LONGEST_LINE = 160


class ProgramFailed(Exception):
    """Error for a program that can't be measured."""


@dataclass(frozen=True)
class Ended:
    """The end of a run.

    Attributes:
        exit_code: Exit code; negative for a signal.
        was_killed: Whether the program was killed because the time was over.
        seconds: Duration.
        cpu_s: CPU seconds, user and system.
        rss_mb: Peak memory in MiB. ru_maxrss of getrusage(2) is at least the memory of the process
            that started the program.
        reported: The program's own report, or None without a report.
        last_line: The last line of the program's output that is neither empty nor a report, cut to
            160 characters; "" without such a line.
    """

    exit_code: int
    was_killed: bool
    seconds: float
    cpu_s: float
    rss_mb: float
    reported: Reported | None
    last_line: str

    @property
    def failure_reason(self) -> str:
        """The reason why the run failed."""
        if self.was_killed:
            return f"killed after {self.seconds:.1f} s"
        error = self.reported.error if self.reported else None
        return f"exit code {self.exit_code}: {error or self.last_line or 'no output'}"


def run(program: Program, task: Task, folder: Path, *, kill_after: float) -> Ended:
    """Run and measure a program, and kill the program if it still runs after `kill_after` seconds.

    The program's child processes are killed together with the program, or after its end. The
    program runs in `folder`, and the output goes to `program.log` in `folder`.
    """
    config, log = folder / "aws_config", folder / "program.log"
    config.write_text(AWS_CONFIG)
    with log.open("wb") as output:
        began = time.monotonic()
        process = subprocess.Popen(
            program.command,
            env=_environment(program, task, config),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=folder,
            start_new_session=True,
        )
        was_killed = _kill_unless_ended(process.pid, kill_after)
        seconds = time.monotonic() - began
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    printed = log.read_bytes()
    return Ended(
        exit_code=process.returncode,
        was_killed=was_killed,
        seconds=seconds,
        cpu_s=used.ru_utime + used.ru_stime,
        rss_mb=used.ru_maxrss / 1024,
        reported=read_report(printed),
        last_line=_last_line(printed),
    )


def _kill_unless_ended(pid: int, kill_after: float) -> bool:
    """Wait for the end of a process, and return whether this function killed the process.

    The kill happens after `kill_after` seconds. The process isn't reaped, so that no other process
    gets the id before the kill.
    """
    killed = threading.Event()
    lock = threading.Lock()
    has_ended = False

    def kill() -> None:
        with lock:
            if not has_ended:
                killed.set()
                os.killpg(pid, signal.SIGKILL)

    timer = threading.Timer(kill_after, kill)
    timer.start()
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    with lock:
        has_ended = True
    timer.cancel()
    return killed.is_set()


def _environment(program: Program, task: Task, config: Path) -> dict[str, str]:
    """Return the environment variables of a program. Only PATH comes from our own environment."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(config.parent),
        "LANG": "C.UTF-8",
        "PYTHONPATH": f"{ROOT}:{ROOT / 'functions'}",
        "PYTHONDONTWRITEBYTECODE": "1",
        "AWS_ACCESS_KEY_ID": "AKIDBENCH",
        "AWS_SECRET_ACCESS_KEY": "benchsecret",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": str(config),
        "AWS_ENDPOINT_URL_S3": task.s3_endpoint,
        "SSL_CERT_FILE": task.ca,
        "AWS_CA_BUNDLE": task.ca,
        "REQUESTS_CA_BUNDLE": task.ca,
        **task.environment(),
        **program.environment,
    }


def _last_line(printed: bytes) -> str:
    """Return an output's last line that is neither empty nor a report, or "" without such a line.

    The line is cut to `LONGEST_LINE` characters. After a traceback the line is the error.
    """
    lines = [line for line in printed.splitlines() if line.strip() and not line.startswith(MARK)]
    return lines[-1].decode("utf-8", "replace")[:LONGEST_LINE] if lines else ""
