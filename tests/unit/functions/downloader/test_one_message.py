"""One message in flight never becomes more, and none is lost: the status table is a report."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from local.neighbours.zoom_faults import Fault
from local.neighbours.zoom_recordings import Recording
from tests.unit.functions.downloader.event_source import EventSource
from tests.unit.functions.downloader.harness import Kit, row_in, with_file


@pytest.fixture(autouse=True)
def _status_failing(kit: Kit) -> Iterator[None]:
    with kit.status_failing():
        yield


def test_recording_is_sent_on_once_when_its_row_can_not_be_written(
    kit: Kit, small: Recording, caplog: pytest.LogCaptureFixture
) -> None:
    assert kit.take(kit.message(small))
    assert len(kit.aws.sent_to(kit.aws.upload_queue)) == 1
    assert kit.aws.sent_to(kit.aws.download_queue) == kit.dead() == []
    levels = {one.levelname for one in caplog.records if "row isn't written" in one.getMessage()}
    assert levels == {"WARNING"}


def test_waiting_sends_one_message_when_its_row_can_not_be_written(
    kit: Kit, small: Recording
) -> None:
    slow = kit.zoom.add(with_file(small, 0, processing_asks=999, file_id="slow"))
    assert kit.take(kit.message(slow))
    assert len(kit.aws.sent_to(kit.aws.download_queue)) == 1
    assert kit.aws.sent_to(kit.aws.upload_queue) == kit.dead() == []


def test_continuing_sends_one_message_when_its_row_can_not_be_written(
    kit: Kit, longish: Recording
) -> None:
    kit.connections = 1
    source = EventSource(kit)
    source.send(kit.message(longish))
    delivery = source.deliver(15.0)
    assert delivery
    assert not delivery.came_back
    assert len(kit.aws.sent_to(kit.aws.download_queue)) == 1
    assert kit.aws.sent_to(kit.aws.upload_queue) == kit.dead() == []


def test_dead_letter_is_one_when_its_row_can_not_be_written(kit: Kit, small: Recording) -> None:
    kit.zoom.fail(Fault(kind="status", status=404, times=99))
    assert kit.take(kit.message(small))
    assert len(kit.dead()) == 1
    assert kit.aws.sent_to(kit.aws.download_queue) == []


def test_message_that_can_not_be_read_is_one_dead_letter(kit: Kit) -> None:
    assert kit.take({"zip_id": "auto-ingest-0001"})
    assert len(kit.dead()) == 1


def test_failure_comes_back_when_its_row_can_not_be_written(kit: Kit, small: Recording) -> None:
    kit.zoom.fail(Fault(kind="status", status=500, times=99))
    assert not kit.take(kit.message(small))
    assert kit.aws.sent_to(kit.aws.download_queue) == kit.dead() == []


@pytest.mark.parametrize("change", [{"duration": 1}, {"ignore_schedule": True}])
def test_recording_is_ignored_when_its_row_can_not_be_written(
    kit: Kit, small: Recording, change: dict[str, Any]
) -> None:
    kit.settings["default_series_id"] = ""
    assert kit.take(kit.message(small, **change))
    assert kit.aws.sent_to(kit.aws.upload_queue) == kit.dead() == []


def test_recording_that_was_thrown_away_is_done_when_its_row_can_not_be_written(
    kit: Kit, small: Recording
) -> None:
    kit.notice(small, "The recording was moved to the trash in Zoom")
    kit.zoom.expire_download_tokens(small.uuid)
    kit.zoom.trash(small.uuid)
    assert kit.take(kit.message(small))
    assert kit.dead() == []
    assert kit.row == row_in("SENT_TO_DOWNLOADER")
