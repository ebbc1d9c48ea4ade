"""Harness of the end-to-end tests, which sends recordings through a running stack."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Self
from zoneinfo import ZoneInfo

from cdk.names import DOWNLOADER, Function, Names
from ingester.schedule.model import DAYS
from ingester.transfer.parts import MARK_NUMBER
from local.driver import (
    Driver,
    DriverError,
    Found,
    Ingest,
    OpencastFile,
    ZoomRecording,
    wait_for,
)

SERIES = "20260112345"
SECONDS = 120.0
"""Longest wait for a condition, in seconds. Only a failure or a very busy machine takes longer."""

FAILED = ("WEBHOOK_FAILED", "DOWNLOADER_FAILED", "UPLOADER_FAILED")

# Each test run has other meeting numbers, because a stack may stay up between runs.
_meetings = itertools.count(10**10 + uuid.uuid4().int % 10**8 * 100)


def recent_start(**ago: float) -> datetime:
    """Return the time that is `ago` (arguments of `timedelta`) before now, in whole seconds."""
    return datetime.now(UTC).replace(microsecond=0) - timedelta(**ago)


@dataclass
class Stack:
    """A running stack. `seconds` limits each wait for a condition.

    A method that waits raises DriverError if the condition isn't met. `cannot_succeed` returns
    why further waiting is useless, or "" while waiting is useful. `start` is the start time of the
    recordings.
    """

    driver: Driver
    seconds: float = SECONDS
    cannot_succeed: Callable[[], str] = lambda: ""
    start: datetime = field(default_factory=lambda: recent_start(hours=5))

    @property
    def name(self) -> str:
        return self.driver.state.stack_name

    @property
    def names(self) -> Names:
        return Names(self.name)

    @property
    def downloader(self) -> str:
        return self.function(DOWNLOADER)

    def function(self, function: Function) -> str:
        """Return the name of a function in this stack."""
        return self.names.function(function)

    def ready_for_reconcile(self) -> Self:
        """Set reconcile's baseline, and return the stack with a `start` that reconcile covers."""
        start = recent_start(minutes=90)
        self.driver.set_reconcile_baseline(start)
        return replace(self, start=start)

    def new_meeting(self) -> int:
        """Return an unused meeting number."""
        return next(_meetings)

    def lecture(self, *, scheduled: bool = True, **options: Any) -> ZoomRecording:
        """Add a recording to Zoom, by default with a scheduled class, and return the recording."""
        meeting = self.new_meeting()
        if scheduled:
            self.schedule_class(meeting)
        defaults: dict[str, Any] = {
            "meeting_id": meeting,
            "start_time": self.start,
            "seed": uuid.uuid4().hex,
            "segments": 1,
            "views": ("active_speaker",),
            "chat": False,
            "extras": False,
        }
        return self.driver.add_lecture(**{**defaults, **options})

    def send_late_files(self, recording: ZoomRecording, **lecture: Any) -> list[OpencastFile]:
        """Add a transcript or chapters to a recording that is in Opencast, and wait for the tracks.

        The webhook event `recording.transcript_completed` is sent twice.

        Args:
            recording: The recording.
            lecture: The options of `Driver.add_lecture` that made the recording, and the options
                of the added files.

        Returns:
            The tracks that the Opencast event got after the ingest.
        """
        (ingest,) = self.driver.ingests_of(recording)
        assert not self.driver.added_to(ingest.mediapackage_id)
        self.driver.add_lecture(
            meeting_id=recording.meeting_id,
            start_time=self.start,
            uuid=recording.uuid,
            views=("active_speaker",),
            chat=False,
            extras=True,
            **lecture,
        )
        for _ in range(2):
            answer = self.driver.send("recording.transcript_completed", recording.uuid)
            assert answer.status == 204, answer
        return self.wait(lambda: self.driver.added_to(ingest.mediapackage_id), "late tracks")

    def schedule_class(self, meeting: int) -> None:
        """Add a scheduled class of the meeting at the recordings' start time."""
        local = self.start.astimezone(ZoneInfo("US/Eastern"))
        event = {
            "day": DAYS[local.weekday()],
            "time": f"{local:%H:%M}",
            "title": "Lecture",
            "opencast_series_id": SERIES,
            "course_code": "HIST E-1010",
        }
        row = {"zoom_series_id": str(meeting), "events": [event]}
        self.driver.table("schedule").put_item(Item=row)

    def send_completed(self, recording: ZoomRecording) -> None:
        """Send the webhook event `recording.completed`, and assert that the webhook accepts it."""
        answer = self.driver.send("recording.completed", recording.uuid)
        assert answer.status == 200, answer

    def request_ingest(self, recording: ZoomRecording, series: str) -> None:
        """Send a "+Zoom" request, and assert that it is accepted."""
        answer = self.driver.request_ingest(uuid=recording.uuid, oc_series_id=series)
        assert answer.status == 200, answer

    def refuse_download(self, recording: ZoomRecording) -> None:
        """Make Zoom refuse the next two requests for the recording's only file.

        The second request has a new token, so the download fails permanently.
        """
        (file,) = recording.expected_files()
        self.driver.inject_zoom_fault(
            kind="status", status=403, where="download", file_id=file.id, times=2
        )

    def state(self, recording: ZoomRecording, expected: str = "") -> Ingest | None:
        """Return a recording's ingest that was updated last, or None if there is none.

        Raises:
            DriverError: The ingest failed, and `expected` isn't its state.
        """
        found = self.driver.ingest_status(recording)
        if found and found.status in FAILED and found.status != expected:
            raise DriverError(f"{found.status}: {found.reason}")
        return found

    def await_state(self, recording: ZoomRecording, state: str, reason: str = "") -> Ingest:
        """Wait until a recording's last updated ingest has this state, and return the ingest.

        The ingest's reason has to contain `reason`.

        Raises:
            DriverError: The ingest failed with another state, or the state didn't come.
        """

        def look() -> Ingest | None:
            found = self.state(recording, expected=state)
            return found if found and found.status == state and reason in found.reason else None

        try:
            return self.wait(look, f"{state} {reason}")
        except DriverError as error:
            raise DriverError(f"{error} Its newest ingest: {self.state(recording)}") from error

    def wait(self, ask: Callable[[], Found | None], what: str) -> Found:
        """Call `ask` until the result is truthy, and return the result. Errors contain `what`.

        Raises:
            DriverError: `cannot_succeed` returned a reason, or `seconds` passed.
        """

        def look() -> Found | None:
            found = ask()
            if not found and (why := self.cannot_succeed()):
                raise DriverError(f"{what} can't come any more: {why}")
            return found

        return wait_for(look, what, self.seconds)

    def assert_ingested_once(self, recording: ZoomRecording) -> None:
        """Assert that Opencast has each file once and whole, and that no upload is unfinished."""
        now = self.driver.recording(recording.uuid)
        (ingest,) = self.driver.ingests_of(recording)
        assert [file.sha256 for file in ingest.files] == [
            file.sha256 for file in now.expected_files()
        ]
        assert self.unfinished_uploads(recording) == []

    def unfinished_uploads(self, recording: ZoomRecording) -> list[dict[str, Any]]:
        """Return the unfinished multipart uploads of files of the recording's meeting."""
        found = self.driver.client("s3").list_multipart_uploads(Bucket=self.names.bucket)
        meeting = str(recording.meeting_id)
        return [upload for upload in found.get("Uploads", ()) if meeting in upload["Key"]]

    def stored_parts(self, recording: ZoomRecording) -> list[int]:
        """Return the sizes in bytes of a recording's parts in unfinished uploads, without marks."""
        s3, sizes = self.driver.client("s3"), []
        for upload in self.unfinished_uploads(recording):
            key = {"Key": upload["Key"], "UploadId": upload["UploadId"]}
            try:
                parts = s3.list_parts(Bucket=self.names.bucket, **key).get("Parts", ())
            except s3.exceptions.NoSuchUpload:
                continue  # The upload ended after it was listed.
            sizes += [part["Size"] for part in parts if part["PartNumber"] != MARK_NUMBER]
        return sizes

    def message_count(self, queue: str) -> int:
        """Return the number of messages on a queue, including delayed and in-flight messages."""
        return count_messages(self.driver.client("sqs"), self.driver.queue_url(queue))

    def take_from_dlq(self, queue: str, text: str) -> dict[str, Any]:
        """Wait for a message with `text` on a dead-letter queue. Delete and return the message."""
        sqs, url = self.driver.client("sqs"), self.driver.queue_url(queue)

        def look() -> dict[str, Any] | None:
            # Messages of other tests have to become visible again soon.
            answer = sqs.receive_message(
                QueueUrl=url,
                MaxNumberOfMessages=10,
                MessageAttributeNames=["All"],
                VisibilityTimeout=2,
            )
            found = None
            for message in answer.get("Messages", ()):
                if text in message["Body"]:
                    sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
                    found = message
            return found

        return self.wait(look, f"A message about {text} on {queue}")


def count_messages(sqs: Any, url: str) -> int:
    """Return the number of messages on a queue, including delayed and in-flight messages."""
    found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    kinds = ("", "Delayed", "NotVisible")
    return sum(int(found[f"ApproximateNumberOfMessages{kind}"]) for kind in kinds)
