"""Compare the local cloud's resources with the template.

ministack silently ignores a template's properties that ministack doesn't know. So this module
checks important properties after the deploy. The module sets a few missing properties through the
API, and reports the others.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

Client = Callable[[str], Any]
"""A function that returns a boto3 client of a service."""

NEVER_HONOURED = (
    "API Gateway's permission to invoke a function",
    "an event source's own permissions on its queue",
    "a function's permission to write its log",
    "a function's memory limit",
    "the stage's access log",
    "the topic's mails, which are files in .local/mail instead",
)
"""Properties that the local cloud ignores, and that tests of the template check instead."""


@dataclass(frozen=True)
class TemplateCheck:
    """The properties that were set after the deploy, and those that the cloud ignores."""

    set_after: tuple[str, ...]
    not_honoured: tuple[str, ...]


def compare(
    template: Mapping[str, Any], physical: Mapping[str, str], client: Client
) -> TemplateCheck:
    """Compare the local cloud with a template, set a few missing properties, and return the result.

    `physical` has the resources' names in the cloud by logical id.
    """
    client = cache(client)
    set_after: list[str] = []
    missing: list[str] = []
    for logical, resource in template["Resources"].items():
        check = CHECKS.get(resource["Type"])
        if check is None or logical not in physical:
            continue
        properties = _resolved(resource.get("Properties", {}), physical)
        for finding in check(properties, physical[logical], client):
            (set_after if finding.is_set else missing).append(finding.what)
    return TemplateCheck(tuple(sorted(set(set_after))), tuple(sorted({*missing, *NEVER_HONOURED})))


def _resolved(properties: Mapping[str, Any], physical: Mapping[str, str]) -> dict[str, Any]:
    """Return a resource's properties, with the cloud's names in place of values `{"Ref": …}`.

    A `Ref` to a resource that `physical` lacks stays.
    """
    return {
        name: physical.get(value["Ref"], value)
        if isinstance(value, dict) and value.keys() == {"Ref"}
        else value
        for name, value in properties.items()
    }


@dataclass(frozen=True)
class Finding:
    """A property that the cloud ignored at the deploy, and whether it has been set since."""

    what: str
    is_set: bool = False


Check = Callable[[Mapping[str, Any], str, Client], Iterator[Finding]]


def _set(what: str, call: Callable[[], object]) -> Finding:
    """Set the property `what` by `call`, and return a finding that says whether the call worked."""
    try:
        call()
    except (ClientError, BotoCoreError):
        return Finding(what)
    return Finding(what, is_set=True)


def _differing(
    what: str, properties: Mapping[str, Any], found: Mapping[str, Any], names: Iterable[str]
) -> Iterator[Finding]:
    """Yield a finding for each property whose value in the cloud isn't the template's."""
    for name in names:
        if found.get(name) != properties.get(name):
            yield Finding(f"{what}'s {name}")


def _table(properties: Mapping[str, Any], name: str, client: Client) -> Iterator[Finding]:
    dynamodb = client("dynamodb")
    wanted = properties.get("TimeToLiveSpecification")
    if wanted:
        status = dynamodb.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
        if status["TimeToLiveStatus"] == "DISABLED":
            yield _set(
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
            yield _set(
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
            yield _set(
                "the bucket's lifecycle",
                lambda: s3.put_bucket_lifecycle_configuration(
                    Bucket=name, LifecycleConfiguration={"Rules": rules}
                ),
            )


def _lifecycle_rule(number: int, rule: Mapping[str, Any]) -> dict[str, Any]:
    """Convert a lifecycle rule from CloudFormation's format to that of S3's API."""
    tags = rule.get("TagFilters", ())
    converted: dict[str, Any] = {
        "ID": rule.get("Id", f"rule-{number}"),
        "Status": rule["Status"],
        "Filter": {"Tag": tags[0]} if tags else {"Prefix": rule.get("Prefix", "")},
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
            yield Finding(f"a queue's {name}")
    if "RedrivePolicy" in properties and "RedrivePolicy" not in found:
        yield Finding("a queue's redrive")


def _function(properties: Mapping[str, Any], name: str, client: Client) -> Iterator[Finding]:
    found = client("lambda").get_function_configuration(FunctionName=name)
    yield from _differing("a function", properties, found, ("Handler", "Timeout", "MemorySize"))
    wanted = set(properties.get("Environment", {}).get("Variables", {}))
    if wanted - set(found.get("Environment", {}).get("Variables", {})):
        yield Finding("a function's environment")


def _event_source(properties: Mapping[str, Any], uuid: str, client: Client) -> Iterator[Finding]:
    found = client("lambda").get_event_source_mapping(UUID=uuid)
    names = ("BatchSize", "ScalingConfig", "FunctionResponseTypes")
    yield from _differing("an event source", properties, found, names)


def _subscription(properties: Mapping[str, Any], name: str, client: Client) -> Iterator[Finding]:
    asked = {"logGroupName": properties["LogGroupName"], "filterNamePrefix": name}
    found = client("logs").describe_subscription_filters(**asked)["subscriptionFilters"]
    if [each["filterPattern"] for each in found] != [properties["FilterPattern"]]:
        yield Finding("a log's subscription")


def _role(properties: Mapping[str, Any], name: str, client: Client) -> Iterator[Finding]:
    found = client("iam").list_role_policies(RoleName=name)["PolicyNames"]
    wanted = {policy["PolicyName"] for policy in properties.get("Policies", [])}
    if wanted - set(found):
        yield Finding("a role's policy")


def _alarm(properties: Mapping[str, Any], name: str, client: Client) -> Iterator[Finding]:
    alarms = client("cloudwatch").describe_alarms(AlarmNames=[name])["MetricAlarms"]
    found = {"Dimensions": [], "AlarmActions": [], **(alarms[0] if alarms else {})}
    yield from _differing("an alarm", {"Dimensions": [], **properties}, found, ALARM_PROPERTIES)
    if len(found["AlarmActions"]) != len(properties["AlarmActions"]):
        yield Finding("an alarm's actions")


def _dashboard(_properties: Mapping[str, Any], name: str, client: Client) -> Iterator[Finding]:
    try:
        body = client("cloudwatch").get_dashboard(DashboardName=name)["DashboardBody"]
        is_there = bool(json.loads(body)["widgets"])
    except (ClientError, ValueError, KeyError):
        is_there = False
    if not is_there:
        yield Finding("the dashboard")


ALARM_PROPERTIES = (
    *("MetricName", "Dimensions", "Statistic", "ComparisonOperator", "Threshold", "Period"),
    *("EvaluationPeriods", "TreatMissingData"),
)

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
