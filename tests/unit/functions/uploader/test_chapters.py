"""Chapters that the uploader sends with an ingest, or adds to an event in Opencast."""

from __future__ import annotations

from typing import Any

import pytest

from ingester.ledger.record import CaptionsState
from ingester.recording.files import captions_zip_id
from tests.cloud import BUCKET
from tests.unit.functions.uploader.harness import FOLDER, OWN_ID, UUID, Harness

TRANSCRIPT = {"kind": "transcript", "filename": f"{FOLDER}/joined.vtt", "file_ids": ["t0", "t1"]}
CHAPTERS = {"kind": "chapters", "filename": f"{FOLDER}/chapters.vtt", "file_ids": ["c0", "c1"]}
TEXT = "WEBVTT\n\n00:00:00.000 --> 00:01:00.000\nWaves &amp; tides\n"


@pytest.fixture(autouse=True)
def opencast_shows_chapters(harness: Harness) -> None:
    harness.opencast.set(version="19.0.0")


def with_tracks(harness: Harness, *tracks: dict[str, Any]) -> dict[str, Any]:
    """Stage tracks, and return an upload message that has the tracks."""
    for track in tracks:
        harness.aws.s3.put_object(Bucket=BUCKET, Key=track["filename"], Body=TEXT.encode())
    return harness.message(segments=2, captions=list(tracks))


def late(harness: Harness, *tracks: dict[str, Any]) -> dict[str, Any]:
    """Stage tracks, and return a message that adds the tracks to an event."""
    message = with_tracks(harness, *(tracks or (CHAPTERS,)))
    return {**message, "zip_id": captions_zip_id(UUID), "s3_files": {}, "late_for": OWN_ID}


def ingest(harness: Harness) -> None:
    """Ingest a recording without chapters, and let its workflow end."""
    assert harness.take(with_tracks(harness))
    harness.time.ahead += 3600


def states(harness: Harness) -> dict[str, CaptionsState]:
    return {kind: found.state for kind, found in harness.own_ingest.captions.items()}


class TestInTheForm:
    def test_opencast_gets_the_chapters_as_a_track_without_tags(self, harness: Harness) -> None:
        assert harness.take(with_tracks(harness, TRANSCRIPT, CHAPTERS))
        assert harness.outcome == ("SENT_TO_OPENCAST", "")
        (found,) = harness.opencast.ingests
        *_, captions, chapters = found.files
        assert (captions.flavor, chapters.flavor) == ("captions/source", "chapters/source")
        assert captions.tags
        assert chapters.tags == ()
        assert chapters.text == TEXT
        assert states(harness) == {
            "transcript": CaptionsState.DONE,
            "chapters": CaptionsState.DONE,
        }
        assert harness.own_ingest.captions["chapters"].files == ("c0", "c1")

    def test_row_says_that_opencast_is_too_old_for_chapters(self, harness: Harness) -> None:
        harness.opencast.set(version="18.4.0")
        assert harness.take(with_tracks(harness, TRANSCRIPT, CHAPTERS))
        told = "Its chapters stay outside: this Opencast has the version 18, and they need 19."
        assert harness.outcome == ("SENT_TO_OPENCAST", told)
        assert set(states(harness)) == {"transcript"}

    def test_row_says_that_opencast_is_too_old_for_captions_and_chapters(
        self, harness: Harness
    ) -> None:
        harness.opencast.set(version="14.1.0")
        assert harness.take(with_tracks(harness, TRANSCRIPT, CHAPTERS))
        told = (
            "Its captions stay outside: this Opencast has the version 14, and they need 15. "
            "Its chapters stay outside: this Opencast has the version 14, and they need 19."
        )
        assert harness.outcome == ("SENT_TO_OPENCAST", told)
        assert states(harness) == {}

    def test_video_is_ingested_without_chapters_when_they_are_gone_from_s3(
        self, harness: Harness
    ) -> None:
        message = with_tracks(harness, CHAPTERS)
        harness.aws.s3.delete_object(Bucket=BUCKET, Key=CHAPTERS["filename"])
        assert harness.take(message)
        assert harness.outcome[0] == "SENT_TO_OPENCAST"
        assert "Its chapters stay outside: Its staged files are gone" in harness.outcome[1]

    def test_video_is_ingested_without_chapters_when_ingests_with_them_have_failed(
        self, harness: Harness
    ) -> None:
        message = with_tracks(harness, TRANSCRIPT, CHAPTERS)
        harness.fail("status", status=400, times=2)
        assert not harness.take(message)
        assert not harness.take(message, receive_count=2)
        assert harness.take(message, receive_count=3)
        told = "Its captions and chapters stay outside, because ingests with them failed."
        assert harness.outcome == ("SENT_TO_OPENCAST", told)
        assert states(harness) == {}


class TestAddingLater:
    def test_opencast_gets_late_chapters_once_and_starts_their_workflow(
        self, harness: Harness
    ) -> None:
        harness.settings["captions_workflow"] = "other-wf"
        ingest(harness)
        assert harness.take(late(harness))
        assert harness.take(late(harness))
        (added,) = harness.opencast.added
        assert added.mediapackage_id == OWN_ID
        assert (added.file.flavor, added.file.tags) == ("chapters/source", ())
        assert added.file.text == TEXT
        assert list(harness.opencast.store.workflows.values())[-1].template == "other-wf"
        assert states(harness) == {"chapters": CaptionsState.DONE}
        assert harness.outcome == ("SENT_TO_OPENCAST", "")

    def test_late_chapters_are_not_added_when_the_ingest_contained_them(
        self, harness: Harness
    ) -> None:
        harness.take(with_tracks(harness, CHAPTERS))
        harness.time.ahead += 3600
        assert harness.take(late(harness))
        assert not harness.opencast.added

    def test_row_says_that_opencast_is_too_old_for_late_chapters(self, harness: Harness) -> None:
        ingest(harness)
        harness.opencast.set(version="18.0.0")
        assert harness.take(late(harness))
        assert not harness.opencast.added
        told = "Its chapters stay outside: this Opencast has the version 18, and they need 19."
        assert harness.outcome == ("SENT_TO_OPENCAST", told)

    def test_row_says_that_no_workflow_publishes_the_late_chapters(self, harness: Harness) -> None:
        ingest(harness)
        assert harness.take(late(harness))
        told = "Its chapters were added after the ingest. They wait for a workflow to publish them."
        assert harness.outcome == ("SENT_TO_OPENCAST", told)

    def test_late_chapters_are_not_posted_again_when_the_answer_is_lost(
        self, harness: Harness
    ) -> None:
        ingest(harness)
        harness.fail("close", path="/api/events", method="POST", after_work=True, times=2)
        assert harness.take(late(harness))
        assert "Opencast's answer to the chapters never came." in harness.outcome[1]
        assert "It isn't known whether the event has its chapters" in harness.outcome[1]
        assert harness.take(late(harness))
        assert len(harness.opencast.added) == 1

    def test_request_does_not_fail_when_its_late_chapters_go_to_the_dlq(
        self, harness: Harness
    ) -> None:
        ingest(harness)
        harness.fail("close", path="/", times=None)
        assert harness.take(late(harness), receive_count=50)
        (dead,) = harness.dead()
        assert dead["reason"].startswith("The chapters can't be added: ")
        assert harness.outcome == ("SENT_TO_OPENCAST", "")
