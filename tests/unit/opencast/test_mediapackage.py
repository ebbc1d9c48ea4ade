"""Unit tests of the media package: its id, the files to ingest, and the form's parts."""

from __future__ import annotations

import uuid as uuids

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingester.errors import NoPresenter
from ingester.opencast.mediapackage import (
    LICENSE,
    KeptFiles,
    Publishing,
    caption_parts,
    form,
    media_package_id,
    select_files,
)
from ingester.pipeline.messages import CaptionTrack, StagedFile, StagedView, UploadMessage
from ingester.recording.files import CHAT, VIEWS
from ingester.recording.pauses import RecordingEvent

STARTS = ["2026-11-23T15:00:00Z", "2026-11-23T15:30:00Z", "2026-11-23T16:00:00Z"]
ENDS = ["2026-11-23T15:20:00Z", "2026-11-23T15:50:00Z", "2026-11-23T16:20:00Z"]
PUBLISHING = Publishing(
    publisher="pub@example.edu", contributor="", series_catalog="<dc/>", chat_as="attachment"
)


def staged(view: str, segment: int, seconds: float = 1200) -> StagedFile:
    return StagedFile(
        filename=f"1/2/{segment:03d}-{view}",
        segment_num=segment,
        recording_start=STARTS[segment],
        recording_end=ENDS[segment],
        ffprobe_bytes=10,
        ffprobe_seconds=0 if view == CHAT else seconds,
    )


def message(views: dict[str, dict[int, float]], **more: object) -> UploadMessage:
    """Return an upload message. `views` has the seconds of each segment, by view and segment."""
    upload = UploadMessage(
        uuid="u==",
        zoom_series_id=95846636714,
        opencast_series_id="20210112345",
        oc_title="Lecture",
        topic="HIST",
        created=STARTS[0],
        created_local="2026-11-23T10:00:00Z",
        webhook_received_time=ENDS[2],
        zip_id="auto-ingest-u==",
        s3_files={
            view: StagedView(
                segments=tuple(staged(view, number, length) for number, length in files.items()),
                view_bytes=0,
                view_seconds=0,
            )
            for view, files in views.items()
        },
    )
    return msgspec.structs.replace(upload, **more)


def kept(views: dict[str, dict[int, float]], minimum: float = 2) -> KeptFiles:
    files = select_files(message(views), minimum)
    assert files is not None
    return files


def segments_of(kept_files: KeptFiles) -> dict[str, list[int]]:
    return {view: [file.segment_num for file in files] for view, files in kept_files.views.items()}


def test_media_package_id_is_the_md5_of_the_recording_uuid_formatted_as_a_uuid() -> None:
    # `printf 'u==' | md5sum` prints the expected digest.
    assert media_package_id("u==") == "2f8942a4-6bac-a3ab-1d3a-6babb23927db"


@given(st.text())
def test_media_package_id_is_a_uuid_whatever_the_uuid_of_the_recording(uuid: str) -> None:
    assert str(uuids.UUID(media_package_id(uuid))) == media_package_id(uuid)


def test_no_file_is_dropped_when_the_first_segment_is_long_enough() -> None:
    kept_files = kept({"shared_screen": {0: 120, 1: 10}, CHAT: {0: 0, 1: 0}})
    assert segments_of(kept_files) == {"shared_screen": [0, 1], CHAT: [0, 1]}
    assert kept_files.segments == tuple(zip(STARTS[:2], ENDS[:2], strict=True))


def test_false_start_is_dropped_with_its_chat_and_times() -> None:
    kept_files = kept({"shared_screen": {0: 119.9, 1: 1200}, CHAT: {0: 0, 1: 0}})
    assert segments_of(kept_files) == {"shared_screen": [1], CHAT: [1]}
    assert kept_files.segments == ((STARTS[1], ENDS[1]),)


def test_short_segment_is_kept_when_it_is_not_the_first() -> None:
    assert segments_of(kept({"shared_screen": {1: 5, 2: 1200}})) == {"shared_screen": [1, 2]}


def test_view_is_dropped_when_it_has_only_a_false_start() -> None:
    kept_files = kept({"shared_screen": {0: 5, 1: 1200}, "gallery_view": {0: 5}, CHAT: {0: 0}})
    assert segments_of(kept_files) == {"shared_screen": [1]}


@pytest.mark.parametrize("others", [{}, {CHAT: {1: 0.0}}, {"unrecognized_type_x": {0: 5.0}}])
def test_no_files_are_kept_when_every_video_is_a_false_start(
    others: dict[str, dict[int, float]],
) -> None:
    assert select_files(message({"shared_screen": {0: 5.0}} | others), 2) is None


def test_view_of_an_unknown_type_adds_no_recording_times_when_there_is_another_video() -> None:
    kept_files = kept({"unrecognized_type_x": {0: 1200, 2: 1200}, "shared_screen": {0: 1200}})
    assert kept_files.segments == ((STARTS[0], ENDS[0]),)


def test_view_of_an_unknown_type_gives_the_recording_times_when_there_is_no_other_video() -> None:
    # The view becomes the presenter, and a chat's times are relative to the presenter.
    kept_files = kept({"unrecognized_type_x": {0: 1200, 2: 1200}, CHAT: {0: 0}})
    assert kept_files.segments == ((STARTS[0], ENDS[0]), (STARTS[2], ENDS[2]))


def test_false_start_of_an_unknown_type_is_dropped_when_no_video_has_a_known_type() -> None:
    kept_files = kept({"unrecognized_type_x": {0: 5, 1: 1200}, CHAT: {0: 0, 1: 0}})
    assert segments_of(kept_files) == {"unrecognized_type_x": [1], CHAT: [1]}
    assert kept_files.segments == ((STARTS[1], ENDS[1]),)


def test_video_of_an_unknown_type_is_kept_when_the_other_videos_are_false_starts() -> None:
    kept_files = kept({"active_speaker": {0: 5}, "unrecognized_type_x": {1: 1200}})
    assert segments_of(kept_files) == {"unrecognized_type_x": [1]}
    assert kept_files.segments == ((STARTS[1], ENDS[1]),)


views_of_segments = st.dictionaries(
    st.sampled_from([*sorted(VIEWS), "unrecognized_type_x"]),
    st.dictionaries(st.integers(0, 2), st.sampled_from([5.0, 119.0, 120.0, 1200.0]), min_size=1),
    max_size=5,
)


@settings(max_examples=80)
@given(views_of_segments)
def test_kept_files_are_files_of_the_message_without_any_false_start(
    views: dict[str, dict[int, float]],
) -> None:
    ordered = {view: dict(sorted(files.items())) for view, files in views.items()}
    upload = message(ordered)
    kept_files = select_files(upload, 2)
    if kept_files is None:
        return
    assert set(kept_files.views) <= set(ordered)
    for view, files in kept_files.views.items():
        assert files
        assert set(files) <= set(upload.s3_files[view].segments)
        if view != CHAT:
            assert not any(file.segment_num == 0 and file.ffprobe_seconds < 120 for file in files)
    assert list(kept_files.segments) == sorted(set(kept_files.segments))
    is_dropped = any(files.get(0, 120) < 120 for view, files in ordered.items() if view != CHAT)
    assert (STARTS[0] in {start for start, _ in kept_files.segments}) <= (not is_dropped)
    assert not is_dropped or 0 not in segments_of(kept_files).get(CHAT, [])


def parts_of(
    upload: UploadMessage, publishing: Publishing = PUBLISHING, *events: RecordingEvent
) -> list[tuple[str, str]]:
    kept_files = select_files(upload, 2)
    assert kept_files is not None
    return form(
        "mp-id", upload, kept_files, events, publishing, lambda file: f"https://s3/{file.filename}"
    )


def test_ingest_form_has_its_parts_in_the_order_that_opencast_needs() -> None:
    upload = message(
        {CHAT: {0: 0}, "shared_screen": {0: 1200, 1: 1200}, "active_speaker": {0: 1200}}
    )
    assert parts_of(upload) == [
        ("identifier", "mp-id"),
        ("title", "Lecture"),
        ("type", "L"),
        ("isPartOf", "20210112345"),
        ("license", LICENSE),
        ("publisher", "pub@example.edu"),
        ("created", STARTS[0]),
        ("language", "en"),
        ("seriesDCCatalog", "<dc/>"),
        ("source", "ZIP-u=="),
        ("spatial", "Zoom 95846636714"),
        ("zoomMeetingStart", STARTS[0]),
        ("zoomRecordingTimes", f"{STARTS[0]}_{ENDS[0]},{STARTS[1]}_{ENDS[1]}"),
        ("flavor", "multipart/chunked+source"),
        ("mediaUri", "https://s3/1/2/000-active_speaker"),
        ("flavor", "presentation/chunked+source"),
        ("mediaUri", "https://s3/1/2/000-shared_screen"),
        ("flavor", "presentation/chunked+source"),
        ("mediaUri", "https://s3/1/2/001-shared_screen"),
        ("flavor", "chat/chunked+source"),
        ("attachmentUri", "https://s3/1/2/000-chat_file"),
    ]


@pytest.mark.parametrize(
    ("title", "letter"), [("Lecture", "L"), ("Section", "S"), ("Final Exam", "P")]
)
def test_ingest_form_has_the_type_letter_that_belongs_to_the_title(title: str, letter: str) -> None:
    upload = message({"shared_screen": {0: 1200}}, oc_title=title)
    assert ("type", letter) in parts_of(upload)


@pytest.mark.parametrize(
    ("chat_as", "name"), [("attachment", "attachmentUri"), ("track", "mediaUri"), ("none", None)]
)
def test_chat_is_sent_as_the_setting_oc_chat_as_says(chat_as: str, name: str | None) -> None:
    publishing = msgspec.structs.replace(PUBLISHING, chat_as=chat_as)
    parts = parts_of(message({"shared_screen": {0: 1200}, CHAT: {0: 0}}), publishing)
    assert [part for part, value in parts if "chat_file" in value] == ([name] if name else [])
    assert (("flavor", "chat/chunked+source") in parts) is bool(name)


@pytest.mark.parametrize("kind", ["summary", "next-steps"])
def test_summary_is_sent_as_an_attachment_after_its_flavor_and_without_tags(kind: str) -> None:
    track = CaptionTrack(kind=kind, filename="a.json", file_ids=("a",))
    assert caption_parts(track, "https://a", "en-US") == [
        ("flavor", f"{kind}/source"),
        ("attachmentUri", "https://a"),
    ]


def test_contributor_follows_the_publisher_when_a_contributor_is_set() -> None:
    publishing = msgspec.structs.replace(PUBLISHING, contributor="Ada")
    names = [name for name, _ in parts_of(message({"shared_screen": {0: 1200}}), publishing)]
    assert names[names.index("publisher") + 1] == "contributor"


def test_ingest_form_has_every_video_of_a_known_type_and_no_chat_when_ingest_all_mp4_is_true() -> (
    None
):
    upload = message(
        {view: {0: 1200} for view in (*sorted(VIEWS), "unrecognized_type_x")}, ingest_all_mp4=True
    )
    uris = [value for name, value in parts_of(upload) if name in ("mediaUri", "attachmentUri")]
    assert len(uris) == 5
    assert not any("chat" in uri or "unrecognized" in uri for uri in uris)


def test_ingest_form_has_sign_language_when_ingest_all_mp4_is_true() -> None:
    views = ("unrecognized_type_sign_interpretation", "active_speaker")
    upload = message({view: {0: 1200} for view in views}, ingest_all_mp4=True)
    assert [value for name, value in parts_of(upload) if name == "flavor"] == [
        "speaker/chunked+source",
        "sign-language/chunked+source",
    ]


@pytest.mark.parametrize(
    ("archive", "flavor"), [(False, "multipart/chunked+source"), (True, "speaker/chunked+source")]
)
def test_ingest_form_has_a_video_of_an_unknown_type_when_there_is_no_other_video(
    archive: bool, flavor: str
) -> None:
    upload = message({"unrecognized_type_x": {0: 1200}}, ingest_all_mp4=archive)
    assert parts_of(upload)[-2:] == [
        ("flavor", flavor),
        ("mediaUri", "https://s3/1/2/000-unrecognized_type_x"),
    ]


def test_ingest_form_cannot_be_made_when_the_only_file_of_an_unknown_type_is_not_a_video() -> None:
    upload = message({"unrecognized_type_x": {1: 0}, CHAT: {1: 0}})
    with pytest.raises(NoPresenter):
        parts_of(upload)


def test_recording_times_leave_out_recorded_pauses() -> None:
    pause = RecordingEvent("recording.paused", 1795446300)
    parts = dict(parts_of(message({"shared_screen": {0: 1200}}), PUBLISHING, pause))
    assert parts["zoomRecordingTimes"] == f"{STARTS[0]}_2026-11-23T15:05:00Z"


def test_ingest_form_contains_unescaped_texts() -> None:
    upload = message({"shared_screen": {0: 1200}}, oc_title="R&D <1>")
    assert ("title", "R&D <1>") in parts_of(upload)
