"""The metrics that alarms and dashboard show: what this system writes, and what AWS does.

A test holds each against those that `functions/ingester/metrics.py` names and against AWS's own
lists: a misspelt metric would be an alarm that never rings.
"""

from __future__ import annotations

from dataclasses import dataclass

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch

from cdk.names import STAGE, Function, Names

SUM = "Sum"
MAXIMUM = "Maximum"
VALUES = "SampleCount"
"""How often a metric was told, whatever its values."""


@dataclass(frozen=True)
class Metrics:
    """Makes metrics of one stack. `statistic` is CloudWatch's name: Sum, Maximum, p95, …"""

    names: Names

    def own(self, name: str, statistic: str = SUM) -> cloudwatch.Metric:
        """One of the functions' own, from their logs. They have no dimensions."""
        return _metric(self.names.metrics, name, statistic)

    def of_function(self, function: Function, name: str, statistic: str) -> cloudwatch.Metric:
        """One of Lambda's about a function, all of its versions together."""
        return _metric("AWS/Lambda", name, statistic, FunctionName=self.names.function(function))

    def of_queue(self, queue: str, name: str, statistic: str = MAXIMUM) -> cloudwatch.Metric:
        """One of SQS's about a queue, by its name in AWS."""
        return _metric("AWS/SQS", name, statistic, QueueName=queue)

    def of_route(self, method: str, path: str, name: str, statistic: str) -> cloudwatch.Metric:
        """One of API Gateway's about a route, which the stage has to be told to measure."""
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
        """One of API Gateway's about all routes together."""
        return _metric("AWS/ApiGateway", name, statistic, ApiName=self.names.api)

    def of_table(self, table: str, name: str, index: str | None = None) -> cloudwatch.Metric:
        """One of DynamoDB's about a table, by its name in AWS, or about one of its indexes."""
        of = {"GlobalSecondaryIndexName": index} if index else {}
        return _metric("AWS/DynamoDB", name, SUM, TableName=table, **of)

    def stored_bytes(self) -> cloudwatch.Metric:
        """What S3 holds in the bucket, told once a day."""
        return _metric(
            "AWS/S3",
            "BucketSizeBytes",
            "Average",
            BucketName=self.names.bucket,
            StorageType="StandardStorage",
        )

    def logged_bytes(self, log_group: str) -> cloudwatch.Metric:
        """What was written to a log group."""
        return _metric("AWS/Logs", "IncomingBytes", SUM, LogGroupName=log_group)


def _metric(namespace: str, name: str, statistic: str, **dimensions: str) -> cloudwatch.Metric:
    return cloudwatch.Metric(
        namespace=namespace,
        metric_name=name,
        statistic=statistic,
        dimensions_map=dimensions,
        period=Duration.minutes(5),
    )
