"""Queues and dead letters as an operator sees them, on an SQS in process."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdk.receive_limits import RESERVE_RECEIVES
from cdk.stack_location import Place
from ops.command import OpsError
from ops.queues import commands as queue
from ops.queues import queue_messages
from ops.queues.queue_messages import Box, held, letter_of
from ops.queues.redrive import Wanted
from ops.target import Target
from tests.cloud import Cloud
from tests.ops.queue_harness import DOWNLOADS, SERIES, UPLOADS, Site, body


def test_a_view_shows_dead_letters_and_leaves_them_visible(site: Site) -> None:
    for number in range(23):
        site.bury(body(number), group=f"g{number}")
    seen = queue.look_dead(site.redrive.dead, 100)
    assert {letter.uuid for letter in seen.letters} == {f"uuid-{n}==" for n in range(23)}
    assert seen.letters[0].reason == SERIES
    assert (seen.letters[0].meeting, seen.peeked, seen.others) == ("86168921331", False, 0)
    assert site.visible(site.dead_url) == 23
    site.redrive.dead.take(1, 60)
    (said,) = queue.remarks(queue.look_dead(site.redrive.dead, 100))
    assert said.startswith(f"1 on {site.pipe.dead_letters} is held by somebody")
    site.aws.sqs.purge_queue(QueueUrl=site.dead_url)
    for number in range(23):
        site.bury(body(number), reason="now", group=f"g{number}")
    few = queue.look_dead(site.redrive.dead, 3)
    assert (len(few.letters), few.others) == (3, 20)
    assert site.visible(site.dead_url) == 23


def test_what_is_held_is_given_back_after_an_interrupt(site: Site) -> None:
    site.bury(body(1))

    def interrupted() -> None:
        with held(site.redrive.dead, 30) as hand:
            assert hand.draw()
            assert site.visible(site.dead_url) == 0
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert site.visible(site.dead_url) == 1


def test_a_live_queue_is_looked_at_once_and_stays_available(site: Site) -> None:
    limit = json.dumps(
        {
            "deadLetterTargetArn": arn(site.aws, site.dead_url),
            "maxReceiveCount": str(2 + RESERVE_RECEIVES),
        }
    )
    site.aws.sqs.set_queue_attributes(QueueUrl=site.live_url, Attributes={"RedrivePolicy": limit})
    for number in range(12):
        site.redrive.live.send(body(number), **fifo(site, number))
    seen = queue.look_live(site.redrive.live, 20)
    assert (len(seen.letters), seen.others, seen.peeked) == (10, 2, True)
    assert {letter.received for letter in seen.letters} == {1}
    assert site.visible(site.live_url) == 12
    assert queue.remarks(seen) == [
        f"Looking at 10 waiting on {site.pipe.queue} spent one receive of 2 of each.",
        f"2 more on {site.pipe.queue}: asking again would spend receives.",
    ]
    worn = replace(seen, letters=(replace(seen.letters[0], received=2),))
    assert queue.remarks(worn)[1].startswith("Don't look again: uuid-")


def arn(aws: Cloud, url: str) -> str:
    found = aws.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    return str(found["Attributes"]["QueueArn"])


def fifo(site: Site, number: int) -> dict[str, str]:
    if not site.pipe.is_fifo:
        return {}
    return {"MessageGroupId": f"g{number}", "MessageDeduplicationId": f"d{number}"}


def test_an_empty_live_queue_is_not_received_from(site: Site) -> None:
    received: list[str] = []
    event = "provide-client-params.sqs.ReceiveMessage"

    def remember(params: Mapping[str, Any], **_: object) -> None:
        received.append(params["QueueUrl"])

    site.aws.sqs.meta.events.register(event, remember)
    try:
        seen = queue.look_live(site.redrive.live, 20)
    finally:
        site.aws.sqs.meta.events.unregister(event, remember)
    assert (seen.letters, seen.peeked, received) == ((), False, [])


def target() -> Target:
    place = Place("test", "bucket", "live", "us-east-1", "")
    return Target(place, boto3.Session(region_name="us-east-1"))


def test_the_view_for_programs_and_for_people(
    downloads: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    downloads.bury(body(1, topic="\x1b[2J [red]", zoom_series_id=None))
    downloads.bury("no json", reason="unreadable")
    downloads.redrive.live.send(body(3))
    seen = queue.look(target(), DOWNLOADS, 20)
    content = json.loads(json.dumps(queue.as_json(seen)))
    assert [one["receives_spent"] for one in content["queues"]] == [1, 0]
    assert [(one["queue"], one["uuid"], one["failed_reason"]) for one in content["messages"]] == [
        ("test-download", "uuid-3==", None),
        ("test-download-dlq", "uuid-1==", SERIES),
        ("test-download-dlq", None, "unreadable"),
    ]
    queue.show(seen)
    shown = capsys.readouterr().out
    assert "\\x1b[2J [red]" in shown
    assert "(not JSON; message " in shown
    assert "spent one receive of each" in shown


def test_a_queue_that_is_not_there(aws: Cloud) -> None:
    with pytest.raises(OpsError, match="There is no queue gone"):
        Box(aws.sqs, "gone")


def test_what_is_wanted() -> None:
    assert queue.wanted_of(3, None, every=False) == Wanted(most=3)
    assert queue.wanted_of(1, " u== ", every=False) == Wanted(most=None, uuid="u==")
    assert queue.wanted_of(1, None, every=True) == Wanted(most=None, unreadable=True)
    for limit, uuid, every in ((0, None, False), (1, "", False), (1, "u", True)):
        with pytest.raises(OpsError):
            queue.wanted_of(limit, uuid, every=every)


def test_nothing_moved(capsys: pytest.CaptureFixture[str]) -> None:
    queue.nothing(UPLOADS, Wanted(), (), 0)
    assert capsys.readouterr().out == "Nothing waits in test-upload-dlq.fifo.\n"
    queue.nothing(UPLOADS, Wanted(), (), 1)
    assert "1 on test-upload-dlq.fifo is held by somebody" in capsys.readouterr().out
    with pytest.raises(OpsError, match="Nothing of u== waits in test-upload-dlq"):
        queue.nothing(UPLOADS, Wanted(uuid="u=="), (), 0)
    with pytest.raises(OpsError, match=r"2 on test-upload-dlq\.fifo are held by somebody"):
        queue.nothing(UPLOADS, Wanted(uuid="u=="), (), 2)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)
bodies = st.text() | st.one_of(
    json_values,
    st.fixed_dictionaries(
        {}, optional={"uuid": json_values, "zoom_series_id": json_values, "topic": json_values}
    ),
).map(json.dumps)


@given(bodies)
def test_any_body_can_be_shown(text: str) -> None:
    letter = letter_of({"MessageId": "m", "ReceiptHandle": "h", "Body": text})
    seen = queue.Seen(
        "q", queue_messages.Counts(0, 0, 0, 0, datetime.now(UTC)), (letter,), is_dead=True
    )
    json.dumps(queue.as_json([seen]))
    assert all(isinstance(cell, str) for cell in queue.row_of(seen, letter))
