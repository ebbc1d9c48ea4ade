"""Ends of requests, which the downloader notes in the ledger and in the row."""

from __future__ import annotations

from typing import Any

import pytest

from ingester.ledger.record import End
from local.neighbours.zoom_faults import Fault
from local.neighbours.zoom_recordings import Recording
from tests.hooks import failing_table
from tests.unit.functions.downloader.harness import ZIP_ID, Harness, row_in, with_file

NOTICE = "The recording was moved to the trash in Zoom"


def end_of(harness: Harness, recording: Recording) -> tuple[End | None, bool]:
    """Return the end of the request, and whether its message counts as sent."""
    request = harness.record(recording).request(ZIP_ID)
    return request.end, request.is_sent


@pytest.fixture
def accepted(harness: Harness, small: Recording) -> dict[str, Any]:
    """Note a request in the ledger, and return its message."""
    harness.accept(small, *small.files)
    return harness.message(small)


class TestIgnored:
    def test_end_of_the_request_is_in_the_ledger_when_the_recording_is_too_short(
        self, harness: Harness, small: Recording, accepted: dict[str, Any]
    ) -> None:
        assert harness.take(accepted | {"duration": 1})
        assert end_of(harness, small) == (End.IGNORED, True)

    def test_end_of_the_request_is_in_the_ledger_when_there_is_no_series(
        self, harness: Harness, small: Recording, accepted: dict[str, Any]
    ) -> None:
        harness.settings["default_series_id"] = ""
        assert harness.take(accepted)
        assert harness.outcome == ("IGNORED", "No opencast series match")
        assert end_of(harness, small) == (End.IGNORED, True)


class TestFailed:
    def test_end_of_the_request_is_in_the_ledger_when_the_failure_is_permanent(
        self, harness: Harness, small: Recording, accepted: dict[str, Any]
    ) -> None:
        accepted["recording_files"][0]["download_url"] = "https://cdn.elsewhere.example/x"
        assert harness.take(accepted)
        assert len(harness.dead()) == 1
        assert end_of(harness, small) == (End.FAILED, False)

    def test_retryable_failure_ends_the_request_in_the_ledger_only_at_the_last_attempt(
        self, harness: Harness, small: Recording, accepted: dict[str, Any]
    ) -> None:
        harness.zoom.fail(Fault(kind="status", status=500, times=999))
        assert not harness.take(accepted, receive_count=11)
        assert end_of(harness, small) == (None, True)
        assert harness.take(accepted, receive_count=12)
        assert end_of(harness, small) == (End.FAILED, False)

    def test_end_of_the_request_is_in_the_ledger_when_zoom_does_not_finish_the_files_in_a_day(
        self, harness: Harness, small: Recording
    ) -> None:
        slow = harness.zoom.add(with_file(small, 0, processing_asks=999, file_id="slow"))
        harness.accept(slow, *slow.files)
        harness.clock.forward(days=1)
        assert harness.take(harness.message(slow, first_seen="2026-10-14T18:30:00Z"))
        assert end_of(harness, slow) == (End.FAILED, False)

    def test_recording_is_staged_when_its_message_is_redriven(
        self, harness: Harness, accepted: dict[str, Any]
    ) -> None:
        harness.zoom.fail(Fault(kind="status", status=500, times=999))
        harness.take(accepted, receive_count=12)
        harness.zoom.clear_faults()
        assert harness.take(accepted)
        assert harness.outcome == ("SENT_TO_UPLOADER", "")


class TestGone:
    @pytest.mark.parametrize("after_expiry", ["401", "html"])
    def test_recording_is_ignored_when_it_is_gone_and_zoom_has_reported_its_removal(
        self, harness: Harness, small: Recording, accepted: dict[str, Any], after_expiry: str
    ) -> None:
        harness.notice(small, NOTICE)
        harness.zoom.set(after_expiry=after_expiry)
        harness.zoom.expire_download_tokens(small.uuid)
        harness.zoom.trash(small.uuid)
        assert harness.take(accepted)
        assert harness.outcome == ("IGNORED", NOTICE)
        assert harness.dead() == []
        assert end_of(harness, small) == (End.GONE, False)

    @pytest.mark.parametrize("after_expiry", ["401", "html"])
    def test_message_goes_to_the_dlq_when_the_recording_is_gone_without_a_notice(
        self, harness: Harness, small: Recording, accepted: dict[str, Any], after_expiry: str
    ) -> None:
        # Without the webhook event of the removal, the reason for the missing files is unknown.
        harness.zoom.set(after_expiry=after_expiry)
        harness.zoom.expire_download_tokens(small.uuid)
        harness.zoom.trash(small.uuid)
        assert harness.take(accepted)
        assert harness.outcome[0] == "DOWNLOADER_FAILED"
        assert harness.outcome[1].startswith("permanent failure: Zoom ")
        assert len(harness.dead()) == 1
        assert end_of(harness, small) == (End.GONE, False)

    def test_message_goes_to_the_dlq_when_the_recording_is_gone_and_only_the_row_has_a_notice(
        self, harness: Harness, small: Recording, accepted: dict[str, Any]
    ) -> None:
        # Decisions read the ledger, not the status row.
        row = row_in("SENT_TO_DOWNLOADER", zoom_notice=NOTICE, reason=NOTICE)
        harness.aws.status.put_item(Item=row)
        harness.zoom.expire_download_tokens(small.uuid)
        harness.zoom.trash(small.uuid)
        harness.take(accepted)
        assert len(harness.dead()) == 1

    def test_recording_is_staged_despite_a_notice_when_zoom_still_has_the_recording(
        self, harness: Harness, small: Recording, accepted: dict[str, Any]
    ) -> None:
        harness.notice(small, NOTICE)
        assert harness.take(accepted)
        assert harness.outcome == ("SENT_TO_UPLOADER", "")

    def test_message_goes_to_the_dlq_despite_a_notice_when_a_download_url_has_a_foreign_host(
        self, harness: Harness, small: Recording, accepted: dict[str, Any]
    ) -> None:
        harness.notice(small, NOTICE)
        accepted["recording_files"][0]["download_url"] = "https://cdn.elsewhere.example/x"
        assert harness.take(accepted)
        assert len(harness.dead()) == 1
        assert harness.outcome[0] == "DOWNLOADER_FAILED"
        assert "ZOOM_DOWNLOAD_HOSTS" in harness.outcome[1]
        assert end_of(harness, small) == (End.FAILED, False)

    def test_malformed_message_goes_to_the_dlq_despite_a_notice(
        self, harness: Harness, small: Recording
    ) -> None:
        harness.notice(small, NOTICE)
        assert harness.take({"zip_id": ZIP_ID})
        assert len(harness.dead()) == 1
        assert harness.outcome[0] == "DOWNLOADER_FAILED"


class TestTheLedger:
    def test_message_goes_to_the_dlq_when_its_ledger_record_is_unreadable(
        self, harness: Harness, small: Recording
    ) -> None:
        harness.aws.recordings.put_item(Item={"uuid": small.uuid, "version": "first"})
        assert harness.take(harness.message(small))
        (dead,) = harness.dead()
        assert dead["reason"].startswith(f"The ledger's record of {small.uuid} can't be read: ")
        assert harness.outcome[0] == "DOWNLOADER_FAILED"
        assert "Correct the item in the table of recordings" in harness.outcome[1]

    def test_message_is_retried_when_the_ledger_cannot_be_written(
        self, harness: Harness, small: Recording, accepted: dict[str, Any]
    ) -> None:
        # Unless the ledger notes the left-out chat, the uploader drops the message.
        chat = small.files[1]
        harness.zoom.fail(Fault(kind="html", file_id=chat.file_id, times=99))
        with failing_table(harness.aws.recordings):
            assert not harness.take(accepted)
        assert "UpdateItem answered Throttling" in harness.outcome[1]
        assert harness.uploads() == []
        assert harness.take(accepted, receive_count=2)
        assert len(harness.uploads()) == 1
        assert harness.record(small).left_out == (chat.file_id,)

    def test_message_needs_no_retry_when_only_the_end_of_its_request_cannot_be_written(
        self, harness: Harness, accepted: dict[str, Any], caplog: pytest.LogCaptureFixture
    ) -> None:
        with failing_table(harness.aws.recordings):
            assert harness.take(accepted | {"duration": 1})
        assert harness.outcome[0] == "IGNORED"
        assert "The ledger isn't written. AWS failed" in caplog.text
