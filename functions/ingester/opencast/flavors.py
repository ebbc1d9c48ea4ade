"""Choose the views of a recording that go to Opencast, and the flavor of each."""

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
"""The view that shows Zoom's sign language interpreters."""

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
"""Views of known types that may be the presenter, the best view first. For each of these views, the
views that may be published beside it, in order of preference."""

_ARCHIVE_FLAVORS = {
    ACTIVE_SPEAKER: "speaker/chunked+source",
    SHARED_SCREEN: "shared-screen/chunked+source",
    GALLERY: "gallery/chunked+source",
    SHARED_SCREEN_WITH_GALLERY: "shared-screen-gallery/chunked+source",
    SHARED_SCREEN_WITH_SPEAKER: "shared-screen-speaker/chunked+source",
    SIGN_LANGUAGE: "sign-language/chunked+source",
}


def for_publishing(views: Iterable[str]) -> dict[str, str]:
    """Choose up to three views to publish, and the chat.

    Args:
        views: The recording's views. If no video has a known type, the first video of an unknown
            type becomes the presenter.

    Returns:
        Flavors by view, in the order of the ingest form.

    Raises:
        NoPresenter: No view can be the presenter.
    """
    available = list(views)
    presenter = next((view for view in _FOLLOWERS if view in available), None)
    fallback = _first_of_unknown_type(available)
    if presenter is None and fallback:
        return {fallback: PRESENTER, **({CHAT: CHAT_FLAVOR} if CHAT in available else {})}
    if presenter is None:
        raise NoPresenter(
            f"None of the views ({', '.join(sorted(available)) or 'none'}) can be the presenter: "
            "look at the recording in Zoom and ingest it by hand."
        )
    followers = [view for view in _FOLLOWERS[presenter] if view in available]
    chosen = dict(zip([presenter, *followers], (PRESENTER, PRESENTATION, OTHER), strict=False))
    if CHAT in available:
        chosen[CHAT] = CHAT_FLAVOR
    return chosen


def for_archiving(views: Iterable[str]) -> dict[str, str]:
    """Choose the views to archive (`ingest_all_mp4`): every video with an archive flavor, no chat.

    If no video has such a flavor, the first video of an unknown type is archived as the speaker.

    Returns:
        Flavors by view, in the order of the ingest form.

    Raises:
        NoPresenter: There is no view to archive.
    """
    available = list(views)
    chosen = {view: flavor for view, flavor in _ARCHIVE_FLAVORS.items() if view in available}
    fallback = _first_of_unknown_type(available)
    if fallback and not chosen:
        return {fallback: _ARCHIVE_FLAVORS[ACTIVE_SPEAKER]}
    if not chosen:
        raise NoPresenter(f"No view to archive among {', '.join(sorted(available)) or 'none'}.")
    return chosen


def _first_of_unknown_type(views: Iterable[str]) -> str | None:
    return next((view for view in views if view.startswith(UNKNOWN_TYPE)), None)
