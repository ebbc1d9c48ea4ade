"""Unit tests of the engine's log records about progress, results, and the recording."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from bench.transfer.peers.content import Generated
from bench.transfer.peers.s3_settings import S3Fault
from bench.transfer.peers.zoom_settings import ZoomFault
from ingester import log
from ingester.errors import AwsFailed, OutOfTime, ZoomBusy
from ingester.log import JsonFormatter
from ingester.transfer.engine import Budget
from ingester.transfer.parts import MIB
from tests.unit.transfer.copying import (
    CHAT,
    KNOWN,
    S3,
    SLIDES,
    TALK,
    ZOOM,
    Clock,
    Copying,
    TimedBucket,
    key_of,
)
from tests.unit.transfer.memory_source import MemoryFile

ONE_BY_ONE = Budget(connections=1)
"""A budget with one connection, so that S3 gets the mark first, then the first part."""
Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def lines() -> Iterator[Lines]:
    """Yield a function that returns the log records so far, decoded from JSON."""
    logger, text = logging.getLogger("ingester.transfer"), io.StringIO()
    handler, level = logging.StreamHandler(text), logger.level
    handler.setFormatter(JsonFormatter())
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield lambda: [json.loads(line) for line in text.getvalue().splitlines()]
    logger.removeHandler(handler)
    logger.setLevel(level)


def test_log_of_the_engine_has_a_record_when_a_file_is_staged_or_was_staged_before(
    copying: Copying, lines: Lines
) -> None:
    for _ in range(2):
        copying.run([copying.copy_of("chat")], clock=Clock(100.0))
    staged, already_staged = lines()
    assert staged["message"] == f"Staged {key_of('chat')}"
    assert (staged["bytes"], staged["fetched_bytes"]) == (CHAT, CHAT)
    assert (staged["seconds"], staged["megabytes_per_second"], staged["retries"]) == (0, 0, 0)
    assert already_staged["message"] == f"Already staged: {key_of('chat')}"
    assert (already_staged["bytes"], already_staged["fetched_bytes"]) == (CHAT, 0)


def test_log_calls_a_file_staged_when_the_run_only_completes_the_upload_of_stored_parts(
    copying: Copying, lines: Lines
) -> None:
    fault = S3Fault(kind="status", operation="CompleteMultipartUpload")
    copying.s3.configure(replace(S3, faults=(fault,)))
    with pytest.raises(AwsFailed):
        copying.run(clock=Clock(100.0))
    copying.run(clock=Clock(100.0))
    *_, staged = lines()
    assert staged["message"] == f"Staged {key_of('talk')}"
    assert (staged["bytes"], staged["fetched_bytes"]) == (TALK, 0)


def test_log_has_the_progress_after_each_part_when_a_part_takes_ten_seconds(
    copying: Copying, timed: TimedBucket, lines: Lines
) -> None:
    # The engine logs the progress at most once every five seconds.
    talk = MemoryFile(Generated("talk", 12 * MIB))
    copies = [copying.copy_of(source=talk), copying.copy_of("chat")]
    copying.run(copies, clock=timed.clock, bucket=timed, budget=ONE_BY_ONE)
    progress = [line for line in lines() if line["message"] == "Copying"]
    assert [line["bytes"] for line in progress] == [5 * MIB, 10 * MIB, 12 * MIB, 12 * MIB + CHAT]
    assert [line["total_bytes"] for line in progress] == [*[12 * MIB] * 3, 12 * MIB + CHAT]
    assert [line["megabytes_per_second"] for line in progress] == [0.5, 0.5, 0.2, 0.0]
    assert {line["connections"] for line in progress} == {1}
    assert {line["level"] for line in lines()} == {"INFO"}


def test_log_has_the_progress_after_each_third_part_when_a_part_takes_two_seconds(
    copying: Copying, timed: TimedBucket, lines: Lines
) -> None:
    timed.part_seconds = 2.0
    copies = [copying.copy_of(source=MemoryFile(Generated("talk", 30 * MIB)))]
    copying.run(copies, clock=timed.clock, bucket=timed, budget=ONE_BY_ONE)
    progress = [line for line in lines() if line["message"] == "Copying"]
    assert [line["bytes"] for line in progress] == [15 * MIB, 30 * MIB]


def test_log_names_the_file_and_the_copied_bytes_when_the_next_run_has_to_continue_the_copy(
    copying: Copying, timed: TimedBucket, lines: Lines
) -> None:
    end = timed.clock.now + 20
    copies = [copying.copy_of(source=MemoryFile(Generated("talk", 12 * MIB)))]
    with pytest.raises(OutOfTime):
        copying.run(
            copies,
            clock=timed.clock,
            bucket=timed,
            time_left=lambda: end - timed.clock.now,
            budget=ONE_BY_ONE,
        )
    last = lines()[-1]
    assert last["message"] == "The next run continues the copy: talk"
    assert last["bytes"] == 5 * MIB


def test_log_of_the_progress_shows_fewer_connections_when_the_source_throttles(
    copying: Copying, timed: TimedBucket, lines: Lines
) -> None:
    busy = ZoomBusy("Zoom answered 429 to the download.", 0.0)
    talk = MemoryFile(Generated("talk", 60 * MIB), script=[None, busy])
    copying.s3.configure(replace(S3, mode="discard"))
    budget = Budget(first_connections=4)
    copying.run([copying.copy_of(source=talk)], clock=timed.clock, bucket=timed, budget=budget)
    progress = [line["connections"] for line in lines() if line["message"] == "Copying"]
    assert max(progress) == 4
    assert set(progress[-5:]) <= {1, 2}


class TestContext:
    def test_log_records_of_all_threads_name_the_recording(
        self, copying: Copying, lines: Lines
    ) -> None:
        # Log records come from parts that restart, from ranges that continue, and from the main
        # thread.
        copying.zoom.configure(replace(ZOOM, faults=(ZoomFault(kind="rst", request=3),)))
        copying.s3.configure(replace(S3, faults=(S3Fault(kind="status", nth=2),)))
        with log.context(uuid="u==", zip_id="auto-ingest-u=="):
            copying.run([copying.copy_of("talk"), copying.copy_of("slides")], budget=ONE_BY_ONE)
        written = lines()
        assert {line["uuid"] for line in written} == {"u=="}
        assert {line["zip_id"] for line in written} == {"auto-ingest-u=="}
        messages = " ".join(line["message"] for line in written)
        assert "The part goes on in" in messages
        assert "Trying " in messages
        assert f"Staged {key_of('slides')}" in messages

    def test_log_records_of_threads_that_send_a_stream_name_the_recording(
        self, copying: Copying, lines: Lines
    ) -> None:
        copying.zoom.configure(replace(ZOOM, ranges=False))
        copying.s3.configure(replace(S3, faults=(S3Fault(kind="status", nth=2, times=2),)))
        with log.context(uuid="u=="):
            copying.run(budget=ONE_BY_ONE)
        written = [line for line in lines() if line["message"].startswith("Trying talk again")]
        assert len(written) == 2
        assert {line["uuid"] for line in written} == {"u=="}

    def test_log_records_of_the_engine_contain_no_secret(
        self, copying: Copying, lines: Lines
    ) -> None:
        faults = (ZoomFault(kind="rst", request=2), ZoomFault(kind="status", request=4))
        copying.zoom.configure(replace(ZOOM, faults=faults))
        copying.s3.configure(replace(S3, faults=(S3Fault(kind="rst", nth=2),)))
        copying.run([copying.copy_of("talk"), copying.copy_of("slides")], budget=ONE_BY_ONE)
        text = json.dumps(lines())
        for secret in ("sig=", "Bearer", "http://", KNOWN.secret_key, KNOWN.token):
            assert secret not in text

    def test_log_record_of_a_staged_file_has_its_number_of_retries(
        self, copying: Copying, lines: Lines
    ) -> None:
        copying.zoom.configure(replace(ZOOM, faults=(ZoomFault(kind="rst", request=2),)))
        copying.run([copying.copy_of("slides")])
        [staged] = [line for line in lines() if line["message"].startswith("Staged")]
        assert staged["retries"] == 1
        assert staged["fetched_bytes"] == SLIDES
