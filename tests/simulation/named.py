"""Named worlds: a small world for each known cause of a loss.

In the worlds of `REPORTED` the pipeline leaves out a file, and reports the missing file. In the
other worlds the pipeline's design removes the cause, and no file is missing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from tests.simulation.faults import Fault, Kind
from tests.simulation.scenarios import HOUR, MINUTE, SERIES
from tests.simulation.truth import (
    CHAT,
    VIDEO,
    FileTruth,
    Forgery,
    Happening,
    PlusZoom,
    RecordingTruth,
    Rotation,
    Scenario,
    Site,
    Trash,
    WebhookEvent,
)
from tests.simulation.world import DAY, THROTTLED

UUID = "aaaaaaaaaaaaaaaaaaaaaa=="
COMPLETED = "recording.completed"
SPEAKER, SCREEN = "active_speaker", "shared_screen"
SEGMENT, GAP = 1800.0, 120.0
BEGIN = 600.0
DONE = BEGIN + 2 * (SEGMENT + GAP) + 300.0
"""The world's time at which Zoom has processed the files of two segments."""

SIZE = 450_000_000
SITE = Site(default_series=SERIES[0], series=SERIES, opencast_rate=100e6, zoom_rate=60e6)


@dataclass(frozen=True)
class NamedWorld:
    """A world, the number of its cause, and a sentence that describes the cause."""

    cause: str
    sentence: str
    scenario: Scenario

    def __str__(self) -> str:
        return f"{self.cause} {self.sentence}"


REPORTED = frozenset(("5a", "5b", "7", "13"))
"""The numbers of the causes for which the pipeline reports a missing file."""


def file(
    segment: int,
    kind: str = SPEAKER,
    *,
    size: int = SIZE,
    finished: float = DONE,
    listed: float = 0.0,
) -> FileTruth:
    """Make a file of a segment. Segments count from 0. `listed` is by default `finished`."""
    begins = BEGIN + segment * (SEGMENT + GAP)
    return FileTruth(
        id=f"f{segment}-{kind}",
        type=CHAT if kind == "chat_file" else VIDEO,
        recording_type=kind,
        begins=begins,
        ends=begins + SEGMENT,
        size=size,
        finished=finished,
        fetchable=finished,
        listed=listed or finished,
    )


def notify(at: float, *files: FileTruth, lacks: tuple[str, ...] = ()) -> WebhookEvent:
    return WebhookEvent(at, UUID, COMPLETED, tuple(file.id for file in files), lacks)


def scenario(
    files: tuple[FileTruth, ...],
    *happenings: Happening,
    site: Site = SITE,
    faults: tuple[Fault, ...] = (),
    days: float = 3.0,
) -> Scenario:
    recording = RecordingTruth(UUID, 91234567890, "host", "Topic", BEGIN, 64, files)
    return Scenario(1, (recording,), happenings, site, faults, days)


def worlds() -> tuple[NamedWorld, ...]:
    """Return all named worlds."""
    return (
        *_staging(),
        *_waiting(),
        *_outcomes(),
        *_two_rows(),
        *_secrets(),
        *_bounds(),
        *_odd_webhook_events(),
    )


def _staging() -> tuple[NamedWorld, ...]:
    f0, f1 = file(0), file(1)
    s0, s1 = file(0, SCREEN), file(1, SCREEN)
    overwritten = scenario(
        (f0, f1, s0, s1),
        notify(DONE + 10, f1, s1),
        notify(DONE + 70, f0, f1, s0, s1),
        site=replace(SITE, opencast_rate=1e6),
        faults=(Fault(Kind.CRASH_BEFORE, "dynamodb.UpdateItem", 5),),
    )
    chat = file(0, "chat_file", size=500)
    dropped = scenario(
        (f0, chat),
        notify(DONE + 10, f0),
        notify(DONE + 70, chat),
        faults=(Fault(Kind.ERROR_BEFORE, "sqs.SendMessage", 1, detail=THROTTLED),),
    )
    return (
        NamedWorld("1", "a delayed message overwrites a file that Opencast fetches", overwritten),
        NamedWorld("2", "files count as known although their message was never sent", dropped),
    )


def _waiting() -> tuple[NamedWorld, ...]:
    f0, f1 = file(0), file(1, finished=DONE + HOUR, listed=DONE + 2 * HOUR)
    lagging = scenario((f0, f1), notify(DONE + 10, f0, f1))
    return (NamedWorld("3", "the API's list lags behind the webhook event", lagging),)


def _outcomes() -> tuple[NamedWorld, ...]:
    f0 = file(0)
    slow = replace(SITE, opencast_rate=SIZE / 600.0, workflow_seconds=30.0)
    proxy = Fault(Kind.PROXY, "opencast.POST", 1, detail="502")
    goes_on = scenario((f0,), notify(DONE + 10, f0), site=slow, faults=(proxy,))
    very_slow = replace(
        SITE, opencast_rate=SIZE / (6 * HOUR + 30 * MINUTE), workflow_seconds=2 * HOUR
    )
    refused = scenario(
        (f0,),
        notify(DONE + 10, f0),
        site=very_slow,
        faults=(Fault(Kind.REFUSAL, "opencast.POST", 2, detail="400"),),
    )
    down = Fault(Kind.OUTAGE, "opencast", 0, DONE, 6 * HOUR)
    waits = scenario((f0,), notify(DONE + 10, f0), faults=(down,))
    return (
        NamedWorld("4a", "a proxy answers 502 while Opencast continues", goes_on),
        NamedWorld("4b", "a 4xx to a second POST hides the first POST", refused),
        NamedWorld("9", "Opencast is down for six hours", waits),
    )


def _two_rows() -> tuple[NamedWorld, ...]:
    f0, f1 = file(0), file(1, listed=DONE + 2 * HOUR)
    two_rows = scenario((f0, f1), PlusZoom(DONE + 10, UUID), notify(DONE + 2 * HOUR, f0, f1))
    f2 = file(1, listed=DONE + 8 * DAY)
    late = scenario((f0, f2), notify(DONE + 10, f0), notify(DONE + 8 * DAY, f0, f2), days=10.0)
    return (
        NamedWorld("5a", "late files meet the row of another request", two_rows),
        NamedWorld("5b", "late files come after the row has expired", late),
    )


def _secrets() -> tuple[NamedWorld, ...]:
    f0 = file(0)
    warm = WebhookEvent(DONE - 60, UUID, "recording.stopped")
    throttled = scenario(
        (f0,),
        warm,
        Rotation(DONE, ""),
        notify(DONE + 10, f0),
        faults=(Fault(Kind.OUTAGE, "ssm", 0, DONE, 60.0, THROTTLED),),
    )
    forged = scenario((f0,), warm, Forgery(DONE, ""), Rotation(DONE + 3, ""), notify(DONE + 6, f0))
    return (
        NamedWorld("6a", "the new secret can't be read when it is needed", throttled),
        NamedWorld(
            "6b", "a forged request comes just before the first request with a new secret", forged
        ),
    )


def _bounds() -> tuple[NamedWorld, ...]:
    big = file(0, size=4_000_000_000)
    endless = scenario(
        (big,),
        notify(DONE + 10, big),
        site=replace(SITE, zoom_rate=2e6, etags_differ=True),
        days=2.0,
    )
    late = file(0, finished=DONE + 12 * HOUR, listed=DONE)
    outage = Fault(Kind.OUTAGE, "dynamodb", 0, DONE + 250.0, 3 * HOUR)
    multiplied = scenario((late,), notify(DONE + 10, late), faults=(outage,))
    small = file(0)
    cut_short = scenario(
        (small,),
        notify(DONE + 10, small),
        site=replace(SITE, reconcile=False),
        faults=(
            Fault(Kind.OUTAGE, "zoom", 0, DONE + 5, 20 * HOUR),
            Fault(Kind.CRASH_BEFORE, "sqs.SendMessage", 2),
        ),
    )
    return (
        NamedWorld("7", "a copy starts again in each invocation", endless),
        NamedWorld("8", "an outage of DynamoDB multiplies a waiting message", multiplied),
        NamedWorld("13", "a crash interrupts the receive that dead-letters a message", cut_short),
    )


def _odd_webhook_events() -> tuple[NamedWorld, ...]:
    f0, studio = file(0), file(0, "production_studio")
    completed = notify(DONE + 10, f0)

    def trash(*, batch: bool) -> Scenario:
        return scenario((f0,), completed, Trash(DONE + 60, UUID, 2 * HOUR, batch=batch))

    return (
        NamedWorld(
            "10-token",
            "the webhook event has no download_token",
            scenario((f0,), notify(DONE + 10, f0, lacks=("download_token",))),
        ),
        NamedWorld(
            "10-host",
            "the webhook event has no host_id",
            scenario((f0,), notify(DONE + 10, f0, lacks=("host_id",))),
        ),
        NamedWorld("11", "an abandoned recording is recovered from the trash", trash(batch=False)),
        NamedWorld("11-batch", "a batch of recordings is trashed and recovered", trash(batch=True)),
        NamedWorld(
            "12",
            "the type of the video is unknown",
            scenario((studio,), notify(DONE + 10, studio)),
        ),
    )
