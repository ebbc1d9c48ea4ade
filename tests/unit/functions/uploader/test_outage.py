"""Outages of Opencast and AWS, in which recordings wait, and failed writes of status rows."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from ingester.ledger.record import End
from tests.hooks import failing, failing_table, recorded
from tests.unit.functions.uploader.harness import OTHER_ZIP_ID, ZIP_ID, Harness, Refusing


@pytest.fixture
def down(harness: Harness) -> None:
    """Make Opencast's proxy answer 503 to all requests."""
    harness.fail("status", path="/", times=None)


def levels(caplog: pytest.LogCaptureFixture, part: str) -> list[str]:
    return [record.levelname for record in caplog.records if part in record.getMessage()]


@pytest.mark.usefixtures("down")
def test_row_has_the_start_of_the_wait_and_the_time_of_the_retry_when_opencast_is_down(
    harness: Harness,
) -> None:
    since = harness.clock()
    harness.clock.forward(hours=1)
    assert not harness.take(harness.message(), receive_count=7, first_received=since)
    state, reason = harness.outcome
    assert state == "UPLOADER_FAILED"
    assert reason.startswith("Unable to reach Opencast. Opencast answered 503 when reading events")
    assert reason.endswith("(waiting since 2026-10-14T18:30:00Z, next try at 2026-10-14T19:40:00Z)")
    assert harness.row["retry_due"] == "2026-10-14T19:40:00Z"


@pytest.mark.usefixtures("down")
def test_backoff_during_an_outage_is_at_most_ten_minutes(harness: Harness) -> None:
    with recorded(harness.aws.sqs, "sqs.ChangeMessageVisibility") as asked:
        for receive_count in (1, 2, 3, 4, 5, 30):
            harness.take(harness.message(), receive_count=receive_count)
    assert [call["VisibilityTimeout"] for call in asked] == [60, 120, 240, 480, 600, 600]


@pytest.mark.usefixtures("down")
def test_recording_waits_without_failures_and_logged_errors_during_an_outage(
    harness: Harness, caplog: pytest.LogCaptureFixture
) -> None:
    # An alarm reports an outage, so no mail about each recording is needed.
    since = harness.clock()
    for receive_count in range(1, 8):
        assert not harness.take(
            harness.message(), receive_count=receive_count, first_received=since
        )
        harness.clock.forward(minutes=10)
    assert harness.failures == 0
    assert "failures" not in harness.row
    assert harness.dead() == []
    assert levels(caplog, "Unable to reach Opencast") == ["WARNING"] * 7


def test_recording_is_ingested_when_the_outage_is_over(harness: Harness) -> None:
    harness.fail("status", path="/", times=3)
    since = harness.clock()
    for receive_count in (1, 2, 3):
        assert not harness.take(
            harness.message(), receive_count=receive_count, first_received=since
        )
        harness.clock.forward(hours=7)
    assert harness.take(harness.message(), receive_count=4, first_received=since)
    assert harness.outcome == ("SENT_TO_OPENCAST", "")
    assert "retry_due" not in harness.row


@pytest.mark.usefixtures("down")
@pytest.mark.parametrize(("settings", "hours"), [({}, 24.0), ({"oc_outage_hours": 2}, 2.0)])
def test_message_goes_to_the_dlq_when_the_outage_lasts_oc_outage_hours(
    harness: Harness, settings: dict[str, float], hours: float
) -> None:
    harness.settings |= settings
    since = harness.clock()
    message = harness.message()
    harness.clock.forward(hours=hours - 0.01)
    assert not harness.take(message, receive_count=40, first_received=since)
    harness.clock.forward(hours=0.01)
    assert harness.take(message, receive_count=41, first_received=since)
    state, reason = harness.outcome
    assert state == "UPLOADER_FAILED"
    assert reason.startswith("Unable to reach Opencast. ")
    assert reason.endswith("(since 2026-10-14T18:30:00Z, no more retries)")
    assert "retry_due" not in harness.row
    (dead,) = harness.dead()
    assert (dead["body"], dead["reason"]) == (message, reason)
    assert harness.record.request(ZIP_ID).end is End.FAILED


@pytest.mark.usefixtures("down")
def test_message_goes_to_the_dlq_with_its_reason_at_its_last_receive_during_an_outage(
    harness: Harness,
) -> None:
    assert not harness.take(harness.message(), receive_count=49)
    assert harness.take(harness.message(), receive_count=50)
    (dead,) = harness.dead()
    assert dead["reason"].endswith("(since 2026-10-14T18:30:00Z, no more retries)")


def run_third_receive(harness: Harness, **attributes: str) -> dict[str, Any]:
    """Run an invocation for a message's third receive, and return its answer to Lambda.

    `attributes` are further attributes of the message's record.
    """
    taken = harness.receive(harness.message(), 3)
    record = {
        "messageId": taken.message_id,
        "receiptHandle": taken.receipt_handle,
        "body": taken.body,
        "attributes": {"ApproximateReceiveCount": "3", **attributes},
    }
    return harness.run({"Records": [record]})


@pytest.mark.usefixtures("down")
def test_outage_is_measured_from_now_when_sqs_gives_no_time_of_the_first_receive(
    harness: Harness,
) -> None:
    assert len(run_third_receive(harness)["batchItemFailures"]) == 1
    assert "waiting since 2026-10-14T18:30:00Z" in harness.outcome[1]


@pytest.mark.usefixtures("down")
def test_outage_is_measured_from_the_first_receive_that_sqs_reports(harness: Harness) -> None:
    first = harness.clock() - timedelta(hours=25)
    stamp = str(int(first.timestamp() * 1000))
    answer = run_third_receive(harness, ApproximateFirstReceiveTimestamp=stamp)
    assert answer == {"batchItemFailures": []}
    assert len(harness.dead()) == 1


def test_recording_waits_when_no_connection_to_opencast_is_possible(harness: Harness) -> None:
    harness.settings["opencast_base_url"] = "https://127.0.0.1:9"
    assert not harness.take(harness.message())
    assert harness.outcome[1].startswith("Unable to reach Opencast. 127.0.0.1:9 gives no answer")
    assert harness.failures == 0


def test_recording_waits_when_only_the_ingest_could_not_be_sent(harness: Harness) -> None:
    harness.session.mount(f"{harness.opencast.url}/ingest", Refusing())
    for receive_count in range(1, 8):
        assert not harness.take(harness.message(), receive_count=receive_count)
    assert harness.outcome[1].startswith("Unable to reach Opencast. ")
    assert "took no connection" in harness.outcome[1]
    assert harness.failures == 0
    assert harness.posts_of == {}


class TestAws:
    def test_recording_waits_when_aws_fails(
        self, harness: Harness, caplog: pytest.LogCaptureFixture
    ) -> None:
        # The failure at the fifth receive is mailed, because it may come from a missing grant.
        with failing(harness.aws.s3, "s3.HeadObject", "SlowDown", status=503):
            for receive_count in range(1, 8):
                assert not harness.take(harness.message(), receive_count=receive_count)
        assert harness.outcome[0] == "UPLOADER_FAILED"
        assert harness.outcome[1].startswith(
            "AWS failed: HeadObject answered SlowDown. (waiting since 2026-10-14T18:30:00Z"
        )
        expected = ["WARNING"] * 4 + ["ERROR"] + ["WARNING"] * 2
        assert levels(caplog, "HeadObject answered SlowDown") == expected
        assert harness.failures == 0
        assert harness.take(harness.message(), receive_count=8)
        assert harness.outcome == ("SENT_TO_OPENCAST", "")

    def test_recording_waits_when_the_ledger_cannot_be_read(self, harness: Harness) -> None:
        with failing_table(harness.aws.recordings, "GetItem"):
            assert not harness.take(harness.message())
        assert harness.outcome[1].startswith("AWS failed: GetItem answered Throttling.")
        assert harness.posts == 0


class TestTheStatusTable:
    """Failed writes of the status row, which have no effect on messages."""

    def test_recording_is_ingested_when_its_row_cannot_be_written(
        self, harness: Harness, caplog: pytest.LogCaptureFixture
    ) -> None:
        with failing_table(harness.aws.status):
            assert harness.take(harness.message())
        assert harness.posts_of == {harness.opencast.ingests[0].mediapackage_id: ["taken"]}
        assert harness.outcome == ("SENT_TO_UPLOADER", "")
        assert set(levels(caplog, "The status row isn't written.")) == {"WARNING"}
        assert harness.take(harness.message(), receive_count=2)
        assert harness.outcome == ("SENT_TO_OPENCAST", "")
        assert harness.posts == 1

    def test_message_waits_during_an_outage_of_opencast_when_its_row_cannot_be_written(
        self, harness: Harness
    ) -> None:
        harness.fail("status", path="/", times=None)
        with (
            failing_table(harness.aws.status),
            recorded(harness.aws.sqs, "sqs.ChangeMessageVisibility") as asked,
        ):
            assert not harness.take(harness.message())
        assert [call["VisibilityTimeout"] for call in asked] == [60]

    def test_failures_of_an_upload_are_counted_when_the_row_cannot_be_written(
        self, harness: Harness
    ) -> None:
        harness.fail("status", path="/series/", status=403, times=None)
        with failing_table(harness.aws.status):
            for _ in range(4):
                assert not harness.take(harness.message())
            assert harness.take(harness.message())
        assert len(harness.dead()) == 1

    def test_end_of_an_ignored_request_is_noted_in_the_ledger_when_its_row_cannot_be_written(
        self, harness: Harness
    ) -> None:
        harness.has_event()
        with failing_table(harness.aws.status):
            assert harness.take(harness.message())
        assert harness.record.request(ZIP_ID).end is End.IGNORED

    @pytest.mark.parametrize("zip_id", [ZIP_ID, OTHER_ZIP_ID])
    def test_late_files_are_logged_as_an_error_when_the_row_cannot_be_written(
        self, harness: Harness, caplog: pytest.LogCaptureFixture, zip_id: str
    ) -> None:
        # The message with the late file may be of another request, which has no ingest.
        harness.take(harness.message())
        with failing_table(harness.aws.status):
            assert harness.take(harness.message("active_speaker", "chat_file", zip_id=zip_id))
        assert levels(caplog, "stayed outside") == ["ERROR"]

    def test_deletion_of_an_event_is_logged_as_an_error_when_the_row_cannot_be_written(
        self, harness: Harness, caplog: pytest.LogCaptureFixture
    ) -> None:
        harness.take(harness.message())
        harness.clock.forward(days=1)
        harness.delete_event()
        with failing_table(harness.aws.status):
            assert harness.take(harness.message())
        assert "ERROR" in levels(caplog, "isn't in Opencast any more")
        assert harness.posts == 1
