"""Tests of `invoke logs.…` with the in-process CloudWatch Logs."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from hypothesis import given
from hypothesis import strategies as st
from invoke import Exit

from cdk.names import DOWNLOADER, FUNCTIONS, UPLOADER, WEBHOOK, Function, Names
from ops.logs import commands as tasks
from ops.logs.lines import EPOCH, INDENT, Line, line_of, render_json, render_text
from ops.logs.reading import (
    LONGEST_PATTERN,
    Logs,
    filter_patterns,
    filter_string,
    in_order,
    read_all,
    recording_lines,
    same_invocation_lines,
    watch,
)
from ops.target import ROOT
from tests.cloud import Cloud
from tests.hooks import recorded
from tests.ops.terminals import plain, terminal_of

NAMES = Names("test")
UUID = "Aimtz4gZlGgbue/Yk7qppQ=="
AUTO = f"auto-ingest-{UUID}"
NOW = datetime.now(UTC).replace(microsecond=0)


def record(message: str, second: float = 0, **more: Any) -> str:
    moment = (NOW + timedelta(seconds=second)).isoformat(timespec="milliseconds")
    head = {"level": "INFO", "timestamp": moment.replace("+00:00", "Z"), "location": "a.b:1"}
    return json.dumps({**head, "message": message, "aws_request_id": "r1", **more})


def event(text: str, second: float = 0, stream: str = "s", **more: Any) -> dict[str, Any]:
    stored = int((NOW + timedelta(seconds=second)).timestamp() * 1000)
    return {"message": text, "timestamp": stored, "logStreamName": stream, **more}


@dataclass
class LogGroups:
    """The log groups of a stack, with a method that writes log events."""

    client: Any
    logs: Logs
    made: set[tuple[str, str]] = field(default_factory=set)

    def log(self, function: Function, *texts: str, second: float = 0, stream: str = "s") -> None:
        group = NAMES.log_group(function)
        if (group, "") not in self.made:
            self.client.create_log_group(logGroupName=group)
        if (group, stream) not in self.made:
            self.client.create_log_stream(logGroupName=group, logStreamName=stream)
        self.made |= {(group, ""), (group, stream)}
        stored = int((NOW + timedelta(seconds=second)).timestamp() * 1000)
        self.client.put_log_events(
            logGroupName=group,
            logStreamName=stream,
            logEvents=[{"timestamp": stored, "message": text} for text in texts],
        )


@pytest.fixture
def groups(aws: Cloud) -> LogGroups:
    client = boto3.client("logs", aws.sqs.meta.region_name)
    return LogGroups(client, Logs(client, NAMES))


def messages(lines: list[Line]) -> list[str]:
    return [line.text_field("message") or line.text for line in lines]


HOUR_AGO = NOW - timedelta(hours=1)


def test_log_lines_of_functions_are_merged_by_time(groups: LogGroups) -> None:
    groups.log(DOWNLOADER, record("second", 2), second=5)
    groups.log(WEBHOOK, record("first", 1), record("third", 3), second=5)
    assert messages(read_all(groups.logs, FUNCTIONS, HOUR_AGO)) == ["first", "second", "third"]
    assert read_all(groups.logs, FUNCTIONS, NOW + timedelta(seconds=6)) == []


def test_logs_are_read_up_to_the_last_page(groups: LogGroups) -> None:
    for first in range(0, 10_020, 5010):
        groups.log(WEBHOOK, *(f"line {number}" for number in range(first, first + 5010)))
    assert len(read_all(groups.logs, [WEBHOOK], HOUR_AGO)) == 10_020


def test_log_lines_of_a_function_keep_their_order_when_their_stored_times_are_equal() -> None:
    texts = ["START RequestId: r1", record("one", 1), record("two", 2), "END RequestId: r1"]
    lines = [line_of(WEBHOOK, event(text, 9)) for text in texts]
    other = line_of(UPLOADER, event(record("between", 1.5), 20))
    ordered = in_order([*lines, other])
    assert messages(ordered) == [texts[0], "one", "between", "two", texts[3]]


def test_watch_of_logs_shows_each_log_line_once_even_when_the_line_appears_after_newer_lines(
    groups: LogGroups,
) -> None:
    now = [NOW]
    slept: list[float] = []
    groups.log(WEBHOOK, record("old"), second=-600)
    batches = watch(groups.logs, FUNCTIONS, HOUR_AGO, clock=lambda: now[0], sleep=slept.append)
    assert messages(next(batches)) == ["old"]
    groups.log(WEBHOOK, record("new"), second=1)
    assert messages(next(batches)) == ["new"]
    groups.log(DOWNLOADER, record("late"), second=-200)
    groups.log(WEBHOOK, record("new again", 1), second=1)
    assert messages(next(batches)) == ["late", "new again"]
    for _ in range(5):
        now[0] += timedelta(minutes=2)
        assert next(batches) == []
    groups.log(WEBHOOK, record("newest"), second=601)
    assert messages(next(batches)) == ["newest"]
    assert slept == [2.0] * 8


def test_log_lines_of_a_recording_include_lines_of_its_ingests_and_invocations(
    groups: LogGroups,
) -> None:
    own = {"uuid": UUID, "zip_id": AUTO}
    plus = {"uuid": UUID, "zip_id": "on-demand-1"}
    other = {"uuid": "other==", "zip_id": "auto-ingest-other=="}
    groups.log(WEBHOOK, "START RequestId: r1 Version: 1", record("Received", 0))
    groups.log(WEBHOOK, record("Sent to the downloader", 1, **own), record("Other", 1, **other))
    groups.log(DOWNLOADER, record("Copied", 2, aws_request_id="r2", **own), second=2)
    groups.log(DOWNLOADER, "2026 r2 Task timed out after 900.00 seconds", second=3)
    groups.log(DOWNLOADER, "REPORT RequestId: r2\tDuration: 900 ms\tStatus: timeout", second=3)
    groups.log(DOWNLOADER, record("Elsewhere", 3, aws_request_id="r9"), second=3)
    groups.log(WEBHOOK, record("Asked", 4, aws_request_id="r3", **plus), second=4)
    groups.log(UPLOADER, record("Gave up", 5, aws_request_id="r4", zip_id="on-demand-1"), second=5)
    groups.log(UPLOADER, record("Gone", 6, aws_request_id="r5", zip_id="on-demand-2"), second=6)
    lines = recording_lines(groups.logs, FUNCTIONS, UUID, ["on-demand-2"], HOUR_AGO)
    assert messages(lines) == [
        "Received",
        "Sent to the downloader",
        "Copied",
        "2026 r2 Task timed out after 900.00 seconds",
        "REPORT RequestId: r2\tDuration: 900 ms\tStatus: timeout",
        "Asked",
        "Gave up",
        "Gone",
    ]
    only = recording_lines(groups.logs, [UPLOADER], UUID, ["on-demand-2"], HOUR_AGO)
    assert messages(only) == ["Gone"]
    assert recording_lines(groups.logs, FUNCTIONS, "nobody", [], HOUR_AGO) == []
    assert list(same_invocation_lines(groups.logs, [], HOUR_AGO)) == []


def test_log_lines_of_a_recording_are_found_by_uuid_zip_id_and_request_id(
    groups: LogGroups,
) -> None:
    groups.log(WEBHOOK, record("Sent", uuid=UUID, zip_id="on-demand-1"))
    with recorded(groups.client, "logs.FilterLogEvents") as requests:
        recording_lines(groups.logs, [WEBHOOK], UUID, [], HOUR_AGO)
    assert [request["filterPattern"] for request in requests] == [
        f'{{ ($.uuid = "{UUID}") || ($.zip_id = "{AUTO}") }}',
        '{ ($.zip_id = "on-demand-1") }',
        '"r1"',
    ]
    assert requests[2]["logStreamNames"] == ["s"]


@given(st.lists(st.text(min_size=1, max_size=200), min_size=1))
def test_filter_patterns_are_within_the_limit_and_contain_every_condition(
    values: list[str],
) -> None:
    made = filter_patterns([("zip_id", value) for value in values])
    assert all(len(pattern) <= LONGEST_PATTERN for pattern in made)
    joined = " ".join(made)
    assert all(f"($.zip_id = {filter_string(value)})" in joined for value in values)


def test_a_filter_string_escapes_quotes_and_backslashes() -> None:
    assert filter_string('a"b\\c') == '"a\\"b\\\\c"'


def shown(text: str, **more: Any) -> str:
    return render_text(line_of(WEBHOOK, event(text, **more))).plain


def test_log_record_has_time_level_message_and_fields_when_it_is_shown_as_text() -> None:
    text = record("Going", 0.25, uuid=UUID, files=3, note="two words", _aws={"Timestamp": 1})
    moment = f"{NOW:%H:%M:%S}.250"
    assert shown(text) == (
        f'{moment} webhook      INFO     Going  uuid={UUID} files=3 note="two words"'
    )
    line = line_of(WEBHOOK, event(text))
    assert render_text(line, ("uuid",)).plain.endswith('Going  files=3 note="two words"')


def test_exception_is_indented_when_a_log_record_is_shown_as_text() -> None:
    text = record("AWS failed", exception="Traceback:\n  File x\nError: no")
    assert shown(text).splitlines()[1:] == ["    Traceback:", "      File x", "    Error: no"]


def test_a_log_line_of_lambda_is_shown_indented_and_redacted() -> None:
    crash = "[ERROR] ImportError: no\nTraceback\n  File x token=abc123\x1b[2J"
    first, *rest = shown(crash).splitlines()
    assert first.endswith("webhook      [ERROR] ImportError: no")
    assert rest == ["    Traceback", "      File x token=***"]
    assert shown('{"level": 1').endswith('{"level": 1')
    assert shown("").endswith("webhook      ")


def test_a_log_line_for_programs_is_json_with_the_name_of_the_function() -> None:
    content = json.loads(render_json(line_of(WEBHOOK, event(record("Hi", uuid=UUID)))))
    assert (content["function"], content["message"], content["uuid"]) == (
        "zoom-webhook",
        "Hi",
        UUID,
    )
    plain = json.loads(render_json(line_of(WEBHOOK, event("START RequestId: r password=x1"))))
    assert plain["text"] == "START RequestId: r password=***"
    assert plain["timestamp"] == NOW.isoformat(timespec="milliseconds").replace("+00:00", "Z")


@given(
    st.text()
    | st.dictionaries(
        st.sampled_from(["level", "message", "timestamp", "exception", "x", "uuid"]),
        st.none() | st.integers() | st.floats() | st.text() | st.lists(st.text()),
    ).map(json.dumps)
)
def test_any_log_line_can_be_shown(text: str) -> None:
    line = line_of(WEBHOOK, {"timestamp": 1, "message": text})
    assert len(render_json(line).splitlines()) == 1
    assert "\x1b" not in render_text(line).plain
    assert line.stored == EPOCH + timedelta(milliseconds=1)
    in_order([line])


def test_the_log_printer_prints_the_date_when_it_changes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    show = tasks.Printer(as_json=False)
    texts = ["2026-11-24T23:59:59.999Z", "2026-11-25T00:00:00.000Z", "2026-11-25T00:00:01.000Z"]
    lines = [
        line_of(WEBHOOK, event(json.dumps({"level": "INFO", "message": "x", "timestamp": text})))
        for text in texts
    ]
    show(lines[:1])
    show(lines[1:])
    printed = capsys.readouterr().out.splitlines()
    assert [line for line in printed if "UTC" in line] == ["2026-11-24 (UTC)", "2026-11-25 (UTC)"]
    assert printed[1].startswith("23:59:59.999 webhook ")


def test_a_log_line_is_wrapped_between_words_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    out = terminal_of(monkeypatch, 60)
    record = {"level": "ERROR", "message": "Opencast has no series of that name. " * 3}
    tasks.Printer(as_json=False)([line_of(WEBHOOK, event(json.dumps(record)))])
    _, first, *others = plain(out.getvalue()).splitlines()
    assert others
    assert all(line.startswith(INDENT) for line in others)
    assert max(len(line) for line in [first, *others]) <= 60
    assert " ".join(line.strip() for line in [first, *others]).count("no series of that name.") == 3


def test_watch_of_logs_ends_without_a_message_when_it_is_interrupted() -> None:
    def batches() -> Any:
        yield []
        raise KeyboardInterrupt

    with pytest.raises(Exit) as ended:
        tasks.follow(batches(), lambda _: None)
    assert (ended.value.code, ended.value.message) == (130, None)


READER_GONE = """
from datetime import UTC, datetime
from cdk.names import WEBHOOK
from ops.logs.lines import line_of
from ops.command import tolerate_closed_output
from ops.logs.commands import Printer
with tolerate_closed_output():
    show = Printer(as_json=False)
    show(line_of(WEBHOOK, {"timestamp": n, "message": "x" * 100}) for n in range(100_000))
"""


def test_log_printer_ends_without_an_error_when_nobody_reads_the_output() -> None:
    path = f"{ROOT}:{ROOT / 'functions'}"
    with subprocess.Popen(
        [sys.executable, "-c", READER_GONE],
        env={"PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as program:
        assert program.stdout
        assert program.stderr
        program.stdout.readline()
        program.stdout.close()
        assert program.stderr.read() == b""
    assert program.returncode == 0
