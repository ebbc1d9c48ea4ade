"""The alarms: when they ring, whom they tell, and that they say what to do."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

import tasks
from cdk.names import FUNCTIONS
from tests.infra.template import STACK, Template

OPERATIONS = Path(__file__).resolve().parents[2] / "docs" / "operations.md"
HOUR = 3600
DAY = 24 * HOUR
PATIENCE_HOURS = 6
ERRORS_OF = [function.name for function in FUNCTIONS]
ERRORS = {f"{name}-errors" for name in ERRORS_OF}
GOOD = "notBreaching"
BAD = "breaching"


@pytest.fixture
def alarms(template: Template) -> dict[str, Any]:
    """The alarms' properties by their names without the stack's."""
    return template.named("AWS::CloudWatch::Alarm", "AlarmName")


def rule_of(alarm: Mapping[str, Any]) -> tuple[Any, ...]:
    """(metric, statistic, comparison, limit, seconds, periods, what no data means)."""
    signs = {
        "GreaterThanThreshold": ">",
        "GreaterThanOrEqualToThreshold": ">=",
        "LessThanThreshold": "<",
    }
    return (
        alarm["MetricName"],
        alarm["Statistic"],
        signs[alarm["ComparisonOperator"]],
        alarm["Threshold"],
        alarm["Period"],
        alarm["EvaluationPeriods"],
        alarm["TreatMissingData"],
    )


def test_when_they_ring(alarms: dict[str, Any]) -> None:
    age, waiting = "ApproximateAgeOfOldestMessage", "ApproximateNumberOfMessagesVisible"
    dead = (waiting, "Maximum", ">=", 1, 300, 1, GOOD)
    assert {name: rule_of(alarm) for name, alarm in alarms.items()} == {
        **dict.fromkeys(ERRORS, ("Errors", "Sum", ">=", 1, 300, 1, GOOD)),
        "webhook-4xx": ("WebhookRejected", "Sum", ">=", 1, 300, 1, GOOD),
        "webhook-401": ("WebhookUnauthorized", "Sum", ">=", 10, HOUR, 1, GOOD),
        "webhook-signature": ("WebhookWronglySigned", "Sum", ">=", 1, HOUR, 1, GOOD),
        "webhook-5xx": ("5XXError", "Sum", ">=", 1, 300, 1, GOOD),
        "webhook-latency": ("Latency", "Maximum", ">=", 10_000, 60, 3, GOOD),
        "ingest-5xx": ("5XXError", "Sum", ">=", 3, 900, 1, GOOD),
        "upload-backlog": (waiting, "Maximum", ">", 40, 300, 6, BAD),
        "downloader-idle": ("NumberOfEmptyReceives", "Sum", "<", 100, DAY, 1, BAD),
        "download-age": (age, "Maximum", ">=", 2 * HOUR, 300, 1, GOOD),
        "upload-age": (age, "Maximum", ">=", (PATIENCE_HOURS + 2) * HOUR, 300, 1, GOOD),
        "opencast-unreachable": ("OpencastUnreachable", "Sum", ">=", 1, 900, 2, GOOD),
        "recordings-reconciled": ("RecordingsReconciled", "Sum", ">=", 1, HOUR, 1, GOOD),
        "reconcile-idle": ("RecordingsReconciled", "SampleCount", "<", 1, 3 * HOUR, 1, BAD),
        "download-dead-letter": dead,
        "upload-dead-letter": dead,
        "download-dead-letter-age": (waiting, "Maximum", ">=", 1, DAY, 7, GOOD),
        "upload-dead-letter-age": (waiting, "Maximum", ">=", 1, DAY, 4, GOOD),
    }


def test_each_stands_on_what_its_name_says(alarms: dict[str, Any]) -> None:
    def dimension(name: str, key: str) -> str:
        [value] = [one["Value"] for one in alarms[name]["Dimensions"] if one["Name"] == key]
        return str(value)

    for function in FUNCTIONS:
        about = dimension(f"{function.name}-errors", "FunctionName")
        assert about == f"{STACK}-{function.name}"
    assert dimension("webhook-5xx", "Resource") == "/new_recording"
    assert dimension("webhook-latency", "Resource") == "/new_recording"
    assert dimension("ingest-5xx", "Resource") == "/ingest"
    queues = {
        "upload-backlog": "upload.fifo",
        "downloader-idle": "download",
        "download-age": "download",
        "upload-age": "upload.fifo",
        "download-dead-letter": "download-dlq",
        "upload-dead-letter": "upload-dlq.fifo",
        "download-dead-letter-age": "download-dlq",
        "upload-dead-letter-age": "upload-dlq.fifo",
    }
    for name, queue in queues.items():
        assert dimension(name, "QueueName") == f"{STACK}-{queue}"


def test_each_goes_to_the_topic_which_lets_alarms_publish(
    alarms: dict[str, Any], template: Template
) -> None:
    [topic] = template.of_type("AWS::SNS::Topic")
    assert all(alarm["AlarmActions"] == [{"Ref": topic}] for alarm in alarms.values())
    [policy] = template.of_type("AWS::SNS::TopicPolicy").values()
    allowed = [
        statement["Principal"]
        for statement in policy["PolicyDocument"]["Statement"]
        if (statement["Effect"], statement["Action"]) == ("Allow", "sns:Publish")
    ]
    assert {"Service": "cloudwatch.amazonaws.com"} in allowed


def test_waiting_longer_for_opencast_is_no_alarm(
    changed: Callable[[Mapping[str, str]], Template],
) -> None:
    patient = changed({"OC_INGEST_PATIENCE_HOURS": "24"})
    limit = patient.named("AWS::CloudWatch::Alarm", "AlarmName")["upload-age"]["Threshold"]
    assert limit == (24 + 2) * HOUR


def test_reconcile_that_is_off_is_no_alarm(
    changed: Callable[[Mapping[str, str]], Template],
) -> None:
    off = changed({"RECONCILE_DAYS": "0"}).named("AWS::CloudWatch::Alarm", "AlarmName")
    assert "reconcile-idle" not in off
    assert "recordings-reconciled" in off


def test_dead_letters_are_told_again_while_there_is_something_to_retry(
    alarms: dict[str, Any], template: Template
) -> None:
    """Of a download until SQS deletes it, of an upload until S3 deletes the files; and CloudWatch
    looks back no further than a week."""
    queues = template.named("AWS::SQS::Queue", "QueueName")
    [bucket] = [
        one
        for one in template.of_type("AWS::S3::Bucket").values()
        if "LifecycleConfiguration" in one
    ]
    [rule] = bucket["LifecycleConfiguration"]["Rules"]
    lost_after = {
        "download": queues["download-dlq"]["MessageRetentionPeriod"],
        "upload": rule["ExpirationInDays"] * DAY,
    }
    for kind, seconds in lost_after.items():
        alarm = alarms[f"{kind}-dead-letter-age"]
        rings_after = alarm["Period"] * alarm["EvaluationPeriods"]
        assert rings_after <= min(seconds - 3 * DAY, 7 * DAY), kind
        assert f"after {seconds // DAY}" in alarm["AlarmDescription"], kind


def test_the_text_of_a_crash_fits_the_function(alarms: dict[str, Any]) -> None:
    told = {name: alarms[f"{name}-errors"]["AlarmDescription"] for name in ERRORS_OF}
    assert {name for name, text in told.items() if "message comes back" in text} == {
        "zoom-downloader",
        "zoom-uploader",
    }
    assert "mails about errors are missing" in told["zoom-log-notifications"]
    assert "Who typed /zip may have no answer" in told["slack"]
    assert "and every hour" in told["zoom-reconcile"]
    assert "Whoever called it was told" in told["status-query"]


def test_none_needs_metric_math(alarms: dict[str, Any]) -> None:
    """Which the local cloud can't deploy."""
    assert not [name for name, alarm in alarms.items() if "Metrics" in alarm]


def test_each_says_what_to_do(alarms: dict[str, Any]) -> None:
    known = set(tasks.namespace.task_names)
    for name, alarm in alarms.items():
        what, _, to_do = alarm["AlarmDescription"].partition("Do: ")
        assert what, name
        assert to_do, name
        assert len(alarm["AlarmDescription"]) <= 500, name
        commands = re.findall(r"`invoke ([a-z.-]+)[^`]*`", alarm["AlarmDescription"])
        assert set(commands) <= known, name
        assert alarm["AlarmDescription"].isascii(), name


def test_operations_md_lists_every_alarm(alarms: dict[str, Any]) -> None:
    section = OPERATIONS.read_text("utf-8").split("\n### The alarms\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| (`[^|]+) \|", section, re.MULTILINE)
    told = [name for row in rows for name in re.findall(r"`([a-z0-9<>-]+)`", row)]
    assert sorted(told) == sorted(set(alarms) - ERRORS | {"<function>-errors"})
