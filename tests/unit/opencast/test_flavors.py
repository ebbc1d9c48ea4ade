"""Unit tests of the choice of views and flavors."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingester.errors import NoPresenter
from ingester.opencast.flavors import for_archiving, for_publishing

SPEAKER = "active_speaker"
SCREEN = "shared_screen"
GALLERY = "gallery_view"
SCREEN_GALLERY = "shared_screen_with_gallery_view"
SCREEN_SPEAKER = "shared_screen_with_speaker_view"
CHAT = "chat_file"
STUDIO = "unrecognized_type_production_studio"
HOST = "unrecognized_type_host_video"
SIGN_LANGUAGE = "unrecognized_type_sign_interpretation"
FLAVORS = ["multipart/chunked+source", "presentation/chunked+source", "other/chunked+source"]


@pytest.mark.parametrize(
    ("views", "chosen"),
    [
        ([SPEAKER, SCREEN], [SPEAKER, SCREEN]),
        ([SPEAKER, GALLERY, SCREEN], [SPEAKER, SCREEN, GALLERY]),
        ([SPEAKER, SCREEN_SPEAKER, SCREEN_GALLERY], [SPEAKER, SCREEN_GALLERY, SCREEN_SPEAKER]),
        ([SPEAKER, SCREEN_SPEAKER, SCREEN_GALLERY, GALLERY], [SPEAKER, GALLERY, SCREEN_GALLERY]),
        ([SCREEN_SPEAKER, GALLERY, SCREEN_GALLERY], [SCREEN_SPEAKER, SCREEN_GALLERY, GALLERY]),
        ([GALLERY, SCREEN, SCREEN_SPEAKER], [SCREEN_SPEAKER, SCREEN, GALLERY]),
        ([GALLERY, SCREEN_GALLERY, SCREEN], [SCREEN, SCREEN_GALLERY, GALLERY]),
        ([GALLERY, SCREEN_GALLERY], [SCREEN_GALLERY, GALLERY]),
        ([GALLERY], [GALLERY]),
    ],
)
def test_choice_for_publishing_has_a_presenter_and_up_to_two_other_views(
    views: list[str], chosen: list[str]
) -> None:
    assert list(for_publishing(views).items()) == list(zip(chosen, FLAVORS, strict=False))


def test_choice_for_publishing_has_the_chat_after_three_videos() -> None:
    views = for_publishing([CHAT, GALLERY, SCREEN, SPEAKER])
    assert list(views) == [SPEAKER, SCREEN, GALLERY, CHAT]
    assert views[CHAT] == "chat/chunked+source"


@pytest.mark.parametrize("views", [[], [CHAT], ["shared_screen_2"]])
def test_choice_of_views_fails_when_no_view_can_be_the_presenter(
    views: list[str],
) -> None:
    with pytest.raises(NoPresenter):
        for_publishing(views)
    with pytest.raises(NoPresenter):
        for_archiving(views)


@pytest.mark.parametrize("known", [SPEAKER, SCREEN, GALLERY, SCREEN_GALLERY, SCREEN_SPEAKER])
def test_video_of_an_unknown_type_is_left_out_when_a_video_has_a_known_type(known: str) -> None:
    assert for_publishing([STUDIO, known, SIGN_LANGUAGE]) == {known: FLAVORS[0]}
    assert STUDIO not in for_archiving([STUDIO, known])


def test_first_video_of_an_unknown_type_is_the_presenter_when_no_video_has_a_known_type() -> None:
    assert for_publishing([STUDIO, HOST]) == {STUDIO: FLAVORS[0]}
    assert for_publishing([HOST, STUDIO]) == {HOST: FLAVORS[0]}
    with_chat = for_publishing([CHAT, STUDIO])
    assert list(with_chat.items()) == [(STUDIO, FLAVORS[0]), (CHAT, "chat/chunked+source")]


def test_first_video_of_an_unknown_type_is_archived_as_speaker_when_no_video_has_a_known_type() -> (
    None
):
    assert for_archiving([CHAT, STUDIO, HOST]) == {STUDIO: "speaker/chunked+source"}


def test_sign_language_has_its_own_flavor_when_it_is_archived() -> None:
    assert list(for_archiving([SIGN_LANGUAGE, STUDIO, SCREEN]).items()) == [
        (SCREEN, "shared-screen/chunked+source"),
        (SIGN_LANGUAGE, "sign-language/chunked+source"),
    ]


def test_choice_for_archiving_has_every_video_of_a_known_type_and_no_chat() -> None:
    views = [SCREEN_SPEAKER, SCREEN_GALLERY, CHAT, GALLERY, SCREEN, SPEAKER, "shared_screen_2"]
    assert list(for_archiving(views).items()) == [
        (SPEAKER, "speaker/chunked+source"),
        (SCREEN, "shared-screen/chunked+source"),
        (GALLERY, "gallery/chunked+source"),
        (SCREEN_GALLERY, "shared-screen-gallery/chunked+source"),
        (SCREEN_SPEAKER, "shared-screen-speaker/chunked+source"),
    ]


@given(
    st.sets(st.sampled_from([SPEAKER, SCREEN, GALLERY, SCREEN_GALLERY, SCREEN_SPEAKER]), min_size=1)
)
def test_chosen_views_have_different_flavors_and_one_presenter(views: set[str]) -> None:
    chosen = for_publishing(views)
    assert list(chosen.values()) == FLAVORS[: len(chosen)]
    assert set(chosen) <= views
    assert (SPEAKER in views) == (chosen.get(SPEAKER) == FLAVORS[0])
    assert set(for_archiving(views)) == views
