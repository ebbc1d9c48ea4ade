"""Alerts: the topic whose mails operators get, and what of the functions' logs is mailed."""

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
"""What stands in the lines that Lambda and Python write when a function itself ends badly."""

QUIET_SECONDS = 600
"""How long after a mail its fault is only counted."""

REPEATS_EVERY = Duration.minutes(5)


class Notifications(Construct):
    """The `topic`, to which alarms go too, and what brings log-notifications its records."""

    def __init__(self, scope: Construct, construct_id: str, names: Names, email: str) -> None:
        super().__init__(scope, construct_id)
        self._names = names
        # Not encrypted with AWS's own key, with which CloudWatch's alarms couldn't publish.
        self.topic = sns.Topic(self, "Topic", topic_name=names.topic, enforce_ssl=True)
        self.topic.add_subscription(subscriptions.EmailSubscription(email))
        # A topic with a policy of its own has lost the one by which the account's alarms may.
        self.topic.add_to_resource_policy(
            iam.PolicyStatement(
                sid="AlarmsOfThisAccount",
                actions=["sns:Publish"],
                principals=[iam.ServicePrincipal("cloudwatch.amazonaws.com")],
                resources=[self.topic.topic_arn],
                conditions={"StringEquals": {"aws:SourceAccount": Stack.of(self).account}},
            )
        )

    def mail_records(
        self, log_groups: Mapping[str, logs.LogGroup], alias: lambda_.Alias, level: str
    ) -> None:
        """Let `alias` have the records of the log groups (by function) from `level` on.

        Its own must not be among them. It is also called by the clock, to mail repeats.
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
    """The filter pattern for records from `level` on, and for what a crash leaves.

    Words, one of which has to be in a line: so one filter finds both our JSON and Lambda's text,
    and a log group's second one, of the two that it may have, is left to whoever ships logs. The
    words are found elsewhere in a line too; the function looks again.
    https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html
    """
    words = [*LEVELS[LEVELS.index(level) :], *(f'"{crash}"' for crash in CRASHES)]
    return " ".join(f"?{word}" for word in words)
