"""Log records that CloudWatch reads metrics out of.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from typing import Any

import botocore.session
import pytest

from ingester.log import JsonFormatter
from ingester.metrics import Metric, namespace_of, once, record

NOW = datetime(2026, 11, 24, 18, 30, 0, 250_000, tzinfo=UTC)
VALUES = {Metric.BYTES_TRANSFERRED: 12_345_678.0, Metric.TRANSFER_RATE: 41.5}


def written(values: dict[Metric, float]) -> dict[str, Any]:
    """The line that a record with these values becomes."""
    made = logging.makeLogRecord({"msg": "Copied", **record("test", NOW, values)})
    return dict(json.loads(JsonFormatter().format(made)))


def test_the_metrics_are_declared() -> None:
    assert written(VALUES)["_aws"] == {
        "Timestamp": 1795545000250,
        "CloudWatchMetrics": [
            {
                "Namespace": "test-log-metrics",
                "Dimensions": [[]],
                "Metrics": [
                    {"Name": "BytesTransferred", "Unit": "Bytes"},
                    {"Name": "TransferRate", "Unit": "Megabytes/Second"},
                ],
            }
        ],
    }


def test_their_values_are_members_of_the_line() -> None:
    line = written(VALUES)
    assert (line["BytesTransferred"], line["TransferRate"]) == (12_345_678.0, 41.5)
    assert line["message"] == "Copied"


def test_only_those_with_a_value_are_declared() -> None:
    line = written({Metric.BYTES_TRANSFERRED: 0.0})
    [told] = line["_aws"]["CloudWatchMetrics"]
    assert [metric["Name"] for metric in told["Metrics"]] == ["BytesTransferred"]
    assert "TransferRate" not in line


def test_every_unit_is_one_of_cloudwatchs() -> None:
    """As AWS's own description of its API has them."""
    model = botocore.session.get_session().get_service_model("cloudwatch")
    units = model.shape_for("StandardUnit").enum  # type: ignore[attr-defined]  # a StringShape's
    assert {metric.unit for metric in Metric} <= set(units)


def test_every_metric_says_what_it_means() -> None:
    assert all(metric.meaning.endswith(".") for metric in Metric)
    assert len({metric.meaning for metric in Metric}) == len(Metric)


def test_what_did_not_happen_declares_nothing() -> None:
    assert record("test", NOW, once(Metric.MEETING_ENDED, None)) == {}
    assert once(Metric.MEETING_ENDED, "yes") == {Metric.MEETING_ENDED: 1.0}


@pytest.mark.parametrize("name", ["zip-dev", "test"])
def test_the_namespace_is_the_stacks(name: str) -> None:
    assert namespace_of(name) == f"{name}-log-metrics"
