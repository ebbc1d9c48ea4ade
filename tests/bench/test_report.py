"""What passes between a program that is measured and whoever measures it."""

from __future__ import annotations

import json

import pytest

from bench.transfer.report import Report, read_report
from bench.transfer.task import HANDED_OVER, File, Task, task_of

TASK = Task(
    files=(File("f", "https://127.0.0.1:1/rec/download/f", "bench/f.mp4", 5),),
    s3_endpoint="https://127.0.0.1:2",
    ca="/tmp/ca.crt",
)


def test_a_task_survives_its_environment() -> None:
    assert task_of(TASK.environment()) == TASK
    told = TASK.environment()
    assert json.loads(told["ZB_FILES"])[0]["size"] == 5
    assert not {"ZB_CONNECTIONS", "ZB_SECONDS_LEFT"} & set(told)
    more = Task(TASK.files, TASK.s3_endpoint, TASK.ca, connections=8, seconds_left=20.0)
    assert task_of(more.environment()) == more


def test_the_report_is_a_line_that_can_be_read(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    with Report() as report:
        print("something else")
        report.attempts = 3
    told = read_report(capsysbinary.readouterr().out)
    assert told is not None
    assert (told.attempts, told.error) == (3, None)
    assert 0 <= told.transfer_s < 60
    assert told.rss_before_mb > 1


def failing(error: BaseException) -> None:
    with Report():
        raise error


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ValueError("no"), "ValueError: no"),
        (SystemExit(1), "SystemExit: 1"),
        (SystemExit(0), None),
        (SystemExit(HANDED_OVER), None),
    ],
)
def test_an_error_is_told_and_goes_on(
    capsysbinary: pytest.CaptureFixture[bytes], error: BaseException, told: str | None
) -> None:
    with pytest.raises(type(error)):
        failing(error)
    report = read_report(capsysbinary.readouterr().out)
    assert report is not None
    assert report.error == told


def test_the_last_report_counts_and_none_is_none() -> None:
    line = b'{"zb": {"transfer_s": %d, "cpu_s": 2}}\n'
    told = read_report(b"noise\n" + line % 1 + line % 5)
    assert told is not None
    assert told.transfer_s == 5
    assert read_report(b"noise") is None
    assert read_report(b'{"zb": 5}') is None
