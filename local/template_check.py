"""What the local cloud made of the template, compared with what the template says.

ministack takes a template and leaves out what it doesn't know, silently. So each property that
matters is looked for after the deploy; what is missing is set through the API, if the cloud knows
it there, and else named aloud.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

Client = Callable[[str], Any]
"""A boto3 client for a service's name."""

NEVER_HONOURED = (
    "API Gateway's permission to invoke a function",
    "an event source's own permissions on its queue",
    "a function's permission to write its log",
    "a function's memory limit",
    "the stage's access log",
    "the topic's mails, which are files in .local/mail instead",
)
"""What no API call can bring: held by tests of the template instead (see docs/local.md)."""


@dataclass(frozen=True)
class Parity:
    """What was set through the API after the deploy, and what the local cloud does not honour."""

    mended: tuple[str, ...]
    not_honoured: tuple[str, ...]


def compare(template: Mapping[str, Any], physical: Mapping[str, str], client: Client) -> Parity:
    """Compare, and mend what can be.

    `template` is CloudFormation's, `physical` the resources' names in the cloud by their logical
    ids.
    """
    client = cache(client)
    mended: list[str] = []
    missing: list[str] = []
    for logical, resource in template["Resources"].items():
        check = CHECKS.get(resource["Type"])
        if check is None or logical not in physical:
            continue
        properties = _resolved(resource.get("Properties", {}), physical)
        for finding in check(properties, physical[logical], client):
            (mended if finding.mended else missing).append(finding.what)
    return Parity(tuple(sorted(set(mended))), tuple(sorted({*missing, *NEVER_HONOURED})))


def _resolved(properties: Mapping[str, Any], physical: Mapping[str, str]) -> dict[str, Any]:
    """Properties with the names of the resources that they refer to."""
    return {
        name: physical.get(value["Ref"], value)
        if isinstance(value, dict) and value.keys() == {"Ref"}
        else value
        for name, value in properties.items()
    }


@dataclass(frozen=True)
class Finding:
    """A property that was dropped, and whether it is set now."""

    what: str
    mended: bool


Check = Callable[[Mapping[str, Any], str, Client], Iterator[Finding]]


def _mend(what: str, call: Callable[[], object]) -> Finding:
    try:
        call()
    except (ClientError, BotoCoreError):
        return Finding(what, mended=False)
    return Finding(what, mended=True)


def _table(properties: Mapping[str, Any], name: str, client: Client) -> Iterator[Finding]:
    dynamodb = client("dynamodb")
    wanted = properties.get("TimeToLiveSpecification")
    if wanted:
        status = dynamodb.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
        if status["TimeToLiveStatus"] == "DISABLED":
            yield _mend(
                "rows' time to live",
                lambda: dynamodb.update_time_to_live(
                    TableName=name, TimeToLiveSpecification=wanted
                ),
            )
    recovery = properties.get("PointInTimeRecoverySpecification")
    if recovery:
        backups = dynamodb.describe_continuous_backups(TableName=name)
        found = backups["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"]
        if found["PointInTimeRecoveryStatus"] == "DISABLED":
            yield _mend(
                "point-in-time recovery",
                lambda: dynamodb.update_continuous_backups(
                    TableName=name, PointInTimeRecoverySpecification=recovery
                ),
            )


def _bucket(properties: Mapping[str, Any], name: str, client: Client) -> Iterator[Finding]:
    s3 = client("s3")
    wanted = properties.get("LifecycleConfiguration")
    if wanted:
        try:
            s3.get_bucket_lifecycle_configuration(Bucket=name)
        except ClientError:
            rules = [_lifecycle_rule(number, rule) for number, rule in enumerate(wanted["Rules"])]
            yield _mend(
                "the bucket's lifecycle",
                lambda: s3.put_bucket_lifecycle_configuration(
                    Bucket=name, LifecycleConfiguration={"Rules": rules}
                ),
            )


def _lifecycle_rule(number: int, rule: Mapping[str, Any]) -> dict[str, Any]:
    """A rule of CloudFormation's as S3's API wants it."""
    converted: dict[str, Any] = {
        "ID": rule.get("Id", f"rule-{number}"),
        "Status": rule["Status"],
        "Filter": {"Prefix": rule.get("Prefix", "")},
    }
    if days := rule.get("ExpirationInDays"):
        converted["Expiration"] = {"Days": days}
    if abort := rule.get("AbortIncompleteMultipartUpload"):
        converted["AbortIncompleteMultipartUpload"] = abort
    return converted


def _queue(properties: Mapping[str, Any], url: str, client: Client) -> Iterator[Finding]:
    answer = client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["All"])
    found = answer["Attributes"]
    for name in ("VisibilityTimeout", "MessageRetentionPeriod", "FifoQueue"):
        wanted = properties.get(name)
        if wanted is not None and found.get(name) != str(wanted).lower():
            yield Finding(f"a queue's {name}", mended=False)
    if "RedrivePolicy" in properties and "RedrivePolicy" not in found:
        yield Finding("a queue's redrive", mended=False)


def _function(properties: Mapping[str, Any], name: str, client: Client) -> Iterator[Finding]:
    found = client("lambda").get_function_configuration(FunctionName=name)
    for key in ("Handler", "Timeout", "MemorySize"):
        if found.get(key) != properties[key]:
            yield Finding(f"a function's {key}", mended=False)
    wanted = set(properties.get("Environment", {}).get("Variables", {}))
    if wanted - set(found.get("Environment", {}).get("Variables", {})):
        yield Finding("a function's environment", mended=False)


def _event_source(properties: Mapping[str, Any], uuid: str, client: Client) -> Iterator[Finding]:
    found = client("lambda").get_event_source_mapping(UUID=uuid)
    for key in ("BatchSize", "ScalingConfig", "FunctionResponseTypes"):
        if found.get(key) != properties.get(key):
            yield Finding(f"an event source's {key}", mended=False)


def _subscription(properties: Mapping[str, Any], name: str, client: Client) -> Iterator[Finding]:
    asked = {"logGroupName": properties["LogGroupName"], "filterNamePrefix": name}
    found = client("logs").describe_subscription_filters(**asked)["subscriptionFilters"]
    if [one["filterPattern"] for one in found] != [properties["FilterPattern"]]:
        yield Finding("a log's subscription", mended=False)


def _role(properties: Mapping[str, Any], name: str, client: Client) -> Iterator[Finding]:
    found = client("iam").list_role_policies(RoleName=name)["PolicyNames"]
    wanted = {policy["PolicyName"] for policy in properties.get("Policies", [])}
    if wanted - set(found):
        yield Finding("a role's policy", mended=False)


def _alarm(properties: Mapping[str, Any], name: str, client: Client) -> Iterator[Finding]:
    found = client("cloudwatch").describe_alarms(AlarmNames=[name])["MetricAlarms"]
    for key in (
        "MetricName",
        "Dimensions",
        "Statistic",
        "ComparisonOperator",
        "Threshold",
        "Period",
        "EvaluationPeriods",
        "TreatMissingData",
    ):
        if [alarm.get(key, []) for alarm in found] != [properties.get(key, [])]:
            yield Finding(f"an alarm's {key}", mended=False)
    if [len(alarm["AlarmActions"]) for alarm in found] != [len(properties["AlarmActions"])]:
        yield Finding("an alarm's actions", mended=False)


def _dashboard(_properties: Mapping[str, Any], name: str, client: Client) -> Iterator[Finding]:
    try:
        body = client("cloudwatch").get_dashboard(DashboardName=name)["DashboardBody"]
        is_there = bool(json.loads(body)["widgets"])
    except (ClientError, ValueError, KeyError):
        is_there = False
    if not is_there:
        yield Finding("the dashboard", mended=False)


CHECKS: Mapping[str, Check] = {
    "AWS::DynamoDB::Table": _table,
    "AWS::S3::Bucket": _bucket,
    "AWS::SQS::Queue": _queue,
    "AWS::Lambda::Function": _function,
    "AWS::Lambda::EventSourceMapping": _event_source,
    "AWS::IAM::Role": _role,
    "AWS::Logs::SubscriptionFilter": _subscription,
    "AWS::CloudWatch::Alarm": _alarm,
    "AWS::CloudWatch::Dashboard": _dashboard,
}
