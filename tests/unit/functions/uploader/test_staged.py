"""What is sent to Opencast is what was staged: nothing of a file that is gone or another one."""

from __future__ import annotations

import pytest

from tests.cloud import BUCKET
from tests.unit.functions.uploader.harness import Kit, content, key_of

SEGMENT_0 = key_of("active_speaker", 0)


def test_nothing_is_sent_when_a_staged_file_is_gone(kit: Kit) -> None:
    """As in a dead letter of long ago: Opencast would be sent a dead address, and break down."""
    message = kit.message("active_speaker", "shared_screen")
    kit.aws.s3.delete_object(Bucket=BUCKET, Key=SEGMENT_0)
    assert kit.take(message)
    state, reason = kit.outcome
    assert state == "UPLOADER_FAILED"
    assert reason.startswith(f"Its staged files are gone from S3 ({SEGMENT_0}): exec.pipeline")
    assert [dead["reason"] for dead in kit.dead()] == [reason]
    assert kit.posts == 0
    assert kit.posts_of == {}


def test_nothing_is_sent_when_a_staged_file_has_another_size(kit: Kit) -> None:
    message = kit.message()
    kit.aws.s3.put_object(Bucket=BUCKET, Key=SEGMENT_0, Body=b"somebody wrote this")
    assert kit.take(message)
    state, reason = kit.outcome
    assert state == "UPLOADER_FAILED"
    assert reason == (
        f"Its staged files are not as they were staged ({SEGMENT_0}): exec.pipeline fetches them "
        "anew."
    )
    assert [dead["reason"] for dead in kit.dead()] == [reason]
    assert kit.posts == 0
    assert kit.posts_of == {}


def test_recording_is_sent_when_only_a_view_that_is_not_ingested_is_gone(kit: Kit) -> None:
    message = kit.message("active_speaker", "unrecognized_type_x")
    kit.aws.s3.delete_object(Bucket=BUCKET, Key=key_of("unrecognized_type_x", 0))
    assert kit.take(message)
    assert kit.outcome == ("SENT_TO_OPENCAST", "")


@pytest.mark.parametrize("hours", [0, 6])
def test_staged_files_are_not_checked_when_the_ingest_is_there(kit: Kit, hours: int) -> None:
    kit.take(kit.message())
    message = kit.message()
    kit.aws.s3.put_object(Bucket=BUCKET, Key=SEGMENT_0, Body=content("another", 0))
    kit.clock.forward(hours=hours)
    assert kit.take(message)
    assert kit.outcome == ("SENT_TO_OPENCAST", "")
