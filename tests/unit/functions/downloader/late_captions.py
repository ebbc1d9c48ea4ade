"""Messages about captions and chapters, which may come after the ingest."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from typing import Any

import msgspec

from ingester.ledger.record import IngestRecord, Outcome, Post, with_answer, with_claim
from ingester.pipeline.messages import encode
from ingester.recording.timeline import Stretch
from ingester.zoom.webhook_events import captions_message
from local.neighbours.zoom_recordings import Recording, RecordingFile
from tests.unit.functions.downloader.harness import SERIES, ZIP_ID, Harness, row_in


def files_of_type(recording: Recording, file_type: str) -> list[RecordingFile]:
    """Return the recording's files of one of Zoom's types, ordered by segment."""
    return [file for file in recording.files if file.file_type == file_type]


def without_type(recording: Recording, file_type: str, *segments: int) -> Recording:
    """Return the recording without a type's files in `segments`, by default in all segments.

    If `segments` are given, the type must have one file for each segment.
    """
    gone = files_of_type(recording, file_type)
    gone = [gone[number] for number in segments] if segments else gone
    files = tuple(file for file in recording.files if file not in gone)
    return dataclasses.replace(recording, files=files)


def text_of(harness: Harness, found: dict[str, Any]) -> str:
    return harness.objects()[found["filename"]].decode()


def later(harness: Harness) -> list[dict[str, Any]]:
    """Return the messages about captions that the last `take` sent to the download queue."""
    sent = [each["body"] for each in harness.aws.sent_to(harness.aws.download_queue)]
    return [body for body in sent if "captions" in body]


class Late:
    """The sender of messages about the captions of one recording, before or after its ingest."""

    def __init__(self, harness: Harness, recording: Recording) -> None:
        self.harness = harness
        self.recording = recording

    def ingest(self, *, outcome: Outcome = Outcome.TAKEN, **more: Any) -> None:
        """Write an ingest to ledger and status table.

        By default, the ingest's timeline has all segments.
        """
        starts = sorted({file.recording_start for file in self.recording.files})
        timeline = tuple(
            Stretch(start=start, begins=12_000 * number, length=12_000)
            for number, start in enumerate(starts)
        )
        record = IngestRecord(
            zip_id=ZIP_ID,
            series=SERIES,
            files={},
            posts=(Post(attempt="a", at="2026-10-14T18:00:00Z"),),
            **{"timeline": timeline, **more},
        )
        change, uuid = self.harness.ledger().change, self.recording.uuid
        change(uuid, lambda old: with_claim(old, "mp", record))
        change(uuid, lambda old: with_answer(old, "mp", "a", outcome))
        self.harness.aws.status.put_item(Item=row_in("SENT_TO_OPENCAST"))

    def take(
        self, *announced: str, waiting: timedelta | None = None, is_chapters: bool = False
    ) -> bool:
        now = self.harness.clock()
        uuid = self.recording.uuid
        message = captions_message(uuid, announced, now, is_chapters=is_chapters)
        if waiting is not None:
            seen = (now - waiting).strftime("%Y-%m-%dT%H:%M:%SZ")
            message = msgspec.structs.replace(message, first_seen=seen)
        return self.harness.take(encode(message))
