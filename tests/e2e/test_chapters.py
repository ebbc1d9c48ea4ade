"""Chapters and summaries on the local stack, while captions are off."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from cdk.names import DOWNLOADER, UPLOADER, WEBHOOK
from local.driver import OpencastFile
from tests.e2e.deployed import limited
from tests.e2e.stack import Stack

LECTURE: dict[str, Any] = {"segments": 2, "seconds": 12, "pause": 60}
STARTS = (0.0, 4.5)
SLACK_SECONDS = 0.3
FLAVORS = {"summary": "summary/source", "summary_next_steps": "next-steps/source"}
"""Flavors of summaries, by Zoom's `recording_type`."""


@pytest.fixture(scope="module", autouse=True)
def chapters_are_on(stack: Stack) -> Iterator[None]:
    """Turn chapters on in the deployed functions, with an Opencast that shows chapters."""
    settings = {
        "INGEST_CHAPTERS": "true",
        "CAPTIONS_WORKFLOW": "schedule-and-upload",
        "MINIMUM_DURATION": "0",
    }
    stack.driver.set_opencast_switches(version="19.0.0")
    with ExitStack() as changed:
        changed.callback(stack.driver.set_opencast_switches, version="17.3.0")
        for function, seconds in ((WEBHOOK, 30), (DOWNLOADER, 900), (UPLOADER, 900)):
            changed.enter_context(
                limited(stack.driver, stack.function(function), seconds, **settings)
            )
        yield


def assert_right(chapters: OpencastFile) -> None:
    assert (chapters.flavor, chapters.tags) == ("chapters/source", ())
    header, *cues = chapters.text.strip().split("\n\n")
    assert header == "WEBVTT"
    begins, ends = zip(
        *(map(seconds, cue.split("\n")[0].split(" --> ")) for cue in cues), strict=True
    )
    # The second segment begins where the video of the first segment ends.
    second = begins[2]
    assert second == pytest.approx(LECTURE["seconds"], abs=SLACK_SECONDS)
    assert begins == pytest.approx((0.0, STARTS[1], second, second + STARTS[1]))
    assert begins[1:] == ends[:-1]
    assert all(" &amp; " in cue for cue in cues)


def seconds(stamp: str) -> float:
    hours, minutes, rest = stamp.split(":")
    return 3600 * int(hours) + 60 * int(minutes) + float(rest)


def test_chapters_of_both_segments_are_sent_with_the_ingest(stack: Stack) -> None:
    recording = stack.lecture(seed=uuid.uuid4().hex, chapters=STARTS, **LECTURE)
    stack.send_completed(recording)
    row = stack.await_state(recording, "SENT_TO_OPENCAST")
    assert not row.reason
    (ingest,) = stack.driver.ingests_of(recording)
    flavors = [file.flavor for file in ingest.files]
    assert "captions/source" not in flavors
    (chapters,) = [file for file in ingest.files if file.flavor == "chapters/source"]
    assert_right(chapters)


def test_chapters_that_come_after_the_ingest_are_added_to_the_opencast_event_once(
    stack: Stack,
) -> None:
    seed = uuid.uuid4().hex
    recording = stack.lecture(seed=seed, **LECTURE)
    stack.send_completed(recording)
    stack.await_state(recording, "SENT_TO_OPENCAST")
    added = stack.send_late_files(recording, seed=seed, chapters=STARTS, **LECTURE)
    assert_right(added[0])
    assert len(added) == 1


def test_summaries_of_both_segments_are_attachments_of_the_ingest(stack: Stack) -> None:
    recording = stack.lecture(seed=uuid.uuid4().hex, chapters=STARTS, summaries=True, **LECTURE)
    stack.send_completed(recording)
    row = stack.await_state(recording, "SENT_TO_OPENCAST")
    assert not row.reason
    (ingest,) = stack.driver.ingests_of(recording)
    for recording_type, flavor in FLAVORS.items():
        at_zoom = [file.sha256 for file in recording.files if file.recording_type == recording_type]
        found = [file for file in ingest.files if file.flavor == flavor]
        assert len(found) == LECTURE["segments"]
        assert [file.sha256 for file in found] == at_zoom
        assert {file.part for file in found} == {"attachmentUri"}
