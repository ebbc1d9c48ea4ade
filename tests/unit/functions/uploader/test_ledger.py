"""The uploader with superseded messages, and with missing or unreadable records of the ledger."""

from __future__ import annotations

import logging
from functools import partial
from typing import Any

import pytest

from ingester.ledger.record import End, with_end
from tests.unit.functions.uploader.harness import (
    OTHER_ZIP_ID,
    OWN_ID,
    SERIES,
    UUID,
    ZIP_ID,
    Harness,
    id_of,
)

SPEAKER, SCREEN = id_of("active_speaker", 0), id_of("shared_screen", 0)


class TestAMessageThatKnowsFewerFiles:
    def test_uploader_drops_a_message_when_another_message_has_more_files(
        self, harness: Harness, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO)
        harness.accept(SPEAKER)
        harness.send_late(SPEAKER, SCREEN)
        assert harness.take(harness.message("active_speaker"))
        assert harness.opencast.requests == []
        assert harness.outcome == ("SENT_TO_UPLOADER", "")
        assert harness.dead() == []
        assert [
            record.levelname for record in caplog.records if "more files" in record.message
        ] == ["INFO"]
        assert harness.take(harness.message("active_speaker", "shared_screen"))
        assert harness.outcome == ("SENT_TO_OPENCAST", "")
        assert set(harness.own_ingest.files) == {SPEAKER, SCREEN}

    def test_recording_of_a_message_with_fewer_files_is_ingested_when_the_request_was_ignored(
        self, harness: Harness
    ) -> None:
        harness.accept(SPEAKER)
        harness.send_late(SPEAKER, SCREEN)
        harness.ledger.change(UUID, partial(with_end, zip_id=ZIP_ID, end=End.IGNORED))
        harness.rewrite("IGNORED")
        assert harness.take(harness.message("active_speaker"))
        assert harness.outcome == ("SENT_TO_OPENCAST", "")
        assert set(harness.own_ingest.files) == {SPEAKER}

    def test_row_does_not_change_when_the_superseded_message_comes_last(
        self, harness: Harness
    ) -> None:
        harness.has_event()
        harness.accept(SPEAKER, SCREEN)
        harness.take(harness.message("active_speaker", "shared_screen"))
        assert harness.take(harness.message("active_speaker"))
        assert harness.outcome == ("IGNORED", "Already in opencast")

    def test_recording_is_ingested_when_the_ledger_has_no_record(self, harness: Harness) -> None:
        # A message may be older than the ledger.
        assert harness.take(harness.message())
        assert harness.outcome == ("SENT_TO_OPENCAST", "")


INGEST = {"zip_id": ZIP_ID, "series": SERIES, "files": {SPEAKER: "speaker"}}
POST = {"attempt": "a", "at": "2026-10-14T18:30:00Z"}


class TestARecordThatSomebodyHasEdited:
    @pytest.mark.parametrize(
        "edited",
        [
            {"ingests": "x"},
            {"ingests": {OWN_ID: 7}},
            {"ingests": {OWN_ID: {"zip_id": ZIP_ID}}},
            {"ingests": {OWN_ID: {**INGEST, "posts": []}}},
            {"ingests": {OWN_ID: {**INGEST, "posts": [{**POST, "at": "noon"}]}}},
            {"ingests": {OWN_ID: {**INGEST, "posts": [{**POST, "outcome": "perhaps"}]}}},
            {"requests": {ZIP_ID: {"sent": "all"}}},
            {"files": {SPEAKER: {"name": "speaker", "at": "noon"}}},
            {"version": "first"},
        ],
    )
    def test_message_goes_to_the_dlq_with_advice_when_the_ledger_record_is_unreadable(
        self, harness: Harness, edited: dict[str, Any]
    ) -> None:
        # The uploader may have posted the recording under an unknown id.
        harness.aws.recordings.put_item(Item={"uuid": UUID, "version": 1, **edited})
        message = harness.message()
        assert harness.take(message)
        assert harness.posts == 0
        state, reason = harness.outcome
        assert state == "UPLOADER_FAILED"
        assert reason.startswith(f"The ledger's record of {UUID} can't be read: ")
        assert "Correct the item in the table of recordings" in reason
        assert reason.endswith("Then send the recording again.")
        [dead] = harness.dead()
        assert (dead["body"], dead["reason"]) == (message, reason)

    def test_other_recordings_are_ingested_when_one_ledger_record_is_unreadable(
        self, harness: Harness
    ) -> None:
        harness.aws.recordings.put_item(Item={"uuid": UUID, "version": "first"})
        harness.take(harness.message())
        harness.put_row(OTHER_ZIP_ID)
        assert harness.take(harness.message(uuid="another==", zip_id=OTHER_ZIP_ID))
        assert harness.outcome_of(OTHER_ZIP_ID) == ("SENT_TO_OPENCAST", "")
