"""Requests about a forgotten recording, whose traces an operator removed."""

from __future__ import annotations

from functools import partial

import pytest

from ingester.ledger.record import End, as_forgotten, with_end
from tests.cloud import Clock, Cloud
from tests.hooks import failing
from tests.unit.functions.webhook.notifications import (
    ZIP_ID,
    Json,
    Post,
    change_record,
    chat,
    completed,
    mp4,
    on_demand,
    record_of,
    sent,
    state,
)
from tests.unit.functions.webhook.removals import recovered, trashed


@pytest.fixture
def forgotten(aws: Cloud, clock: Clock) -> None:
    change_record(aws, partial(as_forgotten, now=clock()))


@pytest.mark.usefixtures("forgotten")
@pytest.mark.parametrize(
    ("event", "status"),
    [
        (completed(), 200),
        (completed(chat()), 200),
        (completed(mp4("new")), 200),
        (on_demand(), 200),
        (on_demand(zip_id=ZIP_ID), 200),
        (trashed(), 204),
        (recovered(), 204),
    ],
    ids=str,
)
def test_request_to_the_webhook_without_force_leaves_no_trace_when_the_recording_is_forgotten(
    aws: Cloud, post: Post, event: Json, status: int
) -> None:
    before = record_of(aws)
    assert post(event) == status
    assert (aws.rows(), sent(aws), record_of(aws)) == ({}, [], before)


def test_recording_stays_forgotten_when_an_operator_forgets_it_during_its_recovery(
    aws: Cloud, clock: Clock, post: Post
) -> None:
    post(completed())
    change_record(aws, partial(with_end, zip_id=ZIP_ID, end=End.GONE))

    def meanwhile(_: Json) -> bool:
        change_record(aws, partial(as_forgotten, now=clock()))
        return False

    with failing(aws.sqs, "sqs.SendMessage", "none", when=meanwhile):
        assert post(recovered()) == 204
    assert record_of(aws).forgotten
    assert not record_of(aws).requests


@pytest.mark.usefixtures("forgotten")
def test_request_of_an_operator_makes_a_forgotten_recording_known_again(
    aws: Cloud, post: Post
) -> None:
    assert post(on_demand(zip_id=ZIP_ID, force=True)) == 200
    assert len(sent(aws)) == 1
    assert record_of(aws).forgotten == ""
    assert record_of(aws).request(ZIP_ID).is_sent
    assert state(aws)[0] == "SENT_TO_DOWNLOADER"
