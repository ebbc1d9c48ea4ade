"""How a request ends when nothing goes to the uploader, as the ledger and the row then say."""

from __future__ import annotations

from typing import Any

import pytest

from ingester.ledger.record import End
from local.neighbours.zoom_faults import Fault
from local.neighbours.zoom_recordings import Recording
from tests.unit.functions.downloader.harness import ZIP_ID, Kit, row_in, with_file

NOTICE = "The recording was moved to the trash in Zoom"


def end_of(kit: Kit, recording: Recording) -> tuple[End | None, bool]:
    """How the request ended, and whether a message of it still counts as sent."""
    request = kit.record(recording).request(ZIP_ID)
    return request.end, request.is_sent


@pytest.fixture
def accepted(kit: Kit, small: Recording) -> dict[str, Any]:
    """The message of a request that the ledger knows."""
    kit.accept(small, *small.files)
    return kit.message(small)


class TestIgnored:
    def test_end_is_noted_when_the_recording_is_too_short(
        self, kit: Kit, small: Recording, accepted: dict[str, Any]
    ) -> None:
        assert kit.take(accepted | {"duration": 1})
        assert end_of(kit, small) == (End.IGNORED, True)

    def test_end_is_noted_when_there_is_no_series(
        self, kit: Kit, small: Recording, accepted: dict[str, Any]
    ) -> None:
        kit.settings["default_series_id"] = ""
        assert kit.take(accepted)
        assert kit.outcome == ("IGNORED", "No opencast series match")
        assert end_of(kit, small) == (End.IGNORED, True)


class TestFailed:
    def test_end_is_noted_when_the_failure_is_permanent(
        self, kit: Kit, small: Recording, accepted: dict[str, Any]
    ) -> None:
        accepted["recording_files"][0]["download_url"] = "https://cdn.elsewhere.example/x"
        assert kit.take(accepted)
        assert len(kit.dead()) == 1
        assert end_of(kit, small) == (End.FAILED, False)

    def test_end_is_noted_only_when_the_last_try_fails(
        self, kit: Kit, small: Recording, accepted: dict[str, Any]
    ) -> None:
        kit.zoom.fail(Fault(kind="status", status=500, times=999))
        assert not kit.take(accepted, receive_count=11)
        assert end_of(kit, small) == (None, True)
        assert kit.take(accepted, receive_count=12)
        assert end_of(kit, small) == (End.FAILED, False)

    def test_end_is_noted_when_zoom_does_not_finish_within_a_day(
        self, kit: Kit, small: Recording
    ) -> None:
        slow = kit.zoom.add(with_file(small, 0, processing_asks=999, file_id="slow"))
        kit.accept(slow, *slow.files)
        kit.clock.forward(days=1)
        assert kit.take(kit.message(slow, first_seen="2026-10-14T18:30:00Z"))
        assert end_of(kit, slow) == (End.FAILED, False)

    def test_dead_letter_goes_on_when_it_is_retried(
        self, kit: Kit, accepted: dict[str, Any]
    ) -> None:
        kit.zoom.fail(Fault(kind="status", status=500, times=999))
        kit.take(accepted, receive_count=12)
        kit.zoom.clear_faults()
        assert kit.take(accepted)
        assert kit.outcome == ("SENT_TO_UPLOADER", "")


class TestGone:
    """Zoom doesn't have the recording any more."""

    @pytest.mark.parametrize("after_expiry", ["401", "html"])
    def test_recording_is_ignored_when_zoom_said_that_it_was_thrown_away(
        self, kit: Kit, small: Recording, accepted: dict[str, Any], after_expiry: str
    ) -> None:
        kit.notice(small, NOTICE)
        kit.zoom.set(after_expiry=after_expiry)
        kit.zoom.expire_download_tokens(small.uuid)
        kit.zoom.trash(small.uuid)
        assert kit.take(accepted)
        assert kit.outcome == ("IGNORED", NOTICE)
        assert kit.dead() == []
        assert end_of(kit, small) == (End.GONE, False)

    @pytest.mark.parametrize("after_expiry", ["401", "html"])
    def test_recording_is_a_dead_letter_when_zoom_said_nothing(
        self, kit: Kit, small: Recording, accepted: dict[str, Any], after_expiry: str
    ) -> None:
        """A webhook may be lost. The end is the same: `recording.recovered` takes it up again."""
        kit.zoom.set(after_expiry=after_expiry)
        kit.zoom.expire_download_tokens(small.uuid)
        kit.zoom.trash(small.uuid)
        assert kit.take(accepted)
        assert kit.outcome[0] == "DOWNLOADER_FAILED"
        assert kit.outcome[1].startswith("permanent failure: Zoom ")
        assert len(kit.dead()) == 1
        assert end_of(kit, small) == (End.GONE, False)

    def test_notice_in_the_row_alone_decides_nothing(
        self, kit: Kit, small: Recording, accepted: dict[str, Any]
    ) -> None:
        """The row is a report."""
        row = row_in("SENT_TO_DOWNLOADER", zoom_notice=NOTICE, reason=NOTICE)
        kit.aws.status.put_item(Item=row)
        kit.zoom.expire_download_tokens(small.uuid)
        kit.zoom.trash(small.uuid)
        kit.take(accepted)
        assert len(kit.dead()) == 1

    def test_recording_is_taken_when_it_can_still_be_had(
        self, kit: Kit, small: Recording, accepted: dict[str, Any]
    ) -> None:
        kit.notice(small, NOTICE)
        assert kit.take(accepted)
        assert kit.outcome == ("SENT_TO_UPLOADER", "")

    def test_notice_excuses_no_address_elsewhere(
        self, kit: Kit, small: Recording, accepted: dict[str, Any]
    ) -> None:
        kit.notice(small, NOTICE)
        accepted["recording_files"][0]["download_url"] = "https://cdn.elsewhere.example/x"
        assert kit.take(accepted)
        assert len(kit.dead()) == 1
        assert kit.outcome[0] == "DOWNLOADER_FAILED"
        assert "ZOOM_DOWNLOAD_HOSTS" in kit.outcome[1]
        assert end_of(kit, small) == (End.FAILED, False)

    def test_notice_excuses_no_message_that_can_not_be_read(
        self, kit: Kit, small: Recording
    ) -> None:
        kit.notice(small, NOTICE)
        assert kit.take({"zip_id": ZIP_ID})
        assert len(kit.dead()) == 1
        assert kit.outcome[0] == "DOWNLOADER_FAILED"


class TestTheLedger:
    def test_record_that_somebody_has_edited_is_a_dead_letter(
        self, kit: Kit, small: Recording
    ) -> None:
        kit.aws.recordings.put_item(Item={"uuid": small.uuid, "version": "first"})
        assert kit.take(kit.message(small))
        (dead,) = kit.dead()
        assert dead["reason"].startswith(f"The ledger's record of {small.uuid} can't be read: ")
        assert kit.outcome[0] == "DOWNLOADER_FAILED"
        assert "Correct the item in the table of recordings" in kit.outcome[1]

    def test_message_comes_back_when_the_ledger_can_not_be_written(
        self, kit: Kit, small: Recording, accepted: dict[str, Any]
    ) -> None:
        """An upload that lacked the note would be taken for one that is superseded."""
        chat = small.files[1]
        kit.zoom.fail(Fault(kind="html", file_id=chat.file_id, times=99))
        with kit.ledger_failing():
            assert not kit.take(accepted)
        assert "UpdateItem answered Throttling" in kit.outcome[1]
        assert kit.uploads() == []
        assert kit.take(accepted, receive_count=2)
        assert len(kit.uploads()) == 1
        assert kit.record(small).left_out == (chat.file_id,)

    def test_message_is_done_when_only_its_end_can_not_be_noted(
        self, kit: Kit, accepted: dict[str, Any], caplog: pytest.LogCaptureFixture
    ) -> None:
        with kit.ledger_failing():
            assert kit.take(accepted | {"duration": 1})
        assert kit.outcome[0] == "IGNORED"
        assert "The ledger isn't written. AWS failed" in caplog.text
