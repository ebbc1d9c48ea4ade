"""Unit tests of the queue worker."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from botocore.exceptions import ClientError

from ingester.errors import (
    AskLater,
    AwsFailed,
    IngesterError,
    LedgerBusy,
    LedgerUnreadable,
    PermanentFailure,
    SettingsError,
    ZoomUnreachable,
)
from ingester.ledger.record import End
from ingester.ledger.table import Ledger
from ingester.pipeline.messages import DownloadMessage
from ingester.pipeline.queue import Queue, Received
from ingester.pipeline.states import State
from ingester.runtime.queue_worker import (
    Done,
    FailureReporter,
    Forward,
    GiveUp,
    Outcome,
    QueueWorker,
    Requeue,
    Retry,
    SourceQueue,
    process_event,
)
from ingester.status.table import StatusTable
from tests.cloud import Clock, Cloud
from tests.function_harness import received

UUID = "aj//Xp112QmuoKj485487=="
ZIP_ID = "auto-ingest-0001"
LIMIT = 3
MESSAGE: dict[str, Any] = {
    "uuid": UUID,
    "zoom_series_id": 95846636714,
    "topic": "HIST E-10",
    "start_time": "2026-10-14T14:00:12Z",
    "duration": 50,
    "host_id": "host",
    "recording_files": [],
    "on_demand_ingest": False,
    "zip_id": ZIP_ID,
    "received_time": "2026-10-14T16:30:00Z",
    "download_token": "t",
}
THROTTLED = ClientError({"Error": {"Code": "Throttling"}}, "PutItem")


def nothing() -> None:
    """Do nothing, in place of an outcome's report."""


@dataclass
class Site:
    """A queue with its DLQ and worker. `behave` is the use case."""

    aws: Cloud
    clock: Clock
    behave: Callable[[], Outcome] = Done
    policy_fails_with: IngesterError | None = None
    """The error that the failure policy raises, if any."""

    def source(self) -> SourceQueue:
        return SourceQueue(
            Queue(self.aws.sqs, self.aws.download_queue),
            Queue(self.aws.sqs, self.aws.download_dlq),
            LIMIT,
        )

    def worker(self) -> QueueWorker[DownloadMessage]:
        def after_failure(
            error: IngesterError, _message: DownloadMessage, taken: Received
        ) -> Outcome:
            if self.policy_fails_with:
                raise self.policy_fails_with
            if taken.receive_count == LIMIT:
                return give_up(error)
            return Retry(seconds=60)

        def give_up(error: IngesterError) -> GiveUp:
            text = str(error)
            return GiveUp(reason=text, row_reason=f"row: {text}", headline=f"log: {text}")

        return QueueWorker(
            source=self.source(),
            message_type=DownloadMessage,
            use_case=lambda _message: self.behave(),
            after_failure=after_failure,
            give_up=give_up,
            failures=FailureReporter(
                self.ledger(),
                StatusTable(self.aws.status, self.clock),
                State.DOWNLOADER_FAILED,
                "test",
                self.clock,
            ),
        )

    def ledger(self) -> Ledger:
        return Ledger(self.aws.recordings, self.clock)

    def process(self, body: Any = MESSAGE, receive_count: int = 1) -> Outcome:
        taken = received(self.aws, self.aws.download_queue, body, receive_count=receive_count)
        self.aws.sends.clear()
        return self.worker().process(taken)

    def fail_with(self, error: Exception) -> None:
        def behave() -> Outcome:
            raise error

        self.behave = behave

    def sent(self) -> list[dict[str, Any]]:
        return self.aws.sent_to(self.aws.download_queue)

    def dead(self) -> list[dict[str, Any]]:
        return self.aws.messages(self.aws.download_dlq)


@pytest.fixture
def site(aws: Cloud, clock: Clock) -> Site:
    aws.status.put_item(
        Item={
            "zip_id": ZIP_ID,
            "meeting_id": 95846636714,
            "pipeline_state": "SENT_TO_DOWNLOADER",
            "update_date": "2026-10-14",
            "update_time": 0,
        }
    )
    return Site(aws, clock)


def failing_report() -> None:
    raise KeyError("row")


def event_of(*taken: Received) -> dict[str, Any]:
    return {
        "Records": [
            {
                "messageId": message.message_id,
                "receiptHandle": message.receipt_handle,
                "body": message.body,
                "attributes": {"ApproximateReceiveCount": str(message.receive_count)},
            }
            for message in taken
        ]
    }


class TestOutcomes:
    def test_message_for_the_next_queue_is_sent_before_the_outcome_is_reported(
        self, site: Site
    ) -> None:
        order: list[int] = []
        queue = Queue(site.aws.sqs, site.aws.upload_queue)
        site.behave = lambda: Forward(
            queue=queue,
            body='{"a": 1}',
            group="g",
            report=lambda: order.append(len(site.aws.sent_to(site.aws.upload_queue))),
        )
        site.process()
        assert order == [1]

    def test_requeue_sends_a_new_message_with_a_delay(self, site: Site) -> None:
        site.behave = lambda: Requeue(body='{"a": 1}', delay_seconds=90, report=nothing)
        site.process()
        [sent] = site.sent()
        assert (sent["body"], sent["delay_seconds"]) == ({"a": 1}, 90)

    def test_message_is_retried_when_its_outcome_cannot_be_carried_out(self, site: Site) -> None:
        gone = Queue(site.aws.sqs, f"{site.aws.upload_queue}-gone")
        site.behave = lambda: Forward(queue=gone, body="{}", group="g", report=nothing)
        assert isinstance(site.process(), Retry)

    @pytest.mark.parametrize("body", ["{}", '{"zip_id": "auto-ingest-0001"}', "no json"])
    def test_message_goes_to_the_dlq_when_it_is_unreadable(self, site: Site, body: str) -> None:
        taken = received(site.aws, site.aws.download_queue, body)
        outcome = site.worker().process(taken)
        assert isinstance(outcome, GiveUp)
        answer = site.aws.sqs.receive_message(QueueUrl=site.aws.download_dlq)
        assert [message["Body"] for message in answer["Messages"]] == [body]


class TestErrors:
    def test_message_goes_to_the_dlq_when_its_failure_is_permanent(
        self, site: Site, caplog: pytest.LogCaptureFixture
    ) -> None:
        site.fail_with(PermanentFailure("It is gone."))
        site.process()
        [dead] = site.dead()
        assert (dead["body"], dead["reason"]) == (MESSAGE, "It is gone.")
        row = site.aws.rows()[ZIP_ID]
        assert (row["pipeline_state"], row["reason"]) == ("DOWNLOADER_FAILED", "row: It is gone.")
        assert site.ledger().get(UUID).request(ZIP_ID).end is End.FAILED
        [record] = [record for record in caplog.records if record.levelname == "ERROR"]
        assert record.getMessage() == "log: It is gone."
        assert vars(record)["RecordingFailed"] == 1.0

    @pytest.mark.parametrize("error", [ZoomUnreachable("Not now."), AskLater("Soon."), THROTTLED])
    def test_retryable_error_is_passed_to_the_failure_policy(
        self, site: Site, error: Exception
    ) -> None:
        site.fail_with(error)
        assert isinstance(site.process(), Retry)
        assert isinstance(site.process(receive_count=LIMIT), GiveUp)

    def test_reason_on_the_dlq_is_the_sentence_about_the_failed_aws_call_when_aws_throttles(
        self, site: Site
    ) -> None:
        site.fail_with(THROTTLED)
        site.process(receive_count=LIMIT)
        assert site.dead()[0]["reason"] == str(AwsFailed.of(THROTTLED))

    def test_unforeseen_error_is_raised_until_the_last_receive(
        self, site: Site, caplog: pytest.LogCaptureFixture
    ) -> None:
        site.fail_with(KeyError("token=abc"))
        with pytest.raises(KeyError):
            site.process(receive_count=LIMIT - 1)
        assert site.dead() == []
        site.process(receive_count=LIMIT)
        [dead] = site.dead()
        reason = "An error that was not foreseen (KeyError): see the log."
        assert (dead["body"], dead["reason"]) == (MESSAGE, reason)
        assert site.aws.rows()[ZIP_ID]["reason"] == f"row: {reason}"
        [record] = [record for record in caplog.records if record.levelname == "ERROR"]
        assert "in behave" in logging.Formatter().format(record)

    def test_message_goes_to_the_dlq_without_another_attempt_when_its_last_receive_was_cut_short(
        self, site: Site
    ) -> None:
        site.behave = lambda: pytest.fail("The use case ran.")
        assert isinstance(site.process(receive_count=LIMIT + 1), GiveUp)
        [dead] = site.dead()
        assert dead["reason"].startswith(f"The last of {LIMIT} attempts broke off")
        assert site.aws.rows()[ZIP_ID]["pipeline_state"] == "DOWNLOADER_FAILED"


class TestReports:
    """Reports of outcomes. A report that fails must not change the outcome of the message."""

    @pytest.mark.parametrize(
        "outcome",
        [
            Requeue(body="{}", report=failing_report),
            Retry(seconds=60, report=failing_report),
        ],
        ids=["requeue", "retry"],
    )
    def test_error_in_outcome_report_is_logged_and_not_raised(
        self, site: Site, caplog: pytest.LogCaptureFixture, outcome: Outcome
    ) -> None:
        site.behave = lambda: outcome
        assert site.process() is outcome
        assert len(site.sent()) == isinstance(outcome, Requeue)
        [record] = [record for record in caplog.records if record.levelname == "ERROR"]
        assert vars(record)["goes_on"]

    def test_message_for_the_next_queue_is_sent_once_when_the_report_of_the_outcome_fails(
        self, site: Site
    ) -> None:
        queue = Queue(site.aws.sqs, site.aws.upload_queue)
        site.behave = lambda: Forward(queue=queue, body="{}", group="g", report=failing_report)
        assert isinstance(site.process(), Forward)
        assert len(site.aws.sent_to(site.aws.upload_queue)) == 1


class TestEvents:
    def test_batch_item_failures_name_only_messages_to_retry(self, site: Site) -> None:
        outcomes: list[Outcome] = [Done(), Retry(seconds=60)]
        site.behave = lambda: outcomes.pop(0)
        taken = [received(site.aws, site.aws.download_queue, MESSAGE) for _ in range(2)]
        answer = process_event(event_of(*taken), site.worker, site.source)
        assert answer == {"batchItemFailures": [{"itemIdentifier": taken[1].message_id}]}

    @pytest.mark.parametrize("error", [SettingsError("No secret."), THROTTLED])
    def test_messages_are_retried_until_their_last_receive_when_the_worker_cannot_be_built(
        self, site: Site, error: Exception
    ) -> None:
        def build() -> QueueWorker[DownloadMessage]:
            raise error

        first = received(site.aws, site.aws.download_queue, MESSAGE)
        last = received(site.aws, site.aws.download_queue, MESSAGE, receive_count=LIMIT)
        answer = process_event(event_of(first, last), build, site.source)
        assert answer == {"batchItemFailures": [{"itemIdentifier": first.message_id}]}
        [dead] = site.dead()
        assert dead["reason"].startswith("The function can't begin: ")


class TestNextMessage:
    """The call by which an operator processes one message."""

    @pytest.fixture
    def waiting(self, site: Site) -> None:
        site.aws.sqs.send_message(QueueUrl=site.aws.download_queue, MessageBody=json.dumps(MESSAGE))
        site.aws.sends.clear()

    def left(self, site: Site) -> int:
        backlog = site.source().queue.backlog()
        return backlog.waiting + backlog.in_flight + backlog.delayed

    def test_processing_the_next_message_returns_none_when_the_queue_is_empty(
        self, site: Site
    ) -> None:
        assert site.worker().process_next() is None

    @pytest.mark.usefixtures("waiting")
    def test_processing_the_next_message_deletes_the_message_when_its_outcome_is_done(
        self, site: Site
    ) -> None:
        assert site.worker().process_next() == Done()
        assert self.left(site) == 0

    @pytest.mark.usefixtures("waiting")
    def test_processing_the_next_message_leaves_it_on_the_queue_when_it_has_to_be_retried(
        self, site: Site
    ) -> None:
        site.fail_with(ZoomUnreachable("Not now."))
        site.worker().process_next()
        assert self.left(site) == 1
        assert site.sent() == []

    @pytest.mark.usefixtures("waiting")
    def test_processing_the_next_message_sends_a_changed_copy_when_the_message_has_to_be_retried(
        self, site: Site
    ) -> None:
        site.fail_with(ZoomUnreachable("Not now."))
        site.worker().process_next(lambda body: body.replace("HIST", "MATH"))
        [sent] = site.sent()
        assert (sent["body"]["topic"], sent["delay_seconds"]) == ("MATH E-10", 60)
        assert self.left(site) == 1


def test_message_is_retried_until_its_last_receive_when_the_failure_policy_raises_ledger_busy(
    site: Site,
) -> None:
    site.fail_with(ZoomUnreachable("Zoom is down."))
    site.policy_fails_with = LedgerBusy("The record keeps changing.")
    assert isinstance(site.process(), Retry)
    assert site.dead() == []
    assert isinstance(site.process(receive_count=LIMIT), GiveUp)
    assert [dead["reason"] for dead in site.dead()] == ["The record keeps changing."]


def test_message_goes_to_the_dlq_when_the_failure_policy_cannot_read_the_ledger(site: Site) -> None:
    site.fail_with(ZoomUnreachable("Zoom is down."))
    site.policy_fails_with = LedgerUnreadable("The record is malformed.")
    assert isinstance(site.process(), GiveUp)
    assert [dead["reason"] for dead in site.dead()] == ["The record is malformed."]
