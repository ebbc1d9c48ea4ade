"""Ingested once: what the marker in the row decides (section 8, step 1)."""

from __future__ import annotations

import copy
import time
import uuid
from typing import Any

import pytest

from ingester.log import JsonFormatter
from ingester.rules import one_ingest
from ingester.rules.log_records import records_of
from tests.hooks import recorded
from tests.unit.functions.uploader.kit import OWN_ID, SERIES, UUID, ZIP_ID, Kit, Refusing


def marker(kit: Kit) -> Any:
    return kit.row.get("ingest_marker")


class TestTheFirstTime:
    def test_it_is_sent(self, kit: Kit) -> None:
        assert kit.take(kit.message())
        assert kit.outcome == ("SENT_TO_OPENCAST", "")
        (ingest,) = kit.opencast.ingests
        assert (ingest.mediapackage_id, ingest.state) == (OWN_ID, "done")
        assert uuid.UUID(OWN_ID).hex == "".join(OWN_ID.split("-"))

    @pytest.mark.parametrize("state", ["IGNORED", "DOWNLOADER_FAILED", "UPLOADER_FAILED"])
    def test_its_row_says_so_whatever_was_written_meanwhile(self, kit: Kit, state: str) -> None:
        """A message with late files found the recording in the trash while Opencast fetched."""

        def write() -> None:
            kit.aws.status.update_item(
                Key={"zip_id": ZIP_ID},
                UpdateExpression="SET pipeline_state = :state",
                ExpressionAttributeValues={":state": state},
            )

        kit.when_answered("/ingest/", write)
        assert kit.take(kit.message())
        assert kit.outcome == ("SENT_TO_OPENCAST", "")

    def test_an_event_without_a_marker_is_not_ours(self, kit: Kit) -> None:
        kit.has_event()
        assert kit.take(kit.message())
        assert kit.outcome == ("IGNORED", "Already in opencast")
        assert kit.posts == 0
        assert kit.take(kit.message())
        assert kit.outcome == ("IGNORED", "Already in opencast")

    def test_a_redelivery_after_the_end(self, kit: Kit) -> None:
        """The event is there, and the marker says that it is our own."""
        kit.take(kit.message())
        assert kit.take(kit.message(), receive_count=2)
        assert kit.outcome == ("SENT_TO_OPENCAST", "")
        assert kit.posts == 1

    def test_a_crash_between_the_answer_and_the_state(self, kit: Kit) -> None:
        kit.take(kit.message())
        kit.aws.status.update_item(
            Key={"zip_id": ZIP_ID},
            UpdateExpression="SET pipeline_state = :state",
            ExpressionAttributeValues={":state": "UPLOADER_RECEIVED"},
        )
        assert kit.take(kit.message(), receive_count=2)
        assert kit.outcome == ("SENT_TO_OPENCAST", "")
        assert kit.posts == 1

    def test_an_ingest_that_is_under_way_already(self, kit: Kit) -> None:
        kit.fail("conflict")
        assert kit.take(kit.message())
        assert kit.outcome == ("SENT_TO_OPENCAST", "")
        assert kit.posts == 1


class TestAMarkerThatCanTBeRead:
    @pytest.mark.parametrize(
        "value",
        [
            "x",
            7,
            {"media_package_id": OWN_ID, "time": "2026-10-14T18:30:00Z"},
            {"media_package_id": OWN_ID, "time": "noon", "files": []},
        ],
    )
    def test_nothing_is_sent(self, kit: Kit, value: Any) -> None:
        """It may have been sent, and nobody knows under which id."""
        kit.aws.status.update_item(
            Key={"zip_id": ZIP_ID},
            UpdateExpression="SET ingest_marker = :marker",
            ExpressionAttributeValues={":marker": value},
        )
        assert kit.take(kit.message())
        assert kit.posts == 0
        state, reason = kit.outcome
        assert state == "UPLOADER_FAILED"
        assert "ingest_marker can't be read" in reason
        [dead] = kit.dead()
        assert dead["reason"] == reason


class TestALostAnswer:
    def test_an_event_that_came_of_it_is_our_own(self, kit: Kit) -> None:
        kit.fail("close", after_work=True)
        assert not kit.take(kit.message())
        state, reason = kit.outcome
        assert state == "UPLOADER_RECEIVED"
        assert "answer to the ingest never came; asks again at 2026-10-14T18:31:00Z" in reason
        assert marker(kit)["media_package_id"] == OWN_ID
        assert kit.take(kit.message(), receive_count=2)
        assert kit.outcome == ("SENT_TO_OPENCAST", "")
        assert kit.posts == 1

    def test_it_is_never_sent_again_while_there_is_hope(self, kit: Kit) -> None:
        kit.fail("close")
        kit.take(kit.message())
        for receive_count in range(2, 8):
            kit.clock.forward(minutes=59)
            assert not kit.take(kit.message(), receive_count=receive_count)
            state, reason = kit.outcome
            assert state == "UPLOADER_RECEIVED"
            assert "doesn't show it yet; asks again at" in reason
        assert kit.posts == 1
        assert "failures" not in kit.row
        assert kit.dead() == []

    def test_after_the_patience_it_is_sent_once_more(self, kit: Kit) -> None:
        kit.fail("close", times=2)
        kit.take(kit.message())
        kit.clock.forward(hours=6)
        assert not kit.take(kit.message(), receive_count=30)
        assert kit.posts == 2
        kit.clock.forward(hours=5)
        assert not kit.take(kit.message(), receive_count=31)
        assert kit.posts == 2
        kit.clock.forward(hours=1)
        assert kit.take(kit.message(), receive_count=40)
        assert kit.posts == 3
        assert kit.outcome == ("SENT_TO_OPENCAST", "")
        assert [one.mediapackage_id for one in kit.opencast.ingests] == [OWN_ID]

    @pytest.mark.parametrize("status", [503, 403])
    def test_it_stays_while_opencast_can_not_be_asked(self, kit: Kit, status: int) -> None:
        """Buried, it would let another request for the recording through, which has no marker."""
        kit.fail("close", after_work=True)
        kit.take(kit.message())
        kit.fail("status", path="/api/events/", status=status, times=6)
        for receive_count in range(2, 8):
            assert not kit.take(kit.message(), receive_count=receive_count)
            state, reason = kit.outcome
            assert state == "UPLOADER_RECEIVED"
            assert "Opencast can't be asked: Opencast " in reason
            assert f"{status}" in reason
            assert "; asks again at" in reason
        assert kit.dead() == []
        assert kit.take(kit.message(), receive_count=8)
        assert kit.outcome == ("SENT_TO_OPENCAST", "")
        assert kit.posts == 1

    def test_the_patience_is_a_setting(self, kit: Kit) -> None:
        kit.settings["oc_ingest_patience_hours"] = 0.5
        kit.fail("close")
        kit.take(kit.message())
        kit.clock.forward(minutes=29)
        kit.take(kit.message())
        assert kit.posts == 1
        kit.clock.forward(minutes=1)
        kit.take(kit.message())
        assert kit.posts == 2

    def test_an_answer_that_takes_too_long(self, kit: Kit) -> None:
        """Opencast goes on with its downloads: it is asked later, and has it then."""
        kit.fail("slow", seconds=0.5)
        assert not kit.take(kit.message(), read_seconds=0.1)
        assert "asks again at" in kit.outcome[1]
        deadline = time.monotonic() + 5
        while not any(one.state == "done" for one in kit.opencast.ingests):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert kit.take(kit.message(), receive_count=2)
        assert kit.outcome == ("SENT_TO_OPENCAST", "")
        assert kit.posts == 1

    def test_a_proxy_that_lost_patience(self, kit: Kit) -> None:
        """504 comes from a proxy: Opencast itself may still be at it."""
        kit.fail("status", status=504)
        assert not kit.take(kit.message())
        assert "(504); asks again at" in kit.outcome[1]
        assert marker(kit)["media_package_id"] == OWN_ID

    def test_a_page_instead_of_the_answer(self, kit: Kit) -> None:
        kit.fail("maintenance", after_work=True)
        assert not kit.take(kit.message())
        assert "can't be read; asks again at" in kit.outcome[1]
        assert kit.take(kit.message(), receive_count=2)
        assert kit.posts == 1

    def test_questions_come_slower_and_slower(self, kit: Kit) -> None:
        kit.fail("close")
        kit.take(kit.message())
        with recorded(kit.aws.sqs, "sqs.ChangeMessageVisibility") as asked:
            for receive_count in (2, 3, 4, 5, 49):
                kit.take(kit.message(), receive_count=receive_count)
        assert [one["VisibilityTimeout"] for one in asked] == [120, 240, 480, 600, 600]


class TestCertainties:
    def test_a_refused_connection_takes_the_marker_away(self, kit: Kit) -> None:
        adapters = kit.session.adapters
        kit.session.mount(f"{kit.opencast.url}/ingest", Refusing())
        assert not kit.take(kit.message())
        assert kit.outcome[0] == "UPLOADER_FAILED"
        assert marker(kit) is None
        del adapters[f"{kit.opencast.url}/ingest"]
        assert kit.take(kit.message(), receive_count=2)
        assert kit.outcome == ("SENT_TO_OPENCAST", "")

    @pytest.mark.parametrize("status", [400, 401, 403, 404, 415])
    def test_so_does_an_answer_that_says_no(self, kit: Kit, status: int) -> None:
        kit.fail("status", status=status)
        assert not kit.take(kit.message())
        state, reason = kit.outcome
        assert state == "UPLOADER_FAILED"
        assert f"answered {status} to the ingest" in reason
        assert marker(kit) is None
        assert kit.take(kit.message(), receive_count=2)
        assert len(kit.opencast.ingests) == 1

    def test_broken_down_without_an_event(self, kit: Kit) -> None:
        kit.fail("status", status=500)
        assert not kit.take(kit.message())
        assert kit.outcome[0] == "UPLOADER_FAILED"
        assert kit.outcome[1].startswith("Unable to reach Opencast.")
        assert marker(kit) is None
        assert kit.row["failures"] == 1

    def test_broken_down_with_the_event_there(self, kit: Kit) -> None:
        kit.fail("status", status=502, after_work=True)
        assert kit.take(kit.message())
        assert kit.outcome == ("SENT_TO_OPENCAST", "")
        assert kit.posts == 1

    def test_broken_down_and_not_to_be_asked(self, kit: Kit) -> None:
        kit.fail("status", status=500)
        kit.when_answered("/ingest/", lambda: kit.fail("close", path="/api/events/"))
        assert not kit.take(kit.message())
        assert kit.outcome[0] == "UPLOADER_RECEIVED"
        assert "asks again at" in kit.outcome[1]
        assert marker(kit)["media_package_id"] == OWN_ID
        kit.take(kit.message(), receive_count=2)
        assert kit.posts == 1


class TestMultipleIngests:
    def test_a_second_event_beside_the_first(self, kit: Kit) -> None:
        kit.has_event()
        assert kit.take(kit.message(allow_multiple_ingests=True))
        assert kit.outcome == ("SENT_TO_OPENCAST", "")
        (ingest,) = kit.opencast.ingests
        assert ingest.mediapackage_id != OWN_ID
        assert uuid.UUID(ingest.mediapackage_id).version == 4

    def test_the_first_has_its_own_id(self, kit: Kit) -> None:
        kit.take(kit.message(allow_multiple_ingests=True))
        assert kit.opencast.ingests[0].mediapackage_id == OWN_ID

    def test_a_redelivery_keeps_the_id(self, kit: Kit) -> None:
        kit.has_event()
        kit.fail("close")
        message = kit.message(allow_multiple_ingests=True)
        assert not kit.take(message)
        chosen = marker(kit)["media_package_id"]
        assert not kit.take(message, receive_count=2)
        assert kit.posts == 1
        kit.clock.forward(hours=6)
        assert kit.take(message, receive_count=3)
        (ingest,) = kit.opencast.ingests
        assert ingest.mediapackage_id == chosen != OWN_ID


class TestAnotherSeries:
    def test_the_reason_names_the_one_that_it_is_in(
        self, kit: Kit, caplog: pytest.LogCaptureFixture
    ) -> None:
        """`exec.pipeline --oc-series-id`, while an earlier message was on the upload queue."""
        kit.take(kit.message())
        assert kit.take(kit.message(opencast_series_id="20260100000"))
        said = f"It was ingested into series {SERIES}, before it was asked for in 20260100000"
        assert kit.outcome[0] == "SENT_TO_OPENCAST"
        assert kit.outcome[1].startswith(said)
        assert kit.part("isPartOf") == [marker(kit)["series"]] == [SERIES]
        [told] = [one for one in caplog.records if said in one.message]
        assert (told.levelname, told.__dict__["advice"]) == ("ERROR", one_ingest.CHANGE_IT)

    def test_a_marker_that_names_none_says_nothing(self, kit: Kit) -> None:
        kit.take(kit.message())
        kit.aws.status.update_item(
            Key={"zip_id": ZIP_ID}, UpdateExpression="REMOVE ingest_marker.series"
        )
        assert kit.take(kit.message(opencast_series_id="20260100000"))
        assert kit.outcome == ("SENT_TO_OPENCAST", "")


class TestLateFiles:
    def test_what_stayed_outside_is_said(self, kit: Kit, caplog: pytest.LogCaptureFixture) -> None:
        kit.take(kit.message("active_speaker"))
        late = kit.message("active_speaker", "shared_screen", "chat_file")
        assert kit.take(late)
        state, reason = kit.outcome
        assert state == "SENT_TO_OPENCAST"
        assert reason.startswith("2 file(s) came after the ingest")
        assert "000-chat_file.txt" in reason
        assert "000-shared_screen.mp4" in reason
        assert kit.posts == 1
        [told] = [one for one in caplog.records if "came after" in one.message]
        assert told.levelname == "ERROR"
        [record] = records_of([JsonFormatter().format(told)])
        assert (record.goes_on, record.advice) == (True, one_ingest.ADD_THEM)
        assert "exec.on-demand UUID --allow-multiple-ingests" in record.advice

    def test_so_is_another_segment_under_the_same_key(self, kit: Kit) -> None:
        """A notification that brings the second segment only: it is number 0 of its message."""
        kit.take(kit.message())
        late = kit.message()
        (file,) = late["s3_files"]["active_speaker"]["segments"]
        file |= {"recording_start": "2026-10-14T15:00:12Z"}
        assert kit.take(late)
        assert kit.outcome[1].startswith("1 file(s) came after the ingest")
        assert "000-active_speaker.mp4 of 2026-10-14T15:00:12Z" in kit.outcome[1]

    def test_the_same_file_under_another_number_is_inside(self, kit: Kit) -> None:
        """Zoom finished an earlier segment later: what was number 0 is number 1 then."""
        both = kit.message(segments=2)
        second = copy.deepcopy(both)
        files = second["s3_files"]["active_speaker"]["segments"]
        files[:] = [{**files[1], "segment_num": 0, "filename": files[0]["filename"]}]
        kit.take(second)
        assert kit.take(both)
        assert kit.outcome[1].startswith("1 file(s) came after the ingest")
        assert "000-active_speaker.mp4 of 2026-10-14T14:00:12Z" in kit.outcome[1]

    def test_an_older_message_has_nothing_outside(self, kit: Kit) -> None:
        both = kit.message(segments=2)
        kit.take(both)
        files = both["s3_files"]["active_speaker"]["segments"]
        files[:] = [{**files[1], "segment_num": 0, "filename": files[0]["filename"]}]
        assert kit.take(both)
        assert kit.outcome == ("SENT_TO_OPENCAST", "")

    def test_the_marker_knows_its_files_and_its_time(self, kit: Kit) -> None:
        kit.take(kit.message("active_speaker", "chat_file"))
        assert marker(kit)["time"] == "2026-10-14T18:30:00Z"
        assert len(marker(kit)["files"]) == 2
        assert UUID not in str(marker(kit))

    def test_failures_end_also_for_an_ingest_that_is_done(self, kit: Kit) -> None:
        """Its row stays as it is, so it can't count: the message's own receives do."""
        kit.take(kit.message("active_speaker"))
        kit.fail("status", path="/api/events", status=503, times=None)
        late = kit.message("active_speaker", "shared_screen")
        for receive_count in range(1, 5):
            assert not kit.take(late, receive_count=receive_count)
        assert kit.take(late, receive_count=5)
        assert kit.outcome == ("SENT_TO_OPENCAST", "")
        (dead,) = kit.dead()
        assert "attempt 5 of 5" in dead["reason"]
