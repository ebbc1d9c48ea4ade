"""The CloudWatch alarms. An alarm's description says what an operator has to do.

Each alarm watches a single metric, because the local cloud can't deploy metric math. Comments give
the reasons for limits and for the treatment of missing data where the reasons aren't obvious.
docs/operations.md lists the alarms; a test compares the list with the template.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_sns as sns
from constructs import Construct

from cdk.metrics import MAXIMUM, MINIMUM, SAMPLE_COUNT, SUM, Metrics
from cdk.names import (
    DOWNLOADER,
    FOLLOW,
    FUNCTIONS,
    LOG_NOTIFICATIONS,
    ON_DEMAND_PATH,
    RECONCILE,
    SLACK,
    UPLOADER,
    WEBHOOK_PATH,
    Function,
    Names,
)

ABOVE = cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD
FROM = cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD
BELOW = cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD

BACKLOG = 40
"""Number of waiting uploads that the backlog alarm accepts.

If more uploads wait for half an hour, the alarm goes into ALARM state.
"""

DOWNLOAD_AGE_HOURS = 2
"""Age in hours of the oldest message on the download queue at which an alarm goes into ALARM state.

By default, 20 concurrent downloads work off a burst of recordings in minutes. Retries take about
six hours, but SQS's metric of the age ignores messages that were received three times.
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html
"""

UPLOAD_AGE_MARGIN_HOURS = 2
"""Hours beyond OC_INGEST_PATIENCE_HOURS that an upload may wait before an alarm mails.

The sum is rounded up to whole hours.
"""

DAY = 24 * 60
LEFT_FOR_DAYS = 7
"""Maximum number of consecutive days with failed messages before a second alarm mails.

SQS deletes failed messages after 14 days (`MESSAGE_DAYS` in receive_limits.py), and a CloudWatch
alarm looks back at most 7 days. The alarm doesn't use the age of the oldest message, because SQS's
metric of the age ignores messages that were received three times, and each command that shows a
failed message receives that message.
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html
"""

WEEKEND_DAYS = 3
"""Days from the second alarm on failed uploads to the deletion of staged files (STAGING_DAYS).

The number of days varies, because the alarm comes after at least 1 and at most LEFT_FOR_DAYS days.
"""

BACK_ON_ITS_QUEUE = "Its message comes back after 16 minutes, unless that was its last attempt."
AFTER_CRASH = {
    DOWNLOADER: BACK_ON_ITS_QUEUE,
    UPLOADER: BACK_ON_ITS_QUEUE,
    SLACK: "Who typed /zip may have no answer.",
    RECONCILE: "Lambda retries it twice within minutes, and EventBridge starts it every hour.",
    FOLLOW: "It asks again every minute; until then nobody hears what became of ingests.",
    LOG_NOTIFICATIONS: (
        "Lambda retries it twice within minutes; then mails about errors are missing."
    ),
}
"""The consequence of a function's crash, as a sentence for the description of an alarm.

A function that isn't here has a caller, who gets an error.
"""


@dataclass(frozen=True)
class Rule:
    """The condition of an alarm: the comparison holds in `times` consecutive periods.

    A period has `minutes` minutes. `missing_data` says how CloudWatch counts periods without data.
    """

    compared: cloudwatch.ComparisonOperator
    limit: float
    minutes: int = 5
    times: int = 1
    missing_data: cloudwatch.TreatMissingData = cloudwatch.TreatMissingData.NOT_BREACHING


class Alarms(Construct):
    """The CloudWatch alarms. `all` lists the alarms in the dashboard's order."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        names: Names,
        topic: sns.ITopic,
        patience_hours: float,
        reconcile_days: int,
        staging_days: int,
    ) -> None:
        super().__init__(scope, construct_id)
        self._names = names
        self._metrics = Metrics(names)
        self._action = actions.SnsAction(topic)
        self.all: list[cloudwatch.Alarm] = []
        for function in FUNCTIONS:
            self._errors(function)
        self._refusals()
        self._answers()
        self._upload_backlog()
        self._opencast_unreachable()
        self._downloader_idle()
        upload_hours = math.ceil(patience_hours + UPLOAD_AGE_MARGIN_HOURS)
        self._age("download", names.download_queue, DOWNLOAD_AGE_HOURS)
        self._age("upload", names.upload_queue, upload_hours)
        self._dead_letters(
            "download", names.download_dlq, LEFT_FOR_DAYS, "SQS deletes them after 14."
        )
        self._dead_letters(
            "upload",
            names.upload_dlq,
            min(max(staging_days - WEEKEND_DAYS, 1), LEFT_FOR_DAYS),
            f"The files that were copied for them are deleted after {staging_days}; then only "
            "`invoke exec.pipeline` with the uuid helps.",
        )
        self._recordings_reconciled()
        if reconcile_days:
            self._reconcile_idle()

    def _errors(self, function: Function) -> None:
        self._add(
            f"{function.name}-errors",
            self._metrics.of_function(function, "Errors", SUM),
            Rule(FROM, 1),
            f"{self._names.function(function)} crashed or ran out of time. "
            f"{AFTER_CRASH.get(function, 'The caller got an error.')} "
            f"Do: `invoke logs.{function.task}` shows the traceback. If it began with a release: "
            "`invoke release --to` the one before.",
        )

    def _refusals(self) -> None:
        self._add(
            "webhook-4xx",
            self._metrics.own("WebhookRejected"),
            Rule(FROM, 1),
            "The webhook refused a request that Zoom had signed correctly. Perhaps Zoom doesn't "
            "repeat it. Do: `invoke logs.webhook` says after Refused what its data lack; then "
            "`invoke exec.webhook` with the recording's uuid.",
        )
        self._add(
            "webhook-401",
            self._metrics.own("WebhookUnauthorized"),
            # Scanners on the internet send a few unsigned requests an hour.
            Rule(FROM, 10, minutes=60),
            "Many requests to the webhook weren't signed, or wrongly, or too long ago: most likely "
            "strangers. If webhook-signature is in ALARM state too, see there. Do: "
            "`invoke logs.webhook` says after Refused which it was. If a request was too old, "
            "Zoom's clock is wrong, or somebody replays a request.",
        )
        self._add(
            "webhook-signature",
            # The minimum is 0 if any of Zoom's webhook events has a valid signature, so one forged
            # request an hour doesn't keep the alarm in the ALARM state. A small site gets only four
            # webhook events per meeting, so a single wrong signature has to be enough for that
            # state.
            self._metrics.own("WebhookWronglySigned", MINIMUM),
            Rule(FROM, 1, minutes=60),
            "Requests to the webhook were signed with a secret that isn't the stack's, and none "
            "with WEBHOOK_VALIDATION_SECRET_TOKEN: most likely Zoom's app has another secret "
            "token, and every recording is refused and not sent again. Do: compare the two. If "
            "they differ, `invoke secrets.rotate WEBHOOK_VALIDATION_SECRET_TOKEN`; then "
            "`invoke exec.webhook` with the uuid of each recording that was missed.",
        )

    def _answers(self) -> None:
        of_route = self._metrics.of_route
        self._add(
            "webhook-5xx",
            # The alarm doesn't use the route's 5XXError, because a stranger could cause 5XX errors:
            # the webhook answers a forged request with 503 while the webhook can't read the current
            # secrets. The alarm zoom-webhook-errors reports crashes.
            self._metrics.own("WebhookNotTaken"),
            Rule(FROM, 1),
            "The webhook couldn't take a webhook event that Zoom had signed; Zoom sends it "
            "again three times within an hour and a half. "
            "Do: `invoke logs.webhook` says what failed. Look later whether `invoke recordings` "
            "shows it; if not, `invoke exec.webhook` with its uuid.",
        )
        self._add(
            "webhook-latency",
            of_route("POST", WEBHOOK_PATH, "Latency", MAXIMUM),
            Rule(FROM, 10_000, minutes=1, times=3),
            "For three minutes the webhook has taken ten seconds to answer. Zoom waits for three "
            "and repeats, which does no harm. Do: look at AWS's status page, and on the dashboard "
            "for throttled functions.",
        )
        self._add(
            "ingest-5xx",
            of_route("POST", ON_DEMAND_PATH, "5XXError", SUM),
            # A single failure may mean that a recording isn't ready (503). The caller sees why.
            Rule(FROM, 3, minutes=15),
            "Several +Zoom requests failed. Each answer said so. Do: `invoke logs.on-demand` "
            "says whether Zoom's API or the webhook doesn't answer. Recordings that Zoom hasn't "
            "finished need nothing but a later request.",
        )

    def _upload_backlog(self) -> None:
        self._add(
            "upload-backlog",
            self._metrics.of_queue(self._names.upload_queue, "ApproximateNumberOfMessagesVisible"),
            # Lambda polls the queue all the time, so SQS always has data.
            Rule(ABOVE, BACKLOG, times=6, missing_data=cloudwatch.TreatMissingData.BREACHING),
            f"For half an hour more than {BACKLOG} recordings have waited for Opencast, or nobody "
            "asks the upload queue. Do: look at Opencast's load; in the Lambda console, whether "
            "the uploader's trigger is enabled. If Opencast can bear more: raise "
            "OC_TRACK_UPLOAD_MAX and `invoke stack.update`.",
        )

    def _opencast_unreachable(self) -> None:
        self._add(
            "opencast-unreachable",
            self._metrics.own("OpencastUnreachable"),
            # A restart of Opencast usually affects only one period. An outage affects every period,
            # because the uploader retries a waiting upload at least every ten minutes.
            Rule(FROM, 1, minutes=15, times=2),
            "For half an hour uploads have found no Opencast. None of them fails for that: they "
            "wait for OC_OUTAGE_HOURS, and go on by themselves. Do: look whether Opencast is up "
            "and the uploader's network reaches it; `invoke logs.uploader` says what it answers.",
        )

    def _downloader_idle(self) -> None:
        self._add(
            "downloader-idle",
            # The metric Invocations has no data on a day without invocations, so a holiday would
            # look like a disabled trigger. An enabled trigger polls the queue on holidays too.
            self._metrics.of_queue(self._names.download_queue, "NumberOfEmptyReceives", SUM),
            # Lambda makes about 20,000 empty receives a day, and `invoke queue.downloads` a few.
            Rule(BELOW, 100, minutes=DAY, missing_data=cloudwatch.TreatMissingData.BREACHING),
            "For a day the downloader was neither called nor its queue asked for messages. (A day "
            "without recordings is no reason.) Do: in the Lambda console, look whether the "
            "downloader's trigger is there and enabled; `invoke stack.diff` shows if it is gone.",
        )

    def _age(self, kind: str, queue: str, hours: int) -> None:
        self._add(
            f"{kind}-age",
            self._metrics.of_queue(queue, "ApproximateAgeOfOldestMessage"),
            Rule(FROM, hours * 3600),
            f"A message has waited on the {kind} queue for {hours} hours: more comes than goes, or "
            f"the {kind}er isn't called. Do: `invoke recordings` says why and when it is tried "
            f"next; `invoke queue.{kind}s` how many there are; then `invoke logs.{kind}er`.",
        )

    def _dead_letters(self, kind: str, queue: str, days: int, lost_after: str) -> None:
        self._add(
            f"{kind}-dead-letter",
            self._metrics.of_queue(queue, "ApproximateNumberOfMessagesVisible"),
            Rule(FROM, 1),
            f"The {kind}er gave a recording up, and its message is in the dead-letter queue. Do: "
            "`invoke recordings --failed` says which and why. Fix the cause, then "
            f"`invoke queue.retry-{kind}s`. This alarm ends when the dead-letter queue is empty.",
        )
        self._add(
            f"{kind}-dead-letter-age",
            self._metrics.of_queue(queue, "ApproximateNumberOfMessagesVisible"),
            Rule(FROM, 1, minutes=DAY, times=days),
            f"For {days} days the {kind}er has had failed messages. {lost_after} "
            f"Do: `invoke queue.{kind}s` shows them; `invoke queue.retry-{kind}s`, or leave them "
            "if nobody misses the recordings.",
        )

    def _recordings_reconciled(self) -> None:
        self._add(
            "recordings-reconciled",
            self._metrics.own("RecordingsReconciled"),
            Rule(FROM, 1, minutes=60),
            "Recordings came in by reconcile, because Zoom's webhook events about them never came. "
            "They are on their way; what is wrong is the webhook. Do: `invoke logs.reconcile` "
            "names them. Look whether webhook-5xx, webhook-401 or webhook-signature was in ALARM "
            "state, and whether the Zoom app's event subscription is on, validated, and for all "
            "users (docs/zoom.md).",
        )

    def _reconcile_idle(self) -> None:
        self._add(
            "reconcile-idle",
            # A scheduled run that succeeds emits the number of recordings that the run requested,
            # even if the number is 0. A failed run never emits a 0.
            self._metrics.own("RecordingsReconciled", SAMPLE_COUNT),
            Rule(BELOW, 1, minutes=180, missing_data=cloudwatch.TreatMissingData.BREACHING),
            "For three hours reconcile hasn't run, or couldn't list Zoom's recordings or write its "
            "state: recordings whose webhook event was lost aren't found. (In a new stack the "
            "alarm is in ALARM state until the first run, an hour at most.) Do: "
            "`invoke stack.status` has the reason, `invoke logs.reconcile` the runs. A missing "
            "scope: add it in the Zoom app. No runs at all: look in EventBridge whether the rule "
            "is enabled.",
        )

    def _add(self, name: str, metric: cloudwatch.Metric, rule: Rule, description: str) -> None:
        alarm = cloudwatch.Alarm(
            self,
            name,
            alarm_name=self._names.of(name),
            alarm_description=description,
            metric=metric.with_(period=Duration.minutes(rule.minutes)),
            comparison_operator=rule.compared,
            threshold=rule.limit,
            evaluation_periods=rule.times,
            treat_missing_data=rule.missing_data,
        )
        alarm.add_alarm_action(self._action)
        self.all.append(alarm)
