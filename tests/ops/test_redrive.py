"""Dead letters back onto their queue, whatever comes in between."""

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
from tests.ops.queue_harness import DOWNLOADS, SERIES, UPLOADS, Site, body


def test_redrive_moves_the_first_message_unchanged_and_rewinds_its_row(site: Site) -> None:
    failed = {DOWNLOADS: State.DOWNLOADER_FAILED, UPLOADS: State.UPLOADER_FAILED}[site.pair]
    site.row(1, State.SENT_TO_DOWNLOADER)
    site.status.write("auto-ingest-uuid-1==", StatusChange(failed, "down", failed_again=True))
    site.bury(body(1))
    site.bury(body(2), group="h")
    (moved,), _ = site.move(Selection())
    assert (moved.message.uuid, moved.reason) == ("uuid-1==", SERIES)
    (found,) = site.aws.messages(site.live_url)
    assert found["body"] == json.loads(body(1))
    assert found["reason"] is None
    assert found["group"] == ("uuid-1==" if site.pair.is_fifo else None)
    row = site.status.get("auto-ingest-uuid-1==")
    assert row
    assert (row.state, row.reason, row.failures) == (site.pair.sent, RETRIED, 0)
    assert site.visible(site.dead_url) == 1


def test_redrive_finds_every_message_of_a_recording(site: Site) -> None:
    for number in range(25):
        site.bury(body(number % 24, copy=number), reason=f"reason {number}", group=f"g{number}")
    moved, _ = site.move(Selection(most=None, uuid="uuid-0=="))
    assert sorted(redriven.reason for redriven in moved) == ["reason 0", "reason 24"]
    assert site.visible(site.dead_url) == 23


def test_redrive_moves_messages_of_one_group_in_order(uploads: Site) -> None:
    for number in range(3):
        uploads.bury(body(0, try_=number), group="uuid-0==")
    moved, _ = uploads.move(Selection(most=None, uuid="uuid-0=="))
    assert [
        redriven.message.content and redriven.message.content["try_"] for redriven in moved
    ] == [0, 1, 2]


def test_redrive_moves_unreadable_messages_only_with_all(site: Site) -> None:
    site.bury("no json", group="u")
    site.bury(body(1), group="g")
    moved, left = site.move(Selection(most=2))
    assert [redriven.message.uuid for redriven in moved] == ["uuid-1=="]
    assert [message.body for message in left] == ["no json"]
    assert site.visible(site.dead_url) == 1
    (moved_now,), left = site.move(Selection(most=None, unreadable=True))
    assert (moved_now.message.body, left) == ("no json", [])
    assert site.visible(site.dead_url) == 0


def test_redrive_leaves_the_rest_visible_when_it_is_interrupted(site: Site) -> None:
    for number in range(5):
        site.bury(body(number), group=f"g{number}")
    moved, _ = site.move(Selection(most=None, unreadable=True), stop_after=2)
    assert len(moved) == 2
    assert (site.visible(site.dead_url), site.visible(site.live_url)) == (3, 2)


def test_redrive_leaves_message_and_row_when_the_send_fails(downloads: Site) -> None:
    downloads.row(1, State.SENT_TO_DOWNLOADER)
    downloads.status.write("auto-ingest-uuid-1==", StatusChange(State.DOWNLOADER_FAILED, "down"))
    downloads.bury(body(1))
    downloads.aws.sqs.delete_queue(QueueUrl=downloads.live_url)
    with pytest.raises(ClientError):
        downloads.move(Selection())
    row = downloads.status.get("auto-ingest-uuid-1==")
    assert row
    assert (row.state, row.reason) == (State.DOWNLOADER_FAILED, "down")
    assert downloads.visible(downloads.dead_url) == 1


def test_redrive_repeats_no_message_after_a_crash(uploads: Site) -> None:
    uploads.bury(body(1))
    with hold_messages(uploads.redrive.dead, 30) as held:
        (message,) = held.next_page()
        # As _send does, and then the crash: nothing is deleted.
        uploads.redrive._send(message)  # noqa: SLF001 - what lies between two of its steps
    uploads.move(Selection())
    assert len(uploads.aws.messages(uploads.live_url)) == 1
    uploads.bury(body(1), reason="failed again")
    uploads.move(Selection())
    assert len(uploads.aws.messages(uploads.live_url)) == 1


@pytest.mark.parametrize(
    ("state", "after"),
    [
        (State.IGNORED, State.SENT_TO_UPLOADER),
        (State.UPLOADER_RECEIVED, State.SENT_TO_UPLOADER),
        (State.SENT_TO_OPENCAST, State.SENT_TO_OPENCAST),
    ],
)
def test_redrive_rewinds_a_row_unless_its_ingest_is_done(
    uploads: Site, state: State, after: State
) -> None:
    uploads.row(1, State.SENT_TO_DOWNLOADER)
    uploads.status.write("auto-ingest-uuid-1==", StatusChange(state))
    uploads.bury(body(1))
    uploads.move(Selection())
    row = uploads.status.get("auto-ingest-uuid-1==")
    assert row
    assert row.state is after


def test_redrive_moves_a_message_without_a_row(site: Site) -> None:
    site.bury(body(1), reason="why")
    (moved,), _ = site.move(Selection())
    assert moved.reason == "why"
    assert site.aws.rows() == {}


def test_redrive_leaves_messages_that_arrived_after_its_beginning(downloads: Site) -> None:
    downloads.bury(body(1))
    late = replace(
        downloads.redrive.dead.counts(), at=datetime(2020, 1, 1, tzinfo=UTC)
    )  # as if it began long ago

    class Early(SqsQueue):
        def counts(self) -> queue_messages.QueueCounts:
            return late

    early = replace(downloads.redrive, dead=Early(downloads.aws.sqs, DOWNLOADS.dlq, 0))
    early.run(Selection(most=None), lambda: False, lambda _: None)
    assert downloads.visible(downloads.dead_url) == 1


def test_redrive_says_how_far_it_came_when_it_is_interrupted(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(3):
        site.bury(body(number), group=f"g{number}")
    answers = iter([False, False, True, True, True])
    with pytest.raises(Exit) as ended:
        queue.redrive_and_report(
            site.redrive, Selection(most=None, unreadable=True), lambda: next(answers)
        )
    assert ended.value.code == 130
    assert ended.value.message == "Interrupted. 1 moved, the rest is where it was."
    printed = capsys.readouterr().out
    assert f"Back on {site.pair.queue}" in printed
    assert SERIES in printed
    assert (site.visible(site.dead_url), site.visible(site.live_url)) == (2, 1)


def test_redrive_says_how_far_it_came_when_it_fails(downloads: Site) -> None:
    downloads.bury(body(1))
    downloads.aws.sqs.delete_queue(QueueUrl=downloads.live_url)
    with pytest.raises(OpsError, match=r"^Stopped: .* 0 moved, the rest is where it was\.$"):
        queue.redrive_and_report(downloads.redrive, Selection(), lambda: False)
    assert downloads.visible(downloads.dead_url) == 1


def test_redrive_reports_a_message_that_is_in_both_queues(site: Site) -> None:
    site.bury(body(1))

    def deny(**_: object) -> None:
        raise ClientError({"Error": {"Code": "AccessDenied"}}, "DeleteMessage")

    deleting = ("before-call.sqs.DeleteMessage", deny)
    site.aws.sqs.meta.events.register(*deleting)
    try:
        with pytest.raises(OpsError, match=r"uuid-1== was sent again, .* on both queues: .*Denied"):
            site.move(Selection())
    finally:
        site.aws.sqs.meta.events.unregister(*deleting)
    assert site.visible(site.live_url) == site.visible(site.dead_url) == 1


def test_redrive_moves_a_message_once_when_it_fails_again(site: Site) -> None:
    site.bury(body(1))
    moved: list[RedrivenMessage] = []

    def fail_again(redriven: RedrivenMessage) -> None:
        moved.append(redriven)
        site.bury(redriven.message.body, reason=f"again {len(moved)}")

    site.redrive.run(Selection(most=None, unreadable=True), lambda: False, fail_again)
    assert [redriven.reason for redriven in moved] == [SERIES]
    assert site.visible(site.dead_url) == 1


def test_an_upload_has_lost_its_files_after_seven_days(site: Site) -> None:
    site.bury(body(1))
    with hold_messages(SqsQueue(site.aws.sqs, site.pair.dlq, 0), 30) as held:
        (message,) = held.next_page()
    week = message.sent + STAGING_LIFETIME
    assert not site.redrive.has_lost_files(message, week)
    assert site.redrive.has_lost_files(message, week + timedelta(seconds=1)) is site.pair.is_fifo


class FirstTooLate(Redrive):
    """Of some dead letters, the first recording's are too old."""

    def has_lost_files(self, message: QueueMessage, now: datetime) -> bool:
        return message.uuid == "uuid-1==" and super().has_lost_files(
            message, now + 2 * STAGING_LIFETIME
        )


def test_redrive_moves_the_next_message_when_one_is_left(
    uploads: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in (1, 2):
        uploads.bury(body(number), group=f"g{number}")
    queue.redrive_and_report(
        FirstTooLate(**vars(uploads.redrive)), Selection(most=1), lambda: False
    )
    said = capsys.readouterr().out
    assert "uuid-2==" in said
    assert "Left: uuid-1== was buried on " in said
    assert "`invoke exec.pipeline uuid-1==` fetches them anew" in said
    assert [message["body"]["uuid"] for message in uploads.aws.messages(uploads.live_url)] == [
        "uuid-2=="
    ]
