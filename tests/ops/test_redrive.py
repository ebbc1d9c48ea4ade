"""Tests of `invoke queue.retry-…`: the redriven messages, and the queues after a failure."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from botocore.exceptions import ClientError
from invoke import Exit

from ingester.pipeline.states import State
from ingester.status.table import StatusChange
from ops.command import OpsError
from ops.queues import commands as queue
from ops.queues import queue_messages
from ops.queues.queue_messages import QueueMessage, SqsQueue, hold_messages
from ops.queues.redrive import RETRIED, STAGING_LIFETIME, Redrive, RedrivenMessage, Selection
from tests.hooks import failing
from tests.ops.queue_harness import DOWNLOADS, SERIES, UPLOADS, Queues, body


def test_redrive_moves_the_first_message_unchanged_and_sets_its_row_back(queues: Queues) -> None:
    failed = {DOWNLOADS: State.DOWNLOADER_FAILED, UPLOADS: State.UPLOADER_FAILED}[queues.pair]
    queues.row(1, State.SENT_TO_DOWNLOADER)
    queues.status.write("auto-ingest-uuid-1==", StatusChange(failed, "down", failed_again=True))
    queues.add_to_dlq(body(1))
    queues.add_to_dlq(body(2), group="h")
    (moved,), _ = queues.run(Selection())
    assert (moved.message.uuid, moved.reason) == ("uuid-1==", SERIES)
    (found,) = queues.aws.messages(queues.live_url)
    assert found["body"] == json.loads(body(1))
    assert found["reason"] is None
    assert found["group"] == ("uuid-1==" if queues.pair.is_fifo else None)
    row = queues.status.get("auto-ingest-uuid-1==")
    assert row
    assert (row.state, row.reason, row.failures) == (queues.pair.sent, RETRIED, 0)
    assert queues.visible(queues.dead_url) == 1


def test_redrive_finds_every_message_of_a_recording(queues: Queues) -> None:
    for number in range(25):
        queues.add_to_dlq(
            body(number % 24, copy=number), reason=f"reason {number}", group=f"g{number}"
        )
    moved, _ = queues.run(Selection(most=None, uuid="uuid-0=="))
    assert sorted(redriven.reason for redriven in moved) == ["reason 0", "reason 24"]
    assert queues.visible(queues.dead_url) == 23


def test_redrive_moves_messages_of_one_group_in_order(uploads: Queues) -> None:
    for number in range(3):
        uploads.add_to_dlq(body(0, try_=number), group="uuid-0==")
    moved, _ = uploads.run(Selection(most=None, uuid="uuid-0=="))
    assert [
        redriven.message.content and redriven.message.content["try_"] for redriven in moved
    ] == [0, 1, 2]


def test_redrive_moves_unreadable_messages_only_when_the_option_all_is_given(
    queues: Queues,
) -> None:
    queues.add_to_dlq("no json", group="u")
    queues.add_to_dlq(body(1), group="g")
    moved, left = queues.run(Selection(most=2))
    assert [redriven.message.uuid for redriven in moved] == ["uuid-1=="]
    assert [message.body for message in left] == ["no json"]
    assert queues.visible(queues.dead_url) == 1
    (moved_now,), left = queues.run(Selection(most=None, unreadable=True))
    assert (moved_now.message.body, left) == ("no json", [])
    assert queues.visible(queues.dead_url) == 0


def test_redrive_leaves_unmoved_messages_visible_when_it_is_interrupted(queues: Queues) -> None:
    for number in range(5):
        queues.add_to_dlq(body(number), group=f"g{number}")
    moved, _ = queues.run(Selection(most=None, unreadable=True), stop_after=2)
    assert len(moved) == 2
    assert (queues.visible(queues.dead_url), queues.visible(queues.live_url)) == (3, 2)


def test_redrive_leaves_message_and_row_unchanged_when_the_send_fails(downloads: Queues) -> None:
    downloads.row(1, State.SENT_TO_DOWNLOADER)
    downloads.status.write("auto-ingest-uuid-1==", StatusChange(State.DOWNLOADER_FAILED, "down"))
    downloads.add_to_dlq(body(1))
    downloads.aws.sqs.delete_queue(QueueUrl=downloads.live_url)
    with pytest.raises(ClientError):
        downloads.run(Selection())
    row = downloads.status.get("auto-ingest-uuid-1==")
    assert row
    assert (row.state, row.reason) == (State.DOWNLOADER_FAILED, "down")
    assert downloads.visible(downloads.dead_url) == 1


def test_redrive_repeats_no_message_of_the_upload_queue_after_a_crash(uploads: Queues) -> None:
    uploads.add_to_dlq(body(1))
    with hold_messages(uploads.redrive.dead, 30) as held:
        (message,) = held.next_page()
        # The program crashes after the send, before it deletes the message from the DLQ.
        uploads.redrive._send(message)  # noqa: SLF001 - one step of the redrive
    uploads.run(Selection())
    assert len(uploads.aws.messages(uploads.live_url)) == 1
    uploads.add_to_dlq(body(1), reason="failed again")
    uploads.run(Selection())
    assert len(uploads.aws.messages(uploads.live_url)) == 1


@pytest.mark.parametrize(
    ("state", "after"),
    [
        (State.IGNORED, State.SENT_TO_UPLOADER),
        (State.UPLOADER_RECEIVED, State.SENT_TO_UPLOADER),
        (State.SENT_TO_OPENCAST, State.SENT_TO_OPENCAST),
    ],
)
def test_redrive_sets_a_row_back_unless_opencast_has_the_ingest(
    uploads: Queues, state: State, after: State
) -> None:
    uploads.row(1, State.SENT_TO_DOWNLOADER)
    uploads.status.write("auto-ingest-uuid-1==", StatusChange(state))
    uploads.add_to_dlq(body(1))
    uploads.run(Selection())
    row = uploads.status.get("auto-ingest-uuid-1==")
    assert row
    assert row.state is after


def test_redrive_moves_a_message_without_a_row(queues: Queues) -> None:
    queues.add_to_dlq(body(1), reason="why")
    (moved,), _ = queues.run(Selection())
    assert moved.reason == "why"
    assert queues.aws.rows() == {}


def test_redrive_leaves_messages_on_the_dlq_that_arrived_after_the_redrive_began(
    downloads: Queues,
) -> None:
    downloads.add_to_dlq(body(1))
    late = replace(
        downloads.redrive.dead.counts(), at=datetime(2020, 1, 1, tzinfo=UTC)
    )  # With this time, the redrive began before the message arrived.

    class Early(SqsQueue):
        def counts(self) -> queue_messages.QueueCounts:
            return late

    early = replace(downloads.redrive, dead=Early(downloads.aws.sqs, DOWNLOADS.dlq, 0))
    early.run(Selection(most=None), lambda: False, lambda _: None)
    assert downloads.visible(downloads.dead_url) == 1


def test_redrive_reports_the_number_of_moved_messages_when_it_is_interrupted(
    queues: Queues, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(3):
        queues.add_to_dlq(body(number), group=f"g{number}")
    answers = iter([False, False, True, True, True])
    with pytest.raises(Exit) as ended:
        queue.redrive_and_report(
            queues.redrive, Selection(most=None, unreadable=True), lambda: next(answers)
        )
    assert ended.value.code == 130
    assert ended.value.message == "Interrupted. 1 moved, the rest is where it was."
    printed = capsys.readouterr().out
    assert f"Back on {queues.pair.queue}" in printed
    assert SERIES in printed
    assert (queues.visible(queues.dead_url), queues.visible(queues.live_url)) == (2, 1)


def test_redrive_reports_the_number_of_moved_messages_when_it_fails(downloads: Queues) -> None:
    downloads.add_to_dlq(body(1))
    downloads.aws.sqs.delete_queue(QueueUrl=downloads.live_url)
    with pytest.raises(OpsError, match=r"^Stopped: .* 0 moved, the rest is where it was\.$"):
        queue.redrive_and_report(downloads.redrive, Selection(), lambda: False)
    assert downloads.visible(downloads.dead_url) == 1


def test_redrive_reports_a_message_that_is_in_both_queues(queues: Queues) -> None:
    queues.add_to_dlq(body(1))

    with (
        failing(queues.aws.sqs, "sqs.DeleteMessage", "AccessDenied"),
        pytest.raises(OpsError, match=r"uuid-1== was sent again, .* on both queues: .*Denied"),
    ):
        queues.run(Selection())
    assert queues.visible(queues.live_url) == queues.visible(queues.dead_url) == 1


def test_redrive_moves_a_message_once_when_the_message_fails_again(queues: Queues) -> None:
    queues.add_to_dlq(body(1))
    moved: list[RedrivenMessage] = []

    def fail_again(redriven: RedrivenMessage) -> None:
        moved.append(redriven)
        queues.add_to_dlq(redriven.message.body, reason=f"again {len(moved)}")

    queues.redrive.run(Selection(most=None, unreadable=True), lambda: False, fail_again)
    assert [redriven.reason for redriven in moved] == [SERIES]
    assert queues.visible(queues.dead_url) == 1


def test_only_a_message_of_the_upload_queue_loses_its_files_after_seven_days(
    queues: Queues,
) -> None:
    queues.add_to_dlq(body(1))
    with hold_messages(SqsQueue(queues.aws.sqs, queues.pair.dlq, 0), 30) as held:
        (message,) = held.next_page()
    week = message.sent + STAGING_LIFETIME
    assert not queues.redrive.has_lost_files(message, week)
    assert (
        queues.redrive.has_lost_files(message, week + timedelta(seconds=1)) is queues.pair.is_fifo
    )


class FirstWithoutFiles(Redrive):
    """A redrive in which the first recording's files are gone."""

    def has_lost_files(self, message: QueueMessage, now: datetime) -> bool:
        return message.uuid == "uuid-1==" and super().has_lost_files(
            message, now + 2 * STAGING_LIFETIME
        )


def test_redrive_moves_the_next_message_when_a_message_has_no_files(
    uploads: Queues, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in (1, 2):
        uploads.add_to_dlq(body(number), group=f"g{number}")
    queue.redrive_and_report(
        FirstWithoutFiles(**vars(uploads.redrive)), Selection(most=1), lambda: False
    )
    said = capsys.readouterr().out
    assert "uuid-2==" in said
    assert "Left: uuid-1== failed on " in said
    assert "`invoke exec.pipeline uuid-1==` fetches them again" in said
    assert [message["body"]["uuid"] for message in uploads.aws.messages(uploads.live_url)] == [
        "uuid-2=="
    ]
