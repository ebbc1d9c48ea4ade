"""The form of an ingest, and the event that Opencast makes from the form."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from ingester.pipeline import retry_policy as attempts
from tests.unit.functions.uploader.harness import OWN_ID, SERIES, UUID, Harness, content, key_of

STREAM = "https://test-zoom-recording-files.s3.amazonaws.com/"


def name_of(view: str, number: int) -> str:
    """Return Opencast's name of a staged file: the staging key after the last slash."""
    return key_of(view, number).rpartition("/")[2]


class TestTheParts:
    def test_form_of_an_ingest_has_its_parts_in_order(self, harness: Harness) -> None:
        harness.settings["override_contributor"] = "Extension School"
        message = harness.message("active_speaker", "shared_screen", "chat_file", segments=2)
        assert harness.take(message)
        kinds = [
            ("multipart", "active_speaker", "mediaUri"),
            ("presentation", "shared_screen", "mediaUri"),
            ("chat", "chat_file", "attachmentUri"),
        ]
        files = [
            part
            for kind, view, name in kinds
            for number in (0, 1)
            for part in (
                ("flavor", f"{kind}/chunked+source"),
                (name, f"{STREAM}{key_of(view, number)}"),
            )
        ]
        times = (
            "2026-10-14T14:00:12Z_2026-10-14T14:50:12Z,2026-10-14T15:00:12Z_2026-10-14T15:50:12Z"
        )
        parts = harness.parts()
        (catalog,) = harness.part("seriesDCCatalog")
        assert parts == [
            ("identifier", OWN_ID),
            ("title", "Lecture"),
            ("type", "L"),
            ("isPartOf", SERIES),
            ("license", "Creative Commons 3.0: Attribution-NonCommercial-NoDerivs"),
            ("publisher", "hist@example.edu"),
            ("contributor", "Extension School"),
            ("created", "2026-10-14T14:00:12Z"),
            ("language", "en"),
            ("seriesDCCatalog", catalog),
            ("source", f"ZIP-{UUID}"),
            ("spatial", "Zoom 95846636714"),
            ("zoomMeetingStart", "2026-10-14T14:00:12Z"),
            ("zoomRecordingTimes", times),
            *files,
        ]
        terms = json.loads(catalog)["http://purl.org/dc/terms/"]
        assert terms["title"] == [{"value": "History & <more>: Vorträge"}]

    def test_opencast_fetches_the_staged_files_unchanged(self, harness: Harness) -> None:
        harness.take(harness.message("active_speaker", "chat_file", segments=2))
        (ingest,) = harness.opencast.ingests
        assert [(file.name, file.sha256) for file in ingest.files] == [
            (name_of(view, number), hashlib.sha256(content(view, number)).hexdigest())
            for view in ("active_speaker", "chat_file")
            for number in (0, 1)
        ]

    @pytest.mark.parametrize(
        ("override", "series", "publisher"),
        [
            ("over@example.edu", SERIES, "over@example.edu"),
            ("", SERIES, "hist@example.edu"),
            ("", "20260100000", "pub@example.edu"),
        ],
        ids=["overridden", "the series'", "the default"],
    )
    def test_publisher_of_an_ingest_comes_from_the_override_or_the_series_or_the_default(
        self, harness: Harness, override: str, series: str, publisher: str
    ) -> None:
        harness.settings["override_publisher"] = override
        harness.take(harness.message(opencast_series_id=series))
        assert harness.part("publisher") == [publisher]

    @pytest.mark.parametrize(
        ("asked", "used"), [({}, "dce-wf"), ({"oc_workflow": "other-wf"}, "other-wf")]
    )
    def test_workflow_of_an_ingest_is_the_requested_workflow_or_the_default_workflow(
        self, harness: Harness, asked: dict[str, Any], used: str
    ) -> None:
        harness.take(harness.message(**asked))
        assert harness.opencast.ingests[0].workflow_asked == used

    def test_presigned_urls_are_valid_for_oc_ingest_patience_hours(self, harness: Harness) -> None:
        sent: list[str] = []
        harness.when_answered("/ingest/", lambda: None)
        harness.session.hooks["response"].append(
            lambda response, **_: (
                sent.append(str(response.request.body))
                if response.request.method == "POST"
                else None
            )
        )
        harness.settings["oc_ingest_patience_hours"] = 2
        harness.take(harness.message())
        assert "X-Amz-Expires=7200" in sent[-1]
        assert "X-Amz-Algorithm=AWS4-HMAC-SHA256" in sent[-1]


class TestChat:
    def test_chat_is_sent_as_a_track_when_oc_chat_as_is_track(self, harness: Harness) -> None:
        # Opencast without DCE's changes silently drops an attachment.
        harness.opencast.set(dce=False)
        harness.settings["oc_chat_as"] = "track"
        harness.take(harness.message("active_speaker", "chat_file"))
        (chat,) = [file for file in harness.opencast.ingests[0].files if file.name.endswith(".txt")]
        assert (chat.part, chat.kind, chat.flavor) == (
            "mediaUri",
            "track",
            "chat/chunked+source",
        )


class TestViews:
    def test_message_goes_to_the_dlq_when_its_recording_has_no_video(
        self, harness: Harness
    ) -> None:
        assert harness.take(harness.message("chat_file"))
        assert harness.outcome[0] == "UPLOADER_FAILED"
        assert len(harness.dead()) == 1
        assert harness.posts == 0
        assert harness.posts_of == {}


class TestFalseStarts:
    def short(self, message: dict[str, Any], *views: str, seconds: float = 119.0) -> dict[str, Any]:
        for view in views:
            message["s3_files"][view]["segments"][0]["ffprobe_seconds"] = seconds
        return message

    def test_minimum_duration_of_a_segment_comes_from_the_settings(self, harness: Harness) -> None:
        harness.settings["minimum_duration"] = 1
        harness.take(self.short(harness.message(segments=2), "active_speaker", seconds=60.0))
        assert len(harness.opencast.ingests[0].files) == 2

    def test_recording_is_ignored_when_its_only_segment_is_too_short(
        self, harness: Harness
    ) -> None:
        message = harness.message("active_speaker", "chat_file")
        assert harness.take(self.short(message, "active_speaker"))
        assert harness.outcome == ("IGNORED", "Recording <2 minutes")
        assert harness.posts == 0
        assert harness.posts_of == {}


class TestRecordingTimes:
    def events(self, harness: Harness, events: Any) -> None:
        item = {"zoom_uuid": UUID, "recording_event_times": events}
        harness.aws.events.put_item(Item=item)

    def test_recording_times_leave_out_the_pauses(self, harness: Harness) -> None:
        paused = [
            {"event": "recording.paused", "timestamp": 1791986612},
            {"event": "recording.resumed", "timestamp": 1791986712},
        ]
        self.events(harness, paused)
        harness.take(harness.message())
        (times,) = harness.part("zoomRecordingTimes")
        assert times.count("_") == 2
        assert times.startswith("2026-10-14T14:00:12Z_2026-10-14T14:03:32Z,2026-10-14T14:05:12Z_")

    @pytest.mark.parametrize(
        "events",
        [
            "nonsense",
            [{"event": "recording.paused"}],
            [{"timestamp": "x"}],
            7,
            # A timestamp has to be in seconds, but this timestamp is in milliseconds.
            [{"event": "recording.paused", "timestamp": 1791986612000}],
            [{"event": "recording.paused", "timestamp": -(10**20)}],
        ],
    )
    def test_recording_counts_as_unpaused_when_its_recording_events_are_invalid(
        self, harness: Harness, events: Any
    ) -> None:
        self.events(harness, events)
        assert harness.take(harness.message())
        assert harness.part("zoomRecordingTimes") == ["2026-10-14T14:00:12Z_2026-10-14T14:50:12Z"]

    def test_recording_is_ingested_when_its_recording_events_cannot_be_read(
        self, harness: Harness, caplog: pytest.LogCaptureFixture
    ) -> None:
        harness.aws.events.delete()
        assert harness.take(harness.message())
        assert harness.outcome == ("SENT_TO_OPENCAST", "")
        assert "events can't be read" in caplog.text


def test_read_timeout_of_the_post_leaves_a_minute_of_the_invocation_but_has_a_minimum() -> None:
    assert attempts.read_seconds(900_000) == 840
    assert attempts.read_seconds(10_000) == attempts.SHORTEST_READ_SECONDS > 0
