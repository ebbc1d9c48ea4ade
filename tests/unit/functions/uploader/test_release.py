"""The release of staged files that Opencast has taken."""

from __future__ import annotations

import logging

import pytest

from ingester.ledger.record import End, with_end
from ingester.recording.staging_bucket import RELEASED
from tests.cloud import BUCKET
from tests.hooks import failing
from tests.unit.functions.uploader.harness import OTHER_ZIP_ID, UUID, ZIP_ID, Harness, key_of

VIEWS = ("active_speaker", "shared_screen", "chat_file")
KEYS = [key_of(view, number) for view in VIEWS for number in (0, 1)]


def released(harness: Harness) -> list[str]:
    """Return the keys of the released files."""
    found = []
    for key in KEYS:
        tags = harness.aws.s3.get_object_tagging(Bucket=BUCKET, Key=key)["TagSet"]
        if tags == [{"Key": RELEASED, "Value": "yes"}]:
            found.append(key)
    return found


def take(harness: Harness) -> bool:
    return harness.take(harness.message(*VIEWS, segments=2))


def test_every_file_of_an_ingest_is_released_when_opencast_has_taken_the_ingest(
    harness: Harness,
) -> None:
    harness.accept()
    assert take(harness)
    assert released(harness) == KEYS


@pytest.mark.parametrize("kind", ["conflict", "close"])
def test_files_are_released_when_opencast_answers_409_or_its_answer_to_the_ingest_was_lost(
    harness: Harness, kind: str
) -> None:
    harness.fail(kind, after_work=kind == "close")
    if not take(harness):
        assert released(harness) == []
        assert take(harness)
    assert released(harness) == KEYS


@pytest.mark.parametrize("status", [400, 500, 503])
def test_no_file_is_released_when_opencast_answers_the_ingest_with_an_error(
    harness: Harness, status: int
) -> None:
    harness.fail("status", status=status)
    assert not take(harness)
    assert released(harness) == []


def test_no_file_is_released_while_another_request_may_need_it(harness: Harness) -> None:
    harness.accept()
    harness.accept(zip_id=OTHER_ZIP_ID)
    assert take(harness)
    assert released(harness) == []


def test_files_are_released_when_another_request_for_the_recording_has_ended(
    harness: Harness,
) -> None:
    harness.accept()
    harness.accept(zip_id=OTHER_ZIP_ID)
    change = harness.ledger.change
    change(UUID, lambda record: with_end(record, OTHER_ZIP_ID, End.IGNORED))
    assert take(harness)
    assert released(harness) == KEYS


def test_files_are_released_when_each_of_two_requests_has_led_to_an_ingest(
    harness: Harness,
) -> None:
    for zip_id in (ZIP_ID, OTHER_ZIP_ID):
        harness.accept(zip_id=zip_id)
    harness.put_row(OTHER_ZIP_ID)
    assert take(harness)
    again = harness.message(*VIEWS, segments=2, zip_id=OTHER_ZIP_ID, allow_multiple_ingests=True)
    assert harness.take(again)
    assert len(harness.posts_of) == 2
    assert released(harness) == KEYS


def test_ingest_succeeds_when_its_files_cannot_be_released(
    harness: Harness, caplog: pytest.LogCaptureFixture
) -> None:
    with failing(harness.aws.s3, "s3.PutObjectTagging", "AccessDenied", status=403):
        assert take(harness)
    assert harness.outcome == ("SENT_TO_OPENCAST", "")
    assert {record.levelno for record in caplog.records} <= {logging.INFO, logging.WARNING}
    assert "stays for longer" in caplog.text
