"""Kill a function at each of its calls, let the platform deliver again, and look into Opencast."""

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
from tests.crashes.ways import Way
from tests.e2e import deployed
from tests.e2e.scene import SERIES, Scene

SECONDS = 240.0
"""How long a recording may take to its end. After a crash in the POST it waits for a minute."""

MOST_DELIVERIES = 5
QUEUES = ("download", "upload.fifo")
DEAD = ("download-dlq", "upload-dlq.fifo")
ENDS = {"SENT_TO_OPENCAST", "IGNORED"}
NEVER_ACCEPTED = "ON_DEMAND_RECEIVED"
"""The row of a "+Zoom" request whose asker was told of a failure, and asked again."""


@dataclass(frozen=True)
class Result:
    """What came of one crash. `problem` is "" if the recording is in Opencast once and whole."""

    aim: Aim
    deliveries: int = 0
    problem: str = ""


@dataclass(frozen=True)
class Calls:
    """The calls of a function on a recording's way, in order.

    `cold` are those that only a new process makes. `cold_seconds` and `warm_seconds` are how long
    the recording took, from its delivery to its end.
    """

    all: tuple[Call, ...]
    cold: frozenset[Call]
    cold_seconds: float
    warm_seconds: float

    def visible_after(self, way: Way, *, is_cold: bool) -> int:
        """After how many seconds SQS delivers again, in place of 16 minutes.

        The first delivery has to have come to its crash by then, also on a slow machine.
        """
        return max(way.visible_after, ceil(self.cold_seconds if is_cold else self.warm_seconds))


class Sweep:
    """The sweep of one function, whose calls go through `gate`. See `sweep_of`."""

    def __init__(self, way: Way, scene: Scene, gate: Gate) -> None:
        self.way = way
        self._scene = scene
        self._gate = gate
        self._names = Names(scene.driver.state.stack_name)
        # Kept: a client takes longer to make than to use.
        self._sqs = scene.driver.client("sqs")
        self._logs = scene.driver.client("logs")
        self._urls = {name: scene.driver.queue_url(name) for name in (*QUEUES, *DEAD)}

    def learn(self) -> Calls:
        """Let two recordings through, the first by a new process."""
        self._gate.kill()
        cold, cold_seconds = self._calls_of_one()
        warm, warm_seconds = self._calls_of_one()
        return Calls(tuple(cold), frozenset(cold) - set(warm), cold_seconds, warm_seconds)

    def crash(self, aim: Aim, calls: Calls) -> Result:
        """Kill the function there on a new recording's way. DriverError if it never got there."""
        is_cold = aim.call in calls.cold
        result = self._crash(aim, calls, is_cold=is_cold)
        if result is None and not is_cold:
            result = self._crash(aim, calls, is_cold=True)
        if result is None:
            raise DriverError(f"{self.way.function.name} never called {aim.call}.")
        return result

    def _calls_of_one(self) -> tuple[list[Call], float]:
        self._gate.begin(None)
        recording = self.way.make(self._scene)
        began = time.monotonic()
        if not self.way.deliver(self._scene, recording):
            raise DriverError(f"{self.way.function.name} failed without a crash.")
        self._until_settled(recording)
        seconds = time.monotonic() - began
        if problem := self._problem(recording):
            raise DriverError(f"{self.way.function.name} without a crash: {problem}")
        return list(self._gate.calls), seconds

    def _crash(self, aim: Aim, calls: Calls, *, is_cold: bool) -> Result | None:
        if is_cold:
            self._gate.kill()
        recording = self.way.make(self._scene)
        before = self._messages(DEAD)
        began = datetime.now(UTC)
        self._gate.begin(aim)
        try:
            self._deliver(recording, calls.visible_after(self.way, is_cold=is_cold))
            self._until_settled(recording)
        except DriverError as error:
            return Result(aim, problem=f"{error}")
        if not self._gate.killed.is_set():
            return None
        problem = self._problem(recording)
        if self._messages(DEAD) != before:
            problem = problem or "a dead letter"
        return Result(aim, self._invocations(began), problem)

    def _deliver(self, recording: ZoomRecording, visible_after: int) -> None:
        """Deliver until it was taken, and, if a queue leads here, until the crash."""
        way, scene = self.way, self._scene
        with ExitStack() as open_:
            if way.queue:
                hurried = deployed.delivered_again_after(scene.driver, way.queue, visible_after)
                open_.enter_context(hurried)
            if not any(way.deliver(scene, recording) for _ in range(MOST_DELIVERIES)):
                raise DriverError(f"Refused {MOST_DELIVERIES} times.")
            if way.queue:
                scene.wait(
                    lambda: self._gate.killed.is_set() or self._is_settled(recording), "the crash"
                )

    def _until_settled(self, recording: ZoomRecording) -> None:
        self._scene.wait(lambda: self._is_settled(recording), "the recording's end")

    def _is_settled(self, recording: ZoomRecording) -> bool:
        """Whether nothing more will happen. What takes least is asked first."""
        if not self._scene.driver.ingests_of(recording) or self._messages(QUEUES):
            return False
        rows = self._rows(recording)
        return bool(ENDS & rows.keys()) and rows.keys() <= ENDS | {NEVER_ACCEPTED}

    def _messages(self, queues: Iterable[str]) -> int:
        """How many messages are on these, delayed ones and those in flight included.

        A recording leaves the first for the second, so they are counted in order.
        """
        return sum(self._count(self._urls[name]) for name in queues)

    def _count(self, url: str) -> int:
        found = self._sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        kinds = ("", "Delayed", "NotVisible")
        return sum(int(found[f"ApproximateNumberOfMessages{kind}"]) for kind in kinds)

    def _rows(self, recording: ZoomRecording) -> Counter[str]:
        found = self._scene.driver.status(recording.meeting_id).get(recording.uuid, [])
        return Counter(row.status for row in found)

    def _problem(self, recording: ZoomRecording) -> str:
        """What is wrong with the recording in Opencast, or of what is left; "" if nothing is."""
        ingests = self._scene.driver.ingests_of(recording)
        taken = [one for one in ingests if one.status == 200]
        if len(taken) != 1:
            return f"{len(taken)} times in Opencast"
        (ingest,) = taken
        if [one.sha256 for one in ingest.files] != [one.sha256 for one in recording.wanted()]:
            return "not all files, or not whole"
        if ingest.series != SERIES:
            return f"in series {ingest.series}"
        if self._scene.unfinished(recording):
            return "an upload to S3 was left open"
        if self._rows(recording)["SENT_TO_OPENCAST"] != 1:
            return f"rows: {dict(self._rows(recording))}"
        return ""

    def _invocations(self, since: datetime) -> int:
        group = self._names.log_group(self.way.function)
        begin = int(since.timestamp() * 1000)
        found = self._logs.filter_log_events(logGroupName=group, startTime=begin)["events"]
        return sum(one["message"].startswith("START ") for one in found)


@contextmanager
def sweep_of(way: Way, driver: Driver, home: Path) -> Iterator[Sweep]:
    """The sweep of a function, whose calls go through proxies as long as this is open.

    `home` is the folder of the local stack.
    """
    names, state = Names(driver.state.stack_name), driver.state
    function = names.function(way.function)
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
        led = {name: proxies.instead(value) for name, value in variables.items()}
        settings = {**led, "AWS_ENDPOINT_URL": proxies.url("aws"), **way.settings}
        with ExitStack() as open_:
            open_.enter_context(deployed.limited(driver, function, found["Timeout"], **settings))
            if way.function is DOWNLOADER:
                open_.enter_context(_downloads_through(driver, proxies))
            open_.enter_context(way.around(driver))
            yield Sweep(way, Scene(driver, seconds=SECONDS), gate)


@contextmanager
def _downloads_through(driver: Driver, proxies: Proxies) -> Iterator[None]:
    """Zoom hands out addresses of downloads that lead through the proxies."""
    driver.switch_zoom(downloads_at=proxies.url("zoom"))
    try:
        yield
    finally:
        driver.switch_zoom(downloads_at="")


def aims_of(calls: Iterable[Call]) -> list[Aim]:
    """Both moments of each call."""
    return [Aim(call, moment) for call in calls for moment in Moment]
