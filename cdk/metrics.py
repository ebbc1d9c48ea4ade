"""The metrics for alarms and dashboard: the functions' own metrics and AWS's.

A test compares each metric with `functions/ingester/metrics.py` or with AWS's documented metrics,
because an alarm on a misspelt metric gets no data.
"""

from __future__ import annotations

from dataclasses import dataclass

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch

from cdk.names import STAGE, Function, Names

SUM = "Sum"
MAXIMUM = "Maximum"
MINIMUM = "Minimum"
SAMPLE_COUNT = "SampleCount"
"""CloudWatch's statistic that counts a metric's values."""


@dataclass(frozen=True)
class Metrics:
    """The metrics of one stack.

    The methods' `statistic` is CloudWatch's name of a statistic, such as Sum, Maximum or p95."""

    names: Names

    def own(self, name: str, statistic: str = SUM) -> cloudwatch.Metric:
        """Return a metric without dimensions, which the functions emit in their logs."""
        return _metric(self.names.metrics, name, statistic)

    def of_function(self, function: Function, name: str, statistic: str) -> cloudwatch.Metric:
        """Return a metric of Lambda's for a function, all of its versions together."""
        return _metric("AWS/Lambda", name, statistic, FunctionName=self.names.function(function))

    def of_queue(self, queue: str, name: str, statistic: str = MAXIMUM) -> cloudwatch.Metric:
        """Return a metric of SQS's for a queue. `queue` is the queue's name in AWS."""
        return _metric("AWS/SQS", name, statistic, QueueName=queue)

    def of_route(self, method: str, path: str, name: str, statistic: str) -> cloudwatch.Metric:
        """Return a metric of API Gateway's for a route that is in `cdk.api.MEASURED`."""
        return _metric(
            "AWS/ApiGateway",
            name,
            statistic,
            ApiName=self.names.api,
            Stage=STAGE,
            Resource=f"/{path}",
            Method=method,
        )

    def of_api(self, name: str, statistic: str) -> cloudwatch.Metric:
        """Return a metric of API Gateway's for all routes together."""
        return _metric("AWS/ApiGateway", name, statistic, ApiName=self.names.api)

    def of_table(self, table: str, name: str, index: str | None = None) -> cloudwatch.Metric:
        """Return a metric of DynamoDB's for a table or an index. `table` is the name in AWS."""
        of = {"GlobalSecondaryIndexName": index} if index else {}
        return _metric("AWS/DynamoDB", name, SUM, TableName=table, **of)

    def stored_bytes(self) -> cloudwatch.Metric:
        """Return the metric of the staging bucket's size, which S3 emits once a day.

        https://docs.aws.amazon.com/AmazonS3/latest/userguide/metrics-dimensions.html
        """
        return _metric(
            "AWS/S3",
            "BucketSizeBytes",
            "Average",
            BucketName=self.names.bucket,
            StorageType="StandardStorage",
        )

    def logged_bytes(self, log_group: str) -> cloudwatch.Metric:
        """Return the metric of the bytes written to a log group."""
        return _metric("AWS/Logs", "IncomingBytes", SUM, LogGroupName=log_group)


def _metric(namespace: str, name: str, statistic: str, **dimensions: str) -> cloudwatch.Metric:
    return cloudwatch.Metric(
        namespace=namespace,
        metric_name=name,
        statistic=statistic,
        dimensions_map=dimensions,
        period=Duration.minutes(5),
    )
