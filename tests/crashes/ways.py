"""The ways of a recording on which functions are killed, one for each function."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from cdk.names import DOWNLOADER, ON_DEMAND, RECONCILE, UPLOADER, WEBHOOK, Function
from local.driver import Driver, DriverError, ZoomRecording
from local.neighbours.zoom_account import ACCOUNT_RECORDINGS_SCOPES, READ_FILES_SCOPE, ZoomApp
from tests.e2e.scene import SERIES, Scene

PATIENCE_HOURS = "0.0015"
"""OC_INGEST_PATIENCE_HOURS of the uploader in the sweep: five seconds. A message that is delivered
again after nine finds that an ingest that Opencast doesn't show was never made."""

_BETWEEN_LECTURES = timedelta(minutes=3)
_lectures = itertools.count()


@dataclass(frozen=True)
class Way:
    """How a recording comes to a function.

    `make` puts a new recording into Zoom. `deliver` has whoever calls first do so once, and tells
    whether they were told that it worked: else they do it again. `queue` is the queue whose
    message leads to the function, if one does, and `visible_after` the fewest seconds until it is
    delivered again. `settings` differ from the stack's in the function.
    `around` prepares the neighbours for the whole sweep.
    """

    function: Function
    make: Callable[[Scene], ZoomRecording]
    deliver: Callable[[Scene, ZoomRecording], bool]
    queue: str = ""
    visible_after: int = 5
    settings: Mapping[str, str] = field(default_factory=dict)
    around: Callable[[Driver], AbstractContextManager[None]] = lambda _driver: nullcontext()


def _lecture(scene: Scene) -> ZoomRecording:
    return scene.lecture(chat=True)


def _lecture_of_no_class(scene: Scene) -> ZoomRecording:
    return scene.lecture(scheduled=False, chat=True)


def _missed_lecture(scene: Scene) -> ZoomRecording:
    """A lecture that is older than an hour, and the only one after reconcile's baseline."""
    begin = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=4)
    start = begin + _BETWEEN_LECTURES * next(_lectures)
    scene.driver.begin_reconcile(start)
    return replace(scene, start=start).lecture(chat=True)


def _notify(scene: Scene, recording: ZoomRecording) -> bool:
    return scene.driver.send("recording.completed", recording.uuid).status == 200


def _ask(scene: Scene, recording: ZoomRecording) -> bool:
    request = {"uuid": recording.uuid, "oc_series_id": SERIES}
    return scene.driver.ask_for_ingest(**request).status == 200


def _reconcile(scene: Scene, _recording: ZoomRecording) -> bool:
    try:
        scene.driver.reconcile()
    except DriverError:
        return False
    return True


@contextmanager
def _account_list(driver: Driver) -> Iterator[None]:
    """Zoom's app may read the account's list: one call, however many users there are."""
    driver.scopes_in_zoom(READ_FILES_SCOPE, *ACCOUNT_RECORDINGS_SCOPES[:1])
    try:
        yield
    finally:
        driver.scopes_in_zoom(*ZoomApp().scopes)


WAYS = (
    Way(WEBHOOK, _lecture, _notify),
    Way(ON_DEMAND, _lecture_of_no_class, _ask),
    Way(DOWNLOADER, _lecture, _notify, queue="download"),
    Way(
        UPLOADER,
        _lecture,
        _notify,
        queue="upload.fifo",
        visible_after=9,
        settings={"OC_INGEST_PATIENCE_HOURS": PATIENCE_HOURS},
    ),
    Way(RECONCILE, _missed_lecture, _reconcile, around=_account_list),
)
