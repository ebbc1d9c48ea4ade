"""Log records with metrics in CloudWatch's embedded metric format.

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
from ingester.metrics import Metric, count, log_fields, namespace_of

NOW = datetime(2026, 11, 24, 18, 30, 0, 250_000, tzinfo=UTC)
VALUES = {Metric.BYTES_TRANSFERRED: 12_345_678.0, Metric.TRANSFER_RATE: 41.5}


def written(values: dict[Metric, float]) -> dict[str, Any]:
    """Return the log record with the values of some metrics, decoded from JSON."""
    made = logging.makeLogRecord({"msg": "Copied", **log_fields("test", NOW, values)})
    return dict(json.loads(JsonFormatter().format(made)))


def test_log_record_declares_its_metrics() -> None:
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


def test_log_record_has_the_values_of_its_metrics() -> None:
    line = written(VALUES)
    assert (line["BytesTransferred"], line["TransferRate"]) == (12_345_678.0, 41.5)
    assert line["message"] == "Copied"


def test_log_record_declares_only_metrics_with_a_value() -> None:
    line = written({Metric.BYTES_TRANSFERRED: 0.0})
    [directive] = line["_aws"]["CloudWatchMetrics"]
    assert [metric["Name"] for metric in directive["Metrics"]] == ["BytesTransferred"]
    assert "TransferRate" not in line


def test_unit_of_every_metric_is_known_to_cloudwatch() -> None:
    # CloudWatch accepts only the units in its API, which botocore's model lists.
    model = botocore.session.get_session().get_service_model("cloudwatch")
    units = model.shape_for("StandardUnit").enum  # type: ignore[attr-defined]  # a StringShape's
    assert {metric.unit for metric in Metric} <= set(units)


def test_every_metric_has_its_own_description() -> None:
    assert all(metric.meaning.endswith(".") for metric in Metric)
    assert len({metric.meaning for metric in Metric}) == len(Metric)


def test_metric_of_one_occurrence_is_left_out_when_nothing_happened() -> None:
    assert log_fields("test", NOW, count(Metric.MEETING_ENDED, None)) == {}
    assert count(Metric.MEETING_ENDED, "yes") == {Metric.MEETING_ENDED: 1.0}


@pytest.mark.parametrize("name", ["zip-dev", "test"])
def test_namespace_of_metrics_contains_the_name_of_the_stack(name: str) -> None:
    assert namespace_of(name) == f"{name}-log-metrics"
