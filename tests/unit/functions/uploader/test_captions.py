"""Captions that the uploader sends with an ingest, or adds to an event in Opencast."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import requests

from ingester.ledger.record import CaptionsState, IngestRecord
from ingester.recording.files import captions_zip_id
from ingester.recording.timeline import Stretch
from tests.cloud import BUCKET
from tests.hooks import failing
from tests.unit.functions.uploader.harness import (
    FOLDER,
    OWN_ID,
    UUID,
    ZIP_ID,
    Harness,
    Refusing,
    id_of,
)

TRANSCRIPT = {"kind": "transcript", "filename": f"{FOLDER}/joined.vtt", "file_ids": ["t0", "t1"]}
TYPED = {"kind": "closed_caption", "filename": f"{FOLDER}/typed.vtt", "file_ids": ["c0"]}
TEXT = "WEBVTT\n\n00:00:01.000 --> 00:00:02.000\nAda: Guten Tag\n"
TAGS = ("lang:en-US", "generator-type:auto", "generator:zoom", "type:subtitle")


def staged(harness: Harness, *tracks: dict[str, Any]) -> list[dict[str, Any]]:
    """Stage captions, and return their entries for an upload message."""
    for track in tracks:
        harness.aws.s3.put_object(Bucket=BUCKET, Key=track["filename"], Body=TEXT.encode())
    return list(tracks)


def with_captions(harness: Harness, *tracks: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return harness.message(segments=2, captions=staged(harness, *tracks), **changes)


def late(harness: Harness, *tracks: dict[str, Any], media_package: str = OWN_ID) -> dict[str, Any]:
    """Stage captions, and return a message that adds the captions to an event."""
    return {
        **harness.message(),
        "zip_id": captions_zip_id(UUID),
        "s3_files": {},
        "captions": staged(harness, *(tracks or (TRANSCRIPT,))),
        "late_for": media_package,
    }


def ingest(harness: Harness) -> None:
    """Ingest a recording without captions, and let its workflow end."""
    assert harness.take(with_captions(harness))
    harness.time.ahead += 3600


def states(ingest: IngestRecord) -> dict[str, CaptionsState]:
    return {kind: captions.state for kind, captions in ingest.captions.items()}


class TestInTheForm:
    def test_opencast_gets_the_captions_as_a_track_with_tags(self, harness: Harness) -> None:
        assert harness.take(with_captions(harness, TRANSCRIPT))
        assert harness.outcome == ("SENT_TO_OPENCAST", "")
        (found,) = harness.opencast.ingests
        *videos, captions = found.files
        assert [video.tags for video in videos] == [(), ()]
        assert (captions.kind, captions.flavor) == ("track", "captions/source")
        assert captions.tags == TAGS
        assert captions.text == TEXT

    def test_closed_captions_have_their_own_tag_and_the_language_in_the_setting(
        self, harness: Harness
    ) -> None:
        harness.settings["captions_language"] = "de-CH"
        harness.take(with_captions(harness, TRANSCRIPT, TYPED))
        (found,) = harness.opencast.ingests
        transcript, typed = found.files[-2:]
        assert (transcript.tags[0], transcript.tags[-1]) == ("lang:de-CH", "type:subtitle")
        assert (typed.tags[0], typed.tags[-1]) == ("lang:de-CH", "type:closed-caption")

    def test_ledger_keeps_the_captions_and_the_timeline_of_the_video(
        self, harness: Harness
    ) -> None:
        harness.take(with_captions(harness, TRANSCRIPT))
        assert harness.own_ingest.timeline == (
            Stretch(start="2026-10-14T14:00:12Z", begins=0, length=3_000_000),
            Stretch(start="2026-10-14T15:00:12Z", begins=3_000_000, length=3_000_000),
        )
        assert states(harness.own_ingest) == {"transcript": CaptionsState.DONE}
        assert harness.own_ingest.captions["transcript"].files == ("t0", "t1")
        assert set(harness.own_ingest.files) == {
            id_of("active_speaker", 0),
            id_of("active_speaker", 1),
        }

    def test_form_and_ledger_have_no_captions_when_the_message_has_no_field_for_captions(
        self, harness: Harness
    ) -> None:
        harness.take(harness.message(segments=2))
        assert not harness.part("tag")
        assert harness.asked("/info/") == 0
        assert harness.own_ingest.timeline == ()
        item = harness.aws.recordings.get_item(Key={"uuid": UUID})["Item"]
        assert not {"timeline", "captions"} & set(item["ingests"][OWN_ID])

    @pytest.mark.parametrize(
        ("version", "told"),
        [
            ("14.9.0", "has the version 14"),
            ("", "doesn't tell its version"),
            ("develop", "doesn't tell its version"),
        ],
    )
    def test_row_says_why_captions_are_not_ingested_when_the_opencast_version_is_too_old_or_unknown(
        self, harness: Harness, version: str, told: str
    ) -> None:
        harness.opencast.set(version=version)
        assert harness.take(with_captions(harness, TRANSCRIPT))
        reason = f"Its captions stay outside: this Opencast {told}, and they need 15."
        assert harness.outcome == ("SENT_TO_OPENCAST", reason)
        assert not harness.part("tag")
        assert states(harness.own_ingest) == {}

    @pytest.mark.parametrize("kind", ["status", "maintenance", "close"])
    def test_video_is_ingested_without_captions_when_opencast_does_not_tell_its_version(
        self, harness: Harness, kind: Any
    ) -> None:
        harness.fail(kind, path="/info/", status=404, times=None)
        assert harness.take(with_captions(harness, TRANSCRIPT))
        assert "doesn't tell its version" in harness.outcome[1]

    def test_video_is_ingested_without_captions_when_they_are_gone_from_s3(
        self, harness: Harness
    ) -> None:
        message = with_captions(harness, TRANSCRIPT)
        harness.aws.s3.delete_object(Bucket=BUCKET, Key=TRANSCRIPT["filename"])
        assert harness.take(message)
        assert harness.outcome[0] == "SENT_TO_OPENCAST"
        assert "Its captions stay outside: Its staged files are gone" in harness.outcome[1]

    def test_video_is_ingested_without_captions_when_ingests_with_them_have_failed(
        self, harness: Harness
    ) -> None:
        message = with_captions(harness, TRANSCRIPT)
        harness.fail("status", status=400, times=2)
        assert not harness.take(message)
        assert not harness.take(message, receive_count=2)
        assert harness.take(message, receive_count=3)
        told = "Its captions stay outside, because ingests with them failed."
        assert harness.outcome == ("SENT_TO_OPENCAST", told)
        assert not harness.part("tag")


class TestAddingLater:
    def test_opencast_gets_late_captions_and_starts_their_workflow(self, harness: Harness) -> None:
        harness.settings["captions_workflow"] = "other-wf"
        ingest(harness)
        assert harness.take(late(harness))
        (added,) = harness.opencast.added
        assert added.mediapackage_id == OWN_ID
        assert (added.file.flavor, added.file.tags) == ("captions/source", TAGS)
        assert added.file.text == TEXT
        last = list(harness.opencast.store.workflows.values())[-1]
        assert (last.template, last.mediapackage_id) == ("other-wf", OWN_ID)
        assert states(harness.own_ingest) == {"transcript": CaptionsState.DONE}
        assert harness.outcome == ("SENT_TO_OPENCAST", "")

    def test_late_captions_are_added_once_when_their_message_comes_twice(
        self, harness: Harness
    ) -> None:
        ingest(harness)
        assert harness.take(late(harness))
        assert harness.take(late(harness))
        assert len(harness.opencast.added) == 1

    def test_late_captions_are_not_added_when_the_ingest_contained_them(
        self, harness: Harness
    ) -> None:
        harness.take(with_captions(harness, TRANSCRIPT))
        harness.time.ahead += 3600
        assert harness.take(late(harness))
        assert not harness.opencast.added

    def test_late_captions_wait_while_a_workflow_of_the_event_runs(self, harness: Harness) -> None:
        harness.take(with_captions(harness))
        assert not harness.take(late(harness))
        assert not harness.opencast.added
        assert states(harness.own_ingest) == {}
        harness.time.ahead += 3600
        assert harness.take(late(harness), receive_count=2)
        assert len(harness.opencast.added) == 1

    def test_late_captions_wait_when_opencast_answers_their_post_with_409(
        self, harness: Harness
    ) -> None:
        ingest(harness)
        harness.fail("status", path="/api/events", method="POST", status=409, times=2)
        assert not harness.take(late(harness))
        assert states(harness.own_ingest) == {"transcript": CaptionsState.QUEUED}
        harness.opencast.store.faults.clear()
        assert harness.take(late(harness), receive_count=2)
        assert len(harness.opencast.added) == 1

    def test_captions_workflow_waits_while_another_workflow_runs(self, harness: Harness) -> None:
        harness.settings["captions_workflow"] = "other-wf"
        ingest(harness)
        harness.fail("status", path="/api/workflows", status=409, times=2)
        assert not harness.take(late(harness))
        assert states(harness.own_ingest) == {"transcript": CaptionsState.ADDED}
        harness.opencast.store.faults.clear()
        assert harness.take(late(harness), receive_count=2)
        assert len(harness.opencast.added) == 1
        assert len(harness.opencast.store.workflows) == 2

    def test_row_says_that_the_captions_workflow_does_not_exist(
        self, harness: Harness, caplog: pytest.LogCaptureFixture
    ) -> None:
        harness.settings["captions_workflow"] = "none-such"
        ingest(harness)
        assert harness.take(late(harness))
        assert len(harness.opencast.added) == 1
        told = "Its captions were added, but Opencast has no workflow none-such to publish them."
        assert harness.outcome == ("SENT_TO_OPENCAST", told)
        assert [record.levelname for record in caplog.records if told in record.message] == [
            "ERROR"
        ]

    def test_row_says_that_late_captions_are_not_published_when_captions_workflow_is_not_set(
        self, harness: Harness
    ) -> None:
        ingest(harness)
        assert harness.take(late(harness))
        assert harness.outcome == (
            "SENT_TO_OPENCAST",
            "Its captions were added after the ingest. They wait for a workflow to publish them.",
        )

    def test_row_says_that_opencast_is_too_old_for_late_captions(self, harness: Harness) -> None:
        harness.opencast.set(version="15.6.0")
        ingest(harness)
        assert harness.take(late(harness))
        assert not harness.opencast.added
        assert harness.outcome == (
            "SENT_TO_OPENCAST",
            "Its captions stay outside: this Opencast has the version 15, and they need 16.",
        )

    def test_row_has_the_reason_when_opencast_refuses_late_captions(self, harness: Harness) -> None:
        ingest(harness)
        harness.fail("status", path="/api/events", method="POST", status=400, times=2)
        assert harness.take(late(harness))
        assert "Its captions stay outside: Opencast answered 400" in harness.outcome[1]
        assert harness.own_ingest.captions["transcript"].is_refused

    @pytest.mark.parametrize("kind", ["close", "status"])
    def test_late_captions_are_not_posted_again_when_the_outcome_of_their_post_is_unknown(
        self, harness: Harness, kind: Any
    ) -> None:
        ingest(harness)
        harness.fail(kind, path="/api/events", method="POST", status=502, after_work=True, times=2)
        assert harness.take(late(harness))
        assert "It isn't known whether the event has its captions" in harness.outcome[1]
        assert harness.take(late(harness))
        assert len(harness.opencast.added) == 1

    def test_late_captions_are_posted_again_when_no_connection_was_made(
        self, harness: Harness
    ) -> None:
        ingest(harness)
        own = harness.session.get_adapter("https://")
        harness.when_answered("hasActiveWorkflows", lambda: refuse(harness.session))
        assert not harness.take(late(harness))
        assert states(harness.own_ingest) == {"transcript": CaptionsState.QUEUED}
        harness.session.mount("https://", own)
        assert harness.take(late(harness), receive_count=2)
        assert len(harness.opencast.added) == 1

    def test_late_captions_are_not_posted_when_the_ledger_cannot_be_written(
        self, harness: Harness
    ) -> None:
        ingest(harness)
        with failing(harness.aws.recordings.meta.client, "dynamodb.UpdateItem", "Throttling"):
            assert not harness.take(late(harness))
        assert not harness.opencast.added

    def test_late_captions_are_not_added_to_an_event_that_the_ledger_does_not_know(
        self, harness: Harness
    ) -> None:
        ingest(harness)
        assert harness.take(late(harness, media_package="another"))
        assert not harness.opencast.added

    def test_late_captions_wait_when_opencast_does_not_show_the_event_yet(
        self, harness: Harness
    ) -> None:
        ingest(harness)
        shown = harness.opencast.store.events.pop(OWN_ID)
        assert not harness.take(late(harness))
        harness.opencast.store.events[OWN_ID] = shown
        assert harness.take(late(harness), receive_count=2)
        assert len(harness.opencast.added) == 1

    def test_late_captions_are_not_added_when_the_event_was_deleted(self, harness: Harness) -> None:
        ingest(harness)
        harness.delete_event()
        harness.clock.forward(minutes=15)
        assert harness.take(late(harness))
        assert not harness.opencast.added
        assert states(harness.own_ingest) == {}

    def test_one_workflow_publishes_late_transcript_and_closed_captions(
        self, harness: Harness
    ) -> None:
        harness.settings["captions_workflow"] = "other-wf"
        ingest(harness)
        assert harness.take(late(harness, TRANSCRIPT, TYPED))
        assert [added.file.name for added in harness.opencast.added] == [
            "transcript.vtt",
            "closed_caption.vtt",
        ]
        assert len(harness.opencast.store.workflows) == 2

    def test_row_has_both_reasons_when_one_kind_of_captions_is_missing_and_another_unpublished(
        self, harness: Harness
    ) -> None:
        harness.settings["captions_workflow"] = "none-such"
        ingest(harness)
        message = late(harness, TRANSCRIPT, TYPED)
        harness.aws.s3.delete_object(Bucket=BUCKET, Key=TYPED["filename"])
        assert harness.take(message)
        assert "Its captions stay outside: Its staged files are gone" in harness.outcome[1]
        told = "Its captions were added, but Opencast has no workflow none-such to publish them."
        assert harness.outcome[1].endswith(told)


class TestAddingOnlySome:
    """Late captions that can't all be added and published at the first attempt."""

    @pytest.fixture(autouse=True)
    def ingested(self, harness: Harness) -> None:
        harness.settings["captions_workflow"] = "other-wf"
        ingest(harness)

    def test_added_captions_are_published_when_opencast_refuses_later_ones(
        self, harness: Harness
    ) -> None:
        harness.when_answered("/track", partial(fail_posts, harness, status=400))
        assert harness.take(late(harness, TRANSCRIPT, TYPED))
        assert published(harness) == ["transcript.vtt"]
        captions = harness.own_ingest.captions
        assert {kind: known.is_refused for kind, known in captions.items()} == {
            "transcript": False,
            "closed_caption": True,
        }
        assert set(states(harness.own_ingest).values()) == {CaptionsState.DONE}
        assert "Its captions stay outside: Opencast answered 400" in harness.outcome[1]

    def test_added_captions_are_published_when_opencast_refuses_earlier_ones(
        self, harness: Harness
    ) -> None:
        fail_posts(harness, status=400)
        harness.when_answered("/track", harness.opencast.store.faults.clear)
        assert harness.take(late(harness, TRANSCRIPT, TYPED))
        assert published(harness) == ["closed_caption.vtt"]
        assert "Its captions stay outside: Opencast answered 400" in harness.outcome[1]

    @pytest.mark.parametrize("fault", [{"kind": "close"}, {"kind": "status", "status": 429}])
    def test_refused_captions_are_not_posted_again_when_the_workflow_has_to_wait(
        self, harness: Harness, fault: dict[str, Any]
    ) -> None:
        fail_posts(harness, status=400)
        harness.when_answered("/track", harness.opencast.store.faults.clear)
        harness.when_answered("/track", lambda: harness.fail(**fault, path="/api/workflows"))
        message = late(harness, TRANSCRIPT, TYPED)
        assert not harness.take(message)
        told = harness.outcome[1]
        assert told.startswith("Its captions stay outside: Opencast answered 400")
        harness.opencast.store.faults.clear()
        assert harness.take(message, receive_count=2)
        assert published(harness) == ["closed_caption.vtt"]
        assert harness.outcome[1] == told

    def test_captions_of_other_files_are_posted_when_opencast_has_refused_earlier_ones(
        self, harness: Harness
    ) -> None:
        fail_posts(harness, status=400)
        assert harness.take(late(harness))
        harness.opencast.store.faults.clear()
        assert harness.take(late(harness))
        assert not harness.opencast.added
        assert harness.take(late(harness, {**TRANSCRIPT, "file_ids": ["t0", "t1", "t2"]}))
        assert published(harness) == ["transcript.vtt"]
        assert harness.own_ingest.captions["transcript"].problem == ""

    def test_added_captions_are_published_when_later_ones_are_gone_from_s3(
        self, harness: Harness
    ) -> None:
        message = late(harness, TRANSCRIPT, TYPED)
        harness.aws.s3.delete_object(Bucket=BUCKET, Key=TYPED["filename"])
        assert harness.take(message)
        assert published(harness) == ["transcript.vtt"]
        assert "Its captions stay outside: Its staged files are gone" in harness.outcome[1]
        assert harness.dead() == []

    def test_added_captions_are_published_once_when_the_outcome_of_a_later_post_is_unknown(
        self, harness: Harness
    ) -> None:
        harness.when_answered("/track", partial(fail_posts, harness, status=502))
        assert harness.take(late(harness, TRANSCRIPT, TYPED))
        assert "It isn't known whether the event has its captions" in harness.outcome[1]
        harness.opencast.store.faults.clear()
        harness.time.ahead += 3600
        assert harness.take(late(harness, TRANSCRIPT, TYPED))
        assert published(harness) == ["transcript.vtt"]

    def test_added_captions_are_published_once_when_the_invocation_dies_before_their_workflow(
        self, harness: Harness
    ) -> None:
        harness.when_answered("/track", lambda: harness.when_answered("/track", die))
        with pytest.raises(Died):
            harness.take(late(harness, TRANSCRIPT, TYPED))
        assert states(harness.own_ingest) == {
            "transcript": CaptionsState.ADDED,
            "closed_caption": CaptionsState.SENT,
        }
        for receive_count in (2, 3):
            message = late(harness, TRANSCRIPT, TYPED)
            assert harness.take(message, receive_count=receive_count)
            assert published(harness) == ["transcript.vtt", "closed_caption.vtt"]
            harness.time.ahead += 3600

    def test_added_captions_are_published_after_a_wait_when_another_workflow_runs(
        self, harness: Harness
    ) -> None:
        harness.when_answered("/track", partial(fail_posts, harness, status=400))
        harness.fail("status", path="/api/workflows", status=409)
        message = late(harness, TRANSCRIPT, TYPED)
        assert not harness.take(message)
        assert states(harness.own_ingest)["transcript"] is CaptionsState.ADDED
        assert harness.take(message, receive_count=2)
        assert published(harness) == ["transcript.vtt"]
        assert "Its captions stay outside: Opencast answered 400" in harness.outcome[1]

    def test_no_workflow_starts_when_opencast_refuses_all_captions(self, harness: Harness) -> None:
        fail_posts(harness, status=400)
        assert harness.take(late(harness))
        assert workflows_after_ingest(harness) == 0


class TestGivingUp:
    def test_request_does_not_fail_when_its_late_captions_go_to_the_dlq(
        self, harness: Harness
    ) -> None:
        ingest(harness)
        harness.fail("close", path="/", times=None)
        assert harness.take(late(harness), receive_count=50)
        (dead,) = harness.dead()
        assert dead["reason"].startswith("The captions can't be added: ")
        assert harness.outcome == ("SENT_TO_OPENCAST", "")
        assert captions_zip_id(UUID) not in harness.record.requests
        assert captions_zip_id(UUID) not in harness.aws.rows()

    def test_waiting_captions_count_as_no_failure_of_the_request(self, harness: Harness) -> None:
        harness.opencast.set(active_seconds=3600)
        harness.take(with_captions(harness))
        assert not harness.take(late(harness))
        assert harness.failures == 0
        assert set(harness.aws.rows()) == {ZIP_ID}


class Died(BaseException):
    """The exception that stands for the end of an invocation's process."""


def die() -> None:
    raise Died


def fail_posts(harness: Harness, status: int) -> None:
    """Make Opencast's event API answer all further POSTs with a status."""
    harness.fail("status", path="/api/events", method="POST", status=status, times=None)


def workflows_after_ingest(harness: Harness) -> int:
    return len(harness.opencast.store.workflows) - 1


def published(harness: Harness) -> list[str]:
    """Check that one workflow has started since the ingest, and return the added files' names."""
    assert workflows_after_ingest(harness) == 1
    return [added.file.name for added in harness.opencast.added]


def refuse(session: requests.Session) -> None:
    """Make all further HTTPS connections of a session fail."""
    session.mount("https://", Refusing())
