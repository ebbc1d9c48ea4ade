"""Tests of measured programs: their tasks, reports, runs and catalog."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import pytest

from bench.transfer import process
from bench.transfer.programs.catalog import Program, UnknownProgram, programs
from bench.transfer.report import Report, read_report
from bench.transfer.task import OUT_OF_TIME, File, Task, task_of

TASK = Task(
    files=(File("f", "https://127.0.0.1:1/rec/download/f", "bench/f.mp4", 5),),
    s3_endpoint="https://127.0.0.1:2",
    ca="/tmp/ca.crt",
)


def run(code: str, folder: Path, kill_after: float = 20.0, **environment: str) -> process.Ended:
    program = Program("inline", (sys.executable, "-c", code), environment)
    return process.run(program, TASK, folder, kill_after=kill_after)


class TestTask:
    def test_task_of_the_benchmark_can_be_read_from_its_environment_variables(self) -> None:
        variables = TASK.environment()
        assert task_of(variables) == TASK
        assert json.loads(variables["ZB_FILES"])[0]["size"] == 5
        assert not {"ZB_CONNECTIONS", "ZB_SECONDS_LEFT"} & set(variables)
        limited = Task(TASK.files, TASK.s3_endpoint, TASK.ca, connections=8, seconds_left=20.0)
        assert task_of(limited.environment()) == limited


class TestReport:
    def test_report_of_a_program_is_read_from_the_output(
        self, capsysbinary: pytest.CaptureFixture[bytes]
    ) -> None:
        with Report() as report:
            print("something else")
            report.attempts = 3
        reported = read_report(capsysbinary.readouterr().out)
        assert reported is not None
        assert (reported.attempts, reported.error) == (3, None)
        assert 0 <= reported.transfer_s < 60
        assert reported.rss_before_mb > 1

    @pytest.mark.parametrize(
        ("error", "text"),
        [
            (ValueError("no"), "ValueError: no"),
            (SystemExit(1), "SystemExit: 1"),
            (SystemExit(0), None),
            (SystemExit(OUT_OF_TIME), None),
        ],
        ids=repr,
    )
    def test_report_of_a_program_names_each_error_except_an_expected_exit(
        self, capsysbinary: pytest.CaptureFixture[bytes], error: BaseException, text: str | None
    ) -> None:
        def fail() -> None:
            with Report():
                raise error

        with pytest.raises(type(error)):
            fail()
        reported = read_report(capsysbinary.readouterr().out)
        assert reported is not None
        assert reported.error == text

    def test_last_report_counts_when_a_program_prints_several_reports(self) -> None:
        line = b'{"zb": {"transfer_s": %d, "cpu_s": 2}}\n'
        reported = read_report(b"noise\n" + line % 1 + line % 5)
        assert reported is not None
        assert reported.transfer_s == 5

    @pytest.mark.parametrize("output", [b"noise", b'{"zb": 5}'])
    def test_report_of_a_program_is_none_when_the_output_has_no_valid_report(
        self, output: bytes
    ) -> None:
        assert read_report(output) is None


class TestRun:
    def test_exit_code_cpu_time_and_memory_of_a_measured_program_are_returned(
        self, tmp_path: Path
    ) -> None:
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
        ended = run(code, tmp_path, MORE="last words")
        assert (ended.exit_code, ended.was_killed, ended.last_line) == (3, False, "last words")
        assert ended.reported is not None
        assert ended.reported.attempts == 5
        assert ended.failure_reason == "exit code 3: last words"
        assert ended.rss_mb > 95
        assert 0 < ended.cpu_s < 20

    def test_measured_program_gets_no_credentials_of_the_caller(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "of the developer")
        ended = run("import os; print(os.environ['AWS_SECRET_ACCESS_KEY'])", tmp_path)
        assert ended.last_line == "benchsecret"

    def test_child_processes_are_killed_with_the_measured_program(self, tmp_path: Path) -> None:
        code = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
print(child.pid, flush=True)
time.sleep(60)
"""
        ended = run(code, tmp_path, kill_after=0.5)
        assert (ended.exit_code, ended.was_killed) == (-9, True)
        assert ended.failure_reason.startswith("killed after")
        state = Path(f"/proc/{ended.last_line}/stat")
        deadline = time.monotonic() + 5
        while state.exists() and ") Z " not in state.read_text():
            assert time.monotonic() < deadline
            os.sched_yield()


class TestCatalog:
    def test_programs_of_the_benchmark_are_read_from_a_file(self, tmp_path: Path) -> None:
        path = tmp_path / "more.json"
        path.write_text('{"other": {"cmd": ["{PY}", "{HERE}/a.py"], "env": {"A": "{HERE}"}}}')
        engine, other = programs("engine, other", path)
        assert engine.command == (sys.executable, "-m", "bench.transfer.sut")
        assert other.command == (sys.executable, f"{tmp_path}/a.py")
        assert other.environment == {"A": str(tmp_path)}

    def test_benchmark_refuses_a_program_when_its_name_is_unknown(self) -> None:
        message = "no program other, only curl, engine, s3transfer"
        with pytest.raises(UnknownProgram, match=message):
            programs("other")
