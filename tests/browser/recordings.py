"""A week of status rows as the functions write them, for the page's tests and screenshots."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from ingester import timestamps
from ingester.pipeline.reasons import INVALID_SERIES, NO_SERIES
from ingester.pipeline.states import Origin, State
from ingester.recording.files import Subject
from ingester.status.table import Requested, StatusChange, StatusTable
from tests.cloud import Clock, Cloud

NOW = datetime(2026, 10, 14, 18, 30, tzinfo=UTC)
HOSTILE = '<img src=x onerror="document.title=1">'
LECTURES = (
    ("Mapping the Ocean", "HIST E-1010", "20260112345", 95846636714),
    ("Organic Chemistry II, Section 3", "CHEM E-2", "20260110021", 94410027788),
    ("Introduction to Machine Learning", "CSCI E-82", "20260113377", 93377120055),
    ("Séminaire d'été: Proust", "FREN E-55", "20260114410", 91234455021),
    ("Microeconomic Theory", "ECON E-1010", "20260110340", 98817263540),
    ("Data Structures", "CSCI E-22", "20260113301", 96655443322),
)
SECOND_REQUEST = "on-demand-1"
USUAL = (
    (0, State.WEBHOOK_RECEIVED),
    (0, State.SENT_TO_DOWNLOADER),
    (6, State.OC_SERIES_FOUND),
    (9, State.SENT_TO_UPLOADER),
    (9, State.UPLOADER_RECEIVED),
    (14, State.SENT_TO_OPENCAST),
)
"""The usual states of an ingest, each with its minutes since the webhook event."""


class Week:
    """A writer of status rows, with the time of each state."""

    def __init__(self, aws: Cloud) -> None:
        self.clock = Clock()
        self.status = StatusTable(aws.status, self.clock)

    def write(self, uuid: str, ago: timedelta, state: State, reason: str = "", **more: Any) -> None:
        """Write a state of the ingest of the recording `uuid`, at the time `ago` before NOW."""
        self.clock.now = NOW - ago
        written = self.status.write(f"auto-ingest-{uuid}", StatusChange(state, reason, **more))
        assert written, (uuid, state)

    def begin(
        self, uuid: str, ago: timedelta, lecture: int | str, *, origin: Origin = Origin.WEBHOOK
    ) -> None:
        """Write the first state of a recording's ingest, at the time `ago` before NOW.

        `lecture` is an index of LECTURES (modulo 6), or a topic.
        """
        topic, _, _, meeting = LECTURES[lecture % 6] if isinstance(lecture, int) else LECTURES[0]
        self.clock.now = NOW - ago
        subject = Subject(
            meeting_id=meeting,
            recording_id=uuid,
            topic=lecture if isinstance(lecture, str) else topic,
            start_time=timestamps.write(NOW - ago - timedelta(minutes=118)),
            origin=origin,
        )
        state = State.ON_DEMAND_RECEIVED if origin is Origin.ON_DEMAND else State.WEBHOOK_RECEIVED
        self.status.write(
            f"auto-ingest-{uuid}",
            StatusChange(state, subject=subject, requested=Requested.NOW, files=["a"]),
        )

    def go(self, uuid: str, ago: timedelta, lecture: int, until: State) -> None:
        """Write an ingest's usual states up to `until`. The first state is `ago` before NOW."""
        self.begin(uuid, ago, lecture)
        _, course, series, _ = LECTURES[lecture % 6]
        for minutes, state in USUAL[1:]:
            found = {"oc_series_id": series, "course": course}
            more = found if state is State.OC_SERIES_FOUND else {}
            self.write(uuid, ago - timedelta(minutes=minutes), state, **more)
            if state is until:
                break

    def request_again(self, uuid: str) -> None:
        """Write a second request for the recording, by "+Zoom" at NOW."""
        self.clock.now = NOW
        row = self.status.get(f"auto-ingest-{uuid}")
        assert row
        subject = Subject(
            meeting_id=row.meeting_id,
            recording_id=uuid,
            topic=row.topic,
            start_time=row.start_time,
            origin=Origin.ON_DEMAND,
        )
        change = StatusChange(State.ON_DEMAND_RECEIVED, subject=subject, requested=Requested.NOW)
        self.status.write(SECOND_REQUEST, change)

    def ingest_second_request(self, series: str = "") -> None:
        """Write that the second request has brought the recording into Opencast."""
        change = StatusChange(State.SENT_TO_OPENCAST, oc_series_id=series)
        self.status.write(SECOND_REQUEST, change)


def hours(count: float) -> timedelta:
    return timedelta(hours=count)


def fill(aws: Cloud) -> None:
    """Write a week of recordings, on two of which a person has to act."""
    week = Week(aws)
    for number in range(20):
        week.go(f"done{number:02}==", hours(2 + number * 7.3), number, State.SENT_TO_OPENCAST)
    for number in range(6):
        uuid = f"private{number}=="
        week.begin(uuid, hours(3 + number * 17), f"Office hours {number + 1}")
        week.write(uuid, hours(2.9 + number * 17), State.IGNORED, NO_SERIES)
    week.begin("short==", hours(1.2), 4)
    week.write("short==", hours(1.1), State.IGNORED, "Recording <2 minutes")
    _failures(week)
    week.go("loading==", timedelta(minutes=7), 3, State.OC_SERIES_FOUND)
    week.go("sending==", timedelta(minutes=19), 4, State.UPLOADER_RECEIVED)
    week.begin("fresh==", timedelta(minutes=1), 1)
    week.write("fresh==", timedelta(minutes=1), State.SENT_TO_DOWNLOADER)
    week.clock.now = NOW - timedelta(minutes=44)
    subject = Subject(
        meeting_id=99912345670,
        recording_id="running==",
        topic="Astronomy Lab",
        start_time=timestamps.write(week.clock.now),
        origin=Origin.WEBHOOK,
    )
    week.status.write(
        "auto-ingest-running==", StatusChange(State.RECORDING_IN_PROGRESS, subject=subject)
    )


def _failures(week: Week) -> None:
    week.go("8dXp112QmuoKj48w==", hours(4.6), 0, State.UPLOADER_RECEIVED)
    week.write(
        "8dXp112QmuoKj48w==",
        hours(4.4),
        State.UPLOADER_FAILED,
        f"permanent failure: {INVALID_SERIES} An operator is needed.",
    )
    week.go("gone==", hours(27), 5, State.OC_SERIES_FOUND)
    for number in range(1, 13):
        ago = hours(26.5 - number * 0.5)
        week.write("gone==", ago, State.OC_SERIES_FOUND)
        week.write(
            "gone==",
            ago - timedelta(minutes=2),
            State.DOWNLOADER_FAILED,
            f"retryable failure: Zoom's download host answers 503 (attempt {number} of 12)",
        )
    week.begin("hostile==", timedelta(minutes=50), HOSTILE)
    week.write("hostile==", timedelta(minutes=49), State.SENT_TO_DOWNLOADER)
    week.write(
        "hostile==",
        timedelta(minutes=12),
        State.DOWNLOADER_FAILED,
        "retryable failure: S3 answers 503 (attempt 4 of 12)",
        retry_due=timestamps.write(NOW + timedelta(minutes=4)),
    )
