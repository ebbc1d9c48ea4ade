"""The demo, which sends recordings from Zoom to Opencast and checks the results.

The demo has (a) a lecture in the schedule, (b) a "+Zoom" request with a link and a series,
(c) a recording without a scheduled class, (d) forged webhook events, (e) a repeat of (a), (f) a
recording whose webhook event is lost, and (g) a second lecture, whose webhook event is sent
when the functions are warm.
Captions are ingested. The demo succeeds if every check holds.
"""

from __future__ import annotations

import csv
import re
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from ingester.pipeline.reasons import NO_SERIES
from ingester.pipeline.states import State
from ingester.recording.files import zoom_page_of
from ingester.schedule.importer import ImportReport
from ingester.schedule.model import DAYS
from ingester.schedule.sheet.cells import MORNING
from local.driver import Driver, DriverError, Ingest, OpencastIngest, ZoomRecording
from ops import terminal
from ops.schedule.commands import import_csv, show
from ops.schedule.files import read_csv

LECTURE, REQUESTED, UNCLAIMED, FORGED = 86168921331, 92345678901, 81122334455, 70000000001
MISSED, WARM = 84433221100, 85544332211
SCHEDULED_SERIES, REQUESTED_SERIES = "20260112345", "20260199999"
END_STATES = frozenset({"PUBLISHED", "IGNORED"})
FAILED_STATES = frozenset(
    {"WEBHOOK_FAILED", "DOWNLOADER_FAILED", "UPLOADER_FAILED", "OPENCAST_FAILED"}
)
SENT = "SENT_TO_OPENCAST"
SETTINGS = {"INGEST_CAPTIONS": "true", "CAPTIONS_WORKFLOW": "schedule-and-upload"}
"""Settings of the demo's stack in addition to the local defaults."""

CAPTIONS = "captions/source"
CUES = ["00:00:01.000", "00:02:11.000"]
"""Times of the cues of (a) in the joined video. In each segment, a cue begins after one second."""

LATER = timedelta(minutes=90)
"""Time from the start of the first scheduled classes to the start of (f)."""

ASK_SECONDS = 0.5
"""Minimum seconds between two runs of follow for a recording. In AWS a schedule starts follow."""

MOST_SECONDS = 60.0
POLL_SECONDS = 0.1
STAMP = "%Y-%m-%dT%H:%M:%SZ"


@dataclass
class Journey:
    """A recording that the demo follows.

    `steps` has each state that was seen, with the seconds since `began`.
    """

    title: str
    recording: ZoomRecording
    began: float = field(default_factory=time.monotonic)
    steps: list[tuple[str, float]] = field(default_factory=list)
    reason: str = ""

    @property
    def state(self) -> str:
        return self.steps[-1][0] if self.steps else "…"

    @property
    def is_over(self) -> bool:
        return self.state in END_STATES | FAILED_STATES

    @property
    def seconds(self) -> float:
        """The seconds from `began` until the last state if `is_over`, else until now."""
        return self.steps[-1][1] if self.is_over else time.monotonic() - self.began

    def take(self, status: Ingest | None) -> bool:
        """Append an ingest's state to `steps`, and keep the ingest's reason, if the state is new.

        A state is new if it differs from the last state. Return whether the state is new, or False
        without an ingest.
        """
        if status is None or status.status == self.state:
            return False
        self.steps.append((status.status, time.monotonic() - self.began))
        self.reason = status.reason
        return True


@dataclass(frozen=True)
class Check:
    """An expectation of the demo, and whether the expectation holds.

    `found` describes the actual result.
    """

    what: str
    holds: bool
    found: str = ""


def run(driver: Driver, folder: Path, zone: ZoneInfo, console: Console) -> bool:
    """Run the demo on a running stack, print the results, and return whether every check holds.

    The demo writes the schedule's CSV file to `folder`. `zone` is the time zone of the stack's
    schedule.

    Raises:
        DriverError: The recordings take too long, or a request fails.
        OpsError, ScheduleUnreadable: See `import_schedule`.
    """
    start = class_start(datetime.now(UTC), zone)
    late = start + LATER
    classes = {
        LECTURE: start.astimezone(zone),
        MISSED: late.astimezone(zone),
        WARM: start.astimezone(zone),
    }
    console.print("\n[bold]Class schedule[/bold] imported from CSV")
    show(import_schedule(driver, folder / "schedule.csv", classes), dry_run=False)
    driver.add_series(SCHEDULED_SERIES, "HIST E-1010 Mapping the Ocean")
    driver.add_series(REQUESTED_SERIES, "Guest Lectures")
    console.print("\n[bold]Recordings on their way[/bold], as GET /status tells")
    with ThreadPoolExecutor() as senders:
        with terminal.working("Making recordings"):
            journeys = [
                Journey("(a) class", _lecture(driver, start)),
                Journey("(b) +Zoom", _guest(driver, start)),
                Journey("(c) unclaimed", _private(driver, start)),
                Journey("(f) no webhook", _missed(driver, late)),
            ]
        lecture, guest, private, missed = journeys
        forged = senders.submit(_forge, driver, start)
        repeat = senders.submit(_send_lecture, driver, lecture, start)
        asked = senders.submit(_ask, driver, guest)
        sent = senders.submit(driver.send, "recording.completed", private.recording.uuid)
        found = senders.submit(_reconcile, driver, late)
        _follow(driver, journeys, [forged, repeat, asked, sent, found], console)
    journeys.append(Journey("(g) warm", _warm(driver, start)))
    answered = driver.send("recording.completed", journeys[-1].recording.uuid)
    _follow(driver, journeys, [], console)
    before = _waiting(driver)
    answers = [*repeat.result(), driver.send("recording.completed", lecture.recording.uuid).status]
    checks = [
        *_check_lecture(driver, lecture, start),
        *_check_requested(driver, guest),
        _check_private(driver, private),
        Check(
            "(d) forged webhooks are refused with 401 and leave no row",
            forged.result() == [401, 401, 401] and not driver.status(FORGED),
            str(forged.result()),
        ),
        _check_repeats(driver, lecture, answers, before),
        _check_missed(driver, missed),
        Check(
            "(g) went the same way without a cold start, and is published",
            (answered.status, journeys[-1].state) == (200, "PUBLISHED"),
            f"{answered.status} {journeys[-1].state}",
        ),
    ]
    _show_times(driver, journeys)
    return report(checks, console)


def class_start(now: datetime, zone: ZoneInfo) -> datetime:
    """Return a time in UTC, at least three hours before `now`, at which scheduled classes begin.

    Neither the time nor the time plus `LATER` is at night in `zone`, because the import of the
    schedule gives a hint about scheduled classes at night.
    """
    start = now.replace(microsecond=0) - timedelta(hours=3)
    while any(moment.astimezone(zone).hour < MORNING for moment in (start, start + LATER)):
        start -= timedelta(hours=1)
    return start


def _check_private(driver: Driver, private: Journey) -> Check:
    return Check(
        "(c) nobody's recording is IGNORED with its reason",
        (private.state, private.reason) == ("IGNORED", NO_SERIES)
        and not driver.ingests_of(private.recording),
        f"{private.state} {private.reason}",
    )


def import_schedule(
    driver: Driver, path: Path, classes: dict[int, datetime], series: str = SCHEDULED_SERIES
) -> ImportReport:
    """Write a schedule's CSV file to `path`, import the file, and return the report.

    `classes` maps each meeting's number to a time at which the scheduled class begins, in local
    time. `series` is the Opencast series of all scheduled classes in the file.

    Raises:
        OpsError, ScheduleUnreadable: See `ops.schedule.commands.import_csv`.
    """
    link = f"https://opencast.example.edu/engage/ui/index.html#/{series[:4]}"
    rows = [
        ["Course Code", "Type", "Day", "Start", "Meeting ID with Password", "OC Series"],
        *(
            [
                "HIST E-1010",
                "lecture",
                DAYS[start.weekday()],
                f"{start:%H:%M}",
                f"https://example.zoom.us/j/{meeting}?pwd=hidden",
                f"{link}/{series[4:6]}/{series[6:]}",
            ]
            for meeting, start in classes.items()
        ),
    ]
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)
    return import_csv(driver.table("schedule"), read_csv(path))


def _lecture(driver: Driver, start: datetime) -> ZoomRecording:
    """Add recording (a), which has two segments, two views and a chat, to Zoom."""
    return driver.add_lecture(
        meeting_id=LECTURE, start_time=start, topic="HIST E-1010 Mapping the Ocean", seed="a"
    )


def _guest(driver: Driver, start: datetime) -> ZoomRecording:
    """Add recording (b), which a "+Zoom" request names, to Zoom."""
    return driver.add_lecture(
        meeting_id=REQUESTED, start_time=start, topic="A guest", seed="b", segments=1
    )


def _private(driver: Driver, start: datetime) -> ZoomRecording:
    """Add recording (c), whose meeting isn't in the schedule, to Zoom."""
    return driver.add_lecture(
        meeting_id=UNCLAIMED, start_time=start, topic="A private chat", seed="c", segments=1
    )


def _missed(driver: Driver, start: datetime) -> ZoomRecording:
    """Add recording (f), which ended more than an hour ago, to Zoom without a webhook event."""
    return driver.add_lecture(
        meeting_id=MISSED,
        start_time=start,
        topic="A lecture without a webhook event",
        seed="f",
        segments=1,
    )


def _warm(driver: Driver, start: datetime) -> ZoomRecording:
    """Add recording (g), whose webhook event is sent when the functions are warm, to Zoom."""
    return driver.add_lecture(
        meeting_id=WARM, start_time=start, topic="HIST E-1010 Mapping the Ocean", seed="g"
    )


def _reconcile(driver: Driver, start: datetime) -> None:
    """Run reconcile with the start of recording (f) as the baseline."""
    driver.set_reconcile_baseline(start)
    driver.reconcile()


def _send_lecture(driver: Driver, journey: Journey, start: datetime) -> list[int]:
    """Send the webhook events of (a), and return the statuses for `recording.completed`.

    `recording.completed` is sent twice, because (e) is a repeat.
    """
    uuid = journey.recording.uuid
    for event, second in (("started", 0), ("paused", 30), ("resumed", 60), ("stopped", 130)):
        moment = int((start + timedelta(seconds=second)).timestamp() * 1000)
        driver.send(f"recording.{event}", uuid, event_ts=moment)
    driver.send("meeting.ended", uuid)
    return [driver.send("recording.completed", uuid).status for _ in range(2)]


def _ask(driver: Driver, journey: Journey) -> None:
    """Request recording (b) as the "+Zoom" form does, with a Zoom link and a series.

    Raises:
        DriverError: The answer isn't 200.
    """
    link = zoom_page_of(journey.recording.uuid, "https://zoom.us")
    answer = driver.request_ingest(uuid=link, oc_series_id=REQUESTED_SERIES)
    if answer.status != 200:
        raise DriverError(f"POST /ingest answered {answer.status}: {answer.body}")


def _forge(driver: Driver, start: datetime) -> list[int]:
    """Add recording (d) to Zoom, send forged webhook events, and return the statuses."""
    stranger = driver.add_lecture(
        meeting_id=FORGED, start_time=start, topic="Forged", seed="d", segments=1
    )
    forgeries = ("wrong_secret", "old_timestamp", "unsigned")
    return [
        driver.send("recording.completed", stranger.uuid, forge=forge).status for forge in forgeries
    ]


def _follow(
    driver: Driver, journeys: list[Journey], senders: list[Future[Any]], console: Console
) -> None:
    """Run follow and poll GET /status until all `journeys` are over. Show each change.

    Raises:
        DriverError: A journey isn't over after a minute, or a request failed here or in `senders`.
    """
    end = time.monotonic() + MOST_SECONDS
    asks_at = 0.0
    with Live(_progress(journeys), console=console, transient=True) as live:
        while not all(journey.is_over for journey in journeys):
            if time.monotonic() > asks_at:
                for journey in journeys:
                    if journey.state == SENT:
                        driver.follow(journey.recording.uuid)
                asks_at = time.monotonic() + ASK_SECONDS
            for journey in journeys:
                if not journey.is_over and journey.take(driver.ingest_details(journey.recording)):
                    name, seconds = journey.steps[-1]
                    live.console.print(f"  {seconds:5.1f} s  {journey.title:<14} {name}")
            live.update(_progress(journeys))
            for sender in senders:
                if sender.done():
                    sender.result()
            if time.monotonic() > end:
                stuck = ", ".join(j.title for j in journeys if not j.is_over)
                raise DriverError(f"Not done after {MOST_SECONDS:.0f} s: {stuck}.")
            time.sleep(POLL_SECONDS)


def _progress(journeys: list[Journey]) -> Table:
    table = Table(box=None, show_header=False, padding=(0, 2))
    for journey in journeys:
        mark = "✓" if journey.is_over else "…"
        table.add_row(mark, journey.title, journey.state, f"{journey.seconds:.1f} s")
    return table


def _check_lecture(driver: Driver, journey: Journey, start: datetime) -> list[Check]:
    ingests = driver.ingests_of(journey.recording)
    if len(ingests) != 1:
        return [Check("(a) is in Opencast once", False, f"{len(ingests)} ingests")]
    (ingest,) = ingests
    flavors = [
        ("multipart/chunked+source", "active_speaker"),
        ("presentation/chunked+source", "shared_screen"),
        ("chat/chunked+source", "chat_file"),
    ]
    expected = [
        (flavor, file.sha256, file.size)
        for flavor, view in flavors
        for file in journey.recording.expected_files()
        if file.recording_type == view
    ]
    return [
        Check(
            f"(a) Opencast's {len(expected)} files are Zoom's byte for byte, each in its flavor",
            _fetched(ingest) == expected and len(expected) == 6,
            f"{len(ingest.files)} files",
        ),
        Check(
            "(a) has captions, with the cues of both segments at their times in the joined video",
            _cues(ingest) == CUES,
            str(_cues(ingest)),
        ),
        Check(
            f"(a) went to the series of its course, {SCHEDULED_SERIES}, as a lecture",
            (ingest.series, ingest.values("title")) == (SCHEDULED_SERIES, ["Lecture"]),
            f"{ingest.series} {ingest.values('title')}",
        ),
        Check(
            "(a) zoomRecordingTimes leaves the pauses out",
            ingest.values("zoomRecordingTimes") == [_spans(start)],
            str(ingest.values("zoomRecordingTimes")),
        ),
    ]


def _spans(start: datetime) -> str:
    """Return the start and end times of (a) in the format of `zoomRecordingTimes`.

    The times leave out the pause from 30 to 60 s, and the pause between the two segments.
    """
    seconds = ((0, 30), (60, 130), (190, 320))
    return ",".join(
        "_".join((start + timedelta(seconds=second)).strftime(STAMP) for second in span)
        for span in seconds
    )


def _check_requested(driver: Driver, journey: Journey) -> list[Check]:
    ingests = driver.ingests_of(journey.recording)
    sent = {(file.sha256, file.size) for file in journey.recording.expected_files()}
    got = [{(digest, size) for _, digest, size in _fetched(ingest)} for ingest in ingests]
    return [
        Check(
            f"(b) is there once, byte for byte, in the series asked for, {REQUESTED_SERIES}",
            got == [sent] and ingests[0].series == REQUESTED_SERIES,
            f"{len(ingests)} ingests",
        )
    ]


def _waiting(driver: Driver) -> int:
    """Return the number of visible, delayed and in-flight messages on the download queue."""
    attributes = driver.client("sqs").get_queue_attributes(
        QueueUrl=driver.queue_url("download"), AttributeNames=["All"]
    )["Attributes"]
    kinds = ("", "Delayed", "NotVisible")
    return sum(int(attributes[f"ApproximateNumberOfMessages{kind}"]) for kind in kinds)


def _check_repeats(driver: Driver, lecture: Journey, answers: list[int], before: int) -> Check:
    more = _waiting(driver) - before
    status = driver.ingest_status(lecture.recording)
    return Check(
        "(e) the repeats of (a), with other tokens, made no second ingest",
        answers == [200, 200, 200]
        and more <= 0
        and len(driver.ingests_of(lecture.recording)) == 1
        and status is not None
        and status.status == SENT,
        f"{answers}, {more} more messages on the download queue",
    )


def _check_missed(driver: Driver, journey: Journey) -> Check:
    ingests = driver.ingests_of(journey.recording)
    sent = {(file.sha256, file.size) for file in journey.recording.expected_files()}
    got = [{(digest, size) for _, digest, size in _fetched(ingest)} for ingest in ingests]
    return Check(
        "(f) the recording without a webhook event was found, and is in Opencast once",
        got == [sent] and ingests[0].series == SCHEDULED_SERIES,
        f"{journey.state} {journey.reason}, {len(ingests)} ingests",
    )


def _fetched(ingest: OpencastIngest) -> list[tuple[str, str, int]]:
    """Return flavor, hash and size of an ingest's files except captions."""
    files = [file for file in ingest.files if file.flavor != CAPTIONS]
    return [(file.flavor, file.sha256, file.size) for file in files]


def _cues(ingest: OpencastIngest) -> list[str]:
    """Return the times at which the cues of an ingest's captions begin."""
    texts = [file.text for file in ingest.files if file.flavor == CAPTIONS]
    return [begin for text in texts for begin in re.findall(r"^(\S+) --> ", text, re.MULTILINE)]


def _show_times(driver: Driver, journeys: list[Journey]) -> None:
    """Print, for each recording, the seconds until each state was seen, and the number of cues."""
    steps = list(dict.fromkeys(name for journey in journeys for name, _ in journey.steps))
    rows = []
    for name in sorted(steps, key=list(State.__members__).index):
        cells = [dict(journey.steps).get(name) for journey in journeys]
        rows.append((name, *(f"{cell:.1f}" if cell is not None else "" for cell in cells)))
    rows.append(("captions", *(_captions_of(driver, each) for each in journeys)))
    letters = [journey.title.partition(" ")[0] for journey in journeys]
    terminal.show("\nSeconds until each step was seen", ("step", *letters), rows)


def _captions_of(driver: Driver, journey: Journey) -> str:
    cues = [cue for ingest in driver.ingests_of(journey.recording) for cue in _cues(ingest)]
    return f"{len(cues)} cue{'s' if len(cues) > 1 else ''}" if cues else ""


def report(checks: list[Check], console: Console) -> bool:
    """Print the checks, and return whether all checks hold."""
    console.print("\n[bold]Checked[/bold]")
    for check in checks:
        mark = Text("✓", style="green") if check.holds else Text("✗", style="red")
        _print_hanging(console, Text.assemble(" ", mark, " "), check.what)
        if not check.holds:
            _print_hanging(console, Text(" " * 3), f"found: {check.found}")
    return all(check.holds for check in checks)


def _print_hanging(console: Console, head: Text, text: str) -> None:
    """Print a text after `head`. Further lines begin below the text's first word."""
    for line in terminal.wrapped(Text(text), console.width - len(head)) or [Text()]:
        console.print(Text.assemble(head, line), soft_wrap=True)
        head = Text(" " * len(head))
