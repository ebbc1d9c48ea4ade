"""The same notification again, and later ones with other files."""

from __future__ import annotations

import pytest

import webhook
from ingester.rules.states import State
from tests.cloud import Clock, Cloud
from tests.hooks import failing
from tests.kits import post_webhook
from tests.unit.functions.webhook.notifications import (
    ZIP_ID,
    Json,
    Post,
    chat,
    completed,
    mp4,
    on_demand,
    put,
    sent,
    state,
)


def test_the_same_again_with_other_tokens_and_urls(aws: Cloud, post: Post, clock: Clock) -> None:
    for number in range(3):
        files = [mp4(download_url=f"https://zoom.us/rec/download/{number}"), chat()]
        assert post(completed(*files[:: -1 if number else 1], token=f"t{number}")) == 200
        clock.forward(minutes=20)
    assert [message["download_token"] for message in sent(aws)] == ["t0"]
    assert aws.rows()[ZIP_ID]["ingest_request_time"] == "2026-10-14T18:30:00Z"


def test_a_repeat_that_finds_webhook_received_sends_again(aws: Cloud, post: Post) -> None:
    put(aws, State.WEBHOOK_RECEIVED, file_ids={"file-1"})
    assert post(completed()) == 200
    assert len(sent(aws)) == 1
    assert state(aws) == ("SENT_TO_DOWNLOADER", "")


def test_what_was_not_sent_is_sent_when_zoom_repeats_it(aws: Cloud, tools: webhook.Tools) -> None:
    aws.sqs.delete_queue(QueueUrl=aws.download_queue)
    assert post_webhook(tools, completed()).status == 503
    assert state(aws) == ("WEBHOOK_RECEIVED", "")
    aws.sqs.create_queue(QueueName="test-download")
    aws.sends.clear()
    assert post_webhook(tools, completed()).status == 200
    assert len(sent(aws)) == 1
    assert state(aws) == ("SENT_TO_DOWNLOADER", "")


@pytest.mark.parametrize("ended", ["WEBHOOK_FAILED", "DOWNLOADER_FAILED", "UPLOADER_FAILED"])
def test_a_repeat_of_what_ended_failed_is_a_new_message(ended: str, aws: Cloud, post: Post) -> None:
    put(aws, State(ended), file_ids={"file-1"}, reason="it failed")
    assert post(completed()) == 200
    assert len(sent(aws)) == 1
    assert state(aws) == ("SENT_TO_DOWNLOADER", "")


@pytest.mark.parametrize("ended", ["DOWNLOADER_FAILED", "UPLOADER_FAILED"])
def test_a_repeat_while_a_retry_is_due_is_none(ended: str, aws: Cloud, post: Post) -> None:
    put(aws, State(ended), file_ids={"file-1"}, retry_due="2026-10-14T18:40:00Z", reason="wait")
    assert post(completed()) == 200
    assert not aws.sends
    assert state(aws) == (ended, "wait")


@pytest.mark.parametrize("before", ["SENT_TO_DOWNLOADER", "SENT_TO_UPLOADER", "SENT_TO_OPENCAST"])
def test_a_file_not_seen_before_is_sent_and_the_row_stays(
    before: str, aws: Cloud, post: Post
) -> None:
    put(aws, State(before), file_ids={"file-1"})
    assert post(completed(mp4(), mp4("file-2"))) == 200
    assert post(completed(mp4(), mp4("file-2"))) == 200
    assert len(sent(aws)) == 1
    assert state(aws) == (before, "")
    assert aws.rows()[ZIP_ID]["file_ids"] == {"file-1", "file-2"}


def test_late_files_without_the_earlier_ones_are_said_to_be_a_part(aws: Cloud, post: Post) -> None:
    for files in (["file-1"], ["file-1", "file-2"], ["file-3"]):
        assert post(completed(*map(mp4, files))) == 200
    assert [message.get("is_partial") for message in sent(aws)] == [None, None, True]


def test_of_two_that_come_at_once_one_is_a_part(aws: Cloud, post: Post) -> None:
    """Both read no row; the other one's files are in it when this one writes its own."""
    others: list[int] = []

    def meanwhile(_: object) -> bool:
        if not others:
            others.append(0)
            with failing(aws.sqs, "sqs.SendMessage", "InternalError"):
                others[0] = post(completed(mp4("file-1")))
        return False

    with failing(aws.status.meta.client, "dynamodb.UpdateItem", "none", when=meanwhile):
        assert post(completed(mp4("file-2"))) == 200
    assert others == [503]
    assert post(completed(mp4("file-1"))) == 200
    assert [message.get("is_partial") for message in sent(aws)] == [None, True]


@pytest.mark.parametrize("before", ["SENT_TO_DOWNLOADER", "IGNORED", "SENT_TO_OPENCAST"])
def test_an_operators_force_begins_anew(before: str, aws: Cloud, post: Post) -> None:
    put(aws, State(before), "on-demand-1", file_ids={"file-1"}, reason="old")
    assert post(on_demand()) == 200
    assert not aws.sends
    assert post(on_demand(force=True)) == 200
    assert len(sent(aws)) == 1
    assert state(aws, "on-demand-1") == ("SENT_TO_DOWNLOADER", "")


def test_an_operators_force_on_zooms_own_row_leaves_it_zooms(
    aws: Cloud, post: Post, clock: Clock
) -> None:
    assert post(completed()) == 200
    aws.status.update_item(
        Key={"zip_id": ZIP_ID},
        UpdateExpression="SET pipeline_state = :ignored, reason = :reason",
        ExpressionAttributeValues={
            ":ignored": "IGNORED",
            ":reason": "No opencast series match",
        },
    )
    clock.forward(hours=2)
    assert post(on_demand(zip_id=ZIP_ID, force=True, override_series_id="S")) == 200
    (row,) = aws.rows().values()
    assert (row["pipeline_state"], row["origin"]) == ("SENT_TO_DOWNLOADER", "webhook_notification")
    assert row["ingest_request_time"] == "2026-10-14T20:30:00Z"
    assert sent(aws)[1]["zip_id"] == ZIP_ID


@pytest.mark.parametrize("files", [[mp4()], [{"file_type": "MP4"}]])
def test_an_operators_request_makes_zooms_row_where_there_is_none(
    files: list[Json], aws: Cloud, post: Post
) -> None:
    """A notification that never came, or whose row is too old to be there still."""
    post(on_demand(*files, zip_id=ZIP_ID, force=True))
    post(on_demand(*files, zip_id="auto-ingest-another", force=True))
    assert aws.rows()[ZIP_ID]["origin"] == "webhook_notification"
    assert aws.rows()["auto-ingest-another"]["origin"] == "on_demand"


def test_a_repeated_on_demand_request_is_recognised(aws: Cloud, post: Post) -> None:
    assert [post(on_demand()), post(on_demand())] == [200, 200]
    assert len(sent(aws)) == 1
    assert post(on_demand(zip_id="on-demand-2")) == 200
    assert len(sent(aws)) == 2
