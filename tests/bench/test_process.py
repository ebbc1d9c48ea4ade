"""Programs are run to their end, or killed with all that they started."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from bench.transfer import process
from bench.transfer.programs.catalog import Program as Named
from bench.transfer.programs.catalog import UnknownProgram, programs
from tests.bench.test_report import TASK


def python(code: str, **environment: str) -> Named:
    return Named("inline", (sys.executable, "-c", code), environment)


def run(program: Named, folder: Path, kill_after: float = 20.0) -> process.Ended:
    return process.run(program, TASK, folder, kill_after=kill_after)


def test_a_program_s_end_is_told(tmp_path: Path) -> None:
    code = """
import os, sys
from bench.transfer.report import Report
from bench.transfer.task import task_of
task = task_of(os.environ)
with Report() as report:
    report.attempts = task.files[0].size
held = bytes(100_000_000)
print(os.environ["MORE"], file=sys.stderr)
sys.exit(3)
"""
    ended = run(python(code, MORE="last words"), tmp_path)
    assert (ended.exit_code, ended.was_killed, ended.last_words) == (3, False, "last words")
    assert ended.reported is not None
    assert ended.reported.attempts == 5
    assert ended.why == "exit code 3: last words"
    assert ended.rss_mb > 95
    assert 0 < ended.cpu_s < 20


def test_a_program_gets_nothing_of_the_caller_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "of the developer")
    ended = run(python("import os; print(os.environ['AWS_SECRET_ACCESS_KEY'])"), tmp_path)
    assert ended.last_words == "benchsecret"


def test_a_kill_takes_what_the_program_started(tmp_path: Path) -> None:
    code = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
print(child.pid, flush=True)
time.sleep(60)
"""
    ended = run(python(code), tmp_path, kill_after=0.5)
    assert (ended.exit_code, ended.was_killed) == (-9, True)
    assert ended.why.startswith("killed after")
    state = Path(f"/proc/{ended.last_words}/stat")
    deadline = time.monotonic() + 5
    while state.exists() and ") Z " not in state.read_text():
        assert time.monotonic() < deadline
        os.sched_yield()


def test_programs_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "more.json"
    path.write_text('{"other": {"cmd": ["{PY}", "{HERE}/a.py"], "env": {"A": "{HERE}"}}}')
    engine, other = programs("engine, other", path)
    assert engine.command == (sys.executable, "-m", "bench.transfer.sut")
    assert other.command == (sys.executable, f"{tmp_path}/a.py")
    assert other.environment == {"A": str(tmp_path)}
    with pytest.raises(UnknownProgram, match="no program other, only curl, engine, s3transfer"):
        programs("other")
