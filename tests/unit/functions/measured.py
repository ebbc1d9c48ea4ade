"""The metrics in a function's log records."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from ingester.metrics import Metric

RIGHTLY_SIGNED = {Metric.WEBHOOK_WRONGLY_SIGNED: 0.0}


def measured(caplog: pytest.LogCaptureFixture) -> list[dict[Metric, float]]:
    """Return the metrics of each log record that has metrics, in order.

    Log records with only `RIGHTLY_SIGNED` are left out, because each webhook event that Zoom signed
    and the webhook can parse has such a log record.
    """
    return [values for values in _all_measured(caplog) if values != RIGHTLY_SIGNED]


def rightly_signed(caplog: pytest.LogCaptureFixture) -> int:
    """Return the number of log records that count a webhook event as correctly signed."""
    return sum(values == RIGHTLY_SIGNED for values in _all_measured(caplog))


def _all_measured(caplog: pytest.LogCaptureFixture) -> list[dict[Metric, float]]:
    return [values_of(vars(record)) for record in caplog.records if hasattr(record, "_aws")]


def values_of(record: dict[str, Any]) -> dict[Metric, float]:
    """Return the values of the metrics that a log record declares."""
    (directive,) = record["_aws"]["CloudWatchMetrics"]
    return {Metric(metric["Name"]): record[metric["Name"]] for metric in directive["Metrics"]}


def count_of(metric: Metric, caplog: pytest.LogCaptureFixture) -> float:
    """Return the sum of a metric's values in all log records."""
    return sum(values.get(metric, 0) for values in _all_measured(caplog))


def listen(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """Capture the pipeline's log records from level INFO up, and return `caplog`."""
    caplog.set_level(logging.INFO, logger="ingester")
    return caplog
