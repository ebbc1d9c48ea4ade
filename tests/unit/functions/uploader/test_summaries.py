"""Summaries and next steps that the uploader sends as attachments of an ingest."""

from __future__ import annotations

from typing import Any

import pytest

from ingester.recording.staging_bucket import RELEASED
from tests.cloud import BUCKET
from tests.unit.functions.uploader.harness import FOLDER, Harness

TRANSCRIPT = {"kind": "transcript", "filename": f"{FOLDER}/joined.vtt", "file_ids": ["t0", "t1"]}
OUTSIDE = "Its summaries stay outside: this Opencast takes no attachments (OC_CHAT_AS)."


def summary(kind: str, segment: int) -> dict[str, Any]:
    """Return the entry of an upload message for one segment's summary or next steps."""
    file_id = f"{kind}-{segment}"
    return {
        "kind": kind,
        "filename": f"{FOLDER}/{segment:03d}-{kind}-{file_id}.json",
        "file_ids": [file_id],
    }


SUMMARIES = [summary(kind, segment) for segment in (0, 1) for kind in ("summary", "next-steps")]
KEYS = [entry["filename"] for entry in SUMMARIES]


@pytest.fixture
def message(harness: Harness) -> dict[str, Any]:
    """Stage summaries and a transcript, and return an upload message that has them."""
    for key in KEYS:
        harness.aws.s3.put_object(Bucket=BUCKET, Key=key, Body=f'{{"key": "{key}"}}'.encode())
    harness.aws.s3.put_object(Bucket=BUCKET, Key=TRANSCRIPT["filename"], Body=b"WEBVTT\n")
    return harness.message(segments=2, captions=[TRANSCRIPT], summaries=SUMMARIES)


def flavors(harness: Harness) -> list[str]:
    """Return the flavors of the files in the only accepted ingest, except the videos."""
    (taken,) = [ingest for ingest in harness.opencast.ingests if ingest.state == "done"]
    return [file.flavor for file in taken.files if "chunked" not in file.flavor]


def test_opencast_gets_each_summary_as_an_attachment_once(
    harness: Harness, message: dict[str, Any]
) -> None:
    assert harness.take(message)
    assert harness.take(message)
    assert harness.outcome == ("SENT_TO_OPENCAST", "")
    (ingest,) = harness.opencast.ingests
    found = [
        (file.part, file.kind, file.flavor, file.tags, file.path.lstrip("/"))
        for file in ingest.files
        if file.name.endswith(".json")
    ]
    assert found == [
        ("attachmentUri", "attachment", f"{entry['kind']}/source", (), entry["filename"])
        for entry in SUMMARIES
    ]
    assert set(harness.own_ingest.captions) == {"transcript"}


def test_summaries_are_released_when_opencast_has_taken_the_recording(
    harness: Harness, message: dict[str, Any]
) -> None:
    harness.accept()
    assert harness.take(message)
    for key in KEYS:
        tags = harness.aws.s3.get_object_tagging(Bucket=BUCKET, Key=key)["TagSet"]
        assert tags == [{"Key": RELEASED, "Value": "yes"}]


@pytest.mark.parametrize("chat_as", ["track", "none"])
def test_row_says_that_summaries_stay_outside_when_opencast_takes_no_attachments(
    harness: Harness, message: dict[str, Any], chat_as: str
) -> None:
    harness.opencast.set(dce=False)
    harness.settings["oc_chat_as"] = chat_as
    assert harness.take(message)
    assert harness.outcome == ("SENT_TO_OPENCAST", OUTSIDE)
    assert flavors(harness) == ["captions/source"]


def test_summaries_are_sent_when_opencast_is_too_old_for_captions(
    harness: Harness, message: dict[str, Any]
) -> None:
    harness.opencast.set(version="14.1.0")
    assert harness.take(message)
    assert flavors(harness) == [f"{entry['kind']}/source" for entry in SUMMARIES]
    assert harness.outcome[1].startswith("Its captions stay outside: ")


def test_video_is_ingested_with_the_other_files_when_a_summary_is_gone_from_s3(
    harness: Harness, message: dict[str, Any]
) -> None:
    harness.aws.s3.delete_object(Bucket=BUCKET, Key=KEYS[1])
    assert harness.take(message)
    assert sorted(flavors(harness)) == [
        "captions/source",
        "next-steps/source",
        "summary/source",
        "summary/source",
    ]
    assert harness.outcome[0] == "SENT_TO_OPENCAST"
    assert harness.outcome[1].startswith("Its summaries stay outside: Its staged files are gone")


def test_video_is_ingested_without_summaries_when_ingests_with_them_have_failed(
    harness: Harness, message: dict[str, Any]
) -> None:
    harness.fail("status", status=400, times=2)
    assert not harness.take(message)
    assert not harness.take(message, receive_count=2)
    assert harness.take(message, receive_count=3)
    told = "Its captions and summaries stay outside, because ingests with them failed."
    assert harness.outcome == ("SENT_TO_OPENCAST", told)
    assert flavors(harness) == []


def test_row_says_why_summaries_are_unknown_when_the_downloader_could_not_ask_zoom(
    harness: Harness,
) -> None:
    told = "Zoom's summaries stay outside, if there are any: Zoom answered 500."
    assert harness.take(harness.message(summaries_note=told))
    assert harness.outcome == ("SENT_TO_OPENCAST", told)
