"""Tests of the alarms in the template."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import tasks
from cdk.names import FUNCTIONS
from ops.command_line import ALIASES
from tests.infra.template import STACK, Changed, Template
from tests.simulation.capacity.prices import ALARMS

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
    """Return the properties of the alarms, by the alarms' names without the stack's name."""
    return template.alarms


def rule_of(alarm: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return an alarm's (metric, statistic, comparison, limit, seconds, periods, missing data)."""
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


def test_alarms_have_the_expected_metrics_and_limits(alarms: dict[str, Any]) -> None:
    age, waiting = "ApproximateAgeOfOldestMessage", "ApproximateNumberOfMessagesVisible"
    dead = (waiting, "Maximum", ">=", 1, 300, 1, GOOD)
    assert {name: rule_of(alarm) for name, alarm in alarms.items()} == {
        **dict.fromkeys(ERRORS, ("Errors", "Sum", ">=", 1, 300, 1, GOOD)),
        "webhook-4xx": ("WebhookRejected", "Sum", ">=", 1, 300, 1, GOOD),
        "webhook-401": ("WebhookUnauthorized", "Sum", ">=", 10, HOUR, 1, GOOD),
        # The minimum over an hour is 0 if any webhook event has a valid signature. So the alarm
        # goes into ALARM state only if all signatures of the hour are wrong.
        "webhook-signature": ("WebhookWronglySigned", "Minimum", ">=", 1, HOUR, 1, GOOD),
        "webhook-5xx": ("WebhookNotTaken", "Sum", ">=", 1, 300, 1, GOOD),
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


def test_the_prices_of_the_simulation_count_every_alarm(alarms: dict[str, Any]) -> None:
    assert len(alarms) == ALARMS


def test_an_alarm_about_a_function_a_route_or_a_queue_has_the_right_dimension(
    alarms: dict[str, Any],
) -> None:
    def dimension(name: str, key: str) -> str:
        [value] = [each["Value"] for each in alarms[name]["Dimensions"] if each["Name"] == key]
        return str(value)

    for function in FUNCTIONS:
        about = dimension(f"{function.name}-errors", "FunctionName")
        assert about == f"{STACK}-{function.name}"
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


def test_alarms_publish_to_a_topic_that_allows_cloudwatch(
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


def test_the_limit_of_the_upload_age_alarm_is_two_hours_above_oc_ingest_patience_hours(
    changed: Changed,
) -> None:
    patient = changed({"OC_INGEST_PATIENCE_HOURS": "24"})
    limit = patient.alarms["upload-age"]["Threshold"]
    assert limit == (24 + 2) * HOUR


def test_no_alarm_watches_for_an_idle_reconcile_when_reconcile_is_off(changed: Changed) -> None:
    off = changed({"RECONCILE_DAYS": "0"}).alarms
    assert "reconcile-idle" not in off
    assert "recordings-reconciled" in off


def test_age_alarm_of_a_dlq_begins_three_days_or_more_before_messages_or_files_are_deleted(
    alarms: dict[str, Any], template: Template
) -> None:
    # After some days, SQS deletes a failed download's message, and S3 deletes a failed upload's
    # files. A CloudWatch alarm looks back a week at most.
    queues = template.queues
    [bucket] = [
        properties
        for properties in template.of_type("AWS::S3::Bucket").values()
        if "LifecycleConfiguration" in properties
    ]
    [rule, _] = bucket["LifecycleConfiguration"]["Rules"]
    lost_after = {
        "download": queues["download-dlq"]["MessageRetentionPeriod"],
        "upload": rule["ExpirationInDays"] * DAY,
    }
    for kind, seconds in lost_after.items():
        alarm = alarms[f"{kind}-dead-letter-age"]
        seconds_until_alarm = alarm["Period"] * alarm["EvaluationPeriods"]
        assert seconds_until_alarm <= min(seconds - 3 * DAY, 7 * DAY), kind
        assert f"after {seconds // DAY}" in alarm["AlarmDescription"], kind


def test_an_error_alarm_describes_the_consequence_of_a_crash_of_its_function(
    alarms: dict[str, Any],
) -> None:
    descriptions = {name: alarms[f"{name}-errors"]["AlarmDescription"] for name in ERRORS_OF}
    assert {name for name, text in descriptions.items() if "message comes back" in text} == {
        "zoom-downloader",
        "zoom-uploader",
    }
    assert "mails about errors are missing" in descriptions["zoom-log-notifications"]
    assert "Who typed /zip may have no answer" in descriptions["slack"]
    assert "starts it every hour" in descriptions["zoom-reconcile"]
    # API Gateway calls the functions below for somebody who gets the answer.
    assert {name for name, text in descriptions.items() if "The caller got an error" in text} == {
        "zoom-webhook",
        "zoom-on-demand",
        "schedule-update",
        "status-query",
    }


def test_no_alarm_uses_metric_math(alarms: dict[str, Any]) -> None:
    # The local cloud can't deploy metric math.
    assert not [name for name, alarm in alarms.items() if "Metrics" in alarm]


def test_each_alarm_has_a_short_description_in_ascii_and_advice_whose_commands_exist(
    alarms: dict[str, Any],
) -> None:
    known = {*tasks.namespace.task_names, *(each for names in ALIASES.values() for each in names)}
    for name, alarm in alarms.items():
        what, _, to_do = alarm["AlarmDescription"].partition("Do: ")
        assert what, name
        assert to_do, name
        assert len(alarm["AlarmDescription"]) <= 500, name
        commands = re.findall(r"`invoke ([a-z.-]+)[^`]*`", alarm["AlarmDescription"])
        assert set(commands) <= known, name
        assert alarm["AlarmDescription"].isascii(), name


def test_the_operations_document_lists_all_alarms(alarms: dict[str, Any]) -> None:
    section = OPERATIONS.read_text("utf-8").split("\n### The alarms\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| (`[^|]+) \|", section, re.MULTILINE)
    documented = [name for row in rows for name in re.findall(r"`([a-z0-9<>-]+)`", row)]
    assert sorted(documented) == sorted(set(alarms) - ERRORS | {"<function>-errors"})
