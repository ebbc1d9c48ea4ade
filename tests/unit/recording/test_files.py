"""Unit tests of facts about a recording, such as its ids, views, segments and staging keys."""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingester.pipeline.messages import RecordingFile
from ingester.pipeline.states import Origin
from ingester.recording.files import (
    VIEWS,
    Subject,
    extension_of,
    is_meeting_number,
    is_too_short,
    name_of,
    segment_numbers,
    staging_key,
    uuid_in,
    view_names,
    view_of,
    zoom_page_of,
)


def file(start: str = "2026-11-23T15:00:00Z", kind: str = "shared_screen") -> RecordingFile:
    return RecordingFile(
        recording_id="id",
        recording_start=start,
        recording_end="2026-11-23T16:00:00Z",
        download_url="https://zoom.us/rec/download/x",
        file_type="MP4",
        recording_type=kind,
    )


@pytest.mark.parametrize(
    ("kind", "view"),
    [
        ("shared_screen_with_speaker_view(CC)", "shared_screen_with_speaker_view"),
        ("shared_screen_with_speaker_view", "shared_screen_with_speaker_view"),
        ("Shared_Screen_With_Gallery_View", "shared_screen_with_gallery_view"),
        ("SHARED_SCREEN", "shared_screen"),
        ("active_speaker", "active_speaker"),
        ("speaker_view", "active_speaker"),
        ("gallery_view", "gallery_view"),
        ("chat_file", "chat_file"),
        ("host_video", "unrecognized_type_host_video"),
        ("production_studio", "unrecognized_type_production_studio"),
        ("", "unrecognized_type_"),
    ],
)
def test_view_is_found_by_words_in_the_recording_type(kind: str, view: str) -> None:
    assert view_of(kind) == view


@given(st.text())
def test_view_is_known_or_contains_the_recording_type(kind: str) -> None:
    assert view_of(kind) in VIEWS or view_of(kind) == f"unrecognized_type_{kind}"


def test_segments_are_numbered_from_0_in_the_order_of_time() -> None:
    late, early = "2026-11-23T15:30:00Z", "2026-11-23T15:00:00Z"
    assert segment_numbers([file(late), file(early), file(late, "chat_file")]) == {
        early: 0,
        late: 1,
    }


@pytest.mark.parametrize(
    ("name", "extension"),
    [
        ("GMT2026_Recording.MP4", "mp4"),
        ("a.b.Txt", "txt"),
        ("with%2Edot%2Emp4", "mp4"),
        ("none", ""),
        (".hidden", ""),
        ("", ""),
    ],
)
def test_extension_of_a_file_name_is_in_lower_case_without_the_dot(
    name: str, extension: str
) -> None:
    assert extension_of(name) == extension


def key(file_id: str, *, view: str = "shared_screen", extension: str = "mp4") -> str:
    return staging_key(95846636714, "2026-11-23T15:00:00Z", 7, view, file_id, extension)


def test_staging_key_contains_meeting_start_segment_view_and_file_id() -> None:
    file_id = "a2f19f96-9294-4f51-8134-6f0eea108eb2"
    assert key(file_id) == f"95846636714/1795446000/007-shared_screen-{file_id}.mp4"
    assert key(file_id, extension="") == f"95846636714/1795446000/007-shared_screen-{file_id}"


@pytest.mark.parametrize("kind", ["a/../b", "a b", "ü", "", "x" * 200])
def test_staging_key_has_the_word_other_when_the_recording_type_is_unsafe_and_not_empty(
    kind: str,
) -> None:
    staged = key("f-1", view=f"unrecognized_type_{kind}", extension="")
    word = "other" if kind else ""
    assert staged == f"95846636714/1795446000/007-unrecognized_type_{word}-f-1"


@pytest.mark.parametrize(
    ("name", "extension"),
    [("a.MP4", "mp4"), ("a.mp4/x", ""), ("a.m p4", ""), ("a.é", ""), ("a.abcdefghijk", "")],
)
def test_extension_of_a_file_name_is_empty_unless_it_is_one_to_ten_ascii_letters_and_digits(
    name: str, extension: str
) -> None:
    assert extension_of(name) == extension


@pytest.mark.parametrize(
    "file_id", ["", "a/b", "..", "a b", "ü", "x" * 65, "a.mp4", "sha256-0123", "a\n"]
)
def test_staging_key_contains_a_hash_when_the_file_id_is_not_safe_in_a_key(file_id: str) -> None:
    digest = sha256(file_id.encode()).hexdigest()[:32]
    assert key(file_id) == f"95846636714/1795446000/007-shared_screen-sha256-{digest}.mp4"


@given(st.text(), st.text())
def test_staging_keys_differ_when_the_file_ids_differ(first: str, second: str) -> None:
    assert (key(first) == key(second)) is (first == second)


@given(st.text())
def test_staging_key_needs_no_encoding_in_a_url_whatever_the_file_id(file_id: str) -> None:
    assert re.fullmatch(r"\d+/\d+/\d{3}-shared_screen-[A-Za-z0-9-]{1,64}\.mp4", key(file_id))


def test_name_of_a_file_contains_its_view_and_start() -> None:
    name = name_of("gallery_view", "2026-11-23T15:00:00Z")
    assert name == "gallery_view of 2026-11-23T15:00:00Z"


def test_name_of_a_view_gets_a_number_when_the_segment_already_has_the_view() -> None:
    other = "2026-11-23T15:30:00Z"
    files = [
        file(),
        file(kind="shared_screen(CC)"),
        file(other),
        file(kind="gallery_view"),
        file(),
    ]
    names = view_names(files)
    assert names == [
        "shared_screen",
        "shared_screen_2",
        "shared_screen",
        "gallery_view",
        "shared_screen_3",
    ]
    assert not {"shared_screen_2", "shared_screen_3"} & VIEWS


@given(st.lists(st.sampled_from(["shared_screen", "screen", "gallery", "x", "x_2"]), max_size=8))
def test_names_of_views_of_a_segment_differ_whatever_the_recording_types(kinds: list[str]) -> None:
    names = view_names([file(kind=kind) for kind in kinds])
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(("minutes", "expected"), [(1.99, True), (2, False), (0, True)])
def test_recording_is_too_short_below_the_minimum_but_not_at_the_minimum(
    minutes: float, expected: bool
) -> None:
    assert is_too_short(minutes, 2) is expected


@pytest.mark.parametrize("start", ["yesterday", "0001-01-01T00:00:00Z", "9999-12-31T00:00:00Z"])
def test_check_of_a_subject_raises_value_error_when_its_start_time_is_invalid(start: str) -> None:
    subject = Subject(
        meeting_id=1, recording_id="u", topic="", start_time=start, origin=Origin.WEBHOOK
    )
    with pytest.raises(ValueError, match=r"time|year"):
        subject.check()


@pytest.mark.parametrize(
    ("text", "uuid"),
    [
        ("/4Mhc+abc//def==", "/4Mhc+abc//def=="),
        ("  ajXp112QmuoKj4854875==\n", "ajXp112QmuoKj4854875=="),
        (
            "https://zoom.us/r/detail?meeting_id=ajXp112QmuoKj4854875%3D%3D",
            "ajXp112QmuoKj4854875==",
        ),
        ("https://zoom.us/r?a=1&meeting_id=%2F4Mhc%2Babc%2F%2Fdef%3D%3D#x", "/4Mhc+abc//def=="),
        ("https://zoom.us/r?meeting_id=/4Mhc+abc//def==", "/4Mhc+abc//def=="),
        ("zoom.us/r?meeting_id=abc%3D", "abc="),
        ("", ""),
        (" ", ""),
        ("https://zoom.us/r", ""),
        ("https://zoom.us/r?meeting_id=", ""),
        ("https://[zoom?meeting_id=x", ""),
        ("zoom.us/rec/share/token", ""),
        ("US02web.ZOOM.us:443/rec/share/token", ""),
        ("//zoom.us/rec/share/token", ""),
        ("Topic: HIST zoom.us/rec/share/token Passcode: x", ""),
        ("zoom.us?pwd=x", ""),
        ("x?pwd=y", ""),
        ("https://zoom.us/r?meeting_id=zoom.us%2Frec%2Fshare%2Ftoken", ""),
        ("https://zoom.us/r?meeting_id=x%3Fpwd%3Dy", ""),
    ],
)
def test_uuid_is_read_from_a_text_or_link_and_is_empty_when_neither_has_a_uuid(
    text: str, uuid: str
) -> None:
    assert uuid_in(text) == uuid


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("95846636714", True),
        (" 958-4663 6714", True),
        ("ajXp112QmuoKj4854875==", False),
        ("12345678901234567890==", False),
        ("٣٣", False),
        ("-", False),
        ("", False),
    ],
)
def test_meeting_number_has_only_digits_spaces_and_dashes(text: str, expected: bool) -> None:
    assert is_meeting_number(text) is expected


@given(st.binary(min_size=16, max_size=16))
def test_uuid_is_not_taken_for_a_meeting_number_whatever_its_bytes(content: bytes) -> None:
    assert not is_meeting_number(b64encode(content).decode())


@given(st.binary(min_size=16, max_size=16), st.sampled_from(["", "/", "//"]))
def test_uuid_is_not_taken_for_a_link_whatever_its_bytes(content: bytes, slashes: str) -> None:
    uuid = slashes + b64encode(content).decode()
    assert uuid_in(uuid) == uuid
    assert uuid_in(uuid.rstrip("=")) == uuid.rstrip("=")
    assert uuid_in(zoom_page_of(uuid, "https://zoom.us")) == uuid


@given(st.text())
def test_uuid_of_a_recording_is_read_without_an_error_whatever_the_input(text: str) -> None:
    assert isinstance(uuid_in(text), str)


def test_zoom_page_of_a_recording_contains_its_encoded_uuid() -> None:
    link = zoom_page_of("/4M/hc+a//==", "https://zoom.us")
    page = "https://zoom.us/recording/management/detail?meeting_id="
    assert link == f"{page}%2F4M%2Fhc%2Ba%2F%2F%3D%3D"
    assert uuid_in(link) == "/4M/hc+a//=="
