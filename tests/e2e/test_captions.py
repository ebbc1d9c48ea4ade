"""Captions on the local stack. The times of the cues have to fit the sound of the video."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import av
import pytest

from cdk.names import DOWNLOADER, UPLOADER, WEBHOOK
from local.driver import OpencastFile, ZoomRecording
from local.neighbours.zoom_recordings import Lecture, build_lecture
from tests.e2e.deployed import limited
from tests.e2e.stack import Stack

WORDS = (2.0, 6.5)
LECTURE: dict[str, Any] = {"segments": 2, "seconds": 12, "pause": 60, "words": WORDS}
SLACK_SECONDS = 0.3
"""Tolerance of a cue's time, in seconds. An AAC encoder begins a tone some hundredths of a second
off."""

LOUD = 0.1
CUE = re.compile(r"(\d\d):(\d\d):(\d\d\.\d{3}) --> ")


@pytest.fixture(scope="module", autouse=True)
def captions_are_on(stack: Stack) -> Iterator[None]:
    """Turn captions on in the deployed functions, and allow short recordings."""
    settings = {
        "INGEST_CAPTIONS": "true",
        "CAPTIONS_WORKFLOW": "schedule-and-upload",
        "MINIMUM_DURATION": "0",
    }
    with ExitStack() as changed:
        for function, seconds in ((WEBHOOK, 30), (DOWNLOADER, 900), (UPLOADER, 900)):
            changed.enter_context(
                limited(stack.driver, stack.function(function), seconds, **settings)
            )
        yield


def begins(text: str) -> list[float]:
    """Return the times in seconds at which the cues begin."""
    return [3600 * int(h) + 60 * int(m) + float(s) for h, m, s in CUE.findall(text)]


def heard(videos: list[Path]) -> list[float]:
    """Return the times in seconds at which a tone begins in the joined videos."""
    onsets: list[float] = []
    joined = 0.0
    for video in videos:
        with av.open(str(video)) as container:
            was_loud = False
            for frame in container.decode(audio=0):
                assert frame.time is not None
                samples = memoryview(bytes(frame.planes[0])).cast("f")
                step = frame.sample_rate // 50
                for first in range(0, frame.samples - step + 1, step):
                    is_loud = max(map(abs, samples[first : first + step])) > LOUD
                    if is_loud and not was_loud:
                        onsets.append(joined + frame.time + first / frame.sample_rate)
                    was_loud = is_loud
            assert container.duration is not None
            joined += container.duration / av.time_base
    return onsets


def videos_in(stack: Stack, recording: ZoomRecording, made: Path, seed: str) -> list[Path]:
    """Make copies of the two videos that Opencast got, and return the paths of the copies.

    The paths are in the order in which Opencast joins the videos.
    """
    lecture = build_lecture(
        made,
        Lecture(meeting_id=recording.meeting_id, start_time=stack.start, seed=seed, **LECTURE),
    )
    paths = {file.sha256(): file.path for file in lecture.files}
    (ingest,) = stack.driver.ingests_of(recording)
    videos = [paths[f.sha256] for f in ingest.files if f.flavor == "multipart/chunked+source"]
    assert len(videos) == 2
    return [path for path in videos if path]


def assert_right(captions: OpencastFile, videos: list[Path]) -> None:
    assert captions.flavor == "captions/source"
    assert "lang:en-US" in captions.tags
    said, shown = heard(videos), begins(captions.text)
    assert len(shown) == len(said) == 2 * len(WORDS)
    assert shown == pytest.approx(said, abs=SLACK_SECONDS)


def test_cues_begin_at_the_times_of_their_words_in_the_joined_video(
    stack: Stack, tmp_path: Path
) -> None:
    seed = uuid.uuid4().hex
    recording = stack.lecture(seed=seed, extras=True, **LECTURE)
    stack.send_completed(recording)
    stack.await_state(recording, "SENT_TO_OPENCAST")
    (ingest,) = stack.driver.ingests_of(recording)
    (captions,) = [file for file in ingest.files if file.flavor == "captions/source"]
    assert_right(captions, videos_in(stack, recording, tmp_path, seed))


def test_a_transcript_that_comes_after_the_ingest_is_added_to_the_opencast_event_once(
    stack: Stack, tmp_path: Path
) -> None:
    seed = uuid.uuid4().hex
    recording = stack.lecture(seed=seed, **LECTURE)
    stack.send_completed(recording)
    stack.await_state(recording, "SENT_TO_OPENCAST")
    added = stack.send_late_files(recording, seed=seed, **LECTURE)
    assert_right(added[0], videos_in(stack, recording, tmp_path, seed))
    assert len(added) == 1
