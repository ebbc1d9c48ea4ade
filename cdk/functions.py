"""The Lambda functions, each with a role, a log group, one version and the release alias.

The properties of version and alias never change, so CloudFormation creates both once and never
updates them. Only commands of `invoke`, such as `invoke release`, move the alias. (CDK's
`current_version` would publish `$LATEST` with unreleased code whenever a setting changes.) See
docs/decisions/0003-arm64-versions-alias.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from aws_cdk import Annotations, Duration, Stack
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from cdk import environment, grants
from cdk.at_rest import AtRest
from cdk.names import (
    DOWNLOADER,
    FOLLOW,
    FUNCTIONS,
    LOG_NOTIFICATIONS,
    ON_DEMAND,
    RECONCILE,
    SCHEDULE_UPDATE,
    SLACK,
    STATUS_QUERY,
    UPLOADER,
    WEBHOOK,
    Function,
    Names,
)
from cdk.queues import Queues
from cdk.settings import Settings

GRANTS = "grants"
"""The name of the only inline policy of each function's role."""

RECONCILE_EVERY = Duration.hours(1)
FOLLOW_EVERY = Duration.minutes(1)

CODE_BY_KEY = "@aws-cdk/aws-lambda:codeFromBucketObjectVersionNotSpecified"
"""The id of CDK's warning that an update of the stack doesn't bring new code."""


@dataclass(frozen=True)
class Size:
    """A function's timeout in seconds and memory in MB."""

    timeout: int
    memory: int


# Lambda gives CPU in proportion to memory. Functions that somebody waits for get at least 512 MB:
# importing botocore in a cold start takes about 0.5 s with 512 MB and over 2 s with 128 MB. The
# price is the same, because Lambda bills MB times seconds. Zoom waits 3 s and repeats only after
# minutes (docs/zoom.md), so the webhook gets 1024 MB: a cold start has to import, create clients
# and write to DynamoDB in 3 s. Slack waits 3 s too, and then tells its user that the app failed.
# The import of the schedule gets 1024 MB, because Google's client takes longer to import than
# botocore. The downloader needs CPU for TLS in both directions. The uploader gets little memory,
# because Lambda also bills the time in which the uploader waits for Opencast. Usually nobody waits
# for reconcile, follow or log-notifications.
# https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html
# https://docs.slack.dev/interactivity/implementing-slash-commands
SIZES = {
    WEBHOOK: Size(timeout=30, memory=1024),
    ON_DEMAND: Size(timeout=30, memory=512),
    DOWNLOADER: Size(timeout=900, memory=512),
    UPLOADER: Size(timeout=900, memory=256),
    RECONCILE: Size(timeout=900, memory=512),
    FOLLOW: Size(timeout=300, memory=256),
    SCHEDULE_UPDATE: Size(timeout=30, memory=1024),
    STATUS_QUERY: Size(timeout=30, memory=512),
    SLACK: Size(timeout=30, memory=1024),
    LOG_NOTIFICATIONS: Size(timeout=30, memory=256),
}


class LambdaFunction(Construct):
    """A function with its role, log group and version, and the `alias` that callers invoke."""

    def __init__(
        self,
        scope: Construct,
        function: Function,
        *,
        settings: Settings,
        at_rest: AtRest,
        environment: dict[str, str],
        statements: Sequence[iam.PolicyStatement],
    ) -> None:
        super().__init__(scope, function.name)
        names = Names(settings.stack_name)
        self.log_group = at_rest.log_group(self, "Logs", names.log_group(function))
        size = SIZES[function]
        self.function = lambda_.Function(
            self,
            "Function",
            function_name=names.function(function),
            runtime=lambda_.Runtime(settings.lambda_runtime, lambda_.RuntimeFamily.PYTHON),
            architecture=lambda_.Architecture.custom(settings.lambda_architecture),
            handler=f"{function.module}.handler",
            code=lambda_.Code.from_bucket(
                s3.Bucket.from_bucket_name(self, "Code", settings.place.code_bucket),
                names.code_key(function),
            ),
            timeout=Duration.seconds(size.timeout),
            memory_size=size.memory,
            environment=environment,
            role=self._role(statements),
            log_group=self.log_group,
        )
        # An update of the stack must not release new code, which is the task of `invoke release`.
        Annotations.of(self).acknowledge_warning(CODE_BY_KEY)
        self.version = lambda_.Version(self, "Version", lambda_=self.function)
        self.alias = lambda_.Alias(
            self,
            "Alias",
            alias_name=settings.place.release_alias,
            version=self.version,
        )

    def _role(self, statements: Sequence[iam.PolicyStatement]) -> iam.Role:
        """Return the function's role, which may also write to the function's log group."""
        log = grants.allow(
            ("logs:CreateLogStream", "logs:PutLogEvents"),
            # CloudFormation's ARN ends in `:*`, which stands for the group's streams.
            self.log_group.log_group_arn,
        )
        return iam.Role(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
            inline_policies={GRANTS: iam.PolicyDocument(statements=[log, *statements])},
        )

    def consume(self, queue: sqs.Queue, max_concurrency: int) -> None:
        """Make the queue invoke the alias, with one message in each invocation.

        `max_concurrency` is the maximum number of concurrent invocations.
        """
        lambda_.EventSourceMapping(
            self,
            "Queue",
            target=self.alias,
            event_source_arn=queue.queue_arn,
            batch_size=1,
            max_concurrency=max_concurrency,
            report_batch_item_failures=True,
        )

    def reserve(self, max_concurrency: int) -> None:
        """Reserve `max_concurrency` concurrent invocations, which are also the function's limit."""
        resource = cast(lambda_.CfnFunction, self.function.node.default_child)
        resource.reserved_concurrent_executions = max_concurrency

    def attach_to_vpc(self, subnets: Sequence[str], security_group: str) -> None:
        """Run the function in a VPC.

        CDK's own option would attach a managed policy with more rights than the function needs.
        """
        resource = cast(lambda_.CfnFunction, self.function.node.default_child)
        resource.vpc_config = lambda_.CfnFunction.VpcConfigProperty(
            subnet_ids=list(subnets), security_group_ids=[security_group]
        )


class Functions(Construct):
    """All functions, with the event sources, schedules and log filters that invoke some of them."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        settings: Settings,
        resources: environment.Resources,
    ) -> None:
        super().__init__(scope, construct_id)
        names = Names(settings.stack_name)
        network = settings.network
        variables = environment.environments(settings, names, resources)
        statements = grants.statements(resources)
        stack = Stack.of(self)
        slack_alias = (names.function(SLACK), settings.place.release_alias)

        def statements_of(function: Function) -> list[iam.PolicyStatement]:
            own = [*statements[function], *grants.secrets_of(stack, names, function)]
            if resources.at_rest.key:
                own.append(grants.use_key(stack, resources.at_rest.key, function))
            if function in (UPLOADER, FOLLOW) and network:
                own += grants.network_interfaces(stack, names.function(function))
            if function is SLACK:
                own.append(grants.invoke_itself(stack, *slack_alias))
            return own

        self.by_function = {
            function: LambdaFunction(
                self,
                function,
                settings=settings,
                at_rest=resources.at_rest,
                environment=variables[function],
                statements=statements_of(function),
            )
            for function in FUNCTIONS
        }
        self._let_queues_and_schedules_invoke(settings, resources.queues, names)
        if network:
            for function in (UPLOADER, FOLLOW):
                self.by_function[function].attach_to_vpc(network.subnets, network.security_group)
        if settings.webhook_reserved_concurrency:
            self.by_function[WEBHOOK].reserve(settings.webhook_reserved_concurrency)
        resources.notifications.subscribe_to_logs(
            {
                function.name: made.log_group
                for function, made in self.by_function.items()
                if function != LOG_NOTIFICATIONS
            },
            self.alias(LOG_NOTIFICATIONS),
            settings.log_notifications_filter_log_level,
        )

    def _let_queues_and_schedules_invoke(
        self, settings: Settings, queues: Queues, names: Names
    ) -> None:
        self.by_function[DOWNLOADER].consume(queues.download, settings.downloads_at_once)
        uploader = self.by_function[UPLOADER]
        uploader.consume(queues.upload, settings.oc_track_upload_max)
        # The Slack function invokes itself asynchronously for work that may take longer than Slack
        # waits. A retry could post the answer twice.
        # https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
        self.by_function[SLACK].alias.configure_async_invoke(
            retry_attempts=0, max_event_age=Duration.seconds(60)
        )
        if settings.reconcile_days:
            self._reconcile_every_hour(names)
        if settings.follow_ingests:
            self._follow_every_minute(names)

    def _reconcile_every_hour(self, names: Names) -> None:
        events.Rule(
            self,
            "ReconcileEveryHour",
            rule_name=names.of("reconcile"),
            description="Looks for recordings whose webhook event never came",
            schedule=events.Schedule.rate(RECONCILE_EVERY),
            targets=[targets.LambdaFunction(self.alias(RECONCILE))],
        )

    def _follow_every_minute(self, names: Names) -> None:
        events.Rule(
            self,
            "FollowEveryMinute",
            rule_name=names.of("follow"),
            description="Asks Opencast what became of ingests",
            schedule=events.Schedule.rate(FOLLOW_EVERY),
            targets=[targets.LambdaFunction(self.alias(FOLLOW))],
        )

    def alias(self, function: Function) -> lambda_.Alias:
        """Return the release alias of a function. The stack's callers invoke only the alias."""
        return self.by_function[function].alias
