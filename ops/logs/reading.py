"""Read all lines, new lines or one recording's lines from the functions' CloudWatch Logs.

FilterLogEvents answers in pages, of which some may be empty. A log event appears some seconds after
its writing, or in rare cases after minutes.
https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_FilterLogEvents.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from cdk.names import Function, Names
from ingester.recording.files import automated_zip_id
from ops.logs.lines import EPOCH, Line, line_of

if TYPE_CHECKING:
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_logs.type_defs import FilterLogEventsRequestPaginateTypeDef

MILLISECOND = timedelta(milliseconds=1)
LATEST_ARRIVAL = timedelta(minutes=5)
"""The longest expected time between a log event's writing and appearance."""

POLL_SECONDS = 2.0
LONGEST_PATTERN = 1024
"""FilterLogEvents' limit of filterPattern, in characters.

https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_FilterLogEvents.html
"""

LONGEST_INVOCATION = timedelta(minutes=16)


class Logs:
    """The log groups of one stack's functions."""

    def __init__(self, client: CloudWatchLogsClient, names: Names) -> None:
        self._client = client
        self._names = names

    def read(
        self,
        function: Function,
        begin: datetime,
        *,
        end: datetime | None = None,
        pattern: str = "",
        stream: str = "",
    ) -> Iterator[Line]:
        """Yield a function's lines from `begin` to `end`, in the order of CloudWatch's times.

        `begin` and `end` are inclusive. If `end` is None, the newest lines are included. `pattern`
        is a filter pattern, and `stream` the name of a log stream; "" for no filter. If the log
        group doesn't exist, nothing is yielded.
        """
        request: FilterLogEventsRequestPaginateTypeDef = {
            "logGroupName": self._names.log_group(function),
            "startTime": _ms(begin),
        }
        if end:
            request["endTime"] = _ms(end)
        if pattern:
            request["filterPattern"] = pattern
        if stream:
            request["logStreamNames"] = [stream]
        try:
            for page in self._client.get_paginator("filter_log_events").paginate(**request):
                for event in page["events"]:
                    yield line_of(function, event)
        except self._client.exceptions.ResourceNotFoundException:
            return


def _ms(moment: datetime) -> int:
    return max(0, (moment - EPOCH) // MILLISECOND)


def in_order(lines: Iterable[Line]) -> list[Line]:
    """Return lines of several functions, sorted by the lines' timestamps.

    A line of Lambda's has no timestamp of its own. Such a line keeps its place before the next line
    of its stream, even if CloudWatch stored the whole log when the invocation ended (as the local
    cloud does).
    """
    settled: list[Line] = []
    earliest: dict[tuple[str, str], datetime] = {}
    for line in reversed(list(lines)):
        where = (line.function.name, line.stream)
        behind = earliest.get(where, line.moment)
        if line.record is None and behind < line.moment:
            settled.append(replace(line, moment=behind))
        else:
            settled.append(line)
        earliest[where] = settled[-1].moment
    settled.reverse()
    return sorted(settled, key=lambda line: line.moment)


def read_all(logs: Logs, functions: Sequence[Function], begin: datetime) -> list[Line]:
    """Return all lines of `functions` from `begin` until now, in the order of `in_order`."""
    return in_order(line for function in functions for line in logs.read(function, begin))


def watch(
    logs: Logs,
    functions: Sequence[Function],
    begin: datetime,
    *,
    clock: Callable[[], datetime],
    sleep: Callable[[float], None],
) -> Iterator[list[Line]]:
    """Yield batches of lines without end, each line once, beginning with the lines since `begin`.

    Each further round reads from LATEST_ARRIVAL before the previous round, or from a later `begin`,
    and leaves out known lines. So a log event that appears at most LATEST_ARRIVAL late isn't
    missed.
    """
    seen: dict[str, datetime] = {}
    start = begin
    while True:
        now = clock()
        lines = [
            line
            for function in functions
            for line in logs.read(function, start)
            if line.key not in seen
        ]
        seen.update((line.key, line.stored) for line in lines)
        yield in_order(lines)
        # CloudWatch's times are whole milliseconds. A start between two milliseconds would drop a
        # line's key from `seen`, although the next round reads the line again.
        start = max(start, EPOCH + _ms(now - LATEST_ARRIVAL) * MILLISECOND)
        seen = {key: stored for key, stored in seen.items() if stored >= start}
        sleep(POLL_SECONDS)


def recording_lines(
    logs: Logs, functions: Sequence[Function], uuid: str, zip_ids: Iterable[str], begin: datetime
) -> list[Line]:
    """Return one recording's lines in the logs of `functions`, in the order of `in_order`.

    `zip_ids` are the known ingests. Ingests that the recording's log records name are searched for,
    too. The result includes lines of the same invocations that name no recording, such as the
    lines of a crash or a timeout.
    """
    found: dict[str, Line] = {}
    searched: set[str] = set()
    ids = {automated_zip_id(uuid), *zip_ids}
    conditions = [("uuid", uuid)]
    while new := sorted(ids - searched):
        conditions += [("zip_id", zip_id) for zip_id in new]
        for pattern in filter_patterns(conditions):
            for function in functions:
                for line in logs.read(function, begin, pattern=pattern):
                    if line.text_field("uuid") == uuid or line.text_field("zip_id") in ids:
                        found[line.key] = line
        searched.update(new)
        ids |= {line.text_field("zip_id") for line in found.values()} - {""}
        conditions = []
    for line in same_invocation_lines(logs, list(found.values()), begin):
        found.setdefault(line.key, line)
    return in_order(sorted(found.values(), key=lambda line: line.stored))


def same_invocation_lines(logs: Logs, lines: Sequence[Line], begin: datetime) -> Iterator[Line]:
    """Yield lines that name no recording and come from the invocations that wrote `lines`.

    Lambda's routine lines (START, END, REPORT) are left out.
    """
    invocations: dict[tuple[Function, str, str], list[Line]] = {}
    for line in lines:
        if request_id := line.text_field("aws_request_id"):
            invocations.setdefault((line.function, line.stream, request_id), []).append(line)
    for (function, stream, request_id), known_lines in invocations.items():
        first = min(line.stored for line in known_lines) - LONGEST_INVOCATION
        last = max(line.stored for line in known_lines) + LONGEST_INVOCATION
        for line in logs.read(
            function, max(begin, first), end=last, pattern=filter_string(request_id), stream=stream
        ):
            names_no_recording = not line.text_field("uuid") and not line.text_field("zip_id")
            if request_id in line.text and names_no_recording and not line.is_routine:
                yield line


def filter_string(text: str) -> str:
    """Return text in quotes for a filter pattern.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html
    """
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def filter_patterns(conditions: Sequence[tuple[str, str]]) -> list[str]:
    """Return filter patterns for log records that meet one of the (field, value) conditions.

    Each pattern of several conditions is within AWS's limit of length.
    """
    terms = [f"($.{name} = {filter_string(value)})" for name, value in conditions]
    made: list[list[str]] = [[]]
    for term in terms:
        if len(_joined([*made[-1], term])) > LONGEST_PATTERN and made[-1]:
            made.append([])
        made[-1].append(term)
    return [_joined(some) for some in made if some]


def _joined(terms: Sequence[str]) -> str:
    return f"{{ {' || '.join(terms)} }}"
