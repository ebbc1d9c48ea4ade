"""Opencast or AWS can't be reached: no recording's failure, so each of them waits."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from ingester.ledger.record import End
from tests.hooks import failing, recorded
from tests.unit.functions.uploader.harness import OTHER_ZIP_ID, ZIP_ID, Kit, Refusing


@pytest.fixture
def down(kit: Kit) -> None:
    """Opencast's proxy answers 503 to everything."""
    kit.fail("status", path="/", times=None)


def levels(caplog: pytest.LogCaptureFixture, part: str) -> list[str]:
    return [one.levelname for one in caplog.records if part in one.getMessage()]


@pytest.mark.usefixtures("down")
def test_row_tells_since_when_it_waits_and_when_it_asks_again(kit: Kit) -> None:
    since = kit.clock()
    kit.clock.forward(hours=1)
    assert not kit.take(kit.message(), receive_count=7, first_received=since)
    state, reason = kit.outcome
    assert state == "UPLOADER_FAILED"
    assert reason.startswith("Unable to reach Opencast. Opencast answered 503 when reading events")
    assert reason.endswith("(waiting since 2026-10-14T18:30:00Z, next try at 2026-10-14T19:40:00Z)")
    assert kit.row["retry_due"] == "2026-10-14T19:40:00Z"


@pytest.mark.usefixtures("down")
def test_opencast_is_asked_every_ten_minutes_at_most(kit: Kit) -> None:
    with recorded(kit.aws.sqs, "sqs.ChangeMessageVisibility") as asked:
        for receive_count in (1, 2, 3, 4, 5, 30):
            kit.take(kit.message(), receive_count=receive_count)
    assert [one["VisibilityTimeout"] for one in asked] == [60, 120, 240, 480, 600, 600]


@pytest.mark.usefixtures("down")
def test_outage_is_not_counted_as_a_failure(kit: Kit) -> None:
    since = kit.clock()
    for receive_count in range(1, 8):
        assert not kit.take(kit.message(), receive_count=receive_count, first_received=since)
        kit.clock.forward(minutes=10)
    assert kit.failures == 0
    assert "failures" not in kit.row
    assert kit.dead() == []


@pytest.mark.usefixtures("down")
def test_no_mail_is_sent_for_a_recording_that_waits_for_opencast(
    kit: Kit, caplog: pytest.LogCaptureFixture
) -> None:
    """The outage has an alarm of its own."""
    for receive_count in range(1, 10):
        kit.take(kit.message(), receive_count=receive_count)
    assert levels(caplog, "Unable to reach Opencast") == ["WARNING"] * 9


def test_recording_is_ingested_when_opencast_is_back(kit: Kit) -> None:
    kit.fail("status", path="/", times=3)
    since = kit.clock()
    for receive_count in (1, 2, 3):
        assert not kit.take(kit.message(), receive_count=receive_count, first_received=since)
        kit.clock.forward(hours=7)
    assert kit.take(kit.message(), receive_count=4, first_received=since)
    assert kit.outcome == ("SENT_TO_OPENCAST", "")
    assert "retry_due" not in kit.row


@pytest.mark.usefixtures("down")
@pytest.mark.parametrize(("settings", "hours"), [({}, 24.0), ({"oc_outage_hours": 2}, 2.0)])
def test_message_is_given_up_when_the_outage_takes_too_long(
    kit: Kit, settings: dict[str, float], hours: float
) -> None:
    kit.settings |= settings
    since = kit.clock()
    message = kit.message()
    kit.clock.forward(hours=hours - 0.01)
    assert not kit.take(message, receive_count=40, first_received=since)
    kit.clock.forward(hours=0.01)
    assert kit.take(message, receive_count=41, first_received=since)
    state, reason = kit.outcome
    assert state == "UPLOADER_FAILED"
    assert reason.startswith("Unable to reach Opencast. ")
    assert reason.endswith("(since 2026-10-14T18:30:00Z, no more tries)")
    assert "retry_due" not in kit.row
    (dead,) = kit.dead()
    assert (dead["body"], dead["reason"]) == (message, reason)
    assert kit.record.request(ZIP_ID).end is End.FAILED


@pytest.mark.usefixtures("down")
def test_message_is_given_up_with_its_reason_at_its_last_receive(kit: Kit) -> None:
    assert not kit.take(kit.message(), receive_count=49)
    assert kit.take(kit.message(), receive_count=50)
    (dead,) = kit.dead()
    assert dead["reason"].endswith("(since 2026-10-14T18:30:00Z, no more tries)")


@pytest.mark.usefixtures("down")
def test_message_waits_when_sqs_does_not_tell_when_it_was_received_first(kit: Kit) -> None:
    taken = kit.receive(kit.message(), 3)
    record = {
        "messageId": taken.message_id,
        "receiptHandle": taken.receipt_handle,
        "body": taken.body,
        "attributes": {"ApproximateReceiveCount": "3"},
    }
    answer = kit.run({"Records": [record]})
    assert answer == {"batchItemFailures": [{"itemIdentifier": taken.message_id}]}
    assert "waiting since 2026-10-14T18:30:00Z" in kit.outcome[1]


@pytest.mark.usefixtures("down")
def test_first_receive_is_the_one_that_sqs_tells(kit: Kit) -> None:
    first = kit.clock() - timedelta(hours=25)
    taken = kit.receive(json.dumps(kit.message()), 3)
    record = {
        "messageId": taken.message_id,
        "receiptHandle": taken.receipt_handle,
        "body": taken.body,
        "attributes": {
            "ApproximateReceiveCount": "3",
            "ApproximateFirstReceiveTimestamp": str(int(first.timestamp() * 1000)),
        },
    }
    answer = kit.run({"Records": [record]})
    assert answer == {"batchItemFailures": []}
    assert len(kit.dead()) == 1


def test_recording_waits_when_opencast_is_not_there_at_all(kit: Kit) -> None:
    kit.settings["opencast_base_url"] = "https://127.0.0.1:9"
    assert not kit.take(kit.message())
    assert kit.outcome[1].startswith("Unable to reach Opencast. 127.0.0.1:9 gives no answer")
    assert kit.failures == 0


def test_recording_waits_when_only_the_ingest_could_not_be_sent(kit: Kit) -> None:
    kit.session.mount(f"{kit.opencast.url}/ingest", Refusing())
    for receive_count in range(1, 8):
        assert not kit.take(kit.message(), receive_count=receive_count)
    assert kit.outcome[1].startswith("Unable to reach Opencast. ")
    assert "took no connection" in kit.outcome[1]
    assert kit.failures == 0
    assert kit.posts_of == {}


class TestAws:
    def test_recording_waits_when_aws_fails(
        self, kit: Kit, caplog: pytest.LogCaptureFixture
    ) -> None:
        """The fifth time it is mailed: a grant that is missing looks like this."""
        with failing(kit.aws.s3, "s3.HeadObject", "SlowDown", status=503):
            for receive_count in range(1, 8):
                assert not kit.take(kit.message(), receive_count=receive_count)
        assert kit.outcome[0] == "UPLOADER_FAILED"
        assert kit.outcome[1].startswith(
            "AWS failed: HeadObject answered SlowDown. (waiting since 2026-10-14T18:30:00Z"
        )
        expected = ["WARNING"] * 4 + ["ERROR"] + ["WARNING"] * 2
        assert levels(caplog, "HeadObject answered SlowDown") == expected
        assert kit.failures == 0
        assert kit.take(kit.message(), receive_count=8)
        assert kit.outcome == ("SENT_TO_OPENCAST", "")

    def test_recording_waits_when_the_ledger_can_not_be_read(self, kit: Kit) -> None:
        with failing(kit.aws.recordings.meta.client, "dynamodb.GetItem", "Throttling"):
            assert not kit.take(kit.message())
        assert kit.outcome[1].startswith("AWS failed: GetItem answered Throttling.")
        assert kit.posts == 0


class TestTheStatusTable:
    """It is a report: a write of it that fails changes nothing that happens."""

    def test_recording_is_ingested_when_its_row_can_not_be_written(
        self, kit: Kit, caplog: pytest.LogCaptureFixture
    ) -> None:
        with kit.status_failing():
            assert kit.take(kit.message())
        assert kit.posts_of == {kit.opencast.ingests[0].mediapackage_id: ["taken"]}
        assert kit.outcome == ("SENT_TO_UPLOADER", "")
        assert set(levels(caplog, "The status row isn't written.")) == {"WARNING"}
        assert kit.take(kit.message(), receive_count=2)
        assert kit.outcome == ("SENT_TO_OPENCAST", "")
        assert kit.posts == 1

    def test_message_waits_when_its_row_can_not_be_written(self, kit: Kit) -> None:
        kit.fail("status", path="/", times=None)
        with kit.status_failing(), recorded(kit.aws.sqs, "sqs.ChangeMessageVisibility") as asked:
            assert not kit.take(kit.message())
        assert [one["VisibilityTimeout"] for one in asked] == [60]

    def test_failures_are_counted_when_the_row_can_not_be_written(self, kit: Kit) -> None:
        kit.fail("status", path="/series/", status=403, times=None)
        with kit.status_failing():
            for _ in range(4):
                assert not kit.take(kit.message())
            assert kit.take(kit.message())
        assert len(kit.dead()) == 1

    def test_message_is_ignored_when_its_row_can_not_be_written(self, kit: Kit) -> None:
        kit.has_event()
        with kit.status_failing():
            assert kit.take(kit.message())
        assert kit.record.request(ZIP_ID).end is End.IGNORED

    @pytest.mark.parametrize("zip_id", [ZIP_ID, OTHER_ZIP_ID])
    def test_late_files_are_mailed_when_the_row_can_not_be_written(
        self, kit: Kit, caplog: pytest.LogCaptureFixture, zip_id: str
    ) -> None:
        """Its own row, or that of another request, whose ingest it is."""
        kit.take(kit.message())
        with kit.status_failing():
            assert kit.take(kit.message("active_speaker", "chat_file", zip_id=zip_id))
        assert levels(caplog, "stayed outside") == ["ERROR"]

    def test_deletion_is_mailed_when_the_row_can_not_be_written(
        self, kit: Kit, caplog: pytest.LogCaptureFixture
    ) -> None:
        kit.take(kit.message())
        kit.clock.forward(days=1)
        kit.delete_event()
        with kit.status_failing():
            assert kit.take(kit.message())
        assert "ERROR" in levels(caplog, "isn't in Opencast any more")
        assert kit.posts == 1
