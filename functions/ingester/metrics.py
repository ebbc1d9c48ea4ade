"""Metrics in log records: CloudWatch reads them out of the log, without a call of ours.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any


class Metric(StrEnum):
    """What is counted. The member's value is its name in CloudWatch."""

    BYTES_TRANSFERRED = "BytesTransferred"
    TRANSFER_RATE = "TransferRate"


UNITS = {
    Metric.BYTES_TRANSFERRED: "Bytes",
    Metric.TRANSFER_RATE: "Megabytes/Second",
}
"""Each metric's unit, one of CloudWatch's (MetricDatum)."""


def namespace_of(stack_name: str) -> str:
    """Where the stack's metrics are found."""
    return f"{stack_name}-log-metrics"


def record(stack_name: str, now: datetime, values: dict[Metric, float]) -> dict[str, Any]:
    """The `extra` of a log record that carries these values as metrics of `now`."""
    return {
        "_aws": {
            "Timestamp": int(now.timestamp() * 1000),
            "CloudWatchMetrics": [
                {
                    "Namespace": namespace_of(stack_name),
                    "Dimensions": [[]],
                    "Metrics": [{"Name": name, "Unit": UNITS[name]} for name in values],
                }
            ],
        },
        **{str(name): value for name, value in values.items()},
    }
