"""Play a scenario: build its world, plan its happenings and run the world to the end."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

import msgspec

from ingester.recording.files import automated_zip_id
from ingester.zoom import webhook_client
from ingester.zoom.webhook_events import IngestOptions
from tests.simulation.cloud import OWN_KEY, SECRETS, ZOOM_SECRET, Cloud, Instrumentation
from tests.simulation.event_sources import LambdaFunction
from tests.simulation.logs import Mail, collected
from tests.simulation.system import System
from tests.simulation.truth import (
    DeletedInOpencast,
    Forced,
    Forgery,
    Happening,
    PlusZoom,
    Rotation,
    Scenario,
    Trash,
    WebhookEvent,
)
from tests.simulation.world import BEGIN, DAY, Endless, Killed, World
from tests.simulation.zoom import Zoom, signed

NEW_SECRET = "zoom-secret-2"
HOUR = 3600.0
RECONCILED_AFTER = 48 * HOUR
"""Seconds for which reconcile runs after the last happening or fault.

In the scenario of a seed, Zoom's list lacks a file for 30 hours at most. A copy may wait for a day.
"""
HOURLY, RARELY = 4 * HOUR, 6
"""Seconds of hourly runs of reconcile after the last happening or fault, and hours between later
runs."""

CAPTIONS_DAYS = 13
"""Days that a world with captions lasts at least after its last happening.

The pipeline waits a week for captions after the ingest. Behind a paused workflow two messages wait
56 hours each.
"""

FOLLOWED_DAYS = 8
"""Days that a world lasts longer if its ingests are followed. Following takes at most a week."""

FAILED_PAUSE = 300.0
"""Seconds for which a failed run of follow delays the next run.

A write of a record may plan an earlier run. The real rule starts a run every minute.
"""

ASYNC_RETRIES = 2
MOST_EVENTS, EVENTS_OF_A_RECORDING = 200_000, 2_000
"""Limits of the events in a world's day: in all, and per recording. The greater limit counts."""


@dataclass
class Request:
    """A person's request and its answers.

    `answers` are the HTTP statuses, or None for no answer. `known` are the ids of the files
    that Zoom listed at the end of an attempt.
    """

    happening: PlusZoom | Forced
    answers: list[int | None] = field(default_factory=list)
    known: set[str] = field(default_factory=set)

    @property
    def was_taken(self) -> bool:
        return 200 in self.answers


@dataclass
class Played:
    """A world that has run, with the data that the judge needs."""

    scenario: Scenario
    world: World
    cloud: Cloud
    zoom: Zoom
    system: System
    requests: list[Request]
    mails: list[Mail] = field(default_factory=list)
    is_endless: bool = False


def play(
    scenario: Scenario, *, story: bool = False, instrumentation: Instrumentation | None = None
) -> Played:
    """Run a scenario until no event is planned, or until its time is over.

    A world with too many events or messages ends early. `is_endless` is set for such a world, and
    for a world that still has planned events at the end.
    """
    instrumentation = instrumentation or Instrumentation()
    world = World(scenario.seed, scenario.faults, story=story)
    cloud = Cloud(world, scenario, instrumentation)
    zoom = Zoom(world, scenario, ZOOM_SECRET)
    system = System(world, scenario, cloud, zoom)
    played = Played(scenario, world, cloud, zoom, system, [])
    happenings = _Happenings(played)
    for happening in scenario.happenings:
        world.at(happening.at, lambda happening=happening: happenings.start(happening))  # type: ignore[misc]  # bound now
    until = max(scenario.until, _plan_reconciles(system, scenario) + 2 * DAY)
    if scenario.site.captions:
        last = max((happening.at for happening in scenario.happenings), default=0.0)
        until = max(until, last + CAPTIONS_DAYS * DAY)
    if scenario.site.follows:
        until += FOLLOWED_DAYS * DAY
        _FollowClock(system).look()
    with collected(world, instrumentation.log) as collector:
        try:
            _run(world, cloud, scenario, until)
        except Endless:
            played.is_endless = True
    played.is_endless = played.is_endless or not world.has_ended
    played.mails = collector.mails
    return played


def _plan_reconciles(system: System, scenario: Scenario) -> float:
    """Plan EventBridge's calls of reconcile. Return a time after the last call, or 0 without calls.

    The first call comes before all happenings, and sets the stack's baseline.
    """
    if not scenario.site.reconcile:
        return 0.0
    moments = [happening.at for happening in scenario.happenings]
    moments += [fault.at + fault.seconds for fault in scenario.faults]
    end = max(moments, default=0.0)
    last = end + RECONCILED_AFTER
    for hour in range(int(last / HOUR) + 1):
        if hour * HOUR > end + HOURLY and hour % RARELY:
            # The skipped runs would be a third of a world's calls, and would find nothing new.
            continue
        system.world.at(hour * HOUR, partial(_reconcile, system.reconcile, system.world))
    return last + HOUR


def _reconcile(function: LambdaFunction[Any], world: World, retries: int = 0) -> None:
    """Invoke a function as EventBridge does: Lambda retries a failure after one and two minutes.

    Source: https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
    """
    answered = function.invoke({"source": "aws.events"})

    def ended() -> None:
        _, error = answered.value or (None, Killed())
        if error is not None and retries < ASYNC_RETRIES:
            seconds = 60.0 * (retries + 1)
            world.after(seconds, partial(_reconcile, function, world, retries + 1))

    answered.waiting.append(ended)


class _FollowClock:
    """A fake of EventBridge's rule that calls follow every minute.

    The fake leaves out each run for which no poll is due.
    """

    def __init__(self, system: System) -> None:
        self._system = system
        self._world = system.world
        self._planned: float | None = None
        self._plans = 0
        system.cloud.recordings.on_write = self.look

    def look(self, after: float = 0.0) -> None:
        """Plan a run of follow for the minute after the first ingest is due.

        The run begins at least `after` seconds from now. Do nothing if no ingest is followed, or if
        a run is planned for the same or an earlier minute.
        """
        stored = self._system.cloud.recordings._stored  # noqa: SLF001  # `items` copies every row
        dues = [
            datetime.fromisoformat(item["follow_due"]).timestamp() - BEGIN.timestamp()
            for item in stored.values()
            if "follow_due" in item
        ]
        if not dues:
            return
        earliest = max(min(dues), self._world.time + after)
        minute = (earliest // 60 + 1) * 60
        if self._planned is None or minute < self._planned:
            self._planned = minute
            self._plans += 1
            self._world.at(minute, partial(self._begin, self._plans))

    def _begin(self, plan: int) -> None:
        if plan != self._plans:
            return
        answered = self._system.follow.invoke({"source": "aws.events"})

        def ended() -> None:
            self._planned = None
            _, error = answered.value or (None, Killed())
            self.look(FAILED_PAUSE if error else 0.0)

        answered.waiting.append(ended)


def _run(world: World, cloud: Cloud, scenario: Scenario, until: float) -> None:
    """Run the world until it ends or until `until`, and delete expired data once a day."""
    day = 0.0
    most_events = max(MOST_EVENTS, EVENTS_OF_A_RECORDING * len(scenario.recordings))
    while not world.has_ended and day < until:
        day += DAY
        world.run(min(day, until), most_events)
        world.reach(min(day, until))
        cloud.expire()


class _Happenings:
    """A starter of a scenario's happenings."""

    def __init__(self, played: Played) -> None:
        self._played = played
        self._world = played.world
        self._system = played.system
        self._zoom = played.zoom

    def start(self, happening: Happening) -> None:
        match happening:
            case WebhookEvent():
                self._start("zoom", lambda: self._zoom.notify(happening, self._post))
            case PlusZoom():
                self._start("person", lambda: self._plus_zoom(happening))
            case Forced():
                self._start("operator", lambda: self._force(happening))
            case Trash():
                self._start("zoom", lambda: self._trash(happening))
            case DeletedInOpencast():
                self._world.record(f"somebody deletes {happening.uuid} in Opencast")
                self._system.opencast.delete(happening.uuid)
            case Rotation():
                self._rotate()
            case Forgery():
                self._start("forger", self._forge)

    def _start(self, name: str, work: Callable[[], object]) -> None:
        self._world.start(name, work).waiting.append(lambda: None)

    def _post(self, body: bytes, headers: object, seconds: float) -> int | None:
        answer = self._system.new_recording.post(body, dict(headers), seconds)  # type: ignore[call-overload]  # a mapping
        return answer[0] if answer else None

    def _plus_zoom(self, asked: PlusZoom) -> None:
        request = Request(asked)
        self._played.requests.append(request)
        body = {
            "uuid": asked.uuid,
            "oc_series_id": asked.series,
            "allow_multiple_ingests": asked.allow_multiple,
            "ingest_all_mp4": asked.all_mp4,
        }
        for _ in range(1 + asked.again):
            answer = self._system.ingest.post(json.dumps(body).encode(), {}, 29.0)
            request.answers.append(answer[0] if answer else None)
            request.known |= self._zoom.listed_now(asked.uuid)
            self._world.record(
                f"+Zoom of {asked.uuid} into {asked.series or 'no series'} → {answer}"
            )
            if answer and answer[0] < 500:
                return
            self._world.sleep(900.0)

    def _force(self, forced: Forced) -> None:
        """Run `exec.pipeline`: post Zoom's recording, signed with the pipeline's own key."""
        request = Request(forced)
        self._played.requests.append(request)
        for _ in range(3):
            recording = self._system.recording_for_operator(forced.uuid)
            if recording is not None:
                options = IngestOptions(
                    zip_id=automated_zip_id(forced.uuid),
                    force=True,
                    override_series_id=forced.series or msgspec.UNSET,
                )
                body = webhook_client.webhook_event(recording, options, self._world.now())
                headers = signed(OWN_KEY, self._world.now().timestamp(), body)
                status = self._post(body, headers, 20.0)
                request.answers.append(status)
                request.known |= self._zoom.listed_now(forced.uuid)
                self._world.record(f"exec.pipeline of {forced.uuid} → {status}")
                if status is not None and status < 500:
                    return
            self._world.sleep(600.0)

    def _trash(self, trash: Trash) -> None:
        state = self._zoom.recordings[trash.uuid]
        state.in_trash = state.trashed_ever = True
        batch: dict[str, tuple[str, ...]] = {"uuids": (trash.uuid,)} if trash.batch else {}
        kind = "batch_" if trash.batch else ""
        self._notify(f"recording.{kind}trashed", trash.uuid, batch)
        if trash.recovered:
            self._world.sleep(trash.recovered)
            state.in_trash = False
            files = tuple(file.id for file in state.truth.files)
            fields = batch or {"files": files}
            self._notify(f"recording.{kind}recovered", trash.uuid, fields)

    def _notify(self, event: str, uuid: str, fields: dict[str, tuple[str, ...]]) -> None:
        notify = WebhookEvent(self._world.time, uuid, event, **fields)  # type: ignore[arg-type]  # tuples only
        self._start("zoom", lambda: self._zoom.notify(notify, self._post))

    def _rotate(self) -> None:
        self._world.record("the secret is rotated")
        name = f"{SECRETS}/WEBHOOK_VALIDATION_SECRET_TOKEN"
        self._played.cloud.parameters.set(name, f"{NEW_SECRET},{ZOOM_SECRET}")
        self._zoom.secret = NEW_SECRET

    def _forge(self) -> None:
        body = b'{"event": "recording.completed", "payload": {"object": {"uuid": "forged"}}}'
        headers = signed("a guess", self._world.now().timestamp(), body)
        self._world.record(f"forged request → {self._post(body, headers, 10.0)}")
