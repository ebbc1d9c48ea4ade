"""Harness of the metrics that CloudWatch would extract from the functions' logs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import botocore.session

from cdk.names import FUNCTIONS, Names
from ingester.metrics import Metric
from local.driver import Driver

NAMESPACE_LIMIT = 256
METRICS_LIMIT = 100
DIMENSIONS_LIMIT = 30
"""Largest number of dimensions in one of CloudWatch's dimension sets.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

LOOK_BACK = timedelta(hours=1)


def emitted(driver: Driver, uuid: str | None = None) -> dict[Metric, float]:
    """Return the sum of each metric over all log records, or over those about `uuid`.

    Check each summed log record.
    """
    found: dict[Metric, float] = {}
    for record in _records(driver):
        if uuid is None or record.get("uuid") == uuid:
            for name, value in _declared(record, driver.state.stack_name).items():
                found[Metric(name)] = found.get(Metric(name), 0) + value
    return found


def _records(driver: Driver) -> Iterator[dict[str, Any]]:
    """Yield the log records that declare metrics."""
    names, logs = Names(driver.state.stack_name), driver.client("logs")
    for function in FUNCTIONS:
        pages = logs.get_paginator("filter_log_events").paginate(
            logGroupName=names.log_group(function), filterPattern='"_aws"'
        )
        for line in (event["message"] for page in pages for event in page["events"]):
            # Lambda's own lines and the last lines of a process that ends are not JSON.
            if line.startswith("{") and "_aws" in (record := json.loads(line)):
                yield record


def _declared(record: dict[str, Any], stack_name: str) -> dict[str, float]:
    """Check a log record, and return the values of its metrics by name.

    CloudWatch has to accept the record. The namespace has to be the stack's, and the time has to
    be less than an hour off.
    """
    metadata = record["_aws"]
    moment = datetime.fromtimestamp(metadata["Timestamp"] / 1000, UTC)
    assert abs(datetime.now(UTC) - moment) < LOOK_BACK, record
    (directive,) = metadata["CloudWatchMetrics"]
    assert directive["Namespace"] == f"{stack_name}-log-metrics"
    assert len(directive["Namespace"]) <= NAMESPACE_LIMIT
    for dimensions in directive["Dimensions"]:
        assert len(dimensions) <= DIMENSIONS_LIMIT
        assert all(isinstance(record[name], str) for name in dimensions), record
    assert 0 < len(directive["Metrics"]) <= METRICS_LIMIT
    assert all(metric["Unit"] in _units() for metric in directive["Metrics"]), record
    values = {metric["Name"]: record[metric["Name"]] for metric in directive["Metrics"]}
    assert all(type(value) in (int, float) for value in values.values()), record
    return values


@cache
def _units() -> list[str]:
    """Return CloudWatch's units. The cache saves 100 ms for loading the service model."""
    model = botocore.session.get_session().get_service_model("cloudwatch")
    return list(model.shape_for("StandardUnit").enum)  # type: ignore[attr-defined]  # a StringShape
