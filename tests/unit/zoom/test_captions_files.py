"""Files of captions, chapters and summaries among the files that Zoom lists."""

from __future__ import annotations

from typing import Any

import pytest

from ingester.pipeline.messages import CHAPTERS, SUMMARIES
from ingester.zoom.webhook_events import CAPTION_KINDS, captions_among

START = "2026-10-14T14:00:12Z"


def listed(file_type: str, recording_type: str | None, **changes: Any) -> dict[str, Any]:
    made = {
        "id": f"{file_type}-1",
        "file_type": file_type,
        "recording_type": recording_type,
        "recording_start": START,
        "recording_end": "2026-10-14T15:00:12Z",
        "download_url": "https://zoom.us/rec/download/a",
    }
    return {key: value for key, value in {**made, **changes}.items() if value is not None}


FILES = [
    None,
    listed("MP4", "active_speaker"),
    listed("TRANSCRIPT", "audio_transcript"),
    listed("CC", None, id=None),
    listed("SUMMARY", "summary"),
    listed("SUMMARY", "summary_next_steps"),
    listed("SUMMARY", "summary_smart_chapters"),
]


def test_only_transcripts_and_closed_captions_are_read_from_a_list_of_files_by_default() -> None:
    found = captions_among(FILES)
    assert [file.captions_kind for file in found] == ["transcript", "closed_caption"]


def test_only_chapters_are_read_from_a_list_of_files_when_only_chapters_are_wanted() -> None:
    (found,) = captions_among(FILES, {CHAPTERS})
    assert (found.recording_id, found.captions_kind) == ("SUMMARY-1", CHAPTERS)


def test_only_summaries_are_read_from_a_list_of_files_when_only_summaries_are_wanted() -> None:
    found = captions_among(FILES, SUMMARIES)
    assert [file.captions_kind for file in found] == ["summary", "next-steps"]


@pytest.mark.parametrize(
    ("file_type", "recording_type"),
    [("SUMMARY", "summary_of_polls"), ("SUMMARY", None), ("TIMELINE", "summary")],
)
def test_file_of_an_unknown_type_is_left_out_when_captions_are_read_from_a_list_of_files(
    file_type: str, recording_type: str | None
) -> None:
    files = [listed(file_type, recording_type)]
    assert not captions_among(files, CAPTION_KINDS | SUMMARIES | {CHAPTERS})


@pytest.mark.parametrize("file_type", ["SUMMARY", "summary"])
def test_chapters_without_an_id_get_an_id_from_the_start_of_their_segment(file_type: str) -> None:
    bare = listed(file_type, "summary_smart_chapters", id=None)
    (found,) = captions_among([bare], {CHAPTERS})
    assert found.recording_id == f"SUMMARY-{START}"
