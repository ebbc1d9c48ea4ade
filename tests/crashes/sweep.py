"""Kill a function at each of its calls, make SQS or the caller retry, and check Opencast."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from math import ceil
from pathlib import Path

from cdk.names import DOWNLOADER, Names
from local.authority import ensure_authority
from local.driver import Driver, DriverError, ZoomRecording
from tests.crashes.calls import Call
from tests.crashes.proxy import Aim, Gate, Moment, Proxies
from tests.crashes.triggers import Trigger
from tests.e2e import deployed
from tests.e2e.stack import SERIES, Stack, count_messages

SECONDS = 240.0
"""Longest wait for an ingest's final state, in seconds.

After a crash during the POST to Opencast, the next attempt waits for a minute.
"""

MOST_DELIVERIES = 5
QUEUES = ("download", "upload.fifo")
DEAD = ("download-dlq", "upload-dlq.fifo")
CAPTIONS = "captions/source"
CAPTIONS_ON = {"INGEST_CAPTIONS": "true"}
FINAL_STATES = {"SENT_TO_OPENCAST", "IGNORED"}
NEVER_ACCEPTED = "ON_DEMAND_RECEIVED"
"""The state of a row whose "+Zoom" request failed. The caller repeats the request."""


@dataclass(frozen=True)
class Result:
    """The result of one crash.

    `deliveries` is the number of the function's invocations, or 0 if a delivery or a wait failed.
    `problem` is "" if the recording is in Opencast once and whole, and the pipeline has finished
    its work.
    """

    aim: Aim
    deliveries: int = 0
    problem: str = ""


@dataclass(frozen=True)
class Calls:
    """The calls of a function while it processes one recording, in order.

    `cold` are the calls that only a new process makes. `cold_seconds` and `warm_seconds` are the
    times from the delivery to the final state, in a new process and in a warm process.
    """

    all: tuple[Call, ...]
    cold: frozenset[Call]
    cold_seconds: float
    warm_seconds: float

    def visible_after(self, trigger: Trigger, *, is_cold: bool) -> int:
        """Return the queue's visibility timeout for a crash, in seconds.

        The function has to reach its crash within the timeout, also on a slow machine. In
        production, the timeout is 16 minutes.
        """
        return max(trigger.visible_after, ceil(self.cold_seconds if is_cold else self.warm_seconds))


class Sweep:
    """The crashes of one function, whose calls go through `gate`. See `sweep_of`."""

    def __init__(self, trigger: Trigger, stack: Stack, gate: Gate) -> None:
        self.trigger = trigger
        self._stack = stack
        self._gate = gate
        self._sqs = stack.driver.client("sqs")
        self._logs = stack.driver.client("logs")
        self._urls = {name: stack.driver.queue_url(name) for name in (*QUEUES, *DEAD)}

    def learn(self) -> Calls:
        """Process two recordings without a crash, the first in a new process. Return the calls.

        A second or later call with the same name counts only if both recordings caused it. A
        message of another recording, or a retry on a slow machine, causes calls that no later run
        makes.

        Raises:
            DriverError: The function failed without a crash, or a recording didn't end as it
                should.
        """
        self._gate.kill()
        cold, cold_seconds = self._calls_of_one()
        warm, warm_seconds = self._calls_of_one()
        steady = tuple(call for call in cold if call.number == 1 or call in warm)
        return Calls(steady, frozenset(steady) - set(warm), cold_seconds, warm_seconds)

    def crash(self, aim: Aim, calls: Calls) -> Result:
        """Kill the function at a call for a new recording, and return the result.

        Raises:
            DriverError: The function never made the call.
        """
        is_cold = aim.call in calls.cold
        result = self._crash(aim, calls, is_cold=is_cold)
        if result is None and not is_cold:
            result = self._crash(aim, calls, is_cold=True)
        if result is None:
            raise DriverError(f"{self.trigger.function.name} never called {aim.call}.")
        return result

    def _calls_of_one(self) -> tuple[list[Call], float]:
        self._gate.begin(None)
        recording = self.trigger.make(self._stack)
        began = time.monotonic()
        if not self.trigger.deliver(self._stack, recording):
            raise DriverError(f"{self.trigger.function.name} failed without a crash.")
        self._until_settled(recording)
        seconds = time.monotonic() - began
        if problem := self._problem(recording):
            raise DriverError(f"{self.trigger.function.name} without a crash: {problem}")
        return list(self._gate.calls), seconds

    def _crash(self, aim: Aim, calls: Calls, *, is_cold: bool) -> Result | None:
        if is_cold:
            self._gate.kill()
        recording = self.trigger.make(self._stack)
        before = self._messages(DEAD)
        began = datetime.now(UTC)
        self._gate.begin(aim)
        try:
            self._deliver(recording, calls.visible_after(self.trigger, is_cold=is_cold))
            self._until_settled(recording)
        except DriverError as error:
            return Result(aim, problem=f"{error}")
        if not self._gate.killed.is_set():
            return None
        problem = self._problem(recording)
        if self._messages(DEAD) != before:
            problem = problem or "a message on a dead-letter queue"
        return Result(aim, self._invocations(began), problem)

    def _deliver(self, recording: ZoomRecording, visible_after: int) -> None:
        """Deliver a recording until the caller succeeds.

        If a queue invokes the function, also wait until the function is killed or `_is_settled`
        returns True.

        Raises:
            DriverError: The caller or the wait failed.
        """
        trigger, stack = self.trigger, self._stack
        with ExitStack() as exits:
            if trigger.queue:
                exits.enter_context(
                    deployed.visible_again_after(stack.driver, trigger.queue, visible_after)
                )
            if not any(trigger.deliver(stack, recording) for _ in range(MOST_DELIVERIES)):
                raise DriverError(f"Refused {MOST_DELIVERIES} times.")
            if trigger.queue:
                stack.wait(
                    lambda: self._gate.killed.is_set() or self._is_settled(recording), "The crash"
                )

    def _until_settled(self, recording: ZoomRecording) -> None:
        self._stack.wait(lambda: self._is_settled(recording), "The final state")

    def _is_settled(self, recording: ZoomRecording) -> bool:
        """Return whether Opencast has the recording, the rows are final, and QUEUES are empty."""
        if not self._stack.driver.ingests_of(recording) or self._messages(QUEUES):
            return False
        rows = self._rows(recording)
        is_final = rows.keys() <= FINAL_STATES | {NEVER_ACCEPTED}
        return is_final and bool(FINAL_STATES & rows.keys())

    def _messages(self, queues: Iterable[str]) -> int:
        """Return the number of messages on the queues, including messages delayed or in flight.

        Messages move from the first of QUEUES to the second, so the first queue is counted first.
        """
        return sum(count_messages(self._sqs, self._urls[name]) for name in queues)

    def _rows(self, recording: ZoomRecording) -> Counter[str]:
        found = self._stack.driver.status(recording.meeting_id).get(recording.uuid, [])
        return Counter(row.status for row in found)

    def _problem(self, recording: ZoomRecording) -> str:
        """Return a problem with the recording in Opencast, S3 or the status table, or ""."""
        ingests = self._stack.driver.ingests_of(recording)
        accepted = [ingest for ingest in ingests if ingest.status == 200]
        if len(accepted) != 1:
            return f"{len(accepted)} times in Opencast"
        (ingest,) = accepted
        files = [file.sha256 for file in ingest.files if file.flavor != CAPTIONS]
        if files != [file.sha256 for file in recording.expected_files()]:
            return "not all files, or not whole"
        if (captions := len(ingest.files) - len(files)) != self.trigger.has_captions:
            return f"{captions} times captions"
        if ingest.series != SERIES:
            return f"in series {ingest.series}"
        if self._stack.unfinished_uploads(recording):
            return "an upload to S3 was left open"
        if self._rows(recording)["SENT_TO_OPENCAST"] != 1:
            return f"rows: {dict(self._rows(recording))}"
        if self.trigger.is_followed:
            found = self._stack.driver.ingest_details(recording)
            return "" if found and found.status == "PUBLISHED" else "its end isn't known"
        return ""

    def _invocations(self, since: datetime) -> int:
        group = self._stack.names.log_group(self.trigger.function)
        begin = int(since.timestamp() * 1000)
        found = self._logs.filter_log_events(logGroupName=group, startTime=begin)["events"]
        return sum(event["message"].startswith("START ") for event in found)


@contextmanager
def sweep_of(trigger: Trigger, driver: Driver, home: Path) -> Iterator[Sweep]:
    """Route a function's calls through proxies during the `with` block. Yield the function's sweep.

    `home` is the folder of the local stack.
    """
    names, state = Names(driver.state.stack_name), driver.state
    function = names.function(trigger.function)
    upstreams = {
        "aws": state.aws_endpoint_url,
        "zoom": state.zoom_url,
        "cdn": driver.cdn_url(),
        "opencast": state.opencast_url,
    }
    gate = Gate()
    tls, trusted = ensure_authority(home / "tls"), Path(state.ca_bundle)
    with Proxies(upstreams, gate, stack=state.stack_name, tls=tls, trusted=trusted) as proxies:
        gate.kill = partial(deployed.kill, driver, function, proxies.url("aws"))
        found = driver.client("lambda").get_function_configuration(FunctionName=function)
        variables = found["Environment"]["Variables"]
        addresses = {name: proxies.instead(value) for name, value in variables.items()}
        settings = {**addresses, "AWS_ENDPOINT_URL": proxies.url("aws"), **trigger.settings}
        with ExitStack() as exits:
            exits.enter_context(deployed.limited(driver, function, found["Timeout"], **settings))
            if trigger.has_captions:
                exits.enter_context(_captions_on(driver, names))
            if trigger.function is DOWNLOADER:
                exits.enter_context(_downloads_through(driver, proxies))
            exits.enter_context(trigger.around(driver))
            yield Sweep(trigger, Stack(driver, seconds=SECONDS), gate)


@contextmanager
def _captions_on(driver: Driver, names: Names) -> Iterator[None]:
    """Let the downloader stage captions during the block, for the function that is killed."""
    function = names.function(DOWNLOADER)
    found = driver.client("lambda").get_function_configuration(FunctionName=function)
    with deployed.limited(driver, function, found["Timeout"], **CAPTIONS_ON):
        yield


@contextmanager
def _downloads_through(driver: Driver, proxies: Proxies) -> Iterator[None]:
    """During the block, make Zoom's stand-in send download URLs that lead through the proxies."""
    driver.set_zoom_switches(downloads_at=proxies.url("zoom"))
    try:
        yield
    finally:
        driver.set_zoom_switches(downloads_at="")


def aims_of(calls: Iterable[Call]) -> list[Aim]:
    """Return two aims for each call: kills before the call arrives and after the answer."""
    return [Aim(call, moment) for call in calls for moment in Moment]
