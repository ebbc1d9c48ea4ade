"""Which of a recording's views goes to Opencast, and under which flavor."""

from __future__ import annotations

from collections.abc import Iterable

from ingester.errors import NoPresenter
from ingester.rules.recording import (
    ACTIVE_SPEAKER,
    CHAT,
    GALLERY,
    SHARED_SCREEN,
    SHARED_SCREEN_WITH_GALLERY,
    SHARED_SCREEN_WITH_SPEAKER,
)

PRESENTER = "multipart/chunked+source"
PRESENTATION = "presentation/chunked+source"
OTHER = "other/chunked+source"
CHAT_FLAVOR = "chat/chunked+source"

_FOLLOWERS = {
    ACTIVE_SPEAKER: (
        SHARED_SCREEN,
        GALLERY,
        SHARED_SCREEN_WITH_GALLERY,
        SHARED_SCREEN_WITH_SPEAKER,
    ),
    SHARED_SCREEN_WITH_SPEAKER: (SHARED_SCREEN, SHARED_SCREEN_WITH_GALLERY, GALLERY),
    SHARED_SCREEN: (SHARED_SCREEN_WITH_GALLERY, GALLERY),
    SHARED_SCREEN_WITH_GALLERY: (GALLERY,),
    GALLERY: (),
}
"""Presenter, in order of preference → the views that may follow it, in order."""

_ARCHIVE = {
    ACTIVE_SPEAKER: "speaker/chunked+source",
    SHARED_SCREEN: "shared-screen/chunked+source",
    GALLERY: "gallery/chunked+source",
    SHARED_SCREEN_WITH_GALLERY: "shared-screen-gallery/chunked+source",
    SHARED_SCREEN_WITH_SPEAKER: "shared-screen-speaker/chunked+source",
}


def for_publishing(views: Iterable[str]) -> dict[str, str]:
    """View → flavor for up to three views, and the chat, in the order of the ingest form.

    NoPresenter if none of the views can be the presenter.
    """
    there = set(views)
    presenter = next((view for view in _FOLLOWERS if view in there), None)
    if presenter is None:
        raise NoPresenter(
            f"None of the views ({', '.join(sorted(there)) or 'none'}) can be the presenter: "
            "look at the recording in Zoom and ingest it by hand."
        )
    followers = [view for view in _FOLLOWERS[presenter] if view in there]
    chosen = dict(zip([presenter, *followers], (PRESENTER, PRESENTATION, OTHER), strict=False))
    if CHAT in there:
        chosen[CHAT] = CHAT_FLAVOR
    return chosen


def for_archiving(views: Iterable[str]) -> dict[str, str]:
    """View → flavor when every MP4 is to be kept (`ingest_all_mp4`): no chat.

    NoPresenter if there is no recognised view.
    """
    there = set(views)
    chosen = {view: flavor for view, flavor in _ARCHIVE.items() if view in there}
    if not chosen:
        raise NoPresenter(f"No view to archive among {', '.join(sorted(there)) or 'none'}.")
    return chosen
