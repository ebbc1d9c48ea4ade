"""Messages that the downloader neither loses nor repeats while the status table fails."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from local.neighbours.zoom_faults import Fault
from local.neighbours.zoom_recordings import Recording
from tests.hooks import failing_table
from tests.unit.functions.downloader.event_source import EventSource
from tests.unit.functions.downloader.harness import Harness, row_in, with_file


@pytest.fixture(autouse=True)
def _status_failing(harness: Harness) -> Iterator[None]:
    with failing_table(harness.aws.status):
        yield


def test_recording_goes_to_the_uploader_once_when_its_row_cannot_be_written(
    harness: Harness, small: Recording, caplog: pytest.LogCaptureFixture
) -> None:
    assert harness.take(harness.message(small))
    assert len(harness.aws.sent_to(harness.aws.upload_queue)) == 1
    assert harness.aws.sent_to(harness.aws.download_queue) == harness.dead() == []
    levels = {
        record.levelname for record in caplog.records if "row isn't written" in record.getMessage()
    }
    assert levels == {"WARNING"}


def test_waiting_recording_has_one_message_when_its_row_cannot_be_written(
    harness: Harness, small: Recording
) -> None:
    slow = harness.zoom.add(with_file(small, 0, processing_asks=999, file_id="slow"))
    assert harness.take(harness.message(slow))
    assert len(harness.aws.sent_to(harness.aws.download_queue)) == 1
    assert harness.aws.sent_to(harness.aws.upload_queue) == harness.dead() == []


def test_continued_copy_has_one_message_when_its_row_cannot_be_written(
    harness: Harness, longish: Recording
) -> None:
    harness.connections = 1
    source = EventSource(harness)
    source.send(harness.message(longish))
    delivery = source.deliver(15.0)
    assert delivery
    assert not delivery.came_back
    assert len(harness.aws.sent_to(harness.aws.download_queue)) == 1
    assert harness.aws.sent_to(harness.aws.upload_queue) == harness.dead() == []


def test_message_of_a_permanent_failure_goes_to_the_dlq_once_when_its_row_cannot_be_written(
    harness: Harness, small: Recording
) -> None:
    harness.zoom.fail(Fault(kind="status", status=404, times=99))
    assert harness.take(harness.message(small))
    assert len(harness.dead()) == 1
    assert harness.aws.sent_to(harness.aws.download_queue) == []


def test_malformed_message_goes_to_the_dlq_once_when_its_row_cannot_be_written(
    harness: Harness,
) -> None:
    assert harness.take({"zip_id": "auto-ingest-0001"})
    assert len(harness.dead()) == 1


def test_message_is_retried_after_a_failure_when_its_row_cannot_be_written(
    harness: Harness, small: Recording
) -> None:
    harness.zoom.fail(Fault(kind="status", status=500, times=99))
    assert not harness.take(harness.message(small))
    assert harness.aws.sent_to(harness.aws.download_queue) == harness.dead() == []


@pytest.mark.parametrize("change", [{"duration": 1}, {"ignore_schedule": True}])
def test_message_of_an_ignored_recording_needs_no_retry_when_its_row_cannot_be_written(
    harness: Harness, small: Recording, change: dict[str, Any]
) -> None:
    harness.settings["default_series_id"] = ""
    assert harness.take(harness.message(small, **change))
    assert harness.aws.sent_to(harness.aws.upload_queue) == harness.dead() == []


def test_message_of_a_removed_recording_needs_no_retry_when_its_row_cannot_be_written(
    harness: Harness, small: Recording
) -> None:
    harness.notice(small, "The recording was moved to the trash in Zoom")
    harness.zoom.expire_download_tokens(small.uuid)
    harness.zoom.trash(small.uuid)
    assert harness.take(harness.message(small))
    assert harness.dead() == []
    assert harness.row == row_in("SENT_TO_DOWNLOADER")
