"""The check of staged files before a POST."""

from __future__ import annotations

import pytest

from tests.cloud import BUCKET
from tests.unit.functions.uploader.harness import Harness, content, key_of

SEGMENT_0 = key_of("active_speaker", 0)


def test_nothing_is_posted_when_a_staged_file_is_gone(harness: Harness) -> None:
    # A redriven message may outlive its staged files, which Opencast would fail to fetch.
    message = harness.message("active_speaker", "shared_screen")
    harness.aws.s3.delete_object(Bucket=BUCKET, Key=SEGMENT_0)
    assert harness.take(message)
    state, reason = harness.outcome
    assert state == "UPLOADER_FAILED"
    assert reason.startswith(f"Its staged files are gone from S3 ({SEGMENT_0}): exec.pipeline")
    assert [dead["reason"] for dead in harness.dead()] == [reason]
    assert harness.posts == 0
    assert harness.posts_of == {}


def test_nothing_is_posted_when_a_staged_file_has_another_size(harness: Harness) -> None:
    message = harness.message()
    harness.aws.s3.put_object(Bucket=BUCKET, Key=SEGMENT_0, Body=b"somebody wrote this")
    assert harness.take(message)
    state, reason = harness.outcome
    assert state == "UPLOADER_FAILED"
    assert reason == (
        f"Its staged files are not as they were staged ({SEGMENT_0}): exec.pipeline fetches them "
        "again."
    )
    assert [dead["reason"] for dead in harness.dead()] == [reason]
    assert harness.posts == 0
    assert harness.posts_of == {}


def test_recording_is_ingested_when_the_only_missing_file_does_not_belong_to_the_ingest(
    harness: Harness,
) -> None:
    message = harness.message("active_speaker", "unrecognized_type_x")
    harness.aws.s3.delete_object(Bucket=BUCKET, Key=key_of("unrecognized_type_x", 0))
    assert harness.take(message)
    assert harness.outcome == ("SENT_TO_OPENCAST", "")


@pytest.mark.parametrize("hours", [0, 6])
def test_staged_files_are_not_checked_when_the_event_is_in_opencast(
    harness: Harness, hours: int
) -> None:
    harness.take(harness.message())
    message = harness.message()
    harness.aws.s3.put_object(Bucket=BUCKET, Key=SEGMENT_0, Body=content("another", 0))
    harness.clock.forward(hours=hours)
    assert harness.take(message)
    assert harness.outcome == ("SENT_TO_OPENCAST", "")
