"""One run of a program, to its end or until it is killed: seconds, CPU seconds, memory."""

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
LAST_WORDS = 160


class ProgramFailed(Exception):
    """A program can't do what it is measured with."""


@dataclass(frozen=True)
class Ended:
    """How a run ended. `exit_code` is negative for a signal.

    `rss_mb` is the most memory that it had at once, in MB of 2^20 bytes (ru_maxrss of getrusage(2):
    no less than what this process had when it started the other).
    """

    exit_code: int
    was_killed: bool
    seconds: float
    cpu_s: float
    rss_mb: float
    reported: Reported | None
    last_words: str

    @property
    def why(self) -> str:
        """Why it failed, as far as it said so."""
        if self.was_killed:
            return f"killed after {self.seconds:.1f} s"
        told = self.reported.error if self.reported else None
        return f"exit code {self.exit_code}: {told or self.last_words or 'no word of why'}"


def run(program: Program, task: Task, folder: Path, *, kill_after: float) -> Ended:
    """Runs a program; after so many seconds it is killed, with all that it started."""
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
        was_killed = _await_end(process.pid, kill_after)
        seconds = time.monotonic() - began
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    said = log.read_bytes()
    return Ended(
        exit_code=process.returncode,
        was_killed=was_killed,
        seconds=seconds,
        cpu_s=used.ru_utime + used.ru_stime,
        rss_mb=used.ru_maxrss / 1024,
        reported=read_report(said),
        last_words=_last_words(said),
    )


def _await_end(pid: int, kill_after: float) -> bool:
    """Waits without burying the process, so that its number is still its own. True if it was
    killed."""
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
    """Nothing of the caller's but where programs are found."""
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


def _last_words(said: bytes) -> str:
    """The last line that isn't the report: of a traceback, that is the error."""
    lines = [line for line in said.splitlines() if line.strip() and not line.startswith(MARK)]
    return lines[-1].decode("utf-8", "replace")[:LAST_WORDS] if lines else ""
