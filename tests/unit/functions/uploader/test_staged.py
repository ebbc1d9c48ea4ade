"""What is sent to Opencast is what was staged: nothing of a file that is gone or another one."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from tests.cloud import BUCKET
from tests.unit.functions.uploader.kit import FOLDER, Kit, content

SEGMENT_0 = f"{FOLDER}/000-active_speaker.mp4"


def second_alone(both: dict[str, Any]) -> dict[str, Any]:
    """The message of a notification that brings the second segment only: number 0 in it."""
    alone = copy.deepcopy(both)
    files = alone["s3_files"]["active_speaker"]["segments"]
    files[:] = [{**files[1], "segment_num": 0, "filename": SEGMENT_0, "ffprobe_bytes": 1000}]
    return alone


def test_a_file_that_is_gone(kit: Kit) -> None:
    """As in a dead letter of long ago: Opencast would be sent a dead address, and break down."""
    message = kit.message("active_speaker", "shared_screen")
    kit.aws.s3.delete_object(Bucket=BUCKET, Key=SEGMENT_0)
    assert kit.take(message)
    state, reason = kit.outcome
    assert state == "UPLOADER_FAILED"
    assert reason.startswith(f"Its staged files are gone from S3 ({SEGMENT_0}): exec.pipeline")
    assert [dead["reason"] for dead in kit.dead()] == [reason]
    assert kit.posts == 0
    assert "ingest_marker" not in kit.row


def test_another_segment_under_its_key(kit: Kit) -> None:
    """Zoom finished an earlier one later, so that what the first message says is overwritten."""
    both = kit.message(segments=2)
    assert kit.take(second_alone(both))
    state, reason = kit.outcome
    assert state == "UPLOADER_FAILED"
    assert reason.startswith("A later notification's files have replaced its staged ones (")
    assert SEGMENT_0 in reason
    assert len(kit.dead()) == 1
    assert kit.posts == 0
    assert kit.take(both)
    assert kit.outcome == ("SENT_TO_OPENCAST", "")
    assert len(kit.opencast.ingests[0].files) == 2


def test_a_view_that_is_not_ingested_may_be_gone(kit: Kit) -> None:
    message = kit.message("active_speaker", "unrecognized_type_x")
    kit.aws.s3.delete_object(Bucket=BUCKET, Key=f"{FOLDER}/000-unrecognized_type_x.mp4")
    assert kit.take(message)
    assert kit.outcome == ("SENT_TO_OPENCAST", "")


@pytest.mark.parametrize("hours", [0, 6])
def test_nobody_looks_at_the_files_of_an_ingest_that_is_there(kit: Kit, hours: int) -> None:
    kit.take(kit.message())
    message = kit.message()
    kit.aws.s3.put_object(Bucket=BUCKET, Key=SEGMENT_0, Body=content("another", 0))
    kit.clock.forward(hours=hours)
    assert kit.take(message)
    assert kit.outcome == ("SENT_TO_OPENCAST", "")
