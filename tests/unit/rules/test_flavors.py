"""Which view goes to Opencast under which flavor."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingester.errors import NoPresenter
from ingester.rules.flavors import for_archiving, for_publishing

SPEAKER = "active_speaker"
SCREEN = "shared_screen"
GALLERY = "gallery_view"
SCREEN_GALLERY = "shared_screen_with_gallery_view"
SCREEN_SPEAKER = "shared_screen_with_speaker_view"
CHAT = "chat_file"
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
def test_publishing(views: list[str], chosen: list[str]) -> None:
    assert list(for_publishing(views).items()) == list(zip(chosen, FLAVORS, strict=False))


def test_chat_comes_last_and_doesnt_count() -> None:
    views = for_publishing([CHAT, GALLERY, SCREEN, SPEAKER])
    assert list(views) == [SPEAKER, SCREEN, GALLERY, CHAT]
    assert views[CHAT] == "chat/chunked+source"


@pytest.mark.parametrize("views", [[], [CHAT], ["unrecognized_type_x"], ["shared_screen_2"]])
def test_without_a_presenter(views: list[str]) -> None:
    with pytest.raises(NoPresenter):
        for_publishing(views)
    with pytest.raises(NoPresenter):
        for_archiving(views)


def test_archiving() -> None:
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
def test_every_set_of_views_has_one_presenter_and_no_flavor_twice(views: set[str]) -> None:
    chosen = for_publishing(views)
    assert list(chosen.values()) == FLAVORS[: len(chosen)]
    assert set(chosen) <= views
    assert (SPEAKER in views) == (chosen.get(SPEAKER) == FLAVORS[0])
    assert set(for_archiving(views)) == views
