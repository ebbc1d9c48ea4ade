"""Alerts: the topic that mails operators, and the filters that choose log records for mails."""

from __future__ import annotations

from collections.abc import Mapping

from aws_cdk import Duration, Stack
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_logs_destinations as destinations
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from constructs import Construct

from cdk.at_rest import AtRest
from cdk.names import Names
from cdk.settings import LEVELS

CRASHES = (
    "[ERROR]",
    "Traceback",
    "Task timed out",
    "Runtime exited",
    "Status: timeout",
    "Status: error",
)
"""Texts that Lambda or Python writes to a function's log when the function crashes.

https://docs.aws.amazon.com/lambda/latest/dg/troubleshooting-invocation.html
"""

QUIET_SECONDS = 600
"""Seconds after a mail in which repeats of the mailed fault are counted and not mailed."""

REPEATS_EVERY = Duration.minutes(5)


class Notifications(Construct):
    """The `topic` of mails and alarms, and the filters that send records to log-notifications."""

    def __init__(
        self, scope: Construct, construct_id: str, names: Names, email: str, at_rest: AtRest
    ) -> None:
        super().__init__(scope, construct_id)
        self._names = names
        # Only a key of your own (`KMS_KEY_ARN`) encrypts the topic, because CloudWatch's alarms
        # can't publish to a topic with AWS's key. Your key's policy has to allow alarms
        # (docs/security.md).
        self.topic = sns.Topic(
            self, "Topic", topic_name=names.topic, enforce_ssl=True, master_key=at_rest.key
        )
        self.topic.add_subscription(subscriptions.EmailSubscription(email))
        # A topic's own policy replaces the default policy, which lets the account's alarms publish.
        self.topic.add_to_resource_policy(
            iam.PolicyStatement(
                sid="AlarmsOfThisAccount",
                actions=["sns:Publish"],
                principals=[iam.ServicePrincipal("cloudwatch.amazonaws.com")],
                resources=[self.topic.topic_arn],
                conditions={"StringEquals": {"aws:SourceAccount": Stack.of(self).account}},
            )
        )

    def subscribe_to_logs(
        self, log_groups: Mapping[str, logs.LogGroup], alias: lambda_.Alias, level: str
    ) -> None:
        """Send log records of `level` and above, and traces of crashes, to `alias`.

        A rule also invokes `alias` at the interval `REPEATS_EVERY`, to mail the repeats of faults.

        Args:
            log_groups: The functions' log groups by the functions' names. The function of `alias`
                must not be among them, or its own records would invoke the function again.
            alias: The release alias of the function that mails.
            level: The lowest level that is mailed.
        """
        destination = destinations.LambdaDestination(alias)
        for name, log_group in log_groups.items():
            logs.SubscriptionFilter(
                self,
                name,
                log_group=log_group,
                destination=destination,
                filter_pattern=logs.FilterPattern.literal(pattern(level)),
            )
        events.Rule(
            self,
            "Repeats",
            rule_name=self._names.of("notification-repeats"),
            description="Mails how often a fault has happened again",
            schedule=events.Schedule.rate(REPEATS_EVERY),
            targets=[targets.LambdaFunction(alias)],
        )


def pattern(level: str) -> str:
    """Return the filter pattern for records from `level` on and for traces of crashes.

    A line matches if it contains any word of the pattern, so one filter finds both our JSON and
    Lambda's text. One filter is better than two, because a log group can have only two, and a site
    may need one to ship its logs. A word may also occur in a record's message, so the function
    checks each record's level.
    https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/cloudwatch_limits_cwl.html
    https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html
    """
    words = [*LEVELS[LEVELS.index(level) :], *(f'"{crash}"' for crash in CRASHES)]
    return " ".join(f"?{word}" for word in words)
