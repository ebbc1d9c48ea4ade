"""Process the messages of the SQS queue that drives a function, and carry out their outcomes.

A function's use case returns an outcome or raises an error. The worker carries out each outcome:

* ``Done``: SQS deletes the message.
* ``Forward``: the next queue gets a new message, then SQS deletes the processed message.
* ``Requeue``: a new message replaces the processed message. The count of receives starts again.
* ``Retry``: the message becomes visible again after a backoff. The count of receives continues.
* ``GiveUp``: the dead-letter queue gets the message with the reason, because a person has to act.

The worker carries an outcome out first and reports it afterwards. An error of a report (status row,
log record, metric) is only logged: otherwise the message would come back although its outcome is
carried out.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Generic, TypeVar

import msgspec
from botocore.exceptions import BotoCoreError, ClientError

from ingester import log, metrics
from ingester.errors import (
    AskLater,
    AttemptsExhausted,
    AwsFailed,
    IngesterError,
    MessageError,
    PermanentFailure,
    RetryableFailure,
    UnexpectedFailure,
)
from ingester.ledger import record as ledger
from ingester.ledger.record import End
from ingester.ledger.table import Ledger
from ingester.metrics import Metric
from ingester.pipeline import retry_policy
from ingester.pipeline.messages import DownloadMessage, UploadMessage, decode, zip_id_of
from ingester.pipeline.queue import Queue, Received, received_of
from ingester.pipeline.states import State
from ingester.recording.files import is_captions_zip_id
from ingester.status.table import StatusChange, StatusTable

logger = logging.getLogger("ingester.queue_worker")

Message = TypeVar("Message", DownloadMessage, UploadMessage)

NOT_READY = (BotoCoreError, ClientError, IngesterError)
"""Errors while dependencies are built: AWS fails, or a setting or secret is missing or invalid."""

UNREPORTED = "The outcome is carried out. Only the status row or the metrics lack it."


CAPTIONS_GIVEN_UP = log.nonfatal(
    "The event stays without these captions. Their message is kept in the dead-letter queue.",
    "Send it again, or add them in Opencast.",
)


def report_nothing() -> None:
    """Report nothing, because the use case has already reported the outcome."""


@dataclass(frozen=True, kw_only=True)
class Done:
    """The outcome of finished work.

    Attributes:
        is_success: False if the work had no result, such as for a recording in Zoom's trash. Then
            an operator's command reports a failure.
    """

    is_success: bool = True


@dataclass(frozen=True, kw_only=True)
class Forward:
    """The outcome that sends a message to the FIFO queue `queue`, in the message group `group`.

    `report` is called once the message is sent.
    """

    queue: Queue
    body: str
    group: str
    report: Callable[[], None]


@dataclass(frozen=True, kw_only=True)
class Requeue:
    """The outcome that replaces the message with a new one, visible after `delay_seconds`."""

    body: str
    delay_seconds: int = 0
    report: Callable[[], None]


@dataclass(frozen=True, kw_only=True)
class Retry:
    """The outcome that makes the message visible again after `seconds`."""

    seconds: int
    report: Callable[[], None] = report_nothing


@dataclass(frozen=True, kw_only=True)
class GiveUp:
    """The outcome that moves the message to the dead-letter queue.

    Attributes:
        reason: Value of the message's attribute `FailedReason` on the dead-letter queue.
        row_reason: Reason in the status row.
        headline: Message of the log record.
        body: Body on the dead-letter queue; "" for the received body.
        end: The request's `End`, for the ledger.
        cause: Error whose traceback the log record has.
    """

    reason: str
    row_reason: str
    headline: str
    body: str = ""
    end: End = End.FAILED
    cause: Exception | None = None


Outcome = Done | Forward | Requeue | Retry | GiveUp


@dataclass(frozen=True)
class SourceQueue:
    """The queue that drives a function, the queue's dead-letter queue, and the limit of receives.

    The function works on a message at the message's first `receive_limit` receives. If the work
    fails at the last of these receives, the function moves the message to the dead-letter queue
    with a reason. Because the last receive may be cut short, SQS delivers the message a few more
    times (`cdk/receive_limits.py`). After these deliveries, SQS itself moves the message, without a
    reason.
    """

    queue: Queue
    dead_letters: Queue
    receive_limit: int

    def is_last(self, received: Received) -> bool:
        """Return whether the function won't work on the message after this receive."""
        return received.receive_count >= self.receive_limit

    def is_exhausted(self, received: Received) -> bool:
        """Return whether the function's last receive was cut short before the message was moved."""
        return received.receive_count > self.receive_limit

    def give_up(self, received: Received, reason: str, *, body: str = "", group: str = "") -> None:
        """Send a message to the dead-letter queue, with a reason why a person has to act.

        Args:
            received: The message.
            reason: Value of the attribute `FailedReason`.
            body: Body to send; "" for the received body.
            group: Message group on the dead-letter queue; "" for a group of its own.
        """
        self.dead_letters.send_with_reason(
            body or received.body,
            reason,
            group=group or received.message_id,
            identity=received.message_id,
        )


@dataclass(frozen=True)
class FailureReporter:
    """Reporter of failed ingests to the ledger, the status table, the log and the metrics.

    `state` is the state that the status rows get.
    """

    ledger: Ledger
    status: StatusTable
    state: State
    stack_name: str
    clock: Callable[[], datetime]

    def report(self, outcome: GiveUp, *, uuid: str, zip_id: str) -> None:
        """Report a message that was given up. `uuid` or `zip_id` is "" if unknown.

        The failure of a message about captions goes only into the log, because no ingest has
        failed.
        """
        if is_captions_zip_id(zip_id):
            logger.error("%s", outcome.headline, exc_info=outcome.cause, extra=CAPTIONS_GIVEN_UP)
            return
        if uuid:
            self.ledger.change_or_log(
                uuid, lambda record: ledger.with_end(record, zip_id, outcome.end)
            )
        if zip_id:
            self.status.report(zip_id, StatusChange(self.state, outcome.row_reason))
        counts = metrics.count(Metric.RECORDING_FAILED)
        logger.error(
            "%s",
            outcome.headline,
            exc_info=outcome.cause,
            extra={
                "outlook": retry_policy.GIVEN_UP,
                **metrics.log_fields(self.stack_name, self.clock(), counts),
            },
        )


@dataclass(frozen=True, kw_only=True)
class QueueWorker(Generic[Message]):
    """Processor of the messages of one queue.

    Attributes:
        source: The queue.
        message_type: Type of the queue's messages.
        use_case: Does the work for a message.
        after_failure: Returns the outcome for an error that may go away (`RetryableFailure`, or
            `AskLater` where the use case raises it).
        give_up: Returns the outcome for an error after which the message isn't retried.
        failures: Reporter of the messages that were given up.
    """

    source: SourceQueue
    message_type: type[Message]
    use_case: Callable[[Message], Outcome]
    after_failure: Callable[[IngesterError, Message, Received], Outcome]
    give_up: Callable[[IngesterError], GiveUp]
    failures: FailureReporter

    def process(self, received: Received) -> Outcome:
        """Process a message. Carry out, report and return the outcome.

        Raises:
            BotoCoreError, ClientError: AWS fails while the outcome of a failure is determined or
                carried out.
            Exception: The use case raised an unforeseen error, and the message has receives left.
        """
        try:
            message = decode(received.body, self.message_type)
        except MessageError as error:
            zip_id = zip_id_of(received.body) or ""
            with log.context(zip_id=zip_id):
                given_up = self.give_up(error)
                self._carry_out(given_up, received, group="")
                self._report(given_up, uuid="", zip_id=zip_id)
            return given_up
        with log.context(uuid=message.uuid, zip_id=message.zip_id):
            outcome = self._work(message, received)
            self._report(outcome, uuid=message.uuid, zip_id=message.zip_id)
        return outcome

    def process_next(self, change_body: Callable[[str], str] = str) -> Outcome | None:
        """Receive and process a message for an operator's command; delete it unless it is retried.

        Args:
            change_body: Returns the body to process. If a changed message has to be retried, a new
                message replaces it, because the queue's copy lacks the change. The new message's
                count of receives starts again.

        Returns:
            The message's outcome; None if no message is visible.

        Raises:
            BotoCoreError, ClientError: SQS fails; or see `process`.
            Exception: See `process`.
        """
        received = self.source.queue.receive_one()
        if received is None:
            return None
        body = change_body(received.body)
        outcome = self.process(msgspec.structs.replace(received, body=body))
        is_changed = body != received.body
        if is_changed and isinstance(outcome, Retry):
            self.source.queue.send(body, delay_seconds=outcome.seconds)
        if is_changed or not isinstance(outcome, Retry):
            self.source.queue.delete(received)
        return outcome

    def _work(self, message: Message, received: Received) -> Outcome:
        """Work on a message, carry out the outcome, and return the outcome."""
        try:
            if self.source.is_exhausted(received):
                raise AttemptsExhausted.of(self.source.receive_limit)
            outcome = self.use_case(message)
            self._carry_out(outcome, received, group=message.uuid)
        except PermanentFailure as error:
            outcome = self.give_up(error)
        except (RetryableFailure, AskLater) as error:
            outcome = self._after(error, message, received)
        except (BotoCoreError, ClientError) as error:
            outcome = self._after(AwsFailed.of(error), message, received)
        except Exception as error:
            # After the last receive, the error's type would be lost: the next delivery ends in
            # AttemptsExhausted.
            if not self.source.is_last(received):
                raise
            outcome = replace(self.give_up(UnexpectedFailure.of(error)), cause=error)
        else:
            return outcome
        self._carry_out(outcome, received, group=message.uuid)
        return outcome

    def _after(self, error: IngesterError, message: Message, received: Received) -> Outcome:
        """Return the outcome of a failure, by `after_failure`.

        `after_failure` may itself raise a PermanentFailure or a RetryableFailure, for instance
        because the ledger's record is unreadable. Then the outcome is a GiveUp or a Retry; at the
        last receive, it is a GiveUp in both cases.
        """
        try:
            return self.after_failure(error, message, received)
        except PermanentFailure as fatal:
            return self.give_up(fatal)
        except RetryableFailure as busy:
            if self.source.is_last(received):
                return self.give_up(busy)
            logger.warning("%s", busy)
            return Retry(seconds=retry_policy.backoff_seconds(received.receive_count))

    def _carry_out(self, outcome: Outcome, received: Received, *, group: str) -> None:
        match outcome:
            case Forward():
                outcome.queue.send_in_order(outcome.body, group=outcome.group)
            case Requeue():
                self.source.queue.send(outcome.body, delay_seconds=outcome.delay_seconds)
            case Retry():
                self.source.queue.retry_in(received, outcome.seconds)
            case GiveUp():
                self.source.give_up(received, outcome.reason, body=outcome.body, group=group)

    def _report(self, outcome: Outcome, *, uuid: str, zip_id: str) -> None:
        try:
            match outcome:
                case GiveUp():
                    self.failures.report(outcome, uuid=uuid, zip_id=zip_id)
                case Forward() | Requeue() | Retry():
                    outcome.report()
        except Exception:
            # The outcome is carried out already. If the error escaped, SQS would redeliver the
            # message.
            logger.exception("A report failed", extra=log.nonfatal(UNREPORTED))


def process_event(
    event: Mapping[str, Any],
    build_worker: Callable[[], QueueWorker[Any]],
    build_source: Callable[[], SourceQueue],
) -> dict[str, Any]:
    """Process the messages of an SQS event, and return the messages that have to come back.

    Args:
        event: The event of the event source mapping.
        build_worker: Builds the worker. If the build fails, for instance because a secret can't be
            read, the messages are retried, or given up at their last receive.
        build_source: Builds the queue for retries without a worker. Must not read a secret.

    Returns:
        A batch response:
        https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html

    Raises:
        BotoCoreError, ClientError: SQS fails; or see `QueueWorker.process`.
        SettingsError: `build_source` fails.
        Exception: See `QueueWorker.process`.
    """
    messages = list(map(received_of, event["Records"]))
    try:
        worker = build_worker()
    except NOT_READY as error:
        retried = _postpone(messages, error, build_source())
    else:
        retried = [one for one in messages if isinstance(worker.process(one), Retry)]
    return {"batchItemFailures": [{"itemIdentifier": one.message_id} for one in retried]}


def _postpone(messages: list[Received], error: Exception, source: SourceQueue) -> list[Received]:
    """Retry messages with a backoff, but give up each message at its last receive.

    Otherwise SQS would deliver the messages again whenever the visibility timeout is over, and at
    last move these messages to the dead-letter queue without a reason.

    Returns:
        The messages that are retried.
    """
    told = error if isinstance(error, IngesterError) else AwsFailed.of(error)
    reason = f"The function can't begin: {told}"
    retried = []
    for received in messages:
        if source.is_last(received):
            source.give_up(received, reason)
            logger.error("%s", reason, extra={"outlook": retry_policy.GIVEN_UP})
            continue
        seconds = retry_policy.backoff_seconds(received.receive_count)
        source.queue.retry_in(received, seconds)
        retried.append(received)
        logger.error("%s", reason, extra=log.nonfatal("Its message comes back automatically."))
    return retried
