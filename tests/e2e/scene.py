"""A stack as scenarios drive it: what they do to it, and what they look at."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from cdk.names import DOWNLOADER, Function, Names
from ingester.schedule.model import DAYS
from ingester.transfer.parts import MARK_NUMBER
from local.driver import Driver, DriverError, Found, Ingest, ZoomRecording, wait_for

SERIES = "20260112345"
SECONDS = 25.0
FAILED = ("WEBHOOK_FAILED", "DOWNLOADER_FAILED", "UPLOADER_FAILED")

# Never twice the same, also on a stack that stays up between runs.
_meetings = itertools.count(10**10 + uuid.uuid4().int % 10**8 * 100)


@dataclass
class Scene:
    """A stack, and how long (seconds) to wait for what is to happen.

    `hopeless` says why it is of no use to wait any longer, "" as long as it may be.
    """

    driver: Driver
    seconds: float = SECONDS
    hopeless: Callable[[], str] = lambda: ""
    start: datetime = field(
        default_factory=lambda: datetime.now(UTC).replace(microsecond=0) - timedelta(hours=5)
    )

    def new_meeting(self) -> int:
        """The number of a meeting that nobody knows yet."""
        return next(_meetings)

    def lecture(self, *, scheduled: bool = True, **options: Any) -> ZoomRecording:
        """A new recording in Zoom, and in the schedule."""
        meeting = next(_meetings)
        if scheduled:
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
        small = {"segments": 1, "views": ("active_speaker",), "chat": False, "extras": False}
        return self.driver.add_lecture(
            **{
                "meeting_id": meeting,
                "start_time": self.start,
                "seed": uuid.uuid4().hex,
                **small,
                **options,
            }
        )

    def completed(self, recording: ZoomRecording) -> None:
        answer = self.driver.send("recording.completed", recording.uuid)
        assert answer.status == 200, answer

    def state(self, recording: ZoomRecording, expected: str = "") -> Ingest | None:
        """What its newest ingest is at. DriverError if it failed, unless it was expected to."""
        found = self.driver.ingest_status(recording)
        if found and found.status in FAILED and found.status != expected:
            raise DriverError(f"{found.status}: {found.reason}")
        return found

    def until(self, recording: ZoomRecording, state: str, reason: str = "") -> Ingest:
        """Waits until the recording is in `state` with `reason` in its reason; a failure that
        was not waited for ends the waiting."""

        def look() -> Ingest | None:
            found = self.state(recording, expected=state)
            return found if found and found.status == state and reason in found.reason else None

        return self.wait(look, f"{state} {reason}")

    def wait(self, ask: Callable[[], Found | None], what: str) -> Found:
        """Asks until the answer is true, and gives it. DriverError if that is of no use."""

        def look() -> Found | None:
            found = ask()
            if not found and (why := self.hopeless()):
                raise DriverError(f"No use in waiting for {what}: {why}")
            return found

        return wait_for(look, what, self.seconds)

    def ingested_whole(self, recording: ZoomRecording) -> None:
        """It is in Opencast once, byte for byte as Zoom holds it now, and nothing else is left of
        the copies in S3."""
        now = self.driver.recording(recording.uuid)
        (ingest,) = self.driver.ingests_of(recording)
        assert [file.sha256 for file in ingest.files] == [file.sha256 for file in now.wanted()]
        assert self.unfinished(recording) == []

    def unfinished(self, recording: ZoomRecording) -> list[dict[str, Any]]:
        """The unfinished uploads of a recording's files: `Key` and `UploadId`."""
        found = self.driver.client("s3").list_multipart_uploads(Bucket=self.bucket)
        return [one for one in found.get("Uploads", ()) if str(recording.meeting_id) in one["Key"]]

    def stored_parts(self, recording: ZoomRecording) -> list[int]:
        """Sizes in bytes of what unfinished uploads hold of a recording's files."""
        s3, sizes = self.driver.client("s3"), []
        for upload in self.unfinished(recording):
            where = {"Bucket": self.bucket, "Key": upload["Key"], "UploadId": upload["UploadId"]}
            try:
                parts = s3.list_parts(**where).get("Parts", ())
            except s3.exceptions.NoSuchUpload:
                # It ended since it was listed.
                continue
            sizes += [part["Size"] for part in parts if part["PartNumber"] != MARK_NUMBER]
        return sizes

    def waiting(self, queue: str) -> int:
        """How many messages are on a queue, in flight and delayed ones included."""
        answer = self.driver.client("sqs").get_queue_attributes(
            QueueUrl=self.driver.queue_url(queue), AttributeNames=["All"]
        )
        kinds = ("", "Delayed", "NotVisible")
        found = answer["Attributes"]
        return sum(int(found[f"ApproximateNumberOfMessages{kind}"]) for kind in kinds)

    @property
    def bucket(self) -> str:
        return self._names.bucket

    @property
    def downloader(self) -> str:
        return self.function(DOWNLOADER)

    def function(self, function: Function) -> str:
        """A function's name in this stack."""
        return self._names.function(function)

    @property
    def _names(self) -> Names:
        return Names(self.driver.state.stack_name)

    def dead_letter(self, queue: str, needle: str) -> dict[str, Any]:
        """Waits for a message that holds `needle` on a dead-letter queue, and takes it off."""
        sqs, url = self.driver.client("sqs"), self.driver.queue_url(queue)

        def look() -> dict[str, Any] | None:
            # Held for a moment only: others' dead letters are among these.
            answer = sqs.receive_message(
                QueueUrl=url,
                MaxNumberOfMessages=10,
                MessageAttributeNames=["All"],
                VisibilityTimeout=2,
            )
            found = None
            for message in answer.get("Messages", ()):
                if needle in message["Body"]:
                    sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
                    found = message
            return found

        return self.wait(look, f"a message about {needle} on {queue}")
