"""Ways in which a recording reaches each function that the crash sweep kills."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from cdk.names import DOWNLOADER, FOLLOW, ON_DEMAND, RECONCILE, UPLOADER, WEBHOOK, Function
from local.driver import Driver, DriverError, ZoomRecording
from local.neighbours.zoom_account import ACCOUNT_RECORDINGS_SCOPES, READ_FILES_SCOPE, ZoomApp
from tests.e2e.stack import SERIES, Stack

PATIENCE_HOURS = "0.0015"
"""OC_INGEST_PATIENCE_HOURS of the uploader in the sweep: some five seconds.

If Opencast doesn't show an ingest within this time, the next delivery, after nine seconds, may
conclude that the POST never arrived.
"""

_BETWEEN_LECTURES = timedelta(minutes=3)
_lectures = itertools.count()


@dataclass(frozen=True)
class Trigger:
    """A way in which a recording reaches the function that the sweep kills.

    Attributes:
        function: The function that the sweep kills.
        make: Adds a recording to Zoom, and brings the recording as far as `deliver` needs.
        deliver: Makes the call that starts the processing, once. Returns whether the call
            succeeded; otherwise the caller repeats the call.
        queue: The queue whose messages invoke the function, or "".
        visible_after: The shortest visibility timeout of the queue, in seconds.
        settings: Settings that override the function's settings.
        around: Prepares the neighbours for the whole sweep.
        has_captions: Whether the recording is ingested with captions.
        is_followed: Whether the recording ends as published.
    """

    function: Function
    make: Callable[[Stack], ZoomRecording]
    deliver: Callable[[Stack, ZoomRecording], bool]
    queue: str = ""
    visible_after: int = 5
    settings: Mapping[str, str] = field(default_factory=dict)
    around: Callable[[Driver], AbstractContextManager[None]] = lambda _driver: nullcontext()
    has_captions: bool = False
    is_followed: bool = False


def _lecture(stack: Stack) -> ZoomRecording:
    return stack.lecture(chat=True)


def _lecture_with_transcript(stack: Stack) -> ZoomRecording:
    return stack.lecture(chat=True, extras=True)


def _ingested_lecture(stack: Stack) -> ZoomRecording:
    """Add a lecture to Zoom, ingest the lecture, and end the workflow in Opencast."""
    recording = _lecture(stack)
    stack.send_completed(recording)
    stack.await_state(recording, "SENT_TO_OPENCAST")
    (ingest,) = stack.driver.ingests_of(recording)
    stack.driver.change_workflows(mediapackage_id=ingest.mediapackage_id, seconds=0)
    return recording


def _lecture_of_no_class(stack: Stack) -> ZoomRecording:
    return stack.lecture(scheduled=False, chat=True)


def _missed_lecture(stack: Stack) -> ZoomRecording:
    """Add a lecture that ended over an hour ago, and whose start is reconcile's new baseline."""
    begin = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=4)
    start = begin + _BETWEEN_LECTURES * next(_lectures)
    stack.driver.set_reconcile_baseline(start)
    return replace(stack, start=start).lecture(chat=True)


def _notify(stack: Stack, recording: ZoomRecording) -> bool:
    return stack.driver.send("recording.completed", recording.uuid).status == 200


def _ask(stack: Stack, recording: ZoomRecording) -> bool:
    request = {"uuid": recording.uuid, "oc_series_id": SERIES}
    return stack.driver.request_ingest(**request).status == 200


def _reconcile(stack: Stack, _recording: ZoomRecording) -> bool:
    try:
        stack.driver.reconcile()
    except DriverError:
        return False
    return True


def _follow(stack: Stack, recording: ZoomRecording) -> bool:
    try:
        stack.driver.follow(recording.uuid)
    except DriverError:
        return False
    return True


@contextmanager
def _account_list(driver: Driver) -> Iterator[None]:
    """Let the app in Zoom list all users' recordings with one call, during the `with` block."""
    driver.set_zoom_scopes(READ_FILES_SCOPE, *ACCOUNT_RECORDINGS_SCOPES[:1])
    try:
        yield
    finally:
        driver.set_zoom_scopes(*ZoomApp().scopes)


TRIGGERS = (
    Trigger(WEBHOOK, _lecture, _notify),
    Trigger(ON_DEMAND, _lecture_of_no_class, _ask),
    # This recording has no captions, because the proxies can't forward PutObject's chunked body.
    Trigger(DOWNLOADER, _lecture, _notify, queue="download"),
    Trigger(
        UPLOADER,
        _lecture_with_transcript,
        _notify,
        queue="upload.fifo",
        visible_after=9,
        settings={"OC_INGEST_PATIENCE_HOURS": PATIENCE_HOURS},
        has_captions=True,
    ),
    Trigger(RECONCILE, _missed_lecture, _reconcile, around=_account_list),
    Trigger(FOLLOW, _ingested_lecture, _follow, is_followed=True),
)
