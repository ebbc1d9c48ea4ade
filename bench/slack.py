"""Measure Slack's wait for `/zip`, cold and warm: `python -m bench.slack`, with a local stack up.

Slack's stand-in signs each command, sends the command through the local API Gateway to the
function, and measures the seconds to the answer as Slack does, TLS included. Before each cold
command the function's alias gets a new version. So a new container starts, which reads the secrets
and asks Slack for the groups.
"""

from __future__ import annotations

import argparse
import math
import os
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rich.console import Console
from rich.table import Table

from cdk.names import SLACK, Names
from local.driver import Driver
from local.stack import HOME
from local.state import read_state

MEETING = 12345678901
RECORDINGS = 14
PACE_SECONDS = 3.1
"""Minimum seconds between the new versions that make two commands cold.

Each cold command asks Slack for user groups. Slack allows 20 requests for user groups a minute:
https://docs.slack.dev/apis/web-api/rate-limits
"""

SLACK_WAITS = 3.0

P99_SECONDS = 1.5
"""Limit in seconds of the 99th percentile, both for cold and for warm commands."""

ONE_MOMENT = "One moment"
"""Beginning of the function's first answer when the result follows later."""


@dataclass(frozen=True)
class Typed:
    """The outcome of a typed command.

    Attributes:
        seconds: Time to the function's first answer.
        kind: `answer`, `later` (the result follows) or `error`.
        cpu: CPU seconds of the new container until the answer, or None if they weren't measured.
    """

    seconds: float
    kind: str
    cpu: float | None = None


def main(argv: Sequence[str] | None = None) -> int:
    """Type `/zip` in the local Slack, print a table and the problems, and return the exit code.

    The exit code is 1 after problems or without a local stack, else 0. The rows that this function
    writes to the stack's tables stay.
    """
    options = _arguments(argv)
    state = read_state(HOME)
    if state is None:
        print("No local stack is up: `invoke local.up` starts it.", file=sys.stderr)
        return 1
    driver = Driver(state)
    try:
        _fill(driver)
        with _released(driver) as make_cold:
            cold = list(_cold(driver, options.cold, make_cold))
            driver.type_command(str(MEETING))
            warm = [_typed(driver) for _ in range(options.warm)]
    finally:
        driver.close()
    runs = {"cold": cold, "warm": warm}
    Console().print(_table(runs))
    found = problems(runs)
    for problem in found:
        print(problem, file=sys.stderr)
    return int(bool(found))


def problems(runs: dict[str, list[Typed]]) -> list[str]:
    """Return a sentence for each set of commands with errors, and for each set that is too slow."""
    found = []
    for name, typed in runs.items():
        if errors := sum(command.kind == "error" for command in typed):
            found.append(f"{name}: Slack would have shown {errors} errors.")
        p99 = _percentile(sorted(command.seconds for command in typed), 0.99)
        if p99 is not None and p99 > P99_SECONDS:
            found.append(f"{name}: the 99th percentile is {p99:.2f} s, over {P99_SECONDS:g}.")
    return found


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.slack", description=__doc__)
    parser.add_argument("--cold", type=int, default=100, help="commands to cold containers")
    parser.add_argument("--warm", type=int, default=100, help="commands to a warm one")
    return parser.parse_args(argv)


def _fill(driver: Driver) -> None:
    """Write a scheduled class, and status rows for recordings of the last two weeks."""
    now = datetime.now(UTC)
    event = {"day": "M", "time": "9:30", "title": "Lecture", "course_code": "HIST E-1010"}
    row = {"zoom_series_id": str(MEETING), "opencast_series_id": "20260112345", "events": [event]}
    driver.table("schedule").put_item(Item=row)
    for number in range(RECORDINGS):
        start = now - timedelta(days=number)
        driver.table("pipeline-status").put_item(
            Item={
                "zip_id": f"auto-ingest-bench-{number}",
                "meeting_id": MEETING,
                "recording_id": f"bench-{number}==",
                "topic": "HIST E-1010",
                "recording_start_time": f"{start:%Y-%m-%dT%H:%M:%SZ}",
                "ingest_request_time": f"{start:%Y-%m-%dT%H:%M:%SZ}",
                "origin": "webhook_notification",
                "pipeline_state": "SENT_TO_OPENCAST",
                "update_date": f"{start:%Y-%m-%d}",
                "update_time": 5,
            }
        )


class _ColdStarter:
    """A callable that releases a new version, so that the next command starts a new container."""

    def __init__(self, driver: Driver) -> None:
        self._client = driver.client("lambda")
        self.name = Names(driver.state.stack_name).function(SLACK)
        settings = self._client.get_function_configuration(FunctionName=self.name)
        variables = settings["Environment"]["Variables"]
        self.alias = variables["OWN_ALIAS"].rpartition(":")[2]
        found = self._client.get_alias(FunctionName=self.name, Name=self.alias)
        self.released: str = found["FunctionVersion"]

    def __call__(self, note: str) -> None:
        """Publish and release a version. `note` is the description, which has to be a new one.

        Lambda publishes no version without a change:
        https://docs.aws.amazon.com/lambda/latest/api/API_PublishVersion.html
        """
        self._client.update_function_configuration(FunctionName=self.name, Description=note)
        self.point_to(self._client.publish_version(FunctionName=self.name)["Version"])

    def point_to(self, version: str) -> None:
        self._client.update_alias(FunctionName=self.name, Name=self.alias, FunctionVersion=version)


@contextmanager
def _released(driver: Driver) -> Iterator[_ColdStarter]:
    """Yield a callable that releases new versions, and reset the alias at the end."""
    make_cold = _ColdStarter(driver)
    try:
        yield make_cold
    finally:
        make_cold.point_to(make_cold.released)


def _cold(driver: Driver, count: int, make_cold: _ColdStarter) -> Iterator[Typed]:
    url = driver.state.aws_endpoint_url
    for number in range(count):
        due = time.monotonic() + PACE_SECONDS
        make_cold(f"bench {time.time_ns()} {number}")
        before = _containers(make_cold.name, url)
        typed = _typed(driver)
        after = _containers(make_cold.name, url)
        yield replace(typed, cpu=sum(after[pid] for pid in after.keys() - before.keys()))
        time.sleep(max(0.0, due - time.monotonic()))


def _typed(driver: Driver) -> Typed:
    outcome = driver.type_command(str(MEETING))
    if outcome["error"] or outcome["status"] != 200:
        return Typed(outcome["seconds"], "error")
    if ONE_MOMENT in outcome["body"]:
        return Typed(outcome["seconds"], "later")
    return Typed(outcome["seconds"], "answer" if "in_channel" in outcome["body"] else "error")


def _containers(function: str, cloud: str) -> dict[int, float]:
    """Return the CPU seconds of a function's processes in the local cloud, by process id."""
    ours = {f"AWS_LAMBDA_FUNCTION_NAME={function}".encode(), f"AWS_ENDPOINT_URL={cloud}".encode()}
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if ours <= set((process / "environ").read_bytes().split(b"\0")):
                # utime and stime are fields 14 and 15. Field 2 can contain blanks (proc(5)).
                ticks = (process / "stat").read_text().rpartition(")")[2].split()[11:13]
                found[int(process.name)] = sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")
    return found


def _table(runs: dict[str, list[Typed]]) -> Table:
    cores, load = os.cpu_count(), os.getloadavg()[1]
    table = Table(
        title=f"Seconds to /zip's answer; Slack waits {SLACK_WAITS:g}",
        caption=f"{cores} cores, load {load:.1f}. CPU: median seconds of a new container.",
    )
    columns = ",commands,p50,p90,p99,most,answered,one moment,errors,CPU".split(",")
    for number, name in enumerate(columns):
        table.add_column(name, justify="right" if number else "left")
    for name, typed in runs.items():
        seconds = sorted(command.seconds for command in typed)
        kinds = [command.kind for command in typed]
        ranks = [_formatted(_percentile(seconds, share)) for share in (0.5, 0.9, 0.99, 1.0)]
        counts = [str(kinds.count(kind)) for kind in ("answer", "later", "error")]
        spent = [command.cpu for command in typed if command.cpu]
        cpu = f"{statistics.median(spent):.2f}" if spent else "-"
        table.add_row(name, str(len(typed)), *ranks, *counts, cpu)
    return table


def _percentile(seconds: Sequence[float], share: float) -> float | None:
    """Return a percentile of sorted values by the nearest-rank method, or None without values.

    `share` is the percentile as a fraction of 1, such as 0.99.
    """
    return seconds[math.ceil(share * len(seconds)) - 1] if seconds else None


def _formatted(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds:.2f}"


if __name__ == "__main__":
    sys.exit(main())
