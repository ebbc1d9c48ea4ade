"""Copies that take several invocations."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from bench.transfer.peers.s3 import S3Peer
from ingester.transfer.parts import MARK_NUMBER, parts_of
from local.neighbours.zoom_recordings import Recording
from tests.unit.functions.downloader.event_source import Delivery, EventSource
from tests.unit.functions.downloader.harness import LONGISH, MB, Harness, contents

SECONDS = 30.0
"""Length of an invocation that copies about 20 MB, in seconds."""
BARELY = 15.0
"""Length of an invocation in which one connection copies one or two parts, in seconds."""
Deliver = Callable[..., Delivery]
HOW_FAR = re.compile(r"(\d+) of (\d+) MB are copied; the next invocation goes on\.")


@pytest.fixture
def source(harness: Harness) -> EventSource:
    return EventSource(harness)


def stored(peer: S3Peer) -> int:
    """Return the number of bytes in objects and in parts of unfinished uploads, without marks."""
    parts = [part for upload in peer.uploads() for part in upload.parts]
    unfinished = sum(part.size for part in parts if part.number != MARK_NUMBER)
    return unfinished + sum(stored.size for stored in peer.objects())


class TestThreeInvocations:
    def test_next_invocation_continues_the_copy_where_the_last_invocation_stopped(
        self, harness: Harness, source: EventSource, long: Recording
    ) -> None:
        source.send(harness.message(long))
        how_far: list[int] = []
        while delivery := source.deliver(SECONDS):
            if harness.row["pipeline_state"] == "SENT_TO_UPLOADER":
                break
            assert not delivery.came_back
            assert harness.row["pipeline_state"] == "OC_SERIES_FOUND"
            progress = HOW_FAR.fullmatch(harness.row["reason"])
            assert progress
            assert int(progress[2]) == round(long.total_size / MB)
            # S3 may store a part in flight after the row is written.
            assert int(progress[1]) <= round(stored(harness.bucket.peer) / MB)
            how_far.append(int(progress[1]))
            assert len(how_far) < 20, "It comes to no end."
            assert harness.uploads() == []
        assert len(how_far) >= 2
        assert how_far == sorted(set(how_far))
        assert source.deliver(SECONDS) is None
        assert harness.outcome == ("SENT_TO_UPLOADER", "")
        assert set(harness.objects().values()) == contents(long)
        assert harness.bucket.peer.uploads() == []

    def test_each_unfinished_invocation_of_a_copy_sends_one_new_message(
        self, harness: Harness, source: EventSource, longish: Recording
    ) -> None:
        harness.connections = 1
        message = harness.message(longish)
        source.send(message)
        deliveries = source.deliver_all(BARELY)
        assert len(deliveries) >= 3
        assert [delivery.receive_count for delivery in deliveries] == [1] * len(deliveries)
        bodies = [dict(delivery.body) for delivery in deliveries]
        copying = [body.pop("copying", None) for body in bodies]
        assert bodies == [message] * len(deliveries)
        assert copying[0] is None
        assert not any(delivery.came_back for delivery in deliveries)
        again = harness.aws.sent_to(harness.aws.download_queue)
        assert [message["delay_seconds"] for message in again] == [0] * (len(deliveries) - 1)
        assert harness.dead() == []
        assert len(harness.aws.sent_to(harness.aws.upload_queue)) == len(harness.uploads()) == 1
        assert harness.fetched() <= 1.3 * longish.total_size

    def test_copy_is_continued_when_an_invocation_crashes(
        self, harness: Harness, longish: Recording
    ) -> None:
        # S3 keeps the stored parts, and SQS delivers the message again.
        breaks = parts_of(LONGISH)[2].first

        def break_down(_: str, first: int) -> None:
            if first == breaks:
                raise RuntimeError("The function's process ends here.")

        harness.connections = 1
        harness.before_bytes = break_down
        message = harness.message(longish)
        with pytest.raises(RuntimeError):
            harness.take(message)
        harness.before_bytes = lambda _id, _first: None
        fetched = harness.fetched()
        assert harness.take(message, receive_count=2)
        assert harness.outcome == ("SENT_TO_UPLOADER", "")
        assert set(harness.objects().values()) == contents(longish)
        assert harness.fetched() - fetched < LONGISH - breaks + MB


class TestACopyThatDoesNotGrow:
    """The progress of a copy, also if each invocation starts the copy from the beginning."""

    @pytest.fixture
    def deliver(self, harness: Harness, source: EventSource, longish: Recording) -> Deliver:
        """Return a function that runs an invocation with an empty bucket and the given progress."""
        harness.connections = 1

        def deliver(copying: dict[str, Any] | None = None) -> Delivery:
            harness.bucket.begin()
            harness.aws.messages(harness.aws.download_queue)
            message = harness.message(longish)
            source.send(message | {"copying": copying} if copying else message)
            delivery = source.deliver(BARELY)
            assert delivery
            return delivery

        return deliver

    def sent(self, harness: Harness) -> dict[str, Any]:
        (again,) = harness.aws.sent_to(harness.aws.download_queue)
        copying: dict[str, Any] = again["body"]["copying"]
        return copying

    def test_messages_of_a_continued_copy_have_the_time_of_the_first_continuation_and_the_progress(
        self, harness: Harness, source: EventSource, longish: Recording
    ) -> None:
        harness.connections = 1
        source.send(harness.message(longish))
        copies: list[dict[str, Any]] = []
        while harness.outcome[0] != "SENT_TO_UPLOADER":
            assert source.deliver(BARELY)
            harness.clock.forward(minutes=15)
            copies = [
                message["body"]["copying"]
                for message in harness.aws.sent_to(harness.aws.download_queue)
            ]
        assert len(copies) >= 2
        assert {fields["since"] for fields in copies} == {"2026-10-14T18:30:00Z"}
        assert {fields["idle"] for fields in copies} == {0}
        stored = [fields["stored_bytes"] for fields in copies]
        assert stored == sorted(set(stored))

    def test_copy_fails_when_three_invocations_in_a_row_make_no_progress(
        self, harness: Harness, deliver: Deliver
    ) -> None:
        deliver()
        copying = self.sent(harness) | {"stored_bytes": LONGISH}
        for idle in (1, 2):
            assert not deliver(copying).came_back
            copying = self.sent(harness)
            assert copying["idle"] == idle
            assert copying["stored_bytes"] == LONGISH
        assert deliver(copying).came_back
        assert harness.aws.sent_to(harness.aws.download_queue) == []
        state, reason = harness.outcome
        assert state == "DOWNLOADER_FAILED"
        assert reason.startswith(
            "retryable failure: 3 invocations in a row have added nothing to what is copied, 16 MB"
        )
        assert "attempt 1 of 12" in reason

    def test_message_goes_to_the_dlq_when_its_copy_was_first_continued_a_day_ago(
        self, harness: Harness, deliver: Deliver
    ) -> None:
        copying = {"since": "2026-10-13T18:30:01Z", "stored_bytes": 1, "idle": 0}
        assert not deliver(copying).came_back
        assert harness.dead() == []
        harness.clock.forward(seconds=1)
        assert not deliver(copying).came_back
        (dead,) = harness.dead()
        assert dead["reason"].startswith("The copy has gone on since 2026-10-13T18:30:01Z, over")
        assert harness.outcome[0] == "DOWNLOADER_FAILED"
        assert harness.outcome[1].startswith("permanent failure: The copy has gone on since")
        assert harness.aws.sent_to(harness.aws.download_queue) == []


class TestOverrides:
    def test_overrides_of_an_operator_stay_when_the_copy_is_continued(
        self, harness: Harness, source: EventSource, longish: Recording
    ) -> None:
        harness.connections = 1
        source.send(harness.message(longish))
        event = {"override_series_id": "20260111111", "ignore_schedule": True}
        assert harness.run(event, source.context(BARELY)) == {"message": "done"}
        assert harness.row["pipeline_state"] == "OC_SERIES_FOUND"
        first, *_ = deliveries = source.deliver_all(BARELY)
        assert first.body["override_series_id"] == "20260111111"
        assert first.body["ignore_schedule"] is True
        assert [delivery.receive_count for delivery in deliveries] == [1] * len(deliveries)
        (sent,) = harness.uploads()
        assert sent["body"]["opencast_series_id"] == "20260111111"


class TestTwoMessages:
    def test_recording_goes_to_the_uploader_once_when_a_crash_leaves_two_messages(
        self, harness: Harness, source: EventSource, longish: Recording
    ) -> None:
        # Two messages lead to the same upload message, which the FIFO queue keeps only once:
        # https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/using-messagededuplicationid-property.html
        harness.connections = 1
        source.send(harness.message(longish))
        crashed = source.deliver(BARELY, crashes=True)
        assert crashed
        assert crashed.came_back
        deliveries = source.deliver_all(BARELY)
        assert [delivery.receive_count for delivery in deliveries].count(2) == 1
        assert set(harness.objects().values()) == contents(longish)
        assert harness.bucket.peer.uploads() == []
        sent = harness.aws.sent_to(harness.aws.upload_queue)
        assert len(sent) == 2
        assert sent[0] == sent[1]
        assert len(harness.uploads()) == 1
        assert harness.outcome == ("SENT_TO_UPLOADER", "")
        assert harness.dead() == []
        assert harness.fetched() <= 1.3 * longish.total_size


class TestNothingGotThrough:
    def test_message_is_retried_when_an_invocation_could_copy_nothing(
        self, harness: Harness, source: EventSource, longish: Recording
    ) -> None:
        source.send(harness.message(longish))
        delivery = source.deliver(4.0)
        assert delivery
        assert delivery.came_back
        assert harness.row["pipeline_state"] == "DOWNLOADER_FAILED"
        assert harness.row["reason"].startswith(
            "retryable failure: Nothing could be copied in the time that was left. "
            "(attempt 1 of 12, next try at "
        )
        assert harness.aws.sent_to(harness.aws.download_queue) == []
        harness.aws.sqs.change_message_visibility(
            QueueUrl=harness.aws.download_queue,
            ReceiptHandle=delivery.receipt_handle,
            VisibilityTimeout=0,
        )
        again = source.deliver(4.0)
        assert again
        assert again.receive_count == 2
        assert "attempt 2 of 12" in harness.row["reason"]
