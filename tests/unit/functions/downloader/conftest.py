"""What the tests of the downloader share: one Zoom a package, with a lecture in it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import pytest

from local.authority import Authority, ensure_authority
from local.neighbours.zoom import ZoomStandIn
from local.neighbours.zoom_recordings import Lecture, Recording, build_lecture
from tests.cloud import Clock, Cloud
from tests.neighbours import client_session
from tests.unit.functions.downloader.kit import (
    MEETING,
    START,
    Kit,
    only,
    row_in,
)


@pytest.fixture(scope="package")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return ensure_authority(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="package")
def lecture(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    """Two segments, two views, chat, and what Zoom adds unasked."""
    made = Lecture(meeting_id=MEETING, start_time=START, seconds=12)
    return dataclasses.replace(build_lecture(tmp_path_factory.mktemp("media"), made), duration=30)


@pytest.fixture(scope="package")
def _zoom(tls: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ZoomStandIn]:
    with ZoomStandIn(tls=tls, folder=tmp_path_factory.mktemp("zoom")) as running:
        yield running


@pytest.fixture
def zoom(_zoom: ZoomStandIn, lecture: Recording) -> ZoomStandIn:
    """Holds the lecture; neither faults nor memory."""
    _zoom.add(lecture)
    _zoom.clear_faults()
    _zoom.set(after_expiry="401", name_in="location", cdn_authorization="ignored")
    _zoom.forget_requests()
    return _zoom


@pytest.fixture
def kit(aws: Cloud, clock: Clock, zoom: ZoomStandIn, tls: Authority) -> Iterator[Kit]:
    aws.status.put_item(Item=row_in("SENT_TO_DOWNLOADER"))
    with client_session(tls) as session:
        yield Kit(aws, clock, zoom, session)


@pytest.fixture
def small(zoom: ZoomStandIn, lecture: Recording) -> Recording:
    """One view of one segment, and its chat."""
    return zoom.add(only(lecture, "active_speaker", "chat_file"))
