"""The metrics that a template's alarms and dashboard use, and the metrics that AWS documents."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from tests.infra.template import Template, joined

DOCUMENTED: dict[str, tuple[frozenset[str], tuple[set[str], ...]]] = {
    # https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html
    "AWS/Lambda": (
        frozenset({"Invocations", "Errors", "Throttles", "Duration", "ConcurrentExecutions"}),
        ({"FunctionName"}, {"FunctionName", "Resource"}),
    ),
    # https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html
    "AWS/SQS": (
        frozenset(
            {
                "ApproximateAgeOfOldestMessage",
                "ApproximateNumberOfMessagesDelayed",
                "ApproximateNumberOfMessagesNotVisible",
                "ApproximateNumberOfMessagesVisible",
                "NumberOfEmptyReceives",
                "NumberOfMessagesDeleted",
                "NumberOfMessagesReceived",
                "NumberOfMessagesSent",
                "SentMessageSize",
            }
        ),
        ({"QueueName"},),
    ),
    # https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-metrics-and-dimensions.html
    "AWS/ApiGateway": (
        frozenset({"4XXError", "5XXError", "Count", "IntegrationLatency", "Latency"}),
        ({"ApiName"}, {"ApiName", "Stage"}, {"ApiName", "Method", "Resource", "Stage"}),
    ),
    # https://docs.aws.amazon.com/AmazonS3/latest/userguide/metrics-dimensions.html
    "AWS/S3": (
        frozenset({"BucketSizeBytes", "NumberOfObjects"}),
        ({"BucketName", "StorageType"},),
    ),
    # https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/metrics-dimensions.html
    "AWS/DynamoDB": (
        frozenset({"ConsumedReadCapacityUnits", "ConsumedWriteCapacityUnits"}),
        ({"TableName"}, {"TableName", "GlobalSecondaryIndexName"}),
    ),
    # https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CloudWatch-Logs-Monitoring-CloudWatch-Metrics.html
    "AWS/Logs": (frozenset({"IncomingBytes", "IncomingLogEvents"}), ({"LogGroupName"},)),
}
"""Documented metrics, and some of their sets of dimensions, by AWS's namespace."""


class UsedMetric(NamedTuple):
    """A metric that an alarm or a widget uses. `by` is the alarm's name or the widget's title."""

    namespace: str
    name: str
    dimensions: tuple[tuple[str, str], ...]
    statistic: str
    by: str


def of_alarms(template: Template) -> list[UsedMetric]:
    """Return the metrics of the alarms, including the metrics in an alarm's formula."""
    return [
        UsedMetric(
            metric["Namespace"],
            metric["MetricName"],
            tuple((each["Name"], each["Value"]) for each in metric.get("Dimensions", ())),
            metric.get("Statistic") or metric["ExtendedStatistic"],
            alarm["AlarmName"],
        )
        for alarm in template.of_type("AWS::CloudWatch::Alarm").values()
        for metric in _metrics_of(alarm)
    ]


def _metrics_of(alarm: dict[str, Any]) -> list[dict[str, Any]]:
    if "Metrics" not in alarm:
        return [alarm]
    stats = [each["MetricStat"] for each in alarm["Metrics"] if "MetricStat" in each]
    return [{**stat["Metric"], "Statistic": stat["Stat"]} for stat in stats]


def of_dashboard(template: Template) -> list[UsedMetric]:
    """Return the metrics of the dashboard's graphs."""
    found = []
    for widget in widgets(template):
        properties = widget["properties"]
        for metric in properties.get("metrics", ()):
            if isinstance(metric[0], dict):
                continue  # a formula's metrics are separate entries, which the graph hides
            namespace, name, *rest = metric
            options = rest.pop() if rest and isinstance(rest[-1], dict) else {}
            dimensions = tuple(zip(rest[::2], rest[1::2], strict=True))
            statistic = options.get("stat", "Average")
            found.append(UsedMetric(namespace, name, dimensions, statistic, properties["title"]))
    return found


def widgets(template: Template) -> list[dict[str, Any]]:
    [dashboard] = template.of_type("AWS::CloudWatch::Dashboard").values()
    return list(json.loads(joined(dashboard["DashboardBody"]))["widgets"])
