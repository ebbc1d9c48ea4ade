"""Which of a recording's views goes to Opencast, and under which flavor."""

from __future__ import annotations

from collections.abc import Iterable

from ingester.errors import NoPresenter
from ingester.recording.files import (
    ACTIVE_SPEAKER,
    CHAT,
    GALLERY,
    SHARED_SCREEN,
    SHARED_SCREEN_WITH_GALLERY,
    SHARED_SCREEN_WITH_SPEAKER,
    UNKNOWN_TYPE,
)

PRESENTER = "multipart/chunked+source"
PRESENTATION = "presentation/chunked+source"
OTHER = "other/chunked+source"
CHAT_FLAVOR = "chat/chunked+source"

SIGN_LANGUAGE = f"{UNKNOWN_TYPE}sign_interpretation"
"""The view of Zoom's sign language interpreters."""

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
    SIGN_LANGUAGE: "sign-language/chunked+source",
}


def for_publishing(views: Iterable[str]) -> dict[str, str]:
    """View → flavor for up to three views, and the chat, in the order of the ingest form.

    A video of a type that nobody knows is the presenter of last choice. `views` are in the order of
    preference for that.

    Raises:
        NoPresenter: there is no video.
    """
    there = list(views)
    presenter = next((view for view in _FOLLOWERS if view in there), None)
    last_choice = next((view for view in there if view.startswith(UNKNOWN_TYPE)), None)
    if presenter is None and last_choice:
        return {last_choice: PRESENTER, **({CHAT: CHAT_FLAVOR} if CHAT in there else {})}
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

    Without any known view, a video of a type that nobody knows goes as the speaker.

    Raises:
        NoPresenter: there is no video.
    """
    there = list(views)
    chosen = {view: flavor for view, flavor in _ARCHIVE.items() if view in there}
    last_choice = next((view for view in there if view.startswith(UNKNOWN_TYPE)), None)
    if last_choice and not chosen:
        return {last_choice: _ARCHIVE[ACTIVE_SPEAKER]}
    if not chosen:
        raise NoPresenter(f"No view to archive among {', '.join(sorted(there)) or 'none'}.")
    return chosen
