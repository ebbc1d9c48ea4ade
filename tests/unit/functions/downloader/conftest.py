"""The fixtures of the downloader's tests, which share one Zoom stand-in with a lecture."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Iterator

import pytest
import urllib3

from ingester.runtime import http_pool as connections
from local import media
from local.authority import Authority
from local.neighbours.zoom import ZoomStandIn
from local.neighbours.zoom_recordings import Lecture, Recording, build_lecture
from tests.cloud import Clock, Cloud
from tests.neighbours import client_session
from tests.staging_bucket import StagingBucket, staging_bucket
from tests.unit.functions.downloader.harness import (
    LONG,
    LONGISH,
    MEETING,
    START,
    Harness,
    only,
    row_in,
    with_file,
)


@pytest.fixture(scope="package")
def lecture(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    """Return a lecture of two segments, each with two views and Zoom's usual other files."""
    made = Lecture(meeting_id=MEETING, start_time=START, seconds=12)
    return dataclasses.replace(build_lecture(tmp_path_factory.mktemp("media"), made), duration=30)


@pytest.fixture(scope="package")
def _zoom(tls: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ZoomStandIn]:
    with ZoomStandIn(tls=tls, folder=tmp_path_factory.mktemp("zoom")) as running:
        yield running


@pytest.fixture
def zoom(_zoom: ZoomStandIn, lecture: Recording) -> ZoomStandIn:
    """Return the Zoom stand-in with the lecture, without faults or earlier requests."""
    _zoom.add(lecture)
    _zoom.clear_faults()
    _zoom.set(after_expiry="401", name_in="location", ranges=True)
    _zoom.forget_requests()
    return _zoom


@pytest.fixture(scope="package")
def _bucket() -> Iterator[StagingBucket]:
    with staging_bucket() as running:
        yield running


@pytest.fixture
def bucket(_bucket: StagingBucket) -> StagingBucket:
    """Return the empty staging bucket, without faults or earlier requests."""
    _bucket.begin()
    return _bucket


@pytest.fixture(scope="package")
def http(tls: Authority) -> Iterator[urllib3.PoolManager]:
    """Yield the connection pool of a warm container."""
    with pytest.MonkeyPatch.context() as patch:
        # OpenSSL takes the default authorities from `SSL_CERT_FILE`.
        patch.setenv("SSL_CERT_FILE", str(tls.ca_bundle))
        pool = connections.http(16)
    yield pool
    pool.clear()


@pytest.fixture
def harness(
    aws: Cloud,
    clock: Clock,
    zoom: ZoomStandIn,
    tls: Authority,
    bucket: StagingBucket,
    http: urllib3.PoolManager,
) -> Iterator[Harness]:
    aws.status.put_item(Item=row_in("SENT_TO_DOWNLOADER"))
    aws.s3 = bucket.client
    with client_session(tls) as session:
        yield Harness(aws, clock, zoom, session, bucket, http)
    for thread in threading.enumerate():
        if thread.name.startswith("transfer"):
            # A cancelled copy's thread ends a little later than the call that cancelled the copy.
            thread.join()


@pytest.fixture
def small(zoom: ZoomStandIn, lecture: Recording) -> Recording:
    """Return a recording with one view of one segment, and with a chat."""
    return zoom.add(only(lecture, "active_speaker", "chat_file"))


Lengthen = Callable[[Recording, int], Recording]


@pytest.fixture(scope="package")
def lengthen(tmp_path_factory: pytest.TempPathFactory) -> Lengthen:
    """Return a function that pads the first file of a recording to a size in bytes."""
    folder = tmp_path_factory.mktemp("long")

    def lengthen(recording: Recording, size: int) -> Recording:
        path = folder / f"{size}.mp4"
        if not path.exists():
            assert recording.files[0].path
            movie = recording.files[0].path.read_bytes()
            path.write_bytes(media.padded(movie, size - len(movie), f"{size}"))
        return with_file(recording, 0, path=path)

    return lengthen


@pytest.fixture
def long(zoom: ZoomStandIn, lecture: Recording, lengthen: Lengthen) -> Recording:
    """Return a recording with a view of 60 MB, a short view, and a chat."""
    three = only(lecture, "active_speaker", "shared_screen", "chat_file")
    return zoom.add(lengthen(three, LONG))


@pytest.fixture
def longish(zoom: ZoomStandIn, small: Recording, lengthen: Lengthen) -> Recording:
    """Return a recording with a view of four parts, and a chat."""
    return zoom.add(lengthen(small, LONGISH))
